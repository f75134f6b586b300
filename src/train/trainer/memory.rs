//! What a run will need of memory, before it begins.

use std::fmt;

use super::subject::{Subject, TRAINING, Tasked, Trained};
use super::{Core, Examples, Trainer};
use crate::data::Cursor;
use crate::error::{Error, Here, Result};
use crate::io::Checkpoint;
use crate::layers::{Hooks, Module, ModuleExt, Place};
use crate::memory;
use crate::optimizers::OptimizerState;
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::train::early_stopping::Snapshot;
use crate::train::task::{LOSS, Task};

/// What the tensors of a training step take, layer by layer: see [`Trainer::memory_report`]. Print it with `{}`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MemoryReport {
    /// The size of batches that it is about.
    pub batch_size: usize,
    /// What each layer keeps for the pass back, in the order in which they are run.
    pub layers: Vec<MemoryRow>,
    /// Parameters and buffers of the model.
    pub parameter_bytes: u64,
    /// What the optimizer remembers.
    pub optimizer_bytes: u64,
    /// The most that a step takes besides these: everything that layers keep, gradients, and what is computed in between.
    pub step_bytes: u64,
    /// What all tensors of the program had in use when the report was made: the model, data in memory, and what the optimizer had by then.
    pub in_use_bytes: u64,
    /// The most that will be in use.
    pub total_bytes: u64,
}

/// A layer in a [`MemoryReport`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MemoryRow {
    /// Where in the model the layer is; empty for what belongs to none.
    pub path: String,
    /// The name of its type.
    pub kind: String,
    /// The bytes that it keeps of a batch.
    pub bytes: u64,
}

/// `12.3 MiB`.
fn size(bytes: u64) -> String {
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit < 4 {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{size:.1} {}", ["KiB", "MiB", "GiB", "TiB"][unit - 1]),
    }
}

impl fmt::Display for MemoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<(String, u64)> = self.layers.iter().map(|row| (row.to_string(), row.bytes)).collect();
        let kept: u64 = self.layers.iter().map(|row| row.bytes).sum();
        lines.push((format!("kept of a batch of {}", self.batch_size), kept));
        lines.push(("parameters and buffers".to_string(), self.parameter_bytes));
        lines.push(("optimizer".to_string(), self.optimizer_bytes));
        lines.push(("the most that a step takes".to_string(), self.step_bytes));
        lines.push(("in use already".to_string(), self.in_use_bytes));
        lines.push(("the most in all".to_string(), self.total_bytes));
        let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let rule = "─".repeat(width + 12);
        for (i, (name, bytes)) in lines.iter().enumerate() {
            if i == self.layers.len() {
                writeln!(f, "{rule}")?;
            }
            let end = if i + 1 < lines.len() { "\n" } else { "" };
            write!(f, "{name:<width$}  {:>10}{end}", size(*bytes))?;
        }
        Ok(())
    }
}

impl fmt::Display for MemoryRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.kind),
            path => write!(f, "{path} ({})", self.kind),
        }
    }
}

/// Notes what this thread has more after each layer than before it.
struct Kept {
    last: isize,
    layers: Vec<(String, String, isize)>,
}

impl Kept {
    fn new() -> Self {
        Self { last: memory::thread_bytes(), layers: Vec::new() }
    }

    fn note(&mut self, path: &str, kind: &str) {
        let now = memory::thread_bytes();
        let more = now - std::mem::replace(&mut self.last, now);
        match self.layers.iter_mut().find(|(own, ..)| own == path) {
            Some((.., bytes)) => *bytes += more,
            None => self.layers.push((path.to_string(), kind.to_string(), more)),
        }
    }
}

impl Hooks for Kept {
    fn enter(&mut self, _: &Place<'_>) -> Result<()> {
        Ok(())
    }

    fn output(&mut self, at: &Place<'_>, _: &Tensor) -> Result<Option<Tensor>> {
        self.note(at.path, at.kind);
        Ok(None)
    }
}

/// What a step on some examples took.
struct Probe {
    examples: usize,
    layers: Vec<(String, String, isize)>,
    peak: usize,
    optimizer: OptimizerState,
}

/// So many examples are tried first, then twice as many, and so on: memory comes in sizes of which this is a step.
const FIRST: usize = 2;

/// No more are tried when a step takes this part of what there is.
const PART: u64 = 4;

/// What holds for `of` examples, on the line through two that were tried.
fn on_line([a, b]: [(usize, f64); 2], of: usize) -> f64 {
    let slope = if b.0 > a.0 { (b.1 - a.1) / (b.0 - a.0) as f64 } else { 0.0 };
    (b.1 + slope * (of as f64 - b.0 as f64)).max(0.0)
}

fn bytes_of<'t>(tensors: impl Iterator<Item = &'t Tensor>) -> u64 {
    tensors.map(|tensor| (tensor.numel() * tensor.dtype().size()) as u64).sum()
}

fn optimizer_bytes(state: &OptimizerState) -> u64 {
    bytes_of(state.parameters.values().flat_map(|own| own.tensors.values()).chain(state.shared.values()))
}

impl<T, B: Send> Trainer<'_, T, B> {
    /// What a run on these data will need of memory, by steps on two, four, eight examples and so on, after which model, optimizer, task and generator are
    /// as before. Of a task that [makes its steps itself](Task::step) it sees the objective alone.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let data = TensorDataset::new(Tensor::ones([256, 8])?, Tensor::ones([256, 1])?)?;
    /// let mut model = sequential![Linear::new(8, 64, &mut rng)?, Relu, Linear::new(64, 1, &mut rng)?];
    /// let report = Trainer::new(losses::mse, Adam::new(1e-3)).batch_size(256).memory_report(&mut model, &data, &rng)?;
    /// println!("{report}");
    /// assert_eq!(report.layers[0].path, "0");
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are no data, or a step is an error.
    #[track_caller]
    pub fn memory_report<M: Module + 'static>(
        &mut self,
        model: &mut M,
        train: &Examples<'_, B>,
        rng: &Rng,
    ) -> Result<MemoryReport>
    where
        T: Task<M, B>,
    {
        let task = Tasked(&mut self.task);
        let mut subject = Trained::new(model, task, train, None);
        let size = self.core.options.batch_size.min(train.len());
        Ok(self.core.try_batches(&mut subject, rng, size, u64::MAX)?.report(size))
    }
}

impl Core {
    /// Refuses a run that would need more than it may.
    #[track_caller]
    pub(super) fn check_memory(&mut self, subject: &mut dyn Subject, rng: &Rng) -> Result<()> {
        let Some(limit) = self.options.memory_limit else { return Ok(()) };
        let batch = self.options.batch_size.min(subject.examples());
        let tried = self.try_batches(subject, rng, batch, limit)?;
        let report = tried.report(batch);
        if report.total_bytes <= limit {
            return Ok(());
        }
        let largest = report.layers.iter().max_by_key(|row| row.bytes);
        let most =
            largest.map_or_else(String::new, |row| format!("; {row} keeps the most: layers::checkpointed keeps less"));
        // A power of two is a whole part of most sizes.
        let sizes = (0..usize::BITS).rev().map(|i| 1usize << i).filter(|n| *n < batch);
        let fitting = { sizes }.find(|n| tried.report(*n).total_bytes <= limit);
        let help = match fitting {
            None => format!("not even a batch of 1 fits: take a smaller model, or one of 16 bits{most}"),
            Some(n) => {
                format!("batches of {n} fit, and with accumulate({}) make the same step{most}", batch.div_ceil(n))
            }
        };
        let (needed, limit) = (size(report.total_bytes), size(limit));
        let message = format!("steps on batches of {batch} need {needed}, the limit is {limit}\n{}", report.short());
        Err(Error::state("fit", message).with_help(help))
    }

    /// Steps on more and more examples, as far as the size of batches and the memory go.
    #[track_caller]
    fn try_batches(&mut self, subject: &mut dyn Subject, rng: &Rng, batch: usize, limit: u64) -> Result<Tried> {
        if subject.examples() == 0 {
            return Err(Error::argument("fit", "there are no training data"));
        }
        let in_use_bytes = memory::stats().current_bytes as u64;
        let had = optimizer_bytes(&self.optimizer.state());
        let leaves: Vec<Tensor> = crate::io::slots(subject.model()).into_iter().map(|(_, value)| value).collect();
        let parameter_bytes = bytes_of(leaves.iter());
        // The sum of the gradients so far.
        let sum = if self.options.accumulate > 1 { subject.model().num_parameters() as u64 * 4 } else { 0 };
        drop(leaves);
        let most = limit.min(memory::machine_bytes().unwrap_or(usize::MAX) as u64) / PART;
        let mut probes: Vec<Probe> = Vec::new();
        let mut n = FIRST.min(subject.examples());
        loop {
            let probe = self.probe(subject, rng, n)?;
            let taken = probe.peak as u64;
            probes.push(probe);
            // Two at the least, for a line.
            let is_enough = probes.len() > 1 && taken > most;
            if is_enough || n >= batch || n.saturating_mul(2) > subject.examples() {
                return Ok(Tried { probes, in_use_bytes, parameter_bytes, had, sum });
            }
            n *= 2;
        }
    }

    /// A step, and everything as before.
    #[track_caller]
    fn probe(&mut self, subject: &mut dyn Subject, rng: &Rng, examples: usize) -> Result<Probe> {
        let (model, optimizer) = (Snapshot::of(subject.model()), self.optimizer.state());
        let task = subject.remembered(Checkpoint::new()).here()?;
        let stepped = self.probe_step(subject, rng, examples);
        let (own, own_task) = subject.parts();
        model.restore(own)?;
        own_task.load(&task).here()?;
        self.optimizer.load_state(optimizer)?;
        stepped
    }

    #[track_caller]
    fn probe_step(&mut self, subject: &mut dyn Subject, rng: &Rng, examples: usize) -> Result<Probe> {
        let mut rng = rng.clone();
        let mut batches = Cursor::new(subject.examples(), examples);
        let Some(pick) = batches.next() else { return Err(Error::argument("fit", "there are no training data")) };
        let pick = pick.within(TRAINING)?;
        let mut kept = Kept::new();
        let (grads, usage) = memory::measure(|| {
            let objective = subject.heard(&pick, &mut rng, &mut kept).here()?;
            kept.note("", "loss and batch");
            if objective.count == 0.0 {
                return Ok(None);
            }
            objective.loss.backward().within(LOSS).map(Some)
        });
        if let Some(grads) = grads? {
            // One that refuses the step says so when the run has begun.
            let _ = self.optimizer.step(subject.model(), &grads);
        }
        Ok(Probe { examples, layers: kept.layers, peak: usage.peak_bytes, optimizer: self.optimizer.state() })
    }
}

/// What steps on more and more examples took.
struct Tried {
    probes: Vec<Probe>,
    in_use_bytes: u64,
    parameter_bytes: u64,
    /// What the optimizer remembered before.
    had: u64,
    /// What accumulated gradients take.
    sum: u64,
}

impl Tried {
    /// What a step on so many examples takes.
    fn report(&self, batch_size: usize) -> MemoryReport {
        // The two that are nearest.
        let above = self.probes.partition_point(|probe| probe.examples < batch_size);
        let last = above.max(1).min(self.probes.len() - 1);
        let [few, more] = [&self.probes[last.saturating_sub(1)], &self.probes[last]];
        let line =
            |of: &dyn Fn(&Probe) -> f64| on_line([few, more].map(|probe| (probe.examples, of(probe))), batch_size);
        let kept = |probe: &Probe, path: &str| {
            probe.layers.iter().find(|(own, ..)| own == path).map_or(0.0, |(.., bytes)| *bytes as f64)
        };
        let layers: Vec<MemoryRow> = more
            .layers
            .iter()
            .map(|(path, kind, _)| {
                let bytes = line(&|probe| kept(probe, path)) as u64;
                MemoryRow { path: path.clone(), kind: kind.clone(), bytes }
            })
            .collect();
        // With few examples the pass back takes the most at its end, for gradients of parameters, with many at its beginning: then
        // there is all that was kept, and the gradients of two outputs.
        let all: u64 = layers.iter().map(|row| row.bytes).sum();
        let largest = layers.iter().map(|row| row.bytes).max().unwrap_or(0);
        let peak = line(&|probe| probe.peak as f64) as u64;
        let is_seen = batch_size <= more.examples;
        let step_bytes = if is_seen { peak } else { peak.max(all.saturating_add(largest.saturating_mul(2))) };
        let step_bytes = step_bytes.saturating_add(self.sum);
        let optimizer_bytes = optimizer_bytes(&more.optimizer);
        let total_bytes =
            self.in_use_bytes.saturating_add(optimizer_bytes.saturating_sub(self.had)).saturating_add(step_bytes);
        MemoryReport {
            batch_size,
            layers,
            parameter_bytes: self.parameter_bytes,
            optimizer_bytes,
            step_bytes,
            in_use_bytes: self.in_use_bytes,
            total_bytes,
        }
    }
}

/// Layers that are shown where there is little room.
const SHOWN: usize = 8;

impl MemoryReport {
    /// The same with the layers alone that keep the most.
    fn short(&self) -> Self {
        let mut short = self.clone();
        crate::order::sort_by(&mut short.layers, |a, b| b.bytes.cmp(&a.bytes));
        let rest: u64 = short.layers.iter().skip(SHOWN).map(|row| row.bytes).sum();
        if short.layers.len() > SHOWN {
            let kind = format!("{} others", short.layers.len() - SHOWN);
            short.layers.truncate(SHOWN);
            short.layers.push(MemoryRow { path: String::new(), kind, bytes: rest });
        }
        short
    }
}
