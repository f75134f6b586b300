//! Two networks that see some steps and forecast the next ones.

use demotic::data::Windows;
use demotic::models::{Tcn, TcnConfig};
use demotic::optimizers::schedule::ReduceOnPlateau;
use demotic::prelude::*;
use demotic::train::History;
use serde::{Deserialize, Serialize};

/// An LSTM or a temporal convolutional network that reads the past, and a layer that makes the whole forecast of what it knows in the end.
/// `[batch, input, 5]` become `[batch, horizon, 1]`.
#[derive(Debug, Clone)]
pub struct Forecaster {
    lstm: Option<Lstm>,
    tcn: Option<Tcn>,
    head: Linear,
    sizes: Sizes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    Lstm,
    Tcn,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sizes {
    pub body: Body,
    pub hidden: usize,
    pub horizon: usize,
}

module!(Forecaster { lstm, tcn, head }, plain { sizes });

impl Architecture for Forecaster {
    const KIND: &'static str = "Forecaster";
    type Config = Sizes;

    fn config(&self) -> Result<Sizes> {
        Ok(self.sizes.clone())
    }

    fn from_config(sizes: Sizes, rng: &mut Rng) -> Result<Self> {
        let hidden = sizes.hidden;
        let (lstm, tcn) = match sizes.body {
            Body::Lstm => (Some(Lstm::new(5, hidden, rng)?), None),
            // Five blocks, of which the last sees steps that are 16 apart: 125 steps in all.
            Body::Tcn => (None, Some(Tcn::new(TcnConfig::new(5, hidden).channels(&[hidden; 5]).dropout(0.0), rng)?)),
        };
        let head = Linear::new(hidden, sizes.horizon, rng)?;
        Ok(Self { lstm, tcn, head, sizes })
    }
}

impl Layer for Forecaster {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        // What is seen and what is forecast is how much it differs from the last number: the level of the series is no matter.
        let (values, seasons) = (x.narrow(2, 0, 1)?, x.narrow(2, 1, 4)?);
        let last = values.narrow(1, -1, 1)?;
        let x = Tensor::cat(&[&values.sub(&last)?, &seasons], 2)?;
        let steps = match (&self.lstm, &self.tcn) {
            (Some(lstm), _) => lstm.at("lstm", &x, mode)?,
            (_, Some(tcn)) => tcn.at("tcn", &x, mode)?,
            _ => x,
        };
        let change = self.head.at("head", &steps.select(1, -1)?, mode)?;
        change.unsqueeze(2)?.add(&last)
    }
}

/// Trains one of them.
pub fn fit(
    body: Body,
    train: &Windows,
    validation: &Windows,
    horizon: usize,
    epochs: usize,
    rng: &mut Rng,
) -> Result<(Forecaster, History)> {
    let mut model = Forecaster::from_config(Sizes { body, hidden: 32, horizon }, rng)?;
    let history = Trainer::new(losses::mse, AdamW::new(4e-3).clip_norm(1.0))
        .epochs(epochs)
        .batch_size(32)
        .validation(validation)
        .schedule(ReduceOnPlateau::new().factor(0.5).patience(2))
        .early_stopping(EarlyStopping::new(6))
        .progress()
        .fit(&mut model, train, rng)?;
    Ok((model, history))
}
