//! Reductions, scans and sorting.

use demotic::autograd::{GradOptions, grad};
use demotic::{Result, Tensor, tensor};

use super::row::{Row, spread};

pub(super) fn rows() -> Vec<Row> {
    [sums(), moments(), norms(), shortened(), products(), extremes(), orderings()].into_iter().flatten().collect()
}

fn x() -> Tensor {
    spread(&[3, 4], -2.0, 2.0)
}

/// With three dimensions, so that two can be reduced that are not neighbours.
fn cube() -> Tensor {
    spread(&[2, 3, 2], -2.0, 2.0)
}

fn sums() -> Vec<Row> {
    vec![
        Row::new("sum", |x| Ok(x[0].sum()), [x()]),
        Row::new("sum", |x| x[0].sum_dims(&[0], true), [x()]),
        Row::new("sum", |x| x[0].sum_dims(&[-1], false), [x()]),
        Row::new("sum", |x| x[0].sum_dims(&[2, 0], false), [cube()]),
        Row::new("mean", |x| Ok(x[0].mean()), [x()]),
        Row::new("mean", |x| x[0].mean_dims(&[-1], false), [x()]),
        Row::new("mean", |x| x[0].mean_dims(&[0, 2], true), [cube()]),
        Row::new("logsumexp", |x| Ok(x[0].logsumexp()), [x()]),
        Row::new("logsumexp", |x| x[0].logsumexp_dims(&[0], false), [x()]),
        Row::new("logsumexp", |x| x[0].logsumexp_dims(&[0, 2], true), [cube()]),
        Row::new("cumsum", |x| x[0].cumsum(0), [x()]),
        Row::new("cumsum", |x| x[0].cumsum(-1), [cube()]),
    ]
}

/// Broadcast inputs have equal elements, whose deviation has a kink.
fn moments() -> Vec<Row> {
    vec![
        Row::new("var", |x| Ok(x[0].var(1.0)), [x()]),
        Row::new("var", |x| x[0].var_dims(&[0], 0.0, true), [x()]),
        Row::new("var", |x| x[0].var_dims(&[0, 2], 0.5, false), [cube()]),
        Row::new("std", |x| Ok(x[0].std(0.0)), [x()]),
        Row::new("std", |x| x[0].std_dims(&[1], 1.0, false), [x()]).not_broadcast(),
        Row::new("std", |x| x[0].std_dims(&[0, 2], 1.0, true), [cube()]),
    ]
}

fn norms() -> Vec<Row> {
    let finite = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, -1.0].into_iter().flat_map(|p| {
        [
            Row::new("norm", move |x| Ok(x[0].norm(p)), [x()]),
            Row::new("norm", move |x| x[0].norm_dims(p, &[0], false), [x()]),
            Row::new("norm", move |x| x[0].norm_dims(p, &[0, 2], true), [cube()]),
        ]
    });
    // Broadcast inputs have ties, at which the extremes have kinks.
    let extreme = [f64::INFINITY, f64::NEG_INFINITY].into_iter().flat_map(|p| {
        [
            Row::new("norm", move |x| Ok(x[0].norm(p)), [x()]).not_broadcast(),
            Row::new("norm", move |x| x[0].norm_dims(p, &[1], true), [x()]).not_broadcast(),
        ]
    });
    finite.chain(extreme).collect()
}

/// Some rows are longer than the limit, and some are not.
fn shortened() -> Vec<Row> {
    let finite = [(0.5, 12.0), (1.0, 3.5), (1.5, 2.4), (2.0, 2.1), (3.0, 1.8)].into_iter().flat_map(|(p, limit)| {
        [
            Row::new("renorm", move |x| x[0].renorm(p, 0, limit), [x()]),
            Row::new("renorm", move |x| x[0].renorm(p, 1, limit), [cube()]),
        ]
    });
    let extreme = Row::new("renorm", |x| x[0].renorm(f64::INFINITY, 0, 1.6), [x()]).not_broadcast();
    finite.chain([extreme]).collect()
}

fn products() -> Vec<Row> {
    let zeros = || tensor![[2.0, 0.0, 3.0], [0.0, 1.5, 0.0], [-1.5, 2.5, 0.5]];
    vec![
        Row::new("prod", |x| Ok(x[0].prod()), [x()]),
        Row::new("prod", |x| x[0].prod_dims(&[1], true), [x()]),
        Row::new("prod", |x| x[0].prod_dims(&[0, 2], false), [cube()]),
        Row::new("prod", |x| x[0].prod_dims(&[1], false), [zeros()]),
        Row::new("prod", |x| Ok(x[0].prod()), [zeros()]),
        Row::new("cumprod", |x| x[0].cumprod(-1), [x()]).covers("recurrence_down"),
        Row::new("cumprod", |x| x[0].cumprod(1), [cube()]),
        Row::new("cumprod", |x| x[0].cumprod(0), [zeros()]),
        Row::new("cumprod", |x| x[0].cumprod(1), [zeros()]),
        Row::new("recurrence_up", |x| curvature_of_cumprod(&x[0]), [spread(&[2, 3], 0.5, 1.5)]),
    ]
}

/// The gradient of the gradient: what the gradient of the gradient's recurrence shows up in.
fn curvature_of_cumprod(x: &Tensor) -> Result<Tensor> {
    let options = || GradOptions::new().create_graph(true);
    let slope = grad(&[&x.cumprod(1)?.square().sum()], &[x], options())?.remove(0);
    Ok(grad(&[&slope.square().sum()], &[x], options())?.remove(0))
}

/// Broadcast inputs have ties, at which the extremes have kinks.
fn extremes() -> Vec<Row> {
    vec![
        Row::new("max", |x| x[0].max(), [x()]).not_broadcast(),
        Row::new("min", |x| x[0].min(), [x()]).not_broadcast(),
        Row::new("amax", |x| x[0].amax(&[1], false), [x()]).not_broadcast(),
        Row::new("amax", |x| x[0].amax(&[0, 2], true), [cube()]).not_broadcast(),
        Row::new("amin", |x| x[0].amin(&[0], true), [x()]).not_broadcast(),
        Row::new("amin", |x| x[0].amin(&[2, 0], false), [cube()]).not_broadcast(),
        // The extremes along one dimension are gathered from where they were found.
        Row::new("gather", |x| Ok(x[0].max_dim(0, true)?.0), [x()]).not_broadcast(),
        Row::new("gather", |x| Ok(x[0].max_dim(1, false)?.0), [cube()]).not_broadcast(),
        Row::new("gather", |x| Ok(x[0].min_dim(-1, false)?.0), [x()]).not_broadcast(),
    ]
}

/// Broadcast inputs have ties, which change places as soon as they differ.
fn orderings() -> Vec<Row> {
    vec![
        Row::new("sort", |x| Ok(x[0].sort(1, false)?.0), [x()]).not_broadcast(),
        Row::new("sort", |x| Ok(x[0].sort(0, true)?.0), [cube()]).not_broadcast(),
        Row::new("topk", |x| Ok(x[0].topk(2, 1, true)?.0), [x()]).not_broadcast(),
        Row::new("topk", |x| Ok(x[0].topk(2, 1, false)?.0), [cube()]).not_broadcast(),
    ]
}
