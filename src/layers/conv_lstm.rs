//! A long short-term memory of pictures.

use std::fmt;

use super::convolution::Conv2d;
use super::core::{Layer, LayerConfig, LayerExt, Mode, described};
use super::recurrent::RecurrentState;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::{Shape, Tensor};

/// One step of a long short-term memory whose input and state are pictures, and whose products are convolutions (Shi et al.,
/// *Convolutional LSTM network*, 2015), without peepholes, as in Keras: for films, maps of the weather, and what else moves.
///
/// With `[i, f, g, o] = conv([x, h])`: `c' = σ(f) c + σ(i) tanh(g)` and `h' = σ(o) tanh(c')`.
///
/// # Shapes
/// - input: `[n, in_channels, height, width]`; states: `[n, hidden, height, width]`
/// - `conv.weight`: `[4 · hidden, in_channels + hidden, kernel…]`, `conv.bias`: `[4 · hidden]`, in the order of
///   [`LstmCell`](super::LstmCell)
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let cell = ConvLstmCell::new(1, 4, 3, &mut rng)?;
/// let film = Tensor::ones([2, 5, 1, 8, 8])?; // two films of five pictures
/// let (seen, last) = cell.run(&film, None, &mut Mode::eval())?;
/// assert_eq!(seen.shape(), [2, 5, 4, 8, 8]);
/// assert_eq!(last.hidden.shape(), [2, 4, 8, 8]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct ConvLstmCell {
    /// Makes the gates of the input and the state beside each other.
    pub conv: Conv2d,
    hidden: usize,
}

crate::module!(ConvLstmCell { conv }, plain { hidden });

const OP: &str = "conv_lstm";

impl ConvLstmCell {
    /// A cell for pictures with so many channels, and states with `hidden`. As many places are added around both as the kernel needs.
    ///
    /// # Errors
    /// If a number is zero, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(in_channels: usize, hidden: usize, kernel: impl Shape, rng: &mut Rng) -> Result<Self> {
        let sizes =
            in_channels.checked_add(hidden).zip(hidden.checked_mul(4)).filter(|_| in_channels > 0 && hidden > 0);
        let Some((inputs, gates)) = sizes else {
            let message = format!("{in_channels} input channels and {hidden} hidden ones, expected at least 1 of each");
            return Err(Error::argument("ConvLstmCell::new", message));
        };
        Ok(Self { conv: Conv2d::new(inputs, gates, kernel, rng)?.same(), hidden })
    }

    /// The state after a picture; without one before, that was zero.
    ///
    /// # Errors
    /// If the picture or the state does not fit.
    #[track_caller]
    pub fn step(&self, x: &Tensor, state: Option<&RecurrentState>, mode: &mut Mode<'_>) -> Result<RecurrentState> {
        let [h, c] = mode.here(self.state(x, state))?;
        let both = mode.here(Tensor::cat(&[x, &h], 1))?;
        let gates = self.conv.at("conv", &both, mode)?;
        mode.here(self.next(&gates, &c))
    }

    /// The hidden states `[n, time, hidden, height, width]` after each picture of films `[n, time, in_channels, height, width]`, and
    /// the last state.
    ///
    /// # Errors
    /// If the films or the state do not fit, or there are no pictures in them.
    #[track_caller]
    pub fn run(
        &self,
        films: &Tensor,
        state: Option<&RecurrentState>,
        mode: &mut Mode<'_>,
    ) -> Result<(Tensor, RecurrentState)> {
        if films.rank() != 5 || films.shape()[1] == 0 {
            let message = format!("films of shape {:?}, expected [n, time, channels, height, width]", films.shape());
            return mode.here(Err(Error::shape(OP, message)));
        }
        let (mut state, mut seen) = (state.cloned(), Vec::with_capacity(films.shape()[1]));
        for t in 0..films.shape()[1] {
            let next = self.step(&films.select(1, t as isize)?, state.as_ref(), mode)?;
            seen.push(next.hidden.clone());
            state = Some(next);
        }
        let seen = mode.here(Tensor::stack(&seen.iter().collect::<Vec<_>>(), 1))?;
        match state {
            Some(state) => Ok((seen, state)),
            None => Err(crate::error::bug!(OP, "no state after a picture")),
        }
    }

    /// Of an input; those of the state come on top.
    fn in_channels(&self) -> usize {
        self.conv.in_channels().saturating_sub(self.hidden)
    }

    /// Hidden and cell state before a picture.
    #[track_caller]
    fn state(&self, x: &Tensor, state: Option<&RecurrentState>) -> Result<[Tensor; 2]> {
        let &[n, channels, height, width] = x.shape() else {
            return Err(Error::shape(OP, format!("input {:?}, expected [n, channels, height, width]", x.shape())));
        };
        let in_channels = self.in_channels();
        if channels != in_channels {
            return Err(Error::shape(OP, format!("input {:?}, expected {in_channels} channels", x.shape())));
        }
        let expected = [n, self.hidden, height, width];
        let Some(RecurrentState { hidden, cell }) = state else {
            let zeros = Tensor::full_dtype(expected, 0.0, x.dtype())?;
            return Ok([zeros.clone(), zeros]);
        };
        let Some(cell) = cell else { return Err(Error::argument(OP, "a state without that of the cell")) };
        for state in [hidden, cell] {
            if state.shape() != expected {
                return Err(Error::shape(OP, format!("a state of shape {:?}, expected {expected:?}", state.shape())));
            }
        }
        Ok([hidden.clone(), cell.clone()])
    }

    #[track_caller]
    fn next(&self, gates: &Tensor, c: &Tensor) -> Result<RecurrentState> {
        let gate = |i: usize| gates.narrow(1, i * self.hidden, self.hidden);
        let (i, f, g, o) = (gate(0)?.sigmoid(), gate(1)?.sigmoid(), gate(2)?.tanh(), gate(3)?.sigmoid());
        let cell = f.mul(c)?.add(&i.mul(&g)?)?;
        Ok(RecurrentState { hidden: o.mul(&cell.tanh())?, cell: Some(cell) })
    }
}

described! {
    ConvLstmCell,
    |layer| LayerConfig::new().with("hidden", layer.hidden).with("conv", layer.conv.config()?),
    |options, rng| {
        let (hidden, conv): (usize, _) = (options.take("hidden")?, Conv2d::from_config(options.take("conv")?, rng)?);
        if hidden == 0 || conv.in_channels() <= hidden || Some(conv.out_channels()) != hidden.checked_mul(4) {
            let message = format!("a ConvLstmCell with {hidden} hidden channels and {conv:?}");
            return Err(Error::format("from_config", message));
        }
        Self { conv, hidden }
    },
    |sizes| sizes.of_part::<Conv2d>("conv")
}

/// The hidden state after one step from zeros.
impl Layer for ConvLstmCell {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        Ok(self.step(x, None, mode)?.hidden)
    }
}

impl fmt::Debug for ConvLstmCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConvLstmCell({} → {}, {:?})", self.in_channels(), self.hidden, self.conv)
    }
}
