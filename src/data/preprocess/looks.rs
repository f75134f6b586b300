//! Columns of texts that are hardly categories: what they look like, and what to do about it.

use std::collections::HashMap;

use crate::data::column::Column;
use crate::data::dates::guess;
use crate::data::number::NumberStyle;
use crate::error::{Error, short};

/// What the different texts of a column look like.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Look {
    /// Most are numbers.
    Numbers,
    /// Most are numbers as they are written elsewhere: with the call that reads them.
    Written {
        what: String,
        cure: String,
    },
    Dates {
        format: String,
    },
    Anything,
}

impl Look {
    /// Whether the texts are values rather than names.
    pub(super) fn is_quantity(&self) -> bool {
        *self != Self::Anything
    }

    /// Looks at some of the texts, from everywhere among them. `read` is how their numbers were said to be written.
    pub(super) fn of(texts: &[String], read: Option<&NumberStyle>) -> Self {
        const SAMPLE: usize = 500;
        let step = texts.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<&str> = texts.iter().step_by(step).map(String::as_str).collect();
        let most = |n: usize| n > 0 && 2 * n >= sample.len();
        let fitting = |style: &NumberStyle| sample.iter().filter(|text| style.parse(text).is_some()).count();
        let plain = fitting(&NumberStyle::default());
        if most(plain) {
            return Self::Numbers;
        }
        // Dates first: with points between their parts, they could pass for numbers.
        if let Some(format) = guess(&sample[..sample.len().min(100)]) {
            return Self::Dates { format };
        }
        let units = units(&sample);
        let strip = if units.is_empty() { String::new() } else { format!(".strip([{}])", quoted(&units)) };
        let styles = [
            (None, '.', "", String::new()),
            (Some(','), '.', "separators of thousands", ".thousands(',')".to_string()),
            (None, ',', "decimal commas", ".decimal_comma()".to_string()),
            (Some('.'), ',', "decimal commas", ".decimal_comma().thousands('.')".to_string()),
            (Some(' '), '.', "separators of thousands", ".thousands(' ')".to_string()),
            (Some(' '), ',', "decimal commas", ".decimal_comma().thousands(' ')".to_string()),
        ];
        let mut best = (0, 0);
        for (i, (thousands, decimal, ..)) in styles.iter().enumerate() {
            let style = NumberStyle::new(*decimal, *thousands, units.clone());
            let fits = fitting(&style);
            if fits > best.0 {
                best = (fits, i);
            }
        }
        if !most(best.0) {
            return Self::Anything;
        }
        let (thousands, decimal, how, call) = &styles[best.1];
        let found = NumberStyle::new(*decimal, *thousands, units.clone());
        let followed = read.filter(|read| found.is_within(read));
        let style = followed.unwrap_or(&found);
        let rest: Vec<&str> = texts.iter().map(String::as_str).filter(|text| style.parse(text).is_none()).collect();
        let is_mark = |text: &&str| !text.contains(|c: char| c.is_ascii_digit());
        let marks: &[&str] = if rest.len() <= 3 && rest.iter().all(is_mark) { &rest } else { &[] };
        let missing = if marks.is_empty() { String::new() } else { format!(".also_missing([{}])", quoted(marks)) };
        let unit = match units.as_slice() {
            [] => String::new(),
            [one] => format!("the unit `{}`", short(one)),
            many => format!(
                "the units {}",
                many.iter().map(|unit| format!("`{}`", short(unit))).collect::<Vec<_>>().join(", ")
            ),
        };
        let and = if how.is_empty() || unit.is_empty() { "" } else { " and " };
        let mut cure = match (followed, rest.first()) {
            (None, _) => format!("read the file with CsvOptions::new(){call}{strip}{missing}"),
            (Some(_), Some(odd)) if marks.is_empty() => {
                format!("`{}` is no number in the way that the file is read", short(odd))
            }
            (Some(_), _) => {
                format!("add {missing}, if that stands for missing values: the others are numbers, as the file is read")
            }
        };
        if let (None, Some(odd), true) = (followed, rest.first(), marks.is_empty()) {
            cure += &format!("; `{}` is no number then", short(odd));
        }
        if let ([one, other, ..], None) = (units.as_slice(), followed) {
            let (one, other) = (short(one), short(other));
            cure += &format!(
                "; strip() leaves the numbers as they are, so that 1 {one} and 1 {other} become equal: if they are not, say with \
                 .unit(\"{other}\", ..) how many {one} one {other} is, as in .unit(\"kg\", 1000.0) for grams"
            );
        }
        Self::Written { what: format!("numbers with {how}{and}{unit}"), cure }
    }
}

/// Texts as they stand in code: `"g", "kg"`.
fn quoted<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(|text| format!("{:?}", text.as_ref())).collect::<Vec<_>>().join(", ")
}

/// What most numbers stand before or behind, if that is something: at most three units, the commonest first.
fn units(texts: &[&str]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for text in texts {
        let text = text.trim();
        let (Some(first), Some(last)) =
            (text.find(|c: char| c.is_ascii_digit()), text.rfind(|c: char| c.is_ascii_digit()))
        else {
            continue;
        };
        let number = text[..first].trim_end_matches(['-', '+', '.', ',']);
        let before = number.trim_matches(['-', '+', ' ']);
        let behind = text[last + 1..].trim();
        // A letter right before digits makes a name: A4, n12.
        let is_name = before.contains(char::is_alphanumeric) && !number.ends_with(char::is_whitespace);
        if is_name || [before, behind].iter().any(|unit| unit.chars().count() > 12) {
            continue;
        }
        for unit in [before, behind].into_iter().filter(|unit| !unit.is_empty()) {
            *counts.entry(unit).or_default() += 1;
        }
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    crate::order::sort_by(&mut counts, |(a, n), (b, m)| m.cmp(n).then(a.cmp(b)));
    let named = counts.iter().map(|(_, n)| n).sum::<usize>();
    let common: Vec<_> = counts.iter().take(3).collect();
    if named == 0 || common.iter().map(|(_, n)| n).sum::<usize>() * 10 < named * 9 {
        return Vec::new();
    }
    common.into_iter().map(|(unit, _)| unit.to_string()).collect()
}

/// A note on a column of numbers that look like those of rows: whole, all different, and called so, or with few numbers between
/// them that do not occur.
pub(super) fn like_row_numbers(name: &str, column: &Column) -> Option<String> {
    /// Of fewer rows, any whole numbers may be different.
    const ROWS: usize = 20;
    let mut numbers: Vec<i128> = column.integers()?.collect::<Option<_>>()?;
    crate::order::sort_by(&mut numbers, Ord::cmp);
    let (&first, &last) = (numbers.first()?, numbers.last()?);
    let distinct = numbers.windows(2).all(|pair| pair[0] != pair[1]);
    let last_word = name.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or(name).to_lowercase();
    let is_called_so = ["id", "index", "编号", "序号"].contains(&last_word.as_str());
    let is_dense = last.checked_sub(first)? < 2 * numbers.len() as i128;
    (numbers.len() >= ROWS && distinct && (is_called_so || is_dense)).then(|| {
        let name = short(name);
        format!(
            "`{name}` has another whole number in each row, as numbers of rows have: ignore(&[\"{name}\"]) leaves it out"
        )
    })
}

/// How the numbers of a column were said to be written.
fn style_of(column: &Column) -> Option<&NumberStyle> {
    column.written()?.style.as_ref()
}

/// A column that should not become one feature for each of its texts.
pub(super) struct Misfit {
    column: String,
    count: usize,
    /// The limit, if there are more than it allows.
    beyond: Option<usize>,
    look: Look,
    /// A text as an example and its row: of numbers with something else among them, the first that is none.
    example: Option<(usize, String)>,
    is_target: bool,
}

impl Misfit {
    /// Judges a column with these different texts: too many, or of a kind that is no category. Few texts may be anything;
    /// many that are numbers, dates or numbers with a unit are a column that was not read as what it is.
    pub(super) fn of(name: &str, column: &Column, texts: &[String], most: usize, chosen: bool) -> Option<Self> {
        let count = texts.len();
        let beyond = (count > most).then_some(most);
        let present = column.len() - column.num_missing();
        let many = column.texts().is_some() && (count > 20 || (count >= 5 && 2 * count > present));
        if beyond.is_none() && (chosen || !many) {
            return None;
        }
        let look = if column.texts().is_some() { Look::of(texts, style_of(column)) } else { Look::Anything };
        (beyond.is_some() || look.is_quantity()).then(|| Self::new(name, column, count, beyond, look))
    }

    /// A column of texts that must be numbers, if it looks like them.
    pub(super) fn instead_of_numbers(name: &str, column: &Column) -> Option<Self> {
        let (texts, _) = column.factorize();
        let look = Look::of(&texts, style_of(column));
        look.is_quantity().then(|| Self { is_target: true, ..Self::new(name, column, texts.len(), None, look) })
    }

    fn new(name: &str, column: &Column, count: usize, beyond: Option<usize>, look: Look) -> Self {
        let plain = NumberStyle::default();
        let is_written = matches!(look, Look::Written { .. });
        let example = column.iter().enumerate().find_map(|(row, value)| {
            let text = value.text()?;
            let odd = plain.parse(text).is_none() && (!is_written || text.contains(|c: char| c.is_ascii_digit()));
            odd.then(|| (row, text.to_string()))
        });
        Self { column: name.to_string(), count, beyond, look, example, is_target: false }
    }

    pub(super) fn for_target(mut self) -> Self {
        self.is_target = true;
        self
    }

    /// `numbers with the unit ..`, `dates`.
    fn what(&self) -> &str {
        match &self.look {
            Look::Numbers => "numbers and other texts",
            Look::Written { what, .. } => what,
            Look::Dates { .. } => "dates",
            Look::Anything => "categories",
        }
    }

    fn example(&self) -> String {
        self.example.as_ref().map_or(String::new(), |(_, text)| format!(", such as `{}`", short(text)))
    }

    /// What to do about it.
    fn cure(&self) -> String {
        let name = short(&self.column);
        let (row, text) = self.example.as_ref().map_or((0, ""), |(row, text)| (*row, text.as_str()));
        let text = short(text);
        let cure = match &self.look {
            Look::Numbers => {
                format!(
                    "most are numbers: is `{text}` in row {row} a missing value? CsvOptions::missing names its marks"
                )
            }
            Look::Written { what, cure } => format!("`{text}` is one of {what}: {cure}"),
            Look::Dates { format } => {
                format!("`{text}` is a date: read the file with CsvOptions::new().dates([\"{name}\"], \"{format}\")")
            }
            Look::Anything if self.is_target => "raise max_categories if there are so many classes".to_string(),
            Look::Anything => format!("leave the column out with ignore(&[\"{name}\"]), or raise max_categories"),
        };
        match self.beyond {
            None if !self.is_target => format!("{cure}; categorical(&[\"{name}\"]) keeps them as categories"),
            _ => cure,
        }
    }

    #[track_caller]
    pub(super) fn error(self, op: &'static str) -> Error {
        let (name, count) = (short(&self.column), self.count);
        let of = if self.is_target { "the target" } else { "column" };
        let message = match self.beyond {
            Some(most) => format!("column `{name}` has {count} categories, more than {most}"),
            None => format!("{of} `{name}` has {count} different texts, which are {}{}", self.what(), self.example()),
        };
        Error::argument(op, message).with_help(self.cure())
    }
}

/// One error for all columns of a table.
#[track_caller]
pub(super) fn all(op: &'static str, mut misfits: Vec<Misfit>) -> Error {
    const SHOWN: usize = 8;
    if misfits.len() == 1 {
        return misfits.remove(0).error(op);
    }
    let count = misfits.len();
    let shown = &misfits[..count.min(SHOWN)];
    let more = if count > SHOWN { format!(", and {} more", count - SHOWN) } else { String::new() };
    let each = |misfit: &Misfit| format!("`{}` ({} {})", short(&misfit.column), misfit.count, misfit.what());
    let list = shown.iter().map(each).collect::<Vec<_>>().join(", ");
    let cures = shown.iter().map(Misfit::cure).collect::<Vec<_>>().join("\n        ");
    Error::argument(op, format!("{count} columns are hardly categories: {list}{more}")).with_help(cures)
}
