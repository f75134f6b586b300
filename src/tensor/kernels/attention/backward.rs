//! The gradients of queries, keys and values.

use super::{Attention, Block, KEYS, Parts, Real, Rows, Shared, Strided, block};
use crate::tensor::kernels::gemm::{Gemm, MatRef, Scratch, copy_matrix, gemm_here, units};

/// Where the gradients go, as far as they are wanted. All have the dimensions `lead…, rows, heads, columns` and are
/// contiguous.
#[derive(Debug, Default)]
pub(crate) struct Gradients<'a, T> {
    pub(crate) q: Option<&'a mut [T]>,
    pub(crate) k: Option<&'a mut [T]>,
    pub(crate) v: Option<&'a mut [T]>,
}

/// Computes the gradients from the result and its gradient (dimensions `lead…, heads, queries, value_width`, with unit
/// stride in the last one), and the logarithms of sums that [`forward`](super::forward) left.
pub(crate) fn backward<T: Real + Gemm>(
    a: &Attention<'_, T>,
    out: Strided<'_, T>,
    grad: Strided<'_, T>,
    log_sums: &[T],
    to: Gradients<'_, T>,
) {
    let count = a.units() * a.heads * a.queries;
    let results = a.sizes(a.heads, a.queries, a.value_width);
    let fits = log_sums.len() == count && out.covers(results.clone()) && grad.covers(results);
    assert!(fits, "attention: results of queries");
    a.assert_fits();
    let pairs = a.units() * a.kv_heads * a.keys;
    let wanted = [(&to.q, count * a.width), (&to.k, pairs * a.width), (&to.v, pairs * a.value_width)];
    let fits = wanted.iter().all(|(to, len)| to.as_ref().is_none_or(|to| to.len() == *len));
    assert!(fits, "attention: gradients of queries, keys and values");
    let [q, k, v] = [to.q, to.k, to.v].map(|x| x.map(Shared::new));
    let to = Targets { q, k, v };
    units(a.time(5), a.units() * a.kv_heads, |i| {
        group_of_heads(a, (i / a.kv_heads, i % a.kv_heads), out, grad, log_sums, &to);
    });
}

/// The gradients as threads share them.
struct Targets<'a, T> {
    q: Option<Shared<'a, T>>,
    k: Option<Shared<'a, T>>,
    v: Option<Shared<'a, T>>,
}

/// The heads that share keys and values, one after the other.
fn group_of_heads<T: Real + Gemm>(
    a: &Attention<'_, T>,
    (unit, kv_head): (usize, usize),
    out: Strided<'_, T>,
    grad: Strided<'_, T>,
    log_sums: &[T],
    to: &Targets<'_, T>,
) {
    let (width, value_width) = (a.width, a.value_width);
    let [keys, values] = [a.k, a.v].map(|x| Rows::of(x, a.lead, unit, kv_head));
    let height = a.block_queries().min(a.queries);
    let stride = Block { query: 0, queries: height, key: 0, keys: 0 }.stride();
    let sizes = [
        if keys.stride == width { 0 } else { a.keys * width },
        if values.stride == value_width { 0 } else { a.keys * value_width },
        a.keys * width,
        a.keys * value_width,
        height * width,
        height * value_width,
        width * stride,
        value_width * stride,
        KEYS * stride,
        KEYS * stride,
        a.mask_scratch(stride),
        height * width,
        stride,
        stride,
    ];
    let mut scratch = Scratch::new(sizes.iter().map(|n| Parts::<T>::size(*n)).sum());
    let mut parts = Parts(scratch.as_mut_slice());
    let [
        for_keys,
        for_values,
        key_grads,
        value_grads,
        for_queries,
        for_grads,
        turned_queries,
        turned_grads,
        scores,
        slopes,
        for_mask,
        query_grads,
        log_sum,
        delta,
    ] = sizes.map(|n| parts.take(n));
    let keys = keys.packed(a.keys, width, for_keys);
    let values = values.packed(a.keys, value_width, for_values);
    key_grads.fill(T::zero());
    value_grads.fill(T::zero());
    for head in kv_head * a.group()..(kv_head + 1) * a.group() {
        let queries = Rows::of(a.q, a.lead, unit, head);
        let [out, grad] = [out, grad].map(|x| Rows::of(x, a.lead, unit, head));
        let drop = a.drop(unit, head);
        for block in a.query_blocks(0, a.queries) {
            let (n, stride) = (block.queries, block.stride());
            let from = |x: Rows<'_, T>| block.query * x.stride;
            let queries = Rows { data: queries.data.get(from(queries)..).unwrap_or_default(), ..queries };
            let grad = Rows { data: grad.data.get(from(grad)..).unwrap_or_default(), ..grad };
            let queries = queries.packed(n, width, for_queries);
            let grad = grad.packed(n, value_width, for_grads);
            let turn = |x: MatRef<'_, T>, to: &mut [T]| {
                let columns = MatRef { rows: x.cols, cols: x.rows, row_stride: 1, col_stride: x.row_stride, ..x };
                copy_matrix(columns, to, stride);
            };
            turn(queries.matrix(0, n, width), turned_queries);
            turn(grad.matrix(0, n, value_width), turned_grads);
            let first = (unit * a.heads + head) * a.queries + block.query;
            log_sum[..n].copy_from_slice(&log_sums[first..first + n]);
            // The sum of weight · gradient over all keys is that of the result and its gradient.
            let out = out.data.get(from(out)..).map_or((&[][..], 0), |data| (data, out.stride));
            block::row_dots((grad.data, grad.stride), out, value_width, &mut delta[..n]);
            // Lanes without a query.
            log_sum[n..stride].fill(T::zero());
            delta[n..stride].fill(T::zero());
            let query_grads = &mut query_grads[..n * width];
            query_grads.fill(T::zero());

            for block in a.key_blocks(block) {
                let (scores, slopes) = (&mut scores[..block.keys * stride], &mut slopes[..block.keys * stride]);
                a.scores((unit, head), block, keys, turned_queries, for_mask, scores);
                let turned_grads =
                    MatRef { data: turned_grads, rows: value_width, cols: n, row_stride: stride, col_stride: 1 };
                let values = values.matrix(block.key, block.keys, value_width);
                gemm_here(T::one(), values, turned_grads, T::zero(), slopes, stride);
                let drop = drop.map(|head| (head, block.query, block.key));
                block::gradients(scores, slopes, stride, log_sum, delta, drop);

                let (one, scale) = (T::one(), a.scale);
                let block_of = |x| MatRef { data: x, rows: block.keys, cols: n, row_stride: stride, col_stride: 1 };
                if to.v.is_some() {
                    let sums = &mut value_grads[block.key * value_width..];
                    gemm_here(one, block_of(scores), grad.matrix(0, n, value_width), one, sums, value_width);
                }
                if to.k.is_some() {
                    let sums = &mut key_grads[block.key * width..];
                    gemm_here(scale, block_of(slopes), queries.matrix(0, n, width), one, sums, width);
                }
                if to.q.is_some() {
                    let slopes = MatRef { data: slopes, rows: n, cols: block.keys, row_stride: 1, col_stride: stride };
                    let keys = keys.matrix(block.key, block.keys, width);
                    gemm_here(scale, slopes, keys, one, query_grads, width);
                }
            }
            if let Some(to) = &to.q {
                store(query_grads, width, to, (unit * a.queries + block.query) * a.heads + head, a.heads);
            }
        }
    }
    let first = unit * a.keys * a.kv_heads + kv_head;
    if let Some(to) = &to.k {
        store(key_grads, width, to, first, a.kv_heads);
    }
    if let Some(to) = &to.v {
        store(value_grads, value_width, to, first, a.kv_heads);
    }
}

/// Writes rows of one head to every `step`th row of the result, from number `first` on.
fn store<T: Real>(rows: &[T], cols: usize, to: &Shared<'_, T>, first: usize, step: usize) {
    for (i, row) in rows.chunks_exact(cols.max(1)).enumerate() {
        let at = (first + i * step) * cols;
        // SAFETY: the rows of a group of heads belong to one unit of work.
        unsafe { to.part(at..at + cols) }.copy_from_slice(row);
    }
}
