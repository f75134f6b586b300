//! Whatever is asked for, the answer is a value or an error: no panic, no abort, no allocation without bound, no loop without
//! end. Options and sizes of everything that can be made are set to 0, 1, huge and negative numbers, NaN and ±∞, each
//! group in a process of its own that may use 4 GiB of address space.

mod child;
mod creation;
mod data;
mod files;
mod layers;
mod models;
mod nesting;
mod operations;
mod published;
mod reductions;
mod threads;
mod training;
mod truncated_normal;

/// Sizes and counts.
pub(super) const SIZES: [usize; 7] = [0, 1, 3, 1 << 32, 1 << 40, 1 << 62, usize::MAX];

/// Offsets and dimensions.
pub(super) const OFFSETS: [isize; 9] = [0, 1, -1, 2, -3, 1 << 40, -(1 << 40), isize::MAX, isize::MIN];

/// Options that are real numbers.
pub(super) const NUMBERS: [f64; 11] =
    [0.0, 1.0, -1.0, 0.5, 3.0, 1e-300, 1e300, f64::MIN, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
