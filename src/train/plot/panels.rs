//! Several pictures in one.

use super::Picture;
use super::scene::{Anchor, MARGIN, Paint, SMALL, Scene, TITLE};

/// The most pictures in one.
const SHOWN: usize = 60;

/// Several pictures in one, in rows.
///
/// ```
/// use demotic::train::plot::{Chart, Panels};
///
/// let chart = |name: &str| Chart::new(name).size(320.0, 240.0).line("loss", [3.0, 2.0, 1.0]);
/// let both = Panels::new("Two runs").columns(2).add(chart("first")).add(chart("second"));
/// assert!(both.to_svg()?.contains("second"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Panels {
    title: String,
    columns: usize,
    all: usize,
    parts: Vec<Picture>,
}

impl Panels {
    /// None as yet.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), columns: 3, all: 0, parts: Vec::new() }
    }

    /// How many stand beside each other: 3, if nothing is said.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns.clamp(1, 12);
        self
    }

    /// One more picture. Of more than 60, the first 60 are shown, and the picture says so.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "what one does with pictures is to add them")]
    pub fn add(mut self, picture: impl Into<Picture>) -> Self {
        self.all += 1;
        if self.parts.len() < SHOWN {
            self.parts.push(picture.into());
        }
        self
    }

    pub(super) fn scene(&self) -> Scene {
        let rows: Vec<&[Picture]> = self.parts.chunks(self.columns).collect();
        let wide = |row: &[Picture]| row.iter().map(|part| part.0.size.0).sum::<f64>();
        let high = |row: &[Picture]| row.iter().map(|part| part.0.size.1).fold(0.0, f64::max);
        let total = rows.iter().map(|row| wide(row)).fold(300.0, f64::max);
        let mut y = if self.title.is_empty() { 0.0 } else { MARGIN + TITLE + 10.0 };
        let rest = if self.all > self.parts.len() { SMALL + MARGIN } else { 0.0 };
        let mut scene = Scene::new((total, y + rows.iter().map(|row| high(row)).sum::<f64>() + rest), &self.title);
        scene.heading(&self.title);
        for row in rows {
            let mut x = 0.0;
            for part in row {
                scene.add(part.0.clone(), (x, y));
                x += part.0.size.0;
            }
            y += high(row);
        }
        if rest > 0.0 {
            let text = format!("the first {} of {}", self.parts.len(), self.all);
            scene.text((MARGIN, y + SMALL + 2.0), &text, SMALL, Paint::Soft, Anchor::Start);
        }
        scene
    }
}
