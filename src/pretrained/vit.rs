//! ViT and DeiT.

use std::collections::BTreeMap;
use std::panic::Location;
use std::path::Path;

use serde_json::{Value, json};

use super::fields::Fields;
use super::{Pretrained, activations, bert, folder};
use crate::error::{Error, Result, short};
use crate::files;
use crate::io::{self, TensorSource};
use crate::layers::{Architecture, Module};
use crate::models::{
    DeitForImageClassification, DeitForImageClassificationWithTeacher, EncoderConfig, Vit, VitConfig,
    VitForImageClassification,
};

/// The function of a name in a configuration.
#[track_caller]
pub(super) fn activation(f: &mut Fields, name: &'static str, default: &str) -> Result<crate::layers::Activation> {
    let called: String = f.or(name, default.to_string())?;
    match activations::named(&called) {
        Ok(activation) => Ok(activation),
        Err(help) => Err(f.error(format_args!("there is no {name} `{}`", short(&called))).with_help(help)),
    }
}

/// The layers of an encoder, of which nothing may be said: the sizes are then those of heads of 64 features.
#[track_caller]
pub(super) fn encoder(f: &mut Fields, act: &str, eps: f64, hidden: usize) -> Result<EncoderConfig> {
    let usual = EncoderConfig::new(hidden, 12);
    let mut config = EncoderConfig::new(f.or("hidden_size", hidden)?, f.or("num_hidden_layers", 12)?);
    config.num_heads = f.or("num_attention_heads", usual.num_heads)?;
    config.intermediate_size = f.or("intermediate_size", usual.intermediate_size)?;
    config.activation = activation(f, "hidden_act", act)?;
    config.layer_norm_eps = f.or("layer_norm_eps", eps)?;
    Ok(config)
}

/// A height and a width, or one number for both.
#[track_caller]
fn square(f: &mut Fields, name: &'static str, default: usize) -> Result<[usize; 2]> {
    match f.optional::<Value>(name)? {
        None => Ok([default; 2]),
        Some(value) => {
            let side: Option<[usize; 2]> = serde_json::from_value(value.clone()).ok();
            let one = value.as_u64().and_then(|n| usize::try_from(n).ok());
            side.or(one.map(|n| [n; 2]))
                .map_or_else(|| Err(f.error(format_args!("`{name}` is {value}, expected a number or two"))), Ok)
        }
    }
}

#[track_caller]
fn config(model_type: &str, mut fields: Fields) -> Result<VitConfig> {
    let f = &mut fields;
    let mut config = VitConfig::new(224, 16, 1, 1);
    config.encoder = encoder(f, "gelu", 1e-12, 768)?;
    config.encoder.dropout = f.or("hidden_dropout_prob", 0.0)?;
    config.encoder.attention_dropout = f.or("attention_probs_dropout_prob", 0.0)?;
    config.encoder.qkv_bias = f.or("qkv_bias", true)?;
    (config.image_size, config.patch_size) = (square(f, "image_size", 224)?, square(f, "patch_size", 16)?);
    config.in_channels = f.or("num_channels", 3)?;
    config.distilled = model_type == "deit";
    // Of a head that draws what was hidden.
    let _: Option<usize> = f.optional("encoder_stride")?;
    let size = f.or("pooler_output_size", config.encoder.hidden_size)?;
    config.pooler = Some((size, activation(f, "pooler_act", "tanh")?));
    config.labels = bert::labels(f)?;
    fields.done(model_type)?;
    Ok(config)
}

/// What the heads and other parts that a model does not have are called.
fn is_other(name: &str, heads: &[&str]) -> bool {
    let known = ["classifier.", "cls_classifier.", "distillation_classifier.", "decoder.", "embeddings.mask_token"];
    known.iter().any(|other| name.starts_with(other) && !heads.iter().any(|head| name.starts_with(head)))
        || name.ends_with("embeddings.mask_token")
}

#[track_caller]
fn read<M: Architecture<Config = VitConfig>>(folder: &Path, types: &[&str], body: &str, heads: &[&str]) -> Result<M> {
    let op = "from_pretrained";
    let (model_type, map) = folder::any_config(op, folder)?;
    if !types.contains(&model_type.as_str()) {
        return Err(folder::another_type(op, folder, &model_type, &format!("`{}`", types.join("` or `"))));
    }
    let mut config = config(&model_type, Fields::new(op, folder, map))?;
    let weights = folder::weights_of(op, folder, &["vit"])?;
    if !weights.infos().iter().any(|info| info.name.ends_with("pooler.dense.weight")) || !body.is_empty() {
        config.pooler = None;
    }
    // `vit.`, `deit.`, or nothing in front of the names of a body alone.
    let source = weights.rename(|name| {
        let inner = ["vit.", "deit."].iter().find_map(|before| name.strip_prefix(before));
        let inner = inner.or_else(|| {
            ["embeddings.", "encoder.", "layernorm.", "pooler."]
                .iter()
                .any(|part| name.starts_with(part))
                .then_some(name)
        });
        match inner {
            Some(inner) if is_other(inner, heads) || !body.is_empty() && inner.starts_with("pooler.") => None,
            Some(inner) => Some(format!("{body}{inner}")),
            None => (!is_other(name, heads)).then(|| name.to_string()),
        }
    })?;
    io::from_source(op, config, &source)
}

#[track_caller]
fn write(model: &impl Module, c: &VitConfig, class: &str, folder: &Path) -> Result<()> {
    let op = "save_pretrained";
    folder::expect_merged(op, model)?;
    let caller = Location::caller();
    let named =
        |activation| activations::name_of(activation).map_err(|message| Error::argument(op, message).at(caller));
    let (pooled, act) = c.pooler.unwrap_or((c.encoder.hidden_size, crate::layers::Activation::Tanh));
    let labels: BTreeMap<String, &String> =
        c.labels.iter().enumerate().map(|(i, name)| (i.to_string(), name)).collect();
    let numbers: BTreeMap<&String, usize> = c.labels.iter().enumerate().map(|(i, name)| (name, i)).collect();
    let json = json!({
        "model_type": if c.distilled { "deit" } else { "vit" },
        "architectures": [class],
        "torch_dtype": "float32",
        "hidden_size": c.encoder.hidden_size,
        "num_hidden_layers": c.encoder.num_layers,
        "num_attention_heads": c.encoder.num_heads,
        "intermediate_size": c.encoder.intermediate_size,
        "hidden_act": named(c.encoder.activation)?,
        "hidden_dropout_prob": c.encoder.dropout,
        "attention_probs_dropout_prob": c.encoder.attention_dropout,
        "layer_norm_eps": c.encoder.layer_norm_eps,
        "qkv_bias": c.encoder.qkv_bias,
        "image_size": side(c.image_size),
        "patch_size": side(c.patch_size),
        "num_channels": c.in_channels,
        "pooler_output_size": pooled,
        "pooler_act": named(act)?,
        "id2label": labels,
        "label2id": numbers,
    });
    let json = folder::to_json(op, &json)?;
    folder::create(op, folder)?;
    io::save(op, model, &folder::metadata(), &folder.join(folder::WEIGHTS), false)?;
    files::replace(op, &folder.join(folder::CONFIG), |out| out.write_all(&json))
}

fn side([height, width]: [usize; 2]) -> Value {
    if height == width { json!(height) } else { json!([height, width]) }
}

macro_rules! pretrained {
    ($($(#[$doc:meta])* $Model:ident: $types:expr, $body:literal, $heads:expr, $class:expr;)*) => {$(
        $(#[$doc])*
        impl Pretrained for $Model {
            #[track_caller]
            fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
                read(folder.as_ref(), &$types, $body, &$heads)
            }

            #[track_caller]
            fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
                let class: fn(&VitConfig) -> &'static str = $class;
                write(self, self.config(), class(self.config()), folder.as_ref())
            }
        }
    )*};
}

pretrained! {
    /// The folders of `ViTModel` and `DeiTModel`, and those of models with a head, which is left out.
    Vit: ["vit", "deit"], "", [], |c| if c.distilled { "DeiTModel" } else { "ViTModel" };
    /// The folders of `ViTForImageClassification`.
    VitForImageClassification: ["vit"], "vit.", ["classifier."], |_| "ViTForImageClassification";
    /// The folders of `DeiTForImageClassification`.
    DeitForImageClassification: ["deit"], "deit.", ["classifier."], |_| "DeiTForImageClassification";
    /// The folders of `DeiTForImageClassificationWithTeacher`.
    DeitForImageClassificationWithTeacher: ["deit"], "deit.", ["cls_classifier.", "distillation_classifier."],
        |_| "DeiTForImageClassificationWithTeacher";
}
