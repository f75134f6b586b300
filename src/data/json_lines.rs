//! Tables from and to JSON lines: an object in each line, whose names are those of the columns.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::panic::Location;
use std::path::Path;

use serde::de::{self, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::column::{Column, Value};
use super::table::Table;
use super::texts::TextBuilder;
use crate::error::{Error, ErrorKind, Result, short};
use crate::files;

/// The longest text that is read.
const MOST_BYTES: u64 = 4 << 30;
/// The most columns.
const MOST_COLUMNS: usize = 1 << 16;
/// A table may have so many values for each byte of the text: absent ones take memory too.
const VALUES_PER_BYTE: usize = 16;

impl Table {
    /// Reads JSON lines: a file in UTF-8 with an object in each line, as `DataFrame.to_json(orient="records", lines=True)` of pandas
    /// writes it. Names that a line does not have, and `null`, are missing values. Truth values become the texts `true` and `false`;
    /// a column with texts and numbers has texts. Blank lines are passed over.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().map_err(|e| demotic::Error::io("example", std::path::Path::new("."), e))?;
    /// # let path = folder.path().join("houses.jsonl");
    /// use demotic::data::Table;
    ///
    /// std::fs::write(&path, "{\"area\": 120, \"kind\": \"flat\"}\n{\"kind\": \"house\", \"price\": 2.5e5}\n").unwrap();
    /// let houses = Table::read_json_lines(&path)?;
    /// assert_eq!(houses.column_names().collect::<Vec<_>>(), ["area", "kind", "price"]);
    /// assert_eq!(houses.column("area")?.num_missing(), 1);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, has more than 4 GiB or 65,536 names, is not UTF-8, or a line is no object, has a name twice, or a
    /// list or an object as a value. The message names the line.
    #[track_caller]
    #[doc(alias = "jsonl")]
    #[doc(alias = "ndjson")]
    pub fn read_json_lines(path: impl AsRef<Path>) -> Result<Self> {
        let (op, path) = ("read_json_lines", path.as_ref());
        let bytes = files::read_limited(op, path, "a file", MOST_BYTES)?;
        parse(op, &format!("{}, ", path.display()), &bytes)
    }

    /// Reads JSON lines from any source, for example `text.as_bytes()`.
    ///
    /// # Errors
    /// As for [`read_json_lines`](Self::read_json_lines).
    #[track_caller]
    pub fn from_json_lines(reader: impl Read) -> Result<Self> {
        let op = "from_json_lines";
        let mut bytes = Vec::new();
        if let Err(e) = reader.take(MOST_BYTES + 1).read_to_end(&mut bytes) {
            return Err(Error::new(ErrorKind::Io, op, e.to_string()).with_source(e));
        }
        if bytes.len() as u64 > MOST_BYTES {
            return Err(Error::format(op, format!("more than {MOST_BYTES} bytes")));
        }
        parse(op, "", &bytes)
    }

    /// Writes an object for each row into a line of its own. Missing values are left out; numbers have as many digits as it takes to
    /// read them back. An earlier file is replaced only when the new one is complete.
    ///
    /// # Errors
    /// If a number is infinite, which JSON cannot say, or the file system refuses.
    #[track_caller]
    pub fn write_json_lines(&self, path: impl AsRef<Path>) -> Result<()> {
        let op = "write_json_lines";
        self.check_finite(op)?;
        files::replace(op, path.as_ref(), |out| self.json_lines(out))
    }

    /// Writes the same text to any sink.
    ///
    /// # Errors
    /// As for [`write_json_lines`](Self::write_json_lines).
    #[track_caller]
    pub fn to_json_lines(&self, mut writer: impl Write) -> Result<()> {
        let op = "to_json_lines";
        self.check_finite(op)?;
        match self.json_lines(&mut writer) {
            Ok(()) => Ok(()),
            Err(e) => Err(Error::new(ErrorKind::Io, op, e.to_string()).with_source(e)),
        }
    }

    #[track_caller]
    fn check_finite(&self, op: &'static str) -> Result<()> {
        for (name, column) in self.columns() {
            let numbers = column.numbers().unwrap_or_default();
            if let Some(row) = numbers.iter().position(|x| x.is_infinite()) {
                let message =
                    format!("column `{}` has {} in row {row}, which JSON cannot say", short(name), numbers[row]);
                return Err(Error::numeric(op, message).with_help("make it missing first: table.map(.., |x| ..)"));
            }
        }
        Ok(())
    }

    fn json_lines(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut line = Vec::new();
        for row in 0..self.num_rows() {
            line.clear();
            line.push(b'{');
            for (name, column) in self.columns() {
                let value = column.get(row).unwrap_or(Value::Missing);
                if value.is_missing() {
                    continue;
                }
                if line.len() > 1 {
                    line.push(b',');
                }
                serde_json::to_writer(&mut line, name)?;
                line.push(b':');
                match value {
                    Value::Text(text) => serde_json::to_writer(&mut line, text)?,
                    value => line.extend(value.to_string().bytes()),
                }
            }
            line.extend(b"}\n");
            out.write_all(&line)?;
        }
        out.flush()
    }
}

#[track_caller]
fn parse(op: &'static str, place: &str, bytes: &[u8]) -> Result<Table> {
    let caller = Location::caller();
    let wrong = |line: usize, what: &str| Error::format(op, format!("{place}line {line}{what}")).at(caller);
    let mut table = Draft {
        columns: Vec::new(),
        places: HashMap::new(),
        rows: 0,
        most: bytes.len().saturating_mul(VALUES_PER_BYTE),
    };
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    for (i, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(wrong(i + 1, ": the text is not UTF-8").with_help("save the file as UTF-8"));
        };
        if line.trim().is_empty() {
            continue;
        }
        let mut json = serde_json::Deserializer::from_str(line);
        let read = table.deserialize_row(&mut json).and_then(|()| json.end());
        if let Err(e) = read {
            let message = e.to_string();
            let what = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
            let e = wrong(i + 1, &format!(", character {}: {what}", e.column()));
            if line.trim_start().starts_with('[') {
                return Err(e.with_help(
                    "each line has an object: in Python, DataFrame.to_json(path, orient=\"records\", lines=True)",
                ));
            }
            return Err(match files::seems(bytes, &[files::Format::Json]) {
                _ if line.trim_start().starts_with('{') => e,
                Some((what, "")) => e.with_help(format!("the file seems to be {what}")),
                Some((what, help)) => e.with_help(format!("the file seems to be {what}: {help}")),
                None => e,
            });
        }
        table.rows += 1;
    }
    if table.rows == 0 {
        let message = format!("{place}there are no rows");
        return Err(Error::format(op, message.replace(", there", ": there")));
    }
    let rows = table.rows;
    let columns = table.columns.into_iter().map(|(name, column)| (name, column.finish(rows))).collect();
    Ok(Table::from_checked(columns, rows))
}

/// A table while it is read.
struct Draft {
    columns: Vec<(String, ColumnDraft)>,
    places: HashMap<String, usize>,
    /// How many rows are complete.
    rows: usize,
    /// The most values.
    most: usize,
}

impl Draft {
    fn deserialize_row<'de, D: Deserializer<'de>>(&mut self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(Row(self))
    }

    /// The place of a column, which may be new.
    fn place(&mut self, name: &str) -> Result<usize, String> {
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        let count = self.columns.len();
        if count == MOST_COLUMNS {
            return Err(format!("more than {MOST_COLUMNS} names"));
        }
        // What is absent in the lines before takes memory too.
        let values = (count + 1).saturating_mul(self.rows + 1);
        if values > self.most {
            return Err(format!("{} names in {} lines, most of which have few of them", count + 1, self.rows + 1));
        }
        self.columns.push((name.to_string(), ColumnDraft::Absent));
        self.places.insert(name.to_string(), count);
        Ok(count)
    }
}

/// A column while it is read. Rows behind its last value are missing.
enum ColumnDraft {
    Absent,
    /// Numbers, with those that an `f64` rounds beside them.
    Numbers {
        values: Vec<f64>,
        exact: HashMap<usize, i128>,
    },
    Texts {
        texts: Box<TextBuilder>,
        len: usize,
    },
}

/// A value of a line.
enum Cell<'a> {
    Missing,
    Number(f64),
    Integer(i128),
    Text(Cow<'a, str>),
}

impl ColumnDraft {
    fn len(&self) -> usize {
        match self {
            Self::Absent => 0,
            Self::Numbers { values, .. } => values.len(),
            Self::Texts { len, .. } => *len,
        }
    }

    /// Adds the value of a row, which is none before the column's end.
    fn set(&mut self, row: usize, cell: Cell<'_>) {
        if let (Self::Absent, Cell::Number(_) | Cell::Integer(_)) = (&*self, &cell) {
            *self = Self::Numbers { values: Vec::new(), exact: HashMap::new() };
        }
        if let Cell::Text(_) = cell
            && !matches!(self, Self::Texts { .. })
        {
            *self = self.as_texts();
        }
        match self {
            Self::Absent => {}
            Self::Numbers { values, exact } => {
                values.resize(row, f64::NAN);
                match cell {
                    Cell::Number(x) => values.push(x),
                    Cell::Integer(x) => {
                        if super::column::may_be_rounded(x as f64) {
                            exact.insert(row, x);
                        }
                        values.push(x as f64);
                    }
                    Cell::Missing | Cell::Text(_) => values.push(f64::NAN),
                }
            }
            Self::Texts { texts, len } => {
                (*len..row).for_each(|_| texts.push(None));
                match &cell {
                    Cell::Missing => texts.push(None),
                    Cell::Number(x) => texts.push(Some(&Value::Number(*x).to_string())),
                    Cell::Integer(x) => texts.push(Some(&x.to_string())),
                    Cell::Text(text) => texts.push(Some(text)),
                }
                *len = row + 1;
            }
        }
    }

    fn as_texts(&self) -> Self {
        let mut texts = Box::new(TextBuilder::default());
        if let Self::Numbers { values, exact } = self {
            for (row, x) in values.iter().enumerate() {
                match exact.get(&row) {
                    Some(x) => texts.push(Some(&x.to_string())),
                    None if x.is_nan() => texts.push(None),
                    None => texts.push(Some(&Value::Number(*x).to_string())),
                }
            }
        }
        Self::Texts { texts, len: self.len() }
    }

    fn finish(self, rows: usize) -> Column {
        match self {
            Self::Absent => vec![f64::NAN; rows].into(),
            Self::Numbers { mut values, exact } => {
                values.resize(rows, f64::NAN);
                let is_whole = |x: &f64| x.is_nan() || super::column::whole(*x).is_some();
                if exact.is_empty() || !values.iter().all(is_whole) {
                    return values.into();
                }
                let value = |(row, x): (usize, &f64)| exact.get(&row).copied().or_else(|| super::column::whole(*x));
                values.iter().enumerate().map(value).collect()
            }
            Self::Texts { mut texts, len } => {
                (len..rows).for_each(|_| texts.push(None));
                (*texts).into()
            }
        }
    }
}

/// Reads the object of a line.
struct Row<'d>(&'d mut Draft);

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a value for each column")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(table) = self;
        while let Some(name) = map.next_key::<String>()? {
            let place = table.place(&name).map_err(A::Error::custom)?;
            let column = &mut table.columns[place].1;
            if column.len() > table.rows {
                return Err(A::Error::custom(format_args!("`{}` is there twice", short(&name))));
            }
            let cell = map.next_value_seed(Reader(&name))?;
            column.set(table.rows, cell);
        }
        Ok(())
    }
}

/// Reads a value of the column with this name.
struct Reader<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Cell<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cell<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a text, a truth value or null")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Missing)
    }

    fn visit_bool<E: de::Error>(self, x: bool) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(if x { "true" } else { "false" })))
    }

    fn visit_f64<E: de::Error>(self, x: f64) -> Result<Cell<'de>, E> {
        Ok(Cell::Number(x))
    }

    fn visit_i64<E: de::Error>(self, x: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::Integer(x.into()))
    }

    fn visit_u64<E: de::Error>(self, x: u64) -> Result<Cell<'de>, E> {
        Ok(Cell::Integer(x.into()))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(text.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Cell<'de>, A::Error> {
        Err(A::Error::custom(format_args!("`{}` is a list, a table has numbers and texts", short(self.0))))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Cell<'de>, A::Error> {
        Err(A::Error::custom(format_args!("`{}` is an object, a table has numbers and texts", short(self.0))))
    }
}
