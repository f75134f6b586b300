//! One layer and direction of a recurrent network over a whole sequence, as one operation.

mod check;
mod composite;

use crate::autograd::Sink;
use crate::autograd::function::{Function, Saved, SecondOrder, apply};
use crate::error::{Result, bug};
use crate::tensor::create::stale;
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::Real;
use crate::tensor::kernels::gemm::{Gemm, MatRef, gemm};
use crate::tensor::kernels::recurrent::{self as kernel, Backward, Forward, Plan, States};
use crate::tensor::{Element, Tensor};

pub use crate::tensor::kernels::recurrent::Unit as RecurrentUnit;
pub(crate) use check::fitting;

use check::Sizes;

/// What a recurrent network remembers between two steps.
#[derive(Debug, Clone)]
pub struct RecurrentState {
    /// The hidden state, which is also the output of a step: `[.., batch, outputs]`.
    pub hidden: Tensor,
    /// The cell state of a long short-term memory: `[.., batch, hidden]`.
    pub cell: Option<Tensor>,
}

impl RecurrentState {
    /// What `f` makes of both.
    #[track_caller]
    pub(crate) fn map(&self, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { hidden: f(&self.hidden)?, cell: self.cell.as_ref().map(f).transpose()? })
    }
}

/// One layer and direction of a recurrent network, for [`Tensor::recurrence`].
///
/// With `G` weights in the unit (1, 3 for the gated recurrent unit, 4 for the long short-term memory):
#[derive(Debug, Clone, Copy)]
pub struct Recurrence<'a> {
    /// What a step computes.
    pub unit: RecurrentUnit,
    /// The weights of the input: `[G · hidden, features]`.
    pub weight_ih: &'a Tensor,
    /// The weights of the state: `[G · hidden, outputs]`.
    pub weight_hh: &'a Tensor,
    /// The biases of both products, `[G · hidden]` each.
    pub bias: Option<[&'a Tensor; 2]>,
    /// A projection of the outputs of a long short-term memory (Sak et al., 2014): `[outputs, hidden]`. Without it there
    /// are as many outputs as hidden units.
    pub weight_hr: Option<&'a Tensor>,
    /// The state before the first step: `[batch, outputs]` and, for a long short-term memory, `[batch, hidden]`. Without it,
    /// zeros.
    pub state: Option<&'a RecurrentState>,
    /// How many steps each example has, from 1 to all of them. What is behind them is not looked at.
    pub lengths: Option<&'a [usize]>,
    /// Whether to go from the last step of each example to the first.
    pub reverse: bool,
}

/// # Recurrence
impl Tensor {
    /// Runs one layer and direction of a recurrent network over `[time, batch, features]`: the outputs
    /// `[time, batch, outputs]`, which are 0 behind the end of an example, and the state after the last step of each.
    ///
    /// The products of all steps' inputs are one product of matrices. So are, after a sweep back through time, the
    /// gradients of the weights and of the inputs. [`Rnn`](crate::layers::Rnn), [`Lstm`](crate::layers::Lstm) and
    /// [`Gru`](crate::layers::Gru) stack this operation.
    ///
    /// # Errors
    /// If there are no steps, shapes or types do not fit, or a length is not one of 1 to the number of steps.
    ///
    /// ```
    /// use demotic::autograd::{Recurrence, RecurrentUnit};
    /// use demotic::{Tensor, tensor};
    ///
    /// // Adds up what it sees.
    /// let one = tensor![[1.0]];
    /// let sum = Recurrence {
    ///     unit: RecurrentUnit::Relu,
    ///     weight_ih: &one,
    ///     weight_hh: &one,
    ///     bias: None,
    ///     weight_hr: None,
    ///     state: None,
    ///     lengths: None,
    ///     reverse: false,
    /// };
    /// let x = tensor![1.0, 2.0, 3.0].reshape([3, 1, 1])?;
    /// let (outputs, last) = x.recurrence(&sum)?;
    /// assert_eq!(outputs.to_vec::<f32>()?, [1.0, 3.0, 6.0]);
    /// assert_eq!(last.hidden.to_vec::<f32>()?, [6.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn recurrence(&self, recurrence: &Recurrence<'_>) -> Result<(Tensor, RecurrentState)> {
        let sizes = Sizes::check(self, recurrence)?;
        let Recurrence { unit, weight_ih, weight_hh, bias, weight_hr, state, lengths, reverse } = *recurrence;
        // Whatever stands behind the end of an example must not reach a gradient, not even as 0 · NaN.
        let ends = lengths.filter(|lengths| lengths.iter().any(|&len| len < sizes.time));
        let x = match ends {
            Some(lengths) => self.masked_fill(&resting(lengths, sizes.time)?, 0.0)?,
            None => self.contiguous(),
        };
        let mut inputs = vec![&x, weight_ih, weight_hh];
        inputs.extend(bias.into_iter().flatten());
        inputs.extend(weight_hr);
        if let Some(state) = state {
            inputs.push(&state.hidden);
            inputs.extend(state.cell.as_ref());
        }
        let lengths = ends.map(<[usize]>::to_vec);
        let (has_bias, has_state) = (bias.is_some(), state.is_some());
        let all = apply(Sweep { unit, sizes, lengths, reverse, has_bias, has_state, kept: None }, &inputs)?;

        let Sizes { time, batch, hidden, outputs, .. } = sizes;
        let out = all.narrow(0, 0, time * batch * outputs)?.reshape([time, batch, outputs])?;
        let after = time * batch * outputs;
        let last = all.narrow(0, after, batch * outputs)?.reshape([batch, outputs])?;
        let cell = match unit.has_cell() {
            true => Some(all.narrow(0, after + batch * outputs, batch * hidden)?.reshape([batch, hidden])?),
            false => None,
        };
        Ok((out, RecurrentState { hidden: last, cell }))
    }
}

/// Where examples are over: `[time, batch, 1]`.
fn resting(lengths: &[usize], time: usize) -> Result<Tensor> {
    let over = (0..time).flat_map(|step| lengths.iter().map(move |&len| step >= len)).collect();
    Tensor::from_vec::<bool>(over, [time, lengths.len(), 1])
}

/// The operation. Its result is the outputs, the final hidden state and the final cell state, one after the other.
struct Sweep {
    unit: RecurrentUnit,
    sizes: Sizes,
    lengths: Option<Vec<usize>>,
    reverse: bool,
    has_bias: bool,
    has_state: bool,
    kept: Option<Kept>,
}

/// What the forward pass keeps besides its result. Parts that a unit has no use for are empty.
struct Kept {
    /// `[time · batch, width]`.
    gates: Tensor,
    /// `[time · batch, hidden]`.
    cells: Tensor,
    /// `[time · batch, hidden]`.
    projected: Tensor,
}

/// The inputs by name.
struct Inputs<'a> {
    x: &'a Tensor,
    weight_ih: &'a Tensor,
    weight_hh: &'a Tensor,
    bias: Option<[&'a Tensor; 2]>,
    weight_hr: Option<&'a Tensor>,
    hidden: Option<&'a Tensor>,
    cell: Option<&'a Tensor>,
}

impl Sweep {
    fn plan(&self) -> Plan<'_> {
        let Sizes { time, batch, hidden, outputs, projected, .. } = self.sizes;
        let lengths = self.lengths.as_deref();
        Plan { unit: self.unit, time, batch, hidden, outputs, projected, reverse: self.reverse, lengths }
    }

    /// The places of the projection and of the state among the inputs.
    fn places(&self) -> (usize, usize) {
        let projection = if self.has_bias { 5 } else { 3 };
        (projection, projection + usize::from(self.sizes.projected))
    }

    fn inputs<'a>(&self, inputs: &[&'a Tensor]) -> Inputs<'a> {
        let (projection, state) = self.places();
        Inputs {
            x: inputs[0],
            weight_ih: inputs[1],
            weight_hh: inputs[2],
            bias: self.has_bias.then(|| [inputs[3], inputs[4]]),
            weight_hr: self.sizes.projected.then(|| inputs[projection]),
            hidden: self.has_state.then(|| inputs[state]),
            cell: (self.has_state && self.unit.has_cell()).then(|| inputs[state + 1]),
        }
    }

    fn run<T: Element + Real + Gemm>(&mut self, inputs: &Inputs<'_>) -> Result<Tensor> {
        let plan = self.plan();
        let Plan { time, batch, hidden, outputs, .. } = plan;
        let (name, dtype, rows) = (self.unit.name(), inputs.x.dtype(), time * batch);
        let mut gates = stale(name, &[rows, plan.width()], dtype)?;
        self.input_products::<T>(inputs, gates.data_mut());
        let mut cells = stale(name, &[rows, plan.cell_width()], dtype)?;
        let mut projected = stale(name, &[rows, plan.projected_width()], dtype)?;
        let mut scratch = stale(name, &[plan.forward_scratch()], dtype)?;
        let (weight_hh, weight_hr) = (inputs.weight_hh.packed(), inputs.weight_hr.map(|weight| weight.packed()));
        let mut all = stale(name, &[rows * outputs + batch * (outputs + plan.cell_width())], dtype)?;
        let (out, state) = all.data_mut::<T>().split_at_mut(rows * outputs);
        let (h, c) = state.split_at_mut(batch * outputs);
        start(inputs.hidden, h);
        start(inputs.cell, c);
        if c.len() != batch * if self.unit.has_cell() { hidden } else { 0 } {
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
                out,
                h,
                c,
                scratch: scratch.data_mut(),
            },
        );
        self.kept = Some(Kept { gates, cells, projected });
        Ok(all)
    }

    /// `x · weight_ihᵀ` and all biases, of all steps.
    fn input_products<T: Element + Real + Gemm>(&self, inputs: &Inputs<'_>, gates: &mut [T]) {
        let Sizes { time, batch, features, hidden, .. } = self.sizes;
        let width = self.unit.gates() * hidden;
        let columns = self.unit.weights() * hidden;
        let mut sum = vec![T::zero(); width];
        if let Some([bias_ih, bias_hh]) = inputs.bias.map(|biases| biases.map(Tensor::packed)) {
            sum[..columns].copy_from_slice(bias_ih.data());
            for span in self.unit.spans(hidden) {
                let bias = &bias_hh.data::<T>()[span.weight..][..span.len];
                sum[span.gates..][..span.len].iter_mut().zip(bias).for_each(|(sum, &bias)| *sum += bias);
            }
        }
        let (input, own) = sum.split_at(columns);
        if !own.is_empty() {
            gates.chunks_exact_mut(width).for_each(|row| row[columns..].copy_from_slice(own));
        }
        let x = inputs.x.packed();
        let weight = inputs.weight_ih.packed();
        let x = MatRef { data: x.data(), rows: time * batch, cols: features, row_stride: features, col_stride: 1 };
        let weight = MatRef { data: weight.data(), rows: features, cols: columns, row_stride: 1, col_stride: features };
        gemm(T::one(), x, weight, T::zero(), gates, width, Some(input));
    }

    fn gradients<T: Element + Real + Gemm>(
        &self,
        inputs: &Inputs<'_>,
        kept: &Kept,
        all: &Tensor,
        grad: &Tensor,
        sink: &mut Sink<'_, '_>,
    ) -> Result<()> {
        let plan = self.plan();
        let Plan { time, batch, hidden, outputs, .. } = plan;
        let (name, dtype, rows) = (self.unit.name(), inputs.x.dtype(), time * batch);
        let (all, grad) = (all.packed(), grad.packed());
        let (weight_hh, weight_hr) = (inputs.weight_hh.packed(), inputs.weight_hr.map(|weight| weight.packed()));
        let mut initial = stale(name, &[batch * (outputs + plan.cell_width())], dtype)?;
        let (h, c) = initial.data_mut::<T>().split_at_mut(batch * outputs);
        start(inputs.hidden, h);
        start(inputs.cell, c);
        let (grad_out, grad_last) = grad.data::<T>().split_at(rows * outputs);
        // The gradients of the final state become those of the initial one.
        let mut grad_h = Tensor::build::<T>(&[batch, outputs], |h| h.copy_from_slice(&grad_last[..batch * outputs]));
        let mut grad_c = Tensor::build::<T>(&[batch, plan.cell_width()], |c| {
            c.copy_from_slice(&grad_last[batch * outputs..]);
        });
        let mut grad_gates = stale(name, &[rows, plan.width()], dtype)?;
        let mut grad_projected = stale(name, &[rows, if plan.projected { outputs } else { 0 }], dtype)?;
        let mut scratch = stale(name, &[plan.backward_scratch()], dtype)?;
        kernel::backward(
            &plan,
            Backward {
                weight_hh: weight_hh.data(),
                weight_hr: weight_hr.as_ref().map(|weight| weight.data()),
                states: States {
                    gates: kept.gates.data(),
                    cells: kept.cells.data(),
                    out: &all.data::<T>()[..rows * outputs],
                    h,
                    c,
                },
                grad_out,
                grad_h: grad_h.data_mut(),
                grad_c: grad_c.data_mut(),
                grad_gates: grad_gates.data_mut(),
                grad_projected: grad_projected.data_mut(),
                scratch: scratch.data_mut(),
            },
        );

        let grad_input = grad_gates.narrow(1, 0, self.unit.weights() * hidden)?;
        if sink.wants(0) {
            sink.give(0, grad_input.matmul(inputs.weight_ih)?.reshape(inputs.x.shape())?)?;
        }
        if sink.wants(1) {
            sink.give(1, grad_input.t().matmul(&inputs.x.reshape([rows, self.sizes.features])?)?)?;
        }
        let out = all.narrow(0, 0, rows * outputs)?.reshape([rows, outputs])?;
        if sink.wants(2) {
            sink.give(2, self.weight_hh_gradient(&grad_gates, &out, inputs.hidden)?)?;
        }
        if self.has_bias && (sink.wants(3) || sink.wants(4)) {
            let sums = grad_gates.sum_dims(&[0], false)?;
            sink.give(3, sums.narrow(0, 0, self.unit.weights() * hidden)?)?;
            sink.give(4, self.by_span(|span| sums.narrow(0, span.gates, span.len))?)?;
        }
        let (projection, state) = self.places();
        if plan.projected && sink.wants(projection) {
            sink.give(projection, grad_projected.t().matmul(&kept.projected)?)?;
        }
        if self.has_state {
            sink.give(state, grad_h)?;
            if self.unit.has_cell() {
                sink.give(state + 1, grad_c)?;
            }
        }
        Ok(())
    }

    /// The sum over all steps of the gradients of the gates times the state before.
    fn weight_hh_gradient(&self, grad_gates: &Tensor, out: &Tensor, first: Option<&Tensor>) -> Result<Tensor> {
        let Sizes { time, batch, .. } = self.sizes;
        let later = (time - 1) * batch;
        // The state before a step is the output of the step made before, except for the first. Where a row has rested
        // until then, that output is 0.
        let (to, from, begin) = if self.reverse { (0, batch, later) } else { (batch, 0, 0) };
        let (grads, states) = (grad_gates.narrow(0, to, later)?, out.narrow(0, from, later)?);
        let first = match (first, &self.lengths) {
            (None, _) => None,
            (Some(state), Some(lengths)) if self.reverse => {
                let rows = lengths.iter().enumerate().map(|(row, len)| ((len - 1) * batch + row) as i64).collect();
                Some((grad_gates.index_select(0, &Tensor::from_vec::<i64>(rows, [batch])?)?, state))
            }
            (Some(state), _) => Some((grad_gates.narrow(0, begin, batch)?, state)),
        };
        self.by_span(|span| {
            let product = grads.narrow(1, span.gates, span.len)?.t().matmul(&states)?;
            match &first {
                Some((grads, state)) => product.add(&grads.narrow(1, span.gates, span.len)?.t().matmul(state)?),
                None => Ok(product),
            }
        })
    }

    /// The rows of a gradient of `weight_hh` or its bias, from the gates that each of them goes to.
    fn by_span(&self, part: impl Fn(kernel::Span) -> Result<Tensor>) -> Result<Tensor> {
        let mut parts = self.unit.spans(self.sizes.hidden).map(part).collect::<Result<Vec<_>>>()?;
        match parts.len() {
            1 => Ok(parts.remove(0)),
            _ => Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0),
        }
    }
}

/// The initial state, or zeros.
fn start<T: Element + Real>(state: Option<&Tensor>, to: &mut [T]) {
    match state {
        Some(state) => to.copy_from_slice(state.packed().data()),
        None => to.fill(T::zero()),
    }
}

impl RecurrentUnit {
    /// The name of the operation.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Tanh | Self::Relu => "rnn",
            Self::Lstm => "lstm",
            Self::Gru => "gru",
        }
    }
}

impl Function for Sweep {
    fn name(&self) -> &'static str {
        self.unit.name()
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let inputs = self.inputs(inputs);
        with_float!(inputs.x.dtype(), T => self.run::<T>(&inputs), else {
            Err(bug!(self.name(), "an input of type {}", inputs.x.dtype()))
        })
    }

    fn keeps_output(&self) -> bool {
        true
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let Some(kept) = &self.kept else { return Err(bug!(self.name(), "a gradient without a forward pass")) };
        let inputs = self.inputs(&saved.inputs().iter().collect::<Vec<_>>());
        let all = saved.output()?;
        with_float!(grad.dtype(), T => self.gradients::<T>(&inputs, kept, all, grad, sink), else {
            Err(bug!(self.name(), "a gradient of type {}", grad.dtype()))
        })
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        composite::sweep(self, &self.inputs(&inputs.iter().collect::<Vec<_>>()))
    }
}
