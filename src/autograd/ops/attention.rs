//! Scaled dot-product attention.

use crate::autograd::Sink;
use crate::autograd::function::{Function, Saved, SecondOrder, apply};
use crate::autograd::node::is_recorded;
use crate::error::{Error, Result, bug};
use crate::rng::Rng;
use crate::tensor::create::{check_shape, stale};
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::attention::{self as kernels, Attention, Dropout, Gradients, Mask};
use crate::tensor::kernels::gemm::Gemm;
use crate::tensor::kernels::{Real, Strided};
use crate::tensor::layout::{Dims, expand_strides};
use crate::tensor::{DType, Float, Tensor};

/// # Attention
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
        let sizes = Sizes::new([self, keys, values], options)?;
        if let Some(mask) = options.mask.as_ref().filter(|mask| is_recorded(&[mask])) {
            return Ok(composite(options, &sizes, [self, keys, values], Some(mask))?.0);
        }
        apply(Fused { options: options.clone(), sizes, log_sums: None }, &[self, keys, values])
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
        let sizes = Sizes::new([self, keys, values], options)?;
        composite(options, &sizes, [self, keys, values], options.mask.as_ref())
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
    /// The probability, and a seed for the choice.
    dropout: Option<(f64, u64)>,
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

    /// Sets each weight to zero with probability `p` and divides the others by `1 − p`.
    ///
    /// The generator gives one seed, and the choice is a function of it and of the weight's place, so that it takes no
    /// memory. Options that are used twice therefore drop the same weights twice.
    #[must_use]
    pub fn dropout(mut self, p: f64, rng: &mut Rng) -> Self {
        self.dropout = (p != 0.0).then(|| (p, rng.next_u64()));
        self
    }
}

/// The sizes of operands that fit.
#[derive(Debug, Clone)]
struct Sizes {
    lead: Dims,
    /// Whether there is a dimension of heads.
    has_heads: bool,
    heads: usize,
    kv_heads: usize,
    queries: usize,
    keys: usize,
    width: usize,
    value_width: usize,
    dtype: DType,
    scale: f64,
}

impl Sizes {
    #[track_caller]
    fn new([q, k, v]: [&Tensor; 3], options: &AttentionOptions) -> Result<Self> {
        let name = "attention";
        q.expect_float(name, "the queries")?;
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
            return Err(Error::shape(
                name,
                format!("{}: sizes of queries and keys differ ({width} ≠ {own})", shapes()),
            ));
        }
        if width == 0 {
            return Err(Error::shape(name, format!("{}: queries and keys of size 0", shapes())));
        }
        if kv_heads == 0 && heads > 0 || kv_heads > 0 && !heads.is_multiple_of(kv_heads) {
            let message = format!("{}: {heads} heads are no multiple of {kv_heads} heads of keys and values", shapes());
            return Err(Error::shape(name, message));
        }
        let (queries, keys) = (q.shape()[rank - 2], k.shape()[rank - 2]);
        if let Some((p, _)) = options.dropout.filter(|(p, _)| !(0.0..=1.0).contains(p)) {
            return Err(Error::argument(name, format!("p is {p}, expected a probability from 0 to 1")));
        }
        let scale = options.scale.unwrap_or_else(|| 1.0 / (width as f64).sqrt());
        if !scale.is_finite() {
            return Err(Error::argument(name, format!("the scale is {scale}, expected a finite number")));
        }
        let has_heads = rank > 2;
        let dtype = q.dtype();
        let sizes = Self { lead, has_heads, heads, kv_heads, queries, keys, width, value_width, dtype, scale };
        if let Some(mask) = &options.mask {
            sizes.check_mask(mask)?;
        }
        Ok(sizes)
    }

    #[track_caller]
    fn check_mask(&self, mask: &Tensor) -> Result<()> {
        if mask.dtype() != DType::Bool && mask.dtype() != self.dtype {
            let message = format!("a mask of type {} for queries of type {}", mask.dtype(), self.dtype);
            return Err(Error::dtype("attention", message).with_help(
                "masks are Bool, true where a query may attend, or are added to the scores and have their type",
            ));
        }
        let shape = self.score_shape();
        if expand_strides(mask.layout(), &shape).is_none() {
            let message = format!("a mask of shape {:?} does not broadcast to {shape:?}", mask.shape());
            return Err(Error::shape("attention", message)
                .with_help("a mask of padded keys [batch, S] has to be reshaped to [batch, 1, 1, S]"));
        }
        Ok(())
    }

    /// `[.., rows, cols]` with the heads that there are.
    fn shape(&self, heads: usize, rows: usize, cols: usize) -> Dims {
        let heads = self.has_heads.then_some(heads);
        Dims::collect(self.lead.iter().copied().chain(heads).chain([rows, cols]))
    }

    fn score_shape(&self) -> Dims {
        self.shape(self.heads, self.queries, self.keys)
    }

    /// A tensor `[.., rows, heads, cols]` to be overwritten.
    #[track_caller]
    fn interleaved(&self, heads: usize, rows: usize, cols: usize) -> Result<Tensor> {
        stale("attention", &self.with_heads_inside(self.shape(heads, rows, cols)), self.dtype)
    }

    /// The same elements seen as `[.., heads, rows, cols]`.
    fn as_heads(&self, x: &Tensor) -> Tensor {
        x.permuted(&self.with_heads_inside(Dims::collect(0..x.rank())))
    }

    /// Exchanges heads and rows, if there are heads.
    fn with_heads_inside(&self, mut dims: Dims) -> Dims {
        let n = dims.len();
        if self.has_heads {
            dims.swap(n - 3, n - 2);
        }
        dims
    }

    /// Strides with a dimension of heads.
    fn strides(&self, strides: &Dims) -> Dims {
        let mut strides = *strides;
        if !self.has_heads {
            strides.insert(0, 0);
        }
        strides
    }
}

/// The same elements with unit stride in the last dimension: itself, or a copy.
fn with_unit_stride(x: &Tensor) -> Tensor {
    let last = x.rank() - 1;
    if x.strides()[last] == 1 || x.shape()[last] == 1 { x.detach() } else { x.packed() }
}

struct Fused {
    options: AttentionOptions,
    sizes: Sizes,
    /// The logarithm of the sum of exponentials of each query, kept by the forward pass.
    log_sums: Option<Tensor>,
}

impl Fused {
    /// Hands the operands to `f` as the kernels want them. They have unit stride in the last dimension.
    fn with_operands<T: Float + Real, R>(&self, [q, k, v]: [&Tensor; 3], f: impl FnOnce(&Attention<'_, T>) -> R) -> R {
        let Sizes { lead, heads, kv_heads, queries, keys, width, value_width, scale, .. } = self.sizes;
        let [q_strides, k_strides, v_strides] = [q, k, v].map(|x| self.sizes.strides(&x.layout().strides));
        let mask_strides = self.options.mask.as_ref().map_or(Dims::EMPTY, |mask| {
            let strides = expand_strides(mask.layout(), &self.sizes.score_shape()).unwrap_or(Dims::EMPTY);
            self.sizes.strides(&strides)
        });
        let mask = match &self.options.mask {
            Some(mask) if mask.dtype() == DType::Bool => Mask::Allowed(mask.strided(&mask_strides)),
            Some(mask) => Mask::Added(mask.strided(&mask_strides)),
            None => Mask::None,
        };
        f(&Attention {
            q: q.strided(&q_strides),
            k: k.strided(&k_strides),
            v: v.strided(&v_strides),
            mask,
            lead: &lead,
            heads,
            kv_heads,
            queries,
            keys,
            width,
            value_width,
            scale: <T as Real>::from_f64(scale),
            causal: self.options.causal,
            dropout: self.options.dropout.map(|(p, seed)| Dropout::new(p, seed)),
        })
    }

    #[track_caller]
    fn compute<T: Float + Real + Gemm>(&mut self, operands: [&Tensor; 3]) -> Result<Tensor> {
        let Sizes { heads, queries, value_width, .. } = self.sizes;
        let mut log_sums = stale("attention", &self.sizes.shape(heads, queries, 1), T::DTYPE)?;
        let mut out = self.sizes.interleaved(heads, queries, value_width)?;
        // Without queries there can be any number of heads to go through.
        if !log_sums.is_empty() {
            self.with_operands::<T, _>(operands, |a| kernels::forward(a, out.data_mut(), log_sums.data_mut()));
        }
        self.log_sums = Some(log_sums);
        Ok(self.sizes.as_heads(&out))
    }

    fn gradients<T: Float + Real + Gemm>(
        &self,
        operands: [&Tensor; 3],
        out: &Tensor,
        grad: &Tensor,
        log_sums: &Tensor,
        wanted: [bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        let Sizes { heads, kv_heads, queries, keys, width, value_width, .. } = self.sizes;
        let shapes = [(heads, queries, width), (kv_heads, keys, width), (kv_heads, keys, value_width)];
        let mut grads = [const { None }; 3];
        for ((slot, (heads, rows, cols)), wanted) in grads.iter_mut().zip(shapes).zip(wanted) {
            if wanted {
                *slot = Some(self.sizes.interleaved(heads, rows, cols)?);
            }
        }
        if log_sums.is_empty() && grads.iter().flatten().all(Tensor::is_empty) {
            return Ok(grads.map(|grad| grad.map(|grad| self.sizes.as_heads(&grad))));
        }
        let [q, k, v] = &mut grads;
        let to = Gradients {
            q: q.as_mut().map(Tensor::data_mut::<T>),
            k: k.as_mut().map(Tensor::data_mut::<T>),
            v: v.as_mut().map(Tensor::data_mut::<T>),
        };
        let [out_strides, grad_strides] = [out, grad].map(|x| self.sizes.strides(&x.layout().strides));
        let (y, g): (Strided<'_, T>, Strided<'_, T>) = (out.strided(&out_strides), grad.strided(&grad_strides));
        self.with_operands::<T, _>(operands, |a| kernels::backward(a, y, g, log_sums.data(), to));
        Ok(grads.map(|grad| grad.map(|grad| self.sizes.as_heads(&grad))))
    }
}

impl Function for Fused {
    fn name(&self) -> &'static str {
        "attention"
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [q, k, v] = [inputs[0], inputs[1], inputs[2]].map(with_unit_stride);
        with_float!(q.dtype(), T => self.compute::<T>([&q, &k, &v]), else {
            Err(bug!("attention", "queries of type {}", q.dtype()))
        })
    }

    fn keeps_output(&self) -> bool {
        true
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let [q, k, v] = [0, 1, 2].map(|i| with_unit_stride(&saved.inputs()[i]));
        let (out, grad) = (with_unit_stride(saved.output()?), with_unit_stride(grad));
        let Some(log_sums) = &self.log_sums else {
            return Err(bug!("attention", "a gradient without a forward pass"));
        };
        let wanted = [0, 1, 2].map(|i| sink.wants(i));
        let grads = with_float!(
            q.dtype(),
            T => self.gradients::<T>([&q, &k, &v], &out, &grad, log_sums, wanted)?,
            else return Err(bug!("attention", "queries of type {}", q.dtype()))
        );
        for (i, grad) in grads.into_iter().enumerate() {
            if let Some(grad) = grad {
                sink.give(i, grad)?;
            }
        }
        Ok(())
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let operands = [&inputs[0], &inputs[1], &inputs[2]];
        Ok(composite(&self.options, &self.sizes, operands, self.options.mask.as_ref())?.0)
    }
}

/// The same made of differentiable operations, and the weights.
#[track_caller]
fn composite(
    options: &AttentionOptions,
    sizes: &Sizes,
    [q, k, v]: [&Tensor; 3],
    mask: Option<&Tensor>,
) -> Result<(Tensor, Tensor)> {
    let shape = sizes.score_shape();
    check_shape("attention", &shape, sizes.dtype)?;
    let group = sizes.heads.checked_div(sizes.kv_heads).unwrap_or(1);
    let spread = |x: &Tensor| if group > 1 { x.repeat_interleave(group, -3) } else { Ok(x.clone()) };
    let mut scores = q.matmul(&spread(k)?.t())?.mul_scalar(sizes.scale);
    // Which scores count, as far as that is restricted.
    let mut seen: Option<Tensor> = None;
    if let Some(mask) = mask {
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
            scores.masked_fill(&hidden, lowest(sizes.dtype))?.softmax(-1)?.masked_fill(&hidden, 0.0)?
        }
        None => scores.softmax(-1)?,
    };
    if let Some((p, seed)) = options.dropout {
        let factors = with_float!(sizes.dtype, T => Tensor::build::<T>(&shape, |out| {
            Dropout::new(p, seed).factors(sizes.queries, sizes.keys, out);
        }), else return Err(bug!("attention", "queries of type {}", sizes.dtype)));
        weights = weights.mul(&factors)?;
    }
    Ok((weights.matmul(&spread(v)?)?, weights))
}

/// A number so low that its exponential is 0 beside that of any score.
fn lowest(dtype: DType) -> f64 {
    if dtype == DType::F64 { f64::MIN / 2.0 } else { f64::from(f32::MIN) / 2.0 }
}
