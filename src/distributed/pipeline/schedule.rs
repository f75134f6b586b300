//! Training in micro-batches, one forward and one backward by turns.

use std::collections::VecDeque;

use super::{NAME, Stage};
use crate::autograd::ops::embedding::in_table;
use crate::autograd::{Gradients, no_grad};
use crate::distributed::group::peer;
use crate::distributed::tensor_parallel::token_loss;
use crate::error::{Error, Result, bug};
use crate::layers::{Mode, ModuleExt};
use crate::models::{CausalLm, Links};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// What messages between stages are about.
pub(super) const FORWARD: u32 = 0;
const GENERATOR: u32 = 1;
const BACKWARD: u32 = 2;
const TABLE: u32 = 3;

/// What the stage before gave.
struct Given(Option<Tensor>);

impl Links for Given {
    fn before(&self) -> Result<Option<Tensor>> {
        Ok(self.0.clone())
    }

    fn after(&self, _: &Tensor) -> Result<()> {
        Ok(())
    }
}

/// A micro-batch between its forward and its backward pass.
struct Open {
    /// What came from the stage before, tracked.
    x: Option<Tensor>,
    /// What goes to the next stage, or the loss.
    y: Tensor,
}

impl Stage {
    /// The mean loss of a language model over micro-batches of token ids `[batch, time]` and of the tokens that follow, −100 where none is to be
    /// predicted, and the gradients of this stage's parameters, with which an optimizer makes its step. All ranks call it, and those of one copy
    /// of the model with the same micro-batches; losses and gradients are the mean over those of all copies, which give as many. Where
    /// [gradients are divided](super::Pipeline::sharding), they are those of this rank's parameters.
    ///
    /// With a generator, which has the same state on all ranks, the model is trained, with dropout: each micro-batch, those of all copies counted in
    /// their order, takes a generator that is [split](Rng::split) off it, and gets what the whole model would give it with that.
    ///
    /// Gradients are added up in the order of micro-batches, and divided by their number at the end. One copy whose embedding is not tied
    /// therefore gives what the whole model gives bit for bit, as long as stages are not divided themselves.
    ///
    /// # Errors
    /// If there are no micro-batches, they do not fit the model, or a rank has failed or has others.
    #[track_caller]
    pub fn gradients(&self, batches: &[(Tensor, Tensor)], rng: Option<&mut Rng>) -> Result<(f64, Gradients)> {
        if batches.is_empty() {
            return Err(Error::argument(NAME, "no micro-batches, expected at least one"));
        }
        for (ids, _) in batches {
            in_table("embedding", ids, self.vocab_size())?;
        }
        let (copies, stages) = (self.grid.data().size(), self.grid.pipeline().size());
        self.agree(batches, rng.as_deref())?;
        let own = self.grid.data().rank() * batches.len();
        let rngs: Option<Vec<Rng>> = rng.map(|rng| {
            let all = (0..copies * batches.len()).map(|_| rng.split()).collect::<Vec<_>>();
            all[own..own + batches.len()].to_vec()
        });
        let leaves: Vec<Tensor> = self.named_parameters().into_iter().map(|(_, value)| value).collect();
        let (mut open, mut loss, mut sum) = (VecDeque::new(), 0.0, Gradients::default());
        let ahead = (stages - 1 - self.grid.pipeline().rank()).min(batches.len());
        for i in 0..batches.len() + ahead {
            if let Some(batch) = batches.get(i) {
                let next = self.forward(batch, rngs.as_ref().map(|rngs| rngs[i].clone()))?;
                if self.piece.finishes {
                    loss += next.y.item()?;
                }
                open.push_back(next);
            }
            if i >= ahead {
                let Some(oldest) = open.pop_front() else { return Err(bug!(NAME, "nothing to go back through")) };
                let grads = self.backward(oldest)?;
                let own = leaves.iter().filter_map(|leaf| Some((leaf, grads.get(leaf)?.clone())));
                let own = Gradients::of(own);
                drop(grads);
                sum.accumulate(own)?;
            }
        }
        self.add_tables(&mut sum)?;
        let n = (copies * batches.len()) as f64;
        let mut sum = self.over_copies(sum)?;
        sum.scale(1.0 / n);
        let loss = Tensor::from_vec(vec![loss], [1])?;
        let loss = self.grid.data().all_reduce(&self.grid.pipeline().all_reduce(&loss)?)?;
        Ok((loss.sum().item()? / n, sum))
    }

    /// Makes sure that all ranks have as many micro-batches and the same generator, and those of a copy the same micro-batches.
    #[track_caller]
    fn agree(&self, batches: &[(Tensor, Tensor)], rng: Option<&Rng>) -> Result<()> {
        let mut digest = 0i64;
        for tensor in batches.iter().flat_map(|(ids, targets)| [ids, targets]) {
            let shape = tensor.shape().iter().map(|n| *n as i64);
            for x in shape.chain(tensor.to_vec::<i64>()?) {
                digest = digest.wrapping_mul(0x9e37_79b9).wrapping_add(x.wrapping_add(1));
            }
        }
        let all = self.grid.all();
        let state = rng.map_or(0, |rng| rng.clone().next_u64() as i64);
        let own = [batches.len() as i64, i64::from(rng.is_some()), state, digest];
        let copy = all.size() / self.grid.data().size();
        let said = all.all_gather(&Tensor::from_slice(&own, [own.len()])?)?;
        let said = said.iter().map(Tensor::to_vec::<i64>).collect::<Result<Vec<_>>>()?;
        // The first rank that differs from one before it: the same error on all.
        for (rank, theirs) in said.iter().enumerate() {
            let (first, mate) = (&said[0], &said[rank / copy * copy]);
            let of = |said: &[i64]| match said {
                [_, 1, state, _] => format!("a generator at {:016x}", *state),
                _ => "no generator".to_string(),
            };
            let (zero, other) = (all.origin(0), all.origin(rank));
            let message = if theirs.first() != first.first() {
                format!("rank {other} has {} micro-batches, rank {zero} has {}", theirs[0], first[0])
            } else if theirs.get(1..3) != first.get(1..3) {
                format!("rank {other} has {}, rank {zero} has {}", of(theirs), of(first))
            } else if theirs != mate {
                let mate = all.origin(rank / copy * copy);
                format!("ranks {mate} and {other} are of one copy of the model, and have other micro-batches")
            } else {
                continue;
            };
            let help = "all ranks have as many, those of a copy the same, and generators of the same state";
            return Err(peer(NAME, message).with_help(help));
        }
        Ok(())
    }

    #[track_caller]
    fn forward(&self, (ids, targets): &(Tensor, Tensor), rng: Option<Rng>) -> Result<Open> {
        let (group, mut rng) = (self.grid.pipeline(), rng);
        let mut x = None;
        if !self.piece.embeds {
            let before = group.rank() - 1;
            let given = group.receive(before, FORWARD)?;
            x = Some(given.tracked()?);
            if let Some(rng) = &mut rng {
                let state = group.receive(before, GENERATOR)?.to_vec::<u8>()?;
                *rng = serde_json::from_slice(&state).map_err(|e| peer(NAME, format!("no generator came: {e}")))?;
            }
        }
        let y = {
            let mode = &mut match &mut rng {
                Some(rng) => Mode::train(rng),
                None => Mode::eval(),
            };
            let links = Given(x.clone());
            match self.piece.finishes {
                false => self.model.run(ids, &links, mode)?,
                true => token_loss(
                    &mut || {
                        let hidden = self.model.run(ids, &links, mode)?;
                        self.model.finish(&hidden, mode)
                    },
                    targets,
                )?,
            }
        };
        if !self.piece.finishes {
            group.send(&y, group.rank() + 1, FORWARD)?;
            if let Some(rng) = &rng {
                let state =
                    serde_json::to_vec(rng).map_err(|e| bug!(NAME, "a generator that cannot be written: {e}"))?;
                let len = state.len();
                group.send(&Tensor::from_vec(state, [len])?, group.rank() + 1, GENERATOR)?;
            }
        }
        Ok(Open { x, y })
    }

    #[track_caller]
    fn backward(&self, Open { x, y }: Open) -> Result<Gradients> {
        let group = self.grid.pipeline();
        let grads = match self.piece.finishes {
            true => y.backward()?,
            false => {
                let grad = group.receive(group.rank() + 1, BACKWARD)?;
                if !y.is_tracked() {
                    return Ok(Gradients::default());
                }
                // Its gradient with respect to `y` is `grad`.
                y.mul(&grad)?.sum().backward()?
            }
        };
        if let Some(x) = x {
            group.send(grads.wrt(&x)?, group.rank() - 1, BACKWARD)?;
        }
        Ok(grads)
    }

    /// Adds what the first and the last stage have for the table that is in both.
    #[track_caller]
    fn add_tables(&self, sum: &mut Gradients) -> Result<()> {
        let Some(leaf) = self.shared_table().and_then(|(_, weight)| weight.param()) else { return Ok(()) };
        let Some(own) = sum.get(leaf).cloned() else { return Ok(()) };
        let group = self.grid.pipeline();
        let other = if self.piece.embeds { group.size() - 1 } else { 0 };
        group.send(&own, other, TABLE)?;
        let theirs = group.receive(other, TABLE)?;
        let (first, last) = if self.piece.embeds { (&own, &theirs) } else { (&theirs, &own) };
        sum.set(leaf, no_grad(|| first.add(last))?)
    }
}
