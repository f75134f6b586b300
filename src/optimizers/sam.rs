//! Sharpness-aware minimisation.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::clip::Norm;
use super::closure::{ClosureOptimizer, Objective, Values, not_finite};
use super::options::positive;
use super::wrapped::{unwrapped, wrapped_name};
use super::{Optimizer, OptimizerState};
use crate::autograd::pause_recording;
use crate::config::configurable;
use crate::error::Result;
use crate::tensor::exec::reduce::is_finite;

const NAME: &str = "Sam";

/// Sharpness-aware minimisation (Foret et al., 2021) around any optimizer: it looks for flat valleys, in which a model
/// generalises better.
///
/// Each step computes the gradient twice: where the model is, and a little uphill, `rho · g / ‖g‖` away. The optimizer inside
/// then steps with the second gradient, from where the model was.
///
/// ```
/// use demotic::optimizers::{ClosureOptimizer, Sam};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut model = Linear::new(3, 1, &mut rng)?;
/// let (x, y) = (Tensor::normal([8, 3], 0.0, 1.0, &mut rng)?, Tensor::zeros([8, 1])?);
/// let mut opt = Sam::new(Sgd::new(0.1).momentum(0.9), 0.05);
/// let loss = |model: &Linear| losses::mse(&model.forward(&x, &mut Mode::eval())?, &y);
/// let first = opt.step_with(&mut model, loss)?;
/// for _ in 0..20 {
///     opt.step_with(&mut model, loss)?;
/// }
/// assert!(loss(&model)?.item()? < 0.5 * first);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "SAM")]
pub struct Sam<O> {
    inner: O,
    rho: f64,
    adaptive: bool,
    allow_unused: bool,
}

configurable!(
    [O: Optimizer + Serialize + DeserializeOwned] Sam<O> { inner, rho, adaptive, allow_unused }
        = |fields| Self::new(fields.get("inner")?, 0.05), check
);

impl<O: Optimizer> Sam<O> {
    /// Around an optimizer, with the distance at which the second gradient is computed, above 0; 0.05 is the usual one.
    #[must_use]
    pub fn new(inner: O, rho: f64) -> Self {
        Self { inner, rho, adaptive: false, allow_unused: false }
    }

    /// Whether the distance is measured in multiples of each parameter's own size (ASAM, Kwon et al., 2021), so that it does
    /// not depend on the scale of a layer: `rho · w² g / ‖|w| g‖`. Distances are larger then; 2 is the usual one. Default false.
    #[must_use]
    pub fn adaptive(mut self, adaptive: bool) -> Self {
        self.adaptive = adaptive;
        self
    }

    /// Passes over trainable parameters that the loss does not depend on, which are an error otherwise. The optimizer inside
    /// has an option of its own for that.
    #[must_use]
    pub fn allow_unused(mut self) -> Self {
        self.allow_unused = true;
        self
    }

    /// The optimizer inside.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        positive(NAME, "rho", self.rho)
    }

    /// Moves the model uphill along its gradient.
    #[track_caller]
    fn climb(
        &self,
        from: &Values,
        loss: f64,
        objective: &mut dyn Objective,
        grads: &crate::autograd::Gradients,
    ) -> Result<()> {
        let _unrecorded = pause_recording();
        let grads = from.gradients(NAME, grads, self.allow_unused)?;
        let mut total = Norm::new(2.0);
        for ((_, value), grad) in from.iter().zip(&grads) {
            match self.adaptive {
                true => total.add(&grad.mul(&value.detach().to_dtype(grad.dtype()).abs())?),
                false => total.add(grad),
            }
        }
        if !loss.is_finite() || grads.iter().any(|grad| !is_finite(grad)) {
            return Err(not_finite(NAME, loss));
        }
        let scale = self.rho / (total.value() + 1e-12);
        from.replace(objective.model(), &mut |i, value| {
            let wide = value.to_dtype(grads[i].dtype());
            let by = if self.adaptive { wide.square().mul(&grads[i])? } else { grads[i].clone() };
            Ok(wide.add_alpha(&by, scale)?.to_dtype(value.dtype()))
        })
    }
}

impl<O: Optimizer> ClosureOptimizer for Sam<O> {
    #[track_caller]
    fn step_on(&mut self, objective: &mut dyn Objective) -> Result<f64> {
        self.check()?;
        let (loss, grads) = objective.gradients()?;
        let before = Values::of(objective.model());
        let uphill = match self.climb(&before, loss, objective, &grads) {
            Ok(()) => objective.gradients(),
            Err(e) => Err(e),
        };
        before.put_back(objective.model());
        // The step would copy what someone else can see.
        drop(before);
        let (_, grads) = uphill?;
        self.inner.step(objective.model(), &grads)?;
        Ok(loss)
    }

    fn learning_rate(&self) -> f64 {
        self.inner.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.inner.set_learning_rate(learning_rate);
    }

    fn state(&self) -> OptimizerState {
        let mut state = self.inner.state();
        state.optimizer = wrapped_name(NAME, &state.optimizer);
        state
    }

    #[track_caller]
    fn load_state(&mut self, mut state: OptimizerState) -> Result<()> {
        state.optimizer = unwrapped(NAME, &state.optimizer)?;
        self.inner.load_state(state)
    }
}
