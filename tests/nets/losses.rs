//! Losses at their limits, and what they say about wrong input.

use demotic::losses::{self, Bce, BceWithLogits, CrossEntropy, Huber, Loss, Mse};
use demotic::prelude::*;

#[test]
fn shapes_must_be_equal() -> Result<()> {
    let e = losses::mse(&Tensor::zeros([4, 1])?, &Tensor::zeros([4])?).unwrap_err();
    assert_eq!(e.message(), "mse: the prediction has shape [4, 1], the target [4]");
    assert_eq!(e.help(), Some("reshape the target to [4, 1]"));
    let e = losses::mae(&Tensor::zeros([4])?, &Tensor::zeros([3])?).unwrap_err();
    assert_eq!((e.kind(), e.help()), (ErrorKind::Shape, None));
    let e = losses::mse(&Tensor::zeros([0, 1])?, &Tensor::zeros([0, 1])?).unwrap_err();
    assert_eq!(e.message(), "mse: no examples: the prediction has shape [0, 1]");
    Ok(())
}

#[test]
fn types_must_fit() -> Result<()> {
    let logits = Tensor::zeros([2, 3])?;
    let e = losses::mse(&logits, &logits.to_dtype(DType::F64)).unwrap_err();
    assert_eq!(e.message(), "mse: the target must be f32, not f64");
    let help =
        "convert with to_dtype(DType::F32); Tensor::from_vec(vec![1.0]) makes f64, tensor![1.0] and 1.0_f32 make f32";
    assert_eq!(e.help(), Some(help));
    let e = losses::cross_entropy(&logits, &Tensor::zeros([2])?).unwrap_err();
    assert_eq!(e.message(), "cross_entropy: class numbers of type f32, expected i64");
    Ok(())
}

#[test]
fn classes_in_the_last_dimension() -> Result<()> {
    let mut rng = Rng::seed(0);
    let logits = Tensor::normal([2, 3, 4], 0.0, 1.0, &mut rng)?;
    let targets = Tensor::from_nested([[0i64, 3, -100], [1, 2, 2]])?;
    let last = losses::token_cross_entropy(&logits, &targets)?.item()?;
    assert_eq!(last, losses::cross_entropy(&logits.movedim(-1, 1)?, &targets)?.item()?);
    let e = losses::token_cross_entropy(&logits, &targets.t()).unwrap_err();
    assert_eq!(e.message(), "cross_entropy: targets of shape [3, 2] for logits [2, 3, 4], expected [2, 3]");
    let e = losses::token_cross_entropy(&logits, &Tensor::from_nested([[1i64, 4, 0], [2, 3, 3]])?).unwrap_err();
    assert_eq!(e.message(), "cross_entropy: target 1 is class 4, the logits have 4 classes (0 ..= 3)");
    let e = losses::token_cross_entropy(&Tensor::scalar(1.0), &targets).unwrap_err();
    assert_eq!(e.message(), "cross_entropy: the logits are a scalar, expected [.., classes]");
    let e = losses::token_cross_entropy(&Tensor::zeros([2, 0, 4])?, &targets).unwrap_err();
    assert_eq!(e.message(), "cross_entropy: no examples: the prediction has shape [2, 0, 4]");
    Ok(())
}

#[test]
fn class_numbers_must_exist() -> Result<()> {
    let logits = Tensor::zeros([2, 3])?;
    let e = losses::cross_entropy(&logits, &Tensor::from_nested([0i64, 3])?).unwrap_err();
    assert_eq!(e.message(), "cross_entropy: target 1 is class 3, the logits have 3 classes (0 ..= 2)");
    let e = losses::cross_entropy(&logits, &Tensor::from_nested([0i64])?).unwrap_err();
    assert_eq!(e.message(), "cross_entropy: targets of shape [1] for logits [2, 3], expected [2]");
    assert!(losses::cross_entropy_from_probabilities(&logits.softmax(1)?, &Tensor::from_nested([0i64, -1])?).is_err());
    Ok(())
}

#[test]
fn logits_are_not_probabilities() -> Result<()> {
    let e = losses::bce(&tensor![0.5, 2.0], &tensor![0.0, 1.0]).unwrap_err();
    assert_eq!(e.message(), "bce: the prediction contains 2, which is not a probability");
    assert_eq!(e.help(), Some("for the raw outputs of a model use the loss of logits"));
    assert!(losses::bce(&tensor![-0.5, 0.5], &tensor![0.0, 1.0]).is_err());
    Ok(())
}

#[test]
fn impossible_options() -> Result<()> {
    assert_eq!(Huber::new(0.0).unwrap_err().message(), "huber: delta is 0, expected a positive number");
    assert!(Huber::new(f64::NAN).is_err());
    let e = CrossEntropy::new().label_smoothing(1.5).unwrap_err();
    assert_eq!(e.message(), "cross_entropy: label smoothing is 1.5, expected a number from 0 to 1");
    let (p, y) = (tensor![0.5, 0.5], tensor![0.0, 1.0]);
    let e = Bce::new().weight(&Tensor::ones([3, 2])?).loss(&p, &y).unwrap_err();
    assert_eq!(e.message(), "bce: the weights make [3, 2] of a prediction of shape [2]");
    assert!(BceWithLogits::new().pos_weight(&Tensor::ones([3, 2])?).loss(&p, &y).is_err());
    Ok(())
}

/// The article's formula: `−log 0` would be infinite.
#[test]
fn probabilities_of_zero_and_one() -> Result<()> {
    let p = tensor![[1.0, 0.0], [0.0, 1.0]].tracked()?;
    let y = tensor![[1.0, 0.0], [1.0, 0.0]];
    let loss = losses::cross_entropy_from_probabilities(&p, &y)?;
    assert_eq!(loss.item()?, 50.0);
    assert!(loss.backward()?.wrt(&p)?.to_f64_vec().iter().all(|g| g.is_finite()));

    let p = tensor![0.0, 1.0, 1.0].tracked()?;
    let loss = losses::bce(&p, &tensor![0.0, 1.0, 0.0])?;
    assert!((loss.item()? - 100.0 / 3.0).abs() < 1e-4);
    assert!(loss.backward()?.wrt(&p)?.to_f64_vec().iter().all(|g| g.is_finite()));
    Ok(())
}

#[test]
fn extreme_logits() -> Result<()> {
    let logits = tensor![[1e4, -1e4], [-1e4, 1e4]].tracked()?;
    let loss = losses::cross_entropy(&logits, &Tensor::from_nested([0i64, 0])?)?;
    assert_eq!(loss.item()?, 1e4);
    assert_eq!(loss.backward()?.wrt(&logits)?.to_vec::<f32>()?, [0.0, 0.0, -0.5, 0.5]);
    let logits = tensor![1e4, -1e4].tracked()?;
    let loss = losses::bce_with_logits(&logits, &tensor![1.0, 1.0])?;
    assert_eq!(loss.item()?, 5e3);
    Ok(())
}

#[test]
fn ignored_and_weighted_classes() -> Result<()> {
    let logits = tensor![[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]];
    let target = Tensor::from_nested([1i64, -100, 0])?;
    let each = CrossEntropy::new().reduction(Reduction::None).loss(&logits, &target)?.to_f64_vec();
    assert_eq!(each[1], 0.0);
    let mean = losses::cross_entropy(&logits, &target)?.item()?;
    assert!((mean - (each[0] + each[2]) / 2.0).abs() < 1e-6);
    let weighted = CrossEntropy::new().weight(&tensor![3.0, 1.0]).loss(&logits, &target)?.item()?;
    assert!((weighted - (each[0] + 3.0 * each[2]) / 4.0).abs() < 1e-6);
    Ok(())
}

#[test]
fn functions_are_losses() -> Result<()> {
    let quartic = |p: &Tensor, y: &Tensor| Ok(p.sub(y)?.powf(4.0).mean());
    assert_eq!(quartic.loss(&tensor![2.0], &tensor![0.0])?.item()?, 16.0);
    assert_eq!(Mse::new().reduction(Reduction::Sum).loss(&tensor![1.0, 3.0], &tensor![0.0, 0.0])?.item()?, 10.0);
    Ok(())
}

#[test]
fn odd_inputs_for_every_loss() -> Result<()> {
    type Function = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let losses: [(&str, Function); 6] = [
        ("mse", losses::mse),
        ("mae", losses::mae),
        ("huber", |x, y| losses::huber(x, y, 1.0)),
        ("bce", losses::bce),
        ("bce_with_logits", losses::bce_with_logits),
        ("cross_entropy", losses::cross_entropy),
    ];
    for (name, loss) in losses {
        let (x, y) = (Tensor::full([2, 2], 0.5)?, Tensor::full([2, 2], 0.5)?);
        assert!(loss(&x, &y)?.item()?.is_finite(), "{name}");
        assert!(loss(&Tensor::full([2, 2], f64::NAN)?, &y)?.item()?.is_nan(), "{name}");
        assert!(loss(&x, &Tensor::full([2, 2], f64::NAN)?)?.item()?.is_nan(), "{name}");
        let e = loss(&Tensor::zeros([0, 2])?, &Tensor::zeros([0, 2])?).unwrap_err();
        assert_eq!((e.kind(), e.op()), (ErrorKind::Shape, name), "{e}");
        assert_eq!(loss(&x, &Tensor::zeros([3, 2])?).unwrap_err().kind(), ErrorKind::Shape, "{name}");
        for dtype in [DType::I64, DType::U8, DType::Bool] {
            assert_eq!(loss(&x.to_dtype(dtype), &y.to_dtype(dtype)).unwrap_err().kind(), ErrorKind::DType, "{name}");
        }
        // One half is itself in 16 bits, and what follows is computed in 32.
        for dtype in [DType::F16, DType::BF16] {
            let wide = loss(&x.to_dtype(dtype), &y.to_dtype(dtype))?;
            assert_eq!((wide.dtype(), wide.item()?), (DType::F32, loss(&x, &y)?.item()?), "{name}");
        }
        assert_eq!(loss(&x, &y.to_dtype(DType::F64)).unwrap_err().kind(), ErrorKind::DType, "{name}");
    }
    Ok(())
}
