//! One column of a table as features.

use serde::{Deserialize, Serialize};

use super::known::{Known, Match};
use super::looks::Misfit;
use super::scaler::Scaler;
use super::{Impute, Scaling, Unseen, fill_column};
use crate::data::column::{Column, ColumnKind, Value};
use crate::data::number::NumberStyle;
use crate::data::wide::{Moments, Wide, quantile, sorted};
use crate::error::{Error, Result, bug, short};

/// How a column becomes features, as learnt from the training part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Feature {
    /// A number, and perhaps whether it is missing.
    Number {
        column: String,
        scaler: Scaler,
        /// In place of missing numbers, which are an error without it.
        fill: Option<f64>,
        /// What `fill` is too coarse to hold, for integers beyond 2⁵³.
        #[serde(default)]
        fill_low: f64,
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

/// Numbers that are all finite or missing.
#[track_caller]
pub(super) fn check_finite(op: &'static str, column: &str, numbers: &[f64]) -> Result<()> {
    match numbers.iter().position(|x| x.is_infinite()) {
        Some(row) => Err(Error::numeric(op, format!("column `{}` is infinite in row {row}", short(column)))),
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
    /// Whether the column was said to hold categories.
    pub(super) chosen: bool,
}

/// A feature, or why the column should not be one.
pub(super) enum Fitted {
    Feature(Feature),
    Misfit(Misfit),
}

impl Feature {
    #[track_caller]
    pub(super) fn fit_numbers(op: &'static str, name: &str, column: &Column, rules: NumberRules) -> Result<Self> {
        let numbers = column.numbers().unwrap_or_default();
        check_finite(op, name, numbers)?;
        let present = column.present().unwrap_or_default();
        if present.is_empty() {
            return Err(no_values(op, name));
        }
        let scaler = Scaler::fit(op, name, column, rules.scaling)?;
        let indicator = rules.indicator && present.len() < numbers.len();
        let fill = match rules.impute {
            Impute::Median => Some(quantile(&sorted(present), 0.5)),
            Impute::Mean => Some(Moments::of(&present).mean()),
            Impute::Constant(x) => Some(Wide::from(x)),
            Impute::Error => None,
        };
        if let Some(fill) = fill.filter(|fill| !fill.high.is_finite()) {
            let (name, fill) = (short(name), fill.high);
            let message = format!("the number in place of missing ones in column `{name}` would be {fill}");
            return Err(Error::numeric(op, message));
        }
        let feature = Self::Number {
            column: name.to_string(),
            scaler,
            fill: fill.map(|fill| fill.high),
            fill_low: fill.map_or(0.0, |fill| fill.low),
            indicator,
        };
        feature.check_missing(op, numbers)?;
        Ok(feature)
    }

    #[track_caller]
    pub(super) fn fit_categories(
        op: &'static str,
        name: &str,
        column: &Column,
        rules: CategoryRules,
    ) -> Result<Fitted> {
        let (categories, codes) = column.factorize();
        if categories.is_empty() {
            return Err(no_values(op, name));
        }
        if let Some(misfit) = Misfit::of(name, column, &categories, rules.max_categories, rules.chosen) {
            return Ok(Fitted::Misfit(misfit));
        }
        Ok(Fitted::Feature(Self::Category {
            column: name.to_string(),
            numeric: column.kind() == ColumnKind::Number,
            missing: codes.contains(&None),
            categories,
            drop_first: rules.drop_first,
            unseen: rules.unseen,
        }))
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
        let Self::Number { column, scaler, fill, fill_low, indicator } = self else {
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
        let fill = Wide { high: fill.unwrap_or(f64::NAN), low: *fill_low };
        let value = |row: usize| if numbers[row].is_nan() { fill } else { from.wide(row) };
        if let Some(row) = (0..numbers.len()).find(|row| scaler.apply(value(*row)).is_none()) {
            let (name, x) = (short(column), value(row).high);
            return Err(Error::numeric(op, format!("column `{name}` is {x:e} in row {row}, beyond the range of f32")));
        }
        fill_column(cells, width, (0..numbers.len()).filter_map(|row| scaler.apply(value(row))));
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
        let known = Known::new(categories);
        let (names, codes) = from.factorize();
        if from.kind() == ColumnKind::Number && !known.has_numbers() && !names.is_empty() {
            let name = short(column);
            let message = format!("column `{name}` has numbers, it had texts when fitting");
            let help = format!("read the file with CsvOptions::new().text(&[\"{name}\"])");
            return Err(Error::dtype(op, message).with_help(help));
        }
        let plain = NumberStyle::default();
        if *numeric && from.kind() == ColumnKind::Text && !names.is_empty() {
            // One-hot features that are zero in every row would say nothing, and nobody would notice.
            if names.iter().all(|name| plain.parse(name).is_none()) {
                return Err(not_numbers(op, column, from));
            }
        }
        let found: Vec<Match> = names.iter().map(|name| known.find(name)).collect();
        if let Some(i) = found.iter().position(|found| matches!(found, Match::Either(..))) {
            return Err(ambiguous(op, &format!("column `{}`", short(column)), &names[i], found[i], categories));
        }
        for (row, code) in codes.iter().enumerate() {
            let position = match code {
                Some(code) => match found[*code] {
                    Match::Category(i) => Some(i),
                    _ => None,
                },
                None => missing.then_some(categories.len()),
            };
            match position {
                Some(i) => {
                    // The first category is told by zeros if it is dropped.
                    let cell = i.checked_sub(usize::from(*drop_first)).and_then(|i| cells.get_mut(row * width + i));
                    cell.into_iter().for_each(|cell| *cell = 1.0);
                }
                None if *unseen == Unseen::Zeros => {}
                None => {
                    let what = code.map_or("no value".to_string(), |code| format!("`{}`", short(&names[code])));
                    let name = short(column);
                    let message = format!("column `{name}` has {what} in row {row}, which did not occur when fitting");
                    let help = format!("known are {}; Unseen::Zeros allows others", list(categories));
                    return Err(Error::argument(op, message).with_help(help));
                }
            }
        }
        Ok(())
    }

    /// The column whose features these are, as it was: `cells` begins with the feature's first cell in row 0, rows are
    /// `width` cells apart.
    pub(super) fn decode(&self, width: usize, cells: &[f64], rows: usize) -> Column {
        let row_of = |row: usize| cells.get(row * width..).unwrap_or_default();
        match self {
            Self::Number { scaler, indicator, .. } => {
                let value = |row: usize| {
                    let row = row_of(row);
                    let missing = *indicator && row.get(1).is_some_and(|mark| *mark > 0.5);
                    row.first().filter(|_| !missing).map(|x| scaler.invert(*x).to_f64())
                };
                (0..rows).map(value).collect()
            }
            Self::Category { categories, numeric, drop_first, .. } => {
                let own = self.width();
                let dropped = usize::from(*drop_first);
                let category = |row: usize| {
                    let cells = row_of(row).get(..own)?;
                    let mut best = (0.0, None);
                    for (i, x) in cells.iter().enumerate().filter(|(_, x)| x.is_finite()) {
                        if *x > best.0 {
                            best = (*x, Some(i + dropped));
                        }
                    }
                    // What the others leave of 1 is the share of the category that was dropped.
                    if *drop_first && 1.0 - cells.iter().sum::<f64>() >= best.0 {
                        best.1 = Some(0);
                    }
                    categories.get(best.1?).map(String::as_str)
                };
                let texts = (0..rows).map(category);
                let numbers = || texts.clone().map(|text| Some(NumberStyle::default().parse(text?)));
                match *numeric && numbers().all(|x| x.is_none_or(|x| x.is_some_and(|x| x.whole.is_some()))) {
                    true => numbers().map(|x| x.flatten().and_then(|x| x.whole)).collect(),
                    false if *numeric => numbers().map(|x| x.flatten().map(|x| x.value)).collect(),
                    false => texts.collect(),
                }
            }
        }
    }
}

/// Some names for a message.
pub(super) fn list(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", short(name))).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    shown.join(", ") + &more
}

#[track_caller]
fn no_values(op: &'static str, column: &str) -> Error {
    let column = short(column);
    let e = Error::argument(op, format!("column `{column}` has no values in the training part"));
    e.with_help(format!("leave it out with ignore(&[\"{column}\"])"))
}

#[track_caller]
fn not_numbers(op: &'static str, column: &str, from: &Column) -> Error {
    let plain = NumberStyle::default();
    let first = from.iter().enumerate().find_map(|(row, value)| match value {
        Value::Text(text) if plain.parse(text).is_none() => Some((row, text)),
        _ => None,
    });
    let example = first.map_or(String::new(), |(row, text)| format!(" (`{}` in row {row})", short(text)));
    Error::dtype(op, format!("column `{}` has texts{example}, it had numbers when fitting", short(column)))
        .with_help("give a number, or read the text with the CsvOptions of the table that was fitted")
}

/// A number that several categories are, each in another spelling.
#[track_caller]
pub(super) fn ambiguous(op: &'static str, what: &str, value: &str, found: Match, categories: &[String]) -> Error {
    let Match::Either(a, b) = found else { return bug!(op, "`{value}` is not ambiguous") };
    let (value, a, b) = (short(value), short(&categories[a]), short(&categories[b]));
    let message = format!("{what} has `{value}`, which is the same number as both `{a}` and `{b}`");
    Error::argument(op, message).with_help("read both files with the same options: CsvOptions::text keeps the spelling")
}
