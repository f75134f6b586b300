//! In the `Trainer`: optimizers that compute the loss themselves, and averages in place of the parameters.

use demotic::io::{Checkpoint, CheckpointFolder};
use demotic::optimizers::{Averaged, ByClosure, ClosureOptimizer, Lbfgs, Sam};
use demotic::prelude::*;
use demotic::regularizers::{L2, Penalty};
use demotic::train::History;

fn data() -> Result<TensorDataset> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([24, 3], 0.0, 1.0, &mut rng)?;
    TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?.sin())
}

/// Counts the examples that it has seen in training, as running statistics do.
#[derive(Clone)]
struct Seen {
    examples: Buffer,
}

module!(Seen { examples });

impl Layer for Seen {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        if mode.is_training() && !mode.is_recomputing() {
            self.examples.set(&(self.examples.get() + x.size(0)? as f64))?;
        }
        Ok(x.clone())
    }
}

fn model() -> Result<Sequential> {
    let mut rng = Rng::seed(2);
    let seen = Seen { examples: Buffer::new(tensor![0.0]) };
    Ok(sequential![seen, Linear::new(3, 8, &mut rng)?, Tanh, Dropout::new(0.25)?, Linear::new(8, 1, &mut rng)?])
}

fn bits(model: &impl Module) -> Vec<u32> {
    let values = model.named_parameters().into_iter();
    values.flat_map(|(_, value)| value.to_vec::<f32>().unwrap()).map(f32::to_bits).collect()
}

fn seen(model: &Sequential) -> f64 {
    model.get(0).and_then(|layer| layer.downcast_ref::<Seen>()).unwrap().examples.get().item().unwrap()
}

fn lbfgs() -> Lbfgs {
    Lbfgs::new(0.5).strong_wolfe().max_iter(4)
}

/// All data in one batch, some steps, by hand: the losses at the beginnings of the steps.
fn by_hand(opt: &mut impl ClosureOptimizer, steps: usize) -> Result<(Sequential, Vec<f64>)> {
    let (data, mut model, mut rng) = (data()?, model()?, Rng::seed(3));
    let mut losses = Vec::new();
    for _ in 0..steps {
        let order = rng.split();
        let mut batches = data.batches(24).shuffle(&mut order.clone());
        let (x, y) = batches.next().unwrap()?;
        let (before, mut after) = (rng.clone(), None);
        losses.push(opt.step_with(&mut model, |model| {
            let mut rng = before.clone();
            let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
            after.get_or_insert(rng);
            loss + L2::new(1e-3).penalty(model)?
        })?);
        rng = after.unwrap();
    }
    Ok((model, losses))
}

fn trained<'a>(opt: impl Optimizer + 'static) -> Trainer<'a> {
    Trainer::new(losses::mse, opt).batch_size(24).penalty(L2::new(1e-3))
}

fn train_losses(history: &History) -> Vec<f64> {
    history.epochs.iter().map(|epoch| epoch.train_loss).collect()
}

#[test]
fn steps_of_the_trainer_are_those_of_a_loop() -> Result<()> {
    fn compare<C: ClosureOptimizer + Clone + 'static>(mut opt: C) -> Result<()> {
        let mut trainer = trained(ByClosure::new(opt.clone())).epochs(5);
        let (expected, losses) = by_hand(&mut opt, 5)?;
        let mut model = model()?;
        let history = trainer.fit(&mut model, &data()?, &mut Rng::seed(3))?;
        assert_eq!(bits(&model), bits(&expected));
        assert_eq!(train_losses(&history), losses);
        assert!(losses[4] < losses[0], "{losses:?}");
        // However often the loss was computed, the examples were seen once in each epoch.
        assert_eq!(seen(&model), 5.0 * 24.0);
        assert!(seen(&expected) > seen(&model));
        Ok(())
    }
    compare(lbfgs())?;
    compare(Sam::new(Sgd::new(0.1).momentum(0.9), 0.05))
}

/// Several batches make the step of all of them together.
#[test]
fn batches_accumulate_in_every_evaluation() -> Result<()> {
    let run = |size: usize, accumulate: usize| -> Result<Vec<f32>> {
        let mut rng = Rng::seed(5);
        let mut model = sequential![Linear::new(3, 8, &mut rng)?, Tanh, Linear::new(8, 1, &mut rng)?];
        let opt = ByClosure::new(Sam::new(Sgd::new(0.1), 0.1));
        trained(opt).batch_size(size).accumulate(accumulate).epochs(4).fit(&mut model, &data()?, &mut Rng::seed(3))?;
        Ok(model.named_parameters().into_iter().flat_map(|(_, value)| value.to_vec::<f32>().unwrap()).collect())
    };
    let (whole, parts) = (run(24, 1)?, run(7, 4)?);
    assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-5), "{whole:?} {parts:?}");
    Ok(())
}

#[test]
fn runs_of_closure_optimizers_resume_bit_for_bit() -> Result<()> {
    fn compare(opt: impl Fn() -> Box<dyn Optimizer>) -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = CheckpointFolder::new(folder.path());
        let (mut whole, mut rng) = (model()?, Rng::seed(3));
        let trainer = || trained(opt()).batch_size(8).epochs(4);
        trainer().checkpoints(checkpoints.clone()).checkpoint_every(2).fit(&mut whole, &data()?, &mut rng)?;
        let found = checkpoints.list()?;
        assert_eq!(found.len(), 6);
        for path in found {
            let (mut other, mut again) = (model()?, Rng::seed(9));
            trainer().resume(&path).fit(&mut other, &data()?, &mut again)?;
            assert_eq!(bits(&other), bits(&whole), "{}", path.display());
            assert_eq!((again.next_u64(), seen(&other)), (rng.clone().next_u64(), seen(&whole)));
        }
        Ok(())
    }
    compare(|| Box::new(ByClosure::new(lbfgs())))?;
    compare(|| Box::new(ByClosure::new(Sam::new(Adam::new(0.01), 0.05))))
}

#[test]
fn what_closure_optimizers_cannot_do() -> Result<()> {
    let mut model = Linear::new(2, 1, &mut Rng::seed(0))?;
    let grads = model.forward(&tensor![[1.0, 2.0]], &mut Mode::eval())?.sum().backward()?;
    let e = ByClosure::new(lbfgs()).step(&mut model, &grads).unwrap_err();
    let message = "ByClosure: this optimizer computes the loss itself, gradients at one place are not enough";
    assert_eq!(e.message(), message);
    assert_eq!(e.help(), Some("give it to a Trainer; in a loop, write opt.step_with(&mut model, |model| loss)"));
    let before = bits(&model);
    let huge = TensorDataset::new(tensor![[1e30, 1e30]], tensor![[0.0]])?;
    let e = trained(ByClosure::new(lbfgs())).fit(&mut model, &huge, &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "fit: the loss became inf in batch 1 of epoch 1");
    assert_eq!(bits(&model), before);
    let e = trained(Sgd::new(0.1)).evaluate_averages().fit(&mut model, &data()?, &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "fit: evaluate_averages, but the optimizer keeps no averages");
    assert_eq!(e.help(), Some("put it into one that does: optimizers::Averaged::ema(optimizer, 0.999)"));
    Ok(())
}

#[test]
fn models_are_measured_and_saved_with_their_averages() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(folder.path());
    let (data, validation) = data()?.split(0.75, &mut Rng::seed(4))?;
    let opt = || Averaged::ema(Sgd::new(0.2).momentum(0.5), 0.8).start(4);
    let trainer = || Trainer::new(losses::mse, opt()).batch_size(6).epochs(4).validation(&validation);
    let (mut plain, mut rng) = (model()?, Rng::seed(3));
    let ordinary = trainer().fit(&mut plain, &data, &mut rng)?;

    let (mut whole, mut rng) = (model()?, Rng::seed(3));
    let mut measuring = trainer().evaluate_averages().checkpoints(checkpoints.clone()).checkpoint_every(2);
    let history = measuring.fit(&mut whole, &data, &mut rng)?;
    // Training is the same; the measurements are, until there are averages.
    assert_eq!(train_losses(&history), train_losses(&ordinary));
    let validations = |history: &History| history.epochs.iter().map(|e| e.validation_loss.unwrap()).collect::<Vec<_>>();
    let (with, without) = (validations(&history), validations(&ordinary));
    assert_eq!(with[0], without[0]);
    assert!(with[1..].iter().zip(&without[1..]).all(|(a, b)| a != b));
    assert_eq!(measuring.evaluate(&whole, &validation)?.loss, with[3]);
    assert_ne!(bits(&whole), bits(&plain));

    let found = checkpoints.list()?;
    assert_eq!(found.len(), 6);
    for path in &found {
        let (mut other, mut again) = (model()?, Rng::seed(9));
        let history = trainer().evaluate_averages().resume(path).fit(&mut other, &data, &mut again)?;
        assert_eq!(bits(&other), bits(&whole), "{}", path.display());
        assert_eq!(validations(&history), with);
    }
    // The last checkpoint has the averages as the parameters, and beside them what was trained.
    let saved = Checkpoint::load(&found[5])?;
    let (mut last, mut optimizer) = (model()?, opt());
    saved.restore_model(&mut last)?;
    saved.restore_optimizer(&mut optimizer)?;
    assert_eq!(bits(&last), bits(&whole));
    assert!(optimizer.is_swapped());
    optimizer.swap(&mut last)?;
    assert_eq!(bits(&last), bits(&plain));

    // A second run goes on with the parameters that were trained.
    let mut twice = trainer();
    twice.fit(&mut plain, &data, &mut rng.clone())?;
    measuring.fit(&mut whole, &data, &mut rng)?;
    Ok(())
}

/// The best epoch is the one with the best averages, and these are what is put back.
#[test]
fn early_stopping_remembers_averages() -> Result<()> {
    let (data, validation) = data()?.split(0.75, &mut Rng::seed(4))?;
    let mut model = model()?;
    let mut trainer = Trainer::new(losses::mse, Averaged::ema(Sgd::new(1.0), 0.5))
        .batch_size(6)
        .epochs(12)
        .validation(&validation)
        .early_stopping(EarlyStopping::new(3))
        .evaluate_averages();
    let history = trainer.fit(&mut model, &data, &mut Rng::seed(3))?;
    let best = history.epochs.iter().map(|epoch| epoch.validation_loss.unwrap()).fold(f64::INFINITY, f64::min);
    assert_eq!(trainer.evaluate(&model, &validation)?.loss, best);
    Ok(())
}
