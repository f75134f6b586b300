//! Folders that `transformers` published, and what it computes with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use demotic::io::TensorSource;
use demotic::models::{Generate, GenerateOptions, Gpt};
use demotic::prelude::*;
use demotic::pretrained;
use demotic::text::Sampler;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    ids: Vec<Vec<i64>>,
    /// In double precision.
    logits: Vec<f64>,
    greedy: Vec<i64>,
    prompt: Option<String>,
    continuation: Option<String>,
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/pretrained")).join(name)
}

fn expected(name: &str) -> Expected {
    let json = std::fs::read_to_string(folder("expected.json")).unwrap();
    let mut all: serde_json::Value = serde_json::from_str(&json).unwrap();
    serde_json::from_value(all[name].take()).unwrap()
}

#[track_caller]
fn check(gpt: &Gpt, name: &str) -> Result<()> {
    let expected = expected(name);
    let ids = Tensor::from_nested(expected.ids)?;
    let logits = gpt.predict(&ids)?.to_f64_vec();
    assert_eq!(logits.len(), expected.logits.len());
    for (ours, theirs) in logits.iter().zip(&expected.logits) {
        assert!((ours - theirs).abs() <= 1e-5 * theirs.abs().max(1.0), "{name}: {ours} for {theirs}");
    }
    let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(expected.greedy.len());
    let new = gpt.generate(&ids.flatten(0, -1)?.to_vec::<i64>()?, &options, &mut Rng::seed(0))?;
    assert_eq!(new.tokens, expected.greedy, "{name}");
    Ok(())
}

#[test]
fn every_published_form_computes_what_it_did() -> Result<()> {
    for name in ["gpt2", "gpt2_options", "gpt2_body"] {
        let gpt = Gpt::from_pretrained(folder(name))?;
        check(&gpt, name)?;

        // And back again.
        let mine = tempfile::tempdir().unwrap();
        let mine = mine.path().join("made/on/the/way");
        gpt.save_pretrained(&mine)?;
        let again = Gpt::from_pretrained(&mine)?;
        assert_eq!(again.config(), gpt.config(), "{name}");
        check(&again, name)?;
    }
    let options = Gpt::from_pretrained(folder("gpt2_options"))?.config().clone();
    let dropouts = (options.dropout, options.embedding_dropout, options.attention_dropout);
    assert_eq!(dropouts, (0.0, Some(0.25), Some(0.5)));
    Ok(())
}

/// What is written has the names, shapes and options that `transformers` itself wrote.
#[test]
fn what_is_published_is_what_was_read() -> Result<()> {
    let mine = tempfile::tempdir().unwrap();
    Gpt::from_pretrained(folder("gpt2"))?.save_pretrained(mine.path())?;
    let open = |folder: PathBuf| demotic::io::safetensors::Reader::open(folder.join("model.safetensors"));
    let (ours, theirs) = (open(mine.path().to_path_buf())?, open(folder("gpt2"))?);
    let sorted = |reader: &dyn TensorSource| {
        let mut infos = reader.infos();
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        infos
    };
    assert_eq!(sorted(&ours), sorted(&theirs));
    for info in sorted(&ours) {
        let values = |reader: &dyn TensorSource| reader.read(&info.name)?.to_vec::<f32>();
        assert_eq!(values(&ours)?, values(&theirs)?, "{}", info.name);
    }
    let config = |folder: PathBuf| -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(&std::fs::read_to_string(folder.join("config.json")).unwrap()).unwrap()
    };
    let theirs = config(folder("gpt2"));
    for (name, value) in config(mine.path().to_path_buf()) {
        // Which token ends a text is not known here, and GPT-2's is not in this vocabulary.
        let known = if name.ends_with("os_token_id") { &serde_json::Value::Null } else { &theirs[&name] };
        assert_eq!(&value, known, "{name}");
    }
    Ok(())
}

/// What `transformers` made of a folder that was written here.
#[derive(Deserialize)]
struct ReadBack {
    /// Types and shapes of tensors by their names.
    tensors: BTreeMap<String, (String, Vec<usize>)>,
    format: String,
    config: serde_json::Value,
    /// In double precision, of the last position.
    logits: Vec<f64>,
}

/// `read_back.py` has opened with `transformers` what is written here. With `DEMOTIC_PUBLISHED`, the folders go there, for it.
#[test]
fn what_is_written_is_what_transformers_has_opened() -> Result<()> {
    let json = std::fs::read_to_string(folder("read_back.json")).unwrap_or_else(|_| "{}".into());
    let mut recorded: BTreeMap<String, ReadBack> = serde_json::from_str(&json).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let place = std::env::var_os("DEMOTIC_PUBLISHED").map(PathBuf::from);
    for name in ["gpt2", "gpt2_options", "gpt2_body"] {
        let written = place.as_deref().unwrap_or(temporary.path()).join(name);
        let gpt = Gpt::from_pretrained(folder(name))?;
        gpt.save_pretrained(&written)?;
        if place.is_some() {
            continue;
        }
        let ReadBack { tensors, format, config, logits } = recorded.remove(name).unwrap();
        let file = demotic::io::safetensors::Reader::open(written.join("model.safetensors"))?;
        let infos = file.infos().iter();
        let found: BTreeMap<_, _> = infos
            .map(|info| (info.name.clone(), (info.dtype.unwrap().to_string().to_uppercase(), info.shape.clone())))
            .collect();
        assert_eq!(found, tensors, "{name}");
        assert_eq!(file.metadata().get("format"), Some(format.as_str()), "{name}");
        let json = std::fs::read(written.join("config.json")).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&json).unwrap(), config, "{name}");
        let ours = gpt.predict(&Tensor::from_nested(expected(name).ids)?)?.select(1, -1)?.to_f64_vec();
        assert_eq!(ours.len(), logits.len());
        for (ours, theirs) in ours.iter().zip(&logits) {
            assert!((ours - theirs).abs() <= 1e-5 * theirs.abs().max(1.0), "{name}: {ours} for {theirs}");
        }
    }
    Ok(())
}

#[test]
fn a_published_tokenizer_comes_with_its_model() -> Result<()> {
    let expected = expected("gpt2");
    let pipeline = TextPipeline::<Gpt>::from_pretrained(folder("gpt2"))?;
    let prompt = expected.prompt.unwrap();
    assert_eq!([pipeline.tokenizer().encode(&prompt)?], *expected.ids);
    let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(expected.greedy.len());
    let text = pipeline.generate(&prompt, &options, &mut Rng::seed(0))?.text;
    assert_eq!(text, expected.continuation.unwrap());

    // From GPT-2's own two files as well.
    let copy = tempfile::tempdir().unwrap();
    for name in ["vocab.json", "merges.txt", "special_tokens_map.json"] {
        std::fs::copy(folder("gpt2").join(name), copy.path().join(name)).unwrap();
    }
    let tokenizer = pretrained::tokenizer(copy.path())?;
    assert_eq!([tokenizer.encode(&prompt)?], *expected.ids);
    assert_eq!(tokenizer.encode("<|endoftext|>")?, [0]);
    Ok(())
}

#[test]
fn folders_that_hold_something_else_are_errors() {
    let made = tempfile::tempdir().unwrap();
    let message = || {
        let e = Gpt::from_pretrained(made.path()).unwrap_err().to_string();
        assert!(e.contains("tests/golden/pretrained.rs"), "not the caller's line: {e}");
        e.replace(made.path().to_str().unwrap(), "FOLDER")
    };
    let begins = |expected: &str| {
        let message = message();
        assert!(message.starts_with(expected), "{message}");
    };
    let config = |json: &str| std::fs::write(made.path().join("config.json"), json).unwrap();

    begins("from_pretrained: FOLDER/config.json: ");
    config("{");
    begins("from_pretrained: FOLDER/config.json: not in JSON: EOF");
    config("{}");
    begins("from_pretrained: FOLDER/config.json: does not say its model_type; `gpt2` is expected");
    config(r#"{"model_type": "llama"}"#);
    begins("from_pretrained: FOLDER/config.json: the folder holds a model of type `llama`, not `gpt2`");
    config(r#"{"model_type": "gpt2", "n_embd": -1}"#);
    begins("from_pretrained: FOLDER/config.json: not the configuration of a `gpt2`: invalid value: integer `-1`");
    config(r#"{"model_type": "gpt2", "add_cross_attention": true}"#);
    begins("from_pretrained: FOLDER/config.json: add_cross_attention is true");
    config(r#"{"model_type": "gpt2", "activation_function": "laplace"}"#);
    begins("from_pretrained: FOLDER/config.json: there is no activation_function `laplace`");
    config(r#"{"model_type": "gpt2", "n_ctx": 1024, "summary_type": "cls_index", "rotary_dim": 64}"#);
    begins("from_pretrained: FOLDER/config.json: there is no option `rotary_dim` of a `gpt2`");
    config(r#"{"model_type": "gpt2"}"#);
    begins("from_pretrained: FOLDER: neither model.safetensors nor model.safetensors.index.json");
    std::fs::write(made.path().join("tf_model.h5"), "").unwrap();
    assert!(message().contains("help: there is tf_model.h5"));
    std::fs::write(made.path().join("pytorch_model.bin"), "").unwrap();
    begins("from_pretrained: FOLDER/pytorch_model.bin: this is no file of tensors that is known");
    std::fs::remove_file(made.path().join("pytorch_model.bin")).unwrap();
    std::fs::copy(folder("gpt2").join("model.safetensors"), made.path().join("model.safetensors")).unwrap();
    begins(
        "from_pretrained: FOLDER/model.safetensors: the configuration is that of 124439808 parameters, the file has ",
    );
    // As large as any.
    config(r#"{"model_type": "gpt2", "n_layer": 1152921504606846976, "n_embd": 4611686018427387904}"#);
    begins("from_pretrained: FOLDER/model.safetensors: the configuration is that of ");
    config(r#"{"model_type": "gpt2", "vocab_size": 300, "n_positions": 32, "n_embd": 16, "n_layer": 2, "n_head": 5}"#);
    begins("from_pretrained: FOLDER/model.safetensors: Gpt::new: ");

    let mut adapted = Gpt::from_pretrained(folder("gpt2")).unwrap();
    adapted.add_lora("*.attn.*", 2, 4.0, &mut Rng::seed(0)).unwrap();
    let e = adapted.save_pretrained(made.path()).unwrap_err();
    let message = "save_pretrained: `transformer.h.0.attn.c_attn.weight` has an adapter, which the published form has no words for";
    assert_eq!(e.message(), message);
    assert_eq!(e.help(), Some("merge it into the weight first: merge_lora(pattern)"));

    let e = pretrained::tokenizer(made.path()).unwrap_err().to_string();
    assert!(e.contains(": neither tokenizer.json nor vocab.json with merges.txt"), "{e}");
    // A folder that is not there is looked for, and not its files.
    let e = pretrained::tokenizer(made.path().join("gtp2")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(e.help().unwrap().starts_with("there is no folder "), "{e}");

    // An index, read on behalf of the one who asked.
    std::fs::remove_file(made.path().join("model.safetensors")).unwrap();
    let index = |json: &str| std::fs::write(made.path().join("model.safetensors.index.json"), json).unwrap();
    index("{}");
    begins("from_pretrained: FOLDER/model.safetensors.index.json: not an index of safetensors files: ");
    index(r#"{"weight_map": {"wte.weight": "more.safetensors"}}"#);
    begins("from_pretrained: FOLDER/more.safetensors: ");
    index(r#"{"weight_map": {"wte.weight": "../more.safetensors"}}"#);
    begins(
        "from_pretrained: FOLDER/model.safetensors.index.json: `../more.safetensors` is no name of a file beside it",
    );
}

/// The files beside the vocabulary that say which tokens are not divided, and which were added.
#[test]
fn special_and_added_tokens_of_a_folder() -> Result<()> {
    let made = tempfile::tempdir().unwrap();
    for name in ["vocab.json", "merges.txt"] {
        std::fs::copy(folder("gpt2").join(name), made.path().join(name)).unwrap();
    }
    let write = |name: &str, json: &str| std::fs::write(made.path().join(name), json).unwrap();
    let message = || {
        let e = pretrained::tokenizer(made.path()).unwrap_err();
        assert!(e.to_string().contains(file!()), "{e}");
        e.message().replace(made.path().to_str().unwrap(), "FOLDER")
    };
    let size = pretrained::tokenizer(made.path())?.vocab_size() as i64;
    write("special_tokens_map.json", r#"{"pad_token": "<pad>", "eos_token": {"content": "<|endoftext|>"}}"#);
    write("added_tokens.json", &format!(r#"{{"<tool>": {}, "<pad>": {size}}}"#, size + 1));
    let tokenizer = pretrained::tokenizer(made.path())?;
    assert_eq!(tokenizer.encode("<tool><pad><|endoftext|>")?, [size + 1, size, 0]);

    write("added_tokens.json", &format!(r#"{{"<pad>": {}}}"#, size + 7));
    let expected = format!(
        "tokenizer: FOLDER/added_tokens.json: `<pad>` is token {}, which those of vocab.json do not leave room for",
        size + 7
    );
    assert_eq!(message(), expected);
    write("added_tokens.json", "[]");
    assert!(
        message().starts_with("tokenizer: FOLDER/added_tokens.json: not a map of added tokens: invalid type"),
        "{}",
        message()
    );
    std::fs::remove_file(made.path().join("added_tokens.json")).unwrap();
    write("special_tokens_map.json", "[1, 2]");
    assert!(
        message().starts_with("tokenizer: FOLDER/special_tokens_map.json: not a map of special tokens: invalid type"),
        "{}",
        message()
    );
    write("special_tokens_map.json", "{");
    assert!(message().starts_with("tokenizer: FOLDER/special_tokens_map.json: not in JSON: EOF"), "{}", message());
    Ok(())
}
