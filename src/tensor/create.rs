//! Making tensors: from values, from patterns, from random numbers.

use super::dtype::{DType, Element, with_element};
use super::layout::{Dims, Layout, MAX_DIMS, Shape, plural};
use super::storage::Storage;
use super::{Tensor, exec};
use crate::error::{Error, Result};
use crate::rng::Rng;

/// Checks a shape that comes from outside: few enough dimensions, a count that memory could hold.
#[track_caller]
pub(crate) fn check_shape(op: &'static str, shape: &[usize], dtype: DType) -> Result<Dims> {
    let Some(dims) = Dims::from_slice(shape) else {
        return Err(Error::shape(op, format!("{} dimensions, at most {MAX_DIMS} are supported", shape.len())));
    };
    let bytes = shape.iter().filter(|n| **n != 0).try_fold(dtype.size(), |bytes, n| bytes.checked_mul(*n));
    match bytes {
        Some(bytes) if bytes <= isize::MAX as usize / 2 => Ok(dims),
        _ => Err(too_large(op, shape, dtype)),
    }
}

#[track_caller]
fn too_large(op: &'static str, shape: &[usize], dtype: DType) -> Error {
    Error::shape(op, format!("a tensor of shape {shape:?} and type {dtype} does not fit into memory"))
}

/// A tensor whose elements are unspecified, to be overwritten at once. For results that can be larger than their
/// operands: an error if they do not fit into memory.
#[track_caller]
pub(crate) fn stale(op: &'static str, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let layout = Layout::new(check_shape(op, shape, dtype)?);
    match Storage::try_stale(dtype, layout.len()) {
        Some(storage) => Ok(Tensor { storage, layout, node: None }),
        None => Err(too_large(op, shape, dtype)),
    }
}

/// Makes sure that there is memory for an operation's result, which may be larger than its operands. What the system
/// granted waits in the pool, where the operation finds it.
#[track_caller]
pub(crate) fn reserve(op: &'static str, shape: &[usize], dtype: DType) -> Result<()> {
    stale(op, shape, dtype).map(drop)
}

/// Checks that a view is small enough for the operations on it, which cannot fail, to lay out its elements in memory.
#[track_caller]
pub(crate) fn check_view(op: &'static str, from: &[usize], shape: &[usize]) -> Result<()> {
    if shape.iter().product::<usize>() <= crate::memory::largest_view() {
        return Ok(());
    }
    let message = format!("{from:?} as {shape:?}: there is no memory for operations on so many elements");
    Err(Error::shape(op, message).with_help("operations on two tensors broadcast by themselves, without a view"))
}

/// Checks the shape of what is left when dimensions of `x` are reduced. It is bounded by `x`, whose elements are in memory
/// or in a view of bounded size, unless there are none of them: the other sizes can then be anything, and become a result
/// that is filled with what a reduction makes of nothing.
#[track_caller]
pub(crate) fn check_reduced(op: &'static str, x: &Tensor, kept: &[usize]) -> Result<()> {
    if !x.is_empty() || kept.iter().product::<usize>() <= crate::memory::largest_view() {
        return Ok(());
    }
    Err(Error::shape(op, format!("a result of shape {kept:?} (of {:?}) does not fit into memory", x.shape())))
}

/// Checks that there is memory for so many tensors, each of which takes up to 1 KiB with its place in the graph.
#[track_caller]
pub(crate) fn check_parts(op: &'static str, of: &[usize], count: usize) -> Result<()> {
    if count <= crate::memory::largest_view() / 32 {
        return Ok(());
    }
    let message = format!("{count} parts of {of:?}: there is no memory for so many tensors");
    Err(Error::argument(op, message).with_help("narrow or select give single parts"))
}

/// Checks that there is memory for a list of `count` items of so many bytes, which an argument asks for. `what` says
/// what they are.
#[track_caller]
pub(crate) fn check_list(op: &'static str, what: &str, count: usize, bytes: usize) -> Result<()> {
    match count.checked_mul(bytes) {
        Some(bytes) if bytes / 16 <= crate::memory::largest_view() => Ok(()),
        _ => Err(Error::argument(op, format!("there is no memory for {count} {what}"))),
    }
}

#[track_caller]
pub(super) fn zeros(op: &'static str, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let layout = Layout::new(check_shape(op, shape, dtype)?);
    // In a closure, the caller's line would be lost.
    match Storage::zeroed(dtype, layout.len()) {
        Some(storage) => Ok(Tensor { storage, layout, node: None }),
        None => Err(too_large(op, shape, dtype)),
    }
}

/// A tensor with one value everywhere.
#[track_caller]
fn full(op: &'static str, shape: &[usize], value: f64, dtype: DType) -> Result<Tensor> {
    let mut out = stale(op, shape, dtype)?;
    out.set_all(value);
    Ok(out)
}

/// A zeroed tensor that `next` then overwrites in order.
#[track_caller]
fn filled<T: Element>(op: &'static str, shape: &[usize], mut next: impl FnMut(usize) -> T) -> Result<Tensor> {
    let mut out = zeros(op, shape, T::DTYPE)?;
    out.data_mut::<T>().iter_mut().enumerate().for_each(|(i, x)| *x = next(i));
    Ok(out)
}

// Functions of slices, and not of every kind of shape.

#[track_caller]
fn uniform(shape: &[usize], low: f64, high: f64, rng: &mut Rng) -> Result<Tensor> {
    let (first, end) = (low as f32, high as f32);
    if !(low <= high && first.is_finite() && end.is_finite()) {
        return Err(Error::argument("uniform", format!("no values between {low} and {high}")));
    }
    // Rounding could reach the end.
    let last = if first < end { end.next_down() } else { first };
    let draw = |rng: &mut Rng| (low + (high - low) * f64::from(rng.uniform_f32())) as f32;
    filled("uniform", shape, |_| draw(rng).min(last))
}

#[track_caller]
fn normal(shape: &[usize], mean: f64, std: f64, rng: &mut Rng) -> Result<Tensor> {
    if !(std >= 0.0 && (std as f32).is_finite() && (mean as f32).is_finite()) {
        return Err(Error::argument("normal", format!("no normal distribution with mean {mean} and std {std}")));
    }
    filled("normal", shape, |_| (mean + std * rng.normal()) as f32)
}

#[track_caller]
fn bernoulli(shape: &[usize], p: f64, rng: &mut Rng) -> Result<Tensor> {
    if !(0.0..=1.0).contains(&p) {
        return Err(Error::argument("bernoulli", format!("p is {p}, expected a probability from 0 to 1")));
    }
    filled("bernoulli", shape, |_| f32::from(u8::from(rng.bernoulli(p))))
}

/// A tensor with the elements of a slice.
#[track_caller]
pub(super) fn copied<T: Element>(op: &'static str, data: &[T], shape: &[usize]) -> Result<Tensor> {
    let dims = check_shape(op, shape, T::DTYPE)?;
    let len: usize = dims.iter().product();
    if len != data.len() {
        let (have, s) = (data.len(), plural(data.len()));
        return Err(Error::shape(op, format!("{have} element{s} for shape {shape:?}, which has {len}")));
    }
    Ok(Tensor::build::<T>(shape, |out| out.copy_from_slice(data)))
}

/// # Making tensors
///
/// ```
/// use demotic::{Rng, Tensor};
///
/// assert_eq!(Tensor::zeros([2])?.to_f64_vec(), [0.0, 0.0]);
/// assert_eq!(Tensor::full([2], 7.0)?.to_f64_vec(), [7.0, 7.0]);
/// assert_eq!(Tensor::from_vec(vec![1i64, 2, 3, 4], [2, 2])?.shape(), [2, 2]);
/// assert_eq!(Tensor::from_slice(&[1.0f32, 2.0], [2])?.to_f64_vec(), [1.0, 2.0]);
/// assert_eq!(Tensor::eye(2)?.to_f64_vec(), [1.0, 0.0, 0.0, 1.0]);
/// assert_eq!((Tensor::scalar(3.0).item()?, Tensor::arange(3)?.to_f64_vec()), (3.0, vec![0.0, 1.0, 2.0]));
/// assert_eq!(Tensor::arange_step(0.0, 2.0, 0.5)?.to_f64_vec(), [0.0, 0.5, 1.0, 1.5]);
/// assert_eq!(Tensor::linspace(0.0, 1.0, 3)?.to_f64_vec(), [0.0, 0.5, 1.0]);
/// let x = Tensor::ones([1, 2])?;
/// assert_eq!([x.zeros_like(), x.ones_like(), x.full_like(2.0)].map(|x| x.to_f64_vec()[0]), [0.0, 1.0, 2.0]);
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::uniform([1000], 2.0, 4.0, &mut rng)?;
/// assert!(x.min()?.item()? >= 2.0 && x.max()?.item()? < 4.0);
/// assert!(Tensor::normal([10_000], 5.0, 1.0, &mut rng)?.mean().item()? > 4.9);
/// assert!(Tensor::bernoulli([1000], 0.9, &mut rng)?.mean().item()? > 0.8);
/// assert_eq!(Tensor::permutation(4, &mut rng)?.sort(0, false)?.0.to_f64_vec(), [0.0, 1.0, 2.0, 3.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Zeros of type `F32`.
    ///
    /// # Errors
    /// If the shape has too many dimensions or does not fit into memory.
    #[track_caller]
    pub fn zeros(shape: impl Shape) -> Result<Self> {
        zeros("zeros", shape.sizes(), DType::F32)
    }

    /// Ones of type `F32`.
    ///
    /// # Errors
    /// As for [`zeros`](Self::zeros).
    #[track_caller]
    pub fn ones(shape: impl Shape) -> Result<Self> {
        full("ones", shape.sizes(), 1.0, DType::F32)
    }

    /// The same value everywhere, of type `F32`.
    ///
    /// # Errors
    /// As for [`zeros`](Self::zeros).
    #[track_caller]
    pub fn full(shape: impl Shape, value: f64) -> Result<Self> {
        full("full", shape.sizes(), value, DType::F32)
    }

    /// The same value everywhere, of any type. The value is rounded to the type as [`Element::from_f64`] says.
    ///
    /// # Errors
    /// As for [`zeros`](Self::zeros).
    ///
    /// ```
    /// use demotic::{DType, Tensor};
    ///
    /// let mask = Tensor::full_dtype([2, 2], 1.0, DType::Bool)?;
    /// assert_eq!(mask.to_vec::<bool>()?, [true; 4]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn full_dtype(shape: impl Shape, value: f64, dtype: DType) -> Result<Self> {
        full("full", shape.sizes(), value, dtype)
    }

    /// A tensor of shape and type of this one, with the same value everywhere.
    #[must_use]
    pub fn full_like(&self, value: f64) -> Self {
        let mut out = Self::stale(self.dtype(), self.shape());
        out.set_all(value);
        out
    }

    /// Zeros with shape and type of this tensor.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        self.full_like(0.0)
    }

    /// Ones with shape and type of this tensor.
    #[must_use]
    pub fn ones_like(&self) -> Self {
        self.full_like(1.0)
    }

    /// A tensor without dimensions that holds one value, of type `F32`.
    #[must_use]
    pub fn scalar(value: f64) -> Self {
        Self::build::<f32>(&[], |out| out[0] = value as f32)
    }

    /// The values `start`, `start + step`, … up to but not including `end`, of type `F32`.
    ///
    /// # Errors
    /// If `step` is zero or points away from `end`, or a bound is not finite.
    #[track_caller]
    pub fn arange_step(start: f64, end: f64, step: f64) -> Result<Self> {
        let count = (end - start) / step;
        if !count.is_finite() || count < 0.0 {
            return Err(Error::argument("arange", format!("no way from {start} to {end} in steps of {step}")));
        }
        filled("arange", &[count.ceil() as usize], |i| (start + i as f64 * step) as f32)
    }

    /// The whole numbers `0 .. n` as indices, of type `I64`.
    ///
    /// # Errors
    /// If they do not fit into memory.
    #[track_caller]
    pub fn arange(n: usize) -> Result<Self> {
        filled("arange", &[n], |i| i as i64)
    }

    /// `n` values from `start` to `end`, both included, at equal distances, of type `F32`.
    ///
    /// # Errors
    /// If a bound is not finite, or they do not fit into memory.
    #[track_caller]
    pub fn linspace(start: f64, end: f64, n: usize) -> Result<Self> {
        if !(start.is_finite() && end.is_finite()) {
            return Err(Error::argument("linspace", format!("no even steps from {start} to {end}")));
        }
        let step = if n > 1 { (end - start) / (n - 1) as f64 } else { 0.0 };
        // Counting from the nearer end makes the values symmetric and the last one exact.
        filled("linspace", &[n], |i| {
            let x = if i < n.div_ceil(2) { start + step * i as f64 } else { end - step * (n - 1 - i) as f64 };
            x as f32
        })
    }

    /// The `n`×`n` identity matrix, of type `F32`.
    ///
    /// # Errors
    /// If it does not fit into memory.
    #[track_caller]
    pub fn eye(n: usize) -> Result<Self> {
        let mut out = zeros("eye", &[n, n], DType::F32)?;
        out.data_mut::<f32>().iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
        Ok(out)
    }

    /// The elements of a vector in row-major order.
    ///
    /// The tensor has the vector's element type. Mind that a bare literal such as `vec![1.0, 2.0]` is `f64`:
    /// write `vec![1.0f32, 2.0]`, or use [`tensor!`](crate::tensor!), which always makes `F32`.
    ///
    /// # Errors
    /// If the number of elements is not the product of the sizes.
    #[track_caller]
    pub fn from_vec<T: Element>(data: Vec<T>, shape: impl Shape) -> Result<Self> {
        copied("from_vec", &data, shape.sizes())
    }

    /// A copy of a slice's elements in row-major order; see [`from_vec`](Self::from_vec).
    ///
    /// # Errors
    /// If the number of elements is not the product of the sizes.
    #[track_caller]
    pub fn from_slice<T: Element>(data: &[T], shape: impl Shape) -> Result<Self> {
        copied("from_slice", data, shape.sizes())
    }

    /// Numbers drawn evenly from `[low, high)`, of type `F32`.
    ///
    /// # Errors
    /// If the bounds are not finite or in the wrong order, or the shape does not fit into memory.
    #[track_caller]
    pub fn uniform(shape: impl Shape, low: f64, high: f64, rng: &mut Rng) -> Result<Self> {
        uniform(shape.sizes(), low, high, rng)
    }

    /// Numbers drawn from the normal distribution, of type `F32`.
    ///
    /// # Errors
    /// If the standard deviation is negative or not finite, or the shape does not fit into memory.
    #[track_caller]
    pub fn normal(shape: impl Shape, mean: f64, std: f64, rng: &mut Rng) -> Result<Self> {
        normal(shape.sizes(), mean, std, rng)
    }

    /// Numbers drawn evenly from `[0, 1)`, of type `F32`: [`uniform`](Self::uniform) has other bounds.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let x = Tensor::rand([2, 3], &mut Rng::seed(0))?;
    /// assert!(x.to_vec::<f32>()?.iter().all(|x| (0.0..1.0).contains(x)));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shape does not fit into memory.
    #[track_caller]
    pub fn rand(shape: impl Shape, rng: &mut Rng) -> Result<Self> {
        uniform(shape.sizes(), 0.0, 1.0, rng)
    }

    /// Numbers drawn from the standard normal distribution, of type `F32`: [`normal`](Self::normal) has other means and deviations.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let x = Tensor::randn([2, 3], &mut Rng::seed(0))?;
    /// assert_eq!(x.shape(), [2, 3]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shape does not fit into memory.
    #[track_caller]
    pub fn randn(shape: impl Shape, rng: &mut Rng) -> Result<Self> {
        normal(shape.sizes(), 0.0, 1.0, rng)
    }

    /// Ones with probability `p`, zeros otherwise, of type `F32`.
    ///
    /// # Errors
    /// If `p` is not a probability, or the shape does not fit into memory.
    #[track_caller]
    pub fn bernoulli(shape: impl Shape, p: f64, rng: &mut Rng) -> Result<Self> {
        bernoulli(shape.sizes(), p, rng)
    }

    /// The numbers `0 .. n` in a random order, of type `I64`.
    ///
    /// # Errors
    /// If they do not fit into memory.
    #[track_caller]
    pub fn permutation(n: usize, rng: &mut Rng) -> Result<Self> {
        let mut out = Self::arange(n)?;
        rng.shuffle(out.data_mut::<i64>());
        Ok(out)
    }
}

impl Tensor {
    /// The elements converted to another type, without recording: the forward half of
    /// [`to_dtype`](Self::to_dtype).
    pub(crate) fn cast(&self, dtype: DType) -> Self {
        exec::cast::cast(self, dtype)
    }

    /// One number as a tensor without dimensions, converted as by [`Element::from_f64`].
    pub(crate) fn number(dtype: DType, c: f64) -> Self {
        let mut out = Self::stale(dtype, &[]);
        out.set_all(c);
        out
    }

    /// Gives all elements one value, converted to their type.
    fn set_all(&mut self, value: f64) {
        with_element!(self.dtype(), T => self.data_mut::<T>().fill(T::from_f64(value)));
    }

    /// A whole number as a tensor without dimensions.
    pub(crate) fn integer(c: i64) -> Self {
        Self::build::<i64>(&[], |out| out.fill(c))
    }

    /// The first element.
    pub(crate) fn as_f64(&self) -> f64 {
        with_element!(self.dtype(), T => self.data::<T>().first().map_or(f64::NAN, |x| x.to_f64()))
    }
}

#[cfg(test)]
mod tests;
