//! BERT and its kin in GGUF files.

use std::path::Path;

use super::{Settings, open};
use crate::error::{Error, Result};
use crate::io::gguf::{Reader, Value};
use crate::io::{self, TensorSource};
use crate::layers::Architecture;
use crate::models::{BertConfig, Pooling};

/// What such files name.
pub(super) const ARCHITECTURE: &str = "bert";

/// The body of a model; files have no heads but those that judge pairs of texts, which are left out.
#[track_caller]
pub(in crate::pretrained) fn bert<M: Architecture<Config = BertConfig>>(op: &'static str, path: &Path) -> Result<M> {
    let reader = open(op, path)?;
    let config = config(&settings(op, &reader)?)?;
    io::from_source(op, config, &reader.rename(name_of)?)
}

/// How the vectors of tokens become that of a text, if the file says it.
#[track_caller]
pub(in crate::pretrained) fn pooling(op: &'static str, path: &Path) -> Result<Option<Pooling>> {
    let reader = open(op, path)?;
    let settings = settings(op, &reader)?;
    match settings.optional_size("pooling_type")? {
        None | Some(0) => Ok(None),
        Some(1) => Ok(Some(Pooling::Mean)),
        Some(2) => Ok(Some(Pooling::First)),
        Some(other) => {
            let e = settings.error(format_args!("`bert.pooling_type` is {other}, which is not known"));
            Err(e.with_help("those that are known are 1, the mean, and 2, the first token"))
        }
    }
}

#[track_caller]
fn settings<'a>(op: &'static str, reader: &'a Reader) -> Result<Settings<'a>> {
    let settings = Settings::new(op, reader)?;
    match settings.architecture == ARCHITECTURE {
        true => Ok(settings),
        false => Err(settings.another("models::Bert reads bert; demotic::pretrained::load finds out who reads a file")),
    }
}

#[track_caller]
fn config(s: &Settings<'_>) -> Result<BertConfig> {
    let table = |name: &str| -> Result<usize> {
        match s.shape(name).as_deref() {
            Some(&[rows, _]) => Ok(rows),
            _ => Err(missing(s, name)),
        }
    };
    let mut config = BertConfig::new(table("token_embd.weight")?, table("position_embd.weight")?);
    config.hidden_size = s.size("embedding_length")?;
    config.num_layers = s.layers()?;
    config.num_heads = s.size("attention.head_count")?;
    config.intermediate_size = s.size("feed_forward_length")?;
    config.token_types = if s.shape("token_types.weight").is_some() { table("token_types.weight")? } else { 0 };
    if let Some(eps) = s.written("attention.layer_norm_epsilon")? {
        config.layer_norm_eps = eps;
    }
    if s.optional("attention.causal", "true or false", Value::as_bool)? == Some(true) {
        return Err(s.error("has `bert.attention.causal`, but a BERT looks at all tokens"));
    }
    let padding = s.reader.get("tokenizer.ggml.padding_token_id").and_then(Value::as_usize);
    config.padding_id = Some(padding.and_then(|id| i64::try_from(id).ok()).unwrap_or(0));
    config.pooler = false;
    Ok(config)
}

#[track_caller]
fn missing(s: &Settings<'_>, name: &str) -> Error {
    s.error(format_args!("has no table `{name}`"))
}

/// What a tensor is called in the published models, by its name in a file.
fn name_of(name: &str) -> Option<String> {
    let (layer, kind) = name.rsplit_once('.')?;
    if let Some((block, part)) = layer.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
        let part = match part {
            "attn_q" => "attention.self.query",
            "attn_k" => "attention.self.key",
            "attn_v" => "attention.self.value",
            "attn_output" => "attention.output.dense",
            "attn_output_norm" => "attention.output.LayerNorm",
            "ffn_up" => "intermediate.dense",
            "ffn_down" => "output.dense",
            "layer_output_norm" => "output.LayerNorm",
            // Loading finds out that nobody knows it.
            other => other,
        };
        return Some(format!("encoder.layer.{block}.{part}.{kind}"));
    }
    Some(match layer {
        "token_embd" => format!("embeddings.word_embeddings.{kind}"),
        "position_embd" => format!("embeddings.position_embeddings.{kind}"),
        "token_types" => format!("embeddings.token_type_embeddings.{kind}"),
        "token_embd_norm" => format!("embeddings.LayerNorm.{kind}"),
        "cls" | "cls.output" => return None,
        _ => name.to_string(),
    })
}
