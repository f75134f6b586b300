//! What a layer knows of the pass that it takes part in.

use std::fmt;
use std::panic::Location;

use super::hooks::{Hooks, Place};
use super::module::Module;
use crate::autograd::AttentionOptions;
use crate::error::{Error, Result};
use crate::profile;
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The context of one pass through a model: whether it is being trained, with which random numbers, where in the model the
/// pass is, and who listens.
///
/// Layers that act at random in training, such as dropout, take their random numbers from here: there is no
/// randomness in evaluation, and no training without a generator.
///
/// A layer hands it on to its parts with [`at`](super::LayerExt::at), which also names them in errors, in
/// [`summary`](super::LayerExt::summary), in [profiles](crate::profile) and for [`Hooks`]:
///
/// ```
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(4, 8, &mut rng)?, Dropout::new(0.5)?, Linear::new(8, 2, &mut rng)?];
/// let x = Tensor::ones([3, 4])?;
/// let trained = model.forward(&x, &mut Mode::train(&mut rng))?; // with dropout
/// let used = model.forward(&x, &mut Mode::eval())?; // without
/// assert_eq!(trained.shape(), used.shape());
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct Mode<'a> {
    training: Option<&'a mut Rng>,
    /// Where in the program the pass was begun.
    origin: &'static Location<'static>,
    path: Option<Segment<'a>>,
    hooks: Option<&'a mut (dyn Hooks + 'a)>,
    run: Run,
}

/// How often the layers of this pass are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Once,
    /// They are run again during the backward pass, when nobody listens.
    FirstOfTwo,
    /// On what they have seen before.
    Again,
}

/// How deep the parts of a model may be nested: their calls have to find room on a stack of two megabytes.
const MAX_DEPTH: usize = 256;

/// The last name of a path, and those before it. They lie on the stack of the calls that have entered the layers.
#[derive(Clone, Copy)]
struct Segment<'a> {
    before: Option<&'a Segment<'a>>,
    name: Name<'a>,
    /// How many names there are.
    depth: usize,
}

/// What a part is called in the layer that it belongs to: `"fc1"`, or its position `3`, or both, `("blocks", 3)`. It is the
/// name under which [`module!`](crate::module!) visits the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    field: &'a str,
    index: Option<usize>,
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(field: &'a str) -> Self {
        Self { field, index: None }
    }
}

impl<'a> From<&'a String> for Name<'a> {
    fn from(field: &'a String) -> Self {
        Self { field, index: None }
    }
}

impl From<usize> for Name<'_> {
    fn from(index: usize) -> Self {
        Self { field: "", index: Some(index) }
    }
}

impl<'a> From<(&'a str, usize)> for Name<'a> {
    fn from((field, index): (&'a str, usize)) -> Self {
        Self { field, index: Some(index) }
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field)?;
        match self.index {
            Some(index) if self.field.is_empty() => write!(f, "{index}"),
            Some(index) => write!(f, ".{index}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = self.before {
            write!(f, "{before}.")?;
        }
        self.name.fmt(f)
    }
}

impl<'a> Mode<'a> {
    /// The model is used: the same input gives the same output.
    #[must_use]
    #[track_caller]
    pub fn eval() -> Self {
        Self { training: None, origin: Location::caller(), path: None, hooks: None, run: Run::Once }
    }

    /// The model is trained; random choices are drawn from the generator.
    #[must_use]
    #[track_caller]
    pub fn train(rng: &'a mut Rng) -> Self {
        Self { training: Some(rng), origin: Location::caller(), path: None, hooks: None, run: Run::Once }
    }

    /// The same with `hooks`, which are told of every layer that is called [by its name](super::LayerExt::at), and may
    /// replace what it gives.
    #[must_use]
    pub fn with_hooks<'h>(self, hooks: &'h mut (dyn Hooks + 'h)) -> Mode<'h>
    where
        'a: 'h,
    {
        let Self { training, origin, path, hooks: _, run } = self;
        Mode { training, origin, path, hooks: Some(hooks), run }
    }

    /// Whether the model is being trained.
    #[must_use]
    pub fn is_training(&self) -> bool {
        self.training.is_some()
    }

    /// The generator that random choices are drawn from, in training; `None` in evaluation, where there are no choices.
    #[must_use]
    pub fn rng(&mut self) -> Option<&mut Rng> {
        self.training.as_deref_mut()
    }

    /// Whether this pass has been made before, and is only repeated because its intermediate results were
    /// [not kept](super::checkpointed). A layer that counts what it sees, as running statistics do, does not count this.
    #[must_use]
    pub fn is_recomputing(&self) -> bool {
        self.run == Run::Again
    }

    /// Where in the model the pass is: `blocks.3.attn`, or nothing in the model itself.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.map_or_else(String::new, |path| path.to_string())
    }

    /// Runs `f` for a part of the layer, of which all parts then have `name` before theirs: for parts that are no
    /// layers. Its errors say so.
    ///
    /// # Errors
    /// Those of `f`.
    #[track_caller]
    pub fn scope<'n, T>(&mut self, name: impl Into<Name<'n>>, f: impl FnOnce(&mut Mode<'_>) -> Result<T>) -> Result<T> {
        let name = name.into();
        let caller = Location::caller();
        let result = self.check_depth().and_then(|()| f(&mut self.entering(name)));
        result.map_err(|e| self.named(e, name, caller))
    }

    /// Runs `f` for a part that is a layer, but is called otherwise than by [`forward`](super::Layer::forward); where it is
    /// not, [`at`](super::LayerExt::at) is shorter.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// #[derive(Clone)]
    /// struct Tagger {
    ///     lstm: Lstm,
    ///     head: Linear,
    /// }
    ///
    /// module!(Tagger { lstm, head });
    ///
    /// impl Tagger {
    ///     fn tag(&self, x: &Tensor, lengths: &[usize], mode: &mut Mode) -> Result<Tensor> {
    ///         let options = RunOptions::new().lengths(lengths);
    ///         let read = mode.call("lstm", &self.lstm, |lstm, mode| lstm.run(x, options, mode))?;
    ///         self.head.at("head", &read.output, mode)
    ///     }
    /// }
    ///
    /// let mut rng = Rng::seed(0);
    /// let tagger = Tagger { lstm: Lstm::new(3, 8, &mut rng)?, head: Linear::new(8, 2, &mut rng)? };
    /// let x = Tensor::ones([2, 5, 3])?;
    /// assert_eq!(tagger.tag(&x, &[5, 2], &mut Mode::eval())?.shape(), [2, 5, 2]);
    /// let e = tagger.tag(&x, &[5, 9], &mut Mode::eval()).unwrap_err();
    /// assert_eq!(e.layer(), Some("lstm"));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `f`, and of hooks.
    #[track_caller]
    pub fn call<'n, M: Module + ?Sized, Y: LayerOutput>(
        &mut self,
        name: impl Into<Name<'n>>,
        layer: &M,
        f: impl FnOnce(&M, &mut Mode<'_>) -> Result<Y>,
    ) -> Result<Y> {
        let name = name.into();
        let caller = Location::caller();
        self.check_depth()?;
        let mut inner = self.entering(name);
        let result = if inner.is_heard() {
            let kind = layer.kind();
            inner.enter(kind).and_then(|entered| {
                let mut y = f(layer, &mut inner)?;
                inner.leave(entered, kind, y.activation())?;
                Ok(y)
            })
        } else {
            f(layer, &mut inner)
        };
        result.map_err(|e| self.named(e, name, caller))
    }

    /// The context of a part.
    fn entering<'b>(&'b mut self, name: Name<'b>) -> Mode<'b> {
        let depth = self.depth() + 1;
        Mode {
            training: self.training.as_deref_mut(),
            origin: self.origin,
            path: Some(Segment { before: self.path.as_ref(), name, depth }),
            hooks: self.hooks.as_mut().map(|hooks| &mut **hooks as &mut dyn Hooks),
            run: self.run,
        }
    }

    fn depth(&self) -> usize {
        self.path.map_or(0, |path| path.depth)
    }

    #[track_caller]
    fn check_depth(&self) -> Result<()> {
        match self.depth() < MAX_DEPTH {
            true => Ok(()),
            false => {
                let message = format!("layers are nested in each other more than {MAX_DEPTH} levels deep");
                self.here(Err(Error::state("forward", message)))
            }
        }
    }

    /// Whether anybody wants to know of the layers that are run. While the pass is repeated, nobody does: it was told of.
    pub(crate) fn is_heard(&self) -> bool {
        self.run != Run::Again && (self.hooks.is_some() || profile::is_recording())
    }

    #[cold]
    #[track_caller]
    fn enter(&mut self, kind: &str) -> Result<Entered> {
        let path = self.path();
        if let Some(hooks) = &mut self.hooks {
            hooks.enter(&Place { path: &path, kind })?;
        }
        let timer = profile::layer(&path);
        Ok(Entered { path, timer })
    }

    #[cold]
    #[track_caller]
    fn leave(&mut self, entered: Entered, kind: &str, output: &mut Tensor) -> Result<()> {
        let Entered { path, timer } = entered;
        drop(timer);
        let Some(hooks) = &mut self.hooks else { return Ok(()) };
        let Some(new) = hooks.output(&Place { path: &path, kind }, output)? else { return Ok(()) };
        if self.run == Run::FirstOfTwo {
            let message = "an output was replaced that will be computed a second time, without the hook";
            return Err(Error::state("hooks", message).with_help("replace outputs in a model without checkpointing"));
        }
        if new.shape() != output.shape() || new.dtype() != output.dtype() {
            let (shape, dtype) = (output.shape(), output.dtype());
            let message = format!("{:?} of {} in the place of {shape:?} of {dtype}", new.shape(), new.dtype());
            return Err(Error::shape("hooks", message).with_help("an output is replaced by one of its shape and type"));
        }
        *output = new;
        Ok(())
    }

    /// [`Tensor::attention`], of whose weights hooks are told that want them.
    #[track_caller]
    pub(crate) fn attention(&mut self, [q, k, v]: [&Tensor; 3], options: &AttentionOptions) -> Result<Tensor> {
        if self.run == Run::Again || !self.hooks.as_ref().is_some_and(|hooks| hooks.wants_attention()) {
            return q.attention(k, v, options);
        }
        let (y, weights) = q.attention_with_weights(k, v, options)?;
        let path = self.path();
        if let Some(hooks) = &mut self.hooks {
            hooks.attention(&Place { path: &path, kind: "Attention" }, &weights)?;
        }
        Ok(y)
    }

    #[cold]
    fn named(&self, e: Error, name: Name<'_>, caller: &'static Location<'static>) -> Error {
        e.in_layer(name).at(self.seen_from(caller))
    }

    /// Moves the error of a layer that calls no others to the caller's line.
    #[track_caller]
    pub(crate) fn here<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|e| {
            let to = self.seen_from(e.place());
            e.at(to)
        })
    }

    /// The line of the program that an error points to: the caller's, if that is known. Where a layer is called through a
    /// `dyn` trait it is not; `caller` is then the layer's own line, which lies in another file than the beginning of the
    /// pass, or above it. That beginning is the line that the reader looks for.
    fn seen_from(&self, caller: &'static Location<'static>) -> &'static Location<'static> {
        let is_known = caller.file() == self.origin.file() && caller.line() >= self.origin.line();
        if is_known { caller } else { self.origin }
    }

    /// The same for a pass that a function of this crate begins on behalf of its caller.
    #[must_use]
    pub(crate) fn called_at(mut self, origin: &'static Location<'static>) -> Self {
        self.origin = origin;
        self
    }

    /// The same for a pass on examples that the layers have seen already, from the same place.
    #[must_use]
    pub(crate) fn repeated(mut self) -> Self {
        self.run = Run::Again;
        self
    }

    /// This pass, of which a layer's intermediate results will not be kept, with the choices of `rng`.
    pub(super) fn first_of_two<'b>(&'b mut self, rng: Option<&'b mut Rng>) -> Mode<'b> {
        let hooks = self.hooks.as_mut().map(|hooks| &mut **hooks as &mut dyn Hooks);
        let run = if self.run == Run::Again { Run::Again } else { Run::FirstOfTwo };
        Mode { training: rng, origin: self.origin, path: self.path, hooks, run }
    }

    /// From what the same pass is made again, later.
    pub(super) fn again(&self) -> Again {
        Again { origin: self.origin, path: self.path() }
    }
}

/// A pass that is made again.
pub(super) struct Again {
    origin: &'static Location<'static>,
    path: String,
}

impl Again {
    /// Runs `f` in it.
    #[track_caller]
    pub(super) fn run<T>(&self, training: Option<&mut Rng>, f: impl FnOnce(&mut Mode<'_>) -> Result<T>) -> Result<T> {
        let path = (!self.path.is_empty()).then(|| Segment {
            before: None,
            name: (&self.path).into(),
            depth: 1 + self.path.matches('.').count(),
        });
        let mut mode = Mode { training, origin: self.origin, path, hooks: None, run: Run::Again };
        f(&mut mode).map_err(|e| match self.path.is_empty() {
            true => e,
            false => e.in_layer(&self.path).at(self.origin),
        })
    }
}

/// What has to be kept while a layer that somebody listens to is run.
struct Entered {
    path: String,
    timer: Option<profile::LayerTimer>,
}

impl fmt::Debug for Mode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_training() { "train" } else { "eval" };
        write!(f, "Mode({kind}")?;
        if let Some(path) = self.path {
            write!(f, ", at `{path}`")?;
        }
        f.write_str(match self.run {
            Run::Again => ", recomputing)",
            Run::Once | Run::FirstOfTwo => ")",
        })
    }
}

/// What a layer gives: a tensor that [`Hooks`] are shown, and perhaps other things besides it.
pub trait LayerOutput {
    /// The tensor.
    fn activation(&mut self) -> &mut Tensor;
}

impl LayerOutput for Tensor {
    fn activation(&mut self) -> &mut Tensor {
        self
    }
}

/// The first of two.
impl<T> LayerOutput for (Tensor, T) {
    fn activation(&mut self) -> &mut Tensor {
        &mut self.0
    }
}
