//! What a model wrote on its way, as a picture of text: an SVG file.

use std::fmt::Write as _;
use std::path::Path;

use demotic::{Error, Result};

/// What was written at some point of the training.
#[derive(Debug, Clone)]
pub struct Scene {
    pub heading: String,
    pub prompt: String,
    pub text: String,
}

/// The columns of a line, of which a Chinese character takes two.
const COLUMNS: usize = 100;
/// The height of a line, and the width of a column, in pixels.
const LINE: usize = 21;
const COLUMN: f64 = 8.4;
const MARGIN: usize = 24;
/// The most lines that are shown of a scene.
const LINES: usize = 12;

/// Draws scenes one below the other: the prompt in blue, what the model made of it in white.
pub fn save(scenes: &[Scene], path: &Path) -> Result<()> {
    let mut body = String::new();
    let mut y = MARGIN;
    let mut line = |y: &mut usize, class: &str, text: &str| {
        *y += LINE;
        // Writing to a string does not fail.
        let _ = writeln!(body, r#"<text x="{MARGIN}" y="{y}" class="{class}">{}</text>"#, escaped(text));
    };
    for scene in scenes {
        line(&mut y, "heading", &scene.heading);
        for text in wrapped(&scene.prompt) {
            line(&mut y, "prompt", &text);
        }
        let lines = wrapped(&scene.text);
        let more = lines.len() > LINES;
        for text in lines.into_iter().take(LINES) {
            line(&mut y, "text", &text);
        }
        if more {
            line(&mut y, "heading", "…");
        }
        y += LINE;
    }
    let width = 2 * MARGIN + (COLUMNS as f64 * COLUMN) as usize;
    let svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}">
<style>
text {{ font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, "Noto Sans Mono CJK SC", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", monospace; white-space: pre }}
.heading {{ fill: #8b98a9 }}
.prompt {{ fill: #6cb6ff }}
.text {{ fill: #e6edf3 }}
</style>
<rect width="100%" height="100%" rx="10" fill="#161b22"/>
{body}</svg>
"##
    );
    std::fs::write(path, svg).map_err(|e| Error::io("picture", path, e))
}

/// The lines of a text, broken at spaces or between Chinese characters.
fn wrapped(text: &str) -> Vec<String> {
    let wide = |c: char| c >= '\u{2e80}';
    let columns = |text: &str| text.chars().map(|c| 1 + usize::from(wide(c))).sum::<usize>();
    let mut lines = Vec::new();
    for paragraph in text.trim_end().lines() {
        let (mut line, mut word) = (String::new(), String::new());
        for c in paragraph.chars().map(|c| if c.is_control() { ' ' } else { c }).chain([' ']) {
            word.push(c);
            // A line does not begin with a mark that ends something.
            if c == ' ' || (wide(c) && !"，。！？：”》、".contains(c)) || columns(&word) >= COLUMNS {
                if columns(&line) + columns(word.trim_end()) > COLUMNS {
                    lines.push(std::mem::take(&mut line));
                }
                line.push_str(&std::mem::take(&mut word));
            }
        }
        lines.push(line);
    }
    lines
}

fn escaped(text: &str) -> String {
    let clean = text.trim_end().replace('&', "&amp;").replace('<', "&lt;");
    clean.chars().filter(|c| !c.is_control()).collect()
}
