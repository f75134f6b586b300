//! Logistic regression by Newton's method, and the equations it solves.

use crate::error::{Error, Result};

/// A fitted logistic regression: the probability of `y = 1` is `σ(coefficients · x + intercept)`.
#[derive(Debug, Clone)]
pub(crate) struct Logistic {
    pub(crate) coefficients: Vec<f64>,
    pub(crate) intercept: f64,
}

impl Logistic {
    pub(crate) fn logit(&self, x: &[f64]) -> f64 {
        self.intercept + x.iter().zip(&self.coefficients).map(|(x, c)| x * c).sum::<f64>()
    }
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// `ln(1 + eˣ)`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The most features of a logistic regression: its equations have their square.
const MOST_FEATURES: usize = 2000;

/// Minimises `Σ w · (−y ln p − (1 − y) ln(1 − p)) + l2/2 · Σ c²` over coefficients and intercept, the latter without a penalty, for rows
/// `x` of `width` finite numbers and targets from 0 to 1. It is scikit-learn's `LogisticRegression` with `C = 1 / l2`.
#[track_caller]
pub(crate) fn logistic(
    op: &'static str,
    x: &[f64],
    width: usize,
    y: &[f64],
    weights: Option<&[f64]>,
    l2: f64,
) -> Result<Logistic> {
    if width > MOST_FEATURES {
        let message =
            format!("{width} features, of which Newton's equations would have the square; at most {MOST_FEATURES}");
        return Err(Error::argument(op, message));
    }
    let rows = y.len();
    // Columns of about 1, whose squares are neither too large nor too small: powers of two round nothing.
    let units: Vec<f64> = (0..width)
        .map(|j| x.iter().skip(j).step_by(width).fold(0.0, |most: f64, x| most.max(x.abs())))
        .map(|most| if most > 0.0 && most.is_finite() { most.log2().floor().exp2() } else { 1.0 })
        .collect();
    let x: Vec<f64> = x.iter().enumerate().map(|(i, x)| x / units[i % width]).collect();
    // A penalty beyond this leaves nothing of a coefficient.
    let penalties: Vec<f64> = units.iter().map(|s| if l2 > 0.0 { (l2 / s / s).min(1e200) } else { 0.0 }).collect();
    let row = |i: usize| &x[i * width..(i + 1) * width];
    let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
    let mut at = Logistic { coefficients: vec![0.0; width], intercept: 0.0 };
    let loss = |at: &Logistic| -> f64 {
        let data: f64 = (0..rows).map(|i| weight(i) * (softplus(at.logit(row(i))) - y[i] * at.logit(row(i)))).sum();
        data + 0.5 * at.coefficients.iter().zip(&penalties).map(|(c, l2)| l2 * c * c).sum::<f64>()
    };
    let size = width + 1;
    let mut best = loss(&at);
    for _ in 0..100 {
        let (mut gradient, mut hessian) = (vec![0.0; size], vec![0.0; size * size]);
        for (i, y) in y.iter().enumerate() {
            let p = sigmoid(at.logit(row(i)));
            let (slope, curve) = (weight(i) * (p - y), weight(i) * p * (1.0 - p));
            let of = |j: usize| if j < width { x[i * width + j] } else { 1.0 };
            for (j, gradient) in gradient.iter_mut().enumerate() {
                let xj = of(j);
                *gradient += slope * xj;
                // What is zero in most columns (one-hot) adds nothing.
                if xj != 0.0 {
                    let scaled = curve * xj;
                    (0..=j).for_each(|k| hessian[j * size + k] += scaled * of(k));
                }
            }
        }
        for (j, (c, l2)) in at.coefficients.iter().zip(&penalties).enumerate() {
            gradient[j] += l2 * c;
            hessian[j * size + j] += l2;
        }
        if gradient.iter().all(|g| g.abs() < 1e-11 * (1.0 + rows as f64)) {
            break;
        }
        // Columns that depend on others leave some directions open.
        let most = (0..size).map(|j| hessian[j * size + j]).fold(0.0, f64::max);
        (0..size).for_each(|j| hessian[j * size + j] += 1e-13 * most + 1e-300);
        let Some(factor) = cholesky(&hessian, size) else { break };
        let step = solve_lower_transposed(&factor, size, &solve_lower(&factor, size, &gradient));
        let mut scale = 1.0;
        let next = loop {
            let moved = |j: usize, from: f64| from - scale * step[j];
            let coefficients = (0..width).map(|j| moved(j, at.coefficients[j])).collect();
            let next = Logistic { coefficients, intercept: moved(width, at.intercept) };
            let now = loss(&next);
            if now <= best {
                best = now;
                break Some(next);
            }
            scale *= 0.5;
            if scale < 1e-8 {
                break None;
            }
        };
        match next {
            // Where classes can be separated, the loss falls for ever.
            Some(next) if next.coefficients.iter().all(|c| c.abs() < 1e8) => at = next,
            _ => break,
        }
    }
    at.coefficients.iter_mut().zip(&units).for_each(|(c, s)| *c /= s);
    if at.coefficients.iter().chain([&at.intercept]).any(|c| !c.is_finite()) {
        return Err(Error::numeric(op, "the logistic regression has no finite solution"));
    }
    Ok(at)
}

/// The lower factor `L` with `L · Lᵀ` the symmetric matrix whose lower half is given; `None` if it is not positive.
pub(crate) fn cholesky(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = l[i * n..i * n + j].iter().zip(&l[j * n..j * n + j]).map(|(a, b)| a * b).sum();
            let rest = matrix[i * n + j] - known;
            l[i * n + j] = if i == j {
                if !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / l[j * n + j]
            };
        }
    }
    Some(l)
}

/// Solves `L · x = b`.
pub(crate) fn solve_lower(l: &[f64], n: usize, b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for i in 0..n {
        let known: f64 = l[i * n..i * n + i].iter().zip(&x).map(|(a, b)| a * b).sum();
        x[i] = (x[i] - known) / l[i * n + i];
    }
    x
}

/// Solves `Lᵀ · x = b`.
fn solve_lower_transposed(l: &[f64], n: usize, b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| l[k * n + i] * x[k]).sum();
        x[i] = (x[i] - known) / l[i * n + i];
    }
    x
}
