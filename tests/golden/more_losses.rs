//! Losses with all their options against PyTorch, and where it has none against the formulas of Keras and of papers.

use std::collections::BTreeSet;

use crate::golden::{Case, Family};
use demotic::losses::*;
use demotic::{Result, Tensor};
use serde::de::DeserializeOwned;

#[test]
fn more_losses() {
    crate::golden::check("more_losses", &|case, x| Ok(vec![compute(case, x)?]));
}

/// The options that a case sets.
struct Options<'a> {
    case: &'a Case,
    reduction: Reduction,
    weight: Option<Tensor>,
}

impl Options<'_> {
    fn of<T: DeserializeOwned>(&self, name: &str) -> T {
        self.case.attr(name)
    }

    fn or<T: DeserializeOwned>(&self, name: &str, default: T) -> T {
        self.case.attr_or(name, default)
    }
}

/// The loss with the reduction and the weights of a case.
macro_rules! weighted {
    ($loss:expr, $options:expr) => {{
        let loss = $loss.reduction($options.reduction);
        match &$options.weight {
            Some(weight) => loss.weight(weight),
            None => loss,
        }
    }};
}

pub(crate) fn compute(case: &Case, x: &[Tensor]) -> Result<Tensor> {
    let reduction = match case.attr::<String>("reduction").as_str() {
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        _ => Reduction::None,
    };
    let has_weight = case.attr_or("has_weight", false);
    let weight = has_weight.then(|| x.last().unwrap().clone());
    let x = &x[..x.len() - usize::from(has_weight)];
    let o = Options { case, reduction, weight };
    let loss: Box<dyn Loss> = match case.op.as_str() {
        "smooth_l1" => Box::new(weighted!(SmoothL1::new().beta(o.of("beta"))?, o)),
        "quantile" => Box::new(weighted!(Quantile::new(o.of("q"))?, o)),
        "log_cosh" => Box::new(weighted!(LogCosh::new(), o)),
        "mape" => Box::new(weighted!(Mape::new(), o)),
        "msle" => Box::new(weighted!(Msle::new(), o)),
        "poisson_nll" => {
            let loss = weighted!(PoissonNll::new().log_input(o.of("log_input")).eps(o.of("eps"))?, o);
            Box::new(if o.of("full") { loss.full() } else { loss })
        }
        "kl_div" => {
            let mut loss = weighted!(KlDiv::new(), o);
            if o.of("log_target") {
                loss = loss.log_target();
            }
            Box::new(if o.of("batch_mean") { loss.batch_mean() } else { loss })
        }
        "jensen_shannon" => Box::new(weighted!(JensenShannon::new(), o)),
        "log_loss" => Box::new(weighted!(LogLoss::new().label_smoothing(o.or("label_smoothing", 0.0))?, o)),
        "hinge" => Box::new(weighted!(Hinge::new(), o)),
        "squared_hinge" => Box::new(weighted!(SquaredHinge::new(), o)),
        "soft_margin" => Box::new(weighted!(SoftMargin::new(), o)),
        "hinge_embedding" => Box::new(weighted!(HingeEmbedding::new().margin(o.of("margin"))?, o)),
        "categorical_hinge" => Box::new(weighted!(CategoricalHinge::new(), o)),
        "multi_label_margin" => Box::new(weighted!(MultiLabelMargin::new(), o)),
        "binary_focal" => {
            let loss = weighted!(BinaryFocal::new(), o).alpha(o.of::<Option<f64>>("alpha"))?.gamma(o.of("gamma"))?;
            Box::new(if o.or("from_probabilities", false) { loss.from_probabilities() } else { loss })
        }
        "dice" => Box::new(weighted!(Dice::new(), o).apart(o.of("apart")).smooth(o.of("smooth"))?),
        "tversky" => {
            let loss = weighted!(Tversky::new(), o).factors(o.of("alpha"), o.of("beta"))?;
            Box::new(loss.apart(o.of("apart")).smooth(o.of("smooth"))?)
        }
        _ => return with_class_weights(&o, x),
    };
    loss.loss(&x[0], &x[1])
}

/// Losses whose weights are of classes, and come after prediction and target.
fn with_class_weights(o: &Options<'_>, x: &[Tensor]) -> Result<Tensor> {
    macro_rules! with_weight {
        ($loss:expr) => {{
            let loss = $loss.reduction(o.reduction);
            Box::new(match x.get(2) {
                Some(weight) => loss.weight(weight),
                None => loss,
            })
        }};
    }
    let loss: Box<dyn Loss> = match o.case.op.as_str() {
        "nll" => with_weight!(Nll::new().ignore_index(o.or("ignore_index", -100))),
        "focal" => with_weight!(Focal::new().ignore_index(o.or("ignore_index", -100)).gamma(o.of("gamma"))?),
        "multi_margin" => {
            let loss = MultiMargin::new().margin(o.of("margin"))?;
            with_weight!(if o.of::<i64>("p") == 2 { loss.squared() } else { loss })
        }
        "multi_label_soft_margin" => with_weight!(MultiLabelSoftMargin::new()),
        _ => return of_several_inputs(o, x),
    };
    loss.loss(&x[0], &x[1])
}

fn of_several_inputs(o: &Options<'_>, x: &[Tensor]) -> Result<Tensor> {
    match o.case.op.as_str() {
        "gaussian_nll" => {
            let loss = weighted!(GaussianNll::new().eps(o.of("eps"))?, o);
            if o.of("full") { loss.full() } else { loss }.loss(&x[0], &x[1], &x[2])
        }
        "cosine_embedding" => weighted!(CosineEmbedding::new().margin(o.of("margin"))?, o).loss(&x[0], &x[1], &x[2]),
        "margin_ranking" => weighted!(MarginRanking::new().margin(o.of("margin"))?, o).loss(&x[0], &x[1], &x[2]),
        "contrastive" => weighted!(Contrastive::new().margin(o.of("margin"))?, o).loss(&x[0], &x[1], &x[2]),
        "triplet" => {
            let mut loss = weighted!(Triplet::new().margin(o.of("margin"))?, o);
            loss = match o.or("squared_distance", false) {
                true => loss.distance(|a, b| a.sub(b)?.square().sum_dims(&[-1], false)),
                false => loss.p(o.of("p"))?.eps(o.of("eps"))?,
            };
            if o.of("swap") { loss.swap() } else { loss }.loss(&x[0], &x[1], &x[2])
        }
        "info_nce" => {
            let loss = InfoNce::new().reduction(o.reduction).temperature(o.of("temperature"))?;
            let loss = if o.of("symmetric") { loss.symmetric() } else { loss };
            match x.get(2) {
                Some(negatives) => loss.loss_with_negatives(&x[0], &x[1], negatives),
                None => loss.loss(&x[0], &x[1]),
            }
        }
        "ctc" => {
            let loss = Ctc::new().blank(o.of("blank")).reduction(o.reduction);
            let loss = if o.of("zero_infinity") { loss.zero_infinity() } else { loss };
            loss.loss(&x[0].log_softmax(-1)?, &x[1], &o.of::<Vec<usize>>("steps"), &o.of::<Vec<usize>>("labels"))
        }
        "gradient_penalty" => gradient_penalty(&|points| critic(&points.flatten(1, -1)?, &x[1..]), &x[0]),
        "wasserstein_critic" => {
            let mut rng = demotic::Rng::seed(0);
            WassersteinCritic::new().penalty(0.0)?.loss(&|points| critic(points, &x[2..]), &x[0], &x[1], &mut rng)
        }
        op => panic!("{}: no op {op}", o.case.id),
    }
}

fn critic(points: &Tensor, weights: &[Tensor]) -> Result<Tensor> {
    points.linear(&weights[0], Some(&weights[1]))?.tanh().linear(&weights[2], None)
}

/// Every loss that the crate has is compared with a reference: its name is in one of the two families.
#[test]
fn every_loss_has_golden_values() {
    let cases = ["losses", "more_losses"].map(|family| Family::load(family).cases);
    let compared: BTreeSet<String> = cases.iter().flatten().map(|case| case.op.clone()).collect();
    let source = include_str!("../../src/losses/mod.rs");
    let exported: BTreeSet<String> = source
        .split("pub use ")
        .skip(1)
        .flat_map(|item| {
            let list = item.split(';').next().unwrap();
            let names = list.split("::").nth(1).unwrap().trim_matches(['{', '}']);
            names.split(',').map(|name| name.trim().trim_matches(['{', '}']).to_owned()).collect::<Vec<_>>()
        })
        .filter(|name| !name.is_empty())
        .collect();
    assert!(exported.len() > 60, "only {exported:?} found");
    for name in &exported {
        // Structs are the functions with options; what has no function of its own is a struct alone.
        let mut snake = String::new();
        for c in name.chars() {
            if c.is_uppercase() && !snake.is_empty() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        // The same as the cross-entropy, with the classes in another place.
        let known = if snake == "token_cross_entropy" { "cross_entropy" } else { &snake };
        assert!(compared.contains(known), "the loss `{name}` is compared with nothing");
    }
}
