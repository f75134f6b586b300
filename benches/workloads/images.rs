//! Convolutional networks.

use demotic::models::{ResNet, ResNetConfig};
use demotic::optimizers::{Adam, Optimizer, Sgd};
use demotic::prelude::*;

use crate::measure::Options;

/// Random pictures with random classes.
fn pictures(shape: [usize; 4], classes: usize, rng: &mut Rng) -> Result<(Tensor, Tensor)> {
    let y = Tensor::from_vec((0..shape[0]).map(|_| rng.below(classes) as i64).collect(), [shape[0]])?;
    Ok((Tensor::normal(shape, 0.0, 1.0, rng)?, y))
}

/// Two convolutions of 32 and 64 channels and a pooling, two dense layers, cross-entropy, Adam, batches of 64 from 6,400 pictures of
/// 28 × 28.
pub fn cnn_mnist(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let (x, y) = pictures([6400, 1, 28, 28], 10, &mut rng)?;
    let mut model = sequential![
        Conv2d::new(1, 32, 3, &mut rng)?,
        Relu,
        Conv2d::new(32, 64, 3, &mut rng)?,
        Relu,
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(64 * 12 * 12, 128, &mut rng)?,
        Relu,
        Linear::new(128, 10, &mut rng)?,
    ];
    let mut opt = Adam::new(1e-3);
    options.run(|i| {
        let at = (i % 100) * 64;
        let (x, y) = (x.narrow(0, at, 64)?, y.narrow(0, at, 64)?);
        let loss = losses::cross_entropy(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
        opt.step(&mut model, &loss.backward()?)?;
        loss.item()
    })
}

/// ResNet-18 on one picture of 224 × 224.
pub fn resnet18_infer(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let model = ResNet::new(ResNetConfig::resnet18(), &mut rng)?;
    let x = Tensor::normal([1, 3, 224, 224], 0.0, 1.0, &mut rng)?;
    options.run(|_| model.predict(&x)?.as_slice::<f32>().map(|y| f64::from(y[0])))
}

/// ResNet-18 with 1000 classes, cross-entropy, SGD with momentum, batches of 8 from 160 pictures of 64 × 64.
pub fn resnet18_train(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let (x, y) = pictures([160, 3, 64, 64], 1000, &mut rng)?;
    let mut model = ResNet::new(ResNetConfig::resnet18(), &mut rng)?;
    let mut opt = Sgd::new(0.01).momentum(0.9);
    options.run(|i| {
        let at = (i % 20) * 8;
        let (x, y) = (x.narrow(0, at, 8)?, y.narrow(0, at, 8)?);
        let loss = losses::cross_entropy(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
        opt.step(&mut model, &loss.backward()?)?;
        loss.item()
    })
}
