//! The innermost kernel: one tile of the result, held in registers while `k` runs.

use num_traits::{One, Zero};

use super::simd::{Job, Simd};

/// A kernel for tiles of one size.
pub(crate) type TileFn<T> = unsafe fn(&Tile<T>);

/// A tile of `c` and the strips of `a` and `b` that it is the product of.
#[derive(Clone, Copy)]
pub(crate) struct Tile<T> {
    pub(super) k: usize,
    pub(super) a: *const T,
    pub(super) a_row_stride: usize,
    pub(super) a_col_stride: usize,
    /// Rows of `b` have unit column stride.
    pub(super) b: *const T,
    pub(super) b_row_stride: usize,
    pub(super) c: *mut T,
    pub(super) c_row_stride: usize,
    /// How many elements of the last vector of a row of `b` and `c` exist.
    pub(super) last: usize,
    pub(super) finish: Finish<T>,
}

/// How a sum becomes an element of `c`: `alpha · sum + beta · c + bias`, then `max(0, ·)`.
#[derive(Clone, Copy)]
pub(crate) struct Finish<T> {
    pub(super) alpha: T,
    pub(super) beta: T,
    /// The bias of the tile's first column, or null.
    pub(super) bias: *const T,
    pub(super) relu: bool,
}

impl<T> Finish<T> {
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
/// `t.a_row_stride == 1`, and the processor must have the unit `S`.
#[inline(always)]
unsafe fn tile<S: Simd, const H: usize, const V: usize, const UNIT: bool>(t: &Tile<S::Elem>) {
    let Tile { k, a_col_stride, b_row_stride, c_row_stride, last, finish, .. } = *t;
    let a_row_stride = if UNIT { 1 } else { t.a_row_stride };
    let (mut a, mut b) = (t.a, t.b);
    // SAFETY: the caller vouches for the unit and for `H` rows and `V` vectors, the last of which is accessed under
    // the mask.
    unsafe {
        let mask = S::mask(last);
        let mut sums = [[S::splat(S::Elem::zero()); V]; H];
        for _ in 0..k {
            let mut row = [S::splat(S::Elem::zero()); V];
            for (v, y) in row.iter_mut().enumerate() {
                let b = b.add(v * S::WIDTH);
                *y = if v + 1 < V { S::load(b) } else { S::load_first(b, mask) };
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = S::splat(*a.add(i * a_row_stride));
                for (sum, y) in sums.iter_mut().zip(row) {
                    *sum = S::mul_add(x, y, *sum);
                }
            }
            a = a.wrapping_add(a_col_stride);
            b = b.wrapping_add(b_row_stride);
        }
        if finish.alpha != S::Elem::one() {
            let alpha = S::splat(finish.alpha);
            for sums in &mut sums {
                for sum in sums {
                    *sum = S::mul(*sum, alpha);
                }
            }
        }
        if finish.beta != S::Elem::zero() {
            let beta = S::splat(finish.beta);
            for (i, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    let c = t.c.add(i * c_row_stride + v * S::WIDTH);
                    let c = if v + 1 < V { S::load(c) } else { S::load_first(c, mask) };
                    *sum = S::mul_add(beta, c, *sum);
                }
            }
        }
        if !finish.bias.is_null() {
            for v in 0..V {
                let bias = finish.bias.add(v * S::WIDTH);
                let bias = if v + 1 < V { S::load(bias) } else { S::load_first(bias, mask) };
                for sums in &mut sums {
                    sums[v] = S::add(sums[v], bias);
                }
            }
        }
        if finish.relu {
            for sums in &mut sums {
                for sum in sums {
                    *sum = S::relu(*sum);
                }
            }
        }
        for (i, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let c = t.c.add(i * c_row_stride + v * S::WIDTH);
                if v + 1 < V { S::store(c, sum) } else { S::store_first(c, sum, mask) }
            }
        }
    }
}

struct Of<'a, T, const H: usize, const V: usize, const UNIT: bool>(&'a Tile<T>);

impl<T, const H: usize, const V: usize, const UNIT: bool> Job<T> for Of<'_, T, H, V, UNIT> {
    #[inline(always)]
    unsafe fn call<S: Simd<Elem = T>>(self) {
        // SAFETY: the caller vouches for the tile and the unit.
        unsafe { tile::<S, H, V, UNIT>(self.0) }
    }
}

/// [`tile`], compiled for its unit.
///
/// # Safety
/// As for [`tile`].
pub(super) unsafe fn entry<S: Simd, const H: usize, const V: usize, const UNIT: bool>(t: &Tile<S::Elem>) {
    // SAFETY: the caller vouches for the tile and the unit.
    unsafe { S::run(Of::<_, H, V, UNIT>(t)) }
}
