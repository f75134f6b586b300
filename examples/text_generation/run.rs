//! Part 2: a language model trained on a text, and used.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use demotic::data::{Dataset, NextTokens, Sentences};
use demotic::io::CheckpointFolder;
use demotic::models::{
    FinishReason, Generate, GenerateOptions, Gpt, GptConfig, RecurrentCell, RecurrentLm, RecurrentLmConfig,
};
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;
use demotic::text::Tokenizer;
use demotic::train::Ended;
use demotic::train::plot::Chart;
use serde_json::{Value, json};

use crate::corpus::{Corpus, Parts};
use crate::judged;
use crate::measure::Measure;
use crate::options::{Kind, Options};
use crate::picture::{self, Scene};
use crate::saved::{self, LanguageModel};
use crate::starts::{self, TITLES};
use crate::stories;
use crate::wrapped::Wrapped;

/// Continues a prompt with a model that an earlier run has saved.
pub fn generate_only(options: &Options, folder: &Path) -> Result<Value> {
    let path = saved::file(folder);
    match TextPipeline::<Gpt>::open(&path) {
        Ok(gpt) => opened(&gpt, options, saved::end(&path)?),
        // Or is it the other kind of model? If not, the first error says more.
        Err(e) => match TextPipeline::<RecurrentLm>::open(&path) {
            Ok(recurrent) => opened(&recurrent, options, saved::end(&path)?),
            Err(_) => Err(e.with_help("--load takes the --out folder of an earlier run")),
        },
    }
}

fn opened(pipeline: &TextPipeline<impl LanguageModel>, options: &Options, end: Option<String>) -> Result<Value> {
    let Some(prompt) = &options.prompt else {
        return Err(Error::argument("text_generation", "--load needs a --prompt TEXT to continue"));
    };
    let (model, tokenizer) = (pipeline.model(), pipeline.tokenizer());
    let mut sample =
        GenerateOptions::new().sampler(options.sampler()?).sliding_window().max_new_tokens(options.new_tokens);
    // Stories alone have an end.
    let is_prose = end.is_some();
    if let Some(end) = end {
        sample = sample.stop_text(&end);
    }
    let read = tokenizer.decode(&tokenizer.encode(prompt)?)?;
    if read != *prompt {
        println!("Its tokenizer knows the prompt as: {read}\n");
    }
    let strange = if is_prose { starts::unknown(prompt)? } else { None };
    if let Some(told) = &strange {
        println!("{told}\n");
    }
    let text = show(model, tokenizer, prompt, &sample, options.seed, is_prose)?;
    Ok(json!({ "prompt": prompt, "text": text, "known": strange.is_none() }))
}

/// Trains a model as the options say.
pub fn train(options: &Options) -> Result<Value> {
    let corpus = Corpus::new(options)?;
    match options.corpus {
        Some(_) => println!("A language model of {}\n", corpus.name),
        None => println!(
            "━━ 2. A GPT that tells stories ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━\n"
        ),
    }
    println!(
        "Its text: {}; {} characters, {} tokens of a vocabulary of {}.",
        corpus.name,
        grouped(corpus.text.chars().count()),
        grouped(corpus.num_tokens),
        grouped(corpus.tokenizer.vocab_size()),
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
                .layers(options.layers.unwrap_or(if options.corpus.is_none() { 2 } else { 4 }))
                .heads(options.heads)
                .hidden_size(options.width);
            trained(Gpt::new(config, &mut rng)?, &corpus, options, rng)
        }
        Kind::Lstm => trained(recurrent(RecurrentCell::Lstm, &mut rng)?, &corpus, options, rng),
        Kind::Gru => trained(recurrent(RecurrentCell::Gru, &mut rng)?, &corpus, options, rng),
        Kind::Rnn => trained(recurrent(RecurrentCell::Rnn, &mut rng)?, &corpus, options, rng),
    }
}

/// Batches of tokens, and for each the one behind it.
type Examples = dyn Dataset<Batch = (Tensor, Tensor)>;

/// What a run tells of itself.
#[derive(Default)]
struct Course {
    /// The training loss of each step.
    losses: Vec<f64>,
    /// Steps, and the loss on a part of the text that is kept.
    validation: Vec<(f64, f64)>,
    scenes: Vec<Scene>,
}

/// The most tokens on which the loss is measured while the training goes on.
const MEASURED: usize = 4096;
/// What a program that Ctrl-C has ended returns to the shell.
const INTERRUPTED: i32 = 130;
/// How often the training says how it goes.
const LINES: u64 = 10;

fn trained<M: LanguageModel>(mut model: M, corpus: &Corpus, options: &Options, mut rng: Rng) -> Result<Value> {
    let data: Box<Examples> = match &corpus.parts {
        Parts::Stories { train, .. } => Box::new(Sentences::new(train, 0)?),
        Parts::Stream { train, .. } => {
            let samples = (options.steps as usize).saturating_mul(options.batch);
            Box::new(NextTokens::new(train.clone(), options.context)?.random(samples, &mut rng)?)
        }
    };
    let whole = Measure::new(&corpus.parts, options.context, usize::MAX)?;
    let part = Measure::new(&corpus.parts, options.context, MEASURED)?;
    println!("The last tenth, {} tokens, is kept for measuring.", grouped(whole.num_tokens()));
    let prompts = match &options.prompt {
        Some(prompt) => vec![prompt.clone()],
        None if options.corpus.is_none() => TITLES.map(|title| format!("{title}\n")).to_vec(),
        None => vec![corpus.beginning()?],
    };
    println!("{} with {} parameters.\n", model.kind(), grouped(model.num_parameters()));
    let tokens_per_character = whole.num_tokens() as f64 / corpus.kept_characters.max(1) as f64;
    let is_prose = options.corpus.is_none();
    let bits = |nats: f64| nats / std::f64::consts::LN_2 * tokens_per_character;
    let mut sample = GenerateOptions::new().sampler(options.sampler()?).sliding_window();
    if options.corpus.is_none() {
        sample = sample.stop_text(stories::END);
    }
    let brief = sample.clone().max_new_tokens(options.new_tokens.min(60));
    let before = bits(whole.of(&model)?);
    println!("Before the training it knows nothing ({before:.2} bits per character):\n");
    let first = show(&model, &*corpus.tokenizer, &prompts[0], &brief, options.seed, is_prose)?;

    let warm_up = options.steps / 10;
    let checkpoints = CheckpointFolder::new(options.out.join("checkpoints")).keep(2);
    let optimizer = AdamW::new(options.lr).decay_matrices_only().clip_norm(1.0);
    let mut trainer = Trainer::new(losses::token_cross_entropy, optimizer)
        .max_steps(options.steps)
        .batch_size(options.batch)
        .step_schedule(Curve::cosine(options.lr, options.steps - warm_up).floor(options.lr * 0.1).warm_up(warm_up))
        .checkpoints(checkpoints.clone())
        .checkpoint_every((options.steps / 2).max(1));
    if let Some(path) = &options.resume {
        trainer = trainer.resume(path);
    }
    let mut course = Course::default();
    course.scenes.push(Scene { heading: "before the training".into(), prompt: prompts[0].clone(), text: first });
    let course = Arc::new(Mutex::new(course));
    let every = (options.steps / LINES).max(1);
    let sample_every = (options.steps / 3).max(1);
    let (record, tokenizer, steps, seed) = (course.clone(), corpus.tokenizer.clone(), options.steps, options.seed);
    let vocab = tokenizer.vocab_size();
    let tokens_per_step = match &corpus.parts {
        // Stories differ in length.
        Parts::Stories { train, .. } => {
            options.batch as f64 * train.iter().map(Vec::len).sum::<usize>() as f64 / train.len() as f64
        }
        Parts::Stream { .. } => (options.batch * options.context) as f64,
    };
    let (prompt, mut since, mut said) = (prompts[0].clone(), Instant::now(), 0);
    trainer = trainer.every(1, move |report, model: &M| {
        let mut course = record.lock().unwrap_or_else(PoisonError::into_inner);
        course.losses.push(report.loss);
        if report.step % every == 0 {
            let seconds = since.elapsed().as_secs_f64();
            let last = &course.losses[course.losses.len().saturating_sub(every as usize)..];
            let mean = last.iter().sum::<f64>() / last.len() as f64;
            let speed = last.len() as f64 * tokens_per_step / seconds;
            let validation = part.of(model)?;
            if said == 0 {
                println!("Training. Losses are means over the steps since the line before, and over {} kept tokens,", grouped(part.num_tokens()));
                println!("in nats per token: who guesses among all tokens alike has ln {vocab} = {:.2}, who is always sure and right has 0.\n", (vocab as f64).ln());
            }
            println!(
                "  step {:>5} of {steps}   training loss {mean:.3}   on kept text {validation:.3}   {speed:>6.0} tokens/s",
                report.step
            );
            said += 1;
            course.validation.push((report.step as f64, validation));
        }
        if report.step % sample_every == 0 && report.step + sample_every <= steps {
            println!("\nAfter {} steps:\n", report.step);
            let text = show(model, &*tokenizer, &prompt, &brief, seed, is_prose)?;
            course.scenes.push(Scene { heading: format!("after {} steps", report.step), prompt: prompt.clone(), text });
        }
        if report.step % every == 0 {
            since = Instant::now();
        }
        Ok(ControlFlow::Continue(()))
    });
    let start = Instant::now();
    let history = trainer.fit(&mut model, &*data, &mut rng)?;
    if history.ended == Ended::Interrupted {
        if let Some(path) = checkpoints.latest()? {
            println!("\nInterrupted after {} steps. To go on, add --resume {}", history.steps, path.display());
        }
        std::process::exit(INTERRUPTED);
    }
    let seconds = start.elapsed().as_secs_f64();
    drop(trainer);

    let mut course = std::mem::take(&mut *course.lock().unwrap_or_else(PoisonError::into_inner));
    let last = &course.losses[course.losses.len().saturating_sub(100)..];
    let train_loss = last.iter().sum::<f64>() / last.len().max(1) as f64;
    let validation_loss = whole.of(&model)?;
    let after = bits(validation_loss);
    println!(
        "\n{} steps in {seconds:.1} s. Nats per token: {train_loss:.3} in the mean of the last {} steps, {validation_loss:.3} on all\n\
         the text that was kept, which are {after:.2} bits per character.\n",
        course.losses.len(),
        last.len()
    );
    let chart = options.out.join("loss.png");
    Chart::new("Loss of a language model")
        .labels("step", "cross-entropy, nats per token")
        .log_y()
        .smooth_line("training", course.losses.iter().copied(), (course.losses.len() / 25).max(1))
        .xy_line("validation", course.validation.iter().copied())
        .save(&chart)?;
    saved::save(&model, &*corpus.tokenizer, options.corpus.is_none().then_some(stories::END), &options.out)?;

    let sample = sample.max_new_tokens(options.new_tokens);
    let mut texts = Vec::new();
    println!("After the training:\n");
    for prompt in &prompts {
        let text = show(&model, &*corpus.tokenizer, prompt, &sample, options.seed, is_prose)?;
        course.scenes.push(Scene {
            heading: format!("after {} steps", options.steps),
            prompt: prompt.clone(),
            text: text.clone(),
        });
        texts.push(text);
    }
    let stories = match options.corpus {
        None => {
            let count = if options.quick { 4 } else { 16 };
            judged::stories(&model, &*corpus.tokenizer, &corpus.text, count, &options.sampler()?, options.seed)?
        }
        Some(_) => Value::Null,
    };
    picture::save(&course.scenes, &options.out.join("text.svg"))?;
    println!("Pictures: {0}/loss.png, {0}/text.svg. To go on generating:", options.out.display());
    let prompt = prompts[0].trim();
    // What a shell takes as it stands.
    let is_plain = prompt.chars().all(|c| c.is_alphanumeric() || " ,.'《》，。".contains(c)) && !prompt.is_empty();
    let prompt = if is_plain { format!("\"{prompt}\"") } else { "TEXT".into() };
    println!("  cargo run --release --example text_generation -- --load {} --prompt {prompt}", options.out.display());
    Ok(json!({
        "steps": course.losses.len(),
        "seconds": seconds,
        "train_loss": train_loss,
        "validation_loss": validation_loss,
        "bits_per_character_before": before,
        "bits_per_character": after,
        "text": texts[0],
        "texts": texts,
        "stories": stories,
    }))
}

/// A number with commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Prints a prompt and its continuation while it is generated; returns the continuation. Stories are prose, of which lines are broken; other texts
/// keep their own.
fn show(
    model: &impl LanguageModel,
    tokenizer: &dyn Tokenizer,
    prompt: &str,
    options: &GenerateOptions,
    seed: u64,
    is_prose: bool,
) -> Result<String> {
    let mut text = String::new();
    let mut out = std::io::stdout();
    // That nobody reads it, such as a pager that was left, is no reason to fail.
    let mut say = |text: &str| {
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    };
    let mut lines = Wrapped::new(is_prose);
    say(&lines.take(prompt));
    let mut pieces = model.stream_text(tokenizer, prompt, options, &mut Rng::seed(seed))?;
    for piece in pieces.by_ref() {
        let piece = piece?;
        say(&lines.take(&piece));
        text.push_str(&piece);
    }
    if is_prose && pieces.finish_reason() == Some(FinishReason::MaxNewTokens) {
        say(&lines.take(" …"));
    }
    say(&lines.end());
    say("\n\n");
    Ok(text)
}
