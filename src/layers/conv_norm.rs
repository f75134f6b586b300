//! Convolutions in a model that is used: with packed weights, and together with the batch norm, the sum and the ReLU behind them.
//!
//! The statistics that a batch norm has learnt are a factor and a summand for each channel, so all of it is one operation.

use std::sync::{Mutex, PoisonError};

use super::core::{Buffer, Layer, LayerExt, Mode, Param, Weight};
use super::{BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv2d, Relu};
use crate::autograd::{ConvOptions, Finish, Packed, is_recorded, predicted};
use crate::error::Result;
use crate::tensor::{DType, Tensor};

/// The weights as the loops read them, for as long as they are not changed. A copy of the layer has none.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<Packed>>);

impl Clone for Kept {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// A convolution of any number of dimensions.
pub(super) struct Parts<'a> {
    pub(super) name: &'static str,
    pub(super) dims: usize,
    pub(super) weight: &'a Weight,
    pub(super) bias: Option<&'a Tensor>,
    pub(super) options: &'a ConvOptions,
    pub(super) kept: &'a Kept,
}

impl Parts<'_> {
    /// The convolution in use, if it is; see [`predicted`]. It is finished with its own bias, unless there is a factor for each
    /// output. In training, what was kept is forgotten.
    #[track_caller]
    pub(super) fn used(&self, x: &Tensor, finish: Finish<'_>, mode: &Mode<'_>) -> Result<Option<Tensor>> {
        let finish = if finish.scale.is_none() { Finish { bias: self.bias, ..finish } } else { finish };
        match self.weight {
            Weight::Dense(param) if !mode.is_training() => {
                predicted(self.name, self.dims, x, param, self.options, &self.kept.0, finish)
            }
            _ => {
                *self.kept.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(None)
            }
        }
    }

    /// What batch norm multiplies each output by and adds to it, with the bias: of layers in `F32` that have statistics.
    fn folded(&self, norm: &Norm<'_>) -> Option<[Tensor; 2]> {
        let (mean, variance) = (norm.mean?.get(), norm.variance?.get());
        let given = [Some(&mean), Some(&variance), norm.weight, norm.bias, self.bias];
        let channels = self.weight.shape()[0];
        if given.iter().flatten().any(|x| x.dtype() != DType::F32 || x.shape() != [channels]) {
            return None;
        }
        let numbers = |x: Option<&Tensor>, otherwise: f32| match x {
            Some(x) => x.to_vec::<f32>().ok(),
            None => Some(vec![otherwise; channels]),
        };
        let (mean, variance) = (numbers(Some(&mean), 0.0)?, numbers(Some(&variance), 1.0)?);
        let (mut scale, mut shift) = (numbers(norm.weight, 1.0)?, numbers(norm.bias, 0.0)?);
        let bias = numbers(self.bias, 0.0)?;
        for c in 0..channels {
            scale[c] = (f64::from(scale[c]) / (f64::from(variance[c]) + norm.eps).sqrt()) as f32;
            shift[c] += (bias[c] - mean[c]) * scale[c];
        }
        Some([Tensor::from_vec(scale, [channels]).ok()?, Tensor::from_vec(shift, [channels]).ok()?])
    }

    /// All of it, if it can be done together: in a model that is used, and if nobody wants to know of each layer. What does not fit is
    /// none of it either: then the layers are called one by one, and say what is wrong.
    fn together(
        &self,
        norm: Option<&Norm<'_>>,
        x: &Tensor,
        beside: Option<&Tensor>,
        relu: bool,
        mode: &Mode<'_>,
    ) -> Option<Tensor> {
        if mode.is_training() || mode.is_heard() {
            return None;
        }
        let folded = match norm {
            // A gradient would have to find them.
            Some(norm)
                if is_recorded(&[norm.weight, norm.bias, self.bias].into_iter().flatten().collect::<Vec<_>>()) =>
            {
                return None;
            }
            Some(norm) => Some(self.folded(norm)?),
            None => None,
        };
        let [scale, bias] = [0, 1].map(|i| folded.as_ref().map(|folded| &folded[i]));
        self.used(x, Finish { scale, bias, beside, relu }, mode).ok().flatten()
    }

    /// See [`Layer::with_next`]: a batch norm, ReLU, or both.
    pub(super) fn with_next(&self, next: &[Box<dyn Layer>], x: &Tensor, mode: &Mode<'_>) -> Option<(Tensor, usize)> {
        let norm = next.first().and_then(|layer| Norm::behind(self.dims, &**layer));
        let count = usize::from(norm.is_some());
        let relu = next.get(count).is_some_and(|layer| layer.downcast_ref::<Relu>().is_some());
        let count = count + usize::from(relu);
        if count == 0 {
            return None;
        }
        self.together(norm.as_ref(), x, None, relu, mode).map(|y| (y, count))
    }
}

/// A batch norm of any number of dimensions.
struct Norm<'a> {
    mean: Option<&'a Buffer>,
    variance: Option<&'a Buffer>,
    weight: Option<&'a Tensor>,
    bias: Option<&'a Tensor>,
    eps: f64,
}

impl<'a> Norm<'a> {
    fn new([mean, variance]: [&'a Option<Buffer>; 2], [weight, bias]: [&'a Option<Param>; 2], eps: f64) -> Self {
        let (mean, variance) = (mean.as_ref(), variance.as_ref());
        Self { mean, variance, weight: weight.as_deref(), bias: bias.as_deref(), eps }
    }

    /// The layer behind a convolution of so many dimensions, if it is one.
    fn behind(dims: usize, layer: &'a dyn Layer) -> Option<Self> {
        macro_rules! of {
            ($Norm:ty) => {{
                let norm = layer.downcast_ref::<$Norm>()?;
                Some(Self::new([&norm.running_mean, &norm.running_var], [&norm.weight, &norm.bias], norm.epsilon()))
            }};
        }
        match dims {
            1 => of!(BatchNorm1d),
            2 => of!(BatchNorm2d),
            _ => of!(BatchNorm3d),
        }
    }
}

/// A convolution and its batch norm, called by their names, then the sum with another tensor, then ReLU; in a model that is used as one
/// operation. In a [`Sequential`](super::Sequential) that happens by itself.
#[track_caller]
pub(crate) fn conv_norm(
    (conv, conv_name): (&Conv2d, &str),
    (norm, norm_name): (&BatchNorm2d, &str),
    x: &Tensor,
    beside: Option<&Tensor>,
    relu: bool,
    mode: &mut Mode<'_>,
) -> Result<Tensor> {
    let of_norm = Norm::behind(2, norm);
    if let Some(y) = conv.parts().together(of_norm.as_ref(), x, beside, relu, mode) {
        return Ok(y);
    }
    let mut y = norm.at(norm_name, &conv.at(conv_name, x, mode)?, mode)?;
    if let Some(beside) = beside {
        y = y.add(beside)?;
    }
    Ok(if relu { y.relu() } else { y })
}
