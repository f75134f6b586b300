//! Errors point to the line of the caller's program. A closure does not hand on where it was called from, so what it
//! makes is pointed there by `.at(line)` in it, or by `.here()` behind the call that runs it.

use std::fs;
use std::path::Path;

use demotic::compress::{OneShotPruning, Pruning};
use demotic::data::{Channels, ImageDataset, Table, Transforms, read_idx, read_image};
use demotic::explain::{Explained, Heads, Target, attention_rollout, saliency};
use demotic::io::Metadata;
use demotic::models::{
    Bert, BertConfig, CoderConfig, DiffusionUnet, DiffusionUnetConfig, Llama, LlamaConfig, T5Config, T5Encoder, Vae,
    VaeConfig,
};
use demotic::optimizers::{ClosureOptimizer, Lbfgs};
use demotic::pipeline::ImagePipeline;
use demotic::prelude::*;
use demotic::tensor::SparseTensor;
use demotic::text::{BpeTokenizer, CharTokenizer, Tokenizer};
use demotic::train::plot::roc;
use demotic::train::tensorboard::read_events;

use super::catalogue::sources;

/// What points an error to a line, in a closure or behind it.
const POINTS: [&str; 4] = [".at(", ".here()", ".within(", ".in_layer("];
/// Errors of others, and closures that the registry of layers calls and points itself.
const ELSEWHERE: [&str; 3] = ["data/arrays/npy.rs", "layers/conv_lstm.rs", "layers/upsample.rs"];

/// The text with blanks in place of comments, and of what is inside of quotes.
fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map_or(0, |r| r.len() - r.trim_start_matches('#').len());
        let is_raw = rest.starts_with('r')
            && rest[1 + raw..].starts_with('"')
            && !out.ends_with(|c: char| c.is_alphanumeric() && c != 'b' || c == '_');
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if is_raw {
            let close = format!("\"{}", "#".repeat(raw));
            rest[raw + 2..].find(&close).map_or(rest.len(), |i| raw + 2 + i + close.len())
        } else if c == '"' {
            let mut escaped = false;
            let inside = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            inside.map_or(rest.len(), |i| i + 2)
        } else if let Some(escape) = rest.strip_prefix("'\\") {
            let first = escape.chars().next().map_or(0, char::len_utf8);
            escape[first..].find('\'').map_or(rest.len(), |i| i + first + 3)
        } else if c == '\'' && rest.chars().nth(2) == Some('\'') {
            rest.char_indices().nth(3).map_or(rest.len(), |(i, _)| i)
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        // A quote at each side stays: it is a value, behind which `||` is an operator.
        let quoted = !rest.starts_with("//");
        let blank = rest[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' });
        match quoted {
            true => out.extend(['"'].into_iter().chain(blank.skip(2)).chain(['"'])),
            false => out.extend(blank),
        }
        rest = &rest[end..];
    }
    out
}

/// Where the brackets that are open at the beginning close, or one of `stops` stands between none of them.
fn ending(code: &str, stops: &[char]) -> usize {
    let mut depth = 0;
    code.find(|c| match c {
        '(' | '[' | '{' => {
            depth += 1;
            false
        }
        ')' | ']' | '}' => {
            depth -= 1;
            depth < 0
        }
        c => depth == 0 && stops.contains(&c),
    })
    .unwrap_or(code.len())
}

/// The closures of bare code: where each begins, its body, and the rest of the statement behind it.
fn closures(code: &str) -> Vec<(usize, &str, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find('|').map(|i| from + i) {
        let before = code[..at].trim_end();
        let word = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let begins = before.ends_with(['(', ',', '=', '{', ';', '[', ':', '>', '&']) && !before.ends_with("->")
            || ["move", "return", "else"].contains(&word);
        if !begins {
            from = at + if code[at..].starts_with("||") { 2 } else { 1 };
            continue;
        }
        let Some(parameters) = code[at + 1..].find('|') else { break };
        from = at + parameters + 2;
        let rest = &code[from..];
        let block = rest.trim_start().starts_with("->").then(|| rest.find('{')).flatten();
        let start = block.unwrap_or(rest.len() - rest.trim_start().len());
        let end = match rest[start..].starts_with('{') {
            true => start + 1 + ending(&rest[start + 1..], &[]) + 1,
            false => start + ending(&rest[start..], &[',', ';']),
        };
        let end = end.min(rest.len());
        // Behind the call whose argument the closure is.
        let mut behind = end;
        loop {
            behind += ending(&rest[behind..], &[';']);
            match rest[behind..].chars().next() {
                Some(')' | ']') => behind += 1,
                _ => break,
            }
        }
        found.push((at, &rest[start..end], &rest[end..behind]));
    }
    found
}

/// Whether an error is made here, other than one of the crate itself.
fn makes_error(body: &str) -> bool {
    body.match_indices("Error::").any(|(at, path)| {
        let own = !body[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            || body[..at].ends_with("error::");
        let rest = &body[at + path.len()..];
        let name = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
        own && name != "internal" && name.starts_with(|c: char| c.is_lowercase()) && rest[name.len()..].starts_with('(')
    })
}

/// The lines of closures whose errors point into the library.
fn unpointed(text: &str) -> Vec<usize> {
    let code = bare(text);
    let points = |text: &str| POINTS.iter().any(|name| text.contains(name));
    let found =
        closures(&code).into_iter().filter(|(_, body, rest)| makes_error(body) && !points(body) && !points(rest));
    found.map(|(at, ..)| code[..at].matches('\n').count() + 1).collect()
}

#[test]
fn closures_are_told_from_operators_and_comments() {
    for right in [
        "// wrong = |m| Error::format(op, m)\n",
        "if a.len() < 2 || Error::format(op, m).is() { return Err(Error::shape(op, x)); }",
        "if 'a' == c || d == '\\'' || s == \"|x\" { return Err(Error::shape(op, x)); }",
        "let e = r#\"x.map_err(|e| Error::io(op, p, e))\"#;",
        "let wrong = |m: String| Error::format(op, m).at(line);",
        "x.ok_or_else(|| Error::state(op, \"|\")).here()?;",
        "x.map_err(|e| {\n    let m = f(e);\n    Error::format(op, m)\n})\n.here()",
        "x.map_err(|e| D::Error::custom(e))?; x.ok_or_else(|| Error::internal(op))?; io::Error::other(x)",
        "match x { Some(1) | None => Err(Error::shape(op, x)), _ => 1 | 2 }",
    ] {
        assert_eq!(unpointed(right), [0; 0], "{right}");
    }
    for wrong in [
        "\nlet wrong = |m: String| Error::format(op, m);",
        "\nlet wrong = |m: &str, i: usize| -> Result<()> { Err(Error::format(op, m)) };\nx.at(line);",
        "\nx.ok_or_else(|| crate::error::Error::state(op, \"none\"))?;",
        "\nlet found = x.map_err(move |e| Error::io(op, path, e))?;\nfound.here()",
        "\nf(a || b, |e| match e {\n    1 => Error::new(kind, op, e),\n    _ => e,\n})",
    ] {
        assert_eq!(unpointed(wrong), [2], "{wrong}");
    }
}

#[test]
fn errors_of_closures_point_to_the_program() {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src");
    let files = sources("src");
    assert!(files.len() > 50, "only {} source files found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.strip_prefix(&src).unwrap();
        if ELSEWHERE.iter().any(|other| name == Path::new(other)) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let found = unpointed(text.split("\n#[cfg(test)]\n").next().unwrap());
        wrong.extend(found.iter().map(|line| format!("src/{}:{line}", name.display())));
    }
    assert!(wrong.is_empty(), "errors made in closures without `.at(line)` or `.here()`:\n{}", wrong.join("\n"));
}

#[test]
fn errors_name_the_line_that_called() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let written = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes).unwrap();
        path(name)
    };
    let csv = written("a.csv", b"a,b\n1,2\n3,4\n");
    let damaged = written("damaged.png", b"\x89PNG\r\n\x1a\n and no more");
    let idx = written("idx", &[0, 0, 0x7f, 1, 0, 0, 0, 1]);
    let vocab = written("vocab.json", b"{\"a\": 0, \"b\": 1}");
    let merges = written("merges.txt", b"#version: 0.2\na b c\n");
    let model = path("model.safetensors");
    Linear::new(2, 3, &mut Rng::seed(0))?.save(&model)?;
    let bytes = fs::read(&model).unwrap();
    let cut = written("cut.safetensors", &bytes[..bytes.len() - 5]);
    fs::create_dir(path("empty")).unwrap();
    let malformed = [("demotic.preprocessor", "{"), ("demotic.images", "{")];
    let pipeline = path("pipeline.safetensors");
    Linear::new(2, 3, &mut Rng::seed(0))?.save_with(&Metadata::from_iter(malformed), &pipeline)?;
    let letters = CharTokenizer::fit(["ab"])?;

    let mut rng = Rng::seed(0);
    let mut llama = LlamaConfig::new(10, 8);
    llama.num_layers = 0;
    let mut bert = BertConfig::new(10, 8);
    bert.vocab_size = 0;
    let mut t5 = T5Config::new(10);
    t5.num_heads = 0;
    let mut unet = DiffusionUnetConfig::new(1);
    unet.layers = 0;
    let mut linear = Linear::new(2, 3, &mut rng)?;
    let (x, none) = (Tensor::zeros([2, 2])?, Tensor::zeros([0])?);

    let groups = OneShotPruning::wanda(0.5).n_of_m(1, 5);
    let example = |model: &Linear| model.predict(&Tensor::ones([4, 2])?).map(drop);
    let turned = Transforms::new().random_horizontal_flip(1.5);
    let picture = Tensor::zeros([1, 4, 4])?;
    let other = linear.clone();
    let seventh = Explained::layer(&other).target(Target::Class(7));
    let (scores, classes) = (Tensor::ones([2, 3])?, Tensor::from_nested([0i64, 1])?);
    let nan = |model: &Linear| {
        let y = model.forward(&Tensor::ones([1, 2])?, &mut Mode::train(&mut Rng::seed(0)))?;
        Ok(y.sum() * f64::NAN)
    };

    // The lines on which a call begins and ends.
    let rows: Vec<(u32, &str, Option<Error>, u32)> = vec![
        (line!(), "read_json_lines", Table::read_json_lines(&csv).err(), line!()),
        (line!(), "from_json_lines", Table::from_json_lines("[1]".as_bytes()).err(), line!()),
        (line!(), "parse_dates", Table::read_csv(&csv)?.parse_dates("a", "dd.mm.yyyy").err(), line!()),
        (line!(), "read_image", read_image(&damaged, Channels::Rgb).err(), line!()),
        (line!(), "read_idx", read_idx(&idx).err(), line!()),
        (line!(), "from_files", BpeTokenizer::from_files(&vocab, &merges, &[""; 0]).err(), line!()),
        (line!(), "open of a file without a model", Sequential::open(&model).err(), line!()),
        (line!(), "open of a pipeline's model", Linear::open(&pipeline).err(), line!()),
        (line!(), "open of a pipeline", Pipeline::open(&pipeline).err(), line!()),
        (line!(), "open of a pipeline of pictures", ImagePipeline::open(&pipeline).err(), line!()),
        (line!(), "decode", letters.decode(&[0, 99]).err(), line!()),
        (line!(), "load of a file that was cut", linear.load(&cut).err(), line!()),
        (line!(), "open_folder", ImageDataset::open_folder(path("empty"), Channels::Rgb).err(), line!()),
        (line!(), "read_events", read_events(&csv).err(), line!()),
        (line!(), "Llama", Llama::new(llama, &mut rng).err(), line!()),
        (line!(), "Bert", Bert::new(bert, &mut rng).err(), line!()),
        (line!(), "T5Encoder", T5Encoder::new(t5, &mut rng).err(), line!()),
        (line!(), "DiffusionUnet", DiffusionUnet::new(unet, &mut rng).err(), line!()),
        (line!(), "Vae", Vae::new(VaeConfig::bernoulli(CoderConfig::new([4], 0)), &mut rng).err(), line!()),
        (line!(), "OneShotPruning", OneShotPruning::wanda(1.5).apply(&mut linear, |_| Ok(())).err(), line!()),
        (line!(), "OneShotPruning in groups", groups.apply(&mut linear, example).err(), line!()),
        (line!(), "Pruning in groups", Pruning::magnitude(0.5).n_of_m(1, 5).apply(&mut linear).err(), line!()),
        (line!(), "saliency", saliency(&seventh, &x).err(), line!()),
        (line!(), "roc", roc(&scores, &classes, &[""; 0]).err(), line!()),
        (line!(), "Transform", turned.apply(&picture, &mut rng).err(), line!()),
        (line!(), "Lbfgs", Lbfgs::new(1.0).step_with(&mut linear, nan).err(), line!()),
        (line!(), "from_parts", SparseTensor::from_parts([2, 4], &none, &none, &none).err(), line!()),
        (line!(), "tensordot_dims", x.tensordot_dims(&x, &[0, 0], &[0, 1]).err(), line!()),
        (line!(), "attention_rollout", attention_rollout(&[], Heads::Mean).err(), line!()),
    ];
    for (first, call, e, last) in rows {
        let text = e.unwrap_or_else(|| panic!("{call} does not fail")).to_string();
        let place = text.split_once(&format!("at {}:", file!())).unwrap_or_else(|| panic!("{call}: {text}")).1;
        let line: u32 = place.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        assert!((first..=last).contains(&line), "{call}, on lines {first} to {last}: {text}");
    }
    Ok(())
}
