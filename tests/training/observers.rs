//! Callbacks that watch a run and write down what they see: in a Trainer, in a loop of one's own, in a run that is resumed.

use std::path::Path;
use std::time::Duration;

use demotic::io::{Checkpoint, CheckpointFolder};
use demotic::optimizers::OptimizerState;
use demotic::prelude::*;
use demotic::train::tensorboard::{EventValue, EventWriter, read_events};
use demotic::train::{
    BestCheckpoints, Callbacks, Ended, Evaluation, FiniteOutputs, Histogram, Histograms, HistoryFile, LrFinder,
    MemoryBudget, NanGuard, TensorBoard, TimeBudget,
};

fn data() -> Result<TensorDataset> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([40, 2], 0.0, 1.0, &mut rng)?;
    let y = (x.sum_dims(&[1], true)? + Tensor::normal([40, 1], 0.0, 0.5, &mut rng)?)?;
    TensorDataset::new(x, y)
}

fn model() -> Result<Sequential> {
    let mut rng = Rng::seed(2);
    Ok(sequential![Linear::new(2, 6, &mut rng)?, Tanh, Dropout::new(0.1)?, Linear::new(6, 1, &mut rng)?])
}

fn weights(model: &impl Module) -> Vec<Vec<f32>> {
    model.named_parameters().iter().map(|(_, value)| value.to_vec().unwrap()).collect()
}

/// What is in a file of events, without the time.
fn events(path: &Path) -> Result<Vec<(i64, String, EventValue)>> {
    Ok(read_events(path)?.into_iter().map(|event| (event.step, event.tag, event.value)).collect())
}

/// The lines of a history without the seconds, which come last.
fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let without = |line: &str| match line.rsplit_once("\"seconds\"") {
        Some((rest, _)) => rest.to_string(),
        None => line.rsplit_once(',').unwrap().0.to_string(),
    };
    text.lines().map(without).collect()
}

#[test]
fn a_loop_by_hand_writes_what_a_trainer_does() -> Result<()> {
    let (data, folder) = (data()?, tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    let board = TensorBoard::new(path("a"))?.every(2).histograms(5);
    let (log, kept) = (board.writer(), Histograms::every(4).keep(3));
    let mut rng = Rng::seed(3);
    let mut by_trainer = model()?;
    let mut trainer = Trainer::new(losses::mse, Sgd::new(0.05).momentum(0.9))
        .batch_size(10)
        .epochs(4)
        .validation(&data)
        .callback(NanGuard::new())
        .callback(HistoryFile::csv(path("a.csv")))
        .callback(HistoryFile::json_lines(path("new/folder/a.jsonl")))
        .callback(board)
        .callback(kept.clone());
    let history = trainer.fit(&mut by_trainer, &data, &mut rng)?;

    let (mut by_hand, mut opt) = (model()?, Sgd::new(0.05).momentum(0.9));
    let mut rng = Rng::seed(3);
    let board = TensorBoard::to(EventWriter::create(path("b"))?).every(2).histograms(5);
    let (log_by_hand, kept_by_hand) = (board.writer(), Histograms::every(4).keep(3));
    let mut run = Callbacks::new()
        .epochs(4)
        .with(NanGuard::new())
        .with(HistoryFile::csv(path("b.csv")))
        .with(HistoryFile::json_lines(path("b.jsonl")))
        .with(board)
        .with(kept_by_hand.clone());
    run.fit_begin(&mut by_hand, &mut opt)?;
    while run.epoch_begin(&mut by_hand, &mut opt)? {
        let mut order = rng.split();
        for batch in data.batches(10).shuffle(&mut order) {
            let (x, y) = batch?;
            let loss = losses::mse(&by_hand.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
            let mut grads = loss.backward()?;
            run.gradients(&mut by_hand, &mut opt, &mut grads)?;
            opt.step(&mut by_hand, &grads)?;
            run.step(&mut by_hand, &mut opt, loss.item()?, x.size(0)?)?;
        }
        // In the batches of the Trainer, so that sums are rounded in the same order.
        let evaluation = Trainer::new(losses::mse, Sgd::new(0.0)).batch_size(10).evaluate(&by_hand, &data)?;
        run.epoch_end(&mut by_hand, &mut opt, &rng, Some(evaluation))?;
    }
    run.fit_end(&mut by_hand, &mut opt)?;

    assert_eq!(weights(&by_trainer), weights(&by_hand));
    assert_eq!(events(log.path())?, events(log_by_hand.path())?);
    assert_eq!(kept.records(), kept_by_hand.records());
    assert_eq!(lines(&path("a.csv")), lines(&path("b.csv")));
    assert_eq!(lines(&path("new/folder/a.jsonl")), lines(&path("b.jsonl")));

    // And it is what happened.
    let seen = events(log.path())?;
    let of = |tag: &str| {
        let of_tag = seen.iter().filter(|(_, own, _)| own == tag);
        of_tag.map(|(step, _, value)| (*step, value.clone())).collect::<Vec<_>>()
    };
    let steps = |tag: &str| of(tag).iter().map(|(step, _)| *step).collect::<Vec<_>>();
    assert_eq!(steps("loss/train"), [2, 4, 6, 8, 10, 12, 14, 16]);
    assert_eq!(steps("loss/validation"), [4, 8, 12, 16]);
    assert_eq!(steps("gradients/3.bias"), [5, 10, 15]);
    let single = |loss: f64| EventValue::Scalar(f64::from(loss as f32));
    let losses: Vec<_> = of("loss/validation").into_iter().map(|(_, value)| value).collect();
    assert_eq!(losses, history.validation_losses().into_iter().map(single).collect::<Vec<_>>());
    assert_eq!(kept.records().iter().map(|record| record.step).collect::<Vec<_>>(), [8, 12, 16]);
    let table = Table::read_csv(path("a.csv"))?;
    assert_eq!(table.column("validation_loss")?.numbers().unwrap(), history.validation_losses());
    // The same at the end.
    history.write_csv(path("end.csv"))?;
    history.write_json_lines(path("end.jsonl"))?;
    assert_eq!(std::fs::read(path("a.csv")).unwrap(), std::fs::read(path("end.csv")).unwrap());
    assert_eq!(std::fs::read(path("new/folder/a.jsonl")).unwrap(), std::fs::read(path("end.jsonl")).unwrap());
    let last: demotic::train::Epoch =
        serde_json::from_str(std::fs::read_to_string(path("end.jsonl")).unwrap().lines().last().unwrap()).unwrap();
    assert_eq!(Some(&last), history.last());
    Ok(())
}

/// All of them change nothing in a run, and are themselves again after it was interrupted anywhere.
#[test]
fn a_resumed_run_is_written_down_as_if_it_had_not_been() -> Result<()> {
    let (data, folder) = (data()?, tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    let trainer = |name: &str| {
        Ok::<_, Error>(
            Trainer::new(losses::mse, Adam::new(0.05))
                .batch_size(10)
                .max_steps(14)
                .evaluate_every(3)
                .validation_split(0.2)
                .metric("r2", metrics::r2)
                .early_stopping(EarlyStopping::new(100).metric("r2").maximize())
                .callback(NanGuard::new())
                .callback(TimeBudget::new(Duration::from_secs(1000)))
                .callback(MemoryBudget::new(1 << 40))
                .callback(Histograms::every(2))
                .callback(TensorBoard::new(path(name))?.histograms(4))
                .callback(HistoryFile::csv(path(&format!("{name}.csv"))))
                .callback(HistoryFile::json_lines(path(&format!("{name}.jsonl"))))
                .callback(BestCheckpoints::new(CheckpointFolder::new(path(&format!("{name} best"))).keep(1)))
                .callback(
                    BestCheckpoints::new(CheckpointFolder::new(path(&format!("{name} r2")))).metric("r2").maximize(),
                ),
        )
    };
    let run = |mut trainer: Trainer, seed| {
        let (mut model, mut rng) = (model()?, Rng::seed(seed));
        let history = trainer.fit(&mut model, &data, &mut rng)?;
        Ok::<_, Error>((weights(&model), history, rng.next_u64()))
    };
    let plain = Trainer::new(losses::mse, Adam::new(0.05))
        .batch_size(10)
        .max_steps(14)
        .evaluate_every(3)
        .validation_split(0.2)
        .metric("r2", metrics::r2)
        .early_stopping(EarlyStopping::new(100).metric("r2").maximize());
    let plain = run(plain, 3)?;
    let checkpoints = CheckpointFolder::new(path("all"));
    let whole = run(trainer("whole")?.checkpoints(checkpoints.clone()).checkpoint_every(1), 3)?;
    assert_eq!((&plain.0, plain.2), (&whole.0, whole.2), "they change the run");
    let found = checkpoints.list()?;
    assert_eq!(found.len(), 14);
    let name = |path: &Path| path.file_name().unwrap().to_os_string();
    for (i, from) in found.iter().enumerate() {
        let own = format!("from {}", i + 1);
        let resumed = run(trainer(&own)?.resume(from), 99)?;
        assert_eq!((&resumed.0, resumed.2), (&whole.0, whole.2), "{own}");
        for ending in ["csv", "jsonl"] {
            assert_eq!(lines(&path(&format!("{own}.{ending}"))), lines(&path(&format!("whole.{ending}"))), "{own}");
        }
        // The best of the rest are those of the whole run.
        for kind in ["best", "r2"] {
            let list = |run: &str| CheckpointFolder::new(path(&format!("{run} {kind}"))).list();
            let whole: Vec<_> = list("whole")?.iter().map(|path| name(path)).collect();
            let rest: Vec<_> = list(&own)?.iter().map(|path| name(path)).collect();
            let later = |path: &&std::ffi::OsString| **path > name(from);
            assert_eq!(rest, whole.iter().filter(later).cloned().collect::<Vec<_>>(), "{own}");
        }
        let [file] = [std::fs::read_dir(path(&own)).unwrap().next().unwrap().unwrap().path()];
        assert_eq!(events(&file)?[1], (i as i64 + 2, String::new(), EventValue::SessionStart));
    }
    // A run that was begun without them goes on with them.
    let folder_of_plain = CheckpointFolder::new(path("plain"));
    let trainer_ = || Trainer::new(losses::mse, Adam::new(0.05)).batch_size(10).epochs(4);
    run(trainer_().epochs(2).checkpoints(folder_of_plain.clone()), 3)?;
    let best = CheckpointFolder::new(path("late"));
    let late = trainer_()
        .resume(path("plain"))
        .callback(TimeBudget::new(Duration::from_secs(1000)))
        .callback(BestCheckpoints::new(best.clone()));
    assert_eq!(run(late, 5)?.0, run(trainer_(), 3)?.0);
    assert!(!best.list()?.is_empty());
    Ok(())
}

#[test]
fn the_best_are_kept() -> Result<()> {
    let (data, folder) = (data()?, tempfile::tempdir().unwrap());
    let best = CheckpointFolder::new(folder.path()).keep(1);
    let mut model = model()?;
    // Rates that are too large in the end.
    let history = Trainer::new(losses::mse, Sgd::new(0.1))
        .validation(&data)
        .epochs(12)
        .schedule(demotic::optimizers::schedule::Multiplicative::new(|_| 1.6))
        .callback(BestCheckpoints::new(best.clone()))
        .fit(&mut model, &data, &mut Rng::seed(4))?;
    let losses = history.validation_losses();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(*losses.last().unwrap() > least, "the case is about a best one in the middle");
    let [path] = &best.list()?[..] else { panic!() };
    Checkpoint::load(path)?.restore_model(&mut model)?;
    let again = Trainer::new(losses::mse, Sgd::new(0.1)).evaluate(&model, &data)?;
    assert_eq!(again.loss, least);
    Ok(())
}

#[test]
fn budgets_end_runs() -> Result<()> {
    let (data, folder) = (data()?, tempfile::tempdir().unwrap());
    let trainer = || Trainer::new(losses::mse, Sgd::new(0.01)).epochs(usize::MAX).batch_size(10);
    let budget = TimeBudget::new(Duration::from_millis(30));
    let checkpoints = CheckpointFolder::new(folder.path()).keep(1);
    let history = trainer().checkpoints(checkpoints.clone()).checkpoint_every(1_000_000).callback(budget.clone()).fit(
        &mut model()?,
        &data,
        &mut Rng::seed(3),
    )?;
    assert_eq!(history.ended, Ended::StoppedEarly);
    let latest = checkpoints.latest()?.unwrap();
    assert_eq!(Checkpoint::load(&latest)?.get_counter("trainer.step")?, history.steps);
    // The time is used up, whatever it was resumed for.
    let more = trainer().callback(budget).resume(&latest).fit(&mut model()?, &data, &mut Rng::seed(3))?;
    assert_eq!((more.ended, more.steps), (Ended::StoppedEarly, history.steps + 1));
    let history = trainer().callback(MemoryBudget::new(1)).fit(&mut model()?, &data, &mut Rng::seed(3))?;
    assert_eq!((history.ended, history.steps), (Ended::StoppedEarly, 1));

    let read: TimeBudget = serde_json::from_str(r#"{"seconds": 1.5}"#).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"seconds":1.5}"#);
    let e = serde_json::from_str::<TimeBudget>(r#"{"seconds": -1}"#).unwrap_err();
    assert_eq!(e.to_string(), "TimeBudget: -1 seconds, expected at least 0");
    assert!(serde_json::from_str::<MemoryBudget>(r#"{"bytes": 4096}"#).is_ok());
    assert_eq!(serde_json::from_str::<MemoryBudget>("{}").unwrap_err().to_string(), "MemoryBudget: `bytes` is missing");
    Ok(())
}

/// The state of an optimizer as it goes into files.
fn of(state: &OptimizerState) -> String {
    serde_json::to_string(state).unwrap()
}

#[test]
fn a_test_of_learning_rates_leaves_nothing_behind() -> Result<()> {
    let data = data()?;
    let (begun, mut rng) = (model()?, Rng::seed(3));
    let mut model = begun.clone();
    let mut trainer = Trainer::new(losses::mse, Adam::new(0.02))
        .batch_size(10)
        .epochs(2)
        .metric("r2", metrics::r2)
        .callback(NanGuard::new());
    trainer.fit(&mut model, &data, &mut rng)?;
    let (mut other, mut other_rng) = (model.clone(), rng.clone());
    let before = weights(&model);
    let curve = trainer.find_learning_rate(&LrFinder::new(), &mut model, &data, &mut rng)?;
    assert_eq!(weights(&model), before);
    assert!(curve.rates.len() > 30 && curve.rates.len() == curve.losses.len());
    assert!((curve.rates[0] - 1e-7).abs() < 1e-20 && curve.rates.is_sorted());
    let rate = curve.suggestion().unwrap();
    assert!((1e-4..1.0).contains(&rate), "{rate}");
    // What comes after is what would have come without.
    let history = trainer.fit(&mut model, &data, &mut rng)?;
    let mut again = Trainer::new(losses::mse, Adam::new(0.02)).batch_size(10).epochs(2).metric("r2", metrics::r2);
    // The optimizer of the first two epochs.
    again.fit(&mut begun.clone(), &data, &mut Rng::seed(3))?;
    let expected = again.fit(&mut other, &data, &mut other_rng)?;
    assert_eq!(weights(&model), weights(&other));
    assert_eq!(rng.next_u64(), other_rng.next_u64());
    assert_eq!(history.train_losses(), expected.train_losses());
    assert_eq!(history.metric("r2"), expected.metric("r2"));

    // By hand.
    let (mut model, mut opt) = (other, Sgd::new(0.02).momentum(0.5));
    let (before, state) = (weights(&model), of(&opt.state()));
    let finder = LrFinder::new().range(1e-5, 1.0).steps(20);
    let mut run = Callbacks::new().with(finder.clone());
    run.fit_begin(&mut model, &mut opt)?;
    'run: while run.epoch_begin(&mut model, &mut opt)? {
        for batch in data.batches(10) {
            let (x, y) = batch?;
            let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
            opt.step(&mut model, &loss.backward()?)?;
            run.step(&mut model, &mut opt, loss.item()?, 10)?;
            if run.is_stopped() {
                break 'run;
            }
        }
        run.epoch_end(&mut model, &mut opt, &rng, None::<Evaluation>)?;
    }
    run.fit_end(&mut model, &mut opt)?;
    assert_eq!((weights(&model), of(&opt.state())), (before, state));
    assert_eq!(finder.curve().rates.len(), 20);
    assert!((finder.curve().rates[19] - 1.0).abs() < 1e-12);

    let wrong = [
        (LrFinder::new().range(1.0, 0.1), "LrFinder: rates from 1 to 0.1, expected two positive ones that grow"),
        (LrFinder::new().range(0.0, 0.1), "LrFinder: rates from 0 to 0.1, expected two positive ones that grow"),
        (LrFinder::new().steps(1), "LrFinder: 1 steps, expected at least 2"),
        (LrFinder::new().smoothing(1.0), "LrFinder: smoothing is 1, expected at least 0 and less than 1"),
        (LrFinder::new().diverged(1.0), "LrFinder: diverged is 1, expected more than 1"),
    ];
    for (finder, message) in wrong {
        let e = trainer.find_learning_rate(&finder, &mut model, &data, &mut rng).unwrap_err();
        assert_eq!(e.message(), message);
    }
    let bad = TensorDataset::new(tensor![[1.0, f32::NAN]], tensor![[1.0]])?;
    let e = trainer.find_learning_rate(&LrFinder::new(), &mut model, &bad, &mut rng).unwrap_err();
    assert!(e.message().ends_with("the inputs are NaN in row 0, column 1 of the data (counted from 0)"), "{e}");
    Ok(())
}

#[test]
fn who_went_wrong_first_is_named() -> Result<()> {
    let mut rng = Rng::seed(1);
    let data = TensorDataset::new(Tensor::full([8, 2], 3.0)?, Tensor::ones([8, 1])?)?;
    let large = |x: &Tensor| Ok(x.mul_scalar(1e30).exp());
    let mut linear = |inputs, outputs| Linear::new(inputs, outputs, &mut rng);
    let wide = || BatchNorm1d::new(4);
    let mut model = sequential![linear(2, 4)?, wide()?, Relu, linear(4, 4)?, Lambda::new(large), linear(4, 1)?];
    let buffers = |model: &Sequential| {
        let mut found = Vec::new();
        let saved = Checkpoint::new().model(model);
        for (name, value) in saved.get_tensors("model").unwrap() {
            if name.contains("running") || name.contains("tracked") {
                found.push((name.clone(), format!("{:?}", value.to_f64_vec())));
            }
        }
        found
    };
    let fails = |mut trainer: Trainer, model: &mut Sequential, data: &TensorDataset| {
        trainer.fit(model, data, &mut Rng::seed(3)).unwrap_err()
    };
    let trainer = || Trainer::new(losses::mse, Sgd::new(0.1)).batch_size(4);
    let e = fails(trainer(), &mut model, &data);
    let message = e.message();
    assert!(message.starts_with("fit: the loss became ") && message.contains(" in batch 1 of epoch 1: "), "{message}");
    assert!(message.ends_with("the output of layer `4` (Lambda) is inf, the first that is not finite"), "{message}");
    assert_eq!(e.help(), Some("lower the learning rate, standardize the inputs, or clip the gradients"));
    // Looking for it has not counted the examples once more.
    let counted = buffers(&model);
    assert!(!counted.is_empty());
    assert!(counted.iter().all(|(name, value)| !name.contains("tracked") || value == "[1.0]"), "{counted:?}");

    // A parameter that was no number before.
    let mut model = sequential![Linear::new(2, 4, &mut Rng::seed(1))?, Linear::new(4, 1, &mut Rng::seed(1))?];
    model.for_each_mut::<Linear>("1", |_, layer| layer.weight.set(&Tensor::full([1, 4], f64::NAN)?))?;
    let e = fails(trainer(), &mut model, &data);
    assert_eq!(e.message(), "fit: the loss became NaN in batch 1 of epoch 1: the parameter `1.weight` is NaN already");

    // A gradient: of two layers, the one that is nearer to the loss.
    let roots = || Lambda::new(|x: &Tensor| Ok(x.abs().sqrt()));
    let zeros = TensorDataset::new(Tensor::zeros([8, 2])?, Tensor::zeros([8, 1])?)?;
    let layer = |outputs| Ok::<_, Error>(Linear::new(2, outputs, &mut Rng::seed(5))?.without_bias());
    let mut model = sequential![layer(2)?, layer(2)?, roots(), layer(1)?];
    let e = fails(trainer().callback(NanGuard::new()), &mut model, &zeros);
    assert_eq!(
        e.message(),
        "NanGuard: the gradient of `1.weight` is NaN, and so is that of `0.weight`, which comes before it in step 1"
    );
    assert!(e.to_string().contains("tests/training/observers.rs"), "{e}");
    let mut model = sequential![layer(2)?, layer(2)?, layer(2)?, roots(), layer(1)?];
    let e = fails(trainer().callback(NanGuard::new()), &mut model, &zeros);
    assert_eq!(
        e.message(),
        "NanGuard: the gradient of `2.weight` is NaN, and so are those of 2 parameters that come before it in step 1"
    );

    // A parameter that a step has spoilt.
    let mut model = sequential![Linear::new(2, 1, &mut Rng::seed(1))?];
    let huge = Trainer::new(losses::mse, Sgd::new(f64::from(f32::MAX))).callback(NanGuard::new());
    let e = fails(huge, &mut model, &data);
    assert!(e.message().starts_with("NanGuard: the parameter `0.weight` became "), "{e}");

    // By hand.
    let (mut model, mut opt) = (Linear::new(1, 1, &mut Rng::seed(0))?, Sgd::new(0.1));
    let mut run = Callbacks::new().with(NanGuard::new());
    run.fit_begin(&mut model, &mut opt)?;
    let e = run.step(&mut model, &mut opt, f64::NAN, 1).unwrap_err();
    assert_eq!(e.message(), "NanGuard: the loss is NaN in step 1");
    let masks = sequential![
        Lambda::new(|x: &Tensor| Ok(x.log())),
        Softmax { dim: -1 },
        Lambda::new(|x: &Tensor| Ok(x.neg().sqrt()))
    ];
    let mut outputs = FiniteOutputs::new();
    masks.forward(&tensor![[1.0, 0.0]], &mut Mode::eval().with_hooks(&mut outputs))?;
    assert_eq!(outputs.first(), Some("the output of layer `2` (Lambda) is NaN"), "masks are no fault");
    Ok(())
}

#[test]
fn what_cannot_be_written_or_found_is_said() -> Result<()> {
    let (data, folder) = (data()?, tempfile::tempdir().unwrap());
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let e = TensorBoard::new(file.join("runs")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(e.message().starts_with(&format!("EventWriter: {}", file.join("runs").display())), "{e}");
    assert!(e.message().ends_with(": Not a directory (os error 20)"), "{e}");
    assert_eq!(e.help(), Some("TensorBoard's events are written into a folder: name one that can be made"));
    let fit = |trainer: Trainer| { trainer }.fit(&mut model()?, &data, &mut Rng::seed(3));
    let trainer = || Trainer::new(losses::mse, Sgd::new(0.01)).batch_size(10).epochs(1);
    let e = fit(trainer().callback(HistoryFile::csv(file.join("a.csv")))).unwrap_err();
    assert_eq!(e.message(), format!("HistoryFile: {}: File exists (os error 17)", file.join("a.csv").display()));
    assert!(e.to_string().contains("tests/training/observers.rs"), "{e}");
    let e = fit(trainer().callback(HistoryFile::csv(folder.path()))).unwrap_err();
    assert!(e.message().ends_with(": is a directory"), "{e}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");

    let e = fit(trainer().early_stopping(EarlyStopping::new(3).metric("auc"))).unwrap_err();
    assert_eq!(e.message(), "EarlyStopping: there is no metric `auc`");
    assert_eq!(e.help(), Some("the run has none: Trainer::metric(\"auc\", ..) adds it"));
    let best = BestCheckpoints::new(CheckpointFolder::new(folder.path().join("best"))).metric("auc");
    let with = trainer().metric("r2", metrics::r2).metric("mae", metrics::mae);
    let e = fit(with.callback(best)).unwrap_err();
    assert_eq!(e.message(), "BestCheckpoints: there is no metric `auc`");
    assert_eq!(e.help(), Some("the run has `r2`, `mae`"));
    for trainer in [
        trainer().callback(Histograms::every(0)),
        trainer().callback(TensorBoard::new(folder.path())?.every(0)),
        trainer().callback(TensorBoard::new(folder.path())?.histograms(0)),
    ] {
        assert_eq!(fit(trainer).unwrap_err().message(), "fit: an interval of steps is 0, expected at least 1");
    }
    let log = EventWriter::create(folder.path())?;
    assert_eq!(
        log.scalar("", 1, 1.0).unwrap_err().message(),
        "EventWriter: an empty tag, expected a name such as `loss/train`"
    );
    assert_eq!(
        log.scalar("a", 1 << 63, 1.0).unwrap_err().message(),
        "EventWriter: the step 9223372036854775808, expected less than 2^63"
    );
    assert_eq!(
        log.image("a", 1, &tensor![1.0]).unwrap_err().message(),
        "EventWriter: a picture of shape [1] and type f32, expected [1 or 3, height, width] of f32"
    );
    assert_eq!(read_events(log.path())?.len(), 1);
    let e = Histogram::with_bins(&tensor![1.0], 0).unwrap_err();
    assert_eq!(e.message(), "histogram: 0 bins, expected 1 to 1048576");
    Ok(())
}

/// Whatever is done to a file of events, reading it is a result, and nothing is taken for true that is not.
#[test]
fn damaged_event_files_are_errors_or_end_early() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let log = EventWriter::create(folder.path())?;
    log.scalar("a", 1, 1.0)?;
    log.histogram("h", 2, &Histogram::with_bins(&tensor![1.0, 2.0], 2)?)?;
    log.text("t", 3, "text")?;
    let whole = read_events(log.path())?;
    let bytes = std::fs::read(log.path()).unwrap();
    let path = folder.path().join("damaged");
    for len in 0..bytes.len() {
        std::fs::write(&path, &bytes[..len]).unwrap();
        let read = read_events(&path)?;
        assert!(read.len() < whole.len() && read[..] == whole[..read.len()]);
    }
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read_events(&path).unwrap_err().kind(), ErrorKind::Format, "byte {at}");
    }
    std::fs::write(&path, "some text that is longer than a head").unwrap();
    let e = read_events(&path).unwrap_err();
    assert_eq!(
        e.message(),
        format!("events: {}: the record at byte 0 has another size than its checksum says", path.display())
    );
    assert_eq!(e.help(), Some("event files begin with `events.out.tfevents` in their names"));
    assert!(read_events(folder.path()).is_err());
    Ok(())
}

/// A loop by hand that was killed in the middle of an epoch goes on where it was.
#[test]
fn a_loop_by_hand_goes_on_in_the_middle_of_an_epoch() -> Result<()> {
    let (data, folder) = (data()?, tempfile::tempdir().unwrap());
    /// Trains to the end, or to the kill.
    fn train(
        data: &TensorDataset,
        folder: &CheckpointFolder,
        seed: u64,
        killed: Option<u64>,
    ) -> Result<(Vec<Vec<f32>>, Vec<f64>, u64)> {
        let (mut model, mut opt, mut rng) = (model()?, Adam::new(0.05), Rng::seed(seed));
        let mut run = Callbacks::new()
            .epochs(3)
            .with(EarlyStopping::new(100))
            .with(demotic::train::Checkpoints::new(folder.clone()).every(1));
        if let Some(latest) = folder.latest()? {
            run.resume(latest, &mut model, &mut opt, &mut rng)?;
        }
        run.fit_begin(&mut model, &mut opt)?;
        while run.epoch_begin(&mut model, &mut opt)? {
            let (mut order, used) = run.order(&mut rng);
            for batch in data.batches(10).shuffle(&mut order).skip(used) {
                let (x, y) = batch?;
                let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
                opt.step(&mut model, &loss.backward()?)?;
                run.step(&mut model, &mut opt, loss.item()?, x.size(0)?)?;
                assert!(run.step_end(&mut model, &mut opt, &rng)?);
                if killed == Some(run.steps()) {
                    return Ok(Default::default());
                }
            }
            run.epoch_end(&mut model, &mut opt, &rng, None)?;
        }
        let history = run.fit_end(&mut model, &mut opt)?;
        Ok((weights(&model), history.train_losses(), rng.next_u64()))
    }
    let whole = train(&data, &CheckpointFolder::new(folder.path().join("whole")), 3, None)?;
    for at in 1..=12 {
        let folder = CheckpointFolder::new(folder.path().join(at.to_string()));
        train(&data, &folder, 3, Some(at))?;
        assert_eq!(train(&data, &folder, 99, None)?, whole, "killed after step {at}");
    }
    // What it has saved, a Trainer reads as well, and the other way round.
    let folder = CheckpointFolder::new(folder.path().join("5"));
    let saved = Checkpoint::load(folder.path().join("step-000000005.ckpt"))?;
    assert_eq!((saved.get_counter("trainer.step")?, saved.get_counter("trainer.batch")?), (5, 1));
    // One that is asked to end says so.
    let stop = demotic::train::StopHandle::new();
    stop.stop();
    let (mut model, mut opt) = (model()?, Adam::new(0.05));
    let mut run = Callbacks::new().stop_handle(stop);
    assert!(!run.step_end(&mut model, &mut opt, &Rng::seed(0))?);
    Ok(())
}

#[test]
fn other_data_than_those_of_a_checkpoint_are_refused() -> Result<()> {
    let (data, folder) = (data()?, tempfile::tempdir().unwrap());
    let checkpoints = CheckpointFolder::new(folder.path()).keep(1);
    let trainer = || Trainer::new(losses::mse, Sgd::new(0.01)).batch_size(10).epochs(2);
    trainer().epochs(1).checkpoints(checkpoints.clone()).fit(&mut model()?, &data, &mut Rng::seed(3))?;
    let latest = checkpoints.latest()?.unwrap();
    let resume = |data: &TensorDataset| trainer().resume(&latest).fit(&mut model()?, data, &mut Rng::seed(3));
    resume(&data)?;
    // As other processors round.
    resume(&TensorDataset::new(data.x().mul_scalar(1.0 + 1e-6), data.y().clone())?)?;
    let others = [
        TensorDataset::new(data.x().add_scalar(1.0), data.y().clone())?,
        TensorDataset::new(data.x().clone(), data.y().mul_scalar(100.0))?,
        TensorDataset::new(data.x().flip(&[0])?, data.y().flip(&[0])?)?,
    ];
    for other in &others {
        let e = resume(other).unwrap_err();
        let message = "saved with other data: samples of the same numbers have other values now";
        assert_eq!(e.message(), format!("resume: {}: {message}", latest.display()));
        let help = "a run goes on with the data and options that it began with, apart from epochs and max_steps";
        assert_eq!(e.help(), Some(help));
    }
    Ok(())
}

#[test]
fn a_metric_that_is_undefined_on_the_data_is_said() -> Result<()> {
    let data = data()?;
    let share = |_: &Tensor, _: &Tensor| Ok(f64::NAN);
    let mut trainer = Trainer::new(losses::mse, Sgd::new(0.01)).metric("share", share);
    let e = trainer.fit(&mut model()?, &data, &mut Rng::seed(3)).unwrap_err();
    assert!(e.message().starts_with("evaluate: the metric `share` is NaN, though the loss is "), "{e}");
    let help =
        "it is undefined on these data, or divides by something that is 0 in them: take more data, or another metric";
    assert_eq!(e.help(), Some(help));
    Ok(())
}
