//! What layers of attention share, once queries, keys and values are projected.

use std::fmt;
use std::sync::Arc;

use crate::autograd::AttentionOptions;
use crate::error::{Error, Result};
use crate::layers::registry::part;
use crate::layers::{Architecture, KvCache, LayerConfig, Mode, RotaryPositions};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

const NAME: &str = "AttentionHeads";

/// The heads of an attention layer: how features are divided among them, how many share keys and values, the positions that
/// are part of queries and keys, the cache, the scale of the scores and the dropout of weights. It has no parameters.
///
/// [`MultiHeadAttention`](super::MultiHeadAttention), [`SelfAttention`](super::SelfAttention) and [`Gpt`](crate::models::Gpt) are
/// projections around it, and so is a layer of your own:
///
/// ```
/// use demotic::layers::{AttentionHeads, Linear, Mode, RotaryPositions};
/// use demotic::prelude::*;
/// use demotic::AttentionOptions;
///
/// let mut rng = Rng::seed(0);
/// // Four heads of eight features, every two of which share keys and values.
/// let heads = AttentionHeads::new(4, 8)?.kv_heads(2)?.rotary(RotaryPositions::new(100, 8)?)?;
/// let project = Linear::new(16, heads.query_features() + 2 * heads.key_features(), &mut rng)?;
///
/// let x = Tensor::normal([3, 10, 16], 0.0, 1.0, &mut rng)?;
/// let parts = project.predict(&x)?.split_sizes(&[32, 16, 16], -1)?;
/// let y = heads.attend([&parts[0], &parts[1], &parts[2]], None, AttentionOptions::new().causal(), &mut Mode::eval())?;
/// assert_eq!(y.shape(), [3, 10, 32]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct AttentionHeads {
    num_heads: usize,
    kv_heads: usize,
    head_dim: usize,
    scale: Option<f64>,
    dropout: f64,
    rotary: Option<RotaryPositions>,
    part: Option<HeadsPart>,
}

/// Of heads that are some of those of a layer, which others have the rest of.
#[derive(Clone)]
struct HeadsPart {
    /// The number of the first of them.
    first: usize,
    /// All heads, and all of keys and values.
    all: [usize; 2],
    /// Through what parameters go that all heads share, so that their gradients are those of all heads.
    shared: SharedByHeads,
}

/// See [`AttentionHeads::part`].
pub(crate) type SharedByHeads = Arc<dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync>;

impl AttentionHeads {
    /// What files say of them.
    #[track_caller]
    pub(super) fn described(&self) -> Result<LayerConfig> {
        let sizes = LayerConfig::new().with("num_heads", self.num_heads).with("kv_heads", self.kv_heads);
        let sizes = sizes.with("head_dim", self.head_dim).with("scale", self.scale).with("dropout", self.dropout);
        Ok(sizes.with("rotary", part(self.rotary.as_ref())?))
    }

    pub(super) fn dropout_probability(&self) -> f64 {
        self.dropout
    }

    #[track_caller]
    pub(super) fn from_described(mut config: LayerConfig, rng: &mut Rng) -> Result<Self> {
        let mut heads = Self::new(config.take("num_heads")?, config.take("head_dim")?)?;
        heads = heads.kv_heads(config.take("kv_heads")?)?.dropout(config.take("dropout")?)?;
        if let Some(scale) = config.take("scale")? {
            heads = heads.scale(scale)?;
        }
        if let Some(rotary) = config.take("rotary")? {
            heads = heads.rotary(RotaryPositions::from_config(rotary, rng)?)?;
        }
        config.done()?;
        Ok(heads)
    }
}

impl AttentionHeads {
    /// Heads of `head_dim` features, each with keys and values of its own.
    ///
    /// # Errors
    /// If a number is zero, or the features of all heads are too many to count.
    #[track_caller]
    pub fn new(num_heads: usize, head_dim: usize) -> Result<Self> {
        // Room for the features of all heads three times: joined projections are as wide.
        let features = num_heads.checked_mul(head_dim).and_then(|features| features.checked_mul(3));
        if features.is_none_or(|features| features == 0) {
            let message = format!("{num_heads} heads of {head_dim} features, expected at least 1 of each");
            return Err(Error::argument(NAME, message));
        }
        Ok(Self { num_heads, kv_heads: num_heads, head_dim, scale: None, dropout: 0.0, rotary: None, part: None })
    }

    /// Only so many heads of keys and values, each shared by neighbours (grouped-query attention, Ainslie et al., 2023; with
    /// one, multi-query attention, Shazeer, 2019).
    ///
    /// # Errors
    /// If the number of heads is not a multiple of it.
    #[track_caller]
    pub fn kv_heads(mut self, kv_heads: usize) -> Result<Self> {
        if kv_heads == 0 || !self.num_heads.is_multiple_of(kv_heads) {
            let message = format!("{} heads are no multiple of {kv_heads} heads of keys and values", self.num_heads);
            return Err(Error::argument(NAME, message));
        }
        self.kv_heads = kv_heads;
        Ok(self)
    }

    /// What the products of queries and keys are multiplied by, instead of `1/√head_dim`.
    ///
    /// # Errors
    /// If it is not finite.
    #[track_caller]
    pub fn scale(mut self, scale: f64) -> Result<Self> {
        if !scale.is_finite() {
            return Err(Error::argument(NAME, format!("the scale is {scale}, expected a finite number")));
        }
        self.scale = Some(scale);
        Ok(self)
    }

    /// Sets attention weights to zero with probability `p` while training.
    ///
    /// # Errors
    /// If `p` is not a probability.
    #[track_caller]
    pub fn dropout(self, p: f64) -> Result<Self> {
        self.with_dropout(NAME, p)
    }

    /// The same for a layer of this name.
    #[track_caller]
    pub(super) fn with_dropout(mut self, name: &'static str, p: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument(name, format!("p is {p}, expected a probability from 0 to 1")));
        }
        self.dropout = p;
        Ok(self)
    }

    /// Turns queries and keys by their positions. Those that follow a cache are counted on from it.
    ///
    /// # Errors
    /// If the positions are for heads of another size.
    #[track_caller]
    pub fn rotary(mut self, positions: RotaryPositions) -> Result<Self> {
        if positions.head_dim() != self.head_dim {
            let message = format!("{positions:?} for heads of {} features", self.head_dim);
            return Err(Error::argument(NAME, message));
        }
        self.rotary = Some(positions);
        Ok(self)
    }

    /// The heads of one of `size` parts of these. Parameters that all heads share are to be taken [through](Self::shared) a function
    /// that adds up their gradients.
    #[track_caller]
    pub(crate) fn part(&self, op: &'static str, rank: usize, size: usize, shared: SharedByHeads) -> Result<Self> {
        let all = [self.num_heads, self.kv_heads];
        for (heads, what) in all.into_iter().zip(["", " of keys and values"]) {
            if size == 0 || !heads.is_multiple_of(size) {
                let message = format!("{heads} heads{what} cannot be divided among {size} ranks");
                return Err(Error::argument(op, message).with_help("take a number of ranks that divides both"));
            }
        }
        let [num_heads, kv_heads] = all.map(|heads| heads / size.max(1));
        Ok(Self { num_heads, kv_heads, part: Some(HeadsPart { first: rank * num_heads, all, shared }), ..self.clone() })
    }

    /// Whether these are a part of those of a layer.
    pub(crate) fn is_part(&self) -> bool {
        self.part.is_some()
    }

    /// All heads of the layer that these are a part of.
    pub(crate) fn whole(&self) -> Self {
        let [num_heads, kv_heads] = self.part.as_ref().map_or([self.num_heads, self.kv_heads], |part| part.all);
        Self { num_heads, kv_heads, part: None, ..self.clone() }
    }

    /// A parameter that all heads share.
    #[track_caller]
    pub(crate) fn shared(&self, parameter: &Tensor) -> Result<Tensor> {
        match &self.part {
            Some(part) => (part.shared)(parameter),
            None => Ok(parameter.clone()),
        }
    }

    /// The number of heads.
    #[must_use]
    pub fn num_heads(&self) -> usize {
        self.num_heads
    }

    /// The number of heads of keys and values.
    #[must_use]
    pub fn num_kv_heads(&self) -> usize {
        self.kv_heads
    }

    /// The number of features of a head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// The number of features of the queries of all heads, which is also that of the result.
    #[must_use]
    pub fn query_features(&self) -> usize {
        self.num_heads * self.head_dim
    }

    /// The number of features of the keys of all heads, and of the values.
    #[must_use]
    pub fn key_features(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// An empty cache for so many positions of each sequence of a batch.
    ///
    /// # Errors
    /// If it does not fit into memory.
    #[track_caller]
    pub fn cache(&self, batch: usize, capacity: usize, dtype: DType) -> Result<KvCache> {
        KvCache::new(batch, self.kv_heads, capacity, self.head_dim, dtype)
    }

    /// Lets queries `[.., T, query_features]` attend to keys and values `[.., S, key_features]`, as projections give them.
    /// The result is `[.., T, query_features]`.
    ///
    /// With a cache, the keys and values are added to it, and those that it then holds are attended to. Masks are about all
    /// of them; `options` are those of [`Tensor::attention`], to which the scale and the dropout of the layer are added.
    ///
    /// # Errors
    /// If shapes or types do not fit, the cache is full or records gradients, or there are no positions for as many steps.
    #[track_caller]
    pub fn attend(
        &self,
        [queries, keys, values]: [&Tensor; 3],
        cache: Option<&mut KvCache>,
        options: AttentionOptions,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let (mut q, mut k, mut v) = (self.split(queries)?, self.split(keys)?, self.split(values)?);
        if let Some(rotary) = &self.rotary {
            let before = cache.as_ref().map_or(0, |cache| cache.len());
            (q, k) = (rotary.forward_at(&q, before)?, rotary.forward_at(&k, before)?);
        }
        if let Some(cache) = cache {
            cache.append(&k, &v)?;
            (k, v) = (cache.keys(), cache.values());
        }
        let options = self.options(options, mode);
        self.join(&mode.attention([&q, &k, &v], &options)?)
    }

    /// `[.., T, n · head_dim]` as `[.., n, T, head_dim]`: a view.
    #[track_caller]
    pub(crate) fn split(&self, x: &Tensor) -> Result<Tensor> {
        let features = x.shape().last().copied().unwrap_or(0);
        if x.rank() < 2 || !features.is_multiple_of(self.head_dim) {
            let message = format!("{:?} has no heads of {} features", x.shape(), self.head_dim);
            return Err(Error::shape(NAME, message));
        }
        x.unflatten(-1, [features / self.head_dim, self.head_dim])?.transpose(-3, -2)
    }

    /// `[.., heads, T, head_dim]` as `[.., T, heads · head_dim]`.
    #[track_caller]
    pub(crate) fn join(&self, y: &Tensor) -> Result<Tensor> {
        y.transpose(-3, -2)?.flatten(-2, -1)
    }

    /// The options with what belongs to the layer.
    pub(crate) fn options(&self, options: AttentionOptions, mode: &mut Mode<'_>) -> AttentionOptions {
        let options = match self.scale {
            Some(scale) => options.scale(scale),
            None => options,
        };
        let Some(rng) = mode.rng() else { return options };
        let options = options.dropout(self.dropout, rng);
        match &self.part {
            Some(part) => options.part_of_heads([part.first, part.all[0]]),
            None => options,
        }
    }
}

impl fmt::Debug for AttentionHeads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} heads", self.num_heads)?;
        if self.kv_heads != self.num_heads {
            write!(f, ", {} of keys and values", self.kv_heads)?;
        }
        if let Some(part) = &self.part {
            write!(f, ", of {} from {} on", part.all[0], part.first)?;
        }
        if let Some(rotary) = &self.rotary {
            write!(f, ", {rotary:?}")?;
        }
        if self.dropout > 0.0 {
            write!(f, ", dropout {}", self.dropout)?;
        }
        Ok(())
    }
}
