//! A linear model of a model's neighbourhood.

use super::coalitions::{Coalition, Game, all, check_work, solve};
use super::gradients::check_samples;
use super::groups::Groups;
use super::subject::{Explained, found, one_baseline, tensor};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// LIME (Ribeiro et al., *"Why should I trust you?"*, 2016): some groups of an example are taken away, at random, the model is asked, and a
/// linear model of which groups are there is fitted to what it says, in which coalitions count the more the closer they are to all.
///
/// What stands in the place of a group is that of a baseline (zeros, if there is none): mean values of a table's columns, a grey patch, the
/// id of padding for tokens.
///
/// ```
/// use demotic::explain::{Explained, Groups, Lime, Target};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Flatten::new(), Linear::new(64, 3, &mut rng)?];
/// let pictures = Tensor::uniform([1, 1, 8, 8], 0.0, 1.0, &mut rng)?;
/// let patches = Groups::patches(&[1, 8, 8], 4)?;
/// let of = Explained::layer(&model).target(Target::Predicted);
/// let found = Lime::new().groups(&patches).alpha(1e-6).attribute(&of, &pictures, &mut rng)?;
/// assert_eq!(found.values.shape(), [1, 4]);
/// assert!(found.fit[0] > 0.99, "the model is linear");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lime {
    baseline: Option<Tensor>,
    groups: Option<Groups>,
    samples: usize,
    width: f64,
    alpha: f64,
}

/// The linear models of examples.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Surrogate {
    /// The coefficient of each group: `[n, groups]`.
    pub values: Tensor,
    /// What the linear model gives with no group.
    pub intercept: Vec<f64>,
    /// The share of the variance of the outputs that it explains (weighted R²): where this is small, the coefficients mean little.
    pub fit: Vec<f64>,
}

impl Default for Lime {
    fn default() -> Self {
        Self::new()
    }
}

impl Lime {
    /// A thousand samples, a kernel of width 0.25 and a penalty of 1, as in the authors' program for texts.
    #[must_use]
    pub fn new() -> Self {
        Self { baseline: None, groups: None, samples: 1000, width: 0.25, alpha: 1.0 }
    }

    /// What stands in the places of what was taken away: of the shape of one example, `[1, ..]`.
    #[must_use]
    pub fn baseline(self, baseline: &Tensor) -> Self {
        Self { baseline: Some(baseline.clone()), ..self }
    }

    /// Explains by groups of elements.
    #[must_use]
    pub fn groups(self, groups: &Groups) -> Self {
        Self { groups: Some(groups.clone()), ..self }
    }

    /// How often the model is asked about each example. From `2ᵖ` on for `p` groups, each coalition is asked about once, and nothing is
    /// drawn.
    #[must_use]
    pub fn samples(self, samples: usize) -> Self {
        Self { samples, ..self }
    }

    /// The `σ` of the weights `exp(−d² / σ²)`, where `d` is the cosine distance of a coalition from that of all groups.
    #[must_use]
    pub fn width(self, width: f64) -> Self {
        Self { width, ..self }
    }

    /// The penalty of the squared coefficients.
    #[must_use]
    pub fn alpha(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }

    /// A linear model for each example.
    ///
    /// # Errors
    /// If there are no samples, more than 1,000 groups or more than 50 million truth values for all coalitions, the width is not positive or the penalty is negative,
    /// something is not finite, or the target does not exist.
    #[track_caller]
    pub fn attribute(&self, of: &Explained<'_>, x: &Tensor, rng: &mut Rng) -> Result<Surrogate> {
        let op = "Lime";
        check_samples(op, self.samples)?;
        if !(self.width > 0.0 && self.width.is_finite() && self.alpha >= 0.0 && self.alpha.is_finite()) {
            let message =
                format!("width {} and alpha {}, expected a positive one and one from 0 on", self.width, self.alpha);
            return Err(Error::argument(op, message));
        }
        of.scorer(op, x)?;
        let base = one_baseline(op, x, self.baseline.as_ref())?;
        let game = Game::new(op, of, x, &base, self.groups.as_ref())?;
        let (p, n) = (game.players(), game.examples());
        check_work(op, p, self.samples)?;
        let complete = p < 24 && self.samples >= 1 << p;
        let (mut values, mut intercept, mut fit) = (Vec::with_capacity(n * p), Vec::new(), Vec::new());
        for i in 0..n {
            let coalitions = if complete { all(p) } else { drawn(p, self.samples, rng) };
            let outputs = game.values(i, &coalitions)?;
            let weights: Vec<f64> = coalitions
                .iter()
                .map(|coalition| {
                    let share = coalition.iter().filter(|there| **there).count() as f64 / p as f64;
                    (-(1.0 - share.sqrt()).powi(2) / (self.width * self.width)).exp()
                })
                .collect();
            let (coefficients, constant, r2) = ridge(&coalitions, &outputs, &weights, self.alpha);
            values.extend(coefficients);
            intercept.push(constant);
            fit.push(r2);
        }
        if let Some(i) = intercept.iter().zip(&fit).position(|(constant, r2)| !(constant + r2).is_finite()) {
            let message = format!("the outputs around example {i} differ by more than the squares of numbers can be");
            return Err(Error::numeric(op, message).with_help("explain an output that is scaled, or its logarithm"));
        }
        Ok(Surrogate { values: found(op, tensor(values, &[n, p], x)?)?, intercept, fit })
    }
}

/// All groups first, then coalitions of which each size is as likely as any other.
fn drawn(p: usize, samples: usize, rng: &mut Rng) -> Vec<Coalition> {
    let mut found = vec![vec![true; p]];
    let mut order: Vec<usize> = (0..p).collect();
    while found.len() < samples {
        rng.shuffle(&mut order);
        let mut coalition = vec![true; p];
        let away = 1 + rng.below(p);
        order[..away].iter().for_each(|i| coalition[*i] = false);
        found.push(coalition);
    }
    found
}

/// Weighted ridge regression with an intercept that has no penalty: coefficients, intercept, R².
fn ridge(rows: &[Coalition], y: &[f64], weights: &[f64], alpha: f64) -> (Vec<f64>, f64, f64) {
    let p = rows.first().map_or(0, Vec::len);
    let total: f64 = weights.iter().sum();
    let number = |there: bool| f64::from(u8::from(there));
    let mut means = vec![0.0; p];
    for (row, weight) in rows.iter().zip(weights) {
        means.iter_mut().zip(row).for_each(|(mean, x)| *mean += weight * number(*x) / total);
    }
    let mean_y = y.iter().zip(weights).map(|(y, weight)| weight * y / total).sum::<f64>();
    let (mut a, mut b) = (vec![0.0; p * p], vec![0.0; p]);
    for ((row, weight), y) in rows.iter().zip(weights).zip(y) {
        let centred: Vec<f64> = row.iter().zip(&means).map(|(x, mean)| number(*x) - mean).collect();
        for (i, x) in centred.iter().enumerate() {
            b[i] += weight * x * (y - mean_y);
            a[i * p..(i + 1) * p].iter_mut().zip(&centred).for_each(|(cell, z)| *cell += weight * x * z);
        }
    }
    (0..p).for_each(|i| a[i * p + i] += alpha);
    let coefficients = solve(&a, &b);
    let intercept = mean_y - coefficients.iter().zip(&means).map(|(c, mean)| c * mean).sum::<f64>();
    let (mut left, mut spread) = (0.0, 0.0);
    for ((row, weight), y) in rows.iter().zip(weights).zip(y) {
        let fitted = intercept + row.iter().zip(&coefficients).map(|(x, c)| number(*x) * c).sum::<f64>();
        left += weight * (y - fitted).powi(2);
        spread += weight * (y - mean_y).powi(2);
    }
    (coefficients, intercept, if spread > 0.0 { 1.0 - left / spread } else { 1.0 })
}
