//! The floor between an operation and a loop over a slice: what every operation needs, once.
//!
//! An operation is a value here, not a type. `exec` decides the type to compute in, brings operands together, splits work into
//! blocks, hands them to threads, and calls the kernels: rows of function pointers for each element type and instruction set.
//!
//! | module | what |
//! |---|---|
//! | [`unary`] | functions of one element, and their slopes |
//! | [`binary`] | functions of two and three elements, comparisons, choices |
//! | [`reduce`] | reductions, scans and sorting along a dimension |
//! | [`index`] | copying, joining, placing, going by tables of indices |
//! | [`gemm`] | matrix products |
//! | [`fused`] | the fused loops of training |

pub(crate) mod binary;
pub(crate) mod fused;
pub(crate) mod gemm;
pub(crate) mod index;
pub(crate) mod reduce;
pub(crate) mod unary;
