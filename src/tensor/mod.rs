//! Tensors: arrays of numbers with any number of dimensions up to [`MAX_DIMS`].
//!
//! [`Tensor`] is the one type that everything in this crate works on. It has no type parameters; the
//! [element type](DType) and the shape are values, checked when an operation runs.

pub mod argument;
mod convert;
pub(crate) mod create;
mod display;
mod draw;
pub(crate) mod dtype;
pub(crate) mod exec;
pub mod index;
#[allow(unsafe_code)]
pub(crate) mod kernels;
pub(crate) mod layout;
#[cfg(feature = "ndarray")]
mod ndarray;
mod nested;
pub(crate) mod quantized;
mod serde;
pub(crate) mod sparse;
pub(crate) mod storage;

use std::any::Any;
use std::sync::Arc;

pub use dtype::{DType, Element, Float};
pub use layout::{MAX_DIMS, NewShape, Shape};
pub use nested::Nested;
pub use quantized::{Calibration, GptqOptions, QTensor, Scheme};
pub(crate) use serde::Numbers;
pub use sparse::SparseTensor;

use layout::{Dims, Layout};
use storage::{Storage, Word, with_word};

/// What the autograd layer attaches to a tensor. Tensors carry it along and never look inside.
pub(crate) type Node = Arc<dyn Any + Send + Sync>;

/// An array of numbers, with a shape and an [element type](DType).
///
/// A `Tensor` is a cheap handle: cloning one, slicing or transposing it shares the elements. Elements are never
/// changed behind a handle's back; what is written to is copied first if anyone else can see it.
///
/// ```
/// use demotic::{tensor, Tensor};
///
/// let a = tensor![[1.0, 2.0], [3.0, 4.0]];
/// let b = Tensor::eye(2)?;
/// assert_eq!((&a + &b)?.to_vec::<f32>()?, [2.0, 2.0, 3.0, 5.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Operations follow PyTorch in name and meaning. Negative dimensions count from the end, shapes broadcast as in
/// NumPy, and operations on tensors with gradients are recorded (see [`crate::autograd`]). An operation that
/// can fail returns a [`Result`](crate::Result); one that cannot returns the tensor itself.
///
/// # By purpose
/// | to … | |
/// |---|---|
/// | make one | [`tensor!`](crate::tensor!), [`from_nested`](Self::from_nested), [`from_vec`](Self::from_vec), [`from_slice`](Self::from_slice), [`zeros`](Self::zeros), [`ones`](Self::ones), [`full`](Self::full), [`eye`](Self::eye), [`arange`](Self::arange), [`linspace`](Self::linspace), [`meshgrid`](Self::meshgrid), [`tril_indices`](Self::tril_indices) |
/// | draw a random one | [`uniform`](Self::uniform), [`normal`](Self::normal), [`bernoulli`](Self::bernoulli), [`permutation`](Self::permutation), [`randint`](Self::randint), [`multinomial`](Self::multinomial), [`rand_like`](Self::rand_like), [`randn_like`](Self::randn_like) |
/// | look at it | [`shape`](Self::shape), [`rank`](Self::rank), [`numel`](Self::numel), [`dtype`](Self::dtype), [`size`](Self::size), [`item`](Self::item), [`to_vec`](Self::to_vec), [`to_f64_vec`](Self::to_f64_vec), [`as_slice`](Self::as_slice) |
/// | take parts | [`index`](Self::index), [`slice`](Self::slice), [`narrow`](Self::narrow), [`select`](Self::select), [`masked_select`](Self::masked_select), [`index_select`](Self::index_select), [`gather`](Self::gather), [`topk`](Self::topk), [`kthvalue`](Self::kthvalue), [`median`](Self::median), [`nonzero`](Self::nonzero), [`unique`](Self::unique), [`unique_dim`](Self::unique_dim), [`unique_consecutive`](Self::unique_consecutive), [`windows`](Self::windows) |
/// | put parts in | [`index_put`](Self::index_put), [`index_add`](Self::index_add), [`scatter`](Self::scatter), [`scatter_add`](Self::scatter_add), [`scatter_reduce`](Self::scatter_reduce), [`index_fill`](Self::index_fill), [`index_copy`](Self::index_copy), [`masked_scatter`](Self::masked_scatter), [`masked_fill`](Self::masked_fill), [`where_`](Self::where_) |
/// | change the shape | [`reshape`](Self::reshape), [`flatten`](Self::flatten), [`unflatten`](Self::unflatten), [`squeeze`](Self::squeeze), [`unsqueeze`](Self::unsqueeze), [`permute`](Self::permute), [`transpose`](Self::transpose), [`t`](Self::t), [`movedim`](Self::movedim), [`broadcast_to`](Self::broadcast_to) |
/// | join and divide | [`cat`](Self::cat), [`stack`](Self::stack), [`split`](Self::split), [`chunk`](Self::chunk), [`repeat`](Self::repeat), [`repeat_interleave`](Self::repeat_interleave), [`flip`](Self::flip), [`roll`](Self::roll), [`rot90`](Self::rot90), [`tile`](Self::tile), [`pad`](Self::pad) |
/// | calculate | [`add`](Self::add), [`sub`](Self::sub), [`mul`](Self::mul), [`div`](Self::div), [`neg`](Self::neg), [`powf`](Self::powf), [`sqrt`](Self::sqrt), [`square`](Self::square), [`exp`](Self::exp), [`log`](Self::log), [`sin`](Self::sin), [`tanh`](Self::tanh), [`abs`](Self::abs), [`round`](Self::round), [`clamp`](Self::clamp), [`lerp`](Self::lerp), [`fmod`](Self::fmod), [`addcmul`](Self::addcmul), [`xlogy`](Self::xlogy), [`lgamma`](Self::lgamma), [`erfinv`](Self::erfinv) |
/// | compare | [`eq`](Self::eq), [`lt`](Self::lt), [`ge`](Self::ge), [`maximum`](Self::maximum), [`minimum`](Self::minimum), [`is_nan`](Self::is_nan), [`isclose`](Self::isclose), [`allclose`](Self::allclose), [`searchsorted`](Self::searchsorted), [`logical_and`](Self::logical_and), [`where_`](Self::where_) |
/// | reduce | [`sum`](Self::sum), [`mean`](Self::mean), [`var`](Self::var), [`std`](Self::std), [`max`](Self::max), [`min`](Self::min), [`argmax_dim`](Self::argmax_dim), [`prod`](Self::prod), [`norm`](Self::norm), [`logsumexp`](Self::logsumexp), [`any`](Self::any), [`all`](Self::all), [`count_nonzero`](Self::count_nonzero), [`quantile`](Self::quantile), [`bincount`](Self::bincount), [`histc`](Self::histc) |
/// | go along a dimension | [`cumsum`](Self::cumsum), [`cumprod`](Self::cumprod), [`cummax`](Self::cummax), [`cummin`](Self::cummin), [`logcumsumexp`](Self::logcumsumexp), [`diff`](Self::diff), [`sort`](Self::sort), [`argsort`](Self::argsort), [`softmax`](Self::softmax), [`log_softmax`](Self::log_softmax) |
/// | multiply matrices | [`matmul`](Self::matmul), [`dot`](Self::dot), [`outer`](Self::outer), [`linear`](Self::linear), [`einsum`](Self::einsum), [`tensordot`](Self::tensordot), [`kron`](Self::kron), [`cdist`](Self::cdist), [`cosine_similarity`](Self::cosine_similarity) |
/// | convolve | [`conv1d`](Self::conv1d), [`conv2d`](Self::conv2d), [`conv3d`](Self::conv3d), [`conv_transpose2d`](Self::conv_transpose2d) |
/// | build networks | [`relu`](Self::relu), [`gelu`](Self::gelu), [`silu`](Self::silu), [`sigmoid`](Self::sigmoid), [`softmax`](Self::softmax), [`dropout`](Self::dropout), [`layer_norm`](Self::layer_norm), [`rms_norm`](Self::rms_norm), [`embedding`](Self::embedding), [`attention`](Self::attention), [`rotary`](Self::rotary) |
/// | work on images | [`max_pool2d`](Self::max_pool2d), [`avg_pool2d`](Self::avg_pool2d), [`adaptive_avg_pool2d`](Self::adaptive_avg_pool2d), [`lp_pool2d`](Self::lp_pool2d), [`max_unpool2d`](Self::max_unpool2d), [`batch_norm`](Self::batch_norm), [`group_norm`](Self::group_norm), [`local_response_norm`](Self::local_response_norm), [`interpolate`](Self::interpolate), [`grid_sample`](Self::grid_sample), [`affine_grid`](Self::affine_grid), [`im2col`](Self::im2col), [`col2im`](Self::col2im), [`pixel_shuffle`](Self::pixel_shuffle) |
/// | differentiate | [`tracked`](Self::tracked), [`backward`](Self::backward), [`backward_retain`](Self::backward_retain), [`detach`](Self::detach), [`is_tracked`](Self::is_tracked) |
/// | convert the type | [`to_dtype`](Self::to_dtype) |
///
/// Ending in `_dims`, a reduction takes a list of dimensions, ending in `_dim`, one; without, it reduces all of them. Ending in
/// `_scalar`, an operation takes a number in place of a second tensor.
///
/// # Operators
///
/// `+`, `-`, `*` and `/` take tensors, owned or borrowed in any combination, and numbers. With a number the result is a
/// `Tensor`; with two tensors, whose shapes may not fit, it is a `Result<Tensor>`. A result can be an operand beside a
/// tensor, so that one `?` at the end of a chain is enough. Two results, or a result and a number, cannot meet (Rust lets no
/// crate define it): give the first of them a `?`.
///
/// ```
/// use demotic::tensor;
///
/// let (x, y, z) = (tensor![1.0, 2.0], tensor![10.0], tensor![0.5]);
/// let a = (&x + &y * 3.0)?; // the number first: &y * 3.0 is a tensor
/// let b = (&x * &y + &z - 1.0 * &x)?; // a chain of tensors
/// let c = (&x * &y)? * 2.0; // a product of tensors, then a number
/// let d = ((&x * &y)? + &x * &z)?; // two products
/// assert_eq!(a.to_vec::<f32>()?, [31.0, 32.0]);
/// assert_eq!(b.to_vec::<f32>()?, [9.5, 18.5]);
/// assert_eq!(c.to_vec::<f32>()?, [20.0, 40.0]);
/// assert_eq!(d.to_vec::<f32>()?, [10.5, 21.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    storage: Storage,
    layout: Layout,
    node: Option<Node>,
}

/// # Shape, type and memory
impl Tensor {
    /// The sizes of the dimensions; empty for a scalar.
    #[must_use]
    #[inline]
    pub fn shape(&self) -> &[usize] {
        self.layout.slices().0
    }

    /// The number of dimensions.
    #[must_use]
    #[inline]
    pub fn rank(&self) -> usize {
        self.layout.slices().0.len()
    }

    /// The number of elements: the product of the sizes, 1 for a scalar.
    #[must_use]
    #[inline]
    pub fn numel(&self) -> usize {
        self.layout.len()
    }

    /// Whether there are no elements because some dimension has size 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numel() == 0
    }

    /// The size of one dimension; negative numbers count from the end.
    ///
    /// # Errors
    /// If there is no such dimension.
    #[track_caller]
    pub fn size(&self, dim: isize) -> crate::Result<usize> {
        Ok(self.shape()[layout::dim_index("size", dim, self.rank())?])
    }

    /// The element type.
    #[must_use]
    #[inline]
    pub fn dtype(&self) -> DType {
        self.storage.dtype()
    }

    /// How many elements apart neighbours along each dimension lie in memory; 0 along broadcast dimensions.
    #[must_use]
    pub fn strides(&self) -> &[usize] {
        self.layout.slices().1
    }

    /// Whether the elements lie in memory one after the other, the last dimension fastest.
    #[must_use]
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.layout.contiguous
    }

    /// Whether two tensors are views of the same memory.
    #[must_use]
    pub fn shares_storage(&self, other: &Tensor) -> bool {
        self.storage.is_same(&other.storage)
    }
}

/// What the rest of the crate builds on.
impl Tensor {
    /// A tensor whose elements are unspecified, to be overwritten at once. The shape must be known to be possible.
    pub(crate) fn stale(dtype: DType, shape: &[usize]) -> Self {
        let layout = Layout::new(Dims::collect(shape.iter().copied()));
        Self { storage: Storage::stale(dtype, layout.len()), layout, node: None }
    }

    /// A contiguous tensor made by filling a fresh buffer.
    #[inline]
    pub(in crate::tensor) fn build<T: Element>(shape: &[usize], fill: impl FnOnce(&mut [T])) -> Self {
        let mut out = Self::stale(T::DTYPE, shape);
        fill(out.storage.slice_mut().unwrap_or_default());
        out
    }

    #[inline]
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Another view of the same elements, not recorded. The layout must stay within the storage.
    pub(crate) fn with_layout(&self, layout: Layout) -> Self {
        Self { storage: self.storage.clone(), layout, node: None }
    }

    #[inline]
    pub(crate) fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    pub(crate) fn with_node(mut self, node: Option<Node>) -> Self {
        self.node = node;
        self
    }

    /// The elements that the view can reach, from its first on. In row-major order if it is contiguous.
    #[inline]
    pub(crate) fn data<T: Element>(&self) -> &[T] {
        let start = self.layout.offset;
        if self.layout.len() == 0 {
            return &[];
        }
        &self.storage.slice()[start..start + self.layout.extent()]
    }

    /// Copies the elements if they are shared or strided.
    fn own(&mut self) {
        if !self.is_owned() {
            let copy = self.packed_copy();
            (self.storage, self.layout) = (copy.storage, copy.layout);
        }
    }

    /// The elements for writing, in row-major order. Copies them first if they are shared or strided.
    pub(in crate::tensor) fn data_mut<T: Element>(&mut self) -> &mut [T] {
        self.own();
        let (start, len) = (self.layout.offset, self.layout.len());
        let elements = self.storage.slice_mut().unwrap_or_default();
        if len == 0 { &mut [] } else { &mut elements[start..start + len] }
    }

    /// The same as [`data`](Self::data), as words of the elements' size.
    pub(in crate::tensor) fn words<W: Word>(&self) -> &[W] {
        let start = self.layout.offset;
        if self.layout.len() == 0 {
            return &[];
        }
        &self.storage.words()[start..start + self.layout.extent()]
    }

    /// The same as [`data_mut`](Self::data_mut), as words of the elements' size.
    pub(in crate::tensor) fn words_mut<W: Word>(&mut self) -> &mut [W] {
        self.own();
        let (start, len) = (self.layout.offset, self.layout.len());
        let words = self.storage.words_mut().unwrap_or_default();
        if len == 0 { &mut [] } else { &mut words[start..start + len] }
    }

    /// Whether writing to the elements needs no copy.
    pub(crate) fn is_owned(&self) -> bool {
        self.layout.contiguous && self.storage.is_unique()
    }

    /// Whether both are the same view of the same block of elements.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.storage.is_same(&other.storage) && self.layout == other.layout
    }

    /// The same elements, contiguous in memory: itself, or a copy. Not recorded.
    pub(crate) fn packed(&self) -> Self {
        if self.layout.contiguous { self.with_layout(self.layout.clone()) } else { self.packed_copy() }
    }

    /// A copy of the elements, contiguous in memory.
    pub(crate) fn packed_copy(&self) -> Self {
        let mut out = Self::stale(self.dtype(), self.shape());
        with_word!(self.dtype(), W => {
            let x = kernels::Strided { data: self.words::<W>(), strides: self.strides() };
            kernels::copy::copy_strided(self.shape(), x, out.words_mut());
        });
        out
    }

    /// The elements as an operand of a kernel, broadcast to `shape` (which they must be able to).
    pub(crate) fn strided<'a, T: Element>(&'a self, strides: &'a [usize]) -> kernels::Strided<'a, T> {
        kernels::Strided { data: self.data(), strides }
    }
}
