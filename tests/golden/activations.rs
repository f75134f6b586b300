//! Activation functions against PyTorch.

use crate::golden::Case;
use demotic::prelude::*;

#[test]
fn activations() {
    crate::golden::check("activations", &|case, x| Ok(vec![compute(case, &x[0])?]));
}

fn compute(case: &Case, x: &Tensor) -> Result<Tensor> {
    Ok(match case.op.as_str() {
        "relu" => x.relu(),
        "leaky_relu" => x.leaky_relu(case.attr("negative_slope")),
        "elu" => x.elu(case.attr("alpha")),
        "selu" => x.selu(),
        "gelu" => x.gelu(),
        "gelu_tanh" => x.gelu_tanh(),
        "silu" => x.silu(),
        "quick_gelu" => QuickGelu.forward(x, &mut Mode::eval())?,
        "mish" => x.mish(),
        "softplus" => x.softplus(case.attr("beta"), case.attr("threshold"))?,
        "softsign" => x.softsign(),
        "hardtanh" => x.hardtanh(case.attr("min_val"), case.attr("max_val"))?,
        "hardswish" => x.hardswish(),
        "hardsigmoid" => x.hardsigmoid(),
        "relu6" => x.relu6(),
        "sigmoid" => x.sigmoid(),
        "log_sigmoid" => x.log_sigmoid(),
        "tanh" => x.tanh(),
        "softmax" => x.softmax(case.attr("dim"))?,
        "log_softmax" => x.log_softmax(case.attr("dim"))?,
        "glu" => x.glu(case.attr("dim"))?,
        op => panic!("{}: no op {op}", case.id),
    })
}
