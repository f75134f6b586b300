//! Lagrange multipliers.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::optimizers::options::{not_negative, positive};
use crate::tensor::Tensor;

/// Minimises under constraints, by the method of multipliers (Hestenes, 1969; Powell, 1969; Rockafellar, 1973).
///
/// The problem is to minimise `f` subject to `g = 0` and `h ≤ 0`, where `g` and `h` are tensors of any shape: one constraint
/// for each element. With multipliers `λ` and `ν` and a penalty `μ`, the loss is
///
/// ```text
/// f + Σ (λ · g + μ/2 · g²) + Σ (max(0, ν + μ · h)² − ν²) / 2μ
/// ```
///
/// It is minimised by any optimizer, for some steps. Then [`update`](Self::update) improves the multipliers,
///
/// ```text
/// λ ← λ + μ · g          ν ← max(0, ν + μ · h)
/// ```
///
/// and so on until it reports convergence. Unlike a penalty alone, which would have to grow without bound, this meets the
/// constraints exactly with a moderate `μ`; and the multipliers say by how much `f` would fall if a constraint were
/// relaxed by a unit.
///
/// The point of a line `x + y = 1` that is closest to the origin:
///
/// ```
/// use demotic::layers::Param;
/// use demotic::optimizers::{Optimizer, Sgd};
/// use demotic::regularizers::AugmentedLagrangian;
/// use demotic::tensor;
///
/// let mut point = Param::new(tensor![3.0, -1.0])?;
/// let mut opt = Sgd::new(0.1);
/// let mut problem = AugmentedLagrangian::new();
/// for _round in 0..50 {
///     for _step in 0..50 {
///         let g = point.sum() - 1.0;
///         let loss = problem.loss(&point.square().sum(), &[&g], &[])?;
///         opt.step(&mut point, &loss.backward()?)?;
///     }
///     if problem.update(&[&(point.sum() - 1.0)], &[])? {
///         break;
///     }
/// }
/// let xy = point.to_vec::<f32>()?;
/// assert!((xy[0] - 0.5).abs() < 1e-3 && (xy[1] - 0.5).abs() < 1e-3);
/// assert!((problem.equality_multipliers()[0].item()? - -1.0).abs() < 1e-3);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// The whole value can be saved and restored with `serde`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AugmentedLagrangian {
    penalty: f64,
    growth: f64,
    max_penalty: f64,
    tolerance: f64,
    equalities: Vec<Tensor>,
    inequalities: Vec<Tensor>,
    violation: Option<f64>,
}

const OP: &str = "AugmentedLagrangian";

/// A round in which the violation does not fall to this part of what it was makes the penalty grow.
const SUFFICIENT: f64 = 0.25;

impl Default for AugmentedLagrangian {
    fn default() -> Self {
        Self::new()
    }
}

impl AugmentedLagrangian {
    /// Multipliers of zero and a penalty of 1.
    #[must_use]
    pub fn new() -> Self {
        let (equalities, inequalities) = (Vec::new(), Vec::new());
        Self { penalty: 1.0, growth: 2.0, max_penalty: 1e4, tolerance: 1e-4, equalities, inequalities, violation: None }
    }

    /// The penalty `μ` to begin with, above 0. Default 1. A large one needs fewer rounds, but makes the loss
    /// steeper: the learning rate has to be smaller.
    #[must_use]
    pub fn penalty(mut self, penalty: f64) -> Self {
        self.penalty = penalty;
        self
    }

    /// What the penalty is multiplied by after a round in which the violation did not fall to a quarter; at least 1.
    /// Default 2.
    #[must_use]
    pub fn growth(mut self, factor: f64) -> Self {
        self.growth = factor;
        self
    }

    /// The largest penalty. Default 10,000.
    #[must_use]
    pub fn max_penalty(mut self, penalty: f64) -> Self {
        self.max_penalty = penalty;
        self
    }

    /// The [`violation`](Self::violation) that counts as none. Default 1e-4.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The loss to minimise: the objective `f`, a single number, with its constraints `g = 0` and `h ≤ 0`.
    ///
    /// # Errors
    /// If an option makes no sense, the constraints are not those of the last [`update`](Self::update) in number, shape or
    /// type, or the objective is of another type or not a single number.
    #[track_caller]
    pub fn loss(&self, objective: &Tensor, equalities: &[&Tensor], inequalities: &[&Tensor]) -> Result<Tensor> {
        self.check(equalities, inequalities)?;
        if objective.numel() != 1 {
            let message = format!("the objective has shape {:?}, expected a single number", objective.shape());
            return Err(Error::shape(OP, message).with_help("reduce it first, for example with sum()"));
        }
        let mut loss = objective.clone();
        for (i, g) in equalities.iter().enumerate() {
            let square = g.square().sum().mul_scalar(self.penalty / 2.0);
            loss = loss.add(&square)?;
            if let Some(lambda) = self.equalities.get(i) {
                loss = loss.add(&lambda.mul(g)?.sum())?;
            }
        }
        for (i, h) in inequalities.iter().enumerate() {
            let mut force = h.mul_scalar(self.penalty);
            let mut rest = force.detach().zeros_like();
            if let Some(nu) = self.inequalities.get(i) {
                force = force.add(nu)?;
                rest = nu.square();
            }
            let term = force.relu().square().sub(&rest)?.sum().div_scalar(2.0 * self.penalty);
            loss = loss.add(&term)?;
        }
        Ok(loss)
    }

    /// Improves the multipliers, given the constraints at the point that the loss was minimised to, and returns whether they
    /// have converged: whether the [`violation`](Self::violation) is within the tolerance.
    ///
    /// The loss should be near its minimum, or convergence of the multipliers says nothing about the point.
    ///
    /// # Errors
    /// As for [`loss`](Self::loss); and if a constraint has a value that is not finite. Nothing is changed then.
    #[track_caller]
    pub fn update(&mut self, equalities: &[&Tensor], inequalities: &[&Tensor]) -> Result<bool> {
        self.check(equalities, inequalities)?;
        let (lambdas, moved) = self.improved(&self.equalities, equalities, false)?;
        let (nus, moved_too) = self.improved(&self.inequalities, inequalities, true)?;
        let violation = largest([moved, moved_too]) / self.penalty;
        if !violation.is_finite() {
            return Err(Error::numeric(OP, "a constraint has NaN or infinite values"));
        }
        (self.equalities, self.inequalities) = (lambdas, nus);
        if self.violation.is_some_and(|last| violation > SUFFICIENT * last) {
            self.penalty = (self.penalty * self.growth).min(self.max_penalty.max(self.penalty));
        }
        self.violation = Some(violation);
        Ok(self.is_converged())
    }

    /// How far the last [`update`](Self::update) found the constraints from being met: the largest of `|g|` and
    /// `|max(h, −ν/μ)|`. The latter is positive where `h > 0`, and also where a constraint is met with room to spare while
    /// its multiplier is still above zero. `None` before the first update.
    #[must_use]
    pub fn violation(&self) -> Option<f64> {
        self.violation
    }

    /// Whether the violation is within the tolerance.
    #[must_use]
    pub fn is_converged(&self) -> bool {
        self.violation.is_some_and(|violation| violation <= self.tolerance)
    }

    /// The present penalty `μ`.
    #[must_use]
    pub fn present_penalty(&self) -> f64 {
        self.penalty
    }

    /// The multipliers `λ`, in the order and shape of the equalities. Empty before the first update.
    #[must_use]
    pub fn equality_multipliers(&self) -> &[Tensor] {
        &self.equalities
    }

    /// The multipliers `ν ≥ 0`, in the order and shape of the inequalities. Empty before the first update.
    #[must_use]
    pub fn inequality_multipliers(&self) -> &[Tensor] {
        &self.inequalities
    }

    /// Better multipliers, and the largest change among them.
    #[track_caller]
    fn improved(&self, old: &[Tensor], constraints: &[&Tensor], one_sided: bool) -> Result<(Vec<Tensor>, f64)> {
        let (mut all, mut moved) = (Vec::with_capacity(constraints.len()), 0.0);
        for (i, constraint) in constraints.iter().enumerate() {
            let step = constraint.detach().mul_scalar(self.penalty);
            let old = old.get(i).cloned().unwrap_or_else(|| step.zeros_like());
            let new = old.add(&step)?;
            let new = if one_sided { new.relu() } else { new };
            let changes = new.sub(&old)?.to_f64_vec();
            moved = largest(changes.into_iter().map(f64::abs).chain([moved]));
            all.push(new);
        }
        Ok((all, moved))
    }

    #[track_caller]
    fn check(&self, equalities: &[&Tensor], inequalities: &[&Tensor]) -> Result<()> {
        positive(OP, "the penalty", self.penalty)?;
        positive(OP, "max_penalty", self.max_penalty)?;
        not_negative(OP, "tolerance", self.tolerance)?;
        if !(self.growth >= 1.0 && self.growth.is_finite()) {
            return Err(Error::argument(
                OP,
                format!("growth is {}, expected a finite number of at least 1", self.growth),
            ));
        }
        if self.violation.is_none() {
            return Ok(());
        }
        for (kind, now, before) in
            [("equality", equalities, &self.equalities), ("inequality", inequalities, &self.inequalities)]
        {
            if now.len() != before.len() {
                let message = format!("{} {kind} constraints, {} at the last update", now.len(), before.len());
                return Err(Error::argument(OP, message));
            }
            for (i, (now, before)) in now.iter().zip(before).enumerate() {
                if now.shape() != before.shape() || now.dtype() != before.dtype() {
                    let (was, is) = (describe(before), describe(now));
                    return Err(Error::shape(OP, format!("{kind} constraint {i} is {is}, and was {was}")));
                }
            }
        }
        Ok(())
    }
}

/// The largest number, or NaN if there is one.
fn largest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    numbers.into_iter().fold(0.0, |a, b| if b <= a || a.is_nan() { a } else { b })
}

fn describe(x: &Tensor) -> String {
    format!("{:?} of {}", x.shape(), x.dtype())
}
