//! Models of whole sequences: decoding with caches, padding, generation, bad input. For their numbers see
//! `golden_translation`.

use demotic::models::*;
use demotic::prelude::*;
use demotic::text::Sampler;

const SOURCES: [&[i64]; 3] = [&[3, 7, 5, 4, 8], &[6, 3], &[4, 4, 7]];
const TARGETS: [&[i64]; 3] = [&[5, 3, 6], &[4, 3, 3, 5, 6], &[6]];

fn tokens() -> Seq2SeqTokens {
    Seq2SeqTokens::new(9, 7)
}

fn transformer() -> Seq2SeqTransformer {
    let config = Seq2SeqTransformerConfig::new(tokens(), 8).layers(2).heads(2).hidden_size(8);
    Seq2SeqTransformer::new(config, &mut Rng::seed(1)).unwrap()
}

fn learned() -> Seq2SeqTransformer {
    let config = Seq2SeqTransformerConfig::new(tokens(), 8).layers(1).heads(2).hidden_size(8);
    let config = config.positions(PositionKind::Learned).norm_last().untied();
    Seq2SeqTransformer::new(config, &mut Rng::seed(2)).unwrap()
}

fn lstm() -> Seq2SeqLstm {
    let config = Seq2SeqLstmConfig::new(tokens()).embedding_size(6).hidden_size(8).layers(2).dropout(0.5);
    Seq2SeqLstm::new(config, &mut Rng::seed(3)).unwrap()
}

#[track_caller]
fn assert_close(got: &Tensor, want: &Tensor) {
    assert_eq!(got.shape(), want.shape());
    for (a, b) in got.to_f64_vec().iter().zip(want.to_f64_vec()) {
        assert!((a - b).abs() <= 2e-5 * b.abs().max(1.0), "{a} is not {b}");
    }
}

/// Source and target of one pair, not padded.
fn pair(i: usize) -> Result<(Tensor, Tensor)> {
    Ok((tokens().sources(&SOURCES[i..=i])?, tokens().teacher_forcing(&TARGETS[i..=i])?.0))
}

fn forward<M: Seq2Seq>(model: &M, source: &Tensor, target: &Tensor) -> Result<Tensor> {
    no_grad(|| model.forward(source, target, &mut Mode::eval()))
}

/// The sources with padding before them, or on both sides.
fn padded_elsewhere() -> Result<Tensor> {
    Tensor::from_nested([[0i64, 3, 7, 5, 4, 8, 0], [0, 0, 0, 0, 0, 6, 3], [0, 0, 4, 4, 7, 0, 0]])
}

fn padding_changes_nothing<M: Seq2Seq>(model: &M) -> Result<()> {
    let sources = tokens().sources(&SOURCES)?;
    let (targets, _) = tokens().teacher_forcing(&TARGETS)?;
    let together = forward(model, &sources, &targets)?;
    for (i, target) in TARGETS.iter().enumerate() {
        let (source, alone) = pair(i)?;
        let row = together.narrow(0, i, 1)?.narrow(1, 0, target.len() + 1)?;
        assert_close(&row, &forward(model, &source, &alone)?);
    }
    assert_close(&forward(model, &padded_elsewhere()?, &targets)?, &together);
    let begin = |sources: &Tensor| {
        let encoded = model.encode(sources)?;
        encoded.extend(&targets, &mut encoded.start(&[0; 3])?)
    };
    assert_close(&begin(&padded_elsewhere()?)?, &begin(&sources)?);
    Ok(())
}

fn a_cache_gives_the_full_pass<M: Seq2Seq>(model: &M) -> Result<()> {
    let sources = tokens().sources(&SOURCES)?;
    let (targets, _) = tokens().teacher_forcing(&TARGETS)?;
    let whole = forward(model, &sources, &targets)?;
    let encoded = model.encode(&sources)?;
    for pieces in [vec![6], vec![1; 6], vec![2, 1, 3]] {
        let mut state = encoded.start(&[0, 0, 0])?;
        let (mut at, mut parts) = (0, Vec::new());
        for n in pieces {
            parts.push(encoded.extend(&targets.narrow(1, at, n)?, &mut state)?);
            at += n;
        }
        assert_close(&Tensor::cat(&parts.iter().collect::<Vec<_>>(), 1)?, &whole);
        // Anew, and the sources are still known.
        encoded.restart(&mut state, &[0, 0, 0])?;
        assert!(state.is_empty());
        assert_close(&encoded.extend_last(&targets.narrow(1, 0, 2)?, &mut state)?, &whole.select(1, 1)?);
    }
    Ok(())
}

fn rows_begin_at_different_times_and_change_places<M: Seq2Seq>(model: &M) -> Result<()> {
    let encoded = model.encode(&tokens().sources(&SOURCES[..2])?)?;
    // Row 1 has one token of three, and the absent ones reach into the second piece.
    let ids = Tensor::from_nested([[1i64, 4, 5], [0, 0, 1]])?;
    let mut state = encoded.start(&[0, 2])?;
    encoded.extend(&ids.narrow(1, 0, 1)?, &mut state)?;
    let last = encoded.extend_last(&ids.narrow(1, 1, 2)?, &mut state)?;
    let alone = |row: usize, ids: &[i64]| -> Result<Tensor> {
        let target = Tensor::from_slice(ids, [1, ids.len()])?;
        forward(model, &pair(row)?.0, &target)?.select(1, -1)
    };
    assert_close(&last, &Tensor::cat(&[&alone(0, &[1, 4, 5])?, &alone(1, &[1])?], 0)?);
    state.reorder(&[1, 0, 1])?;
    assert_eq!((state.rows(), state.len()), (3, 3));
    let next = encoded.extend_last(&Tensor::from_nested([[3i64], [6], [5]])?, &mut state)?;
    let want = [alone(1, &[1, 3])?, alone(0, &[1, 4, 5, 6])?, alone(1, &[1, 5])?];
    assert_close(&next, &Tensor::cat(&want.each_ref(), 0)?);
    let e = state.reorder(&[3]).unwrap_err();
    assert_eq!(e.message(), "reorder: there is no row 3, the state has 3");
    Ok(())
}

fn translations_are_those_of_single_steps<M: Seq2Seq>(model: &M) -> Result<()> {
    let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(6);
    let together = model.translate(&tokens().sources(&SOURCES)?, &options, &mut Rng::seed(0))?;
    for (i, got) in together.iter().enumerate() {
        let source = pair(i)?.0;
        let mut target = vec![1];
        while target.len() <= 6 {
            let ids = Tensor::from_slice(&target, [1, target.len()])?;
            let best = forward(model, &source, &ids)?.select(1, -1)?.argmax_dim(-1, false)?.item()? as i64;
            if best == 2 {
                break;
            }
            target.push(best);
        }
        assert_eq!(got.tokens, target[1..]);
        let encoded = model.encode(&source)?;
        let one = encoded.generate(&[1], &options.clone().end_tokens(&[2]), &mut Rng::seed(0))?;
        assert_eq!(one.tokens, got.tokens);
        // A search with one beam is greedy.
        let beams = model.translate_beams(&source, &BeamSearch::new(1)?, &GenerateOptions::new().max_new_tokens(6))?;
        assert_eq!(beams[0][0].tokens, got.tokens);
    }
    let search = BeamSearch::new(3)?;
    let options = GenerateOptions::new().max_new_tokens(6);
    let found = model.translate_beams(&tokens().sources(&SOURCES)?, &search, &options)?;
    assert_eq!(found.len(), 3);
    for (i, beams) in found.iter().enumerate() {
        let alone = model.translate_beams(&pair(i)?.0, &search, &options)?;
        assert_eq!(beams[0].tokens, alone[0][0].tokens);
    }
    let samples = options.samples(4);
    assert_eq!(model.translate(&tokens().sources(&SOURCES)?, &samples, &mut Rng::seed(5))?.len(), 12);
    Ok(())
}

fn everything<M: Seq2Seq>(model: &M) -> Result<()> {
    padding_changes_nothing(model)?;
    a_cache_gives_the_full_pass(model)?;
    rows_begin_at_different_times_and_change_places(model)?;
    translations_are_those_of_single_steps(model)
}

#[test]
fn the_transformer_decodes_as_it_was_trained() -> Result<()> {
    everything(&transformer())?;
    everything(&learned())
}

#[test]
fn the_lstm_decodes_as_it_was_trained() -> Result<()> {
    everything(&lstm())
}

#[test]
fn configs_and_models_come_back_from_files() -> Result<()> {
    let text = serde_json::to_string(learned().config()).unwrap();
    assert_eq!(&serde_json::from_str::<Seq2SeqTransformerConfig>(&text).unwrap(), learned().config());
    let text = serde_json::to_string(lstm().config()).unwrap();
    assert_eq!(&serde_json::from_str::<Seq2SeqLstmConfig>(&text).unwrap(), lstm().config());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = lstm();
    model.save(&path)?;
    let mut again = Seq2SeqLstm::new(model.config().clone(), &mut Rng::seed(9))?;
    again.load(&path)?;
    let (source, target) = pair(0)?;
    let logits = |model: &Seq2SeqLstm| Ok::<_, Error>(forward(model, &source, &target)?.to_f64_vec());
    assert_eq!(logits(&model)?, logits(&again)?);
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error() -> Result<()> {
    let model = transformer();
    let ids = |rows: &[&[i64]]| Tensor::from_vec(rows.concat(), [rows.len(), rows[0].len()]).unwrap();
    let error = |source: &Tensor, target: &Tensor| forward(&model, source, target).unwrap_err();
    let (source, target) = (ids(&[&[3, 4, 5]]), ids(&[&[1, 4]]));
    let e = error(&ids(&[&[3, 0, 5]]), &target);
    assert_eq!(e.message(), "seq2seq: source 0 has padding (0) at place 1, between tokens");
    assert_eq!(e.help(), Some("padding stands behind the tokens, or before them"));
    let e = error(&ids(&[&[3, 4], &[0, 0]]), &target);
    assert_eq!(e.message(), "seq2seq: source 1 is nothing but padding (0)");
    let e = error(&ids(&[&[3; 9]]), &target);
    assert_eq!(e.message(), "seq2seq: 9 source tokens, but the model looks at 8 at the most");
    let e = error(&source, &ids(&[&[1], &[1]]));
    assert_eq!(e.message(), "seq2seq: 2 targets for 1 sources");
    let e = error(&source, &target.squeeze(0)?);
    assert_eq!(e.message(), "seq2seq: target token ids of shape [2], expected [batch, time]");
    assert_eq!(e.help(), Some("a single sequence needs a batch of one: ids.unsqueeze(0)"));
    let e = error(&source.to_dtype(DType::F32), &target);
    assert_eq!(e.message(), "seq2seq: the source token ids must be i64, not f32");
    assert_eq!(error(&ids(&[&[3, 9]]), &target).layer(), Some("source_embedding.tokens"));

    let encoded = model.encode(&ids(&[&[3, 4], &[5, 6]]))?;
    assert_eq!(encoded.start(&[0, 0, 0]).unwrap_err().message(), "seq2seq: 3 targets for 2 sources");
    let e = encoded.start(&[0, 8]).unwrap_err();
    assert_eq!(e.message(), "seq2seq: a padding of 8 tokens in a context of 8");
    let mut state = encoded.start(&[0, 0])?;
    let e = encoded.extend(&target, &mut state).unwrap_err();
    assert_eq!(e.message(), "seq2seq: target token ids of shape [1, 2] for a state of 2 rows");
    let e = encoded.extend(&ids(&[&[1; 9], &[1; 9]]), &mut state).unwrap_err();
    assert_eq!(e.message(), "seq2seq: 9 target tokens after 0 are more than the model looks at (8)");
    assert!(encoded.extend(&ids(&[&[1], &[7]]), &mut state).is_err());
    assert!(state.is_empty());

    let error = |config| Seq2SeqTransformer::new(config, &mut Rng::seed(0)).unwrap_err().message();
    let config = Seq2SeqTransformerConfig::new(tokens(), 8);
    let at = "Seq2SeqTransformer::new:";
    assert_eq!(error(config.clone().heads(5)), format!("{at} hidden_size 64 is not a multiple of num_heads 5"));
    assert_eq!(error(config.clone().decoder_layers(0)), format!("{at} num_decoder_layers is 0, expected at least 1"));
    let huge = config.clone().layers(usize::MAX);
    assert_eq!(error(huge), format!("{at} a model of these sizes does not fit into memory"));
    let odd = Seq2SeqTransformerConfig::new(tokens().end_id(7), 8);
    assert_eq!(error(odd), format!("{at} end_id is 7, which is not among 7 target tokens"));
    let odd = Seq2SeqTransformerConfig::new(tokens().start_id(0), 8);
    assert_eq!(error(odd), format!("{at} padding_id is 0, and so is the start or the end of a target"));
    let odd = Seq2SeqLstmConfig::new(tokens()).hidden_size(5);
    let e = Seq2SeqLstm::new(odd, &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "Seq2SeqLstm::new: hidden_size is 5, expected an even number");
    assert_eq!(
        tokens().sources(&[vec![3], vec![]]).unwrap_err().message(),
        "seq2seq: source 1 is empty, expected at least one token"
    );
    Ok(())
}

#[test]
fn a_classifier_does_not_see_padding() -> Result<()> {
    for pooling in [Pooling::Mean, Pooling::Max, Pooling::First] {
        let config = TransformerClassifierConfig::new(9, 3, 8).layers(1).heads(2).hidden_size(8).pooling(pooling);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<TransformerClassifierConfig>(&text).unwrap(), config);
        let model = TransformerClassifier::new(config, &mut Rng::seed(4))?;
        let together = model.predict(&tokens().sources(&SOURCES)?)?;
        assert_eq!(together.shape(), [3, 3]);
        for i in 0..3 {
            assert_close(&together.narrow(0, i, 1)?, &model.predict(&pair(i)?.0)?);
        }
        assert_close(&model.predict(&padded_elsewhere()?)?, &together);
        let e = model.predict(&Tensor::from_nested([[3i64, 4, 6, 7], [0, 5, 0, 5]])?).unwrap_err();
        assert_eq!(e.message(), "transformer_classifier: sequence 1 has padding (0) at place 2, between tokens");
        let e = model.predict(&Tensor::from_vec(vec![3i64; 9], [1, 9])?).unwrap_err();
        assert_eq!(e.message(), "transformer_classifier: 9 sequence tokens, but the model looks at 8 at the most");
    }
    let e = TransformerClassifier::new(TransformerClassifierConfig::new(9, 0, 8), &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "TransformerClassifier::new: num_classes is 0, expected at least 1");
    Ok(())
}
