//! How the values of a tensor are distributed.

use serde::{Deserialize, Serialize};

use crate::autograd::Gradients;
use crate::error::{Error, Result};
use crate::layers::{Module, ModuleExt};
use crate::tensor::Tensor;

/// How many bins there are, unless another number is asked for, and at the most.
const BINS: usize = 64;
const MOST_BINS: usize = 1 << 20;

/// Counts of values in bins of the same width, between the least and the greatest of them, as `numpy.histogram` makes them: each
/// bin has its lower edge, the last one its upper edge, too.
///
/// ```
/// use demotic::tensor;
/// use demotic::train::Histogram;
///
/// let histogram = Histogram::with_bins(&tensor![0.0, 0.5, 1.0, 1.0, f32::NAN], 2)?;
/// assert_eq!(histogram.edges, [0.0, 0.5, 1.0]);
/// assert_eq!(histogram.counts, [1, 3]);
/// assert_eq!((histogram.not_finite, histogram.mean()), (1, 0.625));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Histogram {
    /// Where the bins begin, and where the last one ends.
    pub edges: Vec<f64>,
    /// How many values are in each bin.
    pub counts: Vec<u64>,
    /// How many values there are in all bins.
    pub count: u64,
    /// How many are NaN or infinite, and in no bin.
    pub not_finite: u64,
    /// The least of the values, 0 without any.
    pub min: f64,
    /// The greatest, 0 without any.
    pub max: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_squares: f64,
}

impl Histogram {
    /// The values of a tensor in 64 bins.
    #[must_use]
    pub fn of(values: &Tensor) -> Self {
        Self::count_in(values, BINS)
    }

    /// The values of a tensor in another number of bins.
    ///
    /// # Errors
    /// If there are to be none, or more than 2²⁰.
    #[track_caller]
    pub fn with_bins(values: &Tensor, bins: usize) -> Result<Self> {
        if bins == 0 || bins > MOST_BINS {
            return Err(Error::argument("histogram", format!("{bins} bins, expected 1 to {MOST_BINS}")));
        }
        Ok(Self::count_in(values, bins))
    }

    fn count_in(values: &Tensor, bins: usize) -> Self {
        let mut values = values.to_f64_vec();
        let all = values.len();
        values.retain(|value| value.is_finite());
        let (mut min, mut max) =
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
        if values.is_empty() {
            (min, max) = (0.0, 0.0);
        }
        // Values that are all the same stand in the middle of bins of a width of 1 in all.
        let (low, high) = if min == max { (min - 0.5, max + 0.5) } else { (min, max) };
        // In halves, so that the distance of the largest numbers from each other is a number.
        let (half, n) = (high / 2.0 - low / 2.0, bins as f64);
        let step = half / n * 2.0;
        let mut edges: Vec<f64> = (0..bins).map(|i| low + i as f64 * step).collect();
        edges.push(high);
        let mut counts = vec![0; bins];
        for value in &values {
            let place = (value / 2.0 - low / 2.0) / half * n;
            let mut i = (place as usize).min(bins - 1);
            // The quotient is rounded; the edges are what counts.
            if *value < edges[i] {
                i = i.saturating_sub(1);
            } else if i + 1 < bins && *value >= edges[i + 1] {
                i += 1;
            }
            counts[i] += 1;
        }
        Self {
            edges,
            counts,
            count: values.len() as u64,
            not_finite: (all - values.len()) as u64,
            min,
            max,
            sum: values.iter().sum(),
            sum_squares: values.iter().map(|value| value * value).sum(),
        }
    }

    /// The mean of the values that are in bins; NaN without any.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// Their standard deviation (divided by their number).
    #[must_use]
    pub fn deviation(&self) -> f64 {
        (self.sum_squares / self.count as f64 - self.mean().powi(2)).max(0.0).sqrt()
    }
}

/// The histograms of all parameters of a model, with their paths.
#[must_use]
pub fn weight_histograms(model: &dyn Module) -> Vec<(String, Histogram)> {
    model.named_parameters().iter().map(|(path, value)| (path.clone(), Histogram::of(value))).collect()
}

/// The histograms of the gradients of a model's parameters, with the paths of these.
#[must_use]
pub fn gradient_histograms(model: &dyn Module, gradients: &Gradients) -> Vec<(String, Histogram)> {
    gradients.named(model).into_iter().map(|(path, value)| (path, Histogram::of(value))).collect()
}
