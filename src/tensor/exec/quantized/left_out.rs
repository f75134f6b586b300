//! Numbers that are left out, for which those behind them make up (Frantar and Alistarh, *SparseGPT: Massive language models can be
//! accurately pruned in one-shot*, 2023).

use super::fitted::Connected;
use crate::error::{Error, Result};
use crate::order;
use crate::parallel;
use crate::tensor::Tensor;

/// How many columns are chosen among at a time.
const COLUMNS: usize = 128;
/// How many rows a task has.
const ROWS: usize = 16;

/// Which numbers go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LeftOut {
    /// This share of each 128 columns, whatever their rows.
    Share(f64),
    /// All but `keep` of each `of` columns of a row, which divide it.
    Groups { keep: usize, of: usize },
}

/// A matrix `[out, in]` without these numbers, for inputs that are `connected`, without a change of order. `unmet` inputs were always
/// zero: their numbers go as well.
#[track_caller]
pub(crate) fn left_out(x: &Tensor, by: &Connected, unmet: &[bool], which: LeftOut) -> Result<Tensor> {
    let (x, n) = (x.packed(), unmet.len());
    let mut left: Vec<f64> = x.data::<f32>().iter().map(|x| f64::from(*x)).collect();
    let upper = by.upper.data::<f64>();
    for row in left.chunks_exact_mut(n.max(1)) {
        row.iter_mut().zip(unmet).filter(|(_, unmet)| **unmet).for_each(|(x, _)| *x = 0.0);
    }
    let columns = match which {
        LeftOut::Groups { of, .. } => (COLUMNS / of * of).max(of),
        LeftOut::Share(_) => COLUMNS,
    };
    let score = |row: &[f64], i: usize| (row[i] / upper[i * n + i]).powi(2);
    for first in (0..n).step_by(columns) {
        let end = (first + columns).min(n);
        let wide = end - first;
        let mut gone = vec![false; left.len() / n * wide];
        if let LeftOut::Share(share) = which {
            let scores = left.chunks_exact(n).flat_map(|row| (first..end).map(move |i| (row, i)));
            let scores: Vec<f64> = scores.map(|(row, i)| score(row, i)).collect();
            let count = (share * gone.len() as f64).round_ties_even() as usize;
            smallest(&scores, count, &mut |at| gone[at] = true);
        }
        parallel::for_blocks_of_two((&mut left, n * ROWS), (&mut gone, wide * ROWS), &|_, left, gone| {
            for (row, gone) in left.chunks_exact_mut(n).zip(gone.chunks_exact_mut(wide)) {
                let mut errors = vec![0.0; wide];
                for i in first..end {
                    if let LeftOut::Groups { keep, of } = which
                        && (i - first).is_multiple_of(of)
                    {
                        let scores: Vec<f64> = (i..i + of).map(|i| score(row, i)).collect();
                        smallest(&scores, of - keep, &mut |at| gone[i - first + at] = true);
                    }
                    if gone[i - first] {
                        let upper = &upper[i * n..(i + 1) * n];
                        let error = row[i] / upper[i];
                        row[i] = 0.0;
                        row[i + 1..end].iter_mut().zip(&upper[i + 1..end]).for_each(|(x, u)| *x -= error * u);
                        errors[i - first] = error;
                    }
                }
                for (i, error) in (first..end).zip(&errors).filter(|(_, error)| **error != 0.0) {
                    let upper = &upper[i * n + end..(i + 1) * n];
                    row[end..].iter_mut().zip(upper).for_each(|(x, u)| *x -= error * u);
                }
            }
        });
    }
    if !left.iter().all(|x| x.is_finite()) {
        return Err(Error::numeric("prune", "a number is not finite, or has become so"));
    }
    Tensor::from_vec(left.iter().map(|x| *x as f32).collect(), x.shape())
}

/// Calls `f` with the places of the smallest numbers; of those that are equal, the first.
fn smallest(scores: &[f64], count: usize, f: &mut dyn FnMut(usize)) {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    if let Some(last) = count.min(places.len()).checked_sub(1) {
        places.select_nth_unstable_by_key(last, |i| (order::key(scores[*i]), *i));
        places[..=last].iter().for_each(|at| f(*at));
    }
}
