//! Whichever model a folder holds.

use std::path::Path;

use super::{Pretrained, folder, llama};
use crate::error::Result;
use crate::models::{Gpt, LanguageModel, Llama};

/// A published model of any kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PublishedModel {
    /// Predicts the next token.
    LanguageModel(LanguageModel),
}

crate::module!(
    enum PublishedModel {
        LanguageModel(LanguageModel),
    }
);

/// The model that a folder holds, whichever it is: `AutoModel` of `transformers`. The `model_type` in its `config.json` decides.
///
/// ```no_run
/// use demotic::pretrained::{PublishedModel, load};
///
/// match load("some/folder")? {
///     PublishedModel::LanguageModel(model) => println!("it continues texts: {model:?}"),
///     other => println!("something else: {other:?}"),
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// As for [`Pretrained::from_pretrained`], and if models of this type are not known.
#[track_caller]
pub fn load(folder: impl AsRef<Path>) -> Result<PublishedModel> {
    language_model("load", folder.as_ref()).map(PublishedModel::LanguageModel)
}

#[track_caller]
fn language_model(op: &'static str, folder: &Path) -> Result<LanguageModel> {
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
