//! The table of gradients: every differentiable operation has a row here, and every row is compared with finite
//! differences in each of the situations that gradients get wrong.
//!
//! A family of operations has a file of rows. An operation without a row fails `every_operation_has_a_row`.

mod attention;
mod combined;
mod convolution;
mod elementwise;
#[cfg(feature = "fft")]
mod fft;
mod fused;
#[cfg(feature = "linalg")]
mod linalg;
mod losses;
mod matmul;
mod per_example;
mod recurrent;
mod reductions;
mod row;
mod shape_index;
mod source;
mod vision;

use std::collections::{BTreeMap, BTreeSet};

use demotic::DType;
use row::Row;

fn families() -> Vec<Vec<Row>> {
    vec![
        attention::rows(),
        combined::rows(),
        convolution::rows(),
        elementwise::rows(),
        reductions::rows(),
        shape_index::rows(),
        matmul::rows(),
        fused::rows(),
        losses::rows(),
        recurrent::rows(),
        vision::rows(),
        #[cfg(feature = "fft")]
        fft::rows(),
        #[cfg(feature = "linalg")]
        linalg::rows(),
    ]
}

/// Runs all rows of a family and shows everything that is wrong at once.
#[track_caller]
fn check(rows: Vec<Row>) {
    let failures: Vec<String> = rows.iter().flat_map(Row::failures).collect();
    assert!(failures.is_empty(), "{} failures in {} rows\n{}", failures.len(), rows.len(), failures.join("\n"));
}

#[test]
fn attention_gradients() {
    check(attention::rows());
}

#[test]
fn convolution_gradients() {
    check(convolution::rows());
}

#[test]
fn gradients_of_what_is_put_together() {
    check(combined::rows());
}

#[test]
fn elementwise_gradients() {
    check(elementwise::rows());
}

#[test]
fn reduction_gradients() {
    check(reductions::rows());
}

#[test]
fn shape_and_index_gradients() {
    check(shape_index::rows());
}

#[test]
fn matmul_gradients() {
    check(matmul::rows());
}

#[test]
fn fused_gradients() {
    check(fused::rows());
}

#[test]
fn loss_gradients() {
    check(losses::rows());
}

#[test]
fn recurrent_gradients() {
    check(recurrent::rows());
}

#[cfg(feature = "fft")]
#[test]
fn fourier_gradients() {
    check(fft::rows());
}

#[cfg(feature = "linalg")]
#[test]
fn linear_algebra_gradients() {
    check(linalg::rows());
}

#[test]
fn vision_gradients() {
    check(vision::rows());
}

#[test]
fn every_operation_has_a_row() {
    let rows: BTreeSet<String> = families().iter().flatten().flat_map(Row::names).map(str::to_owned).collect();
    let operations = source::recorded_operations();
    let missing: Vec<_> = operations.difference(&rows).collect();
    assert!(missing.is_empty(), "differentiable operations without a row: {missing:?}");
    let gone: Vec<_> = rows.difference(&operations).collect();
    assert!(gone.is_empty(), "rows of operations that no source file records: {gone:?}");
}

/// Gradients flow through tensors of 16 bits, or the operation says that it does not take them: nothing is silent.
#[test]
fn sixteen_bit_inputs_have_gradients_or_are_refused() {
    let (mut taken, mut refused, mut failures) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
    for row in families().iter().flatten() {
        for dtype in [DType::BF16, DType::F16] {
            match row.in_sixteen_bits(dtype) {
                Ok(None) => taken.extend(row.names()),
                Ok(Some(message)) => {
                    row.names().for_each(|name| refused.entry(name).or_insert_with(Vec::new).push(message.clone()));
                }
                Err(message) => failures.push(message),
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    refused.retain(|name, _| !taken.contains(name));
    assert_eq!(refused.keys().copied().collect::<Vec<_>>(), REFUSED, "operations that take no 16-bit inputs");
    for (name, messages) in refused {
        // The loss that users call has another name than the operation in it.
        let said = if name == "log_likelihood" { "cross_entropy_from_probabilities" } else { name };
        let says_it = messages.iter().any(|message| message.starts_with(&format!("{said}: ")));
        assert!(says_it, "{name} does not say its name: {messages:?}");
    }
}

/// Gradients of single examples are right, or the operation that cannot keep them apart is named: nothing is guessed.
#[test]
fn examples_are_kept_apart_or_the_operation_is_named() {
    let operations = source::recorded_operations();
    let (mut kept, mut refused, mut failures) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for row in families().iter().flatten() {
        match row.per_example() {
            Ok(outcomes) => {
                for outcome in outcomes {
                    match outcome {
                        per_example::Outcome::Kept => kept.extend(row.names()),
                        per_example::Outcome::Refused(op) if operations.contains(&op) => drop(refused.insert(op)),
                        per_example::Outcome::Nothing => (),
                        per_example::Outcome::Refused(op) => failures.push(format!("no operation is called {op}")),
                    }
                }
            }
            Err(message) => failures.push(message),
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    for name in ["linear", "embedding", "mul", "add", "gelu", "layer_norm", "softmax", "mean"] {
        assert!(kept.contains(name), "{name}: {kept:?}");
    }
    assert!(refused.len() > 10, "{refused:?}");
}

/// Operations that compute in `F32` and `F64` only, and refuse other inputs by name.
const REFUSED: [&str; 0] = [];
