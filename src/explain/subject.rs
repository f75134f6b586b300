//! What is explained: one number that a model gives for each example.

use std::fmt;

use crate::autograd::{self, GradOptions, grad};
use crate::error::{Error, Here, Result};
use crate::layers::{Hooks, Layer, Mode, ModuleExt, Place};
use crate::tensor::{DType, Tensor};

/// A function of tensors: `[n, ..]` in, `[n]` or `[n, outputs]` out.
pub type Function<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;

/// Which number of a model's outputs is explained.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Target<'a> {
    /// The only one: the model gives `[n]` or `[n, 1]`, as in regression.
    Output,
    /// The one with this number of `[n, outputs]`: a class.
    Class(usize),
    /// For each example the class with the largest output.
    Predicted,
    /// For each example the class that stands at its place.
    Classes(&'a [usize]),
    /// What a function makes of the outputs: `[n]`, of each example by itself.
    Custom(Function<'a>),
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output => f.write_str("Output"),
            Self::Class(class) => write!(f, "Class({class})"),
            Self::Predicted => f.write_str("Predicted"),
            Self::Classes(classes) => write!(f, "Classes({} of them)", classes.len()),
            Self::Custom(_) => f.write_str("Custom"),
        }
    }
}

#[derive(Clone, Copy)]
enum Run<'a> {
    Layer(&'a dyn Layer),
    /// From the output of a part on, which takes the place of what it gives for these inputs.
    From(&'a dyn Layer, &'a str, &'a Tensor),
    Function(Function<'a>),
}

/// A model, and which of its outputs is explained: what all methods of [`explain`](super) take.
///
/// ```
/// use demotic::explain::{Explained, Target, saliency};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(4, 8, &mut rng)?, Relu, Linear::new(8, 3, &mut rng)?];
/// let x = Tensor::normal([2, 4], 0.0, 1.0, &mut rng)?;
/// let of = Explained::layer(&model).target(Target::Class(2));
/// assert_eq!(saliency(&of, &x)?.shape(), [2, 4]);
///
/// // Anything that maps tensors to tensors.
/// let f = |x: &Tensor| x.square().sum_dims(&[1], false);
/// let slopes = saliency(&Explained::function(&f), &tensor![[1.0, -3.0]])?;
/// assert_eq!(slopes.to_vec::<f32>()?, [2.0, 6.0]);
///
/// let e = saliency(&of.target(Target::Class(3)), &x).unwrap_err();
/// assert_eq!(e.message(), "saliency: class 3 does not exist, the model gives 3 numbers for each example");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Explained<'a> {
    run: Run<'a>,
    target: Target<'a>,
    rows: usize,
}

impl fmt::Debug for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.run {
            Run::Layer(model) | Run::From(model, ..) => model.kind(),
            Run::Function(_) => "a function",
        };
        write!(f, "Explained({kind}, {:?})", self.target)
    }
}

/// So many elements go into the model at once, if nothing else is said.
const ELEMENTS: usize = 1 << 20;

impl<'a> Explained<'a> {
    /// A model in evaluation, of which the [only output](Target::Output) is explained.
    #[must_use]
    pub fn layer(model: &'a dyn Layer) -> Self {
        Self { run: Run::Layer(model), target: Target::Output, rows: 0 }
    }

    /// A function of tensors. It is asked about many rows at once, each of which it has to treat by itself.
    #[must_use]
    pub fn function(f: Function<'a>) -> Self {
        Self { run: Run::Function(f), target: Target::Output, rows: 0 }
    }

    /// Explains which output.
    #[must_use]
    pub fn target(self, target: Target<'a>) -> Self {
        Self { target, ..self }
    }

    /// Explains by what the part at `path` gives for the inputs `x`, and no longer by the inputs: by the vectors of tokens, of which ids
    /// have no gradients. [`representation`] gives these vectors, which are then the `x` of a method. Of a function, nothing changes.
    ///
    /// ```
    /// use demotic::explain::{Explained, gradient_x_input, representation};
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let model = sequential![Embedding::new(10, 4, &mut rng)?, Flatten::new(), Linear::new(12, 1, &mut rng)?];
    /// let ids = Tensor::from_nested([[1i64, 5, 2]])?;
    /// let vectors = representation(&model, "0", &ids)?;
    /// let of = Explained::layer(&model).at("0", &ids);
    /// let of_tokens = gradient_x_input(&of, &vectors)?.sum_dims(&[2], false)?;
    /// assert_eq!(of_tokens.shape(), [1, 3]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn at(self, path: &'a str, x: &'a Tensor) -> Self {
        match self.run {
            Run::Layer(model) | Run::From(model, ..) => Self { run: Run::From(model, path, x), ..self },
            Run::Function(_) => self,
        }
    }

    /// How many rows go into the model at once: as many as have a million elements, if nothing is said.
    #[must_use]
    pub fn rows_at_once(self, rows: usize) -> Self {
        Self { rows, ..self }
    }

    /// The model, if it is one.
    #[track_caller]
    pub(super) fn model(&self, op: &'static str) -> Result<&'a dyn Layer> {
        match self.run {
            Run::Layer(model) => Ok(model),
            _ => Err(Error::argument(op, "a function is explained, expected a model")
                .with_help("its layers have to be known: Explained::layer(&model)")),
        }
    }

    /// The outputs for rows, of which `who` says whose they are.
    #[track_caller]
    fn outputs(&self, op: &'static str, x: &Tensor, who: &[usize]) -> Result<Tensor> {
        let y = match self.run {
            Run::Layer(model) => model.forward(x, &mut Mode::eval())?,
            Run::Function(f) => f(x).outside()?,
            Run::From(model, path, inputs) => {
                let mut replaced = From { path, by: x, done: false };
                let y = model.forward(&rows(inputs, who)?, &mut Mode::eval().with_hooks(&mut replaced))?;
                if !replaced.done {
                    return Err(no_part(op, model, path));
                }
                y
            }
        };
        let n = x.shape()[0];
        if !matches!(y.shape(), [m] | [m, _] if *m == n) && !matches!(self.target, Target::Custom(_)) {
            let message = format!("the model gives {:?} for {n} examples, expected [{n}] or [{n}, outputs]", y.shape());
            let help = "Target::Custom(&|y| ..) chooses a number for each example from outputs of any shape";
            return Err(Error::shape(op, message).with_help(help));
        }
        y.expect_any_float(op, "the model's output")?;
        Ok(y)
    }

    /// Checks the inputs, and chooses the classes of examples.
    #[track_caller]
    pub(super) fn scorer(&self, op: &'static str, x: &Tensor) -> Result<Scorer<'a>> {
        if x.rank() == 0 || x.is_empty() {
            let message = format!("the input has shape {:?}, in which there is nothing to explain", x.shape());
            return Err(Error::shape(op, message).with_help("examples are the first dimension: [n, ..]"));
        }
        x.expect_finite(op, "the input")?;
        let examples = x.shape()[0];
        let mut scorer = Scorer { of: *self, op, classes: None, examples };
        match self.target {
            Target::Classes(classes) if classes.len() != examples => {
                let message = format!("{} classes for {examples} examples", classes.len());
                return Err(Error::argument(op, message));
            }
            Target::Classes(classes) => scorer.classes = Some(classes.to_vec()),
            Target::Class(class) => scorer.classes = Some(vec![class; examples]),
            Target::Predicted => scorer.classes = Some(scorer.predicted(x)?),
            Target::Output | Target::Custom(_) => (),
        }
        Ok(scorer)
    }
}

/// Puts another tensor into the place of what a part gives.
struct From<'a> {
    path: &'a str,
    by: &'a Tensor,
    done: bool,
}

impl Hooks for From<'_> {
    fn output(&mut self, at: &Place<'_>, _: &Tensor) -> Result<Option<Tensor>> {
        let here = at.path == self.path && !self.done;
        self.done |= here;
        Ok(here.then(|| self.by.clone()))
    }
}

/// What the part of a model at a path, such as `encoder.layers.1`, gives for inputs, in evaluation and without recording; of a part
/// that is run more than once the first time.
///
/// # Errors
/// If there is no part of this name that is called by it, or those of the model.
#[track_caller]
pub fn representation(model: &dyn Layer, path: &str, x: &Tensor) -> Result<Tensor> {
    let _unrecorded = autograd::pause_recording();
    let mut kept = Kept { path, output: None };
    model.forward(x, &mut Mode::eval().with_hooks(&mut kept))?;
    kept.output.ok_or_else(|| no_part("representation", model, path)).here()
}

struct Kept<'a> {
    path: &'a str,
    output: Option<Tensor>,
}

impl Hooks for Kept<'_> {
    fn output(&mut self, at: &Place<'_>, y: &Tensor) -> Result<Option<Tensor>> {
        if at.path == self.path && self.output.is_none() {
            self.output = Some(y.clone());
        }
        Ok(None)
    }
}

#[track_caller]
fn no_part(op: &'static str, model: &dyn Layer, path: &str) -> Error {
    let names: Vec<String> =
        model.modules().into_iter().map(|(path, _)| path).filter(|path| !path.is_empty()).collect();
    let message = format!("no part of the model is called `{}` while it runs", crate::error::short(path));
    Error::parameter(op, message).with_help(crate::error::meant(path, "parts", &names))
}

/// What was found, if all of it is finite: where inputs or weights are huge, differences and products leave the range of numbers.
#[track_caller]
pub(super) fn found(op: &'static str, values: Tensor) -> Result<Tensor> {
    match values.expect_finite(op, "the attribution") {
        Ok(()) => Ok(values),
        Err(e) => Err(e.with_help("standardize the inputs, or compute in DType::F64, whose range is larger")),
    }
}

/// The rows of a tensor with these numbers.
#[track_caller]
pub(super) fn rows(x: &Tensor, who: &[usize]) -> Result<Tensor> {
    if who.iter().copied().eq(0..x.shape()[0]) {
        return Ok(x.clone());
    }
    let index: Vec<i64> = who.iter().map(|i| *i as i64).collect();
    x.index_select(0, &Tensor::from_vec(index, [who.len()])?)
}

/// A model whose targets are known for each example.
pub(super) struct Scorer<'a> {
    of: Explained<'a>,
    pub(super) op: &'static str,
    pub(super) classes: Option<Vec<usize>>,
    pub(super) examples: usize,
}

impl Scorer<'_> {
    #[track_caller]
    fn predicted(&self, x: &Tensor) -> Result<Vec<usize>> {
        let mut classes = Vec::with_capacity(self.examples);
        let who: Vec<usize> = (0..self.examples).collect();
        self.chunked(x, &who, &mut |part, who| {
            let _unrecorded = autograd::pause_recording();
            let y = self.of.outputs(self.op, part, who)?;
            y.expect_finite(self.op, "the model's output")?;
            let width = y.numel() / who.len().max(1);
            for row in y.to_f64_vec().chunks(width.max(1)) {
                let best = (0..row.len()).rev().max_by(|a, b| row[*a].total_cmp(&row[*b]));
                classes.push(best.unwrap_or(0));
            }
            Ok(())
        })?;
        Ok(classes)
    }

    /// The number that is explained, of each row of the model's outputs.
    #[track_caller]
    pub(super) fn pick(&self, y: &Tensor, who: &[usize]) -> Result<Tensor> {
        let (op, n) = (self.op, who.len());
        if let Target::Custom(f) = self.of.target {
            let score = f(y).outside()?;
            if score.shape() != [n] {
                let message = format!("the target gives {:?} for {n} examples, expected [{n}]", score.shape());
                return Err(Error::shape(op, message));
            }
            score.expect_any_float(op, "the target")?;
            return Ok(score);
        }
        let width = y.shape().get(1).copied().unwrap_or(1);
        let y = if y.rank() == 1 { y.unsqueeze(1)? } else { y.clone() };
        let Some(classes) = &self.classes else {
            if width != 1 {
                let message = format!("the model gives {width} numbers for each example, expected one");
                let help = "choose one: Explained::layer(&model).target(Target::Class(0)), or Target::Predicted";
                return Err(Error::shape(op, message).with_help(help));
            }
            return y.select(1, 0);
        };
        if let Some(class) = who.iter().map(|i| classes[*i]).find(|class| *class >= width) {
            let message = format!("class {class} does not exist, the model gives {width} numbers for each example");
            return Err(Error::index(op, message));
        }
        let index = who.iter().map(|i| classes[*i] as i64).collect();
        y.gather(1, &Tensor::from_vec(index, [n, 1])?)?.select(1, 0)
    }

    #[track_caller]
    fn score(&self, x: &Tensor, who: &[usize]) -> Result<Tensor> {
        self.pick(&self.of.outputs(self.op, x, who)?, who)
    }

    /// Whether a row gives something else for each example, besides the class.
    pub(super) fn depends_on_example(&self) -> bool {
        matches!(self.of.run, Run::From(..))
    }

    /// How many rows of this shape go into the model at once.
    pub(super) fn limit(&self, x: &Tensor) -> usize {
        let size = x.shape()[1..].iter().product::<usize>().max(1);
        if self.of.rows > 0 { self.of.rows } else { (ELEMENTS / size).max(1) }
    }

    #[track_caller]
    fn chunked(&self, x: &Tensor, who: &[usize], each: &mut dyn FnMut(&Tensor, &[usize]) -> Result<()>) -> Result<()> {
        let limit = self.limit(x);
        if who.len() <= limit {
            return each(x, who).here();
        }
        for start in (0..who.len()).step_by(limit) {
            let count = limit.min(who.len() - start);
            each(&x.narrow(0, start, count)?, &who[start..start + count]).here()?;
        }
        Ok(())
    }

    /// The numbers of rows, of which `who` says whose they are.
    #[track_caller]
    pub(super) fn values(&self, x: &Tensor, who: &[usize]) -> Result<Vec<f64>> {
        let _unrecorded = autograd::pause_recording();
        let mut values = Vec::with_capacity(who.len());
        self.chunked(x, who, &mut |part, who| {
            let score = self.score(part, who)?.to_f64_vec();
            if let Some(i) = score.iter().position(|y| !y.is_finite()) {
                return Err(Error::numeric(self.op, format!("the model gives {} for example {}", score[i], who[i])));
            }
            values.extend(score);
            Ok(())
        })?;
        Ok(values)
    }

    /// The gradient of each row's number by the row, and the numbers.
    #[track_caller]
    pub(super) fn gradients(&self, x: &Tensor, who: &[usize]) -> Result<(Tensor, Vec<f64>)> {
        self.gradients_by(x, who, &|score, x| {
            let found = grad(&[&score.sum()], &[x], GradOptions::default());
            found?.pop().ok_or_else(|| crate::error::bug!("grad", "no gradient for an input"))
        })
    }

    #[track_caller]
    pub(super) fn gradients_by(
        &self,
        x: &Tensor,
        who: &[usize],
        by: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Vec<f64>)> {
        let op = self.op;
        if !x.dtype().is_float() {
            let help = "tokens have gradients by their vectors: Explained::layer(&model).at(\"embedding\", &ids)";
            return Err(
                Error::dtype(op, format!("the input is of type {}, which has no gradients", x.dtype())).with_help(help)
            );
        }
        let (mut grads, mut values) = (Vec::new(), Vec::with_capacity(who.len()));
        self.chunked(x, who, &mut |part, who| {
            let part = part.tracked()?;
            let score = autograd::with_recording(true, || self.score(&part, who))?;
            if !score.is_tracked() {
                return Err(no_gradient(op));
            }
            let found = by(&score, &part).map_err(|e| match e.message().contains("do not depend on input") {
                true => no_gradient(op),
                false => e,
            })?;
            found.expect_finite(op, "the gradient")?;
            grads.push(found);
            values.extend(score.detach().to_f64_vec());
            Ok(())
        })?;
        let grads = if grads.len() == 1 { grads.remove(0) } else { Tensor::cat(&grads.iter().collect::<Vec<_>>(), 0)? };
        Ok((grads, values))
    }
}

#[track_caller]
fn no_gradient(op: &'static str) -> Error {
    Error::gradient(op, "the model's output has no gradient by its input")
        .with_help("methods that only ask the model need none: Occlusion, Lime, KernelShap")
}

/// What each element of the inputs, or each group of them, adds to an output.
///
/// Methods with a baseline promise that what all elements add up to is the difference between both outputs (completeness);
/// [`gaps`](Self::gaps) says how far it is from that.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Attribution {
    /// Of the inputs' shape, or `[n, groups]`.
    pub values: Tensor,
    /// What the model gives for each example.
    pub outputs: Vec<f64>,
    /// What it gives for its baseline: where the sum begins.
    pub base: Vec<f64>,
}

impl Attribution {
    /// The output of each example, less that for its baseline and the sum of what its elements add: 0 if the explanation is complete.
    #[must_use]
    pub fn gaps(&self) -> Vec<f64> {
        let values = self.values.to_f64_vec();
        let size = (values.len() / self.outputs.len().max(1)).max(1);
        let pairs = self.outputs.iter().zip(&self.base).zip(values.chunks(size));
        pairs.map(|((output, base), values)| output - base - values.iter().sum::<f64>()).collect()
    }
}

/// A baseline of the inputs' shape: zeros if there is none.
#[track_caller]
pub(super) fn baseline_of(op: &'static str, x: &Tensor, baseline: Option<&Tensor>) -> Result<Tensor> {
    let Some(given) = baseline else { return Ok(x.detach().zeros_like()) };
    let fits = crate::tensor::layout::broadcast(given.shape(), x.shape()).as_deref() == Some(x.shape());
    if !fits || given.dtype() != x.dtype() {
        let (shape, dtype) = (given.shape(), given.dtype());
        let message = format!("a baseline of shape {shape:?} ({dtype}) for inputs of {:?} ({})", x.shape(), x.dtype());
        let help = "a baseline has the shape of the inputs, or of one example: [1, ..]";
        return Err(Error::shape(op, message).with_help(help));
    }
    given.expect_finite(op, "the baseline")?;
    Ok(given.detach().broadcast_to(x.shape())?.contiguous())
}

/// A baseline of one example, `[1, ..]`.
#[track_caller]
pub(super) fn one_baseline(op: &'static str, x: &Tensor, baseline: Option<&Tensor>) -> Result<Tensor> {
    if let Some(given) = baseline.filter(|base| base.rank() == x.rank() && base.shape()[0] > 1) {
        return Err(Error::shape(
            op,
            format!("a baseline of shape {:?}, expected one example: [1, ..]", given.shape()),
        ));
    }
    baseline_of(op, &x.narrow(0, 0, 1)?, baseline)
}

/// The product in the type of gradients.
#[track_caller]
pub(super) fn times(grads: &Tensor, x: &Tensor) -> Result<Tensor> {
    grads.mul(&x.detach().to_dtype(grads.dtype()))
}

/// Numbers as a tensor in the type of others.
#[track_caller]
pub(super) fn tensor(values: Vec<f64>, shape: &[usize], like: &Tensor) -> Result<Tensor> {
    let dtype = if like.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    Ok(Tensor::from_vec(values, shape)?.to_dtype(dtype))
}
