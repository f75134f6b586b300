//! Models that can be made anew from a file.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::module::Module;
use crate::error::{Error, Result};
use crate::rng::Rng;

/// A model that can be made from a configuration: its file then holds all that [`open`](crate::io::SaveLoad::open) needs.
///
/// The models and most layers of this crate have it. One of your own takes part like this; a layer that is to be part of a
/// [`Sequential`](super::Sequential) is [registered](crate::layers::register) as well:
///
/// ```
/// use demotic::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone)]
/// struct Autoencoder {
///     encoder: Linear,
///     decoder: Linear,
///     sizes: Sizes,
/// }
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Sizes {
///     input: usize,
///     code: usize,
/// }
///
/// module!(Autoencoder { encoder, decoder }, plain { sizes });
///
/// impl Architecture for Autoencoder {
///     const KIND: &'static str = "Autoencoder";
///     type Config = Sizes;
///
///     fn config(&self) -> Result<Sizes> {
///         Ok(self.sizes.clone())
///     }
///
///     fn from_config(sizes: Sizes, rng: &mut Rng) -> Result<Self> {
///         let encoder = Linear::new(sizes.input, sizes.code, rng)?;
///         let decoder = Linear::new(sizes.code, sizes.input, rng)?;
///         Ok(Self { encoder, decoder, sizes })
///     }
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("autoencoder.safetensors");
/// let model = Autoencoder::from_config(Sizes { input: 8, code: 3 }, &mut Rng::seed(0))?;
/// model.save(&path)?;
/// let again = Autoencoder::open(&path)?;
/// assert_eq!(again.encoder.weight.value()?.to_vec::<f32>()?, model.encoder.weight.value()?.to_vec::<f32>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from a file alone",
    label = "has no `Architecture`",
    note = "make the model as it was and read its parameters with `load`, or implement `Architecture`: its configuration, and how to \
            make it from that"
)]
pub trait Architecture: Module + Sized {
    /// What the model is called in files. It stays the same when the type is renamed; models of other crates had better
    /// begin it with their crate's name.
    const KIND: &'static str;

    /// All that the model is made from, except the values of its parameters. A file may hold any configuration:
    /// [`from_config`](Self::from_config) checks it.
    type Config: Serialize + DeserializeOwned;

    /// The configuration of this model.
    ///
    /// # Errors
    /// If the model has something for which a configuration has no words, such as a closure.
    #[track_caller]
    fn config(&self) -> Result<Self::Config>;

    /// A model with random weights. [`open`](crate::io::SaveLoad::open) replaces all of them; the initialisers of
    /// [`Init`](super::Init), and with them those of all layers, then leave out the drawing.
    ///
    /// # Errors
    /// If there is no such model.
    #[track_caller]
    fn from_config(config: Self::Config, rng: &mut Rng) -> Result<Self>;

    /// How many numbers the parameters of such a model hold, at least. With it, a file whose configuration asks for more
    /// than the file has is refused before the model is made.
    #[must_use]
    fn min_parameters(config: &Self::Config) -> usize {
        let _ = config;
        0
    }
}

/// How deep a configuration may be nested, so that it can be read again: readers of JSON call themselves for each level.
const MAX_DEPTH: usize = 100;

/// From what a model can be made anew: its [kind](Architecture::KIND) and its [configuration](Architecture::Config).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blueprint {
    kind: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    config: Value,
}

impl Blueprint {
    /// That of a model.
    ///
    /// # Errors
    /// Those of [`Architecture::config`], and if the configuration does not come back from JSON.
    #[track_caller]
    pub fn of<M: Architecture>(model: &M) -> Result<Self> {
        Self::of_config(M::KIND, model.config()?)
    }

    #[track_caller]
    fn of_config<C: Serialize + DeserializeOwned>(kind: &'static str, config: C) -> Result<Self> {
        let config = serde_json::to_value(config);
        // JSON has no infinite numbers, for instance, and would write null.
        let config = config.and_then(|config| serde_json::from_value::<C>(config.clone()).map(|_| config));
        Self::checked(kind, config)
    }

    #[track_caller]
    fn checked(kind: &'static str, config: serde_json::Result<Value>) -> Result<Self> {
        match config {
            Ok(config) if depth(&config) > MAX_DEPTH => {
                let message = format!("the configuration of this {kind} is nested more than {MAX_DEPTH} levels deep");
                Err(Error::format("save", message).with_help("put layers that follow each other into one Sequential"))
            }
            Ok(config) => Ok(Self { kind: kind.into(), config }),
            Err(e) => {
                let message = format!("the configuration of this {kind} has no form in JSON: {e}");
                Err(Error::format("save", message).with_source(e))
            }
        }
    }

    pub(crate) fn new(kind: String, config: Value) -> Self {
        Self { kind: kind.into(), config }
    }

    /// The kind of model.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub(crate) fn value(&self) -> &Value {
        &self.config
    }

    pub(crate) fn into_value(self) -> Value {
        self.config
    }

    /// What a list of blueprints in a configuration holds, each with what is below it, of which nothing is copied: containers are in each
    /// other many times.
    pub(crate) fn list(config: Value) -> serde_json::Result<Vec<Self>> {
        let is_blueprint = |part: &Value| {
            let Value::Object(fields) = part else { return false };
            let others = fields.len() - usize::from(fields.contains_key("config"));
            others == 1 && fields.get("kind").is_some_and(Value::is_string)
        };
        match config {
            Value::Array(parts) if parts.iter().all(is_blueprint) => {
                let mut list = Vec::with_capacity(parts.len());
                for part in parts {
                    if let Value::Object(mut fields) = part
                        && let Some(Value::String(kind)) = fields.remove("kind")
                    {
                        list.push(Self::new(kind, fields.remove("config").unwrap_or_default()));
                    }
                }
                Ok(list)
            }
            // The message about what it is instead.
            other => serde_json::from_value(other),
        }
    }

    /// The configuration, as JSON.
    #[must_use]
    pub fn config(&self) -> String {
        self.config.to_string()
    }
}

/// How many lists and objects are in each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Asks a type whether it has an [`Architecture`], in [`module!`](crate::module!): of the two traits below, the first is
/// found if it has, and the second, which takes one more reference, if it has not.
#[doc(hidden)]
#[derive(Debug)]
pub struct Described<'a, M: ?Sized>(pub &'a M);

#[doc(hidden)]
pub trait WithArchitecture {
    fn blueprint_of(&self) -> Option<Result<Blueprint>>;
}

impl<M: Architecture> WithArchitecture for Described<'_, M> {
    fn blueprint_of(&self) -> Option<Result<Blueprint>> {
        // Not `of`, which would be one function more for each type.
        Some(match self.0.config() {
            Ok(config) => Blueprint::of_config(M::KIND, config),
            Err(e) => Err(e),
        })
    }
}

#[doc(hidden)]
pub trait WithoutArchitecture {
    fn blueprint_of(&self) -> Option<Result<Blueprint>>;
}

impl<M: ?Sized> WithoutArchitecture for &Described<'_, M> {
    fn blueprint_of(&self) -> Option<Result<Blueprint>> {
        None
    }
}
