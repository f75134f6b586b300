//! Handwritten digits: a convolutional network, what it confuses, and a picture of its mistakes.
//!
//! `cargo run --release --features image --example digits`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod options;
mod picture;
mod source;

use std::time::Instant;

use demotic::data::{ImageDataset, Transforms};
use demotic::models::{ConvNet, ConvNetConfig};
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;
use options::Options;
use serde_json::json;
use source::Parts;

/// The accuracy that `--check` asks for.
const WANTED: f64 = 0.985;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("digits", &options.out, e))?;
    let start = Instant::now();
    let mut rng = Rng::seed(options.seed);
    let Parts { train, test, classes } = source::read(&options, &mut rng)?;
    let shape = train.picture(0)?.shape().to_vec();
    let (channels, names) = (shape[0], &classes);
    println!("{} pictures to learn from, {} to be tested with, of {} classes.", train.len(), test.len(), names.len());

    // Digits are written a little higher, lower, larger or slanted.
    let moved = Transforms::new().random_affine([-10.0, 10.0], [0.1, 0.1], [0.9, 1.15], [-10.0, 10.0]);
    let train = train.transform(moved);
    // Every stage but the last halves the pictures.
    let stages: &[usize] = if shape[1].min(shape[2]) < 16 { &[32, 64] } else { &[32, 64, 128] };
    let config = ConvNetConfig::new(channels, names.len()).channels(stages).dropout(0.2);
    let mut model = ConvNet::new(config, &mut rng)?;
    println!("{}", model.summary([1, channels, shape[1], shape[2]])?);

    let steps = (options.epochs * train.len().div_ceil(options.batch)) as u64;
    let history = Trainer::new(losses::cross_entropy, AdamW::new(options.lr).decay_matrices_only())
        .epochs(options.epochs)
        .batch_size(options.batch)
        .step_schedule(Curve::cosine(options.lr, steps).warm_up(steps / 20))
        .fit(&mut model, &train, &mut rng)?;

    let (x, y) = all(&test)?;
    let mut logits = Vec::new();
    for part in x.split(500, 0)? {
        logits.push(model.predict(&part)?);
    }
    let logits = Tensor::cat(&logits.iter().collect::<Vec<_>>(), 0)?;
    let accuracy = metrics::accuracy(&logits, &y)?;
    let loss = history.last().map_or(f64::NAN, |epoch| epoch.train_loss);
    println!("\n{:.2} % of the digits that it has not seen are right. What was taken for what:\n", 100.0 * accuracy);
    println!("{}", metrics::confusion_matrix(&logits, &y, names.len())?.with_names(names.clone())?);

    let (guesses, truth) = (logits.argmax_dim(1, false)?.to_vec::<i64>()?, y.to_vec::<i64>()?);
    let wrong: Vec<usize> = (0..truth.len()).filter(|i| guesses[*i] != truth[*i]).collect();
    let path = options.out.join("mistakes.png");
    picture::mistakes(&path, &x, &wrong, &truth, &guesses)?;
    println!(
        "The {} mistakes are in {}: what it is in green, what it was taken for in red.",
        wrong.len(),
        path.display()
    );
    model.save(options.out.join("digits.safetensors"))?;

    let seconds = start.elapsed().as_secs_f64();
    println!("All of it took {seconds:.1} s.");
    if options.json {
        println!(
            "{}",
            json!({ "accuracy": accuracy, "mistakes": wrong.len(), "tested": truth.len(), "train_loss": loss, "seconds": seconds })
        );
    }
    if options.check && accuracy < WANTED {
        return Err(Error::numeric("check", format!("an accuracy of {accuracy}, expected {WANTED} or more")));
    }
    Ok(())
}

/// All pictures and classes of a dataset.
fn all(data: &ImageDataset) -> Result<(Tensor, Tensor)> {
    data.batch_range(0..data.len(), &mut Rng::seed(0))
}
