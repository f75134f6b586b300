//! The training loop and its parts.

use std::ops::ControlFlow;

use demotic::prelude::*;
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
            let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
            opt.step(&mut model, &loss.backward()?)?;
        }
    }
    assert_eq!(model.weight.value()?.to_vec::<f32>()?, trained.weight.value()?.to_vec::<f32>()?);
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
        .after_epoch(|epoch, _model| {
            Ok(if epoch.epoch == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
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
    let far = TensorDataset::new(Tensor::full([4, 2], 1e30)?, Tensor::zeros([4, 1])?)?;
    let e = fails(trainer(), &far);
    assert_eq!(e.message(), "fit: the loss became inf in batch 1 of epoch 1");
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
    let (before, snapshot) = (model.weight.value()?.to_vec::<f32>()?, Snapshot::of(&model));
    let grads = model.forward(&tensor![[1.0, 1.0]], &mut Mode::eval())?.sum().backward()?;
    Sgd::new(1.0).step(&mut model, &grads)?;
    assert_ne!(model.weight.value()?.to_vec::<f32>()?, before);
    snapshot.restore(&mut model)?;
    assert_eq!(model.weight.value()?.to_vec::<f32>()?, before);

    // A model that has more, less, other names or other shapes stays as it is, from its first parameter to its last.
    let misfits: Vec<(Box<dyn Module>, &str)> = vec![
        (
            Box::new(Linear::new(3, 1, &mut rng)?),
            "1 misshapen (weight: [1, 2] f32 in the file, [1, 3] f32 in the model)",
        ),
        (Box::new(Linear::new(2, 1, &mut rng)?.without_bias()), "1 unexpected (bias)"),
        (Box::new(Swapped::new(&mut rng)?), "1 missing (extra)"),
        (
            Box::new(sequential![model.clone(), model.clone()]),
            "4 missing (0.weight, 0.bias, 1.weight, 1.bias), 2 unexpected (bias, weight)",
        ),
    ];
    for (mut other, misfit) in misfits {
        let values =
            |m: &dyn Module| m.named_parameters().iter().map(|(_, v)| v.to_vec::<f32>()).collect::<Result<Vec<_>>>();
        let before = values(&*other)?;
        let e = snapshot.restore(&mut *other).unwrap_err();
        assert_eq!(e.message(), format!("restore: the snapshot does not fit the model: {misfit}"));
        assert_eq!(e.help(), Some("a snapshot belongs to the model that it was taken of, or to a clone"));
        assert_eq!(values(&*other)?, before);
    }
    // The order of fields does not matter, their names do.
    let mut swapped = Snapshot::of(&Swapped::new(&mut rng)?);
    let (mut a, b) = (Swapped::new(&mut rng)?, Swapped::new(&mut rng)?);
    swapped.restore(&mut a)?;
    swapped = Snapshot::of(&b);
    swapped.restore(&mut a)?;
    assert_eq!(a.weight.value().to_vec::<f32>()?, b.weight.value().to_vec::<f32>()?);
    Ok(())
}

/// The parameters of a `Linear::new(2, 1)` in another order, and one more.
struct Swapped {
    bias: Param,
    weight: Param,
    extra: Param,
}
demotic::module!(Swapped { bias, weight, extra });

impl Swapped {
    fn new(rng: &mut Rng) -> Result<Self> {
        let mut param = |shape: &[usize]| Param::new(Tensor::normal(shape, 0.0, 1.0, rng)?);
        Ok(Self { bias: param(&[1])?, weight: param(&[1, 2])?, extra: param(&[3])? })
    }
}

/// Whatever goes wrong in a part of the Trainer is reported at the line where the Trainer was called, with the part's name.
#[test]
fn errors_in_the_parts_of_a_trainer_point_to_its_call() -> Result<()> {
    use demotic::optimizers::schedule::Curve;
    use demotic::regularizers::L2;
    let mut rng = Rng::seed(1);
    let data = line(&mut rng)?;
    let wide = TensorDataset::new(data.x().clone(), Tensor::zeros([50, 3])?)?;
    let mut model = Linear::new(2, 1, &mut rng)?;
    let at = |line: u32, place: &str, e: Error| {
        let text = e.to_string();
        let expected = format!("\n  in {place}, at {}:{line}", file!());
        assert!(text.contains(&expected), "{text}\nshould contain {expected}");
        assert_eq!(e.caller(), Some(place));
    };
    // Every way to say what the loss is.
    let of_losses: Vec<Box<dyn Fn() -> Trainer<'static>>> = vec![
        Box::new(|| Trainer::new(losses::mse, Adam::new(0.1))),
        Box::new(|| Trainer::new(losses::mae, Adam::new(0.1))),
        Box::new(|| Trainer::new(losses::bce_with_logits, Adam::new(0.1))),
        Box::new(|| Trainer::new(losses::cross_entropy, Adam::new(0.1))),
        Box::new(|| Trainer::new(losses::token_cross_entropy, Adam::new(0.1))),
        Box::new(|| Trainer::new(losses::Mae::new(), Adam::new(0.1))),
        Box::new(|| Trainer::new(losses::CrossEntropy::new().classes_last(), Adam::new(0.1))),
        Box::new(|| Trainer::new(|p: &Tensor, y: &Tensor| losses::mse(p, y), Adam::new(0.1))),
        Box::new(|| Trainer::new(|p: &Tensor, y: &Tensor| Ok((p - y)?.square()), Adam::new(0.1))),
    ];
    for trainer in of_losses {
        let e = trainer().fit(&mut model, &wide, &mut rng).unwrap_err();
        at(line!() - 1, "the loss of the Trainer", e);
        let e = trainer().evaluate(&model, &wide).unwrap_err();
        at(line!() - 1, "the loss of the Trainer", e);
    }
    // A loss that is of the right shape and has no gradient.
    let mut trainer = Trainer::new(|p: &Tensor, y: &Tensor| losses::mse(&p.detach(), y), Adam::new(0.1));
    let e = trainer.fit(&mut model, &data, &mut rng).unwrap_err();
    at(line!() - 1, "the loss of the Trainer", e);

    let trainer = || Trainer::new(losses::mse, Adam::new(0.1));
    // Functions by name, batch by batch or not, and closures; at the end of an epoch, and on their own.
    let of_metrics: Vec<Box<dyn Fn() -> Trainer<'static>>> = vec![
        Box::new(move || trainer().metric("ours", metrics::perplexity)),
        Box::new(move || trainer().metric("ours", |p, y| metrics::rmse(p, &y.reshape([50])?))),
        Box::new(move || trainer().metric("ours", |_, _| metrics::bits_per_character(1.0, 1, 0))),
        Box::new(move || trainer().running_metric("ours", demotic::train::running::RunningPerplexity::default())),
    ];
    for trainer in of_metrics {
        let place = "the metric `ours` of the Trainer";
        let e = trainer().fit(&mut model, &data, &mut rng).unwrap_err();
        at(line!() - 1, place, e);
        let e = trainer().evaluate(&model, &data).unwrap_err();
        at(line!() - 1, place, e);
    }

    let e = trainer().penalty(L2::new(-1.0)).fit(&mut model, &data, &mut rng).unwrap_err();
    at(line!() - 1, "a penalty of the Trainer", e);
    let e =
        trainer().constraint(demotic::regularizers::MaxNorm::new(-1.0)).fit(&mut model, &data, &mut rng).unwrap_err();
    at(line!() - 1, "a constraint of the Trainer", e);
    let e = trainer().schedule(Curve::cosine(f64::NAN, 15)).fit(&mut model, &data, &mut rng).unwrap_err();
    at(line!() - 1, "the schedule of the Trainer", e);
    let e = Trainer::new(losses::mse, Sgd::new(-1.0)).fit(&mut model, &data, &mut rng).unwrap_err();
    at(line!() - 1, "the optimizer of the Trainer", e);
    let e = trainer().fit(&mut model, &Refusing, &mut rng).unwrap_err();
    at(line!() - 1, "the training data of the Trainer", e);
    let e = trainer().evaluate(&model, &Refusing).unwrap_err();
    at(line!() - 1, "the data of an evaluation", e);
    let e = demotic::train::predict(&model, &Refusing).unwrap_err();
    at(line!() - 1, "the data of a prediction", e);

    // Of the words as well.
    let e = trainer().fit(&mut model, &wide, &mut rng).unwrap_err();
    assert_eq!(
        e.to_string(),
        format!(
            "mse: the prediction has shape [32, 1], the target [32, 3]\n  in the loss of the Trainer, at {}:{}\n  help: the last \
             layer needs an output for each target: 3, not 1",
            file!(),
            line!() - 7
        )
    );
    Ok(())
}

/// A dataset whose file was deleted, say.
struct Refusing;

impl Dataset for Refusing {
    type Batch = (Tensor, Tensor);
    fn len(&self) -> usize {
        3
    }
    fn batch(&self, _: &[usize], _: &mut Rng) -> Result<(Tensor, Tensor)> {
        Err(Error::state("batch", "the disk is gone"))
    }
}

#[test]
fn targets_of_another_task_name_the_preprocessor_that_makes_the_right_ones() -> Result<()> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([6, 2], 0.0, 1.0, &mut rng)?;
    let mut model = Linear::new(2, 3, &mut rng)?;
    let classes = Tensor::from_nested([0i64, 1, 2, 0, 1, 2])?;
    let class_numbers = "Preprocessor::classification(target) makes class numbers of a table's target";
    let mut fails = |mut trainer: Trainer, y: &Tensor| -> Result<Error> {
        let data = TensorDataset::new(x.clone(), y.clone())?;
        Ok(trainer.fit(&mut model, &data, &mut rng).unwrap_err())
    };
    let trainer = || Trainer::new(losses::cross_entropy, Adam::new(0.1));
    for y in [classes.to_dtype(DType::F32), classes.to_dtype(DType::F32).reshape([6, 1])?, Tensor::zeros([6, 2])?] {
        let e = fails(trainer(), &y)?;
        assert!(e.help().is_some_and(|help| help.ends_with(class_numbers)), "{e}");
    }
    let e = fails(trainer(), &(&classes + 1))?;
    assert_eq!(e.message().split(',').nth(1), Some(" the logits have 3 classes (0 ..= 2)"));
    let outputs = "the model needs an output for each class; those of a Preprocessor::classification are its classes()";
    assert_eq!(e.help(), Some(outputs));
    for trainer in [
        Trainer::new(losses::mse, Adam::new(0.1)),
        Trainer::new(losses::Huber::new(1.0)?, Adam::new(0.1)),
        Trainer::new(losses::bce_with_logits, Adam::new(0.1)),
    ] {
        let e = fails(trainer, &classes)?;
        let op = e.op().to_string();
        let advice = format!(
            "class numbers, as Preprocessor::classification makes them, go with cross_entropy; {op} takes numbers, as \
             Preprocessor::regression makes them"
        );
        assert!(e.help().is_some_and(|help| help.ends_with(&advice)), "{e}");
    }
    let e = fails(Trainer::new(losses::cross_entropy, Adam::new(0.1)).metric("rmse", metrics::rmse), &classes)?;
    assert_eq!(e.caller(), Some("the metric `rmse` of the Trainer"));
    assert!(e.help().is_some_and(|help| help.contains("Preprocessor::classification")), "{e}");
    Ok(())
}

/// A value that is no number, somewhere in the data, is named by its row and column and by nothing else.
#[test]
fn values_that_are_no_numbers_are_named_by_row_and_column() -> Result<()> {
    let mut rng = Rng::seed(1);
    let shapes: [(&[usize], bool); 4] = [(&[23, 3], false), (&[23, 1], false), (&[23, 1], true), (&[23, 2, 3], false)];
    for (round, value) in (0..24).zip([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().cycle()) {
        let (shape, in_target) = shapes[round % 4];
        let numel: usize = shape.iter().product();
        let at = (rng.next_u64() % numel as u64) as usize;
        let width = numel / 23;
        let mut bad = Tensor::normal(shape, 0.0, 1.0, &mut rng)?.to_vec::<f32>()?;
        bad[at] = value as f32;
        let bad = Tensor::from_vec(bad, shape)?;
        let (row, rest) = (at / width, at % width);
        let column = match shape.len() {
            3 => format!(", at [{}, {}]", rest / 3, rest % 3),
            _ if shape[1] == 1 => String::new(),
            _ => format!(", column {rest}"),
        };
        let (x, y) = if in_target { (Tensor::zeros([23, 1])?, bad) } else { (bad, Tensor::zeros([23, 1])?) };
        let what = if in_target { "targets" } else { "inputs" };
        let found = format!("the {what} are {value} in row {row}{column} of the data (counted from 0)");
        let help = "leave out such rows or fill the gaps; Preprocessor fills those of a table";
        let data = TensorDataset::new(x, y)?;
        let mut model = sequential![Flatten::new(), Linear::new(width.max(1), 1, &mut rng)?];
        for (batch, accumulate) in [(4, 1), (3, 2), (23, 1), (64, 3)] {
            let mut trainer = Trainer::new(losses::mse, Sgd::new(0.0)).batch_size(batch).accumulate(accumulate);
            let e = trainer.fit(&mut model, &data, &mut rng).unwrap_err();
            let message = e.message();
            assert!(message.starts_with("fit: the loss became ") && message.ends_with(&found), "{message} / {found}");
            assert_eq!(e.help(), Some(help));
            let e = trainer.evaluate(&model, &data).unwrap_err();
            assert!(e.message().starts_with("evaluate: the loss is ") && e.message().ends_with(&found), "{e}");
            assert_eq!(e.help(), Some(help));
        }
    }
    // An infinity may leave the loss finite and make the gradient NaN.
    let data = TensorDataset::new(tensor![[1.0], [f32::INFINITY]], tensor![[0.0], [1.0]])?;
    let mut model = sequential![Linear::new(1, 1, &mut rng)?, Tanh];
    let e = Trainer::new(losses::mse, Sgd::new(0.1)).fit(&mut model, &data, &mut rng).unwrap_err();
    let found = "Sgd: the gradient of `0.weight` has NaN or infinite values: the inputs are inf in row 1 of the data";
    assert_eq!(e.message(), format!("fit: {found} (counted from 0)"));
    Ok(())
}

/// What a metric says does not depend on the batch size, and no more than a batch goes through the model at once.
#[test]
fn metrics_batch_by_batch_are_those_of_everything_at_once() -> Result<()> {
    use demotic::train::running::{self, Metric};
    let mut rng = Rng::seed(5);
    let numbers = TensorDataset::new(
        Tensor::normal([101, 4], 0.0, 1.0, &mut rng)?,
        (Tensor::normal([101, 3], 0.0, 1.0, &mut rng)? * 3.0) + 1e4,
    )?;
    let ids: Vec<i64> = (0..101).map(|i| if i % 9 == 4 { -100 } else { i * i % 3 }).collect();
    let all: Vec<i64> = (0..101).map(|i| i * i % 3).collect();
    let tokens = TensorDataset::new(numbers.x().clone(), Tensor::from_vec(ids, [101])?)?;
    let classes = TensorDataset::new(numbers.x().clone(), Tensor::from_vec(all, [101])?)?;
    // Whole numbers that are no classes: here -100 is a number like others.
    let degrees: Vec<i64> = (0..303).map(|i| if i % 4 == 1 { -100 } else { i % 7 }).collect();
    let degrees = TensorDataset::new(numbers.x().clone(), Tensor::from_vec(degrees, [101, 3])?)?;
    type Function = fn(&Tensor, &Tensor) -> Result<f64>;
    // By name, as a function of everything, and as a struct.
    macro_rules! case {
        ($data:ident, $function:ident, $Struct:ident) => {
            (
                &$data,
                stringify!($function),
                metrics::$function as Function,
                Trainer::new(losses::mse, Adam::new(0.1)).metric("m", metrics::$function),
                Box::new(running::$Struct::default()) as Box<dyn Metric>,
            )
        };
    }
    let cases = [
        case!(numbers, mse, RunningMse),
        case!(numbers, rmse, RunningRmse),
        case!(numbers, mae, RunningMae),
        case!(numbers, r2, RunningR2),
        case!(degrees, mse, RunningMse),
        case!(degrees, rmse, RunningRmse),
        case!(degrees, mae, RunningMae),
        case!(degrees, r2, RunningR2),
        case!(classes, accuracy, RunningAccuracy),
        case!(classes, f1, RunningF1),
        case!(tokens, perplexity, RunningPerplexity),
    ];
    let model = Linear::new(4, 3, &mut rng)?;
    for (data, name, function, _, streaming) in cases {
        let (prediction, target) = demotic::train::predict(&model, data)?;
        let want = function(&prediction, &target)?;
        for size in [1, 2, 7, 50, 101, 1000] {
            let mut running = streaming.fresh();
            for batch in data.batches(size) {
                let (x, y) = batch?;
                running.update(&model.predict(&x)?, &y)?;
            }
            let got = running.value()?;
            assert!(
                (got - want).abs() <= 1e-6 * want.abs().max(1e-3),
                "{name} in batches of {size}: {got}, not {want}"
            );
        }
        assert!(streaming.value().is_err(), "{name} of nothing");
    }

    // In a Trainer: the same, and in its batches.
    let widest = std::sync::Arc::new(std::sync::Mutex::new(0));
    let watched = Watched(model, widest.clone());
    let (prediction, target) = demotic::train::predict(&watched, &numbers)?;
    *widest.lock().unwrap() = 0;
    let trainer = Trainer::new(losses::mse, Adam::new(0.1))
        .batch_size(8)
        .metric("r2", metrics::r2)
        .metric("worst", |p, y| (p - y)?.abs().max()?.item())
        .running_metric("mae", running::RunningMae::default());
    let evaluation = trainer.evaluate(&watched, &numbers)?;
    let want = [
        ("r2", metrics::r2(&prediction, &target)?),
        ("worst", (&prediction - &target)?.abs().max()?.item()?),
        ("mae", metrics::mae(&prediction, &target)?),
    ];
    for ((name, value), (expected, want)) in evaluation.metrics.iter().zip(want) {
        assert_eq!(name, expected);
        assert!((value - want).abs() <= 1e-6 * want.abs(), "{name}: {value}, not {want}");
    }
    assert!((evaluation.loss / metrics::mse(&prediction, &target)? - 1.0).abs() < 1e-6);
    assert_eq!(trainer.predict(&watched, &numbers)?.0.to_vec::<f32>()?, prediction.to_vec::<f32>()?);
    assert_eq!(*widest.lock().unwrap(), 8);
    let text = evaluation.to_string();
    assert_eq!(
        text.split(", ").map(|part| part.split(' ').next().unwrap()).collect::<Vec<_>>(),
        ["loss", "r2", "worst", "mae"]
    );
    // Tiny and huge numbers say something too.
    let constant =
        Trainer::new(losses::mse, Adam::new(0.1)).metric("tiny", |_, _| Ok(2.5e-7)).metric("huge", |_, _| Ok(-3e12));
    let text = constant.evaluate(&watched, &numbers)?.to_string();
    assert!(text.ends_with(", tiny 2.500e-7, huge -3.000e12"), "{text}");
    Ok(())
}

/// A layer that notes the largest batch that it has seen.
#[derive(Clone)]
struct Watched(Linear, std::sync::Arc<std::sync::Mutex<usize>>);

impl Module for Watched {
    fn visit(&self, visitor: &mut demotic::layers::Visitor<'_>) {
        self.0.visit(visitor);
    }
    fn visit_mut(&mut self, visitor: &mut demotic::layers::VisitorMut<'_>) {
        self.0.visit_mut(visitor);
    }
}

impl Layer for Watched {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let mut widest = self.1.lock().unwrap();
        *widest = x.shape()[0].max(*widest);
        self.0.forward(x, mode)
    }
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
        let difference = whole.weight.value()?.sub(&parts.weight.value()?)?.abs().max()?.item()?;
        assert!(difference < 1e-6 && (loss - parts_loss).abs() < 1e-6, "{batch} × {accumulate}: {difference}");
    }
    // Not every step sees everything.
    let (other, _) = train(10, 2)?;
    assert!(whole.weight.value()?.sub(&other.weight.value()?)?.abs().max()?.item()? > 1e-3);
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
