//! Parity as conditions that training has to meet.

use super::Groups;
use crate::error::{Error, Here, Result};
use crate::layers::{Layer, Mode};
use crate::losses::bce_with_logits;
use crate::optimizers::Optimizer;
use crate::regularizers::AugmentedLagrangian;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// What shall be the same in all groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parity {
    /// How many are chosen.
    Demographic,
    /// How many of the actually positive are chosen.
    EqualOpportunity,
    /// How many of the actually negative are chosen.
    FalsePositive,
    /// Both of these.
    EqualizedOdds,
}

impl Parity {
    /// Whether rows of an outcome count, and for which of the conditions.
    fn event(self, positive: bool) -> Option<usize> {
        match self {
            Self::Demographic => Some(0),
            Self::EqualOpportunity => positive.then_some(0),
            Self::FalsePositive => (!positive).then_some(0),
            Self::EqualizedOdds => Some(usize::from(positive)),
        }
    }
}

/// The rows of one event (all, or those of one outcome) and one group.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    /// The cell of each row; behind the last one, rows that do not count.
    pub(super) of: Vec<usize>,
    pub(super) events: Vec<usize>,
    pub(super) sizes: Vec<f64>,
}

impl Cells {
    #[track_caller]
    pub(super) fn new(op: &'static str, parity: Parity, actual: &[bool], groups: &Groups) -> Result<Self> {
        let all = groups.names().len();
        let key = |row: usize| Some(parity.event(actual[row])? * all + groups.codes()[row]);
        let mut sizes = vec![0.0; 2 * all];
        (0..actual.len()).filter_map(key).for_each(|cell| sizes[cell] += 1.0);
        let kept: Vec<usize> = (0..2 * all).filter(|cell| sizes[*cell] > 0.0).collect();
        if kept.len() < 2 {
            let message = format!("{} of {all} groups with rows that count, expected two at least", kept.len());
            return Err(Error::argument(op, message));
        }
        let place = |row: usize| key(row).and_then(|cell| kept.binary_search(&cell).ok()).unwrap_or(kept.len());
        Ok(Self {
            of: (0..actual.len()).map(place).collect(),
            events: kept.iter().map(|cell| cell / all).collect(),
            sizes: kept.iter().map(|cell| sizes[*cell]).collect(),
        })
    }

    /// The number of rows of the event that a cell belongs to.
    pub(super) fn event_size(&self, cell: usize) -> f64 {
        let same = self.events.iter().zip(&self.sizes).filter(|(event, _)| **event == self.events[cell]);
        same.map(|(_, size)| size).sum()
    }

    /// What is multiplied by the sum of a cell to get its part in the deviation of another one: that is the mean of the cell minus
    /// the mean of its event.
    pub(super) fn factor(&self, deviation: usize, cell: usize) -> f64 {
        let own = if deviation == cell { 1.0 / self.sizes[cell] } else { 0.0 };
        let event = if self.events[deviation] == self.events[cell] { 1.0 / self.event_size(cell) } else { 0.0 };
        own - event
    }
}

/// Conditions that a model's probabilities meet a [`Parity`] up to a slack: in each group, their mean lies within `slack` of the mean of
/// all. They are inequalities for the [`AugmentedLagrangian`], which says by its multipliers what each of them costs.
///
/// ```
/// use demotic::fairness::{Fairness, Groups, Parity, ParityConstraint};
/// use demotic::prelude::*;
///
/// let groups = Groups::named((0..200).map(|i| if i % 2 == 0 { "f" } else { "m" }))?;
/// let mut rng = Rng::seed(0);
/// let skill: Vec<f64> = (0..200).map(|_| rng.normal()).collect();
/// let y: Vec<i64> = (0..200).map(|i| i64::from(skill[i] + (i % 2) as f64 > 0.5)).collect();
/// let x: Vec<f64> = (0..200).flat_map(|i| [skill[i], (i % 2) as f64]).collect();
/// let (x, y) = (Tensor::from_vec(x, [200, 2])?.to_dtype(DType::F32), Tensor::from_vec(y, [200])?);
///
/// let fair = ParityConstraint::new(Parity::Demographic, 0.01, &y, &groups)?;
/// let mut model = Linear::new(2, 1, &mut rng)?;
/// fair.train(&mut model, &x, &y, &mut Adam::new(0.05), 15, 40, &mut rng)?;
/// let p = model.predict(&x)?.sigmoid().reshape([200])?;
/// assert!(fair.violation(&p)? < 0.01);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Probabilities are held equal, not decisions: these have a threshold in them, which has no gradient. Measure with
/// [`Fairness`](super::Fairness) what became of them.
#[derive(Debug, Clone)]
pub struct ParityConstraint {
    cells: Tensor,
    factors: Tensor,
    slack: f64,
}

const OP: &str = "ParityConstraint";

impl ParityConstraint {
    /// For these rows, which have to stand in the same order in what is trained on. `slack` is how far the mean of a group may lie from
    /// that of all.
    ///
    /// # Errors
    /// If the target is not 0 or 1 for each row, fewer than two groups have rows that count, or the slack is negative or not finite.
    #[track_caller]
    pub fn new(parity: Parity, slack: f64, target: &Tensor, groups: &Groups) -> Result<Self> {
        if !(slack >= 0.0 && slack.is_finite()) {
            return Err(Error::argument(OP, format!("the slack is {slack}, expected a number that is not negative")));
        }
        let cells = Cells::new(OP, parity, &groups.expect(OP, target)?, groups)?;
        let n = cells.sizes.len();
        let mut factors = vec![0.0; n * (n + 1)];
        (0..n).for_each(|i| (0..n).for_each(|j| factors[i * (n + 1) + j] = cells.factor(i, j)));
        Ok(Self {
            cells: Tensor::from_vec(cells.of.iter().map(|cell| *cell as i64).collect::<Vec<_>>(), [cells.of.len()])?,
            factors: Tensor::from_vec(factors, [n, n + 1])?,
            slack,
        })
    }

    /// How far the mean of each group lies from that of all, for probabilities `[n]` or `[n, 1]` of all rows; recorded for gradients.
    ///
    /// # Errors
    /// If there are not as many probabilities as rows, or one is not finite.
    #[track_caller]
    pub fn deviations(&self, probabilities: &Tensor) -> Result<Tensor> {
        let n = self.cells.numel();
        if probabilities.numel() != n {
            let message = format!("probabilities of shape {:?} for {n} rows", probabilities.shape());
            return Err(Error::shape(OP, message)
                .with_help("all rows at once: a batch of them does not say what a group's mean is"));
        }
        probabilities.expect_finite(OP, "the probabilities")?;
        let p = probabilities.reshape([n])?;
        let factors = self.factors.to_dtype(p.dtype());
        let sums = Tensor::full_dtype([factors.shape()[1]], 0.0, p.dtype())?.index_add(0, &self.cells, &p)?;
        let deviations = factors.matmul(&sums)?;
        deviations.expect_finite(OP, "the deviations")?;
        Ok(deviations)
    }

    /// The conditions `h ≤ 0` for [`AugmentedLagrangian::loss`].
    ///
    /// # Errors
    /// As for [`deviations`](Self::deviations).
    #[track_caller]
    pub fn inequalities(&self, probabilities: &Tensor) -> Result<Tensor> {
        let d = self.deviations(probabilities)?;
        Ok(Tensor::cat(&[&d, &d.neg()], 0)?.add_scalar(-self.slack))
    }

    /// By how much the worst group misses its condition; 0 if all are met.
    ///
    /// # Errors
    /// As for [`deviations`](Self::deviations).
    #[track_caller]
    pub fn violation(&self, probabilities: &Tensor) -> Result<f64> {
        Ok(self.inequalities(probabilities)?.to_f64_vec().into_iter().fold(0.0, f64::max))
    }

    /// Trains a model with one logit as its output on all rows at once: `rounds` times `steps` steps of the optimizer on binary
    /// cross-entropy with the multipliers of this round, then better multipliers. Returns them with their last state.
    ///
    /// # Errors
    /// Those of the model and the optimizer, and if shapes do not fit.
    #[track_caller]
    #[expect(clippy::too_many_arguments, reason = "what a training consists of")]
    pub fn train(
        &self,
        model: &mut dyn Layer,
        x: &Tensor,
        y: &Tensor,
        optimizer: &mut dyn Optimizer,
        rounds: usize,
        steps: usize,
        rng: &mut Rng,
    ) -> Result<AugmentedLagrangian> {
        let n = self.cells.numel();
        // The conditions are of the size of a probability, and count beside a loss of about one only if they weigh more.
        let mut problem = AugmentedLagrangian::new().penalty(10.0);
        for _ in 0..rounds {
            for _ in 0..steps {
                let logits = model.forward(x, &mut Mode::train(rng))?;
                let loss = bce_with_logits(&logits, &like(y, &logits)?)?;
                let p = logits.sigmoid().reshape([n])?;
                let loss = problem.loss(&loss, &[], &[&self.inequalities(&p)?])?;
                optimizer.step(model.as_module_mut(), &loss.backward()?).here()?;
            }
            let p = model.forward(x, &mut Mode::eval())?.sigmoid().detach().reshape([n])?;
            if problem.update(&[], &[&self.inequalities(&p)?])? {
                break;
            }
        }
        Ok(problem)
    }
}

/// The target as numbers of the type that a model's outputs have.
#[track_caller]
pub(super) fn like(y: &Tensor, outputs: &Tensor) -> Result<Tensor> {
    let dtype = if outputs.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    y.to_dtype(dtype).reshape(outputs.shape())
}
