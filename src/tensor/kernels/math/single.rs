//! The functions for `f32`.

use super::super::simd::Isa;
use super::{Real, clamp, polynomial, wide};

/// 2²³ + 2²²: adding it to a number below 2²² in magnitude rounds that to an integer, which the low bits then hold.
const ROUNDER: f32 = 12_582_912.0;

/// The first 15 bits of ln 2, so that products with exponents are exact, and the rest.
const LN_2: (f32, f32) = (0.693_145_75, 1.428_606_8e-6);

/// `eˣ = 2ⁿ (1 + p)`: returns `p`, for `|x|` up to 150 or so, and the integer `n`.
#[inline(always)]
fn split_exp<I: Isa>(x: f32) -> (f32, i32) {
    let shifted = I::mul_add(x, std::f32::consts::LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = I::mul_add(n, -LN_2.1, I::mul_add(n, -LN_2.0, x));
    // (eʳ - 1 - r) / r² for |r| ≤ ln 2 / 2; the error is 2.5e-10 of eʳ - 1.
    let q = polynomial::<I, _, 6>(r, [1.984_604_5e-4, 1.394_063_6e-3, 8.333_389e-3, 0.041_666_362, 0.166_666_66, 0.5]);
    (I::mul_add(r * r, q, r), shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i32)
}

/// `2ⁿ` for the exponents of normal numbers.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

#[inline(always)]
fn exp<I: Isa>(x: f32) -> f32 {
    let (p, n) = split_exp::<I>(clamp(x, -104.0, 89.0));
    // In two factors, since the power alone may be too small or too large for a normal number.
    let half = n >> 1;
    (1.0 + p) * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

#[inline(always)]
fn expm1<I: Isa>(x: f32) -> f32 {
    let (p, n) = split_exp::<I>(clamp(x, -20.0, 89.0));
    // Half of the power, which may be too large.
    let half = power_of_two(n.wrapping_sub(1));
    let y = I::mul_add(p, half, half - 0.5);
    if x.abs() < 1e-8 { x } else { y + y }
}

#[inline(always)]
fn tanh<I: Isa>(x: f32) -> f32 {
    // With e = e^(2|x|) - 1, tanh |x| = e / (e + 2), which is 1 from 9.1 on.
    let (p, n) = split_exp::<I>(clamp(2.0 * x.abs(), 0.0, 20.0));
    let power = power_of_two(n);
    let e = I::mul_add(p, power, power - 1.0);
    (e / (e + 2.0)).copysign(x)
}

#[inline(always)]
fn ln<I: Isa>(x: f32) -> f32 {
    const SQRT_HALF: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    let subnormal = x < f32::MIN_POSITIVE;
    let normal = if subnormal { x * 8_388_608.0 } else { x };
    // x = 2ᵉ (1 + f) with 1 + f between √½ and √2.
    let exponent = (normal.to_bits().wrapping_sub(SQRT_HALF) as i32) >> 23;
    let f = f32::from_bits(normal.to_bits().wrapping_sub((exponent << 23) as u32)) - 1.0;
    let e = exponent as f32 - if subnormal { 23.0 } else { 0.0 };
    // (ln(1 + f) - f + f²/2) / f³; the error is 6e-9 of ln(1 + f).
    let q = polynomial::<I, _, 8>(
        f,
        [-0.076_354_87, 0.127_616_17, -0.131_597_79, 0.142_017_19, -0.166_234, 0.200_012_31, -0.250_008_2, 0.333_333_3],
    );
    let z = f * f;
    let y = I::mul_add(e, LN_2.1, z * (f * q));
    let y = I::mul_add(-0.5, z, y);
    let y = I::mul_add(e, LN_2.0, f + y);
    let y = if x < f32::INFINITY { y } else { x };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 { f32::NAN } else { y }
}

#[inline(always)]
fn erf<I: Isa>(x: f32) -> f32 {
    let t = x.abs();
    let z = x * x;
    // Near zero, erf x = x + x R(x²); the error is 1.2e-8 of it up to 0.9.
    let near = polynomial::<I, _, 6>(
        z,
        [-6.090_364e-4, 5.011_963_7e-3, -0.026_778_91, 0.112_821_41, -0.376_125_25, 0.128_379_15],
    );
    let near = I::mul_add(x, near, x);
    // Further out, erf t = 1 - e^(-t q(t)); the error is 3.1e-9 of it. From 3.95 on it is 1.
    let t4 = clamp(t, 0.0, 4.0);
    let q = polynomial::<I, _, 6>(
        t4,
        [-2.145_933_8e-4, 3.219_963_3e-3, -0.022_905_996, 0.105_286_81, 0.635_699_4, 1.128_519_9],
    );
    let (p, n) = split_exp::<I>(-t4 * q);
    let far = (1.0 - I::mul_add(p, power_of_two(n), power_of_two(n))).copysign(x);
    if t < 0.9 { near } else { far }
}

/// The tail beyond |x| is `e^(-x²/2)` times Mills' ratio. With `t = |x|` and `u = t / (t + 2)`, that is `1 - u` times a smooth function of `u`,
/// which begins with 1/2; the error of its polynomial is 2.5e-8 of it. From 14.5 on, the tail is 0.
#[inline(always)]
fn normal_tail<I: Isa>(x: f32) -> (f32, f32) {
    let t = clamp(x.abs(), 0.0, 20.0);
    let reciprocal = 1.0 / (t + 2.0);
    let ratio = polynomial::<I, _, 11>(
        t * reciprocal,
        [
            -0.037_537_68,
            0.195_984_87,
            -0.367_587_75,
            0.326_009_15,
            -0.193_477_6,
            0.086_215_34,
            0.039_517_09,
            0.044_102_43,
            -0.095_862_45,
            -0.297_882_68,
            0.5,
        ],
    );
    let e = exp::<I>(-0.5 * (t * t));
    (e * (ratio * (2.0 * reciprocal)), e)
}

/// `ln(1 + x)`: what rounding the sum lost counts 1/(1 + x) in the logarithm.
#[inline(always)]
fn ln_1p<I: Isa>(x: f32) -> f32 {
    let u = 1.0 + x;
    let y = ln::<I>(u);
    let mended = y + (x - (u - 1.0)) / u;
    // At the poles there is nothing to mend, and near zero nothing to add.
    let y = if x > -1.0 && x < f32::INFINITY { mended } else { y };
    if x.abs() < 1e-8 { x } else { y }
}

#[inline(always)]
fn sigmoid<I: Isa>(x: f32) -> f32 {
    // The exponential of a negative number cannot overflow.
    let e = exp::<I>(-x.abs());
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

macro_rules! functions {
    ($($name:ident = $function:path;)*) => {$(
        #[inline(always)]
        fn $name<I: Isa>(self) -> Self {
            $function(self)
        }
    )*};
}

/// Functions that work in `f64` and round once.
macro_rules! wide_functions {
    ($($name:ident = $function:path;)*) => {$(
        #[inline(always)]
        fn $name<I: Isa>(self) -> Self {
            $function(f64::from(self)) as f32
        }
    )*};
}

impl Real for f32 {
    const WIDENS: bool = true;
    const WIDE: bool = true;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as Self
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn round_half_even(self) -> Self {
        self.round_ties_even()
    }

    #[inline(always)]
    fn is_moderate_angle(self) -> bool {
        self.abs() <= wide::MODERATE_ANGLE as Self
    }

    functions! {
        exp_on = exp::<I>;
        expm1_on = expm1::<I>;
        tanh_on = tanh::<I>;
        ln_on = ln::<I>;
        erf_on = erf::<I>;
        ln_1p_on = ln_1p::<I>;
        sigmoid_on = sigmoid::<I>;
    }

    wide_functions! {
        exp2_on = wide::exp2::<I>;
        log2_on = wide::log2::<I>;
        log10_on = wide::log10::<I>;
        sin_on = wide::sin::<I>;
        cos_on = wide::cos::<I>;
        tan_on = wide::tan::<I>;
        asin_on = wide::asin::<I>;
        acos_on = wide::acos::<I>;
        atan_on = wide::atan::<I>;
        sinh_on = wide::sinh::<I>;
        cosh_on = wide::cosh::<I>;
        asinh_on = wide::asinh::<I>;
        acosh_on = wide::acosh::<I>;
        atanh_on = wide::atanh::<I>;
        erfc_on = wide::erfc::<I>;
    }

    #[inline(always)]
    fn normal_tail_on<I: Isa>(self) -> (Self, Self) {
        normal_tail::<I>(self)
    }

    #[inline(always)]
    fn atan2_on<I: Isa>(self, x: Self) -> Self {
        wide::atan2::<I>(f64::from(self), f64::from(x)) as Self
    }

    #[inline(always)]
    fn pow_on<I: Isa>(self, exponent: Self) -> Self {
        wide::pow::<I>(f64::from(self), f64::from(exponent)) as Self
    }
}
