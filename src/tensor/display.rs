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
mod tests;
