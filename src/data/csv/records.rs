//! The records of a text: lines, unless there are line breaks in quotes.

/// A field of the present record.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
    /// Whether these are positions in the text. A field that does not stand there as it is, because of doubled quotes, is
    /// kept beside it.
    in_text: bool,
    quoted: bool,
}

/// A field with the quotes around it removed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Field<'r> {
    pub(super) text: &'r str,
    /// Whether it stood in quotes, between which white space is a part of it.
    pub(super) quoted: bool,
}

/// The records of a text, one at a time. Fields are separated by the delimiter, records by `\n`, `\r\n` or `\r`. In a
/// field that begins with a quote, all of these are text up to the next quote; two quotes stand for one. What follows the
/// closing quote belongs to the field as it is. A quote inside a field that begins without one is a character like others.
/// Blank lines are passed over.
///
/// The text is looked at once, and the fields of one record are in memory at a time.
pub(super) struct Records<'t> {
    text: &'t str,
    delimiter: u8,
    /// Whether white space around a field is dropped: it may then stand before a quote too.
    trim: bool,
    /// The byte behind the present record, and the one with which it begins.
    at: usize,
    start: usize,
    /// How many fields are kept.
    limit: usize,
    fields: Vec<Place>,
    len: usize,
    /// Whether a field that is not kept is not empty.
    surplus: bool,
    unquoted: String,
}

/// The byte with a quote that is never closed.
#[derive(Debug, PartialEq)]
pub(super) struct Unclosed(pub(super) usize);

impl<'t> Records<'t> {
    pub(super) fn new(text: &'t str, delimiter: u8, trim: bool, limit: usize) -> Self {
        let (fields, unquoted) = (Vec::new(), String::new());
        Self { text, delimiter, trim, at: 0, start: 0, limit, fields, len: 0, surplus: false, unquoted }
    }

    /// Goes to the next record; `false` if there is none.
    pub(super) fn advance(&mut self) -> Result<bool, Unclosed> {
        self.skip_blank_lines();
        self.fields.clear();
        self.unquoted.clear();
        self.len = 0;
        self.surplus = false;
        self.start = self.at;
        let bytes = self.text.as_bytes();
        if self.at == bytes.len() {
            return Ok(false);
        }
        loop {
            let place = self.field()?;
            self.len += 1;
            match self.len <= self.limit {
                true => self.fields.push(place),
                false => {
                    let from = if place.in_text { self.text } else { &self.unquoted };
                    self.surplus |= !from[place.start..place.end].trim().is_empty();
                }
            }
            match bytes.get(self.at) {
                Some(byte) if *byte == self.delimiter => self.at += 1,
                Some(b'\r') if bytes.get(self.at + 1) == Some(&b'\n') => {
                    self.at += 2;
                    return Ok(true);
                }
                Some(_) => {
                    self.at += 1;
                    return Ok(true);
                }
                None => return Ok(true),
            }
        }
    }

    /// Reads one field and stops before what ends it.
    fn field(&mut self) -> Result<Place, Unclosed> {
        let text = self.text;
        let open = if self.trim { self.behind_spaces(self.at) } else { self.at };
        if text.as_bytes().get(open) != Some(&b'"') {
            let (start, end) = (self.at, self.behind_plain(self.at));
            self.at = end;
            return Ok(Place { start, end, in_text: true, quoted: false });
        }
        let from = self.unquoted.len();
        let mut piece = open + 1;
        loop {
            let Some(length) = text[piece..].find('"') else { return Err(Unclosed(open)) };
            let close = piece + length;
            if text.as_bytes().get(close + 1) == Some(&b'"') {
                self.unquoted += &text[piece..=close];
                piece = close + 2;
                continue;
            }
            let end = self.behind_plain(close + 1);
            self.at = end;
            let rest = &text[close + 1..end];
            let rest = if self.trim { rest.trim_end() } else { rest };
            if rest.is_empty() && self.unquoted.len() == from {
                return Ok(Place { start: piece, end: close, in_text: true, quoted: true });
            }
            self.unquoted += &text[piece..close];
            self.unquoted += rest;
            return Ok(Place { start: from, end: self.unquoted.len(), in_text: false, quoted: true });
        }
    }

    fn behind_spaces(&self, at: usize) -> usize {
        let bytes = &self.text.as_bytes()[at..];
        at + bytes.iter().take_while(|b| matches!(b, b' ' | b'\t') && **b != self.delimiter).count()
    }

    /// The next delimiter or end of a line.
    fn behind_plain(&self, at: usize) -> usize {
        let bytes = &self.text.as_bytes()[at..];
        at + bytes.iter().position(|b| *b == self.delimiter || matches!(b, b'\n' | b'\r')).unwrap_or(bytes.len())
    }

    fn skip_blank_lines(&mut self) {
        let bytes = self.text.as_bytes();
        loop {
            let end = if self.trim { self.behind_spaces(self.at) } else { self.at };
            match bytes.get(end) {
                Some(b'\n' | b'\r') => self.at = end + 1,
                None => {
                    self.at = end;
                    return;
                }
                Some(_) => return,
            }
        }
    }

    /// How many fields the present record has, with those that are not kept.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether one of those that are not kept has something in it.
    pub(super) fn has_surplus(&self) -> bool {
        self.surplus
    }

    pub(super) fn fields(&self) -> impl ExactSizeIterator<Item = Field<'_>> {
        self.fields.iter().map(|place| {
            let from = if place.in_text { self.text } else { &self.unquoted };
            Field { text: &from[place.start..place.end], quoted: place.quoted }
        })
    }

    /// The line on which the present record begins, and the one on which it ends.
    pub(super) fn lines(&self) -> (usize, usize) {
        let first = line_at(self.text, self.start);
        let record = self.text[self.start..self.at].trim_end_matches(['\n', '\r']);
        (first, first + line_at(record, record.len()) - 1)
    }
}

/// The line, counted from 1, on which a byte stands. Lines end with `\n`, `\r\n` or `\r`.
pub(super) fn line_at(text: &str, byte: usize) -> usize {
    let before = &text.as_bytes()[..byte.min(text.len())];
    let ends =
        before.iter().enumerate().filter(|(i, b)| **b == b'\n' || (**b == b'\r' && before.get(i + 1) != Some(&b'\n')));
    1 + ends.count()
}

#[cfg(test)]
mod tests;
