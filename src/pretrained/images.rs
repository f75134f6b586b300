//! Models for pictures, whichever a file or folder holds.

use std::path::Path;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::{Pretrained, folder, networks, preprocessor};
use crate::error::{Error, Result};
use crate::io;
use crate::models::{
    Clip, DeitForImageClassification, DeitForImageClassificationWithTeacher, ImageClassifier, VitForImageClassification,
};
use crate::pipeline::{ImageClassification, ImageProcessor, ZeroShotImageClassification};
use crate::text::Tokenizer;

impl ImageClassifier {
    /// A published classifier of pictures: a folder of `transformers` (ViT, DeiT) or of timm (whose `config.json` says its
    /// `architecture`), or a file of tensors whose name begins with that of its network, as those of torchvision do:
    /// `resnet18-f37072fd.pth`.
    ///
    /// ```no_run
    /// use demotic::models::ImageClassifier;
    ///
    /// let model = ImageClassifier::from_pretrained("mobilenet_v3_small-047dcff4.pth")?;
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a file is missing or malformed, the model is of another kind or not known, or its tensors do not fit it.
    #[track_caller]
    pub fn from_pretrained(path: impl AsRef<Path>) -> Result<Self> {
        classifier("from_pretrained", path.as_ref())
    }

    /// The network of this name, of torchvision or timm, with the tensors of a file: safetensors, PyTorch, NumPy. The names in the file are
    /// those of torchvision, of timm, or of `efficientnet_pytorch` and what came of it; the numbers of classes and of channels are
    /// taken from the tensors.
    ///
    /// The networks: `resnet18` to `resnet152`, `resnext50_32x4d`, `wide_resnet50_2`, `mobilenet_v2` (timm's `mobilenetv2_100` and other
    /// widths), `mobilenet_v3_small` and `_large` (`mobilenetv3_small_100` …), `efficientnet_b0` to `b4`, `efficientnet_lite0` to `lite4`,
    /// and timm's `tf_` of these.
    ///
    /// ```no_run
    /// use demotic::models::ImageClassifier;
    ///
    /// let model = ImageClassifier::from_file("mobilenetv2_100", "weights/model.safetensors")?;
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such network, the file cannot be read, or its tensors do not fit: the message lists them.
    #[track_caller]
    pub fn from_file(name: &str, path: impl AsRef<Path>) -> Result<Self> {
        networks::load("from_file", name, &*io::source("from_file", path.as_ref())?)
    }
}

/// The `config.json` of a folder of timm.
#[track_caller]
pub(super) fn timm(op: &'static str, folder: &Path) -> Result<Option<Fields>> {
    let map: Map<String, Value> = folder::json(op, &folder.join(folder::CONFIG), "a configuration")?;
    let is_timm = map.contains_key("architecture") && !map.contains_key("model_type");
    Ok(is_timm.then(|| Fields::new(op, folder, map)))
}

#[track_caller]
pub(super) fn classifier(op: &'static str, path: &Path) -> Result<ImageClassifier> {
    if path.is_file() {
        let source = io::source(op, path)?;
        let Some(name) = networks::name_of(path) else {
            let message = format!("{}: the name of the file says nothing of its network", path.display());
            let help = "ImageClassifier::from_file(name, path) takes the name of the network";
            return Err(Error::argument(op, message).with_help(help));
        };
        return networks::load(op, name, &*source);
    }
    if let Some(fields) = timm(op, path)? {
        return networks::from_timm(op, path, fields);
    }
    let (model_type, map) = folder::any_config(op, path)?;
    let class = map.get("architectures").and_then(|classes| classes.get(0)).and_then(Value::as_str).unwrap_or_default();
    match model_type.as_str() {
        "vit" => VitForImageClassification::from_pretrained(path).map(Into::into),
        "deit" if class.ends_with("WithTeacher") => {
            DeitForImageClassificationWithTeacher::from_pretrained(path).map(Into::into)
        }
        "deit" => DeitForImageClassification::from_pretrained(path).map(Into::into),
        other => Err(folder::another_type(op, path, other, "a classifier of pictures")),
    }
}

impl ImageClassification {
    /// A published classifier of pictures, as [`ImageClassifier::from_pretrained`] reads it, with what its publisher says of pictures:
    /// `preprocessor_config.json`, or timm's `config.json`. Of files that say nothing, pictures are treated as torchvision does it
    /// ([`ImageProcessor::imagenet`]), for 224 by 224 pixels.
    ///
    /// # Errors
    /// As there, and if what is said of pictures is not known.
    #[track_caller]
    pub fn from_pretrained(path: impl AsRef<Path>) -> Result<Self> {
        let (op, path) = ("from_pretrained", path.as_ref());
        // Whatever is wrong with the options is known sooner than the weights are read.
        let processor = if path.is_file() {
            ImageProcessor::imagenet(224)
        } else if timm(op, path)?.is_some() {
            preprocessor::of_timm(op, path)?
        } else {
            preprocessor::read(op, path)?
        };
        Ok(Self::new(classifier(op, path)?, processor))
    }
}

impl ZeroShotImageClassification {
    /// The folder of a published [`Clip`]: its configuration and weights, `tokenizer.json` and `preprocessor_config.json`.
    ///
    /// ```no_run
    /// use demotic::Tensor;
    /// use demotic::pipeline::ZeroShotImageClassification;
    ///
    /// // The files of huggingface.co/openai/clip-vit-base-patch32, downloaded into a folder.
    /// let clip = ZeroShotImageClassification::from_pretrained("clip-vit-base-patch32")?;
    /// let picture = Tensor::zeros([3, 300, 400])?;
    /// let found = clip.classify(&[picture], &["cat", "dog", "teapot"])?;
    /// println!("{}", found[0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Pretrained::from_pretrained`] and [`tokenizer`](super::tokenizer), and if an option of the preprocessing is not known.
    #[track_caller]
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        let (op, folder) = ("from_pretrained", folder.as_ref());
        let processor = preprocessor::read(op, folder)?;
        let tokenizer: Box<dyn Tokenizer> = folder::tokenizer(op, folder)?;
        Ok(Self::new(Clip::from_pretrained(folder)?, tokenizer, processor))
    }
}
