//! Low-rank adapters.

use std::fmt;

use super::core::{Adapter, Init, ModuleExt, Param, Weight, matches};
use crate::error::{Error, Here, Result, bug};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// A change of a weight by a product of two narrow matrices, `W + α/r · B · A`, with far fewer numbers than the weight has
/// (Hu et al., *LoRA: Low-rank adaptation of large language models*, 2021).
///
/// # Shapes
/// For a weight `[rows, columns]` and a rank `r`:
/// - `lora_a`: `[r, columns]`, evenly distributed in `±1/√columns`
/// - `lora_b`: `[rows, r]`, zeros, so that nothing is changed at first
///
/// [`LoraExt::add_lora`] adds them to a model.
#[derive(Clone)]
pub struct Lora {
    /// `[r, columns]`.
    pub lora_a: Param,
    /// `[rows, r]`.
    pub lora_b: Param,
    scale: f64,
}

crate::module!(Lora { lora_a, lora_b }, plain { scale });

impl Lora {
    /// An adapter for a weight.
    ///
    /// # Errors
    /// If the weight is no matrix, the rank is 0, `alpha` is not finite, or it does not fit into memory.
    #[track_caller]
    pub fn new(weight: &Weight, rank: usize, alpha: f64, rng: &mut Rng) -> Result<Self> {
        let &[rows, columns] = weight.shape() else {
            return Err(Error::shape("lora", format!("a weight of shape {:?}, expected a matrix", weight.shape())));
        };
        check(rank, alpha)?;
        let param = |value: Tensor| Param::new(value.to_dtype(weight.dtype()));
        Ok(Self {
            lora_a: param(Init::pytorch_default(columns).tensor(&[rank, columns], rng)?)?,
            lora_b: param(Tensor::zeros([rows, rank])?)?,
            scale: alpha / rank as f64,
        })
    }

    /// `α/r`.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// What is added to the weight.
    #[track_caller]
    fn change(&self) -> Result<Tensor> {
        Ok(self.lora_b.matmul(&self.lora_a)? * self.scale)
    }
}

#[track_caller]
fn check(rank: usize, alpha: f64) -> Result<()> {
    if rank == 0 || !alpha.is_finite() {
        let message = format!("rank {rank} and alpha {alpha}, expected at least 1 and a finite number");
        return Err(Error::argument("lora", message));
    }
    Ok(())
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
    fn linear(&self, base: &Weight, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let y = base.linear(x, bias)?;
        y.add(&(x.linear(&self.lora_a, None)?.linear(&self.lora_b, None)? * self.scale))
    }

    #[track_caller]
    fn linear_transposed(&self, base: &Weight, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let y = base.linear_transposed(x, bias)?;
        y.add(&(x.linear(&self.lora_b.t(), None)?.linear(&self.lora_a.t(), None)? * self.scale))
    }

    #[track_caller]
    fn look_up(&self, base: &Weight, rows: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let y = base.look_up(rows)?;
        y.add(&(rows(&self.lora_b)?.linear(&self.lora_a.t(), None)? * self.scale))
    }
}

impl fmt::Debug for Lora {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lora(rank {}, scale {})", self.lora_a.shape()[0], self.scale)
    }
}

/// Fine-tuning a model by [`Lora`].
pub trait LoraExt: ModuleExt {
    /// Gives an adapter of this rank to every [`Weight`] whose path, or that of its layer, matches `pattern`, and freezes
    /// those weights. Returns how many they are. What else is not to be trained has to be [frozen](ModuleExt::freeze) first.
    ///
    /// # Errors
    /// If there are none, one has an adapter already or is no matrix, the rank is 0, `alpha` is not finite, or memory does not
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
        check(rank, alpha)?;
        // All of them before the first is added, so that an error leaves the model as it was.
        let (mut taken, mut adapters) = (None, Ok(Vec::new()));
        self.for_each("*", |path, weight: &Weight| {
            let Ok(made) = &mut adapters else { return };
            if !is_meant(pattern, path) {
                return;
            }
            if weight.adapter().is_some() {
                taken.get_or_insert_with(|| path.to_string());
            }
            match Lora::new(weight, rank, alpha, rng) {
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
            weight.adapt(lora)?;
            weight.set_trainable(false);
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

/// Whether a pattern means a weight, by its path or that of its layer.
fn is_meant(pattern: &str, path: &str) -> bool {
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
