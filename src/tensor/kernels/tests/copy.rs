use half::{bf16, f16};

use super::super::Strided;
use super::super::cast::CastTo;
use super::super::copy::copy_strided;
use super::*;

fn cast<T: CastTo<U>, U: super::super::Elem>(x: &[T], out: &mut [U]) {
    T::cast_all(x, out);
}

fn offsets(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0];
    for (&size, &stride) in shape.iter().zip(strides) {
        offsets = offsets.iter().flat_map(|o| (0..size).map(move |i| o + i * stride)).collect();
    }
    offsets
}

#[track_caller]
fn check(shape: &[usize], strides: &[usize]) {
    let offsets = offsets(shape, strides);
    let x: Vec<usize> = (0..offsets.iter().max().map_or(0, |last| last + 1)).collect();
    let mut out = vec![usize::MAX; offsets.len()];
    copy_strided(shape, Strided { data: &x, strides }, &mut out);
    assert!(out == offsets, "{shape:?} {strides:?}");
}

#[test]
fn copies_follow_their_strides() {
    check(&[], &[]);
    check(&[0, 3], &[3, 1]);
    check(&[3, 0], &[1, 3]);
    check(&[4, 5], &[5, 1]);
    check(&[4, 5], &[0, 0]);
    check(&[4, 5], &[0, 2]);
    check(&[2, 3, 4], &[1, 2, 6]);
    check(&[3, 1, 5], &[1, 7, 3]);
    check(&[2, 3, 4, 5], &[60, 5, 15, 1]);
    check(&[2; 11], &[1, 4, 2, 16, 8, 64, 32, 256, 128, 1024, 512]);
}

#[test]
fn transposed_copies_of_every_size() {
    for n in [1, 2, 31, 32, 33, 63, 64, 65, 130] {
        for m in [2, 31, 32, 33, 65] {
            check(&[n, m], &[1, n]);
            // Batches, gaps between columns, and a batch that repeats.
            check(&[3, n, m], &[n * m, 1, n]);
            check(&[2, n, m], &[(n + 3) * m, 1, n + 3]);
            check(&[2, n, m], &[0, 1, n]);
        }
    }
}

#[test]
fn large_copies_on_two_threads() {
    let (rows, cols) = if cfg!(miri) { (5, 7) } else { (1500, 131) };
    let x = numbers::<f32>(rows * cols, 1);
    for strides in [[1, rows], [cols, 1], [0, 3]] {
        assert_same_on_two_threads(|| {
            let mut out = vec![0.0; rows * cols];
            copy_strided(&[rows, cols], Strided { data: &x, strides: &strides }, &mut out);
            out
        });
    }
    if !cfg!(miri) {
        check(&[rows, cols], &[1, rows]);
        check(&[2, cols, rows], &[rows * cols, 1, cols]);
    }
}

#[test]
fn casts_truncate_and_saturate() {
    let x = [1.9_f32, -1.9, 300.0, -5.0, 1e30, -1e30, f32::NAN, f32::INFINITY, 0.0, -0.0, 0.3];
    let mut integers = [0_i64; 11];
    cast(&x, &mut integers);
    assert_eq!(integers, [1, -1, 300, -5, i64::MAX, i64::MIN, 0, i64::MAX, 0, 0, 0]);
    let mut bytes = [0_u8; 11];
    cast(&x, &mut bytes);
    assert_eq!(bytes, [1, 0, 255, 0, 255, 0, 0, 255, 0, 0, 0]);
    let mut truths = [false; 11];
    cast(&x, &mut truths);
    assert_eq!(truths, [true, true, true, true, true, true, true, true, false, false, true]);
    cast(&[-3_i64, 256, 7], &mut bytes[..3]);
    assert_eq!(bytes[..3], [0, 255, 7]);
    let mut ones = [0.5_f64; 2];
    cast(&[true, false], &mut ones);
    assert_eq!(ones, [1.0, 0.0]);
}

#[test]
fn casts_round_to_the_nearest() {
    let x = [1.0_f64, 1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, 65_520.0, 1e-9, f64::NEG_INFINITY];
    let mut brain = [bf16::ZERO; 6];
    cast(&x, &mut brain);
    // Halfway cases go to the even neighbour; there are 8 bits.
    assert_eq!(brain.map(f32::from)[..3], [1.0, 1.0, 1.015_625]);
    let mut half = [f16::ZERO; 6];
    cast(&x, &mut half);
    assert_eq!(half.map(f32::from), [1.0, 1.003_906_3, 1.011_718_8, f32::INFINITY, 0.0, f32::NEG_INFINITY]);
    let mut single = [0.0_f32; 6];
    cast(&half, &mut single);
    assert_eq!(single[..3], [1.0, 1.003_906_3, 1.011_718_8]);
    cast(&[0.1_f64], &mut single[..1]);
    assert_eq!(single[0], 0.1);
}

#[test]
fn casts_there_and_back_of_every_length() {
    for n in lengths() {
        let x: Vec<u8> = (0..n).map(|i| (i % 256) as u8).collect();
        on_each_level(|level| {
            macro_rules! through {
                ($($t:ty),*) => {$(
                    let (mut there, mut back) = (vec![<$t>::default(); n], vec![1; n]);
                    cast(&x, &mut there);
                    cast(&there, &mut back);
                    assert_eq!(back, x, "{} {level:?}", stringify!($t));
                )*};
            }
            through!(f32, f64, bf16, f16, i64, i32, u8);
        });
    }
}
