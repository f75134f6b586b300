//! Numbers into blocks with scales that are chosen by more than the largest number.

use std::sync::atomic::{AtomicBool, Ordering};

use super::too_large;
use crate::error::{Error, Result};
use crate::parallel;
use crate::tensor::create::stale;
use crate::tensor::kernels::GRAIN;
use crate::tensor::kernels::quantized::{self as kernels, Fit, Gptq, Levels, Scheme, put_row};
use crate::tensor::{DType, Tensor};

/// How scales are chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rounding<'a> {
    /// By the largest number that is left when each row is cut off at this percentile of its sizes.
    Percentile(f64),
    /// By the least squared error.
    Error,
    /// They are given, `[rows, blocks]`, for a scheme without an offset.
    Given(&'a [f32]),
}

/// Blocks of the numbers of `x`, as a tensor of type `U8` and this shape.
#[track_caller]
pub(crate) fn fitted(scheme: Scheme, x: &Tensor, shape: &[usize], how: Rounding<'_>) -> Result<Tensor> {
    let (mut out, x) = (stale("quantize", shape, DType::U8)?, x.packed());
    let (Some(levels), Some(len)) = (Levels::of(scheme), x.shape().last().copied()) else {
        return Err(too_large(scheme));
    };
    let (bytes, block) = (scheme.row_bytes(len), if scheme == Scheme::Int8 { len } else { scheme.block_len() });
    let (data, fits) = (x.data::<f32>(), AtomicBool::new(x.data::<f32>().iter().all(|x| x.is_finite())));
    parallel::for_blocks(out.data_mut::<u8>(), (GRAIN / 64 / len.max(1)).max(1) * bytes, |start, out| {
        let rows = data[start / bytes * len..].chunks_exact(len.max(1));
        for (at, (row, out)) in rows.zip(out.chunks_exact_mut(bytes)).enumerate() {
            let (mut row, mut all) = (row.to_vec(), Vec::with_capacity(len / block.max(1)));
            if let Rounding::Percentile(percent) = how {
                let most = kernels::percentile(&row, percent);
                row.iter_mut().for_each(|x| *x = x.clamp(-most.abs(), most.abs()));
            }
            let mut q = Vec::with_capacity(len);
            for (i, x) in row.chunks(block.max(1)).enumerate() {
                let fit = match how {
                    Rounding::Percentile(_) => levels.by_largest(x),
                    Rounding::Error => levels.by_error(x),
                    Rounding::Given(scales) => levels.given(scales[(start / bytes + at) * (len / block) + i]),
                };
                q.extend(x.iter().map(|x| levels.nearest(f64::from(*x), fit)));
                all.push(fit);
            }
            if !all.iter().all(|fit: &Fit| fit.is_finite()) {
                fits.store(false, Ordering::Relaxed);
            }
            put_row(scheme, &all, &q, out);
        }
    });
    if fits.into_inner() { Ok(out) } else { Err(too_large(scheme)) }
}

/// What connects the columns of a layer, in the order in which they will be rounded.
pub(crate) struct Connected {
    pub(super) upper: Tensor,
    order: Vec<usize>,
}

/// From the sum of the products of inputs with each other, `[n, n]` of type `F64`; `damping` times the mean of its diagonal is added
/// to that, ten times as much where it does not suffice. Inputs that were always zero are connected with nothing.
#[track_caller]
pub(crate) fn connected(products: &Tensor, damping: f64, by_size: bool) -> Result<Connected> {
    let (products, n) = (products.packed(), products.shape()[0]);
    let data = products.data::<f64>();
    let diagonal: Vec<f64> = (0..n).map(|i| data[i * n + i]).collect();
    if !data.iter().all(|x| x.is_finite()) {
        let e = Error::numeric("quantize", "an input that was seen while calibrating is not finite");
        return Err(e.with_help("look for NaN in the batches, and for a model that has diverged"));
    }
    let mut order: Vec<usize> = (0..n).collect();
    if by_size {
        order.sort_by(|a, b| diagonal[*b].total_cmp(&diagonal[*a]));
    }
    let mean = diagonal.iter().sum::<f64>() / n.max(1) as f64;
    for more in 0..4 {
        let added = damping * 10.0_f64.powi(more) * mean;
        let mut upper = stale("quantize", &[n, n], DType::F64)?;
        for (row, i) in upper.data_mut::<f64>().chunks_exact_mut(n.max(1)).zip(&order) {
            row.iter_mut().zip(&order).for_each(|(x, j)| {
                let own = data[i * n + j];
                *x = match i == j {
                    true if diagonal[*i] == 0.0 => 1.0,
                    true => own + added,
                    false => own,
                };
            });
        }
        if kernels::factor(upper.data_mut(), n) {
            return Ok(Connected { upper, order });
        }
    }
    let message = format!("the products of the {n} inputs that were seen cannot be decomposed");
    Err(Error::numeric("quantize", message).with_help("calibrate with more examples, or with more damping"))
}

/// Blocks of the rows of a matrix whose errors make up for each other.
#[track_caller]
pub(crate) fn gptq(
    scheme: Scheme,
    x: &Tensor,
    shape: &[usize],
    by: &Connected,
    group: usize,
    [by_error, is_fixed]: [bool; 2],
) -> Result<Tensor> {
    let (mut out, x, len) = (stale("quantize", shape, DType::U8)?, x.packed(), x.shape()[1]);
    let data = x.data::<f32>();
    let rule = Gptq { scheme, len, upper: by.upper.data(), order: &by.order, group, by_error, is_fixed };
    let fits = AtomicBool::new(data.iter().all(|x| x.is_finite()));
    let (bytes, rows) = (scheme.row_bytes(len), 16);
    parallel::for_blocks(out.data_mut::<u8>(), rows * bytes, |start, out| {
        if !rule.round(&data[start / bytes * len..][..out.len() / bytes * len], out) {
            fits.store(false, Ordering::Relaxed);
        }
    });
    if fits.into_inner() { Ok(out) } else { Err(too_large(scheme)) }
}
