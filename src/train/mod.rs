//! Training, and everything around it.
//!
//! [`Trainer`] runs the usual loop: for a loss, or for a [`Task`] of your own. What happens beside it are [callbacks](Callback):
//! [`EarlyStopping`], [`Checkpoints`], [`BestCheckpoints`], [`Progress`], [`TensorBoard`], [`HistoryFile`], [`Histograms`], [`NanGuard`],
//! [`TimeBudget`], [`MemoryBudget`], [`LrFinder`], [schedules](Scheduled), and yours. They serve as well in a loop of your own, by
//! [`Callbacks`], and so do [`metrics`], [metrics that see one batch at a time](running), [`Snapshot`],
//! [checkpoints](crate::io::Checkpoint), and, with the feature `plot`, `plot::Chart`.

mod adversarial;
mod callback;
mod diagnosis;
mod early_stopping;
pub mod embedding;
mod histogram;
mod history;
mod mean;
pub mod metrics;
#[cfg(feature = "plot")]
pub mod plot;
#[cfg(feature = "plot")]
mod report;
pub mod running;
mod stop;
mod task;
pub mod tensorboard;
mod trainer;
mod weighted;

pub use crate::explain;
pub use adversarial::Adversarial;
pub use callback::{
    AfterEpoch, BestCheckpoints, Callback, Callbacks, Checkpoints, Context, Every, FiniteOutputs, HistogramRecord,
    Histograms, HistoryFile, LrCurve, LrFinder, MemoryBudget, NanGuard, PeriodicAverage, Progress, Scheduled,
    TensorBoard, TimeBudget, after_epoch, every,
};
pub use early_stopping::{EarlyStopping, Snapshot, Verdict};
pub use histogram::{Histogram, gradient_histograms, weight_histograms};
pub use history::{Ended, Epoch, History, StepReport};
#[cfg(feature = "plot")]
pub use report::Report;
pub use stop::StopHandle;
pub use task::{Objective, Supervised, Task};
pub use trainer::{Evaluation, MemoryReport, MemoryRow, Trainer, TrainerOptions, predict};
pub use weighted::Weighted;
