//! The Gregorian calendar, in both directions.

/// The seconds of the years 0 to 9999.
const FIRST: f64 = -62_167_219_200.0;
const BEHIND: f64 = 253_402_300_800.0;
const DAY: i64 = 86_400;

/// A time, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
}

impl Civil {
    /// The time so many seconds after the beginning of 1970, without their fraction.
    pub(super) fn of(seconds: f64) -> Option<Self> {
        if !(FIRST..BEHIND).contains(&seconds) {
            return None;
        }
        let seconds = seconds.floor() as i64;
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let time = seconds.rem_euclid(DAY);
        Some(Self { year, month, day, hour: time / 3600, minute: time / 60 % 60, second: time % 60 })
    }

    /// The seconds since the beginning of 1970, if there is such a date and time.
    pub(super) fn seconds(&self) -> Option<i64> {
        let valid = (0..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=days_of_month(self.year, self.month)).contains(&self.day)
            && (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second);
        let time = self.hour * 3600 + self.minute * 60 + self.second;
        valid.then(|| days(self.year, self.month, self.day) * DAY + time)
    }

    pub(super) fn day_of_year(&self) -> i64 {
        days(self.year, self.month, self.day) - days(self.year, 1, 1) + 1
    }

    /// From 0 for Monday.
    pub(super) fn weekday(&self) -> i64 {
        // The first of January 1970 was a Thursday.
        (days(self.year, self.month, self.day) + 3).rem_euclid(7)
    }
}

/// Days of the years before this one, for years that begin in March: the day that leap years insert is then their last.
fn days_before(year: i64) -> i64 {
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400)
}

/// Days before a month of such a year, counted from 0 for March. Five months in turn have 31, 30, 31, 30 and 31 days.
const fn days_before_month(month: i64) -> i64 {
    (153 * month + 2) / 5
}

/// From the first of March of the year 0 to the first of January 1970.
const EPOCH: i64 = 719_468;

/// Days since the beginning of 1970.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    days_before(year) + days_before_month(month) + day - 1 - EPOCH
}

/// Year, month and day.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    // At most one off, since 400 years have 146,097 days.
    let mut year = (days * 400).div_euclid(146_097) - 1;
    while days_before(year + 1) <= days {
        year += 1;
    }
    let left = days - days_before(year);
    let month = (5 * left + 2) / 153;
    let day = left - days_before_month(month) + 1;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

pub(super) fn days_of_month(year: i64, month: i64) -> i64 {
    let next = if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
    next - days(year, month, 1)
}

pub(super) fn days_of_year(year: i64) -> i64 {
    days(year + 1, 1, 1) - days(year, 1, 1)
}

#[cfg(test)]
mod tests;
