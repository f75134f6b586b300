//! Convolutions of `f32` without patches: the channels of a pixel lie next to each other, and the tiles read them where they are.
//!
//! The input is copied into an *image* with a margin of zeros, unless it is one already. An output is then a sum over *taps*: for each
//! place of the kernel, so many numbers on from the pixel. The gradient of the input is the same with the places in reversed order,
//! once for each residue of its pixels by the stride, which see different places. For the gradient of the weights, the tiles run
//! along the lines of the output.

use super::correlation::Correlation;
use super::depthwise;
use super::geometry::{Geometry, Pixels};
use super::gradient::{self, parts};
use super::image::{Image, joined, residues, taps};
use super::tile::Tap;
use super::weights::{Order, forward_order, input_order, pack};
use super::{width, winograd};

pub(crate) use super::correlation::Finish;

/// The loops that compute a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Each channel by itself: [`depthwise`].
    Depthwise,
    /// By squares of the output: [`winograd`]. They may find that they cannot.
    Squares,
    /// By tiles, which can compute all.
    Tiles,
}

impl Way {
    /// The one for an output, with weights that are kept for the next time or are not.
    pub(crate) fn of_forward(g: &Geometry, kept: bool) -> Self {
        Self::of(g, winograd::forward(g, kept).is_some())
    }

    /// The one for the gradient of the input.
    pub(crate) fn of_input(g: &Geometry) -> Self {
        Self::of(g, winograd::input(g).is_some())
    }

    fn of(g: &Geometry, squares: bool) -> Self {
        match depthwise::suits(g) {
            true => Self::Depthwise,
            false if squares => Self::Squares,
            false => Self::Tiles,
        }
    }
}

/// The elements of memory that [`forward`], [`input`] and [`weight`] need: for images, and for weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) image: usize,
    pub(crate) other: usize,
    pub(crate) weights: usize,
}

impl Needs {
    /// Those of [`forward`].
    pub(crate) fn of_forward(g: &Geometry, way: Way, x: [usize; 5]) -> Self {
        let image = if way == Way::Tiles { Image::of_input(g) } else { images(g)[0] };
        Self { image: image.copied_len(x), other: 0, weights: packed_len(g, way) }
    }

    /// Those of [`input`].
    pub(crate) fn of_input(g: &Geometry, way: Way, y: [usize; 5]) -> Self {
        let image = if way == Way::Tiles { Image::of_output(g) } else { images(g)[1] };
        let weights = match (way, winograd::input(g)) {
            (Way::Depthwise, _) => depthwise::packed_len(g),
            (Way::Squares, Some(squares)) => squares.weights_len(),
            _ => g.groups * input_order(g).packed_len(width()),
        };
        Self { image: image.copied_len(y), other: 0, weights }
    }

    /// Those of [`weight`].
    pub(crate) fn of_weight(g: &Geometry, x: [usize; 5], y: [usize; 5]) -> Self {
        if depthwise::suits(g) {
            let ([of_x, of_y], weights) = (images(g), depthwise::parts(g) * depthwise::packed_len(g));
            return Self { image: of_x.copied_len(x), other: of_y.copied_len(y), weights };
        }
        Self::of_parts(g, x, y, parts(g))
    }

    /// Those of [`weights_of_examples`].
    pub(crate) fn of_examples(g: &Geometry, x: [usize; 5], y: [usize; 5]) -> Self {
        Self::of_parts(g, x, y, g.batch)
    }

    fn of_parts(g: &Geometry, x: [usize; 5], y: [usize; 5], parts: usize) -> Self {
        let weights = parts * packed_len(g, Way::Tiles);
        Self { image: Image::of_input(g).copied_len(x), other: Image::of_slopes(g).copied_len(y), weights }
    }
}

/// The input and the output as they are, with the channels last.
pub(super) fn images(g: &Geometry) -> [Image; 2] {
    [Image::new(g.batch, g.channels, g.input, [0; 3], [0; 3]), Image::of_slopes(g)]
}

/// Sizes beyond which patches are used.
const FARTHEST_STRIDE: usize = 8;
const MOST_PLACES: usize = 1 << 10;
/// Fewer pixels than these do not pay for packing more weights than these.
const FEW_PIXELS: usize = 96;
const FEW_PIXELS_WEIGHTS: usize = 1 << 16;

/// Whether these functions are the ones for a convolution whose weights have to be packed.
pub(crate) fn pays(g: &Geometry) -> bool {
    suits(g) && (depthwise::suits(g) || g.pixels() >= FEW_PIXELS || g.outputs * g.depth() < FEW_PIXELS_WEIGHTS)
}

/// Whether these functions can compute a convolution: it must have enough outputs to fill a vector, and images that are not much
/// larger than what is in them.
pub(crate) fn suits(g: &Geometry) -> bool {
    let elements = |channels: usize, size: [usize; 3]| {
        size.iter().fold(g.batch.saturating_mul(channels), |len, n| len.saturating_mul(*n))
    };
    let most = elements(g.channels, g.input).saturating_add(elements(g.outputs, g.output)).saturating_mul(4);
    // Beyond that, nothing is small.
    most < usize::MAX && (depthwise::suits(g) || suits_tiles(g, most))
}

/// Whether the tiles, and images of this length at most, can compute it.
fn suits_tiles(g: &Geometry, most: usize) -> bool {
    g.stride.iter().all(|stride| *stride <= FARTHEST_STRIDE)
        && g.places() <= MOST_PLACES
        && g.group_channels().max(g.group_outputs()) >= 4
        && Image::of_input(g).len() <= most
        && Image::of_output(g).len() <= most
}

/// The elements that weights packed for [`finished`] take.
pub(crate) fn packed_len(g: &Geometry, way: Way) -> usize {
    match (way, winograd::forward(g, true)) {
        (Way::Depthwise, _) => depthwise::packed_len(g),
        (Way::Squares, Some(squares)) => squares.weights_len(),
        _ => g.groups * forward_order(g).packed_len(width()),
    }
}

fn packed_weights(g: &Geometry, order: Order, w: &[f32], packed: &mut [f32]) {
    let len = order.packed_len(width());
    let of_group = w.len() / g.groups;
    for (w, packed) in w.chunks(of_group.max(1)).zip(packed.chunks_mut(len.max(1))) {
        pack(order, width(), w, packed);
    }
}

fn check(g: &Geometry, w: usize, out: usize, channels: usize, size: [usize; 3], bias: Option<&[f32]>) {
    let fits = w == g.outputs * g.depth()
        && out == g.batch * channels * size.iter().product::<usize>()
        && bias.is_none_or(|bias| bias.len() == channels);
    assert!(fits, "convolution: operands that do not fit {g:?}");
}

/// The convolution. In `out`, the channels of a pixel lie next to each other. Whether it could be done this way.
pub(crate) fn forward(
    g: &Geometry,
    way: Way,
    x: Pixels<'_, f32>,
    w: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
    [image, packed]: [&mut [f32]; 2],
) -> bool {
    packed_forward(g, way, w, packed);
    finished(g, way, x, packed, Finish { bias, ..Finish::default() }, out, image)
}

/// Packs weights for [`finished`].
pub(crate) fn packed_forward(g: &Geometry, way: Way, w: &[f32], packed: &mut [f32]) {
    assert!(w.len() == g.outputs * g.depth(), "convolution: weights that do not fit {g:?}");
    match (way, winograd::forward(g, true)) {
        (Way::Depthwise, _) => depthwise::pack(g, w, packed),
        (Way::Squares, Some(squares)) => winograd::transform(&squares, forward_order(g), w, packed),
        _ => packed_weights(g, forward_order(g), w, packed),
    }
}

/// The convolution with packed weights, and what becomes of its sums. In `out`, the channels of a pixel lie next to each other. Whether
/// it could be done this way.
pub(crate) fn finished(
    g: &Geometry,
    way: Way,
    x: Pixels<'_, f32>,
    packed: &[f32],
    finish: Finish<'_>,
    out: &mut [f32],
    image: &mut [f32],
) -> bool {
    assert!(x.covers(g.batch, g.channels, g.input), "convolution: an input that does not fit {g:?}");
    check(g, g.outputs * g.depth(), out.len(), g.outputs, g.output, finish.bias);
    assert!(finish.beside.is_none_or(|x| x.len() == out.len()), "convolution: a summand that does not fit {g:?}");
    if out.is_empty() {
        return true;
    }
    match (way, winograd::forward(g, true)) {
        (Way::Depthwise, _) => {
            depthwise::forward(g, x, packed, finish, out, image);
            return true;
        }
        (Way::Squares, Some(squares)) => {
            return winograd::run(&squares, images(g)[0].of(x, image), packed, finish, out);
        }
        _ => (),
    }
    let (order, of) = (forward_order(g), Image::of_input(g));
    let image = of.of(x, image);
    let [n, d, h, w] = of.strides();
    let taps = joined(taps(g, &of));
    let correlation = Correlation {
        image,
        image_strides: [n, d * g.stride[0], h * g.stride[1], w * g.stride[2]],
        taps: &taps,
        order,
        weights: packed,
        groups: g.groups,
        apart: order.packed_len(width()),
        finish,
        batch: g.batch,
        size: g.output,
        out: out.as_mut_ptr(),
        out_strides: Image::of_slopes(g).strides(),
    };
    // SAFETY: the output has the length that belongs to its size.
    unsafe { correlation.run() };
    true
}

/// The gradient of the input, which is the transposed convolution. In `out`, the channels of a pixel lie next to each other. Whether it
/// could be done this way.
pub(crate) fn input(
    g: &Geometry,
    way: Way,
    y: Pixels<'_, f32>,
    w: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
    [image, packed]: [&mut [f32]; 2],
) -> bool {
    assert!(y.covers(g.batch, g.outputs, g.output), "convolution: a gradient that does not fit {g:?}");
    check(g, w.len(), out.len(), g.channels, g.input, bias);
    if out.is_empty() {
        return true;
    }
    let finish = Finish { bias, ..Finish::default() };
    match (way, winograd::input(g)) {
        (Way::Depthwise, _) => {
            depthwise::pack(g, w, packed);
            depthwise::input(g, y, packed, finish, out, image);
            return true;
        }
        (Way::Squares, Some(squares)) => {
            winograd::transform(&squares, input_order(g), w, packed);
            return winograd::run(&squares, images(g)[1].of(y, image), packed, finish, out);
        }
        _ => (),
    }
    let (order, of) = (input_order(g), Image::of_output(g));
    packed_weights(g, order, w, packed);
    let image = of.of(y, image);
    let strides = of.strides();
    let to = Image::new(g.batch, g.channels, g.input, [0; 3], [0; 3]).strides();
    for d in residues(g, 0) {
        for h in residues(g, 1) {
            for w in residues(g, 2) {
                let residue = [&d, &h, &w];
                let places: [Vec<(usize, isize)>; 3] = std::array::from_fn(|d| residue[d].places(g, d).collect());
                let mut taps = Vec::with_capacity(g.places());
                for d in &places[0] {
                    for h in &places[1] {
                        for w in &places[2] {
                            let place = (d.0 * g.kernel[1] + h.0) * g.kernel[2] + w.0;
                            // The margin in front is as wide as the farthest of them.
                            let distances = [d.1, h.1, w.1];
                            let offset =
                                (0..3).map(|i| (distances[i] + of.margin[i] as isize) as usize * strides[1 + i]);
                            let offset = offset.sum();
                            taps.push(Tap { offset, row: place * order.inner, len: order.inner });
                        }
                    }
                }
                let first: usize = residue.iter().zip(&to[1..]).map(|(residue, stride)| residue.first * stride).sum();
                let correlation = Correlation {
                    image,
                    image_strides: strides,
                    taps: &taps,
                    order,
                    weights: packed,
                    groups: g.groups,
                    apart: order.packed_len(width()),
                    finish,
                    batch: g.batch,
                    size: residue.map(|residue| residue.count),
                    out: out[first..].as_mut_ptr(),
                    out_strides: [to[0], to[1] * g.stride[0], to[2] * g.stride[1], to[3] * g.stride[2]],
                };
                // SAFETY: the pixels with this residue lie within the output.
                unsafe { correlation.run() };
            }
        }
    }
    true
}

/// The gradient of the weights, in their order.
pub(crate) fn weight(g: &Geometry, x: Pixels<'_, f32>, y: Pixels<'_, f32>, out: &mut [f32], scratch: [&mut [f32]; 3]) {
    let fits = x.covers(g.batch, g.channels, g.input)
        && y.covers(g.batch, g.outputs, g.output)
        && out.len() == g.outputs * g.depth();
    assert!(fits, "convolution: operands that do not fit {g:?}");
    if out.is_empty() {
        return;
    }
    if depthwise::suits(g) {
        depthwise::weight(g, x, y, out, scratch);
    } else {
        gradient::weight(g, x, y, out, scratch, false);
    }
}

/// Whether [`weights_of_examples`] can compute them.
pub(crate) fn suits_examples(g: &Geometry) -> bool {
    suits(g) && !depthwise::suits(g)
}

/// The gradients of the weights of all examples, one after the other, in their order.
pub(crate) fn weights_of_examples(
    g: &Geometry,
    x: Pixels<'_, f32>,
    y: Pixels<'_, f32>,
    out: &mut [f32],
    scratch: [&mut [f32]; 3],
) {
    let fits = suits_examples(g)
        && x.covers(g.batch, g.channels, g.input)
        && y.covers(g.batch, g.outputs, g.output)
        && out.len() == g.batch * g.outputs * g.depth();
    assert!(fits, "convolution: operands that do not fit {g:?}");
    if !out.is_empty() {
        gradient::weight(g, x, y, out, scratch, true);
    }
}
