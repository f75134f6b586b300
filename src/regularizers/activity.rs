//! Terms of the loss that grow with what layers give.

use crate::error::{Error, Here, Result};
use crate::layers::{Hooks, Place};
use crate::optimizers::options::not_negative;
use crate::tensor::Tensor;

use super::penalty::ElasticNet;

/// A penalty on the outputs of layers, `(l1 · Σ |a| + l2 · Σ a²) / n` for a batch of `n` examples, as Keras has it: few units are active
/// at a time, or none very much.
///
/// It listens to a pass as [`Hooks`], and [`take`](Self::take) gives the term for what it has heard.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::regularizers::ActivityPenalty;
///
/// let mut rng = Rng::seed(0);
/// let mut model = sequential![Linear::new(4, 32, &mut rng)?, Relu, Linear::new(32, 4, &mut rng)?];
/// let mut opt = Adam::new(0.01);
/// let x = Tensor::normal([64, 4], 0.0, 1.0, &mut rng)?;
/// let mut sparse = ActivityPenalty::new(0.01, 0.0).on("1");
/// for _step in 0..50 {
///     let y = model.forward(&x, &mut Mode::train(&mut rng).with_hooks(&mut sparse))?;
///     let loss = (losses::mse(&y, &x)? + sparse.take()?)?;
///     opt.step(&mut model, &loss.backward()?)?;
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
#[doc(alias = "ActivityRegularization")]
#[derive(Debug, Clone)]
pub struct ActivityPenalty {
    penalty: ElasticNet,
    strengths: [f64; 2],
    patterns: Vec<String>,
    /// What was heard since the last term.
    outputs: Vec<Tensor>,
}

impl ActivityPenalty {
    /// The penalty on the outputs of all layers that are called by their names. Both strengths are at least 0.
    #[must_use]
    pub fn new(l1: f64, l2: f64) -> Self {
        Self { penalty: ElasticNet::new(l1, l2), strengths: [l1, l2], patterns: Vec::new(), outputs: Vec::new() }
    }

    /// Only of layers whose path matches `pattern`, in which `*` stands for any text: `*.relu`. Several patterns add up.
    #[must_use]
    pub fn on(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// The term for the outputs of all passes since it was last called, which are forgotten.
    ///
    /// # Errors
    /// If a strength makes no sense, or nothing was heard.
    #[track_caller]
    pub fn take(&mut self) -> Result<Tensor> {
        let op = "ActivityPenalty";
        for strength in self.strengths {
            not_negative(op, "the strength", strength)?;
        }
        let outputs = std::mem::take(&mut self.outputs);
        let mut total: Option<Tensor> = None;
        for output in &outputs {
            let examples = output.shape().first().copied().unwrap_or(1).max(1);
            let term = self.penalty.of(&[output])?.div_scalar(examples as f64);
            total = Some(match total {
                Some(total) => total.add(&term)?,
                None => term,
            });
        }
        total
            .ok_or_else(|| {
                let message = match &*self.patterns {
                    [] => "no layer was heard".to_string(),
                    patterns => format!("no layer was heard that matches `{}`", patterns.join("` or `")),
                };
                Error::state(op, message)
                    .with_help("run the model with `Mode::train(&mut rng).with_hooks(&mut penalty)` first")
            })
            .here()
    }
}

impl Hooks for ActivityPenalty {
    fn output(&mut self, at: &Place<'_>, output: &Tensor) -> Result<Option<Tensor>> {
        if output.dtype().is_float() && (self.patterns.is_empty() || self.patterns.iter().any(|p| at.matches(p))) {
            self.outputs.push(output.clone());
        }
        Ok(None)
    }
}
