//! From rules and a training part to a preprocessor.

use std::collections::HashSet;

use super::builder::Task;
use super::categories::CategoryRules;
use super::encoder::Supervision;
use super::feature::{Feature, Fitted, NumberRules};
use super::labels::Labels;
use super::looks::{self, Misfit};
use super::target::{Classes, Target};
use super::{Encoding, Preprocessor, PreprocessorBuilder};
use crate::data::column::{Column, ColumnKind};
use crate::data::table::Table;
use crate::error::{Error, Result, short};

impl PreprocessorBuilder {
    /// Learns means, categories and all else from the training part.
    ///
    /// # Errors
    /// As for [`Preprocessor::fit`], and if a rule names a column that is not a feature or does not suit its kind.
    #[track_caller]
    pub fn fit(&self, train: &Table) -> Result<Preprocessor> {
        self.fit_for("fit", train)
    }

    #[track_caller]
    pub(super) fn fit_for(&self, op: &'static str, train: &Table) -> Result<Preprocessor> {
        if train.num_rows() == 0 {
            return Err(Error::argument(op, "the training part has no rows"));
        }
        self.check_names(op, train)?;
        let target = match &self.target {
            Some((name, task)) => Some(self.fit_target(op, name, *task, train)?),
            None => None,
        };
        let by_target = |encoding: &Encoding| matches!(encoding, Encoding::Target(_));
        let needs_target = by_target(&self.encode) || self.encode_of.iter().any(|(_, encoding)| by_target(encoding));
        let supervision = match &target {
            Some(target) if needs_target => Some(target.supervision(op, train)?),
            _ => None,
        };
        let targets = target.as_ref().map(Target::columns).unwrap_or_default();
        let ignored: HashSet<&str> = self.ignore.iter().map(String::as_str).chain(targets).collect();
        let mut features = Vec::with_capacity(train.num_columns());
        let mut misfits: Vec<Misfit> = Vec::new();
        let mut notes = target.as_ref().map(|target| target.notes(train)).unwrap_or_default();
        for (name, column) in train.columns().filter(|(name, _)| !ignored.contains(name)) {
            if !self.is_categorical(name, column) {
                notes.extend(looks::like_row_numbers(name, column));
            }
            notes.extend(column.notes(name));
            match self.fit_feature(op, name, column, supervision.as_ref())? {
                Fitted::Feature(feature) => {
                    if matches!(&feature, Feature::Encoded { codes, .. } if codes.needs_folds()) {
                        let name = short(name);
                        notes.push(format!(
                            "`{name}` is encoded by the target of the same rows: fit_transform() makes the features of the training \
                             part from other rows"
                        ));
                    }
                    features.push(feature);
                }
                Fitted::Misfit(misfit) => misfits.push(misfit),
            }
        }
        if !misfits.is_empty() {
            return Err(looks::all(op, misfits));
        }
        if features.is_empty() {
            return Err(Error::argument(op, "no columns are left as features"));
        }
        Ok(Preprocessor { features, target, notes, ignored: Some(self.ignore.clone()) })
    }

    #[track_caller]
    fn fit_target(&self, op: &'static str, name: &str, task: Option<Task>, train: &Table) -> Result<Target> {
        if task == Some(Task::Labels) {
            return Ok(Target::Labels(Labels::fit_columns(op, &self.labels, train)?));
        }
        let column = train.find(op, name)?;
        match (task, column.kind()) {
            (Some(Task::LabelLists), _) => {
                let separator = self.separator.as_deref().unwrap_or_default();
                let labels = Labels::fit_lists(op, name, separator, column, self.max_categories, self.unseen)?;
                Ok(Target::Labels(labels))
            }
            (Some(Task::Binary), _) => {
                let classes = Classes::fit(op, name, column, self.max_categories, true)?;
                Ok(Target::Binary(classes.binary(op, self.positive.as_deref())?))
            }
            (Some(Task::Regression), _) | (None, ColumnKind::Number) => {
                Target::fit_number(op, name, column, self.target_scaling)
            }
            _ => Ok(Target::Class(Classes::fit(op, name, column, self.max_categories, task.is_some())?)),
        }
    }

    /// Whether the values of a column are categories.
    fn is_categorical(&self, name: &str, column: &Column) -> bool {
        column.kind() == ColumnKind::Text
            || self.categorical.iter().any(|own| own == name)
            || self.encode_of.iter().any(|(own, _)| own == name)
    }

    #[track_caller]
    fn fit_feature(
        &self,
        op: &'static str,
        name: &str,
        column: &Column,
        supervision: Option<&Supervision>,
    ) -> Result<Fitted> {
        let scaling = *last(&self.scaling_of, name).unwrap_or(&self.scaling);
        let indicator = *last(&self.missing_indicator_of, name).unwrap_or(&self.missing_indicators);
        if !self.is_categorical(name, column) {
            let rules = NumberRules {
                scaling,
                impute: *last(&self.impute_of, name).unwrap_or(&self.impute),
                indicator,
                outliers: *last(&self.outliers_of, name).unwrap_or(&self.outliers),
            };
            return Ok(Fitted::Feature(Feature::fit_numbers(op, name, column, rules)?));
        }
        let own = last(&self.encode_of, name);
        let encoding = *own.unwrap_or(&self.encode);
        let one_hot = encoding == Encoding::OneHot;
        let limit = last(&self.limit_categories_of, name).copied().or(self.limit_categories);
        let rules = CategoryRules {
            unseen: *last(&self.unseen_of, name).unwrap_or(&self.unseen),
            drop_first: self.drop_first && one_hot,
            max_categories: if one_hot { self.max_categories } else { usize::MAX },
            limit: limit.filter(|_| one_hot),
            min_frequency: if one_hot { self.min_frequency } else { 0 },
            missing: last(&self.missing_category_of, name).unwrap_or(&self.missing_category).clone(),
            indicator,
            order: last(&self.order_of, name).cloned(),
            chosen: own.is_some() || self.categorical.iter().any(|own| own == name),
        };
        Feature::fit_categories(op, name, column, &rules, encoding, scaling, supervision)
    }

    /// Every column that a rule names must be one that the rule applies to.
    #[track_caller]
    fn check_names(&self, op: &'static str, train: &Table) -> Result<()> {
        fn of<T>(rules: &[(String, T)]) -> impl Iterator<Item = &String> {
            rules.iter().map(|(name, _)| name)
        }
        let numeric = || of(&self.scaling_of).chain(of(&self.impute_of)).chain(of(&self.outliers_of));
        let categorical =
            || of(&self.missing_category_of).chain(of(&self.unseen_of)).chain(of(&self.limit_categories_of));
        let any = || {
            self.ignore.iter().chain(&self.categorical).chain(of(&self.encode_of)).chain(of(&self.missing_indicator_of))
        };
        for name in any() {
            train.find(op, name)?;
        }
        for name in numeric() {
            let has_categories = self.is_categorical(name, train.find(op, name)?);
            let becomes_numbers = !matches!(
                last(&self.encode_of, name).unwrap_or(&self.encode),
                Encoding::OneHot | Encoding::Hashing { .. }
            );
            let is_scaled = becomes_numbers && !of(&self.impute_of).chain(of(&self.outliers_of)).any(|own| own == name);
            if has_categories && !is_scaled {
                let message = format!("column `{}` has categories, which are neither scaled nor imputed", short(name));
                return Err(Error::argument(op, message));
            }
        }
        for name in categorical() {
            if !self.is_categorical(name, train.find(op, name)?) {
                let name = short(name);
                let message = format!("column `{name}` has numbers, and a rule for categories names it");
                let help = format!("categorical(&[\"{name}\"]) makes categories of its numbers");
                return Err(Error::argument(op, message).with_help(help));
            }
        }
        let is_target = |name: &&String| {
            self.target.as_ref().is_some_and(|(target, _)| target == *name) || self.labels.contains(name)
        };
        match any().chain(numeric()).chain(categorical()).find(is_target) {
            Some(name) => {
                let e = Error::argument(op, format!("`{}` is the target, a rule names it as a feature", short(name)));
                Err(e.with_help(
                    "the target is no feature in any case: leave it out of the rule; target_scaling() scales it",
                ))
            }
            None => Ok(()),
        }
    }
}

/// The rule that was given last for a column.
fn last<'r, T>(rules: &'r [(String, T)], name: &str) -> Option<&'r T> {
    rules.iter().rev().find(|(own, _)| own == name).map(|(_, rule)| rule)
}
