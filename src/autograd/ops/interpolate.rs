//! Images made larger and smaller.

use std::panic::Location;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::image::Image;
use super::record;
use crate::error::{Error, Here, Result};
use crate::tensor::Tensor;
use crate::tensor::create::{check_list, check_shape};
use crate::tensor::exec::fused::{Taps, resample};
use crate::tensor::layout::Shape;

/// How the numbers between places are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Interpolation {
    /// The place that comes before, as PyTorch's `nearest` and most other libraries have it.
    #[default]
    Nearest,
    /// The place whose centre is nearest: PyTorch's `nearest-exact`, and what libraries for pictures do.
    NearestExact,
    /// On the straight line between two places: PyTorch's `linear`, `bilinear` and `trilinear`, by the number of dimensions.
    Linear,
    /// On a cubic curve through four places (Keys, 1981, with −0.75): PyTorch's `bicubic`, here for any number of dimensions.
    Cubic,
    /// The mean of what a place covers, as [adaptive pooling](Tensor::adaptive_avg_pool2d).
    Area,
}

/// What [`Tensor::interpolate`] makes of an image: a size or factors, and options with the defaults of PyTorch.
///
/// | option | default | |
/// |---|---|---|
/// | [`mode`](Self::mode) | [`Nearest`](Interpolation::Nearest) | how numbers between places are found |
/// | [`align_corners`](Self::align_corners) | no | whether the first and the last places are kept, and not the outer edges |
/// | [`recompute_scale_factor`](Self::recompute_scale_factor) | no | whether places are found by the sizes, and not by the factors |
#[derive(Debug, Clone, PartialEq)]
pub struct InterpolateOptions {
    target: Target,
    pub(crate) mode: Interpolation,
    pub(crate) align_corners: bool,
    pub(crate) recompute: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Target {
    Size(Vec<usize>),
    Factors(Vec<f64>),
}

/// Factors: a number for all dimensions, or one for each.
pub trait Factors {
    /// The factors.
    fn factors(&self) -> Vec<f64>;
}

impl Factors for f64 {
    fn factors(&self) -> Vec<f64> {
        vec![*self]
    }
}

impl<const N: usize> Factors for [f64; N] {
    fn factors(&self) -> Vec<f64> {
        self.to_vec()
    }
}

impl Factors for &[f64] {
    fn factors(&self) -> Vec<f64> {
        self.to_vec()
    }
}

impl InterpolateOptions {
    /// Images of this size: a number for all dimensions of places, or one for each.
    #[must_use]
    pub fn size(size: impl Shape) -> Self {
        Self::to(Target::Size(size.sizes().to_vec()))
    }

    /// Images that are larger by this factor: of `n` places `⌊factor n⌋`.
    #[must_use]
    pub fn scale(factors: impl Factors) -> Self {
        Self::to(Target::Factors(factors.factors()))
    }

    fn to(target: Target) -> Self {
        Self { target, mode: Interpolation::Nearest, align_corners: false, recompute: false }
    }

    /// The size that was asked for, or the factors.
    pub(crate) fn target(&self) -> (Option<&[usize]>, Option<&[f64]>) {
        match &self.target {
            Target::Size(size) => (Some(size), None),
            Target::Factors(factors) => (None, Some(factors)),
        }
    }

    /// How numbers between places are found.
    #[must_use]
    pub fn mode(mut self, mode: Interpolation) -> Self {
        self.mode = mode;
        self
    }

    /// Whether the centres of the first and the last places stay where they are, and not the outer edges of these.
    #[must_use]
    pub fn align_corners(mut self, align: bool) -> Self {
        self.align_corners = align;
        self
    }

    /// Whether places are found by the sizes that the factors lead to, and not by the factors themselves.
    #[must_use]
    pub fn recompute_scale_factor(mut self, recompute: bool) -> Self {
        self.recompute = recompute;
        self
    }
}

/// # Resizing images
impl Tensor {
    /// Makes `[batch, channels, places…]`, with one to three dimensions of places, larger or smaller.
    ///
    /// Place `i` of the result lies at `(i + ½) s − ½` of the input, with `s` for the quotient of the sizes or the reciprocal of the
    /// factor; with `align_corners` at `i (n − 1) / (m − 1)`. What lies beyond the edges is what lies at them. Smaller images are not
    /// smoothed (PyTorch's `antialias` is off); [`Area`](Interpolation::Area) does that.
    ///
    /// Gradient: `g`, times what each place counted for.
    ///
    /// # Errors
    /// If the input has another number of dimensions or no places, a size is 0, a factor is not a positive number, the result does not
    /// fit into memory, or `align_corners` is asked of a mode that is neither linear nor cubic.
    ///
    /// ```
    /// use demotic::autograd::{InterpolateOptions, Interpolation};
    /// use demotic::tensor;
    ///
    /// let x = tensor![[[0.0, 1.0]]];
    /// let twice = InterpolateOptions::scale(2.0);
    /// assert_eq!(x.interpolate(&twice)?.to_vec::<f32>()?, [0.0, 0.0, 1.0, 1.0]);
    /// assert_eq!(x.interpolate(&twice.mode(Interpolation::Linear))?.to_vec::<f32>()?, [0.0, 0.25, 0.75, 1.0]);
    /// let five = InterpolateOptions::size(5).mode(Interpolation::Linear).align_corners(true);
    /// assert_eq!(x.interpolate(&five)?.to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.75, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "upsample")]
    #[doc(alias = "resize")]
    #[track_caller]
    pub fn interpolate(&self, options: &InterpolateOptions) -> Result<Tensor> {
        let name = "interpolate";
        if !(3..=5).contains(&self.rank()) {
            let message = format!("the input has shape {:?}, expected 3 to 5 dimensions", self.shape());
            return Err(
                Error::shape(name, message).with_help("[batch, channels, ..] with one to three dimensions of places")
            );
        }
        let image = Image::new(name, self, self.rank() - 2)?;
        let (dims, mode) = (image.dims, options.mode);
        if options.align_corners && !matches!(mode, Interpolation::Linear | Interpolation::Cubic) {
            return Err(Error::argument(name, format!("align_corners with {mode:?}, which has none")));
        }
        let (sizes, factors) = options.sizes(name, &image.sizes[3 - dims..]).here()?;
        let mut places = [1; 3];
        places[3 - dims..].copy_from_slice(&sizes);
        check_shape(name, &image.shape(places), self.dtype())?;
        let mut y = image.x.clone();
        let first = image.first_place();
        for (i, (m, factor)) in sizes.iter().zip(factors).enumerate() {
            let dim = i + 3 - dims;
            let n = image.sizes[dim];
            check_list(name, "places", *m, 128)?;
            if *m == n && (factor.is_none() || factor == Some(1.0)) {
                // Every place lies on itself.
                continue;
            }
            let coordinates = Coordinates { n, m: *m, factor, align: options.align_corners };
            y = resampled(&y, first + dim, &Arc::new(coordinates.taps(mode)))?;
        }
        image.finish(&y)
    }
}

impl InterpolateOptions {
    /// The sizes of the result, and the factors by which places are found, if it is by these.
    #[track_caller]
    fn sizes(&self, name: &'static str, old: &[usize]) -> Result<(Vec<usize>, Vec<Option<f64>>)> {
        let dims = old.len();
        let caller = Location::caller();
        let wrong = |what: &str, given: String| {
            Error::argument(name, format!("{what} {given}, expected 1 or {dims} positive numbers")).at(caller)
        };
        let each = |i: usize, len: usize| if len == 1 { 0 } else { i };
        let (sizes, factors): (Vec<usize>, Vec<Option<f64>>) = match &self.target {
            Target::Size(sizes) => {
                if sizes.contains(&0) || ![1, dims].contains(&sizes.len()) {
                    return Err(wrong("a size of", format!("{sizes:?}")));
                }
                ((0..dims).map(|i| sizes[each(i, sizes.len())]).collect(), vec![None; dims])
            }
            Target::Factors(factors) => {
                if !factors.iter().all(|f| *f > 0.0 && f.is_finite()) || ![1, dims].contains(&factors.len()) {
                    return Err(wrong("a scale of", format!("{factors:?}")));
                }
                let factor = |i: usize| factors[each(i, factors.len())];
                let sizes = (0..dims).map(|i| (old[i] as f64 * factor(i)).floor() as usize).collect();
                (sizes, (0..dims).map(|i| (!self.recompute).then(|| factor(i))).collect())
            }
        };
        if sizes.contains(&0) {
            let message = format!("{old:?} places become {sizes:?}: none");
            return Err(Error::argument(name, message));
        }
        Ok((sizes, factors))
    }
}

/// Where places of a result lie in the input.
struct Coordinates {
    n: usize,
    m: usize,
    factor: Option<f64>,
    align: bool,
}

impl Coordinates {
    /// The step from place to place.
    fn step(&self) -> f64 {
        match self.factor {
            _ if self.align && self.m == 1 => 0.0,
            _ if self.align => (self.n - 1) as f64 / (self.m - 1) as f64,
            Some(factor) => 1.0 / factor,
            None => self.n as f64 / self.m as f64,
        }
    }

    fn taps(&self, mode: Interpolation) -> Taps {
        let (n, step, mut taps) = (self.n, self.step(), Taps::default());
        let last = n - 1;
        for i in 0..self.m {
            let place = i as f64;
            let between = if self.align { place * step } else { (place + 0.5) * step - 0.5 };
            match mode {
                Interpolation::Nearest => taps.push([(((place * step) as usize).min(last), 1.0)]),
                Interpolation::NearestExact => taps.push([((((place + 0.5) * step) as usize).min(last), 1.0)]),
                Interpolation::Linear => {
                    let at = between.max(0.0);
                    let first = (at as usize).min(last);
                    let t = (at - first as f64).min(1.0);
                    if first == last { taps.push([(last, 1.0)]) } else { taps.push([(first, 1.0 - t), (first + 1, t)]) }
                }
                Interpolation::Cubic => {
                    let floor = between.floor();
                    let at = |k: usize| ((floor + k as f64 - 1.0).max(0.0) as usize).min(last);
                    let weights = cubic(between - floor);
                    taps.push((0..4).map(|k| (at(k), weights[k])));
                }
                Interpolation::Area => {
                    let (n, m, i) = (n as u128, self.m as u128, i as u128);
                    let (start, end) = ((i * n / m) as usize, ((i + 1) * n).div_ceil(m) as usize);
                    taps.push((start..end).map(|place| (place, 1.0 / (end - start) as f64)));
                }
            }
        }
        taps
    }
}

/// What four places count for at `t` between the second and the third.
fn cubic(t: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

/// Weighted sums of places along a dimension. The gradient is one again, with the taps the other way round.
#[track_caller]
fn resampled(x: &Tensor, dim: usize, taps: &Arc<Taps>) -> Result<Tensor> {
    let _timer = crate::profile::op("interpolate");
    let out = resample(taps, dim, x)?;
    Ok(record("interpolate", out, &[x], |tape| {
        let back = Arc::new(taps.transposed(x.shape()[dim]));
        tape.edge(x, move |g| resampled(g, dim, &back));
        tape.keeps_examples(x, dim > 0);
    }))
}
