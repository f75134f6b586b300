//! Element-wise functions of one tensor against PyTorch.

use crate::golden::Case;
use demotic::{Result, Tensor};

#[test]
fn unary() {
    crate::golden::check("unary", &|case, x| Ok(vec![compute(case, &x[0])?]));
}

fn compute(case: &Case, x: &Tensor) -> Result<Tensor> {
    let c = || case.attr::<f64>("c");
    Ok(match case.op.as_str() {
        "neg" => x.neg(),
        "abs" => x.abs(),
        "sign" => x.sign(),
        "square" => x.square(),
        "exp" => x.exp(),
        "exp2" => x.exp2(),
        "expm1" => x.expm1(),
        "log" => x.log(),
        "log2" => x.log2(),
        "log10" => x.log10(),
        "log1p" => x.log1p(),
        "sqrt" => x.sqrt(),
        "rsqrt" => x.rsqrt(),
        "reciprocal" => x.reciprocal(),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tan" => x.tan(),
        "asin" => x.asin(),
        "acos" => x.acos(),
        "atan" => x.atan(),
        "sinh" => x.sinh(),
        "cosh" => x.cosh(),
        "tanh" => x.tanh(),
        "asinh" => x.asinh(),
        "acosh" => x.acosh(),
        "atanh" => x.atanh(),
        "erf" => x.erf(),
        "erfc" => x.erfc(),
        "floor" => x.floor(),
        "ceil" => x.ceil(),
        "round" => x.round(),
        "trunc" => x.trunc(),
        "clamp" => x.clamp(case.attr("min"), case.attr("max")),
        "pow_scalar" => x.powf(case.attr("p")),
        "add_scalar" => x.add_scalar(c()),
        "sub_scalar" => x - c(),
        "rsub_scalar" => x.rsub_scalar(c()),
        "mul_scalar" => x.mul_scalar(c()),
        "div_scalar" => x.div_scalar(c()),
        "rdiv_scalar" => x.rdiv_scalar(c()),
        "isnan" => x.is_nan(),
        "isinf" => x.is_inf(),
        "isfinite" => x.is_finite(),
        "logical_not" => x.logical_not()?,
        op => panic!("{}: no op {op}", case.id),
    })
}
