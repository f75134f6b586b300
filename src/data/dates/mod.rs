//! Dates and times as numbers: seconds since the beginning of 1970, and the parts that models learn from.

mod civil;
mod format;

use std::f64::consts::TAU;

use civil::Civil;
pub(super) use format::{DateFormat, FORMATS, format_help, guess};

use serde::{Deserialize, Serialize};

use super::column::{Column, Written};
use super::table::Table;
use crate::error::{Error, Result, short};

/// A part of a date or time that can be a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DatePart {
    /// The year, such as 2024.
    Year,
    /// 1 to 4.
    Quarter,
    /// 1 to 12.
    Month,
    /// The day of the month, from 1.
    Day,
    /// The day of the year, from 1.
    DayOfYear,
    /// 0 for Monday to 6 for Sunday, as pandas counts.
    Weekday,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
    /// 0 to 59, without the fraction.
    Second,
    /// The seconds since the beginning of 1970, with their fraction.
    Timestamp,
}

impl DatePart {
    const ALL: [Self; 10] = [
        Self::Year,
        Self::Quarter,
        Self::Month,
        Self::Day,
        Self::DayOfYear,
        Self::Weekday,
        Self::Hour,
        Self::Minute,
        Self::Second,
        Self::Timestamp,
    ];

    /// What is added to the name of the column: `month`, `day_of_year`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Day => "day",
            Self::DayOfYear => "day_of_year",
            Self::Weekday => "weekday",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Timestamp => "timestamp",
        }
    }

    fn of(self, seconds: f64, time: &Civil) -> f64 {
        match self {
            Self::Year => time.year as f64,
            Self::Quarter => ((time.month - 1) / 3 + 1) as f64,
            Self::Month => time.month as f64,
            Self::Day => time.day as f64,
            Self::DayOfYear => time.day_of_year() as f64,
            Self::Weekday => time.weekday() as f64,
            Self::Hour => time.hour as f64,
            Self::Minute => time.minute as f64,
            Self::Second => time.second as f64,
            Self::Timestamp => seconds,
        }
    }

    /// The first value and how many there are before it begins again; `None` for what never does.
    fn circle(self, time: &Civil) -> Option<(f64, f64)> {
        Some(match self {
            Self::Year | Self::Timestamp => return None,
            Self::Quarter => (1.0, 4.0),
            Self::Month => (1.0, 12.0),
            Self::Day => (1.0, civil::days_of_month(time.year, time.month) as f64),
            Self::DayOfYear => (1.0, civil::days_of_year(time.year) as f64),
            Self::Weekday => (0.0, 7.0),
            Self::Hour => (0.0, 24.0),
            Self::Minute | Self::Second => (0.0, 60.0),
        })
    }
}

/// A date and its time, if that is not the beginning of the day: `2024-02-29`, `2024-02-29 12:30:00`.
pub(super) fn iso(seconds: f64) -> Option<String> {
    let Civil { year, month, day, hour, minute, second } = Civil::of(seconds)?;
    let date = format!("{year:04}-{month:02}-{day:02}");
    let midnight = (hour, minute, second) == (0, 0, 0);
    Some(if midnight { date } else { format!("{date} {hour:02}:{minute:02}:{second:02}") })
}

/// Whether a column is called as a part of dates in another one is: `sold_month_sin`.
pub(super) fn is_part_of(name: &str, dates: &str) -> bool {
    let names_it = |rest: &str, part: &DatePart| matches!(rest.strip_prefix(part.name()), Some("" | "_sin" | "_cos"));
    let rest = name.strip_prefix(dates).and_then(|rest| rest.strip_prefix('_'));
    rest.is_some_and(|rest| DatePart::ALL.iter().any(|part| names_it(rest, part)))
}

impl Table {
    /// The table with the dates or times of a column of texts as numbers: the seconds since the beginning of 1970. The
    /// formats are those of [`ColumnOptions::date`](super::ColumnOptions::date).
    ///
    /// ```
    /// use demotic::data::{Column, DatePart, Table};
    ///
    /// let sales = Table::from_columns([("sold", Column::from(["24.12.2023", "1.2.2024"]))])?;
    /// let sales = sales.parse_dates("sold", "%d.%m.%Y")?;
    /// assert_eq!(sales.column("sold")?.numbers(), Some(&[1703376000.0, 1706745600.0][..]));
    /// let parts = sales.date_parts("sold", &[DatePart::Year, DatePart::Weekday])?;
    /// assert_eq!(parts.column("sold_year")?.numbers(), Some(&[2023.0, 2024.0][..]));
    /// assert_eq!(parts.column("sold_weekday")?.numbers(), Some(&[6.0, 3.0][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such column, the format is none, or a value is not a date in it.
    #[track_caller]
    #[doc(alias = "to_datetime")]
    pub fn parse_dates(&self, column: &str, format: &str) -> Result<Self> {
        let op = "parse_dates";
        let from = self.find(op, column)?;
        let parsed = match DateFormat::new(format) {
            Ok(parsed) => parsed,
            Err(message) => return Err(Error::argument(op, message).with_help(format_help(format))),
        };
        let mut seconds = Vec::with_capacity(from.len());
        for (row, value) in from.iter().enumerate() {
            if value.is_missing() {
                seconds.push(f64::NAN);
                continue;
            }
            // Numbers too: 20240131 may be a date.
            let text = value.to_string();
            match parsed.parse(&text) {
                Some(x) => seconds.push(x),
                None => {
                    let what = not_a_date(column, &text, format);
                    return Err(Error::format(op, format!("row {row}: {what}")).with_help(value_help(&text, format)));
                }
            }
        }
        let dates = Column::from(seconds).with_written(Written::dates());
        self.replaced(op, column, vec![(column.to_string(), dates)])
    }

    /// The column of this table that a column of such a name was made of, as a part of its dates.
    pub(super) fn date_of_part(&self, name: &str) -> Option<&str> {
        self.column_names().find(|own| is_part_of(name, own))
    }

    /// The table with some parts of a column of dates in its place, each as a column of its own: `sold_year`,
    /// `sold_month`. The dates are seconds since the beginning of 1970, as [`parse_dates`](Self::parse_dates) and
    /// [`CsvOptions::dates`](super::CsvOptions::dates) make them.
    ///
    /// # Errors
    /// If there is no such column, it has texts or numbers that are no times in the years 0 to 9999, or a name is taken.
    #[track_caller]
    pub fn date_parts(&self, column: &str, parts: &[DatePart]) -> Result<Self> {
        let columns = parts_of("date_parts", column, self.find("date_parts", column)?, parts, &[])?;
        self.replaced("date_parts", column, columns)
    }

    /// The same, with every part as a point on a circle: the sine and the cosine of its share of a turn, `sold_month_sin`
    /// and `sold_month_cos`. December is then as near to January as to November. The days of a month and of a year are
    /// divided by how many this one has.
    ///
    /// # Errors
    /// As for [`date_parts`](Self::date_parts), and for parts that do not come again: the year and the timestamp.
    #[track_caller]
    pub fn date_cycles(&self, column: &str, parts: &[DatePart]) -> Result<Self> {
        let columns = parts_of("date_cycles", column, self.find("date_cycles", column)?, &[], parts)?;
        self.replaced("date_cycles", column, columns)
    }
}

/// The columns that take the place of a column of dates.
#[track_caller]
pub(super) fn parts_of(
    op: &'static str,
    name: &str,
    column: &Column,
    parts: &[DatePart],
    cycles: &[DatePart],
) -> Result<Vec<(String, Column)>> {
    if let Some(part) = cycles.iter().find(|part| matches!(part, DatePart::Year | DatePart::Timestamp)) {
        let message = format!("the {} of a date does not come again, so it is on no circle", part.name());
        return Err(Error::argument(op, message).with_help("months, days, weekdays, hours, minutes and seconds do"));
    }
    let Some(seconds) = column.numbers() else {
        let message = format!("column `{}` has texts, expected dates", short(name));
        return Err(Error::dtype(op, message).with_help(format!("{}(.., format) reads them", "table.parse_dates")));
    };
    let mut times = Vec::with_capacity(seconds.len());
    for (row, x) in seconds.iter().enumerate() {
        times.push(match Civil::of(*x) {
            Some(time) => Some(time),
            None if x.is_nan() => None,
            None => {
                let message = format!(
                    "column `{}` has {x} in row {row}, which is no time in seconds between the years 0 and 9999",
                    short(name)
                );
                let help = "times in milliseconds or nanoseconds become seconds with table.map(.., |t| t.number().map(|t| t / 1e3))";
                return Err(Error::numeric(op, message).with_help(help));
            }
        });
    }
    let column = |value: &dyn Fn(f64, &Civil) -> f64| -> Column {
        seconds.iter().zip(&times).map(|(x, time)| time.as_ref().map_or(f64::NAN, |time| value(*x, time))).collect()
    };
    let mut columns = Vec::with_capacity(parts.len() + 2 * cycles.len());
    for part in parts {
        columns.push((format!("{name}_{}", part.name()), column(&|x, time| part.of(x, time))));
    }
    for part in cycles {
        let angle = |x: f64, time: &Civil| {
            let (first, count) = part.circle(time).unwrap_or((0.0, 1.0));
            TAU * (part.of(x, time) - first) / count
        };
        // At a quarter of the circle, what is left of rounding is 0 and not 6·10⁻¹⁷.
        let exact = |x: f64| if x.abs() < 1e-15 { 0.0 } else { x };
        columns.push((format!("{name}_{}_sin", part.name()), column(&|x, time| exact(angle(x, time).sin()))));
        columns.push((format!("{name}_{}_cos", part.name()), column(&|x, time| exact(angle(x, time).cos()))));
    }
    Ok(columns)
}

/// What is wrong with a value that should be a date.
pub(super) fn not_a_date(column: &str, text: &str, format: &str) -> String {
    let found = format!("column `{}` has `{}`", short(column), short(text));
    match (has_form(text, format), text.contains(':')) {
        (false, _) => format!("{found}, which is no date in the format `{}`", short(format)),
        (true, false) => format!("{found}, but there is no such day in the format `{}`", short(format)),
        (true, true) => format!("{found}, but there is no such time in the format `{}`", short(format)),
    }
}

fn has_form(text: &str, format: &str) -> bool {
    DateFormat::new(format).is_ok_and(|format| format.fits(text))
}

/// What to do about a value that should be a date.
pub(super) fn value_help(text: &str, format: &str) -> String {
    match guess(&[text]) {
        None if has_form(text, format) => "correct it, or leave it empty: it is missing then".to_string(),
        _ => date_help(&[text]),
    }
}

/// A format that suits these texts, as advice.
pub(super) fn date_help(texts: &[&str]) -> String {
    match guess(texts) {
        Some(format) => format!("the format `{format}` suits it"),
        None => FORMATS.to_string(),
    }
}
