//! Formats of dates and times, and reading texts in them.

use super::civil::Civil;
use crate::error::short;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A format that was read: `iso`, or a pattern.
#[derive(Debug, Clone)]
pub(in crate::data) struct DateFormat {
    /// The pattern, or several of which the first one that fits counts.
    patterns: Vec<Vec<Item>>,
}

/// A piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Item {
    /// This character.
    Char(char),
    /// Any white space.
    Space,
    Year,
    ShortYear,
    Month,
    MonthName,
    ShortMonthName,
    Day,
    Hour,
    Hour12,
    Half,
    Minute,
    Second,
    Fraction,
    Zone,
    Weekday,
    ShortWeekday,
}

/// What a text said so far.
struct Found {
    time: Civil,
    afternoon: Option<bool>,
    nanoseconds: i64,
    /// The distance from UTC in seconds.
    zone: i64,
}

impl DateFormat {
    /// # Errors
    /// What is wrong with the format.
    pub(in crate::data) fn new(format: &str) -> Result<Self, String> {
        let patterns = match format {
            "iso" => ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"]
                .iter()
                .flat_map(|day| [day.to_string(), day.replace(' ', "T")])
                .flat_map(|time| [time.clone(), time + "%z"])
                .collect(),
            _ => vec![format.to_string()],
        };
        let patterns = patterns.iter().map(|pattern| items(pattern)).collect::<Result<Vec<_>, _>>()?;
        let has = |item| patterns[0].contains(&item);
        let year = has(Item::Year) || has(Item::ShortYear);
        let month = has(Item::Month) || has(Item::MonthName) || has(Item::ShortMonthName);
        if !year || (has(Item::Day) && !month) {
            return Err(format!("the format `{}` has no year, or a day without a month", short(format)));
        }
        if has(Item::Hour12) != has(Item::Half) {
            return Err(format!("the format `{}` has one of %I and %p without the other", short(format)));
        }
        Ok(Self { patterns })
    }

    /// The seconds since the beginning of 1970.
    pub(in crate::data) fn parse(&self, text: &str) -> Option<f64> {
        self.patterns.iter().find_map(|pattern| parse(pattern, text.trim())?)
    }

    /// Whether a text has the form of a date, though there may be no such day.
    pub(in crate::data) fn fits(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| parse(pattern, text.trim()).is_some())
    }
}

/// What to do about a format that is none: one in letters, such as `dd.mm.yyyy`, is spelt as formats are here.
pub(in crate::data) fn format_help(format: &str) -> String {
    let mut spelt = String::new();
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        let run = rest.len() - rest.trim_start_matches(c).len();
        spelt.push_str(match (c.to_ascii_lowercase(), run) {
            ('d', 1 | 2) => "%d",
            ('m', 1 | 2) => "%m",
            ('m', 3) => "%b",
            ('m', 4) => "%B",
            ('y', 2) => "%y",
            ('y', 1 | 4) => "%Y",
            _ => &rest[..run],
        });
        rest = &rest[run..];
    }
    match spelt != format && DateFormat::new(&spelt).is_ok() {
        true => format!("this is written `{}` here", short(&spelt)),
        false => FORMATS.to_string(),
    }
}

/// What formats look like.
pub(in crate::data) const FORMATS: &str = "formats are `iso` and patterns such as `%d.%m.%Y` or `%m/%d/%Y %H:%M`";

fn items(pattern: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        items.push(match c {
            '%' => match chars.next() {
                Some('Y') => Item::Year,
                Some('y') => Item::ShortYear,
                Some('m') => Item::Month,
                Some('B') => Item::MonthName,
                Some('b') => Item::ShortMonthName,
                Some('d') => Item::Day,
                Some('H') => Item::Hour,
                Some('I') => Item::Hour12,
                Some('p') => Item::Half,
                Some('M') => Item::Minute,
                Some('S') => Item::Second,
                Some('f') => Item::Fraction,
                Some('z') => Item::Zone,
                Some('A') => Item::Weekday,
                Some('a') => Item::ShortWeekday,
                Some('%') => Item::Char('%'),
                other => {
                    let code = other.map_or("%".to_string(), |c| format!("%{c}"));
                    return Err(format!("the format `{}` has `{code}`, which is no part of a date", short(pattern)));
                }
            },
            c if c.is_whitespace() => Item::Space,
            c => Item::Char(c),
        });
    }
    Ok(items)
}

/// The seconds, if the text has this form; none in it if there is no such day or time.
fn parse(pattern: &[Item], text: &str) -> Option<Option<f64>> {
    let time = Civil { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
    let mut found = Found { time, afternoon: None, nanoseconds: 0, zone: 0 };
    let mut rest = text;
    for item in pattern {
        rest = item.take(rest, &mut found)?;
    }
    if !rest.is_empty() {
        return None;
    }
    if let Some(afternoon) = found.afternoon {
        if !(1..=12).contains(&found.time.hour) {
            return None;
        }
        found.time.hour = found.time.hour % 12 + if afternoon { 12 } else { 0 };
    }
    Some(found.time.seconds().map(|seconds| (seconds - found.zone) as f64 + found.nanoseconds as f64 / 1e9))
}

impl Item {
    /// What is left of the text behind this piece.
    fn take<'t>(self, text: &'t str, found: &mut Found) -> Option<&'t str> {
        let time = &mut found.time;
        let rest;
        match self {
            Self::Char(c) => return text.strip_prefix(c),
            Self::Space => {
                rest = text.trim_start();
                return (rest.len() < text.len()).then_some(rest);
            }
            Self::Year => (time.year, rest) = number(text, 4, 4)?,
            Self::ShortYear => {
                (time.year, rest) = number(text, 2, 2)?;
                time.year += if time.year < 69 { 2000 } else { 1900 };
            }
            Self::Month => (time.month, rest) = number(text, 1, 2)?,
            Self::MonthName => (time.month, rest) = name(text, &MONTHS, usize::MAX)?,
            Self::ShortMonthName => (time.month, rest) = name(text, &MONTHS, 3)?,
            Self::Day => (time.day, rest) = number(text, 1, 2)?,
            Self::Hour | Self::Hour12 => (time.hour, rest) = number(text, 1, 2)?,
            Self::Half => {
                let (half, behind) = name(text, &["am", "pm"], 2)?;
                found.afternoon = Some(half == 2);
                rest = behind;
            }
            Self::Minute => (time.minute, rest) = number(text, 1, 2)?,
            Self::Second => (time.second, rest) = number(text, 1, 2)?,
            Self::Fraction => {
                let digits;
                (digits, rest) = number(text, 1, 9)?;
                let count = (text.len() - rest.len()) as u32;
                found.nanoseconds = digits * 10i64.pow(9 - count);
            }
            Self::Zone => {
                if let Some(behind) = text.strip_prefix(['Z', 'z']) {
                    return Some(behind);
                }
                let behind = text.strip_prefix(['+', '-'])?;
                let (hours, behind) = number(behind, 2, 2)?;
                let (minutes, behind) = number(behind.strip_prefix(':').unwrap_or(behind), 2, 2).unwrap_or((0, behind));
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let distance = hours * 3600 + minutes * 60;
                found.zone = if text.starts_with('-') { -distance } else { distance };
                rest = behind;
            }
            Self::Weekday => (_, rest) = name(text, &WEEKDAYS, usize::MAX)?,
            Self::ShortWeekday => (_, rest) = name(text, &WEEKDAYS, 3)?,
        }
        Some(rest)
    }
}

/// As many digits as there are, at least and at most so many.
fn number(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < least {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// One of some English names, cut to so many letters, in whatever case: its number, from 1.
fn name<'t>(text: &'t str, names: &[&str], letters: usize) -> Option<(i64, &'t str)> {
    names.iter().zip(1..).find_map(|(name, i)| {
        let name = &name[..letters.min(name.len())];
        let start = text.get(..name.len())?;
        start.eq_ignore_ascii_case(name).then(|| (i, &text[name.len()..]))
    })
}

/// The format of nearly all of some texts, if they look like dates. Days go before months if no text decides it.
pub(in crate::data) fn guess(texts: &[&str]) -> Option<String> {
    let mut best: Option<(usize, String)> = None;
    let days = [
        "%d.%m.%Y",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d-%m-%Y",
        "%m-%d-%Y",
        "%Y/%m/%d",
        "%Y.%m.%d",
        "%d.%m.%y",
        "%d/%m/%y",
        "%m/%d/%y",
        "%d %b %Y",
        "%d %B %Y",
        "%b %d, %Y",
        "%B %d, %Y",
        "%d-%b-%Y",
        "%d-%b-%y",
        "%Y年%m月%d日",
    ];
    let times = ["", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p"];
    let all = days.iter().flat_map(|day| times.map(|time| format!("{day}{time}")));
    for format in std::iter::once("iso".to_string()).chain(all) {
        let Ok(parsed) = DateFormat::new(&format) else { continue };
        let fits = texts.iter().filter(|text| parsed.parse(text).is_some()).count();
        if fits > best.as_ref().map_or(0, |(most, _)| *most) {
            best = Some((fits, format));
        }
    }
    best.filter(|(fits, _)| fits * 10 >= texts.len() * 9).map(|(_, format)| format)
}

#[cfg(test)]
mod tests;
