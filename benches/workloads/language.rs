//! Language models: recurrent and GPT, training and decoding.

use std::time::Instant;

use demotic::models::{CausalLm, Gpt, GptConfig, RecurrentLm, RecurrentLmConfig};
use demotic::optimizers::{Adam, AdamW, Optimizer};
use demotic::prelude::*;

use crate::measure::Options;

/// Random tokens: `rows` sequences of one more than `length`, so that each has a next one.
pub fn tokens(rows: usize, length: usize, vocab: usize, rng: &mut Rng) -> Result<(Tensor, Tensor)> {
    let ids = (0..rows * (length + 1)).map(|_| rng.below(vocab) as i64).collect();
    let ids = Tensor::from_vec(ids, [rows, length + 1])?;
    Ok((ids.narrow(1, 0, length)?.contiguous(), ids.narrow(1, 1, length)?.contiguous()))
}

/// Steps of `model` on batches of the rows, in their order.
fn train<M: Layer>(
    options: &Options,
    mut model: M,
    mut opt: impl Optimizer,
    (x, y): (Tensor, Tensor),
    batch: usize,
    rng: &mut Rng,
) -> Result<()> {
    let batches = x.shape()[0] / batch;
    options.run(|i| {
        let at = (i % batches) * batch;
        let (x, y) = (x.narrow(0, at, batch)?, y.narrow(0, at, batch)?);
        let loss = losses::token_cross_entropy(&model.forward(&x, &mut Mode::train(rng))?, &y)?;
        opt.step(&mut model, &loss.backward()?)?;
        loss.item()
    })
}

/// Embedding 256, LSTM 128, 10,000 tokens, Adam 1e-3, batches of 64 × 32.
pub fn lstm_lm(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let model = RecurrentLm::new(RecurrentLmConfig::default(), &mut rng)?;
    let data = tokens(1280, 32, 10000, &mut rng)?;
    train(options, model, Adam::new(1e-3), data, 64, &mut rng)
}

/// 4 layers, 4 heads, 128 wide, 65 characters, AdamW 1e-3, batches of 12 × 64.
pub fn gpt_char(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let model = Gpt::new(GptConfig::new(65, 64).untied(), &mut rng)?;
    let data = tokens(1200, 64, 65, &mut rng)?;
    train(options, model, AdamW::new(1e-3), data, 12, &mut rng)
}

/// GPT-2 with 124 million parameters, AdamW 3e-4, batches of 4 × 64.
pub fn gpt2_124m_train(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let model = Gpt::new(GptConfig::gpt2().dropout(0.0), &mut rng)?;
    let data = tokens(64, 64, 50257, &mut rng)?;
    train(options, model, AdamW::new(3e-4), data, 4, &mut rng)
}

/// How many tokens the prompt of the decoding workloads has, and how many are made from it.
const PROMPT: usize = 32;
const NEW: usize = 64;

/// GPT-2 with 124 million parameters: 64 greedy tokens after a prompt of 32, one sequence, with a key-value cache. The time
/// is that of a token.
pub fn gpt2_124m_decode(options: &Options) -> Result<()> {
    decode(options, &Gpt::new(GptConfig::gpt2(), &mut Rng::seed(7))?, PROMPT)
}

/// Greedy tokens after a random prompt, one at a time.
pub fn decode<M: CausalLm>(options: &Options, model: &M, prompt: usize) -> Result<()> {
    let (prompt, _) = tokens(1, prompt, model.vocab_size(), &mut Rng::seed(8))?;
    let mut state = model.start(&[0])?;
    let (mut next, mut made) = (prompt.clone(), NEW);
    options.run_timed(|_| {
        if made == NEW {
            model.restart(&mut state, &[0])?;
            next = model.extend_last(&prompt, &mut state)?.argmax_dim(-1, true)?;
            made = 0;
        }
        let start = Instant::now();
        next = model.extend_last(&next, &mut state)?.argmax_dim(-1, true)?;
        let token = next.item()?;
        made += 1;
        Ok((start.elapsed(), token))
    })
}

/// The prompt of [`gpt2_124m_decode`].
pub fn gpt2_124m_prefill(options: &Options) -> Result<()> {
    prefill(options, &Gpt::new(GptConfig::gpt2(), &mut Rng::seed(7))?, PROMPT)
}

/// A random prompt, all at once.
pub fn prefill<M: CausalLm>(options: &Options, model: &M, prompt: usize) -> Result<()> {
    let (prompt, _) = tokens(1, prompt, model.vocab_size(), &mut Rng::seed(8))?;
    let mut state = model.start(&[0])?;
    options.run(|_| {
        model.restart(&mut state, &[0])?;
        model.extend_last(&prompt, &mut state)?.argmax_dim(-1, true)?.item()
    })
}
