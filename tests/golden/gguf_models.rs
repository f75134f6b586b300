//! Models in GGUF files: the logits that `transformers` computes with the same numbers, and what is wrong with other files.

use std::path::PathBuf;

use demotic::io::{TensorSource, gguf};
use demotic::models::{Bert, BertForMaskedLm, Generate, GenerateOptions, LanguageModel, Llama};
use demotic::pipeline::SentenceEncoder;
use demotic::prelude::*;
use demotic::pretrained::{PublishedModel, load};
use demotic::text::Sampler;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    ids: Vec<Vec<i64>>,
    logits: std::collections::BTreeMap<String, Vec<f64>>,
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/gguf")).join(name)
}

#[test]
fn every_family_computes_what_it_did() -> Result<()> {
    let expected: Expected = serde_json::from_str(&std::fs::read_to_string(file("models.json")).unwrap()).unwrap();
    let ids = Tensor::from_nested(expected.ids)?;
    assert_eq!(expected.logits.len(), 7);
    for (name, theirs) in &expected.logits {
        let model = Llama::from_pretrained(file(&format!("{name}.gguf")))?;
        // As many rows at once as are multiplied by numbers, and not by whole numbers.
        let logits = model.predict(&ids)?.to_f64_vec();
        assert_eq!(logits.len(), theirs.len());
        for (ours, theirs) in logits.iter().zip(theirs) {
            assert!((ours - theirs).abs() <= 2e-4 * theirs.abs().max(1.0), "{name}: {ours} for {theirs}");
        }
        // One by one, where inputs are rounded to eight bits.
        let first = ids.select(0, 0)?;
        let mut state = demotic::models::CausalLm::start(&model, &[0])?;
        for at in 0..12 {
            let one = demotic::models::CausalLm::extend(&model, &first.narrow(0, at, 1)?.unsqueeze(0)?, &mut state)?;
            let ours = one.to_f64_vec();
            let theirs = &theirs[at * 64..(at + 1) * 64];
            let off: f64 = ours.iter().zip(theirs).map(|(a, b)| (a - b).powi(2)).sum();
            let size: f64 = theirs.iter().map(|b| b * b).sum();
            // Random weights of this size make much of small differences.
            assert!((off / size).sqrt() < 0.15, "{name}, token {at}: {}", (off / size).sqrt());
        }
    }
    Ok(())
}

#[test]
fn a_bert_in_one_file_computes_what_it_did() -> Result<()> {
    #[derive(Deserialize)]
    struct Expected {
        sentences: Vec<String>,
        ids_of_sentences: Vec<Vec<i64>>,
        first: Vec<Vec<f64>>,
        hidden: Vec<Vec<f64>>,
    }
    let expected: Expected = serde_json::from_str(&std::fs::read_to_string(file("bert.json")).unwrap()).unwrap();
    let near = |ours: &Tensor, theirs: Vec<f64>| {
        let ours = ours.to_f64_vec();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((ours - theirs).abs() <= 1e-4, "{ours} for {theirs}");
        }
    };
    let path = file("bert.gguf");
    let PublishedModel::Encoder(model) = load(&path)? else { panic!("no Bert") };
    assert_eq!((model.config().layer_norm_eps, model.config().max_positions, model.config().pooler), (1e-7, 48, false));
    near(&model.predict(&Tensor::from_nested([expected.ids_of_sentences[0].clone()])?)?, expected.hidden.concat());
    let encoder = SentenceEncoder::from_pretrained(&path)?;
    for (sentence, ids) in expected.sentences.iter().zip(&expected.ids_of_sentences) {
        let padding = ids.iter().filter(|id| **id == 0).count();
        assert_eq!(encoder.tokenizer().encode(sentence)?, ids[..ids.len() - padding]);
    }
    near(&encoder.encode(&expected.sentences)?, expected.first.concat());

    // A head is not there, a language model is another thing, and so are other ways to make one vector of several.
    let message = |e: Error| {
        let message = e.message();
        let at = message.rfind(".gguf: ").unwrap() + 7;
        (message[at..].to_string(), e.help().map(String::from))
    };
    assert_eq!(
        message(BertForMaskedLm::from_pretrained(&path).unwrap_err()),
        ("a GGUF file has the body of a model, and not this head".into(), Some("models::Bert reads it".into()))
    );
    let another = "holds a model of the architecture `bert`";
    let (said, help) = message(Llama::from_pretrained(&path).unwrap_err());
    assert!(said == another && help.unwrap().starts_with("models::Llama reads llama, qwen2"));
    assert_eq!(message(Bert::from_pretrained(file("qwen2.gguf")).unwrap_err()).0, another.replace("bert", "qwen2"));
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("m.gguf");
    let whole = std::fs::read(&path).unwrap();
    for (key, value, expected) in [
        ("pooling_type", 4, "`bert.pooling_type` is 4, which is not known"),
        ("attention.causal", 1, "has `bert.attention.causal`, but a BERT looks at all tokens"),
        ("block_count", u32::MAX, "`bert.block_count` is 4294967295, expected at most 10000"),
        ("attention.head_count", 0, "num_heads is 0"),
    ] {
        let key = format!("bert.{key}");
        let at = whole.windows(key.len()).position(|bytes| bytes == key.as_bytes()).unwrap() + key.len() + 4;
        let mut bytes = whole.clone();
        let size = if value == 1 { 1 } else { 4 };
        bytes[at..at + size].copy_from_slice(&u32::to_le_bytes(value)[..size]);
        std::fs::write(&changed, bytes).unwrap();
        let message = SentenceEncoder::from_pretrained(&changed).unwrap_err().message();
        assert!(message.contains(expected), "{key} {value}: {message}");
    }
    Ok(())
}

#[test]
fn weights_stay_in_blocks_and_the_model_can_be_saved_and_trained_beside() -> Result<()> {
    let path = file("llama_tied.gguf");
    let PublishedModel::LanguageModel(LanguageModel::Llama(mut model)) = load(&path)? else { panic!("no Llama") };
    let mut schemes = Vec::new();
    model.for_each("*", |path, weight: &Weight| {
        schemes.push((path.to_string(), weight.quantized().map(|weight| weight.scheme().to_string())));
    });
    assert_eq!(schemes.len(), 15);
    assert!(schemes.iter().all(|(_, scheme)| scheme.as_deref() == Some("Q8_0")), "{schemes:?}");
    assert_eq!(model.num_parameters(), model.config().num_parameters());

    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("model.safetensors");
    model.save(&saved)?;
    let ids = Tensor::from_nested([[1i64, 5, 9, 2]])?;
    assert_eq!(Llama::open(&saved)?.predict(&ids)?.to_vec::<f32>()?, model.predict(&ids)?.to_vec::<f32>()?);

    let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(6);
    assert_eq!(model.generate(&[1, 5, 9], &options, &mut Rng::seed(0))?.tokens.len(), 6);
    model.freeze("*")?;
    assert_eq!(model.add_lora("*_proj", 2, 4.0, &mut Rng::seed(0))?, 14);
    let loss = |model: &Llama| -> Result<Tensor> {
        let logits = model.forward(&Tensor::from_nested([[1i64, 5, 9, 2, 8, 3, 4, 6, 7, 1, 2]])?, &mut Mode::eval())?;
        losses::token_cross_entropy(&logits, &Tensor::from_nested([[5i64, 9, 2, 8, 3, 4, 6, 7, 1, 2, 3]])?)
    };
    let before = loss(&model)?.item()?;
    let mut opt = AdamW::new(3e-2);
    for _ in 0..20 {
        let grads = loss(&model)?.backward()?;
        opt.step(&mut model, &grads)?;
    }
    assert!(loss(&model)?.item()? < before / 2.0);

    // As numbers, if somebody wants them so.
    let file = gguf::Reader::open(&path)?.to_dtype(DType::F32);
    assert!(file.infos().iter().all(|info| info.scheme.is_none()));
    Ok(())
}

#[test]
fn other_files_say_what_they_are() {
    let message = |path: PathBuf| Llama::from_pretrained(path).unwrap_err().message();
    let place = |name: &str| file(name).display().to_string();
    assert_eq!(
        message(file("blocks.gguf")),
        format!("from_pretrained: {}: holds a model of the architecture `demotic-test`", place("blocks.gguf"))
    );
    assert_eq!(
        message(file("missing.gguf")),
        format!("open: {}: No such file or directory (os error 2)", place("missing.gguf"))
    );
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("model.gguf");
    std::fs::write(&other, "a,b\n1,2\n").unwrap();
    assert_eq!(
        message(other.clone()),
        format!("open: {}: not a GGUF file: it seems to be a table (CSV)", other.display())
    );
    // One file of a folder, which somebody gives in place of the folder.
    let weights = file("../pretrained/llama/llama/model.safetensors");
    let e = Llama::from_pretrained(&weights).unwrap_err();
    assert_eq!(e.message(), format!("from_pretrained: {}: one file of a published model", weights.display()));
    assert_eq!(e.help(), Some("give the folder that holds it, with config.json and the tokenizer"));
}

/// Numbers that no file can mean: as many blocks as there are numbers, heads whose sizes have no product, or none.
#[test]
fn lying_numbers_are_refused_before_anything_is_made_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let whole = std::fs::read(file("gemma2.gguf")).unwrap();
    for (key, value, expected) in [
        ("block_count", u32::MAX, "`gemma2.block_count` is 4294967295, expected at most 10000"),
        ("attention.head_count", u32::MAX, "the configuration is that of "),
        ("attention.key_length", u32::MAX, "the configuration is that of "),
        ("attention.head_count", 0, "num_heads is 0"),
        ("embedding_length", 0, "hidden_size is 0"),
        ("context_length", 0, "context_length is 0"),
    ] {
        let key = format!("gemma2.{key}");
        let at = whole.windows(key.len()).position(|bytes| bytes == key.as_bytes()).unwrap() + key.len() + 4;
        let mut changed = whole.clone();
        changed[at..at + 4].copy_from_slice(&value.to_le_bytes());
        std::fs::write(&path, changed).unwrap();
        let message = Llama::from_pretrained(&path).unwrap_err().message();
        assert!(message.contains(expected), "{key} {value}: {message}");
    }
}
