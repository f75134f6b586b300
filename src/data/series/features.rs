//! What a row is told of those before it.

use serde::{Deserialize, Serialize};

use super::rolling::{Statistic, rolling};
use crate::data::column::Column;
use crate::data::table::Table;
use crate::error::{Error, Result, short};
use crate::tensor::create::check_list;

/// What is computed of a window that moves over a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Rolling {
    /// The mean.
    Mean,
    /// The standard deviation, dividing by n − 1.
    Std,
    /// The smallest number.
    Min,
    /// The largest number.
    Max,
}

impl Rolling {
    const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Std => "std",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    const fn statistic(self) -> Statistic {
        match self {
            Self::Mean => Statistic::Mean,
            Self::Std => Statistic::Deviation,
            Self::Min => Statistic::Min,
            Self::Max => Statistic::Max,
        }
    }
}

/// Columns that tell each row of those before it, for models that see one row at a time: earlier values, rolling statistics,
/// differences. Rows are in the order of time, as they stand in the table; with [`group`](Self::group), each series by itself.
///
/// ```
/// use demotic::data::{Column, Rolling, Table, TimeFeatures};
///
/// let sales = Table::from_columns([("sales", Column::from([3.0, 5.0, 4.0, 6.0]))])?;
/// let features = TimeFeatures::new().lags("sales", &[1]).rolling_before("sales", 2, &[Rolling::Mean]).difference("sales", 1);
/// let sales = features.apply(&sales)?.drop_missing::<&str>(&[])?;
/// assert_eq!(sales.column("sales_lag_1")?.numbers(), Some(&[5.0, 4.0][..]));
/// assert_eq!(sales.column("sales_mean_2_before")?.numbers(), Some(&[4.0, 4.5][..]));
/// assert_eq!(sales.column("sales_diff_1")?.numbers(), Some(&[-1.0, 2.0][..]));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Values are missing where a series does not reach back far enough, and where one that they need is missing. A value of the target's own
/// row must not be among the features: forecast from `lags` and `rolling_before`, and leave out what `rolling` and `difference` make
/// of the target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[must_use = "it does nothing until it is applied"]
pub struct TimeFeatures {
    group: Option<String>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Step {
    column: String,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    Lags(Vec<usize>),
    Rolling { window: usize, what: Vec<Rolling>, is_before: bool },
    Difference(usize),
}

impl TimeFeatures {
    /// No columns yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows with the same value in this column are a series of their own.
    #[doc(alias = "groupby")]
    pub fn group(mut self, column: &str) -> Self {
        self.group = Some(column.to_string());
        self
    }

    fn with(mut self, column: &str, what: What) -> Self {
        self.steps.push(Step { column: column.to_string(), what });
        self
    }

    /// The value so many rows before, for each of these numbers: `sales_lag_7`.
    #[doc(alias = "shift")]
    pub fn lags(self, column: &str, rows: &[usize]) -> Self {
        self.with(column, What::Lags(rows.to_vec()))
    }

    /// Statistics of the last `window` rows, the row itself among them, as pandas computes them: `sales_mean_7`.
    pub fn rolling(self, column: &str, window: usize, what: &[Rolling]) -> Self {
        self.with(column, What::Rolling { window, what: what.to_vec(), is_before: false })
    }

    /// Statistics of the `window` rows before the row, which are known when the row is to be forecast: `sales_mean_7_before`.
    pub fn rolling_before(self, column: &str, window: usize, what: &[Rolling]) -> Self {
        self.with(column, What::Rolling { window, what: what.to_vec(), is_before: true })
    }

    /// The value less the one so many rows before: `sales_diff_1`.
    #[doc(alias = "diff")]
    pub fn difference(self, column: &str, rows: usize) -> Self {
        self.with(column, What::Difference(rows))
    }

    /// The table with these columns behind its own.
    ///
    /// # Errors
    /// If a column does not exist, has texts, or there is one of a new column's name already, or a number of rows is 0.
    #[track_caller]
    #[doc(alias = "transform")]
    pub fn apply(&self, table: &Table) -> Result<Table> {
        let op = "TimeFeatures";
        let series = match &self.group {
            Some(group) => in_groups(&table.find(op, group)?.factorize().1),
            None => vec![(0..table.num_rows()).collect()],
        };
        let mut columns: Vec<(String, Column)> =
            table.columns().map(|(name, column)| (name.to_string(), column.clone())).collect();
        for Step { column, what } in &self.steps {
            let Some(values) = table.find(op, column)?.numbers() else {
                return Err(Error::dtype(op, format!("column `{}` has texts, expected numbers", short(column))));
            };
            let names = what.names(op, column)?;
            check_list(op, "values", values.len().saturating_mul(names.len()), 8)?;
            let mut made = vec![vec![f64::NAN; values.len()]; names.len()];
            for rows in &series {
                let own: Vec<f64> = rows.iter().map(|row| values[*row]).collect();
                for (column, list) in made.iter_mut().zip(what.of(&own)) {
                    rows.iter().zip(list).for_each(|(row, value)| column[*row] = value);
                }
            }
            columns.extend(names.into_iter().zip(made.into_iter().map(Column::from)));
        }
        Table::named(op, columns)
    }
}

/// The rows of each group, in order; those without a value are a group of their own.
pub(super) fn in_groups(codes: &[Option<usize>]) -> Vec<Vec<usize>> {
    let count = codes.iter().flatten().max().map_or(0, |most| most + 1);
    let mut rows = vec![Vec::new(); count + 1];
    codes.iter().enumerate().for_each(|(row, code)| rows[code.unwrap_or(count)].push(row));
    rows.retain(|rows| !rows.is_empty());
    rows
}

impl What {
    #[track_caller]
    fn names(&self, op: &'static str, column: &str) -> Result<Vec<String>> {
        let (numbers, names) = match self {
            Self::Lags(rows) => (rows.as_slice(), rows.iter().map(|n| format!("{column}_lag_{n}")).collect()),
            Self::Difference(rows) => (std::slice::from_ref(rows), vec![format!("{column}_diff_{rows}")]),
            Self::Rolling { window, what, is_before } => {
                let behind = if *is_before { "_before" } else { "" };
                let names = what.iter().map(|what| format!("{column}_{}_{window}{behind}", what.name())).collect();
                (std::slice::from_ref(window), names)
            }
        };
        if numbers.contains(&0) {
            let message = format!("0 rows of column `{}`, expected at least 1", short(column));
            return Err(Error::argument(op, message));
        }
        Ok(names)
    }

    /// The new values of a series.
    fn of(&self, values: &[f64]) -> Vec<Vec<f64>> {
        match self {
            Self::Lags(rows) => rows.iter().map(|rows| shifted(values, *rows)).collect(),
            Self::Difference(rows) => {
                vec![values.iter().zip(shifted(values, *rows)).map(|(x, before)| x - before).collect()]
            }
            Self::Rolling { window, what, is_before } => {
                let what: Vec<Statistic> = what.iter().map(|what| what.statistic()).collect();
                let lists = rolling(values, *window, &what);
                if *is_before { lists.iter().map(|list| shifted(list, 1)).collect() } else { lists }
            }
        }
    }
}

/// The values so many places later.
fn shifted(values: &[f64], rows: usize) -> Vec<f64> {
    let rows = rows.min(values.len());
    let mut out = vec![f64::NAN; rows];
    out.extend_from_slice(&values[..values.len() - rows]);
    out
}
