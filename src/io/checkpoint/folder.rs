//! The latest checkpoints of a run.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Checkpoint, Part};
use crate::error::{Error, Result};
use crate::files;

/// How the files are called: `step-000001200.ckpt`.
const PREFIX: &str = "step-";
const SUFFIX: &str = ".ckpt";

/// A folder with the latest checkpoints of a training run, named by the number of the step.
///
/// What is left of saves whose process was killed is removed with the next [`save`](Self::save), [`list`](Self::list) or
/// [`latest`](Self::latest).
///
/// ```
/// use demotic::io::{Checkpoint, CheckpointFolder};
///
/// # let temporary = tempfile::tempdir()?;
/// # let path = temporary.path().join("run");
/// let folder = CheckpointFolder::new(&path).keep(2);
/// for step in [100, 200, 300] {
///     folder.save(step, &Checkpoint::new().counter("step", step))?;
/// }
/// assert_eq!(folder.list()?.len(), 2);
/// let latest = folder.latest()?.expect("there are two");
/// assert!(latest.ends_with("step-000000300.ckpt"));
/// assert_eq!(Checkpoint::load(latest)?.get_counter("step")?, 300);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointFolder {
    path: PathBuf,
    keep: Option<usize>,
}

impl CheckpointFolder {
    /// A folder, which need not exist yet, with all checkpoints that are saved.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), keep: None }
    }

    /// Keeps the last `count` checkpoints only, at least 1: older ones are removed once a new one is complete. Other
    /// files in the folder are left alone.
    #[must_use]
    pub fn keep(mut self, count: usize) -> Self {
        self.keep = Some(count.max(1));
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Saves a checkpoint under the number of its step and returns the path. Checkpoints of later steps, which another run
    /// must have left behind, are not touched.
    ///
    /// # Errors
    /// Those of [`Checkpoint::save`], or if the folder cannot be made or read.
    #[track_caller]
    pub fn save(&self, step: u64, checkpoint: &Checkpoint) -> Result<PathBuf> {
        if let Err(e) = fs::create_dir_all(&self.path) {
            return Err(Error::io("save", &self.path, e));
        }
        let path = self.path_of(step);
        checkpoint.save(&path)?;
        let Some(keep) = self.keep else { return Ok(path) };
        let mut found = self.find("save")?;
        found.retain(|(other, _)| *other <= step);
        let old = found.len().saturating_sub(keep);
        found[..old].iter().for_each(|(_, path)| remove(path));
        Ok(path)
    }

    /// Where the checkpoint of a step is, if there is one.
    pub(crate) fn path_of(&self, step: u64) -> PathBuf {
        self.path.join(format!("{PREFIX}{step:09}{SUFFIX}"))
    }

    /// Removes parts that belong to no checkpoint any more: those of steps that have none, and of this step all others than these.
    pub(crate) fn remove_parts(&self, step: u64, parts: &[Part]) {
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((number, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once(".part-")) else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else { continue };
            let is_named = match number == step {
                true => parts.iter().any(|part| part.file == name),
                false => number > step || self.path_of(number).is_file(),
            };
            if !is_named {
                remove(&entry.path());
            }
        }
    }

    /// All checkpoints, in the order of their steps.
    ///
    /// # Errors
    /// If the folder cannot be read. One that does not exist has none.
    #[track_caller]
    pub fn list(&self) -> Result<Vec<PathBuf>> {
        Ok(self.find("list")?.into_iter().map(|(_, path)| path).collect())
    }

    /// The checkpoint of the latest step, if there is one.
    ///
    /// # Errors
    /// As for [`list`](Self::list).
    #[track_caller]
    pub fn latest(&self) -> Result<Option<PathBuf>> {
        Ok(self.find("latest")?.pop().map(|(_, path)| path))
    }

    #[track_caller]
    fn find(&self, op: &'static str) -> Result<Vec<(u64, PathBuf)>> {
        files::sweep(&self.path);
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io(op, &self.path, e)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => return Err(Error::io(op, &self.path, e)),
            };
            let name = entry.file_name();
            let step = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
            found.extend(step.map(|step| (step, entry.path())));
        }
        crate::order::sort_by(&mut found, Ord::cmp);
        Ok(found)
    }
}

/// A file that cannot be removed costs space, not the run.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}
