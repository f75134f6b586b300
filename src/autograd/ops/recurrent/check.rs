//! Whether the tensors of a recurrence fit each other.

use std::panic::Location;

use super::{Recurrence, RecurrentState, RecurrentUnit};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::create::check_shape;

/// The sizes of a recurrence whose tensors fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) time: usize,
    pub(super) batch: usize,
    pub(super) features: usize,
    pub(super) hidden: usize,
    pub(super) outputs: usize,
    pub(super) projected: bool,
}

impl Sizes {
    #[track_caller]
    pub(super) fn check(x: &Tensor, recurrence: &Recurrence<'_>) -> Result<Self> {
        let Recurrence { unit, weight_ih, weight_hh, bias, weight_hr, state, lengths, .. } = *recurrence;
        let name = unit.name();
        x.expect_any_float(name, "the input")?;
        let &[time, batch, features] = x.shape() else {
            let message = format!("input {:?}, expected [time, batch, features]", x.shape());
            return Err(Error::shape(name, message));
        };
        let caller = Location::caller();
        let fit = |what: &str, tensor: &Tensor, shape: &[usize]| {
            tensor.expect_dtype(name, what, x.dtype())?;
            if tensor.shape() != shape {
                let message = format!("{what} is {:?}, expected {shape:?}", tensor.shape());
                return Err(Error::shape(name, message).at(caller));
            }
            Ok(())
        };
        let gates = unit.weights();
        let (&[rows, takes], &[_, outputs]) = (weight_ih.shape(), weight_hh.shape()) else {
            let message = format!("weights {:?} and {:?}, expected two matrices", weight_ih.shape(), weight_hh.shape());
            return Err(Error::shape(name, message));
        };
        let hidden = rows / gates;
        if takes == 0 || hidden == 0 || outputs == 0 {
            let message = format!("weights {:?} and {:?}: nothing to do", weight_ih.shape(), weight_hh.shape());
            return Err(Error::shape(name, message));
        }
        fitting(name, x.shape(), time, features, takes)?;
        fit("weight_ih", weight_ih, &[gates * hidden, features])?;
        fit("weight_hh", weight_hh, &[gates * hidden, outputs])?;
        for (what, bias) in ["bias_ih", "bias_hh"].into_iter().zip(bias.into_iter().flatten()) {
            fit(what, bias, &[gates * hidden])?;
        }
        match weight_hr {
            Some(weight) if unit == RecurrentUnit::Lstm => fit("weight_hr", weight, &[outputs, hidden])?,
            Some(_) => return Err(Error::argument(name, "only a long short-term memory has a projection")),
            None => fit("weight_hh", weight_hh, &[gates * hidden, hidden])?,
        }
        if let Some(RecurrentState { hidden: h, cell }) = state {
            fit("the hidden state", h, &[batch, outputs])?;
            match (cell, unit.has_cell()) {
                (Some(c), true) => fit("the cell state", c, &[batch, hidden])?,
                (None, false) => {}
                (Some(_), false) => {
                    return Err(Error::argument(name, "this unit has no cell state, but one was given"));
                }
                (None, true) => return Err(Error::argument(name, "the state has no cell, which this unit needs")),
            }
        }
        if let Some(lengths) = lengths {
            if lengths.len() != batch {
                let message = format!("{} lengths for {batch} examples", lengths.len());
                return Err(Error::argument(name, message));
            }
            if let Some((i, len)) = lengths.iter().enumerate().find(|(_, len)| !(1..=time).contains(*len)) {
                let message = format!("length {i} is {len}, expected 1 to {time}, the number of steps");
                return Err(Error::argument(name, message));
            }
        }
        // Nothing that is made for a step is wider than this.
        check_shape(name, &[time, batch, (4 * hidden).saturating_add(2 * outputs)], x.dtype())?;
        let projected = weight_hr.is_some();
        Ok(Self { time, batch, features, hidden, outputs, projected })
    }
}

/// Checks an input of this shape, steps and features.
#[track_caller]
pub(crate) fn fitting(name: &'static str, shape: &[usize], time: usize, features: usize, takes: usize) -> Result<()> {
    if time == 0 {
        return Err(Error::shape(name, format!("the input {shape:?} has no steps")));
    }
    if features != takes {
        let message = format!("the input {shape:?} has {features} features, the layer takes {takes}");
        return Err(Error::shape(name, message)
            .with_help("a recurrent layer takes the number of input features first, then that of hidden units"));
    }
    Ok(())
}
