//! Layers and models of every size and with every option.

use demotic::layers::{
    AttentionMasks, Dropout, Embedding, Flatten, Gru, GruCell, KvCache, Layer, LayerExt, LayerNorm, LearnedPositions,
    Linear, Lstm, LstmCell, Mode, Module, MultiHeadAttention, Recurrent, RmsNorm, Rnn, RotaryPositions,
    SinusoidalPositions, TransformerDecoder, TransformerEncoder, TransformerOptions,
};
use demotic::models::{Gpt, GptConfig, LinearRegression, Mlp, RecurrentLm, RecurrentLmConfig};
use demotic::models::{TransformerClassifier, TransformerClassifierConfig};
use demotic::{DType, Rng, Tensor};

use super::child::limited;
use super::{NUMBERS, OFFSETS, SIZES};

#[test]
fn sizes() {
    limited("layers::sizes", |cases| {
        let mut rng = Rng::seed(0);
        let x = Tensor::zeros([2, 3, 4]).unwrap();
        for n in SIZES {
            cases.run(format!("positions at {n}"), || {
                let _ = SinusoidalPositions::new(8, 4)?.forward_at(&x, n);
                let _ = RotaryPositions::new(8, 4)?.forward_at(&x, n);
                LearnedPositions::new(8, 4, &mut rng)?.forward_at(&x, n)
            });
            cases.run(format!("padding_idx {n}"), || Embedding::new(3, 2, &mut rng)?.padding_idx(n));
            for m in SIZES {
                let name = |what: &str| format!("{what}({n}, {m})");
                cases.run(name("Linear"), || Linear::new(n, m, &mut rng));
                cases.run(name("Embedding"), || Embedding::new(n, m, &mut rng));
                cases.run(name("SinusoidalPositions"), || SinusoidalPositions::new(n, m));
                cases.run(name("LearnedPositions"), || LearnedPositions::new(n, m, &mut rng));
                cases.run(name("RotaryPositions"), || RotaryPositions::new(n, m)?.dims(m));
                cases.run(name("LayerNorm"), || LayerNorm::new([n, m]));
                cases.run(name("RmsNorm"), || RmsNorm::new([n, m]));
                cases.run(name("RnnCell"), || (GruCell::new(n, m, &mut rng), LstmCell::new(n, m, &mut rng)));
                cases.run(name("Rnn"), || Rnn::new(n, m, &mut rng));
                cases.run(name("Gru"), || Gru::new(n, m, &mut rng));
                cases.run(name("Lstm layers"), || Lstm::with(Recurrent::new(3, n).layers(m), &mut rng));
                cases.run(name("Lstm outputs"), || Lstm::with(Recurrent::new(3, n).projection(m), &mut rng));
                cases.run(name("MultiHeadAttention"), || MultiHeadAttention::new(n, m, &mut rng));
                cases.run(name("keys"), || MultiHeadAttention::new(4, 2, &mut rng)?.key_and_value_dims(n, m, &mut rng));
                cases.run(name("cache"), || MultiHeadAttention::new(4, 2, &mut rng)?.cache(n, m));
                cases.run(name("KvCache"), || KvCache::new(n, m, 3, n, DType::F32));
                cases.run(name("Encoder"), || TransformerEncoder::new(&TransformerOptions::new(n, m), 1, &mut rng));
                cases.run(name("deep Encoder"), || {
                    TransformerEncoder::new(&TransformerOptions::new(4, 2).feedforward(n), m, &mut rng)
                });
                cases.run(name("deep Decoder"), || {
                    TransformerDecoder::new(&TransformerOptions::new(4, 2).feedforward(n), m, &mut rng)
                });
                cases.run(name("Mlp"), || Mlp::new(&[3, n, m], &mut rng));
                cases.run(name("Gpt"), || Gpt::new(GptConfig::new(n, m).layers(1).heads(1).hidden_size(2), &mut rng));
                cases.run(name("deep Gpt"), || {
                    Gpt::new(GptConfig::new(5, 4).layers(n).heads(1).hidden_size(m), &mut rng)
                });
                cases.run(name("heads of Gpt"), || {
                    Gpt::new(GptConfig::new(5, 4).layers(1).heads(n).hidden_size(m).intermediate_size(n), &mut rng)
                });
                cases.run(name("numbers of parameters"), || {
                    let gpt = GptConfig::new(n, m).layers(n).hidden_size(m).num_parameters();
                    (gpt, RecurrentLmConfig::new(n).layers(m).hidden_size(n).num_parameters())
                });
                cases.run(name("RecurrentLm"), || {
                    RecurrentLm::new(RecurrentLmConfig::new(5).layers(n).hidden_size(m).embedding_size(m), &mut rng)
                });
                cases.run(name("TransformerClassifier"), || {
                    let config = TransformerClassifierConfig::new(n, m, 4).layers(1).heads(1).hidden_size(2);
                    TransformerClassifier::new(config, &mut rng)
                });
                cases.run(name("deep TransformerClassifier"), || {
                    let config = TransformerClassifierConfig::new(5, 2, n).layers(m).heads(1).hidden_size(2);
                    TransformerClassifier::new(config, &mut rng)
                });
            }
        }
        for a in OFFSETS {
            for b in OFFSETS {
                cases.run(format!("Flatten({a}, {b})"), || Flatten::dims(a, b).predict(&x));
            }
        }
    });
}

#[test]
fn numbers() {
    limited("layers::numbers", |cases| {
        let mut rng = Rng::seed(0);
        let x = Tensor::zeros([2, 4]).unwrap();
        for a in NUMBERS {
            cases.run(format!("Dropout({a})"), || Dropout::new(a));
            cases.run(format!("eps {a}"), || LayerNorm::new([4])?.eps(a).predict(&x));
            cases.run(format!("RmsNorm eps {a}"), || RmsNorm::new([4])?.eps(a).predict(&x));
            cases.run(format!("base {a}"), || RotaryPositions::new(4, 4)?.base(a));
            cases.run(format!("attention dropout {a}"), || MultiHeadAttention::new(4, 2, &mut rng)?.dropout(a));
            cases.run(format!("Lstm dropout {a}"), || Lstm::with(Recurrent::new(3, 3).layers(2).dropout(a), &mut rng));
            cases.run(format!("transformer {a}"), || {
                TransformerEncoder::new(&TransformerOptions::new(4, 2).dropout(a).eps(a), 1, &mut rng)
            });
            cases.run(format!("Mlp dropout {a}"), || Mlp::new(&[3, 4, 1], &mut rng)?.dropout(a));
            cases.run(format!("Gpt dropout {a}"), || {
                Gpt::new(GptConfig::new(5, 4).layers(1).heads(1).hidden_size(2).dropout(a), &mut rng)
            });
            cases.run(format!("ridge {a}"), || LinearRegression::fit_ridge(&x, &x, a));
            for b in NUMBERS {
                cases.run(format!("Embedding {a}, {b}"), || Embedding::new(3, 2, &mut rng)?.norm_type(a)?.max_norm(b));
            }
        }
    });
}

/// Batches and sequences without elements whose other sizes are huge.
#[test]
fn inputs_of_nothing() {
    limited("layers::inputs_of_nothing", |cases| {
        let mut rng = Rng::seed(0);
        let transformer = TransformerOptions::new(4, 2).dropout(0.0);
        let recurrent = || Recurrent::new(4, 4).layers(2).bidirectional();
        let layers: Vec<Box<dyn Layer>> = vec![
            Box::new(Linear::new(4, 4, &mut rng).unwrap()),
            Box::new(LayerNorm::new([4]).unwrap()),
            Box::new(RmsNorm::new([4]).unwrap()),
            Box::new(Dropout::new(0.5).unwrap()),
            Box::new(Flatten::new()),
            Box::new(SinusoidalPositions::new(8, 4).unwrap()),
            Box::new(LearnedPositions::new(8, 4, &mut rng).unwrap()),
            Box::new(Lstm::with(recurrent(), &mut rng).unwrap()),
            Box::new(Gru::with(recurrent(), &mut rng).unwrap()),
            Box::new(Rnn::new(4, 4, &mut rng).unwrap()),
            Box::new(TransformerEncoder::new(&transformer, 1, &mut rng).unwrap()),
            Box::new(Mlp::new(&[4, 4, 1], &mut rng).unwrap()),
        ];
        let config = || GptConfig::new(5, 4).layers(1).heads(1).hidden_size(2);
        let of_ids: Vec<Box<dyn Layer>> = vec![
            Box::new(Embedding::new(5, 2, &mut rng).unwrap()),
            Box::new(Gpt::new(config(), &mut rng).unwrap()),
            Box::new(RecurrentLm::new(RecurrentLmConfig::new(5).layers(1).hidden_size(4), &mut rng).unwrap()),
        ];
        let attention = MultiHeadAttention::new(4, 2, &mut rng).unwrap();
        for shape in [[0, 1 << 40], [1 << 40, 0], [0, 0], [1, 0], [0, 1]] {
            let x = Tensor::zeros([shape[0], shape[1], 4]).unwrap();
            for layer in &layers {
                cases.run(format!("{} of {:?}", layer.kind(), x.shape()), || {
                    layer.predict(&x)?;
                    layer.forward(&x, &mut Mode::train(&mut rng))?.sum().backward()
                });
            }
            for causal in [false, true] {
                cases.run(format!("attention to {:?}, causal: {causal}", x.shape()), || {
                    let masks = if causal { AttentionMasks::new().causal() } else { AttentionMasks::new() };
                    attention.attend_with_weights(&x, &x, &x, &masks, false, &mut Mode::eval())
                });
            }
            let ids = Tensor::zeros(shape).unwrap().to_dtype(DType::I64);
            for layer in &of_ids {
                cases.run(format!("{} of {shape:?} ids", layer.kind()), || {
                    layer.forward(&ids, &mut Mode::train(&mut rng))?.sum().backward()
                });
            }
        }
    });
}
