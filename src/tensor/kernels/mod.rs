//! The loops that do the work: over slices and strides, knowing nothing of tensors.
//!
//! | module | what |
//! |---|---|
//! | [`simd`] | which instruction set to run on, decided once at run time |
//! | [`math`] | elementary functions that vectorise, with stated accuracy |
//! | [`block`] | loops as values: rows of function pointers for each type and instruction set |
//! | [`map`] | element by element, with broadcasting |
//! | [`ops`] | the operations that [`map`] applies: a row for each |
//! | [`reduce`], [`scan`], [`sort`] | along one dimension of three |
//! | [`renorm`] | scaling back rows that are too long |
//! | [`finite`] | whether all numbers are finite |
//! | [`copy`] | gathering strided elements |
//! | [`cast`] | conversion between types |
//! | [`cache`] | keys and values, put to their places |
//! | [`conv`] | convolutions and their gradients |
//! | [`index`] | joining, placing, reversing, going by tables of indices |
//! | [`softmax`], [`cross_entropy`], [`layer_norm`], [`rotary`], [`optim`], [`penalty`] | fused loops of training |
//! | [`gemm`] | matrix products |
//! | [`quantized`] | weights of a few bits a number, and products with them |
//! | [`sparse`] | products with matrices most of whose numbers are zero |
//! | [`windows`], [`resample`], [`batch_norm`] | images: sums and maxima over windows, other sizes, statistics of channels |
//! | [`attention`] | scaled dot-product attention, block by block |
//! | [`recurrent`] | the sweeps over time of recurrent networks |
//!
//! Three rules hold everywhere. An element's value depends neither on the number of threads nor on its place in a
//! block or a vector register. Lengths that do not fit each other are a mistake of the caller, who has compared the
//! shapes: each kernel asserts once at its entry, in release builds as well, that they do, because its output is recycled
//! memory, and what it left out would be another tensor's numbers. And everything is safe code, except the step
//! into functions compiled for an instruction set that was just found to be present.
//!
//! A trap: within [`simd::Kernel::run`] everything has to be inlined. A closure that is called in two places is not, and is
//! then compiled without the instruction set, ten times slower; make it a function with `#[inline(always)]`.

pub(crate) mod attention;
pub(crate) mod batch_norm;
pub(crate) mod block;
pub(crate) mod cache;
pub(crate) mod cast;
pub(crate) mod conv;
pub(crate) mod copy;
pub(crate) mod cross_entropy;
pub(crate) mod ctc;
pub(crate) mod finite;
pub(crate) mod gemm;
pub(crate) mod index;
mod lanes;
pub(crate) mod layer_norm;
pub(crate) mod map;
pub(crate) mod math;
pub(crate) mod ops;
pub(crate) mod optim;
pub(crate) mod penalty;
pub(crate) mod quantized;
pub(crate) mod recurrent;
pub(crate) mod reduce;
pub(crate) mod renorm;
pub(crate) mod resample;
pub(crate) mod rotary;
mod rows;
pub(crate) mod scan;
mod shared;
pub(crate) mod simd;
pub(crate) mod softmax;
pub(crate) mod sort;
pub(crate) mod sparse;
#[cfg(test)]
mod tests;
mod walk;
pub(crate) mod windows;

pub(crate) use math::Real;
use walk::count;
pub(crate) use walk::{Data, Operand, Read, Strided};

/// What a kernel needs of its elements: to copy them, and something to fill a buffer with.
pub(crate) trait Elem: Copy + Default + Send + Sync + 'static {}
impl<T: Copy + Default + Send + Sync + 'static> Elem for T {}

/// Elements per task of a loop that does one cheap operation (an addition, a comparison) for each.
///
/// Handing work to another thread takes 15 to 30 µs from a thread outside of the pool; this many elements take about
/// as long. Costlier loops divide it by how much longer they take per element.
pub(crate) const GRAIN: usize = 1 << 16;
