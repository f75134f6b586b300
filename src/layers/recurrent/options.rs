//! What a recurrent layer is made with, what it is run with, and what it gives.

use super::RecurrentState;
use crate::autograd::RecurrentUnit;
use crate::error::{Error, Result};
use crate::layers::core::{Count, LayerConfig, LayerOutput};
use crate::tensor::Tensor;

/// The options of [`Rnn`](super::Rnn), [`Lstm`](super::Lstm) and [`Gru`](super::Gru).
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let options = Recurrent::new(16, 32).layers(2).bidirectional().dropout(0.1);
/// let lstm = Lstm::with(options, &mut rng)?;
/// assert_eq!(lstm.predict(&Tensor::zeros([4, 10, 16])?)?.shape(), [4, 10, 64]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recurrent {
    pub(super) features: usize,
    pub(super) hidden: usize,
    pub(super) layers: usize,
    pub(super) bidirectional: bool,
    pub(super) bias: bool,
    pub(super) dropout: f64,
    pub(super) projection: Option<usize>,
}

impl Recurrent {
    /// One layer that goes forward, with biases.
    #[must_use]
    pub fn new(features: usize, hidden: usize) -> Self {
        Self { features, hidden, layers: 1, bidirectional: false, bias: true, dropout: 0.0, projection: None }
    }

    /// So many layers, each of which goes through the outputs of the one below.
    #[must_use]
    pub fn layers(mut self, layers: usize) -> Self {
        self.layers = layers;
        self
    }

    /// In each layer, a second set of weights goes from the end of the sequence to its beginning. The outputs of both
    /// directions are joined: there are twice as many.
    #[must_use]
    pub fn bidirectional(mut self) -> Self {
        self.bidirectional = true;
        self
    }

    /// No biases.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.bias = false;
        self
    }

    /// Dropout with probability `p` on the outputs of every layer but the last.
    #[must_use]
    pub fn dropout(mut self, p: f64) -> Self {
        self.dropout = p;
        self
    }

    /// Projects the hidden state of an [`Lstm`](super::Lstm) to so many outputs, fewer than it has hidden units (Sak et
    /// al., 2014).
    #[must_use]
    pub fn projection(mut self, outputs: usize) -> Self {
        self.projection = Some(outputs);
        self
    }

    /// The number of outputs of one direction.
    /// What files say of it, and of the function of its units.
    pub(super) fn described(&self, unit: RecurrentUnit) -> LayerConfig {
        let Self { features, hidden, layers, bidirectional, bias, dropout, projection } = *self;
        let sizes = LayerConfig::new().with("features", features).with("hidden", hidden).with("layers", layers);
        let parts = sizes.with("bidirectional", bidirectional).with("bias", bias).with("projection", projection);
        parts.with("dropout", dropout).with("relu", unit == RecurrentUnit::Relu)
    }

    /// The options in a file, and the function of the units, of a layer that has `unit` by default.
    #[track_caller]
    pub(super) fn from_described(mut config: LayerConfig, unit: RecurrentUnit) -> Result<(Self, RecurrentUnit)> {
        let options = Self {
            features: config.take("features")?,
            hidden: config.take("hidden")?,
            layers: config.take("layers")?,
            bidirectional: config.take("bidirectional")?,
            bias: config.take("bias")?,
            dropout: config.take("dropout")?,
            projection: config.take("projection")?,
        };
        let unit = match (config.take("relu")?, unit) {
            (false, unit) => unit,
            (true, RecurrentUnit::Tanh | RecurrentUnit::Relu) => RecurrentUnit::Relu,
            (true, unit) => return Err(Error::format("from_config", format!("{} with relu", unit.name()))),
        };
        config.done()?;
        Ok((options, unit))
    }

    /// The number of parameters that a file speaks of, at least.
    pub(super) fn min_parameters(config: &LayerConfig, unit: RecurrentUnit) -> usize {
        match Self::from_described(config.clone(), unit) {
            Ok((options, unit)) => options.parameters(unit).0.get(),
            Err(_) => 0,
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.projection.unwrap_or(self.hidden)
    }

    /// The numbers of parameters and of tensors.
    pub(crate) fn parameters(&self, unit: RecurrentUnit) -> (Count, Count) {
        let (rows, outputs) = (Count::new(self.hidden) * unit.weights(), Count::new(self.outputs()));
        let biases = if self.bias { 2 } else { 0 };
        let projection = if self.projection.is_some() { outputs * self.hidden } else { Count::new(0) };
        let part = |inputs: Count| rows * (inputs + outputs + biases) + projection;
        let above = part(outputs * self.directions()) * self.layers.saturating_sub(1);
        let all = (part(Count::new(self.features)) + above) * self.directions();
        (all, Count::new(self.layers) * self.directions() * 5)
    }

    /// 1 or 2.
    pub(super) fn directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    #[track_caller]
    pub(super) fn check(&self, op: &'static str, has_cell: bool) -> Result<()> {
        let Self { features, hidden, layers, dropout, projection, .. } = *self;
        let problem = if features == 0 || hidden == 0 || layers == 0 {
            format!("{features} input features, {hidden} hidden units and {layers} layers, expected at least 1 of each")
        } else if !(0.0..=1.0).contains(&dropout) {
            format!("dropout is {dropout}, expected a probability from 0 to 1")
        } else {
            match projection {
                Some(_) if !has_cell => "only an Lstm has a projection".to_string(),
                Some(outputs) if outputs == 0 || outputs >= hidden => {
                    format!("a projection to {outputs} outputs, expected 1 to {} for {hidden} hidden units", hidden - 1)
                }
                _ => return Ok(()),
            }
        };
        Err(Error::argument(op, problem))
    }
}

/// What a recurrent layer starts from, and how long the examples are.
///
/// ```
/// use demotic::prelude::*;
///
/// let gru = Gru::new(3, 5, &mut Rng::seed(0))?;
/// let x = Tensor::ones([2, 4, 3])?;
/// // The second example has two steps; what is behind them does not matter.
/// let run = gru.run(&x, RunOptions::new().lengths(&[4, 2]), &mut Mode::eval())?;
/// assert_eq!(run.output.index((1, 2..))?.to_vec::<f32>()?, [0.0; 10]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct RunOptions<'a> {
    /// The state before the first step; zeros without it. The hidden state is `[layers · directions, batch, outputs]`, the
    /// cell state of an [`Lstm`](super::Lstm) `[layers · directions, batch, hidden]`, layer by layer, forward before
    /// backward. What [`RecurrentOutput`] has fits.
    pub state: Option<&'a RecurrentState>,
    /// How many steps each example has, from 1 to all of them. Outputs behind them are 0, final states are those at an
    /// example's own end, and the backward direction starts there.
    pub lengths: Option<&'a [usize]>,
}

impl<'a> RunOptions<'a> {
    /// From a state of zeros, over all steps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins with a [`state`](field@Self::state).
    #[must_use]
    pub fn state(mut self, state: &'a RecurrentState) -> Self {
        self.state = Some(state);
        self
    }

    /// Says how long the examples are: their [`lengths`](field@Self::lengths).
    #[must_use]
    pub fn lengths(mut self, lengths: &'a [usize]) -> Self {
        self.lengths = Some(lengths);
        self
    }
}

/// What a recurrent layer gives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecurrentOutput {
    /// The outputs of the last layer at every step, `[batch, time, directions · outputs]`.
    pub output: Tensor,
    /// The state after the last step of each example, shaped like that of [`RunOptions`].
    pub state: RecurrentState,
}

/// The outputs.
impl LayerOutput for RecurrentOutput {
    fn activation(&mut self) -> &mut Tensor {
        &mut self.output
    }
}

/// The hidden state.
impl LayerOutput for RecurrentState {
    fn activation(&mut self) -> &mut Tensor {
        &mut self.hidden
    }
}
