//! Pruning, distilling and shrinking models.

use demotic::compress::{
    Distill, GradualPruning, Hint, Masks, Pruning, Scores, Shrunk, SoftTargets, UnitGroups, compare, random_scores,
    shrink, stored_targets,
};
use demotic::io::CheckpointFolder;
use demotic::layers::{
    BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, Flatten, GlobalAvgPool, MaxPool1d, MaxPool2d, SlotMut, VisitorMut,
};
use demotic::models::{ConvNet, ConvNetConfig, ResNet, ResNetConfig};
use demotic::prelude::*;
use demotic::regularizers::Constraint;

fn network(rng: &mut Rng) -> Result<Sequential> {
    Ok(sequential![Linear::new(8, 16, rng)?, Relu, Linear::new(16, 12, rng)?, Relu, Linear::new(12, 3, rng)?])
}

/// Points in classes that a small network can learn.
fn classes(rng: &mut Rng) -> Result<TensorDataset> {
    let x = Tensor::normal([240, 8], 0.0, 1.0, rng)?;
    let scores = x.matmul(&Tensor::normal([8, 3], 0.0, 1.0, rng)?)?;
    TensorDataset::new(x, scores.argmax_dim(1, false)?)
}

fn zeros(model: &Sequential, path: &str) -> usize {
    let (_, value) = model.named_parameters().into_iter().find(|(name, _)| name == path).unwrap();
    value.to_f64_vec().into_iter().filter(|x| *x == 0.0).count()
}

#[test]
fn groups_and_rows_lose_equally_many() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = network(&mut rng)?;
    let masks = Pruning::magnitude(0.0).n_of_m(2, 4).on("0").masks(&model)?;
    let mask = masks.get("0.weight").unwrap().to_f64_vec();
    assert!(mask.chunks(4).all(|group| group.iter().sum::<f64>() == 2.0));
    let masks = Pruning::by(random_scores(&model, &mut rng)?, 0.25).per_row().masks(&model)?;
    assert!(masks.get("2.weight").unwrap().to_f64_vec().chunks(16).all(|row| row.iter().sum::<f64>() == 12.0));
    assert_eq!(masks.sparsity(), 0.25);
    // GPT-2's dense layers have their inputs first: a row is a column there.
    let gpt =
        demotic::models::Gpt::new(demotic::models::GptConfig::new(11, 8).layers(1).hidden_size(8).heads(2), &mut rng)?;
    let masks = Pruning::magnitude(0.5).per_row().on("*.mlp.*").masks(&gpt)?;
    for weight in masks.weights() {
        let mask = masks.get(&weight.path).unwrap();
        let inputs = if weight.path.contains("proj") { 32 } else { 8 };
        let of_inputs = if mask.shape()[1] == inputs { mask.to_f64_vec() } else { mask.t().contiguous().to_f64_vec() };
        assert!(of_inputs.chunks(inputs).all(|row| row.iter().sum::<f64>() * 2.0 == inputs as f64), "{}", weight.path);
    }
    Ok(())
}

#[test]
fn masks_outlive_momentum() -> Result<()> {
    let mut rng = Rng::seed(1);
    let (data, mut model) = (classes(&mut rng)?, network(&mut rng)?);
    Trainer::new(losses::cross_entropy, Adam::new(0.01)).epochs(2).fit(&mut model, &data, &mut rng)?;
    let masks = Pruning::magnitude(0.6).global().apply(&mut model)?;
    let before: Vec<usize> = ["0.weight", "2.weight", "4.weight"].map(|path| zeros(&model, path)).to_vec();
    Trainer::new(losses::cross_entropy, Adam::new(0.01))
        .epochs(2)
        .constraint(masks.clone())
        .fit(&mut model, &data, &mut rng)?;
    assert_eq!(before, ["0.weight", "2.weight", "4.weight"].map(|path| zeros(&model, path)));
    assert_eq!(Masks::of_zeros(&model, "*.weight")?.sparsity(), masks.sparsity());
    let both = masks.and(&Pruning::magnitude(0.9).on("0").masks(&model)?)?;
    assert!(both.sparsity() > masks.sparsity());
    Ok(())
}

#[test]
fn gradual_pruning_resumes_with_the_same_bits() -> Result<()> {
    let mut rng = Rng::seed(2);
    let data = classes(&mut rng)?;
    let start = network(&mut rng)?;
    let folder = tempfile::tempdir().unwrap();
    let trainer = |epochs: usize| {
        let gradual = GradualPruning::new(Pruning::magnitude(0.8), 4, 24).every(5);
        let trainer = Trainer::new(losses::cross_entropy, Adam::new(0.01)).epochs(epochs).batch_size(32);
        trainer.callback(gradual).checkpoints(CheckpointFolder::new(folder.path()).keep(100)).checkpoint_every(10)
    };
    let mut whole = start.clone();
    trainer(4).fit(&mut whole, &data, &mut Rng::seed(3))?;
    assert!((Masks::of_zeros(&whole, "*.weight")?.sparsity() - 0.8).abs() < 0.01);
    let saved = folder.path().join("step-000000010.ckpt");
    let mut resumed = start.clone();
    trainer(4).resume(&saved).fit(&mut resumed, &data, &mut Rng::seed(3))?;
    for ((path, a), (_, b)) in whole.named_parameters().into_iter().zip(resumed.named_parameters()) {
        assert_eq!(a.to_f64_vec(), b.to_f64_vec(), "{path}");
    }
    let gradual = GradualPruning::new(Pruning::magnitude(0.8), 4, 24);
    assert_eq!((gradual.share(4), gradual.share(24), gradual.share(100)), (0.0, 0.8, 0.8));
    assert!((gradual.share(14) - 0.7).abs() < 1e-12);
    Ok(())
}

#[test]
fn scores_follow_their_formulas() -> Result<()> {
    let mut layer = Linear::new(2, 1, &mut Rng::seed(0))?.without_bias();
    layer.weight.set(&tensor![[2.0, -1.0]])?;
    let (mut movement, mut taylor) = (Scores::new(), Scores::new());
    for x in [[1.0f32, 3.0], [2.0, 0.5]] {
        // The slopes of the sum are the inputs.
        let loss = layer.forward(&Tensor::from_slice(&x, [1, 2])?, &mut Mode::eval())?.sum();
        let grads = loss.backward()?;
        movement.movement(&layer, &grads)?;
        taylor.taylor(&layer, &grads)?;
    }
    assert_eq!(movement.get("weight").unwrap().to_f64_vec(), [-6.0, 3.5]);
    assert_eq!(taylor.get("weight").unwrap().to_f64_vec(), [20.0, 9.25]);
    let masks = Pruning::by(movement, 0.5).masks(&layer)?;
    assert_eq!(masks.get("weight").unwrap().to_f64_vec(), [0.0, 1.0]);
    Ok(())
}

#[test]
fn what_is_shrunk_is_what_was_masked() -> Result<()> {
    let mut rng = Rng::seed(4);
    let mut model = sequential![
        Conv2d::new(1, 8, 3, &mut rng)?.padding(1).without_bias(),
        BatchNorm2d::new(8)?,
        Relu,
        MaxPool2d::new(2),
        Conv2d::new(8, 8, 3, &mut rng)?.padding(1).groups(8, &mut rng)?.without_bias(),
        Conv2d::new(8, 12, 1, &mut rng)?.without_bias(),
        Relu,
        Flatten::new(),
        Linear::new(12 * 16, 10, &mut rng)?.without_bias(),
        Tanh,
        Linear::new(10, 3, &mut rng)?,
    ];
    let x = Tensor::normal([4, 1, 8, 8], 0.0, 1.0, &mut rng)?;
    // A unit that is zero stays so in all layers behind it: in evaluation the norm's mean is 0 and its bias too.
    let masks = Pruning::magnitude(0.5).units(2.0).apply(&mut model)?;
    let masked = model.predict(&x)?;
    let shrunk = shrink(&mut model, &masks)?;
    let small = model.predict(&x)?;
    for (a, b) in masked.to_f64_vec().into_iter().zip(small.to_f64_vec()) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
    let left: Vec<(&str, usize)> = shrunk.layers.iter().map(|layer| (layer.path.as_str(), layer.after)).collect();
    assert_eq!(left, [("0", 4), ("5", 6), ("8", 5), ("10", 3)]);
    assert!(shrunk.layers[3].kept_because.as_ref().unwrap().contains("outputs"));
    assert!(shrunk.after < shrunk.before / 2);
    // It is saved and opened like any other.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    model.save(&path)?;
    assert_eq!(Sequential::open(&path)?.predict(&x)?.to_vec::<f32>()?, small.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn a_student_learns_from_its_teacher() -> Result<()> {
    let mut rng = Rng::seed(5);
    let (data, mut teacher) = (classes(&mut rng)?, network(&mut rng)?);
    Trainer::new(losses::cross_entropy, Adam::new(0.01)).epochs(20).fit(&mut teacher, &data, &mut rng)?;
    let (x, _) = data.batch(&(0..240).collect::<Vec<_>>(), &mut rng)?;
    let said = stored_targets(&teacher, &data, 64)?;
    let difference =
        |student: &Sequential| -> Result<f64> { SoftTargets::new(2.0).loss(&student.predict(&x)?, &said)?.item() };
    let start = sequential![Linear::new(8, 8, &mut rng)?, Relu, Linear::new(8, 3, &mut rng)?];
    let before = difference(&start)?;
    let mut student = start.clone();
    let task =
        Distill::new(teacher, 2.0, 0.9).hint(Hint::Similarities, "1", "3", 0.1).hint(Hint::Distances, "0", "2", 0.1);
    Trainer::with_task(task, Adam::new(0.02)).epochs(30).metric("accuracy", metrics::accuracy).fit(
        &mut student,
        &data,
        &mut rng,
    )?;
    assert!(difference(&student)? < before / 10.0, "{} after {before}", difference(&student)?);
    // From what the teacher once said.
    let mut other = start.clone();
    let stored = TensorDataset::new(x.clone(), said.clone())?;
    Trainer::new(SoftTargets::new(2.0), Adam::new(0.02)).epochs(30).fit(&mut other, &stored, &mut rng)?;
    assert!(difference(&other)? < before / 10.0);
    let report = compare(&[("start", &start), ("student", &student)], &x, "divergence", &|model| {
        SoftTargets::new(2.0).loss(&model.predict(&x)?, &said)?.item()
    })?;
    assert_eq!(report.models[0].layers.last().unwrap().error, Some(0.0));
    assert!(report.to_html().contains("<td>student</td>") && report.to_string().lines().count() == 3);
    Ok(())
}

#[test]
fn mistakes_are_told() -> Result<()> {
    let mut rng = Rng::seed(6);
    let mut model = network(&mut rng)?;
    let before = model.named_parameters()[0].1.to_vec::<f32>()?;
    let e = Pruning::magnitude(1.0).apply(&mut model).unwrap_err().to_string();
    assert!(e.contains("a share of 1, expected at least 0 and less than 1"), "{e}");
    let e = Pruning::magnitude(f64::NAN).apply(&mut model).unwrap_err().to_string();
    assert!(e.contains("a share of NaN"), "{e}");
    let e = Pruning::magnitude(0.99).on("4").apply(&mut model).unwrap_err().to_string();
    assert!(e.contains("nothing would be left of this weight") && e.contains("4.weight"), "{e}");
    let e = Pruning::magnitude(0.5).on("*.h.*").apply(&mut model).unwrap_err().to_string();
    assert!(e.contains("no weight with scores matches `*.h.*`") && e.contains("0.weight"), "{e}");
    let e = Pruning::magnitude(0.5).n_of_m(2, 5).apply(&mut model).unwrap_err().to_string();
    assert!(e.contains("rows of 8 numbers, which groups of 5 do not divide"), "{e}");
    let e = Pruning::magnitude(0.5).n_of_m(0, 4).apply(&mut model).unwrap_err().to_string();
    assert!(e.contains("0 of 4 are kept"), "{e}");
    let e = Pruning::magnitude(0.5).units(0.0).apply(&mut model).unwrap_err().to_string();
    assert!(e.contains("a norm of order 0"), "{e}");
    let scores = Scores::of(vec![("0.weight".into(), tensor![[1.0, f64::NAN]])]);
    let e = Pruning::by(scores, 0.5).apply(&mut model).unwrap_err().to_string();
    assert!(e.contains("scores of shape [1, 2] for a weight of shape [16, 8]"), "{e}");
    assert_eq!(before, model.named_parameters()[0].1.to_vec::<f32>()?);
    let masks = Pruning::magnitude(0.5).masks(&model)?;
    let e = masks.apply(&mut Linear::new(2, 2, &mut rng)?).unwrap_err().to_string();
    assert!(e.contains("the model has no parameter `0.weight`, for which there is a mask"), "{e}");
    let e = Masks::of_zeros(&model, "x").unwrap_err().to_string();
    assert!(e.contains("no parameter matches `x`"), "{e}");

    let data = classes(&mut rng)?;
    let run = |task: Distill<Sequential>| {
        Trainer::with_task(task, Adam::new(0.01))
            .fit(&mut model.clone(), &data, &mut Rng::seed(0))
            .unwrap_err()
            .to_string()
    };
    let teacher = network(&mut rng)?;
    let e = run(Distill::new(teacher.clone(), 0.0, 0.5));
    assert!(e.contains("a temperature of 0, expected a positive number"), "{e}");
    let e = run(Distill::new(teacher.clone(), 1.0, 1.5));
    assert!(e.contains("a share of 1.5 of what the teacher says"), "{e}");
    let e = run(Distill::new(teacher.clone(), 1.0, 0.5).hint(Hint::Outputs, "0", "2", 1.0));
    assert!(
        e.contains("outputs of shape [32, 16] for a teacher's [32, 12]") && e.contains("Hint::Similarities"),
        "{e}"
    );
    let e = run(Distill::new(teacher, 1.0, 0.5).hint(Hint::Outputs, "7", "2", 1.0));
    assert!(e.contains("no layer `7` was run") && e.contains("0, 1, 2, 3, 4"), "{e}");
    let wide = sequential![Linear::new(8, 5, &mut rng)?];
    let e = run(Distill::new(wide, 1.0, 0.5));
    assert!(e.contains("scores of shape [32, 3] for a teacher's [32, 5]"), "{e}");
    let e = compare(&[], &Tensor::ones([1, 8])?, "x", &|_| Ok(0.0)).unwrap_err().to_string();
    assert!(e.contains("no models"), "{e}");
    Ok(())
}

/// Units are taken out where the layers behind look at the same dimension; elsewhere all stay, and the model says what it said.
#[test]
fn units_stay_where_their_dimension_is_another() -> Result<()> {
    let mut rng = Rng::seed(9);
    let conv = |rng: &mut Rng| Ok::<_, Error>(Conv2d::new(1, 8, 3, rng)?.padding(1).without_bias());
    let dense = |rng: &mut Rng, inputs| Ok::<_, Error>(Linear::new(inputs, 4, rng)?.without_bias());
    let picture = Tensor::normal([2, 1, 8, 8], 0.0, 1.0, &mut rng)?;
    let places = Tensor::normal([2, 4, 6], 0.0, 1.0, &mut rng)?;
    let rows = Tensor::normal([5, 6], 0.0, 1.0, &mut rng)?;
    let cases = [
        (sequential![conv(&mut rng)?, Relu, Linear::new(8, 3, &mut rng)?], &picture, false),
        (
            sequential![conv(&mut rng)?, Flatten::new(), BatchNorm1d::new(512)?, Linear::new(512, 3, &mut rng)?],
            &picture,
            false,
        ),
        (sequential![conv(&mut rng)?, Relu, Flatten::dims(2, -1), Linear::new(64, 3, &mut rng)?], &picture, false),
        (sequential![dense(&mut rng, 6)?, MaxPool1d::new(2), Linear::new(2, 3, &mut rng)?], &places, false),
        (sequential![dense(&mut rng, 6)?, Flatten::new(), Linear::new(16, 3, &mut rng)?], &places, false),
        (sequential![dense(&mut rng, 6)?, Relu, Conv1d::new(4, 2, 1, &mut rng)?], &places, false),
        (sequential![conv(&mut rng)?, Relu, GlobalAvgPool, Linear::new(8, 3, &mut rng)?], &picture, true),
        (
            sequential![conv(&mut rng)?, MaxPool2d::new(2), Flatten::new(), Linear::new(128, 3, &mut rng)?],
            &picture,
            true,
        ),
        (
            sequential![dense(&mut rng, 6)?, BatchNorm1d::new(4)?, Flatten::new(), Linear::new(4, 3, &mut rng)?],
            &rows,
            true,
        ),
        (sequential![dense(&mut rng, 6)?, Relu, Linear::new(4, 3, &mut rng)?], &places, true),
    ];
    for (at, (mut model, x, goes)) in cases.into_iter().enumerate() {
        let masks = Pruning::magnitude(0.5).units(2.0).on("0").apply(&mut model)?;
        let before = model.predict(x)?;
        let shrunk = shrink(&mut model, &masks)?;
        assert_eq!(shrunk.layers[0].kept_because.is_none(), goes, "case {at}: {shrunk}");
        let off = model.predict(x)?.sub(&before)?.abs().max()?.item()?;
        assert!(off < 1e-5, "case {at}: {off}");
    }
    Ok(())
}

/// Fills a model with numbers that are nobody's defaults.
fn filled<M: Module>(mut model: M, dtype: DType, rng: &mut Rng) -> Result<M> {
    model.to_dtype(dtype)?;
    let mut result = Ok(());
    let mut on_slot = |path: &str, slot: SlotMut<'_>| {
        let fill = || match slot {
            SlotMut::Param(param) => {
                let wide = (param.numel() / param.shape()[0]) as f64;
                param.set(&Tensor::normal(param.shape(), 0.0, wide.sqrt().recip(), rng)?.to_dtype(param.dtype()))
            }
            SlotMut::Buffer(buffer) if path.contains("running") => {
                let old = buffer.get();
                buffer.set(&Tensor::uniform(old.shape(), 0.5, 1.5, rng)?.to_dtype(old.dtype()))
            }
            SlotMut::Buffer(_) => Ok(()),
        };
        if result.is_ok() {
            result = fill();
        }
    };
    model.visit_mut(&mut VisitorMut::new(&mut on_slot));
    result.map(|()| model)
}

/// The largest difference of two tensors beside the largest number.
fn off(a: &Tensor, b: &Tensor) -> Result<f64> {
    Ok(a.sub(b)?.abs().max()?.item()? / b.abs().max()?.item()?)
}

/// What is left of a network says what it says with the same channels set to zero, and is a model with a file like others.
#[track_caller]
fn shrinks<M: Layer + Architecture + Clone>(model: M, pruning: &Pruning, x: &Tensor) -> Result<(M, Shrunk)> {
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-12)] {
        let mut masked = filled(model.clone(), dtype, &mut Rng::seed(7))?;
        let x = x.to_dtype(dtype);
        let masks = pruning.clone().tied(&UnitGroups::of(&masked)).apply(&mut masked)?;
        let mut small = masked.clone();
        let shrunk = shrink(&mut small, &masks)?;
        let (wanted, found) = (masked.predict(&x)?, small.predict(&x)?);
        assert!(off(&found, &wanted)? < tolerance, "{dtype}: {}\n{shrunk}", off(&found, &wanted)?);
        assert!(shrunk.after < shrunk.before && shrunk.after == small.num_parameters());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small.safetensors");
        small.save(&path)?;
        let opened = M::open(&path)?;
        assert_eq!(opened.predict(&x)?.to_f64_vec(), found.to_f64_vec());
        if dtype == DType::F64 {
            return Ok((small, shrunk));
        }
    }
    unreachable!()
}

#[test]
fn networks_lose_channels_that_are_tied() -> Result<()> {
    let rng = &mut Rng::seed(10);
    let half = Pruning::magnitude(0.5).units(2.0);
    let x = Tensor::normal([2, 3, 32, 32], 0.0, 1.0, rng)?;
    // Half of all channels: the same as a network of half the width.
    let config = ResNetConfig::resnet18().width(8).classes(5);
    let (small, shrunk) = shrinks(ResNet::new(config.clone(), rng)?, &half, &x)?;
    assert_eq!(small.config(), &config.clone().width(4));
    assert_eq!(shrunk.after, config.clone().width(4).num_parameters());
    // The first convolution, and those at the end of the blocks of the first stage, give the same channels.
    let first: Vec<&str> = shrunk.layers.iter().take(3).map(|layer| layer.path.as_str()).collect();
    assert_eq!(first, ["conv1", "layer1.0.conv2", "layer1.1.conv2"]);
    // A third, which is no network of another width.
    let third = Pruning::magnitude(0.3).units(2.0);
    let (small, shrunk) = shrinks(ResNet::new(config, rng)?, &third, &x)?;
    let widths = small.config().widths.clone().unwrap();
    assert_eq!(&widths[..4], [6, 6, 6, 6]);
    assert_eq!((widths.len(), small.config().num_parameters()), (17, shrunk.after));
    let mut other = small.with_head(3, rng)?;
    other.to_dtype(DType::F32)?;
    assert_eq!(other.predict(&x)?.shape(), [2, 3]);
    let (small, shrunk) =
        shrinks(ResNet::new(ResNetConfig::resnet50().width(8).blocks([2, 1, 1, 1]).classes(5), rng)?, &third, &x)?;
    assert_eq!(small.config().num_parameters(), shrunk.after);
    // Convolutions in groups stay as they are, with what goes into them.
    let mut grouped = ResNetConfig::resnet50().width(8).classes(5);
    (grouped.groups, grouped.width_per_group) = (4, 16);
    let (small, _) = shrinks(ResNet::new(grouped.clone().blocks([1, 2, 1, 1]), rng)?, &third, &x)?;
    assert_eq!(small.config().widths.as_ref().unwrap()[..4], [6, 8, 8, 22]);
    let groups = UnitGroups::of(&small);
    let kept = groups.groups().iter().find(|group| group.makers == ["layer2.1.conv1"]).unwrap();
    assert_eq!(kept.kept_because.as_deref(), Some("Conv2d in layer layer2.1.conv2 sees all units together"));

    let config = ConvNetConfig::new(3, 4).channels(&[8, 16]);
    let (small, _) = shrinks(ConvNet::new(config.clone(), rng)?, &half, &x)?;
    assert_eq!(small.config()?, config.clone().channels(&[4, 8]));
    let some = Pruning::magnitude(0.5).units(1.0).on("stages.0.1.*").on("stages.1.0*");
    let (small, shrunk) = shrinks(ConvNet::new(config.without_batch_norm(), rng)?, &some, &x)?;
    assert_eq!(small.config()?.widths.unwrap(), [8, 4, 8, 16]);
    assert_eq!(small.config()?.num_parameters(), shrunk.after);
    Ok(())
}

#[test]
fn chains_with_sums_lose_units_that_are_tied() -> Result<()> {
    let rng = &mut Rng::seed(11);
    let model = sequential![
        Conv2d::new(2, 8, 3, rng)?.padding(1),
        Residual::new(sequential![
            BatchNorm2d::new(8)?,
            Relu,
            Conv2d::new(8, 6, 3, rng)?.padding(1),
            Relu,
            Conv2d::new(6, 8, 1, rng)?
        ]),
        // Another number of channels from here on, some of which see only themselves.
        Residual::new(sequential![Conv2d::new(8, 12, 3, rng)?.padding(1), BatchNorm2d::new(12)?])
            .with_shortcut(Conv2d::new(8, 12, 1, rng)?),
        Residual::new(Conv2d::new(12, 12, 3, rng)?.padding(1).groups(12, rng)?),
        Relu,
        MaxPool2d::new(2),
        sequential![Flatten::new(), Linear::new(12 * 4, 10, rng)?, Tanh],
        Residual::new(sequential![Linear::new(10, 7, rng)?, Relu, Linear::new(7, 10, rng)?]),
        Linear::new(10, 3, rng)?,
    ];
    let x = Tensor::normal([3, 2, 4, 4], 0.0, 1.0, rng)?;
    let (_, shrunk) = shrinks(model.clone(), &Pruning::magnitude(0.5).units(2.0), &x)?;
    let rows: Vec<(&str, usize)> = shrunk.layers.iter().map(|layer| (layer.path.as_str(), layer.after)).collect();
    let wanted = [
        ("0", 4),
        ("1.inner.4", 4),
        ("1.inner.2", 3),
        ("2.inner.0", 6),
        ("2.shortcut", 6),
        ("6.1", 5),
        ("7.inner.2", 5),
        ("7.inner.0", 3),
    ];
    assert_eq!(rows, wanted);
    assert!(shrunk.layers.iter().all(|layer| layer.kept_because.is_none()));
    let shown = UnitGroups::of(&model).to_string();
    assert!(shown.contains("    12 units of 2.inner.0, 2.shortcut\n"), "{shown}");
    assert!(shown.ends_with("     3 units of 8  (stay: they are outputs of the model)"), "{shown}");
    Ok(())
}

/// Masks that were chosen layer by layer take out what they agree on.
#[test]
fn units_of_a_sum_stay_as_long_as_one_layer_keeps_them() -> Result<()> {
    let rng = &mut Rng::seed(12);
    let inner = sequential![Linear::new(4, 6, rng)?, Relu, Linear::new(6, 4, rng)?];
    let start = sequential![Linear::new(3, 4, rng)?, Residual::new(inner), Relu, Linear::new(4, 2, rng)?];
    let of = |first: [bool; 4], last: [bool; 4]| -> Result<Shrunk> {
        let mut model = start.clone();
        model.for_each_mut("*", |path, layer: &mut Linear| {
            let chosen = match path {
                "0" => first,
                "1.inner.2" => last,
                _ => return Ok(()),
            };
            let kept = Tensor::from_vec(chosen.map(f64::from).to_vec(), [4, 1])?.to_dtype(DType::F32);
            let (value, bias) = (layer.weight.value()?.detach().mul(&kept)?, layer.bias.as_mut().unwrap());
            bias.set(&bias.detach().mul(&kept.reshape([4])?)?)?;
            layer.weight.set(&value)
        })?;
        let (x, masked) = (Tensor::normal([5, 3], 0.0, 1.0, &mut Rng::seed(1))?, model.clone());
        let shrunk = shrink(&mut model, &Masks::of_zeros(&masked, "*.weight")?)?;
        assert!(off(&model.predict(&x)?, &masked.predict(&x)?)? < 1e-6);
        Ok(shrunk)
    };
    let (t, f) = (true, false);
    let found = of([t, f, f, t], [t, t, f, f])?;
    let rows: Vec<_> = found.layers.iter().map(|layer| (layer.path.as_str(), layer.before, layer.after)).collect();
    assert_eq!(rows, [("0", 4, 3), ("1.inner.2", 4, 3)]);
    let because = |shrunk: Shrunk| shrunk.layers[0].kept_because.clone().unwrap();
    let found = of([t, f, f, t], [t, t, t, t])?;
    assert_eq!((found.layers.len(), found.before), (1, found.after));
    assert_eq!(because(found), "1.inner.2 makes the same units, and keeps them");
    assert_eq!(because(of([t, f, t, f], [f, t, f, t])?), "other layers make the same units, and keep others");
    let e = of([f; 4], [f; 4]).unwrap_err().to_string();
    assert!(e.contains("the mask leaves no unit") && e.contains("0.weight"), "{e}");

    let groups = UnitGroups::of(&start);
    let apply = |pruning: Pruning| pruning.tied(&groups).apply(&mut start.clone()).unwrap_err().to_string();
    let e = apply(Pruning::magnitude(0.5));
    assert!(e.contains("units that are tied to each other, and no units are asked for"), "{e}");
    let e = apply(Pruning::magnitude(0.5).units(2.0).on("0"));
    assert!(e.contains("no group of units that may go has all of its layers among the weights that are meant"), "{e}");
    let e = apply(Pruning::magnitude(0.9).units(2.0));
    assert!(e.contains("nothing would be left of its units") && e.contains('0'), "{e}");
    let mut other =
        sequential![Linear::new(3, 5, rng)?, Residual::new(Linear::new(5, 5, rng)?), Linear::new(5, 2, rng)?];
    let other_groups = UnitGroups::of(&other.clone());
    other.replace(0, Linear::new(3, 6, rng)?)?;
    let e = Pruning::magnitude(0.5).units(2.0).tied(&other_groups).apply(&mut other).unwrap_err().to_string();
    assert!(e.contains("6 units in a group of 5"), "{e}");
    // What is added to inputs stays, and what is broadcast.
    let beside = Residual::new(Linear::new(3, 3, rng)?);
    let stuck =
        sequential![beside, Linear::new(3, 1, rng)?, Residual::new(Linear::new(1, 4, rng)?), Linear::new(4, 1, rng)?];
    let why: Vec<_> = UnitGroups::of(&stuck).groups().iter().map(|group| group.kept_because.clone().unwrap()).collect();
    assert_eq!(
        why[..3],
        ["they are inputs of the model", "the sum in 2 is of others too", "the sum in 2 is of others too"]
    );
    Ok(())
}
