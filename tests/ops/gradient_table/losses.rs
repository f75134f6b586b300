//! Losses that are made of other operations, under the name of one of them, and those with a gradient of their own.

use demotic::losses::{
    self, Ctc, Focal, GaussianNll, InfoNce, JensenShannon, KlDiv, Loss, PoissonNll, Reduction, Triplet,
};
use demotic::{Result, Tensor};

use super::row::{Row, spread};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = numbers();
    rows.extend(classes());
    rows.extend(margins());
    rows.extend(vectors());
    rows.push(ctc(false).once());
    rows.push(ctc(true).once());
    rows
}

fn prediction() -> Tensor {
    spread(&[2, 3], -2.0, 2.0)
}

fn target() -> Tensor {
    spread(&[2, 3], -1.9, 2.3)
}

fn positive() -> Tensor {
    spread(&[2, 3], 0.3, 1.7)
}

fn probabilities() -> Tensor {
    spread(&[2, 3], 0.1, 0.8)
}

fn signs(x: &Tensor) -> Result<Tensor> {
    let signs = [1.0, -1.0, -1.0, 1.0, -1.0, 1.0][..x.numel()].to_vec();
    Ok(Tensor::from_vec::<f64>(signs, x.shape())?.to_dtype(x.dtype()))
}

fn numbers() -> Vec<Row> {
    let log_mean = PoissonNll::new().full();
    let mean = PoissonNll::new().log_input(false);
    vec![
        Row::new("clamp", |x| losses::smooth_l1(&x[0], &x[1]), [prediction(), target()]),
        Row::new("relu", |x| losses::quantile(&x[0], &x[1], 0.3), [prediction(), target()]),
        Row::new("where", |x| losses::log_cosh(&x[0], &x[1]), [prediction(), target()]),
        Row::new("abs", |x| losses::mape(&x[0], &x[1]), [prediction(), positive()]).not_broadcast(),
        Row::new("log1p", |x| losses::msle(&x[0], &x[1]), [positive(), spread(&[2, 3], 0.2, 3.0)]),
        Row::new("exp", move |x| log_mean.loss(&x[0], &x[1]), [prediction(), spread(&[2, 3], 1.2, 4.0)]),
        Row::new("log", move |x| mean.loss(&x[0], &x[1]), [positive(), spread(&[2, 3], 1.2, 4.0)]),
        Row::new(
            "div",
            |x| GaussianNll::new().loss(&x[0], &x[1], &x[2]),
            [prediction(), target(), spread(&[2, 1], 0.4, 1.5)],
        ),
    ]
}

fn classes() -> Vec<Row> {
    let numbers = || Tensor::from_vec(vec![2i64, -100], [2]);
    let present = || Tensor::from_vec(vec![2i64, 0], [2]);
    vec![
        Row::new("gather", move |x| losses::nll(&x[0], &numbers()?), [prediction()]),
        Row::new("clamp", |x| losses::log_loss(&x[0], &x[1]), [probabilities(), spread(&[2, 3], 0.2, 0.7)]),
        Row::new("gather", move |x| losses::log_loss(&x[0], &present()?), [probabilities()]),
        Row::new("log_sigmoid", |x| losses::binary_focal(&x[0], &x[1]), [prediction(), probabilities()]),
        Row::new("powf", move |x| Focal::new().gamma(1.5)?.loss(&x[0], &numbers()?), [prediction()]),
        Row::new("div", |x| losses::dice(&x[0], &x[1]), [probabilities(), spread(&[2, 3], 0.2, 0.7)]),
        Row::new("div", |x| losses::tversky(&x[0], &x[1], 0.3, 0.7), [probabilities(), spread(&[2, 3], 0.2, 0.7)]),
        Row::new("log", |x| KlDiv::new().loss(&x[0], &x[1]), [positive(), probabilities()]),
        Row::new("exp", |x| KlDiv::new().log_target().batch_mean().loss(&x[0], &x[1]), [prediction(), target()]),
        Row::new(
            "atanh",
            |x| JensenShannon::new().reduction(Reduction::None).loss(&x[0], &x[1]),
            [probabilities(), spread(&[2, 3], 0.05, 0.95)],
        ),
        Row::new("log_sigmoid", |x| losses::multi_label_soft_margin(&x[0], &x[1]), [prediction(), probabilities()]),
    ]
}

fn margins() -> Vec<Row> {
    let numbers = || Tensor::from_vec(vec![2i64, 0], [2]);
    let lists = || Tensor::from_vec(vec![2i64, 0, -1, 1, -1, -1], [2, 3]);
    vec![
        Row::new("relu", |x| losses::hinge(&x[0], &signs(&x[0])?), [prediction()]),
        Row::new("square", |x| losses::squared_hinge(&x[0], &signs(&x[0])?), [prediction()]),
        Row::new("log_sigmoid", |x| losses::soft_margin(&x[0], &signs(&x[0])?), [prediction()]),
        Row::new("where", |x| losses::hinge_embedding(&x[0], &signs(&x[0])?), [prediction()]),
        Row::new("amax", move |x| losses::categorical_hinge(&x[0], &numbers()?), [prediction()]).not_broadcast(),
        Row::new("gather", move |x| losses::multi_margin(&x[0], &numbers()?), [prediction()]),
        Row::new("gather", move |x| losses::multi_label_margin(&x[0], &lists()?), [prediction()]),
        Row::new("relu", |x| losses::margin_ranking(&x[0], &x[1], &signs(&x[0])?), [prediction(), target()])
            .not_broadcast(),
    ]
}

fn vectors() -> Vec<Row> {
    let rows = |low, high| spread(&[2, 3], low, high);
    let per_row = |x: &Tensor| signs(&x.select(1, 0)?);
    let critic = |x: &[Tensor]| {
        let (layer, last) = (x[0].clone(), x[1].clone());
        let scores = move |points: &Tensor| points.linear(&layer, None)?.tanh().linear(&last, None);
        losses::gradient_penalty(&scores, &spread(&[3, 2], -1.0, 1.0).to_dtype(x[0].dtype()))
    };
    vec![
        Row::new(
            "sqrt",
            move |x| losses::cosine_embedding(&x[0], &x[1], &per_row(&x[0])?),
            [rows(-2.0, 2.0), rows(-1.0, 2.5)],
        )
        .not_broadcast(),
        Row::new(
            "norm",
            move |x| losses::contrastive(&x[0], &x[1], &per_row(&x[0])?),
            [rows(-0.3, 0.4), rows(-0.2, 0.3)],
        )
        .not_broadcast(),
        Row::new(
            "norm",
            |x| Triplet::new().margin(3.0)?.loss(&x[0], &x[1], &x[2]),
            [rows(-2.0, 2.0), rows(-1.0, 2.5), rows(0.3, 1.5)],
        )
        .not_broadcast(),
        Row::new("matmul", |x| InfoNce::new().symmetric().loss(&x[0], &x[1]), [rows(-2.0, 2.0), rows(-1.0, 2.5)]),
        Row::new("tanh", critic, [spread(&[3, 2], -1.0, 1.5), spread(&[1, 3], -0.8, 1.2)]),
    ]
}

fn ctc(reduced: bool) -> Row {
    let f = move |x: &[Tensor]| {
        let labels = Tensor::from_nested([[1i64, 1, 2], [2, 0, 0]])?;
        let reduction = if reduced { Reduction::Mean } else { Reduction::None };
        Ctc::new().reduction(reduction).loss(&x[0], &labels, &[5, 4], &[3, 1])
    };
    Row::new("ctc", f, [spread(&[2, 5, 3], -2.0, -0.1)])
}
