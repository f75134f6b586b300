//! Models whose weights take a few bits a number.

use std::fmt;

use super::core::{ModuleExt, Weight};
use super::lora::is_meant;
use crate::autograd;
use crate::error::{Error, Result};
use crate::tensor::{DType, QTensor, Scheme, Tensor};

/// Quantising the weights of a model, and making numbers of them again.
pub trait QuantizeExt: ModuleExt {
    /// Keeps every [`Weight`] whose path, or that of its layer, matches `pattern` as blocks of a few bits a number, and says what that
    /// changed. Such weights are not trained any more; adapters beside them ([`add_lora`](super::LoraExt::add_lora)) are, for
    /// gradients go through the blocks to what is before them. The model is saved and opened as it is.
    ///
    /// Numbers are rounded to the nearest, with a scale for each 32 of a row (Dettmers et al., *LLM.int8()*, 2022, compare such block-wise
    /// scales with others); products with up to eight rows round their inputs to eight bits as well: see [`QTensor::linear`].
    ///
    /// # Errors
    /// If no weight matches, one of them has an adapter or cannot be quantised: see [`QTensor::quantize`]. Nothing is changed then.
    ///
    /// ```
    /// use demotic::models::{Gpt, GptConfig};
    /// use demotic::prelude::*;
    /// use demotic::tensor::Scheme;
    ///
    /// let mut gpt = Gpt::new(GptConfig::new(65, 64).layers(2).hidden_size(32), &mut Rng::seed(0))?;
    /// let report = gpt.quantize("*.h.*", Scheme::Q8_0)?;
    /// assert!(report.bytes() * 3 < report.bytes_before());
    /// println!("{report}");
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn quantize(&mut self, pattern: &str, scheme: Scheme) -> Result<QuantizeReport> {
        let (mut made, mut paths, mut failed) = (Vec::new(), Vec::new(), None);
        self.for_each("*", |path, weight: &Weight| {
            paths.push(path.to_string());
            if failed.is_none() && is_meant(pattern, path) {
                match quantized(path, weight, scheme) {
                    Ok(one) => made.push(one),
                    Err(e) => failed = Some(e.in_layer(path)),
                }
            }
        });
        if let Some(e) = failed {
            return Err(e);
        }
        if made.is_empty() {
            let e = Error::parameter("quantize", format!("no weight matches `{pattern}`"));
            return Err(e.with_help(format!("the weights are {}", paths.join(", "))));
        }
        let mut report = QuantizeReport { weights: Vec::new() };
        let mut made = made.into_iter().peekable();
        self.for_each_mut("*", |path, weight: &mut Weight| {
            if let Some((value, one)) = made.next_if(|(_, one)| one.path == path) {
                *weight = Weight::from(&value);
                report.weights.push(one);
            }
            Ok(())
        })?;
        Ok(report)
    }

    /// Makes numbers, which can be trained, of the quantised weights whose path, or that of their layer, matches `pattern`. Returns how
    /// many they are.
    ///
    /// # Errors
    /// If there are none, one has an adapter, or the numbers do not fit into memory.
    #[track_caller]
    fn dequantize(&mut self, pattern: &str) -> Result<usize> {
        let mut count = 0;
        self.for_each_mut("*", |path, weight: &mut Weight| {
            if is_meant(pattern, path) && weight.quantized().is_some() {
                without_adapter("dequantize", weight)?;
                *weight = Weight::new(weight.value()?)?;
                count += 1;
            }
            Ok(())
        })?;
        match count {
            0 => Err(Error::parameter("dequantize", format!("no quantised weight matches `{pattern}`"))),
            count => Ok(count),
        }
    }
}

impl<M: ModuleExt + ?Sized> QuantizeExt for M {}

#[track_caller]
fn without_adapter(op: &'static str, weight: &Weight) -> Result<()> {
    match weight.adapter() {
        None => Ok(()),
        Some(adapter) => Err(Error::state(op, format!("the weight has an adapter, a {}", adapter.kind()))
            .with_help("merge it or take it out first; adapters are added to weights that are quantised already")),
    }
}

/// A weight in blocks, and what that changes.
#[track_caller]
fn quantized(path: &str, weight: &Weight, scheme: Scheme) -> Result<(QTensor, QuantizedWeight)> {
    let _unrecorded = autograd::pause_recording();
    without_adapter("quantize", weight)?;
    let stored = weight.value()?;
    let bytes_before = match weight.quantized() {
        Some(blocks) => blocks.value()?.size_in_bytes(),
        None => stored.numel() * stored.dtype().size(),
    };
    let exact = weight.outputs_first(stored).to_dtype(DType::F32).contiguous();
    let value = QTensor::quantize(&exact, scheme)?;
    let error = relative_error(&exact, &value.dequantize()?)?;
    let bytes = value.size_in_bytes();
    let one = QuantizedWeight { path: path.into(), shape: exact.shape().to_vec(), scheme, bytes_before, bytes, error };
    Ok((value, one))
}

/// The size of the difference, as a share of that of the numbers.
fn relative_error(exact: &Tensor, near: &Tensor) -> Result<f64> {
    let size = |x: &Tensor| -> Result<f64> { Ok(x.square().mean().item()?.sqrt()) };
    let whole = size(exact)?;
    Ok(if whole == 0.0 { 0.0 } else { size(&exact.sub(near)?)? / whole })
}

/// What [`quantize`](QuantizeExt::quantize) changed. Shown as a table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QuantizeReport {
    /// The weights, in the order of the model.
    pub weights: Vec<QuantizedWeight>,
}

/// What quantising changed of one weight.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QuantizedWeight {
    /// Its path.
    pub path: String,
    /// Its shape, `[out, in]`.
    pub shape: Vec<usize>,
    /// How its numbers are kept.
    pub scheme: Scheme,
    /// The bytes that it took.
    pub bytes_before: usize,
    /// The bytes that it takes.
    pub bytes: usize,
    /// The root of the mean squared difference, divided by that of the mean square.
    pub error: f64,
}

impl QuantizeReport {
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
}

impl fmt::Display for QuantizeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.weights.iter().map(|weight| weight.path.len()).max().unwrap_or(0).max(6);
        writeln!(
            f,
            "{:width$}  {:>16}  {:>6}  {:>5}  {:>12}  {:>12}  {:>7}",
            "weight", "shape", "scheme", "bits", "bytes before", "bytes", "error"
        )?;
        for QuantizedWeight { path, shape, scheme, bytes_before, bytes, error } in &self.weights {
            let (shape, bits) = (format!("{shape:?}"), scheme.bits());
            writeln!(
                f,
                "{path:width$}  {shape:>16}  {scheme:>6}  {bits:>5.2}  {bytes_before:>12}  {bytes:>12}  {:>5.2} %",
                100.0 * error
            )?;
        }
        let (before, after) = (self.bytes_before(), self.bytes());
        write!(f, "{:width$}  {:>16}  {:>6}  {:>5}  {before:>12}  {after:>12}", "all", "", "", "")
    }
}
