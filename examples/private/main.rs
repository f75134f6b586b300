//! A convolutional network learns handwritten digits so that nobody can tell from it which digits it has seen: what that costs at several
//! epsilons, and what attackers find out about it, and about a network that was trained in the ordinary way.
//!
//! `cargo run --release --example private`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod options;
#[path = "../pictures/table.rs"]
mod table;

use std::time::Instant;

use demotic::losses::{CrossEntropy, Loss, Reduction};
use demotic::prelude::*;
use demotic::privacy::{Accounting, DpOptimizer, Lira, MembershipAudit, PoissonSampler, noise_for, scaled_confidence};
use demotic::train::plot::Chart;
use options::Options;
use serde_json::json;

/// What is learnt from, and as many that are not.
const MEMBERS: usize = 800;
/// How likely each is in a batch.
const RATE: f64 = 0.25;
const DELTA: f64 = 1e-4;
const EPSILONS: [f64; 5] = [0.5, 1.0, 2.0, 4.0, 8.0];
/// That of the private model which is attacked.
const ATTACKED: f64 = 2.0;
/// The accuracy that `--check` asks for at the largest epsilon.
const WANTED: f64 = 0.85;

struct Data {
    x: Tensor,
    y: Tensor,
}

impl Data {
    fn rows(&self, rows: &Tensor) -> Result<Self> {
        Ok(Self { x: self.x.index_select(0, rows)?, y: self.y.index_select(0, rows)? })
    }

    fn part(&self, from: usize, len: usize) -> Result<Self> {
        Ok(Self { x: self.x.narrow(0, from, len)?, y: self.y.narrow(0, from, len)? })
    }

    fn losses(&self, model: &Sequential) -> Result<Tensor> {
        each(&model.predict(&self.x)?, &self.y)
    }

    fn accuracy(&self, model: &Sequential) -> Result<f64> {
        metrics::accuracy(&model.predict(&self.x)?, &self.y)
    }
}

/// The loss of each example.
fn each(logits: &Tensor, y: &Tensor) -> Result<Tensor> {
    CrossEntropy::new().reduction(Reduction::None).loss(logits, y)
}

/// Small, and with activations that are bounded: both need less noise.
fn network(rng: &mut Rng) -> Result<Sequential> {
    Ok(sequential![
        Conv2d::new(1, 16, 3, rng)?.padding(1),
        Tanh,
        MaxPool2d::new(2),
        Conv2d::new(16, 32, 3, rng)?.padding(1),
        Tanh,
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(128, 10, rng)?,
    ])
}

/// A network that was trained privately, and the epsilon that it came to.
fn private(data: &Data, epsilon: f64, epochs: u64, rng: &mut Rng) -> Result<(Sequential, f64)> {
    let mut model = network(rng)?;
    let train = TensorDataset::new(data.x.clone(), data.y.clone())?;
    let sampler = PoissonSampler::new(data.y.numel(), RATE, rng.split())?;
    let noise = noise_for(Accounting::Rdp, epsilon, DELTA, RATE, epochs * sampler.batches_per_epoch())?;
    let sgd = Sgd::new(0.3).momentum(0.5);
    let optimizer = DpOptimizer::new(sgd, noise, 1.0, &sampler, rng.split())?.reporting(DELTA)?;
    let history = Trainer::new(CrossEntropy::new().reduction(Reduction::None), optimizer)
        .epochs(epochs as usize)
        .batch_size(sampler.expected().round() as usize)
        .sampler(sampler)
        .fit(&mut model, &train, rng)?;
    let spent = history.metric("epsilon").last().copied();
    Ok((model, spent.ok_or_else(|| Error::state("private", "no epoch was trained"))?))
}

fn ordinary(data: &Data, rng: &mut Rng) -> Result<Sequential> {
    let mut model = network(rng)?;
    let train = TensorDataset::new(data.x.clone(), data.y.clone())?;
    Trainer::new(losses::cross_entropy, Adam::new(4e-3)).epochs(40).batch_size(64).fit(&mut model, &train, rng)?;
    Ok(model)
}

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("private", &options.out, e))?;
    let start = Instant::now();
    let mut rng = Rng::seed(options.seed);
    let digits = table::digits()?;
    let (x, y) = demotic::data::Dataset::batch(&digits, &rng.permutation(digits.len())?, &mut Rng::seed(0))?;
    let all = Data { x: (x - 0.3) * 2.0, y };
    let (members, others) = (all.part(0, MEMBERS)?, all.part(MEMBERS, all.y.numel() - MEMBERS)?);

    println!("{MEMBERS} digits to learn from, {} others. Delta is {DELTA:e}.\n", others.y.numel());
    println!("epsilon   spent   accuracy on others");
    let (mut curve, mut attacked) = (Vec::new(), None);
    for epsilon in EPSILONS {
        let (mut sum, mut spent) = (0.0, f64::NAN);
        for _ in 0..options.repeats {
            let (model, found) = private(&members, epsilon, options.epochs, &mut rng)?;
            sum += others.accuracy(&model)?;
            spent = found;
            if epsilon == ATTACKED {
                attacked = Some((model, found));
            }
        }
        let accuracy = sum / options.repeats as f64;
        println!("{epsilon:7.1}   {spent:5.3}   {:.1} %", 100.0 * accuracy);
        curve.push((epsilon, accuracy));
    }
    let open = ordinary(&members, &mut rng)?;
    let best = others.accuracy(&open)?;
    println!("   none           {:.1} %   (ordinary training)\n", 100.0 * best);
    Chart::new("What privacy costs")
        .labels("epsilon: how much one digit may change", "accuracy on digits that were not seen")
        .log_x()
        .xy_line("private", curve.iter().copied())
        .y_limits(0.0, 1.05)
        .horizontal(best, "ordinary training")
        .save(options.out.join("accuracy.png"))?;

    let Some((closed, spent)) = attacked else { return Err(Error::state("private", "no model to attack")) };
    let limit = (spent.exp() - 1.0 + 2.0 * DELTA) / (spent.exp() + 1.0);
    let pool = all.part(0, 2 * MEMBERS)?;
    let train_open = |data: &Data, rng: &mut Rng| ordinary(data, rng);
    let train_closed = |data: &Data, rng: &mut Rng| Ok(private(data, ATTACKED, options.epochs, rng)?.0);
    let mut chart = Chart::new("Who was in the data?")
        .labels("others that are taken for members", "members that are found")
        .diagonal();
    let mut found = Vec::new();
    for (name, model, train) in [
        ("ordinary", &open, &train_open as &dyn Fn(&Data, &mut Rng) -> Result<Sequential>),
        ("private", &closed, &train_closed),
    ] {
        let by_loss = MembershipAudit::of_losses(&members.losses(model)?, &others.losses(model)?)?;
        let by_ratio = likelihood_ratio(model, &pool, options.shadows, train, &mut rng)?;
        println!("The {name} model, attacked by its losses:\n{by_loss}\n");
        println!("The same by {} models of the attacker's own:\n{by_ratio}\n", options.shadows);
        chart = chart.xy_line(format!("{name}, by loss"), by_loss.curve().points());
        chart = chart.xy_line(format!("{name}, by likelihood ratio"), by_ratio.curve().points());
        found.push((name, by_loss, by_ratio));
    }
    println!(
        "Epsilon is {spent:.3} at a delta of {DELTA:e}.\nNo attack on the private model has an advantage above {limit:.3}, whatever it knows."
    );
    chart.save(options.out.join("attacks.png"))?;

    let seconds = start.elapsed().as_secs_f64();
    println!("All of it took {seconds:.1} s; the pictures are in {}.", options.out.display());
    if options.json {
        let attacks: serde_json::Map<_, _> = found
            .iter()
            .map(|(name, loss, ratio)| {
                let of = |audit: &MembershipAudit| json!({ "auc": audit.auc(), "advantage": audit.advantage(), "tpr_at_1_percent": audit.tpr(0.01) });
                (name.to_string(), json!({ "loss": of(loss), "likelihood_ratio": of(ratio) }))
            })
            .collect();
        println!(
            "{}",
            json!({ "accuracy": curve, "ordinary": best, "delta": DELTA, "attacks": attacks, "seconds": seconds })
        );
    }
    if options.check {
        check(&curve, best, limit, &found)?;
    }
    Ok(())
}

/// How well models that were trained like this one tell which half of the pool it has seen: the first.
fn likelihood_ratio(
    model: &Sequential,
    pool: &Data,
    shadows: usize,
    train: &dyn Fn(&Data, &mut Rng) -> Result<Sequential>,
    rng: &mut Rng,
) -> Result<MembershipAudit> {
    let sure = |model: &Sequential| scaled_confidence(&model.predict(&pool.x)?, &pool.y);
    let halves = Lira::halves(shadows, pool.y.numel(), rng)?;
    let mut confidences = Vec::with_capacity(shadows);
    for row in halves.unbind(0)? {
        confidences.push(sure(&train(&pool.rows(&row.nonzero()?.flatten(0, -1)?)?, rng)?)?);
    }
    let confidences = Tensor::stack(&confidences.iter().collect::<Vec<_>>(), 0)?;
    let scores = Lira::new(&confidences, &halves)?.fixed_deviation().online(&sure(model)?)?;
    MembershipAudit::of_scores(&scores.narrow(0, 0, MEMBERS)?, &scores.narrow(0, MEMBERS, MEMBERS)?)
}

fn check(
    curve: &[(f64, f64)],
    best: f64,
    limit: f64,
    found: &[(&str, MembershipAudit, MembershipAudit)],
) -> Result<()> {
    let failed = |message: String| Err(Error::numeric("check", message));
    let (first, last) = (curve[0].1, curve[curve.len() - 1].1);
    if !(last >= WANTED && last > first && best > last) {
        return failed(format!(
            "accuracies from {first} to {last}, and {best}: expected {WANTED} at the largest epsilon"
        ));
    }
    let [(_, _, open_ratio), (_, loss, ratio)] = found else { return failed("two models to attack".into()) };
    if loss.advantage().max(ratio.advantage()) > limit {
        return failed(format!("advantages of {} and {} above {limit}", loss.advantage(), ratio.advantage()));
    }
    if ratio.auc() >= open_ratio.auc() {
        return failed(format!(
            "the private model is found out as well as the other: {} {}",
            ratio.auc(),
            open_ratio.auc()
        ));
    }
    Ok(())
}
