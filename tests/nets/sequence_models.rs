//! What convolutional models of sequences see, and what they refuse.

use demotic::layers::*;
use demotic::models::{CausalLm, Generate, GenerateOptions, LmState, Tcn, TcnConfig, TextCnn, TextCnnConfig};
use demotic::optimizers::Optimizer;
use demotic::{DType, ErrorKind, Result, Rng, Tensor, losses, tensor};

fn ids<const N: usize, const M: usize>(rows: [[i64; M]; N]) -> Tensor {
    Tensor::from_nested(rows).unwrap()
}

fn text_cnn() -> TextCnn {
    let config = TextCnnConfig::new(9, 2).embedding_size(4).num_filters(5).kernel_sizes(&[2, 4]);
    TextCnn::new(config, &mut Rng::seed(1)).unwrap()
}

#[test]
fn a_sentence_has_the_same_logits_in_any_batch() -> Result<()> {
    let model = text_cnn();
    let together =
        model.predict(&ids([[3, 1, 4, 1, 5, 8], [2, 7, 0, 0, 0, 0], [0, 0, 0, 2, 7, 1], [0, 0, 0, 0, 0, 6]]))?;
    let alone = [ids([[3, 1, 4, 1, 5, 8]]), ids([[2, 7]]), ids([[2, 7, 1]]), ids([[6]])];
    for (row, sentence) in alone.iter().enumerate() {
        let (a, b) = (together.select(0, row as isize)?, model.predict(sentence)?.select(0, 0)?);
        assert!(a.allclose(&b, 1e-5, 1e-6, false)?, "{row}: {a} {b}");
    }
    Ok(())
}

#[test]
fn text_cnn_says_what_does_not_fit() {
    let model = text_cnn();
    let refused = |x: &Tensor| {
        let e = model.predict(x).unwrap_err();
        (e.kind(), e.message())
    };
    assert_eq!(
        refused(&tensor![[1.0, 2.0]]),
        (ErrorKind::DType, "text_cnn: the sequence token ids must be i64, not f32".into())
    );
    assert_eq!(
        refused(&ids([[1, 2], [0, 0]])),
        (ErrorKind::Argument, "text_cnn: sequence 1 is nothing but padding (0)".into())
    );
    assert_eq!(
        refused(&ids([[1, 0, 2]])),
        (ErrorKind::Argument, "text_cnn: sequence 0 has padding (0) at place 1, between tokens".into())
    );
    let e = model.predict(&ids([[1, 9]])).unwrap_err();
    assert_eq!((e.kind(), e.layer()), (ErrorKind::Index, Some("embedding")));
    let made = |config: TextCnnConfig| TextCnn::new(config, &mut Rng::seed(0)).unwrap_err().message();
    let config = TextCnnConfig::new(9, 2);
    assert_eq!(made(config.clone().kernel_sizes(&[])), "TextCnn::new: there are no kernel sizes");
    assert_eq!(made(config.clone().kernel_sizes(&[2, 0])), "TextCnn::new: a kernel size is 0, expected at least 1");
    assert_eq!(made(config.clone().num_filters(0)), "TextCnn::new: num_filters is 0, expected at least 1");
    assert_eq!(made(config.num_filters(1 << 50)), "TextCnn::new: a model of these sizes does not fit into memory");
}

/// Changing a place changes the outputs from there on, as far as the receptive field reaches, and no others.
#[test]
fn outputs_depend_on_the_places_before_them() -> Result<()> {
    let config = TcnConfig::new(1, 1).channels(&[32, 32]).kernel_size(3);
    assert_eq!(config.receptive_field(), 1 + 2 * 2 * (1 + 2));
    let model = Tcn::new(config, &mut Rng::seed(2))?;
    let x = Tensor::uniform([1, 40, 1], -1.0, 1.0, &mut Rng::seed(3))?;
    let moved = x.index_put((0, 20, 0), &Tensor::scalar(3.0))?;
    let changes = model.predict(&moved)?.sub(&model.predict(&x)?)?.to_vec::<f32>()?;
    let changed: Vec<usize> = (0..40).filter(|t| changes[*t] != 0.0).collect();
    assert_eq!((changed[0], changed.last()), (20, Some(&(20 + 12))));
    Ok(())
}

/// Places that lie before the beginning take no memory, however far apart they are.
#[test]
fn blocks_that_look_further_back_than_there_is_anything() -> Result<()> {
    let config = TcnConfig::new(2, 1).channels(&[3; 70]).kernel_size(4);
    assert_eq!(config.receptive_field(), usize::MAX);
    let model = Tcn::new(config, &mut Rng::seed(4))?;
    let y = model.predict(&Tensor::ones([1, 9, 2])?)?;
    assert_eq!(y.shape(), [1, 9, 1]);
    // One place by itself is what all see at the beginning.
    let first = model.predict(&Tensor::ones([1, 1, 2])?)?;
    assert!(y.narrow(1, 0, 1)?.allclose(&first, 1e-5, 1e-6, false)?);
    Ok(())
}

/// Token by token, several at once, in rows of different lengths, exchanged rows: always what the model says of the whole sequence. The
/// first blocks see less than there is, the last one more.
#[test]
fn a_tcn_continues_what_it_has_seen() -> Result<()> {
    let config = TcnConfig::tokens(7, 5, 7).channels(&[6, 6, 4, 4, 4]).kernel_size(3);
    assert!(config.receptive_field() > 40);
    let model = Tcn::new(config, &mut Rng::seed(5))?;
    let ids = Tensor::randint(0, 7, [3, 40], &mut Rng::seed(6))?;
    let close = |a: &Tensor, b: &Tensor| a.allclose(b, 1e-5, 1e-5, false);
    let whole = model.predict(&ids)?;
    for cuts in [vec![40], (1..=40).collect::<Vec<_>>(), vec![1, 3, 4, 20, 21, 22, 40]] {
        let (mut state, mut from) = (model.start(&[0; 3])?, 0);
        for to in cuts {
            let part = ids.slice(1, from as isize..to as isize)?;
            let mut last = state.clone();
            let logits = model.extend(&part, &mut state)?;
            assert!(close(&logits, &whole.slice(1, from as isize..to as isize)?)?, "{from} .. {to}");
            assert!(close(&model.extend_last(&part, &mut last)?, &logits.select(1, -1)?)?);
            (from, _) = (to, assert_eq!((state.len(), last.len(), state.rows()), (to, to, 3)));
        }
    }
    // The second row begins after 9 absent tokens, the third after 30; later, the third takes the place of the first.
    let mut state = model.start(&[0, 9, 30])?;
    for (from, to) in [(0, 5), (5, 12), (12, 13), (13, 35)] {
        let logits = model.extend(&ids.slice(1, from..to)?, &mut state)?;
        assert!(logits.to_f64_vec().iter().all(|x| x.is_finite()));
        for (row, padding) in [(0, 0), (1, 9), (2, 30)] {
            if from >= padding {
                let alone = model.predict(&ids.narrow(0, row, 1)?.slice(1, padding..to)?)?;
                assert!(
                    close(&logits.narrow(0, row, 1)?, &alone.slice(1, from - padding..to - padding)?)?,
                    "{row} at {from}"
                );
            }
        }
    }
    state.reorder(&[2, 1, 1, 2])?;
    let next = ids.slice(1, 35..40)?.index_select(0, &Tensor::from_nested([2i64, 1, 1, 2])?)?;
    let logits = model.extend(&next, &mut state)?;
    for (row, of, padding) in [(0, 2, 30), (1, 1, 9), (3, 2, 30)] {
        let alone = model.predict(&ids.narrow(0, of, 1)?.slice(1, padding..40)?)?;
        assert!(close(&logits.narrow(0, row, 1)?, &alone.slice(1, -5..40 - padding)?)?, "{row}");
    }

    // As a language model: what always comes next.
    let (mut model, mut rng) =
        (Tcn::new(TcnConfig::tokens(6, 8, 6).channels(&[16, 16]), &mut Rng::seed(7))?, Rng::seed(8));
    let text: Vec<i64> = (0..64).map(|i| [0, 1, 2, 0, 3, 4][i % 6]).collect();
    let ids = Tensor::from_vec(text.clone(), [1, 64])?;
    let mut opt = demotic::optimizers::Adam::new(0.01);
    for _step in 0..150 {
        let logits = model.forward(&ids.slice(1, 0..63)?, &mut Mode::train(&mut rng))?;
        let loss = losses::token_cross_entropy(&logits, &ids.slice(1, 1..64)?)?;
        opt.step(&mut model, &loss.backward()?)?;
    }
    let options = GenerateOptions::new().sampler(demotic::text::Sampler::greedy()).max_new_tokens(12);
    let found = model.generate(&text[..8], &options, &mut rng)?;
    assert_eq!(found.tokens, text[8..20]);

    let none = Tcn::new(TcnConfig::new(3, 1), &mut rng)?.start(&[0]).unwrap_err();
    assert_eq!(none.message(), "tcn: the model takes numbers, not tokens");
    let help = "a language model is made by TcnConfig::tokens(n, size, n): tokens of n kinds, and an output for each";
    assert_eq!(none.help(), Some(help));
    let other = Tcn::new(TcnConfig::tokens(5, 3, 2), &mut rng)?.start(&[0]).unwrap_err();
    assert_eq!(other.message(), "tcn: the model has 2 outputs for tokens of 5 kinds");
    Ok(())
}

#[test]
fn tcn_says_what_does_not_fit() {
    let model = Tcn::new(TcnConfig::new(3, 1), &mut Rng::seed(0)).unwrap();
    let refused = |x: &Tensor| model.predict(x).unwrap_err().message();
    assert_eq!(refused(&Tensor::ones([2, 4]).unwrap()), "tcn: an input of shape [2, 4], expected [batch, time, 3]");
    assert_eq!(
        refused(&Tensor::ones([2, 4, 2]).unwrap()),
        "tcn: an input of shape [2, 4, 2], expected [batch, time, 3]"
    );
    assert_eq!(
        refused(&Tensor::zeros([2, 0, 3]).unwrap()),
        "tcn: an input of shape [2, 0, 3], expected [batch, time, 3]"
    );
    assert_eq!(model.predict(&Tensor::zeros([0, 4, 3]).unwrap()).unwrap().shape(), [0, 4, 1]);
    let tokens = Tcn::new(TcnConfig::tokens(5, 3, 1), &mut Rng::seed(0)).unwrap();
    let e = tokens.predict(&Tensor::ones([2, 4]).unwrap()).unwrap_err();
    assert_eq!((e.kind(), e.message()), (ErrorKind::DType, "tcn: the token ids must be i64, not f32".into()));
    let made = |config: TcnConfig| Tcn::new(config, &mut Rng::seed(0)).unwrap_err().message();
    assert_eq!(
        made(TcnConfig::new(3, 1).channels(&[])),
        "Tcn::new: there are no blocks: the list of channels is empty"
    );
    assert_eq!(
        made(TcnConfig::new(3, 1).channels(&[4, 0])),
        "Tcn::new: a number of channels is 0, expected at least 1"
    );
    assert_eq!(made(TcnConfig::new(3, 1).kernel_size(0)), "Tcn::new: kernel_size is 0, expected at least 1");
    assert_eq!(made(TcnConfig::tokens(0, 3, 1)), "Tcn::new: vocab_size is 0, expected at least 1");
    assert_eq!(made(TcnConfig::new(3, 1 << 50)), "Tcn::new: a model of these sizes does not fit into memory");
    assert!(Tcn::new(TcnConfig::new(3, 1).dropout(1.5), &mut Rng::seed(0)).is_err());
    let mut wide = Tcn::new(TcnConfig::new(3, 1).channels(&[4]), &mut Rng::seed(0)).unwrap();
    wide.to_dtype(DType::F64).unwrap();
    assert_eq!(wide.predict(&Tensor::ones([1, 2, 3]).unwrap().to_dtype(DType::F64)).unwrap().dtype(), DType::F64);
}
