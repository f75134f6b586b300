//! Shapley values, exactly and from samples.

use super::coalitions::{Coalition, Game, all, check_players, check_work, solve};
use super::gradients::check_samples;
use super::groups::Groups;
use super::subject::{Attribution, Explained, found, tensor};
use crate::error::Result;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Exact Shapley values (Shapley, 1953; Lundberg and Lee, 2017): what each group of elements adds to the output on average, over all orders
/// in which groups could come in. Of what is not there, a background has the values, whose outputs are averaged (interventional values).
///
/// With `p` groups and a background of `m` examples, the model is asked about `2ᵖ · m` rows for each example: at most 20 groups.
///
/// ```
/// use demotic::explain::{Explained, exact_shapley};
/// use demotic::prelude::*;
///
/// // Of a linear model: the weight times the distance from the mean of the background.
/// let f = |x: &Tensor| x.mul(&tensor![2.0, -1.0])?.sum_dims(&[1], false);
/// let background = tensor![[0.0, 0.0], [2.0, 4.0]];
/// let found = exact_shapley(&Explained::function(&f), &tensor![[3.0, 1.0]], &background, None)?;
/// assert_eq!(found.values.to_vec::<f32>()?, [4.0, 1.0]);
/// assert_eq!(found.base, [0.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there are too many groups, the background is no `[m, ..]` of examples like the inputs, something is not finite, or the target does
/// not exist.
#[track_caller]
pub fn exact_shapley(
    of: &Explained<'_>,
    x: &Tensor,
    background: &Tensor,
    groups: Option<&Groups>,
) -> Result<Attribution> {
    let op = "exact_shapley";
    let game = Game::new(op, of, x, background, groups)?;
    let p = game.players();
    check_players(op, p, 20, "KernelShap takes samples of the coalitions; Groups joins elements")?;
    let coalitions = all(p);
    // How much it counts that a group comes to so many others: the share of the orders in which that is so.
    let mut weights = vec![1.0 / p as f64; p];
    for k in 1..p {
        weights[k] = weights[k - 1] * k as f64 / (p - k) as f64;
    }
    let (mut values, mut outputs, mut base) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..game.examples() {
        let asked = game.values(i, &coalitions)?;
        for player in 0..p {
            let without = (0..asked.len()).filter(|k| k >> player & 1 == 0);
            values.push(
                without.map(|k| weights[k.count_ones() as usize] * (asked[k | 1 << player] - asked[k])).sum::<f64>(),
            );
        }
        base.push(asked[0]);
        outputs.push(asked[asked.len() - 1]);
    }
    Ok(Attribution { values: found(op, tensor(values, &[game.examples(), p], x)?)?, outputs, base })
}

/// Kernel SHAP (Lundberg and Lee, *A unified approach to interpreting model predictions*, 2017): Shapley values as the weighted linear
/// regression of outputs on which groups are there.
///
/// As SHAP's `KernelExplainer`, it asks about the coalitions in the order of their weights, the smallest and largest ones first, and draws
/// what is left of its number at random, each with its complement. With as many samples as there are coalitions (`2ᵖ − 2`) the values are
/// exact, and nothing is drawn. The same coalitions serve all examples.
///
/// ```
/// use demotic::explain::{Explained, KernelShap};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(6, 16, &mut rng)?, Relu, Linear::new(16, 1, &mut rng)?];
/// let background = Tensor::normal([20, 6], 0.0, 1.0, &mut rng)?;
/// let x = Tensor::normal([3, 6], 0.0, 1.0, &mut rng)?;
/// let found = KernelShap::new(&background).attribute(&Explained::layer(&model), &x, &mut rng)?;
/// assert_eq!(found.values.shape(), [3, 6]);
/// assert!(found.gaps().iter().all(|gap| gap.abs() < 1e-5));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KernelShap {
    background: Tensor,
    groups: Option<Groups>,
    samples: Option<usize>,
}

impl KernelShap {
    /// With these examples `[m, ..]` in the places of what is not there: some dozens of rows of the training part, or a single one. The
    /// model is asked about `samples · m` rows for each example.
    #[must_use]
    pub fn new(background: &Tensor) -> Self {
        Self { background: background.clone(), groups: None, samples: None }
    }

    /// Explains by groups of elements.
    #[must_use]
    pub fn groups(self, groups: &Groups) -> Self {
        Self { groups: Some(groups.clone()), ..self }
    }

    /// How many coalitions are asked about, at most: for `p` groups `2 p + 2048`, if nothing is said.
    #[must_use]
    pub fn samples(self, samples: usize) -> Self {
        Self { samples: Some(samples), ..self }
    }

    /// What each group adds: `[n, groups]`.
    ///
    /// # Errors
    /// If there are no samples, more than 1,000 groups or more than 50 million truth values for all coalitions, the background is no `[m, ..]` of examples like the
    /// inputs, something is not finite, or the target does not exist.
    #[track_caller]
    pub fn attribute(&self, of: &Explained<'_>, x: &Tensor, rng: &mut Rng) -> Result<Attribution> {
        let op = "KernelShap";
        let game = Game::new(op, of, x, &self.background, self.groups.as_ref())?;
        let (p, n) = (game.players(), game.examples());
        let samples = self.samples.unwrap_or(2 * p + 2048);
        check_samples(op, samples)?;
        check_work(op, p, samples)?;
        let chosen = coalitions(p, samples, rng);
        let mut asked: Vec<Coalition> = vec![vec![false; p], vec![true; p]];
        asked.extend(chosen.iter().map(|(coalition, _)| coalition.clone()));
        // Regression with the condition that all values add up to the difference of the outputs: the last one is what is left.
        let free = p - 1;
        let row = |coalition: &Coalition| -> Vec<f64> {
            let last = f64::from(u8::from(coalition[free]));
            coalition[..free].iter().map(|there| f64::from(u8::from(*there)) - last).collect()
        };
        let design: Vec<Vec<f64>> = chosen.iter().map(|(coalition, _)| row(coalition)).collect();
        let mut a = vec![0.0; free * free];
        for (row, (_, weight)) in design.iter().zip(&chosen) {
            for (i, x) in row.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                let scaled = weight * x;
                a[i * free..(i + 1) * free].iter_mut().zip(row).for_each(|(cell, y)| *cell += scaled * y);
            }
        }
        let (mut values, mut outputs, mut base) = (Vec::with_capacity(n * p), Vec::new(), Vec::new());
        for i in 0..n {
            let given = game.values(i, &asked)?;
            let (none, whole) = (given[0], given[1]);
            let mut b = vec![0.0; free];
            for ((row, (coalition, weight)), output) in design.iter().zip(&chosen).zip(&given[2..]) {
                let rest = output - none - f64::from(u8::from(coalition[free])) * (whole - none);
                b.iter_mut().zip(row).for_each(|(cell, x)| *cell += weight * x * rest);
            }
            let solved = if free == 0 { Vec::new() } else { solve(&a, &b) };
            let last = whole - none - solved.iter().sum::<f64>();
            values.extend(solved);
            values.push(last);
            outputs.push(whole);
            base.push(none);
        }
        Ok(Attribution { values: found(op, tensor(values, &[n, p], x)?)?, outputs, base })
    }
}

/// Coalitions of at least one group and not of all, with their weights.
fn coalitions(p: usize, samples: usize, rng: &mut Rng) -> Vec<(Coalition, f64)> {
    let mut found: Vec<(Coalition, f64)> = Vec::new();
    if p < 2 {
        return found;
    }
    // Sizes in pairs, a coalition and its complement; each pair of sizes has so much weight together.
    let pairs: Vec<usize> = (1..=p / 2).collect();
    let both = |size: usize| if 2 * size == p { 1.0 } else { 2.0 };
    let weight = |size: usize| both(size) * (p as f64 - 1.0) / (size as f64 * (p - size) as f64);
    let total: f64 = pairs.iter().map(|size| weight(*size)).sum();
    let mut complete = 0;
    for &size in &pairs {
        let mut count = both(size);
        (0..size).for_each(|i| count *= (p - i) as f64 / (i + 1) as f64);
        if found.len() as f64 + count.round() > samples as f64 {
            break;
        }
        let each = weight(size) / total / count;
        let mut places: Vec<usize> = (0..size).collect();
        loop {
            let mut coalition = vec![false; p];
            places.iter().for_each(|i| coalition[*i] = true);
            if 2 * size != p {
                found.push((coalition.iter().map(|there| !there).collect(), each));
            }
            found.push((coalition, each));
            // The next combination in order.
            let Some(i) = (0..size).rev().find(|i| places[*i] < p - size + i) else { break };
            places[i] += 1;
            (i + 1..size).for_each(|k| places[k] = places[k - 1] + 1);
        }
        complete += 1;
    }
    let left: Vec<usize> = pairs[complete..].to_vec();
    let draws = samples.saturating_sub(found.len());
    if left.is_empty() || draws == 0 {
        return found;
    }
    let rest: f64 = left.iter().map(|size| weight(*size)).sum();
    let mut drawn: std::collections::BTreeMap<Coalition, f64> = Default::default();
    let mut order: Vec<usize> = (0..p).collect();
    // The same coalition twice counts twice: so many draws, however many differ.
    for _ in 0..draws.div_ceil(2) {
        let mut at = rng.uniform() * rest;
        let size = left.iter().copied().find(|size| {
            at -= weight(*size);
            at < 0.0
        });
        rng.shuffle(&mut order);
        let mut coalition = vec![false; p];
        order[..size.unwrap_or(p / 2)].iter().for_each(|i| coalition[*i] = true);
        *drawn.entry(coalition.iter().map(|there| !there).collect()).or_default() += 1.0;
        *drawn.entry(coalition).or_default() += 1.0;
    }
    let count: f64 = drawn.values().sum();
    found.extend(drawn.into_iter().map(|(coalition, times)| (coalition, times / count * rest / total)));
    found
}
