//! Convolutions in one to three dimensions, and their gradients, which are convolutions of other shapes.
//!
//! With `x` the input, `w` the weights and `y` the output, all three are sums over the same products:
//! `y += x · w` ([`patches::forward`]), `x += y · w` ([`patches::input`]) and `w += x · y` ([`patches::weight`]), so they are
//! closed under differentiation. The second one is also the transposed convolution.
//!
//! - [`direct`], for `f32`, reads the pixels where they are, with the channels last. Nothing is copied but the input, if it has to be
//!   padded, and the weights.
//!   Convolutions of each channel by itself ([`depthwise`]) are a part of it, and those by 3 × 3 places with many channels
//!   ([`winograd`]).
//! - [`planes`] is for those of few channels, each by itself, and for `f64`.
//! - [`patches`] brings the pixels under the kernel together, a block of them, and leaves the rest to matrix products. It takes any
//!   options and both types, and is the faster one for a few pixels and many weights, which it reads once and in place.

mod correlation;
mod depthwise;
pub(crate) mod direct;
mod geometry;
mod gradient;
mod image;
pub(crate) mod patches;
pub(crate) mod planes;
mod runs;
mod tile;
mod weights;
mod winograd;

pub(crate) use geometry::{Geometry, Pixels};

#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Isa, Kernel, Level, Portable, Vector, level};

/// The elements that are worth another thread.
const GRAIN: usize = 1 << 14;

/// Multiplications that are worth other threads.
const LEAST: usize = 1 << 21;

/// The elements in a vector of the machine.
fn width() -> usize {
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => <<Avx512 as Isa>::F32 as Vector>::WIDTH,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => <<Avx2 as Isa>::F32 as Vector>::WIDTH,
        Level::Portable => <<Portable as Isa>::F32 as Vector>::WIDTH,
    }
}

/// Runs a loop on this set: threads that share work have to agree on it.
///
/// # Safety
/// The processor must have the set.
unsafe fn enter<K: Kernel>(level: Level, kernel: K) -> K::Output {
    // SAFETY: the caller vouches for the set.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => Avx512::enter(kernel),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Avx2::enter(kernel),
            Level::Portable => Portable::enter(kernel),
        }
    }
}

#[cfg(test)]
mod tests;
