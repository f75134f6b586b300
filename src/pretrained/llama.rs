//! Llama, and the families that are built as it is.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::split::Split;
use super::{Pretrained, activations, folder, gguf};
use crate::error::{Error, Result, short};
use crate::files;
use crate::io::{self, TensorSource, safetensors};
use crate::layers::Activation;
use crate::models::{Llama, LlamaConfig, LlamaFamily, RopeConfig, RopeScaling};
use crate::tensor::Tensor;

use LlamaFamily::{Gemma, Gemma2, Gemma3, Mistral, Phi3, Qwen2, Qwen3, Smollm3};

/// The families with what they are called in `config.json`, and the class that `transformers` reads them with.
const FAMILIES: [(&str, LlamaFamily, &str); 9] = [
    ("llama", LlamaFamily::Llama, "LlamaForCausalLM"),
    ("mistral", Mistral, "MistralForCausalLM"),
    ("qwen2", Qwen2, "Qwen2ForCausalLM"),
    ("qwen3", Qwen3, "Qwen3ForCausalLM"),
    ("phi3", Phi3, "Phi3ForCausalLM"),
    ("smollm3", Smollm3, "SmolLM3ForCausalLM"),
    ("gemma", Gemma, "GemmaForCausalLM"),
    ("gemma2", Gemma2, "Gemma2ForCausalLM"),
    ("gemma3_text", Gemma3, "Gemma3ForCausalLM"),
];

/// The family of a `model_type`.
pub(super) fn family(model_type: &str) -> Option<LlamaFamily> {
    FAMILIES.iter().find(|(name, _, _)| *name == model_type).map(|(_, family, _)| *family)
}

pub(super) fn names(family: LlamaFamily) -> (&'static str, &'static str) {
    let found = FAMILIES.iter().find(|(_, known, _)| *known == family);
    found.map_or(("llama", "LlamaForCausalLM"), |(name, _, class)| (name, class))
}

fn is_gemma(family: LlamaFamily) -> bool {
    matches!(family, Gemma | Gemma2 | Gemma3)
}

/// More layers than any model has. Lists are made of so many.
pub(super) const MAX_LAYERS: usize = 10_000;

/// The configuration that the options of a `config.json` describe.
#[track_caller]
pub(super) fn config(family: LlamaFamily, mut fields: Fields) -> Result<LlamaConfig> {
    let f = &mut fields;
    let mut config = LlamaConfig::new(f.required("vocab_size")?, f.required("max_position_embeddings")?);
    config.family = family;
    config.hidden_size = f.required("hidden_size")?;
    config.intermediate_size = f.required("intermediate_size")?;
    config.num_layers = f.required("num_hidden_layers")?;
    if config.num_layers > MAX_LAYERS {
        return Err(f.error(format_args!("num_hidden_layers is {}, expected at most {MAX_LAYERS}", config.num_layers)));
    }
    config.num_heads = f.required("num_attention_heads")?;
    config.num_kv_heads = Some(f.or("num_key_value_heads", config.num_heads)?);
    config.head_dim = f.optional("head_dim")?;
    if config.head_dim.is_none() && (is_gemma(family) || family == Qwen3) {
        config.head_dim = Some(if family == Qwen3 { 128 } else { 256 });
    }
    config.head_dim = config.head_dim.filter(|size| size.checked_mul(config.num_heads) != Some(config.hidden_size));
    config.rms_norm_eps = f.or("rms_norm_eps", if family == Phi3 { 1e-5 } else { 1e-6 })?;
    config.tied = f.or("tie_word_embeddings", is_gemma(family) || family == Smollm3)?;
    config.attention_dropout = f.or("attention_dropout", 0.0)?;
    config.activation = activation(family, f)?;
    biases(&mut config, f)?;
    gemma(&mut config, f)?;
    if family == Phi3 {
        config.dropout = f.or("resid_pdrop", 0.0)?;
        f.only("embd_pdrop", &json!(0.0))?;
    }
    if family == Smollm3 {
        config.layers_without_rope = layers_without_rope(&config, f)?;
    }
    window(&mut config, f)?;
    ropes(&mut config, f)?;
    fields.done(names(family).0)?;
    Ok(config)
}

#[track_caller]
fn activation(family: LlamaFamily, f: &mut Fields) -> Result<Activation> {
    let default = if is_gemma(family) { "gelu_pytorch_tanh" } else { "silu" };
    let (older, newer): (Option<String>, Option<String>) =
        (f.optional("hidden_act")?, f.optional("hidden_activation")?);
    let name = match (older, newer) {
        (_, Some(name)) => name,
        // What the first release of Gemma called its approximation.
        (Some(name), None) if family == Gemma && name == "gelu" => default.into(),
        (Some(name), None) => name,
        (None, None) => default.into(),
    };
    match activations::named(&name) {
        Ok(activation) => Ok(activation),
        Err(help) => Err(f.error(format_args!("there is no hidden_act `{}`", short(&name))).with_help(help)),
    }
}

#[track_caller]
fn biases(config: &mut LlamaConfig, f: &mut Fields) -> Result<()> {
    let known = !matches!(config.family, Mistral | Qwen2 | Phi3);
    if known {
        config.qkv_bias = f.or("attention_bias", false)?;
        config.output_bias = config.qkv_bias;
    } else {
        f.only("attention_bias", &json!(false))?;
        config.qkv_bias = config.family == Qwen2;
    }
    match config.family {
        LlamaFamily::Llama | Smollm3 => config.mlp_bias = f.or("mlp_bias", false)?,
        _ => f.only("mlp_bias", &json!(false))?,
    }
    f.only("lm_head_bias", &json!(false))
}

#[track_caller]
fn gemma(config: &mut LlamaConfig, f: &mut Fields) -> Result<()> {
    config.qk_norm = matches!(config.family, Qwen3 | Gemma3);
    if !is_gemma(config.family) {
        return Ok(());
    }
    config.unit_offset = true;
    config.embedding_scale = Some((config.hidden_size as f64).sqrt());
    f.only("use_bidirectional_attention", &json!(false))?;
    if config.family != Gemma {
        config.post_norms = true;
        let size: f64 = f.or("query_pre_attn_scalar", 256.0)?;
        config.attention_scale = Some(size.powf(-0.5));
        let [attention, logits] = ["attn_logit_softcapping", "final_logit_softcapping"];
        // Left out, these are as large as in the first models; to be without, they are null.
        let default = |f: &Fields, name, cap| if f.says(name) || config.family == Gemma3 { None } else { Some(cap) };
        let (of_scores, of_logits) = (default(f, attention, 50.0), default(f, logits, 30.0));
        config.attention_softcap = f.optional(attention)?.or(of_scores);
        if config.family == Gemma3 {
            // `transformers` has the option of its older sister, and does nothing with it.
            config.attention_softcap = None;
        }
        config.logit_softcap = f.optional(logits)?.or(of_logits);
    }
    Ok(())
}

/// Which blocks look at a window only.
#[track_caller]
fn window(config: &mut LlamaConfig, f: &mut Fields) -> Result<()> {
    let layers = config.num_layers;
    let window: Option<usize> = match config.family {
        LlamaFamily::Llama | Gemma => {
            f.only("sliding_window", &Value::Null)?;
            None
        }
        Mistral | Phi3 => f.optional("sliding_window")?,
        Gemma2 | Gemma3 => Some(f.or("sliding_window", 4096)?),
        _ => {
            let (used, window) = (f.or("use_sliding_window", false)?, f.optional("sliding_window")?);
            // Where its layers have types, these decide.
            window.filter(|_| used || config.family == Smollm3 && f.has("layer_types"))
        }
    };
    let types: Option<Vec<String>> = f.optional("layer_types")?;
    let pattern: usize = match config.family {
        // Kept by one name or the other.
        Gemma3 => match f.optional("sliding_window_pattern")? {
            Some(pattern) => pattern,
            None => f.or("_sliding_window_pattern", 6)?,
        },
        _ => 2,
    };
    let first: usize = if matches!(config.family, Qwen2 | Qwen3) { f.or("max_window_layers", 28)? } else { 0 };
    let full: Vec<usize> = match types {
        Some(types) => {
            if types.len() != layers {
                return Err(f.error(format_args!("layer_types has {} entries for {layers} layers", types.len())));
            }
            let known = ["full_attention", "sliding_attention"];
            if let Some(other) = types.iter().find(|kind| !known.contains(&kind.as_str())) {
                let e = f.error(format_args!("there are no layers of the type `{}`", short(other)));
                return Err(e.with_help(format!("the types are {}", known.join(", "))));
            }
            (0..layers).filter(|layer| types[*layer] == known[0]).collect()
        }
        None => match config.family {
            Qwen2 | Qwen3 => (0..layers.min(first)).collect(),
            Gemma2 | Gemma3 => (0..layers).filter(|layer| (layer + 1).is_multiple_of(pattern.max(1))).collect(),
            // Those that are turned by their positions.
            Smollm3 => (0..layers).filter(|layer| !config.layers_without_rope.contains(layer)).collect(),
            _ => Vec::new(),
        },
    };
    config.sliding_window = window.filter(|_| full.len() < layers);
    config.full_layers = if config.sliding_window.is_some() { full } else { Vec::new() };
    Ok(())
}

#[track_caller]
fn layers_without_rope(config: &LlamaConfig, f: &mut Fields) -> Result<Vec<usize>> {
    let (flags, interval): (Option<Vec<u8>>, usize) =
        (f.optional("no_rope_layers")?, f.or("no_rope_layer_interval", 4)?);
    match flags {
        Some(flags) if flags.len() < config.num_layers => {
            let message = format!("no_rope_layers has {} entries for {} layers", flags.len(), config.num_layers);
            Err(f.error(message))
        }
        Some(flags) => Ok((0..config.num_layers).filter(|layer| flags[*layer] == 0).collect()),
        None => Ok((0..config.num_layers).filter(|layer| (layer + 1).is_multiple_of(interval.max(1))).collect()),
    }
}

/// The positions, as `transformers` has written them since its fifth version, or before.
#[track_caller]
fn ropes(config: &mut LlamaConfig, f: &mut Fields) -> Result<()> {
    let theta = match config.family {
        Gemma3 => 1_000_000.0,
        Smollm3 => 2_000_000.0,
        _ => 10_000.0,
    };
    let theta: f64 = f.or("rope_theta", theta)?;
    let local: Option<f64> = if config.family == Gemma3 { Some(f.or("rope_local_base_freq", 10_000.0)?) } else { None };
    let part: f64 = f.or("partial_rotary_factor", 1.0)?;
    let original: Option<usize> = f.optional("original_max_position_embeddings")?;
    f.only("rope_interleaved", &json!(false))?;
    let (older, newer) = (f.nested("rope_scaling")?, f.nested("rope_parameters")?);
    let mut scaling = older.or(newer);
    let mut of_layers = None;
    if let (Some(local), Some(both)) = (local, &mut scaling)
        && (both.has("full_attention") || both.has("sliding_attention"))
    {
        of_layers = Some(match both.nested("sliding_attention")? {
            Some(own) => rope(config, own, local, part, None)?,
            None => RopeConfig::new(local),
        });
        let whole = both.nested("full_attention")?;
        if let Some(both) = scaling.take() {
            both.done("rope_parameters")?;
        }
        scaling = whole;
    }
    config.rope = match scaling {
        Some(own) => rope(config, own, theta, part, original)?,
        None => RopeConfig { dims: dims(config, part), ..RopeConfig::new(theta) },
    };
    config.local_rope = of_layers.or(local.map(RopeConfig::new));
    if let Some(RopeScaling::Dynamic { factor, .. }) = &config.rope.scaling {
        // Which only begins where the context would have ended.
        config.context_length = (config.context_length as f64 * factor) as usize;
    }
    Ok(())
}

/// How many features turn, if not all do.
fn dims(config: &LlamaConfig, part: f64) -> Option<usize> {
    (part != 1.0).then(|| (config.head_size() as f64 * part) as usize)
}

#[track_caller]
fn rope(config: &LlamaConfig, mut f: Fields, theta: f64, part: f64, original: Option<usize>) -> Result<RopeConfig> {
    let (older, newer): (Option<String>, Option<String>) = (f.optional("type")?, f.optional("rope_type")?);
    let kind = newer.or(older).unwrap_or_else(|| "default".into());
    let theta: f64 = f.or("rope_theta", theta)?;
    let part: f64 = f.or("partial_rotary_factor", part)?;
    let context = config.context_length;
    let kind = match kind.as_str() {
        // As Phi-3's files have called it.
        "su" | "yarn" if config.family == Phi3 => "longrope",
        other => other,
    };
    let inner: Option<usize> = f.optional("original_max_position_embeddings")?;
    let original_context = original.or(inner).unwrap_or(context);
    let longer = context as f64 / original_context as f64;
    let scaling = match kind {
        "default" => None,
        "linear" => Some(RopeScaling::Linear { factor: f.required("factor")? }),
        "dynamic" => Some(RopeScaling::Dynamic { factor: f.required("factor")?, original_context: context }),
        "llama3" => Some(RopeScaling::Llama3 {
            factor: f.required("factor")?,
            low_freq_factor: f.required("low_freq_factor")?,
            high_freq_factor: f.required("high_freq_factor")?,
            original_context,
        }),
        "yarn" => {
            let factor: f64 = f.or("factor", longer)?;
            let attention: Option<f64> = f.optional("attention_factor")?;
            let scales: [Option<f64>; 2] = [f.optional("mscale")?, f.optional("mscale_all_dim")?];
            let grown = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
            Some(RopeScaling::Yarn {
                factor,
                original_context,
                beta_fast: f.or("beta_fast", 32.0)?,
                beta_slow: f.or("beta_slow", 1.0)?,
                attention_factor: attention.or(match scales {
                    [Some(a), Some(b)] if a != 0.0 && b != 0.0 => Some(grown(a) / grown(b)),
                    _ => None,
                }),
                truncate: f.or("truncate", true)?,
            })
        }
        "longrope" => {
            let factor: f64 = f.or("factor", longer)?;
            let attention: Option<f64> = f.optional("attention_factor")?;
            let grown =
                || if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (original_context as f64).ln()).sqrt() };
            Some(RopeScaling::Longrope {
                short_factor: f.required("short_factor")?,
                long_factor: f.required("long_factor")?,
                original_context,
                attention_factor: attention.unwrap_or_else(grown),
            })
        }
        other => {
            let e = f.error(format_args!("there is no rope_type `{}`", short(other)));
            return Err(e.with_help("the types are default, linear, dynamic, llama3, yarn, longrope"));
        }
    };
    f.done(kind)?;
    Ok(RopeConfig { dims: dims(config, part), scaling, ..RopeConfig::new(theta) })
}

/// What a family's `config.json` has no word for, or cannot be without.
fn unsayable(c: &LlamaConfig) -> Option<String> {
    let (name, family) = (names(c.family).0, c.family);
    let is = |families: &[LlamaFamily]| families.contains(&family);
    let gemma = is_gemma(family);
    let scale = (c.hidden_size as f64).sqrt();
    let has = [
        ("sliding_window", c.sliding_window.is_some(), !is(&[LlamaFamily::Llama, Gemma])),
        ("full_layers", !c.full_layers.is_empty(), is(&[Qwen2, Qwen3, Smollm3, Gemma2, Gemma3])),
        ("qkv_bias", c.qkv_bias, !is(&[Mistral, Phi3])),
        ("output_bias", c.output_bias, !is(&[Mistral, Phi3, Qwen2])),
        ("mlp_bias", c.mlp_bias, is(&[LlamaFamily::Llama, Smollm3])),
        ("qk_norm", c.qk_norm, is(&[Qwen3, Gemma3])),
        ("unit_offset", c.unit_offset, gemma),
        ("post_norms", c.post_norms, is(&[Gemma2, Gemma3])),
        ("embedding_scale", c.embedding_scale.is_some(), gemma),
        ("attention_scale", c.attention_scale.is_some(), is(&[Gemma2, Gemma3])),
        ("attention_softcap", c.attention_softcap.is_some(), is(&[Gemma2])),
        ("logit_softcap", c.logit_softcap.is_some(), is(&[Gemma2, Gemma3])),
        ("dropout", c.dropout > 0.0, family == Phi3),
        ("rope.dims", c.rope.dims.is_some_and(|dims| dims != c.head_size()), family == Phi3),
        ("rope.interleaved", c.rope.interleaved || c.local_rope.as_ref().is_some_and(|rope| rope.interleaved), false),
        ("local_rope", c.local_rope.is_some(), family == Gemma3),
        ("layers_without_rope", !c.layers_without_rope.is_empty(), family == Smollm3),
    ];
    if let Some((option, _, _)) = has.iter().find(|(_, used, known)| *used && !known) {
        return Some(format!("a `{name}` has no {option}"));
    }
    let needs = [
        ("qkv_bias", !c.qkv_bias, family == Qwen2),
        ("qk_norm", !c.qk_norm, is(&[Qwen3, Gemma3])),
        ("unit_offset", !c.unit_offset, gemma),
        ("post_norms", !c.post_norms, is(&[Gemma2, Gemma3])),
        ("sliding_window", c.sliding_window.is_none(), is(&[Gemma2, Gemma3])),
        ("attention_scale", c.attention_scale.is_none(), is(&[Gemma2, Gemma3])),
        ("local_rope", c.local_rope.is_none(), family == Gemma3),
        (
            "embedding_scale of √hidden_size",
            c.embedding_scale.is_none_or(|own| (own - scale).abs() > 1e-9 * scale),
            gemma,
        ),
    ];
    if let Some((option, _, _)) = needs.iter().find(|(_, lacking, needed)| *lacking && *needed) {
        return Some(format!("a `{name}` always has {option}"));
    }
    (c.qkv_bias != c.output_bias && family != Qwen2).then(|| format!("a `{name}` has all biases of attention, or none"))
}

/// The `config.json` of a configuration: what `transformers` has read since its fourth version.
#[track_caller]
pub(super) fn published(c: &LlamaConfig) -> Result<Value> {
    let op = "save_pretrained";
    if let Some(message) = unsayable(c) {
        return Err(
            Error::argument(op, message).with_help("the option `family` says as which of them a Llama is written")
        );
    }
    let activation = match activations::name_of(c.activation) {
        // Both are this function; the other one is GPT-2's word.
        Ok("gelu_new") => "gelu_pytorch_tanh",
        Ok(name) => name,
        Err(message) => return Err(Error::argument(op, message)),
    };
    let (model_type, class) = names(c.family);
    let mut map = Map::new();
    let mut set = |name: &str, value: Value| drop(map.insert(name.into(), value));
    set("model_type", json!(model_type));
    set("architectures", json!([class]));
    set("torch_dtype", json!("float32"));
    set("vocab_size", json!(c.vocab_size));
    set("hidden_size", json!(c.hidden_size));
    set("intermediate_size", json!(c.intermediate_size));
    set("num_hidden_layers", json!(c.num_layers));
    set("num_attention_heads", json!(c.num_heads));
    set("num_key_value_heads", json!(c.key_heads()));
    set("head_dim", json!(c.head_size()));
    set("rms_norm_eps", json!(c.rms_norm_eps));
    set("tie_word_embeddings", json!(c.tied));
    set("attention_dropout", json!(c.attention_dropout));
    set(if matches!(c.family, Gemma2 | Gemma3) { "hidden_activation" } else { "hidden_act" }, json!(activation));
    // Which tokens these are is not known here.
    for name in ["bos_token_id", "eos_token_id", "pad_token_id"] {
        set(name, Value::Null);
    }
    if !matches!(c.family, Mistral | Qwen2 | Phi3) {
        set("attention_bias", json!(c.qkv_bias));
    }
    if matches!(c.family, LlamaFamily::Llama | Smollm3) {
        set("mlp_bias", json!(c.mlp_bias));
    }
    if c.family == Phi3 {
        set("resid_pdrop", json!(c.dropout));
    }
    if matches!(c.family, Gemma2 | Gemma3) {
        let size = c.attention_scale.unwrap_or(1.0).powi(-2);
        // Which is asked for as a whole number.
        let whole = (size - size.round()).abs() < 1e-6 * size;
        set("query_pre_attn_scalar", if whole { json!(size.round() as u64) } else { json!(size) });
        set("attn_logit_softcapping", json!(c.attention_softcap));
        set("final_logit_softcapping", json!(c.logit_softcap));
    }
    if !matches!(c.family, LlamaFamily::Llama | Gemma) {
        set("sliding_window", json!(c.sliding_window));
    }
    if matches!(c.family, Qwen2 | Qwen3 | Smollm3 | Gemma2 | Gemma3) {
        let kind = |layer| if c.is_sliding(layer) { "sliding_attention" } else { "full_attention" };
        set("layer_types", json!((0..c.num_layers).map(kind).collect::<Vec<_>>()));
    }
    if matches!(c.family, Qwen2 | Qwen3 | Smollm3) {
        set("use_sliding_window", json!(c.sliding_window.is_some()));
    }
    if c.family == Smollm3 {
        let turned = (0..c.num_layers).map(|layer| u8::from(!c.layers_without_rope.contains(&layer)));
        set("no_rope_layers", json!(turned.collect::<Vec<_>>()));
    }
    set("rope_theta", json!(c.rope.theta));
    if let Some(local) = &c.local_rope {
        if local.scaling.is_some() {
            return Err(Error::argument(op, "a `gemma3_text` has no scaling of its local_rope"));
        }
        set("rope_local_base_freq", json!(local.theta));
    }
    if let Some(dims) = c.rope.dims.filter(|_| c.family == Phi3) {
        set("partial_rotary_factor", json!(dims as f64 / c.head_size() as f64));
    }
    let mut context = c.context_length;
    let scaling = c.rope.scaling.as_ref().map(|scaling| match scaling {
        RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
        RopeScaling::Dynamic { factor, original_context } => {
            context = *original_context;
            json!({"rope_type": "dynamic", "factor": factor})
        }
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": low_freq_factor,
            "high_freq_factor": high_freq_factor, "original_max_position_embeddings": original_context,
        }),
        RopeScaling::Yarn { factor, original_context, beta_fast, beta_slow, attention_factor, truncate } => {
            let mut map = json!({
                "rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original_context,
                "beta_fast": beta_fast, "beta_slow": beta_slow, "truncate": truncate,
            });
            if let Some(attention) = attention_factor {
                map["attention_factor"] = json!(attention);
            }
            map
        }
        RopeScaling::Longrope { short_factor, long_factor, original_context, attention_factor } => {
            set("original_max_position_embeddings", json!(original_context));
            json!({
                "rope_type": "longrope", "short_factor": short_factor, "long_factor": long_factor,
                "attention_factor": attention_factor,
            })
        }
    });
    set("rope_scaling", json!(scaling));
    set("max_position_embeddings", json!(context));
    Ok(Value::Object(map))
}

/// The tensors of a folder by the names that they have here.
#[track_caller]
pub(super) fn source(
    op: &'static str,
    config: &LlamaConfig,
    weights: Box<dyn TensorSource>,
) -> Result<Box<dyn TensorSource>> {
    let tied = config.tied;
    let weights = weights.rename(|name| match name {
        // What earlier releases saved of the positions.
        name if name.ends_with(".rotary_emb.inv_freq") => None,
        "lm_head.weight" => (!tied).then(|| name.into()),
        name if name.starts_with("model.") || name.starts_with(super::classifier::SCORE) => Some(name.into()),
        // The body alone.
        name => Some(format!("model.{name}")),
    })?;
    if config.family != Phi3 {
        return Ok(Box::new(weights));
    }
    let (wide, narrow) =
        (config.num_heads.saturating_mul(config.head_size()), config.key_heads().saturating_mul(config.head_size()));
    let inner = config.intermediate_size;
    Ok(Box::new(Split::new(op, weights, |name| {
        let part = |whole: &str, parts: &[(&str, usize)]| {
            let at = name.strip_suffix(&format!("{whole}.weight"))?;
            Some(parts.iter().map(|(part, rows)| (format!("{at}{part}.weight"), *rows)).collect())
        };
        part("qkv_proj", &[("q_proj", wide), ("k_proj", narrow), ("v_proj", narrow)])
            .or_else(|| part("gate_up_proj", &[("gate_proj", inner), ("up_proj", inner)]))
    })?))
}

/// The tensors of a model as Phi-3's files have them: what is computed of the same input stands in one.
#[track_caller]
pub(super) fn fused(model: &Llama) -> Result<Vec<(String, Tensor)>> {
    let mut all: Vec<(String, Tensor)> = Vec::new();
    for (name, tensor) in io::slots(model) {
        let whole = |part: &str, whole: &str| {
            Some(name.strip_suffix(&format!("{part}.weight"))?.to_string() + whole + ".weight")
        };
        let begins = whole("q_proj", "qkv_proj").or_else(|| whole("gate_proj", "gate_up_proj"));
        let goes_on = ["k_proj", "v_proj"].iter().find_map(|part| whole(part, "qkv_proj"));
        let goes_on = goes_on.or_else(|| whole("up_proj", "gate_up_proj"));
        match (begins, goes_on, all.last_mut()) {
            (Some(name), _, _) => all.push((name, tensor)),
            (None, Some(name), Some((last, rows))) if *last == name => *rows = Tensor::cat(&[&*rows, &tensor], 0)?,
            _ => all.push((name, tensor)),
        }
    }
    Ok(all)
}

/// The folders of `LlamaForCausalLM` and those of the other [families](LlamaFamily), and of their bodies without an output layer.
impl Pretrained for Llama {
    #[track_caller]
    fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let (op, folder) = ("from_pretrained", folder.as_ref());
        if gguf::is_file(folder) {
            return gguf::llama(op, folder);
        }
        let (model_type, map) = folder::any_config(op, folder)?;
        let Some(family) = family(&model_type) else {
            return Err(folder::another_type(op, folder, &model_type, "of the family of Llama"));
        };
        let config = config(family, Fields::new(op, folder, map))?;
        let weights = folder::weights_of(op, folder, &["llama"])?;
        let source = source(op, &config, weights)?;
        io::from_source(op, config, &source)
    }

    #[track_caller]
    fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        let (op, folder) = ("save_pretrained", folder.as_ref());
        folder::expect_merged(op, self)?;
        let json = folder::to_json(op, &published(self.config())?)?;
        folder::create(op, folder)?;
        let path = folder.join(folder::WEIGHTS);
        match self.config().family {
            Phi3 => safetensors::write(op, fused(self)?, &folder::metadata(), &path)?,
            _ => io::save(op, self, &folder::metadata(), &path, false)?,
        }
        files::replace(op, &folder.join(folder::CONFIG), |out| out.write_all(&json))
    }
}
