//! Update rules of optimizers: each parameter, its gradient and its state are read once and written once.
//!
//! The formulas, and the order in which they round, are PyTorch's.

use super::simd::{Isa, Kernel, dispatch};
use super::split::for_parts;
use super::{GRAIN, Real};

/// How much longer than an addition an element takes, roughly.
const COST: usize = 4;

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

/// Updates the parameters `p` with their gradients `g`. Momentum needs a `velocity`; without one there is none.
pub(crate) fn sgd<T: Real>(rule: Sgd, p: &mut [T], g: &[T], velocity: Option<&mut [T]>) {
    fits("sgd", p, [g], [velocity.as_deref()]);
    for_parts((p, g, velocity), GRAIN / COST, &|(p, g, velocity)| dispatch(SgdLoop { rule, p, g, velocity }));
}

/// Updates the parameters `p` with their gradients `g`. `m` and `v` are the averages of the gradient and of its square,
/// `v_max` the largest `v` so far (AMSGrad, if given); all begin as zeros.
pub(crate) fn adam<T: Real>(rule: Adam, p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], v_max: Option<&mut [T]>) {
    fits("adam", p, [g, m, v], [v_max.as_deref()]);
    for_parts((p, g, m, v, v_max), GRAIN / COST, &|(p, g, m, v, v_max)| {
        dispatch(AdamLoop { rule, p, g, m, v, v_max });
    });
}

/// Updates the parameters `p` with their gradients `g`. `square` is the average of the gradient's square, `mean` that of
/// the gradient (centred, if given), and `velocity` is needed for momentum; all begin as zeros.
pub(crate) fn rmsprop<T: Real>(
    rule: RmsProp,
    p: &mut [T],
    g: &[T],
    square: &mut [T],
    mean: Option<&mut [T]>,
    velocity: Option<&mut [T]>,
) {
    fits("rmsprop", p, [g, square], [mean.as_deref(), velocity.as_deref()]);
    for_parts((p, g, square, mean, velocity), GRAIN / COST, &|(p, g, square, mean, velocity)| {
        dispatch(RmsPropLoop { rule, p, g, square, mean, velocity });
    });
}

/// Updates the parameters `p` with their gradients `g`. `sum` is the sum of the gradient's squares.
pub(crate) fn adagrad<T: Real>(rule: AdaGrad, p: &mut [T], g: &[T], sum: &mut [T]) {
    fits("adagrad", p, [g, sum], []);
    for_parts((p, g, sum), GRAIN / COST, &|(p, g, sum)| dispatch(AdaGradLoop { rule, p, g, sum }));
}

/// Everything that belongs to the parameters is as long as they are.
fn fits<T, const N: usize, const M: usize>(name: &str, p: &[T], all: [&[T]; N], some: [Option<&[T]>; M]) {
    let len = p.len();
    let fits = all.iter().all(|x| x.len() == len) && some.iter().flatten().all(|x| x.len() == len);
    assert!(fits, "{name}: gradient and state of {len} parameters");
}

/// `βⁿ`, for a step that may exceed `i32`.
fn power(beta: f64, step: u64) -> f64 {
    beta.powf(step as f64)
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

struct SgdLoop<'a, T> {
    rule: Sgd,
    p: &'a mut [T],
    g: &'a [T],
    velocity: Option<&'a mut [T]>,
}

impl<T: Real> Kernel for SgdLoop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let rule = self.rule;
        let (lr, decay) = (T::from_f64(rule.lr), T::from_f64(rule.weight_decay));
        let (momentum, intake) = (T::from_f64(rule.momentum), T::from_f64(1.0 - rule.dampening));
        let Some(velocity) = self.velocity else {
            for (p, &g) in self.p.iter_mut().zip(self.g) {
                *p = *p - lr * (g + decay * *p);
            }
            return;
        };
        if rule.first {
            for ((p, &g), v) in self.p.iter_mut().zip(self.g).zip(velocity) {
                let g = g + decay * *p;
                *v = g;
                *p = *p - lr * if rule.nesterov { g + momentum * g } else { g };
            }
        } else {
            for ((p, &g), v) in self.p.iter_mut().zip(self.g).zip(velocity) {
                let g = g + decay * *p;
                *v = flushed(momentum * *v + intake * g);
                *p = *p - lr * if rule.nesterov { g + momentum * *v } else { *v };
            }
        }
    }
}

struct AdamLoop<'a, T> {
    rule: Adam,
    p: &'a mut [T],
    g: &'a [T],
    m: &'a mut [T],
    v: &'a mut [T],
    v_max: Option<&'a mut [T]>,
}

impl<T: Real> Kernel for AdamLoop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let rule = self.rule;
        let shrink = T::from_f64(if rule.decoupled { 1.0 - rule.lr * rule.weight_decay } else { 1.0 });
        let decay = T::from_f64(if rule.decoupled { 0.0 } else { rule.weight_decay });
        let step_size = T::from_f64(rule.lr / (1.0 - power(rule.beta1, rule.step)));
        let root_scale = T::from_f64((1.0 - power(rule.beta2, rule.step)).sqrt().recip());
        let intake1 = T::from_f64(1.0 - rule.beta1);
        let (beta2, intake2) = (T::from_f64(rule.beta2), T::from_f64(1.0 - rule.beta2));
        let eps = T::from_f64(rule.eps);

        let averages = |p: &mut T, g: T, m: &mut T, v: &mut T| {
            let g = g + decay * *p;
            *p *= shrink;
            *m = flushed(*m + intake1 * (g - *m));
            *v = flushed(beta2 * *v + intake2 * g * g);
        };
        let update = |p: &mut T, m: T, v: T| *p = *p - step_size * (m / (v.sqrt() * root_scale + eps));

        let elements = self.p.iter_mut().zip(self.g).zip(self.m).zip(self.v);
        match self.v_max {
            None => {
                for (((p, &g), m), v) in elements {
                    averages(p, g, m, v);
                    update(p, *m, *v);
                }
            }
            Some(v_max) => {
                for ((((p, &g), m), v), v_max) in elements.zip(v_max) {
                    averages(p, g, m, v);
                    *v_max = if *v > *v_max || v.is_nan() { *v } else { *v_max };
                    update(p, *m, *v_max);
                }
            }
        }
    }
}

struct RmsPropLoop<'a, T> {
    rule: RmsProp,
    p: &'a mut [T],
    g: &'a [T],
    square: &'a mut [T],
    mean: Option<&'a mut [T]>,
    velocity: Option<&'a mut [T]>,
}

impl<T: Real> Kernel for RmsPropLoop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let rule = self.rule;
        let (lr, eps, decay) = (T::from_f64(rule.lr), T::from_f64(rule.eps), T::from_f64(rule.weight_decay));
        let (alpha, intake) = (T::from_f64(rule.alpha), T::from_f64(1.0 - rule.alpha));
        let momentum = T::from_f64(rule.momentum);

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

        let elements = self.p.iter_mut().zip(self.g).zip(self.square);
        match (self.mean, self.velocity) {
            (None, None) => {
                for ((p, &g), square) in elements {
                    *p = *p - lr * plain(p, g, square);
                }
            }
            (None, Some(velocity)) => {
                for (((p, &g), square), velocity) in elements.zip(velocity) {
                    *p = *p - lr * gather(velocity, plain(p, g, square));
                }
            }
            (Some(mean), None) => {
                for (((p, &g), square), mean) in elements.zip(mean) {
                    *p = *p - lr * centred(p, g, square, mean);
                }
            }
            (Some(mean), Some(velocity)) => {
                for ((((p, &g), square), mean), velocity) in elements.zip(mean).zip(velocity) {
                    *p = *p - lr * gather(velocity, centred(p, g, square, mean));
                }
            }
        }
    }
}

struct AdaGradLoop<'a, T> {
    rule: AdaGrad,
    p: &'a mut [T],
    g: &'a [T],
    sum: &'a mut [T],
}

impl<T: Real> Kernel for AdaGradLoop<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let rule = self.rule;
        let lr = T::from_f64(rule.lr / (1.0 + (rule.step as f64 - 1.0) * rule.lr_decay));
        let (eps, decay) = (T::from_f64(rule.eps), T::from_f64(rule.weight_decay));
        for ((p, &g), sum) in self.p.iter_mut().zip(self.g).zip(self.sum) {
            let g = g + decay * *p;
            *sum += g * g;
            *p = *p - lr * (g / (sum.sqrt() + eps));
        }
    }
}
