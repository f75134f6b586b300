//! From tables to the text of CSV files.

use std::io::{self, Write};
use std::path::Path;

use super::column::Rules;
use super::options::CsvOptions;
use crate::data::column::Value;
use crate::data::table::Table;
use crate::error::{Error, ErrorKind, Result, short};
use crate::files;

#[track_caller]
pub(super) fn write_file(table: &Table, options: &CsvOptions, path: &Path) -> Result<()> {
    let lines = Lines::new("write_csv", table, options)?;
    files::replace("write_csv", path, |out| lines.write(out))
}

#[track_caller]
pub(super) fn write_any(table: &Table, options: &CsvOptions, mut writer: impl Write) -> Result<()> {
    match Lines::new("to_csv_writer", table, options)?.write(&mut writer) {
        Ok(()) => Ok(()),
        Err(e) => Err(Error::new(ErrorKind::Io, "to_csv_writer", e.to_string()).with_source(e)),
    }
}

/// A table as lines of fields.
struct Lines<'t> {
    table: &'t Table,
    delimiter: char,
    options: &'t CsvOptions,
    rules: Vec<Rules>,
}

impl<'t> Lines<'t> {
    #[track_caller]
    fn new(op: &'static str, table: &'t Table, options: &'t CsvOptions) -> Result<Self> {
        if table.num_columns() == 0 {
            return Err(Error::argument(op, "the table has no columns"));
        }
        let delimiter = char::from(options.delimiter_byte(op)?);
        let rules = table.column_names().map(|name| options.rules_of(name)).collect();
        let clash = |(_, rules): &(&str, &Rules)| options.quoted_texts && rules.style.decimal == delimiter;
        if let Some((name, _)) = table.column_names().zip(&rules).find(clash) {
            let message =
                format!("{delimiter:?} is both the delimiter and the decimal comma of column `{}`", short(name));
            let help = "numbers would stand in quotes, which quoted_texts makes texts of: delimiter(';') is usual";
            return Err(Error::argument(op, message).with_help(help));
        }
        Ok(Self { table, delimiter, options, rules })
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        /// Bytes that are written at once.
        const BLOCK: usize = 1 << 16;
        let mut text = String::with_capacity(BLOCK);
        if self.options.header {
            self.line(&mut text, &mut self.table.column_names().map(Value::Text));
        }
        for row in 0..self.table.num_rows() {
            if text.len() >= BLOCK {
                out.write_all(text.as_bytes())?;
                text.clear();
            }
            let values = self.table.columns().map(|(_, column)| column.get(row).unwrap_or(Value::Missing));
            self.line(&mut text, &mut { values });
        }
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Adds a line of fields, in quotes where they need them.
    fn line(&self, text: &mut String, values: &mut dyn Iterator<Item = Value<'_>>) {
        let start = text.len();
        for (i, value) in values.enumerate() {
            if i > 0 {
                text.push(self.delimiter);
            }
            let mut field = value.to_string();
            if let (Value::Number(_), Some(',')) = (value, self.rules.get(i).map(|rules| rules.style.decimal)) {
                field = field.replace('.', ",");
            }
            let is_text = matches!(value, Value::Text(_)) && self.options.quoted_texts;
            match is_text || self.needs_quotes(&field) {
                true => *text += &format!("\"{}\"", field.replace('"', "\"\"")),
                false => *text += &field,
            }
        }
        if text.len() == start {
            // A blank line would be none, and quotes would make a text.
            let mark = self.rules.first().and_then(Rules::mark).filter(|_| self.options.quoted_texts);
            *text += mark.unwrap_or("\"\"");
        }
        text.push('\n');
    }

    /// Besides what has a meaning in the format: white space at the ends, which would be dropped, and what at the beginning of
    /// the file would be a byte order mark.
    fn needs_quotes(&self, field: &str) -> bool {
        field.contains([self.delimiter, '"', '\n', '\r'])
            || field.trim().len() < field.len()
            || field.starts_with('\u{feff}')
    }
}
