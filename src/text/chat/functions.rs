//! What templates may call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::guard::{BOUNDED, SLICE, WRITTEN};

/// The largest value that a template may give a name, in bytes, beside what it owes to the messages.
const LARGEST: usize = 1 << 22;
/// How many bytes it may compute in all.
const WORK: usize = 1 << 32;
/// What a value in a list counts for.
const ENTRY: usize = 64;
/// Lists in lists.
const DEEPEST: usize = 32;

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn too_large() -> Error {
    refused("it computes more than it may")
}

/// The engine with the options of `transformers`, and without what can make much of little.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    for filter in ["batch", "chain", "format", "groupby", "indent", "pprint", "slice", "urlencode", "zip"] {
        environment.remove_filter(filter);
    }
    environment.remove_global("debug");
    environment.add_filter("tojson", to_json);
    environment.add_filter("replace", |text: String, from: String, to: String| replaced(&text, &from, &to));
    environment
        .add_filter("join", |values: Value, between: Option<String>| joined(&values, &between.unwrap_or_default()));
    environment.add_function("raise_exception", |message: String| Err::<Value, _>(refused(message)));
    environment.set_unknown_method_callback(method);
    environment
}

/// The functions of one rendering, which may compute so much beside messages of this size.
pub(super) fn add(environment: &mut Environment, now: u64, messages: usize, work: &Arc<AtomicUsize>) {
    let largest = LARGEST.saturating_add(messages.saturating_mul(8));
    for (name, sum) in [(BOUNDED, WORK), (WRITTEN, largest)] {
        let (work, written) = (Arc::clone(work), AtomicUsize::new(0));
        environment.add_function(name, move |value: Value| {
            let mut left = largest;
            measure(&value, &mut left, 0)?;
            let size = largest - left;
            let all = work.fetch_add(size, Ordering::Relaxed).saturating_add(size);
            let here = written.fetch_add(size, Ordering::Relaxed).saturating_add(size);
            if all > WORK || here > sum { Err(too_large()) } else { Ok(value) }
        });
    }
    environment.add_function("strftime_now", move |format: String| formatted(now, &format));
}

/// Takes the size of a value from what is left.
fn measure(value: &Value, left: &mut usize, depth: usize) -> Result<(), Error> {
    let mut take = |size: usize| match left.checked_sub(size) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => Err(too_large()),
    };
    if depth > DEEPEST {
        return Err(refused(format!("lists are more than {DEEPEST} deep in each other")));
    }
    match (value.as_str(), value.kind()) {
        (Some(text), _) => take(text.len()),
        (None, kind @ (ValueKind::Seq | ValueKind::Map | ValueKind::Iterable)) => {
            take(ENTRY)?;
            for key in value.try_iter()? {
                if kind == ValueKind::Map {
                    measure(&value.get_item(&key)?, left, depth + 1)?;
                }
                measure(&key, left, depth + 1)?;
            }
            Ok(())
        }
        _ => take(1),
    }
}

fn replaced(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let matches = if from.is_empty() { text.len() + 1 } else { text.matches(from).count() };
    match matches.checked_mul(to.len()) {
        Some(size) if size <= LARGEST.saturating_add(text.len()) => Ok(text.replace(from, to)),
        _ => Err(too_large()),
    }
}

fn joined(values: &Value, between: &str) -> Result<String, Error> {
    let mut out = String::new();
    for (at, value) in values.try_iter()?.enumerate() {
        let mut left = LARGEST.saturating_mul(4);
        measure(&value, &mut left, 0)?;
        if at > 0 {
            out.push_str(between);
        }
        match value.as_str() {
            Some(text) => out.push_str(text),
            None => out.push_str(&value.to_string()),
        }
        if out.len() > 16 * LARGEST {
            return Err(too_large());
        }
    }
    Ok(out)
}

/// The methods of Python's texts and dictionaries.
fn method(state: &State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), name, arguments) {
        (_, SLICE, [from, to, step @ ..]) => slice(value, from, to, step.first()),
        (Some(_), "format", _) => Err(Error::from(ErrorKind::UnknownMethod)),
        (Some(text), "replace", [from, to]) => match (from.as_str(), to.as_str()) {
            (Some(from), Some(to)) => Ok(Value::from(replaced(text, from, to)?)),
            _ => Err(refused("replace takes two texts")),
        },
        (Some(between), "join", [values]) => Ok(Value::from(joined(values, between)?)),
        _ => unknown_method_callback(state, value, name, arguments),
    }
}

/// `value[from:to:step]` of a text or list, by Python's rules.
fn slice(value: &Value, from: &Value, to: &Value, step: Option<&Value>) -> Result<Value, Error> {
    let number = |value: &Value| if value.is_none() { Ok(None) } else { i64::try_from(value.clone()).map(Some) };
    let step = step.map_or(Ok(None), number)?.unwrap_or(1);
    if step == 0 {
        return Err(refused("the step of a slice is 0"));
    }
    let texts = |text: &str| text.chars().map(Value::from).collect();
    let items: Vec<Value> = match (value.as_str(), value.kind()) {
        (Some(text), _) => texts(text),
        (None, ValueKind::Seq | ValueKind::Iterable) => value.try_iter()?.collect(),
        (None, kind) => return Err(refused(format!("{kind} has no slices"))),
    };
    let length = items.len() as i64;
    // The first and last place that a slice can begin and end at.
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let place = |given: Option<i64>, otherwise: i64| {
        let at = given.map_or(otherwise, |at| if at < 0 { at.saturating_add(length).max(low) } else { at });
        at.clamp(low, high.max(low))
    };
    let (mut at, end) = match step > 0 {
        true => (place(number(from)?, low), place(number(to)?, high)),
        false => (place(number(from)?, high), place(number(to)?, low)),
    };
    let mut kept = Vec::new();
    while if step > 0 { at < end } else { at > end } {
        kept.push(items[at as usize].clone());
        at = at.saturating_add(step);
    }
    Ok(match value.as_str() {
        Some(_) => Value::from(kept.iter().filter_map(Value::as_str).collect::<String>()),
        None => Value::from(kept),
    })
}

/// JSON as Python writes it.
fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent = options.get::<Option<usize>>("indent")?;
    // What else Python's function takes changes nothing here.
    for name in ["ensure_ascii", "separators", "sort_keys"] {
        options.get::<Option<Value>>(name)?;
    }
    options.assert_all_used()?;
    let mut out = String::new();
    write_json(value, indent.filter(|indent| *indent <= 16), 0, &mut out)?;
    Ok(out)
}

fn write_json(value: &Value, indent: Option<usize>, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(refused(format!("lists are more than {DEEPEST} deep in each other")));
    }
    if out.len() > 16 * LARGEST {
        return Err(too_large());
    }
    let line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    let quoted = |text: &str| serde_json::to_string(text).map_err(|e| refused(e.to_string()));
    let separator = if indent.is_some() { "," } else { ", " };
    match value.kind() {
        ValueKind::Map => {
            out.push('{');
            for (at, key) in value.try_iter()?.enumerate() {
                out.push_str(if at > 0 { separator } else { "" });
                line(out, depth + 1);
                out.push_str(&quoted(&key.to_string())?);
                out.push_str(": ");
                write_json(&value.get_item(&key)?, indent, depth + 1, out)?;
            }
            if value.len().is_some_and(|length| length > 0) {
                line(out, depth);
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (at, entry) in value.try_iter()?.enumerate() {
                out.push_str(if at > 0 { separator } else { "" });
                line(out, depth + 1);
                write_json(&entry, indent, depth + 1, out)?;
            }
            if value.len().is_some_and(|length| length > 0) {
                line(out, depth);
            }
            out.push(']');
        }
        ValueKind::String => out.push_str(&quoted(value.as_str().unwrap_or_default())?),
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&value.to_string()),
        kind => return Err(refused(format!("{kind} has no form in JSON"))),
    }
    Ok(())
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// A time of the Gregorian calendar, in seconds since 1970, as Python's `strftime` writes it.
fn formatted(now: u64, format: &str) -> Result<String, Error> {
    let (days, seconds) = ((now / 86_400) as i64, now % 86_400);
    // Years that begin in March, so that leap days are their last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day = shifted.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    let march = (5 * in_year + 2) / 153;
    let (day, month) = (in_year - (153 * march + 2) / 5 + 1, (march + 2) % 12);
    let year = year + era * 400 + i64::from(month < 2);
    let month_name = MONTHS[month as usize];
    let day_name = DAYS[days.rem_euclid(7) as usize];
    let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
    let mut out = String::new();
    let mut characters = format.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let written = match characters.next() {
            Some('Y') => year.to_string(),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{:02}", month + 1),
            Some('d') => format!("{day:02}"),
            Some('B') => month_name.to_string(),
            Some('b') => month_name[..3].to_string(),
            Some('A') => day_name.to_string(),
            Some('a') => day_name[..3].to_string(),
            Some('H') => format!("{hour:02}"),
            Some('I') => format!("{:02}", (hour + 11) % 12 + 1),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_string(),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{:02}", seconds % 60),
            Some('%') => "%".to_string(),
            other => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(refused(format!("strftime_now has no `%{other}`")));
            }
        };
        out.push_str(&written);
    }
    Ok(out)
}
