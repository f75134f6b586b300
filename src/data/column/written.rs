//! What is known of a column beyond its values: how it was written where it was read from.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::number::NumberStyle;
use super::{Column, Values};
use crate::error::short;

/// How a column was written, where that can no longer be seen from its values. It does not count when columns are compared.
#[derive(Clone, Default, PartialEq)]
pub(in crate::data) struct Written {
    /// Which of the numbers were dates, and are seconds now.
    pub(in crate::data) dates: Dates,
    /// The different units that were dropped from numbers, if there are several: the first few.
    pub(in crate::data) units: Vec<String>,
    /// The first whole number with a zero in front, which it has lost.
    pub(in crate::data) zeros: Option<String>,
    /// How numbers would have been written, of a column that might have held them and has texts.
    pub(in crate::data) style: Option<NumberStyle>,
}

/// Which rows of a column of numbers are dates.
#[derive(Clone, Default, PartialEq)]
pub(in crate::data) enum Dates {
    #[default]
    None,
    All,
    Rows(Vec<bool>),
}

impl Written {
    /// A column of dates.
    pub(in crate::data) fn dates() -> Self {
        Self { dates: Dates::All, ..Self::default() }
    }

    /// The same of rows, some of which may not be there.
    pub(super) fn of_rows(self: &Arc<Self>, rows: impl Iterator<Item = Option<usize>>) -> Arc<Self> {
        match &self.dates {
            Dates::Rows(dates) => {
                let dates = rows.map(|row| row.is_some_and(|row| dates[row])).collect();
                Arc::new(Self { dates: Dates::Rows(dates), ..Self::clone(self) })
            }
            _ => self.clone(),
        }
    }
}

impl Column {
    /// How it was written where it was read from.
    pub(in crate::data) fn written(&self) -> Option<&Written> {
        self.written.as_deref()
    }

    /// Whether all numbers are dates.
    pub(in crate::data) fn has_dates(&self) -> bool {
        self.written().is_some_and(|written| written.dates == Dates::All)
    }

    /// Whether the number in a row is a date.
    pub(in crate::data) fn is_date(&self, row: usize) -> bool {
        match self.written().map(|written| &written.dates) {
            Some(Dates::All) => true,
            Some(Dates::Rows(dates)) => dates.get(row) == Some(&true),
            _ => false,
        }
    }

    /// What was lost while it was read, and may have been meant; and what is told apart, and may not be meant.
    pub(in crate::data) fn notes(&self, name: &str) -> Vec<String> {
        let name = short(name);
        let mut notes = Vec::new();
        let twins = self.twins();
        if let Some((one, other)) = twins.first() {
            let (one, other) = (short(one), short(other));
            let more = if twins.len() > 1 { format!(", and {} more", twins.len() - 1) } else { String::new() };
            notes.push(format!(
                "`{name}` has `{other}` beside `{one}`{more}: texts that differ in case or white space alone are categories of their own \
                 until Table::map brings them to one spelling"
            ));
        }
        let Some(written) = self.written() else { return notes };
        if let [one, others @ ..] = written.units.as_slice() {
            let units =
                others.iter().fold(format!("`{}`", short(one)), |all, unit| all + &format!(", `{}`", short(unit)));
            notes.push(format!(
                "`{name}` had numbers with different units, {units}, which are plain numbers now: if the units do not mean the same, \
                 CsvOptions::unit says what one of them is in the other"
            ));
        }
        if let Some(zeros) = &written.zeros {
            let number = zeros.trim_start_matches('0');
            let number = if number.is_empty() { "0" } else { number };
            notes.push(format!(
                "`{name}` had `{}`, which is the number {} now: CsvOptions::text([\"{name}\"]) keeps the zeros of codes",
                short(zeros),
                short(number)
            ));
        }
        notes
    }

    /// Texts that differ in case or white space alone, each beside the first of its kind. Not looked for among many texts, which are hardly
    /// categories.
    fn twins(&self) -> Vec<(String, String)> {
        const MOST: usize = 1000;
        if !matches!(&self.values, Values::Texts { texts, .. } if texts.len() <= MOST) {
            return Vec::new();
        }
        let mut first: HashMap<String, String> = HashMap::new();
        let mut twins = Vec::new();
        for text in self.factorize().0 {
            let plain = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            match first.get(&plain) {
                Some(one) => twins.push((one.clone(), text)),
                None => drop(first.insert(plain, text)),
            }
        }
        twins
    }

    /// The same column, of which is known how it was written.
    pub(in crate::data) fn with_written(mut self, written: Written) -> Self {
        self.written = (written != Written::default()).then(|| Arc::new(written));
        self
    }
}
