//! Activations that are rounded in every pass.

use crate::autograd;
use crate::error::{Error, Result};
use crate::layers::{Buffer, Layer, Mode, Param};
use crate::tensor::{DType, Tensor};

/// Whole numbers that numbers are rounded to, as multiples of a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// The least one.
    pub low: i32,
    /// The largest one.
    pub high: i32,
    /// Whether zero is the whole number 0, and the scale follows from the number that is largest in size; otherwise both ends of what was
    /// seen are within reach, and zero is where it falls.
    pub symmetric: bool,
}

impl Levels {
    /// From 0 to 255, for activations of any range: PyTorch's `quint8` with `per_tensor_affine`.
    pub const UINT8: Self = Self { low: 0, high: 255, symmetric: false };
    /// From −128 to 127 around zero: PyTorch's `qint8` with `per_tensor_symmetric`.
    pub const INT8: Self = Self { low: -128, high: 127, symmetric: true };
}

/// How the range of what is rounded is found.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Ranges {
    /// The least and the largest number that was ever seen in training.
    MinMax,
    /// Averages of both over batches, to which a new one comes with this weight: PyTorch's `MovingAverageMinMaxObserver`, with 0.01.
    MovingAverage(f64),
}

/// Rounds what goes through it to whole multiples of a scale, in training and in use, and lets gradients of all that is within reach
/// through: PyTorch's `FakeQuantize`. In training it also watches the range from which the scale follows; or the scale is a parameter
/// ([`learned`](Self::learned)).
///
/// # Shapes
/// Input and output alike, of any floating-point type.
///
/// ```
/// use demotic::compress::qat::{FakeQuantize, Levels, Ranges};
/// use demotic::prelude::*;
///
/// let layer = FakeQuantize::new(Levels::UINT8, Ranges::MovingAverage(0.01))?;
/// let x = tensor![-1.0, 0.013, 1.55];
/// let y = layer.forward(&x, &mut Mode::train(&mut Rng::seed(0)))?;
/// assert_eq!(y.to_vec::<f32>()?, [-1.0, 0.01, 1.55]);
/// // Whatever lies beyond, once it is learnt.
/// assert_eq!(layer.predict(&tensor![9.0])?.to_vec::<f32>()?, [1.55]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FakeQuantize {
    /// The scale, if it is learnt: one number, or one for each channel.
    pub scale: Option<Param>,
    /// The least numbers that were seen, `[1]` or `[channels]`; infinite before.
    pub min_val: Buffer,
    /// The largest ones.
    pub max_val: Buffer,
    levels: Levels,
    ranges: Ranges,
    axis: Option<usize>,
}

crate::module!(FakeQuantize { scale, min_val, max_val }, plain { levels, ranges, axis });

/// The smallest scale, as in PyTorch.
const EPS: f64 = f32::EPSILON as f64;

impl FakeQuantize {
    /// One scale for everything.
    ///
    /// # Errors
    /// If the levels are not at least two within ±2²³, symmetric ones have none below or above zero, or an average has a weight that is
    /// not above 0 and at most 1.
    #[track_caller]
    pub fn new(levels: Levels, ranges: Ranges) -> Result<Self> {
        Self::with(levels, ranges, None, 1)
    }

    /// A scale for each of so many channels, which are counted by dimension `axis`.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    #[track_caller]
    pub fn per_channel(levels: Levels, ranges: Ranges, axis: usize, channels: usize) -> Result<Self> {
        Self::with(levels, ranges, Some(axis), channels)
    }

    /// A scale that is learnt, and begins as this (Esser et al., *Learned step size quantization*, 2020). The whole number 0 is zero.
    ///
    /// # Errors
    /// As for [`new`](Self::new), or if the scale is not positive.
    #[track_caller]
    pub fn learned(levels: Levels, scale: f64) -> Result<Self> {
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Error::argument("FakeQuantize::learned", format!("a scale of {scale}, expected above 0")));
        }
        let layer = Self::with(levels, Ranges::MinMax, None, 1)?;
        Ok(Self { scale: Some(Param::new(Tensor::full([1], scale)?)?), ..layer })
    }

    #[track_caller]
    fn with(levels: Levels, ranges: Ranges, axis: Option<usize>, channels: usize) -> Result<Self> {
        let (op, Levels { low, high, symmetric }) = ("FakeQuantize::new", levels);
        let most = 1 << 23;
        if low >= high || low < -most || high > most || (symmetric && (low >= 0 || high <= 0)) {
            return Err(Error::argument(op, format!("levels from {low} to {high} are not some on both sides of zero")));
        }
        if let Ranges::MovingAverage(weight) = ranges
            && !(weight > 0.0 && weight <= 1.0)
        {
            let message = format!("averages with a weight of {weight}, expected above 0 and at most 1");
            return Err(Error::argument(op, message));
        }
        let end = |value: f64| Ok::<_, Error>(Buffer::new(Tensor::full([channels], value)?));
        let (min_val, max_val) = (end(f64::INFINITY)?, end(f64::NEG_INFINITY)?);
        Ok(Self { scale: None, min_val, max_val, levels, ranges, axis })
    }

    /// The shape of one number for each channel, beside `x`.
    #[track_caller]
    fn beside(&self, x: &Tensor) -> Result<Vec<usize>> {
        let mut shape = vec![1; x.rank()];
        let channels = self.min_val.get().numel();
        if let Some(axis) = self.axis {
            if x.shape().get(axis) != Some(&channels) {
                let message = format!("the input {:?} has no {channels} channels in dimension {axis}", x.shape());
                return Err(Error::shape("fake_quantize", message));
            }
            shape[axis] = channels;
        }
        Ok(shape)
    }

    #[track_caller]
    fn observe(&self, x: &Tensor) -> Result<()> {
        let _unrecorded = autograd::pause_recording();
        let x = x.detach().to_dtype(DType::F32);
        if x.numel() == 0 {
            return Ok(());
        }
        let rows = match self.axis {
            Some(axis) => x.movedim(axis as isize, 0)?.reshape([x.shape()[axis], x.numel() / x.shape()[axis]])?,
            None => x.reshape([1, x.numel()])?,
        };
        let (low, high) = (rows.amin(&[1], false)?, rows.amax(&[1], false)?);
        if !is_finite(&low) || !is_finite(&high) {
            return Err(Error::numeric("fake_quantize", "an input is not finite, so it has no range"));
        }
        let (old_low, old_high) = (self.min_val.get(), self.max_val.get());
        let is_first = !is_finite(&old_low);
        let (low, high) = match self.ranges {
            _ if is_first => (low, high),
            Ranges::MinMax => (old_low.minimum(&low)?, old_high.maximum(&high)?),
            Ranges::MovingAverage(weight) => {
                let moved = |old: &Tensor, new: &Tensor| old.add(&(new.sub(old)? * weight));
                (moved(&old_low, &low)?, moved(&old_high, &high)?)
            }
        };
        self.min_val.set(&low)?;
        self.max_val.set(&high)
    }

    /// Scale and zero, of `[channels]`.
    #[track_caller]
    fn steps(&self) -> Result<[Tensor; 2]> {
        let Levels { low, high, symmetric } = self.levels;
        let (least, most) = (self.min_val.get().clamp_max(0.0), self.max_val.get().clamp_min(0.0));
        if !is_finite(&self.min_val.get()) {
            let e = Error::state("fake_quantize", "no input has been seen from which the scale would follow");
            return Err(e.with_help("run the model on some batches in training first"));
        }
        let steps = f64::from(high - low);
        if symmetric {
            let scale = (least.neg().maximum(&most)? / (steps / 2.0)).clamp_min(EPS);
            return Ok([scale.clone(), scale.zeros_like()]);
        }
        let scale = (most.sub(&least)? / steps).clamp_min(EPS);
        let zero =
            (least.div(&scale)?.round().neg() + f64::from(low)).clamp(Some(f64::from(low)), Some(f64::from(high)));
        Ok([scale, zero])
    }
}

impl Layer for FakeQuantize {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.rounded(x, mode);
        mode.here(y)
    }
}

impl FakeQuantize {
    #[track_caller]
    fn rounded(&self, x: &Tensor, mode: &Mode<'_>) -> Result<Tensor> {
        x.expect_any_float("fake_quantize", "the input")?;
        let beside = self.beside(x)?;
        let [low, high] = [self.levels.low, self.levels.high].map(f64::from);
        let [scale, zero] = match &self.scale {
            Some(scale) => {
                let slower = 1.0 / (x.numel().max(1) as f64 * high.max(1.0)).sqrt();
                let scale = (scale.value() * slower).straight_through(scale)?;
                [scale.clone(), scale.detach().zeros_like()]
            }
            None => {
                if mode.is_training() && !mode.is_recomputing() {
                    self.observe(x)?;
                }
                self.steps()?
            }
        };
        let (scale, zero) = (scale.reshape(&*beside)?.to_dtype(x.dtype()), zero.reshape(&*beside)?.to_dtype(x.dtype()));
        let steps = x.mul(&scale.ones_like().div(&scale)?)?;
        let whole = steps.straight_through(&steps.round())?.add(&zero)?;
        if self.scale.is_some() {
            return within(&whole, [low, high])?.sub(&zero)?.mul(&scale);
        }
        // Gradients go on as they are, and not by a scale and back.
        let cut = whole.detach().clamp(Some(low), Some(high));
        let y = cut.sub(&zero)?.mul(&scale)?;
        whole.detach().eq(&cut)?.where_(x, &y)?.straight_through(&y)
    }
}

fn is_finite(x: &Tensor) -> bool {
    x.to_f64_vec().iter().all(|x| x.is_finite())
}

/// Whole numbers, of which those beyond the ends become these, and pass no gradient on.
#[track_caller]
pub(super) fn within(whole: &Tensor, [low, high]: [f64; 2]) -> Result<Tensor> {
    let cut = whole.detach().clamp(Some(low), Some(high));
    whole.detach().eq(&cut)?.where_(whole, &cut)
}
