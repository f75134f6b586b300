//! From a file of which nothing is known to a table of numbers and texts.

use demotic::data::{Column, ColumnKind, ColumnOptions, CsvOptions, DatePart, Table};
use demotic::prelude::*;

/// Values of a column that are looked at to find out how it is written.
const LOOKED_AT: usize = 1000;

/// A table, how it was read, and what was found out about it.
pub struct Read {
    pub table: Table,
    pub options: CsvOptions,
    pub notes: Vec<String>,
}

/// Reads a table with a function that takes options: once as it is, and again with what its columns of texts turn out to be.
pub fn read(with: &dyn Fn(&CsvOptions) -> Result<Table>) -> Result<Read> {
    let mut options =
        CsvOptions::new().detect_delimiter().missing_in_any_case(true).also_missing(["?", "-", "n/a", "unknown"]);
    let table = with(&options)?;
    let mut notes = Vec::new();
    for (name, column) in table.columns().filter(|(_, column)| column.kind() == ColumnKind::Text) {
        if let Some((found, note)) = written(name, column)? {
            options = options.column(name, found);
            notes.push(format!("`{name}` holds {note}"));
        }
    }
    let table = if notes.is_empty() { table } else { with(&options)? };
    Ok(Read { table, options, notes })
}

/// What the texts of a column are, if they are numbers or dates in disguise.
fn written(name: &str, column: &Column) -> Result<Option<(ColumnOptions, String)>> {
    let texts: Vec<&str> = column.texts().into_iter().flatten().flatten().take(LOOKED_AT).collect();
    let sample = Table::from_columns([(name, texts.iter().map(|text| Some(*text)).collect::<Column>())])?;
    let mut file = Vec::new();
    CsvOptions::new().quoted_texts(true).write_to(&sample, &mut file)?;
    // Whether all of them can be read so.
    let fits =
        |options: &ColumnOptions| CsvOptions::new().column(name, options.clone()).read_from(file.as_slice()).is_ok();
    let units = units(&texts);
    let unit = if units.is_empty() { String::new() } else { format!(" with the unit {}", units.join(", ")) };
    let plain = || ColumnOptions::new().strip(&units).number();
    let mut candidates = Vec::new();
    if units.len() <= 3 {
        candidates.push((plain(), format!("numbers{unit}")));
        candidates.push((plain().decimal_comma().thousands('.'), format!("numbers with decimal commas{unit}")));
        candidates.push((plain().thousands(','), format!("numbers with commas between thousands{unit}")));
    }
    for format in ["iso", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"] {
        let date =
            ColumnOptions::new().date(format).parts([DatePart::Year]).cycles([DatePart::Month, DatePart::Weekday]);
        candidates.push((date, format!("dates ({format})")));
    }
    Ok(candidates.into_iter().find(|(options, _)| fits(options)))
}

/// What stands before or behind the digits.
fn units(texts: &[&str]) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    for text in texts {
        let outside = text.trim_matches(|c: char| !(c.is_ascii_digit() || c == '-' || c == '+'));
        let (before, after) = text.split_once(outside).unwrap_or(("", ""));
        for unit in [before.trim(), after.trim()] {
            if !unit.is_empty() && !outside.is_empty() && !units.iter().any(|known| known == unit) {
                units.push(unit.to_string());
            }
        }
    }
    units
}
