//! Smaller and faster models: weights that are left out (pruning), and small models that learn from large ones (distillation).
//!
//! - [`Pruning`] says which weights of a model become zero: by their size, by [`Scores`] of another kind, at random; each by itself, in
//!   rows, or so many in each group. It gives [`Masks`], a [constraint](crate::regularizers::Constraint) that keeps them zero while the
//!   model is trained on. [`GradualPruning`] does so step by step during training. [`OneShotPruning`] looks at what weights are multiplied
//!   with instead (Wanda, SparseGPT): for language models that are not trained on.
//! - [`sparsify`] keeps weights without their zeros, and multiplies by them so; with the feature `linalg`, `factorize` makes products of
//!   two thin matrices of them.
//! - [`shrink`] takes units out of chains and residual networks altogether ([`UnitGroups`] says which go together),
//!   [`TransformerImportance`] heads, hidden units and layers out of transformers: what is left is a smaller, ordinary model.
//! - [`Distill`] trains a model on what another one says, [`Taught`] on what it has said, [`written`] on what it writes.
//! - Weights of a few bits a number are made by [`quantize`](crate::layers::QuantizeExt::quantize), and learnt by [`qat`].
//! - [`compare`] measures what it cost.

mod changes;
mod compare;
mod distill;
#[cfg(feature = "linalg")]
mod factorize;
mod gradual;
mod masks;
mod one_shot;
mod pruning;
pub mod qat;
mod relations;
mod scores;
mod shrink;
mod sparsify;
mod taught;
mod transformers;
mod units;

pub use changes::{WeightChange, WeightChanges};
pub use compare::{Compressed, CompressedLayer, CompressionReport, compare};
pub use distill::{Distill, Hint, SoftTargets, Stored, stored_targets};
#[cfg(feature = "linalg")]
pub use factorize::{Rank, factorize, factorize_calibrated};
pub use gradual::GradualPruning;
pub use masks::{MaskedWeight, Masks};
pub use one_shot::OneShotPruning;
pub use pruning::Pruning;
pub use relations::{attention_transfer, relation_angles, relation_distances, similarity_preserving};
pub use scores::{Scores, random_scores};
pub use shrink::{Shrink, Shrunk, shrink};
pub use sparsify::{densify, sparsify};
pub use taught::{Taught, written};
pub use transformers::{Anatomy, PrunableTransformer, TransformerImportance, TransformerSizes, without_layers};
pub use units::{UnitGroup, UnitGroups};
