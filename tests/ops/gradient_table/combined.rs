//! Operations that are put together from others, and special functions: gradients where they have none of their own, too.

use demotic::Tensor;
use demotic::tensor::argument::{Interpolation, ScatterReduction};

use super::row::{Row, spread};

pub(super) fn rows() -> Vec<Row> {
    [pairs(), special(), order(), places(), distances()].into_iter().flatten().collect()
}

fn x(shape: &[usize]) -> Tensor {
    spread(shape, -2.0, 2.0)
}

fn away(shape: &[usize]) -> Tensor {
    spread(shape, 0.4, 2.3)
}

fn indices<const N: usize>(values: [i64; N]) -> Tensor {
    Tensor::from_nested(values).unwrap()
}

fn pairs() -> Vec<Row> {
    vec![
        Row::new("mul", |x| x[0].addcmul(&x[1], &x[2], 0.5), [x(&[2, 3]), away(&[2, 3]), x(&[3])]),
        Row::new("div", |x| x[0].addcdiv(&x[1], &x[2], -0.5), [x(&[2, 3]), x(&[2, 3]), away(&[3])]),
        Row::new("add", |x| x[0].lerp(&x[1], 0.25), [x(&[2, 3]), away(&[2, 3])]),
        Row::new("sub", |x| x[0].lerp(&x[1], 0.75), [x(&[2, 3]), away(&[2, 3])]),
        Row::new("where", |x| x[0].lerp_tensor(&x[1], &x[2]), [x(&[2, 3]), away(&[2, 3]), spread(&[3], 0.1, 0.9)]),
        Row::new("fmod", |x| x[0].fmod(&x[1]), [spread(&[2, 3], -5.0, 5.0), away(&[2, 3])]).not_broadcast(),
        Row::new("where", |x| x[0].fmax(&x[1]), [x(&[2, 3]), away(&[3])]).not_broadcast(),
        Row::new("where", |x| x[0].fmin(&x[1]), [x(&[2, 3]), away(&[3])]).not_broadcast(),
        Row::new("log1p", |x| Ok(x[0].logit(None)), [spread(&[2, 3], 0.1, 0.9)]).covers("log"),
        Row::new("sin", |x| Ok(x[0].sinc()), [away(&[2, 3])]),
        Row::new("log", |x| x[0].xlogy(&x[1]), [spread(&[2, 3], 0.5, 2.0), away(&[2, 3])]).not_broadcast(),
        Row::new("log1p", |x| x[0].logaddexp(&x[1]), [x(&[2, 3]), away(&[3])]).not_broadcast(),
        Row::new("masked_fill", |x| Ok(x[0].nan_to_num(0.0, None, None)), [x(&[2, 3])]),
    ]
}

fn special() -> Vec<Row> {
    vec![
        Row::new("lgamma", |x| Ok(x[0].lgamma()), [away(&[2, 3])]).covers("polygamma"),
        Row::new("polygamma", |x| Ok(x[0].digamma()), [away(&[2, 3])]),
        Row::new("polygamma", |x| Ok(x[0].polygamma(2)), [away(&[2, 3])]),
        Row::new("erfinv", |x| Ok(x[0].erfinv()), [spread(&[2, 3], -0.8, 0.8)]),
    ]
}

fn order() -> Vec<Row> {
    let linear = Interpolation::Linear;
    vec![
        Row::new("gather", |x| Ok(x[0].cummax(1)?.0), [x(&[2, 4])]).not_broadcast(),
        Row::new("gather", |x| Ok(x[0].cummin(0)?.0), [x(&[4, 2])]).not_broadcast(),
        Row::new("logcumsumexp", |x| x[0].logcumsumexp(1), [x(&[2, 4])]),
        Row::new("logcumsumexp", |x| x[0].logcumsumexp(0), [x(&[3, 2])]),
        Row::new("narrow", |x| x[0].diff(2, 1), [x(&[2, 4])]),
        Row::new("sort", |x| Ok(x[0].kthvalue(2, 1, false)?.0), [x(&[2, 4])]).not_broadcast(),
        Row::new("sort", |x| Ok(x[0].median(1, false)?.0), [x(&[2, 4])]).not_broadcast(),
        Row::new("sort", move |x| x[0].quantile(0.4, 1, true, linear), [x(&[2, 4])]).not_broadcast(),
        Row::new("sort", |x| Ok(x[0].mode(1, true)?.0), [x(&[2, 4])]).not_broadcast(),
    ]
}

fn places() -> Vec<Row> {
    let (rows, mask) = (indices([2, 0]), Tensor::from_nested([true, false, true]).unwrap());
    let (filled, copied) = (rows.clone(), rows);
    let sent = Tensor::from_nested([[0i64, 2, 0], [0, 1, 2]]).unwrap();
    let (of_largest, of_smallest, of_mean, of_product) = (sent.clone(), sent.clone(), sent.clone(), sent);
    vec![
        Row::new("masked_fill", move |x| x[0].index_fill(0, &filled, 1.5), [x(&[3, 2])]),
        Row::new("scatter", move |x| x[0].index_copy(0, &copied, &x[1]), [x(&[3, 2]), away(&[2, 2])]),
        Row::new("scatter", move |x| x[0].masked_scatter(&mask, &x[1]), [x(&[2, 3]), away(&[5])]),
        Row::new(
            "scatter_reduce",
            move |x| x[0].scatter_reduce(0, &of_largest, &x[1], ScatterReduction::Amax, true),
            [x(&[3, 3]), spread(&[2, 3], -1.7, 2.4)],
        )
        .not_broadcast(),
        Row::new(
            "scatter_reduce",
            move |x| x[0].scatter_reduce(0, &of_smallest, &x[1], ScatterReduction::Amin, false),
            [x(&[3, 3]), spread(&[2, 3], -1.7, 2.4)],
        )
        .not_broadcast(),
        Row::new(
            "scatter_add",
            move |x| x[0].scatter_reduce(0, &of_mean, &x[1], ScatterReduction::Mean, true),
            [x(&[3, 3]), away(&[2, 3])],
        ),
        Row::new(
            "scatter",
            move |x| x[0].scatter_reduce(1, &of_product, &x[1], ScatterReduction::Prod, true),
            [x(&[3, 3]), away(&[2, 3])],
        )
        .covers("gather")
        .covers("mul"),
        Row::new("index_select", |x| x[0].windows(1, 2, 1), [x(&[2, 4])]),
        Row::new("flip", |x| x[0].rot90(1, [0, 1]), [x(&[2, 3])]),
        Row::new("repeat", |x| x[0].tile(&[2]), [x(&[2, 3])]),
        Row::new("broadcast_to", |x| Tensor::meshgrid(&[&x[0], &x[1]])?[0].mul(&x[1]), [x(&[2]), away(&[3])]),
    ]
}

fn distances() -> Vec<Row> {
    vec![
        Row::new("norm", |x| x[0].cdist(&x[1], 2.0), [x(&[2, 3]), away(&[3, 3])]).not_broadcast(),
        Row::new("norm", |x| x[0].pairwise_distance(&x[1], 3.0, 1e-6, false), [x(&[2, 3]), spread(&[3], 2.5, 3.0)]),
        Row::new("norm", |x| x[0].cosine_similarity(&x[1], 1, 1e-8), [away(&[2, 3]), spread(&[3], -1.0, 2.0)]),
        Row::new("mul", |x| x[0].kron(&x[1]), [x(&[2, 2]), away(&[1, 2])]),
        Row::new("matmul", |x| x[0].tensordot(&x[1], 2), [x(&[2, 2, 2]), away(&[2, 2, 1])]),
        Row::new("std", |x| Ok(x[0].std_mean(&[1], 1.0, false)?.0), [x(&[2, 3])]).not_broadcast(),
        Row::new("mean", |x| Ok(x[0].var_mean(&[1], 1.0, false)?.1), [x(&[2, 3])]),
    ]
}
