//! What stands between the brackets of an index: `x.index((1..3, .., -1))`.
//!
//! | item | meaning | in the result |
//! |---|---|---|
//! | `2`, `-1` | one place; negative numbers count from the end | without the dimension |
//! | `1..3`, `-3..`, `..=2`, `..` | a range of places, cut off at the ends of the dimension | the dimension, shorter |
//! | [`Step`]`(1..9, 2)` | every second place of a range | the dimension, shorter |
//! | [`NewAxis`] | nothing | a new dimension of size 1 |
//! | [`Ellipsis`] | all dimensions that the other items leave over | these dimensions |
//! | `&indices`, an `I64` tensor | the places that it lists; negative numbers count from the end | its shape in place of the dimension |
//! | `&mask`, a `Bool` tensor | the places where it is true, over as many dimensions as it has | one dimension in their place |
//!
//! Dimensions behind the last item are kept whole. Up to 8 items form a tuple; one alone needs no tuple. The
//! same items serve [`Tensor::index`], [`Tensor::index_put`] and [`Tensor::slice`].

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use super::Tensor;
use super::layout::{Dims, Layout, MAX_DIMS};

/// One item of an index; see the [module page](self).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Index<'a> {
    /// One place along a dimension.
    At(isize),
    /// Places along a dimension.
    Range(Places),
    /// A new dimension of size 1.
    NewAxis,
    /// As many whole dimensions as are left over.
    Ellipsis,
    /// Places listed by an index tensor, or chosen by a mask.
    Tensor(&'a Tensor),
}

/// The places `start`, `start + step`, … before `end`, with Python's rules: negative bounds count from the end of the
/// dimension, absent ones stand for its ends, and bounds beyond the ends are moved there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// The first place.
    pub start: Option<isize>,
    /// The first place that is not included.
    pub end: Option<isize>,
    /// The distance between places, at least 1.
    pub step: usize,
}

/// Every `n`-th place of a range: `Step(.., 2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<R>(pub R, pub usize);

/// A new dimension of size 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAxis;

/// As many whole dimensions as the other items leave over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ellipsis;

/// What can stand for a range of places: a Rust range of `i32`, `i64`, `isize` or `usize`, or a [`Step`] of one.
pub trait IntoPlaces {
    /// The range.
    fn into_places(self) -> Places;
}

/// What can be an item of an index; see the [module page](self).
pub trait IntoIndex<'a> {
    /// The item.
    fn into_index(self) -> Index<'a>;
}

/// A whole index: an item, a tuple of up to 8, or a slice or vector of [`Index`].
pub trait Indices<'a> {
    /// The items, in order.
    fn into_items(self) -> Vec<Index<'a>>;
}

impl IntoPlaces for Places {
    fn into_places(self) -> Places {
        self
    }
}

impl IntoPlaces for RangeFull {
    fn into_places(self) -> Places {
        Places { start: None, end: None, step: 1 }
    }
}

impl<R: IntoPlaces> IntoPlaces for Step<R> {
    fn into_places(self) -> Places {
        let places = self.0.into_places();
        Places { step: places.step.saturating_mul(self.1), ..places }
    }
}

/// Numbers that the signed type does not hold are beyond the end of any dimension.
fn signed(i: impl TryInto<isize>) -> isize {
    i.try_into().unwrap_or(isize::MAX)
}

fn places(start: Option<isize>, end: Option<isize>) -> Places {
    Places { start, end, step: 1 }
}

/// The first place behind `last`: none if that is the last one, -1.
fn behind(last: isize) -> Option<isize> {
    (last != -1).then(|| last.saturating_add(1))
}

macro_rules! integers {
    ($($t:ty)*) => {$(
        impl<'a> IntoIndex<'a> for $t {
            fn into_index(self) -> Index<'a> {
                Index::At(signed(self))
            }
        }
        integers! {
            |r: Range<$t>| places(Some(signed(r.start)), Some(signed(r.end)));
            |r: RangeFrom<$t>| places(Some(signed(r.start)), None);
            |r: RangeTo<$t>| places(None, Some(signed(r.end)));
            |r: RangeInclusive<$t>| places(Some(signed(*r.start())), behind(signed(*r.end())));
            |r: RangeToInclusive<$t>| places(None, behind(signed(r.end)));
        }
    )*};
    ($(|$range:ident: $t:ty| $places:expr;)*) => {$(
        impl IntoPlaces for $t {
            fn into_places(self) -> Places {
                let $range = self;
                $places
            }
        }
        impl<'a> IntoIndex<'a> for $t {
            fn into_index(self) -> Index<'a> {
                Index::Range(self.into_places())
            }
        }
    )*};
}

integers!(i32 i64 isize usize);

macro_rules! items {
    ($([$($generics:tt)*] $t:ty, $item:ident => $index:expr;)*) => {$(
        impl<'a, $($generics)*> IntoIndex<'a> for $t {
            fn into_index(self) -> Index<'a> {
                let $item = self;
                $index
            }
        }
    )*};
}

items! {
    [] Index<'a>, item => item;
    [] Places, item => Index::Range(item);
    [] RangeFull, item => Index::Range(item.into_places());
    [R: IntoPlaces] Step<R>, item => Index::Range(item.into_places());
    [] NewAxis, _item => Index::NewAxis;
    [] Ellipsis, _item => Index::Ellipsis;
    [] &'a Tensor, item => Index::Tensor(item);
}

impl<'a, I: IntoIndex<'a>> Indices<'a> for I {
    fn into_items(self) -> Vec<Index<'a>> {
        vec![self.into_index()]
    }
}

impl<'a> Indices<'a> for () {
    fn into_items(self) -> Vec<Index<'a>> {
        Vec::new()
    }
}

impl<'a> Indices<'a> for &[Index<'a>] {
    fn into_items(self) -> Vec<Index<'a>> {
        self.to_vec()
    }
}

impl<'a> Indices<'a> for Vec<Index<'a>> {
    fn into_items(self) -> Vec<Index<'a>> {
        self
    }
}

macro_rules! tuples {
    ($(($($T:ident)*))*) => {$(
        impl<'a, $($T: IntoIndex<'a>),*> Indices<'a> for ($($T,)*) {
            fn into_items(self) -> Vec<Index<'a>> {
                #[allow(non_snake_case, reason = "values are named as their types")]
                let ($($T,)*) = self;
                vec![$($T.into_index()),*]
            }
        }
    )*};
}

tuples! {
    (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
}

/// The places `start`, `start + step`, …, `len` of them, known to lie within a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) start: usize,
    pub(crate) step: usize,
    pub(crate) len: usize,
}

impl Cut {
    pub(crate) fn whole(size: usize) -> Self {
        Self { start: 0, step: 1, len: size }
    }

    /// A step that is never taken is 1, and so is a start without elements 0: no offset leads out of the memory.
    pub(crate) fn new(start: usize, step: usize, len: usize) -> Self {
        Self { start: if len == 0 { 0 } else { start }, step: if len > 1 { step } else { 1 }, len }
    }
}

impl Places {
    /// The places along a dimension of `size`. The step must not be 0.
    pub(crate) fn cut(&self, size: usize) -> Cut {
        let bound = |i: isize| match usize::try_from(i) {
            Ok(i) => i.min(size),
            Err(_) => size.saturating_sub(i.unsigned_abs()),
        };
        let (start, end) = (self.start.map_or(0, bound), self.end.map_or(size, bound));
        Cut::new(start, self.step, end.saturating_sub(start).div_ceil(self.step))
    }
}

/// A cut along each dimension.
pub(crate) type Cuts = [Cut; MAX_DIMS];

/// Every dimension whole.
pub(crate) fn whole(shape: &[usize]) -> Cuts {
    std::array::from_fn(|i| Cut::whole(shape.get(i).copied().unwrap_or(1)))
}

impl Layout {
    /// The view of some places along each dimension.
    pub(crate) fn cut(&self, cuts: &Cuts) -> Self {
        let (mut shape, mut strides, mut offset) = (self.shape(), self.strides(), self.offset);
        for (i, cut) in cuts.iter().enumerate().take(shape.len()) {
            offset += cut.start * strides[i];
            shape[i] = cut.len;
            strides[i] *= cut.step;
        }
        if shape.contains(&0) {
            offset = self.offset;
        }
        Self::strided(shape, strides, offset)
    }

    /// The shape after [`cut`](Self::cut).
    pub(crate) fn cut_shape(cuts: &Cuts, rank: usize) -> Dims {
        Dims::collect(cuts.iter().take(rank).map(|cut| cut.len))
    }
}
