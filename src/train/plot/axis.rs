//! Axes: from numbers to places, and the numbers that are written beside them.

/// The fewest numbers that an axis should have.
const TICKS: usize = 5;

/// One axis of a chart. Places on it are numbers, or their logarithms to the base of ten.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    log: bool,
    /// The places of both ends.
    pub(super) ends: (f64, f64),
    /// The places of the numbers beside it.
    pub(super) ticks: Vec<f64>,
}

impl Axis {
    /// An axis for the numbers from `low` to `high`, with some room around them, but none beyond `limits`. If there are no
    /// numbers, `low` is above `high`.
    pub(super) fn new((low, high): (f64, f64), limits: (f64, f64), log: bool, whole: bool) -> Self {
        let (low, high) = if low <= high { (low, high) } else { (0.1, 1.0) };
        let (a, b) = (place(low, log), place(high, log));
        let room = match (b > a, log) {
            (true, _) => 0.04 * (b - a),
            (false, true) => 0.2,
            (false, false) => 0.5 * b.abs().max(1.0),
        };
        let start = if low > limits.0 { a - room } else { a };
        let end = if high < limits.1 { b + room } else { b };
        // Numbers of one point are a range as well, also where a limit leaves no room.
        let ends = if start < end { (start, end) } else { (a - room, b + room) };
        let ticks = if log { decades(ends) } else { even(ends, if whole { 1.0 } else { 0.0 }) };
        Self { log, ends, ticks }
    }

    /// Where a number is.
    pub(super) fn place(&self, number: f64) -> f64 {
        place(number, self.log)
    }

    /// What is written at a place.
    pub(super) fn label(&self, place: f64) -> String {
        number(if self.log { 10f64.powf(place) } else { place })
    }

    /// How far along the axis a place is, from 0 to 1.
    pub(super) fn share(&self, place: f64) -> f64 {
        (place - self.ends.0) / (self.ends.1 - self.ends.0)
    }
}

fn place(number: f64, log: bool) -> f64 {
    if log { number.log10() } else { number }
}

/// Round numbers at even distances of at least `least`.
fn even((start, end): (f64, f64), least: f64) -> Vec<f64> {
    let wanted = (end - start) / TICKS as f64;
    let power = 10f64.powf(wanted.log10().floor());
    // The largest round distance with which there are enough.
    let round = [5.0, 2.5, 2.0, 1.0].map(|r| r * power).into_iter().find(|step| *step <= wanted).unwrap_or(power);
    let step = if least > 0.0 { round.max(least).ceil() } else { round };
    let (first, last) = ((start / step).ceil(), (end / step).floor());
    // For numbers that are large for their distance, the steps are lost in rounding.
    let count = if (last - first).is_finite() { (last - first).clamp(-1.0, 50.0) as i64 } else { -1 };
    (0..=count).map(|i| (first + i as f64) * step).collect()
}

/// The logarithms of round numbers: powers of ten, and as many multiples of them as are needed.
fn decades((start, end): (f64, f64)) -> Vec<f64> {
    let (first, last) = (start.floor() as i64, end.ceil() as i64);
    let among = |multiples: &[f64], every: i64| -> Vec<f64> {
        let powers = (first..=last).filter(|power| power.rem_euclid(every) == 0);
        let all = powers.flat_map(|power| multiples.iter().map(move |m| power as f64 + m.log10()));
        all.filter(|place| (start..=end).contains(place)).collect()
    };
    let every = ((end - start) / (2 * TICKS) as f64).ceil().max(1.0) as i64;
    let choices: [&[f64]; 5] = [
        &[1.0],
        &[1.0, 3.0],
        &[1.0, 2.0, 5.0],
        &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
        &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
    ];
    for multiples in choices {
        let ticks = among(multiples, if multiples.len() == 1 { every } else { 1 });
        if ticks.len() >= TICKS {
            return ticks;
        }
    }
    // Within a part of a decade, numbers at even distances are about as even on the axis.
    even((10f64.powf(start), 10f64.powf(end)), 0.0).into_iter().filter(|n| *n > 0.0).map(f64::log10).collect()
}

/// A number with about four digits.
pub(super) fn number(v: f64) -> String {
    let size = v.abs();
    if size != 0.0 && !(0.99e-3..0.99e6).contains(&size) {
        let power = (size.log10() + 1e-9).floor();
        let digits = trimmed(format!("{:.3}", v / 10f64.powf(power)));
        let power: String = format!("{power}").chars().map(raised).collect();
        return if digits == "1" { format!("10{power}") } else { format!("{digits}·10{power}") };
    }
    let text = trimmed(format!("{v:.4}"));
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    match unsigned.split_once('.').unwrap_or((unsigned, "")) {
        (thousands, "") if thousands.len() > 4 => {
            let (head, tail) = thousands.split_at(thousands.len() - 3);
            format!("{sign}{head},{tail}")
        }
        _ => text,
    }
}

fn trimmed(text: String) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn raised(digit: char) -> char {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    digit.to_digit(10).map_or('⁻', |d| DIGITS[d as usize])
}

#[cfg(test)]
mod tests;
