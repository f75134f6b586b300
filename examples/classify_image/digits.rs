//! A small ViT that learns digits, and is published as others are: a folder with its configuration, its weights and what is done to
//! pictures before.

use std::path::{Path, PathBuf};
use std::time::Instant;

use demotic::data::{ImageDataset, write_image};
use demotic::models::{VitConfig, VitForImageClassification};
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;
use serde_json::json;

use super::options::Options;
use super::table;

const NAMES: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/// How many new digits become pictures.
const SHOWN: usize = 6;

/// The folder of the model, that of some pictures, and all digits that it has not seen.
pub struct Digits {
    pub model: PathBuf,
    pub pictures: PathBuf,
    pub test: ImageDataset,
}

/// Grey pictures of numbers from 0 to 1 as the model takes them.
fn prepared(x: &Tensor) -> Result<Tensor> {
    let [n, _, height, width] = x.shape().try_into().unwrap_or([0; 4]);
    x.mul_scalar(2.0).add_scalar(-1.0).broadcast_to([n, 3, height, width])
}

pub fn learn(options: &Options) -> Result<Digits> {
    let (mut rng, start) = (Rng::seed(options.seed), Instant::now());
    let digits = table::digits()?;
    let mut order: Vec<usize> = (0..digits.len()).collect();
    rng.shuffle(&mut order);
    let train = order.split_off(digits.len() / 5);
    let (train, test) = (digits.subset(&train)?, digits.subset(&order)?);

    let mut config = VitConfig::new(8, 2, 32, 1);
    config.encoder.num_heads = 2;
    config.labels = NAMES.map(String::from).to_vec();
    let mut model = VitForImageClassification::new(config, &mut rng)?;
    let epochs = if options.quick { 60 } else { 120 };
    let steps = (epochs * train.len().div_ceil(64)) as u64;
    let curve = Curve::cosine(5e-3, steps).warm_up(steps / 20);
    let mut opt = AdamW::new(5e-3);
    let mut step = 0;
    for _epoch in 0..epochs {
        for batch in train.batches(64).shuffle(&mut rng) {
            let (x, y) = batch?;
            let logits = model.forward(&prepared(&x)?, &mut Mode::train(&mut rng))?;
            opt.set_learning_rate(curve.at(step)?);
            opt.step(&mut model, &losses::cross_entropy(&logits, &y)?.backward()?)?;
            step += 1;
        }
    }
    println!("A small ViT has learnt {} digits for {:.1} s.", train.len(), start.elapsed().as_secs_f64());

    let folder = options.out.join("vit");
    model.save_pretrained(&folder)?;
    let processor = json!({
        "image_processor_type": "ViTImageProcessor",
        "size": { "height": 8, "width": 8 },
        "resample": 2,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    });
    write(&folder.join("preprocessor_config.json"), processor.to_string().as_bytes())?;
    let pictures = options.out.join("pictures");
    std::fs::create_dir_all(&pictures).map_err(|e| Error::io("classify_image", &pictures, e))?;
    for i in 0..SHOWN {
        let name = NAMES[test.labels()[i] as usize];
        write_image(pictures.join(format!("{i}-{name}.png")), &test.picture(i)?)?;
    }
    Ok(Digits { model: folder, pictures, test })
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::io("classify_image", path, e))
}
