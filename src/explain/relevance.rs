//! Relevance, handed back layer by layer.

use super::chain::{Chain, Link, Role, pulled};
use super::deep_lift::start;
use super::subject::{Attribution, Explained, found, times};
use crate::error::{Error, Result};
use crate::layers::{Conv1d, Conv2d, Conv3d, Layer, Linear, Mode, Place, Weight};
use crate::tensor::Tensor;

/// How a layer hands back relevance.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum RelevanceRule {
    /// In proportion to what each input adds, with so much added to the magnitude of the sum. A larger number takes up weak and
    /// contradicting relevance.
    Epsilon(f64),
    /// Positive weights count so many times more.
    Gamma(f64),
    /// Positive weights alone (z⁺, α1β0). The bias stays.
    ZPlus,
}

/// Layer-wise relevance propagation (Bach et al., *On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
/// propagation*, 2015): the output is the relevance, and each layer hands it back to its inputs in proportion to what they add.
///
/// The model is a chain of dense layers, convolutions, pooling, activations of single elements and batch norms; another layer is refused
/// by its name. Activations hand relevance on as it is; pooling and norms follow the ε rule. The values are those of Captum's `LRP`.
///
/// What the inputs get adds up to the output if there are no biases, which keep relevance for themselves: [`Attribution::gaps`] is what
/// they keep.
///
/// ```
/// use demotic::explain::{Explained, Relevance, RelevanceRule, Target};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(4, 8, &mut rng)?, Relu, Linear::new(8, 3, &mut rng)?];
/// let x = Tensor::normal([2, 4], 0.0, 1.0, &mut rng)?;
/// let of = Explained::layer(&model).target(Target::Predicted);
/// let found = Relevance::new(RelevanceRule::Epsilon(1e-6)).rule_of("0", RelevanceRule::Gamma(0.25)).attribute(&of, &x)?;
/// assert_eq!(found.values.shape(), [2, 4]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "LRP")]
pub struct Relevance {
    rule: RelevanceRule,
    rules: Vec<(String, RelevanceRule)>,
}

impl Default for Relevance {
    /// The ε rule with 10⁻⁹.
    fn default() -> Self {
        Self::new(RelevanceRule::Epsilon(1e-9))
    }
}

impl Relevance {
    /// One rule for all layers.
    #[must_use]
    pub fn new(rule: RelevanceRule) -> Self {
        Self { rule, rules: Vec::new() }
    }

    /// Another rule for the layers whose path matches a pattern, in which `*` stands for any text; of several the last one.
    #[must_use]
    pub fn rule_of(mut self, pattern: impl Into<String>, rule: RelevanceRule) -> Self {
        self.rules.push((pattern.into(), rule));
        self
    }

    /// The relevance of each element, with a base of 0.
    ///
    /// # Errors
    /// As for [`gradient`](super::gradient), and if the model is no such chain or a rule has a negative number.
    #[track_caller]
    pub fn attribute(&self, of: &Explained<'_>, x: &Tensor) -> Result<Attribution> {
        let op = "Relevance";
        for rule in self.rules.iter().map(|(_, rule)| rule).chain([&self.rule]) {
            if let RelevanceRule::Epsilon(number) | RelevanceRule::Gamma(number) = rule
                && !(*number >= 0.0 && number.is_finite())
            {
                return Err(Error::argument(op, format!("the rule {rule:?}, expected a number from 0 on")));
            }
        }
        let scorer = of.scorer(op, x)?;
        let chain = Chain::of(op, of, x)?;
        let who: Vec<usize> = (0..scorer.examples).collect();
        let outputs = scorer.values(x, &who)?;
        let all = chain.run(x)?;
        let Some(y) = all.last() else { return Err(crate::error::bug!(op, "no output")) };
        let mut relevance = times(&start(&scorer, y, &who)?, y)?;
        for (link, x) in chain.0.iter().zip(&all).rev() {
            relevance = match link.role {
                Role::Activation => relevance,
                Role::Same => pulled(&*link.layer, x, &relevance)?,
                Role::Dense | Role::Affine | Role::Largest => self.handed(link, x, &relevance)?,
            };
        }
        Ok(Attribution { values: found(op, relevance)?, base: vec![0.0; outputs.len()], outputs })
    }

    fn rule_for(&self, link: &Link) -> RelevanceRule {
        let place = Place { path: &link.path, kind: link.layer.kind() };
        let own = self.rules.iter().rev().find(|(pattern, _)| place.matches(pattern));
        own.map_or(self.rule, |(_, rule)| *rule)
    }

    #[track_caller]
    fn handed(&self, link: &Link, x: &Tensor, relevance: &Tensor) -> Result<Tensor> {
        let rule = self.rule_for(link);
        let changed;
        let layer: &dyn Layer = match link.role {
            Role::Dense => {
                changed = with_weights(&*link.layer, rule)?;
                &*changed
            }
            _ => &*link.layer,
        };
        let y = {
            let _unrecorded = crate::autograd::pause_recording();
            layer.forward(x, &mut Mode::eval())?
        };
        let least = if let RelevanceRule::Epsilon(epsilon) = rule { epsilon } else { 1e-9 };
        let moved = y.ge_scalar(0.0).where_(&y.add_scalar(least), &y.add_scalar(-least))?;
        // Where nothing comes in and nothing is added, there is nothing to divide.
        let shares = moved.eq_scalar(0.0).where_(&moved.zeros_like(), &relevance.div(&moved)?)?;
        times(&pulled(layer, x, &shares)?, x)
    }
}

/// The layer with the weights that a rule wants.
#[track_caller]
fn with_weights(layer: &dyn Layer, rule: RelevanceRule) -> Result<Box<dyn Layer>> {
    let mut layer = layer.clone_layer();
    let change = |weight: &mut Weight| {
        let value = weight.value()?.detach();
        match rule {
            RelevanceRule::Epsilon(_) => Ok(()),
            RelevanceRule::Gamma(gamma) => weight.set(&value.add(&value.clamp_min(0.0).mul_scalar(gamma))?),
            RelevanceRule::ZPlus => weight.set(&value.clamp_min(0.0)),
        }
    };
    macro_rules! of {
        ($($Layer:ty),*) => {$(
            if let Some(layer) = layer.downcast_mut::<$Layer>() {
                change(&mut layer.weight)?;
            }
        )*};
    }
    of!(Linear, Conv1d, Conv2d, Conv3d);
    Ok(layer)
}
