//! Differences from a baseline, followed back through the layers.

use super::chain::{Chain, Role, pulled};
use super::integrated::check_background;
use super::subject::{Attribution, Explained, Scorer, baseline_of, found, rows, times};
use crate::autograd::{self, GradOptions, grad};
use crate::error::Result;
use crate::tensor::Tensor;

/// Below such a difference of a unit's inputs its slope takes the place of the ratio.
const SMALL: f64 = 1e-10;

/// DeepLIFT with the rescale rule (Shrikumar et al., *Learning important features through propagating activation differences*, 2017): each
/// unit hands on what it differs from its value at the baseline, in proportion. So what saturated units hide from gradients is seen, and
/// what the elements get adds up to the difference of the outputs.
///
/// The model is a chain of dense layers, convolutions, pooling, activations of single elements and batch norms; another layer is refused
/// by its name. The values are those of Captum's `DeepLift`.
///
/// ```
/// use demotic::explain::{Explained, deep_lift};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(3, 8, &mut rng)?, Relu, Linear::new(8, 1, &mut rng)?];
/// let x = Tensor::normal([2, 3], 0.0, 1.0, &mut rng)?;
/// let found = deep_lift(&Explained::layer(&model), &x, None)?;
/// assert!(found.gaps().iter().all(|gap| gap.abs() < 1e-5));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// As for [`gradient`](super::gradient), and if the model is no such chain or the baseline (zeros, if there is none) has another shape.
#[track_caller]
pub fn deep_lift(of: &Explained<'_>, x: &Tensor, baseline: Option<&Tensor>) -> Result<Attribution> {
    let op = "deep_lift";
    let scorer = of.scorer(op, x)?;
    let base = baseline_of(op, x, baseline)?;
    let chain = Chain::of(op, of, x)?;
    let who: Vec<usize> = (0..scorer.examples).collect();
    let (outputs, base_outputs) = (scorer.values(x, &who)?, scorer.values(&base, &who)?);
    let values = differences(&scorer, &chain, &x.detach(), &base, &who)?;
    Ok(Attribution { values: found(op, values)?, outputs, base: base_outputs })
}

/// Deep SHAP (Lundberg and Lee, *A unified approach to interpreting model predictions*, 2017): [`deep_lift`] from each example of a
/// background, on average. What the elements get adds up to the output less the mean output of the background, and comes close to
/// Shapley values.
///
/// ```
/// use demotic::explain::{Explained, deep_shap};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(3, 8, &mut rng)?, Tanh, Linear::new(8, 1, &mut rng)?];
/// let background = Tensor::normal([20, 3], 0.0, 1.0, &mut rng)?;
/// let found = deep_shap(&Explained::layer(&model), &tensor![[1.0, 0.0, -1.0]], &background)?;
/// assert!(found.gaps()[0].abs() < 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// As for [`deep_lift`], and if the background is no `[m, ..]` of examples like the inputs.
#[track_caller]
pub fn deep_shap(of: &Explained<'_>, x: &Tensor, background: &Tensor) -> Result<Attribution> {
    let op = "deep_shap";
    let scorer = of.scorer(op, x)?;
    check_background(op, x, background)?;
    let chain = Chain::of(op, of, x)?;
    let (n, m) = (scorer.examples, background.shape()[0]);
    let mut parts = Vec::with_capacity(n);
    for i in 0..n {
        let mut sum: Option<Tensor> = None;
        let limit = scorer.limit(x);
        for start in (0..m).step_by(limit) {
            let base = background.detach().narrow(0, start, limit.min(m - start))?;
            let who = vec![i; base.shape()[0]];
            let part = differences(&scorer, &chain, &rows(&x.detach(), &who)?, &base, &who)?.sum_dims(&[0], true)?;
            sum = Some(match sum {
                Some(sum) => sum.add(&part)?,
                None => part,
            });
        }
        parts.extend(sum.map(|sum| sum.div_scalar(m as f64)));
    }
    let values = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)?;
    let outputs = scorer.values(x, &(0..n).collect::<Vec<_>>())?;
    let base = super::integrated::mean_of_background(&scorer, background)?;
    Ok(Attribution { values: found(op, values)?, outputs, base })
}

/// What each element of `x` adds, for rows of which `who` says whose they are.
#[track_caller]
fn differences(scorer: &Scorer<'_>, chain: &Chain, x: &Tensor, base: &Tensor, who: &[usize]) -> Result<Tensor> {
    let (own, other) = (chain.run(x)?, chain.run(base)?);
    let [Some(y), Some(_)] = [own.last(), other.last()] else { return Err(crate::error::bug!(scorer.op, "no output")) };
    let mut by = start(scorer, y, who)?;
    for (i, link) in chain.0.iter().enumerate().rev() {
        let layer = &*link.layer;
        by = match link.role {
            Role::Dense | Role::Affine | Role::Same => pulled(layer, &own[i], &by)?,
            Role::Activation | Role::Largest => {
                let difference = own[i].sub(&other[i])?;
                let small = difference.abs().lt_scalar(SMALL);
                let handed = match link.role {
                    Role::Activation => by.mul(&own[i + 1].sub(&other[i + 1])?)?,
                    // What is larger than at the baseline goes to the largest element of the input, what is smaller to that of the baseline.
                    _ => {
                        let most = own[i + 1].maximum(&other[i + 1])?;
                        let up = pulled(layer, &own[i], &by.mul(&most.sub(&other[i + 1])?)?)?;
                        up.add(&pulled(layer, &other[i], &by.mul(&own[i + 1].sub(&most)?)?)?)?
                    }
                };
                let ratio = handed.div(&small.where_(&difference.ones_like(), &difference)?)?;
                small.where_(&pulled(layer, &own[i], &by)?, &ratio)?
            }
        };
    }
    times(&by, &x.sub(base)?)
}

/// The gradient of the target by the model's outputs.
#[track_caller]
pub(super) fn start(scorer: &Scorer<'_>, y: &Tensor, who: &[usize]) -> Result<Tensor> {
    let y = y.tracked()?;
    let score = autograd::with_recording(true, || scorer.pick(&y, who))?.sum();
    grad(&[&score], &[&y], GradOptions::default())?.pop().ok_or_else(|| crate::error::bug!(scorer.op, "no gradient"))
}
