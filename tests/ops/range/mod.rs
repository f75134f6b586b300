//! Every operation and its gradient over the whole range of `f32` and `f64`, from the smallest subnormal number to the
//! largest: compared with what `make_range.py` computes with many digits and rounds once.
//!
//! A result is right if it is within a few units in the last place wherever it can be written as a number of the type, and
//! where it cannot, 0 or infinity as rounding has it.

mod gates;

use std::collections::HashMap;
use std::fmt::Write as _;

use demotic::autograd::{self, GradOptions};
use demotic::losses::{self, BceWithLogits, CrossEntropy, Huber, Loss, Reduction};
use demotic::{DType, Result, Tensor};
use safetensors::SafeTensors;

/// What a result may be off by.
#[derive(Debug, Clone, Copy)]
struct Tolerance {
    /// Units in the last place.
    ulps: f64,
    /// Multiples of the spacing of numbers at 1: for differences of numbers of that size, whatever they leave.
    absolute: f64,
    /// The largest argument for which there is such a difference.
    reach: f64,
    /// The same, of the argument: for arguments times a number between 0 and 1 which is that exact.
    of_argument: f64,
    /// Whether a rounded argument of an exponential makes the result less exact in proportion to its logarithm.
    tail: bool,
    /// Whether units are those of the largest number of a row of four, as of differences within it.
    of_row: bool,
}

const fn ulps(ulps: f64) -> Tolerance {
    Tolerance { ulps, absolute: 0.0, reach: f64::INFINITY, of_argument: 0.0, tail: false, of_row: false }
}

impl Tolerance {
    const fn absolute(self, absolute: f64) -> Self {
        Self { absolute, ..self }
    }
    const fn near_zero(self, absolute: f64) -> Self {
        Self { absolute, reach: 4.0, ..self }
    }
    const fn of_argument(self, of_argument: f64) -> Self {
        Self { of_argument, ..self }
    }
    const fn tail(self) -> Self {
        Self { tail: true, ..self }
    }
    const fn of_row(self) -> Self {
        Self { of_row: true, ..self }
    }
}

/// The numbers of one type.
#[derive(Debug, Clone, Copy)]
struct Kind {
    dtype: DType,
    name: &'static str,
    epsilon: f64,
    smallest: f64,
    largest: f64,
}

const KINDS: [Kind; 2] = [
    Kind {
        dtype: DType::F32,
        name: "f32",
        epsilon: f32::EPSILON as f64,
        smallest: f32::from_bits(1) as f64,
        largest: f32::MAX as f64,
    },
    Kind { dtype: DType::F64, name: "f64", epsilon: f64::EPSILON, smallest: f64::from_bits(1), largest: f64::MAX },
];

impl Kind {
    /// The distance from a number to the next one.
    fn ulp(self, x: f64) -> f64 {
        let power = f64::from_bits(x.abs().to_bits() & 0x7ff0_0000_0000_0000);
        (power * self.epsilon).max(self.smallest)
    }

    fn is_close(self, got: f64, want: f64, row: &[f64], argument: f64, tolerance: Tolerance) -> bool {
        if want.is_nan() {
            return got.is_nan();
        }
        // A pole has two sides, and each zero is on one.
        if got == want || (got == -want && want.is_infinite() && argument == 0.0 && argument.is_sign_negative()) {
            return true;
        }
        let factor = if tolerance.tail { 1.0 + want.abs().ln().abs() } else { 1.0 };
        let ulps = tolerance.ulps * factor;
        if !want.is_finite() || !got.is_finite() {
            // Rounding may tip a result over the end of the range.
            let edge = self.largest * (1.0 - (ulps + 1.0) * self.epsilon);
            return want.is_sign_negative() == got.is_sign_negative() && want.abs() >= edge && got.abs() >= edge;
        }
        let argument = if argument.is_finite() { argument.abs() } else { 1.0 };
        // A factor that is subnormal has as many digits less.
        let underflow = 2.0 * self.smallest * argument.max(1.0);
        let near = if argument <= tolerance.reach { tolerance.absolute } else { 0.0 };
        let absolute = near * self.epsilon + tolerance.of_argument * self.epsilon * argument;
        let finite = row.iter().filter(|x| x.is_finite());
        let size = if tolerance.of_row { finite.fold(0.0, |a: f64, x| a.max(x.abs())) } else { want };
        (got - want).abs() <= ulps * self.ulp(size) + absolute + underflow
    }
}

/// The reference numbers.
struct Data(HashMap<String, (Vec<usize>, Vec<f64>)>);

impl Data {
    fn load() -> Self {
        let bytes = include_bytes!("range.safetensors");
        let file = SafeTensors::deserialize(bytes).unwrap();
        let tensor = |view: safetensors::tensor::TensorView<'_>| {
            let data = view.data();
            let values = match view.dtype() {
                safetensors::Dtype::F32 => {
                    data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
                }
                _ => data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            };
            (view.shape().to_vec(), values)
        };
        Self(file.tensors().into_iter().map(|(name, view)| (name, tensor(view))).collect())
    }

    fn values(&self, kind: Kind, name: &str) -> &[f64] {
        let name = format!("{}.{name}", kind.name);
        &self.0.get(&name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn leaf(&self, kind: Kind, name: &str) -> Tensor {
        let shape = self.0[&format!("{}.{name}", kind.name)].0.clone();
        let values = Tensor::from_vec(self.values(kind, name).to_vec(), shape).unwrap();
        values.to_dtype(kind.dtype).tracked().unwrap()
    }

    /// Everything that is stored about the results of functions, without the inputs.
    fn functions(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.0.keys().filter_map(|name| name.strip_prefix("f32.")?.strip_suffix(".y")).map(str::to_owned).collect();
        names.sort();
        names
    }
}

/// What is wrong, so that one run shows all of it.
#[derive(Default)]
struct Report {
    text: String,
    checked: usize,
}

impl Report {
    /// Compares results with what they should be. Where `y` is NaN for an argument that is a number, there is no
    /// derivative either, and nothing is asked of it.
    fn compare(
        &mut self,
        place: &str,
        (kind, x): (Kind, &[f64]),
        got: &Tensor,
        want: &[f64],
        skip: &dyn Fn(usize) -> bool,
        tolerance: Tolerance,
    ) {
        let got = got.to_f64_vec();
        assert_eq!(got.len(), want.len(), "{place}");
        let wrong: Vec<usize> = (0..got.len())
            .filter(|&i| {
                !skip(i)
                    && !kind.is_close(
                        got[i],
                        want[i],
                        &want[i / 4 * 4..want.len().min(i / 4 * 4 + 4)],
                        x[i % x.len()],
                        tolerance,
                    )
            })
            .collect();
        self.checked += got.len();
        if let Some(&i) = wrong.first() {
            let shown: Vec<String> = wrong
                .iter()
                .step_by(wrong.len().div_ceil(6))
                .map(|&i| format!("{i} at {:e}: {:e} for {:e}", x[i % x.len()], got[i], want[i]))
                .collect();
            let _ = writeln!(
                self.text,
                "{place} {}: {} of {} (first {i}): {}",
                kind.name,
                wrong.len(),
                got.len(),
                shown.join("; ")
            );
        }
    }

    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds && self.text.len() < 4000 {
            self.text += &what();
            self.text.push('\n');
        }
    }

    #[track_caller]
    fn finish(self) {
        assert!(self.checked > 10_000, "only {} results", self.checked);
        assert!(self.text.is_empty(), "{}", self.text);
    }
}

/// The gradients with and without a graph of their own.
fn gradients(y: &Tensor, leaves: &[&Tensor], weights: &Tensor) -> Vec<(&'static str, Vec<Tensor>)> {
    [("", false), (" with a graph", true)]
        .map(|(what, create_graph)| {
            let options = GradOptions::new()
                .create_graph(create_graph)
                .retain_graph(true)
                .grad_outputs(vec![weights.clone()])
                .allow_unused(true);
            (what, autograd::grad(&[y], leaves, options).unwrap())
        })
        .into()
}

fn huber(x: &Tensor) -> Tensor {
    Huber::new(1.0).unwrap().reduction(Reduction::None).loss(x, &x.zeros_like()).unwrap()
}

fn bce_with_logits(x: &Tensor) -> Tensor {
    BceWithLogits::new().reduction(Reduction::None).loss(x, &x.full_like(0.25)).unwrap()
}

type Unary = (&'static str, fn(&Tensor) -> Tensor, [Tolerance; 2]);

/// The functions of one number, and what value and derivative may be off by.
const UNARY: &[Unary] = &[
    ("square", Tensor::square, [ulps(1.0), ulps(1.0)]),
    ("reciprocal", Tensor::reciprocal, [ulps(1.0), ulps(3.0)]),
    ("rdiv", |x| x.rdiv_scalar(3.0), [ulps(1.0), ulps(3.0)]),
    ("sqrt", Tensor::sqrt, [ulps(1.0), ulps(2.0)]),
    ("rsqrt", Tensor::rsqrt, [ulps(2.0), ulps(6.0)]),
    ("powf_3", |x| x.powf(3.0), [ulps(2.0), ulps(2.0)]),
    ("powf_-2", |x| x.powf(-2.0), [ulps(3.0), ulps(3.0)]),
    ("powf_2.5", |x| x.powf(2.5), [ulps(1.0), ulps(2.0)]),
    ("powf_0.25", |x| x.powf(0.25), [ulps(1.0), ulps(2.0)]),
    ("powf_0", |x| x.powf(0.0), [ulps(0.0), ulps(0.0)]),
    ("exp", Tensor::exp, [ulps(1.0), ulps(1.0)]),
    ("exp2", Tensor::exp2, [ulps(1.0), ulps(3.0)]),
    ("expm1", Tensor::expm1, [ulps(2.0), ulps(1.0)]),
    ("log", Tensor::log, [ulps(1.0), ulps(1.0)]),
    ("log2", Tensor::log2, [ulps(1.0), ulps(2.0)]),
    ("log10", Tensor::log10, [ulps(1.5), ulps(2.0)]),
    ("log1p", Tensor::log1p, [ulps(2.0), ulps(2.0)]),
    ("sin", Tensor::sin, [ulps(1.0), ulps(1.0)]),
    ("cos", Tensor::cos, [ulps(1.0), ulps(1.0)]),
    ("tan", Tensor::tan, [ulps(1.0), ulps(4.0)]),
    ("asin", Tensor::asin, [ulps(1.0), ulps(4.0)]),
    ("acos", Tensor::acos, [ulps(1.0), ulps(4.0)]),
    ("atan", Tensor::atan, [ulps(1.0), ulps(3.0)]),
    ("sinh", Tensor::sinh, [ulps(1.5), ulps(1.5)]),
    ("cosh", Tensor::cosh, [ulps(1.5), ulps(1.5)]),
    ("tanh", Tensor::tanh, [ulps(3.0), ulps(4.0)]),
    ("asinh", Tensor::asinh, [ulps(2.0), ulps(3.0)]),
    ("acosh", Tensor::acosh, [ulps(2.0), ulps(5.0)]),
    ("atanh", Tensor::atanh, [ulps(2.0), ulps(4.0)]),
    ("erf", Tensor::erf, [ulps(1.5), ulps(4.0).tail()]),
    ("erfc", Tensor::erfc, [ulps(1.5), ulps(4.0).tail()]),
    ("abs", Tensor::abs, [ulps(0.0), ulps(0.0)]),
    ("relu", Tensor::relu, [ulps(0.0), ulps(0.0)]),
    ("leaky_relu", |x| x.leaky_relu(0.125), [ulps(1.0), ulps(0.0)]),
    ("elu", |x| x.elu(1.5), [ulps(3.0), ulps(2.0)]),
    ("selu", Tensor::selu, [ulps(4.0), ulps(4.0)]),
    ("gelu", Tensor::gelu, [ulps(4.0).tail(), ulps(4.0).near_zero(4.0).tail()]),
    ("gelu_tanh", Tensor::gelu_tanh, [ulps(4.0).tail(), ulps(4.0).near_zero(4.0).tail()]),
    ("silu", Tensor::silu, [ulps(4.0), ulps(4.0).near_zero(4.0)]),
    ("mish", Tensor::mish, [ulps(4.0), ulps(4.0).near_zero(4.0)]),
    ("softplus", |x| x.softplus(1.0, 1e4).unwrap(), [ulps(3.0), ulps(4.0)]),
    ("softsign", Tensor::softsign, [ulps(2.0), ulps(3.0)]),
    ("hardswish", Tensor::hardswish, [ulps(3.0), ulps(2.0).absolute(1.0)]),
    ("hardsigmoid", Tensor::hardsigmoid, [ulps(2.0), ulps(1.0)]),
    ("sigmoid", Tensor::sigmoid, [ulps(3.0), ulps(4.0)]),
    ("log_sigmoid", Tensor::log_sigmoid, [ulps(3.0), ulps(3.0)]),
    ("huber", huber, [ulps(2.0), ulps(3.0)]),
    ("bce_with_logits", bce_with_logits, [ulps(4.0), ulps(4.0).absolute(4.0)]),
];

/// Functions made of pieces.
const PIECES: &[&str] = &["abs", "relu", "leaky_relu", "elu", "selu", "hardswish", "hardsigmoid"];

#[test]
fn functions_of_one_number() {
    let (data, mut report) = (Data::load(), Report::default());
    for kind in KINDS {
        let x = data.leaf(kind, "x");
        let arguments = data.values(kind, "x");
        for &(name, f, [of_value, of_slope]) in UNARY {
            let y = f(&x);
            let (want, slopes) = (data.values(kind, &format!("{name}.y")), data.values(kind, &format!("{name}.dx")));
            report.compare(name, (kind, arguments), &y, want, &|_| false, of_value);
            let undefined = |i: usize| want[i].is_nan() && !arguments[i].is_nan();
            // At NaN, the slopes of pieces are left open.
            let open = |i: usize| undefined(i) || PIECES.contains(&name) && arguments[i].is_nan();
            for (what, grads) in gradients(&y, &[&x], &y.ones_like()) {
                let place = format!("{name}'{what}");
                report.compare(&place, (kind, arguments), &grads[0], slopes, &open, of_slope);
            }
        }
    }
    report.finish();
}

type Binary = (&'static str, fn(&Tensor, &Tensor) -> Result<Tensor>, [Tolerance; 2]);

const BINARY: &[Binary] = &[
    ("mul", Tensor::mul, [ulps(1.0), ulps(1.0)]),
    ("remainder", Tensor::remainder, [ulps(1.0), ulps(3.0)]),
    ("div", Tensor::div, [ulps(1.0), ulps(4.0)]),
    ("atan2", Tensor::atan2, [ulps(2.0), ulps(6.0)]),
    ("pow", Tensor::pow, [ulps(1.0), ulps(4.0)]),
];

#[test]
fn functions_of_two_numbers() {
    let (data, mut report) = (Data::load(), Report::default());
    for kind in KINDS {
        let (a, b) = (data.leaf(kind, "a"), data.leaf(kind, "b"));
        for &(name, f, [of_value, of_slope]) in BINARY {
            let y = f(&a, &b).unwrap();
            let want = data.values(kind, &format!("{name}.y"));
            let index: Vec<f64> = data.values(kind, "a").to_vec();
            // What is left open is NaN.
            let open = |want: &[f64], i: usize| want[i].is_nan();
            let (divisors, normal) = (data.values(kind, "b"), kind.smallest / kind.epsilon);
            // Where a quotient or a power on the way is subnormal, forms with a graph have lost digits.
            let lost = |x: f64| x != 0.0 && x.abs() < normal;
            let lossy = |i: usize, what: &str| {
                let way = if name == "pow" { want[i] } else { index[i] / divisors[i] };
                lost(way)
                    || !what.is_empty() && (lost(index[i]) || lost(divisors[i]) || name == "pow" && divisors[i] < 1.0)
            };
            // What the remainder leaves of the largest number is larger than any.
            let beyond = |i: usize| name == "remainder" && index[i].abs() == kind.largest;
            let lossy = |i: usize, what: &str| (name == "pow" || !what.is_empty()) && lossy(i, what) || beyond(i);
            report.compare(name, (kind, &index), &y, want, &|i| open(want, i), of_value);
            for (what, grads) in gradients(&y, &[&a, &b], &y.ones_like()) {
                for (grad, part) in grads.iter().zip(["da", "db"]) {
                    let slopes = data.values(kind, &format!("{name}.{part}"));
                    let place = format!("{name}.{part}{what}");
                    report.compare(
                        &place,
                        (kind, &index),
                        grad,
                        slopes,
                        &|i| open(slopes, i) || lossy(i, what),
                        of_slope,
                    );
                }
            }
        }
    }
    report.finish();
}

type Rows = (&'static str, fn(&Tensor) -> Result<Tensor>, [Tolerance; 2]);

fn cross_entropy(x: &Tensor) -> Result<Tensor> {
    let targets = Tensor::from_vec(vec![2i64; x.shape()[0]], [x.shape()[0]])?;
    CrossEntropy::new().reduction(Reduction::None).loss(x, &targets)
}

fn mean_square(x: &Tensor) -> Result<Tensor> {
    let rows = (0..x.shape()[0] as isize).map(|i| {
        let row = x.narrow(0, i as usize, 1)?;
        losses::mse(&row, &row.zeros_like())?.reshape([1])
    });
    let rows: Vec<Tensor> = rows.collect::<Result<_>>()?;
    Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0)
}

/// What is written here with several operations, and needs a norm or a reciprocal that is a number with all its digits.
const COMPOSED: &[&str] = &["normalized", "shares", "layer_norm", "rms_norm", "renorm"];

const ROWS: &[Rows] = &[
    ("sum", |x| x.sum_dims(&[1], false), [ulps(1.0).of_argument(2.0), ulps(0.0)]),
    ("mean", |x| x.mean_dims(&[1], false), [ulps(1.0).of_argument(1.0), ulps(0.0)]),
    ("norm_1", |x| x.norm_dims(1.0, &[1], false), [ulps(2.0), ulps(0.0)]),
    ("norm_2", |x| x.norm_dims(2.0, &[1], false), [ulps(3.0), ulps(4.0)]),
    ("norm_3", |x| x.norm_dims(3.0, &[1], false), [ulps(3.0), ulps(8.0)]),
    ("norm_1.5", |x| x.norm_dims(1.5, &[1], false), [ulps(3.0), ulps(8.0)]),
    ("norm_0.5", |x| x.norm_dims(0.5, &[1], false), [ulps(4.0), ulps(8.0)]),
    ("norm_-1", |x| x.norm_dims(-1.0, &[1], false), [ulps(4.0), ulps(8.0)]),
    ("norm_inf", |x| x.norm_dims(f64::INFINITY, &[1], false), [ulps(0.0), ulps(0.0)]),
    ("var", |x| x.var_dims(&[1], 1.0, false), [ulps(4.0), ulps(8.0).of_row()]),
    ("std", |x| x.std_dims(&[1], 1.0, false), [ulps(4.0), ulps(8.0).of_row()]),
    ("prod", |x| x.prod_dims(&[1], false), [ulps(4.0), ulps(4.0)]),
    ("cumprod", |x| x.cumprod(1), [ulps(4.0), ulps(8.0).of_row()]),
    ("cross_entropy", cross_entropy, [ulps(4.0).absolute(2.0), ulps(4.0).absolute(8.0)]),
    ("logsumexp", |x| x.logsumexp_dims(&[1], false), [ulps(2.0), ulps(4.0)]),
    ("mse", mean_square, [ulps(3.0), ulps(2.0)]),
    ("softmax", |x| x.softmax(-1), [ulps(4.0), ulps(4.0).absolute(8.0)]),
    ("log_softmax", |x| x.log_softmax(-1), [ulps(4.0).absolute(2.0), ulps(4.0).absolute(16.0)]),
    ("normalized", |x| x.div(&x.norm_dims(2.0, &[1], true)?), [ulps(4.0), ulps(8.0).of_row()]),
    ("shares", |x| x.div(&x.sum_dims(&[1], true)?), [ulps(40.0), ulps(40.0).of_row()]),
    ("layer_norm", |x| x.layer_norm(&[4], None, None, 0.0), [ulps(8.0).of_row(), ulps(16.0).of_row()]),
    ("rms_norm", |x| x.rms_norm(&[4], None, 0.0), [ulps(6.0), ulps(16.0).of_row()]),
    ("renorm", |x| x.renorm(2.0, 0, 1.0), [ulps(6.0), ulps(8.0).of_row()]),
];

#[test]
fn functions_of_rows() {
    let (data, mut report) = (Data::load(), Report::default());
    for kind in KINDS {
        let x = data.leaf(kind, "rows");
        let elements = data.values(kind, "rows");
        let sizes: Vec<f64> = elements.chunks(4).map(|row| row.iter().fold(0.0, |a: f64, x| a.max(x.abs()))).collect();
        for &(name, f, [of_value, of_slope]) in ROWS {
            let y = f(&x).unwrap();
            let want = data.values(kind, &format!("{name}.y"));
            let width = want.len() / sizes.len();
            let extreme = |row: usize| {
                let normal = kind.smallest / kind.epsilon;
                COMPOSED.contains(&name) && !(sizes[row] > 16.0 * normal && sizes[row] < kind.largest / 16.0)
            };
            let open = |i: usize| want[i].is_nan() || extreme(i / width);
            let arguments = if width == 1 { &sizes } else { elements };
            report.compare(name, (kind, arguments), &y, want, &open, of_value);
            let weights = if width == 1 {
                y.ones_like()
            } else {
                let row = Tensor::from_vec(vec![0.5, -1.0, 2.0, 1.5], [4]).unwrap().to_dtype(kind.dtype);
                row.broadcast_to(y.shape()).unwrap()
            };
            let slopes = data.values(kind, &format!("{name}.dx"));
            // A norm below the smallest number is 0, and so is then its gradient, like that of a row with a 0 in it.
            let vanished = |i: usize| name == "norm_-1" && want[i / 4] == 0.0;
            for (what, grads) in gradients(&y, &[&x], &weights) {
                let place = format!("{name}'{what}");
                let open = |i: usize| slopes[i].is_nan() || extreme(i / 4) || vanished(i);
                report.compare(&place, (kind, elements), &grads[0], slopes, &open, of_slope);
            }
        }
    }
    report.finish();
}

/// Whatever has reference numbers is compared with them.
#[test]
fn nothing_is_left_out() {
    let tested: Vec<&str> =
        UNARY.iter().map(|f| f.0).chain(BINARY.iter().map(|f| f.0)).chain(ROWS.iter().map(|f| f.0)).collect();
    for name in Data::load().functions() {
        assert!(tested.contains(&name.as_str()), "{name}");
    }
}

/// Second derivatives of what first ones are most often divided by.
#[test]
fn second_derivatives() {
    type Function = (&'static str, fn(&Tensor) -> Tensor, fn(f64) -> f64);
    let functions: [Function; 6] = [
        ("reciprocal", Tensor::reciprocal, |x| 2.0 / x.powi(3)),
        ("rdiv_scalar", |x| x.rdiv_scalar(3.0), |x| 6.0 / x.powi(3)),
        ("div", |x| x.full_like(3.0).div(x).unwrap(), |x| 6.0 / x.powi(3)),
        ("sqrt", Tensor::sqrt, |x| -0.25 * x.powf(-1.5)),
        ("rsqrt", Tensor::rsqrt, |x| 0.75 * x.powf(-2.5)),
        ("atan2", |x| x.atan2(&x.full_like(0.0)).unwrap(), |_| 0.0),
    ];
    for (name, f, expected) in functions {
        for kind in KINDS {
            let powers: &[i32] = if kind.dtype == DType::F32 { &[-12, -9, 0, 9, 12] } else { &[-100, -60, 0, 60, 100] };
            let values: Vec<f64> = powers.iter().map(|n| 2.0_f64.powi(3 * n)).collect();
            let x = Tensor::from_vec(values.clone(), [values.len()]).unwrap().to_dtype(kind.dtype).tracked().unwrap();
            let options = || GradOptions::new().create_graph(true).allow_unused(true);
            let slope = autograd::grad(&[&f(&x).sum()], &[&x], options()).unwrap().remove(0);
            let second = autograd::grad(&[&slope.sum()], &[&x], options()).unwrap().remove(0).to_f64_vec();
            for (x, got) in values.iter().zip(second) {
                let want = expected(*x);
                assert!(
                    (got - want).abs() <= 16.0 * kind.epsilon * want.abs(),
                    "{name} {} at {x:e}: {got:e} {want:e}",
                    kind.name
                );
            }
        }
    }
}

/// Second derivatives that are small where the first ones are near 1: nothing of them may be lost in that.
#[test]
fn second_derivatives_beside_first_ones_near_one() {
    type Function = (&'static str, fn(&Tensor) -> Tensor, fn(f64) -> f64, &'static [f64]);
    const SMALL: &[f64] = &[1e-30, -1e-20, 1e-12, -1e-9, 1e-7, -1e-5];
    const ENDS: &[f64] = &[-80.0, -60.0, -40.0, -20.0, -10.0, -3.0, -0.5, 0.0, 0.5, 3.0, 10.0, 20.0, 40.0, 60.0, 80.0];
    // The slope of the sigmoid, the same on both sides.
    fn bell(x: f64) -> f64 {
        let e = (-x.abs()).exp();
        e / (1.0 + e).powi(2)
    }
    let functions: [Function; 7] = [
        ("asin", Tensor::asin, |x| x * (1.0 - x * x).powf(-1.5), SMALL),
        ("acos", Tensor::acos, |x| -x * (1.0 - x * x).powf(-1.5), SMALL),
        ("atanh", Tensor::atanh, |x| 2.0 * x / (1.0 - x * x).powi(2), SMALL),
        ("tanh", Tensor::tanh, |x| -2.0 * x.tanh() * (1.0 - x.tanh().powi(2)), SMALL),
        ("log_sigmoid", Tensor::log_sigmoid, |x| -bell(x), ENDS),
        ("softplus", |x| x.softplus(1.0, 500.0).unwrap(), bell, ENDS),
        ("silu", Tensor::silu, |x| bell(x) * (2.0 - x.abs() * (x.abs() / 2.0).tanh()), ENDS),
    ];
    for (name, f, expected, points) in functions {
        for kind in KINDS {
            let x = Tensor::from_vec(points.to_vec(), [points.len()]).unwrap().to_dtype(kind.dtype).tracked().unwrap();
            let options = || GradOptions::new().create_graph(true);
            let slope = autograd::grad(&[&f(&x).sum()], &[&x], options()).unwrap().remove(0);
            let second = autograd::grad(&[&slope.sum()], &[&x], options()).unwrap().remove(0).to_f64_vec();
            for (x, got) in x.to_f64_vec().into_iter().zip(second) {
                let want = expected(x);
                assert!(
                    (got - want).abs() <= 32.0 * kind.epsilon * want.abs(),
                    "{name} {} at {x:e}: {got:e} {want:e}",
                    kind.name
                );
            }
        }
    }
}

/// How often a divisor fits is a whole number, which does not change with it: not even where there are too many to count.
#[test]
fn second_derivatives_of_remainders() {
    for (a, b, want) in [(7.0, 2.0, -6.0), (-7.0, 2.0, 8.0), (1e20, 1e-30, f64::NEG_INFINITY)] {
        let (a, b) = (Tensor::scalar(a), Tensor::scalar(b).tracked().unwrap());
        let y = a.remainder(&b).unwrap().mul(&b).unwrap();
        let options = || GradOptions::new().create_graph(true);
        let slope = autograd::grad(&[&y], &[&b], options()).unwrap().remove(0);
        let second = autograd::grad(&[&slope], &[&b], options()).unwrap().remove(0);
        assert_eq!(second.item().unwrap(), want);
    }
}
