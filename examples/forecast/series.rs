//! The series, and what a model sees of it.

use std::path::Path;

use demotic::data::{Column, Table};
use demotic::prelude::*;
use serde::{Deserialize, Serialize};

/// How numbers are brought to the size of one, where a step is within its seasons, and how far models look: all that goes with a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setting {
    pub column: String,
    pub mean: f64,
    pub deviation: f64,
    pub season: usize,
    pub input: usize,
    pub horizon: usize,
    /// How many steps of the season had passed before the first row; counted from the first row of training.
    pub steps: usize,
    /// From the 10th to the 90th percentile of what was off at each step of the horizon, in rows that the model had not learnt.
    pub range: Vec<[f64; 2]>,
}

/// Weeks of the invented load.
const WEEKS: usize = 40;

/// An invented load of electricity in MW, hour by hour: a level that rises slowly, a course of the day with two peaks, weekends that are
/// lower and later, and weather, which is noise that passes slowly: each hour keeps 0.9 of the last, and adds a normal number with a standard
/// deviation of 8.
pub fn invented(rng: &mut Rng) -> Result<Table> {
    let peak = |hour: f64, at: f64, width: f64| (-((hour - at) / width).powi(2)).exp();
    let mut weather = 0.0;
    let load: Vec<f64> = (0..WEEKS * 7 * 24)
        .map(|step| {
            let (hour, day) = ((step % 24) as f64, step / 24 % 7);
            let course = match day {
                0..5 => 120.0 * peak(hour, 8.0, 3.0) + 160.0 * peak(hour, 19.0, 3.5),
                _ => 90.0 * peak(hour, 11.0, 3.5) + 110.0 * peak(hour, 20.0, 3.5),
            };
            weather = 0.9 * weather + 8.0 * rng.normal();
            let level = 400.0 + 0.005 * step as f64;
            ((level + course + weather) * 10.0).round() / 10.0
        })
        .collect();
    Table::from_columns([
        ("hour", (0..load.len()).map(|hour| hour as f64).collect::<Column>()),
        ("load_mw", load.into()),
    ])
}

/// The numbers of a column, without a gap.
pub fn numbers(table: &Table, column: &str) -> Result<Vec<f64>> {
    let Some(numbers) = table.column(column)?.numbers() else {
        return Err(Error::argument("forecast", format!("column `{column}` holds texts, expected numbers")));
    };
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(row) => Err(Error::argument("forecast", format!("column `{column}` has no value in row {row}"))),
        None => Ok(numbers.to_vec()),
    }
}

/// The column to forecast of a file.
pub fn read(path: &Path, column: Option<&str>) -> Result<(Table, String)> {
    let table = demotic::data::CsvOptions::new().detect_delimiter().read(path)?;
    let column = column.or(table.column_names().last()).unwrap_or_default().to_string();
    Ok((table, column))
}

impl Setting {
    /// What a model sees at each step, `[steps, 5]`: the scaled number, and where the step is in its season and in seven of them, as points
    /// on circles. `first` is the number of the first step.
    pub fn features(&self, values: &[f64], first: usize) -> Result<Tensor> {
        let mut out = Vec::with_capacity(5 * values.len());
        for (i, x) in values.iter().enumerate() {
            out.push(((x - self.mean) / self.deviation) as f32);
            for length in [self.season, 7 * self.season] {
                let angle = std::f64::consts::TAU * ((first + i) % length) as f64 / length as f64;
                out.extend([angle.sin() as f32, angle.cos() as f32]);
            }
        }
        Tensor::from_vec(out, [values.len(), 5])
    }

    /// Forecasts in their own unit.
    pub fn in_units(&self, forecast: &Tensor) -> Vec<f64> {
        forecast.to_f64_vec().into_iter().map(|x| self.mean + self.deviation * x).collect()
    }
}
