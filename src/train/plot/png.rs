//! Scenes as pixels.

use ab_glyph::{Font, ScaleFont, point};
use ab_glyph_rasterizer::{Point as Corner, Rasterizer, point as corner};

use super::scene::{Anchor, Item, Paint, Point, Scene, Stroke, Text, em, font, shape, width};

/// Pixels for a unit of length, for screens that can show them; and the most pixels of a picture, and of a side of it.
const PIXELS: f64 = 2.0;
const MOST: f64 = 4e7;
const SIDE: f64 = 16384.0;

/// The bytes of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rgb,
    Rgba,
}

/// The bytes of a PNG file.
pub(super) fn encode(pixels: &[u8], columns: usize, rows: usize, kind: Kind) -> Result<Vec<u8>, String> {
    let said = |e: png::EncodingError| e.to_string();
    let size = |n: usize| u32::try_from(n).map_err(|e| e.to_string());
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, size(columns)?, size(rows)?);
    encoder.set_color(if kind == Kind::Rgb { png::ColorType::Rgb } else { png::ColorType::Rgba });
    let mut writer = encoder.write_header().map_err(said)?;
    writer.write_image_data(pixels).map_err(said)?;
    writer.finish().map_err(said)?;
    Ok(out)
}

/// The scene as a PNG file, on white.
pub(super) fn write(scene: &Scene) -> Result<Vec<u8>, String> {
    let (wide, high) = (scene.size.0.max(1.0), scene.size.1.max(1.0));
    let scale = PIXELS.min((MOST / (wide * high)).sqrt()).min(SIDE / wide.max(high));
    let size = |x: f64| (x * scale).ceil().max(1.0) as usize;
    let (columns, rows) = (size(wide), size(high));
    let mut paper = Paper { columns, rows, scale, rgb: vec![255; 3 * columns * rows] };
    for item in &scene.items {
        paper.draw(item);
    }
    encode(&paper.rgb, columns, rows, Kind::Rgb)
}

struct Paper {
    columns: usize,
    rows: usize,
    /// Pixels for a unit.
    scale: f64,
    rgb: Vec<u8>,
}

impl Paper {
    fn draw(&mut self, item: &Item) {
        match item {
            Item::Line { points, stroke } => {
                let polygons = outline(points, stroke);
                self.fill(&polygons, stroke.paint, stroke.opacity);
            }
            Item::Area { points, paint, opacity } => self.fill(std::slice::from_ref(points), *paint, *opacity),
            Item::Marks { at, shape: number, radius, paint, opacity } => {
                let edge = shape(*number);
                for (x, y) in at {
                    let corners = edge.iter().map(|(a, b)| (x + a * radius, y + b * radius)).collect();
                    self.fill(&[corners], *paint, *opacity);
                }
            }
            Item::Text(text) => self.text(text),
            Item::Pixels { at, size, pixels, columns, rows } => self.pixels(*at, *size, pixels, *columns, *rows),
        }
    }

    fn blend(&mut self, x: usize, y: usize, rgb: [u8; 3], share: f64) {
        if x < self.columns && y < self.rows && share > 0.0 {
            let at = 3 * (y * self.columns + x);
            for (old, new) in self.rgb[at..at + 3].iter_mut().zip(rgb) {
                *old = (f64::from(*old) + (f64::from(new) - f64::from(*old)) * share.min(1.0)).round() as u8;
            }
        }
    }

    /// What is in at least one of some convex shapes.
    fn fill(&mut self, polygons: &[Vec<Point>], paint: Paint, opacity: f64) {
        let (most_x, most_y) = (self.columns as f64, self.rows as f64);
        let scale = self.scale;
        let pixel = |p: &Point| ((p.0 * scale).clamp(0.0, most_x), (p.1 * scale).clamp(0.0, most_y));
        let all = || polygons.iter().flatten().map(pixel);
        let (left, top) = all().fold((most_x, most_y), |a, p| (a.0.min(p.0), a.1.min(p.1)));
        let (right, bottom) = all().fold((0.0_f64, 0.0_f64), |a, p| (a.0.max(p.0), a.1.max(p.1)));
        if !(right > left && bottom > top) {
            return;
        }
        let (left, top) = (left.floor(), top.floor());
        let (columns, rows) = ((right - left).ceil() as usize + 1, (bottom - top).ceil() as usize + 1);
        let mut raster = Rasterizer::new(columns, rows);
        for polygon in polygons {
            let mut corners: Vec<Corner> = polygon
                .iter()
                .filter(|p| p.0.is_finite() && p.1.is_finite())
                .map(pixel)
                .map(|(x, y)| corner((x - left) as f32, (y - top) as f32))
                .collect();
            // All in one direction: what several cover must not cancel out.
            let next = |i: usize| corners[(i + 1) % corners.len()];
            let twice_area = corners.iter().enumerate().map(|(i, a)| a.x * next(i).y - next(i).x * a.y).sum::<f32>();
            if twice_area < 0.0 {
                corners.reverse();
            }
            for (i, a) in corners.iter().enumerate() {
                raster.draw_line(*a, corners[(i + 1) % corners.len()]);
            }
        }
        let rgb = paint.rgb();
        raster.for_each_pixel_2d(|x, y, cover| {
            // Sums of many edges are not quite zero where nothing is.
            if cover > 2e-3 {
                let share = f64::from(cover.min(1.0)) * opacity;
                self.blend(left as usize + x as usize, top as usize + y as usize, rgb, share);
            }
        });
    }

    fn text(&mut self, text: &Text) {
        let Some(font) = font() else { return };
        let size = text.size * self.scale;
        let scale = em(font, size);
        let scaled = font.as_scaled(scale);
        let along = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -0.5 * width(&text.text, size),
            Anchor::End => -width(&text.text, size),
        };
        let (x, y) = (text.at.0 * self.scale, text.at.1 * self.scale);
        let rgb = text.paint.rgb();
        let mut pen = along;
        for c in text.text.chars() {
            let id = font.glyph_id(c);
            // Upright letters are drawn where they are, turned ones around zero first.
            let start = if text.turned { (pen, 0.0) } else { (x + pen, y) };
            pen += if id.0 == 0 { size } else { f64::from(scaled.h_advance(id)) };
            let glyph = id.with_scale_and_position(scale, point(start.0 as f32, start.1 as f32));
            let Some(outlined) = font.outline_glyph(glyph) else { continue };
            let bounds = outlined.px_bounds();
            outlined.draw(|column, row, cover| {
                let (a, b) = (f64::from(bounds.min.x) + f64::from(column), f64::from(bounds.min.y) + f64::from(row));
                let (px, py) = if text.turned { (x + b, y - a - 1.0) } else { (a, b) };
                if px >= 0.0 && py >= 0.0 {
                    self.blend(px as usize, py as usize, rgb, f64::from(cover));
                }
            });
        }
    }

    fn pixels(&mut self, at: Point, size: Point, pixels: &[u8], columns: usize, rows: usize) {
        let scale = self.scale;
        let range = |from: f64, length: f64, most: usize| {
            let clamp = |v: f64| (v * scale).round().clamp(0.0, most as f64) as usize;
            clamp(from)..clamp(from + length)
        };
        let (across, down) = (range(at.0, size.0, self.columns), range(at.1, size.1, self.rows));
        let from = |i: usize, range: &std::ops::Range<usize>, n: usize| (i - range.start) * n / range.len().max(1);
        for y in down.clone() {
            for x in across.clone() {
                let source = 4 * (from(y, &down, rows) * columns + from(x, &across, columns));
                if let Some([r, g, b, a]) = pixels.get(source..source + 4).and_then(|p| <[u8; 4]>::try_from(p).ok()) {
                    self.blend(x, y, [r, g, b], f64::from(a) / 255.0);
                }
            }
        }
    }
}

/// The shapes that a line covers: a rectangle for each part of it, and circles where it turns.
fn outline(points: &[Point], stroke: &Stroke) -> Vec<Vec<Point>> {
    let half = stroke.width / 2.0;
    let mut shapes = Vec::new();
    for part in dashes(points, stroke.dash) {
        for pair in part.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let length = (b.0 - a.0).hypot(b.1 - a.1);
            if length > 0.0 {
                let (nx, ny) = (half * (b.1 - a.1) / length, -half * (b.0 - a.0) / length);
                shapes.push(vec![
                    (a.0 + nx, a.1 + ny),
                    (b.0 + nx, b.1 + ny),
                    (b.0 - nx, b.1 - ny),
                    (a.0 - nx, a.1 - ny),
                ]);
            }
        }
        // Of thin lines nobody sees the corners.
        if stroke.width > 1.0 && part.len() > 2 {
            let edge = shape(0);
            for (x, y) in &part[1..part.len() - 1] {
                shapes.push(edge.iter().map(|(a, b)| (x + a * half, y + b * half)).collect());
            }
        }
    }
    shapes
}

/// The dashes of a line.
fn dashes(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    if pattern.is_empty() || points.len() < 2 {
        return vec![points.to_vec()];
    }
    let mut parts = vec![vec![points[0]]];
    let (mut at, mut left) = (0, pattern[0]);
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        let mut gone = 0.0;
        while length - gone > left {
            gone += left;
            let t = gone / length;
            let p = (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1));
            if at % 2 == 0 {
                if let Some(part) = parts.last_mut() {
                    part.push(p);
                }
            } else {
                parts.push(vec![p]);
            }
            at = (at + 1) % pattern.len();
            left = pattern[at];
        }
        left -= length - gone;
        if at % 2 == 0
            && let Some(part) = parts.last_mut()
        {
            part.push(b);
        }
    }
    parts.retain(|part| part.len() > 1);
    parts
}

#[cfg(test)]
mod tests;
