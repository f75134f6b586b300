//! Residual networks with given weights against torchvision: logits and all gradients, evaluated and in training.

use std::collections::HashMap;

use crate::golden::Case;
use demotic::layers::*;
use demotic::models::{ResNet, ResNetConfig};
use demotic::{Rng, Tensor};

#[test]
fn residual_networks() {
    crate::golden::check("resnet", &|case, inputs| {
        let config = if case.attr("bottleneck") { ResNetConfig::resnet50() } else { ResNetConfig::resnet18() };
        let mut config = config.blocks(case.attr("blocks")).width(case.attr("width")).classes(case.attr("classes"));
        config.groups = case.attr("groups");
        let mut model = ResNet::new(config, &mut Rng::seed(0))?;
        assert_eq!(model.num_parameters(), model.config().num_parameters(), "{}", case.id);
        let x = give(case, inputs, &mut model);
        let mut rng = Rng::seed(0);
        let mut mode = if case.attr("train") { Mode::train(&mut rng) } else { Mode::eval() };
        Ok(vec![model.forward(&x, &mut mode)?])
    });
}

/// The sizes that torchvision's models have.
#[test]
fn numbers_of_parameters() {
    let sizes = [
        (ResNetConfig::resnet18(), 11_689_512),
        (ResNetConfig::resnet34(), 21_797_672),
        (ResNetConfig::resnet50(), 25_557_032),
        (ResNetConfig::resnet101(), 44_549_160),
        (ResNetConfig::resnext50_32x4d(), 25_028_904),
        (ResNetConfig::wide_resnet50_2(), 68_883_240),
    ];
    for (config, parameters) in sizes {
        assert_eq!(config.num_parameters(), parameters, "{config:?}");
    }
}

/// Gives the numbers of the case to the model, which makes parameters and buffers of them, and returns the pictures.
pub(crate) fn give(case: &Case, inputs: &mut [Tensor], model: &mut dyn Layer) -> Tensor {
    let (x, rest) = inputs.split_first_mut().unwrap();
    let (statistics, weights) = rest.split_at_mut(2 * case.attr::<usize>("statistics"));
    let names = case.attr::<Vec<String>>("parameters");
    let places: HashMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let (means, variances) = statistics.split_at(statistics.len() / 2);
    let (mut means, mut variances) = (means.iter(), variances.iter());
    let mut given = 0;
    let mut replace = |path: &str, slot: SlotMut<'_>| match slot {
        SlotMut::Param(param) => {
            let weight = &mut weights[*places.get(path).unwrap_or_else(|| panic!("{}: {path}", case.id))];
            assert_eq!(param.shape(), weight.shape(), "{} {path}", case.id);
            *param = Param::new(weight.clone()).unwrap();
            *weight = param.value().clone();
            given += 1;
        }
        SlotMut::Buffer(buffer) if path.ends_with("running_mean") => {
            *buffer = Buffer::new(means.next().unwrap().clone())
        }
        SlotMut::Buffer(buffer) if path.ends_with("running_var") => {
            *buffer = Buffer::new(variances.next().unwrap().clone());
        }
        SlotMut::Buffer(_) => (),
    };
    model.visit_mut(&mut VisitorMut::new(&mut replace));
    assert_eq!(given, names.len(), "{}", case.id);
    assert!(means.next().is_none() && variances.next().is_none(), "{}", case.id);
    x.clone()
}
