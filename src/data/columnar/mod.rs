//! Tables from and to columnar files: Parquet, and Arrow's IPC format, which Feather is.

mod arrow;
mod limits;
mod parquet;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub(in crate::data) use parquet::ParquetFile;

use super::column::Column;
use super::table::Table;
use crate::error::{Error, Here, Result};

impl Table {
    /// Reads a Parquet file. Whole numbers keep all digits; decimals become numbers, truth values the texts `true` and `false`, dates and times
    /// seconds since the beginning of 1970, which are shown as dates, times of a day seconds since midnight. Nulls are missing values. Needs the feature `parquet`.
    ///
    /// Files may be packed by Snappy, gzip or LZ4, or not at all. [`TableFile`](super::TableFile) reads those that are larger than the
    /// memory.
    ///
    /// # Errors
    /// If the file cannot be read, is no Parquet file or damaged, has columns of lists, structures or bytes, is packed by something
    /// else, or is larger than the memory.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().map_err(|e| demotic::Error::io("example", std::path::Path::new("."), e))?;
    /// # let path = folder.path().join("houses.parquet");
    /// use demotic::data::{Column, Table};
    ///
    /// let houses = Table::from_columns([("area", Column::from([90.5, f64::NAN])), ("kind", Column::from(["flat", "house"]))])?;
    /// houses.write_parquet(&path)?;
    /// assert_eq!(Table::read_parquet(&path)?, houses);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn read_parquet(path: impl AsRef<Path>) -> Result<Self> {
        let op = "read_parquet";
        let file = ParquetFile::open(op, path.as_ref())?;
        file.check_memory(op)?;
        let mut parts = Vec::with_capacity(file.num_groups());
        for group in 0..file.num_groups() {
            parts.push(file.read(op, group)?);
        }
        match parts.len() {
            0 => file.without_rows(op),
            1 => Ok(parts.remove(0)),
            _ => Self::concat(&parts.iter().collect::<Vec<_>>()),
        }
    }

    /// Writes a Parquet file, packed by Snappy, in groups of 65,536 rows: whole numbers in 64 bits, others in double precision,
    /// texts in UTF-8, missing values as nulls. An earlier file is replaced only when the new one is complete. Needs the feature
    /// `parquet`.
    ///
    /// # Errors
    /// If the table has no columns, or the file system refuses.
    #[track_caller]
    #[doc(alias = "to_parquet")]
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<()> {
        let op = "write_parquet";
        check_columns(op, self)?;
        parquet::write(op, self, path.as_ref())
    }

    /// Reads a file in Arrow's IPC format, which Feather (version 2) is: types as in [`read_parquet`](Self::read_parquet), dictionaries as
    /// the values that they stand for. It may be packed by LZ4, as `pyarrow.feather` does by itself. Needs the feature `parquet`.
    ///
    /// # Errors
    /// As for [`read_parquet`](Self::read_parquet).
    #[track_caller]
    #[doc(alias = "read_feather")]
    pub fn read_arrow(path: impl AsRef<Path>) -> Result<Self> {
        arrow::read("read_arrow", path.as_ref())
    }

    /// Writes a file in Arrow's IPC format, which `pandas.read_feather` and others read, with columns as in
    /// [`write_parquet`](Self::write_parquet), not packed. Needs the feature `parquet`.
    ///
    /// # Errors
    /// If the table has no columns, or the file system refuses.
    #[track_caller]
    #[doc(alias = "write_feather")]
    pub fn write_arrow(&self, path: impl AsRef<Path>) -> Result<()> {
        let op = "write_arrow";
        check_columns(op, self)?;
        arrow::write(op, self, path.as_ref())
    }
}

#[track_caller]
fn check_columns(op: &'static str, table: &Table) -> Result<()> {
    if table.num_columns() == 0 {
        return Err(Error::argument(op, "the table has no columns"));
    }
    Ok(())
}

/// What a column is written as.
enum Written {
    Integers(Vec<Option<i64>>),
    Numbers(Vec<Option<f64>>),
    Texts,
}

impl Written {
    fn of(column: &Column) -> Self {
        if let Some(integers) = column.integers() {
            let narrow: Option<Vec<Option<i64>>> =
                integers.map(|x| x.map_or(Some(None), |x| i64::try_from(x).ok().map(Some))).collect();
            if let Some(narrow) = narrow {
                return Self::Integers(narrow);
            }
        }
        match column.numbers() {
            Some(numbers) => Self::Numbers(numbers.iter().map(|x| (!x.is_nan()).then_some(*x)).collect()),
            None => Self::Texts,
        }
    }
}

const DAY: f64 = 86_400.0;

/// Truth values as texts, as in other files.
fn truths(values: impl Iterator<Item = Option<bool>>) -> Column {
    values.map(|x| x.map(|x| if x { "true" } else { "false" })).collect()
}

/// A decimal with so many digits behind its point.
fn decimals(values: impl Iterator<Item = Option<i128>>, scale: i32) -> Column {
    match scale {
        0 => values.collect(),
        // A power of ten up to 22 is exact, so that the quotient is rounded once.
        1..=22 => values.map(|x| x.map(|x| x as f64 / 10f64.powi(scale))).collect(),
        _ => values.map(|x| x.map(|x| x as f64 * 10f64.powi(scale.saturating_neg()))).collect(),
    }
}

/// A column of points in time, in seconds since the beginning of 1970.
fn dated(column: Column) -> Column {
    column.with_written(crate::data::column::Written::dates())
}

/// Numbers of some unit as seconds.
fn seconds(values: impl Iterator<Item = Option<i64>>, per_second: f64) -> Column {
    values.map(|x| x.map(|x| x as f64 / per_second)).collect()
}

/// What a reader of files says, which must not be a panic.
#[track_caller]
fn guarded<T>(op: &'static str, path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.here(),
        Err(_) => Err(Error::format(op, format!("{}: the file is damaged", path.display()))),
    }
}

/// An error about the contents of a file.
#[track_caller]
fn wrong(op: &'static str, path: &Path, message: impl std::fmt::Display) -> Error {
    Error::format(op, format!("{}: {message}", path.display()))
}

/// A column of a kind that tables do not have.
#[track_caller]
fn refused(op: &'static str, path: &Path, name: &str, what: &str) -> Error {
    let name = crate::error::short(name);
    wrong(op, path, format_args!("column `{name}` has {what}, a table has numbers and texts"))
        .with_help(format!("leave it out, in Python: frame.drop(columns=[\"{name}\"])"))
}

/// What is said of a file that is packed in a way that nothing here unpacks.
fn packed_by(name: &str, known: &str) -> String {
    format!("it is packed by {name}, which is not among those that are read ({known})")
}
