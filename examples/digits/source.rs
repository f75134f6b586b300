//! Where the pictures come from.

#[path = "../pictures/table.rs"]
mod table;

use std::path::Path;

use demotic::data::{Channels, Dataset, ImageDataset, read_mnist};
use demotic::{Error, Result, Rng};

use crate::options::Options;

/// What is learnt from, what is tested with, and the names of the classes.
pub struct Parts {
    pub train: ImageDataset,
    pub test: ImageDataset,
    pub classes: Vec<String>,
}

pub fn read(options: &Options, rng: &mut Rng) -> Result<Parts> {
    match &options.data {
        None => parted(table::digits()?, (0..10).map(|digit| digit.to_string()).collect(), rng),
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
