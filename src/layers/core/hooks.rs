//! Listening to the layers of a model while it runs.

use std::fmt;

use super::module_ext::matches;
use crate::error::Result;
use crate::tensor::Tensor;

/// Where in a model a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place<'a> {
    /// The path of the layer: `blocks.3.attn`.
    pub path: &'a str,
    /// The name of its type: `Linear`.
    pub kind: &'a str,
}

impl Place<'_> {
    /// Whether the path matches `pattern`, in which `*` stands for any text: `blocks.*.attn`.
    #[must_use]
    pub fn matches(&self, pattern: &str) -> bool {
        matches(pattern, self.path)
    }
}

/// Is told of the layers of a model while they run: to look at activations, to keep them, or to replace them.
///
/// Layers are seen that are called by their names, with [`at`](super::LayerExt::at) or [`Mode::call`](super::Mode::call).
/// The model itself is not among them: whoever calls it has its output. Where a function is enough, [`on_output`] makes it
/// one of these.
///
/// ```
/// use demotic::layers::{Hooks, Place};
/// use demotic::prelude::*;
///
/// /// The largest activation of each layer, as needed to choose the scales of integers.
/// #[derive(Default)]
/// struct Ranges(Vec<(String, f64)>);
///
/// impl Hooks for Ranges {
///     fn output(&mut self, at: &Place<'_>, y: &Tensor) -> Result<Option<Tensor>> {
///         self.0.push((at.path.to_string(), y.abs().max()?.item()?));
///         Ok(None)
///     }
/// }
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(4, 8, &mut rng)?, Relu, Linear::new(8, 2, &mut rng)?];
/// let mut ranges = Ranges::default();
/// model.forward(&Tensor::ones([3, 4])?, &mut Mode::eval().with_hooks(&mut ranges))?;
/// let paths: Vec<&str> = ranges.0.iter().map(|(path, _)| &**path).collect();
/// assert_eq!(paths, ["0", "1", "2"]);
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait Hooks {
    /// Before a layer is run.
    ///
    /// # Errors
    /// An error ends the pass.
    fn enter(&mut self, at: &Place<'_>) -> Result<()> {
        let _ = at;
        Ok(())
    }

    /// After a layer has given `output`. A tensor of the same shape and type that is returned takes its place.
    ///
    /// # Errors
    /// An error ends the pass.
    fn output(&mut self, at: &Place<'_>, output: &Tensor) -> Result<Option<Tensor>>;

    /// Whether [`attention`](Self::attention) is to be called. The weights are then made as a whole, which costs time and memory.
    fn wants_attention(&self) -> bool {
        false
    }

    /// The weights with which queries look at keys, `[batch, heads, queries, keys]`, in the layer that attends.
    ///
    /// # Errors
    /// An error ends the pass.
    fn attention(&mut self, at: &Place<'_>, weights: &Tensor) -> Result<()> {
        let _ = (at, weights);
        Ok(())
    }
}

/// A function as [`Hooks`]: it is called with each layer's place and output, and may return what takes its place.
///
/// ```
/// use demotic::autograd::{GradOptions, grad};
/// use demotic::layers::on_output;
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(4, 8, &mut rng)?, Tanh, Linear::new(8, 2, &mut rng)?];
/// let x = Tensor::ones([3, 4])?;
///
/// // How much the first class depends on what one layer gives.
/// let mut hidden = None;
/// let mut keep = on_output(|at, y| {
///     if at.kind == "Tanh" {
///         hidden = Some(y.clone());
///     }
///     Ok(None)
/// });
/// let score = model.forward(&x, &mut Mode::eval().with_hooks(&mut keep))?.select(1, 0)?.sum();
/// let slopes = grad(&[&score], &[&hidden.unwrap()], GradOptions::default())?;
/// assert_eq!(slopes[0].shape(), [3, 8]);
///
/// // Without one of the hidden units.
/// let others = tensor![0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// let mut without = on_output(|at, y| if at.matches("1") { y.mul(&others).map(Some) } else { Ok(None) });
/// let changed = model.forward(&x, &mut Mode::eval().with_hooks(&mut without))?;
/// assert_ne!(changed.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?);
/// # Ok::<(), demotic::Error>(())
/// ```
pub fn on_output<F: FnMut(&Place<'_>, &Tensor) -> Result<Option<Tensor>>>(f: F) -> OnOutput<F> {
    OnOutput(f)
}

/// See [`on_output`].
pub struct OnOutput<F>(F);

impl<F: FnMut(&Place<'_>, &Tensor) -> Result<Option<Tensor>>> Hooks for OnOutput<F> {
    fn output(&mut self, at: &Place<'_>, output: &Tensor) -> Result<Option<Tensor>> {
        (self.0)(at, output)
    }
}

impl<F> fmt::Debug for OnOutput<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnOutput")
    }
}
