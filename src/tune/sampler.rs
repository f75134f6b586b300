//! Which values are tried next.

use super::space::{SearchSpace, Value, Values};
use super::tpe::{self, Tpe};
use super::trial::TrialRecord;
use crate::error::{Error, Result};
use crate::rng::Rng;

/// How values are chosen.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Sampler {
    /// Every combination: of all choices, and of so many values of each number at equal distances (on its scale). Its trials end with
    /// the grid.
    Grid(usize),
    /// Each value as likely as any other on its scale, independent of earlier trials (Bergstra and Bengio, 2012).
    Random,
    /// The range of each parameter is cut into as many parts as there are trials, and each part is used once (McKay, Beckman and
    /// Conover, 1979): more even than at random, and as independent of earlier trials.
    LatinHypercube,
    /// Where earlier trials were good, by a tree-structured Parzen estimator.
    Tpe(Tpe),
}

/// How many combinations a grid may have.
const LARGEST_GRID: usize = 1 << 16;

/// What a sampler may look at.
pub(super) struct Past<'a> {
    pub(super) space: &'a SearchSpace,
    /// The trials that ended before the present round began.
    pub(super) records: &'a [TrialRecord],
    /// How many trials there will be.
    pub(super) total: usize,
    pub(super) minimize: bool,
    pub(super) seed: &'a Rng,
}

impl Sampler {
    /// Whether later trials depend on earlier ones.
    pub(super) fn learns(&self) -> bool {
        matches!(self, Self::Tpe(_))
    }

    #[track_caller]
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Grid(0) => Err(Error::argument("Sampler", "a grid of 0 points, expected at least 1")),
            Self::Tpe(tpe) => tpe.check(),
            _ => Ok(()),
        }
    }

    /// The values of some trials that begin together.
    #[track_caller]
    pub(super) fn propose(&self, past: &Past<'_>, numbers: std::ops::Range<usize>) -> Result<Vec<Values>> {
        let space = past.space;
        // A generator for each trial, which no other draws from.
        let rng = |number: usize| past.seed.fork(2 * number as u64 + 1);
        let mut all = Vec::with_capacity(numbers.len());
        match self {
            Self::Grid(points) => {
                let grid = grid(space, *points)?;
                all.extend(numbers.filter_map(|number| grid.get(number).cloned()));
            }
            Self::Random => {
                for number in numbers {
                    let mut rng = rng(number);
                    all.push(space.values(&mut |_, parameter| parameter.kind.drawn(&mut rng)));
                }
            }
            Self::LatinHypercube => {
                let mut parts = Vec::new();
                for i in 0..space.parameters().len() {
                    parts.push(past.seed.fork(u64::MAX - i as u64).permutation(past.total)?);
                }
                for number in numbers {
                    let mut rng = rng(number);
                    all.push(space.values(&mut |i, parameter| {
                        let part = parts[i][number % past.total.max(1)] as f64;
                        parameter.kind.at_share((part + rng.uniform()) / past.total as f64)
                    }));
                }
            }
            Self::Tpe(tpe) => {
                let model = tpe::Model::new(tpe, past);
                for number in numbers {
                    all.push(model.values(space, &mut rng(number)));
                }
            }
        }
        Ok(all)
    }

    /// How many trials there can be.
    #[track_caller]
    pub(super) fn most(&self, space: &SearchSpace) -> Result<usize> {
        match self {
            Self::Grid(points) => Ok(grid(space, *points)?.len()),
            _ => Ok(usize::MAX),
        }
    }
}

/// All combinations, the last parameter changing fastest.
#[track_caller]
fn grid(space: &SearchSpace, points: usize) -> Result<Vec<Values>> {
    let mut all: Vec<Values> = vec![Vec::new()];
    for (i, parameter) in space.parameters().iter().enumerate() {
        let values: Vec<Value> = parameter.kind.grid(points.min(LARGEST_GRID));
        let mut longer = Vec::new();
        for before in all {
            let none = [None];
            let some: Vec<Option<Value>> = values.iter().cloned().map(Some).collect();
            for value in if space.is_active(i, &before) { &some[..] } else { &none[..] } {
                if longer.len() == LARGEST_GRID {
                    let message = format!("a grid of more than {LARGEST_GRID} combinations");
                    return Err(Error::argument("Sampler", message).with_help("Sampler::Random tries some of them"));
                }
                let mut combination = before.clone();
                combination.push(value.clone());
                longer.push(combination);
            }
        }
        all = longer;
    }
    Ok(all)
}
