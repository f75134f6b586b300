//! Weights of a few bits a number.

use std::fmt;

use super::exec::quantized as exec;
use super::kernels::quantized::PACKED;
pub use super::kernels::quantized::Scheme;
use super::{DType, Tensor};
use crate::error::{Error, Result};
use crate::tensor::create::{check_shape, zeros};

/// A tensor whose numbers take a few bits each, in blocks along the last dimension with a scale for each block: the weights of a
/// published model, say, in an eighth of their size. It is a value to multiply by and to look rows up in; nothing else is computed with
/// it. How the blocks are made is its [`Scheme`].
///
/// ```
/// use demotic::prelude::*;
/// use demotic::tensor::{QTensor, Scheme};
///
/// let weight = Tensor::normal([4, 64], 0.0, 1.0, &mut Rng::seed(0))?;
/// let small = QTensor::quantize(&weight, Scheme::Q8_0)?;
/// assert_eq!(small.size_in_bytes(), 4 * 2 * 34);
///
/// let x = Tensor::ones([1, 64])?;
/// let (exact, near) = (x.linear(&weight, None)?, small.linear(&x, None)?);
/// // Sums of 64 numbers, each of which is off by at most half of its block's scale.
/// assert!(exact.sub(&near)?.abs().max()?.item()? < 0.25);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct QTensor {
    scheme: Scheme,
    shape: Vec<usize>,
    /// `U8`, of the same shape but for the last dimension, which is the bytes of a row.
    blocks: Tensor,
}

impl QTensor {
    /// Rounds the numbers of `x`, a tensor of type `F32`: with the bytes that `ggml`, the library of GGUF files, would make of them.
    ///
    /// # Errors
    /// If `x` is of another type or has no dimensions, its rows (the last dimension) are not made of whole blocks, a number is not finite
    /// or too large for a 16-bit scale, or the scheme is one that is only read: those with large blocks, and `IQ4_NL`.
    #[track_caller]
    pub fn quantize(x: &Tensor, scheme: Scheme) -> Result<Self> {
        x.expect_dtype("quantize", "the tensor", DType::F32)?;
        if !PACKED.contains(&scheme) {
            let known: Vec<&str> = PACKED.iter().map(|scheme| scheme.name()).collect();
            let e = Error::argument("quantize", format!("numbers in {scheme} can be read, but not made"));
            return Err(e.with_help(format!("the schemes to make them in are {}", known.join(", "))));
        }
        let blocks = exec::pack(scheme, x, &blocks_shape("quantize", scheme, x.shape())?)?;
        Ok(Self { scheme, shape: x.shape().to_vec(), blocks })
    }

    /// A tensor of these blocks, a tensor of type `U8` whose last dimension is the bytes of a row.
    ///
    /// # Errors
    /// If the rows of `shape` are not made of whole blocks, or `blocks` is not of the shape that they then have.
    #[track_caller]
    pub fn from_blocks(scheme: Scheme, shape: impl Into<Vec<usize>>, blocks: &Tensor) -> Result<Self> {
        let shape = shape.into();
        let expected = blocks_shape("from_blocks", scheme, &shape)?;
        blocks.expect_dtype("from_blocks", "the blocks", DType::U8)?;
        if blocks.shape() != expected {
            let message =
                format!("blocks of shape {:?} for {shape:?} in {scheme}, expected {expected:?}", blocks.shape());
            return Err(Error::shape("from_blocks", message));
        }
        Ok(Self { scheme, shape, blocks: blocks.detach().contiguous() })
    }

    /// Blocks of zeros, which take no memory before something else is put into their place.
    #[track_caller]
    pub(crate) fn zeros(op: &'static str, scheme: Scheme, shape: &[usize]) -> Result<Self> {
        let blocks = zeros(op, &blocks_shape(op, scheme, shape)?, DType::U8)?;
        Ok(Self { scheme, shape: shape.to_vec(), blocks })
    }

    /// Its numbers, as a tensor of type `F32`.
    ///
    /// # Errors
    /// If they do not fit into memory.
    #[track_caller]
    pub fn dequantize(&self) -> Result<Tensor> {
        exec::numbers("dequantize", self)
    }

    /// How its numbers are kept.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The sizes of the dimensions.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many numbers there are.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many bytes they take.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        self.blocks.numel()
    }

    /// The blocks: of type `U8`, of the same shape but for the last dimension, which is the bytes of a row.
    #[must_use]
    pub fn blocks(&self) -> &Tensor {
        &self.blocks
    }

    /// `count` rows from `first` on, along the first dimension, of which the blocks are shared.
    ///
    /// # Errors
    /// If there are no such rows, or only one dimension.
    #[track_caller]
    pub fn narrow(&self, first: usize, count: usize) -> Result<Self> {
        let Self { scheme, shape, blocks } = self;
        if shape.len() < 2 {
            return Err(Error::shape("narrow", format!("a quantised tensor of shape {shape:?} has no rows")));
        }
        let blocks = blocks.narrow(0, first, count)?;
        let mut shape = shape.clone();
        shape[0] = count;
        Ok(Self { scheme: *scheme, shape, blocks })
    }

    /// The same blocks in another order of the rows, or some of them: what `f` makes of the tensor of blocks along its first
    /// dimension.
    #[track_caller]
    pub(crate) fn with_rows(&self, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let blocks = f(&self.blocks)?;
        let shape = blocks.shape()[..blocks.rank() - 1].iter().chain(self.shape.last()).copied().collect::<Vec<_>>();
        Self::from_blocks(self.scheme, shape, &blocks)
    }
}

/// The shape that the blocks of a tensor have.
#[track_caller]
pub(crate) fn blocks_shape(op: &'static str, scheme: Scheme, shape: &[usize]) -> Result<Vec<usize>> {
    let [outer @ .., row] = shape else {
        return Err(Error::shape(op, format!("a tensor without dimensions has no blocks of {scheme}")));
    };
    if row % scheme.block_len() != 0 {
        let message =
            format!("rows of {row} numbers are not made of blocks of {}, as {scheme} has them", scheme.block_len());
        let e = Error::shape(op, message);
        return Err(if scheme.block_len() > 32 && row % 32 == 0 {
            e.with_help("a scheme with blocks of 32 fits: Q8_0, Q4_0 …")
        } else {
            e
        });
    }
    check_shape(op, shape, DType::U8)?;
    Ok(outer.iter().copied().chain([row / scheme.block_len() * scheme.block_bytes()]).collect())
}

impl fmt::Debug for QTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QTensor({:?} {})", self.shape, self.scheme)
    }
}
