//! Semantic search: which lines of a file, or which files of a folder, are most like what is asked for?
//!
//! `cargo run --release --example embed`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod options;
mod subjects;

use std::path::Path;
use std::time::Instant;

use demotic::models::{Bert, BertConfig, BertInputs, Pooling};
use demotic::pipeline::SentenceEncoder;
use demotic::prelude::*;
use demotic::text::{BatchOptions, WordPieceTokenizer};
use options::Options;
use serde_json::json;

/// The longest file of a folder that is read, in bytes: an encoder sees the beginning of a text only.
const LONGEST: u64 = 100_000;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    let encoder = match &options.model {
        Some(folder) => SentenceEncoder::from_pretrained(folder)?,
        None => learn(&options)?,
    };
    let (names, texts) = match &options.place {
        Some(place) => read(place)?,
        None => subjects::LINES.iter().map(|(_, line)| (String::new(), line.to_string())).unzip(),
    };
    let start = Instant::now();
    let vectors = encoder.encode(&texts)?;
    println!("{} texts in {:.2} s", texts.len(), start.elapsed().as_secs_f64());

    let mut queries: Vec<&str> = options.queries.iter().map(String::as_str).collect();
    if queries.is_empty() {
        queries = subjects::QUERIES.map(|(_, query)| query).to_vec();
    }
    let mut results = Vec::new();
    for query in &queries {
        println!("\n{query}");
        let found = encoder.search(query, &vectors, options.top)?;
        for (i, score) in &found {
            let (name, line) = (&names[*i], texts[*i].lines().next().unwrap_or_default());
            let line: String = line.chars().take(100).collect();
            println!("  {score:.3}  {name}{}{line}", if name.is_empty() { "" } else { ": " });
        }
        results.push(json!({ "query": query, "found": found }));
    }
    if options.json {
        println!("{}", json!(results));
    }
    if options.check { check(&encoder) } else { Ok(()) }
}

/// The lines of a file, or the files of a folder with their names.
fn read(place: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let io = |path: &Path, e| Error::io("embed", path, e);
    let (mut names, mut texts) = (Vec::new(), Vec::new());
    if !place.is_dir() {
        let text = std::fs::read(place).map_err(|e| io(place, e))?;
        for line in String::from_utf8_lossy(&text).lines().filter(|line| !line.trim().is_empty()) {
            names.push(String::new());
            texts.push(line.to_string());
        }
    } else {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(place).map_err(|e| io(place, e))? {
            paths.push(entry.map_err(|e| io(place, e))?.path());
        }
        paths.sort();
        for path in paths.iter().filter(|path| path.metadata().is_ok_and(|m| m.is_file() && m.len() <= LONGEST)) {
            let text = std::fs::read(path).map_err(|e| io(path, e))?;
            names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
            texts.push(String::from_utf8_lossy(&text).into_owned());
        }
    }
    if texts.is_empty() {
        return Err(Error::argument("embed", format!("{}: there is no text in it", place.display())));
    }
    Ok((names, texts))
}

/// A small encoder that learns which sentences are about the same: of several pairs, each sentence has to find its own
/// partner (van den Oord et al., *Representation learning with contrastive predictive coding*, 2018).
fn learn(options: &Options) -> Result<SentenceEncoder> {
    let mut rng = Rng::seed(options.seed);
    let tokenizer = WordPieceTokenizer::new(subjects::vocabulary())?;
    let config = BertConfig::new(subjects::vocabulary().len(), 16).layers(1).heads(2).hidden_size(32);
    let mut bert = Bert::new(config.dropout(0.0).without_pooler(), &mut rng)?;
    let mut opt = Adam::new(0.005);
    let (steps, start) = (if options.quick { 60 } else { 200 }, Instant::now());
    // One pair for each subject.
    let own = Tensor::from_vec((0..subjects::COUNT as i64).collect(), [subjects::COUNT])?;
    let mut last = 0.0;
    for _step in 0..steps {
        let side = |rng: &mut Rng| -> Result<_> {
            let texts: Vec<String> = (0..subjects::COUNT).map(|subject| subjects::sentence(subject, rng)).collect();
            tokenizer.encode_batch(&texts, &BatchOptions::new())
        };
        let (a, b) = (side(&mut rng)?, side(&mut rng)?);
        let mut mode = Mode::train(&mut rng);
        let mut embed = |batch: &demotic::text::TokenBatch| {
            let inputs = BertInputs::new().mask(&batch.mask);
            bert.embed(&batch.ids, &inputs, Pooling::Mean, true, &mut mode)
        };
        let logits = &embed(&a)?.matmul(&embed(&b)?.t())? * 10.0;
        let loss = losses::cross_entropy(&logits, &own)?;
        last = loss.item()?;
        opt.step(&mut bert, &loss.backward()?)?;
    }
    println!("A small encoder has learnt for {:.1} s; loss {last:.3}", start.elapsed().as_secs_f64());
    Ok(SentenceEncoder::new(bert, tokenizer))
}

/// Each query finds a line of its own subject first.
fn check(encoder: &SentenceEncoder) -> Result<()> {
    let vectors = encoder.encode(&subjects::LINES.map(|(_, line)| line))?;
    for (subject, query) in subjects::QUERIES {
        let found = encoder.search(query, &vectors, 1)?;
        let (best, score) = found[0];
        let (other, line) = subjects::LINES[best];
        if other != subject {
            let message = format!("`{query}` finds `{line}` with {score:.3}");
            return Err(Error::state("embed", message));
        }
    }
    Ok(())
}
