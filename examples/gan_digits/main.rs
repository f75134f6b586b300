//! Two networks that learn against each other: a generator that draws handwritten digits of noise, each of the kind that it is asked for,
//! and a critic that tells them from real ones. A third network, which reads real digits, says how many of the drawn ones it recognises.
//!
//! `cargo run --release --features image --example gan_digits`, and `-- --help` for the options.

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
use demotic::models::{Adversaries, Dcgan, DcganConfig};
use demotic::optimizers::schedule::Curve;
use demotic::optimizers::{Averaged, Shared};
use demotic::prelude::*;
use demotic::train::{Adversarial, StepReport};
use drawn::{COLUMNS, ROWS, in_turns, levels};
use options::Options;
use reader::Reader;
use serde_json::json;

/// How many are judged.
const JUDGED: usize = 1000;

/// Two networks that know which digit it is about: beside each picture are ten more channels, with ones in that of the digit.
#[derive(Clone)]
struct Pair {
    networks: Dcgan,
    latent: usize,
}

module!(Pair { networks }, plain { latent });

impl Pair {
    /// What these digits are drawn of: numbers at random, and which digit.
    fn noise_for(&self, digits: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        let numbers = Tensor::normal([digits.numel(), self.latent], 0.0, 1.0, rng)?;
        Tensor::cat(&[&numbers, &ones(digits)?], 1)
    }

    /// The pictures alone, with levels from 0 to 1.
    fn draw(&self, noise: &Tensor) -> Result<Tensor> {
        let pictures = no_grad(|| self.generate(noise, &mut Mode::eval()))?.narrow(1, 0, 1)?;
        Ok(levels(&pictures))
    }
}

impl Adversaries for Pair {
    fn noise(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
        let digits = Tensor::from_vec((0..count).map(|_| rng.below(10) as i64).collect(), [count])?;
        self.noise_for(&digits, rng)
    }

    fn generate(&self, noise: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let pictures = mode.scope("networks", |mode| self.networks.generate(noise, mode))?.narrow(1, 0, 1)?;
        beside(&pictures, &noise.narrow(1, self.latent, 10)?)
    }

    fn judge(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        mode.scope("networks", |mode| self.networks.judge(x, mode))
    }

    fn generator_mut(&mut self) -> &mut dyn Module {
        &mut self.networks.generator
    }

    fn critic_mut(&mut self) -> &mut dyn Module {
        &mut self.networks.discriminator
    }
}

/// A one for each digit, in the column of it.
fn ones(digits: &Tensor) -> Result<Tensor> {
    Ok(digits.one_hot(10)?.to_dtype(DType::F32))
}

/// Pictures, and in further channels which digits they are.
fn beside(pictures: &Tensor, ones: &Tensor) -> Result<Tensor> {
    let (n, size) = (ones.shape()[0], pictures.shape()[2]);
    Tensor::cat(&[pictures, &ones.reshape([n, 10, 1, 1])?.broadcast_to([n, 10, size, size])?], 1)
}

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("gan_digits", &options.out, e))?;
    let start = Instant::now();
    let mut rng = Rng::seed(options.seed);
    let digits = table::digits()?;
    let reader = Reader::learn(&digits, &mut rng)?;
    println!("The reader has {:.1} % of the real digits right that it has not seen.", 100.0 * reader.accuracy);

    // The generator draws from -1 to 1.
    let (x, y) = digits.batch_range(0..digits.len(), &mut rng)?;
    let train = TensorDataset::new(beside(&(x * 2.0 - 1.0), &ones(&y)?)?, y)?;
    let config = DcganConfig::new(1 + 10, 8).latent(options.latent + 10).width(options.width);
    let networks = Dcgan::new(config.extra_layers(options.extra_layers).critic(), &mut rng)?;
    let (generator, critic) = (networks.generator.num_parameters(), networks.discriminator.num_parameters());
    println!("{generator} parameters draw, {critic} judge.");
    let mut model = Pair { networks, latent: options.latent };

    let steps = (options.epochs * train.len().div_ceil(options.batch)) as u64;
    let adam = || Adam::new(options.lr).betas(0.0, 0.9);
    let opt = Shared::new(Averaged::ema(adam(), options.decay));
    // A row of the sheet every so often, always of the same noise.
    let noise = model.noise_for(&in_turns(COLUMNS)?, &mut rng)?;
    let rows = Arc::new(Mutex::new(Vec::new()));
    let (seen, kept) = (opt.clone(), Arc::clone(&rows));
    let draw = move |_: &StepReport, model: &Pair| {
        let mut shown = model.clone();
        seen.with(|opt| opt.swap(&mut shown.networks.generator))?;
        let row = shown.draw(&noise);
        seen.with(|opt| opt.swap(&mut shown.networks.generator))?;
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(row?);
        Ok(ControlFlow::Continue(()))
    };
    let game = Adversarial::wgan_gp(adam()).penalty(options.penalty)?;
    let history = Trainer::with_task(game.critic_steps(options.critic_steps).critic_rate(1.0), opt.clone())
        .epochs(options.epochs)
        .batch_size(options.batch)
        .step_schedule(Curve::cosine(options.lr, steps))
        .every((steps / ROWS as u64).max(options.critic_steps), draw)
        .fit(&mut model, &train, &mut rng)?;

    opt.with(|opt| opt.swap(&mut model.networks.generator))?;
    let asked = in_turns(JUDGED)?;
    let made = model.draw(&model.noise_for(&asked, &mut rng)?)?;
    let judgement = reader.judge(&made)?;
    drawn::say(&judgement, &asked)?;
    drawn::write(&options.out, &rows.lock().unwrap_or_else(PoisonError::into_inner), &made)?;
    model.networks.save(options.out.join("gan.safetensors"))?;

    let seconds = start.elapsed().as_secs_f64();
    println!("All of it took {seconds:.1} s.");
    if options.json {
        let loss = history.last().map_or(f64::NAN, |epoch| epoch.train_loss);
        println!(
            "{}",
            json!({
                "recognised": judgement.recognised(), "as_asked": judgement.agreement(&asked)?,
                "classes": judgement.classes(), "shares": judgement.shares(),
                "reader_accuracy": reader.accuracy, "critic_loss": loss, "seconds": seconds
            })
        );
    }
    if options.check {
        drawn::check(&judgement, options.quick)?;
    }
    Ok(())
}
