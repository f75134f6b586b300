//! The tree-structured Parzen estimator.

use std::panic::Location;

use super::sampler::Past;
use super::space::{Kind, SearchSpace, Values};
use super::trial::{Outcome, TrialRecord};
use crate::error::{Error, Result};
use crate::order;
use crate::rng::Rng;
use crate::stats::normal;

/// The tree-structured Parzen estimator (Bergstra et al., 2011; 2013), each parameter by itself: of the earlier trials the best few and
/// the others are each described by a density, kernels around their values and a wide one as the prior; of some values drawn from the
/// first, the one is tried where the first is largest in relation to the second.
///
/// Widths of kernels, their weights and the defaults are those of Optuna without its multivariate option: 10 trials at random, 24
/// candidates, of n trials the best ⌈0.1 n⌉ and at most 25, the 25 last ones of full weight and older ones of less. Pruned trials count
/// as worse than all that were completed, the earlier they ended the worse.
#[derive(Debug, Clone, PartialEq)]
pub struct Tpe {
    pub(super) startup_trials: usize,
    pub(super) candidates: usize,
    pub(super) gamma: f64,
    pub(super) most: usize,
    pub(super) prior_weight: f64,
    pub(super) recent: usize,
}

impl Default for Tpe {
    fn default() -> Self {
        Self { startup_trials: 10, candidates: 24, gamma: 0.1, most: 25, prior_weight: 1.0, recent: 25 }
    }
}

impl Tpe {
    /// The defaults of Optuna.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many trials are at random first. By default 10.
    #[must_use]
    pub fn startup_trials(mut self, n: usize) -> Self {
        self.startup_trials = n;
        self
    }

    /// Among how many values the most promising is chosen. By default 24.
    #[must_use]
    pub fn candidates(mut self, n: usize) -> Self {
        self.candidates = n;
        self
    }

    /// Which share of the trials counts as good, and how many at most. By default 0.1 and 25.
    #[must_use]
    pub fn gamma(mut self, share: f64, most: usize) -> Self {
        (self.gamma, self.most) = (share, most);
        self
    }

    /// How much the prior counts beside a trial. By default 1.
    #[must_use]
    pub fn prior_weight(mut self, weight: f64) -> Self {
        self.prior_weight = weight;
        self
    }

    /// How many of the last trials count in full; the weights of older ones fall in a straight line. By default 25.
    #[must_use]
    pub fn recent(mut self, n: usize) -> Self {
        self.recent = n;
        self
    }

    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::argument("Tpe", message).at(caller));
        if !(1..=1 << 16).contains(&self.candidates) {
            return wrong(format!("{} candidates, expected 1 to 65536", self.candidates));
        }
        if !(self.gamma > 0.0 && self.gamma < 1.0) || self.most == 0 {
            return wrong(format!(
                "gamma is {} and at most {} trials, expected 0 < gamma < 1 and at least 1",
                self.gamma, self.most
            ));
        }
        if !(self.prior_weight > 0.0 && self.prior_weight.is_finite()) {
            return wrong(format!("the weight of the prior is {}, expected a number above 0", self.prior_weight));
        }
        Ok(())
    }

    /// Weights of so many trials, from the oldest on, and that of the prior behind them; all together 1.
    fn weights(&self, n: usize) -> Vec<f64> {
        let old = n.saturating_sub(self.recent);
        let mut weights = Vec::with_capacity(n + 1);
        for i in 0..n {
            let first = 1.0 / n as f64;
            weights.push(match i < old {
                true if old > 1 => first + (1.0 - first) * i as f64 / (old - 1) as f64,
                true => first,
                false => 1.0,
            });
        }
        weights.push(self.prior_weight);
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        weights
    }
}

/// What earlier trials say.
pub(super) struct Model<'a> {
    tpe: &'a Tpe,
    /// Good and other trials, in the order of their numbers; nothing if there are too few.
    sides: Option<[Vec<&'a TrialRecord>; 2]>,
}

impl<'a> Model<'a> {
    pub(super) fn new(tpe: &'a Tpe, past: &Past<'a>) -> Self {
        let mut known: Vec<&TrialRecord> = Vec::new();
        for record in past.records {
            let counts = record.outcome == Outcome::Pruned && !record.reports.is_empty();
            if record.value().is_some() || counts {
                known.push(record);
            }
        }
        // Of several budgets, the largest of which there are enough: trials with different ones cannot be compared.
        let enough = tpe.startup_trials.max(1);
        let mut budgets: Vec<f64> = known.iter().filter_map(|record| record.budget).collect();
        order::sort_by_key(&mut budgets, |budget| order::key(*budget));
        budgets.dedup();
        let of = |budget: f64| known.iter().filter(|record| record.budget == Some(budget)).count();
        if let Some(budget) = budgets.iter().rev().copied().find(|budget| of(*budget) >= enough) {
            known.retain(|record| record.budget == Some(budget));
        } else if !budgets.is_empty() {
            known.clear();
        }
        if known.len() < enough {
            return Self { tpe, sides: None };
        }
        let sign = if past.minimize { 1.0 } else { -1.0 };
        order::sort_by(&mut known, |a, b| {
            // Completed ones by value, then the others by how far they came.
            let rank = |record: &TrialRecord| match (record.value(), record.reports.last()) {
                (Some(value), _) => (0u8, 0.0, sign * value),
                (None, Some((step, value))) => (1, -(*step as f64), sign * value),
                (None, None) => (2, 0.0, 0.0),
            };
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2))
        });
        let count = ((tpe.gamma * known.len() as f64).ceil() as usize).clamp(1, tpe.most);
        let mut others = known.split_off(count.min(known.len()));
        order::sort_by_key(&mut known, |record| record.number as u64);
        order::sort_by_key(&mut others, |record| record.number as u64);
        Self { tpe, sides: Some([known, others]) }
    }

    pub(super) fn values(&self, space: &SearchSpace, rng: &mut Rng) -> Values {
        space.values(&mut |_, parameter| {
            let Some(sides) = &self.sides else { return parameter.kind.drawn(rng) };
            let scaled = |side: &[&TrialRecord]| {
                let values = side.iter().filter_map(|record| record.get(&parameter.name));
                values.map(|value| parameter.kind.scaled(value)).collect::<Vec<f64>>()
            };
            let [good, others] = [scaled(&sides[0]), scaled(&sides[1])];
            if good.is_empty() && others.is_empty() {
                return parameter.kind.drawn(rng);
            }
            let (good, others) =
                (Density::new(self.tpe, &parameter.kind, &good), Density::new(self.tpe, &parameter.kind, &others));
            let mut best = (f64::NEG_INFINITY, 0.0);
            for _ in 0..self.tpe.candidates {
                let at = good.drawn(rng);
                let promise = good.log(&parameter.kind, at) - others.log(&parameter.kind, at);
                if promise > best.0 {
                    best = (promise, at);
                }
            }
            parameter.kind.value(best.1)
        })
    }
}

/// The density of a parameter's values.
enum Density {
    /// Normal distributions that end at the bounds: means, deviations, weights, and weights over what lies within the bounds; the prior last.
    Numbers { means: Vec<f64>, deviations: Vec<f64>, weights: Vec<f64>, heights: Vec<f64>, bounds: (f64, f64) },
    /// The probability of each choice.
    Choices(Vec<f64>),
}

impl Density {
    fn new(tpe: &Tpe, kind: &Kind, values: &[f64]) -> Self {
        let weights = tpe.weights(values.len());
        let bounds = kind.bounds();
        if let Some(choices) = kind.choices() {
            let extra = tpe.prior_weight / weights.len() as f64;
            let mut shares = vec![0.0; choices];
            for (i, weight) in weights.iter().enumerate() {
                for (choice, share) in shares.iter_mut().enumerate() {
                    *share += weight
                        * match values.get(i) {
                            Some(value) => {
                                let hit = f64::from(u8::from(*value as usize == choice));
                                (hit + extra) / (1.0 + extra * choices as f64)
                            }
                            None => 1.0 / choices as f64,
                        };
                }
            }
            return Self::Choices(shares);
        }
        let (low, high) = bounds;
        let mut means = values.to_vec();
        means.push((low + high) / 2.0);
        let mut by_place: Vec<usize> = (0..means.len()).collect();
        order::sort_by_key(&mut by_place, |i| order::key(means[*i]));
        let widest = high - low;
        let narrowest = widest / (1.0 + means.len() as f64).min(100.0);
        let mut deviations = vec![widest; means.len()];
        for (k, i) in by_place.iter().enumerate() {
            // As far as the further neighbour; at the ends, as the only one.
            let left = k.checked_sub(1).map(|k| means[*i] - means[by_place[k]]);
            let right = by_place.get(k + 1).map(|next| means[*next] - means[*i]);
            let distance = match (left, right) {
                (Some(left), Some(right)) => left.max(right),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => widest,
            };
            if *i < values.len() {
                deviations[*i] = distance.clamp(narrowest.min(widest), widest);
            }
        }
        let mut heights = Vec::with_capacity(means.len());
        for ((mean, deviation), weight) in means.iter().zip(&deviations).zip(&weights) {
            let below = |x: f64| normal::cdf((x - mean) / deviation);
            heights.push(if *deviation == 0.0 { *weight } else { weight / (below(high) - below(low)) });
        }
        Self::Numbers { means, deviations, weights, heights, bounds }
    }

    fn drawn(&self, rng: &mut Rng) -> f64 {
        let pick = |weights: &[f64], rng: &mut Rng| {
            let mut rest = rng.uniform();
            for (i, weight) in weights.iter().enumerate() {
                rest -= weight;
                if rest < 0.0 {
                    return i;
                }
            }
            weights.len() - 1
        };
        match self {
            Self::Choices(shares) => pick(shares, rng) as f64,
            Self::Numbers { means, deviations, weights, bounds: (low, high), .. } => {
                let i = pick(weights, rng);
                // Means are inside, so that a third of the numbers at the least are, too.
                for _ in 0..100 {
                    let at = means[i] + deviations[i] * rng.normal();
                    if (*low..=*high).contains(&at) {
                        return at;
                    }
                }
                means[i]
            }
        }
    }

    /// The logarithm of the density; of whole numbers, of the probability.
    fn log(&self, kind: &Kind, at: f64) -> f64 {
        match self {
            Self::Choices(shares) => shares[(at.max(0.0) as usize).min(shares.len() - 1)].ln(),
            Self::Numbers { means, deviations, heights, .. } => {
                let cell = kind.cell(at);
                let mut sum = 0.0;
                for ((mean, deviation), height) in means.iter().zip(deviations).zip(heights) {
                    let below = |x: f64| normal::cdf((x - mean) / deviation);
                    sum += height
                        * match cell {
                            // There is only one value.
                            _ if *deviation == 0.0 => 1.0,
                            Some((from, to)) => below(to) - below(from),
                            None => {
                                let z = (at - mean) / deviation;
                                (-z * z / 2.0).exp() / (deviation * (2.0 * std::f64::consts::PI).sqrt())
                            }
                        };
                }
                sum.max(f64::MIN_POSITIVE).ln()
            }
        }
    }
}
