//! Putting tensors together, taking them apart, and moving, repeating and padding along dimensions.

use super::record;
use super::shape::reshape;
use super::slice::{cut, embed};
use crate::error::{Error, Result};
use crate::tensor::create::{check_shape, stale};
use crate::tensor::dtype::with_element;
use crate::tensor::index::{Cut, whole};
use crate::tensor::kernels::copy::copy_strided;
use crate::tensor::kernels::index::{self, Part};
use crate::tensor::layout::{Dims, Layout, dim_index, dim_set, plural, row_major};
use crate::tensor::{DType, MAX_DIMS, Tensor};

/// Tensors without elements can be split into any number of parts; more than this are refused.
const MAX_EMPTY_PARTS: usize = 1 << 20;

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
        let mut shape = first.layout().shape;
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
        let mut shape = first.layout().shape;
        shape.insert(at, tensors.len());
        let out = join("stack", tensors, at, shape)?;
        Ok(record("stack", out, tensors, |tape| {
            for (i, x) in tensors.iter().enumerate() {
                tape.edge(x, move |g| g.select(at as isize, i as isize));
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

    /// At most `chunks` views of equal size along dimension `dim`, the last one possibly smaller. As in PyTorch, the size is
    /// rounded up, so that there can be fewer: 5 places in 4 chunks are 2, 2 and 1.
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

    #[track_caller]
    fn parts(&self, name: &'static str, at: usize, count: usize, len: impl Fn(usize) -> usize) -> Result<Vec<Tensor>> {
        if count > self.numel().max(MAX_EMPTY_PARTS) {
            return Err(Error::argument(name, format!("{count} parts of {:?}, which has no elements", self.shape())));
        }
        let mut start = 0;
        let part = |i| {
            let mut cuts = whole(self.shape());
            cuts[at] = Cut::new(start, 1, len(i));
            start += len(i);
            cut("narrow", self, cuts)
        };
        Ok((0..count).map(part).collect())
    }

    /// The tensor `times[i]` times along each dimension `i`. More numbers than dimensions add leading ones.
    /// Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// If there are fewer numbers than dimensions, or the result is too large.
    #[doc(alias = "tile")]
    #[track_caller]
    pub fn repeat(&self, times: &[usize]) -> Result<Tensor> {
        let Some(missing) = times.len().checked_sub(self.rank()) else {
            let message = format!("{} number{} for {:?}", times.len(), plural(times.len()), self.shape());
            return Err(
                Error::shape("repeat", message).with_help("say for each dimension how often: 1 leaves it as it is")
            );
        };
        let own = std::iter::repeat_n(&1, missing).chain(self.shape());
        let sizes: Vec<usize> = own.zip(times).map(|(n, times)| n.saturating_mul(*times)).collect();
        let shape = check_shape("repeat", &sizes, self.dtype())?;
        let wide = std::iter::repeat_n(1, missing).chain(self.shape().iter().copied());
        let mut out = reshape("reshape", self, Dims::collect(wide))?;
        // From the last dimension on, so that as little as possible is copied more than once.
        for at in (0..shape.len()).rev().filter(|at| times[*at] != 1) {
            out = repeated("repeat", &out, at, times[at], at)?;
        }
        Ok(out)
    }

    /// Each place along dimension `dim` `times` times in a row. Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// If `dim` is out of range, or the result is too large.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![1, 2].repeat_interleave(2, 0)?.to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn repeat_interleave(&self, times: usize, dim: isize) -> Result<Tensor> {
        let at = dim_index("repeat_interleave", dim, self.rank())?;
        repeated("repeat_interleave", self, at, times, at + 1)
    }

    /// The places along the given dimensions in reversed order. Gradient: reversed back.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice.
    #[track_caller]
    pub fn flip(&self, dims: &[isize]) -> Result<Tensor> {
        if dims.is_empty() {
            return Ok(self.clone());
        }
        Ok(flip(self, dim_set("flip", dims, self.rank())?))
    }

    /// Moves the places along `dims[i]` by `shifts[i]`; what leaves at one end comes in at the other. Without `dims`, the
    /// elements are moved in row-major order, by one shift. Gradient: moved back.
    ///
    /// # Errors
    /// If there are not as many shifts as dimensions, or a dimension is out of range.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// assert_eq!(tensor![1, 2, 3, 4].roll(&[1], &[0])?.to_vec::<f32>()?, [4.0, 1.0, 2.0, 3.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn roll(&self, shifts: &[isize], dims: &[isize]) -> Result<Tensor> {
        if let ([shift], []) = (shifts, dims) {
            return self.reshape(-1)?.roll(&[*shift], &[0])?.reshape(self.shape());
        }
        if shifts.len() != dims.len() {
            let message = format!("shifts {shifts:?} for dimensions {dims:?}, expected as many");
            return Err(Error::argument("roll", message));
        }
        let mut out = self.clone();
        for (&shift, &dim) in shifts.iter().zip(dims) {
            let at = dim_index("roll", dim, self.rank())?;
            let size = self.shape()[at];
            let back = if size == 0 { 0 } else { shift.rem_euclid(size as isize) as usize };
            if back != 0 {
                let (head, tail) = (out.narrow(dim, 0, size - back)?, out.narrow(dim, size - back, back)?);
                out = Tensor::cat(&[&tail, &head], dim)?;
            }
        }
        Ok(out)
    }

    /// Adds `value` around the tensor: for each dimension, from the first to the last, how many places before and how many
    /// after. Fewer pairs are for the last dimensions. Negative numbers take places away.
    ///
    /// (PyTorch's `F.pad` takes the same numbers as one flat list, from the last dimension to the first.)
    ///
    /// Gradient: without the margins.
    ///
    /// # Errors
    /// If there are more pairs than dimensions, more is taken away than there is, or the result is too large.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1.0, 2.0]];
    /// assert_eq!(x.pad(&[(0, 1), (1, 0)], 9.0)?.to_vec::<f32>()?, [9.0, 1.0, 2.0, 9.0, 9.0, 9.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn pad(&self, pairs: &[(isize, isize)], value: f64) -> Result<Tensor> {
        let (inside, margins) = self.without_negative_margins("pad", pairs)?;
        let (mut shape, mut cuts) = (inside.layout().shape, whole(inside.shape()));
        if margins.iter().all(|margin| *margin == (0, 0)) {
            return Ok(inside);
        }
        for (d, (before, after)) in margins.into_iter().enumerate().take(shape.len()) {
            cuts[d] = Cut::new(before, 1, shape[d]);
            shape[d] = shape[d].saturating_add(before).saturating_add(after);
        }
        embed("pad", &inside, shape, cuts, value)
    }

    /// Continues the tensor beyond its ends as if mirrored there, without repeating the outermost places:
    /// `3 2 [1 2 3] 2 1`. The pairs are those of [`pad`](Self::pad). Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// As for [`pad`](Self::pad), or if a margin is not smaller than the dimension.
    #[track_caller]
    pub fn pad_reflect(&self, pairs: &[(isize, isize)]) -> Result<Tensor> {
        self.pad_by("pad_reflect", pairs, |size| size - 1, |i, size| if i < 0 { -i } else { 2 * (size - 1) - i })
    }

    /// Repeats the outermost places: `1 1 [1 2 3] 3 3`. The pairs are those of [`pad`](Self::pad).
    /// Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// As for [`pad`](Self::pad), or if there is nothing to repeat.
    #[track_caller]
    pub fn pad_replicate(&self, pairs: &[(isize, isize)]) -> Result<Tensor> {
        self.pad_by("pad_replicate", pairs, |_| isize::MAX, |i, size| if i < 0 { 0 } else { size - 1 })
    }

    /// Continues the tensor beyond its ends with what is at the other end: `2 3 [1 2 3] 1 2`. The pairs are those of
    /// [`pad`](Self::pad). Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// As for [`pad`](Self::pad), or if a margin is larger than the dimension.
    #[track_caller]
    pub fn pad_circular(&self, pairs: &[(isize, isize)]) -> Result<Tensor> {
        self.pad_by("pad_circular", pairs, |size| size, |i, size| if i < 0 { i + size } else { i - size })
    }

    /// Pads with the tensor's own places: `source(i, size)` is what stands at place `i < 0` or `i ≥ size`. A dimension of
    /// `size` allows margins of up to `limit(size)`.
    #[track_caller]
    fn pad_by(
        &self,
        name: &'static str,
        pairs: &[(isize, isize)],
        limit: impl Fn(isize) -> isize,
        source: impl Fn(isize, isize) -> isize,
    ) -> Result<Tensor> {
        let (mut out, margins) = self.without_negative_margins(name, pairs)?;
        let mut shape = out.layout().shape;
        for (d, (before, after)) in margins.into_iter().enumerate().take(shape.len()) {
            let margin = before.max(after);
            if margin > 0 && (shape[d] == 0 || margin > limit(shape[d] as isize) as usize) {
                let message = format!("a margin of {margin} for dimension {d} of {:?}", out.shape());
                return Err(Error::argument(name, message));
            }
            shape[d] = shape[d].saturating_add(before).saturating_add(after);
        }
        let shape = check_shape(name, &shape, self.dtype())?;
        if shape.contains(&0) {
            // There is nothing to continue, but the tables below would be as long as the margins.
            let cuts = whole(out.shape());
            return embed("embed", &out, shape, cuts, 0.0);
        }
        for (d, (before, after)) in margins.into_iter().enumerate().take(shape.len()) {
            if (before, after) == (0, 0) {
                continue;
            }
            let size = out.shape()[d] as isize;
            let mut table = stale(name, &[shape[d]], DType::I64)?;
            for (k, place) in table.data_mut::<i64>().iter_mut().enumerate() {
                let i = k as isize - before as isize;
                *place = (if (0..size).contains(&i) { i } else { source(i, size) }) as i64;
            }
            out = out.index_select(d as isize, &table)?;
        }
        Ok(out)
    }

    /// The margins of each dimension, and the tensor without those that are negative.
    #[track_caller]
    fn without_negative_margins(
        &self,
        name: &'static str,
        pairs: &[(isize, isize)],
    ) -> Result<(Tensor, [(usize, usize); MAX_DIMS])> {
        let Some(unpadded) = self.rank().checked_sub(pairs.len()) else {
            let message = format!("{} pairs for {:?}, which has {} dimensions", pairs.len(), self.shape(), self.rank());
            return Err(Error::argument(name, message));
        };
        let (mut margins, mut cuts) = ([(0, 0); MAX_DIMS], whole(self.shape()));
        for (d, &(before, after)) in pairs.iter().enumerate().map(|(i, pair)| (i + unpadded, pair)) {
            let size = self.shape()[d];
            let taken = |n: isize| if n < 0 { n.unsigned_abs() } else { 0 };
            let Some(len) = size.checked_sub(taken(before)).and_then(|n| n.checked_sub(taken(after))) else {
                let message = format!("({before}, {after}) takes more than dimension {d} of {:?} has", self.shape());
                return Err(Error::argument(name, message));
            };
            cuts[d] = Cut::new(taken(before), 1, len);
            margins[d] = (before.max(0) as usize, after.max(0) as usize);
        }
        let inside = if cuts == whole(self.shape()) { self.clone() } else { cut("narrow", self, cuts) };
        Ok((inside, margins))
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
            .with_help(format!("types are never converted silently: use to_dtype(DType::{a:?})")));
    }
    Ok(first)
}

/// The elements of all tensors: rows from dimension `at` on, those of one tensor behind those of the one before.
#[track_caller]
fn join(name: &'static str, tensors: &[&Tensor], at: usize, shape: Dims) -> Result<Tensor> {
    let mut out = stale(name, &shape, tensors[0].dtype())?;
    let sources: Vec<(Tensor, usize, usize)> = tensors.iter().map(|x| rows_from(x, at)).collect();
    with_element!(out.dtype(), T => {
        let parts = sources.iter().map(|(x, width, stride)| Part { data: x.data::<T>(), width: *width, stride: *stride });
        let parts: Vec<_> = parts.collect();
        index::join(&parts, out.data_mut());
    });
    Ok(out)
}

/// The dimensions from `at` on as rows that are contiguous and a fixed distance apart: the tensor or a copy of it, the
/// length of a row, and the distance.
fn rows_from(x: &Tensor, at: usize) -> (Tensor, usize, usize) {
    let layout = x.layout();
    let width: usize = layout.shape[at..].iter().product();
    let inner = Layout::strided(
        Dims::collect(layout.shape[at..].iter().copied()),
        Dims::collect(layout.strides[at..].iter().copied()),
        0,
    );
    let mut stride = width;
    let mut evenly = inner.contiguous;
    let mut outer = (0..at).rev().filter(|d| layout.shape[*d] != 1);
    if let Some(d) = outer.next() {
        stride = layout.strides[d];
        let mut next = stride * layout.shape[d];
        for d in outer {
            evenly &= layout.strides[d] == next;
            next *= layout.shape[d];
        }
    }
    if evenly { (x.detach(), width, stride) } else { (x.packed(), width, width) }
}

/// The elements `times` times: dimension `at` is repeated as a whole if `before` is `at`, place by place if it is one more.
#[track_caller]
fn repeated(name: &'static str, x: &Tensor, at: usize, times: usize, before: usize) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    let (old, mut shape) = (x.layout().shape, x.layout().shape);
    shape[at] = shape[at].saturating_mul(times);
    let mut out = stale(name, &shape, x.dtype())?;
    let row: usize = old[before..].iter().product();
    let (sizes, strides) = ([old[..before].iter().product(), times, row], [row, 0, 1]);
    let source = x.packed();
    with_element!(x.dtype(), T => copy_strided(&sizes, source.strided::<T>(&strides), out.data_mut()));
    Ok(record(name, out, &[x], |tape| {
        tape.edge(x, move |g| g.reshape(sizes)?.sum_dims(&[1], false)?.reshape(&*old));
    }))
}

/// Reverses dimensions: those next to each other at once.
fn flip(x: &Tensor, flipped: [bool; MAX_DIMS]) -> Tensor {
    let _timer = crate::profile::op("flip");
    let (shape, strides) = (x.layout().shape, row_major(x.shape()));
    let mut out = x.packed();
    let mut from = 0;
    while let Some(start) = (from..x.rank()).find(|d| flipped[*d]) {
        let end = (start..x.rank()).find(|d| !flipped[*d]).unwrap_or(x.rank());
        let n = shape[start..end].iter().product();
        out = with_element!(x.dtype(), T => Tensor::build::<T>(&shape, |to| {
            index::reverse(out.data::<T>(), n, strides[end - 1], to);
        }));
        from = end;
    }
    record("flip", out, &[x], |tape| tape.edge(x, move |g| Ok(flip(g, flipped))))
}
