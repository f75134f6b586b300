//! Translation: dates written in many ways into ISO form, character by character.
//!
//! `cargo run --release --example translate`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod dates;
mod options;

use std::time::Instant;

use demotic::layers::Architecture;
use demotic::models::{
    BeamSearch, GenerateOptions, Seq2Seq, Seq2SeqLstm, Seq2SeqLstmConfig, Seq2SeqTokens, Seq2SeqTransformer,
    Seq2SeqTransformerConfig,
};
use demotic::optimizers::schedule::{Curve, Schedule};
use demotic::prelude::*;
use demotic::text::{CharTokenizer, Sampler, Tokenizer};
use options::Options;
use serde_json::{Value, json};

/// The longest way of writing a date has fewer characters.
const MAX_LENGTH: usize = 48;
/// Unseen dates to measure with.
const TESTED: usize = 1000;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("translate", &options.out, e))?;
    let mut rng = Rng::seed(options.seed);
    let mut vocabulary = rng.split();
    let sample: Vec<_> = (0..2000).map(|_| dates::example(&mut vocabulary)).collect();
    let characters = CharTokenizer::fit(sample.iter().flat_map(|e| [e.written.as_str(), e.iso.as_str()]))?
        .with_special_tokens(&["<padding>", "<start>", "<end>"])?;
    let special = |name: &str| characters.id(name).unwrap_or(0);
    let tokens = Seq2SeqTokens::new(characters.vocab_size(), characters.vocab_size())
        .padding_id(special("<padding>"))
        .start_id(special("<start>"))
        .end_id(special("<end>"));
    println!("A date is read as a sequence of characters (there are {}),", characters.vocab_size());
    println!("and written as one: year, month and day in the order of ISO 8601. Nobody tells the model how.\n");
    let results = if options.lstm {
        let config = Seq2SeqLstmConfig::new(tokens).embedding_size(64).hidden_size(96);
        run(Seq2SeqLstm::new(config, &mut rng)?, &characters, &options, rng)?
    } else {
        let config = Seq2SeqTransformerConfig::new(tokens, MAX_LENGTH).layers(2).heads(4).hidden_size(64).dropout(0.0);
        run(Seq2SeqTransformer::new(config, &mut rng)?, &characters, &options, rng)?
    };
    if options.json {
        println!("{results}");
    }
    if options.check && results["exact_match"].as_f64().unwrap_or(0.0) < 0.99 {
        let message = format!("{} of the dates are right, expected at least 0.99", results["exact_match"]);
        return Err(Error::numeric("check", message));
    }
    Ok(())
}

fn run<M: Seq2Seq + Architecture>(
    mut model: M,
    characters: &CharTokenizer,
    options: &Options,
    mut rng: Rng,
) -> Result<Value> {
    println!("{} with {} parameters.", model.kind(), model.num_parameters());
    let mut unseen = rng.split();
    let test: Vec<_> = (0..TESTED).map(|_| dates::example(&mut unseen)).collect();
    let show = |model: &M, when: &str| -> Result<()> {
        println!("\n{when}:");
        for example in &test[..5] {
            println!("  {:32} → {}", example.written, translate(model, characters, &[&example.written])?[0]);
        }
        Ok(())
    };
    show(&model, "Before training")?;

    let mut opt = AdamW::new(options.lr).decay_matrices_only().clip_norm(1.0);
    let warm_up = options.steps / 10;
    let mut schedule = Curve::cosine(options.lr, options.steps - warm_up).floor(options.lr * 0.02).warm_up(warm_up);
    schedule.start(&mut opt)?;
    let start = Instant::now();
    let mut mean = 0.0;
    for step in 1..=options.steps {
        let batch: Vec<_> = (0..options.batch).map(|_| dates::example(&mut rng)).collect();
        let ids = |text: fn(&dates::Example) -> &str| {
            batch.iter().map(|e| characters.encode(text(e))).collect::<Result<Vec<_>>>()
        };
        let sources = model.tokens().sources(&ids(|e| &e.written)?)?;
        // Teacher forcing: the decoder sees the right beginning and has to say what comes next, at every place at once.
        let (inputs, labels) = model.tokens().teacher_forcing(&ids(|e| &e.iso)?)?;
        let logits = model.forward(&sources, &inputs, &mut Mode::train(&mut rng))?;
        let loss = losses::token_cross_entropy(&logits, &labels)?;
        opt.step(&mut model, &loss.backward()?)?;
        let value = loss.item()?;
        schedule.step(&mut opt, value)?;
        mean = if step == 1 { value } else { 0.98 * mean + 0.02 * value };
        if step == options.steps / 3 {
            show(&model, &format!("After {step} steps (loss {mean:.3})"))?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    show(&model, &format!("After {} steps in {seconds:.1} s (loss {mean:.4})", options.steps))?;

    let written: Vec<&str> = test.iter().map(|e| e.written.as_str()).collect();
    let found = translate(&model, characters, &written)?;
    let right = found.iter().zip(&test).filter(|(found, example)| **found == example.iso).count();
    println!("\n{right} of {TESTED} dates that it has not seen are exactly right.");
    for (found, example) in found.iter().zip(&test).filter(|(found, e)| **found != e.iso).take(3) {
        println!("  wrong: {} → {found}, not {}", example.written, example.iso);
    }

    // The same from a file, which holds the model with its sizes and the characters. Asked by beam search, it also says how sure
    // it is.
    let path = options.out.join("translate.safetensors");
    TextPipeline::new(model, characters.clone()).save(&path)?;
    let loaded = TextPipeline::<M>::open(&path)?;
    let asked = options.date.as_deref().unwrap_or(written[0]);
    let limit = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(16);
    println!("\nBeam search with the model from {}:\n  {asked}", path.display());
    for (date, beam) in loaded.translate_beams(asked, &BeamSearch::new(3)?, &limit)? {
        println!("  {date:12} log-probability per token {:.3}", beam.score);
    }
    Ok(json!({
        "exact_match": right as f64 / TESTED as f64,
        "loss": mean,
        "seconds": seconds,
        "same_after_loading": translate(loaded.model(), characters, &written[..50])? == found[..50],
    }))
}

/// The likeliest characters, one after the other, for each date.
fn translate<M: Seq2Seq>(model: &M, characters: &CharTokenizer, written: &[&str]) -> Result<Vec<String>> {
    let ids = written.iter().map(|text| characters.encode(text)).collect::<Result<Vec<_>>>()?;
    let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(16);
    let found = model.translate(&model.tokens().sources(&ids)?, &options, &mut Rng::seed(0))?;
    found.iter().map(|continuation| characters.decode_without_special(&continuation.tokens)).collect()
}
