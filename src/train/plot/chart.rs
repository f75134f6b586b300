//! Charts: what is on them.

use crate::train::History;
use crate::train::history::Epoch;

/// A chart of lines, points, bars and bands between two axes of numbers.
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
    pub(super) title: String,
    pub(super) labels: [String; 2],
    pub(super) log_x: bool,
    pub(super) log_y: bool,
    pub(super) x_limits: (f64, f64),
    pub(super) y_limits: (f64, f64),
    pub(super) diagonal: bool,
    pub(super) square: bool,
    pub(super) size: (f64, f64),
    pub(super) note: String,
    pub(super) series: Vec<Series>,
    pub(super) marks: Vec<Mark>,
}

#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) values: Vec<(f64, f64)>,
    pub(super) style: Style,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Style {
    Line,
    /// A faint line, and a strong one through the means of so many neighbours.
    Smooth(usize),
    /// Faint lines of so many points each, at the same places, and a strong one through their means.
    Curves(usize),
    Points,
    /// Values are the left edges and the heights; these are the right edges.
    Bars(Vec<f64>),
    /// Values are the lower edge; these are the heights of the upper one.
    Band(Vec<f64>),
}

/// A dashed line through the whole chart.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) name: String,
    pub(super) at: f64,
    pub(super) vertical: bool,
}

const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

impl Chart {
    /// An empty chart.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            labels: [String::new(), String::new()],
            log_x: false,
            log_y: false,
            x_limits: ALL,
            y_limits: ALL,
            diagonal: false,
            square: false,
            size: (960.0, 600.0),
            note: String::new(),
            series: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// What the axes show, with its unit.
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

    /// Shows nothing to the left of `low` and to the right of `high`.
    #[must_use]
    pub fn x_limits(mut self, low: f64, high: f64) -> Self {
        self.x_limits = (low, high);
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

    /// Width and height of the drawing: 960 and 600, if nothing is said. From 200 to 4000 each.
    #[must_use]
    pub fn size(mut self, width: f64, height: f64) -> Self {
        self.size = (width, height);
        self
    }

    /// A line below the chart, for what else should be known.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
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

    /// Separate points. Of more than 4,000, as many are drawn, evenly chosen, and the chart says so.
    #[must_use]
    pub fn points(self, name: impl Into<String>, values: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series(name, values, Style::Points)
    }

    /// What lies between two heights, from points `(x, low, high)`.
    #[must_use]
    pub fn band(self, name: impl Into<String>, values: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        let (mut low, mut high) = (Vec::new(), Vec::new());
        values.into_iter().for_each(|(x, a, b)| {
            low.push((x, a));
            high.push(b);
        });
        self.series(name, low, Style::Band(high))
    }

    /// A histogram: how many of the values lie in each of `bins` equal parts of their range (1 to 500). Values that are not finite, or
    /// beyond ±10³⁰, are left out.
    ///
    /// ```
    /// use demotic::train::plot::Chart;
    ///
    /// let chart = Chart::new("Ages").labels("age (years)", "people").histogram("all", [3.0, 5.0, 40.0], 10);
    /// assert!(chart.to_svg()?.starts_with("<svg"));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn histogram(self, name: impl Into<String>, values: impl IntoIterator<Item = f64>, bins: usize) -> Self {
        let values: Vec<f64> = values.into_iter().filter(|x| x.abs() <= super::draw::LARGEST).collect();
        let bins = bins.clamp(1, 500);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Equal values have a bar around them, as in NumPy.
        let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
        let mut counts = vec![0.0; bins];
        for x in &values {
            let bin = ((x - low) / (high - low) * bins as f64) as usize;
            counts[bin.min(bins - 1)] += 1.0;
        }
        let edge = |i: usize| low + (high - low) * i as f64 / bins as f64;
        let bars: Vec<(f64, f64, f64)> = match values.is_empty() {
            true => Vec::new(),
            false => counts.iter().enumerate().map(|(i, count)| (edge(i), edge(i + 1), *count)).collect(),
        };
        self.bars(name, bars)
    }

    /// Bars that stand on zero, from `(left, right, height)`.
    #[must_use]
    pub fn bars(self, name: impl Into<String>, bars: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        bars.into_iter().for_each(|(from, to, height)| {
            left.push((from, height));
            right.push(to);
        });
        self.series(name, left, Style::Bars(right))
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

    /// As wide as it is high between its axes.
    pub(super) fn square(mut self) -> Self {
        (self.square, self.size) = (true, (640.0, 600.0));
        self
    }

    pub(super) fn series(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = (f64, f64)>,
        style: Style,
    ) -> Self {
        self.series.push(Series { name: name.into(), values: values.into_iter().collect(), style });
        self
    }
}

fn counted(values: impl IntoIterator<Item = f64>) -> impl Iterator<Item = (f64, f64)> {
    values.into_iter().enumerate().map(|(i, y)| ((i + 1) as f64, y))
}

impl History {
    /// A chart of the losses of training and validation: by epochs, or by steps if the run was
    /// [evaluated](super::super::Trainer::evaluate_every) after steps. The epoch or step that was kept is marked if it is not the
    /// last.
    #[must_use]
    pub fn chart(&self) -> Chart {
        let (rows, unit, at) = self.course();
        let training = rows.iter().map(|row| (at(row), row.train_loss));
        let mut chart = Chart::new("Loss").labels(unit, "loss").log_y().xy_line("training", training);
        let validation: Vec<_> =
            rows.iter().filter_map(|row| row.validation_loss.map(|loss| (at(row), loss))).collect();
        if !validation.is_empty() {
            chart = chart.xy_line("validation", validation);
        }
        self.kept(chart)
    }

    /// A chart of a metric, as [`chart`](Self::chart) is one of the losses; empty if there is no such metric.
    #[must_use]
    pub fn metric_chart(&self, metric: &str) -> Chart {
        let (rows, unit, at) = self.course();
        let value =
            |row: &Epoch| row.metrics.iter().find(|(name, _)| name == metric).map(|(_, value)| (at(row), *value));
        self.kept(Chart::new(metric).labels(unit, metric).xy_line(metric, rows.iter().filter_map(value)))
    }

    fn course(&self) -> (&[Epoch], &'static str, fn(&Epoch) -> f64) {
        match self.evaluations.is_empty() {
            true => (&self.epochs, "epoch", |row| row.epoch as f64),
            false => (&self.evaluations, "step", |row| row.step as f64),
        }
    }

    fn kept(&self, chart: Chart) -> Chart {
        let (rows, unit, at) = self.course();
        let kept = if unit == "step" { self.kept_step as f64 } else { self.kept_epoch as f64 };
        match rows.last() {
            Some(last) if kept < at(last) => chart.vertical(kept, format!("{unit} {kept} kept")),
            _ => chart,
        }
    }
}
