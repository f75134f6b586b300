//! What a Fourier transform can be told.

use crate::error::{Error, Result};
use crate::tensor::Shape;
use crate::tensor::layout::dim_index;

/// What a Fourier transform of `n` numbers, and its inverse, are multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FftNorm {
    /// The transform by 1, the inverse by `1 / n`.
    #[default]
    Backward,
    /// Both by `1 / √n`, which makes them orthogonal.
    Ortho,
    /// The transform by `1 / n`, the inverse by 1.
    Forward,
}

impl FftNorm {
    pub(super) fn scale(self, n: usize, inverse: bool) -> f64 {
        match (self, inverse) {
            (Self::Ortho, _) => (n as f64).sqrt().recip(),
            (Self::Backward, true) | (Self::Forward, false) => (n as f64).recip(),
            (Self::Backward, false) | (Self::Forward, true) => 1.0,
        }
    }

    /// That of a transform that goes the other way.
    pub(super) fn reversed(self) -> Self {
        match self {
            Self::Backward => Self::Forward,
            Self::Ortho => Self::Ortho,
            Self::Forward => Self::Backward,
        }
    }
}

/// Options of Fourier transforms: [`Tensor::fft`](crate::Tensor::fft) and its kin.
///
/// | option | default | |
/// |---|---|---|
/// | [`n`](Self::n), [`sizes`](Self::sizes) | that of the input | how long the transformed dimensions are made: cut off, or filled up with zeros |
/// | [`dim`](Self::dim), [`dims`](Self::dims) | the last one, two or all | which dimensions are transformed; that of the pairs of complex numbers does not count |
/// | [`norm`](Self::norm) | [`FftNorm::Backward`] | what results are multiplied by |
///
/// ```
/// use demotic::autograd::{FftNorm, FftOptions};
/// use demotic::Tensor;
///
/// let options = FftOptions::new().n(8).dim(0).norm(FftNorm::Ortho);
/// assert_eq!(Tensor::ones([6, 3])?.rfft(&options)?.shape(), [5, 3, 2]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FftOptions {
    sizes: Option<Vec<usize>>,
    dims: Option<Vec<isize>>,
    norm: FftNorm,
}

impl FftOptions {
    /// Sizes of the input, the last dimensions, no factor but that of the inverse.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many numbers are transformed: the input is cut off there, or filled up with zeros. Of half a spectrum, how many numbers come
    /// back.
    #[must_use]
    pub fn n(self, n: usize) -> Self {
        self.sizes([n])
    }

    /// The same for each of the transformed dimensions.
    #[must_use]
    pub fn sizes(mut self, sizes: impl Shape) -> Self {
        self.sizes = Some(sizes.sizes().to_vec());
        self
    }

    /// The dimension that is transformed.
    #[must_use]
    pub fn dim(self, dim: isize) -> Self {
        self.dims(&[dim])
    }

    /// The dimensions that are transformed.
    #[must_use]
    pub fn dims(mut self, dims: &[isize]) -> Self {
        self.dims = Some(dims.to_vec());
        self
    }

    /// What results are multiplied by.
    #[must_use]
    pub fn norm(mut self, norm: FftNorm) -> Self {
        self.norm = norm;
        self
    }

    pub(super) fn scaling(&self) -> FftNorm {
        self.norm
    }

    /// The dimensions to transform, of `rank` ones, and the sizes that they shall have. `count` is how many an operation transforms;
    /// without it, all of them.
    #[track_caller]
    pub(super) fn axes(
        &self,
        op: &'static str,
        rank: usize,
        count: Option<usize>,
    ) -> Result<Vec<(usize, Option<usize>)>> {
        let wanted = count.or(self.dims.as_ref().map(Vec::len)).or(self.sizes.as_ref().map(Vec::len)).unwrap_or(rank);
        let last = |i: usize| i as isize - wanted as isize;
        let dims = match &self.dims {
            Some(dims) => dims.clone(),
            None if wanted > rank => return Err(too_few(op, wanted, rank)),
            None => (0..wanted).map(last).collect(),
        };
        let counts = [Some(dims.len()), self.sizes.as_ref().map(Vec::len)];
        if let Some(other) = counts.iter().flatten().find(|n| **n != wanted) {
            return Err(Error::argument(op, format!("{other} dimensions or sizes, expected {wanted}")));
        }
        if dims.is_empty() {
            return Err(Error::argument(op, "no dimension to transform"));
        }
        let mut axes: Vec<(usize, Option<usize>)> = Vec::with_capacity(dims.len());
        for (i, dim) in dims.iter().enumerate() {
            let axis = dim_index(op, *dim, rank)?;
            if axes.iter().any(|(other, _)| *other == axis) {
                return Err(Error::index(op, format!("dimension {dim} is named twice")));
            }
            let size = self.sizes.as_ref().map(|sizes| sizes[i]);
            if size == Some(0) {
                return Err(no_numbers(op));
            }
            axes.push((axis, size));
        }
        Ok(axes)
    }
}

#[track_caller]
fn too_few(op: &'static str, wanted: usize, rank: usize) -> Error {
    Error::shape(op, format!("{wanted} dimensions to transform, the input has {rank}"))
}

#[track_caller]
pub(super) fn no_numbers(op: &'static str) -> Error {
    Error::argument(op, "a transform of 0 numbers, expected at least 1")
}
