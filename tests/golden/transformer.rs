//! Multi-head attention and transformers against PyTorch: outputs, and the gradients of inputs and parameters.

use crate::golden::Case;
use demotic::layers::*;
use demotic::{Result, Rng, Tensor};

/// What a case gives a layer besides the operands.
struct Masks<'a> {
    names: Vec<String>,
    tensors: &'a [Tensor],
}

impl Masks<'_> {
    fn get(&self, name: &str) -> Option<&Tensor> {
        self.names.iter().position(|n| n == name).map(|i| &self.tensors[i])
    }

    fn all(&self) -> AttentionMasks {
        let masks = AttentionMasks::new();
        let masks = self.get("mask").map_or(masks.clone(), |mask| masks.mask(mask));
        self.get("key_padding").map_or(masks.clone(), |padding| masks.key_padding(padding))
    }
}

/// Replaces the parameters of `module`, and the weights by what tracks them.
pub(super) fn set(case: &Case, module: &mut dyn Module, weights: &mut [Tensor]) -> Result<()> {
    let mut next = weights.iter();
    let mut names = Vec::new();
    let mut on_slot = |path: &str, slot: SlotMut<'_>| {
        let SlotMut::Param(param) = slot else { panic!("{path} is a buffer") };
        let weight = next.next().expect("the case has a weight for every parameter");
        assert_eq!(param.shape(), weight.shape(), "{}: {path}", case.id);
        *param = Param::new(weight.clone()).unwrap();
        names.push(path.to_string());
    };
    module.visit_mut(&mut VisitorMut::new(&mut on_slot));
    assert_eq!(names, case.attr::<Vec<String>>("parameters"), "{}: the parameters have other names", case.id);
    for (weight, (_, parameter)) in weights.iter_mut().zip(module.named_parameters()) {
        *weight = parameter;
    }
    Ok(())
}

fn options(case: &Case) -> TransformerOptions {
    let options = TransformerOptions::new(6, 2).feedforward(10).dropout(0.0).eps(1e-3);
    let options = match case.attr::<String>("activation").as_str() {
        "gelu" => options.activation(TransformerActivation::Gelu),
        _ => options,
    };
    let options = if case.attr("norm_first") { options.norm_first() } else { options };
    if case.attr("bias") { options } else { options.without_bias() }
}

fn attention(case: &Case, rng: &mut Rng) -> Result<MultiHeadAttention> {
    let mut layer = MultiHeadAttention::new(6, 2, rng)?;
    if let (Some(key_dim), Some(value_dim)) = (case.attr("key_dim"), case.attr("value_dim")) {
        layer = layer.key_and_value_dims(key_dim, value_dim, rng)?;
    }
    layer = if case.attr("bias") { layer } else { layer.without_bias() };
    layer = if case.attr("bias_kv") { layer.bias_kv(rng)? } else { layer };
    Ok(if case.attr("zero") { layer.zero_attention() } else { layer })
}

#[test]
fn transformer() {
    crate::golden::check("transformer", &|case, inputs| {
        let (operands, rest) = inputs.split_at_mut(case.attr("operands"));
        let names: Vec<String> = case.attr("masks");
        let (masks, weights) = rest.split_at_mut(names.len());
        let masks = Masks { names, tensors: masks };
        let causal = AttentionMasks::new().causal();
        let (mut rng, mut mode) = (Rng::seed(0), Mode::eval());
        let x = &operands[0];
        Ok(vec![match case.op.as_str() {
            "MultiheadAttention" => {
                let mut layer = attention(case, &mut rng)?;
                set(case, &mut layer, weights)?;
                let (k, v) = (operands.get(1).unwrap_or(x), operands.get(2).unwrap_or(x));
                let masks = if case.attr("causal") { masks.all().causal() } else { masks.all() };
                let y = layer.attend(x, k, v, &masks, &mut mode)?;
                let (again, attended) = layer.attend_with_weights(x, k, v, &masks, case.attr("average"), &mut mode)?;
                assert!(y.sub(&again)?.abs().max()?.item()? < 1e-5, "{}", case.id);
                return Ok(vec![y, attended]);
            }
            "TransformerEncoderLayer" => {
                let mut layer = TransformerEncoderLayer::new(&options(case), &mut rng)?;
                set(case, &mut layer, weights)?;
                layer.encode(x, &masks.all(), &mut mode)?
            }
            "TransformerDecoderLayer" => {
                let mut layer = TransformerDecoderLayer::new(&options(case), &mut rng)?;
                set(case, &mut layer, weights)?;
                layer.decode(x, &operands[1], &causal, &masks.all(), &mut mode)?
            }
            "TransformerEncoder" => {
                let norm = LayerNorm::new(6)?.eps(1e-3);
                let mut stack = TransformerEncoder::new(&options(case), 2, &mut rng)?.with_norm(norm);
                set(case, &mut stack, weights)?;
                stack.encode(x, &causal, &mut mode)?
            }
            "Transformer" => {
                let mut model = Transformer::new(&options(case), 1, 1, &mut rng)?;
                set(case, &mut model, weights)?;
                model.forward(x, &operands[1], &TransformerMasks::new().target(causal), &mut mode)?
            }
            op => panic!("{}: no layer {op}", case.id),
        }])
    });
}
