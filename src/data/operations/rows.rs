//! Which rows there are, and in which order.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::columns::values_of;
use crate::data::column::{Column, Value};
use crate::data::table::Table;
use crate::error::{Error, Result, short};
use crate::rng::Rng;
use crate::tensor::create::check_list;

/// In which direction rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum SortOrder {
    /// The smallest first; texts by their characters.
    #[default]
    Ascending,
    /// The largest first.
    Descending,
}

impl Table {
    /// The rows for whose value in a column the function says so.
    ///
    /// ```
    /// use demotic::data::{Column, Table};
    ///
    /// let table = Table::from_columns([
    ///     ("area", Column::from([100.0, 30.0, f64::NAN])),
    ///     ("kind", Column::from(["flat", "flat", "house"])),
    /// ])?;
    /// let large = table.filter("area", |area| area.number() >= Some(50.0))?;
    /// assert_eq!(large.num_rows(), 1);
    /// let flats = table.filter("kind", |kind| kind.text() == Some("flat"))?;
    /// assert_eq!(flats.num_rows(), 2);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such column.
    #[track_caller]
    #[doc(alias = "where")]
    pub fn filter(&self, column: &str, mut keep: impl FnMut(Value<'_>) -> bool) -> Result<Self> {
        self.kept("filter", &[column], &mut |values| values.first().is_some_and(|value| keep(*value)))
    }

    /// The same by the values of several columns, in the order of their names.
    ///
    /// # Errors
    /// If a column does not exist.
    #[track_caller]
    pub fn filter_by<N: AsRef<str>>(&self, columns: &[N], mut keep: impl FnMut(&[Value<'_>]) -> bool) -> Result<Self> {
        let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        self.kept("filter_by", &names, &mut keep)
    }

    #[track_caller]
    fn kept(&self, op: &'static str, names: &[&str], keep: &mut dyn FnMut(&[Value<'_>]) -> bool) -> Result<Self> {
        let columns = self.columns_or_all(op, names)?;
        let (mut values, mut rows) = (Vec::with_capacity(columns.len()), Vec::new());
        for row in 0..self.num_rows() {
            values_of(&columns, row, &mut values);
            if keep(&values) {
                rows.push(row);
            }
        }
        self.rows(&rows)
    }

    /// The columns with these names; all of them, if there are no names.
    #[track_caller]
    pub(super) fn columns_or_all(&self, op: &'static str, names: &[&str]) -> Result<Vec<&Column>> {
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            columns.push(self.find(op, name)?);
        }
        if names.is_empty() {
            columns.extend(self.columns().map(|(_, column)| column));
        }
        Ok(columns)
    }

    /// The rows by the values of these columns, the smallest first; of equal ones by those of the next column. Rows without a value come
    /// last, and rows that are equal in all of them stay in their order.
    ///
    /// ```
    /// use demotic::data::{Column, SortOrder, Table};
    ///
    /// let table = Table::from_columns([
    ///     ("kind", Column::from(["b", "a", "b"])),
    ///     ("price", Column::from([1.0, 2.0, 3.0])),
    /// ])?;
    /// let sorted = table.sort(&["kind"])?;
    /// assert_eq!(sorted.column("price")?.numbers(), Some(&[2.0, 1.0, 3.0][..]));
    /// let sorted = table.sort_by(&[("kind", SortOrder::Ascending), ("price", SortOrder::Descending)])?;
    /// assert_eq!(sorted.column("price")?.numbers(), Some(&[2.0, 3.0, 1.0][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a column does not exist.
    #[track_caller]
    #[doc(alias = "sort_values")]
    pub fn sort<N: AsRef<str>>(&self, columns: &[N]) -> Result<Self> {
        let columns: Vec<_> = columns.iter().map(|name| (name.as_ref(), SortOrder::Ascending)).collect();
        self.sort_by(&columns)
    }

    /// The same with a direction for each column.
    ///
    /// # Errors
    /// If a column does not exist.
    #[track_caller]
    pub fn sort_by(&self, columns: &[(&str, SortOrder)]) -> Result<Self> {
        let mut ranks = Vec::with_capacity(columns.len());
        for (name, order) in columns {
            ranks.push((self.find("sort", name)?.factorize().1, *order));
        }
        let mut rows: Vec<usize> = (0..self.num_rows()).collect();
        crate::order::sort_by(&mut rows, |a, b| {
            let by = |(ranks, order): &(Vec<Option<usize>>, SortOrder)| match (ranks[*a], ranks[*b], order) {
                (Some(a), Some(b), SortOrder::Ascending) => a.cmp(&b),
                (Some(a), Some(b), SortOrder::Descending) => b.cmp(&a),
                (a, b, _) => a.is_none().cmp(&b.is_none()),
            };
            ranks.iter().map(by).find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
        });
        self.rows(&rows)
    }

    /// `n` rows at random, each at most once; all of them in a random order, if `n` is their number.
    ///
    /// # Errors
    /// If there are fewer rows.
    #[track_caller]
    pub fn sample(&self, n: usize, rng: &mut Rng) -> Result<Self> {
        if n > self.num_rows() {
            let message = format!("{n} rows of a table with {}", self.num_rows());
            let help = "sample_with_replacement draws rows more than once";
            return Err(Error::argument("sample", message).with_help(help));
        }
        let mut rows = rng.permutation(self.num_rows())?;
        rows.truncate(n);
        self.rows(&rows)
    }

    /// `n` rows at random, each as often as it is drawn.
    ///
    /// # Errors
    /// If there are no rows to draw from, or so many do not fit into memory.
    #[track_caller]
    #[doc(alias = "bootstrap")]
    pub fn sample_with_replacement(&self, n: usize, rng: &mut Rng) -> Result<Self> {
        let op = "sample_with_replacement";
        if self.num_rows() == 0 && n > 0 {
            return Err(Error::argument(op, "the table has no rows"));
        }
        check_list(op, "rows", n, 8 * (1 + self.num_columns()))?;
        let rows: Vec<usize> = (0..n).map(|_| rng.below(self.num_rows())).collect();
        self.rows(&rows)
    }

    /// The rows that differ from all before them in these columns; in any column, if none are named. Missing values are equal to each
    /// other.
    ///
    /// ```
    /// use demotic::data::{Column, Table};
    ///
    /// let table = Table::from_columns([("id", Column::from([1.0, 2.0, 1.0])), ("x", Column::from([5.0, 5.0, 6.0]))])?;
    /// assert_eq!(table.drop_duplicates(&["id"])?.num_rows(), 2);
    /// assert_eq!(table.drop_duplicates::<&str>(&[])?.num_rows(), 3);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a column does not exist.
    #[track_caller]
    #[doc(alias = "distinct")]
    #[doc(alias = "unique")]
    pub fn drop_duplicates<N: AsRef<str>>(&self, columns: &[N]) -> Result<Self> {
        let names: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        let columns = self.columns_or_all("drop_duplicates", &names)?;
        let codes: Vec<Vec<Option<usize>>> = columns.iter().map(|column| column.factorize().1).collect();
        let mut seen = HashSet::new();
        let mut rows: Vec<usize> = (0..self.num_rows()).collect();
        rows.retain(|row| seen.insert(codes.iter().map(|codes| codes[*row]).collect::<Vec<_>>()));
        self.rows(&rows)
    }

    /// The rows of all these tables, one after the other. Their columns have the same names and kinds; the order is that of the first.
    ///
    /// ```
    /// use demotic::data::{Column, Table};
    ///
    /// let may = Table::from_columns([("day", Column::from([1.0, 2.0])), ("sold", Column::from([7.0, 9.0]))])?;
    /// let june = Table::from_columns([("sold", Column::from([8.0])), ("day", Column::from([1.0]))])?;
    /// let both = Table::concat(&[&may, &june])?;
    /// assert_eq!(both.column("sold")?.numbers(), Some(&[7.0, 9.0, 8.0][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a table lacks a column or has another one, or one is of numbers in one table and of texts in another.
    #[track_caller]
    #[doc(alias = "append")]
    #[doc(alias = "vstack")]
    pub fn concat(tables: &[&Self]) -> Result<Self> {
        let op = "concat";
        let Some(first) = tables.first() else { return Ok(Self::default()) };
        let mut total = 0usize;
        for (i, table) in tables.iter().enumerate() {
            total = total.saturating_add(table.num_rows());
            if let Some(name) = table.column_names().find(|name| !first.has(name)) {
                let message = format!("table {i} has a column `{}`, which the first one lacks", short(name));
                return Err(Error::argument(op, message).with_help("select() or drop() leave the same columns"));
            }
        }
        check_list(op, "rows", total, 8 * (1 + first.num_columns()))?;
        let mut columns = Vec::with_capacity(first.num_columns());
        for name in first.column_names() {
            let mut parts = Vec::with_capacity(tables.len());
            for table in tables {
                parts.push(table.find(op, name)?);
            }
            match Column::joined(&parts) {
                Some(column) => columns.push((name.to_string(), column)),
                None => return Err(mixed(op, name)),
            }
        }
        Ok(Self::from_checked(columns, total))
    }
}

/// Columns of one name with different kinds.
#[track_caller]
pub(super) fn mixed(op: &'static str, name: &str) -> Error {
    let name = short(name);
    let e = Error::dtype(op, format!("column `{name}` has numbers in one table and texts in another"));
    e.with_help(format!("table.cast(\"{name}\", ColumnKind::Text) makes texts of numbers"))
}
