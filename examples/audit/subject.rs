//! The table, its target as yes and no, and its three parts.

use std::collections::HashSet;

use demotic::data::quality::{Finding, Problem, Quality, Severity};
use demotic::data::{Column, ColumnKind, CsvOptions, Value};
use demotic::fairness::{Groups, bands};
use demotic::prelude::*;

use crate::options::Options;
use crate::read::{self, Read};

/// The bundled loan applications; `examples/make_loans.rs` says how they were made.
const LOANS: &str = include_str!("../data/loans.csv");

/// What is audited.
pub struct Subject {
    /// What it is called.
    pub name: String,
    /// The table as it was read.
    pub table: Table,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// What was done to it because of that.
    pub changes: Vec<String>,
    /// How the file was read.
    pub csv: CsvOptions,
    /// The outcome that people wish for, in words.
    pub wish: String,
    /// What stands for it in the table, if it is one of two values.
    pub wished: Option<String>,
    /// The table that is learnt from: cleaned, its target `no` and `yes`.
    pub clean: Table,
    /// Columns that are not learnt from.
    pub unseen: Vec<String>,
    /// The columns that say who is compared: those that were named, or their bands.
    pub groups: Vec<String>,
    /// Columns of numbers of which these are bands.
    pub banded: Vec<String>,
    pub train: Part,
    pub calibration: Part,
    pub test: Part,
}

/// Some rows.
pub struct Part {
    pub table: Table,
    pub groups: Groups,
    /// 1 where the outcome is what people wish for, `[n]`.
    pub y: Tensor,
}

pub const YES: &str = "yes";
pub const NO: &str = "no";

impl Subject {
    pub fn new(options: &Options, rng: &mut Rng) -> Result<Self> {
        let target = options.target.as_str();
        let name = match &options.data {
            Some(path) => path.file_name().map_or("table".into(), |name| name.to_string_lossy().into_owned()),
            None => "loans.csv".into(),
        };
        // However it is written: with semicolons, decimal commas, units, dates.
        let Read { mut table, options: csv, notes } = read::read(&[], &[], &|csv: &CsvOptions| match &options.data {
            Some(path) => csv.read(path),
            None => csv.read_from(LOANS.as_bytes()),
        })?;
        // Models see the numbers, and people are compared by the bands.
        let (mut groups, mut banded) = (options.groups.clone(), Vec::new());
        for (column, borders) in &options.bands {
            let Some(place) = options.groups.iter().position(|group| group == column) else {
                let message = format!("--bands of `{column}`, which nobody is compared by");
                return Err(Error::argument("audit", message).with_help(format!("add --group {column}")));
            };
            let name = format!("{column} in bands");
            table = table.clone().with_column(&name, bands(table.column(column)?, borders)?)?;
            banded.push(column.clone());
            groups[place] = name;
        }
        let (outcome, wish, wished) = outcome(table.column(target)?, target, options.positive.as_deref())?;
        // Says what is wrong with the columns that are compared.
        if let Err(e) = Groups::of(&table, &groups, target) {
            let of_numbers =
                |name: &&String| table.column(name).is_ok_and(|column| column.kind() == ColumnKind::Number);
            return Err(match groups.iter().find(of_numbers) {
                Some(name) if name.as_str() != target => {
                    e.with_help(format!("--bands {name}=30,50 makes groups of a column of numbers"))
                }
                _ => e,
            });
        }
        let table = table.with_column(target, outcome)?;

        let mut quality = Quality::new().target(target);
        for group in &groups {
            quality = quality.group(group);
        }
        let mut findings = quality.examine(&table)?;
        // What is missing of the numbers is missing of their bands.
        let is_band = |name: &String| groups.contains(name) && !options.groups.contains(name);
        findings.retain(|finding| finding.problem != Problem::Missing || !finding.columns.iter().any(is_band));
        let mut changes: Vec<String> =
            notes.iter().map(|note| format!("The column {note}, and was read so.")).collect();
        changes.extend(
            banded.iter().map(|name| format!("People are compared by bands of `{name}`; the model sees its numbers.")),
        );
        let mut clean = table.drop_missing(&[target])?;
        if clean.num_rows() < table.num_rows() {
            changes.push(format!("{} rows without an outcome were left out.", table.num_rows() - clean.num_rows()));
        }
        let mut unseen = options.ignore.clone();
        unseen.extend(groups.iter().filter(|name| !options.groups.contains(name)).cloned());
        for finding in &findings {
            let named = finding.columns.join(", ");
            match finding.problem {
                // As many as chance makes are no mistake.
                Problem::Duplicates if finding.severity > Severity::Note => {
                    let before = clean.num_rows();
                    clean = clean.drop_duplicates::<&str>(&[])?;
                    changes.push(format!("{} repeated rows were left out.", before - clean.num_rows()));
                }
                Problem::Leak | Problem::Constant => {
                    let why =
                        if finding.problem == Problem::Leak { "it tells the outcome" } else { "it tells nothing" };
                    changes.push(format!("The column `{named}` is not learnt from: {why}."));
                    unseen.extend(finding.columns.iter().cloned());
                }
                Problem::Outliers => {
                    changes.push(format!("Numbers of `{named}` far from the others are limited to the usual range."))
                }
                _ => {}
            }
        }
        for (name, column) in clean.columns().filter(|(name, _)| *name != target && !groups.contains(&name.to_string()))
        {
            if numbers_rows(column) && !unseen.iter().any(|own| own == name) {
                changes.push(format!("The column `{name}` is not learnt from: it has another value in each row, as names and numbers of rows have."));
                unseen.push(name.to_string());
            }
        }
        unseen.retain(|column| table.column_names().any(|own| own == column) && column != target);
        unseen.sort();
        unseen.dedup();
        if clean.num_rows() < 60 {
            let message = format!("{} rows with an outcome, expected 60 at least", clean.num_rows());
            return Err(Error::argument("audit", message).with_help("fewer do not say what happens to a group"));
        }

        let (train, rest) = clean.split_stratified(0.6, target, rng)?;
        let (calibration, test) = rest.split_stratified(0.5, target, rng)?;
        let part = |table: Table| -> Result<Part> {
            let yes: Vec<i64> =
                table.column(target)?.iter().map(|value| i64::from(value.text() == Some(YES))).collect();
            let n = yes.len();
            Ok(Part { groups: Groups::of(&table, &groups, target)?, y: Tensor::from_vec(yes, [n])?, table })
        };
        let (train, calibration, test) = (part(train)?, part(calibration)?, part(test)?);
        Ok(Self {
            name,
            table,
            findings,
            changes,
            csv,
            wish,
            wished,
            clean,
            unseen,
            groups,
            banded,
            train,
            calibration,
            test,
        })
    }
}

/// Whether a column says which row it is, and nothing else: all its texts or whole numbers differ.
fn numbers_rows(column: &Column) -> bool {
    let whole = column.texts().is_some() || column.integers().is_some();
    let different: HashSet<String> = column.iter().map(|value| value.to_string()).collect();
    whole && column.num_missing() == 0 && different.len() == column.len()
}

/// The target as `yes` and `no`, what yes means, and the value that it stands for.
fn outcome(column: &Column, target: &str, positive: Option<&str>) -> Result<(Column, String, Option<String>)> {
    let mut values: Vec<String> = Vec::new();
    for value in column.iter().filter(|value| !value.is_missing()) {
        let text = value.to_string();
        if !values.contains(&text) && values.len() < 3 {
            values.push(text);
        }
    }
    if column.kind() == ColumnKind::Number {
        values.sort_by(|a, b| a.parse::<f64>().unwrap_or(0.0).total_cmp(&b.parse::<f64>().unwrap_or(0.0)));
    } else {
        values.sort();
    }
    let marked = |is: &dyn Fn(Value<'_>) -> bool| -> Column {
        column
            .iter()
            .map(|value| if value.is_missing() { None } else { Some(if is(value) { YES } else { NO }) })
            .collect()
    };
    let wish = match (positive, values.as_slice()) {
        (Some(wish), _) => Some(wish.to_string()),
        (None, [_, wish]) => Some(wish.clone()),
        _ => None,
    };
    if let Some(wish) = wish {
        let there = column.iter().any(|value| value.to_string() == wish);
        let all = column.iter().all(|value| value.is_missing() || value.to_string() == wish);
        if !there || all {
            let message =
                format!("the target `{target}` {} `{wish}`", if all { "is never anything but" } else { "is never" });
            return Err(
                Error::argument("audit", message).with_help("--positive VALUE names the outcome that people wish for")
            );
        }
        return Ok((marked(&|value| value.to_string() == wish), format!("`{target}` is `{wish}`"), Some(wish)));
    }
    let Some(numbers) = column.numbers() else {
        let message = format!(
            "the target `{target}` has {} different texts: {}",
            if values.len() < 2 { "fewer than two" } else { "more than two" },
            values.join(", ")
        );
        return Err(
            Error::argument("audit", message).with_help("--positive VALUE makes one of them yes, and the others no")
        );
    };
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|x| x.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(median) = sorted.get(sorted.len() / 2).copied().filter(|median| sorted.first() != Some(median)) else {
        return Err(Error::argument("audit", format!("the numbers of the target `{target}` cannot be divided in two")));
    };
    Ok((
        marked(&|value| value.number().is_some_and(|x| x >= median)),
        format!("`{target}` is at least {median}, the median"),
        None,
    ))
}
