//! Operations that move elements.

use demotic::Tensor;
use demotic::tensor::index::{Ellipsis, NewAxis, Step};

use super::row::{Row, spread};

pub(super) fn rows() -> Vec<Row> {
    [shapes(), parts(), joined(), indexed(), triangles()].into_iter().flatten().collect()
}

fn x(shape: &[usize]) -> Tensor {
    spread(shape, -2.0, 2.0)
}

fn refs(x: &[Tensor]) -> Vec<&Tensor> {
    x.iter().collect()
}

fn indices<const N: usize>(values: [i64; N]) -> Tensor {
    Tensor::from_nested(values).unwrap()
}

fn mask<const N: usize>(values: [bool; N]) -> Tensor {
    Tensor::from_nested(values).unwrap()
}

fn ids() -> Tensor {
    Tensor::from_nested([[2i64, 0], [2, 1]]).unwrap()
}

/// Other views of all elements.
fn shapes() -> Vec<Row> {
    vec![
        Row::new("reshape", |x| x[0].reshape([2, -1]), [x(&[3, 4])]),
        Row::new("flatten", |x| x[0].flatten(0, 1), [x(&[2, 3, 2])]),
        Row::new("unflatten", |x| x[0].unflatten(1, [2, -1]), [x(&[3, 4])]),
        Row::new("squeeze_all", |x| Ok(x[0].squeeze_all()), [x(&[1, 3, 1, 2])]),
        Row::new("permute", |x| x[0].permute(&[2, 0, 1]), [x(&[2, 3, 2])]),
        Row::new("permute", |x| x[0].movedim(0, -1), [x(&[2, 3, 2])]),
        Row::new("permute", |x| x[0].movedim([0, 1], [-1, 0]), [x(&[2, 3, 2])]),
        Row::new("permute", |x| Ok(x[0].t()), [x(&[3, 4])]),
        Row::new("permute", |x| x[0].transpose(0, -1), [x(&[2, 3, 2])]),
        Row::new("broadcast_to", |x| x[0].broadcast_to([2, 3, 4]), [x(&[3, 1])]),
        Row::new("contiguous", |x| Ok(x[0].t().contiguous()), [x(&[3, 4])]),
        Row::new("unsqueeze", |x| x[0].unsqueeze(1), [x(&[3, 4])]),
        Row::new("squeeze", |x| x[0].squeeze(1), [x(&[3, 1, 4])]),
    ]
}

/// Views of a part, and putting a part in.
fn parts() -> Vec<Row> {
    vec![
        Row::new("narrow", |x| x[0].narrow(1, 1, 2), [x(&[3, 4])]),
        Row::new("embed", |x| Ok(x[0].narrow(1, 1, 2)?.square()), [x(&[3, 4])]),
        Row::new("narrow", |x| x[0].narrow(0, 1, 0), [x(&[3, 4])]),
        Row::new("slice", |x| x[0].slice(1, Step(-3.., 2)), [x(&[3, 4])]),
        Row::new("select", |x| x[0].select(1, -2), [x(&[3, 4])]),
        Row::new("index", |x| x[0].index((1.., NewAxis, -1)), [x(&[3, 4])]),
        Row::new("index", |x| x[0].index((Ellipsis, Step(.., 3))), [x(&[2, 1, 4])]),
        Row::new("index", |x| x[0].index((1.., &indices([2, -1, 0, 2]), 1..)), [x(&[2, 3, 2])]),
        Row::new("index_select", |x| x[0].index((.., &mask([true, false, true, true]))), [x(&[2, 4])]),
        Row::new("index_put", |x| x[0].index_put((1.., Step(.., 2)), &x[1]), [x(&[3, 4]), x(&[2, 1])]),
        Row::new("index_put", |x| x[0].index_put((-1, ..), &x[1]), [x(&[3, 4]), x(&[])]),
        Row::new("scatter", |x| x[0].index_put((.., &indices([2, 0, 2])), &x[1]), [x(&[2, 3]), x(&[2, 3])]),
        Row::new("narrow", |x| x[0].narrow(1, -3, 2), [x(&[3, 4])]),
        Row::new("index_select", |x| x[0].index((&indices([2, -1, 0]), 1.., &indices([0, 1, 0]))), [x(&[3, 2, 2])])
            .covers("permute"),
        Row::new("index_select", |x| x[0].index((&mask([true, false, true]), &indices([1, 0]))), [x(&[3, 4])]),
        Row::new(
            "scatter",
            |x| x[0].index_put((&indices([2, 0, 2]), &indices([1, 1, 0])), &x[1]),
            [x(&[3, 2]), x(&[3])],
        ),
        Row::new(
            "scatter_add",
            |x| x[0].index_put_accumulate((&indices([2, 0, 2]), &indices([1, 1, 1])), &x[1]),
            [x(&[3, 2]), x(&[3])],
        ),
        Row::new("index_put", |x| x[0].index_put_accumulate((.., 1..), &x[1]), [x(&[3, 3]), x(&[3, 1])]).covers("add"),
        Row::new("narrow", |x| Tensor::stack(&refs(&x[0].split(2, 1)?), 0), [x(&[2, 4])]),
        Row::new("narrow", |x| x[0].split_sizes(&[1, 3], 1)?[1].mul(&x[0].chunk(2, 1)?[0].sum()), [x(&[2, 4])]),
    ]
}

/// Joining, repeating, moving and padding.
fn joined() -> Vec<Row> {
    vec![
        Row::new("cat", |x| Tensor::cat(&refs(x), 1), [x(&[2, 3]), x(&[2, 1]), x(&[2, 2])]),
        Row::new("cat", |x| Tensor::cat(&refs(x), 0), [x(&[2, 3]), x(&[2, 3])]),
        Row::new("stack", |x| Tensor::stack(&refs(x), 1), [x(&[2, 3]), x(&[2, 3])]),
        Row::new("stack", |x| Tensor::stack(&refs(x), -1), [x(&[4]), x(&[4])]),
        Row::new("repeat", |x| x[0].repeat(&[2, 1, 3]), [x(&[3, 2])]),
        Row::new("repeat_interleave", |x| x[0].repeat_interleave(3, 0), [x(&[3, 2])]),
        Row::new("index_select", |x| x[0].repeat_interleave([2, 0, 1], 0), [x(&[3, 2])]),
        Row::new("flip", |x| x[0].flip(&[0, 2]), [x(&[2, 2, 3])]),
        Row::new("flip", |x| x[0].flip(&[-1, 0]), [x(&[2, 3])]),
        Row::new("cat", |x| x[0].roll(&[1, -2], &[0, 1]), [x(&[2, 5])]),
        Row::new("cat", |x| x[0].roll(&[4], &[]), [x(&[2, 3])]),
        Row::new("pad", |x| x[0].pad(&[(1, 0), (2, 1)], 0.5), [x(&[2, 3])]),
        Row::new("pad", |x| x[0].pad(&[(-1, 1), (2, -2)], 0.5), [x(&[3, 4])]),
        Row::new("index_select", |x| x[0].pad_reflect(&[(1, 1), (2, 0)]), [x(&[2, 4])]),
        Row::new("index_select", |x| x[0].pad_replicate(&[(3, -1)]), [x(&[2, 4])]),
        Row::new("index_select", |x| x[0].pad_circular(&[(4, 1)]), [x(&[2, 4])]),
    ]
}

/// Index tensors and masks.
fn indexed() -> Vec<Row> {
    let places = || indices([0, 2, 1, 1, 0, 0]).reshape([2, 3]).unwrap();
    vec![
        Row::new("index_select", |x| x[0].index_select(0, &indices([2, 0, 2])), [x(&[3, 4])]),
        Row::new("embedding", |x| Ok(ids().embedding(&x[0], None)?.square()), [x(&[3, 4])]).covers("index_sum"),
        // The padding has no gradient, although the result depends on it: it is not among what is differentiated.
        Row::new(
            "embedding",
            |x| Ok(ids().embedding(&Tensor::cat(&[&x[0], &spread(&[1, 4], 0.5, 1.5)], 0)?, Some(2))?.square()),
            [x(&[2, 4])],
        ),
        Row::new("index_sum", |x| Ok(x[0].index_select(1, &indices([2, 0, 2]))?.square()), [x(&[3, 4])]),
        Row::new("index_select", |x| x[0].index_select(-1, &indices([3, 3])), [x(&[3, 4])]),
        Row::new("index_add", |x| x[0].index_add(0, &indices([2, 0, 2]), &x[1]), [x(&[3, 2]), x(&[3, 2])]),
        Row::new("index_add", |x| x[0].index_add(1, &indices([1]), &x[1]), [x(&[3, 2]), x(&[3, 1])]),
        Row::new("index_add", |x| x[0].index_add_alpha(0, &indices([2, 2]), &x[1], -1.5), [x(&[3, 2]), x(&[2, 2])])
            .covers("mul_scalar"),
        Row::new("gather", move |x| x[0].gather(0, &places()), [x(&[3, 4])]),
        Row::new("scatter_sum", move |x| Ok(x[0].gather(0, &places())?.square()), [x(&[3, 4])]),
        Row::new("gather", move |x| x[0].gather(-1, &places()), [x(&[2, 4])]),
        Row::new("gather", |x| x[0].take_along_dim(&indices([1, 0]).reshape([1, 2])?, 1), [x(&[3, 4])]),
        Row::new("scatter", move |x| x[0].scatter(0, &places(), &x[1]), [x(&[3, 4]), x(&[2, 3])]),
        Row::new("scatter", move |x| x[0].scatter(1, &places(), &x[1]), [x(&[2, 3]), x(&[2, 3])]),
        Row::new("scatter_add", move |x| x[0].scatter_add(0, &places(), &x[1]), [x(&[3, 3]), x(&[2, 4])]),
        Row::new("scatter_add", move |x| x[0].scatter_add(1, &places(), &x[1]), [x(&[2, 3]), x(&[2, 3])]),
        Row::new("index_select", |x| x[0].masked_select(&mask([true, false, true])), [x(&[2, 3])]),
    ]
}

fn triangles() -> Vec<Row> {
    vec![
        Row::new("tril", |x| x[0].tril(1), [x(&[3, 4])]),
        Row::new("tril", |x| x[0].tril(-1), [x(&[2, 3, 2])]),
        Row::new("triu", |x| x[0].triu(0), [x(&[3, 4])]),
        Row::new("diagonal", |x| x[0].diagonal(1, 0, 1), [x(&[3, 4])]),
        Row::new("on_diagonal", |x| Ok(x[0].diagonal(-1, 0, 1)?.square()), [x(&[3, 4])]),
        Row::new("diagonal", |x| x[0].diagonal(-1, 2, 0), [x(&[3, 2, 2])]),
        Row::new("diagonal", |x| x[0].trace(), [x(&[3, 4])]),
        Row::new("diagonal", |x| x[0].diag(-1), [x(&[3, 2])]),
        Row::new("diag_embed", |x| x[0].diag_embed(1, 0, -1), [x(&[2, 3])]),
        Row::new("diag_embed", |x| x[0].diag(0), [x(&[3])]),
    ]
}
