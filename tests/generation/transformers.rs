//! The sampler's filters and the beam search against `transformers`.

use demotic::models::{BeamSearch, BeamStop, Generate, GenerateOptions};
use demotic::prelude::*;
use demotic::text::{History, Sampler};

use crate::golden::{Case, Failures, Family};
use crate::models::{Whole, table};

fn sampler(case: &Case) -> Result<(Sampler, History)> {
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
    Ok((sampler, History::of_prompt(&case.attr_or::<Vec<i64>>("history", Vec::new()))))
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
        let logits = family.stored(&format!("{}.table", case.id)).tensor(DType::F32).to_vec::<f32>()?;
        let model = Whole::new(7, None, table(logits, 7));
        let search = BeamSearch::new(case.attr("num_beams"))?
            .length_penalty(case.attr_or("length_penalty", 1.0))?
            .stop(match case.attrs.get("early_stopping") {
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

        let tokens = family.stored(&format!("{}.tokens", case.id)).tensor(DType::F32);
        let scores = family.stored(&format!("{}.scores", case.id)).to_f64_vec();
        assert_eq!(found.len(), scores.len(), "{}", case.id);
        for (i, (beam, score)) in found.iter().zip(&scores).enumerate() {
            let mut want = tokens.select(0, i as isize)?.to_vec::<i64>()?;
            want.retain(|token| *token >= 0);
            if beam.tokens != want {
                failures.add(&case.id, format!("beam {i}: got {:?}, expected {want:?}", beam.tokens));
            } else if (beam.score - score).abs() > 1e-5 * score.abs() {
                failures.add(&case.id, format!("score {i}: got {}, expected {score}", beam.score));
            }
        }
        count += 1;
    }
    assert!(count > 30, "{count} cases");
    failures.finish(count);
    Ok(())
}
