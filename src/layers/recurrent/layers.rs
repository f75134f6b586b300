//! The layers that users make: a stack of one unit each.

use std::fmt;

use super::{Recurrent, RecurrentOutput, RunOptions, Stack};
use crate::autograd::RecurrentUnit;
use crate::error::Result;
use crate::layers::core::{Architecture, Blueprint, Layer, LayerConfig, Mode, Module, Visitor, VisitorMut};
use crate::rng::Rng;
use crate::tensor::Tensor;

macro_rules! recurrent_layers {
    ($($(#[$doc:meta])* $Name:ident($unit:ident), $new:literal, $with:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $Name(Stack);

        impl $Name {
            /// One layer that goes forward, with biases.
            ///
            /// # Errors
            /// If a number is zero, or the weights do not fit into memory.
            #[track_caller]
            pub fn new(features: usize, hidden: usize, rng: &mut Rng) -> Result<Self> {
                Ok(Self(Stack::new($new, RecurrentUnit::$unit, Recurrent::new(features, hidden), rng)?))
            }

            /// A layer with options.
            ///
            /// # Errors
            /// If an option makes no sense, or the weights do not fit into memory.
            #[track_caller]
            pub fn with(options: Recurrent, rng: &mut Rng) -> Result<Self> {
                Ok(Self(Stack::new($with, RecurrentUnit::$unit, options, rng)?))
            }

            /// The outputs for `[batch, time, features]`, and the state after the last step.
            ///
            /// # Errors
            /// If the input, the state or the lengths do not fit, or there are no steps.
            #[track_caller]
            pub fn run(&self, x: &Tensor, options: RunOptions<'_>, mode: &mut Mode<'_>) -> Result<RecurrentOutput> {
                self.0.run(x, options, mode)
            }

            /// What the layer was made with.
            #[must_use]
            pub fn options(&self) -> &Recurrent {
                self.0.options()
            }
        }

        impl Module for $Name {
            fn visit(&self, visitor: &mut Visitor<'_>) {
                self.0.visit(visitor);
            }
            fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
                self.0.visit_mut(visitor);
            }
            fn blueprint(&self) -> Option<Result<Blueprint>> {
                Some(Blueprint::of(self))
            }
        }

        impl Architecture for $Name {
            const KIND: &'static str = stringify!($Name);
            type Config = LayerConfig;

            #[track_caller]
            fn config(&self) -> Result<LayerConfig> {
                Ok(self.options().described(self.0.unit()))
            }

            #[track_caller]
            fn from_config(config: LayerConfig, rng: &mut Rng) -> Result<Self> {
                let (options, unit) = Recurrent::from_described(config, RecurrentUnit::$unit)?;
                Ok(Self(Stack::new($with, unit, options, rng)?))
            }

            fn min_parameters(config: &LayerConfig) -> usize {
                Recurrent::min_parameters(config, RecurrentUnit::$unit)
            }
        }

        impl Layer for $Name {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                let y = self.0.forward(x, mode);
                mode.here(y)
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

recurrent_layers! {
    /// A plain recurrent network, `h = tanh(W x + b + W' h + b')` at each step (Elman, 1990).
    ///
    /// # Shapes
    /// - input: `[batch, time, features]`, or `[time, features]` for a single sequence
    /// - output: `[batch, time, directions · hidden]`
    /// - state: `[layers · directions, batch, hidden]`
    /// - `weight_ih_l0`: `[hidden, features]`, `weight_hh_l0`: `[hidden, hidden]`, `bias_ih_l0` and `bias_hh_l0`: `[hidden]`;
    ///   then `weight_ih_l0_reverse` …, `weight_ih_l1` …
    ///
    /// All start out evenly distributed in `±1/√hidden`, as in PyTorch. For options see [`Recurrent`], for states and
    /// examples of different lengths [`run`](Self::run).
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let rnn = Rnn::new(8, 16, &mut rng)?.relu();
    /// assert_eq!(rnn.predict(&Tensor::zeros([4, 10, 8])?)?.shape(), [4, 10, 16]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    Rnn(Tanh), "Rnn::new", "Rnn::with";
    /// A long short-term memory (Hochreiter and Schmidhuber, 1997): gates decide what its cells take in, keep and give out.
    ///
    /// With the sigmoids `i`, `f`, `o` and the tanh `g` of weighted sums of input and state, a step is
    /// `c = f ∘ c + i ∘ g`, `h = o ∘ tanh(c)`.
    ///
    /// # Shapes
    /// - input: `[batch, time, features]`, or `[time, features]` for a single sequence
    /// - output: `[batch, time, directions · outputs]`, with as many outputs as hidden units unless they are projected
    /// - state: hidden `[layers · directions, batch, outputs]`, cell `[layers · directions, batch, hidden]`
    /// - `weight_ih_l0`: `[4 · hidden, features]`, `weight_hh_l0`: `[4 · hidden, outputs]`, `bias_ih_l0` and `bias_hh_l0`:
    ///   `[4 · hidden]`, for `i`, `f`, `g`, `o` in this order; with a projection, `weight_hr_l0`: `[outputs, hidden]`; then
    ///   `weight_ih_l0_reverse` …, `weight_ih_l1` …
    ///
    /// All start out evenly distributed in `±1/√hidden`, as in PyTorch. For options see [`Recurrent`], for states and
    /// examples of different lengths [`run`](Self::run).
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let lstm = Lstm::new(8, 16, &mut rng)?;
    /// let x = Tensor::ones([4, 10, 8])?;
    /// assert_eq!(lstm.predict(&x)?.shape(), [4, 10, 16]);
    ///
    /// // In two parts, the second of which goes on from where the first one ended.
    /// let first = lstm.run(&x.narrow(1, 0, 6)?, RunOptions::default(), &mut Mode::eval())?;
    /// let options = RunOptions::new().state(&first.state);
    /// let second = lstm.run(&x.narrow(1, 6, 4)?, options, &mut Mode::eval())?;
    /// assert_eq!(second.state.hidden.shape(), [1, 4, 16]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    Lstm(Lstm), "Lstm::new", "Lstm::with";
    /// A gated recurrent unit (Cho et al., 2014): gates decide how much of the state goes into a candidate, and how much of
    /// it is kept.
    ///
    /// With the sigmoids `r` and `z` of weighted sums of input and state, and `n = tanh(W x + b + r ∘ (W' h + b'))`, a step
    /// is `h = (1 - z) ∘ n + z ∘ h`.
    ///
    /// # Shapes
    /// - input: `[batch, time, features]`, or `[time, features]` for a single sequence
    /// - output: `[batch, time, directions · hidden]`
    /// - state: `[layers · directions, batch, hidden]`
    /// - `weight_ih_l0`: `[3 · hidden, features]`, `weight_hh_l0`: `[3 · hidden, hidden]`, `bias_ih_l0` and `bias_hh_l0`:
    ///   `[3 · hidden]`, for `r`, `z`, `n` in this order; then `weight_ih_l0_reverse` …, `weight_ih_l1` …
    ///
    /// All start out evenly distributed in `±1/√hidden`, as in PyTorch. For options see [`Recurrent`], for states and
    /// examples of different lengths [`run`](Self::run).
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let gru = Gru::new(8, 16, &mut rng)?;
    /// assert_eq!(gru.predict(&Tensor::zeros([4, 10, 8])?)?.shape(), [4, 10, 16]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    Gru(Gru), "Gru::new", "Gru::with";
}

impl Rnn {
    /// The same with relu instead of tanh.
    #[must_use]
    pub fn relu(mut self) -> Self {
        *self.0.unit_mut() = RecurrentUnit::Relu;
        self
    }
}
