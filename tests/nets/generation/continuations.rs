use demotic::models::{CausalLm, Continuation, FinishReason, Generate, GenerateOptions, LmState};
use demotic::prelude::*;
use demotic::text::Sampler;

use super::models::{Whole, counting, hashed, log_softmax};

fn greedy(max_new_tokens: usize) -> GenerateOptions {
    GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(max_new_tokens)
}

#[test]
fn a_counting_model_counts() -> Result<()> {
    let model = Whole::new(10, None, counting(10));
    let continuation = model.generate(&[3, 4], &greedy(8), &mut Rng::seed(0))?;
    assert_eq!(continuation.tokens, [5, 6, 7, 8, 9, 0, 1, 2]);
    assert_eq!(continuation.finish, FinishReason::MaxNewTokens);
    assert!(continuation.log_probs.iter().all(|p| *p <= 0.0 && *p > -1e-10));
    // Each token is fed once, and the last one not at all.
    assert_eq!(model.fed.into_inner(), 2 + 7);
    Ok(())
}

#[test]
fn log_probabilities_are_those_of_the_model_whatever_the_sampler_does() -> Result<()> {
    let model = Whole::new(6, None, hashed(6));
    let sampler = Sampler::new().temperature(0.5)?.top_k(3)?.bias(2, 1.0)?.presence_penalty(0.5)?;
    let options = GenerateOptions::new().sampler(sampler).max_new_tokens(20);
    let continuation = model.generate(&[1, 2], &options, &mut Rng::seed(1))?;
    let mut tokens = vec![1, 2];
    for (token, log_prob) in continuation.tokens.iter().zip(&continuation.log_probs) {
        let expected = log_softmax(&(model.logits)(&tokens))[*token as usize];
        assert!((log_prob - expected).abs() < 1e-5, "{log_prob}, expected {expected}");
        tokens.push(*token);
    }
    let scores = model.score(&tokens)?;
    assert_eq!(scores.len(), 21);
    for (a, b) in scores[1..].iter().zip(&continuation.log_probs) {
        assert!((a - b).abs() < 1e-6);
    }
    Ok(())
}

#[test]
fn end_tokens_end_and_are_dropped() -> Result<()> {
    let model = Whole::new(10, None, counting(10));
    let mut rng = Rng::seed(0);
    let continuation = model.generate(&[3], &greedy(50).end_tokens(&[9, 6]), &mut rng)?;
    assert_eq!((continuation.tokens, continuation.finish), (vec![4, 5], FinishReason::EndToken(6)));
    assert_eq!(continuation.log_probs.len(), 2);
    let at_once = model.generate(&[5], &greedy(50).end_tokens(&[6]), &mut rng)?;
    assert_eq!((at_once.tokens, at_once.finish), (vec![], FinishReason::EndToken(6)));
    Ok(())
}

#[test]
fn there_is_no_end_before_the_least_number_of_tokens() -> Result<()> {
    let mut logits = vec![1.0f32; 5];
    logits[2] = 50.0;
    let model = Whole::new(5, None, move |_: &[i64]| logits.clone());
    for least in [0, 1, 4] {
        let options = GenerateOptions::new().end_tokens(&[2]).min_new_tokens(least).max_new_tokens(30);
        let continuation = model.generate(&[0], &options, &mut Rng::seed(3))?;
        assert_eq!((continuation.tokens.len(), continuation.finish), (least, FinishReason::EndToken(2)));
    }
    Ok(())
}

#[test]
fn stop_sequences_end_and_are_dropped() -> Result<()> {
    let model = Whole::new(10, None, counting(10));
    let mut rng = Rng::seed(0);
    let mut run = |options: GenerateOptions| -> Result<(Vec<i64>, FinishReason)> {
        let c = model.generate(&[0], &options, &mut rng)?;
        assert_eq!(c.tokens.len(), c.log_probs.len());
        Ok((c.tokens, c.finish))
    };
    let stopped = |which| FinishReason::StopSequence(which);
    assert_eq!(run(greedy(50).stop_sequence(&[4, 5]))?, (vec![1, 2, 3], stopped(0)));
    assert_eq!(run(greedy(50).stop_sequence(&[4, 6]).stop_sequence(&[3]))?, (vec![1, 2], stopped(1)));
    // The longest of those that are complete at once.
    assert_eq!(run(greedy(50).stop_sequence(&[5]).stop_sequence(&[3, 4, 5]))?, (vec![1, 2], stopped(1)));
    // The prompt is no part of it.
    assert_eq!(run(greedy(5).stop_sequence(&[0, 1]))?, (vec![1, 2, 3, 4, 5], FinishReason::MaxNewTokens));
    // A sequence that was only begun belongs to the continuation.
    assert_eq!(run(greedy(5).stop_sequence(&[4, 5, 6]))?, (vec![1, 2, 3, 4, 5], FinishReason::MaxNewTokens));
    // The last token may complete a sequence.
    assert_eq!(run(greedy(5).stop_sequence(&[4, 5]))?, (vec![1, 2, 3], stopped(0)));
    Ok(())
}

#[test]
fn a_stream_holds_back_what_may_begin_a_stop_sequence() -> Result<()> {
    let model = Whole::new(10, None, counting(10));
    let options = greedy(50).stop_sequence(&[3, 4, 6]).stop_sequence(&[7, 8]);
    let mut stream = model.stream(&[0], &options, &mut Rng::seed(0))?;
    let mut seen = Vec::new();
    while let Some(token) = stream.next() {
        seen.push((token?.id, stream.finish_reason()));
    }
    // 3 and 4 came together when 5 was known, 7 never came.
    assert_eq!(seen, [1, 2, 3, 4, 5, 6].map(|id| (id, None)));
    assert_eq!(stream.finish_reason(), Some(FinishReason::StopSequence(1)));
    assert!(stream.next().is_none());
    Ok(())
}

#[test]
fn a_stream_gives_the_tokens_of_the_whole() -> Result<()> {
    let model = Whole::new(4, None, hashed(4));
    for seed in 0..30 {
        let options = GenerateOptions::new().max_new_tokens(25).end_tokens(&[0]).stop_sequence(&[1, 1, 2]);
        let whole = model.generate(&[1], &options, &mut Rng::seed(seed))?;
        let mut stream = model.stream(&[1], &options, &mut Rng::seed(seed))?;
        let tokens = stream.by_ref().collect::<Result<Vec<_>>>()?;
        assert_eq!(tokens.iter().map(|t| t.id).collect::<Vec<_>>(), whole.tokens);
        assert_eq!(tokens.iter().map(|t| t.log_prob).collect::<Vec<_>>(), whole.log_probs);
        assert_eq!(stream.finish_reason(), Some(whole.finish));
    }
    Ok(())
}

#[test]
fn a_batch_gives_what_its_prompts_give_alone() -> Result<()> {
    let prompts: [&[i64]; 4] = [&[1, 2, 3, 4, 0, 1], &[2], &[3, 3, 3], &[1, 2, 3, 4, 0, 1, 2, 3, 4]];
    let sampler = Sampler::new().temperature(0.9)?.top_p(0.95)?.repetition_penalty(1.2)?;
    let base = GenerateOptions::new().sampler(sampler).end_tokens(&[0]).max_new_tokens(40);
    for context in [None, Some(9), Some(12), Some(20)] {
        let model = Whole::new(5, context, hashed(5));
        for options in [base.clone(), base.clone().sliding_window(), base.clone().min_new_tokens(30).sliding_window()] {
            for seed in 0..5 {
                let mut rng = Rng::seed(seed);
                let together = model.generate_batch(&prompts, &options, &mut rng)?;
                let mut again = Rng::seed(seed);
                let alone =
                    prompts.iter().map(|p| model.generate(p, &options, &mut again)).collect::<Result<Vec<_>>>()?;
                assert_eq!(together, alone, "context {context:?}, seed {seed}");
                assert_eq!(rng, again);
            }
        }
    }
    Ok(())
}

#[test]
fn several_samples_of_a_prompt_read_it_once() -> Result<()> {
    let model = Whole::new(5, None, hashed(5));
    let options = GenerateOptions::new().max_new_tokens(6).samples(3);
    let prompts: [&[i64]; 2] = [&[1, 2, 3, 4], &[2, 2]];
    let together = model.generate_batch(&prompts, &options, &mut Rng::seed(4))?;
    assert_eq!(model.fed.into_inner(), 2 * 4 + 6 * 5);

    let model = Whole::new(5, None, hashed(5));
    let mut rng = Rng::seed(4);
    let alone: Vec<Continuation> =
        (0..6).map(|i| model.generate(prompts[i / 3], &options.clone().samples(1), &mut rng)).collect::<Result<_>>()?;
    assert_eq!(together, alone);
    assert_ne!(together[0].tokens, together[1].tokens);
    Ok(())
}

#[test]
fn nothing_is_recorded() -> Result<()> {
    struct Tracked(Tensor);
    #[derive(Clone)]
    struct Nothing(usize);
    impl LmState for Nothing {
        fn rows(&self) -> usize {
            1
        }
        fn len(&self) -> usize {
            self.0
        }
        fn reorder(&mut self, _rows: &[usize]) -> Result<()> {
            Ok(())
        }
    }
    impl CausalLm for Tracked {
        type State = Nothing;
        fn vocab_size(&self) -> usize {
            3
        }
        fn context_length(&self) -> Option<usize> {
            None
        }
        fn start(&self, _padding: &[usize]) -> Result<Nothing> {
            Ok(Nothing(0))
        }
        fn extend(&self, ids: &Tensor, state: &mut Nothing) -> Result<Tensor> {
            let n = ids.shape()[1];
            state.0 += n;
            let logits = (&self.0 * 2.0).broadcast_to([1, n, 3])?;
            assert!(!logits.is_tracked());
            Ok(logits)
        }
    }
    let model = Tracked(tensor![1.0, 2.0, 0.0].tracked()?);
    model.generate(&[0], &GenerateOptions::new().max_new_tokens(3), &mut Rng::seed(0))?;
    model.score(&[0, 1, 2])?;
    Ok(())
}

#[test]
fn a_token_of_a_large_vocabulary_allocates_nothing_of_its_size() -> Result<()> {
    struct Fixed(Tensor);
    #[derive(Clone)]
    struct Count(usize);
    impl LmState for Count {
        fn rows(&self) -> usize {
            1
        }
        fn len(&self) -> usize {
            self.0
        }
        fn reorder(&mut self, _rows: &[usize]) -> Result<()> {
            Ok(())
        }
    }
    impl CausalLm for Fixed {
        type State = Count;
        fn vocab_size(&self) -> usize {
            50_257
        }
        fn context_length(&self) -> Option<usize> {
            None
        }
        fn start(&self, _padding: &[usize]) -> Result<Count> {
            Ok(Count(0))
        }
        fn extend(&self, ids: &Tensor, state: &mut Count) -> Result<Tensor> {
            state.0 += ids.shape()[1];
            self.0.reshape([1, 1, 50_257])
        }
    }
    let model = Fixed(Tensor::normal([50_257], 0.0, 3.0, &mut Rng::seed(0))?);
    for sampler in
        [Sampler::new(), Sampler::new().temperature(0.8)?.top_k(40)?.top_p(0.9)?, Sampler::new().top_p(0.99)?]
    {
        let options = GenerateOptions::new().sampler(sampler).max_new_tokens(100);
        let mut stream = model.stream(&[0], &options, &mut Rng::seed(0))?;
        stream.by_ref().take(3).collect::<Result<Vec<_>>>()?;
        let mut took = None;
        let info = allocation_counter::measure(|| took = stream.by_ref().take(50).last());
        assert!(took.is_some_and(|token| token.is_ok()));
        assert!(info.bytes_total < 50 * 1000, "{info:?}");
    }
    Ok(())
}
