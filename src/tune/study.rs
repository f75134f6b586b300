//! What a search has found.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use super::plan::best;
use super::space::SearchSpace;
use super::trial::{Outcome, TrialRecord};
use crate::data::text_width;
use crate::error::{Error, Result};
use crate::files;

/// The trials of a search. Prints as a table, the best ones first.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    trials: Vec<TrialRecord>,
    space: SearchSpace,
    minimize: bool,
    best: usize,
}

/// More trials than these are not printed.
const SHOWN: usize = 20;

impl Study {
    #[track_caller]
    pub(super) fn new(trials: Vec<TrialRecord>, space: SearchSpace, minimize: bool) -> Result<Self> {
        let largest = trials.iter().filter(|trial| trial.value().is_some()).filter_map(|trial| trial.budget);
        let largest = largest.fold(f64::NEG_INFINITY, f64::max);
        // Values with other budgets are others.
        let mut full = trials.clone();
        full.retain(|trial| trial.budget.is_none_or(|budget| budget == largest));
        let Some(found) = best(&full, 1, minimize).first().map(|trial| trial.number) else {
            let failed = trials.iter().find_map(|trial| match &trial.outcome {
                Outcome::Failed(e) => Some((trial.number, e)),
                _ => None,
            });
            let error = Error::state("Tuner", format!("none of {} trials was completed", trials.len()));
            return Err(match failed {
                Some((number, e)) => error.with_help(format!("trial {number} failed: {e}")),
                None => error,
            });
        };
        Ok(Self { trials, space, minimize, best: found })
    }

    /// All trials in the order of their numbers.
    #[must_use]
    pub fn trials(&self) -> &[TrialRecord] {
        &self.trials
    }

    /// The trial with the best value, with the largest budget if there are several; of equal ones, the first.
    #[must_use]
    pub fn best(&self) -> &TrialRecord {
        &self.trials[self.best]
    }

    /// The names of the parameters, in the order of the space.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.space.names()
    }

    /// Whether small values are good.
    #[must_use]
    pub fn minimizes(&self) -> bool {
        self.minimize
    }

    #[cfg(feature = "plot")]
    pub(super) fn space(&self) -> &SearchSpace {
        &self.space
    }

    /// The best value of the first trials, for each number of them: how the search went on. The trials are those that were completed,
    /// without a budget or with the largest.
    #[must_use]
    pub fn progress(&self) -> Vec<(usize, f64)> {
        let mut progress: Vec<(usize, f64)> = Vec::new();
        for trial in self.trials.iter().filter(|trial| trial.budget == self.best().budget) {
            let Some(value) = trial.value() else { continue };
            let before = progress.last().map_or(value, |(_, before)| *before);
            progress.push((trial.number, if self.minimize { value.min(before) } else { value.max(before) }));
        }
        progress
    }

    /// The trials as they are shown: the best ones first, by budget, then those that were given up, then those that failed.
    fn ranked(&self) -> Vec<&TrialRecord> {
        let mut ranked: Vec<&TrialRecord> = self.trials.iter().collect();
        let sign = if self.minimize { 1.0 } else { -1.0 };
        crate::order::sort_by(&mut ranked, |a, b| {
            let rank = |trial: &TrialRecord| match trial.outcome {
                Outcome::Complete(value) => (0u8, -trial.budget.unwrap_or(0.0), sign * value),
                Outcome::Pruned => (1, 0.0, trial.reports.last().map_or(0.0, |(_, value)| sign * value)),
                Outcome::Failed(_) => (2, 0.0, 0.0),
            };
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2))
        });
        ranked
    }

    fn head(&self) -> Vec<String> {
        let mut head = vec!["trial".to_string(), "value".to_string()];
        head.extend(self.space.names().map(str::to_string));
        if self.trials.iter().any(|trial| trial.budget.is_some()) {
            head.push("budget".to_string());
        }
        head.extend(["seconds".to_string(), "state".to_string()]);
        head
    }

    /// The cells of a row; `short` for people.
    fn row(&self, trial: &TrialRecord, short: bool) -> Vec<String> {
        let number = |x: f64| if short { brief(x) } else { x.to_string() };
        let mut row = vec![trial.number.to_string()];
        let last = trial.reports.last().map(|(_, value)| *value);
        row.push(trial.value().or(last).map_or(String::new(), number));
        for name in self.space.names() {
            row.push(match trial.get(name) {
                Some(super::Value::Float(x)) => number(*x),
                Some(value) => value.to_string(),
                None => String::new(),
            });
        }
        if self.trials.iter().any(|trial| trial.budget.is_some()) {
            row.push(trial.budget.map_or(String::new(), number));
        }
        row.push(if short { format!("{:.1}", trial.seconds) } else { trial.seconds.to_string() });
        row.push(match &trial.outcome {
            Outcome::Complete(_) => "complete".to_string(),
            Outcome::Pruned => format!("given up at {}", trial.reports.last().map_or(0, |(step, _)| *step)),
            Outcome::Failed(e) if short => format!("failed: {}", crate::data::shorten(e)),
            Outcome::Failed(e) => format!("failed: {e}"),
        });
        row
    }

    /// The trials as CSV, in the order of their numbers, every digit of their numbers.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        for row in std::iter::once(self.head()).chain(self.trials.iter().map(|trial| self.row(trial, false))) {
            for (i, cell) in row.iter().enumerate() {
                let quoted = cell.contains([',', '"', '\n', '\r']);
                let cell = if quoted { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() };
                let _ = write!(text, "{}{cell}", if i > 0 { "," } else { "" });
            }
            text.push('\n');
        }
        text
    }

    /// Writes the trials as CSV, the file as a whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    #[track_caller]
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let text = self.to_csv();
        files::replace("write_csv", path.as_ref(), |out| out.write_all(text.as_bytes()))
    }
}

/// A number with some digits, also if it is very small or large.
pub(super) fn brief(x: f64) -> String {
    if x == 0.0 || (x.fract() == 0.0 && x.abs() < 1e6) {
        return format!("{x}");
    }
    match x.abs() {
        1e-3..1e6 => format!("{x:.4}"),
        _ => format!("{x:.3e}"),
    }
}

/// Lines of cells to the right; a last column of texts to the left.
pub(super) fn lines(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>], texts_last: bool) -> fmt::Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| rows.iter().filter_map(|row| row.get(i)).map(|cell| text_width(cell)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (k, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            let spaces = " ".repeat(widths[i].saturating_sub(text_width(cell)));
            let gap = if i > 0 { "  " } else { "" };
            let last = texts_last && i + 1 == columns;
            line += &if last { format!("{gap}{cell}") } else { format!("{gap}{spaces}{cell}") };
        }
        write!(f, "{}{}", if k > 0 { "\n" } else { "" }, line.trim_end())?;
    }
    Ok(())
}

impl fmt::Display for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![self.head()];
        rows.extend(self.ranked().into_iter().take(SHOWN).map(|trial| self.row(trial, true)));
        lines(f, &rows, true)?;
        match self.trials.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}
