//! Several slices of one length, split and worked on in parallel.

use crate::parallel;

/// Slices of one length that are split together: one slice, or a tuple of them, optional ones included.
pub(super) trait Split: Send + Sized {
    fn len(&self) -> usize;
    fn split(self, at: usize) -> (Self, Self);
}

impl<T: Sync> Split for &[T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }
    fn split(self, at: usize) -> (Self, Self) {
        self.split_at(at.min(Split::len(&self)))
    }
}

impl<T: Send> Split for &mut [T] {
    fn len(&self) -> usize {
        <[T]>::len(self)
    }
    fn split(self, at: usize) -> (Self, Self) {
        let at = at.min(Split::len(&self));
        self.split_at_mut(at)
    }
}

/// Contiguous rows, split between rows. The last may be shorter; rows of nothing are as many as there may be.
#[derive(Clone, Copy)]
pub(super) struct RowsOf<'a, T> {
    pub(super) data: &'a [T],
    pub(super) cols: usize,
}

impl<T: Sync> Split for RowsOf<'_, T> {
    fn len(&self) -> usize {
        if self.cols == 0 { usize::MAX } else { self.data.len().div_ceil(self.cols) }
    }
    fn split(self, at: usize) -> (Self, Self) {
        let (a, b) = self.data.split_at(at.saturating_mul(self.cols).min(self.data.len()));
        (Self { data: a, ..self }, Self { data: b, ..self })
    }
}

/// [`RowsOf`], to be written to.
pub(super) struct RowsOfMut<'a, T> {
    pub(super) data: &'a mut [T],
    pub(super) cols: usize,
}

impl<T: Send + Sync> Split for RowsOfMut<'_, T> {
    fn len(&self) -> usize {
        RowsOf { data: self.data, cols: self.cols }.len()
    }
    fn split(self, at: usize) -> (Self, Self) {
        let at = at.saturating_mul(self.cols).min(self.data.len());
        let (a, b) = self.data.split_at_mut(at);
        (Self { data: a, cols: self.cols }, Self { data: b, cols: self.cols })
    }
}

/// `None` is as long as anything.
impl<S: Split> Split for Option<S> {
    fn len(&self) -> usize {
        self.as_ref().map_or(usize::MAX, Split::len)
    }
    fn split(self, at: usize) -> (Self, Self) {
        self.map(|slice| slice.split(at)).unzip()
    }
}

macro_rules! tuples {
    ($(($($S:ident $s:ident $t:ident),*))*) => {$(
        impl<$($S: Split),*> Split for ($($S,)*) {
            fn len(&self) -> usize {
                let ($($s,)*) = self;
                usize::MAX$(.min($s.len()))*
            }
            fn split(self, at: usize) -> (Self, Self) {
                let ($($s,)*) = self;
                $(let ($s, $t) = $s.split(at);)*
                (($($s,)*), ($($t,)*))
            }
        }
    )*};
}
tuples! {
    (A a a2, B b b2)
    (A a a2, B b b2, C c c2)
    (A a a2, B b b2, C c c2, D d d2)
    (A a a2, B b b2, C c c2, D d d2, E e e2)
}

/// Calls `f` for parts of about `block` elements each. The elements must be independent of each other: where the
/// boundaries fall is not fixed.
pub(super) fn for_parts<S: Split>(slices: S, block: usize, f: &(impl Fn(S) + Sync)) {
    if slices.len() <= block || parallel::threads() == 1 {
        return f(slices);
    }
    let middle = (slices.len() / 2).next_multiple_of(block.max(1));
    let (a, b) = slices.split(middle);
    let (mut a, mut b) = (Some(a), Some(b));
    let part = |x: &mut Option<S>| x.take().into_iter().for_each(|x| for_parts(x, block, f));
    parallel::join(&mut || part(&mut a), &mut || part(&mut b));
}
