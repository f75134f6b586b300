//! What convolutional models of sequences see, and what they refuse.

use demotic::layers::*;
use demotic::models::{Tcn, TcnConfig, TextCnn, TextCnnConfig};
use demotic::{DType, ErrorKind, Result, Rng, Tensor, tensor};

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
