//! What runs published models: prefix cache, speculation, batches as they come, keys and values in few bits, ceilings, the end from outside.

use std::collections::BTreeMap;

use demotic::layers::KvPrecision;
use demotic::memory;
use demotic::models::{
    BeamSearch, CancelHandle, CausalLm, FinishReason, Generate, GenerateOptions, Gpt, GptConfig, Llama, LlamaConfig,
    LmState, PrefixCached, RecurrentLm, RecurrentLmConfig,
};
use demotic::prelude::*;
use demotic::tensor::Scheme;
use demotic::text::{Sampler, TokenHistory};

const VOCAB: usize = 61;

pub(super) fn gpt(layers: usize, seed: u64) -> Gpt {
    Gpt::new(GptConfig::new(VOCAB, 160).layers(layers).heads(4).hidden_size(32), &mut Rng::seed(seed)).unwrap()
}

pub(super) fn llama_of(vocab: usize, layers: usize, seed: u64) -> Llama {
    let config = LlamaConfig::new(vocab, 160).layers(layers).heads(4).kv_heads(2).hidden_size(32).intermediate_size(64);
    Llama::new(config, &mut Rng::seed(seed)).unwrap()
}

fn llama(layers: usize, seed: u64) -> Llama {
    llama_of(VOCAB, layers, seed)
}

fn prompt(n: usize, seed: u64) -> Vec<i64> {
    let mut rng = Rng::seed(seed);
    (0..n).map(|_| rng.below(VOCAB) as i64).collect()
}

fn options(tokens: usize) -> GenerateOptions {
    GenerateOptions::new().max_new_tokens(tokens)
}

fn greedy(tokens: usize) -> GenerateOptions {
    options(tokens).sampler(Sampler::greedy())
}

/// Prompts that begin alike, one after the other, with the cache and without.
fn same_bits<M: CausalLm>(model: &M, options: &GenerateOptions) -> u64 {
    let cached = PrefixCached::new(model, 1 << 22);
    let long = prompt(150, 1);
    for n in [100, 100, 40, 150, 5] {
        let mut mine = long[..n].to_vec();
        mine[n - 1] = (mine[n - 1] + n as i64) % VOCAB as i64;
        let want = model.generate(&mine, options, &mut Rng::seed(7)).unwrap();
        assert_eq!(cached.generate(&mine, options, &mut Rng::seed(7)).unwrap(), want, "{n}");
    }
    cached.stats().reused_tokens
}

#[test]
fn beginnings_that_are_known_change_no_bit() {
    for options in [greedy(4), options(4)] {
        assert_eq!(same_bits(&gpt(2, 1), &options), 64 + 96);
        assert_eq!(same_bits(&llama(2, 1), &options), 64 + 96);
    }
    let handle = CancelHandle::new();
    assert!(same_bits(&llama(2, 1), &options(4).cancel(&handle)) > 0);
    for scheme in [Scheme::Q8_0, Scheme::Q4_0] {
        let mut model = llama(2, 1);
        model.quantize("*", scheme).unwrap();
        assert!(same_bits(&model, &greedy(4)) > 0);
        let mut model = gpt(2, 1);
        model.quantize("*", scheme).unwrap();
        assert!(same_bits(&model, &options(4)) > 0);
    }
    for precision in [KvPrecision::F16, KvPrecision::Int8] {
        assert!(same_bits(&llama(2, 1), &greedy(4).kv_cache(precision)) > 0);
        assert!(same_bits(&gpt(2, 1), &greedy(4).kv_cache(precision)) > 0);
    }
}

#[test]
fn a_batch_reads_each_prompt_by_itself() {
    fn check<M: CausalLm>(model: &M) {
        let cached = PrefixCached::new(model, 1 << 22);
        let long = prompt(150, 1);
        let prompts: Vec<&[i64]> = vec![&long[..100], &long[..70], &long[..110], &long[..4]];
        for _ in 0..2 {
            let got = cached.generate_batch(&prompts, &greedy(6), &mut Rng::seed(0)).unwrap();
            for (got, prompt) in got.iter().zip(&prompts) {
                assert_eq!(got.tokens, model.generate(prompt, &greedy(6), &mut Rng::seed(0)).unwrap().tokens);
            }
        }
        assert_eq!(cached.stats().reused_tokens, 32 + 64 + 64 + 32 + 64);
    }
    check(&gpt(2, 3));
    check(&llama(2, 3));
}

#[test]
fn the_cache_keeps_to_its_bytes() {
    let model = llama(2, 1);
    let none = PrefixCached::new(&model, 0);
    none.generate(&prompt(90, 1), &options(3), &mut Rng::seed(0)).unwrap();
    none.generate(&prompt(90, 1), &options(3), &mut Rng::seed(0)).unwrap();
    assert_eq!((none.stats().entries, none.stats().bytes, none.stats().reused_tokens), (0, 0, 0));
    // 2 blocks of 2 · 2 heads of 8 numbers for 64 tokens, and the tokens.
    let one = 2 * 2 * 2 * 8 * 4 * 64 + 64 * 8;
    let cached = PrefixCached::new(&model, 2 * one + 5);
    for seed in [1, 2, 1, 3, 1] {
        cached.generate(&prompt(90, seed), &options(3), &mut Rng::seed(0)).unwrap();
        assert!(cached.stats().bytes <= 2 * one + 5 && cached.stats().bytes.is_multiple_of(one));
    }
    // What was used the longest time ago made room.
    assert_eq!((cached.stats().entries, cached.stats().reused_tokens), (2, 64 + 64));
    cached.clear();
    assert_eq!((cached.stats().entries, cached.stats().bytes), (0, 0));
}

#[test]
fn greedy_speculation_gives_the_tokens_of_the_model() {
    fn check<M: CausalLm, D: CausalLm>(model: &M, draft: &D) -> (u64, u64) {
        let mut counts = (0, 0);
        for (seed, ahead, n) in [(1, 1, 3), (2, 4, 1), (3, 7, 100), (5, 4, 155)] {
            let prompt = prompt(n, seed);
            let options = greedy(24);
            let mut spec = model.speculate(draft, ahead, &prompt, &options, &mut Rng::seed(0)).unwrap();
            let tokens: Vec<_> = spec.by_ref().map(|t| t.unwrap()).collect();
            let want = model.generate(&prompt, &options, &mut Rng::seed(0)).unwrap();
            assert_eq!(tokens.iter().map(|t| t.id).collect::<Vec<_>>(), want.tokens, "{seed}");
            assert_eq!(spec.finish_reason(), Some(want.finish));
            for (a, b) in tokens.iter().zip(&want.log_probs) {
                assert!((a.log_prob - b).abs() < 1e-5);
            }
            counts = (counts.0 + spec.drafted(), counts.1 + spec.accepted());
        }
        counts
    }
    let (model, other) = (llama(2, 1), gpt(1, 2));
    let (drafted, accepted) = check(&model, &other);
    assert!(accepted < drafted);
    let (drafted, accepted) = check(&model, &model);
    assert!(drafted > 50 && accepted > drafted * 8 / 10, "{accepted} of {drafted}");
    let mut few = model.clone();
    few.quantize("*", Scheme::Q4_0).unwrap();
    let (drafted, accepted) = check(&model, &few);
    assert!(accepted > drafted / 4, "{accepted} of {drafted}");
    check(&gpt(2, 4), &model);
    check(&few, &model);
}

#[test]
fn drawn_speculation_has_the_models_distribution() {
    // Two tokens behind a prompt, of a model and a draft that disagree: all pairs, against their probabilities.
    let (model, draft) = (llama_of(5, 1, 1), llama_of(5, 1, 9));
    let sampler = Sampler::new().temperature(0.7).unwrap().top_k(4).unwrap();
    let options = options(3).sampler(sampler.clone());
    let history = TokenHistory::default();
    let after = |tokens: &[i64]| {
        let ids = Tensor::from_slice(tokens, [1, tokens.len()]).unwrap();
        let logits = model.extend_last(&ids, &mut model.start(&[0]).unwrap()).unwrap().squeeze(0).unwrap();
        sampler.distribution(&logits, &history).unwrap()
    };
    let mut expected = BTreeMap::new();
    for (a, p) in after(&[1, 2]) {
        for (b, q) in after(&[1, 2, a]) {
            for (c, r) in after(&[1, 2, a, b]) {
                expected.insert((a, b, c), p * q * r);
            }
        }
    }
    let n = 700;
    let mut counts = BTreeMap::new();
    let (mut drafted, mut accepted) = (0, 0);
    let mut rng = Rng::seed(3);
    for _ in 0..n {
        let mut spec = model.speculate(&draft, 2, &[1, 2], &options, &mut rng).unwrap();
        let tokens: Vec<i64> = spec.by_ref().map(|t| t.unwrap().id).collect();
        *counts.entry((tokens[0], tokens[1], tokens[2])).or_insert(0.0) += 1.0;
        (drafted, accepted) = (drafted + spec.drafted(), accepted + spec.accepted());
    }
    assert!(counts.keys().all(|key| expected.contains_key(key)));
    let chi: f64 = expected
        .iter()
        .map(|(key, p)| (counts.get(key).copied().unwrap_or(0.0) - n as f64 * p).powi(2) / (n as f64 * p))
        .sum();
    let freedom = expected.len() as f64 - 1.0;
    assert!(chi < freedom + 4.0 * (2.0 * freedom).sqrt(), "{chi} for {freedom} degrees of freedom");
    assert!(accepted > drafted / 3 && accepted < drafted);
}

#[test]
fn batches_are_streamed() {
    let model = llama(2, 1);
    let prompts = [prompt(3, 1), prompt(40, 2), prompt(1, 3)];
    let options = options(9).samples(2).stop_sequence(&[5, 6]);
    let want = model.generate_batch(&prompts, &options, &mut Rng::seed(4)).unwrap();
    let mut stream = model.stream_batch(&prompts, &options, &mut Rng::seed(4)).unwrap();
    let mut got = vec![Vec::new(); 6];
    let mut order = Vec::new();
    for item in stream.by_ref() {
        let (which, token) = item.unwrap();
        got[which].push(token.id);
        order.push(which);
    }
    assert_eq!(got, want.iter().map(|c| c.tokens.clone()).collect::<Vec<_>>());
    assert_eq!(order[..6], [0, 1, 2, 3, 4, 5]);
    assert_eq!((stream.finish_reason(5), stream.finish_reason(6)), (Some(want[5].finish), None));
    assert_eq!(stream.into_continuations(), want);
}

/// Prompts that join after some tokens of others: what comes out is what each gives alone.
fn joined<M: CausalLm>(model: &M, options: &GenerateOptions) {
    let prompts = [prompt(3, 1), prompt(40, 2), prompt(1, 3), prompt(17, 4), prompt(9, 5)];
    let alone: Vec<_> = prompts
        .iter()
        .flat_map(|prompt| model.generate_batch(&[prompt], options, &mut Rng::seed(9)).unwrap())
        .collect();
    let samples = alone.len() / prompts.len();
    for gaps in [[0, 0, 0, 0], [1, 5, 2, 30], [7, 1, 60, 3], [10_000; 4]] {
        let mut running = model.stream_batch(&prompts[..1], options, &mut Rng::seed(9)).unwrap();
        for (i, gap) in gaps.into_iter().enumerate() {
            running.by_ref().take(gap).for_each(|item| assert!(item.is_ok()));
            assert_eq!(running.join(&prompts[i + 1], &mut Rng::seed(9)).unwrap(), (i + 1) * samples);
        }
        let e = running.join(&[VOCAB as i64], &mut Rng::seed(9)).unwrap_err();
        assert!(e.message().starts_with("generate: prompt token 0 is 61"), "{e}");
        running.by_ref().for_each(|item| assert!(item.is_ok()));
        let found = running.into_continuations();
        assert_eq!(found.len(), alone.len());
        for (found, alone) in found.iter().zip(&alone) {
            assert_eq!((&found.tokens, found.finish), (&alone.tokens, alone.finish), "{gaps:?}");
            let off = found.log_probs.iter().zip(&alone.log_probs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-3, "{off}");
        }
    }
}

#[test]
fn prompts_join_a_running_batch() {
    let several = options(12).samples(2).stop_sequence(&[5, 6]);
    for options in [greedy(12), several.clone(), greedy(12).kv_cache(KvPrecision::Int8), greedy(200).sliding_window()] {
        joined(&llama(2, 1), &options);
    }
    for options in [greedy(12), several.clone(), greedy(200)] {
        joined(&gpt(2, 1), &options);
        joined(&PrefixCached::new(gpt(2, 1), 1 << 22), &options);
    }
    // States that cannot be joined are made anew.
    joined(&RecurrentLm::new(RecurrentLmConfig::new(VOCAB), &mut Rng::seed(0)).unwrap(), &several);

    let model = llama(2, 1);
    let stream = |limit| model.stream_batch(&[prompt(3, 1)], &greedy(5).memory_limit(limit), &mut Rng::seed(0));
    let message = stream(1000).unwrap_err().message();
    let need = message.split(" bytes").next().and_then(|start| start.rsplit(' ').next()).unwrap();
    let mut running = stream(need.parse().unwrap()).unwrap();
    let e = running.join(&prompt(3, 2), &mut Rng::seed(0)).unwrap_err();
    assert!(e.message().starts_with("generate: 4 × 8 tokens may need "), "{e}");
    assert_eq!(running.count(), 5);
}

#[test]
fn keys_and_values_in_fewer_bits() {
    fn check<M: CausalLm>(model: &M) {
        let ids = prompt(30, 1);
        let ids = Tensor::from_slice(&ids, [1, 30]).unwrap();
        let mut exact = model.start(&[0]).unwrap();
        let want = model.extend(&ids, &mut exact).unwrap();
        let scale = want.abs().max().unwrap().item().unwrap();
        let mut sizes = vec![exact.bytes().unwrap()];
        for (precision, most) in [(KvPrecision::F16, 1e-3), (KvPrecision::Int8, 1e-2)] {
            let mut state = model.start(&[0]).unwrap();
            state.store_as(precision).unwrap();
            assert_eq!(state.precision(), precision);
            let got = model.extend(&ids, &mut state).unwrap();
            let off = (&got - &want).unwrap().abs().max().unwrap().item().unwrap() / scale;
            assert!(off > 0.0 && off < most, "{precision:?} {off}");
            sizes.push(state.bytes().unwrap());
            let mut copy = state.clone();
            copy.reorder(&[0, 0]).unwrap();
            assert_eq!((copy.rows(), copy.len(), copy.bytes().unwrap()), (2, 30, 2 * state.bytes().unwrap()));
            let e = state.store_as(KvPrecision::Full).unwrap_err();
            assert_eq!(e.message(), "KvCache::stored_as: 30 positions are kept already");
        }
        // Heads of 8 numbers: 32 bytes, 16, and 8 with a scale.
        assert_eq!((sizes[0] / 2, sizes[0] * 12 / 32), (sizes[1], sizes[2]));
    }
    check(&gpt(2, 1));
    check(&llama(2, 1));
    // A batch, samples and a window that slides.
    let model = llama(1, 2);
    for precision in [KvPrecision::F16, KvPrecision::Int8] {
        let options = greedy(200).kv_cache(precision).sliding_window();
        let got = model.generate_batch(&[prompt(3, 1), prompt(9, 2)], &options, &mut Rng::seed(0)).unwrap();
        assert!(got.iter().all(|c| c.tokens.len() == 200));
        let alone = model.generate(&prompt(3, 1), &greedy(20).kv_cache(precision), &mut Rng::seed(0)).unwrap();
        assert_eq!(alone.tokens, got[0].tokens[..20]);
    }
}

#[test]
fn a_ceiling_of_memory_is_kept_or_refused_before() {
    fn check<M: CausalLm>(model: &M) {
        for (rows, n, tokens, precision) in
            [(1, 5, 20, KvPrecision::Full), (3, 60, 60, KvPrecision::Int8), (5, 40, 12, KvPrecision::F16)]
        {
            let prompts: Vec<Vec<i64>> = (0..rows).map(|row| prompt(n, row as u64)).collect();
            let options = options(tokens).kv_cache(precision);
            let e = model.generate_batch(&prompts, &options.clone().memory_limit(1000), &mut Rng::seed(0)).unwrap_err();
            let message = e.message();
            let start = format!("generate: {rows} × {} tokens may need ", (n + tokens).min(160));
            let need = message
                .strip_prefix(&start)
                .and_then(|rest| rest.strip_suffix(" bytes, the memory limit is 1000"))
                .expect(&message);
            let need: usize = need.parse().unwrap();
            let (got, usage) = memory::measure(|| {
                model.generate_batch(&prompts, &options.clone().memory_limit(need), &mut Rng::seed(0)).unwrap()
            });
            assert_eq!(got.len(), rows);
            assert!(usage.peak_bytes <= need, "{} above {need}", usage.peak_bytes);
            assert!(model.generate_batch(&prompts, &options.memory_limit(need - 1), &mut Rng::seed(0)).is_err());
        }
    }
    check(&gpt(2, 1));
    check(&llama(2, 1));
    check(&PrefixCached::new(llama(2, 1), 1 << 20));
    let (big, huge) = (llama(1, 1), GenerateOptions::new().max_new_tokens(usize::MAX).memory_limit(usize::MAX));
    assert_eq!(big.generate(&[1], &huge, &mut Rng::seed(0)).unwrap().finish, FinishReason::Context);
}

#[test]
fn another_thread_ends_it() {
    let model = llama(2, 1);
    let handle = CancelHandle::new();
    let options = greedy(100).cancel(&handle);
    let mut stream = model.stream(&prompt(4, 1), &options, &mut Rng::seed(0)).unwrap();
    let before: Vec<i64> = stream.by_ref().take(5).map(|t| t.unwrap().id).collect();
    let other = handle.clone();
    std::thread::spawn(move || other.cancel()).join().unwrap();
    assert!(stream.next().is_none());
    assert_eq!(stream.finish_reason(), Some(FinishReason::Cancelled));
    assert_eq!(before, model.generate(&prompt(4, 1), &greedy(5), &mut Rng::seed(0)).unwrap().tokens);
    // Before anything was read, nothing is.
    let (done, usage) = memory::measure(|| model.generate(&prompt(150, 1), &options, &mut Rng::seed(0)).unwrap());
    assert_eq!((done.tokens.len(), done.finish), (0, FinishReason::Cancelled));
    assert!(usage.peak_bytes < 100_000, "{}", usage.peak_bytes);
    let beams = model.beam_search(&[1], &BeamSearch::new(3).unwrap(), &options).unwrap();
    assert_eq!((beams.len(), beams[0].finish), (1, FinishReason::Cancelled));
    let mut spec = model.speculate(&model, 3, &[1], &options, &mut Rng::seed(0)).unwrap();
    assert!(spec.next().is_none());
    assert_eq!(spec.finish_reason(), Some(FinishReason::Cancelled));
}

#[test]
fn what_does_not_fit_is_refused() {
    let model = llama(1, 1);
    let mut rng = Rng::seed(0);
    let e = model.speculate(&llama_of(60, 1, 1), 4, &[1], &options(3), &mut rng).unwrap_err();
    assert_eq!(e.message(), "speculate: the draft has a vocabulary of 60, the model one of 61");
    let e = model.speculate(&model, 0, &[1], &options(3), &mut rng).unwrap_err();
    assert_eq!(e.message(), "speculate: 0 tokens ahead, expected 1 to 7");
    let e = model.speculate(&model, 4, &[], &options(3), &mut rng).unwrap_err();
    assert_eq!(e.message(), "generate: the prompt is empty");
    let e = model.speculate(&model, 4, &prompt(161, 1), &options(3), &mut rng).unwrap_err();
    assert_eq!(e.message(), "generate: the prompt has 161 tokens, the model's context 160");
    let cached = PrefixCached::new(&model, 1000);
    assert_eq!(cached.generate(&[], &options(3), &mut rng).unwrap_err().message(), "generate: the prompt is empty");
    let e = cached.generate(&prompt(161, 1), &options(3), &mut rng).unwrap_err();
    assert_eq!(e.message(), "generate: the prompt has 161 tokens, the model's context 160");
    let config = RecurrentLmConfig::new(VOCAB);
    let recurrent = RecurrentLm::new(config, &mut Rng::seed(0)).unwrap();
    let e = model.speculate(&recurrent, 4, &[1], &options(3), &mut rng).unwrap_err();
    assert_eq!(e.message(), "speculate: the state of the draft cannot go back");
    let e = recurrent.generate(&[1], &options(3).kv_cache(KvPrecision::F16), &mut rng).unwrap_err();
    assert_eq!(e.message(), "store_as: the state of this model cannot be kept as F16");
    let e = recurrent.generate(&[1], &options(3).memory_limit(10), &mut rng).unwrap_err();
    assert_eq!(e.message(), "generate: there is a memory limit, but the model does not say how much it needs");
    let same = PrefixCached::new(&recurrent, 1 << 20);
    let want = recurrent.generate(&prompt(90, 1), &options(9), &mut Rng::seed(2)).unwrap();
    for _ in 0..2 {
        assert_eq!(same.generate(&prompt(90, 1), &options(9), &mut Rng::seed(2)).unwrap(), want);
    }
    assert_eq!(same.stats().reused_tokens, 0);
}
