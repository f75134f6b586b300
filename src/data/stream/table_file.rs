//! Tables in files, a block of rows at a time.

use std::io::{BufReader, Read, Seek};
use std::panic::Location;
use std::path::{Path, PathBuf};

use super::blocks::{Cache, ShuffleBuffer};
use super::csv::{Piece, pieces};
use crate::data::column::ColumnKind;
#[cfg(feature = "parquet")]
use crate::data::columnar::ParquetFile;
use crate::data::csv::CsvOptions;
use crate::data::dataset::{Dataset, TensorDataset};
use crate::data::loading::{BatchSampler, gathered};
use crate::data::preprocess::Preprocessor;
use crate::data::table::Table;
use crate::error::{Error, Here, Result};
use crate::files::{self, SharedFile};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// What is looked at to find out what stands between fields.
const HEAD: u64 = 1 << 16;
/// Rows of a block, unless another number is asked for.
const ROWS: usize = 4096;
/// Blocks that are mixed, unless another number is asked for.
const BUFFER: usize = 16;

/// A table in a file that may be larger than the memory. Opening it reads the file once from beginning to end, to find out where its
/// blocks of rows begin and what its columns hold, and keeps some words for each block. Later, blocks are read when they are needed.
///
/// ```
/// # let folder = tempfile::tempdir().map_err(|e| demotic::Error::io("example", std::path::Path::new("."), e))?;
/// # let path = folder.path().join("large.csv");
/// # let text: String = (0..1000).map(|i| format!("{},{},{}\n", i % 17, ["a", "b"][i % 2], i % 17 * 2)).collect();
/// # std::fs::write(&path, format!("x,kind,y\n{text}")).unwrap();
/// use demotic::data::{CsvOptions, TableFile};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let file = TableFile::open_csv_in(&path, &CsvOptions::new(), 100)?;
/// assert_eq!((file.num_rows(), file.num_blocks()), (1000, 10));
/// // What preprocessing learns, it learns from a part that fits into the memory.
/// let prep = Preprocessor::fit(&file.sample(300, &mut rng)?, "y")?;
/// let train = file.dataset(prep)?.shuffle_buffer(4);
/// let mut model = Linear::new(3, 1, &mut rng)?;
/// Trainer::new(losses::mse, Adam::new(0.01)).epochs(2).prefetch(1).fit(&mut model, &train, &mut rng)?;
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct TableFile {
    path: PathBuf,
    source: Source,
    /// The number behind the last row of each block.
    ends: Vec<usize>,
}

/// How blocks are read.
enum Source {
    Csv {
        file: SharedFile,
        header: Vec<u8>,
        pieces: Vec<Piece>,
        options: Box<CsvOptions>,
    },
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetFile>),
}

impl TableFile {
    /// Opens a CSV file, in blocks of 4096 rows.
    ///
    /// # Errors
    /// As for [`Table::read_csv_with`], of which [`max_bytes`](CsvOptions::max_bytes) counts for a block. A column that is a number in one
    /// block and a text in another is one of texts.
    #[track_caller]
    pub fn open_csv(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Self> {
        Self::csv(path.as_ref(), options, ROWS)
    }

    /// The same in blocks of so many rows, at least 1. Larger ones are read faster, and take more memory.
    ///
    /// # Errors
    /// As for [`open_csv`](Self::open_csv).
    #[track_caller]
    pub fn open_csv_in(path: impl AsRef<Path>, options: &CsvOptions, rows: usize) -> Result<Self> {
        Self::csv(path.as_ref(), options, rows)
    }

    /// Opens a Parquet file, whose groups of rows are the blocks. Of such a file nothing but the list of groups is read at once. Needs the feature
    /// `parquet`.
    ///
    /// # Errors
    /// As for [`Table::read_parquet`].
    #[cfg(feature = "parquet")]
    #[track_caller]
    pub fn open_parquet(path: impl AsRef<Path>) -> Result<Self> {
        let (op, path) = ("TableFile::open_parquet", path.as_ref());
        let file = ParquetFile::open(op, path)?;
        let mut ends = Vec::with_capacity(file.num_groups());
        for group in 0..file.num_groups() {
            let Some(end) = ends.last().unwrap_or(&0usize).checked_add(file.num_rows(group)) else {
                return Err(Error::format(op, format!("{}: more rows than can be numbered", path.display())));
            };
            ends.push(end);
        }
        Ok(Self { path: path.to_path_buf(), source: Source::Parquet(Box::new(file)), ends })
    }

    #[track_caller]
    fn csv(path: &Path, options: &CsvOptions, rows: usize) -> Result<Self> {
        let op = "TableFile::open_csv";
        let file = files::open(op, path)?;
        let mut head = Vec::new();
        if let Err(e) = (&file).take(HEAD).read_to_end(&mut head) {
            return Err(Error::io(op, path, e));
        }
        if head.starts_with(b"\x1f\x8b") {
            let message = format!("{}: a gzip archive, of which rows cannot be read by their places", path.display());
            return Err(Error::format(op, message).with_help("unpack it first: gunzip"));
        }
        let (format, options) = options.divided(op, &String::from_utf8_lossy(&head))?;
        let found = (&file).rewind().and_then(|()| pieces(&mut BufReader::new(&file), format, rows));
        let found = match found {
            Ok(found) => found,
            Err(e) => return Err(Error::io(op, path, e)),
        };
        let (head, pieces) = found;
        if pieces.is_empty() {
            return Err(Error::format(op, format!("{}: the file has no rows", path.display())));
        }
        let file = SharedFile::new(file);
        let mut header = vec![0; usize::try_from(head.length).unwrap_or(usize::MAX).min(1 << 30)];
        if let Err(e) = file.read_exact_at(&mut header, head.at) {
            return Err(Error::io(op, path, e));
        }
        let source = Source::Csv { file, header, pieces, options: Box::new(options) };
        let mut table = Self { path: path.to_path_buf(), source, ends: Vec::new() };
        let mut kinds: Vec<(String, ColumnKind)> = Vec::new();
        let mut mixed: Vec<String> = Vec::new();
        let mut rows = 0usize;
        for block in 0..table.num_pieces() {
            let part = table.read(block)?;
            rows += part.num_rows();
            table.ends.push(rows);
            for (i, (name, column)) in part.columns().enumerate() {
                match kinds.get(i) {
                    None => kinds.push((name.to_string(), column.kind())),
                    Some((_, kind)) if *kind != column.kind() => {
                        if !mixed.iter().any(|own| own == name) {
                            mixed.push(name.to_string());
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        let texts: Vec<&str> = mixed.iter().map(String::as_str).collect();
        #[cfg_attr(not(feature = "parquet"), allow(irrefutable_let_patterns, reason = "the only kind there is"))]
        if let Source::Csv { options, .. } = &mut table.source {
            **options = options.for_model(texts, &|_| false);
        }
        Ok(table)
    }

    fn num_pieces(&self) -> usize {
        match &self.source {
            Source::Csv { pieces, .. } => pieces.len(),
            #[cfg(feature = "parquet")]
            Source::Parquet(file) => file.num_groups(),
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The number of blocks.
    #[must_use]
    pub fn num_blocks(&self) -> usize {
        self.ends.len()
    }

    /// The rows of a block.
    ///
    /// # Errors
    /// If there is none of this number, or the file has changed.
    #[track_caller]
    pub fn block(&self, block: usize) -> Result<Table> {
        let Some(end) = self.ends.get(block) else {
            let message = format!("block {block} of {}, counted from 0", self.num_blocks());
            return Err(Error::index("TableFile::block", message));
        };
        let table = self.read(block)?;
        let rows = end - if block == 0 { 0 } else { self.ends[block - 1] };
        if table.num_rows() != rows {
            let path = self.path.display();
            let message = format!("{path}: block {block} has {} rows, it had {rows}", table.num_rows());
            return Err(
                Error::format("TableFile::block", message).with_help("the file has changed since it was opened")
            );
        }
        Ok(table)
    }

    #[track_caller]
    fn read(&self, block: usize) -> Result<Table> {
        match &self.source {
            Source::Csv { file, header, pieces, options } => {
                let piece = pieces[block];
                let limit = options.most_bytes();
                if piece.length > limit {
                    let path = self.path.display();
                    let message =
                        format!("{path}: {} bytes from line {} on, more than {limit}", piece.length, piece.line);
                    return Err(Error::format("TableFile::block", message).with_help(
                        "is a quote opened there and never closed? CsvOptions::max_bytes raises the limit",
                    ));
                }
                let mut text = header.clone();
                let start = text.len();
                text.resize(start + piece.length as usize, 0);
                if let Err(e) = file.read_exact_at(&mut text[start..], piece.at) {
                    return Err(Error::io("TableFile::block", &self.path, e));
                }
                let place = format!("the rows of {} from line {} on", self.path.display(), piece.line);
                Table::from_csv_reader(&text[..], options).within(place)
            }
            #[cfg(feature = "parquet")]
            Source::Parquet(file) => file.read("TableFile::block", block),
        }
    }

    /// All blocks, one after the other.
    #[track_caller]
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = Result<Table>> {
        let line = Location::caller();
        (0..self.num_blocks()).map(|block| self.block(block).map_err(|e| e.at(line)))
    }

    /// About so many rows from blocks all over the file, at least one block: to fit a [`Preprocessor`] on, for example.
    ///
    /// # Errors
    /// If a block cannot be read.
    #[track_caller]
    pub fn sample(&self, rows: usize, rng: &mut Rng) -> Result<Table> {
        let mut parts: Vec<Table> = Vec::new();
        let mut count = 0;
        for block in rng.permutation(self.num_blocks())? {
            let part = self.block(block)?;
            count += part.num_rows();
            parts.push(part);
            if count >= rows {
                break;
            }
        }
        Table::concat(&parts.iter().collect::<Vec<_>>())
    }

    /// The rows as features and targets, as a preprocessor makes them that was fitted before.
    ///
    /// # Errors
    /// If the first block does not suit it; a later one that does not is an error of its batch.
    #[track_caller]
    pub fn dataset(self, preprocessor: Preprocessor) -> Result<StreamedTable> {
        if self.num_blocks() > 0 {
            preprocessor.transform(&self.block(0)?)?;
        }
        let order = ShuffleBuffer::of_blocks(self.ends.clone(), BUFFER);
        Ok(StreamedTable { file: self, preprocessor, order, cache: Cache::new() })
    }
}

impl std::fmt::Debug for TableFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, rows) = (self.path.display(), self.num_rows());
        write!(f, "TableFile({path}, {rows} rows in {} blocks)", self.num_blocks())
    }
}

/// Rows of a [`TableFile`] as a [`Dataset`]: blocks are read, preprocessed and kept as long as batches take rows of them.
///
/// When it is shuffled, by hand or by the [`Trainer`](crate::train::Trainer), it is so by a [`ShuffleBuffer`]. In memory are twice
/// as many blocks as that mixes: a batch may have rows of the last ones and of the next.
pub struct StreamedTable {
    file: TableFile,
    preprocessor: Preprocessor,
    order: ShuffleBuffer,
    cache: Cache<TensorDataset>,
}

impl StreamedTable {
    /// How many blocks are mixed when it is shuffled, 16 by default.
    #[must_use]
    pub fn shuffle_buffer(mut self, blocks: usize) -> Self {
        self.order.set_buffer(blocks);
        self
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &TableFile {
        &self.file
    }

    /// What makes features and targets of the rows.
    #[must_use]
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }
}

impl Dataset for StreamedTable {
    type Batch = (Tensor, Tensor);

    fn len(&self) -> usize {
        self.file.num_rows()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<(Tensor, Tensor)> {
        let most = self.order.buffer().saturating_mul(2);
        gathered(indices, &self.file.ends, &mut |block, rows| {
            let read = || self.preprocessor.transform(&self.file.block(block)?);
            let part = self.cache.get(block, most, &read)?.rows(rows)?;
            Ok((part.x().clone(), part.y().clone()))
        })
        .here()
    }

    fn sampler(&self) -> Option<&dyn BatchSampler> {
        Some(&self.order)
    }
}

impl std::fmt::Debug for StreamedTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamedTable").field("file", &self.file).finish_non_exhaustive()
    }
}
