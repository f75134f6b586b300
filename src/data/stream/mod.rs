//! Data in files that are larger than the memory: read block by block, or row by row, when a batch asks for them.

mod blocks;
mod csv;
mod npy;
mod table_file;

pub use blocks::ShuffleBuffer;
pub use npy::NpyRows;
pub use table_file::{StreamedTable, TableFile};
