//! GPT-2 and the models of its architecture.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fields::Fields;
use super::{Pretrained, activations, folder};
use crate::error::{Error, Result};
use crate::files;
use crate::io::{self, TensorSource};
use crate::models::{Gpt, GptConfig};

pub(super) const MODEL_TYPE: &str = "gpt2";

/// What of `GPT2Config` changes nothing here: the heads of other tasks, and names of options that are gone.
const SILENT: [&str; 7] = [
    "n_ctx",
    "output_past",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
];

/// `config.json`: the names and defaults of `GPT2Config` of `transformers`. Options for training heads of other tasks
/// (`summary_*`), for generation (`bos_token_id` …) and for where to compute in which precision are read over.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct Published {
    model_type: String,
    architectures: Vec<String>,
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    activation_function: String,
    resid_pdrop: f64,
    embd_pdrop: f64,
    attn_pdrop: f64,
    layer_norm_epsilon: f64,
    initializer_range: f64,
    scale_attn_weights: bool,
    scale_attn_by_inverse_layer_idx: bool,
    reorder_and_upcast_attn: bool,
    add_cross_attention: bool,
    tie_word_embeddings: bool,
    /// Of the tokens at the beginning and the end of texts; a `Gpt` does not know them, so they are only written.
    #[serde(skip_deserializing)]
    bos_token_id: Option<usize>,
    #[serde(skip_deserializing)]
    eos_token_id: Option<usize>,
}

/// GPT-2's own end of a text, which `transformers` takes where nothing is said, whether there is such a token or not.
const END_OF_TEXT: usize = 50_256;

impl Default for Published {
    fn default() -> Self {
        Self {
            model_type: MODEL_TYPE.into(),
            architectures: vec!["GPT2LMHeadModel".into()],
            vocab_size: 50_257,
            n_positions: 1024,
            n_embd: 768,
            n_layer: 12,
            n_head: 12,
            n_inner: None,
            activation_function: "gelu_new".into(),
            resid_pdrop: 0.1,
            embd_pdrop: 0.1,
            attn_pdrop: 0.1,
            layer_norm_epsilon: 1e-5,
            initializer_range: 0.02,
            scale_attn_weights: true,
            scale_attn_by_inverse_layer_idx: false,
            // Attention is computed in `F32` anyway.
            reorder_and_upcast_attn: false,
            add_cross_attention: false,
            tie_word_embeddings: true,
            bos_token_id: None,
            eos_token_id: None,
        }
    }
}

impl Published {
    #[track_caller]
    fn into_config(self, op: &'static str, folder: &Path) -> Result<GptConfig> {
        if self.add_cross_attention {
            let e = folder::unsupported(op, folder, "add_cross_attention is true");
            return Err(e.with_help("a Gpt has no encoder to look at; Seq2SeqTransformer has"));
        }
        let name = self.activation_function.as_str();
        let activation = match activations::named(name) {
            Ok(activation) => activation,
            Err(help) => {
                let e = folder::unsupported(op, folder, format_args!("there is no activation_function `{name}`"));
                return Err(e.with_help(help));
            }
        };
        let mut config = GptConfig::new(self.vocab_size, self.n_positions)
            .layers(self.n_layer)
            .heads(self.n_head)
            .hidden_size(self.n_embd)
            .dropout(self.resid_pdrop)
            .embedding_dropout(self.embd_pdrop)
            .attention_dropout(self.attn_pdrop)
            .activation(activation);
        if let Some(size) = self.n_inner {
            config = config.intermediate_size(size);
        }
        config.layer_norm_eps = self.layer_norm_epsilon;
        config.tied = self.tie_word_embeddings;
        config.attention_scaling = self.scale_attn_weights;
        config.inverse_layer_scaling = self.scale_attn_by_inverse_layer_idx;
        Ok(config)
    }

    /// Refuses options that are none of these.
    #[track_caller]
    fn check(op: &'static str, folder: &Path, mut all: Map<String, Value>) -> Result<()> {
        let known = serde_json::to_value(Self::default()).unwrap_or_default();
        let known = known.as_object().into_iter().flat_map(|known| known.keys().map(String::as_str));
        known.chain(SILENT).for_each(|name| drop(all.remove(name)));
        Fields::new(op, folder, all).done(MODEL_TYPE)
    }

    #[track_caller]
    fn of(config: &GptConfig) -> Result<Self> {
        let name = match activations::name_of(config.activation) {
            Ok(name) => name,
            Err(message) => return Err(Error::argument("save_pretrained", message)),
        };
        folder::expect_square(config.head_dim, config.num_heads, config.hidden_size)?;
        let end = Some(END_OF_TEXT).filter(|id| *id < config.vocab_size);
        Ok(Self {
            bos_token_id: end,
            eos_token_id: end,
            vocab_size: config.vocab_size,
            n_positions: config.context_length,
            n_embd: config.hidden_size,
            n_layer: config.num_layers,
            n_head: config.num_heads,
            n_inner: Some(config.intermediate_size).filter(|size| *size != 4 * config.hidden_size),
            activation_function: name.into(),
            resid_pdrop: config.dropout,
            embd_pdrop: config.embedding_dropout.unwrap_or(config.dropout),
            attn_pdrop: config.attention_dropout.unwrap_or(config.dropout),
            layer_norm_epsilon: config.layer_norm_eps,
            scale_attn_weights: config.attention_scaling,
            scale_attn_by_inverse_layer_idx: config.inverse_layer_scaling,
            tie_word_embeddings: config.tied,
            ..Self::default()
        })
    }
}

/// The configuration in a folder.
#[track_caller]
pub(super) fn config(op: &'static str, folder: &Path) -> Result<GptConfig> {
    let (published, all): (Published, _) = folder::config(op, folder, MODEL_TYPE)?;
    let config = published.into_config(op, folder)?;
    Published::check(op, folder, all)?;
    Ok(config)
}

/// The weights in a folder, by our names.
#[track_caller]
pub(super) fn source(op: &'static str, folder: &Path, tied: bool) -> Result<impl TensorSource> {
    folder::weights_of(op, folder, &[MODEL_TYPE])?.rename(|name| match name {
        // Causal masks, which older releases saved with the weights.
        name if name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") => None,
        "lm_head.weight" => (!tied).then(|| name.into()),
        name if name.starts_with("transformer.") || name.starts_with(super::classifier::SCORE) => Some(name.into()),
        name => Some(format!("transformer.{name}")),
    })
}

/// The `config.json` of a configuration.
#[track_caller]
pub(super) fn published(config: &GptConfig) -> Result<Value> {
    match serde_json::to_value(Published::of(config)?) {
        Ok(json) => Ok(json),
        Err(e) => Err(Error::format("save_pretrained", e.to_string()).with_source(e)),
    }
}

/// The folders of `GPT2LMHeadModel` and of `GPT2Model`, of which the former has its names below `transformer.`.
impl Pretrained for Gpt {
    #[track_caller]
    fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let (op, folder) = ("from_pretrained", folder.as_ref());
        let config = config(op, folder)?;
        let weights = source(op, folder, config.tied)?;
        io::from_source(op, config, &weights)
    }

    #[track_caller]
    fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        let (op, folder) = ("save_pretrained", folder.as_ref());
        folder::expect_merged(op, self)?;
        let json = folder::to_json(op, &published(self.config())?)?;
        folder::create(op, folder)?;
        io::save(op, self, &folder::metadata(), &folder.join(folder::WEIGHTS), false)?;
        files::replace(op, &folder.join(folder::CONFIG), |out| out.write_all(&json))
    }
}
