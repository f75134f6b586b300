//! Three dense layers, on a table of numbers and on images.

use demotic::optimizers::{Adam, Optimizer, Sgd};
use demotic::prelude::*;

use crate::measure::Options;

fn mlp(sizes: [usize; 4], rng: &mut Rng) -> Result<Sequential> {
    let [a, b, c, d] = sizes;
    Ok(sequential![Linear::new(a, b, rng)?, Relu, Linear::new(b, c, rng)?, Relu, Linear::new(c, d, rng)?])
}

/// 8-64-64-1, mean squared error, Adam, batches of 32 from 20,640 rows.
pub fn tabular(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let (x, y) = (Tensor::normal([20640, 8], 0.0, 1.0, &mut rng)?, Tensor::normal([20640, 1], 0.0, 1.0, &mut rng)?);
    let mut model = mlp([8, 64, 64, 1], &mut rng)?;
    let mut opt = Adam::new(1e-3);
    options.run(|i| {
        let at = (i % 645) * 32;
        let (x, y) = (x.narrow(0, at, 32)?, y.narrow(0, at, 32)?);
        let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
        opt.step(&mut model, &loss.backward()?)?;
        loss.item()
    })
}

/// 784-256-128-10, cross-entropy, SGD with momentum, batches of 128 from 12,800 images.
pub fn mnist(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let x = Tensor::normal([12800, 784], 0.0, 1.0, &mut rng)?;
    let y = Tensor::from_vec((0..12800).map(|_| rng.below(10) as i64).collect(), [12800])?;
    let mut model = mlp([784, 256, 128, 10], &mut rng)?;
    let mut opt = Sgd::new(0.01).momentum(0.9);
    options.run(|i| {
        let at = (i % 100) * 128;
        let (x, y) = (x.narrow(0, at, 128)?, y.narrow(0, at, 128)?);
        let loss = losses::cross_entropy(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
        opt.step(&mut model, &loss.backward()?)?;
        loss.item()
    })
}

/// The network of [`mnist`] on one image.
pub fn infer_1(options: &Options) -> Result<()> {
    infer(options, 1)
}

/// The same on 128.
pub fn infer_128(options: &Options) -> Result<()> {
    infer(options, 128)
}

fn infer(options: &Options, batch: usize) -> Result<()> {
    let mut rng = Rng::seed(7);
    let x = Tensor::normal([batch, 784], 0.0, 1.0, &mut rng)?;
    let model = mlp([784, 256, 128, 10], &mut rng)?;
    options.run(|_| model.predict(&x)?.as_slice::<f32>().map(|y| f64::from(y[0])))
}
