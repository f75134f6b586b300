//! Where attention comes from, through all layers.

use crate::error::{Error, Here, Result};
use crate::layers::{Hooks, Place};
use crate::tensor::Tensor;

/// [`Hooks`] that keep the weights of all attention in a pass, `[batch, heads, queries, keys]` of each layer, with its path.
///
/// ```
/// use demotic::explain::{AttentionMaps, Heads, attention_rollout};
/// use demotic::models::{TransformerClassifier, TransformerClassifierConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let config = TransformerClassifierConfig::new(10, 2, 8).layers(2).heads(2).hidden_size(16);
/// let model = TransformerClassifier::new(config, &mut rng)?;
/// let mut maps = AttentionMaps::default();
/// model.forward(&Tensor::from_nested([[1i64, 2, 3, 4]])?, &mut Mode::eval().with_hooks(&mut maps))?;
/// assert_eq!(maps.layers[0].0, "encoder.layers.0.self_attn");
/// assert_eq!(maps.layers[0].1.shape(), [1, 2, 4, 4]);
///
/// let from = attention_rollout(&maps.weights(), Heads::Mean)?;
/// assert_eq!(from.shape(), [1, 4, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct AttentionMaps {
    /// Path and weights, in the order in which the layers were run.
    pub layers: Vec<(String, Tensor)>,
}

impl AttentionMaps {
    /// The weights alone.
    #[must_use]
    pub fn weights(&self) -> Vec<Tensor> {
        self.layers.iter().map(|(_, weights)| weights.clone()).collect()
    }
}

impl Hooks for AttentionMaps {
    fn output(&mut self, _: &Place<'_>, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }

    fn wants_attention(&self) -> bool {
        true
    }

    fn attention(&mut self, at: &Place<'_>, weights: &Tensor) -> Result<()> {
        self.layers.push((at.path.to_string(), weights.detach()));
        Ok(())
    }
}

/// What becomes of the heads of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Heads {
    /// Their mean, as in the paper.
    #[default]
    Mean,
    /// The largest weight.
    Max,
    /// The smallest one.
    Min,
}

/// Attention rollout (Abnar and Zuidema, *Quantifying attention flow in transformers*, 2020): how much each place of the last layer comes
/// from each token, if what a layer gives is one half of its input and one half of what it attends to. The weights are those of the layers
/// in order, `[.., heads, T, T]` each; the result is `[.., T, T]`, of which each row adds up to 1.
///
/// Attention says what is looked at, and not what is made of it.
///
/// # Errors
/// If there are no layers, or they have different shapes, no heads or weights that are not finite.
#[track_caller]
pub fn attention_rollout(layers: &[Tensor], heads: Heads) -> Result<Tensor> {
    let op = "attention_rollout";
    let mut joint: Option<Tensor> = None;
    for weights in layers {
        let shape = weights.shape();
        let square = shape.len() >= 3 && shape[shape.len() - 1] == shape[shape.len() - 2];
        if !square || weights.is_empty() || weights.shape() != layers[0].shape() {
            let message = format!("weights of shape {shape:?}, expected [.., heads, T, T] of each layer");
            return Err(Error::shape(op, message).with_help("rollout is for layers that attend to themselves"));
        }
        weights.expect_finite(op, "the weights")?;
        let fused = match heads {
            Heads::Mean => weights.mean_dims(&[-3], false)?,
            Heads::Max => weights.max_dim(-3, false)?.0,
            Heads::Min => weights.min_dim(-3, false)?.0,
        };
        let own = fused.add(&Tensor::eye(shape[shape.len() - 1])?.to_dtype(fused.dtype()))?;
        let own = own.div(&own.sum_dims(&[-1], true)?)?;
        joint = Some(match joint {
            Some(joint) => own.matmul(&joint)?,
            None => own,
        });
    }
    let joint = joint.ok_or_else(|| Error::argument(op, "there are no layers")).here()?;
    joint.expect_finite(op, "the product")?;
    Ok(joint)
}
