//! What is public says what it does: a formula or where it comes from, shapes, and an example that runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::catalogue::{is_in_names, root, sections, sources};

/// The documentation of one item.
#[derive(Debug, Default, Clone)]
struct Docs {
    own: String,
    /// That of the block of methods which it stands in.
    block: String,
    /// Whether it is a function that cannot fail.
    infallible: bool,
}

fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_in_names(c)).unwrap_or(text.len())]
}

/// What a line of documentation says.
fn said(line: &str) -> Option<&str> {
    line.strip_prefix("///").or_else(|| line.strip_prefix("#[doc = ")).map(str::trim)
}

/// The functions and types of a file, and the rows of its macros. Those begin with a name, or with the names of the methods that
/// the macro makes, and have what the macro says of all.
fn items(path: &Path, found: &mut BTreeMap<String, Vec<Docs>>) {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.split("#[cfg(test)]").next().unwrap_or_default().lines().collect();
    let mut of_macros: BTreeMap<&str, Docs> = BTreeMap::new();
    // The macro that is defined here, and the one that is called.
    let (mut defined, mut called) = ("", "");
    let (mut docs, mut block) = (String::new(), String::new());
    for (i, line) in lines.iter().enumerate() {
        let code = line.trim();
        if let Some(text) = said(code) {
            docs += text;
            docs.push('\n');
            continue;
        }
        if code.starts_with("#[") || code.starts_with("$(#[") || code == ")]" || code.starts_with("reason") {
            continue;
        }
        let own = std::mem::take(&mut docs);
        let top = !line.starts_with(' ');
        if top && code == "}" {
            (defined, called) = ("", "");
            block.clear();
        } else if let Some(name) = code.strip_prefix("macro_rules! ") {
            defined = word(name);
        } else if top && code.ends_with("! {") {
            called = word(code);
        } else if code.starts_with("impl ") {
            block = own;
        } else if let Some(item) =
            ["struct ", "enum ", "type ", "fn "].iter().find_map(|kind| code.strip_prefix("pub ")?.strip_prefix(kind))
        {
            if item.starts_with('$') {
                let all = of_macros.entry(defined).or_default();
                all.own += &own;
                all.block.clone_from(&block);
            } else {
                if code.starts_with("pub enum ") {
                    // Its variants are the methods of this block.
                    block.clone_from(&own);
                }
                let end = lines[i..].iter().position(|line| line.ends_with('{')).unwrap_or(0);
                let infallible = code.starts_with("pub fn") && !lines[i..=i + end].concat().contains("Result<");
                found.entry(word(item).into()).or_default().push(Docs { own, block: block.clone(), infallible });
            }
        } else if line.starts_with("    ") && !line.starts_with("     ") {
            let all = of_macros.get(called);
            if code.starts_with(char::is_uppercase) && (all.is_some() || !own.is_empty()) {
                let mut row = all.cloned().unwrap_or_else(|| Docs { block: block.clone(), ..Docs::default() });
                row.own.insert_str(0, &own);
                found.entry(word(code).into()).or_default().push(row);
            } else if let Some(all) = all {
                let names = code.split(' ').take_while(|name| name.starts_with(char::is_lowercase));
                names.for_each(|name| found.entry(name.into()).or_default().push(all.clone()));
            }
        }
    }
}

/// Methods of one, two and three dimensions share an example.
fn of_any_dimension(text: &str) -> String {
    ["1d", "2d", "3d"].iter().fold(text.to_string(), |text, dims| text.replace(dims, "Nd"))
}

/// The places of a section's sources.
fn files(section: &str) -> Vec<PathBuf> {
    match section {
        "layers" => sources("src/layers"),
        "losses" => sources("src/losses"),
        "optimizers" => sources("src/optimizers"),
        "schedules" => sources("src/optimizers/schedule"),
        "regularizers" => sources("src/regularizers"),
        "initialisers" => vec![root().join("src/layers/core/init.rs")],
        _ => {
            let made = ["create", "draw"].map(|file| root().join(format!("src/tensor/{file}.rs")));
            sources("src/autograd/ops").into_iter().chain(made).collect()
        }
    }
}

/// What is wrong with the documentation of an item. `linked` is that of the item which it names first: options of a function.
fn missing(section: &str, name: &str, docs: &Docs, linked: Option<&Docs>) -> Vec<&'static str> {
    let text = docs.own.clone() + linked.map_or("", |linked| &linked.own);
    let is_operation = section == "tensor operations";
    let mut missing = Vec::new();

    let calls = |example: &str| {
        let (example, name) = (of_any_dimension(example), of_any_dimension(name));
        [".", "::"].iter().any(|before| example.contains(&format!("{before}{name}(")))
            || example.contains(&format!("Init::{name}"))
    };
    let runs = |text: &str| text.contains("\nuse demotic");
    let has_example = runs(&text) || runs(&docs.block) && calls(&docs.block);
    if !has_example {
        missing.push("an example");
    }

    // What cannot fail has an output of the shape of its input, or a single number.
    let shapes: &[&str] = match section {
        "layers" | "losses" => &["`[", "shape"],
        "tensor operations" if !docs.infallible => &[
            "`[",
            "shape",
            "dimension",
            "element",
            "number",
            "vector",
            "matri",
            "places",
            "`x` ",
            "(x, ",
            "`|x|`",
            "As for [`",
        ],
        _ => &[],
    };
    if !shapes.is_empty() && !shapes.iter().any(|sign| text.contains(sign) || docs.block.contains(sign)) {
        missing.push("shapes");
    }

    let prose: String = text.split("```").filter(|part| !part.contains("use demotic")).collect();
    let has_year = prose
        .as_bytes()
        .windows(4)
        .any(|four| four.iter().all(u8::is_ascii_digit) && (four.starts_with(b"19") || four.starts_with(b"20")));
    let signs = ["·", "Σ", "√", "²", "½", "⌊", "‖", " − ", " + ", " = ", " / ", "∘"];
    let sources = ["PyTorch", "Keras", "torchvision", "Hugging Face", "[`Tensor::"];
    let says = |signs: &[&str]| signs.iter().any(|sign| prose.contains(sign));
    // Handles of an optimizer, which say which one it is.
    let is_handle = ["ByClosure", "Shared"].contains(&name);
    if !is_operation && !is_handle && !has_year && !says(&signs) && !says(&sources) {
        missing.push("a formula, or where it comes from");
    }
    missing
}

#[test]
fn everything_in_the_catalogue_says_what_it_does() {
    let mut lacking = Vec::new();
    let mut seen = 0;
    for section in sections() {
        let mut found = BTreeMap::new();
        files(section.title).iter().for_each(|path| items(path, &mut found));
        // Of things of one name, the method of a block with an example, or the one that says most.
        let rank = |docs: &Docs| (docs.block.contains("```"), docs.own.len());
        let found: BTreeMap<String, Docs> = found
            .into_iter()
            .filter_map(|(name, docs): (_, Vec<Docs>)| Some((name, docs.into_iter().max_by_key(rank)?)))
            .collect();
        for name in &section.names {
            seen += 1;
            let item = name.trim_start_matches("Curve::");
            let Some(docs) = found.get(item) else {
                lacking.push(format!("{} `{name}`: documentation", section.title));
                continue;
            };
            let first = docs.own.split("[`").nth(1).map(word).filter(|first| *first != item);
            let what = missing(section.title, item, docs, first.and_then(|first| found.get(first)));
            if !what.is_empty() {
                lacking.push(format!("{} `{name}`: {}", section.title, what.join(", ")));
            }
        }
    }
    assert!(seen > 500, "{seen} items");
    assert!(lacking.is_empty(), "{} of {seen} items lack\n{}", lacking.len(), lacking.join("\n"));
}
