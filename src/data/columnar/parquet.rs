//! Parquet.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{AsBytes, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};
use bytes::Bytes;

use super::{DAY, Written, dated, decimals, guarded, packed_by, refused, seconds, truths, wrong};
use crate::data::column::Column;
use crate::data::table::Table;
use crate::error::{Error, Result, short};
use crate::files::{self, SharedFile};
use crate::tensor::create::check_list;

/// What a value takes while it is read.
const VALUE: usize = 16;

/// A Parquet file, of which groups of rows are read.
pub(in crate::data) struct ParquetFile {
    path: PathBuf,
    reader: SerializedFileReader<Pieces>,
    /// The rows of each group.
    rows: Vec<usize>,
}

/// Pieces of a file, which several threads read at once: the library's own way moves the one position of a file.
#[derive(Clone)]
struct Pieces {
    file: Arc<SharedFile>,
    length: u64,
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Pieces {
    type T = Piece;

    fn get_read(&self, start: u64) -> Result<Piece, ParquetError> {
        Ok(Piece { of: self.clone(), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            let all = self.length;
            return Err(ParquetError::General(format!("{length} bytes at {start} in a file of {all}")));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// What stands in a file from some place on.
struct Piece {
    of: Pieces,
    at: u64,
}

impl Read for Piece {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (out.len() as u64).min(self.of.length.saturating_sub(self.at)) as usize;
        self.of.file.read_exact_at(&mut out[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl ParquetFile {
    #[track_caller]
    pub(in crate::data) fn open(op: &'static str, path: &Path) -> Result<Self> {
        let file = files::open(op, path)?;
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let file = Pieces { file: Arc::new(SharedFile::new(file)), length };
        guarded(op, path, || {
            let reader = match SerializedFileReader::new(file) {
                Ok(reader) => reader,
                Err(e) => return Err(failed(op, path, &e)),
            };
            let columns = reader.metadata().file_metadata().schema_descr().num_columns();
            let mut rows = Vec::new();
            for group in reader.metadata().row_groups() {
                let Ok(count) = usize::try_from(group.num_rows()) else {
                    return Err(wrong(op, path, format_args!("a group of {} rows", group.num_rows())));
                };
                check_list(op, "values", count.saturating_mul(columns.max(1)), VALUE)?;
                for column in group.columns() {
                    let known =
                        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4, Compression::LZ4_RAW];
                    let packed = column.compression();
                    if !known.contains(&packed) && !matches!(packed, Compression::GZIP(_)) {
                        let name = format!("{packed:?}");
                        let name = name.split('(').next().unwrap_or_default();
                        return Err(wrong(op, path, packed_by(name, "none, Snappy, gzip, LZ4")).with_help(REPACK));
                    }
                }
                rows.push(count);
            }
            Ok(Self { path: path.to_path_buf(), reader, rows })
        })
    }

    pub(in crate::data) fn num_groups(&self) -> usize {
        self.rows.len()
    }

    /// How many rows a group has, which must exist.
    pub(in crate::data) fn num_rows(&self, group: usize) -> usize {
        self.rows[group]
    }

    /// Whether the memory holds all groups at once.
    #[track_caller]
    pub(in crate::data) fn check_memory(&self, op: &'static str) -> Result<()> {
        let rows = self.rows.iter().fold(0usize, |all, rows| all.saturating_add(*rows));
        check_list(op, "values", rows.saturating_mul(self.schema().num_columns().max(1)), VALUE)
    }

    fn schema(&self) -> &SchemaDescriptor {
        self.reader.metadata().file_metadata().schema_descr()
    }

    /// The table of a file without groups: its columns are what the schema says.
    #[track_caller]
    pub(in crate::data) fn without_rows(&self, op: &'static str) -> Result<Table> {
        let mut columns = Vec::new();
        for description in self.schema().columns() {
            let name = column_name(op, &self.path, description)?;
            let is_text = match description.physical_type() {
                Physical::BOOLEAN => true,
                Physical::BYTE_ARRAY => scale(description).is_none(),
                _ => false,
            };
            let column = if is_text { Column::from(Vec::<String>::new()) } else { Column::from(Vec::<f64>::new()) };
            columns.push((name.to_string(), column));
        }
        Table::named(op, columns)
    }

    /// The rows of a group, which must exist.
    #[track_caller]
    pub(in crate::data) fn read(&self, op: &'static str, group: usize) -> Result<Table> {
        guarded(op, &self.path, || self.group(op, group))
    }

    #[track_caller]
    fn group(&self, op: &'static str, group: usize) -> Result<Table> {
        let path = &self.path;
        let (rows, reader) = match self.reader.get_row_group(group) {
            Ok(reader) => (self.rows[group], reader),
            Err(e) => return Err(failed(op, path, &e)),
        };
        let schema = self.schema();
        let mut columns = Vec::with_capacity(schema.num_columns());
        for (i, description) in schema.columns().iter().enumerate() {
            let name = column_name(op, path, description)?;
            let column = match reader.get_column_reader(i) {
                Ok(column) => column,
                Err(e) => return Err(failed(op, path, &e)),
            };
            let made = match values(column, description, rows) {
                Ok(Some(column)) => column,
                Ok(None) => return Err(refused(op, path, name, "bytes or values of another kind")),
                Err(e) => return Err(failed(op, path, &e)),
            };
            if made.len() != rows {
                let message = format!("column `{}` has {} values, the group {rows} rows", short(name), made.len());
                return Err(wrong(op, path, message));
            }
            columns.push((name.to_string(), made));
        }
        Table::named(op, columns)
    }
}

/// The name of a column, if it is one of numbers or texts.
#[track_caller]
fn column_name<'d>(op: &'static str, path: &Path, description: &'d ColumnDescriptor) -> Result<&'d str> {
    let parts = description.path().parts();
    let name = parts.first().map_or("", String::as_str);
    match description.max_rep_level() > 0 || parts.len() > 1 {
        true => Err(refused(op, path, name, "lists or structures")),
        false => Ok(name),
    }
}

/// How many digits of a decimal stand behind its point.
fn scale(of: &ColumnDescriptor) -> Option<i32> {
    match of.logical_type_ref() {
        Some(LogicalType::Decimal(decimal)) => Some(decimal.scale),
        _ => (of.converted_type() == ConvertedType::DECIMAL).then(|| of.type_scale()),
    }
}

/// An error of the reader or writer of the format.
#[track_caller]
fn failed(op: &'static str, path: &Path, e: &ParquetError) -> Error {
    let message = e.to_string();
    let message = message.strip_prefix("Parquet error: ").unwrap_or(&message);
    wrong(op, path, message)
}

const REPACK: &str = "save it with another compression, in Python: frame.to_parquet(path, compression=\"snappy\")";

/// Reads a column, `None` for a gap.
fn cells<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    optional: bool,
    rows: usize,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let mut cells = Vec::new();
    while cells.len() < rows {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let most = (rows - cells.len()).min(1 << 16);
        let (records, ..) = reader.read_records(most, optional.then_some(&mut levels), None, &mut values)?;
        if records == 0 {
            break;
        }
        let mut values = values.into_iter();
        match optional {
            true => cells.extend(levels.iter().map(|level| if *level > 0 { values.next() } else { None })),
            false => cells.extend(values.map(Some)),
        }
    }
    Ok(cells)
}

/// The values of a column; nothing, if they are none of a table.
fn values(column: ColumnReader, of: &ColumnDescriptor, rows: usize) -> Result<Option<Column>, ParquetError> {
    let optional = of.max_def_level() > 0;
    let (logical, converted) = (of.logical_type_ref(), of.converted_type());
    let scale = scale(of);
    // Units of a second, for times of a day and for points in time.
    let unit = match logical {
        Some(LogicalType::Timestamp(time) | LogicalType::Time(time)) => Some(match time.unit {
            TimeUnit::MILLIS => 1e3,
            TimeUnit::MICROS => 1e6,
            TimeUnit::NANOS => 1e9,
        }),
        _ => match converted {
            ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIME_MILLIS => Some(1e3),
            ConvertedType::TIMESTAMP_MICROS | ConvertedType::TIME_MICROS => Some(1e6),
            _ => None,
        },
    };
    let is_time_of_day = matches!(logical, Some(LogicalType::Time(_)))
        || matches!(converted, ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS);
    let is_unsigned = match logical {
        Some(LogicalType::Integer(integer)) => !integer.is_signed,
        _ => matches!(
            converted,
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        ),
    };
    let is_date = logical == Some(&LogicalType::Date) || converted == ConvertedType::DATE;
    Ok(Some(match column {
        ColumnReader::BoolColumnReader(reader) => truths(cells(reader, optional, rows)?.into_iter()),
        ColumnReader::FloatColumnReader(reader) => {
            cells(reader, optional, rows)?.into_iter().map(|x| x.map(f64::from)).collect()
        }
        ColumnReader::DoubleColumnReader(reader) => cells(reader, optional, rows)?.into_iter().collect(),
        ColumnReader::Int32ColumnReader(reader) => {
            let cells = cells(reader, optional, rows)?.into_iter();
            match (scale, unit) {
                (Some(scale), _) => decimals(cells.map(|x| x.map(i128::from)), scale),
                (None, Some(unit)) => seconds(cells.map(|x| x.map(i64::from)), unit),
                (None, None) if is_date => dated(cells.map(|x| x.map(|x| f64::from(x) * DAY)).collect()),
                (None, None) if is_unsigned => cells.map(|x| x.map(|x| i64::from(x.cast_unsigned()))).collect(),
                (None, None) => cells.map(|x| x.map(i64::from)).collect(),
            }
        }
        ColumnReader::Int64ColumnReader(reader) => {
            let cells = cells(reader, optional, rows)?.into_iter();
            match (scale, unit) {
                (Some(scale), _) => decimals(cells.map(|x| x.map(i128::from)), scale),
                (None, Some(unit)) if is_time_of_day => seconds(cells, unit),
                (None, Some(unit)) => dated(seconds(cells, unit)),
                (None, None) if is_unsigned => cells.map(|x| x.map(|x| i128::from(x.cast_unsigned()))).collect(),
                (None, None) => cells.collect(),
            }
        }
        // Times of old writers.
        ColumnReader::Int96ColumnReader(reader) => {
            dated(seconds(cells(reader, optional, rows)?.into_iter().map(|x| x.map(|x| x.to_nanos())), 1e9))
        }
        ColumnReader::ByteArrayColumnReader(reader) => {
            let cells = cells(reader, optional, rows)?;
            match scale {
                Some(scale) => match whole(cells.iter().map(|x| x.as_ref().map(ByteArray::data))) {
                    Some(whole) => decimals(whole.into_iter(), scale),
                    None => return Ok(None),
                },
                None => {
                    let texts: Result<Vec<Option<&str>>, ParquetError> =
                        cells.iter().map(|x| x.as_ref().map(ByteArray::as_utf8).transpose()).collect();
                    match (texts, logical) {
                        (Ok(texts), _) => texts.into_iter().collect(),
                        (Err(e), Some(LogicalType::String)) => return Err(e),
                        (Err(_), _) => return Ok(None),
                    }
                }
            }
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            let cells = cells(reader, optional, rows)?;
            let bytes = cells.iter().map(|x| x.as_ref().map(AsBytes::as_bytes));
            match (scale, logical) {
                (Some(scale), _) => match whole(bytes) {
                    Some(whole) => decimals(whole.into_iter(), scale),
                    None => return Ok(None),
                },
                (None, Some(LogicalType::Float16)) => bytes
                    .map(|x| x.and_then(<[u8]>::first_chunk).map(|x| half::f16::from_le_bytes(*x).to_f64()))
                    .collect(),
                (None, _) => return Ok(None),
            }
        }
    }))
}

/// Whole numbers of up to 16 bytes, the highest first; nothing, if one has more.
fn whole<'b>(values: impl Iterator<Item = Option<&'b [u8]>>) -> Option<Vec<Option<i128>>> {
    values
        .map(|bytes| match bytes {
            None => Some(None),
            Some(bytes) if bytes.len() > 16 => None,
            Some(bytes) => {
                let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
                Some(Some(bytes.iter().fold(sign, |x: i128, byte| x << 8 | i128::from(*byte))))
            }
        })
        .collect()
}

/// Rows of a group.
const GROUP: usize = 1 << 16;

#[track_caller]
pub(super) fn write(op: &'static str, table: &Table, path: &Path) -> Result<()> {
    let bytes = match encoded(table) {
        Ok(bytes) => bytes,
        Err(e) => return Err(failed(op, path, &e)),
    };
    files::replace(op, path, |out| out.write_all(&bytes))
}

fn encoded(table: &Table) -> Result<Vec<u8>, ParquetError> {
    let columns: Vec<(&str, &Column, Written)> =
        table.columns().map(|(name, column)| (name, column, Written::of(column))).collect();
    let mut fields = Vec::with_capacity(columns.len());
    for (name, _, written) in &columns {
        let (physical, logical) = match written {
            Written::Integers(_) => (Physical::INT64, None),
            Written::Numbers(_) => (Physical::DOUBLE, None),
            Written::Texts => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let field = Type::primitive_type_builder(name, physical);
        let field = field.with_repetition(Repetition::OPTIONAL).with_logical_type(logical).build()?;
        fields.push(Arc::new(field));
    }
    let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties))?;
    for start in (0..table.num_rows()).step_by(GROUP) {
        let rows = start..(start + GROUP).min(table.num_rows());
        let mut group = writer.next_row_group()?;
        for (_, column, written) in &columns {
            let Some(mut out) = group.next_column()? else { break };
            match written {
                Written::Integers(values) => {
                    let (levels, values) = levels(values[rows.clone()].iter().copied());
                    out.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
                }
                Written::Numbers(values) => {
                    let (levels, values) = levels(values[rows.clone()].iter().copied());
                    out.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
                }
                Written::Texts => {
                    let texts = rows.clone().map(|row| column.get(row).and_then(|value| value.text()));
                    let (levels, values) = levels(texts.map(|text| text.map(ByteArray::from)));
                    out.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
                }
            }
            out.close()?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(bytes)
}

/// Which values are there, and those that are.
fn levels<T>(values: impl Iterator<Item = Option<T>>) -> (Vec<i16>, Vec<T>) {
    let (mut levels, mut there) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        there.extend(value);
    }
    (levels, there)
}
