//! Layers made of layers.

use std::fmt;

use super::architecture::Blueprint;
use super::layer::{IntoLayer, Layer, LayerExt};
use super::mode::Mode;
use super::module::{Module, Visitor, VisitorMut};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// How deep layers may be nested. Everything that walks through a model calls itself for each level, and takes a few
/// hundred bytes of a stack of two megabytes for it.
const MAX_NESTING: usize = 128;

/// A layer inside another one, if it is not nested too deeply itself.
pub(crate) fn inside(layer: impl IntoLayer) -> Box<dyn Layer> {
    unless_too_deep(layer.into_layer())
}

fn unless_too_deep(layer: Box<dyn Layer>) -> Box<dyn Layer> {
    let levels = |path: &str| if path.is_empty() { 0 } else { 1 + path.matches('.').count() };
    let mut deepest = 0;
    layer.visit(&mut Visitor::with_modules(&mut |_, _| (), &mut |path, _| deepest = deepest.max(levels(path))));
    if deepest >= MAX_NESTING {
        return Box::new(NestedTooDeeply);
    }
    layer
}

/// Stands where a layer was to go that is nested too deeply, because the containers' constructors do not fail.
#[derive(Clone)]
struct NestedTooDeeply;

crate::module!(NestedTooDeeply {});

impl Layer for NestedTooDeeply {
    #[track_caller]
    fn forward(&self, _: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let message = format!("layers are nested in each other more than {MAX_NESTING} levels deep");
        let e = Error::state("forward", message).with_help("put layers that follow each other into one Sequential");
        mode.here(Err(e))
    }
}

/// Layers applied one after the other, as in PyTorch's `nn.Sequential`, named by their positions: `0.weight`, `0.bias`, `2.weight` …
///
/// What is nested more than 128 levels deep is not taken: the forward pass is then an error.
///
/// Its file says of which layers it is made, if each of them has an [`Architecture`](super::Architecture), as those of this crate
/// do, except [`Lambda`](crate::layers::Lambda); for layers of your own see [`register`](crate::layers::register).
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(8, 64, &mut rng)?, Relu, Linear::new(64, 1, &mut rng)?];
/// assert_eq!(model.predict(&Tensor::zeros([5, 8])?)?.shape(), [5, 1]);
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// model.save(&path)?;
/// assert_eq!(format!("{:?}", Sequential::open(&path)?), "[Linear, Relu, Linear]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Sequential {
    layers: Vec<Box<dyn Layer>>,
}

impl Sequential {
    /// Without any layer: the output is the input.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more layer at the end.
    #[must_use]
    pub fn with(mut self, layer: impl IntoLayer) -> Self {
        self.push(layer);
        self
    }

    /// Adds a layer at the end.
    pub fn push(&mut self, layer: impl IntoLayer) {
        self.layers.push(inside(layer));
    }

    /// The number of layers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are no layers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The layers in order.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Layer> {
        self.layers.iter().map(|layer| &**layer)
    }

    /// The layer at a position, if there is one.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let mut model = sequential![Linear::new(8, 64, &mut rng)?, Relu, Linear::new(64, 1, &mut rng)?];
    /// let first = model.get(0).and_then(|layer| layer.downcast_ref::<Linear>());
    /// assert_eq!(first.map(Linear::out_features), Some(64));
    ///
    /// model.replace(1, Gelu)?;
    /// model.insert(2, Dropout::new(0.1)?)?;
    /// model.remove(3)?;
    /// assert_eq!(format!("{model:?}"), "[Linear, Gelu, Dropout]");
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&dyn Layer> {
        self.layers.get(index).map(|layer| &**layer)
    }

    /// The layer at a position, for changing it, if there is one.
    #[must_use]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut dyn Layer> {
        self.layers.get_mut(index).map(|layer| &mut **layer)
    }

    /// Puts a layer before the one at a position, or at the end.
    ///
    /// # Errors
    /// If there are fewer layers than that.
    #[track_caller]
    pub fn insert(&mut self, index: usize, layer: impl IntoLayer) -> Result<()> {
        if index > self.len() {
            return Err(self.no_layer("insert", index));
        }
        self.layers.insert(index, inside(layer));
        Ok(())
    }

    /// Takes out the layer at a position; those behind it move up, and get other names.
    ///
    /// # Errors
    /// If there is none.
    #[track_caller]
    pub fn remove(&mut self, index: usize) -> Result<Box<dyn Layer>> {
        match index < self.len() {
            true => Ok(self.layers.remove(index)),
            false => Err(self.no_layer("remove", index)),
        }
    }

    /// Puts a layer into the place of the one at a position, which is returned.
    ///
    /// # Errors
    /// If there is none.
    #[track_caller]
    pub fn replace(&mut self, index: usize, layer: impl IntoLayer) -> Result<Box<dyn Layer>> {
        match self.layers.get_mut(index) {
            Some(place) => Ok(std::mem::replace(place, inside(layer))),
            None => Err(self.no_layer("replace", index)),
        }
    }

    #[track_caller]
    fn no_layer(&self, op: &'static str, index: usize) -> Error {
        Error::index(op, format!("layer {index} of {}", self.len()))
    }
}

/// One after the other, however deeply they are nested.
impl Drop for Sequential {
    fn drop(&mut self) {
        let mut left = std::mem::take(&mut self.layers);
        while let Some(mut layer) = left.pop() {
            if let Some(inner) = layer.downcast_mut::<Self>() {
                left.append(&mut inner.layers);
            }
        }
    }
}

impl Module for Sequential {
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

impl Layer for Sequential {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let (mut x, mut i) = (x.clone(), 0);
        while let Some((layer, next)) = self.layers[i..].split_first() {
            let together = if mode.is_training() { None } else { layer.with_next(next, &x, mode) };
            let (y, count) = match together {
                Some(together) => together,
                None => (layer.at(i, &x, mode)?, 0),
            };
            (x, i) = (y, i + 1 + count);
        }
        Ok(x)
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.layers).finish()
    }
}

/// A [`Sequential`](crate::layers::Sequential) of the layers given.
#[macro_export]
macro_rules! sequential {
    ($($layer:expr),* $(,)?) => {
        $crate::layers::Sequential::new()$(.with($layer))*
    };
}

/// `x + inner(x)` (He et al., *Deep residual learning*, 2015), with an optional projection of `x` where the shapes
/// differ. The parameters are named `inner.…` and `shortcut.…`.
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let block = Residual::new(sequential![Linear::new(8, 8, &mut rng)?, Relu]);
/// assert_eq!(block.predict(&Tensor::zeros([5, 8])?)?.shape(), [5, 8]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Residual {
    inner: Box<dyn Layer>,
    shortcut: Option<Box<dyn Layer>>,
}

crate::module!(Residual { inner, shortcut });

impl Residual {
    /// Adds the input of `inner` to its output.
    #[must_use]
    pub fn new(inner: impl IntoLayer) -> Self {
        Self { inner: inside(inner), shortcut: None }
    }

    pub(crate) fn inner(&self) -> &dyn Layer {
        &*self.inner
    }

    pub(crate) fn shortcut(&self) -> Option<&dyn Layer> {
        self.shortcut.as_deref()
    }

    /// Sends the input through `shortcut` before it is added.
    #[must_use]
    pub fn with_shortcut(mut self, shortcut: impl IntoLayer) -> Self {
        self.shortcut = Some(inside(shortcut));
        self
    }
}

impl Layer for Residual {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = self.inner.at("inner", x, mode)?;
        let sum = match &self.shortcut {
            Some(shortcut) => y.add(&shortcut.at("shortcut", x, mode)?),
            None => y.add(x),
        };
        mode.here(sum)
    }
}
