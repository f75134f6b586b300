//! Scaled dot-product attention.

use crate::autograd::function::{Function, Saved, SecondOrder, apply};
use crate::autograd::node::is_recorded;
use crate::autograd::{ExampleSink, Sink};
use crate::error::{Error, Result, bug};
use crate::rng::Rng;
use crate::tensor::create::check_shape;
use crate::tensor::exec::fused::{self, Attention, AttentionDropout, AttentionSizes as Sizes};
use crate::tensor::layout::{Dims, expand_strides};
use crate::tensor::{DType, Tensor};

/// # Attention
///
/// ```
/// use demotic::{AttentionOptions, Tensor};
///
/// let x = Tensor::ones([2, 3, 8])?;
/// let (y, weights) = x.attention_with_weights(&x, &x, &AttentionOptions::new().causal())?;
/// assert_eq!((y.shape(), weights.shape()), (&[2, 3, 8][..], &[2, 3, 3][..]));
/// assert_eq!(weights.select(0, 0)?.select(0, 1)?.to_f64_vec(), [0.5, 0.5, 0.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Scaled dot-product attention (Vaswani et al., *Attention is all you need*, 2017): `softmax(scale · q·kᵀ + mask) · v`,
    /// where `self` are the queries.
    ///
    /// The scores of all queries with all keys are never in memory at once, neither here nor in the gradient: beyond the
    /// result, one number for each query and head is kept. Queries, keys and values may be views, as they are when heads
    /// were split off a `[batch, T, 3·C]` tensor: nothing is copied as long as the elements of a head lie next to each
    /// other. The result lies in memory as `[.., T, heads, dv]`, so that joining the heads again copies nothing either.
    ///
    /// # Shapes
    /// - queries: `[.., heads, T, d]`, keys: `[.., kv_heads, S, d]`, values: `[.., kv_heads, S, dv]`, with the same leading
    ///   dimensions; or without heads, `[T, d]`, `[S, d]` and `[S, dv]`
    /// - result: `[.., heads, T, dv]`
    ///
    /// `heads` is a multiple of `kv_heads`; with fewer of these, neighbouring heads share keys and values (grouped-query
    /// attention, Ainslie et al., 2023).
    ///
    /// A query that may attend to no key at all gives 0, and has a gradient of 0.
    ///
    /// Types of 16 bits are computed in `F32` and rounded back.
    ///
    /// Gradients: with the weights `p`, `pᵀ·g` for the values, and from `s = p ∘ (g·vᵀ − Σ g ∘ y)`, `scale · s·k` for the
    /// queries, `scale · sᵀ·q` for the keys and `s` for an additive mask. A mask that needs a gradient, and gradients of
    /// gradients, take a form that keeps the weights, `T × S` of them for each head.
    ///
    /// # Errors
    /// If shapes or types do not fit, or an option makes no sense.
    ///
    /// ```
    /// use demotic::{AttentionOptions, Rng, Tensor};
    ///
    /// let mut rng = Rng::seed(0);
    /// // A batch of 2, 4 heads of size 8; 5 queries, keys and values.
    /// let [q, k, v] = [(); 3].map(|_| Tensor::normal([2, 4, 5, 8], 0.0, 1.0, &mut rng));
    /// let (q, k, v) = (q?, k?, v?);
    /// let y = q.attention(&k, &v, &AttentionOptions::new().causal())?;
    /// assert_eq!(y.shape(), [2, 4, 5, 8]);
    ///
    /// // The first query sees only the first key.
    /// let (first, value) = (y.narrow(2, 0, 1)?, v.narrow(2, 0, 1)?);
    /// assert_eq!(first.to_vec::<f32>()?, value.to_vec::<f32>()?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "scaled_dot_product_attention")]
    #[track_caller]
    pub fn attention(&self, keys: &Tensor, values: &Tensor, options: &AttentionOptions) -> Result<Tensor> {
        let (sizes, scale) = check([self, keys, values], options)?;
        let mask = options.mask.as_ref();
        if options.softcap.is_some() || mask.is_some_and(|mask| is_recorded(&[mask])) {
            return Ok(composite(options, &sizes, scale, [self, keys, values], mask)?.0);
        }
        apply(Fused { options: options.clone(), sizes, scale, log_sums: None }, &[self, keys, values])
    }

    /// [`attention`](Self::attention) that also returns the weights, `[.., heads, T, S]`, after dropout. They are kept
    /// for the gradient.
    ///
    /// # Errors
    /// As for [`attention`](Self::attention).
    #[track_caller]
    pub fn attention_with_weights(
        &self,
        keys: &Tensor,
        values: &Tensor,
        options: &AttentionOptions,
    ) -> Result<(Tensor, Tensor)> {
        let (sizes, scale) = check([self, keys, values], options)?;
        composite(options, &sizes, scale, [self, keys, values], options.mask.as_ref())
    }
}

/// Options of [`Tensor::attention`].
///
/// ```
/// use demotic::{AttentionOptions, Rng};
///
/// let options = AttentionOptions::new().causal().scale(0.125).dropout(0.1, &mut Rng::seed(0));
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct AttentionOptions {
    causal: bool,
    mask: Option<Tensor>,
    scale: Option<f64>,
    softcap: Option<f64>,
    dropout: Option<AttentionDropout>,
}

impl AttentionOptions {
    /// Every query attends to all keys, with the scale `1/√d` and without dropout.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No query sees a later key. The last query sees the last key: of `T` queries and `S` keys, query `i` sees the keys
    /// up to number `i + S − T`, as is needed where earlier keys come from a cache (`KvCache`).
    ///
    /// For `T = S` this is PyTorch's `is_causal`. For `T ≠ S` PyTorch lets the **first** query see only the first key
    /// (`causal_upper_left`); this is its `causal_lower_right`.
    #[must_use]
    pub fn causal(mut self) -> Self {
        self.causal = true;
        self
    }

    /// Which keys each query may attend to: a `Bool` tensor, `true` where it may; or a tensor of the type of the queries
    /// that is added to the scaled scores, −∞ where it may not. It broadcasts to `[.., heads, T, S]`. Can be combined
    /// with [`causal`](Self::causal).
    #[must_use]
    pub fn mask(mut self, mask: &Tensor) -> Self {
        self.mask = Some(mask.clone());
        self
    }

    /// What the products of queries and keys are multiplied by, instead of `1/√d`.
    #[must_use]
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = Some(scale);
        self
    }

    /// Scaled scores stay between `−cap` and `cap`: `cap · tanh(score / cap)`, before masks (Gemma 2). It takes a form that keeps
    /// the weights, `T × S` of them for each head.
    #[must_use]
    #[doc(alias = "logit_softcapping")]
    pub fn softcap(mut self, cap: f64) -> Self {
        self.softcap = Some(cap);
        self
    }

    /// Sets each weight to zero with probability `p` and divides the others by `1 − p`.
    ///
    /// The generator gives one seed, and the choice is a function of it and of the weight's place, so that it takes no
    /// memory. Options that are used twice therefore drop the same weights twice.
    #[must_use]
    pub fn dropout(mut self, p: f64, rng: &mut Rng) -> Self {
        self.dropout = (p != 0.0).then(|| AttentionDropout { p, seed: rng.next_u64(), part: None });
        self
    }

    /// For heads that are some of `all` heads, from number `first` on: dropout then takes what it would take among all of them.
    pub(crate) fn part_of_heads(mut self, part: [usize; 2]) -> Self {
        self.dropout = self.dropout.map(|dropout| AttentionDropout { part: Some(part), ..dropout });
        self
    }
}

/// Checks that everything fits, and finds the sizes and the scale.
#[track_caller]
fn check([q, k, v]: [&Tensor; 3], options: &AttentionOptions) -> Result<(Sizes, f64)> {
    let name = "attention";
    q.expect_any_float(name, "the queries")?;
    k.expect_dtype(name, "the keys", q.dtype())?;
    v.expect_dtype(name, "the values", q.dtype())?;
    let shapes = || format!("queries {:?}, keys {:?}, values {:?}", q.shape(), k.shape(), v.shape());
    let rank = q.rank();
    if rank < 2 || k.rank() != rank || v.rank() != rank {
        return Err(Error::shape(name, format!("{}, expected as many dimensions, at least 2", shapes()))
            .with_help("the last three are heads, positions and features: [.., heads, T, d]"));
    }
    let lead = Dims::collect(q.shape()[..rank.saturating_sub(3)].iter().copied());
    let heads_of = |x: &Tensor| if rank > 2 { x.shape()[rank - 3] } else { 1 };
    let (heads, kv_heads) = (heads_of(q), heads_of(k));
    if [k, v].iter().any(|x| x.shape()[..lead.len()] != *lead) {
        return Err(Error::shape(name, format!("{}: the leading dimensions differ", shapes())));
    }
    if k.shape()[..rank - 1] != v.shape()[..rank - 1] {
        return Err(Error::shape(name, format!("{}: there is not one value for each key", shapes())));
    }
    let (width, value_width) = (q.shape()[rank - 1], v.shape()[rank - 1]);
    if k.shape()[rank - 1] != width {
        let own = k.shape()[rank - 1];
        return Err(Error::shape(name, format!("{}: sizes of queries and keys differ ({width} ≠ {own})", shapes())));
    }
    if width == 0 {
        return Err(Error::shape(name, format!("{}: queries and keys of size 0", shapes())));
    }
    if kv_heads == 0 && heads > 0 || kv_heads > 0 && !heads.is_multiple_of(kv_heads) {
        let message = format!("{}: {heads} heads are no multiple of {kv_heads} heads of keys and values", shapes());
        return Err(Error::shape(name, message));
    }
    let (queries, keys) = (q.shape()[rank - 2], k.shape()[rank - 2]);
    if let Some(AttentionDropout { p, .. }) = options.dropout.filter(|dropout| !(0.0..=1.0).contains(&dropout.p)) {
        return Err(Error::argument(name, format!("p is {p}, expected a probability from 0 to 1")));
    }
    let scale = options.scale.unwrap_or_else(|| 1.0 / (width as f64).sqrt());
    if !scale.is_finite() {
        return Err(Error::argument(name, format!("the scale is {scale}, expected a finite number")));
    }
    if let Some(cap) = options.softcap.filter(|cap| !(cap.is_finite() && *cap > 0.0)) {
        return Err(Error::argument(name, format!("the scores are to stay below {cap}, expected a positive number")));
    }
    let has_heads = rank > 2;
    let dtype = q.dtype();
    let sizes = Sizes { lead, has_heads, heads, kv_heads, queries, keys, width, value_width, dtype };
    if let Some(mask) = &options.mask {
        check_mask(&sizes, mask)?;
    }
    Ok((sizes, scale))
}

#[track_caller]
fn check_mask(sizes: &Sizes, mask: &Tensor) -> Result<()> {
    if mask.dtype() != DType::Bool && mask.dtype() != sizes.dtype {
        let message = format!("a mask of type {} for queries of type {}", mask.dtype(), sizes.dtype);
        return Err(Error::dtype("attention", message).with_help(
            "masks are Bool, true where a query may attend, or are added to the scores and have their type",
        ));
    }
    let shape = sizes.score_shape();
    if expand_strides(mask.layout(), &shape).is_none() {
        let message = format!("a mask of shape {:?} does not broadcast to {shape:?}", mask.shape());
        return Err(Error::shape("attention", message)
            .with_help("a mask of padded keys [batch, S] has to be reshaped to [batch, 1, 1, S]"));
    }
    Ok(())
}

struct Fused {
    options: AttentionOptions,
    sizes: Sizes,
    scale: f64,
    /// The logarithm of the sum of exponentials of each query, kept by the forward pass.
    log_sums: Option<Tensor>,
}

impl Fused {
    fn settings(&self) -> Attention<'_> {
        let AttentionOptions { causal, ref mask, dropout, .. } = self.options;
        Attention { sizes: &self.sizes, mask: mask.as_ref(), scale: self.scale, causal, dropout }
    }
}

impl Function for Fused {
    fn name(&self) -> &'static str {
        "attention"
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let (out, log_sums) = fused::attention(&self.settings(), [inputs[0], inputs[1], inputs[2]])?;
        self.log_sums = Some(log_sums);
        Ok(out)
    }

    fn keeps_output(&self) -> bool {
        true
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let Some(log_sums) = &self.log_sums else {
            return Err(bug!("attention", "a gradient without a forward pass"));
        };
        let inputs = [0, 1, 2].map(|i| &saved.inputs()[i]);
        let wanted = [0, 1, 2].map(|i| sink.wants(i));
        let grads = fused::attention_backward(&self.settings(), inputs, [saved.output()?, log_sums, grad], wanted)?;
        for (i, grad) in grads.into_iter().enumerate() {
            if let Some(grad) = grad {
                sink.give(i, grad)?;
            }
        }
        Ok(())
    }

    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        // The first dimension is that of batches or, without one, of heads.
        sink.run_apart(self, saved, grad, 3)
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let operands = [&inputs[0], &inputs[1], &inputs[2]];
        Ok(composite(&self.options, &self.sizes, self.scale, operands, self.options.mask.as_ref())?.0)
    }
}

/// The same made of differentiable operations, and the weights.
#[track_caller]
fn composite(
    options: &AttentionOptions,
    sizes: &Sizes,
    scale: f64,
    [q, k, v]: [&Tensor; 3],
    mask: Option<&Tensor>,
) -> Result<(Tensor, Tensor)> {
    let shape = sizes.score_shape();
    check_shape("attention", &shape, sizes.dtype)?;
    let [q, k, v] = [q, k, v].map(Tensor::for_gradient);
    let mask = mask.map(Tensor::for_gradient);
    let group = sizes.heads.checked_div(sizes.kv_heads).unwrap_or(1);
    let spread = |x: &Tensor| if group > 1 { x.repeat_interleave(group, -3) } else { Ok(x.clone()) };
    let mut scores = q.matmul(&spread(&k)?.t())?.mul_scalar(scale);
    if let Some(cap) = options.softcap {
        scores = scores.mul_scalar(1.0 / cap).tanh().mul_scalar(cap);
    }
    // Which scores count, as far as that is restricted.
    let mut seen: Option<Tensor> = None;
    if let Some(mask) = &mask {
        if mask.dtype() == DType::Bool {
            seen = Some(mask.clone());
        } else {
            let hidden = mask.detach().eq_scalar(f64::NEG_INFINITY);
            scores = scores.add(&mask.masked_fill(&hidden, 0.0)?)?;
            seen = Some(hidden.logical_not()?);
        }
    }
    if options.causal {
        let ones = Tensor::full_dtype([sizes.queries, sizes.keys], 1.0, DType::Bool)?;
        let lower = ones.tril(sizes.keys as isize - sizes.queries as isize)?;
        seen = Some(match seen {
            Some(seen) => seen.logical_and(&lower)?,
            None => lower,
        });
    }
    let mut weights = match seen {
        // With a number instead of −∞, also those that see nothing have a softmax. It is taken away again.
        Some(seen) => {
            let hidden = seen.broadcast_to(&*shape)?.logical_not()?;
            scores.masked_fill(&hidden, lowest(q.dtype()))?.softmax(-1)?.masked_fill(&hidden, 0.0)?
        }
        None => scores.softmax(-1)?,
    };
    if let Some(dropout) = options.dropout {
        weights = weights.mul(&fused::dropout_factors(sizes, dropout)?)?;
    }
    Ok((weights.matmul(&spread(&v)?)?.to_dtype(sizes.dtype), weights.to_dtype(sizes.dtype)))
}

/// A number so low that its exponential is 0 beside that of any score.
fn lowest(dtype: DType) -> f64 {
    if dtype == DType::F64 { f64::MIN / 2.0 } else { f64::from(f32::MIN) / 2.0 }
}
