//! The GPTs of `tests/golden/gpt.safetensors`.

#![allow(dead_code, reason = "each test file uses its part")]

use demotic::layers::{Gelu, Mish, Module, Param, Relu, Silu, SlotMut, Tanh, VisitorMut};
use demotic::models::{Gpt, GptConfig};
use demotic::{DType, Result, Rng, Tensor};

use crate::golden::{Case, Family};

/// The cases that are models with logits and gradients.
pub(crate) fn models(family: &Family) -> impl Iterator<Item = &Case> {
    family.cases.iter().filter(|case| case.op == "gpt")
}

pub(crate) fn config(case: &Case) -> GptConfig {
    let config = GptConfig::new(case.attr("vocab_size"), case.attr("n_positions"))
        .layers(case.attr("n_layer"))
        .heads(case.attr("n_head"))
        .hidden_size(case.attr("n_embd"));
    let config = match case.attr_or("activation_function", String::from("gelu_new")).as_str() {
        "gelu_new" => config,
        "gelu" => config.activation(Gelu),
        "relu" => config.activation(Relu),
        "silu" => config.activation(Silu),
        "tanh" => config.activation(Tanh),
        "mish" => config.activation(Mish),
        other => panic!("{other}"),
    };
    let config = if case.attr_or("scale_attn_by_inverse_layer_idx", false) {
        config.with_inverse_layer_scaling()
    } else {
        config
    };
    let config = if case.attr_or("tie_word_embeddings", true) { config } else { config.untied() };
    match case.attr("n_inner") {
        Some(size) => config.intermediate_size(size),
        None => config,
    }
}

/// The model with the case's weights, which must have just our names.
pub(crate) fn model(family: &Family, case: &Case, dtype: DType) -> Result<Gpt> {
    let mut model = Gpt::new(config(case), &mut Rng::seed(0))?;
    let mut on_slot = |path: &str, slot: SlotMut<'_>| {
        if let SlotMut::Param(param) = slot {
            let value = family.stored(&format!("{}.param.{path}", case.id)).tensor(dtype);
            assert_eq!(value.shape(), param.shape(), "{path}");
            *param = Param::new(value).unwrap();
        }
    };
    model.visit_mut(&mut VisitorMut::new(&mut on_slot));
    Ok(model)
}

pub(crate) fn stored(family: &Family, case: &Case, name: &str) -> Tensor {
    family.stored(&format!("{}.{name}", case.id)).tensor(DType::I64)
}
