//! Windows of images as columns, and back; places of channels.

use std::panic::Location;

use super::image::{channels_last, channels_second};
use super::pool::per_dimension;
use super::shape::{permute, reshape};
use crate::error::{Error, Result};
use crate::tensor::create::{check_list, check_shape};
use crate::tensor::exec::index::{numbered, zeros};
use crate::tensor::layout::{Dims, Shape};
use crate::tensor::{DType, Tensor};

/// The windows of [`Tensor::im2col`] and [`Tensor::col2im`]: their size, and options with the defaults of PyTorch. Sizes are a number
/// for height and width, or one for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfoldOptions {
    pub(crate) kernel: Vec<usize>,
    pub(crate) stride: Vec<usize>,
    pub(crate) padding: Vec<usize>,
    pub(crate) dilation: Vec<usize>,
}

impl UnfoldOptions {
    /// Windows of this size.
    #[must_use]
    pub fn new(kernel: impl Shape) -> Self {
        Self { kernel: kernel.sizes().to_vec(), stride: vec![1], padding: vec![0], dilation: vec![1] }
    }

    /// How far windows are apart; 1 by default.
    #[must_use]
    pub fn stride(mut self, stride: impl Shape) -> Self {
        self.stride = stride.sizes().to_vec();
        self
    }

    /// Zeros on each side of the image; none by default.
    #[must_use]
    pub fn padding(mut self, padding: impl Shape) -> Self {
        self.padding = padding.sizes().to_vec();
        self
    }

    /// How far the places of a window are apart; 1 by default.
    #[must_use]
    pub fn dilation(mut self, dilation: impl Shape) -> Self {
        self.dilation = dilation.sizes().to_vec();
        self
    }

    /// The windows on an image of this size.
    #[track_caller]
    fn along(&self, name: &'static str, size: [usize; 2]) -> Result<[Along; 2]> {
        let kernel = per_dimension(name, "kernel", &self.kernel, 2, 1)?;
        let stride = per_dimension(name, "stride", &self.stride, 2, 1)?;
        let padding = per_dimension(name, "padding", &self.padding, 2, 0)?;
        let dilation = per_dimension(name, "dilation", &self.dilation, 2, 1)?;
        let caller = Location::caller();
        let along = |i: usize| {
            let (kernel, stride, padding, dilation) = (kernel[i + 1], stride[i + 1], padding[i + 1], dilation[i + 1]);
            let padded = size[i] as i128 + 2 * padding as i128;
            let extent = (kernel as i128 - 1).saturating_mul(dilation as i128).saturating_add(1);
            if extent > padded {
                let message =
                    format!("a kernel that spans {extent} for {} with a padding of {padding} on each side", size[i]);
                return Err(Error::shape(name, message).at(caller));
            }
            let whole = |n: i128| usize::try_from(n).unwrap_or(usize::MAX);
            let places = whole((padded - extent) / stride as i128 + 1);
            check_list(name, "places of windows", kernel.saturating_mul(places), 64)?;
            Ok(Along { kernel, places, stride, padding, dilation, padded: whole(padded) })
        };
        Ok([along(0)?, along(1)?])
    }
}

/// Windows along one dimension.
struct Along {
    kernel: usize,
    /// How many windows there are.
    places: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    padded: usize,
}

impl Along {
    /// For each place of a window, and each window, where that is in the padded image.
    fn table(&self) -> Tensor {
        numbered(Tensor::stale(DType::I64, &[self.kernel * self.places]), &mut |i| {
            (i / self.places * self.dilation + i % self.places * self.stride) as i64
        })
    }
}

/// # Windows of images
///
/// ```
/// use demotic::Tensor;
///
/// let x = Tensor::zeros([1, 2, 4, 6])?;
/// assert_eq!(x.pixel_unshuffle(2)?.shape(), [1, 8, 2, 3]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The windows of an image, one after the other: `[batch, channels, height, width]` becomes
    /// `[batch, channels · kernel, windows]`, or the same without a batch. PyTorch's `F.unfold`.
    ///
    /// Gradient: [`col2im`](Self::col2im) of `g`.
    ///
    /// # Errors
    /// If the input has another number of dimensions, the options do not fit it, or the result does not fit into memory.
    ///
    /// ```
    /// use demotic::autograd::UnfoldOptions;
    /// use demotic::tensor;
    ///
    /// let image = tensor![[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]];
    /// let windows = image.im2col(&UnfoldOptions::new(2))?;
    /// assert_eq!(windows.shape(), [4, 2]);
    /// assert_eq!(windows.t().to_vec::<f32>()?, [1.0, 2.0, 4.0, 5.0, 2.0, 3.0, 5.0, 6.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "unfold")]
    #[track_caller]
    pub fn im2col(&self, options: &UnfoldOptions) -> Result<Tensor> {
        let name = "im2col";
        if ![3, 4].contains(&self.rank()) {
            let message = format!("the input has shape {:?}, expected [batch, channels, height, width]", self.shape());
            return Err(Error::shape(name, message).with_help("or [channels, height, width]"));
        }
        let (rank, batched) = (self.rank(), self.rank() == 4);
        let size = [self.shape()[rank - 2], self.shape()[rank - 1]];
        let [rows, columns] = options.along(name, size)?;
        let channels = self.shape()[rank - 3];
        let n = if batched { self.shape()[0] } else { 1 };
        let result = [n, channels.saturating_mul(rows.kernel * columns.kernel), rows.places * columns.places];
        check_shape(name, &result, self.dtype())?;
        let margins = [&rows, &columns].map(|along| (along.padding as isize, along.padding as isize));
        let x = if batched { self.clone() } else { self.unsqueeze(0)? };
        let x = x.pad(&margins, 0.0)?.index_select(2, &rows.table())?.index_select(3, &columns.table())?;
        let apart = [n, channels, rows.kernel, rows.places, columns.kernel, columns.places];
        let x = permute(&reshape("reshape", &x, Dims::collect(apart))?, Dims::collect([0, 1, 2, 4, 3, 5]));
        let x = reshape("reshape", &x, Dims::collect(result))?;
        if batched { Ok(x) } else { x.squeeze(0) }
    }

    /// The sum of windows, each at its place: `[batch, channels · kernel, windows]` becomes `[batch, channels, height, width]`, or the
    /// same without a batch. PyTorch's `F.fold`.
    ///
    /// Gradient: [`im2col`](Self::im2col) of `g`.
    ///
    /// # Errors
    /// If the input is not what `im2col` makes of an image of this size, or the options do not fit that.
    ///
    /// ```
    /// use demotic::autograd::UnfoldOptions;
    /// use demotic::Tensor;
    ///
    /// // In how many windows each place is.
    /// let pairs = UnfoldOptions::new([1, 2]);
    /// let image = Tensor::ones([1, 2, 2])?.col2im([1, 3], &pairs)?;
    /// assert_eq!(image.to_vec::<f32>()?, [1.0, 2.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "fold")]
    #[track_caller]
    pub fn col2im(&self, size: [usize; 2], options: &UnfoldOptions) -> Result<Tensor> {
        let name = "col2im";
        let [rows, columns] = options.along(name, size)?;
        let (kernel, windows) =
            (rows.kernel.saturating_mul(columns.kernel), rows.places.saturating_mul(columns.places));
        let batched = self.rank() == 3;
        let fits = match self.shape() {
            [.., wide, places] if batched || self.rank() == 2 => wide.is_multiple_of(kernel) && *places == windows,
            _ => false,
        };
        if !fits {
            let message = format!(
                "the input has shape {:?}, expected [batch, a multiple of {kernel}, {windows}] for an image of {size:?}",
                self.shape()
            );
            return Err(Error::shape(name, message));
        }
        let x = if batched { self.clone() } else { self.unsqueeze(0)? };
        let (n, channels) = (x.shape()[0], x.shape()[1] / kernel);
        let apart = [n, channels, rows.kernel, columns.kernel, rows.places, columns.places];
        let x = permute(&reshape("reshape", &x, Dims::collect(apart))?, Dims::collect([0, 1, 2, 4, 3, 5]));
        let (tall, wide) = (rows.kernel * rows.places, columns.kernel * columns.places);
        let x = reshape("reshape", &x, Dims::collect([n, channels, tall, wide]))?;
        let put = |x: &Tensor, dim: usize, along: &Along| {
            let mut shape = x.layout().shape();
            shape[dim] = along.padded;
            crate::tensor::create::reserve(name, &shape, x.dtype())?;
            zeros(&shape, x.dtype()).index_add(dim as isize, &along.table(), x)
        };
        let x = put(&put(&x, 3, &columns)?, 2, &rows)?;
        let margins = [&rows, &columns].map(|along| (-(along.padding as isize), -(along.padding as isize)));
        let x = x.pad(&margins, 0.0)?;
        if batched { Ok(x) } else { x.squeeze(0) }
    }

    /// Makes an image of fewer channels and more places: `[.., c r², h, w]` becomes `[.., c, h r, w r]` (Shi et al., 2016). Gradient:
    /// [`pixel_unshuffle`](Self::pixel_unshuffle) of `g`.
    ///
    /// # Errors
    /// If there are fewer than three dimensions, `r` is 0, or its square does not divide the number of channels.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[[1.0]], [[2.0]], [[3.0]], [[4.0]]];
    /// let y = x.pixel_shuffle(2)?;
    /// assert_eq!((y.shape(), y.to_vec::<f32>()?), (&[1, 2, 2][..], vec![1.0, 2.0, 3.0, 4.0]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn pixel_shuffle(&self, r: usize) -> Result<Tensor> {
        let name = "pixel_shuffle";
        let (lead, [channels, h, w]) = image_of(name, self, r)?;
        let square = r.saturating_mul(r);
        if !channels.is_multiple_of(square) {
            let message = format!("{channels} channels of {:?}, expected a multiple of {square}", self.shape());
            return Err(Error::shape(name, message));
        }
        let c = channels / square;
        shuffled(name, self, lead, [c, r, r, h, w], [0, 3, 1, 4, 2], [c, h.saturating_mul(r), w.saturating_mul(r)])
    }

    /// The inverse of [`pixel_shuffle`](Self::pixel_shuffle): `[.., c, h r, w r]` becomes `[.., c r², h, w]`. Gradient: shuffled again.
    ///
    /// # Errors
    /// If there are fewer than three dimensions, `r` is 0, or it does not divide height and width.
    #[track_caller]
    pub fn pixel_unshuffle(&self, r: usize) -> Result<Tensor> {
        let name = "pixel_unshuffle";
        let (lead, [c, height, width]) = image_of(name, self, r)?;
        if !height.is_multiple_of(r) || !width.is_multiple_of(r) {
            let message = format!("an image of {height} by {width}, expected multiples of {r}");
            return Err(Error::shape(name, message));
        }
        let (h, w) = (height / r, width / r);
        shuffled(name, self, lead, [c, h, r, w, r], [0, 2, 4, 1, 3], [c.saturating_mul(r).saturating_mul(r), h, w])
    }
}

/// The dimensions before those of the image, and these.
#[track_caller]
fn image_of(name: &'static str, x: &Tensor, r: usize) -> Result<(usize, [usize; 3])> {
    let &[.., channels, h, w] = x.shape() else {
        let message = format!("the input has shape {:?}, expected [.., channels, height, width]", x.shape());
        return Err(Error::shape(name, message));
    };
    if r == 0 {
        return Err(Error::argument(name, "a factor of 0, expected at least 1"));
    }
    Ok((x.rank() - 3, [channels, h, w]))
}

/// The last three dimensions as `apart`, these in another `order`, and these as `joined`. Images keep the layout that they have.
#[track_caller]
fn shuffled(
    name: &'static str,
    x: &Tensor,
    lead: usize,
    apart: [usize; 5],
    order: [usize; 5],
    joined: [usize; 3],
) -> Result<Tensor> {
    let last = lead == 1 && channels_last(x).is_some();
    // All dimensions before are one, for there may be at most eight.
    let n: usize = x.shape()[..lead].iter().product();
    let flat = match lead {
        1 => x.clone(),
        _ => reshape("reshape", x, Dims::collect([n].into_iter().chain(x.shape()[lead..].iter().copied())))?,
    };
    // Images without places may have sides of any length.
    let [c, a, b, d, e] = apart;
    check_shape(name, &[n, c, a, b, d, e], x.dtype())?;
    let [channels, height, width] = joined;
    check_shape(name, &[n, channels, height, width], x.dtype())?;
    let y = reshape("reshape", &flat, Dims::collect([n].into_iter().chain(apart)))?;
    let mut axes: Vec<usize> = [0].into_iter().chain(order.map(|i| i + 1)).collect();
    let mut shape = Dims::collect([n].into_iter().chain(joined));
    if last {
        // What makes up the channels goes to the end.
        let of_channels = if order == [0, 3, 1, 4, 2] { 1 } else { 3 };
        axes[1..].rotate_left(of_channels);
        shape[1..].rotate_left(1);
    }
    let y = reshape("reshape", &permute(&y, Dims::collect(axes)), shape)?;
    if last {
        return Ok(permute(&y, channels_second(4)));
    }
    match lead {
        1 => Ok(y),
        _ => reshape("reshape", &y, Dims::collect(x.shape()[..lead].iter().copied().chain(joined))),
    }
}
