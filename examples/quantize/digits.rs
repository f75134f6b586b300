//! A small network that reads digits, and how many it reads.

#[path = "../pictures/table.rs"]
mod table;

use demotic::data::Dataset;
use demotic::prelude::*;

/// The network, the pictures that it learnt from, and others with their digits.
pub struct Digits {
    pub model: Sequential,
    pub learnt: Tensor,
    pub others: (Tensor, Tensor),
}

pub fn learn(quick: bool, seed: u64) -> Result<Digits> {
    let mut rng = Rng::seed(seed);
    let all = table::digits()?;
    let mut places: Vec<usize> = (0..all.len()).collect();
    rng.shuffle(&mut places);
    let others = places.split_off(places.len() * 4 / 5);
    let (x, y) = all.batch(&places, &mut rng)?;
    let others = all.batch(&others, &mut rng)?;
    let mut model = sequential![
        Conv2d::new(1, 32, 3, &mut rng)?.padding(1),
        Relu,
        MaxPool2d::new(2),
        Conv2d::new(32, 32, 3, &mut rng)?.padding(1),
        Relu,
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(128, 64, &mut rng)?,
        Relu,
        Linear::new(64, 10, &mut rng)?
    ];
    let mut opt = AdamW::new(2e-3);
    for _ in 0..if quick { 5 } else { 15 } {
        let order = Tensor::permutation(x.shape()[0], &mut rng)?;
        for first in (0..x.shape()[0]).step_by(64) {
            let ids = order.narrow(0, first, 64.min(x.shape()[0] - first))?;
            let logits = model.forward(&x.index_select(0, &ids)?, &mut Mode::train(&mut rng))?;
            let loss = losses::cross_entropy(&logits, &y.index_select(0, &ids)?)?;
            opt.step(&mut model, &loss.backward()?)?;
        }
    }
    Ok(Digits { model, learnt: x.narrow(0, 0, 256)?, others })
}

impl Digits {
    /// The share of the others that a model reads.
    pub fn accuracy(&self, model: &Sequential) -> Result<f64> {
        metrics::accuracy(&model.predict(&self.others.0)?, &self.others.1)
    }
}
