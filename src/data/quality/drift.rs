//! Whether two tables are of the same kind.

use std::fmt;

use super::columns::percent;
use super::{Finding, Problem, Severity};
use crate::data::{Column, ColumnKind, Table, Value};
use crate::error::{Error, Result, short};
use crate::rng::Rng;
use crate::stats;

/// How one column differs between two tables.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ColumnDrift {
    /// The column.
    pub column: String,
    /// For numbers the largest distance of the distributions (Kolmogorov and Smirnov), for texts χ² of the frequencies.
    pub statistic: f64,
    /// How likely chance alone makes so large a statistic: of χ² and of many numbers in the limit of many rows, of fewer numbers exactly.
    pub p_value: f64,
    /// The population stability index `Σ (q − p) · ln(q / p)` over tenths of the first table, or its categories; shares below 0.0001 count
    /// as that. From 0.1 on it is usually taken for a shift, from 0.25 on for a large one.
    pub stability: f64,
    /// Whether the statistic is χ².
    pub is_text: bool,
    /// The share of missing values in both tables.
    pub missing: [f64; 2],
}

/// How two tables differ: column by column, and as a whole. Prints as a table.
///
/// ```
/// use demotic::data::quality::Drift;
/// use demotic::data::{Column, Table};
/// use demotic::Rng;
///
/// let mut rng = Rng::seed(0);
/// let mut people = |age: f64| {
///     let ages: Vec<f64> = (0..200).map(|_| age + 10.0 * rng.normal()).collect();
///     Table::from_columns([("age", Column::from(ages))])
/// };
/// let (then, now) = (people(40.0)?, people(48.0)?);
/// let drift = Drift::between(&then, &now, 0)?;
/// assert!(drift.columns[0].p_value < 1e-6 && drift.columns[0].stability > 0.25);
/// println!("{drift}");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Drift {
    /// The columns that both tables have, in the first one's order.
    pub columns: Vec<ColumnDrift>,
    /// The maximum mean discrepancy of whole rows (Gretton et al., 2012): the unbiased estimate of its square, with a Gaussian kernel as wide
    /// as the median distance. Of at most 250 rows of each table.
    pub discrepancy: f64,
    /// How likely chance makes it so large, from 200 permutations of the rows.
    pub discrepancy_p_value: f64,
    /// How well a logistic regression, trained on four fifths, tells in the last fifth which table a row is of (area under the ROC curve):
    /// 0.5 if the tables are alike. Of at most 2000 rows of each.
    pub told_apart: f64,
    /// How likely chance makes it so large.
    pub told_apart_p_value: f64,
}

const OP: &str = "Drift";
const DISCREPANCY_ROWS: usize = 250;
const CLASSIFIER_ROWS: usize = 2000;
const PERMUTATIONS: usize = 200;
/// Texts of more different values are none of the features that rows are compared by.
const CATEGORIES: usize = 30;
const FEATURES: usize = 300;
const LEAST_SHARE: f64 = 1e-4;

impl Drift {
    /// Compares a table with an earlier one, in the columns that both have.
    ///
    /// # Errors
    /// If they have no column in common, a column holds numbers in one and texts in the other, or a table has fewer than ten rows.
    #[track_caller]
    pub fn between(before: &Table, now: &Table, seed: u64) -> Result<Self> {
        if before.num_rows() < 10 || now.num_rows() < 10 {
            let message = format!("tables of {} and {} rows, expected ten at least", before.num_rows(), now.num_rows());
            return Err(Error::argument(OP, message));
        }
        let others = now.by_name();
        let mut pairs: Vec<(&str, &Column, &Column)> = Vec::new();
        for (name, first) in before.columns() {
            let Some(second) = others.get(name) else { continue };
            let empty = |column: &Column| column.num_missing() == column.len();
            if first.kind() != second.kind() && !empty(first) && !empty(second) {
                let message = format!(
                    "`{}` is a {} in the first table and a {} in the second",
                    short(name),
                    first.kind(),
                    second.kind()
                );
                return Err(Error::argument(OP, message).with_help("Table::cast makes one of the other"));
            }
            if first.kind() == second.kind() {
                pairs.push((name, first, second));
            }
        }
        if pairs.is_empty() {
            return Err(Error::argument(OP, "the tables have no column in common"));
        }
        let columns = pairs.iter().map(|(name, first, second)| of_column(name, first, second)).collect();
        let rows = |table: &Table, most: usize| -> Vec<usize> {
            let n = table.num_rows();
            // Spread over the whole table.
            (0..n.min(most)).map(|i| i * n / n.min(most)).collect()
        };
        let some = |most: usize| encoded(&pairs, &rows(before, most), &rows(now, most));
        let (few, width, first) = some(DISCREPANCY_ROWS);
        let [discrepancy, discrepancy_p_value] = discrepancy(&few, width, first, seed);
        let (many, width, first) = some(CLASSIFIER_ROWS);
        let [told_apart, told_apart_p_value] = told_apart(&many, width, first)?;
        Ok(Self { columns, discrepancy, discrepancy_p_value, told_apart, told_apart_p_value })
    }

    /// The columns that changed, and the whole if it did, as findings: at a chance of 0.001 for each, and only where the change is
    /// large enough to matter (a stability index of 0.1, or 0.6 told apart).
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for column in &self.columns {
            let [before, now] = column.missing;
            let moved = column.p_value < 0.001 && column.stability >= 0.1;
            if !moved && (before - now).abs() < 0.05 {
                continue;
            }
            let severity = if column.stability >= 0.25 { Severity::Serious } else { Severity::Warning };
            let shown = short(&column.column);
            let message = match moved {
                true => format!(
                    "`{shown}` is distributed otherwise than before (stability index {:.2}, p = {:.1e})",
                    column.stability, column.p_value
                ),
                false => {
                    format!("`{shown}` is missing in {} of the rows, and was in {}", percent(now), percent(before))
                }
            };
            let advice = "find out what changed; measure the model on the new rows, and train it anew if it got worse";
            found.push(
                Finding::new(Problem::Drift, severity, column.stability, message, advice)
                    .of(&column.column, Vec::new()),
            );
        }
        if self.told_apart >= 0.6 && self.told_apart_p_value < 0.001 {
            let message =
                format!("rows of the two tables can be told apart (area under the ROC curve {:.2})", self.told_apart);
            let advice = "what the model was tested on is not what it meets: weigh or collect rows like the new ones";
            found.push(Finding::new(Problem::Drift, Severity::Warning, self.told_apart, message, advice));
        }
        found
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for column in &self.columns {
            let (name, test) = (short(&column.column), if column.is_text { "χ²" } else { "KS" });
            let ColumnDrift { statistic, p_value, stability, .. } = column;
            writeln!(f, "{name}: {test} {statistic:.4}, p = {p_value:.2e}, stability index {stability:.4}")?;
        }
        writeln!(f, "rows: discrepancy {:.5}, p = {:.3}", self.discrepancy, self.discrepancy_p_value)?;
        write!(f, "rows: told apart {:.4}, p = {:.2e}", self.told_apart, self.told_apart_p_value)
    }
}

fn of_column(name: &str, first: &Column, second: &Column) -> ColumnDrift {
    let missing = [first, second].map(|column| column.num_missing() as f64 / column.len() as f64);
    let is_text = first.kind() == ColumnKind::Text;
    let (statistic, p_value, stability) =
        if is_text { frequencies(first, second) } else { distributions(first, second) };
    ColumnDrift { column: name.to_string(), statistic, p_value, stability, is_text, missing }
}

/// `Σ (q − p) · ln(q / p)` of counts.
fn stability(counts: &[[f64; 2]]) -> f64 {
    let total = |of: usize| counts.iter().map(|count| count[of]).sum::<f64>();
    let totals = [total(0), total(1)];
    let share = |count: &[f64; 2], of: usize| (count[of] / totals[of]).max(LEAST_SHARE);
    counts.iter().map(|count| (share(count, 1) - share(count, 0)) * (share(count, 1) / share(count, 0)).ln()).sum()
}

fn distributions(first: &Column, second: &Column) -> (f64, f64, f64) {
    let sorted = |column: &Column| {
        stats::sorted(column.numbers().unwrap_or_default().iter().copied().filter(|x| !x.is_nan()).collect())
    };
    let (a, b) = (sorted(first), sorted(second));
    if a.is_empty() || b.is_empty() {
        return (f64::from(u8::from(a.is_empty() != b.is_empty())), 1.0, 0.0);
    }
    let below = |sorted: &[f64], x: f64| sorted.partition_point(|y| *y <= x) as f64 / sorted.len() as f64;
    let distance = a.iter().chain(&b).map(|x| (below(&a, *x) - below(&b, *x)).abs()).fold(0.0, f64::max);
    let p_value = stats::kolmogorov_smirnov(a.len(), b.len(), distance);
    let mut borders: Vec<f64> = (1..10).map(|i| stats::quantile(&a, f64::from(i) / 10.0)).collect();
    borders.dedup();
    let mut counts = vec![[0.0; 2]; borders.len() + 1];
    for (of, sorted) in [&a, &b].into_iter().enumerate() {
        sorted.iter().for_each(|x| counts[borders.partition_point(|border| *border < *x)][of] += 1.0);
    }
    (distance, p_value, stability(&counts))
}

fn frequencies(first: &Column, second: &Column) -> (f64, f64, f64) {
    let mut counts: std::collections::BTreeMap<&str, [f64; 2]> = std::collections::BTreeMap::new();
    for (of, column) in [first, second].into_iter().enumerate() {
        for text in column.texts().into_iter().flatten().flatten() {
            counts.entry(text).or_default()[of] += 1.0;
        }
    }
    let counts: Vec<[f64; 2]> = counts.into_values().collect();
    let totals = [0, 1].map(|of: usize| counts.iter().map(|count| count[of]).sum::<f64>());
    if totals[0] == 0.0 || totals[1] == 0.0 || counts.len() < 2 {
        return (0.0, 1.0, 0.0);
    }
    let all = totals[0] + totals[1];
    let square = |count: &[f64; 2], of: usize| {
        let expected = (count[0] + count[1]) * totals[of] / all;
        (count[of] - expected).powi(2) / expected
    };
    let statistic: f64 = counts.iter().map(|count| square(count, 0) + square(count, 1)).sum();
    (statistic, stats::chi_square_tail(statistic, (counts.len() - 1) as f64), stability(&counts))
}

/// Rows of both tables as numbers, those of the first one first: numbers in deviations of both together, texts as zeros and ones. With
/// them their width, and how many are of the first table.
fn encoded(pairs: &[(&str, &Column, &Column)], first: &[usize], second: &[usize]) -> (Vec<f64>, usize, usize) {
    let n = first.len() + second.len();
    let mut features: Vec<Vec<f64>> = Vec::new();
    for (_, a, b) in pairs {
        let values = || first.iter().map(|row| a.get(*row)).chain(second.iter().map(|row| b.get(*row)));
        if a.kind() == ColumnKind::Number {
            let numbers: Vec<f64> = values()
                .map(|value| value.and_then(|value| value.number()).filter(|x| x.is_finite()).unwrap_or(f64::NAN))
                .collect();
            let (mean, deviation) = stats::moments(numbers.iter().copied().filter(|x| !x.is_nan()));
            if deviation > 0.0 && deviation.is_finite() {
                features.push(numbers.iter().map(|x| if x.is_nan() { 0.0 } else { (x - mean) / deviation }).collect());
            }
            continue;
        }
        let text = |value: Option<Value<'_>>| value.and_then(|value| value.text().map(str::to_string));
        let texts: Vec<Option<String>> = values().map(text).collect();
        let mut names: Vec<&String> = texts.iter().flatten().collect();
        crate::order::sort_by(&mut names, Ord::cmp);
        names.dedup();
        if (2..=CATEGORIES).contains(&names.len()) {
            features.extend(names.iter().map(|name| {
                texts.iter().map(|text| f64::from(u8::from(text.as_ref() == Some(name)))).collect::<Vec<f64>>()
            }));
        }
    }
    features.truncate(FEATURES);
    let width = features.len();
    let rows = (0..n).flat_map(|row| features.iter().map(move |feature| feature[row])).collect();
    (rows, width, first.len())
}

/// The unbiased square of the maximum mean discrepancy, and how likely a permutation has one as large.
fn discrepancy(rows: &[f64], width: usize, first: usize, seed: u64) -> [f64; 2] {
    if width == 0 {
        return [0.0, 1.0];
    }
    let n = rows.len() / width;
    let row = |i: usize| &rows[i * width..(i + 1) * width];
    let mut kernel = vec![0.0; n * n];
    let mut distances = Vec::with_capacity(n * (n - 1) / 2);
    for i in 0..n {
        for j in 0..i {
            let square: f64 = row(i).iter().zip(row(j)).map(|(a, b)| (a - b) * (a - b)).sum();
            (kernel[i * n + j], kernel[j * n + i]) = (square, square);
            distances.push(square);
        }
    }
    // Twice the square of the median distance.
    let scale = 2.0 * stats::quantile(&stats::sorted(distances), 0.5);
    if scale.is_nan() || scale <= 0.0 {
        return [0.0, 1.0];
    }
    kernel.iter_mut().for_each(|square| *square = (-*square / scale).exp());
    let second = n - first;
    let of = |is_first: &[bool]| {
        let mut sums = [0.0; 3];
        for i in 0..n {
            for j in 0..i {
                sums[usize::from(is_first[i]) + usize::from(is_first[j])] += kernel[i * n + j];
            }
        }
        let pairs = |k: usize| (k * (k - 1)) as f64 / 2.0;
        sums[2] / pairs(first) + sums[0] / pairs(second) - 2.0 * sums[1] / (first * second) as f64
    };
    let mut is_first: Vec<bool> = (0..n).map(|i| i < first).collect();
    let value = of(&is_first);
    let mut rng = Rng::seed(seed);
    let mut larger = 1;
    for _ in 0..PERMUTATIONS {
        rng.shuffle(&mut is_first);
        larger += usize::from(of(&is_first) >= value);
    }
    [value, larger as f64 / (PERMUTATIONS + 1) as f64]
}

/// How well a classifier tells rows of the two tables apart, and how likely chance does as well (Mann and Whitney).
#[track_caller]
fn told_apart(rows: &[f64], width: usize, first: usize) -> Result<[f64; 2]> {
    const FOLDS: usize = 5;
    if width == 0 {
        return Ok([0.5, 1.0]);
    }
    let n = rows.len() / width;
    let mut scores = vec![0.0; n];
    // Each table's rows in turns, so that a fold has its share of both.
    let fold = |i: usize| if i < first { i % FOLDS } else { (i - first) % FOLDS };
    for held in 0..FOLDS {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for i in (0..n).filter(|i| fold(*i) != held) {
            x.extend_from_slice(&rows[i * width..(i + 1) * width]);
            y.push(f64::from(u8::from(i >= first)));
        }
        let model = stats::logistic(OP, &x, width, &y, None, 1.0)?;
        (0..n).filter(|i| fold(*i) == held).for_each(|i| scores[i] = model.logit(&rows[i * width..(i + 1) * width]));
    }
    let before = stats::sorted(scores[..first].to_vec());
    let rank = |x: &f64| (before.partition_point(|y| y < x) + before.partition_point(|y| y <= x)) as f64 / 2.0;
    let (a, b) = (first as f64, (n - first) as f64);
    let area = scores[first..].iter().map(rank).sum::<f64>() / (a * b);
    let z = (area - 0.5) / ((a + b + 1.0) / (12.0 * a * b)).sqrt();
    Ok([area, stats::normal::cdf(-z)])
}
