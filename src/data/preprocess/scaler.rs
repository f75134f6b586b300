//! Bringing numbers to a common size, and back.

use serde::{Deserialize, Serialize};

use super::Scaling;
use crate::data::column::Column;
use crate::data::wide::{Moments, Wide};
use crate::error::{Error, Result, short};

/// `(x − center) / scale + offset`, perhaps kept within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
}

impl Scaler {
    /// Learns from a column with at least one finite number and no infinite one.
    #[track_caller]
    pub(super) fn fit(op: &'static str, name: &str, column: &Column, scaling: Scaling) -> Result<Self> {
        let present = column.present().unwrap_or_default();
        let (Some(min), Some(max)) = (
            present.iter().copied().reduce(|a, b| if b < a { b } else { a }),
            present.iter().copied().reduce(|a, b| if b > a { b } else { a }),
        ) else {
            return Ok(Self::new(Wide::default(), 1.0));
        };
        // Fractions may differ by rounding errors alone, which must not be blown up to a deviation of 1.
        let exact = column.is_exact();
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
        };
        if scaler.center.is_finite() && scaler.scale.is_finite() && scaler.scale > 0.0 {
            return Ok(scaler);
        }
        let (name, min, max) = (short(name), min.to_f64(), max.to_f64());
        let message = format!("the numbers of column `{name}`, from {min:e} to {max:e}, are too extreme to be scaled");
        Err(Error::numeric(op, message))
    }

    fn new(center: Wide, scale: f64) -> Self {
        Self { center: center.high, center_low: center.low, scale, offset: 0.0, clip: None }
    }

    /// `min` becomes `low`, `max` becomes `high`.
    fn between(min: Wide, max: Wide, exact: bool, low: f64, high: f64) -> Self {
        let range = max.minus(min).to_f64();
        let noise = 10.0 * f64::EPSILON * min.high.abs().max(max.high.abs());
        let constant = min == max || (!exact && range <= noise);
        Self { offset: low, ..Self::new(min, if constant { 1.0 } else { range } / (high - low)) }
    }

    fn center(self) -> Wide {
        Wide { high: self.center, low: self.center_low }
    }

    /// The scaled number, or `None` if it is beyond the range of `f32`.
    pub(super) fn apply(self, x: Wide) -> Option<f32> {
        let scaled = x.minus(self.center()).to_f64() / self.scale + self.offset;
        let scaled = match self.clip {
            Some((low, high)) if low <= high => scaled.clamp(low, high),
            _ => scaled,
        } as f32;
        scaled.is_finite().then_some(scaled)
    }

    /// The number that was scaled to this one.
    pub(super) fn invert(self, scaled: f64) -> Wide {
        self.center().plus(Wide::from((scaled - self.offset) * self.scale))
    }

    /// The same for a tensor: what to multiply with, and what to add then.
    pub(super) fn inverse(self) -> (f64, f64) {
        (self.scale, self.center - self.offset * self.scale)
    }
}
