//! Putting tensors together and taking them apart.

use super::record;
use super::slice::cut;
use crate::error::{Error, Result};
use crate::tensor::create::{check_parts, stale};
use crate::tensor::dtype::literals;
use crate::tensor::exec::index as exec;
use crate::tensor::index::{Cut, whole};
use crate::tensor::layout::{Dims, Layout, dim_index};
use crate::tensor::{MAX_DIMS, Tensor};

/// Tensors without elements can be split into any number of parts; more than this are refused.
const MAX_EMPTY_PARTS: usize = 1 << 20;

/// # Joining and dividing
///
/// ```
/// use demotic::{Tensor, tensor};
///
/// let (a, b) = (tensor![1.0, 2.0, 3.0], tensor![4.0, 5.0, 6.0]);
/// let x = Tensor::stack(&[&a, &b], 0)?;
/// assert_eq!(x.shape(), [2, 3]);
/// let widths = |parts: Vec<Tensor>| parts.iter().map(|part| part.shape()[1]).collect::<Vec<_>>();
/// assert_eq!((widths(x.split(2, 1)?), widths(x.split_sizes(&[1, 2], 1)?), widths(x.chunk(3, 1)?)), (vec![2, 1], vec![1, 2], vec![1; 3]));
/// assert_eq!(x.unbind(0)?[1].to_f64_vec(), b.to_f64_vec());
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Tensors one after the other along dimension `dim`; the other dimensions must agree. Gradients: the parts of `g`.
    ///
    /// # Errors
    /// If there are no tensors, `dim` is out of range, or types, or sizes of other dimensions differ.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let (a, b) = (tensor![[1.0], [2.0]], tensor![[3.0, 4.0], [5.0, 6.0]]);
    /// assert_eq!(Tensor::cat(&[&a, &b], 1)?.to_vec::<f32>()?, [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "concat")]
    #[doc(alias = "concatenate")]
    #[track_caller]
    pub fn cat(tensors: &[&Tensor], dim: isize) -> Result<Tensor> {
        let _timer = crate::profile::op("cat");
        let first = same_types("cat", tensors)?;
        if first.rank() == 0 {
            return Err(Error::shape("cat", "scalars have no dimension to join along").with_help("stack makes one"));
        }
        let at = dim_index("cat", dim, first.rank())?;
        let mut shape = first.layout().shape();
        shape[at] = 0;
        for (i, x) in tensors.iter().enumerate() {
            let fits = x.rank() == first.rank() && (0..x.rank()).all(|d| d == at || x.shape()[d] == first.shape()[d]);
            if !fits {
                let message = format!("tensor 0 has shape {:?}, tensor {i} has {:?}", first.shape(), x.shape());
                return Err(Error::shape("cat", message).with_help(format!("they may differ in dimension {dim} only")));
            }
            shape[at] = shape[at].saturating_add(x.shape()[at]);
        }
        let out = join("cat", tensors, at, shape)?;
        Ok(record("cat", out, tensors, |tape| {
            let mut start = 0;
            for x in tensors {
                let mut cuts = whole(&shape);
                cuts[at] = Cut::new(start, 1, x.shape()[at]);
                start += x.shape()[at];
                tape.edge(x, move |g| Ok(cut("narrow", g, cuts)));
                tape.moves_examples(x, &|d| (d != at).then_some(d));
            }
        }))
    }

    /// Tensors of one shape one after the other along a new dimension at position `dim` of the result.
    /// Gradients: the parts of `g`.
    ///
    /// # Errors
    /// If there are no tensors, `dim` is out of range, types or shapes differ, or there are too many dimensions.
    #[track_caller]
    pub fn stack(tensors: &[&Tensor], dim: isize) -> Result<Tensor> {
        let _timer = crate::profile::op("stack");
        let first = same_types("stack", tensors)?;
        let at = dim_index("stack", dim, first.rank() + 1)?;
        if first.rank() == MAX_DIMS {
            let message = format!("{:?} has as many dimensions as a tensor can have", first.shape());
            return Err(Error::shape("stack", message));
        }
        if let Some(i) = tensors.iter().position(|x| x.shape() != first.shape()) {
            let message = format!("tensor 0 has shape {:?}, tensor {i} has {:?}", first.shape(), tensors[i].shape());
            return Err(Error::shape("stack", message).with_help("cat joins tensors of different sizes"));
        }
        let mut shape = first.layout().shape();
        shape.insert(at, tensors.len());
        let out = join("stack", tensors, at, shape)?;
        Ok(record("stack", out, tensors, |tape| {
            for (i, x) in tensors.iter().enumerate() {
                tape.edge(x, move |g| g.select(at as isize, i as isize));
                tape.moves_examples(x, &|d| (d != at).then_some(d - usize::from(d > at)));
            }
        }))
    }

    /// Views of `size` places each along dimension `dim`; the last one has what is left.
    ///
    /// # Errors
    /// If `dim` is out of range or `size` is 0.
    #[track_caller]
    pub fn split(&self, size: usize, dim: isize) -> Result<Vec<Tensor>> {
        let at = dim_index("split", dim, self.rank())?;
        let total = self.shape()[at];
        if size == 0 {
            return Err(Error::argument("split", "parts of size 0, expected at least 1"));
        }
        self.parts("split", at, total.div_ceil(size).max(1), |i| size.min(total - i * size))
    }

    /// Views of the given sizes along dimension `dim`.
    ///
    /// # Errors
    /// If `dim` is out of range or the sizes do not add up to its own.
    #[doc(alias = "split_with_sizes")]
    #[track_caller]
    pub fn split_sizes(&self, sizes: &[usize], dim: isize) -> Result<Vec<Tensor>> {
        let at = dim_index("split_sizes", dim, self.rank())?;
        let total = sizes.iter().try_fold(0usize, |sum, n| sum.checked_add(*n));
        if total != Some(self.shape()[at]) {
            let size = self.shape()[at];
            let message = format!("sizes {sizes:?} for dimension {dim} of {:?}, which has size {size}", self.shape());
            return Err(Error::shape("split_sizes", message).with_help("they must add up to it"));
        }
        self.parts("split_sizes", at, sizes.len(), |i| sizes[i])
    }

    /// At most `chunks` views of equal size along dimension `dim`, the last one possibly smaller. As in PyTorch, the
    /// size is rounded up, so that there can be fewer: 5 places in 4 chunks are 2, 2 and 1.
    ///
    /// # Errors
    /// If `dim` is out of range or `chunks` is 0.
    #[track_caller]
    pub fn chunk(&self, chunks: usize, dim: isize) -> Result<Vec<Tensor>> {
        let at = dim_index("chunk", dim, self.rank())?;
        if chunks == 0 {
            return Err(Error::argument("chunk", "0 chunks, expected at least 1"));
        }
        let total = self.shape()[at];
        let size = total.div_ceil(chunks);
        // Nothing is divided into as many chunks as wanted, all of them empty.
        let count = if total == 0 { chunks } else { total.div_ceil(size) };
        self.parts("chunk", at, count, |i| size.min(total - i * size))
    }

    /// The parts along dimension `dim`, without it: views.
    ///
    /// # Errors
    /// If `dim` is out of range, or there is no memory for so many tensors.
    #[track_caller]
    pub fn unbind(&self, dim: isize) -> Result<Vec<Tensor>> {
        let at = dim_index("unbind", dim, self.rank())?;
        let parts = self.parts("unbind", at, self.shape()[at], |_| 1)?;
        parts.iter().map(|part| part.squeeze(at as isize)).collect()
    }

    #[track_caller]
    fn parts(&self, name: &'static str, at: usize, count: usize, len: impl Fn(usize) -> usize) -> Result<Vec<Tensor>> {
        if count > self.numel().max(MAX_EMPTY_PARTS) {
            return Err(Error::argument(name, format!("{count} parts of {:?}, which has no elements", self.shape())));
        }
        check_parts(name, self.shape(), count)?;
        let mut start = 0;
        let part = |i| {
            let mut cuts = whole(self.shape());
            cuts[at] = Cut::new(start, 1, len(i));
            start += len(i);
            cut("narrow", self, cuts)
        };
        Ok((0..count).map(part).collect())
    }
}

#[track_caller]
fn same_types<'a>(name: &'static str, tensors: &[&'a Tensor]) -> Result<&'a Tensor> {
    let Some(first) = tensors.first() else {
        return Err(Error::argument(name, "no tensors to join"));
    };
    if let Some(i) = tensors.iter().position(|x| x.dtype() != first.dtype()) {
        let (a, b) = (first.dtype(), tensors[i].dtype());
        return Err(Error::dtype(name, format!("tensor 0 is {a}, tensor {i} is {b}"))
            .with_help(format!("types are never converted silently: use to_dtype(DType::{a:?}){}", literals(a, b))));
    }
    Ok(first)
}

/// The elements of all tensors: rows from dimension `at` on, those of one tensor behind those of the one before.
#[track_caller]
fn join(name: &'static str, tensors: &[&Tensor], at: usize, shape: Dims) -> Result<Tensor> {
    let mut out = stale(name, &shape, tensors[0].dtype())?;
    let sources: Vec<(Tensor, usize, usize)> = tensors.iter().map(|x| rows_from(x, at)).collect();
    exec::join(&sources, &mut out);
    Ok(out)
}

/// The dimensions from `at` on as rows that are contiguous and a fixed distance apart: the tensor or a copy of it, the
/// length of a row, and the distance.
fn rows_from(x: &Tensor, at: usize) -> (Tensor, usize, usize) {
    let (shape, strides) = x.layout().slices();
    let width: usize = shape[at..].iter().product();
    let inner =
        Layout::strided(Dims::collect(shape[at..].iter().copied()), Dims::collect(strides[at..].iter().copied()), 0);
    let mut stride = width;
    let mut evenly = inner.contiguous;
    let mut outer = (0..at).rev().filter(|d| shape[*d] != 1);
    if let Some(d) = outer.next() {
        stride = strides[d];
        let mut next = stride * shape[d];
        for d in outer {
            evenly &= strides[d] == next;
            next *= shape[d];
        }
    }
    if evenly { (x.detach(), width, stride) } else { (x.packed(), width, width) }
}
