//! Gradients, by recording what is computed.
//!
//! Operations on a [tracked](crate::Tensor::tracked) tensor are recorded; [`backward`](crate::Tensor::backward) walks the
//! record from the loss to the tracked tensors and returns their [`Gradients`].
//!
//! - [`grad`] differentiates anything by anything, and its results again (`create_graph`).
//! - [`backward_per_example`](crate::Tensor::backward_per_example) gives the gradients of each example of a batch.
//! - [`no_grad`] switches recording off.
//! - [`custom`] and [`Function`] add operations with gradients of your own, [`custom_many`] and [`MultiFunction`] those with
//!   several results.
//! - [`checkpoint`] trades computing time for memory.
//! - [`gradcheck`] compares gradients with finite differences.

mod check;
mod checkpoint;
mod engine;
mod function;
mod grad;
mod gradients;
mod lineage;
mod node;
pub(crate) mod ops;
mod per_example;
mod recording;
mod several;

pub use check::{gradcheck, gradgradcheck};
pub use checkpoint::checkpoint;
pub(crate) use checkpoint::{checkpoint_keeping, checkpoint_of_two};
pub use engine::Sink;
pub(crate) use engine::add_to;
pub use function::{Function, Saved, SecondOrder, apply, custom};
pub(crate) use grad::grad_filtered;
pub use grad::{GradOptions, grad};
pub use gradients::Gradients;
pub use ops::attention::AttentionOptions;
pub use ops::batch_norm::BatchStatistics;
pub use ops::convolution::{ConvOptions, PaddingMode};
pub(crate) use ops::convolution::{Finish, Packed, patches, predicted};
#[cfg(feature = "fft")]
pub use ops::fft::{FftNorm, FftOptions, StftOptions};
pub use ops::grid_sample::GridPadding;
pub use ops::interpolate::{Factors, InterpolateOptions, Interpolation};
#[cfg(feature = "linalg")]
pub use ops::linalg::MatrixNorm;
pub use ops::pool::{PoolOptions, TargetSize};
pub use ops::recurrent::{Recurrence, RecurrentState, RecurrentUnit};
pub use ops::unfold::UnfoldOptions;
pub use per_example::{Ask, ExampleGradients, ExampleNorms, ExampleSink};
pub use recording::{is_enabled as is_recording, no_grad};
pub use several::{MultiFunction, OutputGradients, apply_many, custom_many};

pub(crate) use gradients::NodeMap;
pub(crate) use gradients::Outline;
pub(crate) use lineage::{compares_all, origin, twice};
pub(crate) use node::{NodeId, id_of, is_recorded, record};
pub(crate) use recording::{pause as pause_recording, with as with_recording};
