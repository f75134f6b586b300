//! What a model makes of the columns of a table.
//!
//! These functions see a model as a function of a table, so that they serve a [`Pipeline`](crate::pipeline::Pipeline), with the names of
//! the columns that people know, as well as anything else. They say what the *model* does, not what is so in the world: of two columns
//! that tell the same, shuffling one may do nothing.

use std::panic::Location;

use crate::data::{Column, Table, Value};
use crate::error::{Error, Result, short};
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
    let mut judged = |table: &Table, what: &str| match score(table)? {
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
/// (Friedman, 2001, *Greedy function approximation*; scikit-learn's `partial_dependence`). Numbers go in even steps from the 5th to the 95th
/// percentile of the column (between rows on a straight line), or are all its different ones where there are no more than `points`; of texts it is each that occurs, at
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
            means.push((text, mean(same)?));
        }
        return Ok(Effect::Categories(means));
    }
    let different = grid(op, name, &column.iter().filter_map(number).collect::<Vec<_>>(), points)?;
    let mut means = Vec::with_capacity(different.len());
    for x in different {
        means.push((x, mean(Column::from(vec![x; rows]))?));
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
    let (predicted, rows) = (predict(table)?, table.num_rows());
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

/// Values of a column of numbers: all different ones, or even steps between the 5th and the 95th percentile.
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
    if different.len() > points {
        let quantile = |share: f64| {
            let place = share * (values.len() - 1) as f64;
            let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        let (low, high) = (quantile(0.05), quantile(0.95));
        different = (0..points).map(|i| low + (high - low) * i as f64 / (points - 1) as f64).collect();
        different.dedup();
    }
    Ok(different)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let x: Vec<f64> = (0..200).map(|i| f64::from(i % 20) - 9.5).collect();
        let z: Vec<f64> = (0..200).map(|i| f64::from(i * 7 % 13)).collect();
        let y: Vec<f64> = x.iter().zip(&z).map(|(x, z)| 3.0 * x + z).collect();
        let kind: Vec<&str> = (0..200).map(|i| if i % 4 == 0 { "b" } else { "a" }).collect();
        Table::from_columns([("x", x.into()), ("z", z.into()), ("kind", kind.into()), ("y", Column::from(y))]).unwrap()
    }

    fn predict(table: &Table) -> Result<Vec<f64>> {
        let numbers = |name| Ok::<_, Error>(table.column(name)?.numbers().unwrap_or_default().to_vec());
        let kinds: Vec<f64> =
            table.column("kind")?.iter().map(|kind| if kind.text() == Some("b") { 10.0 } else { 0.0 }).collect();
        Ok(numbers("x")?.iter().zip(numbers("z")?).zip(kinds).map(|((x, z), kind)| 3.0 * x + z + kind).collect())
    }

    fn score(table: &Table) -> Result<f64> {
        let y = table.column("y")?.numbers().unwrap_or_default().to_vec();
        let x = predict(table)?;
        Ok(-x.iter().zip(&y).map(|(p, y)| (p - y).powi(2)).sum::<f64>() / y.len() as f64)
    }

    /// Shuffling x adds, to the mean squared error, twice its variance times the square of its weight, in expectation.
    #[test]
    fn shuffling_costs_what_it_should() {
        let found = permutation_importance(&table(), &["x", "z"], 200, &mut Rng::seed(3), score).unwrap();
        let z: Vec<f64> = table().column("z").unwrap().numbers().unwrap().to_vec();
        let mean = z.iter().sum::<f64>() / 200.0;
        let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / 200.0;
        for (found, expected) in found.iter().zip([2.0 * 9.0 * 33.25, 2.0 * variance]) {
            assert!(
                (found.mean / expected - 1.0).abs() < 0.05,
                "{}: {}, expected {expected}",
                found.column,
                found.mean
            );
            let [low, high] = found.interval();
            assert!(low < found.mean && found.mean < high && low > 0.5 * expected && high < 1.5 * expected);
        }
        assert_eq!(Importance { column: String::new(), mean: 0.0, losses: vec![4.0, 1.0] }.interval(), [1.075, 3.925]);
    }

    #[test]
    fn dependence_of_numbers_and_texts() {
        let Effect::Numbers(points) = partial_dependence(&table(), "x", 5, "y", predict).unwrap().effect else {
            panic!()
        };
        // numpy.quantile of the column at 0.05 and 0.95, and even steps between them.
        let expected = [-8.55, -4.275, 0.0, 4.275, 8.55];
        let rest = table().column("z").unwrap().numbers().unwrap().iter().sum::<f64>() / 200.0 + 2.5;
        for ((x, y), expected) in points.iter().zip(expected) {
            assert!((x - expected).abs() < 1e-12 && (y - (3.0 * x + rest)).abs() < 1e-9, "{x} {y}");
        }
        let Effect::Categories(means) = partial_dependence(&table(), "kind", 5, "y", predict).unwrap().effect else {
            panic!()
        };
        assert_eq!(means.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!((means[1].1 - means[0].1 - 10.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_impossible_is_said() {
        let mut rng = Rng::seed(0);
        let mut importance = |columns: &[&str], repeats, score: fn(&Table) -> Result<f64>| {
            permutation_importance(&table(), columns, repeats, &mut rng, score).unwrap_err().message()
        };
        assert_eq!(importance(&["x"], 0, score), "permutation_importance: repeats is 0, expected at least 1");
        assert_eq!(importance(&["q"], 1, score), "column: the table has no column `q`");
        let message = "permutation_importance: the score of the table as it is is NaN";
        assert_eq!(importance(&["x"], 1, |_| Ok(f64::NAN)), message);
        let dependence = |column, points, predict: fn(&Table) -> Result<Vec<f64>>| {
            partial_dependence(&table(), column, points, "y", predict).unwrap_err().message()
        };
        assert_eq!(dependence("x", 1, predict), "partial_dependence: 1 points, expected 2 to 10,000");
        assert_eq!(dependence("x", 3, |_| Ok(vec![1.0])), "partial_dependence: 1 predictions for 200 rows");
        let empty = Table::from_columns([("a", Column::from([f64::NAN]))]).unwrap();
        let e = partial_dependence(&empty, "a", 3, "y", predict).unwrap_err().message();
        assert_eq!(e, "partial_dependence: column `a` has no values");
    }
}
