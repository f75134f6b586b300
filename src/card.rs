//! What should be known about a model, on one page that goes with it: [`ModelCard`].

use std::fmt::Write as _;
use std::path::Path;

use crate::error::{Error, Here, Result};
use crate::fairness::{Fairness, Rate};
use crate::html;
use crate::train::metrics::Interval;

/// A page on a model for those who did not make it: what it is for, what it learnt from, what was measured, for whom it is worse, and what
/// it cost (Mitchell et al., *Model cards for model reporting*, 2019). As Markdown with the header that model hubs read (YAML, with the
/// results as `model-index`), and as HTML. A field that nobody filled says so.
///
/// ```
/// use demotic::card::{Energy, ModelCard};
///
/// let card = ModelCard::new("loans")
///     .license("mit")
///     .task("tabular-classification")
///     .dataset("invented loan applications")
///     .purpose("Shows how a model is audited. It decides on nobody.")
///     .metric("accuracy", 0.84, None)
///     .energy(Energy::estimate(30.0, 65.0)?);
/// let page = card.to_markdown();
/// assert!(page.starts_with("---\nlicense: \"mit\"\nlibrary_name: demotic\n"));
/// assert!(page.contains("## How it explains itself\n\nNot measured: nobody has looked at it.\n"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ModelCard {
    name: String,
    license: Option<String>,
    language: Option<String>,
    task: Option<String>,
    dataset: Option<String>,
    tags: Vec<String>,
    texts: [Vec<String>; TEXTS.len()],
    metrics: Vec<(String, f64, Option<Interval>)>,
    groups: Vec<(String, Fairness)>,
    energy: Option<Energy>,
}

/// The parts that are told in words, in their order, with what an empty one says.
const TEXTS: [(&str, &str); 8] = [
    ("What it is for", UNSAID),
    ("What it is not for", UNSAID),
    ("What it learnt from", UNSAID),
    ("How it was trained", UNSAID),
    ("What is wrong with the data", UNMEASURED),
    ("How sure it is", UNMEASURED),
    ("How it explains itself", UNMEASURED),
    ("Limits", UNSAID),
];
const UNSAID: &str = "Not stated: nobody has written it down.";
const UNMEASURED: &str = "Not measured: nobody has looked at it.";

/// What a computation took, from its time and an assumed power.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Energy {
    /// How long it took.
    pub seconds: f64,
    /// What the machine is assumed to draw meanwhile.
    pub watts: f64,
    /// What is assumed to be emitted for each kilowatt-hour, in grams of CO₂; none if nothing is said.
    pub grams_per_kwh: Option<f64>,
}

impl Energy {
    /// So many seconds at so many watts.
    ///
    /// # Errors
    /// If one is negative or not finite.
    #[track_caller]
    pub fn estimate(seconds: f64, watts: f64) -> Result<Self> {
        let fine = |x: f64| x >= 0.0 && x.is_finite();
        if !fine(seconds) || !fine(watts) {
            let message = format!("{seconds} seconds at {watts} watts, expected numbers that are not negative");
            return Err(Error::argument("Energy", message));
        }
        Ok(Self { seconds, watts, grams_per_kwh: None })
    }

    /// With what the grid emits: some 30 g for each kilowatt-hour in Norway, 350 in Germany, 550 in China (2023).
    #[must_use]
    pub fn grid(mut self, grams_per_kwh: f64) -> Self {
        self.grams_per_kwh = Some(grams_per_kwh);
        self
    }

    /// The energy in kilowatt-hours.
    #[must_use]
    pub fn kilowatt_hours(&self) -> f64 {
        self.seconds * self.watts / 3.6e6
    }

    fn text(&self) -> String {
        let kwh = self.kilowatt_hours();
        let carbon = match self.grams_per_kwh {
            Some(grams) => format!(", about {:.3} g of CO₂ at {grams} g for each kilowatt-hour", kwh * grams),
            None => String::new(),
        };
        format!(
            "About {:.3} Wh{carbon}. That is an estimate: {:.1} s of computing, measured, times {} W, assumed for the whole machine; nobody \
             has measured its power.",
            kwh * 1e3,
            self.seconds,
            self.watts
        )
    }
}

macro_rules! texts {
    ($($name:ident $place:literal $doc:literal;)*) => {$(
        #[doc = $doc]
        #[must_use]
        pub fn $name(mut self, text: impl Into<String>) -> Self {
            self.texts[$place].push(text.into());
            self
        }
    )*};
}

impl ModelCard {
    /// The card of a model, on which nothing is said yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Under what terms the model may be used, by the name that hubs know: `mit`, `apache-2.0` …
    #[must_use]
    pub fn license(mut self, license: impl Into<String>) -> Self {
        self.license = Some(license.into());
        self
    }

    /// The language of what it reads or writes, by its code: `en`, `zh` …
    #[must_use]
    pub fn language(mut self, code: impl Into<String>) -> Self {
        self.language = Some(code.into());
        self
    }

    /// What it does, by the name that hubs know: `tabular-classification`, `text-generation`, `image-classification` …
    #[must_use]
    pub fn task(mut self, task: impl Into<String>) -> Self {
        self.task = Some(task.into());
        self
    }

    /// What it was tested on.
    #[must_use]
    pub fn dataset(mut self, name: impl Into<String>) -> Self {
        self.dataset = Some(name.into());
        self
    }

    /// A word that the model can be found by.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    texts! {
        purpose 0 "A paragraph on what the model is for, and for whom.";
        out_of_scope 1 "A paragraph on what it must not be used for.";
        data 2 "A paragraph on what it learnt from.";
        training 3 "A paragraph on how it was trained.";
        quality 4 "A paragraph on what is wrong with the data, such as a finding of [`Quality`](crate::data::quality::Quality).";
        reliability 5 "A paragraph on how sure it is: calibration, coverage, robustness.";
        explanation 6 "A paragraph on what it looks at.";
        limits 7 "A paragraph on what it cannot do, and where it is worse.";
    }

    /// Something that was measured, with its interval if there is one.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, value: f64, interval: Option<Interval>) -> Self {
        self.metrics.push((name.into(), value, interval));
        self
    }

    /// What happens to the groups of a column.
    #[must_use]
    pub fn by_group(mut self, column: impl Into<String>, fairness: &Fairness) -> Self {
        self.groups.push((column.into(), fairness.clone()));
        self
    }

    /// What training took.
    #[must_use]
    pub fn energy(mut self, energy: Energy) -> Self {
        self.energy = Some(energy);
        self
    }

    /// The header of the page: a mapping of YAML. Texts are quoted as JSON, which is YAML.
    fn header(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut out = String::from("---\n");
        for (key, value) in [("license", &self.license), ("language", &self.language)] {
            if let Some(value) = value {
                let _ = writeln!(out, "{key}: {}", quoted(value));
            }
        }
        out += "library_name: demotic\n";
        if let Some(task) = &self.task {
            let _ = writeln!(out, "pipeline_tag: {}", quoted(task));
        }
        for (key, values) in
            [("tags", self.tags.iter().collect()), ("datasets", self.dataset.iter().collect::<Vec<_>>())]
        {
            if !values.is_empty() {
                let _ = writeln!(out, "{key}:");
                values.iter().for_each(|value| out += &format!("- {}\n", quoted(value)));
            }
        }
        // A number that is none has no place in a list of results.
        let measured: Vec<_> = self.metrics.iter().filter(|(_, value, _)| value.is_finite()).collect();
        if let (Some(task), Some(dataset), false) = (&self.task, &self.dataset, measured.is_empty()) {
            let _ = writeln!(
                out,
                "model-index:\n- name: {}\n  results:\n  - task:\n      type: {}",
                quoted(&self.name),
                quoted(task)
            );
            let _ = writeln!(out, "    dataset:\n      name: {0}\n      type: {0}\n    metrics:", quoted(dataset));
            for (name, value, _) in measured {
                let kind = name.to_lowercase().replace(' ', "_");
                let _ = writeln!(
                    out,
                    "    - type: {}\n      value: {value:?}\n      name: {}",
                    quoted(&kind),
                    quoted(name)
                );
            }
        }
        out + "---\n"
    }

    /// The sections: a heading, paragraphs, and tables.
    fn sections(&self) -> Vec<(&'static str, Vec<Block>)> {
        let mut all = Vec::new();
        for (i, (heading, empty)) in TEXTS.iter().enumerate() {
            let texts = &self.texts[i];
            let blocks = match texts.is_empty() {
                true => vec![Block::Text((*empty).to_string())],
                false => texts.iter().cloned().map(Block::Text).collect(),
            };
            all.push((*heading, blocks));
            // Numbers stand before what is said about them.
            if i == 3 {
                all.push(("What was measured", self.measured()));
                all.push(("For whom it is worse", self.compared()));
            }
        }
        let energy = self
            .energy
            .map_or("Not measured: nobody has looked at the time or the power.".into(), |energy| energy.text());
        all.push(("What training took", vec![Block::Text(energy)]));
        all
    }

    fn measured(&self) -> Vec<Block> {
        if self.metrics.is_empty() {
            return vec![Block::Text(UNMEASURED.into())];
        }
        let row = |(name, value, interval): &(String, f64, Option<Interval>)| {
            let range = match interval {
                Some(i) => format!("{:.4} to {:.4} ({:.0} %)", i.low, i.high, 100.0 * i.level),
                None => "not measured".into(),
            };
            vec![name.clone(), format!("{value:.4}"), range]
        };
        let head = ["metric", "value", "interval"].map(String::from).to_vec();
        let on = match &self.dataset {
            Some(name) => format!("On rows of {name} that it was not trained on:"),
            None => "On data that nobody has named:".into(),
        };
        vec![Block::Text(on), Block::Table(head, self.metrics.iter().map(row).collect())]
    }

    fn compared(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        for (column, fairness) in &self.groups {
            let rates = [Rate::Selection, Rate::TruePositive, Rate::FalsePositive, Rate::Accuracy];
            let head = [column.as_str(), "rows"].into_iter().chain(rates.map(Rate::name)).map(String::from).collect();
            let cell = |rate: Option<Interval>| match rate {
                Some(rate) => format!("{:.3} ({:.3} to {:.3})", rate.value, rate.low, rate.high),
                None => "nobody to measure it on".into(),
            };
            let row = |group: &crate::fairness::GroupRates| {
                let mut cells = vec![group.name.clone(), group.count().to_string()];
                cells.extend(rates.map(|rate| cell(group.rate(rate))));
                cells
            };
            blocks.push(Block::Table(head, fairness.groups().iter().map(row).collect()));
            blocks.extend(fairness.notes().into_iter().map(Block::Text));
        }
        match blocks.is_empty() {
            true => vec![Block::Text("Not measured: nobody has compared groups of people.".into())],
            false => blocks,
        }
    }

    /// The card as Markdown, with its header.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        // Nothing of a text becomes markup.
        let plain = |text: &str| {
            let mut out = String::new();
            for c in text.chars() {
                match c {
                    '\n' | '\r' => out.push(' '),
                    '<' => out += "&lt;",
                    '|' | '*' | '`' | '[' | ']' | '#' | '\\' => out.extend(['\\', c]),
                    c => out.push(c),
                }
            }
            out
        };
        let mut out = format!("{}\n# {}\n", self.header(), plain(&self.name));
        for (heading, blocks) in self.sections() {
            let _ = writeln!(out, "\n## {heading}");
            for block in blocks {
                match block {
                    Block::Text(text) => out += &format!("\n{}\n", plain(&text)),
                    Block::Table(head, rows) => {
                        let line = |cells: &[String]| {
                            format!("| {} |\n", cells.iter().map(|cell| plain(cell)).collect::<Vec<_>>().join(" | "))
                        };
                        out += &format!("\n{}|{}\n", line(&head), "---|".repeat(head.len()));
                        rows.iter().for_each(|row| out += &line(row));
                    }
                }
            }
        }
        out
    }

    /// The card as a page that needs nothing but itself.
    #[must_use]
    pub fn to_html(&self) -> String {
        let name = html::escape(&self.name);
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><title>{name}</title>\n<style>{STYLE}</style></head>\n\
             <body>\n<h1>{name}</h1>\n"
        );
        for (heading, blocks) in self.sections() {
            let _ = writeln!(out, "<h2>{heading}</h2>");
            for block in blocks {
                match block {
                    Block::Text(text) => out += &format!("<p>{}</p>\n", html::escape(&text)),
                    Block::Table(head, rows) => out += &format!("<div>{}</div>\n", html::table(&head, &rows, &[])),
                }
            }
        }
        out + "</body></html>\n"
    }

    /// Writes `README.md` and `card.html` into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If the file system refuses.
    #[track_caller]
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(|e| Error::io("ModelCard", folder, e)).here()?;
        for (name, page) in [("README.md", self.to_markdown()), ("card.html", self.to_html())] {
            crate::io::write_atomically(folder.join(name), |file| file.write_all(page.as_bytes()))?;
        }
        Ok(())
    }
}

enum Block {
    Text(String),
    Table(Vec<String>, Vec<Vec<String>>),
}

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse}td,th{border:1px solid #8886;padding:.3rem .6rem;text-align:left}div{overflow-x:auto}\
    h2{font-size:1.15rem;margin-top:2rem}";
