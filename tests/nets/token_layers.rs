//! The layers between tokens and predictions (norms, embeddings, positions): errors word for word, printed forms,
//! summaries, files.

use demotic::prelude::*;

#[track_caller]
fn fails<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, message: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.message().as_str(), error.kind()), (message, kind));
    assert!(error.to_string().contains("tests/nets/token_layers.rs"), "not the caller's line: {error}");
}

#[test]
fn norms_of_what_does_not_fit() -> Result<()> {
    let x = Tensor::ones([2, 3])?;
    let (shape, argument) = (ErrorKind::Shape, ErrorKind::Argument);
    let message = "layer_norm: the input [2, 3] does not end in the normalized shape [2]";
    fails(x.layer_norm(&[2], None, None, 1e-5), shape, message);
    let message = "rms_norm: the input [2, 3] does not end in the normalized shape [4, 2, 3]";
    fails(x.rms_norm(&[4, 2, 3], None, 1e-5), shape, message);
    let message = "layer_norm: the normalized shape [] has no elements to take a mean of";
    fails(x.layer_norm(&[], None, None, 1e-5), argument, message);
    let message = "rms_norm: the normalized shape [0] has no elements to take a mean of";
    fails(Tensor::ones([2, 0])?.rms_norm(&[0], None, 1e-5), argument, message);
    let (two, three) = (Tensor::ones([2])?, Tensor::ones([3])?);
    let message = "layer_norm: a weight of shape [2] for the normalized shape [3]";
    fails(x.layer_norm(&[3], Some(&two), Some(&three), 1e-5), shape, message);
    let message = "layer_norm: a bias of shape [2] for the normalized shape [3]";
    fails(x.layer_norm(&[3], None, Some(&two), 1e-5), shape, message);
    let message = "rms_norm: the weight must be f32, not f64";
    fails(x.rms_norm(&[3], Some(&three.to_dtype(DType::F64)), 1e-5), ErrorKind::DType, message);
    let message = "layer_norm: the input must be f32 or f64, not i64";
    fails(x.to_dtype(DType::I64).layer_norm(&[3], None, None, 1e-5), ErrorKind::DType, message);
    for eps in [-1e-5, f64::NAN, f64::INFINITY] {
        let message = format!("layer_norm: eps is {eps}, expected a number from 0 on");
        fails(x.layer_norm(&[3], None, None, eps), argument, &message);
    }
    let message = "LayerNorm::new: the normalized shape [3, 0] has no elements to take a mean of";
    fails(LayerNorm::new([3, 0]), argument, message);
    let message = "RmsNorm::new: the normalized shape [] has no elements to take a mean of";
    fails(RmsNorm::new(()), argument, message);
    let message = "rms_norm: the input [2, 3] does not end in the normalized shape [4]";
    fails(RmsNorm::new(4)?.predict(&x), shape, message);
    assert!(LayerNorm::new(usize::MAX).is_err() && RmsNorm::new([usize::MAX, 2]).is_err());
    Ok(())
}

#[test]
fn norms_print_their_options() -> Result<()> {
    assert_eq!(format!("{:?}", LayerNorm::new([3, 4])?), "LayerNorm([3, 4], eps 1e-5)");
    assert_eq!(format!("{:?}", LayerNorm::new(4)?.eps(0.5).without_bias()), "LayerNorm([4], eps 5e-1, no bias)");
    assert_eq!(format!("{:?}", LayerNorm::new(4)?.without_affine()), "LayerNorm([4], eps 1e-5, no weight, no bias)");
    assert_eq!(format!("{:?}", RmsNorm::new(4)?), "RmsNorm([4])");
    assert_eq!(format!("{:?}", RmsNorm::new(4)?.eps(1e-6).without_affine()), "RmsNorm([4], eps 1e-6, no weight)");
    assert_eq!(format!("{:?}", RmsNorm::new(4)?.unit_offset()?), "RmsNorm([4], 1 + weight)");
    Ok(())
}

#[test]
fn norms_in_summaries_and_files() -> Result<()> {
    let mut model = sequential![LayerNorm::new(4)?, RmsNorm::new(4)?];
    assert_eq!(
        model.summary([5, 4])?.to_string(),
        "\
Sequential [5, 4] → [5, 4]
───────────────────────────────────────
layer          output shape  parameters
0 (LayerNorm)  [5, 4]                 8
1 (RmsNorm)    [5, 4]                 4
───────────────────────────────────────
12 parameters, 12 trainable, 0 frozen; 0.0 KiB"
    );
    let x = tensor![[1.0, -2.0, 0.5, 3.0]];
    let loss = model.forward(&x, &mut Mode::eval())?.mul(&tensor![1.0, 2.0, 3.0, 4.0])?.sum();
    Sgd::new(0.1).step(&mut model, &loss.backward()?)?;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("norms.safetensors");
    model.save(&file)?;
    let mut other = sequential![LayerNorm::new(4)?, RmsNorm::new(4)?];
    other.load(&file)?;
    assert_eq!(other.predict(&x)?.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn ids_that_are_not_in_the_table() -> Result<()> {
    let table = Tensor::ones([5, 2])?;
    let ids = Tensor::from_nested([[0i64, 4, 1], [2, 7, 9]])?;
    let e = ids.embedding(&table, None).unwrap_err();
    assert_eq!(e.message(), "embedding: id 7 at [1, 1] of the ids [2, 3] is not in the table of 5 rows");
    assert_eq!(e.kind(), ErrorKind::Index);
    assert_eq!(e.help(), Some("ids count from 0, and the table needs a row for every entry of the vocabulary"));
    let negative = Tensor::from_nested([-1i64])?;
    let message = "embedding: id -1 at [0] of the ids [1] is not in the table of 5 rows";
    fails(Embedding::from_pretrained(&table, true)?.predict(&negative), ErrorKind::Index, message);
    let message = "embedding: id 0 at [] of the ids [] is not in the table of 0 rows";
    fails(Tensor::from_vec(vec![0i64], ())?.embedding(&Tensor::ones([0, 2])?, None), ErrorKind::Index, message);
    let message = "embedding: the ids must be i64, not f32";
    fails(table.embedding(&table, None), ErrorKind::DType, message);
    let message = "embedding: a table of shape [5], expected [n, dim]";
    fails(ids.embedding(&Tensor::ones([5])?, None), ErrorKind::Shape, message);
    let message = "embedding: the padding is row 5 of a table of 5";
    fails(ids.embedding(&table, Some(5)), ErrorKind::Argument, message);
    let many = Tensor::zeros([1; 8])?.to_dtype(DType::I64);
    fails(many.embedding(&table, None), ErrorKind::Shape, "embedding: 9 dimensions, at most 8 are supported");
    Ok(())
}

#[test]
fn embeddings_with_options_that_make_no_sense() -> Result<()> {
    let mut rng = Rng::seed(0);
    let message = "Embedding::new: 0 vectors of 4 numbers, expected at least 1 of each";
    fails(Embedding::new(0, 4, &mut rng), ErrorKind::Argument, message);
    assert!(Embedding::new(usize::MAX, 2, &mut rng).is_err());
    let message = "padding_idx: the padding is row 3 of a table of 3";
    fails(Embedding::new(3, 4, &mut rng)?.padding_idx(3), ErrorKind::Argument, message);
    let message = "Embedding::from_pretrained: a table of shape [3], expected [num_embeddings, dim]";
    fails(Embedding::from_pretrained(&Tensor::ones([3])?, false), ErrorKind::Shape, message);
    Ok(())
}

#[test]
fn the_padding_is_zero_and_stays_so() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut layer = Embedding::new(4, 3, &mut rng)?.padding_idx(1)?;
    assert_eq!(format!("{layer:?}"), "Embedding(4 → 3, padding 1)");
    let row = |layer: &Embedding, i| layer.weight.value()?.select(0, i)?.to_vec::<f32>();
    assert_eq!(row(&layer, 1)?, [0.0; 3]);
    let before = layer.clone();
    let ids = Tensor::from_nested([1i64, 2, 1])?;
    let loss = layer.forward(&ids, &mut Mode::eval())?.sum();
    Sgd::new(0.1).step(&mut layer, &loss.backward()?)?;
    assert_eq!(row(&layer, 1)?, [0.0; 3]);
    assert_eq!(row(&layer, 0)?, row(&before, 0)?);
    assert_ne!(row(&layer, 2)?, row(&before, 2)?);
    let layer = layer.with_init(Init::Normal { mean: 0.0, std: 0.02 }, &mut rng)?;
    assert_eq!(row(&layer, 1)?, [0.0; 3]);
    assert!(layer.weight.value()?.abs().max()?.item()? < 0.2);
    Ok(())
}

#[test]
fn embeddings_with_given_vectors() -> Result<()> {
    let weight = tensor![[1.0, 2.0], [3.0, 4.0]];
    let layer = Embedding::from_pretrained(&weight, true)?;
    assert_eq!((layer.num_embeddings(), layer.dim(), layer.num_trainable_parameters()), (2, 2, 0));
    assert_eq!(layer.predict(&Tensor::from_nested([1i64])?)?.to_vec::<f32>()?, [3.0, 4.0]);
    assert_eq!(Embedding::from_pretrained(&weight, false)?.num_trainable_parameters(), 4);
    Ok(())
}

/// The lengths of the rows of a table.
fn lengths(layer: &Embedding, p: f64) -> Result<Vec<f64>> {
    Ok(layer.weight.value()?.norm_dims(p, &[1], false)?.to_f64_vec())
}

#[track_caller]
fn expect_within(layer: &Embedding, p: f64, max_norm: f64) {
    let lengths = lengths(layer, p).unwrap();
    assert!(lengths.iter().all(|length| *length <= max_norm), "{lengths:?}");
}

#[test]
fn embeddings_are_never_too_long() -> Result<()> {
    let mut rng = Rng::seed(0);
    let ids = Tensor::from_nested([0i64, 1, 2, 3, 4])?;
    for (p, max_norm) in [(1.0, 1.0), (2.0, 0.7), (3.0, 2.5), (f64::INFINITY, 0.5)] {
        for dtype in [DType::F32, DType::F64] {
            let weight = Tensor::normal([5, 6], 0.0, 3.0, &mut rng)?.to_dtype(dtype);
            let mut layer =
                Embedding::from_pretrained(&weight, false)?.norm_type(p)?.padding_idx(1)?.max_norm(max_norm)?;
            let limit = Tensor::full_dtype([], max_norm, dtype)?.item()?;
            expect_within(&layer, p, limit);
            let mut copy = layer.clone();
            let mut opt = Adam::new(0.5);
            for layer in [&mut layer, &mut copy] {
                for _ in 0..3 {
                    let grads = layer.forward(&ids, &mut Mode::eval())?.exp().sum().backward()?;
                    opt.step(layer, &grads)?;
                    expect_within(layer, p, limit);
                    // The padding is as short as can be.
                    assert_eq!(layer.weight.value()?.select(0, 1)?.to_f64_vec(), [0.0; 6]);
                }
            }
            layer.weight.set(&weight.transpose(0, 1)?.contiguous().transpose(0, 1)?)?;
            layer.constrain();
            expect_within(&layer, p, limit);
            // At the limit, not below it.
            assert!(lengths(&layer, p)?.iter().all(|length| *length > 0.999_999 * limit));
        }
    }
    let layer = Embedding::new(4, 3, &mut rng)?.max_norm(0.0)?.with_init(Init::Constant(1.0), &mut rng)?;
    assert_eq!(layer.weight.value()?.to_vec::<f32>()?, [0.0; 12]);
    Ok(())
}

#[test]
fn files_fill_embeddings_up_to_their_limits() -> Result<()> {
    let mut rng = Rng::seed(1);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("embedding.safetensors");
    Embedding::new(50, 20, &mut rng)?.save(&file)?;
    let mut layer = Embedding::new(50, 20, &mut rng)?.max_norm(2.0)?;
    // Frozen or not.
    layer.freeze("weight")?;
    layer.load(&file)?;
    expect_within(&layer, 2.0, 2.0);
    // What was saved within the limits is loaded as it was.
    let saved = layer.weight.value()?.to_vec::<f32>()?;
    layer.save(&file)?;
    layer.unfreeze("weight")?;
    layer.load(&file)?;
    assert_eq!(layer.weight.value()?.to_vec::<f32>()?, saved);
    let fixed = Embedding::from_pretrained(&tensor![[3.0, 4.0]], true)?.max_norm(1.0)?;
    assert_eq!((fixed.weight.value()?.to_vec::<f32>()?, fixed.num_trainable_parameters()), (vec![0.6, 0.8], 0));
    // No limit says anything of numbers that are none.
    let mut layer = Embedding::from_pretrained(&tensor![[3.0, 4.0]], false)?.max_norm(1.0)?;
    layer.weight.set(&tensor![[f32::NAN, 4.0]])?;
    assert_eq!(layer.weight.value()?.to_string(), tensor![[f32::NAN, 4.0]].to_string());
    Ok(())
}

#[test]
fn limits_of_embeddings_that_make_no_sense() -> Result<()> {
    let mut rng = Rng::seed(0);
    let layer = Embedding::new(3, 2, &mut rng)?;
    for max_norm in [-1.0, f64::NAN, f64::INFINITY] {
        let message = format!("max_norm: max_norm is {max_norm}, expected a number from 0 on");
        fails(layer.clone().max_norm(max_norm), ErrorKind::Argument, &message);
    }
    for p in [0.0, -2.0, f64::NAN] {
        let message = format!("norm_type: p is {p}, expected a number above 0");
        fails(layer.clone().norm_type(p), ErrorKind::Argument, &message);
    }
    let limited = layer.norm_type(1.0)?.max_norm(0.5)?;
    assert_eq!(format!("{limited:?}"), "Embedding(3 → 2, 1-norms up to 0.5)");
    let e = limited.clone().norm_type(2.0).unwrap_err();
    assert_eq!(e.message(), "norm_type: the vectors were shortened by their 1-norms already");
    assert_eq!(e.help(), Some("call norm_type before max_norm"));
    let all = limited.max_norm(0.25)?.padding_idx(0)?.scale_grad_by_freq();
    assert_eq!(format!("{all:?}"), "Embedding(3 → 2, padding 0, 1-norms up to 0.25, gradients by frequency)");
    Ok(())
}

#[test]
fn a_summary_of_a_model_that_takes_ids() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = sequential![Embedding::new(10, 4, &mut rng)?, Linear::new(4, 2, &mut rng)?];
    assert_eq!(
        model.summary([2, 3])?.to_string(),
        "\
Sequential [2, 3] → [2, 3, 2]
───────────────────────────────────────
layer          output shape  parameters
0 (Embedding)  [2, 3, 4]             40
1 (Linear)     [2, 3, 2]             10
───────────────────────────────────────
50 parameters, 50 trainable, 0 frozen; 0.2 KiB"
    );
    Ok(())
}

/// A gradient that has already arrived is added to in place; one that has not is made.
#[test]
fn an_embedding_that_is_also_the_head() -> Result<()> {
    let mut rng = Rng::seed(0);
    let weight = Tensor::normal([50, 20], 0.0, 1.0, &mut rng)?.tracked()?;
    let ids = Tensor::from_vec((0..64).map(|i| i * 7 % 50).collect::<Vec<i64>>(), [4, 16])?;
    let loss = ids.embedding(&weight, Some(7))?.linear(&weight, None)?.square().mean();
    let tied = loss.backward()?.wrt(&weight)?.clone();
    let copy = weight.detach().tracked()?;
    let loss = ids.embedding(&weight, Some(7))?.linear(&copy, None)?.square().mean();
    let grads = loss.backward()?;
    let sum = grads.wrt(&weight)?.add(grads.wrt(&copy)?)?;
    assert!(tied.sub(&sum)?.abs().max()?.item()? < 1e-5 * sum.abs().max()?.item()?);
    Ok(())
}

#[test]
fn positions_that_do_not_fit() -> Result<()> {
    let mut rng = Rng::seed(0);
    let (shape, argument, index) = (ErrorKind::Shape, ErrorKind::Argument, ErrorKind::Index);
    let learned = LearnedPositions::new(5, 4, &mut rng)?;
    let x = Tensor::zeros([2, 3, 4])?;
    let message = "LearnedPositions: 3 steps from position 3 on, but there are 5 positions";
    fails(learned.forward_at(&x, 3), index, message);
    let e = learned.forward_at(&x, usize::MAX).unwrap_err();
    assert_eq!(e.help(), Some("shorten the input, or make the layer for longer sequences"));
    let message = "SinusoidalPositions: 3 steps from position 0 on, but there are 2 positions";
    fails(SinusoidalPositions::new(2, 4)?.predict(&x), index, message);
    let message = "RotaryPositions: the input [2, 3, 4] has 4 features, the positions have 6";
    fails(RotaryPositions::new(5, 6)?.predict(&x), shape, message);
    let message = "LearnedPositions: the input has shape [4], expected [.., T, 4]";
    fails(learned.predict(&Tensor::zeros([4])?), shape, message);
    let message = "LearnedPositions: the input must be f32, not f64";
    fails(learned.predict(&x.to_dtype(DType::F64)), ErrorKind::DType, message);
    let message = "RotaryPositions: the input must be f32 or f64, not i64";
    fails(RotaryPositions::new(5, 4)?.predict(&x.to_dtype(DType::I64)), ErrorKind::DType, message);

    let message = "SinusoidalPositions::new: 0 positions with 4 features, expected at least 1 of each";
    fails(SinusoidalPositions::new(0, 4), argument, message);
    let message = "LearnedPositions::new: 4 positions with 0 features, expected at least 1 of each";
    fails(LearnedPositions::new(4, 0, &mut rng), argument, message);
    let message = "RotaryPositions::new: 5 of 5 features, expected an even number of them";
    fails(RotaryPositions::new(4, 5), argument, message);
    let message = "dims: 6 of 4 features, expected an even number of them";
    fails(RotaryPositions::new(5, 4)?.dims(6), argument, message);
    for base in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let message = format!("base: the base is {base}, expected a positive number");
        fails(RotaryPositions::new(5, 4)?.base(base), argument, &message);
    }
    for huge in [usize::MAX, usize::MAX / 64] {
        assert!(SinusoidalPositions::new(huge, 4).is_err() && SinusoidalPositions::new(4, huge).is_err());
        assert!(RotaryPositions::new(huge, 4).is_err() && RotaryPositions::new(4, huge - 1).is_err());
        assert!(LearnedPositions::new(huge, 4, &mut rng).is_err());
    }
    Ok(())
}

#[test]
fn rotations_that_do_not_fit() -> Result<()> {
    let (x, angles) = (Tensor::zeros([2, 3, 4])?, Tensor::zeros([3, 2])?);
    let e = x.rotary(&angles, &Tensor::zeros([3, 1])?, false).unwrap_err();
    assert_eq!(e.message(), "rotary: cosines [3, 2] and sines [3, 1] for the input [2, 3, 4]");
    assert_eq!(e.help(), Some("both must be [3, n] with at most 2 pairs"));
    let many = Tensor::zeros([3, 3])?;
    let message = "rotary: cosines [3, 3] and sines [3, 3] for the input [2, 3, 4]";
    fails(x.rotary(&many, &many, true), ErrorKind::Shape, message);
    let message = "rotary: the input has shape [4], expected [.., T, head_dim]";
    fails(Tensor::zeros([4])?.rotary(&angles, &angles, true), ErrorKind::Shape, message);
    let message = "rotary: the sines are tracked, but have no gradient here";
    fails(x.rotary(&angles, &angles.tracked()?, true), ErrorKind::Gradient, message);
    let message = "rotary: the cosines must be f32, not f64";
    fails(x.rotary(&angles.to_dtype(DType::F64), &angles, true), ErrorKind::DType, message);
    Ok(())
}

#[test]
fn positions_print_their_options() -> Result<()> {
    let mut rng = Rng::seed(0);
    assert_eq!(format!("{:?}", SinusoidalPositions::new(9, 4)?), "SinusoidalPositions(9 × 4)");
    let learned = LearnedPositions::new(9, 4, &mut rng)?.with_init(Init::Constant(0.5), &mut rng)?;
    assert_eq!(format!("{learned:?}"), "LearnedPositions(9 × 4)");
    assert_eq!(learned.predict(&Tensor::zeros([1, 4])?)?.to_vec::<f32>()?, [0.5; 4]);
    assert_eq!(format!("{:?}", RotaryPositions::new(9, 4)?), "RotaryPositions(9 × 4, base 10000)");
    let rotary = RotaryPositions::new(9, 4)?.dims(2)?.base(500.0)?.interleaved();
    assert_eq!(format!("{rotary:?}"), "RotaryPositions(9 × 4, 2 of them turn, base 500, interleaved)");
    let model = sequential![SinusoidalPositions::new(9, 4)?, learned, rotary];
    assert_eq!(model.named_parameters()[0].0, "1.weight");
    assert_eq!(model.summary([2, 9, 4])?.rows()[1].output, Some(vec![2, 9, 4]));
    Ok(())
}

/// Continuing a sequence gives what the whole sequence gives.
#[test]
fn offsets_continue_sequences() -> Result<()> {
    let mut rng = Rng::seed(0);
    let x = Tensor::normal([2, 7, 6], 0.0, 1.0, &mut rng)?;
    let learned = LearnedPositions::new(7, 6, &mut rng)?;
    let (waves, rotary) = (SinusoidalPositions::new(7, 6)?, RotaryPositions::new(7, 6)?);
    check_continuation(&x, |x, at| learned.forward_at(x, at))?;
    check_continuation(&x, |x, at| waves.forward_at(x, at))?;
    check_continuation(&x, |x, at| rotary.forward_at(x, at))
}

fn check_continuation(x: &Tensor, forward_at: impl Fn(&Tensor, usize) -> Result<Tensor>) -> Result<()> {
    let parts = [forward_at(&x.narrow(1, 0, 4)?, 0)?, forward_at(&x.narrow(1, 4, 3)?, 4)?];
    let whole = forward_at(x, 0)?;
    assert_eq!(Tensor::cat(&[&parts[0], &parts[1]], 1)?.to_vec::<f32>()?, whole.to_vec::<f32>()?);
    Ok(())
}
