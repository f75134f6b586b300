//! Which weights of a model stay zero.

use std::fmt;

use crate::error::{Error, Here, Result, meant};
use crate::layers::{Module, ModuleExt, SlotMut, VisitorMut, matches};
use crate::regularizers::Constraint;
use crate::tensor::{DType, Tensor};

/// Which numbers of a model's parameters are kept, and which are zero. Made by [`Pruning`](super::Pruning), or of the zeros that a model
/// [has](Self::of_zeros).
///
/// Masks are a [constraint](Constraint): after each step of an optimizer, [`apply`](Constraint::apply) makes zero again what momentum
/// and decay have moved. A [`Trainer`](crate::train::Trainer::constraint) does that by itself.
///
/// ```
/// use demotic::compress::Pruning;
/// use demotic::prelude::*;
/// use demotic::regularizers::Constraint;
///
/// let mut rng = Rng::seed(0);
/// let mut model = sequential![Linear::new(8, 16, &mut rng)?, Relu, Linear::new(16, 1, &mut rng)?];
/// let start = model.clone();
/// let masks = Pruning::magnitude(0.75).apply(&mut model)?;
/// assert_eq!(masks.sparsity(), 0.75);
///
/// let x = Tensor::normal([64, 8], 0.0, 1.0, &mut rng)?;
/// let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
/// Trainer::new(losses::mse, Adam::new(0.01)).epochs(2).constraint(masks.clone()).fit(&mut model, &data, &mut rng)?;
/// let zeros = model.named_parameters()[0].1.to_vec::<f32>()?.iter().filter(|w| **w == 0.0).count();
/// assert_eq!(zeros, 8 * 16 * 3 / 4);
///
/// // The same weights left out of the model as it was before it was trained (Frankle and Carbin, 2019).
/// let mut rewound = start.clone();
/// masks.apply(&mut rewound)?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Masks {
    pub(super) masks: Vec<(String, Tensor)>,
}

/// How many of the numbers of a parameter are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaskedWeight {
    /// The path of the parameter.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How many of its numbers are zero.
    pub zeros: usize,
}

impl Masks {
    /// Those of the numbers that are zero in the parameters whose path matches `pattern`.
    ///
    /// # Errors
    /// If no parameter matches.
    #[track_caller]
    pub fn of_zeros(model: &(impl Module + ?Sized), pattern: &str) -> Result<Self> {
        let all = model.named_parameters();
        let masks = all.iter().filter(|(path, _)| matches(pattern, path));
        let masks = masks.map(|(path, value)| Ok((path.clone(), value.detach().to_dtype(DType::F32).ne_scalar(0.0))));
        let masks: Vec<_> = masks.collect::<Result<_>>()?;
        if masks.is_empty() {
            let names: Vec<String> = all.into_iter().map(|(path, _)| path).collect();
            let e = Error::parameter("Masks::of_zeros", format!("no parameter matches `{pattern}`"));
            return Err(e.with_help(meant(pattern, "parameters", &names)));
        }
        Ok(Self { masks })
    }

    /// The mask of a parameter: true where its numbers are kept.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Tensor> {
        self.masks.iter().find(|(name, _)| name == path).map(|(_, mask)| mask)
    }

    /// The parameters that have masks, and how many of their numbers are left out.
    #[must_use]
    pub fn weights(&self) -> Vec<MaskedWeight> {
        let of = |(path, mask): &(String, Tensor)| {
            let shape = mask.shape().to_vec();
            MaskedWeight { path: path.clone(), zeros: mask.numel() - kept(mask), shape }
        };
        self.masks.iter().map(of).collect()
    }

    /// The share of zeros among all numbers that have masks.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        let all: usize = self.masks.iter().map(|(_, mask)| mask.numel()).sum();
        let kept: usize = self.masks.iter().map(|(_, mask)| kept(mask)).sum();
        if all == 0 { 0.0 } else { (all - kept) as f64 / all as f64 }
    }

    /// What both keep: for patterns that were pruned one after the other.
    ///
    /// # Errors
    /// If a parameter has another shape in the other one.
    #[track_caller]
    pub fn and(&self, other: &Self) -> Result<Self> {
        let mut masks = self.masks.clone();
        for (path, mask) in &other.masks {
            match masks.iter_mut().find(|(name, _)| name == path) {
                Some((_, present)) => *present = present.logical_and(mask)?,
                None => masks.push((path.clone(), mask.clone())),
            }
        }
        Ok(Self { masks })
    }
}

fn kept(mask: &Tensor) -> usize {
    mask.to_f64_vec().into_iter().filter(|x| *x != 0.0).count()
}

impl Constraint for Masks {
    #[track_caller]
    fn apply(&self, model: &mut dyn Module) -> Result<()> {
        let (mut left, mut result) = (self.masks.len(), Ok(()));
        let mut names = Vec::new();
        let mut on_slot = |path: &str, slot: SlotMut<'_>| {
            let SlotMut::Param(param) = slot else { return };
            names.push(path.to_string());
            if let (Some(mask), Ok(())) = (self.get(path), &result) {
                left -= 1;
                let masked = mask.logical_not().and_then(|left_out| param.value().detach().masked_fill(&left_out, 0.0));
                result = masked.and_then(|value| param.set(&value)).map_err(|e| e.in_layer(path));
            }
        };
        VisitorMut::new(&mut on_slot).module(model);
        result.here()?;
        if left > 0 {
            let missing = self.masks.iter().map(|(path, _)| path).find(|path| !names.contains(path));
            let missing = missing.map_or("", String::as_str);
            let e =
                Error::parameter("Masks", format!("the model has no parameter `{missing}`, for which there is a mask"));
            return Err(e.with_help(meant(missing, "parameters", &names)));
        }
        Ok(())
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masks({} parameters, {:.1} % zeros)", self.masks.len(), 100.0 * self.sparsity())
    }
}

/// A table of the parameters.
impl fmt::Display for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weights = self.weights();
        let width = weights.iter().map(|weight| weight.path.len()).max().unwrap_or(0).max(6);
        writeln!(f, "{:width$}  {:>18}  {:>10}  {:>7}", "weight", "shape", "numbers", "zeros")?;
        for MaskedWeight { path, shape, zeros } in weights {
            let numbers: usize = shape.iter().product();
            let share = 100.0 * zeros as f64 / numbers.max(1) as f64;
            writeln!(f, "{path:width$}  {:>18}  {numbers:>10}  {share:>5.1} %", format!("{shape:?}"))?;
        }
        write!(f, "{:width$}  {:>18}  {:>10}  {:>5.1} %", "all", "", "", 100.0 * self.sparsity())
    }
}
