//! The sampler's filters and the beam search against `transformers`.

use demotic::models::{BeamSearch, BeamStop, CausalLm, Generate, GenerateOptions};
use demotic::prelude::*;
use demotic::text::{Sampler, TokenHistory};

use super::models::{Whole, table};
use crate::golden::{Case, Failures, Family};

fn sampler(case: &Case) -> Result<(Sampler, TokenHistory)> {
    let mut sampler = Sampler::new();
    if let Some(biases) = case.attr::<Option<Vec<(i64, f64)>>>("bias") {
        for (token, bias) in biases {
            sampler = sampler.bias(token, bias)?;
        }
    }
    if let Some(penalty) = case.attr::<Option<_>>("repetition_penalty") {
        sampler = sampler.repetition_penalty(penalty)?;
    }
    if let Some(tokens) = case.attr::<Option<Vec<i64>>>("forbid") {
        sampler = sampler.forbid(&tokens);
    }
    if let Some(temperature) = case.attr::<Option<_>>("temperature") {
        sampler = sampler.temperature(temperature)?;
    }
    if let Some(k) = case.attr::<Option<_>>("top_k") {
        sampler = sampler.top_k(k)?;
    }
    if let Some(p) = case.attr::<Option<_>>("top_p") {
        sampler = sampler.top_p(p)?;
    }
    if let Some(p) = case.attr::<Option<_>>("min_p") {
        sampler = sampler.min_p(p)?;
    }
    Ok((sampler, TokenHistory::of_prompt(&case.attr_or::<Vec<i64>>("history", Vec::new()))))
}

#[test]
fn filters_keep_what_those_of_transformers_keep() -> Result<()> {
    let family = Family::load("generation");
    let mut failures = Failures::default();
    let mut count = 0;
    for case in family.cases.iter().filter(|case| case.op == "sampler") {
        let (sampler, history) = sampler(case)?;
        let logits = family.stored(&format!("{}.in.0", case.id)).tensor(DType::F32);
        let want = family.stored(&format!("{}.out.0.f64", case.id));
        let mut got = vec![0.0; logits.numel()];
        for (token, p) in sampler.distribution(&logits, &history)? {
            got[token as usize] = p;
        }
        let got = Tensor::from_vec(got, [logits.numel()])?;
        if let Some(text) = want.mismatch(&got, 0.0, false) {
            failures.add(&case.id, text);
        }
        count += 1;
    }
    assert!(count > 40, "{count} cases");
    failures.finish(count);
    Ok(())
}

#[test]
fn beams_are_those_of_transformers() -> Result<()> {
    let family = Family::load("generation");
    let mut failures = Failures::default();
    let mut count = 0;
    for case in family.cases.iter().filter(|case| case.op == "beam") {
        let stored = |name: &str| family.stored(&format!("{}.{name}", case.id)).tensor(DType::F32).to_vec::<f32>();
        let (logits, places) = (table(stored("table")?, 7), stored("places")?);
        let model = Whole::new(7, None, |tokens: &[i64]| {
            let place = places.chunks(7).nth(tokens.len() - 1).unwrap();
            logits(tokens).iter().zip(place).map(|(a, b)| a + b).collect()
        });
        compare_beams(&family, case, &model, &mut failures)?;
        count += 1;
    }
    assert!(count > 30, "{count} cases");
    failures.finish(count);
    Ok(())
}

/// Compares the beams that a model finds, and their scores, with those of a case.
pub(super) fn compare_beams(
    family: &Family,
    case: &Case,
    model: &impl CausalLm,
    failures: &mut Failures,
) -> Result<()> {
    let search =
        BeamSearch::new(case.attr("num_beams"))?.length_penalty(case.attr_or("length_penalty", 1.0))?.stop(match case
            .attrs
            .get("early_stopping")
        {
            Some(serde_json::Value::Bool(true)) => BeamStop::Full,
            Some(serde_json::Value::String(_)) => BeamStop::Certain,
            _ => BeamStop::Likely,
        });
    let penalty = case.attr_or("repetition_penalty", 1.0);
    let options = GenerateOptions::new()
        .sampler(Sampler::new().repetition_penalty(penalty)?)
        .max_new_tokens(case.attr("max_new_tokens"))
        .min_new_tokens(case.attr_or("min_new_tokens", 0))
        .end_tokens(&case.attr_or("end_tokens", vec![0]));
    let found = model.beam_search(&case.attr::<Vec<i64>>("prompt"), &search, &options)?;

    let scores = family.stored(&format!("{}.scores.f32", case.id)).to_f64_vec();
    assert_eq!(found.len(), scores.len(), "{}", case.id);
    for ((i, beam), (want, score)) in found.iter().enumerate().zip(new_tokens(family, case)?.iter().zip(&scores)) {
        if beam.tokens != *want {
            failures.add(&case.id, format!("beam {i}: got {:?}, expected {want:?}", beam.tokens));
        } else if (beam.score - score).abs() > 1e-5 * score.abs().max(case.floor("scores")) {
            failures.add(&case.id, format!("score {i}: got {}, expected {score}", beam.score));
        }
    }
    Ok(())
}

/// The new tokens of each row of a case, before its end.
pub(super) fn new_tokens(family: &Family, case: &Case) -> Result<Vec<Vec<i64>>> {
    let tokens = family.stored(&format!("{}.tokens", case.id)).tensor(DType::I64);
    let row = |i| tokens.select(0, i)?.to_vec::<i64>();
    (0..tokens.shape()[0] as isize).map(|i| Ok(row(i)?.into_iter().filter(|token| *token >= 0).collect())).collect()
}
