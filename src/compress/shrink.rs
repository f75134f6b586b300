//! Taking units out of a model.

use std::fmt;

use super::masks::Masks;
use crate::error::{Error, Result};
use crate::layers::{
    BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv1d, Conv2d, Conv3d, Flatten, InstanceNorm1d, InstanceNorm2d,
    InstanceNorm3d, Layer, Linear, Param, Sequential, Weight,
};
use crate::tensor::Tensor;

/// Takes the units out of a model of which masks leave nothing: rows of dense layers and channels of convolutions, with their biases and
/// whatever the layers behind make of them. What is left is an ordinary model with fewer numbers, which is saved and opened as such.
///
/// The masks are usually those of [`Pruning::units`](super::Pruning::units). A unit may go if there are, behind its layer and up to the
/// next dense layer or convolution, only layers that treat each unit by itself: activations, dropout, pooling, batch and instance norms,
/// convolutions with a group for each channel, `Flatten`. Other layers keep all their inputs, and the last layer of the model its outputs;
/// [`Shrunk`] says so. Behind a dense layer, `BatchNorm1d` with as many channels as units is taken for one of its units. A unit without inputs still gives what its bias makes of it: that goes too, so the model changes a little, and is
/// best trained on.
///
/// ```
/// use demotic::compress::{Pruning, shrink};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut model = sequential![Linear::new(8, 32, &mut rng)?, Relu, Linear::new(32, 1, &mut rng)?];
/// let masks = Pruning::magnitude(0.75).units(2.0).on("0").apply(&mut model)?;
/// let shrunk = shrink(&mut model, &masks)?;
/// assert_eq!((shrunk.before, shrunk.after), (8 * 32 + 32 + 33, 8 * 8 + 8 + 9));
/// assert_eq!(model.predict(&Tensor::ones([1, 8])?)?.shape(), [1, 1]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If a mask has another shape than its weight, or units do not fit the layers behind; nothing is changed then.
#[track_caller]
pub fn shrink(model: &mut Sequential, masks: &Masks) -> Result<Shrunk> {
    let before = numbers(model);
    let (mut smaller, mut layers) = (model.clone(), Vec::new());
    for at in 0..smaller.len() {
        let Some(units) = left(&smaller, at, masks)? else { continue };
        let path = at.to_string();
        let (kept, all) = units;
        let why = match consumer(&smaller, at, all) {
            Ok(next) => {
                let chosen = Tensor::from_vec(kept.iter().map(|i| *i as i64).collect(), [kept.len()])?;
                cut(&mut smaller, at, next, &chosen, all).map_err(|e| e.in_layer(&path))?;
                None
            }
            Err(why) => Some(why),
        };
        layers.push(Shrink {
            path,
            before: all,
            after: if why.is_some() { all } else { kept.len() },
            kept_because: why,
        });
    }
    let after = numbers(&smaller);
    *model = smaller;
    Ok(Shrunk { before, after, layers })
}

/// What [`shrink`] took out. Shown as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shrunk {
    /// The numbers in all parameters before.
    pub before: usize,
    /// Those that are left.
    pub after: usize,
    /// The layers of which masks leave units out.
    pub layers: Vec<Shrink>,
}

/// What became of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shrink {
    /// Its path.
    pub path: String,
    /// How many units it had.
    pub before: usize,
    /// How many it has.
    pub after: usize,
    /// Why all of them stay, if they do.
    pub kept_because: Option<String>,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Shrink { path, before, after, kept_because } in &self.layers {
            let because = kept_because.as_ref().map_or(String::new(), |why| format!("  ({why})"));
            writeln!(f, "{path:8}  {before:>6} units  {after:>6} left{because}")?;
        }
        write!(f, "numbers   {:>12}        {:>6} left", self.before, self.after)
    }
}

fn numbers(model: &Sequential) -> usize {
    use crate::layers::ModuleExt;
    model.num_parameters()
}

/// The weight and bias of a layer that makes units of all of its inputs.
fn makes_units(layer: &dyn Layer) -> Option<(&Weight, Option<&Param>)> {
    if let Some(dense) = layer.downcast_ref::<Linear>() {
        return Some((&dense.weight, dense.bias.as_ref()));
    }
    convolution(layer).filter(|(_, _, groups)| *groups == 1).map(|(weight, bias, _)| (weight, bias))
}

/// Weight, bias and groups.
fn convolution(layer: &dyn Layer) -> Option<(&Weight, Option<&Param>, usize)> {
    macro_rules! of {
        ($($Conv:ident)*) => {$(
            if let Some(conv) = layer.downcast_ref::<$Conv>() {
                return Some((&conv.weight, conv.bias.as_ref(), conv.in_channels() / conv.weight.shape()[1].max(1)));
            }
        )*};
    }
    of!(Conv1d Conv2d Conv3d);
    None
}

/// The units of a layer that its mask leaves, and how many it has, if there are such that go.
#[track_caller]
fn left(model: &Sequential, at: usize, masks: &Masks) -> Result<Option<(Vec<usize>, usize)>> {
    let path = format!("{at}.weight");
    let (Some(mask), Some((weight, _))) = (masks.get(&path), model.get(at).and_then(makes_units)) else {
        return Ok(None);
    };
    let dim = usize::from(weight.is_inputs_first());
    // Inputs may have gone before.
    let fits = mask.rank() == weight.shape().len() && mask.shape()[dim] == weight.shape()[dim];
    if !fits {
        let message = format!("a mask of shape {:?} for a weight of shape {:?}", mask.shape(), weight.shape());
        return Err(Error::shape("shrink", message).in_layer(path));
    }
    let units = mask.shape()[dim];
    let flat = if dim == 0 { mask.clone() } else { mask.t() };
    let flat = flat.contiguous().to_f64_vec();
    let wide = flat.len() / units.max(1);
    let kept: Vec<usize> = (0..units).filter(|unit| flat[unit * wide..][..wide].iter().any(|x| *x != 0.0)).collect();
    if kept.is_empty() {
        let e = Error::state("shrink", "the mask leaves no unit").in_layer(path);
        return Err(e.with_help("prune a smaller share of its units"));
    }
    Ok((kept.len() < units).then_some((kept, units)))
}

/// Layers without parameters that treat each number by itself.
const ALONE: [&str; 30] = [
    "Relu",
    "LeakyRelu",
    "Elu",
    "Selu",
    "Celu",
    "Gelu",
    "GeluTanh",
    "Silu",
    "Mish",
    "Tanh",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Hardtanh",
    "Hardsigmoid",
    "Hardswish",
    "Hardshrink",
    "Softshrink",
    "Tanhshrink",
    "Threshold",
    "LogSigmoid",
    "Rrelu",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
    "FeatureAlphaDropout",
    "GaussianNoise",
    "GaussianDropout",
];

/// Layers without parameters that treat each channel by itself: the units of a convolution, not of a dense layer.
const BY_CHANNEL: [&str; 10] = [
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
];

/// Where the units of a layer are among the dimensions of what it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Units {
    /// The last one: those of a dense layer, and channels without places.
    Last,
    /// The one behind the examples: channels of a convolution.
    Channels,
    /// The last one, and each several times in a row: channels whose places were joined.
    Joined,
}

fn is_norm(layer: &dyn Layer) -> bool {
    const NORMS: [&str; 6] =
        ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"];
    NORMS.contains(&layer.kind())
}

/// Whether a convolution has a group for each of its channels and one output for each.
fn is_depthwise(layer: &dyn Layer) -> bool {
    convolution(layer)
        .is_some_and(|(weight, _, groups)| groups > 1 && groups == weight.shape()[0] && weight.shape()[1] == 1)
}

/// The layer that takes the units of another one, or why there is none.
fn consumer(model: &Sequential, producer: usize, all: usize) -> std::result::Result<usize, String> {
    let is_dense = |layer: &dyn Layer| layer.downcast_ref::<Linear>().is_some();
    let mut units = match model.get(producer).is_some_and(is_dense) {
        true => Units::Last,
        false => Units::Channels,
    };
    for at in producer + 1..model.len() {
        let Some(layer) = model.get(at) else { break };
        let kind = layer.kind();
        if makes_units(layer).is_some() {
            let fits = match (layer.downcast_ref::<Linear>().map(Linear::in_features), units) {
                (None, units) => units == Units::Channels,
                // Others of as many examples, or places, would be among them.
                (Some(inputs), Units::Last) => inputs == all,
                (Some(_), units) => units == Units::Joined,
            };
            return match fits {
                true => Ok(at),
                false => Err(format!("{kind} in layer {at} looks at another dimension than that of the units")),
            };
        }
        let joins = layer.downcast_ref::<Flatten>().is_some_and(|layer| layer.joined() == (1, -1));
        let goes_on = match units {
            _ if ALONE.contains(&kind) => true,
            Units::Last => joins || layer.downcast_ref::<BatchNorm1d>().is_some_and(|norm| norm.channels() == all),
            Units::Channels if joins || kind.starts_with("Global") => {
                units = if joins { Units::Joined } else { Units::Last };
                true
            }
            Units::Channels => BY_CHANNEL.contains(&kind) || is_norm(layer) || is_depthwise(layer),
            Units::Joined => false,
        };
        if !goes_on {
            return Err(format!("{kind} in layer {at} sees all units together"));
        }
    }
    Err("they are outputs of the model".into())
}

/// Leaves these of `all` units of the layer `producer`, which layer `next` takes.
#[track_caller]
fn cut(model: &mut Sequential, producer: usize, next: usize, kept: &Tensor, all: usize) -> Result<()> {
    for at in producer..=next {
        let Some(layer) = model.get_mut(at) else { break };
        if at == producer || is_depthwise(layer) {
            outputs(layer, kept)?;
        } else if at == next {
            inputs(layer, kept, all)?;
        } else if is_norm(layer) {
            norm(layer, kept)?;
        }
    }
    Ok(())
}

#[track_caller]
fn replace(weight: &mut Weight, dim: usize, kept: &Tensor) -> Result<()> {
    let turned = weight.is_inputs_first();
    let Some(param) = weight.param().filter(|_| weight.adapter().is_none()) else {
        let e = Error::state("shrink", "the weight is quantised or has an adapter");
        return Err(e.with_help("shrink first; quantise and adapt what is left"));
    };
    let mut fewer = Param::new(param.value().detach().index_select(dim as isize, kept)?)?;
    fewer.set_trainable(param.is_trainable());
    *weight = if turned { Weight::InputsFirst(fewer) } else { Weight::Dense(fewer) };
    Ok(())
}

#[track_caller]
fn fewer(param: &mut Option<Param>, kept: &Tensor) -> Result<()> {
    if let Some(param) = param {
        let mut new = Param::new(param.value().detach().index_select(0, kept)?)?;
        new.set_trainable(param.is_trainable());
        *param = new;
    }
    Ok(())
}

#[track_caller]
fn outputs(layer: &mut dyn Layer, kept: &Tensor) -> Result<()> {
    let is_depthwise = is_depthwise(layer);
    if let Some(dense) = layer.downcast_mut::<Linear>() {
        let dim = usize::from(dense.weight.is_inputs_first());
        replace(&mut dense.weight, dim, kept)?;
        return fewer(&mut dense.bias, kept);
    }
    macro_rules! of {
        ($($Conv:ident)*) => {$(
            if let Some(conv) = layer.downcast_mut::<$Conv>() {
                replace(&mut conv.weight, 0, kept)?;
                fewer(&mut conv.bias, kept)?;
                if is_depthwise {
                    conv.set_groups(kept.numel());
                }
                return Ok(());
            }
        )*};
    }
    of!(Conv1d Conv2d Conv3d);
    Ok(())
}

#[track_caller]
fn inputs(layer: &mut dyn Layer, kept: &Tensor, all: usize) -> Result<()> {
    if let Some(dense) = layer.downcast_mut::<Linear>() {
        // Behind a `Flatten`, each unit has several inputs.
        let each = dense.in_features() / all.max(1);
        if each * all != dense.in_features() {
            let message = format!("{} inputs of the layer behind for {all} units", dense.in_features());
            return Err(Error::shape("shrink", message));
        }
        let places =
            kept.to_vec::<i64>()?.into_iter().flat_map(|unit| (0..each).map(move |i| unit * each as i64 + i as i64));
        let places: Vec<i64> = places.collect();
        let dim = usize::from(!dense.weight.is_inputs_first());
        return replace(&mut dense.weight, dim, &Tensor::from_vec(places.clone(), [places.len()])?);
    }
    macro_rules! of {
        ($($Conv:ident)*) => {$(
            if let Some(conv) = layer.downcast_mut::<$Conv>() {
                return replace(&mut conv.weight, 1, kept);
            }
        )*};
    }
    of!(Conv1d Conv2d Conv3d);
    Ok(())
}

#[track_caller]
fn norm(layer: &mut dyn Layer, kept: &Tensor) -> Result<()> {
    macro_rules! of {
        ($($Norm:ident)*) => {$(
            if let Some(norm) = layer.downcast_mut::<$Norm>() {
                *norm = norm.selected(kept)?;
            }
        )*};
    }
    of!(BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d);
    Ok(())
}
