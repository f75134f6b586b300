//! One column of a table: numbers, or texts.

mod written;

use std::fmt;
use std::sync::Arc;

use super::texts::{MISSING, TextBuilder, Texts};
use super::wide::Wide;
pub(super) use written::{Dates, Written};

/// The values of one column of a [`Table`](crate::data::Table): numbers or texts, either of which may be missing.
///
/// ```
/// use demotic::data::Column;
///
/// let area = Column::from(vec![100.0, 120.0, f64::NAN]);
/// let kind = Column::from(["small", "medium", "small"]);
/// assert_eq!(area.num_missing(), 1);
/// assert_eq!(kind.texts().unwrap().next(), Some(Some("small")));
/// ```
///
/// Numbers are `f64`, which hold every whole number up to 2⁵³. Columns of whole numbers of which some are larger, such as
/// ids and times in nanoseconds, keep all digits too, up to the size of `i128`:
///
/// ```
/// use demotic::data::Column;
///
/// let ids = Column::from(vec![9_007_199_254_740_993_i64, 9_007_199_254_740_992]);
/// assert_eq!(ids.integers().unwrap().next(), Some(Some(9_007_199_254_740_993)));
/// assert_eq!(ids.get(0).unwrap().to_string(), "9007199254740993");
/// ```
#[derive(Clone)]
pub struct Column {
    values: Values,
    /// How it was written where it was read from, if there is something to tell of it.
    written: Option<Arc<Written>>,
}

#[derive(Clone)]
enum Values {
    /// NaN stands for a missing number.
    Numbers(Vec<f64>),
    /// Whole numbers of which an `f64` would round some.
    Integers(Box<Integers>),
    /// Positions in the list of different texts, which parts of a table share; [`MISSING`] for a missing text.
    Texts { codes: Vec<usize>, texts: Arc<Texts> },
}

#[derive(Clone, Default)]
struct Integers {
    exact: Vec<i128>,
    /// The same as `f64`, NaN for a missing one.
    rounded: Vec<f64>,
}

impl Integers {
    fn get(&self, row: usize) -> Option<i128> {
        self.rounded[row].is_finite().then(|| self.exact[row])
    }
}

/// The whole number that an `f64` is, if it is one.
pub(super) fn whole(x: f64) -> Option<i128> {
    (x.fract() == 0.0 && x.abs() < 1e38).then_some(x as i128)
}

/// Whether an `f64` of this size could be the rounded form of another whole number.
pub(super) fn may_be_rounded(x: f64) -> bool {
    x.abs() >= (1u64 << f64::MANTISSA_DIGITS) as f64
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnKind {
    /// Numbers, as `f64`.
    Number,
    /// Texts, usually the names of categories.
    Text,
}

impl ColumnKind {
    /// `number` or `text`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value of a column.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Value<'a> {
    /// No value.
    Missing,
    /// A number, never NaN.
    Number(f64),
    /// A whole number with all its digits: in a column one from 2⁵³ on, and any that an `i64` was made a value of.
    Integer(i128),
    /// A text.
    Text(&'a str),
}

impl<'a> Value<'a> {
    /// The number, rounded to an `f64` if it has more digits; `None` for a text and a missing value.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match *self {
            Self::Number(x) => Some(x),
            Self::Integer(x) => Some(x as f64),
            Self::Missing | Self::Text(_) => None,
        }
    }

    /// The text; `None` for a number and a missing value.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        match *self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// By value: a number and an integer are equal if they are the same number.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Missing, Self::Missing) => true,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Number(x), Self::Integer(i)) | (Self::Integer(i), Self::Number(x)) => whole(x) == Some(i),
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => false,
        }
    }
}

/// The value as it would stand in a CSV file: nothing if it is missing, the shortest digits that give the number back.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => Ok(()),
            // Without an exponent, the extreme numbers would take hundreds of digits.
            Self::Number(x) if *x != 0.0 && !(1e-5..1e16).contains(&x.abs()) && x.is_finite() => write!(f, "{x:e}"),
            Self::Number(x) => write!(f, "{x}"),
            Self::Integer(x) => write!(f, "{x}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Column {
    /// What the column holds.
    #[must_use]
    pub fn kind(&self) -> ColumnKind {
        match self.values {
            Values::Numbers(_) | Values::Integers(_) => ColumnKind::Number,
            Values::Texts { .. } => ColumnKind::Text,
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Numbers(numbers) => numbers.len(),
            Values::Integers(integers) => integers.rounded.len(),
            Values::Texts { codes, .. } => codes.len(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers, NaN where one is missing; `None` for a column of texts. Whole numbers beyond 2⁵³ are rounded, see
    /// [`integers`](Self::integers).
    #[must_use]
    pub fn numbers(&self) -> Option<&[f64]> {
        match &self.values {
            Values::Numbers(numbers) => Some(numbers),
            Values::Integers(integers) => Some(&integers.rounded),
            Values::Texts { .. } => None,
        }
    }

    /// The numbers with all their digits, `None` where one is missing; `None` for a column of texts, and of numbers that
    /// are not all whole.
    #[must_use]
    pub fn integers(&self) -> Option<impl ExactSizeIterator<Item = Option<i128>>> {
        let numbers = self.numbers()?;
        let exact = match &self.values {
            Values::Integers(integers) => Some(integers),
            _ if numbers.iter().all(|x| x.is_nan() || whole(*x).is_some()) => None,
            _ => return None,
        };
        let value = move |row| exact.map_or_else(|| whole(numbers[row]), |integers| integers.get(row));
        Some((0..numbers.len()).map(value))
    }

    /// The numbers that are present, exactly; `None` for a column of texts.
    pub(super) fn present(&self) -> Option<Vec<Wide>> {
        match &self.values {
            Values::Numbers(numbers) => Some(numbers.iter().filter(|x| !x.is_nan()).map(|x| (*x).into()).collect()),
            Values::Integers(integers) => {
                Some((0..self.len()).filter_map(|row| integers.get(row)).map(Wide::from).collect())
            }
            Values::Texts { .. } => None,
        }
    }

    /// Whether all numbers are whole ones that are held without rounding.
    pub(super) fn is_exact(&self) -> bool {
        match &self.values {
            Values::Integers(_) => true,
            Values::Numbers(numbers) => {
                numbers.iter().all(|x| x.is_nan() || (whole(*x).is_some() && !may_be_rounded(*x)))
            }
            Values::Texts { .. } => false,
        }
    }

    /// The number in a row that exists, exactly; NaN if it is missing or a text.
    pub(super) fn wide(&self, row: usize) -> Wide {
        match &self.values {
            Values::Numbers(numbers) => numbers[row].into(),
            Values::Integers(integers) => integers.get(row).map_or(f64::NAN.into(), Wide::from),
            Values::Texts { .. } => f64::NAN.into(),
        }
    }

    /// The texts, `None` where one is missing; `None` for a column of numbers.
    #[must_use]
    pub fn texts(&self) -> Option<impl ExactSizeIterator<Item = Option<&str>>> {
        match &self.values {
            Values::Numbers(_) | Values::Integers(_) => None,
            Values::Texts { codes, texts } => Some(codes.iter().map(|code| texts.get(*code))),
        }
    }

    /// The value in a row, `None` beyond the last one.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<Value<'_>> {
        match &self.values {
            Values::Numbers(numbers) => Some(match *numbers.get(row)? {
                x if x.is_nan() => Value::Missing,
                x => Value::Number(x),
            }),
            Values::Integers(integers) => Some(match *integers.rounded.get(row)? {
                x if x.is_nan() => Value::Missing,
                x if may_be_rounded(x) => Value::Integer(integers.exact[row]),
                x => Value::Number(x),
            }),
            Values::Texts { codes, texts } => Some(match texts.get(*codes.get(row)?) {
                Some(text) => Value::Text(text),
                None => Value::Missing,
            }),
        }
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'_>> {
        (0..self.len()).filter_map(|row| self.get(row))
    }

    /// How many values are missing.
    #[must_use]
    pub fn num_missing(&self) -> usize {
        self.iter().filter(|value| *value == Value::Missing).count()
    }

    /// The values of the given rows, which must exist.
    pub(super) fn rows(&self, rows: &[usize]) -> Self {
        let values = match &self.values {
            Values::Numbers(numbers) => Values::Numbers(rows.iter().map(|row| numbers[*row]).collect()),
            Values::Integers(integers) => Values::Integers(Box::new(Integers {
                exact: rows.iter().map(|row| integers.exact[*row]).collect(),
                rounded: rows.iter().map(|row| integers.rounded[*row]).collect(),
            })),
            Values::Texts { codes, texts } => {
                Values::Texts { codes: rows.iter().map(|row| codes[*row]).collect(), texts: texts.clone() }
            }
        };
        let written = self.written.as_ref().map(|written| written.of_rows(rows.iter().copied().map(Some)));
        Self { values, written }
    }

    /// The values of the given rows, which must exist; a missing one where there is no row.
    pub(super) fn picked(&self, rows: &[Option<usize>]) -> Self {
        let mut picked: Self = match &self.values {
            Values::Numbers(numbers) => rows.iter().map(|row| row.map_or(f64::NAN, |row| numbers[row])).collect(),
            Values::Integers(integers) => rows.iter().map(|row| row.and_then(|row| integers.get(row))).collect(),
            Values::Texts { codes, texts } => {
                let codes = rows.iter().map(|row| row.map_or(MISSING, |row| codes[row])).collect();
                Values::Texts { codes, texts: texts.clone() }.into()
            }
        };
        picked.written = self.written.as_ref().map(|written| written.of_rows(rows.iter().copied()));
        picked
    }

    /// The values of several columns, one after the other; `None` if some are numbers and some texts. A column without a single
    /// value is of any kind.
    pub(super) fn joined(columns: &[&Self]) -> Option<Self> {
        let joined = Self::joined_values(columns)?;
        let dates = !joined.is_empty() && columns.iter().all(|column| column.is_empty() || column.has_dates());
        Some(if dates { joined.with_written(Written::dates()) } else { joined })
    }

    fn joined_values(columns: &[&Self]) -> Option<Self> {
        let kind = |column: &&&Self| column.num_missing() < column.len();
        let first = columns.iter().find(kind).or(columns.first())?;
        if columns.iter().filter(kind).any(|column| column.kind() != first.kind()) {
            return None;
        }
        let values = || columns.iter().flat_map(|column| column.iter());
        if first.kind() == ColumnKind::Text {
            return Some(values().map(|value| value.text()).collect());
        }
        let exact = columns.iter().any(|column| matches!(column.values, Values::Integers(_)));
        let all_whole = || columns.iter().all(|column| column.integers().is_some() || !kind(&column));
        match exact && all_whole() {
            true => {
                let integer = |value: Value<'_>| match value {
                    Value::Integer(x) => Some(x),
                    Value::Number(x) => whole(x),
                    _ => None,
                };
                Some(values().map(integer).collect())
            }
            false => Some(values().map(|value| value.number()).collect()),
        }
    }

    /// The different values in order (numbers by size, texts by their characters), and the position of each row's value
    /// among them, `None` where it is missing.
    pub(crate) fn factorize(&self) -> (Vec<String>, Vec<Option<usize>>) {
        match &self.values {
            Values::Numbers(numbers) => {
                // Adding zero turns -0 into 0, which is the same number and must be the same class.
                let mut known: Vec<f64> = numbers.iter().filter(|x| !x.is_nan()).map(|x| x + 0.0).collect();
                crate::order::sort_by_key(&mut known, |x| crate::order::key(*x));
                known.dedup();
                let position = |x: &f64| known.binary_search_by(|known| known.total_cmp(&(x + 0.0))).ok();
                let codes = numbers.iter().map(position).collect();
                (known.iter().map(|x| Value::Number(*x).to_string()).collect(), codes)
            }
            Values::Integers(integers) => {
                let all: Vec<Option<i128>> = (0..self.len()).map(|row| integers.get(row)).collect();
                let mut known: Vec<i128> = all.iter().flatten().copied().collect();
                crate::order::sort_by(&mut known, Ord::cmp);
                known.dedup();
                let codes = all.iter().map(|x| known.binary_search(x.as_ref()?).ok()).collect();
                (known.iter().map(i128::to_string).collect(), codes)
            }
            Values::Texts { codes, texts } => {
                // Only the texts that occur: a part of a table shares the list of the whole.
                let mut used = vec![false; texts.len()];
                codes.iter().filter(|code| **code != MISSING).for_each(|code| used[*code] = true);
                let mut order: Vec<usize> = (0..texts.len()).filter(|code| used[*code]).collect();
                crate::order::sort_by(&mut order, |a, b| texts.get(*a).cmp(&texts.get(*b)));
                let mut position = vec![0; texts.len()];
                order.iter().enumerate().for_each(|(i, code)| position[*code] = i);
                let names = order.iter().filter_map(|code| texts.get(*code)).map(String::from).collect();
                (names, codes.iter().map(|code| position.get(*code).copied()).collect())
            }
        }
    }
}

/// The same kind, and equal values in every row; missing equals missing.
impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Column({} × {})", self.len(), self.kind())
    }
}

impl From<Values> for Column {
    fn from(values: Values) -> Self {
        Self { values, written: None }
    }
}

impl From<TextBuilder> for Column {
    fn from(builder: TextBuilder) -> Self {
        let (codes, texts) = builder.finish();
        Values::Texts { codes, texts: Arc::new(texts) }.into()
    }
}

/// Numbers; NaN means that one is missing.
impl From<Vec<f64>> for Column {
    fn from(numbers: Vec<f64>) -> Self {
        Values::Numbers(numbers).into()
    }
}

impl From<Vec<Option<f64>>> for Column {
    fn from(numbers: Vec<Option<f64>>) -> Self {
        numbers.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect::<Vec<_>>().into()
    }
}

impl<const N: usize> From<[f64; N]> for Column {
    fn from(numbers: [f64; N]) -> Self {
        Vec::from(numbers).into()
    }
}

/// Collects whole numbers with all their digits.
#[derive(Default)]
pub(super) struct IntegerBuilder(Integers);

impl IntegerBuilder {
    pub(super) fn push(&mut self, x: Option<i128>) {
        self.0.exact.push(x.unwrap_or_default());
        self.0.rounded.push(x.map_or(f64::NAN, |x| x as f64));
    }
}

impl From<IntegerBuilder> for Column {
    fn from(IntegerBuilder(integers): IntegerBuilder) -> Self {
        match integers.rounded.iter().any(|x| may_be_rounded(*x)) {
            true => Values::Integers(Box::new(integers)).into(),
            false => integers.rounded.into(),
        }
    }
}

/// Whole numbers, with all their digits.
impl FromIterator<Option<i128>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<i128>>>(numbers: I) -> Self {
        let mut builder = IntegerBuilder::default();
        numbers.into_iter().for_each(|x| builder.push(x));
        builder.into()
    }
}

impl FromIterator<f64> for Column {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        numbers.into_iter().collect::<Vec<_>>().into()
    }
}

impl FromIterator<Option<f64>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<f64>>>(numbers: I) -> Self {
        numbers.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect()
    }
}

impl FromIterator<i64> for Column {
    fn from_iter<I: IntoIterator<Item = i64>>(numbers: I) -> Self {
        numbers.into_iter().map(Some).collect()
    }
}

impl FromIterator<Option<i64>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<i64>>>(numbers: I) -> Self {
        numbers.into_iter().map(|x| x.map(i128::from)).collect()
    }
}

impl<'a> FromIterator<Option<&'a str>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<&'a str>>>(texts: I) -> Self {
        let mut builder = TextBuilder::default();
        texts.into_iter().for_each(|text| builder.push(text));
        builder.into()
    }
}

impl FromIterator<String> for Column {
    fn from_iter<I: IntoIterator<Item = String>>(texts: I) -> Self {
        texts.into_iter().map(Some).collect()
    }
}

impl FromIterator<Option<String>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<String>>>(texts: I) -> Self {
        let mut builder = TextBuilder::default();
        texts.into_iter().for_each(|text| builder.push(text.as_deref()));
        builder.into()
    }
}

impl From<Vec<i64>> for Column {
    fn from(numbers: Vec<i64>) -> Self {
        numbers.into_iter().collect()
    }
}

impl From<Vec<Option<i64>>> for Column {
    fn from(numbers: Vec<Option<i64>>) -> Self {
        numbers.into_iter().collect()
    }
}

impl From<Vec<&str>> for Column {
    fn from(texts: Vec<&str>) -> Self {
        texts.into_iter().map(Some).collect()
    }
}

impl From<Vec<Option<&str>>> for Column {
    fn from(texts: Vec<Option<&str>>) -> Self {
        texts.into_iter().collect()
    }
}

impl From<Vec<String>> for Column {
    fn from(texts: Vec<String>) -> Self {
        texts.into_iter().collect()
    }
}

impl<const N: usize> From<[&str; N]> for Column {
    fn from(texts: [&str; N]) -> Self {
        Vec::from(texts).into()
    }
}

#[cfg(test)]
mod tests;
