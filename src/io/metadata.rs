//! What a file says beside its tensors.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// Named texts that a safetensors file carries along: its author, a configuration, the preprocessing of a model.
///
/// ```
/// use demotic::io::Metadata;
///
/// let mut metadata = Metadata::new();
/// metadata.insert("author", "a person");
/// metadata.insert_json("layers", &[64, 64, 1])?;
/// assert_eq!(metadata.get_json::<Vec<usize>>("layers")?, [64, 64, 1]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// No texts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The text with a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Adds a text, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.insert(name.into(), text.into());
    }

    /// Takes a text out.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Adds any value as JSON, for example a [`Preprocessor`](crate::data::Preprocessor).
    ///
    /// # Errors
    /// If JSON has no form for the value.
    #[track_caller]
    pub fn insert_json(&mut self, name: impl Into<String>, value: &impl Serialize) -> Result<()> {
        let name = name.into();
        match serde_json::to_string(value) {
            Ok(json) => {
                self.0.insert(name, json);
                Ok(())
            }
            Err(e) => Err(Error::format("insert_json", format!("`{name}`: {e}")).with_source(e)),
        }
    }

    /// The value that [`insert_json`](Self::insert_json) added.
    ///
    /// # Errors
    /// If there is nothing of that name, or it is something else.
    #[track_caller]
    pub fn get_json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let Some(json) = self.get(name) else {
            let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let e = Error::format("get_json", format!("the metadata has no `{name}`"));
            return Err(
                e.with_help(format!("it has {}", if names.is_empty() { "nothing".into() } else { names.join(", ") }))
            );
        };
        match serde_json::from_str(json) {
            Ok(value) => Ok(value),
            Err(e) => Err(Error::format("get_json", format!("`{name}`: {e}")).with_source(e)),
        }
    }

    /// All names and texts, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

impl<N: Into<String>, T: Into<String>> FromIterator<(N, T)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(texts: I) -> Self {
        Self(crate::order::map(texts.into_iter().map(|(name, text)| (name.into(), text.into()))))
    }
}

/// What may travel along in a model's file: [`Metadata`], a tokenizer, a
/// [`Preprocessor`](crate::data::Preprocessor), or several of them as a tuple.
///
/// See [`SaveLoad::save_with`](super::SaveLoad::save_with).
pub trait Attachment {
    /// Adds itself to the metadata of the file.
    ///
    /// # Errors
    /// If it has no form as text.
    #[track_caller]
    fn attach(&self, metadata: &mut Metadata) -> Result<()>;
}

impl Attachment for Metadata {
    fn attach(&self, metadata: &mut Metadata) -> Result<()> {
        metadata.0.extend(self.0.iter().map(|(name, text)| (name.clone(), text.clone())));
        Ok(())
    }
}

impl<A: Attachment + ?Sized, B: Attachment + ?Sized> Attachment for (&A, &B) {
    fn attach(&self, metadata: &mut Metadata) -> Result<()> {
        self.0.attach(metadata)?;
        self.1.attach(metadata)
    }
}
