//! How much of the exchange of gradients is hidden behind the computing, on the links that there are.
//!
//! `crates/demotic-mpi/hosts --mbit 100 -- target/release/examples/overlap` runs it on two hosts whose link is limited. Three things take their time: a step
//! of which nothing travels, a step of which all travels and nothing is computed, and a step. The last should take little longer than the longer one of the others;
//! beside it stands what it would take if nothing but the order of things kept it waiting.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use demotic::autograd;
use demotic::distributed::{DataParallel, Group, OneProcess};
use demotic::prelude::*;

const USAGE: &str = "\
mpirun -n RANKS overlap [options]
  --width N          of the layers (default 512)
  --layers N         how many (default 8)
  --rows N           examples in each micro-batch, several of them with commas (default 128,1024,8192)
  --elsewhere MS     in the place of rows: nothing is computed, but each micro-batch takes so long, as on a device that is no processor
                     of this machine; several with commas
  --micro-batches N  of each rank in a step (default 4)
  --steps N          how many steps, of which the median counts (default 5)
  --check PERCENT    fail where a step takes longer than so many percent of the longer one of computing and exchange";

struct Options {
    width: usize,
    layers: usize,
    rows: Vec<usize>,
    elsewhere: Vec<usize>,
    micro_batches: usize,
    steps: usize,
    check: Option<f64>,
}

fn options() -> Result<Option<Options>> {
    let wrong = |message: String| Error::argument("overlap", message).with_help(USAGE);
    let (rows, elsewhere) = (vec![128, 1024, 8192], Vec::new());
    let mut all = Options { width: 512, layers: 8, rows, elsewhere, micro_batches: 4, steps: 5, check: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--help" {
            return Ok(None);
        }
        let value = words.next().ok_or_else(|| wrong(format!("{word} needs a value")))?;
        let numbers = value.split(',').map(str::parse::<usize>).collect::<std::result::Result<Vec<_>, _>>();
        let numbers = numbers.ok().filter(|numbers| !numbers.contains(&0));
        let numbers = numbers.ok_or_else(|| wrong(format!("{word} {value}: expected numbers of at least 1")))?;
        match word.as_str() {
            "--width" => all.width = numbers[0],
            "--layers" => all.layers = numbers[0],
            "--rows" => all.rows = numbers,
            "--elsewhere" => (all.rows, all.elsewhere) = (Vec::new(), numbers),
            "--micro-batches" => all.micro_batches = numbers[0],
            "--steps" => all.steps = numbers[0],
            "--check" => all.check = Some(numbers[0] as f64 / 100.0),
            other => return Err(wrong(format!("{other} is no option"))),
        }
    }
    Ok(Some(all))
}

/// One step of some micro-batches. Returns its seconds on the slowest of `all`.
fn step(
    all: &dyn Group,
    parallel: &mut DataParallel,
    model: &Sequential,
    micro_batches: usize,
    loss: &dyn Fn(&Sequential) -> Result<Tensor>,
) -> Result<f64> {
    all.barrier()?;
    let begun = Instant::now();
    let mut step = parallel.step(model, micro_batches)?;
    for _ in step.own() {
        step.backward(&loss(model)?, 1.0)?;
    }
    step.finish()?;
    let seconds = all.all_gather(&Tensor::from_slice(&[begun.elapsed().as_secs_f64()], [1])?)?;
    seconds.iter().try_fold(0.0, |most: f64, seconds| Ok(most.max(seconds.item()?)))
}

/// A loss of all parameters whose forward and backward pass take their time without a processor, a third and two thirds of it.
fn elsewhere(model: &Sequential, time: Duration) -> Result<Tensor> {
    let weights = model.named_parameters();
    let each = time / weights.len() as u32 / 3;
    let mut x = Tensor::full([1], 0.0)?.tracked()?;
    for (_, weight) in &weights {
        let forward = move |inputs: &[&Tensor]| {
            std::thread::sleep(each);
            Ok(inputs[0].clone())
        };
        let backward = move |grad: &Tensor, inputs: &[Tensor], _: &Tensor| {
            std::thread::sleep(each * 2);
            Ok(vec![Some(grad.clone()), Some(Tensor::zeros(inputs[1].shape())?)])
        };
        x = autograd::custom("elsewhere", &[&x, weight], forward, backward)?;
    }
    Ok(x.sum())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_unstable_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// The seconds of a step if computing and link never waited for anything but what they need: each micro-batch is a third forward, and its gradients come
/// evenly in the rest; of the exchange it is one part, and the sums, for which the last one is needed, are another.
fn at_best(computing: f64, exchange: f64, micro_batches: f64) -> f64 {
    let (each, part) = (computing / micro_batches, exchange / (micro_batches + 1.0));
    computing.max(each / 3.0 + exchange).max(computing - each * 2.0 / 3.0 + 2.0 * part)
}

fn run(group: &dyn Group, options: &Options) -> Result<()> {
    let Options { width, layers, micro_batches, .. } = *options;
    let mut rng = Rng::seed(0);
    let mut model = Sequential::new();
    for _ in 0..layers {
        model.push(sequential![Linear::new(width, width, &mut rng)?, Relu]);
    }
    let (mut alone, mut parallel) = (DataParallel::new(&OneProcess::new()), DataParallel::new(group));
    parallel.synchronize(&mut model)?;
    // All gradients are known without computing any.
    let nothing = |model: &Sequential| {
        let weights = model.named_parameters();
        let mut sum = Tensor::full([1], 0.0)?;
        for (_, weight) in &weights {
            sum = sum.add(&weight.sum())?;
        }
        Ok(sum.sum())
    };
    if group.rank() == 0 {
        let megabytes = (width + 1) as f64 * width as f64 * layers as f64 * 4e-6;
        println!("{} ranks, {micro_batches} micro-batches each, gradients of {megabytes:.1} MB", group.size());
        println!("| rows | computing | exchange | step | of the longer one | at the best |\n|---|---|---|---|---|---|");
    }
    type Loss = Box<dyn Fn(&Sequential) -> Result<Tensor>>;
    let mut works: Vec<(String, Loss)> = Vec::new();
    for rows in &options.rows {
        let x = Tensor::normal([*rows, width], 0.0, 1.0, &mut rng)?;
        let forward = move |model: &Sequential| Ok(model.forward(&x, &mut Mode::eval())?.square().mean());
        works.push((rows.to_string(), Box::new(forward)));
    }
    for milliseconds in &options.elsewhere {
        let time = Duration::from_millis(*milliseconds as u64);
        works.push((format!("{milliseconds} ms"), Box::new(move |model: &Sequential| elsewhere(model, time))));
    }
    for (rows, forward) in &works {
        let mut seconds = [const { Vec::new() }; 3];
        for i in 0..=options.steps {
            let all = [
                step(group, &mut alone, &model, micro_batches, forward)?,
                step(group, &mut parallel, &model, micro_batches * group.size(), &nothing)?,
                step(group, &mut parallel, &model, micro_batches * group.size(), forward)?,
            ];
            // The first step of each kind also makes what the others find.
            if i > 0 {
                seconds.iter_mut().zip(all).for_each(|(seconds, one)| seconds.push(one));
            }
        }
        let [computing, exchange, both] = seconds.map(median);
        let ratio = both / computing.max(exchange);
        let best = at_best(computing, exchange, micro_batches as f64) / computing.max(exchange);
        if group.rank() == 0 {
            println!("| {rows} | {computing:.3} s | {exchange:.3} s | {both:.3} s | {ratio:.2} | {best:.2} |");
        }
        if let Some(most) = options.check.filter(|most| ratio > *most) {
            return Err(Error::state("overlap", format!("a step takes {ratio:.2} times the longer one, not {most}")));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    demotic_mpi::main(|group| match options()? {
        Some(options) => run(group, &options),
        None => {
            if group.rank() == 0 {
                println!("{USAGE}");
            }
            Ok(())
        }
    })
}
