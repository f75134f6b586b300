//! Rows summed up in groups.

use serde::{Deserialize, Serialize};

use crate::data::column::{Column, Value};
use crate::data::table::Table;
use crate::data::wide::{Moments, Wide, quantile, sorted};
use crate::error::{Error, Result, short};

/// What is told of the values of a column in each group. Missing values are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Aggregate {
    /// How many there are.
    Count,
    /// How many different ones there are.
    Unique,
    /// Their sum; 0 if there are none.
    Sum,
    /// Their mean.
    Mean,
    /// The value in their middle.
    Median,
    /// Their standard deviation, dividing by n − 1.
    Std,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The first.
    First,
    /// The last.
    Last,
}

impl Aggregate {
    /// What is added to the name of the column: `mean`, `max`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Unique => "unique",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Std => "std",
            Self::Min => "min",
            Self::Max => "max",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    /// Of a column in each group of rows.
    #[track_caller]
    fn of(self, name: &str, column: &Column, groups: &[Vec<usize>]) -> Result<Column> {
        if column.numbers().is_none() && !matches!(self, Self::Count | Self::Unique | Self::First | Self::Last) {
            let message = format!("column `{}` has texts, of which there is no {}", short(name), self.name());
            return Err(Error::dtype("group_by", message).with_help("count, unique, first and last suit texts"));
        }
        let is_there = |row: &&usize| column.get(**row) != Some(Value::Missing);
        // The row of the value itself, where it is one of them: integers keep their digits, and texts are found so too.
        let best = |rows: &[usize], better: &dyn Fn(Wide, Wide) -> bool| {
            rows.iter()
                .filter(is_there)
                .copied()
                .reduce(|best, row| if better(column.wide(row), column.wide(best)) { row } else { best })
        };
        let row = |rows: &[usize]| match self {
            Self::First => rows.iter().find(is_there).copied(),
            Self::Last => rows.iter().rev().find(is_there).copied(),
            Self::Min => best(rows, &|a, b| a < b),
            _ => best(rows, &|a, b| a > b),
        };
        if matches!(self, Self::First | Self::Last | Self::Min | Self::Max) {
            return Ok(column.picked(&groups.iter().map(|rows| row(rows)).collect::<Vec<_>>()));
        }
        let number = |rows: &Vec<usize>| {
            let present = || rows.iter().filter(is_there).map(|row| column.wide(*row)).collect::<Vec<Wide>>();
            match self {
                Self::Count => rows.iter().filter(is_there).count() as f64,
                Self::Unique => column.rows(rows).factorize().0.len() as f64,
                Self::Sum => present().into_iter().fold(Wide::default(), Wide::plus).to_f64(),
                Self::Mean => Moments::of(&present()).mean().to_f64(),
                Self::Median => quantile(&sorted(present()), 0.5).to_f64(),
                _ => {
                    let present = present();
                    if present.len() > 1 { Moments::of(&present).deviation(1.0) } else { f64::NAN }
                }
            }
        };
        Ok(groups.iter().map(number).collect())
    }
}

impl Table {
    /// One row for each different combination of values in the columns `by`, in their order (missing values last), with what is told of
    /// other columns: `price_mean`, `price_count`.
    ///
    /// ```
    /// use demotic::data::{Aggregate, Column, Table};
    ///
    /// let sales = Table::from_columns([
    ///     ("shop", Column::from(["south", "north", "south"])),
    ///     ("price", Column::from([10.0, 7.0, 20.0])),
    /// ])?;
    /// let shops = sales.group_by(&["shop"], &[("price", Aggregate::Sum), ("price", Aggregate::Mean)])?;
    /// assert_eq!(shops.column_names().collect::<Vec<_>>(), ["shop", "price_sum", "price_mean"]);
    /// assert_eq!(shops.column("price_mean")?.numbers(), Some(&[7.0, 15.0][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a column does not exist, texts are to be added up, or two columns would have one name.
    #[track_caller]
    #[doc(alias = "aggregate")]
    pub fn group_by<N: AsRef<str>>(&self, by: &[N], aggregates: &[(&str, Aggregate)]) -> Result<Self> {
        let by: Vec<&str> = by.iter().map(AsRef::as_ref).collect();
        self.grouped(&by, aggregates)
    }

    #[track_caller]
    fn grouped(&self, by: &[&str], aggregates: &[(&str, Aggregate)]) -> Result<Self> {
        let op = "group_by";
        let mut codes = Vec::with_capacity(by.len());
        for name in by {
            let (names, codes_of) = self.find(op, name)?.factorize();
            codes.push(codes_of.into_iter().map(|code| code.unwrap_or(names.len())).collect::<Vec<usize>>());
        }
        let key = |row: usize| codes.iter().map(move |codes| codes[row]);
        let mut rows: Vec<usize> = (0..self.num_rows()).collect();
        crate::order::sort_by(&mut rows, |a, b| key(*a).cmp(key(*b)));
        let groups: Vec<Vec<usize>> = rows.chunk_by(|a, b| key(*a).eq(key(*b))).map(<[usize]>::to_vec).collect();
        let first: Vec<usize> = groups.iter().map(|rows| rows[0]).collect();
        let mut columns = Vec::with_capacity(by.len() + aggregates.len());
        for name in by {
            columns.push((name.to_string(), self.find(op, name)?.rows(&first)));
        }
        for (name, aggregate) in aggregates {
            let column = aggregate.of(name, self.find(op, name)?, &groups)?;
            columns.push((format!("{name}_{}", aggregate.name()), column));
        }
        Self::named(op, columns)
    }

    /// The different values of a column, the most frequent first, with how many rows have it (`count`) and which share of those that
    /// have a value (`share`). Of equally frequent ones the first by order comes first.
    ///
    /// ```
    /// use demotic::data::{Column, Table};
    ///
    /// let table = Table::from_columns([("kind", Column::from(["flat", "house", "flat", "flat"]))])?;
    /// let counts = table.value_counts("kind")?;
    /// assert_eq!(counts.column("count")?.numbers(), Some(&[3.0, 1.0][..]));
    /// assert_eq!(counts.column("share")?.numbers(), Some(&[0.75, 0.25][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such column, or it is called `count` or `share` itself.
    #[track_caller]
    pub fn value_counts(&self, column: &str) -> Result<Self> {
        let op = "value_counts";
        let from = self.find(op, column)?;
        let (names, codes) = from.factorize();
        let mut counts = vec![(0usize, None); names.len()];
        for (row, code) in codes.iter().enumerate() {
            if let Some(code) = code {
                counts[*code].0 += 1;
                counts[*code].1 = counts[*code].1.or(Some(row));
            }
        }
        crate::order::sort_by(&mut counts, |(a, _), (b, _)| b.cmp(a));
        let total = codes.iter().flatten().count() as f64;
        let rows: Vec<Option<usize>> = counts.iter().map(|(_, row)| *row).collect();
        Self::named(
            op,
            vec![
                (column.to_string(), from.picked(&rows)),
                ("count".to_string(), counts.iter().map(|(n, _)| *n as f64).collect()),
                ("share".to_string(), counts.iter().map(|(n, _)| *n as f64 / total).collect()),
            ],
        )
    }
}
