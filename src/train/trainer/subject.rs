//! What a run works on, without its types: so that the loop is compiled once, and not for each model.

use super::Examples;
use crate::data::{Ahead, BatchSampler, Cursor, Pick};
use crate::error::{Here, Result};
use crate::io::Checkpoint;
use crate::layers::{Hooks, Mode, Module};
use crate::optimizers::Optimizer;
use crate::rng::Rng;
use crate::train::callback::{Model, Remembers};
use crate::train::task::{Objective, Task};

/// A model, its task and its data, in training.
pub(super) trait Subject {
    /// The number of examples.
    fn examples(&self) -> usize;
    /// What says in which order the examples come, if that is not any random one.
    fn sampler(&self) -> Option<&dyn BatchSampler>;
    /// An epoch begins, or goes on: nothing of an earlier one is needed any more.
    fn begin_epoch(&mut self);
    /// Lets the next batches be made in advance, if there are threads for it: those that are `wanted` by their number.
    fn ask(&mut self, batches: &Cursor, wanted: &dyn Fn(usize) -> bool);
    /// The objective of a batch, and whether the task has made the step itself.
    fn train(&mut self, pick: &Pick<'_>, optimizer: &mut dyn Optimizer, rng: &mut Rng) -> Result<(Objective, bool)>;
    /// The objective of a batch that the model has seen already, at another place.
    fn again(&mut self, pick: &Pick<'_>, rng: &mut Rng) -> Result<Objective>;
    /// The objective of a batch in training, while somebody listens to the layers.
    fn heard(&mut self, pick: &Pick<'_>, rng: &mut Rng, hooks: &mut dyn Hooks) -> Result<Objective>;
    fn model(&mut self) -> &mut dyn Model;
    fn parts(&mut self) -> (&mut dyn Model, &mut dyn Remembers);
    fn trained_on(&self) -> Box<dyn Measurable + '_>;
    fn validation(&self) -> Option<Box<dyn Measurable + '_>>;
    fn remembered(&self, checkpoint: Checkpoint) -> Result<Checkpoint>;
    /// Some numbers of some samples of the training data.
    fn fingerprint(&self) -> Vec<f64>;
}

/// A model, its task and some data, to be measured.
pub(super) trait Measurable {
    fn examples(&self) -> usize;
    fn measure(&self, pick: &Pick<'_>) -> Result<Objective>;
    /// What is wrong with the data of a batch.
    fn diagnose(&self, pick: &Pick<'_>) -> Option<String>;
}

/// What is called, in errors.
pub(super) const TRAINING: &str = "the training data of the Trainer";
pub(super) const EVALUATION: &str = "the data of an evaluation";

pub(super) struct Trained<'s, 'p, 'scope, M, B> {
    pub(super) model: &'s mut M,
    pub(super) task: Tasked<'s, M, B>,
    pub(super) train: &'s Examples<'s, B>,
    pub(super) validation: Option<&'s Examples<'s, B>>,
    /// Which examples of the program's data these are, in training and validation, if they are not all.
    pub(super) rows: [Option<&'s [usize]>; 2],
    /// Batches that are made in advance.
    pub(super) ahead: Option<&'s mut Ahead<'p, 'scope, B>>,
}

impl<'s, M, B> Trained<'s, '_, '_, M, B> {
    pub(super) fn new(
        model: &'s mut M,
        task: Tasked<'s, M, B>,
        train: &'s Examples<'s, B>,
        validation: Option<&'s Examples<'s, B>>,
    ) -> Self {
        Self { model, task, train, validation, rows: [None, None], ahead: None }
    }
}

/// A task that can be saved.
pub(super) struct Tasked<'s, M, B>(pub(super) &'s mut dyn Task<M, B>);

impl<M, B> Remembers for Tasked<'_, M, B> {
    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        self.0.save(checkpoint)
    }
    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        self.0.load(saved)
    }
}

impl<M: Module + 'static, B: Send> Subject for Trained<'_, '_, '_, M, B> {
    fn examples(&self) -> usize {
        self.train.len()
    }

    fn sampler(&self) -> Option<&dyn BatchSampler> {
        self.train.sampler()
    }

    fn begin_epoch(&mut self) {
        if let Some(ahead) = &mut self.ahead {
            ahead.begin();
        }
    }

    fn ask(&mut self, batches: &Cursor, wanted: &dyn Fn(usize) -> bool) {
        if let Some(ahead) = &mut self.ahead {
            ahead.ask(batches, wanted);
        }
    }

    fn train(&mut self, pick: &Pick<'_>, optimizer: &mut dyn Optimizer, rng: &mut Rng) -> Result<(Objective, bool)> {
        let batch = match &mut self.ahead {
            Some(ahead) => ahead.take(pick.batch),
            None => pick.of(self.train),
        }
        .within(TRAINING)?;
        match self.task.0.step(self.model, &batch, optimizer, rng)? {
            Some(objective) => Ok((objective, true)),
            None => Ok((self.task.0.objective(self.model, &batch, &mut Mode::train(rng))?, false)),
        }
    }

    fn again(&mut self, pick: &Pick<'_>, rng: &mut Rng) -> Result<Objective> {
        let batch = pick.of(self.train).within(TRAINING)?;
        self.task.0.objective(self.model, &batch, &mut Mode::train(rng).repeated())
    }

    fn heard(&mut self, pick: &Pick<'_>, rng: &mut Rng, hooks: &mut dyn Hooks) -> Result<Objective> {
        let batch = pick.of(self.train).within(TRAINING)?;
        self.task.0.objective(self.model, &batch, &mut Mode::train(rng).with_hooks(hooks))
    }

    fn model(&mut self) -> &mut dyn Model {
        self.model
    }

    fn parts(&mut self) -> (&mut dyn Model, &mut dyn Remembers) {
        (self.model, &mut self.task)
    }

    fn trained_on(&self) -> Box<dyn Measurable + '_> {
        Box::new(Measured { model: &*self.model, task: &*self.task.0, data: self.train, rows: self.rows[0] })
    }

    fn validation(&self) -> Option<Box<dyn Measurable + '_>> {
        let data = self.validation?;
        Some(Box::new(Measured { model: &*self.model, task: &*self.task.0, data, rows: self.rows[1] }))
    }

    fn remembered(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        self.task.save(checkpoint)
    }

    fn fingerprint(&self) -> Vec<f64> {
        let len = self.train.len();
        let mut rows = vec![0, len / 3, len / 3 * 2, len.saturating_sub(1)];
        rows.dedup();
        // What cannot be had says so where it is needed.
        let batch = if len == 0 { None } else { self.train.batch(&rows, &mut Rng::seed(0)).ok() };
        batch.map_or_else(Vec::new, |batch| self.task.0.fingerprint(&batch))
    }
}

pub(super) struct Measured<'s, M, B> {
    pub(super) model: &'s M,
    pub(super) task: &'s dyn Task<M, B>,
    pub(super) data: &'s Examples<'s, B>,
    pub(super) rows: Option<&'s [usize]>,
}

impl<M, B: Send> Measurable for Measured<'_, M, B> {
    fn examples(&self) -> usize {
        self.data.len()
    }

    fn measure(&self, pick: &Pick<'_>) -> Result<Objective> {
        let batch = pick.of(self.data).within(EVALUATION)?;
        match self.task.objective(self.model, &batch, &mut Mode::eval()) {
            // What its layers say may be about these data alone; losses and metrics say so by themselves.
            Err(e) if e.caller().is_none() => Err(e.within(EVALUATION)),
            other => other,
        }
    }

    fn diagnose(&self, pick: &Pick<'_>) -> Option<String> {
        let batch = pick.of(self.data).ok()?;
        let number = |i| self.rows.and_then(|rows| rows.get(i).copied()).unwrap_or(i);
        self.task.diagnose(&batch, &|i| number(pick.number(i)))
    }
}
