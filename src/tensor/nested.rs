//! Tensors from numbers in nested brackets, arrays and vectors.

use half::{bf16, f16};
use num_traits::AsPrimitive;

use super::Tensor;
use super::create::{check_shape, copied};
use super::dtype::Element;
use super::layout::MAX_DIMS;
use crate::error::{Error, Result};

impl Tensor {
    /// A tensor from nested arrays, vectors or slices: `[[1.0, 2.0], [3.0, 4.0]]`, of the items' type.
    ///
    /// # Errors
    /// If the rows have different lengths.
    #[track_caller]
    pub fn from_nested<N: Nested>(values: N) -> Result<Self>
    where
        N::Item: Element,
    {
        let (mut shape, mut data) = (Vec::new(), Vec::new());
        values.shape(&mut shape);
        check_shape("from_nested", &shape, N::Item::DTYPE)?;
        if !values.fits(&shape) {
            let message = format!("the rows have different lengths (the first ones give shape {shape:?})");
            return Err(Error::shape("from_nested", message));
        }
        values.collect(&mut data);
        copied("from_nested", &data, &shape)
    }

    /// What [`tensor!`](crate::tensor!) expands to.
    #[doc(hidden)]
    pub fn from_literal<N: Literal, const LEN: usize>(values: [N; LEN]) -> Self
    where
        N::Item: AsPrimitive<f32>,
    {
        const { assert!(N::RANK < MAX_DIMS, "tensor! takes at most 8 levels of brackets") };
        let (mut shape, mut data) = (Vec::new(), Vec::new());
        values.shape(&mut shape);
        values.collect(&mut data);
        Self::build::<f32>(&shape, |out| {
            out.iter_mut().zip(&data).for_each(|(out, x)| *out = x.as_());
        })
    }
}

/// Numbers in nested arrays, vectors or slices, as deep as the tensor has dimensions.
pub trait Nested {
    /// The type of a single number.
    type Item: Copy;
    /// How many levels of nesting there are.
    const RANK: usize;

    /// Appends the sizes, taking the first row of each level as the model of the others.
    fn shape(&self, sizes: &mut Vec<usize>);
    /// Whether every row has the sizes given.
    fn fits(&self, sizes: &[usize]) -> bool;
    /// Appends all numbers in row-major order.
    fn collect(&self, items: &mut Vec<Self::Item>);
}

macro_rules! nested_numbers {
    ($($t:ty)*) => {$(
        impl Nested for $t {
            type Item = $t;
            const RANK: usize = 0;
            fn shape(&self, _: &mut Vec<usize>) {}
            fn fits(&self, sizes: &[usize]) -> bool { sizes.is_empty() }
            fn collect(&self, items: &mut Vec<$t>) { items.push(*self); }
        }
        impl Literal for $t {}
    )*};
}

nested_numbers!(f32 f64 bf16 f16 i8 i16 i32 i64 isize u8 u16 u32 u64 usize bool);

macro_rules! nested_rows {
    ($([$($generics:tt)*] $rows:ty;)*) => {$(
        impl<$($generics)*> Nested for $rows {
            type Item = N::Item;
            const RANK: usize = N::RANK + 1;
            fn shape(&self, sizes: &mut Vec<usize>) {
                sizes.push(self.len());
                match self.first() {
                    Some(row) => row.shape(sizes),
                    None => sizes.resize(sizes.len() + N::RANK, 0),
                }
            }
            fn fits(&self, sizes: &[usize]) -> bool {
                sizes.split_first().is_some_and(|(n, rest)| self.len() == *n && self.iter().all(|row| row.fits(rest)))
            }
            fn collect(&self, items: &mut Vec<N::Item>) {
                self.iter().for_each(|row| row.collect(items));
            }
        }
    )*};
}

nested_rows! {
    [N: Nested, const LEN: usize] [N; LEN];
    [N: Nested] Vec<N>;
    [N: Nested] &[N];
}

/// Numbers in nested brackets, whose rows therefore have equal lengths: what [`tensor!`](crate::tensor!) takes.
#[doc(hidden)]
pub trait Literal: Nested {}

impl<N: Literal, const LEN: usize> Literal for [N; LEN] {}

/// A tensor from numbers in brackets, always of type `F32`, whatever the suffix of the numbers.
///
/// ```
/// use demotic::tensor;
///
/// let vector = tensor![1, 2, 3];
/// let matrix = tensor![[1.0, 2.0], [3.0, 4.0]];
/// assert_eq!(vector.shape(), [3]);
/// assert_eq!(matrix.shape(), [2, 2]);
/// ```
///
/// For other element types, such as numbers of classes, use [`Tensor::from_nested`]: `Tensor::from_nested([0i64, 2, 1])`.
#[macro_export]
macro_rules! tensor {
    ($($value:expr),* $(,)?) => {
        $crate::Tensor::from_literal([$($value),*])
    };
}
