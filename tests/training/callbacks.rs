//! Callbacks: when they are called, what they may do, in a Trainer and in a loop of one's own.

use std::sync::{Arc, Mutex};

use demotic::autograd::Gradients;
use demotic::io::{Checkpoint, CheckpointFolder};
use demotic::models::Mlp;
use demotic::optimizers::schedule::{Curve, ReduceOnPlateau};
use demotic::prelude::*;
use demotic::train::{
    Callback, Callbacks, Checkpoints, Context, Ended, Epoch, Evaluation, Scheduled, StepReport, StopHandle,
    after_epoch, every,
};

fn data() -> Result<TensorDataset> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([40, 2], 0.0, 1.0, &mut rng)?;
    let y = (x.sum_dims(&[1], true)? + Tensor::normal([40, 1], 0.0, 0.5, &mut rng)?)?;
    TensorDataset::new(x, y)
}

fn model() -> Result<Linear> {
    Linear::new(2, 1, &mut Rng::seed(2))
}

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: &str, run: &Context<'_>) {
        self.0.lock().unwrap().push(format!("{what} {}/{}", run.epoch(), run.steps()));
    }
    fn read(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Callback for Diary {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        assert!(run.model_as::<Linear>().is_some() && run.model_as::<Mlp>().is_none());
        self.note(if run.is_resumed() { "resumed" } else { "begin" }, run);
        Ok(())
    }
    fn epoch_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        self.note("epoch", run);
        Ok(())
    }
    fn gradients(&mut self, run: &mut Context<'_>, _: &mut Gradients) -> Result<()> {
        self.note("gradients", run);
        Ok(())
    }
    fn step(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        assert_eq!((report.step, report.examples), (run.steps(), 20));
        self.note("step", run);
        Ok(())
    }
    fn validation(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        assert!(record.validation_loss.is_some());
        self.note("validation", run);
        Ok(())
    }
    fn batch_end(&mut self, run: &mut Context<'_>, _: &StepReport) -> Result<()> {
        self.note("batch end", run);
        Ok(())
    }
    fn epoch_end(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        assert_eq!(run.history().last(), Some(record));
        self.note("epoch end", run);
        Ok(())
    }
    fn fit_end(&mut self, run: &mut Context<'_>) -> Result<()> {
        self.note("end", run);
        Ok(())
    }
}

#[test]
fn in_their_order() -> Result<()> {
    let data = data()?;
    let diary = Diary::default();
    let trainer = || Trainer::new(losses::mse, Adam::new(0.1)).batch_size(20).validation(&data).callback(diary.clone());
    let boxed: Box<dyn Callback> = Box::new(diary.clone());
    for mut trainer in
        [trainer(), Trainer::new(losses::mse, Adam::new(0.1)).batch_size(20).validation(&data).callback(boxed)]
    {
        trainer = trainer.epochs(1);
        trainer.fit(&mut model()?, &data, &mut Rng::seed(3))?;
        let expected = [
            "begin 1/0",
            "epoch 1/0",
            "gradients 1/0",
            "step 1/1",
            "batch end 1/1",
            "gradients 1/1",
            "step 1/2",
            "batch end 1/2",
            "validation 1/2",
            "epoch end 1/2",
            "end 2/2",
        ];
        assert_eq!(diary.read(), expected);
    }
    // Measured by steps, and an epoch that is cut short.
    trainer().max_steps(3).evaluate_every(1).fit(&mut model()?, &data, &mut Rng::seed(3))?;
    let seen = diary.read();
    assert_eq!(seen[2..6], ["gradients 1/0", "step 1/1", "validation 1/1", "batch end 1/1"]);
    assert_eq!(
        seen[seen.len() - 6..],
        ["gradients 2/2", "step 2/3", "validation 2/3", "batch end 2/3", "epoch end 2/3", "end 2/3"]
    );
    Ok(())
}

/// Changes gradients, the learning rate and the model.
struct Meddler;

impl Callback for Meddler {
    fn gradients(&mut self, _: &mut Context<'_>, gradients: &mut Gradients) -> Result<()> {
        gradients.scale(0.0);
        Ok(())
    }
    fn epoch_end(&mut self, run: &mut Context<'_>, _: &Epoch) -> Result<()> {
        let (model, optimizer) = run.parts();
        model.freeze("bias")?;
        optimizer.set_learning_rate(0.25);
        Ok(())
    }
}

#[test]
fn they_take_a_hand_in_it() -> Result<()> {
    let (data, mut linear) = (data()?, model()?);
    let before = linear.weight.value()?.to_vec::<f32>()?;
    let history = Trainer::new(losses::mse, Sgd::new(0.5)).epochs(2).callback(Meddler).fit(
        &mut linear,
        &data,
        &mut Rng::seed(3),
    )?;
    assert_eq!(linear.weight.value()?.to_vec::<f32>()?, before);
    assert_eq!(linear.num_trainable_parameters(), 2);
    assert_eq!([history.epochs[0].learning_rate, history.epochs[1].learning_rate], [0.5, 0.25]);
    Ok(())
}

/// A sum over all steps, which a resumed run has to know.
#[derive(Clone, Default)]
struct Total(Arc<Mutex<f64>>);

impl Callback for Total {
    fn step(&mut self, _: &mut Context<'_>, report: &StepReport) -> Result<()> {
        *self.0.lock().unwrap() += report.loss;
        Ok(())
    }
    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        Ok(checkpoint.numbers("total", [*self.0.lock().unwrap()]))
    }
    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        *self.0.lock().unwrap() = saved.get_numbers("total")?[0];
        Ok(())
    }
}

#[test]
fn what_they_remember_is_resumed_and_put_back() -> Result<()> {
    let data = data()?;
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(folder.path());
    let trainer =
        |total: &Total| Trainer::new(losses::mse, Adam::new(0.1)).batch_size(10).epochs(3).callback(total.clone());
    let total = Total::default();
    trainer(&total).checkpoints(checkpoints.clone()).checkpoint_every(1).fit(
        &mut model()?,
        &data,
        &mut Rng::seed(3),
    )?;
    let want = *total.0.lock().unwrap();
    for path in checkpoints.list()? {
        let other = Total::default();
        trainer(&other).resume(path).fit(&mut model()?, &data, &mut Rng::seed(4))?;
        assert_eq!(*other.0.lock().unwrap(), want);
    }
    // A model that does not fit is found last.
    let other = Total(Arc::new(Mutex::new(7.0)));
    let mut wide = Mlp::new(&[2, 3, 1], &mut Rng::seed(1))?;
    assert!(trainer(&other).resume(folder.path()).fit(&mut wide, &data, &mut Rng::seed(4)).is_err());
    assert_eq!(*other.0.lock().unwrap(), 7.0);
    // A file from before there was such a callback.
    let plain = tempfile::tempdir().unwrap();
    Trainer::new(losses::mse, Adam::new(0.1)).batch_size(10).checkpoints(CheckpointFolder::new(plain.path())).fit(
        &mut model()?,
        &data,
        &mut Rng::seed(3),
    )?;
    let e = trainer(&other).epochs(20).resume(plain.path()).fit(&mut model()?, &data, &mut Rng::seed(4)).unwrap_err();
    assert!(e.message().ends_with("has no list of numbers `total`"), "{e}");
    // Two of a kind for which a checkpoint has one place.
    let two = |trainer: Trainer| {
        let folder = tempfile::tempdir().unwrap();
        { trainer }.checkpoints(CheckpointFolder::new(folder.path())).fit(&mut model()?, &data, &mut Rng::seed(3))
    };
    let plain = || Trainer::new(losses::mse, Adam::new(0.1));
    let e = two(plain().early_stopping(EarlyStopping::new(3)).callback(EarlyStopping::new(4))).unwrap_err();
    assert_eq!(e.message(), "checkpoint: a checkpoint has room for one early stopping, there are two");
    let e =
        two(plain().schedule(ReduceOnPlateau::new()).callback(Scheduled::per_step(Curve::linear(0.1, 9)))).unwrap_err();
    assert_eq!(e.message(), "checkpoint: a checkpoint has room for one schedule, there are two");
    Ok(())
}

/// In a loop of one's own, callbacks do what they do in a Trainer.
#[test]
fn a_loop_by_hand_is_a_trainer() -> Result<()> {
    let (train, validation) = data()?.split(0.75, &mut Rng::seed(5))?;
    let folder = tempfile::tempdir().unwrap();
    let (by_trainer, by_hand) =
        (CheckpointFolder::new(folder.path().join("a")), CheckpointFolder::new(folder.path().join("b")));

    let (mut first, mut rng) = (model()?, Rng::seed(3));
    let wanted = Trainer::new(losses::mse, Adam::new(0.3))
        .epochs(30)
        .batch_size(8)
        .validation(&validation)
        .schedule(ReduceOnPlateau::new().patience(1))
        .early_stopping(EarlyStopping::new(4))
        .checkpoints(by_trainer.clone())
        .fit(&mut first, &train, &mut rng)?;
    assert_eq!(wanted.ended, Ended::StoppedEarly);

    let fit = |from: Option<&std::path::Path>| -> Result<(Vec<f32>, demotic::train::History)> {
        let (mut model, mut opt, mut rng) = (model()?, Adam::new(0.3), Rng::seed(3));
        let mut run = Callbacks::new()
            .epochs(30)
            .with(Scheduled::per_epoch(ReduceOnPlateau::new().patience(1)))
            .with(Checkpoints::new(by_hand.clone()))
            .with(EarlyStopping::new(4))
            .with(demotic::train::Progress::new());
        if let Some(path) = from {
            run.resume(path, &mut model, &mut opt, &mut rng)?;
        }
        run.fit_begin(&mut model, &mut opt)?;
        while run.epoch_begin(&mut model, &mut opt)? {
            for batch in train.batches(8).shuffle(&mut rng.split()) {
                let (x, y) = batch?;
                let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
                let mut grads = loss.backward()?;
                run.gradients(&mut model, &mut opt, &mut grads)?;
                opt.step(&mut model, &grads)?;
                run.step(&mut model, &mut opt, loss.item()?, y.numel())?;
            }
            let loss = losses::mse(&model.predict(validation.x())?, validation.y())?.item()?;
            run.epoch_end(&mut model, &mut opt, &rng, Some(Evaluation::new(loss)))?;
        }
        let history = run.fit_end(&mut model, &mut opt)?;
        Ok((model.weight.value()?.to_vec()?, history))
    };
    let (weights, history) = fit(None)?;
    assert_eq!(weights, first.weight.value()?.to_vec::<f32>()?);
    assert_eq!(
        (history.ended, history.epochs.len(), history.kept_epoch),
        (wanted.ended, wanted.epochs.len(), wanted.kept_epoch)
    );
    for (a, b) in history.epochs.iter().zip(&wanted.epochs) {
        assert_eq!((a.step, a.learning_rate), (b.step, b.learning_rate));
        assert!((a.validation_loss.unwrap() - b.validation_loss.unwrap()).abs() < 1e-6);
    }
    let found = by_hand.list()?;
    assert_eq!(found.len(), by_trainer.list()?.len());
    for path in found {
        assert_eq!(fit(Some(&path))?.0, weights, "{}", path.display());
    }
    Ok(())
}

#[test]
fn functions_handles_and_mistakes_by_hand() -> Result<()> {
    let (mut linear, mut opt, rng) = (model()?, Sgd::new(0.1), Rng::seed(1));
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    let go_on = || Ok(std::ops::ControlFlow::Continue(()));
    let stop = StopHandle::new();
    let mut run = Callbacks::new()
        .stop_handle(stop.clone())
        .with(every(2, move |report, _: &Linear| {
            *count.lock().unwrap() += report.step;
            go_on()
        }))
        .with(after_epoch(move |epoch, model| {
            assert_eq!(model.num_parameters(), 3);
            if epoch.epoch == 2 { Ok(std::ops::ControlFlow::Break(())) } else { go_on() }
        }));
    run.fit_begin(&mut linear, &mut opt)?;
    while run.epoch_begin(&mut linear, &mut opt)? {
        (0..3).try_for_each(|_| run.step(&mut linear, &mut opt, 1.0, 4))?;
        run.epoch_end(&mut linear, &mut opt, &rng, None)?;
    }
    assert_eq!((run.epoch(), run.steps()), (3, 6));
    assert_eq!(*calls.lock().unwrap(), 2 + 4 + 6);
    let history = run.fit_end(&mut linear, &mut opt)?;
    assert_eq!((history.ended, history.epochs.len(), history.kept_epoch), (Ended::StoppedEarly, 2, 2));
    // Another run may follow; the handle still ends it.
    assert!(run.epoch_begin(&mut linear, &mut opt)?);
    stop.stop();
    assert!(!run.epoch_begin(&mut linear, &mut opt)?);
    assert_eq!(run.fit_end(&mut linear, &mut opt)?.ended, Ended::Interrupted);

    let mut run = Callbacks::new();
    run.step(&mut linear, &mut opt, 1.0, 4)?;
    run.epoch_end(&mut linear, &mut opt, &rng, Some(Evaluation::new(1.0).with_metric("rmse", 1.0)))?;
    let e = run.epoch_end(&mut linear, &mut opt, &rng, Some(Evaluation::new(1.0))).unwrap_err();
    assert_eq!(e.message(), "epoch_end: the metrics [], after [\"rmse\"] in the epoch before");
    let mut run = Callbacks::new().with(every(0, |_, _: &Linear| Ok(std::ops::ControlFlow::Continue(()))));
    let e = run.fit_begin(&mut linear, &mut opt).unwrap_err();
    assert_eq!(e.message(), "fit: an interval of steps is 0, expected at least 1");
    assert!(e.to_string().contains(&format!("at {}:{}", file!(), line!() - 2)), "{e}");
    Ok(())
}

/// One trainer for several models, as in a cross-validation: the best parameters of one are nothing to the next.
#[test]
fn early_stopping_begins_anew_with_each_run() -> Result<()> {
    let (data, mut rng) = (data()?, Rng::seed(0));
    let mut trainer = Trainer::new(losses::mse, Sgd::new(0.05)).epochs(6).early_stopping(EarlyStopping::new(1));
    let first = trainer.fit(&mut model()?, &data, &mut rng)?;
    assert_eq!(first.epochs.len(), 6);
    // Far off: six epochs do not bring it to where the first one was.
    let mut other = model()?;
    other.weight.set(&tensor![[40.0, -40.0]])?;
    let second = trainer.fit(&mut other, &data, &mut rng)?;
    assert!(second.last().unwrap().train_loss > first.last().unwrap().train_loss);
    assert_eq!((second.epochs.len(), second.kept_epoch), (6, 6));
    Ok(())
}

/// A run that a callback ends with an error is over: the next one begins with its own first epoch.
#[test]
fn a_run_whose_end_fails_leaves_nothing_behind() -> Result<()> {
    struct Unhappy;
    impl Callback for Unhappy {
        fn fit_end(&mut self, _: &mut demotic::train::Context<'_>) -> Result<()> {
            Err(demotic::Error::state("unhappy", "the end"))
        }
    }
    let (mut linear, mut opt, rng) = (model()?, Sgd::new(0.1), Rng::seed(0));
    let mut run = Callbacks::new().epochs(2).with(Unhappy);
    for _ in 0..2 {
        run.fit_begin(&mut linear, &mut opt)?;
        let mut epochs = 0;
        while run.epoch_begin(&mut linear, &mut opt)? {
            run.step(&mut linear, &mut opt, 1.0, 4)?;
            run.epoch_end(&mut linear, &mut opt, &rng, None)?;
            epochs += 1;
        }
        assert_eq!(epochs, 2);
        assert_eq!(run.fit_end(&mut linear, &mut opt).unwrap_err().message(), "unhappy: the end");
        assert_eq!((run.epoch(), run.steps()), (1, 0));
    }
    Ok(())
}
