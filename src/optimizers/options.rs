//! Checks of options.

use crate::error::{Error, Result};

#[track_caller]
pub(super) fn check(ok: bool, op: &str, name: &str, value: f64, expected: &str) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::argument(op, format!("{name} is {value}, expected {expected}"))) }
}

/// `0 ≤ value < ∞`.
#[track_caller]
pub(crate) fn not_negative(op: &str, name: &str, value: f64) -> Result<()> {
    check(value >= 0.0 && value.is_finite(), op, name, value, "a finite number that is not negative")
}

/// `0 < value < ∞`.
#[track_caller]
pub(crate) fn positive(op: &str, name: &str, value: f64) -> Result<()> {
    check(value > 0.0 && value.is_finite(), op, name, value, "a finite number above 0")
}

/// `0 ≤ value < 1`.
#[track_caller]
pub(crate) fn below_one(op: &str, name: &str, value: f64) -> Result<()> {
    check((0.0..1.0).contains(&value), op, name, value, "at least 0 and less than 1")
}

/// `0 ≤ value ≤ 1`.
#[track_caller]
pub(crate) fn fraction(op: &str, name: &str, value: f64) -> Result<()> {
    check((0.0..=1.0).contains(&value), op, name, value, "at least 0 and at most 1")
}
