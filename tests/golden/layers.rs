//! Layers and small networks with given weights against PyTorch: outputs, and the gradients of inputs and parameters.

use crate::golden::Case;
use demotic::layers::*;
use demotic::{Result, Rng, Tensor, sequential};

#[test]
fn layers() {
    crate::golden::check("layers", &|case, x| {
        let (x, weights) = x.split_first_mut().unwrap();
        let layer = build(case, weights)?;
        let parameters = layer.named_parameters();
        if let Some(names) = case.attr::<Option<Vec<String>>>("parameters") {
            let ours: Vec<_> = parameters.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(ours, names, "{}: the parameters have other names", case.id);
        }
        for (weight, (_, parameter)) in weights.iter_mut().zip(parameters) {
            *weight = parameter;
        }
        let mut rng = Rng::seed(0);
        let mut mode = if case.attr_or("train", true) { Mode::train(&mut rng) } else { Mode::eval() };
        Ok(vec![layer.forward(x, &mut mode)?])
    });
}

/// Hands out the weights of a case in order.
struct Weights<'a>(std::slice::Iter<'a, Tensor>);

impl Weights<'_> {
    fn param(&mut self) -> Result<Param> {
        Param::new(self.0.next().expect("the case has a weight for every parameter").clone())
    }

    fn linear(&mut self) -> Result<Linear> {
        Ok(Linear { weight: self.param()?.into(), bias: Some(self.param()?) })
    }

    fn linear_without_bias(&mut self) -> Result<Linear> {
        Ok(Linear { weight: self.param()?.into(), bias: None })
    }
}

fn build(case: &Case, weights: &[Tensor]) -> Result<Box<dyn Layer>> {
    let mut w = Weights(weights.iter());
    let label = case.id.split('/').nth(1).unwrap();
    Ok(match (case.op.as_str(), label) {
        ("Linear", _) if case.attr("bias") => Box::new(w.linear()?),
        ("Linear", _) => Box::new(w.linear_without_bias()?),
        ("Flatten", _) => Box::new(Flatten::dims(case.attr("start"), case.attr("end"))),
        ("Dropout", _) => Box::new(Dropout::new(case.attr("p"))?),
        ("Sequential", "mlp") => Box::new(sequential![w.linear()?, Tanh, w.linear()?, Tanh, w.linear()?]),
        ("Sequential", "gelu_softmax") => {
            Box::new(sequential![w.linear()?, Gelu, w.linear_without_bias()?, Softmax::default()])
        }
        ("Residual", "mlp") => Box::new(Residual::new(sequential![w.linear()?, Tanh, w.linear()?])),
        ("Residual", "nested") => Box::new(Residual::new(sequential![w.linear()?, Residual::new(w.linear()?), Relu])),
        _ => activation(case),
    })
}

/// The activation layers under PyTorch's names.
fn activation(case: &Case) -> Box<dyn Layer> {
    match case.op.as_str() {
        "LeakyReLU" => Box::new(LeakyRelu { slope: case.attr_or("negative_slope", LeakyRelu::default().slope) }),
        "ELU" => Box::new(Elu { alpha: case.attr_or("alpha", Elu::default().alpha) }),
        "Softplus" => {
            let Softplus { beta, threshold } = Softplus::default();
            Box::new(Softplus { beta: case.attr_or("beta", beta), threshold: case.attr_or("threshold", threshold) })
        }
        "Hardtanh" => {
            let Hardtanh { lo, hi } = Hardtanh::default();
            Box::new(Hardtanh { lo: case.attr_or("min_val", lo), hi: case.attr_or("max_val", hi) })
        }
        "Softmax" => Box::new(Softmax { dim: case.attr("dim") }),
        "LogSoftmax" => Box::new(LogSoftmax { dim: case.attr("dim") }),
        "GLU" => Box::new(Glu { dim: case.attr_or("dim", Glu::default().dim) }),
        "ReLU" => Box::new(Relu),
        "SELU" => Box::new(Selu),
        "GELU" if case.attr_or("approximate", String::new()) == "tanh" => Box::new(GeluTanh),
        "GELU" => Box::new(Gelu),
        "SiLU" => Box::new(Silu),
        "Mish" => Box::new(Mish),
        "Softsign" => Box::new(Softsign),
        "Hardswish" => Box::new(Hardswish),
        "Hardsigmoid" => Box::new(Hardsigmoid),
        "Sigmoid" => Box::new(Sigmoid),
        "LogSigmoid" => Box::new(LogSigmoid),
        "Tanh" => Box::new(Tanh),
        op => panic!("{}: no layer {op}", case.id),
    }
}
