use demotic::models::{CausalLm, Generate, GenerateOptions, LmState};
use demotic::prelude::*;
use demotic::text::Sampler;

use super::models::{Whole, hashed};

#[test]
fn bad_prompts_and_options_word_for_word() {
    let model = Whole::new(5, None, hashed(5));
    let generate =
        |prompt: &[i64], options: GenerateOptions| model.generate(prompt, &options, &mut Rng::seed(0)).unwrap_err();
    let options = GenerateOptions::new;
    let check = |e: Error, message: &str, help: Option<&str>| {
        assert_eq!((e.message().as_str(), e.help()), (message, help));
    };
    check(
        generate(&[], options()),
        "generate: the prompt is empty",
        Some("begin with a token, for example the one that separates texts"),
    );
    let together = Some("tokenizer and model belong together");
    check(generate(&[0, 5], options()), "generate: prompt token 1 is 5, which is not in the vocabulary of 5", together);
    check(generate(&[-1], options()), "generate: prompt token 0 is -1, which is not in the vocabulary of 5", together);
    check(
        generate(&[0], options().end_tokens(&[1, 9])),
        "generate: end token 1 is 9, which is not in the vocabulary of 5",
        together,
    );
    check(generate(&[0], options().max_new_tokens(0)), "generate: max_new_tokens is 0, expected at least 1", None);
    check(generate(&[0], options().samples(0)), "generate: samples is 0, expected at least 1", None);
    check(
        generate(&[0], options().samples(2)),
        "generate: samples is 2, but one continuation is returned",
        Some("generate_batch(&[prompt], ..) returns all of them"),
    );
    check(
        generate(&[0], options().samples(usize::MAX)),
        "generate: samples is 18446744073709551615, but one continuation is returned",
        Some("generate_batch(&[prompt], ..) returns all of them"),
    );
    check(generate(&[0], options().stop_sequence(&[1]).stop_sequence(&[])), "generate: stop sequence 1 is empty", None);
    check(
        generate(&[0], options().stop_text("end")),
        "generate: the stop text \"end\" needs a tokenizer",
        Some("use generate_text or stream_text, or stop_sequence(&[..])"),
    );
    let batch = |prompts: &[&[i64]], options| model.generate_batch(prompts, &options, &mut Rng::seed(0)).unwrap_err();
    check(batch(&[], options()), "generate: there are no prompts", None);
    check(batch(&[&[0]], options().samples(100_000)), "generate: samples is 100000, expected at most 65536", None);
    check(
        generate(&[0], options().sampler(Sampler::new().forbid(&[7]))),
        "sample: token 7 of the sampler's options or history is not in a vocabulary of 5",
        None,
    );
}

#[test]
fn errors_point_to_the_caller() {
    let model = Whole::new(5, None, hashed(5));
    let e = model.generate(&[], &GenerateOptions::new(), &mut Rng::seed(0)).unwrap_err();
    assert!(e.to_string().contains(&format!("at {}:{}", file!(), line!() - 1)), "{e}");
}

#[test]
fn logits_that_are_no_numbers_end_a_stream_with_an_error() -> Result<()> {
    let model = Whole::new(3, None, |tokens: &[i64]| vec![if tokens.len() == 3 { f32::NAN } else { 0.0 }; 3]);
    let mut stream = model.stream(&[0], &GenerateOptions::new(), &mut Rng::seed(0))?;
    assert!(stream.next().unwrap().is_ok() && stream.next().unwrap().is_ok());
    let e = stream.next().unwrap().unwrap_err();
    assert_eq!(e.message(), "sample: the logit of token 0 is NaN");
    assert_eq!(e.help(), Some("the model's parameters may have diverged in training"));
    assert!(stream.next().is_none() && stream.finish_reason().is_none());
    Ok(())
}

/// A model that does not keep its promises.
struct Broken;

#[derive(Clone)]
struct Nothing;

impl LmState for Nothing {
    fn rows(&self) -> usize {
        1
    }
    fn len(&self) -> usize {
        0
    }
    fn reorder(&mut self, _rows: &[usize]) -> Result<()> {
        Ok(())
    }
}

impl CausalLm for Broken {
    type State = Nothing;
    fn vocab_size(&self) -> usize {
        4
    }
    fn context_length(&self) -> Option<usize> {
        None
    }
    fn start(&self, _padding: &[usize]) -> Result<Nothing> {
        Ok(Nothing)
    }
    fn extend(&self, ids: &Tensor, _state: &mut Nothing) -> Result<Tensor> {
        Tensor::zeros([1, ids.shape()[1], 3])
    }
}

#[test]
fn a_model_with_logits_of_another_shape_is_an_error() {
    let e = Broken.generate(&[0], &GenerateOptions::new(), &mut Rng::seed(0)).unwrap_err();
    let expected = "generate: the model returned logits of shape [1, 3] (f32), expected [1, 4] of a float type";
    assert_eq!(e.message(), expected);
    assert!(Broken.score(&[0, 1]).is_err());
}
