//! The layers and directions of a recurrent network, whatever its unit.

use std::fmt;
use std::panic::Location;

use super::{Recurrent, RecurrentOutput, RecurrentState, RunOptions};
use crate::autograd::ops::recurrent::fitting;
use crate::autograd::{Recurrence, RecurrentUnit};
use crate::error::{Error, Result};
use crate::layers::core::{Init, Mode, Module, Param, Visitor, VisitorMut, check_memory};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The parameters of one layer in one direction, or of a cell.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    weight_ih: Param,
    weight_hh: Param,
    bias: Option<[Param; 2]>,
    weight_hr: Option<Param>,
}

impl Weights {
    /// Evenly distributed in `±1/√hidden`, as in PyTorch.
    #[track_caller]
    pub(super) fn new(unit: RecurrentUnit, features: usize, options: &Recurrent, rng: &mut Rng) -> Result<Self> {
        let Recurrent { hidden, bias, projection, .. } = *options;
        let init = Init::pytorch_default(hidden);
        let rows = hidden.saturating_mul(unit.weights());
        let mut draw = |shape: &[usize]| Param::new(init.tensor(shape, rng)?);
        Ok(Self {
            weight_ih: draw(&[rows, features])?,
            weight_hh: draw(&[rows, options.outputs()])?,
            bias: if bias { Some([draw(&[rows])?, draw(&[rows])?]) } else { None },
            weight_hr: projection.map(|outputs| draw(&[outputs, hidden])).transpose()?,
        })
    }

    /// The recurrence with these weights, forward and from zeros.
    pub(super) fn recurrence(&self, unit: RecurrentUnit) -> Recurrence<'_> {
        Recurrence {
            unit,
            weight_ih: &self.weight_ih,
            weight_hh: &self.weight_hh,
            bias: self.bias.as_ref().map(|biases| biases.each_ref().map(Param::value)),
            weight_hr: self.weight_hr.as_deref(),
            state: None,
            lengths: None,
            reverse: false,
        }
    }

    pub(super) fn remove_bias(&mut self) {
        self.bias = None;
    }

    pub(super) fn visit(&self, suffix: &str, visitor: &mut Visitor<'_>) {
        let Self { weight_ih, weight_hh, bias, weight_hr } = self;
        visitor.field(format_args!("weight_ih{suffix}"), weight_ih);
        visitor.field(format_args!("weight_hh{suffix}"), weight_hh);
        if let Some([bias_ih, bias_hh]) = bias {
            visitor.field(format_args!("bias_ih{suffix}"), bias_ih);
            visitor.field(format_args!("bias_hh{suffix}"), bias_hh);
        }
        if let Some(weight_hr) = weight_hr {
            visitor.field(format_args!("weight_hr{suffix}"), weight_hr);
        }
    }

    pub(super) fn visit_mut(&mut self, suffix: &str, visitor: &mut VisitorMut<'_>) {
        let Self { weight_ih, weight_hh, bias, weight_hr } = self;
        visitor.field(format_args!("weight_ih{suffix}"), weight_ih);
        visitor.field(format_args!("weight_hh{suffix}"), weight_hh);
        if let Some([bias_ih, bias_hh]) = bias {
            visitor.field(format_args!("bias_ih{suffix}"), bias_ih);
            visitor.field(format_args!("bias_hh{suffix}"), bias_hh);
        }
        if let Some(weight_hr) = weight_hr {
            visitor.field(format_args!("weight_hr{suffix}"), weight_hr);
        }
    }
}

/// A recurrent network of any unit.
#[derive(Clone)]
pub(crate) struct Stack {
    unit: RecurrentUnit,
    options: Recurrent,
    /// Layer by layer, forward before backward.
    parts: Vec<Weights>,
}

impl Stack {
    #[track_caller]
    pub(crate) fn new(op: &'static str, unit: RecurrentUnit, options: Recurrent, rng: &mut Rng) -> Result<Self> {
        options.check(op, unit.has_cell())?;
        let (parameters, tensors) = options.parameters(unit);
        check_memory(op, parameters, tensors)?;
        let joined = options.outputs().saturating_mul(options.directions());
        let mut parts = Vec::new();
        for layer in 0..options.layers {
            for _ in 0..options.directions() {
                let features = if layer == 0 { options.features } else { joined };
                parts.push(Weights::new(unit, features, &options, rng)?);
            }
        }
        Ok(Self { unit, options, parts })
    }

    pub(crate) fn options(&self) -> &Recurrent {
        &self.options
    }

    pub(super) fn unit(&self) -> RecurrentUnit {
        self.unit
    }

    pub(super) fn unit_mut(&mut self) -> &mut RecurrentUnit {
        &mut self.unit
    }

    /// `_l0`, `_l0_reverse`, `_l1` …
    fn suffix(&self, part: usize) -> String {
        let directions = self.options.directions();
        let reverse = if part % directions == 1 { "_reverse" } else { "" };
        format!("_l{}{reverse}", part / directions)
    }

    /// The outputs, `[batch, time, directions · outputs]`, and the final state of every part.
    #[track_caller]
    fn outputs(&self, x: &Tensor, run: RunOptions<'_>, mode: &mut Mode<'_>) -> Result<(Tensor, Vec<RecurrentState>)> {
        let directions = self.options.directions();
        let batch = x.shape()[0];
        let states = run.state.map(|state| self.split(state, batch)).transpose()?;
        // Steps first, so that the rows of a step are contiguous.
        let mut x = x.transpose(0, 1)?;
        let mut last = Vec::with_capacity(self.parts.len());
        for (layer, parts) in self.parts.chunks(directions).enumerate() {
            if let (Some(rng), true) = (mode.rng(), layer > 0 && self.options.dropout > 0.0) {
                x = x.dropout(self.options.dropout, rng)?;
            }
            let mut outputs = Vec::with_capacity(directions);
            for (direction, weights) in parts.iter().enumerate() {
                let state = states.as_ref().map(|states| &states[layer * directions + direction]);
                let recurrence = Recurrence {
                    state,
                    lengths: run.lengths,
                    reverse: direction == 1,
                    ..weights.recurrence(self.unit)
                };
                let (output, state) = x.recurrence(&recurrence)?;
                outputs.push(output);
                last.push(state);
            }
            x = match &*outputs {
                [output] => output.clone(),
                outputs => Tensor::cat(&outputs.iter().collect::<Vec<_>>(), -1)?,
            };
        }
        let output = x.transpose(0, 1)?.contiguous();
        Ok((output, last))
    }

    /// The states of the parts.
    #[track_caller]
    fn split(&self, state: &RecurrentState, batch: usize) -> Result<Vec<RecurrentState>> {
        let parts = self.parts.len();
        let caller = Location::caller();
        let fit = |what: &str, tensor: &Tensor, width: usize| {
            let shape = [parts, batch, width];
            if tensor.shape() != shape {
                let message = format!(
                    "the {what} state is {:?}, expected {shape:?}: layers · directions, batch, width",
                    tensor.shape()
                );
                return Err(Error::shape(self.unit.name(), message).at(caller));
            }
            Ok(())
        };
        fit("hidden", &state.hidden, self.options.outputs())?;
        if let Some(cell) = &state.cell {
            fit("cell", cell, self.options.hidden)?;
        }
        let part = |i: usize| {
            let cell = state.cell.as_ref().map(|cell| cell.select(0, i as isize)).transpose()?;
            Ok(RecurrentState { hidden: state.hidden.select(0, i as isize)?, cell })
        };
        (0..parts).map(part).collect()
    }

    /// The input as a batch, and whether it was a single sequence.
    #[track_caller]
    fn batched(&self, x: &Tensor) -> Result<(Tensor, bool)> {
        let name = self.unit.name();
        let (&[time, features] | &[_, time, features]) = x.shape() else {
            let message = format!("input {:?}, expected [batch, time, features] or [time, features]", x.shape());
            return Err(Error::shape(name, message));
        };
        fitting(name, x.shape(), time, features, self.options.features)?;
        let single = x.rank() == 2;
        Ok((if single { x.unsqueeze(0)? } else { x.clone() }, single))
    }

    #[track_caller]
    pub(crate) fn run(&self, x: &Tensor, run: RunOptions<'_>, mode: &mut Mode<'_>) -> Result<RecurrentOutput> {
        let (x, single) = self.batched(x)?;
        let state = match run.state {
            Some(state) if single => Some(state.map(|x| x.unsqueeze(1))?),
            _ => None,
        };
        let run = RunOptions { state: state.as_ref().or(run.state), ..run };
        let (output, parts) = self.outputs(&x, run, mode)?;
        let hidden = Tensor::stack(&parts.iter().map(|part| &part.hidden).collect::<Vec<_>>(), 0)?;
        let cells: Vec<_> = parts.iter().filter_map(|part| part.cell.as_ref()).collect();
        let cell = if cells.is_empty() { None } else { Some(Tensor::stack(&cells, 0)?) };
        let state = RecurrentState { hidden, cell };
        match single {
            true => Ok(RecurrentOutput { output: output.squeeze(0)?, state: state.map(|x| x.squeeze(1))? }),
            false => Ok(RecurrentOutput { output, state }),
        }
    }

    #[track_caller]
    pub(crate) fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let (x, single) = self.batched(x)?;
        let (output, _) = self.outputs(&x, RunOptions::default(), mode)?;
        if single { output.squeeze(0) } else { Ok(output) }
    }
}

impl Module for Stack {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        for (i, part) in self.parts.iter().enumerate() {
            part.visit(&self.suffix(i), visitor);
        }
    }

    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        let suffixes: Vec<_> = (0..self.parts.len()).map(|i| self.suffix(i)).collect();
        for (part, suffix) in self.parts.iter_mut().zip(suffixes) {
            part.visit_mut(&suffix, visitor);
        }
    }

    fn kind(&self) -> &'static str {
        match self.unit {
            RecurrentUnit::Tanh | RecurrentUnit::Relu => "Rnn",
            RecurrentUnit::Lstm => "Lstm",
            RecurrentUnit::Gru => "Gru",
        }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recurrent { features, hidden, layers, bidirectional, bias, dropout, projection } = self.options;
        write!(f, "{}({features} → {hidden}", self.kind())?;
        if self.unit == RecurrentUnit::Relu {
            f.write_str(", relu")?;
        }
        if layers > 1 {
            write!(f, ", {layers} layers")?;
        }
        if bidirectional {
            f.write_str(", bidirectional")?;
        }
        if let Some(outputs) = projection {
            write!(f, ", projected to {outputs}")?;
        }
        if dropout > 0.0 {
            write!(f, ", dropout {dropout}")?;
        }
        f.write_str(if bias { ")" } else { ", no bias)" })
    }
}
