//! T5, version 1.1 of it and Flan-T5; and their encoders.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::{Pretrained, activations, folder};
use crate::error::{Error, Result, short};
use crate::files;
use crate::io::{self, TensorSource};
use crate::layers::{Activation, Module};
use crate::models::{Seq2SeqTokens, T5, T5Config, T5Encoder};

/// What is called so in `config.json`.
pub(super) const MODEL_TYPES: [&str; 2] = ["t5", "mt5"];

/// More layers than any model has. Lists are made of so many.
const MAX_LAYERS: usize = 10_000;

/// The class with the encoder alone.
const ENCODER: &str = "T5EncoderModel";

/// Whether a folder is that of an encoder alone.
pub(super) fn is_encoder(class: &str) -> bool {
    class.ends_with("EncoderModel")
}

/// The configuration that the options of a `config.json` describe.
#[track_caller]
fn config(model_type: &str, mut fields: Fields) -> Result<T5Config> {
    let f = &mut fields;
    let multilingual = model_type == "mt5";
    let vocab: usize = f.required("vocab_size")?;
    let mut config = T5Config::new(vocab);
    config.hidden_size = f.required("d_model")?;
    config.num_heads = f.required("num_heads")?;
    config.head_dim = f.required("d_kv")?;
    config.intermediate_size = f.required("d_ff")?;
    config.num_encoder_layers = f.required("num_layers")?;
    config.num_decoder_layers = f.or("num_decoder_layers", config.num_encoder_layers)?;
    if let Some(most) = [config.num_encoder_layers, config.num_decoder_layers].iter().find(|n| **n > MAX_LAYERS) {
        return Err(f.error(format_args!("{most} layers, expected at most {MAX_LAYERS}")));
    }
    config.num_buckets = f.or("relative_attention_num_buckets", 32)?;
    config.max_distance = f.or("relative_attention_max_distance", 128)?;
    config.dropout = f.or("dropout_rate", 0.1)?;
    config.layer_norm_eps = f.or("layer_norm_epsilon", 1e-6)?;
    let default = if multilingual { "gated-gelu" } else { "relu" };
    let proj: String = f.or("feed_forward_proj", default.to_string())?;
    let (gated, name) = match proj.strip_prefix("gated-") {
        // Which means the approximation.
        Some("gelu") => (true, "gelu_new"),
        Some(name) => (true, name),
        None => (false, &*proj),
    };
    config.gated = gated;
    config.activation = match activations::named(name) {
        Ok(activation) => activation,
        Err(help) => {
            return Err(f.error(format_args!("there is no feed_forward_proj `{}`", short(&proj))).with_help(help));
        }
    };
    // Made of the above.
    let _: (Option<bool>, Option<String>) = (f.optional("is_gated_act")?, f.optional("dense_act_fn")?);
    // Whether an output layer of its own is there is seen in the file. Up to the fourth version of `transformers`, the option says of
    // both at once.
    config.tied = f.or("tie_word_embeddings", true)?;
    config.scaled = f.or("scale_decoder_outputs", config.tied && !multilingual)?;
    let padding = f.or("pad_token_id", 0)?;
    let tokens = Seq2SeqTokens::new(vocab, vocab).padding_id(padding);
    config.tokens = tokens.start_id(f.or("decoder_start_token_id", padding)?).end_id(f.or("eos_token_id", 1)?);
    let _: Option<bool> = f.optional("is_encoder_decoder")?;
    // What begins training, a head that is not here, and a length up to which it was trained.
    let _: (Option<f64>, Option<f64>) = (f.optional("initializer_factor")?, f.optional("classifier_dropout")?);
    let _: (Option<usize>, Option<bool>) = (f.optional("n_positions")?, f.optional("output_past")?);
    fields.done(model_type)?;
    Ok(config)
}

/// The `config.json` of a configuration.
#[track_caller]
fn published(c: &T5Config, encoder: bool) -> Result<Value> {
    let name = match activations::name_of(c.activation) {
        Ok("gelu_new") if c.gated => "gelu",
        Ok(name) => name,
        Err(message) => return Err(Error::argument("save_pretrained", message)),
    };
    // The name without more means its approximation.
    if c.gated && c.activation == Activation::Gelu {
        let e = Error::argument("save_pretrained", "`transformers` has no name for a gate of exact GELU");
        return Err(e.with_help("the gate of the published models is GeluTanh"));
    }
    let mut map = Map::new();
    let mut set = |name: &str, value: Value| drop(map.insert(name.into(), value));
    set("model_type", json!("t5"));
    set("architectures", json!([if encoder { ENCODER } else { "T5ForConditionalGeneration" }]));
    set("torch_dtype", json!("float32"));
    set("vocab_size", json!(c.tokens.source_vocab_size));
    set("d_model", json!(c.hidden_size));
    set("num_heads", json!(c.num_heads));
    set("d_kv", json!(c.head_dim));
    set("d_ff", json!(c.intermediate_size));
    set("num_layers", json!(c.num_encoder_layers));
    set("num_decoder_layers", json!(c.num_decoder_layers));
    set("relative_attention_num_buckets", json!(c.num_buckets));
    set("relative_attention_max_distance", json!(c.max_distance));
    set("dropout_rate", json!(c.dropout));
    set("layer_norm_epsilon", json!(c.layer_norm_eps));
    set("feed_forward_proj", json!(if c.gated { format!("gated-{name}") } else { name.to_string() }));
    set("tie_word_embeddings", json!(c.tied));
    set("scale_decoder_outputs", json!(c.scaled));
    set("pad_token_id", json!(c.tokens.padding_id));
    set("decoder_start_token_id", json!(c.tokens.start_id));
    set("eos_token_id", json!(c.tokens.end_id));
    set("is_encoder_decoder", json!(!encoder));
    Ok(Value::Object(map))
}

/// The configuration in a folder and its tensors, by the names that they have here.
#[track_caller]
fn read(folder: &Path, encoder: bool) -> Result<(T5Config, impl TensorSource)> {
    let op = "from_pretrained";
    let (model_type, map) = folder::any_config(op, folder)?;
    if !MODEL_TYPES.contains(&&*model_type) {
        return Err(folder::another_type(op, folder, &model_type, "of the family of T5"));
    }
    let mut config = config(&model_type, Fields::new(op, folder, map))?;
    let weights = folder::weights_of(op, folder, &["t5"])?;
    let there = |name: &str| weights.infos().iter().any(|info| info.name == name);
    let both = there("lm_head.weight") && there("shared.weight");
    // Some that are tied have the same numbers twice, and some that are said to be tied have others.
    config.tied = match config.tied {
        _ if encoder => config.tied,
        false => !there("lm_head.weight"),
        true if both => weights.read("lm_head.weight")?.to_f64_vec() == weights.read("shared.weight")?.to_f64_vec(),
        true => true,
    };
    let (tied, shared) = (config.tied, there("shared.weight"));
    let source = weights.rename(|name| match name {
        "lm_head.weight" => (!tied && !encoder).then(|| name.into()),
        // The table once more.
        "encoder.embed_tokens.weight" if !shared => Some("shared.weight".into()),
        "encoder.embed_tokens.weight" | "decoder.embed_tokens.weight" => None,
        // Which the first releases had, and never used.
        "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight" => None,
        name if encoder && name.starts_with("decoder.") => None,
        name => Some(name.into()),
    })?;
    Ok((config, source))
}

#[track_caller]
fn write(model: &impl Module, config: &T5Config, encoder: bool, folder: &Path) -> Result<()> {
    let op = "save_pretrained";
    folder::expect_merged(op, model)?;
    let json = folder::to_json(op, &published(config, encoder)?)?;
    folder::create(op, folder)?;
    io::save(op, model, &folder::metadata(), &folder.join(folder::WEIGHTS), false)?;
    files::replace(op, &folder.join(folder::CONFIG), |out| out.write_all(&json))
}

/// The folders of `T5ForConditionalGeneration` and `MT5ForConditionalGeneration`.
impl Pretrained for T5 {
    #[track_caller]
    fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let (config, source) = read(folder.as_ref(), false)?;
        io::from_source("from_pretrained", config, &source)
    }

    #[track_caller]
    fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        write(self, self.config(), false, folder.as_ref())
    }
}

/// The folders of `T5EncoderModel`, and those of whole models, of which the decoder is left out.
impl Pretrained for T5Encoder {
    #[track_caller]
    fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let (config, source) = read(folder.as_ref(), true)?;
        io::from_source("from_pretrained", config, &source)
    }

    #[track_caller]
    fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        write(self, self.config(), true, folder.as_ref())
    }
}
