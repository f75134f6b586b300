//! Linear algebra, with the feature of that name. Signs of vectors are not defined: rows look at their squares.

use demotic::autograd::MatrixNorm;
use demotic::{DType, Result, Tensor};

use super::row::{Row, spread};

/// Adds a matrix that keeps the sum far from singular ones, also where all rows of `x` are the same.
fn firm(x: &Tensor) -> Result<Tensor> {
    let (rows, columns) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]);
    let far = |i: usize| if i / columns == i % columns { 2.0 + (i / columns) as f64 } else { 0.0 };
    x.add(&Tensor::from_vec((0..rows * columns).map(far).collect(), [rows, columns])?)
}

/// All elements of several tensors in one row.
fn joined(parts: &[&Tensor]) -> Result<Tensor> {
    let flat: Vec<Tensor> = parts.iter().map(|x| x.reshape([x.numel()])).collect::<Result<_>>()?;
    Tensor::cat(&flat.iter().collect::<Vec<_>>(), 0)
}

fn eigh(x: &Tensor) -> Result<Tensor> {
    let (values, vectors) = x.add(&x.t())?.eigh()?;
    Tensor::cat(&[&values.unsqueeze(-2)?, &vectors.square()], -2)
}

fn svd(x: &Tensor) -> Result<Tensor> {
    let (u, s, vt) = x.svd()?;
    joined(&[&u.square(), &s, &vt.square()])
}

fn qr(x: &Tensor) -> Result<Tensor> {
    let (q, r) = x.qr()?;
    joined(&[&q, &r])
}

pub(super) fn rows() -> Vec<Row> {
    let x = |shape: &[usize]| spread(shape, -1.0, 1.0);
    let gram = |x: &Tensor| x.matmul(&x.t());
    let mut rows = vec![
        // Without constants, which are of one type.
        Row::new("cholesky", move |x| gram(&x[0])?.cholesky(), [x(&[2, 3])]).covers("solve_triangular").not_broadcast(),
        Row::new("qr", |x| qr(&x[0]), [x(&[3, 2])]).covers("solve_triangular").not_broadcast(),
        Row::new("solve", |x| x[0].solve(&x[1]), [x(&[2, 2]), x(&[2, 3])]).not_broadcast(),
        Row::new("solve_triangular", |x| x[0].solve_triangular(&x[1], true), [x(&[2, 2]), x(&[2, 3])]).not_broadcast(),
        Row::new("solve", |x| x[0].inv(), [x(&[2, 2])]).not_broadcast(),
        Row::new("det", |x| x[0].det(), [x(&[3, 3])]).covers("svd").not_broadcast(),
        Row::new("slogdet", |x| Ok(x[0].slogdet()?.1), [x(&[2, 2])]).covers("solve").not_broadcast(),
        Row::new("eigh", |x| eigh(&x[0]), [x(&[2, 2])]).not_broadcast(),
        Row::new("svd", |x| svd(&x[0]), [x(&[2, 3])]).not_broadcast(),
        Row::new("pinv", |x| x[0].pinv(), [x(&[2, 3])]).not_broadcast(),
        // Batches, other shapes, and rows that are all the same.
        Row::new("cholesky", move |x| firm(&gram(&x[0])?)?.cholesky(), [x(&[2, 3, 3])]),
        Row::new("qr", |x| qr(&firm(&x[0])?), [x(&[3, 3])]),
        Row::new("qr", |x| qr(&firm(&x[0])?), [x(&[2, 3, 2])]),
        Row::new("qr", |x| qr(&firm(&x[0])?), [x(&[2, 4])]),
        Row::new("solve", |x| firm(&x[0])?.solve(&x[1]), [x(&[2, 2, 2]), x(&[2, 2])]),
        Row::new("solve", |x| firm(&x[0])?.solve(&x[1]), [x(&[2, 2]), x(&[3, 2, 1])]),
        Row::new("solve", |x| firm(&x[0])?.solve(&x[1]), [x(&[3, 3]), x(&[3])]),
        Row::new("solve_triangular", |x| firm(&x[0])?.solve_triangular(&x[1], false), [x(&[2, 3, 3]), x(&[2, 3])]),
        Row::new("det", |x| firm(&x[0])?.det(), [x(&[2, 3, 3])]),
        Row::new("slogdet", |x| Ok(firm(&x[0])?.neg().slogdet()?.1), [x(&[3, 3])]),
        Row::new("eigh", |x| eigh(&firm(&x[0])?), [x(&[3, 3])]),
        Row::new("svd", |x| svd(&firm(&x[0])?), [x(&[3, 2])]),
        Row::new("svd", |x| svd(&firm(&x[0])?), [x(&[2, 3, 3])]),
        Row::new("pinv", |x| firm(&x[0])?.pinv(), [x(&[3, 2])]),
        Row::new("pinv", |x| firm(&x[0])?.lstsq(&x[1]), [x(&[2, 3, 2]), x(&[3, 1])]),
        Row::new("solve", |x| x[0].matrix_exp(), [x(&[2, 2])]),
        Row::new("solve", |x| x[0].mul_scalar(9.0).matrix_exp(), [x(&[2, 2])]),
    ];
    let norms = [
        MatrixNorm::Frobenius,
        MatrixNorm::Nuclear,
        MatrixNorm::One,
        MatrixNorm::MinusOne,
        MatrixNorm::Two,
        MatrixNorm::MinusTwo,
        MatrixNorm::Inf,
        MatrixNorm::MinusInf,
    ];
    for norm in norms {
        let name = match norm {
            MatrixNorm::Frobenius => "norm",
            MatrixNorm::Nuclear | MatrixNorm::Two | MatrixNorm::MinusTwo => "svd",
            _ => "abs",
        };
        rows.push(Row::new(name, move |x| firm(&x[0])?.matrix_norm(norm), [x(&[2, 2, 3])]));
    }
    // The determinant of a singular matrix is 0, and has a gradient.
    let singular = Tensor::from_vec(vec![1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 1.0, -1.0, 0.5], [3, 3]).unwrap();
    rows.push(Row::new("det", |x| x[0].to_dtype(DType::F64).det(), [singular]).not_broadcast());
    rows
}
