//! Rotary position embedding.

use crate::autograd::function::{Function, Saved, apply};
use crate::autograd::{ExampleSink, Sink};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::fused::{self, Rotation};

/// # Rotary positions
impl Tensor {
    /// Turns pairs of features by angles that depend on the position (Su et al., *RoFormer*, 2021), so that the inner
    /// product of two vectors depends on how far apart they are: for queries and keys `[.., T, head_dim]`.
    ///
    /// `cos` and `sin` are `[T, n]`, for `n` pairs at each position, of the type of `self` or, where that has 16 bits, `F32`. A pair `(a, b)` becomes
    /// `(a cos − b sin, b cos + a sin)`. Pairs are features `i` and `i + n`, as in GPT-NeoX and Llama, or with
    /// `interleaved` the neighbours `2i` and `2i + 1`, as in the paper and GPT-J. Features from `2n` on stay as they are.
    /// Gradient: the rotation back. The angles themselves have none.
    ///
    /// [`RotaryPositions`](crate::layers::RotaryPositions) makes the angles.
    ///
    /// # Errors
    /// If the shapes or types do not fit, the type is not a floating-point one, or the angles are tracked. Types of 16 bits are
    /// computed in `F32` and rounded back.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// // A quarter turn at position 0, none at position 1.
    /// let (cos, sin) = (tensor![[0.0], [1.0]], tensor![[1.0], [0.0]]);
    /// let y = tensor![[1.0, 2.0], [1.0, 2.0]].rotary(&cos, &sin, false)?;
    /// assert_eq!(y.to_vec::<f32>()?, [-2.0, 1.0, 1.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn rotary(&self, cos: &Tensor, sin: &Tensor, interleaved: bool) -> Result<Tensor> {
        check(self, cos, sin)?;
        let (cos, sin) = (cos.packed(), sin.packed());
        apply(Rotary(Rotation { cos, sin, interleaved, inverse: false }), &[self])
    }
}

#[track_caller]
fn check(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<()> {
    x.expect_any_float("rotary", "the input")?;
    let &[.., steps, features] = x.shape() else {
        return Err(Error::shape("rotary", format!("the input has shape {:?}, expected [.., T, head_dim]", x.shape())));
    };
    for (angles, what) in [(cos, "cosines"), (sin, "sines")] {
        // Angles in 16 bits would be rough ones: those that they are computed with will do as well.
        if Some(angles.dtype()) != x.dtype().gradient() {
            angles.expect_dtype("rotary", &format!("the {what}"), x.dtype())?;
        }
        if angles.is_tracked() {
            return Err(Error::gradient("rotary", format!("the {what} are tracked, but have no gradient here"))
                .with_help("give angles.detach()"));
        }
    }
    let fits = matches!(cos.shape(), &[t, pairs] if t == steps && pairs <= features / 2);
    if !fits || sin.shape() != cos.shape() {
        let message = format!("cosines {:?} and sines {:?} for the input {:?}", cos.shape(), sin.shape(), x.shape());
        return Err(Error::shape("rotary", message)
            .with_help(format!("both must be [{steps}, n] with at most {} pairs", features / 2)));
    }
    Ok(())
}

struct Rotary(Rotation);

impl Function for Rotary {
    fn name(&self) -> &'static str {
        "rotary"
    }

    fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
        fused::rotary(&self.0, inputs[0])
    }

    fn backward(&self, _: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
        let back = Rotation { inverse: !self.0.inverse, ..self.0.clone() };
        sink.give(0, apply(Self(back), &[grad])?)
    }

    fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
        // Steps are turned one by one, each alone.
        sink.run_apart(self, saved, grad, 1)
    }
}
