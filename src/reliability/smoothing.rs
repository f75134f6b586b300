//! Classifiers of noisy inputs, of which is known how far inputs may be changed.

use crate::error::{Error, Result};
use crate::layers::{Layer, LayerExt};
use crate::rng::Rng;
use crate::stats;
use crate::tensor::Tensor;

/// Randomised smoothing (Cohen, Rosenfeld and Kolter, *Certified adversarial robustness via randomized smoothing*, 2019): the class that a model
/// gives most often when normal noise is added to the input. No change that is shorter than the certificate's radius makes it another one.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::reliability::Smoothing;
///
/// let model = Linear { weight: Weight::new(tensor![[1.0, 0.0], [-1.0, 0.0]])?, bias: None };
/// let found = Smoothing::new(0.5)?.certify(&model, &tensor![0.4, 7.0], &mut Rng::seed(0))?;
/// // The border is 0.4 away, and nothing beyond it can be certified.
/// assert_eq!(found.class, Some(0));
/// assert!(found.radius > 0.25 && found.radius < 0.4);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Smoothing {
    deviation: f64,
    samples: [usize; 2],
    alpha: f64,
}

/// What is certain of one input.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Certificate {
    /// The class; none if no class is frequent enough to be certain of it.
    pub class: Option<usize>,
    /// The length of a change that cannot make it another one.
    pub radius: f64,
    /// How frequent the class is under noise, at least.
    pub frequency: f64,
}

const OP: &str = "Smoothing";

impl Smoothing {
    /// With noise of this deviation, 100 samples to find the class, 1000 more to measure it, and an error in one certificate of a thousand.
    ///
    /// # Errors
    /// If the deviation is not positive.
    #[track_caller]
    pub fn new(deviation: f64) -> Result<Self> {
        match deviation > 0.0 && deviation.is_finite() {
            true => Ok(Self { deviation, samples: [100, 1000], alpha: 0.001 }),
            false => {
                Err(Error::argument(OP, format!("noise of a deviation of {deviation}, expected a positive number")))
            }
        }
    }

    /// How many samples find the class, and how many measure how frequent it is. The radius cannot pass what the latter can show: about `2.5 ·
    /// deviation` for 1000.
    ///
    /// # Errors
    /// If one is 0, or above ten million.
    #[track_caller]
    pub fn samples(mut self, find: usize, measure: usize) -> Result<Self> {
        if [find, measure].iter().any(|n| !(1..=10_000_000).contains(n)) {
            return Err(Error::argument(OP, format!("{find} and {measure} samples, expected 1 to 10000000 each")));
        }
        self.samples = [find, measure];
        Ok(self)
    }

    /// How often a certificate may be wrong: 0.001, if nothing is said.
    ///
    /// # Errors
    /// If it is not between 0 and 1.
    #[track_caller]
    pub fn alpha(mut self, alpha: f64) -> Result<Self> {
        super::level(OP, alpha)?;
        self.alpha = alpha;
        Ok(self)
    }

    /// The certificate of one example, without a dimension of examples, for a model that gives logits `[n, classes]`.
    ///
    /// # Errors
    /// Those of the model, and if it does not give logits of two classes at least.
    #[track_caller]
    pub fn certify(&self, model: &dyn Layer, example: &Tensor, rng: &mut Rng) -> Result<Certificate> {
        let counts = self.counts(model, example, self.samples[0], rng)?;
        let class = (0..counts.len()).fold(0, |best, i| if counts[i] > counts[best] { i } else { best });
        let k = self.counts(model, example, self.samples[1], rng)?[class];
        let [frequency, _] = stats::clopper_pearson(k as f64, self.samples[1] as f64, 2.0 * self.alpha);
        Ok(match frequency > 0.5 {
            true => Certificate {
                class: Some(class),
                radius: self.deviation * stats::normal::quantile(frequency),
                frequency,
            },
            false => Certificate { class: None, radius: 0.0, frequency },
        })
    }

    /// How often each class is the most probable one.
    #[track_caller]
    fn counts(&self, model: &dyn Layer, example: &Tensor, samples: usize, rng: &mut Rng) -> Result<Vec<usize>> {
        example.expect_finite(OP, "the example")?;
        let mut counts = Vec::new();
        let mut left = samples;
        while left > 0 {
            let n = left.min(256);
            left -= n;
            let shape: Vec<usize> = [n].into_iter().chain(example.shape().iter().copied()).collect();
            let noise = Tensor::normal(shape, 0.0, self.deviation, rng)?.to_dtype(example.dtype());
            let logits = model.predict(&noise.add(&example.unsqueeze(0)?)?)?;
            let &[rows, classes] = logits.shape() else {
                return Err(Error::shape(OP, format!("the model gives {:?}, expected [n, classes]", logits.shape())));
            };
            if rows != n || classes < 2 {
                return Err(Error::shape(
                    OP,
                    format!("the model gives [{rows}, {classes}] for {n} examples, expected two classes at least"),
                ));
            }
            logits.expect_finite(OP, "the logits")?;
            counts.resize(classes, 0);
            logits.argmax_dim(1, false)?.to_vec::<i64>()?.iter().for_each(|class| counts[*class as usize] += 1);
        }
        Ok(counts)
    }
}
