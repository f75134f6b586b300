use demotic::models::Generate;
use demotic::prelude::*;

use super::models::{Whole, hashed, log_softmax, table};

fn text(n: usize, vocab: usize) -> Vec<i64> {
    let mut rng = Rng::seed(9);
    (0..n).map(|_| rng.below(vocab) as i64).collect()
}

fn close(got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-5 * want.abs(), "{got}, expected {want}");
}

#[test]
fn scores_are_those_of_each_token_after_the_ones_before() -> Result<()> {
    let model = Whole::new(6, None, hashed(6));
    let tokens = text(30, 6);
    let scores = model.score(&tokens)?;
    assert_eq!(scores.len(), 29);
    for (i, score) in scores.iter().enumerate() {
        close(*score, log_softmax(&hashed(6)(&tokens[..=i]))[tokens[i + 1] as usize]);
    }
    Ok(())
}

#[test]
fn a_model_that_guesses_has_the_perplexity_of_its_vocabulary() -> Result<()> {
    let model = Whole::new(7, Some(5), |_: &[i64]| vec![0.0; 7]);
    for stride in 1..=5 {
        let perplexity = model.perplexity(&text(40, 7), stride)?;
        close(perplexity.value(), 7.0);
        close(perplexity.nats_per_token(), 7f64.ln());
        close(perplexity.bits_per(39), 7f64.log2());
        assert_eq!(perplexity.tokens, 39);
    }
    Ok(())
}

#[test]
fn windows_predict_each_token_once() -> Result<()> {
    // Only the last token matters, which every window has.
    let bigram = |tokens: &[i64]| hashed(6)(&tokens[tokens.len() - 1..]);
    let tokens = text(50, 6);
    let whole: f64 = Whole::new(6, None, bigram).score(&tokens)?.iter().sum();
    for context in [1, 2, 7, 48, 49, 50, 100] {
        let model = Whole::new(6, Some(context), bigram);
        for stride in [1, 2, 3, context].into_iter().filter(|stride| *stride <= context) {
            let perplexity = model.perplexity(&tokens, stride)?;
            close(perplexity.log_prob, whole);
            assert_eq!(perplexity.tokens, 49);
        }
    }
    Ok(())
}

#[test]
fn windows_see_what_they_should() -> Result<()> {
    let tokens = text(40, 6);
    for (context, stride) in [(8, 3), (8, 8), (5, 1), (6, 4)] {
        let mut expected = 0.0;
        let (mut from, mut next) = (0, 1);
        while next < tokens.len() {
            let end = (from + context + 1).min(tokens.len());
            for i in next..end {
                expected += log_softmax(&hashed(6)(&tokens[from..i]))[tokens[i] as usize];
            }
            (from, next) = (from + stride, end);
        }
        let model = Whole::new(6, Some(context), hashed(6));
        close(model.perplexity(&tokens, stride)?.log_prob, expected);
    }
    // Without a limit there is one window.
    let model = Whole::new(6, None, hashed(6));
    close(model.perplexity(&tokens, 1)?.log_prob, model.score(&tokens)?.iter().sum());
    Ok(())
}

#[test]
fn the_frequencies_of_a_text_give_its_entropy() -> Result<()> {
    // One half, one quarter, two eighths: 1.75 bits.
    let logits: Vec<f32> = [0.5f32, 0.25, 0.125, 0.125].iter().map(|p| p.ln()).collect();
    let model = Whole::new(4, None, table(logits.repeat(16), 4));
    let perplexity = model.perplexity(&[3, 0, 1, 0, 2, 0, 1, 0, 3], 1)?;
    close(perplexity.bits_per(8), 1.75);
    Ok(())
}

#[test]
fn bad_texts_word_for_word() {
    let model = Whole::new(6, Some(4), hashed(6));
    let score = |tokens: &[i64]| model.score(tokens).unwrap_err();
    assert_eq!(score(&[1]).message(), "score: a text of 1 tokens, expected at least 2");
    assert_eq!(score(&[1]).help(), Some("the first token is not predicted, only those after it"));
    assert_eq!(score(&[1, 6]).message(), "score: token 1 is 6, which is not in the vocabulary of 6");
    assert_eq!(score(&[0; 6]).message(), "score: 5 tokens to predict, the model's context is 4");
    assert_eq!(score(&[0; 6]).help(), Some("perplexity() moves a window over longer texts"));
    let perplexity = |tokens: &[i64], stride| model.perplexity(tokens, stride).unwrap_err().message();
    assert_eq!(perplexity(&[], 1), "perplexity: a text of 0 tokens, expected at least 2");
    assert_eq!(perplexity(&[0, -1], 1), "perplexity: token 1 is -1, which is not in the vocabulary of 6");
    assert_eq!(perplexity(&[0, 1], 0), "perplexity: stride is 0, expected 1 to the context of 4");
    assert_eq!(perplexity(&[0, 1], 5), "perplexity: stride is 5, expected 1 to the context of 4");
}
