//! Columns that know the answer: filled in after the fact, computed from the target, or the target by another name.

use std::collections::HashMap;

use demotic::data::{Table, Value};
use demotic::prelude::*;

/// From which share of the target on a single column explains too much to be true.
const TOO_GOOD: f64 = 0.99;

/// The columns that by themselves tell nearly all of the target, with the share that they tell: of one half of the rows, each gets the
/// target of the row of the other half with the nearest value. Of classes, it is the share of what guessing the most frequent one gets
/// wrong: where nearly all rows are of one class, every column is right nearly always.
pub fn leaks(table: &Table, target: &str, classes: bool, rng: &mut Rng) -> Result<Vec<(String, f64)>> {
    let (known, asked) = table.split(0.5, rng)?;
    // Few rows are told by chance.
    if asked.num_rows() < 20 {
        return Ok(Vec::new());
    }
    let answers = |part: &Table| -> Result<Vec<String>> {
        Ok(part.column(target)?.iter().map(|value| value.to_string()).collect())
    };
    let (given, wanted) = (answers(&known)?, answers(&asked)?);
    let mut found = Vec::new();
    for name in table.column_names().filter(|name| *name != target) {
        let (values, questions) = (known.column(name)?, asked.column(name)?);
        let guesses: Vec<Option<&String>> = if values.texts().is_some() {
            let mut first: HashMap<Option<&str>, &String> = HashMap::new();
            for (text, answer) in values.texts().into_iter().flatten().zip(&given) {
                first.entry(text).or_insert(answer);
            }
            questions.texts().into_iter().flatten().map(|text| first.get(&text).copied()).collect()
        } else {
            let mut order: Vec<(f64, &String)> = values.iter().map(number).zip(&given).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0));
            questions.iter().map(|value| nearest(&order, number(value))).collect()
        };
        let share = if classes {
            let right = guesses.iter().zip(&wanted).filter(|(guess, answer)| **guess == Some(*answer)).count();
            beyond_guessing(right, &wanted)
        } else {
            explained(&guesses, &wanted)
        };
        if share >= TOO_GOOD {
            found.push((name.to_string(), share));
        }
    }
    Ok(found)
}

fn number(value: Value<'_>) -> f64 {
    match value {
        Value::Number(x) => x,
        Value::Integer(x) => x as f64,
        _ => f64::NAN,
    }
}

fn nearest<'a>(order: &[(f64, &'a String)], x: f64) -> Option<&'a String> {
    if x.is_nan() {
        // They are last. A column that has a value for one answer alone tells it, too.
        return order.last().filter(|(value, _)| value.is_nan()).map(|(_, answer)| *answer);
    }
    let above = order.partition_point(|(value, _)| *value < x);
    let sides = [above.checked_sub(1), Some(above)].into_iter().flatten().filter_map(|i| order.get(i));
    sides.min_by(|a, b| (a.0 - x).abs().total_cmp(&(b.0 - x).abs())).map(|(_, answer)| *answer)
}

/// The share of what the most frequent answer gets wrong that is right.
fn beyond_guessing(right: usize, wanted: &[String]) -> f64 {
    let mut counts: HashMap<&String, usize> = HashMap::new();
    wanted.iter().for_each(|answer| *counts.entry(answer).or_default() += 1);
    let most = counts.values().max().copied().unwrap_or(0);
    if most == wanted.len() {
        return 0.0;
    }
    (right as f64 - most as f64) / (wanted.len() - most) as f64
}

/// The share of the variance that is explained.
fn explained(guesses: &[Option<&String>], wanted: &[String]) -> f64 {
    let wanted: Vec<f64> = wanted.iter().filter_map(|text| text.parse().ok()).collect();
    let mean = wanted.iter().sum::<f64>() / wanted.len() as f64;
    let whole: f64 = wanted.iter().map(|y| (y - mean).powi(2)).sum();
    let left: f64 = wanted
        .iter()
        .zip(guesses)
        .map(|(y, guess)| (y - guess.and_then(|text| text.parse().ok()).unwrap_or(mean)).powi(2))
        .sum();
    1.0 - left / whole
}
