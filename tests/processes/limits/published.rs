//! Published models whose files lie: every value of every JSON file is another one, files are cut off, numbers of GGUF headers are huge.

use std::path::{Path, PathBuf};

use demotic::models::{CausalLm, Generate, GenerateOptions, Seq2Seq, TranscribeOptions};
use demotic::pipeline::{ImageProcessor, SentenceEncoder};
use demotic::prelude::*;
use demotic::pretrained::{self, PublishedModel};
use serde_json::{Value, json};

use super::child::{Cases, limited};

fn golden(place: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden")).join(place)
}

fn generated(model: &impl CausalLm) {
    let options = GenerateOptions::new().max_new_tokens(3);
    let _ = model.generate_batch(&[vec![1, 2, 3], vec![4]], &options.clone().sliding_window(), &mut Rng::seed(0));
    let _ = model.generate(&[1; 70], &options, &mut Rng::seed(0));
}

/// Whatever can be made of a file or folder, and what a small input gives.
fn used(path: &Path) -> Result<()> {
    if let Ok(tokenizer) = pretrained::tokenizer(path) {
        let _ = tokenizer.encode("one Two, dreißig!").and_then(|ids| tokenizer.decode(&ids));
    }
    let ids = Tensor::from_nested([[1i64, 2, 3, 4]])?;
    let mode = &mut Mode::eval();
    match pretrained::load(path)? {
        PublishedModel::LanguageModel(model) => generated(&model),
        PublishedModel::LanguageModelClassification(model) => drop(model.predict(&ids)?),
        PublishedModel::Encoder(model) => {
            model.predict(&ids)?;
            let _ = SentenceEncoder::from_pretrained(path).and_then(|encoder| encoder.encode(&["one two"]));
        }
        PublishedModel::MaskedLm(model) => drop(model.predict(&ids)?),
        PublishedModel::SequenceClassification(model) => drop(model.predict(&ids)?),
        PublishedModel::TokenClassification(model) => drop(model.predict(&ids)?),
        PublishedModel::TextToText(model) => generated(&model.encode(&ids)?),
        PublishedModel::TextEncoder(model) => drop(model.predict(&ids)?),
        PublishedModel::SpeechToText(model) => {
            let frames = Tensor::zeros([model.config().num_mel_bins, 60])?;
            let options = TranscribeOptions::new().timestamps().max_new_tokens(4).no_speech_threshold(0.99);
            model.transcribe(&frames, &options, &mut Rng::seed(0))?;
        }
        PublishedModel::ImageClassification(model) => drop(model.predict(&picture(path)?)?),
        PublishedModel::ImageEncoder(model) => drop(model.predict(&picture(path)?)?),
        PublishedModel::Clip(model) => {
            let _ = model.text_features(&ids, mode);
            model.image_features(&picture(path)?, mode)?;
        }
        other => drop(other.num_parameters()),
    }
    Ok(())
}

/// A black picture in the size that the configuration says; what the folder makes of pictures is made of a small one besides.
fn picture(path: &Path) -> Result<Tensor> {
    let small = Tensor::full([3, 9, 14], 0.5)?;
    let _ = ImageProcessor::from_pretrained(path).and_then(|processor| processor.batch(&[small]));
    let config = std::fs::read_to_string(path.join("config.json")).unwrap_or_default();
    let config: Value = serde_json::from_str(&config).unwrap_or_default();
    let side = [&config["image_size"], &config["vision_config"]["image_size"]].into_iter().find_map(Value::as_u64);
    let side = side.unwrap_or(8).min(64) as usize;
    Tensor::zeros([1, 3, side, side])
}

/// What stands in the place of a value.
fn others(value: &Value) -> [Value; 7] {
    let other = match value {
        Value::Array(_) => json!([1e9, -5, "x"]),
        _ => json!({ "rope_type": "yarn", "factor": 1e-300, "x": [[]] }),
    };
    [json!(0), json!(-1), json!(3), json!(u64::MAX), json!(1e300), json!("x"), other]
}

/// Calls `with` for each value in a JSON text, lists and objects among them, that another has taken the place of.
fn changed(root: &Value, with: &mut dyn FnMut(&str, &Value)) {
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        if !at.is_empty() {
            found.push(at.to_string());
        }
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| {
                    places(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found)
                });
            }
            Value::Array(list) => {
                list.iter().enumerate().take(2).for_each(|(i, value)| places(value, &format!("{at}/{i}"), found))
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    places(root, "", &mut found);
    for place in found {
        for other in others(root.pointer(&place).unwrap()) {
            let name = format!("{place} is {other}");
            let mut root = root.clone();
            *root.pointer_mut(&place).unwrap() = other;
            with(&name, &root);
        }
    }
}

/// A copy of a folder, each of whose JSON files is changed at every place and cut off.
fn folder(cases: &mut Cases, place: &str) {
    let copy = tempfile::tempdir().unwrap();
    let names: Vec<_> = std::fs::read_dir(golden(place)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for name in &names {
        std::fs::copy(golden(place).join(name), copy.path().join(name)).unwrap();
    }
    used(copy.path()).unwrap();
    for name in names {
        let (path, shown) = (copy.path().join(&name), format!("{place}/{}", name.display()));
        let whole = std::fs::read(&path).unwrap();
        for end in [0, 1, 7, 100, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..end.min(whole.len())]).unwrap();
            cases.run(format!("{shown}: {end} bytes"), || used(copy.path()));
        }
        // A vocabulary has too many values, and a fuzzer of its own.
        if let (Ok(root), true) = (serde_json::from_slice(&whole), whole.len() < 10_000) {
            changed(&root, &mut |what, root| {
                std::fs::write(&path, root.to_string()).unwrap();
                cases.run(format!("{shown}: {what}"), || used(copy.path()));
            });
            std::fs::write(&path, "[".repeat(100_000)).unwrap();
            cases.run(format!("{shown}: lists in lists"), || used(copy.path()));
        }
        std::fs::write(&path, whole).unwrap();
    }
}

#[test]
fn folders_of_language_models() {
    limited("published::folders_of_language_models", |cases| {
        for place in ["gpt2_options", "llama/llama_tied", "llama/gemma3", "llama/phi3", "classifiers/qwen2"] {
            folder(cases, &format!("pretrained/{place}"));
        }
    });
}

#[test]
fn folders_of_encoders() {
    limited("published::folders_of_encoders", |cases| {
        for place in ["bert/bert", "bert/distilbert_class", "bert/roberta", "t5/gated", "t5/encoder", "bert/xlm_token"]
        {
            folder(cases, &format!("pretrained/{place}"));
        }
    });
}

#[test]
fn folders_of_pictures_and_sounds() {
    limited("published::folders_of_pictures_and_sounds", |cases| {
        for place in ["images/vit", "images/deit_teacher", "images/clip", "whisper/languages", "whisper/english"] {
            folder(cases, &format!("pretrained/{place}"));
        }
    });
}

/// Four bytes of those before the tensors are huge, none, or not a number.
#[test]
fn headers_of_gguf_files() {
    limited("published::headers_of_gguf_files", |cases| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        for (name, header) in [("gguf/qwen2.gguf", 2400), ("gguf/bert.gguf", 1200)] {
            let whole = std::fs::read(golden(name)).unwrap();
            let mut tried = |what: String, bytes: &[u8]| {
                std::fs::write(&path, bytes).unwrap();
                cases.run(format!("{name}: {what}"), || used(&path));
            };
            tried("as it is".into(), &whole);
            for end in (0..whole.len()).step_by(whole.len() / 97) {
                tried(format!("{end} bytes"), &whole[..end]);
            }
            for at in (0..header).step_by(5) {
                for value in [0, u32::MAX, f32::NAN.to_bits(), f32::INFINITY.to_bits(), 1 << 30] {
                    let mut bytes = whole.clone();
                    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
                    tried(format!("{value} at {at}"), &bytes);
                }
            }
        }
    });
}

/// Weights that are no numbers.
#[test]
fn weights_that_are_not_numbers() {
    limited("published::weights_that_are_not_numbers", |cases| {
        for place in ["gpt2", "llama/gemma3", "bert/bert", "t5/gated", "whisper/languages", "images/clip"] {
            let (from, copy) = (golden("pretrained").join(place), tempfile::tempdir().unwrap());
            for entry in std::fs::read_dir(&from).unwrap().map(Result::unwrap) {
                std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
            let path = copy.path().join("model.safetensors");
            let whole = std::fs::read(&path).unwrap();
            let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
            for pattern in
                [[0xff, 0x7f, 0xff, 0x7f], [0, 0x7c, 0x80, 0x7f], [0xff, 0xff, 0xff, 0xff], [0xff, 0x7b, 0x7f, 0x7f]]
            {
                let mut bytes = whole.clone();
                bytes[header..].chunks_mut(4).for_each(|chunk| chunk.copy_from_slice(&pattern[..chunk.len()]));
                std::fs::write(&path, bytes).unwrap();
                cases.run(format!("{place}: {pattern:?}"), || used(copy.path()));
            }
        }
    });
}
