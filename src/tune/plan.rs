//! How many trials there are, and with which budgets.

use std::panic::Location;

use super::sampler::{Past, Sampler};
use super::space::{SearchSpace, Values};
use super::trial::TrialRecord;
use crate::error::{Error, Result};
use crate::order;

/// What is tried next: values, and a budget.
pub(super) struct Proposal {
    pub(super) values: Values,
    pub(super) budget: Option<f64>,
    /// The first trial with this configuration, whose generator it has: with a smaller budget, or itself.
    pub(super) configuration: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    /// A grid as a whole, or fifty trials.
    Usual,
    /// So many trials without a budget.
    Trials(usize),
    /// Brackets of successive halving.
    Halving {
        configurations: usize,
        min: f64,
        max: f64,
        factor: f64,
    },
    Hyperband {
        min: f64,
        max: f64,
        factor: f64,
    },
}

/// So many configurations, and the budget of the first rung.
struct Bracket {
    configurations: usize,
    rungs: usize,
}

impl Plan {
    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::argument("Tuner", message).at(caller));
        match self {
            Self::Trials(0) => wrong("0 trials, expected at least 1".to_string()),
            Self::Trials(n) if *n > 1 << 20 => wrong(format!("{n} trials, expected at most 1048576")),
            Self::Trials(_) | Self::Usual => Ok(()),
            Self::Halving { min, max, factor, .. } | Self::Hyperband { min, max, factor } => {
                if !(*min > 0.0 && max.is_finite() && min <= max) {
                    return wrong(format!("budgets from {min} to {max}, expected 0 < smallest <= largest"));
                }
                if !(*factor > 1.0 && factor.is_finite()) {
                    return wrong(format!("the factor is {factor}, expected a number above 1"));
                }
                if matches!(self, Self::Halving { configurations: 0, .. }) {
                    return wrong("0 configurations, expected at least 1".to_string());
                }
                match self.brackets().iter().all(|bracket| bracket.configurations <= 1 << 20) {
                    true => Ok(()),
                    false => wrong("more than 1048576 configurations in a bracket".to_string()),
                }
            }
        }
    }

    /// How many times a budget grows by the factor up to the largest.
    fn growths(min: f64, max: f64, factor: f64) -> usize {
        // Rounding must not cost a rung.
        ((max / min).ln() / factor.ln() + 1e-9).floor().min(64.0) as usize
    }

    fn brackets(&self) -> Vec<Bracket> {
        match self {
            Self::Trials(_) | Self::Usual => Vec::new(),
            Self::Halving { configurations, min, max, factor } => {
                vec![Bracket { configurations: *configurations, rungs: Self::growths(*min, *max, *factor) + 1 }]
            }
            Self::Hyperband { min, max, factor } => {
                let most = Self::growths(*min, *max, *factor);
                let mut brackets = Vec::with_capacity(most + 1);
                for s in (0..=most).rev() {
                    let n = (most + 1) as f64 / (s + 1) as f64 * factor.powi(s as i32);
                    brackets.push(Bracket { configurations: (n - 1e-9).ceil() as usize, rungs: s + 1 });
                }
                brackets
            }
        }
    }

    /// How many trials can be completed at the most: what a sampler that divides its range has to know.
    pub(super) fn total(&self, sampler: &Sampler) -> usize {
        match self {
            Self::Trials(n) => *n,
            Self::Usual if matches!(sampler, Sampler::Grid(_)) => usize::MAX,
            Self::Usual => 50,
            _ => self.brackets().iter().map(|bracket| bracket.configurations).sum(),
        }
    }

    /// The trials that begin together behind those that ended. Nothing, if that is all.
    #[track_caller]
    pub(super) fn next(
        &self,
        space: &SearchSpace,
        sampler: &Sampler,
        past: &Past<'_>,
        round: usize,
    ) -> Result<Vec<Proposal>> {
        let done = past.records.len();
        let (max, factor) = match self {
            Self::Trials(_) | Self::Usual => {
                let end = done.saturating_add(round).min(past.total);
                return Ok(numbered(sampler.propose(past, done..end.max(done))?, None, done));
            }
            Self::Halving { max, factor, .. } | Self::Hyperband { max, factor, .. } => (*max, *factor),
        };
        let mut start = 0;
        for bracket in self.brackets() {
            let mut size = bracket.configurations;
            for rung in 0..bracket.rungs {
                let budget = Some(max * factor.powi(rung as i32 + 1 - bracket.rungs as i32));
                if rung > 0 {
                    // The best of the rung before, which has ended.
                    let before = &past.records[start - size..start];
                    let keep = (bracket.configurations as f64 / factor.powi(rung as i32) + 1e-9).floor() as usize;
                    let best = best(before, keep.max(1), past.minimize);
                    if best.is_empty() {
                        break;
                    }
                    size = best.len();
                    if done == start {
                        let again = |record: &&TrialRecord| Proposal {
                            values: space.names().map(|name| record.get(name).cloned()).collect(),
                            budget,
                            configuration: record.configuration,
                        };
                        return Ok(best.iter().map(again).collect());
                    }
                } else if done == start {
                    return Ok(numbered(sampler.propose(past, done..done + size)?, budget, done));
                }
                start += size;
            }
        }
        Ok(Vec::new())
    }
}

fn numbered(values: Vec<Values>, budget: Option<f64>, first: usize) -> Vec<Proposal> {
    let mut proposals = Vec::with_capacity(values.len());
    for (i, values) in values.into_iter().enumerate() {
        proposals.push(Proposal { values, budget, configuration: first + i });
    }
    proposals
}

/// The best few of the trials that were completed, in the order of their values.
pub(super) fn best(records: &[TrialRecord], count: usize, minimize: bool) -> Vec<&TrialRecord> {
    let mut completed: Vec<&TrialRecord> = records.iter().filter(|record| record.value().is_some()).collect();
    let sign = if minimize { 1.0 } else { -1.0 };
    order::sort_by_key(&mut completed, |record| order::key(sign * record.value().unwrap_or(f64::NAN) + 0.0));
    completed.truncate(count);
    completed
}
