//! Operations with every argument.

use demotic::{DType, Rng, Tensor};

use super::child::{Cases, limited};
use super::{NUMBERS, OFFSETS, SIZES};

/// Small tensors, empty ones, and one that presents more than it has.
fn tensors() -> Vec<Tensor> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape).unwrap();
    let whole = Tensor::from_nested([[3i64, -1, 2], [0, 5, 4]]).unwrap();
    vec![
        zeros(&[2, 3]).tracked().unwrap(),
        zeros(&[]),
        zeros(&[0, 3]),
        zeros(&[0, 1 << 40]),
        zeros(&[1 << 40, 0, 1]),
        whole.to_dtype(DType::U8),
        whole.to_dtype(DType::Bool),
        whole,
        Tensor::ones([1]).unwrap().broadcast_to([1 << 10, 1 << 10]).unwrap(),
    ]
}

#[test]
fn sizes() {
    limited("operations::sizes", |cases| {
        for x in tensors() {
            for n in SIZES {
                let name = |op: &str| format!("{op} {n} of {:?} {}", x.shape(), x.dtype());
                cases.run(name("one_hot"), || x.one_hot(n));
                cases.run(name("repeat_interleave"), || x.repeat_interleave(n, 0));
                for dim in [0, 1] {
                    cases.run(name("split"), || x.split(n, dim));
                    cases.run(name("chunk"), || x.chunk(n, dim));
                    cases.run(name("topk"), || x.topk(n, dim, true));
                }
                cases.run(name("split_sizes"), || x.split_sizes(&[n, n, n], 0));
                for m in SIZES {
                    let name = |op: &str| format!("{op} {n}, {m} of {:?} {}", x.shape(), x.dtype());
                    cases.run(name("repeat"), || x.repeat(&[n, m, 1]));
                    cases.run(name("broadcast_to"), || x.broadcast_to([n, m, 3]));
                    cases.run(name("reshape"), || x.reshape([n, m]));
                    cases.run(name("unflatten"), || x.unflatten(0, [n, m]));
                    cases.run(name("narrow"), || x.narrow(0, n, m));
                    cases.run(name("layer_norm"), || x.layer_norm(&[n, m], None, None, 1e-5));
                    cases.run(name("views"), || {
                        let view = x.broadcast_to([n, m, 3])?;
                        Tensor::stack(&[&view, &view], 0)?.sum_dims(&[0], false)
                    });
                    cases.run(name("outer"), || {
                        let row = |n| Tensor::zeros([0, 1])?.broadcast_to([0, n])?.reshape([0, n]);
                        row(n)?.t().matmul(&row(m)?)
                    });
                }
            }
        }
    });
}

fn offsets_of(cases: &mut Cases, x: &Tensor) {
    for a in OFFSETS {
        let name = |op: &str| format!("{op} {a} of {:?} {}", x.shape(), x.dtype());
        cases.run(name("tril"), || x.tril(a));
        cases.run(name("triu"), || x.triu(a));
        cases.run(name("diag"), || x.diag(a));
        cases.run(name("squeeze"), || x.squeeze(a));
        cases.run(name("unsqueeze"), || x.unsqueeze(a));
        cases.run(name("flip"), || x.flip(&[a]));
        cases.run(name("size"), || x.size(a));
        cases.run(name("softmax"), || x.softmax(a));
        cases.run(name("glu"), || x.glu(a));
        cases.run(name("cumsum"), || x.cumsum(a));
        cases.run(name("cat"), || Tensor::cat(&[x, x], a));
        cases.run(name("stack"), || Tensor::stack(&[x, x], a));
        cases.run(name("sort"), || x.sort(a, false));
        for b in OFFSETS {
            let name = |op: &str| format!("{op} {a}, {b} of {:?} {}", x.shape(), x.dtype());
            cases.run(name("roll"), || x.roll(&[a, b], &[0, 1]));
            cases.run(name("roll over"), || x.roll(&[a], &[b]));
            cases.run(name("pad"), || x.pad(&[(a, b)], 0.0));
            cases.run(name("pad both"), || x.pad(&[(a, b), (b, a)], f64::NAN));
            cases.run(name("pad_reflect"), || x.pad_reflect(&[(a, b)]));
            cases.run(name("pad_replicate"), || x.pad_replicate(&[(a, b)]));
            cases.run(name("pad_circular"), || x.pad_circular(&[(a, b)]));
            cases.run(name("select"), || x.select(a, b));
            cases.run(name("transpose"), || x.transpose(a, b));
            cases.run(name("movedim"), || x.movedim(a, b));
            cases.run(name("flatten"), || x.flatten(a, b));
            cases.run(name("permute"), || x.permute(&[a, b]));
            cases.run(name("diagonal"), || x.diagonal(a, 0, b));
            cases.run(name("diag_embed"), || x.diag_embed(a, 0, b));
            cases.run(name("diag_embed over"), || x.diag_embed(a, b, -1));
            cases.run(name("slice"), || x.slice(0, a..b));
            cases.run(name("index"), || x.index((a, b)));
            cases.run(name("sum_dims"), || x.sum_dims(&[a, b], true));
            cases.run(name("reshape"), || x.reshape([a, b]));
        }
    }
}

#[test]
fn offsets() {
    limited("operations::offsets", |cases| tensors().iter().for_each(|x| offsets_of(cases, x)));
}

#[test]
fn numbers() {
    limited("operations::numbers", |cases| {
        let mut rng = Rng::seed(0);
        let inputs = Tensor::from_nested([NUMBERS]).unwrap();
        let types = [DType::F32, DType::F64, DType::F16, DType::I64, DType::U8, DType::Bool];
        for x in types.map(|dtype| inputs.to_dtype(dtype)).into_iter().chain(tensors()) {
            for a in NUMBERS {
                let name = |op: &str| format!("{op} {a} of {:?} {}", x.shape(), x.dtype());
                cases.run(name("arithmetic"), || {
                    [x.add_scalar(a), x.mul_scalar(a), x.div_scalar(a), x.rsub_scalar(a), x.rdiv_scalar(a), x.powf(a)]
                });
                cases.run(name("comparisons"), || [x.eq_scalar(a), x.lt_scalar(a), x.clamp_min(a), x.clamp_max(a)]);
                cases.run(name("activations"), || [x.leaky_relu(a), x.elu(a), x.full_like(a)]);
                cases.run(name("moments"), || [x.norm(a), x.var(a), x.std(a)]);
                cases.run(name("norm_dims"), || x.norm_dims(a, &[0], false));
                cases.run(name("dropout"), || x.dropout(a, &mut rng));
                cases.run(name("masked_fill"), || x.masked_fill(&x.is_nan(), a));
                cases.run(name("rms_norm"), || x.rms_norm(&[x.shape().last().copied().unwrap_or(0)], None, a));
                for b in NUMBERS {
                    let name = |op: &str| format!("{op} {a}, {b} of {:?} {}", x.shape(), x.dtype());
                    cases.run(name("clamp"), || x.clamp(Some(a), Some(b)));
                    cases.run(name("hardtanh"), || x.hardtanh(a, b));
                    cases.run(name("softplus"), || x.softplus(a, b));
                    cases.run(name("renorm"), || x.renorm(a, 0, b));
                }
            }
        }
    });
}
