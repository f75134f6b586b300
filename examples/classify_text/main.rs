//! Text classification: is a review good or bad? A transformer encoder beside a bag of words.
//!
//! `cargo run --release --example classify_text`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod options;
mod reviews;

use std::time::Instant;

use demotic::models::{TransformerClassifier, TransformerClassifierConfig};
use demotic::prelude::*;
use demotic::text::{BatchOptions, Tokenizer, WordTokenizer};
use options::Options;
use reviews::{Review, review};
use serde_json::json;

/// The longest review has fewer words.
const MAX_LENGTH: usize = 32;
/// Unseen reviews to measure with.
const TESTED: usize = 1000;

/// How often each word occurs in a text, and a weight for each of them: what does not know of order.
#[derive(Clone)]
struct BagOfWords {
    head: Linear,
    words: usize,
}

module!(BagOfWords { head }, plain { words });

impl Layer for BagOfWords {
    fn forward(&self, ids: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let counts = ids.one_hot(self.words)?.to_dtype(DType::F32).sum_dims(&[1], false)?; // [batch, words]
        self.head.at("head", &counts, mode)
    }
}

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("classify_text", &options.out, e))?;
    let mut rng = Rng::seed(options.seed);
    let mut words = WordTokenizer::new().oov_token("<?>");
    let sample: Vec<_> = (0..2000).map(|_| review(&mut rng).text).collect();
    words.fit_on_texts(&sample)?;
    let test: Vec<_> = (0..TESTED).map(|_| review(&mut rng)).collect();
    println!("Reviews of {} different words, for example:", words.vocab_size());
    for example in &test[..4] {
        println!("  {} {}", if example.class == 1 { "+" } else { "−" }, example.text);
    }
    println!(
        "\"Good\" and \"bad\" are in both kinds: \"not\" turns them round, \"but\" and \"although\" say which one counts.\n"
    );

    let mut bag = BagOfWords { head: Linear::new(words.vocab_size(), 2, &mut rng)?, words: words.vocab_size() };
    let by_bag = train("a bag of words", &mut bag, &words, &test, &options, &mut rng)?;
    let config = TransformerClassifierConfig::new(words.vocab_size(), 2, MAX_LENGTH)
        .layers(2)
        .heads(4)
        .hidden_size(64)
        .padding_id(0);
    let mut model = TransformerClassifier::new(config, &mut rng)?;
    let by_transformer = train("a transformer encoder", &mut model, &words, &test, &options, &mut rng)?;

    println!();
    let own = [
        "the food was not bad",
        "although the plot was never boring the music was awful",
        "the view was great but the staff was not",
    ];
    // The model, its vocabulary and the names of its classes in one file; whoever opens it can classify texts at once.
    let path = options.out.join("classify_text.safetensors");
    TextPipeline::classifier(model, words, &["bad", "good"])?.save(&path)?;
    let reviews = TextPipeline::<TransformerClassifier>::open(&path)?;
    for text in options.text.as_deref().map_or(own.to_vec(), |text| vec![text]) {
        println!("  {:14} {text}", reviews.classify(text)?.to_string());
    }
    println!("The model is in {}.", path.display());
    let results = json!({ "bag_of_words": by_bag, "transformer": by_transformer });
    if options.json {
        println!("{results}");
    }
    if options.check && !(by_transformer > 0.98 && by_transformer > by_bag + 0.1) {
        return Err(Error::numeric("check", format!("the accuracies are not what they should be: {results}")));
    }
    Ok(())
}

/// Trains a model on random reviews; its accuracy on those of the test.
fn train<M: Layer>(
    name: &str,
    model: &mut M,
    words: &WordTokenizer,
    test: &[Review],
    options: &Options,
    rng: &mut Rng,
) -> Result<f64> {
    let start = Instant::now();
    let mut opt = AdamW::new(options.lr).decay_matrices_only();
    for _step in 0..options.steps {
        let batch: Vec<_> = (0..options.batch).map(|_| review(rng)).collect();
        let (x, y) = tensors(words, &batch)?;
        let loss = losses::cross_entropy(&model.forward(&x, &mut Mode::train(rng))?, &y)?;
        opt.step(model, &loss.backward()?)?;
    }
    let (x, y) = tensors(words, test)?;
    let accuracy = metrics::accuracy(&model.predict(&x)?, &y)?;
    let (parameters, seconds) = (model.num_parameters(), start.elapsed().as_secs_f64());
    println!(
        "{name} ({parameters} parameters, {seconds:.1} s): {:.1} % of {} reviews right",
        100.0 * accuracy,
        test.len()
    );
    Ok(accuracy)
}

fn tensors(words: &WordTokenizer, reviews: &[Review]) -> Result<(Tensor, Tensor)> {
    let texts: Vec<&str> = reviews.iter().map(|review| review.text.as_str()).collect();
    let classes = reviews.iter().map(|review| review.class).collect();
    Ok((ids(words, &texts)?, Tensor::from_vec(classes, [reviews.len()])?))
}

/// Texts as ids, short ones padded with zeros on the right.
fn ids(words: &WordTokenizer, texts: &[&str]) -> Result<Tensor> {
    Ok(words.encode_batch(texts, &BatchOptions::new().max_length(MAX_LENGTH))?.ids)
}
