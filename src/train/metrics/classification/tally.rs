//! How often each class was predicted, was the right one, and both.

use std::collections::HashMap;

use super::super::examples::NAMES;
use super::{Average, Classification, Pairs, mean};
use crate::error::{Error, Result};

/// How often each class was predicted, was the right one, and both.
pub(in super::super) struct Tally {
    pub(in super::super) labels: Vec<i64>,
    pub(in super::super) hits: Vec<f64>,
    pub(in super::super) predicted: Vec<f64>,
    pub(in super::super) actual: Vec<f64>,
    /// Whether every class that occurs has a label.
    pub(in super::super) complete: bool,
}

pub(in super::super) fn ratio(part: f64, whole: f64, otherwise: f64) -> f64 {
    if whole == 0.0 { otherwise } else { part / whole }
}

/// A score of a class from hits, predictions and targets.
pub(in super::super) type Score<'a> = &'a dyn Fn(f64, f64, f64) -> f64;

impl Classification {
    /// The labels, which were given, named, or occur.
    #[track_caller]
    pub(in super::super) fn known_labels(&self, name: &'static str, pairs: &Pairs) -> Result<Vec<i64>> {
        let mut found: Vec<i64> = pairs.predicted.iter().chain(&pairs.actual).copied().collect();
        crate::order::sort_by_key(&mut found, |label| crate::order::whole_key(*label));
        found.dedup();
        match (&self.labels, &self.names) {
            (None, None) => Ok(found),
            (None, Some(names)) => {
                let named = |label: i64| usize::try_from(label).is_ok_and(|label| label < names.len());
                match found.into_iter().find(|label| !named(*label)) {
                    Some(label) => {
                        let message = format!("class {label} occurs, there are names for {} classes", names.len());
                        Err(Error::index(name, message).with_help(NAMES))
                    }
                    None => Ok((0..names.len() as i64).collect()),
                }
            }
            (Some(labels), names) => {
                let mut sorted = labels.clone();
                crate::order::sort_by_key(&mut sorted, |label| crate::order::whole_key(*label));
                if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                    return Err(Error::argument(name, format!("the label {} is given twice", pair[0])));
                }
                if labels.is_empty() {
                    return Err(Error::argument(name, "there are no labels"));
                }
                if let Some(names) = names.as_ref().filter(|names| names.len() != labels.len()) {
                    let message = format!("{} names for {} labels", names.len(), labels.len());
                    return Err(Error::argument(name, message).with_help("a name for each label, in their order"));
                }
                Ok(labels.clone())
            }
        }
    }

    #[track_caller]
    pub(in super::super) fn tally(&self, name: &'static str, pairs: &Pairs) -> Result<Tally> {
        let labels = self.known_labels(name, pairs)?;
        let place: HashMap<i64, usize> = labels.iter().enumerate().map(|(i, label)| (*label, i)).collect();
        let zeros = vec![0.0; labels.len()];
        let (mut hits, mut predicted, mut actual) = (zeros.clone(), zeros.clone(), zeros);
        let mut complete = true;
        for (p, y, weight) in pairs.iter() {
            let (p, y) = (place.get(&p), place.get(&y));
            complete &= p.is_some() && y.is_some();
            if let Some(&p) = p {
                predicted[p] += weight;
            }
            if let Some(&y) = y {
                actual[y] += weight;
            }
            if let (Some(&class), true) = (p, p == y) {
                hits[class] += weight;
            }
        }
        Ok(Tally { labels, hits, predicted, actual, complete })
    }

    /// One score over classes.
    pub(in super::super) fn averaged(&self, tally: &Tally, average: Average, score: Score<'_>) -> f64 {
        let Tally { hits, predicted, actual, labels, .. } = tally;
        let each = (0..labels.len()).map(|i| score(hits[i], predicted[i], actual[i]));
        match average {
            Average::Micro => score(hits.iter().sum(), predicted.iter().sum(), actual.iter().sum()),
            Average::Binary | Average::Samples => {
                labels.iter().zip(each).find(|(l, _)| **l == self.positive).map_or(f64::NAN, |(_, x)| x)
            }
            Average::Macro | Average::Weighted => {
                let (scores, weights): (Vec<f64>, Vec<f64>) =
                    each.zip(actual.iter().copied()).filter(|(score, _)| !score.is_nan()).unzip();
                let weighted = average == Average::Weighted && weights.iter().sum::<f64>() != 0.0;
                mean(scores.iter().copied(), weighted.then_some(&weights[..]))
            }
        }
    }
}
