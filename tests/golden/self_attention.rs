//! Self-attention with shared heads and rotary positions against `transformers`: outputs, and the gradients of inputs and
//! parameters.

use crate::golden::Case;
use demotic::layers::*;
use demotic::{DType, Result, Rng, Tensor, autograd};

use super::transformer::set;

fn layer(case: &Case, embed_dim: usize) -> Result<SelfAttention> {
    let (head_dim, steps) = (case.attr("head_dim"), 64);
    let heads = AttentionHeads::new(case.attr("heads"), head_dim)?.kv_heads(case.attr("kv_heads"))?;
    let heads = match case.attr("rotary") {
        true => heads.rotary(RotaryPositions::new(steps, head_dim)?.base(case.attr("theta"))?)?,
        false => heads,
    };
    let layer = SelfAttention::new(embed_dim, heads, &mut Rng::seed(0))?.causal();
    Ok(if case.attr("bias") { layer } else { layer.without_bias() })
}

#[test]
fn self_attention() {
    crate::golden::check("self_attention", &|case, inputs| {
        let (x, rest) = inputs.split_first_mut().expect("an input");
        let (mask, weights) = rest.split_at_mut(usize::from(case.attr::<bool>("masked")));
        let mask = mask.first();
        let mut layer = layer(case, x.size(-1)?)?;
        set(case, &mut layer, weights)?;
        let y = layer.attend(x, &masks(mask, x.size(1)?)?, &mut Mode::eval())?;
        let again = autograd::no_grad(|| in_parts(&layer, x, mask))?;
        let tolerance = if x.dtype() == DType::F64 { 1e-12 } else { 1e-5 };
        assert!(y.sub(&again)?.abs().max()?.item()? < tolerance, "{}: from a cache {again}, at once {y}", case.id);
        Ok(vec![y])
    });
}

/// The part of a mask that is about the first keys.
fn masks(mask: Option<&Tensor>, keys: usize) -> Result<AttentionMasks> {
    Ok(match mask {
        Some(mask) => AttentionMasks::new().mask(&mask.narrow(-1, 0, keys)?),
        None => AttentionMasks::new(),
    })
}

/// The same with two positions at first, then one at a time, whose keys and values are kept in a cache.
fn in_parts(layer: &SelfAttention, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let steps = x.size(1)?;
    let mut cache = layer.cache(x.size(0)?, steps)?;
    let mut parts = Vec::new();
    for (from, to) in [(0, steps.min(2))].into_iter().chain((2..steps).map(|i| (i, i + 1))) {
        let part = x.narrow(1, from, to - from)?;
        parts.push(layer.attend_cached(&part, &mut cache, &masks(mask, to)?, &mut Mode::eval())?);
    }
    Tensor::cat(&parts.iter().collect::<Vec<_>>(), 1)
}
