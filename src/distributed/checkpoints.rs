//! Checkpoints that all ranks write at once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::data_parallel::{DataParallel, Sharding};
use super::group::peer;
use super::layout::Layout;
use super::sharded;
use crate::error::{Error, Here, Result, bug};
use crate::io::{Checkpoint, CheckpointFolder, Part, part_path};
use crate::layers::Module;
use crate::tensor::Tensor;

/// How long a file that another machine has written may take to be seen here.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes sure that the part of another rank can be seen.
#[track_caller]
fn wait_for(part: &Path, bytes: u64, rank: usize) -> Result<()> {
    let begun = Instant::now();
    while !part.metadata().is_ok_and(|found| found.len() == bytes) {
        if begun.elapsed() > PATIENCE {
            let message =
                format!("rank {rank} has written {} of {bytes} bytes, which rank 0 does not see", part.display());
            return Err(
                peer("save", message).with_help("checkpoints go to a folder that all ranks see, under one path")
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

impl DataParallel {
    /// Saves a checkpoint in a folder that all ranks see: each rank a part of the model and of the optimizer's state, its own if that is
    /// [divided](Sharding). The file of rank 0, which [`Checkpoint::load`] takes, names the others, and is written when these are complete: so there is a
    /// whole checkpoint at any time, whoever is killed when. Any number of ranks can go on from it.
    ///
    /// # Errors
    /// Those of [`CheckpointFolder::save`], and if a rank fails.
    #[track_caller]
    pub fn save(
        &self,
        folder: &CheckpointFolder,
        step: u64,
        checkpoint: &Checkpoint,
        model: &dyn Module,
    ) -> Result<PathBuf> {
        let (rank, size) = (self.group.rank(), self.group.size());
        if size == 1 {
            return folder.save(step, checkpoint);
        }
        self.compare_with("save", vec![("a checkpoint of step".into(), step.to_string())], model).here()?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
        let nonce = self.group.broadcast(&Tensor::from_slice(&[now as i64], [1])?, 0)?.to_vec::<i64>()?;
        let Some(nonce) = nonce.first().map(|nonce| *nonce as u64) else { return Err(bug!("save", "no number")) };
        let layout = Layout::of(model, size, self.bucket_bytes, true);
        let divided = sharded::divided(model);
        let has_tensor = |path: &str| divided.get(path).map(|owner| *owner == rank);
        let has_state = |path: &str| (self.sharding != Sharding::None).then(|| layout.is_own(path, rank));
        let share = checkpoint.share(rank, size, &has_tensor, &has_state);
        let path = folder.path_of(step);
        let mut own = vec![0, 0];
        if rank > 0 {
            if let Err(e) = std::fs::create_dir_all(folder.path()) {
                return Err(Error::io("save", folder.path(), e));
            }
            let path = part_path(&path, rank, size, nonce);
            share.save(&path)?;
            let part = Part::of(&path)?;
            own = vec![part.bytes as i64, part.checksum as i64];
        }
        let told = self.group.all_gather(&Tensor::from_slice(&own, [2])?).here()?;
        if rank == 0 {
            let mut parts = Vec::with_capacity(size - 1);
            for (rank, told) in told.iter().enumerate().skip(1) {
                let [bytes, checksum] = told.to_vec::<i64>()?[..] else { return Err(bug!("save", "no checksum")) };
                let there = part_path(&path, rank, size, nonce);
                wait_for(&there, bytes as u64, self.group.origin(rank))?;
                let file = there.file_name().unwrap_or_default().to_string_lossy().into_owned();
                parts.push(Part { file, bytes: bytes as u64, checksum: checksum as u64 });
            }
            folder.save(step, &share.with_parts(&parts)?)?;
            folder.remove_parts(step, &parts);
        }
        // Nobody goes on before it is complete.
        self.group.barrier().here()?;
        Ok(path)
    }
}
