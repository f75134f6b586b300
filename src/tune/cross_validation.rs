//! How good a way of training is, by the folds of the data.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::study::{Study, brief, lines};
use super::trial::{Trial, TrialRecord};
use super::tuner::{Tuner, over_folds};
use crate::data::Fold;
use crate::error::{Error, Here, Result};
use crate::parallel;
use crate::rng::Rng;

/// The scores of one fold, by name. Made of a number, or of names and numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores(Vec<(String, f64)>);

impl From<f64> for Scores {
    fn from(score: f64) -> Self {
        Self(vec![("score".to_string(), score)])
    }
}

impl<const N: usize> From<[(&str, f64); N]> for Scores {
    fn from(scores: [(&str, f64); N]) -> Self {
        Self(scores.iter().map(|(name, score)| ((*name).to_string(), *score)).collect())
    }
}

impl From<Vec<(String, f64)>> for Scores {
    fn from(scores: Vec<(String, f64)>) -> Self {
        Self(scores)
    }
}

/// One score in each fold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FoldScores {
    /// What it is called.
    pub name: String,
    /// The scores, in the order of the folds.
    pub folds: Vec<f64>,
}

impl FoldScores {
    /// Their mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.folds.iter().sum::<f64>() / self.folds.len() as f64
    }

    /// Their standard deviation, with n − 1 in the denominator; 0 for a single fold. It says how much one fold differs from another, and
    /// is no error of the mean: folds share their training data.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.folds.iter().map(|x| (x - mean) * (x - mean)).sum();
        if self.folds.len() < 2 { 0.0 } else { (squares / (self.folds.len() - 1) as f64).sqrt() }
    }
}

/// What [`cross_validate`] found. Prints as a table with a row for each score.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CrossValidation {
    /// The scores, in the order in which the closure gave them.
    pub scores: Vec<FoldScores>,
}

impl CrossValidation {
    /// The score of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&FoldScores> {
        self.scores.iter().find(|score| score.name == name)
    }
}

impl fmt::Display for CrossValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folds = self.scores.first().map_or(0, |score| score.folds.len());
        let mut head = vec![String::new(), "mean".to_string(), "deviation".to_string()];
        head.extend((1..=folds).map(|i| format!("fold {i}")));
        let mut rows = vec![head];
        for score in &self.scores {
            let mut row = vec![score.name.clone(), brief(score.mean()), brief(score.deviation())];
            row.extend(score.folds.iter().map(|x| brief(*x)));
            rows.push(row);
        }
        lines(f, &rows, false)
    }
}

/// What is done with a fold, whatever its closure is.
pub(super) type OnFold<'a, T> = &'a (dyn Fn(&Fold, &mut Rng) -> Result<T> + Sync);

/// Calls `f` for each fold, several at a time, each with a generator of its own.
#[track_caller]
pub(super) fn in_folds<T: Send>(name: &'static str, folds: &[Fold], rng: &Rng, f: OnFold<'_, T>) -> Result<Vec<T>> {
    if folds.is_empty() {
        return Err(Error::argument(name, "there are no folds"));
    }
    let results: Vec<Mutex<Option<Result<T>>>> = folds.iter().map(|_| Mutex::new(None)).collect();
    parallel::apart(parallel::threads().min(folds.len()), folds.len(), &|i| {
        let result = f(&folds[i], &mut rng.fork(i as u64));
        *results[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    })?;
    let mut all = Vec::with_capacity(folds.len());
    for (i, result) in results.into_iter().enumerate() {
        match result.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Ok(value)) => all.push(value),
            Some(Err(e)) => return Err(e.within(format!("fold {} of {name}", i + 1))),
            None => return Err(crate::error::bug!(name, "fold {i} has no result")),
        }
    }
    Ok(all)
}

/// Trains and measures once for each fold. The closure gets the rows of the fold and a generator, fits whatever learns from data on
/// `fold.train` alone, preprocessing too, and returns a score of `fold.test`, or several by name. Folds run side by side, as far as there
/// are threads; results do not depend on their number.
///
/// # Errors
/// If there are no folds, the closure fails, a score is NaN, or the scores of two folds have different names.
///
/// ```
/// use demotic::data::{Column, KFold, Preprocessor, Table};
/// use demotic::models::LinearRegression;
/// use demotic::prelude::*;
/// use demotic::tune::cross_validate;
///
/// let numbers = |f: fn(f64) -> f64| (0..30).map(|i| f(f64::from(i))).collect::<Vec<f64>>();
/// let table = Table::from_columns([
///     ("area", Column::from(numbers(|x| 50.0 + 3.0 * x))),
///     ("price", Column::from(numbers(|x| 100.0 + 6.5 * x + x.sin()))),
/// ])?;
/// let mut rng = Rng::seed(0);
/// let folds = KFold::new(5).shuffle(&mut rng).split(table.num_rows())?;
/// let validation = cross_validate(folds, &mut rng, |fold, _rng| {
///     let (train, test) = (table.rows(&fold.train)?, table.rows(&fold.test)?);
///     let prep = Preprocessor::fit(&train, "price")?;
///     let (data, unseen) = (prep.transform(&train)?, prep.transform(&test)?);
///     let model = LinearRegression::fit(data.x(), data.y())?;
///     let predicted = model.predict(unseen.x())?;
///     Ok([("rmse", metrics::rmse(&predicted, unseen.y())?), ("r2", metrics::r2(&predicted, unseen.y())?)])
/// })?;
/// println!("{validation}");
/// assert_eq!(validation.get("r2").unwrap().folds.len(), 5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn cross_validate<S: Into<Scores>>(
    folds: impl IntoIterator<Item = Fold>,
    rng: &mut Rng,
    score: impl Fn(&Fold, &mut Rng) -> Result<S> + Sync,
) -> Result<CrossValidation> {
    let folds: Vec<Fold> = folds.into_iter().collect();
    validated(&folds, &rng.split(), &|fold, rng| Ok(score(fold, rng)?.into()))
}

#[track_caller]
fn validated(folds: &[Fold], rng: &Rng, score: OnFold<'_, Scores>) -> Result<CrossValidation> {
    let name = "cross_validate";
    let mut scores: Vec<FoldScores> = Vec::new();
    for (i, Scores(found)) in in_folds(name, folds, rng, score)?.into_iter().enumerate() {
        if i == 0 {
            scores = found.iter().map(|(name, _)| FoldScores { name: name.clone(), folds: Vec::new() }).collect();
        }
        if found.len() != scores.len() || found.iter().zip(&scores).any(|((name, _), known)| *name != known.name) {
            return Err(Error::argument(name, format!("the scores of fold {} are others than those of fold 1", i + 1)));
        }
        for ((what, score), known) in found.into_iter().zip(&mut scores) {
            if score.is_nan() {
                return Err(Error::numeric(name, format!("`{what}` is NaN in fold {}", i + 1)));
            }
            known.folds.push(score);
        }
    }
    Ok(CrossValidation { scores })
}

/// Checks that each class is in the training rows and the test rows of each fold; `labels` has the class of each row.
///
/// # Errors
/// If a class is missing, with its number and the fold; if a row is not among the labels.
///
/// ```
/// use demotic::data::KFold;
/// use demotic::tune::check_classes;
///
/// let labels = [0, 0, 0, 1, 1, 1];
/// let folds: Vec<_> = KFold::new(2).split(6)?.collect();
/// assert_eq!(check_classes(&folds, &labels).unwrap_err().message(), "check_classes: class 0 is in no training row of fold 1");
/// let folds: Vec<_> = KFold::new(2).split_stratified(&labels)?.collect();
/// check_classes(&folds, &labels)?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn check_classes(folds: &[Fold], labels: &[usize]) -> Result<()> {
    let name = "check_classes";
    let mut classes = labels.to_vec();
    crate::order::sort_by_key(&mut classes, |class| *class as u64);
    classes.dedup();
    for (i, fold) in folds.iter().enumerate() {
        for (rows, side) in [(&fold.train, "training"), (&fold.test, "test")] {
            let mut found = vec![false; classes.len()];
            for row in rows {
                let Some(label) = labels.get(*row) else {
                    let message = format!("fold {} has row {row}, there are labels of {}", i + 1, labels.len());
                    return Err(Error::index(name, message));
                };
                if let Ok(at) = classes.binary_search(label) {
                    found[at] = true;
                }
            }
            if let Some(missing) = found.iter().position(|found| !found) {
                let message = format!("class {} is in no {side} row of fold {}", classes[missing], i + 1);
                return Err(Error::argument(name, message)
                    .with_help("KFold::split_stratified spreads classes; each needs as many rows as there are folds"));
            }
        }
    }
    Ok(())
}

/// What [`nested_cross_validate`] found. Prints as a table with a row for each outer fold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NestedCrossValidation {
    /// The objective on the test rows of each outer fold, trained on its training rows with the values that were best within them.
    pub scores: FoldScores,
    /// These trials. Their own values were measured within the training rows, and are better than the scores by as much as the search has
    /// adapted to these.
    pub chosen: Vec<TrialRecord>,
}

impl fmt::Display for NestedCrossValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![vec!["fold".to_string(), "score".to_string(), "inner".to_string(), "values".to_string()]];
        for (i, (score, trial)) in self.scores.folds.iter().zip(&self.chosen).enumerate() {
            let value = |(name, value): &(String, super::Value)| match value {
                super::Value::Float(x) => format!("{name} = {}", brief(*x)),
                value => format!("{name} = {value}"),
            };
            let values = trial.values.iter().map(value).collect::<Vec<_>>().join(", ");
            rows.push(vec![(i + 1).to_string(), brief(*score), trial.value().map_or(String::new(), brief), values]);
        }
        lines(f, &rows, true)?;
        write!(f, "\nmean {}, deviation {}", brief(self.scores.mean()), brief(self.scores.deviation()))
    }
}

/// How good a way of training is if its parameters are searched, too (Varma and Simon, 2006): for each outer fold, the tuner searches with
/// folds of its training rows alone, and what it finds is trained on all of them and measured on the test rows, which the search has
/// not seen. `inner` divides a list of rows, and gives folds of places in that list: `|rows| KFold::new(3).split(rows.len())`.
///
/// A file of the tuner becomes one for each outer fold: `study.1.json` for `study.json`.
///
/// # Errors
/// As for [`Tuner::run`], and if there are no folds, or the objective fails on the values that were found.
///
/// ```
/// use demotic::data::KFold;
/// use demotic::tune::{SearchSpace, Tuner, nested_cross_validate};
///
/// let tuner = Tuner::new(SearchSpace::new().float("x", 0.0, 1.0)).trials(15);
/// let outer: Vec<_> = KFold::new(3).split(30)?.collect();
/// let nested = nested_cross_validate(&outer, |rows| KFold::new(2).split(rows.len()), &tuner, |trial, fold| {
///     // Here a model would be trained on fold.train and measured on fold.test.
///     Ok((trial.float("x")? - 0.3).abs() + 0.001 * fold.test.len() as f64)
/// })?;
/// println!("{nested}");
/// assert_eq!((nested.scores.folds.len(), nested.chosen.len()), (3, 3));
/// # Ok::<(), demotic::Error>(())
/// ```
#[track_caller]
pub fn nested_cross_validate<F: IntoIterator<Item = Fold>>(
    outer: &[Fold],
    inner: impl Fn(&[usize]) -> Result<F>,
    tuner: &Tuner,
    objective: impl Fn(&Trial<'_>, &Fold) -> Result<f64> + Sync,
) -> Result<NestedCrossValidation> {
    let inner = |rows: &[usize]| Ok(inner(rows)?.into_iter().collect());
    nested(outer, &inner, tuner, &objective).here()
}

#[track_caller]
fn nested(
    outer: &[Fold],
    inner: &dyn Fn(&[usize]) -> Result<Vec<Fold>>,
    tuner: &Tuner,
    objective: &(dyn Fn(&Trial<'_>, &Fold) -> Result<f64> + Sync),
) -> Result<NestedCrossValidation> {
    let name = "nested_cross_validate";
    if outer.is_empty() {
        return Err(Error::argument(name, "there are no folds"));
    }
    let scores = FoldScores { name: "score".to_string(), folds: Vec::new() };
    let mut nested = NestedCrossValidation { scores, chosen: Vec::new() };
    for (i, fold) in outer.iter().enumerate() {
        let number = i + 1;
        let mut folds = inner(&fold.train).within(format!("fold {number} of {name}"))?;
        for inner in &mut folds {
            for place in inner.train.iter_mut().chain(&mut inner.test) {
                let Some(row) = fold.train.get(*place) else {
                    let message = format!("an inner fold has place {place}, there are {} rows", fold.train.len());
                    return Err(Error::index(name, message).with_help(
                        "inner folds are places in the list of rows, as KFold::split(rows.len()) gives them",
                    ));
                };
                *place = *row;
            }
        }
        if folds.is_empty() {
            return Err(Error::argument(name, "there are no inner folds"));
        }
        let part = tuner.part(number);
        let study: Study =
            part.run(|trial| over_folds(trial, &folds, objective)).within(format!("fold {number} of {name}"))?;
        let score = objective(&part.repeated(study.best()), fold).within(format!("fold {number} of {name}"))?;
        if score.is_nan() {
            return Err(Error::numeric(name, format!("the score of fold {number} is NaN")));
        }
        nested.scores.folds.push(score);
        nested.chosen.push(study.best().clone());
    }
    Ok(nested)
}
