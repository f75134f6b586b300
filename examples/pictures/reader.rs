//! A network that reads handwritten digits, and what it thinks of drawn ones.

use demotic::data::{Dataset, ImageDataset, Transforms};
use demotic::models::{ConvNet, ConvNetConfig};
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;

/// A network that reads digits.
pub struct Reader {
    model: ConvNet,
    /// How many of those that it has not seen it reads right.
    pub accuracy: f64,
}

impl Reader {
    /// It learns four fifths of the digits.
    pub fn learn(digits: &ImageDataset, rng: &mut Rng) -> Result<Self> {
        let mut order: Vec<usize> = (0..digits.len()).collect();
        rng.shuffle(&mut order);
        let (test, train) = order.split_at(digits.len() / 5);
        // Digits are written a little higher, lower, larger or slanted.
        let moved = Transforms::new().random_affine([-10.0, 10.0], [0.1, 0.1], [0.9, 1.15], [-10.0, 10.0]);
        let (test, train) = (digits.subset(test)?, digits.subset(train)?.transform(moved));
        let mut model = ConvNet::new(ConvNetConfig::new(1, 10).channels(&[32, 64]).dropout(0.2), rng)?;
        let (epochs, batch, lr) = (12, 64, 4e-3);
        let steps = (epochs * train.len().div_ceil(batch)) as u64;
        Trainer::new(losses::cross_entropy, AdamW::new(lr).decay_matrices_only())
            .epochs(epochs)
            .batch_size(batch)
            .step_schedule(Curve::cosine(lr, steps).warm_up(steps / 20))
            .fit(&mut model, &train, rng)?;
        let (x, y) = test.batch_range(0..test.len(), rng)?;
        let accuracy = metrics::accuracy(&model.predict(&x)?, &y)?;
        Ok(Self { model, accuracy })
    }

    /// What it takes pictures with levels from 0 to 1 for.
    pub fn judge(&self, pictures: &Tensor) -> Result<Judgement> {
        let (mut confidences, mut guesses) = (Vec::new(), Vec::new());
        for part in pictures.split(500, 0)? {
            let p = self.model.predict(&part)?.softmax(1)?;
            confidences.extend(p.max_dim(1, false)?.0.to_vec::<f32>()?);
            guesses.extend(p.argmax_dim(1, false)?.to_vec::<i64>()?);
        }
        Ok(Judgement { confidences, guesses })
    }
}

/// What the reader says of some pictures.
pub struct Judgement {
    /// The probability of what it takes each of them for.
    confidences: Vec<f32>,
    /// What that is.
    guesses: Vec<i64>,
}

/// From which probability on a digit is recognised.
const SURE: f32 = 0.9;

impl Judgement {
    /// The share that it is sure of.
    pub fn recognised(&self) -> f64 {
        self.confidences.iter().filter(|p| **p >= SURE).count() as f64 / self.confidences.len() as f64
    }

    /// The share that it takes for what they were to be.
    pub fn agreement(&self, asked: &Tensor) -> Result<f64> {
        let asked = asked.to_vec::<i64>()?;
        let right = self.guesses.iter().zip(&asked).filter(|(guess, digit)| guess == digit).count();
        Ok(right as f64 / asked.len() as f64)
    }

    /// The shares of the digits among those that it is sure of.
    pub fn shares(&self) -> [f64; 10] {
        let mut shares = [0.0; 10];
        let sure = self.confidences.iter().zip(&self.guesses).filter(|(p, _)| **p >= SURE);
        let sure: Vec<i64> = sure.map(|(_, guess)| *guess).collect();
        for guess in &sure {
            shares[usize::try_from(*guess).unwrap_or(0).min(9)] += 1.0 / sure.len() as f64;
        }
        shares
    }

    /// How many of the ten digits are at least a fiftieth of them.
    pub fn classes(&self) -> usize {
        self.shares().iter().filter(|share| **share >= 0.02).count()
    }
}
