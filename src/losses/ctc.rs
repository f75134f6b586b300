//! The loss of sequences whose labels have no places.

use std::panic::Location;

use super::Reduction;
use super::weighting::single;
use crate::autograd::ops::ctc::{Sequences, ctc as losses_of};
use crate::config::configurable;
use crate::error::{Error, Result, bug};
use crate::tensor::{DType, Tensor};

reducible!(Ctc);
configurable!(Ctc { blank, zero_infinity, reduction });

/// The mean connectionist temporal classification loss (Graves et al., 2006): how improbable it is that the labels of a sequence, in
/// their order, are what a model reads in a longer one, wherever it reads them. Class 0 says "nothing here".
///
/// - `log_probabilities`: `[batch, time, classes]`, as [`Tensor::log_softmax`] makes them, or `[time, classes]` of a single example.
///   (PyTorch's are `[time, batch, classes]`.)
/// - `targets`: the labels (`I64`), `[batch, longest]`, padded with anything; or those of all examples one after the other, `[sum of
///   target_lengths]`.
/// - `input_lengths`, `target_lengths`: how many steps and labels of each example count.
///
/// A path has a class at each step. Of equal ones that follow each other one counts, then those of class 0 are taken out; the
/// probability of the labels is that of all paths that become them. Each loss is divided by the number of labels (at least 1), then
/// their mean is taken, as in PyTorch.
///
/// Labels that do not fit into the steps have no path, and an infinite loss, of which the gradient is NaN; see
/// [`Ctc::zero_infinity`]. The gradient cannot be differentiated again. It is the derivative by the logarithms as they are;
/// PyTorch's has that of a softmax in it already, and is another number unless it passes through one.
///
/// # Errors
/// If shapes, types or lengths do not fit, a label is class 0 or out of range, or there are no examples.
///
/// ```
/// use demotic::{losses, tensor, Tensor};
///
/// // Two steps, in which to read "1": as 11, 01 or 10.
/// let log_p = tensor![[0.4, 0.6], [0.3, 0.7]].log();
/// let loss = losses::ctc(&log_p, &Tensor::from_nested([1i64])?, &[2], &[1])?;
/// assert!((loss.item()? + (0.6 * 0.7 + 0.4 * 0.7 + 0.6 * 0.3f64).ln()).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "ctc_loss")]
#[track_caller]
pub fn ctc(
    log_probabilities: &Tensor,
    targets: &Tensor,
    input_lengths: &[usize],
    target_lengths: &[usize],
) -> Result<Tensor> {
    Ctc::new().loss(log_probabilities, targets, input_lengths, target_lengths)
}

/// [`ctc`] with options.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ctc {
    blank: usize,
    zero_infinity: bool,
    reduction: Reduction,
}

impl Ctc {
    /// The class that says "nothing here". Default 0.
    #[must_use]
    pub fn blank(mut self, class: usize) -> Self {
        self.blank = class;
        self
    }

    /// Infinite losses, of labels that do not fit into the steps, count as 0, and so do their gradients.
    #[must_use]
    pub fn zero_infinity(mut self) -> Self {
        self.zero_infinity = true;
        self
    }

    /// The loss, as a single number unless its reduction is [`Reduction::None`].
    ///
    /// # Errors
    /// As for [`ctc`].
    #[track_caller]
    pub fn loss(
        &self,
        log_probabilities: &Tensor,
        targets: &Tensor,
        input_lengths: &[usize],
        target_lengths: &[usize],
    ) -> Result<Tensor> {
        let (name, x) = ("ctc", single(log_probabilities));
        x.expect_float(name, "the logarithms of probabilities")?;
        targets.expect_dtype(name, "the targets (labels)", DType::I64)?;
        let is_single = x.rank() == 2;
        let x = match x.rank() {
            2 => x.unsqueeze(0)?,
            3 => x,
            _ => {
                let message = format!("logarithms of shape {:?}, expected [batch, time, classes]", x.shape());
                return Err(Error::shape(name, message));
            }
        };
        let &[batch, time, classes] = x.shape() else {
            return Err(bug!(name, "logarithms of shape {:?}", x.shape()));
        };
        let caller = Location::caller();
        let lengths = |what: &str, lengths: &[usize]| match lengths.len() == batch {
            true => Ok(()),
            false => Err(Error::argument(name, format!("{} {what} for {batch} examples", lengths.len())).at(caller)),
        };
        lengths("input lengths", input_lengths)?;
        lengths("target lengths", target_lengths)?;
        if batch == 0 {
            return Err(Error::shape(name, format!("no examples: the logarithms have shape {:?}", x.shape())));
        }
        if self.blank >= classes {
            return Err(Error::argument(name, format!("blank is class {} of {classes}", self.blank)));
        }
        if let Some((i, n)) = input_lengths.iter().enumerate().find(|(_, n)| **n > time) {
            return Err(Error::argument(name, format!("input length {i} is {n}, there are {time} steps")));
        }
        let labels = self.labels(targets, target_lengths, classes)?;
        let steps = input_lengths.to_vec();
        let losses = losses_of(&x, Sequences { labels, steps, blank: self.blank, zero_infinity: self.zero_infinity })?;
        Ok(match self.reduction {
            Reduction::Mean => {
                let divisors = target_lengths.iter().map(|n| (*n).max(1) as f64).collect();
                losses.div(&Tensor::from_vec::<f64>(divisors, [batch])?.to_dtype(x.dtype()))?.mean()
            }
            Reduction::None if is_single => losses.squeeze(0)?,
            other => other.apply(&losses),
        })
    }

    /// The labels of each example.
    #[track_caller]
    fn labels(&self, targets: &Tensor, lengths: &[usize], classes: usize) -> Result<Vec<Vec<usize>>> {
        let name = "ctc";
        let total = lengths.iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
        let stride = match *targets.shape() {
            [n] if Some(n) == total || lengths.len() == 1 && lengths[0] <= n => None,
            [batch, longest] if batch == lengths.len() => {
                if let Some((i, n)) = lengths.iter().enumerate().find(|(_, n)| **n > longest) {
                    let message = format!("target length {i} is {n}, there are {longest} labels");
                    return Err(Error::argument(name, message));
                }
                Some(longest)
            }
            _ => {
                let (shape, n) = (targets.shape(), lengths.len());
                let message = format!("targets of shape {shape:?} for {n} examples of {lengths:?} labels");
                return Err(Error::shape(name, message)
                    .with_help(format!("expected [{n}, longest], or all labels one after the other")));
            }
        };
        let all = targets.to_vec::<i64>()?;
        let (mut out, mut start) = (Vec::with_capacity(lengths.len()), 0);
        for (i, &n) in lengths.iter().enumerate() {
            let labels = &all[start..start + n];
            for (j, &label) in labels.iter().enumerate() {
                let is_class = (0..classes as i64).contains(&label);
                if !is_class || label == self.blank as i64 {
                    let what = if is_class { "which is the blank".into() } else { format!("of {classes} classes") };
                    return Err(Error::index(name, format!("label {j} of example {i} is class {label}, {what}")));
                }
            }
            out.push(labels.iter().map(|label| *label as usize).collect());
            start += stride.unwrap_or(n);
        }
        Ok(out)
    }
}
