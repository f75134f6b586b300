//! Numbers as people write them.

use std::borrow::Cow;

use super::column::{may_be_rounded, whole};

/// How numbers are written in a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NumberStyle {
    pub(super) decimal: char,
    pub(super) thousands: Option<char>,
    /// What may stand before or behind a number, the longest first.
    units: Vec<String>,
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
    /// Which units stood beside it, by position, as bits.
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
        Self { decimal, thousands, units }
    }

    /// Whether all that this style reads is read by another one, too.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.decimal == other.decimal
            && (self.thousands.is_none() || self.thousands == other.thousands)
            && self.units.iter().all(|unit| other.units.contains(unit))
    }

    /// The number that a text is, `None` if it is none. Whole numbers with more digits than an `i128` has are none: as
    /// an `f64`, different ones would be the same.
    pub(super) fn parse(&self, text: &str) -> Option<Parsed> {
        let (text, units) = self.without_units(text.trim());
        let text = self.normal(text)?;
        let value: f64 = text.parse().ok()?;
        if !may_be_rounded(value) {
            return Some(Parsed { value, whole: whole(value), units });
        }
        match integer(&text) {
            None if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-')) => None,
            whole => Some(Parsed { value, whole, units }),
        }
    }

    /// The names of the units that stood beside a number: `kg`.
    pub(super) fn units_of(&self, units: u64) -> String {
        let names = self.units.iter().enumerate().filter(|(i, _)| units & bit(*i) != 0);
        names.map(|(_, unit)| unit.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// A text without its units, if it is a whole number with a zero in front, which the number loses.
    pub(super) fn with_zeros(&self, text: &str) -> Option<String> {
        let (text, _) = self.without_units(text.trim());
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

    /// A text without units, and which they were. The longest that fits goes first: `kg` before `g`. A sign may stand before a unit in
    /// front: -€5.
    fn without_units<'t>(&self, text: &'t str) -> (Cow<'t, str>, u64) {
        let mut rest = text;
        let sign = text.starts_with(['-', '+']).then(|| &text[..1]);
        let mut signed = false;
        let mut found = 0;
        loop {
            let next = self.units.iter().enumerate().filter(|(i, _)| found & bit(*i) == 0).find_map(|(i, unit)| {
                if let Some(left) = rest.strip_suffix(unit.as_str()) {
                    return Some((i, left.trim_end(), false));
                }
                if let Some(left) = rest.strip_prefix(unit.as_str()) {
                    return Some((i, left.trim_start(), false));
                }
                let left = rest.strip_prefix(['-', '+'])?.strip_prefix(unit.as_str())?;
                Some((i, left.trim_start(), true))
            });
            let Some((i, left, behind_sign)) = next else { break };
            found |= bit(i);
            rest = left;
            signed |= behind_sign;
        }
        match sign.filter(|_| signed) {
            Some(sign) => (Cow::Owned(format!("{sign}{rest}")), found),
            None => (Cow::Borrowed(rest), found),
        }
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
mod tests {
    use super::*;

    fn style(decimal: char, thousands: Option<char>, units: &[&str]) -> NumberStyle {
        NumberStyle::new(decimal, thousands, units.iter().map(|unit| unit.to_string()).collect())
    }

    #[test]
    fn styles() {
        let plain = NumberStyle::default();
        let german = style(',', Some('.'), &["€", "%"]);
        let french = style(',', Some(' '), &[]);
        let english = style('.', Some(','), &["$", "USD"]);
        let scales = style(',', None, &["g", "kg", ""]);
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
            (&scales, "0,1242 kg", Some(0.1242)),
            (&scales, "152,5 g", Some(152.5)),
            (&scales, "-kg 3", Some(-3.0)),
            (&scales, "5 k", None),
            (&scales, "5 g g", None),
        ] {
            assert_eq!(style.parse(text).map(|parsed| parsed.value), expected, "{text:?} {style:?}");
        }
    }

    #[test]
    fn units_and_zeros_in_front_are_told() {
        for units in [["g", "kg"], ["kg", "g"]] {
            let scales = style(',', None, &units);
            let unit = |text: &str| scales.parse(text).map(|parsed| scales.units_of(parsed.units));
            assert_eq!(unit("0,1242 kg").as_deref(), Some("kg"));
            assert_eq!(unit("152,5 g").as_deref(), Some("g"));
            assert_eq!(unit("7").as_deref(), Some(""));
            let zeros = |text: &str| scales.with_zeros(text);
            assert_eq!((zeros("01067"), zeros(" 007 g")), (Some("01067".into()), Some("007".into())));
            assert_eq!([zeros("0"), zeros("0,5"), zeros("10"), zeros("-01"), zeros("")], [const { None }; 5]);
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
