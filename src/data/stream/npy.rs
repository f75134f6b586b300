//! Rows of an array in a file.

use std::path::{Path, PathBuf};

use super::blocks::ShuffleBuffer;
use crate::data::arrays::{Header, convert};
use crate::data::dataset::Dataset;
use crate::data::loading::BatchSampler;
use crate::error::{Error, Here, Result};
use crate::files::{self, SharedFile};
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::tensor::create::check_shape;

/// Rows of a block, and blocks that are mixed.
const ROWS: usize = 4096;
const BUFFER: usize = 16;

/// The rows of an array in a `.npy` file that may be larger than the memory: those of a batch are read by their places when it asks
/// for them. A batch is a tensor `[batch, ..]`; two files side by side are inputs and targets.
///
/// ```
/// # let folder = tempfile::tempdir().map_err(|e| demotic::Error::io("example", std::path::Path::new("."), e))?;
/// # let (inputs, targets) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
/// use demotic::data::{self, Dataset, NpyRows};
/// use demotic::{Rng, Tensor};
///
/// data::write_npy(&inputs, &Tensor::zeros([100, 3])?)?;
/// data::write_npy(&targets, &Tensor::zeros([100, 1])?)?;
/// let train = NpyRows::open(&inputs)?.zip(NpyRows::open(&targets)?)?;
/// for batch in train.batches(32).shuffle(&mut Rng::seed(0)) {
///     let (x, y) = batch?;
///     assert_eq!(x.shape()[0], y.shape()[0]);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// When it is shuffled, it is so by a [`ShuffleBuffer`] of 16 blocks of 4096 rows, so that reading stays in a part of the file. It needs no
/// memory for that, so the buffer may be of any size.
pub struct NpyRows {
    path: PathBuf,
    file: SharedFile,
    header: Header,
    order: ShuffleBuffer,
}

impl NpyRows {
    /// Opens a file that `numpy.save` wrote, of an array with at least one dimension in row-major order.
    ///
    /// # Errors
    /// As for [`read_npy`](crate::data::read_npy); and if the array is a single number, or in Fortran's order.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (op, path) = ("NpyRows::open", path.as_ref());
        let mut file = files::open(op, path)?;
        let place = path.display();
        let header = match Header::read(&mut file) {
            Ok(header) => header,
            Err((message, "")) => return Err(Error::format(op, format!("{place}: {message}"))),
            Err((message, help)) => return Err(Error::format(op, format!("{place}: {message}")).with_help(help)),
        };
        let length = match file.metadata() {
            Ok(metadata) => metadata.len(),
            Err(e) => return Err(Error::io(op, path, e)),
        };
        let (shape, size) = (&header.shape, header.kind.size());
        // Of all rows, which need not fit into the memory, only the number of dimensions is checked, and that their sizes can be
        // multiplied.
        check_shape(op, shape.get(1..).unwrap_or_default(), header.kind.dtype())?;
        let found = length.saturating_sub(header.length);
        if header.bytes() != Some(found) {
            let message = format!("{place}: {shape:?} elements of {size} bytes, but {found} bytes of data");
            return Err(Error::format(op, message));
        }
        if shape.is_empty() {
            return Err(Error::shape(op, format!("{place}: a single number, which has no rows")));
        }
        if header.fortran && shape.len() > 1 {
            let message = format!("{place}: the array is in Fortran's order, in which rows do not lie together");
            return Err(Error::format(op, message)
                .with_help("save it row by row: numpy.save(path, numpy.ascontiguousarray(array))"));
        }
        let (path, file) = (path.to_path_buf(), SharedFile::new(file));
        Ok(Self { path, file, header, order: ShuffleBuffer::new(ROWS, BUFFER) })
    }

    /// Mixes other blocks when it is shuffled: blocks of `rows` rows, `buffer` of them at a time.
    #[must_use]
    pub fn shuffle_buffer(mut self, rows: usize, buffer: usize) -> Self {
        self.order = ShuffleBuffer::new(rows, buffer);
        self
    }

    /// The shape of the whole array.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }
}

impl Dataset for NpyRows {
    type Batch = Tensor;

    fn len(&self) -> usize {
        self.header.shape[0]
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<Tensor> {
        let op = "NpyRows";
        let (kind, size) = (self.header.kind, self.header.kind.size());
        let mut shape = self.header.shape.clone();
        shape[0] = indices.len();
        check_shape(op, &shape, kind.dtype())?;
        crate::tensor::create::reserve(op, &shape, kind.dtype())?;
        let width = shape[1..].iter().product::<usize>() * size;
        let mut data = vec![0; indices.len() * width];
        let mut at = 0;
        // Neighbours are read at once.
        for run in indices.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
            let first = run[0];
            if first + run.len() > self.len() {
                let message = format!("row {} of {}, counted from 0", first + run.len() - 1, self.len());
                return Err(Error::index(op, message));
            }
            let bytes = &mut data[at..at + run.len() * width];
            let position = self.header.length + (first * width) as u64;
            if let Err(e) = self.file.read_exact_at(bytes, position) {
                return Err(Error::io(op, &self.path, e));
            }
            at += run.len() * width;
        }
        if self.header.big_endian {
            data.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        convert(op, kind, &shape, &data).here()
    }

    fn sampler(&self) -> Option<&dyn BatchSampler> {
        Some(&self.order)
    }
}

impl std::fmt::Debug for NpyRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NpyRows({}, {:?} {})", self.path.display(), self.header.shape, self.header.kind.dtype())
    }
}
