//! Training, and everything around it.
//!
//! [`Trainer`] runs the usual loop. Its parts serve as well in a loop of your own: [`EarlyStopping`], [`metrics`],
//! [metrics that see one batch at a time](running), the [schedules](crate::optimizers::schedule), [`Snapshot`], [checkpoints](crate::io::Checkpoint), and, with the feature `plot`, `plot::Chart`.

mod early_stopping;
mod history;
pub mod metrics;
#[cfg(feature = "plot")]
pub mod plot;
mod progress;
pub mod running;
mod stop;
mod trainer;

pub use early_stopping::{EarlyStopping, Snapshot, Verdict};
pub use history::{Ended, Epoch, History, StepReport};
pub use stop::StopHandle;
pub use trainer::{Evaluation, Trainer, predict};
