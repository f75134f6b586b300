//! The column that a model predicts, or several of them.

use serde::{Deserialize, Serialize};

use super::Scaling;
use super::categories::column_of;
use super::encoder::Supervision;
use super::feature::{ambiguous, check_finite, list};
use super::known::{Known, Match};
use super::labels::Labels;
use super::looks::Misfit;
use super::scaler::Scaler;
use crate::data::column::{Column, ColumnKind};
use crate::data::table::{Table, missing_value};
use crate::error::{Error, Result, short};
use crate::tensor::{DType, Tensor};

/// What the target is, as learnt from the training part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Target {
    /// A number.
    Number { column: String, scaler: Scaler },
    /// One of several classes.
    Class(Classes),
    /// The second of two classes, or not.
    Binary(Classes),
    /// Any of several labels.
    Labels(Labels),
}

/// The classes of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Classes {
    pub(super) column: String,
    pub(super) classes: Vec<String>,
    /// Whether they were numbers.
    #[serde(default)]
    numeric: bool,
}

impl Classes {
    #[track_caller]
    pub(super) fn fit(
        op: &'static str,
        name: &str,
        column: &Column,
        max_categories: usize,
        chosen: bool,
    ) -> Result<Self> {
        check_present(op, name, column)?;
        let (classes, _) = column.factorize();
        if let Some(misfit) = Misfit::of(name, column, &classes, max_categories, chosen) {
            let e = misfit.for_target().error(op);
            return Err(match column.kind() {
                ColumnKind::Number => {
                    e.with_help(format!("use Preprocessor::regression(\"{}\") to predict a number", short(name)))
                }
                ColumnKind::Text => e,
            });
        }
        if let [only] = classes.as_slice() {
            return Err(Error::argument(
                op,
                format!("the target `{}` has a single class, `{}`", short(name), short(only)),
            ));
        }
        Ok(Self { column: name.to_string(), classes, numeric: column.kind() == ColumnKind::Number })
    }

    /// Two of them, of which the given one is the second.
    #[track_caller]
    pub(super) fn binary(mut self, op: &'static str, positive: Option<&str>) -> Result<Self> {
        let name = short(&self.column);
        if self.classes.len() != 2 {
            let (count, all) = (self.classes.len(), list(&self.classes));
            let e = Error::argument(op, format!("the target `{name}` has {count} classes, expected 2: {all}"));
            return Err(e.with_help(format!("Preprocessor::classification(\"{name}\") takes any number of them")));
        }
        if let Some(positive) = positive {
            match Known::new(&self.classes, &[]).find(positive) {
                Match::Category(1) => {}
                Match::Category(_) => self.classes.swap(0, 1),
                _ => {
                    let (positive, all) = (short(positive), list(&self.classes));
                    let message = format!("the target `{name}` has no class `{positive}` to be the positive one");
                    return Err(Error::argument(op, message).with_help(format!("the classes are {all}")));
                }
            }
        }
        Ok(self)
    }

    /// The number of the class of each row.
    #[track_caller]
    fn numbers(&self, op: &'static str, from: &Column) -> Result<Vec<i64>> {
        let Self { column, classes, .. } = self;
        let known = Known::new(classes, &[]);
        let (names, codes) = from.factorize();
        let found: Vec<Match> = names.iter().map(|name| known.find(name)).collect();
        if let Some(i) = found.iter().position(|found| matches!(found, Match::Either(..))) {
            return Err(ambiguous(op, &format!("the target `{}`", short(column)), &names[i], found[i], classes));
        }
        let number = |code: &usize| match found[*code] {
            Match::Category(i) => Some(i as i64),
            _ => None,
        };
        let y: Vec<i64> = codes.iter().flatten().map_while(number).collect();
        if let Some(Some(code)) = codes.get(y.len()) {
            let (name, row, column) = (short(&names[*code]), y.len(), short(column));
            let message = format!("the target `{column}` has `{name}` in row {row}, which did not occur when fitting");
            return Err(Error::argument(op, message).with_help(format!("the classes are {}", list(classes))));
        }
        Ok(y)
    }

    /// The column whose classes have these numbers, which must exist.
    pub(super) fn column_of(&self, numbers: &[usize]) -> (String, Column) {
        let names: Vec<Option<&str>> =
            numbers.iter().map(|number| self.classes.get(*number).map(String::as_str)).collect();
        (self.column.clone(), column_of(&names, self.numeric))
    }
}

impl Target {
    #[track_caller]
    pub(super) fn fit_number(op: &'static str, name: &str, column: &Column, scaling: Scaling) -> Result<Self> {
        let Some(numbers) = column.numbers() else {
            if let Some(misfit) = Misfit::instead_of_numbers(name, column) {
                return Err(misfit.error(op));
            }
            let name = short(name);
            let e = Error::dtype(op, format!("the target `{name}` has texts, expected numbers"));
            return Err(e.with_help(format!("use Preprocessor::classification(\"{name}\") to predict a class")));
        };
        check_finite(op, name, numbers)?;
        check_present(op, name, column)?;
        let scaler = Scaler::fit(op, name, column.present().unwrap_or_default(), column.is_exact(), scaling)?;
        Ok(Self::Number { column: name.to_string(), scaler })
    }

    /// What is noticed of the target of the training part: that there is nothing to learn, or that it is not what it was.
    pub(super) fn notes(&self, train: &Table) -> Vec<String> {
        let constant = |name: &str| {
            let numbers = train.find("fit", name).ok()?.numbers()?;
            let (first, rest) = numbers.split_first()?;
            let same = !rest.is_empty() && rest.iter().all(|x| x == first);
            let name = short(name);
            same.then(|| format!("the target `{name}` is {first} in every row: there is nothing to learn from it"))
        };
        let columns = self.columns();
        let mut notes: Vec<String> = match self {
            Self::Number { .. } | Self::Labels(_) => columns.iter().filter_map(|name| constant(name)).collect(),
            Self::Class(_) | Self::Binary(_) => Vec::new(),
        };
        let found = columns.iter().filter_map(|name| Some((name, train.find("fit", name).ok()?)));
        found.for_each(|(name, column)| notes.extend(column.notes(name)));
        notes
    }

    /// The names of its columns.
    pub(super) fn columns(&self) -> Vec<&str> {
        match self {
            Self::Number { column, .. } => vec![column],
            Self::Class(classes) | Self::Binary(classes) => vec![&classes.column],
            Self::Labels(labels) => labels.columns(),
        }
    }

    /// `[n, 1]` numbers, `[n]` class numbers, `[n, 1]` zeros and ones, or `[n, labels]` of them.
    #[track_caller]
    pub(super) fn encode(&self, op: &'static str, table: &Table) -> Result<Tensor> {
        match self {
            Self::Number { column, scaler } => {
                let from = table.find(op, column)?;
                check_present(op, column, from)?;
                let Some(numbers) = from.numbers() else {
                    return Err(Error::dtype(
                        op,
                        format!("the target `{}` has texts, it had numbers when fitting", short(column)),
                    ));
                };
                check_finite(op, column, numbers)?;
                let y = scaler.apply(&(0..numbers.len()).map(|row| from.wide(row)).collect::<Vec<_>>())?;
                if let Some(row) = y.iter().position(|y| !y.is_finite()) {
                    let (name, x) = (short(column), numbers[row]);
                    let message = format!("the target `{name}` is {x:e} in row {row}, {}", scaler.trouble(x));
                    return Err(Error::numeric(op, message));
                }
                Tensor::from_slice(&y, [y.len(), 1])
            }
            Self::Class(classes) => {
                let y = classes.numbers(op, present(op, table, &classes.column)?)?;
                Tensor::from_slice(&y, [y.len()])
            }
            Self::Binary(classes) => {
                let y = classes.numbers(op, present(op, table, &classes.column)?)?;
                Ok(Tensor::from_slice(&y, [y.len(), 1])?.to_dtype(DType::F32))
            }
            Self::Labels(labels) => {
                let (y, rows) = labels.encode(op, table)?;
                Tensor::from_slice(&y, [rows, labels.labels.len()])
            }
        }
    }

    /// What categories are encoded by.
    #[track_caller]
    pub(super) fn supervision(&self, op: &'static str, table: &Table) -> Result<Supervision> {
        Ok(match self {
            Self::Number { column, .. } => {
                Supervision::Number(table.find(op, column)?.numbers().unwrap_or_default().to_vec())
            }
            Self::Class(classes) | Self::Binary(classes) => {
                let y = classes.numbers(op, present(op, table, &classes.column)?)?;
                Supervision::Classes(y.iter().map(|y| *y as usize).collect(), classes.classes.clone())
            }
            Self::Labels(labels) => Supervision::Labels(labels.encode(op, table)?.0, labels.labels.clone()),
        })
    }
}

#[track_caller]
fn present<'t>(op: &'static str, table: &'t Table, name: &str) -> Result<&'t Column> {
    let column = table.find(op, name)?;
    check_present(op, name, column)?;
    Ok(column)
}

#[track_caller]
fn check_present(op: &'static str, name: &str, column: &Column) -> Result<()> {
    if !column.is_empty() && column.num_missing() == column.len() {
        let message = format!("the target `{}` has no values at all", short(name));
        return Err(
            Error::argument(op, message).with_help("a row without a target teaches nothing; describe() counts them")
        );
    }
    match column.iter().position(|value| value == crate::data::Value::Missing) {
        Some(row) => Err(missing_value(op, name, row)),
        None => Ok(()),
    }
}
