//! Protocol buffers: as much of their format as event files need.

use crate::error::{Error, Result};

/// A message that is put together field by field.
#[derive(Default)]
pub(super) struct Message(pub(super) Vec<u8>);

/// How a field is written.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const BYTES: u64 = 2;
const FOUR_BYTES: u64 = 5;

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    pub(super) fn integer(mut self, field: u64, value: i64) -> Self {
        self.key(field, VARINT);
        self.varint(value as u64);
        self
    }

    pub(super) fn double(mut self, field: u64, value: f64) -> Self {
        self.key(field, EIGHT_BYTES);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn float(mut self, field: u64, value: f32) -> Self {
        self.key(field, FOUR_BYTES);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.key(field, BYTES);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub(super) fn message(self, field: u64, value: Self) -> Self {
        self.bytes(field, &value.0)
    }

    pub(super) fn doubles(self, field: u64, values: impl IntoIterator<Item = f64>) -> Self {
        let mut packed = Vec::new();
        values.into_iter().for_each(|value| packed.extend(value.to_le_bytes()));
        self.bytes(field, &packed)
    }
}

/// The value of a field.
#[derive(Clone, Copy)]
pub(super) enum Value<'m> {
    Integer(u64),
    Double(f64),
    Float(f32),
    Bytes(&'m [u8]),
}

impl<'m> Value<'m> {
    pub(super) fn integer(self) -> i64 {
        if let Self::Integer(value) = self { value as i64 } else { 0 }
    }

    pub(super) fn double(self) -> f64 {
        match self {
            Self::Double(value) => value,
            Self::Float(value) => f64::from(value),
            _ => 0.0,
        }
    }

    pub(super) fn bytes(self) -> &'m [u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }

    pub(super) fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// One number, or several in one piece.
    pub(super) fn doubles(self, to: &mut Vec<f64>) {
        match self {
            Self::Bytes(bytes) => to.extend(bytes.as_chunks::<8>().0.iter().map(|word| f64::from_le_bytes(*word))),
            other => to.push(other.double()),
        }
    }
}

/// The fields of a message, with their numbers.
pub(super) struct Fields<'m>(pub(super) &'m [u8]);

impl<'m> Fields<'m> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: u64) -> Option<&'m [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Value<'m>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            VARINT => Value::Integer(self.varint()?),
            EIGHT_BYTES => Value::Double(f64::from_le_bytes(*self.take(8)?.first_chunk()?)),
            BYTES => {
                let count = self.varint()?;
                Value::Bytes(self.take(count)?)
            }
            FOUR_BYTES => Value::Float(f32::from_le_bytes(*self.take(4)?.first_chunk()?)),
            _ => return None,
        };
        Some((key >> 3, value))
    }

    /// The next field, if there is one.
    #[track_caller]
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'m>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        match self.field() {
            Some(field) => Ok(Some(field)),
            None => Err(Error::format("events", "a field of a message is cut off or of an unknown kind")),
        }
    }
}
