//! Tables from and to CSV files.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;

use super::column::{Column, TextBuilder, Value};
use super::table::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::files;

/// What a value that is missing may look like, besides an empty field.
const MISSING: [&str; 10] = ["NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "Null", "null", "None"];

/// How to read a CSV file. The default suits a comma-separated file in UTF-8 with a header.
///
/// ```
/// use demotic::data::{ColumnKind, CsvOptions, Table};
///
/// let text = "zip;area\n01234;90\n98765;?\n";
/// let options = CsvOptions::new().delimiter(';').missing(&["?"]).text(&["zip"]);
/// let table = Table::from_csv_reader(text.as_bytes(), &options)?;
/// assert_eq!(table.column("zip")?.kind(), ColumnKind::Text);
/// assert_eq!(table.column("area")?.num_missing(), 1);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CsvOptions {
    delimiter: char,
    header: bool,
    trim: bool,
    missing: Vec<String>,
    text: Vec<String>,
    max_bytes: u64,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: ',',
            header: true,
            trim: true,
            missing: MISSING.map(String::from).to_vec(),
            text: Vec::new(),
            max_bytes: 4 << 30,
        }
    }
}

impl CsvOptions {
    /// The default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The character between fields, a comma by default.
    #[must_use]
    pub fn delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Whether the first line has the names of the columns, as it does by default. Otherwise they are called
    /// `column_1`, `column_2` …
    #[must_use]
    pub fn header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }

    /// Whether white space around a field is dropped, as it is by default.
    #[must_use]
    pub fn trim(mut self, trim: bool) -> Self {
        self.trim = trim;
        self
    }

    /// The texts that stand for a missing value, besides an empty field. By default `NA`, `N/A`, `n/a`, `#N/A`,
    /// `NaN`, `nan`, `NULL`, `Null`, `null` and `None`.
    #[must_use]
    #[doc(alias = "na_values")]
    pub fn missing<T: AsRef<str>>(mut self, texts: &[T]) -> Self {
        self.missing = texts.iter().map(|text| text.as_ref().to_string()).collect();
        self
    }

    /// Columns that hold texts even if all of them look like numbers: postal codes, for example, lose their leading
    /// zeros as numbers.
    #[must_use]
    #[doc(alias = "dtype")]
    pub fn text<N: AsRef<str>>(mut self, columns: &[N]) -> Self {
        self.text = columns.iter().map(|name| name.as_ref().to_string()).collect();
        self
    }

    /// The largest size of the input, 4 GiB by default. While it is read, the input stands in memory beside the table,
    /// which takes 8 bytes for each value and each different text of a column once.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    fn clean<'f>(&self, field: &'f str) -> &'f str {
        if self.trim { field.trim() } else { field }
    }

    fn is_missing(&self, field: &str) -> bool {
        field.is_empty() || self.missing.iter().any(|missing| missing == field)
    }
}

impl Table {
    /// Reads a comma-separated file in UTF-8 whose first line has the names of the columns.
    ///
    /// A column is numeric if all its values are numbers, and has texts otherwise. Empty fields and the usual marks of
    /// absence ([`CsvOptions::missing`]) are missing values. Quoted fields may contain delimiters, line breaks and
    /// doubled quotes. Empty names become `column_1`, `column_2` …, by position.
    ///
    /// # Errors
    /// If the file cannot be read, is empty or larger than [`max_bytes`](CsvOptions::max_bytes), is not UTF-8, names a
    /// column twice, has a row of another length than the first, or ends within quotes. The message names the line.
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
    /// As for [`read_csv`](Self::read_csv), and if the delimiter cannot be one or a column of
    /// [`text`](CsvOptions::text) does not exist.
    #[track_caller]
    pub fn read_csv_with(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Self> {
        let path = path.as_ref();
        let source = Source { op: "read_csv", path: Some(path) };
        source.parse(&source.read(files::open(source.op, path)?, options.max_bytes)?, options)
    }

    /// Reads CSV from any source, for example `text.as_bytes()`.
    ///
    /// # Errors
    /// As for [`read_csv_with`](Self::read_csv_with).
    #[track_caller]
    pub fn from_csv_reader(reader: impl Read, options: &CsvOptions) -> Result<Self> {
        let source = Source { op: "from_csv_reader", path: None };
        source.parse(&source.read(reader, options.max_bytes)?, options)
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
        let rules = csv_core::Writer::new();
        let mut text = String::with_capacity(BLOCK);
        write_line(&mut text, &rules, self.column_names());
        for row in 0..self.num_rows() {
            if text.len() >= BLOCK {
                out.write_all(text.as_bytes())?;
                text.clear();
            }
            write_line(&mut text, &rules, self.columns().map(|(_, column)| column.get(row).unwrap_or(Value::Missing)));
        }
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// Adds a line of fields, in quotes where they need them.
fn write_line(text: &mut String, rules: &csv_core::Writer, fields: impl IntoIterator<Item = impl ToString>) {
    let start = text.len();
    for (i, field) in fields.into_iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        let field = field.to_string();
        match rules.should_quote(field.as_bytes()) {
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

/// Where the text comes from, for errors.
struct Source<'a> {
    op: &'static str,
    path: Option<&'a Path>,
}

/// A column while it is read: numbers until something else turns up.
enum Draft {
    Numbers(Vec<f64>),
    Texts(TextBuilder),
}

impl Source<'_> {
    #[track_caller]
    fn error(&self, place: &str, message: &str) -> Error {
        let path = self.path.map(|path| path.display().to_string());
        let place: Vec<&str> = path.as_deref().into_iter().chain((!place.is_empty()).then_some(place)).collect();
        let message = if place.is_empty() { message.to_string() } else { format!("{}: {message}", place.join(", ")) };
        Error::format(self.op, message)
    }

    #[track_caller]
    fn read(&self, reader: impl Read, max_bytes: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Err(e) = reader.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes) {
            return Err(match self.path {
                Some(path) => Error::io(self.op, path, e),
                None => Error::new(ErrorKind::Io, self.op, e.to_string()).with_source(e),
            });
        }
        if bytes.len() as u64 > max_bytes {
            let message = format!("more than {max_bytes} bytes");
            return Err(self.error("", &message).with_help("raise the limit with CsvOptions::max_bytes"));
        }
        Ok(bytes)
    }

    #[track_caller]
    fn parse(&self, bytes: &[u8], options: &CsvOptions) -> Result<Table> {
        self.check_format(bytes)?;
        let text = self.decode(bytes)?;
        let delimiter = match u8::try_from(options.delimiter) {
            Ok(byte) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => byte,
            _ => {
                let message = format!("{:?} cannot be the delimiter", options.delimiter);
                return Err(Error::argument(self.op, message).with_help("use an ASCII character such as ',' or ';'"));
            }
        };
        let records = || Records {
            source: self,
            text,
            reader: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            record: Record::default(),
            start: 0,
            end: 0,
        };

        let mut rows = records();
        if !rows.advance()? {
            return Err(self.error("", "the file is empty"));
        }
        let names = self.names(&rows, options)?;
        let mut drafts: Vec<Draft> = names.iter().map(|_| Draft::Numbers(Vec::new())).collect();
        self.force_texts(&names, &options.text, &mut drafts)?;

        // First all columns as numbers, then those that turned out to have other fields as texts.
        let mut more = !options.header || rows.advance()?;
        while more {
            rows.check_width(names.len(), options.header)?;
            for (draft, field) in drafts.iter_mut().zip(rows.record.iter()) {
                let Draft::Numbers(numbers) = draft else { continue };
                let field = options.clean(field);
                match field.parse() {
                    _ if options.is_missing(field) => numbers.push(f64::NAN),
                    Ok(number) => numbers.push(number),
                    Err(_) => *draft = Draft::Texts(TextBuilder::default()),
                }
            }
            more = rows.advance()?;
        }
        if drafts.iter().any(|draft| matches!(draft, Draft::Texts(_))) {
            let mut rows = records();
            let mut more = rows.advance()? && (!options.header || rows.advance()?);
            while more {
                for (draft, field) in drafts.iter_mut().zip(rows.record.iter()) {
                    let Draft::Texts(texts) = draft else { continue };
                    let field = options.clean(field);
                    texts.push((!options.is_missing(field)).then_some(field));
                }
                more = rows.advance()?;
            }
        }

        let columns: Vec<Column> = drafts.into_iter().map(Draft::finish).collect();
        let rows = columns.first().map_or(0, Column::len);
        Ok(Table::from_checked(names.into_iter().zip(columns).collect(), rows))
    }

    /// What is certainly no CSV says what it is, before it is read as a very strange one.
    #[track_caller]
    fn check_format(&self, bytes: &[u8]) -> Result<()> {
        let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        match files::seems(bytes, &[files::Format::Csv, files::Format::Text]) {
            Some((what, help)) if !is_utf16 => {
                let e = self.error("", &format!("not a CSV file: it seems to be {what}"));
                Err(if help.is_empty() { e } else { e.with_help(help) })
            }
            _ => Ok(()),
        }
    }

    /// The input as text, without a byte order mark.
    #[track_caller]
    fn decode<'t>(&self, bytes: &'t [u8]) -> Result<&'t str> {
        const HELP: &str = "save the file as UTF-8; spreadsheets call it `CSV UTF-8`";
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(self.error("", "the text is UTF-16, not UTF-8").with_help(HELP));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(e) => {
                let valid = String::from_utf8_lossy(&bytes[..e.valid_up_to()]);
                let line_start = valid.rfind(['\n', '\r']).map_or(0, |at| at + 1);
                let column = valid[line_start..].chars().count() + 1;
                let place = format!("line {}, character {column}", line_at(&valid, valid.len()));
                Err(self.error(&place, "the text is not UTF-8").with_help(HELP))
            }
        }
    }

    /// The names of the columns, all different.
    #[track_caller]
    fn names(&self, first: &Records<'_>, options: &CsvOptions) -> Result<Vec<String>> {
        let mut seen: HashMap<String, usize> = HashMap::with_capacity(first.record.len());
        let mut names = Vec::with_capacity(first.record.len());
        for (i, field) in first.record.iter().enumerate() {
            let name = match options.clean(field) {
                name if options.header && !name.is_empty() => name.to_string(),
                _ => format!("column_{}", i + 1),
            };
            if let Some(earlier) = seen.insert(name.clone(), i) {
                let message = format!("columns {} and {} are both called `{name}`", earlier + 1, i + 1);
                let help = "rename one, or read with CsvOptions::header(false) if the first line is data";
                return Err(self.error(&first.place(), &message).with_help(help));
            }
            names.push(name);
        }
        Ok(names)
    }

    #[track_caller]
    fn force_texts(&self, names: &[String], texts: &[String], drafts: &mut [Draft]) -> Result<()> {
        for text in texts {
            match names.iter().position(|name| name == text) {
                Some(i) => drafts[i] = Draft::Texts(TextBuilder::default()),
                None => {
                    let columns = names.iter().map(|name| (name.clone(), Column::from(Vec::<f64>::new()))).collect();
                    return Err(Table::from_checked(columns, 0).no_column(self.op, text));
                }
            }
        }
        Ok(())
    }
}

impl Draft {
    fn finish(self) -> Column {
        match self {
            Self::Numbers(numbers) => numbers.into(),
            Self::Texts(texts) => texts.finish(),
        }
    }
}

/// The fields of one line, or of several if there are line breaks in quotes.
#[derive(Default)]
struct Record {
    /// All fields, one behind the other, with room for more.
    bytes: Vec<u8>,
    /// Where each field ends.
    ends: Vec<usize>,
    len: usize,
}

impl Record {
    fn len(&self) -> usize {
        self.len
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &str> {
        (0..self.len).map(|i| {
            let start = if i == 0 { 0 } else { self.ends[i - 1] };
            // What is left of a text without some quotes and line ends is a text.
            std::str::from_utf8(&self.bytes[start..self.ends[i]]).unwrap_or_default()
        })
    }
}

/// The records of a text, one at a time.
struct Records<'a> {
    source: &'a Source<'a>,
    text: &'a str,
    reader: csv_core::Reader,
    record: Record,
    /// The byte at which the present record starts, or blank lines before it.
    start: usize,
    /// The byte behind it.
    end: usize,
}

impl Records<'_> {
    /// Goes to the next record; `false` if there is none.
    #[track_caller]
    fn advance(&mut self) -> Result<bool> {
        use csv_core::ReadRecordResult::{End, InputEmpty, OutputEndsFull, OutputFull, Record};
        self.start = self.end;
        let (record, mut length) = (&mut self.record, 0);
        record.len = 0;
        loop {
            let input = &self.text.as_bytes()[self.end..];
            let (bytes, ends) = (&mut record.bytes[length..], &mut record.ends[record.len..]);
            let (result, read, written, fields) = self.reader.read_record(input, bytes, ends);
            self.end += read;
            length += written;
            record.len += fields;
            match result {
                // The next call learns that there is no more.
                InputEmpty => (),
                OutputFull => record.bytes.resize(record.bytes.len().max(512) * 2, 0),
                OutputEndsFull => record.ends.resize(record.ends.len().max(16) * 2, 0),
                Record => break,
                End => return Ok(false),
            }
        }
        self.check_quotes()?;
        Ok(true)
    }

    /// A quote that is never closed swallows all further lines into one field.
    #[track_caller]
    fn check_quotes(&self) -> Result<()> {
        if self.end < self.text.len() {
            return Ok(());
        }
        let odd = self.text[self.start..].bytes().filter(|byte| *byte == b'"').count() % 2 == 1;
        if odd && self.record.iter().next_back().is_some_and(|last| last.contains(['\n', '\r'])) {
            return Err(self.source.error(&self.place(), "a quote is opened here, or later, and never closed"));
        }
        Ok(())
    }

    #[track_caller]
    fn check_width(&self, expected: usize, header: bool) -> Result<()> {
        let fields = self.record.len();
        if fields == expected {
            return Ok(());
        }
        let what = if header { "the header" } else { "the first line" };
        let s = if fields == 1 { "" } else { "s" };
        let message = format!("{fields} field{s}, {what} has {expected}");
        let e = self.source.error(&self.place(), &message);
        Err(match fields > expected {
            true => e.with_help("a field that contains the delimiter must stand in double quotes"),
            false => e,
        })
    }

    /// The line on which the present record starts.
    fn place(&self) -> String {
        let rest = &self.text[self.start.min(self.text.len())..];
        let blank = rest.len() - rest.trim_start_matches(['\n', '\r']).len();
        format!("line {}", line_at(self.text, self.start + blank))
    }
}

/// The line, counted from 1, on which a byte stands. Lines end with `\n`, `\r\n` or `\r`.
fn line_at(text: &str, byte: usize) -> usize {
    let before = &text.as_bytes()[..byte.min(text.len())];
    let ends =
        before.iter().enumerate().filter(|(i, b)| **b == b'\n' || (**b == b'\r' && before.get(i + 1) != Some(&b'\n')));
    1 + ends.count()
}
