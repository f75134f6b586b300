//! The rules that came after the classical ones, and two that came before them.

use super::super::Real;
use super::{Slices, flushed};

/// What Adam and its relatives make of the averages of the gradient and of its square: NAdam (Dozat, 2016) looks one step
/// ahead, RAdam (Liu et al., 2020) does not divide before it knows the second average well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    /// How much of the average, and how much of the gradient itself, makes the step.
    pub(crate) of_average: f64,
    pub(crate) of_gradient: f64,
    /// The denominator: the root of the average square times this, plus `eps`. Without it, there is none.
    pub(crate) root_scale: Option<f64>,
    pub(crate) eps: f64,
    /// Added to the gradient.
    pub(crate) weight_decay: f64,
    /// What the parameter is multiplied by first.
    pub(crate) shrink: f64,
}

/// Adamax (Kingma and Ba, 2015).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adamax {
    /// With the correction of the first average.
    pub(crate) lr: f64,
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
}

/// Adadelta (Zeiler, 2012).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adadelta {
    pub(crate) lr: f64,
    pub(crate) rho: f64,
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
}

/// Lion (Chen et al., 2023).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lion {
    pub(crate) lr: f64,
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) weight_decay: f64,
}

/// Rprop (Riedmiller and Braun, 1993).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rprop {
    pub(crate) eta_minus: f64,
    pub(crate) eta_plus: f64,
    pub(crate) min_step: f64,
    pub(crate) max_step: f64,
    pub(crate) weight_decay: f64,
}

/// Averaged stochastic gradient descent (Polyak and Juditsky, 1992).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asgd {
    pub(crate) eta: f64,
    /// What the parameter is multiplied by first.
    pub(crate) shrink: f64,
    /// The part of the way that the average goes to the parameter; at 1 it is the parameter.
    pub(crate) mu: f64,
    pub(crate) weight_decay: f64,
}

/// -1, 0 or 1; NaN of NaN.
#[inline(always)]
fn sign<T: Real>(x: T) -> T {
    if x > T::zero() {
        T::one()
    } else if x < T::zero() {
        -T::one()
    } else {
        x
    }
}

impl Moments {
    #[inline(always)]
    pub(super) fn run<T: Real>(&self, Slices { p, g, state: [m, v, _] }: Slices<'_, T>) {
        let (decay, shrink) = (T::from_f64(self.weight_decay), T::from_f64(self.shrink));
        let intake1 = T::from_f64(1.0 - self.beta1);
        let (beta2, intake2) = (T::from_f64(self.beta2), T::from_f64(1.0 - self.beta2));
        let (of_average, of_gradient) = (T::from_f64(self.of_average), T::from_f64(self.of_gradient));
        let (root_scale, eps) = (T::from_f64(self.root_scale.unwrap_or(0.0)), T::from_f64(self.eps));
        let divides = self.root_scale.is_some();
        for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let g = g + decay * *p;
            *m = flushed(*m + intake1 * (g - *m));
            *v = flushed(beta2 * *v + intake2 * g * g);
            let step = of_gradient * g + of_average * *m;
            let denominator = if divides { v.sqrt() * root_scale + eps } else { T::one() };
            *p = *p * shrink - step / denominator;
        }
    }
}

impl Adamax {
    #[inline(always)]
    pub(super) fn run<T: Real>(&self, Slices { p, g, state: [m, largest, _] }: Slices<'_, T>) {
        let (lr, decay, eps) = (T::from_f64(self.lr), T::from_f64(self.weight_decay), T::from_f64(self.eps));
        let (intake1, beta2) = (T::from_f64(1.0 - self.beta1), T::from_f64(self.beta2));
        for (((p, &g), m), largest) in p.iter_mut().zip(g).zip(m).zip(largest) {
            let g = g + decay * *p;
            *m = flushed(*m + intake1 * (g - *m));
            *largest = (beta2 * *largest).max(g.abs() + eps);
            *p = *p - lr * (*m / *largest);
        }
    }
}

impl Adadelta {
    #[inline(always)]
    pub(super) fn run<T: Real>(&self, Slices { p, g, state: [square, deltas, _] }: Slices<'_, T>) {
        let (lr, decay, eps) = (T::from_f64(self.lr), T::from_f64(self.weight_decay), T::from_f64(self.eps));
        let (rho, intake) = (T::from_f64(self.rho), T::from_f64(1.0 - self.rho));
        for (((p, &g), square), deltas) in p.iter_mut().zip(g).zip(square).zip(deltas) {
            let g = g + decay * *p;
            *square = flushed(rho * *square + intake * g * g);
            let delta = (*deltas + eps).sqrt() / (*square + eps).sqrt() * g;
            *deltas = flushed(rho * *deltas + intake * delta * delta);
            *p = *p - lr * delta;
        }
    }
}

impl Lion {
    #[inline(always)]
    pub(super) fn run<T: Real>(&self, Slices { p, g, state: [m, ..] }: Slices<'_, T>) {
        let (lr, decay) = (T::from_f64(self.lr), T::from_f64(self.weight_decay));
        let (beta1, intake1) = (T::from_f64(self.beta1), T::from_f64(1.0 - self.beta1));
        let (beta2, intake2) = (T::from_f64(self.beta2), T::from_f64(1.0 - self.beta2));
        for ((p, &g), m) in p.iter_mut().zip(g).zip(m) {
            *p = *p - lr * (sign(beta1 * *m + intake1 * g) + decay * *p);
            *m = flushed(beta2 * *m + intake2 * g);
        }
    }
}

impl Rprop {
    #[inline(always)]
    pub(super) fn run<T: Real>(&self, Slices { p, g, state: [earlier, size, _] }: Slices<'_, T>) {
        let (shorter, longer) = (T::from_f64(self.eta_minus), T::from_f64(self.eta_plus));
        let (min, max) = (T::from_f64(self.min_step), T::from_f64(self.max_step));
        let decay = T::from_f64(self.weight_decay);
        for (((p, &g), earlier), size) in p.iter_mut().zip(g).zip(earlier).zip(size) {
            let g = g + decay * *p;
            // The signs are compared, not the product, which underflows.
            let agreement = sign(g) * sign(*earlier);
            let factor = if agreement > T::zero() {
                longer
            } else if agreement < T::zero() {
                shorter
            } else {
                T::one()
            };
            *size = (*size * factor).max(min).min(max);
            // Behind a minimum, the next step begins anew.
            let g = if agreement < T::zero() { T::zero() } else { g };
            *p = *p - sign(g) * *size;
            *earlier = g;
        }
    }
}

impl Asgd {
    #[inline(always)]
    pub(super) fn run<T: Real>(&self, Slices { p, g, state: [average, ..] }: Slices<'_, T>) {
        let (eta, shrink) = (T::from_f64(self.eta), T::from_f64(self.shrink));
        let (mu, decay) = (T::from_f64(self.mu), T::from_f64(self.weight_decay));
        let follows = self.mu == 1.0;
        for ((p, &g), average) in p.iter_mut().zip(g).zip(average) {
            let g = g + decay * *p;
            *p = *p * shrink - eta * g;
            *average = if follows { *p } else { *average + mu * (*p - *average) };
        }
    }
}
