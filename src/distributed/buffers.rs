//! What models count beside their parameters, such as running statistics, when several ranks count at once.

use super::group::Group;
use crate::autograd;
use crate::error::{Result, bug};
use crate::layers::{Buffer, Module, Slot, Visitor};
use crate::tensor::{DType, Tensor};

/// The buffers of a model in one step. Each micro-batch begins with what they held before it; in the end they hold the mean over micro-batches.
pub(super) struct Buffers {
    buffers: Vec<Buffer>,
    before: Vec<Tensor>,
    /// What they held after each of this rank's micro-batches.
    after: Vec<Vec<Tensor>>,
    have_changed: bool,
}

impl Buffers {
    pub(super) fn of(model: &dyn Module) -> Self {
        let mut buffers = Vec::new();
        let mut on_slot = |_: &str, slot: Slot<'_>| {
            if let Slot::Buffer(buffer) = slot {
                buffers.push(buffer.shared());
            }
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        let before: Vec<Tensor> = buffers.iter().map(Buffer::get).collect();
        Self { after: vec![Vec::new(); before.len()], before, buffers, have_changed: false }
    }

    pub(super) fn have_changed(&self) -> bool {
        self.have_changed
    }

    /// Takes what a micro-batch has counted, and puts back what was there before it.
    #[track_caller]
    pub(super) fn remember(&mut self) -> Result<()> {
        for ((buffer, before), after) in self.buffers.iter().zip(&self.before).zip(&mut self.after) {
            let value = buffer.get();
            if !value.shares_storage(before) {
                self.have_changed = true;
                buffer.set(before)?;
            }
            after.push(value);
        }
        Ok(())
    }

    /// Gives each buffer what all micro-batches come to: numbers their mean, in the order of micro-batches, counts the sum of what was counted.
    #[track_caller]
    pub(super) fn average(&self, group: &dyn Group, micro_batches: usize) -> Result<()> {
        let _unrecorded = autograd::pause_recording();
        for ((buffer, before), after) in self.buffers.iter().zip(&self.before).zip(&self.after) {
            let own = match &after[..] {
                [] => Tensor::full_dtype([0], 0.0, before.dtype())?,
                values => Tensor::stack(&values.iter().collect::<Vec<_>>(), 0)?,
            };
            let all = group.all_gather(&own)?;
            let of = |number: usize| all[number % group.size()].select(0, (number / group.size()) as isize);
            let mut sum = of(0)?;
            match before.dtype() {
                DType::Bool | DType::U8 => sum = of(micro_batches.saturating_sub(1))?,
                DType::I64 | DType::I32 | DType::I8 => {
                    for number in 1..micro_batches {
                        sum = sum.add(&of(number)?.sub(before)?)?;
                    }
                }
                _ if micro_batches == 1 => (),
                dtype => {
                    let wide = if dtype == DType::F64 { dtype } else { DType::F32 };
                    sum = sum.to_dtype(wide);
                    for number in 1..micro_batches {
                        sum = sum.add(&of(number)?.to_dtype(wide))?;
                    }
                    sum = sum.mul_scalar(1.0 / micro_batches as f64).to_dtype(dtype);
                }
            }
            if sum.shape() != before.shape() {
                return Err(bug!("step", "a buffer of shape {:?} became {:?}", before.shape(), sum.shape()));
            }
            buffer.set(&sum)?;
        }
        Ok(())
    }
}
