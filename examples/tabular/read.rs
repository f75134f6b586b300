//! From a file of which nothing is known to a table of numbers and texts.

use demotic::data::{Column, ColumnKind, ColumnOptions, CsvOptions, DatePart, Table};
use demotic::prelude::*;

/// Values of a column that are looked at to find out how it is written.
const LOOKED_AT: usize = 200_000;
/// So many different texts without a digit, and one in so many values, can be marks of missing numbers.
const MARKS: usize = 3;
const ONE_IN: usize = 5;

/// A table, how it was read, and what was found out about it.
pub struct Read {
    pub table: Table,
    pub options: CsvOptions,
    pub notes: Vec<String>,
}

/// Reads a table with a function that takes options: once as it is, and again with what its columns of texts turn out to be, but for those
/// that are said to be texts. Numbers with `units` are multiplied by what is said of these.
pub fn read(texts: &[String], units: &[(String, f64)], with: &dyn Fn(&CsvOptions) -> Result<Table>) -> Result<Read> {
    let mut options = CsvOptions::new()
        .detect_delimiter()
        .missing_in_any_case(true)
        .also_missing(["?", "-", "n/a", "unknown"])
        .text(texts);
    options = units.iter().fold(options, |options, (unit, factor)| options.unit(unit, *factor));
    let is_open = |name: &str| !texts.iter().any(|own| own == name);
    let table = with(&options)?;
    let mut found = Vec::new();
    for (name, column) in table.columns().filter(|(name, column)| column.kind() == ColumnKind::Text && is_open(name)) {
        if let Some((how, note)) = written(name, column)? {
            found.push((name.to_string(), how, note));
        }
    }
    // Where one column has decimal commas, `84.000` is no number with three decimals in another one.
    if found.iter().any(|(.., note)| note.starts_with(COMMAS)) {
        let names: Vec<&str> = table.column_names().collect();
        let texts = with(&options.clone().text(names))?;
        for (name, column) in texts.columns().filter(|(name, _)| is_open(name)) {
            if let Some(how) = in_thousands(column) {
                found.retain(|(known, ..)| known != name);
                found.push((name.to_string(), how, "numbers with points between thousands".into()));
            }
        }
    }
    let mut notes = Vec::new();
    for (name, how, note) in found {
        notes.push(format!("`{name}` holds {note}"));
        options = options.column(name, how);
    }
    let table = if notes.is_empty() { table } else { with(&options)? };
    Ok(Read { table, options, notes })
}

/// How a note on decimal commas begins.
const COMMAS: &str = "numbers with decimal commas";

/// The values of a column, and what stands among its numbers or dates for a missing one: `k. A.`, `not known`.
fn looked_at(column: &Column) -> (Vec<&str>, Vec<&str>) {
    let all: Vec<&str> = column.texts().into_iter().flatten().flatten().take(LOOKED_AT).collect();
    let has_digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    let mut marks: Vec<&str> = Vec::new();
    for text in all.iter().filter(|text| !has_digit(text)) {
        if !marks.contains(text) {
            marks.push(text);
        }
        if marks.len() > MARKS {
            return (all, Vec::new());
        }
    }
    let values: Vec<&str> = all.iter().copied().filter(|text| has_digit(text)).collect();
    if (all.len() - values.len()) * ONE_IN > all.len() { (all, Vec::new()) } else { (values, marks) }
}

/// How to read a column whose points all have three digits behind them, as those between thousands do.
fn in_thousands(column: &Column) -> Option<ColumnOptions> {
    let (texts, marks) = looked_at(column);
    let units = units(&texts);
    let mut grouped = false;
    for text in &texts {
        let digits = text.trim_matches(|c: char| !c.is_ascii_digit());
        let mut groups = digits.split('.');
        let first = groups.next().unwrap_or_default();
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let rest: Vec<&str> = groups.collect();
        if !is_number(first) || !rest.iter().all(|part| part.len() == 3 && is_number(part)) {
            return None;
        }
        grouped |= !rest.is_empty() && first.len() <= 3;
    }
    (grouped && units.len() <= 3)
        .then(|| ColumnOptions::new().strip(&units).also_missing(&marks).number().decimal_comma().thousands('.'))
}

/// What the texts of a column are, if they are numbers or dates in disguise.
fn written(name: &str, column: &Column) -> Result<Option<(ColumnOptions, String)>> {
    let (texts, marks) = looked_at(column);
    let sample = Table::from_columns([(name, texts.iter().map(|text| Some(*text)).collect::<Column>())])?;
    let mut file = Vec::new();
    CsvOptions::new().quoted_texts(true).write_to(&sample, &mut file)?;
    // Whether all of them can be read so.
    let fits =
        |options: &ColumnOptions| CsvOptions::new().column(name, options.clone()).read_from(file.as_slice()).is_ok();
    let units = units(&texts);
    let unit = if units.is_empty() { String::new() } else { format!(" with the unit {}", units.join(", ")) };
    let plain = || ColumnOptions::new().strip(&units).also_missing(&marks).number();
    let mut candidates = Vec::new();
    if units.len() <= 3 {
        candidates.push((plain(), format!("numbers{unit}")));
        candidates.push((plain().decimal_comma().thousands('.'), format!("{COMMAS}{unit}")));
        candidates.push((plain().thousands(','), format!("numbers with commas between thousands{unit}")));
    }
    for format in ["iso", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"] {
        let date = ColumnOptions::new()
            .date(format)
            .also_missing(&marks)
            .parts([DatePart::Year])
            .cycles([DatePart::Month, DatePart::Weekday]);
        candidates.push((date, format!("dates ({format})")));
    }
    let found = candidates.into_iter().find(|(options, _)| fits(options));
    Ok(found.map(|(options, note)| match marks.is_empty() {
        true => (options, note),
        false => (options, format!("{note}, where `{}` is taken for a missing one", marks.join("`, `"))),
    }))
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
