//! How one column of a CSV file is read.

use serde::{Deserialize, Serialize};

use crate::data::dates::DatePart;
use crate::data::number::NumberStyle;

/// What a value that is missing may look like, besides an empty field: what pandas takes for one, and `Null`.
const MISSING: [&str; 19] = [
    "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "-1.#IND", "-1.#QNAN", "NULL", "Null", "null", "None",
];

/// How one column of a CSV file is read. What is not set is as for all columns.
///
/// ```
/// use demotic::data::{ColumnOptions, CsvOptions};
///
/// let text = "price,share\n\"1,200\",\"0,5\"\n";
/// let table = CsvOptions::new()
///     .column("price", ColumnOptions::new().thousands(','))
///     .column("share", ColumnOptions::new().decimal_comma())
///     .read_from(text.as_bytes())?;
/// assert_eq!(table.column("price")?.numbers(), Some(&[1200.0][..]));
/// assert_eq!(table.column("share")?.numbers(), Some(&[0.5][..]));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[must_use = "options do nothing until a file is read with them"]
pub struct ColumnOptions {
    decimal: Option<char>,
    thousands: Option<char>,
    units: Option<Vec<String>>,
    /// What numbers with a unit are multiplied by.
    factors: Vec<(String, f64)>,
    missing: Option<Vec<String>>,
    also_missing: Vec<String>,
    any_case: Option<bool>,
    kind: Option<Kind>,
    parts: Vec<DatePart>,
    cycles: Vec<DatePart>,
}

/// What the values of a column must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// Numbers if all of them are, texts otherwise.
    Any,
    Text,
    Number,
    /// In this format.
    Date(String),
}

/// The options that hold for one column.
pub(super) struct Rules {
    pub(super) style: NumberStyle,
    pub(super) factors: Vec<(String, f64)>,
    missing: Vec<String>,
    any_case: bool,
    pub(super) kind: Kind,
    pub(super) parts: Vec<DatePart>,
    pub(super) cycles: Vec<DatePart>,
}

impl Rules {
    /// Whether a text that is not empty stands for a missing value.
    pub(super) fn is_mark(&self, text: &str) -> bool {
        match self.any_case {
            false => self.missing.iter().any(|mark| mark == text),
            true => {
                let text = text.to_lowercase();
                self.missing.iter().any(|mark| mark.to_lowercase() == text)
            }
        }
    }

    /// What a missing value may be written as where an empty field would not do.
    pub(super) fn mark(&self) -> Option<&str> {
        self.missing.iter().map(String::as_str).find(|mark| !mark.is_empty())
    }

    /// Whether a date becomes several columns.
    pub(super) fn is_split(&self) -> bool {
        !self.parts.is_empty() || !self.cycles.is_empty()
    }
}

impl ColumnOptions {
    /// As for all columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Numbers have a comma before their fraction: [`CsvOptions::decimal_comma`](super::CsvOptions::decimal_comma).
    pub fn decimal_comma(mut self) -> Self {
        self.decimal = Some(',');
        self
    }

    /// Numbers have a point before their fraction, where the other columns have a comma.
    pub fn decimal_point(mut self) -> Self {
        self.decimal = Some('.');
        self
    }

    /// The character between groups of digits: [`CsvOptions::thousands`](super::CsvOptions::thousands).
    pub fn thousands(mut self, separator: char) -> Self {
        self.thousands = Some(separator);
        self
    }

    /// What is dropped before or behind a number: [`CsvOptions::strip`](super::CsvOptions::strip).
    pub fn strip<T: AsRef<str>>(mut self, units: impl IntoIterator<Item = T>) -> Self {
        self.units = Some(strings(units));
        self
    }

    /// What one of a unit is in that of the column: [`CsvOptions::unit`](super::CsvOptions::unit).
    pub fn unit(mut self, unit: impl Into<String>, factor: f64) -> Self {
        self.factors.push((unit.into(), factor));
        self
    }

    /// The texts that stand for a missing value: [`CsvOptions::missing`](super::CsvOptions::missing).
    pub fn missing<T: AsRef<str>>(mut self, texts: impl IntoIterator<Item = T>) -> Self {
        self.missing = Some(strings(texts));
        self
    }

    /// Further texts that do: [`CsvOptions::also_missing`](super::CsvOptions::also_missing).
    pub fn also_missing<T: AsRef<str>>(mut self, texts: impl IntoIterator<Item = T>) -> Self {
        self.also_missing.extend(strings(texts));
        self
    }

    /// Whether they do in any case: [`CsvOptions::missing_in_any_case`](super::CsvOptions::missing_in_any_case).
    pub fn missing_in_any_case(mut self, on: bool) -> Self {
        self.any_case = Some(on);
        self
    }

    /// Texts, even if they look like numbers.
    pub fn text(mut self) -> Self {
        self.kind = Some(Kind::Text);
        self
    }

    /// Numbers; anything else is an error.
    pub fn number(mut self) -> Self {
        self.kind = Some(Kind::Number);
        self
    }

    /// Dates or times in a format; anything else is an error. They become the seconds since the beginning of 1970, which
    /// are a number like others.
    ///
    /// The format is `iso` for `2024-02-29`, `2024-02-29 12:30`, `2024-02-29T12:30:59.5Z` and `2024-02-29T12:30:59+01:00`,
    /// or a pattern such as `%d.%m.%Y` or `%m/%d/%y %I:%M %p`:
    ///
    /// | | |
    /// |---|---|
    /// | `%Y`, `%y` | the year with four digits; with two, where 69 to 99 are in the twentieth century |
    /// | `%m`, `%b`, `%B` | the month as a number; by its English name of three letters; by its whole name |
    /// | `%d` | the day of the month |
    /// | `%H`, `%I` with `%p` | the hour of 24; of 12, and `AM` or `PM` |
    /// | `%M`, `%S`, `%f` | minutes, seconds, the fraction of a second |
    /// | `%z` | the distance from UTC: `+01:00`, `+0100`, `Z`. Without it, times are taken as they stand |
    /// | `%a`, `%A` | the English name of the weekday, which is passed over |
    /// | `%%` | a percent sign |
    ///
    /// A space stands for any white space; everything else for itself. Numbers may lack their leading zeros.
    pub fn date(mut self, format: impl Into<String>) -> Self {
        self.kind = Some(Kind::Date(format.into()));
        self
    }

    /// Puts these parts of a [`date`](Self::date) into its place, each as a column of its own: `sold_year`,
    /// `sold_weekday`. As [`Table::date_parts`](crate::data::Table::date_parts) does.
    pub fn parts(mut self, parts: impl IntoIterator<Item = DatePart>) -> Self {
        self.parts.extend(parts);
        self
    }

    /// The same, with each part as a point on a circle, so that December is beside January: `sold_month_sin` and
    /// `sold_month_cos`. As [`Table::date_cycles`](crate::data::Table::date_cycles) does.
    pub fn cycles(mut self, parts: impl IntoIterator<Item = DatePart>) -> Self {
        self.cycles.extend(parts);
        self
    }

    pub(super) fn rules(&self) -> Rules {
        let mut missing = self.missing.clone().unwrap_or_else(|| MISSING.map(String::from).to_vec());
        missing.extend_from_slice(&self.also_missing);
        Rules {
            style: NumberStyle::new(
                self.decimal.unwrap_or('.'),
                self.thousands,
                self.units.clone().unwrap_or_default(),
            )
            .converting(&self.factors),
            factors: self.factors.clone(),
            missing,
            any_case: self.any_case.unwrap_or(false),
            kind: self.kind.clone().unwrap_or(Kind::Any),
            parts: self.parts.clone(),
            cycles: self.cycles.clone(),
        }
    }

    pub(super) fn overlaid(mut self, above: &Self) -> Self {
        self.decimal = above.decimal.or(self.decimal);
        self.thousands = above.thousands.or(self.thousands);
        self.units = above.units.clone().or(self.units);
        self.factors.retain(|(unit, _)| !above.factors.iter().any(|(own, _)| own == unit));
        self.factors.extend_from_slice(&above.factors);
        self.missing = above.missing.clone().or(self.missing);
        self.also_missing.extend_from_slice(&above.also_missing);
        self.any_case = above.any_case.or(self.any_case);
        self.kind = above.kind.clone().or(self.kind);
        self.parts.extend_from_slice(&above.parts);
        self.cycles.extend_from_slice(&above.cycles);
        self
    }
}

fn strings<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    texts.into_iter().map(|text| text.as_ref().to_string()).collect()
}
