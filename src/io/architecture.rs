//! Models together with what they are made from.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::panic::Location;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::checkpoint::MAGIC as CHECKPOINT;
use super::module::{load_new, slots};
use super::safetensors::{self, Reader};
use super::{Metadata, TensorInfo, TensorSource};
use crate::error::{Error, Here, Result, short};
use crate::files;
use crate::layers::{
    Architecture, Blueprint, Count, Layer, LoraOptions, Module, QuantizedAs, SlotMut, VisitorMut, WeightForm,
    add_loras, check_forms, form_as, forms, loras, quantize_as, quantized,
};
use crate::order;
use crate::rng::Rng;
use crate::tensor::quantized::blocks_shape;
use crate::tensor::{DType, QTensor, Tensor};

/// Under which name the metadata of a file say what model it holds.
const KEY: &str = "demotic.model";
const VERSION: u32 = 1;
/// And under which name what low-rank adapters, by the path of their weight.
const ADAPTERS: &str = "demotic.lora";
/// And under which name how the weights are kept that are quantised, by their path.
const QUANTIZED: &str = "demotic.quantized";
/// And under which name how the weights are kept that are sparse, or products of two, by their path.
const FORMS: &str = "demotic.weights";
/// And where pipelines say what stands before and behind their model.
pub(crate) const PREPROCESSOR: &str = "demotic.preprocessor";
pub(crate) const IMAGES: &str = "demotic.images";
/// For how many numbers of such a weight there is at least one in its file: so that a small file cannot ask for a large model.
const THINNEST: usize = 1000;

/// How long a description may be, in bytes. As a value it takes some twenty times as much memory.
const MAX_DESCRIPTION: usize = 4 << 20;

/// Why a model and its parameters may not fit each other.
const CHANGED: &str = "the file was changed after it was saved";

/// What stands there.
#[derive(Serialize)]
struct Description<'a> {
    version: u32,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a serde_json::Value>,
    /// Why there is no configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// The part of it that all versions have.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
    #[serde(default)]
    problem: Option<String>,
}

#[derive(Deserialize)]
struct Contents<C> {
    config: C,
}

/// Writes a model, what it is made from if that is known, and the metadata.
///
/// # Errors
/// If the file system refuses. If the model has to be one that can be opened: if it is not.
#[track_caller]
pub(crate) fn save(
    op: &'static str,
    model: &(impl Module + ?Sized),
    metadata: &Metadata,
    path: &Path,
    to_open: bool,
) -> Result<()> {
    let mut all = metadata.clone();
    // What is there may be that of another model, from whose file the metadata were read.
    all.remove(KEY);
    all.remove(ADAPTERS);
    all.remove(QUANTIZED);
    all.remove(FORMS);
    let description = |kind, config, problem| Description { version: VERSION, kind, config, problem };
    match model.blueprint() {
        Some(Ok(blueprint)) => {
            all.insert_json(KEY, &description(blueprint.kind(), Some(blueprint.value()), None))?;
            let length = all.get(KEY).map_or(0, str::len);
            if length > MAX_DESCRIPTION {
                let message = format!("a description of {length} bytes, of which {MAX_DESCRIPTION} would be read");
                if to_open {
                    return Err(Error::state(op, message));
                }
                all.insert_json(KEY, &description(blueprint.kind(), None, Some(message)))?;
            }
        }
        Some(Err(e)) if to_open => return Err(e),
        None if to_open => {
            let message = format!("a {} cannot be made anew from a file: it has no Architecture", model.kind());
            return Err(Error::state(op, message)
                .with_help("take a model of demotic::models, or implement Architecture for this one"));
        }
        Some(Err(e)) => all.insert_json(KEY, &description(model.kind(), None, Some(e.message())))?,
        None => {}
    }
    let adapters = loras(model);
    if !adapters.is_empty() {
        all.insert_json(ADAPTERS, &adapters)?;
    }
    let schemes = quantized(model);
    if !schemes.is_empty() {
        all.insert_json(QUANTIZED, &schemes)?;
    }
    let forms = forms(model);
    if !forms.is_empty() {
        all.insert_json(FORMS, &forms)?;
    }
    safetensors::write(op, slots(model), &all, path)
}

/// A file that says what model it holds.
pub(crate) struct ModelFile {
    op: &'static str,
    reader: Reader,
    kind: String,
    json: String,
}

impl ModelFile {
    /// # Errors
    /// If the file cannot be read, is malformed, or says nothing of its model that this version understands.
    #[track_caller]
    pub(crate) fn open(op: &'static str, path: &Path) -> Result<Self> {
        if is_checkpoint(op, path)? {
            let message = format!("{}: a checkpoint of a training run, not a model's file", path.display());
            return Err(Error::format(op, message).with_help(
                "make the model as it was and write Checkpoint::load(path)?.restore_model(&mut model)?; then save() it",
            ));
        }
        let reader = Reader::open_for(op, path)?;
        let caller = Location::caller();
        let malformed = |message: String| Error::format(op, format!("{}: {message}", path.display())).at(caller);
        let Some(json) = reader.metadata().get(KEY).map(String::from) else {
            let e = malformed("the file holds tensors, but does not say of what model".into());
            return Err(e.with_help("make the model as it was, then read its parameters with load(path)"));
        };
        if json.len() > MAX_DESCRIPTION {
            let e = malformed(format!("the model's description has {} bytes, {MAX_DESCRIPTION} are read", json.len()));
            return Err(e.with_help("make the model as it was, then read its parameters with load(path)"));
        }
        let Version { version } = parse(op, path, &json)?;
        if version != VERSION {
            let e =
                malformed(format!("version {version} of a model's description, this release reads version {VERSION}"));
            return Err(e.with_help("it was written by another release of demotic: use that one"));
        }
        let Kind { kind, problem } = parse(op, path, &json)?;
        if let Some(problem) = problem {
            let e = malformed(format!("holds the parameters of a `{kind}` that could not be described: {problem}"));
            return Err(e.with_help("make the model as it was, then read its parameters with load(path)"));
        }
        Ok(Self { op, reader, kind, json })
    }

    /// The same, unless the model is that of a pipeline: on what has not gone through that, it tells something, but not the truth.
    #[track_caller]
    pub(crate) fn alone(self) -> Result<Self> {
        let pipelines = [
            (PREPROCESSOR, "Pipeline", "the preprocessing of its table"),
            (IMAGES, "ImagePipeline", "the preprocessing of its pictures"),
        ];
        let Some((_, pipeline, what)) = pipelines.iter().find(|(key, ..)| self.reader.metadata().get(key).is_some())
        else {
            return Ok(self);
        };
        let kind = &self.kind;
        let e = self.error(format_args!("holds a `{kind}` with {what}, without which its numbers mean something else"));
        Err(e.with_help(format!(
            "{pipeline}::open(path) opens all of it; {kind}::open_with_metadata(path) the model, with the rest as metadata"
        )))
    }

    /// What model it is.
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    pub(crate) fn path(&self) -> &Path {
        self.reader.path()
    }

    /// All metadata but the model's description.
    pub(crate) fn metadata(&self) -> Metadata {
        let mut metadata = self.reader.metadata().clone();
        metadata.remove(KEY);
        metadata.remove(ADAPTERS);
        metadata.remove(QUANTIZED);
        metadata.remove(FORMS);
        metadata
    }

    /// An error about the file.
    #[track_caller]
    pub(crate) fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::format(self.op, format!("{}: {message}", self.path().display()))
    }

    /// An error about what is in the file.
    #[track_caller]
    pub(crate) fn because(&self, e: Error) -> Error {
        because(self.op, &self.path().display().to_string(), e)
    }

    /// The model.
    ///
    /// # Errors
    /// If it is of another kind, or configuration and parameters do not fit each other.
    #[track_caller]
    pub(crate) fn build<M: Architecture>(&self) -> Result<M> {
        if self.kind != M::KIND {
            let e = self.error(format_args!("holds a `{}`, not a `{}`", self.kind, M::KIND));
            return Err(e.with_help(format!("open it as what it is: {}::open(path)", self.kind)));
        }
        let Contents { config } = parse::<Contents<M::Config>>(self.op, self.path(), &self.json)?;
        let beside = Beside::read(self.op, &self.reader)?;
        build(self.op, config, &stored(self.op, &self.reader)?, &beside, CHANGED)
    }

    /// The layer, whichever of those it is that files know by their names.
    ///
    /// # Errors
    /// If it is not known, or configuration and parameters do not fit each other.
    #[track_caller]
    pub(crate) fn build_layer(&self) -> Result<Box<dyn Layer>> {
        let Contents { config } = parse(self.op, self.path(), &self.json)?;
        let blueprint = Blueprint::new(self.kind.clone(), config);
        let (source, beside) = (stored(self.op, &self.reader)?, Beside::read(self.op, &self.reader)?);
        check_size(self.op, blueprint.min_parameters(), &source, &beside)?;
        let mut layer = match blueprint.build(&mut Rng::blank()) {
            Ok(layer) => layer,
            Err(e) => return Err(self.because(e)),
        };
        fill(self.op, (*layer).as_module_mut(), &source, &beside, CHANGED)?;
        Ok(layer)
    }
}

/// A model of this configuration with the parameters of a source that knows nothing of adapters.
#[track_caller]
pub(crate) fn from_source<M: Architecture>(
    op: &'static str,
    config: M::Config,
    source: &dyn TensorSource,
) -> Result<M> {
    build(op, config, source, &Beside::default(), "the configuration is that of another model")
}

/// A model of this configuration with the parameters of a source: all of them, and no others. The help is for a source that
/// does not fit.
#[track_caller]
fn build<M: Architecture>(
    op: &'static str,
    config: M::Config,
    source: &dyn TensorSource,
    beside: &Beside,
    help: &'static str,
) -> Result<M> {
    check_size(op, M::min_parameters(&config), source, beside)?;
    // Not by a closure, in which the caller's line would be this one.
    let mut model = match M::from_config(config, &mut Rng::blank()) {
        Ok(model) => model,
        Err(e) => return Err(because(op, &source.describe(), e)),
    };
    fill(op, model.as_module_mut(), source, beside, help)?;
    Ok(model)
}

/// Whether a source has as many numbers as a configuration asks for.
#[track_caller]
fn check_size(op: &'static str, asked: usize, source: &dyn TensorSource, beside: &Beside) -> Result<()> {
    let infos = source.infos();
    // A source of the program's own may claim anything.
    let numel = |shape: &[usize]| shape.iter().fold(Count::new(1), |all, n| all * *n);
    let there = infos.iter().map(|info| numel(&info.shape)).sum::<Count>();
    let left_out = beside.forms.values().map(|form| {
        let parts = form.parts().iter().map(|(_, shape)| numel(shape)).sum::<Count>();
        Count::new(numel(form.shape()).get().min((parts * THINNEST).get()))
    });
    let there = (there + left_out.sum::<Count>()).get();
    if asked > there {
        let message = format!("the configuration is that of {asked} parameters, the file has {there}");
        return Err(Error::format(op, format!("{}: {message}", source.describe())));
    }
    Ok(())
}

/// Gives a part of a model that nobody has seen yet its parameters, each as soon as it is read. What else the source has is for others.
#[track_caller]
pub(crate) fn fill_part(op: &'static str, part: &mut dyn Module, source: &dyn TensorSource) -> Result<()> {
    fill(op, part, source, &Beside::default(), "the configuration is that of another model")
}

/// Gives a model the adapters that it is to have, and the parameters of a source.
#[track_caller]
fn fill(
    op: &'static str,
    model: &mut dyn Module,
    source: &dyn TensorSource,
    Beside { adapters, forms }: &Beside,
    help: &'static str,
) -> Result<()> {
    let infos = source.infos();
    let in_blocks = infos.iter().filter_map(|info| {
        let how = QuantizedAs { scheme: info.scheme?, shape: info.shape.clone() };
        Some((info.name.clone(), how))
    });
    quantize_as(model, &order::map(in_blocks.collect::<Vec<_>>()))?;
    form_as(model, forms)?;
    add_loras(model, adapters)?;
    widen(model, &infos)?;
    let weights = quantized(model);
    load_new(model, op, &AsBlocks { source, weights }, help)?;
    match check_forms(model) {
        Ok(()) => Ok(()),
        Err(e) => Err(because(op, &source.describe(), e)),
    }
}

/// A source, of which those weights are read as their blocks that a model keeps as such.
struct AsBlocks<'a> {
    source: &'a dyn TensorSource,
    weights: BTreeMap<String, QuantizedAs>,
}

impl TensorSource for AsBlocks<'_> {
    fn infos(&self) -> Vec<TensorInfo> {
        let mut infos = self.source.infos();
        for info in &mut infos {
            // Of a source that claims another shape for them, what is read will not fit.
            if let (Some(scheme), true) = (info.scheme, self.weights.contains_key(&info.name))
                && let Ok(shape) = blocks_shape("open", scheme, &info.shape)
            {
                *info = TensorInfo::new(std::mem::take(&mut info.name), shape, Some(DType::U8));
            }
        }
        infos
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        match self.weights.contains_key(name) {
            true => Ok(self.source.read_quantized(name)?.blocks().clone()),
            false => self.source.read(name),
        }
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}

/// A file of this crate, in which blocks are tensors of bytes, as a source that knows what they are.
#[track_caller]
fn stored<'a>(op: &'static str, reader: &'a Reader) -> Result<Stored<'a>> {
    let Some(json) = reader.metadata().get(QUANTIZED) else { return Ok(Stored { reader, weights: BTreeMap::new() }) };
    Ok(Stored { reader, weights: parse(op, reader.path(), json)? })
}

struct Stored<'a> {
    reader: &'a Reader,
    weights: BTreeMap<String, QuantizedAs>,
}

impl TensorSource for Stored<'_> {
    fn infos(&self) -> Vec<TensorInfo> {
        let mut infos = self
            .reader
            .infos()
            .iter()
            .map(|info| TensorInfo::new(&info.name, info.shape.as_slice(), info.dtype))
            .collect::<Vec<_>>();
        for info in infos.iter_mut().filter(|info| info.dtype == Some(DType::U8)) {
            // What does not fit the bytes that are there stays what the file has.
            if let Some(QuantizedAs { scheme, shape }) = self.weights.get(&info.name)
                && blocks_shape("open", *scheme, shape).is_ok_and(|bytes| bytes == info.shape)
            {
                *info = TensorInfo::quantized(std::mem::take(&mut info.name), shape.as_slice(), *scheme);
            }
        }
        infos
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        self.reader.read(name)
    }

    fn read_quantized(&self, name: &str) -> Result<QTensor> {
        match self.weights.get(name) {
            Some(QuantizedAs { scheme, shape }) => {
                QTensor::from_blocks(*scheme, shape.as_slice(), &self.reader.read(name)?)
            }
            None => Err(super::source::missing(self, name)),
        }
    }

    fn describe(&self) -> String {
        self.reader.describe()
    }
}

/// What a file says of its model's weights beside what they are named.
#[derive(Default)]
struct Beside {
    adapters: BTreeMap<String, LoraOptions>,
    /// Of weights all of whose parts are there.
    forms: BTreeMap<String, WeightForm>,
}

impl Beside {
    #[track_caller]
    fn read(op: &'static str, reader: &Reader) -> Result<Self> {
        let adapters = adapters(op, reader)?;
        let Some(json) = reader.metadata().get(FORMS) else { return Ok(Self { adapters, forms: BTreeMap::new() }) };
        let forms: BTreeMap<String, WeightForm> = parse(op, reader.path(), json)?;
        let infos = reader.infos();
        let shapes: HashMap<&str, &[usize]> =
            infos.iter().map(|info| (info.name.as_str(), info.shape.as_slice())).collect();
        for (path, form) in &forms {
            for (name, shape) in form.parts() {
                if shapes.get(format!("{path}.{name}").as_str()) != Some(&&*shape) {
                    let (file, path) = (reader.path().display(), short(path));
                    let message = format!("{file}: the weight `{path}` has no `{name}` of shape {shape:?}");
                    return Err(Error::format(op, message).with_help(CHANGED));
                }
            }
        }
        Ok(Self { adapters, forms })
    }
}

/// The low-rank adapters that a file says its model has, each of which is there with as many numbers.
#[track_caller]
pub(super) fn adapters(op: &'static str, reader: &Reader) -> Result<BTreeMap<String, LoraOptions>> {
    let Some(json) = reader.metadata().get(ADAPTERS) else { return Ok(BTreeMap::new()) };
    let all: BTreeMap<String, LoraOptions> = parse(op, reader.path(), json)?;
    let infos = reader.infos();
    let ranks: HashMap<&str, Option<&usize>> =
        infos.iter().map(|info| (info.name.as_str(), info.shape.first())).collect();
    for (path, options) in &all {
        if ranks.get(format!("{path}.lora_a").as_str()) != Some(&Some(&options.rank)) {
            let (file, path, rank) = (reader.path().display(), short(path), options.rank);
            let message =
                format!("{file}: the adapter of `{path}` has a rank of {rank}, and no `lora_a` with as many rows");
            return Err(Error::format(op, message).with_help(CHANGED));
        }
    }
    Ok(all)
}

/// An error about what is in a file.
#[track_caller]
fn because(op: &'static str, place: &str, e: Error) -> Error {
    let in_file = Error::format(op, format!("{place}: {}", e.message()));
    let in_file = match e.help() {
        Some(help) => in_file.with_help(help),
        None => in_file,
    };
    in_file.with_source(e)
}

/// Parameters that were saved in double precision stay so.
#[track_caller]
fn widen(model: &mut dyn Module, infos: &[TensorInfo]) -> Result<()> {
    let infos = infos.iter().filter(|info| info.dtype == Some(DType::F64));
    let wide: HashMap<&str, &[usize]> = infos.map(|info| (info.name.as_str(), &*info.shape)).collect();
    if wide.is_empty() {
        return Ok(());
    }
    let mut failed = None;
    let mut on_slot = |path: &str, slot: SlotMut<'_>| {
        let is_wide = |shape: &[usize]| wide.get(path) == Some(&shape);
        match slot {
            SlotMut::Param(param) if is_wide(param.shape()) => {
                failed = failed.take().or(param.retype(DType::F64).err());
            }
            SlotMut::Buffer(buffer) if is_wide(buffer.get().shape()) => buffer.retype(DType::F64),
            _ => (),
        }
    };
    VisitorMut::new(&mut on_slot).module(model);
    failed.map_or(Ok(()), Err)
}

#[track_caller]
fn parse<T: DeserializeOwned>(op: &'static str, path: &Path, json: &str) -> Result<T> {
    serde_json::from_str(json)
        .map_err(|e| {
            Error::format(op, format!("{}: the model's description is damaged: {e}", path.display())).with_source(e)
        })
        .here()
}

#[track_caller]
fn is_checkpoint(op: &'static str, path: &Path) -> Result<bool> {
    let mut begin = Vec::new();
    match files::open(op, path)?.take(CHECKPOINT.len() as u64).read_to_end(&mut begin) {
        Ok(_) => Ok(begin == CHECKPOINT),
        Err(e) => Err(Error::io(op, path, e)),
    }
}
