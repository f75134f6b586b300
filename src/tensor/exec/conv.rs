//! Convolutions and their gradients.
//!
//! Types of 16 bits are computed in `F32` and rounded back. Results of `F32` lie in memory with the channels last, which operations on
//! elements keep as it is.

use super::gemm::{narrow, wide};
use crate::error::{Result, bug};
use crate::parallel;
use crate::tensor::create::{check_shape, stale};
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::conv::direct::{self, Way};
use crate::tensor::kernels::conv::{Pixels, patches, planes};
use crate::tensor::layout::Dims;
use crate::tensor::{DType, Element, Tensor};

pub(crate) use crate::tensor::kernels::conv::Geometry;

/// The convolution of `x`, `[batch, channels, ..]`, with `w`, `[outputs, channels / groups, ..]`, and a bias for each output: tensors
/// with one to three spatial dimensions, and of one type.
#[track_caller]
pub(crate) fn forward(g: &Geometry, x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let dtype = x.dtype();
    let (x, w) = (&*wide(x), &wide(w).packed());
    let bias = bias.map(|bias| wide(bias).packed());
    let out = Output { g, channels: g.outputs, spatial: g.output, rank: x.rank() };
    out.check(x.dtype())?;
    if x.dtype() == DType::F32 && direct::pays(g) {
        let (x, mut y) = (pixels(x), out.pixels()?);
        for way in [Way::of_forward(g, false), Way::Tiles] {
            let mut memory = memory(direct::Needs::of_forward(g, way, x.strides))?;
            let [image, _, weights] = &mut memory;
            let scratch = [image.data_mut(), weights.data_mut()];
            if direct::forward(g, way, x, w.data(), bias.as_ref().map(Tensor::data), y.data_mut(), scratch) {
                break;
            }
        }
        return Ok(narrow(out.of_pixels(&y), dtype));
    }
    if planes::suits(g) {
        let (planes, mut y) = (x.packed(), out.planes(x.dtype())?);
        with_float!(x.dtype(), T => {
            planes::forward::<T>(g, planes.data(), w.data(), bias.as_ref().map(Tensor::data), y.data_mut());
        }, else return Err(bug!("conv", "an input of type {}", x.dtype())));
        return Ok(narrow(out.of_planes(y, x), dtype));
    }
    let mut y = out.rows(x.dtype())?;
    with_float!(x.dtype(), T => {
        patches::forward::<T>(g, pixels(x), w.data(), bias.as_ref().map(Tensor::data), y.data_mut());
    }, else return Err(bug!("conv", "an input of type {}", x.dtype())));
    Ok(narrow(out.of_rows(&y), dtype))
}

/// The gradient of the input of a convolution, from that of its output, `y`: with a bias for each channel, the transposed
/// convolution.
#[track_caller]
pub(crate) fn input(g: &Geometry, y: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let dtype = y.dtype();
    let (y, w) = (&*wide(y), &wide(w).packed());
    let bias = bias.map(|bias| wide(bias).packed());
    let out = Output { g, channels: g.channels, spatial: g.input, rank: y.rank() };
    out.check(y.dtype())?;
    if y.dtype() == DType::F32 && direct::pays(g) {
        let (y, mut x) = (pixels(y), out.pixels()?);
        for way in [Way::of_input(g), Way::Tiles] {
            let mut memory = memory(direct::Needs::of_input(g, way, y.strides))?;
            let [image, _, weights] = &mut memory;
            let scratch = [image.data_mut(), weights.data_mut()];
            if direct::input(g, way, y, w.data(), bias.as_ref().map(Tensor::data), x.data_mut(), scratch) {
                break;
            }
        }
        return Ok(narrow(out.of_pixels(&x), dtype));
    }
    if planes::suits(g) {
        let (planes, mut x) = (y.packed(), out.planes(y.dtype())?);
        with_float!(y.dtype(), T => {
            planes::input::<T>(g, planes.data(), w.data(), bias.as_ref().map(Tensor::data), x.data_mut());
        }, else return Err(bug!("conv", "a gradient of type {}", y.dtype())));
        return Ok(narrow(out.of_planes(x, y), dtype));
    }
    let mut x = out.rows(y.dtype())?;
    with_float!(y.dtype(), T => {
        patches::input::<T>(g, pixels(y), w.data(), bias.as_ref().map(Tensor::data), x.data_mut());
    }, else return Err(bug!("conv", "a gradient of type {}", y.dtype())));
    Ok(narrow(out.of_rows(&x), dtype))
}

/// The gradient of the weights of a convolution, from its input and the gradient of its output, `y`.
#[track_caller]
pub(crate) fn weight(g: &Geometry, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype();
    let (x, y) = (&*wide(x), &*wide(y));
    let spatial = &g.kernel[5 - x.rank()..];
    let shape = Dims::collect([g.outputs, g.channels / g.groups.max(1)].into_iter().chain(spatial.iter().copied()));
    let mut out = stale("conv", &shape, x.dtype())?;
    if x.dtype() == DType::F32 && direct::pays(g) {
        let (x, y) = (pixels(x), pixels(y));
        let mut memory = memory(direct::Needs::of_weight(g, x.strides, y.strides))?;
        let [image, other, sums] = &mut memory;
        let scratch = [image.data_mut(), other.data_mut(), sums.data_mut()];
        direct::weight(g, x, y, out.data_mut(), scratch);
        return Ok(narrow(out, dtype));
    }
    if planes::suits(g) {
        let (x, y) = (x.packed(), y.packed());
        with_float!(x.dtype(), T => {
            planes::weight::<T>(g, x.data(), y.data(), out.data_mut());
        }, else return Err(bug!("conv", "an input of type {}", x.dtype())));
        return Ok(narrow(out, dtype));
    }
    with_float!(x.dtype(), T => {
        patches::weight::<T>(g, pixels(x), pixels(y), out.data_mut());
    }, else return Err(bug!("conv", "an input of type {}", x.dtype())));
    Ok(narrow(out, dtype))
}

/// The same for each example: one more dimension in front.
#[track_caller]
pub(crate) fn weights_of_examples(g: &Geometry, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::F32 && direct::suits_examples(g) {
        let sizes = [g.batch, g.outputs, g.channels / g.groups.max(1)];
        let shape = Dims::collect(sizes.into_iter().chain(g.kernel[5 - x.rank()..].iter().copied()));
        let mut out = stale("conv", &check_shape("conv", &shape, DType::F32)?, DType::F32)?;
        let (x, y) = (pixels(x), pixels(y));
        let mut memory = memory(direct::Needs::of_examples(g, x.strides, y.strides))?;
        let [image, other, sums] = &mut memory;
        direct::weights_of_examples(g, x, y, out.data_mut(), [image.data_mut(), other.data_mut(), sums.data_mut()]);
        return Ok(out);
    }
    let one = Geometry { batch: 1, ..*g };
    let (x, y) = (x.detach(), y.detach());
    let slope = |i: usize| weight(&one, &x.narrow(0, i, 1)?, &y.narrow(0, i, 1)?);
    let mut slopes: Vec<Result<Tensor>> = Vec::new();
    slopes.resize_with(g.batch, || Err(bug!("conv", "an example was left out")));
    parallel::for_each(slopes.iter_mut().enumerate().collect(), &|(i, place)| *place = slope(i));
    let slopes = slopes.into_iter().collect::<Result<Vec<_>>>()?;
    Tensor::stack(&slopes.iter().collect::<Vec<_>>(), 0)
}

/// The weights of a convolution as its loops read them, kept for the next time. They are those of a tensor that is kept as well, so
/// that nobody can change it in place.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    of: Tensor,
    packed: Tensor,
    way: Way,
}

impl Packed {
    /// Of a weight of type `F32`, if such a convolution has any use for it.
    #[track_caller]
    pub(crate) fn new(g: &Geometry, w: &Tensor) -> Result<Option<Self>> {
        if w.dtype() != DType::F32 || !direct::suits(g) {
            return Ok(None);
        }
        Self::with(g, w, Way::of_forward(g, true)).map(Some)
    }

    #[track_caller]
    fn with(g: &Geometry, w: &Tensor, way: Way) -> Result<Self> {
        let mut packed = stale("conv", &[direct::packed_len(g, way)], DType::F32)?;
        direct::packed_forward(g, way, w.packed().data(), packed.data_mut());
        Ok(Self { of: w.with_layout(w.layout().clone()), packed, way })
    }

    /// Whether they still are those of this weight, for such a convolution.
    pub(crate) fn is_of(&self, g: &Geometry, w: &Tensor) -> bool {
        let same = self.of.is_same(w) && direct::suits(g) && self.way == Way::of_forward(g, true);
        same && self.packed.numel() == direct::packed_len(g, self.way)
    }
}

/// What becomes of the sums of a convolution: a factor and a summand for each output, another tensor of the same shape, and whether
/// negative results become 0.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Finish<'a> {
    pub(crate) scale: Option<&'a Tensor>,
    pub(crate) bias: Option<&'a Tensor>,
    pub(crate) beside: Option<&'a Tensor>,
    pub(crate) relu: bool,
}

/// The convolution of an input of type `F32` with packed weights, finished. Not recorded.
#[track_caller]
pub(crate) fn finished(g: &Geometry, x: &Tensor, w: &Packed, finish: Finish<'_>) -> Result<Tensor> {
    let out = Output { g, channels: g.outputs, spatial: g.output, rank: x.rank() };
    out.check(DType::F32)?;
    let last = Dims::collect([0].into_iter().chain(2..x.rank()).chain([1]));
    let beside = finish.beside.map(|beside| beside.permuted(&last).packed());
    let (x, mut y) = (pixels(x), out.pixels()?);
    let [mut image, ..] = memory(direct::Needs { weights: 0, ..direct::Needs::of_forward(g, w.way, x.strides) })?;
    let finish = direct::Finish {
        scale: finish.scale.map(Tensor::data),
        bias: finish.bias.map(Tensor::data),
        beside: beside.as_ref().map(Tensor::data),
        relu: finish.relu,
    };
    if !direct::finished(g, w.way, x, w.packed.data(), finish, y.data_mut(), image.data_mut()) {
        let tiles = Packed::with(g, &w.of, Way::Tiles)?;
        let [mut image, ..] =
            memory(direct::Needs { weights: 0, ..direct::Needs::of_forward(g, tiles.way, x.strides) })?;
        direct::finished(g, tiles.way, x, tiles.packed.data(), finish, y.data_mut(), image.data_mut());
    }
    Ok(out.of_pixels(&y))
}

/// `[batch, channels, ..]`, with one to three spatial dimensions, as three of them.
fn pixels<T: Element>(x: &Tensor) -> Pixels<'_, T> {
    let mut strides = [0; 5];
    strides[..2].copy_from_slice(&x.strides()[..2]);
    strides[7 - x.rank()..].copy_from_slice(&x.strides()[2..]);
    Pixels { data: x.data(), strides }
}

/// What a convolution works in.
#[track_caller]
fn memory(needs: direct::Needs) -> Result<[Tensor; 3]> {
    let of = |len: usize| stale("conv", &[len], DType::F32);
    Ok([of(needs.image)?, of(needs.other)?, of(needs.weights)?])
}

/// A result, `[batch, channels, ..]`.
struct Output<'a> {
    g: &'a Geometry,
    channels: usize,
    spatial: [usize; 3],
    rank: usize,
}

impl Output<'_> {
    fn spatial(&self) -> &[usize] {
        &self.spatial[5 - self.rank..]
    }

    /// An output of more elements than can be counted is an error before anything is decided by its size.
    #[track_caller]
    fn check(&self, dtype: DType) -> Result<()> {
        let sizes = [self.g.batch, self.channels].into_iter().chain(self.spatial().iter().copied());
        check_shape("conv", &Dims::collect(sizes), dtype).map(drop)
    }

    /// A row for each channel, to be overwritten.
    #[track_caller]
    fn rows(&self, dtype: DType) -> Result<Tensor> {
        let sizes = [self.channels, self.g.batch].into_iter().chain(self.spatial().iter().copied());
        stale("conv", &Dims::collect(sizes), dtype)
    }

    /// The result in its own order, to be overwritten.
    #[track_caller]
    fn planes(&self, dtype: DType) -> Result<Tensor> {
        let sizes = [self.g.batch, self.channels].into_iter().chain(self.spatial().iter().copied());
        stale("conv", &Dims::collect(sizes), dtype)
    }

    /// All channels of each pixel, to be overwritten.
    #[track_caller]
    fn pixels(&self) -> Result<Tensor> {
        let sizes = [self.g.batch].into_iter().chain(self.spatial().iter().copied()).chain([self.channels]);
        stale("conv", &Dims::collect(sizes), DType::F32)
    }

    /// The result that lies in memory as rows, in its own order; that of `F32` with the channels last.
    fn of_rows(&self, x: &Tensor) -> Tensor {
        if x.dtype() == DType::F32 {
            let last = Dims::collect((1..self.rank).chain([0]));
            return self.of_pixels(&x.permuted(&last).packed());
        }
        x.permuted(&Dims::collect([1, 0].into_iter().chain(2..self.rank))).packed()
    }

    /// The result that lies in memory in its own order; that of `F32` as what it was made of, `like`, does.
    fn of_planes(&self, x: Tensor, like: &Tensor) -> Tensor {
        if x.dtype() != DType::F32 || like.is_contiguous() {
            return x;
        }
        self.of_pixels(&x.permuted(&super::channels_last(self.rank)).packed())
    }

    /// The result that lies in memory as pixels.
    fn of_pixels(&self, x: &Tensor) -> Tensor {
        x.permuted(&Dims::collect([0, self.rank - 1].into_iter().chain(1..self.rank - 1)))
    }
}
