//! Blocks of quantised weights: made, read, and multiplied by.

mod fitted;
mod left_out;
mod whole;

pub(crate) use fitted::{Rounding, connected, fitted, gptq};
pub(crate) use left_out::{LeftOut, left_out};
pub(crate) use whole::convolution;

use std::sync::atomic::{AtomicBool, Ordering};

use super::gemm::{self, narrow, wide};
use super::index::zeros;
use crate::error::{Error, Result, bug};
use crate::parallel;
use crate::tensor::create::stale;
use crate::tensor::kernels::GRAIN;
use crate::tensor::kernels::quantized::{self as kernels, MOST_ROWS, Rows, Scheme};
use crate::tensor::quantized::QTensor;
use crate::tensor::{DType, Tensor};

/// How many numbers a task multiplies: some tens of microseconds.
const PRODUCTS: usize = 4 * GRAIN;
/// How many numbers of a weight are unpacked at a time where they are multiplied as such: what stays in a cache.
const PANEL: usize = 1 << 17;

/// Blocks of the numbers of `x`, as a tensor of type `U8` and this shape.
#[track_caller]
pub(crate) fn pack(scheme: Scheme, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let mut out = stale("quantize", shape, DType::U8)?;
    let x = x.packed();
    let ([numbers, bytes], fits) = (unit(scheme, x.shape()), AtomicBool::new(true));
    let data = x.data::<f32>();
    parallel::for_blocks(out.data_mut::<u8>(), (GRAIN / 4 / numbers.max(1)).max(1) * bytes, |start, out| {
        let x = &data[start / bytes * numbers..][..out.len() / bytes * numbers];
        let rows = if scheme == Scheme::Int8 { bytes } else { out.len() };
        let all = x.iter().all(|x| x.is_finite());
        let packed = out.chunks_mut(rows).zip(x.chunks((rows / bytes * numbers).max(1)));
        if !all || !packed.fold(true, |fits, (out, x)| kernels::pack(scheme, x, out) & fits) {
            fits.store(false, Ordering::Relaxed);
        }
    });
    if fits.into_inner() { Ok(out) } else { Err(too_large(scheme)) }
}

/// How many numbers are read at a time, and their bytes: a block, or a row where that is one.
fn unit(scheme: Scheme, shape: &[usize]) -> [usize; 2] {
    match (scheme, shape.last()) {
        (Scheme::Int8, Some(row)) => [*row, scheme.row_bytes(*row)],
        _ => [scheme.block_len(), scheme.block_bytes()],
    }
}

#[track_caller]
fn too_large(scheme: Scheme) -> Error {
    let scales = if scheme == Scheme::Int8 { "scales" } else { "16-bit scales" };
    Error::numeric("quantize", format!("a number is not finite, or too large for the {scales} of {scheme}"))
}

/// The numbers of a tensor.
#[track_caller]
pub(crate) fn numbers(op: &'static str, w: &QTensor) -> Result<Tensor> {
    let mut out = stale(op, w.shape(), DType::F32)?;
    unpack(w, w.blocks().data::<u8>(), out.data_mut());
    Ok(out)
}

/// The numbers of some of the rows of `w`.
fn unpack(w: &QTensor, blocks: &[u8], out: &mut [f32]) {
    let (scheme, [numbers, bytes]) = (w.scheme(), unit(w.scheme(), w.shape()));
    let grain = if scheme == Scheme::Int8 { numbers } else { GRAIN };
    parallel::for_blocks(out, grain, |start, out| {
        kernels::unpack_all(scheme, &blocks[start / numbers * bytes..][..out.len() / numbers * bytes], out);
    });
}

/// `x · wᵀ` for all rows of `x`: `[.., in] × [out, in]`. The shapes fit.
#[track_caller]
pub(crate) fn linear(x: &Tensor, w: &QTensor) -> Result<Tensor> {
    let dtype = x.dtype();
    if dtype == DType::F64 {
        return gemm::linear(x, &numbers("linear", w)?.cast(dtype), None);
    }
    let x = wide(x).packed();
    let &[outputs, features] = w.shape() else { return Err(bug!("linear", "a weight of shape {:?}", w.shape())) };
    let mut shape = x.layout().shape();
    shape[x.rank() - 1] = outputs;
    let mut out = stale("linear", &shape, DType::F32)?;
    match x.numel().checked_div(features) {
        // The sum of nothing.
        None => out = zeros(&shape, DType::F32),
        Some(0) => (),
        Some(_) if w.scheme() == Scheme::Int8 => whole::linear(w, &x, out.data_mut()),
        Some(rows) if rows <= MOST_ROWS => few(w, &Rows::new(x.data(), features), rows, out.data_mut()),
        Some(_) => many(w, &x, out.data_mut()),
    }
    Ok(narrow(out, dtype))
}

/// Products with a few rows, as whole numbers.
fn few(w: &QTensor, x: &Rows, rows: usize, out: &mut [f32]) {
    let (outputs, features) = (w.shape()[0], w.shape()[1]);
    let (blocks, bytes) = (w.blocks().data::<u8>(), w.blocks().shape()[1]);
    let products = |out: &mut [f32]| {
        parallel::for_blocks(out, (PRODUCTS / features / rows).max(1) * rows, |start, out| {
            let blocks = &blocks[start / rows * bytes..][..out.len() / rows * bytes];
            kernels::products(w.scheme(), blocks, x, out);
        });
    };
    if rows == 1 {
        return products(out);
    }
    // Computed output by output, each for all rows.
    let mut turned = Tensor::stale(DType::F32, &[outputs, rows]);
    products(turned.data_mut());
    let turned = turned.data::<f32>();
    for (j, out) in out.chunks_exact_mut(outputs).enumerate() {
        out.iter_mut().zip(turned.chunks_exact(rows)).for_each(|(out, row)| *out = row[j]);
    }
}

/// Products with many rows, by the numbers of the weights, some of which are unpacked at a time.
fn many(w: &QTensor, x: &Tensor, out: &mut [f32]) {
    let (outputs, features) = (w.shape()[0], w.shape()[1]);
    let (blocks, bytes) = (w.blocks().data::<u8>(), w.blocks().shape()[1]);
    let most = (PANEL / features).clamp(32, 1024).min(outputs);
    for first in (0..outputs).step_by(most) {
        let count = most.min(outputs - first);
        let mut panel = Tensor::stale(DType::F32, &[count, features]);
        unpack(w, &blocks[first * bytes..][..count * bytes], panel.data_mut());
        gemm::linear_into::<f32>(x, &panel, None, &mut out[first..], outputs);
    }
}
