//! Event files, which TensorBoard shows: scalars, histograms, pictures and texts by step.
//!
//! An [`EventWriter`] writes one, for a loop of your own or beside a [`Trainer`](super::Trainer); the callback
//! [`TensorBoard`](super::TensorBoard) does it by itself. `tensorboard --logdir runs` then shows all runs in the folders within `runs`, while
//! they go on. [`read_events`] reads such a file, whoever wrote it.

mod crc;
mod png;
mod reader;
mod wire;
mod writer;

pub use reader::{Event, EventValue, read_events};
pub use writer::EventWriter;

/// The numbers of fields in the messages of event files.
mod field {
    // Event
    pub(super) const WALL_TIME: u64 = 1;
    pub(super) const STEP: u64 = 2;
    pub(super) const FILE_VERSION: u64 = 3;
    pub(super) const SUMMARY: u64 = 5;
    pub(super) const SESSION_LOG: u64 = 7;
    // SessionLog
    pub(super) const STATUS: u64 = 1;
    // Summary
    pub(super) const VALUE: u64 = 1;
    // Summary.Value
    pub(super) const TAG: u64 = 1;
    pub(super) const SIMPLE_VALUE: u64 = 2;
    pub(super) const IMAGE: u64 = 4;
    pub(super) const HISTO: u64 = 5;
    pub(super) const TENSOR: u64 = 8;
    pub(super) const METADATA: u64 = 9;
    // Summary.Image
    pub(super) const HEIGHT: u64 = 1;
    pub(super) const WIDTH: u64 = 2;
    pub(super) const COLORSPACE: u64 = 3;
    pub(super) const ENCODED: u64 = 4;
    // HistogramProto
    pub(super) const MIN: u64 = 1;
    pub(super) const MAX: u64 = 2;
    pub(super) const NUM: u64 = 3;
    pub(super) const SUM: u64 = 4;
    pub(super) const SUM_SQUARES: u64 = 5;
    pub(super) const BUCKET_LIMIT: u64 = 6;
    pub(super) const BUCKET: u64 = 7;
    // SummaryMetadata
    pub(super) const PLUGIN_DATA: u64 = 1;
    pub(super) const DATA_CLASS: u64 = 4;
    // SummaryMetadata.PluginData
    pub(super) const PLUGIN_NAME: u64 = 1;
    // TensorProto
    pub(super) const DTYPE: u64 = 1;
    pub(super) const TENSOR_SHAPE: u64 = 2;
    pub(super) const FLOAT_VAL: u64 = 5;
    pub(super) const STRING_VAL: u64 = 8;
}

/// What a file says first.
const VERSION: &str = "brain.Event:2";
/// A text, as the type of a tensor, and as a class of data.
const DT_STRING: i64 = 7;
const TENSOR_DATA: i64 = 2;
/// A run begins, or begins anew at some step.
const START: i64 = 1;
