//! Weights in fewer bits: what becomes of a model's size, of the outputs of its layers, and of what it can do.
//!
//! `cargo run --release --example quantize -- --model SmolLM2-135M-Instruct.Q4_1.gguf --scheme q8_0`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod digits;
mod options;

use std::path::Path;
use std::time::Instant;

use demotic::layers::{QuantizeOptions, QuantizeReport};
use demotic::models::{Generate, LanguageModel};
use demotic::parallel;
use demotic::prelude::*;
use demotic::tensor::{Calibration, GptqOptions, Scheme};
use demotic::{Error, Result};
use options::Options;
use serde_json::{Value, json};

/// What a language model is shown without `--text`.
const TEXT: &str = include_str!("../../README.md");
/// How many tokens a language model is calibrated with at a time.
const WINDOW: usize = 128;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        print!("{}", options::USAGE);
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
    match &options.model {
        Some(path) => with_words(path, options),
        None => with_digits(options),
    }
}

fn how(options: &Options, scheme: Scheme, calibration: Calibration) -> QuantizeOptions {
    let mut how = QuantizeOptions::new(scheme).calibration(calibration).skip_misfits(true);
    (how.only, how.except) = (options.only.clone(), options.except.clone());
    how
}

/// The largest error of a layer's outputs, in per cent, and that of rounding to the nearest.
fn largest(report: &QuantizeReport) -> [f64; 2] {
    let of = |error: fn(&demotic::layers::QuantizedWeight) -> Option<f64>| {
        report.weights.iter().filter_map(error).fold(0.0, f64::max) * 100.0
    };
    [of(|one| one.output_error), of(|one| one.output_error_absmax.or(one.output_error))]
}

fn with_digits(options: &Options) -> Result<Value> {
    let start = Instant::now();
    let digits = digits::learn(options.quick, options.seed)?;
    let before = digits.accuracy(&digits.model)?;
    let bytes = digits.model.num_parameters() * 4;
    println!(
        "learnt in {:.1} s; {bytes} bytes, {:.2} % of the digits read\n",
        start.elapsed().as_secs_f64(),
        100.0 * before
    );
    let gptq = Calibration::Gptq(GptqOptions::new());
    let all = match options.scheme {
        Some(scheme) => vec![(scheme, options.calibration)],
        None => vec![
            (Scheme::Int8, Calibration::Absmax),
            (Scheme::Q8_0, Calibration::Absmax),
            (Scheme::Q4_0, Calibration::Absmax),
            (Scheme::Q4_0, Calibration::Percentile(99.5)),
            (Scheme::Q4_0, Calibration::Mse),
            (Scheme::Q4_0, gptq),
        ],
    };
    println!("scheme      method   bits   bytes  largest error of a layer's outputs  read");
    let (mut results, mut last) = (Vec::new(), None);
    for (scheme, calibration) in all {
        let mut model = digits.model.clone();
        let report = model.quantize_calibrated(&how(options, scheme, calibration), |model| {
            digits.learnt.chunk(4, 0)?.iter().try_for_each(|x| model.predict(x).map(drop))
        })?;
        let (after, [error, rounded]) = (digits.accuracy(&model)?, largest(&report));
        let (bits, bytes, name) = (report.bits(), report.bytes(), calibration.name());
        println!("{scheme:6}  {name:>10}  {bits:5.2}  {bytes:6}  {error:33.2} %  {:.2} %", 100.0 * after);
        if options.check {
            let lost = if report.bits() > 7.0 { 0.005 } else { 0.05 };
            if after < before - lost || (calibration == gptq && error > 0.9 * rounded) {
                let message =
                    format!("{after} of the digits read in {scheme}, {before} before; {error} and {rounded} %");
                return Err(Error::state("quantize", message));
            }
        }
        results.push(json!({ "scheme": scheme.name(), "method": name, "bytes": bytes, "bits": bits,
            "output_error": error / 100.0, "accuracy": after }));
        last = Some((model, report));
    }
    let Some((model, report)) = last else { return Ok(Value::Null) };
    println!("\n{report}");
    if let Some(path) = &options.out {
        model.save(path)?;
        let again = digits.accuracy(&Sequential::open(path)?)?;
        println!("\n{}: {} bytes, {:.2} % read", path.display(), size(path)?, 100.0 * again);
    }
    Ok(json!({ "accuracy": before, "bytes": bytes, "quantized": results }))
}

fn size(path: &Path) -> Result<u64> {
    std::fs::metadata(path).map(|file| file.len()).map_err(|e| Error::io("quantize", path, e))
}

fn with_words(path: &Path, options: &Options) -> Result<Value> {
    let mut model = TextPipeline::<LanguageModel>::from_pretrained(path)?;
    let text = match &options.text {
        Some(path) => std::fs::read_to_string(path).map_err(|e| Error::io("quantize", path, e))?,
        None => TEXT.to_string(),
    };
    let tokens = model.tokenizer().encode(&text)?;
    let count = options.tokens.min(tokens.len() / 2);
    if count < 2 {
        return Err(Error::argument("quantize", format!("a text of {} tokens, expected at least 4", tokens.len())));
    }
    let (seen, tested) = (&tokens[..count], &tokens[count..2 * count]);
    let before = model.model().perplexity(tested, WINDOW)?.value();
    println!("{} parameters, perplexity {before:.3} of {count} tokens\n", model.model().num_parameters());
    let scheme = options.scheme.unwrap_or(Scheme::Q8_0);
    let start = Instant::now();
    let how = how(options, scheme, options.calibration);
    let report = model.model_mut().quantize_calibrated(&how, |model| {
        seen.chunks(WINDOW).try_for_each(|part| {
            let ids = Tensor::from_slice(part, [1, part.len()])?;
            model.predict(&ids).map(drop)
        })
    })?;
    println!("{report}\n\nquantised in {:.1} s", start.elapsed().as_secs_f64());
    let after = model.model().perplexity(tested, WINDOW)?.value();
    println!("perplexity {before:.3} → {after:.3}, {} → {} bytes", report.bytes_before(), report.bytes());
    if let Some(path) = &options.out {
        // Its tokenizer stays where it is.
        match model.model() {
            LanguageModel::Gpt(model) => model.save(path)?,
            LanguageModel::Llama(model) => model.save(path)?,
            _ => return Err(Error::state("quantize", "a family that is not written")),
        }
        println!("{}: {} bytes", path.display(), size(path)?);
    }
    let [error, _] = largest(&report);
    Ok(json!({ "perplexity": before, "perplexity_after": after, "bytes_before": report.bytes_before(),
        "bytes": report.bytes(), "bits": report.bits(), "output_error": error / 100.0 }))
}
