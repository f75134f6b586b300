//! Lengths that do not fit are found at the entry of a kernel, before anything is written.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::loops::*;
use crate::tensor::kernels::cast::CastTo;
use crate::tensor::kernels::cross_entropy::{Criterion, cross_entropy};
use crate::tensor::kernels::gemm::{MatRef, gemm};
use crate::tensor::kernels::index::{self, Along, Part, Place};
use crate::tensor::kernels::ops::{BinaryOp, UnaryOp};
use crate::tensor::kernels::{Strided, batch_norm, copy, optim, penalty, reduce, scan, softmax, sort, windows};

/// What a kernel makes of an output of this length.
type Case = (&'static str, usize, fn(&mut [f32]));

const X: [f32; 12] = [1.0; 12];

fn strided(strides: &[usize]) -> Strided<'_, f32> {
    Strided { data: &X, strides }
}

/// Two windows of two places each.
fn pairs() -> windows::Windows {
    windows::Windows { first: vec![0, 2], count: vec![2, 2], step: 1 }
}

fn one() -> windows::Windows {
    windows::Windows { first: vec![0], count: vec![1], step: 1 }
}

fn grid<'a>(pairs: &'a windows::Windows, one: &'a windows::Windows) -> windows::Grid<'a> {
    windows::Grid { outer: 3, sizes: [1, 1, 4], inner: 1, windows: [one, one, pairs] }
}

/// Kernels for twelve elements or rows of four, with the length of the output that fits.
fn cases() -> Vec<Case> {
    vec![
        ("unary", 12, |out| unary(UnaryOp::Exp, &X, out)),
        ("binary", 12, |out| binary(BinaryOp::Add, &[3, 4], strided(&[4, 1]), strided(&[0, 1]), out)),
        ("binary, contiguous", 12, |out| binary(BinaryOp::Add, &[3, 4], strided(&[4, 1]), strided(&[4, 1]), out)),
        ("in place", 12, |out| accumulate(1.0, &X, out)),
        ("ternary", 12, |out| {
            slope_of_two(BinaryOp::Div, &[3, 4], [&[4, 1], &[4, 1], &[1, 0]].map(|s| strided(s)), out)
        }),
        ("copy", 12, |out| copy::copy_strided(&[4, 3], strided(&[1, 4]), out)),
        ("cast", 12, |out| f64::cast_all(&[1.0; 12], out)),
        ("sum", 3, |out| reduce::reals(reduce::RealOp::Sum, &X, [3, 4, 1], out)),
        ("norm", 3, |out| reduce::reals(reduce::RealOp::Norm(0.0), &X, [3, 4, 1], out)),
        ("variance", 3, |out| reduce::reals(reduce::RealOp::Variance { correction: 1.0 }, &X, [3, 4, 1], out)),
        ("cumsum", 12, |out| scan::running(scan::Running::Sum, &X, [3, 4, 1], out)),
        ("recurrence", 12, |out| scan::recurrent(scan::Direction::Up, &X, &X, [3, 4, 1], out)),
        ("softmax", 12, |out| softmax::rows(softmax::Rule::Softmax, &X, &X, 4, out)),
        ("softmax, backward", 12, |out| softmax::rows(softmax::Rule::SoftmaxGrad, &X, &X, 4, out)),
        ("cross-entropy", 3, |out| {
            let criterion = Criterion { targets: &[0; 3], cols: 4, label_smoothing: 0.0, weights: None };
            cross_entropy(criterion, &X, out, &mut [0.0; 3]);
        }),
        ("penalty", 12, |out| penalty::slope(0.1, 0.2, &X, out)),
        ("sort", 12, |out| sort::sort(4, false, &X, 4, out, &mut [0; 12])),
        ("join", 12, |out| {
            let part = Part { data: &X[..6], width: 2, stride: 2 };
            index::join(&[part, part], out);
        }),
        ("reverse", 12, |out| index::reverse(&X, 4, 1, out)),
        ("take_rows", 6, |out| index::take_rows(&X, 4, 1, &[3, 0], out)),
        ("gather", 3, |out| {
            index::gather(&X, Along { shape: &[3, 1], strides: &[4, 0], stride: 1 }, &[0, 1, 2], out);
        }),
        ("window sum", 6, |out| windows::sum(grid(&pairs(), &one()), 1.0, &X, out)),
        ("window max", 6, |out| windows::max(grid(&pairs(), &one()), &X, out, &mut [0; 6])),
        ("window pick", 6, |out| windows::pick(grid(&pairs(), &one()), &X, &[0; 6], out)),
        ("window put", 12, |out| windows::put(grid(&pairs(), &one()), &X[..6], &[0; 6], out)),
        ("channel affine", 12, |out| {
            let each = &X[..2];
            let affine = batch_norm::Affine { mean: each, scale: each, shift: each, with: None };
            batch_norm::affine(batch_norm::Channels { outer: 2, channels: 2, inner: 3 }, affine, &X, out);
        }),
        ("sgd", 12, |out| {
            let rule =
                optim::Sgd { lr: 0.1, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, first: true };
            let state = [&mut [] as &mut [f32], &mut [], &mut []];
            optim::update(&optim::Rule::Sgd(rule), optim::Slices { p: out, g: &X, state });
        }),
    ]
}

#[test]
fn lengths_that_do_not_fit_are_found_before_anything_is_written() {
    const OLD: f32 = -77.0;
    for (name, fits, run) in cases() {
        let mut out = vec![OLD; fits];
        run(&mut out);
        assert!(out.iter().all(|x| *x != OLD), "{name} left something out: {out:?}");
        // How many rows are joined is what the output says: none is possible.
        let least = usize::from(name == "join");
        for wrong in [least, 1, fits - 1, fits + 1, 2 * fits, 1000] {
            let mut out = vec![OLD; wrong];
            let result = catch_unwind(AssertUnwindSafe(|| run(&mut out)));
            assert!(wrong == fits || result.is_err(), "{name} takes an output of {wrong} elements");
            assert!(out.iter().all(|x| *x == OLD), "{name} wrote to an output of {wrong} elements");
        }
    }
}

/// These write into more than the operation is about, and must not write beyond.
#[test]
fn places_and_products_beyond_the_end_are_found() {
    let fails = |f: &mut dyn FnMut()| assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
    let mut out = [0.0; 12];
    let at = |offset| Place { shape: &[3, 2], strides: &[4, 1], offset };
    index::place(&X[..6], at(2), Some(5.0), &mut out);
    assert_eq!(out, [5.0, 5.0, 1.0, 1.0, 5.0, 5.0, 1.0, 1.0, 5.0, 5.0, 1.0, 1.0]);
    fails(&mut || index::place(&X[..6], at(3), Some(5.0), &mut [0.0; 12]));
    fails(&mut || index::place(&X[..5], at(2), Some(5.0), &mut [0.0; 12]));
    fails(&mut || index::add_at_place(&X[..7], at(2), &mut [0.0; 12]));

    let matrix = |rows, cols| MatRef { data: &X, rows, cols, row_stride: cols, col_stride: 1 };
    let product = |a, b, len| {
        let mut c = vec![0.0; len];
        gemm(1.0, a, b, 0.0, &mut c, b.cols, None);
        c
    };
    assert_eq!(product(matrix(3, 4), matrix(4, 3), 9), [4.0; 9]);
    fails(&mut || drop(product(matrix(3, 4), matrix(3, 4), 12)));
    fails(&mut || drop(product(matrix(3, 4), matrix(4, 3), 8)));
    fails(&mut || drop(product(matrix(4, 4), matrix(4, 3), 12)));
}
