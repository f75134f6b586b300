//! Element-wise operations where they are easily wrong: special values, element types, wrong arguments.

use demotic::autograd::{GradOptions, grad};
use demotic::tensor::argument::RoundingMode;
use demotic::{DType, ErrorKind, Result, Tensor, tensor};
use half::f16;

const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

fn f32s(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

/// The gradient of the sum of `f(x)`, computed in both ways.
fn gradient(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Vec<f64>> {
    let x = x.tracked()?;
    let fused = f(&x)?.sum().backward()?.wrt(&x)?.to_f64_vec();
    let options = GradOptions::new().create_graph(true);
    let composite = grad(&[&f(&x)?.sum()], &[&x], options)?[0].to_f64_vec();
    let same = fused.iter().zip(&composite).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs() || a.is_nan() && b.is_nan());
    assert!(same, "{fused:?} but with create_graph {composite:?}");
    Ok(fused)
}

#[test]
fn functions_saturate_instead_of_overflowing() -> Result<()> {
    let x = tensor![-1e4, -1e3, 1e3, 1e4];
    assert_eq!(f32s(&x.sigmoid()), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(f32s(&x.tanh()), [-1.0, -1.0, 1.0, 1.0]);
    assert_eq!(f32s(&x.erf()), [-1.0, -1.0, 1.0, 1.0]);
    assert_eq!(f32s(&x.erfc()), [2.0, 2.0, 0.0, 0.0]);
    assert_eq!(f32s(&x.log_sigmoid()), [-1e4, -1e3, 0.0, 0.0]);
    assert_eq!(f32s(&x.softplus(1.0, 20.0)?), [0.0, 0.0, 1e3, 1e4]);
    assert_eq!(f32s(&x.elu(2.0)), [-2.0, -2.0, 1e3, 1e4]);
    for f in [Tensor::silu, Tensor::gelu, Tensor::gelu_tanh, Tensor::mish, Tensor::hardswish] {
        assert_eq!(f32s(&f(&x)), [0.0, 0.0, 1e3, 1e4]);
    }
    assert_eq!(f32s(&tensor![-1e4, 1e4].exp()), [0.0, INF]);
    Ok(())
}

#[test]
fn gradients_far_from_zero() -> Result<()> {
    let x = tensor![-1e4, -1e3, 1e3, 1e4];
    for f in [Tensor::silu, Tensor::gelu, Tensor::gelu_tanh, Tensor::mish, Tensor::hardswish, Tensor::relu] {
        assert_eq!(gradient(&x, |x| Ok(f(x)))?, [0.0, 0.0, 1.0, 1.0]);
    }
    assert_eq!(gradient(&x, |x| Ok(x.elu(1.0)))?, [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(gradient(&x, |x| x.softplus(1.0, 20.0))?, [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(gradient(&x, |x| Ok(x.log_sigmoid()))?, [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(gradient(&tensor![1e18], |x| Ok(x.mish()))?, [1.0]);
    Ok(())
}

#[test]
fn nan_is_kept() -> Result<()> {
    let x = tensor![NAN];
    let functions: [fn(&Tensor) -> Tensor; 20] = [
        Tensor::relu,
        Tensor::relu6,
        Tensor::selu,
        Tensor::gelu,
        Tensor::gelu_tanh,
        Tensor::silu,
        Tensor::mish,
        Tensor::softsign,
        Tensor::hardswish,
        Tensor::hardsigmoid,
        Tensor::sigmoid,
        Tensor::log_sigmoid,
        Tensor::tanh,
        Tensor::exp,
        Tensor::log,
        Tensor::sqrt,
        Tensor::abs,
        Tensor::floor,
        Tensor::erf,
        Tensor::sin,
    ];
    for (i, f) in functions.iter().enumerate() {
        assert!(f(&x).item()?.is_nan(), "function {i}");
    }
    assert!(x.clamp(Some(-1.0), Some(1.0)).item()?.is_nan());
    assert!(x.hardtanh(-1.0, 1.0)?.item()?.is_nan());
    assert!(x.softplus(1.0, 20.0)?.item()?.is_nan());
    for (a, b) in [(&x, &tensor![1.0]), (&tensor![1.0], &x)] {
        assert!(a.maximum(b)?.item()?.is_nan() && a.minimum(b)?.item()?.is_nan());
    }
    assert_eq!(x.sign().item()?, 0.0);
    Ok(())
}

#[test]
fn zero_keeps_its_sign() {
    let signs = |x: &Tensor| f32s(x).iter().map(|x| x.is_sign_negative()).collect::<Vec<_>>();
    let x = tensor![-0.0, 0.0];
    for f in [Tensor::sin, Tensor::tanh, Tensor::erf, Tensor::expm1, Tensor::log1p, Tensor::sqrt, Tensor::ceil] {
        assert_eq!(signs(&f(&x)), [true, false]);
    }
    assert_eq!(f32s(&x.reciprocal()), [-INF, INF]);
    assert_eq!(signs(&tensor![-0.4, 0.4].round()), [true, false]);
}

#[test]
fn kinks_take_the_gradients_of_pytorch() -> Result<()> {
    let zero = tensor![0.0, -0.0];
    for f in [Tensor::relu, Tensor::abs, Tensor::relu6, Tensor::sign, Tensor::floor] {
        assert_eq!(gradient(&zero, |x| Ok(f(x)))?, [0.0, 0.0]);
    }
    assert_eq!(gradient(&zero, |x| Ok(x.leaky_relu(0.1)))?, [0.1f32, 0.1].map(f64::from));
    assert_eq!(gradient(&zero, |x| Ok(x.elu(0.5)))?, [0.5, 0.5]);
    let bounds = tensor![-1.0, 1.0];
    assert_eq!(gradient(&bounds, |x| Ok(x.clamp(Some(-1.0), Some(1.0))))?, [0.0, 0.0]);
    assert_eq!(gradient(&bounds, |x| x.hardtanh(-1.0, 1.0))?, [0.0, 0.0]);
    Ok(())
}

#[test]
fn ties_share_the_gradient() -> Result<()> {
    let (a, b) = (tensor![1.0, 2.0, 3.0].tracked()?, tensor![1.0, 3.0, 2.0].tracked()?);
    let grads = a.maximum(&b)?.sum().backward()?;
    assert_eq!(f32s(grads.wrt(&a)?), [0.5, 0.0, 1.0]);
    assert_eq!(f32s(grads.wrt(&b)?), [0.5, 1.0, 0.0]);
    let grads = a.minimum(&b)?.sum().backward()?;
    assert_eq!(f32s(grads.wrt(&a)?), [0.5, 1.0, 0.0]);
    assert_eq!(f32s(grads.wrt(&b)?), [0.5, 0.0, 1.0]);
    Ok(())
}

#[test]
fn powers_of_zero_and_of_negative_numbers() -> Result<()> {
    let x = tensor![0.0, -2.0];
    assert_eq!(f32s(&x.powf(0.0)), [1.0, 1.0]);
    assert_eq!(f32s(&x.powf(3.0)), [0.0, -8.0]);
    assert_eq!(f32s(&x.powf(-1.0)), [INF, -0.5]);
    assert!(tensor![-2.0].powf(0.5).item()?.is_nan());
    assert_eq!(gradient(&x, |x| Ok(x.powf(0.0)))?, [0.0, 0.0]);
    assert_eq!(gradient(&x, |x| Ok(x.powf(1.0)))?, [1.0, 1.0]);

    let (a, b) = (tensor![0.0, 0.0, 2.0].tracked()?, tensor![0.0, 2.0, 3.0].tracked()?);
    let grads = a.pow(&b)?.sum().backward()?;
    assert_eq!(f32s(grads.wrt(&a)?), [0.0, 0.0, 12.0]);
    assert_eq!(f32s(grads.wrt(&b)?), [0.0, 0.0, 8.0 * std::f32::consts::LN_2]);
    Ok(())
}

#[test]
fn remainders_are_exact_where_the_quotient_rounds_up_to_a_whole_number() -> Result<()> {
    // 1 / 0.1 is 10 in floating point, though 0.1 is a little more than a tenth: the quotient is 9.
    let (a, b) = (Tensor::from_vec(vec![1.0f64], [1])?.tracked()?, Tensor::from_vec(vec![0.1f64], [1])?.tracked()?);
    let r = a.remainder(&b)?;
    assert_eq!(r.item()?, 1.0 % 0.1);
    assert_eq!(r.backward()?.wrt(&b)?.item()?, -9.0);
    Ok(())
}

#[test]
fn what_is_not_taken_does_not_leak() -> Result<()> {
    // The untaken branch has an infinite slope at 0.
    let f = |x: &Tensor| x.gt_scalar(0.0).where_(&x.sqrt(), &(x * 0.0));
    let x = tensor![4.0].tracked()?;
    assert_eq!(f(&x)?.sum().backward()?.wrt(&x)?.item()?, 0.25);
    let x = tensor![1.0, NAN, INF].tracked()?;
    let y = x.masked_fill(&x.is_finite().logical_not()?, 0.0)?;
    assert_eq!(f32s(&y), [1.0, 0.0, 0.0]);
    assert_eq!(f32s(y.square().sum().backward()?.wrt(&x)?), [2.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn softmax_of_extreme_rows() -> Result<()> {
    let x = tensor![[1e30, 1e30], [-1e30, 0.0], [-INF, 3.0]];
    assert_eq!(f32s(&x.softmax(1)?), [0.5, 0.5, 0.0, 1.0, 0.0, 1.0]);
    let y = f32s(&x.log_softmax(1)?);
    assert_eq!(y[2..], [-1e30, 0.0, -INF, 0.0]);
    assert_eq!(y[..2], [-std::f32::consts::LN_2; 2]);
    // Nothing to choose from.
    assert!(f32s(&tensor![-INF, -INF].softmax(0)?).iter().all(|x| x.is_nan()));
    for shape in [[0, 3], [3, 0]] {
        let empty = Tensor::zeros(shape)?.tracked()?;
        for dim in [0, 1] {
            let y = empty.softmax(dim)?.add(&empty.log_softmax(dim)?)?;
            assert_eq!(y.shape(), shape);
            assert_eq!(y.sum().backward()?.wrt(&empty)?.shape(), shape);
        }
    }
    Ok(())
}

#[test]
fn real_functions_make_f32_of_integers_and_keep_16_bit_types() -> Result<()> {
    for dtype in [DType::I64, DType::U8, DType::Bool] {
        let x = tensor![0.0, 1.0].to_dtype(dtype);
        assert_eq!(f32s(&x.exp()), [1.0, std::f32::consts::E]);
        assert_eq!(f32s(&x.relu()), [0.0, 1.0]);
        assert_eq!(f32s(&x.softmax(0)?.sum().unsqueeze(0)?), [1.0]);
    }
    for dtype in [DType::F16, DType::BF16] {
        let x = tensor![0.0, 1.0, 4.0].to_dtype(dtype);
        assert_eq!(x.sqrt().dtype(), dtype);
        assert_eq!(x.sqrt().to_f64_vec(), [0.0, 1.0, 2.0]);
        assert_eq!(x.softmax(0)?.dtype(), dtype);
        assert_eq!(x.maximum(&x.sqrt())?.dtype(), dtype);
        assert_eq!(x.clamp_max(2.0).to_f64_vec(), [0.0, 1.0, 2.0]);
        assert_eq!(x.gt_scalar(0.5).to_vec::<bool>()?, [false, true, true]);
    }
    // Computed in F32 and rounded once: e¹⁰ is 22026.47, and f16 has steps of 16 there.
    let x = Tensor::from_vec(vec![f16::from_f32(10.0)], [1])?;
    assert_eq!(x.exp().item()?, 22032.0);
    Ok(())
}

/// In 8 bits of precision, 256 + 1 is 256, and in 11 bits 2048 + 1 is 2048: sums that are kept in 16 bits stop there.
#[test]
fn products_of_16_bit_types_are_added_up_in_32_bits() -> Result<()> {
    for (dtype, k, stopped) in [(DType::BF16, 320, 256.0), (DType::F16, 3000, 2048.0)] {
        let (x, w) = (Tensor::ones([2, k])?.to_dtype(dtype), Tensor::ones([3, k])?.to_dtype(dtype));
        let row = x.select(0, 0)?;
        for y in [
            x.matmul(&w.t())?,
            x.linear(&w, None)?,
            x.matmul(&row)?,
            row.dot(&row)?,
            Tensor::einsum("ik,jk->ij", &[&x, &w])?,
            x.unsqueeze(0)?.matmul(&w.t().unsqueeze(0)?)?,
        ] {
            assert_eq!(y.dtype(), dtype);
            assert!(y.to_f64_vec().iter().all(|y| *y == k as f64 && *y > stopped), "{dtype} {y}");
        }
        let bias = tensor![1.0, -1.0, 0.0].to_dtype(dtype);
        assert_eq!(
            x.narrow(1, 0, 16)?.linear(&w.narrow(1, 0, 16)?, Some(&bias))?.to_f64_vec(),
            [17.0, 15.0, 16.0].repeat(2)
        );
    }
    Ok(())
}

#[test]
fn integers_stay_integers_where_that_means_something() -> Result<()> {
    let (x, y) = (Tensor::from_vec(vec![-7i64, 0, 7], [3])?, Tensor::from_vec(vec![2i64, -3, 2], [3])?);
    let i64s = |x: &Tensor| x.to_vec::<i64>();
    assert_eq!(i64s(&x.abs())?, [7, 0, 7]);
    assert_eq!(i64s(&x.sign())?, [-1, 0, 1]);
    assert_eq!(i64s(&x.floor())?, [-7, 0, 7]);
    assert_eq!(i64s(&x.maximum(&y)?)?, [2, 0, 7]);
    assert_eq!(i64s(&x.minimum(&y)?)?, [-7, -3, 2]);
    assert_eq!(i64s(&x.remainder(&y)?)?, [1, 0, 1]);
    assert_eq!(i64s(&x.pow(&y.abs())?)?, [49, 0, 49]);
    assert_eq!(i64s(&x.clamp(Some(-1.0), Some(3.0)))?, [-1, 0, 3]);
    assert_eq!(i64s(&x.clamp(None, Some(3.0)))?, [-7, 0, 3]);
    assert_eq!(i64s(&x.clamp(Some(f64::NEG_INFINITY), None))?, [-7, 0, 7]);
    assert_eq!(f32s(&x.clamp_max(0.5)), [-7.0, 0.0, 0.5]);
    assert_eq!(i64s(&Tensor::from_vec(vec![i64::MIN], [1])?.abs())?, [i64::MIN]);
    assert_eq!(i64s(&x.remainder(&y.masked_fill(&y.is_finite(), 0.0)?)?)?, [0, 0, 0]);
    assert_eq!(i64s(&x.masked_fill(&x.lt_scalar(0.0), 9.0)?)?, [9, 0, 7]);
    Ok(())
}

#[test]
fn clamp_bounds_in_any_order() {
    let x = tensor![-3.0, 0.0, 3.0];
    assert_eq!(f32s(&x.clamp(Some(1.0), Some(-1.0))), [-1.0; 3]);
    assert_eq!(f32s(&x.clamp(None, None)), [-3.0, 0.0, 3.0]);
    assert_eq!(f32s(&x.clamp(Some(f64::NAN), Some(f64::NAN))), [-3.0, 0.0, 3.0]);
    assert_eq!(f32s(&tensor![-INF, INF].clamp(Some(-1.0), Some(1.0))), [-1.0, 1.0]);
}

#[test]
fn comparisons_with_a_number_follow_the_element_type() -> Result<()> {
    let bools = |x: Tensor| x.to_vec::<bool>();
    // 0.1 is another number in f32 than in f64.
    assert_eq!(bools(tensor![0.1].eq_scalar(0.1))?, [true]);
    let x = Tensor::from_vec(vec![0i64, 1, (1 << 53) + 1], [3])?;
    assert_eq!(bools(x.lt_scalar(0.5))?, [true, false, false]);
    assert_eq!(bools(x.eq_scalar(0.5))?, [false; 3]);
    assert_eq!(bools(x.gt_scalar((1u64 << 53) as f64))?, [false, false, true]);
    assert_eq!(bools(x.lt_scalar(f64::INFINITY))?, [true; 3]);
    assert_eq!(bools(x.ne_scalar(f64::NAN))?, [true; 3]);
    // The largest integer is one less than 2⁶³, which no integer is, and to which it is rounded as a fraction.
    let ends = Tensor::from_vec(vec![i64::MIN, i64::MAX - 1, i64::MAX], [3])?;
    let above = 2f64.powi(63);
    assert_eq!(bools(ends.eq_scalar(above))?, [false; 3]);
    assert_eq!(bools(ends.ge_scalar(above))?, [false; 3]);
    assert_eq!(bools(ends.lt_scalar(above))?, [true; 3]);
    assert_eq!(bools(ends.ne_scalar(above))?, [true; 3]);
    assert_eq!(bools(ends.eq_scalar(-above))?, [true, false, false]);
    assert_eq!(bools(ends.gt_scalar(-above))?, [false, true, true]);
    assert_eq!(bools(ends.gt_scalar(above.next_down()))?, [false, true, true]);
    assert_eq!(bools(ends.lt_scalar((-above).next_down()))?, [false; 3]);
    for (x, least, most) in [
        (Tensor::from_vec(vec![i32::MIN, i32::MAX], [2])?, f64::from(i32::MIN), f64::from(i32::MAX)),
        (Tensor::from_vec(vec![i8::MIN, i8::MAX], [2])?, f64::from(i8::MIN), f64::from(i8::MAX)),
        (Tensor::from_vec(vec![u8::MIN, u8::MAX], [2])?, 0.0, f64::from(u8::MAX)),
    ] {
        assert_eq!(bools(x.eq_scalar(least))?, [true, false]);
        assert_eq!(bools(x.eq_scalar(most))?, [false, true]);
        assert_eq!(bools(x.ge_scalar(most + 1.0))?, [false; 2]);
        assert_eq!(bools(x.le_scalar(least - 1.0))?, [false; 2]);
    }
    let x = Tensor::from_vec(vec![0u8, 200], [2])?;
    assert_eq!(bools(x.ge_scalar(-1.0))?, [true, true]);
    assert_eq!(bools(x.le_scalar(199.5))?, [true, false]);
    let x = tensor![0.0, 1.0].to_dtype(DType::Bool);
    assert_eq!(bools(x.eq_scalar(1.0))?, [false, true]);
    assert_eq!(bools(x.lt(&x.logical_not()?)?)?, [true, false]);
    let x = tensor![NAN, INF, -INF, 1.0];
    assert_eq!(bools(x.is_nan())?, [true, false, false, false]);
    assert_eq!(bools(x.is_inf())?, [false, true, true, false]);
    assert_eq!(bools(x.is_finite())?, [false, false, false, true]);
    assert_eq!(bools(x.to_dtype(DType::I64).is_finite())?, [true; 4]);
    Ok(())
}

#[test]
fn comparisons_carry_no_gradient() -> Result<()> {
    let x = tensor![1.0, 2.0].tracked()?;
    assert!(!x.gt_scalar(1.5).is_tracked() && !x.eq(&x)?.is_tracked() && !x.is_nan().is_tracked());
    Ok(())
}

#[test]
fn wrong_arguments_are_explained() -> Result<()> {
    let x = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let mask = x.gt_scalar(2.0);
    let ids = x.to_dtype(DType::I64);
    let column = tensor![1.0, 2.0];
    let cases: [(Result<Tensor>, ErrorKind, &str, Option<&str>); 25] = [
        (
            ids.add_alpha(&ids, 0.5),
            ErrorKind::Argument,
            "add_alpha: alpha is 0.5, expected a whole number for elements of type i64",
            None,
        ),
        (
            ids.sub_alpha(&ids, f64::INFINITY),
            ErrorKind::Argument,
            "sub_alpha: alpha is inf, expected a whole number for elements of type i64",
            None,
        ),
        (x.div_mode(&ids, RoundingMode::Floor), ErrorKind::DType, "div_mode: operands of types f32 and i64", None),
        (x.floor_divide(&column), ErrorKind::Shape, "floor_divide: shapes [2, 3] and [2] do not broadcast", None),
        (
            x.clamp_tensor(Some(&x), Some(&ids)),
            ErrorKind::DType,
            "clamp_tensor: the upper bound must be f32, not i64",
            Some("convert with to_dtype(DType::F32)"),
        ),
        (
            x.clamp_tensor(Some(&x), Some(&column)),
            ErrorKind::Shape,
            "clamp_tensor: shapes [2, 3] and [2] do not broadcast",
            None,
        ),
        (
            x.masked_fill(&mask, &ids),
            ErrorKind::DType,
            "masked_fill: the value must be f32, not i64",
            Some("convert with to_dtype(DType::F32)"),
        ),
        (
            x.add(&tensor![1.0, 2.0]),
            ErrorKind::Shape,
            "add: shapes [2, 3] and [2] do not broadcast",
            Some("counted from the last, dimensions must be equal, or one of them 1 or absent"),
        ),
        (
            x.maximum(&x.to_dtype(DType::F64)),
            ErrorKind::DType,
            "maximum: operands of types f32 and f64",
            Some(
                "types are never converted silently: use to_dtype(DType::F32) on the second; \
                 Tensor::from_vec(vec![1.0]) makes f64, tensor![1.0] and 1.0_f32 make f32",
            ),
        ),
        (x.pow(&ids), ErrorKind::DType, "pow: operands of types f32 and i64", None),
        (x.lt(&tensor![1.0, 2.0]), ErrorKind::Shape, "lt: shapes [2, 3] and [2] do not broadcast", None),
        (
            mask.logical_and(&x),
            ErrorKind::DType,
            "logical_and: the right operand must be bool, not f32",
            Some("convert with to_dtype(DType::Bool)"),
        ),
        (x.logical_not(), ErrorKind::DType, "logical_not: the input must be bool, not f32", None),
        (x.where_(&x, &x), ErrorKind::DType, "where: the condition must be bool, not f32", None),
        (
            mask.where_(&x, &ids),
            ErrorKind::DType,
            "where: the second choice must be f32, not i64",
            Some("convert with to_dtype(DType::F32)"),
        ),
        (
            mask.where_(&x, &tensor![1.0, 2.0]),
            ErrorKind::Shape,
            "where: shapes [2, 3] (condition), [2, 3] and [2] do not broadcast",
            Some("counted from the last, dimensions must be equal, or 1 or absent"),
        ),
        (x.masked_fill(&x, 0.0), ErrorKind::DType, "masked_fill: the mask must be bool, not f32", None),
        (
            tensor![1.0, 2.0].masked_fill(&mask, 0.0),
            ErrorKind::Shape,
            "masked_fill: a mask of shape [2, 3] does not broadcast with [2]",
            None,
        ),
        (
            ids.masked_fill(&mask, f64::NEG_INFINITY),
            ErrorKind::Argument,
            "masked_fill: -inf is not a value of type i64",
            None,
        ),
        (x.softplus(0.0, 20.0), ErrorKind::Argument, "softplus: beta is 0, expected a positive number", None),
        (x.softplus(1.0, f64::NAN), ErrorKind::Argument, "softplus: threshold is NaN", Some("the usual value is 20")),
        (
            x.hardtanh(1.0, -1.0),
            ErrorKind::Argument,
            "hardtanh: the lower bound 1 is not below the upper bound -1",
            None,
        ),
        (x.softmax(2), ErrorKind::Index, "softmax: dimension 2 is out of range for 2 dimensions (-2 ..= 1)", None),
        (
            Tensor::scalar(1.0).log_softmax(0),
            ErrorKind::Index,
            "log_softmax: dimension 0 of a scalar, which has none",
            None,
        ),
        (x.glu(1), ErrorKind::Shape, "glu: dimension 1 of [2, 3] has size 3, which has no halves", None),
    ];
    for (result, kind, message, help) in cases {
        let e = result.unwrap_err();
        assert_eq!((e.kind(), e.message().as_str()), (kind, message));
        if help.is_some() {
            assert_eq!(e.help(), help);
        }
        assert!(e.to_string().contains("tests/ops/elementwise.rs:"), "the caller's line is missing: {e}");
    }
    Ok(())
}

/// Whole numbers stay whole, in their type, and wrap around; a division by zero gives 0.
#[test]
fn options_on_integers_and_truth_values() -> Result<()> {
    let (a, b) = (Tensor::from_vec(vec![i64::MIN, 7, -7, 5], [4])?, Tensor::from_vec(vec![-1i64, 2, 2, 0], [4])?);
    assert_eq!(a.div_mode(&b, RoundingMode::Floor)?.to_vec::<i64>()?, [i64::MIN, 3, -4, 0]);
    assert_eq!(a.div_mode(&b, RoundingMode::Trunc)?.to_vec::<i64>()?, [i64::MIN, 3, -3, 0]);
    assert_eq!(a.floor_divide(&b)?.to_vec::<i64>()?, [i64::MIN, 3, -4, 0]);
    assert_eq!(b.add_alpha(&a, 2.0)?.to_vec::<i64>()?, [-1, 16, -12, 10]);
    let bytes = Tensor::from_vec(vec![200u8, 3], [2])?;
    assert_eq!(bytes.add_alpha(&bytes, -2.0)?.to_vec::<u8>()?, [56, 253]);
    assert_eq!(bytes.floor_divide(&bytes.full_like(7.0))?.to_vec::<u8>()?, [28, 0]);
    let truth = bytes.gt_scalar(10.0);
    assert_eq!(truth.sub_alpha(&truth, 3.0)?.to_vec::<i64>()?, [-2, 0]);
    assert_eq!(truth.floor_divide(&truth)?.to_vec::<i64>()?, [1, 0]);
    let small = a.clamp_tensor(Some(&b), Some(&Tensor::from_vec(vec![3i64], [])?))?;
    assert_eq!(small.to_vec::<i64>()?, [-1, 3, 2, 3]);
    assert_eq!(a.masked_fill(&a.lt_scalar(0.0), &b)?.to_vec::<i64>()?, [-1, 7, 2, 5]);
    let one = Tensor::from_nested([0i64, 0])?;
    assert_eq!(bytes.index_add_alpha(0, &one, &bytes, 2.0)?.to_vec::<u8>()?, [94, 3]);
    Ok(())
}

/// 16-bit numbers are computed in `F32` and rounded once.
#[test]
fn options_on_sixteen_bits() -> Result<()> {
    for dtype in [DType::BF16, DType::F16] {
        let (a, b) = (tensor![1.0, -7.0, 100.0].to_dtype(dtype), tensor![2.0, 2.0, 0.5].to_dtype(dtype));
        let f32s = |x: Tensor| x.to_dtype(DType::F32).to_vec::<f32>();
        let round = |x: f64| Tensor::scalar(x).to_dtype(dtype).item().unwrap() as f32;
        assert_eq!(f32s(a.add_alpha(&b, 0.5)?)?, [2.0, -6.0, 100.25].map(round));
        assert_eq!(f32s(a.div_mode(&b, RoundingMode::Floor)?)?, [0.0, -4.0, 200.0]);
        assert_eq!(f32s(a.clamp_tensor(Some(&b.neg()), Some(&b))?)?, [1.0, -2.0, 0.5]);
        assert_eq!(f32s(a.masked_fill(&a.lt_scalar(0.0), &b)?)?, [1.0, 2.0, 100.0]);
    }
    Ok(())
}
