//! Vectors for numbered things: words, characters, categories.

use std::fmt;

use super::core::{Architecture, Init, Layer, LayerConfig, Mode, Weight};
use crate::autograd::ops::embedding::look_up;
use crate::autograd::ops::norm::expect_length;
use crate::autograd::ops::renorm::expect_limit;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A table of vectors that are learned, one for each number from 0 to `num_embeddings − 1`: the first layer of models
/// of text, and of tables with categories. See [`Tensor::embedding`].
///
/// # Shapes
/// - input: `[..]`, of type `I64`
/// - output: `[.., dim]`
/// - `weight`: `[num_embeddings, dim]`, normally distributed with mean 0 and variance 1, as in PyTorch
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let words = Embedding::new(10_000, 64, &mut rng)?.padding_idx(0)?;
/// let sentences = Tensor::from_nested([[17i64, 4, 230], [9, 4, 0]])?;
/// assert_eq!(words.predict(&sentences)?.shape(), [2, 3, 64]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct Embedding {
    /// `[num_embeddings, dim]`.
    pub weight: Weight,
    padding_idx: Option<usize>,
    max_norm: Option<f64>,
    norm_type: f64,
    scale_grad_by_freq: bool,
}

crate::module!(
    Embedding { weight },
    plain { padding_idx, max_norm, norm_type, scale_grad_by_freq },
    constrain limit_rows
);

impl Embedding {
    /// A table of `num_embeddings` vectors of `dim` numbers.
    ///
    /// # Errors
    /// If a number is zero, or the table does not fit into memory.
    #[track_caller]
    pub fn new(num_embeddings: usize, dim: usize, rng: &mut Rng) -> Result<Self> {
        if num_embeddings == 0 || dim == 0 {
            let message = format!("{num_embeddings} vectors of {dim} numbers, expected at least 1 of each");
            return Err(Error::argument("Embedding::new", message));
        }
        Self::of(Init::STANDARD_NORMAL.tensor(&[num_embeddings, dim], rng)?)
    }

    /// A layer with the vectors of `weight`, `[num_embeddings, dim]`; with `freeze` they are not trained.
    ///
    /// # Errors
    /// If `weight` is not a matrix of type `F32` or `F64`.
    #[track_caller]
    pub fn from_pretrained(weight: &Tensor, freeze: bool) -> Result<Self> {
        if weight.rank() != 2 {
            let message = format!("a table of shape {:?}, expected [num_embeddings, dim]", weight.shape());
            return Err(Error::shape("Embedding::from_pretrained", message));
        }
        let mut layer = Self::of(weight.detach())?;
        layer.weight.set_trainable(!freeze);
        Ok(layer)
    }

    #[track_caller]
    fn of(weight: Tensor) -> Result<Self> {
        let weight = Weight::new(weight)?;
        Ok(Self { weight, padding_idx: None, max_norm: None, norm_type: 2.0, scale_grad_by_freq: false })
    }

    /// The same layer in which the number `index` stands for padding: its vector becomes zero, and is not trained.
    ///
    /// # Errors
    /// If there is no such number.
    #[track_caller]
    pub fn padding_idx(mut self, index: usize) -> Result<Self> {
        let n = self.num_embeddings();
        if index >= n {
            let message = format!("the padding is row {index} of a table of {n}");
            return Err(Error::argument("padding_idx", message).with_help("rows count from 0"));
        }
        self.padding_idx = Some(index);
        self.clear_padding()?;
        Ok(self)
    }

    /// The same layer with vectors whose norms are at most `max_norm`: longer ones are scaled back, as
    /// [`Tensor::renorm`] does it, now, after each step of an optimizer, and when others are loaded; whoever sets them otherwise
    /// calls [`constrain`](super::Module::constrain).
    ///
    /// PyTorch shortens a vector when it is next looked up; here none is ever too long. What is looked up is the same. The
    /// vectors that an adapter makes of these are not limited.
    ///
    /// # Errors
    /// If `max_norm` is negative or not finite.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let words = Embedding::from_pretrained(&tensor![[3.0, 4.0], [0.3, 0.4]], false)?.max_norm(1.0)?;
    /// assert_eq!(words.weight.value()?.to_vec::<f32>()?, [0.6, 0.8, 0.3, 0.4]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn max_norm(mut self, max_norm: f64) -> Result<Self> {
        expect_limit("max_norm", max_norm)?;
        self.max_norm = Some(max_norm);
        self.limit_rows();
        Ok(self)
    }

    /// The same layer in which [`max_norm`](Self::max_norm), to be called after this, limits the `p`-norm: the sum of the
    /// absolute values for 1, the largest of them for ∞. Default 2.
    ///
    /// # Errors
    /// If `p` is not above 0, or vectors were shortened already.
    #[track_caller]
    pub fn norm_type(mut self, p: f64) -> Result<Self> {
        expect_length("norm_type", p)?;
        if self.max_norm.is_some() {
            let message = format!("the vectors were shortened by their {}-norms already", self.norm_type);
            return Err(Error::argument("norm_type", message).with_help("call norm_type before max_norm"));
        }
        self.norm_type = p;
        Ok(self)
    }

    /// The same layer in which the gradient of a vector is divided by how often its number occurs in the input.
    #[must_use]
    pub fn scale_grad_by_freq(mut self) -> Self {
        self.scale_grad_by_freq = true;
        self
    }

    /// The same layer with other initial vectors; that of the padding stays zero.
    ///
    /// # Errors
    /// If the scheme's options make no sense.
    #[track_caller]
    pub fn with_init(mut self, init: Init, rng: &mut Rng) -> Result<Self> {
        self.weight.set(&init.tensor(self.weight.shape(), rng)?.to_dtype(self.weight.dtype()))?;
        self.limit_rows();
        self.clear_padding()?;
        Ok(self)
    }

    /// The number of vectors.
    #[must_use]
    pub fn num_embeddings(&self) -> usize {
        self.weight.shape()[0]
    }

    /// The size of a vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.weight.shape()[1]
    }

    /// Shortens vectors that have become too long.
    fn limit_rows(&mut self) {
        if let (Some(max_norm), Some(param)) = (self.max_norm, self.weight.param_mut()) {
            param.limit_rows(self.norm_type, max_norm);
        }
    }

    #[track_caller]
    fn clear_padding(&mut self) -> Result<()> {
        if let Some(index) = self.padding_idx {
            let zero = Tensor::scalar(0.0).to_dtype(self.weight.dtype());
            let cleared = self.weight.value()?.detach().index_put(index as isize, &zero)?;
            self.weight.set(&cleared)?;
        }
        Ok(())
    }
}

impl Architecture for Embedding {
    const KIND: &'static str = "Embedding";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        self.weight.expect_plain("config")?;
        let sizes = LayerConfig::new().with("num_embeddings", self.num_embeddings()).with("dim", self.dim());
        let limits = sizes.with("max_norm", self.max_norm).with("norm_type", self.norm_type);
        Ok(limits.with("padding_idx", self.padding_idx).with("scale_grad_by_freq", self.scale_grad_by_freq))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, rng: &mut Rng) -> Result<Self> {
        let mut layer = Self::new(config.take("num_embeddings")?, config.take("dim")?, rng)?;
        // Earlier files have nothing where the norm is the largest element.
        layer = layer.norm_type(config.take::<Option<f64>>("norm_type")?.unwrap_or(f64::INFINITY))?;
        if let Some(max_norm) = config.take("max_norm")? {
            layer = layer.max_norm(max_norm)?;
        }
        if let Some(index) = config.take("padding_idx")? {
            layer = layer.padding_idx(index)?;
        }
        layer.scale_grad_by_freq = config.take("scale_grad_by_freq")?;
        config.done()?;
        Ok(layer)
    }

    fn min_parameters(config: &LayerConfig) -> usize {
        (config.size("num_embeddings") * config.size("dim")).get()
    }
}

impl Layer for Embedding {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        // Not a closure, in which the caller's line would be lost.
        let y = match self.weight.begin_pass(mode) {
            Ok(()) => self.weight.look_up(ids, &|table| look_up(ids, table, self.padding_idx, self.scale_grad_by_freq)),
            Err(e) => Err(e),
        };
        mode.here(y)
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedding({} → {}", self.num_embeddings(), self.dim())?;
        if let Some(index) = self.padding_idx {
            write!(f, ", padding {index}")?;
        }
        if let Some(max_norm) = self.max_norm {
            write!(f, ", {}-norms up to {max_norm}", self.norm_type)?;
        }
        f.write_str(if self.scale_grad_by_freq { ", gradients by frequency)" } else { ")" })
    }
}
