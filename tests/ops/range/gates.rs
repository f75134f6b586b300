//! The gates of recurrent units over the whole range: values, and gradients where gates are shut, open or in between, beside the formulas
//! in `f64`, which take each slope from the sum itself.
//!
//! A unit keeps gates and not sums, so what is 1 after rounding has slope 0: slopes are right to some units of what the gate is.

use demotic::autograd::{self, GradOptions, Recurrence, RecurrentState, RecurrentUnit};
use demotic::{Result, Rng, Tensor};

use super::{KINDS, Kind, Report};

/// Units side by side, each with sums of its own.
const WIDTH: usize = 67;

/// How many units of rounding a result may be off by.
const UNITS: f64 = 16.0;

/// A number that should be, and what an error is a share of.
#[derive(Debug, Clone, Copy)]
struct Wanted(f64, f64);

fn sigmoid(x: f64) -> f64 {
    let tail = (-x.abs()).exp();
    if x < 0.0 { tail / (1.0 + tail) } else { 1.0 / (1.0 + tail) }
}

/// A sigmoid's slope, with the gate as the size of its error.
fn slope(x: f64) -> Wanted {
    Wanted(sigmoid(x) * sigmoid(-x), sigmoid(x))
}

/// The slope of tanh, whose error is one of 1.
fn tanh_slope(x: f64) -> Wanted {
    Wanted(4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x), 1.0)
}

impl Wanted {
    /// A large factor does not meet a slope of 0 too late.
    fn times(self, factor: f64) -> Self {
        self.of(exact(factor))
    }

    fn of(self, factor: Self) -> Self {
        let product = |x: f64, factor: f64| if x == 0.0 || factor == 0.0 { 0.0 } else { x * factor };
        Self(product(self.0, factor.0), product(self.1, factor.1))
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }

    /// Of numbers below the normal ones, digits are missing.
    fn with_floor(self, normal: f64) -> Self {
        Self(self.0, self.1.max(normal))
    }
}

fn exact(x: f64) -> Wanted {
    Wanted(x, x.abs())
}

/// What goes into one unit: sums, state, and the gradients of its results.
#[derive(Debug, Clone, Copy)]
struct Given {
    sums: [f64; 4],
    state: f64,
    grad: [f64; 2],
    /// The smallest number with all digits.
    normal: f64,
}

/// New state (and hidden state), the gradients of the sums, and that of the state.
struct Expected {
    states: Vec<Wanted>,
    sums: Vec<Wanted>,
    state: Wanted,
}

fn lstm(Given { sums: [i, f, g, o], state: c, grad: [grad_h, grad_c], normal }: Given) -> Expected {
    let gate = |x: f64| exact(sigmoid(x)).with_floor(normal);
    let slope = |x: f64| slope(x).with_floor(normal);
    let kept = gate(f).times(c).plus(gate(i).times(g.tanh())).with_floor(normal);
    // Where the new state is off, so is the tanh of it.
    let tanh = Wanted(kept.0.tanh(), kept.0.tanh().abs() + tanh_slope(kept.0).0 * kept.1);
    let through = tanh_slope(kept.0).of(gate(o)).times(grad_h);
    let grad_c = exact(grad_c).plus(through).with_floor(normal);
    Expected {
        states: vec![tanh.of(gate(o)), kept],
        sums: vec![
            slope(i).times(g.tanh()).of(grad_c),
            slope(f).times(c).of(grad_c),
            tanh_slope(g).of(gate(i)).of(grad_c),
            tanh.of(slope(o)).times(grad_h),
        ],
        state: gate(f).of(grad_c),
    }
}

fn gru(Given { sums: [r, z, a, b], state: h, grad: [grad, _], normal }: Given) -> Expected {
    let gate = |x: f64| exact(sigmoid(x)).with_floor(normal);
    let slope = |x: f64| slope(x).with_floor(normal);
    // What a shut gate lets through is 1 less a number near 1.
    let shut = Wanted(sigmoid(-z), 1.0);
    // The candidate is off by what its sum is off by.
    let sum = exact(a).plus(gate(r).times(b));
    let n = Wanted(sum.0.tanh(), sum.0.tanh().abs() + tanh_slope(sum.0).0 * sum.1);
    let grad_n = tanh_slope(sum.0).of(shut).times(grad).with_floor(normal);
    let grad_n = Wanted(grad_n.0, grad_n.1 + (grad_n.0 * sum.1 * sum.0.tanh()).abs());
    let apart = Wanted(h - n.0, h.abs() + n.1);
    Expected {
        states: vec![gate(z).times(h).plus(shut.of(n))],
        sums: vec![slope(r).times(b).of(grad_n), slope(z).of(apart).times(grad), grad_n, gate(r).of(grad_n)],
        state: gate(z).times(grad),
    }
}

fn tanh(Given { sums: [sum, ..], grad: [grad, _], .. }: Given) -> Expected {
    Expected { states: vec![exact(sum.tanh())], sums: vec![tanh_slope(sum).times(grad)], state: exact(0.0) }
}

fn relu(Given { sums: [sum, ..], grad: [grad, _], .. }: Given) -> Expected {
    let slope = if sum > 0.0 { 1.0 } else { 0.0 };
    Expected { states: vec![exact(sum.max(0.0))], sums: vec![exact(slope).times(grad)], state: exact(0.0) }
}

/// Results and gradients of a layer in which each unit has sums of its own, which are biases: no product mixes them.
struct Layer {
    results: Vec<Tensor>,
    sums: Tensor,
    of_state: Tensor,
}

fn layer(kind: Kind, unit: RecurrentUnit, given: &[Given], create_graph: bool) -> Result<Layer> {
    let (parts, sums) = match unit {
        RecurrentUnit::Lstm => (4, 4),
        RecurrentUnit::Gru => (3, 4),
        _ => (1, 1),
    };
    let tensor = |values: Vec<f64>, shape: &[usize]| Tensor::from_vec(values, shape).map(|x| x.to_dtype(kind.dtype));
    let all = |f: &dyn Fn(&Given) -> f64| given.iter().map(f).collect::<Vec<_>>();
    let zeros = |shape: &[usize]| Tensor::full_dtype(shape, 0.0, kind.dtype);
    let ih: Vec<f64> = (0..parts).flat_map(|part| all(&|given| given.sums[part])).collect();
    let mut hh = vec![0.0; parts * WIDTH];
    if unit == RecurrentUnit::Gru {
        hh[2 * WIDTH..].copy_from_slice(&all(&|given| given.sums[3]));
    }
    let bias = [tensor(ih, &[parts * WIDTH])?.tracked()?, tensor(hh, &[parts * WIDTH])?.tracked()?];
    let state = tensor(all(&|given| given.state), &[1, WIDTH])?.tracked()?;
    let has_cell = unit == RecurrentUnit::Lstm;
    let state = match has_cell {
        true => RecurrentState { hidden: zeros(&[1, WIDTH])?, cell: Some(state.clone()) },
        false => RecurrentState { hidden: state.clone(), cell: None },
    };
    let (weight_ih, weight_hh) = (zeros(&[parts * WIDTH, 1])?, zeros(&[parts * WIDTH, WIDTH])?);
    let (out, last) = zeros(&[1, 1, 1])?.recurrence(&Recurrence {
        unit,
        weight_ih: &weight_ih,
        weight_hh: &weight_hh,
        bias: Some([&bias[0], &bias[1]]),
        weight_hr: None,
        state: Some(&state),
        lengths: None,
        reverse: false,
    })?;
    let mut results = vec![out];
    results.extend(last.cell);
    let grads = (0..results.len()).map(|i| tensor(all(&|given| given.grad[i]), results[i].shape()));
    let options = GradOptions::new().grad_outputs(grads.collect::<Result<Vec<_>>>()?).create_graph(create_graph);
    let leaf = state.cell.as_ref().unwrap_or(&state.hidden);
    let outputs: Vec<&Tensor> = results.iter().collect();
    let mut found = autograd::grad(&outputs, &[&bias[0], &bias[1], leaf], options)?.into_iter();
    let (Some(of_ih), Some(of_hh), Some(of_state)) = (found.next(), found.next(), found.next()) else {
        panic!("three gradients");
    };
    let sums = match sums > parts {
        true => Tensor::cat(&[&of_ih, &of_hh.narrow(0, 2 * WIDTH, WIDTH)?], 0)?,
        false => of_ih,
    };
    Ok(Layer { results, sums, of_state })
}

impl Kind {
    /// Numbers at both ends of the range, and between.
    fn extremes(self, largest: f64) -> Vec<f64> {
        let smallest = self.smallest;
        let sizes = [smallest, 1e3 * smallest, self.smallest / self.epsilon, 1e-30, 1e-8, 0.3, 1.0, 8.5, 17.0];
        let large = [40.0, 88.0, 104.0, 745.0, 1e4, 1e30, largest / 2.0];
        let signed = sizes.into_iter().chain(large).filter(|x| *x <= largest).flat_map(|x| [x, -x]);
        signed.chain([0.0]).map(|x| Tensor::full_dtype([1], x, self.dtype).unwrap().to_f64_vec()[0]).collect()
    }

    fn is_right(self, got: f64, Wanted(want, size): Wanted, factor: f64) -> bool {
        // Subnormal factors have fewer digits.
        if (got - want).abs() <= UNITS * self.epsilon * size + 4.0 * self.smallest * factor.max(1.0) {
            return got.is_finite();
        }
        let edge = self.largest * (1.0 - UNITS * self.epsilon);
        got.is_sign_negative() == want.is_sign_negative() && want.abs() >= edge && got.abs() >= edge
    }
}

#[test]
fn gates_of_recurrent_units() {
    let (mut report, mut rng) = (Report::default(), Rng::seed(0));
    type Formula = fn(Given) -> Expected;
    let units: [(RecurrentUnit, Formula); 4] = [
        (RecurrentUnit::Lstm, lstm),
        (RecurrentUnit::Gru, gru),
        (RecurrentUnit::Tanh, tanh),
        (RecurrentUnit::Relu, relu),
    ];
    for kind in KINDS {
        // Also gradients and states whose product is no number of the type, unless a shut gate is between them. What is recorded is several operations, each of which needs numbers that are.
        let [few, all] = [1e4, kind.largest];
        for (sums, states, grads) in [(few, few, few), (all, all, 1.0), (all, all, 1e30)] {
            let recorded = sums < all;
            let [sums, states, grads] = [sums, states, grads].map(|largest| kind.extremes(largest));
            for (unit, formula) in units {
                for draw in 0..10 {
                    let mut any = |from: &[f64]| from[rng.below(from.len())];
                    let given: Vec<Given> = (0..WIDTH)
                        .map(|_| Given {
                            sums: [(); 4].map(|()| any(&sums)),
                            state: any(&states),
                            grad: [any(&grads), any(&grads)],
                            normal: kind.smallest / kind.epsilon,
                        })
                        .collect();
                    for create_graph in [false, true].into_iter().filter(|graph| recorded || !graph) {
                        let place =
                            format!("{unit:?} {draw} {}{}", kind.name, if create_graph { " with a graph" } else { "" });
                        check(
                            &mut report,
                            kind,
                            &place,
                            &given,
                            formula,
                            &layer(kind, unit, &given, create_graph).unwrap(),
                        );
                    }
                }
            }
        }
    }
    report.finish();
}

fn check(report: &mut Report, kind: Kind, place: &str, given: &[Given], formula: fn(Given) -> Expected, found: &Layer) {
    let expected: Vec<Expected> = given.iter().map(|given| formula(*given)).collect();
    let overflows = expected
        .iter()
        .flat_map(|expected| &expected.sums)
        .any(|want| want.0.is_nan() || want.0.abs() >= kind.largest / 2.0);
    let mut compare = |what: &str, got: &Tensor, wanted: &dyn Fn(&Expected, usize) -> Wanted| {
        for (i, got) in got.to_f64_vec().into_iter().enumerate() {
            let (given, want) = (given[i % WIDTH], wanted(&expected[i % WIDTH], i / WIDTH));
            let factor = given.grad[0].abs().max(given.grad[1].abs());
            report.expect(kind.is_right(got, want, factor), || {
                format!("{place} {what} {}: {got:e} for {want:?} of {given:?}", i / WIDTH)
            });
        }
    };
    for (i, result) in found.results.iter().enumerate() {
        compare("state", result, &|expected, _| expected.states[i]);
    }
    compare("sum", &found.sums, &|expected, part| expected.sums[part]);
    // Gradients that are no numbers of the type are infinite, and no product with weights of 0 makes them 0.
    if !overflows {
        compare("state before", &found.of_state, &|expected, _| expected.state);
    }
}

/// Not only to a digit of what is not taken in its place.
#[test]
fn a_state_that_is_kept_is_kept_as_it_is() -> Result<()> {
    for kind in KINDS {
        let given = [1e-30, kind.smallest, 0.3, -1e30].map(|state| Given {
            sums: [0.0, 1e4, 1.0, 0.0],
            state,
            grad: [1.0, 0.0],
            normal: kind.smallest / kind.epsilon,
        });
        let given: Vec<Given> = given.into_iter().cycle().take(WIDTH).collect();
        let kept = layer(kind, RecurrentUnit::Gru, &given, false)?.results[0].to_f64_vec();
        let states = Tensor::from_vec(given.iter().map(|given| given.state).collect::<Vec<f64>>(), [WIDTH])?;
        assert_eq!(kept, states.to_dtype(kind.dtype).to_f64_vec(), "{}", kind.name);
    }
    Ok(())
}
