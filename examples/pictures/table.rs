//! The handwritten digits of `examples/data/digits.csv`.

use std::path::Path;

use demotic::data::{ImageDataset, Table};
use demotic::{Error, Result, Tensor};

/// 1,797 digits of 8 by 8 pixels, written by 43 people: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, 1998, UCI
/// Machine Learning Repository (CC BY 4.0), as scikit-learn distributes them. Found from where the example is run, or from the sources.
const DIGITS: &str = "examples/data/digits.csv";

/// The digits, with grey levels from 0 to 1. The rows of the table are 64 levels from 0 to 16, and the digit.
pub fn digits() -> Result<ImageDataset> {
    let path = Path::new(DIGITS);
    let path = if path.exists() { path.to_path_buf() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(DIGITS) };
    let table = Table::read_csv(&path)?;
    let columns: Vec<&[f64]> = table.columns().filter_map(|(_, column)| column.numbers()).collect();
    let n = table.num_rows();
    let ([pixels @ .., digit], 65) = (columns.as_slice(), columns.len()) else {
        return Err(Error::format(
            "digits",
            format!("{}: expected 64 columns of pixels and the digit", path.display()),
        ));
    };
    let levels = (0..n).flat_map(|row| pixels.iter().map(move |pixel| (pixel[row] / 16.0) as f32));
    let x = Tensor::from_vec(levels.collect(), [n, 1, 8, 8])?;
    let y = Tensor::from_vec(digit.iter().map(|digit| *digit as i64).collect(), [n])?;
    ImageDataset::new(x, y)
}
