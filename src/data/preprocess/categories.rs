//! The categories of a column, as learnt from the training part, and which of them values are.

use serde::{Deserialize, Serialize};

use super::feature::{ambiguous, list, not_numbers};
use super::known::{Known, Match};
use super::looks::Misfit;
use super::{MissingCategory, Unseen};
use crate::data::column::{Column, ColumnKind};
use crate::data::number::NumberStyle;
use crate::error::{Error, Result, short};

/// What learning categories takes.
#[derive(Debug, Clone)]
pub(super) struct CategoryRules {
    pub(super) unseen: Unseen,
    pub(super) drop_first: bool,
    /// More are an error.
    pub(super) max_categories: usize,
    /// The rest are rare ones.
    pub(super) limit: Option<usize>,
    pub(super) min_frequency: usize,
    pub(super) missing: MissingCategory,
    pub(super) indicator: bool,
    /// In an order that is given, which may have more of them than the training part.
    pub(super) order: Option<Vec<String>>,
    /// Whether the column was said to hold categories.
    pub(super) chosen: bool,
}

/// The categories of a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Categories {
    pub(super) column: String,
    pub(super) categories: Vec<String>,
    /// Whether the categories were numbers.
    pub(super) numeric: bool,
    /// Whether a missing value is one more.
    pub(super) missing: bool,
    /// Whether the first category has no feature because the others tell it.
    pub(super) drop_first: bool,
    pub(super) unseen: Unseen,
    /// Those that share a feature because each of them is rare.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rare: Vec<String>,
    /// Which of the categories is put in place of a missing one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill: Option<usize>,
    /// Whether a feature says where it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) indicator: bool,
    /// Whether a missing one is an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    required: bool,
}

/// Categories, or why the column should have none.
pub(super) enum Learnt {
    Categories(Categories),
    Misfit(Misfit),
}

impl Categories {
    #[track_caller]
    pub(super) fn fit(op: &'static str, name: &str, column: &Column, rules: &CategoryRules) -> Result<Learnt> {
        let (names, codes) = column.factorize();
        if names.is_empty() {
            return Err(super::feature::no_values(op, name));
        }
        let most = if rules.limit.is_some() { usize::MAX } else { rules.max_categories };
        if let Some(misfit) = Misfit::of(name, column, &names, most, rules.chosen) {
            return Ok(Learnt::Misfit(misfit));
        }
        let mut counts = vec![0usize; names.len()];
        codes.iter().flatten().for_each(|code| counts[*code] += 1);
        let absent = codes.contains(&None);
        let mut categories = match &rules.order {
            Some(order) => ordered(op, name, &names, order)?,
            None => names.clone(),
        };
        let mut rare = Vec::new();
        if rules.order.is_none() {
            let is_rare = rare_ones(&counts, rules);
            rare = names.iter().zip(&is_rare).filter(|(_, rare)| **rare).map(|(name, _)| name.clone()).collect();
            categories = names.iter().zip(&is_rare).filter(|(_, rare)| !**rare).map(|(name, _)| name.clone()).collect();
        }
        let put_in = match &rules.missing {
            MissingCategory::MostFrequent => {
                // The first of several equal maxima.
                (0..names.len()).rev().max_by_key(|i| counts[*i]).map(|i| names[i].clone())
            }
            MissingCategory::Constant(text) => Some(text.clone()),
            MissingCategory::Own | MissingCategory::Error => None,
        };
        let mut learnt = Self {
            column: name.to_string(),
            numeric: column.kind() == ColumnKind::Number,
            missing: absent && rules.missing == MissingCategory::Own,
            categories,
            drop_first: rules.drop_first,
            unseen: rules.unseen,
            rare,
            fill: None,
            indicator: rules.indicator && absent && put_in.is_some(),
            required: rules.missing == MissingCategory::Error,
        };
        if let Some(text) = put_in {
            learnt.fill = Some(learnt.place_of_fill(text));
        }
        // What the rules forbid is an error of fitting, too.
        learnt.slots(op, column)?;
        Ok(Learnt::Categories(learnt))
    }

    /// The slot of what is put in place of a missing category, which may be a new category.
    fn place_of_fill(&mut self, text: String) -> usize {
        if let Some(i) = self.categories.iter().position(|own| *own == text) {
            return i;
        }
        if self.rare.contains(&text) {
            return self.categories.len();
        }
        match self.rare.is_empty() {
            // Behind the others.
            true => self.categories.push(text),
            false => {
                let at = self.categories.partition_point(|own| *own < text);
                self.categories.insert(at, text);
                return at;
            }
        }
        self.categories.len() - 1
    }

    /// How many slots there are: one for each category, one for all rare ones, one for missing values.
    pub(super) fn len(&self) -> usize {
        self.categories.len() + usize::from(!self.rare.is_empty()) + usize::from(self.missing)
    }

    /// The names of the slots.
    pub(super) fn names(&self) -> Vec<String> {
        let column = &self.column;
        let mut names: Vec<String> = self.categories.iter().map(|category| format!("{column}={category}")).collect();
        if !self.rare.is_empty() {
            names.push(format!("{column}=(rare)"));
        }
        if self.missing {
            names.push(format!("{column}=(missing)"));
        }
        names
    }

    /// A column of the same kind as that of training, or one that may pass for it.
    #[track_caller]
    pub(super) fn check_kind(&self, op: &'static str, from: &Column, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        match (from.kind(), self.numeric) {
            (ColumnKind::Number, false) if !Known::new(&self.categories, &self.rare).has_numbers() => {
                let name = short(&self.column);
                let message = format!("column `{name}` has numbers, it had texts when fitting");
                let help = format!("read the file with CsvOptions::new().text(&[\"{name}\"])");
                Err(Error::dtype(op, message).with_help(help))
            }
            // One-hot features that are zero in every row would say nothing, and nobody would notice.
            (ColumnKind::Text, true) if names.iter().all(|name| NumberStyle::default().parse(name).is_none()) => {
                Err(not_numbers(op, &self.column, from))
            }
            _ => Ok(()),
        }
    }

    /// The slot of each row; `None` for a category that has none.
    #[track_caller]
    pub(super) fn slots(&self, op: &'static str, from: &Column) -> Result<Vec<Option<usize>>> {
        let Self { column, categories, rare, .. } = self;
        let (names, codes) = from.factorize();
        self.check_kind(op, from, &names)?;
        let known = Known::new(categories, rare);
        let found: Vec<Match> = names.iter().map(|name| known.find(name)).collect();
        if let Some(i) = found.iter().position(|found| matches!(found, Match::Either(..))) {
            let all = [categories.as_slice(), rare].concat();
            return Err(ambiguous(op, &format!("column `{}`", short(column)), &names[i], found[i], &all));
        }
        let other = (self.unseen == Unseen::Rare && !rare.is_empty()).then_some(categories.len());
        let mut slots = Vec::with_capacity(codes.len());
        for (row, code) in codes.iter().enumerate() {
            let slot = match code {
                Some(code) => match found[*code] {
                    // Those behind the categories are the rare ones, which share a slot.
                    Match::Category(i) => Some(i.min(categories.len())),
                    _ => other,
                },
                None if self.fill.is_some() => self.fill,
                None if self.required => return Err(crate::data::table::missing_value(op, column, row)),
                None => self.missing.then(|| self.len() - 1),
            };
            if slot.is_none() && self.unseen == Unseen::Error {
                let what = code.map_or("no value".to_string(), |code| format!("`{}`", short(&names[code])));
                let name = short(column);
                let message = format!("column `{name}` has {what} in row {row}, which did not occur when fitting");
                let help = format!("known are {}; Unseen::Zeros allows others", list(categories));
                return Err(Error::argument(op, message).with_help(help));
            }
            slots.push(slot);
        }
        Ok(slots)
    }

    /// The values of a column of the same kind that did not occur when fitting.
    pub(super) fn unseen(&self, from: &Column) -> Vec<String> {
        let known = Known::new(&self.categories, &self.rare);
        let mut names = from.factorize().0;
        names.retain(|name| known.find(name) == Match::Unknown);
        names
    }

    /// The name of a slot, if it is a category of its own.
    pub(super) fn category(&self, slot: usize) -> Option<&str> {
        self.categories.get(slot).map(String::as_str)
    }

    /// A column of these categories, as numbers if they were some.
    pub(super) fn column_of(&self, categories: &[Option<&str>]) -> Column {
        column_of(categories, self.numeric)
    }
}

/// A column of names that are numbers, or are not.
pub(super) fn column_of(names: &[Option<&str>], numeric: bool) -> Column {
    if !numeric {
        return names.iter().copied().collect();
    }
    let numbers: Vec<Option<_>> =
        names.iter().map(|text| text.map(|text| NumberStyle::default().parse(text))).collect();
    match numbers.iter().all(|x| x.is_none_or(|x| x.is_some_and(|x| x.whole.is_some()))) {
        true => numbers.iter().map(|x| x.flatten().and_then(|x| x.whole)).collect(),
        false => numbers.iter().map(|x| x.flatten().map(|x| x.value)).collect(),
    }
}

/// Which categories are so rare that they share a feature.
fn rare_ones(counts: &[usize], rules: &CategoryRules) -> Vec<bool> {
    let mut rare: Vec<bool> = counts.iter().map(|count| *count < rules.min_frequency).collect();
    let kept = rare.iter().filter(|rare| !**rare).count();
    let features = kept + usize::from(kept < counts.len());
    if let Some(limit) = rules.limit.filter(|limit| features > *limit) {
        let mut order: Vec<usize> = (0..counts.len()).collect();
        crate::order::sort_by_key(&mut order, |i| counts[*i] as u64);
        let behind = counts.len().saturating_sub(limit.saturating_sub(1));
        order[..behind].iter().for_each(|i| rare[*i] = true);
    }
    rare
}

/// A given order of categories, in which all that there are must be.
#[track_caller]
fn ordered(op: &'static str, column: &str, names: &[String], order: &[String]) -> Result<Vec<String>> {
    let name = short(column);
    if let Some(i) = (0..order.len()).find(|i| order[..*i].contains(&order[*i])) {
        return Err(Error::argument(op, format!("the order of column `{name}` has `{}` twice", short(&order[i]))));
    }
    let known = Known::new(order, &[]);
    match names.iter().find(|name| !matches!(known.find(name), Match::Category(_))) {
        Some(other) => {
            let message = format!("column `{name}` has `{}`, which its order does not have", short(other));
            Err(Error::argument(op, message).with_help(format!("the order is {}", list(order))))
        }
        None => Ok(order.to_vec()),
    }
}
