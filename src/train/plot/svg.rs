//! Scenes as SVG.

use std::fmt::Write;

use super::png;
use super::scene::{Anchor, Item, Paint, Point, Scene, Stroke, Text, shape};
use crate::html::{base64, escape};

/// Where a drawing will be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// By itself, on white.
    File,
    /// In a page, whose style has the colours `--ink`, `--soft`, `--paper` and `--series-0` to `--series-6`.
    Page,
}

/// A number with one digit after the point, which is less than anyone can see.
struct Short(f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0.clamp(-1e6, 1e6) * 10.0).round() / 10.0;
        // No −0.
        write!(f, "{}", tenths + 0.0)
    }
}

fn color(paint: Paint, setting: Setting) -> String {
    match (setting, paint) {
        (Setting::File, _) => {
            let [r, g, b] = paint.rgb();
            format!("#{r:02x}{g:02x}{b:02x}")
        }
        (Setting::Page, Paint::Ink) => "var(--ink)".into(),
        (Setting::Page, Paint::Soft) => "var(--soft)".into(),
        (Setting::Page, Paint::Paper) => "var(--paper)".into(),
        (Setting::Page, Paint::Series(i)) => format!("var(--series-{})", i % super::scene::COLORS.len()),
    }
}

fn opacity(name: &str, value: f64) -> String {
    if value < 1.0 {
        format!(" {name}-opacity=\"{}\"", (value.max(0.0) * 100.0).round() / 100.0)
    } else {
        String::new()
    }
}

fn path(points: &[Point], closed: bool) -> String {
    let mut out = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        let letter = if i == 0 { "M" } else { "L" };
        let _ = write!(out, "{letter}{} {}", Short(*x), Short(*y));
    }
    if closed { out + "Z" } else { out }
}

/// The drawing, and nothing before it.
pub(super) fn write(scene: &Scene, setting: Setting) -> Result<String, String> {
    let (width, height) = (Short(scene.size.0), Short(scene.size.1));
    let title = escape(&scene.title);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\">\n<title>{title}</title>\n"
    );
    if setting == Setting::File {
        let _ =
            writeln!(out, "<rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>", color(Paint::Paper, setting));
    }
    for item in &scene.items {
        match item {
            Item::Line { points, stroke } => line(&mut out, points, stroke, setting),
            Item::Area { points, paint, opacity: o } => {
                let (fill, opacity) = (color(*paint, setting), opacity("fill", *o));
                let _ = writeln!(out, "<path d=\"{}\" fill=\"{fill}\"{opacity}/>", path(points, true));
            }
            Item::Marks { at, shape: number, radius, paint, opacity: o } => {
                let _ = writeln!(out, "<g fill=\"{}\"{}>", color(*paint, setting), opacity("fill", *o));
                let edge = shape(*number);
                for (x, y) in at {
                    if number % 7 == 0 {
                        let _ =
                            write!(out, "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"/>", Short(*x), Short(*y), Short(*radius));
                    } else {
                        let corners: Vec<Point> = edge.iter().map(|(a, b)| (x + a * radius, y + b * radius)).collect();
                        let _ = write!(out, "<path d=\"{}\"/>", path(&corners, true));
                    }
                }
                out += "\n</g>\n";
            }
            Item::Text(text) => write_text(&mut out, text, setting),
            Item::Pixels { at, size, pixels, columns, rows } => {
                let file = base64(&png::encode(pixels, *columns, *rows, png::Kind::Rgba)?);
                let _ = writeln!(
                    out,
                    "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
                     style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{file}\"/>",
                    Short(at.0),
                    Short(at.1),
                    Short(size.0),
                    Short(size.1)
                );
            }
        }
    }
    Ok(out + "</svg>\n")
}

fn line(out: &mut String, points: &[Point], stroke: &Stroke, setting: Setting) {
    let dash: Vec<String> = stroke.dash.iter().map(f64::to_string).collect();
    let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", dash.join(" ")) };
    let _ = writeln!(
        out,
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\"{} stroke-width=\"{}\" stroke-linejoin=\"round\"{dash}/>",
        path(points, false),
        color(stroke.paint, setting),
        opacity("stroke", stroke.opacity),
        stroke.width
    );
}

fn write_text(out: &mut String, text: &Text, setting: Setting) {
    let (x, y) = (Short(text.at.0), Short(text.at.1));
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let turn = if text.turned { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\"{anchor}{turn}>{}</text>",
        text.size,
        color(text.paint, setting),
        escape(&text.text)
    );
}

#[cfg(test)]
mod tests;
