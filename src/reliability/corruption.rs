//! What happens to inputs in the world, more and more of it.

use crate::error::{Error, Here, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A kind of damage; how much of it there is, is its severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corruption {
    /// Normal noise of `severity` times the deviation of all inputs.
    Noise,
    /// A share of the numbers, from 0 to 1, becomes 0: values that are missing, pixels that are dead.
    Erase,
    /// Distances from the mean of each example shrink by a share from 0 to 1: less contrast.
    Contrast,
    /// All numbers rise by `severity` times the deviation of all inputs: brighter pictures, sensors that drift.
    Shift,
    /// A share of the numbers of each feature, from 0 to 1, changes places with those of other examples.
    Shuffle,
}

const OP: &str = "Corruption";

impl Corruption {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Noise, Self::Erase, Self::Contrast, Self::Shift, Self::Shuffle];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Erase => "erased",
            Self::Contrast => "less contrast",
            Self::Shift => "shifted",
            Self::Shuffle => "shuffled",
        }
    }

    /// Inputs `[n, ..]` with this damage.
    ///
    /// # Errors
    /// If there are no examples, or the severity is negative, not finite, or above 1 where it is a share.
    #[track_caller]
    pub fn apply(self, x: &Tensor, severity: f64, rng: &mut Rng) -> Result<Tensor> {
        let most = if matches!(self, Self::Noise | Self::Shift) { 1e6 } else { 1.0 };
        if !(0.0..=most).contains(&severity) {
            return Err(Error::argument(
                OP,
                format!("{} with a severity of {severity}, expected 0 to {most}", self.name()),
            ));
        }
        if x.rank() == 0 || x.is_empty() || !x.dtype().is_float() {
            return Err(Error::shape(
                OP,
                format!("inputs of shape {:?} and type {}, expected floats [n, ..]", x.shape(), x.dtype()),
            ));
        }
        x.expect_finite(OP, "the input")?;
        let (n, width) = (x.shape()[0], x.numel() / x.shape()[0]);
        let mut values = x.to_f64_vec();
        let (_, deviation) = crate::stats::moments(values.iter().copied());
        match self {
            Self::Noise => values.iter_mut().for_each(|v| *v += severity * deviation * rng.normal()),
            Self::Shift => values.iter_mut().for_each(|v| *v += severity * deviation),
            Self::Erase => values.iter_mut().for_each(|v| *v *= f64::from(u8::from(!rng.bernoulli(severity)))),
            Self::Contrast => {
                for row in values.chunks_mut(width) {
                    let mean = row.iter().sum::<f64>() / width as f64;
                    row.iter_mut().for_each(|v| *v += severity * (mean - *v));
                }
            }
            Self::Shuffle => {
                for feature in 0..width {
                    let rows: Vec<usize> = (0..n).filter(|_| rng.bernoulli(severity)).collect();
                    let mut moved: Vec<f64> = rows.iter().map(|row| values[row * width + feature]).collect();
                    rng.shuffle(&mut moved);
                    rows.iter().zip(moved).for_each(|(row, value)| values[row * width + feature] = value);
                }
            }
        }
        let changed = Tensor::from_vec(values, x.shape())?.to_dtype(x.dtype());
        changed.expect_finite(OP, "what it becomes")?;
        Ok(changed)
    }

    /// What a measure says of inputs with more and more damage: pairs of severity and value.
    ///
    /// ```
    /// use demotic::prelude::*;
    /// use demotic::reliability::Corruption;
    ///
    /// let mut rng = Rng::seed(0);
    /// let x = Tensor::normal([200, 2], 0.0, 1.0, &mut rng)?;
    /// let model = Linear::new(2, 2, &mut rng)?;
    /// let y = model.predict(&x)?.argmax_dim(1, false)?;
    /// let sweep = Corruption::Noise.sweep(&x, &[0.0, 0.5, 3.0], &mut rng, &mut |x| metrics::accuracy(&model.predict(x)?, &y))?;
    /// assert!(sweep[0] == (0.0, 1.0) && sweep[2].1 < sweep[1].1);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`apply`](Self::apply), and those of the measure.
    #[track_caller]
    pub fn sweep(
        self,
        x: &Tensor,
        severities: &[f64],
        rng: &mut Rng,
        measure: &mut dyn FnMut(&Tensor) -> Result<f64>,
    ) -> Result<Vec<(f64, f64)>> {
        let mut found = Vec::with_capacity(severities.len());
        for severity in severities {
            found.push((*severity, measure(&self.apply(x, *severity, rng)?).outside()?));
        }
        Ok(found)
    }
}
