//! The distribution of the privacy loss of many steps, on a mesh (Gopi, Lee and Wutschitz, *Numerical composition of differential
//! privacy*, 2021).

use std::f64::consts::{PI, SQRT_2};

use super::accountant::Spending;
use super::rdp;
use crate::error::{Error, Result};

/// The widest mesh: 2²⁴ numbers.
const MAX_MESH: f64 = 16_777_216.0;
/// The steps in which the mean is integrated.
const MEAN_STEPS: usize = 20_000;

/// A lower bound, an estimate and an upper bound of ε for a history that is not empty, with noise everywhere.
#[track_caller]
pub(super) fn bounds(history: &[Spending], delta: f64, error: f64) -> Result<[f64; 3]> {
    let delta_error = delta / 1000.0;
    let steps: f64 = history.iter().map(|of| of.steps as f64).sum();
    // A loss beyond this is as unlikely as the error of δ allows.
    let mut reach = rdp::epsilon(history, delta_error / 4.0).0;
    for of in history {
        reach = reach.max(rdp::epsilon(&[Spending { steps: 1, ..*of }], delta_error / (8.0 * steps)).0);
    }
    let reach = reach.max(error) + 3.0;
    let dt = error / (steps * (12.0 / delta_error).ln() / 2.0).sqrt();
    let wanted = 2.0 * (reach / dt).ceil() + 2.0;
    if wanted.is_nan() || wanted > MAX_MESH {
        let message = format!(
            "the losses of {steps} steps reach up to {reach:.1}, for which a mesh has {wanted:e} places; 2^24 are allowed"
        );
        return Err(
            Error::numeric("epsilon", message).with_help("take Accounting::Rdp, or bounds() with a larger error")
        );
    }
    let n = (wanted as usize).next_power_of_two();
    if f64::EPSILON * n as f64 > delta - delta_error {
        let message = format!("delta is {delta:e}, which sums of {n} numbers in double precision cannot tell from 0");
        return Err(Error::numeric("epsilon", message).with_help("take Accounting::Rdp"));
    }
    let (mut all, mut shift) = (vec![(1.0, 0.0); n / 2 + 1], 0.0);
    for of in history {
        let one = Loss { rate: of.rate, noise: of.noise };
        let (mass, moved) = one.on_mesh(n, dt)?;
        shift += moved * of.steps as f64;
        for (sum, x) in all.iter_mut().zip(real_transform(&mass)) {
            *sum = times(*sum, power(x, of.steps));
        }
    }
    let mut mass = inverse_transform(all, n);
    // Losses from the smallest on.
    mass.rotate_left(n / 2);
    let loss = |i: usize| (i as f64 - (n / 2) as f64) * dt + shift;
    let epsilon = |target: f64| {
        // From the largest loss down, as long as δ of an ε of this size is small enough: the sum of what lies above it, less the same
        // with each of them as much less likely as it lies above.
        let (mut above, mut less, mut found) = (0.0, 0.0, f64::INFINITY);
        for i in (0..n).rev() {
            (above, less) = (above + mass[i], mass[i] + less * (-dt).exp());
            let x = loss(i);
            if above - less > target || x < -1.0 {
                break;
            }
            found = if above > target { x + ((above - target) / less).ln() } else { x };
        }
        found
    };
    let all = [epsilon(delta + delta_error) - error, epsilon(delta), epsilon(delta - delta_error) + error];
    Ok(all.map(|epsilon| epsilon.max(0.0)))
}

/// The loss of one step: `log(1 − q + q · e^Z)` with `Z = (2x − 1) / 2σ²`, `x` being normal around 1 with probability `q` and around 0
/// otherwise.
struct Loss {
    rate: f64,
    noise: f64,
}

impl Loss {
    /// The `x` at which the loss is `t`.
    fn place(&self, t: f64) -> f64 {
        let z = match t > 600.0 || self.rate == 1.0 {
            true => t - self.rate.ln(),
            false => ((t.exp_m1() + self.rate) / self.rate).ln(),
        };
        if z.is_nan() { f64::NEG_INFINITY } else { z * self.noise * self.noise + 0.5 }
    }

    fn at(&self, x: f64) -> f64 {
        let z = (2.0 * x - 1.0) / (2.0 * self.noise * self.noise);
        // Where the exponential is too large for a number, it is all there is.
        if z > 600.0 || self.rate == 1.0 { z + self.rate.ln() } else { (self.rate * z.exp_m1()).ln_1p() }
    }

    /// How likely `x` lies above a place, exactly where that is unlikely.
    fn above(&self, x: f64) -> f64 {
        let tail = |mean: f64| 0.5 * libm::erfc((x - mean) / (SQRT_2 * self.noise));
        self.rate * tail(1.0) + (1.0 - self.rate) * tail(0.0)
    }

    fn mean_between(&self, low: f64, high: f64) -> f64 {
        let (q, s) = (self.rate, self.noise);
        let (low, high) = (low.max(-12.0 * s), high.min(1.0 + 12.0 * s));
        let step = (high - low) / MEAN_STEPS as f64;
        let (mut mass, mut sum) = (0.0, 0.0);
        for i in 0..=MEAN_STEPS {
            let x = low + step * i as f64;
            let normal = |mean: f64| (-0.5 * ((x - mean) / s).powi(2)).exp();
            let weight = q * normal(1.0) + (1.0 - q) * normal(0.0);
            let weight = if i == 0 || i == MEAN_STEPS { weight / 2.0 } else { weight };
            mass += weight;
            sum += weight * self.at(x);
        }
        sum / mass
    }

    /// The probabilities on a mesh of `n` losses, `dt` apart: from 0 up, then from the smallest up. And by how much the mesh has to be
    /// moved for the mean to be right.
    #[track_caller]
    fn on_mesh(&self, n: usize, dt: f64) -> Result<(Vec<f64>, f64)> {
        let loss = |i: usize| if i < n / 2 { i as f64 * dt } else { (i as f64 - n as f64) * dt };
        let [low, high] = [loss(n / 2) - dt / 2.0, loss(n / 2 - 1) + dt / 2.0].map(|t| self.place(t));
        let all = self.above(low) - self.above(high);
        let mut mass = vec![0.0; n];
        let mut sum = 0.0;
        let mut edge = self.above(low);
        for i in (n / 2..n).chain(0..n / 2) {
            let next = self.above(self.place(loss(i) + dt / 2.0));
            mass[i] = (edge - next).max(0.0) / all;
            sum += mass[i] * loss(i);
            edge = next;
        }
        let moved = self.mean_between(low, high) - sum;
        if moved.is_nan() || moved.abs() >= dt / 2.0 {
            let message = format!("the mean on the mesh is off by {moved:e}, more than half of its step {dt:e}");
            return Err(
                Error::numeric("epsilon", message).with_help("take Accounting::Rdp, or bounds() with a smaller error")
            );
        }
        Ok((mass, moved))
    }
}

/// A complex number.
type Complex = (f64, f64);

fn times((a, b): Complex, (c, d): Complex) -> Complex {
    (a * c - b * d, a * d + b * c)
}

fn power(mut x: Complex, mut n: u64) -> Complex {
    let mut result = (1.0, 0.0);
    while n > 0 {
        if n & 1 == 1 {
            result = times(result, x);
        }
        x = times(x, x);
        n >>= 1;
    }
    result
}

/// The Fourier transform of a power of two of numbers, in place; `sign` is −1, or 1 for the inverse without its factor. The crate's
/// other transforms are an optional part of it.
fn transform(x: &mut [Complex], sign: f64) {
    let n = x.len();
    let mut j = 0;
    for i in 1..n {
        let mut bit = n >> 1;
        while j & bit != 0 {
            j ^= bit;
            bit >>= 1;
        }
        j |= bit;
        if i < j {
            x.swap(i, j);
        }
    }
    let roots: Vec<Complex> =
        (0..n / 2).map(|k| (sign * 2.0 * PI * k as f64 / n as f64).sin_cos()).map(|(sin, cos)| (cos, sin)).collect();
    let mut half = 1;
    while half < n {
        let stride = n / (2 * half);
        for block in x.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (k, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let turned = times(*b, roots[k * stride]);
                (*b, *a) = ((a.0 - turned.0, a.1 - turned.1), (a.0 + turned.0, a.1 + turned.1));
            }
        }
        half *= 2;
    }
}

/// The first half of the transform of real numbers; the other half mirrors it.
fn real_transform(x: &[f64]) -> Vec<Complex> {
    let mut all: Vec<Complex> = x.iter().map(|x| (*x, 0.0)).collect();
    transform(&mut all, -1.0);
    all.truncate(x.len() / 2 + 1);
    all
}

fn inverse_transform(half: Vec<Complex>, n: usize) -> Vec<f64> {
    let mut all = half;
    all.resize(n, (0.0, 0.0));
    for i in 1..n / 2 {
        all[n - i] = (all[i].0, -all[i].1);
    }
    transform(&mut all, 1.0);
    all.into_iter().map(|x| x.0 / n as f64).collect()
}
