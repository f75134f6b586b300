//! The page itself.

use std::fmt::Write;

use super::Report;
use crate::html::{escape, prose};

/// The most bytes of a page.
const MOST: usize = 2_000_000;
/// What is kept for the lines that say what was left out, and for the end of the page.
const RESERVED: usize = 40_000;
/// The most pieces of a page that are left out one by one.
const LEFT_OUT: usize = 100;

const STYLE: &str = include_str!("style.css");

pub(super) fn write(report: &Report) -> String {
    let title = escape(&report.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n"
    );
    let mut pieces = Pieces { left_out: 0 };
    report.about.iter().for_each(|text| pieces.add(&mut page, &format!("<p>{}</p>\n", prose(text))));
    if !report.warnings.is_empty() {
        let items: String = report.warnings.iter().map(|text| format!("<li>{}</li>\n", prose(text))).collect();
        pieces.add(&mut page, &format!("<div class=\"warning\" role=\"note\"><ul>\n{items}</ul></div>\n"));
    }
    if !report.facts.is_empty() {
        let fact = |[name, value, remark]: &[String; 3]| {
            let remark = if remark.is_empty() { String::new() } else { format!("<small>{}</small>", escape(remark)) };
            format!("<div><dt>{}</dt><dd>{}{remark}</dd></div>\n", escape(name), escape(value))
        };
        let facts: String = report.facts.iter().map(fact).collect();
        pieces.add(&mut page, &format!("<dl class=\"facts\">\n{facts}</dl>\n"));
    }
    page += "</header>\n";

    let named = report.sections.iter().map(|section| section.heading.as_str()).chain([MADE]);
    let links: String = named
        .enumerate()
        .filter(|(_, heading)| !heading.is_empty())
        .map(|(i, heading)| format!("<a href=\"#s{i}\">{}</a>\n", escape(heading)))
        .collect();
    pieces.add(&mut page, &format!("<nav>\n{links}</nav>\n"));
    page += "<main>\n";
    for (i, section) in report.sections.iter().enumerate() {
        let heading = match section.heading.as_str() {
            "" => String::new(),
            heading => format!("<h2>{}</h2>\n", escape(heading)),
        };
        let start = format!("<section id=\"s{i}\">\n{heading}");
        if page.len() + start.len() + RESERVED / 2 > MOST {
            pieces.left_out += section.blocks.len();
            continue;
        }
        page += &start;
        // Pictures in a row stand side by side where there is room.
        let mut side_by_side = false;
        for block in &section.blocks {
            let picture = block.starts_with("<figure>");
            if picture != side_by_side {
                page += if picture { "<div class=\"pictures\">\n" } else { "</div>\n" };
                side_by_side = picture;
            }
            pieces.add(&mut page, block);
            page.push('\n');
        }
        page += if side_by_side { "</div>\n</section>\n" } else { "</section>\n" };
    }
    let _ = writeln!(page, "<section id=\"s{}\">\n<h2>{MADE}</h2>", report.sections.len());
    pieces.add(&mut page, &made(report));
    if pieces.left_out > LEFT_OUT {
        let _ = writeln!(page, "<p class=\"left-out\">{} pieces were left out.</p>", pieces.left_out);
    }
    page + "</section>\n</main>\n</body>\n</html>\n"
}

const MADE: &str = "How it was made";

struct Pieces {
    left_out: usize,
}

impl Pieces {
    fn add(&mut self, page: &mut String, piece: &str) {
        if page.len() + piece.len() + RESERVED <= MOST {
            *page += piece;
            return;
        }
        self.left_out += 1;
        if self.left_out <= LEFT_OUT {
            *page += "<p class=\"left-out\">Left out: the page would be larger than 2 MB.</p>\n";
        }
    }
}

/// Settings, versions and timings.
fn made(report: &Report) -> String {
    let mut rows: Vec<(String, String)> = report.settings.clone();
    rows.push(("demotic".into(), format!("version {}", env!("CARGO_PKG_VERSION"))));
    rows.push(("machine".into(), format!("{}, {}", std::env::consts::OS, std::env::consts::ARCH)));
    rows.push(("threads".into(), crate::parallel::threads().to_string()));
    let time = |seconds: f64| match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.1} s"),
        s => format!("{:.1} min", s / 60.0),
    };
    rows.extend(report.timings.iter().map(|(name, seconds)| (format!("time: {name}"), time(*seconds))));
    let row = |(name, value): (String, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(&name), escape(&value))
    };
    let rows: String = rows.into_iter().map(row).collect();
    format!("<div class=\"scroll\"><table class=\"settings\"><tbody>\n{rows}</tbody></table></div>\n")
}

/// The page in a frame of another one, whose style it leaves alone.
pub(super) fn framed(page: &str) -> String {
    format!("<iframe style=\"width:100%;height:80vh;border:1px solid #8888\" srcdoc=\"{}\"></iframe>", escape(page))
}
