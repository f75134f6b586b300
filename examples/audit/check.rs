//! What the results have to be.

use demotic::{Error, Result};
use serde_json::Value;

use crate::loans::{BIAS, DUPLICATES, SLIPS};
use crate::options::Options;

fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::state("audit", format!("check failed: {what}"))) }
}

/// On the invented applications, what was planted has to be found; on other tables, what can be said of any.
pub fn all(results: &Value, options: &Options) -> Result<()> {
    let number = |path: &str| results.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let ways = results["ways"].as_array().cloned().unwrap_or_default();
    expect(ways.len() >= 3, "there are three ways to decide at least")?;
    expect(number("/accuracy") > 0.6, "the model is better than guessing")?;
    expect(number("/coverage") > 0.8, "sets that shall hold the outcome in 90 % of cases hold it in 80 % at least")?;
    if options.data.is_some() {
        return Ok(());
    }
    expect(number("/found/duplicates") == DUPLICATES as f64, "all repeated rows are found")?;
    expect(number("/found/outliers/income") == SLIPS as f64, "all incomes in the wrong unit are found")?;
    expect(
        results["found"]["leaks"] == serde_json::json!(["paid_out"]),
        "the column from after the decision is found",
    )?;
    expect(
        results["found"]["missing by group"] == serde_json::json!(["years_employed"]),
        "what is missing of women is found",
    )?;
    let (low, high) = (number("/bias/low"), number("/bias/high"));
    expect((low..=high).contains(&-BIAS) && high < -0.5, "the interval of the bias holds the one that was planted")?;
    let way = |name: &str| ways.iter().find(|way| way["name"] == name).cloned().unwrap_or_default();
    let of = |way: &Value, what: &str| way[what].as_f64().unwrap_or(f64::NAN);
    let (before, after) = (way("as it is"), way("thresholds, same selection"));
    let blind = way("not told the group");
    expect(
        of(&blind, "difference") < of(&before, "difference"),
        "a model that is not told the sex treats women less badly",
    )?;
    expect(of(&before, "difference") > 0.12, "the model treats women worse")?;
    expect(of(&after, "difference") < 0.6 * of(&before, "difference"), "thresholds of groups mend most of it")?;
    expect(of(&before, "accuracy") - of(&after, "accuracy") < 0.06, "at a cost of less than six points of accuracy")
}
