//! One query: a product of a matrix and a vector on each side of the softmax. The heads that share keys and values are the
//! rows of one product, so that keys and values are read once, in place.

use super::{Attention, Mask, Real, Rows, Shared, place};
use crate::tensor::kernels::gemm::{Gemm, MatRef, Scratch, gemm_here, units};
use crate::tensor::kernels::lanes::{lanes, pairwise, total};
use crate::tensor::kernels::rows::{Chunk, LANES, scale};
use crate::tensor::kernels::simd::{Isa, Kernel, dispatch};

/// [`forward`](super::forward) for a single query. The heads of a group lie next to each other in both results.
pub(super) fn forward<T: Real + Gemm>(a: &Attention<'_, T>, out: &mut [T], log_sums: &mut [T]) {
    let group = a.group();
    let (out, log_sums) = (Shared::new(out), Shared::new(log_sums));
    // The time that memory takes.
    let bytes = (a.width + a.value_width).saturating_mul(a.keys).saturating_mul(size_of::<T>());
    let time = (a.units() * a.kv_heads).saturating_mul(bytes) / 20;
    units(time, a.units() * a.kv_heads, |i| {
        let (unit, kv_head) = (i / a.kv_heads, i % a.kv_heads);
        let heads = (unit * a.heads + kv_head * group)..(unit * a.heads + (kv_head + 1) * group);
        // SAFETY: each head belongs to one unit of work.
        let (out, log_sums) = unsafe {
            (out.part(heads.start * a.value_width..heads.end * a.value_width), log_sums.part(heads.start..heads.end))
        };
        group_of_heads(a, unit, kv_head, out, log_sums);
    });
}

fn group_of_heads<T: Real + Gemm>(
    a: &Attention<'_, T>,
    unit: usize,
    kv_head: usize,
    out: &mut [T],
    log_sums: &mut [T],
) {
    let (group, seen) = (a.group(), a.seen(1));
    let stride = seen.next_multiple_of(LANES);
    let mut scratch = Scratch::new(group * stride);
    let scores = scratch.as_mut_slice();
    let [keys, values] = [a.k, a.v].map(|x| Rows::of(x, a.lead, unit, kv_head));

    // Here the heads are the rows of one matrix.
    let (offset, _) = place(a.q.strides, a.lead, unit, kv_head * group);
    let head_stride = a.q.strides.get(a.lead.len()).copied().unwrap_or(0);
    let data = a.q.data.get(offset..).unwrap_or_default();
    let queries = MatRef { data, rows: group, cols: a.width, row_stride: head_stride, col_stride: 1 };
    let turned = MatRef { rows: a.width, cols: seen, row_stride: 1, col_stride: keys.stride, ..keys.matrix(0, 0, 0) };
    gemm_here(a.scale, queries, turned, T::zero(), scores, stride);

    for (i, (scores, log_sum)) in scores.chunks_exact_mut(stride.max(1)).zip(log_sums.iter_mut()).enumerate() {
        let head = kv_head * group + i;
        match a.mask {
            Mask::None => {}
            Mask::Allowed(mask) => {
                let (data, col) = mask_row(mask.data, mask.strides, a, unit, head);
                for (j, score) in scores[..seen].iter_mut().enumerate() {
                    *score = if data[j * col] { *score } else { T::neg_infinity() };
                }
            }
            Mask::Added(mask) => {
                let (data, col) = mask_row(mask.data, mask.strides, a, unit, head);
                for (j, score) in scores[..seen].iter_mut().enumerate() {
                    *score += data[j * col];
                }
            }
        }
        scores[seen..].fill(T::neg_infinity());
        *log_sum = dispatch(Softmax { row: scores });
    }
    if seen == 0 {
        out.fill(T::zero());
        return log_sums.fill(T::infinity());
    }
    let weights = MatRef { data: scores, rows: group, cols: seen, row_stride: stride, col_stride: 1 };
    gemm_here(T::one(), weights, values.matrix(0, seen, a.value_width), T::zero(), out, a.value_width);
}

/// The only row of a head's mask, and the stride within.
fn mask_row<'a, M, T>(
    data: &'a [M],
    strides: &[usize],
    a: &Attention<'_, T>,
    unit: usize,
    head: usize,
) -> (&'a [M], usize) {
    let (offset, strides) = place(strides, a.lead, unit, head);
    (&data[offset..], strides.get(1).copied().unwrap_or(0))
}

/// Softmax of a row of whole chunks in place. Returns the logarithm of the sum of exponentials; as in
/// [`finish`](super::block::finish), a row of -∞ becomes zero.
struct Softmax<'a, T> {
    row: &'a mut [T],
}

impl<T: Real> Kernel for Softmax<'_, T> {
    type Output = T;
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) -> T {
        let (chunks, _) = self.row.as_chunks_mut::<LANES>();
        let larger = |a: T, b: T| if b > a { b } else { a };
        let mut tops: Chunk<T> = [T::neg_infinity(); LANES];
        for chunk in &*chunks {
            tops = lanes(|i| larger(tops[i], chunk[i]));
        }
        let max = pairwise(tops, larger);
        if max == T::neg_infinity() && chunks.iter().flatten().all(|x| *x == max) {
            self.row.fill(T::zero());
            return T::infinity();
        }
        let mut sum = [T::zero(); LANES];
        for chunk in &mut *chunks {
            *chunk = lanes(|i| (chunk[i] - max).exp_on::<I>());
            sum = lanes(|i| sum[i] + chunk[i]);
        }
        let sum = total(sum);
        scale(self.row, T::one() / sum);
        max + sum.ln_on::<I>()
    }
}
