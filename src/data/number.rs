//! Numbers as people write them.

use std::borrow::Cow;

use super::column::{may_be_rounded, whole};

/// How numbers are written in a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NumberStyle {
    pub(super) decimal: char,
    pub(super) thousands: Option<char>,
    /// What may stand before or behind a number, the longest first.
    units: Vec<Unit>,
}

#[derive(Debug, Clone, PartialEq)]
struct Unit {
    name: String,
    /// By what numbers with it are multiplied, if that was said.
    factor: Option<f64>,
}

impl Default for NumberStyle {
    fn default() -> Self {
        Self { decimal: '.', thousands: None, units: Vec::new() }
    }
}

/// A number as it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parsed {
    pub(super) value: f64,
    /// The same with all digits, if it is whole.
    pub(super) whole: Option<i128>,
    /// Which units stood beside it whose factors were not said, by position, as bits.
    pub(super) units: u64,
}

impl Parsed {
    /// Whether `value` is another number than the one that was read.
    pub(super) fn is_rounded(self) -> bool {
        may_be_rounded(self.value) && self.whole.is_some_and(|x| whole(self.value) != Some(x))
    }
}

impl NumberStyle {
    /// Numbers with this point, separator and these units in any order.
    pub(super) fn new(decimal: char, thousands: Option<char>, mut units: Vec<String>) -> Self {
        units.retain(|unit| !unit.is_empty());
        crate::order::sort_by(&mut units, |a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        units.dedup();
        Self { decimal, thousands, units: units.into_iter().map(|name| Unit { name, factor: None }).collect() }
    }

    /// The same, with what numbers with some units are multiplied by.
    pub(super) fn converting(self, factors: &[(String, f64)]) -> Self {
        let names = self.units.into_iter().map(|unit| unit.name).chain(factors.iter().map(|(name, _)| name.clone()));
        let mut style = Self::new(self.decimal, self.thousands, names.collect());
        for unit in &mut style.units {
            unit.factor = factors.iter().find(|(name, _)| *name == unit.name).map(|(_, factor)| *factor);
        }
        style
    }

    /// Whether all that this style reads is read by another one, too.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.decimal == other.decimal
            && (self.thousands.is_none() || self.thousands == other.thousands)
            && self.units.iter().all(|unit| other.units.iter().any(|own| own.name == unit.name))
    }

    /// The number that a text is, `None` if it is none. Whole numbers with more digits than an `i128` has are none: as
    /// an `f64`, different ones would be the same.
    pub(super) fn parse(&self, text: &str) -> Option<Parsed> {
        let (text, units, factor) = self.without_units(text.trim());
        let text = self.normal(text)?;
        let value: f64 = text.parse().ok()?;
        let exact = if may_be_rounded(value) { integer(&text) } else { whole(value) };
        if exact.is_none()
            && may_be_rounded(value)
            && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-'))
        {
            return None;
        }
        if factor == 1.0 {
            return Some(Parsed { value, whole: exact, units });
        }
        let value = converted(&text, value, factor);
        let exact = exact.zip(whole(factor)).and_then(|(x, factor)| x.checked_mul(factor));
        Some(Parsed { value, whole: exact.or_else(|| whole(value)), units })
    }

    /// The names of the units that stood beside a number: `kg`.
    pub(super) fn units_of(&self, units: u64) -> String {
        let names = self.units.iter().enumerate().filter(|(i, _)| units & bit(*i) != 0);
        names.map(|(_, unit)| unit.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// A text without its units, if it is a whole number with a zero in front, which the number loses.
    pub(super) fn with_zeros(&self, text: &str) -> Option<String> {
        let (text, ..) = self.without_units(text.trim());
        let is_code = text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
        is_code.then(|| text.into_owned())
    }

    /// A text without units with a point and without separators.
    fn normal<'t>(&self, text: Cow<'t, str>) -> Option<Cow<'t, str>> {
        if self.decimal == '.' && self.thousands.is_none() {
            return Some(text);
        }
        let (whole, fraction) = match text.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text.as_ref(), None),
        };
        let mut out = match self.thousands {
            Some(separator) if whole.contains(|c| is_separator(c, separator)) => ungrouped(whole, separator)?,
            _ => whole.to_string(),
        };
        if self.decimal != '.' && out.contains('.') {
            return None;
        }
        if let Some(fraction) = fraction {
            if fraction.contains(['.', ',']) {
                return None;
            }
            out.push('.');
            out += fraction;
        }
        Some(out.into())
    }

    /// A text without units, which they were if what they are was not said, and what the number is to be multiplied by. The longest that
    /// fits goes first: `kg` before `g`. A sign may stand before a unit in front: -€5.
    fn without_units<'t>(&self, text: &'t str) -> (Cow<'t, str>, u64, f64) {
        let mut rest = text;
        let sign = text.starts_with(['-', '+']).then(|| &text[..1]);
        let mut signed = false;
        let (mut found, mut unknown, mut factor) = (0, 0, 1.0);
        loop {
            let next = self.units.iter().enumerate().filter(|(i, _)| found & bit(*i) == 0).find_map(|(i, unit)| {
                if let Some(left) = rest.strip_suffix(unit.name.as_str()) {
                    return Some((i, left.trim_end(), false));
                }
                if let Some(left) = rest.strip_prefix(unit.name.as_str()) {
                    return Some((i, left.trim_start(), false));
                }
                let left = rest.strip_prefix(['-', '+'])?.strip_prefix(unit.name.as_str())?;
                Some((i, left.trim_start(), true))
            });
            let Some((i, left, behind_sign)) = next else { break };
            found |= bit(i);
            match self.units[i].factor {
                Some(own) => factor *= own,
                None => unknown |= bit(i),
            }
            rest = left;
            signed |= behind_sign;
        }
        match sign.filter(|_| signed) {
            Some(sign) => (Cow::Owned(format!("{sign}{rest}")), unknown, factor),
            None => (Cow::Borrowed(rest), unknown, factor),
        }
    }
}

/// A number times a factor: of a power of ten the nearest to what is written, `0.1242` times 1000 as 124.2.
fn converted(text: &str, value: f64, factor: f64) -> f64 {
    let power = factor.abs().log10().round();
    let is_plain = text.ends_with(|c: char| c.is_ascii_digit()) && !text.contains(['e', 'E']);
    let read = |text: String| text.parse::<f64>().ok();
    match read(format!("{text}e{power}")).filter(|_| is_plain && read(format!("1e{power}")) == Some(factor)) {
        Some(value) => value,
        None => value * factor,
    }
}

/// The bit of a unit. Those beyond the 63rd share one, and of them only one is dropped.
fn bit(i: usize) -> u64 {
    1 << i.min(63)
}

/// White space of any kind stands for a space: spreadsheets write those that do not break.
fn is_separator(c: char, separator: char) -> bool {
    c == separator || (separator.is_whitespace() && c.is_whitespace())
}

/// The digits of a whole number in groups: first up to three, at the end three, between them two (as in India) or three.
fn ungrouped(text: &str, separator: char) -> Option<String> {
    let digits = text.trim_start_matches(['-', '+']);
    let sign = &text[..text.len() - digits.len()];
    let groups: Vec<&str> = digits.split(|c| is_separator(c, separator)).collect();
    let last = groups.len() - 1;
    let fits = |(i, group): (usize, &&str)| {
        let sizes = if i == last {
            3..=3
        } else if i == 0 {
            1..=3
        } else {
            2..=3
        };
        sizes.contains(&group.len()) && group.bytes().all(|b| b.is_ascii_digit())
    };
    (sign.len() <= 1 && groups.iter().enumerate().all(fits)).then(|| format!("{sign}{}", groups.concat()))
}

/// A whole number with all its digits; zeros may follow the point.
fn integer(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    fraction.bytes().all(|b| b == b'0').then(|| whole.parse().ok())?
}

/// The value of a text or of a number as a key: equal for all spellings of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NumberKey {
    Whole(i128),
    Fraction(u64),
}

impl NumberKey {
    /// `None` if the text is no finite number.
    pub(super) fn of(text: &str) -> Option<Self> {
        let parsed = NumberStyle::default().parse(text)?;
        match parsed.whole.or_else(|| whole(parsed.value)) {
            Some(x) => Some(Self::Whole(x)),
            None => parsed.value.is_finite().then_some(Self::Fraction(parsed.value.to_bits())),
        }
    }
}

#[cfg(test)]
mod tests;
