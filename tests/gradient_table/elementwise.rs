//! Operations on each element, or on pairs of elements.

use demotic::DType;

use crate::row::{Row, spread};

pub fn rows() -> Vec<Row> {
    let any = || spread(&[2, 3], -2.0, 2.0);
    let nonzero = || spread(&[2, 3], 0.3, 2.0);
    vec![
        Row::new("add", |x| x[0].add(&x[1]), [any(), any()]),
        Row::new("sub", |x| x[0].sub(&x[1]), [any(), any()]),
        Row::new("mul", |x| x[0].mul(&x[1]), [any(), any()]),
        Row::new("div", |x| x[0].div(&x[1]), [any(), nonzero()]),
        Row::new("neg", |x| Ok(x[0].neg()), [any()]),
        Row::new("square", |x| Ok(x[0].square()), [any()]),
        Row::new("add_scalar", |x| Ok(x[0].add_scalar(1.5)), [any()]),
        Row::new("mul_scalar", |x| Ok(x[0].mul_scalar(-2.5)), [any()]),
        Row::new("div_scalar", |x| Ok(x[0].div_scalar(-2.5)), [any()]),
        Row::new("rsub_scalar", |x| Ok(x[0].rsub_scalar(1.5)), [any()]),
        Row::new("rdiv_scalar", |x| Ok(x[0].rdiv_scalar(1.5)), [nonzero()]),
        Row::new("to_dtype", |x| Ok(x[0].to_dtype(DType::F64)), [any()]),
    ]
}
