use super::*;

#[test]
fn sizes_and_names() {
    for (dtype, size, name, float, differentiable) in [
        (DType::F32, 4, "f32", true, true),
        (DType::F64, 8, "f64", true, true),
        (DType::BF16, 2, "bf16", true, false),
        (DType::F16, 2, "f16", true, false),
        (DType::I64, 8, "i64", false, false),
        (DType::I32, 4, "i32", false, false),
        (DType::I8, 1, "i8", false, false),
        (DType::U8, 1, "u8", false, false),
        (DType::Bool, 1, "bool", false, false),
    ] {
        assert_eq!((dtype.size(), dtype.to_string().as_str()), (size, name));
        assert_eq!((dtype.is_float(), dtype.is_differentiable()), (float, differentiable));
        assert_eq!(dtype.gradient(), float.then_some(if differentiable { dtype } else { DType::F32 }));
        let computed = match dtype {
            DType::F32 | DType::BF16 | DType::F16 => DType::F32,
            DType::F64 => DType::F64,
            _ => DType::I64,
        };
        assert_eq!(dtype.compute(), computed);
        with_element!(dtype, T => assert_eq!((T::DTYPE, size_of::<T>()), (dtype, size)));
    }
}

#[test]
fn integers_are_truncated_and_saturated() {
    let to_i64 = |x: f64| i64::from_f64(x);
    assert_eq!([2.9, -2.9, 1e30, -1e30, f64::NAN].map(to_i64), [2, -2, i64::MAX, i64::MIN, 0]);
    let to_i32 = |x: f64| i32::from_f64(x);
    assert_eq!([2.9, -2.9, 3e9, -3e9, f64::NAN].map(to_i32), [2, -2, i32::MAX, i32::MIN, 0]);
    let to_i8 = |x: f64| i8::from_f64(x);
    assert_eq!([2.9, -2.9, 200.0, -200.0, f64::NAN].map(to_i8), [2, -2, 127, -128, 0]);
    let to_u8 = |x: f64| u8::from_f64(x);
    assert_eq!([2.9, -2.9, 255.9, 256.0, f64::INFINITY, f64::NAN].map(to_u8), [2, 0, 255, 255, 255, 0]);
    let to_bool = |x: f64| bool::from_f64(x);
    assert_eq!([0.0, -0.0, 1e-300, f64::NAN].map(to_bool), [false, false, true, true]);
}

/// Halfway cases go to the even neighbour: bfloat16 has 7 digits behind the point, half precision 10.
#[test]
fn sixteen_bit_types_are_rounded_to_nearest_even() {
    let bits = |x: f64| bf16::from_f64(x).to_f64();
    let unit = 2f64.powi(-7);
    assert_eq!([1.0 + unit / 2.0, 1.0 + 1.5 * unit, 1.0 + 0.51 * unit].map(bits), [1.0, 1.0 + 2.0 * unit, 1.0 + unit]);
    let bits = |x: f64| f16::from_f64(x).to_f64();
    let unit = 2f64.powi(-10);
    assert_eq!([1.0 + unit / 2.0, 1.0 + 1.5 * unit, 1.0 + 0.51 * unit].map(bits), [1.0, 1.0 + 2.0 * unit, 1.0 + unit]);
    assert_eq!([65504.0, 65519.9, 65520.0].map(bits), [65504.0, 65504.0, f64::INFINITY]);
    assert_eq!([2f64.powi(-24), 2f64.powi(-26)].map(bits), [2f64.powi(-24), 0.0]);
    // The largest number below 2¹²⁸ has 8 ones.
    assert_eq!([3.39e38, 3.4e38].map(|x| bf16::from_f64(x).to_f64()), [255.0 * 2f64.powi(120), f64::INFINITY]);
}
