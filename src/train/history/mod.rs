//! What happens during training, epoch by epoch and step by step.

mod written;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(super) use written::Form;

/// The values of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Epoch {
    /// The number of the epoch, from 1.
    pub epoch: usize,
    /// The steps of the optimizer since training began.
    #[serde(default)]
    pub step: u64,
    /// The mean loss over the training batches, penalties included.
    pub train_loss: f64,
    /// The loss on the validation data, if there are any.
    pub validation_loss: Option<f64>,
    /// The metrics on the validation data (on the training data if there are none), with their names.
    pub metrics: Vec<(String, f64)>,
    /// The learning rate with which the epoch ended.
    pub learning_rate: f64,
    /// How long the epoch took, in seconds.
    pub seconds: f64,
}

impl Epoch {
    /// The exponential of the validation loss (the training loss without validation data): for a language model with a
    /// cross-entropy, how many tokens it hesitates between.
    #[must_use]
    pub fn perplexity(&self) -> f64 {
        self.validation_loss.unwrap_or(self.train_loss).exp()
    }
}

/// What the functions of [`Trainer::every`](super::Trainer::every) are told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// The steps of the optimizer so far, this one included.
    pub step: u64,
    /// The number of the epoch, from 1.
    pub epoch: usize,
    /// The training loss of this step, penalties included.
    pub loss: f64,
    /// The mean training loss since the last evaluation, or since the epoch began.
    pub mean_loss: f64,
    /// The learning rate of the next step.
    pub learning_rate: f64,
    /// Seconds since the epoch began.
    pub seconds: f64,
    /// The number of examples that this step was made on.
    pub examples: u64,
    /// The number of tokens, if they are what the examples consist of.
    pub tokens: Option<u64>,
}

/// Whether a number of steps completes an interval.
pub(super) fn is_due(every: u64, step: u64) -> bool {
    every != 0 && step.is_multiple_of(every)
}

/// Why training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Ended {
    /// After the number of epochs or steps that was asked for.
    Finished,
    /// Because the loss had stopped improving, or a function asked for it.
    StoppedEarly,
    /// Because of Ctrl-C or a [`StopHandle`](super::StopHandle), before its end. With [checkpoints](super::Trainer::checkpoints),
    /// there is one of the last step, from which the run can be [resumed](super::Trainer::resume).
    Interrupted,
}

/// The course of a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct History {
    /// One entry for each epoch. The last one may have been cut short.
    pub epochs: Vec<Epoch>,
    /// One entry for each evaluation after a [number of steps](super::Trainer::evaluate_every); its training loss is the mean
    /// since the one before, or since the epoch began.
    #[serde(default)]
    pub evaluations: Vec<Epoch>,
    /// The steps of the optimizer.
    #[serde(default)]
    pub steps: u64,
    /// The epoch whose parameters the model was left with.
    pub kept_epoch: usize,
    /// The step whose parameters the model was left with.
    #[serde(default)]
    pub kept_step: u64,
    /// Why training ended.
    pub ended: Ended,
    /// Whether the run is counted in steps: it had a [number of them](super::Trainer::max_steps), or was
    /// [measured](super::Trainer::evaluate_every) after numbers of them.
    #[serde(default)]
    pub by_steps: bool,
    /// What was noticed that is probably not meant: a loss that makes a softmax of what is one already. Whoever shows the
    /// [progress](super::Trainer::progress) says it at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl History {
    /// The training loss of each epoch.
    #[must_use]
    pub fn train_losses(&self) -> Vec<f64> {
        self.epochs.iter().map(|e| e.train_loss).collect()
    }

    /// The validation loss of each epoch that has one.
    #[must_use]
    pub fn validation_losses(&self) -> Vec<f64> {
        self.epochs.iter().filter_map(|e| e.validation_loss).collect()
    }

    /// A metric's value in each epoch.
    #[must_use]
    pub fn metric(&self, name: &str) -> Vec<f64> {
        self.epochs.iter().flat_map(|e| e.metrics.iter().filter(|(n, _)| n == name).map(|(_, value)| *value)).collect()
    }

    /// The last epoch.
    #[must_use]
    pub fn last(&self) -> Option<&Epoch> {
        self.epochs.last()
    }
}

impl History {
    /// One line that says what came out: `12 epochs (stopped early), epoch 9 kept: loss 0.1234, validation 0.2345`. A run
    /// that is counted in steps says them.
    #[must_use]
    pub fn summary(&self) -> String {
        let ended = match self.ended {
            Ended::Finished => "",
            Ended::StoppedEarly => " (stopped early)",
            Ended::Interrupted => " (interrupted)",
        };
        let (done, kept) = match self.by_steps {
            true => (count(self.steps, "step"), format!("step {}", self.kept_step)),
            false => (count(self.epochs.len() as u64, "epoch"), format!("epoch {}", self.kept_epoch)),
        };
        match self.all().find(|record| self.is_kept(record)) {
            Some(record) => format!("{done}{ended}, {kept} kept: {record}"),
            // Left off between two measurements.
            None if self.steps > 0 => format!("{}{ended}", count(self.steps, "step")),
            None => format!("no steps{ended}"),
        }
    }

    /// Shows the course of the run in a notebook of the Rust kernel of Jupyter, which calls this for the value of a cell: the table,
    /// and with the feature `plot` the losses.
    pub fn evcxr_display(&self) {
        let page = crate::html::preformatted(self);
        #[cfg(feature = "plot")]
        let page = page + &self.chart().to_svg().unwrap_or_else(|e| crate::html::preformatted(&e));
        crate::html::show(&page);
    }

    /// What stands below the table.
    fn write_end(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        self.notes.iter().try_for_each(|note| write!(f, "\nnote: {note}"))
    }

    /// What was measured, and of what there is a line in the table.
    fn rows(&self) -> Vec<&Epoch> {
        let by_steps = self.by_steps && !self.evaluations.is_empty();
        let mut rows: Vec<&Epoch> =
            if by_steps { self.evaluations.iter().collect() } else { self.epochs.iter().collect() };
        // The end of the run, where it does not coincide with a measurement.
        rows.extend(self.epochs.last().filter(|last| by_steps && rows.last().is_some_and(|row| row.step < last.step)));
        rows
    }

    fn all(&self) -> impl Iterator<Item = &Epoch> {
        self.evaluations.iter().filter(|_| self.by_steps).chain(&self.epochs)
    }

    fn is_kept(&self, record: &Epoch) -> bool {
        match self.by_steps {
            true => record.step == self.kept_step,
            false => record.epoch == self.kept_epoch,
        }
    }
}

/// How many decimals times have of which this is the longest: enough for two digits of it that say something.
fn decimals(longest: f64) -> usize {
    if longest > 0.0 && longest < 1.0 { (1.0 - longest.log10().floor()).min(6.0) as usize } else { 1 }
}

/// `1 epoch`, `12 epochs`.
fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A table with a line for each epoch, or for each measurement of a run that is counted in steps, and the
/// [summary](History::summary) below. The line whose parameters were kept has a star. Of a long run the middle is left out.
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([64, 2], 0.0, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
/// let history = Trainer::new(losses::mse, Adam::new(0.1))
///     .epochs(3)
///     .metric("rmse", metrics::rmse)
///     .fit(&mut Linear::new(2, 1, &mut rng)?, &data, &mut rng)?;
/// let table = history.to_string();
/// // epoch    loss    rmse  learning rate  seconds
/// //     1  0.9032  0.8121            0.1   0.0021
/// //     2  0.5021  0.6010            0.1   0.0018
/// //     3  0.2541  0.4184            0.1   0.0018 *
/// // 3 epochs, epoch 3 kept: loss 0.2541, rmse 0.4184
/// assert_eq!(table.lines().count(), 5);
/// assert!(table.lines().nth(3).unwrap().ends_with('*'));
/// # Ok::<(), demotic::Error>(())
/// ```
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        if rows.is_empty() {
            return self.write_end(f);
        }
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in rows.iter().flat_map(|row| &row.metrics) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let has_validation = rows.iter().any(|row| row.validation_loss.is_some());
        let mut header: Vec<&str> = if self.by_steps { vec!["step", "epoch", "loss"] } else { vec!["epoch", "loss"] };
        header.extend(has_validation.then_some("validation"));
        header.extend(&names);
        header.extend(["learning rate", "seconds"]);
        let decimals = decimals(rows.iter().map(|row| row.seconds).fold(0.0, f64::max));
        let cells = |row: &Epoch| {
            let mut cells = if self.by_steps { vec![row.step.to_string()] } else { vec![] };
            cells.extend([row.epoch.to_string(), Number(row.train_loss).to_string()]);
            let optional = |value: Option<f64>| value.map_or_else(String::new, |value| Number(value).to_string());
            cells.extend(has_validation.then(|| optional(row.validation_loss)));
            let metric = |name: &str| row.metrics.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
            cells.extend(names.iter().map(|name| optional(metric(name))));
            cells.extend([short_rate(row.learning_rate), format!("{:.decimals$}", row.seconds)]);
            cells
        };
        let lines: Vec<(Vec<String>, bool)> = rows.iter().map(|row| (cells(row), self.is_kept(row))).collect();
        let width = |i: usize| {
            let cells = lines.iter().map(|(cells, _)| cells[i].chars().count());
            cells.chain([header[i].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        let write = |f: &mut fmt::Formatter<'_>, cells: &[&str], end: &str| {
            let padded: Vec<String> =
                cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
            writeln!(f, "{}{end}", padded.join("  "))
        };
        write(f, &header, "")?;
        let mut left_out = false;
        for (i, (cells, is_kept)) in lines.iter().enumerate() {
            if i < FIRST || i + LAST >= lines.len() || *is_kept {
                let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
                write(f, &cells, if *is_kept { " *" } else { "" })?;
                left_out = false;
            } else if !std::mem::replace(&mut left_out, true) {
                writeln!(f, "{:>width$}", "…", width = widths[0])?;
            }
        }
        self.write_end(f)
    }
}

/// Lines of a long table that are shown at its beginning and at its end.
const FIRST: usize = 10;
const LAST: usize = 20;

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {}", Number(self.train_loss))?;
        if let Some(loss) = self.validation_loss {
            write!(f, ", validation {}", Number(loss))?;
        }
        self.metrics.iter().try_for_each(|(name, value)| write!(f, ", {name} {}", Number(*value)))
    }
}

/// A measure as people read it: four digits after the point, or a power of ten where these would say nothing.
pub(super) struct Number(pub(super) f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.abs() {
            size if size != 0.0 && !(1e-3..1e7).contains(&size) && size.is_finite() => write!(f, "{:.3e}", self.0),
            _ => write!(f, "{:.4}", self.0),
        }
    }
}

/// A learning rate with three digits that count.
fn short_rate(rate: f64) -> String {
    let digits = format!("{rate:.2e}");
    match digits.parse::<f64>() {
        Ok(rounded) if (1e-4..1e6).contains(&rounded) || rounded == 0.0 => rounded.to_string(),
        _ => digits,
    }
}

#[cfg(test)]
mod tests;
