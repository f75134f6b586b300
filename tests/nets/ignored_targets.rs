//! Targets that do not count: what losses make of them, and what they do to averages and steps.

use demotic::autograd::{GradOptions, grad};
use demotic::losses::{self, Bce, BceWithLogits, CrossEntropy, CrossEntropyFromProbabilities, Huber, Loss, Mae, Mse};
use demotic::prelude::*;

const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::None];

fn zeros_only(x: &Tensor) -> bool {
    x.to_f64_vec().iter().all(|x| *x == 0.0)
}

/// Every way in which nothing in a batch counts: a name, the loss, logits, targets.
fn nothing_counts(dtype: DType) -> Result<Vec<(String, CrossEntropy, Tensor, Tensor)>> {
    let mut rng = Rng::seed(3);
    let no_weight = Tensor::full_dtype([4], 0.0, dtype)?;
    let half = Tensor::from_nested([0.0, 1.0, 0.0, 2.0])?.to_dtype(dtype);
    let mut cases = Vec::new();
    for shape in [&[3, 4][..], &[2, 4, 5], &[2, 4, 3, 2]] {
        let logits = Tensor::normal(shape, 0.0, 3.0, &mut rng)?.to_dtype(dtype);
        let mut rest = shape.to_vec();
        rest.remove(1);
        let of = |class: i64| Tensor::full_dtype(&rest[..], class as f64, DType::I64);
        for smoothing in [0.0, 0.2] {
            let loss = || CrossEntropy::new().label_smoothing(smoothing);
            let plain = [
                ("-100", loss()?, of(-100)?),
                ("padding", loss()?.ignore_index(2), of(2)?),
                ("no weights", loss()?.weight(&no_weight), of(1)?),
                ("a class without weight", loss()?.weight(&half), of(2)?),
                ("both", loss()?.weight(&half).ignore_index(3), of(3)?),
            ];
            for (name, loss, target) in plain {
                cases.push((format!("{name} {shape:?} {smoothing}"), loss.clone(), logits.clone(), target.clone()));
                let last = logits.movedim(1, -1)?;
                cases.push((format!("{name} {shape:?} {smoothing} last"), loss.classes_last(), last, target));
            }
        }
    }
    Ok(cases)
}

/// The value is PyTorch's, NaN for a mean; the gradients are zero, in first and second order.
#[test]
fn a_batch_in_which_nothing_counts_has_no_gradient() -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        for (name, loss, logits, target) in nothing_counts(dtype)? {
            for reduction in REDUCTIONS {
                // With smoothing, the classes that have a weight count a little even for a target of weight 0.
                if reduction != Reduction::Mean && name.contains("0.2") && name.contains("without weight") {
                    continue;
                }
                let loss = loss.clone().reduction(reduction);
                let x = logits.tracked()?;
                let value = loss.loss(&x, &target)?;
                match reduction {
                    Reduction::Mean => assert!(value.item()?.is_nan(), "{name}"),
                    _ => assert!(zeros_only(&value), "{name} {reduction:?}"),
                }
                assert_eq!(loss.count(&target), 0.0, "{name} {reduction:?}");
                let first = value.sum().backward_retain()?;
                assert!(zeros_only(first.wrt(&x)?), "{name} {reduction:?}");
                let options = GradOptions::new().create_graph(true);
                let slope = grad(&[&loss.loss(&x, &target)?.sum()], &[&x], options)?;
                assert!(zeros_only(&slope[0]), "{name} {reduction:?}: second order");
            }
        }
    }
    Ok(())
}

/// A step by hand on such a batch leaves the parameters as they are.
#[test]
fn a_step_by_hand_changes_nothing() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = Linear::new(3, 4, &mut rng)?;
    let before = model.weight.value()?.to_vec::<f32>()?;
    let x = Tensor::normal([5, 3], 0.0, 1.0, &mut rng)?;
    let y = Tensor::full_dtype([5], -100.0, DType::I64)?;
    let grads = losses::cross_entropy(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?.backward()?;
    Sgd::new(0.5).step(&mut model, &grads)?;
    assert_eq!(model.weight.value()?.to_vec::<f32>()?, before);
    Ok(())
}

/// The mean of a batch times its count is, up to one factor for all batches, the sum of its losses.
#[test]
fn counts_are_what_means_are_divided_by() -> Result<()> {
    let mut rng = Rng::seed(7);
    let weights = tensor![0.5, 0.0, 2.0, 1.5];
    let classes = |n: usize, rng: &mut Rng| -> Result<Tensor> {
        let drawn = Tensor::uniform([n], 0.0, 5.0, rng)?.to_vec::<f32>()?;
        Tensor::from_vec(drawn.into_iter().map(|c| if c >= 4.0 { -100 } else { c as i64 }).collect::<Vec<_>>(), [n])
    };
    let sizes = [(3, 5), (1, 2), (4, 1), (6, 7)];
    type Make = Box<dyn Fn(Reduction) -> Box<dyn Loss>>;
    // Of class numbers for logits [batch, time, 4], of probabilities, of numbers.
    let cases: Vec<(&str, &str, Make)> = vec![
        ("classes", "plain", Box::new(|r| Box::new(CrossEntropy::new().classes_last().reduction(r)))),
        (
            "classes",
            "weighted",
            Box::new(move |r| Box::new(CrossEntropy::new().classes_last().weight(&weights).reduction(r))),
        ),
        (
            "classes",
            "ignoring 2",
            Box::new(|r| Box::new(CrossEntropy::new().classes_last().ignore_index(2).reduction(r))),
        ),
        ("probabilities", "logits", Box::new(|r| Box::new(CrossEntropy::new().classes_last().reduction(r)))),
        ("probabilities", "dim 1", Box::new(|r| Box::new(CrossEntropy::new().reduction(r)))),
        ("probabilities", "likelihood", Box::new(|r| Box::new(CrossEntropyFromProbabilities::new().reduction(r)))),
        ("numbers", "mse", Box::new(|r| Box::new(Mse::new().reduction(r)))),
        ("numbers", "mae", Box::new(|r| Box::new(Mae::new().reduction(r)))),
        ("numbers", "huber", Box::new(|r| Box::new(Huber::new(0.3).unwrap().reduction(r)))),
        ("numbers", "bce", Box::new(|r| Box::new(Bce::new().weight(&tensor![0.0]).reduction(r)))),
        ("numbers", "bce_with_logits", Box::new(|r| Box::new(BceWithLogits::new().reduction(r)))),
    ];
    for (kind, name, make) in cases {
        let mut factors = Vec::new();
        for (batch, time) in sizes {
            let logits = Tensor::normal([batch, time, 4], 0.0, 1.0, &mut rng)?;
            let probabilities = logits.softmax(-1)?;
            let (x, y) = match kind {
                "classes" => {
                    let classes = classes(batch * time, &mut rng)?;
                    (
                        logits,
                        if name == "ignoring 2" { classes.clamp_min(0.0) } else { classes }.reshape([batch, time])?,
                    )
                }
                "probabilities" if name == "logits" => (logits, probabilities),
                // The classes are the dimension of the time: of the same number in each batch.
                "probabilities" if name == "dim 1" => (logits.movedim(-1, 1)?, probabilities.movedim(-1, 1)?),
                _ => (probabilities.clone(), probabilities.flip(&[0])?.clone()),
            };
            let mean = make(Reduction::Mean);
            let (value, sum) = (mean.loss(&x, &y)?.item()?, make(Reduction::Sum).loss(&x, &y)?.item()?);
            let count = mean.count(&y);
            if count == 0.0 {
                assert!(value.is_nan() && sum == 0.0, "{kind} {name}");
                continue;
            }
            assert_eq!(make(Reduction::Sum).count(&y), 1.0, "{kind} {name}");
            assert!((sum - value * count).abs() <= 1e-4 * sum.abs(), "{kind} {name} {sum} {value} {count}");
            factors.push(count);
        }
        assert!(factors.len() >= 3, "{kind} {name}");
    }
    Ok(())
}

/// Sixty examples of which two in three do not count, so that with batches of one or two there are many in which nothing does.
fn examples(ignored: i64) -> Result<TensorDataset> {
    let mut rng = Rng::seed(5);
    let x = Tensor::normal([60, 2], 0.0, 1.0, &mut rng)?;
    let classes: Vec<i64> = (0..60).map(|i| if i % 3 == 0 { i / 3 % 2 } else { ignored }).collect();
    TensorDataset::new(x, Tensor::from_vec(classes, [60])?)
}

/// Averages over such batches are those over everything at once, for every kind of loss that a trainer takes.
#[test]
fn averages_leave_out_batches_in_which_nothing_counts() -> Result<()> {
    type Make = Box<dyn Fn() -> Box<dyn Loss>>;
    let cases: Vec<(i64, Make)> = vec![
        (-100, Box::new(|| Box::new(CrossEntropy::new()))),
        (-100, Box::new(|| Box::new(losses::cross_entropy))),
        (-100, Box::new(|| Box::new(losses::token_cross_entropy))),
        (-100, Box::new(|| Box::new(losses::from_fn(|p, y| losses::cross_entropy(p, y))))),
        (2, Box::new(|| Box::new(CrossEntropy::new().ignore_index(2)))),
        (2, Box::new(|| Box::new(CrossEntropy::new().weight(&tensor![1.0, 3.0, 0.0])))),
        (-100, Box::new(|| Box::new(CrossEntropy::new().weight(&tensor![1.0, 3.0, 0.0])))),
    ];
    for (case, (ignored, make)) in cases.into_iter().enumerate() {
        let data = examples(ignored)?;
        let first = Linear::new(2, 3, &mut Rng::seed(1))?;
        let whole = make().loss(&first.predict(data.x())?, data.y())?.item()?;
        for (batch, accumulate) in [(1, 1), (2, 1), (1, 4), (2, 3), (60, 1)] {
            let mut model = first.clone();
            // A rate at which nothing moves.
            let mut trainer = Trainer::new(make(), Sgd::new(1e-30)).epochs(2).batch_size(batch).accumulate(accumulate);
            assert!((trainer.evaluate(&model, &data)?.loss - whole).abs() < 1e-6, "case {case}, batches of {batch}");
            let history = trainer.validation(&data).fit(&mut model, &data, &mut Rng::seed(2))?;
            for epoch in &history.epochs {
                assert!((epoch.train_loss - whole).abs() < 1e-6, "case {case}, {batch} × {accumulate}: {epoch}");
                assert!((epoch.validation_loss.unwrap() - whole).abs() < 1e-6, "case {case}");
            }
            if (batch, accumulate) == (1, 1) {
                assert_eq!(history.steps, 40, "case {case}: one for each of twenty that count, twice");
            }
            trainer = Trainer::new(make(), Adam::new(0.1)).epochs(3).batch_size(batch).accumulate(accumulate);
            let history = trainer.fit(&mut model, &data, &mut Rng::seed(2))?;
            assert!(history.epochs[2].train_loss.is_finite(), "case {case}");
            assert!(model.weight.value()?.to_vec::<f32>()?.iter().all(|w| w.is_finite()), "case {case}");
        }
    }
    Ok(())
}

/// Prompts are masked: a batch of a conversation whose answers were cut off has nothing to learn from.
#[test]
fn masked_prompts() -> Result<()> {
    #[derive(Clone)]
    struct Bigrams {
        table: Param,
    }
    module!(Bigrams { table });
    impl Layer for Bigrams {
        fn forward(&self, ids: &Tensor, _: &mut Mode) -> Result<Tensor> {
            let flat = self.table.index_select(0, &ids.reshape([ids.numel()])?)?;
            flat.reshape([ids.shape()[0], ids.shape()[1], self.table.shape()[1]])
        }
    }
    let ids = Tensor::from_vec((0..48i64).map(|i| i % 5).collect::<Vec<_>>(), [8, 6])?;
    let targets: Vec<i64> = (0..48).map(|i| if i < 30 { -100 } else { (i + 1) % 5 }).collect();
    let data = TensorDataset::new(ids, Tensor::from_vec(targets, [8, 6])?)?;
    let mut model = Bigrams { table: Param::new(Tensor::zeros([5, 5])?)? };
    let history = Trainer::new(losses::token_cross_entropy, Adam::new(0.3))
        .epochs(20)
        .batch_size(2)
        .validation(&data)
        .evaluate_every(3)
        .fit(&mut model, &data, &mut Rng::seed(0))?;
    assert!(history.last().unwrap().train_loss < 0.1, "{history}");
    assert!(history.evaluations.iter().all(|e| e.train_loss.is_finite() && e.validation_loss.unwrap().is_finite()));
    Ok(())
}

/// Sentences of different lengths, with probabilities as targets.
struct Soft;

impl Dataset for Soft {
    type Batch = (Tensor, Tensor);

    fn len(&self) -> usize {
        6
    }

    fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<Self::Batch> {
        let time = 1 + indices[0];
        let x = Tensor::normal([indices.len(), time, 2], 0.0, 1.0, &mut Rng::seed(indices[0] as u64))?;
        Ok((x.clone(), Tensor::cat(&[&x.abs(), &x.square()], -1)?.softmax(-1)?))
    }
}

#[test]
fn rows_of_probabilities_count_alike_in_batches_of_any_length() -> Result<()> {
    let model = Linear::new(2, 4, &mut Rng::seed(1))?;
    let trainer = Trainer::new(CrossEntropy::new().classes_last(), Sgd::new(0.1)).batch_size(2);
    let (mut total, mut rows) = (0.0, 0.0);
    for i in [0, 2, 4] {
        let (x, y) = Soft.batch(&[i, i + 1], &mut Rng::seed(0))?;
        let each = CrossEntropy::new().classes_last().reduction(Reduction::None).loss(&model.predict(&x)?, &y)?;
        total += each.sum().item()?;
        rows += each.numel() as f64;
    }
    assert!((trainer.evaluate(&model, &Soft)?.loss - total / rows).abs() < 1e-6);
    Ok(())
}

/// Nothing at all to learn from, or to measure by, is a mistake.
#[test]
fn data_in_which_nothing_counts() -> Result<()> {
    let data = TensorDataset::new(Tensor::zeros([4, 2])?, Tensor::full_dtype([4], -100.0, DType::I64)?)?;
    let mut model = Linear::new(2, 3, &mut Rng::seed(1))?;
    for (batch, accumulate) in [(1, 1), (4, 1), (1, 3)] {
        for limit in [None, Some(10)] {
            let mut trainer =
                Trainer::new(CrossEntropy::new(), Adam::new(0.1)).batch_size(batch).accumulate(accumulate);
            if let Some(steps) = limit {
                trainer = trainer.max_steps(steps);
            }
            let e = trainer.fit(&mut model, &data, &mut Rng::seed(0)).unwrap_err();
            assert_eq!(e.message(), "fit: no target counts in epoch 1");
            assert_eq!(e.help(), Some("look at the ignored class and the weights of classes"));
        }
    }
    for trainer in [
        Trainer::new(CrossEntropy::new(), Adam::new(0.1)),
        Trainer::new(losses::cross_entropy, Adam::new(0.1)).metric("accuracy", metrics::accuracy),
    ] {
        let e = trainer.evaluate(&model, &data).unwrap_err();
        assert_eq!(e.message(), "evaluate: no target counts, so that there is no mean loss");
    }
    // A class that does not exist is an error, not a target that does not count.
    let odd = TensorDataset::new(Tensor::zeros([4, 2])?, Tensor::full_dtype([4], 7.0, DType::I64)?)?;
    let e = Trainer::new(CrossEntropy::new().weight(&tensor![1.0, 1.0, 1.0]), Adam::new(0.1))
        .fit(&mut model, &odd, &mut Rng::seed(0))
        .unwrap_err();
    assert_eq!(e.message(), "cross_entropy: target 0 is class 7, the logits have 3 classes (0 ..= 2)");
    Ok(())
}

/// A boxed loss counts as what is in the box, and reports the caller's line.
#[test]
fn boxed_losses() -> Result<()> {
    let boxed: Box<dyn Loss> = Box::new(CrossEntropy::new().ignore_index(1));
    let twice: Box<dyn Loss> = Box::new(boxed);
    assert_eq!(twice.count(&Tensor::from_nested([0i64, 1, 1, -100])?), 2.0);
    let line = line!() + 1;
    let e = Loss::loss(&twice, &Tensor::zeros([2, 3])?, &Tensor::from_nested([0i64])?).unwrap_err();
    assert!(e.to_string().contains(&format!("tests/nets/ignored_targets.rs:{line}")), "{e}");
    type Function = dyn Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync;
    let function: Box<Function> = Box::new(losses::mse);
    assert_eq!(function.loss(&tensor![2.0], &tensor![0.0])?.item()?, 4.0);
    Ok(())
}

/// Numbers where classes belong, as after `Preprocessor::regression`.
#[test]
fn numbers_as_classes() -> Result<()> {
    let logits = Tensor::zeros([3, 2])?;
    let help =
        "Preprocessor::classification numbers the classes of a column; for numbers to be predicted use losses::mse";
    for y in [tensor![0.0, 0.35, 1.0], tensor![[0.0], [0.35], [1.0]], tensor![0.0, 0.35, 1.0].to_dtype(DType::F64)] {
        let e = losses::cross_entropy(&logits, &y).unwrap_err();
        assert!(e.message().starts_with("cross_entropy: target 1 is 0.3"), "{e}");
        assert!(e.message().ends_with(", expected class numbers (i64)"), "{e}");
        assert_eq!(e.help(), Some(help));
    }
    let e = losses::cross_entropy(&logits, &tensor![0.0, 1.0, f64::NAN]).unwrap_err();
    assert_eq!(e.message(), "cross_entropy: target 2 is NaN, expected class numbers (i64)");
    for dtype in [DType::F32, DType::F64, DType::U8, DType::Bool, DType::F16] {
        let e = losses::cross_entropy(&logits, &Tensor::full_dtype([3, 1], 1.0, dtype)?).unwrap_err();
        assert_eq!(e.message(), format!("cross_entropy: class numbers of type {dtype}, expected i64"));
        let help = e.help().unwrap();
        assert!(help.starts_with("convert them with to_dtype(DType::I64) and reshape them to [3]"), "{help}");
        assert_eq!(help.contains("tensor![..] is always f32"), dtype == DType::F32, "{help}");
    }
    Ok(())
}

/// Data without targets that count, whose third batch asks the run to end.
struct Endless {
    x: Tensor,
    asked: std::sync::atomic::AtomicUsize,
    stop: demotic::train::StopHandle,
}

impl Dataset for Endless {
    type Batch = (Tensor, Tensor);

    fn len(&self) -> usize {
        self.x.shape()[0]
    }

    fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<Self::Batch> {
        if self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 2 {
            self.stop.stop();
        }
        let x = self.x.narrow(0, 0, indices.len())?;
        Ok((x, Tensor::full_dtype([indices.len()], -100.0, DType::I64)?))
    }
}

/// A run can be ended while nothing counts, and not only after its next step.
#[test]
fn batches_that_are_passed_over_can_be_interrupted() -> Result<()> {
    let mut rng = Rng::seed(0);
    let stop = demotic::train::StopHandle::new();
    let data = Endless { x: Tensor::zeros([1000, 2])?, asked: 0.into(), stop: stop.clone() };
    let mut trainer = Trainer::new(losses::cross_entropy, Adam::new(0.1)).batch_size(2).epochs(3).stop_handle(stop);
    let history = trainer.fit(&mut Linear::new(2, 4, &mut rng)?, &data, &mut rng)?;
    assert_eq!((history.ended, history.steps), (demotic::train::Ended::Interrupted, 0));
    assert_eq!(data.asked.into_inner(), 3);
    Ok(())
}
