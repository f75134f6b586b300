//! Against one number after the other, with finite differences for the gradients.

use super::super::simd::tests::on_each_level;
use super::super::tests::{assert_close, assert_same_on_two_threads, numbers};
use super::*;

/// Everything that a sweep reads, in `f64`.
struct Case {
    unit: Unit,
    time: usize,
    batch: usize,
    hidden: usize,
    outputs: usize,
    reverse: bool,
    lengths: Option<Vec<usize>>,
}

/// What a sweep is a function of.
#[derive(Clone)]
struct Values<T> {
    sums: Vec<T>,
    weight_hh: Vec<T>,
    weight_hr: Option<Vec<T>>,
    h: Vec<T>,
    c: Vec<T>,
}

impl Case {
    fn plan(&self) -> Plan<'_> {
        Plan {
            unit: self.unit,
            time: self.time,
            batch: self.batch,
            hidden: self.hidden,
            outputs: self.outputs,
            projected: self.outputs != self.hidden,
            reverse: self.reverse,
            lengths: self.lengths.as_deref(),
        }
    }

    fn values<T: Real>(&self) -> Values<T> {
        let plan = self.plan();
        let scaled = |n: usize, seed: u32, scale: f64| {
            numbers::<T>(n, seed).into_iter().map(|x| T::from_f64(x.to_f64() * scale)).collect::<Vec<_>>()
        };
        let scale = 0.5 / (self.hidden as f64).sqrt();
        Values {
            sums: scaled(self.time * self.batch * plan.width(), 1, 0.4),
            weight_hh: scaled(self.unit.weights() * self.hidden * self.outputs, 2, scale),
            weight_hr: plan.projected.then(|| scaled(self.outputs * self.hidden, 3, scale)),
            h: scaled(self.batch * self.outputs, 4, 0.2),
            c: scaled(self.batch * plan.cell_width(), 5, 0.3),
        }
    }
}

/// Outputs, then final h, then final c.
fn naive(case: &Case, v: &Values<f64>) -> Vec<f64> {
    let Case { unit, time, batch, hidden, outputs, .. } = *case;
    let plan = case.plan();
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut out = vec![0.0; time * batch * outputs];
    let (mut h, mut c) = (v.h.clone(), v.c.clone());
    for row in 0..batch {
        let steps = case.lengths.as_ref().map_or(time, |lengths| lengths[row]);
        for i in 0..steps {
            let step = if case.reverse { steps - 1 - i } else { i };
            let old = h[row * outputs..][..outputs].to_vec();
            let product = |k: usize| (0..outputs).map(|j| v.weight_hh[k * outputs + j] * old[j]).sum::<f64>();
            let sums = &v.sums[(step * batch + row) * plan.width()..][..plan.width()];
            let mut new = vec![0.0; hidden];
            for (j, new) in new.iter_mut().enumerate() {
                let sum = |gate: usize| sums[gate * hidden + j] + product(gate * hidden + j);
                *new = match unit {
                    Unit::Tanh => sum(0).tanh(),
                    Unit::Relu => sum(0).max(0.0),
                    Unit::Lstm => {
                        let c = &mut c[row * hidden + j];
                        *c = sigmoid(sum(1)) * *c + sigmoid(sum(0)) * sum(2).tanh();
                        sigmoid(sum(3)) * c.tanh()
                    }
                    Unit::Gru => {
                        let own = sums[3 * hidden + j] + product(2 * hidden + j);
                        let n = (sums[2 * hidden + j] + sigmoid(sum(0)) * own).tanh();
                        let z = sigmoid(sum(1));
                        (1.0 - z) * n + z * old[j]
                    }
                };
            }
            let result = match &v.weight_hr {
                Some(weight) => {
                    (0..outputs).map(|k| (0..hidden).map(|j| weight[k * hidden + j] * new[j]).sum()).collect()
                }
                None => new,
            };
            h[row * outputs..][..outputs].copy_from_slice(&result);
            out[(step * batch + row) * outputs..][..outputs].copy_from_slice(&result);
        }
    }
    [out, h, c].concat()
}

/// The same by the sweep, and the gradients of its weighted sum with respect to sums, initial h and initial c.
fn swept<T: Real + Gemm>(case: &Case, v: &Values<T>, grad: &[T]) -> (Vec<T>, Vec<T>) {
    let plan = case.plan();
    let rows = case.time * case.batch;
    let stale = |n: usize| vec![T::nan(); n];
    let mut gates = v.sums.clone();
    let (mut cells, mut projected) = (stale(rows * plan.cell_width()), stale(rows * plan.projected_width()));
    let (mut out, mut h, mut c) = (stale(rows * case.outputs), v.h.clone(), v.c.clone());
    forward(
        &plan,
        Forward {
            weight_hh: &v.weight_hh,
            weight_hr: v.weight_hr.as_deref(),
            gates: &mut gates,
            cells: &mut cells,
            projected: &mut projected,
            out: &mut out,
            h: &mut h,
            c: &mut c,
            scratch: &mut stale(plan.forward_scratch()),
        },
    );
    let (grad_out, grad_last) = grad.split_at(out.len());
    let (grad_h, grad_c) = grad_last.split_at(h.len());
    let (mut grad_h, mut grad_c) = (grad_h.to_vec(), grad_c.to_vec());
    let mut grad_gates = stale(rows * plan.width());
    backward(
        &plan,
        Backward {
            weight_hh: &v.weight_hh,
            weight_hr: v.weight_hr.as_deref(),
            states: States { gates: &gates, cells: &cells, out: &out, h: &v.h, c: &v.c },
            grad_out,
            grad_h: &mut grad_h,
            grad_c: &mut grad_c,
            grad_gates: &mut grad_gates,
            grad_projected: &mut stale(if plan.projected { rows * case.outputs } else { 0 }),
            scratch: &mut stale(plan.backward_scratch()),
        },
    );
    ([out, h, c].concat(), [grad_gates, grad_h, grad_c].concat())
}

fn cases() -> impl Iterator<Item = Case> {
    let shapes = [(1, 1, 1, 1), (1, 5, 3, 3), (4, 3, 17, 17), (3, 2, 33, 33), (5, 3, 9, 4), (1, 2, 5, 2)];
    let units = [Unit::Tanh, Unit::Relu, Unit::Lstm, Unit::Gru];
    units.into_iter().flat_map(move |unit| {
        let shapes = shapes.into_iter().filter(move |(_, _, hidden, outputs)| unit == Unit::Lstm || hidden == outputs);
        shapes.flat_map(move |(time, batch, hidden, outputs)| {
            [(false, false), (true, false), (false, true), (true, true)].map(|(reverse, ragged)| {
                let lengths = ragged.then(|| (0..batch).map(|row| 1 + (row * 7 + 1) % time).collect());
                Case { unit, time, batch, hidden, outputs, reverse, lengths }
            })
        })
    })
}

fn describe(case: &Case) -> String {
    let Case { unit, time, batch, hidden, outputs, reverse, lengths } = case;
    format!("{unit:?} {time}×{batch}, {hidden} → {outputs}, reverse {reverse}, lengths {lengths:?}")
}

#[test]
fn sweeps_agree_with_one_number_after_the_other() {
    for case in cases() {
        let expected = naive(&case, &case.values());
        let weights: Vec<f64> = numbers(expected.len(), 9);
        on_each_level(|level| {
            let what = (describe(&case), level);
            assert_close(&swept(&case, &case.values::<f64>(), &weights).0, &expected, 1e-13, &what);
            let weights: Vec<f32> = numbers(expected.len(), 9);
            assert_close(&swept(&case, &case.values::<f32>(), &weights).0, &expected, 3e-6, &what);
        });
    }
}

#[test]
fn gradients_agree_with_differences() {
    for case in cases().filter(|case| case.hidden < 20) {
        let v = case.values::<f64>();
        let n = naive(&case, &v).len();
        let weights: Vec<f64> = numbers(n, 9);
        let (_, grads) = swept(&case, &v, &weights);
        let loss = |v: &Values<f64>| naive(&case, v).iter().zip(&weights).map(|(y, w)| y * w).sum::<f64>();
        let total = v.sums.len() + v.h.len() + v.c.len();
        assert_eq!(grads.len(), total);
        let width = case.plan().width();
        // A prime number of steps meets every gate and every row.
        for at in (0..total).step_by(7) {
            let moved = |by: f64| {
                let mut v = v.clone();
                let (sums, h) = (v.sums.len(), v.h.len());
                match at {
                    at if at < sums => v.sums[at] += by,
                    at if at < sums + h => v.h[at - sums] += by,
                    at => v.c[at - sums - h] += by,
                }
                loss(&v)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            let place = format!("{}, element {at} ({} · {width} + {})", describe(&case), at / width, at % width);
            assert_close(&grads[at..=at], &[slope], 1e-7, place);
        }
    }
}

#[test]
fn blocks_of_rows_agree_with_one_number_after_the_other() {
    if cfg!(miri) {
        return;
    }
    for unit in [Unit::Lstm, Unit::Gru] {
        let (time, batch, hidden) = (40, 37, 48);
        let lengths = Some((0..batch).map(|row| 1 + (row * 11) % time).collect());
        let case = Case { unit, time, batch, hidden, outputs: hidden, reverse: true, lengths };
        assert!(case.plan().blocks().count() > 1);
        let expected = naive(&case, &case.values());
        let weights: Vec<f32> = numbers(expected.len(), 9);
        assert_close(&swept(&case, &case.values::<f32>(), &weights).0, &expected, 1e-5, describe(&case));
        assert_same_on_two_threads(|| swept(&case, &case.values::<f32>(), &weights));
    }
}

#[test]
fn nothing_comes_of_nothing() {
    let case = Case { unit: Unit::Lstm, time: 3, batch: 0, hidden: 4, outputs: 4, reverse: false, lengths: None };
    assert_eq!(swept(&case, &case.values::<f32>(), &[]), (vec![], vec![]));
}
