//! Single steps of recurrent networks, for loops that decide after each what comes next.

use std::fmt;

use super::stack::Weights;
use super::{Recurrent, RecurrentState};
use crate::autograd::{Recurrence, RecurrentUnit};
use crate::error::{Error, Result};
use crate::layers::core::{Architecture, Blueprint, Layer, LayerConfig, Mode, Module, Visitor, VisitorMut};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// One step of any unit.
#[derive(Clone)]
struct Cell {
    unit: RecurrentUnit,
    weights: Weights,
}

impl Cell {
    #[track_caller]
    fn new(op: &'static str, unit: RecurrentUnit, features: usize, hidden: usize, rng: &mut Rng) -> Result<Self> {
        if features == 0 || hidden == 0 {
            let message = format!("{features} input features and {hidden} hidden units, expected at least 1 of each");
            return Err(Error::argument(op, message));
        }
        let weights = Weights::new(unit, features, &Recurrent::new(features, hidden), rng)?;
        Ok(Self { unit, weights })
    }

    #[track_caller]
    fn step(&self, x: &Tensor, state: Option<&RecurrentState>) -> Result<RecurrentState> {
        let single = x.rank() == 1;
        if single {
            let state = state.map(|state| state.map(|x| x.unsqueeze(0))).transpose()?;
            return self.step(&x.unsqueeze(0)?, state.as_ref())?.map(|x| x.squeeze(0));
        }
        if x.rank() != 2 {
            let message = format!("input {:?}, expected [batch, features] or [features]", x.shape());
            return Err(Error::shape(self.unit.name(), message));
        }
        let (_, state) = x.unsqueeze(0)?.recurrence(&Recurrence { state, ..self.weights.recurrence(self.unit) })?;
        Ok(state)
    }
}

macro_rules! cells {
    ($($(#[$doc:meta])* $Name:ident($unit:ident), $new:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $Name(Cell);

        impl $Name {
            /// A cell with biases.
            ///
            /// # Errors
            /// If a number is zero, or the weights do not fit into memory.
            #[track_caller]
            pub fn new(features: usize, hidden: usize, rng: &mut Rng) -> Result<Self> {
                Ok(Self(Cell::new($new, RecurrentUnit::$unit, features, hidden, rng)?))
            }

            /// The same cell without biases.
            #[must_use]
            pub fn without_bias(mut self) -> Self {
                self.0.weights.remove_bias();
                self
            }

            /// The state after an input `[batch, features]` or `[features]`; without one before, that was zero.
            ///
            /// # Errors
            /// If the input or the state does not fit.
            #[track_caller]
            pub fn step(&self, x: &Tensor, state: Option<&RecurrentState>) -> Result<RecurrentState> {
                self.0.step(x, state)
            }
        }

        impl Module for $Name {
            fn visit(&self, visitor: &mut Visitor<'_>) {
                self.0.weights.visit("", visitor);
            }
            fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
                self.0.weights.visit_mut("", visitor);
            }
            fn blueprint(&self) -> Option<Result<Blueprint>> {
                Some(Blueprint::of(self))
            }
        }

        /// The hidden state after one step from zeros.
        impl Architecture for $Name {
            const KIND: &'static str = stringify!($Name);
            type Config = LayerConfig;

            #[track_caller]
            fn config(&self) -> Result<LayerConfig> {
                let Recurrence { unit, weight_ih, weight_hh, bias, .. } = self.0.weights.recurrence(self.0.unit);
                let options = Recurrent::new(weight_ih.shape()[1], weight_hh.shape()[1]);
                Ok(if bias.is_some() { options } else { options.without_bias() }.described(unit))
            }

            #[track_caller]
            fn from_config(config: LayerConfig, rng: &mut Rng) -> Result<Self> {
                let (options, unit) = Recurrent::from_described(config, RecurrentUnit::$unit)?;
                let layer = Self(Cell::new($new, unit, options.features, options.hidden, rng)?);
                Ok(if options.bias { layer } else { layer.without_bias() })
            }

            fn min_parameters(config: &LayerConfig) -> usize {
                Recurrent::min_parameters(config, RecurrentUnit::$unit)
            }
        }

        impl Layer for $Name {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                mode.here(self.0.step(x, None).map(|state| state.hidden))
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Recurrence { unit, weight_ih, weight_hh, bias, .. } = self.0.weights.recurrence(self.0.unit);
                let (features, hidden) = (weight_ih.shape()[1], weight_hh.shape()[1]);
                let relu = if unit == RecurrentUnit::Relu { ", relu" } else { "" };
                let bias = if bias.is_some() { "" } else { ", no bias" };
                write!(f, "{}({features} → {hidden}{relu}{bias})", stringify!($Name))
            }
        }
    )*};
}

cells! {
    /// One step of an [`Rnn`](super::Rnn).
    ///
    /// # Shapes
    /// - input: `[batch, features]` or `[features]`
    /// - state: `[batch, hidden]` or `[hidden]`
    /// - `weight_ih`: `[hidden, features]`, `weight_hh`: `[hidden, hidden]`, `bias_ih` and `bias_hh`: `[hidden]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let cell = RnnCell::new(3, 5, &mut Rng::seed(0))?;
    /// let first = cell.step(&Tensor::ones([2, 3])?, None)?;
    /// let second = cell.step(&Tensor::ones([2, 3])?, Some(&first))?;
    /// assert_eq!(second.hidden.shape(), [2, 5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    RnnCell(Tanh), "RnnCell::new";
    /// One step of an [`Lstm`](super::Lstm).
    ///
    /// # Shapes
    /// - input: `[batch, features]` or `[features]`
    /// - state: hidden and cell, `[batch, hidden]` or `[hidden]` each
    /// - `weight_ih`: `[4 · hidden, features]`, `weight_hh`: `[4 · hidden, hidden]`, `bias_ih` and `bias_hh`: `[4 · hidden]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let cell = LstmCell::new(3, 5, &mut Rng::seed(0))?;
    /// let mut state = None;
    /// for _step in 0..4 {
    ///     state = Some(cell.step(&Tensor::ones([2, 3])?, state.as_ref())?);
    /// }
    /// assert_eq!(state.unwrap().hidden.shape(), [2, 5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    LstmCell(Lstm), "LstmCell::new";
    /// One step of a [`Gru`](super::Gru).
    ///
    /// # Shapes
    /// - input: `[batch, features]` or `[features]`
    /// - state: `[batch, hidden]` or `[hidden]`
    /// - `weight_ih`: `[3 · hidden, features]`, `weight_hh`: `[3 · hidden, hidden]`, `bias_ih` and `bias_hh`: `[3 · hidden]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let cell = GruCell::new(3, 5, &mut Rng::seed(0))?;
    /// assert_eq!(cell.step(&Tensor::ones([3])?, None)?.hidden.shape(), [5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    GruCell(Gru), "GruCell::new";
}

impl RnnCell {
    /// The same with relu instead of tanh.
    #[must_use]
    pub fn relu(mut self) -> Self {
        self.0.unit = RecurrentUnit::Relu;
        self
    }
}
