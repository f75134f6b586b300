//! Every public layer has a name in files, or a reason why it has none.

use std::collections::BTreeSet;

use super::catalogue::{code, exports, is_in_names, read};

/// Public names of `layers` that files do not know.
const UNREGISTERED: &[(&str, &[&str])] = &[
    ("a closure, which no file holds", &["Lambda"]),
    (
        "no layer: it takes or gives more than one tensor",
        &["Bilinear", "Transformer", "TransformerDecoder", "TransformerDecoderLayer"],
    ),
    (
        "no layer: a part of one",
        &[
            "AttentionHeads",
            "KvCache",
            "KvPrecision",
            "Param",
            "Buffer",
            "Weight",
            "Adapted",
            "Quantized",
            "Sparse",
            "Factored",
        ],
    ),
    (
        "no layer: changes weights",
        &["Adapter", "CloneAdapter", "Lora", "LoraExt", "QuantizeExt", "SpectralNorm", "WeightNorm"],
    ),
    (
        "no layer: options, states and what is measured",
        &[
            "AttentionMasks",
            "BagMode",
            "Distribution",
            "Fan",
            "Gain",
            "Init",
            "Join",
            "LayerConfig",
            "LayerOption",
            "LayerOutput",
            "ConvKind",
            "LoraOptions",
            "QuantizeOptions",
            "QuantizeReport",
            "QuantizedWeight",
            "NamedGradients",
            "Recurrent",
            "RecurrentOutput",
            "RecurrentState",
            "Row",
            "RunOptions",
            "Summary",
            "TransformerActivation",
            "TransformerCache",
            "TransformerMasks",
            "TransformerOptions",
        ],
    ),
    (
        "no layer: what all of them are built on",
        &[
            "Architecture",
            "AsModule",
            "Blueprint",
            "CloneLayer",
            "Described",
            "Hooks",
            "IntoLayer",
            "Layer",
            "LayerExt",
            "Mode",
            "Module",
            "ModuleExt",
            "Name",
            "OnOutput",
            "Place",
            "Role",
            "Slot",
            "SlotMut",
            "Visitor",
            "VisitorMut",
            "WithArchitecture",
            "WithoutArchitecture",
        ],
    ),
];

/// The names in the list of the registry.
fn registered() -> BTreeSet<String> {
    let registry = code(&read("src/layers/registry.rs"));
    let list = registry.split("static OWN").nth(1).and_then(|rest| rest.split("\n};").next()).unwrap();
    let words = list.split(|c| !is_in_names(c)).filter(|word| word.starts_with(char::is_uppercase));
    words.filter(|word| !["OWN", "Entry"].contains(word)).map(String::from).collect()
}

fn public() -> BTreeSet<String> {
    let mut names = exports("src/layers/mod.rs");
    names.extend(exports("src/layers/core/mod.rs"));
    // Those that a glob exports.
    let activations = read("src/layers/activation.rs");
    let names_of_activations = activations.split("\nall_activations! {").nth(1).unwrap().split("\n}").next().unwrap();
    let rows = names_of_activations.lines().filter_map(|line| line.strip_prefix("    "));
    let rows = rows.filter(|row| row.starts_with(char::is_uppercase)).flat_map(|row| row.split(';'));
    names.extend(rows.map(|row| row.split('{').next().unwrap().trim().to_string()).filter(|name| !name.is_empty()));
    names.insert("Activation".into());
    names.retain(|name| name.starts_with(char::is_uppercase));
    names
}

#[test]
fn every_layer_is_registered_or_has_a_reason() {
    let (registered, public) = (registered(), public());
    assert!(registered.len() > 100 && public.len() > 150, "{} of {}", registered.len(), public.len());
    let reasoned: Vec<&str> = UNREGISTERED.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    for name in &public {
        let (is_registered, is_reasoned) = (registered.contains(name), reasoned.contains(&name.as_str()));
        assert!(
            is_registered || is_reasoned,
            "`{name}` is neither in src/layers/registry.rs nor named here with a reason"
        );
        assert!(!(is_registered && is_reasoned), "`{name}` is registered, and named here with a reason why it is not");
    }
    for name in reasoned.iter().copied().chain(registered.iter().map(String::as_str)) {
        assert!(public.contains(name), "`{name}` is no public name of layers");
    }
}

/// The tests that save and open layers know all of them.
#[test]
fn every_registered_layer_is_saved_and_opened_by_a_test() {
    let tests = read("tests/nets/save_open.rs") + &read("tests/nets/saved_layers.rs");
    let words: BTreeSet<&str> = tests.split(|c| !is_in_names(c)).collect();
    let missing: Vec<String> = registered().into_iter().filter(|name| !words.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "add these to `described` of tests/nets/saved_layers.rs: {missing:?}");
}
