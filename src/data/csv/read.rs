//! From the text of a CSV file to columns.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

use super::column::{Kind, Rules};
use super::options::{CsvOptions, CsvReport, Ragged};
use super::records::{Field, Records, Unclosed, line_at};
use crate::data::column::{Column, IntegerBuilder, Written};
use crate::data::dates::{DateFormat, format_help, not_a_date, parts_of, value_help};
use crate::data::number::{NumberStyle, Parsed};
use crate::data::table::Table;
use crate::data::texts::TextBuilder;
use crate::error::{Error, Here, Result, short};
use crate::files;

/// Where the text comes from, for errors.
pub(super) struct Source<'a> {
    pub(super) op: &'static str,
    pub(super) path: Option<&'a Path>,
}

/// A column while it is read, and how it is written.
struct Draft {
    values: Values,
    written: Written,
    /// The units of the first number that has any.
    units: u64,
}

/// What a column is taken for.
enum Values {
    /// Numbers until something else turns up. `whole` if all so far are, `rounded` if one has more digits than are kept.
    Numbers { values: Vec<f64>, whole: bool, rounded: bool },
    /// Seconds.
    Dates { values: Vec<f64>, format: Box<DateFormat> },
    /// Of the second pass.
    Integers(Box<IntegerBuilder>),
    /// Of the second pass.
    Texts(Box<TextBuilder>),
}

/// What is known and what is made while the rows are read.
struct Reading<'t> {
    text: &'t str,
    delimiter: u8,
    options: &'t CsvOptions,
    names: Vec<String>,
    rules: Vec<&'t Rules>,
    /// At most so many rows.
    rows: usize,
    drafts: Vec<Draft>,
    report: CsvReport,
}

/// A field as it counts: without white space around it, unless that stands in quotes.
fn cleaned<'r>(field: Field<'r>, options: &CsvOptions) -> &'r str {
    if options.trim && !field.quoted { field.text.trim() } else { field.text }
}

impl Draft {
    /// Adds a field; `false` if it is not what the rules say it is. `literal` if it is a text whatever it looks like.
    fn push(&mut self, rules: &Rules, field: &str, literal: bool, rows: usize) -> bool {
        let trimmed = field.trim();
        let missing = !literal && (trimmed.is_empty() || rules.is_mark(trimmed));
        match &mut self.values {
            Values::Numbers { values, .. } | Values::Dates { values, .. } if missing => values.push(f64::NAN),
            Values::Numbers { values, whole, rounded } => match rules.style.parse(trimmed).filter(|_| !literal) {
                Some(parsed) => {
                    values.push(parsed.value);
                    *whole &= parsed.whole.is_some() || parsed.value.is_nan();
                    *rounded |= parsed.is_rounded();
                    self.note(rules, trimmed, &parsed);
                }
                None if rules.kind == Kind::Number => return false,
                None => {
                    let style = (rules.style != NumberStyle::default()).then(|| rules.style.clone());
                    self.written = Written { style, ..Written::default() };
                    self.values = Values::Texts(Box::new(TextBuilder::with_capacity(rows)));
                }
            },
            Values::Dates { values, format } => match format.parse(trimmed) {
                Some(seconds) => values.push(seconds),
                None => return false,
            },
            Values::Integers(integers) => {
                let parsed = if missing { None } else { rules.style.parse(trimmed) };
                integers.push(parsed.and_then(|parsed| parsed.whole));
            }
            // Of a text, white space that is still there is a part.
            Values::Texts(texts) => {
                let missing = !literal && (field.is_empty() || rules.is_mark(field));
                texts.push((!missing).then_some(field));
            }
        }
        true
    }

    /// Takes down what a number loses: its unit, if others have another one, and zeros in front.
    fn note(&mut self, rules: &Rules, text: &str, parsed: &Parsed) {
        const UNITS: usize = 3;
        let Written { units, zeros, .. } = &mut self.written;
        if parsed.units != 0 && self.units != parsed.units && units.len() < UNITS {
            match self.units {
                0 => self.units = parsed.units,
                first => {
                    let unit = rules.style.units_of(parsed.units);
                    if units.is_empty() {
                        units.push(rules.style.units_of(first));
                    }
                    if !units.contains(&unit) {
                        units.push(unit);
                    }
                }
            }
        }
        if zeros.is_none() && text.contains('0') {
            *zeros = rules.style.with_zeros(text);
        }
    }

    fn finish(self) -> Column {
        let column: Column = match self.values {
            Values::Numbers { values, .. } | Values::Dates { values, .. } => values.into(),
            Values::Integers(integers) => (*integers).into(),
            Values::Texts(texts) => (*texts).into(),
        };
        column.with_written(self.written)
    }

    /// What is read once more: whole numbers of which an `f64` rounds some.
    fn settle(&mut self) {
        if let Values::Numbers { whole: true, rounded: true, .. } = self.values {
            self.values = Values::Integers(Box::default());
        }
    }

    fn needs_second_pass(&self) -> bool {
        matches!(self.values, Values::Integers(_) | Values::Texts(_))
    }
}

impl Source<'_> {
    #[track_caller]
    fn error(&self, place: &str, message: &str) -> Error {
        let path = self.path.map(|path| path.display().to_string());
        let place: Vec<&str> = path.as_deref().into_iter().chain((!place.is_empty()).then_some(place)).collect();
        let message = if place.is_empty() { message.to_string() } else { format!("{}: {message}", place.join(", ")) };
        Error::format(self.op, message)
    }

    #[track_caller]
    pub(super) fn read(&self, reader: impl Read, options: &CsvOptions) -> Result<Vec<u8>> {
        let max_bytes = options.max_bytes;
        let mut bytes = Vec::new();
        let reader = files::unpacked(self.op, self.path, reader)?;
        if let Err(e) = reader.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes) {
            return Err(match e.kind() {
                // Only what is unpacked may be invalid.
                io::ErrorKind::InvalidData => {
                    self.error("", "not a CSV file: it seems to be a gzip archive").with_help(e.to_string())
                }
                _ => files::failed(self.op, self.path, e),
            });
        }
        if bytes.len() as u64 > max_bytes {
            let message = format!("more than {max_bytes} bytes");
            return Err(self.error("", &message).with_help("raise the limit with CsvOptions::max_bytes"));
        }
        Ok(bytes)
    }

    #[track_caller]
    pub(super) fn parse(&self, bytes: &[u8], options: &CsvOptions) -> Result<(Table, CsvReport)> {
        self.check_format(bytes)?;
        let text = self.decode(bytes)?;
        let delimiter = match options.detect {
            true => detected(text, options),
            false => options.delimiter_byte(self.op)?,
        };
        let mut first = Records::new(text, delimiter, options.trim, options.max_columns);
        if !self.advance(text, &mut first)? {
            return Err(self.error("", "the file is empty"));
        }
        let names = self.names(&first, options)?;
        drop(first);
        let common = options.common();
        let own = self.own_rules(&names, options)?;
        let rules: Vec<&Rules> = (0..names.len()).map(|i| own.get(&i).unwrap_or(&common)).collect();
        rules.iter().try_for_each(|rules| self.check_rules(rules)).here()?;

        // Every field but the last of the file has a byte behind it, and every record but the last a line end.
        let lines = text.bytes().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
        let rows = lines.min(text.len() / names.len()) + 1;
        let report =
            CsvReport { delimiter: delimiter.into(), padded: 0, skipped: 0, lines: Vec::new(), notes: Vec::new() };
        let mut reading = Reading { text, delimiter, options, names, rules, rows, drafts: Vec::new(), report };
        for i in 0..reading.names.len() {
            let draft = self.draft(&reading.rules[i].kind, rows)?;
            reading.drafts.push(draft);
        }

        // First all columns as numbers, then those that turned out to be something else.
        self.pass(&mut reading, false)?;
        reading.drafts.iter_mut().for_each(Draft::settle);
        if reading.drafts.iter().any(Draft::needs_second_pass) {
            self.pass(&mut reading, true)?;
        }
        let mut report = reading.report.clone();
        let table = self.table(reading)?;
        report.notes = table.columns().flat_map(|(name, column)| column.notes(name)).collect();
        Ok((table, report))
    }

    /// Goes through all rows, for the columns of the first or of the second pass.
    #[track_caller]
    fn pass(&self, reading: &mut Reading<'_>, second: bool) -> Result<()> {
        let Reading { text, delimiter, options, names, rules, rows, drafts, report } = reading;
        *report = CsvReport { padded: 0, skipped: 0, lines: Vec::new(), ..report.clone() };
        let mut records = Records::new(text, *delimiter, options.trim, names.len());
        let mut more = self.advance(text, &mut records)? && (!options.header || self.advance(text, &mut records)?);
        while more {
            if self.fits(&records, names, options, report)? {
                let absent = Field { text: "", quoted: false };
                let fields = records.fields().chain(std::iter::repeat(absent));
                for (i, (draft, field)) in drafts.iter_mut().zip(fields).enumerate() {
                    let literal =
                        field.quoted && options.quoted_texts && matches!(rules[i].kind, Kind::Any | Kind::Text);
                    if draft.needs_second_pass() == second
                        && !draft.push(rules[i], cleaned(field, options), literal, *rows)
                    {
                        let place = format!("line {}", records.lines().0);
                        return Err(self.misfit(&place, &names[i], rules[i], field.text));
                    }
                }
            }
            more = self.advance(text, &mut records)?;
        }
        Ok(())
    }

    /// Whether a record counts: one of another length may be an error, or padded, or left out.
    #[track_caller]
    fn fits(
        &self,
        record: &Records<'_>,
        names: &[String],
        options: &CsvOptions,
        report: &mut CsvReport,
    ) -> Result<bool> {
        /// How many lines of such records are kept.
        const LINES: usize = 10;
        if record.len() == names.len() {
            return Ok(true);
        }
        let pads = match options.ragged {
            Ragged::Pad if record.len() < names.len() || !record.has_surplus() => true,
            Ragged::Skip => false,
            _ => return Err(self.width(record, names, options)),
        };
        if pads {
            report.padded += 1;
        } else {
            report.skipped += 1;
        }
        if report.lines.len() < LINES {
            report.lines.push(record.lines().0);
        }
        Ok(pads)
    }

    /// A column of one value.
    #[track_caller]
    pub(super) fn single(&self, name: &str, rules: &Rules, text: &str) -> Result<Column> {
        let mut draft = self.draft(&rules.kind, 1)?;
        let first = draft.needs_second_pass();
        if !draft.push(rules, text, false, 1) {
            return Err(self.misfit("", name, rules, text));
        }
        draft.settle();
        if draft.needs_second_pass() && !first {
            draft.push(rules, text, false, 1);
        }
        Ok(draft.finish())
    }

    /// A value that is not what the options say it is.
    #[track_caller]
    fn misfit(&self, place: &str, name: &str, rules: &Rules, field: &str) -> Error {
        let field = field.trim();
        if let Kind::Date(format) = &rules.kind {
            return self.error(place, &not_a_date(name, field, format)).with_help(value_help(field, format));
        }
        let message = format!("column `{}` has `{}`, which is no number", short(name), short(field));
        self.error(place, &message).with_help(
            "CsvOptions::missing names what stands for a missing value; strip, decimal_comma and thousands say how numbers are \
             written",
        )
    }

    /// The finished columns, parts of dates in place of dates.
    #[track_caller]
    fn table(&self, reading: Reading<'_>) -> Result<Table> {
        let Reading { names, rules, drafts, .. } = reading;
        let mut columns = Vec::with_capacity(names.len());
        let mut rows = 0;
        let split = rules.iter().any(|rules| rules.is_split());
        for ((name, rules), draft) in names.into_iter().zip(&rules).zip(drafts) {
            let column = draft.finish();
            rows = column.len();
            match rules.is_split() {
                true => columns.extend(parts_of(self.op, &name, &column, &rules.parts, &rules.cycles)?),
                false => columns.push((name, column)),
            }
        }
        match split {
            // The new names may be those of others.
            true => Table::named(self.op, columns),
            false => Ok(Table::from_checked(columns, rows)),
        }
    }

    /// The rules of the columns that have some of their own, by position.
    #[track_caller]
    fn own_rules(&self, names: &[String], options: &CsvOptions) -> Result<HashMap<usize, Rules>> {
        if options.named().next().is_none() {
            return Ok(HashMap::new());
        }
        let known: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
        let mut own = HashMap::new();
        for name in options.named() {
            let Some(i) = known.get(name) else {
                if options.may_lack(name) {
                    continue;
                }
                let columns = names.iter().map(|name| (name.clone(), Column::from(Vec::<f64>::new()))).collect();
                return Err(Table::from_checked(columns, 0).no_column(self.op, name));
            };
            own.entry(*i).or_insert_with(|| options.rules_of(name));
        }
        Ok(own)
    }

    #[track_caller]
    pub(super) fn check_rules(&self, rules: &Rules) -> Result<()> {
        let NumberStyle { decimal, thousands, .. } = &rules.style;
        if *thousands == Some(*decimal) {
            let message = format!("{decimal:?} is both the decimal point and the separator of thousands");
            return Err(Error::argument(self.op, message));
        }
        if let Some(c) = thousands.filter(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | 'e' | 'E')) {
            return Err(Error::argument(self.op, format!("{c:?} cannot be the separator of thousands")));
        }
        for (i, (unit, factor)) in rules.factors.iter().enumerate() {
            let name = short(unit);
            if unit.trim().is_empty() {
                return Err(Error::argument(self.op, format!("a unit without a name, which is to be {factor}")));
            }
            if !factor.is_finite() || *factor == 0.0 {
                let message = format!("the unit `{name}` is to be {factor}, expected a finite number other than 0");
                return Err(Error::argument(self.op, message));
            }
            if let Some((_, other)) = rules.factors[..i].iter().find(|(own, other)| own == unit && other != factor) {
                let message = format!("the unit `{name}` is to be {other} and {factor}");
                let help = "where a unit differs between columns, ColumnOptions::unit says what it is in one of them";
                return Err(Error::argument(self.op, message).with_help(help));
            }
        }
        if rules.is_split() && !matches!(rules.kind, Kind::Date(_)) {
            let e = Error::argument(self.op, "parts of a date are asked for in a column without a format of dates");
            return Err(e.with_help("ColumnOptions::new().date(\"iso\").parts([DatePart::Month])"));
        }
        Ok(())
    }

    #[track_caller]
    fn advance(&self, text: &str, records: &mut Records<'_>) -> Result<bool> {
        match records.advance() {
            Ok(more) => Ok(more),
            Err(Unclosed(at)) => {
                let place = format!("line {}", line_at(text, at));
                let e = self.error(&place, "a quote is opened here and never closed");
                Err(e.with_help("a quote inside a field in quotes is written twice: \"a \"\"b\"\"\""))
            }
        }
    }

    /// What a column is taken for at first.
    #[track_caller]
    fn draft(&self, kind: &Kind, most: usize) -> Result<Draft> {
        let values = match kind {
            Kind::Any | Kind::Number => {
                Values::Numbers { values: Vec::with_capacity(most), whole: true, rounded: false }
            }
            Kind::Text => Values::Texts(Box::new(TextBuilder::with_capacity(most))),
            Kind::Date(format) => match DateFormat::new(format) {
                Ok(format) => Values::Dates { values: Vec::with_capacity(most), format: Box::new(format) },
                Err(message) => return Err(Error::argument(self.op, message).with_help(format_help(format))),
            },
        };
        let written = if matches!(kind, Kind::Date(_)) { Written::dates() } else { Written::default() };
        Ok(Draft { values, written, units: 0 })
    }

    /// What is certainly no CSV says what it is, before it is read as a very strange one.
    #[track_caller]
    fn check_format(&self, bytes: &[u8]) -> Result<()> {
        let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        match files::seems(bytes, &[files::Format::Csv, files::Format::Text]) {
            Some((what, help)) if !is_utf16 => {
                let e = self.error("", &format!("not a CSV file: it seems to be {what}"));
                #[cfg(not(feature = "gzip"))]
                let help = if bytes.starts_with(&files::GZIP) { files::UNPACK } else { help };
                Err(if help.is_empty() { e } else { e.with_help(help) })
            }
            _ => Ok(()),
        }
    }

    /// The input as text, without a byte order mark.
    #[track_caller]
    fn decode<'t>(&self, bytes: &'t [u8]) -> Result<&'t str> {
        const HELP: &str = "save the file as UTF-8; spreadsheets call it `CSV UTF-8`";
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(self.error("", "the text is UTF-16, not UTF-8").with_help(HELP));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(e) => {
                let valid = std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default();
                let line_start = valid.rfind(['\n', '\r']).map_or(0, |at| at + 1);
                let column = valid[line_start..].chars().count() + 1;
                let place = format!("line {}, character {column}", line_at(valid, valid.len()));
                Err(self.error(&place, "the text is not UTF-8").with_help(HELP))
            }
        }
    }

    /// The names of the columns, all different.
    #[track_caller]
    fn names(&self, first: &Records<'_>, options: &CsvOptions) -> Result<Vec<String>> {
        let place = || format!("line {}", first.lines().0);
        let (count, most) = (first.len(), options.max_columns);
        if count > most {
            let help = "raise the limit with CsvOptions::max_columns";
            return Err(self.error(&place(), &format!("{count} columns, more than {most}")).with_help(help));
        }
        let name = |(i, field)| match cleaned(field, options) {
            name if options.header && !name.is_empty() => name.to_string(),
            _ => format!("column_{}", i + 1),
        };
        let names: Vec<String> = first.fields().enumerate().map(name).collect();
        let mut seen: HashMap<&str, usize> = HashMap::with_capacity(count);
        for (i, name) in names.iter().enumerate() {
            if let Some(earlier) = seen.insert(name, i) {
                let message = format!("columns {} and {} are both called `{}`", earlier + 1, i + 1, short(name));
                let help = "rename one, or read with CsvOptions::header(false) if the first line is data";
                return Err(self.error(&place(), &message).with_help(help));
            }
        }
        Ok(names)
    }

    /// The error of a record with another number of fields than the header.
    #[track_caller]
    fn width(&self, record: &Records<'_>, names: &[String], options: &CsvOptions) -> Error {
        let (fields, expected, header) = (record.len(), names.len(), options.header);
        let what = if header { "the header" } else { "the first line" };
        let s = if fields == 1 { "" } else { "s" };
        let (first, last) = record.lines();
        let e = self.error(&format!("line {first}"), &format!("{fields} field{s}, {what} has {expected}"));
        if let Some(first) = names.first().filter(|name| header && name.starts_with('#')) {
            let help = format!("line 1 seems to be a comment, not a header: take `{}` out of the file", short(first));
            return e.with_help(help);
        }
        // All of the header in one field: its columns are told apart by something else.
        let other = names
            .first()
            .filter(|_| header && expected == 1)
            .and_then(|name| [';', '\t', '|', ','].into_iter().find(|delimiter| name.contains(*delimiter)));
        if let Some(delimiter) = other {
            let help = format!(
                "the header seems to be separated by {delimiter:?}: read with CsvOptions::new().delimiter({delimiter:?})"
            );
            return e.with_help(help);
        }
        match (last > first, fields > expected) {
            (true, _) => {
                e.with_help(format!("there are line breaks in quotes up to line {last}: is a quote opened by mistake?"))
            }
            (false, true) => e.with_help(
                "a field that contains the delimiter must stand in double quotes; Ragged::Skip leaves out such rows",
            ),
            (false, false) => {
                e.with_help("CsvOptions::ragged says what to do with such rows: Ragged::Pad or Ragged::Skip")
            }
        }
    }
}

impl CsvOptions {
    /// The delimiter as a byte of the text.
    #[track_caller]
    pub(super) fn delimiter_byte(&self, op: &'static str) -> Result<u8> {
        match u8::try_from(self.delimiter) {
            Ok(byte) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(byte),
            _ => {
                let message = format!("{:?} cannot be the delimiter", self.delimiter);
                Err(Error::argument(op, message).with_help("use an ASCII character such as ',' or ';'"))
            }
        }
    }
}

/// What stands between the fields of a text: of the usual delimiters that which divides the most of its first records into the
/// same number of fields, and of several that do, the one that divides them into more. A comma if none divides them at all.
pub(super) fn detected(text: &str, options: &CsvOptions) -> u8 {
    const RECORDS: usize = 50;
    let mut best = ((0.0, 1), b',');
    for delimiter in *b",;\t|" {
        let mut records = Records::new(text, delimiter, options.trim, 0);
        let mut counts = HashMap::new();
        let mut total = 0.0;
        while total < RECORDS as f64 && matches!(records.advance(), Ok(true)) {
            *counts.entry(records.len()).or_insert(0.0) += 1.0;
            total += 1.0;
        }
        for (fields, count) in counts {
            let score = (count / total, fields);
            if fields > 1 && score > best.0 {
                best = (score, delimiter);
            }
        }
    }
    best.1
}
