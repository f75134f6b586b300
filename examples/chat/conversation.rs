//! What was said so far, and what the model says next.

use std::time::Instant;

use demotic::models::{CausalLm, Generate, GenerateOptions, PrefixCached};
use demotic::prelude::*;
use demotic::text::Sampler;

use crate::form::{self, Form};
use crate::options::Options;

/// What ends a turn, in the vocabularies of published models.
const ENDS: [&str; 8] =
    [form::END, "<|eot_id|>", "<|end|>", "<end_of_turn>", "</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>"];

/// The most memory for what was said before, in bytes.
const CACHE: usize = 256 << 20;

pub struct Conversation<'m, M: CausalLm + Module> {
    model: &'m TextPipeline<M>,
    /// What was said before is not read again.
    cached: PrefixCached<&'m M>,
    form: &'m Form,
    options: GenerateOptions,
    /// The most tokens of an answer.
    tokens: usize,
    turns: Vec<(String, String)>,
    rng: Rng,
}

pub struct Answer {
    pub text: String,
    pub tokens: usize,
    /// Tokens in a second, those of the question not counted.
    pub per_second: f64,
}

impl<'m, M: CausalLm + Module> Conversation<'m, M> {
    pub fn new(model: &'m TextPipeline<M>, form: &'m Form, options: &Options) -> Result<Self> {
        let sampler = match options.greedy {
            true => Sampler::greedy(),
            false => Sampler::new().temperature(options.temperature)?.top_p(options.top_p)?,
        };
        let known = model.tokenizer().special_tokens();
        let ends: Vec<i64> =
            known.iter().filter(|(name, _)| ENDS.contains(&name.as_str())).map(|(_, id)| *id).collect();
        let generate = GenerateOptions::new().sampler(sampler).max_new_tokens(options.tokens).end_tokens(&ends);
        let turns = options.system.iter().map(|text| ("system".to_string(), text.clone())).collect();
        let cached = PrefixCached::new(model.model(), CACHE);
        Ok(Self { model, cached, form, options: generate, tokens: options.tokens, turns, rng: Rng::seed(options.seed) })
    }

    /// Says something, and shows what the model answers, piece by piece.
    pub fn ask(&mut self, text: &str, show: &mut dyn FnMut(&str) -> Result<()>) -> Result<Answer> {
        self.turns.push(("user".into(), text.into()));
        let ids = self.prompt()?;
        let answer = self.answer(&ids, show)?;
        self.turns.push(("assistant".into(), answer.text.clone()));
        Ok(answer)
    }

    /// What was said so far, without the oldest turns if that is more than the model can look at beside an answer.
    fn prompt(&mut self) -> Result<Vec<i64>> {
        loop {
            let text = self.form.write(&self.turns)?;
            // What stands around every text stands in the form already.
            let ids = self.model.tokenizer().encode_without_special(&text)?;
            let context = self.model.model().context_length().unwrap_or(usize::MAX);
            let first = self.turns.iter().position(|(who, _)| who != "system").unwrap_or(0);
            if ids.len().saturating_add(self.tokens) <= context || self.turns.len() < first + 3 {
                return Ok(ids);
            }
            self.turns.drain(first..first + 2);
        }
    }

    /// Goes on from a text as it is.
    pub fn continue_text(&mut self, text: &str, show: &mut dyn FnMut(&str) -> Result<()>) -> Result<Answer> {
        self.answer(&self.model.tokenizer().encode(text)?, show)
    }

    fn answer(&mut self, prompt: &[i64], show: &mut dyn FnMut(&str) -> Result<()>) -> Result<Answer> {
        let (tokenizer, mut said) = (self.model.tokenizer(), String::new());
        let mut first = None;
        for piece in self.cached.stream_text_from(tokenizer, prompt, &self.options, &mut self.rng)? {
            let piece = piece?;
            first.get_or_insert_with(Instant::now);
            show(&piece)?;
            said.push_str(&piece);
        }
        let tokens = tokenizer.encode_without_special(&said)?.len();
        let seconds = first.map_or(0.0, |first| first.elapsed().as_secs_f64());
        let per_second = if seconds > 0.0 { tokens.saturating_sub(1) as f64 / seconds } else { 0.0 };
        Ok(Answer { text: said, tokens, per_second })
    }
}
