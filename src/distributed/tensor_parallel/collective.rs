//! Operations of a group that are recorded: what goes forward one way goes backward the other.

use std::ops::Range;
use std::sync::Arc;

use crate::autograd::{Function, Saved, Sink, apply};
use crate::distributed::Group;
use crate::error::Result;
use crate::tensor::Tensor;

/// What ranks do with a tensor together. Each is the gradient of another one: a loss that all ranks compute counts once.
#[derive(Debug, Clone)]
pub(super) enum Exchange {
    /// All have the same tensor, and go on with different things: nothing is done, and gradients are added up.
    Share,
    /// The sum of what they have; its gradient is that of each term.
    Sum,
    /// What they have, one behind the other in the last dimension. This is where the own part lies.
    Gather(Range<usize>),
    /// The own part of what all have.
    Own(Range<usize>),
}

struct Collective {
    group: Arc<dyn Group>,
    exchange: Exchange,
}

/// Does it, and records it.
#[track_caller]
pub(super) fn exchange(group: &Arc<dyn Group>, exchange: Exchange, x: &Tensor) -> Result<Tensor> {
    apply(Collective { group: group.clone(), exchange }, &[x])
}

/// The sum of what ranks have, with which each does something else: its gradient is the sum of all.
#[track_caller]
pub(in crate::distributed) fn sum_of_ranks(group: &Arc<dyn Group>, x: &Tensor) -> Result<Tensor> {
    exchange(group, Exchange::Share, &exchange(group, Exchange::Sum, x)?)
}

impl Function for Collective {
    fn name(&self) -> &'static str {
        match self.exchange {
            Exchange::Share => "shared_by_ranks",
            Exchange::Sum => "sum_of_ranks",
            Exchange::Gather(_) => "gathered_from_ranks",
            Exchange::Own(_) => "part_of_rank",
        }
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let x = inputs[0];
        match &self.exchange {
            Exchange::Share => Ok(x.clone()),
            Exchange::Sum => self.group.all_reduce(x),
            Exchange::Gather(_) => Tensor::cat(&self.group.all_gather(x)?.iter().collect::<Vec<_>>(), -1),
            Exchange::Own(own) => x.narrow(-1, own.start, own.len()),
        }
    }

    fn backward(&self, _: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        if !sink.wants(0) {
            return Ok(());
        }
        let back = match &self.exchange {
            Exchange::Share => Exchange::Sum,
            Exchange::Sum => Exchange::Share,
            Exchange::Gather(own) => Exchange::Own(own.clone()),
            Exchange::Own(own) => Exchange::Gather(own.clone()),
        };
        sink.give(0, exchange(&self.group, back, grad)?)
    }
}
