//! The published networks have the names, shapes and numbers of parameters that torchvision's have, and the lite EfficientNets those of
//! networks that are made of torchvision's parts. `tests/golden/make_names.py` writes
//! `names.txt`.

use super::*;
use crate::error::Result;
use crate::layers::{Architecture, Module, Slot, Visitor};
use crate::rng::Rng;

const NAMES: &str = include_str!("names.txt");

/// The number of parameters by configuration and by the model, and the checksum of what its state holds.
#[track_caller]
fn state<M: Architecture + Module>(config: M::Config) -> Result<(usize, usize, u64)> {
    let stated = M::min_parameters(&config);
    let model = M::from_config(config, &mut Rng::blank())?;
    let (mut lines, mut counted) = (Vec::new(), 0);
    let mut on_slot = |name: &str, slot: Slot<'_>| {
        let shape = match slot {
            Slot::Param(param) => {
                counted += param.numel();
                param.shape().to_vec()
            }
            Slot::Buffer(buffer) => buffer.get().shape().to_vec(),
        };
        lines.push(format!("{name} {shape:?}\n"));
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    lines.sort();
    let step = |value: u64, byte: u8| (value ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
    Ok((stated, counted, lines.concat().bytes().fold(0xCBF2_9CE4_8422_2325, step)))
}

#[track_caller]
fn published(name: &str) -> Result<(usize, usize, u64)> {
    let (vgg, norm) = match name.strip_suffix("_bn") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    match vgg {
        "vgg11" | "vgg13" | "vgg16" | "vgg19" => {
            let config = match vgg {
                "vgg11" => VggConfig::vgg11(),
                "vgg13" => VggConfig::vgg13(),
                "vgg16" => VggConfig::vgg16(),
                _ => VggConfig::vgg19(),
            };
            state::<Vgg>(if norm { config.batch_norm() } else { config })
        }
        "resnet18" => state::<ResNet>(ResNetConfig::resnet18()),
        "resnet34" => state::<ResNet>(ResNetConfig::resnet34()),
        "resnet50" => state::<ResNet>(ResNetConfig::resnet50()),
        "resnet101" => state::<ResNet>(ResNetConfig::resnet101()),
        "resnext50_32x4d" => state::<ResNet>(ResNetConfig::resnext50_32x4d()),
        "wide_resnet50_2" => state::<ResNet>(ResNetConfig::wide_resnet50_2()),
        "densenet121" => state::<DenseNet>(DenseNetConfig::densenet121()),
        "densenet161" => state::<DenseNet>(DenseNetConfig::densenet161()),
        "densenet169" => state::<DenseNet>(DenseNetConfig::densenet169()),
        "densenet201" => state::<DenseNet>(DenseNetConfig::densenet201()),
        "mobilenet_v2" => state::<MobileNetV2>(MobileNetV2Config::mobilenet_v2()),
        "mobilenet_v3_small" => state::<MobileNetV3>(MobileNetV3Config::small()),
        "mobilenet_v3_large" => state::<MobileNetV3>(MobileNetV3Config::large()),
        "efficientnet_b0" => state::<EfficientNet>(EfficientNetConfig::b0()),
        "efficientnet_b1" => state::<EfficientNet>(EfficientNetConfig::b1()),
        "efficientnet_b2" => state::<EfficientNet>(EfficientNetConfig::b2()),
        "efficientnet_b3" => state::<EfficientNet>(EfficientNetConfig::b3()),
        "efficientnet_b4" => state::<EfficientNet>(EfficientNetConfig::b4()),
        "efficientnet_lite0" => state::<EfficientNet>(EfficientNetConfig::lite0()),
        "efficientnet_lite1" => state::<EfficientNet>(EfficientNetConfig::lite1()),
        "efficientnet_lite2" => state::<EfficientNet>(EfficientNetConfig::lite2()),
        "efficientnet_lite3" => state::<EfficientNet>(EfficientNetConfig::lite3()),
        "efficientnet_lite4" => state::<EfficientNet>(EfficientNetConfig::lite4()),
        "convnext_tiny" => state::<ConvNext>(ConvNextConfig::tiny()),
        "convnext_small" => state::<ConvNext>(ConvNextConfig::small()),
        "convnext_base" => state::<ConvNext>(ConvNextConfig::base()),
        "convnext_large" => state::<ConvNext>(ConvNextConfig::large()),
        _ => panic!("no network {name}"),
    }
}

#[test]
fn published_networks_have_the_names_and_shapes_of_torchvision() {
    let mut wrong = Vec::new();
    for line in NAMES.lines() {
        let [name, parameters, checksum] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let parameters = parameters.parse().unwrap();
        let found = published(name).unwrap();
        let expected = (parameters, parameters, u64::from_str_radix(checksum, 16).unwrap());
        if found != expected {
            wrong.push(format!("{name}: {found:?}, expected {expected:?}"));
        }
    }
    assert!(NAMES.lines().count() >= 35 && wrong.is_empty(), "{wrong:#?}");
}
