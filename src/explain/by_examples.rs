//! Examples that a prediction comes from, and what representations hold.

use super::subject::representation;
use crate::error::{Error, Here, Result};
use crate::layers::{Layer, LayerExt, Linear, Mode, ModuleExt};
use crate::losses;
use crate::optimizers::{ClosureOptimizer, Lbfgs};
use crate::tensor::{DType, Tensor};

/// A loss of each example: `[n]` from predictions and targets.
pub type ExampleLoss<'a> = &'a dyn Fn(&Tensor, &Tensor) -> Result<Tensor>;

/// So many examples are differentiated at once.
const AT_ONCE: usize = 64;

/// How much each training example lowers or raises the loss of each test example, `[test examples, training examples]` (TracIn; Pruthi et
/// al., *Estimating training data influence by tracing gradient descent*, 2020): for models as they were during training, each with the
/// learning rate of its time, the sum of the rates times the products of the gradients of both losses. Positive examples help.
///
/// The gradients are those of all parameters that are not frozen; freezing all but the last layers makes it quick, and usually says as
/// much. `loss` gives a number for each example.
///
/// ```
/// use demotic::explain::tracin;
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = Linear::new(2, 1, &mut rng)?;
/// let squared = |y: &Tensor, target: &Tensor| y.sub(target)?.square().flatten(0, -1);
/// let (x, y) = (tensor![[1.0, 0.0], [0.0, 1.0]], tensor![[5.0], [5.0]]);
/// let found = tracin(&[(&model, 0.1)], (&x, &y), (&x, &y), &squared)?;
/// assert_eq!(found.shape(), [2, 2]);
/// assert!(found.select(0, 0)?.to_vec::<f32>()?[0] > 0.0, "an example helps itself");
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there are no models or examples, the loss is not `[n]`, no parameter is trained, or a layer has no gradients of single examples.
#[track_caller]
pub fn tracin(
    checkpoints: &[(&dyn Layer, f64)],
    train: (&Tensor, &Tensor),
    test: (&Tensor, &Tensor),
    loss: ExampleLoss<'_>,
) -> Result<Tensor> {
    let op = "tracin";
    let mut sum: Option<Tensor> = None;
    for (model, rate) in checkpoints {
        let of_test = gradients(op, *model, test, loss)?;
        let (n, mut parts) = (train.0.shape().first().copied().unwrap_or(0), Vec::new());
        for start in (0..n).step_by(AT_ONCE) {
            let part = |x: &Tensor| x.narrow(0, start, AT_ONCE.min(n - start));
            let of_train = gradients(op, *model, (&part(train.0)?, &part(train.1)?), loss)?;
            parts.push(of_test.matmul(&of_train.t())?.mul_scalar(*rate));
        }
        if parts.is_empty() {
            return Err(Error::argument(op, "there are no training examples"));
        }
        let all = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 1)?;
        sum = Some(match sum {
            Some(sum) => sum.add(&all)?,
            None => all,
        });
    }
    super::subject::found(op, sum.ok_or_else(|| Error::argument(op, "there are no models")).here()?)
}

/// The gradients of each example's loss by all parameters: `[n, parameters]`.
#[track_caller]
fn gradients(op: &'static str, model: &dyn Layer, (x, y): (&Tensor, &Tensor), loss: ExampleLoss<'_>) -> Result<Tensor> {
    let n = x.shape().first().copied().unwrap_or(0);
    if n == 0 || y.shape().first() != Some(&n) {
        let message = format!("inputs of shape {:?} and targets of {:?}, expected as many", x.shape(), y.shape());
        return Err(Error::shape(op, message));
    }
    x.expect_finite(op, "the inputs")?;
    let losses = crate::autograd::with_recording(true, || loss(&model.forward(x, &mut Mode::eval())?, y)).outside()?;
    if losses.shape() != [n] {
        let message = format!("the loss gives {:?} for {n} examples, expected [{n}]", losses.shape());
        return Err(
            Error::shape(op, message).with_help("a loss with reduction(Reduction::None) gives one number for each")
        );
    }
    let found = losses.backward_per_example()?;
    let mut parts = Vec::new();
    for (_, parameter) in model.named_parameters().iter().filter(|(_, parameter)| parameter.is_tracked()) {
        if let Ok(gradient) = found.wrt(parameter) {
            parts.push(gradient.reshape([n, gradient.numel() / n])?);
        }
    }
    if parts.is_empty() {
        return Err(Error::gradient(op, "no parameter of the model is trained"));
    }
    Tensor::cat(&parts.iter().collect::<Vec<_>>(), 1)
}

/// An example that is like another one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Neighbor {
    /// Its row among the representations.
    pub row: usize,
    /// The distance.
    pub distance: f64,
}

/// How far apart two representations are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Distance {
    /// The length of the difference.
    #[default]
    Euclidean,
    /// One less the cosine of the angle between them.
    Cosine,
}

/// The `k` examples whose representations `[m, ..]` are nearest to each of the queries `[n, ..]`, the nearest first; of equally near ones
/// the earlier row. [`representation`] gives what a layer makes of examples: those that the model takes to be alike.
///
/// ```
/// use demotic::explain::{Distance, neighbors};
/// use demotic::prelude::*;
///
/// let (known, asked) = (tensor![[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]], tensor![[0.0, 0.5]]);
/// let found = neighbors(&known, &asked, 2, Distance::Euclidean)?;
/// assert_eq!((found[0][0].row, found[0][0].distance, found[0][1].row), (0, 0.5, 2));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If the shapes do not fit, something is not finite, or there are not `k` representations.
#[track_caller]
pub fn neighbors(known: &Tensor, queries: &Tensor, k: usize, distance: Distance) -> Result<Vec<Vec<Neighbor>>> {
    let op = "neighbors";
    let fits = known.rank() > 1 && known.rank() == queries.rank() && known.shape()[1..] == queries.shape()[1..];
    if !fits || known.is_empty() || queries.is_empty() {
        let message = format!("representations of shape {:?} and queries of {:?}", known.shape(), queries.shape());
        return Err(Error::shape(op, message));
    }
    let (m, n) = (known.shape()[0], queries.shape()[0]);
    if k == 0 || k > m {
        return Err(Error::argument(op, format!("{k} neighbors of {m} representations")));
    }
    known.expect_finite(op, "the representations")?;
    queries.expect_finite(op, "the queries")?;
    let (mut a, mut b) = (known.to_f64_vec(), queries.to_f64_vec());
    let size = a.len() / m;
    if distance == Distance::Cosine {
        // Directions need no size, whose square might be beyond the range of numbers.
        for row in a.chunks_mut(size).chain(b.chunks_mut(size)) {
            let most = row.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            row.iter_mut().filter(|_| most > 0.0).for_each(|x| *x /= most);
        }
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let between = |a: &[f64], b: &[f64]| match distance {
        Distance::Euclidean => crate::stats::length(a.iter().zip(b).map(|(a, b)| a - b)),
        Distance::Cosine => {
            let scale = (dot(a, a) * dot(b, b)).sqrt();
            if scale > 0.0 { 1.0 - dot(a, b) / scale } else { 1.0 }
        }
    };
    let mut found: Vec<Vec<Neighbor>> = vec![Vec::new(); n];
    crate::parallel::for_blocks(&mut found, 1, |i, slot| {
        let query = &b[i * size..(i + 1) * size];
        let mut all: Vec<Neighbor> =
            (0..m).map(|row| Neighbor { row, distance: between(&a[row * size..(row + 1) * size], query) }).collect();
        crate::order::sort_by(&mut all, |a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        all.truncate(k);
        slot[0] = all;
    });
    crate::stats::finite(
        op,
        "the distance",
        found.iter().map(|all| all.iter().map(|one| one.distance).sum()).collect(),
    )?;
    Ok(found)
}

/// A linear classifier of representations (Alain and Bengio, *Understanding intermediate layers using linear classifier probes*, 2016): what
/// can be read off them by the simplest means. That it can be read does not say that the model uses it.
///
/// ```
/// use demotic::explain::LinearProbe;
/// use demotic::prelude::*;
///
/// let x = tensor![[0.0, 1.0], [1.0, 0.5], [4.0, 1.0], [5.0, 0.0]];
/// let labels = Tensor::from_nested([0i64, 0, 1, 1])?;
/// let probe = LinearProbe::fit(&x, &labels, 0.1)?;
/// assert_eq!(probe.accuracy(&x, &labels)?, 1.0);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LinearProbe {
    linear: Linear,
}

impl LinearProbe {
    /// Logistic regression of labels `[n]` (0, 1 …) by representations `[n, ..]`, with `penalty / 2` times the sum of the squared weights
    /// added to the sum of the losses: scikit-learn's `LogisticRegression(C = 1 / penalty)`.
    ///
    /// # Errors
    /// If the shapes do not fit, there are no examples or fewer than two classes, something is not finite, a label is negative or not whole,
    /// or the penalty is not positive.
    #[track_caller]
    pub fn fit(x: &Tensor, labels: &Tensor, penalty: f64) -> Result<Self> {
        let op = "LinearProbe";
        let (x, labels, classes) = checked(op, x, labels)?;
        if !(penalty > 0.0 && penalty.is_finite()) {
            return Err(Error::argument(op, format!("the penalty is {penalty}, expected a positive number")));
        }
        if classes < 2 {
            return Err(Error::argument(op, "all labels are 0, expected two classes or more"));
        }
        let mut linear = Linear::new(x.shape()[1], classes, &mut crate::rng::Rng::blank())?;
        linear.to_dtype(DType::F64)?;
        let n = x.shape()[0] as f64;
        let mut opt = Lbfgs::new(1.0).strong_wolfe().max_iter(200).tolerance_grad(1e-10).tolerance_change(1e-14);
        let mut before = f64::INFINITY;
        for _ in 0..20 {
            let loss = opt.step_with(&mut linear, |linear| {
                let logits = linear.forward(&x, &mut Mode::eval())?;
                let squares = linear.weight.value()?.square().sum().mul_scalar(0.5 * penalty / n);
                losses::cross_entropy(&logits, &labels)?.add(&squares)
            })?;
            if before - loss <= 1e-14 * before.abs() {
                break;
            }
            before = loss;
        }
        Ok(Self { linear })
    }

    /// The logits of representations, `[n, classes]` in `F64`.
    ///
    /// # Errors
    /// If they have another shape, or are not finite.
    #[track_caller]
    pub fn predict(&self, x: &Tensor) -> Result<Tensor> {
        x.expect_finite("LinearProbe", "the representations")?;
        let n = x.shape().first().copied().unwrap_or(0).max(1);
        self.linear.predict(&x.detach().reshape([n, x.numel() / n])?.to_dtype(DType::F64))
    }

    /// The share of labels that it tells.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit).
    #[track_caller]
    pub fn accuracy(&self, x: &Tensor, labels: &Tensor) -> Result<f64> {
        let (x, labels, _) = checked("LinearProbe", x, labels)?;
        let found = self.predict(&x)?;
        let (classes, n) = (found.shape()[1], labels.numel());
        let (logits, labels) = (found.to_f64_vec(), labels.to_f64_vec());
        let right = logits.chunks(classes).zip(&labels).filter(|(row, label)| {
            let best = (0..classes).rev().max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
            best as f64 == **label
        });
        Ok(right.count() as f64 / n as f64)
    }
}

/// Representations as a matrix in `F64`, labels, and how many classes there are.
#[track_caller]
fn checked(op: &'static str, x: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor, usize)> {
    let n = x.shape().first().copied().unwrap_or(0);
    if x.rank() < 2 || x.is_empty() || labels.shape() != [n] {
        let message = format!("representations of shape {:?} and labels of {:?}", x.shape(), labels.shape());
        return Err(Error::shape(op, message).with_help("expected [n, ..] and [n]"));
    }
    x.expect_finite(op, "the representations")?;
    let mut last = 0;
    for label in labels.to_f64_vec() {
        if label != label.trunc() || !(0.0..10_000.0).contains(&label) {
            return Err(Error::argument(op, format!("the label {label}, expected a whole number from 0 to 9,999")));
        }
        last = last.max(label as usize);
    }
    let x = x.detach().reshape([n, x.numel() / n])?.to_dtype(DType::F64);
    Ok((x, labels.detach().to_dtype(DType::I64), last + 1))
}

/// What a linear classifier reads off a layer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Probed {
    /// The path of the layer.
    pub layer: String,
    /// The share of the training labels that it tells.
    pub train: f64,
    /// The share of the test labels.
    pub test: f64,
}

/// A [`LinearProbe`] for what each of some layers gives, trained on one part of the data and judged on another.
///
/// ```
/// use demotic::explain::probe_layers;
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(2, 8, &mut rng)?, Tanh, Linear::new(8, 2, &mut rng)?];
/// let x = Tensor::normal([40, 2], 0.0, 1.0, &mut rng)?;
/// let labels = x.select(1, 0)?.gt_scalar(0.0).to_dtype(DType::I64);
/// let found = probe_layers(&model, &["0", "1"], (&x, &labels), (&x, &labels), 0.1)?;
/// assert!(found.iter().all(|layer| layer.test > 0.9));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// As for [`LinearProbe::fit`] and [`representation`].
#[track_caller]
pub fn probe_layers<P: AsRef<str>>(
    model: &dyn Layer,
    layers: &[P],
    train: (&Tensor, &Tensor),
    test: (&Tensor, &Tensor),
    penalty: f64,
) -> Result<Vec<Probed>> {
    let mut found = Vec::with_capacity(layers.len());
    for layer in layers.iter().map(AsRef::as_ref) {
        let x = representation(model, layer, train.0)?;
        let probe = LinearProbe::fit(&x, train.1, penalty)?;
        let of_test = probe.accuracy(&representation(model, layer, test.0)?, test.1)?;
        found.push(Probed { layer: layer.to_string(), train: probe.accuracy(&x, train.1)?, test: of_test });
    }
    Ok(found)
}
