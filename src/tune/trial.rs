//! One set of values, tried once.

use std::sync::{Mutex, PoisonError};

use super::space::{SearchSpace, Value, Values};
use crate::error::{Error, Result};
use crate::rng::Rng;

/// Whether a trial with these reports is to be given up.
pub(super) type Judge<'a> = &'a (dyn Fn(&[(u64, f64)]) -> bool + Sync);

/// What an objective is given: the values to try, a generator, and what it hands intermediate results to.
pub struct Trial<'a> {
    pub(super) number: usize,
    pub(super) space: &'a SearchSpace,
    pub(super) values: Values,
    pub(super) budget: Option<f64>,
    pub(super) rng: Rng,
    pub(super) judge: Judge<'a>,
    pub(super) seen: Mutex<Seen>,
}

/// What a trial has reported.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) reports: Vec<(u64, f64)>,
    pub(super) pruned: bool,
}

impl std::fmt::Debug for Trial<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").field("number", &self.number).field("values", &self.values).finish_non_exhaustive()
    }
}

impl Trial<'_> {
    /// The number of the trial, from 0.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// How much the trial may use (epochs, rows, steps), under [successive halving](super::Tuner::successive_halving) and
    /// [Hyperband](super::Tuner::hyperband); otherwise `None`.
    #[must_use]
    pub fn budget(&self) -> Option<f64> {
        self.budget
    }

    /// A generator of the trial's own, the same each time: what is made with it does not depend on other trials. A trial of the same
    /// values with a larger budget has the same one.
    #[must_use]
    pub fn rng(&self) -> Rng {
        self.rng.clone()
    }

    /// The value of a parameter; `None` if a condition leaves it out, or there is none of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values[self.space.names().position(|known| known == name)?].as_ref()
    }

    #[track_caller]
    fn value(&self, name: &str) -> Result<&Value> {
        match &self.values[self.space.place("Trial", name)?] {
            Some(value) => Ok(value),
            None => Err(Error::argument("Trial", format!("parameter `{name}` does not exist in this trial"))
                .with_help("its condition is not met; Trial::get gives None then")),
        }
    }

    #[track_caller]
    fn other_type<T>(&self, name: &str, wanted: &str) -> Result<T> {
        let value = self.value(name)?;
        Err(Error::argument("Trial", format!("parameter `{name}` is {value}, which is not {wanted}")))
    }

    /// The value of a number.
    ///
    /// # Errors
    /// If there is no such parameter, its condition is not met, or it is of another type. This holds for the others, too.
    #[track_caller]
    pub fn float(&self, name: &str) -> Result<f64> {
        match self.value(name)? {
            Value::Float(x) => Ok(*x),
            Value::Int(x) => Ok(*x as f64),
            _ => self.other_type(name, "a number"),
        }
    }

    /// The value of a whole number.
    ///
    /// # Errors
    /// As for [`float`](Self::float).
    #[track_caller]
    pub fn int(&self, name: &str) -> Result<i64> {
        match self.value(name)? {
            Value::Int(x) => Ok(*x),
            _ => self.other_type(name, "a whole number"),
        }
    }

    /// The value of a whole number that is a size, such as the width of a layer.
    ///
    /// # Errors
    /// As for [`float`](Self::float), and if it is negative.
    #[track_caller]
    pub fn size(&self, name: &str) -> Result<usize> {
        match usize::try_from(self.int(name)?) {
            Ok(size) => Ok(size),
            Err(_) => self.other_type(name, "a size"),
        }
    }

    /// Yes or no.
    ///
    /// # Errors
    /// As for [`float`](Self::float).
    #[track_caller]
    pub fn bool(&self, name: &str) -> Result<bool> {
        match self.value(name)? {
            Value::Bool(x) => Ok(*x),
            _ => self.other_type(name, "true or false"),
        }
    }

    /// A name.
    ///
    /// # Errors
    /// As for [`float`](Self::float).
    #[track_caller]
    pub fn text(&self, name: &str) -> Result<&str> {
        match self.value(name)? {
            Value::Text(x) => Ok(x),
            _ => self.other_type(name, "a text"),
        }
    }

    /// An intermediate result, such as the loss of validation after an epoch. Under a [pruner](super::Pruner) it may be the last one:
    /// then this is an error, which the objective hands on with `?`, and the search goes on with other values.
    ///
    /// # Errors
    /// If the trial is not worth going on with; if the value is NaN; if the step is not behind the last one.
    #[track_caller]
    pub fn report(&self, step: u64, value: f64) -> Result<()> {
        if value.is_nan() {
            return Err(Error::numeric("Trial", format!("the value reported at step {step} is NaN")));
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, _)) = seen.reports.last().filter(|(last, _)| *last >= step) {
            return Err(Error::argument("Trial", format!("a report of step {step} after one of step {last}")));
        }
        seen.reports.push((step, value));
        if (self.judge)(&seen.reports) {
            seen.pruned = true;
            return Err(Error::state("Trial", format!("trial {} is given up at step {step}", self.number))
                .with_help("this is how a pruner ends a trial: hand the error on with `?`"));
        }
        Ok(())
    }
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// With this value.
    Complete(f64),
    /// A pruner gave it up, after its last report.
    Pruned,
    /// With an error.
    Failed(String),
}

/// A trial that has ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrialRecord {
    /// Its number, from 0.
    pub number: usize,
    /// The values, by name; without those that a condition left out.
    pub values: Vec<(String, Value)>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it has reported, by step.
    pub reports: Vec<(u64, f64)>,
    /// The number of the first trial with its configuration: its own, unless it goes on with a larger budget.
    pub configuration: usize,
    /// How much it was allowed to use.
    pub budget: Option<f64>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl TrialRecord {
    /// The value of the objective, if the trial was completed.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match self.outcome {
            Outcome::Complete(value) => Some(value),
            _ => None,
        }
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}
