//! Who was in the data? What a model gives away of that.

use std::fmt;

use super::check_delta;
use crate::error::{Error, Result};
use crate::optimizers::options::fraction;
use crate::rng::Rng;
use crate::stats::{clopper_pearson, moments, normal::ln_cdf};
use crate::tensor::{DType, Tensor};
use crate::train::metrics::{self, RocCurve};

/// How well somebody tells from a score whether an example was in the data of a training.
///
/// An attacker who guesses reaches an area of 0.5, an advantage of 0, and as many true as false alarms. What matters is how many examples
/// are found at few false alarms: an attack that is sure about some people harms these (Carlini et al., *Membership inference attacks from
/// first principles*, 2022).
///
/// ```
/// use demotic::privacy::MembershipAudit;
/// use demotic::tensor;
///
/// // Losses of examples that the model learnt from, and of others.
/// let found = MembershipAudit::of_losses(&tensor![0.1, 0.2, 0.3, 0.9], &tensor![0.25, 0.8, 1.0, 1.5])?;
/// assert_eq!(found.auc(), 13.0 / 16.0);
/// assert_eq!(found.advantage(), 0.5);
/// assert_eq!(found.tpr(0.0), 0.5);
/// println!("{found}");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MembershipAudit {
    members: usize,
    others: usize,
    curve: RocCurve,
}

impl MembershipAudit {
    /// From the losses of examples: whose loss is small is taken for a member (Yeom et al., *Privacy risk in machine learning*, 2018).
    ///
    /// # Errors
    /// As for [`of_scores`](Self::of_scores).
    #[track_caller]
    pub fn of_losses(members: &Tensor, others: &Tensor) -> Result<Self> {
        Self::of(-1.0, members, others)
    }

    /// From any scores: the higher, the more likely a member, of examples that were in the data and of others.
    ///
    /// # Errors
    /// If there are no members or no others, or a score is NaN.
    #[track_caller]
    pub fn of_scores(members: &Tensor, others: &Tensor) -> Result<Self> {
        Self::of(1.0, members, others)
    }

    #[track_caller]
    fn of(sign: f64, members: &Tensor, others: &Tensor) -> Result<Self> {
        let mut scores = Vec::new();
        for (what, values) in [("members", members), ("others", others)] {
            let values = values.to_f64_vec();
            if values.is_empty() {
                return Err(Error::argument("MembershipAudit", format!("there are no {what} to compare")));
            }
            if let Some(i) = values.iter().position(|x| x.is_nan()) {
                return Err(Error::numeric("MembershipAudit", format!("number {i} of the {what} is NaN")));
            }
            scores.extend(values.into_iter().map(|x| sign * x));
        }
        let (members, all) = (members.numel(), scores.len());
        let target: Vec<i64> = (0..all).map(|i| i64::from(i < members)).collect();
        let curve = metrics::roc_curve(&Tensor::from_vec(scores, [all])?, &Tensor::from_vec(target, [all])?)?;
        Ok(Self { members, others: all - members, curve })
    }

    /// The shares of false and of true alarms at each threshold.
    #[must_use]
    pub fn curve(&self) -> &RocCurve {
        &self.curve
    }

    fn points(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> + '_ {
        self.curve.false_positive_rate.iter().copied().zip(self.curve.true_positive_rate.iter().copied())
    }

    /// The area under the curve of both: how likely a member has a higher score than another example.
    #[must_use]
    pub fn auc(&self) -> f64 {
        self.curve.area()
    }

    /// The largest difference of true and false alarms. A training with (ε, δ) allows no more than `(e^ε − 1 + 2δ) / (e^ε + 1)`.
    #[must_use]
    pub fn advantage(&self) -> f64 {
        self.points().map(|(false_alarms, found)| found - false_alarms).fold(0.0, f64::max)
    }

    /// The share of the members that is found at a share of false alarms of at most `fpr`.
    #[must_use]
    pub fn tpr(&self, fpr: f64) -> f64 {
        self.points().filter(|at| at.0 <= fpr).map(|at| at.1).fold(0.0, f64::max)
    }

    /// An ε that the training has at least, if the threshold with this share of false alarms was chosen beforehand: at a confidence of
    /// 95 %, from intervals of both shares (Jagielski, Ullman and Oprea, *Auditing differentially private machine learning*, 2020). 0 if the
    /// attack shows nothing.
    ///
    /// # Errors
    /// If δ does not lie between 0 and 1, or the share not from 0 to 1.
    #[track_caller]
    pub fn epsilon_at_least(&self, fpr: f64, delta: f64) -> Result<f64> {
        check_delta("epsilon_at_least", delta)?;
        fraction("epsilon_at_least", "the share of false alarms", fpr)?;
        let (false_alarms, found) = self.points().rev().find(|at| at.0 <= fpr).unwrap_or((0.0, 0.0));
        let (members, others) = (self.members as f64, self.others as f64);
        let least = clopper_pearson((found * members).round(), members, 0.05)[0];
        let most = clopper_pearson((false_alarms * others).round(), others, 0.05)[1];
        Ok(((least - delta) / most).max(1.0).ln())
    }
}

impl fmt::Display for MembershipAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} members, {} others", self.members, self.others)?;
        writeln!(f, "area under the curve  {:.3}   (0.5 by guessing)", self.auc())?;
        writeln!(f, "advantage             {:.3}   (0 by guessing)", self.advantage())?;
        write!(
            f,
            "found at false alarms of 1 %: {:.1} %, of 10 %: {:.1} %",
            100.0 * self.tpr(0.01),
            100.0 * self.tpr(0.1)
        )
    }
}

/// How sure a classifier is of the right class: `log p − log(1 − p)` of its probability, from logits `[n, classes]` and class numbers
/// `[n]`. Nearly normal over models, which [`Lira`] needs.
///
/// # Errors
/// If shapes do not fit, there are fewer than two classes, or a target is none of them.
#[track_caller]
pub fn scaled_confidence(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    let &[n, classes] = logits.shape() else {
        let message = format!("logits of shape {:?}, expected [n, classes]", logits.shape());
        return Err(Error::shape("scaled_confidence", message));
    };
    if classes < 2 || target.shape() != [n] {
        let message = format!("logits of shape {:?} for targets of shape {:?}", logits.shape(), target.shape());
        return Err(Error::shape("scaled_confidence", message)
            .with_help("two classes or more, and a class number for each row"));
    }
    let logits = logits.detach().to_dtype(DType::F64);
    let at = target.unsqueeze(1)?;
    let own = logits.gather(1, &at)?;
    let others = logits.scatter(1, &at, &own.full_like(f64::NEG_INFINITY))?.logsumexp_dims(&[1], false)?;
    own.squeeze(1)?.sub(&others)
}

/// Mean and deviation with an example in the data, and without it.
type Sides = [Option<(f64, f64)>; 2];

/// The likelihood ratio attack (Carlini et al., *Membership inference attacks from first principles*, 2022): models are trained on
/// random halves of the data, which show how sure a model is of each example that was in its data, and of each that was not.
///
/// ```
/// use demotic::Rng;
/// use demotic::privacy::{Lira, MembershipAudit};
/// use demotic::{Tensor, tensor};
///
/// let mut rng = Rng::seed(0);
/// // Of 16 models on halves of 40 examples each: here, numbers that are larger for those that were in.
/// let halves = Lira::halves(16, 40, &mut rng)?;
/// let noise = Tensor::normal([16, 40], 0.0, 0.5, &mut rng)?;
/// let shadows = Lira::new(&noise.add(&halves.to_dtype(demotic::DType::F32))?, &halves)?;
/// let target = Tensor::normal([40], 0.0, 0.5, &mut rng)?.add(&Tensor::cat(&[&Tensor::ones([20])?, &Tensor::zeros([20])?], 0)?)?;
/// let scores = shadows.online(&target)?;
/// let found = MembershipAudit::of_scores(&scores.narrow(0, 0, 20)?, &scores.narrow(0, 20, 20)?)?;
/// assert!(found.auc() > 0.8);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lira {
    /// Mean and deviation of each example, of models that had it and of those that did not.
    of: Vec<Sides>,
}

impl Lira {
    /// Which examples each of some models is to be trained on: `[models, examples]`, of truth values. Each is in one half of them.
    ///
    /// # Errors
    /// If the number of models is odd or zero, or they do not fit into memory.
    #[track_caller]
    pub fn halves(models: usize, examples: usize, rng: &mut Rng) -> Result<Tensor> {
        if models == 0 || models % 2 == 1 {
            let message = format!("{models} models, expected an even number of them");
            return Err(
                Error::argument("Lira::halves", message).with_help("each example is in the data of one half of them")
            );
        }
        let half: Vec<bool> = (0..models).map(|i| i < models / 2).collect();
        let mut columns = Vec::with_capacity(examples);
        for _ in 0..examples {
            let mut column = half.clone();
            rng.shuffle(&mut column);
            columns.push(column);
        }
        let rows = (0..models).flat_map(|i| columns.iter().map(move |column| column[i])).collect();
        Tensor::from_vec::<bool>(rows, [models, examples])
    }

    /// From how [sure](scaled_confidence) each of some models is of each example, `[models, examples]`, and which of them it was
    /// trained on, of truth values and the same shape.
    ///
    /// # Errors
    /// If the shapes differ, a number is not finite, or some example was in the data of all models: nothing is known then of those
    /// without it. Of those with it, the offline attack needs none.
    #[track_caller]
    pub fn new(confidences: &Tensor, inside: &Tensor) -> Result<Self> {
        let &[models, examples] = confidences.shape() else {
            let message = format!("confidences of shape {:?}, expected [models, examples]", confidences.shape());
            return Err(Error::shape("Lira", message));
        };
        if inside.shape() != confidences.shape() || inside.dtype() != DType::Bool {
            let message = format!(
                "{} values of shape {:?} for confidences of {:?}",
                inside.dtype(),
                inside.shape(),
                confidences.shape()
            );
            return Err(Error::shape("Lira", message).with_help("a truth value for each model and example"));
        }
        let (values, inside) = (confidences.to_f64_vec(), inside.to_vec::<bool>()?);
        if let Some(i) = values.iter().position(|x| !x.is_finite()) {
            let (model, example) = (i / examples, i % examples);
            return Err(Error::numeric(
                "Lira",
                format!("model {model} has a confidence of {} for example {example}", values[i]),
            ));
        }
        let fitted = |j: usize, was_in: bool| {
            let own: Vec<f64> =
                (0..models).map(|i| i * examples + j).filter(|at| inside[*at] == was_in).map(|at| values[at]).collect();
            (!own.is_empty()).then(|| moments(own.iter().copied()))
        };
        let of: Vec<_> = (0..examples).map(|j| [fitted(j, true), fitted(j, false)]).collect();
        match of.iter().position(|both| both[1].is_none()) {
            Some(j) => Err(Error::argument("Lira", format!("example {j} was in the data of every model"))
                .with_help("Lira::halves draws data sets that each example is in one half of")),
            None => Ok(Self { of }),
        }
    }

    /// The same with one deviation for all examples, for fewer than some 64 models.
    #[must_use]
    pub fn fixed_deviation(mut self) -> Self {
        for side in 0..2 {
            let (mut sum, mut count) = (0.0, 0);
            for (_, deviation) in self.of.iter().filter_map(|both| both[side]) {
                (sum, count) = (sum + deviation * deviation, count + 1);
            }
            let common = (sum / f64::from(count.max(1))).sqrt();
            self.of.iter_mut().filter_map(|both| both[side].as_mut()).for_each(|of| of.1 = common);
        }
        self
    }

    /// Scores of the examples from how sure the attacked model is of each: the logarithm of how much likelier that is of a model that
    /// had the example.
    ///
    /// # Errors
    /// If there are not as many, one is not finite, or some example was in the data of no model.
    #[track_caller]
    pub fn online(&self, target: &Tensor) -> Result<Tensor> {
        if let Some(j) = self.of.iter().position(|both| both[0].is_none()) {
            return Err(Error::argument("Lira", format!("example {j} was in the data of no model"))
                .with_help("the offline attack needs none that had it"));
        }
        self.score(target, &|x, [inside, outside]| {
            inside.map_or(f64::NAN, |of| ln_density(x, of)) - outside.map_or(f64::NAN, |of| ln_density(x, of))
        })
    }

    /// The same without models that had the examples: the logarithm of how likely a model without the example is less sure of it.
    ///
    /// # Errors
    /// If there are not as many, or one is not finite.
    #[track_caller]
    pub fn offline(&self, target: &Tensor) -> Result<Tensor> {
        self.score(target, &|x, [_, outside]| outside.map_or(f64::NAN, |(mean, s)| ln_cdf((x - mean) / s.max(LEAST))))
    }

    #[track_caller]
    fn score(&self, target: &Tensor, f: &dyn Fn(f64, Sides) -> f64) -> Result<Tensor> {
        if target.shape() != [self.of.len()] {
            let message = format!("confidences of shape {:?} for {} examples", target.shape(), self.of.len());
            return Err(Error::shape("Lira", message));
        }
        if let Some((j, x)) = target.to_f64_vec().into_iter().enumerate().find(|(_, x)| !x.is_finite()) {
            return Err(Error::numeric("Lira", format!("the attacked model has a confidence of {x} for example {j}")));
        }
        let scores: Vec<f64> = target.to_f64_vec().into_iter().zip(&self.of).map(|(x, of)| f(x, *of)).collect();
        let count = scores.len();
        Tensor::from_vec(scores, [count])
    }
}

/// Deviations are at least this, as models that all agree would have none.
const LEAST: f64 = 1e-6;

fn ln_density(x: f64, (mean, deviation): (f64, f64)) -> f64 {
    let deviation = deviation.max(LEAST);
    -0.5 * ((x - mean) / deviation).powi(2) - deviation.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
}
