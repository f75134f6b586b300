//! From files to batches: tables, preprocessing, datasets, cross-validation.
//!
//! ```text
//! Table ── split ──▶ training table ── Preprocessor::fit ──▶ Preprocessor
//!             └────▶ test table              │
//!                        └──────── transform ┴──▶ TensorDataset ── batches ──▶ (x, y)
//! ```
//!
//! What preprocessing learns (means, categories, medians), it learns from the training part alone: split the table
//! first, [fit](Preprocessor::fit) on one part, transform both.
//!
//! ```
//! use demotic::data::{Column, Dataset, Preprocessor, Table};
//! use demotic::Rng;
//!
//! let mut rng = Rng::seed(0);
//! let houses = Table::from_columns([
//!     ("area", Column::from([100.0, 120.0, 150.0, 80.0, 95.0])),
//!     ("district", Column::from(["north", "south", "south", "north", "east"])),
//!     ("price", Column::from([200.0, 250.0, 350.0, 160.0, 190.0])),
//! ])?;
//! let (train, test) = houses.split(0.8, &mut rng)?;
//! let prep = Preprocessor::fit(&train, "price")?;
//! let (train, test) = (prep.transform(&train)?, prep.transform(&test)?);
//! for batch in train.batches(2).shuffle(&mut rng) {
//!     let (x, y) = batch?;
//!     assert_eq!(x.shape(), [2, prep.num_features()]);
//!     assert_eq!(y.shape(), [2, 1]);
//! }
//! assert_eq!(test.len(), 1);
//! # Ok::<(), demotic::Error>(())
//! ```
//!
//! Language models learn from [`NextTokens`] of a long text, or from [`Sentences`], classifiers of pictures from an [`ImageDataset`].
//! Whatever else yields batches implements [`Dataset`].

mod arrays;
mod audio;
mod balance;
mod batches;
mod column;
#[cfg(feature = "parquet")]
mod columnar;
mod csv;
mod dataset;
mod dates;
mod describe;
mod display;
mod images;
mod json_lines;
mod loading;
mod number;
mod operations;
mod preprocess;
pub mod quality;
mod row;
mod sequences;
mod series;
mod split;
mod stream;
mod table;
mod texts;
mod weighted;
mod wide;

#[cfg(feature = "gzip")]
pub use arrays::write_npz_compressed;
pub use arrays::{Npz, read_npy, read_npy_from, write_idx, write_npy, write_npy_to, write_npz};
pub use audio::Audio;
pub use batches::Batches;
pub use column::{Column, ColumnKind, Value};
pub use csv::{ColumnOptions, CsvOptions, CsvReport, Ragged};
pub use dataset::{Dataset, TensorDataset};
pub use dates::DatePart;
pub(crate) use display::{shorten, width as text_width};
pub use images::{Amount, ImageDataset, Resample, Transforms, read_cifar10, read_cifar100, read_idx, read_mnist};
#[cfg(feature = "image")]
pub use images::{Channels, read_image, write_image};
pub(crate) use images::{Pixels, resized};
pub(crate) use loading::{Ahead, Cursor, Pick, prefetched};
pub use loading::{
    BatchRows, BatchSampler, BucketSampler, Cached, Collate, Collated, Concat, Enumerated, GroupSampler, Mapped, Order,
    Position, Samples, StratifiedSampler, Subset, WeightedSampler, Zipped,
};
pub use operations::{Aggregate, JoinKind, SortOrder};
pub use preprocess::{
    Encoding, Impute, MissingCategory, Outliers, Preprocessor, PreprocessorBuilder, Scaling, Smoothing, Unseen,
};
pub use sequences::{IGNORE_INDEX, NextTokens, PaddedBatch, PaddedSequences, Padding, Sentences, document_mask};
pub use series::{Rolling, TimeFeatures, Windows};
pub use split::{Fold, Folds, GroupKFold, KFold, RepeatedKFold, ShuffleSplit, StratifiedGroupKFold, TimeSeriesSplit};
pub use stream::{NpyRows, ShuffleBuffer, StreamedTable, TableFile};
pub use table::Table;
pub use weighted::WeightedDataset;
