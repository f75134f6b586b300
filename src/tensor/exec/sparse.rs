//! Products with sparse matrices: blocks, threads, types.

use super::gemm::{self, narrow, wide};
use super::index::{copy, zeros};
use crate::error::{Result, bug};
use crate::parallel;
use crate::tensor::create::stale;
use crate::tensor::kernels::GRAIN;
use crate::tensor::kernels::sparse::{self as kernels, FEW, LANES, Lanes, Rows, TILE, WINDOW};
use crate::tensor::sparse::SparseTensor;
use crate::tensor::{DType, Tensor};

/// Up to so many rows are looked up in, and not turned.
const LOOKED_UP: usize = 2 * FEW;

/// `x · wᵀ` for all rows of `x`: `[.., in] × [out, in]`. The shapes fit.
#[track_caller]
pub(crate) fn linear(x: &Tensor, w: &SparseTensor) -> Result<Tensor> {
    let [outputs, features] = w.sizes();
    let dtype = x.dtype();
    if dtype == DType::F64 {
        return gemm::linear(x, &w.to_dense()?.cast(dtype), None);
    }
    let x = wide(x).packed();
    let mut shape = x.layout().shape();
    let Some(last) = shape.last_mut() else { return Err(bug!("linear", "an input without dimensions")) };
    *last = outputs;
    if features == 0 || w.count() == 0 {
        return Ok(narrow(zeros(&shape, DType::F32), dtype));
    }
    let mut out = stale("linear", &shape, DType::F32)?;
    let (data, rows) = (x.data::<f32>(), x.numel() / features);
    let mut first = 0;
    while outputs > 0 && first < rows {
        let count = (rows - first).min(match rows {
            ..=2 => 1,
            3..=LOOKED_UP => FEW,
            _ => TILE,
        });
        let x = &data[first * features..][..count * features];
        let out = &mut out.data_mut::<f32>()[first * outputs..][..count * outputs];
        match rows {
            ..=2 => alone(w, x, out)?,
            3..=LOOKED_UP => few(w, x, count, out)?,
            _ => tile(w, x, count, out)?,
        }
        first += count;
    }
    Ok(narrow(out, dtype))
}

fn whole(w: &SparseTensor) -> Rows<'_> {
    let (offsets, columns, values) = w.slices();
    Rows { offsets, columns, values, features: w.sizes()[1] }
}

/// How many rows of the weights a task computes, with `side` numbers of `x` for each of theirs.
fn grain(w: &SparseTensor, side: usize) -> usize {
    let work = w.count() / w.sizes()[0].max(1) * side;
    (16 * GRAIN / work.max(1)).next_multiple_of(LANES).max(LANES)
}

/// The matrix as products with one row take it.
pub(crate) fn lanes(w: &SparseTensor) -> Lanes {
    Lanes::new(whole(w))
}

#[track_caller]
fn alone(w: &SparseTensor, x: &[f32], out: &mut [f32]) -> Result<()> {
    let (lanes, mut padded) = (w.lanes(), stale("linear", &[x.len() + WINDOW], DType::F32)?);
    let (there, beyond) = padded.data_mut::<f32>().split_at_mut(x.len());
    there.copy_from_slice(x);
    beyond.fill(0.0);
    let x = padded.data::<f32>();
    parallel::for_blocks(out, grain(w, 1), |first, out| kernels::products_with_one(lanes, first, x, out));
    Ok(())
}

/// Up to [`FEW`] rows, for each of which what is looked up elsewhere is at hand.
#[track_caller]
fn few(w: &SparseTensor, x: &[f32], count: usize, out: &mut [f32]) -> Result<()> {
    let ([outputs, features], lanes) = (w.sizes(), w.lanes());
    let stride = (features + WINDOW).next_multiple_of(LANES);
    let mut padded = zeros(&[FEW, stride], DType::F32);
    let rows = padded.data_mut::<f32>().chunks_exact_mut(stride).zip(x.chunks_exact(features));
    rows.for_each(|(to, x)| to[..features].copy_from_slice(x));
    let mut sums = stale("linear", &[outputs.div_ceil(LANES), FEW, LANES], DType::F32)?;
    let x = padded.data::<f32>();
    parallel::for_blocks(sums.data_mut::<f32>(), grain(w, FEW) * FEW, |first, sums| {
        kernels::products_with_few(lanes, first / FEW, stride, x, sums);
    });
    let sums = sums.data::<f32>();
    for (row, out) in out.chunks_exact_mut(outputs).enumerate().take(count) {
        let parts = sums.chunks_exact(LANES).skip(row).step_by(FEW);
        parts.zip(out.chunks_mut(LANES)).for_each(|(sums, out)| out.copy_from_slice(&sums[..out.len()]));
    }
    Ok(())
}

/// Up to [`TILE`] rows at a time, side by side: each number of the weights is read once for all of them.
#[track_caller]
fn tile(w: &SparseTensor, x: &[f32], count: usize, out: &mut [f32]) -> Result<()> {
    let [outputs, features] = w.sizes();
    let side = count.next_multiple_of(LANES);
    let mut upright = stale("linear", &[side, features], DType::F32)?;
    let (there, beyond) = upright.data_mut::<f32>().split_at_mut(x.len());
    there.copy_from_slice(x);
    beyond.fill(0.0);
    let mut turned = stale("linear", &[features, side], DType::F32)?;
    copy(&upright, &[features, side], &[1, features], &mut turned);
    let mut sums = stale("linear", &[outputs, side], DType::F32)?;
    let turned = turned.data::<f32>();
    parallel::for_blocks(sums.data_mut::<f32>(), grain(w, side) * side, |start, sums| {
        let first = start / side;
        let offsets = &whole(w).offsets[first..=first + sums.len() / side];
        kernels::products(Rows { offsets, ..whole(w) }, side, turned, sums);
    });
    let mut rows = stale("linear", &[count, outputs], DType::F32)?;
    copy(&sums, &[count, outputs], &[1, side], &mut rows);
    out.copy_from_slice(rows.data::<f32>());
    Ok(())
}
