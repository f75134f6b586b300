//! How a [`Chart`] gets onto paper.

use super::axis::Axis;
use super::chart::{Chart, Series, Style};
use super::scene::{
    Anchor, Item, LABEL, MARGIN, Paint, Point, SMALL, Scene, Stroke, TITLE, Text, dash, fitting, width,
};

/// The largest number that is drawn: axes of larger ones cannot be divided into ticks any more.
pub(super) const LARGEST: f64 = 1e30;
/// The most separate points of a series, and the most of a line that have marks.
const POINTS: usize = 4000;
const MARKED: usize = 40;
/// The most series that a legend has lines for.
const NAMED: usize = 16;

/// What is shown of a series, as places on paper.
struct Shown<'a> {
    series: &'a Series,
    number: usize,
    /// Lines, each of which goes on to the edge where it leaves the chart; or one list of points.
    faint: Vec<Vec<Point>>,
    strong: Vec<Vec<Point>>,
}

struct Canvas<'c> {
    chart: &'c Chart,
    x: Axis,
    y: Axis,
    /// The corners of what lies between the axes.
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Chart {
    pub(super) fn scene(&self) -> Scene {
        let length = |x: f64, usual: f64| if x.is_finite() { x.clamp(200.0, 4000.0) } else { usual };
        let size = (length(self.size.0, 960.0), length(self.size.1, 600.0));
        let mut scene = Scene::new(size, &self.title);
        let [x, y] = axes(self);
        let ticks = y.ticks.iter().map(|tick| width(&y.label(*tick), SMALL)).fold(0.0, f64::max);
        let label = |i: usize| if self.labels[i].is_empty() { 0.0 } else { LABEL + 9.0 };
        let mut left = MARGIN + label(1) + ticks + 8.0;
        let mut right = size.0 - MARGIN - 12.0;
        let top = MARGIN + if self.title.is_empty() { 8.0 } else { TITLE + 18.0 };
        let note = if self.note.is_empty() { 0.0 } else { SMALL + 6.0 };
        let bottom = (size.1 - MARGIN - SMALL - 10.0 - label(0) - note).max(top + 40.0);
        if self.square {
            let spare = ((right - left) - (bottom - top)).max(0.0);
            (left, right) = (left + spare / 2.0, right - spare / 2.0);
        }
        let canvas = Canvas { chart: self, x, y, left, top, right, bottom };
        let shown: Vec<Shown<'_>> = self.series.iter().enumerate().map(|(i, series)| canvas.shown(i, series)).collect();
        canvas.frame(&mut scene);
        canvas.texts(&mut scene);
        shown.iter().for_each(|one| canvas.series(&mut scene, one));
        let names = canvas.marks(&mut scene, &shown);
        canvas.legend(&mut scene, &shown, &names);
        scene
    }
}

/// The numbers of a series that the axes have places for.
fn drawable(chart: &Chart, values: impl Iterator<Item = (f64, f64)>) -> impl Iterator<Item = (f64, f64)> {
    let fits = |v: f64, log: bool| v.abs() <= LARGEST && !(log && v < 1.0 / LARGEST);
    let (log_x, log_y) = (chart.log_x, chart.log_y);
    values.filter(move |(x, y)| fits(*x, log_x) && fits(*y, log_y))
}

/// All that should be seen of a series.
fn extent(series: &Series) -> Vec<(f64, f64)> {
    let mut all = series.values.clone();
    match &series.style {
        Style::Line | Style::Smooth(_) | Style::Curves(_) | Style::Points => {}
        Style::Bars(rights) => {
            all.extend(series.values.iter().map(|(x, _)| (*x, 0.0)));
            all.extend(series.values.iter().zip(rights).map(|((_, height), right)| (*right, *height)));
        }
        Style::Band(highs) => all.extend(series.values.iter().zip(highs).map(|((x, _), high)| (*x, *high))),
    }
    all
}

fn axes(chart: &Chart) -> [Axis; 2] {
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let points: Vec<(f64, f64)> = chart.series.iter().flat_map(extent).collect();
    let points: Vec<(f64, f64)> = drawable(chart, points.into_iter()).collect();
    // NaN as a limit is no limit.
    let limits = |(low, high): (f64, f64)| {
        (if low > f64::NEG_INFINITY { low } else { -LARGEST }, if high < f64::INFINITY { high } else { LARGEST })
    };
    let (x_limits, mut y_limits) = (limits(chart.x_limits), limits(chart.y_limits));
    let marks = |vertical: bool| {
        let at = chart.marks.iter().filter(move |mark| mark.vertical == vertical).map(|mark| (mark.at, mark.at));
        drawable(chart, at).map(|(at, _)| at)
    };
    let mut x = bounds(&mut points.iter().map(|p| p.0).chain(marks(true)));
    let mut y = bounds(&mut points.iter().map(|p| p.1).chain(marks(false)));
    // Bars stand on the edge.
    if y.0 == 0.0 && chart.series.iter().any(|series| matches!(series.style, Style::Bars(_))) {
        y_limits.0 = y_limits.0.max(0.0);
    }
    x = (x.0.max(x_limits.0), x.1.min(x_limits.1));
    y = (y.0.max(y_limits.0), y.1.min(y_limits.1));
    // Where limits are given, the axis is known whatever there is to see.
    if chart.square && x_limits.1 < LARGEST {
        (x, y) = (x_limits, y_limits);
    }
    let whole = points.iter().all(|p| p.0.fract() == 0.0);
    if chart.diagonal {
        x = (x.0.min(y.0), x.1.max(y.1));
        y = x;
    }
    [Axis::new(x, x_limits, chart.log_x, whole), Axis::new(y, y_limits, chart.log_y, false)]
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

/// A line without points that nobody can see: of those that follow each other in a column half a unit wide, the first, the lowest,
/// the highest and the last.
fn thin(line: Vec<Point>) -> Vec<Point> {
    if line.len() <= POINTS / 2 {
        return line;
    }
    let mut out = Vec::new();
    for column in line.chunk_by(|a, b| (a.0 * 2.0).floor() == (b.0 * 2.0).floor()) {
        let by = |better: fn(f64, f64) -> bool| {
            (0..column.len()).fold(0, |best, i| if better(column[i].1, column[best].1) { i } else { best })
        };
        let mut kept = [0, by(|a, b| a < b), by(|a, b| a > b), column.len() - 1];
        kept.sort_unstable();
        let mut last = None;
        for i in kept {
            if last != Some(i) {
                out.push(column[i]);
            }
            last = Some(i);
        }
    }
    out
}

impl Canvas<'_> {
    fn across(&self, place: f64) -> f64 {
        self.left + self.x.share(place) * (self.right - self.left)
    }

    fn down(&self, place: f64) -> f64 {
        self.bottom - self.y.share(place) * (self.bottom - self.top)
    }

    fn on_paper(&self, line: &[Point]) -> Vec<Point> {
        line.iter().map(|(x, y)| (self.across(*x), self.down(*y))).collect()
    }

    /// The part of a series that is on the axes, as places on them.
    fn places(&self, values: impl Iterator<Item = (f64, f64)>) -> Vec<Point> {
        let inside = |p: &Point| (self.x.ends.0..=self.x.ends.1).contains(&p.0);
        drawable(self.chart, values).map(|(a, b)| (self.x.place(a), self.y.place(b))).filter(inside).collect()
    }

    fn shown<'s>(&self, number: usize, series: &'s Series) -> Shown<'s> {
        let line = |values: &[Point]| -> Vec<Vec<Point>> {
            cut(values, self.y.ends).into_iter().map(|part| thin(self.on_paper(&part))).collect()
        };
        let (mut faint, mut strong) = (Vec::new(), Vec::new());
        match &series.style {
            Style::Line => strong = line(&self.places(series.values.iter().copied())),
            Style::Smooth(window) => {
                faint = line(&self.places(series.values.iter().copied()));
                let values: Vec<Point> = drawable(self.chart, series.values.iter().copied()).collect();
                strong = line(&self.places(smooth(&values, *window).into_iter()));
            }
            Style::Curves(n) => {
                let curves: Vec<&[(f64, f64)]> = series.values.chunks((*n).max(1)).collect();
                faint = curves.iter().flat_map(|curve| line(&self.places(curve.iter().copied()))).collect();
                let mean = |i: usize| curves.iter().map(|curve| curve[i].1).sum::<f64>() / curves.len() as f64;
                let means = curves.first().into_iter().flat_map(|first| first.iter().enumerate());
                strong = line(&self.places(means.map(|(i, (x, _))| (*x, mean(i)))));
            }
            Style::Points => {
                let mut places = self.places(series.values.iter().copied());
                places.retain(|p| (self.y.ends.0..=self.y.ends.1).contains(&p.1));
                let (n, shown) = (places.len(), places.len().min(POINTS));
                strong = vec![self.on_paper(&(0..shown).map(|i| places[i * n / shown.max(1)]).collect::<Vec<_>>())];
            }
            Style::Bars(rights) => {
                for ((left, height), right) in series.values.iter().zip(rights) {
                    let ends = self.places([(*left, *height), (*right, *height)].into_iter());
                    let [a, b] = ends[..] else { continue };
                    let zero = if self.chart.log_y { self.y.ends.0 } else { 0.0 };
                    let inside = |y: f64| y.clamp(self.y.ends.0, self.y.ends.1);
                    let corners = [(a.0, inside(zero)), (a.0, inside(a.1)), (b.0, inside(b.1)), (b.0, inside(zero))];
                    strong.push(self.on_paper(&corners));
                }
            }
            Style::Band(highs) => {
                let inside = |p: Point| (p.0, p.1.clamp(self.y.ends.0, self.y.ends.1));
                let whole = series.values.iter().zip(highs).filter(|((_, low), high)| !(low.is_nan() || high.is_nan()));
                let (low, high): (Vec<_>, Vec<_>) = whole.map(|((x, low), high)| ((*x, *low), (*x, *high))).unzip();
                let mut edge: Vec<Point> = self.places(low.into_iter()).into_iter().map(inside).collect();
                edge.extend(self.places(high.into_iter()).into_iter().rev().map(inside));
                strong = vec![self.on_paper(&edge)];
            }
        }
        Shown { series, number, faint, strong }
    }

    /// Axes, the lines of a grid, and the numbers beside them.
    fn frame(&self, scene: &mut Scene) {
        let rule = Stroke::new(Paint::Soft, 0.22, 1.0);
        let labels: Vec<(f64, String)> = self.x.ticks.iter().map(|tick| (*tick, self.x.label(*tick))).collect();
        let widest = labels.iter().map(|(_, label)| width(label, SMALL)).fold(0.0, f64::max);
        // Numbers do not run into each other.
        let room = (self.right - self.left) / (widest + 12.0);
        let every = ((labels.len() as f64 / room.max(1.0)).ceil() as usize).max(1);
        for (i, (tick, label)) in labels.iter().enumerate() {
            let x = self.across(*tick);
            scene.line(vec![(x, self.top), (x, self.bottom)], rule);
            if i % every == 0 {
                scene.text((x, self.bottom + SMALL + 7.0), label, SMALL, Paint::Soft, Anchor::Middle);
            }
        }
        let room = (self.bottom - self.top) / (SMALL + 4.0);
        let every = ((self.y.ticks.len() as f64 / room.max(1.0)).ceil() as usize).max(1);
        for (i, tick) in self.y.ticks.iter().enumerate() {
            let y = self.down(*tick);
            scene.line(vec![(self.left, y), (self.right, y)], rule);
            if i % every != 0 {
                continue;
            }
            let at = (self.left - 8.0, y + 0.36 * SMALL);
            scene.text(at, &self.y.label(*tick), SMALL, Paint::Soft, Anchor::End);
        }
        if self.chart.diagonal {
            let (low, high) = (self.x.ends.0.max(self.y.ends.0), self.x.ends.1.min(self.y.ends.1));
            scene.line(self.on_paper(&[(low, low), (high, high)]), Stroke::new(Paint::Soft, 0.7, 1.0));
        }
        scene.line(
            vec![(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)],
            Stroke::new(Paint::Soft, 0.8, 1.0),
        );
    }

    /// The title, the names of the axes, the note.
    fn texts(&self, scene: &mut Scene) {
        let chart = self.chart;
        scene.heading(&chart.title);
        let named = |label: &str, log: bool| match (label, log) {
            ("", _) | (_, false) => label.to_string(),
            (_, true) => format!("{label} (logarithmic)"),
        };
        let below = self.bottom + SMALL + 10.0 + LABEL + 4.0;
        let x = fitting(&named(&chart.labels[0], chart.log_x), LABEL, self.right - self.left);
        scene.text(((self.left + self.right) / 2.0, below), &x, LABEL, Paint::Ink, Anchor::Middle);
        let y = fitting(&named(&chart.labels[1], chart.log_y), LABEL, self.bottom - self.top);
        if !y.is_empty() {
            let ticks = self.y.ticks.iter().map(|tick| width(&self.y.label(*tick), SMALL)).fold(0.0, f64::max);
            let at = (self.left - ticks - 8.0 - 10.0, (self.top + self.bottom) / 2.0);
            let (size, paint, anchor) = (LABEL, Paint::Ink, Anchor::Middle);
            scene.items.push(Item::Text(Text { at, text: y, size, paint, anchor, turned: true }));
        }
        // How many points there are, if not all are drawn.
        let drawn = |series: &&Series| series.style == Style::Points && series.values.len() > POINTS;
        let mut note = chart.note.clone();
        if let Some(series) = chart.series.iter().find(drawn) {
            let of = super::axis::number(series.values.len() as f64);
            note += &format!("{}{POINTS} of {of} points are drawn", if note.is_empty() { "" } else { "; " });
        }
        let note = fitting(&note, SMALL, scene.size.0 - 2.0 * MARGIN);
        scene.text((MARGIN, scene.size.1 - 9.0), &note, SMALL, Paint::Soft, Anchor::Start);
    }

    fn series(&self, scene: &mut Scene, shown: &Shown<'_>) {
        let paint = Paint::Series(shown.number);
        let pattern = dash(shown.number);
        for line in &shown.faint {
            scene.line(line.clone(), Stroke::new(paint, 0.3, 1.0));
        }
        let lines = || shown.strong.iter().filter(|line| !line.is_empty());
        match shown.series.style {
            Style::Line | Style::Smooth(_) | Style::Curves(_) => {
                for line in lines() {
                    scene.line(line.clone(), Stroke::new(paint, 1.0, 2.0).dashed(pattern));
                }
                let few = shown.series.values.len() <= MARKED && shown.series.style == Style::Line;
                if few {
                    let at: Vec<Point> = self.on_paper(&self.places(shown.series.values.iter().copied()));
                    let at = at.into_iter().filter(|p| p.1 >= self.top - 0.5 && p.1 <= self.bottom + 0.5).collect();
                    scene.items.push(Item::Marks { at, shape: shown.number, radius: 4.0, paint, opacity: 1.0 });
                }
            }
            Style::Points => {
                for at in lines() {
                    let opacity = if at.len() > 60 { 0.55 } else { 0.85 };
                    let radius = if at.len() > 1000 { 3.0 } else { 4.0 };
                    scene.items.push(Item::Marks { at: at.clone(), shape: shown.number, radius, paint, opacity });
                }
            }
            Style::Bars(_) | Style::Band(_) => {
                let band = matches!(shown.series.style, Style::Band(_));
                for area in lines() {
                    scene.area(area.clone(), paint, if band { 0.18 } else { 0.35 });
                    let mut edge = area.clone();
                    edge.extend(area.first().copied());
                    scene.line(edge, Stroke::new(paint, if band { 0.4 } else { 1.0 }, 1.0).dashed(pattern));
                }
            }
        }
    }

    /// Dashed lines with their names: of vertical ones at the top, of horizontal ones at the end where there is room. Gives two corners of
    /// each name at the top.
    fn marks(&self, scene: &mut Scene, shown: &[Shown<'_>]) -> Vec<[Point; 2]> {
        let mut names = Vec::new();
        let style = Stroke::new(Paint::Ink, 0.7, 1.0).dashed(&[6.0, 6.0]);
        for mark in &self.chart.marks {
            let axis = if mark.vertical { &self.x } else { &self.y };
            let place = axis.place(mark.at);
            if !(axis.ends.0..=axis.ends.1).contains(&place) {
                continue;
            }
            if mark.vertical {
                let x = self.across(place);
                scene.line(vec![(x, self.top), (x, self.bottom)], style);
                let on_the_right = axis.share(place) < 0.7;
                let room = if on_the_right { self.right - x } else { x - self.left } - 8.0;
                let name = fitting(&mark.name, SMALL, room);
                let (anchor, side) = if on_the_right { (Anchor::Start, 6.0) } else { (Anchor::End, -6.0) };
                scene.text((x + side, self.top + SMALL), &name, SMALL, Paint::Ink, anchor);
                let from = if on_the_right { x } else { x - width(&name, SMALL) };
                names.push([(from, self.top), (from + width(&name, SMALL), self.top + 1.5 * SMALL)]);
            } else {
                // Above the line or below it, where fewer lines are in the way.
                let y = self.down(place);
                let near = |p: &&Point, above: bool| {
                    let distance = (y - p.1) / (self.bottom - self.top);
                    let along = (p.0 - self.left) / (self.right - self.left);
                    along < 0.35 && distance.abs() < 0.05 && (distance > 0.0) == above
                };
                let close = |above: bool| {
                    shown.iter().flat_map(|s| s.strong.iter().flatten()).filter(|p| near(p, above)).count()
                };
                let below = self.bottom - y > 24.0 && close(false) <= close(true);
                scene.line(vec![(self.left, y), (self.right, y)], style);
                let name = fitting(&mark.name, SMALL, self.right - self.left - 16.0);
                let at = (self.left + 8.0, if below { y + SMALL + 2.0 } else { y - 6.0 });
                scene.text(at, &name, SMALL, Paint::Ink, Anchor::Start);
            }
        }
        names
    }

    /// The names of the series, if there are several, in the corner where they hide the least.
    fn legend(&self, scene: &mut Scene, shown: &[Shown<'_>], taken: &[[Point; 2]]) {
        if shown.len() < 2 {
            return;
        }
        let (sample, line) = (30.0, SMALL + 6.0);
        let most = 0.7 * (self.right - self.left);
        let mut names: Vec<String> = shown.iter().map(|one| fitting(&one.series.name, SMALL, most)).collect();
        if names.len() > NAMED {
            names.truncate(NAMED - 1);
            names.push(format!("… and {} more", shown.len() + 1 - NAMED));
        }
        let wide = names.iter().map(|name| width(name, SMALL)).fold(0.0, f64::max) + sample + 26.0;
        let high = line * names.len() as f64 + 12.0;
        let (left, top) = self.emptiest(shown, taken, (wide, high));
        let corner = (left + wide, top + high);
        scene.rectangle((left, top), corner, Paint::Paper, 0.88);
        scene.frame((left, top), corner, Stroke::new(Paint::Soft, 0.4, 1.0));
        for (i, name) in names.iter().enumerate() {
            let y = top + 6.0 + line * (i as f64 + 0.5);
            let x = left + 10.0;
            if names.len() < shown.len() && i + 1 == names.len() {
                scene.text((x, y + 0.36 * SMALL), name, SMALL, Paint::Ink, Anchor::Start);
                continue;
            }
            let one = &shown[i];
            let paint = Paint::Series(one.number);
            match one.series.style {
                Style::Line | Style::Smooth(_) | Style::Curves(_) => {
                    let stroke = Stroke::new(paint, 1.0, 2.0).dashed(dash(one.number));
                    scene.line(vec![(x, y), (x + sample, y)], stroke);
                    if one.series.style == Style::Line && one.series.values.len() <= MARKED {
                        let at = vec![(x + sample / 2.0, y)];
                        scene.items.push(Item::Marks { at, shape: one.number, radius: 4.0, paint, opacity: 1.0 });
                    }
                }
                Style::Points => {
                    let at = vec![(x + sample / 2.0, y)];
                    scene.items.push(Item::Marks { at, shape: one.number, radius: 4.5, paint, opacity: 1.0 });
                }
                Style::Bars(_) | Style::Band(_) => {
                    let (a, b) = ((x, y - 5.0), (x + sample, y + 5.0));
                    scene.rectangle(a, b, paint, if matches!(one.series.style, Style::Band(_)) { 0.18 } else { 0.35 });
                    scene.frame(a, b, Stroke::new(paint, 1.0, 1.0).dashed(dash(one.number)));
                }
            }
            scene.text((x + sample + 8.0, y + 0.36 * SMALL), name, SMALL, Paint::Ink, Anchor::Start);
        }
    }

    /// Where a box hides the least.
    fn emptiest(&self, shown: &[Shown<'_>], taken: &[[Point; 2]], (wide, high): Point) -> Point {
        let gap = 10.0;
        let (x, y) = ([self.right - gap - wide, self.left + gap], [self.top + gap, self.bottom - gap - high]);
        let corners = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])];
        let hidden = |(left, top): Point| {
            let (more_x, more_y) = (left - 8.0..=left + wide + 8.0, top - 8.0..=top + high + 8.0);
            let within = |p: Point| more_x.contains(&p.0) && more_y.contains(&p.1);
            // Lines are hidden between their points as well.
            let passed = |line: &Vec<Point>, dots: bool| {
                let between = line.windows(2).flat_map(|pair| {
                    let (a, b) = (pair[0], pair[1]);
                    (1..8)
                        .map(move |i| (a.0 + (b.0 - a.0) * f64::from(i) / 8.0, a.1 + (b.1 - a.1) * f64::from(i) / 8.0))
                });
                let on_the_way = if dots { 0 } else { between.filter(|p| within(*p)).count() };
                on_the_way + line.iter().filter(|p| within(**p)).count()
            };
            let count = |s: &Shown<'_>| -> usize {
                s.strong.iter().chain(&s.faint).map(|line| passed(line, s.series.style == Style::Points)).sum()
            };
            let diagonal = vec![(self.left, self.bottom), (self.right, self.top)];
            let crossed = if self.chart.diagonal { passed(&diagonal, false) } else { 0 };
            let covers =
                |[a, b]: &&[Point; 2]| a.0 < left + wide + 8.0 && b.0 > left - 8.0 && a.1 < top + high && b.1 > top;
            // A name that cannot be read is worse than a piece of a line.
            shown.iter().map(count).sum::<usize>() + crossed + 20 * taken.iter().filter(covers).count()
        };
        corners.into_iter().min_by_key(|corner| hidden(*corner)).unwrap_or((x[0], y[0]))
    }
}

#[cfg(test)]
mod tests;
