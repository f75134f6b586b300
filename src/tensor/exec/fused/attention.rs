//! Scaled dot-product attention.

use super::{computed, with_unit_stride};
use crate::error::{Result, bug};
use crate::tensor::create::stale;
use crate::tensor::dtype::with_float;
use crate::tensor::kernels::Real;
use crate::tensor::kernels::attention::{self as kernels, Dropout, Gradients, Mask};
use crate::tensor::layout::{Dims, expand_strides};
use crate::tensor::{DType, Element, Tensor};

/// The sizes of queries, keys and values that fit each other.
#[derive(Debug, Clone)]
pub(crate) struct AttentionSizes {
    /// The dimensions before that of heads.
    pub(crate) lead: Dims,
    /// Whether there is a dimension of heads.
    pub(crate) has_heads: bool,
    /// A multiple of `kv_heads`: neighbours share keys and values.
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    pub(crate) width: usize,
    pub(crate) value_width: usize,
    pub(crate) dtype: DType,
}

impl AttentionSizes {
    /// `[.., rows, cols]` with the heads that there are.
    fn shape(&self, heads: usize, rows: usize, cols: usize) -> Dims {
        let heads = self.has_heads.then_some(heads);
        Dims::collect(self.lead.iter().copied().chain(heads).chain([rows, cols]))
    }

    /// `[.., heads, queries, keys]`.
    pub(crate) fn score_shape(&self) -> Dims {
        self.shape(self.heads, self.queries, self.keys)
    }

    /// A tensor `[.., rows, heads, cols]` to be overwritten, in the type that is computed in.
    #[track_caller]
    fn interleaved(&self, heads: usize, rows: usize, cols: usize) -> Result<Tensor> {
        stale("attention", &self.with_heads_inside(self.shape(heads, rows, cols)), computed(self.dtype))
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

/// The dropout of the weights of an attention.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttentionDropout {
    /// The probability of a weight to be dropped.
    pub(crate) p: f64,
    /// For the choice.
    pub(crate) seed: u64,
    /// The number of the first head and that of all heads, if the heads are only some of them.
    pub(crate) part: Option<[usize; 2]>,
}

impl AttentionDropout {
    fn rule(self) -> Dropout {
        Dropout::new(self.p, self.seed).part(self.part)
    }
}

/// The settings of an attention.
#[derive(Debug, Clone)]
pub(crate) struct Attention<'a> {
    pub(crate) sizes: &'a AttentionSizes,
    /// Of truth values, true where a query may attend; of numbers, they are added to the scores. It broadcasts to the shape of
    /// the scores.
    pub(crate) mask: Option<&'a Tensor>,
    pub(crate) scale: f64,
    /// Whether query `i` sees only the keys up to number `i + keys - queries`.
    pub(crate) causal: bool,
    /// What is dropped of the weights.
    pub(crate) dropout: Option<AttentionDropout>,
}

impl Attention<'_> {
    /// Hands the operands to `f` as the kernels want them. They have unit stride in the last dimension.
    fn with_operands<T: Element + Real>(&self, [q, k, v]: [&Tensor; 3], f: &mut dyn FnMut(&kernels::Attention<'_, T>)) {
        let AttentionSizes { lead, heads, kv_heads, queries, keys, width, value_width, .. } = *self.sizes;
        let [q_strides, k_strides, v_strides] = [q, k, v].map(|x| self.sizes.strides(&x.layout.strides()));
        let mask = self.mask.map(|mask| if mask.dtype() == DType::Bool { mask.clone() } else { mask.cast(T::DTYPE) });
        let mask_strides = mask.as_ref().map_or(Dims::EMPTY, |mask| {
            let strides = expand_strides(&mask.layout, &self.sizes.score_shape()).unwrap_or(Dims::EMPTY);
            self.sizes.strides(&strides)
        });
        let mask = match &mask {
            Some(mask) if mask.dtype() == DType::Bool => Mask::Allowed(mask.strided(&mask_strides)),
            Some(mask) => Mask::Added(mask.strided(&mask_strides)),
            None => Mask::None,
        };
        f(&kernels::Attention {
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
            scale: <T as Real>::from_f64(self.scale),
            causal: self.causal,
            dropout: self.dropout.map(AttentionDropout::rule),
        });
    }
}

/// The result `[.., heads, queries, value_width]`, which lies in memory as `[.., queries, heads, value_width]`, and of each
/// query the logarithm of its sum of exponentials, which the gradient needs. Types of 16 bits are computed in `F32` and
/// rounded back.
#[track_caller]
pub(crate) fn attention(settings: &Attention<'_>, operands: [&Tensor; 3]) -> Result<(Tensor, Tensor)> {
    let AttentionSizes { heads, queries, value_width, dtype, .. } = *settings.sizes;
    let wide = computed(dtype);
    let [q, k, v] = operands.map(|x| with_unit_stride(&x.cast(wide)));
    let mut log_sums = stale("attention", &settings.sizes.shape(heads, queries, 1), wide)?;
    let mut out = settings.sizes.interleaved(heads, queries, value_width)?;
    // Without queries there can be any number of heads to go through.
    if !log_sums.is_empty() {
        with_float!(wide, T => settings.with_operands::<T>([&q, &k, &v], &mut |a| {
            kernels::forward(a, out.data_mut(), log_sums.data_mut());
        }), else return Err(bug!("attention", "computed in {wide}")));
    }
    Ok((settings.sizes.as_heads(&out.cast(dtype)), log_sums))
}

/// The gradients of queries, keys and values, as far as they are wanted: in `F32`, unless the type is `F64`.
pub(crate) fn attention_backward(
    settings: &Attention<'_>,
    operands: [&Tensor; 3],
    [out, log_sums, grad]: [&Tensor; 3],
    wanted: [bool; 3],
) -> Result<[Option<Tensor>; 3]> {
    let sizes = settings.sizes;
    let wide = computed(sizes.dtype);
    let [q, k, v] = operands.map(|x| with_unit_stride(&x.cast(wide)));
    let [out, grad] = [out, grad].map(|x| with_unit_stride(&x.cast(wide)));
    let AttentionSizes { heads, kv_heads, queries, keys, width, value_width, .. } = *sizes;
    let shapes = [(heads, queries, width), (kv_heads, keys, width), (kv_heads, keys, value_width)];
    let mut grads = [const { None }; 3];
    for ((slot, (heads, rows, cols)), wanted) in grads.iter_mut().zip(shapes).zip(wanted) {
        if wanted {
            *slot = Some(sizes.interleaved(heads, rows, cols)?);
        }
    }
    let [out_strides, grad_strides] = [&out, &grad].map(|x| sizes.strides(&x.layout.strides()));
    if !log_sums.is_empty() || grads.iter().flatten().any(|grad| !grad.is_empty()) {
        let grads = &mut grads;
        with_float!(wide, T => settings.with_operands::<T>([&q, &k, &v], &mut |a| {
            let [q, k, v] = grads.each_mut().map(|grad| grad.as_mut().map(Tensor::data_mut::<T>));
            let (out, grad) = (out.strided(&out_strides), grad.strided(&grad_strides));
            kernels::backward(a, out, grad, log_sums.data(), Gradients { q, k, v });
        }), else return Err(bug!("attention", "computed in {wide}")));
    }
    Ok(grads.map(|grad| grad.map(|grad| sizes.as_heads(&grad))))
}

/// What dropout multiplies all weights by, `[.., heads, queries, keys]`, in the type that is computed in.
pub(crate) fn dropout_factors(sizes: &AttentionSizes, dropout: AttentionDropout) -> Result<Tensor> {
    let wide = computed(sizes.dtype);
    let mut factors = Tensor::stale(wide, &sizes.score_shape());
    with_float!(wide, T => {
        dropout.rule().factors::<T>(sizes.heads, sizes.queries, sizes.keys, factors.data_mut());
    }, else return Err(bug!("attention", "computed in {wide}")));
    Ok(factors)
}
