//! A network that takes noise out of pictures draws handwritten digits, each of the kind that it is asked for. A second network, which
//! reads real digits, says how many of them it recognises.
//!
//! `cargo run --release --features image --example diffusion_digits`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
#[path = "../pictures/drawn.rs"]
mod drawn;
mod options;
#[path = "../pictures/reader.rs"]
mod reader;
#[path = "../pictures/sheet.rs"]
mod sheet;
#[path = "../pictures/table.rs"]
mod table;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use demotic::data::{Dataset, TensorDataset};
use demotic::models::{Diffusion, DiffusionConfig, DiffusionSampling, DiffusionUnetConfig, NoiseSchedule};
use demotic::optimizers::schedule::Curve;
use demotic::optimizers::{Averaged, Shared};
use demotic::prelude::*;
use demotic::train::{Objective, StepReport};
use drawn::{COLUMNS, ROWS, in_turns, levels};
use options::Options;
use reader::Reader;
use serde_json::json;

/// How many are judged, in a full run and in a short one.
const JUDGED: [usize; 2] = [1000, 300];

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("diffusion_digits", &options.out, e))?;
    let start = Instant::now();
    let mut rng = Rng::seed(options.seed);
    let digits = table::digits()?;
    let reader = Reader::learn(&digits, &mut rng)?;
    println!("The reader has {:.1} % of the real digits right that it has not seen.", 100.0 * reader.accuracy);

    // The network sees numbers from -1 to 1.
    let (x, y) = digits.batch_range(0..digits.len(), &mut rng)?;
    let train = TensorDataset::new(x * 2.0 - 1.0, y)?;
    let unet =
        DiffusionUnetConfig::new(1).channels(&[options.width, 2 * options.width]).layers(1).groups(8).classes(10);
    let config = DiffusionConfig::new(unet).steps(options.steps).schedule(NoiseSchedule::cosine());
    let mut model = Diffusion::new(config, &mut rng)?;
    println!("The network has {} parameters.", model.num_parameters());

    let steps = (options.epochs * train.len().div_ceil(options.batch)) as u64;
    let loss = |model: &Diffusion, (x, y): &(Tensor, Tensor), mode: &mut Mode| {
        Ok(Objective::new(model.loss(x, Some(y), mode)?, x.shape()[0] as f64))
    };
    let opt = Shared::new(Averaged::ema(AdamW::new(options.lr).weight_decay(0.0), options.decay));
    let sampling = DiffusionSampling::ddim(options.draw_steps).guidance(options.guidance);
    // A row of the sheet every so often, always of the same noise.
    let rows = Arc::new(Mutex::new(Vec::new()));
    let (seen, kept, drawing, noise) = (opt.clone(), Arc::clone(&rows), sampling.clone(), rng.split());
    let draw = move |_: &StepReport, model: &Diffusion| {
        let mut shown = model.clone();
        seen.with(|opt| opt.swap(&mut shown))?;
        let row = shown.sample([COLUMNS, 1, 8, 8], Some(&in_turns(COLUMNS)?), &drawing, &mut noise.clone());
        seen.with(|opt| opt.swap(&mut shown))?;
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(levels(&row?));
        Ok(ControlFlow::Continue(()))
    };
    let history = Trainer::with_task(loss, opt.clone())
        .epochs(options.epochs)
        .batch_size(options.batch)
        .step_schedule(Curve::cosine(options.lr, steps).warm_up(steps / 20))
        .every((steps / ROWS as u64).max(1), draw)
        .fit(&mut model, &train, &mut rng)?;

    opt.with(|opt| opt.swap(&mut model))?;
    let judged = JUDGED[usize::from(options.quick)];
    let asked = in_turns(judged)?;
    let made = levels(&model.sample([judged, 1, 8, 8], Some(&asked), &sampling, &mut rng)?);
    let judgement = reader.judge(&made)?;
    drawn::say(&judgement, &asked)?;
    drawn::write(&options.out, &rows.lock().unwrap_or_else(PoisonError::into_inner), &made)?;
    model.save(options.out.join("diffusion.safetensors"))?;

    let seconds = start.elapsed().as_secs_f64();
    println!("All of it took {seconds:.1} s.");
    if options.json {
        let loss = history.last().map_or(f64::NAN, |epoch| epoch.train_loss);
        println!(
            "{}",
            json!({
                "recognised": judgement.recognised(), "as_asked": judgement.agreement(&asked)?,
                "classes": judgement.classes(), "shares": judgement.shares(),
                "reader_accuracy": reader.accuracy, "train_loss": loss, "seconds": seconds
            })
        );
    }
    if options.check {
        drawn::check(&judgement, options.quick)?;
    }
    Ok(())
}
