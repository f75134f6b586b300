//! Reductions, scans and sorting.

use crate::row::{Row, spread};

pub fn rows() -> Vec<Row> {
    let x = || spread(&[3, 4], -2.0, 2.0);
    vec![
        Row::new("sum", |x| Ok(x[0].sum()), [x()]),
        Row::new("sum", |x| x[0].sum_dims(&[0], true), [x()]),
        Row::new("sum", |x| x[0].sum_dims(&[-1], false), [x()]),
    ]
}
