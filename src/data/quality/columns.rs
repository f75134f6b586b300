//! What is wrong with columns.

use super::{Finding, Problem, Severity};
use crate::data::{Column, ColumnKind, Table, Value};
use crate::error::short;
use crate::stats;

/// A share in per cent.
pub(super) fn percent(share: f64) -> String {
    let digits = if share < 0.1 { 1 } else { 0 };
    format!("{:.digits$} %", 100.0 * share)
}

fn rows_where(column: &Column, holds: impl Fn(Value<'_>) -> bool) -> Vec<usize> {
    column.iter().enumerate().filter(|(_, value)| holds(*value)).map(|(row, _)| row).collect()
}

pub(super) fn missing(table: &Table, target: Option<&str>, found: &mut Vec<Finding>) {
    for (name, column) in table.columns() {
        let rows = rows_where(column, |value| value.is_missing());
        if rows.is_empty() {
            continue;
        }
        let share = rows.len() as f64 / column.len() as f64;
        let (severity, advice) = match (target == Some(name), share) {
            (true, _) => (Severity::Serious, "leave these rows out: nothing can be learnt from a row without a target"),
            (_, s) if s > 0.5 => (Severity::Serious, "leave the column out, or find out why it is mostly empty"),
            (_, s) if s > 0.05 => (
                Severity::Warning,
                "find out why they are missing; mark them with missing_indicators(true), which may tell more than a guess",
            ),
            _ => (
                Severity::Note,
                "the median is put in their place, or a category of their own; see Impute for other rules",
            ),
        };
        let message =
            format!("`{}` has no value in {} of {} rows ({})", short(name), rows.len(), column.len(), percent(share));
        found.push(Finding::new(Problem::Missing, severity, share, message, advice).of(name, rows));
    }
}

pub(super) fn constant(table: &Table, found: &mut Vec<Finding>) {
    for (name, column) in table.columns() {
        let (values, codes) = column.factorize();
        let present = codes.iter().flatten().count();
        let shown = short(name);
        let message = match values.as_slice() {
            [] => format!("`{shown}` has no values at all"),
            // Where values are missing in some rows and not in others, that may tell something.
            [only] if present > 1 && (present - 1) * 20 >= (codes.len() - 1) * 19 => {
                format!("`{shown}` is `{}` in every row that has a value", short(only))
            }
            _ => continue,
        };
        let advice = "leave the column out: it tells nothing, and a value that comes later would be new to the model";
        found.push(Finding::new(Problem::Constant, Severity::Warning, 1.0, message, advice).of(name, Vec::new()));
    }
}

/// The robust distance from the median beyond which a number is an outlier.
const FAR: f64 = 5.0;
/// The same in ordinary deviations, where half of the numbers are the same.
const FAR_FROM_MEAN: f64 = 8.0;

pub(super) fn outliers(table: &Table, target: Option<&str>, found: &mut Vec<Finding>) {
    for (name, column) in table.columns() {
        let Some(numbers) = column.numbers() else { continue };
        let finite: Vec<f64> = stats::sorted(numbers.iter().copied().filter(|x| x.is_finite()).collect());
        let different = finite.windows(2).filter(|two| two[0] != two[1]).count() + 1;
        // Of ids and of a few codes, none is far from the others.
        if finite.len() < 10 || different < 8 {
            continue;
        }
        let median = stats::quantile(&finite, 0.5);
        let spread = stats::sorted(finite.iter().map(|x| (x - median).abs()).collect());
        let robust = 1.4826 * stats::quantile(&spread, 0.5);
        // A long tail on one side is no mistake: what is positive throughout is looked at by its logarithm as well.
        let positive = finite[0] > 0.0;
        let log = |x: f64| (x / median).ln();
        let log_spread = stats::sorted(finite.iter().map(|x| if positive { log(*x).abs() } else { 0.0 }).collect());
        let log_robust = 1.4826 * stats::quantile(&log_spread, 0.5);
        let (mean, deviation) = stats::moments(finite.iter().copied());
        let is_far = |x: f64| match robust > 0.0 {
            true => {
                (x - median).abs() > FAR * robust
                    && (!positive || (x > 0.0 && log(x).abs() > FAR * log_robust) || x <= 0.0)
            }
            false => (x - mean).abs() > FAR_FROM_MEAN * deviation,
        };
        let rows = rows_where(column, |value| value.number().is_some_and(|x| x.is_infinite() || is_far(x)));
        let share = rows.len() as f64 / column.len() as f64;
        // What is far in many rows belongs to the distribution.
        if rows.is_empty() || share > 0.02 {
            continue;
        }
        let farthest = rows
            .iter()
            .filter_map(|row| column.get(*row)?.number())
            .fold(median, |far, x| if (x - median).abs() > (far - median).abs() { x } else { far });
        // Between two numbers, with the digits that tell something.
        let high = stats::quantile(&finite, 0.99);
        let high = format!("{high:.5e}").parse().unwrap_or(high);
        let (low, high) = (Value::Number(finite[0]), Value::Number(high));
        let message = format!(
            "`{}` has {} far from the others, such as {} (the median is {}, 99 % are below {high}, none is below {low})",
            short(name),
            if rows.len() == 1 { "one value".to_string() } else { format!("{} values", rows.len()) },
            Value::Number(farthest),
            Value::Number(median)
        );
        let severity = if target == Some(name) { Severity::Serious } else { Severity::Warning };
        let advice = "see whether they are slips of units or digits; correct or leave out those, and limit the others with clip_outliers";
        found.push(Finding::new(Problem::Outliers, severity, share, message, advice).of(name, rows));
    }
}

/// A target that is one of a few classes.
fn classes(column: &Column) -> Option<(Vec<String>, Vec<Option<usize>>)> {
    let (names, codes) = column.factorize();
    let few = column.kind() == ColumnKind::Text || (names.len() <= 20 && column.integers().is_some());
    (few && names.len() >= 2).then_some((names, codes))
}

pub(super) fn imbalance(name: &str, column: &Column, found: &mut Vec<Finding>) {
    let Some((names, codes)) = classes(column) else { return };
    let mut counts = vec![0usize; names.len()];
    codes.iter().flatten().for_each(|code| counts[*code] += 1);
    let all: usize = counts.iter().sum();
    let (rarest, least) =
        counts.iter().enumerate().fold((0, all), |best, (i, n)| if *n < best.1 { (i, *n) } else { best });
    let most = counts.iter().max().copied().unwrap_or(0);
    let ratio = most as f64 / least.max(1) as f64;
    if ratio < 5.0 {
        return;
    }
    let share = least as f64 / all as f64;
    let severity = if ratio > 20.0 { Severity::Serious } else { Severity::Warning };
    let message = format!(
        "of `{}`, the class `{}` has {least} of {all} rows ({}): always guessing the most frequent one would be right in {}",
        short(name),
        short(&names[rarest]),
        percent(share),
        percent(most as f64 / all as f64)
    );
    let advice = "do not judge by accuracy (balanced accuracy and average precision see rare classes), divide with split_stratified, weigh with class_weights";
    let rows = (0..codes.len()).filter(|row| codes[*row] == Some(rarest)).collect();
    found.push(Finding::new(Problem::Imbalance, severity, share, message, advice).of(name, rows));
}

/// How much of what the most frequent class leaves wrong has to be told right by one column.
const TELLS: f64 = 0.98;

/// How much better than the most frequent class a column predicts another one by its own: 1 if it is never wrong. By its values, or by
/// whether there is one: the date of a cancellation tells that it was cancelled.
fn told(column: &Column, names: usize, codes: &[Option<usize>]) -> f64 {
    let (values, own) = column.factorize();
    by_absence(&own, names, codes).max(by_values(column, (&values, &own), names, codes))
}

fn by_absence(own: &[Option<usize>], names: usize, codes: &[Option<usize>]) -> f64 {
    let mut counts = [vec![0usize; names], vec![0; names]];
    own.iter().zip(codes).filter_map(|(own, code)| Some((own, (*code)?))).for_each(|(own, code)| {
        counts[usize::from(own.is_some())][code] += 1;
    });
    let best = |counts: &[usize]| counts.iter().max().copied().unwrap_or(0);
    let totals: Vec<usize> = counts[0].iter().zip(&counts[1]).map(|(a, b)| a + b).collect();
    beyond(best(&counts[0]) + best(&counts[1]), best(&totals), totals.iter().sum())
}

/// Of `n` rows, how many of those that the most frequent class gets wrong are right; 0 where there are too few to say.
fn beyond(right: usize, most: usize, n: usize) -> f64 {
    if n < 20 || most == n { 0.0 } else { (right as f64 - most as f64).max(0.0) / (n - most) as f64 }
}

fn by_values(
    column: &Column,
    (values, own): (&[String], &[Option<usize>]),
    names: usize,
    codes: &[Option<usize>],
) -> f64 {
    let pairs: Vec<(usize, usize)> =
        own.iter().zip(codes).filter_map(|(own, code)| Some(((*own)?, (*code)?))).collect();
    let n = pairs.len();
    let mut totals = vec![0usize; names];
    pairs.iter().for_each(|(_, code)| totals[*code] += 1);
    let most = totals.iter().max().copied().unwrap_or(0);
    if n < 20 || most == n {
        return 0.0;
    }
    let mut right = 0;
    // By its values, where each of them is frequent enough to be learnt.
    if values.len() * 5 <= n {
        // Runs of equal pairs, since a table of all values by all classes may be large.
        let mut sorted = pairs.clone();
        crate::order::sort_by(&mut sorted, Ord::cmp);
        let most_of = |rows: &[(usize, usize)]| rows.chunk_by(|a, b| a.1 == b.1).map(<[_]>::len).max().unwrap_or(0);
        right = sorted.chunk_by(|a, b| a.0 == b.0).map(most_of).sum();
    }
    // By one cut: the most frequent class on each side. The values are in order, so a cut is a place among them.
    if column.kind() == ColumnKind::Number && names <= 20 {
        let mut sorted = pairs;
        crate::order::sort_by_key(&mut sorted, |(own, _)| *own as u64);
        let (mut left, mut rest) = (vec![0usize; names], totals);
        let best = |counts: &[usize]| counts.iter().max().copied().unwrap_or(0);
        for (i, (own, code)) in sorted.iter().enumerate() {
            left[*code] += 1;
            rest[*code] -= 1;
            if sorted.get(i + 1).is_some_and(|(next, _)| next != own) {
                right = right.max(best(&left) + best(&rest));
            }
        }
    }
    beyond(right, most, n)
}

/// The correlation of the ranks of two columns (Spearman), where both have a number.
fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let rows: Vec<usize> = (0..a.len()).filter(|i| a[*i].is_finite() && b[*i].is_finite()).collect();
    if rows.len() < 20 {
        return 0.0;
    }
    let ranks = |values: &[f64]| -> Vec<f64> {
        let sorted = stats::sorted(rows.iter().map(|row| values[*row]).collect());
        let rank = |x: f64| (sorted.partition_point(|y| *y < x) + sorted.partition_point(|y| *y <= x)) as f64;
        rows.iter().map(|row| rank(values[*row])).collect()
    };
    let (a, b) = (ranks(a), ranks(b));
    let ((mean_a, std_a), (mean_b, std_b)) = (stats::moments(a.iter().copied()), stats::moments(b.iter().copied()));
    let both = a.iter().zip(&b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>() / a.len() as f64;
    if std_a > 0.0 && std_b > 0.0 { both / (std_a * std_b) } else { 0.0 }
}

pub(super) fn leaks(table: &Table, target: &str, of: &Column, found: &mut Vec<Finding>) {
    let classes = classes(of);
    for (name, column) in table.columns().filter(|(name, _)| *name != target) {
        let (value, how) = match (&classes, column.numbers(), of.numbers()) {
            (Some((names, codes)), ..) => (told(column, names.len(), codes), TELLS),
            (None, Some(a), Some(b)) => (rank_correlation(a, b).abs(), 0.995),
            _ => continue,
        };
        if value < how {
            continue;
        }
        let (shown, target) = (short(name), short(target));
        let message = match classes {
            Some(_) => format!(
                "`{shown}` alone tells `{target}`: of what guessing gets wrong, it gets {} right",
                percent(value)
            ),
            None => format!(
                "`{shown}` and `{target}` are nearly the same in other units: their ranks correlate at {value:.4}"
            ),
        };
        let advice = "ask whether it is known before the target is; if it was written down afterwards, or is the target under another name, leave it out";
        found.push(Finding::new(Problem::Leak, Severity::Serious, value, message, advice).of(name, Vec::new()));
    }
}

/// A group of fewer rows says little.
const FEW: usize = 30;

pub(super) fn groups(table: &Table, name: &str, column: &Column, found: &mut Vec<Finding>) {
    let (names, codes) = column.factorize();
    let mut counts = vec![0usize; names.len()];
    codes.iter().flatten().for_each(|code| counts[*code] += 1);
    let of = |group: usize| (0..codes.len()).filter(|row| codes[*row] == Some(group)).collect::<Vec<usize>>();
    // Numbers of many values are no groups.
    if names.len() > 50 {
        return;
    }
    for (group, n) in counts.iter().enumerate() {
        let share = *n as f64 / codes.len() as f64;
        if *n >= FEW && share * names.len() as f64 >= 0.2 {
            continue;
        }
        let severity = if *n < FEW { Severity::Serious } else { Severity::Warning };
        let message = format!(
            "the group `{}` of `{}` has {n} of {} rows ({})",
            short(&names[group]),
            short(name),
            codes.len(),
            percent(share)
        );
        let advice = "collect more rows of it before a model decides on it; join it with a group it may be joined with; report its rates with their intervals";
        found.push(Finding::new(Problem::Underrepresented, severity, share, message, advice).of(name, of(group)));
    }
    for (other, column) in table.columns().filter(|(other, _)| *other != name) {
        let mut missing = vec![0usize; names.len()];
        column
            .iter()
            .zip(&codes)
            .filter(|(value, _)| value.is_missing())
            .filter_map(|(_, code)| *code)
            .for_each(|code| missing[code] += 1);
        let share = |group: usize| missing[group] as f64 / counts[group].max(1) as f64;
        let pick = |better: fn(f64, f64) -> bool| {
            (1..names.len()).fold(0, |best, i| if better(share(i), share(best)) { i } else { best })
        };
        let (most, least) = (pick(|a, b| a > b), pick(|a, b| a < b));
        if names.len() < 2 || share(most) - share(least) < 0.05 {
            continue;
        }
        // Whether that is more than chance: χ² of a table of two by two.
        let (a, b) = (missing[most] as f64, missing[least] as f64);
        let (n, m) = (counts[most] as f64, counts[least] as f64);
        let p = (a + b) / (n + m);
        let square = (a / n - b / m).powi(2) / (p * (1.0 - p) * (1.0 / n + 1.0 / m)).max(f64::MIN_POSITIVE);
        if stats::chi_square_tail(square, 1.0) > 0.001 {
            continue;
        }
        let message = format!(
            "`{}` is missing in {} of the rows of `{}`, and in {} of those of `{}`",
            short(other),
            percent(share(most)),
            short(&names[most]),
            percent(share(least)),
            short(&names[least])
        );
        let advice = "find out why: what is put in place of missing values treats the groups differently";
        found.push(
            Finding::new(Problem::MissingByGroup, Severity::Warning, share(most) - share(least), message, advice)
                .of(other, Vec::new()),
        );
    }
}
