//! Pictures in rows.

use super::scene::{Anchor, Item, MARGIN, Paint, SMALL, Scene, TITLE, fitting};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The most pictures, and the most pixels of a side of one.
const SHOWN: usize = 200;
const SIDE: usize = 256;

/// Pictures in rows, each with a line below it: what a network reads, what it draws, what it took for something else.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::plot::ImageGrid;
///
/// let pictures = Tensor::uniform([6, 1, 8, 8], 0.0, 1.0, &mut Rng::seed(0))?;
/// let grid = ImageGrid::new("Noise", &pictures)?.columns(3).captions(["a", "b", "c"]);
/// assert!(grid.to_svg()?.contains("data:image/png;base64,"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageGrid {
    title: String,
    pictures: Vec<Vec<u8>>,
    /// Rows and columns of pixels.
    size: [usize; 2],
    all: usize,
    columns: usize,
    captions: Vec<String>,
}

impl ImageGrid {
    /// Of pictures `[n, channels, height, width]` with levels from 0 to 1, in grey (1 channel) or of red, green and blue (3). Of more than
    /// 200, the first are shown; pixels beyond 256 are left out.
    ///
    /// # Errors
    /// If they have another shape, or are empty.
    #[track_caller]
    pub fn new(title: impl Into<String>, pictures: &Tensor) -> Result<Self> {
        let &[all, channels @ (1 | 3), height, width] = pictures.shape() else {
            let message = format!("pictures of shape {:?}, expected [n, 1 or 3, height, width]", pictures.shape());
            return Err(Error::shape("ImageGrid", message));
        };
        if height == 0 || width == 0 {
            return Err(Error::shape("ImageGrid", format!("pictures of shape {:?} have no pixels", pictures.shape())));
        }
        let values = pictures.narrow(0, 0, all.min(SHOWN))?.to_f64_vec();
        let [rows, columns] = [height.min(SIDE), width.min(SIDE)];
        let of = |picture: &[f64]| {
            let mut pixels = Vec::with_capacity(4 * rows * columns);
            for i in 0..rows * columns {
                let at = (i / columns * height / rows) * width + i % columns * width / columns;
                let level =
                    |channel: usize| (255.0 * picture[channel * height * width + at].clamp(0.0, 1.0)).round() as u8;
                let of = |channel: usize| level(if channels == 3 { channel } else { 0 });
                pixels.extend([of(0), of(1), of(2), 255]);
            }
            pixels
        };
        let pictures = values.chunks(channels * height * width).map(of).collect();
        Ok(Self { title: title.into(), pictures, size: [rows, columns], all, columns: 10, captions: Vec::new() })
    }

    /// How many stand beside each other: 10, if nothing is said.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns.clamp(1, 40);
        self
    }

    /// A line below each picture, in their order; there may be fewer.
    #[must_use]
    pub fn captions<S: Into<String>>(mut self, captions: impl IntoIterator<Item = S>) -> Self {
        self.captions = captions.into_iter().map(Into::into).take(self.pictures.len()).collect();
        self
    }

    pub(super) fn scene(&self) -> Scene {
        let (gap, total) = (10.0, 960.0);
        let columns = self.columns.min(self.pictures.len()).max(1);
        let wide = ((total - 2.0 * MARGIN + gap) / self.columns as f64 - gap).clamp(8.0, 200.0);
        let high = (wide * self.size[0] as f64 / self.size[1] as f64).clamp(4.0, 400.0);
        let below = if self.captions.is_empty() { gap } else { SMALL + 12.0 };
        let top = MARGIN + if self.title.is_empty() { 0.0 } else { TITLE + 14.0 };
        let rows = self.pictures.len().div_ceil(columns);
        let rest = if self.all > self.pictures.len() { SMALL + 6.0 } else { 0.0 };
        let mut scene = Scene::new((total, top + rows as f64 * (high + below) + rest + MARGIN), &self.title);
        scene.heading(&self.title);
        let left = (total - (columns as f64 * (wide + gap) - gap)) / 2.0;
        for (i, pixels) in self.pictures.iter().enumerate() {
            let at = (left + (i % columns) as f64 * (wide + gap), top + (i / columns) as f64 * (high + below));
            let [rows, columns] = self.size;
            scene.items.push(Item::Pixels { at, size: (wide, high), pixels: pixels.clone(), columns, rows });
            if let Some(caption) = self.captions.get(i) {
                let text = fitting(caption, SMALL, wide + gap);
                scene.text((at.0 + wide / 2.0, at.1 + high + SMALL + 1.0), &text, SMALL, Paint::Ink, Anchor::Middle);
            }
        }
        if rest > 0.0 {
            let text = format!("the first {} of {}", self.pictures.len(), self.all);
            let at = (MARGIN, scene.size.1 - 9.0);
            scene.text(at, &text, SMALL, Paint::Soft, Anchor::Start);
        }
        scene
    }
}
