//! Scaled dot-product attention with all of its options.

use demotic::{AttentionOptions, Rng, Tensor};

use super::row::{Row, spread};

/// Attention with fixed options.
fn row(shapes: [&[usize]; 3], options: AttentionOptions) -> Row {
    let [q, k, v] = shapes;
    let inputs = [spread(q, -1.5, 1.5), spread(k, -1.4, 1.6), spread(v, -2.0, 2.0)];
    Row::new("attention", move |x| x[0].attention(&x[1], &x[2], &options), inputs)
}

pub(super) fn rows() -> Vec<Row> {
    let options = AttentionOptions::new;
    let (q, k, v): (&[usize], &[usize], &[usize]) = (&[2, 3, 2], &[2, 4, 2], &[2, 4, 3]);
    let plain = [q, k, v];
    let one: [&[usize]; 3] = [&[2, 1, 2], k, v];
    let grouped: [&[usize]; 3] = [&[4, 2, 2], &[2, 3, 2], &[2, 3, 2]];
    let allowed =
        || Tensor::from_vec(vec![true, false, true, true, false, false, false, false, true, true, true, false], [3, 4]);
    let padding = || Tensor::from_vec(vec![true, true, true, false], [4]);
    let (allowed, padding) = (allowed().expect("3 rows of 4"), padding().expect("4 keys"));
    let bias = spread(&[2, 3, 4], -1.0, 1.0);
    let mut rng = Rng::seed(3);
    vec![
        row(plain, options()),
        row([&[3, 2], &[4, 2], &[4, 2]], options().scale(0.6)),
        row([&[1, 2, 2, 2], &[1, 2, 2, 2], &[1, 2, 2, 2]], options().causal()),
        row(plain, options().causal()),
        row([&[1, 4, 2], &[1, 2, 2], &[1, 2, 2]], options().causal()),
        row(plain, options().mask(&allowed)),
        row(plain, options().mask(&allowed).causal()),
        row(plain, options().mask(&padding)),
        row(plain, options().mask(&bias)),
        row(plain, options().dropout(0.4, &mut rng)),
        row(plain, options().mask(&allowed).dropout(0.3, &mut rng).causal().scale(0.9)),
        row(plain, options().dropout(1.0, &mut rng)),
        row(one, options()),
        row(one, options().causal().mask(&padding)),
        row(one, options().dropout(0.4, &mut rng)),
        row(grouped, options()),
        row(grouped, options().causal().dropout(0.2, &mut rng)),
        Row::new(
            "softmax",
            |x| x[0].attention(&x[1], &x[2], &AttentionOptions::new().mask(&x[3])),
            [spread(q, -1.5, 1.5), spread(k, -1.4, 1.6), spread(v, -2.0, 2.0), spread(&[3, 4], -1.0, 1.0)],
        ),
        Row::new(
            "softmax",
            move |x| {
                let (y, weights) = x[0].attention_with_weights(&x[1], &x[2], &AttentionOptions::new().causal())?;
                y.sum().add(&weights.square().sum())
            },
            [spread(q, -1.5, 1.5), spread(k, -1.4, 1.6), spread(v, -2.0, 2.0)],
        ),
    ]
}
