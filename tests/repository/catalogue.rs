//! The catalogue: what there is, read from the code, beside its PyTorch and Keras names. `docs/catalogue.md` is made here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

pub(super) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The Rust files of a folder and those below it, tests left out.
pub(super) fn sources(folder: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && stem != "tests" {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && stem != "tests" {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Code without comments and unit tests.
pub(super) fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

pub(super) fn is_in_names(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_in_names(c)).unwrap_or(text.len())]
}

/// What a module re-exports by name in `pub use`.
pub(super) fn exports(module: &str) -> BTreeSet<String> {
    let code = code(&read(module));
    let mut names = BTreeSet::new();
    for (at, keyword) in code.match_indices("pub use ") {
        let item = code[at + keyword.len()..].split(';').next().unwrap_or_default();
        let list = item.split_once('{').map_or(item.rsplit("::").next().unwrap_or_default(), |(_, list)| list);
        let list = list.trim_end_matches('}').split(',').map(str::trim).filter(|name| !name.is_empty());
        names.extend(
            list.map(|name| name.rsplit(" as ").next().unwrap_or(name).rsplit("::").next().unwrap().to_string()),
        );
    }
    names.remove("*");
    names
}

/// The names at the beginning of the rows of `activations!` and of its kind: `Relu => ..`, `Elu { .. } => ..`.
fn rows_of_macros(folder: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in sources(folder) {
        let code = code(&fs::read_to_string(path).unwrap());
        for table in code.split("\nactivations").skip(1) {
            let rows =
                table.split("\n}").next().unwrap_or_default().lines().filter_map(|line| line.strip_prefix("    "));
            names.extend(
                rows.filter(|row| row.starts_with(|c: char| c.is_uppercase())).map(|row| word(row).to_string()),
            );
        }
    }
    names
}

/// The types for which a trait is implemented in a folder: `impl<..> Layer for Name`.
fn implementors(folder: &str, of: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in sources(folder) {
        let code = code(&fs::read_to_string(path).unwrap());
        for line in code.lines().filter(|line| line.starts_with("impl")) {
            if let Some((_, name)) = line.split_once(&format!(" {of} for ")) {
                names.insert(word(name).to_string());
            }
        }
    }
    names
}

fn layers() -> BTreeSet<String> {
    let mut exported = exports("src/layers/mod.rs");
    exported.extend(exports("src/layers/core/mod.rs"));
    let mut names = rows_of_macros("src/layers");
    names.extend(implementors("src/layers", "Layer").into_iter().filter(|name| exported.contains(name)));
    // Those with other inputs than one tensor, which PyTorch has as well.
    let modules: BTreeSet<String> =
        pytorch().iter().filter_map(|name| name.strip_prefix("torch.nn.").map(plain)).collect();
    names.extend(exported.iter().filter(|name| *name != "Module" && modules.contains(&plain(name))).cloned());
    // Made by macros, with their names as the first argument.
    for path in sources("src/layers") {
        let code = code(&fs::read_to_string(path).unwrap());
        let made = code.split("macro_rules!").skip(1).any(|rest| rest.contains("impl Layer for $"));
        if made {
            let words: BTreeSet<&str> = code.split(|c| !is_in_names(c)).collect();
            names.extend(exported.iter().filter(|name| words.contains(name.as_str()) && is_layer_name(name)).cloned());
        }
    }
    names.retain(|name| name.starts_with(|c: char| c.is_uppercase()));
    names
}

/// Helpers that stand in the same files as layers made by macros.
fn is_layer_name(name: &str) -> bool {
    ![
        "Layer",
        "Mode",
        "Module",
        "Option",
        "Output",
        "State",
        "Padding",
        "Init",
        "Param",
        "Weight",
        "Architecture",
        "Blueprint",
    ]
    .iter()
    .any(|part| name.contains(part))
        && !["Visitor", "VisitorMut", "Slot", "SlotMut", "Fan", "Gain", "Name", "Buffer", "ConvKind"].contains(&name)
}

fn losses() -> BTreeSet<String> {
    let traits_and_options = ["Loss", "Reduction"];
    exports("src/losses/mod.rs").into_iter().filter(|name| !traits_and_options.contains(&name.as_str())).collect()
}

fn optimizers() -> BTreeSet<String> {
    let own = [
        "Divided",
        "StepInfo",
        "StepGradients",
        "Stepper",
        "Group",
        "Objective",
        "Averages",
        "AdjustLr",
        "OptimizerState",
        "ParameterState",
    ];
    exports("src/optimizers/mod.rs")
        .into_iter()
        .filter(|name| !name.ends_with("Rule") && !name.ends_with("Optimizer") && !own.contains(&name.as_str()))
        .filter(|name| name.starts_with(|c: char| c.is_uppercase()))
        .collect()
}

fn schedules() -> BTreeSet<String> {
    let mut names = implementors("src/optimizers/schedule", "Schedule");
    names.remove("Curve");
    let curve = code(&read("src/optimizers/schedule/curve.rs"));
    for (at, keyword) in curve.match_indices("    pub fn ") {
        let rest = &curve[at + keyword.len()..];
        let head = rest.split('{').next().unwrap_or_default();
        let (name, takes_self) = (word(head), head.contains("self"));
        let composes = head.contains(": Curve) -> Self") && !head.contains("pattern");
        if head.contains("-> Self") && (!takes_self || composes) {
            names.insert(format!("Curve::{name}"));
        }
    }
    names
}

fn regularizers() -> BTreeSet<String> {
    let abstract_ones = ["Constraint", "Penalty", "AugmentedLagrangian"];
    exports("src/regularizers/mod.rs").into_iter().filter(|name| !abstract_ones.contains(&name.as_str())).collect()
}

fn initialisers() -> BTreeSet<String> {
    let text = code(&read("src/layers/core/init.rs"));
    let body = text.split("pub enum Init {").nth(1).and_then(|rest| rest.split("\n}").next()).unwrap_or_default();
    let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
    variants.filter(|line| line.starts_with(|c: char| c.is_uppercase())).map(|line| word(line).to_string()).collect()
}

/// The methods and functions of `Tensor` that compute.
fn operations() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let files = sources("src/autograd/ops")
        .into_iter()
        .chain(["create", "draw"].map(|file| root().join(format!("src/tensor/{file}.rs"))));
    for path in files {
        let code = code(&fs::read_to_string(path).unwrap());
        if code.contains("pub fn $") {
            // Methods that a macro makes, whose names begin its rows.
            for call in code.split("! {\n").skip(1) {
                let rows = call.split("\n}").next().unwrap_or_default().lines();
                let methods =
                    rows.flat_map(|row| row.split_whitespace().take_while(|word| word.starts_with(char::is_lowercase)));
                names.extend(methods.map(str::to_string));
            }
        }
        for block in code.split("\nimpl Tensor {").skip(1) {
            let block = block.split("\n}").next().unwrap_or_default();
            names.extend(
                block
                    .match_indices("\n    pub fn ")
                    .map(|(at, keyword)| word(&block[at + keyword.len()..]).to_string()),
            );
        }
    }
    names
}

struct Names {
    pytorch: String,
    keras: String,
    note: String,
}

/// The table of names: by section and name, without its case.
fn table() -> BTreeMap<(String, String), Names> {
    let (mut section, mut found) = (String::new(), BTreeMap::new());
    for line in read("tests/repository/catalogue/names.txt").lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_string();
        } else if !line.is_empty() && !line.starts_with('#') {
            let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_string()).collect();
            let [name, pytorch, keras, note] = &cells[..] else { panic!("names.txt: {line}") };
            let names = Names { pytorch: pytorch.clone(), keras: keras.clone(), note: note.clone() };
            assert!(found.insert((section.clone(), plain(name)), names).is_none(), "names.txt has {name} twice");
        }
    }
    found
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.find(['*', '?']) {
        None => pattern == name,
        Some(at) if !name.is_char_boundary(at.min(name.len())) || name.len() < at || pattern[..at] != name[..at] => {
            false
        }
        Some(at) if pattern.as_bytes()[at] == b'?' => name.len() > at && matches(&pattern[at + 1..], &name[at + 1..]),
        Some(at) => (at..=name.len()).any(|i| matches(&pattern[at + 1..], &name[i..])),
    }
}

/// One section: its title, the names of the code, where PyTorch has such things, and whether each needs a golden row.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) names: BTreeSet<String>,
    places: &'static [&'static str],
    keras: &'static [&'static str],
    golden: bool,
}

pub(super) fn sections() -> Vec<Section> {
    let section = |title, names, places, keras, golden| Section { title, names, places, keras, golden };
    vec![
        section("layers", layers(), &["torch.nn."], &["layers", "activations"], true),
        section("losses", losses(), &["torch.nn."], &["losses"], true),
        section("optimizers", optimizers(), &["torch.optim."], &["optimizers"], true),
        section("schedules", schedules(), &["torch.optim.lr_scheduler."], &[], true),
        section("regularizers", regularizers(), &[], &["regularizers"], false),
        section("initialisers", initialisers(), &["torch.nn.init."], &["initializers"], false),
        section(
            "tensor operations",
            operations(),
            &["torch.", "torch.linalg.", "torch.fft."],
            &["ops", "activations"],
            false,
        ),
    ]
}

fn pytorch() -> Vec<String> {
    read("tests/repository/catalogue/pytorch.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_string)
        .collect()
}

/// The name in PyTorch's list that is ours in another case, or with `Loss` behind it.
fn same_names<'a>(section: &Section, name: &str, pytorch: &'a [String]) -> Vec<&'a str> {
    let own = |place: &str, full: &str| {
        let rest = full.strip_prefix(place).filter(|rest| !rest.contains('.')).map(plain);
        rest.is_some_and(|rest| rest == plain(name) || rest == format!("{}loss", plain(name)))
    };
    let in_place = |place: &&'static str| pytorch.iter().map(String::as_str).find(|full| own(place, full));
    section.places.iter().filter_map(in_place).collect()
}

/// The same of Keras: a place and a name.
fn in_keras(section: &Section, name: &str, keras: &str) -> Option<String> {
    keras.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (place, names) = line.split_once(": ")?;
        let place = place.strip_prefix("keras.").filter(|place| section.keras.contains(place))?;
        names.split(' ').find(|other| plain(other) == plain(name)).map(|other| format!("{place}.{other}"))
    })
}

fn page() -> String {
    let (table, pytorch, keras) = (table(), pytorch(), read("tests/repository/catalogue/keras.txt"));
    let mut page = String::from(
        "# Catalogue\n\nWhat this crate has, beside its names in PyTorch and Keras. Made from the code by \
         `tests/repository/catalogue.rs`; how far each of them agrees with PyTorch is in `tests/golden`.\n",
    );
    let mut here = BTreeSet::new();
    for section in sections() {
        let title = section.title;
        let _ = write!(
            page,
            "\n## {}{}\n\n| here | PyTorch | Keras | |\n|---|---|---|---|\n",
            title[..1].to_uppercase(),
            &title[1..]
        );
        for name in &section.names {
            let known = table.get(&(title.to_string(), plain(name)));
            let same = same_names(&section, name, &pytorch);
            let first = same.first().and_then(|name| name.strip_prefix("torch."));
            let torch = known.map(|names| names.pytorch.as_str()).or(first).unwrap_or("-");
            here.insert(format!("torch.{}", torch.split('(').next().unwrap_or_default()));
            here.extend(same.iter().map(ToString::to_string));
            let cell = |text: &str| if text == "-" { "–".to_string() } else { format!("`{text}`") };
            let same = in_keras(&section, name, &keras);
            let keras = known.map(|names| names.keras.as_str()).or(same.as_deref()).unwrap_or("-");
            let note = known.map_or("", |names| names.note.as_str());
            let note = note.split("no golden row: ").next().unwrap_or_default().trim_end_matches("; ");
            let _ = writeln!(page, "| `{name}` | {} | {} | {note} |", cell(torch), cell(keras));
        }
    }
    page += "\n## What PyTorch has and this crate has not\n\n| PyTorch | |\n|---|---|\n";
    let reasons = read("tests/repository/catalogue/absent.txt");
    let reasons: Vec<(&str, &str)> = reasons.lines().filter_map(|line| line.split_once(" | ")).collect();
    for name in pytorch.iter().filter(|name| !here.contains(*name)) {
        let reason = reasons.iter().find(|(pattern, _)| matches(pattern, name));
        let (_, why) = reason.unwrap_or_else(|| panic!("absent.txt does not say why there is no {name}"));
        let _ = writeln!(page, "| `{}` | {why} |", name.strip_prefix("torch.").unwrap_or(name));
    }
    page
}

/// `DEMOTIC_CATALOGUE=write cargo test -p demotic-tests --test repository catalogue` makes the page.
#[test]
fn the_page_is_what_the_code_says() {
    let (path, page) = (root().join("docs/catalogue.md"), page());
    if std::env::var_os("DEMOTIC_CATALOGUE").is_some_and(|value| value == "write") {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let other = page.lines().zip(found.lines().chain(std::iter::repeat(""))).find(|(want, found)| want != found);
    assert!(
        page == found,
        "docs/catalogue.md is not what the code says, first at {:?}\nmake it anew: DEMOTIC_CATALOGUE=write cargo test -p \
         demotic-tests --test repository catalogue",
        other.map_or("its end", |(want, _)| want)
    );
}

/// Names in the table that the code does not have are mistakes, or not there yet.
#[test]
fn every_layer_loss_optimizer_and_schedule_has_a_golden_row() {
    let table = table();
    let mut words = BTreeSet::new();
    for path in sources("tests/golden") {
        let code = code(&fs::read_to_string(path).unwrap());
        words.extend(code.split(|c| !is_in_names(c)).map(str::to_string));
        words.extend(
            code.match_indices("Curve::").map(|(at, _)| format!("Curve::{}", word(&code[at + "Curve::".len()..]))),
        );
    }
    assert!(words.contains("Curve::steps"), "what the golden tests name");
    let mut missing = Vec::new();
    for section in sections().into_iter().filter(|section| section.golden) {
        assert!(section.names.len() > 3, "{}: {:?}", section.title, section.names);
        for name in section.names {
            let note = table.get(&(section.title.to_string(), plain(&name))).map_or("", |names| names.note.as_str());
            let method = format!(".{}", name.trim_start_matches("Curve::"));
            let is_method = name.starts_with("Curve::") && words.contains(&method[1..]);
            if !words.contains(&name) && !is_method && !note.contains("no golden row: ") {
                missing.push(name);
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no golden test names {missing:?}\nadd one in tests/golden, or say in tests/repository/catalogue/names.txt what proves it"
    );
}

/// Options of losses, of what regularises, and of the rules of optimizers, `configurable!` or by hand.
#[test]
fn what_has_options_can_be_read_from_a_configuration_file() {
    /// What is no options: a result, a reader of outputs, a state, a function.
    const OTHERS: [&str; 4] = ["Mixture", "ActivityPenalty", "AugmentedLagrangian", "FromFn"];
    let mut missing = Vec::new();
    let mut found = 0;
    for folder in ["src/losses", "src/regularizers", "src/optimizers"] {
        for file in fs::read_dir(root().join(folder)).unwrap() {
            let path = file.unwrap().path();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            for name in text.lines().filter_map(|line| line.strip_prefix("pub struct ")) {
                let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                if OTHERS.contains(&name) || folder == "src/optimizers" && !name.ends_with("Rule") {
                    continue;
                }
                found += 1;
                let at = text.split(&format!("pub struct {name}")).next().unwrap();
                let derives = at.rsplit("\n\n").next().unwrap().contains("Deserialize");
                let listed = text.split("configurable!(").skip(1).any(|rest| {
                    let head = rest.split('{').next().unwrap();
                    head.contains(&format!("{name} ")) || head.contains(&format!("{name}<"))
                });
                if !derives && !listed {
                    missing.push(format!("{name} ({})", path.display()));
                }
            }
        }
    }
    assert!(found > 50, "{found} structs found");
    assert!(missing.is_empty(), "no configuration file can say what these are: {missing:#?}");
}
