//! Folds that keep groups of rows together.

use super::{Folds, Ranked, check_k, order};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::create::check_list;

/// Folds in which no group is on both sides: rows of one patient, one shop, one video. A model that has seen other rows of a group
/// seems better than it is. The largest groups are dealt out first, each to the smallest fold, as scikit-learn's `GroupKFold` does.
///
/// ```
/// use demotic::data::GroupKFold;
///
/// let patients = [7, 7, 8, 9, 9, 9];
/// let folds: Vec<_> = GroupKFold::new(2).split(&patients)?.collect();
/// assert_eq!(folds[0].test, [3, 4, 5]);
/// assert_eq!(folds[1].test, [0, 1, 2]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GroupKFold {
    k: usize,
    rng: Option<Rng>,
}

impl GroupKFold {
    /// `k` folds.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, rng: None }
    }

    /// Puts groups of equal size into a random order first.
    #[must_use]
    pub fn shuffle(mut self, rng: &mut Rng) -> Self {
        self.rng = Some(rng.split());
        self
    }

    /// The folds of rows with these groups.
    ///
    /// # Errors
    /// If `k` is less than 2 or more than the number of groups.
    #[track_caller]
    pub fn split(&self, groups: &[usize]) -> Result<Folds> {
        let Ranked { of_row, counts, .. } = Ranked::of(groups);
        check_k("GroupKFold", self.k, counts.len(), "group")?;
        let mut order = order(&self.rng, counts.len())?;
        if self.rng.is_none() {
            order.reverse();
        }
        crate::order::sort_by_key(&mut order, |group| !(counts[*group] as u64));
        let (mut sizes, mut fold_of) = (vec![0; self.k], vec![0; counts.len()]);
        for group in order {
            let smallest = (0..self.k).min_by_key(|fold| sizes[*fold]).unwrap_or(0);
            sizes[smallest] += counts[group];
            fold_of[group] = smallest;
        }
        Ok(Folds::parts(self.k, of_row.iter().enumerate().map(|(row, group)| (row, fold_of[*group])).collect()))
    }
}

/// Folds in which no group is on both sides, and every class has about the same share in each: groups are dealt out one after
/// the other, those whose classes are most uneven first, each to the fold where the shares of the classes differ least then. As
/// scikit-learn's `StratifiedGroupKFold` does.
///
/// ```
/// use demotic::data::StratifiedGroupKFold;
///
/// let labels = [0, 0, 0, 0, 1, 1, 1, 1];
/// let groups = [1, 1, 2, 3, 4, 5, 5, 6];
/// for fold in StratifiedGroupKFold::new(2).split(&labels, &groups)? {
///     assert_eq!(fold.test.iter().filter(|row| labels[**row] == 1).count(), 2);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StratifiedGroupKFold {
    k: usize,
    rng: Option<Rng>,
}

impl StratifiedGroupKFold {
    /// `k` folds.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, rng: None }
    }

    /// Puts groups whose classes are equally uneven into a random order first.
    #[must_use]
    pub fn shuffle(mut self, rng: &mut Rng) -> Self {
        self.rng = Some(rng.split());
        self
    }

    /// The folds of rows with these classes and groups. A fold may lack a class where groups are few, see
    /// [`Folds::with_all_classes`].
    ///
    /// # Errors
    /// If the numbers of classes and groups differ, or `k` is less than 2, more than the number of groups, or more than the rows of
    /// the most frequent class.
    #[track_caller]
    pub fn split(&self, labels: &[usize], groups: &[usize]) -> Result<Folds> {
        let op = "StratifiedGroupKFold";
        if labels.len() != groups.len() {
            return Err(Error::shape(op, format!("{} classes and {} groups", labels.len(), groups.len())));
        }
        let (classes, groups) = (Ranked::of(labels), Ranked::of(groups));
        check_k(op, self.k, groups.counts.len(), "group")?;
        if classes.counts.iter().all(|count| self.k > *count) {
            let message = format!("k is {}, more than the rows of any class", self.k);
            return Err(Error::argument(op, message).with_help("use fewer folds"));
        }
        let width = classes.counts.len();
        check_list(op, "counts", groups.counts.len().saturating_mul(width), 8)?;
        let mut of_group = vec![0.0; groups.counts.len() * width];
        for (class, group) in classes.of_row.iter().zip(&groups.of_row) {
            of_group[group * width + class] += 1.0;
        }
        let group = |i: usize| &of_group[i * width..][..width];
        let mut order = order(&self.rng, groups.counts.len())?;
        crate::order::sort_by_key(&mut order, |i| !crate::order::key(deviation(group(*i).iter().copied())));

        let (mut in_fold, mut fold_of) = (vec![0.0; self.k * width], vec![0; groups.counts.len()]);
        for i in order {
            let (mut best, mut least, mut fewest) = (0, f64::INFINITY, f64::INFINITY);
            for fold in 0..self.k {
                let share = |class: usize, other: usize| {
                    let added = if other == fold { group(i)[class] } else { 0.0 };
                    (in_fold[other * width + class] + added) / classes.counts[class] as f64
                };
                let uneven = |class| deviation((0..self.k).map(|other| share(class, other)));
                let value = (0..width).map(uneven).sum::<f64>() / width as f64;
                let rows: f64 = in_fold[fold * width..][..width].iter().sum();
                let is_close = (value - least).abs() <= 1e-8 + 1e-5 * least.abs();
                if value < least || (is_close && rows < fewest) {
                    (best, least, fewest) = (fold, value, rows);
                }
            }
            in_fold[best * width..][..width].iter_mut().zip(group(i)).for_each(|(sum, count)| *sum += count);
            fold_of[i] = best;
        }
        let rows = groups.of_row.iter().enumerate().map(|(row, group)| (row, fold_of[*group]));
        Ok(Folds::parts(self.k, rows.collect()))
    }
}

/// The standard deviation, dividing by n.
fn deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    (values.map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt()
}
