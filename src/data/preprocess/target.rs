//! The column that a model predicts.

use serde::{Deserialize, Serialize};

use super::Scaling;
use super::feature::{ambiguous, check_finite, list};
use super::known::{Known, Match};
use super::looks::Misfit;
use super::scaler::Scaler;
use crate::data::column::{Column, ColumnKind};
use crate::data::table::{Table, missing_value};
use crate::error::{Error, Result, short};
use crate::tensor::Tensor;

/// What the target is, as learnt from the training part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Target {
    /// A number.
    Number { column: String, scaler: Scaler },
    /// One of several classes.
    Class { column: String, classes: Vec<String> },
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
        Ok(Self::Number { column: name.to_string(), scaler: Scaler::fit(op, name, column, scaling)? })
    }

    #[track_caller]
    pub(super) fn fit_class(
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
        Ok(Self::Class { column: name.to_string(), classes })
    }

    pub(super) fn column(&self) -> &str {
        match self {
            Self::Number { column, .. } | Self::Class { column, .. } => column,
        }
    }

    /// `[n, 1]` numbers or `[n]` class numbers.
    #[track_caller]
    pub(super) fn encode(&self, op: &'static str, table: &Table) -> Result<Tensor> {
        let from = table.find(op, self.column())?;
        check_present(op, self.column(), from)?;
        match self {
            Self::Number { column, scaler } => {
                let Some(numbers) = from.numbers() else {
                    return Err(Error::dtype(
                        op,
                        format!("the target `{}` has texts, it had numbers when fitting", short(column)),
                    ));
                };
                check_finite(op, column, numbers)?;
                let y: Vec<f32> = (0..numbers.len()).map_while(|row| scaler.apply(from.wide(row))).collect();
                if let Some(x) = numbers.get(y.len()) {
                    let (name, row) = (short(column), y.len());
                    let message = format!("the target `{name}` is {x:e} in row {row}, beyond the range of f32");
                    return Err(Error::numeric(op, message));
                }
                Tensor::from_slice(&y, [y.len(), 1])
            }
            Self::Class { column, classes } => {
                let known = Known::new(classes);
                let (names, codes) = from.factorize();
                let found: Vec<Match> = names.iter().map(|name| known.find(name)).collect();
                if let Some(i) = found.iter().position(|found| matches!(found, Match::Either(..))) {
                    return Err(ambiguous(
                        op,
                        &format!("the target `{}`", short(column)),
                        &names[i],
                        found[i],
                        classes,
                    ));
                }
                let number = |code: &usize| match found[*code] {
                    Match::Category(i) => Some(i as i64),
                    _ => None,
                };
                let y: Vec<i64> = codes.iter().flatten().map_while(number).collect();
                if let Some(Some(code)) = codes.get(y.len()) {
                    let (name, row, column) = (short(&names[*code]), y.len(), short(column));
                    let message =
                        format!("the target `{column}` has `{name}` in row {row}, which did not occur when fitting");
                    return Err(Error::argument(op, message).with_help(format!("the classes are {}", list(classes))));
                }
                Tensor::from_slice(&y, [y.len()])
            }
        }
    }
}

#[track_caller]
fn check_present(op: &'static str, name: &str, column: &Column) -> Result<()> {
    match column.iter().position(|value| value == crate::data::Value::Missing) {
        Some(row) => Err(missing_value(op, name, row)),
        None => Ok(()),
    }
}
