//! L-BFGS.

use std::collections::VecDeque;

use super::closure::{ClosureOptimizer, Objective, Values, not_finite};
use super::options::{not_negative, positive};
use super::problem::{other_kind, quoted};
use super::state::OptimizerState;
use super::wolfe::{Line, Point, search};
use super::wrapped::{load_count, save_count};
use crate::autograd::pause_recording;
use crate::config::configurable;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

const NAME: &str = "Lbfgs";

/// L-BFGS (Liu and Nocedal, 1989): a quasi-Newton method, for problems that are smooth, not random, and small enough to compute
/// the loss of all examples at once: curve fitting, style transfer, physics-informed networks, the last digits of a fit.
///
/// From the last [`history_size`](Self::history_size) steps and the gradients on their way, it estimates the curvature, and
/// takes the direction in which the loss falls if it were quadratic. Each step of the optimizer makes up to
/// [`max_iter`](Self::max_iter) of these iterations. The algorithm, options and defaults are PyTorch's; with
/// [`strong_wolfe`](Self::strong_wolfe), which is what one usually wants, the length of each iteration is searched for.
///
/// All parameters are one vector, so there are no groups, and all of them have one type, `F32` or `F64`.
///
/// ```
/// use demotic::optimizers::{ClosureOptimizer, Lbfgs};
/// use demotic::prelude::*;
///
/// // Rosenbrock's valley, with its floor at (1, 1).
/// let mut p = demotic::layers::Param::new(tensor![-1.5, 2.0].to_dtype(DType::F64))?;
/// let mut opt = Lbfgs::new(1.0).strong_wolfe();
/// for _ in 0..3 {
///     opt.step_with(&mut p, |p| {
///         let (x, y) = (p.narrow(0, 0, 1)?, p.narrow(0, 1, 1)?);
///         Ok((x.rsub_scalar(1.0).square() + y.sub(&x.square())?.square() * 100.0)?.sum())
///     })?;
/// }
/// assert!(p.add_scalar(-1.0).abs().max()?.item()? < 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "LBFGS")]
pub struct Lbfgs {
    learning_rate: f64,
    max_iter: usize,
    max_eval: Option<usize>,
    tolerance_grad: f64,
    tolerance_change: f64,
    history_size: usize,
    strong_wolfe: bool,
    allow_unused: bool,
    memory: Memory,
}

configurable!(
    Lbfgs {
        learning_rate: required, max_iter, max_eval, tolerance_grad, tolerance_change, history_size, strong_wolfe,
        allow_unused; state memory
    } = Self::new(1.0), check
);

/// What is known of the curvature so far.
#[derive(Debug, Clone, Default)]
struct Memory {
    iterations: u64,
    evaluations: u64,
    /// The last direction, the length of the step along it, and the gradient before it.
    last: Option<(Tensor, f64, Tensor)>,
    pairs: VecDeque<Pair>,
    /// The first estimate of the inverse curvature, along every direction.
    scale: f64,
}

/// A step, how the gradient changed along it, and one by their product.
#[derive(Debug, Clone)]
struct Pair {
    step: Tensor,
    change: Tensor,
    inverse: f64,
}

impl Lbfgs {
    /// The optimizer with the given learning rate: the length at which an iteration is tried first, in multiples of the
    /// estimated one. 1 is the usual one; without [`strong_wolfe`](Self::strong_wolfe) there is no other length.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self {
            learning_rate,
            max_iter: 20,
            max_eval: None,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history_size: 100,
            strong_wolfe: false,
            allow_unused: false,
            memory: Memory::default(),
        }
    }

    /// How many iterations a step makes at most. Default 20.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// How often a step computes the loss at most. Default 5/4 of [`max_iter`](Self::max_iter).
    #[must_use]
    pub fn max_eval(mut self, max_eval: usize) -> Self {
        self.max_eval = Some(max_eval);
        self
    }

    /// A step ends where no element of the gradient is larger than this. Default 1e-7.
    #[must_use]
    pub fn tolerance_grad(mut self, tolerance: f64) -> Self {
        self.tolerance_grad = tolerance;
        self
    }

    /// A step ends where an iteration changes the loss, or every parameter, by less than this. Default 1e-9.
    #[must_use]
    pub fn tolerance_change(mut self, tolerance: f64) -> Self {
        self.tolerance_change = tolerance;
        self
    }

    /// How many iterations are remembered, at least 1: each takes twice the memory of the parameters. Default 100.
    #[must_use]
    pub fn history_size(mut self, size: usize) -> Self {
        self.history_size = size;
        self
    }

    /// Searches along each direction for a length that satisfies the strong Wolfe conditions: the loss falls far enough, and
    /// its slope has become much flatter. Costs some more evaluations, and makes progress sure.
    #[must_use]
    pub fn strong_wolfe(mut self) -> Self {
        self.strong_wolfe = true;
        self
    }

    /// Passes over trainable parameters that the loss does not depend on, which are an error otherwise.
    #[must_use]
    pub fn allow_unused(mut self) -> Self {
        self.allow_unused = true;
        self
    }

    /// How often the loss was computed, in all steps together.
    #[must_use]
    pub fn evaluations(&self) -> u64 {
        self.memory.evaluations
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        not_negative(NAME, "the learning rate", self.learning_rate)?;
        not_negative(NAME, "tolerance_grad", self.tolerance_grad)?;
        not_negative(NAME, "tolerance_change", self.tolerance_change)?;
        positive(NAME, "history_size", self.history_size as f64)?;
        positive(NAME, "max_iter", self.max_iter as f64)?;
        positive(NAME, "max_eval", self.max_eval.unwrap_or(1) as f64)
    }

    /// A step on so many parameters. Returns the loss at its beginning.
    #[track_caller]
    fn run(&self, memory: &mut Memory, place: &mut Place<'_>, numel: usize) -> Result<f64> {
        let start = place.here()?;
        memory.evaluations = memory.evaluations.saturating_add(1);
        let loss = start.loss;
        if numel == 0 {
            return Ok(loss);
        }
        if !start.is_finite() {
            return Err(not_finite(NAME, loss));
        }
        self.iterate(memory, start, place)?;
        Ok(loss)
    }

    /// The iterations of one step, from the loss and the gradient where it begins. Changes the model and the memory.
    #[track_caller]
    fn iterate(&self, memory: &mut Memory, start: Point, place: &mut Place<'_>) -> Result<()> {
        let max_eval = self.max_eval.unwrap_or(self.max_iter.saturating_mul(5) / 4);
        let Point { mut loss, mut grad, .. } = start;
        if largest(&grad)? <= self.tolerance_grad {
            return Ok(());
        }
        let mut evaluations = 1;
        for iteration in 1..=self.max_iter {
            memory.iterations = memory.iterations.saturating_add(1);
            let direction = memory.direction(&grad, self.history_size)?;
            let before = loss;
            let is_first = memory.iterations == 1;
            let mut length = self.learning_rate;
            if is_first {
                length *= (1.0 / grad.abs().sum().item()?).min(1.0);
            }
            let slope = dot(&grad, &direction)?;
            memory.last = Some((direction.clone(), length, grad.clone()));
            if slope > -self.tolerance_change {
                break;
            }
            let is_last = iteration == self.max_iter;
            if self.strong_wolfe {
                let line = Line { start: Point { at: 0.0, loss, slope, grad: grad.clone() }, direction: &direction };
                let budget = max_eval.saturating_sub(evaluations);
                let from = Values::of(place.objective.model());
                let (best, used) =
                    search(&line, length, self.tolerance_change, budget, &mut |t| place.at(&from, &direction, t))?;
                place.move_to(&from, &direction, best.at)?;
                (loss, grad, length) = (best.loss, best.grad, best.at);
                memory.evaluations = memory.evaluations.saturating_add(used as u64);
                evaluations += used;
            } else {
                let from = Values::of(place.objective.model());
                if is_last {
                    // Nobody would look at the loss at the end.
                    place.move_to(&from, &direction, length)?;
                } else {
                    let there = place.at(&from, &direction, length)?;
                    if !there.is_finite() {
                        return Err(not_finite(NAME, there.loss));
                    }
                    (loss, grad) = (there.loss, there.grad);
                    memory.evaluations = memory.evaluations.saturating_add(1);
                    evaluations += 1;
                }
            }
            if let Some((_, last, _)) = &mut memory.last {
                *last = length;
            }
            let is_still = length.abs() * largest(&direction)? <= self.tolerance_change;
            if is_last
                || evaluations >= max_eval
                || largest(&grad)? <= self.tolerance_grad
                || is_still
                || (loss - before).abs() < self.tolerance_change
            {
                break;
            }
        }
        Ok(())
    }
}

impl Memory {
    /// Where to go from a place with this gradient.
    #[track_caller]
    fn direction(&mut self, grad: &Tensor, history_size: usize) -> Result<Tensor> {
        let Some((direction, length, before)) = &self.last else {
            self.scale = 1.0;
            return Ok(grad.neg());
        };
        let (change, step) = (grad.sub(before)?, direction.mul_scalar(*length));
        let product = dot(&change, &step)?;
        // Where the gradient does not grow along a step, there is no minimum to be seen.
        if product > 1e-10 {
            while self.pairs.len() >= history_size {
                self.pairs.pop_front();
            }
            self.scale = product / dot(&change, &change)?;
            self.pairs.push_back(Pair { step, change, inverse: 1.0 / product });
        }
        // The product of the inverse curvature and the gradient, in two loops: back through the steps and forth again.
        let mut q = grad.neg();
        let mut parts = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let part = dot(&pair.step, &q)? * pair.inverse;
            q = q.add_alpha(&pair.change, -part)?;
            parts.push(part);
        }
        let mut r = q.mul_scalar(self.scale);
        for (pair, part) in self.pairs.iter().zip(parts.into_iter().rev()) {
            let own = dot(&pair.change, &r)? * pair.inverse;
            r = r.add_alpha(&pair.step, part - own)?;
        }
        Ok(r)
    }
}

/// The model at different places.
struct Place<'a> {
    objective: &'a mut dyn Objective,
    allow_unused: bool,
}

impl Place<'_> {
    /// The loss and the gradient where the model is.
    #[track_caller]
    fn here(&mut self) -> Result<Point> {
        let (loss, grads) = self.objective.gradients()?;
        let _unrecorded = pause_recording();
        let parts = Values::of(self.objective.model()).gradients(NAME, &grads, self.allow_unused)?;
        let parts = parts.iter().map(|grad| grad.reshape([grad.numel()])).collect::<Result<Vec<_>>>()?;
        Ok(Point { at: 0.0, loss, slope: 0.0, grad: Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)? })
    }

    /// The same `t` times `direction` away from `from`. The model is there afterwards.
    #[track_caller]
    fn at(&mut self, from: &Values, direction: &Tensor, t: f64) -> Result<Point> {
        self.move_to(from, direction, t)?;
        let there = self.here()?;
        let slope = dot(&there.grad, direction)?;
        Ok(Point { at: t, slope, ..there })
    }

    #[track_caller]
    fn move_to(&mut self, from: &Values, direction: &Tensor, t: f64) -> Result<()> {
        let mut begin = 0;
        from.replace(self.objective.model(), &mut |_, value| {
            let part = direction.narrow(0, begin, value.numel())?.reshape(value.shape())?;
            begin += value.numel();
            value.add_alpha(&part, t)
        })
    }
}

#[track_caller]
fn dot(a: &Tensor, b: &Tensor) -> Result<f64> {
    a.dot(b)?.item()
}

#[track_caller]
fn largest(x: &Tensor) -> Result<f64> {
    x.abs().max()?.item()
}

impl ClosureOptimizer for Lbfgs {
    #[track_caller]
    fn step_on(&mut self, objective: &mut dyn Objective) -> Result<f64> {
        let _timer = crate::profile::op(NAME);
        self.check()?;
        let before = Values::of(objective.model());
        let mut kinds = before.iter().map(|(_, value)| value.dtype());
        if let Some(first) = kinds.next() {
            if let Some(other) = kinds.find(|other| *other != first) {
                let message = format!("parameters of types {first} and {other}");
                return Err(
                    Error::dtype(NAME, message).with_help("it works with all of them as one vector: convert some")
                );
            }
            if first.gradient() != Some(first) {
                return Err(Error::dtype(NAME, format!("parameters of type {first}"))
                    .with_help("it needs their last digits: train in F32 or F64, and convert the result"));
            }
        } else {
            return objective.gradients().map(|(loss, _)| loss);
        }
        let numel: usize = before.iter().map(|(_, value)| value.numel()).sum();
        if let Some((last, ..)) = &self.memory.last
            && last.numel() != numel
        {
            let message = format!("the optimizer's state is of {} parameters, the model has {numel}", last.numel());
            return Err(Error::state(NAME, message).with_help("an optimizer serves one model, or its clones"));
        }
        let mut memory = self.memory.clone();
        let mut place = Place { objective, allow_unused: self.allow_unused };
        let done = self.run(&mut memory, &mut place, numel);
        match done {
            Ok(_) => self.memory = memory,
            Err(_) => before.put_back(place.objective.model()),
        }
        done
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }

    fn state(&self) -> OptimizerState {
        let Memory { iterations, evaluations, last, pairs, scale } = &self.memory;
        let mut state = OptimizerState::new(NAME, self.learning_rate);
        state.steps = *iterations;
        let Some((direction, length, grad)) = last else { return state };
        let numbers: Vec<f64> = [*length, *scale].into_iter().chain(pairs.iter().map(|pair| pair.inverse)).collect();
        save_count("evaluations", *evaluations, &mut state);
        let mut put = |name: &str, x: &Tensor| drop(state.shared.insert(name.to_string(), x.clone()));
        if let Ok(numbers) = Tensor::from_slice(&numbers, [numbers.len()]) {
            put("numbers", &numbers);
        }
        put("direction", direction);
        put("gradient", grad);
        for (i, pair) in pairs.iter().enumerate() {
            put(&format!("step.{i}"), &pair.step);
            put(&format!("change.{i}"), &pair.change);
        }
        state
    }

    #[track_caller]
    fn load_state(&mut self, mut state: OptimizerState) -> Result<()> {
        if state.optimizer != NAME {
            return Err(other_kind(NAME, &state.optimizer));
        }
        let mut memory = Memory { iterations: state.steps, ..Memory::default() };
        if !state.shared.is_empty() {
            memory = Memory::load(&mut state)?;
        }
        if let Some(name) = state.shared.keys().next().or(state.parameters.keys().next()) {
            return Err(misfit(&format!("has {}, which is none of this optimizer's", quoted(name))));
        }
        (self.memory, self.learning_rate) = (memory, state.learning_rate);
        Ok(())
    }
}

#[track_caller]
fn misfit(what: &str) -> Error {
    Error::state(NAME, format!("the state {what}")).with_help("was it saved by another optimizer?")
}

impl Memory {
    /// Takes its tensors out of a state.
    #[track_caller]
    fn load(state: &mut OptimizerState) -> Result<Self> {
        let evaluations = load_count("evaluations", state);
        let mut take = |name: &str| state.shared.remove(name).ok_or_else(|| misfit(&format!("lacks `{name}`")));
        let numbers = take("numbers")?.to_f64_vec();
        let (direction, grad) = (take("direction")?, take("gradient")?);
        let [length, scale, inverses @ ..] = &numbers[..] else { return Err(misfit("has no `numbers`")) };
        let mut pairs = VecDeque::new();
        for (i, inverse) in inverses.iter().enumerate() {
            pairs.push_back(Pair {
                step: take(&format!("step.{i}"))?,
                change: take(&format!("change.{i}"))?,
                inverse: *inverse,
            });
        }
        let all = pairs.iter().flat_map(|pair| [&pair.step, &pair.change]).chain([&grad]);
        if direction.rank() != 1
            || all.into_iter().any(|x| x.shape() != direction.shape() || x.dtype() != direction.dtype())
        {
            return Err(misfit("has vectors of different sizes"));
        }
        Ok(Self { iterations: state.steps, evaluations, last: Some((direction, *length, grad)), pairs, scale: *scale })
    }
}
