//! Named tensors that are read one at a time, wherever they are kept.

use std::collections::{BTreeMap, HashMap};

use super::module::shown;
use crate::error::{Error, Here, Result, short};
use crate::layers::matches;
use crate::tensor::{DType, QTensor, Scheme, Tensor};

/// Named tensors that are read one at a time: a file, several files, a map, or any of them under other names.
///
/// A model takes its parameters from one with [`load_from`](super::SaveLoad::load_from). Only what it takes is read, one tensor
/// after the other, so that nothing is in memory twice.
///
/// A file of another program often has the right numbers under other names. The methods with a body describe the
/// difference, and compose; nothing is read by them:
///
/// ```
/// use demotic::io::TensorSource;
/// use demotic::prelude::*;
/// use std::collections::BTreeMap;
///
/// # let mut rng = Rng::seed(0);
/// // As some other program saved it: with a prefix, and inputs first.
/// let file = BTreeMap::from([
///     ("model.dense.kernel".to_string(), Tensor::ones([3, 2])?),
///     ("model.dense.bias".to_string(), Tensor::zeros([2])?),
///     ("optimizer.step".to_string(), Tensor::scalar(100.0)),
/// ]);
/// let source = file.prefix("model.").transpose("*.kernel")?.rename(|name| match name {
///     "dense.kernel" => Some("0.weight".into()),
///     "dense.bias" => Some("0.bias".into()),
///     _ => None,
/// })?;
///
/// let mut model = sequential![Linear::new(3, 2, &mut rng)?, Relu];
/// model.load_from(&source)?;
/// assert_eq!(model.predict(&Tensor::ones([1, 3])?)?.to_vec::<f32>()?, [3.0, 3.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait TensorSource {
    /// What there is.
    fn infos(&self) -> Vec<TensorInfo>;

    /// Reads one tensor.
    ///
    /// # Errors
    /// If there is none of this name, or it cannot be read.
    #[track_caller]
    fn read(&self, name: &str) -> Result<Tensor>;

    /// Reads one tensor as the blocks that it is kept in, if its [`TensorInfo::scheme`] says that there are some.
    ///
    /// # Errors
    /// If there is none of this name, or it is not kept in blocks or cannot be read.
    #[track_caller]
    fn read_quantized(&self, name: &str) -> Result<QTensor> {
        Err(unquantized(self, name))
    }

    /// What the source is called in messages: the path of a file.
    fn describe(&self) -> String;

    /// Only the tensors whose names begin with this, without it: those of one part of a larger model.
    fn prefix(self, prefix: impl Into<String>) -> Renamed<Self>
    where
        Self: Sized,
    {
        let prefix = prefix.into();
        let names = self.infos().into_iter().filter_map(|info| {
            let name = info.name.strip_prefix(&prefix)?.to_string();
            Some((name, info.name))
        });
        // What is taken from the front of different names leaves different ones.
        let names = names.collect();
        Renamed { names, source: self }
    }

    /// The tensors under other names. Those for which `rename` returns `None` are left out.
    ///
    /// # Errors
    /// If two of them would have the same name.
    #[track_caller]
    fn rename(self, rename: impl Fn(&str) -> Option<String>) -> Result<Renamed<Self>>
    where
        Self: Sized,
    {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for info in self.infos() {
            let Some(name) = rename(&info.name) else { continue };
            if let Some(other) = names.get(&name) {
                let (name, other, this) = (short(&name), short(other), short(&info.name));
                let message = format!("{}: `{other}` and `{this}` would both be `{name}`", self.describe());
                return Err(Error::argument("rename", message));
            }
            names.insert(name, info.name);
        }
        Ok(Renamed { names, source: self })
    }

    /// The tensors whose names match `pattern`, in which `*` stands for any text, with their last two dimensions exchanged:
    /// for weights that another program keeps with the inputs first.
    ///
    /// # Errors
    /// If none matches, or one that does has fewer than two dimensions.
    #[track_caller]
    fn transpose(self, pattern: impl Into<String>) -> Result<Transposed<Self>>
    where
        Self: Sized,
    {
        let pattern = pattern.into();
        let mut count = 0;
        for info in self.infos().iter().filter(|info| matches(&pattern, &info.name)) {
            count += 1;
            if info.shape.len() < 2 {
                let message = format!("{}: `{}` has shape {:?}", self.describe(), short(&info.name), info.shape);
                return Err(Error::shape("transpose", message).with_help("only dimensions that exist can be exchanged"));
            }
        }
        if count == 0 {
            let names: Vec<String> = self.infos().into_iter().map(|info| info.name).collect();
            let e = Error::argument("transpose", format!("{}: no tensor matches `{pattern}`", self.describe()));
            return Err(e.with_help(format!("the tensors are {}", shown(&names))));
        }
        Ok(Transposed { pattern, source: self })
    }

    /// The tensors converted to another type, each when it is read. Integers stay what they are if `dtype` is a floating-point
    /// type: they count something. What is kept in blocks becomes numbers.
    fn to_dtype(self, dtype: DType) -> Converted<Self>
    where
        Self: Sized,
    {
        Converted { dtype, source: self }
    }
}

/// What a [`TensorSource`] says of a tensor before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The type that it is read as; `None` if tensors cannot hold such elements.
    pub dtype: Option<DType>,
    /// How its numbers are kept, if that is in blocks; see [`TensorSource::read_quantized`].
    pub scheme: Option<Scheme>,
}

impl TensorInfo {
    /// A tensor of this name, shape and type.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>, dtype: Option<DType>) -> Self {
        Self { name: name.into(), shape: shape.into(), dtype, scheme: None }
    }

    /// A tensor of this name and shape that is kept in blocks, and read as `F32`.
    pub fn quantized(name: impl Into<String>, shape: impl Into<Vec<usize>>, scheme: Scheme) -> Self {
        Self { scheme: Some(scheme), ..Self::new(name, shape, Some(DType::F32)) }
    }
}

/// The error of a name that is not there.
#[track_caller]
pub(super) fn missing(source: &(impl TensorSource + ?Sized), name: &str) -> Error {
    Error::argument("read", format!("{} has no tensor `{}`", source.describe(), short(name)))
}

/// The error of a tensor that is not kept in blocks.
#[track_caller]
fn unquantized(source: &(impl TensorSource + ?Sized), name: &str) -> Error {
    Error::argument("read_quantized", format!("{} has no quantised tensor `{}`", source.describe(), short(name)))
}

/// Tensors in memory.
impl TensorSource for BTreeMap<String, Tensor> {
    fn infos(&self) -> Vec<TensorInfo> {
        let info = |(name, tensor): (&String, &Tensor)| TensorInfo::new(name, tensor.shape(), Some(tensor.dtype()));
        self.iter().map(info).collect()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        self.get(name).map(Tensor::detach).ok_or_else(|| missing(self, name))
    }

    fn describe(&self) -> String {
        "the map".into()
    }
}

macro_rules! forwarded {
    ($([$($generics:tt)*] $Outer:ty;)*) => {$(
        impl<$($generics)*> TensorSource for $Outer {
            fn infos(&self) -> Vec<TensorInfo> {
                (**self).infos()
            }
            fn read(&self, name: &str) -> Result<Tensor> {
                (**self).read(name).here()
            }
            fn read_quantized(&self, name: &str) -> Result<QTensor> {
                (**self).read_quantized(name).here()
            }
            fn describe(&self) -> String {
                (**self).describe()
            }
        }
    )*};
}

forwarded! {
    [S: TensorSource + ?Sized] &S;
    [S: TensorSource + ?Sized] Box<S>;
}

/// See [`TensorSource::rename`] and [`TensorSource::prefix`].
#[derive(Debug, Clone)]
pub struct Renamed<S> {
    source: S,
    /// Names here, with those there.
    names: BTreeMap<String, String>,
}

impl<S: TensorSource> TensorSource for Renamed<S> {
    fn infos(&self) -> Vec<TensorInfo> {
        let mut there: HashMap<String, TensorInfo> =
            self.source.infos().into_iter().map(|info| (info.name.clone(), info)).collect();
        let here = self.names.iter().filter_map(|(name, other)| {
            let info = there.remove(other)?;
            Some(TensorInfo { name: name.clone(), ..info })
        });
        here.collect()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        match self.names.get(name) {
            Some(there) => self.source.read(there),
            None => Err(missing(self, name)),
        }
    }

    fn read_quantized(&self, name: &str) -> Result<QTensor> {
        match self.names.get(name) {
            Some(there) => self.source.read_quantized(there),
            None => Err(missing(self, name)),
        }
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}

/// See [`TensorSource::transpose`].
#[derive(Debug, Clone)]
pub struct Transposed<S> {
    source: S,
    pattern: String,
}

impl<S: TensorSource> TensorSource for Transposed<S> {
    fn infos(&self) -> Vec<TensorInfo> {
        let mut infos = self.source.infos();
        for info in infos.iter_mut().filter(|info| matches(&self.pattern, &info.name)) {
            if let [.., rows, columns] = info.shape.as_mut_slice() {
                std::mem::swap(rows, columns);
            }
            // Blocks lie along rows.
            info.scheme = None;
        }
        infos
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let tensor = self.source.read(name)?;
        if matches(&self.pattern, name) { Ok(tensor.transpose(-2, -1)?.contiguous()) } else { Ok(tensor) }
    }

    fn read_quantized(&self, name: &str) -> Result<QTensor> {
        if matches(&self.pattern, name) { Err(unquantized(self, name)) } else { self.source.read_quantized(name) }
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}

/// See [`TensorSource::to_dtype`].
#[derive(Debug, Clone)]
pub struct Converted<S> {
    source: S,
    dtype: DType,
}

impl<S> Converted<S> {
    fn of(&self, from: DType) -> DType {
        if self.dtype.is_float() && !from.is_float() { from } else { self.dtype }
    }
}

impl<S: TensorSource> TensorSource for Converted<S> {
    fn infos(&self) -> Vec<TensorInfo> {
        let convert =
            |info: TensorInfo| TensorInfo { dtype: info.dtype.map(|dtype| self.of(dtype)), scheme: None, ..info };
        self.source.infos().into_iter().map(convert).collect()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let tensor = self.source.read(name)?;
        Ok(tensor.to_dtype(self.of(tensor.dtype())))
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}
