//! Dates written in many ways, none of them ambiguous, with their ISO form.

use demotic::Rng;

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
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// Years of two digits stand for this one and the 99 that follow.
const FIRST_YEAR: usize = 1950;

pub struct Example {
    pub written: String,
    pub iso: String,
}

/// A random date in a random way of writing.
pub fn example(rng: &mut Rng) -> Example {
    let (year, month) = (FIRST_YEAR + rng.below(100), 1 + rng.below(12));
    let day = 1 + rng.below(days(year, month));
    let name = MONTHS[month - 1];
    let short = &name[..3];
    let weekday = WEEKDAYS[weekday(year, month, day)];
    let two = year % 100;
    let written = match rng.below(12) {
        0 => format!("{day} {name} {year}"),
        1 => format!("{name} {day}, {year}"),
        2 => format!("{short} {day}{}, {year}", suffix(day)),
        3 => format!("the {day}{} of {name} {year}", suffix(day)),
        4 => format!("{weekday}, {day} {short} {year}"),
        5 => format!("{}, {name} {day}{} {year}", &weekday[..3], suffix(day)),
        6 => format!("{day}-{short}-{two:02}"),
        7 => format!("{year}/{month}/{day}"),
        8 => format!("{year}{month:02}{day:02}"),
        9 => format!("{year}年{month}月{day}日"),
        10 => format!("{day:02} {} {year}", short.to_uppercase()),
        _ => format!("{short} '{two:02}, day {day}"),
    };
    Example { written, iso: format!("{year}-{month:02}-{day:02}") }
}

fn days(year: usize, month: usize) -> usize {
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Sakamoto's method; 0 is Sunday.
fn weekday(year: usize, month: usize, day: usize) -> usize {
    const OFFSETS: [usize; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let year = if month < 3 { year - 1 } else { year };
    (year + year / 4 - year / 100 + year / 400 + OFFSETS[month - 1] + day) % 7
}

fn suffix(day: usize) -> &'static str {
    match day {
        11..=13 => "th",
        _ if day % 10 == 1 => "st",
        _ if day % 10 == 2 => "nd",
        _ if day % 10 == 3 => "rd",
        _ => "th",
    }
}
