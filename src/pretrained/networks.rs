//! Networks of convolutions as torchvision, timm and the ports of EfficientNet publish them: by name, from a file of tensors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::fields::Fields;
use super::folder;
use crate::error::{Error, Result, near, short};
use crate::io::{self, TensorInfo, TensorSource};
use crate::models::{
    EfficientNet, EfficientNetConfig, ImageClassifier, MobileNetV2, MobileNetV2Config, MobileNetV3, MobileNetV3Config,
    ResNet, ResNetConfig,
};
use crate::tensor::{DType, Tensor};

/// What a name stands for.
enum Network {
    ResNet(ResNetConfig),
    MobileNetV2(MobileNetV2Config),
    MobileNetV3(MobileNetV3Config),
    EfficientNet(EfficientNetConfig),
}

/// The names of all of them.
const NAMES: [&str; 39] = [
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "mobilenet_v2",
    "mobilenetv2_035",
    "mobilenetv2_050",
    "mobilenetv2_075",
    "mobilenetv2_100",
    "mobilenetv2_140",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "mobilenetv3_small_100",
    "mobilenetv3_large_100",
    "tf_mobilenetv3_small_100",
    "tf_mobilenetv3_large_100",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "efficientnet_lite3",
    "efficientnet_lite4",
    "tf_efficientnet_b0",
    "tf_efficientnet_b1",
    "tf_efficientnet_b2",
    "tf_efficientnet_b3",
    "tf_efficientnet_b4",
    "tf_efficientnet_lite0",
    "tf_efficientnet_lite1",
    "tf_efficientnet_lite2",
    "tf_efficientnet_lite3",
    "tf_efficientnet_lite4",
];

impl Network {
    fn of(name: &str) -> Option<Self> {
        let (plain, tensorflow) = match name.strip_prefix("tf_") {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        let efficient = |mut config: EfficientNetConfig| {
            if tensorflow {
                (config.same_padding, config.norm_eps) = (true, 1e-3);
            }
            Self::EfficientNet(config)
        };
        let third = |mut config: MobileNetV3Config, timm: bool| {
            config.same_padding = tensorflow;
            config.norm_eps = if timm && !tensorflow { 1e-5 } else { 1e-3 };
            Self::MobileNetV3(config)
        };
        let second = |width: f64| Self::MobileNetV2(MobileNetV2Config::mobilenet_v2().width(width));
        Some(match plain {
            "resnet18" => Self::ResNet(ResNetConfig::resnet18()),
            "resnet34" => Self::ResNet(ResNetConfig::resnet34()),
            "resnet50" => Self::ResNet(ResNetConfig::resnet50()),
            "resnet101" => Self::ResNet(ResNetConfig::resnet101()),
            "resnet152" => Self::ResNet(ResNetConfig::resnet50().blocks([3, 8, 36, 3])),
            "resnext50_32x4d" => Self::ResNet(ResNetConfig::resnext50_32x4d()),
            "wide_resnet50_2" => Self::ResNet(ResNetConfig::wide_resnet50_2()),
            "mobilenet_v2" | "mobilenetv2_100" => second(1.0),
            "mobilenetv2_035" => second(0.35),
            "mobilenetv2_050" => second(0.5),
            "mobilenetv2_075" => second(0.75),
            "mobilenetv2_140" => second(1.4),
            "mobilenet_v3_small" => third(MobileNetV3Config::small(), false),
            "mobilenet_v3_large" => third(MobileNetV3Config::large(), false),
            "mobilenetv3_small_100" => third(MobileNetV3Config::small(), true),
            "mobilenetv3_large_100" => third(MobileNetV3Config::large(), true),
            "efficientnet_b0" => efficient(EfficientNetConfig::b0()),
            "efficientnet_b1" => efficient(EfficientNetConfig::b1()),
            "efficientnet_b2" => efficient(EfficientNetConfig::b2()),
            "efficientnet_b3" => efficient(EfficientNetConfig::b3()),
            "efficientnet_b4" => efficient(EfficientNetConfig::b4()),
            "efficientnet_lite0" => efficient(EfficientNetConfig::lite0()),
            "efficientnet_lite1" => efficient(EfficientNetConfig::lite1()),
            "efficientnet_lite2" => efficient(EfficientNetConfig::lite2()),
            "efficientnet_lite3" => efficient(EfficientNetConfig::lite3()),
            "efficientnet_lite4" => efficient(EfficientNetConfig::lite4()),
            _ => return None,
        })
    }
}

/// The network that a file seems to hold, by how its name begins.
pub(super) fn name_of(path: &Path) -> Option<&'static str> {
    let stem = path.file_stem()?.to_str()?.to_lowercase().replace('-', "_");
    NAMES.into_iter().filter(|name| stem.starts_with(name)).max_by_key(|name| name.len())
}

/// The network of a name, with the parameters of a source: under torchvision's names, timm's, or those of the ports of EfficientNet.
#[track_caller]
pub(super) fn load(op: &'static str, name: &str, source: &dyn TensorSource) -> Result<ImageClassifier> {
    // Behind a dot, timm says which training it was.
    let plain = name.split('.').next().unwrap_or(name).to_lowercase().replace('-', "_");
    let Some(network) = Network::of(&plain) else {
        let e = Error::argument(op, format!("there is no network `{}`", short(name)));
        let nearest = NAMES.iter().filter_map(|known| Some((near(known, &plain)?, known))).min();
        return Err(match nearest {
            Some((_, known)) => e.with_help(format!("did you mean `{known}`?")),
            None => e.with_help(format!("there are {}", NAMES.join(", "))),
        });
    };
    if let Some(found) = folder::seems(source) {
        let message = format!("{}: the tensors seem to be those of `{found}`, not of `{plain}`", source.describe());
        return Err(Error::format(op, message).with_help("pretrained::load reads the folders of transformers"));
    }
    let named = Named::new(source);
    match network {
        Network::ResNet(mut config) => {
            named.sizes(&mut config.in_channels, "conv1.weight", &mut config.num_classes, "fc.weight");
            io::from_source::<ResNet>(op, config, &named).map(Into::into)
        }
        Network::MobileNetV2(mut config) => {
            let last = named.blocks.len() + 1;
            let named = named.renamed(op, last, "classifier.1", None, |i, [e, _]| {
                (format!("features.{}.conv", i + 1), [[0, 0], [e, e], [e, e], [e + 1, e + 2]], true)
            })?;
            named.sizes(&mut config.in_channels, "features.0.0.weight", &mut config.num_classes, "classifier.1.weight");
            io::from_source::<MobileNetV2>(op, config, &named).map(Into::into)
        }
        Network::MobileNetV3(mut config) => {
            let last = named.blocks.len() + 1;
            let named = named.renamed(op, last, "classifier.3", Some("classifier.0"), |i, places| {
                (format!("features.{}.block", i + 1), parts(places), false)
            })?;
            named.sizes(&mut config.in_channels, "features.0.0.weight", &mut config.num_classes, "classifier.3.weight");
            io::from_source::<MobileNetV3>(op, config, &named).map(Into::into)
        }
        Network::EfficientNet(mut config) => {
            if named.style == Style::Port {
                (config.same_padding, config.norm_eps) = (true, 1e-3);
            }
            let stages = config.stage_blocks();
            let place = |i: usize| {
                let mut left = i;
                for (stage, blocks) in stages.iter().enumerate() {
                    if left < *blocks {
                        return (stage + 1, left);
                    }
                    left -= blocks;
                }
                // More blocks than there are: names that nothing has.
                (stages.len(), i)
            };
            let named = named.renamed(op, stages.len() + 1, "classifier.1", None, |i, places| {
                let (stage, block) = place(i);
                (format!("features.{stage}.{block}.block"), parts(places), false)
            })?;
            named.sizes(&mut config.in_channels, "features.0.0.weight", &mut config.num_classes, "classifier.1.weight");
            io::from_source::<EfficientNet>(op, config, &named).map(Into::into)
        }
    }
}

/// Where the parts of a block are that has so many (0 or 1) that expand and that squeeze: each with its convolution and its norm.
fn parts([expand, squeeze]: [usize; 2]) -> [[usize; 2]; 4] {
    let last = expand + squeeze + 1;
    [[0, 0], [expand, expand], [expand + 1; 2], [last, last]]
}

/// Whose names a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Those that the models here have.
    Torchvision,
    Timm,
    /// `efficientnet_pytorch` and what came of it.
    Port,
}

/// The parts of a block: expanding, each channel by itself, squeezing, projecting.
const EXPAND: usize = 0;
const DEPTH: usize = 1;
const SQUEEZE: usize = 2;
const PROJECT: usize = 3;

/// How the parts of a block are called: timm has other names where it does not expand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Timm,
    TimmNarrow,
    Port,
}

/// What the parts of blocks are called, which they are, and whether it is the second of the two (a norm, or what undoes the squeezing).
const PARTS: [(Block, &str, usize, usize); 22] = [
    (Block::Timm, "conv_pwl.", PROJECT, 0),
    (Block::Timm, "bn3.", PROJECT, 1),
    (Block::Timm, "conv_pw.", EXPAND, 0),
    (Block::Timm, "bn1.", EXPAND, 1),
    (Block::Timm, "conv_dw.", DEPTH, 0),
    (Block::Timm, "bn2.", DEPTH, 1),
    (Block::Timm, "se.conv_reduce.", SQUEEZE, 0),
    (Block::Timm, "se.conv_expand.", SQUEEZE, 1),
    (Block::Port, "_expand_conv.", EXPAND, 0),
    (Block::Port, "_bn0.", EXPAND, 1),
    (Block::Port, "_depthwise_conv.", DEPTH, 0),
    (Block::Port, "_bn1.", DEPTH, 1),
    (Block::Port, "_se_reduce.", SQUEEZE, 0),
    (Block::Port, "_se_expand.", SQUEEZE, 1),
    (Block::Port, "_project_conv.", PROJECT, 0),
    (Block::Port, "_bn2.", PROJECT, 1),
    (Block::TimmNarrow, "conv_pw.", PROJECT, 0),
    (Block::TimmNarrow, "bn1.", DEPTH, 1),
    (Block::TimmNarrow, "conv_dw.", DEPTH, 0),
    (Block::TimmNarrow, "bn2.", PROJECT, 1),
    (Block::TimmNarrow, "se.conv_reduce.", SQUEEZE, 0),
    (Block::TimmNarrow, "se.conv_expand.", SQUEEZE, 1),
];

/// What stands outside of the blocks: the first convolution and its norm, the last ones, and the classes.
const OUTSIDE: [(Style, [&str; 5]); 2] = [
    (Style::Timm, ["conv_stem.", "bn1.", "conv_head.", "bn2.", "classifier."]),
    (Style::Port, ["_conv_stem.", "_bn0.", "_conv_head.", "_bn1.", "_fc."]),
];

/// A source under the names of the models here.
struct Named<'a> {
    source: &'a dyn TensorSource,
    style: Style,
    /// The blocks in their order: their names, and whether they have parts that expand and that squeeze.
    blocks: Vec<(String, [usize; 2])>,
    /// Each tensor by its name here: that in the file (none, where a counter is missing), and its form here.
    tensors: BTreeMap<String, (Option<String>, TensorInfo)>,
}

impl<'a> Named<'a> {
    fn new(source: &'a dyn TensorSource) -> Self {
        let infos = source.infos();
        // What wrappers put in front of all names.
        let before = ["module.", "model."]
            .into_iter()
            .find(|before| !infos.is_empty() && infos.iter().all(|info| info.name.starts_with(before)));
        let mut tensors = BTreeMap::new();
        for mut info in infos {
            let name = info.name.strip_prefix(before.unwrap_or_default()).unwrap_or(&info.name).to_string();
            let there = std::mem::replace(&mut info.name, name.clone());
            tensors.insert(name, (Some(there), info));
        }
        let has = |name: &str| tensors.contains_key(name);
        let style = if has("_conv_stem.weight") {
            Style::Port
        } else if has("conv_stem.weight") {
            Style::Timm
        } else {
            Style::Torchvision
        };
        let mut named = Self { source, style, blocks: Vec::new(), tensors };
        named.count();
        named.blocks = named.find();
        named
    }

    /// Files of old releases do not say how many batches were seen.
    fn count(&mut self) {
        let norms: Vec<String> =
            self.tensors.keys().filter_map(|name| name.strip_suffix("running_mean").map(String::from)).collect();
        for norm in norms {
            let name = format!("{norm}num_batches_tracked");
            let info = TensorInfo::new(name.as_str(), [], Some(DType::I64));
            self.tensors.entry(name).or_insert((None, info));
        }
    }

    fn find(&self) -> Vec<(String, [usize; 2])> {
        let mut found: BTreeSet<Vec<usize>> = BTreeSet::new();
        let (begin, levels) = match self.style {
            Style::Torchvision => return Vec::new(),
            Style::Timm => ("blocks.", 2),
            Style::Port => ("_blocks.", 1),
        };
        for name in self.tensors.keys() {
            let Some(rest) = name.strip_prefix(begin) else { continue };
            let numbers: Vec<usize> = rest.split('.').take(levels).map_while(|part| part.parse().ok()).collect();
            if numbers.len() == levels {
                found.insert(numbers);
            }
        }
        let has = |name: &str| usize::from(self.tensors.contains_key(name));
        let block = |numbers: Vec<usize>| {
            let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
            let name = format!("{begin}{}.", numbers.join("."));
            let expand = has(&format!("{name}conv_pwl.weight")) + has(&format!("{name}_expand_conv.weight"));
            let squeeze = has(&format!("{name}se.conv_reduce.weight")) + has(&format!("{name}_se_reduce.weight"));
            (name, [expand, squeeze])
        };
        // The last convolution of a MobileNetV3 stands among timm's blocks.
        let is_block = |(name, _): &(String, [usize; 2])| has(&format!("{name}conv.weight")) == 0;
        found.into_iter().map(block).filter(is_block).collect()
    }

    /// The names here. `place` says of a block by its number, and whether it expands and squeezes, what it is called, where its parts are, and
    /// whether its last part has no level of its own.
    #[track_caller]
    fn renamed(
        mut self,
        op: &'static str,
        last: usize,
        head: &str,
        hidden: Option<&str>,
        place: impl Fn(usize, [usize; 2]) -> (String, [[usize; 2]; 4], bool),
    ) -> Result<Self> {
        if self.style == Style::Torchvision {
            return Ok(self);
        }
        let mut tensors = BTreeMap::new();
        let numbers: BTreeMap<&str, (usize, [usize; 2])> =
            self.blocks.iter().enumerate().map(|(i, (name, has))| (name.as_str(), (i, *has))).collect();
        let outside = OUTSIDE.iter().find(|(style, _)| *style == self.style).map_or([""; 5], |(_, names)| *names);
        let hidden = hidden.filter(|_| self.style == Style::Timm);
        let ends = [
            "features.0.0.".to_string(),
            "features.0.1.".to_string(),
            hidden.map_or(format!("features.{last}.0."), |hidden| format!("{hidden}.")),
            format!("features.{last}.1."),
            format!("{head}."),
        ];
        for (name, (there, mut info)) in std::mem::take(&mut self.tensors) {
            let levels = if self.style == Style::Timm { 3 } else { 2 };
            let cut = name.match_indices('.').nth(levels - 1).map_or(0, |(at, _)| at + 1);
            let (block, rest) = name.split_at(cut);
            let here = if let Some((i, has)) = numbers.get(block) {
                let (begin, places, flat) = place(*i, *has);
                let kind = match self.style {
                    Style::Port => Block::Port,
                    _ if has[0] == 0 => Block::TimmNarrow,
                    _ => Block::Timm,
                };
                let row = PARTS.iter().find_map(|(of, part, which, second)| {
                    Some((*which, *second, rest.strip_prefix(part).filter(|_| *of == kind)?))
                });
                row.map(|(which, second, leaf)| match which {
                    SQUEEZE => format!("{begin}.{}.fc{}.{leaf}", places[which][0], second + 1),
                    PROJECT if flat => format!("{begin}.{}.{leaf}", places[which][second]),
                    _ => format!("{begin}.{}.{second}.{leaf}", places[which][0]),
                })
            } else if block.starts_with("blocks.") && (rest.starts_with("conv.") || rest.starts_with("bn1.")) {
                let (part, leaf) = rest.split_once('.').unwrap_or(("", rest));
                Some(format!("features.{last}.{}.{leaf}", usize::from(part == "bn1")))
            } else {
                let found = outside.iter().zip(&ends).find_map(|(there, here)| Some((here, name.strip_prefix(there)?)));
                found.map(|(here, leaf)| format!("{here}{leaf}"))
            };
            // What has no name here keeps that of the file, and is listed as unexpected.
            let here = here.unwrap_or(name);
            if hidden.is_some_and(|hidden| here.strip_prefix(hidden) == Some(".weight"))
                && info.shape.ends_with(&[1, 1])
            {
                // A convolution of one pixel is a dense layer.
                info.shape.truncate(2);
            }
            info.name.clone_from(&here);
            if tensors.insert(here.clone(), (there, info)).is_some() {
                let message = format!("{}: two tensors would both be `{}`", self.source.describe(), short(&here));
                return Err(Error::format(op, message));
            }
        }
        Ok(Self { tensors, ..self })
    }

    /// Takes the numbers of channels and classes from the tensors of these names.
    fn sizes(&self, channels: &mut usize, first: &str, classes: &mut usize, last: &str) {
        let shape = |name: &str| self.tensors.get(name).map_or(&[][..], |(_, info)| &info.shape);
        if let [_, given, ..] = shape(first) {
            *channels = *given;
        }
        if let [given, ..] = shape(last) {
            *classes = *given;
        }
    }
}

impl TensorSource for Named<'_> {
    fn infos(&self) -> Vec<TensorInfo> {
        self.tensors.values().map(|(_, info)| info.clone()).collect()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        match self.tensors.get(name) {
            Some((Some(there), info)) => {
                let tensor = self.source.read(there)?;
                // A tensor that is not as the source said is noticed by whoever takes it.
                if tensor.numel() == info.shape.iter().fold(1, |count: usize, n| count.saturating_mul(*n)) {
                    tensor.reshape(info.shape.as_slice())
                } else {
                    Ok(tensor)
                }
            }
            Some((None, _)) => Tensor::from_vec(vec![0i64], []),
            None => self.source.read(name),
        }
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}

/// The network of a folder as timm publishes it: its `architecture` in `config.json`.
#[track_caller]
pub(super) fn from_timm(op: &'static str, folder: &Path, mut fields: Fields) -> Result<ImageClassifier> {
    let name: String = fields.required("architecture")?;
    for silent in ["num_classes", "num_features", "pretrained_cfg", "label_names", "label_descriptions"] {
        let _: Option<serde_json::Value> = fields.optional(silent)?;
    }
    fields.only("global_pool", &"avg".into())?;
    fields.only("model_args", &serde_json::Map::new().into())?;
    fields.done(&name)?;
    let weights = folder::weights(op, folder)?;
    load(op, &name, &*weights)
}
