//! Pooling: what is the largest, the mean or the norm of windows of images.

mod average;
mod max;

pub(super) use average::neighbours;

use super::image::Image;
use super::record;
use crate::error::{Error, Result};
use crate::tensor::create::check_list;
use crate::tensor::exec::fused::Windows;
use crate::tensor::layout::Shape;

/// Where the windows of a pooling lie: their size, and options with the defaults of PyTorch.
///
/// Sizes are a number for all dimensions, or one for each.
///
/// | option | default | |
/// |---|---|---|
/// | [`stride`](Self::stride) | the kernel | how far windows are apart |
/// | [`padding`](Self::padding) | 0 | places on each side that are not there, at most half of the kernel |
/// | [`dilation`](Self::dilation) | 1 | how far the places of a window are apart (only of a maximum) |
/// | [`ceil_mode`](Self::ceil_mode) | no | whether a last window may reach beyond the end |
/// | [`count_include_pad`](Self::count_include_pad) | yes | whether a mean counts the padding, as zeros |
/// | [`divisor_override`](Self::divisor_override) | | what a mean divides by instead |
///
/// Of `n` places remain `⌊(n + 2 padding − dilation (kernel − 1) − 1) / stride⌋ + 1`, rounded up with `ceil_mode`, as long as each
/// window begins within the input or the padding before it.
///
/// ```
/// use demotic::autograd::PoolOptions;
/// use demotic::Tensor;
///
/// let images = Tensor::ones([8, 3, 32, 32])?;
/// assert_eq!(images.max_pool2d(&PoolOptions::new(2))?.shape(), [8, 3, 16, 16]);
/// let windows = PoolOptions::new([3, 5]).stride([2, 1]).padding([1, 2]);
/// assert_eq!(images.avg_pool2d(&windows)?.shape(), [8, 3, 16, 32]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    pub(crate) kernel: Vec<usize>,
    pub(crate) stride: Option<Vec<usize>>,
    pub(crate) padding: Vec<usize>,
    pub(crate) dilation: Vec<usize>,
    pub(crate) ceil_mode: bool,
    pub(crate) count_include_pad: bool,
    pub(crate) divisor: Option<usize>,
}

impl PoolOptions {
    /// Windows of this size.
    #[must_use]
    pub fn new(kernel: impl Shape) -> Self {
        Self {
            kernel: kernel.sizes().to_vec(),
            stride: None,
            padding: vec![0],
            dilation: vec![1],
            ceil_mode: false,
            count_include_pad: true,
            divisor: None,
        }
    }

    /// How far windows are apart.
    #[must_use]
    pub fn stride(mut self, stride: impl Shape) -> Self {
        self.stride = Some(stride.sizes().to_vec());
        self
    }

    /// Places on each side of the input that are not there.
    #[must_use]
    pub fn padding(mut self, padding: impl Shape) -> Self {
        self.padding = padding.sizes().to_vec();
        self
    }

    /// How far the places of a window are apart.
    #[must_use]
    pub fn dilation(mut self, dilation: impl Shape) -> Self {
        self.dilation = dilation.sizes().to_vec();
        self
    }

    /// Whether a last window may reach beyond the end of input and padding.
    #[must_use]
    pub fn ceil_mode(mut self, ceil: bool) -> Self {
        self.ceil_mode = ceil;
        self
    }

    /// Whether a mean counts the places of the padding.
    #[must_use]
    pub fn count_include_pad(mut self, count: bool) -> Self {
        self.count_include_pad = count;
        self
    }

    /// What a mean divides the sum of a window by, whatever its size.
    #[must_use]
    pub fn divisor_override(mut self, divisor: usize) -> Self {
        self.divisor = Some(divisor);
        self
    }

    /// The windows along all dimensions of an image.
    #[track_caller]
    fn windows(&self, name: &'static str, image: &Image) -> Result<[Along; 3]> {
        let dims = image.dims;
        let kernel = per_dimension(name, "kernel", &self.kernel, dims, 1)?;
        let stride = per_dimension(name, "stride", self.stride.as_deref().unwrap_or(&self.kernel), dims, 1)?;
        let dilation = per_dimension(name, "dilation", &self.dilation, dims, 1)?;
        let mut padding = per_dimension(name, "padding", &self.padding, dims, 0)?;
        padding[..3 - dims].fill(0);
        let along = |i: usize| {
            let window = Window { kernel: kernel[i], stride: stride[i], padding: padding[i], dilation: dilation[i] };
            window.along(name, ["the depth", "the height", "the width"][i], image.sizes[i], self.ceil_mode)
        };
        Ok([along(0)?, along(1)?, along(2)?])
    }
}

/// A number for each of three dimensions, from one for all of the last `dims` or one for each of them; 1 for those before.
#[track_caller]
pub(super) fn per_dimension(
    name: &'static str,
    what: &str,
    sizes: &[usize],
    dims: usize,
    least: usize,
) -> Result<[usize; 3]> {
    let mut all = [1; 3];
    if sizes.len() != 1 && sizes.len() != dims {
        let message = format!("the {what} is {sizes:?}, expected 1 or {dims} numbers");
        return Err(Error::argument(name, message));
    }
    if sizes.iter().any(|size| *size < least) {
        return Err(Error::argument(name, format!("the {what} is {sizes:?}, expected at least {least}")));
    }
    for (i, all) in all[3 - dims..].iter_mut().enumerate() {
        *all = if sizes.len() == 1 { sizes[0] } else { sizes[i] };
    }
    Ok(all)
}

/// The windows of one dimension.
struct Window {
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
}

/// Windows on places that are there, and how many places each has with the padding.
struct Along {
    windows: Windows,
    with_padding: Vec<usize>,
}

impl Window {
    #[track_caller]
    fn along(&self, name: &'static str, what: &str, size: usize, ceil: bool) -> Result<Along> {
        let Self { kernel, stride, padding, dilation } = *self;
        let wide = |n: usize| n as i128;
        let (n, s, p, d) = (wide(size), wide(stride), wide(padding), wide(dilation));
        let extent = (wide(kernel) - 1).saturating_mul(d).saturating_add(1);
        if 2 * p > extent {
            let message = format!("a padding of {padding} is more than half of a kernel that spans {extent}");
            return Err(Error::argument(name, message));
        }
        let free = (n + 2 * p).saturating_sub(extent).saturating_add(if ceil { s - 1 } else { 0 });
        if free < 0 {
            let padded = if padding > 0 { format!(" with a padding of {padding} on each side") } else { String::new() };
            let message = format!("{what} of the input is {size}{padded}, less than a kernel that spans {extent}");
            return Err(Error::shape(name, message)
                .with_help("images become smaller with every pooling: use fewer, or larger images"));
        }
        let mut count = free / s + 1;
        if ceil && (count - 1) * s >= n + p {
            count -= 1;
        }
        let count = count as usize;
        check_list(name, "windows", count, 32)?;
        let mut along = Along {
            windows: Windows { first: Vec::with_capacity(count), count: Vec::with_capacity(count), step: dilation },
            with_padding: Vec::with_capacity(count),
        };
        for i in 0..count {
            let start = wide(i) * s - p;
            // The first place of the window that is there, and how many are.
            let missing = if start < 0 { (-start + d - 1) / d } else { 0 };
            let first = start + missing * d;
            let places = if first < n { ((n - first + d - 1) / d).min(wide(kernel) - missing) } else { 0 }.max(0);
            along.windows.first.push(if places > 0 { first as usize } else { 0 });
            along.windows.count.push(places as usize);
            along.with_padding.push(((start + wide(kernel)).min(n + p) - start) as usize);
        }
        Ok(along)
    }
}

/// Windows of nearly equal sizes that make up `size` places, as many as there are to be results.
#[track_caller]
fn adaptive(name: &'static str, image: &Image, target: &[Option<usize>]) -> Result<[Windows; 3]> {
    let (dims, none) = (image.dims, || Windows { first: Vec::new(), count: Vec::new(), step: 1 });
    if (target.len() != 1 && target.len() != dims) || target.contains(&Some(0)) {
        let message = format!("an output of {target:?}, expected 1 or {dims} sizes of at least 1");
        return Err(Error::argument(name, message));
    }
    let mut all = [none(), none(), none()];
    for (i, windows) in all.iter_mut().enumerate() {
        let size = image.sizes[i];
        let wanted = i.checked_sub(3 - dims).and_then(|i| target[if target.len() == 1 { 0 } else { i }]);
        let count = wanted.unwrap_or(size);
        check_list(name, "windows", count, 32)?;
        let (n, of) = (size as u128, count as u128);
        for k in 0..of {
            let (start, end) = (k * n / of, ((k + 1) * n).div_ceil(of));
            windows.first.push(start as usize);
            windows.count.push((end - start) as usize);
        }
    }
    Ok(all)
}

/// What a size of an adaptive pooling may be: a number for all dimensions, or one for each, of which those that are `None` stay as
/// they are.
pub trait TargetSize {
    /// The sizes.
    fn target(&self) -> Vec<Option<usize>>;
}

impl TargetSize for usize {
    fn target(&self) -> Vec<Option<usize>> {
        vec![Some(*self)]
    }
}

impl<const N: usize> TargetSize for [usize; N] {
    fn target(&self) -> Vec<Option<usize>> {
        self.iter().map(|n| Some(*n)).collect()
    }
}

impl<const N: usize> TargetSize for [Option<usize>; N] {
    fn target(&self) -> Vec<Option<usize>> {
        self.to_vec()
    }
}

impl TargetSize for &[Option<usize>] {
    fn target(&self) -> Vec<Option<usize>> {
        self.to_vec()
    }
}
