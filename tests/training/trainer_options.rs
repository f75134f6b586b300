//! Options of the Trainer: parts of the data, weights of samples, memory.

use demotic::data::WeightedDataset;
use demotic::io::CheckpointFolder;
use demotic::layers::IntoLayer;
use demotic::losses::{CrossEntropy, Mse};
use demotic::memory;
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;
use demotic::train::{TrainerOptions, Weighted};

fn data(n: usize) -> Result<TensorDataset> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([n, 3], 0.0, 1.0, &mut rng)?;
    let y = (x.sum_dims(&[1], true)? + Tensor::normal([n, 1], 0.0, 0.5, &mut rng)?)?;
    TensorDataset::new(x, y)
}

fn model() -> Result<Sequential> {
    let mut rng = Rng::seed(2);
    Ok(sequential![Linear::new(3, 8, &mut rng)?, Tanh, Linear::new(8, 1, &mut rng)?])
}

fn weights(model: &impl Module) -> Vec<Vec<f32>> {
    model.named_parameters().iter().map(|(_, value)| value.to_vec().unwrap()).collect()
}

fn trainer<'d>() -> Trainer<'d> {
    Trainer::new(losses::mse, Adam::new(0.01)).batch_size(10).epochs(3)
}

/// A share for validation is a part that is never trained on, and the same one every time.
#[test]
fn a_share_of_the_data_for_validation() -> Result<()> {
    let data = data(60)?;
    let mut split = model()?;
    let history = trainer().validation_split(0.25).fit(&mut split, &data, &mut Rng::seed(3))?;
    // The same parts by hand.
    let order = Rng::seed(0).permutation(60)?;
    let (mut kept, mut taken) = (order[..45].to_vec(), order[45..].to_vec());
    kept.sort_unstable();
    taken.sort_unstable();
    let (train, validation) = (data.rows(&kept)?, data.rows(&taken)?);
    let mut by_hand = model()?;
    let expected = trainer().validation(&validation).fit(&mut by_hand, &train, &mut Rng::seed(3))?;
    assert_eq!(weights(&split), weights(&by_hand));
    assert_eq!(history.validation_losses(), expected.validation_losses());
    assert_eq!(history.steps, 15);

    // Rows in errors are those of the data that the program has.
    for (row, rows) in [(kept[7], &kept), (taken[3], &taken)] {
        let mut x = data.x().to_vec::<f32>()?;
        x[row * 3 + 1] = f32::NAN;
        let bad = TensorDataset::new(Tensor::from_vec(x, [60, 3])?, data.y().clone())?;
        let e = trainer().validation_split(0.25).fit(&mut model()?, &bad, &mut Rng::seed(3)).unwrap_err();
        let found = format!("the inputs are NaN in row {row}, column 1 of the data (counted from 0)");
        assert!(e.message().ends_with(&found), "{e} {rows:?}");
    }

    let e = trainer().validation(&validation).validation_split(0.5).fit(&mut model()?, &data, &mut Rng::seed(3));
    let e = e.unwrap_err();
    assert_eq!(e.message(), "fit: validation data, and a validation_split of the training data");
    assert_eq!(e.help(), Some("leave one of them out"));
    for (fraction, shown) in [(0.0, "0"), (1.0, "1"), (-0.5, "-0.5"), (f64::NAN, "NaN")] {
        let e = trainer().validation_split(fraction).fit(&mut model()?, &data, &mut Rng::seed(3)).unwrap_err();
        assert_eq!(e.message(), format!("fit: validation_split is {shown}, expected more than 0 and less than 1"));
    }
    let e = trainer().validation_split(0.5).fit(&mut model()?, &data.rows(&[0])?, &mut Rng::seed(3)).unwrap_err();
    assert_eq!(e.message(), "fit: 1 examples, expected at least 2 for a validation_split");
    Ok(())
}

#[test]
fn epochs_of_some_steps() -> Result<()> {
    let (data, folder) = (data(60)?, tempfile::tempdir().unwrap());
    let run = |trainer: Trainer, seed| {
        let (mut model, mut trainer, mut rng) = (model()?, trainer, Rng::seed(seed));
        let history = trainer.fit(&mut model, &data, &mut rng)?;
        Ok::<_, Error>((weights(&model), history))
    };
    let options = |trainer: Trainer<'static>| trainer.steps_per_epoch(2).accumulate(2).validation_split(0.1).epochs(4);
    let checkpoints = CheckpointFolder::new(folder.path());
    let (whole, history) = run(options(trainer()).checkpoints(checkpoints.clone()).checkpoint_every(1), 3)?;
    assert_eq!(history.epochs.iter().map(|epoch| epoch.step).collect::<Vec<_>>(), [2, 4, 6, 8]);
    assert_eq!(history.validation_losses().len(), 4);
    for path in checkpoints.list()? {
        assert_eq!(run(options(trainer()).resume(&path), 9)?.0, whole, "{}", path.display());
    }
    let latest = checkpoints.latest()?.unwrap();
    let e = run(options(trainer()).steps_per_epoch(3).resume(&latest), 9).unwrap_err();
    assert_eq!(
        e.message(),
        format!("resume: {}: saved with a number of steps per epoch of 2, which is 3 now", latest.display())
    );
    // Other data, or other parts of them.
    let e = run(options(trainer()).validation_split(0.2).resume(&latest), 9).unwrap_err();
    assert_eq!(
        e.message(),
        format!("resume: {}: saved with a number of examples of 54, which is 48 now", latest.display())
    );
    let e = run(trainer().steps_per_epoch(7), 3).unwrap_err();
    assert_eq!(e.message(), "fit: steps_per_epoch is 7, but the data are 6 steps");
    assert_eq!(e.help(), Some("leave it out: an epoch ends with the data"));
    let e = run(trainer().steps_per_epoch(0), 3).unwrap_err();
    assert_eq!(e.message(), "fit: the number of steps per epoch is 0, expected at least 1");
    let text = r#"{"steps_per_epoch": 2, "validation_split": 1.5}"#;
    let e = serde_json::from_str::<TrainerOptions>(text).unwrap_err();
    assert_eq!(e.to_string(), "fit: validation_split is 1.5, expected more than 0 and less than 1");
    Ok(())
}

/// A sample of weight 2 is one that is there twice, and one of weight 0 is not there.
#[test]
fn samples_count_by_their_weights() -> Result<()> {
    let data = data(12)?;
    let counts: Vec<usize> = (0..12).map(|i| i % 3).collect();
    let repeated: Vec<usize> = (0..12).flat_map(|i| std::iter::repeat_n(i, counts[i])).collect();
    let tensor = Tensor::from_vec(counts.iter().map(|n| *n as f32).collect(), [12])?;
    let weighted = WeightedDataset::new(data.clone(), &tensor)?;
    let copies = data.rows(&repeated)?;
    let all = || Weighted::new(Mse::new().reduction(Reduction::None));
    let mut first = model()?;
    // One batch of everything, so that the order is no matter.
    let mut trainer = Trainer::with_task(all(), Sgd::new(0.1)).batch_size(100).epochs(20);
    let history = trainer.fit(&mut first, &weighted, &mut Rng::seed(3))?;
    let mut second = model()?;
    let mut plain = Trainer::new(losses::mse, Sgd::new(0.1)).batch_size(100).epochs(20);
    let expected = plain.fit(&mut second, &copies, &mut Rng::seed(3))?;
    for (a, b) in weights(&first).concat().iter().zip(weights(&second).concat()) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    for (a, b) in history.train_losses().iter().zip(expected.train_losses()) {
        assert!((a - b).abs() < 1e-5 * b, "{a} {b}");
    }
    // In an evaluation, whatever the batches are.
    let whole = trainer.evaluate(&first, &weighted)?.loss;
    for size in [1, 5, 12] {
        let mut parts = Trainer::with_task(all(), Sgd::new(0.1)).batch_size(size);
        assert!((parts.evaluate(&first, &weighted)?.loss - whole).abs() < 1e-6);
        parts.fit(&mut model()?, &weighted, &mut Rng::seed(1))?;
    }
    // Losses of classes, which have one for each sample.
    let classes =
        TensorDataset::new(data.x().clone(), Tensor::from_vec((0..12).map(|i| i % 2).collect::<Vec<i64>>(), [12])?)?;
    let classes = WeightedDataset::new(classes, &tensor)?;
    let mut model_ = sequential![Linear::new(3, 2, &mut Rng::seed(2))?];
    let history = Trainer::with_task(Weighted::new(CrossEntropy::new().reduction(Reduction::None)), Adam::new(0.05))
        .metric("accuracy", metrics::accuracy)
        .fit(&mut model_, &classes, &mut Rng::seed(3))?;
    assert!(history.last().unwrap().train_loss < history.epochs[0].train_loss);

    let wrong =
        Trainer::with_task(Weighted::new(losses::mse), Sgd::new(0.1)).fit(&mut model()?, &weighted, &mut Rng::seed(3));
    let e = wrong.unwrap_err();
    assert_eq!(e.message(), "Weighted: a loss of shape [] for 12 weights, expected [12, ..]");
    assert_eq!(e.help(), Some("take a loss of each sample: losses::Mse::new().reduction(Reduction::None)"));
    let made = |weights: &Tensor| WeightedDataset::new(data.clone(), weights).unwrap_err().message();
    assert_eq!(made(&tensor![1.0, 2.0]), "WeightedDataset: weights of shape [2] for 12 samples, expected [12]");
    assert_eq!(made(&Tensor::zeros([12])?), "WeightedDataset: all weights are 0, so that no sample counts");
    assert_eq!(
        made(&tensor.add_scalar(-1.0)),
        "WeightedDataset: the weight of sample 0 is -1, expected a number of at least 0"
    );
    Ok(())
}

#[test]
fn memory_is_known_before_it_is_taken() -> Result<()> {
    let mut rng = Rng::seed(2);
    let data = TensorDataset::new(Tensor::ones([512, 64])?, Tensor::ones([512, 64])?)?;
    let mut model = sequential![
        Linear::new(64, 512, &mut rng)?,
        BatchNorm1d::new(512)?,
        Tanh,
        Dropout::new(0.5)?,
        Linear::new(512, 64, &mut rng)?
    ];
    let fresh = model.clone();
    let trainer = || Trainer::new(losses::mse, Adam::new(1e-3)).batch_size(256).epochs(1);
    let report = trainer().memory_report(&mut model, &data, &rng)?;
    let saved = |model: &Sequential| {
        let saved = demotic::io::Checkpoint::new().model(model);
        saved.get_tensors("model").unwrap().iter().map(|(_, x)| x.to_f64_vec()).collect::<Vec<_>>()
    };
    assert_eq!(saved(&model), saved(&fresh), "the report has changed the model");
    // What a step takes in truth.
    let (x, y) = data.batches(256).next().unwrap()?;
    let mut mode = Rng::seed(0);
    let (grads, usage) =
        memory::measure(|| losses::mse(&model.forward(&x, &mut Mode::train(&mut mode))?, &y)?.backward());
    drop(grads?);
    let (told, seen) = (report.step_bytes as f64, usage.peak_bytes as f64);
    assert!(told > 0.8 * seen && told < 1.25 * seen, "{told} {seen}");
    let linear = &report.layers[0];
    assert_eq!((linear.path.as_str(), linear.kind.as_str(), linear.bytes), ("0", "Linear", 256 * 512 * 4));
    assert_eq!(report.parameter_bytes, model.num_parameters() as u64 * 4 + 2 * 512 * 4 + 8);
    assert_eq!(report.optimizer_bytes, 2 * model.num_parameters() as u64 * 4);
    let shown = report.to_string();
    assert!(shown.starts_with("0 (Linear)                   512.0 KiB\n"), "{shown}");
    assert!(shown.contains("kept of a batch of 256"), "{shown}");

    // A limit that it does not keep is an error before the first step, and says what would.
    let needed = memory::stats().current_bytes as u64 + report.optimizer_bytes + report.step_bytes;
    let limit = needed - report.step_bytes / 2;
    let before = saved(&model);
    let e = trainer().memory_limit(limit).fit(&mut model, &data, &mut rng).unwrap_err();
    let message = e.message();
    assert!(message.starts_with("fit: steps on batches of 256 need ") && message.contains(" the limit is "), "{e}");
    assert!(message.contains("\n0 (Linear) ") && message.contains("512.0 KiB"), "{e}");
    let help = e.help().unwrap();
    assert!(help.starts_with("batches of ") && help.contains("make the same step; "), "{e}");
    assert!(help.ends_with("keeps the most: layers::checkpointed keeps less"), "{e}");
    assert_eq!(saved(&model), before);
    let e = trainer().memory_limit(1).fit(&mut model, &data, &mut rng).unwrap_err();
    assert!(e.help().unwrap().starts_with("not even a batch of 1 fits: take a smaller model"), "{e}");
    // A limit with room changes nothing.
    let (mut a, mut b) = (fresh.clone(), fresh);
    trainer().memory_limit(1 << 40).fit(&mut a, &data, &mut Rng::seed(5))?;
    trainer().fit(&mut b, &data, &mut Rng::seed(5))?;
    assert_eq!(saved(&a), saved(&b));
    Ok(())
}

/// What the trainer notes of a loss, on a model that ends in `last`.
fn noted(loss: impl losses::Loss + 'static, last: impl IntoLayer, y: Tensor) -> Result<Vec<String>> {
    let mut rng = Rng::seed(5);
    let x = Tensor::normal([y.shape()[0], 4], 0.0, 1.0, &mut rng)?;
    let mut model = sequential![Linear::new(4, 3, &mut rng)?].with(last);
    let history = Trainer::new(loss, Sgd::new(0.01)).epochs(2).fit(&mut model, &TensorDataset::new(x, y)?, &mut rng)?;
    assert!(history.to_string().lines().filter(|line| line.starts_with("note: ")).eq(history.notes.iter().map(|n| {
        assert!(!n.contains('\n'));
        format!("note: {n}")
    })));
    Ok(history.notes)
}

/// A softmax before a loss that makes one, and the like, are said once; whatever else gives a loss its numbers is not.
#[test]
fn losses_of_what_is_a_probability_already_are_noted() -> Result<()> {
    let classes = Tensor::from_vec((0..40).map(|i| i % 3).collect::<Vec<i64>>(), [40])?;
    let shares = classes.one_hot(3)?.to_dtype(DType::F32);
    let weight = tensor![1.0, 2.0, 0.5];
    let softmax = "the loss takes logits and makes the softmax itself, and what it gets is one already: leave it out of the model; \
                   output.softmax(-1) has the probabilities where they are wanted";
    let by_hand = |logits: &Tensor| {
        let powers = logits.exp();
        powers.div(&powers.sum_dims(&[-1], true)?)
    };
    let ce = losses::cross_entropy;
    let found = [
        noted(ce, Softmax::new(-1), classes.clone())?,
        noted(ce, Softmax::new(1), shares.clone())?,
        noted(losses::CrossEntropy::new().weight(&weight).label_smoothing(0.1)?, Softmax::new(-1), classes.clone())?,
        noted(losses::token_cross_entropy, Softmax::new(-1), classes.clone())?,
        noted(losses::from_fn(move |p, y| ce(&p.softmax(-1)?, y)), sequential![], classes.clone())?,
        noted(losses::from_fn(move |p, y| ce(&by_hand(p)?, y)), sequential![], classes.clone())?,
        noted(losses::from_fn(move |p, y| ce(p, y)? + p.square().mean() * 0.1), Softmax::new(-1), classes.clone())?,
    ];
    for notes in found {
        assert_eq!(notes, [softmax]);
    }
    let logs = noted(ce, LogSoftmax::new(-1), classes.clone())?;
    assert!(
        matches!(logs.as_slice(), [one] if one.contains("makes the log_softmax itself") && one.contains("nll()")),
        "{logs:?}"
    );
    let bce = noted(losses::bce_with_logits, Sigmoid, shares.clone())?;
    assert!(
        matches!(bce.as_slice(), [one] if one.contains("makes the sigmoid itself") && one.contains("bce()")),
        "{bce:?}"
    );

    let quiet = [
        noted(ce, sequential![], classes.clone())?,
        noted(ce, Relu, classes.clone())?,
        noted(ce, Sigmoid, classes.clone())?,
        noted(ce, sequential![Softmax::new(-1), Linear::new(3, 3, &mut Rng::seed(1))?], classes.clone())?,
        noted(losses::from_fn(move |p, y| ce(&p.log(), y)), Softmax::new(-1), classes.clone())?,
        noted(losses::from_fn(|p, y| losses::nll(&p.log(), y)), Softmax::new(-1), classes.clone())?,
        noted(losses::nll, LogSoftmax::new(-1), classes.clone())?,
        noted(losses::mse, Softmax::new(-1), shares.clone())?,
        noted(losses::bce, Sigmoid, shares.clone())?,
        noted(losses::bce_with_logits, sequential![], shares.clone())?,
        // One row that adds up to 1 may be anything.
        noted(losses::from_fn(move |p, y| ce(&by_hand(p)?, y)), sequential![], Tensor::from_nested([1i64])?)?,
    ];
    for (i, notes) in quiet.iter().enumerate() {
        assert!(notes.is_empty(), "{i}: {notes:?}");
    }
    Ok(())
}

/// Predictions `[n, 1]` less targets `[n]` are n × n differences.
#[test]
fn losses_that_compare_all_with_all_are_noted() -> Result<()> {
    let column = || Linear::new(3, 1, &mut Rng::seed(2));
    let y = Tensor::normal([20], 0.0, 1.0, &mut Rng::seed(3))?;
    let squares = |a: &Tensor, b: &Tensor| -> Result<Tensor> { Ok((a - b)?.square().mean()) };
    let note = "the loss compares each of the predictions [20, 1] with each of the targets [20], not only with its own: squeeze(-1) and \
                unsqueeze(-1) bring them to one shape";
    for loss in [
        Box::new(losses::from_fn(move |p, y| squares(p, y))) as Box<dyn losses::Loss>,
        Box::new(losses::from_fn(move |p, y| squares(y, p))),
        Box::new(losses::from_fn(|p, y| Ok(p.tanh().mul(y)?.neg().mean()))),
    ] {
        assert_eq!(noted(loss, column()?, y.clone())?, [note]);
    }
    let flat = noted(
        losses::from_fn(move |p, y| squares(p, y)),
        sequential![column()?, Flatten::dims(0, 1)],
        y.unsqueeze(1)?,
    )?;
    assert!(
        matches!(flat.as_slice(), [one] if one.contains("predictions [20] with each of the targets [20, 1]")),
        "{flat:?}"
    );

    assert!(noted(losses::mse, column()?, y.unsqueeze(1)?)?.is_empty());
    assert!(noted(losses::from_fn(move |p, y| squares(&p.squeeze(-1)?, y)), column()?, y.clone())?.is_empty());
    // Pairs of predictions are meant.
    let pairs = |p: &Tensor| p.sub(&p.squeeze(-1)?);
    let ranks = losses::from_fn(move |p, y| Ok(pairs(p)?.tanh().mul(&pairs(&y.unsqueeze(1)?)?)?.neg().mean()));
    assert!(noted(ranks, column()?, y)?.is_empty());
    Ok(())
}

/// Numbers of steps are taken in whatever type of whole numbers a program has them.
#[test]
fn steps_of_any_type() -> Result<()> {
    let data = data(60)?;
    let batches = data.len() / 10;
    let train = |steps: u64| {
        let mut model = model()?;
        let history = trainer().epochs(9).max_steps(steps).fit(&mut model, &data, &mut Rng::seed(3))?;
        Ok::<_, demotic::Error>((history.steps, weights(&model)))
    };
    let mut model = model()?;
    let history =
        trainer().epochs(9).max_steps(batches * 2).evaluate_every(batches).fit(&mut model, &data, &mut Rng::seed(3))?;
    assert_eq!((history.steps, weights(&model)), train(12)?);
    assert_eq!(history.evaluations.len(), 2);

    let warm = [7_usize, 30];
    let known = Curve::cosine(0.1, 100_u64).warm_up(7_u64);
    for curve in [
        Curve::cosine(0.1, 100_usize).warm_up(warm[0]),
        Curve::cosine(0.1, 100).warm_up(7_u8),
        Curve::cosine(0.1, history.steps + 88).warm_up(7_i64),
    ] {
        for step in [0, 6, 7, 50, 200] {
            assert_eq!(curve.at(step)?, known.at(step as usize)?);
        }
    }
    let milestones = Curve::milestones(1.0, [3_u64, 5], 0.5).at(4_u32)?;
    for other in [
        Curve::milestones(1.0, vec![3_usize, 5], 0.5),
        Curve::milestones(1.0, [3_u64, 5].as_slice(), 0.5),
        Curve::milestones(1.0, (3..7).step_by(2), 0.5),
    ] {
        assert_eq!(other.at(4)?, milestones);
    }
    // Fewer than none are none.
    let (none, fewer) = (Curve::cosine(0.1, 0).at(1).unwrap_err(), Curve::cosine(0.1, -5).at(1).unwrap_err());
    assert_eq!(none.message(), fewer.message());
    Ok(())
}
