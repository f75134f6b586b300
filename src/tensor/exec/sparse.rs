//! Products with sparse matrices: blocks, threads, types.

use super::gemm::{self, narrow, wide};
use super::index::zeros;
use crate::error::{Result, bug};
use crate::parallel;
use crate::tensor::create::stale;
use crate::tensor::kernels::GRAIN;
use crate::tensor::kernels::sparse::{self as kernels, Rows, TILE};
use crate::tensor::sparse::SparseTensor;
use crate::tensor::{DType, Tensor};

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
    if outputs > 0 {
        let mut first = 0;
        while first < rows {
            let count = (rows - first).min(TILE);
            let x = &data[first * features..][..count * features];
            let out = &mut out.data_mut::<f32>()[first * outputs..][..count * outputs];
            match count {
                1 => alone(w, x, out),
                2..=8 => tile::<8>(w, x, count, out)?,
                9..=16 => tile::<16>(w, x, count, out)?,
                17..=32 => tile::<32>(w, x, count, out)?,
                _ => tile::<TILE>(w, x, count, out)?,
            }
            first += count;
        }
    }
    Ok(narrow(out, dtype))
}

/// How many rows a task computes, of `each` numbers.
fn grain(w: &SparseTensor, each: usize) -> usize {
    let work = (w.count() * each / w.sizes()[0].max(1)).max(1);
    (4 * GRAIN / work).max(1)
}

fn part(w: &SparseTensor, first: usize, count: usize) -> Rows<'_> {
    let (offsets, columns, values) = w.slices();
    Rows { offsets: &offsets[first..=first + count], columns, values, features: w.sizes()[1] }
}

fn alone(w: &SparseTensor, x: &[f32], out: &mut [f32]) {
    parallel::for_blocks(out, grain(w, 4), |first, out| kernels::products_with_one(part(w, first, out.len()), x, out));
}

/// Up to `T` rows at a time, side by side: each number of the weights is read once for all of them.
#[track_caller]
fn tile<const T: usize>(w: &SparseTensor, x: &[f32], count: usize, out: &mut [f32]) -> Result<()> {
    let [outputs, features] = w.sizes();
    let mut turned = zeros(&[features, T], DType::F32);
    for (row, x) in x.chunks_exact(features).enumerate() {
        turned.data_mut::<f32>().iter_mut().skip(row).step_by(T).zip(x).for_each(|(to, x)| *to = *x);
    }
    let mut sums = stale("linear", &[outputs, T], DType::F32)?;
    let turned = turned.data::<f32>();
    parallel::for_blocks(sums.data_mut::<f32>(), grain(w, T / 8) * T, |start, sums| {
        kernels::products::<T>(part(w, start / T, sums.len() / T), turned, sums);
    });
    let sums = sums.data::<f32>();
    for (row, out) in out.chunks_exact_mut(outputs).enumerate().take(count) {
        out.iter_mut().zip(sums.iter().skip(row).step_by(T)).for_each(|(out, sum)| *out = *sum);
    }
    Ok(())
}
