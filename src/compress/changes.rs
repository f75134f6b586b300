//! What became of weights that are kept in another form.

use std::fmt;

use crate::error::{Error, Result, meant};
use crate::layers::{Module, ModuleExt, Weight, is_meant};

/// Weights that are kept in another form, and those that were meant and stayed as they are. Shown as a table.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct WeightChanges {
    /// The weights, in the order of the model.
    pub weights: Vec<WeightChange>,
}

/// What became of one weight.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WeightChange {
    /// Its path.
    pub path: String,
    /// Its shape, with the outputs first.
    pub shape: Vec<usize>,
    /// How it is kept now: `sparse`, `rank 12`.
    pub form: String,
    /// The bytes that it took.
    pub bytes_before: usize,
    /// The bytes that it takes.
    pub bytes: usize,
    /// The size of what was lost, as a share: of the weight or, if inputs were seen, of what the layer makes of them.
    pub error: f64,
    /// Why it stayed as it was, if it did.
    pub left_because: Option<String>,
}

impl WeightChange {
    pub(super) fn of(path: &str, shape: &[usize], bytes: usize) -> Self {
        let (path, shape, form) = (path.to_string(), shape.to_vec(), "dense".to_string());
        Self { path, shape, form, bytes_before: bytes, bytes, error: 0.0, left_because: None }
    }

    pub(super) fn left(self, because: impl Into<String>) -> Self {
        Self { left_because: Some(because.into()), ..self }
    }
}

impl WeightChanges {
    /// How many weights have another form now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.weights.iter().filter(|weight| weight.left_because.is_none()).count()
    }

    /// The bytes that all of them took.
    #[must_use]
    pub fn bytes_before(&self) -> usize {
        self.weights.iter().map(|weight| weight.bytes_before).sum()
    }

    /// The bytes that they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.weights.iter().map(|weight| weight.bytes).sum()
    }
}

impl fmt::Display for WeightChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.weights.iter().map(|weight| weight.path.len()).max().unwrap_or(0).max(6);
        write!(
            f,
            "{:width$}  {:>14}  {:>12}  {:>12}  {:>12}  {:>7}",
            "weight", "shape", "form", "before", "bytes", "error"
        )?;
        for weight in &self.weights {
            let WeightChange { path, shape, form, bytes_before, bytes, error, left_because } = weight;
            let (shape, error) = (format!("{shape:?}"), 100.0 * error);
            write!(f, "\n{path:width$}  {shape:>14}  {form:>12}  {bytes_before:>12}  {bytes:>12}  {error:>5.2} %")?;
            if let Some(why) = left_because {
                write!(f, "  ({why})")?;
            }
        }
        write!(f, "\n{:width$}  {:>14}  {:>12}  {:>12}  {:>12}", "all", "", "", self.bytes_before(), self.bytes())
    }
}

/// The paths of the weights that patterns mean, by their paths or those of their layers, each pattern at least one.
#[track_caller]
pub(super) fn meant_weights(op: &'static str, model: &dyn Module, patterns: &[&str]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    model.for_each("*", |path, _: &Weight| all.push(path.to_string()));
    let means = |pattern: &str| all.iter().any(|path| is_meant(pattern, path));
    if let Some(pattern) = patterns.iter().find(|pattern| !means(pattern)) {
        let e = Error::parameter(op, format!("no weight matches `{pattern}`"));
        return Err(e.with_help(meant(pattern, "weights", &all)));
    }
    if patterns.is_empty() {
        return Err(Error::argument(op, "no patterns, expected at least one").with_help("`*` means every weight"));
    }
    all.retain(|path| patterns.iter().any(|pattern| is_meant(pattern, path)));
    Ok(all)
}
