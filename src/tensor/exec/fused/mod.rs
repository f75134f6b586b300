//! The fused loops of training: what takes several tensors at once and reads each of them once.
//!
//! Every loop has one function here, which takes tensors and a plain struct of settings. The operations above know
//! mathematics, the kernels below know slices; which types a loop computes in, what has to be contiguous, and where results
//! are put is decided here.

mod optim;

pub(crate) use optim::{AdaGrad, Adam, Parameter, RmsProp, Rule, Sgd, update};
