//! Reductions of tensors without elements whose other sizes are huge: what is left is as large as they say.

use demotic::{DType, ErrorKind, Result, Tensor};

use super::child::limited;

type Op = fn(&Tensor, isize) -> Result<Tensor>;

/// Everything that goes over one dimension, or over all but one.
const OPS: [(&str, Op); 31] = [
    ("sum", |x, d| x.sum_dims(&[d], true)),
    ("mean", |x, d| x.mean_dims(&[d], false)),
    ("logsumexp", |x, d| x.logsumexp_dims(&[d], false)),
    ("var", |x, d| x.var_dims(&[d], 1.0, false)),
    ("std", |x, d| x.std_dims(&[d], 1.0, true)),
    ("prod", |x, d| x.prod_dims(&[d], false)),
    ("norm", |x, d| x.norm_dims(2.0, &[d], false)),
    ("norm 0", |x, d| x.norm_dims(0.0, &[d], false)),
    ("norm inf", |x, d| x.norm_dims(f64::INFINITY, &[d], false)),
    ("any", |x, d| x.any_dims(&[d], false)),
    ("all", |x, d| x.all_dims(&[d], true)),
    ("count_nonzero", |x, d| x.count_nonzero_dims(&[d], false)),
    ("amax", |x, d| x.amax(&[d], false)),
    ("amin", |x, d| x.amin(&[d], true)),
    ("max_dim", |x, d| Ok(x.max_dim(d, false)?.1)),
    ("argmax", |x, d| x.argmax_dim(d, false)),
    ("cumsum", |x, d| x.cumsum(d)),
    ("cumprod", |x, d| x.cumprod(d)),
    ("softmax", |x, d| x.softmax(d)),
    ("log_softmax", |x, d| x.log_softmax(d)),
    ("sort", |x, d| Ok(x.sort(d, true)?.0)),
    ("topk", |x, d| Ok(x.topk(x.size(d)?.min(2), d, true)?.0)),
    ("renorm", |x, d| x.renorm(2.0, d, 1.0)),
    ("flip", |x, d| x.flip(&[d])),
    ("roll", |x, d| x.roll(&[3], &[d])),
    ("layer_norm", |x, d| x.layer_norm(&x.shape()[x.rank() - (d as usize % 2 + 1)..], None, None, 1e-5)),
    ("rms_norm", |x, d| x.rms_norm(&x.shape()[x.rank() - (d as usize % 2 + 1)..], None, 1e-5)),
    ("matmul", |x, d| x.matmul(&x.transpose(0, d)?)),
    ("mean of two", |x, d| x.mean_dims(&[d, (d + 1) % x.rank() as isize], false)),
    ("narrow", |x, d| x.narrow(d, 0, x.size(d)?)?.sum_dims(&[d], false)),
    ("select", |x, d| x.select(d, 0)),
];

const SHAPES: [&[usize]; 7] = [
    &[0, 1 << 40],
    &[1 << 40, 0],
    &[0, 1 << 40, 3],
    &[1 << 20, 0, 1 << 20],
    &[0, 1 << 30, 1 << 20],
    &[1 << 30, 1 << 20, 0],
    &[0, 1 << 29],
];

#[test]
fn huge_results_of_nothing() {
    limited("reductions::huge_results_of_nothing", |cases| {
        for shape in SHAPES {
            for dtype in [DType::F32, DType::F64, DType::BF16, DType::U8, DType::I64, DType::Bool] {
                let Ok(x) = Tensor::full_dtype(shape, 0.0, dtype) else { continue };
                let x = x.tracked().unwrap_or(x);
                for dim in 0..shape.len() as isize {
                    for (name, op) in OPS {
                        cases.run(format!("{name} of {shape:?} {dtype} over {dim}"), || {
                            let y = op(&x, dim)?;
                            if y.is_empty() && y.is_tracked() {
                                y.sum().backward()?;
                            }
                            Ok::<_, demotic::Error>(y.is_empty().then(|| y.to_string()))
                        });
                    }
                }
                cases.run(format!("whole {shape:?} {dtype}"), || {
                    let all = [x.sum(), x.mean(), x.var(1.0), x.std(0.0), x.norm(2.0), x.prod(), x.logsumexp()];
                    all.map(|y| y.item())
                });
                cases.run(format!("text of {shape:?} {dtype}"), || format!("{x} {x:?}"));
                cases.run(format!("elements of {shape:?} {dtype}"), || x.to_f64_vec());
            }
        }
    });
}

#[test]
fn equations_and_products_of_nothing() {
    limited("reductions::equations_and_products_of_nothing", |cases| {
        for (n, m) in [(1 << 40, 1 << 40), (1 << 40, 1), (1 << 20, 1 << 20), (1 << 30, 1 << 30)] {
            for dtype in [DType::F32, DType::F64] {
                let [a, b] = [[n, 0], [0, m]].map(|shape| Tensor::full_dtype(shape, 0.0, dtype).unwrap());
                cases.run(format!("[{n}, 0] × [0, {m}]"), || a.matmul(&b));
                cases.run(format!("linear [{n}, 0], [{m}, 0]"), || a.linear(&b.t(), None));
                for equation in ["ij,jk->ik", "ij,jk->", "ij,jk->i", "ij,jk->k", "ij,jk->ikj", "ij,jk"] {
                    cases.run(format!("{equation} of [{n}, 0], [0, {m}]"), || Tensor::einsum(equation, &[&a, &b]));
                }
                for equation in ["ij->i", "ij->j", "ij->", "ij->ji"] {
                    cases.run(format!("{equation} of [{n}, 0]"), || Tensor::einsum(equation, &[&a]));
                    cases.run(format!("{equation} of [0, {m}]"), || Tensor::einsum(equation, &[&b]));
                }
            }
        }
    });
}

#[test]
fn the_error_says_what_does_not_fit() {
    let x = Tensor::zeros([0, 1 << 40]).unwrap();
    type Op = fn(&Tensor) -> Result<Tensor>;
    let ops: [(&str, Op); 11] = [
        ("sum", |x| x.sum_dims(&[0], true)),
        ("mean", |x| x.mean_dims(&[0], true)),
        ("logsumexp", |x| x.logsumexp_dims(&[0], false)),
        ("var", |x| x.var_dims(&[0], 1.0, false)),
        ("std", |x| x.std_dims(&[0], 1.0, false)),
        ("prod", |x| x.prod_dims(&[-2], false)),
        ("norm", |x| x.norm_dims(2.0, &[0], false)),
        ("any", |x| x.any_dims(&[0], false)),
        ("all", |x| x.all_dims(&[0], false)),
        ("count_nonzero", |x| x.count_nonzero_dims(&[0], false)),
        ("renorm", |x| x.renorm(2.0, 1, 1.0)),
    ];
    for (name, op) in ops {
        let error = op(&x).unwrap_err();
        let wanted =
            format!("{name}: a result of shape [1, 1099511627776] (of [0, 1099511627776]) does not fit into memory");
        assert_eq!((error.message(), error.kind()), (wanted, ErrorKind::Shape));
        assert!(error.to_string().contains("reductions.rs"), "not the caller's line: {error}");
    }
    // What fits is there.
    let sums = Tensor::zeros([0, 1 << 20]).unwrap().sum_dims(&[0], false).unwrap();
    assert!(sums.shape() == [1 << 20] && sums.to_f64_vec().iter().all(|x| *x == 0.0));
}
