//! Matrix products.

use crate::row::{Row, spread};

pub fn rows() -> Vec<Row> {
    let x = |shape: &[usize]| spread(shape, -1.0, 1.0);
    vec![
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[2, 3]), x(&[3, 2])]),
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[3, 3]), x(&[3, 3])]),
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[2, 2, 3]), x(&[3, 2])]),
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[2, 1, 2, 2]), x(&[2, 2, 1])]),
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[3]), x(&[2, 3, 2])]),
        Row::new("matmul", |x| x[0].matmul(&x[1]), [x(&[3]), x(&[3])]),
        Row::new("linear", |x| x[0].linear(&x[1], None), [x(&[2, 3]), x(&[2, 3])]),
        Row::new("linear", |x| x[0].linear(&x[1], Some(&x[2])), [x(&[2, 2, 3]), x(&[2, 3]), x(&[2])]),
    ]
}
