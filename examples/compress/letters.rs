//! A small GPT that writes letter by letter: a layer, heads and units are taken out, and what is left learns from the whole model.

use demotic::compress::{Distill, TransformerImportance, TransformerSizes, compare};
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
        "A GPT for {} letters, on {} windows of {CONTEXT}: {} steps, and as many again for it and for the smaller one.",
        letters.len(),
        train.len(),
        options.steps
    );

    let config = GptConfig::new(letters.len(), CONTEXT).layers(3).heads(4).hidden_size(96).dropout(0.0);
    let epochs = options.steps.div_ceil(train.len().div_ceil(BATCH));
    let schedule = |rate: f64| Curve::cosine(rate, options.steps as u64).warm_up(20);
    let mut original = Gpt::new(config, &mut rng)?;
    let learn = |model: &mut Gpt, rate: f64, rng: &mut Rng| {
        let trainer = Trainer::new(losses::token_cross_entropy, AdamW::new(rate)).epochs(epochs);
        trainer.max_steps(options.steps as u64).batch_size(BATCH).step_schedule(schedule(rate)).fit(model, &train, rng)
    };
    learn(&mut original, 3e-3, &mut rng)?;

    // What matters least for the texts that it has learnt goes: a layer, half of the heads, half of the hidden units.
    let mut importance = TransformerImportance::new(&original);
    for batch in train.batches(BATCH).take(20) {
        let (x, y) = batch?;
        let loss = losses::token_cross_entropy(&original.forward(&x, &mut Mode::eval())?, &y)?;
        importance.add(&original, &loss.backward()?)?;
    }
    let mut small = importance.shrink(&original, &TransformerSizes::new().layers(2).heads(2).units(192))?;
    let pruned = small.clone();
    let task = Distill::new(original.clone(), 1.0, 0.5).hard(losses::CrossEntropy::new().classes_last());
    Trainer::with_task(task, AdamW::new(3e-3))
        .epochs(epochs)
        .max_steps(options.steps as u64)
        .batch_size(BATCH)
        .step_schedule(schedule(3e-3))
        .fit(&mut small, &train, &mut rng)?;
    let mut quantized = small.clone();
    quantized.quantize("*", Scheme::Int8)?;
    quantized.save(options.out.join("letters.safetensors"))?;

    // What it is compared with has seen the texts as often.
    learn(&mut original, 1e-3, &mut rng)?;
    let models: [(&str, &dyn Layer); 4] = [
        ("original", &original),
        ("pruned, as it is", &pruned),
        ("smaller, distilled", &small),
        ("and in eight bits", &quantized),
    ];
    let accuracy = |model: &dyn Layer| {
        let right = model.predict(&test)?.argmax_dim(-1, false)?.eq(&truth)?;
        right.to_dtype(DType::F64).mean().item()
    };
    Ok(Outcome { report: compare(&models, &test, "accuracy", &accuracy)? })
}
