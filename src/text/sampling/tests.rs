use super::*;
use crate::tensor;

/// How far counts are from what probabilities predict: about one per degree of freedom if they agree.
fn chi_square(counts: &[u32], probabilities: &[f64]) -> f64 {
    let n: u32 = counts.iter().sum();
    let expected = probabilities.iter().map(|p| p * f64::from(n));
    counts.iter().zip(expected).map(|(c, e)| (f64::from(*c) - e).powi(2) / e).sum()
}

/// Draws often and compares with the probabilities of each token; those of 0 must never come.
fn check_distribution(sampler: &Sampler, logits: &Tensor, history: &TokenHistory, expected: &[f64]) {
    let mut rng = Rng::seed(11);
    let mut counts = vec![0u32; logits.numel()];
    let mut scratch = Scratch::default();
    for _ in 0..40_000 {
        sampler.candidates_of(logits, history, &mut scratch).unwrap();
        counts[scratch.draw(&mut rng) as usize] += 1;
    }
    let (mut seen, mut of) = (Vec::new(), Vec::new());
    for (i, p) in expected.iter().enumerate() {
        if *p == 0.0 {
            assert_eq!(counts[i], 0, "token {i} of {sampler:?}");
        } else {
            seen.push(counts[i]);
            of.push(*p);
        }
    }
    // 99.9 % of true samples are below these, for 0 to 7 degrees of freedom.
    let bound = [1e-9, 10.8, 13.8, 16.3, 18.5, 20.5, 22.5, 24.3][of.len() - 1];
    let got = chi_square(&seen, &of);
    assert!(got < bound, "chi-square {got} of {counts:?} for {expected:?}");

    let distribution = sampler.distribution(logits, history).unwrap();
    let kept: Vec<i64> = (0..).zip(expected).filter(|(_, p)| **p > 0.0).map(|(i, _)| i).collect();
    assert_eq!(distribution.iter().map(|(i, _)| *i).collect::<Vec<_>>(), kept);
    for (i, p) in distribution {
        assert!((p - expected[i as usize]).abs() < 1e-6, "token {i}: {p}, expected {}", expected[i as usize]);
    }
}

/// `[0.4, 0.3, 0.2, 0.1]` as logits, out of order.
fn four() -> (Tensor, [f64; 4]) {
    let p = [0.2, 0.4, 0.1, 0.3];
    (Tensor::from_nested(p).unwrap().log(), p)
}

#[test]
fn samples_follow_the_closed_forms() -> Result<()> {
    let (logits, p) = four();
    let none = TokenHistory::default();
    check_distribution(&Sampler::new(), &logits, &none, &p);
    // Temperature 1/2 squares the probabilities: they then add up to 0.3.
    let squared = p.map(|p| p * p / 0.3);
    check_distribution(&Sampler::new().temperature(0.5)?, &logits, &none, &squared);
    let third = [0.0, 0.4 / 0.7, 0.0, 0.3 / 0.7];
    check_distribution(&Sampler::new().top_k(2)?, &logits, &none, &third);
    check_distribution(&Sampler::new().top_p(0.65)?, &logits, &none, &third);
    check_distribution(&Sampler::new().min_p(0.7)?, &logits, &none, &third);
    let three = [0.2 / 0.9, 0.4 / 0.9, 0.0, 0.3 / 0.9];
    check_distribution(&Sampler::new().top_p(0.75)?, &logits, &none, &three);
    check_distribution(&Sampler::new().forbid(&[2]), &logits, &none, &three);
    // A bias of ln 2 doubles.
    let doubled = [0.2 / 1.1, 0.4 / 1.1, 0.2 / 1.1, 0.3 / 1.1];
    check_distribution(&Sampler::new().bias(2, std::f64::consts::LN_2)?, &logits, &none, &doubled);
    check_distribution(&Sampler::greedy(), &logits, &none, &[0.0, 1.0, 0.0, 0.0]);
    check_distribution(&Sampler::new().top_k(1)?, &logits, &none, &[0.0, 1.0, 0.0, 0.0]);
    check_distribution(&Sampler::new().top_k(1000)?, &logits, &none, &p);
    Ok(())
}

#[test]
fn penalties_follow_the_closed_forms() -> Result<()> {
    let mut history = TokenHistory::of_prompt(&[0, 0]);
    history.push(1);
    history.push(1);
    let logits = Tensor::zeros([3])?;
    let of = |weights: [f64; 3]| weights.map(|w| w / weights.iter().sum::<f64>());
    let e = std::f64::consts::E;
    let sampler = Sampler::new().frequency_penalty(0.5)?;
    check_distribution(&sampler, &logits, &history, &of([1.0, 1.0 / e, 1.0]));
    let sampler = Sampler::new().presence_penalty(1.0)?;
    check_distribution(&sampler, &logits, &history, &of([1.0, 1.0 / e, 1.0]));
    let sampler = Sampler::new().repetition_penalty(2.0)?;
    check_distribution(&sampler, &tensor![2.0, -1.0, 0.0], &history, &of([e, 1.0 / (e * e), 1.0]));
    Ok(())
}

#[test]
fn equal_tokens_stay_with_the_last_of_the_top_k_and_go_by_id_at_the_border_of_a_nucleus() -> Result<()> {
    let logits = tensor![0.0, 1.0, 0.0, 1.0, 1.0];
    let kept = |sampler: Sampler| -> Result<Vec<i64>> {
        Ok(sampler.distribution(&logits, &TokenHistory::default())?.into_iter().map(|(token, _)| token).collect())
    };
    assert_eq!(kept(Sampler::new().top_k(2)?)?, [1, 3, 4]);
    assert_eq!(kept(Sampler::new().top_p(0.4)?)?, [1, 3]);
    assert_eq!(kept(Sampler::greedy())?, [1]);
    Ok(())
}

#[test]
fn extreme_temperatures_give_no_nan() -> Result<()> {
    let logits = tensor![1e30, -1e30, 1e30, f32::NEG_INFINITY];
    for temperature in [1e-300, 1e-3, 1.0, 1e300] {
        let sampler = Sampler::new().temperature(temperature)?;
        let p = sampler.distribution(&logits, &TokenHistory::default())?;
        assert!(p.iter().all(|(token, p)| p.is_finite() && *token != 3), "{p:?}");
        let mut rng = Rng::seed(5);
        for _ in 0..50 {
            let token = sampler.sample(&logits, &TokenHistory::default(), &mut rng)?;
            assert!(temperature > 1e200 || token != 1);
        }
    }
    Ok(())
}

#[test]
fn every_float_type_and_view_is_sampled_from() -> Result<()> {
    let rows = tensor![[0.0, 5.0], [3.0, 1.0]];
    let mut rng = Rng::seed(0);
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
        let column = rows.to_dtype(dtype).select(1, 0)?;
        assert_eq!(Sampler::greedy().sample(&column, &TokenHistory::default(), &mut rng)?, 1);
    }
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_tokens() -> Result<()> {
    let (logits, _) = four();
    let run = |seed| -> Result<Vec<i64>> {
        let mut rng = Rng::seed(seed);
        (0..50).map(|_| Sampler::new().sample(&logits, &TokenHistory::default(), &mut rng)).collect()
    };
    assert_eq!(run(1)?, run(1)?);
    assert_ne!(run(1)?, run(2)?);
    Ok(())
}

#[test]
fn bad_options_word_for_word() {
    let message = |result: Result<Sampler>| result.unwrap_err().message();
    let s = Sampler::new;
    for (result, expected) in [
        (s().temperature(-1.0), "Sampler: temperature is -1, expected a finite number of at least 0"),
        (s().temperature(f64::NAN), "Sampler: temperature is NaN, expected a finite number of at least 0"),
        (s().temperature(f64::INFINITY), "Sampler: temperature is inf, expected a finite number of at least 0"),
        (s().top_k(0), "Sampler: top_k is 0, expected at least 1"),
        (s().top_p(0.0), "Sampler: top_p is 0, expected a number above 0 and at most 1"),
        (s().top_p(1.5), "Sampler: top_p is 1.5, expected a number above 0 and at most 1"),
        (s().top_p(f64::NAN), "Sampler: top_p is NaN, expected a number above 0 and at most 1"),
        (s().min_p(-0.1), "Sampler: min_p is -0.1, expected a number from 0 to 1"),
        (s().min_p(f64::NAN), "Sampler: min_p is NaN, expected a number from 0 to 1"),
        (s().repetition_penalty(0.0), "Sampler: repetition_penalty is 0, expected a finite number above 0"),
        (s().frequency_penalty(f64::NAN), "Sampler: frequency_penalty is NaN, expected a finite number"),
        (s().presence_penalty(f64::INFINITY), "Sampler: presence_penalty is inf, expected a finite number"),
        (s().bias(7, f64::NEG_INFINITY), "Sampler: the bias of token 7 is -inf, expected a finite number"),
    ] {
        assert_eq!(message(result), expected);
    }
    let help = |result: Result<Sampler>| result.unwrap_err().help().map(str::to_string);
    assert_eq!(help(s().top_k(0)).unwrap(), "leave top_k out to keep all tokens");
    assert_eq!(
        help(s().temperature(-1.0)).unwrap(),
        "0 takes the most likely token, 1 samples from the model's own distribution"
    );
    assert_eq!(help(s().bias(7, f64::NAN)).unwrap(), "forbid(&[token]) makes a token impossible");
}

#[test]
fn bad_logits_word_for_word() -> Result<()> {
    let sample = |sampler: Sampler, logits: &Tensor| {
        sampler.sample(logits, &TokenHistory::of_prompt(&[9]), &mut Rng::seed(0)).unwrap_err().message()
    };
    let s = Sampler::new;
    assert_eq!(sample(s(), &tensor![0.0, f32::NAN]), "sample: the logit of token 1 is NaN");
    assert_eq!(sample(s(), &tensor![f32::INFINITY, 0.0]), "sample: the logit of token 0 is +∞");
    assert_eq!(
        sample(Sampler::greedy().forbid(&[0]), &tensor![1.0, f32::NEG_INFINITY]),
        "sample: no token is possible: each of 2 is forbidden or has a logit of −∞"
    );
    assert_eq!(
        sample(s(), &Tensor::zeros([0])?),
        "sample: no token is possible: each of 0 is forbidden or has a logit of −∞"
    );
    assert_eq!(sample(s(), &tensor![[1.0]]), "sample: logits of shape [1, 1], expected [vocab]");
    assert_eq!(
        sample(s(), &Tensor::from_nested([1i64])?),
        "sample: the logits must be numbers of a float type, not i64"
    );
    let outside =
        |token| format!("sample: token {token} of the sampler's options or history is not in a vocabulary of 1");
    assert_eq!(sample(s().forbid(&[5]), &tensor![1.0]), outside(5));
    assert_eq!(sample(s().bias(6, 1.0)?, &tensor![1.0]), outside(6));
    assert_eq!(sample(s().forbid(&[-1]), &tensor![1.0]), outside(-1));
    assert_eq!(
        sample(s().bias(0, f64::MAX)?.bias(0, f64::MAX)?, &tensor![1.0]),
        "sample: the biases and penalties make the logit of token 0 inf"
    );
    assert_eq!(sample(s().presence_penalty(1.0)?, &tensor![1.0]), outside(9));
    Ok(())
}
