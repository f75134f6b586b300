//! Checkpoints that several processes have written together: a file of each, and one that names the others.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Checkpoint, MODEL, format};
use crate::error::{Error, Here, Result};
use crate::optimizers::OptimizerState;

/// The entry of the metadata that lists the parts.
const PARTS: &str = "demotic.parts";

/// The file of another process, by which it is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    /// The checksum at its end.
    pub(crate) checksum: u64,
}

/// How the part of a process beside `step-000000020.ckpt` is called; `nonce` tells it from one that another run has left.
pub(crate) fn part_path(path: &Path, rank: usize, size: usize, nonce: u64) -> PathBuf {
    path.with_extension(format!("part-{rank}-of-{size}-{nonce:016x}"))
}

impl Part {
    /// That of a file that is complete.
    #[track_caller]
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let ended = || {
            let mut file = File::open(path)?;
            let bytes = file.seek(SeekFrom::End(0))?;
            file.seek(SeekFrom::Start(bytes.saturating_sub(8)))?;
            let mut checksum = [0; 8];
            file.read_exact(&mut checksum)?;
            Ok((bytes, u64::from_le_bytes(checksum)))
        };
        let (bytes, checksum) = ended().map_err(|e| Error::io("load", path, e)).here()?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { file, bytes, checksum })
    }
}

/// Which of things of these sizes, in their order, are those of a process: about as many bytes for each.
fn shared(sizes: &[usize], rank: usize, size: usize) -> Vec<bool> {
    let total: usize = sizes.iter().sum();
    let mut before = 0;
    let mut is_own = Vec::with_capacity(sizes.len());
    for bytes in sizes {
        is_own.push((before as u128 * size as u128 / (total as u128).max(1)) as usize == rank);
        before += bytes;
    }
    is_own
}

impl Checkpoint {
    /// What of it one of several processes writes: some of the model's tensors, and the state of some parameters. Of those that are divided anyway, it is said by path
    /// whether this process has them. The first one writes all the rest.
    pub(crate) fn share(
        &self,
        rank: usize,
        size: usize,
        has_tensor: &dyn Fn(&str) -> Option<bool>,
        has_state: &dyn Fn(&str) -> Option<bool>,
    ) -> Self {
        let mut share = if rank == 0 { self.clone() } else { Self::default() };
        if let Some(tensors) = self.groups.get(MODEL) {
            let sizes: Vec<usize> = tensors.iter().map(|(_, x)| x.numel() * x.dtype().size()).collect();
            let mut own = Vec::new();
            for ((path, tensor), is_chosen) in tensors.iter().zip(shared(&sizes, rank, size)) {
                if has_tensor(path).unwrap_or(is_chosen) {
                    own.push((path.clone(), tensor.clone()));
                }
            }
            share.groups.insert(MODEL.into(), own);
        }
        if let Some(state) = &self.optimizer {
            let sizes: Vec<usize> =
                state.parameters.values().map(|state| state.tensors.values().map(|x| x.numel()).sum()).collect();
            let chosen = shared(&sizes, rank, size);
            let mut own = match rank {
                0 => OptimizerState { parameters: Default::default(), ..state.clone() },
                _ => OptimizerState::new(state.optimizer.clone(), state.learning_rate),
            };
            for ((path, state), is_chosen) in state.parameters.iter().zip(chosen) {
                if has_state(path).unwrap_or(is_chosen) {
                    own.parameters.insert(path.clone(), state.clone());
                }
            }
            share.optimizer = Some(own);
        }
        share
    }

    /// Names the parts that belong to it.
    #[track_caller]
    pub(crate) fn with_parts(mut self, parts: &[Part]) -> Result<Self> {
        self.metadata.insert_json(PARTS, &parts)?;
        Ok(self)
    }

    /// Puts the parts together that a file names, beside which they are.
    #[track_caller]
    pub(super) fn joined(mut self, path: &Path) -> Result<Self> {
        if self.metadata.get(PARTS).is_none() {
            return Ok(self);
        }
        let parts: Vec<Part> = self.metadata.get_json(PARTS)?;
        self.metadata.remove(PARTS);
        let count = parts.len() + 1;
        for (i, part) in parts.into_iter().enumerate() {
            // A name, and no way out of the folder.
            let name = Path::new(&part.file).file_name().unwrap_or_default();
            let file = path.with_file_name(name);
            let place = format!("{}: part {} of {count}, {}", path.display(), i + 2, name.to_string_lossy());
            if !file.is_file() {
                return Err(Error::format("load", format!("{place}, is missing"))
                    .with_help("the processes that saved it must have written into one folder that all of them see"));
            }
            let found = Part::of(&file)?;
            if found != part {
                let message = format!(
                    "{place}, has {} bytes with the checksum {:016x}, expected {} with {:016x}",
                    found.bytes, found.checksum, part.bytes, part.checksum
                );
                return Err(Error::format("load", message).with_help("it belongs to another checkpoint"));
            }
            let other = format::read(&file)?;
            let mut tensors = self.groups.remove(MODEL).unwrap_or_default();
            tensors.extend(other.groups.get(MODEL).into_iter().flatten().cloned());
            self.groups.insert(MODEL.into(), tensors);
            if let (Some(own), Some(other)) = (&mut self.optimizer, other.optimizer) {
                own.parameters.extend(other.parameters);
            }
        }
        Ok(self)
    }
}
