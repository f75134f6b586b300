//! Batches of mixtures of examples.

use crate::config::configurable;
use crate::error::{Error, Result};
use crate::layers::{Hooks, Place};
use crate::optimizers::options::positive;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// How two examples become one: which goes with which, and how much of the first is in it, `share · x + (1 − share) · x'`.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::regularizers::Mixup;
///
/// let x = Tensor::ones([8, 4])?;
/// let mixture = Mixup::new(0.2).draw(8, &mut Rng::seed(0))?;
/// assert!(mixture.partners().len() == 8 && (0.0..=1.0).contains(&mixture.share()));
/// assert!(mixture.of(&x)?.allclose(&x, 1e-6, 0.0, false)?);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    partners: Vec<usize>,
    share: f64,
}

impl Mixture {
    /// Partners for a batch of `n` by chance, and a share of the distribution Beta(`alpha`, `alpha`): near 0 and 1 for small ones, near ½ for
    /// large.
    #[track_caller]
    fn draw(op: &'static str, alpha: f64, n: usize, rng: &mut Rng) -> Result<Self> {
        positive(op, "alpha", alpha)?;
        let share = rng.beta(alpha, alpha);
        Ok(Self { partners: rng.permutation(n)?, share })
    }

    /// How much of each example is its own, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.share
    }

    /// Which example each is mixed with.
    #[must_use]
    pub fn partners(&self) -> &[usize] {
        &self.partners
    }

    /// `share · x + (1 − share) · x[partners]`: of inputs, of activations, or of targets that are numbers. Differentiable.
    ///
    /// # Errors
    /// If there is another number of examples, or they are no floats.
    #[track_caller]
    pub fn of(&self, x: &Tensor) -> Result<Tensor> {
        let partners = self.partners_of("Mixture", x)?;
        x.expect_any_float("Mixture", "what is mixed")?;
        x.mul_scalar(self.share).add(&x.index_select(0, &partners)?.mul_scalar(1.0 - self.share))
    }

    /// The same of class numbers (`I64`, `[n]` or `[n, …]`), of which there are `classes`: probabilities `[n, …, classes]` of type `F32`,
    /// which cross-entropies take as targets.
    ///
    /// # Errors
    /// If there is another number of examples, or a class is out of range.
    #[track_caller]
    pub fn of_classes(&self, target: &Tensor, classes: usize) -> Result<Tensor> {
        self.of(&target.one_hot(classes)?.to_dtype(DType::F32))
    }

    #[track_caller]
    fn partners_of(&self, op: &'static str, x: &Tensor) -> Result<Tensor> {
        let n = self.partners.len();
        if x.shape().first() != Some(&n) {
            return Err(Error::shape(op, format!("a mixture of {n} examples for a tensor of shape {:?}", x.shape())));
        }
        Tensor::from_vec(self.partners.iter().map(|i| *i as i64).collect(), [n])
    }
}

/// Mixes examples, inputs and targets alike (Zhang et al., *mixup: Beyond empirical risk minimization*, 2018): the model learns to
/// behave evenly between them.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::regularizers::Mixup;
///
/// let mut rng = Rng::seed(0);
/// let (x, y) = (Tensor::normal([8, 4], 0.0, 1.0, &mut rng)?, Tensor::from_nested([0i64, 1, 2, 0, 1, 2, 0, 1])?);
/// let model = Linear::new(4, 3, &mut rng)?;
/// let mixture = Mixup::new(0.2).draw(8, &mut rng)?;
/// let logits = model.forward(&mixture.of(&x)?, &mut Mode::train(&mut rng))?;
/// let loss = losses::cross_entropy(&logits, &mixture.of_classes(&y, 3)?)?;
/// assert!(loss.item()?.is_finite());
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixup {
    alpha: f64,
}

configurable!(Mixup { alpha: required } = Self { alpha: 0.0 }, check);

impl Mixup {
    /// Shares of the distribution Beta(`alpha`, `alpha`), one for each batch; `alpha` is positive, 0.1 to 0.4 for pictures.
    #[must_use]
    pub fn new(alpha: f64) -> Self {
        Self { alpha }
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        positive("Mixup", "alpha", self.alpha)
    }

    /// A mixture for a batch of `n` examples.
    ///
    /// # Errors
    /// If `alpha` is not positive.
    #[track_caller]
    pub fn draw(&self, n: usize, rng: &mut Rng) -> Result<Mixture> {
        Mixture::draw("Mixup", self.alpha, n, rng)
    }
}

/// Puts a rectangle of another picture into each, and mixes the targets by area (Yun et al., *CutMix*, 2019).
///
/// ```
/// use demotic::prelude::*;
/// use demotic::regularizers::CutMix;
///
/// let mut rng = Rng::seed(0);
/// let pictures = Tensor::uniform([4, 3, 16, 16], 0.0, 1.0, &mut rng)?;
/// let (mixed, mixture) = CutMix::new(1.0).apply(&pictures, &mut rng)?;
/// let targets = mixture.of_classes(&Tensor::from_nested([0i64, 1, 1, 0])?, 2)?;
/// assert_eq!((mixed.shape(), targets.shape()), (&[4, 3, 16, 16][..], &[4, 2][..]));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutMix {
    alpha: f64,
}

configurable!(CutMix { alpha: required } = Self { alpha: 0.0 }, check);

impl CutMix {
    /// Areas of 1 less what the distribution Beta(`alpha`, `alpha`) gives, one rectangle for each batch; `alpha` is positive, 1 is usual.
    #[must_use]
    pub fn new(alpha: f64) -> Self {
        Self { alpha }
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        positive("CutMix", "alpha", self.alpha)
    }

    /// A batch of pictures `[n, .., height, width]` with the rectangle of another one in each, and the mixture that the targets become. A
    /// rectangle that reaches beyond the border is cut off there, and counts with the area that is left.
    ///
    /// # Errors
    /// If `alpha` is not positive, or these are no pictures.
    #[track_caller]
    pub fn apply(&self, pictures: &Tensor, rng: &mut Rng) -> Result<(Tensor, Mixture)> {
        let (n, [height, width]) = sizes("CutMix", pictures)?;
        let mut mixture = Mixture::draw("CutMix", self.alpha, n, rng)?;
        let side = (1.0 - mixture.share).sqrt();
        let rows = span(height, (height as f64 * side) as usize, rng);
        let columns = span(width, (width as f64 * side) as usize, rng);
        let inside = rectangle(&[height, width], [rows, columns])?;
        let partners = mixture.partners_of("CutMix", pictures)?;
        let mixed = inside.where_(&pictures.index_select(0, &partners)?, pictures)?;
        let area = (rows.1 - rows.0) as f64 * (columns.1 - columns.0) as f64;
        mixture.share = 1.0 - area / (height as f64 * width as f64);
        Ok((mixed, mixture))
    }
}

/// The numbers of examples, rows and columns of pictures `[n, .., height, width]`.
#[track_caller]
pub(super) fn sizes(op: &'static str, pictures: &Tensor) -> Result<(usize, [usize; 2])> {
    match *pictures.shape() {
        [n, .., height, width] if !pictures.is_empty() => Ok((n, [height, width])),
        _ => {
            Err(Error::shape(op, format!("pictures of shape {:?}, expected [n, .., height, width]", pictures.shape())))
        }
    }
}

/// A part of `length` of the numbers below `size` around one of them that is drawn, as far as they go.
fn span(size: usize, length: usize, rng: &mut Rng) -> (usize, usize) {
    let centre = rng.below(size);
    (centre.saturating_sub(length / 2), (centre + length / 2).min(size))
}

/// Where a rectangle of rows and columns is, in the last two dimensions.
#[track_caller]
pub(super) fn rectangle(size: &[usize; 2], [rows, columns]: [(usize, usize); 2]) -> Result<Tensor> {
    let is_inside = |i: usize| {
        let (row, column) = (i / size[1], i % size[1]);
        (rows.0..rows.1).contains(&row) && (columns.0..columns.1).contains(&column)
    };
    Tensor::from_vec((0..size[0] * size[1]).map(is_inside).collect::<Vec<bool>>(), *size)
}

/// Mixes the outputs of one layer, drawn anew for each batch, and the targets alike (Verma et al., *Manifold mixup*, 2019): what the
/// model has learned of examples behaves evenly between them.
///
/// It listens to a pass as [`Hooks`]:
///
/// ```
/// use demotic::prelude::*;
/// use demotic::regularizers::ManifoldMixup;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(4, 8, &mut rng)?, Relu, Linear::new(8, 8, &mut rng)?, Relu, Linear::new(8, 3, &mut rng)?];
/// let (x, y) = (Tensor::ones([6, 4])?, Tensor::from_nested([0i64, 1, 2, 0, 1, 2])?);
/// let mut mixup = ManifoldMixup::new(2.0, ["1", "3"]);
/// let mixture = mixup.draw(6, &mut rng)?;
/// let logits = model.forward(&x, &mut Mode::train(&mut rng).with_hooks(&mut mixup))?;
/// let loss = losses::cross_entropy(&logits, &mixture.of_classes(&y, 3)?)?;
/// assert!(loss.item()?.is_finite());
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ManifoldMixup {
    alpha: f64,
    layers: Vec<String>,
    /// What is mixed in the next pass, and the layer whose output it is.
    next: Option<(String, Mixture)>,
}

configurable!(
    ManifoldMixup { alpha: required, layers: required; state next }
        = Self { alpha: 0.0, layers: Vec::new(), next: None }, check
);

impl ManifoldMixup {
    /// Shares of the distribution Beta(`alpha`, `alpha`); `alpha` is positive, 2 in the paper. The output that is mixed is that of one of
    /// the layers with these paths. To mix the inputs as well, let the model begin with a layer that gives them on.
    #[must_use]
    pub fn new<S: Into<String>>(alpha: f64, layers: impl IntoIterator<Item = S>) -> Self {
        Self { alpha, layers: layers.into_iter().map(Into::into).collect(), next: None }
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        positive("ManifoldMixup", "alpha", self.alpha)?;
        if self.layers.is_empty() {
            return Err(Error::argument("ManifoldMixup", "there are no layers to mix the outputs of"));
        }
        Ok(())
    }

    /// A mixture of `n` examples for the next pass, and a layer for it.
    ///
    /// # Errors
    /// If `alpha` is not positive, or there are no layers.
    #[track_caller]
    pub fn draw(&mut self, n: usize, rng: &mut Rng) -> Result<Mixture> {
        self.check()?;
        let mixture = Mixture::draw("ManifoldMixup", self.alpha, n, rng)?;
        let layer = self.layers[rng.below(self.layers.len())].clone();
        self.next = Some((layer, mixture.clone()));
        Ok(mixture)
    }
}

impl Hooks for ManifoldMixup {
    fn output(&mut self, at: &Place<'_>, output: &Tensor) -> Result<Option<Tensor>> {
        match self.next.take() {
            Some((layer, mixture)) if layer == at.path => mixture.of(output).map(Some),
            next => {
                self.next = next;
                Ok(None)
            }
        }
    }
}
