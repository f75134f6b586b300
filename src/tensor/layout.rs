//! Shapes, strides and views: which elements of a storage a tensor looks at, and in which order.

use std::fmt;
use std::ops::Deref;

use crate::error::{Error, Result};

/// The largest number of dimensions of a tensor.
pub const MAX_DIMS: usize = 8;

/// A short list of sizes, strides or dimensions, kept without heap memory. Reads like a slice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Dims {
    items: [usize; MAX_DIMS],
    len: u8,
}

impl Dims {
    pub(crate) const EMPTY: Self = Self { items: [0; MAX_DIMS], len: 0 };

    /// `None` if there are more than [`MAX_DIMS`] items.
    pub(crate) fn from_slice(items: &[usize]) -> Option<Self> {
        let mut dims = Self::EMPTY;
        dims.items.get_mut(..items.len())?.copy_from_slice(items);
        dims.len = items.len() as u8;
        Some(dims)
    }

    /// The items of an iterator; those beyond [`MAX_DIMS`] are dropped, so use it where the count is known to fit.
    pub(crate) fn collect(items: impl IntoIterator<Item = usize>) -> Self {
        let mut dims = Self::EMPTY;
        for item in items.into_iter().take(MAX_DIMS) {
            dims.push(item);
        }
        dims
    }

    /// As many items of one value, up to [`MAX_DIMS`].
    pub(crate) fn filled(value: usize, len: usize) -> Self {
        let mut dims = Self { items: [0; MAX_DIMS], len: len.min(MAX_DIMS) as u8 };
        dims.fill(value);
        dims
    }

    fn few_or_many(len: u8, few: &[usize; FEW], many: Option<&[usize; MAX_DIMS]>) -> Self {
        let mut items = [0; MAX_DIMS];
        match many {
            None => items[..FEW].copy_from_slice(few),
            Some(many) => items = *many,
        }
        Self { items, len }
    }

    pub(crate) fn push(&mut self, item: usize) {
        if let Some(slot) = self.items.get_mut(self.len as usize) {
            *slot = item;
            self.len += 1;
        }
    }

    pub(crate) fn insert(&mut self, at: usize, item: usize) {
        let old = *self;
        *self = Self::collect(old[..at].iter().copied().chain([item]).chain(old[at..].iter().copied()));
    }

    pub(crate) fn remove(&mut self, at: usize) {
        let old = *self;
        *self = Self::collect(old[..at].iter().copied().chain(old[at + 1..].iter().copied()));
    }
}

impl Deref for Dims {
    type Target = [usize];
    #[inline]
    fn deref(&self) -> &[usize] {
        &self.items[..self.len as usize]
    }
}

impl std::ops::DerefMut for Dims {
    #[inline]
    fn deref_mut(&mut self) -> &mut [usize] {
        &mut self.items[..self.len as usize]
    }
}

impl fmt::Debug for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

/// As many dimensions have room in a layout itself.
const FEW: usize = 4;

/// The shape, strides and offset of a view, counted in elements.
///
/// Tensors are handed around a lot. One with this layout has less than 128 bytes, which compilers move without calling a function,
/// so dimensions beyond the fourth, which few tensors have, lie elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    rank: u8,
    /// Whether the elements lie one after the other in row-major order.
    pub(crate) contiguous: bool,
    pub(crate) offset: usize,
    /// Sizes and strides, if there are no more than [`FEW`]; what is not used is 0.
    few: [[usize; FEW]; 2],
    /// Sizes and strides, if there are more.
    many: Option<Box<[[usize; MAX_DIMS]; 2]>>,
}

/// The row-major strides of a shape.
pub(crate) fn row_major(shape: &[usize]) -> Dims {
    let mut strides = Dims::filled(0, shape.len());
    let mut step = 1;
    for (stride, size) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step *= (*size).max(1);
    }
    strides
}

impl Layout {
    /// Row-major, from offset 0.
    pub(crate) fn new(shape: Dims) -> Self {
        Self::of(&shape, &row_major(&shape), 0, true)
    }

    fn of(shape: &Dims, strides: &Dims, offset: usize, contiguous: bool) -> Self {
        let (mut few, mut many) = ([[0; FEW]; 2], None);
        if shape.len <= FEW as u8 {
            few[0].copy_from_slice(&shape.items[..FEW]);
            few[1].copy_from_slice(&strides.items[..FEW]);
        } else {
            many = Some(Box::new([shape.items, strides.items]));
        }
        Self { rank: shape.len, contiguous, offset, few, many }
    }

    /// Sizes and strides, where they lie.
    #[inline]
    pub(crate) fn slices(&self) -> (&[usize], &[usize]) {
        let rank = self.rank as usize;
        match &self.many {
            None => (&self.few[0][..rank], &self.few[1][..rank]),
            Some(many) => (&many[0][..rank], &many[1][..rank]),
        }
    }

    /// A copy of the sizes.
    pub(crate) fn shape(&self) -> Dims {
        Dims::few_or_many(self.rank, &self.few[0], self.many.as_ref().map(|many| &many[0]))
    }

    /// A copy of the strides.
    pub(crate) fn strides(&self) -> Dims {
        Dims::few_or_many(self.rank, &self.few[1], self.many.as_ref().map(|many| &many[1]))
    }

    /// Any view; finds out by itself whether it is contiguous.
    pub(crate) fn strided(shape: Dims, strides: Dims, offset: usize) -> Self {
        let mut step = 1;
        let mut contiguous = true;
        for (&size, &stride) in shape.iter().zip(strides.iter()).rev() {
            contiguous &= size == 1 || stride == step;
            step *= size.max(1);
        }
        let contiguous = contiguous || shape.contains(&0);
        Self::of(&shape, &strides, offset, contiguous)
    }

    /// The number of elements of the view.
    pub(crate) fn len(&self) -> usize {
        self.slices().0.iter().product()
    }

    /// How far behind `offset` the view reaches: one more than the largest index, 0 if it is empty.
    pub(crate) fn extent(&self) -> usize {
        if self.contiguous {
            return self.len();
        }
        let (shape, strides) = self.slices();
        1 + shape.iter().zip(strides).map(|(n, s)| (n - 1) * s).sum::<usize>()
    }
}

/// Turns a possibly negative dimension into an index, or explains which ones there are.
#[track_caller]
pub(crate) fn dim_index(op: &'static str, dim: isize, rank: usize) -> Result<usize> {
    let index = if dim < 0 { dim + rank as isize } else { dim };
    if (0..rank as isize).contains(&index) {
        return Ok(index as usize);
    }
    let message = if rank == 0 {
        format!("dimension {dim} of a scalar, which has none")
    } else {
        format!("dimension {dim} is out of range for {rank} dimension{} (-{rank} ..= {})", plural(rank), rank - 1)
    };
    Err(Error::index(op, message))
}

/// The same for a list of dimensions, which must differ. An empty list stands for all of them.
#[track_caller]
pub(crate) fn dim_set(op: &'static str, dims: &[isize], rank: usize) -> Result<[bool; MAX_DIMS]> {
    let mut chosen = [false; MAX_DIMS];
    if dims.is_empty() {
        chosen[..rank].fill(true);
    }
    for &dim in dims {
        let i = dim_index(op, dim, rank)?;
        if chosen[i] {
            return Err(Error::index(op, format!("dimension {dim} is named twice")));
        }
        chosen[i] = true;
    }
    Ok(chosen)
}

/// The shape that two shapes broadcast to (NumPy's rule), or `None`.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Option<Dims> {
    let rank = a.len().max(b.len());
    let mut shape = Dims::filled(1, rank);
    for i in 0..rank {
        let get = |s: &[usize]| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
        shape[i] = match (get(a), get(b)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return None,
        };
    }
    Some(shape)
}

/// The strides with which a view looks like `shape`: 0 along every broadcast dimension. `None` if it cannot.
pub(crate) fn expand_strides(layout: &Layout, shape: &[usize]) -> Option<Dims> {
    let (sizes, steps) = layout.slices();
    let missing = shape.len().checked_sub(sizes.len())?;
    let mut strides = Dims::filled(0, shape.len());
    for i in missing..shape.len() {
        let (own, stride) = (sizes[i - missing], steps[i - missing]);
        strides[i] = match own {
            n if n == shape[i] => stride,
            1 => 0,
            _ => return None,
        };
    }
    Some(strides)
}

/// The strides with which a view looks like `shape`, which has as many elements. `None` if only a copy can.
pub(crate) fn reshape_strides(layout: &Layout, shape: &[usize]) -> Option<Dims> {
    if layout.contiguous {
        return Some(row_major(shape));
    }
    // Neighbours that can be walked through with one stride form a group, which new dimensions may divide freely.
    let (mut sizes, mut steps) = (Dims::EMPTY, Dims::EMPTY);
    let (own, strides) = layout.slices();
    for (&size, &stride) in own.iter().zip(strides).filter(|(n, _)| **n != 1) {
        match (sizes.last_mut(), steps.last_mut()) {
            (Some(group), Some(step)) if *step == size * stride => (*group, *step) = (*group * size, stride),
            _ => {
                sizes.push(size);
                steps.push(stride);
            }
        }
    }
    let mut strides = Dims::filled(1, shape.len());
    let mut next = shape.len();
    for (&group, &step) in sizes.iter().zip(steps.iter()).rev() {
        let (mut rest, mut stride) = (group, step);
        while rest > 1 {
            next = next.checked_sub(1)?;
            if rest % shape[next] != 0 {
                return None;
            }
            strides[next] = stride;
            stride *= shape[next];
            rest /= shape[next];
        }
    }
    Some(strides)
}

pub(crate) fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// A shape as an argument: an array, a slice or a vector of sizes, or a single number for one dimension.
///
/// Sizes are checked when the tensor is made: more than [`MAX_DIMS`] dimensions, or more elements than memory
/// can address, are errors.
pub trait Shape {
    /// The sizes.
    fn sizes(&self) -> &[usize];
}

impl<const N: usize> Shape for [usize; N] {
    fn sizes(&self) -> &[usize] {
        self
    }
}

impl Shape for [usize] {
    fn sizes(&self) -> &[usize] {
        self
    }
}

impl Shape for Vec<usize> {
    fn sizes(&self) -> &[usize] {
        self
    }
}

impl Shape for usize {
    fn sizes(&self) -> &[usize] {
        std::slice::from_ref(self)
    }
}

impl Shape for () {
    fn sizes(&self) -> &[usize] {
        &[]
    }
}

impl<S: Shape + ?Sized> Shape for &S {
    fn sizes(&self) -> &[usize] {
        (**self).sizes()
    }
}

/// What a tensor can be reshaped to: a [`Shape`], or signed sizes of which one may be -1, for as many as are left.
///
/// ```
/// use demotic::Tensor;
///
/// let x = Tensor::arange(6)?;
/// assert_eq!(x.reshape([2, -1])?.shape(), [2, 3]);
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait NewShape {
    /// The sizes, of which more than [`MAX_DIMS`] are cut off, and how many there are.
    fn signed_sizes(&self) -> ([isize; MAX_DIMS], usize);
}

/// Sizes that are too large for the signed type are too large for any memory, and stay so.
fn signed<T: Copy + TryInto<isize>>(sizes: &[T]) -> ([isize; MAX_DIMS], usize) {
    let mut signed = [0; MAX_DIMS];
    for (signed, size) in signed.iter_mut().zip(sizes) {
        *signed = (*size).try_into().unwrap_or(isize::MAX);
    }
    (signed, sizes.len())
}

impl<S: Shape + ?Sized> NewShape for S {
    fn signed_sizes(&self) -> ([isize; MAX_DIMS], usize) {
        signed(self.sizes())
    }
}

macro_rules! signed_shapes {
    ($($t:ty),*) => {$(
        impl NewShape for $t {
            fn signed_sizes(&self) -> ([isize; MAX_DIMS], usize) { signed(&[*self]) }
        }
        signed_shapes!(@lists $t, [$t], Vec<$t>, &[$t], &Vec<$t>);
        impl<const N: usize> NewShape for [$t; N] {
            fn signed_sizes(&self) -> ([isize; MAX_DIMS], usize) { signed(self) }
        }
        impl<const N: usize> NewShape for &[$t; N] {
            fn signed_sizes(&self) -> ([isize; MAX_DIMS], usize) { signed(*self) }
        }
    )*};
    (@lists $t:ty, $($list:ty),*) => {$(
        impl NewShape for $list {
            fn signed_sizes(&self) -> ([isize; MAX_DIMS], usize) { signed(self) }
        }
    )*};
}

// Literals without a type are `i32`.
signed_shapes!(isize, i32);

#[cfg(test)]
mod tests;
