//! Bringing numbers to a common size, and back.

use serde::{Deserialize, Serialize};

use super::Scaling;
use super::warp::Warp;
use crate::data::wide::{Moments, Wide, quantile, sorted};
use crate::error::{Error, Result, short};
use crate::tensor::Tensor;

/// `(x − center) / scale + offset`, perhaps kept within bounds, and perhaps of a function of `x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Scaler {
    center: f64,
    /// What `center` is too coarse to hold, where the numbers are integers beyond 2⁵³.
    #[serde(default)]
    center_low: f64,
    scale: f64,
    #[serde(default)]
    offset: f64,
    #[serde(default)]
    clip: Option<(f64, f64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warp: Option<Warp>,
}

impl Scaler {
    /// Learns from finite numbers, of which there is at least one. `exact` if they are whole and none is rounded: fractions may differ by
    /// rounding errors alone, which must not be blown up to a deviation of 1.
    #[track_caller]
    pub(super) fn fit(op: &'static str, name: &str, present: Vec<Wide>, exact: bool, scaling: Scaling) -> Result<Self> {
        let (Some(min), Some(max)) = (
            present.iter().copied().reduce(|a, b| if b < a { b } else { a }),
            present.iter().copied().reduce(|a, b| if b > a { b } else { a }),
        ) else {
            return Ok(Self::new(Wide::default(), 1.0));
        };
        let scaler = match scaling {
            Scaling::None => Self::new(Wide::default(), 1.0),
            Scaling::MinMax => Self::between(min, max, exact, 0.0, 1.0),
            Scaling::Range { low, high, clip } => {
                if !(low < high && (high - low).is_finite()) {
                    let message =
                        format!("the range of scaled numbers is {low} to {high}, expected a lower number first");
                    return Err(Error::argument(op, message));
                }
                let mut scaler = Self::between(min, max, exact, low, high);
                scaler.clip = clip.then_some((low, high));
                scaler
            }
            Scaling::MaxAbs => {
                let largest = min.high.abs().max(max.high.abs());
                Self::new(Wide::default(), if largest > 0.0 { largest } else { 1.0 })
            }
            Scaling::Robust => {
                let sorted = sorted(present);
                let range = quantile(&sorted, 0.75).minus(quantile(&sorted, 0.25)).to_f64();
                let noise = 10.0 * f64::EPSILON * min.high.abs().max(max.high.abs());
                let constant = range == 0.0 || (!exact && range <= noise);
                Self::new(quantile(&sorted, 0.5), if constant { 1.0 } else { range })
            }
            Scaling::Standard | Scaling::Center | Scaling::Deviation => {
                let moments = Moments::of(&present);
                let constant = min == max || (!exact && moments.is_noise());
                let center = match scaling {
                    Scaling::Deviation => Wide::default(),
                    _ if min == max => min,
                    _ => moments.mean(),
                };
                let scale = if constant || scaling == Scaling::Center { 1.0 } else { moments.deviation(0.0) };
                Self::new(center, scale)
            }
            _ if min == max => Self::new(min, 1.0),
            Scaling::Log
            | Scaling::Log1p
            | Scaling::BoxCox
            | Scaling::YeoJohnson
            | Scaling::QuantileUniform
            | Scaling::QuantileNormal => Self::bent(op, name, present, scaling)?,
        };
        if scaler.center.is_finite() && scaler.scale.is_finite() && scaler.scale > 0.0 {
            return Ok(scaler);
        }
        let (name, min, max) = (short(name), min.to_f64(), max.to_f64());
        let message = format!("the numbers of column `{name}`, from {min:e} to {max:e}, are too extreme to be scaled");
        Err(Error::numeric(op, message))
    }

    fn new(center: Wide, scale: f64) -> Self {
        Self { center: center.high, center_low: center.low, scale, offset: 0.0, clip: None, warp: None }
    }

    /// `min` becomes `low`, `max` becomes `high`.
    fn between(min: Wide, max: Wide, exact: bool, low: f64, high: f64) -> Self {
        let range = max.minus(min).to_f64();
        let noise = 10.0 * f64::EPSILON * min.high.abs().max(max.high.abs());
        let constant = min == max || (!exact && range <= noise);
        Self { offset: low, ..Self::new(min, if constant { 1.0 } else { range } / (high - low)) }
    }

    /// By a function of the numbers.
    #[track_caller]
    fn bent(op: &'static str, name: &str, present: Vec<Wide>, scaling: Scaling) -> Result<Self> {
        if matches!(scaling, Scaling::QuantileUniform | Scaling::QuantileNormal) {
            let warp = Warp::quantile(present, scaling == Scaling::QuantileNormal);
            return Ok(Self { warp: Some(warp), ..Self::new(Wide::default(), 1.0) });
        }
        let mut numbers: Vec<f64> = present.iter().map(|x| x.to_f64()).collect();
        // Before a power is looked for.
        let (warp, least) = match scaling {
            Scaling::Log => (Warp::Log, 0.0),
            Scaling::Log1p => (Warp::Log1p, -1.0),
            Scaling::BoxCox => (Warp::BoxCox { power: 1.0, unit: 1.0 }, 0.0),
            _ => (Warp::YeoJohnson { power: 1.0, unit: 1.0 }, f64::NEG_INFINITY),
        };
        if let Some(x) = numbers.iter().find(|x| **x <= least) {
            return Err(Error::numeric(op, format!("column `{}` has {x}, and {}", short(name), warp.domain())));
        }
        let warp = match warp {
            Warp::BoxCox { .. } => Warp::box_cox(&numbers),
            Warp::YeoJohnson { .. } => Warp::yeo_johnson(&numbers),
            warp => warp,
        };
        warp.apply(&mut numbers)?;
        let bent = numbers.into_iter().map(Wide::from).collect();
        let scaler = Self::fit(op, name, bent, false, Scaling::Standard)?;
        Ok(Self { warp: Some(warp), ..scaler })
    }

    fn center(&self) -> Wide {
        Wide { high: self.center, low: self.center_low }
    }

    /// The scaled numbers, not finite where one is beyond the range of `f32` or cannot be scaled at all.
    #[track_caller]
    pub(super) fn apply(&self, numbers: &[Wide]) -> Result<Vec<f32>> {
        let bent = match &self.warp {
            Some(warp) => {
                let mut bent: Vec<f64> = numbers.iter().map(|x| x.to_f64()).collect();
                warp.apply(&mut bent)?;
                Some(bent)
            }
            None => None,
        };
        let scaled = |i: usize| {
            let x = bent.as_ref().map_or(numbers[i], |bent| Wide::from(bent[i]));
            let scaled = x.minus(self.center()).to_f64() / self.scale + self.offset;
            match self.clip {
                Some((low, high)) if low <= high => scaled.clamp(low, high) as f32,
                _ => scaled as f32,
            }
        };
        Ok((0..numbers.len()).map(scaled).collect())
    }

    /// What is wrong with a number that was not scaled to a finite one.
    pub(super) fn trouble(&self, x: f64) -> &'static str {
        let mut bent = [x];
        match &self.warp {
            Some(warp) if warp.apply(&mut bent).is_err() || bent[0].is_nan() => warp.domain(),
            _ => "beyond the range of f32",
        }
    }

    /// The number that was scaled to this one.
    pub(super) fn invert(&self, scaled: f64) -> Wide {
        let x = self.center().plus(Wide::from((scaled - self.offset) * self.scale));
        match &self.warp {
            Some(warp) => warp.invert(x.to_f64()).into(),
            None => x,
        }
    }

    /// The same for a tensor of floats. Gradients flow back, but for quantiles and powers.
    #[track_caller]
    pub(super) fn inverse(&self, scaled: &Tensor) -> Result<Tensor> {
        let straight = || scaled * self.scale + (self.center - self.offset * self.scale);
        match &self.warp {
            None => Ok(straight()),
            Some(Warp::Log) => Ok(straight().exp()),
            Some(Warp::Log1p) => Ok(straight().expm1()),
            Some(_) => {
                let numbers = scaled.to_f64_vec().into_iter().map(|x| self.invert(x).to_f64()).collect();
                Ok(Tensor::from_vec(numbers, scaled.shape())?.to_dtype(scaled.dtype()))
            }
        }
    }
}
