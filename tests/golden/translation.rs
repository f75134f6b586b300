//! Models of whole sequences with given weights against the same models in PyTorch: logits and all gradients.

use std::collections::HashMap;

use crate::golden::Case;
use demotic::layers::*;
use demotic::models::*;
use demotic::{Result, Rng, Tensor};

#[test]
fn classifier_transformer_and_lstm() {
    crate::golden::check("translation", &|case, inputs| {
        let (ids, weights) = inputs.split_at_mut(case.attr("ids"));
        let logits = match case.op.as_str() {
            "classifier" => {
                let mut model = TransformerClassifier::new(classifier(case), &mut Rng::seed(0))?;
                assert_eq!(model.num_parameters(), model.config().num_parameters());
                give(case, weights, &mut model);
                model.forward(&ids[0], &mut Mode::eval())?
            }
            "transformer" => {
                let mut model = Seq2SeqTransformer::new(transformer(case), &mut Rng::seed(0))?;
                assert_eq!(model.num_parameters(), model.config().num_parameters());
                give(case, weights, &mut model);
                real(&model.forward(&ids[0], &ids[1], &mut Mode::eval())?, &ids[1])?
            }
            "lstm" => {
                let mut model = Seq2SeqLstm::new(lstm(case), &mut Rng::seed(0))?;
                assert_eq!(model.num_parameters(), model.config().num_parameters());
                give(case, weights, &mut model);
                real(&model.forward(&ids[0], &ids[1], &mut Mode::eval())?, &ids[1])?
            }
            op => panic!("{}: no model {op}", case.id),
        };
        Ok(vec![logits])
    });
}

fn classifier(case: &Case) -> TransformerClassifierConfig {
    let config = TransformerClassifierConfig::new(case.attr("vocab"), case.attr("classes"), case.attr("length"))
        .layers(case.attr("layers"))
        .heads(case.attr("heads"))
        .hidden_size(case.attr("width"))
        .intermediate_size(case.attr("inner"))
        .dropout(0.0)
        .pooling(case.attr("pooling"))
        .activation(case.attr("activation"))
        .positions(positions(case));
    if case.attr("norm_first") { config } else { config.norm_last() }
}

fn positions(case: &Case) -> PositionKind {
    if case.attr("learned") { PositionKind::Learned } else { PositionKind::Sinusoidal }
}

fn transformer(case: &Case) -> Seq2SeqTransformerConfig {
    let [encoder, decoder] = case.attr("layers");
    let tokens = Seq2SeqTokens::new(case.attr("sources"), case.attr("targets"));
    let config = Seq2SeqTransformerConfig::new(tokens, case.attr("length"))
        .encoder_layers(encoder)
        .decoder_layers(decoder)
        .heads(case.attr("heads"))
        .hidden_size(case.attr("width"))
        .intermediate_size(case.attr("inner"))
        .dropout(0.0)
        .activation(case.attr("activation"))
        .positions(positions(case));
    let config = if case.attr("norm_first") { config } else { config.norm_last() };
    if case.attr("tied") { config } else { config.untied() }
}

fn lstm(case: &Case) -> Seq2SeqLstmConfig {
    Seq2SeqLstmConfig::new(Seq2SeqTokens::new(case.attr("sources"), case.attr("targets")))
        .embedding_size(case.attr("embedding"))
        .hidden_size(case.attr("hidden"))
        .layers(case.attr("layers"))
}

/// Gives the case's weights to the model, whose parameters must have just PyTorch's names.
fn give<M: Module>(case: &Case, weights: &mut [Tensor], model: &mut M) {
    let names = case.attr::<Vec<String>>("parameters");
    let places: HashMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut given = 0;
    let mut replace = |path: &str, slot: SlotMut<'_>| {
        if let SlotMut::Param(param) = slot {
            let weight = &mut weights[*places.get(path).unwrap_or_else(|| panic!("{}: {path}", case.id))];
            assert_eq!(param.shape(), weight.shape(), "{} {path}", case.id);
            *param = Param::new(weight.clone()).unwrap();
            *weight = param.value().clone();
            given += 1;
        }
    };
    model.visit_mut(&mut VisitorMut::new(&mut replace));
    assert_eq!(given, names.len(), "{}", case.id);
}

/// The logits of all target tokens that are no padding, one below the other.
fn real(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    let vocab = logits.shape()[2];
    let kept: Vec<i64> =
        target.to_vec::<i64>()?.iter().enumerate().filter(|(_, id)| **id != 0).map(|(i, _)| i as i64).collect();
    let kept = Tensor::from_slice(&kept, [kept.len()])?;
    logits.reshape([target.numel(), vocab])?.index_select(0, &kept)
}
