//! Arrow's IPC format.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Float64Array, Int64Array, LargeStringArray, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::writer::FileWriter;
use arrow_ipc::{Block, root_as_footer, root_as_message};
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::{DAY, Written, dated, decimals, guarded, limits, refused, seconds, truths, wrong};
use crate::data::column::{Column, ColumnKind, Value};
use crate::data::table::Table;
use crate::error::{Error, Result};
use crate::files::{self, SharedFile};

const REPACK: &str = "save it with another compression, in Python: frame.to_feather(path, compression=\"lz4\")";

/// A file, and what is said of it in errors.
struct Source<'p> {
    op: &'static str,
    path: &'p Path,
    file: SharedFile,
    length: u64,
}

#[track_caller]
pub(super) fn read(op: &'static str, path: &Path) -> Result<Table> {
    let file = files::open(op, path)?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let source = Source { op, path, file: SharedFile::new(file), length };
    guarded(op, path, || source.table())
}

impl Source<'_> {
    fn wrong(&self, message: impl std::fmt::Display) -> Error {
        wrong(self.op, self.path, message)
    }

    #[track_caller]
    fn bytes(&self, at: u64, count: u64) -> Result<Vec<u8>> {
        if at.checked_add(count).is_none_or(|end| end > self.length) {
            let length = self.length;
            return Err(self.wrong(format_args!("{count} bytes at {at} in a file of {length}")));
        }
        let mut bytes = vec![0; count as usize];
        match self.file.read_exact_at(&mut bytes, at) {
            Ok(()) => Ok(bytes),
            Err(e) => Err(Error::io(self.op, self.path, e)),
        }
    }

    #[track_caller]
    fn table(&self) -> Result<Table> {
        let (wanted, none) = ("a file in Arrow's IPC format", "this is no file in Arrow's IPC format");
        let head = self.bytes(0, self.length.min(6))?;
        if head.starts_with(b"FEA1") {
            let e = self.wrong("Feather of version 1");
            return Err(e.with_help("save it again, in Python: pyarrow.feather.write_feather(frame, path)"));
        }
        if head != b"ARROW1" || self.length < 18 {
            return Err(files::refused(self.op, self.path, &[], wanted, none));
        }
        let tail = self.bytes(self.length - 10, 10)?;
        let footer_length = match tail.first_chunk().map(|tail| read_footer_length(*tail)) {
            Some(Ok(length)) => length as u64,
            Some(Err(e)) => return Err(self.wrong(e)),
            None => return Err(self.wrong("the file is cut")),
        };
        let footer_at = (self.length - 10).checked_sub(footer_length);
        let Some(footer_at) = footer_at else { return Err(self.wrong("a footer that is longer than the file")) };
        let footer = self.bytes(footer_at, footer_length)?;
        let footer = match root_as_footer(&footer) {
            Ok(footer) => footer,
            Err(e) => return Err(self.wrong(e)),
        };
        let Some(schema) = footer.schema() else { return Err(self.wrong("there is no schema")) };
        let schema = match try_fb_to_schema(schema) {
            Ok(schema) => Arc::new(schema),
            Err(e) => return Err(self.wrong(e)),
        };
        let mut decoder = FileDecoder::new(schema.clone(), footer.version());
        for block in footer.dictionaries().into_iter().flatten() {
            let bytes = self.block(block, schema.fields().len())?;
            if let Err(e) = decoder.read_dictionary(block, &bytes) {
                return Err(self.wrong(e));
            }
        }
        let mut parts = Vec::new();
        for block in footer.recordBatches().into_iter().flatten() {
            let bytes = self.block(block, schema.fields().len())?;
            match decoder.read_record_batch(block, &bytes) {
                Ok(Some(batch)) => parts.push(self.part(&batch)?),
                Ok(None) => {}
                Err(e) => return Err(self.wrong(e)),
            }
        }
        match parts.len() {
            0 => self.part(&RecordBatch::new_empty(schema)),
            1 => Ok(parts.remove(0)),
            _ => Table::concat(&parts.iter().collect::<Vec<_>>()),
        }
    }

    /// The bytes of a message, whose sizes are possible.
    #[track_caller]
    fn block(&self, block: &Block, columns: usize) -> Result<Buffer> {
        let at = u64::try_from(block.offset()).unwrap_or(u64::MAX);
        let head = u64::try_from(block.metaDataLength()).unwrap_or(u64::MAX);
        let body = u64::try_from(block.bodyLength()).unwrap_or(u64::MAX);
        let bytes = self.bytes(at, head.saturating_add(body))?;
        let (message, body) = bytes.split_at(head as usize);
        let message = message.get(if message.starts_with(&[0xff; 4]) { 8 } else { 4 }..).unwrap_or_default();
        let message = match root_as_message(message) {
            Ok(message) => message,
            Err(e) => return Err(self.wrong(e)),
        };
        let dictionary = message.header_as_dictionary_batch().and_then(|batch| batch.data());
        for batch in message.header_as_record_batch().into_iter().chain(dictionary) {
            if let Err(message) = limits::check(&batch, columns, body) {
                let e = self.wrong(&message);
                return Err(if message.starts_with("it is packed") { e.with_help(REPACK) } else { e });
            }
        }
        Ok(Buffer::from_vec(bytes))
    }

    #[track_caller]
    fn part(&self, batch: &RecordBatch) -> Result<Table> {
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let Some(column) = column(array) else {
                let what = format!("values of the type {}", field.data_type());
                return Err(refused(self.op, self.path, field.name(), &what));
            };
            columns.push((field.name().clone(), column));
        }
        Table::named(self.op, columns)
    }
}

/// The values of a primitive array.
fn cells<T: ArrowPrimitiveType>(array: &dyn Array) -> impl Iterator<Item = Option<T::Native>> {
    array.as_primitive::<T>().iter()
}

/// The column of an array; nothing, if its values are none of a table.
fn column(array: &ArrayRef) -> Option<Column> {
    macro_rules! whole {
        ($t:ty) => {
            cells::<$t>(array).map(|x| x.map(i128::from)).collect()
        };
    }
    macro_rules! times {
        ($unit:expr; $s:ty, $ms:ty, $us:ty, $ns:ty) => {
            match $unit {
                TimeUnit::Second => seconds(cells::<$s>(array).map(|x| x.map(i64::from)), 1.0),
                TimeUnit::Millisecond => seconds(cells::<$ms>(array).map(|x| x.map(i64::from)), 1e3),
                TimeUnit::Microsecond => seconds(cells::<$us>(array).map(|x| x.map(i64::from)), 1e6),
                TimeUnit::Nanosecond => seconds(cells::<$ns>(array).map(|x| x.map(i64::from)), 1e9),
            }
        };
    }
    Some(match array.data_type() {
        DataType::Null => vec![f64::NAN; array.len()].into(),
        DataType::Boolean => truths(array.as_boolean().iter()),
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::UInt8 => whole!(UInt8Type),
        DataType::UInt16 => whole!(UInt16Type),
        DataType::UInt32 => whole!(UInt32Type),
        DataType::UInt64 => whole!(UInt64Type),
        DataType::Float16 => cells::<Float16Type>(array).map(|x| x.map(f64::from)).collect(),
        DataType::Float32 => cells::<Float32Type>(array).map(|x| x.map(f64::from)).collect(),
        DataType::Float64 => cells::<Float64Type>(array).collect(),
        DataType::Utf8 => array.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().collect(),
        DataType::Utf8View => array.as_string_view().iter().collect(),
        DataType::Date32 => dated(cells::<Date32Type>(array).map(|x| x.map(|x| f64::from(x) * DAY)).collect()),
        DataType::Date64 => dated(seconds(cells::<Date64Type>(array), 1e3)),
        DataType::Timestamp(unit, _) => dated(times!(
            unit; TimestampSecondType, TimestampMillisecondType, TimestampMicrosecondType, TimestampNanosecondType
        )),
        DataType::Duration(unit) => times!(
            unit; DurationSecondType, DurationMillisecondType, DurationMicrosecondType, DurationNanosecondType
        ),
        DataType::Time32(TimeUnit::Second) => seconds(cells::<Time32SecondType>(array).map(|x| x.map(i64::from)), 1.0),
        DataType::Time32(_) => seconds(cells::<Time32MillisecondType>(array).map(|x| x.map(i64::from)), 1e3),
        DataType::Time64(TimeUnit::Microsecond) => seconds(cells::<Time64MicrosecondType>(array), 1e6),
        DataType::Time64(_) => seconds(cells::<Time64NanosecondType>(array), 1e9),
        DataType::Decimal128(_, scale) => decimals(cells::<Decimal128Type>(array), i32::from(*scale)),
        DataType::Dictionary(..) => return looked_up(array),
        _ => return None,
    })
}

/// The values that the keys of a dictionary stand for.
fn looked_up(array: &ArrayRef) -> Option<Column> {
    let dictionary = array.as_any_dictionary_opt()?;
    let values = column(dictionary.values())?;
    let keys = if values.is_empty() { vec![0; array.len()] } else { dictionary.normalized_keys() };
    let value = |(row, key): (usize, &usize)| match dictionary.is_null(row) {
        true => Value::Missing,
        false => values.get(*key).unwrap_or(Value::Missing),
    };
    let rows = keys.iter().enumerate().map(value);
    Some(match values.kind() {
        ColumnKind::Text => rows.map(|value| value.text()).collect(),
        _ => rows.map(|value| value.number()).collect(),
    })
}

#[track_caller]
pub(super) fn write(op: &'static str, table: &Table, path: &Path) -> Result<()> {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (name, column) in table.columns() {
        let array: ArrayRef = match Written::of(column) {
            Written::Integers(values) => Arc::new(Int64Array::from(values)),
            Written::Numbers(values) => Arc::new(Float64Array::from(values)),
            Written::Texts => Arc::new(column.iter().map(|value| value.text()).collect::<LargeStringArray>()),
        };
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let batch = match RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays) {
        Ok(batch) => batch,
        Err(e) => return Err(wrong(op, path, e)),
    };
    files::replace(op, path, |out| {
        let written = FileWriter::try_new(out, batch.schema_ref()).and_then(|mut writer| {
            writer.write(&batch)?;
            writer.finish()
        });
        written.map_err(std::io::Error::other)
    })
}
