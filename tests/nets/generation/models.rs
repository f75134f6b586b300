//! Language models that are small enough to see through.

use std::sync::atomic::{AtomicUsize, Ordering};

use demotic::models::{CausalLm, LmState};
use demotic::prelude::*;

/// The tokens that each row was fed, without padding.
#[derive(Clone)]
pub(super) struct Fed {
    rows: Vec<Vec<i64>>,
    padding: Vec<usize>,
    len: usize,
}

impl LmState for Fed {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        self.padding = rows.iter().map(|i| self.padding[*i]).collect();
        self.rows = rows.iter().map(|i| self.rows[*i].clone()).collect();
        Ok(())
    }
}

/// A model whose logits are any function of all tokens so far.
pub(super) struct Whole<F> {
    pub(crate) vocab: usize,
    pub(crate) context: Option<usize>,
    pub(crate) logits: F,
    /// The tokens that were fed, padding included.
    pub(crate) fed: AtomicUsize,
}

impl<F: Fn(&[i64]) -> Vec<f32>> Whole<F> {
    pub(crate) fn new(vocab: usize, context: Option<usize>, logits: F) -> Self {
        Self { vocab, context, logits, fed: AtomicUsize::new(0) }
    }
}

impl<F: Fn(&[i64]) -> Vec<f32>> CausalLm for Whole<F> {
    type State = Fed;

    fn vocab_size(&self) -> usize {
        self.vocab
    }

    fn context_length(&self) -> Option<usize> {
        self.context
    }

    fn start(&self, padding: &[usize]) -> Result<Fed> {
        assert!(!padding.is_empty() && self.context.is_none_or(|context| padding.iter().all(|p| *p < context)));
        Ok(Fed { rows: vec![Vec::new(); padding.len()], padding: padding.to_vec(), len: 0 })
    }

    fn extend(&self, ids: &Tensor, state: &mut Fed) -> Result<Tensor> {
        let [rows, n] = [ids.shape()[0], ids.shape()[1]];
        assert_eq!(rows, state.rows.len());
        assert!(self.context.is_none_or(|context| state.len + n <= context), "more than the context");
        self.fed.fetch_add(rows * n, Ordering::Relaxed);
        let ids = ids.to_vec::<i64>()?;
        assert!(ids.iter().all(|id| (0..self.vocab as i64).contains(id)));
        let mut out = Vec::with_capacity(rows * n * self.vocab);
        for (row, ids) in ids.chunks(n).enumerate() {
            for (i, id) in ids.iter().enumerate() {
                if state.len + i >= state.padding[row] {
                    state.rows[row].push(*id);
                    out.extend((self.logits)(&state.rows[row]));
                } else {
                    out.extend(std::iter::repeat_n(0.0, self.vocab));
                }
            }
        }
        state.len += n;
        Tensor::from_vec(out, [rows, n, self.vocab])
    }
}

/// Random logits that depend on every token and on their number.
pub(super) fn hashed(vocab: usize) -> impl Fn(&[i64]) -> Vec<f32> {
    move |tokens| {
        let hash = tokens.iter().fold(tokens.len() as u64, |h, t| (h ^ *t as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut rng = Rng::seed(hash);
        (0..vocab).map(|_| 2.0 * rng.normal() as f32).collect()
    }
}

/// After `i` comes `i + 1`, and after the last token the first.
pub(super) fn counting(vocab: usize) -> impl Fn(&[i64]) -> Vec<f32> {
    move |tokens| {
        let mut logits = vec![0.0; vocab];
        logits[(tokens[tokens.len() - 1] as usize + 1) % vocab] = 30.0;
        logits
    }
}

/// Rows of a table `[vocab, vocab, vocab]` for the last two tokens; before the first stands token 0.
pub(super) fn table(values: Vec<f32>, vocab: usize) -> impl Fn(&[i64]) -> Vec<f32> {
    move |tokens| {
        let last = tokens[tokens.len() - 1] as usize;
        let before = tokens.len().checked_sub(2).map_or(0, |i| tokens[i] as usize);
        values[(before * vocab + last) * vocab..][..vocab].to_vec()
    }
}

/// The logarithms of the probabilities of logits.
pub(super) fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - max).exp()).sum();
    logits.iter().map(|x| f64::from(x - max) - sum.ln()).collect()
}
