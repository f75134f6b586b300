//! What the kernels of this folder ask of a vector unit.

use super::tile::TileFn;

/// A vector unit for one element type.
///
/// The kernels are written once against this trait. Its functions are inlined into code that is compiled for the
/// unit's instructions, which begins in [`Simd::run`].
///
/// # Safety
/// Every function needs a processor that has the unit. Those that take a pointer access as many elements as they
/// say, at any alignment.
pub(crate) trait Simd: Sized + 'static {
    type Elem: num_traits::Float + Send + Sync + 'static;
    type Vec: Copy;
    /// Selects the first elements of a vector.
    type Mask: Copy;
    /// The elements in a vector.
    const WIDTH: usize;
    /// The heights of tiles that there are, falling to 1.
    const HEIGHTS: &'static [usize];
    /// The vectors in a row of the widest tile. The tallest and widest fills the registers with its sums.
    const VECTORS: usize;

    unsafe fn splat(x: Self::Elem) -> Self::Vec;
    /// The mask of the first `n ≤ WIDTH` elements.
    unsafe fn mask(n: usize) -> Self::Mask;
    unsafe fn load(from: *const Self::Elem) -> Self::Vec;
    /// Reads the elements under the mask and nothing else; the others are 0.
    unsafe fn load_first(from: *const Self::Elem, mask: Self::Mask) -> Self::Vec;
    unsafe fn store(to: *mut Self::Elem, v: Self::Vec);
    /// Writes the elements under the mask and nothing else.
    unsafe fn store_first(to: *mut Self::Elem, v: Self::Vec, mask: Self::Mask);
    unsafe fn add(a: Self::Vec, b: Self::Vec) -> Self::Vec;
    unsafe fn mul(a: Self::Vec, b: Self::Vec) -> Self::Vec;
    /// `a · b + c`, rounded once where the unit can.
    unsafe fn mul_add(a: Self::Vec, b: Self::Vec, c: Self::Vec) -> Self::Vec;
    /// `max(0, v)` that keeps NaNs.
    unsafe fn relu(v: Self::Vec) -> Self::Vec;
    /// `[a₀ b₀ a₁ b₁ …]` in two vectors.
    unsafe fn zip(a: Self::Vec, b: Self::Vec) -> (Self::Vec, Self::Vec);
    /// The sum of the elements.
    unsafe fn sum(v: Self::Vec) -> Self::Elem;
    /// The kernel for tiles of this height, one of [`Simd::HEIGHTS`], and this many vectors. `UNIT` is its promise
    /// that the rows of `a` lie next to each other.
    fn tile<const UNIT: bool>(height: usize, vectors: usize) -> TileFn<Self::Elem>;
    /// Calls `job` in a function that is compiled for the unit.
    unsafe fn run<J: Job<Self::Elem>>(job: J);
    /// Asks for the cache line of an address, which need not exist.
    unsafe fn prefetch(address: *const Self::Elem);
}

/// Work that is written for any vector unit. To be compiled for the one that [`Simd::run`] calls it for, `call` must
/// be inlined.
pub(crate) trait Job<T> {
    /// # Safety
    /// The processor must have the unit; the job may demand more.
    unsafe fn call<S: Simd<Elem = T>>(self);
}

/// [`Simd::tile`] from the list of heights.
macro_rules! tile_table {
    ($($height:literal)*) => {
        const HEIGHTS: &'static [usize] = &[$($height,)* 1];
        const VECTORS: usize = 2;

        fn tile<const UNIT: bool>(height: usize, vectors: usize) -> TileFn<Self::Elem> {
            match (height, vectors) {
                $(
                    ($height, 1) => tile::entry::<Self, $height, 1, UNIT>,
                    ($height, _) => tile::entry::<Self, $height, 2, UNIT>,
                )*
                (_, 1) => tile::entry::<Self, 1, 1, UNIT>,
                (_, _) => tile::entry::<Self, 1, 2, UNIT>,
            }
        }
    };
}
pub(super) use tile_table;
