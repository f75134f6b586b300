//! Whisper.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::{Pretrained, activations, folder};
use crate::error::{Error, Result, short};
use crate::files;
use crate::io::{self, TensorSource};
use crate::models::{Seq2SeqTokens, Whisper, WhisperConfig, WhisperTokens};
#[cfg(feature = "fft")]
use crate::pipeline::Transcriber;

/// What it is called in `config.json`.
pub(super) const MODEL_TYPE: &str = "whisper";

/// More layers than any model has. Lists are made of so many.
const MAX_LAYERS: usize = 10_000;

const GENERATION: &str = "generation_config.json";
#[cfg(feature = "fft")]
const SOUND: &str = "preprocessor_config.json";

/// What of the configuration changes training alone, and only if it is asked for; the heads of other classes.
const SILENT: [&str; 17] = [
    "alignment_heads",
    "apply_spec_augment",
    "classifier_proj_size",
    "init_std",
    "is_encoder_decoder",
    "lang_ids",
    "mask_feature_length",
    "mask_feature_min_masks",
    "mask_feature_prob",
    "mask_time_length",
    "mask_time_min_masks",
    "mask_time_prob",
    "median_filter_width",
    "num_hidden_layers",
    "scale_embedding",
    "use_weighted_layer_sum",
    "max_initial_timestamp_index",
];

/// The configuration that the options of a `config.json` describe, with the tokens of a `generation_config.json`.
#[track_caller]
fn config(mut fields: Fields, generation: Option<Fields>) -> Result<WhisperConfig> {
    let f = &mut fields;
    let vocab: usize = f.required("vocab_size")?;
    let (padding, end) = (f.optional("pad_token_id")?, f.optional("eos_token_id")?);
    let end: i64 = end.or(padding).unwrap_or(50_256);
    let tokens = Seq2SeqTokens::new(0, vocab).padding_id(padding.unwrap_or(end)).end_id(end);
    let mut config = WhisperConfig::new(tokens.start_id(f.or("decoder_start_token_id", 50_257)?));
    config.num_mel_bins = f.required("num_mel_bins")?;
    config.hidden_size = f.required("d_model")?;
    config.num_encoder_layers = f.required("encoder_layers")?;
    config.num_decoder_layers = f.required("decoder_layers")?;
    if let Some(most) = [config.num_encoder_layers, config.num_decoder_layers].iter().find(|n| **n > MAX_LAYERS) {
        return Err(f.error(format_args!("{most} layers, expected at most {MAX_LAYERS}")));
    }
    config.num_encoder_heads = f.required("encoder_attention_heads")?;
    config.num_decoder_heads = f.required("decoder_attention_heads")?;
    config.encoder_intermediate_size = f.required("encoder_ffn_dim")?;
    config.decoder_intermediate_size = f.required("decoder_ffn_dim")?;
    config.max_source_positions = f.or("max_source_positions", 1500)?;
    config.max_target_positions = f.or("max_target_positions", 448)?;
    config.dropout = f.or("dropout", 0.0)?;
    config.attention_dropout = f.or("attention_dropout", 0.0)?;
    config.activation_dropout = f.or("activation_dropout", 0.0)?;
    config.tied = f.or("tie_word_embeddings", true)?;
    let name: String = f.or("activation_function", "gelu".to_string())?;
    config.activation = match activations::named(&name) {
        Ok(activation) => activation,
        Err(help) => {
            return Err(f.error(format_args!("there is no activation_function `{}`", short(&name))).with_help(help));
        }
    };
    for layers in ["encoder_layerdrop", "decoder_layerdrop"] {
        f.only(layers, &json!(0.0))?;
    }
    // Which older folders say here.
    let mut special = special(f, WhisperTokens::default())?;
    for name in SILENT {
        let _: Option<Value> = f.optional(name)?;
    }
    fields.done(MODEL_TYPE)?;
    if let Some(mut of_generation) = generation {
        special = self::special(&mut of_generation, special)?;
    }
    // By default, there are some of another vocabulary.
    let there = |id: &i64| usize::try_from(*id).is_ok_and(|id| id < vocab);
    special.suppressed.retain(there);
    special.begin_suppressed.retain(there);
    config.special = special;
    Ok(config)
}

/// The special tokens that options name, in place of some.
#[track_caller]
fn special(f: &mut Fields, before: WhisperTokens) -> Result<WhisperTokens> {
    let mut tokens = before;
    if let Some(list) = f.optional("suppress_tokens")? {
        tokens.suppressed = list;
    }
    if let Some(list) = f.optional("begin_suppress_tokens")? {
        tokens.begin_suppressed = list;
    }
    let forced: Option<Vec<(usize, Option<i64>)>> = f.optional("forced_decoder_ids")?;
    if let Some(forced) = forced {
        if let Some((at, _)) = forced.iter().enumerate().find(|(i, (at, _))| *at != i + 1).map(|(_, pair)| pair) {
            let message = format_args!("forced_decoder_ids says what stands at {at}, and not at each place before it");
            return Err(f.error(message));
        }
        tokens.forced = forced.into_iter().map(|(_, id)| id).collect();
    }
    if let Some(id) = f.optional("no_timestamps_token_id")? {
        tokens.no_timestamps = Some(id);
    }
    if let Some(latest) = f.optional("max_initial_timestamp_index")? {
        tokens.max_initial_timestamp = Some(latest);
    }
    let languages: Option<BTreeMap<String, i64>> = f.optional("lang_to_id")?;
    if let Some(languages) = languages {
        let code = |name: &str| name.trim_start_matches("<|").trim_end_matches("|>").to_string();
        tokens.languages = languages.iter().map(|(name, id)| (code(name), *id)).collect();
    }
    let tasks: Option<BTreeMap<String, i64>> = f.optional("task_to_id")?;
    if let Some(tasks) = tasks {
        (tokens.transcribe, tokens.translate) = (tasks.get("transcribe").copied(), tasks.get("translate").copied());
    }
    // Of one that is for English alone, others are not asked for.
    if f.optional("is_multilingual")? == Some(false) {
        tokens.languages.clear();
    }
    Ok(tokens)
}

/// The `config.json` of a configuration.
#[track_caller]
fn published(c: &WhisperConfig) -> Result<Value> {
    let activation = match activations::name_of(c.activation) {
        Ok(name) => name,
        Err(message) => return Err(Error::argument("save_pretrained", message)),
    };
    let mut map = Map::new();
    let mut set = |name: &str, value: Value| drop(map.insert(name.into(), value));
    set("model_type", json!(MODEL_TYPE));
    set("architectures", json!(["WhisperForConditionalGeneration"]));
    set("torch_dtype", json!("float32"));
    set("vocab_size", json!(c.tokens.target_vocab_size));
    set("num_mel_bins", json!(c.num_mel_bins));
    set("d_model", json!(c.hidden_size));
    set("encoder_layers", json!(c.num_encoder_layers));
    set("decoder_layers", json!(c.num_decoder_layers));
    set("encoder_attention_heads", json!(c.num_encoder_heads));
    set("decoder_attention_heads", json!(c.num_decoder_heads));
    set("encoder_ffn_dim", json!(c.encoder_intermediate_size));
    set("decoder_ffn_dim", json!(c.decoder_intermediate_size));
    set("max_source_positions", json!(c.max_source_positions));
    set("max_target_positions", json!(c.max_target_positions));
    set("dropout", json!(c.dropout));
    set("attention_dropout", json!(c.attention_dropout));
    set("activation_dropout", json!(c.activation_dropout));
    set("activation_function", json!(activation));
    set("tie_word_embeddings", json!(c.tied));
    set("pad_token_id", json!(c.tokens.padding_id));
    set("eos_token_id", json!(c.tokens.end_id));
    set("bos_token_id", json!(c.tokens.end_id));
    set("decoder_start_token_id", json!(c.tokens.start_id));
    Ok(Value::Object(map))
}

/// The `generation_config.json` of a configuration.
fn generation(c: &WhisperConfig) -> Value {
    let mut map = Map::new();
    let mut set = |name: &str, value: Value| drop(map.insert(name.into(), value));
    let s = &c.special;
    set("pad_token_id", json!(c.tokens.padding_id));
    set("eos_token_id", json!(c.tokens.end_id));
    set("bos_token_id", json!(c.tokens.end_id));
    set("decoder_start_token_id", json!(c.tokens.start_id));
    set("max_length", json!(c.max_target_positions));
    set("suppress_tokens", json!(s.suppressed));
    set("begin_suppress_tokens", json!(s.begin_suppressed));
    if !s.forced.is_empty() {
        let forced: Vec<(usize, Option<i64>)> = s.forced.iter().enumerate().map(|(i, id)| (i + 1, *id)).collect();
        set("forced_decoder_ids", json!(forced));
    }
    if let Some(id) = s.no_timestamps {
        set("no_timestamps_token_id", json!(id));
    }
    if let Some(latest) = s.max_initial_timestamp {
        set("max_initial_timestamp_index", json!(latest));
    }
    set("is_multilingual", json!(!s.languages.is_empty()));
    if !s.languages.is_empty() {
        let named = s.languages.iter().map(|(code, id)| (format!("<|{code}|>"), json!(id)));
        set("lang_to_id", Value::Object(named.collect()));
    }
    let tasks = [("transcribe", s.transcribe), ("translate", s.translate)];
    let tasks: Map<String, Value> =
        tasks.iter().filter_map(|(name, id)| Some((name.to_string(), json!((*id)?)))).collect();
    if !tasks.is_empty() {
        set("task_to_id", Value::Object(tasks));
    }
    Value::Object(map)
}

/// The folders of `WhisperForConditionalGeneration` and of its body alone.
impl Pretrained for Whisper {
    #[track_caller]
    fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let (op, folder) = ("from_pretrained", folder.as_ref());
        let (model_type, map) = folder::any_config(op, folder)?;
        if model_type != MODEL_TYPE {
            return Err(folder::another_type(op, folder, &model_type, "`whisper`"));
        }
        let path = folder.join(GENERATION);
        let generation = match path.exists() {
            true => Some(Fields::of(op, &path, folder::json(op, &path, "a configuration of generation")?)),
            false => None,
        };
        let config = config(Fields::new(op, folder, map), generation)?;
        let weights = folder::weights_of(op, folder, &[MODEL_TYPE])?;
        let tied = config.tied;
        let source = weights.rename(|name| match name {
            "proj_out.weight" => (!tied).then(|| name.into()),
            name if name.starts_with("model.") => Some(name.into()),
            // The body alone.
            name => Some(format!("model.{name}")),
        })?;
        io::from_source(op, config, &source)
    }

    #[track_caller]
    fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        let (op, folder) = ("save_pretrained", folder.as_ref());
        folder::expect_merged(op, self)?;
        let json = folder::to_json(op, &published(self.config())?)?;
        let tokens = folder::to_json(op, &generation(self.config()))?;
        folder::create(op, folder)?;
        io::save(op, self, &folder::metadata(), &folder.join(folder::WEIGHTS), false)?;
        files::replace(op, &folder.join(GENERATION), |out| out.write_all(&tokens))?;
        files::replace(op, &folder.join(folder::CONFIG), |out| out.write_all(&json))
    }
}

#[cfg(feature = "fft")]
impl Transcriber {
    /// A published Whisper with its tokenizer: see [`pretrained`](crate::pretrained).
    ///
    /// # Errors
    /// As for [`Pretrained::from_pretrained`] and [`tokenizer`](super::tokenizer), and if `preprocessor_config.json` asks for another
    /// spectrum than is made here.
    #[track_caller]
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let (op, folder) = ("from_pretrained", folder.as_ref());
        let tokenizer = folder::tokenizer(op, folder)?;
        let path = folder.join(SOUND);
        let model = Whisper::from_pretrained(folder)?;
        if path.exists() {
            let mut f = Fields::of(op, &path, folder::json(op, &path, "options of a feature extractor")?);
            for (name, known) in [("sampling_rate", 16_000), ("hop_length", 160), ("n_fft", 400)] {
                f.only(name, &json!(known))?;
            }
            f.only("feature_size", &json!(model.config().num_mel_bins))?;
            f.only("dither", &json!(0.0))?;
        }
        Self::new(model, tokenizer)
    }
}
