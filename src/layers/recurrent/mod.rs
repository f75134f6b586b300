//! Recurrent layers: networks that go through a sequence step by step and remember.

mod cell;
mod layers;
mod options;
mod stack;

pub use crate::autograd::RecurrentState;
pub use cell::{GruCell, LstmCell, RnnCell};
pub use layers::{Gru, Lstm, Rnn};
pub use options::{Recurrent, RecurrentOutput, RunOptions};

pub(crate) use stack::Stack;
