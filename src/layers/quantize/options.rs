//! Which weights are quantised, and how.

use crate::layers::lora::is_meant;
use crate::tensor::{Calibration, Scheme};

/// What [`quantize_with`](super::QuantizeExt::quantize_with) and [`quantize_calibrated`](super::QuantizeExt::quantize_calibrated) do.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QuantizeOptions {
    /// How numbers are kept.
    pub scheme: Scheme,
    /// How their scales are chosen; by the largest number, by default.
    pub calibration: Calibration,
    /// Patterns, in which `*` stands for any text, of the paths of weights or their layers; by default, all.
    pub only: Vec<String>,
    /// Patterns of those that stay what they are.
    pub except: Vec<String>,
    /// Whether weights that the scheme cannot hold stay what they are; otherwise, they are an error, which is the default.
    pub skip_misfits: bool,
    /// How many bytes the products of inputs may take; 1 GiB by default. If those of all weights take more, the weights are calibrated
    /// one part after the other, the later ones with what the model gives when the earlier ones are quantised.
    pub max_bytes: usize,
}

impl QuantizeOptions {
    /// All weights, with the scales of their largest numbers.
    #[must_use]
    pub fn new(scheme: Scheme) -> Self {
        Self {
            scheme,
            calibration: Calibration::Absmax,
            only: vec!["*".into()],
            except: Vec::new(),
            skip_misfits: false,
            max_bytes: 1 << 30,
        }
    }

    /// Sets [`calibration`](Self::calibration).
    #[must_use]
    pub fn calibration(self, calibration: Calibration) -> Self {
        Self { calibration, ..self }
    }

    /// Sets [`only`](Self::only).
    #[must_use]
    pub fn only(self, patterns: &[&str]) -> Self {
        Self { only: patterns.iter().map(ToString::to_string).collect(), ..self }
    }

    /// Sets [`except`](Self::except).
    #[must_use]
    pub fn except(self, patterns: &[&str]) -> Self {
        Self { except: patterns.iter().map(ToString::to_string).collect(), ..self }
    }

    /// Sets [`skip_misfits`](Self::skip_misfits).
    #[must_use]
    pub fn skip_misfits(self, skip_misfits: bool) -> Self {
        Self { skip_misfits, ..self }
    }

    /// Sets [`max_bytes`](Self::max_bytes).
    #[must_use]
    pub fn max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    pub(super) fn means(&self, path: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| is_meant(pattern, path));
        any(&self.only) && !any(&self.except)
    }
}
