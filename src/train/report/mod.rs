//! One page that says what a model learnt from, what it learnt, and how good it is (feature `plot`).

mod evaluation;
mod page;

use std::fmt::Display;
use std::path::Path;

use super::History;
use super::plot::{self, Bars, Chart, Picture};
use crate::data::{Table, Value};
use crate::error::{Result, short};
use crate::explain::{Importance, PartialDependence};
use crate::html::{escape, preformatted, prose};

/// A report on a model as one HTML page, which needs nothing but itself: no script, no font, no picture from elsewhere. It is in light or
/// dark colours as the reader's system is, fits telephones and paper, and is smaller than 2 MB.
///
/// ```
/// use demotic::data::{Column, Table};
/// use demotic::prelude::*;
/// use demotic::train::Report;
///
/// let flowers = Table::from_columns([
///     ("petals", Column::from([3.0, 5.0, 3.0, 5.0])),
///     ("species", Column::from(["lily", "rose", "lily", "rose"])),
/// ])?;
/// let prep = Preprocessor::classification("species").fit(&flowers)?;
/// let data = prep.transform(&flowers)?;
/// let mut model = Linear::new(1, 2, &mut Rng::seed(0))?;
/// let history = Trainer::new(losses::cross_entropy, Adam::new(0.1)).epochs(20).fit(&mut model, &data, &mut Rng::seed(1))?;
/// let probabilities = model.predict(data.x())?.softmax(1)?;
///
/// let report = Report::new("Flowers")
///     .data(&flowers, Some("species"))
///     .model(&model.summary([1, 1])?)
///     .history(&history)
///     .classification(&probabilities, data.y(), prep.classes().unwrap(), Some(&flowers))?
///     .setting("learning rate", 0.1)
///     .seed(1);
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("report.html");
/// report.save(&path)?;
/// # assert!(std::fs::read_to_string(&path).unwrap().contains("Confusion matrix"));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Sections stand in the order in which they are added; [`settings`](Self::setting), versions and [timings](Self::timing) come last.
/// Texts from outside, such as names of columns, are shown as they are and never taken for markup; in paragraphs and warnings, what stands
/// between backticks is set as code.
#[derive(Debug, Clone)]
pub struct Report {
    title: String,
    about: Vec<String>,
    warnings: Vec<String>,
    facts: Vec<[String; 3]>,
    sections: Vec<Section>,
    settings: Vec<(String, String)>,
    timings: Vec<(String, f64)>,
}

/// A heading with finished pieces of the page below it.
#[derive(Debug, Clone)]
struct Section {
    heading: String,
    blocks: Vec<String>,
}

/// Rows of tables that are shown.
const ROWS: usize = 100;

impl Report {
    /// A page with this title, and nothing on it.
    #[must_use]
    pub fn new(title: impl AsRef<str>) -> Self {
        Self {
            title: short(title.as_ref()).into_owned(),
            about: Vec::new(),
            warnings: Vec::new(),
            facts: Vec::new(),
            sections: Vec::new(),
            settings: Vec::new(),
            timings: Vec::new(),
        }
    }

    /// A paragraph below the title.
    #[must_use]
    pub fn about(mut self, text: impl Into<String>) -> Self {
        self.about.push(text.into());
        self
    }

    /// Something that readers should know first, in a box at the top.
    #[must_use]
    pub fn warning(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }

    /// A number at the top, with what it is and a remark on it, which may be empty.
    #[must_use]
    pub fn fact(mut self, name: impl AsRef<str>, value: impl Display, remark: impl AsRef<str>) -> Self {
        let own = |text: &str| short(text).into_owned();
        self.facts.push([own(name.as_ref()), own(&value.to_string()), own(remark.as_ref())]);
        self
    }

    /// A section of your own, to which what follows belongs: [texts](Self::text), [tables](Self::table), [pictures](Self::picture).
    #[must_use]
    pub fn section(mut self, heading: impl AsRef<str>) -> Self {
        self.sections.push(Section { heading: short(heading.as_ref()).into_owned(), blocks: Vec::new() });
        self
    }

    /// A paragraph.
    #[must_use]
    pub fn text(self, text: impl AsRef<str>) -> Self {
        self.block(format!("<p>{}</p>", prose(text.as_ref())))
    }

    /// A text as it is printed, with its spaces and lines.
    #[must_use]
    pub fn preformatted(self, text: &dyn Display) -> Self {
        self.block(format!("<div class=\"scroll\">{}</div>", preformatted(text)))
    }

    /// A table: at most its first and last 50 rows, and 16 columns.
    #[must_use]
    pub fn table(self, table: &Table) -> Self {
        self.block(format!("<div class=\"scroll\">{}</div>", table.html(ROWS)))
    }

    /// A picture with a line below it.
    #[must_use]
    pub fn picture(self, picture: impl Into<Picture>, caption: impl AsRef<str>) -> Self {
        self.figure(&picture.into(), caption.as_ref())
    }

    fn figure(self, picture: &Picture, caption: &str) -> Self {
        let drawing = match picture.for_page() {
            Ok(svg) => svg,
            Err(e) => preformatted(&e),
        };
        let caption =
            if caption.is_empty() { String::new() } else { format!("<figcaption>{}</figcaption>", escape(caption)) };
        self.block(format!("<figure>{drawing}{caption}</figure>"))
    }

    fn block(mut self, html: String) -> Self {
        if self.sections.is_empty() {
            self = self.section("");
        }
        if let Some(section) = self.sections.last_mut() {
            section.blocks.push(html);
        }
        self
    }

    /// A section on the data: its size, the statistics of each column, its first rows, and how the target is distributed.
    #[must_use]
    pub fn data(self, table: &Table, target: Option<&str>) -> Self {
        let (rows, columns) = table.shape();
        let missing: usize = table.columns().map(|(_, column)| column.num_missing()).sum();
        let missing = match missing {
            0 => "no value is missing".to_string(),
            1 => "one value is missing".to_string(),
            n => format!("{n} values are missing"),
        };
        let mut page = self.section("Data").text(format!("{rows} rows of {columns} columns; {missing}."));
        page = page.table(&table.describe());
        if let Some((name, column)) = target.and_then(|name| Some((name, table.column(name).ok()?))) {
            let title = format!("Values of {}", short(name));
            let picture: Picture = if column.texts().is_some() {
                let mut counts: Vec<(String, usize)> = Vec::new();
                let (classes, codes) = column.factorize();
                classes.into_iter().for_each(|class| counts.push((class, 0)));
                codes.into_iter().flatten().for_each(|code| counts[code].1 += 1);
                let bars = Bars::new(title).label("rows").width(WIDE);
                counts.iter().fold(bars, |bars, (class, n)| bars.bar(class, *n as f64)).into()
            } else {
                let number = |value: Value<'_>| match value {
                    Value::Number(x) => Some(x),
                    Value::Integer(x) => Some(x as f64),
                    _ => None,
                };
                sized(Chart::new(title).labels(short(name), "rows"))
                    .histogram("rows", column.iter().filter_map(number), 30)
                    .into()
            };
            page = page.picture(picture, "");
        }
        page.text("The first rows:").table(&table.head(5))
    }

    /// A section on the model, with its [summary](crate::layers::LayerExt::summary) or another text about it.
    #[must_use]
    pub fn model(self, summary: &dyn Display) -> Self {
        self.section("Model").preformatted(summary)
    }

    /// A section on the run: how losses and metrics went, and its last lines.
    #[must_use]
    pub fn history(self, history: &History) -> Self {
        let mut page = self.section("Training").text(format!("{}.", history.summary()));
        page = page.picture(sized(history.chart()), "");
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in history.epochs.iter().chain(&history.evaluations).flat_map(|row| &row.metrics) {
            if !names.contains(&name.as_str()) && names.len() < 6 {
                names.push(name);
            }
        }
        for name in names {
            page = page.picture(sized(history.metric_chart(name)), "");
        }
        page.folded("Every epoch", &format!("<div class=\"scroll\">{}</div>", preformatted(history)))
    }

    /// What is shown when the reader asks for it; printed, it is there.
    fn folded(self, summary: &str, html: &str) -> Self {
        self.block(format!("<details><summary>{}</summary>{html}</details>", escape(summary)))
    }

    /// A section on what the model looks at, from [`permutation_importance`](crate::explain::permutation_importance); `measure` is what
    /// becomes worse.
    #[must_use]
    pub fn importance(self, of: &[Importance], measure: &str) -> Self {
        let text = format!(
            "How much {measure} is lost when the values of one column are shuffled. Of columns that tell the same, each may seem \
             to tell nothing."
        );
        let picture = plot::importance(of, measure).width(WIDE);
        self.section("Importance of the columns").text(text).picture(picture, "")
    }

    /// What is predicted on average for each value of some columns, from
    /// [`partial_dependence`](crate::explain::partial_dependence).
    #[must_use]
    pub fn dependence(self, of: &[PartialDependence]) -> Self {
        of.iter().fold(self.section("Partial dependence"), |page, one| page.picture(plot::partial_dependence(one), ""))
    }

    /// A line of the settings at the end.
    #[must_use]
    pub fn setting(mut self, name: impl AsRef<str>, value: impl Display) -> Self {
        self.settings.push((short(name.as_ref()).into_owned(), value.to_string()));
        self
    }

    /// The seed of everything that was random.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.setting("seed", seed)
    }

    /// How many seconds a part of the work took.
    #[must_use]
    pub fn timing(mut self, name: impl AsRef<str>, seconds: f64) -> Self {
        self.timings.push((short(name.as_ref()).into_owned(), seconds));
        self
    }

    /// The page. Pieces that would make it larger than 2 MB are left out, each with a line that says so.
    #[must_use]
    pub fn to_html(&self) -> String {
        page::write(self)
    }

    /// Writes the page into a file.
    ///
    /// # Errors
    /// If the file cannot be written; one that was there is then as it was.
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let page = self.to_html();
        crate::io::write_atomically(path, |file| file.write_all(page.as_bytes()))
    }

    /// Shows the page in a notebook of the Rust kernel of Jupyter, which calls this for the value of a cell.
    pub fn evcxr_display(&self) {
        crate::html::show(&page::framed(&self.to_html()));
    }
}

/// The width of bars and charts in a page, so that their letters can be read on a telephone.
const WIDE: f64 = 640.0;

fn sized(chart: Chart) -> Chart {
    chart.size(WIDE, 420.0)
}
