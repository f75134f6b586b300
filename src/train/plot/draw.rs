//! How a [`Chart`] gets onto paper.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Once;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::axis::Axis;
use super::{Chart, Series, Style};

/// The size of a chart. A picture of pixels has more of them, for screens that can show them.
const SIZE: (u32, u32) = (960, 600);
const PIXELS: u32 = 2;

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

type Area<B> = DrawingArea<B, plotters::coord::Shift>;
type Plane<'a, B> = ChartContext<'a, B, Cartesian2d<Axis, Axis>>;
type Point = (f64, f64);

pub(super) fn svg(chart: &Chart, path: &Path) -> Result<(), String> {
    draw(chart, &SVGBackend::new(path, SIZE).into_drawing_area(), 1)
}

pub(super) fn png(chart: &Chart, path: &Path) -> Result<(), String> {
    let (width, height) = (SIZE.0 * PIXELS, SIZE.1 * PIXELS);
    // Red, green and blue of every pixel, on white.
    let mut pixels = vec![255; 3 * (width * height) as usize];
    draw(chart, &BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area(), PIXELS)?;
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path).map_err(said)?), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(said)?;
    writer.write_image_data(&pixels).map_err(said)?;
    writer.finish().map_err(said)
}

fn said(e: impl ToString) -> String {
    e.to_string()
}

/// What is shown of a series, as places on the axes.
struct Shown<'a> {
    series: &'a Series,
    color: RGBColor,
    /// Lines, each of which goes on to the edge where it leaves the chart; or one list of points.
    faint: Vec<Vec<Point>>,
    strong: Vec<Vec<Point>>,
}

fn draw<B: DrawingBackend>(chart: &Chart, area: &Area<B>, scale: u32) -> Result<(), String> {
    // One font for both formats: a picture of pixels has to carry its letters, and a drawing has to know their size.
    static FONT: Once = Once::new();
    FONT.call_once(|| {
        // It fails only for a font that cannot be read, and then drawing says so.
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    });
    let [x, y] = axes(chart);
    let shown: Vec<Shown<'_>> = chart
        .series
        .iter()
        .zip(COLORS.iter().cycle())
        .map(|(series, color)| {
            let (faint, strong) = lines(chart, series, &x, &y);
            Shown { series, color: *color, faint, strong }
        })
        .collect();
    Canvas { chart, x, y, scale }.draw(area, &shown)
}

/// The numbers of a series that the axes have places for.
fn drawable(chart: &Chart, values: impl Iterator<Item = Point>) -> impl Iterator<Item = Point> {
    let fits = |v: f64, log: bool| v.abs() <= LARGEST && !(log && v < 1.0 / LARGEST);
    let (log_x, log_y) = (chart.log_x, chart.log_y);
    values.filter(move |(x, y)| fits(*x, log_x) && fits(*y, log_y))
}

fn axes(chart: &Chart) -> [Axis; 2] {
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let points = || chart.series.iter().flat_map(|series| drawable(chart, series.values.iter().copied()));
    let (low, high) = chart.y_limits;
    // NaN as a limit is no limit.
    let (low, high) =
        (if low > f64::NEG_INFINITY { low } else { -LARGEST }, if high < f64::INFINITY { high } else { LARGEST });
    let marks = |vertical: bool| {
        let at = chart.marks.iter().filter(move |mark| mark.vertical == vertical).map(|mark| (mark.at, mark.at));
        drawable(chart, at).map(|(at, _)| at)
    };
    let mut x = bounds(&mut points().map(|p| p.0).chain(marks(true)));
    let mut y = bounds(&mut points().map(|p| p.1).chain(marks(false)));
    y = (y.0.max(low), y.1.min(high));
    let whole = points().all(|p| p.0.fract() == 0.0);
    if chart.diagonal {
        x = (x.0.min(y.0), x.1.max(y.1));
        y = x;
    }
    let all = (f64::NEG_INFINITY, f64::INFINITY);
    [Axis::new(x, all, chart.log_x, whole), Axis::new(y, (low, high), chart.log_y, false)]
}

/// Faint and strong lines of a series, or its points as strong ones.
fn lines(chart: &Chart, series: &Series, x: &Axis, y: &Axis) -> (Vec<Vec<Point>>, Vec<Vec<Point>>) {
    let places = |values: &[Point]| -> Vec<Point> { values.iter().map(|(a, b)| (x.place(*a), y.place(*b))).collect() };
    let values: Vec<Point> = drawable(chart, series.values.iter().copied()).collect();
    match series.style {
        Style::Line => (Vec::new(), cut(&places(&values), y.ends)),
        Style::Smooth(window) => (cut(&places(&values), y.ends), cut(&places(&smooth(&values, window)), y.ends)),
        Style::Points => {
            let inside = |p: &Point| (y.ends.0..=y.ends.1).contains(&p.1);
            (Vec::new(), vec![places(&values).into_iter().filter(inside).collect()])
        }
    }
}

/// Each point at the mean height of itself and its neighbours, `window` of them in all.
fn smooth(points: &[Point], window: usize) -> Vec<Point> {
    let half = window / 2;
    let mut sums = Vec::with_capacity(points.len() + 1);
    sums.push(0.0);
    points.iter().fold(0.0, |sum, p| {
        sums.push(sum + p.1);
        sum + p.1
    });
    let mean = |(i, p): (usize, &Point)| {
        let (from, to) = (i.saturating_sub(half), i.saturating_add(half + 1).min(points.len()));
        (p.0, (sums[to] - sums[from]) / (to - from) as f64)
    };
    points.iter().enumerate().map(mean).collect()
}

/// The parts of a line that lie between two heights.
fn cut(line: &[Point], (low, high): (f64, f64)) -> Vec<Vec<Point>> {
    let inside = |p: &Point| (low..=high).contains(&p.1);
    // Where the way from one point to the next passes a height.
    let crossing = |a: Point, b: Point, at: f64| -> Option<Point> {
        let t = (at - a.1) / (b.1 - a.1);
        ((a.1 < at) != (b.1 < at) && a.1 != at && b.1 != at).then_some((a.0 + t * (b.0 - a.0), at))
    };
    let mut parts: Vec<Vec<Point>> = Vec::new();
    let mut part: Vec<Point> = line.first().copied().filter(inside).into_iter().collect();
    for pair in line.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        if !(inside(&a) && inside(&b)) {
            // In the order in which they are passed.
            let ends = if a.1 <= b.1 { [low, high] } else { [high, low] };
            part.extend(ends.into_iter().filter_map(|at| crossing(a, b, at)));
        }
        if inside(&b) {
            part.push(b);
        } else if !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (first, last): (i32, i32)) -> i32 {
        // Places that are far outside become the largest numbers there are.
        (f64::from(first) + self.share(*place) * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.ends.0..self.ends.1
    }
}

struct Canvas<'c> {
    chart: &'c Chart,
    x: Axis,
    y: Axis,
    /// Pixels for a unit of length.
    scale: u32,
}

impl Canvas<'_> {
    fn font(&self, size: u32) -> (&'static str, u32) {
        ("sans-serif", size * self.scale)
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>, shown: &[Shown<'_>]) -> Result<(), String> {
        let text = |e: DrawingAreaErrorKind<B::ErrorType>| e.to_string();
        area.fill(&WHITE).map_err(text)?;
        let mut plane = ChartBuilder::on(area)
            .caption(&self.chart.title, self.font(23))
            .margin(16 * self.scale)
            .x_label_area_size(50 * self.scale)
            .y_label_area_size(88 * self.scale)
            .build_cartesian_2d(self.x.clone(), self.y.clone())
            .map_err(text)?;
        let named = |label: &str, log: bool| match (label, log) {
            ("", _) | (_, false) => label.to_string(),
            (_, true) => format!("{label} (logarithmic)"),
        };
        plane
            .configure_mesh()
            .x_desc(named(&self.chart.labels[0], self.chart.log_x))
            .y_desc(named(&self.chart.labels[1], self.chart.log_y))
            .axis_desc_style(self.font(17))
            .label_style(self.font(15))
            .x_label_formatter(&|v| self.x.label(*v))
            .y_label_formatter(&|v| self.y.label(*v))
            .axis_style(BLACK.mix(0.5).stroke_width(self.scale))
            .bold_line_style(BLACK.mix(0.12).stroke_width(self.scale))
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(text)?;
        if self.chart.diagonal {
            let ends = [(self.x.ends.0, self.x.ends.0), (self.x.ends.1, self.x.ends.1)];
            plane.draw_series(LineSeries::new(ends, BLACK.mix(0.4).stroke_width(self.scale))).map_err(text)?;
        }
        for one in shown {
            self.series(&mut plane, one).map_err(text)?;
        }
        self.marks(&mut plane, shown).map_err(text)?;
        if shown.len() > 1 {
            plane
                .configure_series_labels()
                .position(emptiest_corner(self, shown))
                .margin(10 * self.scale)
                .legend_area_size(26 * self.scale)
                .background_style(WHITE.mix(0.9))
                .border_style(BLACK.mix(0.3).stroke_width(self.scale))
                .label_font(self.font(15))
                .draw()
                .map_err(text)?;
        }
        area.present().map_err(text)
    }

    fn series<B: DrawingBackend>(
        &self,
        plane: &mut Plane<'_, B>,
        shown: &Shown<'_>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let (color, scale) = (shown.color, self.scale);
        for line in &shown.faint {
            let style = color.mix(0.25).stroke_width(scale);
            plane.draw_series(LineSeries::new(line.iter().copied(), style))?;
        }
        let dots = shown.series.style == Style::Points;
        for line in &shown.strong {
            if dots {
                let dot = |p: &Point| Circle::new(*p, 3 * scale, color.mix(0.5).filled());
                plane.draw_series(line.iter().map(dot))?;
            } else {
                plane.draw_series(LineSeries::new(line.iter().copied(), color.stroke_width(2 * scale)))?;
            }
        }
        // The name, also of a series of which nothing is to be seen.
        let unit = scale as i32;
        let mark =
            move |(x, y): (i32, i32)| Rectangle::new([(x, y - unit), (x + 18 * unit, y + 2 * unit)], color.filled());
        plane.draw_series(std::iter::empty::<Circle<Point, u32>>())?.label(&shown.series.name).legend(mark);
        Ok(())
    }

    /// Dashed lines with their names: of vertical ones at the top, of horizontal ones at the end where there is room.
    fn marks<B: DrawingBackend>(
        &self,
        plane: &mut Plane<'_, B>,
        shown: &[Shown<'_>],
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let (dash, unit) = (6 * self.scale, self.scale as i32);
        let style = BLACK.mix(0.7).stroke_width(self.scale);
        for mark in &self.chart.marks {
            let axis = if mark.vertical { &self.x } else { &self.y };
            let at = axis.place(mark.at);
            if !(axis.ends.0..=axis.ends.1).contains(&at) {
                continue;
            }
            let (line, place, anchor, shift) = if mark.vertical {
                let anchor = if axis.share(at) < 0.7 { HPos::Left } else { HPos::Right };
                let side = if axis.share(at) < 0.7 { 6 } else { -6 };
                (
                    [(at, self.y.ends.0), (at, self.y.ends.1)],
                    (at, self.y.ends.1),
                    Pos::new(anchor, VPos::Top),
                    (side, 4),
                )
            } else {
                // Above the line or below it, where fewer lines are in the way.
                let close = |above: bool| {
                    let near = |p: &&Point| {
                        let distance = self.y.share(p.1) - self.y.share(at);
                        self.x.share(p.0) < 0.35 && distance.abs() < 0.05 && (distance > 0.0) == above
                    };
                    shown.iter().flat_map(|s| s.strong.iter().flatten()).filter(near).count()
                };
                let below = self.y.share(at) > 0.06 && close(false) <= close(true);
                let (v, down) = if below { (VPos::Top, 4) } else { (VPos::Bottom, -4) };
                ([(self.x.ends.0, at), (self.x.ends.1, at)], (self.x.ends.0, at), Pos::new(HPos::Left, v), (8, down))
            };
            plane.draw_series(DashedLineSeries::new(line, dash, dash, style))?;
            let font = self.font(15).into_font().color(&BLACK.mix(0.8)).pos(anchor);
            let name = EmptyElement::at(place) + Text::new(mark.name.clone(), (shift.0 * unit, shift.1 * unit), font);
            plane.draw_series(std::iter::once(name))?;
        }
        Ok(())
    }
}

/// The corner in which a legend hides the least.
fn emptiest_corner(canvas: &Canvas<'_>, shown: &[Shown<'_>]) -> SeriesLabelPosition {
    let (width, height) = (0.36, 0.06 + 0.045 * shown.len() as f64);
    let corners = [
        (SeriesLabelPosition::UpperRight, 1.0 - width, 1.0 - height),
        (SeriesLabelPosition::UpperLeft, 0.0, 1.0 - height),
        (SeriesLabelPosition::LowerLeft, 0.0, 0.0),
        (SeriesLabelPosition::LowerRight, 1.0 - width, 0.0),
    ];
    let hidden = |left: f64, bottom: f64| {
        let within = |(a, b): (f64, f64)| (left..=left + width).contains(&a) && (bottom..=bottom + height).contains(&b);
        let of = |p: &Point| (canvas.x.share(p.0), canvas.y.share(p.1));
        // Lines are hidden between their points as well.
        let passed = |line: &Vec<Point>, dots: bool| {
            let between = line.windows(2).flat_map(|pair| {
                let (a, b) = (of(&pair[0]), of(&pair[1]));
                (1..8).map(move |i| (a.0 + (b.0 - a.0) * f64::from(i) / 8.0, a.1 + (b.1 - a.1) * f64::from(i) / 8.0))
            });
            let on_the_way = if dots { 0 } else { between.filter(|p| within(*p)).count() };
            on_the_way + line.iter().filter(|p| within(of(p))).count()
        };
        let count = |s: &Shown<'_>| -> usize {
            s.strong.iter().chain(&s.faint).map(|line| passed(line, s.series.style == Style::Points)).sum()
        };
        shown.iter().map(count).sum::<usize>()
    };
    let best = corners.into_iter().min_by_key(|(_, left, bottom)| hidden(*left, *bottom));
    best.map_or(SeriesLabelPosition::UpperRight, |(corner, _, _)| corner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_where_they_leave() {
        let line = [(0.0, 0.0), (1.0, 4.0), (2.0, 0.0), (3.0, 1.0), (4.0, -1.0), (5.0, 9.0)];
        assert_eq!(
            cut(&line, (0.0, 2.0)),
            [
                vec![(0.0, 0.0), (0.5, 2.0)],
                vec![(1.5, 2.0), (2.0, 0.0), (3.0, 1.0), (3.5, 0.0)],
                vec![(4.1, 0.0), (4.3, 2.0)]
            ]
        );
        assert_eq!(cut(&line, (-9.0, 9.0)), [line.to_vec()]);
        assert!(cut(&[], (0.0, 1.0)).is_empty());
        assert!(cut(&[(0.0, 5.0), (1.0, 6.0)], (0.0, 1.0)).is_empty());
    }

    #[test]
    fn smoothing_is_the_mean_of_neighbours() {
        let points: Vec<Point> = [1.0, 5.0, 3.0, 7.0].into_iter().zip([0.0, 3.0, 6.0, 0.0]).collect();
        let heights = |window| smooth(&points, window).into_iter().map(|p| p.1).collect::<Vec<_>>();
        assert_eq!(heights(3), [1.5, 3.0, 3.0, 3.0]);
        assert_eq!(heights(1), [0.0, 3.0, 6.0, 0.0]);
        assert_eq!(heights(0), [0.0, 3.0, 6.0, 0.0]);
        assert_eq!(heights(usize::MAX), [2.25; 4]);
    }
}
