//! Tensors of every size, and initialisers with every option.

use demotic::layers::{Fan, Gain, Init};
use demotic::{DType, Rng, Tensor};

use super::child::limited;
use super::{NUMBERS, SIZES};

#[test]
fn sizes() {
    limited("creation::sizes", |cases| {
        let mut rng = Rng::seed(0);
        for n in SIZES {
            cases.run(format!("arange({n})"), || Tensor::arange(n));
            cases.run(format!("eye({n})"), || Tensor::eye(n));
            cases.run(format!("linspace(0, 1, {n})"), || Tensor::linspace(0.0, 1.0, n));
            cases.run(format!("permutation({n})"), || Tensor::permutation(n, &mut rng));
            cases.run(format!("from_vec to [{n}]"), || Tensor::from_vec(vec![1.0f32], [n]));
            for m in SIZES {
                cases.run(format!("zeros([{n}, {m}])"), || Tensor::zeros([n, m]));
                cases.run(format!("ones([{n}, {m}])"), || Tensor::ones([n, m]));
                cases.run(format!("uniform([{n}, {m}])"), || Tensor::uniform([n, m], 0.0, 1.0, &mut rng));
                cases.run(format!("normal([{n}, {m}])"), || Tensor::normal([n, m], 0.0, 1.0, &mut rng));
                cases.run(format!("bernoulli([{n}, {m}])"), || Tensor::bernoulli([n, m], 0.5, &mut rng));
                for dtype in [DType::F64, DType::BF16, DType::I64, DType::U8, DType::Bool] {
                    cases.run(format!("full([{n}, {m}], {dtype})"), || Tensor::full_dtype([n, m], 1.0, dtype));
                }
            }
        }
    });
}

#[test]
fn numbers() {
    limited("creation::numbers", |cases| {
        let mut rng = Rng::seed(0);
        for a in NUMBERS {
            cases.run(format!("scalar({a})"), || Tensor::scalar(a).to_string());
            cases.run(format!("bernoulli({a})"), || Tensor::bernoulli([5], a, &mut rng));
            for dtype in [DType::F32, DType::F64, DType::F16, DType::I64, DType::U8, DType::Bool] {
                cases.run(format!("full({a}, {dtype})"), || Tensor::full_dtype([2], a, dtype));
            }
            for b in NUMBERS {
                cases.run(format!("linspace({a}, {b})"), || Tensor::linspace(a, b, 5));
                cases.run(format!("uniform({a}, {b})"), || Tensor::uniform([5], a, b, &mut rng));
                cases.run(format!("normal({a}, {b})"), || Tensor::normal([5], a, b, &mut rng));
                for c in NUMBERS {
                    cases.run(format!("arange_step({a}, {b}, {c})"), || Tensor::arange_step(a, b, c));
                }
            }
        }
    });
}

#[test]
fn initializers() {
    limited("creation::initializers", |cases| {
        let mut rng = Rng::seed(0);
        let mut all = vec![Init::ONES, Init::ZEROS, Init::orthogonal(), Init::xavier_normal(), Init::xavier_uniform()];
        for a in NUMBERS {
            cases.run(format!("gain of leaky relu {a}"), || Gain::LeakyRelu(a).value());
            all.extend([
                Init::Constant(a),
                Init::Orthogonal { gain: a },
                Init::XavierNormal { gain: a },
                Init::XavierUniform { gain: a },
                Init::KaimingNormal { gain: a, fan: Fan::In },
                Init::KaimingUniform { gain: a, fan: Fan::Out },
            ]);
            for b in NUMBERS {
                all.extend([Init::Uniform { low: a, high: b }, Init::Normal { mean: a, std: b }]);
                for (low, high) in [(-1.0, 1.0), (a, b), (b, a + 1e-12), (0.0, 1e-12), (0.0, f64::INFINITY)] {
                    for (mean, std) in [(a, b), (0.0, 1.0), (b, 1e-12), (0.0, 1e30), (-40.0, 1.0)] {
                        all.push(Init::TruncatedNormal { mean, std, low, high });
                    }
                }
            }
        }
        for init in &all {
            for shape in [&[4, 3][..], &[0, 3], &[3, 0], &[5], &[]] {
                cases.run(format!("{init:?} of {shape:?}"), || init.tensor(shape, &mut rng));
            }
        }
        for init in [Init::ONES, Init::orthogonal(), Init::xavier_normal(), Init::Uniform { low: 0.0, high: 1.0 }] {
            for n in SIZES {
                for m in SIZES {
                    cases.run(format!("{init:?} of [{n}, {m}]"), || init.tensor(&[n, m], &mut rng));
                }
            }
        }
    });
}
