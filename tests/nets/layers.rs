//! Models as values: names, freezing, cloning, sharing, dropout, initial values, summaries, and errors.

use demotic::layers::{Summary, share};
use demotic::prelude::*;

#[derive(Clone)]
struct Net {
    body: Sequential,
    head: Linear,
}

module!(Net { body, head });

impl Layer for Net {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let hidden = self.body.at("body", x, mode)?;
        self.head.at("head", &hidden, mode)
    }
}

fn net(rng: &mut Rng) -> Result<Net> {
    let body = sequential![Linear::new(4, 8, rng)?, Relu, Residual::new(sequential![Linear::new(8, 8, rng)?, Tanh])];
    Ok(Net { body, head: Linear::new(8, 2, rng)? })
}

#[test]
fn an_error_says_where_in_the_model_and_where_in_the_program() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = Net { head: Linear::new(9, 2, &mut rng)?, ..net(&mut rng)? };
    let e = model.predict(&Tensor::ones([3, 4])?).unwrap_err();
    assert_eq!(
        e.to_string(),
        format!(
            "linear: the input [3, 8] has 8 features, the layer takes 9\n  in layer `head`, at {}:{}\n  \
             help: make it of the size of what comes in: Linear::new(8, 2, ..)",
            file!(),
            line!() - 7
        )
    );
    let e = net(&mut rng)?.predict(&Tensor::ones([3, 5])?).unwrap_err();
    assert_eq!(e.layer(), Some("body.0"));
    assert!(e.to_string().contains(&format!("at {}:{}\n", file!(), line!() - 2)), "{e}");
    Ok(())
}

#[test]
fn errors_of_single_layers_point_at_the_caller() -> Result<()> {
    let mut rng = Rng::seed(0);
    let e = Linear::new(3, 2, &mut rng)?.predict(&Tensor::ones([1, 4])?).unwrap_err();
    assert!(e.to_string().contains(&format!("at {}:{}\n", file!(), line!() - 1)), "{e}");
    let boxed: Box<dyn Layer> = Box::new(Linear::new(3, 2, &mut rng)?);
    let e = boxed.predict(&Tensor::ones([1, 4])?).unwrap_err();
    assert!(e.to_string().contains(&format!("at {}:{}\n", file!(), line!() - 1)), "{e}");
    let e = boxed.forward(&Tensor::ones([1, 4])?, &mut Mode::eval()).unwrap_err();
    assert!(e.to_string().contains(&format!("at {}:{}\n", file!(), line!() - 1)), "{e}");
    let e = Dropout::new(1.5).unwrap_err();
    assert_eq!(e.message(), "Dropout::new: p is 1.5, expected a probability from 0 to 1");
    assert!(e.to_string().contains(&format!("at {}:{}", file!(), line!() - 2)), "{e}");
    let e = Linear::new(0, 2, &mut rng).unwrap_err();
    assert_eq!(e.message(), "Linear::new: 0 input and 2 output features, expected at least 1 of each");
    Ok(())
}

#[test]
fn names_are_paths() -> Result<()> {
    let model = net(&mut Rng::seed(0))?;
    let names: Vec<String> = model.named_parameters().into_iter().map(|(name, _)| name).collect();
    let expected =
        ["body.0.weight", "body.0.bias", "body.2.inner.0.weight", "body.2.inner.0.bias", "head.weight", "head.bias"];
    assert_eq!(names, expected);
    assert_eq!(model.num_parameters(), 4 * 8 + 8 + 8 * 8 + 8 + 8 * 2 + 2);
    Ok(())
}

#[test]
fn frozen_parameters_are_not_trained() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = net(&mut rng)?;
    assert_eq!(model.freeze("body.*")?, 4);
    assert_eq!(model.num_trainable_parameters(), 18);
    let before = model.clone();
    let mut opt = Adam::new(0.1);
    let loss = model.forward(&Tensor::ones([2, 4])?, &mut Mode::eval())?.square().mean();
    let grads = loss.backward()?;
    assert_eq!(grads.len(), 2);
    opt.step(&mut model, &grads)?;
    for ((name, old), (_, new)) in before.named_parameters().iter().zip(model.named_parameters()) {
        assert_eq!(old.to_vec::<f32>()? == new.to_vec::<f32>()?, name.starts_with("body"), "{name}");
    }
    let e = model.freeze("haed.*").unwrap_err();
    assert_eq!(e.message(), "freeze: no parameter matches `haed.*`");
    assert_eq!(e.help(), Some("did you mean `head.*`?"));
    assert_eq!(model.unfreeze("*")?, 6);
    Ok(())
}

#[test]
fn a_parameter_that_the_loss_does_not_reach_is_reported() -> Result<()> {
    let mut model = net(&mut Rng::seed(0))?;
    let loss = model.body.forward(&Tensor::ones([2, 4])?, &mut Mode::eval())?.mean();
    let e = Adam::new(0.1).step(&mut model, &loss.backward()?).unwrap_err();
    assert!(e.message().contains("head.weight"), "{e}");
    Ok(())
}

#[test]
fn a_clone_is_a_model_of_its_own() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = Linear::new(2, 1, &mut rng)?;
    let copy = model.clone();
    let grads = model.forward(&tensor![[1.0, 2.0]], &mut Mode::eval())?.sum().backward()?;
    assert!(grads.get(&model.weight.value()?).is_some() && grads.get(&copy.weight.value()?).is_none());
    Sgd::new(1.0).step(&mut model, &grads)?;
    assert_ne!(model.weight.value()?.to_vec::<f32>()?, copy.weight.value()?.to_vec::<f32>()?);
    // Sharing keeps the gradients together.
    let shared = share(&model);
    let grads = shared.forward(&tensor![[1.0, 2.0]], &mut Mode::eval())?.sum().backward()?;
    assert!(grads.get(&model.weight.value()?).is_some());
    Ok(())
}

#[test]
fn checkpointed_layers_have_the_same_gradients_with_dropout_too() -> Result<()> {
    let mut rng = Rng::seed(3);
    let block = sequential![Linear::new(6, 6, &mut rng)?, Gelu, Dropout::new(0.5)?, Linear::new(6, 6, &mut rng)?];
    let x = Tensor::normal([5, 6], 0.0, 1.0, &mut rng)?;
    // `checkpointed` gives the layer a generator split from the one it gets.
    let mut plain_rng = Rng::seed(9).split();
    let plain = block.forward(&x, &mut Mode::train(&mut plain_rng))?.square().sum().backward()?;
    let saved = checkpointed(&block, &x, &mut Mode::train(&mut Rng::seed(9)))?.square().sum().backward()?;
    for (name, value) in block.named_parameters() {
        assert_eq!(plain.wrt(&value)?.to_vec::<f32>()?, saved.wrt(&value)?.to_vec::<f32>()?, "{name}");
    }
    Ok(())
}

#[test]
fn tied_weights_get_both_gradients() -> Result<()> {
    let w = Param::new(tensor![[2.0]])?;
    let x = tensor![[3.0]];
    let y = x.linear(&w, None)?.linear(&w, None)?;
    assert_eq!(y.sum().backward()?.wrt(&w)?.item()?, 2.0 * 2.0 * 3.0);
    Ok(())
}

#[test]
fn dropout_at_its_limits() -> Result<()> {
    let x = Tensor::ones([10_000])?.tracked()?;
    let train = |p: f64, seed| Dropout::new(p)?.forward(&x, &mut Mode::train(&mut Rng::seed(seed)));
    assert_eq!(train(0.0, 0)?.sum().item()?, 10_000.0);
    assert_eq!(train(1.0, 0)?.to_f64_vec(), vec![0.0; 10_000]);
    let y = train(0.3, 1)?;
    let kept = y.to_vec::<f32>()?.iter().filter(|y| **y > 0.0).count() as f64;
    // Five standard deviations of the number of elements that stay.
    assert!((kept - 7000.0).abs() < 5.0 * (10_000f64 * 0.3 * 0.7).sqrt(), "{kept}");
    assert_eq!(y.to_vec::<f32>()?, train(0.3, 1)?.to_vec::<f32>()?);
    assert_ne!(y.to_vec::<f32>()?, train(0.3, 2)?.to_vec::<f32>()?);
    assert_eq!(y.sum().backward()?.wrt(&x)?.to_vec::<f32>()?, y.to_vec::<f32>()?);
    Ok(())
}

fn moments(values: &[f64]) -> [f64; 2] {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    [mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64]
}

#[test]
fn initialisers_have_the_variance_they_promise() -> Result<()> {
    let mut rng = Rng::seed(0);
    let (out, input) = (300, 200);
    let glorot = 2.0 / (out + input) as f64;
    for (init, variance) in [
        (Init::Uniform { low: -0.5, high: 0.5 }, 1.0 / 12.0),
        (Init::Normal { mean: 0.0, std: 0.2 }, 0.04),
        (Init::xavier_uniform(), glorot),
        (Init::xavier_normal(), glorot),
        (Init::kaiming_uniform(), 2.0 / input as f64),
        (Init::kaiming_normal(), 2.0 / input as f64),
        (Init::KaimingNormal { gain: Gain::Tanh.value(), fan: Fan::Out }, 25.0 / 9.0 / out as f64),
    ] {
        let [mean, found] = moments(&init.tensor(&[out, input], &mut rng)?.to_f64_vec());
        assert!(
            mean.abs() < 0.02 * variance.sqrt() && (found / variance - 1.0).abs() < 0.03,
            "{init:?}: {mean} {found}"
        );
    }
    assert_eq!(Init::ONES.tensor(&[3], &mut rng)?.to_vec::<f32>()?, [1.0; 3]);
    let truncated = Init::TruncatedNormal { mean: 0.0, std: 1.0, low: -1.0, high: 0.5 };
    assert!(truncated.tensor(&[1000], &mut rng)?.to_f64_vec().iter().all(|x| (-1.0..=0.5).contains(x)));
    let e = Init::TruncatedNormal { mean: 0.0, std: 1.0, low: 10.0, high: 9.0 }.tensor(&[2], &mut rng).unwrap_err();
    assert_eq!(e.message(), "truncated_normal: no normal distribution with mean 0 and std 1 between 10 and 9");
    let e = Init::xavier_normal().tensor(&[5], &mut rng).unwrap_err();
    assert_eq!(e.message(), "init: shape [5] has no numbers of inputs and outputs");
    Ok(())
}

#[test]
fn orthogonal_rows_or_columns() -> Result<()> {
    for shape in [[5, 12], [12, 5], [7, 7]] {
        let w = Init::Orthogonal { gain: 2.0 }.tensor(&shape, &mut Rng::seed(4))?;
        let gram = if shape[0] <= shape[1] { w.matmul(&w.t())? } else { w.t().matmul(&w)? };
        let n = shape[0].min(shape[1]);
        let difference = gram.sub(&(Tensor::eye(n)? * 4.0))?;
        assert!(difference.abs().max()?.item()? < 1e-5);
    }
    Ok(())
}

#[test]
fn summaries() -> Result<()> {
    let mut model = net(&mut Rng::seed(0))?;
    model.freeze("head.*")?;
    assert_eq!(
        model.summary([16, 4])?.to_string(),
        "\
Net [16, 4] → [16, 2]
─────────────────────────────────────────────────
layer                    output shape  parameters
body.0 (Linear)          [16, 8]               40
body.1 (Relu)            [16, 8]                0
body.2.inner.0 (Linear)  [16, 8]               72
body.2.inner.1 (Tanh)    [16, 8]                0
head (Linear)            [16, 2]               18
─────────────────────────────────────────────────
130 parameters, 112 trainable, 18 frozen; 0.5 KiB"
    );
    assert_eq!(
        model.summary([512, 4])?.with_bytes().to_string(),
        "\
Net [512, 4] → [512, 2]
─────────────────────────────────────────────────────────
layer                    output shape   bytes  parameters
body.0 (Linear)          [512, 8]      16,384          40
body.1 (Relu)            [512, 8]      16,384           0
body.2.inner.0 (Linear)  [512, 8]      16,384          72
body.2.inner.1 (Tanh)    [512, 8]      16,384           0
head (Linear)            [512, 2]       4,096          18
─────────────────────────────────────────────────────────
130 parameters, 112 trainable, 18 frozen; 0.5 KiB"
    );
    Ok(())
}

/// Fields of no size may lie at the same place, and be of the same kind.
#[derive(Clone)]
struct Parts {
    dropout: Dropout,
    first: Relu,
    second: Relu,
    flatten: Flatten,
    softmax: Softmax,
    unused: Softplus,
}

module!(Parts { dropout, first, second, flatten, softmax, unused });

impl Layer for Parts {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.first.at("first", &self.dropout.at("dropout", x, mode)?, mode)?;
        let x = self.flatten.at("flatten", &self.second.at("second", &x, mode)?, mode)?;
        self.softmax.at("softmax", &x, mode)
    }
}

#[test]
fn summaries_of_fields_without_parameters() -> Result<()> {
    let (dropout, flatten) = (Dropout::new(0.5)?, Flatten::new());
    let (softmax, unused) = (Softmax::default(), Softplus::default());
    let parts = Parts { dropout, first: Relu, second: Relu, flatten, softmax, unused };
    let shapes = |summary: Summary| summary.rows().iter().map(|row| row.output.clone()).collect::<Vec<_>>();
    let [whole, flat] = [Some(vec![2, 3, 4]), Some(vec![2, 12])];
    let expected = [whole.clone(), whole.clone(), whole, flat.clone(), flat, None];
    assert_eq!(shapes(parts.summary([2, 3, 4])?), expected);
    assert_eq!(shapes(sequential![parts].summary([2, 3, 4])?), expected);
    Ok(())
}

#[test]
fn models_can_be_sent_to_other_threads() {
    fn check<T: Send + Sync>() {}
    check::<Sequential>();
    check::<Linear>();
    check::<demotic::models::Mlp>();
    check::<Buffer>();
    check::<Tensor>();
    check::<demotic::autograd::Gradients>();
}

#[test]
fn buffers_are_replaced_through_a_shared_reference() -> Result<()> {
    let buffer = Buffer::new(tensor![1.0, 2.0]);
    buffer.set(&tensor![3.0, 4.0])?;
    assert_eq!(buffer.get().to_vec::<f32>()?, [3.0, 4.0]);
    assert!(buffer.set(&tensor![1.0]).is_err());
    Ok(())
}

/// Layers without parameters take any shape that makes sense to them, nothing included, and let NaN through.
#[test]
fn odd_inputs_for_layers_without_parameters() -> Result<()> {
    let layers: Vec<Box<dyn Layer>> = vec![
        Box::new(Relu),
        Box::new(Relu6),
        Box::new(Selu),
        Box::new(Gelu),
        Box::new(GeluTanh),
        Box::new(Silu),
        Box::new(Mish),
        Box::new(Softsign),
        Box::new(Hardswish),
        Box::new(Hardsigmoid),
        Box::new(Sigmoid),
        Box::new(LogSigmoid),
        Box::new(Tanh),
        Box::new(LeakyRelu::default()),
        Box::new(Elu::default()),
        Box::new(Softplus::default()),
        Box::new(Hardtanh::default()),
        Box::new(Softmax::default()),
        Box::new(LogSoftmax::default()),
        Box::new(Dropout::new(0.5)?),
        Box::new(Flatten::new()),
    ];
    let mut rng = Rng::seed(0);
    for layer in &layers {
        let empty = layer.predict(&Tensor::zeros([0, 3])?)?;
        assert_eq!(empty.shape(), [0, 3], "{layer:?}");
        let nan = layer.predict(&Tensor::full([2, 2], f64::NAN)?)?;
        assert!(nan.to_f64_vec().iter().all(|y| y.is_nan()), "{layer:?}");
        // Integers are computed as f32, or stay as they are where nothing is computed.
        let whole = layer.predict(&Tensor::from_nested([[0i64, 1], [2, 3]])?)?;
        assert!(matches!(whole.dtype(), DType::F32 | DType::I64), "{layer:?}");
        let trained = layer.forward(&Tensor::zeros([0, 3])?, &mut Mode::train(&mut rng))?;
        assert_eq!(trained.shape(), [0, 3], "{layer:?}");
    }
    assert_eq!(
        Softmax::default().predict(&Tensor::scalar(1.0)).map(|y| y.to_f64_vec()).map_err(|e| e.message()),
        Err("softmax: dimension -1 of a scalar, which has none".to_string())
    );
    assert_eq!(
        Flatten::dims(2, 3).predict(&Tensor::zeros([2, 3])?).unwrap_err().message(),
        "flatten: dimension 2 is out of range for 2 dimensions (-2 ..= 1)"
    );
    Ok(())
}

#[test]
fn odd_inputs_for_linear_layers() -> Result<()> {
    let layer = Linear::new(3, 2, &mut Rng::seed(0))?;
    assert_eq!(layer.predict(&Tensor::zeros([0, 3])?)?.shape(), [0, 2]);
    assert_eq!(layer.predict(&Tensor::zeros([4, 0, 3])?)?.shape(), [4, 0, 2]);
    assert!(layer.predict(&Tensor::full([1, 3], f64::NAN)?)?.to_f64_vec().iter().all(|y| y.is_nan()));
    for shape in [&[][..], &[0], &[2], &[3, 1], &[1, 3, 0]] {
        assert_eq!(layer.predict(&Tensor::zeros(shape)?).unwrap_err().kind(), ErrorKind::Shape, "{shape:?}");
    }
    for dtype in [DType::F64, DType::F16, DType::BF16, DType::I64, DType::U8, DType::Bool] {
        let x = Tensor::zeros([1, 3])?.to_dtype(dtype);
        assert_eq!(layer.predict(&x).unwrap_err().kind(), ErrorKind::DType, "{dtype}");
    }
    Ok(())
}
