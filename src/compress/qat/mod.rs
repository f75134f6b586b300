//! Quantisation-aware training: a model learns while its weights, and what they are multiplied with, are rounded as they will be.
//!
//! [`prepare_qat`](QatExt::prepare_qat) puts a [`RoundedWeight`] beside each weight that is meant. The model computes what it will compute
//! with quantised weights; gradients go through the rounding as if it were not there (Jacob et al., *Quantization and training of neural
//! networks for efficient integer-arithmetic-only inference*, 2018), and change the weights behind it. [`convert_qat`](QatExt::convert_qat)
//! leaves the quantised weights, with the same outputs bit for bit. [`FakeQuantize`] is a layer that rounds activations.
//!
//! ```
//! use demotic::compress::qat::{QatExt, QatOptions};
//! use demotic::prelude::*;
//! use demotic::tensor::Scheme;
//!
//! let mut rng = Rng::seed(0);
//! let mut model = sequential![Linear::new(32, 64, &mut rng)?, Relu, Linear::new(64, 1, &mut rng)?];
//! let x = Tensor::normal([64, 32], 0.0, 1.0, &mut rng)?;
//! let y = x.narrow(1, 0, 3)?.sum_dims(&[1], true)?;
//! assert_eq!(model.prepare_qat(&QatOptions::new(Scheme::Q4_0))?, 2);
//! let mut opt = Adam::new(1e-2);
//! for _ in 0..20 {
//!     let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
//!     opt.step(&mut model, &loss.backward()?)?;
//! }
//! let before = model.predict(&x)?;
//! println!("{}", model.convert_qat()?);
//! assert_eq!(model.predict(&x)?.to_vec::<f32>()?, before.to_vec::<f32>()?);
//! # Ok::<(), demotic::Error>(())
//! ```

mod fake_quantize;
mod rounded;

pub use fake_quantize::{FakeQuantize, Levels, Ranges};
pub use rounded::RoundedWeight;

use crate::error::{Error, Result};
use crate::layers::{Module, ModuleExt, QuantizeReport, QuantizedWeight, Weight, is_meant};
use crate::tensor::Scheme;

/// Which weights are rounded while a model learns, and how.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QatOptions {
    /// How the numbers will be kept: one of the schemes that numbers can be put into.
    pub scheme: Scheme,
    /// Whether scales are learnt with the weights (Esser et al., *Learned step size quantization*, 2020), one for each block, or row,
    /// which begin as those of the largest number; otherwise they are those of the largest number, which is the default. Being small
    /// numbers, they want a smaller rate of learning than most weights.
    pub learn_scales: bool,
    /// Patterns, in which `*` stands for any text, of the paths of weights or their layers; by default, all.
    pub only: Vec<String>,
    /// Patterns of those that are not rounded.
    pub except: Vec<String>,
}

impl QatOptions {
    /// All weights, with scales of their largest numbers.
    #[must_use]
    pub fn new(scheme: Scheme) -> Self {
        Self { scheme, learn_scales: false, only: vec!["*".into()], except: Vec::new() }
    }

    /// Sets [`learn_scales`](Self::learn_scales).
    #[must_use]
    #[doc(alias = "LSQ")]
    pub fn learn_scales(self, learn_scales: bool) -> Self {
        Self { learn_scales, ..self }
    }

    /// Sets [`only`](Self::only).
    #[must_use]
    pub fn only(self, patterns: &[&str]) -> Self {
        Self { only: patterns.iter().map(ToString::to_string).collect(), ..self }
    }

    /// Sets [`except`](Self::except).
    #[must_use]
    pub fn except(self, patterns: &[&str]) -> Self {
        Self { except: patterns.iter().map(ToString::to_string).collect(), ..self }
    }

    fn means(&self, path: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| is_meant(pattern, path));
        any(&self.only) && !any(&self.except)
    }
}

/// Training for weights of a few bits.
pub trait QatExt: ModuleExt {
    /// Puts a [`RoundedWeight`] beside each weight that is meant. Returns how many there are.
    ///
    /// # Errors
    /// If no weight is meant, one of them is quantised already, has an adapter, or cannot be quantised. Nothing is changed then.
    #[track_caller]
    fn prepare_qat(&mut self, options: &QatOptions) -> Result<usize> {
        prepare(self.as_module_mut(), options)
    }

    /// Makes quantised weights of those that are rounded, with the same outputs, and says what that changed.
    ///
    /// # Errors
    /// If there are none, or a number is not finite. Nothing is changed then.
    #[track_caller]
    fn convert_qat(&mut self) -> Result<QuantizeReport> {
        convert(self.as_module_mut())
    }
}

impl<M: ModuleExt + ?Sized> QatExt for M {}

fn rounded(weight: &Weight) -> Option<&RoundedWeight> {
    weight.adapter()?.as_module().as_any_ref().downcast_ref()
}

#[track_caller]
fn prepare(model: &mut dyn Module, options: &QatOptions) -> Result<usize> {
    let (mut made, mut paths, mut failed) = (Vec::new(), Vec::new(), None);
    model.for_each("*", |path, weight: &Weight| {
        paths.push(path.to_string());
        if failed.is_none() && options.means(path) {
            match RoundedWeight::new(weight, options) {
                Ok(one) => made.push((path.to_string(), one)),
                Err(e) => failed = Some(e.in_layer(path)),
            }
        }
    });
    if let Some(e) = failed {
        return Err(e);
    }
    if made.is_empty() {
        let e = Error::parameter("prepare_qat", format!("no weight matches `{}`", options.only.join("`, `")));
        return Err(e.with_help(format!("the weights are {}", paths.join(", "))));
    }
    let count = made.len();
    let mut made = made.into_iter().peekable();
    model.for_each_mut("*", |path, weight: &mut Weight| match made.next_if(|(own, _)| own == path) {
        Some((_, adapter)) => weight.adapt(adapter),
        None => Ok(()),
    })?;
    Ok(count)
}

#[track_caller]
fn convert(model: &mut dyn Module) -> Result<QuantizeReport> {
    let (mut made, mut failed) = (Vec::new(), None);
    model.for_each("*", |path, weight: &Weight| {
        if let (Some(adapter), None) = (rounded(weight), &failed) {
            match adapter.converted(path, weight) {
                Ok(one) => made.push(one),
                Err(e) => failed = Some(e.in_layer(path)),
            }
        }
    });
    if let Some(e) = failed {
        return Err(e);
    }
    if made.is_empty() {
        let e = Error::state("convert_qat", "no weight of the model is rounded");
        return Err(e.with_help("prepare_qat(&options) comes first"));
    }
    let mut weights = Vec::new();
    let mut made = made.into_iter().peekable();
    model.for_each_mut("*", |path, weight: &mut Weight| {
        if let Some((value, one)) = made.next_if(|(_, one): &(Weight, QuantizedWeight)| one.path == path) {
            *weight = value;
            weights.push(one);
        }
        Ok(())
    })?;
    Ok(QuantizeReport::of(weights))
}
