//! Numbers as people write them.

use std::borrow::Cow;

use super::column::{may_be_rounded, whole};

/// How numbers are written in a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NumberStyle {
    pub(super) decimal: char,
    pub(super) thousands: Option<char>,
    /// What may stand before or behind a number.
    pub(super) units: Vec<String>,
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
}

impl Parsed {
    /// Whether `value` is another number than the one that was read.
    pub(super) fn is_rounded(self) -> bool {
        may_be_rounded(self.value) && self.whole.is_some_and(|x| whole(self.value) != Some(x))
    }
}

impl NumberStyle {
    /// The number that a text is, `None` if it is none. Whole numbers with more digits than an `i128` has are none: as
    /// an `f64`, different ones would be the same.
    pub(super) fn parse(&self, text: &str) -> Option<Parsed> {
        let text = self.normal(text.trim())?;
        let value: f64 = text.parse().ok()?;
        if !may_be_rounded(value) {
            return Some(Parsed { value, whole: whole(value) });
        }
        match integer(&text) {
            None if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-')) => None,
            whole => Some(Parsed { value, whole }),
        }
    }

    /// The text with a point and without units and separators.
    fn normal<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        let text = self.without_units(text);
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

    /// A sign may stand before a unit in front: -€5.
    fn without_units<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut rest = text;
        let sign = text.starts_with(['-', '+']).then(|| &text[..1]);
        let mut signed = false;
        for unit in self.units.iter().filter(|unit| !unit.is_empty()) {
            if let Some(left) = rest.strip_suffix(unit.as_str()) {
                rest = left.trim_end();
            } else if let Some(left) = rest.strip_prefix(unit.as_str()) {
                rest = left.trim_start();
            } else if let Some(left) = rest.strip_prefix(['-', '+']).and_then(|rest| rest.strip_prefix(unit.as_str())) {
                rest = left.trim_start();
                signed = true;
            }
        }
        match sign.filter(|_| signed) {
            Some(sign) => Cow::Owned(format!("{sign}{rest}")),
            None => Cow::Borrowed(rest),
        }
    }
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
mod tests {
    use super::*;

    fn style(decimal: char, thousands: Option<char>, units: &[&str]) -> NumberStyle {
        NumberStyle { decimal, thousands, units: units.iter().map(|unit| unit.to_string()).collect() }
    }

    #[test]
    fn styles() {
        let plain = NumberStyle::default();
        let german = style(',', Some('.'), &["€", "%"]);
        let french = style(',', Some(' '), &[]);
        let english = style('.', Some(','), &["$", "USD"]);
        for (style, text, expected) in [
            (&plain, "1.5", Some(1.5)),
            (&plain, " -2e3 ", Some(-2000.0)),
            (&plain, "1,5", None),
            (&plain, "", None),
            (&german, "1.234.567,89", Some(1234567.89)),
            (&german, "-1.234,5 €", Some(-1234.5)),
            (&german, "€ 5", Some(5.0)),
            (&german, "-€5,25", Some(-5.25)),
            (&german, "12 %", Some(12.0)),
            (&german, "1,5e3", Some(1500.0)),
            (&german, "1.5", None),
            (&german, "12.34", None),
            (&german, "1.234.5", None),
            (&german, "1,2,3", None),
            (&german, "1,2.3", None),
            (&german, "€", None),
            (&french, "1\u{a0}234\u{202f}567,5", Some(1234567.5)),
            (&french, "1 234", Some(1234.0)),
            (&french, "12 34", None),
            (&english, "$1,234.50", Some(1234.5)),
            (&english, "+$1,234", Some(1234.0)),
            (&english, "1,23,456", Some(123456.0)),
            (&english, "1,2345", None),
            (&english, ",123", None),
            (&english, "USD 5 $", Some(5.0)),
        ] {
            assert_eq!(style.parse(text).map(|parsed| parsed.value), expected, "{text:?} {style:?}");
        }
    }

    #[test]
    fn whole_numbers_have_all_their_digits() {
        let plain = NumberStyle::default();
        let whole = |text: &str| plain.parse(text).map(|parsed| (parsed.whole, parsed.is_rounded()));
        assert_eq!(whole("9007199254740993"), Some((Some((1 << 53) + 1), true)));
        assert_eq!(whole("9007199254740993.0"), Some((Some((1 << 53) + 1), true)));
        assert_eq!(whole("9007199254740992"), Some((Some(1 << 53), false)));
        assert_eq!(whole("-18446744073709551615"), Some((Some(-i128::from(u64::MAX)), true)));
        assert_eq!(whole("1e300"), Some((None, false)));
        assert_eq!(whole("0.5"), Some((None, false)));
        assert_eq!(whole(&"7".repeat(50)), None, "more than an i128 holds");
    }

    #[test]
    fn spellings_of_a_number_have_one_key() {
        let key = NumberKey::of("1");
        for same in ["01", "1.0", "+1", "1e0", " 1.00 ", "0.1e1"] {
            assert_eq!(NumberKey::of(same), key, "{same}");
        }
        assert_eq!(NumberKey::of("-0"), NumberKey::of("0.0"));
        assert_eq!(NumberKey::of("0.10"), NumberKey::of(".1"));
        assert_eq!(NumberKey::of("1e18"), NumberKey::of("1000000000000000000"));
        assert_ne!(NumberKey::of("9007199254740993"), NumberKey::of("9007199254740992"));
        assert_eq!((NumberKey::of("a"), NumberKey::of("inf"), NumberKey::of("nan")), (None, None, None));
    }
}
