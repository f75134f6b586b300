//! The layers between tokens and predictions (norms, embeddings, positions): errors word for word, printed forms,
//! summaries, files.

use demotic::prelude::*;

#[track_caller]
fn fails<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, message: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.message().as_str(), error.kind()), (message, kind));
    assert!(error.to_string().contains("tests/token_layers.rs"), "not the caller's line: {error}");
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
    let loss = model.forward(&x, &mut Mode::Eval)?.mul(&tensor![1.0, 2.0, 3.0, 4.0])?.sum();
    Sgd::new(0.1).step(&mut model, &loss.backward()?)?;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("norms.safetensors");
    model.save(&file)?;
    let mut other = sequential![LayerNorm::new(4)?, RmsNorm::new(4)?];
    other.load(&file)?;
    assert_eq!(other.predict(&x)?.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?);
    Ok(())
}
