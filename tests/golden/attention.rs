//! Scaled dot-product attention against PyTorch.

use crate::golden::Case;
use demotic::{AttentionOptions, Result, Tensor};

fn options(case: &Case, mask: Option<&Tensor>) -> AttentionOptions {
    let mut options = AttentionOptions::new();
    if case.attr("causal") {
        options = options.causal();
    }
    if let Some(scale) = case.attr("scale") {
        options = options.scale(scale);
    }
    match mask {
        Some(mask) => options.mask(mask),
        None => options,
    }
}

#[test]
fn attention() {
    crate::golden::check("attention", &|case, x| Ok(vec![x[0].attention(&x[1], &x[2], &options(case, x.get(3)))?]));
}

#[test]
fn attention_with_weights() {
    crate::golden::check("attention", &|case, x| {
        Ok(vec![x[0].attention_with_weights(&x[1], &x[2], &options(case, x.get(3)))?.0])
    });
}

/// The same elements as a view of a larger tensor that lies in memory as `[.., T, heads, d]`, as heads that were split off.
fn split_off(x: &Tensor) -> Result<Tensor> {
    if x.rank() < 3 {
        return Ok(x.clone());
    }
    let (inner, n) = (x.transpose(-3, -2)?, x.size(-3)?);
    let around = inner.full_like(77.0);
    Tensor::cat(&[&around, &inner, &around], -2)?.narrow(-2, n, n)?.transpose(-3, -2)
}

#[test]
fn heads_that_were_split_off_one_tensor() {
    crate::golden::check("attention", &|case, x| {
        let [q, k, v] = [split_off(&x[0])?, split_off(&x[1])?, split_off(&x[2])?];
        Ok(vec![q.attention(&k, &v, &options(case, x.get(3)))?])
    });
}
