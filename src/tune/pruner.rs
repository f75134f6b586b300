//! Which trials are given up early.

use super::trial::{Outcome, TrialRecord};
use crate::error::{Error, Result};
use crate::order;

/// What ends a trial by what it [reports](super::Trial::report). It compares with trials that ended before the present
/// [round](super::Tuner::round) began, so that the number of threads decides nothing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Pruner {
    /// None.
    None,
    /// A trial whose best report is worse than the median of what completed trials reported at the same step (Golovin et al., 2017).
    Median {
        /// How many trials must be completed first. 5 is usual.
        startup_trials: usize,
        /// Up to this step nothing is given up.
        warmup_steps: u64,
    },
    /// Asynchronous successive halving (Li et al., 2020): at the steps `min_steps`, `min_steps · factor`, `min_steps · factor²` …, a trial
    /// goes on only if it is among the best of 1 / `factor` of all trials that came so far.
    Asha {
        /// The first step at which a trial may be given up.
        min_steps: u64,
        /// By how much steps grow and trials become fewer. 3 or 4 is usual.
        factor: u64,
    },
}

impl Pruner {
    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Asha { min_steps: 0, .. } => Err(Error::argument("Pruner", "min_steps is 0, expected at least 1")),
            Self::Asha { factor: 0 | 1, .. } => {
                Err(Error::argument("Pruner", "the factor is less than 2, so that no trial would be given up"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a trial with these reports, the last of which is new, is to be given up.
    pub(super) fn gives_up(&self, reports: &[(u64, f64)], earlier: &[TrialRecord], minimize: bool) -> bool {
        let sign = if minimize { 1.0 } else { -1.0 };
        let Some((step, value)) = reports.last() else { return false };
        match self {
            Self::None => false,
            Self::Median { startup_trials, warmup_steps } => {
                let mut there: Vec<f64> = Vec::new();
                let mut completed = 0;
                for record in earlier {
                    if matches!(record.outcome, Outcome::Complete(_)) {
                        completed += 1;
                        there.extend(record.reports.iter().find(|(at, _)| at == step).map(|(_, value)| sign * value));
                    }
                }
                if completed < (*startup_trials).max(1) || step <= warmup_steps || there.is_empty() {
                    return false;
                }
                order::sort_by_key(&mut there, |value| order::key(*value));
                let half = there.len() / 2;
                let median = if there.len() % 2 == 1 { there[half] } else { (there[half - 1] + there[half]) / 2.0 };
                let best = reports.iter().map(|(_, value)| sign * value).fold(f64::INFINITY, f64::min);
                best > median
            }
            Self::Asha { min_steps, factor } => {
                let before = reports.len().checked_sub(2).map_or(0, |last| reports[last].0);
                let mut rung = *min_steps;
                // The last rung that this report has reached, if the one before has not.
                let mut reached = None;
                while rung <= *step {
                    if before < rung {
                        reached = Some(rung);
                    }
                    let Some(next) = rung.checked_mul(*factor) else { break };
                    rung = next;
                }
                let Some(rung) = reached else { return false };
                let mut there = vec![sign * value];
                for record in earlier {
                    there.extend(record.reports.iter().find(|(at, _)| *at >= rung).map(|(_, value)| sign * value));
                }
                order::sort_by_key(&mut there, |value| order::key(*value));
                let most = (there.len() / *factor as usize).max(1);
                sign * value > there[most - 1]
            }
        }
    }
}
