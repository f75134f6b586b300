//! Part 1: the program that the article shows, what it would have done, and what it should have done.

use demotic::data::Sentences;
use demotic::models::{Generate, GenerateOptions, RecurrentLm, RecurrentLmConfig};
use demotic::prelude::*;
use demotic::text::{Sampler, Tokenizer, WordTokenizer};
use serde_json::{Value, json};

const SENTENCES: [&str; 3] = ["这是一个关于人工智能的文本。", "人工智能将改变我们的生活。", "人工智能需要受到规范。"];
const SEED_TEXT: &str = "人工智能是一种技术。";
/// The first characters of each sentence that no other sentence begins with.
const OPENINGS: [&str; 3] = ["这", "人工智能将", "人工智能需"];
const STEPS: usize = 60;

pub fn run(seed: u64) -> Result<Value> {
    println!("1. The article's program\n");
    println!("It promises a GPT and defines an LSTM. It stops before it begins, and would not learn if it did not:");
    println!("  - max_sequence_length is used and never defined; tokenizer belongs to another function.");
    let words = what_a_word_tokenizer_makes_of_it()?;
    println!("  - The labels are the inputs themselves: the task would be to copy, not to predict what comes next.");
    println!(
        "  - categorical_crossentropy wants labels with one number per class, and gets the numbers of the classes."
    );
    println!(
        "  - Predictions for all positions are printed at once, so nothing is ever generated from what was generated.\n"
    );

    println!(
        "What it should do: take characters, let each position predict the one after it, and generate one at a time."
    );
    let mut tokenizer = WordTokenizer::new().num_words(10_000).oov_token("<?>");
    tokenizer.fit_on_texts(SENTENCES)?;
    let mut rng = Rng::seed(seed);
    let mut model = RecurrentLm::new(RecurrentLmConfig::default(), &mut rng)?;
    let sizes = model.config();
    println!(
        "The article's sizes: {} tokens, vectors of {}, an LSTM of {}: {} parameters.",
        sizes.vocab_size,
        sizes.embedding_size,
        sizes.hidden_size,
        model.num_parameters()
    );
    let (first, last) = train(&mut model, &tokenizer, &mut rng)?;
    println!("{STEPS} steps of Adam: the loss falls from {first:.2} (ln 10000 = 9.21: no idea) to {last:.3}.\n");

    let mut continued = Vec::new();
    for (opening, sentence) in OPENINGS.iter().zip(SENTENCES) {
        let text = continue_sentence(&model, &tokenizer, opening)?;
        let verdict = if text == sentence { "as it was written" } else { "NOT as it was written" };
        println!("  {opening}… → {text}  ({verdict})");
        continued.push(json!({ "opening": opening, "text": text, "exact": text == sentence }));
    }
    let unknown: String = SEED_TEXT.chars().filter(|c| tokenizer.word_index(&c.to_string()).is_none()).collect();
    let next = continue_sentence(&model, &tokenizer, SEED_TEXT)?;
    println!(
        "\nThe article's seed text has characters that its sentences do not have ({unknown}): they count as unknown."
    );
    println!("It ends a sentence, so the model begins another one:\n  {next}\n");
    Ok(json!({
        "words_in_three_sentences": words,
        "first_loss": first,
        "last_loss": last,
        "continued": continued,
        "seed_text": next,
    }))
}

/// The number of different words that Keras' tokenizer sees in the three sentences.
fn what_a_word_tokenizer_makes_of_it() -> Result<usize> {
    let mut tokenizer = WordTokenizer::new().num_words(10_000).segment_cjk(false);
    tokenizer.fit_on_texts(SENTENCES)?;
    let sequences = tokenizer.texts_to_sequences(SENTENCES)?;
    println!("  - Its tokenizer splits at spaces. Chinese has none, so each sentence is one word: {sequences:?}.");
    let seed = tokenizer.texts_to_sequences([SEED_TEXT])?;
    println!("    The seed text is a word that it does not know, and vanishes: {:?}.", seed[0]);
    Ok(tokenizer.word_counts().len())
}

/// Trains on every pair of sentences, so that the model also learns that a sentence may follow a sentence. Returns the
/// first and the last loss.
fn train(model: &mut RecurrentLm, tokenizer: &WordTokenizer, rng: &mut Rng) -> Result<(f64, f64)> {
    let mut pairs = Vec::new();
    for a in SENTENCES {
        for b in SENTENCES {
            let ids = tokenizer.encode(&format!("{a}{b}"))?;
            pairs.push(ids.into_iter().map(|id| id as u32).collect::<Vec<_>>());
        }
    }
    // Position i of the targets is position i + 1 of the inputs; the padding behind the shorter ones does not count.
    let data = Sentences::new(pairs, 0)?;
    let all: Vec<usize> = (0..data.len()).collect();
    let (inputs, targets) = data.batch(&all)?;
    let mut opt = Adam::new(1e-2);
    let mut losses = Vec::new();
    for _step in 0..STEPS {
        let logits = model.forward(&inputs, &mut Mode::Train(rng))?;
        let loss = losses::token_cross_entropy(&logits, &targets)?;
        opt.step(model, &loss.backward()?)?;
        losses.push(loss.item()?);
    }
    Ok((losses[0], losses[STEPS - 1]))
}

/// The text and what the model thinks is likeliest to follow, up to the end of a sentence.
fn continue_sentence(model: &RecurrentLm, tokenizer: &WordTokenizer, text: &str) -> Result<String> {
    let end = tokenizer.encode("。")?;
    let options = GenerateOptions::new().sampler(Sampler::greedy()).end_tokens(&end).max_new_tokens(30);
    let continuation = model.generate(&tokenizer.encode(text)?, &options, &mut Rng::seed(0))?;
    Ok(format!("{text}{}。", tokenizer.decode(&continuation.tokens)?))
}
