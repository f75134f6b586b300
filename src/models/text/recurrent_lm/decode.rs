//! Feeding a recurrent language model token by token.

use std::panic::Location;

use super::{NAME, RecurrentLm};
use crate::error::Result;
use crate::layers::{Mode, RecurrentState, RunOptions};
use crate::models::text::sequences::{check_next, check_padding, row_index};
use crate::models::{CausalLm, LmState};
use crate::tensor::Tensor;

/// What a [`RecurrentLm`] remembers of the tokens so far: its size does not depend on how many there were.
#[derive(Debug, Clone)]
pub struct RecurrentLmState {
    /// How many tokens of each row are absent.
    padding: Vec<usize>,
    len: usize,
    /// `None` before the first token.
    state: Option<RecurrentState>,
}

impl LmState for RecurrentLmState {
    fn rows(&self) -> usize {
        self.padding.len()
    }

    fn len(&self) -> usize {
        self.len
    }

    #[track_caller]
    fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        let index = row_index(rows, self.rows())?;
        if let Some(state) = &mut self.state {
            *state = state.map(|x| x.index_select(1, &index))?;
        }
        self.padding = rows.iter().map(|row| self.padding[*row]).collect();
        Ok(())
    }
}

impl CausalLm for RecurrentLm {
    type State = RecurrentLmState;

    fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    fn context_length(&self) -> Option<usize> {
        None
    }

    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<RecurrentLmState> {
        check_padding(NAME, padding, None)?;
        Ok(RecurrentLmState { padding: padding.to_vec(), len: 0, state: None })
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut RecurrentLmState) -> Result<Tensor> {
        let (hidden, next) = self.advance(ids, state)?;
        let logits = self.logits(&hidden, &mut Mode::eval().called_at(Location::caller()))?;
        *state = next;
        Ok(logits)
    }

    #[track_caller]
    fn extend_last(&self, ids: &Tensor, state: &mut RecurrentLmState) -> Result<Tensor> {
        let (hidden, next) = self.advance(ids, state)?;
        let logits = self.logits(&hidden.select(1, -1)?, &mut Mode::eval().called_at(Location::caller()))?;
        *state = next;
        Ok(logits)
    }
}

impl RecurrentLm {
    /// The outputs of the recurrent layers for further tokens, and the state behind them.
    #[track_caller]
    fn advance(&self, ids: &Tensor, before: &RecurrentLmState) -> Result<(Tensor, RecurrentLmState)> {
        let n = check_next(NAME, "token", ids, before, None)?;
        let absent: Vec<usize> =
            before.padding.iter().map(|padding| padding.saturating_sub(before.len).min(n)).collect();
        let run = RunOptions { state: before.state.as_ref(), ..RunOptions::new() };
        let (hidden, state) = match absent.iter().any(|absent| *absent > 0) {
            true => self.advance_padded(ids, &absent, run)?,
            false => self.hidden(ids, run, &mut Mode::eval().called_at(Location::caller()))?,
        };
        let len = before.len.saturating_add(n);
        Ok((hidden, RecurrentLmState { padding: before.padding.clone(), len, state: Some(state) }))
    }

    /// The same where the first tokens of some rows are absent: those rows are moved to the left, so that what is absent
    /// comes last, and their outputs back to the right.
    #[track_caller]
    fn advance_padded(&self, ids: &Tensor, absent: &[usize], run: RunOptions<'_>) -> Result<(Tensor, RecurrentState)> {
        let (rows, n) = (ids.shape()[0], ids.shape()[1]);
        // For each place of each row, which place of the row goes there.
        let moved = |from: &dyn Fn(usize, usize) -> usize| {
            let places = absent.iter().enumerate();
            let places = places.flat_map(|(row, &absent)| (0..n).map(move |i| (row * n + from(i, absent)) as i64));
            Tensor::from_vec::<i64>(places.collect(), [rows * n])
        };
        let left = ids.reshape([rows * n])?.index_select(0, &moved(&|i, absent| (i + absent).min(n - 1))?)?;
        // A row needs a step. One of which nothing is there takes its old state back afterwards.
        let lengths: Vec<usize> = absent.iter().map(|absent| (n - absent).max(1)).collect();
        let run = run.lengths(&lengths);
        let (hidden, next) =
            self.hidden(&left.reshape([rows, n])?, run, &mut Mode::eval().called_at(Location::caller()))?;
        let width = self.config.hidden_size;
        let right = moved(&|i, absent| i.saturating_sub(absent))?;
        let hidden = hidden.reshape([rows * n, width])?.index_select(0, &right)?.reshape([rows, n, width])?;

        let present = Tensor::from_vec::<bool>(absent.iter().map(|absent| *absent < n).collect(), [rows, 1])?;
        let keep = |next: &Tensor, before: Option<&Tensor>| match before {
            Some(before) => present.where_(next, before),
            None => present.where_(next, &next.zeros_like()),
        };
        let before = run.state;
        Ok((
            hidden,
            RecurrentState {
                hidden: keep(&next.hidden, before.map(|state| &state.hidden))?,
                cell: match &next.cell {
                    Some(cell) => Some(keep(cell, before.and_then(|state| state.cell.as_ref()))?),
                    None => None,
                },
            },
        ))
    }
}
