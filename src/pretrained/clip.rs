//! CLIP.

use std::panic::Location;
use std::path::Path;

use serde_json::json;

use super::fields::Fields;
use super::{Pretrained, activations, folder, vit};
use crate::error::{Error, Result};
use crate::files;
use crate::io::{self, TensorSource};
use crate::models::{Clip, ClipConfig, EncoderConfig};

const MODEL_TYPE: &str = "clip";

/// A tower. Its own size of the projection counts for nothing beside a tower of the other kind.
#[track_caller]
fn tower(fields: &mut Fields, name: &'static str, hidden: usize) -> Result<(EncoderConfig, Fields)> {
    let Some(mut f) = fields.nested(name)? else {
        return Err(fields.error(format_args!("does not say `{name}`")));
    };
    let mut config = vit::encoder(&mut f, "quick_gelu", 1e-5, hidden)?;
    config.attention_dropout = f.or("attention_dropout", 0.0)?;
    f.only("dropout", &json!(0.0))?;
    for silent in ["projection_dim", "initializer_factor"] {
        let _: Option<serde_json::Value> = f.optional(silent)?;
    }
    Ok((config, f))
}

#[track_caller]
fn config(mut fields: Fields) -> Result<ClipConfig> {
    let f = &mut fields;
    let (vision, mut rest) = tower(f, "vision_config", 768)?;
    let mut config = ClipConfig::new(1, rest.or("image_size", 224)?, rest.or("patch_size", 32)?);
    (config.vision, config.in_channels) = (vision, rest.or("num_channels", 3)?);
    rest.done_whole(MODEL_TYPE)?;
    let (text, mut rest) = tower(f, "text_config", 512)?;
    config.text = text;
    config.vocab_size = rest.or("vocab_size", 49_408)?;
    config.max_length = rest.or("max_position_embeddings", 77)?;
    let end: i64 = rest.or("eos_token_id", 49_407)?;
    // What the first configurations said by mistake.
    config.end_token = Some(end).filter(|end| *end != 2);
    rest.done_whole(MODEL_TYPE)?;
    config.projection_dim = f.or("projection_dim", 512)?;
    for silent in ["logit_scale_init_value", "initializer_factor", "text_config_dict", "vision_config_dict"] {
        let _: Option<serde_json::Value> = f.optional(silent)?;
    }
    fields.done(MODEL_TYPE)?;
    Ok(config)
}

/// The folders of `CLIPModel`.
impl Pretrained for Clip {
    #[track_caller]
    fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let (op, folder) = ("from_pretrained", folder.as_ref());
        let (model_type, map) = folder::any_config(op, folder)?;
        if model_type != MODEL_TYPE {
            return Err(folder::another_type(op, folder, &model_type, "`clip`"));
        }
        let config = config(Fields::new(op, folder, map))?;
        let weights = folder::weights_of(op, folder, &[MODEL_TYPE])?;
        // The numbers of positions, which older releases saved.
        let source = weights.rename(|name| (!name.ends_with("embeddings.position_ids")).then(|| name.to_string()))?;
        io::from_source(op, config, &source)
    }

    #[track_caller]
    fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        let (op, folder, c) = ("save_pretrained", folder.as_ref(), self.config());
        folder::expect_merged(op, self)?;
        let caller = Location::caller();
        let tower = |t: &EncoderConfig| {
            let act = activations::name_of(t.activation).map_err(|message| Error::argument(op, message).at(caller))?;
            if !t.qkv_bias || t.dropout != 0.0 {
                return Err(Error::argument(
                    op,
                    "a `clip` has biases of queries, keys and values, and no other dropout",
                )
                .at(caller));
            }
            Ok(json!({
                "hidden_size": t.hidden_size,
                "num_hidden_layers": t.num_layers,
                "num_attention_heads": t.num_heads,
                "intermediate_size": t.intermediate_size,
                "hidden_act": act,
                "layer_norm_eps": t.layer_norm_eps,
                "attention_dropout": t.attention_dropout,
            }))
        };
        let (mut text, mut vision) = (tower(&c.text)?, tower(&c.vision)?);
        text["vocab_size"] = json!(c.vocab_size);
        text["max_position_embeddings"] = json!(c.max_length);
        text["eos_token_id"] = json!(c.end_token.unwrap_or(2));
        vision["image_size"] = json!(c.image_size);
        vision["patch_size"] = json!(c.patch_size);
        vision["num_channels"] = json!(c.in_channels);
        let json = json!({
            "model_type": MODEL_TYPE,
            "architectures": ["CLIPModel"],
            "torch_dtype": "float32",
            "projection_dim": c.projection_dim,
            "text_config": text,
            "vision_config": vision,
        });
        let json = folder::to_json(op, &json)?;
        folder::create(op, folder)?;
        io::save(op, self, &folder::metadata(), &folder.join(folder::WEIGHTS), false)?;
        files::replace(op, &folder.join(folder::CONFIG), |out| out.write_all(&json))
    }
}
