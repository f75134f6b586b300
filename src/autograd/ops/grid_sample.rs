//! Numbers of images at any places: warping.

use super::interpolate::Interpolation;
use super::shape::{permute, reshape};
use crate::error::{Error, Result};
use crate::tensor::create::stale;
use crate::tensor::exec::index::numbered;
use crate::tensor::layout::Dims;
use crate::tensor::{DType, Tensor};

/// What lies beyond the edges of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum GridPadding {
    /// Zeros.
    #[default]
    Zeros,
    /// What lies at the edge.
    Border,
    /// The image as in a mirror: at the centres of the outermost places with `align_corners`, at their outer edges without.
    Reflection,
}

/// # Warping
impl Tensor {
    /// Takes numbers of images at the places of a grid (Jaderberg et al., *Spatial Transformer Networks*, 2015).
    ///
    /// The grid says for each place of the result where it is taken from: `x` and `y` (for volumes `x`, `y` and `z`), from −1 at the left or
    /// upper edge to 1 at the other one. These are the outer edges of the outermost places, or with `align_corners` their centres.
    /// Places that are no numbers count as beyond the edge.
    ///
    /// # Shapes
    /// - input: `[batch, channels, height, width]`, or with a depth before the height
    /// - grid: `[batch, new height, new width, 2]`, or `[batch, new depth, new height, new width, 3]`
    /// - output: `[batch, channels, new height, new width]`, or with the new depth
    ///
    /// Gradients: of the input, and of the grid, except with [`Nearest`](Interpolation::Nearest), with which it is zero everywhere.
    ///
    /// # Errors
    /// If shapes or types do not fit each other, the images have no places, or the mode is neither [`Nearest`](Interpolation::Nearest),
    /// [`Linear`](Interpolation::Linear) nor, for images, [`Cubic`](Interpolation::Cubic).
    ///
    /// ```
    /// use demotic::autograd::{Interpolation, GridPadding};
    /// use demotic::tensor;
    ///
    /// let image = tensor![[[[1.0, 2.0], [3.0, 4.0]]]];
    /// let places = tensor![[[[0.0, 0.0], [1.0, -1.0]]]];
    /// let y = image.grid_sample(&places, Interpolation::Linear, GridPadding::Zeros, true)?;
    /// assert_eq!(y.to_vec::<f32>()?, [2.5, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn grid_sample(
        &self,
        grid: &Tensor,
        mode: Interpolation,
        padding: GridPadding,
        align_corners: bool,
    ) -> Result<Tensor> {
        let name = "grid_sample";
        self.expect_any_float(name, "the input")?;
        grid.expect_dtype(name, "the grid", self.dtype())?;
        let dims = self.rank().saturating_sub(2);
        let fits = [2, 3].contains(&dims)
            && grid.rank() == self.rank()
            && grid.shape()[0] == self.shape()[0]
            && grid.shape()[dims + 1] == dims
            && !self.shape()[2..].contains(&0);
        if !fits {
            let message = format!("a grid of shape {:?} for an input of shape {:?}", grid.shape(), self.shape());
            return Err(Error::shape(name, message)
                .with_help("[batch, channels, height, width] takes a grid of [batch, new height, new width, 2]"));
        }
        let known = match mode {
            Interpolation::Nearest | Interpolation::Linear => true,
            Interpolation::Cubic => dims == 2,
            _ => false,
        };
        if !known {
            return Err(Error::argument(name, format!("the mode {mode:?} for {dims} dimensions of places")));
        }
        // 16-bit numbers cannot tell the places of larger images apart.
        let dtype = self.dtype().compute();
        let (x, grid) = (self.to_dtype(dtype), grid.to_dtype(dtype));
        let rows = Rows::of(&x, &grid, dims)?;
        let mut axes = Vec::with_capacity(dims);
        for (i, size) in x.shape()[2..].iter().rev().enumerate() {
            let at = grid.select(-1, i as isize)?;
            // The width is named first.
            axes.insert(0, Axis { at: pixels(&at, *size, align_corners), size: *size, padding, align: align_corners });
        }
        let axes = axes.iter().map(|axis| axis.taps(mode)).collect::<Result<Vec<_>>>()?;
        rows.sum(&axes)?.finish(&grid, self.shape()[1], self.dtype())
    }

    /// The grid of an affine map, for [`grid_sample`](Self::grid_sample): where each place of an image of `size`
    /// (`[batch, channels, height, width]`, or with a depth) is taken from, by the map's matrix `[batch, 2, 3]` (or `[batch, 3, 4]`).
    ///
    /// # Errors
    /// If the matrices do not fit the size, or the type is not a floating-point one.
    ///
    /// ```
    /// use demotic::autograd::{Interpolation, GridPadding};
    /// use demotic::{Tensor, tensor};
    ///
    /// // Mirrored left to right.
    /// let image = tensor![[[[1.0, 2.0], [3.0, 4.0]]]];
    /// let grid = tensor![[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]].affine_grid(&[1, 1, 2, 2], false)?;
    /// let y = image.grid_sample(&grid, Interpolation::Linear, GridPadding::Border, false)?;
    /// assert_eq!(y.to_vec::<f32>()?, [2.0, 1.0, 4.0, 3.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn affine_grid(&self, size: &[usize], align_corners: bool) -> Result<Tensor> {
        let name = "affine_grid";
        self.expect_float(name, "the matrices")?;
        let dims = size.len().saturating_sub(2);
        let fits = [2, 3].contains(&dims) && self.shape() == [size[0], dims, dims + 1] && !size[2..].contains(&0);
        if !fits {
            let message = format!("matrices of shape {:?} for images of {size:?}", self.shape());
            return Err(Error::shape(name, message)
                .with_help("[batch, 2, 3] for [batch, channels, height, width], or [batch, 3, 4] with a depth"));
        }
        let shape: Vec<usize> = size[2..].iter().copied().chain([dims + 1]).collect();
        stale(name, &shape, DType::F64)?;
        let places: usize = size[2..].iter().product();
        let mut base = Vec::with_capacity(places * (dims + 1));
        for place in 0..places {
            let mut rest = place;
            for n in size[2..].iter().rev() {
                let (i, n) = ((rest % n) as f64, *n as f64);
                rest /= n as usize;
                base.push(match align_corners {
                    true if n == 1.0 => 0.0,
                    true => 2.0 * i / (n - 1.0) - 1.0,
                    false => (2.0 * i + 1.0) / n - 1.0,
                });
            }
            base.push(1.0);
        }
        let base = Tensor::from_vec::<f64>(base, [1, places, dims + 1])?.to_dtype(self.dtype());
        let grid = base.matmul(&self.transpose(1, 2)?)?;
        let shape: Vec<usize> = [size[0]].into_iter().chain(size[2..].iter().copied()).chain([dims]).collect();
        grid.reshape(shape)
    }
}

/// Places from −1 to 1 as numbers of places of an image.
fn pixels(at: &Tensor, size: usize, align: bool) -> Tensor {
    let n = size as f64;
    match align {
        true => at.add_scalar(1.0).mul_scalar((n - 1.0) / 2.0),
        false => at.add_scalar(1.0).mul_scalar(n).add_scalar(-1.0).mul_scalar(0.5),
    }
}

/// Places along one dimension.
struct Axis {
    at: Tensor,
    size: usize,
    padding: GridPadding,
    align: bool,
}

/// Numbers that are taken along one dimension: where, and how much each counts. Zero where there is none.
struct Taps(Vec<(Tensor, Tensor)>);

impl Axis {
    fn taps(&self, mode: Interpolation) -> Result<Taps> {
        let at = if mode == Interpolation::Cubic { self.at.clone() } else { self.inside(&self.at)? };
        // What is no number, or too far away to be one of a place, lies beyond.
        let near = |x: &Tensor| -> Result<Tensor> {
            let x = x.detach();
            Ok(x.masked_fill(&x.is_nan(), -9.0)?.clamp(Some(-9.0), Some(self.size as f64 + 9.0)))
        };
        let taps = match mode {
            Interpolation::Nearest => vec![(near(&at)?.round(), at.round().mul_scalar(0.0).add_scalar(1.0))],
            Interpolation::Linear => {
                let first = near(&at)?.floor();
                let t = at.sub(&first)?;
                vec![(first.clone(), t.rsub_scalar(1.0)), (first.add_scalar(1.0), t)]
            }
            _ => {
                // Far away too: the padding brings each of the four places back by itself.
                let first = at.detach().floor();
                let weights = cubic(&at.sub(&first)?)?;
                let mut taps = Vec::with_capacity(4);
                for (k, weight) in weights.into_iter().enumerate() {
                    taps.push((self.inside(&first.add_scalar(k as f64 - 1.0))?, weight));
                }
                taps
            }
        };
        let mut checked = Vec::with_capacity(taps.len());
        for (place, weight) in taps {
            let place = place.detach();
            let beyond = place.lt_scalar(0.0).logical_or(&place.gt_scalar((self.size - 1) as f64))?;
            let beyond = beyond.logical_or(&weight.is_finite().logical_not()?)?;
            checked.push((place.masked_fill(&beyond, 0.0)?.to_dtype(DType::I64), weight.masked_fill(&beyond, 0.0)?));
        }
        Ok(Taps(checked))
    }

    /// Places beyond the edges as the padding has them.
    fn inside(&self, at: &Tensor) -> Result<Tensor> {
        let last = (self.size - 1) as f64;
        match self.padding {
            GridPadding::Zeros => Ok(at.clone()),
            GridPadding::Border => Ok(at.clamp(Some(0.0), Some(last))),
            GridPadding::Reflection => {
                let (low, span) = if self.align { (0.0, last) } else { (-0.5, self.size as f64) };
                if span == 0.0 {
                    return Ok(at.mul_scalar(0.0));
                }
                // There and back again: the distance from the middle of a wave.
                let two = Tensor::scalar(2.0 * span).to_dtype(at.dtype());
                let wave = at.add_scalar(-low).remainder(&two)?.add_scalar(-span).abs().rsub_scalar(span);
                Ok(wave.add_scalar(low).clamp(Some(0.0), Some(last)))
            }
        }
    }
}

/// What four places count for at `t` between the second and the third: those of [`Interpolation::Cubic`].
fn cubic(t: &Tensor) -> Result<[Tensor; 4]> {
    const A: f64 = -0.75;
    let near = |x: &Tensor| -> Result<Tensor> {
        Ok(x.mul_scalar(A + 2.0).add_scalar(-A - 3.0).mul(&x.square())?.add_scalar(1.0))
    };
    let far = |x: &Tensor| -> Result<Tensor> {
        let x_by = |y: Tensor| y.mul(x);
        Ok(x_by(x_by(x.mul_scalar(A).add_scalar(-5.0 * A))?.add_scalar(8.0 * A))?.add_scalar(-4.0 * A))
    };
    let rest = t.rsub_scalar(1.0);
    Ok([far(&t.add_scalar(1.0))?, near(t)?, near(&rest)?, far(&rest.add_scalar(1.0))?])
}

/// The places of all images as rows of channels.
struct Rows {
    table: Tensor,
    /// The number of the image that each row of the result is of, times its places.
    image: Tensor,
    sizes: Vec<usize>,
}

impl Rows {
    fn of(x: &Tensor, grid: &Tensor, dims: usize) -> Result<Self> {
        let (n, channels, sizes) = (x.shape()[0], x.shape()[1], x.shape()[2..].to_vec());
        let each: usize = sizes.iter().product();
        let last = Dims::collect([0].into_iter().chain(2..dims + 2).chain([1]));
        let table = reshape("reshape", &permute(x, last), Dims::collect([n * each, channels]))?;
        let results: usize = grid.shape()[1..=dims].iter().product();
        let image =
            numbered(stale("grid_sample", &[n * results], DType::I64)?, &mut |i| (i / results.max(1) * each) as i64);
        Ok(Self { table, image, sizes })
    }

    /// The sum of all combinations of taps.
    fn sum(&self, axes: &[Taps]) -> Result<Sampled> {
        let mut total: Option<Tensor> = None;
        let combinations: usize = axes.iter().map(|axis| axis.0.len()).product();
        for combination in 0..combinations {
            let (mut rest, mut place, mut weight) = (combination, None::<Tensor>, None::<Tensor>);
            for (axis, size) in axes.iter().zip(&self.sizes) {
                let (at, counts) = &axis.0[rest % axis.0.len()];
                rest /= axis.0.len();
                place = Some(match place {
                    None => at.clone(),
                    Some(place) => place.mul(&Tensor::from_slice(&[*size as i64], ())?)?.add(at)?,
                });
                weight = Some(weight.map_or(Ok(counts.clone()), |weight| weight.mul(counts))?);
            }
            let (Some(place), Some(weight)) = (place, weight) else { continue };
            let rows = self.table.index_select(0, &place.reshape(-1)?.add(&self.image)?)?;
            let part = rows.mul(&weight.reshape([-1, 1])?)?;
            total = Some(total.map_or(Ok(part.clone()), |total| total.add(&part))?);
        }
        total.map(Sampled).ok_or_else(|| crate::error::bug!("grid_sample", "no dimensions"))
    }
}

/// Rows of channels of the result.
struct Sampled(Tensor);

impl Sampled {
    fn finish(&self, grid: &Tensor, channels: usize, dtype: DType) -> Result<Tensor> {
        let (rank, shape) = (grid.rank(), grid.shape());
        let shape = Dims::collect(shape[..rank - 1].iter().copied().chain([channels]));
        Ok(permute(&reshape("reshape", &self.0, shape)?, super::image::channels_second(rank)).to_dtype(dtype))
    }
}
