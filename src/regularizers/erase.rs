//! Pictures with holes, and labels with errors.

use super::mix::{rectangle, sizes};
use crate::config::configurable;
use crate::error::{Error, Here, Result};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// Makes a square of each picture zero, around a place that is drawn (DeVries and Taylor, *Cutout*, 2017): the model learns to do
/// without any one part.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::regularizers::Cutout;
///
/// let pictures = Tensor::ones([8, 1, 28, 28])?;
/// let holes = Cutout::new(8).apply(&pictures, &mut Rng::seed(0))?;
/// assert!(holes.sum().item()? < pictures.sum().item()?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutout {
    side: usize,
}

configurable!(Cutout { side: required } = Self { side: 0 });

impl Cutout {
    /// Squares of this side, cut off at the border.
    #[must_use]
    pub fn new(side: usize) -> Self {
        Self { side }
    }

    /// Pictures `[n, .., height, width]` with a hole in each. Differentiable.
    ///
    /// # Errors
    /// If these are no pictures.
    #[track_caller]
    pub fn apply(&self, pictures: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        let (n, [height, width]) = sizes("Cutout", pictures)?;
        let holes = (0..n).map(|_| {
            let mut around = |size: usize| {
                let centre = rng.below(size);
                let start = centre.saturating_sub(self.side / 2);
                (start, centre.saturating_add(self.side - self.side / 2).min(size))
            };
            Some([around(height), around(width)])
        });
        fill(pictures, &holes.collect::<Vec<_>>(), 0.0)
    }
}

/// Fills a rectangle of some pictures with a number, or with noise (Zhong et al., *Random erasing data augmentation*, 2020).
///
/// ```
/// use demotic::prelude::*;
/// use demotic::regularizers::RandomErasing;
///
/// let pictures = Tensor::ones([8, 3, 32, 32])?;
/// let some = RandomErasing::new().p(1.0).apply(&pictures, &mut Rng::seed(0))?;
/// let left = some.mean_dims(&[1, 2, 3], false)?.to_f64_vec();
/// assert!(left.iter().all(|share| (0.6..1.0).contains(share)));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomErasing {
    p: f64,
    area: (f64, f64),
    ratio: (f64, f64),
    value: f64,
}

impl Default for RandomErasing {
    fn default() -> Self {
        Self { p: 0.5, area: (0.02, 0.33), ratio: (0.3, 3.3), value: 0.0 }
    }
}

configurable!(RandomErasing { p, area, ratio, value }, check);

impl RandomErasing {
    /// Every second picture gets a black rectangle, with the areas and ratios of torchvision.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The probability with which a picture gets one. Default ½.
    #[must_use]
    pub fn p(mut self, p: f64) -> Self {
        self.p = p;
        self
    }

    /// Between which parts of a picture the area is drawn, evenly. Default 0.02 and 0.33.
    #[must_use]
    pub fn area(mut self, low: f64, high: f64) -> Self {
        self.area = (low, high);
        self
    }

    /// Between which numbers the ratio of height and width is drawn, evenly in its logarithm. Default 0.3 and 3.3.
    #[must_use]
    pub fn ratio(mut self, low: f64, high: f64) -> Self {
        self.ratio = (low, high);
        self
    }

    /// What the rectangles are filled with. Default 0.
    #[must_use]
    pub fn value(mut self, value: f64) -> Self {
        self.value = value;
        self
    }

    /// Pictures `[n, .., height, width]`, of which some have a rectangle. A rectangle that does not fit is drawn again, ten times at
    /// most. Differentiable.
    ///
    /// # Errors
    /// If these are no pictures, or an option makes no sense.
    #[track_caller]
    pub fn apply(&self, pictures: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        let (n, size) = sizes("RandomErasing", pictures)?;
        self.check()?;
        let holes: Vec<_> = (0..n).map(|_| if rng.bernoulli(self.p) { self.hole(size, rng) } else { None }).collect();
        fill(pictures, &holes, self.value)
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let fits = |(low, high): (f64, f64), least: f64, most: f64| low >= least && low <= high && high <= most;
        let (area, ratio) = (self.area, self.ratio);
        if !(0.0..=1.0).contains(&self.p)
            || !fits(area, 0.0, 1.0)
            || !fits(ratio, f64::MIN_POSITIVE, f64::MAX)
            || self.value.is_nan()
        {
            let message = format!(
                "p {}, areas {} to {}, ratios {} to {}, value {}",
                self.p, area.0, area.1, ratio.0, ratio.1, self.value
            );
            return Err(Error::argument("RandomErasing", message)
                .with_help("p and areas are from 0 to 1, ratios above 0, and limits in their order"));
        }
        Ok(())
    }

    fn hole(&self, [height, width]: [usize; 2], rng: &mut Rng) -> Option<[(usize, usize); 2]> {
        for _ in 0..10 {
            let share = self.area.0 + (self.area.1 - self.area.0) * rng.uniform();
            let area = share * height as f64 * width as f64;
            let (low, high) = (self.ratio.0.ln(), self.ratio.1.ln());
            let ratio = (low + (high - low) * rng.uniform()).exp();
            let (h, w) = ((area * ratio).sqrt().round() as usize, (area / ratio).sqrt().round() as usize);
            if h < height && w < width {
                let (top, left) = (rng.below(height - h + 1), rng.below(width - w + 1));
                return Some([(top, top + h), (left, left + w)]);
            }
        }
        None
    }
}

/// The pictures with rows and columns of each replaced by a number.
#[track_caller]
fn fill(pictures: &Tensor, holes: &[Option<[(usize, usize); 2]>], value: f64) -> Result<Tensor> {
    let (n, size) = sizes("fill", pictures)?;
    let masks =
        holes.iter().map(|hole| rectangle(&size, hole.unwrap_or([(0, 0); 2]))).collect::<Result<Vec<_>>>().here()?;
    let mut shape = vec![1; pictures.rank()];
    (shape[0], shape[pictures.rank() - 2], shape[pictures.rank() - 1]) = (n, size[0], size[1]);
    pictures.masked_fill(&Tensor::stack(&masks.iter().collect::<Vec<_>>(), 0)?.reshape(shape)?, value)
}

/// Gives some labels another value: of class numbers one drawn from all classes (Xie et al., *DisturbLabel*, 2016), of numbers one moved
/// by noise. A model that cannot trust its labels does not learn them by heart.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::regularizers::LabelNoise;
///
/// let labels = Tensor::full_dtype([1000], 3.0, DType::I64)?;
/// let noisy = LabelNoise::new(0.2).classes(&labels, 10, &mut Rng::seed(0))?;
/// let changed = noisy.to_vec::<i64>()?.iter().filter(|label| **label != 3).count();
/// assert!((150..=210).contains(&changed));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelNoise {
    strength: f64,
}

configurable!(LabelNoise { strength: required } = Self { strength: 0.0 });

impl LabelNoise {
    /// Noise of a strength: of class numbers, the probability with which a label is drawn; of other numbers, the standard deviation of what
    /// is added.
    #[must_use]
    pub fn new(strength: f64) -> Self {
        Self { strength }
    }

    /// Class numbers (`I64`), each of which is drawn anew from all `classes` with the probability of the strength, and may be what it was.
    /// −100, which does not count, stays.
    ///
    /// # Errors
    /// If the strength is no probability, there are no classes, or these are no class numbers.
    #[track_caller]
    pub fn classes(&self, target: &Tensor, classes: usize, rng: &mut Rng) -> Result<Tensor> {
        let op = "LabelNoise";
        if !(0.0..=1.0).contains(&self.strength) || classes == 0 {
            let message =
                format!("strength {} for {classes} classes, expected a probability, and a class", self.strength);
            return Err(Error::argument(op, message));
        }
        target.expect_dtype(op, "the target (class numbers)", DType::I64)?;
        let mut labels = target.to_vec::<i64>()?;
        for (i, label) in labels.iter_mut().enumerate() {
            if *label == crate::losses::IGNORE_INDEX {
                continue;
            }
            if !(0..classes as i64).contains(label) {
                let message = format!("target {i} is class {label} of {classes} (0 ..= {})", classes - 1);
                return Err(Error::index(op, message));
            }
            if rng.bernoulli(self.strength) {
                *label = rng.below(classes) as i64;
            }
        }
        Tensor::from_vec(labels, target.shape())
    }

    /// Numbers, each moved by normally distributed noise.
    ///
    /// # Errors
    /// If the strength is negative or not finite, or these are no floats.
    #[track_caller]
    pub fn numbers(&self, target: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        let op = "LabelNoise";
        if !(self.strength >= 0.0 && self.strength.is_finite()) {
            return Err(Error::argument(op, format!("strength {}, expected a number of at least 0", self.strength)));
        }
        target.expect_any_float(op, "the target")?;
        target.add(&Tensor::normal(target.shape(), 0.0, self.strength, rng)?.to_dtype(target.dtype()))
    }
}
