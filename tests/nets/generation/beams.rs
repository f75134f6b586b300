use demotic::models::{Beam, BeamSearch, BeamStop, FinishReason, Generate, GenerateOptions};
use demotic::prelude::*;
use demotic::text::Sampler;

use super::models::{Whole, hashed, log_softmax};

/// Every continuation of a prompt that ends with token 0 or has `longest` tokens, best first.
fn all(vocab: usize, prompt: &[i64], longest: usize, penalty: f64) -> Vec<Beam> {
    let mut open = vec![(Vec::new(), 0.0)];
    let mut done = Vec::new();
    for length in 1..=longest {
        let mut next = Vec::new();
        for (tokens, sum) in open {
            let seen: Vec<i64> = prompt.iter().chain(&tokens).copied().collect();
            for (token, log_prob) in (0..).zip(log_softmax(&hashed(vocab)(&seen))) {
                let (mut tokens, sum): (Vec<i64>, f64) = (tokens.clone(), sum + log_prob);
                let score = sum / (length as f64).powf(penalty);
                if token == 0 {
                    done.push(Beam { tokens, score, finish: FinishReason::EndToken(0) });
                    continue;
                }
                tokens.push(token);
                if length == longest {
                    done.push(Beam { tokens, score, finish: FinishReason::MaxNewTokens });
                } else {
                    next.push((tokens, sum));
                }
            }
        }
        open = next;
    }
    done.sort_by(|a, b| b.score.total_cmp(&a.score));
    done
}

#[test]
fn enough_beams_find_the_best_of_all() -> Result<()> {
    for (vocab, longest) in [(3, 5), (4, 4), (5, 3)] {
        let model = Whole::new(vocab, None, hashed(vocab));
        for penalty in [0.0, 1.0, 2.0, -0.5] {
            let every = all(vocab, &[1, 2], longest, penalty);
            let search = BeamSearch::new(every.len())?.length_penalty(penalty)?.stop(BeamStop::Certain);
            let options = GenerateOptions::new().max_new_tokens(longest).end_tokens(&[0]);
            let found = model.beam_search(&[1, 2], &search, &options)?;
            assert_eq!(found.len(), every.len());
            for (found, expected) in found.iter().zip(&every) {
                assert!((found.score - expected.score).abs() < 1e-5, "{found:?}, expected {expected:?}");
            }
            assert_eq!((&found[0].tokens, found[0].finish), (&every[0].tokens, every[0].finish));
        }
    }
    Ok(())
}

#[test]
fn one_beam_is_greedy() -> Result<()> {
    let model = Whole::new(6, Some(20), hashed(6));
    let options = GenerateOptions::new().sampler(Sampler::greedy().repetition_penalty(1.1)?).max_new_tokens(50);
    let found = model.beam_search(&[1, 2], &BeamSearch::new(1)?, &GenerateOptions::new().max_new_tokens(50))?;
    let plain = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(50);
    let greedy = model.generate(&[1, 2], &plain, &mut Rng::seed(0))?;
    assert_eq!((&found[0].tokens, found[0].finish), (&greedy.tokens, FinishReason::Context));
    let mean = greedy.log_probs.iter().sum::<f64>() / greedy.tokens.len() as f64;
    assert!((found[0].score - mean).abs() < 1e-5);
    assert_eq!(model.beam_search(&[1, 2], &BeamSearch::new(1)?, &options)?[0].finish, FinishReason::Context);
    Ok(())
}

#[test]
fn stop_sequences_and_forbidden_tokens_hold_for_beams() -> Result<()> {
    let model = Whole::new(5, None, hashed(5));
    let options = GenerateOptions::new()
        .sampler(Sampler::new().forbid(&[4]))
        .max_new_tokens(12)
        .stop_sequence(&[2])
        .stop_sequence(&[3, 1]);
    for beam in model.beam_search(&[1], &BeamSearch::new(6)?, &options)? {
        assert!(!beam.tokens.contains(&4) && !beam.tokens.contains(&2), "{beam:?}");
        assert!(!beam.tokens.windows(2).any(|pair| pair == [3, 1]), "{beam:?}");
    }
    Ok(())
}

#[test]
fn bad_searches_word_for_word() -> Result<()> {
    let argument = |result: Result<BeamSearch>| result.unwrap_err().message();
    assert_eq!(argument(BeamSearch::new(0)), "BeamSearch: num_beams is 0, expected 1 to 65536");
    assert_eq!(argument(BeamSearch::new(70_000)), "BeamSearch: num_beams is 70000, expected 1 to 65536");
    assert_eq!(
        argument(BeamSearch::new(2)?.length_penalty(f64::NAN)),
        "BeamSearch: length_penalty is NaN, expected a finite number"
    );
    let model = Whole::new(5, None, hashed(5));
    let search = |options: GenerateOptions| model.beam_search(&[1], &BeamSearch::new(2)?, &options);
    let message = |options| search(options).unwrap_err().message();
    let options = GenerateOptions::new;
    assert_eq!(
        message(options().sampler(Sampler::new().top_k(3)?)),
        "beam_search: the sampler has a temperature, top_k, top_p or min_p, but beam search draws nothing"
    );
    assert_eq!(message(options().samples(2)), "beam_search: samples is above 1");
    assert_eq!(message(options().stop_text("x")), "beam_search: stop texts need a tokenizer");
    assert_eq!(message(options().stop_sequence(&[])), "generate: stop sequence 0 is empty");
    assert_eq!(
        message(options().sampler(Sampler::new().forbid(&[0, 1, 2, 3, 4]))),
        "beam_search: no token is possible: each of 5 is forbidden or has a logit of −∞"
    );
    Ok(())
}
