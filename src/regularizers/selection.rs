//! Which parameters are meant.

use serde::{Deserialize, Serialize};

use crate::error::{Error, meant};
use crate::layers::{Module, ModuleExt, matches};

/// Parameters chosen by path: those that match one of the patterns, or all if there are none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Selection {
    patterns: Vec<String>,
}

impl Selection {
    pub(super) fn add(&mut self, pattern: String) {
        self.patterns.push(pattern);
    }

    pub(super) fn includes(&self, path: &str) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| matches(pattern, path))
    }

    /// The error for a model in which no parameter was meant.
    #[track_caller]
    pub(super) fn is_empty(&self, op: &str, model: &dyn Module) -> Error {
        let names: Vec<_> = model.named_parameters().into_iter().map(|(name, _)| name).collect();
        let message = match &*self.patterns {
            [] => "the model has no parameters".to_string(),
            patterns => format!("no parameter matches `{}`", patterns.join("` or `")),
        };
        let pattern = self.patterns.first().map_or("", String::as_str);
        Error::parameter(op, message).with_help(meant(pattern, "parameters", &names))
    }
}
