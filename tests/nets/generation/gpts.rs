//! GPTs that generate, against GPT-2 of `transformers`.

use demotic::models::{FinishReason, Generate, GenerateOptions, Gpt};
use demotic::prelude::*;
use demotic::text::Sampler;

use super::transformers::{compare_beams, new_tokens};
use crate::golden::{Case, Failures, Family, RUNS};
use crate::gpt::model;

/// Every case of this kind, with its model in both types.
fn each(op: &str, mut check: impl FnMut(&Family, &Case, &Gpt) -> Result<()>) -> Result<()> {
    let family = Family::load("gpt");
    let mut count = 0;
    for case in family.cases.iter().filter(|case| case.op == op) {
        let id: String = case.attr("model");
        let generator = family.cases.iter().find(|case| case.id == id).unwrap();
        for (dtype, _) in RUNS {
            check(&family, case, &model(&family, generator, dtype)?)?;
        }
        count += 1;
    }
    assert!(count > 3, "{count} cases");
    Ok(())
}

fn greedy(case: &Case) -> GenerateOptions {
    GenerateOptions::new().sampler(Sampler::greedy()).end_tokens(&case.attr_or("end_tokens", Vec::new()))
}

#[test]
fn beams() -> Result<()> {
    let mut failures = Failures::default();
    each("beam", |family, case, model| compare_beams(family, case, model, &mut failures))?;
    failures.finish(24);
    Ok(())
}

#[test]
fn prompts_of_different_lengths_together_and_alone() -> Result<()> {
    each("batch", |family, case, model| {
        let (want, prompts) = (new_tokens(family, case)?, case.attr::<Vec<Vec<i64>>>("prompts"));
        let longest = prompts.iter().map(Vec::len).max().unwrap();
        let options = greedy(case).max_new_tokens(model.config().context_length - longest);
        let together = model.generate_batch(&prompts, &options, &mut Rng::seed(0))?;
        for ((together, want), prompt) in together.iter().zip(&want).zip(&prompts) {
            assert_eq!(together.tokens, *want, "{} {prompt:?}", case.id);
            let alone = model.generate(prompt, &options, &mut Rng::seed(0))?;
            assert_eq!((&alone.tokens, alone.finish), (want, together.finish), "{} {prompt:?}", case.id);
        }
        Ok(())
    })
}

#[test]
fn windows_that_slide_over_the_context() -> Result<()> {
    each("window", |family, case, model| {
        let want = family.stored(&format!("{}.tokens", case.id)).tensor(DType::I64).to_vec::<i64>()?;
        let options = greedy(case).max_new_tokens(want.len()).sliding_window();
        let got = model.generate(&case.attr::<Vec<i64>>("prompt"), &options, &mut Rng::seed(0))?;
        assert_eq!((got.tokens, got.finish), (want, FinishReason::MaxNewTokens), "{}", case.id);
        Ok(())
    })
}
