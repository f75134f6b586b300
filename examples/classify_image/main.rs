//! What is on a picture? Any published classifier says it, or CLIP in words of your own.
//!
//! `cargo run --release --features image --example classify_image`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod digits;
mod options;
#[path = "../pictures/table.rs"]
mod table;

use std::path::{Path, PathBuf};
use std::time::Instant;

use demotic::data::{Channels, read_image};
use demotic::pipeline::{ClassPrediction, ImageClassification, ZeroShotImageClassification};
use demotic::prelude::*;
use options::Options;
use serde_json::json;

/// The share of new digits that `--check` asks for.
const WANTED: f64 = 0.9;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    let own = if options.model.is_none() || options.check { Some(digits::learn(&options)?) } else { None };
    let (model, place) = match (&options.model, &options.place, &own) {
        (Some(model), Some(place), _) => (model, place),
        (None, Some(place), Some(own)) => (&own.model, place),
        (None, None, Some(own)) => (&own.model, &own.pictures),
        _ => {
            return Err(
                Error::argument("classify_image", "--in says which pictures are meant").with_help(options::USAGE)
            );
        }
    };
    let labels = match &options.labels {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io("classify_image", path, e))?;
            Some(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect::<Vec<_>>())
        }
        None => None,
    };
    let paths = pictures(place)?;
    let mut read = Vec::with_capacity(paths.len());
    for path in &paths {
        read.push(read_image(path, Channels::Rgb)?);
    }
    let start = Instant::now();
    let found = if is_clip(model) {
        let mut clip = ZeroShotImageClassification::from_pretrained(model)?;
        if let Some(template) = &options.template {
            clip = clip.template(template)?;
        }
        let Some(labels) = labels else {
            return Err(Error::argument(
                "classify_image",
                "CLIP tells apart what --labels says: a file, one class a line",
            ));
        };
        clip.classify(&read, &labels)?
    } else {
        let mut classifier = ImageClassification::from_pretrained(model)?;
        if let Some(labels) = labels {
            classifier = classifier.labels(&labels)?;
        }
        classifier.classify(&read)?
    };
    let seconds = start.elapsed().as_secs_f64();

    let mut results = Vec::new();
    for (path, found) in paths.iter().zip(&found) {
        println!("\n{}", path.display());
        let best = best(found, options.top);
        for (name, probability) in &best {
            println!("  {:5.1} %  {name}", 100.0 * probability);
        }
        results.push(json!({ "picture": path.file_name().map(|name| name.to_string_lossy()), "found": best }));
    }
    println!("\n{} pictures in {seconds:.2} s, with reading the model.", paths.len());
    let share = match &own {
        Some(own) => Some(known(own)?),
        None => None,
    };
    if let Some(share) = share {
        println!(
            "Read back from its folder, the small model knows {:.1} % of the digits it has not seen.",
            100.0 * share
        );
    }
    if options.json {
        println!("{}", json!({ "pictures": results, "known": share }));
    }
    match share {
        Some(share) if options.check && share < WANTED => {
            Err(Error::state("classify_image", format!("{share} of the new digits are known, expected {WANTED}")))
        }
        _ => Ok(()),
    }
}

/// Whether a folder holds a CLIP.
fn is_clip(model: &Path) -> bool {
    let config = std::fs::read_to_string(model.join("config.json")).unwrap_or_default();
    serde_json::from_str(&config).is_ok_and(|config: serde_json::Value| config["model_type"] == "clip")
}

/// A picture, or those of a folder.
fn pictures(place: &Path) -> Result<Vec<PathBuf>> {
    if !place.is_dir() {
        return Ok(vec![place.to_path_buf()]);
    }
    let io = |e| Error::io("classify_image", place, e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(place).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if ["png", "jpg", "jpeg"].contains(&ending.as_str()) {
            paths.push(path);
        }
    }
    paths.sort();
    match paths.is_empty() {
        true => Err(Error::argument("classify_image", format!("{}: there are no pictures in it", place.display()))),
        false => Ok(paths),
    }
}

/// The most likely classes.
fn best(found: &ClassPrediction, top: usize) -> Vec<(&str, f64)> {
    let mut all: Vec<(&str, f64)> = found.probabilities().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(top);
    all
}

/// How many of the digits that the small model has not seen it knows.
fn known(own: &digits::Digits) -> Result<f64> {
    let classifier = ImageClassification::from_pretrained(&own.model)?;
    let mut read = Vec::with_capacity(own.test.len());
    for i in 0..own.test.len() {
        read.push(own.test.picture(i)?);
    }
    let found = classifier.classify(&read)?;
    let right = found.iter().zip(own.test.labels()).filter(|(found, label)| found.index() as i64 == **label).count();
    Ok(right as f64 / read.len() as f64)
}
