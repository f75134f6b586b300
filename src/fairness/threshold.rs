//! Thresholds for each group, after training.

use std::fmt;

use super::{Groups, Parity};
use crate::error::{Error, Result};
use crate::order;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// Finds thresholds for each group with which a model that is left as it is meets a [`Parity`], at the highest accuracy (Hardt, Price and
/// Srebro, *Equality of opportunity in supervised learning*, 2016; Fairlearn's `ThresholdOptimizer`).
///
/// Where a single threshold cannot meet it exactly, a group has two of them, between which chance decides. It needs to know the group
/// of everybody whom it decides on, which may not be allowed.
///
/// ```
/// use demotic::fairness::{Fairness, Groups, Parity, ThresholdOptimizer};
/// use demotic::prelude::*;
///
/// let groups = Groups::named(["f", "f", "f", "f", "m", "m", "m", "m"])?;
/// let scores = tensor![0.1, 0.3, 0.4, 0.6, 0.4, 0.6, 0.7, 0.9];
/// let y = Tensor::from_nested([0i64, 0, 1, 1, 0, 0, 1, 1])?;
/// let fair = ThresholdOptimizer::new(Parity::Demographic).fit(&scores, &y, &groups)?;
/// let decided = fair.decide(&scores, &groups, &mut Rng::seed(0))?;
/// assert_eq!(decided.to_vec::<i64>()?, [0, 0, 1, 1, 0, 0, 1, 1]);
/// println!("{fair}");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ThresholdOptimizer {
    parity: Parity,
    grid: usize,
}

/// How one group is decided on: with probability `ignore` by `constant`, otherwise by the first threshold with probability `weight` and by
/// the second one with the rest of it. Scores above a threshold are chosen.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GroupThreshold {
    /// The group.
    pub name: String,
    /// How likely the first of the two thresholds decides.
    pub weight: f64,
    /// The two thresholds; infinite if nobody is chosen.
    pub thresholds: [f64; 2],
    /// How likely the score is not looked at.
    pub ignore: f64,
    /// How likely somebody is then chosen.
    pub constant: f64,
}

/// What a [`ThresholdOptimizer`] found. Prints as one line for each group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupThresholds {
    groups: Vec<GroupThreshold>,
}

const OP: &str = "ThresholdOptimizer";

/// A point of a curve: its coordinates, and the threshold.
type Point = [f64; 3];

/// A place between two points of a hull: the height there, how much of the first one is in it, and their thresholds.
type Place = (f64, f64, [f64; 2]);

impl ThresholdOptimizer {
    /// For a parity, at 1001 places from 0 to 1.
    #[must_use]
    pub fn new(parity: Parity) -> Self {
        Self { parity, grid: 1000 }
    }

    /// Into how many parts the rates from 0 to 1 are divided: 1000, if nothing is said; from 1 to 1,000,000.
    #[must_use]
    pub fn grid(mut self, parts: usize) -> Self {
        self.grid = parts;
        self
    }

    /// Finds the thresholds, on rows that the model did not learn from.
    ///
    /// # Errors
    /// As for [`Fairness::measure`](super::Fairness::measure), and if a group has nobody who is actually positive, or negative.
    #[track_caller]
    pub fn fit(&self, scores: &Tensor, target: &Tensor, groups: &Groups) -> Result<GroupThresholds> {
        if !(1..=1_000_000).contains(&self.grid) {
            return Err(Error::argument(OP, format!("a grid of {} parts, expected 1 to 1000000", self.grid)));
        }
        let actual = groups.expect(OP, target)?;
        let scores = super::scores(OP, scores, groups.len())?;
        let n = actual.len() as f64;
        // Rounded as NumPy's `linspace` rounds, since of equally good places the first one counts.
        let step = 1.0 / self.grid as f64;
        let grid: Vec<f64> = (0..=self.grid).map(|i| if i == self.grid { 1.0 } else { i as f64 * step }).collect();
        let odds = self.parity == Parity::EqualizedOdds;
        let mut curves: Vec<(&str, f64, Vec<Place>)> = Vec::new();
        for (code, name) in groups.names().iter().enumerate() {
            let rows = || (0..actual.len()).filter(|row| groups.codes()[*row] == code);
            let mut ranked: Vec<(f64, bool)> = rows().map(|row| (scores[row], actual[row])).collect();
            if ranked.is_empty() {
                continue;
            }
            order::sort_by(&mut ranked, |a, b| b.0.total_cmp(&a.0));
            let positives = ranked.iter().filter(|(_, y)| *y).count();
            if positives == 0 || positives == ranked.len() {
                let which = if positives == 0 { "positive" } else { "negative" };
                let message = format!("in the group `{name}`, nobody is actually {which}");
                return Err(
                    Error::argument(OP, message).with_help("join the group with another one, or leave its rows out")
                );
            }
            let hull = hull(points(&ranked, positives as f64, self.parity));
            let curve: Vec<Place> = (0..grid.len()).map(|i| place(&hull, grid[i], i == 0)).collect();
            curves.push((name, ranked.len() as f64 / n, curve));
        }
        let positives = actual.iter().filter(|y| **y).count() as f64;
        let lowest = |i: usize| curves.iter().map(|(_, _, curve)| curve[i].0).fold(f64::INFINITY, f64::min);
        let value = |i: usize| match odds {
            // Accuracy, rounded so that rates that are the same have the same one.
            true => (((n - positives) * (1.0 - grid[i]) + positives * lowest(i)) / n * 1e15).round() / 1e15,
            false => curves.iter().map(|(_, share, curve)| share * curve[i].0).sum(),
        };
        let mut best = (0, f64::NEG_INFINITY);
        for i in 0..grid.len() {
            let value: f64 = value(i);
            if value > best.1 {
                best = (i, value);
            }
        }
        let (x, low) = (grid[best.0], lowest(best.0));
        let of = |(name, _, curve): &(&str, f64, Vec<Place>)| {
            let (y, weight, thresholds) = curve[best.0];
            // On the diagonal, scores do not matter.
            let ignore = if odds && y != x { (y - low) / (y - x) } else { 0.0 };
            GroupThreshold {
                name: (*name).to_string(),
                weight,
                thresholds,
                ignore,
                constant: if odds { x } else { 0.0 },
            }
        };
        Ok(GroupThresholds { groups: curves.iter().map(of).collect() })
    }
}

/// The points that thresholds of a ranking reach: the rate that groups shall share, and what shall be high.
fn points(ranked: &[(f64, bool)], positives: f64, parity: Parity) -> Vec<Point> {
    let n = ranked.len() as f64;
    let negatives = n - positives;
    let point = |fp: f64, tp: f64, threshold: f64| {
        let x = match parity {
            Parity::Demographic => (tp + fp) / n,
            Parity::EqualOpportunity => tp / positives,
            Parity::FalsePositive | Parity::EqualizedOdds => fp / negatives,
        };
        let y = if parity == Parity::EqualizedOdds { tp / positives } else { (tp + negatives - fp) / n };
        [x, y, threshold]
    };
    let mut found = vec![point(0.0, 0.0, f64::INFINITY)];
    let (mut fp, mut tp, mut i) = (0.0, 0.0, 0);
    while let Some((score, _)) = ranked.get(i) {
        while let Some((_, y)) = ranked.get(i).filter(|(next, _)| next == score) {
            *(if *y { &mut tp } else { &mut fp }) += 1.0;
            i += 1;
        }
        // Between this score and the next; below the last, whatever it is.
        found.push(point(fp, tp, ranked.get(i).map_or(f64::NEG_INFINITY, |(next, _)| (score + next) / 2.0)));
    }
    found
}

/// The upper convex hull of points (Andrew, 1979).
fn hull(mut points: Vec<Point>) -> Vec<Point> {
    order::sort_by(&mut points, |a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let mut kept: Vec<Point> = Vec::new();
    for next in points {
        while let [.., first, second] = kept[..] {
            if (second[1] - first[1]) * (next[0] - first[0]) > (next[1] - first[1]) * (second[0] - first[0]) {
                break;
            }
            kept.pop();
        }
        kept.push(next);
    }
    kept
}

/// The place of a hull above `x`.
fn place(hull: &[Point], x: f64, first: bool) -> Place {
    let mut left = hull.partition_point(|point| point[0] <= x).saturating_sub(1);
    if !first && hull[left][0] == x {
        left = left.saturating_sub(1);
    }
    let (Some(a), Some(b)) = (hull.get(left), hull.get(left + 1).or(hull.get(left))) else {
        return (0.0, 1.0, [0.0; 2]);
    };
    let weight = if b[0] > a[0] { (b[0] - x) / (b[0] - a[0]) } else { 0.0 };
    (weight * a[1] + (1.0 - weight) * b[1], weight, [a[2], b[2]])
}

impl GroupThresholds {
    /// What was found for each group.
    #[must_use]
    pub fn groups(&self) -> &[GroupThreshold] {
        &self.groups
    }

    #[track_caller]
    fn chances(&self, scores: &Tensor, groups: &Groups) -> Result<Vec<f64>> {
        const OP: &str = "GroupThresholds";
        let values = super::scores(OP, scores, groups.len())?;
        let mut of = Vec::with_capacity(groups.names().len());
        for (name, count) in groups.names().iter().zip(groups.counts()) {
            let found = self.groups.iter().find(|group| group.name == *name);
            if found.is_none() && count > 0 {
                let known: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).collect();
                let message = format!("there is no threshold for the group `{name}`");
                return Err(
                    Error::argument(OP, message).with_help(format!("those of fitting are {}", known.join("; ")))
                );
            }
            of.push(found);
        }
        let chance = |(score, code): (&f64, &usize)| {
            let Some(group) = of[*code] else { return 0.0 };
            let above = |threshold: f64| f64::from(u8::from(*score > threshold));
            let [first, second] = group.thresholds.map(above);
            let by_score = group.weight * first + (1.0 - group.weight) * second;
            group.ignore * group.constant + (1.0 - group.ignore) * by_score
        };
        Ok(values.iter().zip(groups.codes()).map(chance).collect())
    }

    /// How likely each row is chosen, `[n]` in `F64`: 0 or 1, but for scores between the two thresholds of their group.
    ///
    /// # Errors
    /// If scores do not fit, or there is a group that was not there when fitting.
    #[track_caller]
    pub fn probabilities(&self, scores: &Tensor, groups: &Groups) -> Result<Tensor> {
        super::column(self.chances(scores, groups)?)
    }

    /// Who is chosen, `[n]` zeros and ones in `I64`.
    ///
    /// # Errors
    /// As for [`probabilities`](Self::probabilities).
    #[track_caller]
    pub fn decide(&self, scores: &Tensor, groups: &Groups, rng: &mut Rng) -> Result<Tensor> {
        let chances = self.chances(scores, groups)?;
        let n = chances.len();
        Tensor::from_vec(chances.into_iter().map(|p| i64::from(rng.uniform() < p)).collect::<Vec<_>>(), [n])
    }
}

impl fmt::Display for GroupThresholds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in &self.groups {
            let [a, b] = group.thresholds;
            write!(f, "{}: ", group.name)?;
            match group.weight {
                w if w < 5e-5 => write!(f, "above {b:.4}")?,
                w if w > 1.0 - 5e-5 => write!(f, "above {a:.4}")?,
                w => write!(f, "above {a:.4} in {:.1} % of cases, above {b:.4} otherwise", 100.0 * w)?,
            }
            if group.ignore > 0.0 {
                let (ignore, constant) = (100.0 * group.ignore, 100.0 * group.constant);
                write!(f, "; in {ignore:.1} % of cases by chance, with {constant:.1} %")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
