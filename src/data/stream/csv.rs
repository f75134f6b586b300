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
mod tests;
