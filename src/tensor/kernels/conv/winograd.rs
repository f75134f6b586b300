//! Convolutions by 3 × 3 places with a quarter of the multiplications: `F(4 × 4, 3 × 3)` of Winograd (Lavin and Gray, *Fast algorithms
//! for convolutional neural networks*, 2016).
//!
//! What belongs to 4 × 4 outputs is a square of 6 × 6 pixels. Transformed and multiplied, number by number, by the transformed kernel,
//! it is the transform of these outputs. With channels, each of the 36 numbers is a product of matrices of its own: squares times
//! channels, channels times outputs. These products are those of a [`Correlation`] of 36 groups.
//!
//! Outputs come from sums and differences of all pixels of their square, whose rounding errors are some ten times those of plain sums,
//! and are those of the largest pixel. One that stands out, or is not finite, would spoil outputs that do not see it: then [`run`] says
//! so, and the convolution is done by other means.

use std::sync::atomic::{AtomicBool, Ordering};

use super::correlation::{Correlation, Finish};
use super::geometry::Geometry;
use super::tile::Tap;
use super::weights::{Order, pack_strip};
use super::{enter, width};
use crate::parallel;
use crate::tensor::kernels::gemm::Scratch;
use crate::tensor::kernels::simd::{Isa, Kernel, Level, Vector, level};

/// The sides of a square of pixels and of one of outputs.
const IN: usize = 6;
const OUT: usize = 4;
/// The numbers of a transform.
const ALL: usize = IN * IN;
/// The places of the kernel.
const PLACES: usize = 9;

/// Elements that lie between transforms, so that those of different squares or weights do not compete for the same lines of a cache.
const APART: usize = 16;
/// The elements of the transforms of a block: they stay in the second-level cache.
const BLOCK: usize = 1 << 17;

/// Fewer channels than these do not pay for the transforms, and they come in whole vectors of any machine.
const FEW_CHANNELS: usize = 32;
const WHOLE: usize = 16;
/// Squares that pay for weights that were transformed before, and for those that have to be: for so many weights, as transforms take
/// four times as much memory.
const SQUARES: usize = 16;
const SQUARES_FOR_WEIGHTS: usize = 24;
const WEIGHTS: usize = 1 << 16;

/// A number stands out that is more than so many times as large as the mean of those that are not 0.
const STANDS_OUT: f32 = 256.0;
/// Pixels that are looked at together for that.
const LOOKED_AT: usize = 256;

/// A convolution: of an input, or of the gradient of an output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Squares {
    planes: usize,
    channels: usize,
    outputs: usize,
    input: [usize; 2],
    output: [usize; 2],
    padding: [usize; 2],
    /// Whether the kernel is turned round.
    turned: bool,
}

impl Squares {
    /// The convolution itself.
    fn of_forward(g: &Geometry) -> Self {
        let [depth, h, w] = g.output;
        Self {
            planes: g.batch * depth,
            channels: g.channels,
            outputs: g.outputs,
            input: [g.input[1], g.input[2]],
            output: [h, w],
            padding: [g.padding[1], g.padding[2]],
            turned: false,
        }
    }

    /// The gradient of the input.
    fn of_input(g: &Geometry) -> Self {
        let forward = Self::of_forward(g);
        Self {
            channels: g.outputs,
            outputs: g.channels,
            input: forward.output,
            output: forward.input,
            padding: forward.padding.map(|n| 2usize.saturating_sub(n)),
            turned: true,
            ..forward
        }
    }

    /// How many squares there are in a plane, along both of its dimensions.
    fn grid(&self) -> [usize; 2] {
        self.output.map(|n| n.div_ceil(OUT))
    }

    fn count(&self) -> usize {
        let [rows, cols] = self.grid();
        self.planes * rows * cols
    }

    /// The plane that a square of the output is on, and its first pixel.
    fn place(&self, number: usize) -> (usize, [usize; 2]) {
        let [rows, cols] = self.grid();
        (number / (rows * cols), [number / cols % rows * OUT, number % cols * OUT])
    }

    /// The weights of one of the products.
    fn order(&self) -> Order {
        Order { places: 1, inner: self.channels, inner_stride: self.outputs, cols: self.outputs, col_stride: 1 }
    }

    /// From the weights of one product to those of the next.
    fn apart(&self, width: usize) -> usize {
        self.order().packed_len(width) + APART
    }

    /// The elements that transformed weights take.
    pub(super) fn weights_len(&self) -> usize {
        ALL * self.apart(width())
    }
}

/// The convolution as squares, if that is the best for it: with weights that are kept for the next time, or are not.
pub(super) fn forward(g: &Geometry, kept: bool) -> Option<Squares> {
    Some(Squares::of_forward(g)).filter(|squares| suits(g, squares, kept))
}

/// The same for the gradient of its input.
pub(super) fn input(g: &Geometry) -> Option<Squares> {
    let few = g.padding[1].max(g.padding[2]) <= 2;
    Some(Squares::of_input(g)).filter(|squares| few && suits(g, squares, false))
}

fn suits(g: &Geometry, squares: &Squares, kept: bool) -> bool {
    let least = if kept { SQUARES } else { SQUARES_FOR_WEIGHTS };
    let [h, w] = squares.output;
    g.kernel == [1, 3, 3]
        && g.stride == [1; 3]
        && g.dilation[1..] == [1; 2]
        && g.padding[0] == 0
        && g.groups == 1
        && [g.channels, g.outputs].iter().all(|n| *n >= FEW_CHANNELS && n.is_multiple_of(WHOLE))
        // Squares that are full enough.
        && 2 * h * w >= squares.grid().iter().product::<usize>() * OUT * OUT
        && squares.count() >= least * (g.channels * g.outputs).div_ceil(WEIGHTS)
}

/// Transforms weights, of which `order` says where they are.
pub(super) fn transform(squares: &Squares, order: Order, w: &[f32], to: &mut [f32]) {
    let (width, level) = (width(), level());
    let own = squares.order();
    let fits = to.len() == squares.weights_len()
        && [order.places, order.inner, order.cols] == [PLACES, own.inner, own.cols]
        && own.cols.is_multiple_of(WHOLE);
    assert!(fits, "convolution: weights of squares");
    let (to, apart) = (To(to.as_mut_ptr()), squares.apart(width));
    let to = &to;
    parallel::share(own.strips(width), &|strip| {
        let (start, _, row) = own.strip(strip, width);
        let mut packed = Scratch::new(order.rows() * row);
        let packed = packed.as_mut_slice();
        pack_strip(order, width, strip, w, packed, level);
        let (from, to) = (packed.as_ptr(), to.0.wrapping_add(start));
        let strip = Weights { len: own.inner * row, from, to, apart, turned: squares.turned };
        // SAFETY: the processor has what `level` reports; the strip has so many elements for each place, and is written by this
        // thread alone.
        unsafe { enter(level, strip) };
    });
}

/// What threads write different parts of.
struct To(*mut f32);

// SAFETY: see there.
unsafe impl Sync for To {}

/// Whether a number stands out.
fn is_uneven(x: &[f32], channels: usize, level: Level) -> bool {
    let block = LOOKED_AT * channels;
    let mut sizes = vec![[0.0f32; 3]; x.len().div_ceil(block)];
    parallel::for_blocks(&mut sizes, 1, |i, sizes| {
        let x = &x[i * block..];
        // SAFETY: the processor has what `level` reports; these are whole vectors.
        sizes[0] = unsafe { enter(level, Sizes(&x[..x.len().min(block)])) };
    });
    let [most, sum, count] =
        sizes.into_iter().fold([0.0f32; 3], |[most, sum, count], [m, s, c]| [most.max(m), sum + s, count + c]);
    most * count > STANDS_OUT * sum
}

/// The largest size of numbers, the sum of all sizes, and how many of them are not 0.
struct Sizes<'a>(&'a [f32]);

impl Kernel for Sizes<'_> {
    type Output = [f32; 3];

    #[inline(always)]
    fn run<I: Isa>(self) -> [f32; 3] {
        // SAFETY: whoever makes one vouches for whole vectors; the processor has the set.
        unsafe {
            let (minus, huge) = (I::F32::splat(-1.0), I::F32::splat(-f32::MAX));
            let [mut most, mut sum, mut none] = [I::F32::splat(0.0); 3];
            for x in self.0.chunks_exact(I::F32::WIDTH) {
                let x = I::F32::load(x.as_ptr());
                let size = x.max(x.mul(minus));
                (most, sum) = (most.max(size), sum.add(size));
                none = none.add(size.mul(huge).max(minus));
            }
            let mut all = [0.0f32; WHOLE];
            most.store(all.as_mut_ptr());
            [all.into_iter().fold(0.0, f32::max), sum.sum(), -none.sum()]
        }
    }
}

/// The convolution of pixels with the channels last. Whether no pixel stands out and all results are finite: if not, they are of no use.
pub(super) fn run(squares: &Squares, x: &[f32], weights: &[f32], finish: Finish<'_>, out: &mut [f32]) -> bool {
    let Squares { planes, channels, outputs, input, output, padding, .. } = *squares;
    let fits = x.len() >= planes * input[0] * input[1] * channels
        && out.len() == planes * output[0] * output[1] * outputs
        && weights.len() == squares.weights_len()
        && [finish.scale, finish.bias].iter().all(|x| x.is_none_or(|x| x.len() == outputs))
        && finish.beside.is_none_or(|x| x.len() == out.len());
    assert!(fits, "convolution: operands that do not fit {squares:?}");
    let (level, width, count) = (level(), width(), squares.count());
    if is_uneven(&x[..planes * input[0] * input[1] * channels], channels, level) {
        return false;
    }
    let [from_apart, to_apart] = [channels, outputs].map(|n| ALL * n + APART);
    // An even number of blocks, of the same size.
    let most = (BLOCK / (from_apart + to_apart)).max(1);
    let each = count.div_ceil(count.div_ceil(most).next_multiple_of(2));
    let (to, finite) = (To(out.as_mut_ptr()), AtomicBool::new(true));
    let (to, order, zeros) = (&to, squares.order(), vec![0.0; channels]);
    let taps = [Tap { offset: 0, row: 0, len: channels }];
    parallel::share(count.div_ceil(each), &|block| {
        let first = block * each;
        let count = each.min(count - first);
        let (mut seen, mut sums) = (Scratch::new(count * from_apart), Scratch::new(count * to_apart));
        let (seen, sums) = (seen.as_mut_slice(), sums.as_mut_slice());
        for (i, to) in seen.chunks_exact_mut(from_apart).enumerate() {
            let (plane, place) = squares.place(first + i);
            let mut pixels = [zeros.as_ptr(); ALL];
            for (i, from) in pixels.iter_mut().enumerate() {
                // Beyond the end, if it is in front of the beginning.
                let [h, w] = [(0, i / IN), (1, i % IN)].map(|(d, i)| (place[d] + i).wrapping_sub(padding[d]));
                if h < input[0] && w < input[1] {
                    *from = x[((plane * input[0] + h) * input[1] + w) * channels..][..channels].as_ptr();
                }
            }
            // SAFETY: the processor has what `level` reports; there are so many channels of each pixel, in whole vectors.
            unsafe { enter(level, Pixels { channels, pixels: &pixels, to: to.as_mut_ptr() }) };
        }
        let products = Correlation {
            image: seen,
            image_strides: [0, 0, 0, from_apart],
            taps: &taps,
            order,
            weights,
            groups: ALL,
            apart: squares.apart(width),
            finish: Finish::default(),
            batch: 1,
            size: [1, 1, count],
            out: sums.as_mut_ptr(),
            out_strides: [0, 0, 0, to_apart],
        };
        // SAFETY: the sums have room for all groups of each square, and are this thread's.
        unsafe { products.run_here(level, width) };
        for (i, sums) in sums.chunks_exact(to_apart).enumerate() {
            let (plane, [h, w]) = squares.place(first + i);
            let size = [OUT.min(output[0] - h), OUT.min(output[1] - w)];
            let (at, line) = (((plane * output[0] + h) * output[1] + w) * outputs, output[1] * outputs);
            let results = Results { outputs, size, sums: sums.as_ptr(), to: to.0, at, line, finish };
            // SAFETY: as above; the pixels of the square that exist are written by this thread alone.
            if !unsafe { enter(level, results) } {
                finite.store(false, Ordering::Relaxed);
            }
        }
    });
    finite.into_inner()
}

/// Applies a transform to the columns, then to the rows of a square of vectors.
macro_rules! twice {
    ($transform:ident, $V:ty, $from:expr, $load:expr, $to:expr) => {{
        let mut half = [[<$V>::splat(0.0); $from]; $to];
        for col in 0..$from {
            let mut column = [<$V>::splat(0.0); $from];
            for (row, x) in column.iter_mut().enumerate() {
                *x = $load(row, col);
            }
            for (half, x) in half.iter_mut().zip($transform(column)) {
                half[col] = x;
            }
        }
        let mut all = [[<$V>::splat(0.0); $to]; $to];
        for (all, half) in all.iter_mut().zip(half) {
            *all = $transform(half);
        }
        all
    }};
}

/// The weights of a strip: so many elements for each place of the kernel.
struct Weights {
    len: usize,
    from: *const f32,
    to: *mut f32,
    apart: usize,
    turned: bool,
}

impl Kernel for Weights {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        // SAFETY: whoever makes one vouches for the elements, in whole vectors; the processor has the set.
        unsafe {
            for at in (0..self.len).step_by(I::F32::WIDTH) {
                let load = |row: usize, col: usize| {
                    let place = row * 3 + col;
                    let place = if self.turned { PLACES - 1 - place } else { place };
                    I::F32::load(self.from.add(place * self.len + at))
                };
                let all = twice!(of_weights, I::F32, 3, load, IN);
                for (i, x) in all.into_iter().flatten().enumerate() {
                    x.store(self.to.add(i * self.apart + at));
                }
            }
        }
    }
}

/// The pixels of a square.
struct Pixels<'a> {
    channels: usize,
    pixels: &'a [*const f32; ALL],
    to: *mut f32,
}

impl Kernel for Pixels<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        // SAFETY: as above.
        unsafe {
            for c in (0..self.channels).step_by(I::F32::WIDTH) {
                let load = |row: usize, col: usize| I::F32::load(self.pixels[row * IN + col].add(c));
                let all = twice!(of_pixels, I::F32, IN, load, IN);
                for (i, x) in all.into_iter().flatten().enumerate() {
                    x.store(self.to.add(i * self.channels + c));
                }
            }
        }
    }
}

/// The outputs of a square, as many as there are. Whether they are finite.
struct Results<'a> {
    outputs: usize,
    size: [usize; 2],
    sums: *const f32,
    /// The output, where in it the first pixel is, and how far apart lines are.
    to: *mut f32,
    at: usize,
    line: usize,
    finish: Finish<'a>,
}

impl Kernel for Results<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<I: Isa>(self) -> bool {
        let Self { outputs, size, sums, to, at, line, finish } = self;
        // SAFETY: as above.
        unsafe {
            // Times 0, what is not finite is not a number.
            let (zero, mut check) = (I::F32::splat(0.0), I::F32::splat(0.0));
            for c in (0..outputs).step_by(I::F32::WIDTH) {
                let load = |row: usize, col: usize| I::F32::load(sums.add((row * IN + col) * outputs + c));
                let all = twice!(of_products, I::F32, IN, load, OUT);
                let bias = finish.bias.map_or(zero, |x| I::F32::load(x.as_ptr().add(c)));
                for (row, sums) in all.into_iter().enumerate().take(size[0]) {
                    for (col, sum) in sums.into_iter().enumerate().take(size[1]) {
                        check = sum.mul_add(zero, check);
                        let at = at + row * line + col * outputs + c;
                        let mut sum = match finish.scale {
                            Some(scale) => sum.mul_add(I::F32::load(scale.as_ptr().add(c)), bias),
                            None => sum.add(bias),
                        };
                        if let Some(beside) = finish.beside {
                            sum = sum.add(I::F32::load(beside.as_ptr().add(at)));
                        }
                        if finish.relu {
                            sum = sum.max(zero);
                        }
                        sum.store(to.add(at));
                    }
                }
            }
            check.sum() == 0.0
        }
    }
}

/// # Safety
/// The processor must have the set of `F`.
#[inline(always)]
unsafe fn of_weights<F: Vector>([a, b, c]: [F; 3]) -> [F; IN] {
    // SAFETY: the caller's promise.
    unsafe {
        let k = |x: f32| F::splat(x);
        let ends = a.add(c).mul(k(-1.0 / 6.0));
        let far = a.mul_add(k(1.0 / 24.0), c.mul(k(1.0 / 6.0)));
        [
            a.mul(k(0.25)),
            b.mul_add(k(-1.0 / 6.0), ends),
            b.mul_add(k(1.0 / 6.0), ends),
            b.mul_add(k(1.0 / 12.0), far),
            b.mul_add(k(-1.0 / 12.0), far),
            c,
        ]
    }
}

/// # Safety
/// The processor must have the set of `F`.
#[inline(always)]
unsafe fn of_pixels<F: Vector>(x: [F; IN]) -> [F; IN] {
    // SAFETY: the caller's promise.
    unsafe {
        let k = |x: f32| F::splat(x);
        let (even, odd) = (x[2].mul_add(k(-4.0), x[4]), x[1].mul_add(k(-4.0), x[3]));
        let (even_far, odd_far) = (x[2].mul_add(k(-1.0), x[4]), x[1].mul_add(k(-1.0), x[3]));
        [
            x[0].mul_add(k(4.0), x[2].mul_add(k(-5.0), x[4])),
            even.add(odd),
            odd.mul_add(k(-1.0), even),
            odd_far.mul_add(k(2.0), even_far),
            odd_far.mul_add(k(-2.0), even_far),
            x[1].mul_add(k(4.0), x[3].mul_add(k(-5.0), x[5])),
        ]
    }
}

/// # Safety
/// The processor must have the set of `F`.
#[inline(always)]
unsafe fn of_products<F: Vector>(x: [F; IN]) -> [F; OUT] {
    // SAFETY: the caller's promise.
    unsafe {
        let k = |x: f32| F::splat(x);
        let (even, odd) = (x[1].add(x[2]), x[2].mul_add(k(-1.0), x[1]));
        let (even_far, odd_far) = (x[3].add(x[4]), x[4].mul_add(k(-1.0), x[3]));
        [
            x[0].add(even).add(even_far),
            odd_far.mul_add(k(2.0), odd),
            even_far.mul_add(k(4.0), even),
            odd_far.mul_add(k(8.0), odd).add(x[5]),
        ]
    }
}
