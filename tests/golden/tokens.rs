//! Embeddings against PyTorch, and positions against their closed forms: outputs and gradients.

use crate::golden::Case;
use demotic::layers::*;
use demotic::losses;
use demotic::optimizers::{Optimizer, Sgd};
use demotic::{Result, Tensor};

#[test]
fn tokens() {
    crate::golden::check("tokens", &|case, x| {
        Ok(vec![match case.op.as_str() {
            "embedding" if !case.attr_or("scale_grad_by_freq", false) => {
                x[0].embedding(&x[1], case.attr("padding_idx"))?
            }
            "rotary" => x[0].rotary(&x[1], &x[2], case.attr("interleaved"))?,
            "SinusoidalPositions" => {
                let layer = SinusoidalPositions::new(case.attr("max_len"), x[0].shape()[x[0].rank() - 1])?;
                layer.forward_at(&x[0], case.attr_or("offset", 0))?
            }
            "LearnedPositions" => {
                let layer = LearnedPositions { weight: Param::new(x[1].clone())? };
                x[1] = layer.weight.value().clone();
                layer.forward_at(&x[0], case.attr_or("offset", 0))?
            }
            "train" => return train(case, x),
            "RotaryPositions" => rotary(case, &x[0])?.forward_at(&x[0], case.attr_or("offset", 0))?,
            _ => {
                let layer = embedding(case, &x[1])?;
                x[1] = layer.weight.value()?;
                layer.forward(&x[0], &mut Mode::eval())?
            }
        }])
    });
}

fn embedding(case: &Case, weight: &Tensor) -> Result<Embedding> {
    let mut layer = Embedding::from_pretrained(weight, false)?;
    if let Some(index) = case.attr("padding_idx") {
        layer = layer.padding_idx(index)?;
        // A given row stays as it is there.
        layer.weight.set(weight)?;
    }
    if let Some(max_norm) = case.attr("max_norm") {
        let p = if case.attrs.get("norm_type").is_some() { case.text_number("norm_type") } else { 2.0 };
        layer = layer.norm_type(p)?.max_norm(max_norm)?;
    }
    Ok(if case.attr_or("scale_grad_by_freq", false) { layer.scale_grad_by_freq() } else { layer })
}

/// What is looked up, the loss and its gradient at each step, and the table in the end.
fn train(case: &Case, x: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut layer = embedding(case, &x[1])?;
    let mut opt = Sgd::new(case.attr("lr")).momentum(case.attr("momentum"));
    let mut seen = Vec::new();
    for _ in 0..case.attr("steps") {
        let y = layer.forward(&x[0], &mut Mode::eval())?;
        let loss = losses::mse(&y, &x[2])?;
        let grads = loss.backward()?;
        seen.extend([y, loss, grads.wrt(&layer.weight.value()?)?.clone()]);
        opt.step(&mut layer, &grads)?;
    }
    seen.push(layer.weight.value()?);
    Ok(seen)
}

fn rotary(case: &Case, x: &Tensor) -> Result<RotaryPositions> {
    let mut layer = RotaryPositions::new(case.attr("max_len"), x.shape()[x.rank() - 1])?;
    if let Some(base) = case.attr("base") {
        layer = layer.base(base)?;
    }
    if let Some(dims) = case.attr("dims") {
        layer = layer.dims(dims)?;
    }
    Ok(if case.attr_or("interleaved", false) { layer.interleaved() } else { layer })
}
