//! How much each number of a model matters.

use crate::autograd::Gradients;
use crate::error::{Error, Here, Result};
use crate::layers::{Module, ModuleExt, Weight};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// For each weight of a model how much each of its numbers matters: what [`Pruning::by`](super::Pruning::by) compares. Of several steps
/// of training, they are added up by [`taylor`](Self::taylor) or [`movement`](Self::movement).
///
/// ```
/// use demotic::compress::{Pruning, Scores};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut model = sequential![Linear::new(8, 16, &mut rng)?, Relu, Linear::new(16, 1, &mut rng)?];
/// let (x, mut opt, mut scores) = (Tensor::normal([64, 8], 0.0, 1.0, &mut rng)?, Sgd::new(0.01), Scores::new());
/// for _step in 0..5 {
///     let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &x.sum_dims(&[1], true)?)?;
///     let grads = loss.backward()?;
///     scores.movement(&model, &grads)?;
///     opt.step(&mut model, &grads)?;
/// }
/// let masks = Pruning::by(scores, 0.5).apply(&mut model)?;
/// assert_eq!(masks.sparsity(), 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Scores {
    scores: Vec<(String, Tensor)>,
}

impl Scores {
    /// Without any yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of these weights, by their paths; of the shape of the weight.
    #[must_use]
    pub fn of(scores: Vec<(String, Tensor)>) -> Self {
        Self { scores }
    }

    /// The sizes of all [weights](Weight) that are parameters.
    #[must_use]
    pub fn magnitude(model: &(impl Module + ?Sized)) -> Self {
        Self::of(weights(model).into_iter().map(|(path, value)| (path, value.abs())).collect())
    }

    /// Adds `(w · g)²` for every weight and its gradient: an estimate of by how much the loss changes, squared, if the weight becomes
    /// zero (Molchanov et al., *Importance estimation for neural network pruning*, 2019). Summed over a unit before it is squared by
    /// [`shrink`](super::shrink).
    ///
    /// # Errors
    /// If a weight has no gradient.
    #[track_caller]
    pub fn taylor(&mut self, model: &(impl Module + ?Sized), gradients: &Gradients) -> Result<()> {
        self.add(model, gradients, &|w, g| Ok(w.mul(g)?.square()))
    }

    /// Adds `−w · g` for every weight and its gradient: weights that a step moves towards zero matter less (Sanh et al., *Movement
    /// pruning*, 2020). They are the scores of its straight-through estimator, but for the learning rate.
    ///
    /// # Errors
    /// If a weight has no gradient.
    #[track_caller]
    pub fn movement(&mut self, model: &(impl Module + ?Sized), gradients: &Gradients) -> Result<()> {
        self.add(model, gradients, &|w, g| Ok(w.mul(g)?.neg()))
    }

    #[track_caller]
    fn add(
        &mut self,
        model: &(impl Module + ?Sized),
        gradients: &Gradients,
        score: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<()> {
        let mut all = Vec::new();
        for (path, value) in tracked(model) {
            let gradient = gradients.get(&value).ok_or_else(|| {
                let e = Error::state("Scores", "the weight has no gradient");
                e.in_layer(&path).with_help("freeze() what is not trained: only trainable weights are scored")
            });
            let gradient = gradient.here()?;
            let one = score(&value.detach(), &gradient.detach()).in_layer(&path)?;
            let sum = match self.get(&path) {
                Some(before) => before.add(&one).in_layer(&path)?,
                None => one,
            };
            all.push((path, sum));
        }
        self.scores = all;
        Ok(())
    }

    /// The scores of a weight.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Tensor> {
        self.scores.iter().find(|(name, _)| name == path).map(|(_, scores)| scores)
    }

    /// The weights with their scores.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.scores.iter().map(|(path, scores)| (path.as_str(), scores))
    }
}

/// Scores that say nothing: what is pruned by them is pruned at random.
///
/// # Errors
/// If they do not fit into memory.
#[track_caller]
pub fn random_scores(model: &(impl Module + ?Sized), rng: &mut Rng) -> Result<Scores> {
    let all = weights(model).into_iter();
    let all = all.map(|(path, value)| Ok((path, Tensor::uniform(value.shape(), 0.0, 1.0, rng)?)));
    Ok(Scores::of(all.collect::<Result<_>>()?))
}

/// The parameters that are [weights](Weight), with what they are now, as 32-bit numbers at least.
pub(super) fn weights(model: &(impl Module + ?Sized)) -> Vec<(String, Tensor)> {
    let wide = |value: Tensor| if value.dtype() == DType::F64 { value } else { value.to_dtype(DType::F32) };
    all(model).into_iter().map(|(path, value)| (path, wide(value.detach()))).collect()
}

fn all(model: &(impl Module + ?Sized)) -> Vec<(String, Tensor)> {
    let mut found = Vec::new();
    model.for_each("*", |path, weight: &Weight| {
        if let Some(param) = weight.param() {
            found.push((path.to_string(), param.value().clone()));
        }
    });
    found
}

fn tracked(model: &(impl Module + ?Sized)) -> Vec<(String, Tensor)> {
    all(model).into_iter().filter(|(_, value)| value.is_tracked()).collect()
}
