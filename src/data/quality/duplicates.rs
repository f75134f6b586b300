//! Rows that are the same as others, or nearly so.

use std::collections::HashMap;

use super::columns::percent;
use super::{Finding, Problem, Severity};
use crate::data::{Column, ColumnKind, Table, Value};
use crate::stats;

/// How far numbers of rows that are nearly the same may differ, in deviations of their columns: nearly all, and one of them.
const NEAR: f64 = 1e-3;
const NEAR_ONE: f64 = 1e-2;
/// The most pairs of rows that are compared.
const PAIRS: usize = 20_000_000;

pub(super) fn find(table: &Table, found: &mut Vec<Finding>) {
    let n = table.num_rows();
    // The codes of a row say what is in it: equal rows have equal ones.
    let codes: Vec<Vec<Option<usize>>> = table.columns().map(|(_, column)| column.factorize().1).collect();
    let mut first: HashMap<Vec<Option<usize>>, usize> = HashMap::with_capacity(n);
    let mut again = Vec::new();
    for row in 0..n {
        let key: Vec<Option<usize>> = codes.iter().map(|codes| codes[row]).collect();
        if *first.entry(key).or_insert(row) != row {
            again.push(row);
        }
    }
    let mut is_again = vec![false; n];
    again.iter().for_each(|row| is_again[*row] = true);
    if !again.is_empty() {
        let share = again.len() as f64 / n as f64;
        let by_chance = again.len() as f64 <= expected(&codes, n);
        let severity = match (by_chance, share > 0.05) {
            (true, _) => Severity::Note,
            (false, true) => Severity::Serious,
            (false, false) => Severity::Warning,
        };
        let what = if again.len() == 1 { "one row is".to_string() } else { format!("{} rows are", again.len()) };
        let few = if by_chance { ", as chance has it where columns have so few values" } else { "" };
        let message = format!("{what} the same as an earlier one in every column ({}){few}", percent(share));
        let advice = match by_chance {
            true => "keep them, unless it is known that they are of the same person or thing",
            false => {
                "leave them out with drop_duplicates before the table is divided, or the test part holds rows of the training part"
            }
        };
        let mut finding = Finding::new(Problem::Duplicates, severity, share, message, advice);
        finding.rows = again;
        found.push(finding);
    }
    // With few columns, unrelated rows are near each other as well.
    let numbers: Vec<Scaled> = table.columns().filter_map(|(_, column)| Scaled::of(column)).collect();
    let texts: Vec<Vec<String>> = table
        .columns()
        .filter(|(_, column)| column.kind() == ColumnKind::Text)
        .map(|(_, column)| folded(column))
        .collect();
    let telling = numbers.iter().map(|scaled| scaled.different).chain(texts.iter().map(|texts| different(texts)));
    if telling.map(|n| (n.max(1) as f64).log2()).sum::<f64>() < 2.0 * (n.max(2) as f64).log2() + 7.0 {
        return;
    }
    let kept: Vec<usize> = (0..n).filter(|row| !is_again[*row]).collect();
    let (rows, cut) = near(&kept, &numbers, &texts);
    if rows.is_empty() {
        return;
    }
    let share = rows.len() as f64 / n as f64;
    let what = if rows.len() == 1 { "one row is".to_string() } else { format!("{} rows are", rows.len()) };
    let rest = if cut { ", among the pairs that were compared (not all were, there are too many)" } else { "" };
    let message =
        format!("{what} nearly the same as an earlier one: a number rounded, a letter or a space changed{rest}");
    let advice = "see whether they are of the same person or thing; keep all rows of one in the same part (GroupKFold), or one of them";
    let mut finding = Finding::new(Problem::NearDuplicates, Severity::Warning, share, message, advice);
    finding.rows = rows;
    found.push(finding);
}

/// How many pairs of rows would be the same if columns did not depend on each other.
fn expected(codes: &[Vec<Option<usize>>], n: usize) -> f64 {
    let pairs = |n: f64| n * (n - 1.0) / 2.0;
    let same = |codes: &Vec<Option<usize>>| {
        let mut counts: HashMap<Option<usize>, f64> = HashMap::new();
        codes.iter().for_each(|code| *counts.entry(*code).or_default() += 1.0);
        counts.values().map(|count| pairs(*count)).sum::<f64>() / pairs(n as f64)
    };
    pairs(n as f64) * codes.iter().map(same).product::<f64>()
}

/// A column of numbers in units of its deviation.
struct Scaled {
    values: Vec<f64>,
    different: usize,
}

impl Scaled {
    fn of(column: &Column) -> Option<Self> {
        let numbers = column.numbers()?;
        let (_, deviation) = stats::moments(numbers.iter().copied().filter(|x| x.is_finite()));
        let scale = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
        let values: Vec<f64> = numbers.iter().map(|x| if x.is_finite() { x * scale } else { f64::NAN }).collect();
        let sorted = stats::sorted(values.iter().copied().filter(|x| !x.is_nan()).collect());
        // Numbers that are nearer to each other than what is compared do not tell rows apart.
        let mut last = f64::NEG_INFINITY;
        let apart = |x: &&f64| {
            let new = **x - last > NEAR_ONE;
            last = if new { **x } else { last };
            new
        };
        let different = sorted.iter().filter(apart).count();
        Some(Self { values, different })
    }
}

/// Texts without case and repeated space.
fn folded(column: &Column) -> Vec<String> {
    let fold = |value: Value<'_>| {
        let text = value.text().unwrap_or_default().to_lowercase();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    column.iter().map(fold).collect()
}

fn different(texts: &[String]) -> usize {
    texts.iter().collect::<std::collections::HashSet<_>>().len()
}

/// Whether one text becomes another one by at most one letter that is put in, taken out or replaced.
fn one_edit(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (a, b) = if a.len() < b.len() { (a, b) } else { (b, a) };
    if b.len() - a.len() > 1 || a.is_empty() {
        return false;
    }
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    if a.len() == b.len() { a[same..].iter().skip(1).eq(b[same..].iter().skip(1)) } else { a[same..] == b[same + 1..] }
}

/// The rows that are near an earlier one, and whether some pairs were not compared.
fn near(kept: &[usize], numbers: &[Scaled], texts: &[Vec<String>]) -> (Vec<usize>, bool) {
    let same = |a: usize, b: usize| {
        let mut one = false;
        for column in numbers {
            let (x, y) = (column.values[a], column.values[b]);
            let distance = if x.is_nan() && y.is_nan() { 0.0 } else { (x - y).abs() };
            if distance <= NEAR {
                continue;
            }
            // A missing number beside one that is there is far.
            if one || distance.is_nan() || distance > NEAR_ONE {
                return false;
            }
            one = true;
        }
        let mut edited = false;
        texts.iter().all(|texts| {
            let (x, y) = (&texts[a], &texts[b]);
            x == y || (!std::mem::replace(&mut edited, true) && x.chars().count() > 3 && one_edit(x, y))
        })
    };
    // Rows in the order of the column that tells most: near ones are neighbours there.
    let most = (0..numbers.len()).max_by_key(|i| numbers[*i].different);
    let place = |row: usize| most.map_or(0.0, |i| numbers[i].values[row]);
    let mut order = kept.to_vec();
    crate::order::sort_by(&mut order, |a, b| place(*a).total_cmp(&place(*b)).then(a.cmp(b)));
    let (mut rows, mut left) = (Vec::new(), PAIRS);
    for (i, a) in order.iter().enumerate() {
        for b in &order[i + 1..] {
            // Missing numbers are at the end, together.
            if place(*b) - place(*a) > NEAR_ONE || (place(*a).is_nan() != place(*b).is_nan()) {
                break;
            }
            if left == 0 {
                break;
            }
            left -= 1;
            if same(*a, *b) {
                rows.push(*a.max(b));
            }
        }
    }
    crate::order::sort_by_key(&mut rows, |row| *row as u64);
    rows.dedup();
    (rows, left == 0)
}
