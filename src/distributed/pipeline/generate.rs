//! Generation by all stages.

use super::Stage;
use super::schedule::FORWARD;
use crate::autograd::ops::embedding::in_table;
use crate::autograd::pause_recording;
use crate::distributed::Group;
use crate::error::Result;
use crate::layers::Mode;
use crate::models::{CausalLm, KvState, Links, LmState};
use crate::tensor::Tensor;

/// The stages before and behind.
struct Neighbours<'a> {
    group: &'a dyn Group,
    embeds: bool,
    finishes: bool,
}

impl Links for Neighbours<'_> {
    fn before(&self) -> Result<Option<Tensor>> {
        if self.embeds { Ok(None) } else { self.group.receive(self.group.rank() - 1, FORWARD).map(Some) }
    }

    fn after(&self, x: &Tensor) -> Result<()> {
        if self.finishes { Ok(()) } else { self.group.send(x, self.group.rank() + 1, FORWARD) }
    }
}

impl Stage {
    /// The logits for what comes after each token, or after the last alone, `[rows, n, vocab]`: the last stage tells the others.
    #[track_caller]
    fn next(&self, ids: &Tensor, state: &mut KvState, last: bool) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        in_table("embedding", ids, self.vocab_size())?;
        if state.is_empty() {
            // Stages behind the first see vectors only, and would not notice.
            let prompt = [("a prompt of".to_string(), format!("{:?} {:?}", ids.shape(), ids.to_vec::<i64>()?))];
            self.grid.pipeline().agree("generate", &prompt)?;
            self.grid.tensor().agree("generate", &prompt)?;
        }
        let group = self.grid.pipeline();
        let links = Neighbours { group, embeds: self.piece.embeds, finishes: self.piece.finishes };
        let mut x = self.model.extend_hidden(ids, state, &links)?;
        if last {
            x = x.narrow(1, x.shape()[1] - 1, 1)?;
        }
        let logits = match self.piece.finishes {
            true => self.model.finish(&x, &mut Mode::eval())?,
            false => Tensor::full_dtype([x.shape()[0], x.shape()[1], self.vocab_size()], 0.0, x.dtype())?,
        };
        if group.size() > 1 { group.broadcast(&logits, group.size() - 1) } else { Ok(logits) }
    }
}

impl CausalLm for Stage {
    type State = KvState;

    fn vocab_size(&self) -> usize {
        self.model.vocab_size()
    }

    fn context_length(&self) -> Option<usize> {
        self.model.context_length()
    }

    #[track_caller]
    fn start(&self, padding: &[usize]) -> Result<KvState> {
        self.model.start(padding)
    }

    #[track_caller]
    fn restart(&self, state: &mut KvState, padding: &[usize]) -> Result<()> {
        self.model.restart(state, padding)
    }

    #[track_caller]
    fn extend(&self, ids: &Tensor, state: &mut KvState) -> Result<Tensor> {
        self.next(ids, state, false)
    }

    #[track_caller]
    fn extend_last(&self, ids: &Tensor, state: &mut KvState) -> Result<Tensor> {
        self.next(ids, state, true)?.squeeze(1)
    }
}
