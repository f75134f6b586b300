//! A model small enough to be made on the spot: it learns thirty answers by heart.

use demotic::models::{Llama, LlamaConfig};
use demotic::prelude::*;
use demotic::text::{CharTokenizer, Tokenizer};

use crate::form;

/// Countries with their capitals.
const CAPITALS: [(&str, &str); 24] = [
    ("France", "Paris"),
    ("Italy", "Rome"),
    ("Spain", "Madrid"),
    ("Portugal", "Lisbon"),
    ("Germany", "Berlin"),
    ("Austria", "Vienna"),
    ("Poland", "Warsaw"),
    ("Hungary", "Budapest"),
    ("Greece", "Athens"),
    ("Sweden", "Stockholm"),
    ("Norway", "Oslo"),
    ("Finland", "Helsinki"),
    ("Ireland", "Dublin"),
    ("Egypt", "Cairo"),
    ("Kenya", "Nairobi"),
    ("Ghana", "Accra"),
    ("Japan", "Tokyo"),
    ("China", "Beijing"),
    ("Thailand", "Bangkok"),
    ("Cuba", "Havana"),
    ("Peru", "Lima"),
    ("Chile", "Santiago"),
    ("Canada", "Ottawa"),
    ("Kazakhstan", "Astana"),
];

const OTHERS: [(&str, &str); 6] = [
    ("Hello!", "Hello! Ask me for a capital."),
    ("Who are you?", "A model of two layers."),
    ("How are you?", "I converge."),
    ("What do you know?", "Thirty answers, by heart."),
    ("Thank you.", "You are welcome."),
    ("Goodbye.", "Goodbye."),
];

/// All questions with their answers.
pub fn dialogues() -> Vec<(String, String)> {
    let capitals =
        CAPITALS.iter().map(|(country, city)| (format!("What is the capital of {country}?"), format!("{city}.")));
    let others = OTHERS.iter().map(|(question, answer)| (question.to_string(), answer.to_string()));
    capitals.chain(others).collect()
}

/// Trains the model, on the answers alone: questions are given.
pub fn learn(seed: u64) -> Result<TextPipeline<Llama>> {
    let mut rng = Rng::seed(seed);
    let texts: Vec<(String, String)> = dialogues()
        .into_iter()
        .map(|(question, answer)| (form::turns(&[("user", &question)]), format!("{answer}{}", form::END)))
        .collect();
    let all: Vec<String> = texts.iter().map(|(question, answer)| format!("{question}{answer}")).collect();
    let tokenizer = CharTokenizer::fit(&all)?.with_special_tokens(&[form::START, form::END])?;
    let context = 96;
    let config = LlamaConfig::new(tokenizer.vocab_size(), context).layers(2).heads(4).kv_heads(2).hidden_size(64);
    let mut model = Llama::new(config.intermediate_size(128).tied(), &mut rng)?;

    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for (question, answer) in &texts {
        let (question, answer) = (tokenizer.encode(question)?, tokenizer.encode(answer)?);
        let ids: Vec<i64> = question.iter().chain(&answer).copied().collect();
        for at in 0..context {
            inputs.push(ids.get(at).copied().unwrap_or(0));
            let is_answer = (question.len()..ids.len()).contains(&(at + 1));
            targets.push(if is_answer { ids[at + 1] } else { demotic::data::IGNORE_INDEX });
        }
    }
    let inputs = Tensor::from_vec(inputs, [texts.len(), context])?;
    let targets = Tensor::from_vec(targets, [texts.len(), context])?;
    let mut opt = AdamW::new(3e-3);
    for step in 1..=300 {
        let logits = model.forward(&inputs, &mut Mode::train(&mut rng))?;
        let loss = losses::token_cross_entropy(&logits, &targets)?;
        opt.step(&mut model, &loss.backward()?)?;
        let loss = loss.item()?;
        if step % 50 == 0 {
            println!("step {step:3}: loss {loss:.4}");
        }
        if loss < 2e-3 {
            break;
        }
    }
    Ok(TextPipeline::new(model, tokenizer))
}
