//! Tensors as text, in NumPy's manner: aligned columns, long dimensions shortened, then shape and type.

use std::fmt;

use super::Tensor;
use super::dtype::DType;

/// Above this many elements, long dimensions are shortened …
const SUMMARIZE_ABOVE: usize = 1000;
/// … to this many entries at either end.
const EDGE: usize = 3;
/// Digits behind the decimal point at the most.
const PRECISION: usize = 4;

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
        let shown = self.visible_indices();
        let mut values = Vec::new();
        self.gather_visible(&shown, 0, self.layout().offset, &mut values);
        let cells = format_values(&values, self.dtype());
        let width = cells.iter().map(String::len).max().unwrap_or(0);
        let mut cells = cells.iter();
        self.write_dim(f, &shown, 0, width, &mut cells)?;
        write!(f, "\n{:?} {}", self.shape(), self.dtype())
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({self})")
    }
}

impl Tensor {
    /// For each dimension, which indices are printed.
    fn visible_indices(&self) -> Vec<Vec<usize>> {
        let shorten = self.numel() > SUMMARIZE_ABOVE;
        let visible = |n: usize| {
            if shorten && n > 2 * EDGE { (0..EDGE).chain(n - EDGE..n).collect() } else { (0..n).collect() }
        };
        self.shape().iter().map(|n| visible(*n)).collect()
    }

    fn gather_visible(&self, shown: &[Vec<usize>], dim: usize, offset: usize, values: &mut Vec<f64>) {
        match shown.get(dim) {
            None => {
                let one = self.with_layout(super::Layout { offset, ..super::Layout::new(super::Dims::EMPTY) });
                values.extend(one.to_f64_vec());
            }
            Some(indices) => {
                for i in indices {
                    self.gather_visible(shown, dim + 1, offset + i * self.strides()[dim], values);
                }
            }
        }
    }

    fn write_dim<'a>(
        &self,
        f: &mut fmt::Formatter<'_>,
        shown: &[Vec<usize>],
        dim: usize,
        width: usize,
        cells: &mut impl Iterator<Item = &'a String>,
    ) -> fmt::Result {
        let Some(indices) = shown.get(dim) else {
            return write!(f, "{:>width$}", cells.next().map_or("", String::as_str));
        };
        let last = dim + 1 == shown.len();
        // Between rows: a line break, one more for each further level, and the brackets' indentation.
        let separator = if last {
            ", ".to_string()
        } else {
            format!(",{}{}", "\n".repeat(shown.len() - dim - 1), " ".repeat(dim + 1))
        };
        f.write_str("[")?;
        for (k, &i) in indices.iter().enumerate() {
            if k > 0 {
                f.write_str(&separator)?;
                if i != indices[k - 1] + 1 {
                    write!(f, "...{separator}")?;
                }
            }
            self.write_dim(f, shown, dim + 1, width, cells)?;
        }
        f.write_str("]")
    }
}

fn format_values(values: &[f64], dtype: DType) -> Vec<String> {
    match dtype {
        DType::Bool => values.iter().map(|x| (*x != 0.0).to_string()).collect(),
        DType::I64 | DType::U8 => values.iter().map(|x| format!("{x:.0}")).collect(),
        _ => format_floats(values),
    }
}

/// All in the same notation, with as many decimals as the value that needs most, up to [`PRECISION`].
fn format_floats(values: &[f64]) -> Vec<String> {
    let sizes = || values.iter().map(|x| x.abs()).filter(|x| x.is_finite() && *x > 0.0);
    let (low, high) = sizes().fold((f64::INFINITY, 0.0f64), |(low, high), x| (low.min(x), high.max(x)));
    let scientific = high >= 1e8 || (high > 0.0 && (low < 1e-4 || high / low > 1e6));
    if scientific {
        return values.iter().map(|x| if x.is_finite() { format!("{x:.PRECISION$e}") } else { plain(*x, 0) }).collect();
    }
    let decimals = values.iter().filter(|x| x.is_finite()).map(|x| decimals(*x)).max().unwrap_or(1);
    values.iter().map(|x| plain(*x, decimals)).collect()
}

fn plain(x: f64, decimals: usize) -> String {
    if x.is_nan() { "nan".into() } else { format!("{x:.decimals$}") }
}

/// How many decimals `x` needs, rounded to [`PRECISION`] of them; at least one, which marks it as a fraction.
fn decimals(x: f64) -> usize {
    let text = format!("{x:.PRECISION$}");
    let trimmed = text.trim_end_matches('0');
    trimmed.split('.').nth(1).map_or(1, |digits| digits.len().max(1))
}
