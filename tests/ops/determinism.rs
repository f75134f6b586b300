//! The same seed gives the same bits, on one thread and on several.

use demotic::models::Mlp;
use demotic::optimizers::schedule::ReduceOnPlateau;
use demotic::parallel::with_threads;
use demotic::prelude::*;
use demotic::regularizers::{L2, MaxNorm};

/// Everything that part of a training run could get wrong: shuffling, dropout, penalties, schedules, early stopping. The
/// batches are large enough for work to be divided among threads.
fn train(seed: u64) -> Result<(Vec<Vec<f32>>, String)> {
    let mut rng = Rng::seed(seed);
    let x = Tensor::normal([1024, 100], 0.0, 1.0, &mut rng)?;
    let y = x.square().sum_dims(&[1], true)?;
    let (train, validation) = TensorDataset::new(x, y)?.split(0.75, &mut rng)?;
    let mut model = Mlp::new(&[100, 256, 128, 1], &mut rng)?.activation(Gelu).dropout(0.1)?;
    let history = Trainer::new(losses::mse, AdamW::new(1e-3).clip_norm(10.0))
        .epochs(3)
        .batch_size(384)
        .validation(&validation)
        .penalty(L2::new(1e-4).on("*.weight"))
        .constraint(MaxNorm::new(2.0).on("*.weight"))
        .schedule(ReduceOnPlateau::new().patience(0))
        .early_stopping(EarlyStopping::new(2))
        .fit(&mut model, &train, &mut rng)?;
    let mut values = Vec::new();
    for (_, value) in model.named_parameters() {
        values.push(value.to_vec::<f32>()?);
    }
    Ok((values, format!("{:?} {:?}", history.train_losses(), history.validation_losses())))
}

/// Steps of a network for images: all kinds of convolutions, batch norm, pooling.
fn train_images() -> Result<Vec<Vec<f32>>> {
    let mut rng = Rng::seed(7);
    let mut model = sequential![
        Conv2d::new(3, 32, 5, &mut rng)?.padding(2),
        BatchNorm2d::new(32)?,
        Relu,
        Conv2d::new(32, 32, 3, &mut rng)?.padding(1).without_bias(),
        MaxPool2d::new(2),
        DepthwiseSeparable::new(32, 48, 3, &mut rng)?.stride(2),
        Conv2d::new(48, 96, 1, &mut rng)?.groups(2, &mut rng)?,
        GlobalAvgPool,
        Linear::new(96, 5, &mut rng)?,
    ];
    let x = Tensor::normal([6, 3, 24, 20], 0.0, 1.0, &mut rng)?;
    let mut opt = Sgd::new(0.1).momentum(0.9);
    for _ in 0..2 {
        let loss = model.forward(&x, &mut Mode::train(&mut rng))?.square().mean();
        opt.step(&mut model, &loss.backward()?)?;
    }
    let mut values = vec![model.predict(&x)?.to_vec::<f32>()?];
    for (_, value) in model.named_parameters() {
        values.push(value.to_vec::<f32>()?);
    }
    Ok(values)
}

#[test]
fn networks_for_images_do_not_depend_on_the_number_of_threads() -> Result<()> {
    let one = with_threads(1, train_images)??;
    for threads in [2, 3] {
        let several = with_threads(threads, train_images)??;
        for (a, b) in one.iter().zip(&several) {
            assert!(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()), "{threads} threads");
        }
    }
    Ok(())
}

#[test]
fn training_does_not_depend_on_the_number_of_threads() -> Result<()> {
    let one = with_threads(1, || train(5))??;
    for threads in [2, 3] {
        let several = with_threads(threads, || train(5))??;
        assert_eq!(one.1, several.1, "{threads} threads");
        for (a, b) in one.0.iter().zip(&several.0) {
            assert!(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()), "{threads} threads");
        }
    }
    let other = with_threads(1, || train(6))??;
    assert_ne!(one.1, other.1);
    Ok(())
}
