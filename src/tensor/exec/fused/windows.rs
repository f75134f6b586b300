//! Sums and maxima over windows of images.

use super::computed;
use crate::error::{Result, bug};
use crate::tensor::create::stale;
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::windows as kernels;
use crate::tensor::{DType, Tensor};

pub(crate) use crate::tensor::kernels::windows::Windows;

/// Windows on images: [`Windows`] along each of three dimensions, for `outer` grids of these sizes with `inner` numbers at each
/// place. A window has no more places than an `i32` can count.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    pub(crate) outer: usize,
    pub(crate) sizes: [usize; 3],
    pub(crate) inner: usize,
    pub(crate) windows: [Windows; 3],
}

impl Grid {
    fn view(&self) -> kernels::Grid<'_> {
        let Self { outer, sizes, inner, windows: [depth, height, width] } = self;
        kernels::Grid { outer: *outer, sizes: *sizes, inner: *inner, windows: [depth, height, width] }
    }
}

/// `scale · Σ x` over each window, in a tensor of `shape`. Types of 16 bits are computed in `F32` and rounded.
#[track_caller]
pub(crate) fn window_sum(grid: &Grid, scale: f64, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let dtype = computed(x.dtype());
    let (wide, mut out) = (x.cast(dtype).packed(), stale("window_sum", shape, dtype)?);
    with_float!(dtype, T => kernels::sum::<T>(grid.view(), scale as T, wide.data(), out.data_mut()),
        else return Err(bug!("window_sum", "computed in {dtype}")));
    Ok(out.cast(x.dtype()))
}

/// The largest element of each window, in a tensor of `shape`, and the place in its grid where that is, of type `I32`.
#[track_caller]
pub(crate) fn window_max(grid: &Grid, x: &Tensor, shape: &[usize]) -> Result<(Tensor, Tensor)> {
    let dtype = computed(x.dtype());
    let (wide, mut out) = (x.cast(dtype).packed(), stale("max_pool", shape, dtype)?);
    let mut at = stale("max_pool", shape, DType::I32)?;
    with_float!(dtype, T => kernels::max::<T>(grid.view(), wide.data(), out.data_mut(), at.data_mut()),
        else return Err(bug!("max_pool", "computed in {dtype}")));
    Ok((out.cast(x.dtype()), at))
}

/// The elements of `x` at the places that [`window_max`] found.
pub(crate) fn window_pick(grid: &Grid, x: &Tensor, at: &Tensor) -> Result<Tensor> {
    let (x, dtype) = (x.packed(), x.dtype());
    let mut out = Tensor::stale(dtype, at.shape());
    with_float!(dtype, T => kernels::pick::<T>(grid.view(), x.data(), at.data(), out.data_mut()),
        else return Err(bug!("max_pool", "the gradient is {dtype}")));
    Ok(out)
}

/// Zeros of `shape` with the elements of `g` added at these places.
pub(crate) fn window_put(grid: &Grid, g: &Tensor, at: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let (g, dtype) = (g.packed(), g.dtype());
    let mut out = Tensor::stale(dtype, shape);
    with_float!(dtype, T => kernels::put::<T>(grid.view(), g.data(), at.data(), out.data_mut()),
        else return Err(bug!("max_pool", "the gradient is {dtype}")));
    Ok(out)
}
