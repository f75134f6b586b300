//! From frames to what was said, window by window.

use std::str::FromStr;

use super::fallback::{Fallback, Verdict};
use super::rules::{Guided, Rules};
use super::{NAME, Whisper};
use crate::autograd::pause_recording;
use crate::error::{Error, Result, short};
use crate::models::text::generate::generate_to_end;
use crate::models::{BeamSearch, CausalLm, Encoded, FinishReason, Generate, GenerateOptions, Seq2Seq};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};
use crate::text::Sampler;

/// Seconds of a frame, and from one time that can be written to the next.
const FRAME: f64 = 0.01;
const STEP: f64 = 0.02;

/// What is written of speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpeechTask {
    /// What was said, in the language in which it was.
    #[default]
    Transcribe,
    /// The same in English.
    Translate,
}

impl FromStr for SpeechTask {
    type Err = Error;

    #[track_caller]
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "transcribe" => Ok(Self::Transcribe),
            "translate" => Ok(Self::Translate),
            _ => Err(Error::argument("SpeechTask", format!("there is no task `{}`", short(name)))
                .with_help("the tasks are transcribe and translate")),
        }
    }
}

/// How speech is written down by [`Whisper::transcribe`].
///
/// ```
/// use demotic::models::{SpeechTask, TranscribeOptions};
///
/// let options = TranscribeOptions::new().language("en").task(SpeechTask::Transcribe).timestamps();
/// # let _ = options;
/// ```
#[derive(Debug, Clone)]
pub struct TranscribeOptions {
    language: Option<String>,
    task: SpeechTask,
    timestamps: bool,
    content: Option<usize>,
    prompt: Vec<i64>,
    beams: Option<BeamSearch>,
    generate: GenerateOptions,
    longest: Option<usize>,
    pub(super) fallback: Fallback,
}

impl Default for TranscribeOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TranscribeOptions {
    /// What was said, without times, in the language that the first window seems to be in; the most likely token each time.
    #[must_use]
    pub fn new() -> Self {
        Self {
            language: None,
            task: SpeechTask::default(),
            timestamps: false,
            content: None,
            prompt: Vec::new(),
            beams: None,
            generate: GenerateOptions::new().sampler(Sampler::greedy()),
            longest: None,
            fallback: Fallback::default(),
        }
    }

    /// The language by its code, such as `en`.
    #[must_use]
    pub fn language(mut self, code: impl Into<String>) -> Self {
        self.language = Some(code.into());
        self
    }

    /// Another task.
    #[must_use]
    pub fn task(mut self, task: SpeechTask) -> Self {
        self.task = task;
        self
    }

    /// Stretches of speech with their times. Windows then begin where the last stretch ended, so that no word is cut.
    #[must_use]
    pub fn timestamps(mut self) -> Self {
        self.timestamps = true;
        self
    }

    /// How many of the frames are sound; those behind are silence, which is seen but not gone through. By default all.
    #[must_use]
    pub fn content_frames(mut self, frames: usize) -> Self {
        self.content = Some(frames);
        self
    }

    /// Tokens before those that say what to do, in each window: `<|startofprev|>` and an earlier text, for names and spelling.
    #[must_use]
    pub fn prompt(mut self, tokens: &[i64]) -> Self {
        self.prompt = tokens.to_vec();
        self
    }

    /// A search for the most likely text, in place of the most likely token each time.
    #[must_use]
    pub fn beam_search(mut self, search: BeamSearch) -> Self {
        self.beams = Some(search);
        self
    }

    /// Another way to choose tokens.
    #[must_use]
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.generate = self.generate.sampler(sampler);
        self
    }

    /// The most tokens of a window, if the model does not write fewer.
    #[must_use]
    pub fn max_new_tokens(mut self, tokens: usize) -> Self {
        self.longest = Some(tokens);
        self
    }
}

/// A stretch of speech.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SpeechSegment {
    /// When it begins, in seconds.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// What was written, its times among it.
    pub tokens: Vec<i64>,
}

impl Whisper {
    /// The language of a window by its code, of those that the model knows.
    ///
    /// # Errors
    /// If it knows none, and as for [`transcribe`](Self::transcribe).
    #[track_caller]
    pub fn detect_language(&self, frames: &Tensor) -> Result<String> {
        let (_, length) = self.check_frames(frames)?;
        let encoded = self.encode(&self.window(frames, 0, length)?)?;
        Ok(self.language_of(&encoded)?.0)
    }

    /// Writes down what was said in frames `[bands, frames]` of any length, in windows of as many as the model looks at. With times, a
    /// window begins where the last finished stretch ended; without, behind the one before.
    ///
    /// The rules are those of `transformers`: what is not speech is not written, and times stand in pairs and do not run backwards. Other
    /// [temperatures](TranscribeOptions::temperatures) are tried, and silent windows left out, if the options say so.
    ///
    /// # Errors
    /// If the frames have another shape or type, the language or the task is not known to the model, the prompt is too long, an option is
    /// no number that it can be, or the logits are not numbers.
    #[track_caller]
    pub fn transcribe(
        &self,
        frames: &Tensor,
        options: &TranscribeOptions,
        rng: &mut Rng,
    ) -> Result<Vec<SpeechSegment>> {
        let _unrecorded = pause_recording();
        let (_, length) = self.check_frames(frames)?;
        let whole = self.config.window_frames();
        let content = options.content.unwrap_or(length).min(length);
        if options.timestamps && self.config.special.no_timestamps.is_none() {
            let e = Error::argument(NAME, "the model has no tokens for times");
            return Err(e.with_help("without timestamps() it writes text alone"));
        }
        options.fallback.check(&self.config)?;
        let rules = Rules::new(&self.config, options.timestamps);
        let (mut begin, mut segments, mut language) = (None::<Vec<i64>>, Vec::new(), None);
        if let Some(code) = &options.language {
            language = Some(self.language_named(code)?);
        }
        let mut seek = 0;
        while seek < content {
            let encoded = self.encode(&self.window(frames, seek, length)?)?;
            let prompt = match &begin {
                Some(prompt) => prompt.clone(),
                None => {
                    if language.is_none() && !self.config.special.languages.is_empty() {
                        language = Some(self.language_of(&encoded)?.1);
                    }
                    begin.insert(self.beginning(options, language)?).clone()
                }
            };
            let guided = Guided { model: encoded, rules: rules.clone() };
            let here = (content - seek).min(whole);
            let moved = match self.written(&guided, &prompt, options, rng)? {
                Some(tokens) => self.stretches(&tokens, seek, here, &mut segments),
                None => here,
            };
            // Whatever was written, there is an end.
            seek += moved.max(1);
        }
        Ok(segments)
    }

    /// What is written of a window; nothing if that is silent.
    #[track_caller]
    fn written(
        &self,
        guided: &Guided<'_>,
        prompt: &[i64],
        options: &TranscribeOptions,
        rng: &mut Rng,
    ) -> Result<Option<Vec<i64>>> {
        let limit = self.config.max_target_positions;
        let room = limit.saturating_sub(prompt.len());
        if room == 0 {
            let message =
                format!("a prompt of {} tokens, but the model writes {limit} with it at the most", prompt.len());
            return Err(Error::argument(NAME, message));
        }
        let (fallback, end) = (&options.fallback, self.config.tokens.end_id);
        let longest = options.longest.unwrap_or(room).min(room);
        let generate = options.generate.clone().max_new_tokens(longest).end_tokens(&[end]);
        let silence = match fallback.silent_token(&self.config) {
            Some(token) => self.chances(&guided.model, &prompt[..=options.prompt.len()])?[token as usize],
            None => 0.0,
        };
        let mut tokens = Vec::new();
        for (generate, is_drawn) in fallback.attempts(&generate)? {
            let (log_prob, is_ended);
            match options.beams.as_ref().filter(|_| !is_drawn) {
                Some(beams) => {
                    let Some(best) = guided.beam_search(prompt, beams, &generate)?.into_iter().next() else { break };
                    (log_prob, is_ended) = (best.score, matches!(best.finish, FinishReason::EndToken(_)));
                    tokens = best.tokens;
                }
                None => {
                    let (found, last) = generate_to_end(guided, prompt, &generate, rng)?;
                    let log_probs = || found.log_probs.iter().chain(&last);
                    log_prob = log_probs().sum::<f64>() / log_probs().count().max(1) as f64;
                    (tokens, is_ended) = (found.tokens, last.is_some());
                }
            }
            let whole: Vec<i64> = tokens.iter().copied().chain(is_ended.then_some(end)).collect();
            match fallback.verdict(&whole, log_prob, silence, guided.vocab_size()) {
                Verdict::Again => {}
                Verdict::Good => break,
                Verdict::Silent => return Ok(None),
            }
        }
        Ok(Some(tokens))
    }

    /// The probabilities of what may come behind some tokens, without the rules.
    #[track_caller]
    fn chances(&self, encoded: &Encoded<'_, Self>, tokens: &[i64]) -> Result<Vec<f64>> {
        let mut state = encoded.start(&[0])?;
        let logits = encoded.extend_last(&Tensor::from_slice(tokens, [1, tokens.len()])?, &mut state)?;
        Ok(logits.to_dtype(DType::F64).softmax(-1)?.to_f64_vec())
    }

    /// Divides what was written of a window at the pairs of times, and returns by how many frames the next one begins later.
    fn stretches(&self, tokens: &[i64], seek: usize, frames: usize, segments: &mut Vec<SpeechSegment>) -> usize {
        let first = self.config.first_timestamp().unwrap_or(i64::MAX);
        let is_time = |i: usize| tokens[i] >= first;
        let offset = seek as f64 * STEP / 2.0;
        let mut push = |start: i64, end: f64, tokens: &[i64]| {
            if !tokens.is_empty() {
                segments.push(SpeechSegment { start: offset + start as f64 * STEP, end, tokens: tokens.to_vec() });
            }
        };
        let count = tokens.len();
        let single = count >= 2 && !is_time(count - 2) && is_time(count - 1);
        let mut cuts: Vec<usize> = (1..count).filter(|i| is_time(i - 1) && is_time(*i)).collect();
        if cuts.is_empty() {
            let last = tokens.iter().rfind(|id| **id >= first).filter(|id| **id != first);
            let end = last.map_or((frames as f64 * FRAME / STEP) as i64, |id| id - first);
            push(0, offset + end as f64 * STEP, tokens);
            return frames;
        }
        match (single, cuts.last_mut()) {
            (true, _) => cuts.push(count),
            (false, Some(cut)) => *cut += 1,
            (false, None) => {}
        }
        let mut from = 0;
        for (i, cut) in cuts.iter().enumerate() {
            let part = &tokens[from..*cut];
            let behind = if i + 1 < cuts.len() || single { 1 } else { 2 };
            let end = part.len().checked_sub(behind).map_or(first, |at| part[at]);
            push(part.first().map_or(0, |id| id - first), offset + (end - first) as f64 * STEP, part);
            from = *cut;
        }
        match single {
            true => frames,
            false => usize::try_from(tokens[from - 2] - first).unwrap_or(0) * 2,
        }
    }

    #[track_caller]
    fn check_frames(&self, frames: &Tensor) -> Result<(usize, usize)> {
        let bands = self.config.num_mel_bins;
        match frames.shape() {
            &[own, length] if own == bands && length > 0 => Ok((own, length)),
            other => {
                let message = format!("frames of shape {other:?}, expected [{bands}, frames]");
                Err(Error::shape(NAME, message).with_help("LogMel makes frames of sound"))
            }
        }
    }

    /// The frames of a window, `[1, bands, window]`, behind which there may be none.
    #[track_caller]
    fn window(&self, frames: &Tensor, seek: usize, length: usize) -> Result<Tensor> {
        let whole = self.config.window_frames();
        let there = (length - seek).min(whole);
        let part = frames.narrow(1, seek, there)?;
        let part = if there < whole { part.pad(&[(0, (whole - there) as isize)], 0.0)? } else { part };
        part.unsqueeze(0)
    }

    #[track_caller]
    fn language_named(&self, code: &str) -> Result<i64> {
        let known = &self.config.special.languages;
        if let Some(id) = known.get(code) {
            return Ok(*id);
        }
        let e = Error::argument(NAME, format!("the language `{}` is not known to the model", short(code)));
        let codes: Vec<&str> = known.keys().map(String::as_str).collect();
        Err(match codes.is_empty() {
            true => e.with_help("it knows one only, and is not told which"),
            false => e.with_help(format!("the languages are {}", codes.join(", "))),
        })
    }

    /// The most likely language of a window, and its token.
    #[track_caller]
    fn language_of(&self, encoded: &Encoded<'_, Self>) -> Result<(String, i64)> {
        let chances = self.chances(encoded, &[self.config.tokens.start_id])?;
        let mut best: Option<(&String, i64, f64)> = None;
        for (code, id) in &self.config.special.languages {
            let score = chances[*id as usize];
            // Of equal ones, the one with the smaller number.
            if best.is_none_or(|(_, other, most)| score > most || score == most && *id < other) {
                best = Some((code, *id, score));
            }
        }
        match best {
            Some((code, id, _)) => Ok((code.clone(), id)),
            None => Err(Error::argument(NAME, "the model knows no languages")),
        }
    }

    /// The tokens that say what to do.
    #[track_caller]
    fn beginning(&self, options: &TranscribeOptions, language: Option<i64>) -> Result<Vec<i64>> {
        let special = &self.config.special;
        let mut tokens = options.prompt.clone();
        tokens.push(self.config.tokens.start_id);
        let task = match options.task {
            SpeechTask::Transcribe => special.transcribe,
            SpeechTask::Translate if special.translate.is_none() => {
                return Err(Error::argument(NAME, "the model has no token for the task translate"));
            }
            SpeechTask::Translate => special.translate,
        };
        match language {
            Some(language) => tokens.extend([Some(language), task].into_iter().flatten()),
            None => {
                let forced = special.forced.iter().copied().flatten();
                tokens.extend(forced.filter(|id| Some(*id) != special.no_timestamps));
            }
        }
        tokens.extend(special.no_timestamps.filter(|_| !options.timestamps));
        Ok(tokens)
    }
}
