//! Layers that normalise channels, with running statistics: batch norm and instance norm.

use std::fmt;
use std::sync::Arc;

use super::core::{Buffer, Layer, LayerConfig, Mode, Param, described};
use crate::autograd::BatchStatistics;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// What a layer has besides its parameters and buffers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Settings {
    channels: usize,
    eps: f64,
    momentum: Option<f64>,
    /// Whether running statistics are used in training too, and stay as they are.
    frozen: bool,
}

impl Settings {
    #[track_caller]
    fn from_config(name: &'static str, options: &mut LayerConfig) -> Result<Self> {
        let channels = options.take("channels")?;
        if channels == 0 {
            return Err(Error::argument(name, "0 channels, expected at least 1"));
        }
        let momentum = options.take::<Option<f64>>("momentum")?;
        // Not a closure, in which the caller's line would be lost.
        let momentum = match momentum {
            Some(momentum) => Some(checked_momentum(name, momentum)?),
            None => None,
        };
        Ok(Self { channels, eps: options.take("eps")?, momentum, frozen: options.take_or("frozen", false)? })
    }
}

#[track_caller]
fn checked_momentum(name: &'static str, momentum: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&momentum) {
        return Ok(momentum);
    }
    Err(Error::argument(name, format!("momentum is {momentum}, expected a number from 0 to 1")))
}

/// Adds up over the processes that work on a batch together: what batch norm asks for that takes its statistics over all of them. See
/// [`synchronize_batch_norm`](crate::distributed::synchronize_batch_norm).
pub(crate) trait RankSum: Send + Sync + fmt::Debug {
    /// The sum of what all processes have, which is recorded: each gets the gradients that all have of it.
    ///
    /// # Errors
    /// If a process has failed.
    fn sum(&self, x: &Tensor) -> Result<Tensor>;
}

/// A layer with running statistics, whatever its dimensions.
pub(crate) trait RunningStatistics {
    /// Mean, variance, and how many batches they are of.
    fn buffers(&self) -> [&Option<Buffer>; 3];

    /// How far they move towards those of each batch; `None` makes them means over all batches.
    fn momentum_mut(&mut self) -> &mut Option<f64>;

    /// Whether they are used in training too, and stay as they are.
    fn frozen_mut(&mut self) -> &mut bool;

    /// Takes statistics over several processes.
    fn set_rank_sum(&mut self, sum: &Arc<dyn RankSum>);

    /// A mean of 0 and a variance of 1, of no batches.
    #[track_caller]
    fn reset(&self) -> Result<()> {
        for (buffer, value) in self.buffers().into_iter().flatten().zip([0.0, 1.0, 0.0]) {
            buffer.set(&buffer.get().full_like(value))?;
        }
        Ok(())
    }
}

/// The parts of a layer of any number of dimensions.
struct Parts<'a> {
    name: &'static str,
    /// The fewest and the most dimensions of the input.
    ranks: [usize; 2],
    affine: [Option<&'a Tensor>; 2],
    running: [&'a Option<Buffer>; 3],
    settings: Settings,
    sum: Option<&'a dyn RankSum>,
}

impl Parts<'_> {
    #[track_caller]
    fn check(&self, x: &Tensor) -> Result<()> {
        let (channels, [least, most]) = (self.settings.channels, self.ranks);
        let rank = x.rank();
        if (least..=most).contains(&rank) && x.shape()[1] == channels {
            return Ok(());
        }
        let dims = if least == most { most.to_string() } else { format!("{least} or {most}") };
        let message =
            format!("the input has shape {:?}, expected {dims} dimensions, the second of {channels}", x.shape());
        Err(Error::shape(self.name, message))
    }

    #[track_caller]
    fn batch_norm(&self, x: &Tensor, mode: &Mode<'_>) -> Result<Tensor> {
        self.check(x)?;
        let ([weight, bias], eps) = (self.affine, self.settings.eps);
        if let Some([mean, variance]) =
            self.running_statistics(x).filter(|_| self.settings.frozen || !mode.is_training())
        {
            return x.batch_norm_with(&mean, &variance, weight, bias, eps);
        }
        let (y, seen) = match self.sum.filter(|_| mode.is_training()) {
            Some(sum) => self.over_ranks(x, sum)?,
            None => x.batch_norm(weight, bias, eps)?,
        };
        self.update(&seen, mode)?;
        Ok(y)
    }

    /// The same with mean and variance over the batches of several processes.
    #[track_caller]
    fn over_ranks(&self, x: &Tensor, sum: &dyn RankSum) -> Result<(Tensor, BatchStatistics)> {
        let channels = self.settings.channels;
        let others: Vec<isize> = (0..x.rank() as isize).filter(|dim| *dim != 1).collect();
        let own = (x.numel() / channels.max(1)) as f64;
        let count = Tensor::full_dtype([1], own, x.dtype())?;
        let sums = sum.sum(&Tensor::cat(&[&x.sum_dims(&others, false)?, &count], 0)?)?;
        let total = sums.detach().narrow(0, channels, 1)?.item()?;
        let mean = sums.narrow(0, 0, channels)?.mul_scalar(1.0 / total);
        let mut shape = vec![1; x.rank()];
        shape[1] = channels;
        let centred = x.sub(&mean.reshape(&shape[..])?)?;
        let variance = sum.sum(&centred.square().sum_dims(&others, false)?)?.mul_scalar(1.0 / total);
        let mut y = centred.div(&variance.add_scalar(self.settings.eps).sqrt().reshape(&shape[..])?)?;
        if let Some(weight) = self.affine[0] {
            y = y.mul(&weight.reshape(&shape[..])?)?;
        }
        if let Some(bias) = self.affine[1] {
            y = y.add(&bias.reshape(&shape[..])?)?;
        }
        let seen = BatchStatistics { mean: mean.detach(), variance: variance.detach(), count: total as usize };
        Ok((y, seen))
    }

    #[track_caller]
    fn instance_norm(&self, x: &Tensor, mode: &Mode<'_>) -> Result<Tensor> {
        // A single example, without a batch.
        if x.rank() + 1 == self.ranks[0] && x.shape()[0] == self.settings.channels {
            return self.instance_norm(&x.unsqueeze(0)?, mode)?.squeeze(0);
        }
        self.check(x)?;
        let ([weight, bias], eps, channels) = (self.affine, self.settings.eps, self.settings.channels);
        if let Some([mean, variance]) =
            self.running_statistics(x).filter(|_| self.settings.frozen || !mode.is_training())
        {
            return x.batch_norm_with(&mean, &variance, weight, bias, eps);
        }
        let count: usize = x.shape()[2..].iter().product();
        if count == 1 {
            let message = format!("one place in the input of shape {:?}, which has no variance", x.shape());
            return Err(Error::shape(self.name, message).with_help("instance norm needs images of more than one place"));
        }
        let y = x.group_norm(channels, weight, bias, eps)?;
        if !x.is_empty() && self.running_statistics(x).is_some() && !mode.is_recomputing() {
            // The mean over the examples of what each of them has.
            let of_each = x.detach().flatten(2, -1)?;
            let mean = of_each.mean_dims(&[2], false)?.mean_dims(&[0], false)?;
            let variance = of_each.var_dims(&[2], 0.0, false)?.mean_dims(&[0], false)?;
            self.update(&BatchStatistics { mean, variance, count }, mode)?;
        }
        Ok(y)
    }

    /// Mean and variance in the type of the input.
    fn running_statistics(&self, x: &Tensor) -> Option<[Tensor; 2]> {
        let [mean, variance, _] = self.running;
        Some([mean.as_ref()?, variance.as_ref()?].map(|buffer| buffer.get().to_dtype(x.dtype())))
    }

    /// Moves the running statistics towards those of a batch, whose variance is made unbiased.
    #[track_caller]
    fn update(&self, seen: &BatchStatistics, mode: &Mode<'_>) -> Result<()> {
        let [Some(mean), Some(variance), Some(batches)] = self.running else { return Ok(()) };
        if mode.is_recomputing() || seen.count < 2 {
            return Ok(());
        }
        let count = batches.get().add(&Tensor::from_slice(&[1i64], ())?)?;
        let share = self.settings.momentum.unwrap_or(1.0 / count.item()?);
        let unbiased = seen.variance.mul_scalar(seen.count as f64 / (seen.count as f64 - 1.0));
        for (buffer, new) in [(mean, &seen.mean), (variance, &unbiased)] {
            let old = buffer.get();
            let moved = old.to_dtype(new.dtype()).mul_scalar(1.0 - share).add(&new.mul_scalar(share))?;
            buffer.set(&moved.to_dtype(old.dtype()))?;
        }
        batches.set(&count)
    }
}

/// Fields, options and passes of a layer with running statistics.
macro_rules! normalising {
    (
        $(#[$doc:meta])*
        $Layer:ident, $pass:ident, [$least:literal, $most:literal], affine $affine:literal, tracked $tracked:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $Layer {
            /// `[channels]`, starts with ones.
            pub weight: Option<Param>,
            /// `[channels]`, starts with zeros.
            pub bias: Option<Param>,
            /// The running mean, `[channels]`, starts with zeros.
            pub running_mean: Option<Buffer>,
            /// The running variance (unbiased), `[channels]`, starts with ones.
            pub running_var: Option<Buffer>,
            /// How many batches the running statistics have seen: one `I64`.
            pub num_batches_tracked: Option<Buffer>,
            settings: Settings,
            sum: Option<Arc<dyn RankSum>>,
        }

        crate::module!(
            $Layer { weight, bias, running_mean, running_var, num_batches_tracked },
            plain { settings, sum }
        );

        impl $Layer {
            /// A layer for inputs with this number of channels.
            ///
            /// # Errors
            /// If there are none, or they do not fit into memory.
            #[track_caller]
            pub fn new(channels: usize) -> Result<Self> {
                if channels == 0 {
                    return Err(Error::argument(concat!(stringify!($Layer), "::new"), "0 channels, expected at least 1"));
                }
                let mut layer = Self::bare(Settings { channels, eps: 1e-5, momentum: Some(0.1), frozen: false });
                if $affine {
                    layer = layer.with_affine()?;
                }
                Ok(if $tracked { layer.with_running_stats()? } else { layer })
            }

            /// Without parameters and statistics.
            fn bare(settings: Settings) -> Self {
                Self {
                    weight: None,
                    bias: None,
                    running_mean: None,
                    running_var: None,
                    num_batches_tracked: None,
                    settings,
                    sum: None,
                }
            }

            /// The same layer for some of its channels, by their numbers.
            #[track_caller]
            pub(crate) fn selected(&self, channels: &Tensor) -> Result<Self> {
                let some = |x: &Tensor| x.detach().index_select(0, channels);
                let param = |x: &Option<Param>| {
                    let selected = |x: &Param| {
                        let mut param = Param::new(some(x)?)?;
                        param.set_trainable(x.is_trainable());
                        Ok::<_, Error>(param)
                    };
                    x.as_ref().map(selected).transpose()
                };
                let buffer = |x: &Option<Buffer>| x.as_ref().map(|x| some(&x.get()).map(Buffer::new)).transpose();
                Ok(Self {
                    weight: param(&self.weight)?,
                    bias: param(&self.bias)?,
                    running_mean: buffer(&self.running_mean)?,
                    running_var: buffer(&self.running_var)?,
                    num_batches_tracked: self.num_batches_tracked.clone(),
                    settings: Settings { channels: channels.numel(), ..self.settings },
                    sum: self.sum.clone(),
                })
            }

            /// What is added to the variance; 1e-5 by default.
            #[must_use]
            pub fn eps(mut self, eps: f64) -> Self {
                self.settings.eps = eps;
                self
            }

            /// How far the running statistics move towards those of each batch; 0.1 by default.
            ///
            /// # Errors
            /// If it is not a number from 0 to 1.
            #[track_caller]
            pub fn momentum(mut self, momentum: f64) -> Result<Self> {
                self.settings.momentum = Some(checked_momentum(stringify!($Layer), momentum)?);
                Ok(self)
            }

            /// The same layer whose running statistics are the means over all batches that it has seen (PyTorch's
            /// `momentum=None`).
            #[must_use]
            pub fn cumulative_average(mut self) -> Self {
                self.settings.momentum = None;
                self
            }

            /// The same layer with a weight and a bias.
            ///
            /// # Errors
            /// If they do not fit into memory.
            #[track_caller]
            pub fn with_affine(mut self) -> Result<Self> {
                self.weight = Some(Param::new(Tensor::ones([self.settings.channels])?)?);
                self.bias = Some(Param::new(Tensor::zeros([self.settings.channels])?)?);
                Ok(self)
            }

            /// The same layer without weight and bias: it only normalises.
            #[must_use]
            pub fn without_affine(mut self) -> Self {
                (self.weight, self.bias) = (None, None);
                self
            }

            /// The same layer with running statistics, which are used in evaluation.
            ///
            /// # Errors
            /// If they do not fit into memory.
            #[track_caller]
            pub fn with_running_stats(mut self) -> Result<Self> {
                self.running_mean = Some(Buffer::new(Tensor::zeros([self.settings.channels])?));
                self.running_var = Some(Buffer::new(Tensor::ones([self.settings.channels])?));
                self.num_batches_tracked = Some(Buffer::new(Tensor::from_slice(&[0i64], ())?));
                Ok(self)
            }

            /// The same layer without running statistics: in evaluation as well it normalises by what it sees (PyTorch's
            /// `track_running_stats=False`).
            #[must_use]
            pub fn without_running_stats(mut self) -> Self {
                (self.running_mean, self.running_var, self.num_batches_tracked) = (None, None, None);
                self
            }

            /// The same layer whose running statistics are used in training too, and stay as they are: for fine-tuning, where those of
            /// small batches are worse. See [`freeze_bn`](crate::layers::freeze_bn) for all layers of a model. Weight and bias
            /// are trained nevertheless, unless they are [frozen](crate::layers::ModuleExt::freeze).
            #[must_use]
            pub fn frozen(mut self, frozen: bool) -> Self {
                self.settings.frozen = frozen;
                self
            }

            /// How many channels the input has.
            #[must_use]
            pub fn channels(&self) -> usize {
                self.settings.channels
            }

            /// What is added to the variance.
            #[must_use]
            pub fn epsilon(&self) -> f64 {
                self.settings.eps
            }

            /// Forgets the running statistics: a mean of 0 and a variance of 1, of no batches.
            ///
            /// # Errors
            /// If memory does not suffice.
            #[track_caller]
            pub fn reset_running_stats(&self) -> Result<()> {
                self.reset()
            }

            fn parts(&self) -> Parts<'_> {
                Parts {
                    name: stringify!($Layer),
                    ranks: [$least, $most],
                    affine: [self.weight.as_deref(), self.bias.as_deref()],
                    running: [&self.running_mean, &self.running_var, &self.num_batches_tracked],
                    settings: self.settings,
                    sum: self.sum.as_deref(),
                }
            }
        }

        described! {
            $Layer,
            |layer| layer.parts().config(),
            |options, _| {
                let mut layer = Self::bare(Settings::from_config(stringify!($Layer), options)?);
                let (weight, bias) = (options.take::<bool>("weight")?, options.take::<bool>("bias")?);
                if weight || bias {
                    layer = layer.with_affine()?;
                    (layer.weight, layer.bias) = (layer.weight.filter(|_| weight), layer.bias.filter(|_| bias));
                }
                if options.take("running_stats")? { layer.with_running_stats()? } else { layer }
            },
            |sizes| sizes.size("channels")
                * ["weight", "bias", "running_stats"].into_iter().filter(|part| sizes.flag(part)).count()
        }

        impl Layer for $Layer {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                mode.here(self.parts().$pass(x, mode))
            }
        }

        impl RunningStatistics for $Layer {
            fn buffers(&self) -> [&Option<Buffer>; 3] {
                self.parts().running
            }

            fn momentum_mut(&mut self) -> &mut Option<f64> {
                &mut self.settings.momentum
            }

            fn frozen_mut(&mut self) -> &mut bool {
                &mut self.settings.frozen
            }

            fn set_rank_sum(&mut self, sum: &Arc<dyn RankSum>) {
                self.sum = Some(sum.clone());
            }
        }

        impl fmt::Debug for $Layer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (parts, kind) = (self.parts(), stringify!($Layer));
                parts.describe(kind, f)
            }
        }
    };
}

impl Parts<'_> {
    fn config(&self) -> LayerConfig {
        let Settings { channels, eps, momentum, frozen } = self.settings;
        let sizes = LayerConfig::new().with("channels", channels).with("eps", eps).with("momentum", momentum);
        let affine = sizes.with("weight", self.affine[0].is_some()).with("bias", self.affine[1].is_some());
        let config = affine.with("running_stats", self.running[0].is_some());
        if frozen { config.with("frozen", true) } else { config }
    }

    fn describe(&self, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { channels, eps, momentum, frozen } = self.settings;
        write!(f, "{kind}({channels}, eps {eps:e}")?;
        match momentum {
            _ if self.running[0].is_none() => f.write_str(", no running statistics")?,
            _ if frozen => f.write_str(", frozen statistics")?,
            Some(momentum) => write!(f, ", momentum {momentum}")?,
            None => f.write_str(", cumulative average")?,
        }
        f.write_str(if self.affine[0].is_none() { ", no weight, no bias)" } else { ")" })
    }
}

normalising! {
    /// Brings each feature to mean 0 and variance 1 over a batch, then scales and moves it by learned amounts (Ioffe and Szegedy,
    /// *Batch Normalization*, 2015): [`BatchNorm2d`] for vectors, or for sequences of them.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels]` or `[batch, channels, length]`
    /// - parameters and statistics: `[channels]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut norm = BatchNorm1d::new(2)?;
    /// let y = norm.forward(&tensor![[1.0, 10.0], [3.0, 30.0]], &mut Mode::train(&mut Rng::seed(0)))?;
    /// assert!(y.mean_dims(&[0], false)?.abs().max()?.item()? < 1e-6);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    BatchNorm1d, batch_norm, [2, 3], affine true, tracked true
}

normalising! {
    /// Brings each channel to mean 0 and variance 1 over all images of a batch and all of their places, then scales and moves it by
    /// learned amounts: `(x − mean) / √(variance + eps) · weight + bias` (Ioffe and Szegedy, *Batch Normalization*, 2015). See
    /// [`Tensor::batch_norm`].
    ///
    /// In training it takes mean and variance of the batch, and moves running ones towards them:
    /// `running ← (1 − momentum) running + momentum · batch`, with the unbiased variance. In evaluation it takes the running ones, so
    /// that the result for one image does not depend on others. A training batch with a single element for each channel is an error;
    /// an empty one leaves the running statistics as they are.
    ///
    /// | option | default |
    /// |---|---|
    /// | [`eps`](Self::eps) | 1e-5 |
    /// | [`momentum`](Self::momentum), [`cumulative_average`](Self::cumulative_average) | 0.1 |
    /// | [`without_affine`](Self::without_affine) | weight and bias |
    /// | [`without_running_stats`](Self::without_running_stats) | with them |
    /// | [`frozen`](Self::frozen) | they follow the batches in training |
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`
    /// - parameters and statistics: `[channels]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let norm = BatchNorm2d::new(3)?.momentum(0.5)?;
    /// let images = Tensor::normal([8, 3, 4, 4], 5.0, 2.0, &mut rng)?;
    /// norm.forward(&images, &mut Mode::train(&mut rng))?;
    /// // Half of the way from 0 to 5.
    /// let mean = norm.running_mean.as_ref().map(Buffer::get).unwrap();
    /// assert!((mean.mean().item()? - 2.5).abs() < 0.2);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    BatchNorm2d, batch_norm, [4, 4], affine true, tracked true
}

normalising! {
    /// [`BatchNorm2d`] for volumes.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, depth, height, width]`
    /// - parameters and statistics: `[channels]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let norm = BatchNorm3d::new(2)?;
    /// assert_eq!(norm.predict(&Tensor::ones([1, 2, 4, 4, 4])?)?.shape(), [1, 2, 4, 4, 4]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    BatchNorm3d, batch_norm, [5, 5], affine true, tracked true
}

normalising! {
    /// [`InstanceNorm2d`] for sequences of vectors.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, length]` or `[channels, length]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let norm = InstanceNorm1d::new(1)?;
    /// let y = norm.predict(&tensor![[[1.0, 3.0]], [[10.0, 30.0]]])?;
    /// assert!((y.sub(&tensor![[[-1.0, 1.0]], [[-1.0, 1.0]]])?.abs().max()?.item()?) < 1e-4);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    InstanceNorm1d, instance_norm, [3, 3], affine false, tracked false
}

normalising! {
    /// Brings each channel of each image to mean 0 and variance 1 (Ulyanov et al., *Instance Normalization*, 2016). See
    /// [`Tensor::group_norm`].
    ///
    /// By default there are neither parameters nor running statistics, as in PyTorch: [`with_affine`](Self::with_affine) and
    /// [`with_running_stats`](Self::with_running_stats) add them. With the latter, evaluation normalises by the means over all images
    /// of what was seen in training.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]` or `[channels, height, width]`
    /// - parameters and statistics: `[channels]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let norm = InstanceNorm2d::new(3)?.with_affine()?;
    /// let y = norm.predict(&Tensor::normal([2, 3, 8, 8], 5.0, 2.0, &mut Rng::seed(0))?)?;
    /// assert!(y.mean_dims(&[2, 3], false)?.abs().max()?.item()? < 1e-5);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    InstanceNorm2d, instance_norm, [4, 4], affine false, tracked false
}

normalising! {
    /// [`InstanceNorm2d`] for volumes.
    ///
    /// # Shapes
    /// - input and output: `[batch, channels, depth, height, width]` or `[channels, depth, height, width]`
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let norm = InstanceNorm3d::new(3)?;
    /// let y = norm.predict(&Tensor::normal([3, 4, 4, 4], 5.0, 2.0, &mut Rng::seed(0))?)?;
    /// assert!(y.mean_dims(&[1, 2, 3], false)?.abs().max()?.item()? < 1e-5);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    InstanceNorm3d, instance_norm, [5, 5], affine false, tracked false
}
