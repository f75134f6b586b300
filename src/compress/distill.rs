//! Training a model on what another one says.

use super::relations::{attention_transfer, relation_angles, relation_distances, similarity_preserving};
use crate::autograd;
use crate::data::Dataset;
use crate::error::{Error, Here, Result};
use crate::layers::{Hooks, Layer, LayerExt, Mode, Place};
use crate::losses::{CrossEntropy, IGNORE_INDEX, KlDiv, Loss};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};
use crate::train::{Objective, Task};

/// What a class becomes likely by: a [`Loss`] whose targets are the scores (logits) of a teacher, `[.., classes]` as those of the student.
///
/// The divergence of Kullback and Leibler from the teacher's probabilities to the student's, both at a temperature `T`, times `T²`, so
/// that its gradients keep their size: the mean over examples, or over tokens (Hinton, Vinyals and Dean, *Distilling the knowledge in a
/// neural network*, 2015). With [`stored_targets`], the teacher need not be there during training.
///
/// ```
/// use demotic::compress::SoftTargets;
/// use demotic::prelude::*;
///
/// let loss = SoftTargets::new(2.0).loss(&tensor![[1.0, 0.0]], &tensor![[1.0, 0.0]])?;
/// assert!(loss.item()?.abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SoftTargets {
    temperature: f64,
}

impl SoftTargets {
    /// At a temperature, positive: above 1, the less likely classes count for more.
    #[must_use]
    pub fn new(temperature: f64) -> Self {
        Self { temperature }
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let t = self.temperature;
        if t > 0.0 && t.is_finite() {
            return Ok(());
        }
        Err(Error::argument("SoftTargets", format!("a temperature of {t}, expected a positive number")))
    }

    /// The loss of those rows that count.
    #[track_caller]
    fn of_rows(&self, student: &Tensor, teacher: &Tensor, kept: Option<&Tensor>) -> Result<Tensor> {
        self.check()?;
        if student.shape() != teacher.shape() || student.rank() == 0 {
            let message = format!("scores of shape {:?} for a teacher's {:?}", student.shape(), teacher.shape());
            let e = Error::shape("SoftTargets", message);
            return Err(e.with_help("teacher and student choose among the same classes; both are [.., classes]"));
        }
        let classes = student.shape().last().copied().unwrap_or(1);
        let rows = |x: &Tensor| {
            let rows = x.reshape([-1, classes as isize])?;
            let rows = match kept {
                Some(kept) => rows.index_select(0, kept)?,
                None => rows,
            };
            rows.div_scalar(self.temperature).log_softmax(-1)
        };
        let teacher = rows(&teacher.detach().to_dtype(student.dtype()))?;
        let loss = KlDiv::new().log_target().batch_mean().loss(&rows(student)?, &teacher)?;
        Ok(loss * self.temperature.powi(2))
    }
}

impl Loss for SoftTargets {
    #[track_caller]
    fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        self.of_rows(prediction, target, None)
    }

    fn count(&self, target: &Tensor) -> f64 {
        let classes = target.shape().last().copied().unwrap_or(1).max(1);
        (target.numel() / classes) as f64
    }
}

/// What a teacher says of all examples of a data set, `[examples, ..]`: the targets of [`SoftTargets`], computed once.
///
/// # Errors
/// If the teacher does not take the inputs, or there is no memory for what it says.
#[track_caller]
pub fn stored_targets<D>(teacher: &impl Layer, data: &D, batch_size: usize) -> Result<Tensor>
where
    D: Dataset<Batch = (Tensor, Tensor)>,
{
    if batch_size == 0 || data.is_empty() {
        let message = format!("batches of {batch_size} of {} examples, expected at least one", data.len());
        return Err(Error::argument("stored_targets", message));
    }
    let all: Vec<usize> = (0..data.len()).collect();
    // Nothing is drawn in evaluation, but by data that are different each time.
    let mut rng = Rng::seed(0);
    let said = all.chunks(batch_size).map(|batch| teacher.predict(&data.batch(batch, &mut rng)?.0));
    let said = said.collect::<Result<Vec<_>>>().outside()?;
    Tensor::cat(&said.iter().collect::<Vec<_>>(), 0)
}

/// What is compared between a layer of the student and one of the teacher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// The outputs themselves: their mean squared difference (Romero et al., *FitNets*, 2015). They have the same shape.
    Outputs,
    /// [`similarity_preserving`].
    Similarities,
    /// [`relation_distances`].
    Distances,
    /// [`relation_angles`].
    Angles,
    /// [`attention_transfer`], for convolutions.
    Activity,
    /// The weights with which a transformer's layer attends: the divergence of Kullback and Leibler, mean over examples, heads and queries
    /// (Wang et al., *MiniLM*, 2020). Where the numbers of heads differ, their means are compared.
    Attention,
}

impl Hint {
    #[track_caller]
    fn loss(self, student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
        match self {
            Self::Outputs if student.shape() != teacher.shape() => {
                let message = format!("outputs of shape {:?} for a teacher's {:?}", student.shape(), teacher.shape());
                let e = Error::shape("Distill", message);
                Err(e
                    .with_help("of layers with other numbers of units compare Hint::Similarities, Distances or Angles"))
            }
            Self::Outputs => Ok(student.sub(&teacher.detach())?.square().mean()),
            Self::Similarities => similarity_preserving(student, teacher),
            Self::Distances => relation_distances(student, teacher),
            Self::Angles => relation_angles(student, teacher),
            Self::Activity => attention_transfer(student, teacher),
            Self::Attention => attention(student, teacher),
        }
    }
}

/// Of two `[batch, heads, queries, keys]`.
#[track_caller]
fn attention(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let (mut s, mut t) = (student.clone(), teacher.detach());
    if s.rank() == 4 && t.rank() == 4 && s.shape()[1] != t.shape()[1] {
        (s, t) = (s.mean_dims(&[1], true)?, t.mean_dims(&[1], true)?);
    }
    if s.shape() != t.shape() {
        let message = format!("attention of shape {:?} for a teacher's {:?}", student.shape(), teacher.shape());
        return Err(Error::shape("Distill", message));
    }
    let queries = (s.numel() / s.shape().last().copied().unwrap_or(1).max(1)).max(1);
    let log = |x: &Tensor| x.clamp_min(1e-12).log();
    Ok(t.mul(&log(&t).sub(&log(&s))?)?.sum() / queries as f64)
}

/// The task of learning from a teacher: a [`Trainer`](crate::train::Trainer) trains the student.
///
/// The loss is `share · soft + (1 − share) · hard`, where soft is [`SoftTargets`] of what the teacher says, and hard the loss of the
/// student against the targets of the data: [`CrossEntropy`] unless [another](Self::hard) is given. Whatever [hints](Self::hint) are
/// given is added. Teacher and student may be of any kinds that take the same inputs and choose among the same classes: language models
/// choose a token at each place, of which those count whose target does; their classes are in the last dimension, so that
/// their hard loss is `CrossEntropy::new().classes_last()`.
///
/// ```
/// use demotic::compress::{Distill, Hint};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([128, 4], 0.0, 1.0, &mut rng)?;
/// let y = x.sum_dims(&[1], false)?.gt_scalar(0.0).to_dtype(DType::I64);
/// let data = TensorDataset::new(x, y)?;
/// let mut teacher = sequential![Linear::new(4, 32, &mut rng)?, Relu, Linear::new(32, 2, &mut rng)?];
/// Trainer::new(losses::cross_entropy, Adam::new(0.01)).epochs(10).fit(&mut teacher, &data, &mut rng)?;
///
/// let mut student = sequential![Linear::new(4, 4, &mut rng)?, Relu, Linear::new(4, 2, &mut rng)?];
/// let task = Distill::new(teacher, 2.0, 0.5).hint(Hint::Similarities, "1", "1", 1.0);
/// Trainer::with_task(task, Adam::new(0.01))
///     .epochs(20)
///     .metric("accuracy", metrics::accuracy)
///     .fit(&mut student, &data, &mut rng)?;
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// The student may be larger than its teacher. From [stored](Self::stored) scores, it learns without the teacher; on the level of sequences,
/// a language model learns from texts that the teacher has [written](super::written).
pub struct Distill<T> {
    teacher: T,
    soft: SoftTargets,
    share: f64,
    hard: Box<dyn Loss>,
    hints: Vec<(Hint, String, String, f64)>,
}

impl<T: Layer> Distill<T> {
    /// From this teacher, at a temperature, with the share that what it says has in the loss, from 0 to 1.
    #[must_use]
    pub fn new(teacher: T, temperature: f64, share: f64) -> Self {
        Self {
            teacher,
            soft: SoftTargets::new(temperature),
            share,
            hard: Box::new(CrossEntropy::new()),
            hints: Vec::new(),
        }
    }
}

/// In place of a teacher: what it has said is in the batches.
#[derive(Debug, Clone, Copy)]
pub struct Stored;

impl Distill<Stored> {
    /// From scores that are part of the batches, those of [`Taught`](super::Taught), and without hints.
    #[must_use]
    pub fn stored(temperature: f64, share: f64) -> Self {
        Self {
            teacher: Stored,
            soft: SoftTargets::new(temperature),
            share,
            hard: Box::new(CrossEntropy::new()),
            hints: Vec::new(),
        }
    }
}

impl<T> Distill<T> {
    /// Another loss against the targets of the data.
    #[must_use]
    pub fn hard(mut self, loss: impl Loss + 'static) -> Self {
        self.hard = Box::new(loss);
        self
    }

    /// Adds how far the layer of the student with this path is from one of the teacher, times `weight`.
    #[must_use]
    pub fn hint(mut self, hint: Hint, student: impl Into<String>, teacher: impl Into<String>, weight: f64) -> Self {
        self.hints.push((hint, student.into(), teacher.into(), weight));
        self
    }

    /// `teach` runs the teacher, or knows what it has said.
    #[track_caller]
    fn of(
        &self,
        student: &dyn Layer,
        [x, y]: [&Tensor; 2],
        teach: &dyn Fn(&mut Seen) -> Result<Tensor>,
        mode: &mut Mode<'_>,
    ) -> Result<Objective> {
        if !(0.0..=1.0).contains(&self.share) {
            let message = format!("a share of {} of what the teacher says, expected 0 to 1", self.share);
            return Err(Error::argument("Distill", message));
        }
        let count = self.hard.count(y);
        if mode.is_training() && count == 0.0 {
            return Objective::nothing();
        }
        let mut seen = [Seen::default(), Seen::default()];
        for (hint, student, teacher, _) in &self.hints {
            seen[0].wanted.push((*hint, student.clone()));
            seen[1].wanted.push((*hint, teacher.clone()));
        }
        let [by_student, by_teacher] = &mut seen;
        let said = {
            let _unrecorded = autograd::pause_recording();
            teach(by_teacher)?
        };
        let _unrecorded = (!mode.is_training()).then(autograd::pause_recording);
        let prediction = match mode.rng() {
            Some(rng) => student.forward(x, &mut Mode::train(rng).with_hooks(by_student))?,
            None => student.forward(x, &mut Mode::eval().with_hooks(by_student))?,
        };
        let soft = self.soft.of_rows(&prediction, &said, counted(y)?.as_ref())?;
        let hard = self.hard.loss(&prediction, y)?;
        let mut loss = (soft * self.share).add(&(hard * (1.0 - self.share)))?;
        for (at, (hint, student, teacher, weight)) in self.hints.iter().enumerate() {
            let [s, t] = [(by_student.take(at, student)?), (by_teacher.take(at, teacher)?)];
            loss = loss.add(&(hint.loss(&s, &t).in_layer(student)? * *weight))?;
        }
        Ok(Objective::new(loss, count).with_outputs(prediction, y.clone()))
    }
}

/// The numbers of the places whose targets count, if some do not.
#[track_caller]
fn counted(y: &Tensor) -> Result<Option<Tensor>> {
    if y.dtype() != DType::I64 {
        return Ok(None);
    }
    let y = y.to_vec::<i64>()?;
    let kept: Vec<i64> = (0..).zip(&y).filter(|(_, class)| **class != IGNORE_INDEX).map(|(at, _)| at).collect();
    Ok(if kept.len() == y.len() { None } else { Some(Tensor::from_vec(kept.clone(), [kept.len()])?) })
}

/// What layers with certain paths gave.
#[derive(Default)]
struct Seen {
    wanted: Vec<(Hint, String)>,
    found: Vec<(usize, Tensor)>,
    places: Vec<String>,
}

impl Seen {
    fn keep(&mut self, path: &str, x: &Tensor, is_meant: impl Fn(Hint) -> bool) {
        for (at, (hint, wanted)) in self.wanted.iter().enumerate() {
            if wanted == path && is_meant(*hint) {
                self.found.push((at, x.clone()));
            }
        }
    }

    #[track_caller]
    fn take(&mut self, at: usize, path: &str) -> Result<Tensor> {
        // Of a layer that is used more than once, the last time counts.
        let found = self.found.iter().rev().find(|(number, _)| *number == at).map(|(_, x)| x.clone());
        found
            .ok_or_else(|| {
                let what = if self.wanted[at].0 == Hint::Attention { "attended" } else { "was run" };
                let e = Error::state("Distill", format!("no layer `{path}` {what}"));
                e.with_help(format!("the layers are {}", self.places.join(", ")))
            })
            .here()
    }
}

impl Hooks for Seen {
    fn output(&mut self, at: &Place<'_>, output: &Tensor) -> Result<Option<Tensor>> {
        self.places.push(at.path.to_string());
        self.keep(at.path, output, |hint| hint != Hint::Attention);
        Ok(None)
    }

    fn wants_attention(&self) -> bool {
        self.wanted.iter().any(|(hint, _)| *hint == Hint::Attention)
    }

    fn attention(&mut self, at: &Place<'_>, weights: &Tensor) -> Result<()> {
        self.keep(at.path, weights, |hint| hint == Hint::Attention);
        Ok(())
    }
}

impl<S: Layer, T: Layer> Task<S, (Tensor, Tensor)> for Distill<T> {
    fn objective(&self, student: &S, (x, y): &(Tensor, Tensor), mode: &mut Mode<'_>) -> Result<Objective> {
        let teach = |seen: &mut Seen| self.teacher.forward(x, &mut Mode::eval().with_hooks(seen)).within("the teacher");
        self.of(student, [x, y], &teach, mode)
    }
}

impl<S: Layer> Task<S, (Tensor, Tensor, Tensor)> for Distill<Stored> {
    fn objective(
        &self,
        student: &S,
        (x, y, said): &(Tensor, Tensor, Tensor),
        mode: &mut Mode<'_>,
    ) -> Result<Objective> {
        if !self.hints.is_empty() {
            let e = Error::state("Distill", "hints from a teacher of whom only the scores are stored");
            return Err(e.with_help("Distill::new(teacher, ..) runs the teacher"));
        }
        self.of(student, [x, y], &|_| Ok(said.clone()), mode)
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Distill<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Distill(temperature {}, share {})", self.soft.temperature, self.share)
    }
}
