//! Layers of attention.
//!
//! | module | what |
//! |---|---|
//! | [`core`] | what they share: heads, positions, cache, scale and dropout |
//! | [`masks`] | what may be attended to |
//! | here | PyTorch's multi-head attention |
//! | [`grouped`] | self-attention with heads that share keys and values, and rotary positions |

mod core;
mod grouped;
mod masks;

pub use self::core::AttentionHeads;
pub(crate) use self::core::SharedByHeads;
pub use grouped::SelfAttention;
pub use masks::AttentionMasks;

use std::fmt;
use std::sync::Arc;

use crate::autograd::AttentionOptions;
use crate::error::{Error, Result};
use crate::layers::core::{Architecture, Init, Layer, LayerConfig, LayerExt, Mode, Param, Weight};
use crate::layers::kv_cache::KvCache;
use crate::layers::linear::Linear;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Attention with several heads (Vaswani et al., *Attention is all you need*, 2017): queries, keys and values are
/// projected, each head attends with its share of the features ([`Tensor::attention`]), and the joined results are projected
/// once more.
///
/// As a [`Layer`], every position attends to all positions of the same sequence. [`attend`](Self::attend) takes queries,
/// keys and values that differ, and masks; [`attend_cached`](Self::attend_cached) decodes position by position.
///
/// # Shapes
/// - queries: `[.., T, embed_dim]`, keys: `[.., S, key_dim]`, values: `[.., S, value_dim]`
/// - output: `[.., T, embed_dim]`
/// - `in_proj_weight`: `[3 · embed_dim, embed_dim]`; or, where keys and values have sizes of their own, `q_proj_weight`,
///   `k_proj_weight` and `v_proj_weight`: `[embed_dim, embed_dim | key_dim | value_dim]`
/// - `in_proj_bias`: `[3 · embed_dim]`, `bias_k` and `bias_v`: `[1, 1, embed_dim]`
///
/// Names, layout and initial values are those of PyTorch's `nn.MultiheadAttention` with `batch_first=True`. Its masks say
/// with `True` where **not** to attend; here, as in `F.scaled_dot_product_attention`, `true` says where to.
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let layer = MultiHeadAttention::new(32, 4, &mut rng)?;
/// let x = Tensor::normal([2, 10, 32], 0.0, 1.0, &mut rng)?;
/// assert_eq!(layer.predict(&x)?.shape(), [2, 10, 32]);
///
/// // Other keys and values, the last three of which are padding in the second sequence.
/// let memory = Tensor::normal([2, 7, 32], 0.0, 1.0, &mut rng)?;
/// let padding = Tensor::from_vec((0..14).map(|i| i >= 11).collect(), [2, 7])?;
/// let masks = AttentionMasks::new().key_padding(&padding);
/// let y = layer.attend(&x, &memory, &memory, &masks, &mut Mode::eval())?;
/// assert_eq!(y.shape(), [2, 10, 32]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct MultiHeadAttention {
    /// The projections of queries, keys and values, one below the other.
    pub in_proj_weight: Option<Weight>,
    /// The projection of the queries, where `in_proj_weight` is absent.
    pub q_proj_weight: Option<Weight>,
    /// The projection of the keys, where `in_proj_weight` is absent.
    pub k_proj_weight: Option<Weight>,
    /// The projection of the values, where `in_proj_weight` is absent.
    pub v_proj_weight: Option<Weight>,
    /// The biases of the three projections.
    pub in_proj_bias: Option<Param>,
    /// A key that is added to those of every sequence.
    pub bias_k: Option<Param>,
    /// The value that belongs to it.
    pub bias_v: Option<Param>,
    /// The projection of the joined heads.
    pub out_proj: Linear,
    embed_dim: usize,
    heads: AttentionHeads,
    zero_attention: bool,
}

crate::module!(
    MultiHeadAttention {
        in_proj_weight,
        q_proj_weight,
        k_proj_weight,
        v_proj_weight,
        in_proj_bias,
        bias_k,
        bias_v,
        out_proj
    },
    plain { embed_dim, heads, zero_attention }
);

const NAME: &str = "MultiHeadAttention";

impl MultiHeadAttention {
    /// A layer for `embed_dim` features, divided among `num_heads` heads, with biases and without dropout.
    ///
    /// # Errors
    /// If `embed_dim` is not a positive multiple of `num_heads`, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(embed_dim: usize, num_heads: usize, rng: &mut Rng) -> Result<Self> {
        if embed_dim == 0 || num_heads == 0 || !embed_dim.is_multiple_of(num_heads) {
            let message = format!("embed_dim {embed_dim} is not divisible by {num_heads} heads");
            return Err(Error::argument("MultiHeadAttention::new", message)
                .with_help("each head gets embed_dim / num_heads of the features"));
        }
        let Some(rows) = embed_dim.checked_mul(3) else {
            return Err(Error::argument("MultiHeadAttention::new", format!("embed_dim {embed_dim} is too large")));
        };
        let in_proj_weight = Some(Weight::new(Init::xavier_uniform().tensor(&[rows, embed_dim], rng)?)?);
        let in_proj_bias = Some(Param::new(Tensor::zeros([rows])?)?);
        let mut out_proj = Linear::new(embed_dim, embed_dim, rng)?;
        out_proj.bias = Some(Param::new(Tensor::zeros([embed_dim])?)?);
        Ok(Self {
            in_proj_weight,
            q_proj_weight: None,
            k_proj_weight: None,
            v_proj_weight: None,
            in_proj_bias,
            bias_k: None,
            bias_v: None,
            out_proj,
            embed_dim,
            heads: AttentionHeads::new(num_heads, embed_dim / num_heads)?,
            zero_attention: false,
        })
    }

    /// Keys and values with `key_dim` and `value_dim` features, and three weights instead of one. PyTorch's `kdim` and
    /// `vdim`.
    ///
    /// # Errors
    /// If a number is zero, or the weights do not fit into memory.
    #[track_caller]
    pub fn key_and_value_dims(mut self, key_dim: usize, value_dim: usize, rng: &mut Rng) -> Result<Self> {
        if key_dim == 0 || value_dim == 0 {
            let message = format!("keys with {key_dim} and values with {value_dim} features, expected at least 1 each");
            return Err(Error::argument(NAME, message));
        }
        let embed_dim = self.embed_dim;
        let mut weight = |inputs| Weight::new(Init::xavier_uniform().tensor(&[embed_dim, inputs], rng)?);
        self.q_proj_weight = Some(weight(embed_dim)?);
        self.k_proj_weight = Some(weight(key_dim)?);
        self.v_proj_weight = Some(weight(value_dim)?);
        self.in_proj_weight = None;
        Ok(self)
    }

    /// Sets attention weights to zero with probability `p` while training.
    ///
    /// # Errors
    /// If `p` is not a probability.
    #[track_caller]
    pub fn dropout(mut self, p: f64) -> Result<Self> {
        self.heads = self.heads.with_dropout(NAME, p)?;
        Ok(self)
    }

    /// No biases in the four projections.
    #[must_use]
    pub fn without_bias(mut self) -> Self {
        self.in_proj_bias = None;
        self.out_proj = self.out_proj.without_bias();
        self
    }

    /// A learned key and value in addition to those of every sequence, `bias_k` and `bias_v`. PyTorch's `add_bias_kv`.
    ///
    /// # Errors
    /// If they do not fit into memory.
    #[track_caller]
    pub fn bias_kv(mut self, rng: &mut Rng) -> Result<Self> {
        let mut bias = || Param::new(Init::xavier_normal().tensor(&[1, 1, self.embed_dim], rng)?);
        (self.bias_k, self.bias_v) = (Some(bias()?), Some(bias()?));
        Ok(self)
    }

    /// A key and a value of zeros in addition to those of every sequence, so that a query may attend to nothing.
    /// PyTorch's `add_zero_attn`.
    #[must_use]
    pub fn zero_attention(mut self) -> Self {
        self.zero_attention = true;
        self
    }

    /// The number of features.
    #[must_use]
    pub fn embed_dim(&self) -> usize {
        self.embed_dim
    }

    /// The number of heads.
    #[must_use]
    pub fn num_heads(&self) -> usize {
        self.heads.num_heads()
    }

    /// Lets `query` attend to `key` and `value`. Give the same tensor three times for self-attention, which then takes
    /// one product instead of three.
    ///
    /// # Errors
    /// If shapes or types do not fit.
    #[track_caller]
    pub fn attend(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let [q, k, v] = self.project(query, key, value, mode)?;
        self.attended(&q, k, v, masks, mode)
    }

    /// [`attend`](Self::attend) that also returns the attention weights, `[.., T, S]` averaged over the heads, or
    /// `[.., heads, T, S]`. They are kept in memory as a whole.
    ///
    /// # Errors
    /// As for [`attend`](Self::attend).
    #[track_caller]
    pub fn attend_with_weights(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        masks: &AttentionMasks,
        average: bool,
        mode: &mut Mode<'_>,
    ) -> Result<(Tensor, Tensor)> {
        let [q, k, v] = self.project(query, key, value, mode)?;
        let (k, v, options) = self.prepare(&q, k, v, masks, mode)?;
        let (y, weights) = q.attention_with_weights(&k, &v, &options)?;
        let weights = if average { weights.mean_dims(&[-3], false)? } else { weights };
        Ok((self.join(&y, mode)?, weights))
    }

    /// An empty cache for [`attend_cached`](Self::attend_cached).
    ///
    /// # Errors
    /// If it does not fit into memory.
    #[track_caller]
    pub fn cache(&self, batch: usize, capacity: usize) -> Result<KvCache> {
        self.heads.cache(batch, capacity, self.out_proj.weight.dtype())
    }

    /// Self-attention of the positions `x`, `[batch, T, embed_dim]`, which follow those in `cache`: they are added to it,
    /// and attend to all that it then holds. With [`AttentionMasks::causal`] that gives what
    /// [`attend`](Self::attend) gives for the whole sequence.
    ///
    /// # Errors
    /// If shapes or types do not fit, the cache is full, or gradients are being recorded.
    #[track_caller]
    pub fn attend_cached(
        &self,
        x: &Tensor,
        cache: &mut KvCache,
        masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let [q, k, v] = self.project(x, x, x, mode)?;
        cache.append(&k, &v)?;
        self.attended(&q, cache.keys(), cache.values(), masks, mode)
    }

    /// The projected keys and values of a memory that does not grow, `[batch, S, …]`, for
    /// [`attend_memory`](Self::attend_memory).
    ///
    /// # Errors
    /// As for [`attend_cached`](Self::attend_cached).
    #[track_caller]
    pub fn memory(&self, key: &Tensor, value: &Tensor) -> Result<KvCache> {
        let (k, v) = self.project_keys_and_values(key, value, &mut Mode::eval())?;
        KvCache::full(&k, &v)
    }

    /// Lets `query` attend to what [`memory`](Self::memory) returned.
    ///
    /// # Errors
    /// If shapes or types do not fit.
    #[track_caller]
    pub fn attend_memory(
        &self,
        query: &Tensor,
        memory: &KvCache,
        masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let q = self.projected(0, query, "the queries", mode)?;
        self.attended(&q, memory.keys(), memory.values(), masks, mode)
    }

    /// Queries, keys and values of all heads.
    #[track_caller]
    fn project(&self, query: &Tensor, key: &Tensor, value: &Tensor, mode: &mut Mode<'_>) -> Result<[Tensor; 3]> {
        if let Some(weight) = self.in_proj_weight.as_ref().filter(|_| same(query, key) && same(key, value)) {
            self.check(query, self.embed_dim, "the queries")?;
            weight.begin_pass(mode)?;
            let all = weight.linear(query, self.in_proj_bias.as_deref(), mode)?;
            let part = |i: usize| self.heads.split(&all.narrow(-1, i * self.embed_dim, self.embed_dim)?);
            return Ok([part(0)?, part(1)?, part(2)?]);
        }
        let q = self.projected(0, query, "the queries", mode)?;
        let (k, v) = self.project_keys_and_values(key, value, mode)?;
        Ok([q, k, v])
    }

    #[track_caller]
    fn project_keys_and_values(&self, key: &Tensor, value: &Tensor, mode: &mut Mode<'_>) -> Result<(Tensor, Tensor)> {
        Ok((self.projected(1, key, "the keys", mode)?, self.projected(2, value, "the values", mode)?))
    }

    /// One of the three projections.
    #[track_caller]
    fn projected(&self, i: usize, x: &Tensor, what: &str, mode: &mut Mode<'_>) -> Result<Tensor> {
        let range = [i * self.embed_dim, self.embed_dim];
        let bias = self.in_proj_bias.as_ref().map(|all| all.narrow(0, range[0], range[1])).transpose()?;
        let own = [&self.q_proj_weight, &self.k_proj_weight, &self.v_proj_weight][i];
        let Some(weight) = own.as_ref().or(self.in_proj_weight.as_ref()) else {
            return Err(Error::state(NAME, "the layer has neither in_proj_weight nor three weights"));
        };
        self.check(x, weight.features()?[1], what)?;
        // Once for each weight.
        if own.is_some() || i == 0 {
            weight.begin_pass(mode)?;
        }
        let y = match own {
            Some(own) => own.linear(x, bias.as_ref(), mode)?,
            None => weight.linear_part(x, bias.as_ref(), range, mode)?,
        };
        self.heads.split(&y)
    }

    #[track_caller]
    fn check(&self, x: &Tensor, features: usize, what: &str) -> Result<()> {
        if x.rank() < 2 || x.shape()[x.rank() - 1] != features {
            let message = format!("{what} are {:?}, expected [.., positions, {features}]", x.shape());
            return Err(Error::shape(NAME, message));
        }
        Ok(())
    }

    /// `[.., heads, T, head_dim]` as `[.., T, embed_dim]`, projected.
    #[track_caller]
    fn join(&self, y: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.out_proj.at("out_proj", &self.heads.join(y)?, mode)
    }

    #[track_caller]
    fn attended(
        &self,
        q: &Tensor,
        k: Tensor,
        v: Tensor,
        masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let (k, v, options) = self.prepare(q, k, v, masks, mode)?;
        self.join(&mode.attention([q, &k, &v], &options)?, mode)
    }

    /// Adds the keys and values that every sequence has, and turns the masks into options.
    #[track_caller]
    fn prepare(
        &self,
        q: &Tensor,
        mut k: Tensor,
        mut v: Tensor,
        masks: &AttentionMasks,
        mode: &mut Mode<'_>,
    ) -> Result<(Tensor, Tensor, AttentionOptions)> {
        let own = k.shape()[k.rank() - 2];
        let mut one = k.shape().to_vec();
        let n = one.len();
        one[n - 2] = 1;
        if let (Some(bias_k), Some(bias_v)) = (&self.bias_k, &self.bias_v) {
            let add = |x: &Tensor, bias: &Tensor| {
                let bias = self.heads.split(&bias.reshape([1, self.embed_dim])?)?.broadcast_to(&one)?;
                Tensor::cat(&[x, &bias], -2)
            };
            (k, v) = (add(&k, bias_k)?, add(&v, bias_v)?);
        }
        if self.zero_attention {
            let zeros = Tensor::full_dtype(&one, 0.0, k.dtype())?;
            (k, v) = (Tensor::cat(&[&k, &zeros], -2)?, Tensor::cat(&[&v, &zeros], -2)?);
        }
        let added = k.shape()[n - 2] - own;
        let options = self.heads.options(masks.options(NAME, q, own, added)?, mode);
        Ok((k, v, options))
    }
}

/// Whether two tensors are one and the same, also for gradients.
fn same(a: &Tensor, b: &Tensor) -> bool {
    let same_node = match (a.node(), b.node()) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        (_, _) => false,
    };
    std::ptr::eq(a, b) || a.shares_storage(b) && a.layout() == b.layout() && same_node
}

impl Architecture for MultiHeadAttention {
    const KIND: &'static str = "MultiHeadAttention";
    type Config = LayerConfig;

    #[track_caller]
    fn config(&self) -> Result<LayerConfig> {
        self.out_proj.weight.expect_plain("config")?;
        let inputs = |weight: &Option<Weight>| weight.as_ref().map(|weight| weight.shape()[1]);
        let config = LayerConfig::new().with("embed_dim", self.embed_dim).with("num_heads", self.num_heads());
        let config = config.with("key_dim", inputs(&self.k_proj_weight)).with("value_dim", inputs(&self.v_proj_weight));
        let config = config.with("in_proj_bias", self.in_proj_bias.is_some()).with("bias_kv", self.bias_k.is_some());
        let config = config.with("out_proj_bias", self.out_proj.bias.is_some());
        Ok(config.with("dropout", self.heads.dropout_probability()).with("zero_attention", self.zero_attention))
    }

    #[track_caller]
    fn from_config(mut config: LayerConfig, rng: &mut Rng) -> Result<Self> {
        let mut layer = Self::new(config.take("embed_dim")?, config.take("num_heads")?, rng)?;
        layer = layer.dropout(config.take("dropout")?)?;
        if let (Some(keys), Some(values)) = (config.take("key_dim")?, config.take("value_dim")?) {
            layer = layer.key_and_value_dims(keys, values, rng)?;
        }
        if config.take("bias_kv")? {
            layer = layer.bias_kv(rng)?;
        }
        let (in_proj, out_proj) = (config.take::<bool>("in_proj_bias")?, config.take::<bool>("out_proj_bias")?);
        layer.in_proj_bias = layer.in_proj_bias.filter(|_| in_proj);
        layer.out_proj.bias = layer.out_proj.bias.filter(|_| out_proj);
        layer.zero_attention = config.take("zero_attention")?;
        config.done()?;
        Ok(layer)
    }

    fn min_parameters(config: &LayerConfig) -> usize {
        (config.size("embed_dim") * config.size("embed_dim") * 2).get()
    }
}

impl Layer for MultiHeadAttention {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.attend(x, x, x, &AttentionMasks::new(), mode);
        mode.here(y)
    }
}

impl fmt::Debug for MultiHeadAttention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MultiHeadAttention({}, {:?}", self.embed_dim, self.heads)?;
        f.write_str(if self.in_proj_bias.is_some() { ")" } else { ", no bias)" })
    }
}
