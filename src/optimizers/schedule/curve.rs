//! Learning rates that depend on the number of the step alone.

mod value;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Cyclic, OneCycle, Schedule, ScheduleState};
use crate::config::configurable;
use crate::count::IntoCount;
use crate::error::Result;
use crate::optimizers::Optimizer;

/// A learning rate as a function of the step.
///
/// ```
/// use demotic::optimizers::schedule::Curve;
///
/// // Up to 1e-3 in 100 steps, and down to 1e-5 in the next 900.
/// let curve = Curve::cosine(1e-3, 900).floor(1e-5).warm_up(100);
/// assert_eq!(curve.at(0)?, 1e-5);
/// assert_eq!(curve.at(99)?, 1e-3);
/// assert_eq!(curve.at(1000)?, 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// In a loop, `opt.set_learning_rate(curve.at(step)?)` before each step is all there is to it. As a [`Schedule`], a
/// curve counts the steps itself: [`start`](Schedule::start) before the first one, [`step`](Schedule::step) after each.
///
/// Curves are composed one [after](Self::then) another, and [multiplied](Self::times):
///
/// ```
/// use demotic::optimizers::schedule::Curve;
///
/// // A rate of 0.1 for 50 steps, then 0.9 times that of the step before; and all of it from a tenth in the first 10 steps.
/// let curve = Curve::constant(0.1).then(50, Curve::exponential(0.1, 0.9)).times(Curve::linear_factors(1.0, 0.1, 1.0, 10));
/// assert_eq!((curve.at(0)?, curve.at(10)?, curve.at(51)?), (0.1 * 0.1, 0.1, 0.1 * 0.9));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    shape: Shape,
    peak: f64,
    floor: f64,
    /// How many waves a cosine has; half of one if it is not said.
    cycles: Option<f64>,
    warm_up: u64,
    /// Whether the warm-up begins with a rate of 0.
    from_zero: bool,
    /// Of groups of parameters, by their patterns: what the rate is multiplied by.
    groups: Vec<(String, Curve)>,
    /// The step of the rate that was given out last.
    step: u64,
}

configurable!(
    Curve {
        shape: required, peak as "rate": required, floor, cycles, warm_up, from_zero as "warm_up_from_zero", groups;
        state step
    } = Self::new(Shape::Constant, 0.0), check
);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Shape {
    Constant,
    Steps {
        every: u64,
        factor: f64,
    },
    Milestones {
        at: Vec<u64>,
        factor: f64,
    },
    Exponential {
        factor: f64,
    },
    Polynomial {
        steps: u64,
        power: f64,
    },
    Cosine {
        steps: u64,
    },
    CosineRestarts {
        steps: u64,
        cycles: u64,
    },
    WarmRestarts {
        first: u64,
        factor: u64,
    },
    Linear {
        steps: u64,
    },
    LinearFactors {
        from: f64,
        to: f64,
        steps: u64,
    },
    InverseSqrt {
        scale: u64,
    },
    OneCycle(OneCycle),
    Cyclic(Cyclic),
    /// No file can hold it.
    #[serde(skip)]
    Function(Function),
    Sequence {
        first: Box<Curve>,
        length: u64,
        next: Box<Curve>,
    },
    Product(Box<Curve>, Box<Curve>),
}

/// A factor of the rate as a function of the step.
#[derive(Clone)]
struct Function(Arc<dyn Fn(u64) -> f64 + Send + Sync>);

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// # The curves
///
/// ```
/// use demotic::optimizers::schedule::{Curve, Cyclic, OneCycle};
///
/// let rates = |curve: &Curve| [0, 2, 4, 8].map(|step| (100.0 * curve.at(step).unwrap()).round());
/// assert_eq!(rates(&Curve::constant(1.0)), [100.0, 100.0, 100.0, 100.0]);
/// assert_eq!(rates(&Curve::constant_factor(1.0, 0.5, 4)), [50.0, 50.0, 100.0, 100.0]);
/// assert_eq!(rates(&Curve::steps(1.0, 4, 0.1)), [100.0, 100.0, 10.0, 1.0]);
/// assert_eq!(rates(&Curve::exponential(1.0, 0.5)), [100.0, 25.0, 6.0, 0.0]);
/// assert_eq!(rates(&Curve::linear(1.0, 8)), [100.0, 75.0, 50.0, 0.0]);
/// assert_eq!(rates(&Curve::polynomial(1.0, 8, 2.0)), [100.0, 56.0, 25.0, 0.0]);
/// assert_eq!(rates(&Curve::cosine(1.0, 8)), [100.0, 85.0, 50.0, 0.0]);
/// assert_eq!(rates(&Curve::inverse_sqrt(1.0, 1)), [100.0, 58.0, 45.0, 33.0]);
/// assert_eq!(rates(&Curve::cyclic(Cyclic::new(0.0, 1.0).step_sizes(2, 2))), [0.0, 100.0, 0.0, 0.0]);
/// assert_eq!(rates(&Curve::one_cycle(OneCycle::new(1.0, 9)))[3], 0.0);
/// assert_eq!(rates(&Curve::constant(1.0).then(4, Curve::linear(1.0, 8))), [100.0, 100.0, 100.0, 50.0]);
/// assert_eq!(rates(&Curve::linear(1.0, 8).times(Curve::steps(1.0, 4, 0.5))), [100.0, 75.0, 25.0, 0.0]);
/// ```
impl Curve {
    fn new(shape: Shape, peak: f64) -> Self {
        Self { shape, peak, floor: 0.0, cycles: None, warm_up: 0, from_zero: false, groups: Vec::new(), step: 0 }
    }

    /// `rate` all the time, after the warm-up: `get_constant_schedule_with_warmup` of Hugging Face's `transformers`.
    #[must_use]
    pub fn constant(rate: f64) -> Self {
        Self::new(Shape::Constant, rate)
    }

    /// `factor · rate` for the given number of steps, and `rate` from there on: PyTorch's `ConstantLR`, whose `total_iters` is
    /// `steps`.
    #[doc(alias = "ConstantLR")]
    #[must_use]
    pub fn constant_factor(rate: f64, factor: f64, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        Self::constant(rate * factor).then(steps, Self::constant(rate))
    }

    /// `rate · factorⁿ` after `n · every` steps: PyTorch's `StepLR`. The factor is between 0 and 1.
    #[doc(alias = "StepLR")]
    #[must_use]
    pub fn steps(rate: f64, every: impl IntoCount, factor: f64) -> Self {
        let every = every.into_count();
        Self::new(Shape::Steps { every, factor }, rate)
    }

    /// `rate · factorⁿ` from the `n`-th milestone on: PyTorch's `MultiStepLR`. The factor is between 0 and 1; the milestones are
    /// numbers of steps in ascending order, and one that is there twice counts twice.
    ///
    /// ```
    /// use demotic::optimizers::schedule::Curve;
    ///
    /// let curve = Curve::milestones(1.0, [3, 5], 0.5);
    /// assert_eq!((curve.at(2)?, curve.at(3)?, curve.at(5)?), (1.0, 0.5, 0.25));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "MultiStepLR")]
    #[must_use]
    pub fn milestones(rate: f64, at: impl IntoIterator<Item = impl IntoCount>, factor: f64) -> Self {
        Self::new(Shape::Milestones { at: at.into_iter().map(IntoCount::into_count).collect(), factor }, rate)
    }

    /// `rate · factorᵗ` at step `t`: PyTorch's `ExponentialLR`. The factor is between 0 and 1.
    #[doc(alias = "ExponentialLR")]
    #[must_use]
    pub fn exponential(rate: f64, factor: f64) -> Self {
        Self::new(Shape::Exponential { factor }, rate)
    }

    /// `floor + (rate − floor) · (1 − t / steps)^power` at step `t`, and the floor from there on: PyTorch's `PolynomialLR`, whose
    /// `total_iters` is `steps`. The power is above 0; with 1, it is [`linear`](Self::linear).
    #[doc(alias = "PolynomialLR")]
    #[must_use]
    pub fn polynomial(rate: f64, steps: impl IntoCount, power: f64) -> Self {
        let steps = steps.into_count();
        Self::new(Shape::Polynomial { steps, power }, rate)
    }

    /// Down along half a cosine in the given number of steps (Loshchilov and Hutter, 2017), and constant from there on:
    /// `floor + (rate − floor) · (1 + cos(π · step / steps)) / 2`.
    #[must_use]
    pub fn cosine(rate: f64, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        Self::new(Shape::Cosine { steps }, rate)
    }

    /// Several times down along half a cosine, and at once up again, in the given number of steps in all; the floor from there
    /// on: `get_cosine_with_hard_restarts_schedule_with_warmup` of Hugging Face's `transformers`.
    ///
    /// ```
    /// use demotic::optimizers::schedule::Curve;
    ///
    /// let curve = Curve::cosine_restarts(1.0, 8, 2);
    /// for (step, percent) in [(0, 100.0), (1, 85.0), (2, 50.0), (3, 15.0), (4, 100.0), (7, 15.0), (8, 0.0)] {
    ///     assert_eq!((100.0 * curve.at(step)?).round(), percent);
    /// }
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn cosine_restarts(rate: f64, steps: impl IntoCount, cycles: impl IntoCount) -> Self {
        let (steps, cycles) = (steps.into_count(), cycles.into_count());
        Self::new(Shape::CosineRestarts { steps, cycles }, rate)
    }

    /// Down along half a cosine in `first` steps, and at once up again; each time in `factor` times as many steps as before
    /// (Loshchilov and Hutter, 2017): PyTorch's `CosineAnnealingWarmRestarts`, whose `T_0` and `T_mult` these are. Its `eta_min`
    /// is the [`floor`](Self::floor).
    ///
    /// ```
    /// use demotic::optimizers::schedule::Curve;
    ///
    /// let curve = Curve::cosine_warm_restarts(1.0, 2, 2);
    /// for (step, percent) in [(0, 100.0), (1, 50.0), (2, 100.0), (4, 50.0), (6, 100.0), (10, 50.0), (14, 100.0)] {
    ///     assert_eq!((100.0 * curve.at(step)?).round(), percent);
    /// }
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "CosineAnnealingWarmRestarts")]
    #[must_use]
    pub fn cosine_warm_restarts(rate: f64, first: impl IntoCount, factor: impl IntoCount) -> Self {
        let (first, factor) = (first.into_count(), factor.into_count());
        Self::new(Shape::WarmRestarts { first, factor }, rate)
    }

    /// Up, and down to nearly nothing, once in the whole training: see [`OneCycle`], PyTorch's `OneCycleLR`.
    #[doc(alias = "OneCycleLR")]
    #[must_use]
    pub fn one_cycle(options: OneCycle) -> Self {
        let peak = options.max_rate;
        Self::new(Shape::OneCycle(options), peak)
    }

    /// Up and down again and again: see [`Cyclic`], PyTorch's `CyclicLR`.
    #[doc(alias = "CyclicLR")]
    #[must_use]
    pub fn cyclic(options: Cyclic) -> Self {
        let peak = options.max_rate;
        Self::new(Shape::Cyclic(options), peak)
    }

    /// `rate · f(step)`: PyTorch's `LambdaLR`.
    ///
    /// ```
    /// use demotic::optimizers::schedule::Curve;
    ///
    /// let curve = Curve::function(0.1, |step| 1.0 / (1.0 + step as f64));
    /// assert_eq!(curve.at(1)?, 0.05);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "LambdaLR")]
    #[must_use]
    pub fn function(rate: f64, f: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
        Self::new(Shape::Function(Function(Arc::new(f))), rate)
    }

    /// From `start_factor · rate` to `end_factor · rate` along a straight line in the given number of steps, and constant from
    /// there on: PyTorch's `LinearLR`, whose `total_iters` is `steps`. The factors are between 0 and 1.
    ///
    /// ```
    /// use demotic::optimizers::schedule::Curve;
    ///
    /// let curve = Curve::linear_factors(0.1, 0.5, 1.0, 4);
    /// assert_eq!((curve.at(0)?, curve.at(2)?, curve.at(9)?), (0.05, 0.1 * 0.75, 0.1));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "LinearLR")]
    #[must_use]
    pub fn linear_factors(rate: f64, start_factor: f64, end_factor: f64, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        Self::new(Shape::LinearFactors { from: start_factor, to: end_factor, steps }, rate)
    }

    /// Down along a straight line in the given number of steps, and constant from there on:
    /// `floor + (rate − floor) · (1 − step / steps)`. The usual choice for fine-tuning encoders.
    #[must_use]
    pub fn linear(rate: f64, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        Self::new(Shape::Linear { steps }, rate)
    }

    /// Down with the root of the number of steps, without an end (Vaswani et al., 2017): `rate · √(scale / (step + scale))`. The
    /// scale is usually the number of steps of the warm-up.
    #[must_use]
    pub fn inverse_sqrt(rate: f64, scale: impl IntoCount) -> Self {
        let scale = scale.into_count();
        Self::new(Shape::InverseSqrt { scale }, rate)
    }

    /// This curve for so many steps, and then another one, which begins with its step 0: PyTorch's `SequentialLR`. Further curves
    /// follow at numbers of steps that count from the beginning.
    #[doc(alias = "SequentialLR")]
    #[must_use]
    pub fn then(self, steps: impl IntoCount, next: Curve) -> Self {
        let steps = steps.into_count();
        let peak = self.peak;
        Self::new(Shape::Sequence { first: Box::new(self), length: steps, next: Box::new(next) }, peak)
    }

    /// The product with another curve, which is usually one of rate 1: PyTorch's `ChainedScheduler`.
    #[doc(alias = "ChainedScheduler")]
    #[must_use]
    pub fn times(self, other: Curve) -> Self {
        let peak = self.peak;
        Self::new(Shape::Product(Box::new(self), Box::new(other)), peak)
    }

    /// Multiplies the rate of a group of parameters by a curve of its own. The optimizer has to have a
    /// [`Group`](crate::optimizers::Group) with this pattern.
    ///
    /// ```
    /// use demotic::optimizers::schedule::{Curve, Schedule};
    /// use demotic::optimizers::{AdamW, Group};
    ///
    /// // The encoder stands still for 100 steps, while the new head is trained.
    /// let late = Curve::constant(0.0).then(100, Curve::constant(0.1));
    /// let mut schedule = Curve::cosine(1e-3, 1000).group("encoder.*", late);
    /// let mut opt = AdamW::new(1e-3).group(Group::new("encoder.*"));
    /// schedule.start(&mut opt)?;
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn group(mut self, pattern: impl Into<String>, curve: Curve) -> Self {
        self.groups.push((pattern.into(), curve));
        self
    }

    /// The number of waves of a [`cosine`](Self::cosine) in its steps, above 0: `num_cycles` of `transformers`. After 0.5, which
    /// is the default, the rate is at the floor; after 1.5 too, having been up once more in between.
    #[doc(alias = "num_cycles")]
    #[must_use]
    pub fn cycles(mut self, cycles: f64) -> Self {
        self.cycles = Some(cycles);
        self
    }

    /// The smallest rate after the warm-up. Default 0.
    #[must_use]
    pub fn floor(mut self, floor: f64) -> Self {
        self.floor = floor;
        self
    }

    /// The number of steps in which the rate rises evenly to its peak, before the curve itself begins: 1 step in `n`
    /// takes `1/n` of the peak, the last one the peak. Default 0.
    #[must_use]
    pub fn warm_up(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        (self.warm_up, self.from_zero) = (steps, false);
        self
    }

    /// The same with a rate of 0 in the first step, so that the first step behind the warm-up is the one with the peak: the
    /// convention of `get_cosine_schedule_with_warmup` in Hugging Face's `transformers`. Their number of steps counts the
    /// warm-up, that of a curve does not.
    #[must_use]
    pub fn warm_up_from_zero(mut self, steps: impl IntoCount) -> Self {
        let steps = steps.into_count();
        (self.warm_up, self.from_zero) = (steps, true);
        self
    }
}

impl Curve {
    /// Sets what an optimizer has besides the learning rate.
    #[track_caller]
    fn set_others(&self, optimizer: &mut dyn Optimizer) -> Result<()> {
        if let Some(momentum) = self.momentum_at(self.step)? {
            optimizer.set_momentum(momentum)?;
        }
        for (pattern, curve) in &self.groups {
            optimizer.set_learning_rate_scale(pattern, curve.at(self.step)?)?;
        }
        Ok(())
    }
}

impl Schedule for Curve {
    #[track_caller]
    fn start(&self, optimizer: &mut dyn Optimizer) -> Result<()> {
        optimizer.set_learning_rate(self.at(self.step)?);
        self.set_others(optimizer)
    }

    #[track_caller]
    fn step(&mut self, optimizer: &mut dyn Optimizer, loss: f64) -> Result<()> {
        let rate = self.next_rate(optimizer.learning_rate(), loss)?;
        optimizer.set_learning_rate(rate);
        self.set_others(optimizer)
    }

    #[track_caller]
    fn first_rate(&self, _: f64) -> Result<f64> {
        self.at(self.step)
    }

    #[track_caller]
    fn next_rate(&mut self, _: f64, _: f64) -> Result<f64> {
        self.step = self.step.saturating_add(1);
        self.at(self.step)
    }

    fn state(&self) -> ScheduleState {
        ScheduleState::new("Curve", [("step", Some(self.step as f64))])
    }

    #[track_caller]
    fn load_state(&mut self, state: &ScheduleState) -> Result<()> {
        let [step] = state.read("Curve", ["step"])?;
        self.step = step.unwrap_or(0.0) as u64;
        Ok(())
    }
}
