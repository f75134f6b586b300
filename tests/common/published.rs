//! What the tests of published models share.

use std::collections::BTreeMap;
use std::path::Path;

use demotic::autograd::Gradients;
use demotic::prelude::*;
use demotic::pretrained::Pretrained;
use serde_json::{Map, Value};

/// As near as single precision is, beside the largest of the numbers.
#[track_caller]
pub fn near(ours: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(1e-3_f64, |most, x| most.max(x.abs()));
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= tolerance * scale, "{what}: {a} for {b}");
    }
}

/// The gradient of every parameter, by its sum, its norm, and its sum with weights cos(0), cos(1) ….
pub fn check_gradients(
    model: &impl Module,
    grads: &Gradients,
    expected: &BTreeMap<String, [f64; 3]>,
    what: &str,
) -> Result<()> {
    let mut left = expected.clone();
    for (path, param) in model.named_parameters() {
        let theirs = left.remove(&path).unwrap_or_else(|| panic!("{what}: no gradient of {path}"));
        let g = grads.wrt(&param)?.to_f64_vec();
        let weighted: f64 = g.iter().enumerate().map(|(i, g)| g * (i as f64).cos()).sum();
        let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
        // Sums of numbers of both signs are as exact as the numbers are large.
        for (a, b) in [g.iter().sum(), norm, weighted].iter().zip(theirs) {
            let tolerance = 1e-5 * theirs[1].max(1e-4) * (g.len() as f64).sqrt();
            assert!((a - b).abs() <= tolerance, "{what} {path}: {a} for {b}");
        }
    }
    assert!(left.is_empty(), "{what}: {:?}", left.keys());
    Ok(())
}

/// What is said of a model's folder with another option: nothing, or the message and the help, at the line of the test.
pub fn message_with_option<M: Pretrained>(folder: &Path, option: &str, value: Value) -> String {
    let place = tempfile::tempdir().unwrap();
    let json = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let mut config: Map<String, Value> = serde_json::from_str(&json).unwrap();
    config.insert(option.into(), value);
    std::fs::write(place.path().join("config.json"), Value::Object(config).to_string()).unwrap();
    std::fs::copy(folder.join("model.safetensors"), place.path().join("model.safetensors")).unwrap();
    match M::from_pretrained(place.path()) {
        Ok(_) => String::new(),
        Err(e) => {
            assert!(e.to_string().contains("common/published.rs"), "not the caller's line: {e}");
            let help = e.help().map_or(String::new(), |help| format!(" | {help}"));
            e.message().replace(place.path().to_str().unwrap(), "FOLDER") + &help
        }
    }
}
