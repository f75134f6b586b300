//! Further activations, small layers, initialisers and regularizers: what they refuse, and what chance makes of them.

use std::sync::Mutex;

use demotic::layers::Distribution;
use demotic::prelude::*;
use demotic::regularizers::*;

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().message()
}

#[test]
fn activations_refuse_options_that_make_no_sense() -> Result<()> {
    let x = tensor![[1.0, -2.0, 3.0]];
    assert_eq!(message(x.threshold(f64::NAN, 0.0)), "threshold: the threshold is NaN");
    assert_eq!(message(x.hardshrink(-1.0)), "hardshrink: lambda is -1, expected a number of at least 0");
    assert_eq!(message(x.softshrink(f64::NAN)), "softshrink: lambda is NaN, expected a number of at least 0");
    assert_eq!(message(x.celu(0.0)), "celu: alpha is 0, expected a positive number");
    assert_eq!(message(x.maxout(2, 1)), "maxout: dimension 1 of [1, 3] in pieces of 2");
    assert_eq!(message(x.maxout(0, 1)), "maxout: dimension 1 of [1, 3] in pieces of 0");
    assert_eq!(message(x.swiglu(1)), "swiglu: dimension 1 of [1, 3] has size 3, which has no halves");
    assert_eq!(message(x.softmin(2)), "softmax: dimension 2 is out of range for 2 dimensions (-2 ..= 1)");
    let e = message(x.prelu(&tensor![0.1, 0.2]));
    assert_eq!(e, "prelu: a weight of shape [2] for an input of shape [1, 3], expected [1] or [3]");
    assert_eq!(message(Prelu::new(0)), "Prelu::new: 0 slopes of 0.25, expected at least 1 number");
    assert_eq!(
        message(Rrelu::new(0.5, 0.1)),
        "Rrelu::new: slopes from 0.5 to 0.1, expected two numbers in their order"
    );
    let e = message(x.rrelu(0.0, f64::INFINITY, &mut Rng::seed(0)));
    assert_eq!(e, "rrelu: slopes from 0 to inf, expected two numbers in their order");
    let integers = Tensor::from_nested([2i64, -3])?;
    assert_eq!(integers.softshrink(0.5)?.to_vec::<f32>()?, [1.5, -2.5]);
    assert!(integers.prelu(&tensor![0.1]).is_err());
    Ok(())
}

#[test]
fn slopes_by_chance_lie_between_their_bounds() -> Result<()> {
    let x = Tensor::full([10_000], -1.0)?.tracked()?;
    let y = x.rrelu(0.1, 0.3, &mut Rng::seed(2))?;
    let slopes = y.neg().to_f64_vec();
    assert!(slopes.iter().all(|a| (0.1..=0.3).contains(a)));
    let mean = slopes.iter().sum::<f64>() / 1e4;
    // The mean of 10,000 numbers of deviation 0.2/√12 has one of 0.0006.
    assert!((mean - 0.2).abs() < 0.003, "{mean}");
    assert_eq!(y.sum().backward()?.wrt(&x)?.to_f64_vec(), slopes);
    assert_eq!(tensor![2.0].rrelu(0.1, 0.3, &mut Rng::seed(2))?.item()?, 2.0);
    Ok(())
}

#[test]
fn layers_refuse_what_does_not_fit() -> Result<()> {
    let mut rng = Rng::seed(0);
    let e = message(Bilinear::new(3, 0, 2, &mut rng));
    assert_eq!(e, "Bilinear::new: 3 and 0 input and 2 output features, expected at least 1 of each");
    let pairs = Bilinear::new(3, 4, 2, &mut rng)?;
    let e = message(pairs.apply(&Tensor::ones([5, 3])?, &Tensor::ones([4, 4])?));
    assert_eq!(e, "bilinear: inputs of shapes [5, 3] and [4, 4] for a weight of shape [2, 3, 4]");
    assert_eq!(
        format!("{pairs:?}, {:?}", pairs.clone().without_bias()),
        "Bilinear(3 × 4 → 2), Bilinear(3 × 4 → 2, no bias)"
    );
    let e = message(DropConnect::new(Linear::new(2, 2, &mut rng)?, 1.5));
    assert_eq!(e, "DropConnect::new: p is 1.5, expected a probability from 0 to 1");

    let empty = Parallel::new(Join::Sum);
    assert_eq!(message(empty.predict(&Tensor::ones([1, 2])?)), "parallel: there are no layers to join");
    let uneven = Parallel::new(Join::Max).with(Relu).with(Linear::new(2, 3, &mut rng)?);
    assert_eq!(message(uneven.predict(&Tensor::ones([1, 2])?)), "parallel: layer 0 gives [1, 2], layer 1 [1, 3]");
    let broken = Parallel::new(Join::Sum).with(Relu).with(Linear::new(4, 3, &mut rng)?);
    assert_eq!(broken.predict(&Tensor::ones([1, 2])?).unwrap_err().layer(), Some("1"));

    let each = TimeDistributed::new(Flatten::dims(0, -1));
    let e = message(each.predict(&Tensor::ones([2, 3, 4])?));
    assert_eq!(e, "time_distributed: 6 steps became [24]");
    let e = message(each.predict(&Tensor::ones([2])?));
    assert_eq!(e, "time_distributed: an input of shape [2], expected [batch, time, ..]");

    let failing = sequential![Lambda::new(|x| x.reshape([7]))];
    assert_eq!(failing.predict(&Tensor::ones([2])?).unwrap_err().layer(), Some("0"));
    Ok(())
}

#[test]
fn films_that_do_not_fit() -> Result<()> {
    let mut rng = Rng::seed(0);
    let e = message(ConvLstmCell::new(0, 4, 3, &mut rng));
    assert_eq!(e, "ConvLstmCell::new: 0 input channels and 4 hidden ones, expected at least 1 of each");
    assert!(ConvLstmCell::new(1, usize::MAX / 2, 3, &mut rng).is_err());
    let cell = ConvLstmCell::new(2, 3, 3, &mut rng)?;
    let mode = &mut Mode::eval();
    let e = message(cell.run(&Tensor::ones([2, 0, 2, 4, 4])?, None, mode));
    assert_eq!(e, "conv_lstm: films of shape [2, 0, 2, 4, 4], expected [n, time, channels, height, width]");
    let picture = Tensor::ones([1, 2, 4, 4])?;
    let e = message(cell.step(&Tensor::ones([1, 3, 4, 4])?, None, mode));
    assert_eq!(e, "conv_lstm: input [1, 3, 4, 4], expected 2 channels");
    assert_eq!(
        message(cell.step(&tensor![1.0], None, mode)),
        "conv_lstm: input [1], expected [n, channels, height, width]"
    );
    let state = cell.step(&picture, None, mode)?;
    assert_eq!(cell.predict(&picture)?.to_f64_vec(), state.hidden.to_f64_vec());
    let other = Tensor::ones([1, 2, 4, 5])?;
    let e = message(cell.step(&other, Some(&state), mode));
    assert_eq!(e, "conv_lstm: a state of shape [1, 3, 4, 4], expected [1, 3, 4, 5]");
    let broken = RecurrentState { cell: None, ..state };
    assert_eq!(message(cell.step(&picture, Some(&broken), mode)), "conv_lstm: a state without that of the cell");
    Ok(())
}

#[test]
fn weights_are_dropped_in_training() -> Result<()> {
    let mut rng = Rng::seed(1);
    let layer = DropConnect::new(Linear::new(100, 100, &mut rng)?, 0.3)?;
    // With an identity for input, the output is the weight.
    let eye = Tensor::eye(100)?;
    let bias = layer.bias.as_ref().unwrap().value();
    let seen = layer.forward(&eye, &mut Mode::train(&mut rng))?.sub(bias)?.t().to_f64_vec();
    let weight = layer.weight.value()?.to_f64_vec();
    let mut dropped = 0;
    for (seen, w) in seen.iter().zip(&weight) {
        // The bias was added and taken away again.
        let (gone, kept) = (seen.abs() < 1e-6, (seen - w / 0.7).abs() < 1e-6);
        assert!(gone || kept, "{seen} of {w}");
        dropped += usize::from(gone);
    }
    assert!((2850..3150).contains(&dropped), "{dropped}");
    Ok(())
}

#[test]
fn bags_refuse_what_does_not_fit() -> Result<()> {
    let words = EmbeddingBag::new(10, 3, &mut Rng::seed(0))?;
    let line = Tensor::from_nested([1i64, 2, 3])?;
    let e = words.bags(&line, None).unwrap_err();
    assert_eq!(e.message(), "embedding_bag: numbers of shape [3], expected [bags, length]");
    assert_eq!(e.help(), Some("bags of different lengths follow each other in one vector: use bags_at"));
    assert_eq!(message(words.bags_at(&line, &[0, 2, 1], None)), "embedding_bag: offset 2 is 1, after 2");
    assert_eq!(
        message(words.bags_at(&line, &[0, 4], None)),
        "embedding_bag: offsets from Some(0) to Some(4) for 3 numbers"
    );
    assert_eq!(
        message(words.bags_at(&line, &[1], None)),
        "embedding_bag: offsets from Some(1) to Some(1) for 3 numbers"
    );
    assert_eq!(message(words.bags_at(&line, &[], None)), "embedding_bag: offsets from None to None for 3 numbers");
    let e = message(words.bags_at(&line, &[0], Some(&tensor![1.0, 1.0, 1.0])));
    assert_eq!(e, "embedding_bag: weights of numbers in bags of the mode Mean");
    let e = message(words.clone().mode(BagMode::Sum).bags_at(&line, &[0], Some(&tensor![1.0])));
    assert_eq!(e, "embedding_bag: weights of shape [1] for numbers of shape [3]");
    assert_eq!(message(words.clone().padding_idx(10)), "padding_idx: the padding is row 10 of a table of 10");
    assert!(words.bags(&Tensor::from_nested([[10i64]])?, None).is_err());
    for mode in [BagMode::Sum, BagMode::Mean, BagMode::Max] {
        let bags = words.clone().mode(mode).padding_idx(0)?;
        let none = Tensor::full_dtype([2, 0], 0.0, DType::I64)?;
        assert_eq!(bags.bags(&none, None)?.to_f64_vec(), [0.0; 6], "{mode:?}");
        assert_eq!(bags.bags_at(&none.flatten(0, -1)?, &[0, 0], None)?.to_f64_vec(), [0.0; 6], "{mode:?}");
        let padding = Tensor::full_dtype([2, 4], 0.0, DType::I64)?;
        assert_eq!(bags.bags(&padding, None)?.to_f64_vec(), [0.0; 6], "{mode:?}");
    }
    Ok(())
}

#[test]
fn initialisers_refuse_what_makes_no_sense() {
    let of = |init: Init, shape: &[usize]| message(init.tensor(shape, &mut Rng::seed(0)));
    let scaling = |scale| Init::VarianceScaling { scale, fan: Fan::In, distribution: Distribution::Normal };
    assert_eq!(of(scaling(0.0), &[2, 2]), "init: scale is 0, expected a positive number");
    assert_eq!(of(Init::lecun_normal(), &[2]), "init: shape [2] has no numbers of inputs and outputs");
    let sparse = |sparsity| Init::Sparse { sparsity, std: 0.1 };
    assert_eq!(of(sparse(1.5), &[2, 2]), "sparse: sparsity is 1.5, expected a number from 0 to 1");
    assert_eq!(of(sparse(0.5), &[2, 2, 2]), "sparse: shape [2, 2, 2], expected [rows, columns]");
    assert_eq!(of(Init::dirac(), &[2]), "dirac: shape [2], expected [out, in, kernel..]");
    assert_eq!(
        of(Init::Dirac { groups: 2 }, &[3, 1, 3]),
        "dirac: 2 groups of 3 outputs, expected a number that divides them"
    );
    assert_eq!(
        of(Init::Dirac { groups: 0 }, &[3, 1, 3]),
        "dirac: 0 groups of 3 outputs, expected a number that divides them"
    );
    assert_eq!(of(Init::Identity { gain: 1.0 }, &[3]), "identity: shape [3], expected [rows, columns]");
    let e = of(Init::DeltaOrthogonal { gain: 1.0 }, &[2, 3, 3]);
    assert_eq!(e, "delta_orthogonal: 3 inputs and 2 outputs, expected at least as many outputs");
}

#[test]
fn sparse_columns_have_their_share_of_zeros() -> Result<()> {
    let w = Init::Sparse { sparsity: 0.31, std: 2.0 }.tensor(&[50, 200], &mut Rng::seed(0))?;
    let zeros = w.eq_scalar(0.0).to_dtype(DType::F32).sum_dims(&[0], false)?.to_f64_vec();
    // 15.5 zeros, rounded up.
    assert!(zeros.iter().all(|n| *n == 16.0), "{zeros:?}");
    let others: Vec<f64> = w.to_f64_vec().into_iter().filter(|x| *x != 0.0).collect();
    let std = (others.iter().map(|x| x * x).sum::<f64>() / others.len() as f64).sqrt();
    // The deviation of so many normal numbers has one of 1 in √(2 n).
    assert!((std / 2.0 - 1.0).abs() < 5.0 / (2.0 * others.len() as f64).sqrt(), "{std}");
    // Each row is among the zeros now and then.
    let rows = w.eq_scalar(0.0).to_dtype(DType::F32).sum_dims(&[1], false)?.to_f64_vec();
    assert!(rows.iter().all(|n| (30.0..100.0).contains(n)), "{rows:?}");
    Ok(())
}

#[test]
fn a_delta_orthogonal_convolution_keeps_lengths() -> Result<()> {
    let w = Init::DeltaOrthogonal { gain: 2.0 }.tensor(&[6, 4, 3, 5], &mut Rng::seed(0))?;
    let middle = w.select(3, 2)?.select(2, 1)?;
    let products = middle.t().matmul(&middle)?;
    let off = products.sub(&Tensor::eye(4)?.mul_scalar(4.0))?.abs().max()?.item()?;
    assert!(off < 1e-5, "{off}");
    assert_eq!(w.abs().sum().item()?, middle.abs().sum().item()?);
    assert!(Init::DeltaOrthogonal { gain: 1.0 }.tensor(&[2, 2, 0], &mut Rng::seed(0))?.is_empty());
    assert!(Init::dirac().tensor(&[2, 0, 3], &mut Rng::seed(0))?.is_empty());
    Ok(())
}

#[test]
fn penalties_and_constraints_say_what_is_missing() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = sequential![Linear::new(3, 4, &mut rng)?, Relu];
    let e = message(Orthogonality::new(-1.0).penalty(&model));
    assert_eq!(e, "Orthogonality: the strength is -1, expected a finite number that is not negative");
    let e = message(Orthogonality::new(1.0).on("0.bias").penalty(&model));
    assert_eq!(e, "Orthogonality: no parameter matches `0.bias`");
    assert_eq!(message(UnitNorm::new().on("nothing").apply(&mut model)), "UnitNorm: no parameter matches `nothing`");
    let mut broken = Param::new(tensor![[f32::NAN, 1.0]])?;
    assert_eq!(message(UnitNorm::new().apply(&mut broken)), "UnitNorm: the norm of row 0 is NaN");
    UnitNorm::new().on("0.weight").apply(&mut model)?;
    let norms = model.named_parameters().remove(0).1.norm_dims(2.0, &[1], false)?.to_f64_vec();
    assert!(norms.iter().all(|norm| (norm - 1.0).abs() < 1e-6), "{norms:?}");

    let mut penalty = ActivityPenalty::new(0.1, 0.0).on("7");
    let e = penalty.take().unwrap_err();
    assert_eq!(e.message(), "ActivityPenalty: no layer was heard that matches `7`");
    assert_eq!(e.help(), Some("run the model with `Mode::train(&mut rng).with_hooks(&mut penalty)` first"));
    let mut all = ActivityPenalty::new(1.0, 0.0);
    assert_eq!(message(all.take()), "ActivityPenalty: no layer was heard");
    model.forward(&Tensor::ones([2, 3])?, &mut Mode::eval().with_hooks(&mut all))?;
    assert!(all.take()?.item()? > 0.0);
    assert!(all.take().is_err());
    let mut negative = ActivityPenalty::new(-1.0, 0.0);
    assert_eq!(
        message(negative.take()),
        "ActivityPenalty: the strength is -1, expected a finite number that is not negative"
    );
    Ok(())
}

#[test]
fn mixtures_of_examples() -> Result<()> {
    let mut rng = Rng::seed(5);
    let x = Tensor::arange(6)?.to_dtype(DType::F32).unsqueeze(1)?.broadcast_to([6, 2])?;
    let mixture = Mixup::new(0.4).draw(6, &mut rng)?;
    let mixed = mixture.of(&x)?.to_f64_vec();
    for (i, partner) in mixture.partners().iter().enumerate() {
        let expected = mixture.share() * i as f64 + (1.0 - mixture.share()) * *partner as f64;
        assert!((mixed[2 * i] - expected).abs() < 1e-6);
    }
    let labels = Tensor::from_nested([0i64, 1, 2, 0, 1, 2])?;
    let soft = mixture.of_classes(&labels, 3)?;
    assert!(soft.sum_dims(&[1], false)?.to_f64_vec().iter().all(|sum| (sum - 1.0).abs() < 1e-6));
    assert_eq!(
        message(mixture.of(&Tensor::ones([5, 2])?)),
        "Mixture: a mixture of 6 examples for a tensor of shape [5, 2]"
    );
    assert_eq!(message(Mixup::new(0.0).draw(6, &mut rng)), "Mixup: alpha is 0, expected a finite number above 0");
    assert!(mixture.of_classes(&labels, 2).is_err());
    // Beta(α, α) has mean ½ and variance 1 / (4 (2 α + 1)).
    for alpha in [0.2, 1.0, 5.0] {
        let shares: Vec<f64> = (0..4000).map(|_| Mixup::new(alpha).draw(1, &mut rng).unwrap().share()).collect();
        let mean = shares.iter().sum::<f64>() / 4000.0;
        let variance = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / 4000.0;
        let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
        assert!((mean - 0.5).abs() < 5.0 * (expected / 4000.0).sqrt(), "{alpha}: {mean}");
        assert!((variance / expected - 1.0).abs() < 0.1, "{alpha}: {variance}, not {expected}");
    }
    for alpha in [f64::MIN_POSITIVE, 1e-300, 1e300, f64::MAX] {
        for _ in 0..10 {
            let share = Mixup::new(alpha).draw(1, &mut rng)?.share();
            assert!((0.0..=1.0).contains(&share), "{alpha}: {share}");
        }
    }
    Ok(())
}

#[test]
fn rectangles_of_other_pictures() -> Result<()> {
    let mut rng = Rng::seed(7);
    // Every pixel says which picture it is from.
    let numbers = Tensor::arange(5)?.to_dtype(DType::F32).reshape([5, 1, 1, 1])?;
    let pictures = numbers.broadcast_to([5, 2, 8, 12])?.contiguous();
    for _ in 0..20 {
        let (mixed, mixture) = CutMix::new(1.0).apply(&pictures, &mut rng)?;
        let own = mixed.eq(&pictures)?.to_dtype(DType::F32).mean_dims(&[1, 2, 3], false)?.to_f64_vec();
        for (i, partner) in mixture.partners().iter().enumerate() {
            let expected = if *partner == i { 1.0 } else { mixture.share() };
            assert!((own[i] - expected).abs() < 1e-6, "{own:?} {mixture:?}");
        }
    }
    let e = message(CutMix::new(1.0).apply(&Tensor::ones([3, 4])?, &mut rng));
    assert_eq!(e, "CutMix: pictures of shape [3, 4], expected [n, .., height, width]");
    assert_eq!(
        message(CutMix::new(f64::NAN).apply(&pictures, &mut rng)),
        "CutMix: alpha is NaN, expected a finite number above 0"
    );
    Ok(())
}

#[test]
fn holes_in_pictures() -> Result<()> {
    let mut rng = Rng::seed(8);
    let pictures = Tensor::ones([50, 3, 10, 14])?;
    let holes = Cutout::new(4).apply(&pictures, &mut rng)?;
    let zeros = holes.eq_scalar(0.0).to_dtype(DType::F32).sum_dims(&[1, 2, 3], false)?.to_f64_vec();
    assert!(zeros.iter().all(|n| (3.0 * 4.0..=3.0 * 16.0).contains(n)), "{zeros:?}");
    assert!(zeros.contains(&48.0));
    assert_eq!(Cutout::new(0).apply(&pictures, &mut rng)?.sum().item()?, pictures.sum().item()?);
    assert_eq!(Cutout::new(usize::MAX).apply(&pictures, &mut rng)?.sum().item()?, 0.0);

    let erased = RandomErasing::new().value(5.0).apply(&pictures, &mut rng)?;
    let shares = erased.eq_scalar(5.0).to_dtype(DType::F32).mean_dims(&[1, 2, 3], false)?.to_f64_vec();
    let hit = shares.iter().filter(|share| **share > 0.0).count();
    assert!((13..=37).contains(&hit), "{hit}");
    // Sides are whole numbers.
    assert!(shares.iter().all(|share| *share < 0.45), "{shares:?}");
    let e = message(RandomErasing::new().p(2.0).apply(&pictures, &mut rng));
    assert_eq!(e, "RandomErasing: p 2, areas 0.02 to 0.33, ratios 0.3 to 3.3, value 0");
    for wrong in [
        RandomErasing::new().area(0.5, 0.1),
        RandomErasing::new().area(f64::NAN, 0.1),
        RandomErasing::new().ratio(0.0, 1.0),
        RandomErasing::new().ratio(1.0, f64::INFINITY),
        RandomErasing::new().value(f64::NAN),
    ] {
        assert_eq!(wrong.apply(&pictures, &mut rng).unwrap_err().kind(), ErrorKind::Argument, "{wrong:?}");
    }
    assert!(RandomErasing::new().apply(&Tensor::ones([0, 3, 4, 4])?, &mut rng).is_err());
    Ok(())
}

#[test]
fn labels_that_are_wrong_now_and_then() -> Result<()> {
    let mut rng = Rng::seed(9);
    let labels = Tensor::from_nested([2i64, -100])?.repeat(&[5000])?;
    let noisy = LabelNoise::new(0.3).classes(&labels, 4, &mut rng)?.to_vec::<i64>()?;
    assert!(noisy.iter().skip(1).step_by(2).all(|label| *label == -100));
    for class in [0, 1, 3] {
        let n = noisy.iter().filter(|label| **label == class).count() as f64;
        // 5000 · 0.3 / 4, with a deviation of about 19.
        assert!((n - 375.0).abs() < 95.0, "{class}: {n}");
    }
    let e = message(LabelNoise::new(0.5).classes(&Tensor::from_nested([1i64, 4])?, 4, &mut rng));
    assert_eq!(e, "LabelNoise: target 1 is class 4 of 4 (0 ..= 3)");
    let e = message(LabelNoise::new(1.5).classes(&labels, 4, &mut rng));
    assert_eq!(e, "LabelNoise: strength 1.5 for 4 classes, expected a probability, and a class");
    assert!(LabelNoise::new(0.5).classes(&labels, 0, &mut rng).is_err());
    assert!(LabelNoise::new(0.5).numbers(&labels, &mut rng).is_err());
    assert!(LabelNoise::new(-0.5).numbers(&tensor![1.0], &mut rng).is_err());
    let moved = LabelNoise::new(0.5).numbers(&Tensor::full([4000], 3.0)?, &mut rng)?;
    assert!((moved.mean().item()? - 3.0).abs() < 0.04 && (moved.std(1.0).item()? - 0.5).abs() < 0.03);
    Ok(())
}

#[test]
fn mixtures_inside_of_a_model() -> Result<()> {
    let mut rng = Rng::seed(10);
    let model = sequential![Linear::new(3, 3, &mut rng)?, Tanh, Linear::new(3, 2, &mut rng)?];
    let x = Tensor::normal([5, 3], 0.0, 1.0, &mut rng)?;
    let mut mixup = ManifoldMixup::new(2.0, ["1"]);
    let mixture = mixup.draw(5, &mut rng)?;
    let got = model.forward(&x, &mut Mode::train(&mut rng).with_hooks(&mut mixup))?;
    let parts: Vec<&dyn Layer> = model.iter().collect();
    let hidden = parts[1].predict(&parts[0].predict(&x)?)?;
    let expected = parts[2].predict(&mixture.of(&hidden)?)?;
    assert!(got.sub(&expected)?.abs().max()?.item()? < 1e-6);
    // Once for each draw.
    let again = model.forward(&x, &mut Mode::train(&mut rng).with_hooks(&mut mixup))?;
    assert_eq!(again.to_f64_vec(), model.predict(&x)?.to_f64_vec());
    let mut none = ManifoldMixup::new(2.0, Vec::<String>::new());
    assert_eq!(message(none.draw(5, &mut rng)), "ManifoldMixup: there are no layers to mix the outputs of");
    Ok(())
}

/// What a closure sees is what was given to the layer, and it may remember it.
#[test]
fn functions_are_layers() -> Result<()> {
    static SEEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let model = sequential![
        Lambda::new(|x| {
            SEEN.lock().unwrap().push(x.numel());
            Ok(x.mul_scalar(2.0))
        }),
        Relu
    ];
    let copy = model.clone();
    assert_eq!(copy.predict(&tensor![1.0, -1.0])?.to_vec::<f32>()?, [2.0, 0.0]);
    assert_eq!(*SEEN.lock().unwrap(), [2]);
    assert_eq!(model.num_parameters(), 0);
    assert_eq!(format!("{model:?}"), "[Lambda, Relu]");
    Ok(())
}
