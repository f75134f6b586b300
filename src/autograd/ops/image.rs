//! How images lie in memory: with their channels first, or with their channels last.

use super::shape::{permute, reshape};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{Grid, Windows};
use crate::tensor::layout::Dims;

/// The order of the dimensions in which the elements of `[n, channels, places…]` lie one after the other with the channels last;
/// `None` if they do not lie so, or lie one after the other as they are.
pub(super) fn channels_last(x: &Tensor) -> Option<Dims> {
    if x.is_contiguous() || x.rank() < 3 {
        return None;
    }
    let axes = Dims::collect([0].into_iter().chain(2..x.rank()).chain([1]));
    x.permuted(&axes).is_contiguous().then_some(axes)
}

/// The order that brings channels back from the end.
pub(super) fn channels_second(rank: usize) -> Dims {
    Dims::collect([0, rank - 1].into_iter().chain(1..rank - 1))
}

/// A tensor that is seen as a batch of images, volumes or sequences of vectors.
pub(super) struct Image {
    /// `[n, channels, depth, height, width]`, or `[n, depth, height, width, channels]` if `last`. Contiguous.
    pub(super) x: Tensor,
    /// Depth, height and width; 1 for those that there are not.
    pub(super) sizes: [usize; 3],
    /// How many of these there are.
    pub(super) dims: usize,
    pub(super) channels: usize,
    last: bool,
    batched: bool,
}

impl Image {
    /// `[n, channels, places…]` or `[channels, places…]` with places along `dims` dimensions, of which none has size 0.
    #[track_caller]
    pub(super) fn new(name: &'static str, x: &Tensor, dims: usize) -> Result<Self> {
        x.expect_any_float(name, "the input")?;
        let batched = x.rank() == dims + 2;
        let places = &x.shape()[x.rank().saturating_sub(dims)..];
        if (!batched && x.rank() != dims + 1) || places.contains(&0) {
            let names = &["depth", "height", "width"][3 - dims..];
            let names = if dims == 1 { "length".to_owned() } else { names.join(", ") };
            let message = format!(
                "the input has shape {:?}, expected [batch, channels, {names}] or [channels, {names}], with places",
                x.shape()
            );
            return Err(Error::shape(name, message));
        }
        let mut sizes = [1; 3];
        sizes[3 - dims..].copy_from_slice(places);
        let x = if batched { x.clone() } else { x.unsqueeze(0)? };
        let (n, channels, order) = (x.shape()[0], x.shape()[1], channels_last(&x));
        let mut image = Self { x, sizes, dims, channels, last: order.is_some(), batched };
        let lying = match order {
            Some(order) => permute(&image.x, order),
            None => image.x.contiguous(),
        };
        image.x = reshape("reshape", &lying, image.shape_of(n, sizes))?;
        Ok(image)
    }

    fn shape_of(&self, n: usize, [d, h, w]: [usize; 3]) -> Dims {
        let c = self.channels;
        Dims::collect(if self.last { [n, d, h, w, c] } else { [n, c, d, h, w] })
    }

    /// The shape of a result with these places.
    pub(super) fn shape(&self, sizes: [usize; 3]) -> Dims {
        self.shape_of(self.x.shape()[0], sizes)
    }

    /// The dimension of `x` that is the depth.
    pub(super) fn first_place(&self) -> usize {
        if self.last { 1 } else { 2 }
    }

    /// A tensor with a number for each place that broadcasts to all channels: from one of shape `[d, h, w]`.
    pub(super) fn for_channels(&self, numbers: &Tensor) -> Result<Tensor> {
        if self.last { numbers.unsqueeze(3) } else { Ok(numbers.clone()) }
    }

    pub(super) fn grid(&self, windows: [Windows; 3]) -> Grid {
        let (n, c) = (self.x.shape()[0], self.channels);
        let (outer, inner) = if self.last { (n, c) } else { (n * c, 1) };
        Grid { outer, sizes: self.sizes, inner, windows }
    }

    /// A result that lies as `x` does, in the shape and order that the tensor was given in.
    pub(super) fn finish(&self, y: &Tensor) -> Result<Tensor> {
        let (n, sizes) = (y.shape()[0], if self.last { &y.shape()[1..4] } else { &y.shape()[2..5] });
        let places = sizes[3 - self.dims..].iter().copied();
        let shape = match self.last {
            true => Dims::collect([n].into_iter().chain(places).chain([self.channels])),
            false => Dims::collect([n, self.channels].into_iter().chain(places)),
        };
        let y = reshape("reshape", y, shape)?;
        let y = if self.last { permute(&y, channels_second(shape.len())) } else { y };
        if self.batched { Ok(y) } else { y.squeeze(0) }
    }
}
