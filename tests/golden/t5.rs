//! T5 as `transformers` publishes it, against what that computes with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use demotic::io::TensorSource;
use demotic::io::safetensors::Reader;
use demotic::models::{BeamSearch, CausalLm, Generate, GenerateOptions, Pooling, Seq2Seq, T5, T5Encoder, TokenInputs};
use demotic::prelude::*;
use demotic::pretrained::{self, PublishedModel};
use demotic::tensor::Scheme;
use demotic::text::Sampler;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::published::{check_gradients, message_with_option, near};

#[derive(Debug, Clone, Deserialize)]
struct Expected {
    source: Vec<Vec<i64>>,
    target: Vec<Vec<i64>>,
    /// Behind target tokens 5 and 23.
    logits: Vec<f64>,
    /// The same without some tokens of the first source, and some of the second target.
    masked: Vec<f64>,
    loss: f64,
    grads: BTreeMap<String, [f64; 3]>,
    /// The encoder's output at source tokens 0 and 20.
    hidden: Vec<f64>,
    greedy: Vec<Vec<i64>>,
    beams: Vec<Vec<i64>>,
    scores: Vec<f64>,
}

impl Expected {
    fn pair(&self) -> (Tensor, Tensor) {
        (Tensor::from_nested(self.source.clone()).unwrap(), Tensor::from_nested(self.target.clone()).unwrap())
    }
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/pretrained/t5"))
}

fn models() -> Vec<(String, PathBuf, Expected)> {
    let json = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let all: BTreeMap<String, Expected> = serde_json::from_str(&json).unwrap();
    assert_eq!(all.len(), 5);
    all.into_iter().map(|(name, expected)| (name.clone(), folder().join(name), expected)).collect()
}

fn greedy(tokens: usize) -> GenerateOptions {
    GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(tokens)
}

#[track_caller]
fn check_logits(model: &T5, expected: &Expected, tolerance: f64, what: &str) -> Result<()> {
    let (source, target) = expected.pair();
    let places = Tensor::from_nested([5i64, 23])?;
    let logits = no_grad(|| model.forward(&source, &target, &mut Mode::eval()))?;
    near(&logits.index_select(1, &places)?.to_f64_vec(), &expected.logits, tolerance, what);
    Ok(())
}

#[test]
fn every_option_computes_what_it_did() -> Result<()> {
    for (name, path, expected) in models() {
        let model = T5::from_pretrained(&path)?;
        assert_eq!(model.config().num_parameters(), model.num_parameters(), "{name}");
        check_logits(&model, &expected, 1e-5, &name)?;

        let (source, target) = expected.pair();
        let (mut seen, mut fed) = (vec![vec![1i64; 26]; 2], vec![vec![true; 24]; 2]);
        seen[0][3..7].fill(0);
        fed[1][2..5].fill(false);
        let (seen, fed) = (Tensor::from_nested(seen)?, Tensor::from_nested(fed)?);
        let run = || model.forward_with(&source, Some(&seen), &target, Some(&fed), &mut Mode::eval());
        let masked = no_grad(run)?.index_select(1, &Tensor::from_nested([5i64, 23])?)?;
        near(&masked.to_f64_vec(), &expected.masked, 1e-5, &format!("{name}, masked"));
    }
    Ok(())
}

#[test]
fn gradients_of_every_option() -> Result<()> {
    for (name, path, expected) in models() {
        let model = T5::from_pretrained(&path)?;
        let (source, target) = expected.pair();
        // The same draws as none, since nothing is dropped.
        let config = model.config().clone().dropout(0.0);
        let mut still = T5::new(config, &mut Rng::seed(0))?;
        still.load_state_dict(&model.state_dict())?;
        let mut rng = Rng::seed(0);
        let logits = still.forward(&source, &target, &mut Mode::train(&mut rng))?.narrow(1, 0, 23)?;
        let loss = losses::token_cross_entropy(&logits, &target.narrow(1, 1, 23)?.contiguous())?;
        near(&[loss.item()?], &[expected.loss], 1e-5, &name);
        check_gradients(&still, &loss.backward()?, &expected.grads, &name)?;
    }
    Ok(())
}

/// Alone and beside the other one, token by token and all at once.
#[test]
fn tokens_are_the_same_with_a_cache() -> Result<()> {
    for (name, path, expected) in models() {
        let model = T5::from_pretrained(&path)?;
        let (source, target) = expected.pair();
        let found = model.translate(&source, &greedy(8), &mut Rng::seed(0))?;
        let tokens: Vec<&Vec<i64>> = found.iter().map(|found| &found.tokens).collect();
        assert_eq!(tokens, expected.greedy.iter().collect::<Vec<_>>(), "{name}");
        let alone = model.translate(&source.narrow(0, 1, 1)?.narrow(1, 0, 21)?, &greedy(8), &mut Rng::seed(0))?;
        assert_eq!(alone[0].tokens, expected.greedy[1], "{name}, alone");

        let beams = model.translate_beams(&source, &BeamSearch::new(3)?, &greedy(8))?;
        for ((beam, tokens), score) in beams[0].iter().zip(&expected.beams).zip(&expected.scores) {
            assert_eq!(&beam.tokens, tokens, "{name}");
            near(&[beam.score], &[*score], 1e-5, &name);
        }

        let whole = no_grad(|| model.forward(&source, &target, &mut Mode::eval()))?;
        let encoded = model.encode(&source)?;
        for pieces in [vec![1; 24], vec![5, 1, 14, 4], vec![24]] {
            let (mut state, mut from, mut logits) = (encoded.start(&[0, 0])?, 0, Vec::new());
            for n in pieces {
                logits.push(encoded.extend(&target.narrow(1, from, n)?, &mut state)?);
                from += n;
            }
            near(&Tensor::cat(&logits.iter().collect::<Vec<_>>(), 1)?.to_f64_vec(), &whole.to_f64_vec(), 1e-5, &name);
        }
        // Beginnings of different lengths, and several draws of one source.
        let starts = [vec![0, 3, 4], vec![0]];
        let both = encoded.generate_batch(&starts, &greedy(4), &mut Rng::seed(0))?;
        for (row, start) in starts.iter().enumerate() {
            let one = encoded.row(row)?.generate(start, &greedy(4), &mut Rng::seed(0))?;
            assert_eq!(both[row].tokens, one.tokens, "{name}");
        }
        let drawn = encoded.row(0)?.generate_batch(
            &[[0i64]],
            &GenerateOptions::new().samples(3).max_new_tokens(5),
            &mut Rng::seed(1),
        )?;
        assert_eq!(drawn.len(), 3);
    }
    Ok(())
}

#[test]
fn the_encoder_by_itself() -> Result<()> {
    for (name, path, expected) in models() {
        let (source, _) = expected.pair();
        let encoder = T5Encoder::from_pretrained(&path)?;
        let hidden = encoder.predict(&source)?;
        let places = hidden.index_select(1, &Tensor::from_nested([0i64, 20])?)?;
        near(&places.to_f64_vec(), &expected.hidden, 1e-5, &name);
        let same = T5::from_pretrained(&path)?.into_encoder().predict(&source)?;
        assert_eq!(same.to_f64_vec(), hidden.to_f64_vec(), "{name}");
        // A text has the same vector beside a longer one.
        let both = encoder.vectors(&source, &TokenInputs::new(), Pooling::Mean, true)?;
        let alone = source.narrow(0, 1, 1)?.narrow(1, 0, 21)?;
        let alone = encoder.vectors(&alone, &TokenInputs::new(), Pooling::Mean, true)?;
        near(&both.narrow(0, 1, 1)?.to_f64_vec(), &alone.to_f64_vec(), 1e-5, &name);
        near(&[alone.square().sum().item()?], &[1.0], 1e-6, &name);
    }
    let PublishedModel::TextEncoder(own) = pretrained::load(folder().join("encoder"))? else { panic!("no encoder") };
    let (source, _) = models()[3].2.pair();
    let whole = T5Encoder::from_pretrained(folder().join("relu"))?;
    assert_eq!(own.predict(&source)?.to_f64_vec(), whole.predict(&source)?.to_f64_vec());
    let mine = tempfile::tempdir().unwrap();
    own.save_pretrained(mine.path())?;
    let again = T5Encoder::from_pretrained(mine.path())?;
    assert_eq!(again.predict(&source)?.to_f64_vec(), own.predict(&source)?.to_f64_vec());
    assert!(T5::from_pretrained(mine.path()).is_err());
    Ok(())
}

#[test]
fn folders_are_written_back_and_files_opened() -> Result<()> {
    for (name, path, expected) in models() {
        let PublishedModel::TextToText(model) = pretrained::load(&path)? else { panic!("{name}") };
        let mine = tempfile::tempdir().unwrap();
        model.save_pretrained(mine.path())?;
        let again = T5::from_pretrained(mine.path())?;
        assert_eq!(again.config(), model.config(), "{name}");
        check_logits(&again, &expected, 1e-5, &name)?;
        let names = |path: &Path| -> BTreeMap<String, Vec<usize>> {
            let twice = ["encoder.embed_tokens.weight", "lm_head.weight"];
            let infos = Reader::open(path.join("model.safetensors")).unwrap();
            let infos = (&infos as &dyn TensorSource).infos().into_iter().map(|info| (info.name, info.shape));
            infos.filter(|(key, _)| name != "relu" || !twice.contains(&&**key)).collect()
        };
        assert_eq!(names(mine.path()), names(&path), "{name}");
        let own = mine.path().join("own.safetensors");
        model.save(&own)?;
        check_logits(&T5::open(&own)?, &expected, 1e-5, &name)?;
    }
    Ok(())
}

/// Weights in blocks: near, and kept by files.
#[test]
fn weights_of_a_few_bits() -> Result<()> {
    let config = demotic::models::T5Config::new(64).layers(1).hidden_size(64).heads(2).head_dim(32).version_1_1();
    let mut model = T5::new(config, &mut Rng::seed(2))?;
    let (source, target) = (Tensor::from_nested([[5i64, 9, 33, 2]])?, Tensor::from_nested([[0i64, 8, 7]])?);
    let dense = no_grad(|| model.forward(&source, &target, &mut Mode::eval()))?;
    model.quantize("*", Scheme::Q8_0)?;
    let logits = no_grad(|| model.forward(&source, &target, &mut Mode::eval()))?;
    near(&logits.to_f64_vec(), &dense.to_f64_vec(), 0.03, "in blocks");
    assert_ne!(logits.to_f64_vec(), dense.to_f64_vec());
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("small.safetensors");
    model.save(&file)?;
    let again = T5::open(&file)?;
    let same = no_grad(|| again.forward(&source, &target, &mut Mode::eval()))?;
    assert_eq!(same.to_f64_vec(), logits.to_f64_vec());
    assert_eq!(again.translate(&source, &greedy(3), &mut Rng::seed(0))?.len(), 1);
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    let message =
        |name: &str, option: &str, value: Value| message_with_option::<T5>(&folder().join(name), option, value);
    let begins = |message: String, expected: &str| assert!(message.starts_with(expected), "{message}");
    begins(
        message("relu", "sparse_layers", json!(2)),
        "from_pretrained: FOLDER/config.json: there is no option `sparse_layers` of a `t5` | it may change what the model computes",
    );
    begins(
        message("relu", "feed_forward_proj", json!("gated-laplace")),
        "from_pretrained: FOLDER/config.json: there is no feed_forward_proj `gated-laplace` | the functions are gelu_new, ",
    );
    begins(
        message("relu", "num_layers", json!(3)),
        "from_pretrained: FOLDER/model.safetensors: the configuration is that of ",
    );
    begins(
        message("relu", "relative_attention_num_buckets", json!(2)),
        "from_pretrained: FOLDER/model.safetensors: T5::new: num_buckets is 2 and max_distance 20, expected at least 4, and more than \
         half of it",
    );
    begins(
        message("relu", "eos_token_id", json!(29)),
        "from_pretrained: FOLDER/model.safetensors: T5::new: end_id is 29, which is not among 29 tokens",
    );
    begins(
        message("relu", "model_type", json!("llama")),
        "from_pretrained: FOLDER/config.json: the folder holds a model of type `llama`, not of the family of T5 | models::Llama reads",
    );
    for option in ["vocab_size", "d_model", "num_heads", "d_kv", "d_ff", "num_layers", "num_decoder_layers"] {
        for value in [json!(0), json!(1u64 << 40), json!(u64::MAX), json!(-1), json!("x"), json!(11)] {
            assert_ne!(message("gated", option, value.clone()), "", "{option} {value}");
        }
    }
    for (option, value) in
        [("layer_norm_epsilon", json!(0.0)), ("dropout_rate", json!(1.5)), ("pad_token_id", json!(-1))]
    {
        assert_ne!(message("gated", option, value.clone()), "", "{option} {value}");
    }
    assert_eq!(message("relu", "task_specific_params", json!({"summarization": {"num_beams": 4}})), "");

    let model = T5::from_pretrained(folder().join("relu"))?;
    let e = model.encode(&Tensor::from_nested([[5i64, 6], [0, 0]])?).unwrap_err();
    assert_eq!(e.message(), "t5: source 1 is nothing but padding (0)");
    let e = model.encode(&Tensor::from_nested([[5i64, 29]])?).unwrap_err();
    assert_eq!(e.layer(), Some("shared"));
    let one = Tensor::from_nested([[5i64, 6]])?;
    let e = model.forward(&one, &Tensor::from_nested([[0i64], [0]])?, &mut Mode::eval()).unwrap_err();
    assert_eq!(e.message(), "t5: 2 targets for 1 sources");
    let e = model.forward_with(&one, Some(&Tensor::ones([1, 3])?), &one, None, &mut Mode::eval()).unwrap_err();
    assert_eq!(e.message(), "t5: a mask of shape [1, 3], expected [1, 2]");
    Ok(())
}

/// `read_families.py` has opened with `transformers` what is written here, and kept the configurations.
#[test]
fn what_is_written_is_what_transformers_has_opened() -> Result<()> {
    let json = std::fs::read_to_string(folder().join("read_back.json")).unwrap_or_else(|_| "{}".into());
    let recorded: Map<String, Value> = serde_json::from_str(&json).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let place = std::env::var_os("DEMOTIC_PUBLISHED").map(PathBuf::from);
    for (name, path, _) in models() {
        let written = place.as_deref().unwrap_or(temporary.path()).join("t5").join(&name);
        T5::from_pretrained(&path)?.save_pretrained(&written)?;
        if place.is_none() {
            let config: Value = serde_json::from_slice(&std::fs::read(written.join("config.json")).unwrap()).unwrap();
            assert_eq!(Some(&config), recorded.get(&name), "{name}");
        }
    }
    Ok(())
}
