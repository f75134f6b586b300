//! Pictures in, classes out.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::table::in_type_of;
use super::{ClassPrediction, IMAGES, expect_logits};
#[cfg(feature = "image")]
use crate::data::{Channels, read_image};
use crate::data::{Dataset, ImageDataset, Transforms};
use crate::error::{Error, Here, Result};
use crate::io::{Attachment, Metadata, ModelFile};
use crate::layers::{Architecture, IntoLayer, Layer, LayerExt, register};
use crate::models::{ConvNet, ConvNext, DenseNet, EfficientNet, LeNet, MobileNetV2, MobileNetV3, ResNet, Vgg};
use crate::tensor::{DType, Tensor};

/// Pictures that go through the model at once.
const AT_ONCE: usize = 32;
/// The longest side.
const LONGEST: usize = 1 << 14;

/// How pictures are brought to what a model takes: their size, and the mean and deviation of their channels.
///
/// ```
/// use demotic::pipeline::ImageInput;
///
/// // What torchvision's networks were trained on.
/// let input = ImageInput::new(3, [224, 224])
///     .crop_from(256)
///     .normalize(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]);
/// # let picture = demotic::Tensor::zeros([3, 300, 400])?;
/// assert_eq!(input.transforms().apply(&picture, &mut demotic::Rng::seed(0))?.shape(), [3, 224, 224]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInput {
    channels: usize,
    size: [usize; 2],
    crop_from: Option<usize>,
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl ImageInput {
    /// Pictures with so many channels, 1 (grey) or 3 (red, green, blue), which are resized to this height and width.
    #[must_use]
    pub fn new(channels: usize, size: [usize; 2]) -> Self {
        Self { channels, size, crop_from: None, mean: Vec::new(), std: Vec::new() }
    }

    /// The shorter side becomes so long, in the picture's proportions, and the size is cut out of the middle.
    #[must_use]
    pub fn crop_from(mut self, shorter: usize) -> Self {
        self.crop_from = Some(shorter);
        self
    }

    /// `(x − mean) / std` for each channel, or for all with one number.
    #[must_use]
    pub fn normalize(mut self, mean: &[f64], std: &[f64]) -> Self {
        (self.mean, self.std) = (mean.to_vec(), std.to_vec());
        self
    }

    /// The steps that do it: for the part of the data that is tested on, so that it is treated as pictures will be later.
    #[must_use]
    pub fn transforms(&self) -> Transforms {
        let steps = match self.crop_from {
            Some(side) => Transforms::new().resize_shorter(side).center_crop(self.size),
            None => Transforms::new().resize(self.size),
        };
        if self.mean.is_empty() { steps } else { steps.normalize(&self.mean, &self.std) }
    }

    #[track_caller]
    fn check(&self, op: &'static str) -> Result<()> {
        let side = |n: usize| (1..=LONGEST).contains(&n);
        let count = |x: &[f64]| x.len() == 1 || x.len() == self.channels;
        let plain = self.mean.is_empty() && self.std.is_empty();
        let normal = count(&self.mean) && count(&self.std) && self.mean.iter().all(|x| x.is_finite());
        let problem = if !matches!(self.channels, 1 | 3) {
            format!("pictures with {} channels, expected 1 or 3", self.channels)
        } else if !self.size.iter().copied().all(side) || !self.crop_from.is_none_or(side) {
            format!("pictures of {:?} cut from {:?}, expected sides of 1 to {LONGEST}", self.size, self.crop_from)
        } else if !(plain || normal && self.std.iter().all(|x| x.is_finite() && *x > 0.0)) {
            format!("a mean of {:?} and a deviation of {:?}, expected a number for each channel", self.mean, self.std)
        } else {
            return Ok(());
        };
        Err(Error::argument(op, problem))
    }
}

/// What stands in a file besides the model.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    input: ImageInput,
    classes: Vec<String>,
}

/// A model for classes of pictures, with their names and all that is done to a picture before: a file in, a class out.
///
/// ```
/// use demotic::models::{ConvNet, ConvNetConfig};
/// use demotic::pipeline::ImageInput;
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let input = ImageInput::new(1, [16, 16]).normalize(&[0.5], &[0.25]);
/// let model = ConvNet::new(ConvNetConfig::new(1, 2).channels(&[4, 8]), &mut rng)?;
/// // … train on `ImageDataset::open_folder(..)?` with `input.transforms()` …
/// let pipeline = ImagePipeline::new(input, &["cat", "dog"], model)?;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("pets.safetensors");
/// pipeline.save(&path)?;
/// // In another program, that only has the file:
/// let pets = ImagePipeline::open(&path)?;
/// let picture = Tensor::uniform([1, 40, 30], 0.0, 1.0, &mut rng)?;
/// let found = pets.classify(&picture)?;
/// assert!(["cat", "dog"].contains(&found[0].class()));
/// # Ok::<(), demotic::Error>(())
/// ```
#[cfg_attr(feature = "image", doc = "[`predict`](Self::predict) reads a PNG or JPEG file,")]
#[cfg_attr(not(feature = "image"), doc = "With the feature `image`, `predict` reads a PNG or JPEG file;")]
/// [`classify`](Self::classify) takes pictures in memory.
#[derive(Debug, Clone)]
pub struct ImagePipeline {
    input: ImageInput,
    classes: Arc<[String]>,
    model: Box<dyn Layer>,
}

impl ImagePipeline {
    /// Puts the parts together. The model maps pictures `[n, channels, height, width]` to logits `[n, classes]`; with two classes also to
    /// `[n, 1]` logits of the second one. Classes stand in the order of their numbers, as [`ImageDataset::classes`] has them.
    ///
    /// # Errors
    /// If numbers of the input make no sense, there are no classes, or the model does not take such pictures or gives something else.
    #[track_caller]
    pub fn new<N: AsRef<str>>(input: ImageInput, classes: &[N], model: impl IntoLayer) -> Result<Self> {
        let op = "ImagePipeline::new";
        let classes: Vec<String> = classes.iter().map(|name| name.as_ref().to_string()).collect();
        let pipeline = Self::put_together(op, Settings { input, classes }, model.into_layer())?;
        // A black picture tells whether the parts fit.
        let [height, width] = pipeline.input.size;
        let picture = Tensor::zeros([1, pipeline.input.channels, height, width])?;
        ClassPrediction::from_logits(op, &pipeline.classes, &pipeline.run(&picture)?.zeros_like())?;
        expect_logits(op, &*pipeline.model, &in_type_of(&*pipeline.model, &picture))?;
        Ok(pipeline)
    }

    #[track_caller]
    fn put_together(op: &'static str, settings: Settings, model: Box<dyn Layer>) -> Result<Self> {
        let Settings { input, classes } = settings;
        input.check(op)?;
        if classes.len() < 2 {
            let message = format!("{} names of classes, expected at least 2", classes.len());
            return Err(Error::argument(op, message));
        }
        Ok(Self { input, classes: classes.into(), model })
    }

    /// What is done to pictures.
    #[must_use]
    pub fn input(&self) -> &ImageInput {
        &self.input
    }

    /// The names of the classes by their numbers.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &dyn Layer {
        &*self.model
    }

    /// The class of the picture in a PNG or JPEG file, with probabilities.
    ///
    /// # Errors
    /// If the file cannot be read or is broken, or the model's outputs are not numbers.
    #[cfg(feature = "image")]
    #[track_caller]
    pub fn predict(&self, path: impl AsRef<Path>) -> Result<ClassPrediction> {
        let channels = if self.input.channels == 1 { Channels::Gray } else { Channels::Rgb };
        let picture = read_image(path, channels)?;
        self.classify(&picture)?.pop().ok_or_else(|| crate::error::bug!("predict", "no class of a picture"))
    }

    /// The class of each picture, with probabilities.
    ///
    /// # Shapes
    /// - pictures: `[n, channels, height, width]`, or `[channels, height, width]` of one; bytes (`U8`), or numbers from 0 to 1
    ///
    /// # Errors
    /// If the pictures have another shape, or the model's outputs are not numbers.
    #[track_caller]
    pub fn classify(&self, pictures: &Tensor) -> Result<Vec<ClassPrediction>> {
        let op = "classify";
        let pictures = if pictures.rank() == 3 { pictures.unsqueeze(0)? } else { pictures.clone() };
        let channels = self.input.channels;
        if pictures.rank() != 4 || pictures.shape()[1] != channels || pictures.shape()[2..].contains(&0) {
            let message = format!("pictures of shape {:?}, expected [n, {channels}, height, width]", pictures.shape());
            return Err(Error::shape(op, message).with_help("or [channels, height, width] of one picture"));
        }
        let labels = Tensor::zeros([pictures.shape()[0]])?.to_dtype(DType::I64);
        let data = ImageDataset::new(pictures, labels)?.transform(self.input.transforms());
        let mut found = Vec::with_capacity(data.len());
        for batch in data.batches(AT_ONCE) {
            let (x, _) = batch?;
            found.extend(ClassPrediction::from_logits(op, &self.classes, &self.run(&x)?)?);
        }
        Ok(found)
    }

    #[track_caller]
    fn run(&self, x: &Tensor) -> Result<Tensor> {
        self.model.predict(&in_type_of(&*self.model, x))
    }

    /// Writes the model, what it is made from, the names of the classes, and what is done to pictures into one file.
    ///
    /// # Errors
    /// If the model has no [`Architecture`], or the file system refuses.
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_with(&Metadata::new(), path)
    }

    /// The same with metadata of your own.
    ///
    /// # Errors
    /// As for [`save`](Self::save).
    #[track_caller]
    pub fn save_with(&self, with: &(impl Attachment + ?Sized), path: impl AsRef<Path>) -> Result<()> {
        let settings = Settings { input: self.input.clone(), classes: self.classes.to_vec() };
        let json = serde_json::to_string(&settings)
            .map_err(|e| Error::format("save", "the settings have no form in JSON").with_source(e))
            .here()?;
        super::save(&*self.model, with, &[(IMAGES, json)], path.as_ref())
    }

    /// Reads a file that [`save`](Self::save) wrote, with any layer of this crate or network for pictures as its model, or one that was
    /// [registered](register).
    ///
    /// # Errors
    /// If the file cannot be read or is malformed, says nothing of pictures, or holds a kind of model that is not known.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        register::<LeNet>()?;
        register::<ConvNet>()?;
        register::<ResNet>()?;
        register::<Vgg>()?;
        register::<DenseNet>()?;
        register::<MobileNetV2>()?;
        register::<MobileNetV3>()?;
        register::<EfficientNet>()?;
        register::<ConvNext>()?;
        Self::from_file(&ModelFile::open("open", path.as_ref())?, ModelFile::build_layer)
    }

    /// The same for a model of type `M`.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    #[track_caller]
    pub fn open_as<M: Architecture + Layer + 'static>(path: impl AsRef<Path>) -> Result<Self> {
        let model = |file: &ModelFile| Ok(Box::new(file.build::<M>()?) as Box<dyn Layer>);
        Self::from_file(&ModelFile::open("open", path.as_ref())?, model)
    }

    #[track_caller]
    fn from_file(file: &ModelFile, model: fn(&ModelFile) -> Result<Box<dyn Layer>>) -> Result<Self> {
        let metadata = file.metadata();
        let Some(json) = metadata.get(IMAGES) else {
            let e = file.error("holds a model, but nothing about pictures");
            return Err(e.with_help(format!("{}::open(path) opens the model alone", file.kind())));
        };
        let settings: Settings = serde_json::from_str(json)
            .map_err(|e| file.error("has malformed settings of pictures").with_source(e))
            .here()?;
        Self::put_together("open", settings, model(file).here()?).map_err(|e| file.because(e)).here()
    }
}
