//! Losses with all their options against PyTorch, and the cross-entropy of probabilities against its closed form.

use crate::golden::Case;
use demotic::losses::{
    Bce, BceWithLogits, CrossEntropy, CrossEntropyFromProbabilities, Huber, Loss, Mae, Mse, Reduction,
};
use demotic::{Result, Tensor};

#[test]
fn losses() {
    crate::golden::check("losses", &|case, x| Ok(vec![loss(case, &x[2..])?.loss(&x[0], &x[1])?]));
}

/// The loss that a case describes; `weights` are the inputs after prediction and target.
pub(crate) fn loss(case: &Case, weights: &[Tensor]) -> Result<Box<dyn Loss>> {
    let reduction = match case.attr::<String>("reduction").as_str() {
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        _ => Reduction::None,
    };
    Ok(match case.op.as_str() {
        "mse" => {
            let loss = Mse::new().reduction(reduction);
            Box::new(if let [weight] = weights { loss.weight(weight) } else { loss })
        }
        "mae" => {
            let loss = Mae::new().reduction(reduction);
            Box::new(if let [weight] = weights { loss.weight(weight) } else { loss })
        }
        "huber" => {
            let loss = Huber::new(case.attr("delta"))?.reduction(reduction);
            Box::new(if let [weight] = weights { loss.weight(weight) } else { loss })
        }
        "cross_entropy" => {
            let mut loss =
                CrossEntropy::new().reduction(reduction).label_smoothing(case.attr_or("label_smoothing", 0.0))?;
            if case.attr_or("classes_last", false) {
                loss = loss.classes_last();
            }
            if let Some(index) = case.attr("ignore_index") {
                loss = loss.ignore_index(index);
            }
            Box::new(if let [weight] = weights { loss.weight(weight) } else { loss })
        }
        "cross_entropy_from_probabilities" => Box::new(CrossEntropyFromProbabilities::new().reduction(reduction)),
        "bce" => {
            let loss = Bce::new().reduction(reduction);
            Box::new(if let [weight] = weights { loss.weight(weight) } else { loss })
        }
        "bce_with_logits" => {
            let mut loss = BceWithLogits::new().reduction(reduction);
            let mut weights = weights.iter();
            if case.attr("has_weight") {
                loss = loss.weight(weights.next().unwrap());
            }
            if case.attr("has_pos_weight") {
                loss = loss.pos_weight(weights.next().unwrap());
            }
            Box::new(loss)
        }
        op => panic!("{}: no op {op}", case.id),
    })
}
