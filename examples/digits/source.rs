//! Where the pictures come from.

use std::path::Path;

use demotic::data::{Channels, Dataset, ImageDataset, Table, read_mnist};
use demotic::{Error, Result, Rng, Tensor};

use crate::options::Options;

/// 1,797 digits of 8 by 8 pixels, written by 43 people: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, 1998, UCI
/// Machine Learning Repository (CC BY 4.0), as scikit-learn distributes them. Found from where the example is run, or from the sources.
const DIGITS: &str = "examples/data/digits.csv";

/// What is learnt from, what is tested with, and the names of the classes.
pub struct Parts {
    pub train: ImageDataset,
    pub test: ImageDataset,
    pub classes: Vec<String>,
}

pub fn read(options: &Options, rng: &mut Rng) -> Result<Parts> {
    match &options.data {
        None => {
            let path = Path::new(DIGITS);
            let path =
                if path.exists() { path.to_path_buf() } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(DIGITS) };
            parted(digits(&path)?, (0..10).map(|digit| digit.to_string()).collect(), rng)
        }
        Some(folder) if has_idx_files(folder) => {
            let part = |train| read_mnist(folder, train).and_then(|(x, y)| ImageDataset::new(x, y));
            let (train, test) = (part(true)?, part(false)?);
            let count = train.labels().iter().chain(test.labels()).max().map_or(0, |last| last + 1);
            Ok(Parts { train, test, classes: (0..count).map(|class| class.to_string()).collect() })
        }
        Some(folder) => {
            let data = ImageDataset::open_folder(folder, Channels::Gray)?;
            let classes = data.classes().to_vec();
            parted(data, classes, rng)
        }
    }
}

fn has_idx_files(folder: &Path) -> bool {
    ["train-images-idx3-ubyte", "train-images.idx3-ubyte"].iter().any(|name| folder.join(name).exists())
}

/// The table, whose rows are 64 grey levels from 0 to 16 and the digit.
fn digits(path: &Path) -> Result<ImageDataset> {
    let table = Table::read_csv(path)?;
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

/// A fifth of each class to test with.
fn parted(data: ImageDataset, classes: Vec<String>, rng: &mut Rng) -> Result<Parts> {
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for class in 0..classes.len() as i64 {
        let mut members: Vec<usize> = (0..data.len()).filter(|i| data.labels()[*i] == class).collect();
        rng.shuffle(&mut members);
        let rest = members.split_off(members.len() / 5);
        test.extend(members);
        train.extend(rest);
    }
    if test.is_empty() {
        return Err(Error::argument("digits", "fewer than five pictures of each class: none are left to test with"));
    }
    Ok(Parts { train: data.subset(&train)?, test: data.subset(&test)?, classes })
}
