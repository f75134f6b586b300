//! How samples come into batches: in which order, on which threads, out of which parts.

mod adapters;
mod collate;
mod cursor;
mod prefetch;
mod rows;
mod samplers;
mod samples;

pub(in crate::data) use adapters::gathered;
pub use adapters::{Cached, Concat, Enumerated, Mapped, Subset, Zipped};
pub use collate::Collate;
pub use cursor::Position;
pub(crate) use cursor::{Cursor, Pick};
pub(crate) use prefetch::{Ahead, prefetched};
pub use rows::BatchRows;
pub use samplers::{BatchSampler, BucketSampler, GroupSampler, Order, StratifiedSampler, WeightedSampler};
pub use samples::{Collated, Samples};
