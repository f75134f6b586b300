//! Whether the results are what they should be: for continuous integration.

use demotic::{Error, Result};
use serde_json::Value;

/// What scikit-learn's `MLPClassifier` reaches on the same split (`--seed 1`), the mean of ten seeds, by `reference.py`.
const IRIS: f64 = 0.9459;
const DIGITS: f64 = 0.9817;

pub fn all(results: &Value) -> Result<()> {
    let scores = &results["scores"];
    let number = |name: &str| scores[name].as_f64().unwrap_or(f64::NAN);
    match results["table"].as_str() {
        Some("iris.csv") => at_least("accuracy", number("accuracy"), IRIS)?,
        Some("digits.csv") => at_least("accuracy", number("accuracy"), DIGITS)?,
        Some("flats.csv") => {
            let ignored =
                results["ignored"].as_array().is_some_and(|columns| columns.iter().any(|name| name == "deposit"));
            let leaks = results["leaks"].to_string();
            if (leaks == "[\"deposit\"]") == ignored {
                return Err(Error::numeric("check", format!("columns that leak: {leaks}")));
            }
            if results["notes"].as_array().map_or(0, Vec::len) != 4 {
                return Err(Error::numeric("check", format!("what was found out about columns: {}", results["notes"])));
            }
            // Cells without a value and two slips of the pen cost more than the noise, whose mean is 24 €.
            if ignored {
                at_least("the mean of the noise, in units of the MAE", 24.0 / number("mae"), 0.55)?;
            }
        }
        _ => at_least("R² or accuracy", number("accuracy").max(number("r2")), 0.0)?,
    }
    if results["same_after_loading"] != Value::Bool(true) {
        return Err(Error::numeric("check", "the loaded model predicts something else"));
    }
    eprintln!("all results are as they should be");
    Ok(())
}

fn at_least(what: &str, got: f64, limit: f64) -> Result<()> {
    if got >= limit {
        return Ok(());
    }
    Err(Error::numeric("check", format!("{what} is {got}, expected at least {limit}")))
}
