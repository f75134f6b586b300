//! A decoder that goes on from where it stands.

use std::panic::Location;

use super::super::{check_absent, check_targets};
use super::{Memory, Seq2SeqLstm};
use crate::autograd::pause_recording;
use crate::error::Result;
use crate::layers::{Mode, RecurrentState};
use crate::models::LmState;
use crate::models::text::sequences::row_index;
use crate::tensor::Tensor;

/// What the decoder of a [`Seq2SeqLstm`] knows: the encoder's outputs, and its own state behind the target tokens so far. Its
/// size does not depend on how many there were.
#[derive(Debug, Clone)]
pub struct Seq2SeqLstmState {
    memory: Memory,
    state: RecurrentState,
    /// How many target tokens of each row are absent.
    padding: Vec<usize>,
    len: usize,
}

impl LmState for Seq2SeqLstmState {
    fn rows(&self) -> usize {
        self.padding.len()
    }

    fn len(&self) -> usize {
        self.len
    }

    #[track_caller]
    fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        let index = row_index(rows, self.rows())?;
        let select = |state: &RecurrentState| state.map(|x| x.index_select(1, &index));
        let memory = Memory {
            outputs: self.memory.outputs.index_select(0, &index)?,
            present: self.memory.present.as_ref().map(|present| present.index_select(0, &index)).transpose()?,
            state: select(&self.memory.state)?,
        };
        self.state = select(&self.state)?;
        self.memory = memory;
        self.padding = rows.iter().map(|row| self.padding[*row]).collect();
        Ok(())
    }
}

impl Seq2SeqLstmState {
    pub(super) fn new(memory: Memory, rows: usize) -> Self {
        Self { state: memory.state.clone(), memory, padding: vec![0; rows], len: 0 }
    }

    #[track_caller]
    pub(super) fn rewind(&mut self, padding: &[usize]) -> Result<()> {
        check_absent(padding, self.rows(), None)?;
        self.state = self.memory.state.clone();
        self.padding = padding.to_vec();
        self.len = 0;
        Ok(())
    }
}

impl Seq2SeqLstm {
    #[track_caller]
    pub(super) fn extend_state(&self, ids: &Tensor, state: &mut Seq2SeqLstmState) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        let n = check_targets(ids, state, None)?;
        let (mut at, mut parts, mut reached) = (0, Vec::new(), state.state.clone());
        // As long as tokens of some rows are absent, each step keeps the state of those.
        while at < n && state.padding.iter().any(|padding| *padding > state.len + at) {
            let (written, next) =
                self.write(&ids.narrow(1, at, 1)?, &reached, &mut Mode::eval().called_at(Location::caller()))?;
            let here = state.padding.iter().map(|padding| *padding <= state.len + at).collect();
            let here = Tensor::from_vec::<bool>(here, [state.rows(), 1])?;
            let hidden = here.where_(&next.hidden, &reached.hidden)?;
            let cell = match (&next.cell, &reached.cell) {
                (Some(next), Some(reached)) => Some(here.where_(next, reached)?),
                _ => None,
            };
            reached = RecurrentState { hidden, cell };
            parts.push(written);
            at += 1;
        }
        if at < n {
            let (written, next) =
                self.write(&ids.narrow(1, at, n - at)?, &reached, &mut Mode::eval().called_at(Location::caller()))?;
            reached = next;
            parts.push(written);
        }
        let written = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 1)?;
        let logits = self.logits(&written, &state.memory, &mut Mode::eval().called_at(Location::caller()))?;
        state.state = reached;
        state.len += n;
        Ok(logits)
    }
}
