//! A register of `f32`, for loops that are written register by register: matrix products, in which what stays in a register
//! is what decides. Everywhere else the compiler vectorises plain loops.

/// A vector of an instruction set.
///
/// # Safety
/// Every function needs a processor that has the set, so belongs into a [`Kernel`](super::Kernel). Those that take a
/// pointer access as many elements as they say, at any alignment.
pub(crate) trait Vector: Copy {
    /// Selects the first elements.
    type Mask: Copy;
    /// The elements in a vector.
    const WIDTH: usize;

    unsafe fn splat(x: f32) -> Self;
    /// The mask of the first `n ≤ WIDTH` elements.
    unsafe fn mask(n: usize) -> Self::Mask;
    unsafe fn load(from: *const f32) -> Self;
    /// Reads the elements under the mask and nothing else; the others are 0.
    unsafe fn load_first(from: *const f32, mask: Self::Mask) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Writes the elements under the mask and nothing else.
    unsafe fn store_first(self, to: *mut f32, mask: Self::Mask);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// The larger elements; those of `self` where one of both is not a number.
    unsafe fn max(self, other: Self) -> Self;
    /// `self · b + c`, rounded once where the set can.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// The sum of the elements.
    unsafe fn sum(self) -> f32;
    /// Exchanges rows and columns of a square of `WIDTH` vectors.
    unsafe fn transpose(square: &mut [Self; 16]);
    /// Asks for the cache line of an address, which need not exist.
    unsafe fn prefetch(address: *const f32);
    /// The elements of a table of 32 at `WIDTH` places, each less than 32.
    unsafe fn look_up(table: *const f32, places: *const u8) -> Self;
}

const WIDTH: usize = 4;

/// An array: on processors without a set of [`super::x86`], and for Miri. Multiplies and adds with two roundings, for a
/// fused `mul_add` is a slow library call where the processor has none. Element by element and without closures, of which there
/// would be thousands to inline.
impl Vector for [f32; WIDTH] {
    type Mask = usize;
    const WIDTH: usize = WIDTH;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        [x; WIDTH]
    }

    #[inline(always)]
    unsafe fn mask(n: usize) -> usize {
        n
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for WIDTH elements.
        unsafe { from.cast::<Self>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, mask: usize) -> Self {
        let mut vector = [0.0; WIDTH];
        for (i, x) in vector.iter_mut().enumerate().take(mask) {
            // SAFETY: the caller vouches for the elements under the mask.
            *x = unsafe { *from.add(i) };
        }
        vector
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for WIDTH elements.
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, mask: usize) {
        for (i, x) in self.into_iter().enumerate().take(mask) {
            // SAFETY: the caller vouches for the elements under the mask.
            unsafe { *to.add(i) = x }
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        [self[0] + other[0], self[1] + other[1], self[2] + other[2], self[3] + other[3]]
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        [self[0] * other[0], self[1] * other[1], self[2] * other[2], self[3] * other[3]]
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        std::array::from_fn(|i| if other[i] > self[i] { other[i] } else { self[i] })
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        [self[0] * b[0] + c[0], self[1] * b[1] + c[1], self[2] * b[2] + c[2], self[3] * b[3] + c[3]]
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        (self[0] + self[2]) + (self[1] + self[3])
    }

    #[inline(always)]
    unsafe fn transpose(square: &mut [Self; 16]) {
        let rows = *square;
        for (i, row) in square.iter_mut().enumerate().take(WIDTH) {
            *row = [rows[0][i], rows[1][i], rows[2][i], rows[3][i]];
        }
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}

    #[inline(always)]
    unsafe fn look_up(table: *const f32, places: *const u8) -> Self {
        // SAFETY: the caller vouches for the places and the elements at them.
        unsafe { [at(table, places, 0), at(table, places, 1), at(table, places, 2), at(table, places, 3)] }
    }
}

/// # Safety
/// There is an `i`-th place, and an element at it.
#[inline(always)]
unsafe fn at(table: *const f32, places: *const u8, i: usize) -> f32 {
    // SAFETY: the caller vouches for both.
    unsafe { *table.add(*places.add(i) as usize) }
}
