//! Layers by the names that they have in files.

use std::any::TypeId;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;

use super::{
    Activation, Architecture, Blueprint, Celu, Count, Dropout, Elu, Embedding, Flatten, Geglu, Gelu, GeluTanh, Glu,
    Gru, GruCell, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, Layer, LayerConfig, LayerNorm, LeakyRelu,
    LearnedPositions, Linear, LogSigmoid, LogSoftmax, Lstm, LstmCell, Maxout, Mish, MultiHeadAttention, Reglu, Relu,
    Relu6, Residual, RmsNorm, Rnn, RnnCell, RotaryPositions, SelfAttention, Selu, Sequential, Sigmoid, Silu,
    SinusoidalPositions, Softmax, Softmin, Softplus, Softshrink, Softsign, Swiglu, Tanh, Tanhshrink, Threshold,
    TransformerEncoder, TransformerEncoderLayer,
};
use crate::error::{Error, Result};
use crate::rng::Rng;

/// A layer that can be made from its name and configuration.
#[derive(Clone, Copy)]
struct Entry {
    kind: &'static str,
    id: fn() -> TypeId,
    build: fn(&Value, &mut Rng) -> Result<Box<dyn Layer>>,
    min_parameters: fn(&Value) -> usize,
}

impl Entry {
    const fn of<L: Architecture + Layer>() -> Self {
        Self { kind: L::KIND, id: TypeId::of::<L>, build: build::<L>, min_parameters: min_parameters::<L> }
    }
}

#[track_caller]
fn build<L: Architecture + Layer>(config: &Value, rng: &mut Rng) -> Result<Box<dyn Layer>> {
    let config = serde_json::from_value(config.clone())
        .map_err(|e| Error::format("from_config", format!("the configuration of a {}: {e}", L::KIND)).with_source(e))?;
    Ok(Box::new(L::from_config(config, rng)?))
}

fn min_parameters<L: Architecture>(config: &Value) -> usize {
    serde_json::from_value(config.clone()).map_or(0, |config| L::min_parameters(&config))
}

macro_rules! entries {
    ($($Layer:ident),* $(,)?) => { &[$(Entry::of::<$Layer>()),*] };
}

/// The layers of this crate.
static OWN: &[Entry] = entries![
    Activation,
    Celu,
    Dropout,
    Elu,
    Embedding,
    Flatten,
    Geglu,
    Gelu,
    GeluTanh,
    Glu,
    Gru,
    GruCell,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LayerNorm,
    LeakyRelu,
    LearnedPositions,
    Linear,
    LogSigmoid,
    LogSoftmax,
    Lstm,
    LstmCell,
    Maxout,
    Mish,
    MultiHeadAttention,
    Reglu,
    Relu,
    Relu6,
    Residual,
    RmsNorm,
    Rnn,
    RnnCell,
    RotaryPositions,
    SelfAttention,
    Selu,
    Sequential,
    Sigmoid,
    Silu,
    SinusoidalPositions,
    Softmax,
    Softmin,
    Softplus,
    Softshrink,
    Softsign,
    Swiglu,
    Tanh,
    Tanhshrink,
    Threshold,
    TransformerEncoder,
    TransformerEncoderLayer,
];

/// Those that programs have registered. Only code is kept here, and nothing that a model holds.
static REGISTERED: RwLock<Vec<Entry>> = RwLock::new(Vec::new());

fn find(kind: &str) -> Option<Entry> {
    let named = |entry: &&Entry| entry.kind == kind;
    let own = OWN.iter().find(named).copied();
    own.or_else(|| REGISTERED.read().unwrap_or_else(PoisonError::into_inner).iter().find(named).copied())
}

/// Makes a layer of your own known to files: from then on, a [`Sequential`], a [`Residual`] or a
/// [`Pipeline`](crate::pipeline::Pipeline) that holds one can be opened. Saving needs only its [`Architecture`]. To register a
/// type again changes nothing.
///
/// ```
/// use demotic::layers::{LayerConfig, register};
/// use demotic::prelude::*;
///
/// /// `x · factor`.
/// #[derive(Clone)]
/// struct Scale {
///     factor: f64,
/// }
///
/// module!(Scale {}, plain { factor });
///
/// impl Layer for Scale {
///     fn forward(&self, x: &Tensor, _: &mut Mode) -> Result<Tensor> {
///         Ok(x * self.factor)
///     }
/// }
///
/// impl Architecture for Scale {
///     const KIND: &'static str = "mine::Scale";
///     type Config = LayerConfig;
///
///     fn config(&self) -> Result<LayerConfig> {
///         Ok(LayerConfig::new().with("factor", self.factor))
///     }
///
///     fn from_config(mut config: LayerConfig, _: &mut Rng) -> Result<Self> {
///         let factor = config.take("factor")?;
///         config.done()?;
///         Ok(Self { factor })
///     }
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// let model = sequential![Linear::new(4, 8, &mut Rng::seed(0))?, Scale { factor: 0.5 }];
/// model.save(&path)?;
///
/// register::<Scale>()?;
/// let again = Sequential::open(&path)?;
/// let x = Tensor::ones([2, 4])?;
/// assert_eq!(again.predict(&x)?.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If another type has the same [`KIND`](Architecture::KIND).
#[track_caller]
pub fn register<L: Architecture + Layer>() -> Result<()> {
    let entry = Entry::of::<L>();
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    let known = OWN.iter().chain(&*registered).find(|known| known.kind == entry.kind);
    match known {
        Some(known) if (known.id)() == (entry.id)() => Ok(()),
        Some(_) => {
            let message = format!("there is another layer that is called `{}`", entry.kind);
            Err(Error::argument("register", message)
                .with_help("begin the KIND with the name of your crate: `mine::Layer`"))
        }
        None => {
            registered.push(entry);
            Ok(())
        }
    }
}

impl Blueprint {
    /// The layer that it describes, with random weights.
    ///
    /// # Errors
    /// If there is no such layer, in this crate or among those that were [registered](register), or its configuration makes no
    /// sense.
    #[track_caller]
    pub fn build(&self, rng: &mut Rng) -> Result<Box<dyn Layer>> {
        match find(self.kind()) {
            Some(entry) => (entry.build)(self.value(), rng),
            None => Err(Error::argument("from_config", format!("there is no layer that is called `{}`", self.kind()))
                .with_help("if it is one of your own, call layers::register::<TheLayer>() first")),
        }
    }

    /// How many numbers the parameters of the layer hold, at least.
    pub(crate) fn min_parameters(&self) -> usize {
        find(self.kind()).map_or(0, |entry| (entry.min_parameters)(self.value()))
    }
}

/// The blueprint of a part.
///
/// # Errors
/// If it has none.
#[track_caller]
fn of_part(name: &dyn std::fmt::Display, layer: &dyn Layer) -> Result<Blueprint> {
    layer.blueprint().unwrap_or_else(|| {
        let message = format!("the layer `{name}`, a {}, cannot be described: it has no Architecture", layer.kind());
        Err(Error::state("config", message).with_help(
            "implement Architecture for it and call layers::register; or make the model in code and load() its parameters",
        ))
    })
}

fn parameters(parts: &[Blueprint]) -> usize {
    parts.iter().map(|part| Count::new(part.min_parameters())).sum::<Count>().get()
}

/// Its file holds those of all layers, in order.
impl Architecture for Sequential {
    const KIND: &'static str = "Sequential";
    type Config = Vec<Blueprint>;

    #[track_caller]
    fn config(&self) -> Result<Self::Config> {
        self.iter().enumerate().map(|(i, layer)| of_part(&i, layer)).collect()
    }

    #[track_caller]
    fn from_config(config: Self::Config, rng: &mut Rng) -> Result<Self> {
        let mut layers = Self::new();
        for layer in config {
            layers.push(layer.build(rng)?);
        }
        Ok(layers)
    }

    fn min_parameters(config: &Self::Config) -> usize {
        parameters(config)
    }
}

/// Its file holds that of the layer inside, and that of the shortcut.
impl Architecture for Residual {
    const KIND: &'static str = "Residual";
    type Config = Vec<Blueprint>;

    #[track_caller]
    fn config(&self) -> Result<Self::Config> {
        let inner = of_part(&"inner", self.inner());
        std::iter::once(inner).chain(self.shortcut().map(|layer| of_part(&"shortcut", layer))).collect()
    }

    #[track_caller]
    fn from_config(config: Self::Config, rng: &mut Rng) -> Result<Self> {
        match &config[..] {
            [inner] => Ok(Self::new(inner.build(rng)?)),
            [inner, shortcut] => Ok(Self::new(inner.build(rng)?).with_shortcut(shortcut.build(rng)?)),
            _ => {
                let message = format!("a Residual of {} layers, expected one, or one and a shortcut", config.len());
                Err(Error::format("from_config", message))
            }
        }
    }

    fn min_parameters(config: &Self::Config) -> usize {
        parameters(config)
    }
}

/// An option that is another layer's configuration.
pub(super) fn part<L: Architecture<Config = LayerConfig>>(layer: Option<&L>) -> Result<Value> {
    layer.map_or(Ok(Value::Null), |layer| layer.config().map(Value::from))
}
