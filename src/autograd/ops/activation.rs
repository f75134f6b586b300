//! Activation functions. Integers and truth values become `F32`.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::trigonometric::sech_square;
use super::unary;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::exec::unary::{self as exec, UnaryOp};

/// `√(2/π)`.
const SQRT_2_OVER_PI: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

/// # Activation functions
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![-3.0, 0.0, 3.0];
/// assert_eq!(x.relu().to_f64_vec(), [0.0, 0.0, 3.0]);
/// assert_eq!((x.clone() * 3.0).relu6().to_f64_vec(), [0.0, 0.0, 6.0]);
/// assert_eq!(x.leaky_relu(0.5).to_f64_vec(), [-1.5, 0.0, 3.0]);
/// assert_eq!(x.hardtanh(-1.0, 1.0)?.to_f64_vec(), [-1.0, 0.0, 1.0]);
/// assert_eq!(x.hardsigmoid().to_f64_vec(), [0.0, 0.5, 1.0]);
/// assert_eq!(x.hardswish().to_f64_vec(), [0.0, 0.0, 3.0]);
/// assert_eq!(x.softsign().to_f64_vec(), [-0.75, 0.0, 0.75]);
/// // Those with exponentials, rounded to hundredths.
/// let far = [x.elu(1.0), x.celu(1.0)?, x.selu(), x.silu(), x.mish(), x.gelu_tanh(), x.softplus(1.0, 20.0)?];
/// let far = far.map(|y| (100.0 * y).round().to_f64_vec()[0]);
/// assert_eq!(far, [-95.0, -95.0, -167.0, -14.0, -15.0, 0.0, 5.0]);
/// let near = [x.sigmoid(), x.log_sigmoid(), x.tanhshrink()].map(|y| (100.0 * y).round().to_f64_vec()[2]);
/// assert_eq!(near, [95.0, -5.0, 200.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// `max(0, x)`; NaN stays. Gradient: `g` where `x > 0`, else 0.
    #[must_use]
    pub fn relu(&self) -> Tensor {
        unary("relu", UnaryOp::Relu, self, |_, g, y| g.masked_fill(&y.le_scalar(0.0), 0.0))
    }

    /// `min(max(0, x), 6)`. Gradient: `g` where `0 < x < 6`, else 0.
    #[must_use]
    pub fn relu6(&self) -> Tensor {
        hardtanh("relu6", self, 0.0, 6.0)
    }

    /// `x` where it is positive, else `slope · x`. Gradient: `g` or `slope · g`, the latter at 0.
    #[must_use]
    pub fn leaky_relu(&self, slope: f64) -> Tensor {
        unary("leaky_relu", UnaryOp::LeakyRelu { slope }, self, |[slope, _], g, x| {
            x.gt_scalar(0.0).where_(g, &g.mul_scalar(slope))
        })
    }

    /// `x` where it is positive, else `alpha (eˣ − 1)`. Gradient: `g` or `g · alpha eˣ`.
    #[must_use]
    pub fn elu(&self, alpha: f64) -> Tensor {
        elu("elu", self, alpha, 1.0)
    }

    /// `x` where it is positive, else `alpha (e^(x / alpha) − 1)`: [`elu`](Self::elu) with a slope that does not jump at 0 (Barron,
    /// *Continuously differentiable exponential linear units*, 2017). Gradient: `g` or `g e^(x / alpha)`.
    ///
    /// # Errors
    /// If `alpha` is not a positive number.
    #[track_caller]
    pub fn celu(&self, alpha: f64) -> Result<Tensor> {
        if !(alpha > 0.0 && alpha.is_finite()) {
            return Err(Error::argument("celu", format!("alpha is {alpha}, expected a positive number")));
        }
        Ok(elu("celu", self, alpha, 1.0 / alpha))
    }

    /// [`elu`](Self::elu), scaled so that it keeps mean 0 and variance 1 of what passes through many layers (Klambauer et
    /// al., *Self-normalizing neural networks*, 2017): `1.0507 · elu(x, 1.67326)`. Gradient: that of `elu`, scaled.
    #[must_use]
    pub fn selu(&self) -> Tensor {
        unary("selu", UnaryOp::Selu, self, |_, g, x| {
            elu_vjp(&g.mul_scalar(exec::SELU_SCALE), x, [exec::SELU_ALPHA, 1.0])
        })
    }

    /// `x Φ(x)`, where `Φ` is the distribution function of the standard normal (Hendrycks and Gimpel, *Gaussian error
    /// linear units*, 2016). Gradient: `g (Φ(x) + x φ(x))`, where `φ` is the density.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let y = tensor![-1.0, 0.0, 1.0].gelu().to_vec::<f32>()?;
    /// assert!((y[0] + 0.158_655).abs() < 1e-6 && y[1] == 0.0 && (y[2] - 0.841_345).abs() < 1e-6);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn gelu(&self) -> Tensor {
        unary("gelu", UnaryOp::Gelu, self, |_, g, x| {
            let cdf = x.mul_scalar(-FRAC_1_SQRT_2).erfc().mul_scalar(0.5);
            let x = within(x, exec::GELU_LIMIT);
            let density = x.square().mul_scalar(-0.5).exp().mul_scalar(0.5 * SQRT_2_OVER_PI);
            g.mul(&cdf.add(&x.mul(&density)?)?)
        })
    }

    /// The approximation of [`gelu`](Self::gelu) that GPT-2 and others were trained with: `x/2 · (1 + tanh(u))` with
    /// `u = √(2/π) (x + 0.044715 x³)`. Gradient: `g/2 · (1 + tanh(u) + x (1 − tanh²(u)) u')`.
    #[must_use]
    pub fn gelu_tanh(&self) -> Tensor {
        unary("gelu_tanh", UnaryOp::GeluTanh, self, |_, g, x| {
            let (scale, cubic) = (exec::GELU_TANH_SCALE, exec::GELU_TANH_CUBIC);
            // (1 + tanh u) / 2 is the sigmoid of 2 u.
            let x = within(x, exec::GELU_LIMIT);
            let twice = x.add(&x.powf(3.0).mul_scalar(cubic))?.mul_scalar(2.0 * scale);
            let slope = x.square().mul_scalar(3.0 * cubic).add_scalar(1.0).mul_scalar(2.0 * scale);
            let rise = x.mul(&twice.sigmoid())?.mul(&twice.neg().sigmoid())?.mul(&slope)?;
            g.mul(&twice.sigmoid().add(&rise)?)
        })
    }

    /// `x σ(x)`, where `σ` is the [`sigmoid`](Self::sigmoid). Gradient: `g σ(x) (1 + x (1 − σ(x)))`.
    #[doc(alias = "swish")]
    #[must_use]
    pub fn silu(&self) -> Tensor {
        unary("silu", UnaryOp::Silu, self, |_, g, x| {
            let (s, rest) = (x.sigmoid(), x.neg().sigmoid());
            g.mul(&within(x, exec::SILU_LIMIT).mul(&rest)?.add_scalar(1.0).mul(&s)?)
        })
    }

    /// `x tanh(ln(1 + eˣ))` (Misra, *Mish*, 2019). Gradient: `g (t + x σ(x) (1 − t²))` with `t = tanh(ln(1 + eˣ))`.
    #[must_use]
    pub fn mish(&self) -> Tensor {
        unary("mish", UnaryOp::Mish, self, |_, g, x| {
            let z = softplus(x, 1.0, 20.0);
            g.mul(&within(x, exec::SILU_LIMIT).mul(&x.sigmoid())?.mul(&sech_square(&z))?.add(&z.tanh())?)
        })
    }

    /// `ln(1 + exp(beta · x)) / beta`, a smooth form of ReLU; `x` itself where `beta · x` is above `threshold`, where
    /// the two agree. The usual values are 1 and 20. Gradient: `g σ(beta · x)`, or `g` above the threshold.
    ///
    /// # Errors
    /// If `beta` is not a positive number, or `threshold` is NaN.
    #[track_caller]
    pub fn softplus(&self, beta: f64, threshold: f64) -> Result<Tensor> {
        if !(beta > 0.0 && beta.is_finite()) {
            return Err(Error::argument("softplus", format!("beta is {beta}, expected a positive number")));
        }
        if threshold.is_nan() {
            return Err(Error::argument("softplus", "threshold is NaN").with_help("the usual value is 20"));
        }
        Ok(softplus(self, beta, threshold))
    }

    /// `x / (1 + |x|)`. Gradient: `g / (1 + |x|)²`.
    #[must_use]
    pub fn softsign(&self) -> Tensor {
        unary("softsign", UnaryOp::Softsign, self, |_, g, x| {
            let d = x.abs().add_scalar(1.0);
            g.div(&d)?.div(&d)
        })
    }

    /// `min(max(x, lo), hi)`; the usual bounds are −1 and 1. Gradient: `g` strictly between the bounds, else 0.
    ///
    /// # Errors
    /// If `lo` is above `hi`, or one of them is NaN.
    #[track_caller]
    pub fn hardtanh(&self, lo: f64, hi: f64) -> Result<Tensor> {
        if lo <= hi {
            return Ok(hardtanh("hardtanh", self, lo, hi));
        }
        Err(Error::argument("hardtanh", format!("the lower bound {lo} is not below the upper bound {hi}")))
    }

    /// `x · min(max(x + 3, 0), 6) / 6` (Howard et al., *Searching for MobileNetV3*, 2019). Gradient: `g (x/3 + 1/2)`
    /// where `−3 < x < 3`, 0 below and `g` above.
    #[must_use]
    pub fn hardswish(&self) -> Tensor {
        unary("hardswish", UnaryOp::Hardswish, self, |_, g, x| {
            let middle = g.mul(&x.div_scalar(3.0).add_scalar(0.5))?;
            x.ge_scalar(3.0).where_(g, &middle)?.masked_fill(&x.le_scalar(-3.0), 0.0)
        })
    }

    /// `min(max(x + 3, 0), 6) / 6`. Gradient: `g / 6` where `−3 < x < 3`, else 0.
    #[must_use]
    pub fn hardsigmoid(&self) -> Tensor {
        unary("hardsigmoid", UnaryOp::Hardsigmoid, self, |_, g, x| {
            let inside = x.gt_scalar(-3.0).logical_and(&x.lt_scalar(3.0))?;
            g.div_scalar(6.0).masked_fill(&inside.logical_not()?, 0.0)
        })
    }

    /// `x − tanh(x)`. Gradient: `g tanh²(x)`.
    #[must_use]
    pub fn tanhshrink(&self) -> Tensor {
        unary("tanhshrink", UnaryOp::Tanhshrink, self, |_, g, x| g.mul(&x.tanh().square()))
    }

    /// `1 / (1 + e⁻ˣ)`. Gradient: `g σ(x) σ(−x)`.
    #[must_use]
    pub fn sigmoid(&self) -> Tensor {
        unary("sigmoid", UnaryOp::Sigmoid, self, |_, g, x| g.mul(&x.sigmoid())?.mul(&x.neg().sigmoid()))
    }

    /// `ln(sigmoid(x))`, without the overflow that its two steps would suffer. Gradient: `g σ(−x)`.
    #[must_use]
    pub fn log_sigmoid(&self) -> Tensor {
        unary("log_sigmoid", UnaryOp::LogSigmoid, self, |_, g, x| g.mul(&x.neg().sigmoid()))
    }
}

/// `x` between ± a limit beyond which a slope is settled: there, 0 times an infinite number would not be 0.
pub(super) fn within(x: &Tensor, limit: f64) -> Tensor {
    x.clamp(Some(-limit), Some(limit))
}

fn elu(name: &'static str, x: &Tensor, alpha: f64, rate: f64) -> Tensor {
    unary(name, UnaryOp::Elu { alpha, rate }, x, |numbers, g, x| elu_vjp(g, x, numbers))
}

/// `g` for positive `x`, else `g · alpha · rate · e^(rate x)`.
fn elu_vjp(g: &Tensor, x: &Tensor, [alpha, rate]: [f64; 2]) -> Result<Tensor> {
    // The exponential of what is not taken must not overflow: its gradient would be 0 · ∞.
    let slope = x.clamp_max(0.0).mul_scalar(rate).exp().mul_scalar(alpha * rate);
    x.le_scalar(0.0).where_(&g.mul(&slope)?, g)
}

fn softplus(x: &Tensor, beta: f64, threshold: f64) -> Tensor {
    unary("softplus", UnaryOp::Softplus { beta, threshold }, x, |[beta, threshold], g, x| {
        let z = x.mul_scalar(beta);
        z.gt_scalar(threshold).where_(g, &g.mul(&z.sigmoid())?)
    })
}

fn hardtanh(name: &'static str, x: &Tensor, lo: f64, hi: f64) -> Tensor {
    unary(name, UnaryOp::Hardtanh { lo, hi }, x, |[lo, hi], g, x| {
        g.masked_fill(&x.le_scalar(lo).logical_or(&x.ge_scalar(hi))?, 0.0)
    })
}
