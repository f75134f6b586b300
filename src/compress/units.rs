//! Which layers of a model make, keep and take the same units.

use std::fmt;

use crate::layers::{BatchNorm1d, Conv1d, Conv2d, Conv3d, Flatten, Layer, Linear, Residual, Sequential, Weight};
use crate::models::{ConvNet, ImageClassifier, ResNet};

/// The units of a model, rows of dense layers and channels of convolutions, in groups that go together or not at all.
///
/// A layer whose outputs go straight to the next one has units of its own. Where outputs are added up, as in a residual block, a unit is
/// the same one in all the layers that give to the sum, and in those behind it (Fang et al., *DepGraph: towards any structural pruning*,
/// 2023). [`Pruning::tied`](super::Pruning::tied) chooses units by these groups, [`shrink`](super::shrink) takes them out.
///
/// Looked into are [`Sequential`], [`Residual`], [`ResNet`] and [`ConvNet`], however they are nested. A unit may go if there are,
/// behind its layer and up to the next dense layer or convolution, only layers that treat each unit by itself: activations, dropout,
/// pooling, batch and instance norms, convolutions with a group for each channel, `Flatten`. Other layers keep all their inputs, and the
/// last layer of the model its outputs. Behind a dense layer, `BatchNorm1d` with as many channels as units is taken for one of its units.
///
/// ```
/// use demotic::compress::UnitGroups;
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![
///     Linear::new(4, 16, &mut rng)?,
///     Residual::new(sequential![Linear::new(16, 8, &mut rng)?, Relu, Linear::new(8, 16, &mut rng)?]),
///     Linear::new(16, 2, &mut rng)?,
/// ];
/// let units = UnitGroups::of(&model);
/// println!("{units}");
/// assert_eq!(units.groups()[0].makers, ["0", "1.inner.2"]);
/// assert_eq!(units.groups()[1].makers, ["1.inner.0"]);
/// assert_eq!(units.groups()[2].kept_because.as_deref(), Some("they are outputs of the model"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitGroups {
    groups: Vec<UnitGroup>,
}

/// Units that go together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct UnitGroup {
    /// How many there are.
    pub units: usize,
    /// The paths of the layers that make them: one, or several whose outputs are added up.
    pub makers: Vec<String>,
    /// Why all of them stay, if they do.
    pub kept_because: Option<String>,
    /// Norms and convolutions that have numbers for each unit.
    pub(super) keepers: Vec<String>,
    /// The layers that have them as inputs.
    pub(super) takers: Vec<String>,
}

impl UnitGroups {
    /// Those of a model, in the order of their first layers.
    #[must_use]
    pub fn of(model: &dyn Layer) -> Self {
        let mut flow = Flow::default();
        let x = flow.stuck("they are inputs of the model".into());
        let y = flow.through(model, String::new(), x);
        flow.fix(y, || "they are outputs of the model".into());
        Self { groups: flow.groups.into_iter().filter(|group| !group.makers.is_empty()).collect() }
    }

    /// The groups.
    #[must_use]
    pub fn groups(&self) -> &[UnitGroup] {
        &self.groups
    }
}

/// A line for each group.
impl fmt::Display for UnitGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, UnitGroup { units, makers, kept_because, .. }) in self.groups.iter().enumerate() {
            let because = kept_because.as_ref().map_or(String::new(), |why| format!("  (stay: {why})"));
            let end = if i > 0 { "\n" } else { "" };
            write!(f, "{end}{units:>6} units of {}{because}", makers.join(", "))?;
        }
        Ok(())
    }
}

/// Where units are among the dimensions of what a layer gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The last one: those of a dense layer, and channels without places.
    Last,
    /// The one behind the examples: channels of a convolution.
    Channels,
    /// The last one, and each several times in a row: channels whose places were joined.
    Joined,
}

/// What flows from one layer to the next.
#[derive(Debug, Clone, Copy)]
struct Flowing {
    group: usize,
    place: Place,
}

#[derive(Default)]
struct Flow {
    groups: Vec<UnitGroup>,
    /// The group that one has become part of, or itself.
    part_of: Vec<usize>,
}

/// The path of a layer within another one.
pub(super) fn under(path: &str, name: impl fmt::Display) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

impl Flow {
    fn new_group(&mut self, group: UnitGroup, place: Place) -> Flowing {
        self.part_of.push(self.groups.len());
        self.groups.push(group);
        Flowing { group: self.groups.len() - 1, place }
    }

    /// Units of which nothing is known but why they stay.
    fn stuck(&mut self, why: String) -> Flowing {
        self.new_group(UnitGroup { kept_because: Some(why), ..UnitGroup::default() }, Place::Channels)
    }

    fn root(&self, x: Flowing) -> usize {
        let mut at = x.group;
        while self.part_of[at] != at {
            at = self.part_of[at];
        }
        at
    }

    fn of(&mut self, x: Flowing) -> &mut UnitGroup {
        let at = self.root(x);
        &mut self.groups[at]
    }

    fn fix(&mut self, x: Flowing, why: impl FnOnce() -> String) {
        self.of(x).kept_because.get_or_insert_with(why);
    }

    fn through(&mut self, layer: &dyn Layer, path: String, x: Flowing) -> Flowing {
        let at = |name: &str| under(&path, name);
        if let Some(chain) = layer.downcast_ref::<Sequential>() {
            return chain.iter().enumerate().fold(x, |x, (i, layer)| self.through(layer, under(&path, i), x));
        }
        if let Some(block) = layer.downcast_ref::<Residual>() {
            let y = self.through(block.inner(), at("inner"), x);
            let beside = block.shortcut().map_or(x, |layer| self.through(layer, at("shortcut"), x));
            return self.sum(y, beside, &path);
        }
        if let Some(ImageClassifier::ResNet(model)) = layer.downcast_ref() {
            return self.through(model, path, x);
        }
        if let Some(model) = layer.downcast_ref::<ConvNet>() {
            let mut x = x;
            for (i, stage) in model.stages.iter().enumerate() {
                for (k, block) in stage.iter().enumerate() {
                    let at = |name: &str| under(&path, format_args!("stages.{i}.{k}.{name}"));
                    x = self.through(&block.conv, at("conv"), x);
                    x = block.norm.as_ref().map_or(x, |norm| self.through(norm, at("norm"), x));
                }
            }
            return self.through(&model.head, at("head"), Flowing { place: Place::Last, ..x });
        }
        if let Some(model) = layer.downcast_ref::<ResNet>() {
            let mut x = self.through(&model.conv1, at("conv1"), x);
            x = self.through(&model.bn1, at("bn1"), x);
            for (name, stage) in model.stages() {
                for (i, block) in stage.iter().enumerate() {
                    let at = |part: &str| under(&path, format_args!("{name}.{i}.{part}"));
                    let mut y = self.through(&block.conv1, at("conv1"), x);
                    y = self.through(&block.bn1, at("bn1"), y);
                    // The configuration has one number of groups for all blocks.
                    let is_grouped = convolution(&block.conv2).is_some_and(|(_, groups)| groups > 1);
                    y = match is_grouped {
                        true => self.mixed(&block.conv2, &at("conv2"), y),
                        false => self.through(&block.conv2, at("conv2"), y),
                    };
                    y = self.through(&block.bn2, at("bn2"), y);
                    if let (Some(conv), Some(norm)) = (&block.conv3, &block.bn3) {
                        y = self.through(conv, at("conv3"), y);
                        y = self.through(norm, at("bn3"), y);
                    }
                    let beside = block.downsample.as_ref().map_or(x, |beside| {
                        let x = self.through(&beside.conv, at("downsample.0"), x);
                        self.through(&beside.norm, at("downsample.1"), x)
                    });
                    x = self.sum(y, beside, &under(&path, format_args!("{name}.{i}")));
                }
            }
            return self.through(&model.fc, at("fc"), Flowing { place: Place::Last, ..x });
        }
        self.single(layer, &path, x)
    }

    /// What two paths give, added up.
    fn sum(&mut self, a: Flowing, b: Flowing, path: &str) -> Flowing {
        let (one, other) = (self.root(a), self.root(b));
        let (one, other) = (one.min(other), one.max(other));
        if one == other && a.place == b.place {
            return a;
        }
        let fits = a.place == b.place && self.groups[one].units == self.groups[other].units;
        let why = [one, other].iter().find_map(|at| self.groups[*at].kept_because.clone());
        if why.is_some() || !fits {
            let why = why.unwrap_or_else(|| format!("the sum in {path} is of others too"));
            for x in [a, b] {
                self.fix(x, || why.clone());
            }
            return a;
        }
        let UnitGroup { makers, keepers, takers, .. } = std::mem::take(&mut self.groups[other]);
        let group = &mut self.groups[one];
        group.makers.extend(makers);
        group.keepers.extend(keepers);
        group.takers.extend(takers);
        self.part_of[other] = one;
        a
    }

    /// A layer that keeps all its inputs and all its outputs.
    fn mixed(&mut self, layer: &dyn Layer, path: &str, x: Flowing) -> Flowing {
        let why = format!("{} in layer {path} sees all units together", layer.kind());
        self.fix(x, || why.clone());
        self.stuck(why)
    }

    /// A layer that is not made of others.
    fn single(&mut self, layer: &dyn Layer, path: &str, x: Flowing) -> Flowing {
        let (kind, units) = (layer.kind(), self.of(x).units);
        if let Some(weight) = makes_units(layer) {
            let dense = layer.downcast_ref::<Linear>();
            let fits = match (dense.map(Linear::in_features), x.place) {
                (None, place) => place == Place::Channels,
                // Others of as many examples, or places, would be among them.
                (Some(inputs), Place::Last) => inputs == units,
                (Some(inputs), place) => place == Place::Joined && inputs.is_multiple_of(units.max(1)),
            };
            match fits {
                true => self.of(x).takers.push(path.into()),
                false => {
                    self.fix(x, || format!("{kind} in layer {path} looks at another dimension than that of the units"))
                }
            }
            let units = weight.shape()[usize::from(weight.is_inputs_first())];
            let place = if dense.is_some() { Place::Last } else { Place::Channels };
            return self.new_group(UnitGroup { units, makers: vec![path.into()], ..UnitGroup::default() }, place);
        }
        let joins = layer.downcast_ref::<Flatten>().is_some_and(|layer| layer.joined() == (1, -1));
        let has_numbers = match x.place {
            _ if ALONE.contains(&kind) => return x,
            Place::Last if joins => return x,
            Place::Last => layer.downcast_ref::<BatchNorm1d>().is_some_and(|norm| norm.channels() == units),
            Place::Channels if joins => return Flowing { place: Place::Joined, ..x },
            Place::Channels if kind.starts_with("Global") => return Flowing { place: Place::Last, ..x },
            Place::Channels if BY_CHANNEL.contains(&kind) => return x,
            Place::Channels => NORMS.contains(&kind) || is_depthwise(layer),
            Place::Joined => false,
        };
        if !has_numbers {
            return self.mixed(layer, path, x);
        }
        self.of(x).keepers.push(path.into());
        x
    }
}

/// The weight of a layer that makes units of all of its inputs.
fn makes_units(layer: &dyn Layer) -> Option<&Weight> {
    if let Some(dense) = layer.downcast_ref::<Linear>() {
        return Some(&dense.weight);
    }
    convolution(layer).filter(|(_, groups)| *groups == 1).map(|(weight, _)| weight)
}

/// Weight and groups.
fn convolution(layer: &dyn Layer) -> Option<(&Weight, usize)> {
    macro_rules! of {
        ($($Conv:ident)*) => {$(
            if let Some(conv) = layer.downcast_ref::<$Conv>() {
                return Some((&conv.weight, conv.in_channels() / conv.weight.shape()[1].max(1)));
            }
        )*};
    }
    of!(Conv1d Conv2d Conv3d);
    None
}

/// Whether a convolution has a group for each of its channels and one output for each.
fn is_depthwise(layer: &dyn Layer) -> bool {
    convolution(layer)
        .is_some_and(|(weight, groups)| groups > 1 && groups == weight.shape()[0] && weight.shape()[1] == 1)
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

/// Layers with numbers for each channel.
const NORMS: [&str; 6] =
    ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"];
