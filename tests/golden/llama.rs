//! The families that `Llama` reads, as `transformers` publishes them, against what it computes with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use demotic::io::TensorSource;
use demotic::io::safetensors::Reader;
use demotic::models::{
    CausalLm, Generate, GenerateOptions, LanguageModel, Llama, LlamaConfig, LlamaFamily, RopeScaling, TokenInputs,
};
use demotic::prelude::*;
use demotic::pretrained::{self, PublishedModel};
use demotic::text::Sampler;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::published::near;

#[derive(Debug, Clone, Deserialize)]
struct Expected {
    ids: Vec<Vec<i64>>,
    /// Of both texts, after tokens 6 and 11.
    logits: Vec<f64>,
    /// Of the second text without its first four tokens, after the last one.
    padded: Vec<f64>,
    loss: f64,
    /// Sum, norm, and the sum with weights.
    grads: BTreeMap<String, [f64; 3]>,
    greedy: Vec<i64>,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/pretrained/llama"))
}

fn all() -> Map<String, Value> {
    serde_json::from_str(&std::fs::read_to_string(folder().join("expected.json")).unwrap()).unwrap()
}

/// Every model with its folder, which is made where it has the weights of another one.
fn models() -> Vec<(String, PathBuf, Expected, tempfile::TempDir)> {
    let all = all();
    let mut found = Vec::new();
    for (name, entry) in &all {
        let place = tempfile::tempdir().unwrap();
        let mut path = folder().join(name);
        if let Some(config) = entry.get("config") {
            path = place.path().to_path_buf();
            let weights = folder().join(entry["weights"].as_str().unwrap()).join("model.safetensors");
            std::fs::copy(weights, path.join("model.safetensors")).unwrap();
            std::fs::write(path.join("config.json"), config.to_string()).unwrap();
        }
        let expected = entry.get("same_as").map_or(entry, |other| &all[other.as_str().unwrap()]);
        found.push((name.clone(), path, serde_json::from_value(expected.clone()).unwrap(), place));
    }
    assert_eq!(found.len(), 21);
    found
}

fn check_logits(model: &Llama, expected: &Expected, what: &str) -> Result<()> {
    let ids = Tensor::from_nested(expected.ids.clone())?;
    let logits = model.predict(&ids)?;
    let places = logits.index_select(1, &Tensor::from_nested([6i64, 11])?)?;
    near(&places.to_f64_vec(), &expected.logits, 1e-5, what);
    Ok(())
}

#[test]
fn every_family_computes_what_it_did() -> Result<()> {
    for (name, path, expected, _place) in models() {
        let model = Llama::from_pretrained(&path)?;
        assert_eq!(model.config().num_parameters(), model.num_parameters(), "{name}");
        check_logits(&model, &expected, &name)?;

        let ids = Tensor::from_nested(expected.ids.clone())?;
        let mut seen = vec![vec![true; 12]; 2];
        seen[1][..4].fill(false);
        let inputs = TokenInputs::new().mask(&Tensor::from_nested(seen)?);
        let padded = no_grad(|| model.forward_with(&ids, &inputs, &mut Mode::eval()))?;
        near(&padded.select(0, 1)?.select(0, -1)?.to_f64_vec(), &expected.padded, 1e-5, &format!("{name}, padded"));
    }
    Ok(())
}

/// The gradient of every parameter, kept or computed again, and those that files have in one piece put together.
#[test]
fn gradients_of_every_family() -> Result<()> {
    for (name, path, expected, _place) in models() {
        let model = Llama::from_pretrained(&path)?;
        let config = model.config().clone().with_checkpointing();
        let mut again = Llama::new(config, &mut Rng::seed(0))?;
        again.load_state_dict(&model.state_dict())?;
        for model in [model, again] {
            let ids = Tensor::from_nested(expected.ids.clone())?;
            let mut rng = Rng::seed(0);
            let logits = model.forward(&ids, &mut Mode::train(&mut rng))?.narrow(1, 0, 11)?;
            let loss = losses::token_cross_entropy(&logits, &ids.narrow(1, 1, 11)?.contiguous())?;
            near(&[loss.item()?], &[expected.loss], 1e-5, &name);
            let grads = loss.backward()?;
            let mut ours: BTreeMap<String, Vec<f64>> = BTreeMap::new();
            for (path, param) in model.named_parameters() {
                let path = match model.config().family {
                    LlamaFamily::Phi3 => {
                        let whole = [("q_proj", "qkv_proj"), ("k_proj", "qkv_proj"), ("v_proj", "qkv_proj")];
                        let whole =
                            whole.into_iter().chain([("gate_proj", "gate_up_proj"), (".up_proj", ".gate_up_proj")]);
                        whole.fold(
                            path,
                            |path, (part, whole)| if path.contains("qkv") { path } else { path.replace(part, whole) },
                        )
                    }
                    _ => path,
                };
                ours.entry(path).or_default().extend(grads.wrt(&param)?.to_f64_vec());
            }
            for (path, theirs) in &expected.grads {
                let g = ours.remove(path).unwrap_or_else(|| panic!("{name}: no gradient of {path}"));
                let weighted: f64 = g.iter().enumerate().map(|(i, g)| g * (i as f64).cos()).sum();
                let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
                // Sums of numbers of both signs are as exact as the numbers are large.
                for (a, b) in [g.iter().sum(), norm, weighted].iter().zip(theirs) {
                    let tolerance = 1e-5 * theirs[1] * (g.len() as f64).sqrt();
                    assert!((a - b).abs() <= tolerance, "{name} {path}: {a} for {b}");
                }
            }
            assert!(ours.is_empty(), "{name}: {:?}", ours.keys());
        }
    }
    Ok(())
}

/// Token by token, in several pieces, beside another text, and as the first of several beams.
#[test]
fn greedy_tokens_are_the_same_with_a_cache() -> Result<()> {
    for (name, path, expected, _place) in models() {
        let model = Llama::from_pretrained(&path)?;
        let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(expected.greedy.len());
        let prompt = &expected.ids[0][..5];
        let new = model.generate(prompt, &options, &mut Rng::seed(0))?;
        assert_eq!(new.tokens, expected.greedy, "{name}");

        let other = &expected.ids[1][..11];
        let alone = model.generate(other, &options, &mut Rng::seed(0))?;
        let both = model.generate_batch(&[prompt, other], &options, &mut Rng::seed(0))?;
        assert_eq!(both[0].tokens, expected.greedy, "{name}, beside a longer one");
        assert_eq!(both[1].tokens, alone.tokens, "{name}, beside a shorter one");

        // Whatever the pieces.
        let ids = Tensor::from_nested(expected.ids.clone())?;
        let whole = model.predict(&ids)?;
        for pieces in [vec![1; 12], vec![5, 1, 4, 2], vec![11, 1]] {
            let (mut state, mut from, mut found) = (model.start(&[0, 0])?, 0, Vec::new());
            for n in &pieces {
                found.push(model.extend(&ids.narrow(1, from, *n)?, &mut state)?);
                from += n;
            }
            match &model.config().rope.scaling {
                // What comes later changes how earlier tokens are turned: those that are kept are not turned again, or all are
                // read once more, and only the last ones are the same.
                Some(RopeScaling::Dynamic { .. }) => {}
                Some(RopeScaling::Longrope { .. }) => {
                    let (a, b) = (found.pop().unwrap().select(1, -1)?, whole.select(1, -1)?);
                    near(&a.to_f64_vec(), &b.to_f64_vec(), 1e-5, &name);
                }
                _ => {
                    let found = Tensor::cat(&found.iter().collect::<Vec<_>>(), 1)?;
                    near(&found.to_f64_vec(), &whole.to_f64_vec(), 1e-5, &name);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn every_family_is_written_back() -> Result<()> {
    for (name, path, expected, _place) in models() {
        let model = Llama::from_pretrained(&path)?;
        let mine = tempfile::tempdir().unwrap();
        model.save_pretrained(mine.path())?;
        let again = Llama::from_pretrained(mine.path())?;
        assert_eq!(again.config(), model.config(), "{name}");
        check_logits(&again, &expected, &name)?;
        // With the names and shapes that were there.
        let file = Reader::open(mine.path().join("model.safetensors"))?;
        let names = |reader: &dyn TensorSource| -> BTreeMap<String, Vec<usize>> {
            reader.infos().into_iter().map(|info| (info.name, info.shape)).collect()
        };
        if let Ok(theirs) = Reader::open(path.join("model.safetensors")) {
            assert_eq!(names(&file), names(&theirs), "{name}");
        }
        // Whoever does not ask for a kind gets the same.
        let PublishedModel::LanguageModel(any) = pretrained::load(&path)? else { panic!("{name}") };
        let LanguageModel::Llama(any) = any else { panic!("{name}") };
        assert_eq!(any.config(), model.config());
        let own = mine.path().join("own.safetensors");
        model.save(&own)?;
        assert_eq!(Llama::open(&own)?.config(), model.config());
    }
    Ok(())
}

/// `read_families.py` has opened with `transformers` what is written here, and kept the configurations. With `DEMOTIC_PUBLISHED`, the
/// folders go there, for it.
#[test]
fn what_is_written_is_what_transformers_has_opened() -> Result<()> {
    let json = std::fs::read_to_string(folder().join("read_back.json")).unwrap_or_else(|_| "{}".into());
    let recorded: Map<String, Value> = serde_json::from_str(&json).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let place = std::env::var_os("DEMOTIC_PUBLISHED").map(PathBuf::from);
    for (name, path, _, _place) in models() {
        let written = place.as_deref().unwrap_or(temporary.path()).join("llama").join(&name);
        Llama::from_pretrained(&path)?.save_pretrained(&written)?;
        if place.is_none() {
            let config: Value = serde_json::from_slice(&std::fs::read(written.join("config.json")).unwrap()).unwrap();
            assert_eq!(Some(&config), recorded.get(&name), "{name}");
        }
    }
    Ok(())
}

fn config_of(name: &str) -> Map<String, Value> {
    serde_json::from_str(&std::fs::read_to_string(folder().join(name).join("config.json")).unwrap()).unwrap()
}

/// A folder with the weights of a model and an option more.
fn with_option(name: &str, option: &str, value: Value) -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let mut config = config_of(name);
    config.insert(option.into(), value);
    std::fs::write(place.path().join("config.json"), Value::Object(config).to_string()).unwrap();
    std::fs::copy(folder().join(name).join("model.safetensors"), place.path().join("model.safetensors")).unwrap();
    let e = match Llama::from_pretrained(place.path()) {
        Ok(_) => String::new(),
        Err(e) => {
            assert!(e.to_string().contains("tests/golden/llama.rs"), "not the caller's line: {e}");
            let help = e.help().map_or(String::new(), |help| format!(" | {help}"));
            e.message().replace(place.path().to_str().unwrap(), "FOLDER") + &help
        }
    };
    (place, e)
}

#[test]
fn options_that_are_not_known_are_named() {
    let message = |name: &str, option: &str, value: Value| with_option(name, option, value).1;
    let begins = |message: String, expected: &str| assert!(message.starts_with(expected), "{message}");
    assert_eq!(
        message("llama", "sparse", json!(2)),
        "from_pretrained: FOLDER/config.json: there is no option `sparse` of a `llama` | it may change what the model computes; \
         if it does not, take it out of the file"
    );
    assert_eq!(
        message("llama", "hidden_act", json!("laplace")).split(" | ").next().unwrap(),
        "from_pretrained: FOLDER/config.json: there is no hidden_act `laplace`"
    );
    begins(
        message("llama", "rope_parameters", json!({"rope_type": "spiral", "rope_theta": 1.0})),
        "from_pretrained: FOLDER/config.json: there is no rope_type `spiral` | the types are default, linear, ",
    );
    begins(
        message("llama", "rope_scaling", json!({"type": "linear", "factor": 2.0, "turns": 3})),
        "from_pretrained: FOLDER/config.json: there is no option `rope_scaling.turns` of a `linear`",
    );
    begins(
        message("llama", "rope_scaling", json!({"type": "linear"})),
        "from_pretrained: FOLDER/config.json: does not say `rope_scaling.factor`",
    );
    begins(
        message("gemma", "use_bidirectional_attention", json!(true)),
        "from_pretrained: FOLDER/config.json: `use_bidirectional_attention` is true, of which only false is known",
    );
    begins(
        message("qwen2", "layer_types", json!(["full_attention", "linear_attention"])),
        "from_pretrained: FOLDER/config.json: there are no layers of the type `linear_attention` | the types are ",
    );
    begins(
        message("qwen2", "layer_types", json!(["full_attention"])),
        "from_pretrained: FOLDER/config.json: layer_types has 1 entries for 2 layers",
    );
    begins(
        message("llama", "hidden_size", json!(-1)),
        "from_pretrained: FOLDER/config.json: `hidden_size`: invalid value",
    );
    begins(
        message("llama", "hidden_size", Value::Null),
        "from_pretrained: FOLDER/config.json: does not say `hidden_size`",
    );
    begins(
        message(
            "phi3_short",
            "rope_parameters",
            json!({"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}),
        ),
        "from_pretrained: FOLDER/model.safetensors: Llama::new: short_factor has 1 numbers for 2 pairs",
    );
    begins(
        message("phi3", "intermediate_size", json!(21)),
        "from_pretrained: FOLDER/model.safetensors: `model.layers.0.mlp.gate_up_proj.weight` is [40, 16], where the configuration \
         has 42 rows",
    );
    begins(
        message("llama", "num_hidden_layers", json!(3)),
        "from_pretrained: FOLDER/model.safetensors: the configuration is that of ",
    );
    begins(
        message("llama", "vocab_size", json!(usize::MAX)),
        "from_pretrained: FOLDER/model.safetensors: the configuration is that of ",
    );
    for option in ["num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size", "num_hidden_layers"] {
        for value in [0, 1 << 40, u64::MAX] {
            assert_ne!(message("qwen2", option, json!(value)), "", "{option} {value}");
            assert_ne!(message("phi3", option, json!(value)), "", "{option} {value}");
        }
    }
    for value in [json!(0.0), json!(-2.0), json!("NaN"), json!([1])] {
        assert_ne!(message("llama", "rope_parameters", json!({"rope_theta": value})), "", "{value}");
        assert_ne!(message("llama", "rms_norm_eps", value), "");
    }
    // What says nothing of what is computed.
    for (option, value) in
        [("temperature", json!(0.5)), ("_name_or_path", json!("x")), ("torch_dtype", json!("bfloat16"))]
    {
        assert_eq!(message("llama", option, value), "");
    }
}

#[test]
fn another_kind_of_folder_says_which_it_is() {
    let made = tempfile::tempdir().unwrap();
    let config = |json: &str| std::fs::write(made.path().join("config.json"), json).unwrap();
    let weights = |from: &Path| {
        std::fs::copy(from.join("model.safetensors"), made.path().join("model.safetensors")).unwrap();
    };
    let error = || {
        let e = Llama::from_pretrained(made.path()).unwrap_err();
        let help = e.help().map_or(String::new(), |help| format!(" | {help}"));
        e.message().replace(made.path().to_str().unwrap(), "FOLDER") + &help
    };
    config("{}");
    assert_eq!(
        error(),
        "from_pretrained: FOLDER/config.json: does not say its model_type | demotic::pretrained lists the types there are"
    );
    config(r#"{"model_type": "gpt2"}"#);
    assert_eq!(
        error(),
        "from_pretrained: FOLDER/config.json: the folder holds a model of type `gpt2`, not of the family of Llama | \
         models::Gpt reads it, or demotic::pretrained::load"
    );
    config(r#"{"model_type": "mamba"}"#);
    assert!(error().contains("of type `mamba`"), "{}", error());
    let e = pretrained::load(made.path()).unwrap_err();
    assert!(e.message().ends_with("holds a model of type `mamba`, not one that is known here"), "{e}");
    assert!(LanguageModel::from_pretrained(made.path()).is_err());

    config(&Value::Object(config_of("mistral")).to_string());
    weights(&folder().join("../gpt2"));
    assert_eq!(
        error(),
        "from_pretrained: FOLDER/model.safetensors: the tensors seem to be those of `gpt2`, not of `llama` | config.json is \
         that of another model"
    );
    weights(&folder().join("llama"));
    let message = error();
    assert!(
        message.contains("does not fit the model: ") && message.contains(" unexpected (model.layers.0."),
        "{message}"
    );
}

#[test]
fn what_a_family_has_no_word_for_is_not_written() {
    let place = tempfile::tempdir().unwrap();
    let error = |config: LlamaConfig| {
        let model = Llama::new(config, &mut Rng::seed(0)).unwrap();
        model.save_pretrained(place.path()).unwrap_err().message()
    };
    let small = || LlamaConfig::new(7, 8).layers(1).heads(2).hidden_size(8);
    assert_eq!(error(small().sliding_window(4)), "save_pretrained: a `llama` has no sliding_window");
    assert_eq!(error(small().dropout(0.5)), "save_pretrained: a `llama` has no dropout");
    let mut config = small();
    config.family = LlamaFamily::Qwen2;
    assert_eq!(error(config.clone()), "save_pretrained: a `qwen2` always has qkv_bias");
    config.family = LlamaFamily::Gemma;
    config.unit_offset = true;
    assert_eq!(error(config), "save_pretrained: a `gemma` always has embedding_scale of √hidden_size");
    let mut config = small();
    config.output_bias = true;
    assert_eq!(error(config), "save_pretrained: a `llama` has all biases of attention, or none");
}

/// Adapters by pattern learn, and merged they are what they were.
#[test]
fn adapters_of_some_projections() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = Llama::from_pretrained(folder().join("gemma3"))?;
    let ids = Tensor::from_nested([[3i64, 1, 4, 1, 5, 9, 2, 6]])?;
    let before = model.predict(&ids)?;
    model.add_lora("*.q_proj.*", 2, 4.0, &mut rng)?;
    model.add_lora("*.down_proj.*", 2, 4.0, &mut rng)?;
    near(&model.predict(&ids)?.to_f64_vec(), &before.to_f64_vec(), 1e-6, "adapters that have learnt nothing");
    let mut opt = Adam::new(0.02);
    let loss = |model: &Llama, rng: &mut Rng| -> Result<Tensor> {
        let logits = model.forward(&ids.narrow(1, 0, 7)?, &mut Mode::train(rng))?;
        losses::token_cross_entropy(&logits, &ids.narrow(1, 1, 7)?.contiguous())
    };
    let first = loss(&model, &mut rng)?.item()?;
    for _step in 0..30 {
        let loss = loss(&model, &mut rng)?;
        opt.step(&mut model, &loss.backward()?)?;
    }
    let last = loss(&model, &mut rng)?.item()?;
    assert!(last < 0.7 * first, "{last} after {first}");
    let e = model.save_pretrained(tempfile::tempdir().unwrap().path()).unwrap_err().message();
    assert!(e.starts_with("save_pretrained: `model.layers.0.self_attn.q_proj.weight` has an adapter"), "{e}");
    let adapted = model.predict(&ids)?;
    model.merge_lora("*")?;
    near(&model.predict(&ids)?.to_f64_vec(), &adapted.to_f64_vec(), 1e-5, "merged");
    Ok(())
}

#[test]
fn states_and_shapes_that_do_not_fit() -> Result<()> {
    let llama = |layers| Llama::new(LlamaConfig::new(7, 8).layers(layers).heads(2).hidden_size(8), &mut Rng::seed(0));
    let (one, two) = (llama(1)?, llama(2)?);
    let ids = Tensor::from_nested([[1i64, 2]])?;
    let mut state = one.start(&[0])?;
    let e = two.extend(&ids, &mut state).unwrap_err();
    assert_eq!(e.message(), "llama: a state of 1 blocks for a model of 2");
    assert_eq!(e.help(), Some("start(&padding) makes a state for the model it is called on"));
    let e = one.predict(&Tensor::zeros([1, 9])?.to_dtype(DType::I64)).unwrap_err();
    assert_eq!(e.message(), "llama: 9 tokens, but the model looks at 8 at the most");
    assert_eq!(one.with_context_length(9).predict(&Tensor::zeros([1, 9])?.to_dtype(DType::I64))?.shape(), [1, 9, 7]);

    let error = |config: LlamaConfig| Llama::new(config, &mut Rng::seed(0)).unwrap_err().message();
    let small = || LlamaConfig::new(7, 8).layers(2).heads(4).hidden_size(8);
    assert_eq!(error(small().heads(3)), "Llama::new: hidden_size 8 is not a multiple of num_heads 3");
    assert_eq!(error(small().kv_heads(3)), "Llama::new: num_heads 4 is not a multiple of num_kv_heads 3");
    assert_eq!(error(small().head_dim(3)), "Llama::new: 3 of 3 features turn, expected an even number of them");
    assert_eq!(error(small().sliding_window(0)), "Llama::new: sliding_window is 0, expected at least 1");
    assert_eq!(error(small().attention_dropout(2.0)), "AttentionHeads: p is 2, expected a probability from 0 to 1");
    let linear = demotic::models::RopeConfig::new(10.0).scaling(RopeScaling::Linear { factor: 0.0 });
    assert_eq!(error(small().rope(linear)), "Llama::new: factor is 0, expected a positive number");
    let mut config = small();
    config.full_layers = vec![2];
    assert_eq!(error(config), "Llama::new: full_layers has layer 2 of 2, counted from 0");
    let q = Tensor::ones([1, 2, 4])?;
    let e = q.attention(&q, &q, &AttentionOptions::new().softcap(0.0)).unwrap_err().message();
    assert_eq!(e, "attention: the scores are to stay below 0, expected a positive number");
    Ok(())
}

/// A folder of the golden ones with other options.
fn with_options(name: &str, options: &[(&str, Value)]) -> Result<Llama> {
    let place = tempfile::tempdir().unwrap();
    let json = std::fs::read_to_string(folder().join(name).join("config.json")).unwrap();
    let mut config: Map<String, Value> = serde_json::from_str(&json).unwrap();
    for (option, value) in options {
        config.insert((*option).into(), value.clone());
    }
    std::fs::write(place.path().join("config.json"), Value::Object(config).to_string()).unwrap();
    std::fs::copy(folder().join(name).join("model.safetensors"), place.path().join("model.safetensors")).unwrap();
    Llama::from_pretrained(place.path())
}

/// Options that `transformers` reads otherwise than their names say: Gemma 3 never squeezes its scores; of SmolLM3 the layers that are not
/// turned look at a window, if one is used, and types of layers decide whether or not it is.
#[test]
fn options_count_where_the_reference_counts_them() -> Result<()> {
    let ids = Tensor::from_nested([[3i64, 14, 15, 9, 2, 6]])?;
    let plain = with_options("gemma3", &[])?.predict(&ids)?;
    let squeezed = with_options("gemma3", &[("attn_logit_softcapping", json!(0.5))])?.predict(&ids)?;
    assert_eq!(plain.to_f64_vec(), squeezed.to_f64_vec());

    let sliding = |options: &[(&str, Value)]| -> Result<Vec<bool>> {
        let model = with_options("smollm3", &[&[("sliding_window", json!(3))], options].concat())?;
        Ok((0..2).map(|layer| model.config().is_sliding(layer)).collect())
    };
    // The second layer is not turned.
    let used = ("use_sliding_window", json!(true));
    assert_eq!(sliding(&[used, ("layer_types", Value::Null)])?, [false, true]);
    assert_eq!(sliding(&[("layer_types", Value::Null)])?, [false, false]);
    let types = ("layer_types", json!(["sliding_attention", "full_attention"]));
    assert_eq!(sliding(&[("use_sliding_window", json!(false)), types])?, [true, false]);
    Ok(())
}
