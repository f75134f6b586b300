//! The way of one block of rows through time.

use super::super::Real;
use super::super::gemm::Gemm;
use super::super::simd::{Isa, Kernel, dispatch};
use super::factor::Factor;
use super::{Plan, Span, States, Unit, gru, lstm, rnn};

/// The part of `Forward` that belongs to a block: slices of each step.
pub(super) struct ForwardBlock<'a, T> {
    /// The block's first row.
    pub(super) first: usize,
    pub(super) gates: Vec<&'a mut [T]>,
    pub(super) cells: Vec<&'a mut [T]>,
    pub(super) projected: Vec<&'a mut [T]>,
    pub(super) out: Vec<&'a mut [T]>,
    pub(super) h: &'a mut [T],
    pub(super) c: &'a mut [T],
}

impl<T: Real + Gemm> ForwardBlock<'_, T> {
    pub(super) fn run(mut self, plan: &Plan<'_>, recur: &[(Span, Factor<'_, T>)], project: Option<&Factor<'_, T>>) {
        let (outputs, width) = (plan.outputs, plan.width());
        let rows = self.h.len() / outputs.max(1);
        for step in (0..plan.time).map(|i| plan.step(i)) {
            for (span, weight) in recur {
                let sums = &mut self.gates[step][span.gates..];
                weight.product(rows, self.h, outputs, T::one(), sums, width);
            }
            dispatch(ForwardStep { plan, step, block: &mut self });
            if let Some(weight) = project {
                weight.product(rows, self.projected[step], plan.hidden, T::zero(), self.out[step], outputs);
                for (row, (h, out)) in self.h.chunks_exact_mut(outputs).zip(self.out[step].chunks(outputs)).enumerate()
                {
                    if plan.is_active(step, self.first + row) {
                        h.copy_from_slice(out);
                    }
                }
            }
        }
    }
}

/// The gates of one step.
struct ForwardStep<'s, 'a, T> {
    plan: &'s Plan<'s>,
    step: usize,
    block: &'s mut ForwardBlock<'a, T>,
}

impl<T: Real> Kernel for ForwardStep<'_, '_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let (plan, step, block) = (self.plan, self.step, self.block);
        let hidden = plan.hidden;
        for (row, gates) in block.gates[step].chunks_exact_mut(plan.width()).enumerate() {
            let c = row_mut(block.c, row, plan.cell_width());
            let h = row_mut(block.h, row, plan.outputs);
            let out = row_mut(block.out[step], row, plan.outputs);
            let projected = row_mut(block.projected[step], row, plan.projected_width());
            if plan.is_active(step, block.first + row) {
                let new = if plan.projected { &mut *projected } else { &mut *h };
                match plan.unit {
                    Unit::Tanh => rnn::forward::<I, T>(false, gates, new),
                    Unit::Relu => rnn::forward::<I, T>(true, gates, new),
                    Unit::Lstm => lstm::forward::<I, T>(&mut gates[..4 * hidden], new, c),
                    Unit::Gru => gru::forward::<I, T>(gates, new),
                }
                if !plan.projected {
                    out.copy_from_slice(h);
                }
            } else {
                projected.fill(T::zero());
                out.fill(T::zero());
            }
            row_mut(block.cells[step], row, plan.cell_width()).copy_from_slice(c);
        }
    }
}

#[inline(always)]
fn row_mut<T>(rows: &mut [T], row: usize, width: usize) -> &mut [T] {
    &mut rows[row * width..][..width]
}

/// The part of `Backward` that belongs to a block: slices of each step, and whole sequences to read.
pub(super) struct BackwardBlock<'a, T> {
    /// The block's first row.
    pub(super) first: usize,
    pub(super) states: States<'a, T>,
    pub(super) grad_out: &'a [T],
    pub(super) grad_gates: Vec<&'a mut [T]>,
    pub(super) grad_projected: Vec<&'a mut [T]>,
    /// The gradient of what was projected, at one step.
    pub(super) unprojected: &'a mut [T],
    pub(super) grad_h: &'a mut [T],
    pub(super) grad_c: &'a mut [T],
}

impl<T: Real + Gemm> BackwardBlock<'_, T> {
    pub(super) fn run(mut self, plan: &Plan<'_>, recur: &[(Span, Factor<'_, T>)], project: Option<&Factor<'_, T>>) {
        let (outputs, width) = (plan.outputs, plan.width());
        let rows = self.grad_h.len() / outputs.max(1);
        for i in (0..plan.time).rev() {
            let step = plan.step(i);
            self.arrive(plan, step);
            if let Some(weight) = project {
                weight.product(rows, self.grad_projected[step], outputs, T::zero(), self.unprojected, plan.hidden);
            }
            let before = i.checked_sub(1).map(|i| plan.step(i));
            dispatch(BackwardStep { plan, step, before, block: &mut self });
            for (span, weight) in recur {
                let sums = &self.grad_gates[step][span.gates..];
                weight.product(rows, sums, width, T::one(), self.grad_h, outputs);
            }
        }
    }

    /// Adds the gradient of the outputs to that of the state; with a projection, moves it to where that is undone.
    fn arrive(&mut self, plan: &Plan<'_>, step: usize) {
        let outputs = plan.outputs;
        let grad_out = &self.grad_out[(step * plan.batch + self.first) * outputs..];
        for (row, (grad_h, grad_out)) in
            self.grad_h.chunks_exact_mut(outputs).zip(grad_out.chunks_exact(outputs)).enumerate()
        {
            let active = plan.is_active(step, self.first + row);
            if active {
                grad_h.iter_mut().zip(grad_out).for_each(|(h, &out)| *h += out);
            }
            if plan.projected {
                let grad_projected = row_mut(self.grad_projected[step], row, outputs);
                grad_projected.fill(T::zero());
                if active {
                    grad_projected.swap_with_slice(grad_h);
                }
            }
        }
    }
}

/// The gates of one step.
struct BackwardStep<'s, 'a, T> {
    plan: &'s Plan<'s>,
    step: usize,
    /// The step that was made before, if it is not the first.
    before: Option<usize>,
    block: &'s mut BackwardBlock<'a, T>,
}

impl<T: Real> Kernel for BackwardStep<'_, '_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { plan, step, before, block } = self;
        let states = block.states;
        for (row, grad_gates) in block.grad_gates[step].chunks_exact_mut(plan.width()).enumerate() {
            let in_batch = block.first + row;
            if !plan.is_active(step, in_batch) {
                grad_gates.fill(T::zero());
                continue;
            }
            let at = |step: usize| step * plan.batch + in_batch;
            let gates = row_of(states.gates, at(step), plan.width());
            let grad_h = match plan.projected {
                true => row_mut(block.unprojected, row, plan.hidden),
                false => row_mut(block.grad_h, row, plan.outputs),
            };
            match plan.unit {
                unit @ (Unit::Tanh | Unit::Relu) => {
                    let h = row_of(states.out, at(step), plan.outputs);
                    rnn::backward(unit == Unit::Relu, h, grad_h, grad_gates);
                }
                Unit::Lstm => {
                    let cell = |data, row| row_of(data, row, plan.hidden);
                    let c_before = before.map_or(cell(states.c, in_batch), |before| cell(states.cells, at(before)));
                    let c = [cell(states.cells, at(step)), c_before];
                    lstm::backward::<I, T>(gates, c, grad_h, row_mut(block.grad_c, row, plan.hidden), grad_gates);
                }
                Unit::Gru => {
                    // The output of a row that rested is not its state, which is then still the initial one.
                    let h_before = match before.filter(|&before| plan.is_active(before, in_batch)) {
                        Some(before) => row_of(states.out, at(before), plan.outputs),
                        None => row_of(states.h, in_batch, plan.outputs),
                    };
                    gru::backward(gates, h_before, grad_h, grad_gates);
                }
            }
        }
    }
}

#[inline(always)]
fn row_of<T>(rows: &[T], row: usize, width: usize) -> &[T] {
    &rows[row * width..][..width]
}
