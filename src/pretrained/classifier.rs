//! Language models that say what a text is.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::fields::Fields;
use super::{Pretrained, bert, folder, gpt2, llama};
use crate::error::Result;
use crate::files;
use crate::io::{self, TensorSource, safetensors};
use crate::models::{
    LanguageModel, LanguageModelClassifierConfig, LanguageModelConfig, LanguageModelForSequenceClassification,
    LlamaFamily,
};

/// How the classes of the published forms end.
pub(super) const CLASS: &str = "ForSequenceClassification";
/// Where the output layer is, beside the body.
pub(super) const SCORE: &str = "score.";

/// The folders of `GPT2ForSequenceClassification`, `LlamaForSequenceClassification` and the same of its kin.
impl Pretrained for LanguageModelForSequenceClassification {
    #[track_caller]
    fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let (op, folder) = ("from_pretrained", folder.as_ref());
        let (model_type, map) = folder::any_config(op, folder)?;
        let labels = bert::labels(&mut Fields::new(op, folder, map.clone()))?;
        let padding = map.get("pad_token_id").and_then(Value::as_i64);
        let (mut config, weights): (_, Box<dyn TensorSource>) = match llama::family(&model_type) {
            Some(family) => {
                let mut body = llama::config(family, Fields::new(op, folder, map))?;
                body.tied = true;
                let weights = llama::source(op, &body, folder::weights_of(op, folder, &["llama"])?)?;
                (LanguageModelClassifierConfig::llama(body), weights)
            }
            None if model_type == gpt2::MODEL_TYPE => {
                let body = gpt2::config(op, folder)?;
                (LanguageModelClassifierConfig::gpt(body), Box::new(gpt2::source(op, folder, true)?))
            }
            None => return Err(folder::another_type(op, folder, &model_type, "a language model")),
        };
        if !weights.infos().iter().any(|info| info.name.starts_with(SCORE)) {
            let e = folder::malformed(op, folder, "there is no score.weight, from which classes come".into());
            return Err(e.with_help("models::LanguageModel reads a model that continues texts"));
        }
        (config.labels, config.padding_id) = (labels, padding);
        io::from_source(op, config, &*weights)
    }

    #[track_caller]
    fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        let (op, folder) = ("save_pretrained", folder.as_ref());
        folder::expect_merged(op, self)?;
        let config = self.config();
        let (mut json, class) = match &config.body {
            LanguageModelConfig::Gpt(body) => (gpt2::published(body)?, "GPT2"),
            LanguageModelConfig::Llama(body) => {
                (llama::published(body)?, llama::names(body.family).1.trim_end_matches("ForCausalLM"))
            }
        };
        let labels = config.labels.iter().enumerate();
        json["architectures"] = json!([format!("{class}{CLASS}")]);
        json["id2label"] = json!(labels.clone().map(|(i, name)| (i.to_string(), name)).collect::<BTreeMap<_, _>>());
        json["label2id"] = json!(labels.map(|(i, name)| (name, i)).collect::<BTreeMap<_, _>>());
        json["pad_token_id"] = json!(config.padding_id);
        let json = folder::to_json(op, &json)?;
        folder::create(op, folder)?;
        let path = folder.join(folder::WEIGHTS);
        match &self.body {
            LanguageModel::Llama(body) if body.config().family == LlamaFamily::Phi3 => {
                let mut all = llama::fused(body)?;
                all.push(("score.weight".into(), self.score.weight.value()?.clone()));
                safetensors::write(op, all, &folder::metadata(), &path)?;
            }
            _ => io::save(op, self, &folder::metadata(), &path, false)?,
        }
        files::replace(op, &folder.join(folder::CONFIG), |out| out.write_all(&json))
    }
}
