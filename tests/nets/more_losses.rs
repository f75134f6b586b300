//! The losses of the catalogue at their limits, and what they say about wrong input.

use demotic::autograd::{GradOptions, grad};
use demotic::losses::{self, *};
use demotic::prelude::*;

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().message()
}

#[test]
fn options_that_make_no_sense() {
    let nan = f64::NAN;
    assert_eq!(message(SmoothL1::new().beta(-1.0)), "smooth_l1: beta is -1, expected a number of at least 0");
    assert_eq!(message(Quantile::new(1.0)), "quantile: q is 1, expected a number between 0 and 1");
    assert_eq!(message(Quantile::new(nan)), "quantile: q is NaN, expected a number between 0 and 1");
    assert_eq!(message(PoissonNll::new().eps(nan)), "poisson_nll: eps is NaN, expected a number of at least 0");
    assert_eq!(message(GaussianNll::new().eps(0.0)), "gaussian_nll: eps is 0, expected a positive number");
    assert_eq!(
        message(LogLoss::new().label_smoothing(2.0)),
        "log_loss: label smoothing is 2, expected a number from 0 to 1"
    );
    assert_eq!(message(HingeEmbedding::new().margin(nan)), "hinge_embedding: the margin is NaN, expected a number");
    assert_eq!(message(MultiMargin::new().margin(f64::INFINITY)), "multi_margin: the margin is inf, expected a number");
    assert_eq!(
        message(CosineEmbedding::new().margin(1.5)),
        "cosine_embedding: the margin is 1.5, expected a number from -1 to 1"
    );
    assert_eq!(message(MarginRanking::new().margin(nan)), "margin_ranking: the margin is NaN, expected a number");
    assert_eq!(message(Contrastive::new().margin(0.0)), "contrastive: the margin is 0, expected a positive number");
    assert_eq!(message(Triplet::new().margin(-1.0)), "triplet: the margin is -1, expected a positive number");
    assert_eq!(message(Triplet::new().p(0.0)), "triplet: p is 0, expected a number above 0");
    assert_eq!(message(Triplet::new().eps(-0.5)), "triplet: eps is -0.5, expected a number of at least 0");
    assert_eq!(message(InfoNce::new().temperature(0.0)), "info_nce: the temperature is 0, expected a positive number");
    assert_eq!(message(BinaryFocal::new().alpha(1.5)), "binary_focal: alpha is 1.5, expected a number from 0 to 1");
    assert_eq!(message(BinaryFocal::new().gamma(-1.0)), "binary_focal: gamma is -1, expected a number of at least 0");
    assert_eq!(message(Focal::new().gamma(nan)), "focal: gamma is NaN, expected a number of at least 0");
    assert_eq!(message(Dice::new().smooth(0.0)), "dice: smooth is 0, expected a positive number");
    assert_eq!(message(Tversky::new().factors(0.5, -1.0)), "tversky: beta is -1, expected a number of at least 0");
    assert_eq!(
        message(WassersteinCritic::new().penalty(nan)),
        "wasserstein_critic: the penalty is NaN, expected a number of at least 0"
    );
}

#[test]
fn labels_say_their_value_and_place() -> Result<()> {
    let scores = tensor![[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]];
    let e = message(losses::hinge(&tensor![1.0, 2.0], &tensor![1.0, 2.0]));
    assert_eq!(e, "hinge: target 1 is 2, expected 1 or -1, or 0");
    let e = message(losses::soft_margin(&tensor![1.0, 2.0], &tensor![f32::NAN, 1.0]));
    assert_eq!(e, "soft_margin: target 0 is NaN, expected 1 or -1, or 0");
    let classes = Tensor::from_nested([1i64, 3])?;
    for (name, loss) in [
        ("nll", losses::nll as fn(&Tensor, &Tensor) -> Result<Tensor>),
        ("focal", losses::focal),
        ("multi_margin", losses::multi_margin),
        ("categorical_hinge", losses::categorical_hinge),
    ] {
        let e = message(loss(&scores, &classes));
        assert_eq!(e, format!("{name}: target 1 is class 3, the logits have 3 classes (0 ..= 2)"));
    }
    let e = message(losses::log_loss(&scores.softmax(1)?, &classes));
    assert_eq!(e, "log_loss: target 1 is class 3, the logits have 3 classes (0 ..= 2)");
    let e = message(losses::multi_margin(&scores, &Tensor::from_nested([1i64, -100])?));
    assert_eq!(e, "multi_margin: target 1 is class -100, the logits have 3 classes (0 ..= 2)");
    let e = losses::multi_label_margin(&scores, &Tensor::from_nested([[1i64, -1, 0], [2, 3, -1]])?).unwrap_err();
    assert_eq!(
        e.message(),
        "multi_label_margin: target 1 of example 1 is label 3, the scores have 3 classes (0 ..= 2)"
    );
    assert_eq!(e.help(), Some("-1 ends the list of labels"));
    let e = losses::msle(&tensor![1.0, 1.0], &tensor![0.5, -2.0]).unwrap_err();
    assert_eq!(e.message(), "msle: target 1 is -2, expected no negative number");
    assert_eq!(e.help(), Some("for numbers of both signs use losses::mse"));
    let e = losses::gaussian_nll(&tensor![1.0, 1.0], &tensor![1.0, 1.0], &tensor![1.0, -1.0]).unwrap_err();
    assert_eq!(e.message(), "gaussian_nll: variance 1 is -1, expected no negative number");
    assert_eq!(e.help(), Some("let the model predict its logarithm, and take exp() of that"));
    let e = message(losses::jensen_shannon(&tensor![[0.5, 0.5]], &tensor![[2.0, -1.0]]));
    assert_eq!(e, "jensen_shannon: the prediction contains 2, which is not a probability");
    Ok(())
}

#[test]
fn shapes_that_do_not_fit() -> Result<()> {
    let (a, b) = (Tensor::zeros([4, 3])?, Tensor::zeros([4, 2])?);
    assert_eq!(
        message(losses::triplet(&a, &b, &a)),
        "triplet: the anchor of shape [4, 3], the positive of shape [4, 2]"
    );
    assert_eq!(
        message(losses::triplet(&a, &a, &b)),
        "triplet: the anchor of shape [4, 3], the negative of shape [4, 2]"
    );
    let e = losses::cosine_embedding(&a, &a, &Tensor::zeros([4, 1])?).unwrap_err();
    assert_eq!(e.message(), "cosine_embedding: targets of shape [4, 1] for pairs of shape [4, 3]");
    assert_eq!(e.help(), Some("there is one for each pair: reshape them to [4]"));
    let e = message(losses::contrastive(&Tensor::zeros([2, 2, 2])?, &Tensor::zeros([2, 2, 2])?, &a));
    assert_eq!(e, "contrastive: pairs of shape [2, 2, 2], expected [n, features]");
    let e = losses::gaussian_nll(&a, &a, &b).unwrap_err();
    assert_eq!(e.message(), "gaussian_nll: a variance of shape [4, 2] for means of shape [4, 3]");
    assert_eq!(
        e.help(),
        Some("there is one for each mean, or one for each example: 1, or nothing, in its last dimension")
    );
    let e = message(losses::nll(&a, &Tensor::from_nested([1i64, 0])?));
    assert_eq!(e, "nll: targets of shape [2] for a prediction of shape [4, 3], expected [4]");
    let e = message(Nll::new().weight(&tensor![1.0, 2.0]).loss(&a, &Tensor::from_nested([0i64, 0, 0, 0])?));
    assert_eq!(e, "nll: class weights of shape [2] for 3 classes");
    let e = Hinge::new().weight(&Tensor::ones([5, 4, 3])?).loss(&a, &a).unwrap_err();
    assert_eq!(e.message(), "hinge: weights of shape [5, 4, 3] for losses of shape [4, 3]");
    assert_eq!(e.help(), Some("weights must broadcast to the shape of the losses"));
    let e = message(losses::dice(&tensor![0.5, 0.5], &tensor![1.0, 0.0]));
    assert_eq!(e, "dice: 1 dimensions of regions in a prediction of shape [2]");
    let e = message(losses::info_nce(&Tensor::zeros([3])?, &Tensor::zeros([3])?));
    assert_eq!(e, "info_nce: queries of shape [3], expected [n, features]");
    let e = message(InfoNce::new().loss_with_negatives(&a, &a, &b));
    assert_eq!(e, "info_nce: negatives of shape [4, 2] for queries of shape [4, 3], expected [m, 3]");
    let e = message(InfoNce::new().symmetric().loss_with_negatives(&a, &a, &a));
    assert_eq!(e, "info_nce: negatives of queries, and both directions");
    let e = message(losses::multi_label_margin(&a, &Tensor::from_nested([0i64])?));
    assert_eq!(e, "multi_label_margin: scores of shape [4, 3] and targets of shape [1], expected [n, classes] of both");
    Ok(())
}

#[test]
fn sequences_that_cannot_be_read() -> Result<()> {
    let log_p = Tensor::zeros([2, 4, 3])?.log_softmax(-1)?;
    let labels = Tensor::from_nested([[1i64, 2], [2, 1]])?;
    let of = |labels: &Tensor, steps: &[usize], counts: &[usize]| message(losses::ctc(&log_p, labels, steps, counts));
    assert_eq!(of(&labels, &[4], &[2, 2]), "ctc: 1 input lengths for 2 examples");
    assert_eq!(of(&labels, &[4, 4], &[2]), "ctc: 1 target lengths for 2 examples");
    assert_eq!(of(&labels, &[4, 5], &[2, 2]), "ctc: input length 1 is 5, there are 4 steps");
    assert_eq!(of(&labels, &[4, 4], &[2, 3]), "ctc: target length 1 is 3, there are 2 labels");
    assert_eq!(
        of(&labels.flatten(0, -1)?, &[4, 4], &[2, 1]),
        "ctc: targets of shape [4] for 2 examples of [2, 1] labels"
    );
    assert_eq!(
        of(&labels, &[4, 4], &[usize::MAX, 2]),
        format!("ctc: target length 0 is {}, there are 2 labels", usize::MAX)
    );
    let blank = Tensor::from_nested([[1i64, 0], [2, 1]])?;
    assert_eq!(of(&blank, &[4, 4], &[2, 2]), "ctc: label 1 of example 0 is class 0, which is the blank");
    let beyond = Tensor::from_nested([[1i64, 1], [2, 3]])?;
    assert_eq!(of(&beyond, &[4, 4], &[2, 2]), "ctc: label 1 of example 1 is class 3, of 3 classes");
    let e = message(Ctc::new().blank(3).loss(&log_p, &labels, &[4, 4], &[2, 2]));
    assert_eq!(e, "ctc: blank is class 3 of 3");
    let e = message(losses::ctc(&Tensor::zeros([0, 4, 3])?, &labels, &[], &[]));
    assert_eq!(e, "ctc: no examples: the logarithms have shape [0, 4, 3]");
    let e = message(losses::ctc(&Tensor::zeros([4])?, &labels, &[], &[]));
    assert_eq!(e, "ctc: logarithms of shape [4], expected [batch, time, classes]");
    // Labels behind the length may be anything.
    let padded = Tensor::from_nested([[1i64, -7], [2, 99]])?;
    assert!(losses::ctc(&log_p, &padded, &[4, 4], &[1, 1])?.item()?.is_finite());
    Ok(())
}

#[test]
fn labels_that_do_not_fit_into_the_steps() -> Result<()> {
    let x = Tensor::zeros([2, 2, 3])?.log_softmax(-1)?.tracked()?;
    // The second needs a blank between the equal labels.
    let labels = Tensor::from_nested([[1i64, 2], [1, 1]])?;
    let loss = Ctc::new().reduction(Reduction::None).loss(&x, &labels, &[2, 2], &[2, 2])?;
    assert_eq!(loss.to_f64_vec()[1], f64::INFINITY);
    let grads = loss.sum().backward()?.wrt(&x)?.to_f64_vec();
    assert!(grads[..6].iter().all(|g| g.is_finite()) && grads[6..].iter().all(|g| g.is_nan()));
    let loss = Ctc::new().zero_infinity().reduction(Reduction::None).loss(&x, &labels, &[2, 2], &[2, 2])?;
    assert_eq!(loss.to_f64_vec()[1], 0.0);
    let grads = loss.sum().backward()?.wrt(&x)?.to_f64_vec();
    assert!(grads[..6].iter().any(|g| *g != 0.0) && grads[6..].iter().all(|g| *g == 0.0));
    // No steps: of no labels the loss is 0.
    let empty = Tensor::zeros([1, 0, 3])?.tracked()?;
    let loss = losses::ctc(&empty, &Tensor::full_dtype([1, 0], 0.0, DType::I64)?, &[0], &[0])?;
    assert_eq!(loss.item()?, 0.0);
    assert_eq!(loss.backward()?.wrt(&empty)?.shape(), [1, 0, 3]);
    let e = losses::ctc(&x, &labels, &[2, 2], &[1, 1])?.backward()?;
    assert!(e.wrt(&x)?.to_f64_vec().iter().all(|g| *g <= 0.0));
    let nan = Tensor::full([1, 2, 3], f64::NAN)?;
    assert!(losses::ctc(&nan, &Tensor::from_nested([[1i64]])?, &[2], &[1])?.item()?.is_nan());
    Ok(())
}

/// Both ends of the range: finite where PyTorch is, exact where it is not.
#[test]
fn ends_of_the_range() -> Result<()> {
    let small = losses::log_cosh(&tensor![1e-4], &tensor![0.0])?.item()?;
    assert!((small / 5e-9 - 1.0).abs() < 1e-5, "{small}");
    assert_eq!(losses::log_cosh(&tensor![1e30], &tensor![-1e30])?.item()? as f32, 2e30);
    let x = tensor![-200.0, 200.0].tracked()?;
    for gamma in [0.0, 0.3, 1.0, 2.0, 5.0] {
        for target in [tensor![0.0, 1.0], tensor![1.0, 0.0]] {
            let loss = BinaryFocal::new().gamma(gamma)?.loss(&x, &target)?;
            let grads = loss.backward()?.wrt(&x)?.to_f64_vec();
            assert!(loss.item()?.is_finite() && grads.iter().all(|g| g.is_finite()), "{gamma}: {loss} {grads:?}");
        }
        let rows = tensor![[500.0, -500.0]].tracked()?;
        for class in [0i64, 1] {
            let loss = Focal::new().gamma(gamma)?.loss(&rows, &Tensor::from_nested([class])?)?;
            let grads = loss.backward()?.wrt(&rows)?.to_f64_vec();
            assert!(loss.item()?.is_finite() && grads.iter().all(|g| g.is_finite()), "{gamma}: {loss} {grads:?}");
        }
    }
    // A divergence of nearly equal distributions is of the order of the square of their difference.
    let (p, q) = (tensor![[0.5, 0.5]], tensor![[0.5001, 0.4999]]);
    let near = losses::jensen_shannon(&p, &q)?.item()?;
    assert!((near / 5e-9 - 1.0).abs() < 1e-2, "{near}");
    let p = tensor![[0.0, 1.0]].tracked()?;
    let grads = losses::jensen_shannon(&p, &tensor![[0.0, 1.0]])?.backward()?;
    assert_eq!(grads.wrt(&p)?.to_f64_vec(), [0.0, 0.0]);
    let log_p = tensor![[f32::NEG_INFINITY, 0.0]].tracked()?;
    let loss = losses::kl_div(&log_p, &tensor![[0.0, 1.0]])?;
    assert_eq!(loss.item()?, 0.0);
    assert_eq!(loss.backward()?.wrt(&log_p)?.to_f64_vec(), [0.0, -0.5]);
    Ok(())
}

#[test]
fn a_batch_in_which_nothing_counts() -> Result<()> {
    let x = tensor![[1.0, 2.0], [3.0, -1.0]].tracked()?;
    let none = Tensor::from_nested([-100i64, -100])?;
    for loss in [Box::new(Nll::new()) as Box<dyn Loss>, Box::new(Focal::new())] {
        let value = loss.loss(&x, &none)?;
        assert!(value.item()?.is_nan());
        assert_eq!(value.backward()?.wrt(&x)?.to_f64_vec(), [0.0; 4]);
        assert_eq!(loss.count(&none), 0.0);
        assert_eq!(loss.count(&Tensor::from_nested([1i64, -100])?), 1.0);
    }
    let weighted = Nll::new().weight(&tensor![0.25, 2.0]);
    assert_eq!(weighted.count(&Tensor::from_nested([1i64, 0])?), 2.25);
    assert_eq!(Hinge::new().reduction(Reduction::Sum).count(&tensor![1.0, -1.0]), 1.0);
    assert_eq!(KlDiv::new().batch_mean().reduction(Reduction::Sum).count(&x), 4.0);
    Ok(())
}

/// Predictions of 16 bits: the loss is that of the same numbers in 32.
#[test]
fn sixteen_bits_are_computed_in_single() -> Result<()> {
    type Function = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let pairs: [(&str, Function); 16] = [
        ("smooth_l1", losses::smooth_l1),
        ("quantile", |x, y| losses::quantile(x, y, 0.25)),
        ("log_cosh", losses::log_cosh),
        ("mape", losses::mape),
        ("msle", losses::msle),
        ("poisson_nll", losses::poisson_nll),
        ("kl_div", losses::kl_div),
        ("jensen_shannon", losses::jensen_shannon),
        ("log_loss", losses::log_loss),
        ("binary_focal", losses::binary_focal),
        ("dice", losses::dice),
        ("tversky", |x, y| losses::tversky(x, y, 0.3, 0.7)),
        ("multi_label_soft_margin", losses::multi_label_soft_margin),
        ("info_nce", losses::info_nce),
        ("triplet", |x, y| losses::triplet(x, y, x)),
        ("gaussian_nll", |x, y| losses::gaussian_nll(x, y, x)),
    ];
    for (name, loss) in pairs {
        let (x, y) = (tensor![[0.5, 0.25], [0.75, 1.0]], tensor![[0.25, 0.5], [0.5, 1.0]]);
        let expected = loss(&x, &y)?.item()?;
        for dtype in [DType::F16, DType::BF16] {
            let wide = loss(&x.to_dtype(dtype), &y.to_dtype(dtype))?;
            assert_eq!((wide.dtype(), wide.item()?), (DType::F32, expected), "{name}");
        }
        for dtype in [DType::I64, DType::Bool] {
            assert_eq!(loss(&x.to_dtype(dtype), &y.to_dtype(dtype)).unwrap_err().kind(), ErrorKind::DType, "{name}");
        }
        let nan = Tensor::full([2, 2], f64::NAN)?;
        assert!(loss(&nan, &y)?.item()?.is_nan(), "{name}");
        let e = loss(&Tensor::zeros([0, 2])?, &Tensor::zeros([0, 2])?).unwrap_err();
        assert_eq!((e.kind(), e.op()), (ErrorKind::Shape, name), "{e}");
    }
    Ok(())
}

#[test]
fn points_between_real_and_generated_examples() -> Result<()> {
    // The slope of the critic is 2 |x|, so the penalty tells where it was taken.
    let critic = |x: &Tensor| x.square().sum_dims(&[1], false);
    let (real, fake) = (Tensor::full([4096, 1], 4.0)?, Tensor::full([4096, 1], 2.0)?);
    let loss = |seed| WassersteinCritic::new().penalty(0.5)?.loss(&critic, &real, &fake, &mut Rng::seed(seed))?.item();
    let penalty = (loss(0)? - (4.0 - 16.0)) / 0.5;
    // The mean of (2 x − 1)² for x between 2 and 4 is 79/3.
    assert!((penalty - 79.0 / 3.0).abs() < 1.0, "{penalty}");
    assert_eq!(loss(0)?, loss(0)?);
    assert_ne!(loss(0)?, loss(1)?);
    // A critic that is flat has slope 0, and a gradient all the same.
    let w = tensor![0.0].tracked()?;
    let flat = |x: &Tensor| x.mul(&w)?.sum_dims(&[1], false);
    let penalty = losses::gradient_penalty(&flat, &real)?;
    assert_eq!(penalty.item()?, 1.0);
    assert!(penalty.backward()?.wrt(&w)?.to_f64_vec()[0].is_finite());
    let e = losses::gradient_penalty(&critic, &Tensor::zeros([0, 2])?).unwrap_err();
    assert_eq!(e.message(), "gradient_penalty: points of shape [0, 2], expected [n, ..]");
    let e = WassersteinCritic::new().loss(&critic, &real, &Tensor::zeros([3, 1])?, &mut Rng::seed(0)).unwrap_err();
    assert_eq!(
        e.message(),
        "wasserstein_critic: the real examples of shape [4096, 1], the generated ones of shape [3, 1]"
    );
    Ok(())
}

/// A classifier of two groups of points learns with each of the losses of a prediction and a target.
#[test]
fn a_trainer_takes_them() -> Result<()> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([64, 2], 0.0, 1.0, &mut rng)?;
    let is_right = x.select(1, 0)?.gt_scalar(0.0);
    let signs = is_right.to_dtype(DType::F32).mul_scalar(2.0).add_scalar(-1.0).unsqueeze(1)?;
    for loss in [
        Box::new(Hinge::new()) as Box<dyn Loss>,
        Box::new(SquaredHinge::new()),
        Box::new(SoftMargin::new()),
        Box::new(LogCosh::new()),
        Box::new(SmoothL1::new()),
    ] {
        let mut model = Linear::new(2, 1, &mut rng)?;
        let data = TensorDataset::new(x.clone(), signs.clone())?;
        Trainer::new(loss, Adam::new(0.05)).epochs(30).batch_size(16).fit(&mut model, &data, &mut rng)?;
        let right = model.predict(&x)?.mul(&signs)?.gt_scalar(0.0).to_dtype(DType::F32).mean().item()?;
        assert!(right > 0.95, "{right}");
    }
    Ok(())
}

/// Where both are equal, the losses are squares: their second derivative is that of a square, as in PyTorch.
#[test]
fn losses_that_are_squares_near_zero_are_so_at_zero() -> Result<()> {
    let (huber, smooth) = (Huber::new(0.5)?, SmoothL1::new().beta(0.5)?);
    for (loss, expected) in [(&huber as &dyn Loss, 1.0), (&smooth, 2.0)] {
        for at in [-0.25f32, 0.0, 0.25] {
            let x = Tensor::full([1], f64::from(at))?.tracked()?;
            let options = GradOptions::new().create_graph(true);
            let slope = grad(&[&loss.loss(&x, &tensor![0.0])?], &[&x], options)?.remove(0);
            let second = grad(&[&slope.sum()], &[&x], GradOptions::new())?.remove(0);
            assert_eq!((slope.item()?, second.item()?), (f64::from(at) * expected, expected));
        }
    }
    Ok(())
}

/// A table of numbers is no table of probabilities, not even where there is one output.
#[test]
fn targets_of_cross_entropy_are_probabilities() -> Result<()> {
    let logits = tensor![[0.5], [1.0]];
    let e = losses::cross_entropy(&logits, &tensor![[0.3], [-2.0]]).unwrap_err();
    assert_eq!(e.message(), "cross_entropy: the target contains -2, which is not a probability");
    assert!(e.help().unwrap().ends_with("for numbers to be predicted use losses::mse"), "{e}");
    assert!(losses::cross_entropy(&tensor![[0.5, 1.0]], &tensor![[0.25, 0.75]])?.item()?.is_finite());
    let e =
        losses::cross_entropy(&Tensor::zeros([2, 4, 8])?, &Tensor::zeros([2, 4])?.to_dtype(DType::I64)).unwrap_err();
    assert_eq!(e.help(), Some("for classes in the last dimension use token_cross_entropy, or classes_last()"));
    assert!(losses::cross_entropy(&tensor![[0.5, 1.0]], &tensor![[f32::NAN, 0.75]])?.item()?.is_nan());
    Ok(())
}
