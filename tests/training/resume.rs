//! An interrupted run ends with the bits of one that was not.

use std::ops::ControlFlow;
use std::path::Path;

use demotic::data::NextTokens;
use demotic::io::{Checkpoint, CheckpointFolder, Metadata};
use demotic::models::Mlp;
use demotic::optimizers::schedule::{Curve, ReduceOnPlateau, Schedule};
use demotic::prelude::*;
use demotic::regularizers::L2;
use demotic::text::TokenStream;
use demotic::train::{Ended, History};

/// A small problem with noise, so that validation gets worse in the end.
fn data() -> Result<(TensorDataset, TensorDataset)> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([60, 5], 0.0, 1.0, &mut rng)?;
    let y = (x.sum_dims(&[1], true)? + Tensor::normal([60, 1], 0.0, 1.0, &mut rng)?)?;
    TensorDataset::new(x, y)?.split(0.75, &mut rng)
}

fn model() -> Result<Mlp> {
    Mlp::new(&[5, 16, 1], &mut Rng::seed(2))?.activation(Gelu).dropout(0.2)
}

/// What must be the same: parameters and history, apart from the time that it took.
#[derive(Debug, PartialEq)]
struct Outcome {
    parameters: Vec<Vec<u32>>,
    history: String,
    next_random: u64,
}

fn outcome(model: &impl Module, mut history: History, rng: &mut Rng) -> Result<Outcome> {
    history.epochs.iter_mut().chain(&mut history.evaluations).for_each(|record| record.seconds = 0.0);
    let mut parameters = Vec::new();
    for (_, value) in model.named_parameters() {
        parameters.push(value.to_vec::<f32>()?.into_iter().map(f32::to_bits).collect());
    }
    Ok(Outcome { parameters, history: format!("{history:?}"), next_random: rng.next_u64() })
}

/// Trains with `options`, and then again from each of the checkpoints that are left.
fn resumes_everywhere(
    options: impl for<'a> Fn(Trainer<'a>, &'a TensorDataset) -> Trainer<'a>,
    at_least: usize,
) -> Result<()> {
    let (train, validation) = data()?;
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(folder.path());
    let trainer = |optimizer| options(Trainer::new(losses::mse, optimizer).batch_size(8), &validation);
    let optimizer = || AdamW::new(0.02).clip_norm(5.0);

    let (mut first, mut rng) = (model()?, Rng::seed(3));
    let history = trainer(optimizer()).fit(&mut first, &train, &mut rng)?;
    let want = outcome(&first, history, &mut rng)?;
    // Saving changes nothing.
    let (mut again, mut rng) = (model()?, Rng::seed(3));
    let history = trainer(optimizer()).checkpoints(checkpoints.clone()).fit(&mut again, &train, &mut rng)?;
    assert_eq!(outcome(&again, history, &mut rng)?, want);

    let found = checkpoints.list()?;
    assert!(found.len() >= at_least, "{} checkpoints", found.len());
    for path in found {
        // Nothing of the model, the optimizer and the generator is left.
        let (mut other, mut rng) =
            (Mlp::new(&[5, 16, 1], &mut Rng::seed(9))?.activation(Gelu).dropout(0.2)?, Rng::seed(8));
        let history = trainer(AdamW::new(7.0).clip_norm(5.0)).resume(&path).fit(&mut other, &train, &mut rng)?;
        assert_eq!(outcome(&other, history, &mut rng)?, want, "{}", path.display());
    }
    Ok(())
}

#[test]
fn after_each_epoch() -> Result<()> {
    resumes_everywhere(
        |trainer, validation| {
            trainer
                .epochs(6)
                .validation(validation)
                .metric("mae", metrics::mae)
                .penalty(L2::new(1e-3))
                .schedule(ReduceOnPlateau::new().patience(0))
                .early_stopping(EarlyStopping::new(10))
        },
        6,
    )
}

#[test]
fn in_the_middle_of_epochs() -> Result<()> {
    resumes_everywhere(
        |trainer, validation| {
            trainer
                .epochs(4)
                .validation(validation)
                .checkpoint_every(1)
                .step_schedule(Curve::cosine(0.02, 15).warm_up(5))
                .evaluate_every(4)
                .early_stopping(EarlyStopping::new(100))
        },
        20,
    )
}

#[test]
fn with_accumulated_gradients_and_a_limit_of_steps() -> Result<()> {
    resumes_everywhere(
        |trainer, validation| {
            trainer.max_steps(11).accumulate(4).drop_last().checkpoint_every(1).evaluate_every(3).validation(validation)
        },
        11,
    )
}

#[test]
fn with_momentum_and_without_validation() -> Result<()> {
    let (train, _) = data()?;
    let folder = tempfile::tempdir().unwrap();
    let trainer = || {
        Trainer::new(losses::mse, Sgd::new(0.01).momentum(0.9))
            .batch_size(7)
            .epochs(3)
            .checkpoints(CheckpointFolder::new(folder.path()).keep(2))
            .checkpoint_every(4)
    };
    let (mut whole, mut rng) = (model()?, Rng::seed(3));
    let history = trainer().fit(&mut whole, &train, &mut rng)?;
    let want = outcome(&whole, history, &mut rng)?;
    let left = CheckpointFolder::new(folder.path()).list()?;
    // 7 steps an epoch: the last ones are at 20, in the third epoch, and at its end.
    assert!(left[0].ends_with("step-000000020.ckpt") && left[1].ends_with("step-000000021.ckpt"), "{left:?}");
    let (mut other, mut rng) = (model()?, Rng::seed(4));
    let history = trainer().resume(&left[0]).fit(&mut other, &train, &mut rng)?;
    assert_eq!(outcome(&other, history, &mut rng)?, want);
    Ok(())
}

/// A run that is asked to go on for longer is one that was to be longer from the start.
#[test]
fn a_finished_run_can_be_continued() -> Result<()> {
    let (train, validation) = data()?;
    let folder = tempfile::tempdir().unwrap();
    let trainer =
        |steps| Trainer::new(losses::mse, Adam::new(0.02)).batch_size(8).max_steps(steps).validation(&validation);
    let run = |mut trainer: Trainer, seed| {
        let (mut model, mut rng) = (model()?, Rng::seed(seed));
        let history = trainer.fit(&mut model, &train, &mut rng)?;
        outcome(&model, history, &mut rng)
    };
    // 6 steps an epoch: in the middle of one, and at the end of one.
    for steps in [8, 12] {
        let path = folder.path().join(steps.to_string());
        run(trainer(steps).checkpoints(CheckpointFolder::new(&path)).checkpoint_every(100), 3)?;
        assert_eq!(run(trainer(20).resume(&path), 99)?, run(trainer(20), 3)?, "{steps} steps");
    }
    Ok(())
}

/// Interrupted from outside: a function fails at some step.
#[test]
fn after_a_crash() -> Result<()> {
    let (train, validation) = data()?;
    let folder = tempfile::tempdir().unwrap();
    let trainer = |fails: bool| {
        Trainer::new(losses::mse, Adam::new(0.05))
            .batch_size(8)
            .epochs(5)
            .validation(&validation)
            .early_stopping(EarlyStopping::new(1))
            .checkpoints(CheckpointFolder::new(folder.path()).keep(1))
            .checkpoint_every(2)
            .every(9, move |report, _: &Mlp| match fails {
                true => Err(Error::state("test", format!("power failure at step {}", report.step))),
                false => Ok(ControlFlow::Continue(())),
            })
    };
    let (mut whole, mut rng) = (model()?, Rng::seed(3));
    let history = trainer(false).fit(&mut whole, &train, &mut rng)?;
    assert_eq!(history.ended, Ended::StoppedEarly, "the case is about early stopping");
    let want = outcome(&whole, history, &mut rng)?;
    std::fs::remove_dir_all(folder.path()).unwrap();

    let (mut model_, mut rng) = (model()?, Rng::seed(3));
    let e = trainer(true).fit(&mut model_, &train, &mut rng).unwrap_err();
    assert_eq!(e.message(), "test: power failure at step 9");
    let latest = CheckpointFolder::new(folder.path()).latest()?.unwrap();
    assert!(latest.ends_with("step-000000008.ckpt"), "{}", latest.display());
    let (mut other, mut rng) = (model()?, Rng::seed(77));
    let history = trainer(false).resume(folder.path()).fit(&mut other, &train, &mut rng)?;
    assert_eq!(outcome(&other, history, &mut rng)?, want);
    Ok(())
}

/// The same with the public parts, in a loop of one's own.
#[test]
fn by_hand() -> Result<()> {
    let ids: Vec<u32> = (0..500).map(|i| (i * i) % 11).collect();
    let data = NextTokens::new(TokenStream::from_ids(ids)?, 8)?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.ckpt");
    let table = |seed| Param::new(Tensor::normal([11, 11], 0.0, 0.1, &mut Rng::seed(seed))?);
    let new = || (AdamW::new(0.1).decay_matrices_only(), Curve::cosine(0.1, 40).warm_up(4));
    let (accumulate, batch_size, steps) = (2, 4, 30);

    let run = |mut model: Param, mut rng: Rng, resume: bool, stop_at: u64| -> Result<(Vec<f32>, u64)> {
        let (mut opt, mut curve) = new();
        let (mut step, mut batch, mut order) = (0, 0, rng.split());
        if resume {
            let saved = Checkpoint::load(&path)?;
            saved.restore_model(&mut model)?;
            saved.restore_optimizer(&mut opt)?;
            saved.restore_schedule(&mut curve)?;
            saved.restore_rng(&mut rng)?;
            order = saved.get_rng("order")?;
            (step, batch) = (saved.get_counter("step")?, saved.get_counter("batch")? as usize);
        } else {
            curve.start(&mut opt)?;
        }
        while step < steps {
            let mut batches = data.batches(batch_size).shuffle(&mut order.clone()).skip(batch);
            while batches.len() > 0 && step < steps {
                let mut sum = demotic::autograd::Gradients::default();
                let mut used = 0;
                for item in batches.by_ref().take(accumulate) {
                    let (x, y) = item?;
                    let logits = model.index_select(0, &x.reshape([x.numel()])?)?.dropout(0.1, &mut rng)?;
                    sum.accumulate(losses::cross_entropy(&logits, &y.reshape([y.numel()])?)?.backward()?)?;
                    used += 1;
                }
                sum.scale(1.0 / used as f64);
                opt.step(&mut model, &sum)?;
                curve.step(&mut opt, 0.0)?;
                (step, batch) = (step + 1, batch + used);
                if step == stop_at {
                    Checkpoint::new()
                        .model(&model)
                        .optimizer(&opt)
                        .schedule(&curve)
                        .rng(&rng)
                        .named_rng("order", &order)
                        .counter("step", step)
                        .counter("batch", batch as u64)
                        .save(&path)?;
                    return Ok((vec![], 0));
                }
            }
            (batch, order) = (0, rng.split());
        }
        Ok((model.to_vec()?, rng.next_u64()))
    };
    let whole = run(table(1)?, Rng::seed(5), false, u64::MAX)?;
    // 16 batches an epoch, hence 8 steps.
    for stop_at in [3, 8, 11, 29] {
        run(table(1)?, Rng::seed(5), false, stop_at)?;
        assert_eq!(run(table(2)?, Rng::seed(6), true, u64::MAX)?, whole, "stopped at step {stop_at}");
    }
    Ok(())
}

#[test]
fn what_does_not_belong_to_the_run_is_refused_word_for_word() -> Result<()> {
    let (train, validation) = data()?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("step-000000006.ckpt");
    let trainer = || Trainer::new(losses::mse, Adam::new(0.02)).batch_size(8).epochs(2).validation(&validation);
    let mut metadata = Metadata::new();
    metadata.insert("tokenizer", "char");
    let checkpoints = CheckpointFolder::new(folder.path());
    trainer().checkpoints(checkpoints).metadata(metadata).fit(&mut model()?, &train, &mut Rng::seed(3))?;
    let saved = Checkpoint::load(&path)?;
    assert_eq!(saved.get_metadata().get("tokenizer"), Some("char"));

    let refusal = |trainer: Trainer, train: &TensorDataset| {
        let result = { trainer }.resume(&path).fit(&mut model().unwrap(), train, &mut Rng::seed(0));
        let e = result.expect_err("an error");
        (e.message().replace(&path.display().to_string(), "FILE"), e.help().map(str::to_string))
    };
    let (message, help) = refusal(trainer().batch_size(9), &train);
    assert_eq!(message, "resume: FILE: saved with a batch size of 8, which is 9 now");
    let advice = "a run goes on with the data and options that it began with, apart from epochs and max_steps";
    assert_eq!(help.as_deref(), Some(advice));
    let (message, _) = refusal(trainer(), &train.rows(&[0, 1, 2])?);
    assert_eq!(message, "resume: FILE: saved with a number of examples of 45, which is 3 now");
    let (message, _) = refusal(trainer().metric("mae", metrics::mae), &train);
    assert_eq!(message, "resume: FILE: saved with the metrics [], which are [\"mae\"] now");
    let (message, _) = refusal(trainer().schedule(ReduceOnPlateau::new()), &train);
    assert_eq!(message, "restore_schedule: FILE has no schedule");
    let (message, _) = refusal(trainer().early_stopping(EarlyStopping::new(3)), &train);
    assert_eq!(message, "get_numbers: FILE has no list of numbers `early_stopping`");
    let sgd = Trainer::new(losses::mse, Sgd::new(0.1)).batch_size(8);
    assert_eq!(refusal(sgd, &train).0, "Sgd: the state is of the optimizer `Adam`");

    let fit = |path: &Path| trainer().resume(path).fit(&mut model().unwrap(), &train, &mut Rng::seed(0)).unwrap_err();
    assert_eq!(fit(&folder.path().join("none")).kind(), ErrorKind::Io);
    let empty = tempfile::tempdir().unwrap();
    let e = fit(empty.path());
    assert_eq!(e.message(), format!("resume: there is no checkpoint in {}", empty.path().display()));
    Checkpoint::new().save(empty.path().join("x")).unwrap();
    assert!(fit(&empty.path().join("x")).message().ends_with("x has no counter `trainer.examples`"));
    let mut other = Mlp::new(&[5, 8, 1], &mut Rng::seed(2))?;
    let e = trainer().resume(&path).fit(&mut other, &train, &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Parameter);
    Ok(())
}

/// What was frozen is part of a run: of one that is resumed, too.
#[test]
fn frozen_parameters_stay_frozen() -> Result<()> {
    let (train, _) = data()?;
    let folder = tempfile::tempdir().unwrap();
    let trainer = || Trainer::new(losses::mse, AdamW::new(0.02)).batch_size(8).epochs(4);
    let frozen = || -> Result<Mlp> {
        let mut model = model()?;
        model.freeze("layers.0.*")?;
        Ok(model)
    };
    let (mut whole, mut rng) = (frozen()?, Rng::seed(3));
    let history = trainer().checkpoints(CheckpointFolder::new(folder.path())).fit(&mut whole, &train, &mut rng)?;
    let want = outcome(&whole, history, &mut rng)?;
    let path = &CheckpointFolder::new(folder.path()).list()?[1];

    // The program that resumes need not freeze anything itself.
    for mut other in [frozen()?, model()?] {
        let mut rng = Rng::seed(8);
        let history = trainer().resume(path).fit(&mut other, &train, &mut rng)?;
        assert_eq!(outcome(&other, history, &mut rng)?, want);
        assert_eq!(other.num_trainable_parameters(), whole.num_trainable_parameters());
    }
    assert_eq!(Checkpoint::load(path)?.frozen().unwrap(), ["layers.0.weight", "layers.0.bias"]);

    // What it froze beyond that is another run.
    let mut other = frozen()?;
    other.freeze("*.bias")?;
    let before = values(&other);
    let e = trainer().resume(path).fit(&mut other, &train, &mut Rng::seed(8)).unwrap_err();
    let message = format!("resume: {}: saved with `layers.1.bias` trainable, which is frozen now", path.display());
    assert_eq!(e.message(), message);
    assert_eq!(values(&other), before);
    Ok(())
}

fn values(model: &impl Module) -> Vec<Vec<f32>> {
    model.named_parameters().iter().map(|(_, value)| value.to_vec().unwrap()).collect()
}

/// A run that cannot be resumed leaves model, optimizer and generator as they were.
#[test]
fn a_run_that_cannot_be_resumed_changes_nothing() -> Result<()> {
    let (train, validation) = data()?;
    let folder = tempfile::tempdir().unwrap();
    let trainer = || {
        Trainer::new(losses::mse, Adam::new(0.02))
            .batch_size(8)
            .epochs(2)
            .validation(&validation)
            .schedule(ReduceOnPlateau::new())
            .early_stopping(EarlyStopping::new(10))
    };
    let (mut first, mut rng) = (model()?, Rng::seed(3));
    trainer().checkpoints(CheckpointFolder::new(folder.path())).fit(&mut first, &train, &mut rng)?;

    let plain = || Trainer::new(losses::mse, Adam::new(0.02)).batch_size(8).epochs(2).validation(&validation);
    let others = [
        Trainer::new(losses::mse, Sgd::new(0.02)).batch_size(8).schedule(ReduceOnPlateau::new()),
        trainer().schedule(Curve::cosine(0.02, 15)),
        plain().schedule(demotic::optimizers::schedule::AdaptiveRate::new(1e-4, 0.1)),
        plain(),
        trainer().batch_size(9),
        trainer().metric("mae", metrics::mae),
    ];
    for other in others {
        let (mut model, mut rng) = (model()?, Rng::seed(4));
        let before = values(&model);
        assert!(other.resume(folder.path()).fit(&mut model, &train, &mut rng).is_err());
        assert_eq!(values(&model), before);
        assert_eq!(rng.next_u64(), Rng::seed(4).next_u64());
    }
    // Another model: everything of the checkpoint fits, and it does not.
    let mut other = Mlp::new(&[5, 8, 1], &mut Rng::seed(2))?;
    let (before, mut rng, mut mine) = (values(&other), Rng::seed(4), trainer());
    mine = mine.resume(folder.path());
    assert!(mine.fit(&mut other, &train, &mut rng).is_err());
    assert_eq!(values(&other), before);
    assert_eq!(rng.next_u64(), Rng::seed(4).next_u64());
    // The trainer is as good as new.
    let (mut a, mut b) = (model()?, model()?);
    mine.fit(&mut a, &train, &mut Rng::seed(5))?;
    trainer().fit(&mut b, &train, &mut Rng::seed(5))?;
    assert_eq!(values(&a), values(&b));
    Ok(())
}

/// A file from before callbacks were a trait: in the middle of the third epoch, with a schedule, early stopping and a metric.
#[test]
fn files_of_earlier_releases() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("training/before_callbacks.ckpt");
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([60, 5], 0.0, 1.0, &mut rng)?;
    let y = x.square().sum_dims(&[1], true)?;
    let (train, validation) = TensorDataset::new(x, y)?.split(0.75, &mut rng)?;
    let model = |seed| Mlp::new(&[5, 4, 1], &mut Rng::seed(seed))?.activation(Gelu).dropout(0.2);
    let trainer = || {
        Trainer::new(losses::mse, AdamW::new(0.02).clip_norm(5.0))
            .batch_size(8)
            .epochs(4)
            .validation(&validation)
            .metric("mae", metrics::mae)
            .schedule(ReduceOnPlateau::new().patience(0))
            .early_stopping(EarlyStopping::new(10))
    };
    let (mut whole, mut rng) = (model(2)?, Rng::seed(3));
    let want = trainer().fit(&mut whole, &train, &mut rng)?;
    let (mut resumed, mut other) = (model(7)?, Rng::seed(8));
    let history = trainer().resume(path).fit(&mut resumed, &train, &mut other)?;
    assert_eq!(other.next_u64(), rng.next_u64());
    assert_eq!((history.steps, history.kept_epoch, history.kept_step), (want.steps, want.kept_epoch, want.kept_step));
    // The machine that wrote it may add up in another order.
    for (a, b) in history.epochs.iter().zip(&want.epochs) {
        assert!((a.train_loss - b.train_loss).abs() < 1e-4 * b.train_loss, "{a:?} {b:?}");
        assert!((a.metrics[0].1 - b.metrics[0].1).abs() < 1e-4, "{a:?} {b:?}");
    }
    let difference =
        values(&whole).concat().iter().zip(values(&resumed).concat()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference < 1e-4, "{difference}");
    Ok(())
}
