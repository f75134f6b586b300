use std::sync::atomic::Ordering;

use demotic::models::{FinishReason, Generate, GenerateOptions};
use demotic::prelude::*;
use demotic::text::Sampler;

use super::models::{Whole, hashed};

fn options() -> GenerateOptions {
    GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(100)
}

#[test]
fn a_full_context_ends_the_continuation() -> Result<()> {
    let model = Whole::new(5, Some(8), hashed(5));
    for (prompt, new) in [(1, 8), (5, 4), (8, 1)] {
        let prompt: Vec<i64> = (0..prompt).map(|i| i % 5).collect();
        let continuation = model.generate(&prompt, &options(), &mut Rng::seed(0))?;
        // The last token is chosen with a full context, and does not fit into it any more.
        assert_eq!((continuation.tokens.len(), continuation.finish), (new, FinishReason::Context));
    }
    Ok(())
}

#[test]
fn a_long_prompt_is_an_error_or_truncated() -> Result<()> {
    let model = Whole::new(5, Some(4), hashed(5));
    let prompt = [0, 1, 2, 3, 4, 0];
    let e = model.generate(&prompt, &options(), &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "generate: the prompt has 6 tokens, the model's context 4");
    assert_eq!(e.help(), Some("GenerateOptions::truncate_prompt() keeps its last tokens"));

    let truncated = options().truncate_prompt().sliding_window();
    let got = model.generate(&prompt, &truncated, &mut Rng::seed(0))?;
    assert_eq!(got, model.generate(&prompt[2..], &truncated, &mut Rng::seed(0))?);
    Ok(())
}

#[test]
fn a_sliding_window_goes_on_from_the_last_half() -> Result<()> {
    for context in [1, 2, 3, 8, 9] {
        let model = Whole::new(5, Some(context), hashed(5));
        let continuation = model.generate(&[3], &options().sliding_window(), &mut Rng::seed(0))?;
        assert_eq!((continuation.tokens.len(), continuation.finish), (100, FinishReason::MaxNewTokens));
        let mut window = vec![3];
        for token in continuation.tokens {
            let logits = (model.logits)(&window);
            let best = (0..5).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
            assert_eq!(token, best as i64, "context {context}");
            window.push(token);
            if window.len() > context {
                window.drain(..window.len() - (context / 2).max(1));
            }
        }
    }
    Ok(())
}

#[test]
fn the_cost_of_a_token_does_not_grow() -> Result<()> {
    let model = Whole::new(5, Some(64), hashed(5));
    let fed = |tokens: usize| -> Result<usize> {
        let before = model.fed.load(Ordering::Relaxed);
        let options = options().max_new_tokens(tokens).sliding_window();
        assert_eq!(model.generate(&[0; 64], &options, &mut Rng::seed(0))?.tokens.len(), tokens);
        Ok(model.fed.load(Ordering::Relaxed) - before)
    };
    // Every 33 tokens, 32 are fed anew.
    assert!(fed(330)? <= 64 + 2 * 330, "{}", fed(330)?);
    assert!(fed(3300)? <= 64 + 2 * 3300, "{}", fed(3300)?);
    Ok(())
}
