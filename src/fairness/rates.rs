//! What happens to each group.

use std::fmt;

use super::Groups;
use crate::data::{Column, Table};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::stats;
use crate::tensor::Tensor;
use crate::train::metrics::{self, Interval};

/// A share of a group's rows: of whom, and what happened to them. "Chosen" is who is predicted to be of the positive class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rate {
    /// Of all, those who are chosen.
    Selection,
    /// Of all, those who are actually positive (base rate).
    Base,
    /// Of the actually positive, those who are chosen (recall, sensitivity).
    TruePositive,
    /// Of the actually negative, those who are chosen.
    FalsePositive,
    /// Of the actually negative, those who are not chosen (specificity).
    TrueNegative,
    /// Of the actually positive, those who are not chosen.
    FalseNegative,
    /// Of the chosen, those who are actually positive (predictive value).
    Precision,
    /// Of all, those of whom the prediction is right.
    Accuracy,
    /// Of all, those of whom the prediction is wrong.
    Error,
}

impl Rate {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Selection,
        Self::Base,
        Self::TruePositive,
        Self::FalsePositive,
        Self::TrueNegative,
        Self::FalseNegative,
        Self::Precision,
        Self::Accuracy,
        Self::Error,
    ];

    /// What it is called: `selection rate`, `true positive rate` …
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Selection => "selection rate",
            Self::Base => "base rate",
            Self::TruePositive => "true positive rate",
            Self::FalsePositive => "false positive rate",
            Self::TrueNegative => "true negative rate",
            Self::FalseNegative => "false negative rate",
            Self::Precision => "precision",
            Self::Accuracy => "accuracy",
            Self::Error => "error rate",
        }
    }

    /// Of whom it is a share.
    const fn whom(self) -> &'static str {
        match self {
            Self::TruePositive | Self::FalseNegative => "actually positive rows",
            Self::FalsePositive | Self::TrueNegative => "actually negative rows",
            Self::Precision => "chosen rows",
            _ => "rows",
        }
    }
}

/// The rows of one group, counted by what was predicted and what was so.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GroupRates {
    /// The group.
    pub name: String,
    /// Chosen, and actually positive.
    pub true_positives: usize,
    /// Chosen, and actually negative.
    pub false_positives: usize,
    /// Not chosen, and actually negative.
    pub true_negatives: usize,
    /// Not chosen, and actually positive.
    pub false_negatives: usize,
    /// The mean score.
    pub mean_score: f64,
    /// How far scores are from what came, in ten bins ([`expected_calibration_error`](metrics::expected_calibration_error)); none
    /// without rows.
    pub calibration_error: Option<f64>,
    /// The level of intervals.
    level: f64,
}

impl GroupRates {
    /// The number of rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.true_positives + self.false_positives + self.true_negatives + self.false_negatives
    }

    /// The rows that a rate counts, and those of which it is a share.
    fn parts(&self, rate: Rate) -> (usize, usize) {
        let Self { true_positives: tp, false_positives: fp, true_negatives: tn, false_negatives: fn_, .. } = *self;
        match rate {
            Rate::Selection => (tp + fp, self.count()),
            Rate::Base => (tp + fn_, self.count()),
            Rate::TruePositive => (tp, tp + fn_),
            Rate::FalsePositive => (fp, fp + tn),
            Rate::TrueNegative => (tn, fp + tn),
            Rate::FalseNegative => (fn_, tp + fn_),
            Rate::Precision => (tp, tp + fp),
            Rate::Accuracy => (tp + tn, self.count()),
            Rate::Error => (fp + fn_, self.count()),
        }
    }

    /// A rate with its interval (Wilson, 1927); none if the group has nobody of whom it could be a share.
    #[must_use]
    pub fn rate(&self, rate: Rate) -> Option<Interval> {
        let (k, n) = self.parts(rate);
        let [low, high] = stats::wilson(k as f64, n as f64, self.level);
        (n > 0).then(|| Interval { value: k as f64 / n as f64, low, high, level: self.level, undefined: 0 })
    }
}

/// What a model does to each [group](Groups), and how much they differ. Prints as a table.
///
/// Definitions are Fairlearn's: a difference is that of the largest and the smallest rate of all groups, a ratio that of the smallest and
/// the largest. Groups that have nobody of whom a rate could be a share (no positives, for the true positive rate) do not
/// count for it; [`notes`](Self::notes) names them.
#[derive(Debug, Clone, PartialEq)]
pub struct Fairness {
    groups: Vec<GroupRates>,
    overall: GroupRates,
}

const OP: &str = "Fairness";

/// Groups of fewer rows are noted.
const FEW: usize = 30;

impl Fairness {
    /// Counts for each group what was predicted and what was so. Scores are probabilities of the positive class, or decisions: `[n]`,
    /// `[n, 1]`, or the second column of `[n, 2]`. Those above 0.5 are chosen. The target is 0 or 1.
    ///
    /// # Errors
    /// If shapes do not fit, a score is not from 0 to 1, or a target is neither 0 nor 1.
    #[track_caller]
    pub fn measure(scores: &Tensor, target: &Tensor, groups: &Groups) -> Result<Self> {
        Self::measure_at(scores, target, groups, 0.5)
    }

    /// The same with another threshold: scores above it are chosen.
    ///
    /// # Errors
    /// As for [`measure`](Self::measure), and if the threshold is NaN.
    #[track_caller]
    pub fn measure_at(scores: &Tensor, target: &Tensor, groups: &Groups, threshold: f64) -> Result<Self> {
        if threshold.is_nan() {
            return Err(Error::argument(OP, "the threshold is NaN"));
        }
        let actual = groups.expect(OP, target)?;
        let scores = super::scores(OP, scores, groups.len())?;
        let of = |name: &str, rows: &[usize]| -> Result<GroupRates> {
            let mut counts = [[0; 2]; 2];
            let (mut p, mut y) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
            for row in rows {
                counts[usize::from(scores[*row] > threshold)][usize::from(actual[*row])] += 1;
                p.push(scores[*row]);
                y.push(f64::from(u8::from(actual[*row])));
            }
            let mean_score = p.iter().sum::<f64>() / p.len() as f64;
            let calibration_error = match p.is_empty() {
                true => None,
                false => Some(metrics::expected_calibration_error(&super::column(p)?, &super::column(y)?, 10)?),
            };
            let [[true_negatives, false_negatives], [false_positives, true_positives]] = counts;
            let name = name.to_string();
            let level = 0.95;
            Ok(GroupRates {
                name,
                true_positives,
                false_positives,
                true_negatives,
                false_negatives,
                mean_score,
                calibration_error,
                level,
            })
        };
        let mut rows = vec![Vec::new(); groups.names().len()];
        groups.codes().iter().enumerate().for_each(|(row, code)| rows[*code].push(row));
        let mut found = Vec::with_capacity(rows.len());
        for (name, rows) in groups.names().iter().zip(&rows).filter(|(_, rows)| !rows.is_empty()) {
            found.push(of(name, rows)?);
        }
        let all: Vec<usize> = (0..groups.len()).collect();
        Ok(Self { groups: found, overall: of("all", &all)? })
    }

    /// The level of the intervals: 0.95, if nothing is said.
    ///
    /// # Errors
    /// If it is not between 0 and 1.
    #[track_caller]
    pub fn level(mut self, level: f64) -> Result<Self> {
        if !(level > 0.0 && level < 1.0) {
            return Err(Error::argument(OP, format!("the level is {level}, expected a number between 0 and 1")));
        }
        self.groups.iter_mut().chain([&mut self.overall]).for_each(|group| group.level = level);
        Ok(self)
    }

    /// The groups that have rows.
    #[must_use]
    pub fn groups(&self) -> &[GroupRates] {
        &self.groups
    }

    /// All rows together.
    #[must_use]
    pub fn overall(&self) -> &GroupRates {
        &self.overall
    }

    /// The smallest and the largest rate of a group.
    #[track_caller]
    fn range(&self, rate: Rate) -> Result<(f64, f64)> {
        let rates = self.groups.iter().filter_map(|group| group.rate(rate)).map(|rate| rate.value);
        let (low, high, n) =
            rates.fold((f64::INFINITY, f64::NEG_INFINITY, 0), |(low, high, n), x| (low.min(x), high.max(x), n + 1));
        if n < 2 {
            let message =
                format!("the {} is not defined: {n} of {} groups with {}", rate.name(), self.groups.len(), rate.whom());
            return Err(Error::argument(OP, message).with_help("two groups at least are needed to compare them"));
        }
        Ok((low, high))
    }

    /// The largest rate of a group minus the smallest one: 0 if all are treated alike.
    ///
    /// # Errors
    /// If it is defined for fewer than two groups.
    #[track_caller]
    pub fn difference(&self, rate: Rate) -> Result<f64> {
        self.range(rate).map(|(low, high)| high - low)
    }

    /// The smallest rate of a group divided by the largest one: 1 if all are treated alike, also where all rates are 0.
    ///
    /// # Errors
    /// If it is defined for fewer than two groups.
    #[track_caller]
    pub fn ratio(&self, rate: Rate) -> Result<f64> {
        self.range(rate).map(|(low, high)| if high == 0.0 { 1.0 } else { low / high })
    }

    /// A [difference](Self::difference) with an interval, from drawing the rows of each group anew (a bootstrap within groups, 1000
    /// times). As a largest distance it is never below 0, and drawings lie above it on the whole: the lower end is that of the
    /// distance of the two groups in question.
    ///
    /// # Errors
    /// If it is defined for fewer than two groups.
    #[track_caller]
    pub fn difference_interval(&self, rate: Rate, seed: u64) -> Result<Interval> {
        let value = self.difference(rate)?;
        let with: Vec<(f64, usize)> =
            self.groups.iter().filter_map(|group| Some((group.rate(rate)?.value, group.parts(rate).1))).collect();
        let pick = |better: fn(f64, f64) -> bool| {
            with.iter().fold(with[0], |best, one| if better(one.0, best.0) { *one } else { best })
        };
        let (low, high) = (pick(|a, b| a < b), pick(|a, b| a > b));
        let mut rng = Rng::seed(seed);
        // Of many rows, their share is normal to more digits than are shown.
        let mut drawn = |(p, n): (f64, usize)| match n {
            n if n <= 1000 => (0..n).filter(|_| rng.bernoulli(p)).count() as f64 / n as f64,
            n => (p + (p * (1.0 - p) / n as f64).sqrt() * rng.normal()).clamp(0.0, 1.0),
        };
        let differences = stats::sorted((0..1000).map(|_| drawn(high) - drawn(low)).collect());
        let level = self.overall.level;
        let end = |share: f64| stats::quantile(&differences, share);
        Ok(Interval { value, low: end(0.5 - level / 2.0).max(0.0), high: end(0.5 + level / 2.0), level, undefined: 0 })
    }

    /// The difference of the selection rates.
    ///
    /// # Errors
    /// If there are fewer than two groups.
    #[track_caller]
    pub fn demographic_parity_difference(&self) -> Result<f64> {
        self.difference(Rate::Selection)
    }

    /// The ratio of the selection rates, also called disparate impact. A rule of thumb of United States authorities takes less than 0.8
    /// for a sign of discrimination (*Uniform guidelines on employee selection procedures*, 1978).
    ///
    /// # Errors
    /// If there are fewer than two groups.
    #[track_caller]
    #[doc(alias = "disparate_impact")]
    pub fn demographic_parity_ratio(&self) -> Result<f64> {
        self.ratio(Rate::Selection)
    }

    /// The selection rate of each group divided by that of a reference group.
    ///
    /// # Errors
    /// If there is no such group, or nobody in it is chosen.
    #[track_caller]
    pub fn disparate_impact(&self, reference: &str) -> Result<Vec<(&str, f64)>> {
        let Some(one) = self.groups.iter().find(|group| group.name == reference) else {
            let names: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).collect();
            let message = format!("there is no group `{}`", crate::error::short(reference));
            return Err(Error::argument(OP, message).with_help(format!("the groups are {}", names.join("; "))));
        };
        let of = |group: &GroupRates| group.rate(Rate::Selection).map_or(0.0, |rate| rate.value);
        if of(one) == 0.0 {
            return Err(Error::argument(
                OP,
                format!("nobody in the group `{reference}` is chosen, so there is no ratio to it"),
            ));
        }
        Ok(self.groups.iter().map(|group| (group.name.as_str(), of(group) / of(one))).collect())
    }

    /// The larger of the differences of true and of false positive rates (Hardt, Price and Srebro, 2016).
    ///
    /// # Errors
    /// If one of them is defined for fewer than two groups.
    #[track_caller]
    pub fn equalized_odds_difference(&self) -> Result<f64> {
        Ok(self.difference(Rate::TruePositive)?.max(self.difference(Rate::FalsePositive)?))
    }

    /// The smaller of the ratios of true and of false positive rates.
    ///
    /// # Errors
    /// If one of them is defined for fewer than two groups.
    #[track_caller]
    pub fn equalized_odds_ratio(&self) -> Result<f64> {
        Ok(self.ratio(Rate::TruePositive)?.min(self.ratio(Rate::FalsePositive)?))
    }

    /// The difference of the true positive rates: of those who deserve it, who gets it.
    ///
    /// # Errors
    /// If it is defined for fewer than two groups.
    #[track_caller]
    pub fn equal_opportunity_difference(&self) -> Result<f64> {
        self.difference(Rate::TruePositive)
    }

    /// The ratio of the true positive rates.
    ///
    /// # Errors
    /// If it is defined for fewer than two groups.
    #[track_caller]
    pub fn equal_opportunity_ratio(&self) -> Result<f64> {
        self.ratio(Rate::TruePositive)
    }

    /// The difference of the precisions: whether being chosen means the same in each group.
    ///
    /// # Errors
    /// If it is defined for fewer than two groups.
    #[track_caller]
    pub fn predictive_parity_difference(&self) -> Result<f64> {
        self.difference(Rate::Precision)
    }

    /// The difference of the largest and the smallest [calibration error](GroupRates::calibration_error) of a group.
    ///
    /// # Errors
    /// If there are fewer than two groups.
    #[track_caller]
    pub fn calibration_difference(&self) -> Result<f64> {
        let errors = self.groups.iter().filter_map(|group| group.calibration_error);
        let (low, high) = errors.fold((f64::INFINITY, 0.0_f64), |(low, high), x| (low.min(x), high.max(x)));
        self.range(Rate::Selection)?;
        Ok(high - low)
    }

    /// What limits these numbers: groups of few rows, and those without anybody of whom a rate could be a share.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.groups.len() == 1 {
            notes.push(format!("`{}` is the only group: there is nothing to compare it with", self.groups[0].name));
        }
        for group in &self.groups {
            let (name, n) = (&group.name, group.count());
            if n < FEW {
                let rows = if n == 1 { "one row only".into() } else { format!("{n} rows only") };
                notes.push(format!("`{name}` has {rows}: its rates may be chance, see their intervals"));
            }
            for (rate, what) in [
                (Rate::TruePositive, "nobody is actually positive, so it has no true positive rate"),
                (Rate::FalsePositive, "nobody is actually negative, so it has no false positive rate"),
                (Rate::Precision, "nobody is chosen, so it has no precision"),
            ] {
                if group.rate(rate).is_none() {
                    notes.push(format!("in `{name}`, {what}"));
                }
            }
        }
        notes
    }

    /// The rates of each group, and of all together, as a table; missing where they are not defined.
    #[must_use]
    pub fn to_table(&self) -> Table {
        let all = || self.groups.iter().chain([&self.overall]);
        let mut columns: Vec<(String, Column)> = vec![
            ("group".into(), all().map(|group| group.name.clone()).collect()),
            ("rows".into(), all().map(|group| group.count() as i64).collect()),
        ];
        let rounded = |x: f64| (x * 1e4).round() / 1e4;
        for rate in Rate::ALL {
            let values = all().map(|group| group.rate(rate).map(|rate| rounded(rate.value)));
            columns.push((rate.name().into(), values.collect()));
        }
        let errors = all().map(|group| group.calibration_error.map(rounded));
        columns.push(("calibration error".into(), errors.collect()));
        Table::from_columns(columns).unwrap_or_default()
    }
}

impl fmt::Display for Fairness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.to_table())?;
        let mut line = |name: &str, value: Result<f64>| match value {
            Ok(value) => writeln!(f, "{name}: {value:.4}"),
            Err(e) => writeln!(f, "{name}: not defined ({})", e.message()),
        };
        line("demographic parity, difference", self.demographic_parity_difference())?;
        line("demographic parity, ratio", self.demographic_parity_ratio())?;
        line("equalized odds, difference", self.equalized_odds_difference())?;
        line("equal opportunity, difference", self.equal_opportunity_difference())?;
        line("predictive parity, difference", self.predictive_parity_difference())?;
        self.notes().iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}
