//! How to read a CSV file.

use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::column::{ColumnOptions, Kind, Rules};
use crate::data::table::Table;
use crate::error::Result;

/// What becomes of a row that has another number of fields than the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Ragged {
    /// An error that names its line.
    #[default]
    Error,
    /// Fields that are not there are missing values, and empty ones behind the last column are dropped. A row with more values than
    /// there are columns is an error still.
    Pad,
    /// It is left out.
    Skip,
}

/// What was noticed while a file was read: [`CsvOptions::read_with_report`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CsvReport {
    /// The character between fields, as it was set or found.
    pub delimiter: char,
    /// How many rows were too short or too long, and were read by [`Ragged::Pad`].
    pub padded: usize,
    /// How many rows [`Ragged::Skip`] left out.
    pub skipped: usize,
    /// The lines on which the first of those rows begin, at most ten.
    pub lines: Vec<usize>,
    /// What columns lost that may have been meant: different units that were [stripped](CsvOptions::strip) from numbers of one column,
    /// and zeros in front of whole numbers, as postal codes have them. Also texts of a column that differ in case or white space alone.
    /// [`Preprocessor::notes`](crate::data::Preprocessor::notes) has those of features and targets, too.
    pub notes: Vec<String>,
}

/// How to read a CSV file. The default suits a comma-separated file in UTF-8 with a header.
///
/// ```
/// use demotic::data::{ColumnKind, ColumnOptions, CsvOptions, DatePart};
///
/// let text = "zip;area;price;sold\n\
///             01234;90 m²;250.000,50 €;24.12.2023\n\
///             98765;?;1.200.000 €;01.02.2024\n";
/// let houses = CsvOptions::new()
///     .delimiter(';')
///     .decimal_comma()
///     .thousands('.')
///     .strip(["€", "m²"])
///     .missing(["?"])
///     .text(["zip"])
///     .column("sold", ColumnOptions::new().date("%d.%m.%Y").parts([DatePart::Year, DatePart::Month]))
///     .read_from(text.as_bytes())?;
/// assert_eq!(houses.column("zip")?.kind(), ColumnKind::Text);
/// assert_eq!(houses.column("area")?.num_missing(), 1);
/// assert_eq!(houses.column("price")?.numbers(), Some(&[250_000.5, 1_200_000.0][..]));
/// assert_eq!(houses.column("sold_month")?.numbers(), Some(&[12.0, 2.0][..]));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// What is set here holds for all columns; [`column`](Self::column) sets it for one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct CsvOptions {
    pub(super) delimiter: char,
    pub(super) detect: bool,
    pub(super) header: bool,
    pub(super) trim: bool,
    pub(super) ragged: Ragged,
    pub(super) quoted_texts: bool,
    pub(super) max_bytes: u64,
    pub(super) max_columns: usize,
    all: ColumnOptions,
    of: Vec<(String, ColumnOptions)>,
    /// Columns that may be absent although they have options.
    #[serde(skip)]
    optional: Vec<String>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: ',',
            detect: false,
            header: true,
            trim: true,
            ragged: Ragged::Error,
            quoted_texts: false,
            max_bytes: 4 << 30,
            max_columns: 1 << 16,
            all: ColumnOptions::new(),
            of: Vec::new(),
            optional: Vec::new(),
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
    #[doc(alias = "sep")]
    pub fn delimiter(mut self, delimiter: char) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Finds out what stands between fields: a comma, a semicolon, a tab or `|`, whichever divides the first fifty rows most evenly.
    /// [`read_with_report`](Self::read_with_report) says which one it was.
    ///
    /// ```
    /// use demotic::data::CsvOptions;
    ///
    /// let text = "area;price\n90,5;250000\n120,0;300000\n";
    /// let table = CsvOptions::new().detect_delimiter().decimal_comma().read_from(text.as_bytes())?;
    /// assert_eq!(table.column("area")?.numbers(), Some(&[90.5, 120.0][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn detect_delimiter(mut self) -> Self {
        self.detect = true;
        self
    }

    /// What becomes of rows with another number of fields than the header, [`Ragged::Error`] by default.
    ///
    /// ```
    /// use demotic::data::{CsvOptions, Ragged};
    ///
    /// let text = "area,kind,price\n90,flat\n120,house,300\n1,2,3,4\n";
    /// let options = CsvOptions::new().ragged(Ragged::Skip);
    /// let (table, report) = options.read_from_with_report(text.as_bytes())?;
    /// assert_eq!((table.num_rows(), report.skipped, report.lines), (1, 2, vec![2, 4]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "on_bad_lines")]
    pub fn ragged(mut self, ragged: Ragged) -> Self {
        self.ragged = ragged;
        self
    }

    /// Whether quotes tell texts from numbers and missing values: all texts are [written](Self::write) in quotes, and what is read
    /// from quotes is a text, even if it looks like a number or is empty. What is written so is read as it was. Off by default,
    /// because other programs quote numbers too.
    #[must_use]
    #[doc(alias = "QUOTE_NONNUMERIC")]
    pub fn quoted_texts(mut self, on: bool) -> Self {
        self.quoted_texts = on;
        self
    }

    /// Whether the first line has the names of the columns, as it does by default. Otherwise they are called
    /// `column_1`, `column_2` …
    #[must_use]
    pub fn header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }

    /// Whether white space around a field is dropped, as it is by default. Between quotes it stays.
    #[must_use]
    pub fn trim(mut self, trim: bool) -> Self {
        self.trim = trim;
        self
    }

    /// The texts that stand for a missing value, besides an empty field. By default those of pandas: `NA`, `N/A`, `n/a`, `#N/A`,
    /// `#N/A N/A`, `#NA`, `<NA>`, `NaN`, `nan`, `-NaN`, `-nan`, `1.#IND`, `1.#QNAN`, `-1.#IND`, `-1.#QNAN`, `NULL`, `null`, `None`;
    /// and `Null`.
    #[must_use]
    #[doc(alias = "na_values")]
    pub fn missing<T: AsRef<str>>(mut self, texts: impl IntoIterator<Item = T>) -> Self {
        self.all = self.all.missing(texts);
        self
    }

    /// Texts that stand for a missing value besides the others: `?`, `-`, `unknown`, `-999`.
    #[must_use]
    pub fn also_missing<T: AsRef<str>>(mut self, texts: impl IntoIterator<Item = T>) -> Self {
        self.all = self.all.also_missing(texts);
        self
    }

    /// Whether what stands for a missing value does so in large and small letters: `UNKNOWN` and `Unknown` as `unknown`. Off by
    /// default.
    #[must_use]
    pub fn missing_in_any_case(mut self, on: bool) -> Self {
        self.all = self.all.missing_in_any_case(on);
        self
    }

    /// Numbers have a comma before their fraction: `2,5`. One with a point is then a text, unless the point is the
    /// separator of [`thousands`](Self::thousands).
    #[must_use]
    #[doc(alias = "decimal")]
    pub fn decimal_comma(mut self) -> Self {
        self.all = self.all.decimal_comma();
        self
    }

    /// The character between groups of digits: `,` in `1,234,567`, `.` in `1.234.567`, a space in `1 234 567` (any kind of
    /// it). Groups must be whole ones: `12.34` is no number then, and never 1234.
    #[must_use]
    pub fn thousands(mut self, separator: char) -> Self {
        self.all = self.all.thousands(separator);
        self
    }

    /// What is dropped before or behind a number: `€`, `m²`, `%`. Of several that fit, the longest goes first, whatever their order: `kg`
    /// before `g`. The number stays as it is: 50 % becomes 50, and metres and feet in one column become equal, which
    /// [`CsvReport::notes`] and [`Preprocessor::notes`](crate::data::Preprocessor::notes) tell; [`unit`](Self::unit) converts them.
    #[must_use]
    #[doc(alias = "units")]
    pub fn strip<T: AsRef<str>>(mut self, units: impl IntoIterator<Item = T>) -> Self {
        self.all = self.all.strip(units);
        self
    }

    /// What one of a unit is in that of the column: numbers with it are multiplied by this. A unit that is the measure is
    /// [stripped](Self::strip), or has the factor 1. Of several that fit, the longest goes first.
    ///
    /// ```
    /// use demotic::data::CsvOptions;
    ///
    /// let text = "weight;share\n152,5 g;12 %\n0,1242 kg;8,5 %\n";
    /// let options = CsvOptions::new().delimiter(';').decimal_comma().strip(["g"]).unit("kg", 1000.0).unit("%", 0.01);
    /// let apples = options.read_from(text.as_bytes())?;
    /// assert_eq!(apples.column("weight")?.numbers(), Some(&[152.5, 124.2][..]));
    /// assert_eq!(apples.column("share")?.numbers(), Some(&[0.12, 0.085][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// A factor that is 0 or not finite, a unit without a name and two factors of one unit are errors when a file is read.
    #[must_use]
    #[doc(alias = "convert")]
    pub fn unit(mut self, unit: impl Into<String>, factor: f64) -> Self {
        self.all = self.all.unit(unit, factor);
        self
    }

    /// Columns that hold texts even if all of them look like numbers: postal codes, for example, lose their leading
    /// zeros as numbers.
    #[must_use]
    #[doc(alias = "dtype")]
    pub fn text<N: AsRef<str>>(self, columns: impl IntoIterator<Item = N>) -> Self {
        columns.into_iter().fold(self, |options, name| options.column(name, ColumnOptions::new().text()))
    }

    /// Columns that must hold numbers: a stray text in one is an error that names its line. Otherwise it would make a
    /// column of texts.
    #[must_use]
    pub fn number<N: AsRef<str>>(self, columns: impl IntoIterator<Item = N>) -> Self {
        columns.into_iter().fold(self, |options, name| options.column(name, ColumnOptions::new().number()))
    }

    /// Columns with dates or times in a format, as [`ColumnOptions::date`] has it. They become numbers of seconds.
    #[must_use]
    #[doc(alias = "parse_dates")]
    pub fn dates<N: AsRef<str>>(self, columns: impl IntoIterator<Item = N>, format: &str) -> Self {
        columns.into_iter().fold(self, |options, name| options.column(name, ColumnOptions::new().date(format)))
    }

    /// Options of one column, which go before those of all. What is set by several calls adds up.
    #[must_use]
    pub fn column(mut self, name: impl AsRef<str>, options: ColumnOptions) -> Self {
        self.of.push((name.as_ref().to_string(), options));
        self
    }

    /// The largest size of the input, 4 GiB by default. While it is read, the input stands in memory beside the table,
    /// which takes 8 bytes for each value and each different text of a column once.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The largest number of columns, 65,536 by default. A column takes some hundred bytes even if it is empty, so that a
    /// small file of commas could fill the memory.
    #[must_use]
    pub fn max_columns(mut self, columns: usize) -> Self {
        self.max_columns = columns;
        self
    }

    /// Reads a file: [`Table::read_csv_with`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table> {
        Table::read_csv_with(path, self)
    }

    /// Reads from any source, for example `text.as_bytes()`: [`Table::from_csv_reader`].
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn read_from(&self, reader: impl Read) -> Result<Table> {
        Table::from_csv_reader(reader, self)
    }

    /// The same, and what was noticed.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    #[track_caller]
    pub fn read_with_report(&self, path: impl AsRef<Path>) -> Result<(Table, CsvReport)> {
        super::read_file(path.as_ref(), self)
    }

    /// Reads from any source, and says what was noticed.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    #[track_caller]
    pub fn read_from_with_report(&self, reader: impl Read) -> Result<(Table, CsvReport)> {
        super::read_any(reader, self)
    }

    /// Writes a table so that these options read it: with the delimiter, the decimal comma, with or without a header. With
    /// [`quoted_texts`](Self::quoted_texts) the same table comes back, but for columns without a single value, which are numbers then.
    /// Separators of thousands and units are not written, and dates are the numbers that the table has.
    ///
    /// ```
    /// use demotic::data::{Column, CsvOptions, Table};
    ///
    /// let table = Table::from_columns([
    ///     ("zip", Column::from(vec![Some("01234"), Some(""), None])),
    ///     ("area", Column::from([90.5, f64::NAN, 120.0])),
    /// ])?;
    /// let options = CsvOptions::new().delimiter(';').decimal_comma().quoted_texts(true);
    /// let mut text = Vec::new();
    /// options.write_to(&table, &mut text)?;
    /// assert_eq!(String::from_utf8_lossy(&text), "\"zip\";\"area\"\n\"01234\";90,5\n\"\";\n;120\n");
    /// assert_eq!(options.read_from(text.as_slice())?, table);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the table has no columns, the delimiter is impossible, or the file system refuses.
    #[track_caller]
    pub fn write(&self, table: &Table, path: impl AsRef<Path>) -> Result<()> {
        table.write_csv_with(path, self)
    }

    /// Writes a table to any sink.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    #[track_caller]
    pub fn write_to(&self, table: &Table, writer: impl Write) -> Result<()> {
        super::write_any(table, self, writer)
    }

    /// The same options for files of rows that a model is asked about: columns that it does not need may be absent, and those of names
    /// hold texts, whatever they look like in a file of a few rows.
    pub(crate) fn for_model<'n>(
        &self,
        texts: impl IntoIterator<Item = &'n str>,
        is_optional: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut options = self.clone();
        options.optional.extend(self.named().filter(|name| is_optional(name)).map(str::to_string));
        let open = texts.into_iter().filter(|name| self.rules_of(name).kind == Kind::Any);
        open.fold(options, |options, name| options.column(name, ColumnOptions::new().text()))
    }

    /// Whether a column with options may be absent.
    pub(super) fn may_lack(&self, name: &str) -> bool {
        self.optional.iter().any(|own| own == name)
    }

    /// The columns that have options of their own.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        self.of.iter().map(|(name, _)| name.as_str())
    }

    /// What holds for the columns without options of their own.
    pub(super) fn common(&self) -> Rules {
        self.all.rules()
    }

    /// What holds for a column.
    pub(super) fn rules_of(&self, name: &str) -> Rules {
        let own = self.of.iter().filter(|(own, _)| own == name);
        own.fold(self.all.clone(), |all, (_, own)| all.overlaid(own)).rules()
    }
}
