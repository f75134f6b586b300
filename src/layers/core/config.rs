//! What layers are made from, in files.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::options::{LayerOption, Stored};
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
    /// not have are written as texts, `"inf"`, `"-inf"` and `"NaN"`, and are numbers again when they are [taken](Self::take).
    #[must_use]
    pub fn with(mut self, name: &str, value: impl LayerOption) -> Self {
        self.0.insert(name.to_string(), value.into_value());
        self
    }

    /// The same with an option that has a form in JSON of its own, without numbers.
    pub(crate) fn with_form(self, name: &str, value: &impl Serialize) -> Self {
        self.with(name, serde_json::to_value(value).unwrap_or_default())
    }

    /// Takes out an option.
    ///
    /// # Errors
    /// If it is not there, or of another type.
    #[track_caller]
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T> {
        let value = self.0.remove(name).ok_or_else(|| wrong(format!("there is no `{name}`")))?;
        T::deserialize(Stored(value)).map_err(|e| wrong(format!("`{name}`: {e}")))
    }

    /// Takes out an option that is `default` where it is not said, as in files that are older than the option.
    ///
    /// # Errors
    /// If it is of another type.
    #[track_caller]
    pub fn take_or<T: DeserializeOwned>(&mut self, name: &str, default: T) -> Result<T> {
        if self.0.contains_key(name) { self.take(name) } else { Ok(default) }
    }

    /// A size, or zero: for [`min_parameters`](super::Architecture::min_parameters).
    pub(crate) fn size(&self, name: &str) -> super::Count {
        super::Count::new(self.0.get(name).and_then(Value::as_u64).map_or(0, |n| n as usize))
    }

    /// The product of a list of sizes, or zero.
    pub(crate) fn product(&self, name: &str) -> super::Count {
        let Some(Value::Array(sizes)) = self.0.get(name) else { return super::Count::new(0) };
        let sizes = sizes.iter().map(|n| n.as_u64().map_or(0, |n| n as usize));
        sizes.fold(super::Count::new(1), |product, n| product * n)
    }

    /// Whether an option is there and true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }

    /// How many numbers the parameters of a part hold, at least, which is described by an option.
    pub(crate) fn of_part<L: super::Architecture<Config = Self>>(&self, name: &str) -> super::Count {
        let part = self.0.get(name).and_then(|part| Self::deserialize(part).ok());
        super::Count::new(part.map_or(0, |part| L::min_parameters(&part)))
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

/// The [`Architecture`](super::Architecture) of a layer that is described by its options: what they are, how the layer is made of them, and
/// how many numbers it holds at least.
macro_rules! described {
    (
        $Layer:ident, |$layer:ident| $config:expr, |$options:ident, $rng:pat_param| $make:expr
        $(, |$sizes:ident| $count:expr)? $(,)?
    ) => {
        impl $crate::layers::Architecture for $Layer {
            const KIND: &'static str = stringify!($Layer);
            type Config = $crate::layers::LayerConfig;

            #[track_caller]
            fn config(&self) -> $crate::Result<$crate::layers::LayerConfig> {
                let $layer = self;
                Ok($config)
            }

            #[track_caller]
            fn from_config(mut config: $crate::layers::LayerConfig, $rng: &mut $crate::Rng) -> $crate::Result<Self> {
                let $options = &mut config;
                let layer = $make;
                config.done()?;
                Ok(layer)
            }

            $(fn min_parameters($sizes: &$crate::layers::LayerConfig) -> usize {
                $count.get()
            })?
        }
    };
}

pub(crate) use described;
