//! Gradients of activations in one pass: from the gradient `g` with respect to the output, and the input `x` or the
//! output `y`, to the gradient with respect to the input. At the kinks they are what PyTorch gives.

use super::super::map::Binary;
use super::super::math::Real;
use super::super::simd::Isa;
use super::activation::{GELU_TANH_CUBIC, GELU_TANH_SCALE, MISH_LIMIT, SELU_ALPHA, SELU_SCALE, tanh_softplus};

real_binary! {
    /// Of |x|: `g · sign(x)`, from `(g, x)`.
    AbsGrad 1 => |_, g, x| {
        if x > T::zero() { g } else if x < T::zero() { -g } else { g * T::zero() }
    };
    /// Of the square root, from `(g, y)`.
    SqrtGrad 2 => |_, g, y| g / (y + y);
    /// Of clamping, from `(g, x)`: `g` strictly between the bounds, else 0. A bound that is NaN is none.
    ClampGrad { lo, hi } 1 => |op, g, x| if x <= op.lo || x >= op.hi || x.is_nan() { T::zero() } else { g };
    /// Of ReLU, from `(g, y)`: 0 at 0.
    ReluGrad 1 => |_, g, y| if y <= T::zero() { T::zero() } else { g };
    /// Of leaky ReLU, from `(g, x)`: `slope` at 0.
    LeakyReluGrad { slope } 1 => |op, g, x| if x > T::zero() { g } else { g * op.slope };
    /// Of ELU, from `(g, x)`.
    EluGrad { alpha } 4 => |op, g, x| if x <= T::zero() { g * op.alpha * x.exp_on::<I>() } else { g };
    /// Of SELU, from `(g, x)`.
    SeluGrad 4 => |_, g, x| {
        let negative = T::from_f64(SELU_ALPHA) * x.exp_on::<I>();
        g * T::from_f64(SELU_SCALE) * if x <= T::zero() { negative } else { T::one() }
    };
    /// Of GELU, from `(g, x)`: `g (Φ(x) + x φ(x))`.
    GeluGrad 8 => |_, g, x| {
        let density = (x * x * T::from_f64(-0.5)).exp_on::<I>() * T::from_f64(0.398_942_280_401_432_7);
        g * (x.normal_cdf_on::<I>() + x * density)
    };
    /// Of the tanh form of GELU, from `(g, x)`.
    GeluTanhGrad 8 => |_, g, x| {
        let (scale, cubic) = (T::from_f64(GELU_TANH_SCALE), T::from_f64(GELU_TANH_CUBIC));
        let (half, three) = (T::from_f64(0.5), T::from_f64(3.0));
        let t = (scale * (x + cubic * x * x * x)).tanh_on::<I>();
        let inner = scale * (T::one() + three * cubic * x * x);
        g * half * (T::one() + t + x * (T::one() - t * t) * inner)
    };
    /// Of SiLU, from `(g, x)`.
    SiluGrad 4 => |_, g, x| {
        let s = x.sigmoid_on::<I>();
        g * s * (T::one() + x * (T::one() - s))
    };
    /// Of Mish, from `(g, x)`.
    MishGrad 8 => |_, g, x| {
        let (n, e) = tanh_softplus::<I, T>(x);
        let d = n + T::from_f64(2.0);
        // The square of tanh, taken from 1, is 4 (n + 1) / d², and n + 1 = (1 + e)².
        let slope = T::from_f64(4.0) * e * (T::one() + e) / (d * d);
        // Beyond the limit of `tanh_softplus` the slope does not follow `x` any more; it is 0 to any precision.
        let rise = if x > T::from_f64(MISH_LIMIT) { T::zero() } else { x * slope };
        g * (n / d + rise)
    };
    /// Of softplus, from `(g, x)`.
    SoftplusGrad { beta, threshold } 4 => |op, g, x| {
        let z = x * op.beta;
        if z > op.threshold { g } else { g * z.sigmoid_on::<I>() }
    };
    /// Of softsign, from `(g, x)`.
    SoftsignGrad 2 => |_, g, x| {
        let d = T::one() + x.abs();
        g / (d * d)
    };
    /// Of hardtanh, from `(g, x)`: 0 at the bounds.
    HardtanhGrad { lo, hi } 1 => |op, g, x| if x <= op.lo || x >= op.hi { T::zero() } else { g };
    /// Of hardswish, from `(g, x)`.
    HardswishGrad 2 => |_, g, x| {
        let three = T::from_f64(3.0);
        if x <= -three {
            T::zero()
        } else if x >= three {
            g
        } else {
            g * (x / three + T::from_f64(0.5))
        }
    };
    /// Of hardsigmoid, from `(g, x)`.
    HardsigmoidGrad 2 => |_, g, x| {
        let three = T::from_f64(3.0);
        if x > -three && x < three { g / T::from_f64(6.0) } else { T::zero() }
    };
    /// Of the sigmoid, from `(g, y)`.
    SigmoidGrad 1 => |_, g, y| g * y * (T::one() - y);
    /// Of tanh, from `(g, y)`.
    TanhGrad 1 => |_, g, y| g * (T::one() - y * y);
    /// Of the logarithm of the sigmoid, from `(g, x)`.
    LogSigmoidGrad 4 => |_, g, x| g * (-x).sigmoid_on::<I>();
}
