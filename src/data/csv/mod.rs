//! Tables from and to CSV files.

mod options;
mod read;
mod records;

use std::io::{self, Read, Write};
use std::path::Path;

use super::column::Value;
use super::table::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::files;

pub use options::{ColumnOptions, CsvOptions};
use read::Source;

impl Table {
    /// Reads a comma-separated file in UTF-8 whose first line has the names of the columns.
    ///
    /// A column is numeric if all its values are numbers, and has texts otherwise. Empty fields and the usual marks of
    /// absence ([`CsvOptions::missing`]) are missing values. Fields in quotes may contain delimiters, line breaks and
    /// doubled quotes. Empty names become `column_1`, `column_2` …, by position. Whole numbers keep all their digits, as
    /// [`Column`](super::Column) says; those with more than an `i128` has are texts. Dates, decimal commas and units take
    /// [options](CsvOptions).
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
        let path = path.as_ref();
        let source = Source { op: "read_csv", path: Some(path) };
        source.parse(&source.read(files::open(source.op, path)?, options)?, options)
    }

    /// Reads CSV from any source, for example `text.as_bytes()`.
    ///
    /// # Errors
    /// As for [`read_csv_with`](Self::read_csv_with).
    #[track_caller]
    pub fn from_csv_reader(reader: impl Read, options: &CsvOptions) -> Result<Self> {
        let source = Source { op: "from_csv_reader", path: None };
        source.parse(&source.read(reader, options)?, options)
    }

    /// Writes the table as a comma-separated file with a header. An earlier file is replaced only when the new one
    /// is complete. Missing values become empty fields; numbers have as many digits as it takes to read them back.
    ///
    /// # Errors
    /// If the table has no columns, or the file system refuses.
    #[track_caller]
    #[doc(alias = "to_csv")]
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        self.check_columns("write_csv")?;
        files::replace("write_csv", path.as_ref(), |out| self.write(out))
    }

    /// Writes the same text to any sink.
    ///
    /// # Errors
    /// If the table has no columns, or the sink refuses.
    #[track_caller]
    pub fn to_csv_writer(&self, writer: impl Write) -> Result<()> {
        self.check_columns("to_csv_writer")?;
        match self.write(writer) {
            Ok(()) => Ok(()),
            Err(e) => Err(Error::new(ErrorKind::Io, "to_csv_writer", e.to_string()).with_source(e)),
        }
    }

    #[track_caller]
    fn check_columns(&self, op: &'static str) -> Result<()> {
        if self.num_columns() == 0 {
            return Err(Error::argument(op, "the table has no columns"));
        }
        Ok(())
    }

    fn write(&self, mut out: impl Write) -> io::Result<()> {
        /// Bytes that are written at once.
        const BLOCK: usize = 1 << 16;
        let mut text = String::with_capacity(BLOCK);
        write_line(&mut text, self.column_names());
        for row in 0..self.num_rows() {
            if text.len() >= BLOCK {
                out.write_all(text.as_bytes())?;
                text.clear();
            }
            write_line(&mut text, self.columns().map(|(_, column)| column.get(row).unwrap_or(Value::Missing)));
        }
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// Adds a line of fields, in quotes where they need them.
fn write_line(text: &mut String, fields: impl IntoIterator<Item = impl ToString>) {
    let start = text.len();
    for (i, field) in fields.into_iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        let field = field.to_string();
        match needs_quotes(&field) {
            true => *text += &format!("\"{}\"", field.replace('"', "\"\"")),
            false => *text += &field,
        }
    }
    if text.len() == start {
        // A blank line would be none.
        *text += "\"\"";
    }
    text.push('\n');
}

/// Besides what has a meaning in the format: white space at the ends, which would be dropped, and what at the beginning of
/// the file would be a byte order mark.
fn needs_quotes(field: &str) -> bool {
    field.contains([',', '"', '\n', '\r']) || field.trim().len() < field.len() || field.starts_with('\u{feff}')
}
