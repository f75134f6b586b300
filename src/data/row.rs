//! A table of one row, and the values that it is made from.

use super::column::{Column, Value};
use super::table::Table;
use crate::error::Result;

impl From<f64> for Value<'_> {
    /// NaN is a missing number.
    fn from(x: f64) -> Self {
        if x.is_nan() { Self::Missing } else { Self::Number(x) }
    }
}

impl From<i32> for Value<'_> {
    fn from(x: i32) -> Self {
        Self::Number(x.into())
    }
}

/// With all digits.
impl From<i64> for Value<'_> {
    fn from(x: i64) -> Self {
        Self::Integer(x.into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a, V: Into<Value<'a>>> From<Option<V>> for Value<'a> {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

impl Table {
    /// A table of a single row: the names of its columns with their values.
    ///
    /// ```
    /// use demotic::data::Table;
    ///
    /// let house = Table::from_row(&[("area", 120.0.into()), ("district", "north".into()), ("garden", None::<f64>.into())])?;
    /// assert_eq!(house.shape(), (1, 3));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a name is given twice.
    #[track_caller]
    pub fn from_row(values: &[(&str, Value<'_>)]) -> Result<Self> {
        let column = |value: &Value<'_>| match value {
            Value::Missing => Column::from([f64::NAN]),
            Value::Number(x) => Column::from([*x]),
            Value::Integer(x) => [Some(*x)].into_iter().collect(),
            Value::Text(text) => Column::from([*text]),
        };
        Self::from_columns(values.iter().map(|(name, value)| (*name, column(value))))
    }
}
