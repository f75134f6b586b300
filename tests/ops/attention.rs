//! Attention: what the reference numbers do not show.

use demotic::{AttentionOptions, DType, ErrorKind, Result, Rng, Tensor, parallel};

fn normal(shape: &[usize], rng: &mut Rng) -> Tensor {
    Tensor::normal(shape, 0.0, 1.0, rng).unwrap()
}

#[track_caller]
fn fails(result: Result<Tensor>, kind: ErrorKind, text: &str) {
    let e = result.unwrap_err();
    assert_eq!((e.kind(), e.to_string().split("\n  at").next().unwrap()), (kind, text), "{e}");
    assert!(e.to_string().contains("tests/ops/attention.rs"), "{e}");
}

#[test]
fn errors() {
    let ones = |shape: &[usize]| Tensor::ones(shape).unwrap();
    let options = AttentionOptions::new;
    let (q, kv) = (ones(&[2, 4, 5, 8]), ones(&[2, 4, 7, 8]));
    use ErrorKind::{Argument, DType as Type, Shape};
    let run = |q: &Tensor, k: &Tensor, v: &Tensor| q.attention(k, v, &options());

    fails(
        run(&q, &ones(&[4, 7, 8]), &kv),
        Shape,
        "attention: queries [2, 4, 5, 8], keys [4, 7, 8], values [2, 4, 7, 8], expected as many dimensions, at least 2",
    );
    fails(
        run(&ones(&[8]), &ones(&[8]), &ones(&[8])),
        Shape,
        "attention: queries [8], keys [8], values [8], expected as many dimensions, at least 2",
    );
    fails(
        run(&q, &ones(&[1, 4, 7, 8]), &ones(&[1, 4, 7, 8])),
        Shape,
        "attention: queries [2, 4, 5, 8], keys [1, 4, 7, 8], values [1, 4, 7, 8]: the leading dimensions differ",
    );
    fails(
        run(&q, &kv, &ones(&[2, 4, 6, 8])),
        Shape,
        "attention: queries [2, 4, 5, 8], keys [2, 4, 7, 8], values [2, 4, 6, 8]: there is not one value for each key",
    );
    fails(
        run(&q, &ones(&[2, 4, 7, 6]), &kv),
        Shape,
        "attention: queries [2, 4, 5, 8], keys [2, 4, 7, 6], values [2, 4, 7, 8]: sizes of queries and keys differ (8 ≠ 6)",
    );
    fails(
        run(&q, &ones(&[2, 3, 7, 8]), &ones(&[2, 3, 7, 8])),
        Shape,
        "attention: queries [2, 4, 5, 8], keys [2, 3, 7, 8], values [2, 3, 7, 8]: 4 heads are no multiple of 3 heads of \
         keys and values",
    );
    fails(
        run(&ones(&[2, 0]), &ones(&[3, 0]), &ones(&[3, 1])),
        Shape,
        "attention: queries [2, 0], keys [3, 0], values [3, 1]: queries and keys of size 0",
    );
    fails(run(&q.to_dtype(DType::I64), &kv, &kv), Type, "attention: the queries must be f32 or f64, not i64");
    fails(run(&q, &kv.to_dtype(DType::F64), &kv), Type, "attention: the keys must be f32, not f64");

    let with = |options: AttentionOptions| q.attention(&kv, &kv, &options);
    fails(
        with(options().mask(&ones(&[5, 6]))),
        Shape,
        "attention: a mask of shape [5, 6] does not broadcast to [2, 4, 5, 7]",
    );
    fails(
        with(options().mask(&ones(&[5, 7]).to_dtype(DType::U8))),
        Type,
        "attention: a mask of type u8 for queries of type f32",
    );
    let mut rng = Rng::seed(0);
    fails(with(options().dropout(1.5, &mut rng)), Argument, "attention: p is 1.5, expected a probability from 0 to 1");
    fails(
        with(options().dropout(f64::NAN, &mut rng)),
        Argument,
        "attention: p is NaN, expected a probability from 0 to 1",
    );
    fails(with(options().scale(f64::INFINITY)), Argument, "attention: the scale is inf, expected a finite number");
    let help = with(options().mask(&ones(&[2, 7]))).unwrap_err();
    assert_eq!(help.help(), Some("a mask of padded keys [batch, S] has to be reshaped to [batch, 1, 1, S]"));
}

#[test]
fn nothing_seen_gives_zeros_and_no_nan() -> Result<()> {
    let mut rng = Rng::seed(1);
    let [q, k, v] = [(); 3].map(|()| normal(&[2, 3, 4], &mut rng).tracked().unwrap());
    let nothing = Tensor::full_dtype([3, 3], 0.0, DType::Bool)?;
    let minus_infinity = Tensor::full([3, 3], f64::NEG_INFINITY)?;
    for options in [AttentionOptions::new().mask(&nothing), AttentionOptions::new().mask(&minus_infinity)] {
        let y = q.attention(&k, &v, &options)?;
        assert!(y.to_vec::<f32>()?.iter().all(|x| *x == 0.0));
        let grads = y.sum().backward()?;
        for x in [&q, &k, &v] {
            assert!(grads.wrt(x)?.to_vec::<f32>()?.iter().all(|x| *x == 0.0));
        }
    }
    // Without any keys as well.
    let none = Tensor::zeros([2, 0, 4])?;
    assert_eq!(q.attention(&none, &none, &AttentionOptions::new())?.to_vec::<f32>()?, [0.0; 24]);
    Ok(())
}

#[test]
fn extreme_scores_neither_overflow_nor_vanish() -> Result<()> {
    let q = Tensor::from_vec(vec![1e4f32, 0.0], [2, 1])?;
    let k = Tensor::from_vec(vec![-1e4f32, 1e4, 0.0], [3, 1])?;
    let v = Tensor::from_vec(vec![1f32, 2.0, 6.0], [3, 1])?;
    assert_eq!(q.attention(&k, &v, &AttentionOptions::new())?.to_vec::<f32>()?, [2.0, 3.0]);
    // NaN is passed on, to the queries that see it.
    let k = Tensor::from_vec(vec![0f32, f32::NAN, 0.0], [3, 1])?;
    let y = Tensor::ones([3, 1])?.attention(&k, &v, &AttentionOptions::new().causal())?.to_vec::<f32>()?;
    assert_eq!(y[0], 1.0);
    assert!(y[1].is_nan() && y[2].is_nan());
    Ok(())
}

/// With values of 1, results are the sums of the kept weights.
#[test]
fn dropout_keeps_the_mean_and_follows_the_seed() -> Result<()> {
    let mut rng = Rng::seed(2);
    let (q, k) = (normal(&[8, 100, 4], &mut rng), normal(&[8, 300, 4], &mut rng));
    let v = Tensor::ones([8, 300, 1])?;
    let run = |seed| q.attention(&k, &v, &AttentionOptions::new().dropout(0.25, &mut Rng::seed(seed)));
    let y = run(3)?;
    assert!((y.mean().item()? - 1.0).abs() < 5e-3, "{}", y.mean().item()?);
    assert!(y.sub(&run(4)?)?.abs().mean().item()? > 0.01);
    assert_eq!(y.to_vec::<f32>()?, run(3)?.to_vec::<f32>()?);
    for threads in [1, 2, 3] {
        let other = parallel::with_threads(threads, || run(3))??;
        assert_eq!(other.to_vec::<f32>()?, y.to_vec::<f32>()?, "{threads} threads");
    }
    // The weights that are returned are those that were used.
    let options = AttentionOptions::new().dropout(0.25, &mut Rng::seed(3));
    let (_, weights) = q.attention_with_weights(&k, &v, &options)?;
    let sums = weights.sum_dims(&[-1], true)?;
    assert!(sums.sub(&y)?.abs().max()?.item()? < 1e-5);
    // Without dropout, the generator is left alone.
    let mut untouched = Rng::seed(5);
    let _ = AttentionOptions::new().dropout(0.0, &mut untouched);
    assert_eq!(untouched, Rng::seed(5));
    Ok(())
}

#[test]
fn heads_are_joined_without_a_copy() -> Result<()> {
    let mut rng = Rng::seed(6);
    let x = normal(&[2, 10, 3 * 12], &mut rng);
    let heads = |i: usize| x.narrow(-1, 12 * i, 12)?.reshape([2, 10, 3, 4])?.permute(&[0, 2, 1, 3]);
    let (q, k, v) = (heads(0)?, heads(1)?, heads(2)?);
    assert!(q.shares_storage(&x) && v.shares_storage(&x));
    let y = q.attention(&k, &v, &AttentionOptions::new().causal())?;
    let joined = y.permute(&[0, 2, 1, 3])?.reshape([2, 10, 12])?;
    assert!(joined.is_contiguous() && joined.shares_storage(&y));
    Ok(())
}
