//! The largest number of each window, and its way back.

use std::sync::Arc;

use super::{Image, PoolOptions, TargetSize, adaptive, per_dimension, record};
use crate::error::{Error, Result};
use crate::tensor::exec::fused::{Grid, Windows, window_max, window_pick, window_put};
use crate::tensor::exec::index::{out_of_range, zeros};
use crate::tensor::layout::Dims;
use crate::tensor::{DType, Tensor};

macro_rules! pools {
    ($($max:ident $with_indices:ident $unpool:ident $adaptive:ident $adaptive_with_indices:ident $dims:literal $places:literal;)*) => {
        /// # Max pooling
        ///
        /// ```
        /// use demotic::autograd::PoolOptions;
        /// use demotic::tensor;
        ///
        /// let (x, options) = (tensor![[[1.0, 2.0], [3.0, 6.0]]], PoolOptions::new(2));
        /// let (y, places) = x.max_pool2d_with_indices(&options)?;
        /// assert_eq!((y.item()?, places.item()?, x.max_pool2d(&options)?.item()?), (6.0, 3.0, 6.0));
        /// assert_eq!(y.max_unpool2d(&places, &options, None)?.to_f64_vec(), [0.0, 0.0, 0.0, 6.0]);
        /// assert_eq!(x.adaptive_max_pool2d([1, 2])?.to_f64_vec(), [3.0, 6.0]);
        /// assert_eq!(x.adaptive_max_pool2d_with_indices([1, 2])?.1.to_f64_vec(), [2.0, 3.0]);
        /// # Ok::<(), demotic::Error>(())
        /// ```
        impl Tensor {$(
            #[doc = concat!("The largest number of each window of `[batch, channels, ", $places, "]`, or of the same without a batch.")]
            ///
            /// Gradient: `g` to the first of the largest numbers of each window. NaN counts as largest.
            ///
            /// # Errors
            /// If the input has another number of dimensions or no places, or the [options](PoolOptions) do not fit it.
            #[track_caller]
            pub fn $max(&self, options: &PoolOptions) -> Result<Tensor> {
                let image = Image::new(stringify!($max), self, $dims)?;
                Ok(pooled(stringify!($max), &image, options)?.0)
            }

            #[doc = concat!("The same as [`", stringify!($max), "`](Self::", stringify!($max), "), and where the numbers are: places of the image, counted in row-major order, of type `I64`.")]
            ///
            /// # Errors
            #[doc = concat!("As for [`", stringify!($max), "`](Self::", stringify!($max), ").")]
            #[track_caller]
            pub fn $with_indices(&self, options: &PoolOptions) -> Result<(Tensor, Tensor)> {
                let image = Image::new(stringify!($max), self, $dims)?;
                let (y, at) = pooled(stringify!($max), &image, options)?;
                Ok((y, indices(&image, &at)?))
            }

            #[doc = concat!("Puts numbers back to where [`", stringify!($with_indices), "`](Self::", stringify!($with_indices), ") found them, among zeros.")]
            ///
            /// The result has `(n − 1) stride − 2 padding + kernel` places along each dimension, or those of `output`; several inputs
            /// that a pooling makes results of one size of. Where a place is named twice, the last number counts. Gradient: `g` at these
            /// places.
            ///
            /// # Errors
            /// If `indices` are no `I64` of the shape of the input or lie outside of the result, or that would have no places.
            #[track_caller]
            pub fn $unpool(&self, indices: &Tensor, options: &PoolOptions, output: Option<&[usize]>) -> Result<Tensor> {
                unpooled(stringify!($unpool), self, indices, options, output, $dims)
            }

            #[doc = concat!("The largest numbers of windows that make up `[batch, channels, ", $places, "]`, as many along each dimension as `output` says.")]
            ///
            /// Window `i` of `m` on `n` places holds those from `⌊i n / m⌋` to before `⌈(i + 1) n / m⌉`. Gradient: as that of
            #[doc = concat!("[`", stringify!($max), "`](Self::", stringify!($max), ").")]
            ///
            /// # Errors
            /// If the input has another number of dimensions or no places, or a size of the output is 0.
            #[track_caller]
            pub fn $adaptive(&self, output: impl TargetSize) -> Result<Tensor> {
                let image = Image::new(stringify!($adaptive), self, $dims)?;
                let windows = adaptive(stringify!($adaptive), &image, &output.target())?;
                Ok(largest(stringify!($adaptive), &image, windows)?.0)
            }

            #[doc = concat!("The same as [`", stringify!($adaptive), "`](Self::", stringify!($adaptive), "), and where the numbers are.")]
            ///
            /// # Errors
            #[doc = concat!("As for [`", stringify!($adaptive), "`](Self::", stringify!($adaptive), ").")]
            #[track_caller]
            pub fn $adaptive_with_indices(&self, output: impl TargetSize) -> Result<(Tensor, Tensor)> {
                let image = Image::new(stringify!($adaptive), self, $dims)?;
                let windows = adaptive(stringify!($adaptive), &image, &output.target())?;
                let (y, at) = largest(stringify!($adaptive), &image, windows)?;
                Ok((y, indices(&image, &at)?))
            }
        )*}
    };
}

pools! {
    max_pool1d max_pool1d_with_indices max_unpool1d adaptive_max_pool1d adaptive_max_pool1d_with_indices 1 "length";
    max_pool2d max_pool2d_with_indices max_unpool2d adaptive_max_pool2d adaptive_max_pool2d_with_indices 2 "height, width";
    max_pool3d max_pool3d_with_indices max_unpool3d adaptive_max_pool3d adaptive_max_pool3d_with_indices 3 "depth, height, width";
}

/// The indices that users see.
fn indices(image: &Image, at: &Tensor) -> Result<Tensor> {
    image.finish(&at.cast(DType::I64))
}

#[track_caller]
fn pooled(name: &'static str, image: &Image, options: &PoolOptions) -> Result<(Tensor, Tensor)> {
    let along = options.windows(name, image)?;
    for (i, along) in along.iter().enumerate() {
        if let Some(at) = along.windows.count.iter().position(|count| *count == 0) {
            let (size, dim) = (image.sizes[i], i + image.dims - 3);
            let message = format!("window {at} along the places of dimension {dim} has none of the {size} in it");
            return Err(Error::argument(name, message).with_help("use less padding, or less dilation"));
        }
    }
    largest(name, image, along.map(|along| along.windows))
}

/// The largest numbers, in the shape of the input, and their places, which lie as they were found.
#[track_caller]
fn largest(name: &'static str, image: &Image, windows: [Windows; 3]) -> Result<(Tensor, Tensor)> {
    let _timer = crate::profile::op(name);
    if i32::try_from(image.sizes.iter().product::<usize>()).is_err() {
        let message = format!("images of {:?} places, at most {} have a maximum", image.sizes, i32::MAX);
        return Err(Error::shape(name, message));
    }
    let shape = image.shape([0, 1, 2].map(|i| windows[i].len()));
    let grid = Arc::new(image.grid(windows));
    let (out, at) = window_max(&grid, &image.x, &shape)?;
    Ok((image.finish(&picked(out, &image.x, &grid, &at))?, at))
}

/// `out`, which has the elements of `x` at some places, as the result of taking them.
fn picked(out: Tensor, x: &Tensor, grid: &Arc<Grid>, at: &Tensor) -> Tensor {
    record("max_pool", out, &[x], |tape| {
        let (grid, at, shape) = (grid.clone(), at.clone(), x.layout().shape());
        tape.edge(x, move |g| put_back(g, &grid, &at, shape));
        tape.keeps_examples(x, true);
    })
}

/// The gradient of taking elements.
fn put_back(g: &Tensor, grid: &Arc<Grid>, at: &Tensor, shape: Dims) -> Result<Tensor> {
    let out = window_put(grid, g, at, &shape)?;
    Ok(record("max_pool_sum", out, &[g], |tape| {
        let (grid, at) = (grid.clone(), at.clone());
        tape.edge(g, move |h| Ok(picked(window_pick(&grid, h, &at)?, h, &grid, &at)));
    }))
}

#[track_caller]
fn unpooled(
    name: &'static str,
    x: &Tensor,
    indices: &Tensor,
    options: &PoolOptions,
    output: Option<&[usize]>,
    dims: usize,
) -> Result<Tensor> {
    let image = Image::new(name, x, dims)?;
    indices.expect_dtype(name, "the indices", DType::I64)?;
    if indices.shape() != x.shape() {
        let message = format!("indices of shape {:?} for an input of shape {:?}", indices.shape(), x.shape());
        return Err(Error::shape(name, message));
    }
    let lead = x.rank() - dims;
    let mut shape = x.layout().shape();
    if let Some(output) = output {
        if output.len() != dims {
            let message = format!("an output of {output:?}, expected {dims} size{}", if dims == 1 { "" } else { "s" });
            return Err(Error::argument(name, message));
        }
        shape[lead..].copy_from_slice(output);
    } else {
        let kernel = per_dimension(name, "kernel", &options.kernel, dims, 1)?;
        let stride = options.stride.as_deref().unwrap_or(&options.kernel);
        let stride = per_dimension(name, "stride", stride, dims, 1)?;
        let padding = per_dimension(name, "padding", &options.padding, dims, 0)?;
        for (i, size) in shape[lead..].iter_mut().enumerate() {
            let i = i + 3 - dims;
            let grown = (*size - 1).saturating_mul(stride[i]).saturating_add(kernel[i]);
            *size = grown.saturating_sub(padding[i].saturating_mul(2));
        }
    }
    if shape[lead..].contains(&0) {
        return Err(Error::argument(name, format!("an output of {:?} has no places", &shape[lead..])));
    }
    crate::tensor::create::reserve(name, &shape, x.dtype())?;
    let places: usize = shape[lead..].iter().product();
    let indices = indices.packed();
    if let Some((at, wrong)) = out_of_range(&indices, places) {
        let message = format!("index {wrong} (element {at}) for an output of {:?}", &shape[lead..]);
        return Err(Error::index(name, message).with_help("indices count the places of one channel"));
    }
    let flat = |shape: &[usize], each: usize| Dims::collect(shape[..lead].iter().copied().chain([each]));
    let each = x.shape()[lead..].iter().product();
    let (x, indices) = (x.reshape(&*flat(x.shape(), each))?, indices.reshape(&*flat(x.shape(), each))?);
    zeros(&flat(&shape, places), image.x.dtype()).scatter(-1, &indices, &x)?.reshape(&*shape)
}
