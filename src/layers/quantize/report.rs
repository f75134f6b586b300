//! What quantising changed.

use std::fmt;

use crate::error::Result;
use crate::tensor::{QTensor, Scheme, Tensor};

/// What [`quantize`](super::QuantizeExt::quantize) changed. Shown as a table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QuantizeReport {
    /// The weights, in the order of the model.
    pub weights: Vec<QuantizedWeight>,
    /// The paths of weights that were meant and stayed what they are, and why:
    /// [`QuantizeOptions::skip_misfits`](super::QuantizeOptions::skip_misfits).
    pub skipped: Vec<(String, String)>,
}

/// What quantising changed of one weight.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QuantizedWeight {
    /// Its path.
    pub path: String,
    /// Its shape, with the outputs first.
    pub shape: Vec<usize>,
    /// How its numbers are kept.
    pub scheme: Scheme,
    /// How its scales were chosen, by the name of the [`Calibration`](crate::tensor::Calibration): `mse` where GPTQ was asked for and no
    /// inputs were seen; `trained` or `learnt` (with its scales) after [quantisation-aware training](crate::compress::qat).
    pub method: &'static str,
    /// The bytes that it took.
    pub bytes_before: usize,
    /// The bytes that it takes.
    pub bytes: usize,
    /// The root of the mean squared difference, divided by that of the mean square.
    pub error: f64,
    /// The same of what the layer gives for the inputs that it was calibrated with, without the bias, if any were seen.
    pub output_error: Option<f64>,
    /// What that would be if every number were rounded with the scale of the largest, if another method was chosen.
    pub output_error_absmax: Option<f64>,
}

impl QuantizedWeight {
    /// Of the weight with these rows, and what has become of it.
    #[track_caller]
    pub(crate) fn of(
        path: &str,
        shape: &[usize],
        exact: &Tensor,
        value: &QTensor,
        method: &'static str,
        bytes_before: usize,
    ) -> Result<Self> {
        let (path, shape, scheme, bytes) = (path.into(), shape.to_vec(), value.scheme(), value.size_in_bytes());
        let off = exact.sub(&value.dequantize()?)?.square().sum().item()?;
        let error = ratio(off, exact.square().sum().item()?);
        let (output_error, output_error_absmax) = (None, None);
        Ok(Self { path, shape, scheme, method, bytes_before, bytes, error, output_error, output_error_absmax })
    }

    /// How many bits a number takes.
    #[must_use]
    pub fn bits(&self) -> f64 {
        8.0 * self.bytes as f64 / self.shape.iter().product::<usize>().max(1) as f64
    }
}

/// The root of the quotient of two sums of squares.
pub(super) fn ratio(difference: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { (difference / whole).max(0.0).sqrt() }
}

impl QuantizeReport {
    pub(crate) fn of(weights: Vec<QuantizedWeight>) -> Self {
        Self { weights, skipped: Vec::new() }
    }

    /// The bytes that the weights took.
    #[must_use]
    pub fn bytes_before(&self) -> usize {
        self.weights.iter().map(|weight| weight.bytes_before).sum()
    }

    /// The bytes that they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.weights.iter().map(|weight| weight.bytes).sum()
    }

    /// How many bits a number takes, over all weights.
    #[must_use]
    pub fn bits(&self) -> f64 {
        let numbers: usize = self.weights.iter().map(|weight| weight.shape.iter().product::<usize>()).sum();
        8.0 * self.bytes() as f64 / numbers.max(1) as f64
    }
}

impl fmt::Display for QuantizeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.weights.iter().map(|weight| weight.path.len()).max().unwrap_or(0).max(6);
        let outputs = self.weights.iter().any(|weight| weight.output_error.is_some());
        let absmax = self.weights.iter().any(|weight| weight.output_error_absmax.is_some());
        write!(
            f,
            "{:width$}  {:>18}  {:>6}  {:>10}  {:>5}  {:>12}  {:>12}  {:>7}",
            "weight", "shape", "scheme", "method", "bits", "bytes before", "bytes", "error"
        )?;
        f.write_str(if outputs { "  of outputs" } else { "" })?;
        f.write_str(if absmax { "  by absmax" } else { "" })?;
        for weight in &self.weights {
            let QuantizedWeight { path, shape, scheme, method, bytes_before, bytes, error, .. } = weight;
            let (shape, bits) = (format!("{shape:?}"), weight.bits());
            write!(f, "\n{path:width$}  {shape:>18}  {scheme:>6}  {method:>10}  {bits:>5.2}  {bytes_before:>12}")?;
            write!(f, "  {bytes:>12}  {:>5.2} %", 100.0 * error)?;
            let percent = |error: Option<f64>| error.map_or("–".into(), |error| format!("{:.2} %", 100.0 * error));
            if outputs {
                write!(f, "  {:>10}", percent(weight.output_error))?;
            }
            if absmax {
                write!(f, "  {:>9}", percent(weight.output_error_absmax))?;
            }
        }
        let (before, after) = (self.bytes_before(), self.bytes());
        let bits = self.bits();
        write!(f, "\n{:width$}  {:>18}  {:>6}  {:>10}  {bits:>5.2}  {before:>12}  {after:>12}", "all", "", "", "")?;
        for (path, reason) in &self.skipped {
            write!(f, "\n{path:width$}  as it was: {reason}")?;
        }
        Ok(())
    }
}
