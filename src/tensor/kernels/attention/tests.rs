//! The kernels against a naive reference, on every instruction set.

use super::*;
use crate::parallel::with_threads;
use crate::tensor::kernels::simd::tests::on_each_level;

/// A unit of heads whose rows lie interleaved, with room between them.
#[derive(Clone, Copy)]
struct Case {
    heads: usize,
    kv_heads: usize,
    queries: usize,
    keys: usize,
    width: usize,
    value_width: usize,
    causal: bool,
    dropout: Option<Dropout>,
}

const GAP: usize = 3;

fn numbers(n: usize, seed: f64) -> Vec<f64> {
    (0..n).map(|i| (0.618_033_988_75 * (i + 1) as f64 + seed).fract() * 3.0 - 1.5).collect()
}

impl Case {
    fn strides(heads: usize, cols: usize) -> [usize; 3] {
        [cols, heads * cols + GAP, 1]
    }

    /// Queries, keys, values, and a gradient of the result.
    fn operands(&self) -> [(Vec<f64>, [usize; 3]); 4] {
        let Self { heads, kv_heads, queries, keys, width, value_width, .. } = *self;
        let operand = |heads: usize, rows: usize, cols: usize, seed| {
            (numbers(rows * (heads * cols + GAP), seed), Self::strides(heads, cols))
        };
        [
            operand(heads, queries, width, 0.1),
            operand(kv_heads, keys, width, 0.3),
            operand(kv_heads, keys, value_width, 0.5),
            operand(heads, queries, value_width, 0.7),
        ]
    }

    /// Everything that the kernels compute: the result, the logarithms of sums, and the gradients.
    fn run<T: Real + Gemm>(&self) -> [Vec<f64>; 5] {
        let Self { heads, kv_heads, queries, keys, width, value_width, causal, dropout } = *self;
        let operands =
            self.operands().map(|(x, strides)| (x.into_iter().map(T::from_f64).collect::<Vec<_>>(), strides));
        let [q, k, v, grad] = operands.each_ref().map(|(data, strides)| Strided { data: data.as_slice(), strides });
        let scale = T::from_f64(0.5);
        let mask = Mask::None;
        let (lead, dropout) = (&[][..], dropout);
        let a = Attention {
            q,
            k,
            v,
            mask,
            lead,
            heads,
            kv_heads,
            queries,
            keys,
            width,
            value_width,
            scale,
            causal,
            dropout,
        };
        let zeros = |n: usize| vec![T::nan(); n];
        let (mut out, mut log_sums) = (zeros(queries * heads * value_width), zeros(heads * queries));
        forward(&a, &mut out, &mut log_sums);
        let (mut dq, mut dk, mut dv) =
            (zeros(queries * heads * width), zeros(keys * kv_heads * width), zeros(keys * kv_heads * value_width));
        let strides = [value_width, heads * value_width, 1];
        let y = Strided { data: &out, strides: &strides };
        backward(&a, y, grad, &log_sums, Gradients { q: Some(&mut dq), k: Some(&mut dk), v: Some(&mut dv) });
        [out, log_sums, dq, dk, dv].map(|x| x.into_iter().map(<T as Real>::to_f64).collect())
    }

    /// The same by the formulas.
    fn naive(&self) -> [Vec<f64>; 5] {
        let Self { heads, kv_heads, queries, keys, width, value_width, causal, dropout } = *self;
        let [q, k, v, grad] = self.operands();
        let row = |(x, strides): &(Vec<f64>, [usize; 3]), head: usize, row: usize, cols: usize| {
            x[head * strides[0] + row * strides[1]..][..cols].to_vec()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut factors = vec![1.0; heads * queries * keys];
        if let Some(dropout) = dropout {
            dropout.factors::<f64>(heads, queries, keys, &mut factors);
        }
        let zeros = |n: usize| vec![0.0; n];
        let (mut out, mut log_sums) = (zeros(queries * heads * value_width), zeros(heads * queries));
        let (mut dq, mut dk, mut dv) =
            (zeros(queries * heads * width), zeros(keys * kv_heads * width), zeros(keys * kv_heads * value_width));
        for head in 0..heads {
            let kv = head / (heads / kv_heads);
            for i in 0..queries {
                let seen = if causal { (i + 1 + keys).saturating_sub(queries).min(keys) } else { keys };
                let (qi, gi) = (row(&q, head, i, width), row(&grad, head, i, value_width));
                let exps: Vec<f64> = (0..seen).map(|j| (0.5 * dot(&qi, &row(&k, kv, j, width))).exp()).collect();
                let sum: f64 = exps.iter().sum();
                log_sums[head * queries + i] = if seen == 0 { f64::INFINITY } else { sum.ln() };
                let factor = |j: usize| factors[(head * queries + i) * keys + j];
                let grads: Vec<f64> = (0..seen).map(|j| factor(j) * dot(&gi, &row(&v, kv, j, value_width))).collect();
                let delta: f64 = (0..seen).map(|j| exps[j] / sum * grads[j]).sum();
                for j in 0..seen {
                    let p = exps[j] / sum;
                    let ds = 0.5 * p * (grads[j] - delta);
                    let (kj, vj) = (row(&k, kv, j, width), row(&v, kv, j, value_width));
                    for c in 0..value_width {
                        out[(i * heads + head) * value_width + c] += p * factor(j) * vj[c];
                        dv[(j * kv_heads + kv) * value_width + c] += p * factor(j) * gi[c];
                    }
                    for c in 0..width {
                        dq[(i * heads + head) * width + c] += ds * kj[c];
                        dk[(j * kv_heads + kv) * width + c] += ds * qi[c];
                    }
                }
            }
        }
        [out, log_sums, dq, dk, dv]
    }
}

fn cases() -> Vec<Case> {
    let plain =
        Case { heads: 2, kv_heads: 2, queries: 5, keys: 7, width: 4, value_width: 3, causal: false, dropout: None };
    let large = if cfg!(miri) { (35, 66) } else { (131, 197) };
    vec![
        plain,
        Case { causal: true, ..plain },
        Case { causal: true, queries: 9, ..plain },
        Case { heads: 6, queries: 33, ..plain },
        Case { queries: 1, keys: 19, heads: 4, ..plain },
        Case { queries: 1, keys: 1, heads: 12, causal: true, ..plain },
        Case { queries: 1, dropout: Some(Dropout::new(0.3, 9)), ..plain },
        Case { queries: large.0, keys: large.1, heads: 1, kv_heads: 1, ..plain },
        Case { queries: large.0, keys: large.1, causal: true, dropout: Some(Dropout::new(0.4, 8)), ..plain },
        Case { queries: 3, keys: 5, width: 131, value_width: 129, ..plain },
        Case { dropout: Some(Dropout::new(1.0, 7)), ..plain },
        Case { keys: 0, ..plain },
        Case { keys: 0, queries: 1, ..plain },
        Case { queries: 0, ..plain },
        Case { value_width: 0, ..plain },
    ]
}

#[track_caller]
fn assert_close(got: &[Vec<f64>; 5], want: &[Vec<f64>; 5], tolerance: f64, what: &str) {
    for (part, (got, want)) in got.iter().zip(want).enumerate() {
        assert_eq!(got.len(), want.len(), "{what}, part {part}");
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            let close = got == want || (got - want).abs() <= tolerance * want.abs().max(1.0);
            assert!(close, "{what}, part {part}, element {i}: {got} for {want}");
        }
    }
}

#[test]
fn blocks_give_what_the_formulas_give() {
    for (i, case) in cases().into_iter().enumerate() {
        let want = case.naive();
        on_each_level(|level| {
            assert_close(&case.run::<f32>(), &want, 1e-5, &format!("case {i} in f32, {level:?}"));
            assert_close(&case.run::<f64>(), &want, 1e-12, &format!("case {i} in f64, {level:?}"));
        });
    }
}

#[test]
#[cfg_attr(miri, ignore = "threads are tested where they are faster")]
fn threads_do_not_show() {
    let case = Case { heads: 4, kv_heads: 2, queries: 300, keys: 350, width: 8, value_width: 8, ..cases()[1] };
    let one = with_threads(1, || case.run::<f32>()).unwrap();
    for threads in [2, 3] {
        assert!(with_threads(threads, || case.run::<f32>()).unwrap() == one, "{threads} threads");
    }
}

#[test]
fn results_that_are_not_wanted_are_left_alone() {
    let case = cases()[0];
    let [out, log_sums, _, want, _] = case.run::<f64>();
    let [q, k, v, grad] = case.operands();
    let strided = |(data, strides): &(Vec<f64>, [usize; 3])| Strided {
        data: data.clone().leak(),
        strides: strides.to_vec().leak(),
    };
    let a = Attention {
        q: strided(&q),
        k: strided(&k),
        v: strided(&v),
        mask: Mask::None,
        lead: &[],
        heads: case.heads,
        kv_heads: case.kv_heads,
        queries: case.queries,
        keys: case.keys,
        width: case.width,
        value_width: case.value_width,
        scale: 0.5,
        causal: false,
        dropout: None,
    };
    let mut dk = vec![0.0; want.len()];
    let strides = [case.value_width, case.heads * case.value_width, 1];
    let y = Strided { data: &out, strides: &strides };
    backward(&a, y, strided(&grad), &log_sums, Gradients { q: None, k: Some(&mut dk), v: None });
    assert_eq!(dk, want);
}

#[test]
fn dropout_takes_the_share_it_should() {
    for p in [0.1, 0.5, 0.9] {
        let (queries, keys, heads) = (64, 80, 8);
        let mut factors = vec![0.0f64; queries * keys * heads];
        Dropout::new(p, 42).factors(heads, queries, keys, &mut factors);
        // Some of the heads drop what they drop among all.
        let mut part = vec![0.0f64; queries * keys * 2];
        Dropout::new(p, 42).part(Some([3, heads])).factors(2, queries, keys, &mut part);
        assert_eq!(part, factors[queries * keys * 3..][..part.len()]);
        let n = factors.len() as f64;
        assert!(factors.iter().all(|x| *x == 0.0 || *x == 1.0 / (1.0 - p)));
        let dropped = |x: &mut dyn Iterator<Item = &f64>| x.filter(|x| **x == 0.0).count() as f64;
        let bound = 4.5 * (p * (1.0 - p) / n).sqrt();
        assert!((dropped(&mut factors.iter()) / n - p).abs() < bound, "p = {p}");
        // In each row, column and head, and for neighbours along each of them.
        for (step, len) in [(1, keys), (keys, queries), (keys * queries, heads)] {
            let worst = (0..factors.len() / len)
                .map(|i| {
                    let first = i / step * step * len + i % step;
                    let share = dropped(&mut factors[first..].iter().step_by(step).take(len)) / len as f64;
                    (share - p).abs() / (p * (1.0 - p) / len as f64).sqrt()
                })
                .fold(0.0, f64::max);
            // Short lines are far from normally distributed.
            assert!(worst < if len < 20 { 9.0 } else { 6.0 }, "p = {p}, step {step}: {worst} deviations");
            let both = factors.iter().zip(&factors[step..]).filter(|(a, b)| **a == 0.0 && **b == 0.0).count() as f64;
            let pairs = n - step as f64;
            let sigma = (p * p * (1.0 - p * p) / pairs).sqrt();
            // Neighbouring pairs overlap, which makes them vary a little more.
            assert!((both / pairs - p * p).abs() < 7.0 * sigma, "p = {p}, step {step}: {}", both / pairs);
        }
    }
}
