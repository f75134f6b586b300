//! One row with the texts of a file.

use super::column::Kind;
use super::options::CsvOptions;
use super::read::Source;
use crate::data::column::{Column, Value};
use crate::data::dates::{is_part_of, parts_of};
use crate::data::table::Table;
use crate::error::Result;

impl CsvOptions {
    /// A table of one row whose values are as they stand in a file with these options: texts become numbers, dates and missing values
    /// as they would there. Numbers stay what they are. `is_text` says which columns are texts even if they look like something else.
    #[track_caller]
    pub(crate) fn row(
        &self,
        op: &'static str,
        values: &[(&str, Value<'_>)],
        is_text: &dyn Fn(&str) -> bool,
    ) -> Result<Table> {
        let source = Source { op, path: None };
        let mut columns = Vec::with_capacity(values.len());
        for (name, value) in values {
            let mut rules = self.rules_of(name);
            source.check_rules(&rules)?;
            if rules.kind == Kind::Any && is_text(name) {
                rules.kind = Kind::Text;
            }
            let column = match value {
                Value::Text(text) => source.single(name, &rules, text)?,
                Value::Number(_) | Value::Integer(_) if rules.kind == Kind::Text => {
                    [Some(value.to_string())].into_iter().collect()
                }
                Value::Number(x) => Column::from([*x]),
                Value::Integer(x) => [Some(*x)].into_iter().collect(),
                Value::Missing => Column::from([f64::NAN]),
            };
            match rules.is_split() {
                true => columns.extend(parts_of(op, name, &column, &rules.parts, &rules.cycles)?),
                false => columns.push((name.to_string(), column)),
            }
        }
        Table::named(op, columns)
    }

    /// The column of a file of whose dates this one is a part.
    pub(crate) fn source_of(&self, column: &str) -> Option<&str> {
        self.named().find(|name| is_part_of(column, name) && self.rules_of(name).is_split())
    }
}
