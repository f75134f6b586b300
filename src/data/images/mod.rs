//! Data sets of pictures: in memory, or in a folder for each class; what is done to them before they are learnt from.

mod augment;
mod colour;
mod files;
#[cfg(feature = "image")]
mod folder;
mod geometry;
mod pixels;
mod resample;
mod step;
mod transform;

pub use files::{read_cifar10, read_cifar100, read_idx, read_mnist};
#[cfg(feature = "image")]
pub use folder::{Channels, read_image, write_image};
pub(crate) use pixels::Pixels;
pub use resample::Resample;
pub(crate) use resample::resized;
pub use transform::{Amount, Transforms};

use std::fmt;

use super::dataset::Dataset;
use crate::error::{Error, Here, Result};
use crate::parallel;
use crate::rng::Rng;
use crate::tensor::create::check_list;
use crate::tensor::{DType, Tensor};

/// Pictures with classes, each of which goes through [`Transforms`] when it is asked for: a [`Dataset`] of pictures
/// `[n, channels, height, width]` (`F32`, bytes as shares of 255) and class numbers `[n]` (`I64`).
///
/// The pictures of a batch are made on all threads. Each has a generator of its own, which depends on that of the batch and on its
/// place in it: so the same seed gives the same bits, however many threads there are.
///
/// ```
/// use demotic::data::{Dataset, ImageDataset, Transforms};
/// use demotic::{DType, Rng, Tensor};
///
/// let bytes = Tensor::full([10, 1, 8, 8], 255.0)?.to_dtype(DType::U8);
/// let labels = Tensor::arange(10)?;
/// let data = ImageDataset::new(bytes, labels)?.transform(Transforms::new().random_crop([8, 8], 1));
/// for batch in data.batches(4).shuffle(&mut Rng::seed(0)) {
///     let (x, y) = batch?;
///     assert_eq!(x.shape()[1..], [1, 8, 8]);
///     assert_eq!(x.shape()[0], y.shape()[0]);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
///
#[cfg_attr(feature = "image", doc = "[`open_folder`](Self::open_folder) reads folders of PNG and JPEG files,")]
#[cfg_attr(
    not(feature = "image"),
    doc = "With the feature `image`, `open_folder` reads folders of PNG and JPEG files;"
)]
/// [`read_mnist`], [`read_cifar10`] and [`read_idx`] those in which data sets are published.
#[derive(Clone)]
pub struct ImageDataset {
    source: Source,
    labels: Vec<i64>,
    classes: Vec<String>,
    transform: Transforms,
}

/// Where the pictures are.
#[derive(Clone)]
enum Source {
    Memory(Tensor),
    #[cfg(feature = "image")]
    Files(folder::Files),
}

impl Source {
    /// Picture `i`, `[channels, height, width]`.
    #[track_caller]
    fn picture(&self, i: usize) -> Result<Tensor> {
        match self {
            Self::Memory(x) => {
                let x = x.select(0, i as isize)?;
                let scale = if x.dtype() == DType::U8 { 1.0 / 255.0 } else { 1.0 };
                Ok(x.to_dtype(DType::F32).mul_scalar(scale))
            }
            #[cfg(feature = "image")]
            Self::Files(files) => files.read(i),
        }
    }

    /// What picture `i` is called in errors.
    fn name(&self, i: usize) -> String {
        match self {
            Self::Memory(_) => format!("picture {i}"),
            #[cfg(feature = "image")]
            Self::Files(files) => files.name(i),
        }
    }
}

impl ImageDataset {
    /// Pictures in memory, `[n, channels, height, width]` or `[n, height, width]`, and their class numbers `[n]`. Bytes (`U8`) are
    /// divided by 255; other types are taken as they are.
    ///
    /// # Errors
    /// If the shapes do not fit each other, a picture has no pixels, or the classes are no `I64` from 0 on.
    #[track_caller]
    pub fn new(x: Tensor, y: Tensor) -> Result<Self> {
        let x = if x.rank() == 3 { x.unsqueeze(1)? } else { x };
        let fits = x.rank() == 4 && y.rank() == 1 && x.shape()[0] == y.shape()[0] && !x.shape()[1..].contains(&0);
        if !fits {
            let message = format!("pictures of shape {:?} and classes of shape {:?}", x.shape(), y.shape());
            return Err(
                Error::shape("ImageDataset", message).with_help("expected [n, channels, height, width] and [n]")
            );
        }
        if y.dtype() != DType::I64 {
            return Err(Error::dtype("ImageDataset", format!("classes of {}, expected i64", y.dtype())));
        }
        let labels = y.to_vec::<i64>()?;
        if let Some((i, label)) = labels.iter().enumerate().find(|(_, label)| **label < 0) {
            return Err(Error::index("ImageDataset", format!("class {label} (element {i}), expected 0 or more")));
        }
        Ok(Self { source: Source::Memory(x.detach()), labels, classes: Vec::new(), transform: Transforms::new() })
    }

    /// The same pictures, which go through these steps.
    #[must_use]
    pub fn transform(mut self, transform: Transforms) -> Self {
        self.transform = transform;
        self
    }

    /// The names of the classes by their numbers, where the source has names.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The class number of each picture.
    #[must_use]
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// The pictures with these numbers, in this order, with the same classes and steps: for a part of the data.
    ///
    /// # Errors
    /// If one does not exist.
    #[track_caller]
    pub fn subset(&self, numbers: &[usize]) -> Result<Self> {
        if let Some(wrong) = numbers.iter().find(|i| **i >= self.labels.len()) {
            let message = format!("picture {wrong} of a dataset of {}, counted from 0", self.labels.len());
            return Err(Error::index("subset", message));
        }
        let labels = numbers.iter().map(|i| self.labels[*i]).collect();
        let source = match &self.source {
            Source::Memory(x) => {
                let index = Tensor::from_vec(numbers.iter().map(|i| *i as i64).collect(), [numbers.len()])?;
                Source::Memory(x.index_select(0, &index)?)
            }
            #[cfg(feature = "image")]
            Source::Files(files) => Source::Files(files.subset(numbers)),
        };
        Ok(Self { source, labels, classes: self.classes.clone(), transform: self.transform.clone() })
    }

    /// One picture as it is before its steps, `[channels, height, width]`.
    ///
    /// # Errors
    /// If there is none of this number, or its file cannot be read.
    #[track_caller]
    pub fn picture(&self, i: usize) -> Result<Tensor> {
        if i >= self.labels.len() {
            let message = format!("picture {i} of a dataset of {}, counted from 0", self.labels.len());
            return Err(Error::index("picture", message));
        }
        self.source.picture(i).here()
    }

    #[track_caller]
    fn prepared(&self, i: usize, mut rng: Rng) -> Result<Tensor> {
        let picture = self.source.picture(i)?;
        self.transform.apply(&picture, &mut rng).within(self.source.name(i))
    }
}

impl Dataset for ImageDataset {
    type Batch = (Tensor, Tensor);

    fn len(&self) -> usize {
        self.labels.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<(Tensor, Tensor)> {
        check_list("batch", "pictures", indices.len(), 1024)?;
        if let Some(wrong) = indices.iter().find(|i| **i >= self.labels.len()) {
            let message = format!("picture {wrong} of a dataset of {}, counted from 0", self.labels.len());
            return Err(Error::index("batch", message));
        }
        let base = rng.split();
        let mut made: Vec<Option<Result<Tensor>>> = indices.iter().map(|_| None).collect();
        let work: Vec<_> = made.iter_mut().zip(indices).enumerate().collect();
        parallel::for_each(work, &|(place, (slot, i))| *slot = Some(self.prepared(*i, base.fork(place as u64))));
        let mut pictures = Vec::with_capacity(made.len());
        for (picture, i) in made.into_iter().flatten().zip(indices) {
            let picture = picture.outside()?;
            if let Some(first) = pictures.first().filter(|first: &&Tensor| first.shape() != picture.shape()) {
                let (name, shape) = (self.source.name(*i), picture.shape());
                let message = format!("{name} has shape {shape:?}, the first of its batch {:?}", first.shape());
                return Err(Error::shape("batch", message).with_help("bring all to one size: resize, or crop"));
            }
            pictures.push(picture);
        }
        let labels = Tensor::from_vec(indices.iter().map(|i| self.labels[*i]).collect(), [indices.len()])?;
        if pictures.is_empty() {
            return Err(Error::argument("batch", "no pictures"));
        }
        Ok((Tensor::stack(&pictures.iter().collect::<Vec<_>>(), 0)?, labels))
    }
}

impl fmt::Debug for ImageDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageDataset({} pictures", self.labels.len())?;
        if !self.classes.is_empty() {
            write!(f, " of {} classes", self.classes.len())?;
        }
        f.write_str(")")
    }
}
