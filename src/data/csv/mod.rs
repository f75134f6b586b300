//! Tables from and to CSV files.

mod column;
mod options;
mod read;
mod records;
mod row;
mod write;

use std::io::{Read, Write};
use std::path::Path;

use super::table::Table;
use crate::error::Result;
use crate::files;

pub use column::ColumnOptions;
pub use options::{CsvOptions, CsvReport, Ragged};
use read::Source;
use write::write_any;

/// Reads a file, with what was noticed.
#[track_caller]
fn read_file(path: &Path, options: &CsvOptions) -> Result<(Table, CsvReport)> {
    let source = Source { op: "read_csv", path: Some(path) };
    source.parse(&source.read(files::open(source.op, path)?, options)?, options)
}

/// Reads from anything.
#[track_caller]
fn read_any(reader: impl Read, options: &CsvOptions) -> Result<(Table, CsvReport)> {
    let source = Source { op: "from_csv_reader", path: None };
    source.parse(&source.read(reader, options)?, options)
}

impl Table {
    /// Reads a comma-separated file in UTF-8 whose first line has the names of the columns.
    ///
    /// A column is numeric if all its values are numbers, and has texts otherwise. Empty fields and the usual marks of
    /// absence ([`CsvOptions::missing`]) are missing values. Fields in quotes may contain delimiters, line breaks and
    /// doubled quotes. Empty names become `column_1`, `column_2` …, by position. Whole numbers keep all their digits, as
    /// [`Column`](super::Column) says; those with more than an `i128` has are texts. Dates, decimal commas and units take
    /// [options](CsvOptions). A file packed by gzip is unpacked on the way, with the feature `gzip`.
    ///
    /// # Errors
    /// If the file cannot be read, is empty or larger than [`max_bytes`](CsvOptions::max_bytes), has more columns than
    /// [`max_columns`](CsvOptions::max_columns), is not UTF-8, names a column twice, has a row of another length than the
    /// first, or ends within quotes. The message names the line.
    ///
    /// ```no_run
    /// let houses = demotic::data::Table::read_csv("houses.csv")?;
    /// println!("{houses}");
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn read_csv(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_csv_with(path, &CsvOptions::default())
    }

    /// Reads a CSV file with other options.
    ///
    /// # Errors
    /// As for [`read_csv`](Self::read_csv), and if the options contradict each other, name a column that does not exist,
    /// or a value is not what they say it is.
    #[track_caller]
    pub fn read_csv_with(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Self> {
        Ok(read_file(path.as_ref(), options)?.0)
    }

    /// Reads CSV from any source, for example `text.as_bytes()`.
    ///
    /// # Errors
    /// As for [`read_csv_with`](Self::read_csv_with).
    #[track_caller]
    pub fn from_csv_reader(reader: impl Read, options: &CsvOptions) -> Result<Self> {
        Ok(read_any(reader, options)?.0)
    }

    /// Writes the table as a comma-separated file with a header. An earlier file is replaced only when the new one
    /// is complete. Missing values become empty fields; numbers have as many digits as it takes to read them back.
    ///
    /// # Errors
    /// If the table has no columns, or the file system refuses.
    #[track_caller]
    #[doc(alias = "to_csv")]
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_csv_with(path, &CsvOptions::default())
    }

    /// The same with options: [`CsvOptions::write`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn write_csv_with(&self, path: impl AsRef<Path>, options: &CsvOptions) -> Result<()> {
        write::write_file(self, options, path.as_ref())
    }

    /// Writes the same text to any sink.
    ///
    /// # Errors
    /// If the table has no columns, or the sink refuses.
    #[track_caller]
    pub fn to_csv_writer(&self, writer: impl Write) -> Result<()> {
        write_any(self, &CsvOptions::default(), writer)
    }
}

/// How a file is divided into records and fields.
#[derive(Clone, Copy)]
pub(in crate::data) struct Division {
    pub(in crate::data) delimiter: u8,
    pub(in crate::data) trim: bool,
    pub(in crate::data) header: bool,
}

impl CsvOptions {
    /// How a file that begins like this is divided, and the options with which each of its pieces is divided the same.
    #[track_caller]
    pub(in crate::data) fn divided(&self, op: &'static str, head: &str) -> Result<(Division, Self)> {
        let delimiter = if self.detect { read::detected(head, self) } else { self.delimiter_byte(op)? };
        let division = Division { delimiter, trim: self.trim, header: self.header };
        let mut options = self.clone().delimiter(delimiter.into());
        options.detect = false;
        Ok((division, options))
    }

    /// The largest size of the input.
    pub(in crate::data) fn most_bytes(&self) -> u64 {
        self.max_bytes
    }
}
