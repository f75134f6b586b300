//! Tables of named columns.

use std::collections::{HashMap, HashSet};

use super::column::{Column, Value};
use super::split;
use crate::error::{Error, Result, near, short};
use crate::rng::Rng;

/// Named columns of equal length, as read from a CSV file or built in code.
///
/// ```
/// use demotic::data::{Column, Table};
///
/// let houses = Table::from_columns([
///     ("area", Column::from([100.0, 120.0, 150.0])),
///     ("size", Column::from(["small", "medium", "large"])),
/// ])?;
/// assert_eq!(houses.shape(), (3, 2));
/// assert_eq!(houses.to_string(), "   area  size\n0   100  small\n1   120  medium\n2   150  large\n[3 rows × 2 columns]");
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Rows are counted from 0. Printing a table shows its first and last rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    columns: Vec<(String, Column)>,
    rows: usize,
}

impl Table {
    /// A table of the given columns.
    ///
    /// # Errors
    /// If their lengths differ or a name is given twice.
    #[track_caller]
    pub fn from_columns<N: Into<String>>(columns: impl IntoIterator<Item = (N, Column)>) -> Result<Self> {
        Self::named("from_columns", columns.into_iter().map(|(name, column)| (name.into(), column)).collect())
    }

    #[track_caller]
    pub(super) fn named(op: &'static str, columns: Vec<(String, Column)>) -> Result<Self> {
        let rows = columns.first().map_or(0, |(_, column)| column.len());
        let mut names = HashSet::with_capacity(columns.len());
        for (name, column) in &columns {
            if column.len() != rows {
                let message = format!(
                    "column `{}` has {} rows, the first column, `{}`, has {rows}",
                    short(name),
                    column.len(),
                    short(&columns[0].0)
                );
                return Err(Error::shape(op, message));
            }
            if !names.insert(name.as_str()) {
                return Err(Error::argument(op, format!("two columns are called `{}`", short(name))));
            }
        }
        Ok(Self { columns, rows })
    }

    /// The table with other columns in the place of one.
    #[track_caller]
    pub(super) fn replaced(&self, op: &'static str, name: &str, with: Vec<(String, Column)>) -> Result<Self> {
        let mut columns = self.columns.clone();
        let at = columns.iter().position(|(own, _)| own == name).unwrap_or(columns.len());
        columns.splice(at..(at + 1).min(columns.len()), with);
        Self::named(op, columns)
    }

    /// Columns whose names differ and whose lengths are `rows`.
    pub(super) fn from_checked(columns: Vec<(String, Column)>, rows: usize) -> Self {
        Self { columns, rows }
    }

    /// The same table with one more column, or with another one in place of the column of that name.
    ///
    /// # Errors
    /// If its length differs from the others'.
    #[track_caller]
    pub fn with_column(mut self, name: impl Into<String>, column: impl Into<Column>) -> Result<Self> {
        let (name, column) = (name.into(), column.into());
        if !self.columns.is_empty() && column.len() != self.rows {
            let (name, len) = (short(&name), column.len());
            let message = format!("column `{name}` has {len} rows, the table has {}", self.rows);
            return Err(Error::shape("with_column", message));
        }
        self.rows = column.len();
        match self.columns.iter_mut().find(|(old, _)| *old == name) {
            Some((_, old)) => *old = column,
            None => self.columns.push((name, column)),
        }
        Ok(self)
    }

    /// The table with every value of a column replaced by what a function makes of it: numbers as `f64`, whole numbers as
    /// `i64` or `i128`, texts as `String`, each also in an `Option`, where `None` is a missing value.
    ///
    /// ```
    /// use demotic::data::{Column, Table};
    ///
    /// let houses = Table::from_columns([("area", Column::from(["120 m²", "1290 ft²", "?"]))])?;
    /// let houses = houses.map("area", |area| {
    ///     let (number, unit) = area.text()?.split_once(' ')?;
    ///     let number: f64 = number.parse().ok()?;
    ///     Some(if unit == "ft²" { number * 0.0929 } else { number })
    /// })?;
    /// assert_eq!(houses.column("area")?.num_missing(), 1);
    /// assert_eq!(houses.column("area")?.numbers().unwrap()[..2], [120.0, 119.841]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such column.
    #[track_caller]
    #[doc(alias = "apply")]
    pub fn map<T>(&self, column: &str, f: impl FnMut(Value<'_>) -> T) -> Result<Self>
    where
        Column: FromIterator<T>,
    {
        let new = self.find("map", column)?.iter().map(f).collect();
        self.replaced("map", column, vec![(column.to_string(), new)])
    }

    /// The numbers of rows and columns.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns.len())
    }

    /// The number of rows.
    #[must_use]
    #[doc(alias = "len")]
    pub fn num_rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    #[must_use]
    pub fn num_columns(&self) -> usize {
        self.columns.len()
    }

    /// The names of the columns, in order.
    pub fn column_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The columns with their names, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column))
    }

    /// The column with a name.
    ///
    /// # Errors
    /// If there is none.
    #[track_caller]
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.find("column", name)
    }

    #[track_caller]
    pub(super) fn find(&self, op: &'static str, name: &str) -> Result<&Column> {
        match self.columns.iter().find(|(own, _)| own == name) {
            Some((_, column)) => Ok(column),
            None => Err(self.no_column(op, name)),
        }
    }

    /// Whether there is a column of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(own, _)| own == name)
    }

    /// All columns by name, for looking up many.
    pub(super) fn by_name(&self) -> HashMap<&str, &Column> {
        self.columns().collect()
    }

    /// The column whose name is most like this one, if any is: at most a third of the letters differ, not counting case.
    fn nearest(&self, name: &str) -> Option<&str> {
        let names = self.column_names().filter_map(|own| Some((near(own, name)?, own)));
        names.min_by_key(|(distance, _)| *distance).map(|(_, own)| own)
    }

    #[track_caller]
    pub(super) fn no_column(&self, op: &'static str, name: &str) -> Error {
        const SHOWN: usize = 20;
        let mut names: Vec<_> = self.column_names().take(SHOWN).map(short).collect();
        let help = match (names.as_slice(), self.num_columns()) {
            ([], _) => "the table has no columns".to_string(),
            ([only], _) if self.column_names().any(|name| name.contains([';', '\t', '|'])) => {
                format!("the only column is `{only}`: set the file's delimiter with CsvOptions::delimiter")
            }
            (_, n) => {
                if n > SHOWN {
                    names.push("…".into());
                }
                let known = format!("the columns are {}", names.join(", "));
                let starts_as_number =
                    |name: &str| name.trim_start_matches(['-', '+', '.']).starts_with(|c: char| c.is_ascii_digit());
                let data = self.column_names().filter(|name| starts_as_number(name)).count();
                match (self.date_of_part(name), self.nearest(name)) {
                    (Some(date), _) => {
                        let date = short(date);
                        format!(
                            "it is a part of the dates in `{date}`: Table::date_parts makes it, and a Pipeline with the options of the file, .with_csv(options), does so itself"
                        )
                    }
                    (None, Some(nearest)) => format!("did you mean `{}`? {known}", short(nearest)),
                    (None, None) if 2 * data >= n => {
                        format!(
                            "{known}: if these are values of a first row, read the file with CsvOptions::new().header(false)"
                        )
                    }
                    (None, None) => known,
                }
            }
        };
        Error::argument(op, format!("the table has no column `{}`", short(name))).with_help(help)
    }

    /// A table of these columns only, in this order.
    ///
    /// # Errors
    /// If one does not exist or is named twice.
    #[track_caller]
    pub fn select<N: AsRef<str>>(&self, names: &[N]) -> Result<Self> {
        let known = self.by_name();
        let mut seen = HashSet::with_capacity(names.len());
        let mut columns = Vec::with_capacity(names.len());
        for name in names.iter().map(AsRef::as_ref) {
            let Some(column) = known.get(name) else { return Err(self.no_column("select", name)) };
            if !seen.insert(name) {
                return Err(Error::argument("select", format!("column `{}` is named twice", short(name))));
            }
            columns.push((name.to_string(), (*column).clone()));
        }
        Ok(Self { columns, rows: self.rows })
    }

    /// A table without these columns.
    ///
    /// # Errors
    /// If one does not exist.
    #[track_caller]
    pub fn drop<N: AsRef<str>>(&self, names: &[N]) -> Result<Self> {
        let known = self.by_name();
        let dropped: HashSet<&str> = names.iter().map(AsRef::as_ref).collect();
        if let Some(name) = dropped.iter().find(|name| !known.contains_key(**name)) {
            return Err(self.no_column("drop", name));
        }
        let columns = self.columns.iter().filter(|(name, _)| !dropped.contains(name.as_str())).cloned().collect();
        Ok(Self { columns, rows: self.rows })
    }

    /// A table of these rows, in this order; a row may occur several times.
    ///
    /// # Errors
    /// If one does not exist.
    #[track_caller]
    #[doc(alias = "iloc")]
    #[doc(alias = "take")]
    pub fn rows(&self, rows: &[usize]) -> Result<Self> {
        if let Some(row) = rows.iter().find(|row| **row >= self.rows) {
            return Err(Error::index("rows", format!("row {row} of a table with {} rows, counted from 0", self.rows)));
        }
        Ok(self.pick(rows))
    }

    fn pick(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|(name, column)| (name.clone(), column.rows(rows))).collect();
        Self { columns, rows: rows.len() }
    }

    /// The first `n` rows, or all if there are fewer.
    #[must_use]
    pub fn head(&self, n: usize) -> Self {
        self.pick(&(0..n.min(self.rows)).collect::<Vec<_>>())
    }

    /// The last `n` rows, or all if there are fewer.
    #[must_use]
    pub fn tail(&self, n: usize) -> Self {
        self.pick(&(self.rows.saturating_sub(n)..self.rows).collect::<Vec<_>>())
    }

    /// A table of the rows that have a value in each of these columns; in every column, if none are named.
    ///
    /// # Errors
    /// If a column does not exist.
    #[track_caller]
    #[doc(alias = "dropna")]
    pub fn drop_missing<N: AsRef<str>>(&self, columns: &[N]) -> Result<Self> {
        let mut chosen = Vec::with_capacity(columns.len());
        for name in columns {
            chosen.push(self.find("drop_missing", name.as_ref())?);
        }
        if chosen.is_empty() {
            chosen.extend(self.columns.iter().map(|(_, column)| column));
        }
        let whole = |row: &usize| chosen.iter().all(|column| column.get(*row) != Some(Value::Missing));
        Ok(self.pick(&(0..self.rows).filter(whole).collect::<Vec<_>>()))
    }

    /// Divides the rows at random: a share of `fraction` into the first table, the rest into the second.
    ///
    /// # Errors
    /// If `fraction` does not lie between 0 and 1, or there are fewer than 2 rows. Neither part is ever empty.
    #[track_caller]
    #[doc(alias = "train_test_split")]
    pub fn split(&self, fraction: f64, rng: &mut Rng) -> Result<(Self, Self)> {
        let (first, second) = split::shuffled(self.rows, fraction, rng)?;
        Ok((self.pick(&first), self.pick(&second)))
    }

    /// The same, with every value of `column` in the same proportion in both parts, as near as whole rows allow.
    /// Rows without a value count as a class of their own.
    ///
    /// # Errors
    /// As for [`split`](Self::split), or if there is no such column, or a value occurs in one row only.
    #[track_caller]
    pub fn split_stratified(&self, fraction: f64, column: &str, rng: &mut Rng) -> Result<(Self, Self)> {
        let (names, codes) = self.find("split_stratified", column)?.factorize();
        let labels: Vec<usize> = codes.into_iter().map(|code| code.unwrap_or(names.len())).collect();
        let describe = |label: usize| match names.get(label) {
            Some(name) => format!("`{}` in column `{}`", short(name), short(column)),
            None => format!("no value in column `{}`", short(column)),
        };
        let (first, second) = split::stratified(&labels, fraction, rng, &describe)?;
        Ok((self.pick(&first), self.pick(&second)))
    }

    /// The values of a column as class numbers: for every row its class, and the name of each class. Classes are in
    /// order: texts by their characters, numbers by size.
    ///
    /// # Errors
    /// If there is no such column, or a value is missing.
    #[track_caller]
    pub fn factorize(&self, column: &str) -> Result<(Vec<usize>, Vec<String>)> {
        let (names, codes) = self.find("factorize", column)?.factorize();
        let labels: Vec<usize> = codes.iter().flatten().copied().collect();
        match codes.iter().position(Option::is_none) {
            None => Ok((labels, names)),
            Some(row) => Err(missing_value("factorize", column, row)),
        }
    }
}

#[track_caller]
pub(super) fn missing_value(op: &'static str, column: &str, row: usize) -> Error {
    let column = short(column);
    let message = format!("column `{column}` has no value in row {row}");
    Error::argument(op, message).with_help(format!("table.drop_missing(&[\"{column}\"]) leaves out such rows"))
}
