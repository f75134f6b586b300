//! What follows the rows of a file.

use std::path::Path;

use demotic::data::{Column, Table};
use demotic::prelude::*;
use demotic::train::plot::Chart;

use crate::model::Forecaster;
use crate::series::{self, Setting};

/// The 10th and the 90th percentile of what was off at each step.
pub fn range(forecast: &[f64], actual: &[f64], horizon: usize) -> Vec<[f64; 2]> {
    let of = |step: usize| {
        let mut off: Vec<f64> = forecast.iter().zip(actual).skip(step).step_by(horizon).map(|(p, y)| y - p).collect();
        off.sort_by(f64::total_cmp);
        let at = |share: f64| off.get((share * (off.len().max(1) - 1) as f64).round() as usize).copied().unwrap_or(0.0);
        [at(0.1), at(0.9)]
    };
    (0..horizon).map(of).collect()
}

/// Forecasts with the model in a folder. The file holds the series from its first step on, as the one that was learnt from did, so that the
/// seasons are known; it may go on further than that one.
pub fn predict(folder: &Path, file: &Path) -> Result<()> {
    let (model, metadata) = Forecaster::open_with_metadata(folder.join("model.safetensors"))?;
    let setting: Setting = metadata.get_json("setting")?;
    let (table, column) = series::read(file, Some(&setting.column))?;
    let values = series::numbers(&table, &column)?;
    let (n, input) = (values.len(), setting.input);
    if n < input {
        return Err(Error::argument("forecast", format!("{n} rows, the model has to see {input}")));
    }
    let x = setting.features(&values[n - input..], n - input)?.unsqueeze(0)?;
    let forecast = setting.in_units(&model.predict(&x)?);
    let ends =
        |side: usize| -> Vec<f64> { forecast.iter().zip(&setting.range).map(|(p, off)| p + off[side]).collect() };
    let (low, high) = (ends(0), ends(1));
    let steps: Vec<f64> = (n..n + forecast.len()).map(|step| step as f64).collect();
    let table = Table::from_columns([
        ("step", Column::from(steps.clone())),
        ("forecast", forecast.clone().into()),
        ("low", low.clone().into()),
        ("high", high.clone().into()),
    ])?;
    println!("{table}\n\nFour of five numbers are between low and high.");
    table.write_csv(folder.join("forecast.csv"))?;
    let seen = values.iter().enumerate().skip(n - input).map(|(i, x)| (i as f64, *x));
    Chart::new(format!("Forecast of {column}"))
        .labels("step", &column)
        .xy_line("seen", seen)
        .xy_line("forecast", steps.iter().copied().zip(forecast))
        .band("four of five", steps.iter().zip(low.into_iter().zip(high)).map(|(x, (a, b))| (*x, a, b)))
        .save(folder.join("forecast.png"))?;
    println!("{} and forecast.png beside it", folder.join("forecast.csv").display());
    Ok(())
}
