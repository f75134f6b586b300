//! Matrix products.
//!
//! 16-bit operands are computed with in `F32` and the result is rounded back. Any strides will do: the kernels pack what they
//! cannot read in place.

use std::borrow::Cow;

use num_traits::{One, Zero};

use crate::error::{Result, bug};
use crate::tensor::create::stale;
use crate::tensor::dtype::with_float;
pub(in crate::tensor) use crate::tensor::kernels::gemm::Gemm;
use crate::tensor::kernels::gemm::{MatRef, gemm, gemm_batch};
use crate::tensor::layout::{Dims, Layout, expand_strides};
use crate::tensor::{DType, Float, Tensor};

/// The product of the last two dimensions of each, `[.., m, k] × [.., k, n]`, as many times as there are elements in `batch`,
/// to which the other dimensions broadcast. The types are equal, the inner sizes as well.
#[track_caller]
pub(crate) fn matmul(a: &Tensor, b: &Tensor, batch: &[usize]) -> Result<Tensor> {
    let dtype = a.dtype();
    let (a, b) = (&*wide(a), &*wide(b));
    let mut shape = Dims::collect(batch.iter().copied());
    shape.push(a.shape()[a.rank() - 2]);
    shape.push(b.shape()[b.rank() - 1]);
    let mut out = stale("matmul", &shape, a.dtype())?;
    with_float!(a.dtype(), T => products::<T>(a, b, batch, out.data_mut()), else {
        return Err(bug!("matmul", "operands of type {}", a.dtype()));
    });
    Ok(narrow(out, dtype))
}

/// `x · wᵀ + b` for all rows of `x`: `[.., in] × [out, in] + [out]`, all of one type.
#[track_caller]
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let dtype = x.dtype();
    let (x, weight) = (&*wide(x), &*wide(weight));
    let bias = bias.map(|bias| wide(bias).packed());
    let outputs = weight.shape()[0];
    let mut shape = x.layout().shape();
    shape[x.rank() - 1] = outputs;
    let mut out = stale("linear", &shape, x.dtype())?;
    let x = as_matrix(x);
    with_float!(x.dtype(), T => {
        let rows = all_rows::<T>(&x);
        let bias = bias.as_ref().map(|bias| bias.data::<T>());
        gemm(T::one(), rows, matrix(weight, 0).t(), T::zero(), out.data_mut(), outputs, bias);
    }, else return Err(bug!("linear", "an input of type {}", x.dtype())));
    Ok(narrow(out, dtype))
}

/// `x · wᵀ + b` for all rows of `x`, into a list of longer rows, each of which it begins. Operands are contiguous, of the type computed in.
pub(in crate::tensor) fn linear_into<T: Float + Gemm>(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&[T]>,
    out: &mut [T],
    width: usize,
) {
    gemm(T::one(), all_rows(x), matrix(weight, 0).t(), T::zero(), out, width, bias);
}

/// `aᵀ · b` over all rows of both: `[.., m]` and `[.., n]`, with the same sizes before them, give `[m, n]`.
#[track_caller]
pub(crate) fn over_rows(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let dtype = a.dtype();
    let (a, b) = (&*wide(a), &*wide(b));
    let shape = [a.shape()[a.rank() - 1], b.shape()[b.rank() - 1]];
    let mut out = stale("linear", &shape, a.dtype())?;
    let (a, b) = (as_matrix(a), as_matrix(b));
    with_float!(a.dtype(), T => {
        gemm(T::one(), all_rows::<T>(&a).t(), all_rows(&b), T::zero(), out.data_mut(), shape[1], None);
    }, else return Err(bug!("linear", "operands of type {}", a.dtype())));
    Ok(narrow(out, dtype))
}

/// The tensor in the type that products are computed in.
pub(super) fn wide(x: &Tensor) -> Cow<'_, Tensor> {
    match x.dtype() {
        DType::BF16 | DType::F16 => Cow::Owned(x.cast(DType::F32)),
        _ => Cow::Borrowed(x),
    }
}

/// A result in the type of its operands.
pub(super) fn narrow(x: Tensor, dtype: DType) -> Tensor {
    if x.dtype() == dtype { x } else { x.cast(dtype) }
}

/// The last two dimensions as a matrix.
fn matrix<T: Float>(x: &Tensor, offset: usize) -> MatRef<'_, T> {
    let (shape, strides, i) = (x.shape(), x.strides(), x.rank() - 2);
    MatRef {
        data: x.data::<T>().get(offset..).unwrap_or_default(),
        rows: shape[i],
        cols: shape[i + 1],
        row_stride: strides[i],
        col_stride: strides[i + 1],
    }
}

/// A tensor that [`all_rows`] can look at: two dimensions may have any strides, more are laid out one after the other.
fn as_matrix(x: &Tensor) -> Cow<'_, Tensor> {
    if x.rank() == 2 { Cow::Borrowed(x) } else { Cow::Owned(x.packed()) }
}

/// All dimensions but the last as the rows of a matrix. The tensor is contiguous, or has two dimensions.
fn all_rows<T: Float>(x: &Tensor) -> MatRef<'_, T> {
    if x.rank() == 2 {
        return matrix(x, 0);
    }
    let cols = x.shape()[x.rank() - 1];
    let rows = x.shape()[..x.rank() - 1].iter().product();
    MatRef { data: x.data(), rows, cols, row_stride: cols, col_stride: 1 }
}

fn products<T: Float + Gemm>(a: &Tensor, b: &Tensor, batch: &[usize], out: &mut [T]) {
    let (m, n) = (a.shape()[a.rank() - 2], b.shape()[b.rank() - 1]);
    let count: usize = batch.iter().product();
    if count == 1 {
        return gemm(T::one(), matrix(a, 0), matrix(b, 0), T::zero(), out, n, None);
    }
    // A matrix that a whole batch is multiplied by: one product over all rows.
    if b.rank() == 2 && a.is_contiguous() {
        return gemm(T::one(), all_rows(a), matrix(b, 0), T::zero(), out, n, None);
    }
    let strides_of = |x: &Tensor| {
        let own = Layout::strided(
            Dims::collect(x.shape()[..x.rank() - 2].iter().copied()),
            Dims::collect(x.strides()[..x.rank() - 2].iter().copied()),
            0,
        );
        expand_strides(&own, batch).unwrap_or(Dims::filled(0, batch.len()))
    };
    let (strides_a, strides_b) = (strides_of(a), strides_of(b));
    let offset = |i: usize, strides: &[usize]| {
        let mut rest = i;
        let mut offset = 0;
        for (size, stride) in batch.iter().zip(strides).rev() {
            offset += rest % size * stride;
            rest /= size;
        }
        offset
    };
    gemm_batch(count, &|i| matrix(a, offset(i, &strides_a)), &|i| matrix(b, offset(i, &strides_b)), out, m * n, n);
}
