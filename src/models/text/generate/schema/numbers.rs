//! Expressions of the numbers between two bounds.

use super::alternatives;

/// The most digits of a whole number, which then fits into 64 bits.
const DIGITS: u32 = 18;
/// So many digits of a number survive as a fraction of 64 bits.
const EXACT: usize = 15;
/// The most digits behind the point, where there are bounds.
const FRACTION: usize = 6;
/// The most multiples that are written out.
const MOST: i128 = 4096;

pub(super) const INTEGER: &str = "(?:0|-?[1-9][0-9]{0,17})";
/// What is finite.
pub(super) const NUMBER: &str = r"(?:-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?)";

/// A number as its digits before and behind the point, the latter without zeros at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    whole: i128,
    fraction: Vec<u8>,
}

/// A bound, and whether it may be reached.
pub(super) type Bound = Option<(Decimal, bool)>;

impl Decimal {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok().filter(|e: &i32| e.abs() <= 30)?;
        let (negative, number) = number.strip_prefix('-').map_or((false, number), |number| (true, number));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|digit| digit.wrapping_sub(b'0')).collect();
        if digits.iter().any(|digit| *digit > 9) {
            return None;
        }
        let mut point = whole.len() as i32 + exponent;
        while point < 0 {
            digits.insert(0, 0);
            point += 1;
        }
        digits.resize(digits.len().max(point as usize), 0);
        let mut fraction = digits.split_off(point as usize);
        while fraction.last() == Some(&0) {
            fraction.pop();
        }
        let whole = digits.iter().try_fold(0i128, |n, digit| n.checked_mul(10)?.checked_add((*digit).into()))?;
        Some(Self { negative: negative && (whole > 0 || !fraction.is_empty()), whole, fraction })
    }

    pub(super) fn whole(&self) -> Option<i128> {
        self.fraction.is_empty().then_some(if self.negative { -self.whole } else { self.whole })
    }

    /// Compares values.
    pub(super) fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let size = |n: &Self| (n.whole, n.fraction.clone());
        match (self.negative, other.negative) {
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
            (own, other) => other.cmp(&own),
        }
    }
}

/// The tighter of two bounds.
pub(super) fn tighter(a: Bound, b: Bound, is_lower: bool) -> Bound {
    let (Some(a), Some(b)) = (a.clone(), b.clone()) else { return a.or(b) };
    let order = if is_lower { a.0.compare(&b.0) } else { b.0.compare(&a.0) };
    Some(match order {
        std::cmp::Ordering::Greater => a,
        std::cmp::Ordering::Less => b,
        std::cmp::Ordering::Equal => (a.0, a.1 && b.1),
    })
}

/// Whether there is nothing between two bounds.
pub(super) fn empty(least: &Bound, most: &Bound) -> bool {
    least.as_ref().zip(most.as_ref()).is_some_and(|((least, own), (most, other))| match least.compare(most) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => !(*own && *other),
        std::cmp::Ordering::Greater => true,
    })
}

/// Whole numbers; `None` if there are none.
pub(super) fn integers(least: &Bound, most: &Bound, multiple: Option<i128>) -> Result<Option<String>, String> {
    let limit = 10i128.pow(DIGITS) - 1;
    if least.is_none() && most.is_none() && multiple.is_none() {
        return Ok(Some(INTEGER.to_string()));
    }
    // The next whole number up from a bound, or down from it.
    let next = |(bound, reached): &(Decimal, bool), up: bool| {
        let sign = if bound.negative { -1 } else { 1 };
        match bound.whole() {
            Some(whole) if *reached => whole,
            Some(whole) => whole + if up { 1 } else { -1 },
            None => sign * bound.whole + if up != bound.negative { sign } else { 0 },
        }
    };
    let lo = least.as_ref().map_or(-limit, |bound| next(bound, true)).max(-limit);
    let hi = most.as_ref().map_or(limit, |bound| next(bound, false)).min(limit);
    if lo > hi {
        return Ok(None);
    }
    let Some(step) = multiple.filter(|step| *step != 1) else { return Ok(Some(signed(lo, hi))) };
    let (first, last) = (lo.div_euclid(step) + i128::from(lo.rem_euclid(step) > 0), hi.div_euclid(step));
    if last - first < MOST {
        return Ok(alternatives((first..=last).map(|n| (n * step).to_string())));
    }
    // Multiples of what divides a power of ten are told by their last digits.
    let Some(places) = (1..=3u32).find(|places| 10i128.pow(*places) % step == 0) else {
        return Err(format!("of {step}: more than {MOST} numbers are written out only for divisors of 1,000"));
    };
    let unit = 10i128.pow(places);
    let ends = alternatives((0..unit / step).map(|n| format!("{:0width$}", n * step, width = places as usize)));
    let small: Vec<i128> = (0..unit / step).map(|n| n * step).collect();
    let is_open = |bound: i128, free: i128| bound == free || bound == 0;
    if !is_open(lo, -limit) || !is_open(hi, limit) {
        return Err(format!("of {step}: between bounds there are more than {MOST}"));
    }
    let large = format!("[1-9][0-9]{{0,{}}}{}", DIGITS - places - 1, ends.unwrap_or_default());
    let mut all = Vec::new();
    if lo <= 0 && hi >= 0 {
        all.push("0".to_string());
    }
    for (sign, has) in [("", hi > 0), ("-", lo < 0)] {
        if has {
            all.extend(small.iter().filter(|n| **n > 0).map(|n| format!("{sign}{n}")));
            all.push(format!("{sign}{large}"));
        }
    }
    Ok(alternatives(all.into_iter()))
}

fn signed(lo: i128, hi: i128) -> String {
    let mut all = Vec::new();
    if lo < 0 {
        all.push(format!("-{}", unsigned((-hi).max(1), -lo)));
    }
    if hi >= 0 {
        all.push(unsigned(lo.max(0), hi));
    }
    alternatives(all.into_iter()).unwrap_or_default()
}

/// From `lo` to `hi`, neither below zero.
fn unsigned(lo: i128, hi: i128) -> String {
    let mut all = Vec::new();
    for length in lo.to_string().len()..=hi.to_string().len() {
        let (first, end) = (if length == 1 { 0 } else { 10i128.pow(length as u32 - 1) }, 10i128.pow(length as u32));
        all.push(between(lo.max(first).to_string().as_bytes(), hi.min(end - 1).to_string().as_bytes()));
    }
    alternatives(all.into_iter()).unwrap_or_default()
}

/// The texts of as many digits from one to the other.
fn between(lo: &[u8], hi: &[u8]) -> String {
    let (Some((l, lows)), Some((h, highs))) = (lo.split_first(), hi.split_first()) else { return String::new() };
    if lo.iter().all(|digit| *digit == b'0') && hi.iter().all(|digit| *digit == b'9') {
        return format!("[0-9]{{{}}}", lo.len());
    }
    if l == h {
        return format!("{}{}", *l as char, between(lows, highs));
    }
    let (zeros, nines) = (vec![b'0'; lows.len()], vec![b'9'; lows.len()]);
    let (mut first, mut last, mut all) = (*l, *h, Vec::new());
    if lows != zeros {
        all.push(format!("{}{}", *l as char, between(lows, &nines)));
        first += 1;
    }
    let top = (highs != nines).then(|| {
        last -= 1;
        format!("{}{}", *h as char, between(&zeros, highs))
    });
    if first <= last {
        all.push(format!("[{}-{}]{}", first as char, last as char, between(&zeros, &nines)));
    }
    all.extend(top);
    alternatives(all.into_iter()).unwrap_or_default()
}

/// Numbers with a fraction or without; `None` if there are none.
pub(super) fn numbers(least: &Bound, most: &Bound) -> Result<Option<String>, String> {
    if least.is_none() && most.is_none() {
        return Ok(Some(NUMBER.to_string()));
    }
    let bounds = || [least, most].into_iter().flatten().map(|(bound, _)| bound);
    let longest = bounds().map(|bound| bound.whole.to_string().len()).max().unwrap_or(1);
    let places =
        EXACT.saturating_sub(longest).min(FRACTION.max(bounds().map(|b| b.fraction.len() + 1).max().unwrap_or(0)));
    if longest > EXACT || bounds().any(|bound| bound.fraction.len() > places) {
        return Err(format!("has more than {EXACT} digits"));
    }
    let zero = || Decimal { negative: false, whole: 0, fraction: Vec::new() };
    let size = |bound: &Bound| bound.clone().map(|(bound, reached)| (Decimal { negative: false, ..bound }, reached));
    let is_negative = |bound: &Bound| bound.as_ref().is_some_and(|(bound, _)| bound.negative);
    let mut all = Vec::new();
    if least.is_none() || is_negative(least) {
        // Mirrored, without zero.
        let low = if is_negative(most) { size(most) } else { Some((zero(), false)) };
        all.extend(sizes(&low, &size(least), places).map(|all| format!("-{all}")));
    }
    if !is_negative(most) {
        let low = if is_negative(least) || least.is_none() { Some((zero(), true)) } else { least.clone() };
        all.extend(sizes(&low, most, places));
    }
    Ok(alternatives(all.into_iter()))
}

/// Numbers of one sign.
fn sizes(least: &Bound, most: &Bound, places: usize) -> Option<String> {
    let (low, reached) = least.as_ref()?;
    let of = |whole: String, low: Option<(&[u8], bool)>, high: Option<(&[u8], bool)>| {
        let empty = low.is_none_or(|(digits, reached)| digits.is_empty() && reached)
            && high.is_none_or(|(digits, reached)| !digits.is_empty() || reached);
        match (empty, fractions(low, high, places)) {
            (true, Some(all)) => Some(format!(r"{whole}(?:\.{all})?")),
            (true, None) => Some(whole),
            (false, Some(all)) => Some(format!(r"{whole}\.{all}")),
            (false, None) => None,
        }
    };
    let lows = Some((low.fraction.as_slice(), *reached));
    let highs = most.as_ref().map(|(high, reached)| (high.fraction.as_slice(), *reached));
    let end = most.as_ref().map_or(10i128.pow(EXACT as u32), |(high, _)| high.whole);
    if low.whole > end {
        return None;
    }
    if low.whole == end {
        return of(end.to_string(), lows, highs);
    }
    let mut all: Vec<String> = of(low.whole.to_string(), lows, None).into_iter().collect();
    if low.whole + 1 < end {
        all.extend(of(unsigned(low.whole + 1, end - 1), None, None));
    }
    if most.is_some() {
        all.extend(of(end.to_string(), None, highs));
    }
    alternatives(all.into_iter())
}

/// Digits behind a point, at least one and at most `places`, from one fraction (or zero) to another (or one).
fn fractions(low: Option<(&[u8], bool)>, high: Option<(&[u8], bool)>, places: usize) -> Option<String> {
    if places == 0 {
        return None;
    }
    if low.is_none() && high.is_none() {
        return Some(format!("[0-9]{{1,{places}}}"));
    }
    let mut all = Vec::new();
    for digit in 0..10u8 {
        let low = match low {
            None | Some(([], true)) => None,
            Some(([], false)) => low.filter(|_| digit == 0),
            Some(([first, ..], _)) if digit < *first => continue,
            Some(([first, rest @ ..], reached)) => (digit == *first).then_some((rest, reached)),
        };
        let high = match high {
            None => None,
            Some(([], true)) if digit == 0 => high,
            Some(([], _)) => continue,
            Some(([first, ..], _)) if digit > *first => continue,
            Some(([first, rest @ ..], reached)) => (digit == *first).then_some((rest, reached)),
        };
        let ends = low.is_none_or(|(digits, reached)| digits.is_empty() && reached)
            && high.is_none_or(|(digits, reached)| !digits.is_empty() || reached);
        match (ends, fractions(low, high, places - 1)) {
            (true, Some(rest)) => all.push(format!("{digit}(?:{rest})?")),
            (true, None) => all.push(digit.to_string()),
            (false, Some(rest)) => all.push(format!("{digit}{rest}")),
            (false, None) => {}
        }
    }
    alternatives(all.into_iter())
}
