//! What tensors were computed from, as far as it is worth a word.

use std::sync::Arc;

use super::node::{Node, NodeId, id_of, node_of};
use crate::tensor::Tensor;

/// Operations that leave the numbers as they are.
const MOVES: [&str; 10] = [
    "alias",
    "contiguous",
    "flatten",
    "permute",
    "reshape",
    "squeeze",
    "squeeze_all",
    "to_dtype",
    "transpose",
    "unsqueeze",
];

/// The name of the operation whose numbers a recorded tensor has, whatever was done to its shape.
pub(crate) fn origin(x: &Tensor) -> Option<&'static str> {
    Some(behind_moves(node_of(x)?)?.name)
}

/// What has made a function of logits out of probabilities: `softmax` or `log_softmax` of which there is another one in the computation of a
/// recorded `loss`, or `sigmoid`. Rows that are probabilities by their values count as a softmax.
pub(crate) fn twice(loss: &Tensor) -> Option<&'static str> {
    lately(loss, None).iter().find_map(|node| {
        let by = match node.name {
            "cross_entropy" | "log_softmax" => ["softmax", "log_softmax"].as_slice(),
            "log_sigmoid" => &["sigmoid"],
            _ => return None,
        };
        let made = behind_moves(first_input(node)?).and_then(|origin| by.iter().find(|name| **name == origin.name));
        made.copied().or_else(|| node.argument().filter(has_rows_of_probabilities).map(|_| "softmax"))
    })
}

/// Whether the computation of a recorded `loss` sets each element of a column, or row, of predictions against each of the targets: of shape
/// `[n, 1]` and `[n]`, which broadcast.
pub(crate) fn compares_all(loss: &Tensor, prediction: &Tensor, target: &Tensor) -> bool {
    let n = prediction.numel();
    let shapes = match (prediction.shape(), target.shape()) {
        ([a, 1], [b]) | ([a], [b, 1]) => a == b,
        _ => false,
    };
    shapes
        && n > 1
        && lately(loss, id_of(prediction)).iter().any(|node| {
            let mut inputs = Vec::new();
            node.inputs(&mut |input| inputs.push(input.shape));
            // Pairs of predictions have two.
            matches!(node.name, "add" | "sub" | "mul" | "div")
                && *node.shape == [n, n]
                && matches!(inputs.as_slice(), [only] if **only == *prediction.shape())
        })
}

/// The last nodes that a tensor was computed by, the nearest first: those after a certain one, and not too many.
fn lately(x: &Tensor, after: Option<NodeId>) -> Vec<Arc<Node>> {
    const MOST: usize = 200;
    let mut nodes: Vec<Arc<Node>> = node_of(x).into_iter().collect();
    let mut at = 0;
    while let Some(node) = nodes.get(at).cloned() {
        at += 1;
        node.inputs(&mut |input| {
            if nodes.len() < MOST && Some(input.id) > after && nodes.iter().all(|known| known.id != input.id) {
                nodes.push(input.clone());
            }
        });
    }
    nodes
}

fn first_input(node: &Node) -> Option<Arc<Node>> {
    let mut first = None;
    node.inputs(&mut |input| first = first.take().or_else(|| Some(input.clone())));
    first
}

fn behind_moves(mut node: Arc<Node>) -> Option<Arc<Node>> {
    while MOVES.contains(&node.name) {
        node = first_input(&node)?;
    }
    Some(node)
}

/// What has the numbers of a node, if its operation only moves them.
pub(super) fn moved(node: &Node) -> Option<Arc<Node>> {
    if MOVES.contains(&node.name) { first_input(node) } else { None }
}

/// Whether there are several rows, none has a negative number, and each adds up to 1: of many rows, the first ones.
fn has_rows_of_probabilities(x: &Tensor) -> bool {
    const ROWS: usize = 64;
    let [rows, columns] = *x.shape() else { return false };
    let Ok(first) = x.detach().narrow(0, 0, rows.min(ROWS)) else { return false };
    let adds_up = |row: &[f64]| row.iter().all(|p| *p >= 0.0) && (row.iter().sum::<f64>() - 1.0).abs() <= 1e-5;
    rows > 1 && columns > 1 && first.to_f64_vec().chunks(columns).all(adds_up)
}
