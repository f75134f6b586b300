//! One layer and direction of a recurrent network over a whole sequence, as one operation.

mod check;
mod composite;

use crate::autograd::function::{Saved, SecondOrder};
use crate::autograd::per_example::no_rule;
use crate::autograd::several::{MultiFunction, OutputGradients, apply_many};
use crate::autograd::{ExampleSink, Sink};
use crate::error::{Result, bug};
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Span, SweepOperands as Inputs, Swept};

pub use crate::tensor::exec::fused::RecurrentUnit;
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
    /// Types of 16 bits are computed in `F32`, all steps of them, and the results rounded back.
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
        let Sizes { time, batch, features, hidden, outputs, projected } = sizes;
        let sweep = fused::Sweep { unit, time, batch, features, hidden, outputs, projected, lengths, reverse };
        let mut results = apply_many(Sweep { sweep, has_bias, has_state, kept: None }, &inputs)?.into_iter();
        let (Some(out), Some(hidden), cell) = (results.next(), results.next(), results.next()) else {
            return Err(bug!(unit.name(), "a sweep without results"));
        };
        Ok((out, RecurrentState { hidden, cell }))
    }
}

/// Where examples are over: `[time, batch, 1]`.
fn resting(lengths: &[usize], time: usize) -> Result<Tensor> {
    let over = (0..time).flat_map(|step| lengths.iter().map(move |&len| step >= len)).collect();
    Tensor::from_vec::<bool>(over, [time, lengths.len(), 1])
}

/// The operation. Its results are the outputs, the final hidden state and, if there is one, the final cell state.
struct Sweep {
    sweep: fused::Sweep,
    has_bias: bool,
    has_state: bool,
    /// What the forward pass keeps besides its result.
    kept: Option<Swept>,
}

impl Sweep {
    /// The places of the projection and of the state among the inputs.
    fn places(&self) -> (usize, usize) {
        let projection = if self.has_bias { 5 } else { 3 };
        (projection, projection + usize::from(self.sweep.projected))
    }

    fn inputs<'a>(&self, inputs: &[&'a Tensor]) -> Inputs<'a> {
        let (projection, state) = self.places();
        Inputs {
            x: inputs[0],
            weight_ih: inputs[1],
            weight_hh: inputs[2],
            bias: self.has_bias.then(|| [inputs[3], inputs[4]]),
            weight_hr: self.sweep.projected.then(|| inputs[projection]),
            hidden: self.has_state.then(|| inputs[state]),
            cell: (self.has_state && self.sweep.unit.has_cell()).then(|| inputs[state + 1]),
        }
    }

    fn gradients(
        &self,
        inputs: &Inputs<'_>,
        kept: &Swept,
        out: &Tensor,
        grads: &OutputGradients<'_>,
        sink: &mut Sink<'_, '_>,
    ) -> Result<()> {
        let fused::Sweep { unit, time, batch, features, hidden, outputs, projected, .. } = self.sweep;
        let rows = time * batch;
        let grads = fused::sweep_backward(&self.sweep, inputs, kept, out, [0, 1, 2].map(|i| grads.get(i)))?;
        let grad_gates = &grads.gates;

        let grad_input = grad_gates.narrow(1, 0, unit.weights() * hidden)?;
        if sink.wants(0) {
            sink.give(0, grad_input.matmul(inputs.weight_ih)?.reshape(inputs.x.shape())?)?;
        }
        if sink.wants(1) {
            sink.give(1, grad_input.t().matmul(&inputs.x.reshape([rows, features])?)?)?;
        }
        let out = out.reshape([rows, outputs])?;
        if sink.wants(2) {
            sink.give(2, self.weight_hh_gradient(grad_gates, &out, inputs.hidden)?)?;
        }
        if self.has_bias && (sink.wants(3) || sink.wants(4)) {
            let sums = grad_gates.sum_dims(&[0], false)?;
            sink.give(3, sums.narrow(0, 0, unit.weights() * hidden)?)?;
            sink.give(4, self.by_span(|span| sums.narrow(0, span.gates, span.len))?)?;
        }
        let (projection, state) = self.places();
        if projected && sink.wants(projection) {
            sink.give(projection, grads.projected.t().matmul(&kept.projected)?)?;
        }
        if self.has_state {
            sink.give(state, grads.hidden)?;
            if self.sweep.unit.has_cell() {
                sink.give(state + 1, grads.cell)?;
            }
        }
        Ok(())
    }

    /// The sum over all steps of the gradients of the gates times the state before.
    fn weight_hh_gradient(&self, grad_gates: &Tensor, out: &Tensor, first: Option<&Tensor>) -> Result<Tensor> {
        let fused::Sweep { time, batch, reverse, .. } = self.sweep;
        let later = (time - 1) * batch;
        // The state before a step is the output of the step made before, except for the first. Where a row has rested
        // until then, that output is 0.
        let (to, from, begin) = if reverse { (0, batch, later) } else { (batch, 0, 0) };
        let (grads, states) = (grad_gates.narrow(0, to, later)?, out.narrow(0, from, later)?);
        let first = match (first, &self.sweep.lengths) {
            (None, _) => None,
            (Some(state), Some(lengths)) if reverse => {
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

    /// The states before each step: `[time, batch, outputs]`. Where a row rests, whatever there is; no gradient comes from there.
    fn states_before(&self, out: &Tensor, first: Option<&Tensor>) -> Result<Tensor> {
        let fused::Sweep { time, batch, outputs, reverse, .. } = self.sweep;
        let first = match first {
            Some(state) => state.unsqueeze(0)?,
            None => Tensor::full_dtype([1, batch, outputs], 0.0, out.dtype())?,
        };
        let made = out.narrow(0, usize::from(reverse), time - 1)?;
        let before = Tensor::cat(&if reverse { [&made, &first] } else { [&first, &made] }, 0)?;
        match &self.sweep.lengths {
            // Backwards, each row begins at an end of its own.
            Some(lengths) if reverse => {
                let begins = (0..time).flat_map(|step| lengths.iter().map(move |&len| step + 1 == len)).collect();
                Tensor::from_vec::<bool>(begins, [time, batch, 1])?.where_(&first, &before)
            }
            _ => Ok(before),
        }
    }

    /// The rows of a gradient of `weight_hh` or its bias, from the gates that each of them goes to.
    fn by_span(&self, part: impl Fn(Span) -> Result<Tensor>) -> Result<Tensor> {
        let mut parts = self.sweep.unit.spans(self.sweep.hidden).map(part).collect::<Result<Vec<_>>>()?;
        match parts.len() {
            1 => Ok(parts.remove(0)),
            _ => Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0),
        }
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

impl MultiFunction for Sweep {
    fn name(&self) -> &'static str {
        self.sweep.unit.name()
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let inputs = self.inputs(inputs);
        let ([out, hidden, cell], swept) = fused::sweep(&self.sweep, &inputs)?;
        self.kept = Some(swept);
        Ok(if self.sweep.unit.has_cell() { vec![out, hidden, cell] } else { vec![out, hidden] })
    }

    fn keeps_output(&self, i: usize) -> bool {
        i == 0
    }

    fn backward(&self, saved: &Saved<'_>, grads: &OutputGradients<'_>, sink: &mut Sink<'_, '_>) -> Result<()> {
        let Some(kept) = &self.kept else { return Err(bug!(self.name(), "a gradient without a forward pass")) };
        let inputs = self.inputs(&saved.inputs().iter().collect::<Vec<_>>());
        self.gradients(&inputs, kept, saved.output()?, grads, sink)
    }

    fn backward_per_example(
        &self,
        saved: &Saved<'_>,
        grads: &OutputGradients<'_>,
        sink: &mut ExampleSink<'_, '_>,
    ) -> Result<()> {
        // Steps stand in front of the examples, but not in the final state.
        if [1, 0, 0].iter().enumerate().any(|(i, axis)| sink.result_axis(i).is_some_and(|found| found != *axis)) {
            return Err(no_rule(self.name()));
        }
        let Some(kept) = &self.kept else { return Err(bug!(self.name(), "a gradient without a forward pass")) };
        let inputs = self.inputs(&saved.inputs().iter().collect::<Vec<_>>());
        let fused::Sweep { unit, time, batch, hidden, projected, .. } = self.sweep;
        let out = saved.output()?;
        let grads = fused::sweep_backward(&self.sweep, &inputs, kept, out, [0, 1, 2].map(|i| grads.get(i)))?;
        // Examples first: `[batch, time, ..]`.
        let each = |x: &Tensor| x.reshape([time, batch, x.numel() / (time * batch).max(1)])?.transpose(0, 1);
        let grad_input = grads.gates.narrow(1, 0, unit.weights() * hidden)?;
        let spans = unit.spans(hidden).map(|span| grads.gates.narrow(1, span.gates, span.len));
        let spans = spans.collect::<Result<Vec<_>>>()?;
        let grad_state = Tensor::cat(&spans.iter().collect::<Vec<_>>(), 1)?;
        if sink.wants(0) {
            sink.give_apart_in(0, 1, grad_input.matmul(inputs.weight_ih)?.reshape(inputs.x.shape())?)?;
        }
        if sink.wants(1) {
            sink.give_products(1, &each(&grad_input)?, &each(inputs.x)?)?;
        }
        if sink.wants(2) {
            sink.give_products(2, &each(&grad_state)?, &each(&self.states_before(out, inputs.hidden)?)?)?;
        }
        for (i, grad) in [(3, &grad_input), (4, &grad_state)] {
            if self.has_bias && sink.wants(i) {
                sink.give_each(i, each(grad)?.sum_dims(&[1], false)?)?;
            }
        }
        let (projection, state) = self.places();
        if projected && sink.wants(projection) {
            sink.give_products(projection, &each(&grads.projected)?, &each(&kept.projected)?)?;
        }
        if self.has_state {
            sink.give_apart_in(state, 0, grads.hidden)?;
            if unit.has_cell() {
                sink.give_apart_in(state + 1, 0, grads.cell)?;
            }
        }
        Ok(())
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        composite::sweep(&self.sweep, &self.inputs(&inputs.iter().collect::<Vec<_>>()))
    }
}
