//! The step of the optimizer, where each rank makes that of its own parameters.

use std::collections::BTreeMap;

use super::data_parallel::Sharding;
use super::group::Group;
use super::layout::Layout;
use super::sharded;
use super::step::ParallelStep;
use crate::autograd::{self, Gradients};
use crate::error::{Error, Here, Result, bug};
use crate::layers::{Module, Param, Slot, SlotMut, Visitor, VisitorMut};
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
        let (group, sharding) = (&*self.parallel.group, self.parallel.sharding);
        step_divided(group, &self.layout, sharding, optimizer, model, gradients)
    }
}

/// The step of the optimizer, of which each rank of a group makes that of its own parameters.
#[track_caller]
pub(super) fn step_divided(
    group: &dyn Group,
    layout: &Layout,
    sharding: Sharding,
    optimizer: &mut dyn Optimizer,
    model: &mut dyn Module,
    gradients: &Gradients,
) -> Result<()> {
    if sharding == Sharding::None {
        return optimizer.step(model, gradients).here();
    }
    if sharding == Sharding::Parameters && has_values_of_its_own(optimizer) {
        let message = "averages of parameters that are divided among ranks";
        return Err(Error::argument("step", message).with_help("divide no more than Sharding::Gradients"));
    }
    let _unrecorded = autograd::pause_recording();
    let rank = group.rank();
    let norms = match sharding {
        Sharding::Gradients | Sharding::Parameters => {
            let norm = |_: &str, param: &Param| gradients.get(param).map(gradient_norm);
            of_owners(group, layout, model, &norm).here()?.into_iter().collect()
        }
        _ => BTreeMap::new(),
    };
    // What is divided stays so.
    let divided = sharded::divided(model);
    let owner = |path: &str| if divided.contains_key(path) { None } else { layout.owner(path) };
    let (is_own, gather) =
        (|path: &str| layout.is_own(path, rank), |model: &mut dyn Module| gather(group, &owner, model));
    optimizer.step_divided(model, gradients, &Divided { is_own: &is_own, norms, gather: &gather })
}

/// Whether an optimizer is one around another that reads all parameters.
fn has_values_of_its_own(optimizer: &dyn Optimizer) -> bool {
    let name = optimizer.state().optimizer;
    name.starts_with("Averaged") || name.starts_with("Lookahead")
}

/// Numbers of at least 0 of the trained parameters, such as norms of gradients, each of which its owner knows if there is one: in the order of the model.
#[track_caller]
pub(super) fn of_owners(
    group: &dyn Group,
    layout: &Layout,
    model: &dyn Module,
    number: &dyn Fn(&str, &Param) -> Option<f64>,
) -> Result<Vec<(String, f64)>> {
    let mut paths = Vec::new();
    let mut own = Vec::new();
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        let (Slot::Param(param), Some(place)) = (slot, layout.place(path)) else { return };
        paths.push((path.to_string(), layout.places[place].owner));
        // What is negative stands for none.
        own.push(number(path, param).unwrap_or(-1.0));
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    let told = group.all_gather(&Tensor::from_slice(&own, [own.len()])?)?;
    let mut numbers = Vec::new();
    for (i, (path, owner)) in paths.into_iter().enumerate() {
        match told.get(owner).map(|told| told.as_slice::<f64>()).transpose()?.and_then(|told| told.get(i)) {
            Some(number) if *number >= 0.0 || number.is_nan() => numbers.push((path, *number)),
            Some(_) => (),
            None => return Err(bug!("step", "no number of `{path}`")),
        }
    }
    Ok(numbers)
}

/// How many bytes of parameters are gathered at a time, about.
const GATHERED: usize = 1 << 20;

/// A parameter that is gathered.
struct Gathered {
    numel: usize,
    dtype: DType,
    /// The value, if it is this rank's.
    own: Option<Tensor>,
}

/// Gives the model the parameters that others own, by their paths: some at a time, so that earlier values are let go before the next come.
#[track_caller]
pub(super) fn gather(group: &dyn Group, owner: &dyn Fn(&str) -> Option<usize>, model: &mut dyn Module) -> Result<()> {
    let mut list = Vec::new();
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        let (Slot::Param(param), Some(owner)) = (slot, owner(path)) else { return };
        let own = (owner == group.rank()).then(|| param.value().detach());
        list.push(Gathered { numel: param.numel(), dtype: param.dtype(), own });
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    let mut start = 0;
    while let Some(first) = list.get(start) {
        let (mut end, mut bytes) = (start, 0);
        while bytes < GATHERED && list.get(end).is_some_and(|next| next.dtype == first.dtype) {
            bytes += list[end].numel * first.dtype.size();
            end += 1;
        }
        let mut flat = vec![Tensor::full_dtype([0], 0.0, first.dtype)?];
        for own in list[start..end].iter().filter_map(|gathered| gathered.own.as_ref()) {
            flat.push(own.reshape([own.numel()])?);
        }
        let parts = group.all_gather(&Tensor::cat(&flat.iter().collect::<Vec<_>>(), 0)?)?;
        drop(flat);
        let (mut at, mut taken, mut result) = (0, vec![0; group.size()], Ok(()));
        let mut on_slot = |path: &str, slot: SlotMut<'_>| {
            let (SlotMut::Param(param), Some(owner)) = (slot, owner(path)) else { return };
            at += 1;
            if !(start..end).contains(&(at - 1)) || result.is_err() {
                return;
            }
            let before = taken[owner];
            taken[owner] += param.numel();
            if owner != group.rank() {
                let value = parts[owner].narrow(0, before, param.numel()).and_then(|flat| flat.reshape(param.shape()));
                result = value.and_then(|value| param.set(&value));
            }
        };
        VisitorMut::new(&mut on_slot).module(model.as_module_mut());
        result?;
        start = end;
    }
    Ok(())
}
