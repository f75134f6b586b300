//! Text in, text out.

use std::fmt;

use super::engine::Engine;
use super::options::{FinishReason, GenerateOptions};
use super::stop::{Progress, StopSet};
use super::stream::Generator;
use crate::error::{Here, Result};
use crate::models::CausalLm;
use crate::rng::Rng;
use crate::text::{DecodeStream, Tokenizer};

/// A continuation of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextContinuation {
    /// The new text, without what ended it.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
}

/// A continuation, piece by piece: the iterator that [`Generate::stream_text`](super::Generate::stream_text) returns.
///
/// A piece comes when its characters are complete and certain to belong to the continuation; it is never empty. After an
/// error, the iterator ends.
pub struct TextGenerator<'m, M: CausalLm> {
    tokens: Generator<'m, M>,
    decoder: DecodeStream<'m>,
    /// What the decoder holds back of the prompt.
    prompt: String,
    stops: StopSet<u8>,
    progress: Progress,
    /// What was decoded and has not been returned.
    text: String,
    finish: Option<FinishReason>,
    failed: bool,
}

impl<'m, M: CausalLm> TextGenerator<'m, M> {
    #[track_caller]
    pub(super) fn new(
        model: &'m M,
        tokenizer: &'m dyn Tokenizer,
        ids: &[i64],
        options: &GenerateOptions,
        rng: &mut Rng,
    ) -> Result<Self> {
        let stops = StopSet::new("stop text", options.stop_texts.iter().map(String::as_bytes))?;
        let tokens = Generator::new(Engine::new(model, &[ids], options, rng)?);
        // What a token looks like may depend on those before it.
        let mut decoder = DecodeStream::new(tokenizer);
        let mut shown = 0;
        for id in ids {
            shown += decoder.push(*id)?.len();
        }
        let prompt = tokenizer.decode(ids).here()?.get(shown..).unwrap_or("").to_string();
        let progress = stops.start();
        Ok(Self { tokens, decoder, prompt, stops, progress, text: String::new(), finish: None, failed: false })
    }

    /// Why the continuation ended, once it has.
    #[must_use]
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.finish
    }

    /// Appends decoded text behind that of the prompt, up to the end of the first stop text.
    fn push(&mut self, piece: &str) {
        let both = piece.chars().zip(self.prompt.chars()).take_while(|(a, b)| a == b);
        let of_prompt: usize = both.map(|(c, _)| c.len_utf8()).sum();
        let piece = &piece[of_prompt..];
        self.prompt.drain(..of_prompt);
        if !piece.is_empty() {
            // The prompt's last bytes may have become something else by those behind them.
            self.prompt.clear();
        }
        for (i, byte) in piece.bytes().enumerate() {
            if let Some((which, length)) = self.stops.push(&mut self.progress, &byte) {
                // Both begin where a stop text matches, hence at a character.
                self.text.push_str(&piece[..=i]);
                self.text.truncate(self.text.len() - length);
                self.finish = Some(FinishReason::StopText(which));
                return;
            }
        }
        self.text.push_str(piece);
    }

    /// Takes another token, or the end.
    #[track_caller]
    fn step(&mut self) -> Result<()> {
        match self.tokens.next() {
            Some(token) => {
                let piece = self.decoder.push(token?.id)?;
                self.push(&piece);
            }
            None => {
                let rest = self.decoder.finish();
                self.push(&rest);
                self.finish = self.finish.or(self.tokens.finish_reason());
            }
        }
        Ok(())
    }
}

impl<M: CausalLm> Iterator for TextGenerator<'_, M> {
    type Item = Result<String>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let held = if self.finish.is_some() { 0 } else { self.progress.held() };
            let certain = self.text.len() - held;
            if certain > 0 {
                return Some(Ok(self.text.drain(..certain).collect()));
            }
            if self.failed || self.finish.is_some() {
                return None;
            }
            if let Err(e) = self.step() {
                self.failed = true;
                return Some(Err(e.outside(self.tokens.line())));
            }
        }
    }
}

impl<M: CausalLm> std::iter::FusedIterator for TextGenerator<'_, M> {}

impl<M: CausalLm> fmt::Debug for TextGenerator<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextGenerator").field("held", &self.text).field("finish", &self.finish).finish_non_exhaustive()
    }
}
