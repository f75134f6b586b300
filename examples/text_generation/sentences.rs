//! Part 1: three Chinese sentences, learnt by heart by a recurrent network; and what usually goes wrong with that.

use demotic::data::Sentences;
use demotic::models::{Generate, GenerateOptions, RecurrentLm, RecurrentLmConfig};
use demotic::prelude::*;
use demotic::text::{Sampler, Tokenizer, WordTokenizer};
use serde_json::{Value, json};

const SENTENCES: [&str; 3] = ["这是一个关于人工智能的文本。", "人工智能将改变我们的生活。", "人工智能需要受到规范。"];
/// A text to continue that is not among them.
const ANOTHER: &str = "人工智能是一种技术。";
/// The first characters of each sentence that no other sentence begins with.
const OPENINGS: [&str; 3] = ["这", "人工智能将", "人工智能需"];
const STEPS: usize = 60;

pub fn run(seed: u64) -> Result<Value> {
    println!("━━ 1. Three sentences by heart ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━\n");
    println!(
        "The smallest language model there is: a recurrent network that has read three sentences and continues them."
    );
    for sentence in SENTENCES {
        println!("  {sentence}");
    }
    println!(
        "\nThe program looks easy, and four mistakes are made again and again. None of them is reported by anybody:"
    );
    let words = a_word_tokenizer_for_chinese()?;
    println!(
        "  · The targets are the inputs. Then the task is to copy, which is learnt at once and good for nothing. The"
    );
    println!("    target of each place is the token at the next one.");
    println!(
        "  · The loss wants a probability for each class, and gets the number of the right class. Here the losses for"
    );
    println!("    both have different names, and the wrong one is an error.");
    println!(
        "  · Predictions for all places are printed as if they were a text. A text is generated token by token: each"
    );
    println!("    goes back into the model before the next one is asked for.\n");

    let mut tokenizer = WordTokenizer::new().num_words(10_000).oov_token("<?>");
    tokenizer.fit_on_texts(SENTENCES)?;
    let mut rng = Rng::seed(seed);
    let mut model = RecurrentLm::new(RecurrentLmConfig::default(), &mut rng)?;
    let sizes = model.config();
    println!(
        "Done right, with an LSTM of {} units, vectors of {} numbers for up to {} characters, {} parameters:",
        sizes.hidden_size,
        sizes.embedding_size,
        sizes.vocab_size,
        model.num_parameters()
    );
    let (first, last) = train(&mut model, &tokenizer, &mut rng)?;
    println!(
        "{STEPS} steps of Adam; the loss falls from {first:.2} (ln 10000 = 9.21: no idea) to {last:.3} nats per character.\n"
    );

    let mut continued = Vec::new();
    for (opening, sentence) in OPENINGS.iter().zip(SENTENCES) {
        let text = continue_sentence(&model, &tokenizer, opening)?;
        let verdict = if text == sentence { "as it was written" } else { "NOT as it was written" };
        println!("  {opening}… → {text}  ({verdict})");
        continued.push(json!({ "opening": opening, "text": text, "exact": text == sentence }));
    }
    let unknown: String = ANOTHER.chars().filter(|c| tokenizer.word_index(&c.to_string()).is_none()).collect();
    let next = continue_sentence(&model, &tokenizer, ANOTHER)?;
    println!(
        "\nA sentence that it has not read has characters that it does not know ({unknown}). Since it is at its end, the"
    );
    println!("model begins another one:\n  {next}\n");
    println!(
        "That is memory, and not yet language. For that, there has to be more text than can be learnt by heart.\n"
    );
    Ok(json!({
        "words_in_three_sentences": words,
        "first_loss": first,
        "last_loss": last,
        "continued": continued,
        "seed_text": next,
    }))
}

/// The number of different words that a tokenizer sees in the three sentences if it divides texts at spaces.
fn a_word_tokenizer_for_chinese() -> Result<usize> {
    let mut tokenizer = WordTokenizer::new().num_words(10_000).segment_cjk(false);
    tokenizer.fit_on_texts(SENTENCES)?;
    let sequences = tokenizer.texts_to_sequences(SENTENCES)?;
    println!(
        "  · Words are what stands between spaces. Chinese has none, so each sentence is one word: {sequences:?}."
    );
    let another = tokenizer.texts_to_sequences([ANOTHER])?;
    println!(
        "    Any other sentence is a word that is not known, and vanishes: {:?}. Characters are better words.",
        another[0]
    );
    Ok(tokenizer.word_counts().len())
}

/// Trains on every pair of sentences, so that the model also learns that a sentence may follow a sentence. Returns the
/// first and the last loss.
fn train(model: &mut RecurrentLm, tokenizer: &WordTokenizer, rng: &mut Rng) -> Result<(f64, f64)> {
    let mut pairs = Vec::new();
    for a in SENTENCES {
        for b in SENTENCES {
            pairs.push(tokenizer.encode(&format!("{a}{b}"))?);
        }
    }
    // Position i of the targets is position i + 1 of the inputs; the padding behind the shorter ones does not count.
    let data = Sentences::new(pairs, 0)?;
    let all: Vec<usize> = (0..data.len()).collect();
    let (inputs, targets) = data.batch(&all, rng)?;
    let mut opt = Adam::new(1e-2);
    let mut losses = Vec::new();
    for _step in 0..STEPS {
        let logits = model.forward(&inputs, &mut Mode::train(rng))?;
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
