//! Random tensors that are like others, and drawing by weights.

use crate::error::{Error, Result};
use crate::order::sort_by;
use crate::rng::Rng;
use crate::tensor::{DType, Shape, Tensor};

/// # Drawing numbers
///
/// ```
/// use demotic::{Rng, Tensor};
///
/// let (x, mut rng) = (Tensor::zeros([1000])?, Rng::seed(0));
/// assert!(x.rand_like(&mut rng)?.max()?.item()? < 1.0);
/// assert!(x.randn_like(&mut rng)?.mean().item()?.abs() < 0.2);
/// assert!(x.randint_like(1, 7, &mut rng)?.max()?.item()? <= 6.0);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Whole numbers drawn evenly from `low .. high`, of type `I64`.
    ///
    /// # Errors
    /// If there is no number between the bounds, or the shape does not fit into memory.
    ///
    /// ```
    /// use demotic::{Rng, Tensor};
    ///
    /// let dice = Tensor::randint(1, 7, [100], &mut Rng::seed(0))?;
    /// assert!(dice.to_vec::<i64>()?.iter().all(|n| (1..=6).contains(n)));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn randint(low: i64, high: i64, shape: impl Shape, rng: &mut Rng) -> Result<Self> {
        let count = usize::try_from(i128::from(high) - i128::from(low)).ok().filter(|count| *count > 0);
        let Some(count) = count else {
            return Err(Error::argument("randint", format!("there are no numbers from {low} to below {high}")));
        };
        let mut out = Self::full_dtype(shape, 0.0, DType::I64)?;
        out.data_mut::<i64>().iter_mut().for_each(|n| *n = low.wrapping_add_unsigned(rng.below(count) as u64));
        Ok(out)
    }

    /// Numbers drawn evenly from `[0, 1)`, of the shape and type of this tensor.
    ///
    /// # Errors
    /// If it is not of a floating type.
    #[track_caller]
    pub fn rand_like(&self, rng: &mut Rng) -> Result<Self> {
        self.expect_any_float("rand_like", "the tensor")?;
        Ok(Self::uniform(self.shape(), 0.0, 1.0, rng)?.to_dtype(self.dtype()))
    }

    /// Numbers drawn from the standard normal distribution, of the shape and type of this tensor.
    ///
    /// # Errors
    /// If it is not of a floating type.
    #[track_caller]
    pub fn randn_like(&self, rng: &mut Rng) -> Result<Self> {
        self.expect_any_float("randn_like", "the tensor")?;
        Ok(Self::normal(self.shape(), 0.0, 1.0, rng)?.to_dtype(self.dtype()))
    }

    /// Whole numbers drawn evenly from `low .. high`, of the shape and type of this tensor.
    ///
    /// # Errors
    /// If there is no number between the bounds.
    #[track_caller]
    pub fn randint_like(&self, low: i64, high: i64, rng: &mut Rng) -> Result<Self> {
        Ok(Self::randint(low, high, self.shape(), rng)?.to_dtype(self.dtype()))
    }

    /// Draws `n` numbers of elements, each with a probability in proportion to its weight, for a vector of weights or each row of a
    /// matrix: `[n]` or `[rows, n]` of type `I64`. Without `replacement`, all of a row are different.
    ///
    /// # Errors
    /// If the weights are neither a vector nor a matrix, one is negative, infinite or NaN, a row has none above 0, or, without
    /// `replacement`, fewer than `n`.
    ///
    /// ```
    /// use demotic::{Rng, tensor};
    ///
    /// let drawn = tensor![0.0, 1.0, 3.0].multinomial(8, true, &mut Rng::seed(0))?;
    /// assert!(drawn.to_vec::<i64>()?.iter().all(|n| *n == 1 || *n == 2));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn multinomial(&self, n: usize, replacement: bool, rng: &mut Rng) -> Result<Self> {
        let name = "multinomial";
        let (rows, columns) = match *self.shape() {
            [columns] => (1, columns),
            [rows, columns] => (rows, columns),
            _ => {
                let message = format!("weights of shape {:?}, expected a vector or a matrix", self.shape());
                return Err(Error::shape(name, message));
            }
        };
        let shape: &[usize] = if self.rank() == 1 { &[n] } else { &[rows, n] };
        let mut out = Self::full_dtype(shape, 0.0, DType::I64)?;
        let weights = self.to_f64_vec();
        let places = out.data_mut::<i64>();
        for row in 0..rows {
            let weights = &weights[row * columns..][..columns];
            if let Some(wrong) = weights.iter().find(|weight| !(**weight >= 0.0 && weight.is_finite())) {
                return Err(Error::argument(name, format!("a weight is {wrong}, expected numbers from 0 on")));
            }
            let possible = weights.iter().filter(|weight| **weight > 0.0).count();
            if possible < if replacement { n.min(1) } else { n } {
                let message = format!("{n} draws from {possible} elements with weights above 0");
                return Err(Error::argument(name, message).with_help("with replacement, an element can be drawn again"));
            }
            let places = &mut places[row * n..][..n];
            if replacement {
                let mut sums = Vec::with_capacity(columns);
                // In shares of the largest, so that no sum is infinite.
                let largest = weights.iter().fold(0.0, |a: f64, b| a.max(*b));
                weights.iter().fold(0.0, |sum, weight| {
                    sums.push(sum + weight / largest);
                    sum + weight / largest
                });
                let all = sums.last().copied().unwrap_or_default();
                for place in places {
                    let drawn = rng.uniform() * all;
                    let at = sums.partition_point(|sum| *sum <= drawn);
                    // Rounding could reach the end, where there may be weights of 0.
                    let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or_default();
                    *place = at.min(last) as i64;
                }
            } else {
                // Whichever rings first, if each rings at the rate of its weight.
                let mut rings: Vec<(f64, usize)> = Vec::with_capacity(columns);
                for (i, weight) in weights.iter().enumerate() {
                    let time = (-rng.uniform()).ln_1p().abs().ln() - weight.ln();
                    if *weight > 0.0 {
                        rings.push((time, i));
                    }
                }
                sort_by(&mut rings, |a, b| a.0.total_cmp(&b.0));
                places.iter_mut().zip(&rings).for_each(|(place, (_, i))| *place = *i as i64);
            }
        }
        Ok(out)
    }
}
