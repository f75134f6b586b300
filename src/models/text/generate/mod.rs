//! Continuing text with a language model.

#[cfg(feature = "constraint")]
mod automaton;
mod batch;
mod beam;
mod constraint;
mod engine;
mod options;
mod prefix;
#[cfg(feature = "constraint")]
mod schema;
mod score;
mod speculate;
mod stop;
mod stream;
mod text;

#[cfg(feature = "constraint")]
pub use automaton::Constraint;
pub use batch::BatchGenerator;
pub use beam::{Beam, BeamSearch, BeamStop};
pub use constraint::TokenConstraint;
pub use options::{CancelHandle, FinishReason, GenerateOptions};
pub use prefix::{PrefixCached, PrefixState, PrefixStats};
pub use score::Likelihood;
pub use speculate::Speculation;
pub use stream::Generator;
pub use text::{TextContinuation, TextGenerator};

use super::CausalLm;
use crate::error::{Error, Here, Result};
use crate::rng::Rng;
use crate::text::Tokenizer;
use engine::Engine;

/// A generated token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    /// Its number in the vocabulary.
    pub id: i64,
    /// The natural logarithm of the probability that the model gave it, before all options of the sampler.
    pub log_prob: f64,
}

/// A continuation of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Continuation {
    /// The new tokens, without the end token or stop sequence.
    pub tokens: Vec<i64>,
    /// The natural logarithm of the probability that the model gave each of them, before all options of the sampler.
    pub log_probs: Vec<f64>,
    /// Why the continuation ended.
    pub finish: FinishReason,
}

/// What every language model can do.
///
/// **Contexts.** A token is generated as long as all before it fit into the model's
/// [context](CausalLm::context_length). A prompt that does not fit is an error, unless
/// [`truncate_prompt`](GenerateOptions::truncate_prompt) is set; when the context is full, the continuation ends, unless
/// [`sliding_window`](GenerateOptions::sliding_window) is set.
///
/// **Randomness.** Each continuation draws from a generator of its own, split off `rng`. So a batch gives what its prompts
/// give one after the other, and the same seed the same tokens, as far as the model's logits do not depend on the size of a
/// batch.
///
/// **Cost.** Each token is fed to the model once, so its cost does not grow with what has been generated, but for what the
/// model itself does with it.
pub trait Generate: CausalLm + Sized {
    /// Continues a prompt.
    ///
    /// # Errors
    /// If the prompt is empty or does not fit into the context, a token is not in the vocabulary, an option makes no sense,
    /// several [`samples`](GenerateOptions::samples) or a [stop text](GenerateOptions::stop_text) are asked for, or the model's
    /// logits are not numbers.
    ///
    /// ```
    /// use demotic::models::{CausalLm, FinishReason, Generate, GenerateOptions, LmState};
    /// use demotic::prelude::*;
    /// use demotic::text::Sampler;
    /// # struct Successor;
    /// # #[derive(Clone)]
    /// # struct Count(usize, usize);
    /// # impl LmState for Count {
    /// #     fn rows(&self) -> usize { self.0 }
    /// #     fn len(&self) -> usize { self.1 }
    /// #     fn reorder(&mut self, rows: &[usize]) -> Result<()> { self.0 = rows.len(); Ok(()) }
    /// # }
    /// # impl CausalLm for Successor {
    /// #     type State = Count;
    /// #     fn vocab_size(&self) -> usize { 10 }
    /// #     fn context_length(&self) -> Option<usize> { None }
    /// #     fn start(&self, padding: &[usize]) -> Result<Count> { Ok(Count(padding.len(), 0)) }
    /// #     fn extend(&self, ids: &Tensor, state: &mut Count) -> Result<Tensor> {
    /// #         state.1 += ids.shape()[1];
    /// #         let next = (ids + &Tensor::from_nested(1i64)?)?.to_vec::<i64>()?;
    /// #         let next: Vec<i64> = next.into_iter().map(|i| i % 10).collect();
    /// #         let logits = Tensor::from_vec(next, ids.shape())?.one_hot(10)?.to_dtype(DType::F32);
    /// #         Ok(&logits * 20.0)
    /// #     }
    /// # }
    /// # let model = Successor;
    ///
    /// // A model of ten tokens that knows how to count.
    /// let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(5);
    /// let continuation = model.generate(&[0, 1, 2], &options, &mut Rng::seed(0))?;
    /// assert_eq!(continuation.tokens, [3, 4, 5, 6, 7]);
    /// assert_eq!(continuation.finish, FinishReason::MaxNewTokens);
    ///
    /// // The same, token by token.
    /// for token in model.stream(&[0, 1, 2], &options.end_tokens(&[6]), &mut Rng::seed(0))? {
    ///     let token = token?;
    ///     assert!(token.id < 6 && token.log_prob > -1e-6);
    /// }
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn generate(&self, prompt: &[i64], options: &GenerateOptions, rng: &mut Rng) -> Result<Continuation> {
        generate_to_end(self, prompt, options, rng).map(|(continuation, _)| continuation)
    }

    /// Continues several prompts at once, each with as many [`samples`](GenerateOptions::samples) as the options say: those of
    /// the first prompt come first. Prompts may differ in length, and sequences that are finished cost nothing more.
    ///
    /// # Errors
    /// If there are no prompts, and as for [`generate`](Self::generate) but for the number of samples.
    #[track_caller]
    fn generate_batch<P: AsRef<[i64]>>(
        &self,
        prompts: &[P],
        options: &GenerateOptions,
        rng: &mut Rng,
    ) -> Result<Vec<Continuation>> {
        refuse_stop_texts(options)?;
        let mut engine = Engine::new(self, prompts, options, rng)?;
        while !engine.is_finished() {
            engine.step()?;
        }
        Ok(collect(engine))
    }

    /// Continues a prompt token by token, for text that appears while it is generated.
    ///
    /// # Errors
    /// As for [`generate`](Self::generate); those of later tokens come from the iterator.
    #[track_caller]
    fn stream(&self, prompt: &[i64], options: &GenerateOptions, rng: &mut Rng) -> Result<Generator<'_, Self>> {
        refuse_stop_texts(options)?;
        refuse_samples(options)?;
        Ok(Generator::new(Engine::new(self, &[prompt], options, rng)?))
    }

    /// Continues several prompts at once, token by token: [`generate_batch`](Self::generate_batch) whose tokens can be shown as they come.
    ///
    /// # Errors
    /// As there; those of later tokens come from the iterator.
    ///
    /// ```
    /// use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig};
    /// use demotic::prelude::*;
    ///
    /// let gpt = Gpt::new(GptConfig::new(20, 32).layers(1).hidden_size(16), &mut Rng::seed(0))?;
    /// let prompts: [&[i64]; 2] = [&[1, 2, 3], &[4]];
    /// let mut tokens = [0, 0];
    /// for item in gpt.stream_batch(&prompts, &GenerateOptions::new().max_new_tokens(5), &mut Rng::seed(1))? {
    ///     let (which, _token) = item?;
    ///     tokens[which] += 1;
    /// }
    /// assert_eq!(tokens, [5, 5]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn stream_batch<P: AsRef<[i64]>>(
        &self,
        prompts: &[P],
        options: &GenerateOptions,
        rng: &mut Rng,
    ) -> Result<BatchGenerator<'_, Self>> {
        refuse_stop_texts(options)?;
        Ok(BatchGenerator::new(Engine::new(self, prompts, options, rng)?))
    }

    /// Continues a prompt with the help of a smaller model of the same vocabulary, which drafts `ahead` tokens that this one then
    /// checks all at once (speculative decoding; Leviathan et al., 2023). A draft that is often right saves time.
    ///
    /// Greedily, the tokens are those of [`generate`](Self::generate), as far as logits do not depend on how many tokens are fed at
    /// once; drawn ones have exactly the distribution that they have there, though the same seed gives others.
    ///
    /// # Errors
    /// As for [`stream`](Self::stream), and if the vocabularies have different sizes, `ahead` is 0 or above 7, or the state of either
    /// model cannot forget its latest tokens (a recurrent one).
    ///
    /// ```
    /// use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig};
    /// use demotic::prelude::*;
    /// use demotic::text::Sampler;
    ///
    /// let mut rng = Rng::seed(0);
    /// let model = Gpt::new(GptConfig::new(20, 32).layers(2).hidden_size(32), &mut rng)?;
    /// let draft = Gpt::new(GptConfig::new(20, 32).layers(1).hidden_size(16), &mut rng)?;
    /// let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(10);
    /// let tokens: Vec<i64> =
    ///     model.speculate(&draft, 4, &[1, 2], &options, &mut rng)?.map(|t| Ok(t?.id)).collect::<Result<_>>()?;
    /// assert_eq!(tokens, model.generate(&[1, 2], &options, &mut rng)?.tokens);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    #[doc(alias = "assistant_model")]
    fn speculate<'m, D: CausalLm>(
        &'m self,
        draft: &'m D,
        ahead: usize,
        prompt: &[i64],
        options: &GenerateOptions,
        rng: &mut Rng,
    ) -> Result<Speculation<'m, Self, D>> {
        Speculation::new(self, draft, ahead, prompt, options, rng)
    }

    /// Continues a text.
    ///
    /// # Errors
    /// As for [`generate`](Self::generate), and if the tokenizer has no tokens for the text, or the model's vocabulary is not
    /// the tokenizer's. [Stop texts](GenerateOptions::stop_text) are allowed.
    #[track_caller]
    fn generate_text(
        &self,
        tokenizer: &dyn Tokenizer,
        prompt: &str,
        options: &GenerateOptions,
        rng: &mut Rng,
    ) -> Result<TextContinuation> {
        let mut pieces = self.stream_text(tokenizer, prompt, options, rng)?;
        let text = pieces.by_ref().collect::<Result<String>>()?;
        // The iterator ended without an error, hence for a reason.
        let finish = pieces.finish_reason().ok_or_else(|| Error::state("generate", "nothing was generated")).here()?;
        Ok(TextContinuation { text, finish })
    }

    /// Continues a text piece by piece, to show it while it is generated.
    ///
    /// # Errors
    /// As for [`generate_text`](Self::generate_text); those of later tokens come from the iterator.
    ///
    /// ```no_run
    /// use std::io::Write;
    ///
    /// use demotic::models::{Generate, GenerateOptions};
    /// use demotic::prelude::*;
    /// use demotic::text::Tokenizer;
    /// # fn show(model: &impl Generate, tokenizer: &dyn Tokenizer) -> Result<(), Box<dyn std::error::Error>> {
    ///
    /// let options = GenerateOptions::new().max_new_tokens(200).stop_text("\n\n");
    /// for piece in model.stream_text(tokenizer, "Once upon a time", &options, &mut Rng::seed(0))? {
    ///     print!("{}", piece?);
    ///     std::io::stdout().flush()?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    fn stream_text<'m>(
        &'m self,
        tokenizer: &'m dyn Tokenizer,
        prompt: &str,
        options: &GenerateOptions,
        rng: &mut Rng,
    ) -> Result<TextGenerator<'m, Self>> {
        self.stream_text_from(tokenizer, &tokenizer.encode(prompt).here()?, options, rng)
    }

    /// The same of a prompt that was encoded already: one with special tokens of its own, as the template of a conversation
    /// writes them, which [`encode_without_special`](Tokenizer::encode_without_special) leaves as they are.
    ///
    /// # Errors
    /// As for [`generate_text`](Self::generate_text).
    #[track_caller]
    fn stream_text_from<'m>(
        &'m self,
        tokenizer: &'m dyn Tokenizer,
        prompt: &[i64],
        options: &GenerateOptions,
        rng: &mut Rng,
    ) -> Result<TextGenerator<'m, Self>> {
        refuse_samples(options)?;
        TextGenerator::new(self, tokenizer, prompt, options, rng)
    }

    /// Searches for the most likely continuations, and returns as many as there are beams (or fewer, if there are not so
    /// many), the best first. Penalties, biases and forbidden tokens of the options' sampler apply to the
    /// log-probabilities; nothing is drawn.
    ///
    /// # Errors
    /// As for [`generate`](Self::generate), and if the sampler has a temperature, top-k, top-p or min-p.
    ///
    /// ```no_run
    /// use demotic::models::{BeamSearch, Generate, GenerateOptions};
    /// # fn show(model: &impl Generate) -> demotic::Result<()> {
    ///
    /// let found = model.beam_search(&[1, 2], &BeamSearch::new(4)?, &GenerateOptions::new().end_tokens(&[0]))?;
    /// println!("{:?} with score {}", found[0].tokens, found[0].score);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    fn beam_search(&self, prompt: &[i64], search: &BeamSearch, options: &GenerateOptions) -> Result<Vec<Beam>> {
        beam::search(self, prompt, search, options)
    }

    /// The natural logarithms of the probabilities of given tokens: of each but the first, given all before it.
    ///
    /// # Errors
    /// If there are fewer than two tokens, one is not in the vocabulary, or they do not fit into the context.
    #[track_caller]
    fn score(&self, tokens: &[i64]) -> Result<Vec<f64>> {
        score::score(self, tokens)
    }

    /// How well the model predicts a text of any length: of each token but the first, given those before it.
    ///
    /// A text that is longer than the context is read through a window that moves on by `stride` tokens (at least 1, at most
    /// the context). Each token is predicted once, with at least `context - stride` tokens before it where there are so many;
    /// a smaller stride takes longer and gives a truer value. A model without a limit reads the text once.
    ///
    /// # Errors
    /// If there are fewer than two tokens, one is not in the vocabulary, or the stride is out of range.
    #[track_caller]
    fn perplexity(&self, tokens: &[i64], stride: usize) -> Result<Likelihood> {
        score::perplexity(self, tokens, stride)
    }
}

impl<M: CausalLm> Generate for M {}

/// [`Generate::generate`], with the log-probability of the end token, if that ended it.
#[track_caller]
pub(in crate::models) fn generate_to_end<M: CausalLm>(
    model: &M,
    prompt: &[i64],
    options: &GenerateOptions,
    rng: &mut Rng,
) -> Result<(Continuation, Option<f64>)> {
    refuse_stop_texts(options)?;
    refuse_samples(options)?;
    let mut engine = Engine::new(model, &[prompt], options, rng)?;
    while !engine.is_finished() {
        engine.step()?;
    }
    let end = engine.sequences.first().and_then(|sequence| sequence.end);
    // One prompt and one sample: one sequence, and it is finished.
    let continuation = collect(engine).pop().ok_or_else(|| Error::state("generate", "nothing was generated")).here()?;
    Ok((continuation, end))
}

#[track_caller]
fn refuse_samples(options: &GenerateOptions) -> Result<()> {
    if options.samples <= 1 {
        return Ok(());
    }
    let message = format!("samples is {}, but one continuation is returned", options.samples);
    Err(Error::argument("generate", message).with_help("generate_batch(&[prompt], ..) returns all of them"))
}

#[track_caller]
fn refuse_stop_texts(options: &GenerateOptions) -> Result<()> {
    let Some(text) = options.stop_texts.first() else { return Ok(()) };
    let message = format!("the stop text {text:?} needs a tokenizer");
    Err(Error::argument("generate", message).with_help("use generate_text or stream_text, or stop_sequence(&[..])"))
}

fn collect<M: CausalLm>(engine: Engine<'_, M>) -> Vec<Continuation> {
    let finished = engine.sequences.into_iter().filter_map(|sequence| {
        let finish = sequence.finish?;
        let (tokens, log_probs) = sequence.into_continuation();
        Some(Continuation { tokens, log_probs, finish })
    });
    finished.collect()
}
