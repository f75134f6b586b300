//! Embeddings against PyTorch: outputs, and the gradients of tables.

#[path = "common/golden.rs"]
mod golden;

use demotic::layers::*;
use demotic::{Result, Tensor};
use golden::Case;

#[test]
fn tokens() {
    golden::check("tokens", &|case, x| {
        Ok(vec![match case.op.as_str() {
            "embedding" if !case.attr_or("scale_grad_by_freq", false) => {
                x[0].embedding(&x[1], case.attr("padding_idx"))?
            }
            _ => {
                let layer = embedding(case, &x[1])?;
                x[1] = layer.weight.value().clone();
                layer.forward(&x[0], &mut Mode::Eval)?
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
    Ok(if case.attr_or("scale_grad_by_freq", false) { layer.scale_grad_by_freq() } else { layer })
}
