//! Models in several files, with an index that says where what is.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result, short};
use crate::files;
use crate::io::source::missing;
use crate::io::{TensorInfo, TensorSource, sources};
use crate::order::ByName;
use crate::tensor::Tensor;

/// The largest index, in bytes.
const MAX_INDEX: u64 = 100_000_000;

/// What the index is usually called.
const INDEX: &str = "model.safetensors.index.json";

/// A model in several files, as large ones are published: `model.safetensors.index.json` beside
/// `model-00001-of-00002.safetensors` …; or `pytorch_model.bin.index.json` beside files of PyTorch.
///
/// ```
/// # use demotic::io::{Metadata, TensorSource, safetensors};
/// # use demotic::tensor;
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// # safetensors::save_tensors([("a", &tensor![1])], &Metadata::new(), folder.join("model-1.safetensors"))?;
/// # safetensors::save_tensors([("b", &tensor![2])], &Metadata::new(), folder.join("model-2.safetensors"))?;
/// # let index = r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;
/// # std::fs::write(folder.join("model.safetensors.index.json"), index)?;
/// let model = safetensors::Sharded::open(folder.join("model.safetensors.index.json"))?;
/// assert_eq!(model.infos().len(), 2);
/// assert_eq!(model.read("b")?.to_vec::<f32>()?, [2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sharded {
    path: PathBuf,
    files: Vec<Box<dyn TensorSource + Send + Sync>>,
    /// Each tensor, and the number of its file.
    tensors: ByName<(TensorInfo, usize)>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

#[track_caller]
fn malformed(op: &'static str, path: &Path, message: String) -> Error {
    Error::format(op, format!("{}: {message}", path.display()))
}

impl Sharded {
    /// Opens an index, or the one in a folder, and the headers of all files that it names.
    ///
    /// # Errors
    /// If the index or a file cannot be read or is malformed, a file is outside of the folder of the index, or does not have
    /// what the index says.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_for("open", path.as_ref())
    }

    /// The same on behalf of another operation.
    #[track_caller]
    pub(crate) fn open_for(op: &'static str, path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join(INDEX) } else { path.to_path_buf() };
        let json = files::read_limited(op, &path, "an index", MAX_INDEX)?;
        let index: Index = match serde_json::from_slice(&json) {
            Ok(index) => index,
            Err(e) => {
                let e = malformed(op, &path, format!("not an index of safetensors files: {e}")).with_source(e);
                return Err(
                    e.with_help(r#"an index has the form {"weight_map": {"name of a tensor": "name of a file"}}"#)
                );
            }
        };

        let folder = path.parent().unwrap_or(Path::new(""));
        let (mut files, mut numbers, mut found) = (Vec::new(), HashMap::new(), Vec::new());
        let mut tensors = ByName::default();
        for (name, file) in index.weight_map {
            let number = match numbers.get(&file) {
                Some(number) => *number,
                None => {
                    // Whoever wrote the index must not choose files elsewhere.
                    let parts: Vec<Component<'_>> = Path::new(&file).components().collect();
                    if !matches!(parts[..], [Component::Normal(_)]) {
                        return Err(malformed(op, &path, format!("`{}` is no name of a file beside it", short(&file))));
                    }
                    let source = sources::source(op, &folder.join(&file))?;
                    found.push(ByName::of(source.infos().into_iter().map(|info| (info.name.clone(), info)).collect()));
                    files.push(source);
                    numbers.insert(file, files.len() - 1);
                    files.len() - 1
                }
            };
            let there: &mut ByName<TensorInfo> = &mut found[number];
            let Some(info) = there.remove(&name) else {
                let message =
                    format!("tensor `{}` should be in {}, which has none", short(&name), files[number].describe());
                return Err(malformed(op, &path, message));
            };
            tensors.insert(name, (info, number));
        }
        Ok(Self { path, files, tensors })
    }
}

impl TensorSource for Sharded {
    fn infos(&self) -> Vec<TensorInfo> {
        self.tensors.iter().map(|(_, (info, _))| info.clone()).collect()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        match self.tensors.get(name) {
            Some((_, file)) => self.files[*file].read(name),
            None => Err(missing(self, name)),
        }
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

impl fmt::Debug for Sharded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Sharded({}, {} tensors in {} files)",
            self.path.display(),
            self.tensors.iter().len(),
            self.files.len()
        )
    }
}
