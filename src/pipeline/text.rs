//! Texts in, texts or classes out.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ClassPrediction, PREPROCESSOR, TARGET_TOKENIZER, TEXT, TOKENIZER};
use crate::error::{Error, Here, Result};
use crate::io::{Attachment, Metadata, ModelFile};
use crate::layers::{Architecture, Layer, LayerExt, Module};
use crate::models::{
    Beam, BeamSearch, CausalLm, Generate, GenerateOptions, Seq2Seq, TextContinuation, TextGenerator,
    TransformerClassifier,
};
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::text::{self, BatchOptions, Tokenizer};

/// A model with its tokenizer: texts in, texts or classes out.
///
/// What it can do depends on the model: a language model (`Gpt`, `RecurrentLm`) [generates](Self::generate), a
/// sequence-to-sequence model [translates](Self::translate), a [`TransformerClassifier`] [classifies](Self::classify).
///
/// ```
/// use demotic::models::{GenerateOptions, Gpt, GptConfig};
/// use demotic::prelude::*;
/// use demotic::text::CharTokenizer;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// let mut rng = Rng::seed(0);
/// let tokenizer = CharTokenizer::fit(["to be or not to be"])?;
/// let config = GptConfig::new(tokenizer.vocab_size(), 32).layers(1).hidden_size(16);
/// let gpt = Gpt::new(config, &mut rng)?; // and then it is trained
/// TextPipeline::new(gpt, tokenizer).save(&path)?;
///
/// let gpt = TextPipeline::<Gpt>::open(&path)?;
/// let options = GenerateOptions::new().max_new_tokens(10);
/// let continuation = gpt.generate("to be", &options, &mut rng)?;
/// assert_eq!(continuation.text.chars().count(), 10);
/// for piece in gpt.stream("to be", &options, &mut rng)? {
///     print!("{}", piece?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TextPipeline<M> {
    model: M,
    tokenizer: Box<dyn Tokenizer>,
    /// Of what the model writes, if that is other than of what it reads.
    target_tokenizer: Option<Box<dyn Tokenizer>>,
    settings: Settings,
}

/// What else a file holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// The names of classes.
    classes: Option<Vec<String>>,
    /// The most tokens of a text that is classified.
    max_length: Option<usize>,
    /// What pads short texts.
    padding_id: Option<i64>,
}

impl<M: Module> TextPipeline<M> {
    /// Puts both together.
    pub fn new(model: M, tokenizer: impl Tokenizer + 'static) -> Self {
        Self { model, tokenizer: Box::new(tokenizer), target_tokenizer: None, settings: Settings::default() }
    }

    /// Another tokenizer for what the model writes.
    #[must_use]
    pub fn with_target_tokenizer(mut self, tokenizer: impl Tokenizer + 'static) -> Self {
        self.target_tokenizer = Some(Box::new(tokenizer));
        self
    }

    /// The names of the classes that the model tells apart, in the order of their numbers.
    #[must_use]
    pub fn with_classes<N: AsRef<str>>(mut self, names: &[N]) -> Self {
        self.settings.classes = Some(names.iter().map(|name| name.as_ref().to_string()).collect());
        self
    }

    /// Cuts texts that are classified to so many tokens.
    #[must_use]
    pub fn with_max_length(mut self, tokens: usize) -> Self {
        self.settings.max_length = Some(tokens);
        self
    }

    /// The id that pads short texts when several are classified; the tokenizer's own without it.
    #[must_use]
    pub fn with_padding_id(mut self, id: i64) -> Self {
        self.settings.padding_id = Some(id);
        self
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model, for training it further.
    #[must_use]
    pub fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }

    /// The tokenizer of what the model writes.
    #[must_use]
    pub fn target_tokenizer(&self) -> &dyn Tokenizer {
        self.target_tokenizer.as_deref().unwrap_or(&*self.tokenizer)
    }

    /// Model and tokenizer. [The one for what the model writes](Self::with_target_tokenizer) and the names of classes are left
    /// behind.
    #[must_use]
    pub fn into_parts(self) -> (M, Box<dyn Tokenizer>) {
        (self.model, self.tokenizer)
    }

    /// Writes the model, what it is made from, and the tokenizer into one file.
    ///
    /// # Errors
    /// If the model has no [`Architecture`], the tokenizer has no JSON form, or the file system refuses.
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
        let mut parts = vec![(TOKENIZER, self.tokenizer.to_json()?)];
        if let Some(tokenizer) = &self.target_tokenizer {
            parts.push((TARGET_TOKENIZER, tokenizer.to_json()?));
        }
        if self.settings != Settings::default() {
            let mut settings = Metadata::new();
            settings.insert_json(TEXT, &self.settings)?;
            parts.extend(settings.get(TEXT).map(|json| (TEXT, json.to_string())));
        }
        super::save(&self.model, with, &parts, path.as_ref())
    }
}

impl<M: Architecture> TextPipeline<M> {
    /// Reads a file that [`save`](Self::save) wrote, or [`SaveLoad::save_with`](crate::io::SaveLoad::save_with) with a
    /// tokenizer.
    ///
    /// # Errors
    /// If the file cannot be read or is malformed, has no tokenizer, or holds another kind of model.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = ModelFile::open("open", path.as_ref())?;
        let metadata = file.metadata();
        let tokenizer = |name: &str| metadata.get(name).map(|json| text::parse("open", file.path(), json)).transpose();
        let Some(own) = tokenizer(TOKENIZER).here()? else {
            let e = file.error("holds a model, but no tokenizer");
            let help = match metadata.get(PREPROCESSOR) {
                Some(_) => "it holds a preprocessor for tables: Pipeline::open(path) opens it".to_string(),
                None => format!("{}::open(path) opens the model alone", file.kind()),
            };
            return Err(e.with_help(help));
        };
        let settings = match metadata.get(TEXT) {
            Some(_) => metadata.get_json(TEXT).map_err(|e| file.because(e)).here()?,
            None => Settings::default(),
        };
        Ok(Self {
            model: file.build()?,
            tokenizer: own,
            target_tokenizer: tokenizer(TARGET_TOKENIZER).here()?,
            settings,
        })
    }
}

impl<M: CausalLm + Module> TextPipeline<M> {
    /// Continues a text; see [`Generate::generate_text`].
    ///
    /// # Errors
    /// As for that.
    #[track_caller]
    pub fn generate(&self, prompt: &str, options: &GenerateOptions, rng: &mut Rng) -> Result<TextContinuation> {
        self.model.generate_text(&*self.tokenizer, prompt, options, rng)
    }

    /// Continues a text piece by piece; see [`Generate::stream_text`].
    ///
    /// # Errors
    /// As for that.
    #[track_caller]
    pub fn stream(&self, prompt: &str, options: &GenerateOptions, rng: &mut Rng) -> Result<TextGenerator<'_, M>> {
        self.model.stream_text(&*self.tokenizer, prompt, options, rng)
    }
}

impl<M: Seq2Seq> TextPipeline<M> {
    /// Translates a text; see [`Seq2Seq::translate`].
    ///
    /// # Errors
    /// As for that, if the text has something for which there is no token, or several samples are asked for.
    #[track_caller]
    pub fn translate(&self, source: &str, options: &GenerateOptions, rng: &mut Rng) -> Result<TextContinuation> {
        let mut found = self.translate_batch(&[source], options, rng)?;
        match (found.pop(), found.is_empty()) {
            (Some(found), true) => Ok(found),
            _ => {
                let e = Error::argument("translate", "several samples of one translation");
                Err(e.with_help("translate_batch returns all of them"))
            }
        }
    }

    /// Translates several texts at once, each as many times as [`samples`](GenerateOptions::samples) says; those of the
    /// first text come first.
    ///
    /// # Errors
    /// As for [`translate`](Self::translate).
    #[track_caller]
    pub fn translate_batch<S: AsRef<str>>(
        &self,
        sources: &[S],
        options: &GenerateOptions,
        rng: &mut Rng,
    ) -> Result<Vec<TextContinuation>> {
        let found = self.model.translate(&self.sources(sources)?, options, rng)?;
        let text = |tokens: &[i64]| self.target_tokenizer().decode_without_special(tokens);
        found
            .iter()
            .map(|one| Ok(TextContinuation { text: text(&one.tokens)?, finish: one.finish }))
            .collect::<Result<_>>()
            .here()
    }

    /// Searches for the most likely translations of a text, best first; see [`Seq2Seq::translate_beams`].
    ///
    /// # Errors
    /// As for that, and if the text has something for which there is no token.
    #[track_caller]
    pub fn translate_beams(
        &self,
        source: &str,
        search: &BeamSearch,
        options: &GenerateOptions,
    ) -> Result<Vec<(String, Beam)>> {
        let found = self.model.translate_beams(&self.sources(&[source])?, search, options)?;
        let text = |beam: Beam| Ok((self.target_tokenizer().decode_without_special(&beam.tokens)?, beam));
        found.into_iter().flatten().map(text).collect::<Result<_>>().here()
    }

    #[track_caller]
    fn sources<S: AsRef<str>>(&self, texts: &[S]) -> Result<Tensor> {
        let mut ids = Vec::with_capacity(texts.len());
        for text in texts {
            ids.push(self.tokenizer.encode(text.as_ref())?);
        }
        self.model.tokens().sources(&ids)
    }
}

impl TextPipeline<TransformerClassifier> {
    /// A classifier with its tokenizer and the names of its classes. Texts are cut and padded as the model's
    /// configuration says.
    ///
    /// ```
    /// use demotic::models::{TransformerClassifier, TransformerClassifierConfig};
    /// use demotic::prelude::*;
    /// use demotic::text::WordTokenizer;
    ///
    /// let mut words = WordTokenizer::new().oov_token("<?>");
    /// words.fit_on_texts(&["the food was good", "the food was bad"])?;
    /// let config = TransformerClassifierConfig::new(words.vocab_size(), 2, 16).hidden_size(16);
    /// let model = TransformerClassifier::new(config, &mut Rng::seed(0))?; // and then it is trained
    ///
    /// let reviews = TextPipeline::classifier(model, words, &["bad", "good"])?;
    /// let found = reviews.classify("the food was good")?;
    /// assert!(found.class() == "good" || found.class() == "bad");
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are not as many names as classes.
    #[track_caller]
    pub fn classifier<N: AsRef<str>>(
        model: TransformerClassifier,
        tokenizer: impl Tokenizer + 'static,
        classes: &[N],
    ) -> Result<Self> {
        let config = model.config();
        if classes.len() != config.num_classes {
            let message = format!("{} names for {} classes", classes.len(), config.num_classes);
            return Err(Error::argument("TextPipeline::classifier", message)
                .with_help("a name for each output of the model, in the order of the class numbers"));
        }
        let (max_length, padding_id) = (config.max_length, config.padding_id);
        let mut pipeline = Self::new(model, tokenizer).with_classes(classes).with_max_length(max_length);
        pipeline.settings.padding_id = padding_id;
        Ok(pipeline)
    }
}

impl<M: Layer> TextPipeline<M> {
    /// The class of a text, with probabilities. The model maps ids `[n, time]` to logits `[n, classes]`.
    ///
    /// # Errors
    /// If the classes have no names yet, the text has no token that the model knows, or the model gives something else.
    #[track_caller]
    pub fn classify(&self, text: &str) -> Result<ClassPrediction> {
        let mut found = self.classify_batch(&[text])?;
        found.pop().ok_or_else(|| Error::state("classify", "the model gave nothing")).here()
    }

    /// The class of each of several texts.
    ///
    /// # Errors
    /// As for [`classify`](Self::classify), and if there are no texts, or they have different lengths and there is no id to
    /// pad with.
    #[track_caller]
    pub fn classify_batch<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<ClassPrediction>> {
        let Some(classes) = &self.settings.classes else {
            let e = Error::state("classify", "the classes have no names");
            return Err(e.with_help("with_classes(&[\"bad\", \"good\"]) gives them some"));
        };
        let classes: Arc<[String]> = classes.as_slice().into();
        let mut options = BatchOptions::new();
        if let Some(length) = self.settings.max_length {
            options = options.max_length(length);
        }
        if let Some(id) = self.settings.padding_id {
            options = options.pad_id(id);
        }
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let mut found = Vec::with_capacity(texts.len());
        for texts in texts.chunks(BATCH) {
            let ids = self.tokenizer.encode_batch(texts, &options)?.ids;
            found.extend(ClassPrediction::from_logits("classify", &classes, &self.model.predict(&ids)?)?);
        }
        Ok(found)
    }
}

/// Texts that are classified at once.
const BATCH: usize = 64;

/// A tokenizer in a model's file.
impl<T: Tokenizer + ?Sized> Attachment for T {
    #[track_caller]
    fn attach(&self, metadata: &mut Metadata) -> Result<()> {
        metadata.insert(TOKENIZER, self.to_json()?);
        Ok(())
    }
}
