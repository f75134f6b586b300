//! The least that would have to be otherwise.

use std::panic::Location;

use super::tables::predicted;
use crate::data::{Column, Table, Value};
use crate::error::{Error, Result, short};
use crate::rng::Rng;

/// What may happen to a column.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Nothing: age, place of birth.
    Fixed,
    /// Numbers from the first to the second.
    Between(f64, f64),
    /// It can only rise: years of work.
    Rising,
    /// It can only fall.
    Falling,
}

/// A row with another prediction.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Counterfactual {
    /// The row, with all columns.
    pub row: Table,
    /// The columns that differ, each with the value before and after.
    pub changes: Vec<(String, String, String)>,
    /// What is predicted for it.
    pub prediction: f64,
    /// The sum of the differences: of numbers in units of the median absolute deviation of their column, of texts 1 for each.
    pub distance: f64,
}

/// Counterfactual explanations (Wachter et al., *Counterfactual explanations without opening the black box*, 2017): rows that are like a
/// given one, and for which the model says something else. *Your loan would have been granted with an income of 2,900 in place of 2,400.*
///
/// Candidates come from a table of real rows, and from mixtures of them with the given one, so that values occur together that are known to
/// occur. Each is brought back towards the given row as far as the prediction stays what is wanted, column by column, and numbers by
/// halving; columns of whole numbers keep them, and others end with
/// few digits. What can change and how far is said by column: [`Change`]. No gradients are needed, so any model will do; the result is the
/// nearest that was found, and not proven to be the nearest.
///
/// ```
/// use demotic::data::{Column, Table};
/// use demotic::explain::{Change, Counterfactuals};
/// use demotic::prelude::*;
///
/// let people = Table::from_columns([
///     ("income", Column::from([1000.0, 2000.0, 3000.0, 4000.0])),
///     ("age", Column::from([20.0, 30.0, 40.0, 50.0])),
/// ])?;
/// // Granted from 2500 on; nobody younger than 25 gets more than 0.3.
/// let score = |table: &Table| {
///     let of = |name| table.column(name).unwrap().numbers().unwrap().to_vec();
///     Ok(of("income").iter().zip(of("age")).map(|(x, age)| if age < 25.0 { 0.3 } else { x / 5000.0 }).collect())
/// };
/// let found = Counterfactuals::at_least(0.5)
///     .change("age", Change::Fixed)
///     .find(&people.rows(&[1])?, &people, &mut Rng::seed(0), score)?;
/// assert_eq!(found[0].changes.len(), 1);
/// let income = found[0].row.column("income")?.numbers().unwrap()[0];
/// assert!((2500.0..2510.0).contains(&income), "{income}");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Counterfactuals {
    low: f64,
    high: f64,
    changes: Vec<(String, Change)>,
    sparse: bool,
    count: usize,
    candidates: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Number(f64),
    Text(Option<String>),
}

impl Counterfactuals {
    /// Rows for which at least `low` is predicted.
    #[must_use]
    pub fn at_least(low: f64) -> Self {
        Self::between(low, f64::INFINITY)
    }

    /// Rows for which at most `high` is predicted.
    #[must_use]
    pub fn at_most(high: f64) -> Self {
        Self::between(f64::NEG_INFINITY, high)
    }

    /// Rows for which the prediction lies between two numbers.
    #[must_use]
    pub fn between(low: f64, high: f64) -> Self {
        Self { low, high, changes: Vec::new(), sparse: false, count: 3, candidates: 500 }
    }

    /// What may happen to a column; of several the last. Whatever the training rows had, if nothing is said.
    #[must_use]
    pub fn change(mut self, column: impl Into<String>, change: Change) -> Self {
        self.changes.push((column.into(), change));
        self
    }

    /// Rows that differ in as few columns as possible, in place of rows that are as near as possible.
    #[must_use]
    pub fn sparse(self) -> Self {
        Self { sparse: true, ..self }
    }

    /// How many are returned, at most: 3, if nothing is said.
    #[must_use]
    pub fn count(self, count: usize) -> Self {
        Self { count, ..self }
    }

    /// How many mixtures of rows are tried besides the rows themselves: 500, if nothing is said; at most 100,000.
    #[must_use]
    pub fn candidates(self, candidates: usize) -> Self {
        Self { candidates, ..self }
    }

    /// The rows that were found, the best first; none if the model gives none of its candidates what is wanted. `row` is a table of one
    /// row; the columns that both tables have and `predict` wants are changed, in the order of `row`.
    ///
    /// # Errors
    /// If `row` has not exactly one row, `known` has none or lacks one of its columns, a column that is spoken of does not exist, the
    /// bounds make no sense, or `predict` fails or gives NaN.
    #[track_caller]
    pub fn find(
        &self,
        row: &Table,
        known: &Table,
        rng: &mut Rng,
        mut predict: impl FnMut(&Table) -> Result<Vec<f64>>,
    ) -> Result<Vec<Counterfactual>> {
        self.search(row, known, rng, &mut predict)
    }

    #[track_caller]
    fn search(
        &self,
        row: &Table,
        known: &Table,
        rng: &mut Rng,
        predict: &mut dyn FnMut(&Table) -> Result<Vec<f64>>,
    ) -> Result<Vec<Counterfactual>> {
        let op = "counterfactuals";
        if row.num_rows() != 1 || known.num_rows() == 0 {
            let message = format!("{} rows to explain and {} known ones", row.num_rows(), known.num_rows());
            return Err(Error::argument(op, message).with_help("table.rows(&[i]) is one row"));
        }
        if self.low.is_nan() || self.high.is_nan() || self.low > self.high {
            return Err(Error::argument(op, format!("predictions from {} to {} are wanted", self.low, self.high)));
        }
        if self.candidates > 100_000 {
            return Err(Error::argument(op, format!("{} candidates, expected at most 100,000", self.candidates)));
        }
        let space = Space::new(op, row, known, &self.changes)?;
        let width = space.names.len();
        let mut candidates: Vec<Vec<Cell>> = space.known.iter().map(|other| space.allowed(other)).collect();
        for _ in 0..self.candidates {
            let (a, b) = (rng.below(space.known.len()), rng.below(space.known.len()));
            let mut mixed = space.own.clone();
            for (i, cell) in mixed.iter_mut().enumerate() {
                match rng.below(4) {
                    0 => *cell = space.known[a][i].clone(),
                    1 => *cell = space.known[b][i].clone(),
                    _ => (),
                }
            }
            candidates.push(space.allowed(&mixed));
        }
        let wanted = |y: f64| self.low <= y && y <= self.high;
        let caller = Location::caller();
        let mut ask = |rows: &[Vec<Cell>]| -> Result<Vec<f64>> {
            let found = predicted(op, &space.table(row, rows)?, predict)?;
            match found.iter().position(|y| y.is_nan()) {
                Some(i) => Err(Error::numeric(op, format!("NaN is predicted for candidate {i}")).at(caller)),
                None => Ok(found),
            }
        };
        let found = ask(&candidates)?;
        let mut kept: Vec<Vec<Cell>> =
            candidates.into_iter().zip(&found).filter(|(_, y)| wanted(**y)).map(|x| x.0).collect();
        crate::order::sort_by(&mut kept, |a, b| self.order(&space, a, b));
        kept.dedup();
        kept.truncate((4 * self.count).clamp(20, 1000));
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        // Back to the given row: first the columns that matter least or, for the nearest, that are farthest off.
        let mut order: Vec<usize> = (0..width).collect();
        let farthest = |i: usize| kept.iter().map(|row| space.step(i, &row[i])).fold(0.0, f64::max);
        let far: Vec<f64> = (0..width).map(farthest).collect();
        crate::order::sort_by(&mut order, |a, b| far[*b].total_cmp(&far[*a]));
        if self.sparse {
            order.reverse();
        }
        for _ in 0..2 {
            for &i in &order {
                let tried: Vec<Vec<Cell>> = kept.iter().map(|row| with(row, i, space.own[i].clone())).collect();
                let found = ask(&tried)?;
                for ((row, tried), y) in kept.iter_mut().zip(tried).zip(found) {
                    if wanted(y) {
                        *row = tried;
                    }
                }
            }
        }
        for &i in &order {
            let Cell::Number(own) = space.own[i] else { continue };
            // What is known not to do, and what does.
            let mut low: Vec<f64> = vec![own; kept.len()];
            for _ in 0..20 {
                let tried: Vec<Vec<Cell>> = kept
                    .iter()
                    .zip(&low)
                    .map(|(row, low)| match row[i] {
                        Cell::Number(x) => with(row, i, Cell::Number(space.rounded(i, low + 0.5 * (x - low), x))),
                        Cell::Text(_) => row.clone(),
                    })
                    .collect();
                let found = ask(&tried)?;
                for (((row, tried), y), low) in kept.iter_mut().zip(tried).zip(found).zip(&mut low) {
                    match (&tried[i], wanted(y)) {
                        (_, true) => *row = tried,
                        (Cell::Number(x), false) => *low = *x,
                        (Cell::Text(_), false) => (),
                    }
                }
            }
        }
        // Numbers that people can read: four digits, and then three, if that is still what is wanted.
        for (&i, digits) in order.iter().flat_map(|i| [(i, 4), (i, 3)]) {
            let Cell::Number(own) = space.own[i] else { continue };
            let tried: Vec<Vec<Cell>> = kept
                .iter()
                .map(|row| match row[i] {
                    Cell::Number(x) if x != own => space.allowed(&with(row, i, Cell::Number(outwards(x, own, digits)))),
                    _ => row.clone(),
                })
                .collect();
            if tried != kept {
                let found = ask(&tried)?;
                for ((row, tried), y) in kept.iter_mut().zip(tried).zip(found) {
                    if wanted(y) {
                        *row = tried;
                    }
                }
            }
        }
        crate::order::sort_by(&mut kept, |a, b| self.order(&space, a, b));
        kept.dedup();
        kept.truncate(self.count);
        let predictions = if kept.is_empty() { Vec::new() } else { ask(&kept)? };
        let mut results = Vec::with_capacity(kept.len());
        for (cells, prediction) in kept.iter().zip(predictions) {
            let table = space.table(row, std::slice::from_ref(cells))?;
            let text = |table: &Table, name: &str| {
                Ok::<_, Error>(table.column(name)?.get(0).map_or(String::new(), |x| x.to_string()))
            };
            let mut changes = Vec::new();
            for ((name, cell), own) in space.names.iter().zip(cells).zip(&space.own) {
                if cell != own {
                    changes.push((name.clone(), text(row, name)?, text(&table, name)?));
                }
            }
            let distance = space.distance(cells);
            results.push(Counterfactual { row: table, changes, prediction, distance });
        }
        Ok(results)
    }

    fn order(&self, space: &Space, a: &[Cell], b: &[Cell]) -> std::cmp::Ordering {
        let by_distance = space.distance(a).total_cmp(&space.distance(b));
        match self.sparse {
            true => space.changed(a).cmp(&space.changed(b)).then(by_distance),
            false => by_distance,
        }
    }
}

/// The next number away from `own` that has so many digits.
fn outwards(x: f64, own: f64, digits: i32) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let power = digits - 1 - x.abs().log10().floor() as i32;
    // Powers of ten below one are not exact, those above are.
    let scaled = if power >= 0 { x * 10f64.powi(power) } else { x / 10f64.powi(-power) };
    let whole = if x > own { (scaled - 1e-9).ceil() } else { (scaled + 1e-9).floor() };
    let found = if power >= 0 { whole / 10f64.powi(power) } else { whole * 10f64.powi(-power) };
    if found.is_finite() { found } else { x }
}

fn with(row: &[Cell], i: usize, cell: Cell) -> Vec<Cell> {
    let mut row = row.to_vec();
    row[i] = cell;
    row
}

/// The columns that can change, and how far apart their values are.
struct Space {
    names: Vec<String>,
    own: Vec<Cell>,
    known: Vec<Vec<Cell>>,
    rules: Vec<Option<Change>>,
    scales: Vec<f64>,
    whole: Vec<bool>,
}

impl Space {
    #[track_caller]
    fn new(op: &'static str, row: &Table, known: &Table, changes: &[(String, Change)]) -> Result<Self> {
        for (name, change) in changes {
            row.column(name)?;
            if let Change::Between(low, high) = change
                && !(low <= high && low.is_finite() && high.is_finite())
            {
                return Err(Error::argument(op, format!("column `{}` between {low} and {high}", short(name))));
            }
        }
        let mut space = Self {
            names: Vec::new(),
            own: Vec::new(),
            known: vec![Vec::new(); known.num_rows()],
            rules: Vec::new(),
            scales: Vec::new(),
            whole: Vec::new(),
        };
        for (name, column) in row.columns() {
            let other = known.column(name)?;
            let own = cells(column);
            let all = cells(other);
            let mut numbers: Vec<f64> =
                all.iter().filter_map(|cell| if let Cell::Number(x) = cell { Some(*x) } else { None }).collect();
            numbers.retain(|x| x.is_finite());
            let of_numbers = matches!(own[0], Cell::Number(_));
            if of_numbers == numbers.is_empty() {
                let message = format!("column `{}` has numbers in one table and not in the other", short(name));
                return Err(Error::dtype(op, message));
            }
            space.whole.push(numbers.iter().chain([&number(&own[0])]).all(|x| *x == x.trunc()));
            space.scales.push(deviation(numbers));
            space.rules.push(changes.iter().rev().find(|(of, _)| of == name).map(|(_, change)| *change));
            space.own.extend(own.into_iter().next());
            space.known.iter_mut().zip(all).for_each(|(row, cell)| row.push(cell));
            space.names.push(name.to_string());
        }
        Ok(space)
    }

    /// A row as near to another one as the rules allow.
    fn allowed(&self, other: &[Cell]) -> Vec<Cell> {
        let of = |i: usize| match (&self.own[i], &other[i], self.rules[i]) {
            (own, _, Some(Change::Fixed)) => own.clone(),
            (Cell::Number(own), Cell::Number(x), rule) => Cell::Number(match rule {
                _ if !x.is_finite() => *own,
                Some(Change::Between(low, high)) => x.clamp(low, high),
                Some(Change::Rising) => x.max(*own),
                Some(Change::Falling) => x.min(*own),
                _ => *x,
            }),
            (_, cell, _) => cell.clone(),
        };
        (0..self.own.len()).map(of).collect()
    }

    /// A number on the way to `end`, whole where the column is.
    fn rounded(&self, i: usize, x: f64, end: f64) -> f64 {
        match (self.whole[i], end > x) {
            (false, _) => x,
            (true, true) => x.floor(),
            (true, false) => x.ceil(),
        }
    }

    fn step(&self, i: usize, cell: &Cell) -> f64 {
        match (&self.own[i], cell) {
            (Cell::Number(own), Cell::Number(x)) if own.is_finite() && x.is_finite() => {
                (x - own).abs() / self.scales[i]
            }
            (own, other) => f64::from(u8::from(own != other)),
        }
    }

    fn distance(&self, row: &[Cell]) -> f64 {
        row.iter().enumerate().map(|(i, cell)| self.step(i, cell)).sum()
    }

    fn changed(&self, row: &[Cell]) -> usize {
        row.iter().zip(&self.own).filter(|(a, b)| a != b).count()
    }

    /// Rows as a table with the columns of the given one.
    #[track_caller]
    fn table(&self, row: &Table, rows: &[Vec<Cell>]) -> Result<Table> {
        let mut table = row.rows(&vec![0; rows.len()])?;
        for (i, name) in self.names.iter().enumerate() {
            if rows.iter().all(|row| row[i] == self.own[i]) {
                continue;
            }
            let column: Column = match &self.own[i] {
                Cell::Number(_) => rows.iter().map(|row| number(&row[i])).collect::<Vec<f64>>().into(),
                Cell::Text(_) => {
                    let text = |row: &'_ Vec<Cell>| if let Cell::Text(text) = &row[i] { text.clone() } else { None };
                    let texts: Vec<Option<String>> = rows.iter().map(text).collect();
                    texts.iter().map(Option::as_deref).collect::<Vec<_>>().into()
                }
            };
            table = table.with_column(name.clone(), column)?;
        }
        Ok(table)
    }
}

fn number(cell: &Cell) -> f64 {
    if let Cell::Number(x) = cell { *x } else { f64::NAN }
}

fn cells(column: &Column) -> Vec<Cell> {
    let texts = column.texts().is_some();
    let cell = |value: Value<'_>| match value {
        Value::Number(x) => Cell::Number(x),
        Value::Integer(x) => Cell::Number(x as f64),
        Value::Text(text) => Cell::Text(Some(text.to_string())),
        _ if texts => Cell::Text(None),
        _ => Cell::Number(f64::NAN),
    };
    column.iter().map(cell).collect()
}

/// The median absolute deviation from the median; where that is 0, the mean one, and otherwise 1.
fn deviation(mut numbers: Vec<f64>) -> f64 {
    let middle = |x: &mut Vec<f64>| {
        crate::order::sort_by(x, f64::total_cmp);
        x.get(x.len() / 2).copied().unwrap_or(0.0)
    };
    let median = middle(&mut numbers);
    numbers.iter_mut().for_each(|x| *x = (*x - median).abs());
    let found = middle(&mut numbers);
    let mean = numbers.iter().sum::<f64>() / numbers.len().max(1) as f64;
    [found, mean].into_iter().find(|x| *x > 0.0).unwrap_or(1.0)
}
