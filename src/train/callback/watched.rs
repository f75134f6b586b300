//! What callbacks go by that look for the best.

use super::Context;
use crate::error::{Error, Result};
use crate::train::history::Epoch;

/// The value of a metric, or the validation loss without one, which is the training loss where there are no validation data.
#[track_caller]
pub(super) fn watched(run: &Context<'_>, op: &str, record: &Epoch, metric: Option<&str>) -> Result<f64> {
    let Some(name) = metric else { return Ok(record.validation_loss.unwrap_or(record.train_loss)) };
    if let Some((_, value)) = record.metrics.iter().find(|(own, _)| own == name) {
        return Ok(*value);
    }
    let names: Vec<String> = record.metrics.iter().map(|(name, _)| format!("`{name}`")).collect();
    let e = Error::argument(op, format!("there is no metric `{name}`"));
    run.here(Err(match names.is_empty() {
        true => e.with_help(format!("the run has none: Trainer::metric(\"{name}\", ..) adds it")),
        false => e.with_help(format!("the run has {}", names.join(", "))),
    }))
}
