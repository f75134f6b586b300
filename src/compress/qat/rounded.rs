//! A weight that is rounded in every pass.

use super::QatOptions;
use super::fake_quantize::within;
use crate::autograd::{self, ConvOptions};
use crate::error::{Error, Result};
use crate::layers::{Adapter, ConvKind, Mode, Param, Quantized, QuantizedWeight, Weight, as_rows};
use crate::tensor::{DType, QTensor, Scheme, Tensor};

/// An adapter that makes of a weight what it will be when it is quantised, and lets gradients through. Products are those of the quantised
/// weight, which may round their inputs as well: see [`QTensor::linear`]. (In training, blocks of 32 are multiplied with inputs that are
/// not rounded.)
#[derive(Clone)]
pub struct RoundedWeight {
    /// `[rows, blocks]`: the scales, if they are learnt. Gradients are `q − w/s` for numbers within reach and `q` for those beyond, times
    /// `1/√(numbers · largest q)`.
    pub scale: Option<Param>,
    scheme: Scheme,
    inputs_first: bool,
    /// That of the weight, with the outputs first.
    shape: Vec<usize>,
}

crate::module!(RoundedWeight { scale }, plain { scheme, inputs_first, shape }, constrain positive);

/// The least scale that is learnt.
const LEAST: f64 = 1e-9;

/// The multiples of a scale that a scheme without an offset has.
fn levels(scheme: Scheme) -> Option<[f64; 2]> {
    Some(match scheme {
        Scheme::Q4_0 => [-8.0, 7.0],
        Scheme::Q5_0 => [-16.0, 15.0],
        Scheme::Q8_0 | Scheme::Int8 => [-127.0, 127.0],
        _ => return None,
    })
}

impl RoundedWeight {
    #[track_caller]
    pub(super) fn new(weight: &Weight, options: &QatOptions) -> Result<Self> {
        let (op, scheme) = ("prepare_qat", options.scheme);
        if let Some(adapter) = weight.adapter() {
            let e = Error::state(op, format!("the weight has an adapter, a {}", adapter.kind()));
            return Err(e.with_help("merge it or take it out first"));
        }
        let Some(param) = weight.param() else {
            let e = Error::state(op, "the weight is quantised already");
            return Err(e.with_help("dequantize(pattern) makes numbers of it, which can be trained"));
        };
        param.value().expect_dtype(op, "the weight", DType::F32)?;
        let inputs_first = weight.is_inputs_first();
        let mut shape = weight.shape().to_vec();
        if inputs_first {
            shape.reverse();
        }
        let mut made = Self { scale: None, scheme, inputs_first, shape };
        let _unrecorded = autograd::pause_recording();
        // What cannot be quantised is said before anything is learnt.
        made.quantized(param)?;
        if options.learn_scales {
            let Some([_, high]) = levels(scheme) else {
                let message = format!("scales of {scheme}, which has an offset, are not learnt");
                return Err(Error::argument(op, message).with_help("those of Q4_0, Q5_0, Q8_0 and INT8 are"));
            };
            let rows = made.rows(param)?;
            let blocks = if scheme == Scheme::Int8 { 1 } else { rows.shape()[1] / scheme.block_len() };
            let apart = rows.abs().reshape([rows.shape()[0], blocks, rows.shape()[1] / blocks])?;
            // Everything is within reach at first.
            let scale = (apart.amax(&[2], false)? * (1.0 / high)).clamp_min(LEAST);
            made.scale = Some(Param::new(scale)?);
        }
        Ok(made)
    }

    /// How the numbers will be kept.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The rows of a weight, one for each output.
    #[track_caller]
    fn rows(&self, weight: &Tensor) -> Result<Tensor> {
        if self.inputs_first { Ok(weight.t().contiguous()) } else { weight.reshape(as_rows(&self.shape)) }
    }

    #[track_caller]
    fn quantized(&self, weight: &Tensor) -> Result<QTensor> {
        let _unrecorded = autograd::pause_recording();
        let rows = self.rows(&weight.detach())?;
        match &self.scale {
            None => QTensor::quantize(&rows, self.scheme),
            Some(scale) => QTensor::quantize_by(&rows, self.scheme, &scale.value().detach()),
        }
    }

    /// The weight as blocks, and their numbers, of which gradients go on to what they were made of.
    #[track_caller]
    fn both(&self, weight: &Tensor) -> Result<(QTensor, Tensor)> {
        let (blocks, rows) = (self.quantized(weight)?, self.rows(weight)?);
        let through = match (&self.scale, levels(self.scheme)) {
            (Some(scale), Some([low, high])) => {
                let (count, each) = (scale.shape()[1], rows.shape()[1] / scale.shape()[1]);
                let slower = 1.0 / (each as f64 * high).sqrt();
                let scale = (scale.value() * slower).straight_through(scale)?.unsqueeze(2)?;
                let steps = rows.reshape([rows.shape()[0], count, each])?.div(&scale)?;
                let whole = within(&steps.straight_through(&steps.round())?, [low, high])?;
                whole.mul(&scale)?.reshape(rows.shape())?
            }
            _ => rows,
        };
        let numbers = through.straight_through(&blocks.dequantize()?)?;
        Ok((blocks, numbers))
    }

    /// The quantised weight, and what that changes.
    #[track_caller]
    pub(super) fn converted(&self, path: &str, weight: &Weight) -> Result<(Weight, QuantizedWeight)> {
        let _unrecorded = autograd::pause_recording();
        let Some(param) = weight.param() else {
            return Err(Error::state("convert_qat", "the weight is quantised already"));
        };
        let blocks = self.quantized(param)?;
        let method = if self.scale.is_some() { "learnt" } else { "trained" };
        let one = QuantizedWeight::of(path, &self.shape, &self.rows(param)?, &blocks, method, 4 * param.numel())?;
        Ok((Weight::Quantized(Quantized::with_shape(&blocks, &*self.shape)?), one))
    }

    /// Scales stay above zero.
    fn positive(&mut self) {
        if let Some(scale) = &mut self.scale {
            let _unrecorded = autograd::pause_recording();
            // Of the same shape and type, so it is not refused.
            let _ = scale.set(&scale.value().detach().clamp_min(LEAST));
        }
    }

    /// What is computed with blocks, for gradients of what is computed with their numbers.
    #[track_caller]
    fn as_used(&self, through: Tensor, mode: Option<&Mode<'_>>, used: &dyn Fn() -> Result<Tensor>) -> Result<Tensor> {
        if self.scheme != Scheme::Int8 && mode.is_some_and(Mode::is_training) {
            return Ok(through);
        }
        let used = {
            let _unrecorded = autograd::pause_recording();
            used()?
        };
        through.straight_through(&used)
    }
}

impl Adapter for RoundedWeight {
    #[track_caller]
    fn value(&self, weight: &Tensor) -> Result<Tensor> {
        let (_, numbers) = self.both(weight)?;
        if self.inputs_first { Ok(numbers.t()) } else { numbers.reshape(&*self.shape) }
    }

    #[track_caller]
    fn linear(&self, base: &Weight, x: &Tensor, bias: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let (blocks, numbers) = self.both(&base.value()?)?;
        self.as_used(x.linear(&numbers, bias)?, Some(mode), &|| blocks.linear(x, bias))
    }

    #[track_caller]
    fn linear_part(
        &self,
        base: &Weight,
        x: &Tensor,
        bias: Option<&Tensor>,
        [first, count]: [usize; 2],
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let (blocks, numbers) = self.both(&base.value()?)?;
        let (blocks, numbers) = (blocks.narrow(first, count)?, numbers.narrow(0, first, count)?);
        self.as_used(x.linear(&numbers, bias)?, Some(mode), &|| blocks.linear(x, bias))
    }

    #[track_caller]
    fn convolve(
        &self,
        base: &Weight,
        kind: ConvKind,
        x: &Tensor,
        bias: Option<&Tensor>,
        options: &ConvOptions,
    ) -> Result<Tensor> {
        let (blocks, numbers) = self.both(&base.value()?)?;
        let through = kind.apply(x, &numbers.reshape(&*self.shape)?, bias, options)?;
        match kind.dims() {
            Some(dims) => self.as_used(through, None, &|| blocks.convolve(dims, &self.shape, x, bias, options)),
            None => Ok(through),
        }
    }
}

impl std::fmt::Debug for RoundedWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoundedWeight({:?} {})", self.shape, self.scheme)
    }
}
