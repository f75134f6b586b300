//! Models of the Llama family in GGUF files.

use std::path::Path;

use super::{Settings, open};
use crate::error::{Result, short};
use crate::io::{self, TensorInfo, TensorSource};
use crate::layers::Activation;
use crate::models::{Llama, LlamaConfig, LlamaFamily, RopeConfig, RopeScaling};
use crate::pretrained::split::Split;
use crate::tensor::{QTensor, Tensor};

use LlamaFamily::{Gemma, Gemma2, Gemma3, Phi3, Qwen2, Qwen3, Smollm3};

/// The architectures that files name, as which family they are read.
const FAMILIES: [(&str, LlamaFamily); 8] = [
    ("llama", LlamaFamily::Llama),
    ("qwen2", Qwen2),
    ("qwen3", Qwen3),
    ("phi3", Phi3),
    ("smollm3", Smollm3),
    ("gemma", Gemma),
    ("gemma2", Gemma2),
    ("gemma3", Gemma3),
];

/// The model of the Llama family in a file. Weights that are in blocks stay so.
#[track_caller]
pub(in crate::pretrained) fn llama(op: &'static str, path: &Path) -> Result<Llama> {
    let reader = open(op, path)?;
    let settings = Settings::new(op, &reader)?;
    let Some((_, family)) = FAMILIES.iter().find(|(name, _)| *name == settings.architecture) else {
        let known: Vec<&str> = FAMILIES.iter().map(|(name, _)| *name).collect();
        return Err(settings.another(&format!("models::Llama reads {}", known.join(", "))));
    };
    let config = config(&settings, *family)?;
    let of_heads = |heads: usize| heads.saturating_mul(config.head_size());
    let (wide, narrow, inner) = (of_heads(config.num_heads), of_heads(config.key_heads()), config.intermediate_size);
    let divided = Split::new(op, &reader, |name| {
        let (block, part) = name.strip_prefix("blk.")?.split_once('.')?;
        let own = |part: &str| format!("blk.{block}.{part}");
        Some(match part {
            "attn_qkv.weight" => {
                vec![(own("attn_q.weight"), wide), (own("attn_k.weight"), narrow), (own("attn_v.weight"), narrow)]
            }
            "ffn_up.weight" if *family == Phi3 => {
                vec![(own("ffn_gate.weight"), inner), (own("ffn_up.weight"), inner)]
            }
            _ => return None,
        })
    })?;
    let named = divided.rename(|name| name_of(*family, name))?;
    let source = Restored { source: named, family: *family, heads: config.num_heads, key_heads: config.key_heads() };
    io::from_source(op, config, &source)
}

#[track_caller]
fn config(s: &Settings<'_>, family: LlamaFamily) -> Result<LlamaConfig> {
    let tensors = s.reader.infos();
    let find = |name: &str| tensors.iter().find(|info| info.name == name);
    let Some(&[vocabulary, _]) = find("token_embd.weight").map(|info| info.shape.as_slice()) else {
        return Err(s.error("has no table of token embeddings, `token_embd.weight`"));
    };
    let mut config = LlamaConfig::new(vocabulary, s.size("context_length")?);
    config.family = family;
    config.hidden_size = s.size("embedding_length")?;
    config.num_layers = s.layers()?;
    config.intermediate_size = s.size("feed_forward_length")?;
    config.num_heads = s.size("attention.head_count")?;
    config.num_kv_heads = s.optional_size("attention.head_count_kv")?;
    config.head_dim = s.optional_size("attention.key_length")?;
    if let Some(eps) = s.written("attention.layer_norm_rms_epsilon")? {
        config.rms_norm_eps = eps;
    }
    config.tied = find("output.weight").is_none();
    config.qkv_bias = find("blk.0.attn_q.bias").is_some();
    config.output_bias = find("blk.0.attn_output.bias").is_some();
    config.mlp_bias = find("blk.0.ffn_up.bias").is_some();
    config.qk_norm = find("blk.0.attn_q_norm.weight").is_some();
    config.rope = rope(s, &config)?;
    config.sliding_window = s.optional_size("attention.sliding_window")?.filter(|window| *window > 0);
    if matches!(family, Gemma | Gemma2 | Gemma3) {
        config.activation = Activation::GeluTanh;
        config.unit_offset = true;
        config.embedding_scale = Some((config.hidden_size as f64).sqrt());
        config.post_norms = family != Gemma;
        config.attention_softcap = s.number("attn_logit_softcapping")?;
        config.logit_softcap = s.number("final_logit_softcapping")?;
        let pattern = if family == Gemma2 { 2 } else { 6 };
        if config.sliding_window.is_some() {
            config.full_layers = (0..config.num_layers).filter(|layer| (layer + 1) % pattern == 0).collect();
        }
        if family == Gemma3 {
            config.local_rope = Some(RopeConfig::new(10_000.0));
        }
    }
    if family == Smollm3 {
        config.layers_without_rope = (0..config.num_layers).filter(|layer| (layer + 1) % 4 == 0).collect();
    }
    Ok(config)
}

#[track_caller]
fn rope(s: &Settings<'_>, config: &LlamaConfig) -> Result<RopeConfig> {
    let mut rope = RopeConfig::new(s.number("rope.freq_base")?.unwrap_or(10_000.0));
    rope.dims = s.optional_size("rope.dimension_count")?.filter(|dims| *dims != config.head_size());
    let original_context = s.optional_size("rope.scaling.original_context_length")?.unwrap_or(config.context_length);
    let attention_factor = s.number("rope.scaling.attn_factor")?;
    let factors = |name: &str| -> Result<Option<Vec<f64>>> {
        match s.reader.infos().iter().any(|info| info.name == name) {
            true => Ok(Some(s.reader.read(name)?.to_f64_vec())),
            false => Ok(None),
        }
    };
    // A factor for each pair: computed by whoever made the file (Llama 3.1), or learned, for short and for long texts.
    if let Some(factor) = factors("rope_freqs.weight")? {
        rope.scaling = Some(RopeScaling::Longrope {
            short_factor: factor.clone(),
            long_factor: factor,
            original_context,
            attention_factor: 1.0,
        });
        return Ok(rope);
    }
    if let (Some(short_factor), Some(long_factor)) =
        (factors("rope_factors_short.weight")?, factors("rope_factors_long.weight")?)
    {
        let attention_factor = attention_factor.unwrap_or(1.0);
        rope.scaling = Some(RopeScaling::Longrope { short_factor, long_factor, original_context, attention_factor });
        return Ok(rope);
    }
    let kind = s.optional("rope.scaling.type", "a text", |value| value.as_text().map(String::from))?;
    let factor = s.number("rope.scaling.factor")?.unwrap_or(1.0);
    rope.scaling = match kind.as_deref() {
        None | Some("none") => None,
        Some("linear") => Some(RopeScaling::Linear { factor }),
        Some("yarn") => Some(RopeScaling::Yarn {
            factor,
            original_context,
            beta_fast: s.number("rope.scaling.yarn_beta_fast")?.unwrap_or(32.0),
            beta_slow: s.number("rope.scaling.yarn_beta_slow")?.unwrap_or(1.0),
            attention_factor: attention_factor.map(|scale| scale * (0.1 * factor.ln() + 1.0)),
            truncate: true,
        }),
        Some(other) => return Err(s.error(format_args!("there is no `rope.scaling.type` {}", short(other)))),
    };
    Ok(rope)
}

/// What a tensor is called in the published models, by its name in a file.
fn name_of(family: LlamaFamily, name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("blk.") {
        let (block, rest) = rest.split_once('.')?;
        let (part, kind) = rest.rsplit_once('.')?;
        let gemma = matches!(family, Gemma2 | Gemma3);
        let part = match part {
            "attn_norm" => "input_layernorm",
            "ffn_norm" if gemma => "pre_feedforward_layernorm",
            "ffn_norm" => "post_attention_layernorm",
            "post_attention_norm" => "post_attention_layernorm",
            "post_ffw_norm" => "post_feedforward_layernorm",
            "attn_q" => "self_attn.q_proj",
            "attn_k" => "self_attn.k_proj",
            "attn_v" => "self_attn.v_proj",
            "attn_output" => "self_attn.o_proj",
            "attn_q_norm" => "self_attn.q_norm",
            "attn_k_norm" => "self_attn.k_norm",
            "ffn_gate" => "mlp.gate_proj",
            "ffn_up" => "mlp.up_proj",
            "ffn_down" => "mlp.down_proj",
            // Of no use for the model, or unknown: which loading finds out.
            other => return Some(format!("model.layers.{block}.{other}.{kind}")),
        };
        return Some(format!("model.layers.{block}.{part}.{kind}"));
    }
    Some(match name {
        "token_embd.weight" => "model.embed_tokens.weight".into(),
        "output_norm.weight" => "model.norm.weight".into(),
        "output.weight" => "lm_head.weight".into(),
        // Which the configuration has taken up.
        "rope_freqs.weight" | "rope_factors_short.weight" | "rope_factors_long.weight" => return None,
        other => other.into(),
    })
}

/// Tensors as they were before a file was made of them.
struct Restored<S> {
    source: S,
    family: LlamaFamily,
    heads: usize,
    key_heads: usize,
}

impl<S> Restored<S> {
    /// Into how many heads the rows of a tensor are divided, if they stand in another order: those that are turned together lie next
    /// to each other, and not half a head apart.
    fn paired(&self, name: &str) -> Option<usize> {
        let pairs = matches!(self.family, LlamaFamily::Llama | Smollm3);
        match name.rsplit_once('.')?.0 {
            layer if pairs && layer.ends_with("self_attn.q_proj") => Some(self.heads),
            layer if pairs && layer.ends_with("self_attn.k_proj") => Some(self.key_heads),
            _ => None,
        }
    }

    /// Whether one was added to a tensor.
    fn is_raised(&self, name: &str) -> bool {
        matches!(self.family, Gemma | Gemma2 | Gemma3) && name.ends_with("norm.weight")
    }
}

/// Rows of which neighbours belong together, in the order in which they lie half a head apart.
#[track_caller]
fn apart(x: &Tensor, heads: usize) -> Result<Tensor> {
    let rows = x.shape()[0];
    let rest: Vec<usize> = x.shape()[1..].to_vec();
    let pairs: Vec<usize> = [heads, rows / (2 * heads.max(1)), 2].into_iter().chain(rest).collect();
    x.reshape(pairs)?.transpose(1, 2)?.reshape(x.shape())
}

impl<S: TensorSource> TensorSource for Restored<S> {
    fn infos(&self) -> Vec<TensorInfo> {
        self.source.infos()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let x = self.source.read(name)?;
        match self.paired(name) {
            Some(heads) => Ok(apart(&x, heads)?.contiguous()),
            None if self.is_raised(name) => Ok(x - 1.0),
            None => Ok(x),
        }
    }

    fn read_quantized(&self, name: &str) -> Result<QTensor> {
        let x = self.source.read_quantized(name)?;
        match self.paired(name) {
            Some(heads) => x.with_rows(|blocks| Ok(apart(blocks, heads)?.contiguous())),
            None => Ok(x),
        }
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}
