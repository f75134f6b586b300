//! Layers by the names that they have in files.

use std::any::TypeId;
use std::sync::{PoisonError, RwLock};

use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::error::{Error, Here, Result};
use crate::rng::Rng;

/// A layer that can be made from its name and configuration.
#[derive(Clone, Copy)]
struct Entry {
    kind: &'static str,
    id: fn() -> TypeId,
    build: fn(Value, &mut Rng) -> Result<Box<dyn Layer>>,
    /// None of a layer without parameters.
    min_parameters: Option<fn(&Value) -> usize>,
}

impl Entry {
    const fn of<L: Architecture + Layer>() -> Self {
        Self { min_parameters: Some(min_parameters::<L>), ..Self::without_parameters::<L>() }
    }

    const fn without_parameters<L: Architecture + Layer>() -> Self {
        Self { kind: L::KIND, id: TypeId::of::<L>, build: build::<L>, min_parameters: None }
    }

    const fn of_container<L: Architecture + Layer>() -> Self
    where
        L::Config: Parts,
    {
        Self { build: build_container::<L>, min_parameters: Some(of_parts), ..Self::without_parameters::<L>() }
    }
}

#[track_caller]
fn build<L: Architecture + Layer>(config: Value, rng: &mut Rng) -> Result<Box<dyn Layer>> {
    // Not by a closure, in which the caller's line would be this one.
    match L::Config::deserialize(config) {
        Ok(config) => Ok(Box::new(L::from_config(config, rng)?)),
        Err(e) => Err(malformed(L::KIND, e)),
    }
}

#[track_caller]
fn build_container<L: Architecture + Layer>(config: Value, rng: &mut Rng) -> Result<Box<dyn Layer>>
where
    L::Config: Parts,
{
    match L::Config::of_value(config) {
        Ok(config) => Ok(Box::new(L::from_config(config, rng)?)),
        Err(e) => Err(malformed(L::KIND, e)),
    }
}

#[cold]
#[track_caller]
fn malformed(kind: &str, e: serde_json::Error) -> Error {
    Error::format("from_config", format!("the configuration of a {kind}: {e}")).with_source(e)
}

fn min_parameters<L: Architecture>(config: &Value) -> usize {
    L::Config::deserialize(config).map_or(0, |config| L::min_parameters(&config))
}

/// The configuration of a layer made of others. Theirs stand in it, and so on; what is read of each is handed down, and not copied, so that
/// time and memory are those of the text.
trait Parts: Sized {
    fn of_value(config: Value) -> serde_json::Result<Self>;
}

impl Parts for Vec<Blueprint> {
    fn of_value(config: Value) -> serde_json::Result<Self> {
        Blueprint::list(config)
    }
}

impl Parts for (Join, Vec<Blueprint>) {
    fn of_value(config: Value) -> serde_json::Result<Self> {
        match config {
            Value::Array(mut both) if both.len() == 2 => {
                let layers = Blueprint::list(both.pop().unwrap_or_default())?;
                Ok((Join::deserialize(both.pop().unwrap_or_default())?, layers))
            }
            other => serde_json::from_value(other),
        }
    }
}

/// How many numbers the parameters of all layers hold, at least, that stand in the configuration of a container.
fn of_parts(config: &Value) -> usize {
    let of_part =
        |part: &Value| match part {
            Value::Object(fields) => fields.get("kind").and_then(Value::as_str).and_then(find).map_or(0, |entry| {
                entry.min_parameters.map_or(0, |min| min(fields.get("config").unwrap_or(&Value::Null)))
            }),
            Value::Array(_) => of_parts(part),
            _ => 0,
        };
    let parts = config.as_array().map_or(&[][..], Vec::as_slice);
    parts.iter().map(|part| Count::new(of_part(part))).sum::<Count>().get()
}

macro_rules! entries {
    (containers: $($Container:ident),*; with parameters: $($Layer:ident),*; without: $($Bare:ident),* $(;)?) => {
        &[
            $(Entry::of_container::<$Container>(),)*
            $(Entry::of::<$Layer>(),)*
            $(Entry::without_parameters::<$Bare>(),)*
        ]
    };
}

/// The layers of this crate: all that are a [`Layer`], except what `tests/repository/registry.rs` names with a reason.
static OWN: &[Entry] = entries! {
    containers:
        Parallel, Residual, Sequential, TimeDistributed;
    with parameters:
        BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv1d, Conv2d, Conv3d, ConvLstmCell, ConvNormActivation, ConvTranspose1d, ConvTranspose2d,
        ConvTranspose3d, DepthwiseSeparable, DropConnect, Embedding, EmbeddingBag, GroupNorm, Gru, GruCell,
        InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, LayerNorm, LayerNorm2d, LearnedPositions, Linear, Lstm, LstmCell, MultiHeadAttention,
        Prelu, RmsNorm, Rnn, RnnCell, SelfAttention, SqueezeExcitation, TransformerEncoder, TransformerEncoderLayer;
    without:
        Activation, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d,
        AdaptiveMaxPool3d, AlphaDropout, AvgPool1d, AvgPool2d, AvgPool3d, Celu, CircularPad1d, CircularPad2d,
        CircularPad3d, ConstantPad1d, ConstantPad2d, ConstantPad3d, Dropout, Dropout1d, Dropout2d, Dropout3d, Elu,
        FeatureAlphaDropout, Flatten, Fold, GaussianNoise, Geglu, Gelu, GeluTanh, GlobalAvgPool, GlobalMaxPool, Glu,
        Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyRelu, LocalResponseNorm, LogSigmoid, LogSoftmax, LpPool1d,
        LpPool2d, LpPool3d, MaxPool1d, MaxPool2d, MaxPool3d, Maxout, Mish, PixelShuffle, PixelUnshuffle, QuickGelu,
        ReflectionPad1d, ReflectionPad2d, ReflectionPad3d, Reglu, Relu, Relu6, ReplicationPad1d, ReplicationPad2d,
        ReplicationPad3d, RotaryPositions, Rrelu, Selu, Sigmoid, Silu, SinusoidalPositions, Softmax, Softmin,
        Softplus, Softshrink, Softsign, StochasticDepth, Swiglu, Tanh, Tanhshrink, Threshold, Unfold, Upsample,
        ZeroPad1d, ZeroPad2d, ZeroPad3d;
};

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
    pub fn build(self, rng: &mut Rng) -> Result<Box<dyn Layer>> {
        match find(self.kind()) {
            Some(entry) => (entry.build)(self.into_value(), rng),
            None => Err(Error::argument("from_config", format!("there is no layer that is called `{}`", self.kind()))
                .with_help("if it is one of your own, call layers::register::<TheLayer>() first")),
        }
    }

    /// How many numbers the parameters of the layer hold, at least.
    pub(crate) fn min_parameters(&self) -> usize {
        find(self.kind()).and_then(|entry| entry.min_parameters).map_or(0, |min| min(self.value()))
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
    }).here()
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
        let (count, mut layers) = (config.len(), config.into_iter());
        match (layers.next(), layers.next(), layers.next()) {
            (Some(inner), None, _) => Ok(Self::new(inner.build(rng)?)),
            (Some(inner), Some(shortcut), None) => Ok(Self::new(inner.build(rng)?).with_shortcut(shortcut.build(rng)?)),
            _ => {
                let message = format!("a Residual of {count} layers, expected one, or one and a shortcut");
                Err(Error::format("from_config", message))
            }
        }
    }

    fn min_parameters(config: &Self::Config) -> usize {
        parameters(config)
    }
}

/// Its file holds that of the layer inside.
impl Architecture for TimeDistributed {
    const KIND: &'static str = "TimeDistributed";
    type Config = Vec<Blueprint>;

    #[track_caller]
    fn config(&self) -> Result<Self::Config> {
        Ok(vec![of_part(&"inner", self.inner())?])
    }

    #[track_caller]
    fn from_config(config: Self::Config, rng: &mut Rng) -> Result<Self> {
        let (count, mut layers) = (config.len(), config.into_iter());
        match (layers.next(), layers.next()) {
            (Some(inner), None) => Ok(Self::new(inner.build(rng)?)),
            _ => Err(Error::format("from_config", format!("a TimeDistributed of {count} layers, expected one"))),
        }
    }

    fn min_parameters(config: &Self::Config) -> usize {
        parameters(config)
    }
}

/// Its file holds those of all layers, in order.
impl Architecture for Parallel {
    const KIND: &'static str = "Parallel";
    type Config = (Join, Vec<Blueprint>);

    #[track_caller]
    fn config(&self) -> Result<Self::Config> {
        let layers = self.iter().enumerate().map(|(i, layer)| of_part(&i, layer)).collect::<Result<_>>().here()?;
        Ok((self.join(), layers))
    }

    #[track_caller]
    fn from_config((join, layers): Self::Config, rng: &mut Rng) -> Result<Self> {
        let mut parallel = Self::new(join);
        for layer in layers {
            parallel = parallel.with(layer.build(rng)?);
        }
        Ok(parallel)
    }

    fn min_parameters((_, layers): &Self::Config) -> usize {
        parameters(layers)
    }
}

/// An option that is another layer's configuration.
#[track_caller]
pub(super) fn part<L: Architecture<Config = LayerConfig>>(layer: Option<&L>) -> Result<Value> {
    layer.map_or(Ok(Value::Null), |layer| layer.config().map(Value::from)).here()
}
