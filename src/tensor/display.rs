//! Tensors as text, in NumPy's manner: aligned columns, long rows wrapped, long dimensions shortened, then shape and
//! type.

use std::fmt;

use half::{bf16, f16};

use super::Tensor;
use super::dtype::{Element, with_element};

/// Above this many elements, long dimensions are shortened …
const SUMMARIZE_ABOVE: usize = 1000;
/// … to this many entries at either end.
const EDGE: usize = 3;
/// Digits behind the decimal point at the most.
const PRECISION: usize = 4;
/// Columns of a line.
const LINE: usize = 75;
/// Numbers whose sizes differ by a larger factor are shown with exponents.
const WIDEST_RANGE: f64 = 1e6;

/// Like NumPy's `array2string` with `separator=', '` and four decimals, and a line with shape and type.
///
/// All numbers have as many decimals as the one that needs most; `{:.2}` limits them to two. Exponents are used for
/// numbers from 10⁸ on or below 10⁻⁴, or whose sizes differ by more than a factor of 10⁶.
///
/// ```
/// use demotic::tensor;
///
/// assert_eq!(tensor![[1.0, 2.5], [-3.0, 4.0]].to_string(), "\
/// [[ 1.0,  2.5],
///  [-3.0,  4.0]]
/// [2, 2] f32");
/// ```
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            f.write_str("[]")?;
        } else {
            Grid::new(self, f.precision().unwrap_or(PRECISION)).write(f)?;
        }
        write!(f, "\n{:?} {}", self.shape(), self.dtype())
    }
}

impl Tensor {
    /// Shows the tensor in a notebook of the Rust kernel of Jupyter, which calls this for the value of a cell: as it is printed.
    pub fn evcxr_display(&self) {
        crate::html::show(&crate::html::preformatted(self));
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({self})")
    }
}

/// The printed elements of a tensor that has some.
struct Grid {
    /// For each dimension, which indices are printed.
    shown: Vec<Vec<usize>>,
    /// The printed elements in row-major order.
    cells: Vec<String>,
    width: usize,
}

impl Grid {
    fn new(x: &Tensor, precision: usize) -> Self {
        let shorten = x.numel() > SUMMARIZE_ABOVE;
        let visible = |n: usize| {
            if shorten && n > 2 * EDGE { (0..EDGE).chain(n - EDGE..n).collect() } else { (0..n).collect::<Vec<_>>() }
        };
        let shown: Vec<_> = x.shape().iter().map(|n| visible(*n)).collect();
        let mut places = vec![0];
        for (indices, stride) in shown.iter().zip(x.strides()) {
            places = places.iter().flat_map(|place| indices.iter().map(move |i| place + i * stride)).collect();
        }
        let cells = with_element!(x.dtype(), T => {
            let elements = x.data::<T>();
            let values: Vec<T> = places.iter().map(|place| elements[*place]).collect();
            T::cells(&values, precision)
        });
        let width = cells.iter().map(String::len).max().unwrap_or(0);
        Self { shown, cells, width }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cells.as_slice() {
            [cell] if self.shown.is_empty() => f.write_str(cell),
            cells => self.write_dim(f, 0, cells),
        }
    }

    /// Writes dimension `dim` of a part of the grid.
    fn write_dim(&self, f: &mut fmt::Formatter<'_>, dim: usize, cells: &[String]) -> fmt::Result {
        let (indices, rank) = (&self.shown[dim], self.shown.len());
        if dim + 1 == rank {
            return self.write_row(f, indices, cells);
        }
        // Between rows: a line break, one more for each further level, and the brackets' indentation.
        let separator = format!(",{}{}", "\n".repeat(rank - dim - 1), " ".repeat(dim + 1));
        f.write_str("[")?;
        for (k, part) in cells.chunks(cells.len() / indices.len()).enumerate() {
            if k > 0 {
                f.write_str(&separator)?;
                if is_gap(indices, k) {
                    write!(f, "...{separator}")?;
                }
            }
            self.write_dim(f, dim + 1, part)?;
        }
        f.write_str("]")
    }

    fn write_row(&self, f: &mut fmt::Formatter<'_>, indices: &[usize], cells: &[String]) -> fmt::Result {
        let (rank, width) = (self.shown.len(), self.width);
        // Room for the comma or bracket behind the last column, and for the brackets that may close other dimensions.
        let end = LINE.saturating_sub(rank);
        let mut column = rank;
        let mut write = |f: &mut fmt::Formatter<'_>, text: &str, width: usize, is_first: bool| {
            if !is_first {
                f.write_str(",")?;
                let wrap = column + width > end && column > rank;
                f.write_str(if wrap { "\n" } else { " " })?;
                if wrap {
                    write!(f, "{:rank$}", "")?;
                    column = rank;
                }
            }
            column += width + 2;
            write!(f, "{text:>width$}")
        };
        f.write_str("[")?;
        for (k, cell) in cells.iter().enumerate() {
            if is_gap(indices, k) {
                write(f, "...", 3, false)?;
            }
            write(f, cell, width, k == 0)?;
        }
        f.write_str("]")
    }
}

/// Whether indices are left out before the `k`-th printed one.
fn is_gap(indices: &[usize], k: usize) -> bool {
    k > 0 && indices[k] != indices[k - 1] + 1
}

/// Elements that can be printed side by side.
trait Cells: Element {
    /// One text for each value, all in the same notation.
    fn cells(values: &[Self], precision: usize) -> Vec<String>;
}

macro_rules! cells {
    ($($t:ty: |$values:ident, $precision:pat_param| $cells:expr;)*) => {$(
        impl Cells for $t {
            fn cells($values: &[Self], $precision: usize) -> Vec<String> {
                $cells
            }
        }
    )*};
}
cells! {
    f32: |values, precision| float_cells(values, precision);
    f64: |values, precision| float_cells(values, precision);
    bf16: |values, precision| float_cells(&values.iter().map(|x| x.to_f32()).collect::<Vec<_>>(), precision);
    f16: |values, precision| float_cells(&values.iter().map(|x| x.to_f32()).collect::<Vec<_>>(), precision);
    i64: |values, _| values.iter().map(ToString::to_string).collect();
    i32: |values, _| values.iter().map(ToString::to_string).collect();
    i8: |values, _| values.iter().map(ToString::to_string).collect();
    u8: |values, _| values.iter().map(ToString::to_string).collect();
    bool: |values, _| values.iter().map(ToString::to_string).collect();
}

/// With equally many decimals: as many as the shortest exact text of each number needs, but at most `precision`, and at
/// least one, which marks a fraction.
fn float_cells<T: Copy + Into<f64> + fmt::Display + fmt::LowerExp>(values: &[T], precision: usize) -> Vec<String> {
    let exponents = needs_exponents(values);
    let exact = |x: T| if exponents { format!("{x:e}") } else { x.to_string() };
    let digits = values.iter().map(|x| exponent_of(&exact(*x)).len()).max().unwrap_or(0).max(2);
    let rounded = |x: T, decimals: usize| {
        if exponents { spell_exponent(&format!("{x:.decimals$e}"), digits) } else { format!("{x:.decimals$}") }
    };
    let needed = |x: T| decimals_of(&rounded(x, decimals_of(&exact(x)).min(precision)));
    let finite = values.iter().copied().filter(|x| Into::<f64>::into(*x).is_finite());
    let decimals = finite.map(needed).max().unwrap_or(0).max(1).min(precision);
    values.iter().map(|x| rounded(*x, decimals).to_lowercase()).collect()
}

fn needs_exponents<T: Copy + Into<f64>>(values: &[T]) -> bool {
    let sizes = values.iter().map(|x| Into::<f64>::into(*x).abs()).filter(|x| x.is_finite() && *x > 0.0);
    let (low, high) = sizes.fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    high >= 1e8 || (high > 0.0 && (low < 1e-4 || high / low > WIDEST_RANGE))
}

/// How many digits follow the decimal point, without zeros at the end.
fn decimals_of(number: &str) -> usize {
    let mantissa = number.split('e').next().unwrap_or_default();
    mantissa.split_once('.').map_or(0, |(_, digits)| digits.trim_end_matches('0').len())
}

/// The digits of the exponent, if there is one.
fn exponent_of(number: &str) -> &str {
    number.split_once('e').map_or("", |(_, exponent)| exponent.trim_start_matches('-'))
}

/// Gives an exponent a sign and so many digits.
fn spell_exponent(number: &str, digits: usize) -> String {
    let Some((mantissa, exponent)) = number.split_once('e') else { return number.to_owned() };
    let sign = if exponent.starts_with('-') { '-' } else { '+' };
    format!("{mantissa}e{sign}{:0>digits$}", exponent_of(number))
}

#[cfg(test)]
mod tests {
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
}
