//! What features add, one point for each example.

use super::axis::Axis;
use super::draw::LARGEST;
use super::scene::{Anchor, Item, LABEL, MARGIN, Paint, SMALL, Scene, Stroke, TITLE, fitting, width};
use crate::error::{Error, Result};

/// The most features and the most points of one.
const SHOWN: usize = 20;
const POINTS: usize = 600;
const ROW: f64 = 44.0;

/// For each feature a row of points, one for each example, from left to right by what the feature adds to its output; the colour says
/// whether the feature's own value is low (blue) or high (orange). The features whose points are farthest from 0 on average come first.
/// What SHAP calls a summary plot.
///
/// ```
/// use demotic::train::plot::Beeswarm;
///
/// let values = vec![vec![-1.0, 0.1], vec![2.0, -0.1], vec![1.0, 0.0]];
/// let features = vec![vec![20.0, 3.0], vec![90.0, 1.0], vec![70.0, 2.0]];
/// let picture = Beeswarm::new("Price", &["area", "floor"], &values, &features)?.label("adds to the price");
/// assert!(picture.to_svg()?.contains("area"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Beeswarm {
    title: String,
    label: String,
    /// Name, and for each example what is added and where the feature's value is among all, from 0 to 1.
    rows: Vec<(String, Vec<(f64, f64)>)>,
    all: usize,
}

impl Beeswarm {
    /// Of a row of numbers for each example: what features add, and the features' own values (NaN where there is none, as of texts). At
    /// most 20 features and of each 600 points are drawn.
    ///
    /// # Errors
    /// If there are not as many numbers as names in each row, or not as many rows.
    #[track_caller]
    pub fn new<S: AsRef<str>>(
        title: impl Into<String>,
        names: &[S],
        values: &[Vec<f64>],
        features: &[Vec<f64>],
    ) -> Result<Self> {
        let names = names.iter().map(|name| name.as_ref().to_string()).collect();
        Self::of(title.into(), names, values, features)
    }

    #[track_caller]
    fn of(title: String, names: Vec<String>, values: &[Vec<f64>], features: &[Vec<f64>]) -> Result<Self> {
        let fits = values.len() == features.len() && values.iter().chain(features).all(|row| row.len() == names.len());
        if !fits {
            let message =
                format!("{} rows of values and {} of features, by {} names", values.len(), features.len(), names.len());
            return Err(Error::shape("Beeswarm", message));
        }
        let all = names.len();
        let step = values.len().div_ceil(POINTS).max(1);
        let mut rows: Vec<(String, Vec<(f64, f64)>)> = Vec::with_capacity(all);
        for (i, name) in names.into_iter().enumerate() {
            let own = || features.iter().map(|row| row[i]).filter(|x| x.is_finite());
            let (low, high) = (own().fold(f64::INFINITY, f64::min), own().fold(f64::NEG_INFINITY, f64::max));
            let share = |x: f64| if low < high { (x / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) } else { f64::NAN };
            let pairs = values.iter().zip(features).step_by(step).map(|(row, own)| (row[i], share(own[i])));
            rows.push((name, pairs.filter(|(x, _)| x.abs() <= LARGEST).collect()));
        }
        let reach = |row: &[(f64, f64)]| row.iter().map(|(x, _)| x.abs()).sum::<f64>() / row.len().max(1) as f64;
        crate::order::sort_by(&mut rows, |a, b| reach(&b.1).total_cmp(&reach(&a.1)));
        rows.truncate(SHOWN);
        Ok(Self { title, label: String::new(), rows, all })
    }

    /// What the features add to, with its unit.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn scene(&self) -> Scene {
        let wide = 960.0;
        let top = MARGIN + if self.title.is_empty() { 8.0 } else { TITLE + 18.0 };
        let bottom = top + ROW * self.rows.len().max(1) as f64;
        let label = if self.label.is_empty() { 0.0 } else { LABEL + 9.0 };
        let mut scene = Scene::new((wide, bottom + 2.0 * SMALL + 24.0 + label + MARGIN), &self.title);
        scene.heading(&self.title);
        let names: Vec<String> = self.rows.iter().map(|(name, _)| fitting(name, SMALL, 0.35 * wide)).collect();
        let left = MARGIN + 10.0 + names.iter().map(|name| width(name, SMALL)).fold(0.0, f64::max);
        let right = wide - MARGIN - 12.0;
        let all = || self.rows.iter().flat_map(|(_, row)| row.iter().map(|(x, _)| *x));
        let (low, high) = all().fold((0.0_f64, 0.0_f64), |(low, high), x| (low.min(x), high.max(x)));
        let high = if high == low { 1.0 } else { high };
        let axis = Axis::new((low, high), (-LARGEST, LARGEST), false, false);
        let across = |x: f64| left + axis.share(x) * (right - left);
        for tick in &axis.ticks {
            let x = across(*tick);
            scene.line(vec![(x, top), (x, bottom)], Stroke::new(Paint::Soft, 0.22, 1.0));
            scene.text((x, bottom + SMALL + 7.0), &axis.label(*tick), SMALL, Paint::Soft, Anchor::Middle);
        }
        let zero = across(0.0);
        scene.line(vec![(zero, top), (zero, bottom)], Stroke::new(Paint::Soft, 0.8, 1.0));
        let kinds = [
            (Paint::Series(0), 0.85),
            (Paint::Series(0), 0.4),
            (Paint::Soft, 0.5),
            (Paint::Series(1), 0.4),
            (Paint::Series(1), 0.85),
        ];
        for (k, (_, row)) in self.rows.iter().enumerate() {
            let middle = top + ROW * (k as f64 + 0.5);
            scene.text((left - 10.0, middle + 0.36 * SMALL), &names[k], SMALL, Paint::Ink, Anchor::End);
            // Points that would lie on each other stand above and below, in turn.
            let mut taken: std::collections::BTreeMap<i64, usize> = Default::default();
            let mut marks: [Vec<(f64, f64)>; 5] = Default::default();
            for (x, share) in row {
                let x = across(*x);
                let count = taken.entry((x / 5.0) as i64).or_default();
                let up =
                    (count.div_ceil(2) as f64 * 3.4).min(0.44 * ROW) * if count.is_multiple_of(2) { 1.0 } else { -1.0 };
                *count += 1;
                let kind = if share.is_finite() { ((share * 5.0) as usize).min(4) } else { 2 };
                marks[kind].push((x, middle - up));
            }
            for (at, (paint, opacity)) in marks.into_iter().zip(kinds) {
                if !at.is_empty() {
                    scene.items.push(Item::Marks { at, shape: 0, radius: 3.0, paint, opacity });
                }
            }
        }
        let label = fitting(&self.label, LABEL, wide - 2.0 * MARGIN);
        scene.text(((left + right) / 2.0, bottom + SMALL + 14.0 + LABEL), &label, LABEL, Paint::Ink, Anchor::Middle);
        let below = scene.size.1 - 9.0;
        let more =
            if self.all > self.rows.len() { format!(", the first {SHOWN} of {}", self.all) } else { String::new() };
        let note = format!("blue: a low value of the feature, orange: a high one{more}");
        scene.text((MARGIN, below), &note, SMALL, Paint::Soft, Anchor::Start);
        scene
    }
}
