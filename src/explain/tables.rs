//! What a model makes of the columns of a table.
//!
//! These functions see a model as a function of a table, so that they serve a [`Pipeline`](crate::pipeline::Pipeline), with the names of
//! the columns that people know, as well as anything else. They say what the *model* does, not what is so in the world: of two columns
//! that tell the same, shuffling one may do nothing.

use std::panic::Location;

use crate::data::{Column, Table, Value};
use crate::error::{Error, Here, Result, short};
use crate::rng::Rng;

/// How much worse a model becomes without a column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Importance {
    /// The column.
    pub column: String,
    /// The mean of what was lost.
    pub mean: f64,
    /// The score of the table as it is, minus the score with the column shuffled, for each time that it was.
    pub losses: Vec<f64>,
}

impl Importance {
    /// The range in which the middle 95 % of the losses lie, interpolated between them.
    #[must_use]
    pub fn interval(&self) -> [f64; 2] {
        let mut sorted = self.losses.clone();
        crate::order::sort_by(&mut sorted, f64::total_cmp);
        let at = |share: f64| {
            let place = share * (sorted.len().max(1) - 1) as f64;
            let value = |i: f64| sorted.get(i as usize).copied().unwrap_or(f64::NAN);
            let (low, high) = (value(place.floor()), value(place.ceil()));
            low + (high - low) * place.fract()
        };
        [at(0.025), at(0.975)]
    }
}

/// How much worse a model becomes when each of some columns is shuffled, so that it tells nothing any more (Breiman, 2001, *Random
/// forests*; scikit-learn's `permutation_importance`). `score` judges a table with the model: larger must be better, so an error has to be
/// negated. Each column is shuffled `repeats` times.
///
/// ```
/// use demotic::data::{Column, Table};
/// use demotic::prelude::*;
/// use demotic::explain::permutation_importance;
///
/// let table = Table::from_columns([
///     ("area", Column::from([1.0, 2.0, 3.0, 4.0])),
///     ("noise", Column::from([3.0, 1.0, 2.0, 4.0])),
///     ("price", Column::from([2.0, 4.0, 6.0, 8.0])),
/// ])?;
/// // The price is predicted to be twice the area.
/// let error = |table: &Table| {
///     let column = |name| Ok::<_, Error>(table.column(name)?.numbers().unwrap().to_vec());
///     let (area, price) = (column("area")?, column("price")?);
///     Ok(-area.iter().zip(price).map(|(area, price)| (2.0 * area - price).abs()).sum::<f64>() / 4.0)
/// };
/// let found = permutation_importance(&table, &["area", "noise"], 10, &mut Rng::seed(0), error)?;
/// assert!(found[0].mean > 1.0);
/// assert_eq!(found[1].mean, 0.0);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there is no such column, `repeats` is 0, a score is not finite, or `score` fails.
#[track_caller]
pub fn permutation_importance<N: AsRef<str>>(
    table: &Table,
    columns: &[N],
    repeats: usize,
    rng: &mut Rng,
    mut score: impl FnMut(&Table) -> Result<f64>,
) -> Result<Vec<Importance>> {
    let columns: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
    shuffled(table, &columns, repeats, rng, &mut score)
}

#[track_caller]
fn shuffled(
    table: &Table,
    columns: &[&str],
    repeats: usize,
    rng: &mut Rng,
    score: &mut dyn FnMut(&Table) -> Result<f64>,
) -> Result<Vec<Importance>> {
    let op = "permutation_importance";
    if repeats == 0 {
        return Err(Error::argument(op, "repeats is 0, expected at least 1"));
    }
    for name in columns {
        table.column(name)?;
    }
    let caller = Location::caller();
    let mut judged = |table: &Table, what: &str| match score(table).map_err(|e| e.outside(caller))? {
        score if !score.is_finite() => {
            Err(Error::numeric(op, format!("the score of the table {what} is {score}")).at(caller))
        }
        score => Ok(score),
    };
    let whole = judged(table, "as it is")?;
    let mut found = Vec::with_capacity(columns.len());
    for name in columns {
        let column = table.select(&[name])?;
        let mut losses = Vec::new();
        for _ in 0..repeats {
            let mixed = column.rows(&rng.permutation(table.num_rows())?)?;
            let other = table.clone().with_column(*name, mixed.column(name)?.clone())?;
            losses.push(whole - judged(&other, &format!("with `{}` shuffled", short(name)))?);
        }
        let mean = losses.iter().sum::<f64>() / repeats as f64;
        found.push(Importance { column: (*name).to_string(), mean, losses });
    }
    Ok(found)
}

/// What a model predicts on average for each of some values of a column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PartialDependence {
    /// The column.
    pub column: String,
    /// What is predicted.
    pub prediction: String,
    /// The means.
    pub effect: Effect,
}

/// The means of predictions.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// For values of a column of numbers, in ascending order.
    Numbers(Vec<(f64, f64)>),
    /// For each text of a column.
    Categories(Vec<(String, f64)>),
}

/// The most values of a column of texts.
const CATEGORIES: usize = 30;

/// What a model predicts on average when all rows have the same value in one column, for `points` values of it, and keep their others
/// (Friedman, 2001, *Greedy function approximation*; scikit-learn's `partial_dependence`, at the same values). Numbers go in `points` even
/// steps from the 5th to the 95th percentile of the column (SciPy's `mquantiles`), from its smallest to its largest one where these are
/// equal, which scikit-learn refuses, or are all its different ones where there are fewer than `points`; of texts it is each that occurs, at
/// most the 30 most frequent. `predict` gives a number for each row of a table, whose name is `prediction`.
///
/// ```
/// use demotic::data::{Column, Table};
/// use demotic::explain::{Effect, partial_dependence};
///
/// let table = Table::from_columns([("a", Column::from([1.0, 2.0])), ("b", Column::from([5.0, 7.0]))])?;
/// let sum = |table: &Table| {
///     let numbers = |name: &str| table.column(name).unwrap().numbers().unwrap().to_vec();
///     Ok(numbers("a").into_iter().zip(numbers("b")).map(|(a, b)| a + b).collect())
/// };
/// let found = partial_dependence(&table, "a", 10, "sum", sum)?;
/// assert_eq!(found.effect, Effect::Numbers(vec![(1.0, 7.0), (2.0, 8.0)]));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there is no such column, it has no values, `points` is less than 2 or more than 10,000, or `predict` fails or gives not as many
/// finite numbers as rows.
#[track_caller]
pub fn partial_dependence(
    table: &Table,
    column: &str,
    points: usize,
    prediction: &str,
    mut predict: impl FnMut(&Table) -> Result<Vec<f64>>,
) -> Result<PartialDependence> {
    let effect = effect(table, column, points, &mut predict)?;
    Ok(PartialDependence { column: column.to_string(), prediction: prediction.to_string(), effect })
}

#[track_caller]
fn effect(
    table: &Table,
    name: &str,
    points: usize,
    predict: &mut dyn FnMut(&Table) -> Result<Vec<f64>>,
) -> Result<Effect> {
    let op = "partial_dependence";
    check_points(op, points)?;
    let column = table.column(name)?;
    let rows = table.num_rows();
    if column.num_missing() == column.len() {
        return Err(Error::argument(op, format!("column `{}` has no values", short(name))));
    }
    let mut mean = |column: Column| -> Result<f64> {
        let predicted = predicted(op, &table.clone().with_column(name, column)?, predict)?;
        Ok(predicted.iter().sum::<f64>() / rows as f64)
    };
    if column.texts().is_some() {
        let texts: Vec<String> = column.iter().filter_map(|value| value.text().map(str::to_string)).collect();
        let mut counts: Vec<(String, usize)> = Vec::new();
        let mut place = std::collections::HashMap::new();
        for text in &texts {
            let at = *place.entry(text.as_str()).or_insert(counts.len());
            if at == counts.len() {
                counts.push((text.clone(), 0));
            }
            counts[at].1 += 1;
        }
        crate::order::sort_by(&mut counts, |a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(CATEGORIES);
        let mut means = Vec::with_capacity(counts.len());
        for (text, _) in counts {
            let same: Column = vec![Some(text.as_str()); rows].into();
            means.push((text, mean(same).outside()?));
        }
        return Ok(Effect::Categories(means));
    }
    let different = grid(op, name, &column.iter().filter_map(number).collect::<Vec<_>>(), points)?;
    let mut means = Vec::with_capacity(different.len());
    for x in different {
        means.push((x, mean(Column::from(vec![x; rows])).outside()?));
    }
    Ok(Effect::Numbers(means))
}

#[track_caller]
fn check_points(op: &'static str, points: usize) -> Result<()> {
    match points {
        2..=10_000 => Ok(()),
        _ => Err(Error::argument(op, format!("{points} points, expected 2 to 10,000"))),
    }
}

/// Predictions for all rows of a table.
#[track_caller]
pub(super) fn predicted(
    op: &'static str,
    table: &Table,
    predict: &mut dyn FnMut(&Table) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let (predicted, rows) = (predict(table).outside()?, table.num_rows());
    if predicted.len() != rows {
        return Err(Error::shape(op, format!("{} predictions for {rows} rows", predicted.len())));
    }
    match predicted.iter().position(|y| !y.is_finite()) {
        Some(row) => Err(Error::numeric(op, format!("the prediction for row {row} is {}", predicted[row]))),
        None => Ok(predicted),
    }
}

fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Number(x) => Some(x),
        Value::Integer(x) => Some(x as f64),
        _ => None,
    }
}

/// The numbers of a column, NaN where there is none.
#[track_caller]
pub(super) fn numbers_of(op: &'static str, table: &Table, name: &str) -> Result<Vec<f64>> {
    let column = table.column(name)?;
    if column.num_missing() == column.len() {
        return Err(Error::argument(op, format!("column `{}` has no values", short(name))));
    }
    if column.texts().is_some() {
        return Err(Error::dtype(op, format!("column `{}` has texts, expected numbers", short(name))));
    }
    Ok(column.iter().map(|value| number(value).unwrap_or(f64::NAN)).collect())
}

/// Values of a column of numbers: all different ones, or even steps between the 5th and the 95th percentile, as in scikit-learn.
#[track_caller]
pub(super) fn grid(op: &'static str, name: &str, values: &[f64], points: usize) -> Result<Vec<f64>> {
    check_points(op, points)?;
    let mut values: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    if values.is_empty() {
        return Err(Error::argument(op, format!("column `{}` has no values", short(name))));
    }
    crate::order::sort_by_key(&mut values, |x| crate::order::key(*x));
    let mut different = values.clone();
    different.dedup();
    if different.len() >= points && different.len() > 1 {
        // SciPy's `mquantiles`: value number i, from 1, of n is the quantile of (i - 0.4) / (n + 0.2).
        let n = values.len();
        let quantile = |share: f64| {
            let place = n as f64 * share + 0.4 + 0.2 * share;
            let below = (place as usize).clamp(1, n - 1);
            let part = (place - below as f64).clamp(0.0, 1.0);
            (1.0 - part) * values[below - 1] + part * values[below]
        };
        let ends = [quantile(0.05), quantile(0.95)];
        // What nearly all rows have is no curve.
        let [low, high] = if ends[0] < ends[1] { ends } else { [values[0], values[n - 1]] };
        let share = |i: usize| i as f64 / (points - 1) as f64;
        different = (0..points).map(|i| (1.0 - share(i)) * low + share(i) * high).collect();
        different.dedup();
    }
    Ok(different)
}

#[cfg(test)]
mod tests;
