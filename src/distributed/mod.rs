//! Training and inference on several processes, on one machine or on many.
//!
//! A [`Group`](trait@Group) is what they see of each other: its operations ([sums](trait@Group#operations-of-all-ranks), gathering, broadcasts) have the same bits on
//! any number of threads and over any network. [`ThreadGroup`] runs a program on threads of one process, which is enough to write and to
//! test it; the crate `demotic-mpi` runs the same program on many machines.

mod average;
mod buffers;
mod checkpoints;
mod collectives;
mod compression;
mod data_parallel;
mod grid;
mod group;
mod layout;
mod mailbox;
mod message;
mod one;
mod optimizer;
mod pending;
mod pipeline;
mod sharded;
mod shards;
mod step;
mod subgroup;
mod synchronized;
mod tensor_parallel;
mod threads;

pub use average::average;
pub use compression::Compression;
pub use data_parallel::{DataParallel, Sharding};
pub use grid::Grid;
pub use group::{Group, Tag, part};
pub use mailbox::Mailbox;
pub use message::Message;
pub use one::OneProcess;
pub use pending::Pending;
pub use pipeline::{DecoderConfig, Pipeline, Stage};
pub use sharded::{Sharded, shard_blocks};
pub use shards::{Shard, Shards};
pub use step::{Averaged, ParallelStep};
pub use synchronized::synchronize_batch_norm;
pub use tensor_parallel::{PartSource, TensorParallel};
pub use threads::ThreadGroup;
