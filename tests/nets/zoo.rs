//! Networks for pictures: their files, their heads, what is random in training, and what they refuse.

use demotic::layers::*;
use demotic::models::*;
use demotic::optimizers::{Optimizer, Sgd};
use demotic::prelude::SaveLoad;
use demotic::{Error, Result, Rng, Tensor};

#[track_caller]
fn told<T>(result: Result<T>) -> (String, String) {
    let Err(error) = result else { panic!("there is no error") };
    assert!(error.to_string().contains("tests/nets/zoo.rs"), "not the caller's line: {error}");
    (error.message(), error.help().unwrap_or_default().to_string())
}

macro_rules! tells {
    ($result:expr, $message:expr, $help:expr $(,)?) => {
        assert_eq!(told($result), ($message.to_string(), $help.to_string()));
    };
}

fn difference(a: &Tensor, b: &Tensor) -> Result<f64> {
    a.sub(b)?.abs().max()?.item()
}

fn vgg() -> VggConfig {
    VggConfig::vgg11().batch_norm().stages(&[vec![4], vec![6, 6]]).places(2).hidden(10).classes(3)
}

fn dense() -> DenseNetConfig {
    DenseNetConfig::densenet121().blocks([1, 2, 1, 1]).growth(4).width(6).classes(3)
}

fn mobile_v2() -> MobileNetV2Config {
    let stages = [InvertedStage::new(1, 3, 1, 16, 1), InvertedStage::new(3, 3, 2, 24, 2)];
    MobileNetV2Config::mobilenet_v2().width(0.5).stages(&stages).classes(3)
}

fn mobile_v3() -> MobileNetV3Config {
    let blocks = MobileNetV3Config::small().blocks[..3].to_vec();
    MobileNetV3Config::small().width(0.5).blocks(&blocks).hidden(32).classes(3)
}

fn efficient() -> EfficientNetConfig {
    let stages = [InvertedStage::new(1, 3, 1, 16, 1), InvertedStage::new(3, 5, 2, 24, 2)];
    EfficientNetConfig::b1().width(0.5).stages(&stages).classes(3)
}

fn next() -> ConvNextConfig {
    ConvNextConfig::tiny().channels(&[4, 6]).blocks(&[1, 2]).layer_scale(0.5).classes(3)
}

fn u_net() -> UNetConfig {
    UNetConfig::new(3, 3).channels(&[4, 6])
}

/// Steps of training, then: `predict` is the evaluation, the file brings the model back, and another head keeps all else.
macro_rules! lives {
    ($Model:ident, $config:expr) => {{
        let rng = &mut Rng::seed(5);
        let mut model = $Model::new($config, rng)?;
        let x = Tensor::normal([3, 3, 36, 32], 0.0, 1.0, rng)?;
        let mut opt = Sgd::new(0.01);
        for _ in 0..2 {
            let loss = model.forward(&x, &mut Mode::train(rng))?.square().mean();
            opt.step(&mut model, &loss.backward()?)?;
        }
        let y = model.predict(&x)?;
        let scale = y.abs().max()?.item()?;
        assert!(difference(&y, &model.forward(&x, &mut Mode::eval())?)? < 1e-5 * scale.max(1.0));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        model.save(&path)?;
        let again = $Model::open(&path)?;
        assert_eq!(again.config(), model.config());
        assert_eq!(again.predict(&x)?.to_vec::<f32>()?, y.to_vec::<f32>()?);

        let other = model.with_head(7, rng)?;
        assert_eq!((other.predict(&x)?.shape()[1], other.config().num_classes), (7, 7));
        let features = |model: &$Model| model.forward_features(&x, &mut Mode::eval())?.to_vec::<f32>();
        assert_eq!(features(&other)?, features(&model)?);
        assert_eq!(other.num_parameters(), other.config().num_parameters());
        assert_eq!(told(model.with_head(0, rng)).0, "with_head: 0 classes, expected at least 1");
    }};
}

#[test]
fn networks_are_trained_used_saved_and_given_other_heads() -> Result<()> {
    lives!(Vgg, vgg());
    lives!(DenseNet, dense());
    lives!(MobileNetV2, mobile_v2());
    lives!(MobileNetV3, mobile_v3());
    lives!(EfficientNet, efficient());
    lives!(ConvNext, next());
    lives!(UNet, u_net());
    lives!(UNet, u_net().interpolated().without_batch_norm());
    Ok(())
}

/// Dropout and stochastic depth: what the seed decides in training, and nothing in evaluation.
#[test]
fn what_networks_drop_depends_on_the_seed_in_training_alone() -> Result<()> {
    let rng = &mut Rng::seed(2);
    let x = Tensor::normal([4, 3, 36, 36], 0.0, 1.0, rng)?;
    let models: [(&str, Box<dyn Layer>); 6] = [
        ("vgg", Box::new(Vgg::new(vgg(), rng)?)),
        ("dense", Box::new(DenseNet::new(dense().dropout(0.5), rng)?)),
        ("v2", Box::new(MobileNetV2::new(mobile_v2(), rng)?)),
        ("v3", Box::new(MobileNetV3::new(mobile_v3(), rng)?)),
        ("efficient", Box::new(EfficientNet::new(efficient().dropout(0.0).stochastic_depth(0.7), rng)?)),
        ("next", Box::new(ConvNext::new(next().stochastic_depth(0.9), rng)?)),
    ];
    for (name, model) in models {
        // The running statistics of a pass in training are those of a copy.
        let trained = |seed| model.clone().forward(&x, &mut Mode::train(&mut Rng::seed(seed)));
        assert_eq!(trained(0)?.to_vec::<f32>()?, trained(0)?.to_vec::<f32>()?, "{name}");
        assert!((1..8).any(|seed| difference(&trained(0).unwrap(), &trained(seed).unwrap()).unwrap() > 0.0), "{name}");
        assert_eq!(model.predict(&x)?.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?, "{name}");
    }
    // A block that is always skipped leaves the path beside it.
    let config = next().channels(&[4]).blocks(&[2]).stochastic_depth(1.0);
    let plain = ConvNext::new(config.clone().blocks(&[1]).stochastic_depth(0.0), &mut Rng::seed(1))?;
    let mut skipping = ConvNext::new(config, &mut Rng::seed(1))?;
    let state = plain.state_dict();
    let mut on_slot = |name: &str, slot: SlotMut<'_>| {
        if let (SlotMut::Param(param), Some(value)) = (slot, state.get(name)) {
            param.set(value).unwrap();
        }
    };
    skipping.visit_mut(&mut VisitorMut::new(&mut on_slot));
    let [a, b] = [&plain, &skipping].map(|model| model.forward(&x, &mut Mode::train(&mut Rng::seed(0))));
    assert_eq!(a?.to_vec::<f32>()?, b?.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn pictures_that_do_not_fit_are_refused() -> Result<()> {
    let rng = &mut Rng::seed(0);
    let ones = |shape: &[usize]| Tensor::ones(shape).unwrap();
    let network = Vgg::new(vgg(), rng)?;
    tells!(
        network.predict(&ones(&[2, 3, 3, 32])),
        "Vgg: the input has shape [2, 3, 3, 32], expected [batch, 3, height, width]",
        "images of at least 4 × 4 pixels",
    );
    assert_eq!(network.predict(&ones(&[2, 3, 4, 4]))?.shape(), [2, 3]);
    let network = DenseNet::new(dense(), rng)?;
    tells!(
        network.predict(&ones(&[2, 3, 32, 28])),
        "DenseNet: the input has shape [2, 3, 32, 28], expected [batch, 3, height, width]",
        "images of at least 29 × 29 pixels",
    );
    assert_eq!(network.predict(&ones(&[2, 3, 29, 29]))?.shape(), [2, 3]);
    let network = ConvNext::new(next(), rng)?;
    tells!(
        network.predict(&ones(&[2, 3, 7, 8])),
        "ConvNext: the input has shape [2, 3, 7, 8], expected [batch, 3, height, width]",
        "images of at least 8 × 8 pixels",
    );
    assert_eq!(network.predict(&ones(&[2, 3, 8, 8]))?.shape(), [2, 3]);
    for (name, network) in [
        ("MobileNetV2", Box::new(MobileNetV2::new(mobile_v2(), rng)?) as Box<dyn Layer>),
        ("MobileNetV3", Box::new(MobileNetV3::new(mobile_v3(), rng)?)),
        ("EfficientNet", Box::new(EfficientNet::new(efficient(), rng)?)),
    ] {
        for shape in [&[2, 4, 32, 32][..], &[3, 32, 32], &[2, 3, 0, 32]] {
            let message = format!("{name}: the input has shape {shape:?}, expected [batch, 3, height, width]");
            let alone = "a batch of one image is image.unsqueeze(0)";
            let help = if shape.len() == 3 { alone } else { "images of at least 1 × 1 pixels" };
            tells!(network.predict(&ones(shape)), message, help);
        }
        assert_eq!(network.predict(&ones(&[2, 3, 1, 1]))?.shape(), [2, 3]);
        assert_eq!(network.predict(&ones(&[0, 3, 32, 32]))?.shape(), [0, 3]);
    }
    let network = UNet::new(u_net().channels(&[4, 4, 4]), rng)?;
    tells!(
        network.predict(&ones(&[2, 3, 8, 10])),
        "UNet: the input has a height of 8 and a width of 10",
        "multiples of 4, which can be halved between the levels and come back",
    );
    // One number for each channel has no variance.
    let e = MobileNetV2::new(mobile_v2(), rng)?.forward(&ones(&[1, 3, 2, 2]), &mut Mode::train(rng)).unwrap_err();
    assert_eq!(e.layer(), Some("features.0.1"), "{e}");
    Ok(())
}

#[test]
fn parts_that_do_not_fit_are_refused() -> Result<()> {
    let rng = &mut Rng::seed(0);
    tells!(
        ConvNormActivation::of(Conv2d::new(3, 4, 3, rng)?, BatchNorm2d::new(5)?),
        "ConvNormActivation::of: a convolution that gives 4 channels before a norm of 5",
        "",
    );
    tells!(
        LayerNorm2d::new(3)?.predict(&Tensor::ones([2, 4, 5, 5])?),
        "LayerNorm2d: the input has shape [2, 4, 5, 5], expected [batch, 3, height, width]",
        "",
    );
    tells!(LayerNorm2d::new(0), "LayerNorm2d::new: the normalized shape [0] has no elements to take a mean of", "");
    Ok(())
}

/// Sizes of 0, sizes that do not fit each other, and sizes that no memory holds.
#[test]
fn networks_that_cannot_be_made() {
    let rng = &mut Rng::seed(0);
    const TOO_LARGE: &str = "a model of these sizes does not fit into memory";
    let mut large = Vec::new();
    macro_rules! too_large {
        ($($Model:ident $config:expr;)*) => {$(
            let config = $config;
            // Neither may this number overflow.
            let _ = config.num_parameters();
            large.push($Model::new(config, rng).map(drop));
        )*};
    }
    const MAX: usize = usize::MAX;
    let stage = |expansion, kernel, channels, blocks| InvertedStage::new(expansion, kernel, 1, channels, blocks);
    let mut block = MobileNetV3Config::small().blocks[0].clone();
    block.expanded = MAX;
    too_large! {
        Vgg vgg().stages(&[vec![MAX, MAX]]);
        Vgg vgg().hidden(MAX);
        Vgg vgg().places(MAX);
        Vgg vgg().classes(MAX);
        DenseNet dense().growth(MAX);
        DenseNet dense().width(MAX);
        DenseNet dense().blocks([MAX, 1, 1, 1]);
        DenseNet dense().in_channels(MAX);
        MobileNetV2 mobile_v2().width(1e300);
        MobileNetV2 mobile_v2().stages(&[stage(MAX, 3, 16, 1)]);
        MobileNetV2 mobile_v2().stages(&[stage(1, MAX, 16, 1)]);
        MobileNetV2 mobile_v2().stages(&[stage(1, 3, MAX, 1)]);
        MobileNetV2 mobile_v2().stages(&[stage(1, 3, 16, MAX)]);
        MobileNetV2 mobile_v2().classes(MAX);
        MobileNetV3 mobile_v3().width(1e300);
        MobileNetV3 mobile_v3().hidden(MAX);
        MobileNetV3 mobile_v3().blocks(&[block]);
        EfficientNet efficient().depth(1e300);
        EfficientNet efficient().width(f64::MAX);
        EfficientNet EfficientNetConfig::lite0().depth(1e18);
        ConvNext next().channels(&[MAX, MAX]);
        ConvNext next().blocks(&[MAX, MAX]);
        UNet u_net().channels(&[MAX, MAX, MAX]);
        UNet u_net().depth(MAX);
    }
    for (i, result) in large.into_iter().enumerate() {
        let message = told::<()>(result).0;
        assert!(message.ends_with(TOO_LARGE), "{i}: {message}");
    }

    let message = |result: Result<(), Error>| told(result).0;
    let efficient_new = |config: EfficientNetConfig, rng: &mut Rng| EfficientNet::new(config, rng).map(drop);
    let net = ConvNet::new(ConvNetConfig::new(3, 2).channels(&[8, 8, 8]), &mut Rng::seed(0)).unwrap();
    let e = net.predict(&Tensor::zeros([3, 24, 24]).unwrap()).unwrap_err();
    assert_eq!(e.message(), "ConvNet: the input has shape [3, 24, 24], expected [batch, 3, height, width]");
    assert_eq!(e.help(), Some("a batch of one image is image.unsqueeze(0)"));
    let e = net.predict(&Tensor::zeros([1, 3, 3, 24]).unwrap()).unwrap_err();
    assert_eq!(e.help(), Some("images of at least 4 × 4 pixels"));
    for scale in [f64::NAN, f64::INFINITY] {
        let config = ConvNextConfig::tiny().layer_scale(scale);
        let e = ConvNext::new(config, &mut Rng::seed(0)).unwrap_err();
        assert_eq!(e.message(), format!("ConvNext::new: the layer scale is {scale}, expected a number"));
    }
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(
            message(efficient_new(efficient().width(factor), rng)),
            format!("EfficientNet::new: the width is {factor}, expected a positive number")
        );
        assert_eq!(
            message(efficient_new(efficient().depth(factor), rng)),
            format!("EfficientNet::new: the depth is {factor}, expected a positive number")
        );
    }
    tells!(
        efficient_new(efficient().stages(&[]), rng),
        "EfficientNet::new: no channels, stages, blocks, stride or kernel",
        "each size is at least 1",
    );
    for zero in [stage(0, 3, 16, 1), stage(1, 3, 0, 1), stage(1, 3, 16, 0), InvertedStage::new(1, 3, 0, 16, 1)] {
        tells!(
            MobileNetV2::new(mobile_v2().stages(&[zero]), rng),
            "MobileNetV2::new: no channels, stages, blocks, stride or kernel",
            "each size is at least 1",
        );
    }
    tells!(
        MobileNetV2::new(mobile_v2().stages(&[InvertedStage::new(1, 4, 3, 16, 1)]), rng),
        "MobileNetV2::new: a kernel of 4 with a stride of 3",
        "an odd kernel, and a stride of 1 or 2",
    );
    for config in [mobile_v3().blocks(&[]), mobile_v3().in_channels(0)] {
        tells!(
            MobileNetV3::new(config, rng),
            "MobileNetV3::new: no channels, stages, blocks, stride or kernel",
            "each size is at least 1",
        );
    }
    for config in [mobile_v3().hidden(0), mobile_v3().classes(0)] {
        assert!(message(MobileNetV3::new(config, rng).map(drop)).starts_with("Linear::new: "));
    }
    tells!(
        ConvNext::new(next().blocks(&[1, 2, 3]), rng),
        "ConvNext::new: channels [4, 6] of stages with [1, 2, 3] blocks",
        "as many numbers of channels as of blocks",
    );
    tells!(UNet::new(u_net().channels(&[4]), rng), "UNet::new: levels with [4] channels", "at least two levels");
    let zeros: [Result<()>; 5] = [
        Vgg::new(vgg().stages(&[vec![4], vec![]]), rng).map(drop),
        Vgg::new(vgg().stages(&[]), rng).map(drop),
        DenseNet::new(dense().blocks([1, 0, 1, 1]), rng).map(drop),
        ConvNext::new(next().channels(&[]).blocks(&[]), rng).map(drop),
        UNet::new(u_net().depth(0), rng).map(drop),
    ];
    for result in zeros {
        let message = message(result);
        assert!(message.contains("::new: a size of 0 in "), "{message}");
    }
    assert_eq!(
        message(ConvNext::new(next().stochastic_depth(1.5), rng).map(drop)),
        "StochasticDepth::new: p is 0.75, expected a probability from 0 to 1".replace("0.75", "1.5")
    );
    assert!(message(DenseNet::new(dense().dropout(-0.5), rng).map(drop)).starts_with("Dropout::new: "));
}
