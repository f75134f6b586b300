use super::super::batch_norm::{Affine, Channels, affine, moments, products};
use super::super::resample::{Taps, resample};
use super::super::windows::{Grid, Windows, max, pick, put, sum};
use super::*;

fn windows(first: &[usize], count: &[usize], step: usize) -> Windows {
    Windows { first: first.to_vec(), count: count.to_vec(), step }
}

/// What the kernels compute, by the definition: sums, maxima and their places.
fn naive(grid: Grid<'_>, x: &[f32]) -> (Vec<f64>, Vec<f32>, Vec<i32>) {
    let ([depth, height, width], inner, [wd, wh, ww]) = (grid.sizes, grid.inner, grid.windows);
    let (mut sums, mut maxima, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for outer in 0..grid.outer {
        for (od, oh, ow) in all([wd.len(), wh.len(), ww.len()]) {
            for channel in 0..inner {
                let (mut sum, mut best, mut place) = (0.0, f32::NEG_INFINITY, 0);
                for (d, h, w) in all([wd.count[od], wh.count[oh], ww.count[ow]]) {
                    let at = [(wd, od, d), (wh, oh, h), (ww, ow, w)].map(|(w, o, i)| w.first[o] + i * w.step);
                    let at = (at[0] * height + at[1]) * width + at[2];
                    let x = x[(outer * depth * height * width + at) * inner + channel];
                    sum += f64::from(x);
                    if x > best {
                        (best, place) = (x, at as i32);
                    }
                }
                sums.push(sum);
                maxima.push(best);
                places.push(place);
            }
        }
    }
    (sums, maxima, places)
}

fn all([a, b, c]: [usize; 3]) -> Vec<(usize, usize, usize)> {
    (0..a).flat_map(|i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k)))).collect()
}

#[test]
fn windows_of_all_kinds() {
    let starts = |n: usize, stride: usize| (0..n).map(|i| i * stride).collect::<Vec<_>>();
    // Long rows of windows that are alike but for the first and the last, rows of channels around the registers, long windows.
    let mut first = starts(21, 2);
    first.iter_mut().skip(1).for_each(|first| *first -= 1);
    let mut count = vec![3; 21];
    (count[0], count[20]) = (2, 2);
    let row = windows(&first, &count, 1);
    let dilated = windows(&starts(37, 1), &[2; 37], 3);
    let long = windows(&[0, 3, 4], &[33, 37, 36], 1);
    let few = windows(&[0, 1], &[2, 2], 1);
    let none = windows(&[0, 1, 2], &[1, 0, 1], 1);
    let kinds = [(41, &row), (40, &dilated), (40, &long), (3, &few)];
    for (width, last) in kinds {
        for inner in [1, 2, 7, 8, 9, 24] {
            let grid = Grid { outer: 2, sizes: [3, 3, width], inner, windows: [&few, &few, last] };
            let x: Vec<f32> = numbers(grid.outer * 9 * width * inner, 1);
            let (sums, maxima, places) = naive(grid, &x);
            on_each_level(|level| {
                let mut out = vec![f32::NAN; sums.len()];
                sum(grid, 0.5, &x, &mut out);
                let near = out.iter().zip(&sums).all(|(a, b)| (f64::from(*a) - 0.5 * b).abs() < 1e-4);
                assert!(near, "{level:?}, {width} by {inner}");
                let mut at = vec![-1; out.len()];
                max(grid, &x, &mut out, &mut at);
                assert!(out == maxima && at == places, "{level:?}, {width} by {inner}");
                let mut picked = vec![f32::NAN; out.len()];
                pick(grid, &x, &at, &mut picked);
                assert_eq!(picked, maxima);
                let mut back = vec![f32::NAN; x.len()];
                put(grid, &vec![1.0; out.len()], &at, &mut back);
                assert_eq!(back.iter().sum::<f32>(), out.len() as f32);
            });
        }
    }
    let one = windows(&[0], &[1], 1);
    let grid = Grid { outer: 1, sizes: [1, 1, 3], inner: 1, windows: [&one, &one, &none] };
    let mut out = [7.0; 3];
    sum(grid, 1.0, &[1.0, 2.0, 3.0], &mut out);
    assert_eq!(out, [1.0, 0.0, 3.0]);
}

/// For each place, the windows that it is in; and once more, which is where one began.
#[test]
fn windows_the_other_way_round() {
    for (size, first, count) in [
        (5, vec![0, 2, 4], vec![1, 1, 1]),
        (5, vec![0, 0, 1, 3], vec![1, 3, 4, 2]),
        (7, vec![0, 3], vec![2, 2]),
        (4, vec![0, 1, 2, 3], vec![1, 1, 1, 1]),
    ] {
        let forth = windows(&first, &count, 1);
        let back = forth.transposed(size);
        for place in 0..size {
            let inside = |o: usize| (first[o]..first[o] + count[o]).contains(&place);
            let found: Vec<usize> = (back.first[place]..back.first[place] + back.count[place]).collect();
            assert_eq!(found, (0..first.len()).filter(|o| inside(*o)).collect::<Vec<_>>(), "{first:?} {count:?}");
        }
        let again = back.transposed(first.len());
        assert_eq!((again.first, again.count), (first, count));
    }
}

/// Many parts of rows, channels around the registers, both layouts.
#[test]
fn channels_of_all_kinds() {
    for (outer, channels, inner) in
        [(1, 1, 1), (700, 3, 1), (300, 33, 1), (5, 3, 2), (4, 2, 40), (3, 17, 16), (9, 1, 1)]
    {
        let shape = Channels { outer, channels, inner };
        let x: Vec<f32> = numbers(outer * channels * inner, 2).iter().map(|x: &f32| x + 30.0).collect();
        let g: Vec<f32> = numbers(x.len(), 3);
        let of = |c: usize, x: &[f32]| -> Vec<f64> {
            x.iter().enumerate().filter(|(i, _)| i / inner % channels == c).map(|(_, x)| f64::from(*x)).collect()
        };
        on_each_level(|level| {
            let mut sums = vec![f32::NAN; shape.sums_len()];
            let [mut mean, mut variance, mut one, mut along] = [0; 4].map(|_| vec![f32::NAN; channels]);
            moments(shape, &x, &mut sums, &mut mean, &mut variance);
            products(shape, &g, &x, &mean, &mut sums, [&mut one, &mut along]);
            for c in 0..channels {
                let (x, g, n) = (of(c, &x), of(c, &g), (outer * inner) as f64);
                let center = x.iter().sum::<f64>() / n;
                let squares = x.iter().map(|x| (x - center).powi(2)).sum::<f64>() / n;
                let m = f64::from(mean[c]);
                let wanted = [center, squares, g.iter().sum(), g.iter().zip(&x).map(|(g, x)| g * (x - m)).sum()];
                for (got, wanted) in [mean[c], variance[c], one[c], along[c]].iter().zip(wanted) {
                    let far = (f64::from(*got) - wanted).abs();
                    assert!(far < 1e-5 * wanted.abs().max(1.0) * n.sqrt(), "{level:?} {shape:?}: {got} for {wanted}");
                }
            }
            let mut out = vec![f32::NAN; x.len()];
            let numbers = Affine { mean: &mean, scale: &one, shift: &along, with: Some((&g, &variance)) };
            affine(shape, numbers, &x, &mut out);
            for (i, out) in out.iter().enumerate() {
                let c = i / inner % channels;
                let wide = |x: f32| f64::from(x);
                let moved = (wide(x[i]) - wide(mean[c])) * wide(one[c]) + wide(along[c]);
                let wanted = moved + wide(g[i]) * wide(variance[c]);
                assert!(
                    (wide(*out) - wanted).abs() < 1e-4 * (1.0 + wanted.abs() + wide(along[c]).abs()),
                    "{level:?} {shape:?}"
                );
            }
        });
    }
}

/// Sums of places of one dimension, and the other way round: `⟨A x, y⟩ = ⟨x, Aᵀ y⟩`.
#[test]
fn taps_and_their_transpose() {
    let mut taps = Taps::default();
    for i in 0..9usize {
        // None, one, or some, of which one counts twice.
        taps.push((0..i % 4).map(|k| ((i * 3 + k * k) % 5, 0.25 * (k as f64 + 1.0))));
    }
    let back = taps.transposed(5);
    for (outer, inner) in [(1, 1), (3, 1), (2, 7), (300, 40)] {
        let (x, y): (Vec<f64>, Vec<f64>) = (numbers(outer * 5 * inner, 1), numbers(outer * 9 * inner, 2));
        let forth = |threads| {
            let mut out = vec![f64::NAN; y.len()];
            parallel::with_threads(threads, || resample(&taps, 5, inner, &x, &mut out)).unwrap();
            out
        };
        let (ax, mut aty) = (forth(1), vec![f64::NAN; x.len()]);
        assert_eq!(ax, forth(3));
        resample(&back, 9, inner, &y, &mut aty);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        assert!((dot(&ax, &y) - dot(&x, &aty)).abs() < 1e-9 * x.len() as f64);
        // Place 1 of the first row is 1/4 of place 3, place 4 is nothing.
        assert_eq!((ax[inner], ax[4 * inner]), (0.25 * x[3 * inner], 0.0));
    }
}
