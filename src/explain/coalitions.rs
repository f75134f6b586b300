//! What a model gives when only some groups of an example are there.

use super::groups::Groups;
use super::integrated::check_background;
use super::subject::{Explained, Scorer};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The groups that are there, one truth value for each.
pub(super) type Coalition = Vec<bool>;

/// Examples, and what stands in the places of groups that are not there: each example of a background in turn, whose outputs are averaged.
pub(super) struct Game<'a> {
    pub(super) scorer: Scorer<'a>,
    pub(super) groups: Groups,
    x: Tensor,
    background: Tensor,
    /// The group of each element.
    index: Tensor,
}

impl<'a> Game<'a> {
    #[track_caller]
    pub(super) fn new(
        op: &'static str,
        of: &Explained<'a>,
        x: &Tensor,
        background: &Tensor,
        groups: Option<&Groups>,
    ) -> Result<Self> {
        let scorer = of.scorer(op, x)?;
        check_background(op, x, background)?;
        let groups = groups.cloned().unwrap_or_else(|| Groups::each(&x.shape()[1..]));
        groups.check(op, x)?;
        let index = Tensor::from_vec(groups.of().iter().map(|group| *group as i64).collect(), [groups.of().len()])?;
        Ok(Self { scorer, groups, x: x.detach(), background: background.detach(), index })
    }

    pub(super) fn players(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn examples(&self) -> usize {
        self.scorer.examples
    }

    /// The mean output over the background of example `i`, with each of the coalitions.
    #[track_caller]
    pub(super) fn values(&self, i: usize, coalitions: &[Coalition]) -> Result<Vec<f64>> {
        let (m, size) = (self.background.shape()[0], self.groups.of().len());
        let at_once = (self.scorer.limit(&self.x) / m).max(1);
        let own = self.x.narrow(0, i, 1)?.reshape([1, 1, size])?;
        let others = self.background.reshape([1, m, size])?;
        let mut values = Vec::with_capacity(coalitions.len());
        for part in coalitions.chunks(at_once) {
            let there: Vec<bool> = part.iter().flatten().copied().collect();
            let masks = Tensor::from_vec(there, [part.len(), self.players()])?.index_select(1, &self.index)?;
            let mixed = masks.unsqueeze(1)?.where_(&own, &others)?;
            let rows = mixed.reshape([&[part.len() * m], &self.x.shape()[1..]].concat())?;
            let found = self.scorer.values(&rows, &vec![i; part.len() * m])?;
            values.extend(found.chunks(m).map(|outputs| outputs.iter().map(|y| y / m as f64).sum::<f64>()));
        }
        Ok(values)
    }
}

/// All coalitions of few groups: number `k` has those whose bits are set in `k`.
pub(super) fn all(players: usize) -> Vec<Coalition> {
    (0..1usize << players).map(|k| (0..players).map(|i| k >> i & 1 == 1).collect()).collect()
}

/// Solves `a · x = b` for a symmetric matrix that is positive definite, of `n` rows, by Cholesky's factors; what depends on others gets 0.
pub(super) fn solve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let largest = (0..n).map(|i| a[i * n + i]).fold(0.0, f64::max);
    let (mut l, mut x) = (a.to_vec(), b.to_vec());
    for j in 0..n {
        let rest = l[j * n + j] - (0..j).map(|k| l[j * n + k] * l[j * n + k]).sum::<f64>();
        let usable = rest > 1e-12 * largest;
        l[j * n + j] = if usable { rest.sqrt() } else { 0.0 };
        for i in j + 1..n {
            let rest = l[i * n + j] - (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum::<f64>();
            l[i * n + j] = if usable { rest / l[j * n + j] } else { 0.0 };
        }
    }
    let divided = |x: f64, by: f64| if by == 0.0 { 0.0 } else { x / by };
    for i in 0..n {
        let rest = x[i] - (0..i).map(|k| l[i * n + k] * x[k]).sum::<f64>();
        x[i] = divided(rest, l[i * n + i]);
    }
    for i in (0..n).rev() {
        let rest = x[i] - (i + 1..n).map(|k| l[k * n + i] * x[k]).sum::<f64>();
        x[i] = divided(rest, l[i * n + i]);
    }
    x
}

/// The most groups that are explained, and the most truth values of all coalitions.
const GROUPS: usize = 1000;
const CELLS: usize = 50_000_000;

#[track_caller]
pub(super) fn check_players(op: &'static str, players: usize, most: usize, otherwise: &str) -> Result<()> {
    match players {
        0 => Err(Error::argument(op, "there are no groups to explain by")),
        n if n > most => {
            Err(Error::argument(op, format!("{n} groups, expected at most {most}")).with_help(otherwise.to_string()))
        }
        _ => Ok(()),
    }
}

/// The same where so many coalitions are kept and a system of equations is solved.
#[track_caller]
pub(super) fn check_work(op: &'static str, players: usize, samples: usize) -> Result<()> {
    check_players(op, players, GROUPS, "Groups joins elements: columns, patches, tokens")?;
    match players.checked_mul(samples) {
        Some(cells) if cells <= CELLS => Ok(()),
        _ => {
            let most = CELLS / players;
            Err(Error::argument(op, format!("{samples} samples for {players} groups, expected at most {most}")))
        }
    }
}
