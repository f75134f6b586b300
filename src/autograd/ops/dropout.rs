//! Random masking.

use crate::error::{Error, Result, bug};
use crate::rng::Rng;
use crate::tensor::dtype::with_float;
use crate::tensor::{Float, Tensor};

/// # Dropout
impl Tensor {
    /// Sets each element to zero with probability `p` and divides the others by `1 − p`. Gradient: masked and scaled in
    /// the same way.
    ///
    /// # Errors
    /// If `p` is not a probability, or the elements are not `F32` or `F64`.
    #[track_caller]
    pub fn dropout(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        self.expect_float("dropout", "the input")?;
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument("dropout", format!("p is {p}, expected a probability from 0 to 1")));
        }
        let mask = with_float!(self.dtype(), T => mask::<T>(self.shape(), p, rng), else {
            return Err(bug!("dropout", "an input of type {}", self.dtype()));
        });
        self.mul(&mask)
    }
}

/// Zeros with probability `p`, otherwise `1 / (1 − p)`.
fn mask<T: Float>(shape: &[usize], p: f64, rng: &mut Rng) -> Tensor {
    let kept = if p < 1.0 { T::from_f64(1.0 / (1.0 - p)) } else { T::from_f64(0.0) };
    // Two decisions for each draw of 64 bits: an element is dropped if its half is below p · 2³².
    let threshold = (p * 4_294_967_296.0) as u64;
    let choose = |bits: u64| if bits < threshold { T::from_f64(0.0) } else { kept };
    Tensor::build::<T>(shape, |out| {
        for pair in out.chunks_mut(2) {
            let bits = rng.next_u64();
            for (x, half) in pair.iter_mut().zip([bits >> 32, bits & 0xffff_ffff]) {
                *x = choose(half);
            }
        }
    })
}
