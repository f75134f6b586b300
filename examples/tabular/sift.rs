//! What no model can learn from is left out, with a line that says so.

use demotic::data::{Table, Value};
use demotic::prelude::*;

/// The fewest rows of a class: some to learn from, one to stop by, one to test on.
const FEWEST: usize = 4;

/// The rows with an answer; of classes, those of which there are enough.
pub fn rows(table: &Table, target: &str, classes: bool, warnings: &mut Vec<String>) -> Result<Table> {
    let answered = table.drop_missing(&[target])?;
    if answered.num_rows() == 0 {
        let message = format!("column `{target}` has no value in any row: there is nothing to learn");
        return Err(Error::argument("tabular", message).with_help("--target COLUMN chooses another one"));
    }
    match table.num_rows() - answered.num_rows() {
        0 => {}
        n => warnings.push(format!("{n} rows have no value of `{target}`, and are left out")),
    }
    if !classes {
        return Ok(answered);
    }
    let (codes, names) = answered.factorize(target)?;
    let mut counts = vec![0; names.len()];
    codes.iter().for_each(|class| counts[*class] += 1);
    if counts.iter().filter(|count| **count >= FEWEST).count() < 2 {
        let message = format!("column `{target}` needs two classes of {FEWEST} rows each, at least");
        return Err(Error::argument("tabular", message)
            .with_help("--task numbers, if it holds numbers; --target COLUMN chooses another one"));
    }
    for (name, count) in names.iter().zip(&counts).filter(|(_, count)| **count < FEWEST) {
        let rows = if *count == 1 { "1 row".to_string() } else { format!("{count} rows") };
        warnings.push(format!("`{name}` of `{target}` stands in {rows}, too few to learn from, and is left out"));
    }
    let kept: Vec<usize> = (0..codes.len()).filter(|row| counts[codes[*row]] >= FEWEST).collect();
    answered.rows(&kept)
}

/// The columns that are empty, and those of texts that are the same in every row; a number that is, does no harm.
pub fn columns(train: &Table, target: &str, warnings: &mut Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, column) in train.columns().filter(|(name, _)| *name != target) {
        let mut values = column.iter().filter(|value| !matches!(value, Value::Missing)).map(|value| value.to_string());
        let first = values.next();
        let text = column.texts().is_some();
        let what = match &first {
            None => "has no values",
            Some(first) if text && column.num_missing() == 0 && values.all(|value| value == *first) => {
                "is the same in every row"
            }
            Some(_) => continue,
        };
        warnings.push(format!("`{name}` {what}, and is left out"));
        found.push(name.to_string());
    }
    found
}
