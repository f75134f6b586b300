//! The rules of preprocessing, before they are fitted.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::feature::{CategoryRules, Feature, Fitted, NumberRules};
use super::looks::{self, Misfit};
use super::target::Target;
use super::{Impute, Preprocessor, Scaling, Unseen};
use crate::data::column::{Column, ColumnKind};
use crate::data::table::Table;
use crate::error::{Error, Result, short};

const OP: &str = "fit";

/// Rules for a [`Preprocessor`]; [`fit`](Self::fit) learns the rest from the training part.
///
/// ```
/// use demotic::data::{Column, Impute, Preprocessor, Scaling, Table};
///
/// let train = Table::from_columns([
///     ("id", Column::from([1.0, 2.0, 3.0])),
///     ("area", Column::from([100.0, f64::NAN, 140.0])),
///     ("rooms", Column::from([3.0, 4.0, 3.0])),
///     ("price", Column::from([200.0, 250.0, 300.0])),
/// ])?;
/// let prep = Preprocessor::regression("price")
///     .ignore(&["id"])
///     .categorical(&["rooms"])
///     .scaling(Scaling::MinMax)
///     .impute(Impute::Mean)
///     .missing_indicators(true)
///     .fit(&train)?;
/// assert_eq!(prep.feature_names(), ["area", "area=(missing)", "rooms=3", "rooms=4"]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[must_use = "rules do nothing until they are fitted"]
pub struct PreprocessorBuilder {
    target: Option<(String, Option<Task>)>,
    ignore: Vec<String>,
    categorical: Vec<String>,
    scaling: Scaling,
    scaling_of: Vec<(String, Scaling)>,
    impute: Impute,
    impute_of: Vec<(String, Impute)>,
    missing_indicators: bool,
    unseen: Unseen,
    drop_first: bool,
    max_categories: usize,
    target_scaling: Scaling,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Task {
    Regression,
    Classification,
}

/// The default rules, with no target.
impl Default for PreprocessorBuilder {
    fn default() -> Self {
        Self::new(None)
    }
}

impl PreprocessorBuilder {
    fn new(target: Option<(&str, Option<Task>)>) -> Self {
        Self {
            target: target.map(|(name, task)| (name.to_string(), task)),
            ignore: Vec::new(),
            categorical: Vec::new(),
            scaling: Scaling::Standard,
            scaling_of: Vec::new(),
            impute: Impute::Median,
            impute_of: Vec::new(),
            missing_indicators: false,
            unseen: Unseen::Zeros,
            drop_first: false,
            max_categories: 256,
            target_scaling: Scaling::Standard,
        }
    }

    pub(super) fn without_target() -> Self {
        Self::new(None)
    }

    pub(super) fn with_any_target(name: &str) -> Self {
        Self::new(Some((name, None)))
    }

    pub(super) fn with_number(name: &str) -> Self {
        Self::new(Some((name, Some(Task::Regression))))
    }

    pub(super) fn with_class(name: &str) -> Self {
        Self::new(Some((name, Some(Task::Classification))))
    }

    /// Columns that are not features, such as row numbers.
    pub fn ignore<N: AsRef<str>>(mut self, columns: &[N]) -> Self {
        self.ignore.extend(columns.iter().map(|name| name.as_ref().to_string()));
        self
    }

    /// Columns of numbers that stand for categories, such as the number of a district; and of texts that are categories
    /// although they look like numbers, dates or numbers with a unit, which are an error otherwise if there are many.
    pub fn categorical<N: AsRef<str>>(mut self, columns: &[N]) -> Self {
        self.categorical.extend(columns.iter().map(|name| name.as_ref().to_string()));
        self
    }

    /// How numbers are scaled, [`Scaling::Standard`] by default.
    pub fn scaling(mut self, scaling: Scaling) -> Self {
        self.scaling = scaling;
        self
    }

    /// How the numbers of one column are scaled.
    pub fn scaling_of(mut self, column: &str, scaling: Scaling) -> Self {
        self.scaling_of.push((column.to_string(), scaling));
        self
    }

    /// What takes the place of missing numbers, [`Impute::Median`] by default. Scaling is fitted to the numbers that
    /// are present.
    pub fn impute(mut self, impute: Impute) -> Self {
        self.impute = impute;
        self
    }

    /// What takes the place of missing numbers in one column.
    pub fn impute_of(mut self, column: &str, impute: Impute) -> Self {
        self.impute_of.push((column.to_string(), impute));
        self
    }

    /// Whether each column of numbers of which some are missing in the training part gets a second feature: 1 where the
    /// number is missing, 0 where it is not. Off by default.
    pub fn missing_indicators(mut self, on: bool) -> Self {
        self.missing_indicators = on;
        self
    }

    /// What becomes of categories that the training part does not have, [`Unseen::Zeros`] by default.
    pub fn unseen(mut self, unseen: Unseen) -> Self {
        self.unseen = unseen;
        self
    }

    /// Whether the first category of each column gets no feature of its own. The features of a column then no longer add
    /// up to 1, which a linear model without a penalty needs. Off by default. An unseen category looks like the first.
    pub fn drop_first(mut self, on: bool) -> Self {
        self.drop_first = on;
        self
    }

    /// The largest number of categories in a column, or of classes, 256 by default. It catches columns that are not
    /// categories at all: names, dates, numbers with a stray text among them.
    pub fn max_categories(mut self, n: usize) -> Self {
        self.max_categories = n;
        self
    }

    /// How the target of a regression is scaled, [`Scaling::Standard`] by default: the losses that training
    /// shows are then in standard deviations, and [`Preprocessor::inverse_target`] brings predictions back.
    pub fn target_scaling(mut self, scaling: Scaling) -> Self {
        self.target_scaling = scaling;
        self
    }

    /// Learns means, categories and all else from the training part.
    ///
    /// # Errors
    /// As for [`Preprocessor::fit`], and if a rule names a column that is not a feature or does not suit its kind.
    #[track_caller]
    pub fn fit(&self, train: &Table) -> Result<Preprocessor> {
        if train.num_rows() == 0 {
            return Err(Error::argument(OP, "the training part has no rows"));
        }
        self.check_names(train)?;
        let target = match &self.target {
            Some((name, task)) => Some(self.fit_target(name, *task, train.find(OP, name)?)?),
            None => None,
        };
        let ignored: HashSet<&str> =
            self.ignore.iter().chain(self.target.iter().map(|(name, _)| name)).map(String::as_str).collect();
        let mut features = Vec::with_capacity(train.num_columns());
        let mut misfits: Vec<Misfit> = Vec::new();
        let mut notes = Vec::new();
        for (name, column) in train.columns().filter(|(name, _)| !ignored.contains(name)) {
            if !self.categorical.iter().any(|own| own == name) {
                notes.extend(looks::like_row_numbers(name, column));
            }
            match self.fit_feature(name, column)? {
                Fitted::Feature(feature) => features.push(feature),
                Fitted::Misfit(misfit) => misfits.push(misfit),
            }
        }
        if !misfits.is_empty() {
            return Err(looks::all(OP, misfits));
        }
        if features.is_empty() {
            return Err(Error::argument(OP, "no columns are left as features"));
        }
        Ok(Preprocessor { features, target, notes })
    }

    #[track_caller]
    fn fit_target(&self, name: &str, task: Option<Task>, column: &Column) -> Result<Target> {
        match (task, column.kind()) {
            (Some(Task::Regression), _) | (None, ColumnKind::Number) => {
                Target::fit_number(OP, name, column, self.target_scaling)
            }
            _ => Target::fit_class(OP, name, column, self.max_categories, task.is_some()),
        }
    }

    #[track_caller]
    fn fit_feature(&self, name: &str, column: &Column) -> Result<Fitted> {
        let chosen = self.categorical.iter().any(|own| own == name);
        match column.kind() {
            ColumnKind::Number if !chosen => {
                let rules = NumberRules {
                    scaling: last(&self.scaling_of, name).unwrap_or(self.scaling),
                    impute: last(&self.impute_of, name).unwrap_or(self.impute),
                    indicator: self.missing_indicators,
                };
                Ok(Fitted::Feature(Feature::fit_numbers(OP, name, column, rules)?))
            }
            _ => {
                let rules = CategoryRules {
                    unseen: self.unseen,
                    drop_first: self.drop_first,
                    max_categories: self.max_categories,
                    chosen,
                };
                Feature::fit_categories(OP, name, column, rules)
            }
        }
    }

    /// Every column that a rule names must be one that the rule applies to.
    #[track_caller]
    fn check_names(&self, train: &Table) -> Result<()> {
        for name in self.ignore.iter().chain(&self.categorical) {
            train.find(OP, name)?;
        }
        let numeric = self.scaling_of.iter().map(|(name, _)| name).chain(self.impute_of.iter().map(|(name, _)| name));
        for name in numeric {
            if train.find(OP, name)?.kind() != ColumnKind::Number || self.categorical.contains(name) {
                let message = format!("column `{}` has categories, which are neither scaled nor imputed", short(name));
                return Err(Error::argument(OP, message));
            }
        }
        let is_target = |name: &&String| self.target.as_ref().is_some_and(|(target, _)| target == *name);
        let rules = self.ignore.iter().chain(&self.categorical);
        let rules = rules
            .chain(self.scaling_of.iter().map(|(name, _)| name))
            .chain(self.impute_of.iter().map(|(name, _)| name));
        match rules.into_iter().find(is_target) {
            Some(name) => {
                let e = Error::argument(OP, format!("`{}` is the target, a rule names it as a feature", short(name)));
                Err(e.with_help("target_scaling() scales the target"))
            }
            None => Ok(()),
        }
    }
}

/// The rule that was given last for a column.
fn last<T: Copy>(rules: &[(String, T)], name: &str) -> Option<T> {
    rules.iter().rev().find(|(own, _)| own == name).map(|(_, rule)| *rule)
}
