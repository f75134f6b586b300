//! Options in configuration files.

use std::fmt::Debug;

use demotic::layers::Param;
use demotic::losses::{
    Bce, BceWithLogits, BinaryFocal, CategoricalHinge, Contrastive, CosineEmbedding, CrossEntropy,
    CrossEntropyFromProbabilities, Ctc, Dice, Focal, GaussianNll, Hinge, HingeEmbedding, Huber, InfoNce, JensenShannon,
    KlDiv, LogCosh, LogLoss, Loss, Mae, Mape, MarginRanking, Mse, Msle, MultiLabelMargin, MultiLabelSoftMargin,
    MultiMargin, Nll, PoissonNll, Quantile, Reduction, SmoothL1, SoftMargin, SquaredHinge, Triplet, Tversky,
    WassersteinCritic,
};
use demotic::optimizers::schedule::{AdaptiveRate, Curve, ReduceOnPlateau};
use demotic::optimizers::{
    AdaGrad, Adafactor, Adam, AdamW, AdjustLr, Averaged, ClosureOptimizer, Lars, Lbfgs, Lookahead, Muon, NAdam,
    Optimizer, RAdam, RmsProp, Sam, Sgd,
};
use demotic::regularizers::{
    CutMix, Cutout, ElasticNet, L1, L2, LabelNoise, ManifoldMixup, MaxNorm, Mixup, NonNegative, Orthogonality,
    RandomErasing, UnitNorm,
};
use demotic::train::{EarlyStopping, TrainerOptions};
use demotic::{Result, Tensor, tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Reads options, and writes them: what was written is there, beside everything that was not said.
#[track_caller]
fn read<T: Serialize + DeserializeOwned + Debug>(options: Value) -> T {
    let read: T = serde_json::from_value(options.clone()).unwrap();
    let written = serde_json::to_value(&read).unwrap();
    assert!(is_within(&options, &written), "{options} was read as {written}");
    let again: T = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), written);
    assert_eq!(format!("{again:?}"), format!("{read:?}"));
    read
}

/// Whether everything that was said is there; 1 and 1.0 are the same.
fn is_within(said: &Value, written: &Value) -> bool {
    match (said, written) {
        (Value::Object(said), Value::Object(_)) => said.iter().all(|(name, value)| is_within(value, &written[name])),
        (Value::Array(said), Value::Array(written)) => {
            said.len() == written.len() && said.iter().zip(written).all(|(said, written)| is_within(said, written))
        }
        (Value::Number(said), Value::Number(written)) => said.as_f64() == written.as_f64(),
        _ => said == written,
    }
}

#[track_caller]
fn refusal<T: DeserializeOwned>(options: Value) -> String {
    match serde_json::from_value::<T>(options) {
        Ok(_) => panic!("read without an error"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn losses_are_read() -> Result<()> {
    let (x, y) = (tensor![1.0, 5.0], tensor![2.0, 2.0]);
    assert_eq!(read::<Mse>(json!({})).loss(&x, &y)?.item()?, 5.0);
    assert_eq!(read::<Mse>(json!({"reduction": "sum"})).loss(&x, &y)?.item()?, 10.0);
    assert_eq!(read::<Mae>(json!({"reduction": "none"})).loss(&x, &y)?.to_vec::<f32>()?, [1.0, 3.0]);
    let huber = read::<Huber>(json!({"delta": 0.5}));
    assert_eq!(huber.loss(&x, &y)?.item()?, Huber::new(0.5)?.loss(&x, &y)?.item()?);

    let (p, t) = (tensor![0.25, 0.5], tensor![1.0, 0.0]);
    let weighted = Bce::new().weight(&tensor![1.0, 3.0]);
    let from_file = read::<Bce>(json!({"weight": [1, 3]}));
    assert_eq!(from_file.loss(&p, &t)?.item()?, weighted.loss(&p, &t)?.item()?);
    let weighted = BceWithLogits::new().pos_weight(&tensor![2.0]);
    let from_file = read::<BceWithLogits>(json!({"pos_weight": [2.0]}));
    assert_eq!(from_file.loss(&p, &t)?.item()?, weighted.loss(&p, &t)?.item()?);

    let logits = tensor![[0.5, -1.0], [2.0, 0.0], [0.0, 0.0]];
    let classes = Tensor::from_slice(&[1i64, 0, 7], [3])?;
    let made = CrossEntropy::new().label_smoothing(0.1)?.weight(&tensor![1.0, 2.5]).ignore_index(7);
    let from_file = read::<CrossEntropy>(json!({"label_smoothing": 0.1, "weight": [1.0, 2.5], "ignore_index": 7}));
    assert_eq!(from_file.loss(&logits, &classes)?.item()?, made.loss(&logits, &classes)?.item()?);
    assert_eq!(from_file.count(&classes), made.count(&classes));
    read::<CrossEntropyFromProbabilities>(json!({"reduction": "sum"}));
    Ok(())
}

/// What was read and what was made are the same, which their `Debug` shows.
#[track_caller]
fn same<T: Serialize + DeserializeOwned + Debug>(options: Value, made: T) {
    assert_eq!(format!("{:?}", read::<T>(options)), format!("{made:?}"));
}

#[test]
fn every_option_of_the_other_losses_is_read() -> Result<()> {
    let (sum, none) = (Reduction::Sum, Reduction::None);
    let weight = tensor![1.0, 2.5];
    same(
        json!({"blank": 3, "zero_infinity": true, "reduction": "sum"}),
        Ctc::new().blank(3).zero_infinity().reduction(sum),
    );
    same(json!({"beta": 0.5, "reduction": "none"}), SmoothL1::new().beta(0.5)?.reduction(none));
    same(json!({"q": 0.9, "weight": [1, 2.5]}), Quantile::new(0.9)?.weight(&weight));
    same(json!({"weight": [1, 2.5]}), LogCosh::new().weight(&weight));
    same(json!({"reduction": "sum"}), Mape::new().reduction(sum));
    same(json!({"reduction": "none"}), Msle::new().reduction(none));
    same(json!({"log_input": false, "full": true, "eps": 1e-6}), PoissonNll::new().log_input(false).full().eps(1e-6)?);
    same(json!({"full": true, "eps": 1e-3}), GaussianNll::new().full().eps(1e-3)?);
    same(json!({"log_target": true, "batch_mean": true}), KlDiv::new().log_target().batch_mean());
    same(json!({"reduction": "sum"}), JensenShannon::new().reduction(sum));
    same(
        json!({"alpha": null, "gamma": 1.5, "from_probabilities": true}),
        BinaryFocal::new().alpha(None)?.gamma(1.5)?.from_probabilities(),
    );
    same(
        json!({"gamma": 1.5, "weight": [1, 2.5], "ignore_index": 7}),
        Focal::new().gamma(1.5)?.weight(&weight).ignore_index(7),
    );
    same(json!({"weight": [1, 2.5]}), Hinge::new().weight(&weight));
    same(json!({"weight": [1, 2.5]}), SquaredHinge::new().weight(&weight));
    same(json!({"weight": [1, 2.5]}), SoftMargin::new().weight(&weight));
    same(json!({"margin": 2.0}), HingeEmbedding::new().margin(2.0)?);
    same(json!({"reduction": "sum"}), CategoricalHinge::new().reduction(sum));
    same(
        json!({"squared": true, "margin": 0.5, "weight": [1, 2.5]}),
        MultiMargin::new().squared().margin(0.5)?.weight(&weight),
    );
    same(json!({"reduction": "sum"}), MultiLabelMargin::new().reduction(sum));
    same(json!({"weight": [1, 2.5]}), MultiLabelSoftMargin::new().weight(&weight));
    same(json!({"weight": [1, 2.5], "ignore_index": -1}), Nll::new().weight(&weight).ignore_index(-1));
    same(json!({"label_smoothing": 0.1}), LogLoss::new().label_smoothing(0.1)?);
    same(json!({"apart": 2, "smooth": 0.5}), Dice::new().apart(2).smooth(0.5)?);
    same(json!({"alpha": 0.3, "beta": 0.7}), Tversky::new().factors(0.3, 0.7)?);
    same(json!({"margin": 0.5}), CosineEmbedding::new().margin(0.5)?);
    same(json!({"margin": 0.5, "reduction": "sum"}), MarginRanking::new().margin(0.5)?.reduction(sum));
    same(json!({"margin": 0.5}), Contrastive::new().margin(0.5)?);
    same(
        json!({"margin": 0.5, "p": 1, "eps": 1e-5, "swap": true}),
        Triplet::new().margin(0.5)?.p(1.0)?.eps(1e-5)?.swap(),
    );
    same(json!({"temperature": 0.5, "symmetric": true}), InfoNce::new().temperature(0.5)?.symmetric());
    same(json!({"penalty": 5}), WassersteinCritic::new().penalty(5.0)?);

    assert_eq!(refusal::<Quantile>(json!({"q": 1.5})), Quantile::new(1.5).unwrap_err().message());
    assert_eq!(refusal::<Quantile>(json!({})), "Quantile: `q` is missing");
    assert_eq!(refusal::<Focal>(json!({"gamma": -1})), Focal::new().gamma(-1.0).unwrap_err().message());
    assert_eq!(refusal::<BinaryFocal>(json!({"alpha": 2})), BinaryFocal::new().alpha(2.0).unwrap_err().message());
    assert_eq!(refusal::<Tversky>(json!({"beta": -1})), Tversky::new().factors(0.5, -1.0).unwrap_err().message());
    assert_eq!(refusal::<Hinge>(json!({"wieght": [1]})), "Hinge: `wieght` is no option of it (did you mean `weight`?)");
    let code = Triplet::new().distance(|a, b| a.sub(b)?.abs().sum_dims(&[-1], false));
    let e = serde_json::to_value(&code).unwrap_err();
    assert_eq!(e.to_string(), "`distance` is code, which no file can hold");
    Ok(())
}

#[test]
fn what_regularises_is_read() {
    same(json!({"strength": 0.1, "on": ["*.weight"]}), Orthogonality::new(0.1).on("*.weight"));
    same(json!({"dim": 1}), UnitNorm::new().dim(1));
    same(json!({"side": 4}), Cutout::new(4));
    same(
        json!({"p": 0.1, "area": [0.1, 0.2], "ratio": [0.5, 2], "value": 1}),
        RandomErasing::new().p(0.1).area(0.1, 0.2).ratio(0.5, 2.0).value(1.0),
    );
    same(json!({"strength": 0.1}), LabelNoise::new(0.1));
    same(json!({"alpha": 0.1}), Mixup::new(0.1));
    same(json!({"alpha": 0.1}), CutMix::new(0.1));
    same(json!({"alpha": 0.1, "layers": ["0", "2"]}), ManifoldMixup::new(0.1, ["0", "2"]));
    assert_eq!(refusal::<Mixup>(json!({"alpha": 0})), "Mixup: alpha is 0, expected a finite number above 0");
    let e = "ManifoldMixup: there are no layers to mix the outputs of";
    assert_eq!(refusal::<ManifoldMixup>(json!({"alpha": 1, "layers": []})), e);
    assert!(refusal::<RandomErasing>(json!({"p": 2})).starts_with("RandomErasing: p 2, areas"));
    assert!(refusal::<Orthogonality>(json!({"strength": -1})).contains("the strength"));
}

/// Weights of any other type or shape are written as any tensor is.
#[test]
fn weights_keep_their_type() -> Result<()> {
    let double = BceWithLogits::new().weight(&tensor![[1.0], [2.0]].to_dtype(demotic::DType::F64));
    let again: BceWithLogits = serde_json::from_value(serde_json::to_value(&double).unwrap()).unwrap();
    let (x, y) =
        (tensor![[1.0], [2.0]].to_dtype(demotic::DType::F64), tensor![[0.0], [1.0]].to_dtype(demotic::DType::F64));
    assert_eq!(again.loss(&x, &y)?.item()?, double.loss(&x, &y)?.item()?);
    Ok(())
}

/// Some steps on the same gradients end at the same bits.
#[track_caller]
fn same_steps(mut a: impl Optimizer, mut b: impl Optimizer) -> Result<()> {
    let mut ends = Vec::new();
    for opt in [&mut a as &mut dyn Optimizer, &mut b] {
        let mut p = Param::new(tensor![[1.0, -2.0], [0.5, 3.0]])?;
        for _ in 0..5 {
            let grads = (p.square() * 0.7).sum().backward()?;
            opt.step(&mut p, &grads)?;
        }
        ends.push(p.to_vec::<f32>()?);
    }
    assert_eq!(ends[0], ends[1]);
    Ok(())
}

#[test]
fn optimizers_are_read() -> Result<()> {
    let sgd = json!({"learning_rate": 0.1, "momentum": 0.9, "nesterov": true, "weight_decay": 1e-2});
    same_steps(read::<Sgd>(sgd), Sgd::new(0.1).momentum(0.9).nesterov(true).weight_decay(1e-2))?;
    same_steps(read::<AdamW>(json!({"learning_rate": 0.1})), AdamW::new(0.1))?;
    let adam = json!({"learning_rate": 0.1, "betas": [0.5, 0.9], "amsgrad": true, "clip_norm": 0.5});
    same_steps(read::<Adam>(adam), Adam::new(0.1).betas(0.5, 0.9).amsgrad(true).clip_norm(0.5))?;
    let adagrad = json!({"learning_rate": 0.1, "initial_accumulator_value": 0.2, "clip_value": 0.1});
    same_steps(read::<AdaGrad>(adagrad), AdaGrad::new(0.1).initial_accumulator_value(0.2).clip_value(0.1))?;
    let rmsprop = json!({"learning_rate": 0.1, "alpha": 0.8, "centered": true, "maximize": true,
        "groups": [{"pattern": "*", "learning_rate_scale": 0.5}]});
    let group = demotic::optimizers::Group::new("*").learning_rate_scale(0.5);
    same_steps(read::<RmsProp>(rmsprop), RmsProp::new(0.1).alpha(0.8).centered(true).maximize(true).group(group))?;

    let nadam =
        json!({"learning_rate": 0.1, "betas": [0.5, 0.9], "momentum_decay": 0.1, "decoupled_weight_decay": true});
    same_steps(read::<NAdam>(nadam), NAdam::new(0.1).betas(0.5, 0.9).momentum_decay(0.1).decoupled_weight_decay(true))?;
    let radam = json!({"learning_rate": 0.1, "decoupled_weight_decay": true, "weight_decay": 0.1});
    same_steps(read::<RAdam>(radam), RAdam::new(0.1).decoupled_weight_decay(true).weight_decay(0.1))?;
    let lars = json!({"learning_rate": 0.1, "momentum": 0.5, "trust_coefficient": 0.1, "trust_matrices_only": true});
    same_steps(read::<Lars>(lars), Lars::new(0.1).momentum(0.5).trust_coefficient(0.1).trust_matrices_only(true))?;
    let adafactor = json!({"learning_rate": 0.1, "beta2_decay": -0.5, "momentum": 0.5, "relative_step": false});
    same_steps(read::<Adafactor>(adafactor), Adafactor::new(0.1).beta2_decay(-0.5).momentum(0.5).relative_step(false))?;

    let muon = json!({"learning_rate": 0.1, "momentum": 0.5, "ns_steps": 3, "adjust_lr": "match_rms_adamw"});
    same_steps(read::<Muon>(muon), Muon::new(0.1).momentum(0.5).ns_steps(3).adjust_lr(AdjustLr::MatchRmsAdamW))?;

    let averaged = read::<Averaged<Sgd>>(json!({"inner": {"learning_rate": 0.1}, "decay": 0.9, "start": 1}));
    same_steps(averaged, Averaged::ema(Sgd::new(0.1), 0.9).start(1))?;
    let lookahead = read::<Lookahead<Adam>>(json!({"inner": {"learning_rate": 0.1}, "k": 2}));
    same_steps(lookahead, Lookahead::new(Adam::new(0.1), 2, 0.5))?;
    assert_eq!(read::<Sam<Sgd>>(json!({"inner": {"learning_rate": 0.2}, "rho": 0.1})).learning_rate(), 0.2);
    read::<Lbfgs>(json!({"learning_rate": 1.0, "strong_wolfe": true, "max_eval": 30}));
    Ok(())
}

/// An optimizer that has made steps writes its options and the present rate, and nothing that it remembers.
#[test]
fn state_is_no_option() -> Result<()> {
    let mut opt = Averaged::mean(Adam::new(0.1));
    let fresh = serde_json::to_string(&opt).unwrap();
    let mut p = Param::new(tensor![1.0])?;
    let grads = p.square().sum().backward()?;
    opt.step(&mut p, &grads)?;
    assert_eq!(serde_json::to_string(&opt).unwrap(), fresh);
    opt.set_learning_rate(0.05);
    assert_eq!(serde_json::to_value(&opt).unwrap()["inner"]["learning_rate"], 0.05);
    Ok(())
}

#[test]
fn schedules_and_the_rest_are_read() {
    let shapes = [
        (json!("constant"), Curve::constant(0.1)),
        (json!({"steps": {"every": 10, "factor": 0.5}}), Curve::steps(0.1, 10, 0.5)),
        (json!({"cosine": {"steps": 100}}), Curve::cosine(0.1, 100)),
        (json!({"cosine_restarts": {"steps": 100, "cycles": 3}}), Curve::cosine_restarts(0.1, 100, 3)),
        (json!({"linear": {"steps": 100}}), Curve::linear(0.1, 100)),
        (json!({"linear_factors": {"from": 0.1, "to": 1.0, "steps": 5}}), Curve::linear_factors(0.1, 0.1, 1.0, 5)),
        (json!({"inverse_sqrt": {"scale": 40}}), Curve::inverse_sqrt(0.1, 40)),
    ];
    for (shape, made) in shapes {
        let options = json!({"shape": shape, "rate": 0.1, "floor": 0.01, "warm_up": 4, "warm_up_from_zero": true});
        assert_eq!(read::<Curve>(options), made.floor(0.01).warm_up_from_zero(4));
    }
    let plateau = json!({"maximize": true, "patience": 3, "threshold": {"absolute": 0.5}, "cooldown": 1});
    assert_eq!(
        read::<ReduceOnPlateau>(plateau),
        ReduceOnPlateau::new().maximize().patience(3).absolute_threshold(0.5).cooldown(1)
    );
    let adaptive = json!({"min_rate": 1e-4, "max_rate": 1.0, "small": 1e-3, "large": 1e-2});
    assert_eq!(read::<AdaptiveRate>(adaptive), AdaptiveRate::new(1e-4, 1.0).thresholds(1e-3, 1e-2));

    assert_eq!(read::<L1>(json!({"strength": 0.1, "on": ["*.weight"]})), L1::new(0.1).on("*.weight"));
    assert_eq!(read::<L2>(json!({"strength": 0.1})), L2::new(0.1));
    assert_eq!(read::<ElasticNet>(json!({"l1": 0.1, "l2": 0.2})), ElasticNet::new(0.1, 0.2));
    assert_eq!(
        read::<MaxNorm>(json!({"max_norm": 2.0, "dim": -1, "on": ["a", "b"]})),
        MaxNorm::new(2.0).dim(-1).on("a").on("b")
    );
    assert_eq!(read::<NonNegative>(json!({})), NonNegative::new());

    read::<EarlyStopping>(json!({"patience": 3, "min_delta": 0.1, "maximize": true}));
    let options =
        read::<TrainerOptions>(json!({"max_steps": 7, "batch_size": 8, "accumulate": 2, "evaluate_every": 3}));
    assert_eq!((options.max_steps, options.batch_size, options.epochs), (Some(7), 8, None));
}

#[test]
fn what_makes_no_sense_is_refused_word_for_word() {
    assert_eq!(refusal::<Huber>(json!({})), "Huber: `delta` is missing");
    assert_eq!(refusal::<Huber>(json!({"delta": -1})), "huber: delta is -1, expected a positive number");
    assert_eq!(
        refusal::<Huber>(json!({"delta": "big"})),
        r#"Huber: `delta`: invalid type: string "big", expected f64"#
    );
    assert_eq!(
        refusal::<Mse>(json!({"reductoin": "sum"})),
        "Mse: `reductoin` is no option of it (did you mean `reduction`?)"
    );
    assert_eq!(refusal::<Mse>(json!({"x": 1})), "Mse: `x` is no option of it (its options are `reduction`, `weight`)");
    assert_eq!(refusal::<Mse>(json!([1])), "invalid type: sequence, expected a map");
    assert_eq!(
        refusal::<Mse>(json!({"reduction": "median"})),
        "Mse: `reduction`: unknown variant `median`, expected one of `mean`, `sum`, `none`"
    );
    assert_eq!(
        refusal::<AdamW>(json!({"learning_rate": 0.1, "betas": [0.9, 1.0]})),
        "AdamW: beta2 is 1, expected at least 0 and less than 1"
    );
    assert_eq!(
        refusal::<AdamW>(json!({"learning_rate": 0.1, "beta": [0.9, 0.99]})),
        "Adam: `beta` is no option of it (did you mean `betas`?)"
    );
    assert_eq!(refusal::<Huber>(json!({"detla": 1})), "Huber: `delta` is missing (there is `detla`)");
    assert_eq!(refusal::<AdamW>(json!({"amsgrad": true})), "AdamW: `learning_rate` is missing");
    let e = refusal::<AdamW>(json!({"learning_rate": 0.1, "weight_deacy": 0.1}));
    assert_eq!(e, "`weight_deacy` is no option of an optimizer (did you mean `weight_decay`?)");
    assert_eq!(refusal::<Sgd>(json!({})), "Sgd: `learning_rate` is missing");
    assert_eq!(
        refusal::<Sgd>(json!({"learning_rate": 0.1, "clip_norm": 1, "clip_value": 1})),
        "Sgd: clip_norm and clip_value, expected one of them"
    );
    assert_eq!(
        refusal::<Sgd>(json!({"learning_rate": 0.1, "groups": [{"pattern": "*", "eps": 1e-3}]})),
        "Sgd: the group `*` has eps, which this optimizer does not"
    );
    assert_eq!(
        refusal::<Averaged<Sgd>>(json!({"inner": {"learning_rate": -0.1}})),
        "Averaged: `inner`: Sgd: the learning rate is -0.1, expected a finite number that is not negative"
    );
    assert_eq!(refusal::<Averaged<Sgd>>(json!({"decay": 0.9})), "Averaged: `inner` is missing (there is `decay`)");
    assert_eq!(
        refusal::<Averaged<Sgd>>(json!({"inner": {"learning_rate": 0.1}, "decay": 1})),
        "Averaged: the decay is 1, expected at least 0 and less than 1"
    );
    assert_eq!(
        refusal::<Sam<Sgd>>(json!({"inner": {"learning_rate": 0.1}, "rho": 0})),
        "Sam: rho is 0, expected a finite number above 0"
    );
    assert_eq!(
        refusal::<Lbfgs>(json!({"learning_rate": 1, "history_size": 0})),
        "Lbfgs: history_size is 0, expected a finite number above 0"
    );
    assert_eq!(
        refusal::<Curve>(json!({"shape": {"cosine": {"steps": 0}}, "rate": 0.1})),
        "Curve: the number of steps is 0, expected at least 1"
    );
    assert_eq!(
        refusal::<Curve>(json!({"shape": {"cosine": {"stepz": 1}}, "rate": 0.1})),
        "Curve: `shape`: unknown field `stepz`, expected `steps`"
    );
    assert_eq!(
        refusal::<L1>(json!({"strength": -1})),
        "penalty: the strength is -1, expected a finite number that is not negative"
    );
    assert_eq!(refusal::<TrainerOptions>(json!({"batch_size": 0})), "fit: the batch size is 0, expected at least 1");
    assert_eq!(refusal::<TrainerOptions>(json!({"epochs": 0})), "fit: the number of epochs is 0, expected at least 1");
    assert_eq!(
        refusal::<EarlyStopping>(json!({"patience": 3, "min_delta": -1})),
        "EarlyStopping: min_delta is -1, expected a finite number that is not negative"
    );
    assert_eq!(
        refusal::<CrossEntropy>(json!({"weight": ["a"]})),
        r#"CrossEntropy: `weight`: invalid type: string "a", expected f32"#
    );
}
