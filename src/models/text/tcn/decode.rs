//! Feeding a temporal convolutional network token by token.

use std::panic::Location;

use super::{Tcn, TcnBlock};
use crate::error::{Error, Result, bug};
use crate::layers::{LayerExt, Mode};
use crate::models::text::sequences::{check_next, check_padding, row_index};
use crate::models::{CausalLm, LmState};
use crate::tensor::Tensor;

const NAME: &str = "tcn";

/// What a [`Tcn`] remembers of the tokens so far: the inputs of its convolutions, as far back as these look.
#[derive(Debug, Clone)]
pub struct TcnState {
    /// How many tokens of each row are absent.
    padding: Vec<usize>,
    len: usize,
    /// For each block, once there was a token.
    seen: Vec<Seen>,
}

/// The last inputs of the two convolutions of a block, `[rows, channels, places]`.
#[derive(Debug, Clone)]
struct Seen([Tensor; 2]);

impl LmState for TcnState {
    fn rows(&self) -> usize {
        self.padding.len()
    }

    fn len(&self) -> usize {
        self.len
    }

    #[track_caller]
    fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        let index = row_index(rows, self.rows())?;
        let mut seen = Vec::with_capacity(self.seen.len());
        for Seen([first, second]) in &self.seen {
            seen.push(Seen([first.index_select(0, &index)?, second.index_select(0, &index)?]));
        }
        self.seen = seen;
        self.padding = rows.iter().map(|row| self.padding[*row]).collect();
        Ok(())
    }
}

/// For models of [tokens](super::TcnConfig::tokens) with an output for each of them.
impl CausalLm for Tcn {
    type State = TcnState;

    /// 0 for a model of numbers.
    fn vocab_size(&self) -> usize {
        self.config.vocab_size.unwrap_or(0)
    }

    fn context_length(&self) -> Option<usize> {
        None
    }

    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<TcnState> {
        let help =
            "a language model is made by TcnConfig::tokens(n, size, n): tokens of n kinds, and an output for each";
        let outputs = self.config.output_size;
        match self.config.vocab_size {
            None => return Err(Error::state(NAME, "the model takes numbers, not tokens").with_help(help)),
            Some(vocab_size) if vocab_size != outputs => {
                let message = format!("the model has {outputs} outputs for tokens of {vocab_size} kinds");
                return Err(Error::state(NAME, message).with_help(help));
            }
            Some(_) => {}
        }
        check_padding(NAME, padding, None)?;
        Ok(TcnState { padding: padding.to_vec(), len: 0, seen: Vec::new() })
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut TcnState) -> Result<Tensor> {
        let mut mode = Mode::eval().called_at(Location::caller());
        let (hidden, next) = self.advance(ids, state, &mut mode)?;
        let logits = self.head.at("head", &hidden.transpose(1, 2)?, &mut mode)?;
        *state = next;
        Ok(logits)
    }

    #[track_caller]
    fn extend_last(&self, ids: &Tensor, state: &mut TcnState) -> Result<Tensor> {
        let mut mode = Mode::eval().called_at(Location::caller());
        let (hidden, next) = self.advance(ids, state, &mut mode)?;
        let logits = self.head.at("head", &hidden.select(2, -1)?, &mut mode)?;
        *state = next;
        Ok(logits)
    }
}

impl Tcn {
    /// What the blocks find at further places, `[rows, channels, n]`, and the state behind them.
    #[track_caller]
    fn advance(&self, ids: &Tensor, before: &TcnState, mode: &mut Mode<'_>) -> Result<(Tensor, TcnState)> {
        let n = check_next(NAME, "token", ids, before, None)?;
        let Some(embedding) = &self.embedding else { return Err(bug!(NAME, "a state of a model without tokens")) };
        let absent = before.absent(n)?;
        let mut x = cleared(embedding.at("embedding", ids, mode)?.transpose(1, 2)?, absent.as_ref())?;
        let mut seen = Vec::with_capacity(self.blocks.len());
        for (i, block) in self.blocks.iter().enumerate() {
            let (y, next) =
                mode.scope(("blocks", i), |mode| block.extend(&x, before.seen.get(i), absent.as_ref(), mode))?;
            x = y;
            seen.push(next);
        }
        let len = before.len.saturating_add(n);
        Ok((x, TcnState { padding: before.padding.clone(), len, seen }))
    }
}

impl TcnState {
    /// Which of the next `n` tokens of each row are absent, `[rows, 1, n]`, if any are.
    #[track_caller]
    fn absent(&self, n: usize) -> Result<Option<Tensor>> {
        if self.padding.iter().all(|padding| *padding <= self.len) {
            return Ok(None);
        }
        let rows = self.padding.iter();
        let flags = rows.flat_map(|padding| (0..n).map(move |i| self.len.saturating_add(i) < *padding)).collect();
        Tensor::from_vec::<bool>(flags, [self.padding.len(), 1, n]).map(Some)
    }
}

/// With zeros at places that are absent, which is what convolutions see before the first one.
#[track_caller]
fn cleared(x: Tensor, absent: Option<&Tensor>) -> Result<Tensor> {
    absent.map_or(Ok(x.clone()), |absent| x.masked_fill(absent, 0.0))
}

impl TcnBlock {
    /// The outputs at further places, and what the convolutions have seen then.
    #[track_caller]
    fn extend(
        &self,
        x: &Tensor,
        seen: Option<&Seen>,
        absent: Option<&Tensor>,
        mode: &mut Mode<'_>,
    ) -> Result<(Tensor, Seen)> {
        let (y, first) = self.convolve("conv1", x, seen.map(|seen| &seen.0[0]), mode)?;
        let y = cleared(y, absent)?;
        let (y, second) = self.convolve("conv2", &y, seen.map(|seen| &seen.0[1]), mode)?;
        let y = cleared(y.add(&self.beside(x, mode)?)?.relu(), absent)?;
        Ok((y, Seen([first, second])))
    }

    #[track_caller]
    fn convolve(
        &self,
        name: &'static str,
        x: &Tensor,
        seen: Option<&Tensor>,
        mode: &mut Mode<'_>,
    ) -> Result<(Tensor, Tensor)> {
        let conv = if name == "conv1" { &self.conv1 } else { &self.conv2 };
        let (before, x) = match seen {
            Some(seen) => (seen.shape()[2], Tensor::cat(&[seen, x], 2)?),
            None => (0, x.clone()),
        };
        let y = self.causal(name, conv, &x, before, mode)?.relu();
        let (all, reach) = (x.shape()[2], (self.kernel_size - 1).saturating_mul(self.dilation));
        let kept = all.min(reach);
        Ok((y, x.narrow(2, all - kept, kept)?))
    }
}
