//! BERT, RoBERTa, DistilBERT, MiniLM, and what is learnt on top of them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::{Pretrained, activations, folder, gguf};
use crate::error::{Error, Result, short};
use crate::files;
use crate::io::{self, TensorSource, safetensors};
use crate::layers::{Activation, Architecture, Module};
use crate::models::{
    Bert, BertConfig, BertFamily, BertForMaskedLm, BertForQuestionAnswering, BertForSequenceClassification,
    BertForTokenClassification,
};
use crate::tensor::Tensor;

/// What a model has on top of its body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Body,
    MaskedLm,
    Sequence,
    Token,
    Questions,
}

/// What the classes of `transformers` end with.
const CLASSES: [(Head, &str); 5] = [
    (Head::Body, "Model"),
    (Head::MaskedLm, "ForMaskedLM"),
    (Head::Sequence, "ForSequenceClassification"),
    (Head::Token, "ForTokenClassification"),
    (Head::Questions, "ForQuestionAnswering"),
];

/// Which head a class of `transformers` has.
pub(super) fn head_of(class: &str) -> Option<Head> {
    // What was pretrained predicts tokens, and more besides.
    if class.ends_with("ForPreTraining") {
        return Some(Head::MaskedLm);
    }
    CLASSES.iter().find(|(_, end)| class.ends_with(end)).map(|(head, _)| *head)
}

/// How a family is called in `config.json`, in the names of its classes, and before the names of its parameters.
const FAMILIES: [(&str, BertFamily, &str, &str); 5] = [
    ("bert", BertFamily::Bert, "Bert", "bert."),
    ("roberta", BertFamily::Roberta, "Roberta", "roberta."),
    ("xlm-roberta", BertFamily::XlmRoberta, "XLMRoberta", "roberta."),
    ("distilbert", BertFamily::Distilbert, "DistilBert", "distilbert."),
    ("camembert", BertFamily::Roberta, "Camembert", "roberta."),
];

/// The family of a `model_type`.
pub(super) fn family(model_type: &str) -> Option<BertFamily> {
    FAMILIES.iter().find(|(name, ..)| *name == model_type).map(|(_, family, ..)| *family)
}

fn names(family: BertFamily) -> (&'static str, &'static str, &'static str) {
    let found = FAMILIES.iter().find(|(_, known, ..)| *known == family);
    found.map_or(("bert", "Bert", "bert."), |(name, _, class, prefix)| (name, class, prefix))
}

/// The names of parts of DistilBERT in its files, and here.
const DISTILLED: [(&str, &str); 9] = [
    ("transformer.layer.", "encoder.layer."),
    (".attention.q_lin.", ".attention.self.query."),
    (".attention.k_lin.", ".attention.self.key."),
    (".attention.v_lin.", ".attention.self.value."),
    (".attention.out_lin.", ".attention.output.dense."),
    (".sa_layer_norm.", ".attention.output.LayerNorm."),
    (".ffn.lin1.", ".intermediate.dense."),
    (".ffn.lin2.", ".output.dense."),
    (".output_layer_norm.", ".output.LayerNorm."),
];

/// The names of heads in files, and here.
fn head_names(family: BertFamily, head: Head) -> &'static [(&'static str, &'static str)] {
    match (family, head) {
        (BertFamily::Roberta | BertFamily::XlmRoberta, Head::MaskedLm) => &[
            ("lm_head.dense.", "cls.predictions.transform.dense."),
            ("lm_head.layer_norm.", "cls.predictions.transform.LayerNorm."),
            ("lm_head.decoder.", "cls.predictions.decoder."),
            ("lm_head.bias", "cls.predictions.bias"),
        ],
        (BertFamily::Distilbert, Head::MaskedLm) => &[
            ("vocab_transform.", "cls.predictions.transform.dense."),
            ("vocab_layer_norm.", "cls.predictions.transform.LayerNorm."),
            ("vocab_projector.bias", "cls.predictions.bias"),
            ("vocab_projector.", "cls.predictions.decoder."),
        ],
        (BertFamily::Roberta | BertFamily::XlmRoberta, Head::Sequence) => {
            &[("classifier.dense.", "bert.pooler.dense."), ("classifier.out_proj.", "classifier.")]
        }
        (BertFamily::Distilbert, Head::Sequence) => &[("pre_classifier.", "bert.pooler.dense.")],
        _ => &[],
    }
}

/// What the name in a file is here; `None` for what is left out.
fn inward(name: &str, config: &BertConfig, head: Head, own_bias: bool) -> Option<String> {
    // As the first release of BERT called them.
    let name = match (name.strip_suffix(".gamma"), name.strip_suffix(".beta")) {
        (Some(name), _) => format!("{name}.weight"),
        (_, Some(name)) => format!("{name}.bias"),
        _ => name.to_string(),
    };
    let (_, _, prefix) = names(config.family);
    let begins = ["embeddings.", "encoder.", "transformer.", "pooler."];
    let body = name.strip_prefix(prefix).or_else(|| begins.iter().any(|part| name.starts_with(part)).then_some(&*name));
    let Some(body) = body else {
        let fitting = head_names(config.family, head)
            .iter()
            .find_map(|(file, here)| name.strip_prefix(file).map(|rest| format!("{here}{rest}")));
        let name = fitting.unwrap_or(name);
        // What stands in the file a second time, or is learnt besides. A decoder with weights of its own has a bias of its own, too,
        // and the other one is not used.
        let left_out = match name.as_str() {
            _ if head == Head::Body => true,
            "cls.predictions.decoder.weight" => config.tied,
            "cls.predictions.decoder.bias" => return own_bias.then(|| "cls.predictions.bias".into()),
            "cls.predictions.bias" => own_bias,
            other => other.starts_with("cls.seq_relationship."),
        };
        return (!left_out).then_some(name);
    };
    let numbers = ["embeddings.position_ids", "embeddings.token_type_ids"];
    if numbers.contains(&body) || body.starts_with("pooler.") && !config.pooler {
        return None;
    }
    let mut body = body.to_string();
    if config.family == BertFamily::Distilbert {
        DISTILLED.iter().for_each(|(file, here)| body = body.replacen(file, here, 1));
    }
    Some(if head == Head::Body { body } else { format!("bert.{body}") })
}

/// What a name here is in a file.
fn outward(name: &str, config: &BertConfig, head: Head) -> String {
    let found = head_names(config.family, head)
        .iter()
        .find_map(|(file, here)| name.strip_prefix(here).map(|rest| format!("{file}{rest}")));
    if let Some(name) = found {
        return name;
    }
    let (_, _, prefix) = names(config.family);
    let (before, body) = match name.strip_prefix("bert.") {
        Some(body) => (prefix, body),
        None if head == Head::Body => ("", name),
        None => return name.to_string(),
    };
    let mut body = body.to_string();
    if config.family == BertFamily::Distilbert {
        DISTILLED.iter().for_each(|(file, here)| body = body.replacen(here, file, 1));
    }
    format!("{before}{body}")
}

/// More layers than any model has.
const MAX_LAYERS: usize = 10_000;

/// The configuration that the options of a `config.json` describe.
#[track_caller]
fn config(family: BertFamily, head: Head, mut fields: Fields) -> Result<BertConfig> {
    let (f, distilled) = (&mut fields, family == BertFamily::Distilbert);
    let either = |here: &'static str, distil: &'static str| if distilled { distil } else { here };
    let mut config = BertConfig::new(f.required("vocab_size")?, f.required("max_position_embeddings")?);
    config.family = family;
    config.hidden_size = f.required(either("hidden_size", "dim"))?;
    config.num_layers = f.required(either("num_hidden_layers", "n_layers"))?;
    config.num_heads = f.required(either("num_attention_heads", "n_heads"))?;
    config.intermediate_size = f.required(either("intermediate_size", "hidden_dim"))?;
    if config.num_layers > MAX_LAYERS {
        return Err(f.error(format_args!("{} layers, expected at most {MAX_LAYERS}", config.num_layers)));
    }
    config.dropout = f.or(either("hidden_dropout_prob", "dropout"), 0.1)?;
    config.attention_dropout = f.or(either("attention_probs_dropout_prob", "attention_dropout"), 0.1)?;
    let name: String = f.or(either("hidden_act", "activation"), "gelu".to_string())?;
    config.activation = match activations::named(&name) {
        Ok(activation) => activation,
        Err(help) => return Err(f.error(format_args!("there is no hidden_act `{}`", short(&name))).with_help(help)),
    };
    config.tied = f.or("tie_word_embeddings", true)?;
    let roberta = matches!(family, BertFamily::Roberta | BertFamily::XlmRoberta);
    config.padding_id = f.or("pad_token_id", Some(i64::from(roberta)))?;
    let or_everywhere: Option<f64> = f.optional("classifier_dropout")?;
    config.head_dropout = or_everywhere.unwrap_or(config.dropout);
    if distilled {
        (config.token_types, config.layer_norm_eps) = (0, 1e-12);
        // What these begin with; a file has them.
        let _: Option<bool> = f.optional("sinusoidal_pos_embds")?;
        let (questions, sequences) = (f.or("qa_dropout", 0.1)?, f.or("seq_classif_dropout", 0.2)?);
        match head {
            Head::Questions => config.head_dropout = questions,
            Head::Sequence => config.head_dropout = sequences,
            _ => {}
        }
        config.pooler_activation = Activation::Relu;
    } else {
        config.token_types = f.or("type_vocab_size", 2)?;
        config.layer_norm_eps = f.or("layer_norm_eps", 1e-12)?;
        f.only("position_embedding_type", &json!("absolute"))?;
    }
    if head == Head::Questions && !distilled {
        config.head_dropout = 0.0;
    }
    if roberta {
        let Some(padding) = config.padding_id.and_then(|id| usize::try_from(id).ok()) else {
            return Err(f.error("does not say `pad_token_id`, behind which the positions begin"));
        };
        config.first_position = padding.saturating_add(1);
        config.pooler_dropout = head == Head::Sequence;
    }
    config.labels = labels(f)?;
    config.pooler = head == Head::Sequence;
    fields.done(names(family).0)?;
    Ok(config)
}

/// The names of classes in the order of their numbers.
#[track_caller]
pub(super) fn labels(f: &mut Fields) -> Result<Vec<String>> {
    let (labels, count): (Option<BTreeMap<String, String>>, Option<usize>) =
        (f.optional("id2label")?, f.optional("num_labels")?);
    match labels {
        Some(labels) => {
            let count = labels.len();
            let mut names = Vec::with_capacity(count);
            for i in 0..count {
                match labels.get(&i.to_string()) {
                    Some(name) => names.push(name.clone()),
                    None => return Err(f.error(format_args!("id2label has {count} names, and none for {i}"))),
                }
            }
            Ok(names)
        }
        None => Ok((0..count.unwrap_or(2).min(MAX_LABELS)).map(|i| format!("LABEL_{i}")).collect()),
    }
}

/// More labels than those of any model.
const MAX_LABELS: usize = 1_000_000;

/// The `config.json` of a configuration.
#[track_caller]
fn published(c: &BertConfig, head: Head) -> Result<Value> {
    let op = "save_pretrained";
    let (model_type, class, _) = names(c.family);
    let (distilled, roberta) =
        (c.family == BertFamily::Distilbert, matches!(c.family, BertFamily::Roberta | BertFamily::XlmRoberta));
    let pooled = if distilled { Activation::Relu } else { Activation::Tanh };
    let first = if roberta { c.padding_id.map_or(0, |id| id + 1) } else { 0 };
    let wrong = [
        ("token_types", (c.token_types == 0) != distilled),
        ("layer_norm_eps", distilled && c.layer_norm_eps != 1e-12),
        ("first_position", c.first_position as i64 != first),
        ("pooler", distilled && head == Head::Body && c.pooler),
        ("pooler_activation", c.pooler && c.pooler_activation != pooled),
    ];
    if let Some((option, _)) = wrong.iter().find(|(_, wrong)| *wrong) {
        let e = Error::argument(op, format!("a `{model_type}` has no other {option}"));
        return Err(e.with_help("the option `family` says as which of them a Bert is written"));
    }
    let activation = match activations::name_of(c.activation) {
        Ok(name) => name,
        Err(message) => return Err(Error::argument(op, message)),
    };
    let end = CLASSES.iter().find(|(known, _)| *known == head).map_or("Model", |(_, end)| end);
    folder::expect_square(c.head_dim, c.num_heads, c.hidden_size)?;
    let mut map = Map::new();
    let mut set = |name: &str, value: Value| drop(map.insert(name.into(), value));
    set("model_type", json!(model_type));
    set("architectures", json!([format!("{class}{end}")]));
    set("torch_dtype", json!("float32"));
    set("vocab_size", json!(c.vocab_size));
    set("max_position_embeddings", json!(c.max_positions));
    set("pad_token_id", json!(c.padding_id));
    set("tie_word_embeddings", json!(c.tied));
    if distilled {
        set("dim", json!(c.hidden_size));
        set("n_layers", json!(c.num_layers));
        set("n_heads", json!(c.num_heads));
        set("hidden_dim", json!(c.intermediate_size));
        set("dropout", json!(c.dropout));
        set("attention_dropout", json!(c.attention_dropout));
        set("activation", json!(activation));
        set(if head == Head::Questions { "qa_dropout" } else { "seq_classif_dropout" }, json!(c.head_dropout));
    } else {
        set("hidden_size", json!(c.hidden_size));
        set("num_hidden_layers", json!(c.num_layers));
        set("num_attention_heads", json!(c.num_heads));
        set("intermediate_size", json!(c.intermediate_size));
        set("hidden_dropout_prob", json!(c.dropout));
        set("attention_probs_dropout_prob", json!(c.attention_dropout));
        set("hidden_act", json!(activation));
        set("type_vocab_size", json!(c.token_types));
        set("layer_norm_eps", json!(c.layer_norm_eps));
        if head != Head::Questions {
            set("classifier_dropout", json!(c.head_dropout));
        }
    }
    if matches!(head, Head::Sequence | Head::Token) {
        let numbered = |i: usize, name: &String| (i.to_string(), json!(name));
        set("id2label", Value::Object(c.labels.iter().enumerate().map(|(i, name)| numbered(i, name)).collect()));
        set("label2id", Value::Object(c.labels.iter().enumerate().map(|(i, name)| (name.clone(), json!(i))).collect()));
    }
    Ok(Value::Object(map))
}

#[track_caller]
fn read<M: Architecture<Config = BertConfig>>(folder: &Path, head: Head) -> Result<M> {
    let op = "from_pretrained";
    if gguf::is_file(folder) {
        return match head {
            Head::Body => gguf::bert(op, folder),
            _ => Err(folder::malformed(op, folder, "a GGUF file has the body of a model, and not this head".into())
                .with_help("models::Bert reads it")),
        };
    }
    let (model_type, map) = folder::any_config(op, folder)?;
    let Some(family) = family(&model_type) else {
        return Err(folder::another_type(op, folder, &model_type, "of the family of BERT"));
    };
    let mut config = config(family, head, Fields::new(op, folder, map))?;
    let weights = folder::weights_of(op, folder, &["bert", "roberta", "distilbert"])?;
    if head == Head::Body {
        // Not all that is published has one.
        config.pooler = weights.infos().iter().any(|info| info.name.ends_with("pooler.dense.weight"));
    }
    let own = |name: &str| name.ends_with("predictions.decoder.bias") || name == "lm_head.decoder.bias";
    let own_bias = head == Head::MaskedLm && !config.tied && weights.infos().iter().any(|info| own(&info.name));
    let source = weights.rename(|name| inward(name, &config, head, own_bias))?;
    io::from_source(op, config, &source)
}

#[track_caller]
fn write(model: &impl Module, config: &BertConfig, head: Head, folder: &Path) -> Result<()> {
    let op = "save_pretrained";
    folder::expect_merged(op, model)?;
    let json = folder::to_json(op, &published(config, head)?)?;
    folder::create(op, folder)?;
    let path = folder.join(folder::WEIGHTS);
    let own_bias = head == Head::MaskedLm && !config.tied && config.family != BertFamily::Distilbert;
    if config.family == BertFamily::Bert && !own_bias {
        // The names are the same, so that it can be opened as well.
        io::save(op, model, &folder::metadata(), &path, false)?;
    } else {
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        for (name, tensor) in io::slots(model) {
            if own_bias && name == "cls.predictions.bias" {
                tensors.push((outward("cls.predictions.decoder.bias", config, head), tensor.clone()));
            }
            tensors.push((outward(&name, config, head), tensor));
        }
        safetensors::write(op, tensors, &folder::metadata(), &path)?;
    }
    files::replace(op, &folder.join(folder::CONFIG), |out| out.write_all(&json))
}

macro_rules! pretrained {
    ($($(#[$doc:meta])* $Model:ident: $head:expr;)*) => {$(
        $(#[$doc])*
        impl Pretrained for $Model {
            #[track_caller]
            fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
                read(folder.as_ref(), $head)
            }

            #[track_caller]
            fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
                write(self, self.config(), $head, folder.as_ref())
            }
        }
    )*};
}

pretrained! {
    /// The folders of `BertModel`, `RobertaModel`, `XLMRobertaModel`, `CamembertModel` and `DistilBertModel`, and those of models with a
    /// head, which is left out; and GGUF files of the architecture `bert`.
    Bert: Head::Body;
    /// The folders of `BertForMaskedLM` and its kin.
    BertForMaskedLm: Head::MaskedLm;
    /// The folders of `BertForSequenceClassification` and its kin.
    BertForSequenceClassification: Head::Sequence;
    /// The folders of `BertForTokenClassification` and its kin.
    BertForTokenClassification: Head::Token;
    /// The folders of `BertForQuestionAnswering` and its kin.
    BertForQuestionAnswering: Head::Questions;
}
