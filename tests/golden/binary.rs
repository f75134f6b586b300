//! Functions of two and three tensors, with broadcasting, against PyTorch.

use crate::golden::Case;
use demotic::{Result, Tensor};

#[test]
fn binary() {
    crate::golden::check("binary", &|case, x| Ok(vec![compute(case, x)?]));
}

fn compute(case: &Case, x: &[Tensor]) -> Result<Tensor> {
    let c = || case.attr::<f64>("c");
    match case.op.as_str() {
        "add" => x[0].add(&x[1]),
        "sub" => x[0].sub(&x[1]),
        "mul" => x[0].mul(&x[1]),
        "div" => x[0].div(&x[1]),
        "pow" => x[0].pow(&x[1]),
        "remainder" => x[0].remainder(&x[1]),
        "atan2" => x[0].atan2(&x[1]),
        "minimum" => x[0].minimum(&x[1]),
        "maximum" => x[0].maximum(&x[1]),
        "eq" => x[0].eq(&x[1]),
        "ne" => x[0].ne(&x[1]),
        "lt" => x[0].lt(&x[1]),
        "le" => x[0].le(&x[1]),
        "gt" => x[0].gt(&x[1]),
        "ge" => x[0].ge(&x[1]),
        "eq_scalar" => Ok(x[0].eq_scalar(c())),
        "ne_scalar" => Ok(x[0].ne_scalar(c())),
        "lt_scalar" => Ok(x[0].lt_scalar(c())),
        "le_scalar" => Ok(x[0].le_scalar(c())),
        "gt_scalar" => Ok(x[0].gt_scalar(c())),
        "ge_scalar" => Ok(x[0].ge_scalar(c())),
        "logical_and" => x[0].logical_and(&x[1]),
        "logical_or" => x[0].logical_or(&x[1]),
        "logical_xor" => x[0].logical_xor(&x[1]),
        "where" => Tensor::where_(&x[0], &x[1], &x[2]),
        "masked_fill" => x[0].masked_fill(&x[1], case.attr_or("value", f64::NEG_INFINITY)),
        op => panic!("{}: no op {op}", case.id),
    }
}
