//! Conversion between types of elements.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::Elem;
use super::block::{Args, Block};
use super::ops::Function;
use super::simd::Isa;

/// The conversion of one element type to another: to integers by truncation towards zero and saturation (NaN becomes
/// 0), to `bool` by `x ≠ 0`, to smaller floating-point types by rounding.
pub(crate) trait CastTo<U: Elem>: Elem {
    fn cast(self) -> U;

    /// `out = x`, converted; of one length.
    fn cast_all(x: &[Self], out: &mut [U]) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = x.cast();
        }
    }
}

enum Cast {}

impl<T: CastTo<U>, U: Elem> Function<T, U, 1> for Cast {
    #[inline(always)]
    fn of<I: Isa>(_: Args, [x]: [T; 1]) -> U {
        x.cast()
    }
}

/// Every `stride`-th element from the first on, converted; with stride 0, the first one everywhere.
pub(crate) fn cast_strided<T: CastTo<U>, U: Elem>(x: &[T], stride: usize, out: &mut [U]) {
    match stride {
        0 => out.fill(x[0].cast()),
        1 => T::cast_all(&x[..out.len()], out),
        _ => {
            for (out, x) in out.iter_mut().zip(x.iter().step_by(stride)) {
                *out = x.cast();
            }
        }
    }
}

/// The lowest bits of integers: what is left when they wrap around.
pub(crate) trait Wrap: Elem {
    fn wrap(x: &[i64], out: &mut [Self]);
}

macro_rules! wraps {
    ($($t:ty),*) => {$(
        impl Wrap for $t {
            fn wrap(x: &[i64], out: &mut [Self]) {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = x as $t;
                }
            }
        }
    )*};
}
wraps!(i32, i8, u8);

macro_rules! casts {
    ($($from:ty as |$x:ident| { $($to:ty => $value:expr $(, by $all:expr)?;)* })*) => {$($(
        impl CastTo<$to> for $from {
            #[inline(always)]
            fn cast(self) -> $to {
                let $x = self;
                $value
            }
            $(fn cast_all(x: &[Self], out: &mut [$to]) {
                $all(x, out);
            })?
        }
    )*)*};
}

/// In wider registers, for the conversions that training in 16 bits makes all the time.
fn medium<T: CastTo<U>, U: Elem>(x: &[T], out: &mut [U]) {
    const { &Block::medium::<Cast>() }.run([0.0; 2], [x], out);
}

casts! {
    f32 as |x| {
        f32 => x; f64 => f64::from(x), by medium;
        bf16 => bf16::from_f32(x), by medium;
        f16 => f16::from_f32(x), by |x, out: &mut [f16]| out.convert_from_f32_slice(x);
        i64 => x as i64; i32 => x as i32; i8 => x as i8; u8 => x as u8; bool => x != 0.0;
    }
    f64 as |x| {
        f32 => x as f32, by medium; f64 => x; bf16 => bf16::from_f64(x); f16 => f16::from_f64(x);
        i64 => x as i64; i32 => x as i32; i8 => x as i8; u8 => x as u8; bool => x != 0.0;
    }
    bf16 as |x| {
        f32 => f32::from_bits(u32::from(x.to_bits()) << 16), by medium;
        f64 => x.to_f64(); bf16 => x; f16 => f16::from_f32(x.to_f32());
        i64 => x.to_f32() as i64; i32 => x.to_f32() as i32; i8 => x.to_f32() as i8; u8 => x.to_f32() as u8;
        bool => x.to_f32() != 0.0;
    }
    f16 as |x| {
        f32 => x.to_f32(), by |x: &[f16], out| x.convert_to_f32_slice(out);
        f64 => x.to_f64(); bf16 => bf16::from_f32(x.to_f32()); f16 => x;
        i64 => x.to_f32() as i64; i32 => x.to_f32() as i32; i8 => x.to_f32() as i8; u8 => x.to_f32() as u8;
        bool => x.to_f32() != 0.0;
    }
    i64 as |x| {
        f32 => x as f32; f64 => x as f64; bf16 => bf16::from_f64(x as f64); f16 => f16::from_f64(x as f64); i64 => x;
        i32 => x.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32; i8 => x.clamp(-128, 127) as i8;
        u8 => x.clamp(0, 255) as u8; bool => x != 0;
    }
    i32 as |x| {
        f32 => x as f32; f64 => f64::from(x); bf16 => bf16::from_f64(f64::from(x)); f16 => f16::from_f64(f64::from(x));
        i64 => i64::from(x); i32 => x; i8 => x.clamp(-128, 127) as i8; u8 => x.clamp(0, 255) as u8; bool => x != 0;
    }
    i8 as |x| {
        f32 => f32::from(x); f64 => f64::from(x); bf16 => bf16::from_f32(f32::from(x)); f16 => f16::from_f32(f32::from(x));
        i64 => i64::from(x); i32 => i32::from(x); i8 => x; u8 => x.max(0) as u8; bool => x != 0;
    }
    u8 as |x| {
        f32 => f32::from(x), by medium;
        f64 => f64::from(x); bf16 => bf16::from_f32(f32::from(x)); f16 => f16::from_f32(f32::from(x));
        i64 => i64::from(x); i32 => i32::from(x); i8 => x.min(127) as i8; u8 => x; bool => x != 0;
    }
    bool as |x| {
        f32 => f32::from(u8::from(x)), by medium;
        f64 => f64::from(u8::from(x)); bf16 => bf16::from_f32(f32::from(u8::from(x)));
        f16 => f16::from_f32(f32::from(u8::from(x)));
        i64 => i64::from(x); i32 => i32::from(x); i8 => i8::from(x); u8 => u8::from(x); bool => x;
    }
}
