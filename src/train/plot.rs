//! Charts as SVG and PNG files (feature `plot`).

use std::path::Path;
use std::sync::Once;

use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::History;
use crate::error::{Error, Result};

/// The size of a chart in pixels.
const SIZE: (u32, u32) = (960, 600);

/// The largest number that is drawn: axes of larger ones cannot be divided into ticks any more.
const LARGEST: f64 = 1e30;

/// The colours of series in their order: distinguishable for people with the common forms of colour blindness (Okabe
/// and Ito, 2008).
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

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
///     .save(&path)?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chart {
    title: String,
    labels: [String; 2],
    log_y: bool,
    y_limits: (f64, f64),
    diagonal: bool,
    series: Vec<Series>,
}

#[derive(Debug, Clone)]
struct Series {
    name: String,
    values: Vec<(f64, f64)>,
    connected: bool,
}

impl Chart {
    /// An empty chart.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        let labels = [String::new(), String::new()];
        let y_limits = (f64::NEG_INFINITY, f64::INFINITY);
        Self { title: title.into(), labels, log_y: false, y_limits, diagonal: false, series: Vec::new() }
    }

    /// What the axes show.
    #[must_use]
    pub fn labels(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        self.labels = [x.into(), y.into()];
        self
    }

    /// A logarithmic vertical axis. Values below 10⁻³⁰ are left out.
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// Leaves out points below `low` and above `high`.
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
        self.xy_line(name, values.into_iter().enumerate().map(|(i, y)| ((i + 1) as f64, y)))
    }

    /// A line through points. Those that are not finite, or beyond ±10³⁰, are left out.
    #[must_use]
    pub fn xy_line(mut self, name: impl Into<String>, values: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series.push(Series { name: name.into(), values: values.into_iter().collect(), connected: true });
        self
    }

    /// Separate points.
    #[must_use]
    pub fn points(mut self, name: impl Into<String>, values: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series.push(Series { name: name.into(), values: values.into_iter().collect(), connected: false });
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
        // One font for both formats: a picture of pixels has to carry its letters, and a drawing has to know their size.
        static FONT: Once = Once::new();
        FONT.call_once(|| {
            // It fails only for a font that cannot be read, and then drawing says so.
            let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
        });
        match path.extension().and_then(|e| e.to_str()) {
            Some("svg") => self.draw(&SVGBackend::new(path, SIZE).into_drawing_area()).map_err(failed),
            Some("png") => self.draw(&BitMapBackend::new(path, SIZE).into_drawing_area()).map_err(failed),
            _ => Err(Error::argument("plot", format!("{}: expected a name that ends in .svg or .png", path.display()))),
        }
    }

    /// The points that can be shown.
    fn visible<'a>(&'a self, series: &'a Series) -> impl Iterator<Item = (f64, f64)> + 'a {
        let (low, high) = self.y_limits;
        series.values.iter().copied().filter(move |(x, y)| {
            let fits = |v: f64| v.abs() <= LARGEST;
            fits(*x) && fits(*y) && (low..=high).contains(y) && !(self.log_y && *y < 1.0 / LARGEST)
        })
    }

    /// The ranges of both axes, with some room around the points.
    fn ranges(&self) -> [std::ops::Range<f64>; 2] {
        let points = || self.series.iter().flat_map(|s| self.visible(s));
        let bounds = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
        };
        let mut x = bounds(&mut points().map(|p| p.0));
        let mut y = bounds(&mut points().map(|p| p.1));
        if self.diagonal {
            x = (x.0.min(y.0), x.1.max(y.1));
            y = x;
        }
        [spread(x, false), spread(y, self.log_y)]
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, plotters::coord::Shift>) -> Result<(), String> {
        let [x, y] = self.ranges();
        if self.log_y {
            let y: LogCoord<f64> = y.log_scale().into();
            self.draw_on(area, x, y)
        } else {
            let y: RangedCoordf64 = y.into();
            self.draw_on(area, x, y)
        }
    }

    fn draw_on<B, Y>(
        &self,
        area: &DrawingArea<B, plotters::coord::Shift>,
        x: std::ops::Range<f64>,
        y: Y,
    ) -> Result<(), String>
    where
        B: DrawingBackend,
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let text = |e: DrawingAreaErrorKind<B::ErrorType>| e.to_string();
        area.fill(&WHITE).map_err(text)?;
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 24))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(84)
            .build_cartesian_2d(x.clone(), y)
            .map_err(text)?;
        chart
            .configure_mesh()
            .x_desc(&self.labels[0])
            .y_desc(&self.labels[1])
            .axis_desc_style(("sans-serif", 18))
            .label_style(("sans-serif", 15))
            .x_label_formatter(&|v| short(*v))
            .y_label_formatter(&|v| short(*v))
            .light_line_style(WHITE)
            .draw()
            .map_err(text)?;
        if self.diagonal {
            let ends = [(x.start, x.start), (x.end, x.end)];
            chart.draw_series(LineSeries::new(ends, BLACK.mix(0.4))).map_err(text)?;
        }
        for (series, color) in self.series.iter().zip(COLORS.iter().cycle()) {
            let points = self.visible(series);
            let drawn = if series.connected {
                chart.draw_series(LineSeries::new(points, color.stroke_width(2)))
            } else {
                chart.draw_series(points.map(|p| Circle::new(p, 3, color.mix(0.6).filled())))
            };
            let mark = move |(x, y)| Rectangle::new([(x, y - 2), (x + 16, y + 2)], color.filled());
            drawn.map_err(text)?.label(&series.name).legend(mark);
        }
        if self.series.len() > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.9))
                .border_style(BLACK.mix(0.3))
                .label_font(("sans-serif", 16))
                .draw()
                .map_err(text)?;
        }
        area.present().map_err(text)
    }
}

/// A range around `low ..= high`, also if there is nothing in it.
fn spread((low, high): (f64, f64), log: bool) -> std::ops::Range<f64> {
    match (low <= high, log) {
        (false, _) => 0.1..1.0,
        (true, true) => low / 1.5..high * 1.5,
        (true, false) => {
            let room = if high > low { 0.04 * (high - low) } else { 0.5 * high.abs().max(1.0) };
            low - room..high + room
        }
    }
}

/// A number with about four digits.
fn short(v: f64) -> String {
    let size = v.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) {
        return format!("{v:.0e}");
    }
    let text = format!("{v:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

impl History {
    /// A chart of the losses of training and validation.
    #[must_use]
    pub fn chart(&self) -> Chart {
        let chart = Chart::new("Loss").labels("epoch", "loss").log_y().line("training", self.train_losses());
        let validation = self.validation_losses();
        if validation.is_empty() { chart } else { chart.line("validation", validation) }
    }
}
