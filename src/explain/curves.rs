//! What a model makes of one column, row by row and near the rows.

use super::tables::{grid, numbers_of, predicted};
use crate::data::{Column, Table};
use crate::error::{Error, Here, Result, short};

/// What a model predicts for each row while one column takes other values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Ice {
    /// The column.
    pub column: String,
    /// What is predicted.
    pub prediction: String,
    /// The values of the column, in ascending order.
    pub at: Vec<f64>,
    /// For each row the predictions at these values.
    pub curves: Vec<Vec<f64>>,
}

impl Ice {
    /// The curves from a common start, 0 at the first value: where these spread, rows differ in what the column does to them.
    #[must_use]
    pub fn centred(&self) -> Self {
        let mut centred = self.clone();
        for curve in &mut centred.curves {
            let first = curve.first().copied().unwrap_or(0.0);
            curve.iter_mut().for_each(|y| *y -= first);
        }
        centred
    }
}

/// Individual conditional expectation (Goldstein et al., *Peeking inside the black box*, 2015): the curves whose mean is the
/// [`partial_dependence`](super::partial_dependence) of a column of numbers, one for each row of the table. A mean may hide that a column
/// raises some predictions and lowers others.
///
/// ```
/// use demotic::data::{Column, Table};
/// use demotic::explain::ice;
///
/// let table = Table::from_columns([("a", Column::from([1.0, 2.0])), ("b", Column::from([1.0, -1.0]))])?;
/// let product = |table: &Table| {
///     let numbers = |name: &str| table.column(name).unwrap().numbers().unwrap().to_vec();
///     Ok(numbers("a").into_iter().zip(numbers("b")).map(|(a, b)| a * b).collect())
/// };
/// let found = ice(&table, "a", 10, "product", product)?;
/// assert_eq!((found.at, found.curves), (vec![1.0, 2.0], vec![vec![1.0, 2.0], vec![-1.0, -2.0]]));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// As for [`partial_dependence`](super::partial_dependence), and if it is no column of numbers.
#[track_caller]
pub fn ice(
    table: &Table,
    column: &str,
    points: usize,
    prediction: &str,
    mut predict: impl FnMut(&Table) -> Result<Vec<f64>>,
) -> Result<Ice> {
    let (at, curves) = curves(table, column, points, &mut predict)?;
    Ok(Ice { column: column.to_string(), prediction: prediction.to_string(), at, curves })
}

type Predict<'a> = &'a mut dyn FnMut(&Table) -> Result<Vec<f64>>;

#[track_caller]
fn curves(table: &Table, name: &str, points: usize, predict: Predict<'_>) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let op = "ice";
    let at = grid(op, name, &numbers_of(op, table, name)?, points)?;
    let rows = table.num_rows();
    let mut curves = vec![Vec::with_capacity(at.len()); rows];
    for x in &at {
        let found = predicted(op, &table.clone().with_column(name, Column::from(vec![*x; rows]))?, predict)?;
        curves.iter_mut().zip(found).for_each(|(curve, y)| curve.push(y));
    }
    Ok((at, curves))
}

/// Accumulated local effects of a column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Ale {
    /// The column.
    pub column: String,
    /// What is predicted.
    pub prediction: String,
    /// The ends of the intervals, in ascending order, each with the effect there; on average over the rows the effect is 0.
    pub effect: Vec<(f64, f64)>,
    /// How many rows lie in each interval: one less than there are ends.
    pub rows: Vec<usize>,
}

/// Accumulated local effects (Apley and Zhu, *Visualizing the effects of predictor variables in black box supervised learning models*,
/// 2020): how predictions change within small intervals of a column, on average over the rows that lie in them, added up. Where columns
/// are correlated, [`partial_dependence`](super::partial_dependence) asks about rows that cannot be (a flat of 20 m² with six rooms); this
/// asks about rows near real ones only.
///
/// The ends of the `intervals` are quantiles of the column that occur in it; equal ones are joined. The values are those of `PyALE`.
///
/// ```
/// use demotic::data::{Column, Table};
/// use demotic::explain::ale;
///
/// let table = Table::from_columns([("a", Column::from([0.0, 1.0, 2.0])), ("b", Column::from([5.0, 7.0, 9.0]))])?;
/// let twice = |table: &Table| Ok(table.column("a")?.numbers().unwrap().iter().map(|a| 2.0 * a).collect());
/// let found = ale(&table, "a", 2, "2 a", twice)?;
/// assert_eq!(found.effect[1].1 - found.effect[0].1, 2.0);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there is no such column of numbers, a value is missing or it has fewer than two different ones, `intervals` is 0 or more than
/// 10,000, or `predict` fails or gives not as many numbers as rows.
#[track_caller]
pub fn ale(
    table: &Table,
    column: &str,
    intervals: usize,
    prediction: &str,
    mut predict: impl FnMut(&Table) -> Result<Vec<f64>>,
) -> Result<Ale> {
    Ok(Ale { prediction: prediction.to_string(), ..effects(table, column, intervals, &mut predict)? })
}

#[track_caller]
fn effects(table: &Table, name: &str, intervals: usize, predict: Predict<'_>) -> Result<Ale> {
    let op = "ale";
    if !(1..=10_000).contains(&intervals) {
        return Err(Error::argument(op, format!("{intervals} intervals, expected 1 to 10,000")));
    }
    let values = numbers_of(op, table, name)?;
    if let Some(row) = values.iter().position(|x| !x.is_finite()) {
        return Err(Error::numeric(op, format!("column `{}` is {} in row {row}", short(name), values[row]))
            .with_help("drop_missing(&[column]) leaves out rows without a value"));
    }
    let mut sorted = values.clone();
    crate::order::sort_by_key(&mut sorted, |x| crate::order::key(*x));
    let last = sorted.len().saturating_sub(1);
    let mut ends: Vec<f64> = (0..=intervals)
        .filter_map(|i| sorted.get((i as f64 / intervals as f64 * last as f64 + 1e-9).floor() as usize).copied())
        .collect();
    ends.dedup();
    if ends.len() < 2 {
        let message = format!("column `{}` has fewer than two different values", short(name));
        return Err(Error::argument(op, message));
    }
    // An interval holds its upper end; the first one its lower end too.
    let bins = ends.len() - 1;
    let place = |x: f64| ends[1..].iter().position(|end| x <= *end).unwrap_or(bins - 1);
    let places: Vec<usize> = values.iter().map(|x| place(*x)).collect();
    let mut with = |shift: usize| {
        let moved: Vec<f64> = places.iter().map(|bin| ends[bin + shift]).collect();
        predicted(op, &table.clone().with_column(name, Column::from(moved))?, predict)
    };
    let (low, high) = (with(0).outside()?, with(1).outside()?);
    let (mut sums, mut rows) = (vec![0.0; bins], vec![0; bins]);
    for ((bin, low), high) in places.iter().zip(&low).zip(&high) {
        sums[*bin] += high - low;
        rows[*bin] += 1;
    }
    let mut effect = vec![0.0];
    for (sum, rows) in sums.iter().zip(&rows) {
        effect.push(effect[effect.len() - 1] + sum / (*rows).max(1) as f64);
    }
    let middle = |i: usize| 0.5 * (effect[i] + effect[i + 1]) * rows[i] as f64;
    let mean = (0..bins).map(middle).sum::<f64>() / values.len() as f64;
    let effect = ends.iter().copied().zip(effect.iter().map(|y| y - mean)).collect();
    Ok(Ale { column: name.to_string(), prediction: String::new(), effect, rows })
}
