use super::*;
use crate::{DType, tensor};

/// The text without the last line, which is compared with shape and type.
#[track_caller]
fn text(x: &Tensor) -> String {
    let all = x.to_string();
    let (text, last) = all.rsplit_once('\n').unwrap();
    assert_eq!(last, format!("{:?} {}", x.shape(), x.dtype()));
    text.to_owned()
}

fn numbers(values: &[f64]) -> String {
    text(&Tensor::from_slice(values, values.len()).unwrap())
}

fn range(n: usize, shape: &[usize]) -> Tensor {
    Tensor::arange(n).unwrap().reshape(shape).unwrap()
}

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

#[test]
fn shape_and_type_close_the_text() {
    assert_eq!(tensor![[1.0, 2.5], [-3.0, 4.0]].to_string(), "[[ 1.0,  2.5],\n [-3.0,  4.0]]\n[2, 2] f32");
    assert_eq!(Tensor::scalar(3.5).to_string(), "3.5\n[] f32");
    assert_eq!(format!("{:?}", tensor![1.0]), "Tensor([1.0]\n[1] f32)");
}

#[test]
fn every_type_has_its_text() {
    let x = tensor![0.0, 1.0, 255.0];
    for (dtype, expected) in [
        (DType::F32, "[  0.0,   1.0, 255.0]"),
        (DType::F64, "[  0.0,   1.0, 255.0]"),
        (DType::BF16, "[  0.0,   1.0, 255.0]"),
        (DType::F16, "[  0.0,   1.0, 255.0]"),
        (DType::I64, "[  0,   1, 255]"),
        (DType::I32, "[  0,   1, 255]"),
        (DType::I8, "[  0,   1, 127]"),
        (DType::U8, "[  0,   1, 255]"),
        (DType::Bool, "[false,  true,  true]"),
    ] {
        assert_eq!(text(&x.to_dtype(dtype)), expected);
    }
    // 0.1 in 8 and in 11 bits.
    assert_eq!(text(&tensor![0.1].to_dtype(DType::BF16)), "[0.1001]");
    assert_eq!(text(&tensor![0.1].to_dtype(DType::F16)), "[0.1]");
    assert_eq!(text(&tensor![3.4e38].to_dtype(DType::F16)), "[inf]");
}

/// NumPy's text, except that whole numbers have a zero behind the point.
#[test]
fn floats_have_as_many_decimals_as_one_needs() {
    assert_eq!(numbers(&[1.0, 2.0]), "[1.0, 2.0]");
    assert_eq!(numbers(&[1.0 / 3.0, 100.0]), "[  0.3333, 100.0000]");
    assert_eq!(numbers(&[0.99999, 0.5]), "[1.0, 0.5]");
    assert_eq!(numbers(&[1.00005, 1.0]), "[1.0001, 1.0000]");
    assert_eq!(numbers(&[-0.0, 1.0]), "[-0.0,  1.0]");
    assert_eq!(numbers(&[99_999_999.99]), "[99999999.99]");
    // Not 123456.7890625, which is what this number is.
    assert_eq!(text(&tensor![123456.789, 1000.0]), "[123456.79,   1000.00]");
    assert_eq!(text(&tensor![0.1, 0.7]), "[0.1, 0.7]");
}

#[test]
fn nan_and_infinity_are_aligned() {
    assert_eq!(numbers(&[NAN, 1.0, INF, -INF]), "[ nan,  1.0,  inf, -inf]");
    assert_eq!(numbers(&[NAN, 1e9, INF, -INF]), "[    nan, 1.0e+09,     inf,    -inf]");
    assert_eq!(numbers(&[NAN, NAN]), "[nan, nan]");
    assert_eq!(text(&Tensor::scalar(-INF)), "-inf");
}

#[test]
fn wide_ranges_have_exponents() {
    assert_eq!(numbers(&[1e9, 1.0]), "[1.0e+09, 1.0e+00]");
    assert_eq!(numbers(&[1e-5, 1.0]), "[1.0e-05, 1.0e+00]");
    assert_eq!(numbers(&[1.23456e9, 1.0]), "[1.2346e+09, 1.0000e+00]");
    assert_eq!(numbers(&[9.99999e9]), "[1.0e+10]");
    assert_eq!(numbers(&[1e100, 1e-100, -1.0]), "[ 1.0e+100,  1.0e-100, -1.0e+000]");
    assert_eq!(text(&tensor![3.4e38, -1e-38]), "[ 3.4e+38, -1.0e-38]");
    assert_eq!(text(&tensor![1e-42]), "[1.0e-42]");
    assert_eq!(numbers(&[0.0, 0.0]), "[0.0, 0.0]");
    assert_eq!(numbers(&[1e8]), "[1.0e+08]");
    assert_eq!(numbers(&[5.0, 0.001]), "[5.000, 0.001]");
    assert_eq!(numbers(&[1000.0, 0.001]), "[1000.000,    0.001]");
    assert_eq!(numbers(&[1001.0, 0.001]), "[1.001e+03, 1.000e-03]");
}

#[test]
fn decimals_can_be_limited() {
    let x = tensor![1.23456, 2.0];
    assert_eq!(format!("{x:.2}"), "[1.23, 2.00]\n[2] f32");
    assert_eq!(format!("{x:.0}"), "[1, 2]\n[2] f32");
    assert_eq!(format!("{x:.60000}"), "[1.23456, 2.00000]\n[2] f32");
}

#[test]
fn integers_are_exact() {
    let x = Tensor::from_nested([i64::MAX, i64::MIN, (1 << 53) + 1]).unwrap();
    assert_eq!(text(&x), "[ 9223372036854775807, -9223372036854775808,     9007199254740993]");
}

#[test]
fn nested_dimensions_are_indented() {
    assert_eq!(text(&range(8, &[2, 2, 2])), "[[[0, 1],\n  [2, 3]],\n\n [[4, 5],\n  [6, 7]]]");
    assert_eq!(text(&range(2, &[2, 1, 1, 1])), "[[[[0]]],\n\n\n [[[1]]]]");
}

#[test]
fn views_are_printed_as_they_look() {
    let x = range(12, &[3, 4]);
    assert_eq!(text(&x.t()), "[[ 0,  4,  8],\n [ 1,  5,  9],\n [ 2,  6, 10],\n [ 3,  7, 11]]");
    assert_eq!(text(&tensor![[1.0], [2.0]].broadcast_to([2, 2]).unwrap()), "[[1.0, 1.0],\n [2.0, 2.0]]");
}

#[test]
fn nothing_is_a_pair_of_brackets() {
    assert_eq!(Tensor::zeros([0]).unwrap().to_string(), "[]\n[0] f32");
    assert_eq!(Tensor::zeros([2, 0]).unwrap().to_string(), "[]\n[2, 0] f32");
    let huge = Tensor::zeros([usize::MAX / 1024, 0]).unwrap();
    assert_eq!(text(&huge), "[]");
}

#[test]
fn long_rows_are_wrapped() {
    assert_eq!(
        text(&range(40, &[40])),
        "\
[ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
 36, 37, 38, 39]"
    );
    assert_eq!(
        text(&range(80, &[2, 40])),
        "\
[[ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
  18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
  36, 37, 38, 39],
 [40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57,
  58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75,
  76, 77, 78, 79]]"
    );
}

#[test]
fn brackets_take_their_room_from_the_line() {
    let x = (range(240, &[2, 2, 1, 3, 20]).to_dtype(DType::F64) / 8.0).to_string();
    let start = "\
[[[[[ 0.000,  0.125,  0.250,  0.375,  0.500,  0.625,  0.750,  0.875,
      1.000,  1.125,  1.250,  1.375,  1.500,  1.625,  1.750,  1.875,
      2.000,  2.125,  2.250,  2.375],
    [ 2.500,  2.625,  2.750,  2.875,  3.000,  3.125,  3.250,  3.375,";
    assert!(x.starts_with(start), "{x}");
}

#[test]
fn large_tensors_are_shortened() {
    assert_eq!(text(&range(1001, &[1001])), "[   0,    1,    2, ...,  998,  999, 1000]");
    assert_eq!(text(&range(1000, &[1000])).lines().count(), 67);
    assert_eq!(
        text(&range(2000, &[40, 50])),
        "\
[[   0,    1,    2, ...,   47,   48,   49],
 [  50,   51,   52, ...,   97,   98,   99],
 [ 100,  101,  102, ...,  147,  148,  149],
 ...,
 [1850, 1851, 1852, ..., 1897, 1898, 1899],
 [1900, 1901, 1902, ..., 1947, 1948, 1949],
 [1950, 1951, 1952, ..., 1997, 1998, 1999]]"
    );
    assert_eq!(
        text(&range(2000, &[10, 2, 100])),
        "\
[[[   0,    1,    2, ...,   97,   98,   99],
  [ 100,  101,  102, ...,  197,  198,  199]],

 [[ 200,  201,  202, ...,  297,  298,  299],
  [ 300,  301,  302, ...,  397,  398,  399]],

 [[ 400,  401,  402, ...,  497,  498,  499],
  [ 500,  501,  502, ...,  597,  598,  599]],

 ...,

 [[1400, 1401, 1402, ..., 1497, 1498, 1499],
  [1500, 1501, 1502, ..., 1597, 1598, 1599]],

 [[1600, 1601, 1602, ..., 1697, 1698, 1699],
  [1700, 1701, 1702, ..., 1797, 1798, 1799]],

 [[1800, 1801, 1802, ..., 1897, 1898, 1899],
  [1900, 1901, 1902, ..., 1997, 1998, 1999]]]"
    );
    let wide = Tensor::scalar(1.0).broadcast_to([1 << 12, 1 << 12]).unwrap();
    assert_eq!(text(&wide).lines().count(), 7);
}
