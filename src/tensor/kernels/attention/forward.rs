//! The result, and of each query the logarithm of the sum of exponentials.

use super::block::{self, Running};
use super::{Attention, Block, KEYS, Parts, Real, Rows, Shared, single};
use crate::tensor::kernels::gemm::{Gemm, MatRef, Scratch, copy_matrix, gemm_here, units};

/// Queries that one task takes, at most: where there are few heads, several tasks share one.
const TASK: usize = 512;

/// Computes the attention: `out` has the dimensions `lead…, queries, heads, value_width`, `log_sums`
/// `lead…, heads, queries`, both contiguous.
pub(crate) fn forward<T: Real + Gemm>(a: &Attention<'_, T>, out: &mut [T], log_sums: &mut [T]) {
    let count = a.units() * a.heads * a.queries;
    assert!(out.len() == count * a.value_width && log_sums.len() == count, "attention: results of queries");
    a.assert_fits();
    if count == 0 {
        return;
    }
    if a.queries == 1 && a.dropout.is_none() {
        return single::forward(a, out, log_sums);
    }
    let (out, log_sums) = (Shared::new(out), Shared::new(log_sums));
    let tasks = a.queries.div_ceil(TASK);
    units(a.time(2), a.units() * a.heads * tasks, |i| {
        let (head, task) = (i / tasks, i % tasks);
        let (unit, head) = (head / a.heads, head % a.heads);
        let range = task * TASK..a.queries.min((task + 1) * TASK);
        task_of_head(a, (unit, head), range, &out, &log_sums);
    });
}

fn task_of_head<T: Real + Gemm>(
    a: &Attention<'_, T>,
    (unit, head): (usize, usize),
    range: std::ops::Range<usize>,
    out: &Shared<'_, T>,
    log_sums: &Shared<'_, T>,
) {
    let (width, value_width) = (a.width, a.value_width);
    let seen = a.seen(range.end);
    let [keys, values] = [a.k, a.v].map(|x| Rows::of(x, a.lead, unit, head / a.group()));
    let queries = Rows::of(a.q, a.lead, unit, head);
    let height = a.block_queries().min(range.len());
    let stride = Block { query: 0, queries: height, key: 0, keys: 0 }.stride();
    let sizes = [
        if keys.stride == width { 0 } else { seen * width },
        if values.stride == value_width { 0 } else { seen * value_width },
        width * stride,
        KEYS * stride,
        a.mask_scratch(stride),
        height * value_width,
        stride,
        stride,
        stride,
    ];
    let mut scratch = Scratch::new(sizes.iter().map(|n| Parts::<T>::size(*n)).sum());
    let mut parts = Parts(scratch.as_mut_slice());
    let [for_keys, for_values, turned, scores, for_mask, sums, max, sum, factor] = sizes.map(|n| parts.take(n));
    let keys = keys.packed(seen, width, for_keys);
    let values = values.packed(seen, value_width, for_values);
    let running = Running { max, sum, factor };
    let drop = a.drop(unit, head);

    for block in a.query_blocks(range.start, range.end) {
        let stride = block.stride();
        let rows = queries.matrix(block.query, block.queries, width);
        let columns = MatRef { rows: width, cols: block.queries, row_stride: 1, col_stride: rows.row_stride, ..rows };
        copy_matrix(columns, turned, stride);
        let sums = &mut sums[..block.queries * value_width];
        let mut running = Running {
            max: &mut running.max[..stride],
            sum: &mut running.sum[..stride],
            factor: &mut running.factor[..stride],
        };
        running.max.fill(T::neg_infinity());
        running.sum.fill(T::zero());
        if a.seen(block.query + block.queries) == 0 {
            sums.fill(T::zero());
        }
        for block in a.key_blocks(block) {
            let scores = &mut scores[..block.keys * stride];
            a.scores((unit, head), block, keys, turned, for_mask, scores);
            block::weights(scores, stride, &mut running, drop.map(|head| (head, block.query, block.key)));
            let first = block.key == 0;
            if !first {
                block::scale_rows(sums, value_width, running.factor);
            }
            let weights =
                MatRef { data: scores, rows: block.queries, cols: block.keys, row_stride: 1, col_stride: stride };
            let beta = if first { T::zero() } else { T::one() };
            let values = values.matrix(block.key, block.keys, value_width);
            gemm_here(T::one(), weights, values, beta, sums, value_width);
        }
        block::finish(&mut running);
        block::scale_rows(sums, value_width, running.factor);
        let first = (unit * a.heads + head) * a.queries + block.query;
        // SAFETY: each query of a head belongs to one task.
        unsafe { log_sums.part(first..first + block.queries) }.copy_from_slice(&running.max[..block.queries]);
        for (i, row) in sums.chunks_exact(value_width.max(1)).enumerate() {
            let at = ((unit * a.queries + block.query + i) * a.heads + head) * value_width;
            // SAFETY: as above.
            unsafe { out.part(at..at + value_width) }.copy_from_slice(row);
        }
    }
}
