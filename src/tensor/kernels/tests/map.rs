use super::super::ops::BinaryOp::*;
use super::super::ops::UnaryOp::*;
use super::super::ops::*;
use super::super::{Data, Operand, Read, Strided, cast, map};
use super::loops::*;
use super::*;

/// `op` of one element at a time: what any longer loop must agree with, bit by bit.
fn one_by_one<T: Real + Computed>(op: UnaryOp, x: &[T]) -> Vec<T> {
    let each = |x: &T| {
        let mut y = [T::zero()];
        unary(op, &[*x], &mut y);
        y[0]
    };
    x.iter().map(each).collect()
}

fn unary_lengths<T: Real + Computed + std::fmt::Debug>(op: UnaryOp) {
    let what = format!("{op:?}");
    for n in lengths() {
        let x = special_numbers::<T>(n, n as u32);
        on_each_level(|level| {
            let expected = one_by_one(op, &x);
            let mut y = vec![T::one(); n];
            unary(op, &x, &mut y);
            assert_same(&y, &expected, (&what, level, n));
            y.copy_from_slice(&x);
            unary_in_place(op, &mut y);
            assert_same(&y, &expected, (&what, "in place", level, n));
        });
    }
}

#[test]
fn unary_of_every_length() {
    unary_lengths::<f32>(Gelu);
    unary_lengths::<f64>(Gelu);
    unary_lengths::<f32>(Sin);
    unary_lengths::<f32>(PowScalar { exponent: 2.5 });
    unary_lengths::<f32>(PowScalar { exponent: 3.0 });
    unary_lengths::<f64>(Relu);
}

#[test]
fn integers_and_truth_values_of_every_length() {
    for n in lengths() {
        let x: Vec<i64> = (0..n as i64).map(|i| i * i - 50).collect();
        let mut y = vec![0; n];
        let of = |data, strides| Strided { data, strides };
        binary(Sub, &[n], of(&[7], &[0]), of(&x, &[1]), &mut y);
        assert_eq!(y, x.iter().map(|x| 7 - x).collect::<Vec<_>>());
        let (p, q): (Vec<u8>, Vec<u8>) = (0..n).map(|i| (u8::from(i % 3 == 0), u8::from(i % 2 == 0))).unzip();
        let mut both = vec![true; n];
        LogicOp::And.row().run([0.0; 2], [&p, &q], &mut both);
        assert!(both.iter().enumerate().all(|(i, both)| *both == (i % 6 == 0)));
        let mut nan = vec![true; n];
        ClassOp::Nan.row().0.run([0.0; 2], [&special_numbers::<f32>(n, 0)], &mut nan);
        assert!(special_numbers::<f32>(n, 0).iter().zip(&nan).all(|(x, &nan)| x.is_nan() == nan));
    }
}

/// Elements of a narrower type, as an operand.
struct Narrow<'a>(&'a [u8]);

impl Read<f32> for Narrow<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn read(&self, start: usize, stride: usize, out: &mut [f32]) {
        cast::cast_strided(&self.0[start..], stride, out);
    }
}

/// Operands that are converted on the way, and results that are: for every layout the same as with whole conversions.
#[test]
fn conversion_on_the_way_changes_nothing() {
    let block = BinaryOp::AddScaled { factor: 0.5 };
    for (shape, [sa, sb, _]) in layouts() {
        let a: Vec<u8> = (0..needed(&shape, &sa)).map(|i| (i % 251) as u8).collect();
        let (wide, b) = (a.iter().map(|&x| f32::from(x)).collect::<Vec<_>>(), numbers::<f32>(needed(&shape, &sb), 1));
        let n = offsets(&shape, &sa).len();
        let (mut want, mut got, mut bytes) = (vec![0.0; n], vec![1.0; n], vec![1_u8; n]);
        binary(block, &shape, Strided { data: &wide, strides: &sa }, Strided { data: &b, strides: &sb }, &mut want);
        let job = map::Job { block: &block.value().f32, args: block.args(), cost: 1 };
        let narrow = Narrow(&a);
        let x = [
            Operand { data: Data::Other(&narrow, 0), strides: &sa },
            Operand { data: Data::Own(&b[..]), strides: &sb },
        ];
        job.run(&shape, &x, &mut got);
        assert_eq!(got, want, "{shape:?} {sa:?} {sb:?}");
        job.run_as(&shape, &x, &mut bytes, |x, out| out.iter_mut().zip(x).for_each(|(out, x)| *out = *x as u8));
        assert!(bytes.iter().zip(&want).all(|(got, want)| *got == *want as u8), "{shape:?} {sa:?} {sb:?}");
    }
}

#[test]
fn large_loops_do_not_depend_on_the_number_of_threads() {
    let n = if cfg!(miri) { 100 } else { 150_001 };
    let (a, b) = (numbers::<f32>(n, 1), numbers::<f32>(n, 2));
    assert_same_on_two_threads(|| {
        let mut y = vec![0.0; n];
        unary(Tanh, &a, &mut y);
        unary_in_place(Exp, &mut y);
        accumulate(-0.25, &b, &mut y);
        y
    });
}

/// How far apart two results may be: 2 units in the last place, where the result is as large as its arguments.
fn levels_agree(op: UnaryOp) {
    let x = special_numbers::<f32>(1000, 3);
    let mut portable = Vec::new();
    on_each_level(|level| {
        let mut y = vec![0.0; x.len()];
        unary(op, &x, &mut y);
        if portable.is_empty() {
            portable = y.iter().map(|&y| f64::from(y)).collect();
        }
        assert_close(&y, &portable, 2.0 * f64::from(f32::EPSILON), (op, level));
    });
}

#[test]
fn instruction_sets_agree() {
    levels_agree(Exp);
    levels_agree(Log);
    levels_agree(Tanh);
    levels_agree(Sigmoid);
    levels_agree(Erf);
    levels_agree(Gelu);
    levels_agree(GeluTanh);
    levels_agree(Mish);
    levels_agree(Softplus { beta: 1.0, threshold: 20.0 });
    levels_agree(LogSigmoid);
    levels_agree(Elu { alpha: 1.0, rate: 1.0 });
    levels_agree(Sin);
    levels_agree(Atan);
    levels_agree(PowScalar { exponent: 1.7 });
}

/// Where each element of a shape lies in an operand, in row-major order.
fn offsets(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0];
    for (&size, &stride) in shape.iter().zip(strides) {
        offsets = offsets.iter().flat_map(|o| (0..size).map(move |i| o + i * stride)).collect();
    }
    offsets
}

/// Shapes with strides of three operands: contiguous, broadcast, transposed, sliced, and all of them at once.
fn layouts() -> Vec<(Vec<usize>, [Vec<usize>; 3])> {
    let mut layouts = vec![
        (vec![], [vec![], vec![], vec![]]),
        (vec![0], [vec![1], vec![0], vec![3]]),
        (vec![3, 0], [vec![0, 1], vec![1, 3], vec![0, 0]]),
        (vec![5], [vec![0], vec![0], vec![0]]),
        (vec![2, 3, 4, 5], [vec![60, 20, 5, 1], vec![0, 5, 0, 1], vec![1, 2, 6, 24]]),
        (vec![4, 1, 7], [vec![7, 99, 1], vec![1, 0, 4], vec![0, 5, 1]]),
        (vec![3, 2, 600], [vec![1200, 600, 1], vec![0, 1, 0], vec![600, 0, 1]]),
        (vec![3, 2, 600], [vec![2400, 1200, 2], vec![1, 0, 6], vec![0, 0, 0]]),
        (vec![600, 2, 3], [vec![0, 0, 1], vec![0, 1, 0], vec![1, 600, 1200]]),
        (vec![2; 9], [vec![256, 128, 64, 32, 16, 8, 4, 2, 1], vec![1, 0, 1, 0, 1, 0, 1, 0, 1], (0..9).collect()]),
        (vec![2; 11], [vec![0; 11], vec![1, 0, 2, 0, 4, 0, 8, 0, 16, 0, 32], (0..11).map(|i| 1 << i).collect()]),
    ];
    for n in [1, 2, 7, 64, 255, 256, 257, 300, 513, 1100] {
        layouts.push((vec![n], [vec![1], vec![0], vec![2]]));
        layouts.push((vec![n, 3], [vec![3, 1], vec![0, 1], vec![1, 0]]));
        layouts.push((vec![3, n], [vec![n, 1], vec![0, 1], vec![1, 0]]));
        layouts.push((vec![3, n], [vec![1, 3], vec![0, 2], vec![2 * n, 1]]));
    }
    layouts
}

fn needed(shape: &[usize], strides: &[usize]) -> usize {
    offsets(shape, strides).into_iter().max().map_or(0, |last| last + 1)
}

#[test]
fn broadcasting_agrees_with_indexing() {
    for (shape, [sa, sb, sc]) in layouts() {
        for (sa, sb, sc) in [(&sa, &sb, &sc), (&sb, &sc, &sa), (&sc, &sa, &sb)] {
            let a: Vec<i64> = (0..needed(&shape, sa) as i64).collect();
            let b: Vec<i64> = (0..needed(&shape, sb) as i64).map(|i| 3 * i + 1).collect();
            let p: Vec<i64> = (0..needed(&shape, sc)).map(|i| i64::from(i % 3 == 0)).collect();
            let (oa, ob, oc) = (offsets(&shape, sa), offsets(&shape, sb), offsets(&shape, sc));
            let (x, y) = (Strided { data: &a, strides: sa }, Strided { data: &b, strides: sb });
            let mut out = vec![-1; oa.len()];
            binary(Sub, &shape, x, y, &mut out);
            let expected: Vec<i64> = oa.iter().zip(&ob).map(|(&i, &j)| a[i] - b[j]).collect();
            assert_eq!(out, expected, "{shape:?} {sa:?} {sb:?}");
            let mut less = vec![false; oa.len()];
            compare(CompareOp::Lt, &shape, x, y, &mut less);
            assert!(less.iter().zip(&expected).all(|(&less, &difference)| less == (difference < 0)));
            of_words(&shape, [Strided { data: &p, strides: sc }, x, y], &mut out);
            let chosen = oa.iter().zip(&ob).zip(&oc).map(|((&i, &j), &k)| if p[k] != 0 { a[i] } else { b[j] });
            assert_eq!(out, chosen.collect::<Vec<_>>(), "{shape:?} {sa:?} {sb:?} {sc:?}");
        }
    }
}

fn binary_lengths<T: Real + Computed + std::fmt::Debug>(op: BinaryOp) {
    for n in lengths() {
        let (a, b) = (special_numbers::<T>(n, 1), special_numbers::<T>(n, 2));
        on_each_level(|level| {
            let mut expected = Vec::new();
            for (a, b) in a.iter().zip(&b) {
                let mut y = [T::zero()];
                binary(op, &[], Strided { data: &[*a], strides: &[] }, Strided { data: &[*b], strides: &[] }, &mut y);
                expected.push(y[0]);
            }
            let mut y = vec![T::one(); n];
            binary(op, &[n], Strided { data: &a, strides: &[1] }, Strided { data: &b, strides: &[1] }, &mut y);
            assert_same(&y, &expected, (level, n));
        });
    }
}

#[test]
fn binary_of_every_length() {
    binary_lengths::<f32>(Div);
    binary_lengths::<f64>(Max);
    binary_lengths::<f32>(Pow);
}

#[test]
fn slopes_of_every_length() {
    for n in lengths() {
        let (g, x) = (special_numbers::<f32>(n, 1), special_numbers::<f32>(n, 2));
        on_each_level(|level| {
            let (mut y, mut expected) = (vec![1.0; n], vec![0.0; n]);
            slope(GeluTanh, &g, &x, &mut y);
            for (i, expected) in expected.iter_mut().enumerate() {
                slope(GeluTanh, &g[i..=i], &x[i..=i], std::slice::from_mut(expected));
            }
            assert_same(&y, &expected, (level, n));
        });
    }
}

#[test]
fn sums_in_place_of_every_length() {
    for n in lengths() {
        let (a, b) = (special_numbers::<f32>(n, 1), special_numbers::<f32>(n, 2));
        on_each_level(|level| {
            for factor in [1.0_f32, -0.3] {
                let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + factor * b).collect();
                let mut y = a.clone();
                accumulate(f64::from(factor), &b, &mut y);
                assert_same(&y, &expected, (level, n));
            }
        });
    }
}

#[test]
fn large_broadcasting_does_not_depend_on_the_number_of_threads() {
    let (rows, cols) = if cfg!(miri) { (9, 11) } else { (300, 1001) };
    let (a, b) = (numbers::<f32>(rows * cols, 1), numbers::<f32>(rows.max(cols), 2));
    for strides in [[cols, 1], [1, rows]] {
        for other in [[0, 1], [1, 0]] {
            assert_same_on_two_threads(|| {
                let mut y = vec![0.0; rows * cols];
                let (x, z) = (Strided { data: &a, strides: &strides }, Strided { data: &b, strides: &other });
                binary(Atan2, &[rows, cols], x, z, &mut y);
                y
            });
        }
    }
}
