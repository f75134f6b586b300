//! Histories as text: tables, and lines of JSON.

use std::path::Path;

use super::{Epoch, History};
use crate::error::{Error, Result};
use crate::io::write_atomically;

/// What is written of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::train) enum Form {
    Csv,
    JsonLines,
}

impl Form {
    /// What stands above the lines, given one of them.
    pub(in crate::train) fn head(self, record: &Epoch) -> String {
        if self == Self::JsonLines {
            return String::new();
        }
        let metrics: String = record.metrics.iter().map(|(name, _)| format!(",{}", quoted(name))).collect();
        format!("epoch,step,train_loss,validation_loss{metrics},learning_rate,seconds\n")
    }

    #[track_caller]
    pub(in crate::train) fn line(self, record: &Epoch) -> Result<String> {
        if self == Self::JsonLines {
            return match serde_json::to_string(record) {
                Ok(line) => Ok(line + "\n"),
                Err(e) => Err(Error::format("history", e.to_string()).with_source(e)),
            };
        }
        let Epoch { epoch, step, train_loss, validation_loss, metrics, learning_rate, seconds } = record;
        let validation = validation_loss.map_or_else(String::new, |loss| loss.to_string());
        let metrics: String = metrics.iter().map(|(_, value)| format!(",{value}")).collect();
        Ok(format!("{epoch},{step},{train_loss},{validation}{metrics},{learning_rate},{seconds}\n"))
    }
}

/// A name as a field of a table.
fn quoted(name: &str) -> String {
    let is_plain = !name.contains([',', '"', '\n', '\r']);
    if is_plain { name.to_string() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

impl History {
    /// Writes the history as a table with a line for each epoch, or for each measurement of a run that was
    /// [measured by steps](crate::train::Trainer::evaluate_every): see [`HistoryFile`](crate::train::HistoryFile), which does it while the run
    /// goes on.
    ///
    /// # Errors
    /// If the file cannot be written.
    #[track_caller]
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write(Form::Csv, path.as_ref())
    }

    /// Writes the history with a JSON object in each line.
    ///
    /// # Errors
    /// If the file cannot be written.
    #[track_caller]
    pub fn write_json_lines(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write(Form::JsonLines, path.as_ref())
    }

    #[track_caller]
    fn write(&self, form: Form, path: &Path) -> Result<()> {
        let text = self.written(form, !self.evaluations.is_empty())?;
        write_atomically(path, |file| file.write_all(text.as_bytes()))
    }

    /// The lines of what was measured after steps, or after epochs.
    #[track_caller]
    pub(in crate::train) fn written(&self, form: Form, by_steps: bool) -> Result<String> {
        let records = if by_steps { &self.evaluations } else { &self.epochs };
        let Some(first) = records.first() else { return Ok(String::new()) };
        let mut text = form.head(first);
        for record in records {
            text += &form.line(record)?;
        }
        Ok(text)
    }
}
