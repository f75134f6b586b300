//! Models of images, and layers made of convolutions, against PyTorch: logits in training and in evaluation, and the gradients of inputs and parameters.

use demotic::layers::*;
use demotic::models::{ConvNet, ConvNetConfig, LeNet, LeNetConfig};
use demotic::{Result, Rng, Tensor};

#[test]
fn vision_models() {
    crate::golden::check("vision_models", &|case, inputs| {
        let mut rng = Rng::seed(0);
        let names: Vec<String> = case.attr("parameters");
        match case.op.as_str() {
            "SqueezeExcitation" => return results(SqueezeExcitation::new(6, 2, &mut rng)?, &names, inputs),
            "LayerNorm2d" => return results(LayerNorm2d::new(5)?.eps(1e-3), &names, inputs),
            "ConvNormActivation" if case.id.ends_with("plain") => {
                return results(ConvNormActivation::new(3, 4, 1, &mut rng)?.without_activation(), &names, inputs);
            }
            "ConvNormActivation" => {
                let layer = ConvNormActivation::new(3, 4, 3, &mut rng)?.stride(2).activation(Hardswish);
                return results(layer, &names, inputs);
            }
            "DepthwiseSeparable" => {
                let layer = DepthwiseSeparable::new(4, 5, 3, &mut rng)?.stride(2).padding(1);
                return results(layer, &names, inputs);
            }
            _ => {}
        }
        if case.op == "LeNet" {
            let config = LeNetConfig::new(case.attr("classes")).images(case.attr("channels"), case.attr("size"));
            let config = if case.attr("classic") { config.classic() } else { config };
            assert_eq!(LeNet::new(config.clone(), &mut rng)?.num_parameters(), config.num_parameters());
            return results(LeNet::new(config, &mut rng)?, &names, inputs);
        }
        let config = ConvNetConfig::new(case.attr("in_channels"), case.attr("classes"));
        let config = config.channels(&case.attr::<Vec<usize>>("channels"));
        let config = config.depth(case.attr("depth")).kernel(case.attr("kernel"));
        let config = if case.attr("norm") { config } else { config.without_batch_norm() };
        assert_eq!(ConvNet::new(config.clone(), &mut rng)?.num_parameters(), config.num_parameters());
        results(ConvNet::new(config, &mut rng)?, &names, inputs)
    });
}

/// Gives a model the weights of a case, which become its parameters, and runs it.
pub(crate) fn results<M: Layer>(mut model: M, names: &[String], inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
    let (x, weights) = inputs.split_first_mut().unwrap();
    let (mut given, mut seen) = (weights.iter(), Vec::new());
    let mut on_slot = |name: &str, slot: SlotMut<'_>| match slot {
        SlotMut::Param(param) => {
            seen.push(name.to_owned());
            *param = Param::new(given.next().unwrap().clone()).unwrap();
        }
        SlotMut::Buffer(buffer) if buffer.get().dtype().is_float() => {
            *buffer = Buffer::new(buffer.get().to_dtype(x.dtype()))
        }
        SlotMut::Buffer(_) => {}
    };
    model.visit_mut(&mut VisitorMut::new(&mut on_slot));
    assert_eq!(seen, names, "the parameters have other names");
    for (weight, (_, parameter)) in weights.iter_mut().zip(model.named_parameters()) {
        *weight = parameter;
    }
    let mut rng = Rng::seed(0);
    let trained = model.forward(x, &mut Mode::train(&mut rng))?;
    Ok(vec![trained, model.forward(x, &mut Mode::eval())?])
}
