//! One column of a table as features.

use serde::{Deserialize, Serialize};

use super::categories::{Categories, CategoryRules, Learnt};
use super::encoder::{Codes, Supervision, hashed};
use super::known::Match;
use super::looks::Misfit;
use super::scaler::Scaler;
use super::{Encoding, Impute, Outliers, Scaling, fill_column};
use crate::data::column::{Column, Value};
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
        /// Numbers beyond become these.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bounds: Option<(f64, f64)>,
    },
    /// A category: one feature for each, and perhaps one for a missing value.
    Category(Categories),
    /// A category as one number or a few.
    Encoded { categories: Categories, codes: Codes },
    /// A category as the place of its hash.
    Hashed {
        column: String,
        #[serde(deserialize_with = "places")]
        features: usize,
    },
}

/// So many features hashes have at most. More would be zeros in nearly all rows.
const PLACES: usize = 1 << 16;

fn places<'de, D: serde::Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    match usize::deserialize(from)? {
        n @ 1..=PLACES => Ok(n),
        n => Err(serde::de::Error::custom(format!("hashing into {n} features, expected 1 to {PLACES}"))),
    }
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
    pub(super) outliers: Outliers,
}

/// A feature, or why the column should not be one.
pub(super) enum Fitted {
    Feature(Feature),
    Misfit(Misfit),
}

impl Feature {
    /// Its categories, if it has any that are told apart.
    pub(super) fn categories(&self) -> Option<&Categories> {
        match self {
            Self::Category(categories) | Self::Encoded { categories, .. } => Some(categories),
            Self::Number { .. } | Self::Hashed { .. } => None,
        }
    }

    #[track_caller]
    pub(super) fn fit_numbers(op: &'static str, name: &str, column: &Column, rules: NumberRules) -> Result<Self> {
        let numbers = column.numbers().unwrap_or_default();
        check_finite(op, name, numbers)?;
        let present = column.present().unwrap_or_default();
        if present.is_empty() {
            return Err(no_values(op, name));
        }
        let indicator = rules.indicator && present.len() < numbers.len();
        let bounds = bounds(op, name, &present, rules.outliers)?;
        let within = present.iter().map(|x| clipped(*x, bounds)).collect();
        let scaler = Scaler::fit(op, name, within, column.is_exact(), rules.scaling)?;
        let fill = match rules.impute {
            Impute::Median => Some(quantile(&sorted(present), 0.5)),
            Impute::Mean => Some(Moments::of(&present).mean()),
            Impute::MostFrequent => most_frequent(column),
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
            bounds,
        };
        feature.check_missing(op, numbers)?;
        Ok(feature)
    }

    #[track_caller]
    pub(super) fn fit_categories(
        op: &'static str,
        name: &str,
        column: &Column,
        rules: &CategoryRules,
        encoding: Encoding,
        scaling: Scaling,
        supervision: Option<&Supervision>,
    ) -> Result<Fitted> {
        if let Encoding::Hashing { features } = encoding {
            if !(1..=PLACES).contains(&features) {
                let message = format!("hashing into {features} features, expected 1 to {PLACES}");
                return Err(Error::argument(op, message));
            }
            if column.num_missing() == column.len() {
                return Err(no_values(op, name));
            }
            return Ok(Fitted::Feature(Self::Hashed { column: name.to_string(), features }));
        }
        let categories = match Categories::fit(op, name, column, rules)? {
            Learnt::Categories(categories) => categories,
            Learnt::Misfit(misfit) => return Ok(Fitted::Misfit(misfit)),
        };
        if encoding == Encoding::OneHot {
            return Ok(Fitted::Feature(Self::Category(categories)));
        }
        let codes = Codes::fit(op, &categories, column, encoding, scaling, supervision)?;
        Ok(Fitted::Feature(Self::Encoded { categories, codes }))
    }

    pub(super) fn column(&self) -> &str {
        match self {
            Self::Number { column, .. } | Self::Hashed { column, .. } => column,
            Self::Category(categories) | Self::Encoded { categories, .. } => &categories.column,
        }
    }

    /// Whether the column holds names, even if they look like numbers.
    pub(super) fn is_text(&self) -> bool {
        match self {
            Self::Number { .. } => false,
            Self::Category(categories) | Self::Encoded { categories, .. } => !categories.numeric,
            Self::Hashed { .. } => true,
        }
    }

    /// How many features there are without the one that says where a value was missing.
    fn own_width(&self) -> usize {
        match self {
            Self::Number { .. } => 1,
            Self::Category(categories) => categories.len().saturating_sub(usize::from(categories.drop_first)),
            Self::Encoded { codes, .. } => codes.width(),
            Self::Hashed { features, .. } => *features,
        }
    }

    fn indicator(&self) -> bool {
        match self {
            Self::Number { indicator, .. } => *indicator,
            Self::Category(categories) | Self::Encoded { categories, .. } => categories.indicator,
            Self::Hashed { .. } => false,
        }
    }

    pub(super) fn width(&self) -> usize {
        self.own_width() + usize::from(self.indicator())
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut names = match self {
            Self::Number { column, .. } => vec![column.clone()],
            Self::Category(categories) => {
                categories.names().into_iter().skip(usize::from(categories.drop_first)).collect()
            }
            Self::Encoded { categories, codes } => codes.names(&categories.column),
            Self::Hashed { column, features } => (0..*features).map(|i| format!("{column}#{i}")).collect(),
        };
        if self.indicator() {
            names.push(format!("{}=(missing)", self.column()));
        }
        names
    }

    /// Whether a column may be this one: texts where there were texts, numbers where there were numbers.
    #[track_caller]
    pub(super) fn check_kind(&self, op: &'static str, from: &Column) -> Result<()> {
        match self {
            Self::Number { column, .. } if from.numbers().is_none() && from.num_missing() < from.len() => {
                Err(not_numbers(op, column, from))
            }
            Self::Number { .. } | Self::Hashed { .. } => Ok(()),
            Self::Category(categories) | Self::Encoded { categories, .. } => {
                categories.check_kind(op, from, &from.factorize().0)
            }
        }
    }

    /// Writes the features of every row into `cells`, which begins with the feature's first cell in row 0. Rows are
    /// `width` cells apart, and all zero.
    #[track_caller]
    pub(super) fn encode(&self, op: &'static str, from: &Column, width: usize, cells: &mut [f32]) -> Result<()> {
        match self {
            Self::Number { .. } => self.encode_numbers(op, from, width, cells)?,
            Self::Category(categories) => {
                for (row, slot) in categories.slots(op, from)?.into_iter().enumerate() {
                    // The first category is told by zeros if it is dropped.
                    let place = slot.and_then(|slot| slot.checked_sub(usize::from(categories.drop_first)));
                    let cell = place.and_then(|place| cells.get_mut(row * width + place));
                    cell.into_iter().for_each(|cell| *cell = 1.0);
                }
            }
            Self::Encoded { categories, codes } => {
                let slots = categories.slots(op, from)?;
                for i in 0..codes.width() {
                    let values = codes.encode(op, i, &slots)?;
                    fill_column(cells.get_mut(i..).unwrap_or_default(), width, values.into_iter());
                }
            }
            Self::Hashed { features, .. } => {
                for (row, value) in from.iter().enumerate().filter(|(_, value)| !value.is_missing()) {
                    let (place, sign) = hashed(&value.to_string(), *features);
                    cells.get_mut(row * width + place).into_iter().for_each(|cell| *cell = sign);
                }
            }
        }
        if self.indicator() {
            let marks = from.iter().map(|value| f32::from(u8::from(value.is_missing())));
            fill_column(cells.get_mut(self.own_width()..).unwrap_or_default(), width, marks);
        }
        Ok(())
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
        let Self::Number { column, scaler, fill, fill_low, bounds, .. } = self else {
            return Err(bug!(op, "`{}` is no column of numbers", self.column()));
        };
        self.check_kind(op, from)?;
        let absent;
        let numbers = match from.numbers() {
            Some(numbers) => numbers,
            // A column without a single value could be of any kind.
            None => {
                absent = vec![f64::NAN; from.len()];
                &absent
            }
        };
        check_finite(op, column, numbers)?;
        self.check_missing(op, numbers)?;
        let fill = Wide { high: fill.unwrap_or(f64::NAN), low: *fill_low };
        let value = |row: usize| if numbers[row].is_nan() { fill } else { from.wide(row) };
        let values: Vec<Wide> = (0..numbers.len()).map(|row| clipped(value(row), *bounds)).collect();
        let scaled = scaler.apply(&values)?;
        if let Some(row) = scaled.iter().position(|x| !x.is_finite()) {
            let (name, x) = (short(column), values[row].high);
            let message = format!("column `{name}` is {x:e} in row {row}, {}", scaler.trouble(x));
            return Err(Error::numeric(op, message));
        }
        fill_column(cells, width, scaled.into_iter());
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
            Self::Category(categories) => {
                let own = self.own_width();
                let dropped = usize::from(categories.drop_first);
                let category = |row: usize| {
                    let cells = row_of(row).get(..own)?;
                    let mut best = (0.0, None);
                    for (i, x) in cells.iter().enumerate().filter(|(_, x)| x.is_finite()) {
                        if *x > best.0 {
                            best = (*x, Some(i + dropped));
                        }
                    }
                    // What the others leave of 1 is the share of the category that was dropped.
                    if categories.drop_first && 1.0 - cells.iter().sum::<f64>() >= best.0 {
                        best.1 = Some(0);
                    }
                    // What was filled in stays, unless a feature marks it as missing.
                    let missing = categories.indicator && row_of(row).get(own).is_some_and(|mark| *mark > 0.5);
                    categories.category(best.1?).filter(|_| !missing)
                };
                categories.column_of(&(0..rows).map(category).collect::<Vec<_>>())
            }
            Self::Encoded { categories, codes } => {
                let category = |row: usize| categories.category(codes.slot_of(*row_of(row).first()?)?);
                categories.column_of(&(0..rows).map(category).collect::<Vec<_>>())
            }
            Self::Hashed { .. } => (0..rows).map(|_| None::<&str>).collect(),
        }
    }
}

/// The bounds beyond which numbers are outliers.
#[track_caller]
fn bounds(op: &'static str, name: &str, present: &[Wide], outliers: Outliers) -> Result<Option<(f64, f64)>> {
    let at = |sorted: &[Wide], q: f64| quantile(sorted, q).to_f64();
    let (low, high) = match outliers {
        Outliers::Keep => return Ok(None),
        Outliers::Iqr(factor) if factor >= 0.0 && factor.is_finite() => {
            let sorted = sorted(present.to_vec());
            let (low, high) = (at(&sorted, 0.25), at(&sorted, 0.75));
            (low - factor * (high - low), high + factor * (high - low))
        }
        Outliers::Quantiles { low, high } if 0.0 <= low && low < high && high <= 1.0 => {
            let sorted = sorted(present.to_vec());
            (at(&sorted, low), at(&sorted, high))
        }
        Outliers::Sigmas(factor) if factor > 0.0 && factor.is_finite() => {
            let moments = Moments::of(present);
            let (mean, reach) = (moments.mean().to_f64(), factor * moments.deviation(0.0));
            (mean - reach, mean + reach)
        }
        _ => {
            let message = format!("the bounds of outliers in column `{}` are {outliers:?}", short(name));
            let help = "a factor is positive, and quantiles lie between 0 and 1, the lower one first";
            return Err(Error::argument(op, message).with_help(help));
        }
    };
    // Beyond the range of f64 there are no outliers.
    Ok((low <= high).then_some((low, high)))
}

fn clipped(x: Wide, bounds: Option<(f64, f64)>) -> Wide {
    match bounds {
        Some((low, _)) if x.high < low => low.into(),
        Some((_, high)) if x.high > high => high.into(),
        _ => x,
    }
}

/// The number that most rows have; of several the smallest.
fn most_frequent(column: &Column) -> Option<Wide> {
    let (names, codes) = column.factorize();
    let mut counts = vec![(0usize, 0usize); names.len()];
    for (row, code) in codes.iter().enumerate() {
        if let Some(code) = code {
            counts[*code] = (counts[*code].0 + 1, row);
        }
    }
    let best = (0..counts.len()).rev().max_by_key(|code| counts[*code].0)?;
    Some(column.wide(counts[best].1))
}

/// Some names for a message.
pub(super) fn list(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", short(name))).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    shown.join(", ") + &more
}

#[track_caller]
pub(super) fn no_values(op: &'static str, column: &str) -> Error {
    let column = short(column);
    let e = Error::argument(op, format!("column `{column}` has no values in the training part"));
    e.with_help(format!("leave it out with ignore(&[\"{column}\"])"))
}

#[track_caller]
pub(super) fn not_numbers(op: &'static str, column: &str, from: &Column) -> Error {
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
