//! Low-rank adapters.

use std::collections::BTreeMap;
use std::fmt;

use super::core::{Adapter, Init, Mode, Module, ModuleExt, Param, Weight, matches};
use crate::config::configurable;
use crate::error::{Error, Here, Result, bug};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// The numbers of a [`Lora`]. They can be read and written with `serde`.
///
/// ```
/// use demotic::layers::LoraOptions;
/// use demotic::prelude::*;
///
/// let mut model = sequential![Linear::new(16, 16, &mut Rng::seed(0))?, Relu];
/// let options = LoraOptions::new(4, 8.0).dropout(0.05);
/// model.add_lora_with("*", &options, &mut Rng::seed(1))?;
/// assert_eq!(model.num_parameters() - model.num_trainable_parameters(), 16 * 16);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LoraOptions {
    /// How many columns and rows the two narrow matrices have, at least 1.
    pub rank: usize,
    /// By how much their product counts, in units of 1 / rank; finite.
    pub alpha: f64,
    /// The probability with which an input of the adapter, not of the weight, is dropped in training.
    pub dropout: f64,
}

configurable!(LoraOptions { rank: required, alpha: required, dropout } = Self::new(1, 1.0), check);

impl LoraOptions {
    /// Those of a rank and an `alpha`, which is often twice the rank, without dropout.
    #[must_use]
    pub fn new(rank: usize, alpha: f64) -> Self {
        Self { rank, alpha, dropout: 0.0 }
    }

    /// Drops inputs of the adapter with this probability in training.
    #[must_use]
    #[doc(alias = "lora_dropout")]
    pub fn dropout(mut self, p: f64) -> Self {
        self.dropout = p;
        self
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let Self { rank, alpha, dropout } = self;
        if *rank == 0 || !alpha.is_finite() {
            let message = format!("rank {rank} and alpha {alpha}, expected at least 1 and a finite number");
            return Err(Error::argument("lora", message));
        }
        if !(0.0..1.0).contains(dropout) {
            let message = format!("dropout is {dropout}, expected at least 0 and less than 1");
            return Err(Error::argument("lora", message));
        }
        Ok(())
    }
}

/// A change of a weight by a product of two narrow matrices, `W + α/r · B · A`, with far fewer numbers than the weight has
/// (Hu et al., *LoRA: Low-rank adaptation of large language models*, 2021).
///
/// # Shapes
/// For a weight with `in` inputs and `out` outputs (its columns and rows, unless its [inputs come first](Weight::InputsFirst)) and a
/// rank `r`:
/// - `lora_a`: `[r, in]`, evenly distributed in `±1/√in`
/// - `lora_b`: `[out, r]`, zeros, so that nothing is changed at first
///
/// Names, layout and numbers are those of Hugging Face's `peft`; but of an embedding, the rows are its outputs, where `peft` has
/// both matrices the other way round.
///
/// [`LoraExt::add_lora`] adds them to a model. A [saved](crate::io::SaveLoad::save) model says what adapters it has, so that
/// [`open`](crate::io::SaveLoad::open) makes them too, and [`load`](crate::io::SaveLoad::load) takes over their numbers.
#[derive(Clone)]
pub struct Lora {
    /// `[r, in]`.
    pub lora_a: Param,
    /// `[out, r]`.
    pub lora_b: Param,
    options: LoraOptions,
    inputs_first: bool,
}

crate::module!(Lora { lora_a, lora_b }, plain { options, inputs_first });

impl Lora {
    /// An adapter for a weight, without dropout.
    ///
    /// # Errors
    /// If the weight is no matrix, the rank is 0 or above its smaller side, `alpha` is not finite, or it does not fit into memory.
    #[track_caller]
    pub fn new(weight: &Weight, rank: usize, alpha: f64, rng: &mut Rng) -> Result<Self> {
        Self::with(weight, &LoraOptions::new(rank, alpha), rng)
    }

    /// An adapter for a weight.
    ///
    /// # Errors
    /// If the weight is no matrix, an option makes no sense, the rank is above the smaller side, or it does not fit into memory.
    #[track_caller]
    pub fn with(weight: &Weight, options: &LoraOptions, rng: &mut Rng) -> Result<Self> {
        if let Ok(sides) = weight.features() {
            check_rank(options.rank, &[sides])?;
        }
        Self::of_any_rank(weight, options, rng)
    }

    #[track_caller]
    fn of_any_rank(weight: &Weight, options: &LoraOptions, rng: &mut Rng) -> Result<Self> {
        if weight.shape().len() != 2 {
            return Err(Error::shape("lora", format!("a weight of shape {:?}, expected a matrix", weight.shape())));
        }
        options.check()?;
        let [outputs, inputs] = weight.features()?;
        let param = |value: Tensor| Param::new(value.to_dtype(weight.dtype()));
        Ok(Self {
            lora_a: param(Init::pytorch_default(inputs).tensor(&[options.rank, inputs], rng)?)?,
            lora_b: param(Tensor::zeros([outputs, options.rank])?)?,
            options: options.clone(),
            inputs_first: weight.is_inputs_first(),
        })
    }

    /// Rank, `alpha` and dropout.
    #[must_use]
    pub fn options(&self) -> &LoraOptions {
        &self.options
    }

    /// `α/r`.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.options.alpha / self.options.rank as f64
    }

    /// What is added to the weight.
    #[track_caller]
    fn change(&self) -> Result<Tensor> {
        let product = match self.inputs_first {
            false => self.lora_b.matmul(&self.lora_a)?,
            true => self.lora_a.t().matmul(&self.lora_b.t())?,
        };
        Ok(product * self.scale())
    }

    /// The inputs in the narrow space between the two matrices.
    #[track_caller]
    fn narrowed(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match mode.rng() {
            Some(rng) if self.options.dropout > 0.0 => x.dropout(self.options.dropout, rng)?.linear(&self.lora_a, None),
            _ => x.linear(&self.lora_a, None),
        }
    }
}

impl Adapter for Lora {
    #[track_caller]
    fn value(&self, weight: &Tensor) -> Result<Tensor> {
        weight.add(&self.change()?)
    }

    #[track_caller]
    fn undo(&self, value: &Tensor) -> Result<Tensor> {
        value.sub(&self.change()?)
    }

    #[track_caller]
    fn linear(&self, base: &Weight, x: &Tensor, bias: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = base.linear(x, bias, mode)?;
        y.add(&(self.narrowed(x, mode)?.linear(&self.lora_b, None)? * self.scale()))
    }

    #[track_caller]
    fn linear_part(
        &self,
        base: &Weight,
        x: &Tensor,
        bias: Option<&Tensor>,
        [first, count]: [usize; 2],
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let y = base.linear_part(x, bias, [first, count], mode)?;
        let lora_b = self.lora_b.narrow(0, first, count)?;
        y.add(&(self.narrowed(x, mode)?.linear(&lora_b, None)? * self.scale()))
    }

    #[track_caller]
    fn look_up(&self, base: &Weight, ids: &Tensor, rows: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let y = base.look_up(ids, rows)?;
        let [by_row, by_column] = match self.inputs_first {
            false => [self.lora_b.value().clone(), self.lora_a.t()],
            true => [self.lora_a.t(), self.lora_b.value().clone()],
        };
        y.add(&(rows(&by_row)?.linear(&by_column, None)? * self.scale()))
    }
}

impl fmt::Debug for Lora {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lora(rank {}, scale {}", self.options.rank, self.scale())?;
        if self.options.dropout > 0.0 {
            write!(f, ", dropout {}", self.options.dropout)?;
        }
        f.write_str(")")
    }
}

/// Fine-tuning a model by [`Lora`].
pub trait LoraExt: ModuleExt {
    /// Gives an adapter of this rank to every [`Weight`] whose path, or that of its layer, matches `pattern`, and freezes
    /// those weights. Returns how many they are. What else is not to be trained has to be [frozen](ModuleExt::freeze) first.
    ///
    /// # Errors
    /// If there are none, one has an adapter already or is no matrix, the rank is 0 or above its smaller side, `alpha` is not finite, or memory does not
    /// suffice. Nothing is changed then.
    ///
    /// ```
    /// use demotic::models::{Gpt, GptConfig};
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let mut gpt = Gpt::new(GptConfig::new(65, 64).layers(2).hidden_size(32), &mut rng)?;
    /// gpt.freeze("*")?;
    /// assert_eq!(gpt.add_lora("*.attn.*", 4, 8.0, &mut rng)?, 4);
    /// assert!(gpt.num_trainable_parameters() * 20 < gpt.num_parameters());
    /// // … train …
    /// gpt.merge_lora("*")?;
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn add_lora(&mut self, pattern: &str, rank: usize, alpha: f64, rng: &mut Rng) -> Result<usize> {
        self.add_lora_with(pattern, &LoraOptions::new(rank, alpha), rng)
    }

    /// The same with all options.
    ///
    /// # Errors
    /// As for [`add_lora`](Self::add_lora), and if the dropout is no probability below 1.
    #[track_caller]
    fn add_lora_with(&mut self, pattern: &str, options: &LoraOptions, rng: &mut Rng) -> Result<usize> {
        options.check()?;
        // All of them before the first is added, so that an error leaves the model as it was.
        let (mut taken, mut sides, mut adapters) = (None, Vec::new(), Ok(Vec::new()));
        self.for_each("*", |path, weight: &Weight| {
            if is_meant(pattern, path) {
                sides.extend(weight.features().ok());
            }
        });
        check_rank(options.rank, &sides)?;
        self.for_each("*", |path, weight: &Weight| {
            let Ok(made) = &mut adapters else { return };
            if !is_meant(pattern, path) {
                return;
            }
            if weight.adapter().is_some() {
                taken.get_or_insert_with(|| path.to_string());
            }
            match Lora::of_any_rank(weight, options, rng) {
                Ok(lora) => made.push(lora),
                Err(e) => adapters = Err(e.in_layer(path)),
            }
        });
        if let Some(path) = taken {
            return Err(
                Error::state("add_lora", format!("`{path}` has an adapter already")).with_help("merge it first")
            );
        }
        let mut adapters = adapters.here()?.into_iter();
        change(self, "add_lora", pattern, &mut |weight| {
            let Some(lora) = adapters.next() else { return Err(bug!("add_lora", "fewer adapters than weights")) };
            adapt(weight, lora)?;
            Ok(true)
        })
    }

    /// Makes the adapters of the weights whose path, or that of their layer, matches `pattern` part of the weights, which
    /// stay frozen. Returns how many they are. For other kinds of adapters, too.
    ///
    /// # Errors
    /// If there are none.
    #[track_caller]
    fn merge_lora(&mut self, pattern: &str) -> Result<usize> {
        change(self, "merge_lora", pattern, &mut |weight| Ok(weight.merge()?.is_some()))
    }

    /// Takes the adapters out of the weights whose path, or that of their layer, matches `pattern`, which are then what they
    /// were without. Returns how many they are.
    ///
    /// # Errors
    /// If there are none.
    #[track_caller]
    fn remove_lora(&mut self, pattern: &str) -> Result<usize> {
        change(self, "remove_lora", pattern, &mut |weight| Ok(weight.take_adapter().is_some()))
    }
}

impl<M: ModuleExt + ?Sized> LoraExt for M {}

/// A rank that none of the weights can have is a mistake. Of many, some may be smaller.
#[track_caller]
fn check_rank(rank: usize, matrices: &[[usize; 2]]) -> Result<()> {
    match matrices.iter().map(|sides| (sides[0].min(sides[1]), sides)).max() {
        Some((most, [outputs, inputs])) if rank > most => {
            let message = format!("a rank of {rank} for a weight of {outputs} × {inputs}");
            let help = format!("a matrix has at most the rank of its smaller side, here {most}");
            Err(Error::argument("lora", message).with_help(help))
        }
        _ => Ok(()),
    }
}

/// Adds an adapter to a weight, and freezes the weight.
#[track_caller]
fn adapt(weight: &mut Weight, lora: Lora) -> Result<()> {
    weight.adapt(lora)?;
    weight.set_trainable(false);
    Ok(())
}

/// The options of all [`Lora`]s of a model, by the path of their weight: what a file says of them.
pub(crate) fn loras<M: Module + ?Sized>(model: &M) -> BTreeMap<String, LoraOptions> {
    let mut found = BTreeMap::new();
    model.for_each("*", |path, lora: &Lora| {
        found.insert(path.to_string(), lora.options.clone());
    });
    found
}

/// Gives a model the adapters that a file says it has, with any values. They take as much memory as the file has numbers for
/// them, which the caller has checked.
#[track_caller]
pub(crate) fn add_loras(model: &mut dyn Module, all: &BTreeMap<String, LoraOptions>) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    model.for_each_mut("*", |path, weight: &mut Weight| match all.get(path) {
        Some(options) => {
            let lora = Lora::of_any_rank(weight, options, &mut Rng::blank())?;
            adapt(weight, lora)
        }
        None => Ok(()),
    })?;
    Ok(())
}

/// Takes over `alpha` and dropout of the adapters that a model and a file have in common.
#[track_caller]
pub(crate) fn set_loras<M: Module + ?Sized>(model: &mut M, all: &BTreeMap<String, LoraOptions>) -> Result<()> {
    if !loras(model).keys().any(|path| all.contains_key(path)) {
        return Ok(());
    }
    model.for_each_mut("*", |path, lora: &mut Lora| {
        if let Some(options) = all.get(path).filter(|options| options.rank == lora.options.rank) {
            lora.options = options.clone();
        }
        Ok(())
    })?;
    Ok(())
}

/// Whether a pattern means a weight, by its path or that of its layer.
pub(crate) fn is_meant(pattern: &str, path: &str) -> bool {
    matches(pattern, path) || path.rsplit_once('.').is_some_and(|(layer, _)| matches(pattern, layer))
}

/// Applies `f` to the weights that a pattern means, and counts those that it changed.
#[track_caller]
fn change<M: ModuleExt + ?Sized>(
    model: &mut M,
    op: &'static str,
    pattern: &str,
    f: &mut dyn FnMut(&mut Weight) -> Result<bool>,
) -> Result<usize> {
    let (mut count, mut paths) = (0, Vec::new());
    let walked = model.for_each_mut("*", |path, weight: &mut Weight| {
        paths.push(path.to_string());
        if is_meant(pattern, path) && f(weight)? {
            count += 1;
        }
        Ok(())
    });
    match (walked, count) {
        (Err(e), _) if !paths.is_empty() => Err(e),
        (_, 0) => {
            let what = if op == "add_lora" { "weight" } else { "adapter" };
            let message = format!("no {what} matches `{pattern}`");
            Err(Error::parameter(op, message).with_help(format!("the weights are {}", paths.join(", "))))
        }
        (_, count) => Ok(count),
    }
}
