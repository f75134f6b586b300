//! Explanations as charts.

use super::chart::Style;
use super::{Bars, Chart};
use crate::error::{Error, Result};
use crate::explain::{Ale, FaithfulnessCurve, Ice};

/// What features add to one output, the largest first; `label` is what they add to.
///
/// ```
/// use demotic::train::plot::attributions;
///
/// let bars = attributions("Flat 7", &["area", "floor"], &[12.5, -3.0], "adds to the price")?;
/// assert!(bars.to_svg()?.contains("area"));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there are not as many names as numbers.
#[track_caller]
pub fn attributions<S: AsRef<str>>(title: &str, names: &[S], values: &[f64], label: &str) -> Result<Bars> {
    if names.len() != values.len() {
        return Err(Error::argument("attributions", format!("{} names and {} numbers", names.len(), values.len())));
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    crate::order::sort_by(&mut order, |a, b| values[*b].abs().total_cmp(&values[*a].abs()));
    let bars = Bars::new(title).label(label);
    Ok(order.into_iter().fold(bars, |bars, i| bars.bar(names[i].as_ref(), values[i])))
}

/// The most curves of single rows.
const CURVES: usize = 50;

/// The curves of rows, as faint lines (of more than 50, as many, evenly chosen), and a strong one through the means of these.
#[must_use]
pub fn ice(of: &Ice) -> Chart {
    let step = of.curves.len().div_ceil(CURVES).max(1);
    let chosen = of.curves.iter().filter(|curve| curve.len() == of.at.len()).step_by(step);
    let points = chosen.flat_map(|curve| of.at.iter().copied().zip(curve.iter().copied()));
    Chart::new(format!("{} by {}", of.prediction, of.column)).labels(&of.column, &of.prediction).series(
        "rows and their mean",
        points,
        Style::Curves(of.at.len()),
    )
}

/// Accumulated local effects, by the column.
#[must_use]
pub fn ale(of: &Ale) -> Chart {
    Chart::new(format!("What {} does to {}", of.column, of.prediction))
        .labels(&of.column, format!("change of {}", of.prediction))
        .xy_line("accumulated local effects", of.effect.iter().copied())
        .horizontal(0.0, "mean")
}

/// The mean output by the share of elements that were taken away or put back, one line for each explanation.
#[must_use]
pub fn faithfulness(title: &str, of: &[(&str, &FaithfulnessCurve)]) -> Chart {
    let chart = Chart::new(title).labels("share of the elements", "output");
    of.iter().fold(chart, |chart, (name, curve)| {
        let mean = |i: usize| curve.outputs.iter().map(|row| row[i]).sum::<f64>() / curve.outputs.len().max(1) as f64;
        let points: Vec<(f64, f64)> = curve.shares.iter().enumerate().map(|(i, x)| (*x, mean(i))).collect();
        chart.xy_line(*name, points)
    })
}
