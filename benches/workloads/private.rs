//! Steps that keep examples private, beside plain ones of the same models on the same batches.

use std::time::{Duration, Instant};

use demotic::losses::{CrossEntropy, Loss, Reduction};
use demotic::models::{Gpt, GptConfig, RecurrentLm, RecurrentLmConfig};
use demotic::optimizers::{Adam, AdamW, Optimizer, Sgd};
use demotic::prelude::*;
use demotic::privacy::{DpOptimizer, PoissonSampler};

use crate::language::tokens;
use crate::measure::Options;

/// The time of a step with clipped gradients of single examples and noise. A plain step comes before each of them, and a second line
/// says how the medians compare.
fn beside<M: Layer + Clone, O: Optimizer>(
    options: &Options,
    model: M,
    new: &dyn Fn() -> O,
    (x, y): (Tensor, Tensor),
    batch: usize,
) -> Result<()> {
    let mut rng = Rng::seed(8);
    let batches = x.shape()[0] / batch;
    let sampler = PoissonSampler::new(x.shape()[0], batch as f64 / x.shape()[0] as f64, rng.split())?;
    let (mut plain, mut opt) = (model.clone(), new());
    let (mut private, mut private_opt) = (model, DpOptimizer::new(new(), 1.0, 1.0, &sampler, rng.split())?);
    let per_row = CrossEntropy::new().reduction(Reduction::None);
    let mut losses_of = |model: &M, i: usize| {
        let at = (i % batches) * batch;
        let (x, y) = (x.narrow(0, at, batch)?, y.narrow(0, at, batch)?);
        let logits = model.forward(&x, &mut Mode::train(&mut rng))?;
        let rows = per_row.loss(&logits.flatten(0, -2)?, &y.flatten(0, -1)?)?;
        rows.reshape([batch, rows.numel() / batch])?.mean_dims(&[1], false)
    };
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    options.run_timed(|i| {
        let start = Instant::now();
        let loss = losses_of(&plain, i)?.mean();
        opt.step(&mut plain, &loss.backward()?)?;
        let loss = loss.item()?;
        let between = Instant::now();
        private_opt.accumulate(&losses_of(&private, i)?)?;
        private_opt.step_private(&mut private)?;
        times.push((between - start, between.elapsed()));
        Ok((between.elapsed(), loss))
    })?;
    let median = |pick: fn(&(Duration, Duration)) -> Duration| {
        let mut picked: Vec<f64> = times.iter().map(|pair| pick(pair).as_secs_f64() * 1e3).collect();
        picked.sort_by(f64::total_cmp);
        picked[picked.len() / 2]
    };
    let (plain, private) = (median(|pair| pair.0), median(|pair| pair.1));
    println!("plain_ms={plain:.4} private_ms={private:.4} ratio={:.2}", private / plain);
    Ok(())
}

/// The network of the `private` example, on digits of 8 × 8 pixels, SGD with momentum, batches of 200.
pub fn digits(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let x = Tensor::normal([800, 1, 8, 8], 0.0, 1.0, &mut rng)?;
    let y = Tensor::randint(0, 10, [800], &mut rng)?;
    let model = sequential![
        Conv2d::new(1, 16, 3, &mut rng)?.padding(1),
        Tanh,
        MaxPool2d::new(2),
        Conv2d::new(16, 32, 3, &mut rng)?.padding(1),
        Tanh,
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(128, 10, &mut rng)?,
    ];
    beside(options, model, &|| Sgd::new(0.3).momentum(0.5), (x, y), 200)
}

/// A network twice as wide with a dense layer, Adam, batches of 64.
pub fn digits_wide(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let x = Tensor::normal([640, 1, 8, 8], 0.0, 1.0, &mut rng)?;
    let y = Tensor::randint(0, 10, [640], &mut rng)?;
    let model = sequential![
        Conv2d::new(1, 32, 3, &mut rng)?.padding(1),
        Relu,
        Conv2d::new(32, 64, 3, &mut rng)?.padding(1),
        Relu,
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(64 * 16, 128, &mut rng)?,
        Relu,
        Linear::new(128, 10, &mut rng)?,
    ];
    beside(options, model, &|| Adam::new(1e-3), (x, y), 64)
}

/// The model of `gpt_char`.
pub fn gpt_char(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let model = Gpt::new(GptConfig::new(65, 64).untied(), &mut rng)?;
    let data = tokens(1200, 64, 65, &mut rng)?;
    beside(options, model, &|| AdamW::new(1e-3), data, 12)
}

/// The model of `lstm_lm`, with 500 tokens.
pub fn lstm_lm(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let model = RecurrentLm::new(RecurrentLmConfig::new(500), &mut rng)?;
    let data = tokens(1280, 32, 500, &mut rng)?;
    beside(options, model, &|| Adam::new(1e-3), data, 64)
}
