//! Scaled dot-product attention, `softmax(scale · q·kᵀ) · v`, block by block.
//!
//! The scores of all queries with all keys are never in memory at once. A block of them is computed, exponentiated and
//! multiplied by the values while it is in the first-level cache; of each query only the largest score so far and the
//! sum of the exponentials are kept (the online softmax of Milakov and Gimelshein, 2018, as in FlashAttention, Dao et al.,
//! 2022). The gradient computes the blocks once more from the queries, the keys and the logarithm of that sum.
//!
//! A block holds **keys as rows and queries as columns**: `scores = k·qᵀ`. What happens for each query then happens in a
//! lane of a vector register, without sums across lanes, and no product needs an operand that is not yet in the order in
//! which the tiles of [`gemm`](super::gemm) read it, except `qᵀ`, which is transposed once for each block of queries.
//!
//! | module | what |
//! |---|---|
//! | [`forward`], [`backward`] | the loops over blocks |
//! | [`single`] | one query, as in generating text token by token |
//! | [`block`] | what happens to a block between the products |
//! | [`drop`] | which weights dropout takes |

mod backward;
mod block;
mod drop;
mod forward;
mod single;
#[cfg(test)]
mod tests;

pub(crate) use backward::{Gradients, backward};
pub(crate) use drop::Dropout;
pub(crate) use forward::forward;

use super::gemm::{Gemm, MatRef, copy_matrix, gemm_here};
use super::rows::LANES;
use super::shared::Shared;
use super::{Real, Strided};

/// Keys in a block.
const KEYS: usize = 64;

/// Which keys each query may attend to, by their scores.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mask<'a, T> {
    /// All of them.
    None,
    /// Those with `true`.
    Allowed(Strided<'a, bool>),
    /// This is added to the scores.
    Added(Strided<'a, T>),
}

/// An attention. The operands have the dimensions `lead…, heads, rows, columns`, with unit stride in the last one; the
/// mask `lead…, heads, queries, keys`. Its strides may be 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attention<'a, T> {
    pub(crate) q: Strided<'a, T>,
    pub(crate) k: Strided<'a, T>,
    pub(crate) v: Strided<'a, T>,
    pub(crate) mask: Mask<'a, T>,
    /// The sizes of the leading dimensions.
    pub(crate) lead: &'a [usize],
    /// A multiple of `kv_heads`: neighbours share keys and values.
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    /// The length of a query and of a key.
    pub(crate) width: usize,
    pub(crate) value_width: usize,
    pub(crate) scale: T,
    /// Whether query `i` sees only the keys up to number `i + keys - queries`.
    pub(crate) causal: bool,
    pub(crate) dropout: Option<Dropout>,
}

/// Some queries and some keys.
#[derive(Debug, Clone, Copy)]
struct Block {
    query: usize,
    queries: usize,
    key: usize,
    keys: usize,
}

impl Block {
    /// How far apart the rows of a block of scores are: a multiple of the lanes.
    fn stride(&self) -> usize {
        self.queries.next_multiple_of(LANES)
    }
}

/// The rows of one head, `stride` apart.
#[derive(Debug, Clone, Copy)]
struct Rows<'a, T> {
    data: &'a [T],
    stride: usize,
}

impl<'a, T: Gemm> Rows<'a, T> {
    /// The part of `x` that belongs to a head.
    fn of(x: Strided<'a, T>, lead: &[usize], unit: usize, head: usize) -> Self {
        let (offset, strides) = place(x.strides, lead, unit, head);
        Self { data: x.data.get(offset..).unwrap_or_default(), stride: strides.first().copied().unwrap_or(0) }
    }

    fn matrix(&self, from: usize, rows: usize, cols: usize) -> MatRef<'a, T> {
        let data = self.data.get(from * self.stride..).unwrap_or_default();
        MatRef { data, rows, cols, row_stride: self.stride, col_stride: 1 }
    }

    /// The same rows close together, in `scratch` unless they are so already. Rows that lie far apart, a power of two in
    /// the worst case, compete for the same lines of the cache.
    fn packed<'s>(self, rows: usize, cols: usize, scratch: &'s mut [T]) -> Rows<'s, T>
    where
        'a: 's,
    {
        if self.stride == cols {
            return self;
        }
        copy_matrix(self.matrix(0, rows, cols), scratch, cols);
        Rows { data: scratch, stride: cols }
    }
}

/// Where the elements of a head begin, and the strides of its rows and columns.
fn place<'a>(strides: &'a [usize], lead: &[usize], unit: usize, head: usize) -> (usize, &'a [usize]) {
    let (outer, inner) = strides.split_at(lead.len().min(strides.len()));
    let (mut rest, mut offset) = (unit, 0);
    for (&size, &stride) in lead.iter().zip(outer).rev() {
        offset += rest % size * stride;
        rest /= size;
    }
    let (head_stride, rest) = inner.split_first().unwrap_or((&0, &[]));
    (offset + head * head_stride, rest)
}

impl<T: Real + Gemm> Attention<'_, T> {
    /// How often there is a set of heads.
    fn units(&self) -> usize {
        self.lead.iter().product()
    }

    /// The sizes of an operand.
    fn sizes(&self, heads: usize, rows: usize, cols: usize) -> impl Iterator<Item = usize> + Clone {
        self.lead.iter().copied().chain([heads, rows, cols])
    }

    /// Asserts that the operands have the elements that they must have.
    fn assert_fits(&self) {
        let Self { heads, kv_heads, queries, keys, width, value_width, .. } = *self;
        assert!(heads == self.group() * kv_heads, "attention: {heads} heads for {kv_heads} of keys and values");
        let fits = self.q.covers(self.sizes(heads, queries, width))
            && self.k.covers(self.sizes(kv_heads, keys, width))
            && self.v.covers(self.sizes(kv_heads, keys, value_width));
        assert!(fits, "attention: queries, keys and values");
        let rank = self.lead.len() + 3;
        let scores = self.sizes(heads, queries, keys);
        let fits = match &self.mask {
            Mask::None => true,
            Mask::Allowed(mask) => mask.strides.len() == rank && mask.covers(scores),
            Mask::Added(mask) => mask.strides.len() == rank && mask.covers(scores),
        };
        assert!(fits, "attention: mask");
    }

    /// How many heads share a head of keys and values.
    fn group(&self) -> usize {
        self.heads.checked_div(self.kv_heads).unwrap_or(0)
    }

    /// Queries in a block. Half as many where there are few, so that more of what a causal mask hides is skipped.
    fn block_queries(&self) -> usize {
        if self.queries <= 64 { 32 } else { 64 }
    }

    /// How many of the keys are seen by any of the queries before number `end`.
    fn seen(&self, end: usize) -> usize {
        if self.causal { (end + self.keys).saturating_sub(self.queries).min(self.keys) } else { self.keys }
    }

    /// The blocks of queries `from..to`, each with no keys yet.
    fn query_blocks(&self, from: usize, to: usize) -> impl Iterator<Item = Block> + use<T> {
        let step = self.block_queries();
        (from..to).step_by(step).map(move |query| Block { query, queries: step.min(to - query), key: 0, keys: 0 })
    }

    /// A block of queries with each of the blocks of keys that it sees.
    fn key_blocks(&self, block: Block) -> impl Iterator<Item = Block> + use<T> {
        let seen = self.seen(block.query + block.queries);
        (0..seen).step_by(KEYS).map(move |key| Block { key, keys: KEYS.min(seen - key), ..block })
    }

    /// How long one thread takes for `products` products of all queries with all keys, in nanoseconds.
    fn time(&self, products: usize) -> usize {
        const PER_NANOSECOND: usize = 20;
        let pairs = self.units().saturating_mul(self.heads).saturating_mul(self.queries).saturating_mul(self.keys);
        let pairs = if self.causal { pairs / 2 } else { pairs };
        // An exponential takes as long as a product of some twenty numbers.
        let each = (self.width + self.value_width).saturating_mul(products) / 2 + 20;
        pairs.saturating_mul(each).saturating_mul(size_of::<T>() / 4) / PER_NANOSECOND
    }

    /// Elements of scratch for [`scores`](Self::scores).
    fn mask_scratch(&self, stride: usize) -> usize {
        if matches!(self.mask, Mask::Added(_)) { KEYS * stride } else { 0 }
    }

    /// The scores of a block, with the mask: -∞ where a query does not see a key. `turned` are the queries as columns.
    fn scores(
        &self,
        (unit, head): (usize, usize),
        block: Block,
        keys: Rows<'_, T>,
        turned: &[T],
        scratch: &mut [T],
        scores: &mut [T],
    ) {
        let stride = block.stride();
        let queries = MatRef { data: turned, rows: self.width, cols: block.queries, row_stride: stride, col_stride: 1 };
        gemm_here(self.scale, keys.matrix(block.key, block.keys, self.width), queries, T::zero(), scores, stride);
        let hidden = T::neg_infinity();
        match self.mask {
            Mask::None => {}
            Mask::Allowed(mask) => {
                let (offset, strides) = place(mask.strides, self.lead, unit, head);
                let [row, col] = [0, 1].map(|i| strides.get(i).copied().unwrap_or(0));
                let offset = offset + block.query * row + block.key * col;
                for (j, scores) in scores.chunks_exact_mut(stride).take(block.keys).enumerate() {
                    let column = &mask.data[offset + j * col..];
                    if row == 0 {
                        if !column[0] {
                            scores.fill(hidden);
                        }
                        continue;
                    }
                    for (score, &allowed) in scores[..block.queries].iter_mut().zip(column.iter().step_by(row)) {
                        *score = if allowed { *score } else { hidden };
                    }
                }
            }
            Mask::Added(mask) => {
                let (offset, strides) = place(mask.strides, self.lead, unit, head);
                let [row, col] = [0, 1].map(|i| strides.get(i).copied().unwrap_or(0));
                let data = &mask.data[offset + block.query * row + block.key * col..];
                let from = MatRef { data, rows: block.keys, cols: block.queries, row_stride: col, col_stride: row };
                copy_matrix(from, scratch, stride);
                block::add(scores, scratch, block.keys * stride);
            }
        }
        if self.causal {
            // Key `j` is seen from query `j + queries - keys` on.
            for (j, scores) in (block.key..).zip(scores.chunks_exact_mut(stride).take(block.keys)) {
                let first = (j + self.queries).saturating_sub(self.keys).saturating_sub(block.query);
                scores[..first.min(block.queries)].fill(hidden);
            }
        }
    }

    /// The rule of dropout for a head.
    fn drop(&self, unit: usize, head: usize) -> Option<drop::Head> {
        self.dropout.map(|dropout| dropout.head(unit, self.heads, head, self.keys))
    }
}

/// Cuts a buffer into parts that begin at full vectors.
struct Parts<'a, T>(&'a mut [T]);

impl<'a, T> Parts<'a, T> {
    /// How many elements a part of `len` takes.
    const fn size(len: usize) -> usize {
        len.next_multiple_of(LANES)
    }

    fn take(&mut self, len: usize) -> &'a mut [T] {
        let (part, rest) = std::mem::take(&mut self.0).split_at_mut(Self::size(len));
        self.0 = rest;
        &mut part[..len]
    }
}
