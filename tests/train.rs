//! The training loop and its parts.

use std::ops::ControlFlow;

use demotic::prelude::*;
use demotic::train::plot::Chart;
use demotic::train::{Ended, Snapshot, Verdict};

fn line(rng: &mut Rng) -> Result<TensorDataset> {
    let x = Tensor::uniform([50, 2], -1.0, 1.0, rng)?;
    let y = x.sum_dims(&[1], true)?;
    TensorDataset::new(x, y)
}

/// What `Trainer` does, by hand.
#[test]
fn the_trainer_is_a_loop_like_any_other() -> Result<()> {
    let data = line(&mut Rng::seed(1))?;
    let first = Linear::new(2, 1, &mut Rng::seed(2))?;

    let mut trained = first.clone();
    Trainer::new(losses::mse, Adam::new(0.1)).epochs(3).batch_size(8).fit(&mut trained, &data, &mut Rng::seed(3))?;

    let (mut model, mut opt, mut rng) = (first, Adam::new(0.1), Rng::seed(3));
    for _epoch in 0..3 {
        let mut order = rng.split();
        for batch in data.batches(8).shuffle(&mut order) {
            let (x, y) = batch?;
            let loss = losses::mse(&model.forward(&x, &mut Mode::Train(&mut rng))?, &y)?;
            opt.step(&mut model, &loss.backward()?)?;
        }
    }
    assert_eq!(model.weight.to_vec::<f32>()?, trained.weight.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn early_stopping_keeps_the_best_epoch() -> Result<()> {
    let mut rng = Rng::seed(1);
    let data = line(&mut rng)?;
    let mut model = Linear::new(2, 1, &mut rng)?;
    // With a large loss taken for a good one, the first epoch is the best.
    let mut trainer = Trainer::new(losses::mse, Sgd::new(0.05))
        .epochs(60)
        .batch_size(50)
        .validation(&data)
        .early_stopping(EarlyStopping::new(3).maximize());
    let history = trainer.fit(&mut model, &data, &mut rng)?;
    assert_eq!((history.ended, history.epochs.len(), history.kept_epoch), (Ended::StoppedEarly, 4, 1));
    let best = history.validation_losses()[0];
    assert!((trainer.evaluate(&model, &data)?.loss - best).abs() < 1e-9);
    Ok(())
}

#[test]
fn callbacks_see_every_epoch_and_may_stop() -> Result<()> {
    let mut rng = Rng::seed(1);
    let data = line(&mut rng)?;
    let history = Trainer::new(losses::mse, Adam::new(0.1))
        .epochs(10)
        .metric("rmse", metrics::rmse)
        .callback(|epoch, _model| Ok(if epoch.epoch == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }))
        .fit(&mut Linear::new(2, 1, &mut rng)?, &data, &mut rng)?;
    assert_eq!((history.epochs.len(), history.kept_epoch), (4, 4));
    assert_eq!(history.metric("rmse").len(), 4);
    assert!(history.metric("rmse")[3] < history.metric("rmse")[0]);
    Ok(())
}

#[test]
fn impossible_options_and_bad_data() -> Result<()> {
    let mut rng = Rng::seed(1);
    let data = line(&mut rng)?;
    let mut model = Linear::new(2, 1, &mut rng)?;
    let trainer = || Trainer::new(losses::mse, Adam::new(0.1));
    let mut fails = |mut trainer: Trainer, data: &TensorDataset| trainer.fit(&mut model, data, &mut rng).unwrap_err();

    assert_eq!(fails(trainer().epochs(0), &data).message(), "fit: the number of epochs is 0, expected at least 1");
    assert_eq!(fails(trainer().batch_size(0), &data).message(), "batches: the batch size is 0, expected at least 1");
    let e = fails(trainer().batch_size(64).drop_last(), &data);
    assert_eq!(e.message(), "fit: 50 examples make no full batch of 64");
    let none = TensorDataset::new(Tensor::zeros([0, 2])?, Tensor::zeros([0, 1])?)?;
    assert_eq!(fails(trainer(), &none).message(), "fit: there are no training data");
    let nan = TensorDataset::new(Tensor::full([4, 2], f64::NAN)?, Tensor::zeros([4, 1])?)?;
    let e = fails(trainer(), &nan);
    assert_eq!(e.message(), "fit: the loss became NaN in batch 1 of epoch 1");
    assert_eq!(e.help(), Some("lower the learning rate, standardize the inputs, or clip the gradients"));
    Ok(())
}

#[test]
fn patience() {
    let mut stopping = EarlyStopping::new(2).min_delta(0.1);
    assert_eq!(stopping.update(f64::NAN), Verdict::Waiting);
    assert_eq!(stopping.update(1.0), Verdict::Improved);
    assert_eq!(stopping.update(0.95), Verdict::Waiting);
    assert_eq!(stopping.update(0.8), Verdict::Improved);
    assert_eq!(stopping.update(0.8), Verdict::Waiting);
    assert_eq!(stopping.update(0.75), Verdict::Stop);
    assert_eq!(stopping.best(), Some(0.8));
    let mut stopping = EarlyStopping::new(1).maximize();
    assert_eq!(
        (stopping.update(0.5), stopping.update(0.6), stopping.update(0.6)),
        (Verdict::Improved, Verdict::Improved, Verdict::Stop)
    );
}

#[test]
fn snapshots_belong_to_a_structure() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = Linear::new(2, 1, &mut rng)?;
    let (before, snapshot) = (model.weight.to_vec::<f32>()?, Snapshot::of(&model));
    let grads = model.forward(&tensor![[1.0, 1.0]], &mut Mode::Eval)?.sum().backward()?;
    Sgd::new(1.0).step(&mut model, &grads)?;
    assert_ne!(model.weight.to_vec::<f32>()?, before);
    snapshot.restore(&mut model)?;
    assert_eq!(model.weight.to_vec::<f32>()?, before);
    assert!(snapshot.restore(&mut Linear::new(3, 1, &mut rng)?).is_err());
    assert!(snapshot.restore(&mut sequential![model.clone(), model]).is_err());
    Ok(())
}

#[test]
fn charts_of_anything() -> Result<()> {
    let dir = tempfile::tempdir().map_err(|e| Error::io("test", std::path::Path::new("temporary directory"), e))?;
    let strange = [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300, 3.0];
    let charts = [
        Chart::new("empty"),
        Chart::new("log").log_y().line("strange", strange),
        Chart::new("points").points("strange", strange.map(|y| (y, y))).diagonal(),
        Chart::new("constant").line("one", [1.0]).line("two", [1.0, 1.0]).y_limits(0.5, 2.0),
    ];
    for (i, chart) in charts.iter().enumerate() {
        for format in ["svg", "png"] {
            let path = dir.path().join(format!("{i}.{format}"));
            chart.save(&path)?;
            assert!(std::fs::metadata(&path).is_ok_and(|file| file.len() > 500), "{i}.{format}");
        }
    }
    let e = charts[0].save("chart.jpg").unwrap_err();
    assert_eq!(e.message(), "plot: chart.jpg: expected a name that ends in .svg or .png");
    assert!(charts[0].save(dir.path().join("no/such/folder.svg")).is_err());
    Ok(())
}

/// Four batches of 8 and one of 5 are, up to rounding, one of 37.
#[test]
fn accumulated_gradients_are_those_of_one_large_batch() -> Result<()> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([37, 4], 0.0, 1.0, &mut rng)?;
    let classes: Vec<i64> = (0..37).map(|i| if i % 5 == 0 { -100 } else { i % 3 }).collect();
    let data = TensorDataset::new(x, Tensor::from_vec(classes, [37])?)?;
    let first = Linear::new(4, 3, &mut rng)?;
    let train = |batch: usize, accumulate: usize| -> Result<(Linear, f64)> {
        let mut model = first.clone();
        let loss = losses::CrossEntropy::default().weight(&tensor![1.0, 2.0, 0.5]);
        let history = Trainer::new(loss, Sgd::new(0.5)).epochs(3).batch_size(batch).accumulate(accumulate).fit(
            &mut model,
            &data,
            &mut Rng::seed(2),
        )?;
        assert_eq!(history.steps, 3 * 37usize.div_ceil(batch).div_ceil(accumulate) as u64);
        Ok((model, history.epochs[2].train_loss))
    };
    let (whole, loss) = train(37, 1)?;
    for (batch, accumulate) in [(8, 5), (10, 4), (1, 100)] {
        let (parts, parts_loss) = train(batch, accumulate)?;
        let difference = whole.weight.sub(&parts.weight)?.abs().max()?.item()?;
        assert!(difference < 1e-6 && (loss - parts_loss).abs() < 1e-6, "{batch} × {accumulate}: {difference}");
    }
    // Not every step sees everything.
    let (other, _) = train(10, 2)?;
    assert!(whole.weight.sub(&other.weight)?.abs().max()?.item()? > 1e-3);
    Ok(())
}

#[test]
fn steps_hooks_and_evaluations() -> Result<()> {
    let mut rng = Rng::seed(1);
    let data = line(&mut rng)?;
    let reports = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = reports.clone();
    // 7 steps an epoch.
    let trainer = || Trainer::new(losses::mse, Adam::new(0.1)).batch_size(8).validation(&data);
    let history = trainer()
        .max_steps(17)
        .evaluate_every(5)
        .step_schedule(demotic::optimizers::schedule::Curve::linear(0.1, 100))
        .every(4, move |report, model: &Linear| {
            assert_eq!(model.weight.shape(), [1, 2]);
            seen.lock().unwrap().push((report.step, report.epoch, report.loss, report.learning_rate));
            Ok(ControlFlow::Continue(()))
        })
        .fit(&mut Linear::new(2, 1, &mut rng)?, &data, &mut rng)?;
    let reports = reports.lock().unwrap();
    assert_eq!(reports.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(), [(4, 1), (8, 2), (12, 2), (16, 3)]);
    assert!(reports.iter().all(|r| (r.3 - 0.1 * (100 - r.0) as f64 / 100.0).abs() < 1e-12));
    let steps = |records: &[demotic::train::Epoch]| records.iter().map(|r| (r.step, r.epoch)).collect::<Vec<_>>();
    assert_eq!(steps(&history.evaluations), [(5, 1), (10, 2), (15, 3)]);
    assert_eq!(steps(&history.epochs), [(7, 1), (14, 2), (17, 3)]);
    assert_eq!((history.steps, history.kept_epoch, history.kept_step, history.ended), (17, 3, 17, Ended::Finished));
    assert!(history.epochs.iter().all(|e| e.perplexity() == e.validation_loss.unwrap().exp()));

    // Early stopping goes by the evaluations, and a hook may stop, in the middle of an epoch.
    let mut model = Linear::new(2, 1, &mut rng)?;
    let mut best = trainer().epochs(100).evaluate_every(3).early_stopping(EarlyStopping::new(2).maximize());
    let history = best.fit(&mut model, &data, &mut rng)?;
    assert_eq!((history.steps, history.kept_step, history.ended), (9, 3, Ended::StoppedEarly));
    assert_eq!(best.evaluate(&model, &data)?.loss, history.evaluations[0].validation_loss.unwrap());
    let mut stopped = trainer().every(9, |_, _: &Linear| Ok(ControlFlow::Break(())));
    let history = stopped.fit(&mut model, &data, &mut rng)?;
    assert_eq!((history.steps, history.epochs.len(), history.ended), (9, 2, Ended::StoppedEarly));

    let mut fails = |mut trainer: Trainer| trainer.fit(&mut model, &data, &mut rng).unwrap_err();
    let e = fails(trainer().every(1, |_, _: &Dropout| Ok(ControlFlow::Continue(()))));
    assert!(e.message().starts_with("every: the function takes a demotic::layers::"), "{e}");
    assert_eq!(fails(trainer().max_steps(0)).message(), "fit: the number of steps is 0, expected at least 1");
    let e = fails(trainer().accumulate(0));
    assert_eq!(e.message(), "fit: the number of batches to accumulate is 0, expected at least 1");
    assert_eq!(fails(trainer().evaluate_every(0)).message(), "fit: an interval of steps is 0, expected at least 1");
    Ok(())
}

/// Standard error of a test is no terminal, so the bar draws nothing; training is the same as without it.
#[test]
fn a_progress_bar_changes_nothing() -> Result<()> {
    let fit = |progress: bool| -> Result<Vec<f64>> {
        let mut rng = Rng::seed(4);
        let data = line(&mut rng)?;
        let trainer = Trainer::new(losses::mse, Adam::new(0.1)).epochs(3);
        let mut trainer = if progress { trainer.progress() } else { trainer };
        Ok(trainer.fit(&mut Linear::new(2, 1, &mut rng)?, &data, &mut rng)?.train_losses())
    };
    assert_eq!(fit(true)?, fit(false)?);
    Ok(())
}
