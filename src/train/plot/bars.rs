//! Bars with names, from left to right, one below the other.

use super::axis::Axis;
use super::draw::LARGEST;
use super::scene::{Anchor, LABEL, MARGIN, Paint, SMALL, Scene, Stroke, TITLE, fitting, width};
use crate::explain::Importance;

/// How high a bar is, with the room to the next.
const BAR: f64 = 30.0;
/// The most bars.
const SHOWN: usize = 40;

/// Bars with names, each of which may have an interval: the importance of features, counts of classes, metrics of several models.
///
/// ```
/// use demotic::train::plot::Bars;
///
/// let bars = Bars::new("Rows of each class")
///     .label("rows")
///     .bar("setosa", 50.0)
///     .bar("virginica", 48.0)
///     .bar_with("versicolor", 49.0, [44.0, 53.0]);
/// assert!(bars.to_svg()?.contains("setosa"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bars {
    title: String,
    label: String,
    width: f64,
    bars: Vec<(String, f64, Option<[f64; 2]>)>,
}

impl Bars {
    /// Without a bar as yet.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), label: String::new(), width: 960.0, bars: Vec::new() }
    }

    /// What the lengths of the bars are, with its unit.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The width of the drawing: 960, if nothing is said. From 300 to 4000.
    #[must_use]
    pub fn width(mut self, width: f64) -> Self {
        self.width = if width.is_finite() { width.clamp(300.0, 4000.0) } else { self.width };
        self
    }

    /// One more bar below the others. Of more than 40, the first 40 are drawn, and the picture says so. A length that is not finite, or
    /// beyond ±10³⁰, is written and not drawn.
    #[must_use]
    pub fn bar(mut self, name: impl Into<String>, length: f64) -> Self {
        self.bars.push((name.into(), length, None));
        self
    }

    /// The same with an interval around its end.
    #[must_use]
    pub fn bar_with(mut self, name: impl Into<String>, length: f64, interval: [f64; 2]) -> Self {
        self.bars.push((name.into(), length, Some(interval)));
        self
    }

    pub(super) fn scene(&self) -> Scene {
        let shown = &self.bars[..self.bars.len().min(SHOWN)];
        let wide = self.width;
        let top = MARGIN + if self.title.is_empty() { 8.0 } else { TITLE + 18.0 };
        let bottom = top + BAR * shown.len().max(1) as f64;
        let label = if self.label.is_empty() { 0.0 } else { LABEL + 9.0 };
        let rest = if self.bars.len() > SHOWN { SMALL + 6.0 } else { 0.0 };
        let mut scene = Scene::new((wide, bottom + SMALL + 10.0 + label + rest + MARGIN), &self.title);
        scene.heading(&self.title);

        let names: Vec<String> = shown.iter().map(|(name, ..)| fitting(name, SMALL, 0.35 * wide)).collect();
        let left = MARGIN + 10.0 + names.iter().map(|name| width(name, SMALL)).fold(0.0, f64::max);
        // As exactly as the longest: what is next to nothing beside it is 0.
        let longest = shown.iter().map(|(_, length, _)| length.abs()).filter(|x| *x <= LARGEST).fold(0.0, f64::max);
        let step = 10f64.powf(longest.log10().floor() - 3.0);
        let written = shown.iter().map(|(_, length, _)| {
            let rounded = (length / step).round() * step;
            super::axis::number(if rounded.is_finite() { rounded + 0.0 } else { *length })
        });
        let written: Vec<String> = written.collect();
        let right = wide - MARGIN - 12.0 - written.iter().map(|text| width(text, SMALL)).fold(0.0, f64::max);
        let fits = |x: &f64| x.abs() <= LARGEST;
        let ends = shown.iter().flat_map(|(_, length, interval)| {
            [*length].into_iter().chain(interval.iter().flatten().copied()).filter(fits)
        });
        let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), x| (low.min(x), high.max(x)));
        let high = if high == low { 1.0 } else { high };
        let no_room_below = if low == 0.0 { 0.0 } else { -LARGEST };
        let axis = Axis::new((low, high), (no_room_below, LARGEST), false, false);
        let across = |x: f64| left + axis.share(x) * (right - left);
        for tick in &axis.ticks {
            let x = across(*tick);
            scene.line(vec![(x, top), (x, bottom)], Stroke::new(Paint::Soft, 0.22, 1.0));
            scene.text((x, bottom + SMALL + 7.0), &axis.label(*tick), SMALL, Paint::Soft, Anchor::Middle);
        }
        for (i, (_, length, interval)) in shown.iter().enumerate() {
            let y = top + BAR * (i as f64 + 0.5);
            scene.text((left - 10.0, y + 0.36 * SMALL), &names[i], SMALL, Paint::Ink, Anchor::End);
            let mut end = across(0.0);
            if fits(length) {
                let (a, b) = (across(length.min(0.0)), across(length.max(0.0)));
                scene.rectangle((a, y - 0.32 * BAR), (b, y + 0.32 * BAR), Paint::Series(0), 0.75);
                end = b.max(end);
            }
            if let Some([from, to]) = interval.filter(|ends| ends.iter().all(fits)) {
                let (a, b) = (across(from), across(to));
                let stroke = Stroke::new(Paint::Ink, 1.0, 1.5);
                scene.line(vec![(a, y), (b, y)], stroke);
                [a, b].iter().for_each(|x| scene.line(vec![(*x, y - 5.0), (*x, y + 5.0)], stroke));
                end = end.max(b);
            }
            scene.text((end + 8.0, y + 0.36 * SMALL), &written[i], SMALL, Paint::Soft, Anchor::Start);
        }
        let zero = across(0.0);
        scene.line(vec![(zero, top), (zero, bottom)], Stroke::new(Paint::Soft, 0.8, 1.0));
        let label = fitting(&self.label, LABEL, wide - 2.0 * MARGIN);
        // Below the bars, and not beyond the picture.
        let half = width(&label, LABEL) / 2.0;
        let middle = ((left + right) / 2.0).min(wide - MARGIN - half).max(MARGIN + half);
        scene.text((middle, bottom + SMALL + 14.0 + LABEL), &label, LABEL, Paint::Ink, Anchor::Middle);
        if self.bars.len() > SHOWN {
            let text = format!("the first {SHOWN} of {}", self.bars.len());
            let at = (MARGIN, scene.size.1 - 9.0);
            scene.text(at, &text, SMALL, Paint::Soft, Anchor::Start);
        }
        scene
    }
}

/// How much worse predictions become without each feature, the most important one first, each with its interval; `measure` is what
/// becomes worse, such as `accuracy`.
#[must_use]
pub fn importance(of: &[Importance], measure: &str) -> Bars {
    let mut order: Vec<&Importance> = of.iter().collect();
    crate::order::sort_by(&mut order, |a, b| b.mean.total_cmp(&a.mean));
    let label = format!("loss of {measure}: mean of the shuffles, and the middle 95 % of them");
    let bars = Bars::new("Importance of the features").label(label);
    order.into_iter().fold(bars, |bars, one| bars.bar_with(&one.column, one.mean, one.interval()))
}
