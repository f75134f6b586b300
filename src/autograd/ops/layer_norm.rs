//! Layer norm and RMS norm.

use crate::autograd::function::{Function, Saved, SecondOrder, apply};
use crate::autograd::per_example::no_rule;
use crate::autograd::{ExampleSink, Sink};
use crate::error::{Error, Result, bug};
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Scale};

/// # Normalisation
impl Tensor {
    /// Layer normalisation (Ba et al., 2016): `(x − mean) / √(variance + eps) · weight + bias`, where mean and variance
    /// (divided by the number of elements) are taken over the last dimensions, those of `normalized_shape`.
    ///
    /// Without a weight the factor is 1, without a bias nothing is added; both have shape `normalized_shape`. Gradients:
    /// with `x̂` for what the weight is multiplied by, and `h = g · weight`, they are
    /// `(h − mean(h) − x̂ mean(h x̂)) / √(variance + eps)`, `Σ g x̂` and `Σ g`.
    ///
    /// # Errors
    /// If the shape of `self` does not end in `normalized_shape`, that is empty, the weight or the bias has another shape
    /// or type, `eps` is negative or not finite, or the type is not a floating-point one. Those of 16 bits are computed in `F32`
    /// and rounded back.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[1.0, 3.0], [10.0, 30.0]];
    /// assert_eq!(x.layer_norm(&[2], None, None, 0.0)?.to_vec::<f32>()?, [-1.0, 1.0, -1.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn layer_norm(
        &self,
        normalized_shape: &[usize],
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        Norm::apply(true, self, normalized_shape, weight, bias, eps)
    }

    /// Root mean square normalisation (Zhang and Sennrich, 2019): `x / √(mean(x²) + eps) · weight`, with the mean over
    /// the last dimensions, those of `normalized_shape`. PyTorch's default for `eps` is the spacing of numbers at 1:
    /// `f32::EPSILON`.
    ///
    /// Without a weight the factor is 1. Gradients: with `x̂` for what the weight is multiplied by, and
    /// `h = g · weight`, they are `(h − x̂ mean(h x̂)) / √(mean(x²) + eps)` and `Σ g x̂`.
    ///
    /// # Errors
    /// As for [`layer_norm`](Self::layer_norm).
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![[0.0, 0.0, 4.0, 0.0], [5.0, 5.0, -5.0, 5.0]];
    /// assert_eq!(x.rms_norm(&[4], None, 0.0)?.to_vec::<f32>()?, [0.0, 0.0, 2.0, 0.0, 1.0, 1.0, -1.0, 1.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn rms_norm(&self, normalized_shape: &[usize], weight: Option<&Tensor>, eps: f64) -> Result<Tensor> {
        Norm::apply(false, self, normalized_shape, weight, None, eps)
    }
}

/// Layer norm (`centred`) or RMS norm. The inputs are `x`, then the weight and the bias as far as there are any.
struct Norm {
    centred: bool,
    normalized_shape: Vec<usize>,
    has_weight: bool,
    eps: f64,
    /// The means of all rows and the reciprocals of their deviations, kept by the forward pass.
    statistics: Option<[Tensor; 2]>,
}

impl Norm {
    #[track_caller]
    fn apply(
        centred: bool,
        x: &Tensor,
        normalized_shape: &[usize],
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        let (normalized_shape, has_weight) = (normalized_shape.to_vec(), weight.is_some());
        let function = Self { centred, normalized_shape, has_weight, eps, statistics: None };
        match (weight, bias) {
            (Some(weight), Some(bias)) => apply(function, &[x, weight, bias]),
            (Some(other), None) | (None, Some(other)) => apply(function, &[x, other]),
            (None, None) => apply(function, &[x]),
        }
    }

    /// Where among the inputs the weight and the bias are, if there are any.
    fn places(&self, inputs: usize) -> [Option<usize>; 2] {
        let bias = 1 + usize::from(self.has_weight);
        [self.has_weight.then_some(1), (bias < inputs).then_some(bias)]
    }

    #[track_caller]
    fn check(&self, inputs: &[&Tensor]) -> Result<()> {
        let (name, x, wanted) = (self.name(), inputs[0], self.normalized_shape.as_slice());
        x.expect_any_float(name, "the input")?;
        if wanted.is_empty() || wanted.contains(&0) {
            let message = format!("the normalized shape {wanted:?} has no elements to take a mean of");
            return Err(Error::argument(name, message));
        }
        if !x.shape().ends_with(wanted) {
            let message = format!("the input {:?} does not end in the normalized shape {wanted:?}", x.shape());
            return Err(Error::shape(name, message));
        }
        for (place, what) in self.places(inputs.len()).into_iter().zip(["weight", "bias"]) {
            let Some(input) = place.map(|i| inputs[i]) else { continue };
            input.expect_dtype(name, &format!("the {what}"), x.dtype())?;
            if input.shape() != wanted {
                let message = format!("a {what} of shape {:?} for the normalized shape {wanted:?}", input.shape());
                return Err(Error::shape(name, message));
            }
        }
        if !(self.eps >= 0.0 && self.eps.is_finite()) {
            return Err(Error::argument(name, format!("eps is {}, expected a number from 0 on", self.eps)));
        }
        Ok(())
    }

    fn fused(&self) -> fused::Norm {
        fused::Norm { cols: self.normalized_shape.iter().product(), centred: self.centred, eps: self.eps }
    }
}

impl Function for Norm {
    fn name(&self) -> &'static str {
        match self.centred {
            true => "layer_norm",
            false => "rms_norm",
        }
    }

    #[track_caller]
    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        self.check(inputs)?;
        let [weight, bias] = self.places(inputs.len()).map(|place| place.map(|i| inputs[i]));
        let (out, statistics) = fused::normalize(self.fused(), inputs[0], Scale { weight, bias })?;
        self.statistics = Some(statistics);
        Ok(out)
    }

    fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let (inputs, Some(statistics)) = (saved.inputs(), &self.statistics) else {
            return Err(bug!(self.name(), "a gradient without a forward pass"));
        };
        let [weight_at, bias_at] = self.places(inputs.len());
        let weight = weight_at.map(|i| &inputs[i]);
        let sums = [weight_at, bias_at].into_iter().flatten().any(|i| sink.wants(i));
        let [dx, dw, db] = fused::normalize_backward(self.fused(), grad, &inputs[0], weight, statistics, sums)?;
        sink.give(0, dx)?;
        for (place, sum) in [(weight_at, dw), (bias_at, db)] {
            if let Some(i) = place.filter(|i| sink.wants(*i)) {
                sink.give(i, sum.reshape(&*self.normalized_shape)?)?;
            }
        }
        Ok(())
    }

    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        let (x, normalized) = (&saved.inputs()[0], self.normalized_shape.len());
        let between = x.rank() - normalized;
        if between == 0 {
            return Err(no_rule(self.name()));
        }
        sink.run_apart(self, saved, grad, 1)?;
        let each = |g: Tensor| -> Result<Tensor> {
            let dims: Vec<isize> = (1..between as isize).collect();
            if dims.is_empty() { Ok(g) } else { g.sum_dims(&dims, false) }
        };
        let [weight, bias] = self.places(saved.inputs().len());
        if let Some(i) = weight.filter(|i| sink.wants(*i)) {
            let plain =
                Self { has_weight: false, statistics: None, normalized_shape: self.normalized_shape.clone(), ..*self };
            sink.give_each(i, each(apply(plain, &[x])?.mul(grad)?)?)?;
        }
        if let Some(i) = bias.filter(|i| sink.wants(*i)) {
            sink.give_each(i, each(grad.clone())?)?;
        }
        Ok(())
    }

    fn second_order(&self) -> SecondOrder {
        SecondOrder::Composite
    }

    fn composite(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let dims: Vec<isize> = (1..=self.normalized_shape.len() as isize).map(|i| -i).collect();
        let [weight, bias] = self.places(inputs.len()).map(|place| place.map(|i| &inputs[i]));
        // In units of the largest number, whose square may be none. The result does not depend on the unit.
        let root = self.eps.sqrt();
        let unit = inputs[0].detach().abs().amax(&dims, true)?.clamp_min(root);
        let none = unit.eq_scalar(0.0).logical_or(&unit.is_finite().logical_not()?)?;
        let unit = unit.masked_fill(&none, 1.0)?;
        let mut y = inputs[0].div(&unit)?;
        if self.centred {
            y = y.sub(&y.mean_dims(&dims, true)?)?;
        }
        let eps = unit.rdiv_scalar(root).square();
        y = y.mul(&y.square().mean_dims(&dims, true)?.add(&eps)?.rsqrt())?;
        if let Some(weight) = weight {
            y = y.mul(weight)?;
        }
        bias.map_or(Ok(y.clone()), |bias| y.add(bias))
    }
}
