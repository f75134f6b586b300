//! Other names, other kinds, new columns.

use std::collections::HashMap;

use crate::data::column::{Column, ColumnKind, Value};
use crate::data::number::{NumberStyle, Parsed};
use crate::data::table::Table;
use crate::error::{Error, Result, short};

impl Table {
    /// The table with other names for some columns: `&[("old", "new")]`.
    ///
    /// ```
    /// use demotic::data::{Column, Table};
    ///
    /// let table = Table::from_columns([("m2", Column::from([90.0])), ("eur", Column::from([250.0]))])?;
    /// let table = table.rename(&[("m2", "area"), ("eur", "price")])?;
    /// assert_eq!(table.column_names().collect::<Vec<_>>(), ["area", "price"]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such column, one is renamed twice, or two columns would have one name.
    #[track_caller]
    pub fn rename(&self, names: &[(&str, &str)]) -> Result<Self> {
        let mut new: HashMap<&str, &str> = HashMap::with_capacity(names.len());
        for (from, to) in names {
            self.find("rename", from)?;
            if new.insert(from, to).is_some() {
                return Err(Error::argument("rename", format!("column `{}` is named twice", short(from))));
            }
        }
        let name = |own: &str| new.get(own).copied().unwrap_or(own).to_string();
        Self::named("rename", self.columns().map(|(own, column)| (name(own), column.clone())).collect())
    }

    /// The table with a column of another kind: numbers written out as texts, texts read as numbers. Missing values stay so.
    ///
    /// ```
    /// use demotic::data::{Column, ColumnKind, Table};
    ///
    /// let table = Table::from_columns([("district", Column::from([1.0, 10.0])), ("area", Column::from(["90.5", "120"]))])?;
    /// let table = table.cast("district", ColumnKind::Text)?.cast("area", ColumnKind::Number)?;
    /// assert_eq!(table.column("district")?.texts().unwrap().next(), Some(Some("1")));
    /// assert_eq!(table.column("area")?.numbers(), Some(&[90.5, 120.0][..]));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such column, or a text is no number.
    #[track_caller]
    #[doc(alias = "astype")]
    pub fn cast(&self, column: &str, kind: ColumnKind) -> Result<Self> {
        let from = self.find("cast", column)?;
        let new = match kind {
            ColumnKind::Text => from.iter().map(|value| (!value.is_missing()).then(|| value.to_string())).collect(),
            ColumnKind::Number if from.kind() == ColumnKind::Number => from.clone(),
            ColumnKind::Number => {
                let (style, mut parsed) = (NumberStyle::default(), Vec::with_capacity(from.len()));
                for (row, value) in from.iter().enumerate() {
                    let text = value.text();
                    let number = text.and_then(|text| style.parse(text));
                    if let (Some(text), None) = (text, number) {
                        let message = format!(
                            "column `{}` has `{}` in row {row}, which is no number",
                            short(column),
                            short(text)
                        );
                        let help = "table.map(column, |value| ..) makes numbers of other texts; CsvOptions reads units and decimal \
                                    commas";
                        return Err(Error::format("cast", message).with_help(help));
                    }
                    parsed.push(number);
                }
                let whole = |parsed: &Parsed| parsed.whole.is_some();
                match parsed.iter().flatten().all(whole) {
                    true => parsed.iter().map(|parsed| parsed.and_then(|parsed| parsed.whole)).collect(),
                    false => parsed.iter().map(|parsed| parsed.map(|parsed| parsed.value)).collect(),
                }
            }
        };
        self.replaced("cast", column, vec![(column.to_string(), new)])
    }

    /// The table with one more column, made of the values of others; or with another one in place of the column of that name. What the
    /// function may return is said at [`map`](Self::map).
    ///
    /// ```
    /// use demotic::data::{Column, Table};
    ///
    /// let table = Table::from_columns([
    ///     ("area", Column::from([100.0, 120.0, f64::NAN])),
    ///     ("price", Column::from([200.0, 300.0, 250.0])),
    /// ])?;
    /// let table = table.derive("price_per_m2", &["price", "area"], |values| {
    ///     Some(values[0].number()? / values[1].number()?)
    /// })?;
    /// assert_eq!(table.column("price_per_m2")?.numbers().unwrap()[..2], [2.0, 2.5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a column does not exist.
    #[track_caller]
    #[doc(alias = "assign")]
    #[doc(alias = "mutate")]
    pub fn derive<N: AsRef<str>, T>(
        &self,
        name: &str,
        columns: &[N],
        mut f: impl FnMut(&[Value<'_>]) -> T,
    ) -> Result<Self>
    where
        Column: FromIterator<T>,
    {
        let mut from = Vec::with_capacity(columns.len());
        for column in columns {
            from.push(self.find("derive", column.as_ref())?);
        }
        let mut values = Vec::with_capacity(from.len());
        let new: Column = (0..self.num_rows())
            .map(|row| {
                values_of(&from, row, &mut values);
                f(&values)
            })
            .collect();
        self.clone().with_column(name, new)
    }
}

/// The values of some columns in one row.
pub(super) fn values_of<'t>(columns: &[&'t Column], row: usize, values: &mut Vec<Value<'t>>) {
    values.clear();
    values.extend(columns.iter().map(|column| column.get(row).unwrap_or(Value::Missing)));
}
