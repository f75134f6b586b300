//! Layer norm and RMS norm against PyTorch: outputs, and the gradients of inputs and parameters.

use crate::golden::Case;
use demotic::layers::*;
use demotic::{DType, Result, Tensor};

#[test]
fn norms() {
    crate::golden::check("norms", &|case, inputs| {
        let (x, rest) = inputs.split_first_mut().unwrap();
        let shape: Vec<usize> = case.attr_or("normalized_shape", Vec::new());
        let mut weights = rest.iter();
        let mut next = |name: &str| if case.attr(name) { weights.next() } else { None };
        Ok(vec![match case.op.as_str() {
            "layer_norm" => {
                let (weight, bias) = (next("weight"), next("bias"));
                x.layer_norm(&shape, weight, bias, case.attr_or("eps", 1e-5))?
            }
            "rms_norm" => {
                let eps = if x.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
                x.rms_norm(&shape, next("weight"), case.attr_or("eps", eps))?
            }
            "LayerNorm" => with_weights(layer_norm(case)?, case, rest)?.forward(x, &mut Mode::eval())?,
            _ => with_weights(rms_norm(case)?, case, rest)?.forward(x, &mut Mode::eval())?,
        }])
    });
}

fn layer_norm(case: &Case) -> Result<LayerNorm> {
    let norm = LayerNorm::new(case.attr::<Vec<usize>>("shape"))?.eps(case.attr_or("eps", 1e-5));
    let norm = if case.attr_or("bias", true) { norm } else { norm.without_bias() };
    Ok(if case.attr_or("affine", true) { norm } else { norm.without_affine() })
}

fn rms_norm(case: &Case) -> Result<RmsNorm> {
    let norm = RmsNorm::new(case.attr::<Vec<usize>>("shape"))?;
    let norm = if case.attr_or("affine", true) { norm } else { norm.without_affine() };
    Ok(if let Some(eps) = case.attr("eps") { norm.eps(eps) } else { norm })
}

/// Gives a layer the weights of a case, which become its parameters.
fn with_weights<L: Layer>(mut layer: L, case: &Case, weights: &mut [Tensor]) -> Result<L> {
    let names: Vec<String> = layer.named_parameters().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, case.attr::<Vec<String>>("parameters"), "{}: the parameters have other names", case.id);
    let mut given = weights.iter();
    let mut failed = Ok(());
    let mut on_slot = |_: &str, slot: SlotMut<'_>| {
        if let (SlotMut::Param(param), Some(weight)) = (slot, given.next()) {
            match Param::new(weight.clone()) {
                Ok(new) => *param = new,
                Err(e) => failed = Err(e),
            }
        }
    };
    layer.visit_mut(&mut VisitorMut::new(&mut on_slot));
    for (weight, (_, parameter)) in weights.iter_mut().zip(layer.named_parameters()) {
        *weight = parameter;
    }
    failed.map(|()| layer)
}
