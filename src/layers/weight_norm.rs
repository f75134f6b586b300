//! Weights of which something is held fixed: their norm, or how much they stretch.

use std::fmt;

use super::core::{Adapter, Buffer, Mode, Param, Weight};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::tensor::layout::dim_index;

/// Splits a weight into direction and length, `g · v / ‖v‖`, for each of its outputs (Salimans and Kingma, *Weight Normalization*, 2016): an
/// [`Adapter`]. The weight itself becomes `v`. Of transposed convolutions, the outputs are dimension 1 of the weight: see
/// [`along`](Self::along).
///
/// # Shapes
/// - `g`: `[out, 1, ..]`, the norms that the weight has when the adapter is made
///
/// ```
/// use demotic::layers::WeightNorm;
/// use demotic::prelude::*;
///
/// let mut layer = Linear::new(4, 2, &mut Rng::seed(0))?;
/// let before = layer.weight.value()?;
/// let norm = WeightNorm::new(&layer.weight)?;
/// layer.weight.adapt(norm)?;
/// assert!(layer.weight.value()?.sub(&before)?.abs().max()?.item()? < 1e-6);
/// let names: Vec<String> = layer.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["weight", "weight.g", "bias"]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct WeightNorm {
    /// The length for each output.
    pub g: Param,
    /// The dimension that has a length for each place; without one, there is a single length.
    axis: Option<usize>,
}

crate::module!(WeightNorm { g }, plain { axis });

impl WeightNorm {
    /// The adapter that leaves this weight as it is.
    ///
    /// # Errors
    /// If the weight has no dimensions, or does not fit into memory.
    #[track_caller]
    pub fn new(weight: &Weight) -> Result<Self> {
        if weight.shape().is_empty() {
            return Err(Error::shape("WeightNorm::new", "a weight without dimensions"));
        }
        Self::along(weight, Some(0))
    }

    /// The same with a length for each place of another dimension (PyTorch's `dim`): 1 is that of the outputs in transposed convolutions.
    /// Without one, the whole weight has a single length.
    ///
    /// # Errors
    /// If the dimension is out of range, or the weight does not fit into memory.
    #[track_caller]
    pub fn along(weight: &Weight, dim: Option<isize>) -> Result<Self> {
        let axis = match dim {
            Some(dim) => Some(dim_index("WeightNorm::along", dim, weight.shape().len())?),
            None => None,
        };
        Ok(Self { g: Param::new(norms(&weight.value()?.detach(), axis)?)?, axis })
    }
}

/// The norm of what belongs to each place of a dimension.
#[track_caller]
fn norms(weight: &Tensor, axis: Option<usize>) -> Result<Tensor> {
    let dims: Vec<isize> = (0..weight.rank()).filter(|d| Some(*d) != axis).map(|d| d as isize).collect();
    if dims.is_empty() { Ok(weight.abs()) } else { weight.norm_dims(2.0, &dims, true) }
}

impl Adapter for WeightNorm {
    #[track_caller]
    fn value(&self, weight: &Tensor) -> Result<Tensor> {
        weight.mul(&self.g.div(&norms(weight, self.axis)?)?)
    }

    /// A weight of this length in this direction: itself.
    fn undo(&self, value: &Tensor) -> Result<Tensor> {
        Ok(value.clone())
    }
}

impl fmt::Debug for WeightNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeightNorm({} outputs)", self.g.numel())
    }
}

/// Divides a weight by its largest singular value, so that the layer stretches nothing (Miyato et al., *Spectral Normalization for
/// Generative Adversarial Networks*, 2018): an [`Adapter`].
///
/// The singular value is followed by power iteration: one step in each training pass, and fifteen when the adapter is made. The
/// weight is seen as a matrix `[out, everything else]`; of transposed convolutions, the outputs are dimension 1: see [`along`](Self::along).
///
/// # Shapes
/// - `u`: `[out]`, `v`: `[everything else]`, the singular vectors, which are saved with the model
///
/// ```
/// use demotic::layers::SpectralNorm;
/// use demotic::prelude::*;
///
/// let mut layer = Linear::new(3, 3, &mut Rng::seed(0))?;
/// layer.weight.set(&tensor![[4.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])?;
/// let norm = SpectralNorm::new(&layer.weight, &mut Rng::seed(1))?;
/// layer.weight.adapt(norm)?;
/// assert!((layer.weight.value()?.max()?.item()? - 1.0).abs() < 1e-5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct SpectralNorm {
    /// The left singular vector.
    pub u: Buffer,
    /// The right one.
    pub v: Buffer,
    /// The dimension of the outputs.
    axis: usize,
    steps: usize,
    eps: f64,
}

crate::module!(SpectralNorm { u, v }, plain { axis, steps, eps });

impl SpectralNorm {
    /// The adapter of a weight, begun with random vectors.
    ///
    /// # Errors
    /// If the weight has fewer than two dimensions or no elements.
    #[track_caller]
    pub fn new(weight: &Weight, rng: &mut Rng) -> Result<Self> {
        Self::along(weight, 0, rng)
    }

    /// The same for a weight whose outputs are another dimension (PyTorch's `dim`): 1 in transposed convolutions.
    ///
    /// # Errors
    /// As for [`new`](Self::new), or if the dimension is out of range.
    #[track_caller]
    pub fn along(weight: &Weight, dim: isize, rng: &mut Rng) -> Result<Self> {
        let axis = dim_index("SpectralNorm::along", dim, weight.shape().len().max(1))?;
        let matrix = as_matrix(&weight.value()?.detach(), axis)?;
        let vector = |n: usize, rng: &mut Rng| Tensor::normal([n], 0.0, 1.0, rng).map(|x| x.to_dtype(matrix.dtype()));
        let (u, v) = (vector(matrix.shape()[0], rng)?, vector(matrix.shape()[1], rng)?);
        let norm = Self { u: Buffer::new(u), v: Buffer::new(v), axis, steps: 1, eps: 1e-12 };
        norm.iterate(&matrix, 15)?;
        Ok(norm)
    }

    /// How many steps of the iteration a training pass makes; 1 by default.
    #[must_use]
    pub fn power_iterations(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// What norms are not below when vectors are divided by them; 1e-12 by default.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    #[track_caller]
    fn iterate(&self, matrix: &Tensor, steps: usize) -> Result<()> {
        let unit = |x: Tensor| x.div(&x.norm(2.0).clamp_min(self.eps));
        for _ in 0..steps {
            let u = unit(matrix.matmul(&self.v.get())?)?;
            self.v.set(&unit(matrix.t().matmul(&u)?)?)?;
            self.u.set(&u)?;
        }
        Ok(())
    }
}

/// A weight as a matrix `[out, everything else]`.
#[track_caller]
fn as_matrix(weight: &Tensor, axis: usize) -> Result<Tensor> {
    if weight.rank() < 2 || weight.is_empty() {
        let message = format!("a weight of shape {:?}, expected two dimensions or more", weight.shape());
        return Err(Error::shape("spectral_norm", message));
    }
    weight.movedim(axis as isize, 0)?.flatten(1, -1)
}

impl Adapter for SpectralNorm {
    #[track_caller]
    fn value(&self, weight: &Tensor) -> Result<Tensor> {
        let stretch = as_matrix(weight, self.axis)?.matmul(&self.v.get())?.dot(&self.u.get())?;
        weight.div(&stretch)
    }

    fn begin_pass(&self, weight: &Weight, mode: &Mode<'_>) -> Result<()> {
        // A pass that is repeated begins with the same vectors as the first time, and has to get to the same ones.
        if !mode.is_training() {
            return Ok(());
        }
        let _unrecorded = crate::autograd::pause_recording();
        self.iterate(&as_matrix(&weight.value()?.detach(), self.axis)?, self.steps)
    }
}

impl fmt::Debug for SpectralNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpectralNorm({} × {})", self.u.get().numel(), self.v.get().numel())
    }
}
