//! Arrows point down: nothing in a layer of the crate uses anything above it.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module with what it may use besides itself and the ground (`error`, `order`, `rng`, `parallel`, `profile`).
const ALLOWED: &[(&str, &[&str])] = &[
    ("tensor", &["memory"]),
    ("memory", &["tensor"]),
    ("autograd", &["tensor"]),
    ("layers", &["autograd", "tensor", "memory"]),
    ("losses", &["layers", "autograd", "tensor"]),
    ("optimizers", &["losses", "layers", "autograd", "tensor"]),
    ("regularizers", &["optimizers", "losses", "layers", "autograd", "tensor"]),
    ("models", &["text", "regularizers", "optimizers", "losses", "layers", "autograd", "tensor"]),
    ("pipeline", &["models", "layers", "autograd", "tensor", "data", "text", "io"]),
    ("pretrained", &["pipeline", "models", "layers", "tensor", "text", "io", "files"]),
    ("data", &["text", "tensor", "files"]),
    ("text", &["tensor", "files"]),
    ("io", &["optimizers", "layers", "tensor", "data", "files"]),
    (
        "distributed",
        &["models", "io", "data", "optimizers", "losses", "layers", "autograd", "tensor", "memory", "files"],
    ),
    ("compress", &["train", "models", "regularizers", "losses", "layers", "autograd", "tensor", "data", "io"]),
    ("tune", &["train", "data", "tensor", "files"]),
    (
        "train",
        &[
            "distributed",
            "explain",
            "models",
            "regularizers",
            "optimizers",
            "losses",
            "layers",
            "autograd",
            "tensor",
            "memory",
            "data",
            "io",
        ],
    ),
    ("card", &["fairness", "train", "data", "io"]),
    ("fairness", &["train", "regularizers", "optimizers", "losses", "layers", "autograd", "tensor", "data"]),
    ("reliability", &["fairness", "train", "optimizers", "losses", "layers", "autograd", "tensor", "data"]),
    ("privacy", &["train", "distributed", "optimizers", "layers", "autograd", "tensor", "data"]),
    ("stats", &[]),
    ("explain", &["pipeline", "models", "optimizers", "losses", "layers", "autograd", "tensor", "data"]),
    ("error", &[]),
    ("count", &[]),
    ("rng", &[]),
];
const GROUND: [&str; 9] = ["config", "count", "error", "html", "order", "rng", "parallel", "profile", "stats"];

/// Names at the root of the crate that belong to a module below.
const ROOT_NAMES: [(&str, &str); 10] = [
    ("Tensor", "tensor"),
    ("DType", "tensor"),
    ("Element", "tensor"),
    ("Float", "tensor"),
    ("Rng", "rng"),
    ("Result", "error"),
    ("Error", "error"),
    ("ErrorKind", "error"),
    ("module", "layers"),
    ("IntoCount", "count"),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The first names of all paths that begin with `crate::`, in groups too. Comments do not count.
fn used_names(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        if code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + found.len()..];
        let head = |s: &str| s.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_string();
        match rest.strip_prefix('{') {
            Some(group) => {
                let (mut depth, mut item) = (0, String::new());
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => names.push(head(&std::mem::take(&mut item))),
                        _ if depth == 0 => item.push(c),
                        _ => {}
                    }
                }
                names.push(head(&item));
            }
            None => names.push(head(rest)),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn arrows_point_down() {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 50, "only {} source files found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let module =
            relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_string();
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        // Tests may look anywhere.
        let text = text.split("#[cfg(test)]").next().unwrap();
        if relative.with_extension("").iter().any(|part| part == "tests") {
            continue;
        }
        for name in used_names(text) {
            let target = ROOT_NAMES.iter().find(|(root, _)| *root == name).map_or(name.as_str(), |(_, module)| *module);
            if target != module && !allowed.contains(&target) && !GROUND.contains(&target) {
                wrong.push(format!("{}: {module} uses {target}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn kernels_know_no_tensor() {
    let kernels = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src/tensor/kernels");
    let mut files = Vec::new();
    sources(&kernels, &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for name in used_names(text.split("#[cfg(test)]").next().unwrap()) {
            let path = format!("crate::{name}");
            assert!(name == "parallel" || name == "tensor", "{} uses {path}", file.display());
        }
        assert!(!text.contains("tensor::Tensor"), "{} knows Tensor", file.display());
    }
}

/// What follows `else` at the end of each `with_float!(dtype, T => .., else ..)` in the text, with its line.
fn other_branches(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, name) in text.match_indices("with_float!(") {
        let inside = &text[at + name.len()..];
        let mut depth = 1;
        let Some(end) = inside.find(|c| {
            depth += i32::from(matches!(c, '(' | '[' | '{')) - i32::from(matches!(c, ')' | ']' | '}'));
            depth == 0
        }) else {
            continue;
        };
        // The last one that is not inside of brackets.
        let mut depth = 0;
        let mut branch = None;
        for (i, c) in inside[..end].char_indices() {
            depth += i32::from(matches!(c, '(' | '[' | '{')) - i32::from(matches!(c, ')' | ']' | '}'));
            if depth == 0 && inside[i..end].starts_with("else") {
                branch = Some(inside[i + "else".len()..end].trim());
            }
        }
        let line = text[..at].lines().count();
        found.push((line, branch.unwrap_or("(no else)")));
    }
    found
}

/// A type that an operation does not compute in is refused before, so the other branch of `with_float!` is never reached. That
/// is what it has to say (`bug!`), or it computes the result in another way. Nothing happens silently.
#[test]
fn what_cannot_happen_is_an_internal_error() {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let (mut count, mut silent) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let text: String = text
            .lines()
            .map(|l| if l.trim_start().starts_with("//") { "\n".into() } else { format!("{l}\n") })
            .collect();
        for (line, branch) in other_branches(&text) {
            count += 1;
            // A call with arguments computes something; a value, a bare word or `return Ok(())` does not.
            let computes = branch.contains(".cast(") || branch.contains("widened(");
            if !branch.contains("bug!(") && !computes {
                silent.push(format!("{}:{line}: else {branch}", file.strip_prefix(&src).unwrap().display()));
            }
        }
    }
    assert!(count > 0, "no use of with_float! found");
    assert!(silent.is_empty(), "\n{}", silent.join("\n"));
}

/// Between an operation and a loop over a slice stands `tensor::exec`.
#[test]
fn only_tensor_names_kernels() {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(&file).unwrap();
        let mut code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let names = code.any(|line| line.contains("tensor::kernels") || line.contains(" kernels::"));
        if names && !name.starts_with("tensor/") {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "files above tensor that name kernels: {wrong:?}");
}

/// Of the floor between operations and kernels, one file names those of matrix products.
#[test]
fn only_one_file_names_the_kernels_of_products() {
    let tensor = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src/tensor");
    let mut files = Vec::new();
    sources(&tensor, &mut files);
    let names = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("kernels::gemm"))
    };
    files.retain(|file| !file.starts_with(tensor.join("kernels")) && names(file));
    assert_eq!(files, [tensor.join("exec/gemm.rs")]);
}

/// Threads in one way: the results must not depend on how many there are.
#[test]
fn only_parallel_names_rayon() {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let names = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("rayon::"))
    };
    files.retain(names);
    files.retain(|file| !file.starts_with(src.join("parallel")));
    assert_eq!(files, [src.join("parallel.rs")]);
}

/// A room for each kind of data: models of one know nothing of the others'. What they share stands beside the rooms.
#[test]
fn rooms_of_models_stand_side_by_side() {
    let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src/models");
    let index = fs::read_to_string(models.join("mod.rs")).unwrap();
    let mut rooms = Vec::new();
    for entry in fs::read_dir(&models).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            let exported = index.split(&format!("pub use {name}::")).nth(1).expect("the room is exported by name");
            let exported: Vec<String> = exported
                .split(';')
                .next()
                .unwrap()
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| !word.is_empty())
                .map(str::to_string)
                .collect();
            rooms.push((path, name, exported));
        }
    }
    assert!(rooms.len() >= 2, "rooms of models: {rooms:?}");
    let mut wrong = Vec::new();
    for (path, room, _) in &rooms {
        let mut files = Vec::new();
        sources(path, &mut files);
        for file in files {
            // Only the paths through `models`, as if that were the root.
            let text = fs::read_to_string(&file).unwrap();
            let text = text.replace("crate::", "").replace("models::", "crate::");
            let used = used_names(text.split("#[cfg(test)]").next().unwrap());
            for (_, other, exported) in rooms.iter().filter(|(_, other, _)| other != room) {
                let foreign = used.iter().filter(|name| exported.contains(name) || *name == other);
                wrong.extend(foreign.map(|name| format!("{}: {room} uses {name} of {other}", file.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whoever writes `use demotic::prelude::*` gets the names that are listed there, and each layer is one of them.
#[test]
fn the_prelude_lists_its_names() {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("src");
    let prelude = fs::read_to_string(src.join("prelude.rs")).unwrap();
    let code: Vec<&str> = prelude.lines().filter(|line| !line.starts_with("//")).collect();
    assert!(!code.iter().any(|line| line.contains("::*")), "the prelude exports whatever there is");
    let words: Vec<&str> =
        code.iter().flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).collect();
    let exported = fs::read_to_string(src.join("layers/mod.rs")).unwrap();
    let mut files = Vec::new();
    sources(&src.join("layers"), &mut files);
    let (mut layers, mut missing) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices(" Layer for ") {
            let name = text[at + " Layer for ".len()..].split(|c: char| !c.is_alphanumeric()).next().unwrap();
            if exported.contains(&format!("{name},")) || exported.contains(&format!("{name};")) {
                layers += 1;
                if !words.contains(&name) {
                    missing.push(name.to_string());
                }
            }
        }
    }
    assert!(layers > 10, "{layers} layers found");
    assert!(missing.is_empty(), "layers that are not in src/prelude.rs: {missing:?}");
}
