//! Ranks that train by themselves, and meet now and then.

use std::sync::Arc;

use super::{Callback, Context};
use crate::count::IntoCount;
use crate::distributed::{DataParallel, Group, average};
use crate::error::{Error, Result};
use crate::train::history::StepReport;

/// Local SGD (Stich, 2019): each rank trains by itself, on data of its own, and every so many steps all go on from the mean of their models.
/// For links that are too slow for gradients. The states of optimizers stay each rank's own.
///
/// **This gives up that the bits are those of one process:** they depend on the number of ranks and on which data each of them has. All ranks must make as many steps,
/// so a run has [`max_steps`](crate::train::Trainer::max_steps), and [`steps_per_epoch`](crate::train::Trainer::steps_per_epoch) if it is measured.
///
/// ```
/// use demotic::distributed::ThreadGroup;
/// use demotic::prelude::*;
/// use demotic::train::PeriodicAverage;
///
/// let models = ThreadGroup::run(2, |group| {
///     // Each rank has other rows.
///     let mut rng = Rng::seed(group.rank() as u64);
///     let x = Tensor::normal([64, 3], 0.0, 1.0, &mut rng)?;
///     let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
///     let mut model = Linear::new(3, 1, &mut rng)?;
///     Trainer::new(losses::mse, Adam::new(0.05))
///         .max_steps(90)
///         .callback(PeriodicAverage::new(group, 10))
///         .fit(&mut model, &data, &mut rng)?;
///     model.weight.value()?.to_vec::<f32>()
/// })?;
/// assert_eq!(models[0], models[1]);
/// assert!(models[0].iter().all(|weight| (weight - 1.0).abs() < 0.1));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug)]
pub struct PeriodicAverage {
    group: Arc<dyn Group>,
    every: u64,
}

impl PeriodicAverage {
    /// The mean over this group after every so many steps, at the beginning (where all take the model of rank 0) and at the end.
    #[must_use]
    pub fn new(group: &dyn Group, every: impl IntoCount) -> Self {
        let every = every.into_count();
        Self { group: group.handle(), every }
    }
}

impl Callback for PeriodicAverage {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        if self.every == 0 {
            return Err(Error::argument("PeriodicAverage", "an average every 0 steps, expected at least 1"));
        }
        DataParallel::new(&*self.group).synchronize(run.model_mut())
    }

    fn step(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        if !report.step.is_multiple_of(self.every) {
            return Ok(());
        }
        self.meet(report.step, run)
    }

    fn fit_end(&mut self, run: &mut Context<'_>) -> Result<()> {
        self.meet(run.steps(), run)
    }
}

impl PeriodicAverage {
    /// The mean of all models, which must have made as many steps.
    #[track_caller]
    fn meet(&self, step: u64, run: &mut Context<'_>) -> Result<()> {
        self.group.agree("PeriodicAverage", &[("come to step".into(), step.to_string())])?;
        average(&*self.group, run.model_mut())
    }
}
