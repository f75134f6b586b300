//! A run that only tries learning rates.

use super::options::TrainerOptions;
use super::subject::{Subject, Tasked, Trained};
use super::{Core, Examples, Trainer};
use crate::error::{ErrorKind, Here, Result};
use crate::io::Checkpoint;
use crate::layers::Module;
use crate::rng::Rng;
use crate::train::callback::{LrCurve, LrFinder, Place};
use crate::train::diagnosis;
use crate::train::early_stopping::Snapshot;
use crate::train::task::Task;

impl<T, B: Send> Trainer<'_, T, B> {
    /// Tries the learning rates of a [`LrFinder`], with the loss, the optimizer, the sizes, penalties and constraints of this trainer, and without
    /// its other callbacks. Afterwards model, optimizer, task and generator are as before.
    ///
    /// A loss that is no number ends the test like one that has grown too large.
    ///
    /// # Errors
    /// If an option makes no sense, or as for [`fit`](Self::fit).
    #[track_caller]
    pub fn find_learning_rate<M: Module + 'static>(
        &mut self,
        finder: &LrFinder,
        model: &mut M,
        train: &Examples<'_, B>,
        rng: &mut Rng,
    ) -> Result<LrCurve>
    where
        T: Task<M, B>,
    {
        let task = Tasked(&mut self.task);
        self.core.find_rate(finder, &mut Trained::new(model, task, train, None), &mut rng.clone())
    }
}

impl Core {
    #[track_caller]
    fn find_rate(&mut self, finder: &LrFinder, subject: &mut dyn Subject, rng: &mut Rng) -> Result<LrCurve> {
        finder.check()?;
        self.options.check_numbers()?;
        let (model, optimizer) = (Snapshot::of(subject.model()), self.optimizer.state());
        let task = subject.remembered(Checkpoint::new()).here()?;
        let options = TrainerOptions {
            max_steps: Some(finder.num_steps()),
            epochs: None,
            evaluate_every: None,
            checkpoint_every: None,
            evaluate_averages: false,
            ..self.options.clone()
        };
        let callbacks = std::mem::take(&mut self.callbacks);
        let (constraints, callbacks) = callbacks.apart(Place::Constraint);
        self.callbacks = constraints.with(finder.clone());
        let others = (
            std::mem::replace(&mut self.options, options),
            std::mem::take(&mut self.metrics),
            self.checkpoints.take(),
            self.resume.take(),
        );
        let result = self.fit(subject, rng);
        (self.options, self.metrics, self.checkpoints, self.resume) = others;
        let (constraints, _) = std::mem::take(&mut self.callbacks).apart(Place::Constraint);
        self.callbacks = callbacks.joined(constraints);
        let (own, own_task) = subject.parts();
        model.restore(own)?;
        own_task.load(&task).here()?;
        self.optimizer.load_state(optimizer)?;
        let curve = finder.curve();
        match result {
            Err(e) if e.kind() != ErrorKind::Numeric || diagnosis::is_of_data(&e) || curve.rates.is_empty() => Err(e),
            _ => Ok(curve),
        }
    }
}
