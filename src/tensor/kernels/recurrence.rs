//! Linear recurrences along the middle of `[outer, len, inner]`: the gradients of running products.

use crate::parallel;

use super::{GRAIN, Real, count};

/// The widest group of columns that is worked on side by side.
const COLUMNS: usize = 256;

/// `out[i] = b[i] + a[i] · out[i - 1]` along `len`, beginning with `b[0]`. Kept in `f64`.
pub(crate) fn up<T: Real>(a: &[T], b: &[T], outer: usize, len: usize, inner: usize, out: &mut [T]) {
    // Row `i` is step `i`, and is reached through factor `i`.
    run(a, b, outer, len, inner, out, |step| (step, step));
}

/// `out[i] = b[i] + a[i + 1] · out[i + 1]` along `len`, beginning with the last `b`. Kept in `f64`.
pub(crate) fn down<T: Real>(a: &[T], b: &[T], outer: usize, len: usize, inner: usize, out: &mut [T]) {
    run(a, b, outer, len, inner, out, |step| (len - 1 - step, len - step));
}

/// `rows(step)` says which row of `b` and `out` a step is about, and with which row of `a` it takes over the last one.
fn run<T: Real>(
    a: &[T],
    b: &[T],
    outer: usize,
    len: usize,
    inner: usize,
    out: &mut [T],
    rows: impl Fn(usize) -> (usize, usize) + Send + Sync,
) {
    let fits = a.len() == count(&[outer, len, inner]) && b.len() == a.len() && out.len() == a.len();
    assert!(fits, "recurrence: operands and output");
    let matrix = len * inner;
    if matrix == 0 {
        return;
    }
    let matrices = (GRAIN / matrix).max(1);
    parallel::for_blocks(out, matrices * matrix, |first, out| {
        for (i, out) in out.chunks_mut(matrix).enumerate() {
            let (a, b) = (&a[first + i * matrix..][..matrix], &b[first + i * matrix..][..matrix]);
            for left in (0..inner).step_by(COLUMNS) {
                let width = COLUMNS.min(inner - left);
                let mut running = [0.0; COLUMNS];
                for step in 0..len {
                    let (row, factor) = rows(step);
                    if step > 0 {
                        let factors = &a[factor * inner + left..][..width];
                        running.iter_mut().zip(factors).for_each(|(running, &a)| *running *= a.to_f64());
                    }
                    let start = row * inner + left;
                    let (out, b) = (&mut out[start..start + width], &b[start..start + width]);
                    for ((out, &b), running) in out.iter_mut().zip(b).zip(&mut running) {
                        *running += b.to_f64();
                        *out = T::from_f64(*running);
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One column after the other.
    fn naive(down: bool, a: &[f64], b: &[f64], [outer, len, inner]: [usize; 3]) -> Vec<f64> {
        let mut out = vec![0.0; a.len()];
        for o in 0..outer {
            for j in 0..inner {
                let at = |i: usize| (o * len + i) * inner + j;
                for step in 0..len {
                    let i = if down { len - 1 - step } else { step };
                    out[at(i)] = b[at(i)];
                    if step > 0 {
                        out[at(i)] += if down { a[at(i + 1)] * out[at(i + 1)] } else { a[at(i)] * out[at(i - 1)] };
                    }
                }
            }
        }
        out
    }

    #[test]
    fn agrees_with_one_column_after_the_other() {
        for shape in
            [[0, 3, 2], [2, 0, 3], [1, 1, 1], [3, 5, 1], [1, 67, 1], [2, 4, 3], [1, 3, 255], [2, 3, 257], [70, 40, 40]]
        {
            let n = shape.iter().product::<usize>();
            let value = |i: usize, seed: f64| (i as f64 * seed).sin() * 1.1;
            let (a, b): (Vec<_>, Vec<_>) = (0..n).map(|i| (value(i, 0.7), value(i, 1.3))).unzip();
            let mut out = vec![f64::NAN; n];
            up(&a, &b, shape[0], shape[1], shape[2], &mut out);
            assert_eq!(out, naive(false, &a, &b, shape), "up {shape:?}");
            down(&a, &b, shape[0], shape[1], shape[2], &mut out);
            assert_eq!(out, naive(true, &a, &b, shape), "down {shape:?}");
        }
    }

    #[test]
    fn unused_factors_do_not_matter() {
        let mut out = [0.0f32; 3];
        up(&[f32::NAN, 2.0, 3.0], &[1.0, 1.0, 1.0], 1, 3, 1, &mut out);
        assert_eq!(out, [1.0, 3.0, 10.0]);
        down(&[f32::NAN, 2.0, 3.0], &[1.0, 1.0, 1.0], 1, 3, 1, &mut out);
        assert_eq!(out, [9.0, 4.0, 1.0]);
    }
}
