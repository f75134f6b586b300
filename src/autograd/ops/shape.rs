//! Other views of the same elements: reshaping, transposing, broadcasting, adding and removing dimensions.

use super::record;
use crate::error::{Error, Result};
use crate::tensor::argument::DimList;
use crate::tensor::create::{check_shape, check_view, stale};
use crate::tensor::exec::index as exec;
use crate::tensor::layout::{Dims, Layout, dim_index, dim_set, expand_strides, reshape_strides};
use crate::tensor::{MAX_DIMS, NewShape, Shape, Tensor};

/// # Shapes
///
/// ```
/// use demotic::Tensor;
///
/// let x = Tensor::zeros([2, 1, 3])?;
/// assert_eq!((x.squeeze_all().shape(), x.t().shape()), (&[2, 3][..], &[2, 3, 1][..]));
/// assert_eq!((x.permute(&[2, 0, 1])?.shape(), x.transpose(0, 2)?.shape()), (&[3, 2, 1][..], &[3, 1, 2][..]));
/// let wide = x.broadcast_to([2, 4, 3])?;
/// assert!(!wide.is_contiguous() && wide.contiguous().is_contiguous());
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The same elements with another shape of the same size, in row-major order. One size may be -1, for as many as
    /// are left. A view if the strides allow it, as they do for contiguous tensors; a copy otherwise. Gradient:
    /// reshaped back.
    ///
    /// # Errors
    /// If the number of elements differs, or does not determine the size that is -1.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1, 2, 3], [4, 5, 6]];
    /// assert_eq!(x.reshape([3, 2])?.shape(), [3, 2]);
    /// assert_eq!(x.reshape([-1])?.shape(), [6]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "view")]
    #[track_caller]
    pub fn reshape(&self, shape: impl NewShape) -> Result<Tensor> {
        let (sizes, count) = shape.signed_sizes();
        if count > MAX_DIMS {
            return Err(Error::shape("reshape", format!("{count} dimensions, at most {MAX_DIMS} are supported")));
        }
        reshape("reshape", self, new_sizes("reshape", self, &sizes[..count])?)
    }

    /// The dimensions from `start` to `end`, both included, as one. `flatten(0, -1)` makes a vector of any tensor.
    /// Gradient: reshaped back.
    ///
    /// # Errors
    /// If a dimension is out of range, or `start` comes after `end`.
    ///
    /// ```
    /// use demotic::Tensor;
    ///
    /// let images = Tensor::zeros([8, 3, 4, 4])?;
    /// assert_eq!(images.flatten(1, -1)?.shape(), [8, 48]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn flatten(&self, start: isize, end: isize) -> Result<Tensor> {
        if self.rank() == 0 && [-1, 0].contains(&start) && [-1, 0].contains(&end) {
            return reshape("flatten", self, Dims::filled(1, 1));
        }
        let (from, to) = (dim_index("flatten", start, self.rank())?, dim_index("flatten", end, self.rank())?);
        if from > to {
            let message = format!("from dimension {start} to {end} of {:?}, which comes before it", self.shape());
            return Err(Error::index("flatten", message));
        }
        let old = self.shape();
        let merged = old[from..=to].iter().product();
        let sizes = old[..from].iter().copied().chain([merged]).chain(old[to + 1..].iter().copied());
        reshape("flatten", self, Dims::collect(sizes))
    }

    /// One dimension as several, of the given sizes, of which one may be -1. Gradient: reshaped back.
    ///
    /// # Errors
    /// If `dim` is out of range, the sizes do not fit, or there would be too many dimensions.
    ///
    /// ```
    /// use demotic::Tensor;
    ///
    /// let heads = Tensor::zeros([2, 5, 64])?.unflatten(-1, [8, -1])?;
    /// assert_eq!(heads.shape(), [2, 5, 8, 8]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn unflatten(&self, dim: isize, sizes: impl NewShape) -> Result<Tensor> {
        let at = dim_index("unflatten", dim, self.rank())?;
        let (sizes, count) = sizes.signed_sizes();
        let rank = self.rank() - 1 + count;
        if rank > MAX_DIMS {
            return Err(Error::shape("unflatten", format!("{rank} dimensions, at most {MAX_DIMS} are supported")));
        }
        // The one dimension by itself is what the sizes have to fit.
        let one = self.with_layout(Layout::new(Dims::filled(self.shape()[at], 1)));
        let parts = new_sizes("unflatten", &one, &sizes[..count])?;
        let old = self.shape();
        let sizes = old[..at].iter().chain(parts.iter()).chain(&old[at + 1..]);
        let shape = Dims::collect(sizes.copied());
        // Beside a size of 0, the others may have become more than can be counted.
        check_shape("unflatten", &shape, self.dtype())?;
        reshape("unflatten", self, shape)
    }

    /// A view without any dimension of size 1. Gradient: with them.
    #[doc(alias = "squeeze")]
    #[must_use]
    pub fn squeeze_all(&self) -> Tensor {
        let layout = self.layout();
        let (shape, strides) = layout.slices();
        let kept = |from: &[usize]| Dims::collect((0..self.rank()).filter(|d| shape[*d] != 1).map(|d| from[d]));
        let view = Layout::strided(kept(shape), kept(strides), layout.offset);
        record("squeeze_all", self.with_layout(view), &[self], |tape| {
            let old = layout.shape();
            tape.edge(self, move |g| reshape("reshape", g, old));
            tape.reshapes_examples(self);
        })
    }

    /// A view with the dimensions in another order: dimension `i` of the result is dimension `order[i]` of this one.
    /// Gradient: permuted back.
    ///
    /// # Errors
    /// If `order` does not name every dimension once.
    #[track_caller]
    pub fn permute(&self, order: &[isize]) -> Result<Tensor> {
        if order.len() != self.rank() {
            let message = format!("{} dimensions named for a tensor of shape {:?}", order.len(), self.shape());
            return Err(Error::index("permute", message).with_help("name every dimension once"));
        }
        let mut axes = Dims::EMPTY;
        for &dim in order {
            let axis = dim_index("permute", dim, self.rank())?;
            if axes.contains(&axis) {
                return Err(Error::index("permute", format!("dimension {dim} is named twice")));
            }
            axes.push(axis);
        }
        Ok(permute(self, axes))
    }

    /// The view behind `permute`, not recorded.
    pub(crate) fn permuted(&self, axes: &[usize]) -> Tensor {
        let layout = self.layout();
        let (shape, strides) = layout.slices();
        let pick = |from: &[usize]| Dims::collect(axes.iter().map(|i| from[*i]));
        self.with_layout(Layout::strided(pick(shape), pick(strides), layout.offset))
    }

    /// A view with two dimensions exchanged. Gradient: exchanged back.
    ///
    /// # Errors
    /// If a dimension is out of range.
    #[doc(alias = "swapaxes")]
    #[doc(alias = "swapdims")]
    #[track_caller]
    pub fn transpose(&self, a: isize, b: isize) -> Result<Tensor> {
        let (a, b) = (dim_index("transpose", a, self.rank())?, dim_index("transpose", b, self.rank())?);
        let mut axes = Dims::collect(0..self.rank());
        axes.swap(a, b);
        Ok(permute(self, axes))
    }

    /// A view with dimension `from` moved to position `to`, or several to as many positions, the others keeping their order.
    /// Gradient: moved back.
    ///
    /// # Errors
    /// If a dimension is out of range or named twice, or there are not as many positions as dimensions.
    ///
    /// ```
    /// use demotic::Tensor;
    ///
    /// let images = Tensor::zeros([8, 32, 24, 3])?;
    /// assert_eq!(images.movedim(-1, 1)?.shape(), [8, 3, 32, 24]);
    /// assert_eq!(images.movedim([0, 1], [-1, 0])?.shape(), [32, 24, 3, 8]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[doc(alias = "moveaxis")]
    #[track_caller]
    pub fn movedim(&self, from: impl DimList, to: impl DimList) -> Result<Tensor> {
        let (from, to) = (from.as_dims(), to.as_dims());
        if from.len() != to.len() {
            let message = format!("dimensions {from:?} to positions {to:?}, expected as many");
            return Err(Error::argument("movedim", message));
        }
        let mut moved = Vec::with_capacity(to.len());
        for dims in [from, to].iter().filter(|dims| !dims.is_empty()) {
            dim_set("movedim", dims, self.rank())?;
        }
        for (from, to) in from.iter().zip(to) {
            moved.push((dim_index("movedim", *to, self.rank())?, dim_index("movedim", *from, self.rank())?));
        }
        // Positions are those of the result: filled from the front, nothing moves any more.
        crate::order::sort_by(&mut moved, Ord::cmp);
        let mut axes = Dims::collect((0..self.rank()).filter(|dim| moved.iter().all(|(_, from)| from != dim)));
        moved.iter().for_each(|(to, from)| axes.insert(*to, *from));
        Ok(permute(self, axes))
    }

    /// The transpose of a matrix, or of every matrix of a batch: the last two dimensions exchanged. Tensors with fewer
    /// dimensions stay as they are.
    #[must_use]
    pub fn t(&self) -> Tensor {
        let mut axes = Dims::collect(0..self.rank());
        if let Some(i) = self.rank().checked_sub(2) {
            axes.swap(i, i + 1);
        }
        permute(self, axes)
    }

    /// A view of `shape` in which dimensions of size 1, and missing leading ones, are repeated (NumPy's rule).
    /// Gradient: summed over the repetitions.
    ///
    /// # Errors
    /// If the shape is not one that this one broadcasts to, or has so many elements that operations on them could not
    /// hold them in memory (a quarter of the [machine's](crate::memory::machine_bytes), at 8 bytes each).
    #[doc(alias = "expand")]
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl Shape) -> Result<Tensor> {
        let dims = check_shape("broadcast_to", shape.sizes(), self.dtype())?;
        let view = self.expanded(&dims)?;
        check_view("broadcast_to", self.shape(), &dims)?;
        Ok(view)
    }

    /// The same where a tensor of that shape exists, which may be larger than what a view may make of nothing.
    #[track_caller]
    pub(crate) fn expanded(&self, shape: &Dims) -> Result<Tensor> {
        let Some(strides) = expand_strides(self.layout(), shape) else {
            let message = format!("shape {:?} does not broadcast to {shape:?}", self.shape());
            return Err(Error::shape("broadcast_to", message));
        };
        let view = self.with_layout(Layout::strided(*shape, strides, self.layout().offset));
        // The engine sums the gradient to the input's shape.
        Ok(record("broadcast_to", view, &[self], |tape| tape.edge(self, |g| Ok(g.clone()))))
    }

    /// The same elements, contiguous in memory: a copy if this is a strided view, itself otherwise.
    #[must_use]
    pub fn contiguous(&self) -> Tensor {
        if self.is_contiguous() {
            return self.clone();
        }
        record("contiguous", self.packed(), &[self], |tape| tape.edge(self, |g| Ok(g.clone())))
    }

    /// The same tensor as a new result in the recorded graph.
    pub(crate) fn alias(&self) -> Tensor {
        record("alias", self.detach(), &[self], |tape| tape.edge(self, |g| Ok(g.clone())))
    }
}

/// The sizes of a new shape, with what stands for -1 filled in.
#[track_caller]
fn new_sizes(name: &'static str, x: &Tensor, sizes: &[isize]) -> Result<Dims> {
    if let Some(size) = sizes.iter().find(|n| **n < -1) {
        return Err(Error::shape(name, format!("a size of {size} in {sizes:?}")));
    }
    let mut dims = Dims::collect(sizes.iter().map(|n| usize::try_from(*n).unwrap_or(1)));
    let known = check_shape(name, &dims, x.dtype())?.iter().product::<usize>();
    let (old, n) = (x.shape(), x.numel());
    let mut open = (0..sizes.len()).filter(|i| sizes[*i] == -1);
    let first = open.next();
    if open.next().is_some() {
        return Err(Error::shape(name, format!("more than one size of {sizes:?} is -1")));
    }
    match first {
        Some(_) if known == 0 => {
            Err(Error::shape(name, format!("{old:?} has {n} elements, which leaves the -1 in {sizes:?} open")))
        }
        Some(_) if n % known != 0 => {
            Err(Error::shape(name, format!("{old:?} has {n} elements, not a multiple of {known} as {sizes:?} needs")))
        }
        None if n != known => Err(Error::shape(name, format!("{old:?} has {n} elements, {sizes:?} has {known}"))),
        Some(at) => {
            dims[at] = n / known;
            Ok(dims)
        }
        None => Ok(dims),
    }
}

/// The elements with another shape of the same size.
#[track_caller]
pub(super) fn reshape(name: &'static str, x: &Tensor, shape: Dims) -> Result<Tensor> {
    let view = match reshape_strides(x.layout(), &shape) {
        Some(strides) => x.with_layout(Layout::strided(shape, strides, x.layout().offset)),
        None => {
            // A broadcast view can be larger than its memory.
            let mut copy = stale(name, &shape, x.dtype())?;
            exec::copy(x, x.shape(), x.strides(), &mut copy);
            copy
        }
    };
    Ok(record(name, view, &[x], |tape| {
        let old = x.layout().shape();
        tape.edge(x, move |g| reshape("reshape", g, old));
        tape.reshapes_examples(x);
    }))
}

pub(super) fn permute(x: &Tensor, axes: Dims) -> Tensor {
    record("permute", x.permuted(&axes), &[x], |tape| {
        let mut back = Dims::filled(0, axes.len());
        axes.iter().enumerate().for_each(|(i, axis)| back[*axis] = i);
        tape.edge(x, move |g| Ok(permute(g, back)));
        tape.moves_examples(x, &|d| axes.get(d).copied());
    })
}

/// # Dimensions of size 1
///
/// ```
/// use demotic::Tensor;
///
/// let x = Tensor::zeros([2, 3])?.unsqueeze(1)?;
/// assert_eq!((x.shape(), x.squeeze(1)?.shape()), (&[2, 1, 3][..], &[2, 3][..]));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// A view with a new dimension of size 1 at position `dim` of the result. Gradient: without it.
    ///
    /// # Errors
    /// If `dim` is out of range, or there are too many dimensions already.
    #[track_caller]
    pub fn unsqueeze(&self, dim: isize) -> Result<Tensor> {
        let at = dim_index("unsqueeze", dim, self.rank() + 1)?;
        if self.rank() == MAX_DIMS {
            return Err(Error::shape(
                "unsqueeze",
                format!("{:?} has as many dimensions as a tensor can have", self.shape()),
            ));
        }
        let (mut shape, mut strides) = (self.layout().shape(), self.layout().strides());
        let stride = if at < self.rank() { shape[at] * strides[at] } else { 1 };
        shape.insert(at, 1);
        strides.insert(at, stride);
        let view = self.with_layout(Layout::strided(shape, strides, self.layout().offset));
        Ok(record("unsqueeze", view, &[self], |tape| {
            tape.edge(self, move |g| g.squeeze(at as isize));
            tape.moves_examples(self, &|d| (d != at).then(|| d - usize::from(d > at)));
        }))
    }

    /// A view without dimension `dim`, which must have size 1. Gradient: with it.
    ///
    /// # Errors
    /// If `dim` is out of range or has another size.
    #[track_caller]
    pub fn squeeze(&self, dim: isize) -> Result<Tensor> {
        let at = dim_index("squeeze", dim, self.rank())?;
        if self.shape()[at] != 1 {
            let message = format!("dimension {dim} of {:?} has size {}, expected 1", self.shape(), self.shape()[at]);
            return Err(Error::shape("squeeze", message));
        }
        let (mut shape, mut strides) = (self.layout().shape(), self.layout().strides());
        shape.remove(at);
        strides.remove(at);
        let view = self.with_layout(Layout::strided(shape, strides, self.layout().offset));
        Ok(record("squeeze", view, &[self], |tape| {
            tape.edge(self, move |g| g.unsqueeze(at as isize));
            tape.moves_examples(self, &|d| Some(d + usize::from(d >= at)));
        }))
    }
}
