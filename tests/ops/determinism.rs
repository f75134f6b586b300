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
