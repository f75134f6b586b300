//! The sweeps over time of recurrent networks.

use super::computed;
use crate::error::{Result, bug};
use crate::tensor::create::stale;
use crate::tensor::dtype::with_float;
use crate::tensor::exec::gemm::{Gemm, linear_into};
use crate::tensor::kernels::Real;
use crate::tensor::kernels::recurrent::{self as kernel, Backward, Forward, Plan, States};
use crate::tensor::{Element, Float, Tensor};

pub use crate::tensor::kernels::recurrent::Unit as RecurrentUnit;
pub(crate) use kernel::Span;

/// A sweep: which steps, and of what.
#[derive(Debug, Clone)]
pub(crate) struct Sweep {
    pub(crate) unit: RecurrentUnit,
    pub(crate) time: usize,
    pub(crate) batch: usize,
    pub(crate) features: usize,
    pub(crate) hidden: usize,
    /// `hidden`, or the width of the projection.
    pub(crate) outputs: usize,
    pub(crate) projected: bool,
    /// How many steps each row has, if not all of them.
    pub(crate) lengths: Option<Vec<usize>>,
    /// From the last step to the first.
    pub(crate) reverse: bool,
}

/// What it is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operands<'a> {
    /// `[time, batch, features]`.
    pub(crate) x: &'a Tensor,
    pub(crate) weight_ih: &'a Tensor,
    pub(crate) weight_hh: &'a Tensor,
    pub(crate) bias: Option<[&'a Tensor; 2]>,
    pub(crate) weight_hr: Option<&'a Tensor>,
    /// The initial states; zeros if there are none.
    pub(crate) hidden: Option<&'a Tensor>,
    pub(crate) cell: Option<&'a Tensor>,
}

/// What the gradient needs of a forward sweep besides its result. Parts that a unit has no use for are empty.
#[derive(Debug, Clone)]
pub(crate) struct Swept {
    /// `[time · batch, width]`.
    pub(crate) gates: Tensor,
    /// `[time · batch, hidden]`.
    pub(crate) cells: Tensor,
    /// `[time · batch, hidden]`: what is projected.
    pub(crate) projected: Tensor,
}

/// What a backward sweep finds.
#[derive(Debug, Clone)]
pub(crate) struct SweepGradients {
    /// `[time · batch, width]`: of the sums that gates are functions of.
    pub(crate) gates: Tensor,
    /// `[time · batch, outputs]`: of what the projection gave; empty without one.
    pub(crate) projected: Tensor,
    /// `[batch, outputs]`: of the initial hidden state.
    pub(crate) hidden: Tensor,
    /// `[batch, hidden]`: of the initial cell state; empty if there is none.
    pub(crate) cell: Tensor,
}

impl Sweep {
    fn plan(&self) -> Plan<'_> {
        let Self { unit, time, batch, hidden, outputs, projected, ref lengths, reverse, .. } = *self;
        Plan { unit, time, batch, hidden, outputs, projected, reverse, lengths: lengths.as_deref() }
    }
}

/// Goes through all steps. The results are the outputs `[time, batch, outputs]`, the final hidden state `[batch, outputs]` and
/// the final cell state `[batch, hidden]`, which is empty if the unit has none. Types of 16 bits are computed in `F32` and
/// rounded back.
#[track_caller]
pub(crate) fn sweep(sweep: &Sweep, operands: &Operands<'_>) -> Result<([Tensor; 3], Swept)> {
    let dtype = computed(operands.x.dtype());
    let (results, swept) = with_float!(dtype, T => forward::<T>(sweep, operands)?, else {
        return Err(bug!(sweep.unit.name(), "computed in {dtype}"))
    });
    Ok((results.map(|result| result.cast(operands.x.dtype())), swept))
}

#[track_caller]
fn forward<T: Float + Real + Gemm>(sweep: &Sweep, operands: &Operands<'_>) -> Result<([Tensor; 3], Swept)> {
    let plan = sweep.plan();
    let Plan { time, batch, hidden, outputs, .. } = plan;
    let (name, rows) = (sweep.unit.name(), time * batch);
    let stale = |shape: &[usize]| stale(name, shape, T::DTYPE);
    let mut gates = stale(&[rows, plan.width()])?;
    input_products::<T>(sweep, operands, gates.data_mut());
    let mut cells = stale(&[rows, plan.cell_width()])?;
    let mut projected = stale(&[rows, plan.projected_width()])?;
    let mut scratch = stale(&[plan.forward_scratch()])?;
    let (weight_hh, weight_hr) = (packed::<T>(operands.weight_hh), operands.weight_hr.map(packed::<T>));
    let mut out = stale(&[time, batch, outputs])?;
    let (mut hidden_state, mut cell_state) = (stale(&[batch, outputs])?, stale(&[batch, plan.cell_width()])?);
    let (h, c) = (hidden_state.data_mut::<T>(), cell_state.data_mut::<T>());
    start(operands.hidden, h);
    start(operands.cell, c);
    if c.len() != batch * if sweep.unit.has_cell() { hidden } else { 0 } {
        return Err(bug!(name, "cells of {} elements for {batch} rows of {hidden}", c.len()));
    }
    kernel::forward(
        &plan,
        Forward {
            weight_hh: weight_hh.data(),
            weight_hr: weight_hr.as_ref().map(|weight| weight.data()),
            gates: gates.data_mut(),
            cells: cells.data_mut(),
            projected: projected.data_mut(),
            out: out.data_mut(),
            h,
            c,
            scratch: scratch.data_mut(),
        },
    );
    Ok(([out, hidden_state, cell_state], Swept { gates, cells, projected }))
}

/// `x · weight_ihᵀ` and all biases, of all steps.
fn input_products<T: Float + Real + Gemm>(sweep: &Sweep, operands: &Operands<'_>, gates: &mut [T]) {
    let Sweep { unit, hidden, .. } = *sweep;
    let width = unit.gates() * hidden;
    let columns = unit.weights() * hidden;
    let mut sum = vec![T::zero(); width];
    if let Some([bias_ih, bias_hh]) = operands.bias.map(|biases| biases.map(packed::<T>)) {
        sum[..columns].copy_from_slice(bias_ih.data());
        for span in unit.spans(hidden) {
            let bias = &bias_hh.data::<T>()[span.weight..][..span.len];
            sum[span.gates..][..span.len].iter_mut().zip(bias).for_each(|(sum, &bias)| *sum += bias);
        }
    }
    let (input, own) = sum.split_at(columns);
    if !own.is_empty() {
        gates.chunks_exact_mut(width).for_each(|row| row[columns..].copy_from_slice(own));
    }
    linear_into(&packed::<T>(operands.x), &packed::<T>(operands.weight_ih), Some(input), gates, width);
}

/// Goes back through all steps, given the outputs of [`sweep`] and the gradients of its results, as far as there are any.
pub(crate) fn sweep_backward(
    sweep: &Sweep,
    operands: &Operands<'_>,
    swept: &Swept,
    out: &Tensor,
    grads: [Option<&Tensor>; 3],
) -> Result<SweepGradients> {
    let dtype = computed(out.dtype());
    with_float!(dtype, T => backward::<T>(sweep, operands, swept, out, grads), else {
        Err(bug!(sweep.unit.name(), "computed in {dtype}"))
    })
}

fn backward<T: Float + Real + Gemm>(
    sweep: &Sweep,
    operands: &Operands<'_>,
    swept: &Swept,
    out: &Tensor,
    [grad_out, grad_hidden, grad_cell]: [Option<&Tensor>; 3],
) -> Result<SweepGradients> {
    let plan = sweep.plan();
    let Plan { time, batch, outputs, .. } = plan;
    let (name, rows) = (sweep.unit.name(), time * batch);
    let stale = |shape: &[usize]| stale(name, shape, T::DTYPE);
    let out = packed::<T>(out);
    let (weight_hh, weight_hr) = (packed::<T>(operands.weight_hh), operands.weight_hr.map(packed::<T>));
    let mut initial = stale(&[batch * (outputs + plan.cell_width())])?;
    let (h, c) = initial.data_mut::<T>().split_at_mut(batch * outputs);
    start(operands.hidden, h);
    start(operands.cell, c);
    let grad_out = match grad_out {
        Some(grad) => packed::<T>(grad),
        None => {
            let mut zeros = stale(&[rows, outputs])?;
            start(None, zeros.data_mut::<T>());
            zeros
        }
    };
    // The gradients of the final state become those of the initial one.
    let (mut hidden, mut cell) = (stale(&[batch, outputs])?, stale(&[batch, plan.cell_width()])?);
    start(grad_hidden, hidden.data_mut::<T>());
    start(grad_cell, cell.data_mut::<T>());
    let mut gates = stale(&[rows, plan.width()])?;
    let mut projected = stale(&[rows, if plan.projected { outputs } else { 0 }])?;
    let mut scratch = stale(&[plan.backward_scratch()])?;
    kernel::backward(
        &plan,
        Backward {
            weight_hh: weight_hh.data(),
            weight_hr: weight_hr.as_ref().map(|weight| weight.data()),
            states: States { gates: swept.gates.data(), cells: swept.cells.data(), out: out.data(), h, c },
            grad_out: grad_out.data(),
            grad_h: hidden.data_mut(),
            grad_c: cell.data_mut(),
            grad_gates: gates.data_mut(),
            grad_projected: projected.data_mut(),
            scratch: scratch.data_mut(),
        },
    );
    Ok(SweepGradients { gates, projected, hidden, cell })
}

/// The elements in the type that is computed in, one after the other.
fn packed<T: Element>(x: &Tensor) -> Tensor {
    x.cast(T::DTYPE).packed()
}

/// A state or its gradient, or zeros.
fn start<T: Element + Real>(state: Option<&Tensor>, to: &mut [T]) {
    match state {
        Some(state) => to.copy_from_slice(packed::<T>(state).data()),
        None => to.fill(T::zero()),
    }
}
