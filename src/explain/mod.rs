//! Why did it predict that?
//!
//! | question | methods | they need |
//! |---|---|---|
//! | which elements of an input matter | [`gradient`], [`saliency`], [`gradient_x_input`], [`guided_backprop`], [`SmoothGrad`] | gradients |
//! | what each of them adds, compared with a baseline | [`IntegratedGradients`], [`gradient_shap`] | gradients |
//! | the same, layer by layer | [`deep_lift`], [`deep_shap`], [`Relevance`] | a chain of layers |
//! | where in a picture | [`GradCam`] | a convolution |
//! | which parts matter when they are taken away | [`Occlusion`], [`ablation`], [`Lime`] | outputs alone |
//! | how the output is divided fairly among parts | [`exact_shapley`], [`KernelShap`] | outputs alone |
//! | the same for rows of a table, by its columns | [`shap_rows`] | a [`Pipeline`](crate::pipeline::Pipeline) |
//! | what a model makes of the columns of a table | [`permutation_importance`], [`partial_dependence`], [`ice`], [`ale`] | predictions |
//! | what would have to be otherwise | [`Counterfactuals`] | predictions |
//! | which examples a prediction comes from | [`tracin`], [`neighbors`] | gradients; [`representation`] |
//! | what a layer knows | [`probe_layers`], [`LinearProbe`] | [`representation`] |
//! | where attention comes from | [`attention_rollout`] | [`AttentionMaps`] |
//! | whether the explanation is about the model | [`Faithfulness`], [`infidelity`], [`sensitivity`], [`randomization`] | |
//!
//! Pictures are made by `train::plot` (feature `plot`), of what [`overlay`] makes among others; [`colored_text`] is for pages.
//!
//! What is explained is an [`Explained`]: a model, or any function of tensors, and which of its outputs.
//!
//! Elements are explained one by one, or in [`Groups`]: the features of a column, the pixels of a patch, the vector of a token.
//!
//! An explanation says what a *model* does, not what is so in the world.

mod by_examples;
mod chain;
mod coalitions;
mod counterfactuals;
mod curves;
mod deep_lift;
mod faithfulness;
mod grad_cam;
mod gradients;
mod groups;
mod integrated;
mod lime;
mod occlusion;
mod relevance;
mod rollout;
mod rows;
mod shapley;
mod shown;
mod subject;
mod tables;

pub use by_examples::{Distance, ExampleLoss, LinearProbe, Neighbor, Probed, neighbors, probe_layers, tracin};
pub use counterfactuals::{Change, Counterfactual, Counterfactuals};
pub use curves::{Ale, Ice, ale, ice};
pub use deep_lift::{deep_lift, deep_shap};
pub use faithfulness::{Faithfulness, FaithfulnessCurve, Randomized, infidelity, randomization, sensitivity};
pub use grad_cam::GradCam;
pub use gradients::{SmoothGrad, gradient, gradient_x_input, guided_backprop, saliency};
pub use groups::Groups;
pub use integrated::{IntegratedGradients, PathRule, gradient_shap};
pub use lime::{Lime, Surrogate};
pub use occlusion::{Occlusion, ablation};
pub use relevance::{Relevance, RelevanceRule};
pub use rollout::{AttentionMaps, Heads, attention_rollout};
pub use rows::{ColumnAttribution, shap_rows};
pub use shapley::{KernelShap, exact_shapley};
pub use shown::{colored_text, overlay};
pub use subject::{Attribution, Explained, Function, Target, representation};
pub use tables::{Effect, Importance, PartialDependence, partial_dependence, permutation_importance};
