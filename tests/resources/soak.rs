//! A long run does not take more and more memory.
//!
//! `DEMOTIC_SOAK=100000` asks for as many steps as `docs/reliability.md` tells of.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use demotic::io::CheckpointFolder;
use demotic::memory;
use demotic::prelude::*;
use demotic::train::{BestCheckpoints, Histograms, HistoryFile, NanGuard, TensorBoard};

use crate::alone;

/// What the process has in memory, in bytes, if the system says so.
fn resident() -> usize {
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else { return 0 };
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).map_or(0, |pages| pages * 4096)
}

#[test]
fn many_small_steps_take_no_more_memory_than_a_few() -> Result<()> {
    let _turn = alone();
    let steps: u64 = std::env::var("DEMOTIC_SOAK").map_or(4_000, |steps| steps.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([640, 8], 0.0, 1.0, &mut rng)?;
    let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    let mut model = sequential![
        Linear::new(8, 16, &mut rng)?,
        BatchNorm1d::new(16)?,
        Relu,
        Dropout::new(0.1)?,
        Linear::new(16, 1, &mut rng)?
    ];
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    let every = steps / 20;
    let history = Trainer::new(losses::mse, Adam::new(1e-3).clip_norm(1.0))
        .batch_size(16)
        .max_steps(steps)
        .validation_split(0.1)
        .evaluate_every(every)
        .metric("r2", metrics::r2)
        .early_stopping(EarlyStopping::new(1000))
        .checkpoints(CheckpointFolder::new(folder.path().join("run")).keep(2))
        .checkpoint_every(every)
        .callback(NanGuard::new())
        .callback(Histograms::every(50).keep(3))
        .callback(TensorBoard::new(folder.path().join("events"))?.every(10).histograms(500))
        .callback(HistoryFile::csv(folder.path().join("history.csv")))
        .callback(BestCheckpoints::new(CheckpointFolder::new(folder.path().join("best")).keep(1)))
        .every(every, move |_, _: &Sequential| {
            notes.lock().unwrap().push((memory::stats(), resident()));
            Ok(ControlFlow::Continue(()))
        })
        .fit(&mut model, &data, &mut rng)?;
    assert_eq!(history.steps, steps);
    let seen = seen.lock().unwrap();
    // Once everything has been done a few times.
    let ((first, first_resident), (last, last_resident)) = (seen[4], seen[seen.len() - 1]);
    let more = |first: usize, last: usize| last.saturating_sub(first);
    println!(
        "{steps} steps: tensors {} bytes more, {} blocks fresh of {}, process {} KiB more",
        more(first.current_bytes, last.current_bytes),
        last.blocks_allocated - first.blocks_allocated,
        last.blocks_taken - first.blocks_taken,
        more(first_resident, last_resident) >> 10,
    );
    assert!(more(first.current_bytes, last.current_bytes) <= 64 << 10, "{first:?} {last:?}");
    assert!(more(first.pooled_bytes, last.pooled_bytes) <= 1 << 20, "{first:?} {last:?}");
    assert!(more(first_resident, last_resident) <= 4 << 20, "{first_resident} {last_resident}");
    Ok(())
}
