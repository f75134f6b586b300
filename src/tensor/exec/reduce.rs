//! Reductions, scans and sorting along a dimension.

mod renorm;
mod scan;
mod sort;

use std::borrow::Cow;

use crate::error::Result;
use crate::profile;
use crate::tensor::create::check_reduced;
use crate::tensor::kernels::finite::all_below;
use crate::tensor::kernels::reduce::{IntegerOp, RealOp, arg_reduce, bytes, integers, reals};
use crate::tensor::layout::{Dims, MAX_DIMS, dim_set};
use crate::tensor::{DType, Element, Tensor, kernels};

pub(crate) use renorm::shorten_rows;
pub(crate) use scan::{RecurrenceOp, ScanOp, recurrence, scan};
pub(crate) use sort::ordered;

/// A reduction. Unless it says otherwise, integers and truth values are reduced as `F32`, and so are 16-bit types, whose results
/// are rounded back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ReduceOp {
    /// `Σ x`, 0 of nothing; of integers and truth values an `I64` that wraps around.
    Sum,
    /// `Σ x / n`, NaN of nothing.
    Mean,
    /// `Σ x²`.
    SumSquares,
    /// `Σ x² / n`, NaN of nothing.
    MeanSquares,
    /// `(Σ |x|ᵖ)^(1/p)` for any `p`: 0 counts what is not zero, ±∞ gives the extremes of |x|.
    Norm(f64),
    /// `Π x`, 1 of nothing; of integers and truth values an `I64` that wraps around.
    Product,
    /// The largest element, of the type itself; NaN if there is one. Of nothing, the lowest value of the type.
    Max,
    /// The smallest element, of the type itself; NaN if there is one. Of nothing, the highest value of the type.
    Min,
    /// `log Σ eˣ` without overflow, -∞ of nothing.
    LogSumExp,
    /// `Σ (x - mean)² / max(0, n - correction)`. With nothing to divide by it is NaN or infinite.
    Variance { correction: f64 },
    /// The root of the variance.
    Deviation { correction: f64 },
    /// The place of the largest element as `I64`: the first of equal ones, the first NaN if there is one; 0 of nothing.
    ArgMax,
    /// The place of the smallest element, in the same way.
    ArgMin,
    /// Whether any element differs from zero, as `Bool`.
    Any,
    /// Whether all elements differ from zero, as `Bool`.
    All,
    /// How many elements differ from zero, as `I64`.
    CountNonzero,
}

impl ReduceOp {
    fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::SumSquares => "sum_squares",
            Self::MeanSquares => "mean_squares",
            Self::Norm(_) => "norm",
            Self::Product => "prod",
            Self::Max => "max",
            Self::Min => "min",
            Self::LogSumExp => "logsumexp",
            Self::Variance { .. } => "var",
            Self::Deviation { .. } => "std",
            Self::ArgMax => "argmax",
            Self::ArgMin => "argmin",
            Self::Any => "any",
            Self::All => "all",
            Self::CountNonzero => "count_nonzero",
        }
    }

    /// What integers and truth values are reduced by without a detour through numbers with fractions.
    fn exact(self) -> Option<IntegerOp> {
        match self {
            Self::Sum | Self::CountNonzero => Some(IntegerOp::Sum),
            Self::Product => Some(IntegerOp::Product),
            Self::Max | Self::Any => Some(IntegerOp::Max),
            Self::Min | Self::All => Some(IntegerOp::Min),
            _ => None,
        }
    }

    fn real(self) -> RealOp {
        match self {
            Self::Mean => RealOp::Mean,
            Self::SumSquares => RealOp::SumSquares,
            Self::MeanSquares => RealOp::MeanSquares,
            Self::Norm(p) => RealOp::Norm(p),
            Self::Product => RealOp::Product,
            Self::Max | Self::ArgMax => RealOp::Max,
            Self::Min | Self::ArgMin => RealOp::Min,
            Self::LogSumExp => RealOp::LogSumExp,
            Self::Variance { correction } => RealOp::Variance { correction },
            Self::Deviation { correction } => RealOp::Deviation { correction },
            Self::Sum | Self::Any | Self::All | Self::CountNonzero => RealOp::Sum,
        }
    }
}

/// The dimensions that a reduction goes over, and the shapes around it.
#[derive(Clone, Copy)]
pub(crate) struct Over {
    pub(crate) reduced: [bool; MAX_DIMS],
    /// The input's shape with 1 in place of what is reduced.
    pub(crate) kept: Dims,
    /// The result's shape.
    pub(crate) shape: Dims,
}

impl Over {
    /// The dimensions that a caller names, none standing for all of them.
    #[track_caller]
    pub(crate) fn dims(name: &'static str, x: &Tensor, dims: &[isize], keepdim: bool) -> Result<Self> {
        let over = Self::these(x, dim_set(name, dims, x.rank())?, keepdim);
        check_reduced(name, x, &over.kept)?;
        Ok(over)
    }

    pub(crate) fn these(x: &Tensor, reduced: [bool; MAX_DIMS], keepdim: bool) -> Self {
        let sizes = || x.shape().iter().zip(reduced);
        let kept = Dims::collect(sizes().map(|(n, reduced)| if reduced { 1 } else { *n }));
        let rest = Dims::collect(sizes().filter(|(_, reduced)| !reduced).map(|(n, _)| *n));
        Self { reduced, kept, shape: if keepdim { kept } else { rest } }
    }

    pub(crate) fn all(x: &Tensor) -> Self {
        Self::these(x, [true; MAX_DIMS], false)
    }

    /// How many elements go into each result.
    pub(crate) fn count(&self, x: &Tensor) -> usize {
        x.shape().iter().zip(self.reduced).filter(|(_, reduced)| *reduced).map(|(n, _)| *n).product()
    }

    /// The elements as `[outer, len, inner]`, to be reduced along the middle.
    fn view(&self, x: &Tensor) -> (Tensor, [usize; 3]) {
        let rank = x.rank();
        let first = (0..rank).find(|i| self.reduced[*i]).unwrap_or(rank);
        let last = (0..rank).rfind(|i| self.reduced[*i]).map_or(first, |i| i + 1);
        let product = |dims: &[usize]| dims.iter().product::<usize>();
        if (first..last).all(|i| self.reduced[i]) {
            let shape = x.shape();
            let sizes = [product(&shape[..first]), product(&shape[first..last]), product(&shape[last..])];
            return (x.packed(), sizes);
        }
        // Dimensions with gaps between them: bring them to the end.
        let order =
            Dims::collect((0..rank).filter(|i| !self.reduced[*i]).chain((0..rank).filter(|i| self.reduced[*i])));
        let moved = x.permuted(&order).packed();
        let len = self.count(x);
        (moved, [product(&self.shape), len, 1])
    }
}

/// Reduces some dimensions. Not recorded.
pub(crate) fn reduce(op: ReduceOp, x: &Tensor, over: &Over) -> Tensor {
    let _timer = profile::op(op.name());
    let dtype = x.dtype();
    match (op, op.exact()) {
        (ReduceOp::Any | ReduceOp::All, Some(exact)) => exactly(exact, &x.cast(DType::Bool), over).cast(DType::Bool),
        (ReduceOp::CountNonzero, Some(exact)) => exactly(exact, &x.cast(DType::Bool), over),
        (ReduceOp::ArgMax | ReduceOp::ArgMin, _) => place(op == ReduceOp::ArgMax, x, over),
        (ReduceOp::Max | ReduceOp::Min, Some(exact)) if !dtype.is_float() => exactly(exact, x, over).cast(dtype),
        (_, Some(exact)) if !dtype.is_float() => exactly(exact, x, over),
        _ => narrowed(really(op.real(), &widened(x), over), dtype),
    }
}

/// The result for all elements, those of 16-bit types not rounded back.
pub(crate) fn total(op: ReduceOp, x: &Tensor) -> f64 {
    // Clipping asks at each step for each parameter: one number needs no memory of its own.
    match (op, x.dtype()) {
        (ReduceOp::Norm(_), DType::F32) => single::<f32>(op.real(), x).into(),
        (ReduceOp::Norm(_), DType::F64) => single(op.real(), x),
        _ => reduce(op, &widened(x), &Over::all(x)).cast(DType::F64).data::<f64>()[0],
    }
}

/// Whether no element is infinite or NaN.
pub(crate) fn is_finite(x: &Tensor) -> bool {
    let x = if x.is_contiguous() { Cow::Borrowed(x) } else { Cow::Owned(x.packed()) };
    match x.dtype() {
        DType::F32 => all_below(x.words::<u32>(), u32::MAX >> 1, f32::INFINITY.to_bits()),
        DType::F64 => all_below(x.words::<u64>(), u64::MAX >> 1, f64::INFINITY.to_bits()),
        DType::F16 => all_below(x.words::<u16>(), u16::MAX >> 1, half::f16::INFINITY.to_bits()),
        DType::BF16 => all_below(x.words::<u16>(), u16::MAX >> 1, half::bf16::INFINITY.to_bits()),
        DType::I64 | DType::I32 | DType::I8 | DType::U8 | DType::Bool => true,
    }
}

/// The result for all elements.
fn single<T: Element + kernels::Real>(op: RealOp, x: &Tensor) -> T {
    let (x, view) = Over::all(x).view(x);
    let mut out = [T::default()];
    reals::<T>(op, x.data(), view, &mut out);
    out[0]
}

/// `F32` and `F64` as they are, 16-bit types and integers as `F32`. Not recorded.
pub(crate) fn widened(x: &Tensor) -> Tensor {
    if x.dtype() == DType::F64 { x.detach() } else { x.cast(DType::F32) }
}

/// A result computed from [`widened`] values, in the type that the values had, if that has fractions.
pub(crate) fn narrowed(out: Tensor, dtype: DType) -> Tensor {
    if dtype.is_float() { out.cast(dtype) } else { out }
}

/// Integers and truth values, reduced to `I64`.
fn exactly(op: IntegerOp, x: &Tensor, over: &Over) -> Tensor {
    let (x, view) = over.view(x);
    let mut out = Tensor::stale(DType::I64, &over.shape);
    match x.dtype() {
        DType::I64 => integers(op, x.data(), view, out.data_mut()),
        DType::Bool => bytes(op, x.words(), view, out.data_mut()),
        DType::U8 => bytes(op, x.data(), view, out.data_mut()),
        // Other integers fit into this one.
        _ => integers(op, x.cast(DType::I64).data(), view, out.data_mut()),
    }
    out
}

/// Numbers of type `F32` or `F64`.
fn really(op: RealOp, x: &Tensor, over: &Over) -> Tensor {
    let (x, view) = over.view(x);
    let mut out = Tensor::stale(x.dtype(), &over.shape);
    match x.dtype() {
        DType::F64 => reals::<f64>(op, x.data(), view, out.data_mut()),
        _ => reals::<f32>(op, x.data(), view, out.data_mut()),
    }
    out
}

/// Where the extreme is.
fn place(max: bool, x: &Tensor, over: &Over) -> Tensor {
    let (x, view) = over.view(&comparable(x));
    let mut out = Tensor::stale(DType::I64, &over.shape);
    match x.dtype() {
        DType::F64 => arg_reduce::<f64>(max, x.data(), view, out.data_mut()),
        DType::I64 => arg_reduce::<i64>(max, x.data(), view, out.data_mut()),
        DType::U8 | DType::Bool => arg_reduce::<u8>(max, x.words(), view, out.data_mut()),
        _ => arg_reduce::<f32>(max, x.data(), view, out.data_mut()),
    }
    out
}

/// The elements in a type that kernels compare: 16-bit types as `F32`, other integers as `I64`. Not recorded.
fn comparable(x: &Tensor) -> Tensor {
    match x.dtype() {
        DType::F32 | DType::F64 | DType::I64 | DType::U8 | DType::Bool => x.detach(),
        dtype => x.cast(if dtype.is_float() { DType::F32 } else { DType::I64 }),
    }
}
