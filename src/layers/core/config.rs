//! What layers are made from, in files.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The options of a layer by their names, as files hold them: a configuration that needs no type of its own.
///
/// ```
/// use demotic::layers::LayerConfig;
///
/// let mut config = LayerConfig::new().with("features", 8).with("scale", 0.5);
/// assert_eq!(config.take::<usize>("features")?, 8);
/// let e = config.take::<bool>("bias").unwrap_err();
/// assert_eq!(e.message(), "from_config: there is no `bias`");
/// let e = config.done().unwrap_err();
/// assert_eq!(e.message(), "from_config: there is no option `scale`");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerConfig(Map<String, Value>);

impl LayerConfig {
    /// Without options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one option more: a number, a truth value, a text, a list, or another configuration. Numbers that JSON does
    /// not have, infinite ones and NaN, become `null`, which [`take`](Self::take) reads as an absent `Option`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_string(), value.into());
        self
    }

    /// Takes out an option.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    #[track_caller]
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T> {
        let value = self.0.remove(name).ok_or_else(|| wrong(format!("there is no `{name}`")))?;
        serde_json::from_value(value).map_err(|e| wrong(format!("`{name}`: {e}")))
    }

    /// A size, or zero: for [`min_parameters`](super::Architecture::min_parameters).
    pub(crate) fn size(&self, name: &str) -> super::Count {
        super::Count::new(self.0.get(name).and_then(Value::as_u64).map_or(0, |n| n as usize))
    }

    /// Ends the taking.
    ///
    /// # Errors
    /// If there is an option that nobody took.
    #[track_caller]
    pub fn done(self) -> Result<()> {
        match self.0.keys().next() {
            Some(name) => Err(wrong(format!("there is no option `{name}`"))),
            None => Ok(()),
        }
    }
}

impl From<LayerConfig> for Value {
    fn from(config: LayerConfig) -> Self {
        Self::Object(config.0)
    }
}

#[track_caller]
fn wrong(message: String) -> Error {
    Error::format("from_config", message)
}
