//! Batch norm, and norms of groups of channels.

use super::image::{channels_last, channels_second};
use crate::autograd::function::{Function, Saved, SecondOrder, apply};
use crate::autograd::per_example::no_rule;
use crate::autograd::{ExampleSink, Sink};
use crate::error::{Error, Result, bug};
use crate::tensor::exec::fused::{Channels, channel_affine, channel_moments, channel_products, computed};
use crate::tensor::exec::index::zeros;
use crate::tensor::layout::Dims;
use crate::tensor::{DType, Tensor};

/// What a batch was normalised by, as [`Tensor::batch_norm`] found it: not recorded, and in `F32` where 16-bit types are
/// normalised.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BatchStatistics {
    /// The mean of each channel.
    pub mean: Tensor,
    /// The variance of each channel, divided by the number of its elements.
    pub variance: Tensor,
    /// How many elements a channel has.
    pub count: usize,
}

/// # Normalisation of channels
impl Tensor {
    /// Batch normalisation (Ioffe and Szegedy, 2015) of `[batch, channels, ..]`: `(x − mean) / √(variance + eps) · weight + bias`, where
    /// mean and variance (divided by the number of elements) are those of each channel, over the batch and all places. Returns
    /// these as well, for running statistics.
    ///
    /// Weight and bias, if there are any, have shape `[channels]`. An empty batch stays empty, and has statistics of zeros.
    /// Gradients: with `x̂` for what the weight is multiplied by, and `h = g · weight`, they are
    /// `(h − mean(h) − x̂ mean(h x̂)) / √(variance + eps)`, `Σ g x̂` and `Σ g`.
    ///
    /// # Errors
    /// If there are fewer than two dimensions, or a channel has a single element; the weight or the bias has another shape or
    /// type; `eps` is negative or not finite; or the type is not a floating-point one. Those of 16 bits are computed in `F32` and
    /// rounded back.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1.0, 10.0], [3.0, 30.0]];
    /// let (y, statistics) = x.batch_norm(None, None, 0.0)?;
    /// assert_eq!(y.to_vec::<f32>()?, [-1.0, -1.0, 1.0, 1.0]);
    /// assert_eq!(statistics.mean.to_vec::<f32>()?, [2.0, 20.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn batch_norm(
        &self,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<(Tensor, BatchStatistics)> {
        let name = "batch_norm";
        check(name, self, [weight, bias, None, None], eps)?;
        let each = self.numel().checked_div(self.shape()[1]).unwrap_or(0);
        if each == 1 {
            let message = format!("one element for each channel of {:?}, which has no variance", self.shape());
            return Err(Error::shape(name, message).with_help(
                "train with batches of at least two examples; the last one of an epoch may have fewer than the others: drop_last() leaves it out",
            ));
        }
        let lying = Lying::of(self);
        let [mean, variance] = match self.is_empty() {
            true => [(), ()].map(|()| zeros(&[self.shape()[1]], computed(self.dtype()))),
            false => channel_moments(lying.channels, &lying.bring(self))?,
        };
        let function = Norm {
            eps,
            has_weight: weight.is_some(),
            of_batch: true,
            statistics: [mean.clone(), variance.clone()],
            lying,
        };
        let y = function.apply(self, weight, bias)?;
        Ok((y, BatchStatistics { mean, variance, count: each }))
    }

    /// The same with a mean and a variance that are given, of shape `[channels]`, as in evaluation.
    ///
    /// # Errors
    /// As for [`batch_norm`](Self::batch_norm), except that a single element is enough.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1.0, 10.0], [3.0, 30.0]];
    /// let y = x.batch_norm_with(&tensor![1.0, 10.0], &tensor![4.0, 100.0], None, None, 0.0)?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 0.0, 1.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn batch_norm_with(
        &self,
        mean: &Tensor,
        variance: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        check("batch_norm_with", self, [weight, bias, Some(mean), Some(variance)], eps)?;
        let function = Norm {
            eps,
            has_weight: weight.is_some(),
            of_batch: false,
            statistics: [mean.clone(), variance.clone()],
            lying: Lying::of(self),
        };
        if mean.is_tracked() || variance.is_tracked() {
            return function.made_of_others(self, weight, bias, [mean.clone(), variance.clone()]);
        }
        function.apply(self, weight, bias)
    }

    /// Group normalisation (Wu and He, 2018) of `[batch, channels, ..]`: each example's channels are split into groups, each of which is
    /// brought to mean 0 and variance 1; then each channel is scaled by `weight` and moved by `bias`, of shape `[channels]`.
    ///
    /// With as many groups as channels it is instance normalisation (Ulyanov et al., 2016).
    ///
    /// # Errors
    /// If the number of groups is 0 or does not divide that of the channels, a group has no elements, or as for
    /// [`batch_norm`](Self::batch_norm), except that a single element is enough.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1.0, 3.0, 20.0, 40.0]];
    /// assert_eq!(x.group_norm(2, None, None, 0.0)?.to_vec::<f32>()?, [-1.0, 1.0, -1.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn group_norm(
        &self,
        groups: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        let name = "group_norm";
        check(name, self, [weight, bias, None, None], eps)?;
        let (n, channels) = (self.shape()[0], self.shape()[1]);
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(Error::argument(name, format!("{groups} groups of {channels} channels, expected a divisor")));
        }
        let each = self.shape()[1..].iter().product::<usize>() / groups;
        if each == 0 {
            let message = format!("groups of an input of shape {:?} have no elements to take a mean of", self.shape());
            return Err(Error::shape(name, message));
        }
        let mut y = self.reshape([n, groups, each])?.layer_norm(&[each], None, None, eps)?.reshape(self.shape())?;
        if let Some(weight) = weight {
            y = y.mul(&for_places(weight, self.rank())?)?;
        }
        match bias {
            Some(bias) => y.add(&for_places(bias, self.rank())?),
            None => Ok(y),
        }
    }

    /// Local response normalisation over neighbouring channels (Krizhevsky et al., 2012) of `[batch, channels, ..]`:
    /// `x / (k + alpha/size · Σ x²)^beta`, with the sum over the `size` channels around each, as far as there are any.
    ///
    /// # Errors
    /// If there are fewer than two dimensions, `size` is 0, or the type is not a floating-point one.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1.0, 2.0, 2.0]];
    /// // The sums are 1 + 4, 1 + 4 + 4 and 4 + 4.
    /// assert_eq!(x.local_response_norm(3, 3.0, 1.0, 1.0)?.to_vec::<f32>()?, [1.0 / 6.0, 0.2, 2.0 / 9.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn local_response_norm(&self, size: usize, alpha: f64, beta: f64, k: f64) -> Result<Tensor> {
        let name = "local_response_norm";
        check(name, self, [None; 4], 0.0)?;
        if size == 0 {
            return Err(Error::argument(name, "a size of 0, expected at least 1"));
        }
        let sums = super::pool::neighbours(&self.square(), size)?.mul_scalar(alpha / size as f64);
        self.div(&sums.add_scalar(k).powf(beta))
    }
}

#[track_caller]
fn check(name: &'static str, x: &Tensor, each: [Option<&Tensor>; 4], eps: f64) -> Result<()> {
    x.expect_any_float(name, "the input")?;
    let &[_, channels, ..] = x.shape() else {
        let message = format!("the input has shape {:?}, expected [batch, channels, ..]", x.shape());
        return Err(Error::shape(name, message));
    };
    for (numbers, what) in each.into_iter().zip(["weight", "bias", "mean", "variance"]) {
        let Some(numbers) = numbers else { continue };
        numbers.expect_dtype(name, &format!("the {what}"), x.dtype())?;
        if numbers.shape() != [channels] {
            let message = format!("a {what} of shape {:?} for {channels} channels of {:?}", numbers.shape(), x.shape());
            return Err(Error::shape(name, message).with_help("channels are the second dimension"));
        }
    }
    if !(eps >= 0.0 && eps.is_finite()) {
        return Err(Error::argument(name, format!("eps is {eps}, expected a number from 0 on")));
    }
    Ok(())
}

/// All dimensions but that of the channels.
fn others(rank: usize) -> Vec<isize> {
    (0..rank as isize).filter(|dim| *dim != 1).collect()
}

/// Numbers of channels, `[channels, 1, ..]`, that broadcast to all places.
fn for_places(numbers: &Tensor, rank: usize) -> Result<Tensor> {
    let shape = Dims::collect([numbers.numel()].into_iter().chain(std::iter::repeat_n(1, rank - 2)));
    numbers.reshape(&*shape)
}

/// How the elements of channels lie in memory.
struct Lying {
    channels: Channels,
    /// The order of the dimensions, if the channels are last.
    order: Option<Dims>,
}

impl Lying {
    fn of(x: &Tensor) -> Self {
        let (order, n, channels) = (channels_last(x), x.shape()[0], x.shape()[1]);
        let places: usize = x.shape()[2..].iter().product();
        let (outer, inner) = if order.is_some() { (n * places, 1) } else { (n, places) };
        Self { channels: Channels { outer, channels, inner }, order }
    }

    /// A tensor of the same shape, so that it lies as they do, in the type that is computed in.
    fn bring(&self, x: &Tensor) -> Tensor {
        let x = self.order.map_or_else(|| x.detach(), |order| x.permuted(&order));
        x.cast(computed(x.dtype())).packed()
    }

    /// The way back.
    fn finish(&self, y: &Tensor, dtype: DType) -> Tensor {
        let y = y.cast(dtype);
        if self.order.is_some() { y.permuted(&channels_second(y.rank())) } else { y }
    }
}

/// The operation. The inputs are `x`, then the weight and the bias as far as there are any.
struct Norm {
    eps: f64,
    has_weight: bool,
    /// Whether the statistics are those of the input, and depend on it.
    of_batch: bool,
    /// Mean and variance.
    statistics: [Tensor; 2],
    lying: Lying,
}

impl Norm {
    fn apply(self, x: &Tensor, weight: Option<&Tensor>, bias: Option<&Tensor>) -> Result<Tensor> {
        let statistics = self.statistics.clone();
        match (weight, bias) {
            _ if x.is_empty() => self.made_of_others(x, weight, bias, statistics),
            (Some(weight), Some(bias)) => apply(self, &[x, weight, bias]),
            (Some(other), None) | (None, Some(other)) => apply(self, &[x, other]),
            (None, None) => apply(self, &[x]),
        }
    }

    /// Where among the inputs the weight and the bias are, if there are any.
    fn places(&self, inputs: usize) -> [Option<usize>; 2] {
        let bias = 1 + usize::from(self.has_weight);
        [self.has_weight.then_some(1), (bias < inputs).then_some(bias)]
    }

    /// The same made of other operations. Statistics of the batch are computed anew.
    fn made_of_others(
        &self,
        x: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        [mean, variance]: [Tensor; 2],
    ) -> Result<Tensor> {
        let (rank, dims) = (x.rank(), others(x.rank()));
        let mut y = x.sub(&match self.of_batch {
            true => x.mean_dims(&dims, true)?,
            false => for_places(&mean.to_dtype(x.dtype()), rank)?,
        })?;
        let variance = match self.of_batch {
            true => y.square().mean_dims(&dims, true)?,
            false => for_places(&variance.to_dtype(x.dtype()), rank)?,
        };
        y = y.mul(&variance.add_scalar(self.eps).rsqrt())?;
        if let Some(weight) = weight {
            y = y.mul(&for_places(weight, rank)?)?;
        }
        bias.map_or(Ok(y.clone()), |bias| y.add(&for_places(bias, rank)?))
    }

    /// The mean, and what deviations from it are multiplied by.
    fn mean_and_scale(&self) -> [Tensor; 2] {
        let [mean, variance] = self.statistics.each_ref().map(|x| x.cast(computed(x.dtype())).packed());
        [mean, variance.add_scalar(self.eps).rsqrt()]
    }
}

impl Function for Norm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        let [weight, bias] =
            self.places(inputs.len()).map(|place| place.map(|i| inputs[i].cast(computed(inputs[i].dtype())).packed()));
        let [mean, scale] = self.mean_and_scale();
        let scale = weight.map_or(Ok(scale.clone()), |weight| scale.mul(&weight))?;
        let shift = bias.unwrap_or_else(|| mean.zeros_like());
        let y = channel_affine(self.lying.channels, &self.lying.bring(inputs[0]), [&mean, &scale, &shift], None)?;
        Ok(self.lying.finish(&y, inputs[0].dtype()))
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (inputs, channels) = (saved.inputs(), self.lying.channels);
        let (x, g) = (self.lying.bring(&inputs[0]), self.lying.bring(grad));
        let [weight_at, bias_at] = self.places(inputs.len());
        let [mean, rstd] = self.mean_and_scale();
        let slope = weight_at.map_or(Ok(rstd.clone()), |i| rstd.mul(&inputs[i].detach()))?;
        let sums = [weight_at, bias_at].into_iter().flatten().any(|i| sink.wants(i));
        let products = (self.of_batch || sums).then(|| channel_products(channels, &g, &x, &mean)).transpose()?;
        if sink.wants(0) {
            let dx = match &products {
                Some([one, along]) if self.of_batch => {
                    let count = channels.each() as f64;
                    let scale = along.mul(&rstd.square())?.mul(&slope)?.mul_scalar(-1.0 / count);
                    let shift = one.mul(&slope)?.mul_scalar(-1.0 / count);
                    channel_affine(channels, &x, [&mean, &scale, &shift], Some((&g, &slope)))?
                }
                // Nothing of the input may matter, not even that it is infinite.
                _ => {
                    let zeros = slope.zeros_like();
                    channel_affine(channels, &g, [&zeros, &slope, &zeros], None)?
                }
            };
            sink.give(0, self.lying.finish(&dx, dx.dtype()))?;
        }
        let Some([one, along]) = products else { return Ok(()) };
        if let Some(i) = weight_at.filter(|i| sink.wants(*i)) {
            sink.give(i, along.mul(&rstd)?)?;
        }
        if let Some(i) = bias_at.filter(|i| sink.wants(*i)) {
            sink.give(i, one)?;
        }
        Ok(())
    }

    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        if self.of_batch {
            return Err(no_rule(self.name()).with_help(
                "statistics of a batch mix its examples: use GroupNorm, or BatchNorm with statistics that are kept, in Mode::eval()",
            ));
        }
        sink.run_apart(self, saved, grad, 1)?;
        let (inputs, rank) = (saved.inputs(), grad.rank());
        let dims: Vec<isize> = (2..rank as isize).collect();
        let each = |g: Tensor| if dims.is_empty() { Ok(g) } else { g.sum_dims(&dims, false) };
        let [weight_at, bias_at] = self.places(inputs.len());
        if let Some(i) = weight_at.filter(|i| sink.wants(*i)) {
            let plain = self.made_of_others(&inputs[0].detach(), None, None, self.statistics.clone())?;
            sink.give_each(i, each(plain.mul(grad)?)?)?;
        }
        if let Some(i) = bias_at.filter(|i| sink.wants(*i)) {
            sink.give_each(i, each(grad.clone())?)?;
        }
        Ok(())
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let [weight, bias] = self.places(inputs.len()).map(|place| place.map(|i| &inputs[i]));
        let Some(x) = inputs.first() else { return Err(bug!(self.name(), "no input")) };
        self.made_of_others(x, weight, bias, self.statistics.clone())
    }
}
