//! Models that can be made anew from a file.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::module::Module;
use crate::error::{Error, Result};
use crate::rng::Rng;

/// A model that can be made from a configuration: its file then holds all that [`open`](crate::io::SaveLoad::open) needs.
///
/// The models of this crate have it. One of your own takes part like this:
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

/// From what a model can be made anew: its [kind](Architecture::KIND) and its [configuration](Architecture::Config).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    kind: &'static str,
    config: serde_json::Value,
}

impl Blueprint {
    /// That of a model.
    ///
    /// # Errors
    /// Those of [`Architecture::config`], and if the configuration does not come back from JSON.
    #[track_caller]
    pub fn of<M: Architecture>(model: &M) -> Result<Self> {
        let config = serde_json::to_value(model.config()?);
        // JSON has no infinite numbers, for instance, and would write null.
        let config = config.and_then(|config| serde_json::from_value::<M::Config>(config.clone()).map(|_| config));
        match config {
            Ok(config) => Ok(Self { kind: M::KIND, config }),
            Err(e) => {
                let message = format!("the configuration of this {} has no form in JSON: {e}", M::KIND);
                Err(Error::format("save", message).with_source(e))
            }
        }
    }

    /// The kind of model.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    pub(crate) fn value(&self) -> &serde_json::Value {
        &self.config
    }

    /// The configuration, as JSON.
    #[must_use]
    pub fn config(&self) -> String {
        self.config.to_string()
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
        Some(Blueprint::of(self.0))
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
