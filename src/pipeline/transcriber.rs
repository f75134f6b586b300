//! Sound in, text out.

use crate::data::Audio;
use crate::error::{Error, Result};
use crate::models::{LogMel, TranscribeOptions, Whisper};
use crate::rng::Rng;
use crate::tensor::Tensor;
use crate::text::Tokenizer;

/// A [`Whisper`] with its tokenizer and its ear. With the feature `fft`.
///
/// A folder of `transformers` is read by [`from_pretrained`](Transcriber::from_pretrained).
///
/// ```no_run
/// use demotic::data::Audio;
/// use demotic::models::TranscribeOptions;
/// use demotic::pipeline::Transcriber;
/// use demotic::prelude::*;
///
/// // The files of huggingface.co/openai/whisper-tiny, downloaded into a folder.
/// let whisper = Transcriber::from_pretrained("whisper-tiny")?;
/// let options = TranscribeOptions::new().language("en").timestamps();
/// for part in whisper.transcribe(&Audio::from_wav("talk.wav")?, &options, &mut Rng::seed(0))? {
///     println!("{:7.2} - {:7.2} {}", part.start, part.end, part.text);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug)]
pub struct Transcriber {
    model: Whisper,
    tokenizer: Box<dyn Tokenizer>,
    ear: LogMel,
}

/// A stretch of speech as text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Transcript {
    /// When it begins, in seconds.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// What was said.
    pub text: String,
    /// Its tokens, times among them.
    pub tokens: Vec<i64>,
}

impl Transcriber {
    /// Puts both together.
    ///
    /// # Errors
    /// If the tokenizer has more tokens than the model.
    #[track_caller]
    pub fn new(model: Whisper, tokenizer: impl Tokenizer + 'static) -> Result<Self> {
        let ear = LogMel::for_model(model.config())?;
        let (own, vocab) = (tokenizer.vocab_size(), model.config().tokens.target_vocab_size);
        if own > vocab {
            let message = format!("a tokenizer of {own} tokens for a model of {vocab}");
            return Err(Error::argument("Transcriber", message).with_help("tokenizer and model belong together"));
        }
        Ok(Self { model, tokenizer: Box::new(tokenizer), ear })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Whisper {
        &self.model
    }

    /// The model, for training it further or quantising it.
    #[must_use]
    pub fn model_mut(&mut self) -> &mut Whisper {
        &mut self.model
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &dyn Tokenizer {
        &*self.tokenizer
    }

    /// The frames that the model hears of a sound, whatever its sample rate: `[bands, frames]`, at least a window.
    ///
    /// # Errors
    /// If there is not enough memory.
    #[track_caller]
    pub fn frames(&self, sound: &Audio) -> Result<Tensor> {
        self.ear.frames(sound.resampled(LogMel::SAMPLE_RATE)?.samples())
    }

    /// Writes down what was said; see [`Whisper::transcribe`]. What is behind the end of the sound is not gone through.
    ///
    /// # Errors
    /// As for [`Whisper::transcribe`], and if a token is not in the tokenizer's vocabulary.
    #[track_caller]
    pub fn transcribe(&self, sound: &Audio, options: &TranscribeOptions, rng: &mut Rng) -> Result<Vec<Transcript>> {
        let sound = sound.resampled(LogMel::SAMPLE_RATE)?;
        let content = sound.samples().len().div_ceil(LogMel::HOP);
        let frames = self.ear.frames(sound.samples())?;
        let segments = self.model.transcribe(&frames, &options.clone().content_frames(content), rng)?;
        let end = self.model.config().tokens.end_id;
        let special: Vec<i64> = self.tokenizer.special_tokens().into_iter().map(|(_, id)| id).collect();
        let first_time = self.model.config().first_timestamp().unwrap_or(i64::MAX);
        let mut found = Vec::with_capacity(segments.len());
        for segment in segments {
            let told = |id: &&i64| **id != end && **id < first_time && !special.contains(id);
            let words: Vec<i64> = segment.tokens.iter().filter(told).copied().collect();
            let text = self.tokenizer.decode(&words)?;
            found.push(Transcript { start: segment.start, end: segment.end, text, tokens: segment.tokens });
        }
        Ok(found)
    }
}
