//! Means and norms of windows.

use super::{Image, PoolOptions, TargetSize, adaptive, per_dimension, record};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{Grid, Windows, window_sum};
use crate::tensor::layout::Dims;

macro_rules! pools {
    ($($avg:ident $adaptive:ident $lp:ident $dims:literal $places:literal;)*) => {
        /// # Average pooling
        ///
        /// ```
        /// use demotic::autograd::PoolOptions;
        /// use demotic::tensor;
        ///
        /// let (x, options) = (tensor![[[1.0, 2.0], [3.0, 6.0]]], PoolOptions::new(2));
        /// assert_eq!((x.avg_pool2d(&options)?.item()?, x.lp_pool2d(1.0, &options)?.item()?), (3.0, 12.0));
        /// assert_eq!(x.adaptive_avg_pool2d([1, 2])?.to_f64_vec(), [2.0, 4.0]);
        /// # Ok::<(), demotic::Error>(())
        /// ```
        impl Tensor {$(
            #[doc = concat!("The mean of each window of `[batch, channels, ", $places, "]`, or of the same without a batch.")]
            ///
            /// Gradient: `g` divided by the number of elements, to each of them.
            ///
            /// # Errors
            /// If the input has another number of dimensions or no places, the [options](PoolOptions) do not fit it, or have a dilation.
            #[track_caller]
            pub fn $avg(&self, options: &PoolOptions) -> Result<Tensor> {
                let image = Image::new(stringify!($avg), self, $dims)?;
                average(stringify!($avg), &image, options)
            }

            #[doc = concat!("The means of windows that make up `[batch, channels, ", $places, "]`, as many along each dimension as `output` says.")]
            ///
            /// Window `i` of `m` on `n` places holds those from `⌊i n / m⌋` to before `⌈(i + 1) n / m⌉`. Gradient: `g` divided by the
            /// number of elements, to each of them.
            ///
            /// # Errors
            /// If the input has another number of dimensions or no places, or a size of the output is 0.
            #[track_caller]
            pub fn $adaptive(&self, output: impl TargetSize) -> Result<Tensor> {
                let image = Image::new(stringify!($adaptive), self, $dims)?;
                let windows = adaptive(stringify!($adaptive), &image, &output.target())?;
                let counts = [0, 1, 2].map(|i| windows[i].count.clone());
                mean_of(stringify!($adaptive), &image, windows, counts)
            }

            #[doc = concat!("The `p`-norm of each window of `[batch, channels, ", $places, "]`: `(Σ xᵖ)^(1/p)`.")]
            ///
            /// Windows that reach beyond the end, as with `ceil_mode`, count as if they were full of what is there. The gradient where the
            /// norm is 0 is 0 (PyTorch's is NaN). The sum of odd powers may be negative, and the norm is NaN then, as in PyTorch.
            ///
            /// # Errors
            /// If `p` is not a positive number, or as for
            #[doc = concat!("[`", stringify!($avg), "`](Self::", stringify!($avg), "); padding is an error as well.")]
            #[track_caller]
            pub fn $lp(&self, p: f64, options: &PoolOptions) -> Result<Tensor> {
                norm(stringify!($lp), self, p, options, $dims)
            }
        )*}
    };
}

pools! {
    avg_pool1d adaptive_avg_pool1d lp_pool1d 1 "length";
    avg_pool2d adaptive_avg_pool2d lp_pool2d 2 "height, width";
    avg_pool3d adaptive_avg_pool3d lp_pool3d 3 "depth, height, width";
}

#[track_caller]
fn average(name: &'static str, image: &Image, options: &PoolOptions) -> Result<Tensor> {
    if options.dilation.iter().any(|dilation| *dilation != 1) {
        return Err(Error::argument(name, format!("a dilation of {:?}, which a mean cannot have", options.dilation)));
    }
    let mut counts = [const { Vec::new() }; 3];
    let mut windows = options.windows(name, image)?;
    for (counts, along) in counts.iter_mut().zip(&mut windows) {
        *counts = match options.count_include_pad {
            true => std::mem::take(&mut along.with_padding),
            false => along.windows.count.clone(),
        };
    }
    let windows = windows.map(|along| along.windows);
    match options.divisor {
        Some(0) => Err(Error::argument(name, "a divisor of 0")),
        Some(divisor) => {
            let _timer = crate::profile::op(name);
            image.finish(&sum(&image.x, image.grid(windows), image, 1.0 / divisor as f64)?)
        }
        None => mean_of(name, image, windows, counts),
    }
}

/// The sum over each window, divided by the product of its counts.
#[track_caller]
fn mean_of(name: &'static str, image: &Image, windows: [Windows; 3], counts: [Vec<usize>; 3]) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    let all_alike = counts.iter().all(|counts| counts.iter().all(|count| Some(count) == counts.first()));
    let first: f64 = counts.iter().map(|counts| counts.first().copied().unwrap_or(1) as f64).product();
    let grid = image.grid(windows);
    if all_alike {
        return image.finish(&sum(&image.x, grid, image, 1.0 / first)?);
    }
    let y = sum(&image.x, grid, image, 1.0)?;
    let mut each = Vec::with_capacity(counts.iter().map(Vec::len).product());
    for d in &counts[0] {
        for h in &counts[1] {
            each.extend(counts[2].iter().map(|w| (*d as f64) * (*h as f64) * (*w as f64)));
        }
    }
    let sizes = [0, 1, 2].map(|i| counts[i].len());
    let divisors = image.for_channels(&Tensor::from_vec::<f64>(each, sizes)?.cast(y.dtype()))?;
    image.finish(&y.div(&divisors)?)
}

/// `scale` times the sum over each window.
#[track_caller]
fn sum(x: &Tensor, grid: Grid, image: &Image, scale: f64) -> Result<Tensor> {
    let shape = image.shape([0, 1, 2].map(|i| grid.windows[i].len()));
    window_sums(x, grid, scale, shape)
}

/// The same for any grid: a tensor of `shape`. Its gradient is the sum of `g` over the windows that a place is in, and so on.
#[track_caller]
pub(in crate::autograd::ops) fn window_sums(x: &Tensor, grid: Grid, scale: f64, shape: Dims) -> Result<Tensor> {
    let out = window_sum(&grid, scale, x, &shape)?;
    Ok(record("window_sum", out, &[x], |tape| {
        let sizes = grid.windows.each_ref().map(Windows::len);
        let mut back = Grid { sizes, ..grid };
        for (windows, size) in back.windows.iter_mut().zip(grid.sizes) {
            *windows = windows.transposed(size);
        }
        let shape = x.layout().shape();
        tape.edge(x, move |g| window_sums(g, back.clone(), scale, shape));
        tape.keeps_examples(x, true);
    }))
}

#[track_caller]
fn norm(name: &'static str, x: &Tensor, p: f64, options: &PoolOptions, dims: usize) -> Result<Tensor> {
    if !(p > 0.0 && p.is_finite()) {
        return Err(Error::argument(name, format!("p is {p}, expected a positive number")));
    }
    if options.padding.iter().any(|padding| *padding != 0) {
        return Err(Error::argument(name, format!("a padding of {:?}, which a norm cannot have", options.padding)));
    }
    let kernel = per_dimension(name, "kernel", &options.kernel, dims, 1)?;
    let image = Image::new(name, &x.powf(p), dims)?;
    let mean = average(name, &image, options)?;
    let sum = mean.mul_scalar(kernel.iter().map(|n| *n as f64).product());
    let none = sum.eq_scalar(0.0);
    sum.masked_fill(&none, 1.0)?.powf(1.0 / p).masked_fill(&none, 0.0)
}

/// The sum over `size` neighbouring channels of `[batch, channels, ..]`, as far as there are any: as many before as after, or one
/// more before.
#[track_caller]
pub(in crate::autograd::ops) fn neighbours(x: &Tensor, size: usize) -> Result<Tensor> {
    let (n, channels) = (x.shape()[0], x.shape()[1]);
    let inner = x.shape()[2..].iter().product();
    let (before, after) = (size / 2, (size - 1) / 2);
    let (mut first, mut count) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
    for channel in 0..channels {
        let start = channel.saturating_sub(before);
        first.push(start);
        count.push(channel.saturating_add(after).saturating_add(1).min(channels) - start);
    }
    let one = || Windows { first: vec![0], count: vec![1], step: 1 };
    let grid =
        Grid { outer: n, sizes: [1, 1, channels], inner, windows: [one(), one(), Windows { first, count, step: 1 }] };
    window_sums(&x.contiguous(), grid, 1.0, x.layout().shape())
}
