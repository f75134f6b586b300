//! The column that a model predicts.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Scaling;
use super::feature::{Scaler, check_finite, list, too_many};
use crate::data::column::{Column, ColumnKind};
use crate::data::table::{Table, missing_value};
use crate::error::{Error, Result};
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
            let e = Error::dtype(op, format!("the target `{name}` has texts, expected numbers"));
            return Err(e.with_help(format!("use Preprocessor::classification(\"{name}\") to predict a class")));
        };
        check_finite(op, name, numbers)?;
        check_present(op, name, column)?;
        Ok(Self::Number { column: name.to_string(), scaler: Scaler::fit(op, name, numbers, scaling)? })
    }

    #[track_caller]
    pub(super) fn fit_class(op: &'static str, name: &str, column: &Column, max_categories: usize) -> Result<Self> {
        check_present(op, name, column)?;
        let (classes, _) = column.factorize();
        if classes.len() > max_categories {
            let e = too_many(op, name, column, &classes, max_categories);
            return Err(match column.kind() {
                ColumnKind::Number => {
                    e.with_help(format!("use Preprocessor::regression(\"{name}\") to predict a number"))
                }
                ColumnKind::Text => e,
            });
        }
        if let [only] = classes.as_slice() {
            return Err(Error::argument(op, format!("the target `{name}` has a single class, `{only}`")));
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
                        format!("the target `{column}` has texts, it had numbers when fitting"),
                    ));
                };
                check_finite(op, column, numbers)?;
                let y: Vec<f32> = numbers.iter().map_while(|x| scaler.apply(*x)).collect();
                if let Some(x) = numbers.get(y.len()) {
                    let message = format!("the target `{column}` is {x:e} in row {}, beyond the range of f32", y.len());
                    return Err(Error::numeric(op, message));
                }
                Tensor::from_slice(&y, [y.len(), 1])
            }
            Self::Class { column, classes } => {
                let known: HashMap<&str, i64> = classes.iter().map(String::as_str).zip(0..).collect();
                let (names, codes) = from.factorize();
                let numbers: Vec<Option<i64>> = names.iter().map(|name| known.get(name.as_str()).copied()).collect();
                let y: Vec<i64> = codes.iter().flatten().map_while(|code| numbers[*code]).collect();
                if let Some(Some(code)) = codes.get(y.len()) {
                    let (name, row) = (&names[*code], y.len());
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
