//! What all reductions share: which dimensions they go over, and how a kernel gets at the elements.

use super::sum::sum;
use crate::error::Result;
use crate::tensor::create::check_reduced;
use crate::tensor::kernels::reduce::{Reduce, reduce};
use crate::tensor::layout::{Dims, MAX_DIMS, dim_set};
use crate::tensor::{DType, Element, Tensor};

/// Which dimensions a reduction goes over, and what shape is left.
#[derive(Clone, Copy)]
pub(crate) struct Reduction {
    /// Whether each dimension is reduced.
    pub(crate) reduced: [bool; MAX_DIMS],
    /// The shape with size 1 where it was reduced.
    pub(crate) kept: Dims,
    /// The shape of the result.
    pub(crate) shape: Dims,
}

impl Reduction {
    /// `dims` must be in range and differ; none stands for all. What is left must fit into memory.
    #[track_caller]
    pub(crate) fn new(name: &'static str, x: &Tensor, dims: &[isize], keepdim: bool) -> Result<Self> {
        let reduction = Self::over(x, dim_set(name, dims, x.rank())?, keepdim);
        check_reduced(name, x, &reduction.kept)?;
        Ok(reduction)
    }

    /// The same for dimensions that exist, of which something is left that is known to fit into memory.
    pub(crate) fn over(x: &Tensor, reduced: [bool; MAX_DIMS], keepdim: bool) -> Self {
        let sizes = || x.shape().iter().zip(reduced);
        let kept = Dims::collect(sizes().map(|(n, reduced)| if reduced { 1 } else { *n }));
        let rest = Dims::collect(sizes().filter(|(_, reduced)| !reduced).map(|(n, _)| *n));
        Self { reduced, kept, shape: if keepdim { kept } else { rest } }
    }

    pub(crate) fn all(x: &Tensor) -> Self {
        Self::over(x, [true; MAX_DIMS], false)
    }

    /// How many elements go into each result.
    pub(crate) fn count(&self, x: &Tensor) -> usize {
        x.shape().iter().zip(self.reduced).filter(|(_, reduced)| *reduced).map(|(n, _)| *n).product()
    }

    /// The elements as `[outer, len, inner]`, with everything to be reduced in the middle.
    pub(crate) fn view(&self, x: &Tensor) -> (Tensor, [usize; 3]) {
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

    /// How an extreme `y` (with the dimensions kept) grows with each element of `x`: by an equal share of those that are
    /// it. Constant, so not recorded.
    pub(super) fn shares(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let extreme = x.detach().eq(&y.detach())?.cast(x.dtype());
        let count = sum(&extreme, &Self::over(x, self.reduced, true));
        extreme.div(&count)
    }

    /// Runs a kernel on elements of type `T`.
    pub(crate) fn run<T: Element, R: Reduce<T, Output: Element>>(&self, x: &Tensor, op: R) -> Tensor {
        let (x, [outer, len, inner]) = self.view(x);
        Tensor::build::<R::Output>(&self.shape, |out| reduce(op, x.data::<T>(), outer, len, inner, out))
    }

    /// Runs a kernel for floating-point numbers; 16-bit types are computed in `F32` and rounded back, integers and
    /// truth values become `F32`.
    pub(crate) fn run_float<R: Reduce<f32, Output = f32> + Reduce<f64, Output = f64>>(
        &self,
        x: &Tensor,
        op: R,
    ) -> Tensor {
        match x.dtype() {
            DType::F64 => self.run::<f64, R>(x, op),
            dtype => narrowed(self.run::<f32, R>(&widened(x), op), dtype),
        }
    }
}

/// The elements in the type that a real function of them is computed in: `F64` stays, everything else is `F32`. Not
/// recorded.
pub(super) fn widened(x: &Tensor) -> Tensor {
    if x.dtype() == DType::F64 { x.detach() } else { x.cast(DType::F32) }
}

/// What was computed from [`widened`] elements of type `dtype`, in the type that it is returned in.
pub(super) fn narrowed(out: Tensor, dtype: DType) -> Tensor {
    if dtype.is_float() { out.cast(dtype) } else { out }
}
