//! Writes small valid files of each kind to `corpus`, for the fuzzer to begin with. Run it in the folder `fuzz`.

use std::error::Error;
use std::fs;
use std::path::Path;

use demotic::data::{self, Column, Scaling};
use demotic::io::safetensors::save_tensors;
use demotic::io::{Checkpoint, Metadata};
use demotic::prelude::*;
use demotic::tensor;
use demotic::text::{self, BpeOptions, BpeTokenizer, CharTokenizer, WordTokenizer};
use demotic::train::Histogram;
use demotic::train::tensorboard::EventWriter;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Path::new("corpus");
    for kind in [
        "safetensors",
        "pickle",
        "gguf",
        "checkpoint",
        "csv",
        "tokenizer",
        "templates",
        "tensor_serde",
        "arrays",
        "idx",
        "columnar",
        "events",
        "json_lines",
        "preprocessor",
    ] {
        fs::create_dir_all(corpus.join(kind))?;
    }

    let mut rng = Rng::seed(0);
    let model = Linear::new(2, 1, &mut rng)?;
    model.save(corpus.join("safetensors/model"))?;
    let tensors = [
        Tensor::from_nested([1_i64, 2])?,
        Tensor::from_vec(vec![true, false], [2])?,
        tensor![0.5].to_dtype(DType::BF16),
        Tensor::zeros([2, 0, 3])?,
    ];
    let named = tensors.iter().enumerate().map(|(i, tensor)| (i.to_string(), tensor));
    save_tensors(named, &Metadata::new(), corpus.join("safetensors/types"))?;

    let mut optimizer = Adam::new(0.1);
    let mut trained = model.clone();
    let loss = trained.forward(&Tensor::ones([3, 2])?, &mut Mode::eval())?.sum();
    optimizer.step(&mut trained, &loss.backward()?)?;
    let checkpoint =
        Checkpoint::new().model(&trained).optimizer(&optimizer).rng(&rng).counter("step", 1).numbers("x", [0.5]);
    checkpoint.save(corpus.join("checkpoint/one"))?;
    Checkpoint::new().save(corpus.join("checkpoint/empty"))?;

    for (name, table) in [
        ("plain", "\0a,b\n1,2\n3,4.5\n"),
        ("quoted", "\0name,size\n\"a, \"\"b\"\"\",1\r\nc,\n"),
        ("semicolons", "\u{1}a;b\nx;1,5\ny;2,5\n"),
        ("no_header", "\u{4}1,2,yes\n3,,no\n"),
        ("ragged", "\u{10}a,b\n1\n2,3,4\n"),
        ("detected", "\u{40}a;b\n\"1\";2\n"),
    ] {
        fs::write(corpus.join("csv").join(name), table)?;
    }

    for entry in fs::read_dir("../tests/golden/files")? {
        let path = entry?.path();
        let kind = match path.extension().and_then(|name| name.to_str()) {
            Some("npy" | "npz") => "arrays",
            Some("jsonl") => "json_lines",
            Some("parquet" | "feather") => "columnar",
            _ => continue,
        };
        fs::copy(&path, corpus.join(kind).join(path.file_name().unwrap_or_default()))?;
    }
    for (kind, ending) in [("pytorch", "pth"), ("gguf", "gguf")] {
        for entry in fs::read_dir(Path::new("../tests/golden").join(kind))? {
            let path = entry?.path();
            if path.extension().is_some_and(|found| found == ending) {
                let to = if kind == "gguf" { kind } else { "pickle" };
                fs::copy(&path, corpus.join(to).join(path.file_name().unwrap_or_default()))?;
            }
        }
    }
    for (i, tensor) in tensors.iter().enumerate().filter(|(_, tensor)| tensor.dtype() == DType::I64) {
        data::write_idx(corpus.join(format!("idx/{i}")), tensor)?;
    }
    data::write_idx(corpus.join("idx/halves"), &tensor![[0.5, 1.5], [2.5, 3.5]])?;
    fs::write(
        corpus.join("json_lines/mixed"),
        "{\"a\":1,\"b\":\"x\"}\n\n{\"b\":2.5,\"c\":null,\"a\":18446744073709551615}\n",
    )?;

    let log = EventWriter::create(corpus.join("events"))?;
    log.scalars(1, &[("loss", 0.5), ("accuracy", 0.75)])?;
    log.histogram("weights", 1, &Histogram::of(&tensor![0.0, 1.0, 1.0]))?;
    log.text("note", 2, "a text")?;
    log.image("digit", 2, &Tensor::zeros([1, 2, 2])?)?;
    log.resumed(2)?;

    let homes = Table::from_columns([
        ("area", Column::from([100.0, 120.0, f64::NAN, 80.0])),
        ("kind", Column::from(["flat", "house", "flat", "flat"])),
        ("price", Column::from([200.0, 250.0, 350.0, 160.0])),
    ])?;
    let fitted = [
        ("regression", Preprocessor::fit(&homes, "price")?),
        ("classes", Preprocessor::classification("kind").fit(&homes)?),
        ("unsupervised", Preprocessor::unsupervised().scaling(Scaling::MinMax).fit(&homes)?),
    ];
    for (name, prep) in fitted {
        fs::write(corpus.join("preprocessor").join(name), prep.to_json()?)?;
    }

    let texts = ["the cat sat on the mat", "the dog saw the cat 猫"];
    let mut words = WordTokenizer::new();
    words.fit_on_texts(texts)?;
    text::save(&words, corpus.join("tokenizer/word"))?;
    text::save(&CharTokenizer::fit(texts)?, corpus.join("tokenizer/char"))?;
    text::save(&BpeTokenizer::train(texts, &BpeOptions::new().vocab_size(270))?, corpus.join("tokenizer/bpe"))?;
    fs::write(corpus.join("tokenizer/vocab"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\n##s\n")?;
    let golden = Path::new("../tests/golden/tokenizers");
    for entry in fs::read_dir(golden)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.metadata()?.len() < 64 << 10 {
            fs::copy(&path, corpus.join("tokenizer").join(name))?;
        }
    }

    let chats: serde_json::Value = serde_json::from_slice(&fs::read(golden.join("chat.json"))?)?;
    let sources = chats["cases"].as_array().into_iter().flatten().filter_map(|case| case["source"].as_str());
    let schema = r##"{"type":"object","properties":{"a":{"type":["integer","null"]},"b":{"type":"array","items":{"$ref":"#/$defs/c"},
        "minItems":1}},"required":["a"],"$defs":{"c":{"anyOf":[{"enum":["x",1.5]},{"type":"string","maxLength":3}]}}}"##;
    for (i, text) in sources.chain(["[0-9]{4}-(?:a|é+)?", schema]).enumerate() {
        fs::write(corpus.join(format!("templates/{i}")), text)?;
    }

    for (i, tensor) in tensors.iter().enumerate() {
        fs::write(corpus.join(format!("tensor_serde/{i}.json")), serde_json::to_vec(tensor)?)?;
        let bytes = bincode::serde::encode_to_vec(tensor, bincode::config::standard())?;
        fs::write(corpus.join(format!("tensor_serde/{i}.bin")), bytes)?;
    }
    Ok(())
}
