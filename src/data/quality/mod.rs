//! What is wrong with a table, before a model learns it: [`Quality`] looks for it, [`Drift`] compares two tables, [`label_errors`]
//! finds labels that a model does not believe.
//!
//! ```
//! use demotic::data::quality::{Problem, Quality};
//! use demotic::data::{Column, Table};
//!
//! let people = Table::from_columns([
//!     ("age", Column::from([30.0, 41.0, 30.0, 25.0])),
//!     ("town", Column::from(["Ulm", "Bonn", "Ulm", "Kiel"])),
//!     ("country", Column::from(["de", "de", "de", "de"])),
//! ])?;
//! let found = Quality::new().examine(&people)?;
//! let problems: Vec<Problem> = found.iter().map(|finding| finding.problem).collect();
//! assert_eq!(problems, [Problem::Duplicates, Problem::Constant]);
//! assert_eq!(found[0].rows, [2]);
//! found.iter().for_each(|finding| println!("{finding}"));
//! # Ok::<(), demotic::Error>(())
//! ```

mod columns;
mod drift;
mod duplicates;
mod labels;

use std::fmt;

pub use drift::{ColumnDrift, Drift};
pub use labels::{LabelErrors, label_errors};

use super::Table;
use crate::error::{Error, Result};

/// What kind of thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// Values are missing.
    Missing,
    /// Rows are the same as others.
    Duplicates,
    /// Rows are nearly the same as others.
    NearDuplicates,
    /// Numbers lie far from all others.
    Outliers,
    /// A column has one value only.
    Constant,
    /// A column tells the target nearly by itself.
    Leak,
    /// Classes of the target, or their numbers of rows, are far apart.
    Imbalance,
    /// A group has few rows.
    Underrepresented,
    /// Values are missing of one group more than of another one.
    MissingByGroup,
    /// Labels that a model does not believe.
    Labels,
    /// Columns differ between two tables.
    Drift,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// To be known.
    Note,
    /// To be looked at.
    Warning,
    /// What is learnt from it is probably wrong.
    Serious,
}

impl Severity {
    /// `note`, `warning` or `serious`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Serious => "serious",
        }
    }
}

/// Something that was found, where, and what to do about it. Prints as two lines.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing it is.
    pub problem: Problem,
    /// How much it matters.
    pub severity: Severity,
    /// The columns it is in; all of them, if none is named.
    pub columns: Vec<String>,
    /// The rows it is in, counted from 0; all of them, if none is named.
    pub rows: Vec<usize>,
    /// How much of it there is, mostly as a share from 0 to 1.
    pub value: f64,
    /// What it is.
    pub message: String,
    /// What to do.
    pub advice: String,
}

impl Finding {
    fn new(problem: Problem, severity: Severity, value: f64, message: String, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        Self { problem, severity, columns: Vec::new(), rows: Vec::new(), value, message, advice }
    }

    fn of(mut self, column: &str, rows: Vec<usize>) -> Self {
        self.columns.push(column.to_string());
        self.rows = rows;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity.name(), self.message)?;
        if !self.rows.is_empty() {
            let rows: Vec<String> = self.rows.iter().take(8).map(usize::to_string).collect();
            let more = if self.rows.len() > 8 { ", …" } else { "" };
            write!(f, " (rows {}{more})", rows.join(", "))?;
        }
        write!(f, "\n  to do: {}", self.advice)
    }
}

/// Looks for what is wrong with a table: missing values, rows that are the same or nearly so, outliers, columns that are constant or tell
/// the target, classes and groups of few rows.
///
/// Outliers lie more than 5 robust deviations (1.4826 times the median distance) from the median; for columns of which half have one value,
/// more than 8 ordinary deviations from the mean. Of rows that are the same as others, only a note is made where columns have so few
/// values that chance makes as many pairs. Rows are nearly the same if texts are equal but for case, space and one edit in all,
/// and numbers differ by less than a thousandth of their deviation (and at most one of them by up to a hundredth). A column leaks the
/// target if the best single cut of it, or its values as classes, get at least 98 % of what is to be told right; for targets of numbers, if
/// the correlation of ranks is above 0.995.
#[derive(Debug, Clone, Default)]
pub struct Quality {
    target: Option<String>,
    groups: Vec<String>,
}

const OP: &str = "Quality";

impl Quality {
    /// Without a target and groups.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The column that is to be predicted: it is looked at for imbalance, and the others for whether they tell it.
    #[must_use]
    pub fn target(mut self, column: impl Into<String>) -> Self {
        self.target = Some(column.into());
        self
    }

    /// A column that says to which group somebody belongs: its groups are looked at for how many rows they have, and how many values
    /// are missing of them.
    #[must_use]
    pub fn group(mut self, column: impl Into<String>) -> Self {
        self.groups.push(column.into());
        self
    }

    /// What there is to know, in the order of how much it matters.
    ///
    /// # Errors
    /// If the table has no rows, or a column that was named does not exist.
    #[track_caller]
    pub fn examine(&self, table: &Table) -> Result<Vec<Finding>> {
        if table.num_rows() == 0 {
            return Err(Error::argument(OP, "the table has no rows"));
        }
        let mut found = Vec::new();
        duplicates::find(table, &mut found);
        columns::missing(table, self.target.as_deref(), &mut found);
        columns::constant(table, &mut found);
        columns::outliers(table, self.target.as_deref(), &mut found);
        if let Some(target) = &self.target {
            let column = table.find(OP, target)?;
            columns::imbalance(target, column, &mut found);
            columns::leaks(table, target, column, &mut found);
        }
        for group in &self.groups {
            columns::groups(table, group, table.find(OP, group)?, &mut found);
        }
        // Stable: of equal severity, in the order in which they were looked for.
        crate::order::sort_by(&mut found, |a, b| b.severity.cmp(&a.severity));
        Ok(found)
    }
}
