//! The innermost kernels: tiles of outputs, or of gradients of weights, that are held in registers.

#[cfg(target_arch = "x86_64")]
use crate::tensor::kernels::simd::{Avx2, Avx512};
use crate::tensor::kernels::simd::{Isa, Kernel, Portable, Vector};

/// The vectors in a row of the widest tile.
pub(super) const VECTORS: usize = 2;
/// The rows of the tallest tile of all.
pub(super) const TALLEST: usize = 14;

/// Channels of the image that lie next to each other, relative to the pixel that is looked at, and the rows of the weights that they
/// are multiplied by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    pub(super) offset: usize,
    pub(super) row: usize,
    pub(super) len: usize,
}

/// A few pixels of the output, and some of their channels.
#[derive(Clone, Copy)]
pub(super) struct Outputs<'a> {
    pub(super) taps: &'a [Tap],
    /// Where each pixel's part of the image is.
    pub(super) images: [*const f32; TALLEST],
    pub(super) outs: [*mut f32; TALLEST],
    /// The rows that are written; the others are the first ones again.
    pub(super) rows: usize,
    /// Rows of as many vectors as the tile has.
    pub(super) weights: *const f32,
    /// Whether to add to what is there.
    pub(super) add: bool,
    /// What each channel is multiplied by, and what is added to it then; or null.
    pub(super) scale: *const f32,
    pub(super) bias: *const f32,
    /// What is added to each element, relative to where the output is; or null.
    pub(super) out: *const f32,
    pub(super) beside: *const f32,
    /// Whether negative results become 0.
    pub(super) relu: bool,
    /// How many elements of the last vector exist.
    pub(super) last: usize,
}

/// Channels of a line of pixels, with the gradients of their outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) image: usize,
    /// The number of the first pixel's row in the packed gradients.
    pub(super) slope: usize,
    pub(super) len: usize,
}

/// The gradients of a few weights: for channels of the image that lie next to each other.
#[derive(Clone, Copy)]
pub(super) struct Slopes<'a> {
    pub(super) lines: &'a [Line],
    pub(super) image: *const f32,
    /// From a pixel to the next one.
    pub(super) step: usize,
    /// Rows of as many vectors as the tile has.
    pub(super) slopes: *const f32,
    /// Rows of the same kind, which are added to.
    pub(super) sums: *mut f32,
}

pub(super) type OutputsFn = unsafe fn(&Outputs<'_>);
pub(super) type SlopesFn = unsafe fn(&Slopes<'_>);

/// An instruction set with its tiles.
pub(super) trait Tiles: Isa {
    /// The heights that there are, falling to 1.
    const HEIGHTS: &'static [usize];
    fn outputs(height: usize, vectors: usize) -> OutputsFn;
    fn slopes(height: usize, vectors: usize) -> SlopesFn;
}

macro_rules! tiles {
    ($isa:ty: $($height:literal)*) => {
        impl Tiles for $isa {
            const HEIGHTS: &'static [usize] = &[$($height,)* 1];

            fn outputs(height: usize, vectors: usize) -> OutputsFn {
                match (height, vectors) {
                    $(
                        ($height, 1) => outputs_entry::<Self, $height, 1>,
                        ($height, _) => outputs_entry::<Self, $height, VECTORS>,
                    )*
                    (_, 1) => outputs_entry::<Self, 1, 1>,
                    (_, _) => outputs_entry::<Self, 1, VECTORS>,
                }
            }

            fn slopes(height: usize, vectors: usize) -> SlopesFn {
                match (height, vectors) {
                    $(
                        ($height, 1) => slopes_entry::<Self, $height, 1>,
                        ($height, _) => slopes_entry::<Self, $height, VECTORS>,
                    )*
                    (_, 1) => slopes_entry::<Self, 1, 1>,
                    (_, _) => slopes_entry::<Self, 1, VECTORS>,
                }
            }
        }
    };
}
tiles!(Portable: 4);
#[cfg(target_arch = "x86_64")]
tiles!(Avx2: 6 4);
#[cfg(target_arch = "x86_64")]
tiles!(Avx512: 14 8 4);

/// The steps that are written out, so that an address that does not fit into the registers is fetched once for several.
const UNROLL: usize = 4;

/// Each element is one chain of `mul_add`s over the taps, whatever the tile: where pixels are cut into tiles does not show.
///
/// # Safety
/// All addresses must be those of memory that may be read or written, and the processor must have the set of `F`.
#[inline(always)]
unsafe fn outputs<F: Vector, const H: usize, const V: usize>(t: &Outputs<'_>) {
    // SAFETY: the caller vouches for the addresses and the set; the last vector of a row of the result and of the bias is accessed
    // under its mask.
    unsafe {
        let mut sums = [[F::splat(0.0); V]; H];
        for tap in t.taps {
            let mut x = [std::ptr::null(); H];
            for (x, image) in x.iter_mut().zip(t.images) {
                *x = image.wrapping_add(tap.offset);
            }
            let mut w = t.weights.add(tap.row * V * F::WIDTH);
            let whole = tap.len - tap.len % UNROLL;
            let mut c = 0;
            while c < whole {
                for u in 0..UNROLL {
                    let mut row = [F::splat(0.0); V];
                    for (v, y) in row.iter_mut().enumerate() {
                        *y = F::load(w.add((u * V + v) * F::WIDTH));
                    }
                    for (x, sums) in x.iter().zip(&mut sums) {
                        let x = F::splat(*x.add(c + u));
                        for (sum, y) in sums.iter_mut().zip(row) {
                            *sum = x.mul_add(y, *sum);
                        }
                    }
                }
                w = w.add(UNROLL * V * F::WIDTH);
                c += UNROLL;
            }
            while c < tap.len {
                let mut row = [F::splat(0.0); V];
                for (v, y) in row.iter_mut().enumerate() {
                    *y = F::load(w.add(v * F::WIDTH));
                }
                for (x, sums) in x.iter().zip(&mut sums) {
                    let x = F::splat(*x.add(c));
                    for (sum, y) in sums.iter_mut().zip(row) {
                        *sum = x.mul_add(y, *sum);
                    }
                }
                w = w.add(V * F::WIDTH);
                c += 1;
            }
        }
        let mask = F::mask(t.last);
        let full = t.last == F::WIDTH;
        let of_channels = |from: *const f32, v: usize| {
            let from = from.wrapping_add(v * F::WIDTH);
            if v + 1 < V { F::load(from) } else { F::load_first(from, mask) }
        };
        let (mut scale, mut bias) = ([F::splat(1.0); V], [F::splat(0.0); V]);
        for v in 0..V {
            if !t.scale.is_null() {
                scale[v] = of_channels(t.scale, v);
            }
            if !t.bias.is_null() {
                bias[v] = of_channels(t.bias, v);
            }
        }
        for (i, sums) in sums.into_iter().enumerate() {
            if i < t.rows {
                for (v, sum) in sums.into_iter().enumerate() {
                    let to = t.outs[i].add(v * F::WIDTH);
                    let whole = v + 1 < V || full;
                    let mut sum = sum;
                    if t.add {
                        sum = sum.add(if whole { F::load(to) } else { F::load_first(to, mask) });
                    }
                    sum = if t.scale.is_null() { sum.add(bias[v]) } else { sum.mul_add(scale[v], bias[v]) };
                    if !t.beside.is_null() {
                        let from = t.beside.offset(to.cast_const().offset_from(t.out));
                        sum = sum.add(if whole { F::load(from) } else { F::load_first(from, mask) });
                    }
                    if t.relu {
                        sum = sum.max(F::splat(0.0));
                    }
                    if whole { sum.store(to) } else { sum.store_first(to, mask) }
                }
            }
        }
    }
}

/// Each element is one chain over the pixels of the lines, added to what was there.
///
/// # Safety
/// As for [`outputs`].
#[inline(always)]
unsafe fn slopes<F: Vector, const H: usize, const V: usize>(t: &Slopes<'_>) {
    // SAFETY: the caller vouches for the addresses and the set.
    unsafe {
        let mut sums = [[F::splat(0.0); V]; H];
        for line in t.lines {
            let mut x = t.image.add(line.image);
            let mut y = t.slopes.add(line.slope * V * F::WIDTH);
            for _ in 0..line.len {
                let mut row = [F::splat(0.0); V];
                for (v, part) in row.iter_mut().enumerate() {
                    *part = F::load(y.add(v * F::WIDTH));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = F::splat(*x.add(i));
                    for (sum, y) in sums.iter_mut().zip(row) {
                        *sum = x.mul_add(y, *sum);
                    }
                }
                x = x.wrapping_add(t.step);
                y = y.wrapping_add(V * F::WIDTH);
            }
        }
        for (i, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let to = t.sums.add((i * V + v) * F::WIDTH);
                sum.add(F::load(to)).store(to);
            }
        }
    }
}

/// Whoever makes one vouches for the tile.
struct OutputsOf<'a, const H: usize, const V: usize>(&'a Outputs<'a>);

impl<const H: usize, const V: usize> Kernel for OutputsOf<'_, H, V> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        // SAFETY: the maker vouches for the tile; this runs where the processor has the set.
        unsafe { outputs::<I::F32, H, V>(self.0) }
    }
}

struct SlopesOf<'a, const H: usize, const V: usize>(&'a Slopes<'a>);

impl<const H: usize, const V: usize> Kernel for SlopesOf<'_, H, V> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        // SAFETY: as above.
        unsafe { slopes::<I::F32, H, V>(self.0) }
    }
}

/// [`outputs`], compiled for its set.
///
/// # Safety
/// As for [`outputs`].
unsafe fn outputs_entry<I: Isa, const H: usize, const V: usize>(t: &Outputs<'_>) {
    // SAFETY: the caller vouches for the tile and the set.
    unsafe { I::enter(OutputsOf::<H, V>(t)) }
}

/// [`slopes`], compiled for its set.
///
/// # Safety
/// As for [`slopes`].
unsafe fn slopes_entry<I: Isa, const H: usize, const V: usize>(t: &Slopes<'_>) {
    // SAFETY: as above.
    unsafe { I::enter(SlopesOf::<H, V>(t)) }
}
