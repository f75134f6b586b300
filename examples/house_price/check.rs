//! Whether the results are what they should be: for continuous integration.

use demotic::{Error, Result};
use serde_json::Value;

/// The losses of the worked example and the weights after its first step, computed by hand to the digits given.
const LOSSES: [f64; 5] = [35721.0, 2.0605e11, 2.6775e18, 2.4248e25, 1.3988e32];
const WEIGHTS: [f64; 2] = [3780.1, 189.2];

/// The least mean squared error of a model with two weights and no bias on the three houses (by `numpy.linalg.lstsq`).
const FLOOR: f64 = 142.77389277389284;

pub fn all(results: &Value) -> Result<()> {
    if !results["worked_example"].is_null() {
        three_houses(results)?;
    }
    let model = &results["model"];
    let (mlp, linear) = (number(&model["mlp"]["rmse"]), number(&model["linear_regression"]["rmse"]));
    if let Some(floor) = model["noise_floor"].as_f64() {
        below("the network's RMSE, with the noise floor as the unit", mlp / floor, 1.1)?;
        below("the network's RMSE, with linear regression's as the unit", mlp / linear, 1.0)?;
    } else {
        // On the diabetes data, scikit-learn's ridge and MLP regressors explain 0.35 to 0.55, depending on the split.
        below("the share of the variance that is not explained", 1.0 - number(&model["mlp"]["r2"]), 0.65)?;
    }
    if model["same_after_loading"] != Value::Bool(true) {
        return Err(Error::numeric("check", "the loaded model predicts something else"));
    }
    eprintln!("all results are as they should be");
    Ok(())
}

fn three_houses(results: &Value) -> Result<()> {
    let worked = &results["worked_example"];
    for (i, expected) in LOSSES.iter().enumerate() {
        close(&format!("loss {}", i + 1), number(&worked["losses"][i]), *expected, 5e-5)?;
    }
    for (i, expected) in WEIGHTS.iter().enumerate() {
        close(&format!("weight {}", i + 1), number(&worked["weights_after_step_1"][i]), *expected, 1e-9)?;
    }
    close("largest curvature", number(&worked["largest_curvature"]), 31345.86, 1e-6)?;
    close("rate limit", number(&worked["rate_limit"]), 6.38e-5, 1e-3)?;
    close("rate over limit", number(&worked["rate_over_limit"]), 1567.0, 1e-3)?;
    close("condition number", number(&worked["condition_number"]), 3092.0, 1e-3)?;

    // The least mean squared error that two weights can have, from the normal equations.
    let cures = &results["cures"];
    close("the floor", number(&cures["floor"]), FLOOR, 1e-6)?;
    let attempts = cures["attempts"].as_array().map_or(&[][..], Vec::as_slice);
    if attempts.len() != 6 {
        return Err(Error::numeric("check", format!("{} cures, expected 6", attempts.len())));
    }
    for cure in attempts {
        let name = cure["name"].as_str().unwrap_or("a cure");
        below(name, number(&cure["ratio"]), 1e-2)?;
        below(&format!("{name}, with the floor as the unit"), number(&cure["last_loss"]) / FLOOR, 2.5)?;
        below(&format!("the floor, with {name} as the unit"), FLOOR / number(&cure["last_loss"]), 1.0 + 1e-6)?;
    }
    Ok(())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn close(what: &str, got: f64, expected: f64, tolerance: f64) -> Result<()> {
    if ((got - expected) / expected).abs() <= tolerance {
        return Ok(());
    }
    Err(Error::numeric("check", format!("{what} is {got}, expected {expected}")))
}

fn below(what: &str, got: f64, limit: f64) -> Result<()> {
    if got < limit {
        return Ok(());
    }
    Err(Error::numeric("check", format!("{what} is {got}, expected less than {limit}")))
}
