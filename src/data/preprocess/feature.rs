//! One column of a table as features.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Impute, Scaling, Unseen, fill_column};
use crate::data::column::{Column, ColumnKind, Value};
use crate::data::describe::{Moments, quantile};
use crate::error::{Error, Result, bug};

/// How a column becomes features, as learnt from the training part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Feature {
    /// A number, and perhaps whether it is missing.
    Number {
        column: String,
        scaler: Scaler,
        /// In place of missing numbers, which are an error without it.
        fill: Option<f64>,
        indicator: bool,
    },
    /// A category: one feature for each, and perhaps one for a missing value.
    Category {
        column: String,
        categories: Vec<String>,
        /// Whether the categories were numbers.
        numeric: bool,
        missing: bool,
        /// Whether the first category has no feature because the others tell it.
        drop_first: bool,
        unseen: Unseen,
    },
}

/// `(x − center) / scale`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Scaler {
    pub(super) center: f64,
    pub(super) scale: f64,
}

impl Scaler {
    /// Learns from at least one finite number.
    #[track_caller]
    pub(super) fn fit(op: &'static str, column: &str, numbers: &[f64], scaling: Scaling) -> Result<Self> {
        let (min, max) =
            numbers.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| (min.min(*x), max.max(*x)));
        // Equal numbers have a variance that is zero but for rounding, which must not be blown up.
        let constant = min == max;
        let scaler = match scaling {
            Scaling::None => Self { center: 0.0, scale: 1.0 },
            _ if constant => Self { center: min, scale: 1.0 },
            Scaling::MinMax => Self { center: min, scale: max - min },
            Scaling::Standard => {
                let moments = Moments::of(numbers.iter().copied());
                Self { center: moments.mean, scale: (moments.sum_of_squares / numbers.len() as f64).sqrt() }
            }
        };
        if scaler.center.is_finite() && scaler.scale.is_finite() && scaler.scale > 0.0 {
            return Ok(scaler);
        }
        let message =
            format!("the numbers of column `{column}`, from {min:e} to {max:e}, are too extreme to be scaled");
        Err(Error::numeric(op, message))
    }

    /// The scaled number, or `None` if it is beyond the range of `f32`.
    pub(super) fn apply(self, x: f64) -> Option<f32> {
        let scaled = ((x - self.center) / self.scale) as f32;
        scaled.is_finite().then_some(scaled)
    }
}

/// Numbers that are all finite or missing.
#[track_caller]
pub(super) fn check_finite(op: &'static str, column: &str, numbers: &[f64]) -> Result<()> {
    match numbers.iter().position(|x| x.is_infinite()) {
        Some(row) => Err(Error::numeric(op, format!("column `{column}` is infinite in row {row}"))),
        None => Ok(()),
    }
}

/// What learning a feature of numbers takes.
pub(super) struct NumberRules {
    pub(super) scaling: Scaling,
    pub(super) impute: Impute,
    pub(super) indicator: bool,
}

/// What learning a feature of categories takes.
pub(super) struct CategoryRules {
    pub(super) unseen: Unseen,
    pub(super) drop_first: bool,
    pub(super) max_categories: usize,
}

impl Feature {
    #[track_caller]
    pub(super) fn fit_numbers(op: &'static str, name: &str, numbers: &[f64], rules: NumberRules) -> Result<Self> {
        check_finite(op, name, numbers)?;
        let mut present: Vec<f64> = numbers.iter().copied().filter(|x| !x.is_nan()).collect();
        if present.is_empty() {
            return Err(no_values(op, name));
        }
        let scaler = Scaler::fit(op, name, &present, rules.scaling)?;
        present.sort_by(f64::total_cmp);
        let fill = match rules.impute {
            Impute::Median => Some(quantile(&present, 0.5)),
            Impute::Mean => Some(Moments::of(present.iter().copied()).mean),
            Impute::Constant(x) => Some(x),
            Impute::Error => None,
        };
        if let Some(fill) = fill.filter(|fill| !fill.is_finite()) {
            let message = format!("the number in place of missing ones in column `{name}` would be {fill}");
            return Err(Error::numeric(op, message));
        }
        let feature = Self::Number {
            column: name.to_string(),
            scaler,
            fill,
            indicator: rules.indicator && present.len() < numbers.len(),
        };
        feature.check_missing(op, numbers)?;
        Ok(feature)
    }

    #[track_caller]
    pub(super) fn fit_categories(op: &'static str, name: &str, column: &Column, rules: CategoryRules) -> Result<Self> {
        let (categories, codes) = column.factorize();
        if categories.is_empty() {
            return Err(no_values(op, name));
        }
        if categories.len() > rules.max_categories {
            return Err(too_many(op, name, column, &categories, rules.max_categories));
        }
        Ok(Self::Category {
            column: name.to_string(),
            numeric: column.kind() == ColumnKind::Number,
            missing: codes.contains(&None),
            categories,
            drop_first: rules.drop_first,
            unseen: rules.unseen,
        })
    }

    pub(super) fn column(&self) -> &str {
        match self {
            Self::Number { column, .. } | Self::Category { column, .. } => column,
        }
    }

    pub(super) fn width(&self) -> usize {
        match self {
            Self::Number { indicator, .. } => 1 + usize::from(*indicator),
            Self::Category { categories, missing, drop_first, .. } => {
                (categories.len() + usize::from(*missing)).saturating_sub(usize::from(*drop_first))
            }
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        let marked = |mark: bool, column: &str| mark.then(|| format!("{column}=(missing)"));
        match self {
            Self::Number { column, indicator, .. } => {
                std::iter::once(column.clone()).chain(marked(*indicator, column)).collect()
            }
            Self::Category { column, categories, missing, drop_first, .. } => {
                let names = categories.iter().map(|category| format!("{column}={category}"));
                names.chain(marked(*missing, column)).skip(usize::from(*drop_first)).collect()
            }
        }
    }

    /// Writes the features of every row into `cells`, which begins with the feature's first cell in row 0. Rows are
    /// `width` cells apart, and all zero.
    #[track_caller]
    pub(super) fn encode(&self, op: &'static str, column: &Column, width: usize, cells: &mut [f32]) -> Result<()> {
        match self {
            Self::Number { .. } => self.encode_numbers(op, column, width, cells),
            Self::Category { .. } => self.encode_categories(op, column, width, cells),
        }
    }

    #[track_caller]
    fn check_missing(&self, op: &'static str, numbers: &[f64]) -> Result<()> {
        match (self, numbers.iter().position(|x| x.is_nan())) {
            (Self::Number { column, fill: None, .. }, Some(row)) => {
                Err(crate::data::table::missing_value(op, column, row))
            }
            _ => Ok(()),
        }
    }

    #[track_caller]
    fn encode_numbers(&self, op: &'static str, from: &Column, width: usize, cells: &mut [f32]) -> Result<()> {
        let Self::Number { column, scaler, fill, indicator } = self else {
            return Err(bug!(op, "`{}` is no column of numbers", self.column()));
        };
        let absent;
        let numbers = match from.numbers() {
            Some(numbers) => numbers,
            // A column without a single value could be of any kind.
            None if from.num_missing() == from.len() => {
                absent = vec![f64::NAN; from.len()];
                &absent
            }
            None => return Err(not_numbers(op, column, from)),
        };
        check_finite(op, column, numbers)?;
        self.check_missing(op, numbers)?;
        let value = |x: &f64| if x.is_nan() { fill.unwrap_or(*x) } else { *x };
        if let Some(row) = numbers.iter().position(|x| scaler.apply(value(x)).is_none()) {
            let message =
                format!("column `{column}` is {:e} in row {row}, beyond the range of f32", value(&numbers[row]));
            return Err(Error::numeric(op, message));
        }
        fill_column(cells, width, numbers.iter().filter_map(|x| scaler.apply(value(x))));
        if *indicator {
            let marks = numbers.iter().map(|x| f32::from(u8::from(x.is_nan())));
            fill_column(cells.get_mut(1..).unwrap_or_default(), width, marks);
        }
        Ok(())
    }

    #[track_caller]
    fn encode_categories(&self, op: &'static str, from: &Column, width: usize, cells: &mut [f32]) -> Result<()> {
        let Self::Category { column, categories, numeric, missing, drop_first, unseen } = self else {
            return Err(bug!(op, "`{}` is no column of categories", self.column()));
        };
        if from.kind() == ColumnKind::Number && !numeric && from.num_missing() < from.len() {
            let message = format!("column `{column}` has numbers, it had texts when fitting");
            let help = format!("read the file with CsvOptions::new().text(&[\"{column}\"])");
            return Err(Error::dtype(op, message).with_help(help));
        }
        let known: HashMap<&str, usize> = categories.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let (names, codes) = from.factorize();
        let position: Vec<Option<usize>> = names.iter().map(|name| known.get(name.as_str()).copied()).collect();
        for (row, code) in codes.iter().enumerate() {
            let found = match code {
                Some(code) => position[*code],
                None => missing.then_some(categories.len()),
            };
            match found {
                Some(i) => {
                    // The first category is told by zeros if it is dropped.
                    let cell = i.checked_sub(usize::from(*drop_first)).and_then(|i| cells.get_mut(row * width + i));
                    cell.into_iter().for_each(|cell| *cell = 1.0);
                }
                None if *unseen == Unseen::Zeros => {}
                None => {
                    let what = code.map_or("no value".to_string(), |code| format!("`{}`", names[code]));
                    let message =
                        format!("column `{column}` has {what} in row {row}, which did not occur when fitting");
                    let help = format!("known are {}; Unseen::Zeros allows others", list(categories));
                    return Err(Error::argument(op, message).with_help(help));
                }
            }
        }
        Ok(())
    }
}

/// Some names for a message.
pub(super) fn list(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    shown.join(", ") + &more
}

#[track_caller]
fn no_values(op: &'static str, column: &str) -> Error {
    let e = Error::argument(op, format!("column `{column}` has no values in the training part"));
    e.with_help(format!("leave it out with ignore(&[\"{column}\"])"))
}

#[track_caller]
fn not_numbers(op: &'static str, column: &str, from: &Column) -> Error {
    let first = from.iter().enumerate().find_map(|(row, value)| match value {
        Value::Text(text) if text.parse::<f64>().is_err() => Some((row, text)),
        _ => None,
    });
    let example = first.map_or(String::new(), |(row, text)| format!(" (`{text}` in row {row})"));
    Error::dtype(op, format!("column `{column}` has texts{example}, it had numbers when fitting"))
}

/// A column with a stray text among its numbers is read as texts; nearly all of them are then different.
#[track_caller]
pub(super) fn too_many(op: &'static str, name: &str, column: &Column, categories: &[String], most: usize) -> Error {
    let message = format!("column `{name}` has {} categories, more than {most}", categories.len());
    let numbers = categories.iter().filter(|text| text.parse::<f64>().is_ok()).count();
    let stray = column.iter().enumerate().find_map(|(row, value)| match value {
        Value::Text(text) if text.parse::<f64>().is_err() => Some((row, text)),
        _ => None,
    });
    Error::argument(op, message).with_help(match stray {
        Some((row, text)) if numbers * 2 > categories.len() => {
            format!("most are numbers: is `{text}` in row {row} a missing value? CsvOptions::missing names its marks")
        }
        _ => format!("leave the column out with ignore(&[\"{name}\"]), or raise max_categories"),
    })
}
