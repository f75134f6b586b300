//! Files of arrays: NumPy's `.npy` and `.npz`, IDX.

mod header;
mod idx;
mod npy;
mod npz;

pub(in crate::data) use header::Header;
pub use idx::write_idx;
pub(in crate::data) use npy::convert;
pub use npy::{read_npy, read_npy_from, write_npy, write_npy_to};
#[cfg(feature = "gzip")]
pub use npz::write_npz_compressed;
pub use npz::{Npz, write_npz};
