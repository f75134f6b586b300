//! Stages whose training is divided among the copies of the model.

use std::collections::BTreeMap;

use super::{NAME, Stage};
use crate::autograd::{Gradients, NodeId, NodeMap, pause_recording};
use crate::distributed::Pending;
use crate::distributed::collectives::sum;
use crate::distributed::data_parallel::Sharding;
use crate::distributed::layout::{Bucket, Layout};
use crate::distributed::optimizer::{of_owners, step_divided};
use crate::distributed::sharded::{self, shard_blocks};
use crate::error::{Here, Result};
use crate::optimizers::{Optimizer, clip};
use crate::tensor::Tensor;

impl Stage {
    /// Which copy keeps what of this stage.
    fn layout(&self) -> Layout {
        Layout::of(self, self.grid.data().size(), None, true)
    }

    /// Divides the parameters, if that was asked for.
    #[track_caller]
    pub(super) fn divide_among_copies(&mut self) -> Result<()> {
        if self.sharding == Sharding::Parameters {
            let data = self.grid.data().handle();
            shard_blocks(self, &*data)?;
            sharded::divide(&self.layout(), data.rank(), self);
        }
        Ok(())
    }

    /// Gives all ranks all parameters of their stages again, after training with [`Sharding::Parameters`]. All ranks call it.
    ///
    /// # Errors
    /// If a rank fails, or memory does not suffice.
    #[track_caller]
    pub fn unite(&mut self) -> Result<()> {
        let data = self.grid.data().handle();
        sharded::unite(&*data, self).here()
    }

    /// The sum of gradients over all copies, in their order: of all parameters, or of those that belong to this rank.
    #[track_caller]
    pub(super) fn over_copies(&self, mut grads: Gradients) -> Result<Gradients> {
        let data = self.grid.data();
        if data.size() == 1 {
            return Ok(grads);
        }
        if self.sharding < Sharding::Gradients {
            grads.update(|grad| {
                *grad = data.all_reduce(grad)?;
                Ok(())
            })?;
            return Ok(grads);
        }
        let _unrecorded = pause_recording();
        let (layout, rank) = (self.layout(), data.rank());
        let mut own: NodeMap<Tensor> = grads.into_entries().into_iter().collect();
        let has: Vec<u8> = layout.places.iter().map(|place| u8::from(own.contains_key(&place.id))).collect();
        let mut present = vec![0; has.len()];
        for has in data.all_gather(&Tensor::from_slice(&has, [has.len()])?)? {
            present.iter_mut().zip(has.as_slice::<u8>()?).for_each(|(all, one)| *all |= one);
        }
        let mut entries = Vec::new();
        for bucket in &layout.buckets {
            let number = data.ticket();
            let parts = self.begin_sum(&mut own, &layout, bucket, number)?.wait()?;
            let total = sum(parts)?;
            for member in bucket.members.iter().filter(|member| present[**member] == 1) {
                let place = &layout.places[*member];
                if place.owner == rank {
                    let grad = total.narrow(0, place.at - bucket.cuts[rank].start, place.numel)?;
                    entries.push((place.id, grad.reshape(&place.shape[..])?));
                }
            }
        }
        NodeId::sort(&mut entries, |(id, _)| *id);
        Ok(Gradients::new(entries))
    }

    /// Begins to send all copies their parts of a bucket, of which nothing is kept here: it is let go before the next one comes.
    #[track_caller]
    fn begin_sum(
        &self,
        grads: &mut NodeMap<Tensor>,
        layout: &Layout,
        bucket: &Bucket,
        number: u64,
    ) -> Result<Pending<Vec<Tensor>>> {
        let mut parts = Vec::with_capacity(bucket.members.len());
        for member in &bucket.members {
            let place = &layout.places[*member];
            parts.push(match grads.remove(&place.id) {
                Some(grad) => grad.reshape([place.numel])?,
                None => Tensor::full_dtype([place.numel], 0.0, place.dtype)?,
            });
        }
        let flat = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)?;
        let mut cut = |to: usize| flat.narrow(0, bucket.cuts[to].start, bucket.cuts[to].len());
        let (data, about) = (self.grid.data(), format!("gradients of a stage, {} numbers", bucket.len));
        data.start_exchange(NAME, number, about, (0..data.size()).collect(), &mut cut)
    }

    /// Scales gradients so that their norm, over the whole model, is at most `max_norm`. Returns the norm before. All ranks call it.
    ///
    /// # Errors
    /// If `max_norm` is not a finite number above 0, the norm is NaN or infinite, or a rank has failed.
    #[track_caller]
    pub fn clip_grad_norm(&self, grads: &mut Gradients, max_norm: f64) -> Result<f64> {
        // A table that two stages have counts in the first.
        let twice = self.shared_table().filter(|_| self.piece.finishes).map(|(name, _)| name);
        let mut squares = self.parallel.squares(self, grads, &|path| twice != Some(path))?;
        if self.sharding >= Sharding::Gradients {
            let own: BTreeMap<String, f64> = squares.into_iter().collect();
            squares = of_owners(self.grid.data(), &self.layout(), self, &|path, _| own.get(path).copied())?;
        }
        // Both in the order of the model.
        let own = squares.iter().fold(0.0, |sum, (_, square)| sum + square);
        let own = Tensor::from_vec(vec![own], [1])?;
        let squares = self.grid.pipeline().all_reduce(&self.grid.tensor().all_reduce(&own)?)?;
        clip::from_norm(grads, squares.sum().item()?.sqrt(), max_norm)
    }

    /// Lets an optimizer change the stage by gradients that [`gradients`](Self::gradients) gave: where [something is divided](super::Pipeline::sharding) among the copies,
    /// each rank makes the step of its own parameters, keeps the optimizer's state of these alone, and tells the others. All ranks call it.
    ///
    /// # Errors
    /// Those of the optimizer, which cannot keep values of all parameters ([`Averaged`](crate::optimizers::Averaged),
    /// [`Lookahead`](crate::optimizers::Lookahead)) where these are divided; and if a rank has failed.
    #[track_caller]
    pub fn step(&mut self, optimizer: &mut dyn Optimizer, grads: &Gradients) -> Result<()> {
        let (data, layout, sharding) = (self.grid.data().handle(), self.layout(), self.sharding);
        step_divided(&*data, &layout, sharding, optimizer, self, grads).here()
    }
}
