//! Linear algebra: decompositions, systems of equations, determinants, norms and functions of matrices.
//!
//! All of it is computed in `F64`, whatever the type: others are converted on the way, and results rounded back.

mod equations;
mod factors;
mod functions;
mod spectral;

pub use functions::MatrixNorm;

use crate::error::{Error, Result};
use crate::tensor::exec::linalg::Unfit;
use crate::tensor::{DType, Tensor};

/// The operand in `F64`, which has to be a matrix or a batch of them.
#[track_caller]
fn wide(op: &'static str, x: &Tensor) -> Result<Tensor> {
    super::matmul::expect_fractions(x, op, "the operand")?;
    if x.rank() < 2 {
        return Err(Error::shape(op, format!("shape {:?}, expected a matrix or a batch of matrices", x.shape())));
    }
    Ok(x.to_dtype(DType::F64))
}

/// The same for a matrix with as many rows as columns.
#[track_caller]
fn wide_square(op: &'static str, x: &Tensor) -> Result<Tensor> {
    let wide = wide(op, x)?;
    if x.shape()[x.rank() - 1] != x.shape()[x.rank() - 2] {
        return Err(Error::shape(op, format!("shape {:?}, expected a square matrix", x.shape())));
    }
    Ok(wide)
}

/// What an operation found, or the error for a matrix of `x` that it does not exist for.
#[track_caller]
fn fitting<T>(op: &'static str, x: &Tensor, found: std::result::Result<T, Unfit>) -> Result<T> {
    let Unfit { index, what } = match found {
        Ok(found) => return Ok(found),
        Err(unfit) => unfit,
    };
    let which = if x.rank() > 2 { format!("matrix {index} of {:?}", x.shape()) } else { "the matrix".into() };
    let e = Error::numeric(op, format!("{which} {what}"));
    Err(match (op, what) {
        ("cholesky", "is not positive definite") => {
            e.with_help("a small multiple of the identity added to it may make it so")
        }
        ("solve" | "inv", "is singular") => e.with_help("lstsq and pinv also take matrices that are singular"),
        _ => e,
    })
}

/// The last two dimensions.
fn matrix_sizes(x: &Tensor) -> (usize, usize) {
    match x.shape() {
        [.., rows, columns] => (*rows, *columns),
        _ => (1, 1),
    }
}

/// The identity.
#[track_caller]
fn identity(n: usize) -> Result<Tensor> {
    Ok(Tensor::eye(n)?.to_dtype(DType::F64))
}
