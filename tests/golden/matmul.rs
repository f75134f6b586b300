//! Matrix products and einsum against PyTorch.

use crate::golden::Case;
use demotic::{Result, Tensor};

#[test]
fn matmul() {
    crate::golden::check("matmul", &|case, x| Ok(vec![compute(case, x)?]));
}

pub(crate) fn compute(case: &Case, x: &[Tensor]) -> Result<Tensor> {
    match case.op.as_str() {
        "matmul" => x[0].matmul(&x[1]),
        "dot" => x[0].dot(&x[1]),
        "outer" => x[0].outer(&x[1]),
        "einsum" => Tensor::einsum(&case.attr::<String>("equation"), &x.iter().collect::<Vec<_>>()),
        op => panic!("{}: no op {op}", case.id),
    }
}
