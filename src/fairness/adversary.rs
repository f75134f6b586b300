//! A second model that tries to tell the group from what the first one says.

use super::Groups;
use super::constraint::like;
use crate::error::{Error, Here, Result};
use crate::layers::{Layer, Mode, ModuleExt};
use crate::losses::{bce_with_logits, cross_entropy};
use crate::optimizers::Optimizer;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Trains a model against a second one, which tries to tell the group from the model's output: where it cannot, the output holds nothing about
/// the group (Zhang, Lemoine and Mitchell, *Mitigating unwanted biases with adversarial learning*, 2018; Fairlearn's
/// `AdversarialFairnessClassifier`). Every gradient of the model loses its part along that of the adversary, and goes `strength` times
/// against it.
///
/// ```
/// use demotic::fairness::{Adversary, Groups};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let groups = Groups::named((0..64).map(|i| if i % 2 == 0 { "f" } else { "m" }))?;
/// let x = Tensor::normal([64, 3], 0.0, 1.0, &mut rng)?;
/// let y = x.narrow(1, 0, 1)?.gt_scalar(0.0).to_dtype(DType::I64).reshape([64])?;
/// let mut model = Linear::new(3, 1, &mut rng)?;
/// let mut adversary = Adversary::new(Linear::new(1, 2, &mut rng)?, Adam::new(0.01), 1.0)?;
/// let mut opt = Adam::new(0.01);
/// for _epoch in 0..10 {
///     let [loss, fooled] = adversary.step(&mut model, &mut opt, &x, &y, &groups, &mut rng)?;
///     assert!(loss.is_finite() && fooled.is_finite());
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct Adversary {
    model: Box<dyn Layer>,
    optimizer: Box<dyn Optimizer>,
    strength: f64,
    odds: bool,
}

impl std::fmt::Debug for Adversary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Adversary(strength {}, equalized odds {})", self.strength, self.odds)
    }
}

const OP: &str = "Adversary";

impl Adversary {
    /// An adversary that takes the model's logit, `[n, 1]`, and gives a logit for each group, with its own optimizer.
    ///
    /// # Errors
    /// If the strength is negative or not finite.
    #[track_caller]
    pub fn new(model: impl Layer, optimizer: impl Optimizer + 'static, strength: f64) -> Result<Self> {
        if !(strength >= 0.0 && strength.is_finite()) {
            return Err(Error::argument(
                OP,
                format!("the strength is {strength}, expected a number that is not negative"),
            ));
        }
        Ok(Self { model: Box::new(model), optimizer: Box::new(optimizer), strength, odds: false })
    }

    /// The adversary also sees the target, as a second input: what is left to tell apart is what equalized odds forbid.
    #[must_use]
    pub fn equalized_odds(mut self) -> Self {
        self.odds = true;
        self
    }

    /// One step of both on a batch, of which `groups` are the groups. Returns the losses: that of the model, and the adversary's, which is
    /// high where it is fooled.
    ///
    /// # Errors
    /// Those of both models, and if targets are not 0 or 1, or shapes do not fit.
    #[track_caller]
    pub fn step(
        &mut self,
        model: &mut dyn Layer,
        optimizer: &mut dyn Optimizer,
        x: &Tensor,
        y: &Tensor,
        groups: &Groups,
        rng: &mut Rng,
    ) -> Result<[f64; 2]> {
        groups.expect(OP, y)?;
        let codes = groups.codes().iter().map(|code| *code as i64).collect::<Vec<_>>();
        let codes = Tensor::from_vec(codes, [groups.len()])?;
        let logits = model.forward(x, &mut Mode::train(rng))?;
        if logits.shape() != [groups.len(), 1] {
            let (n, shape) = (groups.len(), logits.shape());
            return Err(Error::shape(OP, format!("the model gives {shape:?} for {n} rows, expected [{n}, 1]")));
        }
        let target = like(y, &logits)?;
        let own = bce_with_logits(&logits, &target)?;
        let seen = if self.odds { Tensor::cat(&[&logits, &target], 1)? } else { logits.clone() };
        let told = cross_entropy(&self.model.forward(&seen, &mut Mode::train(rng))?, &codes)?;
        let losses = [own.item()?, told.item()?];
        if losses.iter().any(|loss| !loss.is_finite()) {
            let message = format!("the loss of the model is {}, that of the adversary {}", losses[0], losses[1]);
            return Err(Error::numeric(OP, message).with_help("standardize the inputs, or lower the learning rates"));
        }
        let against = told.backward_retain()?;
        let mut gradients = own.backward()?;
        let mut changed = Vec::new();
        for (_, parameter) in &model.named_parameters() {
            let (Some(g), Some(a)) = (gradients.get(parameter), against.get(parameter)) else { continue };
            let length = a.square().sum().item()?.sqrt() + f64::from(f32::MIN_POSITIVE);
            let unit = a.div_scalar(length);
            let along = g.mul(&unit)?.sum().item()?;
            changed.push((parameter.clone(), g.sub(&unit.mul_scalar(along))?.sub(&a.mul_scalar(self.strength))?));
        }
        for (leaf, gradient) in changed {
            gradients.set(&leaf, gradient)?;
        }
        self.optimizer.step(self.model.as_module_mut(), &against)?;
        optimizer.step(model.as_module_mut(), &gradients).here()?;
        Ok(losses)
    }
}
