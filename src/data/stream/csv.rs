//! Where the records of a CSV file begin, found without keeping more than a piece of it in memory.

use std::io::{self, Read};

use crate::data::csv::Division as Format;

/// What a byte means, after those before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a field, behind white space at the most.
    Start,
    Plain,
    Quoted,
    /// Behind a quote in a field in quotes: another one makes it a part of the text.
    Quote,
}

/// A piece of a file: where it begins, in bytes and in lines counted from 1, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Piece {
    pub(super) at: u64,
    pub(super) line: u64,
    pub(super) length: u64,
}

/// Divides a file at the ends of records, by the rules of `csv/records.rs`.
struct Scanner {
    format: Format,
    state: State,
    /// Whether the byte before was a carriage return, which a line feed may follow.
    is_behind_return: bool,
    /// Whether the present record is more than a blank line.
    has_content: bool,
    line: u64,
    /// How many records the present piece has, and how many make one.
    count: usize,
    most: usize,
    records: usize,
    start: Piece,
    header: Option<Piece>,
    pieces: Vec<Piece>,
}

impl Scanner {
    fn see(&mut self, byte: u8, at: u64) {
        if self.is_behind_return {
            self.is_behind_return = false;
            if byte == b'\n' {
                return self.end_record(at + 1);
            }
            self.end_record(at);
        }
        let Format { delimiter, trim, .. } = self.format;
        let is_space = trim && matches!(byte, b' ' | b'\t') && byte != delimiter;
        if self.state == State::Quoted {
            self.line += u64::from(byte == b'\n');
            if byte == b'"' {
                self.state = State::Quote;
            }
            return;
        }
        self.state = match (self.state, byte) {
            (State::Quote, b'"') => State::Quoted,
            (_, b'\n') => return self.end_record(at + 1),
            (_, b'\r') => {
                self.is_behind_return = true;
                return;
            }
            (_, byte) if byte == delimiter => State::Start,
            (State::Start, b'"') => State::Quoted,
            (State::Start, _) if is_space => State::Start,
            _ => State::Plain,
        };
        self.has_content |= !is_space;
    }

    fn end_record(&mut self, end: u64) {
        self.count += usize::from(self.has_content);
        self.has_content = false;
        self.state = State::Start;
        self.line += 1;
        if self.count >= self.most {
            self.cut(end);
        }
    }

    fn cut(&mut self, end: u64) {
        self.start.length = end - self.start.at;
        match self.format.header && self.header.is_none() {
            true => self.header = Some(self.start),
            false => self.pieces.push(self.start),
        }
        self.start = Piece { at: end, line: self.line, length: 0 };
        (self.count, self.most) = (0, self.records);
    }
}

/// The header of a file, empty if it has none, and pieces of so many records each (the last may have fewer).
pub(super) fn pieces(input: &mut dyn Read, format: Format, records: usize) -> io::Result<(Piece, Vec<Piece>)> {
    let records = records.max(1);
    let mut scanner = Scanner {
        format,
        state: State::Start,
        is_behind_return: false,
        has_content: false,
        line: 1,
        count: 0,
        most: if format.header { 1 } else { records },
        records,
        start: Piece { at: 0, line: 1, length: 0 },
        header: None,
        pieces: Vec::new(),
    };
    let mut buffer = vec![0; 1 << 18];
    let mut at = 0;
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        for byte in &buffer[..read] {
            scanner.see(*byte, at);
            at += 1;
        }
    }
    if scanner.is_behind_return {
        scanner.end_record(at);
    }
    if at > scanner.start.at {
        scanner.cut(at);
    }
    Ok((scanner.header.unwrap_or_default(), scanner.pieces))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, header: bool, records: usize) -> (String, Vec<String>) {
        let format = Format { delimiter: b',', trim: true, header };
        let (first, found) = pieces(&mut text.as_bytes(), format, records).unwrap();
        let part = |piece: &Piece| text[piece.at as usize..][..piece.length as usize].to_string();
        for piece in &found {
            let before = &text[..piece.at as usize];
            let lines = before.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count();
            assert!(before.contains("\"") || piece.line == lines as u64 + 1, "{text:?}: {piece:?}");
        }
        (part(&first), found.iter().map(part).collect())
    }

    #[test]
    fn records_stay_whole() {
        for end in ["\n", "\r\n", "\r"] {
            let text = |lines: &[&str]| lines.join(end);
            let (header, parts) = cut(&text(&["a,b", "1,2", "3,\"x", "y\"", "", "5,\"\"\"", "\"", "7,8"]), true, 2);
            assert_eq!(header, text(&["a,b", ""]));
            let wanted = [text(&["1,2", "3,\"x", "y\"", ""]), text(&["", "5,\"\"\"", "\"", "7,8"])];
            assert_eq!(parts, wanted, "{end:?}");
            let (header, parts) = cut(&text(&["1", "2", "3", ""]), false, 2);
            assert_eq!((header.as_str(), parts), ("", vec![text(&["1", "2", ""]), text(&["3", ""])]), "{end:?}");
        }
        assert_eq!(cut("", true, 3), (String::new(), vec![]));
        assert_eq!(cut("a", true, 3), ("a".to_string(), vec![]));
        // A quote that is never closed makes one record of the rest.
        assert_eq!(cut("a\n1\n\"2\n3\n4\n", true, 1).1, ["1\n", "\"2\n3\n4\n"]);
    }
}
