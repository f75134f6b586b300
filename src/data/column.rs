//! One column of a table: numbers, or texts.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

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
#[derive(Clone)]
pub struct Column(Values);

#[derive(Clone)]
enum Values {
    /// NaN stands for a missing number.
    Numbers(Vec<f64>),
    /// Positions in the list of different texts, which parts of a table share; [`MISSING`] for a missing text.
    Texts { codes: Vec<usize>, texts: Arc<Vec<String>> },
}

const MISSING: usize = usize::MAX;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Missing,
    /// A number, never NaN.
    Number(f64),
    /// A text.
    Text(&'a str),
}

/// The value as it would stand in a CSV file: nothing if it is missing, the shortest digits that give the number back.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => Ok(()),
            // Without an exponent, the extreme numbers would take hundreds of digits.
            Self::Number(x) if *x != 0.0 && !(1e-5..1e16).contains(&x.abs()) && x.is_finite() => write!(f, "{x:e}"),
            Self::Number(x) => write!(f, "{x}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Column {
    /// What the column holds.
    #[must_use]
    pub fn kind(&self) -> ColumnKind {
        match self.0 {
            Values::Numbers(_) => ColumnKind::Number,
            Values::Texts { .. } => ColumnKind::Text,
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Values::Numbers(numbers) => numbers.len(),
            Values::Texts { codes, .. } => codes.len(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers, NaN where one is missing; `None` for a column of texts.
    #[must_use]
    pub fn numbers(&self) -> Option<&[f64]> {
        match &self.0 {
            Values::Numbers(numbers) => Some(numbers),
            Values::Texts { .. } => None,
        }
    }

    /// The texts, `None` where one is missing; `None` for a column of numbers.
    #[must_use]
    pub fn texts(&self) -> Option<impl ExactSizeIterator<Item = Option<&str>>> {
        match &self.0 {
            Values::Numbers(_) => None,
            Values::Texts { codes, texts } => Some(codes.iter().map(|code| texts.get(*code).map(String::as_str))),
        }
    }

    /// The value in a row, `None` beyond the last one.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<Value<'_>> {
        match &self.0 {
            Values::Numbers(numbers) => Some(match *numbers.get(row)? {
                x if x.is_nan() => Value::Missing,
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
        Self(match &self.0 {
            Values::Numbers(numbers) => Values::Numbers(rows.iter().map(|row| numbers[*row]).collect()),
            Values::Texts { codes, texts } => {
                Values::Texts { codes: rows.iter().map(|row| codes[*row]).collect(), texts: texts.clone() }
            }
        })
    }

    /// The different values in order (numbers by size, texts by their characters), and the position of each row's value
    /// among them, `None` where it is missing.
    pub(super) fn factorize(&self) -> (Vec<String>, Vec<Option<usize>>) {
        match &self.0 {
            Values::Numbers(numbers) => {
                // Adding zero turns -0 into 0, which is the same number and must be the same class.
                let mut known: Vec<f64> = numbers.iter().filter(|x| !x.is_nan()).map(|x| x + 0.0).collect();
                known.sort_by(f64::total_cmp);
                known.dedup();
                let position = |x: &f64| known.binary_search_by(|known| known.total_cmp(&(x + 0.0))).ok();
                let codes = numbers.iter().map(position).collect();
                (known.iter().map(|x| Value::Number(*x).to_string()).collect(), codes)
            }
            Values::Texts { codes, texts } => {
                // Only the texts that occur: a part of a table shares the list of the whole.
                let mut used = vec![false; texts.len()];
                codes.iter().filter(|code| **code != MISSING).for_each(|code| used[*code] = true);
                let mut order: Vec<usize> = (0..texts.len()).filter(|code| used[*code]).collect();
                order.sort_by(|a, b| texts[*a].cmp(&texts[*b]));
                let mut position = vec![0; texts.len()];
                order.iter().enumerate().for_each(|(i, code)| position[*code] = i);
                let names = order.iter().map(|code| texts[*code].clone()).collect();
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

/// Collects texts, each different one only once.
#[derive(Default)]
pub(super) struct TextBuilder {
    codes: Vec<usize>,
    texts: Vec<String>,
    known: HashMap<String, usize>,
}

impl TextBuilder {
    pub(super) fn push(&mut self, text: Option<&str>) {
        let code = match text {
            None => MISSING,
            Some(text) => self.known.get(text).copied().unwrap_or_else(|| {
                let code = self.texts.len();
                self.texts.push(text.to_string());
                self.known.insert(text.to_string(), code);
                code
            }),
        };
        self.codes.push(code);
    }

    pub(super) fn finish(self) -> Column {
        Column(Values::Texts { codes: self.codes, texts: Arc::new(self.texts) })
    }
}

/// Numbers; NaN means that one is missing.
impl From<Vec<f64>> for Column {
    fn from(numbers: Vec<f64>) -> Self {
        Self(Values::Numbers(numbers))
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

impl<'a> FromIterator<Option<&'a str>> for Column {
    fn from_iter<I: IntoIterator<Item = Option<&'a str>>>(texts: I) -> Self {
        let mut builder = TextBuilder::default();
        texts.into_iter().for_each(|text| builder.push(text));
        builder.finish()
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
        texts.iter().map(|text| Some(text.as_str())).collect()
    }
}

impl<const N: usize> From<[&str; N]> for Column {
    fn from(texts: [&str; N]) -> Self {
        Vec::from(texts).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let numbers = Column::from(vec![Some(1.0), None, Some(-0.5)]);
        assert_eq!(numbers.kind(), ColumnKind::Number);
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [Value::Number(1.0), Value::Missing, Value::Number(-0.5)]);
        assert_eq!(numbers.get(3), None);
        assert!(numbers.texts().is_none());

        let texts = Column::from(vec![Some("b"), None, Some("a"), Some("b")]);
        assert_eq!(texts.texts().unwrap().collect::<Vec<_>>(), [Some("b"), None, Some("a"), Some("b")]);
        assert_eq!((texts.len(), texts.num_missing()), (4, 1));
        assert!(texts.numbers().is_none());
    }

    #[test]
    fn equality_is_about_values() {
        let texts = Column::from(["a", "b", "a"]);
        assert_eq!(texts.rows(&[1]), Column::from(["b"]));
        assert_eq!(Column::from([f64::NAN]), Column::from([f64::NAN]));
        assert_ne!(Column::from([f64::NAN]), Column::from(vec![None::<&str>]));
        assert_ne!(Column::from([1.0]), Column::from([2.0]));
    }

    #[test]
    fn factors_are_in_order_and_only_those_that_occur() {
        let texts = Column::from(vec![Some("c"), Some("a"), None, Some("b"), Some("a")]);
        let expected = (vec!["a".into(), "b".into(), "c".into()], vec![Some(2), Some(0), None, Some(1), Some(0)]);
        assert_eq!(texts.factorize(), expected);
        assert_eq!(texts.rows(&[3, 0]).factorize(), (vec!["b".into(), "c".into()], vec![Some(0), Some(1)]));

        let numbers = Column::from(vec![10.0, 9.0, f64::NAN, -0.0, 0.0, 1e300]);
        let names = ["0", "9", "10", "1e300"].map(String::from).to_vec();
        assert_eq!(numbers.factorize(), (names, vec![Some(2), Some(1), None, Some(0), Some(0), Some(3)]));
    }

    #[test]
    fn numbers_are_written_so_that_they_can_be_read_again() {
        for x in [0.0, 0.1, -1.5, 1e16, 1e300, 5e-324, f64::MAX, f64::INFINITY, 123456789.123, 1e-5, 1e15] {
            let text = Value::Number(x).to_string();
            assert_eq!(text.parse::<f64>().unwrap(), x, "{text}");
            assert!(text.len() < 25, "{text}");
        }
    }
}
