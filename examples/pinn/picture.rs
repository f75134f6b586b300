//! Pictures of the solution, of its error and of how it was found.

use std::path::{Path, PathBuf};

use demotic::Result;
use demotic::train::plot::Chart;

use crate::equation::Wave;
use crate::exact::{TIMES, solution, solved};

/// Writes the charts. Returns where they are.
pub fn draw(folder: &Path, wave: &Wave, viscosity: f64, losses: &[f64]) -> Result<Vec<PathBuf>> {
    let mut shape = Chart::new("Burgers' equation: lines by the network, points exact").labels("x", "u");
    let mut error = Chart::new("Distance to the exact solution").labels("x", "error").log_y().y_limits(1e-7, 1.0);
    for t in TIMES.into_iter().chain([0.0]) {
        let found = solved(wave, t)?;
        // Nothing can be wrong at the beginning.
        if t > 0.0 {
            let distance = found.iter().map(|(x, u)| (*x, (u - solution(t, *x, viscosity)).abs()));
            error = error.xy_line(format!("t = {t}"), distance.collect::<Vec<_>>());
        }
        shape = shape.xy_line(format!("t = {t}"), found);
    }
    let exact = TIMES.iter().flat_map(|t| (-20..=20).map(move |k| (f64::from(k) / 20.0, *t)));
    shape = shape.points("exact", exact.map(|(x, t)| (x, solution(t, x, viscosity))).collect::<Vec<_>>());
    let found = Chart::new("How far the equation is missed").labels("step", "mean square").log_y();
    let charts = [
        ("solution.png", shape),
        ("error.png", error),
        ("residual.png", found.smooth_line("in the points of the step", losses.iter().copied(), 21)),
    ];
    charts.into_iter().map(|(name, chart)| chart.save(folder.join(name)).map(|()| folder.join(name))).collect()
}
