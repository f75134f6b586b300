//! Convolutions: what is wrong with their inputs, files, adapters, narrow types and single examples.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use demotic::layers::Adapter;
use demotic::models::{ConvNet, ConvNetConfig, ResNet, ResNetConfig};
use demotic::prelude::*;

#[track_caller]
fn told<T>(result: Result<T>) -> (String, String) {
    let Err(error) = result else { panic!("there is no error") };
    assert!(error.to_string().contains("tests/nets/convolution.rs"), "not the caller's line: {error}");
    (error.message(), error.help().unwrap_or_default().to_string())
}

macro_rules! tells {
    ($result:expr, $message:expr, $help:expr $(,)?) => {
        assert_eq!(told($result), ($message.to_string(), $help.to_string()));
    };
}

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape).unwrap()
}

#[test]
fn inputs_that_do_not_fit_are_explained() -> Result<()> {
    let layer = Conv2d::new(3, 4, 5, &mut Rng::seed(0))?;
    tells!(
        layer.predict(&ones(&[32, 28, 28, 3])),
        "conv2d: the input [32, 28, 28, 3] has 28 channels, the weight takes 3",
        "input [32, 28, 28, 3] seems to be NHWC; channels come first here: permute(&[0, 3, 1, 2])",
    );
    tells!(
        layer.predict(&ones(&[28, 27, 3])),
        "conv2d: the input [28, 27, 3] has 28 channels, the weight takes 3",
        "input [28, 27, 3] seems to be HWC; channels come first here: permute(&[2, 0, 1])",
    );
    tells!(
        layer.predict(&ones(&[2, 4, 28, 28])),
        "conv2d: the input [2, 4, 28, 28] has 4 channels, the weight takes 3",
        "inputs are [batch, channels, height, width]",
    );
    tells!(
        layer.predict(&ones(&[28, 28])),
        "conv2d: an input of shape [28, 28], expected [batch, channels, height, width]",
        "without channels? unsqueeze(0) makes one of an example",
    );
    tells!(
        layer.predict(&ones(&[2, 3, 4, 28])),
        "conv2d: the kernel of 5 is larger than dimension 2 of the input [2, 3, 4, 28]",
        "add padding, or take fewer layers that make the input smaller",
    );
    tells!(
        layer.clone().dilation(3).padding(2).predict(&ones(&[3, 28, 8])),
        "conv2d: the kernel of 5, dilated to 13, is larger than dimension 2 of the input [3, 28, 8], padded to 12",
        "add padding, or take fewer layers that make the input smaller",
    );
    tells!(layer.predict(&ones(&[2, 3, 0, 28])), "conv2d: the input [2, 3, 0, 28] has no elements in dimension 2", "",);
    tells!(
        layer.predict(&ones(&[2, 3, 28, 28]).to_dtype(DType::F64)),
        "conv2d: an input of f64 for a weight of f32",
        "convert the input with to_dtype(DType::F32); Tensor::from_vec(vec![1.0]) makes f64, tensor![1.0] and 1.0_f32 make f32",
    );
    let gray = Conv2d::new(1, 4, 3, &mut Rng::seed(0))?;
    tells!(
        gray.predict(&ones(&[32, 28, 28])),
        "conv2d: the input [32, 28, 28] has 32 channels, the weight takes 1",
        "a batch of pictures without channels? unsqueeze(1) makes one of them",
    );
    Ok(())
}

#[test]
fn options_that_make_no_sense_are_errors() -> Result<()> {
    let (x, w) = (ones(&[1, 4, 8, 8]), ones(&[6, 4, 3, 3]));
    let new = ConvOptions::new;
    let conv = |options: ConvOptions| x.conv2d(&w, None, &options);
    tells!(x.conv2d(&w, None, &new().groups(4)), "conv2d: 6 outputs cannot be divided into 4 groups", "",);
    tells!(
        x.conv2d(&w, None, &new().groups(3)),
        "conv2d: the input [1, 4, 8, 8] has 4 channels, the weight takes 12",
        "inputs are [batch, channels, height, width]",
    );
    tells!(x.conv2d(&w, None, &new().groups(0)), "conv2d: 0 groups, expected at least 1", "");
    tells!(x.conv2d(&w, None, &new().stride(0)), "conv2d: a stride of 0, expected at least 1", "");
    tells!(x.conv2d(&w, None, &new().dilation([1, 0])), "conv2d: a dilation of 0, expected at least 1", "");
    tells!(x.conv2d(&w, None, &new().padding([1, 2, 3])), "conv2d: padding [1, 2, 3], expected one number or 2", "",);
    tells!(
        x.conv2d(&w, None, &new().same().stride(2)),
        "conv2d: same padding with a stride of [2, 2]",
        "the output of a strided convolution is smaller than its input: say padding(n)",
    );
    tells!(x.conv2d(&w, Some(&ones(&[4])), &new()), "conv2d: a bias of shape [4] for 6 outputs", "",);
    tells!(
        x.conv2d(&w, None, &new().output_padding(1)),
        "conv2d: an output padding, which only transposed convolutions have",
        "",
    );
    tells!(
        x.conv2d(&ones(&[6, 4, 3]), None, &new()),
        "conv2d: a weight of shape [6, 4, 3], which has 3 dimensions, not 4",
        "",
    );
    tells!(
        x.conv2d(&ones(&[6, 4, 0, 3]), None, &new()),
        "conv2d: a weight of shape [6, 4, 0, 3], which has no elements",
        "",
    );
    // Whatever the numbers, nothing overflows and nothing is allocated in vain.
    for n in [usize::MAX, usize::MAX / 2, 1 << 62, 1 << 40] {
        assert!(conv(new().padding(n)).is_err());
        assert!(conv(new().dilation(n)).is_err());
        assert!(conv(new().groups(n)).is_err());
        assert_eq!(conv(new().stride(n))?.shape(), [1, 6, 1, 1]);
        assert!(x.conv_transpose2d(&ones(&[4, 2, 3, 3]), None, &new().stride(n)).is_err());
        assert!(x.conv_transpose2d(&ones(&[4, 2, 3, 3]), None, &new().padding(n)).is_err());
        assert!(x.conv_transpose2d(&ones(&[4, 2, 3, 3]), None, &new().output_padding(n)).is_err());
        assert!(x.conv_transpose2d(&ones(&[4, 2, 3, 3]), None, &new().groups(n)).is_err());
        for mode in [PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular] {
            assert!(conv(new().padding(n).padding_mode(mode)).is_err());
        }
    }
    // So in a model in use, which takes another way.
    for n in [usize::MAX, usize::MAX / 2, 1 << 62, 1 << 40, 1 << 30] {
        let layer = Conv2d::new(4, 6, 3, &mut Rng::seed(0))?.padding(n);
        assert!(layer.predict(&x).is_err());
        let layer = Conv2d::new(4, 6, 3, &mut Rng::seed(0))?.padding(n).stride(n);
        assert!(layer.predict(&x).is_err() || n <= 1 << 40);
    }
    // The output is small, whatever the padding is.
    assert_eq!(conv(new().padding(1 << 40).stride(1 << 40))?.shape(), [1, 6, 3, 3]);
    Ok(())
}

#[test]
fn transposed_convolutions_that_make_no_sense_are_errors() -> Result<()> {
    let (x, w) = (ones(&[1, 4, 3, 3]), ones(&[4, 2, 3, 3]));
    let new = ConvOptions::new;
    tells!(
        x.conv_transpose2d(&w, None, &new().stride(2).output_padding(2)),
        "conv_transpose2d: an output padding of 2, expected less than the stride, 2, or the dilation, 1",
        "",
    );
    tells!(
        x.conv_transpose2d(&w, None, &new().padding(3)),
        "conv_transpose2d: padding 3 leaves nothing of the 5 outputs in dimension 2 (input [1, 4, 3, 3])",
        "",
    );
    tells!(
        x.conv_transpose2d(&w, None, &new().same()),
        "conv_transpose2d: transposed convolutions are padded by numbers, and with zeros",
        "",
    );
    tells!(
        x.conv_transpose2d(&w, None, &new().groups(3)),
        "conv_transpose2d: 4 channels cannot be divided into 3 groups",
        "",
    );
    tells!(
        ones(&[1, 5, 3, 3]).conv_transpose2d(&w, None, &new()),
        "conv_transpose2d: the input [1, 5, 3, 3] has 5 channels, the weight takes 4",
        "inputs are [batch, channels, height, width]",
    );
    Ok(())
}

#[test]
fn layers_that_cannot_be_made() {
    let rng = &mut Rng::seed(0);
    tells!(Conv2d::new(0, 4, 3, rng), "Conv2d::new: 0 input and 4 output channels, expected at least 1 of each", "",);
    tells!(
        Conv2d::new(4, 6, 3, rng).unwrap().groups(4, rng),
        "Conv2d::groups: 4 input and 6 output channels cannot be divided into 4 groups",
        "",
    );
    tells!(
        Conv1d::new(4, 6, [3, 3], rng),
        "Conv1d::new: a kernel of [3, 3], expected one number or 1, of at least 1",
        "",
    );
    tells!(
        ConvTranspose3d::new(4, 6, [3, 0, 3], rng),
        "ConvTranspose3d::new: a kernel of [3, 0, 3], expected one number or 3, of at least 1",
        "",
    );
    assert!(Conv2d::new(1 << 40, 1 << 40, 3, rng).is_err());
    assert!(Conv3d::new(1, 1, usize::MAX, rng).is_err());
}

#[test]
fn layers_show_their_options() -> Result<()> {
    let rng = &mut Rng::seed(0);
    let layer = Conv2d::new(4, 8, [3, 5], rng)?.stride(2).padding([1, 2]).groups(2, rng)?.without_bias();
    assert_eq!(format!("{layer:?}"), "Conv2d(4 → 8, kernel [3, 5], stride 2, padding [1, 2], 2 groups, no bias)");
    assert_eq!((layer.in_channels(), layer.out_channels()), (4, 8));
    let layer = ConvTranspose1d::new(4, 8, 2, rng)?.stride(2).output_padding(1);
    assert_eq!(format!("{layer:?}"), "ConvTranspose1d(4 → 8, kernel [2], stride 2, output padding 1)");
    assert_eq!((layer.in_channels(), layer.out_channels()), (4, 8));
    let layer = Conv1d::new(4, 8, 3, rng)?.same().padding_mode(PaddingMode::Circular);
    assert_eq!(format!("{layer:?}"), "Conv1d(4 → 8, kernel [3], same padding, circular)");
    Ok(())
}

#[test]
fn initial_weights_have_the_bounds_of_pytorch() -> Result<()> {
    let rng = &mut Rng::seed(0);
    let largest = |x: &Tensor| x.abs().max()?.item();
    let grouped = Conv2d::new(64, 64, 3, rng)?.groups(4, rng)?;
    let bound = 1.0 / (16.0f64 * 9.0).sqrt();
    assert!((0.97..=1.0).contains(&(largest(&grouped.weight.value()?)? / bound)));
    assert!((0.8..=1.0).contains(&(largest(grouped.bias.as_ref().unwrap())? / bound)));
    let transposed = ConvTranspose2d::new(64, 16, 3, rng)?;
    let bound = 1.0 / (16.0f64 * 9.0).sqrt();
    assert!((0.97..=1.0).contains(&(largest(&transposed.weight.value()?)? / bound)));
    Ok(())
}

#[test]
fn files_hold_convolutions() -> Result<()> {
    let rng = &mut Rng::seed(1);
    let model = sequential![Conv2d::new(2, 3, 3, rng)?, Relu, ConvTranspose2d::new(3, 1, 2, rng)?];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    model.save(&path)?;
    let mut other = sequential![Conv2d::new(2, 3, 3, rng)?, Relu, ConvTranspose2d::new(3, 1, 2, rng)?];
    other.load(&path)?;
    let x = Tensor::normal([1, 2, 6, 6], 0.0, 1.0, rng)?;
    assert_eq!(model.predict(&x)?.to_vec::<f32>()?, other.predict(&x)?.to_vec::<f32>()?);
    Ok(())
}

/// Doubles a weight.
#[derive(Clone)]
struct Doubled;

module!(Doubled {});

impl Adapter for Doubled {
    fn value(&self, weight: &Tensor) -> Result<Tensor> {
        Ok(weight * 2.0)
    }
}

#[test]
fn adapters_change_what_the_layer_computes() -> Result<()> {
    let rng = &mut Rng::seed(2);
    let mut layer = Conv1d::new(2, 3, 3, rng)?.without_bias();
    let x = Tensor::normal([2, 2, 8], 0.0, 1.0, rng)?;
    let before = layer.predict(&x)?;
    layer.weight.adapt(Doubled)?;
    assert_eq!(layer.predict(&x)?.to_vec::<f32>()?, (before * 2.0).to_vec::<f32>()?);
    Ok(())
}

#[test]
fn narrow_types_are_computed_in_single_precision() -> Result<()> {
    let rng = &mut Rng::seed(3);
    let options = ConvOptions::new().padding(1);
    for dtype in [DType::BF16, DType::F16] {
        let x = Tensor::normal([2, 3, 6, 6], 0.0, 1.0, rng)?.to_dtype(dtype);
        let w = Tensor::normal([4, 3, 3, 3], 0.0, 1.0, rng)?.to_dtype(dtype);
        let wide = x.to_dtype(DType::F32).conv2d(&w.to_dtype(DType::F32), None, &options)?;
        let narrow = x.conv2d(&w, None, &options)?;
        assert_eq!(narrow.dtype(), dtype);
        assert_eq!(narrow.to_f64_vec(), wide.to_dtype(dtype).to_f64_vec());
    }
    Ok(())
}

#[test]
fn gradients_of_single_examples() -> Result<()> {
    let rng = &mut Rng::seed(4);
    let model =
        sequential![Conv2d::new(2, 3, 3, rng)?.padding(1), Tanh, ConvTranspose2d::new(3, 2, 2, rng)?, Flatten::new()];
    let x = Tensor::normal([3, 2, 4, 4], 0.0, 1.0, rng)?;
    let losses = |x: &Tensor| -> Result<Tensor> { model.forward(x, &mut Mode::eval())?.square().sum_dims(&[1], false) };
    let each = losses(&x)?.backward_per_example()?;
    for (name, param) in model.named_parameters() {
        let all = each.wrt(&param)?;
        for i in 0..3 {
            let one = losses(&x.narrow(0, i, 1)?)?.sum().backward()?;
            let (one, of_all) = (one.wrt(&param)?.to_f64_vec(), all.select(0, i as isize)?.to_f64_vec());
            let scale = one.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
            assert!(one.iter().zip(&of_all).all(|(a, b)| (a - b).abs() <= 1e-5 * scale), "{name}, example {i}");
        }
    }
    Ok(())
}

/// The largest difference of two tensors, as a part of the largest element.
fn difference(x: &Tensor, y: &Tensor) -> Result<f64> {
    assert_eq!(x.shape(), y.shape());
    Ok(x.sub(y)?.abs().max()?.item()? / y.abs().max()?.item()?)
}

#[test]
fn a_model_in_use_computes_what_it_does_in_evaluation() -> Result<()> {
    let rng = &mut Rng::seed(5);
    let layers: [Box<dyn Layer>; 3] = [
        Box::new(Conv1d::new(3, 20, 3, rng)?.padding(1)),
        Box::new(Conv2d::new(4, 24, 3, rng)?.stride(2).padding(2).groups(2, rng)?.padding_mode(PaddingMode::Reflect)),
        Box::new(Conv3d::new(2, 7, [1, 3, 2], rng)?.dilation([1, 2, 1]).without_bias()),
    ];
    for (layer, shape) in layers.iter().zip([&[2, 3, 9][..], &[3, 4, 8, 9], &[1, 2, 3, 7, 5]]) {
        let x = Tensor::normal(shape, 0.0, 1.0, rng)?;
        let expected = layer.forward(&x, &mut Mode::eval())?;
        for _ in 0..2 {
            assert!(difference(&layer.predict(&x)?, &expected)? < 1e-6, "{layer:?}");
        }
    }
    Ok(())
}

#[test]
fn weights_that_were_used_may_change() -> Result<()> {
    let rng = &mut Rng::seed(6);
    let mut layer = Conv2d::new(3, 8, 3, rng)?;
    let x = Tensor::normal([1, 3, 6, 6], 0.0, 1.0, rng)?;
    let before = layer.predict(&x)?;
    // A step of an optimizer changes them in place.
    let mut opt = Sgd::new(0.5);
    let loss = layer.forward(&x, &mut Mode::train(rng))?.square().mean();
    opt.step(&mut layer, &loss.backward()?)?;
    let after = layer.predict(&x)?;
    assert!(difference(&after, &before)? > 1e-3);
    assert!(difference(&after, &layer.forward(&x, &mut Mode::eval())?)? < 1e-6);
    // So does setting them, and a copy has its own.
    let copy = layer.clone();
    layer.weight.set(&Tensor::zeros([8, 3, 3, 3])?)?;
    assert!(difference(&layer.predict(&x)?, &layer.forward(&x, &mut Mode::eval())?)? < 1e-6);
    assert_eq!(copy.predict(&x)?.to_vec::<f32>()?, after.to_vec::<f32>()?);
    // With the same weights for another size of input, and for another type.
    let wide = Tensor::normal([2, 3, 9, 7], 0.0, 1.0, rng)?;
    assert!(difference(&copy.predict(&wide)?, &copy.forward(&wide, &mut Mode::eval())?)? < 1e-6);
    Ok(())
}

/// Batch norm is folded into convolutions where a model is used.
#[test]
fn a_residual_network_in_use_computes_what_it_does_in_evaluation() -> Result<()> {
    let rng = &mut Rng::seed(7);
    for config in [ResNetConfig::resnet18().width(8), ResNetConfig::resnet50().width(4).blocks([1, 2, 1, 1])] {
        let mut model = ResNet::new(config.classes(6), rng)?;
        let x = Tensor::normal([3, 3, 40, 33], 0.0, 1.0, rng)?;
        // Statistics and factors that are not those at the beginning.
        let mut opt = Sgd::new(0.1);
        for _ in 0..2 {
            let loss = model.forward(&x, &mut Mode::train(rng))?.square().mean();
            opt.step(&mut model, &loss.backward()?)?;
            let expected = model.forward(&x, &mut Mode::eval())?;
            assert!(difference(&model.predict(&x)?, &expected)? < 1e-5);
        }
        assert_eq!(model.forward_features(&x, &mut Mode::eval())?.shape(), [3, model.config().features()]);
        let path = tempfile::tempdir().unwrap();
        let path = path.path().join("resnet.safetensors");
        model.save(&path)?;
        let again = ResNet::open(&path)?;
        assert_eq!(again.predict(&x)?.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?);
    }
    let names: Vec<String> = ResNet::new(ResNetConfig::resnet18().width(4), rng)?
        .named_parameters()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(names.contains(&"layer2.0.downsample.0.weight".to_string()), "{names:?}");
    Ok(())
}

#[test]
fn residual_networks_that_cannot_be_made() {
    let rng = &mut Rng::seed(0);
    let new = |config: ResNetConfig, rng: &mut Rng| ResNet::new(config, rng).map(drop);
    assert!(new(ResNetConfig::resnet18().width(0), rng).is_err());
    assert!(new(ResNetConfig::resnet18().classes(usize::MAX), rng).is_err());
    assert!(new(ResNetConfig::resnet50().width(usize::MAX), rng).is_err());
    assert!(new(ResNetConfig::resnet50().blocks([1, usize::MAX, 1, 1]), rng).is_err());
    let mut config = ResNetConfig::resnet18();
    config.groups = 2;
    tells!(new(config, rng), "ResNet::new: groups or another width within blocks that are no bottlenecks", "");
}

/// Many channels are convolved by squares of pixels, where one that is not finite would spoil its neighbours.
#[test]
fn pixels_that_stand_out_or_are_not_finite_are_seen_where_they_are() -> Result<()> {
    let rng = &mut Rng::seed(10);
    let layer = Conv2d::new(32, 32, 3, rng)?.padding(1);
    let mut x = Tensor::normal([2, 32, 16, 16], 0.0, 1.0, rng)?.to_vec::<f32>()?;
    let (weight, bias) =
        (layer.weight.value()?.to_dtype(DType::F64), layer.bias.as_deref().unwrap().to_dtype(DType::F64));
    for value in [0.5, 1e4, -1e20, f32::INFINITY, f32::NAN] {
        x[(32 + 3) * 256 + 6 * 16 + 9] = value;
        let x = Tensor::from_slice(&x, [2, 32, 16, 16])?;
        let (wide, options) = (x.to_dtype(DType::F64), layer.options());
        let expected = wide.conv2d(&weight, Some(&bias), options)?.to_vec::<f64>()?;
        // The transposed convolution is the gradient of the input as well.
        let transposed = wide.conv_transpose2d(&weight, None, options)?.to_vec::<f64>()?;
        let by_squares = [
            (layer.predict(&x)?, &expected),
            (layer.forward(&x, &mut Mode::eval())?, &expected),
            (x.conv_transpose2d(&layer.weight.value()?, None, options)?, &transposed),
        ];
        for (y, expected) in by_squares {
            for (y, expected) in y.to_vec::<f32>()?.into_iter().map(f64::from).zip(expected) {
                let same = y == *expected || y.is_nan() && expected.is_nan();
                assert!(same || (y - expected).abs() < 1e-5 * expected.abs().max(1.0), "{y} for {expected}");
            }
        }
    }
    Ok(())
}

/// In a sequence, what is behind a convolution is done together with it where a model is used.
#[test]
fn a_sequence_in_use_computes_what_it_does_in_evaluation() -> Result<()> {
    let rng = &mut Rng::seed(8);
    let mut models: [(Sequential, &[usize]); 7] = [
        (sequential![Conv1d::new(3, 20, 3, rng)?.same(), BatchNorm1d::new(20)?, Relu], &[2, 3, 9]),
        (sequential![Conv2d::new(18, 18, 3, rng)?.groups(18, rng)?, BatchNorm2d::new(18)?, Relu6], &[2, 18, 7, 6]),
        (sequential![Conv3d::new(2, 5, 2, rng)?, BatchNorm3d::new(5)?.without_affine(), Gelu], &[2, 2, 4, 3, 5]),
        (
            sequential![DepthwiseSeparable::new(16, 12, 3, rng)?.stride(2), BatchNorm2d::new(12)?.eps(0.1), Relu],
            &[1, 16, 9, 9],
        ),
        (sequential![Conv2d::new(3, 8, 3, rng)?, Relu, Conv2d::new(8, 4, 1, rng)?, Relu], &[2, 3, 6, 6]),
        // Nothing to fold: no statistics, and few channels each by itself.
        (sequential![Conv2d::new(3, 8, 3, rng)?, BatchNorm2d::new(8)?.without_running_stats(), Relu], &[2, 3, 6, 6]),
        (sequential![Conv2d::new(3, 6, 3, rng)?.groups(3, rng)?, BatchNorm2d::new(6)?, Relu], &[2, 3, 6, 6]),
    ];
    for (model, shape) in &mut models {
        let x = Tensor::normal(*shape, 1.0, 1.0, rng)?;
        let same = |model: &Sequential, x: &Tensor| -> Result<()> {
            let expected = model.forward(x, &mut Mode::eval())?;
            for _ in 0..2 {
                assert!(difference(&model.predict(x)?, &expected)? < 2e-6, "{model:?}");
            }
            Ok(())
        };
        same(model, &x)?;
        // A step changes weights and statistics.
        let mut opt = Sgd::new(0.1);
        let loss = model.forward(&x, &mut Mode::train(rng))?.square().mean();
        opt.step(model, &loss.backward()?)?;
        same(model, &x)?;
        if let Some(norm) = model.get_mut(1).and_then(|layer| layer.downcast_mut::<BatchNorm2d>())
            && let (Some(mean), Some(weight)) = (&norm.running_mean, &mut norm.weight)
        {
            mean.set(&mean.get().add_scalar(0.5))?;
            weight.set(&weight.mul_scalar(2.0))?;
        }
        same(model, &x)?;
        // Each layer has its name in errors, and is known to those who ask.
        let wrong: Vec<usize> = shape.iter().enumerate().map(|(i, n)| if i == 1 { n + 1 } else { *n }).collect();
        let e = model.predict(&ones(&wrong)).unwrap_err();
        assert!(e.layer().is_some_and(|layer| layer.starts_with('0')), "{e}");
        let summary = model.summary(*shape)?.to_string();
        assert!((0..model.len()).all(|i| summary.contains(&format!("{i} "))), "{summary}");
    }
    Ok(())
}

#[test]
fn a_plain_network_in_use_computes_what_it_does_in_evaluation() -> Result<()> {
    let rng = &mut Rng::seed(9);
    let mut model = ConvNet::new(ConvNetConfig::new(3, 5).channels(&[8, 16]), rng)?;
    let x = Tensor::normal([2, 3, 12, 12], 0.0, 1.0, rng)?;
    let mut opt = Sgd::new(0.1);
    for _ in 0..3 {
        assert!(difference(&model.predict(&x)?, &model.forward(&x, &mut Mode::eval())?)? < 2e-6);
        let loss = model.forward(&x, &mut Mode::train(rng))?.square().mean();
        opt.step(&mut model, &loss.backward()?)?;
    }
    Ok(())
}

/// What is trained behind a frozen convolution has its gradient in evaluation, too, where convolution and batch norm are one operation
/// if nothing is trained.
#[test]
fn frozen_convolutions_let_others_be_trained() -> Result<()> {
    let mut rng = Rng::seed(0);
    let x = Tensor::normal([2, 3, 9, 9], 0.0, 1.0, &mut rng)?;

    let mut conv = Conv2d::new(3, 4, 3, &mut rng)?;
    conv.weight.set_trainable(false);
    let grads = conv.forward(&x, &mut Mode::eval())?.sum().backward()?;
    let bias = grads.get(conv.bias.as_ref().unwrap()).unwrap();
    assert_eq!(bias.to_vec::<f32>()?, [98.0; 4]);

    let mut model = sequential![Conv2d::new(3, 4, 3, &mut rng)?, BatchNorm2d::new(4)?, Relu];
    model.freeze("0.*")?;
    let grads = model.forward(&x, &mut Mode::eval())?.sum().backward()?;
    assert_eq!(grads.named(&model).len(), 2);
    model.unfreeze("*")?;
    let all = model.forward(&x, &mut Mode::eval())?.sum().backward()?;
    for (name, grad) in grads.named(&model) {
        let whole = all.named(&model);
        let (_, other) = whole.iter().find(|(other, _)| *other == name).unwrap();
        assert_eq!(grad.to_vec::<f32>()?, other.to_vec::<f32>()?, "{name}");
    }

    let mut model = ResNet::new(ResNetConfig::resnet18().width(8).classes(4), &mut rng)?;
    model.freeze("*")?;
    model.unfreeze("*downsample*")?;
    let grads = model.forward(&Tensor::ones([1, 3, 32, 32])?, &mut Mode::eval())?.sum().backward()?;
    assert_eq!(grads.named(&model).len(), 9);
    Ok(())
}

/// Jobs of a pool of threads that ask the same layer, with pictures of two sizes, for which its weights are packed anew: a thread that
/// packs may take up another of these jobs meanwhile.
#[test]
fn a_layer_in_use_is_asked_by_jobs_of_one_pool() -> Result<()> {
    let rng = &mut Rng::seed(0);
    let layer = Arc::new(Conv2d::new(128, 128, 3, rng)?.padding(1));
    let inputs = [Tensor::normal([1, 128, 3, 16], 0.0, 1.0, rng)?, Tensor::normal([1, 128, 16, 16], 0.0, 1.0, rng)?];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let (done, results) = mpsc::channel();
    for i in 0..60 {
        let (layer, x, done) = (layer.clone(), inputs[i % 2].clone(), done.clone());
        pool.spawn(move || done.send(layer.predict(&x).unwrap().shape().to_vec()).unwrap());
        std::thread::sleep(Duration::from_millis(i as u64 * 7 % 5));
    }
    for _ in 0..60 {
        results.recv_timeout(Duration::from_secs(120)).expect("an answer");
    }
    Ok(())
}

/// Of a batch of no examples nothing may be left, as in PyTorch.
#[test]
fn transposed_convolutions_of_nothing_to_nothing() -> Result<()> {
    for (size, kernel, padding) in [(1, 2, 1), (1, 4, 2), (2, 3, 2)] {
        let options = ConvOptions::new().padding([padding, padding]);
        let of = |batch: usize| Tensor::zeros([batch, 2, size, size])?.tracked();
        let weight = Tensor::ones([2, 3, kernel, kernel])?.tracked()?;
        let (none, one) = (of(0)?, of(1)?);
        let y = none.conv_transpose2d(&weight, None, &options)?;
        assert_eq!(y.shape(), [0, 3, 0, 0]);
        let grads = y.sum().backward()?;
        assert_eq!(grads.wrt(&none)?.shape(), none.shape());
        assert_eq!(grads.wrt(&weight)?.abs().sum().item()?, 0.0);
        let e = one.conv_transpose2d(&weight, None, &options).unwrap_err().message();
        assert!(e.contains(&format!("padding {padding} leaves nothing of the")), "{e}");
        assert!(none.conv_transpose2d(&weight, None, &ConvOptions::new().padding([9, 9])).is_err());
    }
    Ok(())
}
