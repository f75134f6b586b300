//! Charts as SVG and PNG files (feature `plot`).

mod axis;
mod draw;

use std::path::Path;

use super::History;
use crate::error::{Error, Here, Result};

/// A chart of lines and points.
///
/// ```
/// use demotic::train::plot::Chart;
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("loss.svg");
/// Chart::new("Training")
///     .labels("epoch", "loss")
///     .log_y()
///     .line("training", [8.0, 4.0, 2.0, 1.0])
///     .horizontal(0.5, "no model is better")
///     .save(&path)?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chart {
    title: String,
    labels: [String; 2],
    log_x: bool,
    log_y: bool,
    y_limits: (f64, f64),
    diagonal: bool,
    series: Vec<Series>,
    marks: Vec<Mark>,
}

#[derive(Debug, Clone)]
struct Series {
    name: String,
    values: Vec<(f64, f64)>,
    style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Line,
    /// A faint line, and a strong one through the means of so many neighbours.
    Smooth(usize),
    Points,
}

/// A dashed line through the whole chart.
#[derive(Debug, Clone)]
struct Mark {
    name: String,
    at: f64,
    vertical: bool,
}

impl Chart {
    /// An empty chart.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            labels: [String::new(), String::new()],
            log_x: false,
            log_y: false,
            y_limits: (f64::NEG_INFINITY, f64::INFINITY),
            diagonal: false,
            series: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// What the axes show.
    #[must_use]
    pub fn labels(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        self.labels = [x.into(), y.into()];
        self
    }

    /// A logarithmic horizontal axis, which says so. Points to the left of 10⁻³⁰ are left out.
    #[must_use]
    pub fn log_x(mut self) -> Self {
        self.log_x = true;
        self
    }

    /// A logarithmic vertical axis, which says so. Values below 10⁻³⁰ are left out.
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// Shows nothing below `low` and above `high`: points are left out there, and lines are cut.
    #[must_use]
    pub fn y_limits(mut self, low: f64, high: f64) -> Self {
        self.y_limits = (low, high);
        self
    }

    /// A thin line where both coordinates are equal.
    #[must_use]
    pub fn diagonal(mut self) -> Self {
        self.diagonal = true;
        self
    }

    /// A line through values at 1, 2, 3 …
    #[must_use]
    pub fn line(self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        self.series(name, counted(values), Style::Line)
    }

    /// A faint line through values at 1, 2, 3 …, and a strong one through the mean of each value and its neighbours,
    /// `window` values in all (at the ends, as many as there are). For losses of single steps, which scatter.
    #[must_use]
    pub fn smooth_line(self, name: impl Into<String>, values: impl IntoIterator<Item = f64>, window: usize) -> Self {
        self.series(name, counted(values), Style::Smooth(window))
    }

    /// A line through points. Those that are not finite, or beyond ±10³⁰, are left out.
    #[must_use]
    pub fn xy_line(self, name: impl Into<String>, values: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series(name, values, Style::Line)
    }

    /// Separate points.
    #[must_use]
    pub fn points(self, name: impl Into<String>, values: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series(name, values, Style::Points)
    }

    /// A dashed line at a height, with its name on it: for what the values are compared with. The chart is made high enough
    /// to show it, within its [limits](Self::y_limits).
    #[must_use]
    pub fn horizontal(mut self, y: f64, name: impl Into<String>) -> Self {
        self.marks.push(Mark { name: name.into(), at: y, vertical: false });
        self
    }

    /// A dashed line from bottom to top, with its name on it: for when something happened.
    #[must_use]
    pub fn vertical(mut self, x: f64, name: impl Into<String>) -> Self {
        self.marks.push(Mark { name: name.into(), at: x, vertical: true });
        self
    }

    fn series(mut self, name: impl Into<String>, values: impl IntoIterator<Item = (f64, f64)>, style: Style) -> Self {
        self.series.push(Series { name: name.into(), values: values.into_iter().collect(), style });
        self
    }

    /// Draws the chart into a file, in the format that the name ends in: `.svg` or `.png`.
    ///
    /// # Errors
    /// If the name has another ending, or the file cannot be written.
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |e: String| Error::state("plot", format!("cannot draw {}: {e}", path.display()));
        match path.extension().and_then(|e| e.to_str()) {
            Some("svg") => draw::svg(self, path).map_err(failed).here(),
            Some("png") => draw::png(self, path).map_err(failed).here(),
            _ => Err(Error::argument("plot", format!("{}: expected a name that ends in .svg or .png", path.display()))),
        }
    }
}

fn counted(values: impl IntoIterator<Item = f64>) -> impl Iterator<Item = (f64, f64)> {
    values.into_iter().enumerate().map(|(i, y)| ((i + 1) as f64, y))
}

impl History {
    /// A chart of the losses of training and validation: by epochs, or by steps if the run was
    /// [evaluated](super::Trainer::evaluate_every) after steps. The epoch or step that was kept is marked if it is not the
    /// last.
    #[must_use]
    pub fn chart(&self) -> Chart {
        let by_step = !self.evaluations.is_empty();
        let rows = if by_step { &self.evaluations } else { &self.epochs };
        let at = |row: &super::Epoch| if by_step { row.step as f64 } else { row.epoch as f64 };
        let unit = if by_step { "step" } else { "epoch" };
        let training = rows.iter().map(|row| (at(row), row.train_loss));
        let mut chart = Chart::new("Loss").labels(unit, "loss").log_y().xy_line("training", training);
        let validation: Vec<_> =
            rows.iter().filter_map(|row| row.validation_loss.map(|loss| (at(row), loss))).collect();
        if !validation.is_empty() {
            chart = chart.xy_line("validation", validation);
        }
        let kept = if by_step { self.kept_step as f64 } else { self.kept_epoch as f64 };
        if rows.last().is_some_and(|last| kept < at(last)) {
            chart = chart.vertical(kept, format!("{unit} {kept} kept"));
        }
        chart
    }
}
