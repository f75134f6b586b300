//! Averages of models.

use super::data_parallel::put;
use super::group::Group;
use crate::autograd;
use crate::error::{Here, Result};
use crate::layers::{Module, Slot, Visitor};
use crate::tensor::Tensor;

/// Gives all ranks the mean of their models: of parameters and of buffers of fractions; what is counted in whole numbers stays.
///
/// Sums are in the order of ranks.
///
/// # Errors
/// If models differ in structure, or a rank fails.
#[track_caller]
pub fn average(group: &dyn Group, model: &mut dyn Module) -> Result<()> {
    let _unrecorded = autograd::pause_recording();
    let mut values = Vec::new();
    let mut on_slot = |_: &str, slot: Slot<'_>| {
        values.push(match slot {
            Slot::Param(param) => param.value().detach(),
            Slot::Buffer(buffer) => buffer.get(),
        });
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    let mut pending = Vec::with_capacity(values.len());
    for value in values {
        let sum = if value.dtype().is_float() { Some(group.start_all_reduce(&value)?) } else { None };
        pending.push((value, sum));
    }
    let mut means: Vec<Tensor> = Vec::with_capacity(pending.len());
    for (value, sum) in pending {
        means.push(match sum {
            Some(sum) => sum.wait()?.mul_scalar(1.0 / group.size() as f64),
            None => value,
        });
    }
    put(model, means).here()
}
