//! A process that trains is killed at any moment, while it writes too, goes on from its checkpoints, and ends with the bits of one that was not.
//!
//! `DEMOTIC_KILLS=200` asks for as many kills of each kind as `docs/reliability.md` tells of.
#![cfg(unix)]

use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use demotic::data::Dataset;
use demotic::io::{CheckpointFolder, write_atomically};
use demotic::optimizers::schedule::Curve;
use demotic::parallel;
use demotic::prelude::*;
use demotic::train::tensorboard::read_events;
use demotic::train::{BestCheckpoints, Histograms, HistoryFile, NanGuard, TensorBoard, TimeBudget};

use crate::roles::{self, role, wait_for};

/// Examples with noise that is new each time: it depends on the generator of the batch.
struct Noisy(TensorDataset);

impl Dataset for Noisy {
    type Batch = (Tensor, Tensor);

    fn len(&self) -> usize {
        self.0.len()
    }

    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<(Tensor, Tensor)> {
        let (x, y) = self.0.batch(indices, rng)?;
        let noise = Tensor::normal(x.shape(), 0.0, 0.1, rng)?;
        Ok((x.add(&noise)?, y))
    }
}

/// Everything that a checkpoint has to know: moments, running statistics, dropout, noise, a schedule, early stopping, half an epoch.
/// So many parameters that writing them takes a while.
fn parts() -> Result<(Sequential, Noisy, Rng)> {
    let mut rng = Rng::seed(7);
    let x = Tensor::normal([60, 16], 0.0, 1.0, &mut rng)?;
    let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    let model = sequential![
        Linear::new(16, 300, &mut rng)?,
        BatchNorm1d::new(300)?,
        Tanh,
        Dropout::new(0.2)?,
        Linear::new(300, 200, &mut rng)?,
        Relu,
        Linear::new(200, 1, &mut rng)?
    ];
    Ok((model, Noisy(data), rng))
}

fn trainer<'d>() -> Trainer<'d> {
    Trainer::new(losses::mse, Adam::new(0.01))
        .batch_size(6)
        .accumulate(2)
        .validation_split(0.2)
        .epochs(4)
        .step_schedule(Curve::cosine(0.01, 16).warm_up(2))
        .early_stopping(EarlyStopping::new(50))
        .metric("r2", metrics::r2)
}

/// The same, with everything that writes into the folder, and from where it had got to.
fn observed<'d>(folder: &Path, prefetch: usize) -> Result<Trainer<'d>> {
    let checkpoints = CheckpointFolder::new(folder.join("run")).keep(2);
    let best = BestCheckpoints::new(CheckpointFolder::new(folder.join("best")).keep(1)).metric("r2").maximize();
    let trainer = trainer()
        .checkpoints(checkpoints.clone())
        .checkpoint_every(1)
        .prefetch(prefetch)
        .callback(NanGuard::new())
        .callback(TimeBudget::new(Duration::from_secs(10_000)))
        .callback(Histograms::every(3))
        .callback(TensorBoard::new(folder.join("events"))?.histograms(5))
        .callback(HistoryFile::csv(folder.join("history.csv")))
        .callback(best);
    Ok(match checkpoints.latest()? {
        Some(latest) => trainer.resume(latest),
        None => trainer,
    })
}

fn bits(model: &Sequential, rng: &mut Rng) -> Vec<u8> {
    let saved = demotic::io::Checkpoint::new().model(model);
    let values = saved.get_tensors("model").unwrap().iter().flat_map(|(_, x)| x.to_f64_vec());
    values.chain([rng.next_u64() as f64]).flat_map(f64::to_le_bytes).collect()
}

/// Trains from wherever the folder is, to the end.
fn train(folder: &Path, prefetch: usize) -> Result<Vec<u8>> {
    let (mut model, data, mut rng) = parts()?;
    observed(folder, prefetch)?.fit(&mut model, &data, &mut rng)?;
    Ok(bits(&model, &mut rng))
}

/// The lines of the history without the seconds.
fn lines(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("history.csv")).unwrap();
    text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_string()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &to),
            false => assert!(fs::copy(&path, &to).is_ok()),
        }
    }
}

/// What the kills of one kind came to.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    /// Of these, while a file was being written that was to replace another one.
    writing: usize,
    /// Before the first checkpoint was complete.
    before: usize,
    finished: usize,
}

fn killed(kills: usize, threads: usize, prefetch: usize) -> Result<Tally> {
    let name = "kills::a_run_that_is_killed_ends_with_the_same_bits";
    let (mut whole, data, mut rng) = parts()?;
    let mut plain = trainer();
    let history = parallel::with_threads(1, || plain.fit(&mut whole, &data, &mut rng))??;
    let expected = bits(&whole, &mut rng);
    let temporary = tempfile::tempdir().unwrap();
    let start = |folder: &Path| {
        let mut command =
            roles::command(Command::new(std::env::current_exe().unwrap()), name, &prefetch.to_string(), folder);
        let mut child = command.env("RAYON_NUM_THREADS", threads.to_string()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        wait_for(&mut out, "begun");
        (child, out)
    };
    // How long a run takes that nobody kills.
    let first = temporary.path().join("first");
    let (mut child, mut out) = start(&first);
    let begun = Instant::now();
    wait_for(&mut out, "ended");
    let duration = begun.elapsed();
    assert!(child.wait().unwrap().success());
    let written = lines(&first);
    assert_eq!(written.len(), history.epochs.len() + 1);

    let mut tally = Tally::default();
    let mut moments = Rng::seed(std::process::id().into());
    let mut folder = temporary.path().join("0");
    while tally.kills < kills {
        let (mut child, _out) = start(&folder);
        std::thread::sleep(duration.mul_f64(0.6 * moments.uniform()));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        if ended.success() {
            assert!(fs::read(folder.join("bits")).unwrap() == expected, "{tally:?}");
            assert_eq!(lines(&folder), written, "{tally:?}");
            tally.finished += 1;
            fs::remove_dir_all(&folder).unwrap();
            folder = temporary.path().join(tally.kills.to_string());
            continue;
        }
        tally.kills += 1;
        let has_left = |name: &str| {
            let Ok(entries) = fs::read_dir(folder.join(name)) else { return false };
            entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"))
        };
        tally.writing += usize::from(["", "run", "best"].into_iter().any(has_left));
        let checkpoints = CheckpointFolder::new(folder.join("run"));
        tally.before += usize::from(checkpoints.latest()?.is_none());
        // What there is can be read, whatever was cut off.
        for path in checkpoints.list()? {
            demotic::io::Checkpoint::load(path)?;
        }
        for entry in fs::read_dir(folder.join("events")).into_iter().flatten() {
            read_events(entry.unwrap().path())?;
        }
        // From here to the end, on a copy: the next kill meets the folder as this one has left it.
        let rest = temporary.path().join("rest");
        copy(&folder, &rest);
        let got = parallel::with_threads(threads, || train(&rest, prefetch))??;
        assert!(got == expected, "other bits after {tally:?}");
        assert_eq!(lines(&rest), written, "{tally:?}");
        let left = fs::read_dir(rest.join("run"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp"));
        assert_eq!(left.count(), 0, "{tally:?}");
        fs::remove_dir_all(&rest).unwrap();
    }
    Ok(tally)
}

#[test]
fn a_run_that_is_killed_ends_with_the_same_bits() -> Result<()> {
    if let Some((prefetch, folder)) = role() {
        fs::create_dir_all(&folder).unwrap();
        println!("begun");
        let bits = train(&folder, prefetch.parse().unwrap())?;
        write_atomically(folder.join("bits"), |out| out.write_all(&bits))?;
        println!("ended");
        return Ok(());
    }
    let kills = std::env::var("DEMOTIC_KILLS").map_or(2, |kills| kills.parse().unwrap());
    for (threads, prefetch) in [(1, 0), (2, 0), (1, 2), (2, 3)] {
        let tally = killed(kills, threads, prefetch)?;
        println!("{threads} threads, and {prefetch} that make batches: {tally:?}");
        assert!(kills < 100 || tally.writing > 0, "no kill has met a file that was being written");
    }
    Ok(())
}
