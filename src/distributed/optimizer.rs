//! The step of the optimizer, where each rank makes that of its own parameters.

use std::collections::BTreeMap;

use super::data_parallel::Sharding;
use super::group::Group;
use super::layout::Layout;
use super::step::ParallelStep;
use crate::autograd::{self, Gradients};
use crate::error::{Here, Result, bug};
use crate::layers::{Module, Slot, SlotMut, Visitor, VisitorMut};
use crate::optimizers::{Divided, Optimizer, gradient_norm};
use crate::tensor::{DType, Tensor};

impl ParallelStep<'_> {
    /// Waits for all micro-batches, and lets an optimizer change the model by the mean of their gradients. Returns the mean loss, or nothing if no
    /// micro-batch counts and no step was made.
    ///
    /// # Errors
    /// As for [`finish`](Self::finish), and those of the optimizer.
    #[track_caller]
    pub fn apply(mut self, optimizer: &mut dyn Optimizer, model: &mut dyn Module) -> Result<Option<f64>> {
        let (averaged, _) = self.finish_with()?;
        let Some(averaged) = averaged else { return Ok(None) };
        self.step_optimizer(optimizer, model, &averaged.gradients)?;
        Ok(Some(averaged.loss))
    }

    /// The step of the optimizer, with gradients that [`finish_with`](Self::finish_with) gave.
    #[track_caller]
    pub(crate) fn step_optimizer(
        &self,
        optimizer: &mut dyn Optimizer,
        model: &mut dyn Module,
        gradients: &Gradients,
    ) -> Result<()> {
        let (group, layout) = (&*self.parallel.group, &self.layout);
        if self.parallel.sharding == Sharding::None {
            return optimizer.step(model, gradients);
        }
        let _unrecorded = autograd::pause_recording();
        let rank = group.rank();
        let norms = match self.parallel.sharding {
            Sharding::Gradients => norms(group, layout, model, gradients).here()?,
            _ => BTreeMap::new(),
        };
        let (is_own, gather) =
            (|path: &str| layout.is_own(path, rank), |model: &mut dyn Module| gather(group, layout, model));
        optimizer.step_divided(model, gradients, &Divided { is_own: &is_own, norms, gather: &gather })
    }
}

/// The norms of all gradients, each of which its owner knows.
fn norms(
    group: &dyn Group,
    layout: &Layout,
    model: &dyn Module,
    gradients: &Gradients,
) -> Result<BTreeMap<String, f64>> {
    // Of each path: the owner, and the norm if this is it.
    let mut paths = Vec::new();
    let mut own = Vec::new();
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        let (Slot::Param(param), Some(place)) = (slot, layout.place(path)) else { return };
        paths.push((path.to_string(), layout.places[place].owner));
        // What is negative stands for none.
        own.push(gradients.get(param).map_or(-1.0, gradient_norm));
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    let told = group.all_gather(&Tensor::from_slice(&own, [own.len()])?)?;
    let mut norms = BTreeMap::new();
    for (i, (path, owner)) in paths.into_iter().enumerate() {
        match told.get(owner).map(|told| told.as_slice::<f64>()).transpose()?.and_then(|norms| norms.get(i)) {
            Some(norm) if *norm >= 0.0 || norm.is_nan() => drop(norms.insert(path, *norm)),
            Some(_) => (),
            None => return Err(bug!("step", "no norm of `{path}`")),
        }
    }
    Ok(norms)
}

/// Gives the model what each owner has made of its parameters.
fn gather(group: &dyn Group, layout: &Layout, model: &mut dyn Module) -> Result<()> {
    let mut dtypes: Vec<DType> = Vec::new();
    let mut own: Vec<Vec<Tensor>> = Vec::new();
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        let (Slot::Param(param), true) = (slot, layout.place(path).is_some()) else { return };
        let at = dtypes.iter().position(|dtype| *dtype == param.dtype()).unwrap_or_else(|| {
            dtypes.push(param.dtype());
            own.push(Vec::new());
            own.len() - 1
        });
        if layout.is_own(path, group.rank()) {
            own[at].push(param.value().detach());
        }
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    let mut pending = Vec::with_capacity(own.len());
    for (values, dtype) in own.iter().zip(&dtypes) {
        let mut flat = vec![Tensor::full_dtype([0], 0.0, *dtype)?];
        for value in values {
            flat.push(value.reshape([value.numel()])?);
        }
        pending.push(group.start_all_gather(&Tensor::cat(&flat.iter().collect::<Vec<_>>(), 0)?)?);
    }
    let mut gathered = Vec::with_capacity(pending.len());
    for pending in pending {
        gathered.push(pending.wait()?);
    }
    let mut taken = vec![vec![0; group.size()]; dtypes.len()];
    let mut result = Ok(());
    let mut on_slot = |path: &str, slot: SlotMut<'_>| {
        let (SlotMut::Param(param), Some(place)) = (slot, layout.place(path)) else { return };
        let owner = layout.places[place].owner;
        let Some(at) = dtypes.iter().position(|dtype| *dtype == param.dtype()) else { return };
        let start = taken[at][owner];
        taken[at][owner] += param.numel();
        if owner == group.rank() || result.is_err() {
            return;
        }
        let flat = gathered[at][owner].narrow(0, start, param.numel());
        result = flat.and_then(|flat| flat.reshape(param.shape())).and_then(|value| param.set(&value));
    };
    VisitorMut::new(&mut on_slot).module(model.as_module_mut());
    result
}
