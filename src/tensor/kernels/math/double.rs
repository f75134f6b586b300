//! The functions for `f64`: the standard library's and `libm`'s.

use super::super::simd::Isa;
use super::{Real, clamp};

macro_rules! scalar_functions {
    ($($name:ident = $function:path;)*) => {$(
        #[inline(always)]
        fn $name<I: Isa>(self) -> Self {
            $function(self)
        }
    )*};
}

impl Real for f64 {
    const WIDENS: bool = false;
    const WIDE: bool = false;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn round_half_even(self) -> Self {
        self.round_ties_even()
    }

    #[inline(always)]
    fn is_moderate_angle(self) -> bool {
        true
    }

    scalar_functions! {
        exp_on = f64::exp;
        exp2_on = f64::exp2;
        expm1_on = f64::exp_m1;
        ln_on = f64::ln;
        log2_on = f64::log2;
        log10_on = f64::log10;
        ln_1p_on = f64::ln_1p;
        sin_on = f64::sin;
        cos_on = f64::cos;
        tan_on = f64::tan;
        asin_on = f64::asin;
        acos_on = f64::acos;
        atan_on = f64::atan;
        sinh_on = f64::sinh;
        cosh_on = f64::cosh;
        tanh_on = f64::tanh;
        asinh_on = libm::asinh;
        atanh_on = libm::atanh;
        erf_on = libm::erf;
        erfc_on = libm::erfc;
    }

    #[inline(always)]
    fn atan2_on<I: Isa>(self, x: Self) -> Self {
        self.atan2(x)
    }

    #[inline(always)]
    fn normal_tail_on<I: Isa>(self) -> (Self, Self) {
        let t = clamp(self.abs(), 0.0, 40.0);
        (0.5 * libm::erfc(t * std::f64::consts::FRAC_1_SQRT_2), (-0.5 * t * t).exp())
    }

    #[inline(always)]
    fn acosh_on<I: Isa>(self) -> Self {
        // libm takes large negative numbers for positive ones.
        if self < 1.0 { f64::NAN } else { libm::acosh(self) }
    }

    #[inline(always)]
    fn sigmoid_on<I: Isa>(self) -> Self {
        // The exponential of a negative number cannot overflow.
        let e = (-self.abs()).exp();
        (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
    }

    #[inline(always)]
    fn pow_on<I: Isa>(self, exponent: Self) -> Self {
        self.powf(exponent)
    }
}
