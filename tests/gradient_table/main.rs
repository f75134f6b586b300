//! The table of gradients: every differentiable operation has a row here, and every row is compared with finite
//! differences in each of the situations that gradients get wrong.
//!
//! A family of operations has a file of rows. An operation without a row fails `every_operation_has_a_row`.

mod attention;
mod elementwise;
mod fused;
mod matmul;
mod recurrent;
mod reductions;
mod row;
mod shape_index;
mod source;

use std::collections::BTreeSet;

use row::Row;

fn families() -> [Vec<Row>; 7] {
    [
        attention::rows(),
        elementwise::rows(),
        reductions::rows(),
        shape_index::rows(),
        matmul::rows(),
        fused::rows(),
        recurrent::rows(),
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
fn recurrent_gradients() {
    check(recurrent::rows());
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
