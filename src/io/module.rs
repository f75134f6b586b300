//! Models to and from files.

use std::collections::BTreeMap;
use std::path::Path;

use super::architecture::{self, ModelFile};
use super::safetensors::Reader;
use super::{Attachment, Metadata, TensorInfo, TensorSource};
use crate::error::{Error, Here, Result};
use crate::layers::{Architecture, Module, Slot, SlotMut, Visitor, VisitorMut, set_loras};
use crate::order::{self, ByName};
use crate::tensor::{DType, Tensor};

/// Saving and loading, for every [`Module`].
pub trait SaveLoad: Module + Sized {
    /// Writes all parameters and buffers under their paths (`blocks.0.fc.weight`) to a safetensors file, and beside them what
    /// the model is made from, if it has an [`Architecture`]. An earlier file is replaced only when the new one is complete.
    ///
    /// # Errors
    /// If the file system refuses.
    #[track_caller]
    fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_with(&Metadata::new(), path)
    }

    /// The same, together with what belongs to the model: its tokenizer or preprocessing, or texts of any kind.
    ///
    /// ```
    /// use demotic::io::{Metadata, safetensors};
    /// use demotic::models::Mlp;
    /// use demotic::prelude::*;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("model.safetensors");
    /// let model = Mlp::new(&[3, 16, 1], &mut Rng::seed(0))?;
    /// model.save_with(&Metadata::from_iter([("author", "a person")]), &path)?;
    ///
    /// let (again, metadata) = Mlp::open_with_metadata(&path)?;
    /// assert_eq!(metadata.get("author"), Some("a person"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file system refuses, or what belongs to the model has no form as text.
    #[track_caller]
    fn save_with(&self, with: &(impl Attachment + ?Sized), path: impl AsRef<Path>) -> Result<()> {
        let mut metadata = Metadata::new();
        with.attach(&mut metadata)?;
        architecture::save("save", self, &metadata, path.as_ref(), false)
    }

    /// The model in a file that [`save`](Self::save) wrote: made from what the file says of it, with its parameters. Those
    /// of type `F64` stay so; all others have the types with which such a model begins.
    ///
    /// ```
    /// use demotic::models::{Gpt, GptConfig};
    /// use demotic::prelude::*;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("gpt.safetensors");
    /// let gpt = Gpt::new(GptConfig::new(65, 16).layers(2).hidden_size(32), &mut Rng::seed(0))?;
    /// gpt.save(&path)?;
    /// let again = Gpt::open(&path)?;
    /// assert_eq!(again.config(), gpt.config());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read or is malformed, says nothing of its model, holds another kind of model or the preprocessing of a
    /// [`Pipeline`](crate::pipeline::Pipeline) too, or its configuration and its parameters do not fit each other.
    #[track_caller]
    fn open(path: impl AsRef<Path>) -> Result<Self>
    where
        Self: Architecture,
    {
        ModelFile::open("open", path.as_ref())?.alone()?.build()
    }

    /// The same, with what else the file says, such as the preprocessing of a pipeline.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    #[track_caller]
    fn open_with_metadata(path: impl AsRef<Path>) -> Result<(Self, Metadata)>
    where
        Self: Architecture,
    {
        let file = ModelFile::open("open", path.as_ref())?;
        Ok((file.build()?, file.metadata()))
    }

    /// Replaces all parameters and buffers by those of a safetensors file, which must have the same names and shapes.
    ///
    /// Values take the element type that the model has: floating-point and integer values become floating-point ones,
    /// rounded to the nearest (as PyTorch's `load_state_dict` does); floating-point values never become integers.
    /// After an error the model is as before.
    ///
    /// # Errors
    /// If the file cannot be read or is malformed, or does not fit: the message lists what is missing, unexpected and
    /// misshapen.
    #[track_caller]
    fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        load_file(self, "load", path.as_ref(), Some(PARTIAL)).map(drop)
    }

    /// The same for all names that the file and the model have in common, for example to take over the body of a
    /// published model and train a new head. Returns what did not fit.
    ///
    /// # Errors
    /// If the file cannot be read or is malformed.
    #[track_caller]
    #[doc(alias = "strict")]
    fn load_partial(&mut self, path: impl AsRef<Path>) -> Result<LoadReport> {
        load_file(self, "load_partial", path.as_ref(), None)
    }

    /// All parameters and buffers by path. They share their elements with the model until one of the two changes.
    fn state_dict(&self) -> BTreeMap<String, Tensor> {
        order::map(slots(self))
    }

    /// Replaces all parameters and buffers, as [`load`](Self::load) does: for files whose names must be
    /// changed first.
    ///
    /// # Errors
    /// If the tensors do not fit.
    #[track_caller]
    fn load_state_dict(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        load(self, "load_state_dict", &Named { label: "the state", tensors }, Some(PARTIAL)).map(drop)
    }

    /// Replaces all parameters and buffers by those of a source, as [`load`](Self::load) does: of several files, or of one
    /// whose names or layouts are others. See [`TensorSource`].
    ///
    /// # Errors
    /// If the tensors do not fit, or cannot be read.
    #[track_caller]
    fn load_from(&mut self, source: &dyn TensorSource) -> Result<()> {
        load(self, "load_from", source, Some(PARTIAL)).map(drop)
    }

    /// The same for all names that the source and the model have in common; see [`load_partial`](Self::load_partial).
    ///
    /// # Errors
    /// If what fits cannot be read.
    #[track_caller]
    fn load_partial_from(&mut self, source: &dyn TensorSource) -> Result<LoadReport> {
        load(self, "load_partial_from", source, None)
    }

    /// A model of this configuration with the parameters of a source, which must have all of them. No random weights are
    /// drawn, and parameters of type `F64` in the source are so in the model.
    ///
    /// ```
    /// use demotic::io::safetensors::Reader;
    /// use demotic::models::{Gpt, GptConfig};
    /// use demotic::prelude::*;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("gpt.safetensors");
    /// let config = GptConfig::new(65, 16).layers(2).hidden_size(32);
    /// Gpt::new(config.clone(), &mut Rng::seed(0))?.save(&path)?;
    /// let gpt = Gpt::from_source(config, &Reader::open(&path)?)?;
    /// assert_eq!(gpt.config().num_layers, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such model, or the tensors do not fit or cannot be read.
    #[track_caller]
    fn from_source(config: Self::Config, source: &dyn TensorSource) -> Result<Self>
    where
        Self: Architecture,
    {
        architecture::from_source("from_source", config, source)
    }
}

impl<M: Module> SaveLoad for M {}

/// What did not fit when a model was [loaded](SaveLoad::load_partial) in part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LoadReport {
    /// Paths in the model that the file does not have. They kept their values.
    pub missing: Vec<String>,
    /// Names in the file that the model does not have.
    pub unexpected: Vec<String>,
    /// What both have in different shapes or in types that do not convert. The model kept its values.
    pub misshapen: Vec<Misshapen>,
}

/// A tensor that a file and a model have in forms that do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misshapen {
    /// Its path.
    pub name: String,
    /// Shape and type in the file, `[10, 4] f32`.
    pub found: String,
    /// Shape and type in the model.
    pub expected: String,
}

impl LoadReport {
    /// Whether everything did fit.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshapen.is_empty()
    }

    /// `2 missing (a, b), 1 unexpected (c)`.
    fn describe(&self) -> String {
        let misshapen: Vec<String> = self
            .misshapen
            .iter()
            .map(|Misshapen { name, found, expected }| format!("{name}: {found} in the file, {expected} in the model"))
            .collect();
        let parts = [("missing", &self.missing), ("unexpected", &self.unexpected), ("misshapen", &misshapen)];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        parts.map(|(what, names)| format!("{} {what} ({})", names.len(), shown(names))).collect::<Vec<_>>().join(", ")
    }
}

/// The first of many names.
pub(super) fn shown(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = if names.len() > SHOWN { format!(", and {} more", names.len() - SHOWN) } else { String::new() };
    names[..names.len().min(SHOWN)].join(", ") + &more
}

/// The help where everything has to fit.
const PARTIAL: &str = "load_partial() takes over what fits, and returns the rest";

/// Tensors by name, called something.
struct Named<'a> {
    label: &'a str,
    tensors: &'a BTreeMap<String, Tensor>,
}

impl TensorSource for Named<'_> {
    fn infos(&self) -> Vec<TensorInfo> {
        self.tensors.infos()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        self.tensors.read(name)
    }

    fn describe(&self) -> String {
        self.label.into()
    }
}

/// All parameters and buffers with their paths, in the order of the fields.
pub(crate) fn slots(module: &(impl Module + ?Sized)) -> Vec<(String, Tensor)> {
    let mut slots = Vec::new();
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        let value = match slot {
            Slot::Param(param) => param.value().detach(),
            Slot::Buffer(buffer) => buffer.get(),
        };
        slots.push((path.to_string(), value));
    };
    module.visit(&mut Visitor::new(&mut on_slot));
    slots
}

/// Gives a model all of these values, each to its path: everything must fit. After an error the model is as before.
#[track_caller]
pub(crate) fn load_named(
    module: &mut (impl Module + ?Sized),
    op: &'static str,
    source: &str,
    tensors: &[(String, Tensor)],
    help: &'static str,
) -> Result<()> {
    let tensors = order::map(tensors.iter().cloned());
    load(module, op, &Named { label: source, tensors: &tensors }, Some(help)).map(drop)
}

#[track_caller]
fn load_file(
    module: &mut impl Module,
    op: &'static str,
    path: &Path,
    strict: Option<&'static str>,
) -> Result<LoadReport> {
    let reader = Reader::open_for(op, path)?;
    let adapters = architecture::adapters(op, &reader)?;
    let report = load(module, op, &reader, strict)?;
    set_loras(module, &adapters)?;
    Ok(report)
}

/// Whether elements may become others: always without loss of fractions, and not of numbers to truth values.
fn converts(from: DType, to: DType) -> bool {
    let narrow = matches!(to, DType::I32 | DType::I8 | DType::U8 | DType::Bool);
    from == to || to.is_float() || (!from.is_float() && !narrow)
}

/// Gives a model what fits it. If `strict`, anything that does not fit is an error with this help.
#[track_caller]
pub(super) fn load(
    module: &mut (impl Module + ?Sized),
    op: &'static str,
    source: &dyn TensorSource,
    strict: Option<&'static str>,
) -> Result<LoadReport> {
    let (report, mut fitting) = compare(module, op, source, strict)?;
    // All is read before anything changes, in the order of the names.
    order::sort_by(&mut fitting, |(a, _), (b, _)| a.cmp(b));
    let mut values = BTreeMap::new();
    for (path, form) in fitting {
        let value = read_as(op, source, &path, &form)?;
        values.insert(path, value);
    }
    let mut failed = None;
    let mut on_slot = |path: &str, slot: SlotMut<'_>| {
        let Some(value) = values.remove(path) else { return };
        failed = failed.take().or(set(slot, &value).err());
    };
    VisitorMut::new(&mut on_slot).module(module.as_module_mut());
    failed.map_or(Ok(report), Err).here()
}

/// The same for a model that nobody has seen yet, and that nobody will see after an error: each tensor takes its place as soon as it is
/// read, so that there is no second model in memory.
#[track_caller]
pub(super) fn load_new(
    module: &mut dyn Module,
    op: &'static str,
    source: &dyn TensorSource,
    help: &'static str,
) -> Result<()> {
    let (_, fitting) = compare(module, op, source, Some(help))?;
    let mut forms = ByName::of(fitting);
    let mut failed = None;
    let mut on_slot = |path: &str, slot: SlotMut<'_>| {
        let (None, Some(form)) = (&failed, forms.remove(path)) else { return };
        failed = read_as(op, source, path, &form).and_then(|value| set(slot, &value)).err();
    };
    VisitorMut::new(&mut on_slot).module(module);
    failed.map_or(Ok(()), Err).here()
}

#[track_caller]
fn set(slot: SlotMut<'_>, value: &Tensor) -> Result<()> {
    match slot {
        SlotMut::Param(param) => param.set(value),
        SlotMut::Buffer(buffer) => buffer.set(value),
    }
}

/// The type and shape that a model has a tensor in.
type Form = (DType, Vec<usize>);

#[track_caller]
fn read_as(op: &'static str, source: &dyn TensorSource, path: &str, (dtype, shape): &Form) -> Result<Tensor> {
    let value = source.read(path).here()?;
    if value.shape() != *shape {
        let (there, found) = (source.describe(), value.shape());
        let message = format!("{there}: `{path}` is {found:?}, where infos() has {shape:?}");
        return Err(Error::shape(op, message));
    }
    Ok(value.cast(*dtype))
}

/// What of a source fits a model. If `strict`, anything that does not fit is an error with this help.
#[track_caller]
fn compare(
    module: &(impl Module + ?Sized),
    op: &'static str,
    source: &dyn TensorSource,
    strict: Option<&'static str>,
) -> Result<(LoadReport, Vec<(String, Form)>)> {
    let infos = source.infos();
    let mut given = ByName::of(infos.iter().map(|info| (info.name.clone(), info)).collect());
    let mut report = LoadReport::default();
    let mut fitting = Vec::new();
    for (path, value) in slots(module) {
        let Some(given) = given.remove(path.as_str()) else {
            report.missing.push(path);
            continue;
        };
        match given.dtype {
            Some(dtype) if given.shape == value.shape() && converts(dtype, value.dtype()) => {
                fitting.push((path, (value.dtype(), given.shape.clone())));
            }
            dtype => report.misshapen.push(Misshapen {
                name: path,
                found: format!(
                    "{:?} {}",
                    given.shape,
                    dtype.map_or("of an unsupported type".into(), |d| d.to_string())
                ),
                expected: format!("{:?} {}", value.shape(), value.dtype()),
            }),
        }
    }
    report.unexpected = given.iter().map(|(name, _)| name.clone()).collect();
    if let (Some(help), false) = (strict, report.is_complete()) {
        let message = format!("{} does not fit the model: {}", source.describe(), report.describe());
        return Err(Error::parameter(op, message).with_help(help));
    }

    Ok((report, fitting))
}
