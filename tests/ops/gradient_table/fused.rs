//! Operations whose forward and backward passes are written as a whole, and what is made of them.

use demotic::autograd::checkpoint;
use demotic::losses::{self, Bce, BceWithLogits, CrossEntropy, CrossEntropyFromProbabilities, Loss, Mse, Reduction};
use demotic::regularizers::{ElasticNet, L1, L2};
use demotic::{Result, Tensor};

use super::row::{Row, spread};

pub(super) fn rows() -> Vec<Row> {
    let x = || spread(&[2, 3], -2.0, 2.0);
    let mut rows = vec![Row::new("checkpoint", |x| checkpoint(|x| x.sin().mul(x), &x[0]), [x()]).covers("alias")];
    rows.extend(regression());
    rows.extend(classification());
    rows.extend(norms());
    rows.extend(rotary());
    rows.extend(penalties());
    rows
}

fn regression() -> Vec<Row> {
    let (prediction, target) = (|| spread(&[2, 3], -2.0, 2.0), || spread(&[2, 3], -1.9, 2.3));
    let mse = |reduction| move |x: &[Tensor]| Mse::new().reduction(reduction).loss(&x[0], &x[1]);
    vec![
        Row::new("mse", mse(Reduction::Mean), [prediction(), target()]),
        Row::new("mse", mse(Reduction::Sum), [prediction(), target()]),
        Row::new("square", mse(Reduction::None), [prediction(), target()]),
        // At the kink of |a − b|, where both are the same tensor, differences have a gradient of 0 as well.
        Row::new("abs", |x| losses::mae(&x[0], &x[1]), [prediction(), target()]),
        Row::new("clamp", |x| losses::huber(&x[0], &x[1], 0.15), [prediction(), target()]),
    ]
}

fn penalties() -> Vec<Row> {
    let x = || spread(&[2, 3], -2.0, 2.0);
    vec![
        Row::new("L1", |x| L1::new(0.3).of(&[&x[0]]), [x()]),
        Row::new("L2", |x| L2::new(0.2).of(&[&x[0]]), [x()]),
        Row::new("ElasticNet", |x| ElasticNet::new(0.3, 0.2).of(&[&x[0], &x[1]]), [x(), spread(&[4], -1.0, 1.5)]),
    ]
}

fn classification() -> Vec<Row> {
    let logits = || spread(&[3, 4], -2.0, 2.0);
    // A distribution need not add up to 1 for the gradients to hold.
    let probabilities = |n: usize| spread(&[n, 4], 0.1, 0.8);
    let classes = || Tensor::from_vec(vec![2i64, -100, 0], [3]);
    let weight = || spread(&[4], 0.5, 1.5);
    let cross_entropy = |options: fn() -> Result<CrossEntropy>| move |x: &[Tensor]| options()?.loss(&x[0], &classes()?);
    let everything = move || {
        let options = CrossEntropy::new().weight(&weight()).reduction(Reduction::None);
        options.label_smoothing(0.1)
    };
    let likelihood = |reduction| CrossEntropyFromProbabilities::new().reduction(reduction);
    vec![
        Row::new("cross_entropy", cross_entropy(|| Ok(CrossEntropy::new())), [logits()]),
        Row::new("cross_entropy", cross_entropy(|| CrossEntropy::new().label_smoothing(0.1)), [logits()]),
        Row::new("cross_entropy", cross_entropy(|| Ok(CrossEntropy::new().reduction(Reduction::Sum))), [logits()]),
        Row::new("cross_entropy", move |x| everything()?.loss(&x[0], &classes()?), [logits()]),
        Row::new(
            "cross_entropy",
            |x| losses::token_cross_entropy(&x[0], &Tensor::from_nested([[1i64, 0], [-100, 2]])?),
            [spread(&[2, 2, 3], -2.0, 2.0)],
        ),
        Row::new("log_softmax", |x| losses::cross_entropy(&x[0], &x[1].sigmoid()), [logits(), probabilities(3)]),
        Row::new(
            "log_likelihood",
            move |x| likelihood(Reduction::Mean).loss(&x[0], &x[1]),
            [probabilities(2), probabilities(2)],
        ),
        Row::new(
            "log_likelihood",
            move |x| likelihood(Reduction::None).loss(&x[0], &Tensor::from_vec(vec![3i64, 0], [2])?),
            [probabilities(2)],
        ),
        Row::new("bce", |x| losses::bce(&x[0], &x[1]), [probabilities(2), probabilities(2)]),
        Row::new(
            "bce",
            move |x| Bce::new().weight(&weight()).reduction(Reduction::None).loss(&x[0], &x[1]),
            [probabilities(2), probabilities(2)],
        ),
        Row::new(
            "log_sigmoid",
            move |x| BceWithLogits::new().pos_weight(&weight()).loss(&x[0], &x[1].sigmoid()),
            [logits(), probabilities(3)],
        ),
    ]
}

fn norms() -> Vec<Row> {
    let x = || spread(&[2, 3, 4], -2.0, 2.0);
    let (weight, bias) = (|shape: &[usize]| spread(shape, 0.5, 1.5), || spread(&[4], -1.0, 1.0));
    vec![
        Row::new("layer_norm", |x| x[0].layer_norm(&[4], Some(&x[1]), Some(&x[2]), 0.1), [x(), weight(&[4]), bias()]),
        Row::new("layer_norm", |x| x[0].layer_norm(&[3, 4], Some(&x[1]), None, 0.1), [x(), weight(&[3, 4])]),
        Row::new("layer_norm", |x| x[0].layer_norm(&[4], None, Some(&x[1]), 0.1), [x(), bias()]),
        Row::new("layer_norm", |x| x[0].layer_norm(&[4], None, None, 0.1), [x()]),
        Row::new("rms_norm", |x| x[0].rms_norm(&[4], Some(&x[1]), 0.1), [x(), weight(&[4])]),
        Row::new("rms_norm", |x| x[0].rms_norm(&[3, 4], None, 0.1), [x()]),
    ]
}

fn rotary() -> Vec<Row> {
    let turned = |interleaved: bool| {
        move |x: &[Tensor]| {
            let of_its_type = |angles: Tensor| angles.to_dtype(x[0].dtype());
            let (cos, sin) = (of_its_type(spread(&[3, 2], -1.0, 1.0)), of_its_type(spread(&[3, 2], 0.0, 1.0)));
            x[0].rotary(&cos, &sin, interleaved)
        }
    };
    let x = |features: usize| spread(&[2, 3, features], -2.0, 2.0);
    vec![
        Row::new("rotary", turned(false), [x(4)]),
        Row::new("rotary", turned(true), [x(4)]),
        Row::new("rotary", move |x| Ok(turned(false)(x)?.square()), [x(5)]),
    ]
}
