//! Models whose weights take a few bits a number.

pub(crate) mod observe;
mod options;
mod report;

pub use options::QuantizeOptions;
pub use report::{QuantizeReport, QuantizedWeight};

use std::collections::HashMap;

use super::core::{Module, ModuleExt, Quantized, Weight, as_rows};
use super::lora::is_meant;
use crate::autograd;
use crate::error::{Error, Result};
use crate::tensor::{Calibration, DType, QTensor, Scheme, Tensor};
use observe::{in_parts, products_of};
use report::ratio;

/// Quantising the weights of a model, and making numbers of them again.
pub trait QuantizeExt: ModuleExt {
    /// Keeps every [`Weight`] whose path, or that of its layer, matches `pattern` as blocks of a few bits a number, and says what that
    /// changed. Such weights are not trained any more; adapters beside them ([`add_lora`](super::LoraExt::add_lora)) are, for
    /// gradients go through the blocks to what is before them. The model is saved and opened as it is.
    ///
    /// Numbers are rounded to the nearest, with a scale for each 32 of a row (Dettmers et al., *LLM.int8()*, 2022, compare such block-wise
    /// scales with others), or for each row in [`Int8`](Scheme::Int8); products round their inputs to eight bits as well: see
    /// [`QTensor::linear`]. Of convolutions, a row has all numbers of an output.
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
        self.quantize_with(&QuantizeOptions::new(scheme).only(&[pattern]))
    }

    /// The same with all [options](QuantizeOptions) but GPTQ, which needs [inputs](Self::quantize_calibrated).
    ///
    /// # Errors
    /// As for [`quantize`](Self::quantize), and if an option makes no sense.
    ///
    /// ```
    /// use demotic::layers::QuantizeOptions;
    /// use demotic::prelude::*;
    /// use demotic::tensor::{Calibration, Scheme};
    ///
    /// let mut rng = Rng::seed(0);
    /// let mut model = sequential![Linear::new(64, 32, &mut rng)?, Relu, Linear::new(32, 10, &mut rng)?];
    /// let options = QuantizeOptions::new(Scheme::Q4_0).calibration(Calibration::Mse).except(&["2"]);
    /// assert_eq!(model.quantize_with(&options)?.weights[0].path, "0.weight");
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn quantize_with(&mut self, options: &QuantizeOptions) -> Result<QuantizeReport> {
        if let Calibration::Gptq(_) = options.calibration {
            let e = Error::argument("quantize", "GPTQ without inputs to calibrate with");
            return Err(e.with_help("quantize_calibrated(&options, |model| ..) runs the model on some"));
        }
        let model = self.as_module_mut();
        let mut quantizing = Quantizing::new(model, options)?;
        let paths = quantizing.all.clone();
        quantizing.make(model, &paths, &HashMap::new())?;
        Ok(quantizing.report)
    }

    /// The same with inputs that the weights meet: `run` runs the model on batches of them, some hundred examples that are like those it
    /// is meant for. [GPTQ](Calibration::Gptq) rounds the weights of [`Linear`](super::Linear), [`Conv1d`](super::Conv1d),
    /// [`Conv2d`](super::Conv2d) and of attention such that their outputs for these inputs change least; others, which are looked up,
    /// transposed, or were not met, have the scales with the least squared error. With any method, the report says how much outputs
    /// change.
    ///
    /// # Errors
    /// As for [`quantize_with`](Self::quantize_with), those of `run`, and if an input is not finite. Nothing is changed then.
    ///
    /// ```
    /// use demotic::layers::QuantizeOptions;
    /// use demotic::prelude::*;
    /// use demotic::tensor::{Calibration, GptqOptions, Scheme};
    ///
    /// let mut rng = Rng::seed(0);
    /// let mut model = sequential![Linear::new(64, 96, &mut rng)?, Relu, Linear::new(96, 10, &mut rng)?];
    /// let batches = [Tensor::normal([100, 64], 0.0, 1.0, &mut rng)?, Tensor::normal([100, 64], 0.0, 1.0, &mut rng)?];
    /// let options = QuantizeOptions::new(Scheme::Q4_0).calibration(Calibration::Gptq(GptqOptions::new()));
    /// let report = model.quantize_calibrated(&options, |model| {
    ///     batches.iter().try_for_each(|batch| model.predict(batch).map(drop))
    /// })?;
    /// let last = &report.weights[1];
    /// assert!(last.output_error < last.output_error_absmax);
    /// println!("{report}");
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn quantize_calibrated(
        &mut self,
        options: &QuantizeOptions,
        mut run: impl FnMut(&Self) -> Result<()>,
    ) -> Result<QuantizeReport> {
        let mut quantizing = Quantizing::new(self.as_module_mut(), options)?;
        for paths in in_parts(self.as_module(), &quantizing.all, options.max_bytes) {
            let made = match products_of(self, &paths, &mut run) {
                Ok(products) => quantizing.make(self.as_module_mut(), &paths, &products),
                Err(e) => Err(e),
            };
            if let Err(e) = made {
                quantizing.undo(self.as_module_mut())?;
                return Err(e);
            }
        }
        Ok(quantizing.report)
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
                if let Some(dense) = weight.whole()? {
                    *weight = dense;
                    count += 1;
                }
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

/// A model of which some weights are quantised already, and what they were.
struct Quantizing<'a> {
    options: &'a QuantizeOptions,
    /// The paths of all weights that are meant.
    all: Vec<String>,
    before: Vec<(String, Weight)>,
    report: QuantizeReport,
}

impl<'a> Quantizing<'a> {
    #[track_caller]
    fn new(model: &mut dyn Module, options: &'a QuantizeOptions) -> Result<Self> {
        options.calibration.check(options.scheme)?;
        let (mut all, mut paths, mut failed) = (Vec::new(), Vec::new(), None);
        model.for_each("*", |path, weight: &Weight| {
            paths.push(path.to_string());
            if options.means(path) {
                all.push(path.to_string());
                failed = failed.take().or(without_adapter("quantize", weight).err().map(|e| e.in_layer(path)));
            }
        });
        if let Some(e) = failed {
            return Err(e);
        }
        if all.is_empty() {
            let e = Error::parameter("quantize", format!("no weight matches `{}`", options.only.join("`, `")));
            return Err(e.with_help(format!("the weights are {}", paths.join(", "))));
        }
        let report = QuantizeReport::of(Vec::new());
        Ok(Self { options, all, before: Vec::new(), report })
    }

    /// Quantises the weights with these paths, or none of them.
    #[track_caller]
    fn make(
        &mut self,
        model: &mut dyn Module,
        paths: &[String],
        products: &HashMap<String, Vec<Tensor>>,
    ) -> Result<()> {
        let (mut made, mut failed) = (HashMap::new(), None);
        model.for_each("*", |path, weight: &Weight| {
            if failed.is_some() || !paths.iter().any(|one| one == path) {
                return;
            }
            let products = products.get(path).map_or(&[][..], Vec::as_slice);
            match quantized(path, weight, self.options, products) {
                Ok((value, one)) => {
                    made.insert(path.to_string(), value);
                    self.report.weights.push(one);
                }
                Err(e) if self.options.skip_misfits => self.report.skipped.push((path.into(), e.message())),
                Err(e) => failed = Some(e.in_layer(path)),
            }
        });
        if let Some(e) = failed {
            return Err(e);
        }
        model.for_each_mut("*", |path, weight: &mut Weight| {
            if let Some(value) = made.remove(path) {
                self.before.push((path.to_string(), std::mem::replace(weight, value)));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Makes the weights again what they were.
    #[track_caller]
    fn undo(&mut self, model: &mut dyn Module) -> Result<()> {
        let mut before = std::mem::take(&mut self.before);
        model.for_each_mut("*", |path, weight: &mut Weight| {
            if let Some(at) = before.iter().position(|(own, _)| own == path) {
                *weight = before.swap_remove(at).1;
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// A weight in blocks, and what that changes.
#[track_caller]
fn quantized(
    path: &str,
    weight: &Weight,
    options: &QuantizeOptions,
    products: &[Tensor],
) -> Result<(Weight, QuantizedWeight)> {
    let _unrecorded = autograd::pause_recording();
    let QuantizeOptions { scheme, calibration, .. } = *options;
    let stored = weight.value()?;
    let bytes_before = match weight.quantized() {
        Some(blocks) => blocks.value()?.size_in_bytes(),
        None => stored.numel() * stored.dtype().size(),
    };
    let exact = weight.outputs_first(stored).to_dtype(DType::F32).contiguous();
    let shape = exact.shape().to_vec();
    let exact = exact.reshape(as_rows(&shape))?;
    let is_met = !products.is_empty();
    let calibration = match calibration {
        Calibration::Gptq(_) if !is_met => Calibration::Mse,
        calibration => calibration,
    };
    let value = by_group(&exact, scheme, &calibration, products)?;
    let (mut output_error, mut output_error_absmax) = (None, None);
    if is_met {
        output_error = Some(error_of_outputs(&exact, &value.dequantize()?, products)?);
        if calibration != Calibration::Absmax {
            let rounded = QTensor::quantize(&exact, scheme)?.dequantize()?;
            output_error_absmax = Some(error_of_outputs(&exact, &rounded, products)?);
        }
    }
    let one = QuantizedWeight::of(path, &shape, &exact, &value, calibration.name(), bytes_before)?;
    // A weight that is quantised again had a layout before the first time.
    let turned = weight.is_inputs_first() || weight.quantized().is_some_and(Quantized::is_turned);
    let weight = Weight::Quantized(Quantized::with_shape(&value, &*shape)?.turned(turned));
    Ok((weight, QuantizedWeight { output_error, output_error_absmax, ..one }))
}

/// The rows of each group, rounded for the inputs of that.
#[track_caller]
fn by_group(exact: &Tensor, scheme: Scheme, calibration: &Calibration, products: &[Tensor]) -> Result<QTensor> {
    let [products @ .., last] = products else { return QTensor::quantize_with(exact, scheme, calibration, None) };
    if products.is_empty() || !matches!(calibration, Calibration::Gptq(_)) {
        return QTensor::quantize_with(exact, scheme, calibration, Some(last));
    }
    let rows = exact.shape()[0] / (products.len() + 1);
    let mut blocks = Vec::new();
    for (group, products) in products.iter().chain([last]).enumerate() {
        let part = exact.narrow(0, group * rows, rows)?.contiguous();
        blocks.push(QTensor::quantize_with(&part, scheme, calibration, Some(products))?.blocks().clone());
    }
    QTensor::from_blocks(scheme, exact.shape(), &Tensor::cat(&blocks.iter().collect::<Vec<_>>(), 0)?)
}

/// By how much the outputs of a layer change, as a share of their size, for inputs of which these are the products.
#[track_caller]
fn error_of_outputs(exact: &Tensor, near: &Tensor, products: &[Tensor]) -> Result<f64> {
    let (mut difference, mut whole) = (0.0, 0.0);
    let rows = exact.shape()[0] / products.len();
    for (group, products) in products.iter().enumerate() {
        for first in (0..rows).step_by(1024) {
            let part = |x: &Tensor| -> Result<Tensor> {
                Ok(x.narrow(0, group * rows + first, 1024.min(rows - first))?.to_dtype(DType::F64))
            };
            let size = |x: &Tensor| x.matmul(products)?.mul(x)?.sum().item();
            let exact = part(exact)?;
            difference += size(&exact.sub(&part(near)?)?)?;
            whole += size(&exact)?;
        }
    }
    Ok(ratio(difference, whole))
}
