//! Functions of `f32` values that work in `f64`, to about 1e-11 of the result: what is left for rounding to `f32` is
//! half a unit in the last place. Arguments must be `f32` values, since the range of `f64` is not handled.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, FRAC_PI_4, LN_2, LOG2_E, LOG10_E, PI};

use super::super::simd::Isa;
use super::{clamp, polynomial};

/// 2⁵² + 2⁵¹: adding it to a moderate number rounds that to an integer, which the low bits then hold.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// The first 32 bits of ln 2 and π/2, so that products with integers up to 2²⁰ are exact, and the rest.
const LN_2_SPLIT: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
const HALF_PI_SPLIT: (f64, f64) = (1.570_796_326_734_125_6, 6.077_100_506_506_192e-11);

/// Up to this angle, the reduction to a quarter turn is exact enough.
pub(super) const MODERATE_ANGLE: f64 = 500_000.0;

/// `eˣ = power · (1 + p)`: returns `p` and the power of two.
#[inline(always)]
fn split_exp<I: Isa>(x: f64) -> (f64, f64) {
    let shifted = I::mul_add(clamp(x, -700.0, 700.0), LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = I::mul_add(n, -LN_2_SPLIT.1, I::mul_add(n, -LN_2_SPLIT.0, clamp(x, -700.0, 700.0)));
    // (eʳ - 1 - r) / r² for |r| ≤ ln 2 / 2; the error is 1.4e-15 of eʳ - 1.
    let q = polynomial::<I, _, 9>(
        r,
        [
            2.755_443_007_700_789_7e-7,
            2.763_069_748_910_875_3e-6,
            2.480_169_527_935_627_3e-5,
            1.984_119_585_223_964_7e-4,
            1.388_888_876_539_238_8e-3,
            8.333_333_362_705_185e-3,
            0.041_666_666_667_101_5,
            0.166_666_666_666_304_78,
            0.499_999_999_999_996_4,
        ],
    );
    (I::mul_add(r * r, q, r), f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52))
}

#[inline(always)]
fn exp<I: Isa>(x: f64) -> f64 {
    let (p, power) = split_exp::<I>(x);
    I::mul_add(p, power, power)
}

#[inline(always)]
pub(super) fn exp2<I: Isa>(x: f64) -> f64 {
    exp::<I>(x * LN_2)
}

#[inline(always)]
fn ln<I: Isa>(x: f64) -> f64 {
    const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    const MANTISSA: u64 = (1 << 52) - 1;
    const ONE: u64 = 1.0_f64.to_bits();
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    // x = 2ᵉ m with m between √½ and √2. The exponent, still biased, becomes a number as the low bits of 2⁵².
    let bits = x.to_bits().wrapping_add(ONE - SQRT_HALF);
    let m = f64::from_bits((bits & MANTISSA).wrapping_add(SQRT_HALF));
    let e = f64::from_bits((bits >> 52) | TWO_52.to_bits()) - (TWO_52 + 1023.0);
    // ln m = 2 artanh s = 2 s + s³ R(s²); the error is 1.9e-16 of it.
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let r = polynomial::<I, _, 6>(
        z,
        [
            0.168_212_664_927_836_87,
            0.181_235_284_795_176_28,
            0.222_233_749_976_688_2,
            0.285_714_170_867_359_84,
            0.400_000_000_525_124_97,
            0.666_666_666_665_867_9,
        ],
    );
    let y = I::mul_add(e, LN_2, I::mul_add(s * z, r, s + s));
    let y = if x < f64::INFINITY { y } else { x };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x < 0.0 { f64::NAN } else { y }
}

#[inline(always)]
pub(super) fn log2<I: Isa>(x: f64) -> f64 {
    ln::<I>(x) * LOG2_E
}

#[inline(always)]
pub(super) fn log10<I: Isa>(x: f64) -> f64 {
    ln::<I>(x) * LOG10_E
}

#[inline(always)]
fn ln_1p<I: Isa>(x: f64) -> f64 {
    let u = 1.0 + x;
    let y = ln::<I>(u);
    // What rounding the sum lost counts 1/u in the logarithm. At the poles there is nothing to mend.
    let lost = x - (u - 1.0);
    let y = if x > -1.0 && x < f64::INFINITY { y + lost / u } else { y };
    if x == 0.0 { x } else { y }
}

/// Sine and cosine of an angle reduced to an eighth of a turn, and the low bits of the number of quarter turns.
#[inline(always)]
fn sin_cos<I: Isa>(x: f64) -> (f64, f64, u64) {
    let shifted = I::mul_add(x, FRAC_2_PI, ROUNDER);
    let n = shifted - ROUNDER;
    let r = I::mul_add(n, -HALF_PI_SPLIT.1, I::mul_add(n, -HALF_PI_SPLIT.0, x));
    let z = r * r;
    // sin r = r + r³ S(r²), cos r = 1 - r²/2 + r⁴ C(r²); the errors are 5e-15 and 1.2e-16.
    let s = polynomial::<I, _, 5>(
        z,
        [
            -2.476_111_816_957_462_7e-8,
            2.755_535_053_532_299_3e-6,
            -1.984_126_378_976_210_7e-4,
            8.333_333_325_212_541e-3,
            -0.166_666_666_666_312_72,
        ],
    );
    let c = polynomial::<I, _, 5>(
        z,
        [
            2.064_728_369_696_915_8e-9,
            -2.755_556_016_439_335_5e-7,
            2.480_158_093_385_866e-5,
            -1.388_888_887_818_969_2e-3,
            0.041_666_666_666_601_61,
        ],
    );
    (I::mul_add(r * z, s, r), I::mul_add(z * z, c, I::mul_add(-0.5, z, 1.0)), shifted.to_bits())
}

/// Turns the sign where bit 1 of `quarter` is set.
#[inline(always)]
fn turn_sign(x: f64, quarter: u64) -> f64 {
    f64::from_bits(x.to_bits() ^ ((quarter & 2) << 62))
}

#[inline(always)]
pub(super) fn sin<I: Isa>(x: f64) -> f64 {
    let (s, c, n) = sin_cos::<I>(x);
    let y = turn_sign(if n & 1 == 0 { s } else { c }, n);
    if x == 0.0 { x } else { y }
}

#[inline(always)]
pub(super) fn cos<I: Isa>(x: f64) -> f64 {
    let (s, c, n) = sin_cos::<I>(x);
    turn_sign(if n & 1 == 0 { c } else { s }, n.wrapping_add(n & 1))
}

#[inline(always)]
pub(super) fn tan<I: Isa>(x: f64) -> f64 {
    let (s, c, n) = sin_cos::<I>(x);
    let (a, b) = if n & 1 == 0 { (s, c) } else { (-c, s) };
    if x == 0.0 { x } else { a / b }
}

#[inline(always)]
pub(super) fn atan<I: Isa>(x: f64) -> f64 {
    // tan(π/8) and tan(3π/8): beyond them, the angle is taken from π/4 and from π/2.
    const EIGHTH: f64 = 0.414_213_562_373_095_03;
    const THREE_EIGHTHS: f64 = 2.414_213_562_373_095;
    let t = x.abs();
    let (numerator, denominator, turn) = if t > EIGHTH { (t - 1.0, t + 1.0, FRAC_PI_4) } else { (t, 1.0, 0.0) };
    let (numerator, denominator, turn) =
        if t > THREE_EIGHTHS { (-1.0, t, FRAC_PI_2) } else { (numerator, denominator, turn) };
    let u = numerator / denominator;
    let z = u * u;
    // atan u = u + u³ R(u²); the error is 7.8e-13 of it.
    let r = polynomial::<I, _, 7>(
        z,
        [
            -0.037_919_203_356_124_54,
            0.069_910_863_734_975_51,
            -0.089_968_497_232_161_15,
            0.111_040_095_367_033_78,
            -0.142_854_242_130_133_65,
            0.199_999_943_490_455_22,
            -0.333_333_332_959_889_1,
        ],
    );
    (turn + I::mul_add(u * z, r, u)).copysign(x)
}

#[inline(always)]
pub(super) fn atan2<I: Isa>(y: f64, x: f64) -> f64 {
    let (a, b) = (y.abs(), x.abs());
    let (low, high) = if a > b { (b, a) } else { (a, b) };
    // Equal infinities are one eighth of a turn; of two zeros, the angle is that of the axis.
    let ratio = if low == high { 1.0 } else { low / high };
    let ratio = if high == 0.0 { 0.0 } else { ratio };
    let angle = atan::<I>(ratio);
    let angle = if a > b { FRAC_PI_2 - angle } else { angle };
    let angle = if x.is_sign_negative() { PI - angle } else { angle };
    if x.is_nan() || y.is_nan() { f64::NAN } else { angle.copysign(y) }
}

#[inline(always)]
pub(super) fn asin<I: Isa>(x: f64) -> f64 {
    atan::<I>(x / ((1.0 - x) * (1.0 + x)).sqrt())
}

#[inline(always)]
pub(super) fn acos<I: Isa>(x: f64) -> f64 {
    let angle = atan::<I>(((1.0 - x) * (1.0 + x)).sqrt() / x.abs());
    if x < 0.0 { PI - angle } else { angle }
}

#[inline(always)]
pub(super) fn sinh<I: Isa>(x: f64) -> f64 {
    let (p, power) = split_exp::<I>(x.abs());
    let e = I::mul_add(p, power, power - 1.0);
    (0.5 * (e + e / (e + 1.0))).copysign(x)
}

#[inline(always)]
pub(super) fn cosh<I: Isa>(x: f64) -> f64 {
    let e = exp::<I>(x.abs());
    0.5 * (e + 1.0 / e)
}

#[inline(always)]
pub(super) fn asinh<I: Isa>(x: f64) -> f64 {
    let t = x.abs();
    // t + √(1 + t²) - 1, without the cancellation.
    let y = ln_1p::<I>(t + t * t / (1.0 + (1.0 + t * t).sqrt()));
    (if t < f64::INFINITY { y } else { t }).copysign(x)
}

#[inline(always)]
pub(super) fn acosh<I: Isa>(x: f64) -> f64 {
    let t = x - 1.0;
    let y = ln_1p::<I>(t + (t * (x + 1.0)).sqrt());
    if t < 0.0 { f64::NAN } else { y }
}

#[inline(always)]
pub(super) fn atanh<I: Isa>(x: f64) -> f64 {
    let t = x.abs();
    (0.5 * ln_1p::<I>((t + t) / (1.0 - t))).copysign(x)
}

#[inline(always)]
pub(super) fn erfc<I: Isa>(x: f64) -> f64 {
    // Beyond 10.06, the result is too small for an f32.
    let t = clamp(x.abs(), 0.0, 10.6);
    let d = t + 3.0;
    let u = (t - 3.0) / d;
    // (t + 3) e^(t²) erfc t, as a polynomial of (t - 3) / (t + 3); the error is 4.4e-11 of it.
    let q = polynomial::<I, _, 12>(
        u,
        [
            3.946_431_812_099_76e-5,
            9.566_099_862_904_667e-5,
            -2.874_814_313_639_325e-4,
            -5.456_624_943_890_95e-4,
            3.038_019_010_322_580_3e-3,
            -1.212_558_088_951_266_1e-3,
            -0.026_827_874_920_156_37,
            0.119_527_749_204_743_5,
            -0.310_467_218_545_967_54,
            0.590_228_357_845_974,
            -0.883_394_454_008_146_3,
            1.074_006_907_086_786_4,
        ],
    );
    let y = exp::<I>(-t * t) * q / d;
    if x < 0.0 { 2.0 - y } else { y }
}

#[inline(always)]
pub(super) fn pow<I: Isa>(x: f64, y: f64) -> f64 {
    let power = exp::<I>(y * ln::<I>(x.abs()));
    let power = if x.abs() == 1.0 { 1.0 } else { power };
    let whole = y.floor() == y;
    let odd = whole && (0.5 * y).floor() != 0.5 * y;
    let power = if odd { power.copysign(x) } else { power };
    let power = if x < 0.0 && x > f64::NEG_INFINITY && !whole { f64::NAN } else { power };
    // Anything to the power of 0 is 1, and 1 to the power of anything, even where the other is not a number.
    if y == 0.0 || x == 1.0 { 1.0 } else { power }
}
