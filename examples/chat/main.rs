//! A conversation with a model in the terminal: a published one from its file, or one of a few thousand parameters that is made on
//! the spot.
//!
//! `cargo run --release --example chat --features chat -- --model SmolLM2-135M-Instruct.Q4_1.gguf`, and `-- --help` for the
//! options. Without the feature, conversations are written as ChatML and not by the model's own template.

#[path = "../arguments/mod.rs"]
mod arguments;
mod conversation;
mod form;
mod options;
mod small;

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use conversation::Conversation;
use demotic::models::{CausalLm, LanguageModel};
use demotic::parallel;
use demotic::prelude::*;
use demotic::tensor::Scheme;
use demotic::{Error, Result};
use form::Form;
use options::Options;
use serde_json::{Value, json};

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    let results = match options.threads {
        Some(threads) => parallel::with_threads(threads, || run(&options))??,
        None => run(&options)?,
    };
    if options.json {
        println!("{results}");
    }
    Ok(())
}

fn run(options: &Options) -> Result<Value> {
    let Some(path) = &options.model else { return with_small_model(options) };
    let start = Instant::now();
    let model = TextPipeline::<LanguageModel>::from_pretrained(path)?;
    let (parameters, seconds) = (model.model().num_parameters(), start.elapsed().as_secs_f64());
    if !options.raw {
        println!("{parameters} parameters, read in {seconds:.2} s");
    }
    let form = if options.raw { Form::ChatMl } else { Form::of(path, &mut |note| println!("{note}")) };
    talk(&model, &form, options)
}

/// Learns by heart, answers everything, and goes on with what is asked.
fn with_small_model(options: &Options) -> Result<Value> {
    let mut model = small::learn(options.seed)?;
    let exact = ask_all(&model, options, !options.json)?;
    let report = model.model_mut().quantize("*", Scheme::Q8_0)?;
    let small = ask_all(&model, options, false)?;
    println!(
        "\nright: {exact} of 30; with weights of eight bits, {} bytes instead of {}: {small}",
        report.bytes(),
        report.bytes_before()
    );
    if options.check && (exact, small) != (30, 30) {
        return Err(Error::state("chat", format!("{exact} and {small} of 30 answers are right")));
    }
    let is_scripted = options.check || options.json;
    let said = if is_scripted { Value::Null } else { talk(&model, &Form::ChatMl, options)? };
    Ok(json!({ "right": exact, "right_in_eight_bits": small, "conversation": said }))
}

fn ask_all<M: CausalLm + Module>(model: &TextPipeline<M>, options: &Options, show: bool) -> Result<usize> {
    let mut right = 0;
    for (question, answer) in small::dialogues() {
        let mut conversation =
            Conversation::new(model, &Form::ChatMl, &Options { greedy: true, tokens: 64, ..known(options) })?;
        let given = conversation.ask(&question, &mut |_| Ok(()))?.text;
        if show {
            println!("  {question:42} {given}");
        }
        right += usize::from(given == answer);
    }
    Ok(right)
}

/// The options of a conversation that starts anew.
fn known(options: &Options) -> Options {
    Options { model: None, prompt: None, raw: false, system: None, ..*options }
}

/// The terminal is gone.
fn lost(e: std::io::Error) -> Error {
    Error::io("chat", Path::new("the terminal"), e)
}

/// Answers the prompt, or what is typed.
fn talk<M: CausalLm + Module>(model: &TextPipeline<M>, form: &Form, options: &Options) -> Result<Value> {
    let mut conversation = Conversation::new(model, form, options)?;
    let mut show = |piece: &str| {
        print!("{piece}");
        std::io::stdout().flush().map_err(lost)
    };
    if let Some(prompt) = &options.prompt {
        let answer = match options.raw {
            true => conversation.continue_text(prompt, &mut show)?,
            false => conversation.ask(prompt, &mut show)?,
        };
        println!();
        return Ok(json!({ "text": answer.text, "tokens": answer.tokens, "tokens_per_second": answer.per_second }));
    }
    println!("Type, and end with an empty line.");
    let mut tokens = 0;
    for line in std::iter::once(Ok(String::new())).chain(std::io::stdin().lock().lines()) {
        let line = line.map_err(lost)?;
        if line.is_empty() && tokens > 0 {
            break;
        }
        if !line.is_empty() {
            let answer = conversation.ask(&line, &mut show)?;
            tokens += answer.tokens;
            println!("\n  [{} tokens, {:.1} a second]", answer.tokens, answer.per_second);
        }
        print!("\n> ");
        std::io::stdout().flush().map_err(lost)?;
    }
    println!();
    Ok(json!({ "tokens": tokens }))
}
