//! Convolutions in one to three dimensions, and their gradients, which are convolutions of other shapes.
//!
//! With `x` the input, `w` the weights and `y` the output, all three are sums over the same products:
//! `y += x · w` ([`patches::forward`]), `x += y · w` ([`patches::input`]) and `w += x · y` ([`patches::weight`]), so they are
//! closed under differentiation. The second one is also the transposed convolution.
//!
//! - [`direct`], for `f32`, reads the pixels where they are, with the channels last. Nothing is copied but the input, if it has to be
//!   padded, and the weights.
//! - [`patches`] brings the pixels under the kernel together, a block of them, and leaves the rest to matrix products. It takes any
//!   options and both types, and is the faster one for a few pixels and many weights, which it reads once and in place.

pub(crate) mod direct;
mod geometry;
pub(crate) mod patches;
mod tile;
mod weights;

pub(crate) use geometry::{Geometry, Pixels};

/// The elements that are worth another thread.
const GRAIN: usize = 1 << 14;

#[cfg(test)]
mod tests;
