//! Ends of runs in which a number has become none.

use super::{Callback, Context};
use crate::autograd::Gradients;
use crate::error::{Error, Result};
use crate::layers::{Hooks, Module, ModuleExt, Place};
use crate::tensor::Tensor;
use crate::tensor::exec::reduce::is_finite;
use crate::train::history::StepReport;

/// Ends a run with an error as soon as a gradient, the loss or a parameter is NaN or infinite, and says which was the first.
///
/// Of gradients this is the one nearest to the loss, where the pass back went wrong: from there on it spoils all others. Which layer's output was
/// the first is said by [`Trainer`](crate::train::Trainer) itself when the loss is no number: it sends the batch through the model once more.
/// In a loop of your own, [`FiniteOutputs`] does that.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::NanGuard;
///
/// let mut rng = Rng::seed(0);
/// let data = TensorDataset::new(Tensor::zeros([8, 2])?, Tensor::zeros([8, 1])?)?;
/// // The root of 0 has no slope.
/// let roots = |x: &Tensor| Ok(x.abs().sqrt());
/// let mut model = sequential![Linear::new(2, 3, &mut rng)?.without_bias(), Lambda::new(roots), Linear::new(3, 1, &mut rng)?];
/// let e = Trainer::new(losses::mse, Sgd::new(0.1))
///     .callback(NanGuard::new())
///     .fit(&mut model, &data, &mut rng)
///     .unwrap_err();
/// assert_eq!(e.message(), "NanGuard: the gradient of `0.weight` is NaN in step 1");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct NanGuard(());

/// What is called, in errors.
const OP: &str = "NanGuard";
const HELP: &str = "look at divisions, roots and logarithms near 0; a lower learning rate or clipped gradients help where numbers grow";

/// `NaN`, `inf` or `-inf`, if a value is one of these; NaN before the others.
pub(in crate::train) fn wrong_value(x: &Tensor) -> Option<f64> {
    if is_finite(x) {
        return None;
    }
    let values = x.to_f64_vec();
    let mut wrong = values.iter().copied().filter(|value| !value.is_finite());
    let first = wrong.next()?;
    Some(if first.is_nan() { first } else { wrong.find(|value| value.is_nan()).unwrap_or(first) })
}

/// The first parameter of a model that has a value that is no finite number, and that value.
pub(in crate::train) fn wrong_parameter(model: &dyn Module) -> Option<(String, f64)> {
    let wrong = |(path, value): (String, Tensor)| Some((path, wrong_value(&value)?));
    model.named_parameters().into_iter().find_map(wrong)
}

impl NanGuard {
    /// Looks at every step.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Callback for NanGuard {
    fn gradients(&mut self, run: &mut Context<'_>, gradients: &mut Gradients) -> Result<()> {
        if gradients.iter().all(is_finite) {
            return Ok(());
        }
        let wrong: Vec<(String, f64)> = gradients
            .named(run.model())
            .into_iter()
            .filter_map(|(path, grad)| Some((path, wrong_value(grad)?)))
            .collect();
        let step = run.steps().saturating_add(1);
        let Some(((path, value), others)) = wrong.split_last() else { return Ok(()) };
        let others = match others {
            [] => String::new(),
            [(other, _)] => format!(", and so is that of `{other}`, which comes before it"),
            [.., _] => format!(", and so are those of {} parameters that come before it", others.len()),
        };
        let message = format!("the gradient of `{path}` is {value}{others} in step {step}");
        run.here(Err(Error::numeric(OP, message).with_help(HELP)))
    }

    fn step(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        let step = report.step;
        let message = if !report.loss.is_finite() {
            format!("the loss is {} in step {step}", report.loss)
        } else if let Some((path, value)) = wrong_parameter(run.model()) {
            format!("the parameter `{path}` became {value} in step {step}")
        } else {
            return Ok(());
        };
        run.here(Err(Error::numeric(OP, message).with_help(HELP)))
    }
}

/// Notes the first layer whose output has a value that is no number, for a loop of your own.
///
/// Outputs of −∞ are noted only if there are no others: they are what masks are made of.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::FiniteOutputs;
///
/// let mut rng = Rng::seed(0);
/// let log = Lambda::new(|x: &Tensor| Ok(x.log()));
/// let model = sequential![Linear::new(2, 4, &mut rng)?, log, Linear::new(4, 1, &mut rng)?];
/// let mut outputs = FiniteOutputs::new();
/// let y = model.forward(&Tensor::ones([3, 2])?, &mut Mode::eval().with_hooks(&mut outputs))?;
/// assert!(y.mean().item()?.is_nan());
/// assert_eq!(outputs.first().unwrap(), "the output of layer `1` (Lambda) is NaN");
/// assert_eq!(outputs.check().unwrap_err().message(), "NanGuard: the output of layer `1` (Lambda) is NaN");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct FiniteOutputs {
    first: Option<String>,
    /// The first output of −∞.
    masked: Option<String>,
}

impl FiniteOutputs {
    /// Nothing noted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first output that was wrong since it was made: its path, type and value.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.first.as_deref().or(self.masked.as_deref())
    }

    /// The same as an error.
    ///
    /// # Errors
    /// If there was one.
    #[track_caller]
    pub fn check(&self) -> Result<()> {
        match self.first() {
            Some(what) => Err(Error::numeric(OP, what).with_help(HELP)),
            None => Ok(()),
        }
    }
}

impl Hooks for FiniteOutputs {
    fn output(&mut self, at: &Place<'_>, output: &Tensor) -> Result<Option<Tensor>> {
        if self.first.is_none() && !is_finite(output) {
            let values = output.to_f64_vec();
            let wrong = |masks: bool| {
                let mut wrong = values.iter().filter(|v| !v.is_finite() && (**v == f64::NEG_INFINITY) == masks);
                wrong.next().map(|value| format!("the output of layer `{}` ({}) is {value}", at.path, at.kind))
            };
            self.first = wrong(false);
            if self.masked.is_none() {
                self.masked = wrong(true);
            }
        }
        Ok(None)
    }
}
