//! Connectionist temporal classification.

use crate::error::{Result, bug};
use crate::parallel;
use crate::tensor::create::reserve;
use crate::tensor::kernels::ctc::Example;
use crate::tensor::{DType, Tensor};

/// What is to be read in a batch of sequences.
#[derive(Debug)]
pub(crate) struct CtcSequences {
    /// The labels of each example, none of them the blank.
    pub(crate) labels: Vec<Vec<usize>>,
    /// How many of its steps count.
    pub(crate) steps: Vec<usize>,
    pub(crate) blank: usize,
    /// Infinite losses count as 0.
    pub(crate) zero_infinity: bool,
}

impl CtcSequences {
    fn example<'a>(&'a self, i: usize, log_probs: &'a [f64], classes: usize) -> Example<'a> {
        Example {
            log_probs: &log_probs[..self.steps[i] * classes],
            classes,
            labels: &self.labels[i],
            blank: self.blank,
        }
    }
}

/// The loss of each example, of logarithms of probabilities `[batch, time, classes]`. Whatever their type, it is computed in
/// `F64`: long sequences make sums of many small numbers.
#[track_caller]
pub(crate) fn ctc(sequences: &CtcSequences, log_probs: &Tensor) -> Result<Tensor> {
    let &[batch, time, classes] = log_probs.shape() else {
        return Err(bug!("ctc", "logarithms of shape {:?}", log_probs.shape()));
    };
    let states = sequences.labels.iter().map(|labels| 2 * labels.len().min(time) + 1).max().unwrap_or(1);
    // What the backward pass will need for one example.
    reserve("ctc", &[time, states], DType::F64)?;
    let x = log_probs.cast(DType::F64).packed();
    let data = x.data::<f64>();
    let mut out = Tensor::stale(DType::F64, &[batch]);
    parallel::for_blocks(out.data_mut::<f64>(), 1, |i, out| {
        let loss = sequences.example(i, &data[i * time * classes..], classes).loss();
        out[0] = if sequences.zero_infinity && loss == f64::INFINITY { 0.0 } else { loss };
    });
    Ok(out.cast(log_probs.dtype()))
}

/// The gradient of the logarithms, from that of each loss.
pub(crate) fn ctc_backward(sequences: &CtcSequences, log_probs: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let &[_, time, classes] = log_probs.shape() else {
        return Err(bug!("ctc", "logarithms of shape {:?}", log_probs.shape()));
    };
    let x = log_probs.cast(DType::F64).packed();
    let (data, grads) = (x.data::<f64>(), grad.to_f64_vec());
    let mut out = Tensor::stale(DType::F64, log_probs.shape());
    let size = time * classes;
    parallel::for_blocks(out.data_mut::<f64>(), size.max(1), |start, out| {
        let i = start / size;
        out.fill(0.0);
        sequences.example(i, &data[start..], classes).add_gradient(grads[i], sequences.zero_infinity, out);
    });
    Ok(out.cast(log_probs.dtype()))
}
