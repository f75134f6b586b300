//! Convolutions in one to three dimensions, and their gradients, which are convolutions of other shapes.
//!
//! With `x` the input, `w` the weights and `y` the output, all three are sums over the same products:
//! `y += x · w` ([`patches::forward`]), `x += y · w` ([`patches::input`]) and `w += x · y` ([`patches::weight`]), so they are
//! closed under differentiation. The second one is also the transposed convolution.
//!
//! - [`patches`] brings the pixels under the kernel together, a block of them, and leaves the rest to matrix products. It takes any
//!   options and both types.

mod geometry;
pub(crate) mod patches;

pub(crate) use geometry::{Geometry, Pixels};

#[cfg(test)]
mod tests;
