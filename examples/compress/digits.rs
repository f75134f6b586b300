//! A convolutional network with a residual block that reads digits: channels and units are taken out, and what is left learns from the whole network.

#[path = "../pictures/table.rs"]
mod table;

use demotic::compress::{Distill, Pruning, UnitGroups, compare, shrink};
use demotic::layers::{BatchNorm2d, Conv2d, Flatten, MaxPool2d, QuantizeExt};
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;
use demotic::tensor::Scheme;

use crate::Outcome;
use crate::options::Options;

/// How many of them are tested with.
const TESTED: usize = 500;
/// The share of channels and units that go.
const GONE: f64 = 0.625;
const BATCH: usize = 32;

pub fn run(options: &Options) -> Result<Outcome> {
    let mut rng = Rng::seed(options.seed);
    let digits = table::digits()?;
    let (x, y) = digits.batch(&rng.permutation(digits.len())?, &mut Rng::seed(0))?;
    let learned = x.shape()[0] - TESTED;
    let train = TensorDataset::new(x.narrow(0, 0, learned)?, y.narrow(0, 0, learned)?)?;
    let (test, truth) = (x.narrow(0, learned, TESTED)?, y.narrow(0, learned, TESTED)?);

    let mut original = sequential![
        Conv2d::new(1, 32, 3, &mut rng)?.padding(1),
        BatchNorm2d::new(32)?,
        // What is added up has the same channels: they go together.
        Residual::new(sequential![Relu, Conv2d::new(32, 32, 3, &mut rng)?.padding(1), BatchNorm2d::new(32)?]),
        Relu,
        Conv2d::new(32, 64, 3, &mut rng)?.padding(1),
        BatchNorm2d::new(64)?,
        Relu,
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(64 * 16, 128, &mut rng)?,
        Relu,
        Linear::new(128, 10, &mut rng)?,
    ];
    let steps = |epochs: usize| (epochs * learned.div_ceil(BATCH)) as u64;
    let learn = |model: &mut Sequential, rate: f64, rng: &mut Rng| {
        let trainer = Trainer::new(losses::cross_entropy, AdamW::new(rate)).epochs(options.epochs).batch_size(BATCH);
        trainer.step_schedule(Curve::cosine(rate, steps(options.epochs))).fit(model, &train, rng)
    };
    learn(&mut original, 2e-3, &mut rng)?;

    // The channels and units with the smallest weights go, and what is left is an ordinary network.
    let mut masked = original.clone();
    let units = UnitGroups::of(&original);
    println!("{units}\n");
    let masks = Pruning::magnitude(GONE).units(2.0).tied(&units).apply(&mut masked)?;
    let mut small = masked.clone();
    println!("{}", shrink(&mut small, &masks)?);

    // It learns from the network that it comes from, and from the digits.
    let epochs = options.epochs;
    Trainer::with_task(Distill::new(original.clone(), 3.0, 0.7), AdamW::new(2e-3))
        .epochs(epochs)
        .batch_size(BATCH)
        .step_schedule(Curve::cosine(2e-3, steps(epochs)))
        .fit(&mut small, &train, &mut rng)?;
    let mut quantized = small.clone();
    println!("\n{}", quantized.quantize("9", Scheme::Q8_0)?);
    quantized.save(options.out.join("digits.safetensors"))?;

    // What it is compared with has seen the digits as often.
    learn(&mut original, 5e-4, &mut rng)?;

    let models: [(&str, &dyn Layer); 4] = [
        ("original", &original),
        ("pruned, as it is", &masked),
        ("smaller, distilled", &small),
        ("and in eight bits", &quantized),
    ];
    let accuracy = |model: &dyn Layer| metrics::accuracy(&model.predict(&test)?, &truth);
    Ok(Outcome { report: compare(&models, &test, "accuracy", &accuracy)? })
}
