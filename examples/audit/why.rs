//! Why the model decides as it does: what each column adds, and what would have to be otherwise.

use demotic::data::{Column, Table};
use demotic::explain::{Change, ColumnAttribution, Counterfactuals, shap_rows};
use demotic::prelude::*;
use demotic::train::Report;
use demotic::train::plot::Beeswarm;

use crate::learn::Model;
use crate::options::Options;
use crate::page::{percent, texts};
use crate::subject::Subject;

/// How many columns are named for one row.
const NAMED: usize = 5;

/// The section.
pub fn write(page: Report, subject: &Subject, options: &Options, model: &Model, rng: &mut Rng) -> Result<Report> {
    let (few, known) = if options.quick { (25, 15) } else { (100, 40) };
    let (pipeline, class) = model.pipeline()?;
    let rows = subject.test.table.head(few);
    let found = shap_rows(&pipeline, &rows, &subject.train.table.head(known), Some(class), rng)?;
    let columns: Vec<Option<&[f64]>> =
        found.columns.iter().map(|name| rows.column(name).ok().and_then(Column::numbers)).collect();
    let of_row = |row: usize| columns.iter().map(|own| own.map_or(f64::NAN, |own| own[row])).collect::<Vec<f64>>();
    let own: Vec<Vec<f64>> = (0..rows.num_rows()).map(of_row).collect();
    let mut page = page.section("Why does it decide so?").text(format!(
        "The probability that the model gives to somebody is what it gives on average, {}, and what each column adds to that or takes away (Shapley values). \
         Each point is one person.",
        percent(found.base)
    ));
    page = page.picture(
        Beeswarm::new("What each column adds to the probability", &found.columns, &found.values, &own)?
            .label("added to the probability"),
        "To the right of the line a column speaks for the outcome, to the left against it. Colours say whether its value is high or low; texts have none.",
    );
    page = of_groups(page, subject, options, &found)?;
    one(page, subject, options, model, &found, rng)
}

/// What the columns that say who somebody is add by themselves.
fn of_groups(mut page: Report, subject: &Subject, options: &Options, found: &ColumnAttribution) -> Result<Report> {
    let groups = &subject.test.groups;
    for name in &options.groups {
        let Some(at) = found.columns.iter().position(|column| column == name) else {
            page = page.text(format!("The column `{name}` is not among those that the model is told."));
            continue;
        };
        let mean = |code: usize| {
            let of = found.values.iter().zip(groups.codes()).filter(|(_, own)| **own == code).map(|(row, _)| row[at]);
            let (sum, count) = of.fold((0.0, 0), |(sum, count), x| (sum + x, count + 1));
            if count == 0 {
                "nobody among these".to_string()
            } else {
                format!("{:+.1} %", 100.0 * sum / f64::from(count))
            }
        };
        page = page.text(format!("What the column `{name}` by itself adds to the probability, on average:"));
        page = page.table(&texts(&[
            ("group", groups.names().to_vec()),
            ("adds", (0..groups.names().len()).map(mean).collect()),
        ])?);
    }
    Ok(page)
}

/// Of those who are refused, the one who was nearest to the other side.
fn one(
    mut page: Report,
    subject: &Subject,
    options: &Options,
    model: &Model,
    found: &ColumnAttribution,
    rng: &mut Rng,
) -> Result<Report> {
    let refused = (0..found.outputs.len()).filter(|row| found.outputs[*row] < 0.5);
    let Some(row) = refused.max_by(|a, b| found.outputs[*a].total_cmp(&found.outputs[*b])) else { return Ok(page) };
    let person = subject.test.table.rows(&[row])?;
    let mut order: Vec<usize> = (0..found.columns.len()).collect();
    order.sort_by(|a, b| found.values[row][*b].abs().total_cmp(&found.values[row][*a].abs()));
    order.truncate(NAMED);
    let value = |name: &str| {
        let value = person.column(name).ok().and_then(|column| Some(column.get(0)?.to_string()));
        value.unwrap_or_default()
    };
    page = page.text(format!(
        "The person in row {row} of the test part is given {}, and just fails to be chosen. What counts most for that:",
        percent(found.outputs[row])
    ));
    page = page.table(&texts(&[
        ("column", order.iter().map(|i| found.columns[*i].clone()).collect()),
        ("value", order.iter().map(|i| value(&found.columns[*i])).collect()),
        ("adds", order.iter().map(|i| format!("{:+.1} %", 100.0 * found.values[row][*i])).collect()),
    ])?);
    // What the model is told, of which nobody changes who they are.
    let told = |table: &Table| -> Result<Table> {
        let others: Vec<&str> =
            table.column_names().filter(|name| !found.columns.iter().any(|column| column == name)).collect();
        table.drop(&others)
    };
    let (person, known) = (told(&person)?, told(&subject.train.table.head(500))?);
    let wanted = Counterfactuals::at_least(0.501).sparse().candidates(if options.quick { 50 } else { 300 });
    let fixed = options.groups.iter().filter(|name| found.columns.contains(name));
    let wanted = fixed.fold(wanted, |wanted, name| wanted.change(name, Change::Fixed));
    let others = wanted.find(&person, &known, rng, |table| Ok(model.scores(table)?.to_f64_vec()))?;
    if others.is_empty() {
        return Ok(page.text("No other values were found with which the answer would be another."));
    }
    page = page.text("The answer would have been another, all else being equal, with:");
    for other in others {
        let changes: Vec<String> =
            other.changes.iter().map(|(name, before, after)| format!("{name} {after} in place of {before}")).collect();
        page = page.text(format!("{} ({})", changes.join(", "), percent(other.prediction)));
    }
    Ok(page.text(
        "This says what the model would do, and not that a change of these values would change anything in the world.",
    ))
}
