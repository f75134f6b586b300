//! The cross-entropy of logits of which each rank has those of its words.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use super::collective::{Exchange, exchange};
use super::split::localised;
use crate::distributed::Group;
use crate::error::{Error, Result};
use crate::losses::classes::class_numbers;
use crate::losses::{self, IGNORE_INDEX};
use crate::tensor::{DType, Tensor};

/// The logits that a rank has.
struct Words {
    group: Arc<dyn Group>,
    own: Range<usize>,
    all: usize,
}

thread_local! {
    /// While logits are computed for a loss: those of which words they are, once they are there.
    static APART: RefCell<Option<Option<Words>>> = const { RefCell::new(None) };
}

/// Whether the output layer leaves its logits where they are, because a loss is computed from them there.
pub(super) fn keeps_apart(group: &Arc<dyn Group>, own: Range<usize>, all: usize) -> bool {
    APART.with_borrow_mut(|scope| match scope {
        Some(found) => {
            *found = Some(Words { group: group.clone(), own, all });
            true
        }
        None => false,
    })
}

/// The mean cross-entropy of the logits that `forward` makes with the tokens that follow, as
/// [`token_cross_entropy`](losses::token_cross_entropy) has it. Logits that are divided among ranks stay so: each row costs two numbers.
#[track_caller]
pub(crate) fn token_loss(forward: &mut dyn FnMut() -> Result<Tensor>, targets: &Tensor) -> Result<Tensor> {
    let outer = APART.replace(Some(None));
    let logits = forward();
    let words = APART.replace(outer).flatten();
    let logits = logits?;
    let Some(Words { group, own, all }) = words else { return losses::token_cross_entropy(&logits, targets) };
    let name = "cross_entropy";
    let places = &logits.shape()[..logits.rank() - 1];
    targets.expect_dtype(name, "the targets", DType::I64)?;
    if targets.shape() != places {
        let message = format!("targets of shape {:?} for logits {:?} of each rank", targets.shape(), logits.shape());
        return Err(Error::shape(name, message).with_help(format!("expected {places:?}")));
    }
    let numbers = class_numbers(name, targets, all, Some(IGNORE_INDEX))?;
    let counted = numbers.iter().filter(|class| **class >= 0).count();
    let rows = numbers.len();
    let logits = logits.reshape([rows, own.len()])?;
    let (local, foreign) = localised(&numbers, &own);
    let picked = logits.gather(1, &Tensor::from_vec(local, [rows, 1])?)?;
    let picked = picked.masked_fill(&Tensor::from_vec(foreign, [rows, 1])?, 0.0)?;
    let pair = Tensor::cat(&[&logits.logsumexp_dims(&[1], true)?, &picked], 1)?;
    let at = group.rank() * 2;
    let pairs = exchange(&group, Exchange::Gather(at..at + 2), &pair)?.reshape([rows, group.size(), 2])?;
    let sums = pairs.select(2, 0)?.logsumexp_dims(&[1], false)?;
    let lost = sums.sub(&pairs.select(2, 1)?.sum_dims(&[1], false)?)?;
    let ignored = Tensor::from_vec(numbers.iter().map(|class| *class < 0).collect(), [rows])?;
    Ok(lost.masked_fill(&ignored, 0.0)?.sum().div_scalar(counted as f64))
}
