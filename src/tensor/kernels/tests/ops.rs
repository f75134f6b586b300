use super::super::Strided;
use super::super::ops::BinaryOp::*;
use super::super::ops::UnaryOp::*;
use super::super::ops::*;
use super::loops::*;
use super::*;

fn of_one<T: Real + Computed>(op: UnaryOp, x: T) -> T {
    let mut y = [T::zero()];
    unary(op, &[x], &mut y);
    y[0]
}

fn of_two<T: Computed>(op: BinaryOp, a: T, b: T) -> T {
    let mut y = [T::default()];
    binary(op, &[], Strided { data: &[a], strides: &[] }, Strided { data: &[b], strides: &[] }, &mut y);
    y[0]
}

fn slope_of<T: Real + Computed>(op: UnaryOp, g: T, saved: T) -> T {
    let mut y = [T::zero()];
    slope(op, &[g], &[saved], &mut y);
    y[0]
}

fn holds<T: Computed>(op: CompareOp, a: T, b: T) -> bool {
    let mut y = [false];
    compare(op, &[], Strided { data: &[a], strides: &[] }, Strided { data: &[b], strides: &[] }, &mut y);
    y[0]
}

#[test]
fn integers_wrap_and_divide_by_zero() {
    assert_eq!(of_two(Add, i64::MAX, 1), i64::MIN);
    assert_eq!(of_two(Rem, i64::MIN, -1), 0);
    assert_eq!(of_two(Rem, 7_i64, 0), 0);
    assert_eq!([(7, 3), (-7, 3), (7, -3), (-7, -3)].map(|(a, b)| of_two(Rem, a, b)), [1_i64, 2, -2, -1]);
    assert_eq!([of_two(DivFloor, i64::MIN, -1), of_two(DivTrunc, i64::MIN, -1)], [i64::MIN; 2]);
    assert_eq!([of_two(DivFloor, 7_i64, 0), of_two(DivTrunc, 7_i64, 0)], [0; 2]);
    assert_eq!([(7, 3), (-7, 3), (7, -3), (-7, -3)].map(|(a, b)| of_two(DivFloor, a, b)), [2_i64, -3, -3, 2]);
    assert_eq!([(7, 3), (-7, 3), (7, -3), (-7, -3)].map(|(a, b)| of_two(DivTrunc, a, b)), [2_i64, -2, -2, 2]);
    assert_eq!(of_two(Pow, 3_i64, 4), 81);
    assert_eq!(of_two(Pow, 2_i64, 64), 0);
    assert_eq!([(1, -3), (-1, -3), (-1, -2), (2, -1), (0, -1)].map(|(a, b)| of_two(Pow, a, b)), [1_i64, -1, 1, 0, 0]);
    assert_eq!(of_two(Min, -3_i64, 9), -3);
}

#[test]
fn the_remainder_takes_the_sign_of_the_divisor() {
    let of = |a: f64, b: f64| of_two(Rem, a, b);
    assert_eq!([of(5.5, 3.0), of(-5.5, 3.0), of(5.5, -3.0), of(-5.5, -3.0)], [2.5, 0.5, -0.5, -2.5]);
    assert_eq!(of(6.0, -3.0), 0.0);
    assert!(of(1.0, 0.0).is_nan() && of(f64::INFINITY, 2.0).is_nan());
}

#[test]
fn nan_stays() {
    let nan = f32::NAN;
    for y in [
        of_two(Max, nan, 1.0),
        of_two(Max, 1.0, nan),
        of_two(Min, nan, 1.0),
        of_two(Min, 1.0, nan),
        of_one(Relu, nan),
        of_one(LeakyRelu { slope: 0.1 }, nan),
        of_one(Elu { alpha: 1.0, rate: 1.0 }, nan),
        of_one(Selu, nan),
        of_one(Gelu, nan),
        of_one(GeluTanh, nan),
        of_one(Silu, nan),
        of_one(Mish, nan),
        of_one(Softplus { beta: 1.0, threshold: 20.0 }, nan),
        of_one(Softsign, nan),
        of_one(Hardtanh { lo: -1.0, hi: 1.0 }, nan),
        of_one(Hardswish, nan),
        of_one(Hardsigmoid, nan),
        of_one(Sigmoid, nan),
        of_one(LogSigmoid, nan),
        of_one(Clamp { lo: 0.0, hi: 1.0 }, nan),
        of_one(Round, nan),
        of_one(Tan, nan),
    ] {
        assert!(y.is_nan());
    }
    assert_eq!(of_one(Sign, nan), 0.0);
    assert_eq!(of_one(Relu, f32::INFINITY), f32::INFINITY);
    assert_eq!(of_one(Relu, f32::NEG_INFINITY), 0.0);
}

#[test]
fn comparisons_with_nan_are_false_but_for_inequality() {
    use CompareOp::*;
    let nan = f64::NAN;
    assert!(!holds(Eq, nan, nan) && !holds(Lt, nan, 1.0) && !holds(Le, nan, nan) && !holds(Gt, nan, 1.0));
    assert!(!holds(Ge, nan, nan) && holds(Ne, nan, nan));
    assert!(holds(Eq, 0.0, -0.0) && holds(Gt, 3_i64, -3) && holds(Ge, 3_i64, 3));
    let mut bytes = [false; 2];
    Lt.row().u8.run([0.0; 2], [&[0, 200], &[1, 3]], &mut bytes);
    assert_eq!(bytes, [true, false]);
}

#[test]
fn logic_follows_its_tables() {
    let table = |op: LogicOp| {
        let mut y = [true; 3];
        op.row().run([0.0; 2], [&[0, 0, 1], &[0, 1, 1]], &mut y);
        y
    };
    assert_eq!(table(LogicOp::And), [false, false, true]);
    assert_eq!(table(LogicOp::Or), [false, true, true]);
    assert_eq!(table(LogicOp::Xor), [false, true, false]);
}

#[test]
fn classes_of_numbers() {
    let x = [1.0_f32, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    let of = |op: ClassOp| {
        let (mut y, mut wide) = ([false; 4], [true; 4]);
        op.row().0.run([0.0; 2], [&x], &mut y);
        op.row().1.run([0.0; 2], [&x.map(f64::from)], &mut wide);
        assert_eq!(y, wide);
        y
    };
    assert_eq!(of(ClassOp::Nan), [false, false, false, true]);
    assert_eq!(of(ClassOp::Infinite), [false, true, true, false]);
    assert_eq!(of(ClassOp::Finite), [true, false, false, false]);
}

#[test]
fn usual_powers_are_what_their_names_say() {
    for x in special_numbers::<f64>(40, 0) {
        let pow = |p: f64| of_one(PowScalar { exponent: p }, x);
        let expected = [
            1.0,
            x,
            x * x,
            x * x * x,
            x.sqrt(),
            1.0 / x.sqrt(),
            1.0 / x,
            (1.0 / x) * (1.0 / x),
            x.powf(1.5),
            x.powf(-4.0),
        ];
        assert_same(&[0.0, 1.0, 2.0, 3.0, 0.5, -0.5, -1.0, -2.0, 1.5, -4.0].map(pow), &expected, x);
    }
}

/// Gradients against central differences of their functions, away from the kinks.
#[test]
fn gradients_are_the_slopes_of_their_functions() {
    fn slopes(op: UnaryOp) {
        for i in -41..=41 {
            let x = f64::from(i) * 0.2 + 0.013;
            let h = 1e-5;
            let slope = (of_one(op, x + h) - of_one(op, x - h)) / (2.0 * h);
            let saved = if op.saved() == Saved::Result { of_one(op, x) } else { x };
            let actual = slope_of(op, 1.5, saved);
            assert!((actual - 1.5 * slope).abs() < 1e-8, "{op:?} at {x}: {actual} instead of {}", 1.5 * slope);
        }
    }
    slopes(Abs);
    slopes(Clamp { lo: -0.5, hi: 2.0 });
    slopes(Relu);
    slopes(LeakyRelu { slope: 0.1 });
    slopes(Elu { alpha: 1.3, rate: 1.0 });
    slopes(Selu);
    slopes(Gelu);
    slopes(GeluTanh);
    slopes(Silu);
    slopes(Mish);
    slopes(Softplus { beta: 2.0, threshold: 20.0 });
    slopes(Softsign);
    slopes(Hardtanh { lo: -1.0, hi: 1.5 });
    slopes(Hardswish);
    slopes(Hardsigmoid);
    slopes(Sigmoid);
    slopes(Tanh);
    slopes(LogSigmoid);
    for x in [0.25, 1.0, 9.0] {
        assert_eq!(slope_of(Sqrt, 3.0, f64::sqrt(x)), 1.5 / x.sqrt());
    }
}

/// The values that PyTorch 2.15 gives at the kinks, for an incoming gradient of 1.
#[test]
fn gradients_at_the_kinks_are_pytorchs() {
    assert_eq!(slope_of(Abs, 1.0_f32, 0.0), 0.0);
    assert_eq!([0.0, 1.0].map(|x| slope_of(Clamp { lo: 0.0, hi: 1.0 }, 1.0_f32, x)), [0.0, 0.0]);
    assert_eq!(slope_of(Relu, 1.0_f32, 0.0), 0.0);
    assert_eq!(slope_of(LeakyRelu { slope: 0.1 }, 1.0_f32, 0.0), 0.1);
    assert_eq!(slope_of(Elu { alpha: 0.5, rate: 1.0 }, 1.0_f32, 0.0), 0.5);
    assert_eq!([-1.0, 1.0].map(|x| slope_of(Hardtanh { lo: -1.0, hi: 1.0 }, 1.0_f32, x)), [0.0, 0.0]);
    assert_eq!([-3.0, 3.0].map(|x| slope_of(Hardswish, 1.0_f32, x)), [0.0, 1.0]);
    assert_eq!([-3.0, 3.0].map(|x| slope_of(Hardsigmoid, 1.0_f32, x)), [0.0, 0.0]);
}

#[test]
fn activations_do_not_overflow_where_their_exponentials_would() {
    for x in [200.0_f32, 1e30, f32::INFINITY] {
        assert_eq!(of_one(Softplus { beta: 1.0, threshold: 20.0 }, x), x);
        assert_eq!(of_one(LogSigmoid, -x), -x);
        assert_eq!(of_one(LogSigmoid, x), 0.0);
        assert_eq!(of_one(Mish, x), x);
        assert_eq!(of_one(Silu, x), x);
        assert_eq!(of_one(Gelu, x), x);
        assert_eq!(of_one(Elu { alpha: 2.0, rate: 1.0 }, -x), -2.0);
        assert_eq!([of_one(Sigmoid, x), of_one(Sigmoid, -x)], [1.0, 0.0]);
        assert_eq!([of_one(Tanh, x), of_one(Tanh, -x)], [1.0, -1.0]);
        assert_eq!(slope_of(Softplus { beta: 1.0, threshold: 20.0 }, 3.0, -x), 0.0);
    }
    // The tail of Φ, from a table: Φ(-5) = 2.866515718791946e-7.
    assert!((f64::from(of_one(Gelu, -5.0_f32)) / (-5.0 * 2.866_515_718_791_946e-7) - 1.0).abs() < 1e-5);
}

/// Numbers of every exponent and both signs, those that matter most more densely, and special values.
fn all_exponents() -> Vec<f32> {
    let step = if cfg!(miri) { 80_000_003 } else { 400_009 };
    let mut x: Vec<f32> = (0..=u32::MAX).step_by(step).map(f32::from_bits).collect();
    x.extend((-4_000..4_000).step_by(if cfg!(miri) { 500 } else { 1 }).map(|i| i as f32 * 0.012_5));
    x.extend([0.0, -0.0, 1.0, -1.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, f32::INFINITY, f32::NEG_INFINITY]);
    x
}

/// What a slope in `f32` may be off by.
struct Slack {
    /// Units in the last place, more of them where the slope is the tail of an exponential of a rounded number.
    ulps: f64,
    /// Spacings of numbers at 1.
    absolute: f64,
}

#[track_caller]
fn assert_slope(what: impl std::fmt::Debug, got: f32, want: f64, (g, x): (f32, f32), slack: &Slack) {
    if got.is_nan() && want.is_nan() || f64::from(got) == want || got == want as f32 {
        return;
    }
    let smallest = f64::from(f32::from_bits(1));
    let ulp = (f64::from_bits(want.abs().to_bits() & (0x7ff << 52)) * f64::from(f32::EPSILON)).max(smallest);
    let (g, size) = (f64::from(g.abs()), if x.is_finite() { f64::from(x.abs()).max(1.0) } else { 1.0 });
    let tail = 1.0 + (want / g).abs().ln().abs().min(200.0);
    let error =
        slack.ulps * tail * ulp + slack.absolute * f64::from(f32::EPSILON) * g + 2.0 * smallest * size * g.max(1.0);
    let tipped = want.abs() > f64::from(f32::MAX) * (1.0 - 1e-6) && got.abs() > f32::MAX * (1.0 - 1e-6);
    let close = (f64::from(got) - want).abs() <= error;
    assert!(close || tipped, "{what:?} at {x:e}, times {g:e}: {got:e} instead of {want:e}");
}

/// Of each slope the vectorised form in `f32` is compared with that in `f64`.
#[test]
fn single_slopes_are_the_double_ones() {
    fn check(op: UnaryOp, of: fn(f64) -> f64, slack: &Slack) {
        let x: Vec<f32> = all_exponents().iter().map(|&x| of(f64::from(x)) as f32).collect();
        for g in [1.0_f32, -0.375] {
            on_each_level(|level| {
                // In pieces that are not handed to other threads, on which the level is not forced.
                for x in x.chunks(1000) {
                    let (n, wide): (usize, Vec<f64>) = (x.len(), x.iter().map(|&x| f64::from(x)).collect());
                    let (mut got, mut want) = (vec![0.0_f32; n], vec![0.0_f64; n]);
                    let (gs, wide_gs) = (vec![g; n], vec![f64::from(g); n]);
                    slope(op, &gs, x, &mut got);
                    slope(op, &wide_gs, &wide, &mut want);
                    for ((&x, &got), &want) in x.iter().zip(&got).zip(&want) {
                        assert_slope((op, level), got, want, (g, x), slack);
                    }
                }
            });
        }
    }
    let (itself, exact, about) = (|x: f64| x, Slack { ulps: 4.0, absolute: 0.0 }, Slack { ulps: 4.0, absolute: 4.0 });
    check(Abs, itself, &exact);
    check(Clamp { lo: -0.5, hi: 2.0 }, itself, &exact);
    check(Relu, |x| x.max(0.0), &exact);
    check(LeakyRelu { slope: 0.125 }, itself, &exact);
    check(Elu { alpha: 1.5, rate: 1.0 }, itself, &exact);
    check(Selu, itself, &exact);
    check(Gelu, itself, &about);
    check(GeluTanh, itself, &about);
    check(Silu, itself, &about);
    check(Mish, itself, &about);
    check(Softplus { beta: 2.0, threshold: 20.0 }, itself, &exact);
    check(Softsign, itself, &exact);
    check(Hardtanh { lo: -1.0, hi: 1.5 }, itself, &exact);
    check(Hardswish, itself, &about);
    check(Hardsigmoid, itself, &exact);
    check(Sigmoid, |x| 1.0 / (1.0 + (-x).exp()), &exact);
    check(Tanh, f64::tanh, &exact);
    check(LogSigmoid, itself, &exact);
    check(Sqrt, f64::abs, &exact);
    check(Rsqrt, |x| x.abs().sqrt().recip(), &exact);
    check(Reciprocal, itself, &exact);
    check(RDivScalar { c: 3.0 }, itself, &exact);
    check(Atan, itself, &exact);
    check(Asinh, itself, &exact);
}

/// The same for slopes of two numbers, with gradients of every size too.
#[test]
fn single_slopes_of_pairs_are_the_double_ones() {
    fn check(op: BinaryOp) {
        let sizes = [1e-45_f32, 3e-40, 2e-38, 7e-30, 1e-20, 4e-10, 0.3, 1.0, 2.5, 6e10, 1e20, 3e30, 3e38];
        let mut x: Vec<f32> = sizes.iter().flat_map(|&x| [x, -x]).collect();
        x.push(0.0);
        let n = x.len();
        for g in [1.0_f32, -1e-30, 1e30] {
            on_each_level(|level| {
                let strides = [[0, 0], [1, 0], [0, 1]];
                let (mut got, mut want) = (vec![0.0_f32; n * n], vec![0.0_f64; n * n]);
                let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                let (gs, wide_gs) = ([g], [f64::from(g)]);
                let [of_g, of_a, of_b] = &strides;
                let of = |data, strides| Strided { data, strides };
                slope_of_two(op, &[n, n], [of(&gs, of_g), of(&x, of_a), of(&x, of_b)], &mut got);
                let of = |data, strides| Strided { data, strides };
                slope_of_two(op, &[n, n], [of(&wide_gs, of_g), of(&wide, of_a), of(&wide, of_b)], &mut want);
                for (i, (&got, &want)) in got.iter().zip(&want).enumerate() {
                    let slack = Slack { ulps: 4.0, absolute: 0.0 };
                    assert_slope((op, level, x[i / n], x[i % n]), got, want, (g, 1.0), &slack);
                }
            });
        }
    }
    check(Div);
    check(Atan2);
}
