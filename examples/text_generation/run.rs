//! Part 2: a language model trained on a text, and used.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use demotic::data::NextTokens;
use demotic::io::CheckpointFolder;
use demotic::models::{Generate, GenerateOptions, Gpt, GptConfig, RecurrentCell, RecurrentLm, RecurrentLmConfig};
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;
use demotic::text::Tokenizer;
use demotic::train::plot::Chart;
use serde_json::{Value, json};

use crate::corpus::Corpus;
use crate::options::{Kind, Options};
use crate::saved::{self, Config, LanguageModel};

/// Continues a prompt with a model that an earlier run has saved.
pub fn generate_only(options: &Options, folder: &Path) -> Result<Value> {
    let (config, tokenizer) = saved::load(folder)?;
    let mut rng = Rng::seed(options.seed);
    match config {
        Config::Gpt(config) => loaded(Gpt::new(config, &mut rng)?, &*tokenizer, options, folder),
        Config::Recurrent(config) => loaded(RecurrentLm::new(config, &mut rng)?, &*tokenizer, options, folder),
    }
}

fn loaded(mut model: impl LanguageModel, tokenizer: &dyn Tokenizer, options: &Options, folder: &Path) -> Result<Value> {
    saved::load_weights(&mut model, folder)?;
    let Some(prompt) = &options.prompt else {
        return Err(Error::argument("text_generation", "--load needs a --prompt TEXT to continue"));
    };
    let sample = GenerateOptions::new().sampler(options.sampler()?).sliding_window().max_new_tokens(options.new_tokens);
    let read = tokenizer.decode(&tokenizer.encode(prompt)?)?;
    if read != *prompt {
        println!("Its tokenizer knows the prompt as: {read}\n");
    }
    let text = show(&model, tokenizer, prompt, &sample, options.seed)?;
    Ok(json!({ "prompt": prompt, "text": text }))
}

/// Trains a model as the options say.
pub fn train(options: &Options) -> Result<Value> {
    let corpus = Corpus::new(options)?;
    println!("2. A language model of {}\n", corpus.name);
    println!(
        "{} characters are {} tokens of a vocabulary of {}; the last {} are kept for measuring.",
        corpus.characters,
        corpus.train.len() + corpus.validation.len(),
        corpus.tokenizer.vocab_size(),
        corpus.validation.len()
    );
    let mut rng = Rng::seed(options.seed);
    let vocab = corpus.tokenizer.vocab_size();
    let recurrent = |cell, rng: &mut Rng| {
        let config = RecurrentLmConfig::new(vocab)
            .cell(cell)
            .embedding_size(options.width)
            .hidden_size(options.width)
            .layers(options.layers.unwrap_or(1));
        RecurrentLm::new(config, rng)
    };
    match options.kind {
        Kind::Gpt => {
            let config = GptConfig::new(vocab, options.context)
                .layers(options.layers.unwrap_or(4))
                .heads(options.heads)
                .hidden_size(options.width);
            trained(Gpt::new(config, &mut rng)?, &corpus, options, rng)
        }
        Kind::Lstm => trained(recurrent(RecurrentCell::Lstm, &mut rng)?, &corpus, options, rng),
        Kind::Gru => trained(recurrent(RecurrentCell::Gru, &mut rng)?, &corpus, options, rng),
        Kind::Rnn => trained(recurrent(RecurrentCell::Rnn, &mut rng)?, &corpus, options, rng),
    }
}

/// What a token of this corpus says, measured in bits per character of text.
struct Bits {
    tokens: Vec<i64>,
    tokens_per_character: f64,
    context: usize,
}

impl Bits {
    fn of<M: LanguageModel>(&self, model: &M) -> Result<f64> {
        let nats = model.perplexity(&self.tokens, self.context)?.nats_per_token();
        Ok(nats / std::f64::consts::LN_2 * self.tokens_per_character)
    }
}

fn trained<M: LanguageModel>(mut model: M, corpus: &Corpus, options: &Options, mut rng: Rng) -> Result<Value> {
    let samples = (options.steps as usize).saturating_mul(options.batch);
    let data = NextTokens::new(corpus.train.clone(), options.context)?.random(samples, &mut rng)?;
    let kept = &corpus.validation;
    let prompt = match &options.prompt {
        Some(prompt) => prompt.clone(),
        None if options.corpus.is_none() => "# ".to_string(),
        None => corpus.tokenizer.decode(&kept.slice(0..kept.len().min(8))?)?,
    };
    println!("{} with {} parameters.\n", model.kind(), model.num_parameters());
    let tokens_per_character = kept.len() as f64 / corpus.validation_characters.max(1) as f64;
    let bits = Bits { tokens: kept.slice(0..kept.len())?, tokens_per_character, context: options.context };
    let sample = GenerateOptions::new().sampler(options.sampler()?).sliding_window();
    let brief = sample.clone().max_new_tokens(options.new_tokens.min(80));
    let before = bits.of(&model)?;
    println!("Before training ({before:.2} bits per character), it knows nothing:");
    show(&model, &*corpus.tokenizer, &prompt, &brief, options.seed)?;

    let warm_up = options.steps / 10;
    let losses = Arc::new(Mutex::new(Vec::new()));
    let optimizer = AdamW::new(options.lr).decay_matrices_only().clip_norm(1.0);
    let mut trainer = Trainer::new(losses::token_cross_entropy, optimizer)
        .max_steps(options.steps)
        .batch_size(options.batch)
        .step_schedule(Curve::cosine(options.lr, options.steps - warm_up).floor(options.lr * 0.1).warm_up(warm_up))
        .checkpoints(CheckpointFolder::new(options.out.join("checkpoints")).keep(2))
        .checkpoint_every((options.steps / 2).max(1))
        .progress();
    if let Some(path) = &options.resume {
        trainer = trainer.resume(path);
    }
    let record = losses.clone();
    trainer = trainer.every(1, move |report, _: &M| {
        if let Ok(mut losses) = record.lock() {
            losses.push(report.loss);
        }
        Ok(ControlFlow::Continue(()))
    });
    let (tokenizer, start_of_sample, seed) = (corpus.tokenizer.clone(), prompt.clone(), options.seed);
    trainer = trainer.every((options.steps / 3).max(1), move |report, model: &M| {
        println!("After {} steps (training loss {:.2}):", report.step, report.mean_loss);
        show(model, &*tokenizer, &start_of_sample, &brief, seed)?;
        Ok(ControlFlow::Continue(()))
    });
    let start = Instant::now();
    trainer.fit(&mut model, &data, &mut rng)?;
    let seconds = start.elapsed().as_secs_f64();
    drop(trainer);

    let losses = losses.lock().map(|losses| losses.clone()).unwrap_or_default();
    let last = &losses[losses.len().saturating_sub(100)..];
    let train_loss = last.iter().sum::<f64>() / last.len().max(1) as f64;
    let after = bits.of(&model)?;
    let validation_loss = after * std::f64::consts::LN_2 / tokens_per_character;
    println!("{} steps in {seconds:.1} s. The loss of the last {} is {train_loss:.3},", losses.len(), last.len());
    println!("on text that it has not seen {validation_loss:.3} per token: {after:.2} bits per character.\n");
    let chart = options.out.join("loss.png");
    Chart::new("Loss of a language model")
        .labels("step", "cross-entropy, nats per token")
        .line("training", losses.iter().copied())
        .save(&chart)?;
    saved::save(&model, &*corpus.tokenizer, &options.out)?;
    println!("{prompt}… continued:");
    let text = show(&model, &*corpus.tokenizer, &prompt, &sample.max_new_tokens(options.new_tokens), options.seed)?;
    println!("The loss curve is in {}. To go on generating:", chart.display());
    println!("  cargo run --release --example text_generation -- --load {} --prompt TEXT", options.out.display());
    Ok(json!({
        "steps": losses.len(),
        "seconds": seconds,
        "train_loss": train_loss,
        "validation_loss": validation_loss,
        "bits_per_character_before": before,
        "bits_per_character": after,
        "text": text,
    }))
}

/// Prints a prompt and its continuation while it is generated; returns the continuation.
fn show(
    model: &impl LanguageModel,
    tokenizer: &dyn Tokenizer,
    prompt: &str,
    options: &GenerateOptions,
    seed: u64,
) -> Result<String> {
    let mut text = String::new();
    let mut out = std::io::stdout();
    // That nobody reads it, such as a pager that was left, is no reason to fail.
    let mut say = |text: &str| {
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    };
    say(prompt);
    for piece in model.stream_text(tokenizer, prompt, options, &mut Rng::seed(seed))? {
        let piece = piece?;
        say(&piece);
        text.push_str(&piece);
    }
    say("\n\n");
    Ok(text)
}
