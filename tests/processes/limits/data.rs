//! Splits, batches, windows of text, tokenizers' options and samplers.

use demotic::data::{Batches, KFold, NextTokens, Sentences, TensorDataset};
use demotic::models::BeamSearch;
use demotic::text::{BpeOptions, BpeTokenizer, Sampler, TokenHistory, TokenStream};
use demotic::{Rng, Tensor, tensor};

use super::child::limited;
use super::{NUMBERS, SIZES};

#[test]
fn sizes() {
    limited("data::sizes", |cases| {
        let stream = || TokenStream::from_ids((0..50u32).collect());
        let dataset = TensorDataset::new(Tensor::zeros([5, 2]).unwrap(), Tensor::zeros([5, 1]).unwrap()).unwrap();
        for n in SIZES {
            cases.run(format!("batches of {n}"), || Batches::new(&dataset, n).filter(demotic::Result::is_ok).count());
            cases.run(format!("context {n}"), || NextTokens::new(stream()?, n));
            cases.run(format!("stride {n}"), || NextTokens::new(stream()?, 4)?.stride(n));
            cases.run(format!("width {n}"), || Sentences::new([[1i64, 2, 3]], 0)?.width(n));
            cases.run(format!("read {n}"), || stream()?.read(n, &mut [0; 3]));
            cases.run(format!("slice {n}"), || stream()?.slice(n..n.saturating_add(2)));
            cases.run(format!("beams {n}"), || BeamSearch::new(n));
            cases.run(format!("vocab_size {n}"), || {
                let options = BpeOptions::new().vocab_size(n).min_frequency(n as u64);
                BpeTokenizer::train(["to be or not to be, that is"], &options)
            });
            for m in SIZES {
                cases.run(format!("{n} folds of 5, shuffled to {m}"), || KFold::new(n).split(m.min(1000)));
            }
        }
        for fraction in NUMBERS {
            cases.run(format!("split {fraction}"), || stream()?.split(fraction));
            cases.run(format!("length_penalty {fraction}"), || BeamSearch::new(2)?.length_penalty(fraction));
        }
    });
}

#[test]
fn samplers() {
    limited("data::samplers", |cases| {
        let rows = [
            tensor![1.0, 2.0, 3.0],
            tensor![f32::NAN, 2.0, 3.0],
            tensor![f32::INFINITY, f32::INFINITY, 0.0],
            tensor![f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY],
            tensor![3e38, -3e38, 0.0],
            Tensor::zeros([0]).unwrap(),
        ];
        let mut rng = Rng::seed(0);
        for a in NUMBERS {
            type Option = fn(Sampler, f64) -> demotic::Result<Sampler>;
            let options: [(&str, Option); 7] = [
                ("temperature", Sampler::temperature),
                ("top_p", Sampler::top_p),
                ("min_p", Sampler::min_p),
                ("repetition_penalty", Sampler::repetition_penalty),
                ("frequency_penalty", Sampler::frequency_penalty),
                ("presence_penalty", Sampler::presence_penalty),
                ("bias", |sampler, a| sampler.bias(1, a)),
            ];
            for (name, option) in options {
                for row in &rows {
                    cases.run(format!("{name} {a} on {row}"), || {
                        let sampler = option(Sampler::new(), a)?;
                        sampler.distribution(row, &TokenHistory::default())?;
                        sampler.sample(row, &TokenHistory::default(), &mut rng)
                    });
                }
            }
        }
        for k in SIZES {
            for row in &rows {
                cases.run(format!("top_k {k}"), || {
                    Sampler::new().top_k(k)?.sample(row, &TokenHistory::default(), &mut rng)
                });
            }
        }
        for token in [i64::MIN, -1, 3, i64::MAX] {
            cases.run(format!("token {token}"), || {
                Sampler::new().bias(token, 1.0)?.forbid(&[token]).sample(&rows[0], &TokenHistory::default(), &mut rng)
            });
        }
    });
}
