//! Smaller and faster models: weights that are left out (pruning), and small models that learn from large ones (distillation).
//!
//! - [`Pruning`] says which weights of a model become zero: by their size, by [`Scores`] of another kind, at random; each by itself, in
//!   rows, or so many in each group. It gives [`Masks`], a [constraint](crate::regularizers::Constraint) that keeps them zero while the
//!   model is trained on. [`GradualPruning`] does so step by step during training.
//! - [`shrink`] takes units out altogether: what is left is a smaller, ordinary model.
//! - [`Distill`] trains a model on what another one says.
//! - Weights of a few bits a number are made by [`quantize`](crate::layers::QuantizeExt::quantize), and learnt by [`qat`].
//! - [`compare`] measures what it cost.

mod compare;
mod distill;
mod gradual;
mod masks;
mod pruning;
pub mod qat;
mod relations;
mod scores;
mod shrink;

pub use compare::{Compressed, CompressionReport, compare};
pub use distill::{Distill, Hint, SoftTargets, stored_targets};
pub use gradual::GradualPruning;
pub use masks::{MaskedWeight, Masks};
pub use pruning::Pruning;
pub use relations::{attention_transfer, relation_angles, relation_distances, similarity_preserving};
pub use scores::{Scores, random_scores};
pub use shrink::{Shrink, Shrunk, shrink};
