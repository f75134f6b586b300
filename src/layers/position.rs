//! Where in a sequence something stands: sinusoidal, learned and rotary positions.
//!
//! All of them take an offset, for sequences that are continued token by token: `forward_at(x, 7)` treats the first row
//! as position 7.

use std::fmt;

use super::core::{Architecture, Init, Layer, LayerConfig, Mode, Param};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::stale;
use crate::tensor::{DType, Tensor};

/// Checks an input of shape `[.., T, dim]` whose first position is `offset`, and returns `T`.
#[track_caller]
fn steps(name: &'static str, x: &Tensor, dim: usize, offset: usize, positions: usize) -> Result<usize> {
    let &[.., steps, features] = x.shape() else {
        return Err(Error::shape(name, format!("the input has shape {:?}, expected [.., T, {dim}]", x.shape())));
    };
    if features != dim {
        let message = format!("the input {:?} has {features} features, the positions have {dim}", x.shape());
        return Err(Error::shape(name, message));
    }
    if offset.checked_add(steps).is_none_or(|end| end > positions) {
        let message = format!("{steps} steps from position {offset} on, but there are {positions} positions");
        return Err(Error::index(name, message).with_help("shorten the input, or make the layer for longer sequences"));
    }
    Ok(steps)
}

/// How far pair `i` of `dims` features turns from one position to the next: `base^(−2i/dims)`.
fn frequency(base: f64, dims: usize, i: usize) -> f64 {
    base.powf(-((2 * i) as f64) / dims as f64)
}

/// A function of an angle and the column for each position and each of `width` columns, of type `F64`. Angles grow from
/// position to position by the `rate` of the column.
#[track_caller]
fn filled([max_len, width]: [usize; 2], rate: impl Fn(usize) -> f64, f: impl Fn(f64, usize) -> f64) -> Result<Tensor> {
    let mut table = stale("positions", &[max_len, width], DType::F64)?;
    let rates: Vec<f64> = (0..width).map(rate).collect();
    for (position, row) in table.as_mut_slice::<f64>()?.chunks_mut(width).enumerate() {
        for (column, (x, rate)) in row.iter_mut().zip(&rates).enumerate() {
            *x = f(position as f64 * rate, column);
        }
    }
    Ok(table)
}

/// Adds fixed waves of different lengths to the features (Vaswani et al., *Attention Is All You Need*, 2017):
/// `sin(p / 10000^(2i/dim))` to feature `2i` at position `p`, and the cosine to feature `2i + 1`.
///
/// # Shapes
/// - input and output: `[.., T, dim]`, with at most `max_len` steps
///
/// ```
/// use demotic::prelude::*;
///
/// let positions = SinusoidalPositions::new(100, 4)?;
/// let y = positions.predict(&Tensor::zeros([2, 7, 4])?)?;
/// assert_eq!(y.index((0, 0, ..))?.to_vec::<f32>()?, [0.0, 1.0, 0.0, 1.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct SinusoidalPositions {
    /// `[max_len, dim]` of type `F64`.
    table: Tensor,
    /// The same of type `F32`.
    rounded: Tensor,
}

crate::module!(SinusoidalPositions {}, plain { table, rounded });

impl SinusoidalPositions {
    /// Waves for sequences of up to `max_len` steps of `dim` features.
    ///
    /// # Errors
    /// If a number is zero, or the table does not fit into memory.
    #[track_caller]
    pub fn new(max_len: usize, dim: usize) -> Result<Self> {
        check_sizes("SinusoidalPositions::new", max_len, dim)?;
        let wave = |angle: f64, feature: usize| if feature.is_multiple_of(2) { angle.sin() } else { angle.cos() };
        let table = filled([max_len, dim], |feature| frequency(10_000.0, dim, feature / 2), wave)?;
        Ok(Self { rounded: table.to_dtype(DType::F32), table })
    }

    /// `x` with the waves from position `offset` on.
    ///
    /// # Errors
    /// If `x` is not `[.., T, dim]` of type `F32` or `F64`, or goes beyond the last position.
    #[track_caller]
    pub fn forward_at(&self, x: &Tensor, offset: usize) -> Result<Tensor> {
        let name = "SinusoidalPositions";
        x.expect_float(name, "the input")?;
        let steps = steps(name, x, self.table.shape()[1], offset, self.table.shape()[0])?;
        let table = if x.dtype() == DType::F32 { &self.rounded } else { &self.table };
        x.add(&table.narrow(0, offset, steps)?)
    }
}

impl Architecture for SinusoidalPositions {
    const KIND: &'static str = "SinusoidalPositions";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        Ok(LayerConfig::new().with("max_len", self.table.shape()[0]).with("dim", self.table.shape()[1]))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, _: &mut Rng) -> Result<Self> {
        let layer = Self::new(config.take("max_len")?, config.take("dim")?)?;
        config.done()?;
        Ok(layer)
    }
}

impl Layer for SinusoidalPositions {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(self.forward_at(x, 0))
    }
}

impl fmt::Debug for SinusoidalPositions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SinusoidalPositions({} × {})", self.table.shape()[0], self.table.shape()[1])
    }
}

/// Adds a vector that is learned for each position, as in GPT-2 and BERT.
///
/// # Shapes
/// - input and output: `[.., T, dim]`, with at most `max_len` steps
/// - `weight`: `[max_len, dim]`, normally distributed with mean 0 and variance 1, as in an
///   [`Embedding`](crate::layers::Embedding)
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let positions = LearnedPositions::new(100, 4, &mut rng)?;
/// let x = Tensor::zeros([2, 7, 4])?;
/// let y = positions.forward_at(&x, 3)?;
/// assert_eq!(y.index((1, 0, ..))?.to_vec::<f32>()?, positions.weight.index(3)?.to_vec::<f32>()?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct LearnedPositions {
    /// `[max_len, dim]`.
    pub weight: Param,
}

crate::module!(LearnedPositions { weight });

impl LearnedPositions {
    /// Vectors for sequences of up to `max_len` steps of `dim` features.
    ///
    /// # Errors
    /// If a number is zero, or the table does not fit into memory.
    #[track_caller]
    pub fn new(max_len: usize, dim: usize, rng: &mut Rng) -> Result<Self> {
        check_sizes("LearnedPositions::new", max_len, dim)?;
        Ok(Self { weight: Param::new(Init::STANDARD_NORMAL.tensor(&[max_len, dim], rng)?)? })
    }

    /// The same layer with other initial vectors.
    ///
    /// # Errors
    /// If the scheme's options make no sense.
    #[track_caller]
    pub fn with_init(mut self, init: Init, rng: &mut Rng) -> Result<Self> {
        self.weight.set(&init.tensor(self.weight.shape(), rng)?)?;
        Ok(self)
    }

    /// `x` with the vectors from position `offset` on.
    ///
    /// # Errors
    /// If `x` is not `[.., T, dim]` of the type of the vectors, or goes beyond the last position.
    #[track_caller]
    pub fn forward_at(&self, x: &Tensor, offset: usize) -> Result<Tensor> {
        let name = "LearnedPositions";
        x.expect_dtype(name, "the input", self.weight.dtype())?;
        let steps = steps(name, x, self.weight.shape()[1], offset, self.weight.shape()[0])?;
        x.add(&self.weight.narrow(0, offset, steps)?)
    }
}

impl Architecture for LearnedPositions {
    const KIND: &'static str = "LearnedPositions";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        Ok(LayerConfig::new().with("max_len", self.weight.shape()[0]).with("dim", self.weight.shape()[1]))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, rng: &mut Rng) -> Result<Self> {
        let layer = Self::new(config.take("max_len")?, config.take("dim")?, rng)?;
        config.done()?;
        Ok(layer)
    }

    fn min_parameters(config: &LayerConfig) -> usize {
        (config.size("max_len") * config.size("dim")).get()
    }
}

impl Layer for LearnedPositions {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(self.forward_at(x, 0))
    }
}

impl fmt::Debug for LearnedPositions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LearnedPositions({} × {})", self.weight.shape()[0], self.weight.shape()[1])
    }
}

/// Turns pairs of features of queries and keys by angles that grow with the position (Su et al., *RoFormer*, 2021):
/// pair `i` at position `p` by `p · base^(−2i/dims)`. See [`Tensor::rotary`].
///
/// Pairs are features `i` and `i + dims/2`, as in GPT-NeoX and Llama, unless they are
/// [`interleaved`](Self::interleaved).
///
/// # Shapes
/// - input and output: `[.., T, head_dim]`, with at most `max_len` steps
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let rotary = RotaryPositions::new(100, 8)?;
/// let (q, k) = (Tensor::normal([5, 8], 0.0, 1.0, &mut rng)?, Tensor::normal([5, 8], 0.0, 1.0, &mut rng)?);
/// let scores = |at: usize| rotary.forward_at(&q, at)?.matmul(&rotary.forward_at(&k, at)?.t());
/// // Only distances count.
/// assert!(scores(0)?.sub(&scores(90)?)?.abs().max()?.item()? < 1e-4);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct RotaryPositions {
    head_dim: usize,
    dims: usize,
    base: f64,
    interleaved: bool,
    /// `[max_len, dims / 2]` of type `F64`.
    angles: Tensor,
    /// Their cosines and sines of type `F32`.
    rounded: [Tensor; 2],
}

crate::module!(RotaryPositions {}, plain { head_dim, dims, base, interleaved, angles, rounded });

impl RotaryPositions {
    /// Angles for sequences of up to `max_len` steps of `head_dim` features, all of which turn; the base is 10000.
    ///
    /// # Errors
    /// If a number is zero, `head_dim` is odd, or the tables do not fit into memory.
    #[track_caller]
    pub fn new(max_len: usize, head_dim: usize) -> Result<Self> {
        check_sizes("RotaryPositions::new", max_len, head_dim)?;
        check_pairs("RotaryPositions::new", head_dim, head_dim)?;
        Self::with_tables(max_len, head_dim, head_dim, 10_000.0, false)
    }

    /// The same layer with another base: the larger, the slower the slow pairs turn.
    ///
    /// # Errors
    /// If it is not a positive number.
    #[track_caller]
    pub fn base(self, base: f64) -> Result<Self> {
        if !(base > 0.0 && base.is_finite()) {
            return Err(Error::argument("base", format!("the base is {base}, expected a positive number")));
        }
        Self::with_tables(self.max_len(), self.head_dim, self.dims, base, self.interleaved)
    }

    /// The same layer in which only the first `dims` features turn.
    ///
    /// # Errors
    /// If that is zero, odd, or more than there are.
    #[track_caller]
    pub fn dims(self, dims: usize) -> Result<Self> {
        check_pairs("dims", dims, self.head_dim)?;
        Self::with_tables(self.max_len(), self.head_dim, dims, self.base, self.interleaved)
    }

    /// The same layer whose pairs are neighbours, features `2i` and `2i + 1`, as in the paper and GPT-J.
    #[must_use]
    pub fn interleaved(mut self) -> Self {
        self.interleaved = true;
        self
    }

    #[track_caller]
    fn with_tables(max_len: usize, head_dim: usize, dims: usize, base: f64, interleaved: bool) -> Result<Self> {
        let angles = filled([max_len, dims / 2], |pair| frequency(base, dims, pair), |angle, _| angle)?;
        // Rounded once, after the function: far from the start of a text, an angle of type F32 would be too rough.
        let rounded = [angles.cos().to_dtype(DType::F32), angles.sin().to_dtype(DType::F32)];
        Ok(Self { head_dim, dims, base, interleaved, angles, rounded })
    }

    /// The number of positions.
    #[must_use]
    pub fn max_len(&self) -> usize {
        self.angles.shape()[0]
    }

    /// The number of features of what is turned.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// `x` turned by the angles from position `offset` on.
    ///
    /// # Errors
    /// If `x` is not `[.., T, head_dim]` of a floating-point type, or goes beyond the last position.
    #[track_caller]
    pub fn forward_at(&self, x: &Tensor, offset: usize) -> Result<Tensor> {
        let name = "RotaryPositions";
        x.expect_any_float(name, "the input")?;
        let steps = steps(name, x, self.head_dim, offset, self.max_len())?;
        let [cos, sin] = match x.dtype() {
            DType::F64 => {
                let angles = self.angles.narrow(0, offset, steps)?;
                [angles.cos(), angles.sin()]
            }
            _ => [self.rounded[0].narrow(0, offset, steps)?, self.rounded[1].narrow(0, offset, steps)?],
        };
        x.rotary(&cos, &sin, self.interleaved)
    }
}

impl Architecture for RotaryPositions {
    const KIND: &'static str = "RotaryPositions";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        let config = LayerConfig::new().with("max_len", self.max_len()).with("head_dim", self.head_dim);
        Ok(config.with("dims", self.dims).with("base", self.base).with("interleaved", self.interleaved))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, _: &mut Rng) -> Result<Self> {
        let mut layer = Self::new(config.take("max_len")?, config.take("head_dim")?)?;
        layer = layer.base(config.take("base")?)?.dims(config.take("dims")?)?;
        layer.interleaved = config.take("interleaved")?;
        config.done()?;
        Ok(layer)
    }
}

impl Layer for RotaryPositions {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here(self.forward_at(x, 0))
    }
}

impl fmt::Debug for RotaryPositions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RotaryPositions({} × {}", self.max_len(), self.head_dim)?;
        if self.dims != self.head_dim {
            write!(f, ", {} of them turn", self.dims)?;
        }
        write!(f, ", base {}{})", self.base, if self.interleaved { ", interleaved" } else { "" })
    }
}

#[track_caller]
fn check_sizes(name: &'static str, max_len: usize, dim: usize) -> Result<()> {
    if max_len == 0 || dim == 0 {
        let message = format!("{max_len} positions with {dim} features, expected at least 1 of each");
        return Err(Error::argument(name, message));
    }
    Ok(())
}

#[track_caller]
fn check_pairs(name: &'static str, dims: usize, head_dim: usize) -> Result<()> {
    if dims == 0 || !dims.is_multiple_of(2) || dims > head_dim {
        let message = format!("{dims} of {head_dim} features, expected an even number of them");
        return Err(Error::argument(name, message));
    }
    Ok(())
}
