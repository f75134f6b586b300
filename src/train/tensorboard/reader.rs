//! Reading event files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::panic::Location;
use std::path::Path;

use super::wire::{Fields, Value};
use super::{START, crc, field};
use crate::error::{Error, Result};
use crate::train::histogram::Histogram;

/// One value of an event file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// When it was written, in seconds since 1970.
    pub wall_time: f64,
    /// The step that it belongs to.
    pub step: i64,
    /// Its name; empty for what is no summary.
    pub tag: String,
    /// The value.
    pub value: EventValue,
}

/// What an [`Event`] is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventValue {
    /// The version of the format, at the beginning of each file.
    FileVersion(String),
    /// The run begins anew here: what was written of this step and later ones is not valid any more.
    SessionStart,
    /// A point of a curve.
    Scalar(f64),
    /// A distribution.
    Histogram(Histogram),
    /// A picture as a file, PNG for most.
    Image {
        /// Columns of pixels.
        width: i64,
        /// Rows of pixels.
        height: i64,
        /// The file.
        encoded: Vec<u8>,
    },
    /// A text.
    Text(String),
    /// Something else.
    Other,
}

const OP: &str = "events";

/// All values of an event file, in the order in which they were written. A record at the end that is not complete yet, as of a run that
/// goes on or was killed, is left out.
///
/// # Errors
/// If the file cannot be read, is no event file, or is damaged.
#[track_caller]
pub fn read_events(path: impl AsRef<Path>) -> Result<Vec<Event>> {
    let path = path.as_ref();
    let opened = File::open(path).and_then(|file| {
        // A folder opens, and fails at the first read.
        let len = file.metadata()?.len();
        Ok((file, len))
    });
    let (file, mut left) = match opened {
        Ok(opened) => opened,
        Err(e) => return Err(Error::io(OP, path, e)),
    };
    let mut file = BufReader::new(file);
    let (mut events, mut at) = (Vec::new(), 0);
    let caller = Location::caller();
    let damaged = |at: u64, what: &str| {
        let message = format!("{}: the record at byte {at} {what}", path.display());
        let e = Error::format(OP, message).at(caller);
        if at == 0 { e.with_help("event files begin with `events.out.tfevents` in their names") } else { e }
    };
    loop {
        let mut head = [0; 12];
        if left < head.len() as u64 {
            return Ok(events);
        }
        if let Err(e) = file.read_exact(&mut head) {
            return Err(Error::io(OP, path, e));
        }
        let [size, sum] = [&head[..8], &head[8..]];
        if crc::masked_crc32c(size).to_le_bytes() != *sum {
            return Err(damaged(at, "has another size than its checksum says"));
        }
        let size = size.iter().rev().fold(0, |size, byte| size << 8 | u64::from(*byte));
        left -= head.len() as u64;
        let whole = size.saturating_add(4);
        if whole > left {
            return Ok(events);
        }
        // No larger than the file.
        let mut record = vec![0; whole as usize];
        if let Err(e) = file.read_exact(&mut record) {
            return Err(Error::io(OP, path, e));
        }
        left -= whole;
        let (event, sum) = record.split_at(size as usize);
        if crc::masked_crc32c(event).to_le_bytes() != *sum {
            return Err(damaged(at, "is damaged: its checksum differs"));
        }
        if let Err(e) = read_event(event, &mut events) {
            return Err(damaged(at, "is no event").with_source(e));
        }
        at += head.len() as u64 + whole;
    }
}

/// The values of one record.
#[track_caller]
fn read_event(bytes: &[u8], events: &mut Vec<Event>) -> Result<()> {
    let mut event = Event { wall_time: 0.0, step: 0, tag: String::new(), value: EventValue::Other };
    let mut summary = None;
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            field::WALL_TIME => event.wall_time = value.double(),
            field::STEP => event.step = value.integer(),
            field::FILE_VERSION => event.value = EventValue::FileVersion(value.text()),
            field::SUMMARY => summary = Some(value.bytes()),
            field::SESSION_LOG => {
                let mut fields = Fields(value.bytes());
                while let Some((number, value)) = fields.next()? {
                    if number == field::STATUS && value.integer() == START {
                        event.value = EventValue::SessionStart;
                    }
                }
            }
            _ => (),
        }
    }
    let Some(summary) = summary else {
        events.push(event);
        return Ok(());
    };
    let mut fields = Fields(summary);
    while let Some((number, value)) = fields.next()? {
        if number == field::VALUE {
            let (tag, value) = read_value(value.bytes())?;
            events.push(Event { tag, value, wall_time: event.wall_time, step: event.step });
        }
    }
    Ok(())
}

#[track_caller]
fn read_value(bytes: &[u8]) -> Result<(String, EventValue)> {
    let (mut tag, mut read) = (String::new(), EventValue::Other);
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            field::TAG => tag = value.text(),
            field::SIMPLE_VALUE => read = EventValue::Scalar(value.double()),
            field::IMAGE => read = read_image(value.bytes())?,
            field::HISTO => read = EventValue::Histogram(read_histogram(value.bytes())?),
            field::TENSOR => read = read_tensor(value.bytes())?,
            _ => (),
        }
    }
    Ok((tag, read))
}

#[track_caller]
fn read_image(bytes: &[u8]) -> Result<EventValue> {
    let (mut width, mut height, mut encoded) = (0, 0, Vec::new());
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            field::HEIGHT => height = value.integer(),
            field::WIDTH => width = value.integer(),
            field::ENCODED => encoded = value.bytes().to_vec(),
            _ => (),
        }
    }
    Ok(EventValue::Image { width, height, encoded })
}

#[track_caller]
fn read_histogram(bytes: &[u8]) -> Result<Histogram> {
    let (mut limits, mut counts) = (Vec::new(), Vec::new());
    let [mut min, mut max, mut count, mut sum, mut sum_squares] = [0.0; 5];
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            field::MIN => min = value.double(),
            field::MAX => max = value.double(),
            field::NUM => count = value.double(),
            field::SUM => sum = value.double(),
            field::SUM_SQUARES => sum_squares = value.double(),
            field::BUCKET_LIMIT => value.doubles(&mut limits),
            field::BUCKET => value.doubles(&mut counts),
            _ => (),
        }
    }
    // The file has the upper edges alone.
    let first = if count > 0.0 && min == max { limits.first().map_or(min, |_| min - 0.5) } else { min };
    let edges = if limits.is_empty() { vec![] } else { [&[first], &limits[..]].concat() };
    let counts: Vec<u64> = counts.into_iter().map(|count: f64| count as u64).collect();
    Ok(Histogram { edges, counts, count: count as u64, not_finite: 0, min, max, sum, sum_squares })
}

/// A text, or a number of single precision, as other programs write them too.
#[track_caller]
fn read_tensor(bytes: &[u8]) -> Result<EventValue> {
    let mut read = EventValue::Other;
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (field::STRING_VAL, value) => read = EventValue::Text(value.text()),
            (field::FLOAT_VAL, Value::Bytes(bytes)) => {
                if let Some(word) = bytes.first_chunk::<4>() {
                    read = EventValue::Scalar(f64::from(f32::from_le_bytes(*word)));
                }
            }
            (field::FLOAT_VAL, value) => read = EventValue::Scalar(value.double()),
            _ => (),
        }
    }
    Ok(read)
}
