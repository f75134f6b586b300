//! What an error in training comes from, if it is not the model: numbers in the data that are none, and targets of another task.

use super::task::Objective;
use crate::autograd::{compares_all, twice};
use crate::error::{Error, ErrorKind};
use crate::tensor::Tensor;

/// The help where data have values that are no numbers.
const FILL: &str = "leave out such rows or fill the gaps; Preprocessor fills those of a table";

/// `the inputs are NaN in row 7, column 2 of the data (counted from 0)`, if some are not finite. `row` gives the number
/// of an example in the data.
pub(super) fn not_finite(x: &Tensor, y: &Tensor, row: &dyn Fn(usize) -> usize) -> Option<String> {
    [("inputs", x), ("targets", y)].into_iter().filter(|(_, values)| values.dtype().is_float()).find_map(
        |(what, values)| {
            let flat = values.to_f64_vec();
            let at = flat.iter().position(|value| !value.is_finite())?;
            let (rows, rest) = values.shape().split_first()?;
            let width = flat.len() / rows;
            let place = match rest {
                [] | [1] => String::new(),
                [_] => format!(", column {}", at % width),
                _ => {
                    let index: Vec<usize> = (0..rest.len())
                        .map(|dim| at % width / rest[dim + 1..].iter().product::<usize>() % rest[dim])
                        .collect();
                    format!(", at {index:?}")
                }
            };
            Some(format!("the {what} are {} in row {}{place} of the data (counted from 0)", flat[at], row(at / width)))
        },
    )
}

/// Sixteen elements of each tensor, from all over it.
pub(super) fn some_of(tensors: &[&Tensor]) -> Vec<f64> {
    const OF_EACH: usize = 16;
    let mut numbers = Vec::new();
    for tensor in tensors {
        let all = tensor.to_f64_vec();
        numbers.extend(all.iter().step_by(all.len().div_ceil(OF_EACH).max(1)));
    }
    numbers
}

/// An error of a loss that is no number, made in an evaluation, because of what was `found` in the data.
#[track_caller]
pub(super) fn in_evaluation(loss: f64, found: &str) -> Error {
    Error::numeric("evaluate", format!("the loss is {loss}: {found}")).with_help(FILL)
}

/// An error of numbers in a step, because of what was `found` in its data.
#[track_caller]
pub(super) fn because(e: Error, found: &str) -> Error {
    let message = e.message();
    // Where it is not the loss that was noticed, but what came of it.
    let message = message.strip_prefix("fit: ").unwrap_or(&message);
    Error::numeric("fit", format!("{message}: {found}")).with_help(FILL).with_source(e)
}

/// The same, because of what was `found` in the model.
#[track_caller]
pub(super) fn seen(e: Error, found: &str) -> Error {
    let message = e.message();
    let message = message.strip_prefix("fit: ").unwrap_or(&message);
    let seen = Error::numeric("fit", format!("{message}: {found}"));
    match e.help().map(String::from) {
        Some(help) => seen.with_help(help).with_source(e),
        None => seen.with_source(e),
    }
}

/// Whether an error is because of the data.
pub(super) fn is_of_data(e: &Error) -> bool {
    e.help() == Some(FILL)
}

/// What is hardly meant of a loss, as its computation tells: there is a value, which is that of another loss than it seems.
pub(super) fn of_loss(objective: &Objective) -> Option<String> {
    if let Some((prediction, target)) = &objective.outputs
        && compares_all(&objective.loss, prediction, target)
    {
        let (a, b) = (prediction.shape(), target.shape());
        return Some(format!(
            "the loss compares each of the predictions {a:?} with each of the targets {b:?}, not only with its own: squeeze(-1) and unsqueeze(-1) \
             bring them to one shape"
        ));
    }
    let (what, instead) = match twice(&objective.loss)? {
        "sigmoid" => ("sigmoid", "bce() takes probabilities"),
        "log_softmax" => ("log_softmax", "nll() takes logarithms of probabilities"),
        _ => ("softmax", "output.softmax(-1) has the probabilities where they are wanted"),
    };
    Some(format!(
        "the loss takes logits and makes the {what} itself, and what it gets is one already: leave it out of the model; {instead}"
    ))
}

/// An error of the backward pass of a model that has nothing to train.
#[track_caller]
pub(super) fn frozen(e: Error) -> Error {
    Error::gradient("fit", "all parameters of the model are frozen: there is nothing to train")
        .with_help("unfreeze(\"*\") makes all of them trainable, a pattern such as \"head.*\" those of a part")
        .with_source(e)
}

/// Operations on classes, by the names in their errors.
const OF_CLASSES: [&str; 8] = [
    "cross_entropy",
    "cross_entropy_from_probabilities",
    "token_cross_entropy",
    "accuracy",
    "f1",
    "confusion_matrix",
    "classification_report",
    "perplexity",
];
/// Operations on numbers of the type and shape of the prediction.
const OF_NUMBERS: [&str; 9] = ["mse", "mae", "huber", "bce", "bce_with_logits", "rmse", "r2", "smooth_l1", "msle"];

/// Adds how the targets of a table are made for what was called, if these are of the other kind.
pub(super) fn with_targets_explained(e: Error, target: &Tensor) -> Error {
    if !matches!(e.kind(), ErrorKind::Shape | ErrorKind::DType | ErrorKind::Index | ErrorKind::Argument) {
        return e;
    }
    let (of_classes, op) = (target.dtype() == crate::tensor::DType::I64, e.op().to_string());
    let advice = if OF_CLASSES.contains(&op.as_str()) && !of_classes {
        "Preprocessor::classification(target) makes class numbers of a table's target".to_string()
    } else if OF_CLASSES.contains(&op.as_str()) && e.kind() == ErrorKind::Index {
        "the model needs an output for each class; those of a Preprocessor::classification are its classes()"
            .to_string()
    } else if OF_NUMBERS.contains(&op.as_str()) && of_classes {
        format!(
            "class numbers, as Preprocessor::classification makes them, go with cross_entropy; {op} takes numbers, as \
             Preprocessor::regression makes them"
        )
    } else {
        return e;
    };
    // Of classes that there are not, and of their loss, it says all that the loss does; what the loss says of tables, it does not
    // say again.
    let help = e.help().filter(|help| e.kind() != ErrorKind::Index && !help.contains("goes with cross_entropy"));
    if help.is_some_and(|help| help.contains("Preprocessor")) {
        return e;
    }
    let advice = help.map_or_else(|| advice.clone(), |help| format!("{help}; {advice}"));
    e.with_help(advice)
}
