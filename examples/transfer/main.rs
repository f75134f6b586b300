//! What was learnt helps to learn: a network reads the digits 0 to 4, and then learns 5 to 9 from ten pictures of each, beside one that
//! begins with these pictures.
//!
//! `cargo run --release --example transfer`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod options;
#[path = "../pictures/table.rs"]
mod table;

use std::time::Instant;

use demotic::autograd;
use demotic::data::{Dataset, ImageDataset, TensorDataset, Transforms};
use demotic::layers::update_bn;
use demotic::models::{ConvNet, ConvNetConfig};
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;
use options::Options;
use serde_json::json;

/// How many steps each way to learn takes, each time from its beginning. All pictures are in each of them.
const STEPS: [usize; 4] = [20, 40, 80, 160];
/// For `--check`: what 40 steps must come to with what was learnt before, and by how much they must be ahead of those without it.
const WANTED: f64 = 0.75;
const MARGIN: f64 = 0.05;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("transfer", &options.out, e))?;
    let start = Instant::now();
    let mut rng = Rng::seed(options.seed);
    let digits = table::digits()?;
    let members = |digit: i64| -> Vec<usize> { (0..digits.len()).filter(|i| digits.labels()[*i] == digit).collect() };

    // The first five digits, of which there are many pictures.
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for digit in 0..5 {
        let mut pictures = members(digit);
        rng.shuffle(&mut pictures);
        let rest = pictures.split_off(pictures.len() / 5);
        test.extend(pictures);
        train.extend(rest);
    }
    let (train, test) = (digits.subset(&train)?.transform(moved()), Tested::of(&digits.subset(&test)?, 0)?);
    let config = ConvNetConfig::new(1, 5).channels(&[16, 32, 64]).dropout(0.2);
    let config = if options.batch_norm { config } else { config.without_batch_norm() };
    let mut teacher = ConvNet::new(config.clone(), &mut rng)?;
    learn(&mut teacher, &train, options.epochs, 64, &mut rng)?;
    let known = test.accuracy(&teacher)?;
    println!("{} pictures of 0 to 4: {:.1} % of {} others are right.", train.len(), 100.0 * known, test.len());
    teacher.save(options.out.join("first.safetensors"))?;

    // The other five, of which there are few.
    let (mut features, mut scratch, mut tuned) = (0.0, [0.0; STEPS.len()], [0.0; STEPS.len()]);
    for draw in 0..options.draws {
        let (mut few, mut others) = (Vec::new(), Vec::new());
        for digit in 5..10 {
            let mut pictures = members(digit);
            rng.shuffle(&mut pictures);
            others.extend(pictures.split_off(options.pictures));
            few.extend(pictures);
        }
        let few = relabelled(&digits.subset(&few)?)?.transform(moved());
        let test = Tested::of(&digits.subset(&others)?, 5)?;
        if draw == 0 {
            println!("{} pictures of 5 to 9, and {} others to test with.", few.len(), test.len());
        }
        let share = 1.0 / options.draws as f64;

        // What the network sees in pictures stays as it is, and only a new head learns.
        let mut adapted = teacher.clone();
        adapted.set_head(5, &mut rng)?;
        learn_head(&mut adapted, &few, &mut rng)?;
        features += share * test.accuracy(&adapted)?;

        for (i, &steps) in STEPS.iter().enumerate() {
            // From the beginning, and all of the network that has a head already.
            let mut fresh = ConvNet::new(config.clone(), &mut rng)?;
            learn(&mut fresh, &few, steps, few.len(), &mut rng)?;
            scratch[i] += share * test.accuracy(&fresh)?;
            let mut model = adapted.clone();
            learn(&mut model, &few, steps, few.len(), &mut rng)?;
            tuned[i] += share * test.accuracy(&model)?;
            model.save(options.out.join("second.safetensors"))?;
        }
    }
    println!("\nRight, the mean of {} draws of these pictures:\n", options.draws);
    println!("a new head on what it sees: {:.1} %\n", 100.0 * features);
    println!("steps   from scratch   fine-tuned");
    for (i, steps) in STEPS.iter().enumerate() {
        println!("{steps:>5} {:>12.1} % {:>10.1} %", 100.0 * scratch[i], 100.0 * tuned[i]);
    }

    let seconds = start.elapsed().as_secs_f64();
    println!("\nAll of it took {seconds:.1} s.");
    if options.json {
        println!(
            "{}",
            json!({
                "first_digits": known, "head": features, "steps": STEPS, "from_scratch": scratch, "fine_tuned": tuned,
                "draws": options.draws, "pictures": options.pictures, "seconds": seconds,
            })
        );
    }
    let (few_steps, all_steps) = (1, STEPS.len() - 1);
    let ahead = tuned[few_steps] >= WANTED && tuned[few_steps] >= scratch[few_steps] + MARGIN;
    if options.check && !(ahead && tuned[all_steps] >= tuned[few_steps]) {
        let message = format!("{tuned:?} with what was learnt before, {scratch:?} without it");
        let help =
            format!("after {} steps at least {WANTED}, and {MARGIN} more than without; then more", STEPS[few_steps]);
        return Err(Error::numeric("check", message).with_help(help));
    }
    Ok(())
}

/// Digits are written a little higher, lower, larger or slanted.
fn moved() -> Transforms {
    Transforms::new().random_affine([-10.0, 10.0], [0.1, 0.1], [0.9, 1.15], [-10.0, 10.0])
}

/// The same pictures, with the digits from 5 to 9 as classes from 0 to 4.
fn relabelled(data: &ImageDataset) -> Result<ImageDataset> {
    let (x, y) = all(data)?;
    ImageDataset::new(x, y.sub(&Tensor::from_slice(&[5i64], ())?)?)
}

fn learn(model: &mut ConvNet, data: &ImageDataset, epochs: usize, batch: usize, rng: &mut Rng) -> Result<()> {
    let lr = 4e-3;
    let steps = (epochs * data.len().div_ceil(batch)) as u64;
    Trainer::new(losses::cross_entropy, AdamW::new(lr).decay_matrices_only())
        .epochs(epochs)
        .batch_size(batch)
        .step_schedule(Curve::cosine(lr, steps).warm_up(steps / 20))
        .fit(model, data, rng)?;
    // Running averages have not followed so few steps: without this, they would be what is compared.
    let mut order = rng.split();
    let batches = data.batches(batch).shuffle(&mut order);
    update_bn(model, batches.map(|pair| Ok(pair?.0)), rng)?;
    Ok(())
}

/// What the network sees in the pictures, moved in this way and that, is computed once; of that its last layer learns.
fn learn_head(model: &mut ConvNet, data: &ImageDataset, rng: &mut Rng) -> Result<()> {
    let (mut features, mut classes) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let (x, y) = data.batch_range(0..data.len(), rng)?;
        features.push(autograd::no_grad(|| model.forward_features(&x, &mut Mode::eval()))?);
        classes.push(y);
    }
    let joined = |parts: &[Tensor]| Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0);
    let seen = TensorDataset::new(joined(&features)?, joined(&classes)?)?;
    Trainer::new(losses::cross_entropy, AdamW::new(0.01)).epochs(10).batch_size(64).fit(&mut model.head, &seen, rng)?;
    Ok(())
}

/// Pictures to test with, and their classes.
struct Tested {
    x: Tensor,
    y: Tensor,
}

impl Tested {
    /// Classes begin at `first`.
    fn of(data: &ImageDataset, first: i64) -> Result<Self> {
        let (x, y) = all(data)?;
        Ok(Self { x, y: y.sub(&Tensor::from_slice(&[first], ())?)? })
    }

    fn len(&self) -> usize {
        self.y.numel()
    }

    fn accuracy(&self, model: &ConvNet) -> Result<f64> {
        metrics::accuracy(&model.predict(&self.x)?, &self.y)
    }
}

/// All pictures and classes of a dataset.
fn all(data: &ImageDataset) -> Result<(Tensor, Tensor)> {
    data.batch_range(0..data.len(), &mut Rng::seed(0))
}
