//! Matrices as fields of darker and lighter cells.

use super::scene::{
    Anchor, COLORS, Item, LABEL, MARGIN, Paint, Point, SMALL, Scene, Stroke, TITLE, Text, fitting, width,
};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The most rows or columns that have cells of their own; of more, the picture has a pixel for each, or for the mean of some.
const CELLS: usize = 60;
const PIXELS: usize = 600;

/// A matrix, whose larger numbers are darker: attention, confusion, correlation.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::plot::Heatmap;
///
/// let matrix = Heatmap::new("Correlation", &tensor![[1.0, 0.2], [0.2, 1.0]])?
///     .rows(["area", "price"])
///     .columns(["area", "price"])
///     .range(-1.0, 1.0);
/// assert!(matrix.to_svg()?.contains("0.2"));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Cells have their number in them where there is room.
#[derive(Debug, Clone)]
pub struct Heatmap {
    title: String,
    labels: [String; 2],
    names: [Vec<String>; 2],
    size: [usize; 2],
    values: Vec<f64>,
    written: Option<Vec<String>>,
    range: Option<(f64, f64)>,
    measure: String,
}

impl Heatmap {
    /// Of a matrix `[rows, columns]`. Numbers that are not finite have empty cells.
    ///
    /// # Errors
    /// If it is no matrix.
    #[track_caller]
    pub fn new(title: impl Into<String>, matrix: &Tensor) -> Result<Self> {
        match *matrix.shape() {
            [rows, columns] => Ok(Self::of(title.into(), [rows, columns], matrix.to_f64_vec())),
            ref shape => Err(Error::shape("Heatmap", format!("shape {shape:?}, expected [rows, columns]"))),
        }
    }

    /// Of as many values as the size says.
    pub(super) fn of(title: String, size: [usize; 2], values: Vec<f64>) -> Self {
        let names = [Vec::new(), Vec::new()];
        Self {
            title,
            labels: Default::default(),
            names,
            size,
            values,
            written: None,
            range: None,
            measure: String::new(),
        }
    }

    /// What columns and rows are.
    #[must_use]
    pub fn labels(mut self, columns: impl Into<String>, rows: impl Into<String>) -> Self {
        self.labels = [columns.into(), rows.into()];
        self
    }

    /// The names of the rows, from the top.
    #[must_use]
    pub fn rows<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names[1] = names.into_iter().map(Into::into).collect();
        self
    }

    /// The names of the columns, from the left.
    #[must_use]
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names[0] = names.into_iter().map(Into::into).collect();
        self
    }

    /// The numbers of the lightest and the darkest cells: the smallest and the largest one, if nothing is said.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = (low.is_finite() && high.is_finite() && low < high).then_some((low, high));
        self
    }

    /// What the numbers are, for the scale beside the cells.
    #[must_use]
    pub fn measure(mut self, measure: impl Into<String>) -> Self {
        self.measure = measure.into();
        self
    }

    /// What is written in the cells.
    pub(super) fn written(mut self, texts: Vec<String>) -> Self {
        self.written = Some(texts);
        self
    }

    fn bounds(&self) -> (f64, f64) {
        let finite = || self.values.iter().copied().filter(|x| x.is_finite());
        let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        match self.range {
            Some(range) => range,
            None if low < high => (low, high),
            // All the same, or nothing.
            None if low.is_finite() => (low.min(0.0), if low > 0.0 { low } else { low.min(0.0) + 1.0 }),
            None => (0.0, 1.0),
        }
    }

    pub(super) fn scene(&self) -> Scene {
        let [rows, columns] = self.size;
        let (low, high) = self.bounds();
        let level = |x: f64| {
            if x.is_finite() { ((x / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)).clamp(0.0, 1.0) } else { 0.0 }
        };
        let cells = rows <= CELLS && columns <= CELLS;
        let texts: Vec<String> = match (&self.written, cells) {
            (Some(written), true) => written.clone(),
            (None, true) => self.values.iter().map(|x| rounded(*x)).collect(),
            (_, false) => Vec::new(),
        };
        let widest = texts.iter().flat_map(|text| text.split('\n')).map(|text| width(text, SMALL)).fold(0.0, f64::max);
        // Cells as large as their texts want, within what the picture may be.
        let most = (560.0 / rows.max(columns).max(1) as f64).max(1.0);
        let side = (widest + 14.0).max(34.0).min(if cells { most.max(9.0) } else { most }).min(110.0);
        let names = self.names[0].iter().map(|name| width(name, SMALL)).fold(0.0, f64::max).min(110.0);
        let side = if rows.max(columns) <= 8 { side.max(58.0).max(names + 8.0) } else { side };
        let (wide, high_) = match cells {
            true => (side * columns as f64, side * rows as f64),
            false => {
                let scale = PIXELS as f64 / rows.max(columns) as f64;
                ((scale * columns as f64).max(20.0), (scale * rows as f64).max(20.0))
            }
        };
        let size = (SMALL).min(side * 0.9);
        let row_names: Vec<String> = self.names[1].iter().take(rows).map(|name| fitting(name, size, 200.0)).collect();
        let column_names: Vec<String> =
            self.names[0].iter().take(columns).map(|name| fitting(name, size, 160.0)).collect();
        let named = |names: &[String]| names.iter().map(|name| width(name, size)).fold(0.0, f64::max);
        // Names stand upright where they are wider than their columns.
        let turned = named(&column_names) > side - 4.0;
        let label = |i: usize| if self.labels[i].is_empty() { 0.0 } else { LABEL + 9.0 };
        let left = MARGIN + label(1) + named(&row_names) + 10.0;
        let top = MARGIN + if self.title.is_empty() { 8.0 } else { TITLE + 18.0 };
        let below = if column_names.is_empty() {
            4.0
        } else if turned {
            named(&column_names) + 12.0
        } else {
            size + 10.0
        };
        let scale = 96.0;
        let mut least = width(&self.title, TITLE).min(900.0) + 2.0 * MARGIN;
        least = least.max(360.0);
        let total = (left + wide + scale + MARGIN).max(least);
        let left = left + (total - (left + wide + scale + MARGIN)) / 2.0;
        let mut scene = Scene::new((total, top + high_.max(120.0) + below + label(0) + MARGIN), &self.title);
        scene.heading(&self.title);

        let place = |row: usize, column: usize| (left + side * column as f64, top + side * row as f64);
        if cells {
            for (i, x) in self.values.iter().enumerate() {
                let (row, column) = (i / columns, i % columns);
                let (a, b) = (place(row, column), place(row + 1, column + 1));
                scene.rectangle(a, b, Paint::Series(0), level(*x));
                let lines: Vec<&str> = texts.get(i).map_or(vec![], |text| text.split('\n').collect());
                let fits = lines.iter().all(|line| width(line, SMALL) <= side - 3.0);
                if x.is_finite() && fits && side >= (SMALL + 2.0) * lines.len() as f64 {
                    let paint = if level(*x) > 0.55 { Paint::Paper } else { Paint::Ink };
                    let middle = (a.0 + side / 2.0, a.1 + side / 2.0 + 0.36 * SMALL);
                    for (k, line) in lines.iter().enumerate() {
                        let up = (lines.len() as f64 - 1.0) / 2.0 - k as f64;
                        scene.text((middle.0, middle.1 - up * (SMALL + 2.0)), line, SMALL, paint, Anchor::Middle);
                    }
                }
            }
        } else {
            scene.items.push(self.pixels((left, top), (wide, high_), &level));
        }
        scene.frame((left, top), (left + wide, top + high_), Stroke::new(Paint::Soft, 0.6, 1.0));
        for (row, name) in row_names.iter().enumerate() {
            let y = top + high_ * (row as f64 + 0.5) / rows as f64 + 0.36 * size;
            if cells {
                scene.text((left - 8.0, y), name, size, Paint::Ink, Anchor::End);
            }
        }
        for (column, name) in column_names.iter().enumerate().filter(|_| cells) {
            let x = left + side * (column as f64 + 0.5);
            let bottom = top + high_;
            let (at, anchor) = match turned {
                true => ((x + 0.36 * size, bottom + 8.0), Anchor::End),
                false => ((x, bottom + size + 5.0), Anchor::Middle),
            };
            scene.items.push(Item::Text(Text { at, text: name.clone(), size, paint: Paint::Ink, anchor, turned }));
        }
        let text = fitting(&self.labels[0], LABEL, total - 2.0 * MARGIN);
        scene.text((left + wide / 2.0, top + high_ + below + LABEL), &text, LABEL, Paint::Ink, Anchor::Middle);
        if !self.labels[1].is_empty() {
            let at = (left - 10.0 - named(&row_names) - 8.0, top + high_ / 2.0);
            let text = fitting(&self.labels[1], LABEL, high_.max(120.0));
            let (size, paint, anchor) = (LABEL, Paint::Ink, Anchor::Middle);
            scene.items.push(Item::Text(Text { at, text, size, paint, anchor, turned: true }));
        }
        self.scale(&mut scene, (left + wide + 22.0, top), high_.clamp(60.0, 240.0), (low, high));
        scene
    }

    /// What the darkness means.
    fn scale(&self, scene: &mut Scene, (x, y): Point, length: f64, (low, high): (f64, f64)) {
        let steps = 24;
        for i in 0..steps {
            let at = |i: i32| y + length * f64::from(i) / f64::from(steps);
            let level = 1.0 - (f64::from(i) + 0.5) / f64::from(steps);
            scene.rectangle((x, at(i)), (x + 14.0, at(i + 1)), Paint::Series(0), level);
        }
        scene.frame((x, y), (x + 14.0, y + length), Stroke::new(Paint::Soft, 0.6, 1.0));
        for (at, value) in [(y, high), (y + length, low)] {
            let text = fitting(&super::axis::number(value), SMALL, 56.0);
            scene.text((x + 20.0, at + 0.36 * SMALL), &text, SMALL, Paint::Soft, Anchor::Start);
        }
        if !self.measure.is_empty() {
            let at = (x + 14.0 + SMALL + 6.0, y + length / 2.0);
            let text = fitting(&self.measure, SMALL, length - 30.0);
            let (size, paint, anchor) = (SMALL, Paint::Soft, Anchor::Middle);
            scene.items.push(Item::Text(Text { at, text, size, paint, anchor, turned: true }));
        }
    }

    /// One pixel for each number, or for the mean of a block of them.
    fn pixels(&self, at: Point, size: Point, level: &dyn Fn(f64) -> f64) -> Item {
        let [rows, columns] = self.size;
        let (down, across) = (rows.min(PIXELS), columns.min(PIXELS));
        let mut sums = vec![(0.0, 0usize); down * across];
        for (i, x) in self.values.iter().enumerate().filter(|(_, x)| x.is_finite()) {
            let cell = &mut sums[(i / columns) * down / rows * across + (i % columns) * across / columns];
            *cell = (cell.0 + level(*x), cell.1 + 1);
        }
        let [r, g, b] = COLORS[0];
        let opacity = |(sum, n): (f64, usize)| (255.0 * sum / n.max(1) as f64).round() as u8;
        let pixels = sums.into_iter().flat_map(|cell| [r, g, b, opacity(cell)]).collect();
        Item::Pixels { at, size, pixels, columns: across, rows: down }
    }
}

/// A number for a cell: with two digits after the point where these say something.
fn rounded(x: f64) -> String {
    super::axis::number(if (0.01..1e6).contains(&x.abs()) { (x * 100.0).round() / 100.0 } else { x })
}

/// The weights of attention: how much each query, a row, looks at each key, a column. Tokens may be given as names of both.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::plot::attention;
///
/// let weights = tensor![[1.0, 0.0], [0.3, 0.7]];
/// let map = attention("Head 0", &weights, &["the", "house"], &["the", "house"])?;
/// assert!(map.to_svg()?.contains("house"));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If the weights are no matrix, or there are not as many names as rows and columns. No names at all are fine.
#[track_caller]
pub fn attention<S: AsRef<str>>(title: &str, weights: &Tensor, queries: &[S], keys: &[S]) -> Result<Heatmap> {
    let map = Heatmap::new(title, weights)?;
    for ((names, size), what) in [queries, keys].into_iter().zip(map.size).zip(["queries", "keys"]) {
        if !names.is_empty() && names.len() != size {
            let (n, shape) = (names.len(), weights.shape());
            return Err(Error::shape("attention", format!("{n} names of {what} for weights of shape {shape:?}")));
        }
    }
    let own = |names: &[S]| names.iter().map(|name| name.as_ref().to_string()).collect::<Vec<_>>();
    Ok(map.rows(own(queries)).columns(own(keys)).labels("key", "query").range(0.0, 1.0).measure("weight"))
}
