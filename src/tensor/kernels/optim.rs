//! Update rules of optimizers: each parameter, its gradient and its state are read once and written once.
//!
//! The formulas, and the order in which they round, are PyTorch's.

mod variants;

use std::ops::Range;

use half::slice::HalfFloatSliceExt;

use crate::parallel;

use super::shared::Shared;
use super::simd::{Isa, Kernel, dispatch};
use super::{Elem, GRAIN, Real};
pub(crate) use variants::{Adadelta, Adamax, Asgd, Lion, Moments, Rprop};

/// How much longer than an addition an element takes, roughly.
const COST: usize = 4;

/// Parameters of 16 bits that are widened at a time.
const WIDENED: usize = 1024;

/// Stochastic gradient descent with momentum (Polyak, 1964; Nesterov, 1983).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sgd {
    pub(crate) lr: f64,
    pub(crate) momentum: f64,
    pub(crate) dampening: f64,
    pub(crate) weight_decay: f64,
    pub(crate) nesterov: bool,
    /// Whether the velocity holds nothing yet. It is not read then, and starts as the gradient itself.
    pub(crate) first: bool,
}

/// Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019), and AMSGrad (Reddi et al., 2018).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adam {
    pub(crate) lr: f64,
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
    /// Whether the decay acts on the parameter itself (AdamW) instead of being added to the gradient.
    pub(crate) decoupled: bool,
    /// The number of this step, from 1.
    pub(crate) step: u64,
}

/// RMSprop (Hinton, 2012), centred as in Graves (2013).
#[derive(Debug, Clone, Copy)]
pub(crate) struct RmsProp {
    pub(crate) lr: f64,
    pub(crate) alpha: f64,
    pub(crate) eps: f64,
    pub(crate) momentum: f64,
    pub(crate) weight_decay: f64,
}

/// AdaGrad (Duchi et al., 2011).
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdaGrad {
    pub(crate) lr: f64,
    pub(crate) lr_decay: f64,
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
    /// The number of this step, from 1.
    pub(crate) step: u64,
}

/// Makes the rules of a table: the name of each, and which of the state it needs: always (`Some(true)`), at will (`Some(false)`) or
/// never (`None`).
macro_rules! rules {
    ($($rule:ident $name:literal $needs:expr;)+) => {
        /// An update rule with its settings.
        #[derive(Debug, Clone, Copy)]
        pub(crate) enum Rule {
            $($rule($rule),)+
        }

        impl Rule {
            fn needs(&self) -> (&'static str, [Option<bool>; STATES]) {
                match self {
                    $(Self::$rule(rule) => {
                        let needs: fn(&$rule) -> [Option<bool>; STATES] = $needs;
                        ($name, needs(rule))
                    })+
                }
            }

            #[inline(always)]
            fn run<T: Real>(&self, part: Slices<'_, T>) {
                match self {
                    $(Self::$rule(rule) => rule.run(part),)+
                }
            }
        }
    };
}

rules! {
    Sgd "sgd" |rule| [Some(rule.momentum != 0.0), None, None];
    Adam "adam" |_| [Some(true), Some(true), Some(false)];
    RmsProp "rmsprop" |rule| [Some(true), Some(false), Some(rule.momentum != 0.0)];
    AdaGrad "adagrad" |_| [Some(true), None, None];
    Moments "moments" |_| [Some(true), Some(true), None];
    Adamax "adamax" |_| [Some(true), Some(true), None];
    Adadelta "adadelta" |_| [Some(true), Some(true), None];
    Lion "lion" |_| [Some(true), None, None];
    Rprop "rprop" |_| [Some(true), Some(true), None];
    Asgd "asgd" |_| [Some(true), None, None];
}

/// How many numbers a rule remembers of each parameter, at most.
pub(crate) const STATES: usize = 3;

/// Parameters, their gradients, and what the rule remembers of them: as much of each as there are parameters, or nothing of the
/// state that a rule has no use for. All of the state begins as zeros, unless the rule says otherwise.
///
/// | rule | state |
/// |---|---|
/// | [`Sgd`] | velocity, with momentum |
/// | [`Adam`] | averages of the gradient and of its square, and the largest of the latter so far (AMSGrad, if there is one) |
/// | [`RmsProp`] | averages of the gradient's square and of the gradient (centred, if there is one), velocity, with momentum |
/// | [`AdaGrad`] | sum of the gradient's squares |
/// | [`Moments`] | averages of the gradient and of its square |
/// | [`Adamax`] | average of the gradient, and its largest magnitude of late |
/// | [`Adadelta`] | averages of the squares of the gradient and of the steps |
/// | [`Lion`] | average of the gradient |
/// | [`Rprop`] | the gradient before, and the length of the next step, which the caller sets at first |
/// | [`Asgd`] | average of the parameter |
#[derive(Debug)]
pub(crate) struct Slices<'a, T> {
    pub(crate) p: &'a mut [T],
    pub(crate) g: &'a [T],
    pub(crate) state: [&'a mut [T]; STATES],
}

impl<T> Slices<'_, T> {
    /// Asserts that what belongs to `len` parameters is as much as they are.
    fn assert_fits(&self, rule: &Rule, len: usize) {
        let (name, needed) = rule.needs();
        let fits = self.state.iter().zip(needed).all(|(state, needed)| match needed {
            Some(true) => state.len() == len,
            Some(false) => state.len() == len || state.is_empty(),
            None => state.is_empty(),
        });
        assert!(self.g.len() == len && fits, "{name}: gradient and state of {len} parameters");
    }
}

/// Updates parameters.
pub(crate) fn update<T: Real>(rule: &Rule, all: Slices<'_, T>) {
    all.assert_fits(rule, all.p.len());
    for_parts(all, &|_, part| dispatch(Loop { rule, part }));
}

/// Updates parameters that are stored in 16 bits. `all` has them in single precision (master weights), which is what is
/// updated, and then rounded. Without those, each is widened for its update, and what is below its rounding is lost.
pub(crate) fn update_rounded<H: Elem>(rule: &Rule, rounded: &mut [H], all: Slices<'_, f32>)
where
    [H]: HalfFloatSliceExt,
{
    all.assert_fits(rule, rounded.len());
    let has_master = !all.p.is_empty();
    assert!(!has_master || all.p.len() == rounded.len(), "master weights of {} parameters", rounded.len());
    let rounded = Shared::new(rounded);
    for_parts(all, &|range, Slices { p, g, mut state }| {
        // SAFETY: the ranges of parts do not overlap.
        let rounded = unsafe { rounded.part(range) };
        if has_master {
            dispatch(Loop { rule, part: Slices { p: &mut *p, g, state } });
            return rounded.convert_from_f32_slice(p);
        }
        let mut wide = [0.0; WIDENED];
        for (rounded, g) in rounded.chunks_mut(WIDENED).zip(g.chunks(WIDENED)) {
            let p = &mut wide[..g.len()];
            rounded.convert_to_f32_slice(p);
            let state = state.each_mut().map(|rest| {
                let at = g.len().min(rest.len());
                let (part, others) = std::mem::take(rest).split_at_mut(at);
                *rest = others;
                part
            });
            dispatch(Loop { rule, part: Slices { p: &mut *p, g, state } });
            rounded.convert_from_f32_slice(p);
        }
    });
}

/// Calls `f` for parts of some thousand parameters each, and where they are. Like the state, `p` may be empty.
fn for_parts<T: Real>(all: Slices<'_, T>, f: &(dyn Fn(Range<usize>, Slices<'_, T>) + Sync)) {
    let Slices { p, g, state } = all;
    let (p, state) = (Shared::new(p), state.map(Shared::new));
    parallel::for_ranges(g.len(), GRAIN / COST, &|range| {
        // SAFETY: the ranges do not overlap.
        let (p, state) = unsafe {
            let state = state.each_ref().map(|state| state.part_or_nothing(range.clone()));
            (p.part_or_nothing(range.clone()), state)
        };
        f(range.clone(), Slices { p, g: &g[range], state });
    });
}

/// `1 − βⁿ`: how much of an average that began at zero is gradients after `n` steps.
fn warmed_up(beta: f64, step: u64) -> f64 {
    let step = step as f64;
    // As βⁿ < e^(n(β−1)), what would be subtracted is below half a unit in the last place of 1.
    if step * (1.0 - beta) > 40.0 { 1.0 } else { 1.0 - beta.powf(step) }
}

/// Zero in place of subnormal numbers.
///
/// The averages of a gradient that has become zero, that of a unit which is never active for example, fade away through the
/// subnormal numbers, and arithmetic on those takes many times as long: half of a small model's step before they were
/// flushed.
#[inline(always)]
fn flushed<T: Real>(x: T) -> T {
    if x.abs() < T::min_positive_value() { T::zero() } else { x }
}

/// One part of the parameters.
struct Loop<'a, T> {
    rule: &'a Rule,
    part: Slices<'a, T>,
}

impl<T: Real> Kernel for Loop<'_, T> {
    type Output = ();
    const WIDE: bool = T::WIDE;

    #[inline(always)]
    fn run<I: Isa>(self) {
        self.rule.run(self.part);
    }
}

impl Sgd {
    #[inline(always)]
    fn run<T: Real>(&self, Slices { p, g, state: [velocity, ..] }: Slices<'_, T>) {
        let (lr, decay) = (T::from_f64(self.lr), T::from_f64(self.weight_decay));
        let (momentum, intake) = (T::from_f64(self.momentum), T::from_f64(1.0 - self.dampening));
        if velocity.is_empty() {
            for (p, &g) in p.iter_mut().zip(g) {
                *p = *p - lr * (g + decay * *p);
            }
        } else if self.first {
            for ((p, &g), v) in p.iter_mut().zip(g).zip(velocity) {
                let g = g + decay * *p;
                *v = g;
                *p = *p - lr * if self.nesterov { g + momentum * g } else { g };
            }
        } else {
            for ((p, &g), v) in p.iter_mut().zip(g).zip(velocity) {
                let g = g + decay * *p;
                *v = flushed(momentum * *v + intake * g);
                *p = *p - lr * if self.nesterov { g + momentum * *v } else { *v };
            }
        }
    }
}

impl Adam {
    #[inline(always)]
    fn run<T: Real>(&self, Slices { p, g, state: [m, v, v_max] }: Slices<'_, T>) {
        let shrink = T::from_f64(if self.decoupled { 1.0 - self.lr * self.weight_decay } else { 1.0 });
        let decay = T::from_f64(if self.decoupled { 0.0 } else { self.weight_decay });
        let step_size = T::from_f64(self.lr / warmed_up(self.beta1, self.step));
        let root_scale = T::from_f64(warmed_up(self.beta2, self.step).sqrt().recip());
        let intake1 = T::from_f64(1.0 - self.beta1);
        let (beta2, intake2) = (T::from_f64(self.beta2), T::from_f64(1.0 - self.beta2));
        let eps = T::from_f64(self.eps);

        let averages = |p: &mut T, g: T, m: &mut T, v: &mut T| {
            let g = g + decay * *p;
            *p *= shrink;
            *m = flushed(*m + intake1 * (g - *m));
            *v = flushed(beta2 * *v + intake2 * g * g);
        };
        let update = |p: &mut T, m: T, v: T| *p = *p - step_size * (m / (v.sqrt() * root_scale + eps));

        let elements = p.iter_mut().zip(g).zip(m).zip(v);
        if v_max.is_empty() {
            for (((p, &g), m), v) in elements {
                averages(p, g, m, v);
                update(p, *m, *v);
            }
        } else {
            for ((((p, &g), m), v), v_max) in elements.zip(v_max) {
                averages(p, g, m, v);
                *v_max = if *v > *v_max || v.is_nan() { *v } else { *v_max };
                update(p, *m, *v_max);
            }
        }
    }
}

impl RmsProp {
    #[inline(always)]
    fn run<T: Real>(&self, Slices { p, g, state: [square, mean, velocity] }: Slices<'_, T>) {
        let (lr, eps, decay) = (T::from_f64(self.lr), T::from_f64(self.eps), T::from_f64(self.weight_decay));
        let (alpha, intake) = (T::from_f64(self.alpha), T::from_f64(1.0 - self.alpha));
        let momentum = T::from_f64(self.momentum);

        let plain = |p: &T, g: T, square: &mut T| {
            let g = g + decay * *p;
            *square = flushed(alpha * *square + intake * g * g);
            g / (square.sqrt() + eps)
        };
        let centred = |p: &T, g: T, square: &mut T, mean: &mut T| {
            let g = g + decay * *p;
            *square = flushed(alpha * *square + intake * g * g);
            *mean = flushed(*mean + intake * (g - *mean));
            // The variance of a constant gradient is zero, which rounding must not make negative.
            g / ((*square - *mean * *mean).max(T::zero()).sqrt() + eps)
        };
        let gather = |velocity: &mut T, step: T| {
            *velocity = flushed(momentum * *velocity + step);
            *velocity
        };

        let elements = p.iter_mut().zip(g).zip(square);
        match (mean.is_empty(), velocity.is_empty()) {
            (true, true) => {
                for ((p, &g), square) in elements {
                    *p = *p - lr * plain(p, g, square);
                }
            }
            (true, false) => {
                for (((p, &g), square), velocity) in elements.zip(velocity) {
                    *p = *p - lr * gather(velocity, plain(p, g, square));
                }
            }
            (false, true) => {
                for (((p, &g), square), mean) in elements.zip(mean) {
                    *p = *p - lr * centred(p, g, square, mean);
                }
            }
            (false, false) => {
                for ((((p, &g), square), mean), velocity) in elements.zip(mean).zip(velocity) {
                    *p = *p - lr * gather(velocity, centred(p, g, square, mean));
                }
            }
        }
    }
}

impl AdaGrad {
    #[inline(always)]
    fn run<T: Real>(&self, Slices { p, g, state: [sum, ..] }: Slices<'_, T>) {
        let lr = T::from_f64(self.lr / (1.0 + (self.step as f64 - 1.0) * self.lr_decay));
        let (eps, decay) = (T::from_f64(self.eps), T::from_f64(self.weight_decay));
        for ((p, &g), sum) in p.iter_mut().zip(g).zip(sum) {
            let g = g + decay * *p;
            *sum += g * g;
            *p = *p - lr * (g / (sum.sqrt() + eps));
        }
    }
}
