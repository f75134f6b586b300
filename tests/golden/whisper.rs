//! Whisper as `transformers` publishes it, against what that hears, computes and writes with it; and sounds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use demotic::data::Audio;
use demotic::io::TensorSource;
use demotic::io::safetensors::Reader;
use demotic::models::{BeamSearch, CausalLm, LogMel, Seq2Seq, SpeechTask, TranscribeOptions, Whisper, WhisperConfig};
use demotic::pipeline::Transcriber;
use demotic::prelude::*;
use demotic::pretrained::{self, PublishedModel};
use demotic::tensor::Scheme;
use demotic::text::{CharTokenizer, Sampler};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::published::{check_gradients, message_with_option, near};

const BANDS: usize = 12;
const WINDOW: usize = 100;

#[derive(Debug, Clone, Deserialize, PartialEq)]
struct Segment {
    tokens: Vec<i64>,
    start: f64,
    end: f64,
}

#[derive(Debug, Clone, Deserialize)]
struct Expected {
    target: Vec<Vec<i64>>,
    /// Of every fifth token behind target tokens 3 and 8.
    logits: Vec<f64>,
    loss: f64,
    grads: BTreeMap<String, [f64; 3]>,
    /// The encoder's output at places 0 and 49.
    hidden: Vec<f64>,
    texts: BTreeMap<String, Vec<Segment>>,
    language: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Heard {
    shape: Vec<usize>,
    some: Vec<f64>,
    sum: f64,
    filters: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct All {
    heard: BTreeMap<String, Heard>,
    languages: Expected,
    english: Expected,
}

fn golden(place: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden")).join(place)
}

fn folder(name: &str) -> PathBuf {
    golden("pretrained/whisper").join(name)
}

fn all() -> All {
    serde_json::from_str(&std::fs::read_to_string(folder("expected.json")).unwrap()).unwrap()
}

fn models() -> Vec<(&'static str, PathBuf, Expected)> {
    let all = all();
    vec![("languages", folder("languages"), all.languages), ("english", folder("english"), all.english)]
}

/// Waves, as `make_whisper.py` makes them.
fn frames(count: usize, row: usize) -> Tensor {
    let value = |band: usize, time: usize| {
        let (b, t) = (band as f64, time as f64);
        ((0.37 * b + (0.11 + 0.013 * b) * t + row as f64).sin() + 0.5 * (0.003 * t * t).sin()) as f32
    };
    let all = (0..BANDS).flat_map(|band| (0..count).map(move |time| value(band, time)));
    Tensor::from_vec::<f32>(all.collect(), [BANDS, count]).unwrap()
}

fn both() -> Tensor {
    Tensor::stack(&[&frames(WINDOW, 0), &frames(WINDOW, 1)], 0).unwrap()
}

fn tone(count: usize) -> Vec<f32> {
    let value = |i: usize| {
        let (t, turn) = (i as f64 / 16_000.0, std::f64::consts::TAU);
        let second = if t > 0.1 { 0.2 * (turn * 3100.0 * t).sin() } else { 0.0 };
        (0.4 * (turn * (200.0 + 900.0 * t) * t).sin() + second) as f32
    };
    (0..count).map(value).collect()
}

#[test]
fn sounds_are_heard_as_before() -> Result<()> {
    let heard = all().heard;
    assert_eq!(heard.len(), 4);
    for (name, expected) in heard {
        let (bands, count) = name.split_once('_').unwrap();
        let (bands, count): (usize, usize) = (bands.parse().unwrap(), count.parse().unwrap());
        let ear = match bands {
            BANDS => LogMel::for_model(Whisper::from_pretrained(folder("languages"))?.config())?,
            _ => LogMel::new(bands)?,
        };
        let step = ear.filters().numel() / 61;
        let filters: Vec<f64> = ear.filters().to_f64_vec().into_iter().step_by(step).collect();
        near(&filters, &expected.filters, 1e-6, &name);
        let frames = ear.frames(&tone(count))?;
        assert_eq!(frames.shape(), expected.shape, "{name}");
        let step = frames.numel() / 97;
        let some: Vec<f64> = frames.to_f64_vec().into_iter().step_by(step).collect();
        near(&some, &expected.some, 1e-5, &name);
        near(&[frames.to_f64_vec().iter().sum()], &[expected.sum], 1e-5, &name);
    }
    let ear = LogMel::new(80)?;
    assert_eq!(ear.frames(&[]).unwrap_err().message(), "LogMel: there are no samples");
    let strange = "expected a number from −1 to 1";
    assert_eq!(ear.frames(&[0.0, f32::NAN]).unwrap_err().message(), format!("LogMel: sample 1 is NaN, {strange}"));
    assert_eq!(ear.frames(&[1e30]).unwrap_err().message(), format!("LogMel: sample 0 is 1e30, {strange}"));
    assert_eq!(LogMel::new(0).unwrap_err().message(), "LogMel: 0 bands, expected 1 to 200");
    // Silence, and whole numbers of 16 bits.
    assert!(ear.frames(&[0.0])?.to_f64_vec().iter().all(|x| (*x + 1.5).abs() < 1e-6));
    assert!(ear.frames(&vec![-32_768.0; 1000])?.to_f64_vec().iter().all(|x| !x.is_nan()));
    Ok(())
}

fn check_logits(model: &Whisper, expected: &Expected, what: &str) -> Result<()> {
    let target = Tensor::from_nested(expected.target.clone())?;
    let logits = no_grad(|| model.forward(&both(), &target, &mut Mode::eval()))?;
    let places = logits.index_select(1, &Tensor::from_nested([3i64, 8])?)?;
    let some: Vec<f64> = places.to_f64_vec().chunks(100).flat_map(|row| row.iter().copied().step_by(5)).collect();
    near(&some, &expected.logits, 1e-5, what);
    Ok(())
}

#[test]
fn logits_and_gradients() -> Result<()> {
    for (name, path, expected) in models() {
        let model = Whisper::from_pretrained(&path)?;
        assert_eq!(model.config().num_parameters(), model.num_parameters(), "{name}");
        check_logits(&model, &expected, name)?;
        let hidden = no_grad(|| model.encode_frames(&both(), &mut Mode::eval()))?;
        let places = hidden.index_select(1, &Tensor::from_nested([0i64, 49])?)?;
        near(&places.to_f64_vec(), &expected.hidden, 1e-5, name);

        let target = Tensor::from_nested(expected.target.clone())?;
        let mut rng = Rng::seed(0);
        let logits = model.forward(&both(), &target, &mut Mode::train(&mut rng))?.narrow(1, 0, 8)?;
        let loss = losses::token_cross_entropy(&logits, &target.narrow(1, 1, 8)?.contiguous())?;
        near(&[loss.item()?], &[expected.loss], 1e-5, name);
        check_gradients(&model, &loss.backward()?, &expected.grads, name)?;

        // Token by token, and in pieces.
        let whole = no_grad(|| model.forward(&both(), &target, &mut Mode::eval()))?;
        let encoded = model.encode(&both())?;
        for pieces in [vec![1; 9], vec![4, 1, 4], vec![9]] {
            let (mut state, mut from, mut found) = (encoded.start(&[0, 0])?, 0, Vec::new());
            for n in pieces {
                found.push(encoded.extend(&target.narrow(1, from, n)?, &mut state)?);
                from += n;
            }
            near(&Tensor::cat(&found.iter().collect::<Vec<_>>(), 1)?.to_f64_vec(), &whole.to_f64_vec(), 1e-5, name);
        }
    }
    Ok(())
}

#[test]
fn speech_is_written_as_by_transformers() -> Result<()> {
    for (name, path, expected) in models() {
        let model = Whisper::from_pretrained(&path)?;
        for (what, segments) in &expected.texts {
            let options = TranscribeOptions::new();
            let (count, options) = match what.as_str() {
                "german" => (250, options.language("de").task(SpeechTask::Translate).timestamps()),
                "found" => (WINDOW, options),
                "long" => (337, options.timestamps()),
                "times" => (WINDOW, options.timestamps()),
                _ => (WINDOW, options),
            };
            let asked = name == "languages" && !["german", "found"].contains(&what.as_str());
            let options = if asked { options.language("en") } else { options };
            let found = model.transcribe(&frames(count, 0), &options, &mut Rng::seed(0))?;
            assert_eq!(found.len(), segments.len(), "{name}, {what}");
            for (ours, theirs) in found.iter().zip(segments) {
                assert_eq!(ours.tokens, theirs.tokens, "{name}, {what}");
                near(&[ours.start, ours.end], &[theirs.start, theirs.end], 1e-9, what);
            }
            // A search with one beam finds the same.
            let one =
                model.transcribe(&frames(count, 0), &options.beam_search(BeamSearch::new(1)?), &mut Rng::seed(0))?;
            assert_eq!(one, found, "{name}, {what}");
        }
        if let Some(id) = expected.language {
            let code = model.detect_language(&frames(WINDOW, 0))?;
            assert_eq!(model.config().special.languages[&code], id);
        }
        // Of what is not content, nothing is gone through; fewer tokens where fewer are asked for.
        let options = TranscribeOptions::new().timestamps().content_frames(90).max_new_tokens(4);
        let part = model.transcribe(&frames(337, 0), &options, &mut Rng::seed(0))?;
        assert!(!part.is_empty() && part.iter().all(|segment| segment.start < 0.9 && segment.tokens.len() <= 4));
        let wide = options.beam_search(BeamSearch::new(3)?);
        assert!(!model.transcribe(&frames(WINDOW, 0), &wide, &mut Rng::seed(0))?.is_empty());
        let drawn = TranscribeOptions::new().timestamps().sampler(Sampler::new());
        let first = model.transcribe(&frames(150, 0), &drawn, &mut Rng::seed(1))?;
        assert_eq!(first, model.transcribe(&frames(150, 0), &drawn, &mut Rng::seed(1))?);
    }
    Ok(())
}

/// What is tried again and what is left out: `make_whisper_fallback.py`.
#[test]
fn unlikely_windows_are_tried_again_and_silent_ones_left_out() -> Result<()> {
    #[derive(Debug, Deserialize)]
    struct Case {
        model: String,
        frames: usize,
        logprob_threshold: f64,
        no_speech_threshold: Option<f64>,
        compression_ratio_threshold: Option<f64>,
        #[serde(default)]
        again: Vec<bool>,
        #[serde(default)]
        texts: Vec<Vec<Segment>>,
    }
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(folder("fallback.json")).unwrap()).unwrap();
    assert_eq!(cases.len(), 12);
    for case in &cases {
        let model = Whisper::from_pretrained(folder(&case.model))?;
        let mut greedy = TranscribeOptions::new().timestamps();
        if case.model == "languages" {
            greedy = greedy.language("en");
        }
        let mut options = greedy.clone().temperatures(&[0.0]).log_prob_threshold(case.logprob_threshold);
        if let Some(threshold) = case.no_speech_threshold {
            options = options.no_speech_threshold(threshold);
        }
        if let Some(threshold) = case.compression_ratio_threshold {
            options = options.compression_ratio_threshold(threshold);
        }
        // Whatever is drawn at this temperature, it is something else.
        let hot = options.clone().temperatures(&[0.0, 9.0]);
        for (row, again) in case.again.iter().enumerate() {
            let first = |options| {
                let found = model.transcribe(&frames(case.frames, row), options, &mut Rng::seed(0))?;
                Ok(found[0].tokens.clone())
            };
            let (before, after): (Result<_>, Result<_>) = (first(&greedy), first(&hot));
            assert_eq!(before? != after?, *again, "{} {options:?} {row}", case.model);
        }
        for (row, expected) in case.texts.iter().enumerate() {
            let what = format!("{} {:?} {row}", case.model, options);
            let found = model.transcribe(&frames(case.frames, row), &options, &mut Rng::seed(0))?;
            let tokens: Vec<_> = found.iter().map(|segment| &segment.tokens).collect();
            assert_eq!(tokens, expected.iter().map(|segment| &segment.tokens).collect::<Vec<_>>(), "{what}");
            for (ours, theirs) in found.iter().zip(expected) {
                near(&[ours.start, ours.end], &[theirs.start, theirs.end], 1e-9, &what);
            }
        }
    }

    // Nothing passes: what is drawn last stays. It is drawn behind the first attempt, which has a generator of its own.
    let (model, here) = (Whisper::from_pretrained(folder("languages"))?, frames(WINDOW, 0));
    let one = TranscribeOptions::new().language("en").content_frames(10);
    let hard = one.clone().log_prob_threshold(1.0);
    let (mut rng, mut later) = (Rng::seed(3), Rng::seed(3));
    let _first = later.split();
    let drawn = one.clone().sampler(Sampler::new());
    let found = model.transcribe(&here, &hard.clone().temperatures(&[0.0, 1.0]), &mut rng)?;
    assert_eq!(found, model.transcribe(&here, &drawn, &mut later)?);
    let greedy = model.transcribe(&here, &one, &mut Rng::seed(0))?;
    assert_ne!(found, greedy);
    assert_eq!(model.transcribe(&here, &hard.clone(), &mut Rng::seed(0))?, greedy);
    // Silence alone is enough without a threshold of log-probability.
    let silent = TranscribeOptions::new().language("en").no_speech_threshold(0.0);
    assert_eq!(model.transcribe(&frames(337, 0), &silent, &mut Rng::seed(0))?, []);

    let said = |model: &Whisper, options: TranscribeOptions| {
        model.transcribe(&here, &options, &mut Rng::seed(0)).unwrap_err().message()
    };
    assert_eq!(
        said(&model, hard.clone().log_prob_threshold(f64::NAN)),
        "whisper: log_prob_threshold is NaN, expected a number"
    );
    assert!(said(&model, hard.temperatures(&[0.0, -1.0])).contains("temperature is -1"));
    let plain =
        Whisper::new(WhisperConfig::new(model.tokens().clone()).window(WINDOW, 24).mel_bins(BANDS), &mut Rng::seed(0))?;
    assert_eq!(
        said(&plain, TranscribeOptions::new().no_speech_threshold(0.6)),
        "whisper: no_speech_threshold is given, but the model has no token for silence"
    );
    Ok(())
}

#[test]
fn folders_are_written_back_and_weights_quantised() -> Result<()> {
    for (name, path, expected) in models() {
        let PublishedModel::SpeechToText(model) = pretrained::load(&path)? else { panic!("{name}") };
        let mine = tempfile::tempdir().unwrap();
        model.save_pretrained(mine.path())?;
        let again = Whisper::from_pretrained(mine.path())?;
        assert_eq!(again.config(), model.config(), "{name}");
        check_logits(&again, &expected, name)?;
        let names = |path: &Path| -> BTreeMap<String, Vec<usize>> {
            let file = Reader::open(path.join("model.safetensors")).unwrap();
            (&file as &dyn TensorSource).infos().into_iter().map(|info| (info.name, info.shape)).collect()
        };
        assert_eq!(names(mine.path()), names(&path), "{name}");
        let own = mine.path().join("own.safetensors");
        model.save(&own)?;
        check_logits(&Whisper::open(&own)?, &expected, name)?;
    }
    let (_, path, _) = models().remove(0);
    let config = Whisper::from_pretrained(path)?.config().clone().hidden_size(64);
    let mut model = Whisper::new(config, &mut Rng::seed(0))?;
    let target = Tensor::from_nested([[41i64, 3, 9], [41, 2, 5]])?;
    let dense = no_grad(|| model.forward(&both(), &target, &mut Mode::eval()))?;
    model.quantize("*.layers.*", Scheme::Q8_0)?;
    let blocks = no_grad(|| model.forward(&both(), &target, &mut Mode::eval()))?;
    near(&blocks.to_f64_vec(), &dense.to_f64_vec(), 0.03, "in blocks");
    assert!(!model.transcribe(&frames(WINDOW, 0), &TranscribeOptions::new(), &mut Rng::seed(0))?.is_empty());
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    let message = |option: &str, value: Value| message_with_option::<Whisper>(&folder("languages"), option, value);
    let begins = |message: String, expected: &str| assert!(message.starts_with(expected), "{message}");
    begins(
        message("sparse", json!(2)),
        "from_pretrained: FOLDER/config.json: there is no option `sparse` of a `whisper` | ",
    );
    begins(
        message("encoder_layerdrop", json!(0.1)),
        "from_pretrained: FOLDER/config.json: `encoder_layerdrop` is 0.1, of which only 0.0 is known",
    );
    begins(
        message("decoder_attention_heads", json!(3)),
        "from_pretrained: FOLDER/model.safetensors: Whisper::new: hidden_size 16 is not a multiple of num_heads 3",
    );
    begins(
        message("vocab_size", json!(99)),
        "from_pretrained: FOLDER/model.safetensors does not fit the model: 1 misshapen (model.decoder.embed_tokens.weight: ",
    );
    begins(
        message("decoder_start_token_id", json!(100)),
        "from_pretrained: FOLDER/model.safetensors: Whisper::new: a special token is 100, which is not among 100 tokens",
    );
    begins(
        message("forced_decoder_ids", json!([[1, 42], [3, 45]])),
        "from_pretrained: FOLDER/config.json: forced_decoder_ids says what stands at 3, and not at each place before it",
    );
    for option in [
        "vocab_size",
        "num_mel_bins",
        "d_model",
        "encoder_layers",
        "decoder_layers",
        "encoder_attention_heads",
        "encoder_ffn_dim",
        "decoder_ffn_dim",
        "max_source_positions",
        "max_target_positions",
    ] {
        for value in [json!(0), json!(1u64 << 40), json!(u64::MAX), json!(-1), json!("x"), json!(3)] {
            assert_ne!(message(option, value.clone()), "", "{option} {value}");
        }
    }

    let model = Whisper::from_pretrained(folder("languages"))?;
    let said = |options: TranscribeOptions, frames: &Tensor| {
        let e = model.transcribe(frames, &options, &mut Rng::seed(0)).unwrap_err();
        format!("{} | {}", e.message(), e.help().unwrap_or_default())
    };
    let here = frames(WINDOW, 0);
    assert_eq!(
        said(TranscribeOptions::new().language("tlh"), &here),
        "whisper: the language `tlh` is not known to the model | the languages are de, en"
    );
    assert_eq!(
        said(TranscribeOptions::new().prompt(&[1; 20]), &here),
        "whisper: a prompt of 24 tokens, but the model writes 24 with it at the most | "
    );
    begins(
        said(TranscribeOptions::new().prompt(&[100]), &here),
        "generate: prompt token 0 is 100, which is not in the vocabulary",
    );
    begins(
        said(TranscribeOptions::new().max_new_tokens(0), &here),
        "generate: max_new_tokens is 0, expected at least 1",
    );
    begins(
        said(TranscribeOptions::new(), &frames(WINDOW, 0).unsqueeze(0)?),
        "whisper: frames of shape [1, 12, 100], expected [12, frames]",
    );
    let lost = &here * f64::NAN;
    begins(said(TranscribeOptions::new().language("en"), &lost), "");
    let e = model.encode(&frames(WINDOW, 0)).unwrap_err();
    assert_eq!(e.message(), "whisper: frames of shape [12, 100], expected [batch, 12, 100]");
    let target = Tensor::from_nested([vec![1i64; 25]])?;
    let e = model.forward(&here.unsqueeze(0)?, &target, &mut Mode::eval()).unwrap_err();
    assert_eq!(e.message(), "whisper: 25 target tokens, but the model looks at 24 at the most");
    assert_eq!("sing".parse::<SpeechTask>().unwrap_err().message(), "SpeechTask: there is no task `sing`");

    let english = Whisper::from_pretrained(folder("english"))?;
    let e = english.transcribe(&here, &TranscribeOptions::new().language("en"), &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.help(), Some("it knows one only, and is not told which"));
    assert_eq!(english.detect_language(&here).unwrap_err().message(), "whisper: the model knows no languages");
    let e = english
        .transcribe(&here, &TranscribeOptions::new().task(SpeechTask::Translate), &mut Rng::seed(0))
        .unwrap_err();
    assert_eq!(e.message(), "whisper: the model has no token for the task translate");
    let plain =
        Whisper::new(WhisperConfig::new(model.tokens().clone()).window(WINDOW, 24).mel_bins(BANDS), &mut Rng::seed(0))?;
    let e = plain.transcribe(&here, &TranscribeOptions::new().timestamps(), &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "whisper: the model has no tokens for times");
    Ok(())
}

/// Sound in, text out: special tokens are no text.
#[test]
fn a_transcriber_writes_text() -> Result<()> {
    let letters: String = ('a'..='z').chain('A'..='N').collect();
    let tokenizer = CharTokenizer::fit([&*letters])?;
    assert_eq!(tokenizer.vocab_size(), 40);
    let whisper = Transcriber::new(Whisper::from_pretrained(folder("languages"))?, tokenizer)?;
    let sound = Audio::new(tone(20_000), 16_000)?;
    let options = TranscribeOptions::new().language("en").timestamps();
    let parts = whisper.transcribe(&sound, &options, &mut Rng::seed(0))?;
    assert!(!parts.is_empty());
    for part in &parts {
        assert_eq!(part.text.len(), part.tokens.iter().filter(|id| **id < 40).count());
        assert!(part.start < sound.seconds());
    }
    // A sound at another rate is heard nearly alike.
    let other = whisper.frames(&sound.resampled(44_100)?)?;
    let frames = whisper.frames(&sound)?;
    let (a, b) = (frames.narrow(1, 20, 80)?, other.narrow(1, 20, 80)?);
    assert!(a.sub(&b)?.abs().mean().item()? < 0.02);
    let e =
        Transcriber::new(Whisper::from_pretrained(folder("languages"))?, CharTokenizer::fit([&*many()])?).unwrap_err();
    assert_eq!(e.message(), "Transcriber: a tokenizer of 150 tokens for a model of 100");
    Ok(())
}

fn many() -> String {
    ('\u{4e00}'..).take(150).collect()
}

#[derive(Deserialize)]
struct Sound {
    samples: Vec<f64>,
    rate: Option<u32>,
    other: Option<Vec<f64>>,
}

#[test]
fn wav_files_of_every_coding() -> Result<()> {
    let json = std::fs::read_to_string(golden("sounds/expected.json")).unwrap();
    let all: BTreeMap<String, Sound> = serde_json::from_str(&json).unwrap();
    assert_eq!(all.len(), 6);
    for (name, expected) in all {
        let sound = Audio::from_wav(golden("sounds").join(format!("{name}.wav")))?;
        let ours: Vec<f64> = sound.samples().iter().map(|x| f64::from(*x)).collect();
        near(&ours, &expected.samples, 1e-7, &name);
        if let (Some(rate), Some(other)) = (expected.rate, expected.other) {
            let ours: Vec<f64> = sound.resampled(rate)?.samples().iter().map(|x| f64::from(*x)).collect();
            near(&ours, &other, 1e-6, &name);
        }
    }
    Ok(())
}

/// A sine below the limit stays what it is, one above it is gone.
#[test]
fn other_sample_rates() -> Result<()> {
    let sine = |rate: u32, hertz: f64| {
        let value = |i: u32| (std::f64::consts::TAU * hertz * f64::from(i) / f64::from(rate)).sin() as f32;
        Audio::new((0..rate / 5).map(value).collect(), rate)
    };
    for (from, to) in
        [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (11_025, 16_000), (16_000, 44_100), (16_001, 16_000)]
    {
        let limit = f64::from(from.min(to)) / 2.0;
        for part in [0.05, 0.5, 0.85] {
            let ours = sine(from, limit * part)?.resampled(to)?;
            let theirs = sine(to, limit * part)?;
            assert!(ours.samples().len().abs_diff(theirs.samples().len()) <= 1, "{from} {to}");
            let inside = to as usize / 50..theirs.samples().len() - to as usize / 50;
            let most = inside.map(|i| (ours.samples()[i] - theirs.samples()[i]).abs()).fold(0.0, f32::max);
            assert!(most < 2e-3, "{from} {to} {part}: {most}");
        }
        if from > to + to / 4 {
            let gone = sine(from, limit * 1.1)?.resampled(to)?;
            let inside = &gone.samples()[to as usize / 50..gone.samples().len() - to as usize / 50];
            assert!(inside.iter().all(|x| x.abs() < 2e-3), "{from} {to}");
        }
    }
    let one = Audio::new(vec![0.5], 44_100)?;
    assert_eq!(one.resampled(16_000)?.samples().len(), 1);
    assert_eq!(one.resampled(0).unwrap_err().message(), "resampled: 0 samples a second, expected 1000 to 1000000");
    assert_eq!(Audio::new(vec![], 16_000).unwrap_err().message(), "Audio: there are no samples");
    assert_eq!(Audio::new(vec![0.0, f32::INFINITY], 16_000).unwrap_err().message(), "Audio: sample 1 is inf");
    Ok(())
}

#[test]
fn wav_files_that_are_broken() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("sound.wav");
    Audio::new(vec![0.0, 0.5, -1.0, 2.0], 8_000)?.save_wav(&path)?;
    assert_eq!(Audio::from_wav(&path)?.samples(), [0.0, 0.5, -1.0, 32_767.0 / 32_768.0]);
    let good = std::fs::read(&path).unwrap();
    let said = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        match Audio::from_wav(&path) {
            Ok(sound) => format!("{:?}", sound.samples()),
            Err(e) => e.message().replace(path.to_str().unwrap(), "FILE"),
        }
    };
    let with = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    // Cut off anywhere, it is an error that says so.
    for end in 0..good.len() {
        let message = said(&good[..end]);
        assert!(message.starts_with("from_wav: FILE: "), "{end}: {message}");
    }
    assert_eq!(said(&good[..46]), "from_wav: FILE: the file is cut off: 2 bytes of samples, its header says 8");
    assert_eq!(said(&with(40, &u32::MAX.to_le_bytes())), "[0.0, 0.5, -1.0, 0.9999695]");
    assert_eq!(
        said(&with(40, &0xFFFF_FFF0_u32.to_le_bytes())),
        "from_wav: FILE: the file is cut off: 8 bytes of samples, its header says 4294967280"
    );
    assert_eq!(said(&with(40, &[0, 0, 0, 0])), "from_wav: FILE: there are no samples");
    assert_eq!(said(&with(40, &[7, 0, 0, 0])), "from_wav: FILE: 7 bytes of samples, which are no whole number of 2");
    assert_eq!(said(&with(24, &[0, 0, 0, 0])), "from_wav: FILE: 0 samples a second, expected 1000 to 1000000");
    assert_eq!(said(&with(22, &[0, 0])), "from_wav: FILE: 0 channels of 2 bytes in 2");
    assert_eq!(
        said(&with(0, b"RF64")),
        "from_wav: FILE: a RIFF of another kind (RF64 or RIFX), of which WAVE alone is read"
    );
    assert_eq!(said(b"ID3 no sound of this kind"), "from_wav: FILE: no WAV file: it does not begin with RIFF and WAVE");
    assert_eq!(said(&with(16, &u32::MAX.to_le_bytes())), "from_wav: FILE: a chunk `fmt ` of 4294967295 bytes");
    assert_eq!(said(&with(12, b"junk")), "from_wav: FILE: the chunk `data` stands before `fmt `");
    assert!(
        said(&with(20, &[2, 0]))
            .starts_with("from_wav: FILE: samples of coding 2 with 16 bits, expected whole numbers")
    );
    // The long form of the chunk, behind others that are passed over, one of an odd length.
    let mut long = good[..12].to_vec();
    long.extend(b"JUNK\x03\0\0\0abc\0");
    long.extend(b"fmt \x28\0\0\0\xFE\xFF");
    long.extend(&good[22..36]);
    long.extend(b"\x16\0\x10\0\x04\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71");
    long.extend(b"LIST\x02\0\0\0zz");
    long.extend(&good[36..]);
    assert_eq!(said(&long), "[0.0, 0.5, -1.0, 0.9999695]");
    let at = long.len() - 30;
    long[at] ^= 1;
    assert!(said(&long).starts_with("from_wav: FILE: "));
    // Numbers that are none.
    let mut float = with(20, &[3, 0]);
    float[32..36].copy_from_slice(&[4, 0, 32, 0]);
    float[44..48].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_eq!(said(&float), "from_wav: FILE: sample 0 is NaN");
    assert!(Audio::from_wav(place.path()).is_err());
    Ok(())
}
