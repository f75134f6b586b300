//! What more data, or another value of a parameter, does to the scores of training and test.

use std::fmt;
use std::fmt::Write as _;

use super::cross_validation::{FoldScores, in_folds};
use super::study::{brief, lines};
use crate::data::Fold;
use crate::error::{Error, Result};
use crate::rng::Rng;

/// Scores of training and test in each fold, over sizes or values. Made by [`learning_curve`] and [`validation_curve`]; prints as a table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScoreCurve {
    /// What the curve is over.
    pub name: String,
    /// The sizes or values.
    pub at: Vec<f64>,
    /// The scores on the training rows, for each of these.
    pub train: Vec<FoldScores>,
    /// The scores on the test rows.
    pub test: Vec<FoldScores>,
}

impl ScoreCurve {
    /// The curve as CSV: a row for each fold of each value.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let quoted = self.name.replace('"', "\"\"");
        let mut text = format!("\"{quoted}\",fold,train,test\n");
        for (i, at) in self.at.iter().enumerate() {
            for (fold, (train, test)) in self.train[i].folds.iter().zip(&self.test[i].folds).enumerate() {
                let _ = writeln!(text, "{at},{},{train},{test}", fold + 1);
            }
        }
        text
    }
}

impl fmt::Display for ScoreCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = [self.name.as_str(), "training", "±", "test", "±"];
        let mut rows = vec![head.iter().map(ToString::to_string).collect::<Vec<_>>()];
        for (i, at) in self.at.iter().enumerate() {
            let (train, test) = (&self.train[i], &self.test[i]);
            rows.push(
                [*at, train.mean(), train.deviation(), test.mean(), test.deviation()]
                    .iter()
                    .map(|x| brief(*x))
                    .collect(),
            );
        }
        lines(f, &rows, false)
    }
}

/// A closure that gets a size or a value, a fold and a generator.
type Score<'a> = &'a (dyn Fn(f64, &Fold, &mut Rng) -> Result<(f64, f64)> + Sync);

#[track_caller]
fn curve(op: &'static str, name: &str, points: &[(f64, Vec<Fold>)], rng: &Rng, score: Score<'_>) -> Result<ScoreCurve> {
    let mut curve = ScoreCurve { name: name.to_string(), at: vec![], train: vec![], test: vec![] };
    for (at, folds) in points {
        // The same generators for each value: what differs is the value.
        let pairs = in_folds(op, folds, rng, &|fold, rng| score(*at, fold, rng))?;
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (i, pair) in pairs.into_iter().enumerate() {
            if pair.0.is_nan() || pair.1.is_nan() {
                return Err(Error::numeric(op, format!("a score at {at} is NaN in fold {}", i + 1)));
            }
            train.push(pair.0);
            test.push(pair.1);
        }
        curve.at.push(*at);
        curve.train.push(FoldScores { name: "train".to_string(), folds: train });
        curve.test.push(FoldScores { name: "test".to_string(), folds: test });
    }
    Ok(curve)
}

/// Scores with growing parts of the training rows: whether more data would help. `shares` are parts of them, above 0 and at most 1; the rows
/// of a part are drawn at random once, and are among those of larger parts. The closure trains on `fold.train` and returns the scores
/// on `fold.train` and `fold.test`. The curve is over the number of rows (of the smallest fold).
///
/// # Errors
/// If there are no folds or shares, one is out of range or gives no row, the closure fails, or a score is NaN.
///
/// ```
/// use demotic::data::KFold;
/// use demotic::prelude::*;
/// use demotic::tune::learning_curve;
///
/// let folds = KFold::new(5).split(100)?;
/// let curve = learning_curve(folds, &[0.1, 0.5, 1.0], &mut Rng::seed(0), |fold, _rng| {
///     // A model would be trained here.
///     let n = fold.train.len() as f64;
///     Ok((1.0 - 1.0 / n, 1.0 - 3.0 / n))
/// })?;
/// assert_eq!(curve.at, [8.0, 40.0, 80.0]);
/// println!("{curve}");
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn learning_curve(
    folds: impl IntoIterator<Item = Fold>,
    shares: &[f64],
    rng: &mut Rng,
    score: impl Fn(&Fold, &mut Rng) -> Result<(f64, f64)> + Sync,
) -> Result<ScoreCurve> {
    let op = "learning_curve";
    let (folds, rng): (Vec<Fold>, Rng) = (folds.into_iter().collect(), rng.split());
    if shares.is_empty() || folds.is_empty() {
        let what = if shares.is_empty() { "shares" } else { "folds" };
        return Err(Error::argument(op, format!("there are no {what}")));
    }
    let mut points = Vec::with_capacity(shares.len());
    for share in shares {
        if !(*share > 0.0 && *share <= 1.0) {
            return Err(Error::argument(op, format!("a share of {share}, expected a number above 0 and at most 1")));
        }
        let (mut parts, mut least) = (Vec::with_capacity(folds.len()), usize::MAX);
        for (i, fold) in folds.iter().enumerate() {
            let count = (fold.train.len() as f64 * share).round() as usize;
            if count == 0 {
                let message = format!("a share of {share} of the {} rows of fold {} is none", fold.train.len(), i + 1);
                return Err(Error::argument(op, message));
            }
            let mut part = fold.clone();
            rng.fork(u64::MAX - i as u64).shuffle(&mut part.train);
            part.train.truncate(count);
            least = least.min(count);
            parts.push(part);
        }
        points.push((least as f64, parts));
    }
    curve(op, "rows", &points, &rng, &|_, fold, rng| score(fold, rng))
}

/// Scores with each value of a parameter: where it begins to overfit. The closure gets the value, trains on `fold.train` and returns the
/// scores on `fold.train` and `fold.test`. Each value has the same generators.
///
/// # Errors
/// If there are no folds or values, the closure fails, or a score is NaN.
///
/// ```
/// use demotic::data::KFold;
/// use demotic::prelude::*;
/// use demotic::tune::validation_curve;
///
/// let folds = KFold::new(3).split(30)?;
/// let curve = validation_curve("width", &[2.0, 8.0, 32.0], folds, &mut Rng::seed(0), |width, _fold, _rng| {
///     // A model would be trained here.
///     Ok((1.0 - 0.5 / width, 1.0 - 1.0 / width - 0.01 * width))
/// })?;
/// assert_eq!(curve.test[1].mean(), 0.795);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn validation_curve(
    name: &str,
    values: &[f64],
    folds: impl IntoIterator<Item = Fold>,
    rng: &mut Rng,
    score: impl Fn(f64, &Fold, &mut Rng) -> Result<(f64, f64)> + Sync,
) -> Result<ScoreCurve> {
    let op = "validation_curve";
    if values.is_empty() {
        return Err(Error::argument(op, "there are no values"));
    }
    let folds: Vec<Fold> = folds.into_iter().collect();
    let points: Vec<(f64, Vec<Fold>)> = values.iter().map(|value| (*value, folds.clone())).collect();
    curve(op, name, &points, &rng.split(), &score)
}
