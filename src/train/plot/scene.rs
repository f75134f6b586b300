//! What a picture consists of: shapes and texts at places, from which both formats are written.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, ScaleFont};

/// A place, in units from the left and from the top.
pub(super) type Point = (f64, f64);

/// What something is drawn with. A page may have its own idea of what these look like, so that it can be dark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Paint {
    /// Letters.
    Ink,
    /// What stands back: axes, names of lines.
    Soft,
    /// The background.
    Paper,
    /// The colour of the series with this number.
    Series(usize),
}

/// The colours of series in their order: distinguishable for people with the common forms of colour blindness (Okabe
/// and Ito, 2008).
pub(super) const COLORS: [[u8; 3]; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [60, 60, 60]];

/// Dashes and gaps of lines in their order, so that series can be told apart without colours.
const DASHES: [&[f64]; 7] =
    [&[], &[9.0, 5.0], &[2.5, 4.0], &[12.0, 4.0, 2.5, 4.0], &[20.0, 5.0], &[9.0, 4.0, 2.5, 4.0, 2.5, 4.0], &[5.0, 3.0]];

pub(super) fn dash(series: usize) -> &'static [f64] {
    DASHES[series % DASHES.len()]
}

impl Paint {
    /// Red, green and blue on white paper.
    pub(super) fn rgb(self) -> [u8; 3] {
        match self {
            Self::Ink => [26, 26, 26],
            Self::Soft => [96, 96, 96],
            Self::Paper => [255, 255, 255],
            Self::Series(i) => COLORS[i % COLORS.len()],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stroke {
    pub(super) paint: Paint,
    pub(super) opacity: f64,
    pub(super) width: f64,
    pub(super) dash: &'static [f64],
}

impl Stroke {
    pub(super) fn new(paint: Paint, opacity: f64, width: f64) -> Self {
        Self { paint, opacity, width, dash: &[] }
    }

    pub(super) fn dashed(mut self, dash: &'static [f64]) -> Self {
        self.dash = dash;
        self
    }
}

/// Which point of a text is at its place; always on the line on which the letters stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    pub(super) at: Point,
    pub(super) text: String,
    pub(super) size: f64,
    pub(super) paint: Paint,
    pub(super) anchor: Anchor,
    /// Read from bottom to top.
    pub(super) turned: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Line {
        points: Vec<Point>,
        stroke: Stroke,
    },
    Area {
        points: Vec<Point>,
        paint: Paint,
        opacity: f64,
    },
    Marks {
        at: Vec<Point>,
        shape: usize,
        radius: f64,
        paint: Paint,
        opacity: f64,
    },
    Text(Text),
    /// Red, green, blue and opacity of pixels, in rows.
    Pixels {
        at: Point,
        size: Point,
        pixels: Vec<u8>,
        columns: usize,
        rows: usize,
    },
}

/// The edge of a mark around zero, within a circle of radius 1. Neighbouring series have shapes that are easily told apart.
pub(super) fn shape(number: usize) -> Vec<Point> {
    let turned = |corners: usize, first: f64| -> Vec<Point> {
        let angle = |i: usize| (first + 360.0 * i as f64 / corners as f64).to_radians();
        (0..corners).map(|i| (angle(i).cos(), angle(i).sin())).collect()
    };
    // A cross has the width of a third.
    let cross = |first: f64| -> Vec<Point> {
        let (long, short) = (1.0, 0.34);
        let corners = [(short, long), (short, short), (long, short)];
        let (sin, cos) = first.to_radians().sin_cos();
        let all = (0..4).flat_map(|i| corners.map(|(x, y)| [(x, y), (y, -x), (-x, -y), (-y, x)][i]));
        all.map(|(x, y)| (cos * x - sin * y, sin * x + cos * y)).collect()
    };
    match number % 7 {
        0 => turned(20, 0.0),
        1 => turned(4, 45.0),
        2 => turned(3, -90.0),
        3 => cross(45.0),
        4 => turned(4, 0.0),
        5 => turned(3, 90.0),
        _ => cross(0.0),
    }
}

/// A picture that is finished but for its format.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scene {
    pub(super) size: Point,
    /// What the picture is of, for those who cannot see it.
    pub(super) title: String,
    pub(super) items: Vec<Item>,
}

impl Scene {
    pub(super) fn new(size: Point, title: &str) -> Self {
        Self { size, title: title.to_string(), items: Vec::new() }
    }

    pub(super) fn line(&mut self, points: Vec<Point>, stroke: Stroke) {
        self.items.push(Item::Line { points, stroke });
    }

    pub(super) fn area(&mut self, points: Vec<Point>, paint: Paint, opacity: f64) {
        self.items.push(Item::Area { points, paint, opacity });
    }

    pub(super) fn rectangle(&mut self, (left, top): Point, (right, bottom): Point, paint: Paint, opacity: f64) {
        self.area(vec![(left, top), (right, top), (right, bottom), (left, bottom)], paint, opacity);
    }

    pub(super) fn frame(&mut self, (left, top): Point, (right, bottom): Point, stroke: Stroke) {
        self.line(vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], stroke);
    }

    pub(super) fn text(&mut self, at: Point, text: &str, size: f64, paint: Paint, anchor: Anchor) {
        if !text.is_empty() {
            self.items.push(Item::Text(Text { at, text: text.to_string(), size, paint, anchor, turned: false }));
        }
    }

    /// The line at the top that says what the picture shows, cut to its width; smaller in small pictures.
    pub(super) fn heading(&mut self, text: &str) {
        let size = if self.size.0 < 500.0 { LABEL } else { TITLE };
        let text = fitting(text, size, self.size.0 - 2.0 * MARGIN);
        self.text((self.size.0 / 2.0, MARGIN + size), &text, size, Paint::Ink, Anchor::Middle);
    }

    /// Another picture, as a part of this one.
    pub(super) fn add(&mut self, part: Self, (dx, dy): Point) {
        let moved = |p: Point| (p.0 + dx, p.1 + dy);
        for mut item in part.items {
            match &mut item {
                Item::Line { points, .. } | Item::Area { points, .. } | Item::Marks { at: points, .. } => {
                    points.iter_mut().for_each(|p| *p = moved(*p));
                }
                Item::Text(Text { at, .. }) | Item::Pixels { at, .. } => *at = moved(*at),
            }
            self.items.push(item);
        }
    }
}

/// The room around pictures, and the sizes of letters.
pub(super) const MARGIN: f64 = 16.0;
pub(super) const TITLE: f64 = 23.0;
pub(super) const LABEL: f64 = 17.0;
pub(super) const SMALL: f64 = 15.0;

/// The font of pictures of pixels, which also tells how wide texts are. `None` would be a font that cannot be read, which the
/// tests rule out.
pub(super) fn font() -> Option<&'static FontRef<'static>> {
    static FONT: OnceLock<Option<FontRef<'static>>> = OnceLock::new();
    FONT.get_or_init(|| FontRef::try_from_slice(dejavu::sans::regular()).ok()).as_ref()
}

/// How wide a text is. Letters that the font does not have are taken for square ones.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let Some(font) = font() else { return 0.6 * size * text.chars().count() as f64 };
    let scaled = font.as_scaled(em(font, size));
    let advance = |c: char| match font.glyph_id(c) {
        missing if missing.0 == 0 => size,
        glyph => f64::from(scaled.h_advance(glyph)),
    };
    text.chars().map(advance).sum()
}

/// The scale with which an em is so high.
pub(super) fn em(font: &FontRef<'_>, size: f64) -> f32 {
    let units = font.units_per_em().unwrap_or(1000.0);
    size as f32 * font.height_unscaled() / units
}

/// The text without control characters, cut to a width.
pub(super) fn fitting(text: &str, size: f64, most: f64) -> String {
    let mut out = String::new();
    let mut used = 0.0;
    let dots = width("…", size);
    let mut fits_with_dots = 0;
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        used += width(c.encode_utf8(&mut [0; 4]), size);
        if used + dots <= most {
            fits_with_dots = out.len() + c.len_utf8();
        }
        if used > most {
            out.truncate(fits_with_dots);
            return out + "…";
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests;
