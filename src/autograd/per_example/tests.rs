use std::collections::BTreeSet;

use super::*;
use crate::autograd::engine::Sink;
use crate::autograd::function::{Function, Saved};
use crate::rng::Rng;
use crate::tensor;
use crate::tensor::argument::RoundingMode;

type Losses = Box<dyn Fn(&[Tensor], &Tensor) -> Result<Tensor>>;
/// A name, the shapes of what is shared, that of all examples, and their losses.
type Case = (&'static str, Vec<&'static [usize]>, Vec<usize>, Losses);

const EXAMPLES: usize = 4;

fn values(shape: &[usize], low: f64, high: f64) -> Tensor {
    let mut rng = Rng::seed(shape.iter().sum::<usize>() as u64);
    Tensor::uniform(shape, low, high, &mut rng).unwrap().to_dtype(DType::F64)
}

/// Compares with a loop over the examples, each of which is a row of `x`.
#[track_caller]
fn check(what: &str, losses: &Losses, shared: &[Tensor], x: &Tensor) {
    let leaves: Vec<Tensor> = shared.iter().map(|w| w.tracked().unwrap()).collect();
    let all = losses(&leaves, x).unwrap();
    assert_eq!(all.shape(), [x.shape()[0]], "{what}");
    let grads = all.backward_per_example().unwrap_or_else(|e| panic!("{what}: {e}"));
    let norms = all.squared_norms_per_example().unwrap_or_else(|e| panic!("{what}: {e}"));
    let mut total = vec![0.0; x.shape()[0]];
    for (w, leaf) in leaves.iter().enumerate() {
        let (grads, norms) = (grads.wrt(leaf).unwrap(), norms.wrt(leaf).unwrap().to_f64_vec());
        assert_eq!(grads.shape()[1..], *leaf.shape(), "{what}");
        for i in 0..x.shape()[0] {
            let one = losses(&leaves, &x.narrow(0, i, 1).unwrap()).unwrap().sum();
            let want = one.backward().unwrap().wrt(leaf).unwrap().to_f64_vec();
            let got = grads.select(0, i as isize).unwrap().to_f64_vec();
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * b.abs().max(1.0);
            assert!(got.iter().zip(&want).all(|(a, b)| close(*a, *b)), "{what}, {w}, example {i}: {got:?}, {want:?}");
            let square: f64 = want.iter().map(|x| x * x).sum();
            assert!(close(norms[i], square), "{what}, norm of {w}, example {i}: {} {square}", norms[i]);
            total[i] += square;
        }
    }
    for (got, want) in norms.total().unwrap().to_f64_vec().into_iter().zip(&total) {
        assert!((got - want).abs() <= 1e-12 * want.max(1.0));
    }
    for (got, want) in grads.norms().unwrap().to_f64_vec().into_iter().zip(&total) {
        assert!((got - want.sqrt()).abs() <= 1e-12 * want.max(1.0));
    }
    // The sum is that of an ordinary pass.
    let (sum, whole) = (grads.sum().unwrap(), all.sum().backward().unwrap());
    for leaf in &leaves {
        let (a, b) = (sum.wrt(leaf).unwrap().to_f64_vec(), whole.wrt(leaf).unwrap().to_f64_vec());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-11 * b.abs().max(1.0)), "{what}: {a:?}, {b:?}");
    }
    scaled(what, losses, &leaves, x, &grads);
}

/// Factors that are made of norms, all in one pass.
#[track_caller]
fn scaled(what: &str, losses: &Losses, leaves: &[Tensor], x: &Tensor, grads: &ExampleGradients) {
    let again = losses(leaves, x).unwrap();
    let factors = |norms: &Tensor| norms.add_scalar(1.0).reciprocal();
    let one_pass = again.backward_scaled(&mut |norms| Ok(factors(&norms.total()?))).unwrap();
    let factors = factors(&grads.norms().unwrap().square());
    // Where a gradient is of `F32`, so are its factors.
    let tolerance = if what == "to_dtype" { 1e-6 } else { 1e-11 };
    for leaf in leaves {
        let each = grads.wrt(leaf).unwrap();
        let mut shape = vec![1; each.rank()];
        shape[0] = each.shape()[0];
        let want = each.mul(&factors.reshape(&shape[..]).unwrap()).unwrap().sum_dims(&[0], false).unwrap();
        let (got, want) = (one_pass.wrt(leaf).unwrap(), want.to_f64_vec());
        assert_eq!(got.shape(), leaf.shape(), "{what}");
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * b.abs().max(1.0);
        assert!(got.to_f64_vec().iter().zip(&want).all(close), "{what}, scaled: {got:?}, {want:?}");
    }
    // An ordinary pass cannot go on from a graph that was used up.
    assert!(x.shape()[0] == 1 || again.sum().backward().is_err(), "{what}");
}

fn mean(y: Tensor) -> Result<Tensor> {
    if y.rank() == 1 { Ok(y) } else { y.flatten(1, -1)?.mean_dims(&[1], false) }
}

/// Every name in the list stands for an operation that is tried here: broadcast in each operand, and used on shared tensors alone.
#[test]
fn elementwise_operations() {
    type Unary = fn(&Tensor) -> Tensor;
    type Binary = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let unary: Vec<Unary> = vec![
        |x| x.abs(),
        |x| x.acos(),
        |x| x.add_scalar(0.5),
        |x| x.alias(),
        |x| x.asin(),
        |x| x.asinh(),
        |x| x.atan(),
        |x| x.atanh(),
        |x| x.celu(1.2).unwrap(),
        |x| x.clamp(Some(0.3), Some(0.6)),
        |x| x.cos(),
        |x| x.cosh(),
        |x| x.div_scalar(1.5),
        |x| x.elu(1.2),
        |x| x.erf(),
        |x| x.erfc(),
        |x| x.exp(),
        |x| x.exp2(),
        |x| x.expm1(),
        |x| x.gelu(),
        |x| x.gelu_tanh(),
        |x| x.hardsigmoid(),
        |x| x.hardtanh(0.3, 0.6).unwrap(),
        |x| x.hardswish(),
        |x| x.leaky_relu(0.1),
        |x| x.log(),
        |x| x.log10(),
        |x| x.log1p(),
        |x| x.log2(),
        |x| x.log_sigmoid(),
        |x| x.mish(),
        |x| x.mul_scalar(2.5),
        |x| x.neg(),
        |x| x.powf(1.7),
        |x| x.rdiv_scalar(1.5),
        |x| x.reciprocal(),
        |x| x.relu(),
        |x| x.relu6(),
        |x| x.rsqrt(),
        |x| x.rsub_scalar(1.5),
        |x| x.selu(),
        |x| x.sigmoid(),
        |x| x.sign(),
        |x| x.silu(),
        |x| x.sin(),
        |x| x.sinh(),
        |x| x.softplus(1.0, 20.0).unwrap(),
        |x| x.softsign(),
        |x| x.sqrt(),
        |x| x.square(),
        |x| x.tan(),
        |x| x.tanh(),
        |x| x.tanhshrink(),
        |x| x.add_scalar(1.0).acosh(),
    ];
    let binary: Vec<Binary> = vec![
        |a, b| a.add(b),
        |a, b| a.add_alpha(b, 0.7),
        |a, b| a.atan2(b),
        |a, b| a.div(b),
        |a, b| a.div_mode(b, RoundingMode::Floor)?.add(&a.mul(b)?),
        |a, b| a.maximum(b),
        |a, b| a.minimum(b),
        |a, b| a.mul(b),
        |a, b| a.pow(b),
        |a, b| a.mul_scalar(3.0).remainder(b),
        |a, b| a.sub(b),
        |a, b| a.sub_alpha(b, 0.7),
        |a, b| a.lt(b)?.where_(a, b),
        |a, b| a.masked_fill(&b.gt_scalar(0.5), 2.0),
        |a, b| a.masked_fill(&a.detach().gt_scalar(0.5), &b.mean_dims(&[-1], true)?),
        |a, b| a.clamp_tensor(Some(&(b * 0.5)), Some(b)),
    ];
    let met = std::sync::Arc::new(std::sync::Mutex::new(BTreeSet::new()));
    let note = |y: &Tensor, met: &std::sync::Mutex<BTreeSet<&'static str>>| {
        let mut stack: Vec<_> = node_of(y).into_iter().collect();
        while let Some(node) = stack.pop() {
            met.lock().unwrap().insert(node.name);
            node.inputs(&mut |input| stack.push(input.clone()));
        }
    };
    let x = values(&[EXAMPLES, 3], 0.2, 0.9);
    for (i, f) in unary.into_iter().enumerate() {
        for of_shared in [false, true] {
            let met = met.clone();
            let losses: Losses = Box::new(move |w, x| {
                let y = if of_shared { f(&w[0]).mul(x)? } else { f(&w[0].mul(x)?) };
                note(&y, &met);
                mean(y.mul(&w[1])?)
            });
            check(&format!("unary {i}"), &losses, &[values(&[3], 0.3, 0.95), values(&[], 0.5, 1.0)], &x);
        }
    }
    for (i, f) in binary.into_iter().enumerate() {
        for shapes in [[&[3][..], &[3]], [&[1, 3], &[]], [&[1, 1], &[1, 3]]] {
            let met = met.clone();
            let losses: Losses = Box::new(move |w, x| {
                let (a, b) = (w[0].mul(x)?, w[1].add(x)?);
                let y = f(&a, &w[1])?.add(&f(&w[0].broadcast_to(x.shape())?, &b)?)?.add(&f(&w[0], &w[1])?)?;
                note(&y, &met);
                mean(y)?.add(&w[0].sum().mul(&w[1].sum())?)
            });
            // A fill has to broadcast to what it is filled into, which the sums of shared tensors need not.
            if i == 14 && shapes[0] != [3] {
                continue;
            }
            check(&format!("binary {i} {shapes:?}"), &losses, &shapes.map(|s| values(s, 0.3, 0.95)), &x);
        }
    }
    let met = met.lock().unwrap();
    // Tried below: numbers that a narrower type holds, and a copy.
    let others = ["to_dtype", "contiguous"];
    let missing: Vec<_> = ELEMENTWISE.iter().filter(|name| !met.contains(*name) && !others.contains(name)).collect();
    assert!(missing.is_empty(), "not tried: {missing:?}");
}

#[test]
fn operations_along_other_dimensions() {
    let cases: Vec<(&str, Losses)> = vec![
        ("sum", Box::new(|w, x| x.mul(&w[0])?.sum_dims(&[1, 2], false))),
        (
            "sum, kept",
            Box::new(|w, x| x.mul(&w[0])?.sum_dims(&[2], true)?.square().flatten(1, -1)?.logsumexp_dims(&[1], false)),
        ),
        ("permute", Box::new(|w, x| mean(x.mul(&w[0])?.transpose(1, 2)?.mul(&x.transpose(1, 2)?)?))),
        (
            "narrow",
            Box::new(|w, x| {
                mean(x.mul(&w[0])?.narrow(1, 1, 2)?.square().add(&x.mul(&w[0])?.select(1, 0)?.unsqueeze(1)?)?)
            }),
        ),
        ("cat", Box::new(|w, x| mean(Tensor::cat(&[&x.mul(&w[0])?, x], -1)?.square()))),
        ("stack", Box::new(|w, x| mean(Tensor::stack(&[&x.mul(&w[0])?, &x.sub(&w[0])?], 1)?.square()))),
        ("max", Box::new(|w, x| mean(x.mul(&w[0])?.amax(&[2], false)?))),
        ("norm", Box::new(|w, x| mean(x.mul(&w[0])?.norm_dims(3.0, &[1], false)?))),
        (
            "index_select",
            Box::new(|w, x| mean(x.mul(&w[0])?.index_select(1, &Tensor::from_nested([2i64, 0, 2])?)?.square())),
        ),
        (
            "gather",
            Box::new(|w, x| {
                let y = x.mul(&w[0])?;
                mean(y.gather(1, &y.detach().argmax_dim(1, true)?)?)
            }),
        ),
        ("batches of matrices", Box::new(|w, x| mean(x.mul(&w[0])?.matmul(&x.add(&w[0])?.t())?.square()))),
        (
            "squeeze",
            Box::new(|w, x| mean(x.mul(&w[0])?.unsqueeze(1)?.square().squeeze(1)?.reshape([x.shape()[0], 6])?)),
        ),
        (
            "shared alone",
            Box::new(|w, x| {
                let made = w[0].softmax(-1)?.matmul(&w[0].t().add(&w[0].sum())?)?.sum_dims(&[0], false)?;
                mean(x.mul(&made.mul(&w[0].t().square())?.mean())?)
            }),
        ),
        ("contiguous", Box::new(|w, x| mean(x.transpose(1, 2)?.mul(&w[0].t())?.contiguous().square()))),
    ];
    for (what, losses) in cases {
        check(what, &losses, &[values(&[3, 2], 0.5, 1.5)], &values(&[EXAMPLES, 3, 2], -1.0, 1.0));
    }
}

/// The weights of layers: matrices and biases, of vectors and of sequences, tied, transposed, made of others.
#[test]
fn linear_layers_and_embeddings() {
    let cases: Vec<Case> = vec![
        ("linear", vec![&[5, 3], &[5]], vec![EXAMPLES, 3], Box::new(|w, x| mean(x.linear(&w[0], Some(&w[1]))?.tanh()))),
        (
            "two layers",
            vec![&[5, 3], &[5], &[2, 5]],
            vec![EXAMPLES, 3],
            Box::new(|w, x| mean(x.linear(&w[0], Some(&w[1]))?.tanh().linear(&w[2], None)?.square())),
        ),
        // Few and many steps: the norm is computed in two ways.
        (
            "sequence",
            vec![&[5, 3], &[5]],
            vec![EXAMPLES, 2, 3],
            Box::new(|w, x| mean(x.linear(&w[0], Some(&w[1]))?.tanh())),
        ),
        (
            "long",
            vec![&[2, 3], &[2]],
            vec![EXAMPLES, 2, 7, 3],
            Box::new(|w, x| mean(x.linear(&w[0], Some(&w[1]))?.tanh())),
        ),
        (
            "twice",
            vec![&[3, 3], &[3]],
            vec![EXAMPLES, 3],
            Box::new(|w, x| mean(x.linear(&w[0], Some(&w[1]))?.tanh().linear(&w[0], Some(&w[1]))?.tanh())),
        ),
        (
            "made",
            vec![&[3, 5], &[5]],
            vec![EXAMPLES, 3],
            Box::new(|w, x| mean(x.linear(&w[0].t().mul(&w[1].square().unsqueeze(1)?)?, Some(&w[1].exp()))?.tanh())),
        ),
        // Norms are those of the view of a parameter, if nothing else uses either.
        (
            "transposed",
            vec![&[3, 5], &[2, 5]],
            vec![EXAMPLES, 2, 3],
            Box::new(|w, x| {
                mean(x.linear(&w[0].t(), None)?.tanh().linear(&w[1].reshape([5, 2])?.t().contiguous(), None)?.square())
            }),
        ),
        (
            "a view used twice",
            vec![&[3, 3]],
            vec![EXAMPLES, 2, 3],
            Box::new(|w, x| {
                let w = w[0].t();
                mean(x.linear(&w, None)?.tanh().linear(&w, None)?.square())
            }),
        ),
        (
            "two views",
            vec![&[3, 3]],
            vec![EXAMPLES, 2, 3],
            Box::new(|w, x| mean(x.linear(&w[0].t(), None)?.tanh().linear(&w[0], None)?.square())),
        ),
        // As many rows as examples.
        (
            "square",
            vec![&[EXAMPLES, EXAMPLES], &[EXAMPLES]],
            vec![EXAMPLES, EXAMPLES],
            Box::new(|w, x| mean(x.linear(&w[0], Some(&w[1]))?.square())),
        ),
        (
            "embedding",
            vec![&[6, 3], &[3]],
            vec![EXAMPLES, 5],
            Box::new(|w, x| mean(ids(x)?.embedding(&w[0], None)?.mul(&w[1])?.tanh())),
        ),
        (
            "padding",
            vec![&[6, 3]],
            vec![EXAMPLES, 5],
            Box::new(|w, x| mean(ids(x)?.embedding(&w[0], Some(2))?.square())),
        ),
        ("few rows", vec![&[6, 3]], vec![EXAMPLES, 9], Box::new(|w, x| mean(ids(x)?.embedding(&w[0], None)?.sin()))),
        ("one id", vec![&[6, 3]], vec![EXAMPLES], Box::new(|w, x| mean(ids(x)?.embedding(&w[0], None)?.sin()))),
        (
            "tied",
            vec![&[6, 3]],
            vec![EXAMPLES, 4],
            Box::new(|w, x| {
                let h = ids(x)?.embedding(&w[0], None)?;
                mean(h.tanh().linear(&w[0], None)?.square())
            }),
        ),
    ];
    fn ids(x: &Tensor) -> Result<Tensor> {
        Ok(x.add_scalar(1.0).mul_scalar(3.0).floor().clamp(Some(0.0), Some(5.0)).to_dtype(DType::I64))
    }
    for (what, shapes, x, losses) in cases {
        let shared: Vec<Tensor> = shapes.iter().map(|shape| values(shape, -0.8, 0.9)).collect();
        for examples in [x[0], 1] {
            let shape: Vec<usize> = std::iter::once(examples).chain(x[1..].iter().copied()).collect();
            check(what, &losses, &shared, &values(&shape, -1.0, 1.0));
        }
    }
    // A transposed weight, as loaded from files that keep them so.
    let losses: Losses = Box::new(|w, x| mean(x.linear(&w[0], None)?.tanh()));
    check("kept transposed", &losses, &[values(&[3, 5], -1.0, 1.0).t()], &values(&[EXAMPLES, 3], -1.0, 1.0));
}

#[test]
fn what_cannot_keep_examples_apart_is_refused_by_name() {
    let w = values(&[3, 2], -1.0, 1.0).tracked().unwrap();
    let same = values(&[EXAMPLES, 3], -1.0, 1.0).tracked().unwrap();
    let x = values(&[EXAMPLES, 3], -1.0, 1.0);
    let refused = |losses: Result<Tensor>| {
        let losses = losses.unwrap();
        let e = losses.backward_per_example().unwrap_err();
        assert_eq!(losses.squared_norms_per_example().unwrap_err().message(), e.message());
        assert_eq!(e.help(), Some("compute the loss of one example after the other, with a backward pass for each"));
        e.message()
    };
    let none = "the gradients of single examples: this operation has no rule for them";
    // The sum over examples is a part of the product.
    assert_eq!(refused(x.matmul(&w).and_then(mean)), format!("matmul: {none}"));
    let h = || x.mul(&w.select(1, 0).unwrap());
    assert_eq!(refused(h().unwrap().softmax(0).and_then(mean)), format!("softmax: {none}"));
    assert_eq!(refused(h().unwrap().cumsum(0).and_then(mean)), format!("cumsum: {none}"));
    assert_eq!(refused(h().unwrap().flip(&[0]).and_then(mean)), format!("flip: {none}"));
    assert_eq!(
        refused(h().unwrap().index_select(0, &Tensor::from_nested([1i64, 0, 2, 3]).unwrap()).and_then(mean)),
        format!("index_select: {none}")
    );
    let custom =
        super::super::custom("own", &[&h().unwrap()], |x| Ok(x[0].square()), |g, x, _| Ok(vec![Some(g.mul(&x[0])?)]));
    assert_eq!(refused(custom.and_then(mean)), format!("own: {none}"));
    let row = w.select(1, 0).unwrap();
    let inside = super::super::checkpoint(move |x| x.mul(&row), &x);
    assert_eq!(refused(inside.and_then(mean)), format!("checkpoint: {none}"));
    // A parameter with a row for each example is shared by none of them.
    assert_eq!(
        refused(x.mul(&same).and_then(mean)),
        "backward_per_example: the gradients of single examples: a tracked tensor of shape [4, 3] has the examples in its \
         first dimension, so they do not share it"
    );
    let two_ways = same.sum_dims(&[0], true).unwrap().mul(&same);
    assert_eq!(
        refused(two_ways.unwrap().mul(&x).and_then(mean)),
        "sum: the gradients of single examples: an input is shared by all examples in one place, and not in another"
    );
}

#[test]
fn losses_have_to_be_one_for_each_example() {
    let w = tensor![1.0, 2.0].tracked().unwrap();
    let e = w.square().sum().backward_per_example().unwrap_err();
    assert_eq!(e.message(), "backward_per_example: the loss has shape [], expected one number for each example");
    assert_eq!(e.help(), Some("compute it with Reduction::None, and take means over all dimensions but the first"));
    let e = tensor![1.0].squared_norms_per_example().unwrap_err();
    assert_eq!(
        e.message(),
        "squared_norms_per_example: there is nothing to differentiate: the loss was not computed from tracked tensors"
    );
    let none = Tensor::zeros([0, 2]).unwrap().mul(&w).unwrap().sum_dims(&[1], false).unwrap();
    assert_eq!(none.backward_per_example().unwrap_err().message(), "backward_per_example: no examples");
    let losses = tensor![[1.0, 2.0], [3.0, 4.0]].mul(&w).unwrap().sum_dims(&[1], false).unwrap();
    let grads = losses.backward_per_example().unwrap();
    assert_eq!(
        grads.wrt(&tensor![1.0]).unwrap_err().message(),
        "wrt: the losses do not depend on this tensor, or it is not tracked"
    );
    assert_eq!(format!("{grads:?}"), "ExampleGradients(2 examples, [[2, 2]])");
    // A graph that an ordinary pass has freed.
    losses.sum().backward().unwrap();
    let e = losses.backward_per_example().unwrap_err();
    assert_eq!(e.message(), "backward: the graph behind `sum` was freed by an earlier backward pass");
}

#[test]
fn gradients_are_clipped_one_by_one() {
    let w = tensor![0.0, 0.0].tracked().unwrap();
    let b = tensor![0.0].tracked().unwrap();
    let x = tensor![[3.0, 0.0], [0.3, 0.4], [0.0, -1.0]];
    let losses = x.mul(&w).unwrap().sum_dims(&[1], false).unwrap().add(&(&b * 4.0)).unwrap();
    let grads = losses.backward_per_example().unwrap();
    let norms = grads.norms().unwrap().to_f64_vec();
    let want = [5.0, 16.25f64.sqrt(), 17f64.sqrt()];
    assert!(norms.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{norms:?}");
    let clipped = grads.clip_each(4.5).unwrap();
    let norms = clipped.norms().unwrap().to_f64_vec();
    assert!(norms.iter().zip([4.5, want[1], want[2]]).all(|(a, b)| (a - b).abs() < 1e-5), "{norms:?}");
    // What is short enough is not touched.
    assert_eq!(clipped.wrt(&w).unwrap().to_f64_vec()[2..], grads.wrt(&w).unwrap().to_f64_vec()[2..]);
    let mean = clipped.mean().unwrap();
    assert!((mean.wrt(&b).unwrap().item().unwrap() - (4.0 * 4.5 / 5.0 + 8.0) / 3.0).abs() < 1e-5);
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let e = grads.clip_each(bad).unwrap_err();
        assert_eq!(e.message(), format!("clip_each: max_norm is {bad}, expected a finite number above 0"));
    }
    let nan = losses.mul(&tensor![1.0, f64::NAN, 1.0]).unwrap().backward_per_example().unwrap();
    assert_eq!(nan.clip_each(1.0).unwrap_err().message(), "clip_each: the norm of the gradient of example 1 is NaN");
}

#[test]
fn casts_and_losses_that_depend_on_other_examples() {
    let quarters = |x: &Tensor| x.mul_scalar(4.0).round().div_scalar(4.0);
    let narrow: Losses = Box::new(|w, x| {
        let y = x.mul(&w[0])?.to_dtype(DType::F32).square().to_dtype(DType::F64);
        y.sum_dims(&[1], false)?.mul(&w[0].to_dtype(DType::F32).to_dtype(DType::F64).sum())
    });
    check("to_dtype", &narrow, &[quarters(&values(&[2], -1.0, 1.0))], &quarters(&values(&[EXAMPLES, 2], -1.0, 1.0)));

    let w = values(&[3], -1.0, 1.0).tracked().unwrap();
    let y = values(&[EXAMPLES, 3], -1.0, 1.0).mul(&w).unwrap().tanh();
    let losses = mean(y.sub(&y.mean_dims(&[0], true).unwrap()).unwrap().square()).unwrap();
    let grads = losses.backward_per_example();
    // Every row of the mean is used as it is and, through the mean, by all: two things at once.
    assert_eq!(
        grads.unwrap_err().message(),
        "mean: the gradients of single examples: an input is shared by all examples in one place, and not in another"
    );
    let center = y.mean_dims(&[0], true).unwrap().mul(&values(&[EXAMPLES, 3], 0.5, 1.0)).unwrap();
    let losses = mean(center.square()).unwrap();
    let grads = losses.backward_per_example().unwrap();
    for i in 0..EXAMPLES {
        let want = losses.select(0, i as isize).unwrap().backward_retain().unwrap().wrt(&w).unwrap().to_f64_vec();
        let got = grads.wrt(&w).unwrap().select(0, i as isize).unwrap().to_f64_vec();
        assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?}, {want:?}");
    }
}

/// Functions whose forward and backward are one unit, and losses.
#[test]
fn fused_operations() {
    use crate::losses::{Bce, CrossEntropy, CrossEntropyFromProbabilities, Loss, Reduction};
    let classes = |x: &Tensor| x.detach().argmax_dim(-1, false);
    let cases: Vec<Case> = vec![
        (
            "softmax",
            vec![&[3]],
            vec![EXAMPLES, 2, 3],
            Box::new(|w, x| mean(x.mul(&w[0])?.softmax(-1)?.square().add(&x.mul(&w[0])?.log_softmax(1)?)?)),
        ),
        (
            "cross_entropy",
            vec![&[3], &[3, 3]],
            vec![EXAMPLES, 3],
            Box::new(move |w, x| {
                let loss = CrossEntropy::new().reduction(Reduction::None).label_smoothing(0.1)?;
                loss.loss(&x.linear(&w[1], Some(&w[0]))?, &classes(x)?)
            }),
        ),
        (
            "bce",
            vec![&[3]],
            vec![EXAMPLES, 3],
            Box::new(|w, x| {
                let p = x.mul(&w[0])?.sigmoid();
                mean(Bce::new().reduction(Reduction::None).loss(&p, &x.detach().gt_scalar(0.0).to_dtype(x.dtype()))?)
            }),
        ),
        (
            "log_likelihood",
            vec![&[3]],
            vec![EXAMPLES, 3],
            Box::new(move |w, x| {
                let loss = CrossEntropyFromProbabilities::new().reduction(Reduction::None);
                mean(loss.loss(&x.mul(&w[0])?.softmax(-1)?, &x.detach().softmax(-1)?)?)
            }),
        ),
        (
            "layer_norm",
            vec![&[3], &[3], &[3]],
            vec![EXAMPLES, 3],
            Box::new(|w, x| mean(x.mul(&w[0])?.layer_norm(&[3], Some(&w[1]), Some(&w[2]), 1e-5)?.sin())),
        ),
        (
            "layer norm of sequences",
            vec![&[2, 3], &[2, 3], &[2, 3]],
            vec![EXAMPLES, 2, 4, 2, 3],
            Box::new(|w, x| mean(x.mul(&w[0])?.layer_norm(&[2, 3], Some(&w[1]), Some(&w[2]), 1e-5)?.sin())),
        ),
        (
            "rms_norm",
            vec![&[3], &[3]],
            vec![EXAMPLES, 5, 3],
            Box::new(|w, x| mean(x.mul(&w[0])?.rms_norm(&[3], Some(&w[1]), 1e-5)?.sin())),
        ),
        (
            "attention",
            vec![&[4, 4], &[4, 4]],
            vec![EXAMPLES, 2, 3, 4],
            Box::new(|w, x| {
                let options = crate::autograd::AttentionOptions::new().causal();
                mean(x.linear(&w[0], None)?.attention(&x.linear(&w[1], None)?, x, &options)?.square())
            }),
        ),
    ];
    for (what, shapes, x, losses) in cases {
        let shared: Vec<Tensor> = shapes.iter().map(|shape| values(shape, 0.3, 0.9)).collect();
        check(what, &losses, &shared, &values(&x, -1.0, 1.0));
    }
    // Over the examples themselves there is nothing to tell apart.
    let w = values(&[EXAMPLES, 3], 0.3, 0.9).tracked().unwrap();
    let x = values(&[3], 0.2, 1.0).tracked().unwrap();
    let y = values(&[EXAMPLES, 3], -1.0, 1.0).mul(&x).unwrap().layer_norm(&[EXAMPLES, 3], Some(&w), None, 1e-5);
    assert_eq!(
        mean(y.unwrap()).unwrap().backward_per_example().unwrap_err().message(),
        "layer_norm: the gradients of single examples: this operation has no rule for them"
    );
    let halves = crate::autograd::custom_many(
        "halves",
        &[&values(&[EXAMPLES, 3], -1.0, 1.0).mul(&x).unwrap()],
        |x| Ok(vec![x[0] * 0.5, x[0] * 0.5]),
        |g, _, _| Ok(vec![Some(g.or_zeros(0)?.add(&g.or_zeros(1)?)? * 0.5)]),
    );
    assert_eq!(
        mean(halves.unwrap().remove(1)).unwrap().backward_per_example().unwrap_err().message(),
        "halves: the gradients of single examples: this operation has no rule for them"
    );
}

/// A function of one's own that says twice what is known of an input. Gradients are added up, as everywhere; norms cannot be.
#[test]
fn what_a_rule_gives_twice() {
    struct Twice;
    impl Function for Twice {
        fn name(&self) -> &'static str {
            "twice"
        }
        fn forward(&mut self, inputs: &[&Tensor]) -> Result<Tensor> {
            inputs[0].mul(inputs[1])
        }
        fn backward(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut Sink<'_, '_>) -> Result<()> {
            sink.give(1, grad.mul(&saved.inputs()[0])?.sum_dims(&[0], false)?)
        }
        fn backward_per_example(&self, saved: &Saved<'_>, grad: &Tensor, sink: &mut ExampleSink<'_, '_>) -> Result<()> {
            let half = grad.mul(&saved.inputs()[0])?.mul_scalar(0.5);
            sink.give_each(1, half.clone())?;
            sink.give_each(1, half)
        }
    }
    let w = values(&[2], -1.0, 1.0).tracked().unwrap();
    let x = values(&[EXAMPLES, 2], -1.0, 1.0);
    let losses = super::super::apply(Twice, &[&x, &w]).and_then(mean).unwrap();
    let grads = losses.backward_per_example().unwrap();
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(near(&grads.wrt(&w).unwrap().to_f64_vec(), &x.mul_scalar(0.5).to_f64_vec()));
    let e = losses.squared_norms_per_example().unwrap_err();
    assert_eq!(e.message(), "twice: its rule for single examples gave the norms of one input twice");
    assert!(e.to_string().contains(file!()), "{e}");
}

/// All steps of all examples as rows of one tensor: parameters enter there, and the losses are put together again.
#[test]
fn several_rows_of_each_example() {
    let norm = |x: &Tensor, w: &Tensor| x.layer_norm(&[3], Some(w), None, 1e-5);
    let cases: Vec<Case> = vec![
        (
            "linear and a scale on rows",
            vec![&[3], &[2, 3], &[2]],
            vec![EXAMPLES, 5, 3],
            Box::new(|w, x| {
                let rows = x.mul(&w[0])?.reshape([-1, 3])?.sin().mul(&w[0])?;
                mean(rows.linear(&w[1], Some(&w[2]))?.tanh().reshape([-1, 5, 2])?)
            }),
        ),
        (
            "norm of rows, joined and cut",
            vec![&[3], &[3]],
            vec![EXAMPLES, 4, 3],
            Box::new(move |w, x| {
                let rows = norm(&x.mul(&w[0])?.reshape([-1, 3])?, &w[1])?;
                let both = Tensor::cat(&[&rows, &rows.square()], 1)?.narrow(1, 1, 4)?;
                mean(both.reshape([-1, 8, 2])?.sin())
            }),
        ),
        (
            "cross entropy of rows",
            vec![&[3]],
            vec![EXAMPLES, 4, 3],
            Box::new(|w, x| {
                let rows = x.mul(&w[0])?.reshape([-1, 3])?;
                let losses = rows.log_softmax(-1)?.select(1, 1)?.mul(&w[0].sum())?;
                mean(losses.reshape([-1, 4])?)
            }),
        ),
        (
            "convolutions of steps",
            vec![&[2, 1, 2], &[2]],
            vec![EXAMPLES, 3, 1, 6],
            Box::new(|w, x| {
                let rows = x.flatten(0, 1)?.conv1d(&w[0], Some(&w[1]), &crate::autograd::ConvOptions::new())?;
                mean(rows.sin().unflatten(0, [x.shape()[0], 3])?)
            }),
        ),
        (
            "steps in front",
            vec![&[3], &[3]],
            vec![EXAMPLES, 4, 3],
            Box::new(|w, x| {
                let steps = x.transpose(0, 1)?.mul(&w[0])?.sin().add(&w[1])?;
                mean(Tensor::stack(&[&steps, &steps.square()], 0)?.permute(&[2, 1, 0, 3])?)
            }),
        ),
    ];
    for (what, shapes, x, losses) in cases {
        let shared: Vec<Tensor> = shapes.iter().map(|shape| values(shape, 0.3, 0.9)).collect();
        check(what, &losses, &shared, &values(&x, -1.0, 1.0));
    }
}

/// By the gradients of the weights and by pairs of places, with kernels of `f32` and without.
#[test]
fn convolutions_of_all_kinds() {
    use crate::autograd::ConvOptions;
    type Convolve = fn(&Tensor, &Tensor, &ConvOptions) -> Result<Tensor>;
    let [one, two, three]: [Convolve; 3] =
        [|x, w, o| x.conv1d(w, None, o), |x, w, o| x.conv2d(w, None, o), |x, w, o| x.conv3d(w, None, o)];
    let [back_one, back_two]: [Convolve; 2] =
        [|x, w, o| x.conv_transpose1d(w, None, o), |x, w, o| x.conv_transpose2d(w, None, o)];
    let plain = ConvOptions::new;
    let cases: Vec<(Convolve, &'static [usize], Vec<usize>, ConvOptions)> = vec![
        (one, &[3, 2, 2], vec![EXAMPLES, 2, 9], plain().padding(1).stride(2)),
        (one, &[9, 8, 3], vec![EXAMPLES, 8, 4], plain().dilation(2).padding(2)),
        (two, &[16, 1, 3, 3], vec![EXAMPLES, 1, 8, 8], plain().padding(1)),
        (two, &[20, 6, 3, 3], vec![EXAMPLES, 6, 9, 7], plain().padding([2, 1]).stride([1, 2])),
        (two, &[8, 4, 3, 3], vec![EXAMPLES, 8, 7, 7], plain().groups(2).padding(1)),
        (two, &[24, 16, 3, 3], vec![EXAMPLES, 16, 4, 4], plain().stride(2).padding(1)),
        (two, &[24, 16, 2, 2], vec![EXAMPLES, 32, 4, 4], plain().groups(2).dilation(3)),
        (two, &[8, 1, 3, 3], vec![EXAMPLES, 8, 5, 5], plain().groups(8).padding(1)),
        (two, &[5, 4, 1, 1], vec![EXAMPLES, 4, 3, 3], plain()),
        (three, &[5, 4, 2, 2, 2], vec![EXAMPLES, 4, 3, 3, 3], plain()),
        (three, &[16, 16, 2, 2, 2], vec![EXAMPLES, 16, 2, 2, 2], plain()),
        (back_one, &[4, 3, 2], vec![EXAMPLES, 4, 5], plain().stride(2)),
        (back_two, &[4, 6, 3, 3], vec![EXAMPLES, 4, 5, 5], plain().stride(2).padding(1)),
        (back_two, &[16, 8, 2, 2], vec![EXAMPLES, 16, 2, 2], plain().stride(2).groups(2)),
    ];
    for (convolve, shape, size, options) in cases {
        let what = format!("{shape:?} {size:?}");
        let (w, x) = (values(shape, -0.5, 0.9), values(&size, -1.0, 1.0));
        let losses: Losses = Box::new(move |w, x| mean(convolve(&x.sin(), &w[0], &options)?.sin()));
        let both = [DType::F64, DType::F32].map(|dtype| {
            let leaf = w.to_dtype(dtype).tracked().unwrap();
            let all = losses(std::slice::from_ref(&leaf), &x.to_dtype(dtype)).unwrap();
            let grads = all.backward_per_example().unwrap().wrt(&leaf).unwrap().to_f64_vec();
            let norms = all.squared_norms_per_example().unwrap().wrt(&leaf).unwrap().to_f64_vec();
            (grads, norms)
        });
        let close = |a: &[f64], b: &[f64]| {
            let size = b.iter().fold(0.0f64, |most, b| most.max(b.abs()));
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * size)
        };
        assert!(close(&both[1].0, &both[0].0) && close(&both[1].1, &both[0].1), "{what}: {both:?}");
        check(&what, &losses, &[w], &x);
    }
}
