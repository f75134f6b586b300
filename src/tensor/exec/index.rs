//! Copying, joining, placing, going by tables of indices.
//!
//! What only moves elements moves words of their size, whatever their type. What adds them knows the type: `F32`, `F64`, `I64` and
//! `U8`; others are added in one of these and converted back. Nothing here is recorded, and indices were checked.

use crate::tensor::exec::cast::wrapped;
use crate::tensor::kernels::copy::copy_strided;
use crate::tensor::kernels::index::{self as kernels, Along, Part, Place};
use crate::tensor::kernels::{Strided, ops::Number};
use crate::tensor::layout::{Dims, Layout};
use crate::tensor::storage::with_word;
use crate::tensor::{DType, Element, Tensor};

pub(crate) use crate::tensor::kernels::index::Triangle;

/// Zeros, or what they are in the type.
pub(crate) fn zeros(shape: &[usize], dtype: DType) -> Tensor {
    let mut out = Tensor::stale(dtype, shape);
    with_word!(dtype, W => out.words_mut::<W>().fill(W::default()));
    out
}

/// An `I64` tensor with the value that `f` has for the number of each element.
pub(crate) fn numbered(mut out: Tensor, f: &mut dyn FnMut(usize) -> i64) -> Tensor {
    out.data_mut::<i64>().iter_mut().enumerate().for_each(|(i, out)| *out = f(i));
    out
}

/// The places where a mask is true, counted in row-major order: an `I64` vector.
pub(crate) fn true_places(mask: &Tensor) -> Tensor {
    let mask = mask.packed();
    let flags = mask.data::<bool>();
    let mut places = flags.iter().enumerate().filter(|(_, flag)| **flag).map(|(i, _)| i as i64);
    let count = flags.iter().filter(|flag| **flag).count();
    numbered(Tensor::stale(DType::I64, &[count]), &mut |_| places.next().unwrap_or_default())
}

/// The first of contiguous indices that is not in `0 .. size`, with its position.
pub(crate) fn out_of_range(index: &Tensor, size: usize) -> Option<(usize, i64)> {
    let (index, size) = (index.data::<i64>(), i64::try_from(size).unwrap_or(i64::MAX));
    // Most indices are right: look for one that is not only if there is one.
    if index.iter().fold(true, |fits, i| fits & (0..size).contains(i)) {
        return None;
    }
    index.iter().copied().enumerate().find(|(_, i)| !(0..size).contains(i))
}

/// For each label a row of as many `I64` zeros as there are classes, with a one in its place.
pub(crate) fn one_hot(labels: &Tensor, classes: usize, out: &mut Tensor) {
    let rows = out.data_mut::<i64>();
    rows.fill(0);
    for (row, label) in rows.chunks_mut(classes.max(1)).zip(labels.data::<i64>()) {
        row[*label as usize] = 1;
    }
}

/// Copies the elements of a view of the memory of `x`.
pub(crate) fn copy(x: &Tensor, shape: &[usize], strides: &[usize], out: &mut Tensor) {
    with_word!(x.dtype(), W => copy_strided(shape, Strided { data: x.words::<W>(), strides }, out.words_mut()));
}

/// Joins parts, each of rows of a width that are a stride apart: the first rows of all, then the second ones, and so on.
pub(crate) fn join(parts: &[(Tensor, usize, usize)], out: &mut Tensor) {
    with_word!(out.dtype(), W => {
        let words = parts.iter().map(|(x, width, stride)| Part { data: x.words::<W>(), width: *width, stride: *stride });
        kernels::join(&words.collect::<Vec<_>>(), out.words_mut());
    });
}

/// `x` as `[.., n, inner]` with the middle dimension reversed.
pub(crate) fn reverse(x: &Tensor, n: usize, inner: usize) -> Tensor {
    let (x, mut out) = (x.packed(), Tensor::stale(x.dtype(), x.shape()));
    with_word!(x.dtype(), W => kernels::reverse(x.words::<W>(), n, inner, out.words_mut()));
    out
}

/// Matrices of `[rows, columns]` with zeros beyond a diagonal.
pub(crate) fn triangle(x: &Tensor, matrix: [usize; 2], side: Triangle, diagonal: isize) -> Tensor {
    let (x, mut out) = (x.packed(), Tensor::stale(x.dtype(), x.shape()));
    with_word!(x.dtype(), W => kernels::triangle(x.words::<W>(), matrix, side, diagonal, out.words_mut()));
    out
}

/// Writes the elements of `x` to the places in `out` that a view of it has, after filling `out` with `background`, if there is one.
pub(crate) fn place(x: &Tensor, view: &Layout, background: Option<f64>, out: &mut Tensor) {
    let (x, background) = (x.packed(), background.map(|value| Tensor::number(out.dtype(), value)));
    with_word!(x.dtype(), W => {
        let background = background.as_ref().and_then(|value| value.words::<W>().first().copied());
        kernels::place(x.words::<W>(), at(view), background, out.words_mut());
    });
}

/// The middle dimension of `x` as `[.., n, inner]`, row by row as `index` says.
pub(crate) fn take_rows(x: &Tensor, [n, inner]: [usize; 2], index: &Tensor, out: &mut Tensor) {
    let x = x.packed();
    with_word!(x.dtype(), W => kernels::take_rows(x.words::<W>(), n, inner, index.data(), out.words_mut()));
}

/// `out[i, j, k] = x[i, index[i, j, k], k]` for `dim` 1.
pub(crate) fn gather(x: &Tensor, dim: usize, index: &Tensor, out: &mut Tensor) {
    let others = others(x.strides(), dim);
    let along = Along { shape: index.shape(), strides: &others, stride: x.strides()[dim] };
    with_word!(x.dtype(), W => kernels::gather(x.words::<W>(), along, index.data(), out.words_mut()));
}

/// `out[i, index[i, j, k], k] = source[i, j, k]` for `dim` 1, in the order of the source.
pub(crate) fn scatter(out: &mut Tensor, dim: usize, index: &Tensor, source: &Tensor) {
    let source = source.packed();
    with_word!(source.dtype(), W => {
        // Contiguous from here on, as the strides must say.
        out.words_mut::<W>();
        let (others, stride) = (others(out.strides(), dim), out.strides()[dim]);
        let along = Along { shape: index.shape(), strides: &others, stride };
        kernels::scatter(source.words::<W>(), along, index.data(), out.words_mut(), |_, x| x);
    });
}

/// Where elements are added.
#[derive(Clone, Copy)]
pub(crate) enum Adding<'a> {
    /// Row `j` of the source as `[.., index.len(), inner]` to row `index[j]` of the sum as `[.., n, inner]`, in ascending order
    /// of `j`.
    Rows { n: usize, inner: usize, index: &'a Tensor },
    /// `source[i, j, k]` to `sum[i, index[i, j, k], k]` for `dim` 1, in the order of the source.
    Places { dim: usize, index: &'a Tensor },
    /// The source to a view of the sum.
    View(&'a Layout),
}

/// Adds the elements of `source` to some of those of `sum`, which has their type.
pub(crate) fn add(sum: &mut Tensor, source: &Tensor, to: Adding<'_>) {
    let source = source.packed();
    match sum.dtype() {
        DType::F32 => to.run::<f32>(sum, &source),
        DType::F64 => to.run::<f64>(sum, &source),
        DType::I64 => to.run::<i64>(sum, &source),
        DType::U8 => to.run::<u8>(sum, &source),
        dtype => {
            let wide = if dtype.is_float() { DType::F32 } else { DType::I64 };
            let mut total = sum.cast(wide);
            add(&mut total, &source.cast(wide), to);
            *sum = wrapped(&total, dtype);
        }
    }
}

impl Adding<'_> {
    fn run<T: Element + Number>(self, sum: &mut Tensor, source: &Tensor) {
        let source = source.data::<T>();
        match self {
            Self::Rows { n, inner, index } => {
                kernels::add_rows(source, n, inner, index.data(), sum.data_mut());
            }
            Self::Places { dim, index } => {
                // Contiguous from here on, as the strides must say.
                sum.data_mut::<T>();
                let (others, stride) = (others(sum.strides(), dim), sum.strides()[dim]);
                let along = Along { shape: index.shape(), strides: &others, stride };
                kernels::scatter(source, along, index.data(), sum.data_mut(), T::plus);
            }
            Self::View(view) => kernels::add_at_place(source, at(view), sum.data_mut()),
        }
    }
}

/// The strides without the dimension that is indexed.
fn others(strides: &[usize], dim: usize) -> Dims {
    let mut others = Dims::collect(strides.iter().copied());
    others[dim] = 0;
    others
}

fn at(view: &Layout) -> Place<'_> {
    let (shape, strides) = view.slices();
    Place { shape, strides, offset: view.offset }
}
