//! The floor between an operation and a loop over a slice: what every operation needs, once.
//!
//! An operation is a value here, not a type. `exec` decides the type to compute in, brings operands together, splits work into
//! blocks, hands them to threads, and calls the kernels: rows of function pointers for each element type and instruction set.
//!
//! | module | what |
//! |---|---|
//! | [`unary`] | functions of one element, and their slopes |
//! | [`binary`] | functions of two and three elements, comparisons, choices |
//! | [`cast`] | conversion between types of elements |
//! | [`reduce`] | reductions, scans and sorting along a dimension |
//! | [`index`] | copying, joining, placing, going by tables of indices |
//! | [`random`] | random choices for each element |
//! | [`gemm`] | matrix products |
//! | [`quantized`] | weights of a few bits a number |
//! | [`sparse`] | matrices most of whose numbers are zero |
//! | [`conv`] | convolutions and their gradients |
//! | `fft` | discrete Fourier transforms, with the feature of that name |
//! | `linalg` | decompositions of matrices, with the feature of that name |
//! | [`fused`] | the fused loops of training |

pub(crate) mod binary;
pub(crate) mod cast;
pub(crate) mod conv;
#[cfg(feature = "fft")]
pub(crate) mod fft;
pub(crate) mod fused;
pub(crate) mod gemm;
pub(crate) mod index;
#[cfg(feature = "linalg")]
pub(crate) mod linalg;
pub(crate) mod quantized;
pub(crate) mod random;
pub(crate) mod reduce;
pub(crate) mod sparse;
pub(crate) mod unary;

use half::{bf16, f16};

use super::kernels::block::Args;
use super::kernels::cast::{CastTo, Wrap};
use super::kernels::map::Job;
use super::kernels::ops::Row;
use super::kernels::{Data, Operand, Read};
use super::layout::{Dims, expand_strides};
use super::{DType, Element, Tensor};

/// A tensor as an operand of a loop over elements of type `T`: converted on the way, if it is of another type.
fn operand<'a, T: Element>(x: &'a Tensor, strides: &'a [usize]) -> Operand<'a, T>
where
    Tensor: Read<T>,
{
    Operand { data: if x.dtype() == T::DTYPE { Data::Own(x.data()) } else { Data::Other(x, 0) }, strides }
}

/// The strides with which a tensor is read in a shape that it broadcasts to.
fn strides_to(x: &Tensor, shape: &[usize]) -> Option<Dims> {
    expand_strides(x.layout(), shape)
}

/// The dimensions of `[batch, channels, ..]` with the channels last.
fn channels_last(rank: usize) -> Dims {
    Dims::collect([0].into_iter().chain(2..rank).chain([1]))
}

/// Whether the elements of images or volumes lie one after the other with the channels last, and not as they are.
fn is_channels_last(shape: &[usize], strides: &[usize]) -> bool {
    let follow = |axes: &[usize]| {
        let mut expected = 1;
        axes.iter().rev().filter(|axis| shape[**axis] != 1).all(|axis| {
            let fits = strides[*axis] == expected;
            expected *= shape[*axis];
            fits
        })
    };
    let own: Dims = Dims::collect(0..shape.len());
    shape.len() >= 4 && !shape.contains(&0) && follow(&channels_last(shape.len())) && !follow(&own)
}

/// The same elements, one after the other as they are or with the channels last: itself, or a copy.
fn without_gaps(x: &Tensor) -> Tensor {
    if is_channels_last(x.shape(), x.strides()) { x.with_layout(x.layout.clone()) } else { x.packed() }
}

/// Runs a loop over operands of a common shape: in the type `computed`, which is `F32`, `F64`, or `I64` if the row has a
/// loop for integers. The result is stored as the type `result`.
fn run<const K: usize>(
    row: &Row<K>,
    args: Args,
    shape: &[usize],
    x: [&Tensor; K],
    strides: [&[usize]; K],
    computed: DType,
    result: DType,
) -> Tensor {
    // Images with the channels last stay what they are: the loop goes through them in the order of their memory.
    if strides.iter().any(|strides| is_channels_last(shape, strides)) {
        let axes = channels_last(shape.len());
        let in_order = |items: &[usize]| Dims::collect(axes.iter().map(|axis| items[*axis]));
        let permuted: [Dims; K] = std::array::from_fn(|k| in_order(strides[k]));
        let strides = std::array::from_fn(|k| &*permuted[k]);
        let out = run_in_order(row, args, &in_order(shape), x, strides, computed, result);
        return out.permuted(&Dims::collect([0, shape.len() - 1].into_iter().chain(1..shape.len() - 1)));
    }
    run_in_order(row, args, shape, x, strides, computed, result)
}

fn run_in_order<const K: usize>(
    row: &Row<K>,
    args: Args,
    shape: &[usize],
    x: [&Tensor; K],
    strides: [&[usize]; K],
    computed: DType,
    result: DType,
) -> Tensor {
    let cost = row.cost;
    match (computed, &row.i64) {
        (DType::F64, _) => {
            let x = std::array::from_fn(|k| operand(x[k], strides[k]));
            Tensor::build(shape, |out| Job { block: &row.f64, args, cost }.run(shape, &x, out))
        }
        (DType::I64, Some(block)) => {
            let (x, job) = (std::array::from_fn(|k| operand(x[k], strides[k])), Job { block, args, cost });
            match result {
                DType::I32 => Tensor::build::<i32>(shape, |out| job.run_as(shape, &x, out, i32::wrap)),
                DType::I8 => Tensor::build::<i8>(shape, |out| job.run_as(shape, &x, out, i8::wrap)),
                DType::U8 => Tensor::build::<u8>(shape, |out| job.run_as(shape, &x, out, u8::wrap)),
                _ => Tensor::build::<i64>(shape, |out| job.run(shape, &x, out)),
            }
        }
        _ => {
            let (x, job) = (std::array::from_fn(|k| operand(x[k], strides[k])), Job { block: &row.f32, args, cost });
            match result {
                DType::BF16 => Tensor::build::<bf16>(shape, |out| job.run_as(shape, &x, out, f32::cast_all)),
                DType::F16 => Tensor::build::<f16>(shape, |out| job.run_as(shape, &x, out, f32::cast_all)),
                _ => Tensor::build::<f32>(shape, |out| job.run(shape, &x, out)),
            }
        }
    }
}
