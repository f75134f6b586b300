//! The sweeps over time of recurrent networks: everything that has to be done step by step.
//!
//! The products of the inputs with their weights need no order and are made beforehand, for all steps in one product of
//! matrices; so are, after the backward sweep, the gradients of weights and inputs. What remains for each step is one small
//! product with the state, and one pass over the gates.
//!
//! Sequences are time-major, `[time, batch, width]`, so that the rows of a step are contiguous. The batch is cut into
//! blocks of rows, which know nothing of each other and go through all of time on a thread of their own.
//!
//! | unit | state | gates, each `hidden` wide |
//! |---|---|---|
//! | [`Tanh`](Unit::Tanh), [`Relu`](Unit::Relu) | h | the sum itself |
//! | [`Lstm`](Unit::Lstm) | h, c | input, forget, candidate, output |
//! | [`Gru`](Unit::Gru) | h | reset, update, new (from the input), new (from the state) |

mod factor;
mod gru;
mod lstm;
mod rnn;
mod sweep;
#[cfg(test)]
mod tests;

use super::Real;
use super::gemm::Gemm;
use crate::parallel;

use factor::Factor;
use sweep::{BackwardBlock, ForwardBlock};

/// What a recurrent network computes at each step, from an input `x` and the state. `W` and `b` are its weights and biases,
/// `σ` is the sigmoid, `∘` the product of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// `h = tanh(W x + b + W' h + b')` (Elman, 1990).
    Tanh,
    /// `h = relu(W x + b + W' h + b')`.
    Relu,
    /// The long short-term memory (Hochreiter and Schmidhuber, 1997). With `i`, `f` and `o` the sigmoids of their sums, and
    /// `g` the tanh of its own: `c = f ∘ c + i ∘ g`, `h = o ∘ tanh(c)`. The weights are those of `i`, `f`, `g` and `o`, in
    /// this order.
    Lstm,
    /// The gated recurrent unit (Cho et al., 2014). With `r` and `z` the sigmoids of their sums, and
    /// `n = tanh(W x + b + r ∘ (W' h + b'))`: `h = (1 - z) ∘ n + z ∘ h`. The weights are those of `r`, `z` and `n`, in
    /// this order.
    Gru,
}

/// Gates that the product of the state with rows of the recurrent weight is added to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// The first gate column.
    pub(crate) gates: usize,
    /// The first row of the weight.
    pub(crate) weight: usize,
    /// How many there are.
    pub(crate) len: usize,
}

impl Unit {
    /// How many gates a row has.
    pub(crate) fn gates(self) -> usize {
        match self {
            Self::Tanh | Self::Relu => 1,
            Self::Lstm | Self::Gru => 4,
        }
    }

    /// How many of them, counted from the first, the product of the input with its weight is added to. The weights
    /// have as many times `hidden` rows.
    pub(crate) fn weights(self) -> usize {
        match self {
            Self::Tanh | Self::Relu => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// Whether there is a cell state.
    pub(crate) fn has_cell(self) -> bool {
        self == Self::Lstm
    }

    /// Where the products of the state go.
    pub(crate) fn spans(self, hidden: usize) -> impl Iterator<Item = Span> + Clone {
        let shared = if self == Self::Gru { 2 } else { self.gates() } * hidden;
        let own = self.weights() * hidden - shared;
        let last = Span { gates: self.gates() * hidden - own, weight: shared, len: own };
        [Span { gates: 0, weight: 0, len: shared }, last].into_iter().filter(|span| span.len > 0)
    }
}

/// The sizes of a sweep, and which steps it makes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) unit: Unit,
    pub(crate) time: usize,
    pub(crate) batch: usize,
    pub(crate) hidden: usize,
    /// The width of outputs and of the state h: `hidden`, or that of the projection.
    pub(crate) outputs: usize,
    pub(crate) projected: bool,
    /// From the last step to the first.
    pub(crate) reverse: bool,
    /// How many steps each row has, at most `time`. A row rests in the others: its state stays, its output is 0.
    pub(crate) lengths: Option<&'a [usize]>,
}

/// Rows of a block: few enough for `gemm` to read weights in place, and for a batch of 64 to occupy four threads.
const ROWS: usize = 16;

/// Multiplications and additions in all of time from which on threads are worth it: about 100 µs.
const LARGE: usize = 10_000_000;

impl Plan<'_> {
    /// The step that is made as number `i`.
    pub(crate) fn step(&self, i: usize) -> usize {
        if self.reverse { self.time - 1 - i } else { i }
    }

    fn is_active(&self, step: usize, row: usize) -> bool {
        self.lengths.is_none_or(|lengths| lengths.get(row).is_none_or(|&len| step < len))
    }

    /// The width of a row of gates.
    pub(crate) fn width(&self) -> usize {
        self.unit.gates() * self.hidden
    }

    /// The width of a row of cell states.
    pub(crate) fn cell_width(&self) -> usize {
        if self.unit.has_cell() { self.hidden } else { 0 }
    }

    /// The width of a row of states before they are projected.
    pub(crate) fn projected_width(&self) -> usize {
        if self.projected { self.hidden } else { 0 }
    }

    /// How many elements [`Forward::scratch`] must have.
    pub(crate) fn forward_scratch(&self) -> usize {
        let weights = self.outputs * (self.unit.weights() * self.hidden + self.projected_width());
        if self.time > 1 { weights } else { 0 }
    }

    /// How many elements [`Backward::scratch`] must have.
    pub(crate) fn backward_scratch(&self) -> usize {
        self.forward_scratch() + self.batch * self.projected_width()
    }

    /// Asserts that the weights have the elements that they must have.
    fn assert_fits<T>(&self, weight_hh: &[T], weight_hr: Option<&[T]>) {
        let fits = weight_hh.len() == self.unit.weights() * self.hidden * self.outputs
            && weight_hr.is_none_or(|weight| weight.len() == self.outputs * self.hidden)
            && weight_hr.is_some() == self.projected
            && self.lengths.is_none_or(|lengths| lengths.len() == self.batch);
        assert!(fits, "recurrent: weights and lengths");
    }

    /// The rows of each block.
    fn blocks(&self) -> impl Iterator<Item = usize> + Clone {
        // A single step is one product, which uses threads by itself.
        let work = self.time.saturating_mul(self.batch).saturating_mul(self.outputs * self.width());
        let rows = if self.time > 1 && work >= LARGE { ROWS } else { self.batch.max(1) };
        let batch = self.batch;
        (0..batch).step_by(rows).map(move |first| rows.min(batch - first))
    }

    /// The parts of rows of all steps, `[time, batch, width]`, by block and step.
    fn by_block<'d, T>(&self, time: usize, width: usize, data: &'d mut [T]) -> Vec<Vec<&'d mut [T]>> {
        assert_eq!(data.len(), time * self.batch * width, "recurrent: rows of {width} elements");
        let mut blocks: Vec<Vec<&mut [T]>> = self.blocks().map(|_| Vec::with_capacity(time)).collect();
        let mut rest = data;
        // Of no rows there can be any number of steps.
        for _ in 0..if blocks.is_empty() { 0 } else { time } {
            for (block, rows) in blocks.iter_mut().zip(self.blocks()) {
                let at = (rows * width).min(rest.len());
                let (part, others) = std::mem::take(&mut rest).split_at_mut(at);
                block.push(part);
                rest = others;
            }
        }
        blocks
    }

    /// The parts of the rows of one step, by block.
    fn rows_by_block<'d, T>(&self, width: usize, data: &'d mut [T]) -> impl Iterator<Item = &'d mut [T]> {
        self.by_block(1, width, data).into_iter().flatten()
    }

    fn first_rows(&self) -> impl Iterator<Item = usize> {
        self.blocks().scan(0, |next, rows| {
            *next += rows;
            Some(*next - rows)
        })
    }
}

/// What a forward sweep works on. Slices that a unit has no use for are empty.
pub(crate) struct Forward<'a, T> {
    /// `[weights · hidden, outputs]`.
    pub(crate) weight_hh: &'a [T],
    /// `[outputs, hidden]`.
    pub(crate) weight_hr: Option<&'a [T]>,
    /// `[time, batch, gates · hidden]`: first the products of the inputs, with all biases; then the gates.
    pub(crate) gates: &'a mut [T],
    /// `[time, batch, hidden]`: the cell state after each step.
    pub(crate) cells: &'a mut [T],
    /// `[time, batch, hidden]`: what is projected.
    pub(crate) projected: &'a mut [T],
    /// `[time, batch, outputs]`.
    pub(crate) out: &'a mut [T],
    /// `[batch, outputs]`: first the initial state, then the final one.
    pub(crate) h: &'a mut [T],
    /// `[batch, hidden]`: the same of the cell.
    pub(crate) c: &'a mut [T],
    /// Any values.
    pub(crate) scratch: &'a mut [T],
}

/// Goes through all steps.
pub(crate) fn forward<T: Real + Gemm>(plan: &Plan<'_>, sweep: Forward<'_, T>) {
    plan.assert_fits(sweep.weight_hh, sweep.weight_hr);
    assert!(sweep.scratch.len() >= plan.forward_scratch(), "recurrent: scratch");
    let mut scratch = sweep.scratch;
    let recur: Vec<_> = plan
        .unit
        .spans(plan.hidden)
        .map(|span| {
            let rows = &sweep.weight_hh[span.weight * plan.outputs..];
            (span, Factor::transposed(rows, span.len, plan.outputs, plan.time, &mut scratch))
        })
        .collect();
    let project =
        sweep.weight_hr.map(|weight| Factor::transposed(weight, plan.outputs, plan.hidden, plan.time, &mut scratch));

    let mut gates = plan.by_block(plan.time, plan.width(), sweep.gates).into_iter();
    let mut cells = plan.by_block(plan.time, plan.cell_width(), sweep.cells).into_iter();
    let mut projected = plan.by_block(plan.time, plan.projected_width(), sweep.projected).into_iter();
    let mut out = plan.by_block(plan.time, plan.outputs, sweep.out).into_iter();
    let mut h = plan.rows_by_block(plan.outputs, sweep.h);
    let mut c = plan.rows_by_block(plan.cell_width(), sweep.c);
    let blocks = plan.first_rows().map_while(|first| {
        Some(ForwardBlock {
            first,
            gates: gates.next()?,
            cells: cells.next()?,
            projected: projected.next()?,
            out: out.next()?,
            h: h.next()?,
            c: c.next()?,
        })
    });
    parallel::for_each(blocks.collect(), &|block| block.run(plan, &recur, project.as_ref()));
}

/// What a backward sweep works on. Slices that a unit has no use for are empty.
pub(crate) struct Backward<'a, T> {
    /// `[weights · hidden, outputs]`.
    pub(crate) weight_hh: &'a [T],
    /// `[outputs, hidden]`.
    pub(crate) weight_hr: Option<&'a [T]>,
    /// What the forward sweep made.
    pub(crate) states: States<'a, T>,
    /// `[time, batch, outputs]`: the gradient of the outputs.
    pub(crate) grad_out: &'a [T],
    /// `[batch, outputs]`: first the gradient of the final state, then that of the initial one.
    pub(crate) grad_h: &'a mut [T],
    /// `[batch, hidden]`: the same of the cell.
    pub(crate) grad_c: &'a mut [T],
    /// `[time, batch, gates · hidden]`: the gradient of the sums that gates are functions of. 0 where a row rests.
    pub(crate) grad_gates: &'a mut [T],
    /// `[time, batch, outputs]`: the whole gradient of what the projection gave. 0 where a row rests.
    pub(crate) grad_projected: &'a mut [T],
    /// Any values.
    pub(crate) scratch: &'a mut [T],
}

/// States and gates, as the forward sweep left them.
#[derive(Clone, Copy)]
pub(crate) struct States<'a, T> {
    pub(crate) gates: &'a [T],
    pub(crate) cells: &'a [T],
    pub(crate) out: &'a [T],
    /// The initial states.
    pub(crate) h: &'a [T],
    pub(crate) c: &'a [T],
}

/// Goes through all steps from the last one made to the first.
pub(crate) fn backward<T: Real + Gemm>(plan: &Plan<'_>, sweep: Backward<'_, T>) {
    plan.assert_fits(sweep.weight_hh, sweep.weight_hr);
    let States { gates, cells, out, h, c } = sweep.states;
    let rows = plan.time * plan.batch;
    let fits = gates.len() == rows * plan.width()
        && cells.len() == rows * plan.cell_width()
        && out.len() == rows * plan.outputs
        && sweep.grad_out.len() == out.len()
        && h.len() == plan.batch * plan.outputs
        && c.len() == plan.batch * plan.cell_width();
    assert!(fits, "recurrent: states of the forward sweep");
    assert!(sweep.scratch.len() >= plan.backward_scratch(), "recurrent: scratch");
    let (mut scratch, unprojected) = sweep.scratch.split_at_mut(plan.forward_scratch());
    let recur: Vec<_> = plan
        .unit
        .spans(plan.hidden)
        .map(|span| {
            let rows = &sweep.weight_hh[span.weight * plan.outputs..];
            (span, Factor::upright(rows, span.len, plan.outputs, plan.time, &mut scratch))
        })
        .collect();
    let project =
        sweep.weight_hr.map(|weight| Factor::upright(weight, plan.outputs, plan.hidden, plan.time, &mut scratch));

    let mut grad_gates = plan.by_block(plan.time, plan.width(), sweep.grad_gates).into_iter();
    let projected = if plan.projected { plan.outputs } else { 0 };
    let mut grad_projected = plan.by_block(plan.time, projected, sweep.grad_projected).into_iter();
    let mut unprojected = plan.rows_by_block(plan.projected_width(), unprojected);
    let mut grad_h = plan.rows_by_block(plan.outputs, sweep.grad_h);
    let mut grad_c = plan.rows_by_block(plan.cell_width(), sweep.grad_c);
    let blocks = plan.first_rows().map_while(|first| {
        Some(BackwardBlock {
            first,
            states: sweep.states,
            grad_out: sweep.grad_out,
            grad_gates: grad_gates.next()?,
            grad_projected: grad_projected.next()?,
            unprojected: unprojected.next()?,
            grad_h: grad_h.next()?,
            grad_c: grad_c.next()?,
        })
    });
    parallel::for_each(blocks.collect(), &|block| block.run(plan, &recur, project.as_ref()));
}
