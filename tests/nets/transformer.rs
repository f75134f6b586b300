//! Multi-head attention and transformers: decoding, training mode, errors, summaries.

use demotic::layers::{AttentionHeads, SelfAttention};
use demotic::models::Mlp;
use demotic::prelude::*;

fn normal(shape: &[usize], rng: &mut Rng) -> Tensor {
    Tensor::normal(shape, 0.0, 1.0, rng).unwrap()
}

#[track_caller]
fn assert_close(a: &Tensor, b: &Tensor) {
    let worst = a.sub(b).unwrap().abs().max().unwrap().item().unwrap();
    assert!(worst < 1e-5, "{worst}");
}

#[test]
fn cached_decoding_gives_what_the_full_pass_gives() -> Result<()> {
    let mut rng = Rng::seed(1);
    let options = TransformerOptions::new(8, 2).feedforward(12).norm_first();
    let model = Transformer::new(&options, 2, 2, &mut rng)?;
    let (source, target) = (normal(&[3, 7, 8], &mut rng), normal(&[3, 6, 8], &mut rng));
    let padding = Tensor::from_vec((0..21).map(|i| i % 7 > 4).collect(), [3, 7])?;
    let (causal, padded) = (AttentionMasks::new().causal(), AttentionMasks::new().key_padding(&padding));
    no_grad(|| {
        let mut mode = Mode::eval();
        let memory = model.encoder.encode(&source, &padded, &mut mode)?;
        let whole = model.decoder.decode(&target, &memory, &causal, &padded, &mut mode)?;
        let mut cache = model.decoder.cache(&memory, 6)?;
        // Three positions at once, then one by one; the second of them twice.
        for (from, len) in [(0, 3), (3, 1), (4, 1), (4, 1), (5, 1)] {
            cache.truncate(from);
            let part = target.narrow(1, from, len)?;
            let y = model.decoder.decode_cached(&part, &mut cache, &causal, &padded, &mut mode)?;
            assert_close(&y, &whole.narrow(1, from, len)?);
        }
        assert_eq!(cache.len(), 6);
        let full = model.decoder.decode_cached(&target.narrow(1, 0, 1)?, &mut cache, &causal, &padded, &mut mode);
        let e = full.unwrap_err();
        assert_eq!(e.message(), "KvCache::append: 6 positions and 1 more, but there is room for 6");
        assert_eq!(e.layer(), Some("layers.0.self_attn"));
        Ok(())
    })
}

#[test]
fn caches_are_reordered_with_their_memory() -> Result<()> {
    let mut rng = Rng::seed(2);
    let decoder = TransformerDecoder::new(&TransformerOptions::new(4, 2).feedforward(6), 2, &mut rng)?;
    let (memory, x) = (normal(&[2, 3, 4], &mut rng), normal(&[2, 2, 4], &mut rng));
    let open = AttentionMasks::new();
    no_grad(|| {
        let mut mode = Mode::eval();
        let mut cache = decoder.cache(&memory, 4)?;
        decoder.decode_cached(&x, &mut cache, &open, &open, &mut mode)?;
        cache.reorder(&[1, 1, 0])?;
        let pick = |x: &Tensor| x.index_select(0, &Tensor::from_nested([1i64, 1, 0])?);
        let next = normal(&[3, 1, 4], &mut rng);
        let y = decoder.decode_cached(&next, &mut cache, &open, &open, &mut mode)?;
        let mut fresh = decoder.cache(&pick(&memory)?, 4)?;
        decoder.decode_cached(&pick(&x)?, &mut fresh, &open, &open, &mut mode)?;
        assert_close(&y, &decoder.decode_cached(&next, &mut fresh, &open, &open, &mut mode)?);
        Ok(())
    })
}

#[test]
fn dropout_acts_in_training_only() -> Result<()> {
    let mut rng = Rng::seed(3);
    let layer = TransformerEncoderLayer::new(&TransformerOptions::new(8, 2).feedforward(16).dropout(0.5), &mut rng)?;
    let x = normal(&[2, 5, 8], &mut rng);
    assert_eq!(layer.predict(&x)?.to_vec::<f32>()?, layer.predict(&x)?.to_vec::<f32>()?);
    let train = |seed| layer.forward(&x, &mut Mode::train(&mut Rng::seed(seed)))?.to_vec::<f32>();
    assert_eq!(train(1)?, train(1)?);
    assert_ne!(train(1)?, train(2)?);
    Ok(())
}

#[test]
fn errors() -> Result<()> {
    let mut rng = Rng::seed(4);
    let mut mode = Mode::eval();
    let e = MultiHeadAttention::new(10, 3, &mut rng).unwrap_err();
    assert_eq!(e.message(), "MultiHeadAttention::new: embed_dim 10 is not divisible by 3 heads");
    let layer = MultiHeadAttention::new(8, 2, &mut rng)?;
    let message = |result: Result<Tensor>| result.unwrap_err().message();
    let (x, open) = (Tensor::ones([2, 3, 8])?, AttentionMasks::new());
    assert_eq!(
        message(layer.predict(&Tensor::ones([2, 3, 6])?)),
        "MultiHeadAttention: the queries are [2, 3, 6], expected [.., positions, 8]"
    );
    assert_eq!(
        message(layer.attend(&x, &Tensor::ones([2, 4, 7])?, &x, &open, &mut mode)),
        "MultiHeadAttention: the keys are [2, 4, 7], expected [.., positions, 8]"
    );
    assert_eq!(
        message(layer.attend(&x, &x, &x, &open.clone().mask(&Tensor::ones([3, 4])?), &mut mode)),
        "MultiHeadAttention: a mask of shape [3, 4] for scores [2, 2, 3, 3]"
    );
    assert_eq!(
        message(layer.attend(&x, &x, &x, &open.clone().key_padding(&Tensor::ones([3])?), &mut mode)),
        "MultiHeadAttention: key padding [3], expected [2, 3]"
    );
    let e = layer.clone().dropout(2.0).unwrap_err();
    assert_eq!(e.message(), "MultiHeadAttention: p is 2, expected a probability from 0 to 1");

    let options = TransformerOptions::new(8, 2).feedforward(4);
    let e = TransformerEncoder::new(&options, 0, &mut rng).unwrap_err();
    assert_eq!(e.message(), "TransformerEncoder::new: 0 layers, expected at least 1");
    assert!(TransformerEncoderLayer::new(&options.clone().feedforward(0), &mut rng).is_err());
    assert!(TransformerEncoderLayer::new(&options.clone().eps(f64::NAN), &mut rng).is_err());
    let encoder = TransformerEncoder::new(&options, 2, &mut rng)?;
    let e = encoder.predict(&Tensor::ones([2, 3, 6])?).unwrap_err();
    assert_eq!(e.layer(), Some("layers.0.self_attn"));
    // A cache keeps no gradients.
    let mut cache = encoder.cache(2, 3)?;
    let e = encoder.encode_cached(&x, &mut cache, &open, &mut mode).unwrap_err();
    assert_eq!(e.message(), "KvCache::append: the keys need a gradient, and a cache keeps none");
    Ok(())
}

#[test]
fn heads_that_do_not_fit_are_refused() -> Result<()> {
    let mut rng = Rng::seed(3);
    let message = |result: Result<AttentionHeads>| result.unwrap_err().message();
    assert_eq!(
        message(AttentionHeads::new(4, 0)),
        "AttentionHeads: 4 heads of 0 features, expected at least 1 of each"
    );
    assert!(AttentionHeads::new(usize::MAX / 2, 2).is_err());
    let heads = AttentionHeads::new(4, 8)?;
    assert_eq!(
        message(heads.clone().kv_heads(3)),
        "AttentionHeads: 4 heads are no multiple of 3 heads of keys and values"
    );
    assert!(heads.clone().kv_heads(0).is_err());
    assert_eq!(message(heads.clone().dropout(-0.5)), "AttentionHeads: p is -0.5, expected a probability from 0 to 1");
    assert_eq!(message(heads.clone().scale(f64::NAN)), "AttentionHeads: the scale is NaN, expected a finite number");
    assert_eq!(
        message(heads.clone().rotary(RotaryPositions::new(9, 6)?)),
        "AttentionHeads: RotaryPositions(9 × 6, base 10000) for heads of 8 features"
    );

    let heads = heads.kv_heads(2)?.rotary(RotaryPositions::new(5, 8)?)?;
    assert_eq!(format!("{heads:?}"), "4 heads, 2 of keys and values, RotaryPositions(5 × 8, base 10000)");
    assert_eq!((heads.query_features(), heads.key_features()), (32, 16));
    let layer = SelfAttention::new(6, heads, &mut rng)?.without_bias().causal();
    assert_eq!(layer.num_parameters(), 6 * (32 + 16 + 16 + 32));
    let masks = AttentionMasks::new();
    let message = |result: Result<Tensor>| result.unwrap_err().message();
    assert_eq!(
        message(layer.predict(&Tensor::ones([1, 6, 6])?)),
        "RotaryPositions: 6 steps from position 0 on, but there are 5 positions"
    );
    assert_eq!(
        message(layer.attend(&Tensor::ones([1, 3, 6])?, &masks.mask(&Tensor::ones([4])?), &mut Mode::eval())),
        "SelfAttention: a mask of shape [4] for scores [1, 4, 3, 3]"
    );
    // What is behind the last position of a cache is refused like what is behind the last one of all.
    let mut cache = layer.cache(1, 4)?;
    let mut next = |n: usize| {
        let x = Tensor::ones([1, n, 6])?;
        no_grad(|| layer.attend_cached(&x, &mut cache, &AttentionMasks::new(), &mut Mode::eval()))
    };
    next(3)?;
    assert_eq!(message(next(2)), "KvCache::append: 3 positions and 2 more, but there is room for 4");
    Ok(())
}

#[test]
fn summaries_count_every_parameter() -> Result<()> {
    let mut rng = Rng::seed(5);
    let encoder = TransformerEncoder::new(&TransformerOptions::new(8, 2).feedforward(16), 2, &mut rng)?;
    let summary = encoder.summary([2, 3, 8])?;
    let counted: usize = summary.rows().iter().map(|row| row.parameters).sum();
    assert_eq!(counted, encoder.num_parameters());
    let attention = summary.rows().iter().find(|row| row.path == "layers.0.self_attn").unwrap();
    assert_eq!((attention.parameters, attention.output.as_deref()), (216, Some(&[2, 3, 8][..])));
    Ok(())
}

#[test]
fn more_layers_than_memory_holds_are_refused_at_once() {
    let options = TransformerOptions::new(1, 1).feedforward(1);
    let mut rng = Rng::seed(0);
    for layers in [1 << 40, usize::MAX / 2, usize::MAX] {
        let refused = "a model of these sizes does not fit into memory";
        let e = TransformerEncoder::new(&options, layers, &mut rng).unwrap_err();
        assert_eq!(e.message(), format!("TransformerEncoder::new: {refused}"));
        let e = TransformerDecoder::new(&options, layers, &mut rng).unwrap_err();
        assert_eq!(e.message(), format!("TransformerDecoder::new: {refused}"));
        let e = Transformer::new(&options, 1, layers, &mut rng).unwrap_err();
        assert_eq!(e.message(), format!("TransformerDecoder::new: {refused}"));
    }
    let e = Mlp::new(&[1 << 30, 1 << 30, 1], &mut rng).unwrap_err();
    assert_eq!(e.message(), "Mlp::new: a model of these sizes does not fit into memory");
}
