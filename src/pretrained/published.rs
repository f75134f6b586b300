//! Whichever model a folder holds.

use std::path::Path;

use super::bert::{self, Head};
use super::{Pretrained, classifier, folder, gguf, images, llama, t5, whisper};
use crate::error::Result;
use crate::files::{self, Format};
use crate::models::{
    Bert, BertForMaskedLm, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, Clip,
    Gpt, ImageClassifier, LanguageModel, LanguageModelForSequenceClassification, Llama, T5, T5Encoder, Vit, Whisper,
};

/// A published model of any kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "a program has one of them, or a few")]
pub enum PublishedModel {
    /// Predicts the next token.
    LanguageModel(LanguageModel),
    /// Says what a text is, as a language model does.
    LanguageModelClassification(LanguageModelForSequenceClassification),
    /// Gives vectors of texts.
    Encoder(Bert),
    /// Predicts hidden tokens.
    MaskedLm(BertForMaskedLm),
    /// Says what a text is.
    SequenceClassification(BertForSequenceClassification),
    /// Says what each token is.
    TokenClassification(BertForTokenClassification),
    /// Finds answers.
    QuestionAnswering(BertForQuestionAnswering),
    /// Writes one text for another.
    TextToText(T5),
    /// Gives vectors of texts.
    TextEncoder(T5Encoder),
    /// Writes down speech.
    SpeechToText(Whisper),
    /// Says what is on a picture.
    ImageClassification(ImageClassifier),
    /// Gives vectors of pictures.
    ImageEncoder(Vit),
    /// Gives vectors of pictures and of texts.
    Clip(Clip),
}

crate::module!(
    enum PublishedModel {
        LanguageModel(LanguageModel),
        LanguageModelClassification(LanguageModelForSequenceClassification),
        Encoder(Bert),
        MaskedLm(BertForMaskedLm),
        SequenceClassification(BertForSequenceClassification),
        TokenClassification(BertForTokenClassification),
        QuestionAnswering(BertForQuestionAnswering),
        TextToText(T5),
        TextEncoder(T5Encoder),
        SpeechToText(Whisper),
        ImageClassification(ImageClassifier),
        ImageEncoder(Vit),
        Clip(Clip),
    }
);

/// The model that a folder holds, or a file (a GGUF file, or a network for pictures), whichever it is: `AutoModel` of `transformers`. The
/// `model_type` in its `config.json` decides, and of encoders the class in `architectures`; of a network for pictures its name, see
/// [`ImageClassifier::from_pretrained`].
///
/// ```no_run
/// use demotic::pretrained::{PublishedModel, load};
///
/// match load("some/folder")? {
///     PublishedModel::LanguageModel(model) => println!("it continues texts: {model:?}"),
///     PublishedModel::Encoder(model) => println!("it makes vectors of texts: {model:?}"),
///     other => println!("something else: {other:?}"),
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// As for [`Pretrained::from_pretrained`], and if models of this type are not known.
#[track_caller]
pub fn load(folder: impl AsRef<Path>) -> Result<PublishedModel> {
    let (op, folder) = ("load", folder.as_ref());
    if folder.is_file()
        && matches!(files::format(op, folder)?, Some(Format::Safetensors | Format::PyTorch | Format::Npz))
    {
        return images::classifier(op, folder).map(PublishedModel::ImageClassification);
    }
    if gguf::is_file(folder) {
        return match gguf::is_bert(op, folder)? {
            true => gguf::bert(op, folder).map(PublishedModel::Encoder),
            false => gguf::llama(op, folder).map(|model| PublishedModel::LanguageModel(model.into())),
        };
    }
    if images::timm(op, folder)?.is_some() {
        return images::classifier(op, folder).map(PublishedModel::ImageClassification);
    }
    let (model_type, map) = folder::any_config(op, folder)?;
    let class = map.get("architectures").and_then(|classes| classes.get(0)).and_then(|class| class.as_str());
    let class = class.unwrap_or("Model");
    match model_type.as_str() {
        "vit" | "deit" if class.ends_with("Model") => {
            return Vit::from_pretrained(folder).map(PublishedModel::ImageEncoder);
        }
        "vit" | "deit" => return images::classifier(op, folder).map(PublishedModel::ImageClassification),
        "clip" => return Clip::from_pretrained(folder).map(PublishedModel::Clip),
        whisper::MODEL_TYPE => return Whisper::from_pretrained(folder).map(PublishedModel::SpeechToText),
        _ => {}
    }
    if t5::MODEL_TYPES.contains(&&*model_type) {
        return match t5::is_encoder(class) {
            true => T5Encoder::from_pretrained(folder).map(PublishedModel::TextEncoder),
            false => T5::from_pretrained(folder).map(PublishedModel::TextToText),
        };
    }
    if bert::family(&model_type).is_none() && class.ends_with(classifier::CLASS) {
        return LanguageModelForSequenceClassification::from_pretrained(folder)
            .map(PublishedModel::LanguageModelClassification);
    }
    if bert::family(&model_type).is_none() {
        return language_model(op, folder).map(PublishedModel::LanguageModel);
    }
    match bert::head_of(class) {
        Some(Head::Body) => Bert::from_pretrained(folder).map(PublishedModel::Encoder),
        Some(Head::MaskedLm) => BertForMaskedLm::from_pretrained(folder).map(PublishedModel::MaskedLm),
        Some(Head::Sequence) => {
            BertForSequenceClassification::from_pretrained(folder).map(PublishedModel::SequenceClassification)
        }
        Some(Head::Token) => {
            BertForTokenClassification::from_pretrained(folder).map(PublishedModel::TokenClassification)
        }
        Some(Head::Questions) => {
            BertForQuestionAnswering::from_pretrained(folder).map(PublishedModel::QuestionAnswering)
        }
        None => {
            let message = format!("the class `{}` is not known", crate::error::short(class));
            let e = folder::malformed(op, &folder.join(folder::CONFIG), message);
            Err(e.with_help("models::Bert reads its body: Bert::from_pretrained(folder)"))
        }
    }
}

#[track_caller]
fn language_model(op: &'static str, folder: &Path) -> Result<LanguageModel> {
    if gguf::is_file(folder) {
        return gguf::llama(op, folder).map(Into::into);
    }
    let (model_type, _) = folder::any_config(op, folder)?;
    match model_type.as_str() {
        "gpt2" => Gpt::from_pretrained(folder).map(Into::into),
        other if llama::family(other).is_some() => Llama::from_pretrained(folder).map(Into::into),
        other => Err(folder::another_type(op, folder, other, "one that is known here")),
    }
}

/// The folders of every language model.
impl Pretrained for LanguageModel {
    #[track_caller]
    fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        language_model("from_pretrained", folder.as_ref())
    }

    #[track_caller]
    fn save_pretrained(&self, folder: impl AsRef<Path>) -> Result<()> {
        match self {
            Self::Gpt(model) => model.save_pretrained(folder),
            Self::Llama(model) => model.save_pretrained(folder),
        }
    }
}
