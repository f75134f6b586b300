//! What is shown in pages: reports, and notebooks of the Rust kernel of Jupyter (`evcxr`).

use std::fmt::{Display, Write};

/// A text that means itself, between tags and in the quotes of an attribute. Characters that no page may hold become �.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\t' | '\n' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A text in which what stands between backticks is code.
#[cfg(feature = "plot")]
pub(crate) fn prose(text: &str) -> String {
    let escaped = escape(text);
    let mut out = String::new();
    let mut rest = escaped.as_str();
    while let Some((before, code, after)) =
        rest.split_once('`').and_then(|(before, from)| from.split_once('`').map(|(code, after)| (before, code, after)))
    {
        let _ = write!(out, "{before}<code>{code}</code>");
        rest = after;
    }
    out + rest
}

/// The line by which a notebook knows that content has ended.
const END: &str = "EVCXR_END_CONTENT";

/// Hands a piece of a page to a notebook, which keeps the last of several that a cell shows.
#[expect(clippy::print_stdout, reason = "notebooks read what is printed")]
pub(crate) fn show(content: &str) {
    // A line of the content that is the same word must not end it.
    let content = format!("\n{content}\n").replace(&format!("\n{END}"), &format!("\n {END}"));
    println!("EVCXR_BEGIN_CONTENT text/html{content}{END}");
}

/// A table of escaped cells, of which those in columns that are `right` stand on the right.
pub(crate) fn table(head: &[String], rows: &[Vec<String>], right: &[bool]) -> String {
    let mut out = String::from("<table>\n<thead><tr>");
    let class = |i: usize| if right.get(i) == Some(&true) { " class=\"right\" style=\"text-align:right\"" } else { "" };
    for (i, cell) in head.iter().enumerate() {
        let _ = write!(out, "<th{}>{}</th>", class(i), escape(cell));
    }
    out += "</tr></thead>\n<tbody>\n";
    for row in rows {
        out += "<tr>";
        for (i, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(i), escape(cell));
        }
        out += "</tr>\n";
    }
    out + "</tbody>\n</table>"
}

/// What is printed, as it is.
pub(crate) fn preformatted(text: &dyn Display) -> String {
    format!("<pre style=\"font-family:monospace\">{}</pre>", escape(&text.to_string()))
}

/// Bytes as a text of letters, digits, `+` and `/` (RFC 4648).
#[cfg(feature = "plot")]
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i) & 63) as usize] as char;
            out.push(if i > three.len() { '=' } else { letter });
        }
    }
    out
}

#[cfg(test)]
mod tests;
