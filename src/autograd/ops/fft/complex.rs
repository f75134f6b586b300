//! Arithmetic of complex numbers, which are pairs.

use super::transform::wide_pairs;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::layout::broadcast;

/// # Complex numbers
/// With the feature `fft`. They are pairs in a last dimension of 2, real and imaginary part.
///
/// ```
/// use demotic::{Tensor, tensor};
///
/// let (a, b) = (tensor![[3.0, 4.0]], tensor![[0.0, 1.0]]);
/// assert_eq!(a.complex_mul(&b)?.to_f64_vec(), [-4.0, 3.0]);
/// assert_eq!((a.complex_conj()?.to_f64_vec(), a.complex_abs()?.item()?), (vec![3.0, -4.0], 5.0));
/// let again = Tensor::polar(&a.complex_abs()?, &a.complex_angle()?)?;
/// assert!(again.allclose(&a, 1e-6, 0.0, false)?);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// Complex numbers of their real and imaginary parts, which broadcast: `[..]` and `[..]` give `[.., 2]`.
    ///
    /// # Errors
    /// If the types differ, or the shapes do not broadcast.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let z = Tensor::complex(&tensor![3.0], &tensor![4.0])?;
    /// assert_eq!(z.complex_abs()?.item()?, 5.0);
    /// assert_eq!(z.complex_mul(&z)?.to_vec::<f32>()?, [-7.0, 24.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn complex(real: &Tensor, imaginary: &Tensor) -> Result<Tensor> {
        imaginary.expect_dtype("complex", "the imaginary part", real.dtype())?;
        let (a, b) = (real.shape(), imaginary.shape());
        let Some(shape) = broadcast(a, b) else {
            return Err(Error::shape("complex", format!("parts of shapes {a:?} and {b:?} do not broadcast")));
        };
        Tensor::stack(&[&real.broadcast_to(&*shape)?, &imaginary.broadcast_to(&*shape)?], -1)
    }

    /// Complex numbers of their magnitudes and angles.
    ///
    /// # Errors
    /// As for [`complex`](Self::complex).
    #[track_caller]
    pub fn polar(magnitude: &Tensor, angle: &Tensor) -> Result<Tensor> {
        Tensor::complex(&magnitude.mul(&angle.cos())?, &magnitude.mul(&angle.sin())?)
    }

    /// The product of complex numbers, whose other dimensions broadcast.
    ///
    /// # Errors
    /// If one of the two has no last dimension of 2, the types differ, or the shapes do not broadcast.
    #[track_caller]
    pub fn complex_mul(&self, other: &Tensor) -> Result<Tensor> {
        let [(a, b), (c, d)] = [parts("complex_mul", self)?, parts("complex_mul", other)?];
        Tensor::complex(&a.mul(&c)?.sub(&b.mul(&d)?)?, &a.mul(&d)?.add(&b.mul(&c)?)?)
    }

    /// The conjugates of complex numbers.
    ///
    /// # Errors
    /// If there is no last dimension of 2.
    #[track_caller]
    pub fn complex_conj(&self) -> Result<Tensor> {
        let (real, imaginary) = parts("complex_conj", self)?;
        Tensor::complex(&real, &imaginary.neg())
    }

    /// The magnitudes of complex numbers, `[.., 2]` gives `[..]`. Gradient at 0: 0.
    ///
    /// # Errors
    /// If there is no last dimension of 2.
    #[track_caller]
    pub fn complex_abs(&self) -> Result<Tensor> {
        wide_pairs("complex_abs", self)?.norm_dims(2.0, &[-1], false).map(|x| x.to_dtype(self.dtype()))
    }

    /// The angles of complex numbers, from −π to π: `[.., 2]` gives `[..]`. That of 0 is 0, and has no gradient.
    ///
    /// # Errors
    /// If there is no last dimension of 2.
    #[track_caller]
    pub fn complex_angle(&self) -> Result<Tensor> {
        let (real, imaginary) = parts("complex_angle", self)?;
        imaginary.atan2(&real)
    }
}

#[track_caller]
fn parts(op: &'static str, x: &Tensor) -> Result<(Tensor, Tensor)> {
    wide_pairs(op, x)?;
    Ok((x.select(-1, 0)?, x.select(-1, 1)?))
}
