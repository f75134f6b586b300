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
const POINTS: [&str; 5] = [".at(", ".here()", ".outside(", ".within(", ".in_layer("];
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

/// The code of the crate's files: all but their tests.
fn code_of_crate() -> Vec<(String, String)> {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src");
    let files = sources("src");
    assert!(files.len() > 50, "only {} source files found", files.len());
    let read = |file: std::path::PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(&src).unwrap().display().to_string().replace('\\', "/");
        (name, text.split("\n#[cfg(test)]\n").next().unwrap().to_string())
    };
    files.into_iter().map(read).collect()
}

/// The lines of functions that can fail and do not hand on where they were called: those that stand by themselves or are a type's own. What
/// implements a trait has its attribute from there.
fn untracked(text: &str) -> Vec<usize> {
    let code = bare(text);
    let lines: Vec<&str> = code.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let (mut found, mut of_trait) = (Vec::new(), None);
    let mut start = 0;
    for (i, line) in lines.iter().enumerate() {
        let (at, word) = (start, line.trim_start());
        start += line.len() + 1;
        if of_trait.is_some_and(|depth| word.starts_with('}') && indent(line) == depth) {
            of_trait = None;
        }
        let visibility = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async "];
        let mut rest = word.strip_prefix("pub(in ").and_then(|rest| Some(rest.split_once(") ")?.1)).unwrap_or(word);
        while let Some(more) = visibility.iter().find_map(|word| rest.strip_prefix(word)) {
            rest = more;
        }
        let header = code[at..].split('{').next().unwrap_or_default();
        if of_trait.is_none() && (rest.starts_with("trait ") || rest.starts_with("impl") && header.contains(" for ")) {
            of_trait = Some(indent(line));
        }
        let Some(rest) = rest.strip_prefix("fn ").filter(|_| of_trait.is_none()) else { continue };
        // What a function of these generics takes.
        let function = &code[at + line.len() - rest.len()..];
        let Some(open) = parameters(function) else { continue };
        let behind = &function[open + 1 + ending(&function[open + 1..], &[])..];
        let Some(returned) = behind[1..].trim_start().strip_prefix("->") else { continue };
        let marked = lines[..i].iter().rev().take_while(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with("#[")
        });
        if fails(returned.trim_start()) && !marked.into_iter().any(|line| line.contains("track_caller")) {
            found.push(i + 1);
        }
    }
    found
}

/// Where the list of parameters begins, behind the generics.
fn parameters(function: &str) -> Option<usize> {
    let mut depth = 0;
    let mut before = ' ';
    for (at, c) in function.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            '(' if depth == 0 => return Some(at),
            _ => {}
        }
        before = c;
    }
    None
}

/// Whether a type is a result with an error of this crate.
fn fails(returned: &str) -> bool {
    let Some(of) = ["Result<", "crate::Result<", "crate::error::Result<"].iter().find_map(|r| returned.strip_prefix(r))
    else {
        return false;
    };
    let mut depth = 1;
    for c in of.chars() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            // An error of another kind.
            ',' if depth == 1 => return false,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    true
}

#[test]
fn functions_that_can_fail_are_found() {
    for right in [
        "fn a(f: impl Fn() -> Result<()>) -> usize {}",
        "fn a<F: Fn(u8) -> Result<u8>>(f: F) {}",
        "#[track_caller]\n#[must_use]\npub fn a() -> Result<()> {}",
        "fn a() -> Result<(u8, u8), String> {}",
        "impl A for B {\n    fn a() -> Result<()> {\n    }\n}",
        "pub trait A {\n    fn a() -> Result<()>;\n}",
        "// fn a() -> Result<()> {}",
    ] {
        assert_eq!(untracked(right), [0; 0], "{right}");
    }
    for wrong in [
        "\nfn a() -> Result<()> {}",
        "\npub(in crate::b) const fn a<F: Fn(u8) -> u8>(f: F) -> Result<(u8, Vec<u8>)> where F: Copy {}",
        "fn b() {}\npub fn a(\n    x: u8,\n) -> Result<Option<u8>> {",
        "impl B {\n    fn a() -> Result<()> {\n    }\n}",
    ] {
        assert_eq!(untracked(wrong), [2], "{wrong}");
    }
}

/// Where functions are called by closures: what they return is pointed to the program where these are called, by `backward` and its like, by
/// operations, by what reads configurations and conversations.
const INSIDE: [&str; 4] = ["autograd/", "tensor/exec/", "config.rs", "text/chat/functions.rs"];

#[test]
fn functions_that_can_fail_hand_on_who_called() {
    let mut wrong = Vec::new();
    for (name, text) in code_of_crate() {
        if !INSIDE.iter().any(|inside| name.starts_with(inside)) {
            wrong.extend(untracked(&text).iter().map(|line| format!("src/{name}:{line}")));
        }
    }
    assert!(wrong.is_empty(), "functions that can fail, without #[track_caller]:\n{}", wrong.join("\n"));
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
    let mut wrong = Vec::new();
    for (name, text) in code_of_crate() {
        if !ELSEWHERE.contains(&name.as_str()) {
            wrong.extend(unpointed(&text).iter().map(|line| format!("src/{name}:{line}")));
        }
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
    let rows: Vec<Call> = vec![
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
    each_names_its_line(rows);
    Ok(())
}

/// The line on which a call begins, what it is, its error, and the last line on which it can end.
pub(super) type Call = (u32, &'static str, Option<Error>, u32);

/// Each call has failed, with an error that points to its own lines in the file of the caller.
#[track_caller]
pub(super) fn each_names_its_line(calls: Vec<Call>) {
    let file = std::panic::Location::caller().file();
    let mut wrong = Vec::new();
    for (first, call, e, last) in calls {
        let Some(e) = e else {
            wrong.push(format!("{call} does not fail"));
            continue;
        };
        let (place, text) = (e.location(), e.to_string());
        if place.file() != file || !(first..=last).contains(&place.line()) {
            wrong.push(format!("{call}, on lines {first} to {last}: {text}"));
        }
        if !text.contains(&format!("at {file}:{}", place.line())) {
            wrong.push(format!("{call}: the message does not show its line: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{} calls:\n{}", wrong.len(), wrong.join("\n"));
}
