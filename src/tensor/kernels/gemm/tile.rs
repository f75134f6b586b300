//! The innermost kernel: one tile of the result, held in registers while `k` runs.

#[cfg(target_arch = "x86_64")]
use crate::tensor::kernels::simd::{Avx2, Avx512};
use crate::tensor::kernels::simd::{Isa, Kernel, Portable, Vector};

/// The vectors in a row of the widest tile. The tallest and widest fills the registers with its sums.
pub(super) const VECTORS: usize = 2;

/// A kernel for tiles of one size.
pub(super) type TileFn = unsafe fn(&Tile);

/// An instruction set with its tiles.
pub(super) trait Tiles: Isa {
    /// The heights of tiles that there are, falling to 1.
    const HEIGHTS: &'static [usize];

    /// The kernel for tiles of this height, one of [`Tiles::HEIGHTS`], and this many vectors. `UNIT` is its promise that the
    /// rows of `a` lie next to each other.
    fn tile<const UNIT: bool>(height: usize, vectors: usize) -> TileFn;
}

macro_rules! tiles {
    ($isa:ty: $($height:literal)*) => {
        impl Tiles for $isa {
            const HEIGHTS: &'static [usize] = &[$($height,)* 1];

            fn tile<const UNIT: bool>(height: usize, vectors: usize) -> TileFn {
                match (height, vectors) {
                    $(
                        ($height, 1) => entry::<Self, $height, 1, UNIT>,
                        ($height, _) => entry::<Self, $height, VECTORS, UNIT>,
                    )*
                    (_, 1) => entry::<Self, 1, 1, UNIT>,
                    (_, _) => entry::<Self, 1, VECTORS, UNIT>,
                }
            }
        }
    };
}
tiles!(Portable: 4 2);
#[cfg(target_arch = "x86_64")]
tiles!(Avx2: 6 4 2);
#[cfg(target_arch = "x86_64")]
tiles!(Avx512: 12 8 4 2);

/// A tile of `c` and the strips of `a` and `b` that it is the product of.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub(super) k: usize,
    pub(super) a: *const f32,
    pub(super) a_row_stride: usize,
    pub(super) a_col_stride: usize,
    /// Rows of `b` have unit column stride, and whole vectors of them may be read.
    pub(super) b: *const f32,
    pub(super) b_row_stride: usize,
    pub(super) c: *mut f32,
    pub(super) c_row_stride: usize,
    /// How many elements of the last vector of a row of `c` exist.
    pub(super) last: usize,
    pub(super) finish: Finish,
}

/// How a sum becomes an element of `c`: `alpha · sum + beta · c + bias`.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    pub(super) alpha: f32,
    pub(super) beta: f32,
    /// The bias of the tile's first column, or null.
    pub(super) bias: *const f32,
}

impl Finish {
    /// The same for a tile that begins `col` columns further on.
    pub(super) fn at(self, col: usize) -> Self {
        Self { bias: if self.bias.is_null() { self.bias } else { self.bias.wrapping_add(col) }, ..self }
    }
}

/// Computes a tile of `H` rows and `V` vectors.
///
/// Each element is one chain of `mul_add`s over `k`, whatever the tile: where a matrix is cut into tiles, or
/// which tile is at an edge, does not show in the result.
///
/// # Safety
/// `t` must describe memory that may be read (`a`, `b`, `bias`) and written (`c`), with `UNIT` only if
/// `t.a_row_stride == 1`, and the processor must have the set of `F`.
#[inline(always)]
unsafe fn tile<F: Vector, const H: usize, const V: usize, const UNIT: bool>(t: &Tile) {
    let Tile { k, a_col_stride, b_row_stride, c_row_stride, last, finish, .. } = *t;
    let a_row_stride = if UNIT { 1 } else { t.a_row_stride };
    let (mut a, mut b) = (t.a, t.b);
    // SAFETY: the caller vouches for the set and for `H` rows and `V` vectors, the last of which is accessed under
    // the mask in `c` and the bias. Addresses that are not read may be anywhere.
    unsafe {
        let mut sums = [[F::splat(0.0); V]; H];
        // Rows in groups of three: an address for each and one distance are as much as there are registers for.
        let mut groups = [a; 4];
        for (g, group) in groups.iter_mut().enumerate() {
            *group = a.wrapping_add(3 * g * a_row_stride);
        }
        for _ in 0..k {
            let mut row = [F::splat(0.0); V];
            for (v, y) in row.iter_mut().enumerate() {
                *y = F::load(b.add(v * F::WIDTH));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = F::splat(if UNIT { *a.add(i) } else { *groups[i / 3].add(i % 3 * a_row_stride) });
                for (sum, y) in sums.iter_mut().zip(row) {
                    *sum = x.mul_add(y, *sum);
                }
            }
            a = a.wrapping_add(a_col_stride);
            // A loop and not `map`, whose closure may be left a call: the sums would go through memory at every step.
            for group in &mut groups {
                *group = group.wrapping_add(a_col_stride);
            }
            b = b.wrapping_add(b_row_stride);
        }
        let mask = F::mask(last);
        if finish.alpha != 1.0 {
            let alpha = F::splat(finish.alpha);
            for sums in &mut sums {
                for sum in sums {
                    *sum = sum.mul(alpha);
                }
            }
        }
        if finish.beta != 0.0 {
            let beta = F::splat(finish.beta);
            for (i, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    let c = t.c.add(i * c_row_stride + v * F::WIDTH);
                    let c = if v + 1 < V { F::load(c) } else { F::load_first(c, mask) };
                    *sum = beta.mul_add(c, *sum);
                }
            }
        }
        if !finish.bias.is_null() {
            for v in 0..V {
                let bias = finish.bias.add(v * F::WIDTH);
                let bias = if v + 1 < V { F::load(bias) } else { F::load_first(bias, mask) };
                for sums in &mut sums {
                    sums[v] = sums[v].add(bias);
                }
            }
        }
        let full = last == F::WIDTH;
        for (i, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let c = t.c.add(i * c_row_stride + v * F::WIDTH);
                if v + 1 < V || full { sum.store(c) } else { sum.store_first(c, mask) }
            }
        }
    }
}

/// Whoever makes one vouches for the tile.
struct Of<'a, const H: usize, const V: usize, const UNIT: bool>(&'a Tile);

impl<const H: usize, const V: usize, const UNIT: bool> Kernel for Of<'_, H, V, UNIT> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        // SAFETY: the maker vouches for the tile; this runs where the processor has the set.
        unsafe { tile::<I::F32, H, V, UNIT>(self.0) }
    }
}

/// [`tile`], compiled for its set.
///
/// # Safety
/// As for [`tile`].
unsafe fn entry<I: Isa, const H: usize, const V: usize, const UNIT: bool>(t: &Tile) {
    // SAFETY: the caller vouches for the tile and the set.
    unsafe { I::enter(Of::<H, V, UNIT>(t)) }
}
