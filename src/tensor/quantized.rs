//! Weights of a few bits a number.

use std::fmt;

use super::exec::quantized::{self as exec, Rounding};
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
        Self::quantize_with(x, scheme, &Calibration::Absmax, None)
    }

    /// Rounds the numbers of `x`, a tensor of type `F32`, with scales that are chosen by a [`Calibration`]. For
    /// [`Gptq`](Calibration::Gptq), `x` is a matrix of weights `[out, in]`, and `products` is the sum of the products of its inputs with
    /// each other, `[in, in]` of type `F64`: `Xᵀ · X` for inputs `X`, one in each row.
    ///
    /// # Errors
    /// As for [`quantize`](Self::quantize), if an option of the calibration makes no sense, or the products are missing or do not fit.
    ///
    /// ```
    /// use demotic::prelude::*;
    /// use demotic::tensor::{Calibration, GptqOptions, QTensor, Scheme};
    ///
    /// let mut rng = Rng::seed(0);
    /// let weight = Tensor::normal([8, 64], 0.0, 1.0, &mut rng)?;
    /// // Inputs that go together: 64 of them, made of 8.
    /// let inputs = Tensor::normal([200, 8], 0.0, 1.0, &mut rng)?.matmul(&Tensor::normal([8, 64], 0.0, 1.0, &mut rng)?)?;
    /// let products = inputs.t().matmul(&inputs)?.to_dtype(DType::F64);
    /// let gptq = Calibration::Gptq(GptqOptions::new());
    ///
    /// let error = |weight: &QTensor, exact: &Tensor| -> Result<f64> {
    ///     inputs.linear(&weight.dequantize()?, None)?.sub(&inputs.linear(exact, None)?)?.norm(2.0).item()
    /// };
    /// let rounded = QTensor::quantize(&weight, Scheme::Q4_0)?;
    /// let made_up_for = QTensor::quantize_with(&weight, Scheme::Q4_0, &gptq, Some(&products))?;
    /// assert!(error(&made_up_for, &weight)? < 0.5 * error(&rounded, &weight)?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn quantize_with(
        x: &Tensor,
        scheme: Scheme,
        calibration: &Calibration,
        products: Option<&Tensor>,
    ) -> Result<Self> {
        x.expect_dtype("quantize", "the tensor", DType::F32)?;
        if !PACKED.contains(&scheme) {
            let known: Vec<&str> = PACKED.iter().map(|scheme| scheme.name()).collect();
            let e = Error::argument("quantize", format!("numbers in {scheme} can be read, but not made"));
            return Err(e.with_help(format!("the schemes to make them in are {}", known.join(", "))));
        }
        let bytes = blocks_shape("quantize", scheme, x.shape())?;
        calibration.check(scheme)?;
        let blocks = match calibration {
            Calibration::Absmax => exec::pack(scheme, x, &bytes)?,
            Calibration::Percentile(percent) => exec::fitted(scheme, x, &bytes, Rounding::Percentile(*percent))?,
            Calibration::Mse => exec::fitted(scheme, x, &bytes, Rounding::Error)?,
            Calibration::Gptq(options) => {
                let (Some(products), &[_, features]) = (products, x.shape()) else {
                    let message = format!("a tensor of shape {:?} and no products of its inputs", x.shape());
                    return Err(Error::argument("quantize", message).with_help("GPTQ needs a matrix and both"));
                };
                products.expect_dtype("quantize", "the products", DType::F64)?;
                if products.shape() != [features; 2] {
                    let message = format!("products of shape {:?} for {features} inputs", products.shape());
                    return Err(Error::shape("quantize", message));
                }
                let &GptqOptions { damping, act_order, group_size, mse } = options;
                let by = exec::connected(products, damping, act_order)?;
                let own = if scheme == Scheme::Int8 { features } else { scheme.block_len() };
                exec::gptq(scheme, x, &bytes, &by, group_size.unwrap_or(own), [mse, act_order])?
            }
        };
        Ok(Self { scheme, shape: x.shape().to_vec(), blocks })
    }

    /// Rounds the rows of a matrix of type `F32` with these scales, `[rows, blocks]`, which a scheme without an offset may round to 16 bits.
    ///
    /// # Errors
    /// As for [`quantize`](Self::quantize), if the scheme has an offset, or the scales do not fit.
    #[track_caller]
    pub fn quantize_by(x: &Tensor, scheme: Scheme, scales: &Tensor) -> Result<Self> {
        for (what, x) in [("the tensor", x), ("the scales", scales)] {
            x.expect_dtype("quantize", what, DType::F32)?;
        }
        if !PACKED.contains(&scheme) || scheme.has_offset() {
            return Err(Error::argument("quantize", format!("scales alone do not make numbers in {scheme}")));
        }
        let bytes = blocks_shape("quantize", scheme, x.shape())?;
        let expected = match *x.shape() {
            [rows, _] if scheme == Scheme::Int8 => [rows, 1],
            [rows, len] => [rows, len / scheme.block_len()],
            ref shape => {
                return Err(Error::shape("quantize", format!("a tensor of shape {shape:?}, expected a matrix")));
            }
        };
        if scales.shape() != expected {
            let message =
                format!("scales of shape {:?} for {:?} in {scheme}, expected {expected:?}", scales.shape(), x.shape());
            return Err(Error::shape("quantize", message));
        }
        let scales = scales.packed();
        let blocks = exec::fitted(scheme, x, &bytes, Rounding::Given(scales.data()))?;
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

/// How the scales of a quantised tensor are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Calibration {
    /// By the largest number of each block, which is hit exactly.
    #[default]
    Absmax,
    /// Each row (an output of its layer) is cut off at this percentile of the sizes of its numbers first, above 50 and at most 100: few
    /// large numbers give way to the many.
    Percentile(f64),
    /// For each block, the scale with the least squared error of 41 between 1.2 and 0.5 times that of the largest number.
    Mse,
    /// The errors of a layer's weights make up for each other on the inputs that it was calibrated with.
    Gptq(GptqOptions),
}

impl Calibration {
    /// What it is called: `absmax`, `percentile`, `mse`, `gptq`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Absmax => "absmax",
            Self::Percentile(_) => "percentile",
            Self::Mse => "mse",
            Self::Gptq(_) => "gptq",
        }
    }

    #[track_caller]
    pub(crate) fn check(&self, scheme: Scheme) -> Result<()> {
        let message = match self {
            Self::Percentile(percent) if !(*percent > 50.0 && *percent <= 100.0) => {
                format!("a percentile of {percent}, expected above 50 and at most 100")
            }
            Self::Gptq(GptqOptions { damping, .. }) if !(*damping > 0.0 && damping.is_finite()) => {
                format!("a damping of {damping}, expected above 0")
            }
            Self::Gptq(GptqOptions { group_size: Some(group), .. }) if scheme == Scheme::Int8 => {
                format!("groups of {group}, but {scheme} has one scale for each row")
            }
            Self::Gptq(GptqOptions { group_size: Some(group), .. })
                if *group == 0 || group % scheme.block_len() != 0 =>
            {
                format!("groups of {group} are not made of blocks of {}, as {scheme} has them", scheme.block_len())
            }
            _ => return Ok(()),
        };
        Err(Error::argument("quantize", message))
    }
}

/// The options of [`Calibration::Gptq`] (Frantar et al., *GPTQ: Accurate post-training quantization for generative pre-trained
/// transformers*, 2022).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct GptqOptions {
    /// What is added to the diagonal of the products of inputs, as a share of its mean; 0.01 by default.
    pub damping: f64,
    /// Columns in the order of the size of their inputs, the largest first; their scales are those of the numbers as they were.
    pub act_order: bool,
    /// How many neighbours share a scale, a multiple of the scheme's blocks; by default, a block.
    pub group_size: Option<usize>,
    /// Scales with the least squared error, not those of the largest number.
    pub mse: bool,
}

impl Default for GptqOptions {
    fn default() -> Self {
        Self { damping: 0.01, act_order: false, group_size: None, mse: false }
    }
}

impl GptqOptions {
    /// Columns in their order, a scale for each block, by its largest number.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`damping`](Self::damping).
    #[must_use]
    pub fn damping(self, damping: f64) -> Self {
        Self { damping, ..self }
    }

    /// Sets [`act_order`](Self::act_order).
    #[must_use]
    pub fn act_order(self, act_order: bool) -> Self {
        Self { act_order, ..self }
    }

    /// Sets [`group_size`](Self::group_size).
    #[must_use]
    pub fn group_size(self, group_size: usize) -> Self {
        Self { group_size: Some(group_size), ..self }
    }

    /// Sets [`mse`](Self::mse).
    #[must_use]
    pub fn mse(self, mse: bool) -> Self {
        Self { mse, ..self }
    }
}

/// The shape that the blocks of a tensor have.
#[track_caller]
pub(crate) fn blocks_shape(op: &'static str, scheme: Scheme, shape: &[usize]) -> Result<Vec<usize>> {
    let [outer @ .., row] = shape else {
        return Err(Error::shape(op, format!("a tensor without dimensions has no blocks of {scheme}")));
    };
    if scheme == Scheme::Int8 && *row == 0 {
        return Err(Error::shape(op, format!("rows without numbers have no scale, as {scheme} has them")));
    }
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
    Ok(outer.iter().copied().chain([scheme.row_bytes(*row)]).collect())
}

impl fmt::Debug for QTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QTensor({:?} {})", self.shape, self.scheme)
    }
}
