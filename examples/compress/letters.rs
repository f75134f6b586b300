//! A small GPT that writes letter by letter: a narrower one learns from it.

use demotic::compress::{Distill, compare};
use demotic::layers::QuantizeExt;
use demotic::models::{Gpt, GptConfig};
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;
use demotic::tensor::Scheme;

use crate::Outcome;
use crate::options::Options;
use crate::stories::{self, Language};

const CONTEXT: usize = 32;
const BATCH: usize = 32;
/// The bytes of stories, of which a tenth is tested with.
const BYTES: usize = 120_000;

pub fn run(options: &Options) -> Result<Outcome> {
    let mut rng = Rng::seed(options.seed);
    let text = stories::corpus(&[Language::English], BYTES, options.seed)?;
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    let place = |c: char| letters.binary_search(&c).unwrap_or(0) as i64;
    let ids: Vec<i64> = text.chars().map(place).collect();
    let windows = |ids: &[i64]| {
        let count = (ids.len() - 1) / CONTEXT;
        let take = |from: usize| Tensor::from_slice(&ids[from..from + count * CONTEXT], [count, CONTEXT]);
        Ok::<_, Error>((take(0)?, take(1)?))
    };
    let (known, unknown) = ids.split_at(ids.len() * 9 / 10);
    let (x, y) = windows(known)?;
    let train = TensorDataset::new(x, y)?;
    let (test, truth) = windows(unknown)?;
    println!(
        "A GPT for {} letters, on {} windows of {CONTEXT}: {} steps for the original, twice as many for the smaller one.",
        letters.len(),
        train.len(),
        options.steps
    );

    let config = |width: usize, layers: usize| {
        GptConfig::new(letters.len(), CONTEXT).layers(layers).heads(4).hidden_size(width).dropout(0.0)
    };
    let epochs = |steps: usize| steps.div_ceil(train.len().div_ceil(BATCH));
    let mut original = Gpt::new(config(96, 3), &mut rng)?;
    Trainer::new(losses::token_cross_entropy, AdamW::new(3e-3))
        .epochs(epochs(options.steps))
        .max_steps(options.steps as u64)
        .batch_size(BATCH)
        .step_schedule(Curve::cosine(3e-3, options.steps as u64).warm_up(20))
        .fit(&mut original, &train, &mut rng)?;

    // Twice the steps, which cost a third each.
    let steps = 2 * options.steps;
    let mut small = Gpt::new(config(64, 2), &mut rng)?;
    let task = Distill::new(original.clone(), 1.0, 0.5).hard(losses::CrossEntropy::new().classes_last());
    Trainer::with_task(task, AdamW::new(5e-3))
        .epochs(epochs(steps))
        .max_steps(steps as u64)
        .batch_size(BATCH)
        .step_schedule(Curve::cosine(5e-3, steps as u64).warm_up(20))
        .fit(&mut small, &train, &mut rng)?;
    let mut quantized = small.clone();
    quantized.quantize("*", Scheme::Q8_0)?;
    quantized.save(options.out.join("letters.safetensors"))?;

    let models: [(&str, &dyn Layer); 3] =
        [("original", &original), ("smaller, distilled", &small), ("and in eight bits", &quantized)];
    let accuracy = |model: &dyn Layer| {
        let right = model.predict(&test)?.argmax_dim(-1, false)?.eq(&truth)?;
        right.to_dtype(DType::F64).mean().item()
    };
    Ok(Outcome { report: compare(&models, &test, "accuracy", &accuracy)? })
}
