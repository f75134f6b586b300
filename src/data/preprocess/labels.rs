//! Targets of which several may hold at once.

use serde::{Deserialize, Serialize};

use super::Unseen;
use super::feature::list;
use super::known::{Known, Match};
use crate::data::column::{Column, Value};
use crate::data::table::{Table, missing_value};
use crate::error::{Error, Result, short};
use crate::tensor::create::check_list;

/// Labels: a column of zeros and ones for each, or one column with lists of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Labels {
    /// The column of lists, and what stands between the labels of one.
    lists: Option<(String, String)>,
    pub(super) labels: Vec<String>,
    unseen: Unseen,
}

impl Labels {
    /// A column for each.
    #[track_caller]
    pub(super) fn fit_columns(op: &'static str, names: &[String], train: &Table) -> Result<Self> {
        let labels = Self { lists: None, labels: names.to_vec(), unseen: Unseen::Error };
        if let Some(i) = (0..names.len()).find(|i| names[..*i].contains(&names[*i])) {
            return Err(Error::argument(op, format!("the label `{}` is named twice", short(&names[i]))));
        }
        if names.is_empty() {
            return Err(Error::argument(op, "no labels are named"));
        }
        labels.encode(op, train)?;
        Ok(labels)
    }

    /// One column of lists.
    #[track_caller]
    pub(super) fn fit_lists(
        op: &'static str,
        name: &str,
        separator: &str,
        column: &Column,
        most: usize,
        unseen: Unseen,
    ) -> Result<Self> {
        if separator.is_empty() {
            return Err(Error::argument(op, "nothing separates the labels of a list"));
        }
        let (texts, _) = column.factorize();
        let mut labels: Vec<String> =
            texts.iter().flat_map(|text| split(text, separator)).map(str::to_string).collect();
        crate::order::sort_by(&mut labels, Ord::cmp);
        labels.dedup();
        let (count, shown) = (labels.len(), short(name));
        if count == 0 {
            return Err(Error::argument(op, format!("the target `{shown}` has no labels at all")));
        }
        if count > most {
            let message = format!("the target `{shown}` has {count} labels, more than {most}");
            return Err(Error::argument(op, message).with_help("raise max_categories if there are so many"));
        }
        Ok(Self { lists: Some((name.to_string(), separator.to_string())), labels, unseen })
    }

    pub(super) fn columns(&self) -> Vec<&str> {
        match &self.lists {
            Some((column, _)) => vec![column],
            None => self.labels.iter().map(String::as_str).collect(),
        }
    }

    /// Zeros and ones, row by row, and the number of rows.
    #[track_caller]
    pub(super) fn encode(&self, op: &'static str, table: &Table) -> Result<(Vec<f32>, usize)> {
        let (rows, width) = (table.num_rows(), self.labels.len());
        check_list(op, "labels", rows.saturating_mul(width), size_of::<f32>())?;
        let mut y = vec![0.0; rows * width];
        let Some((name, separator)) = &self.lists else {
            for (i, name) in self.labels.iter().enumerate() {
                for (row, value) in table.find(op, name)?.iter().enumerate() {
                    y[row * width + i] = zero_or_one(op, name, row, value)?;
                }
            }
            return Ok((y, rows));
        };
        let known = Known::new(&self.labels, &[]);
        for (row, value) in table.find(op, name)?.iter().enumerate() {
            // No value is a list without labels.
            let text = value.to_string();
            for label in split(&text, separator) {
                match known.find(label) {
                    Match::Category(i) => y[row * width + i] = 1.0,
                    _ if self.unseen == Unseen::Error => {
                        let (name, label) = (short(name), short(label));
                        let message =
                            format!("the target `{name}` has `{label}` in row {row}, which did not occur when fitting");
                        let help = format!("the labels are {}; Unseen::Zeros passes over others", list(&self.labels));
                        return Err(Error::argument(op, message).with_help(help));
                    }
                    _ => {}
                }
            }
        }
        Ok((y, rows))
    }

    /// The columns with the labels whose numbers are above a half.
    pub(super) fn columns_of(&self, y: &[f64]) -> Vec<(String, Column)> {
        let width = self.labels.len().max(1);
        let Some((name, separator)) = &self.lists else {
            let column = |i: usize| y.iter().skip(i).step_by(width).map(|y| f64::from(u8::from(*y > 0.5))).collect();
            return self.labels.iter().enumerate().map(|(i, name)| (name.clone(), column(i))).collect();
        };
        let text = |row: &[f64]| {
            let chosen = self.labels.iter().zip(row).filter(|(_, y)| **y > 0.5);
            let labels: Vec<&str> = chosen.map(|(label, _)| label.as_str()).collect();
            (!labels.is_empty()).then(|| labels.join(separator))
        };
        vec![(name.clone(), y.chunks(width).map(text).collect())]
    }
}

fn split<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    text.split(separator).map(str::trim).filter(|label| !label.is_empty()).collect()
}

#[track_caller]
fn zero_or_one(op: &'static str, name: &str, row: usize, value: Value<'_>) -> Result<f32> {
    match value {
        Value::Number(0.0) => Ok(0.0),
        Value::Number(1.0) => Ok(1.0),
        Value::Missing => Err(missing_value(op, name, row)),
        value => {
            let (name, value) = (short(name), value.to_string());
            let message = format!("the label `{name}` is `{}` in row {row}, expected 0 or 1", short(&value));
            let help = format!("table.map(\"{name}\", |value| ..) makes zeros and ones of other marks");
            Err(Error::argument(op, message).with_help(help))
        }
    }
}
