//! Tables as text.

use std::fmt;

use super::column::{Column, ColumnKind, Value};
use super::dates::iso;
use super::table::Table;

/// How many rows are shown at each end of a long table.
const EDGE: usize = 5;
/// How many columns are shown, and how many of them from the end of a wide table.
const COLUMNS: usize = 16;
const LAST_COLUMNS: usize = 4;
/// The widest a text may be, in terminal cells.
const WIDTH: usize = 30;

impl Table {
    /// What a preview of so many rows has in its cells, the names of the columns first, and which columns stand on the right.
    pub(crate) fn preview(&self, most: usize) -> (Vec<Vec<String>>, Vec<bool>) {
        let (rows, columns) = self.shape();
        // `None` stands for what is left out.
        let rows_shown = shown(rows, most, most / 2);
        let columns_shown = shown(columns, COLUMNS, LAST_COLUMNS);
        let all: Vec<_> = self.columns().collect();

        let mut text = vec![vec![String::new()]; rows_shown.len() + 1];
        for (line, row) in text[1..].iter_mut().zip(&rows_shown) {
            line[0] = row.map_or("…".to_string(), |row| row.to_string());
        }
        // Row numbers and texts stand to the left, numbers to the right.
        let mut right = vec![false];
        for column in columns_shown {
            let column = column.map(|i| all[i]);
            right.push(column.is_some_and(|(_, column)| column.kind() == ColumnKind::Number));
            text[0].push(column.map_or("…".to_string(), |(name, _)| shorten(name)));
            for (line, row) in text[1..].iter_mut().zip(&rows_shown) {
                line.push(match (column, row) {
                    (Some((_, column)), Some(row)) => cell(column, *row),
                    _ => "…".to_string(),
                });
            }
        }
        (text, right)
    }

    /// The numbers of rows and columns, in words.
    fn extent(&self) -> String {
        let (rows, columns) = self.shape();
        let s = |n| if n == 1 { "" } else { "s" };
        format!("[{rows} row{} × {columns} column{}]", s(rows), s(columns))
    }

    /// The preview of so many rows as a table of a page.
    #[must_use]
    pub(crate) fn html(&self, most: usize) -> String {
        let (text, right) = self.preview(most);
        crate::html::table(&text[0], &text[1..], &right)
    }

    /// Shows the table in a notebook of the Rust kernel of Jupyter, which calls this for the value of a cell: its first and last rows
    /// and columns.
    pub fn evcxr_display(&self) {
        crate::html::show(&format!("{}<p>{}</p>", self.html(2 * EDGE), self.extent()));
    }
}

/// An aligned preview: the first and last rows and columns, and the shape.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, right) = self.preview(2 * EDGE);
        let widths: Vec<usize> =
            (0..right.len()).map(|i| text.iter().map(|line| width(&line[i])).max().unwrap_or(0)).collect();
        for line in &text {
            let mut out = String::new();
            for (i, cell) in line.iter().enumerate() {
                let space = " ".repeat(widths[i] - width(cell));
                out += if i > 0 { "  " } else { "" };
                out += &if right[i] { space + cell } else { cell.clone() + &space };
            }
            writeln!(f, "{}", out.trim_end())?;
        }
        f.write_str(&self.extent())
    }
}

/// The indices below `n`, with `None` in place of those in the middle if there are more than `limit`.
fn shown(n: usize, limit: usize, last: usize) -> Vec<Option<usize>> {
    if n <= limit {
        return (0..n).map(Some).collect();
    }
    (0..limit - last).map(Some).chain([None]).chain((n - last..n).map(Some)).collect()
}

fn cell(column: &Column, row: usize) -> String {
    let value = column.get(row).unwrap_or(Value::Missing);
    match value {
        Value::Missing => "–".to_string(),
        Value::Text(text) => shorten(text),
        Value::Number(x) if column.is_date(row) => iso(x).unwrap_or_else(|| value.to_string()),
        // The digits of ids, of telephone numbers and nanoseconds are the point of them.
        Value::Integer(_) => value.to_string(),
        Value::Number(x) if x.fract() == 0.0 && x.abs() < 1e16 => value.to_string(),
        Value::Number(x) => {
            // Six significant digits, as many as a person compares.
            let rounded = format!("{x:.5e}").parse().unwrap_or(x);
            Value::Number(rounded).to_string()
        }
    }
}

/// A text on one line of limited width.
pub(crate) fn shorten(text: &str) -> String {
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let piece = if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
        if used + width(&piece) > WIDTH {
            return out + "…";
        }
        used += width(&piece);
        out += &piece;
    }
    out
}

/// How many terminal cells a text takes: two for each character of the East Asian wide scripts and for emoji.
pub(crate) fn width(text: &str) -> usize {
    let wide = |c: char| {
        matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests;
