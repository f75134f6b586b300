//! Whether what is relevant stands at the top of a list.

use super::examples::{check_weights, place};
use super::mean;
use crate::error::{Error, Result};
use crate::order;
use crate::tensor::Tensor;

/// Scores and relevances of each query's documents.
struct Lists {
    scores: Vec<f64>,
    relevance: Vec<f64>,
    documents: usize,
}

#[track_caller]
fn lists(name: &'static str, scores: &Tensor, relevance: &Tensor) -> Result<Lists> {
    let shape = scores.shape();
    if shape != relevance.shape() || shape.len() != 2 {
        let message = format!(
            "the scores have shape {shape:?}, the relevances {:?}, expected both [queries, documents]",
            relevance.shape()
        );
        return Err(Error::shape(name, message).with_help("unsqueeze(0) makes a list of one query"));
    }
    if scores.is_empty() {
        return Err(Error::shape(name, "there are no queries"));
    }
    let (values, relevances) = (scores.to_f64_vec(), relevance.to_f64_vec());
    if let Some(i) = values.iter().position(|x| x.is_nan()) {
        return Err(Error::numeric(name, format!("the scores contain NaN at {}", place(shape, i))));
    }
    if let Some(i) = relevances.iter().position(|x| !(*x >= 0.0 && x.is_finite())) {
        let message =
            format!("relevance {} is {}, expected a finite number of at least 0", place(shape, i), relevances[i]);
        return Err(Error::argument(name, message));
    }
    Ok(Lists { scores: values, relevance: relevances, documents: shape[1] })
}

#[track_caller]
fn nothing_relevant(name: &'static str) -> Error {
    Error::argument(name, "no query has a relevant document, so that it is not defined")
        .with_help("relevances are numbers above 0 for what should stand at the top")
}

/// `Σ relevance / log₂(place + 1)` of the first `k`. Documents with equal scores share the mean of their places' discounts.
fn discounted_gain(scores: &[f64], relevance: &[f64], k: usize) -> f64 {
    let mut ranked: Vec<(f64, f64)> = Vec::with_capacity(scores.len());
    for (score, relevance) in scores.iter().zip(relevance) {
        ranked.push((*score + 0.0, *relevance));
    }
    order::sort_by_key(&mut ranked, |(score, _)| !order::key(*score));
    let (mut gain, mut i) = (0.0, 0);
    while i < ranked.len() {
        let (mut discounts, mut relevances, first) = (0.0, 0.0, i);
        while i < ranked.len() && ranked[i].0 == ranked[first].0 {
            discounts += if i < k { 1.0 / (i as f64 + 2.0).log2() } else { 0.0 };
            relevances += ranked[i].1;
            i += 1;
        }
        gain += discounts * (relevances / (i - first) as f64);
    }
    gain
}

/// How good the order of each query's documents is: the discounted cumulative gain of the first `k` (of all for `None`), over the
/// best that is possible (Järvelin and Kekäläinen, 2002), as a mean over the queries. 1 is perfect.
///
/// Scores and relevances are `[queries, documents]`. Documents with equal scores count as the mean over their orders. A query
/// without a relevant document counts 0, as in scikit-learn.
///
/// # Errors
/// If shapes do not fit, a score is NaN, a relevance is negative, `k` is 0, there are fewer than two documents, or nothing is
/// relevant.
///
/// ```
/// use demotic::prelude::*;
///
/// let scores = tensor![[0.9, 0.5, 0.1]];
/// assert_eq!(metrics::ndcg(&scores, &tensor![[3.0, 2.0, 0.0]], None)?, 1.0);
/// assert!(metrics::ndcg(&scores, &tensor![[0.0, 2.0, 3.0]], None)? < 0.7);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn ndcg(scores: &Tensor, relevance: &Tensor, k: Option<usize>) -> Result<f64> {
    weighted_ndcg(scores, relevance, k, None)
}

/// [`ndcg`] with queries that count differently: weights `[queries]`, numbers of at least 0.
///
/// # Errors
/// As for [`ndcg`], and if the weights do not fit.
#[track_caller]
pub fn weighted_ndcg(scores: &Tensor, relevance: &Tensor, k: Option<usize>, weights: Option<&Tensor>) -> Result<f64> {
    let name = "ndcg";
    let Lists { scores, relevance, documents } = lists(name, scores, relevance)?;
    if documents < 2 {
        return Err(Error::shape(name, "one document for each query, expected several, which have an order"));
    }
    let k = match k {
        Some(0) => return Err(Error::argument(name, "k is 0, expected at least 1")),
        k => k.unwrap_or(documents),
    };
    let queries = scores.len() / documents;
    let weights = match weights {
        None => None,
        Some(weights) if weights.shape() == [queries] => Some(weights.to_f64_vec()),
        Some(weights) => {
            let message = format!("weights of shape {:?} for {queries} queries", weights.shape());
            return Err(Error::shape(name, message));
        }
    };
    if let Some(weights) = &weights {
        check_weights(name, weights)?;
        if weights.iter().sum::<f64>() == 0.0 {
            return Err(Error::argument(name, "the weights of the queries add up to 0"));
        }
    }
    let (mut gains, mut relevant) = (Vec::with_capacity(queries), false);
    for (scores, relevance) in scores.chunks(documents).zip(relevance.chunks(documents)) {
        let best = discounted_gain(relevance, relevance, k);
        relevant |= best > 0.0;
        gains.push(if best > 0.0 { discounted_gain(scores, relevance, k) / best } else { 0.0 });
    }
    if !relevant {
        return Err(nothing_relevant(name));
    }
    Ok(mean(gains.iter().copied(), weights.as_deref()))
}

/// The mean over the queries of 1 / the place of the first relevant document, in the order of the scores. Relevant is what has a
/// relevance above 0; a query without such a document counts 0. Of equal scores, the document that stands first in the data
/// comes first.
///
/// # Errors
/// If shapes do not fit, a score is NaN, a relevance is negative, or nothing is relevant.
///
/// ```
/// use demotic::prelude::*;
///
/// let scores = tensor![[0.9, 0.5, 0.1], [0.2, 0.3, 0.4]];
/// let relevant = tensor![[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// assert_eq!(metrics::mean_reciprocal_rank(&scores, &relevant)?, 0.75);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
#[doc(alias = "mrr")]
pub fn mean_reciprocal_rank(scores: &Tensor, relevance: &Tensor) -> Result<f64> {
    let name = "mean_reciprocal_rank";
    let Lists { scores, relevance, documents } = lists(name, scores, relevance)?;
    let (mut sum, mut relevant) = (0.0, false);
    for (scores, relevance) in scores.chunks(documents).zip(relevance.chunks(documents)) {
        let mut best: Option<usize> = None;
        for i in 0..documents {
            if relevance[i] > 0.0 && best.is_none_or(|best| scores[i] > scores[best]) {
                best = Some(i);
            }
        }
        let Some(best) = best else { continue };
        relevant = true;
        let ahead = (0..documents).filter(|i| scores[*i] > scores[best] || (scores[*i] == scores[best] && *i < best));
        sum += 1.0 / (ahead.count() + 1) as f64;
    }
    match relevant {
        true => Ok(sum / (scores.len() / documents) as f64),
        false => Err(nothing_relevant(name)),
    }
}
