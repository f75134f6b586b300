//! What is computed twice: the same gradients as if it had been computed once, by every way of asking for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use demotic::autograd::{GradOptions, checkpoint, grad, gradcheck, gradgradcheck, no_grad};
use demotic::layers::{Slot, Visitor, checkpointed};
use demotic::models::{Gpt, GptConfig};
use demotic::prelude::*;
use demotic::{ErrorKind, losses, tensor};

/// `f(x, w)`, with `w` captured.
type Captured = fn(&Tensor, &Tensor) -> Result<Tensor>;
/// A way to compute it.
type Way = fn(Captured, &Tensor, &Tensor) -> Result<Tensor>;

fn once(f: Captured, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    f(x, w)
}

fn twice(f: Captured, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let w = w.clone();
    checkpoint(move |x| f(x, &w), x)
}

/// A checkpoint in a checkpoint, both of which capture.
fn nested(f: Captured, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let w = w.clone();
    checkpoint(
        move |x| {
            let inner = w.clone();
            checkpoint(move |x| f(x, &inner), &x.mul(&w)?)
        },
        x,
    )
}

fn nested_once(f: Captured, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    f(&x.mul(w)?, w)
}

const FUNCTIONS: [Captured; 5] = [
    |x, w| (x.mul(w)?.square() + x.square())?.mul(w),
    |x, w| x.layer_norm(&[3], Some(&w.select(0, 0)?), None, 1e-5)?.mul(w),
    |x, w| x.linear(w, None)?.softmax(-1),
    // Only what was captured, and only what was given.
    |_, w| Ok(w.sin()),
    |x, _| Ok(x.sin()),
];

fn points() -> [Tensor; 2] {
    [
        tensor![[1.0, 2.0, -0.5], [0.3, -1.2, 0.8], [0.1, 0.9, 1.7]],
        tensor![[0.5, -0.3, 1.1], [0.7, 0.2, -0.4], [1.3, 0.6, -0.9]],
    ]
}

#[test]
fn captured_tensors_are_inputs_of_both_orders() -> Result<()> {
    for (i, f) in FUNCTIONS.into_iter().enumerate() {
        for run in [twice as Way, nested] {
            // The captured tensor inside alone, and outside as well.
            let inside = |x: &[Tensor]| run(f, &x[0], &x[1]);
            let both = |x: &[Tensor]| run(f, &x[0], &x[1])?.mul(&x[1].sin())?.add(&x[1].square());
            gradcheck(inside, &points()).unwrap_or_else(|e| panic!("{i}: {e}"));
            gradgradcheck(inside, &points()).unwrap_or_else(|e| panic!("{i}: {e}"));
            gradcheck(both, &points()).unwrap_or_else(|e| panic!("{i}: {e}"));
            gradgradcheck(both, &points()).unwrap_or_else(|e| panic!("{i}: {e}"));
        }
    }
    Ok(())
}

/// `grad` as it is called outside of tests: for the captured tensor alone, without `allow_unused`.
#[test]
fn grad_finds_what_was_captured() -> Result<()> {
    let [x, w] = points().map(|x| x.tracked().unwrap());
    for f in &FUNCTIONS[..4] {
        let ways: [(Way, Way); 2] = [(once, twice), (nested_once, nested)];
        for (plain, run) in ways {
            let gradient =
                |y: Tensor| Ok::<_, Error>(grad(&[&y.square().sum()], &[&w], GradOptions::default())?.remove(0));
            let (a, b) = (gradient(plain(*f, &x, &w)?)?, gradient(run(*f, &x, &w)?)?);
            assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?);
            // Where the input is not tracked at all, too.
            let gradient = |y: Tensor| y.square().sum().backward()?.wrt(&w)?.to_vec::<f32>();
            assert_eq!(gradient(plain(*f, &x.detach(), &w)?)?, gradient(run(*f, &x.detach(), &w)?)?);
        }
    }
    Ok(())
}

/// What is captured need not be a leaf, and may be used elsewhere: its graph is walked once, from where all its gradients
/// have arrived.
#[test]
fn captured_results_have_a_graph_of_their_own() -> Result<()> {
    let [x, w] = points().map(|x| x.tracked().unwrap());
    let h = w.exp();
    let loss = |y: Tensor| y.sum().add(&h.square().sum());
    let plain = loss(x.mul(&h)?)?.backward_retain()?;
    let inner = h.clone();
    let y = checkpoint(move |x| x.mul(&inner), &x)?;
    let again = loss(y.clone())?.backward_retain()?;
    assert_eq!(plain.len(), again.len());
    for leaf in [&x, &w] {
        assert_eq!(plain.wrt(leaf)?.to_vec::<f32>()?, again.wrt(leaf)?.to_vec::<f32>()?);
    }
    let g = grad(&[&y.sum()], &[&h], GradOptions::default())?;
    assert_eq!(g[0].to_vec::<f32>()?, x.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn without_tracked_tensors_the_result_is_not_tracked() -> Result<()> {
    let [x, w] = points().map(|x| x.tracked().unwrap());
    let double = |x: &Tensor| Ok(x * 2.0);
    assert!(!checkpoint(double, &x.detach())?.is_tracked());
    assert!(checkpoint(double, &x)?.is_tracked());
    assert!(!no_grad(|| checkpoint(double, &x))?.is_tracked());
    let inner = w.clone();
    assert!(!checkpoint(move |x| no_grad(|| x.mul(&inner)), &x.detach())?.is_tracked());
    // What the function hands out as it is counts as used, its own leaves do not.
    let inner = w.clone();
    let y = checkpoint(move |_| Ok(inner.clone()), &x.detach())?;
    assert_eq!(grad(&[&y.sum()], &[&w], GradOptions::default())?[0].to_vec::<f32>()?, [1.0; 9]);
    assert!(!checkpoint(|x| Ok(x.tracked()?.square()), &x.detach())?.is_tracked());
    Ok(())
}

/// The penalty of WGAN-GP, `(‖∂f/∂x‖ − 1)²`, needs second-order gradients of every weight.
#[test]
fn gradient_penalties_go_through_checkpointed_layers() -> Result<()> {
    let mut rng = Rng::seed(3);
    let block = sequential![Linear::new(3, 5, &mut rng)?, Gelu, LayerNorm::new([5])?, Linear::new(5, 3, &mut rng)?];
    let head = Linear::new(3, 1, &mut rng)?;
    let x = points()[0].tracked()?;
    let penalty = |save: bool| {
        let mut y = x.clone();
        for _ in 0..2 {
            y = if save {
                checkpointed(&block, &y, &mut Mode::eval())?
            } else {
                block.forward(&y, &mut Mode::eval())?
            };
        }
        let score = head.forward(&y, &mut Mode::eval())?.sum();
        let slope = grad(&[&score], &[&x], GradOptions::new().create_graph(true))?.remove(0);
        let penalty = (slope.norm_dims(2.0, &[1], false)? - 1.0).square().mean();
        penalty.add(&score)?.backward()
    };
    let (plain, saved) = (penalty(false)?, penalty(true)?);
    assert_eq!((plain.len(), saved.len()), (9, 9));
    for (a, b) in plain.iter().zip(saved.iter()) {
        for (a, b) in a.to_f64_vec().iter().zip(b.to_f64_vec()) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a}, but {b} by computing twice");
        }
    }
    Ok(())
}

/// A whole model by `grad`: every parameter, once alone and all together, and the same as without.
#[test]
fn parameters_of_a_checkpointed_model_are_found_by_grad() -> Result<()> {
    let gradients = |config: GptConfig, one_by_one: bool| -> Result<Vec<Vec<f32>>> {
        let model = Gpt::new(config, &mut Rng::seed(1))?;
        let ids = Tensor::from_nested([[1i64, 4, 2, 0], [3, 3, 1, 2]])?;
        let mut rng = Rng::seed(2);
        let logits = model.forward(&ids, &mut Mode::train(&mut rng))?;
        let loss = losses::cross_entropy(&logits.flatten(0, 1)?, &ids.flatten(0, 1)?)?;
        let mut params = Vec::new();
        model.visit(&mut Visitor::new(&mut |_, slot| {
            if let Slot::Param(param) = slot {
                params.push(param.value().clone());
            }
        }));
        let params: Vec<&Tensor> = params.iter().collect();
        let options = || GradOptions::new().retain_graph(true);
        let grads = match one_by_one {
            true => {
                params.iter().map(|p| Ok(grad(&[&loss], &[p], options())?.remove(0))).collect::<Result<Vec<_>>>()?
            }
            false => grad(&[&loss], &params, options())?,
        };
        grads.iter().map(|g| g.to_vec::<f32>()).collect()
    };
    let config = |dropout| GptConfig::new(6, 8).hidden_size(8).layers(2).heads(2).dropout(dropout);
    assert!(gradients(config(0.0).with_checkpointing(), false)? == gradients(config(0.0), false)?, "another gradient");
    // With dropout, the two runs make the same choices, which are others than without.
    let (together, alone) =
        (gradients(config(0.2).with_checkpointing(), false)?, gradients(config(0.2).with_checkpointing(), true)?);
    assert!(together == alone, "one by one, another gradient");
    Ok(())
}

#[test]
fn two_runs_that_differ_are_an_error() -> Result<()> {
    let [x, w] = points().map(|x| x.tracked().unwrap());
    let runs = || Arc::new(AtomicUsize::new(0));
    let help = Some("what is computed twice must do the same both times: without a shared generator or counter");

    let (count, inner) = (runs(), w.clone());
    let second_only =
        move |x: &Tensor| if count.fetch_add(1, Ordering::Relaxed) == 0 { Ok(x * 2.0) } else { x.mul(&inner) };
    let e = checkpoint(second_only, &x)?.sum().backward().unwrap_err();
    assert_eq!(e.message(), "checkpoint: the second run used a tracked tensor that the first one did not use");
    assert_eq!((e.kind(), e.help()), (ErrorKind::Gradient, help));

    let count = runs();
    let another_shape = move |x: &Tensor| x.narrow(0, 0, 3 - count.fetch_add(1, Ordering::Relaxed));
    let e = checkpoint(another_shape, &x)?.sum().backward().unwrap_err();
    assert_eq!(e.message(), "checkpoint: the second run gave the shape [2, 3], the first one [3, 3]");
    assert_eq!((e.kind(), e.help()), (ErrorKind::Gradient, help));
    Ok(())
}
