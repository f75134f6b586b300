//! Speech to text: what is said in a WAV file?
//!
//! `cargo run --release --example transcribe --features fft`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod options;
mod sounds;

use std::time::Instant;

use demotic::data::Audio;
use demotic::layers::Weight;
use demotic::models::{BeamSearch, Seq2Seq, Seq2SeqTokens, TranscribeOptions, Whisper, WhisperConfig, WhisperTokens};
use demotic::pipeline::{Transcriber, Transcript};
use demotic::prelude::*;
use demotic::text::CharTokenizer;
use options::Options;
use serde_json::json;
use sounds::Spoken;

/// Behind the ten digits: the end of a text, its start, what says that there are no times, and the times.
const END: i64 = 10;
const START: i64 = 11;
const NO_TIMES: i64 = 12;
const FIRST_TIME: i64 = 13;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    let mut rng = Rng::seed(options.seed);
    let mut asked = TranscribeOptions::new().task(options.task);
    if let Some(language) = &options.language {
        asked = asked.language(language);
    }
    if options.timestamps {
        asked = asked.timestamps();
    }
    if options.beams > 1 {
        asked = asked.beam_search(BeamSearch::new(options.beams)?);
    }
    if options.fallback {
        let temperatures = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
        asked = asked.temperatures(&temperatures).log_prob_threshold(-1.0).no_speech_threshold(0.6);
    }
    let whisper = match &options.model {
        Some(folder) => Transcriber::from_pretrained(folder)?,
        None => learn(&options, &mut rng)?,
    };
    let mut results = Vec::new();
    let mut show = |name: &str, sound: &Audio, rng: &mut Rng| -> Result<String> {
        let start = Instant::now();
        let parts = whisper.transcribe(sound, &asked, rng)?;
        println!("{name}: {:.1} s of sound in {:.2} s", sound.seconds(), start.elapsed().as_secs_f64());
        for Transcript { start, end, text, .. } in &parts {
            match options.timestamps {
                true => println!("  {start:7.2} to {end:7.2}  {text}"),
                false => println!("  {text}"),
            }
            results.push(json!({ "sound": name, "start": start, "end": end, "text": text }));
        }
        Ok(parts.into_iter().map(|part| part.text).collect())
    };
    if let Some(file) = &options.file {
        show(&file.display().to_string(), &Audio::from_wav(file)?, &mut rng)?;
    } else {
        for _sound in 0..3 {
            let said = sounds::spoken(&mut rng)?;
            show(&format!("said {}", digits(&said.digits)), &said.sound, &mut rng)?;
        }
    }
    if let Some(out) = &options.out {
        let said = sounds::spoken(&mut rng)?;
        said.sound.save_wav(out)?;
        println!("{}: {}", out.display(), digits(&said.digits));
    }
    if options.json {
        println!("{}", json!(results));
    }
    if options.check && options.model.is_none() { check(&whisper, &mut rng) } else { Ok(()) }
}

fn digits(ids: &[i64]) -> String {
    ids.iter().map(|id| id.to_string()).collect()
}

/// A small Whisper learns digits, half of the time with the times when they begin and end.
fn learn(options: &Options, rng: &mut Rng) -> Result<Transcriber> {
    let start = Instant::now();
    let times = sounds::FRAMES as i64 / 2 + 1;
    let tokens = Seq2SeqTokens::new(0, (FIRST_TIME + times) as usize).padding_id(END).start_id(START).end_id(END);
    let mut special = WhisperTokens::default();
    special.no_timestamps = Some(NO_TIMES);
    special.suppressed = vec![START];
    special.begin_suppressed = vec![END];
    let config = WhisperConfig::new(tokens).window(sounds::FRAMES, 12).mel_bins(40).layers(1).hidden_size(48);
    let mut model = Whisper::new(config.heads(4).special(special), rng)?;
    // Of a model as narrow as this one, weights of the usual size are too small to learn soon.
    model.for_each_mut("*.layers.*", |_, weight: &mut Weight| match weight {
        Weight::Dense(param) => {
            let larger = &**param * 6.0;
            param.set(&larger)
        }
        _ => Ok(()),
    })?;
    let tokenizer = CharTokenizer::fit(["0123456789"])?;
    let ear = Transcriber::new(model.clone(), tokenizer.clone())?;

    let (count, steps, batch) = if options.quick { (400, 700, 16) } else { (2000, 1500, 16) };
    let (mut frames, mut targets) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for _sound in 0..count {
        let Spoken { digits, sound, start, end } = sounds::spoken(rng)?;
        frames.push(ear.frames(&sound)?);
        let time = |seconds: f64| FIRST_TIME + (seconds / 0.02).round() as i64;
        let with_times = [vec![time(start)], digits.clone(), vec![time(end)]].concat();
        targets.push([[vec![NO_TIMES], digits].concat(), with_times]);
    }
    let mut opt = AdamW::new(3e-3);
    let mut last = 0.0;
    for step in 0..steps {
        opt.set_learning_rate(
            3e-3 * (1.0 - step as f64 / steps as f64).max(0.05) * ((step + 1) as f64 / 20.0).min(1.0),
        );
        let chosen: Vec<usize> = (0..batch).map(|_| rng.below(count)).collect();
        let sources = Tensor::stack(&chosen.iter().map(|i| &frames[*i]).collect::<Vec<_>>(), 0)?;
        let written: Vec<&Vec<i64>> = chosen.iter().map(|i| &targets[*i][rng.below(2)]).collect();
        let (inputs, labels) = model.tokens().teacher_forcing(&written)?;
        let logits = model.forward(&sources, &inputs, &mut Mode::train(rng))?;
        let loss = losses::token_cross_entropy(&logits, &labels)?;
        last = loss.item()?;
        opt.step(&mut model, &loss.backward()?)?;
    }
    println!("A small model has learnt from {count} sounds in {:.1} s; loss {last:.3}", start.elapsed().as_secs_f64());
    Transcriber::new(model, tokenizer)
}

/// Nine of ten digits of sounds that were not heard before are written as they were said.
fn check(whisper: &Transcriber, rng: &mut Rng) -> Result<()> {
    let (mut right, mut all, mut late, mut sounds) = (0, 0, 0.0, 0);
    for _sound in 0..40 {
        let said = sounds::spoken(rng)?;
        let text: String = whisper
            .transcribe(&said.sound, &TranscribeOptions::new(), rng)?
            .into_iter()
            .map(|part| part.text)
            .collect();
        right += digits(&said.digits).chars().zip(text.chars()).filter(|(a, b)| a == b).count();
        all += said.digits.len().max(text.chars().count());
        if let Some(part) = whisper.transcribe(&said.sound, &TranscribeOptions::new().timestamps(), rng)?.first() {
            late += (part.end - said.end).abs();
            sounds += 1;
        }
    }
    let accuracy = f64::from(right as u32) / f64::from(all as u32);
    println!("{right} of {all} digits are right; speech ends {:.3} s beside its time", late / f64::from(sounds));
    if accuracy < 0.9 {
        return Err(Error::state("transcribe", format!("an accuracy of {accuracy:.3}, expected at least 0.9")));
    }
    Ok(())
}
