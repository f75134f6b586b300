//! Layers that say how others are applied, and functions as layers.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::core::{Blueprint, IntoLayer, Layer, LayerExt, Mode, Module, Visitor, VisitorMut, inside};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// What a [`Lambda`] applies.
type Function = dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync;

/// A function of tensors as a layer without parameters: Keras' `Lambda`.
///
/// It may capture what it likes that can be shared between threads; parameters in it are no parameters of the model. Files of models
/// cannot hold it: [`SaveLoad::load`](crate::io::SaveLoad::load) into a model that was made in code can do without.
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(3, 4, &mut rng)?, Lambda::new(|x| Ok(x.square() * 0.5)), Linear::new(4, 1, &mut rng)?];
/// assert_eq!(model.predict(&Tensor::zeros([2, 3])?)?.shape(), [2, 1]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct Lambda {
    function: Arc<Function>,
}

crate::module!(Lambda {}, plain { function });

impl Lambda {
    /// A layer that applies `function`.
    #[must_use]
    pub fn new(function: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Self {
        Self { function: Arc::new(function) }
    }
}

impl Layer for Lambda {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        mode.here((self.function)(x))
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lambda(..)")
    }
}

/// How the outputs of layers beside each other become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Join {
    /// One after the other in a dimension; negative numbers count from the end.
    Concat(isize),
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// Their product.
    Product,
    /// The largest of their elements.
    Max,
}

/// Layers that get the same input, and whose outputs are joined, as Keras' `Concatenate` and `Add` do. They are named by their
/// positions: `0.weight`, `1.weight` …
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let both = Parallel::new(Join::Concat(-1))
///     .with(Linear::new(8, 3, &mut rng)?)
///     .with(sequential![Linear::new(8, 5, &mut rng)?, Tanh]);
/// assert_eq!(both.predict(&Tensor::zeros([2, 8])?)?.shape(), [2, 8]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct Parallel {
    layers: Vec<Box<dyn Layer>>,
    join: Join,
}

impl Module for Parallel {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.layers.visit(visitor);
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        self.layers.visit_mut(visitor);
    }
    fn blueprint(&self) -> Option<Result<Blueprint>> {
        Some(Blueprint::of(self))
    }
}

impl Parallel {
    /// Without any layer yet, of which there has to be at least one.
    #[must_use]
    pub fn new(join: Join) -> Self {
        Self { layers: Vec::new(), join }
    }

    /// The same with one more layer.
    #[must_use]
    pub fn with(mut self, layer: impl IntoLayer) -> Self {
        self.layers.push(inside(layer));
        self
    }

    /// The layers in order.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Layer> {
        self.layers.iter().map(|layer| &**layer)
    }

    pub(super) fn join(&self) -> Join {
        self.join
    }

    #[track_caller]
    fn joined(&self, outputs: &[Tensor]) -> Result<Tensor> {
        let Some((first, others)) = outputs.split_first() else {
            return Err(Error::state("parallel", "there are no layers to join"));
        };
        if let Join::Concat(dim) = self.join {
            return Tensor::cat(&outputs.iter().collect::<Vec<_>>(), dim);
        }
        if let Some((i, other)) = others.iter().enumerate().find(|(_, y)| y.shape() != first.shape()) {
            let (i, a, b) = (i + 1, first.shape(), other.shape());
            return Err(Error::shape("parallel", format!("layer 0 gives {a:?}, layer {i} {b:?}")));
        }
        let join = match self.join {
            Join::Product => Tensor::mul,
            Join::Max => Tensor::maximum,
            _ => Tensor::add,
        };
        let all = others.iter().try_fold(first.clone(), |all, y| join(&all, y))?;
        Ok(if self.join == Join::Mean { all.div_scalar(outputs.len() as f64) } else { all })
    }
}

impl Layer for Parallel {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let mut outputs = Vec::with_capacity(self.layers.len());
        for (i, layer) in self.layers.iter().enumerate() {
            outputs.push(layer.at(i, x, mode)?);
        }
        mode.here(self.joined(&outputs))
    }
}

impl fmt::Debug for Parallel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parallel({:?}) ", self.join)?;
        f.debug_list().entries(&self.layers).finish()
    }
}

/// A layer applied to each step of a sequence: `[batch, time, …]` goes through it as `[batch · time, …]`. Its parameters are named
/// `inner.…`.
///
/// Layers that act on the last dimension alone, such as [`Linear`](super::Linear), take sequences as they are.
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let pictures = Tensor::zeros([2, 5, 4, 4])?;
/// let each = TimeDistributed::new(sequential![Flatten::new(), Linear::new(16, 3, &mut rng)?]);
/// assert_eq!(each.predict(&pictures)?.shape(), [2, 5, 3]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TimeDistributed {
    inner: Box<dyn Layer>,
}

crate::module!(TimeDistributed { inner });

impl TimeDistributed {
    /// Applies `inner` to each step.
    #[must_use]
    pub fn new(inner: impl IntoLayer) -> Self {
        Self { inner: inside(inner) }
    }

    pub(super) fn inner(&self) -> &dyn Layer {
        &*self.inner
    }
}

impl Layer for TimeDistributed {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let steps = match x.rank() {
            0 | 1 => {
                let message = format!("an input of shape {:?}, expected [batch, time, ..]", x.shape());
                Err(Error::shape("time_distributed", message))
            }
            _ => x.flatten(0, 1),
        };
        let steps = mode.here(steps)?;
        let y = self.inner.at("inner", &steps, mode)?;
        let whole = match y.shape().split_first() {
            Some((n, rest)) if *n == steps.shape()[0] => {
                y.reshape(x.shape()[..2].iter().chain(rest).copied().collect::<Vec<_>>())
            }
            _ => {
                let message = format!("{} steps became {:?}", steps.shape()[0], y.shape());
                Err(Error::shape("time_distributed", message)
                    .with_help("the layer must keep the first dimension, which counts steps"))
            }
        };
        mode.here(whole)
    }
}
