//! Published models that say what is on pictures.

use std::sync::Arc;

use super::{ClassPrediction, ImageProcessor};
use crate::error::{Error, Result};
use crate::layers::LayerExt;
use crate::models::{Clip, ImageClassifier};
use crate::tensor::Tensor;
use crate::text::Tokenizer;

/// Pictures that go through a model at once.
const AT_ONCE: usize = 16;

/// A published classifier of pictures with what is done to pictures before, and the names of its classes.
/// [`from_pretrained`](Self::from_pretrained) reads one from a file or folder.
///
/// ```
/// use demotic::models::{ResNet, ResNetConfig};
/// use demotic::pipeline::{ImageClassification, ImageProcessor};
/// use demotic::prelude::*;
///
/// let model = ResNet::new(ResNetConfig::resnet18().width(8).classes(2), &mut Rng::seed(0))?;
/// let classifier = ImageClassification::new(model, ImageProcessor::imagenet(32)).labels(&["cat", "dog"])?;
/// let found = classifier.classify(&[Tensor::full([3, 40, 50], 0.5)?])?;
/// assert!(["cat", "dog"].contains(&found[0].class()));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageClassification {
    model: ImageClassifier,
    processor: ImageProcessor,
    labels: Option<Arc<[String]>>,
}

impl ImageClassification {
    /// Puts both together. The classes have the names that the model has for them; without any, their numbers.
    pub fn new(model: impl Into<ImageClassifier>, processor: ImageProcessor) -> Self {
        let model = model.into();
        let labels = model.labels().map(Into::into);
        Self { model, processor, labels }
    }

    /// Other names of the classes, in the order of their numbers.
    ///
    /// # Errors
    /// If there are fewer than two.
    #[track_caller]
    pub fn labels<N: AsRef<str>>(mut self, labels: &[N]) -> Result<Self> {
        self.labels = Some(names("labels", labels)?);
        Ok(self)
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &ImageClassifier {
        &self.model
    }

    /// What is done to pictures.
    #[must_use]
    pub fn processor(&self) -> &ImageProcessor {
        &self.processor
    }

    /// What is on each of these pictures, `[1 or 3, height, width]` of any size, numbers from 0 to 1.
    ///
    /// # Errors
    /// If a picture has another shape, there are other names of classes than the model has classes, or its outputs are not numbers.
    #[track_caller]
    pub fn classify(&self, pictures: &[Tensor]) -> Result<Vec<ClassPrediction>> {
        let mut found = Vec::with_capacity(pictures.len());
        let mut labels = self.labels.clone();
        for pictures in pictures.chunks(AT_ONCE) {
            let logits = self.model.predict(&self.processor.batch(pictures)?)?;
            let numbered = || (0..logits.shape()[1]).map(|i| i.to_string()).collect();
            let labels = labels.get_or_insert_with(numbered);
            found.extend(ClassPrediction::from_logits("classify", labels, &logits)?);
        }
        Ok(found)
    }
}

/// A [`Clip`] with its tokenizer and what is done to pictures before: it tells apart whatever is described in words, without any training.
/// [`from_pretrained`](Self::from_pretrained) reads one from a folder.
#[derive(Debug)]
pub struct ZeroShotImageClassification {
    model: Clip,
    processor: ImageProcessor,
    tokenizer: Box<dyn Tokenizer>,
    template: String,
}

/// Where in a template the name of a class stands.
const PLACE: &str = "{}";

impl ZeroShotImageClassification {
    /// Puts the parts together. Classes are described as `a photo of a …`.
    pub fn new(model: Clip, tokenizer: impl Tokenizer + 'static, processor: ImageProcessor) -> Self {
        Self { model, processor, tokenizer: Box::new(tokenizer), template: format!("a photo of a {PLACE}") }
    }

    /// Another description of a class, with its name in place of `{}`.
    ///
    /// # Errors
    /// If it has no such place.
    #[track_caller]
    pub fn template(mut self, template: &str) -> Result<Self> {
        if !template.contains(PLACE) {
            let message = format!("the template `{}` has no {PLACE}", crate::error::short(template));
            return Err(Error::argument("template", message));
        }
        self.template = template.into();
        Ok(self)
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Clip {
        &self.model
    }

    /// The vectors of texts as they are, `[texts, projection]`.
    ///
    /// # Errors
    /// If there are no texts, or one has more tokens than the model reads.
    #[track_caller]
    pub fn text_features(&self, texts: &[&str]) -> Result<Tensor> {
        let mut all = Vec::with_capacity(texts.len());
        for text in texts {
            all.push(self.tokenizer.encode(text)?);
        }
        let longest = all.iter().map(Vec::len).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(all.len() * longest);
        for text in &all {
            // Nothing behind the end of a text is seen.
            let end = text.last().copied().unwrap_or_default();
            ids.extend(text.iter().copied().chain(std::iter::repeat(end)).take(longest));
        }
        let ids = Tensor::from_vec(ids, [all.len(), longest])?;
        self.model.encode_texts(&ids)
    }

    /// Which of these classes each picture belongs to, as the model understands their names.
    ///
    /// # Errors
    /// As for [`text_features`](Self::text_features) and [`ImageProcessor::apply`], and if there are fewer than two classes.
    #[track_caller]
    pub fn classify<N: AsRef<str>>(&self, pictures: &[Tensor], classes: &[N]) -> Result<Vec<ClassPrediction>> {
        let labels = names("classify", classes)?;
        let texts: Vec<String> = labels.iter().map(|label| self.template.replace(PLACE, label)).collect();
        let texts = self.text_features(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
        let mut found = Vec::with_capacity(pictures.len());
        for pictures in pictures.chunks(AT_ONCE) {
            let pictures = self.model.encode_images(&self.processor.batch(pictures)?)?;
            let logits = self.model.compare(&pictures, &texts)?;
            found.extend(ClassPrediction::from_logits("classify", &labels, &logits)?);
        }
        Ok(found)
    }
}

#[track_caller]
fn names<N: AsRef<str>>(op: &'static str, names: &[N]) -> Result<Arc<[String]>> {
    if names.len() < 2 {
        return Err(Error::argument(op, format!("{} names of classes, expected at least 2", names.len())));
    }
    Ok(names.iter().map(|name| name.as_ref().to_string()).collect())
}
