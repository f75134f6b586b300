//! Axes side by side, and a line across them for each thing that has a value on each.

use super::axis::Axis;
use super::draw::LARGEST;
use super::scene::{Anchor, LABEL, MARGIN, Paint, Point, SMALL, Scene, Stroke, TITLE, fitting};

/// The most lines that are drawn, and the most axes.
const LINES: usize = 500;
const AXES: usize = 30;
/// The height of the picture.
const HIGH: f64 = 500.0;

/// Axes side by side, with a line across them for each of several things (Inselberg, 1985): which values of hyper-parameters go with which
/// result. [`Study::parallel_coordinates`](crate::tune::Study::parallel_coordinates) makes one of a search.
///
/// ```
/// use demotic::train::plot::ParallelCoordinates;
///
/// let picture = ParallelCoordinates::new("Three trainings")
///     .axis("rate", true)
///     .categories("activation", ["relu", "gelu"])
///     .axis("error", false)
///     .line([Some(0.1), Some(0.0), Some(0.5)], 0.0)
///     .line([Some(0.001), Some(1.0), Some(0.3)], 0.5)
///     .line([Some(0.01), Some(1.0), Some(0.2)], 1.0);
/// assert!(picture.to_svg()?.contains("activation"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ParallelCoordinates {
    title: String,
    note: String,
    axes: Vec<Coordinate>,
    lines: Vec<(Vec<Option<f64>>, f64)>,
}

#[derive(Debug, Clone)]
struct Coordinate {
    name: String,
    log: bool,
    labels: Vec<String>,
}

impl ParallelCoordinates {
    /// Without an axis as yet.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), note: String::new(), axes: Vec::new(), lines: Vec::new() }
    }

    /// A line of text below the axes.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// One more axis of numbers to the right, perhaps a logarithmic one. Of more than 30 axes, the first are drawn.
    #[must_use]
    pub fn axis(mut self, name: impl Into<String>, log: bool) -> Self {
        self.axes.push(Coordinate { name: name.into(), log, labels: Vec::new() });
        self
    }

    /// One more axis with names, from the bottom up. Values on it are their numbers, from 0.
    #[must_use]
    pub fn categories<S: Into<String>>(mut self, name: impl Into<String>, labels: impl IntoIterator<Item = S>) -> Self {
        let labels = labels.into_iter().map(Into::into).collect();
        self.axes.push(Coordinate { name: name.into(), log: false, labels });
        self
    }

    /// One more line: a value on each axis, or none, where the line is interrupted. The strength from 0 to 1 says how dark and how thick it
    /// is; strong lines lie above the others, and those of strength 1 have marks. Of more than 500 lines, the strongest are drawn.
    #[must_use]
    pub fn line(mut self, values: impl IntoIterator<Item = Option<f64>>, strength: f64) -> Self {
        // NaN is no strength.
        let strength = if strength > 0.0 { strength.min(1.0) } else { 0.0 };
        self.lines.push((values.into_iter().collect(), strength));
        self
    }

    pub(super) fn scene(&self) -> Scene {
        let shown = &self.axes[..self.axes.len().min(AXES)];
        let wide = (120.0 * shown.len() as f64).clamp(640.0, 4000.0);
        let mut scene = Scene::new((wide, HIGH), &self.title);
        scene.heading(&self.title);
        let top = MARGIN + TITLE + LABEL + 36.0;
        let bottom = HIGH - MARGIN - SMALL - 16.0;
        let room = (wide - 2.0 * MARGIN) / shown.len().max(1) as f64;
        let across = |i: usize| MARGIN + room * (i as f64 + 0.5);

        let mut order: Vec<usize> = (0..self.lines.len()).collect();
        crate::order::sort_by_key(&mut order, |i| crate::order::key(self.lines[*i].1));
        let order = &order[order.len().saturating_sub(LINES)..];
        let mut axes = Vec::with_capacity(shown.len());
        for (i, coordinate) in shown.iter().enumerate() {
            let fits = |x: &f64| x.abs() <= LARGEST && !(coordinate.log && *x < 1.0 / LARGEST);
            let values = order.iter().filter_map(|line| self.lines[*line].0.get(i).copied().flatten()).filter(fits);
            let (low, high) = match coordinate.labels.len() {
                0 => values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x))),
                n => (0.0, (n - 1) as f64),
            };
            axes.push(Axis::new((low, high), (-LARGEST, LARGEST), coordinate.log, !coordinate.labels.is_empty()));
        }
        let place = |i: usize, x: f64| (across(i), bottom - axes[i].share(axes[i].place(x)) * (bottom - top));
        for line in order {
            let (values, strength) = &self.lines[*line];
            let paint = if *strength == 1.0 { Paint::Series(1) } else { Paint::Series(0) };
            let stroke = Stroke::new(paint, 0.12 + 0.78 * strength * strength, 1.0 + 2.0 * strength);
            let mut parts: Vec<Vec<Point>> = vec![Vec::new()];
            for (i, coordinate) in shown.iter().enumerate() {
                let value = values.get(i).copied().flatten();
                match value.filter(|x| x.abs() <= LARGEST && !(coordinate.log && *x < 1.0 / LARGEST)) {
                    Some(x) => parts.last_mut().into_iter().for_each(|part| part.push(place(i, x))),
                    None => parts.push(Vec::new()),
                }
            }
            for part in parts.into_iter().filter(|part| !part.is_empty()) {
                // A value alone between two that are missing, and the strongest.
                if part.len() == 1 || *strength == 1.0 {
                    let (at, radius, opacity) = (part.clone(), 2.0 + 3.0 * strength, stroke.opacity);
                    scene.items.push(super::scene::Item::Marks { at, shape: 0, radius, paint, opacity });
                }
                scene.line(part, stroke);
            }
        }
        for (i, coordinate) in shown.iter().enumerate() {
            let x = across(i);
            scene.line(vec![(x, top), (x, bottom)], Stroke::new(Paint::Ink, 0.8, 1.2));
            let name = fitting(&coordinate.name, SMALL, room - 8.0);
            scene.text((x, top - 12.0 - SMALL - 3.0), &name, SMALL, Paint::Ink, Anchor::Middle);
            if coordinate.log {
                scene.text((x, top - 12.0), "(log)", SMALL, Paint::Soft, Anchor::Middle);
            }
            let mut label = |text: &str, y: f64| {
                scene.line(vec![(x - 4.0, y), (x + 4.0, y)], Stroke::new(Paint::Ink, 0.8, 1.2));
                let text = fitting(text, 13.0, room - 24.0);
                scene.text((x + 8.0, y - 3.0), &text, 13.0, Paint::Soft, Anchor::Start);
            };
            if coordinate.labels.is_empty() {
                for tick in &axes[i].ticks {
                    label(&axes[i].label(*tick), bottom - axes[i].share(*tick) * (bottom - top));
                }
            }
            for (number, text) in coordinate.labels.iter().enumerate() {
                label(text, place(i, number as f64).1);
            }
        }
        let note = fitting(&self.note, SMALL, wide - 2.0 * MARGIN);
        scene.text((wide / 2.0, HIGH - MARGIN), &note, SMALL, Paint::Soft, Anchor::Middle);
        scene
    }
}
