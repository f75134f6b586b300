//! The engine: accumulation, freeing, second order, deep graphs, checkpointing, custom operations.

use demotic::autograd::{self, GradOptions, checkpoint, custom, grad, gradcheck, gradgradcheck};
use demotic::{DType, ErrorKind, Result, Tensor, tensor};

#[test]
fn gradients_of_several_uses_add_up() -> Result<()> {
    let x = tensor![1.0, 2.0, 3.0].tracked()?;
    let y = (&x * &x + &x)?;
    let grads = (y + &x)?.sum().backward()?;
    assert_eq!(grads.wrt(&x)?.to_vec::<f32>()?, [4.0, 6.0, 8.0]);
    Ok(())
}

#[test]
fn broadcast_inputs_get_summed_gradients() -> Result<()> {
    let a = tensor![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].tracked()?;
    let b = tensor![[10.0], [20.0]].tracked()?;
    let c = tensor![1.0, 1.0, 2.0].tracked()?;
    let grads = ((&a * &b)? * &c)?.sum().backward()?;
    assert_eq!(grads.wrt(&b)?.to_vec::<f32>()?, [9.0, 21.0]);
    assert_eq!(grads.wrt(&b)?.shape(), [2, 1]);
    assert_eq!(grads.wrt(&c)?.to_vec::<f32>()?, [90.0, 120.0, 150.0]);
    Ok(())
}

#[test]
fn gradients_of_parts_meet_in_one_tensor() -> Result<()> {
    // Parts that overlap, that leave a gap, that have strides, and one that arrives before a whole.
    let x = Tensor::arange(24)?.to_dtype(DType::F64).reshape([2, 3, 4])?.tracked()?;
    let f = |x: &Tensor| {
        let parts = [x.narrow(2, 0, 2)?, x.narrow(2, 1, 2)?, x.permute(&[1, 0, 2])?.narrow(0, 1, 2)?.narrow(2, 1, 2)?];
        let mut sum = x.square().sum();
        for (i, part) in parts.iter().enumerate() {
            sum = sum.add(&(part.square() * (i + 2) as f64).sum())?;
        }
        sum.add(&x.select(1, 2)?.powf(3.0).sum())
    };
    gradcheck(|x: &[Tensor]| f(&x[0]), std::slice::from_ref(&x))?;
    gradgradcheck(|x: &[Tensor]| f(&x[0]), std::slice::from_ref(&x))?;
    let first = f(&x)?.backward_retain()?.wrt(&x)?.to_vec::<f64>()?;
    assert_eq!(f(&x)?.backward()?.wrt(&x)?.to_vec::<f64>()?, first);
    Ok(())
}

#[test]
fn a_retained_graph_gives_the_same_parts_again() -> Result<()> {
    let x = tensor![1.0, 2.0, 3.0, 4.0].tracked()?;
    let y = x.narrow(0, 0, 3)?.mul(&x.narrow(0, 1, 3)?)?.sum();
    let first = y.backward_retain()?;
    let second = y.backward()?;
    assert_eq!(first.wrt(&x)?.to_vec::<f32>()?, [2.0, 4.0, 6.0, 3.0]);
    assert_eq!(second.wrt(&x)?.to_vec::<f32>()?, [2.0, 4.0, 6.0, 3.0]);
    Ok(())
}

#[test]
fn a_graph_is_freed_unless_it_is_retained() -> Result<()> {
    let x = tensor![2.0].tracked()?;
    let y = x.square().sum();
    assert_eq!(y.backward_retain()?.wrt(&x)?.item()?, 4.0);
    assert_eq!(y.backward()?.wrt(&x)?.item()?, 4.0);
    let e = y.backward().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Gradient);
    assert_eq!(e.message(), "backward: the graph behind `sum` was freed by an earlier backward pass");
    assert_eq!(e.help(), Some("call backward_retain() the first time, or compute the loss again"));
    Ok(())
}

#[test]
fn saved_tensors_are_not_changed_by_later_writes() -> Result<()> {
    let mut data = tensor![3.0];
    let x = tensor![2.0].tracked()?;
    let y = x.mul(&data)?.sum();
    data.as_mut_slice::<f32>()?[0] = 100.0;
    assert_eq!(y.backward()?.wrt(&x)?.item()?, 3.0);
    Ok(())
}

#[test]
fn a_million_operations_deep() -> Result<()> {
    let x = tensor![0.0].tracked()?;
    let mut y = x.clone();
    for _ in 0..1_000_000 {
        y = y + 1.0;
    }
    let loss = y.sum();
    let kept = loss.clone();
    assert_eq!(loss.backward_retain()?.wrt(&x)?.item()?, 1.0);
    drop((loss, y, kept));
    Ok(())
}

#[test]
fn third_derivative() -> Result<()> {
    let x = tensor![2.0].to_dtype(DType::F64).tracked()?;
    let mut y = x.square().square().sum();
    for expected in [32.0, 48.0, 48.0, 24.0] {
        y = grad(&[&y], &[&x], GradOptions { create_graph: true, ..Default::default() })?.remove(0).sum();
        assert_eq!(y.item()?, expected);
    }
    Ok(())
}

#[test]
fn gradients_of_intermediate_results() -> Result<()> {
    let x = tensor![3.0].tracked()?;
    let y = x.square();
    let z = (&y * &x)?.sum();
    let g = grad(&[&z], &[&y, &x], GradOptions::default())?;
    assert_eq!(g[0].item()?, 3.0);
    assert_eq!(g[1].item()?, 27.0);
    Ok(())
}

#[test]
fn inputs_without_influence() -> Result<()> {
    let (x, unused) = (tensor![1.0].tracked()?, tensor![1.0, 2.0].tracked()?);
    let y = x.square().sum();
    let options = GradOptions { retain_graph: true, ..Default::default() };
    let e = grad(&[&y], &[&x, &unused], options).unwrap_err();
    assert_eq!(e.message(), "grad: the outputs do not depend on input 1");
    let g = grad(&[&y], &[&x, &unused], GradOptions { allow_unused: true, ..Default::default() })?;
    assert_eq!(g[1].to_vec::<f32>()?, [0.0, 0.0]);
    Ok(())
}

#[test]
fn nothing_is_recorded_without_need() -> Result<()> {
    let x = tensor![1.0].tracked()?;
    assert!(!autograd::no_grad(|| x.square()).is_tracked());
    assert!(!tensor![1.0].square().is_tracked());
    assert!(!x.detach().square().is_tracked());
    assert!(x.square().is_tracked());
    assert!(Tensor::arange(3)?.tracked().is_err());
    let e = tensor![1.0].sum().backward().unwrap_err();
    assert_eq!(
        e.message(),
        "backward: there is nothing to differentiate: the output was not computed from tracked tensors"
    );
    let e = x.backward().and(tensor![1.0, 2.0].tracked()?.square().backward()).unwrap_err();
    assert_eq!(e.message(), "backward: the output has shape [2], expected a single number");
    Ok(())
}

fn cube(x: &Tensor) -> Result<Tensor> {
    custom(
        "cube",
        &[x],
        |inputs| inputs[0].mul(&inputs[0].square()),
        |grad, inputs, _| Ok(vec![Some(grad.mul(&(inputs[0].square() * 3.0))?)]),
    )
}

#[test]
fn custom_operations_are_differentiable_twice() -> Result<()> {
    let x = [tensor![0.5, -1.5, 2.0]];
    gradcheck(|x| cube(&x[0]), &x)?;
    gradgradcheck(|x| cube(&x[0]), &x)
}

#[test]
fn wrong_custom_gradients_are_found() -> Result<()> {
    let wrong =
        |x: &[Tensor]| custom("wrong", &[&x[0]], |x| Ok(x[0].square()), |g, x, _| Ok(vec![Some(g.mul(&x[0])?)]));
    let e = gradcheck(wrong, &[tensor![3.0]]).unwrap_err();
    assert!(e.message().starts_with("gradcheck: input 0, element 0 (value 3): gradient 3."), "{e}");
    let count = |x: &[Tensor]| custom("count", &[&x[0]], |x| Ok(x[0].square()), |_, _, _| Ok(vec![]));
    let e = gradcheck(count, &[tensor![3.0]]).unwrap_err();
    assert_eq!(e.message(), "count: backward returned 0 gradients for 1 inputs");
    let shape = |x: &[Tensor]| {
        custom(
            "shape",
            &[&x[0]],
            |x| Ok(x[0].square()),
            |g, _, _| Ok(vec![Some(g.broadcast_to([2, 1])?.reshape([2])?)]),
        )
    };
    let e = gradcheck(shape, &[tensor![1.0, 2.0, 3.0].reshape([3, 1])?.sum_dims(&[1], false)?]).unwrap_err();
    assert!(e.message().contains("broadcast"), "{e}");
    Ok(())
}

#[test]
fn checkpointing_gives_the_same_gradients() -> Result<()> {
    let w = tensor![0.5, -0.3].tracked()?;
    let x = tensor![1.0, 2.0].tracked()?;
    let f = |x: &Tensor, w: &Tensor| (x.mul(w)?.square() + x.square())?.mul(w);
    let plain = f(&x, &w)?.sum().backward()?;
    let inner = w.clone();
    let saved = checkpoint(move |x| f(x, &inner), &x)?.sum().backward()?;
    for leaf in [&x, &w] {
        assert_eq!(plain.wrt(leaf)?.to_vec::<f32>()?, saved.wrt(leaf)?.to_vec::<f32>()?);
    }
    gradgradcheck(
        move |inputs| {
            let w = inputs[1].clone();
            checkpoint(move |x| f(x, &w), &inputs[0])
        },
        &[tensor![1.0, 2.0], tensor![0.5, -0.3]],
    )
}

#[test]
fn accumulated_gradients_are_those_of_the_sum() -> Result<()> {
    let w = tensor![1.0, 2.0].tracked()?;
    let mut total = (&w * 3.0).sum().backward()?;
    total.accumulate(w.square().sum().backward()?)?;
    assert_eq!(total.wrt(&w)?.to_vec::<f32>()?, [5.0, 7.0]);
    Ok(())
}

/// Parts of different weights, in place and for gradients that cannot be changed in place.
#[test]
fn gradients_of_parts_add_up() -> Result<()> {
    let (a, b) = (tensor![1.0, 2.0].tracked()?, tensor![3.0].tracked()?);
    let mut grads = a.square().sum().backward()?;
    let place = grads.wrt(&a)?.as_slice::<f32>()?.as_ptr();
    grads.accumulate_scaled((a.sum() + b.sum())?.backward()?, 0.5)?;
    assert_eq!(grads.wrt(&a)?.as_slice::<f32>()?.as_ptr(), place);
    assert_eq!(grads.wrt(&a)?.to_vec::<f32>()?, [2.5, 4.5]);
    assert_eq!(grads.wrt(&b)?.to_vec::<f32>()?, [0.5]);
    // Somebody else sees it, so it stays as it is for them.
    let seen = grads.wrt(&a)?.clone();
    grads.accumulate(a.sum().backward()?)?;
    grads.scale(2.0);
    assert_eq!((seen.to_vec::<f32>()?, grads.wrt(&a)?.to_vec::<f32>()?), (vec![2.5, 4.5], vec![7.0, 11.0]));
    assert_eq!(grads.wrt(&b)?.to_vec::<f32>()?, [1.0]);
    Ok(())
}
