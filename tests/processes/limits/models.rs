//! Models from sequence to sequence, and what generation can be asked for.

use demotic::models::{
    BeamSearch, Generate, GenerateOptions, Gpt, GptConfig, RecurrentLm, RecurrentLmConfig, Seq2Seq, Seq2SeqLstm,
    Seq2SeqLstmConfig, Seq2SeqTokens, Seq2SeqTransformer, Seq2SeqTransformerConfig,
};
use demotic::{Result, Rng};

use super::child::{Cases, limited};
use super::{NUMBERS, SIZES};

/// Ids of tokens that there may not be.
const IDS: [i64; 6] = [i64::MIN, -1, 0, 5, 1 << 40, i64::MAX];

fn tokens() -> Seq2SeqTokens {
    Seq2SeqTokens::new(7, 6)
}

fn gpt() -> Result<Gpt> {
    Gpt::new(GptConfig::new(6, 8).layers(1).heads(1).hidden_size(2), &mut Rng::seed(0))
}

fn recurrent() -> Result<RecurrentLm> {
    RecurrentLm::new(RecurrentLmConfig::new(6).layers(1).hidden_size(2).embedding_size(2), &mut Rng::seed(0))
}

#[test]
fn sizes_of_seq2seq() {
    limited("models::sizes_of_seq2seq", |cases| {
        let mut rng = Rng::seed(0);
        for n in SIZES {
            for m in SIZES {
                let name = |what: &str| format!("{what}({n}, {m})");
                let small =
                    |tokens, length| Seq2SeqTransformerConfig::new(tokens, length).layers(1).heads(1).hidden_size(2);
                cases.run(name("vocabularies"), || {
                    let tokens = Seq2SeqTokens::new(n, m);
                    let _ = Seq2SeqLstm::new(
                        Seq2SeqLstmConfig::new(tokens.clone()).embedding_size(2).hidden_size(2),
                        &mut rng,
                    );
                    Seq2SeqTransformer::new(small(tokens, 4), &mut rng)
                });
                cases.run(name("lengths"), || {
                    Seq2SeqTransformer::new(small(tokens(), n).intermediate_size(m), &mut rng)
                });
                cases.run(name("layers"), || {
                    let config = small(tokens(), 4).encoder_layers(n).decoder_layers(m);
                    let _ = config.num_parameters();
                    Seq2SeqTransformer::new(config, &mut rng)
                });
                cases.run(name("heads"), || {
                    Seq2SeqTransformer::new(small(tokens(), 4).heads(n).hidden_size(m), &mut rng)
                });
                cases.run(name("Seq2SeqLstm"), || {
                    let config = Seq2SeqLstmConfig::new(tokens()).embedding_size(n).hidden_size(m);
                    let _ = config.num_parameters();
                    Seq2SeqLstm::new(config, &mut rng)
                });
                cases.run(name("deep Seq2SeqLstm"), || {
                    Seq2SeqLstm::new(Seq2SeqLstmConfig::new(tokens()).hidden_size(n).layers(m), &mut rng)
                });
            }
        }
        for p in NUMBERS {
            cases.run(format!("dropout {p}"), || {
                let _ = Seq2SeqLstm::new(Seq2SeqLstmConfig::new(tokens()).hidden_size(2).dropout(p), &mut rng);
                let config = Seq2SeqTransformerConfig::new(tokens(), 4).layers(1).heads(1).hidden_size(2);
                Seq2SeqTransformer::new(config.dropout(p), &mut rng)
            });
        }
    });
}

fn translations<M: Seq2Seq>(cases: &mut Cases, name: &str, model: &M) {
    let mut rng = Rng::seed(0);
    let sources = tokens().sources(&[vec![3i64, 4], vec![5]]).unwrap();
    for n in SIZES {
        // Without an end, the model writes as long as it is let.
        let length = n.min(100);
        cases.run(format!("{name}: {n} samples"), || {
            model.translate(&sources, &GenerateOptions::new().max_new_tokens(3).samples(n), &mut rng)
        });
        cases.run(format!("{name}: {length} tokens"), || {
            model.translate(&sources, &GenerateOptions::new().max_new_tokens(length).min_new_tokens(n), &mut rng)
        });
        cases.run(format!("{name}: {n} beams"), || {
            model.translate_beams(&sources, &BeamSearch::new(n)?, &GenerateOptions::new().max_new_tokens(2))
        });
    }
    for id in IDS {
        cases.run(format!("{name}: token {id}"), || {
            let _ = tokens().teacher_forcing(&[[id, 1]]);
            let source = tokens().sources(&[[id, 3]])?;
            model.translate(&source, &GenerateOptions::new().max_new_tokens(2).end_tokens(&[id]), &mut rng)
        });
        cases.run(format!("{name}: stop {id}"), || {
            model.translate(&sources, &GenerateOptions::new().max_new_tokens(2).stop_sequence(&[id, id]), &mut rng)
        });
    }
    cases.run(format!("{name}: nothing"), || {
        let _ = tokens().sources::<Vec<i64>>(&[]);
        model.translate(&tokens().sources(&[Vec::<i64>::new()])?, &GenerateOptions::new().max_new_tokens(2), &mut rng)
    });
}

#[test]
fn translations_of_anything() {
    limited("models::translations_of_anything", |cases| {
        let mut rng = Rng::seed(0);
        for id in IDS {
            cases.run(format!("special tokens {id}"), || {
                let tokens = tokens().padding_id(id).start_id(id).end_id(id);
                let _ = tokens.sources(&[[3i64, 4]]);
                let _ = tokens.teacher_forcing(&[[3i64, 4]]);
                let config = Seq2SeqLstmConfig::new(tokens.clone()).embedding_size(2).hidden_size(2).layers(1);
                let model = Seq2SeqLstm::new(config, &mut rng)?;
                model.translate(&tokens.sources(&[[3i64, 4]])?, &GenerateOptions::new().max_new_tokens(2), &mut rng)
            });
        }
        let config = Seq2SeqTransformerConfig::new(tokens(), 8).layers(1).heads(1).hidden_size(2);
        translations(cases, "transformer", &Seq2SeqTransformer::new(config, &mut rng).unwrap());
        let config = Seq2SeqLstmConfig::new(tokens()).embedding_size(2).hidden_size(2).layers(1);
        translations(cases, "lstm", &Seq2SeqLstm::new(config, &mut rng).unwrap());
    });
}

fn generations<M: Generate>(cases: &mut Cases, name: &str, model: &M) {
    let mut rng = Rng::seed(0);
    let brief = || GenerateOptions::new().max_new_tokens(3);
    for n in SIZES {
        for m in SIZES {
            // The first tokens of as many as one likes.
            cases.run(format!("{name}: {n} to {m} tokens"), || {
                let options = GenerateOptions::new().min_new_tokens(n).max_new_tokens(m);
                let _ = model.stream(&[1, 2], &options, &mut rng)?.take(12).collect::<Result<Vec<_>>>();
                model.stream(&[1, 2], &options.sliding_window(), &mut rng)?.take(12).collect::<Result<Vec<_>>>()
            });
        }
        cases.run(format!("{name}: {n} samples"), || model.generate_batch(&[[1], [2]], &brief().samples(n), &mut rng));
        cases.run(format!("{name}: {n} beams"), || model.beam_search(&[1], &BeamSearch::new(n)?, &brief()));
        cases.run(format!("{name}: perplexity by {n}"), || model.perplexity(&[1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5], n));
        cases.run(format!("{name}: a prompt of {n}"), || {
            let prompt = vec![1; n.min(1000)];
            let _ = model.generate(&prompt, &brief(), &mut rng);
            let _ = model.generate(&prompt, &brief().truncate_prompt(), &mut rng);
            let _ = model.score(&prompt);
            model.generate(&prompt, &brief().sliding_window(), &mut rng)
        });
        cases.run(format!("{name}: {n} stop sequences"), || {
            let options = (0..n.min(500)).fold(brief(), |options, i| options.stop_sequence(&vec![1; i]));
            model.generate(&[1], &options, &mut rng)
        });
    }
    for id in IDS {
        cases.run(format!("{name}: token {id}"), || {
            let _ = model.generate(&[1], &brief().end_tokens(&[id]), &mut rng);
            let _ = model.generate(&[1], &brief().stop_sequence(&[id]), &mut rng);
            let _ = model.score(&[1, id]);
            let _ = model.perplexity(&[id, 1], 1);
            model.generate(&[id], &brief(), &mut rng)
        });
    }
    cases.run(format!("{name}: nothing"), || {
        let _ = model.generate(&[], &brief(), &mut rng);
        let _ = model.generate_batch::<[i64; 0]>(&[], &brief(), &mut rng);
        let _ = model.generate(&[1], &brief().stop_sequence(&[]).stop_text(""), &mut rng);
        model.beam_search(&[], &BeamSearch::new(2)?, &brief())
    });
}

#[test]
fn options_of_generation() {
    limited("models::options_of_generation", |cases| {
        generations(cases, "gpt", &gpt().unwrap());
        generations(cases, "recurrent", &recurrent().unwrap());
    });
}
