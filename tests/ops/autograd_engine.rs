//! The engine: accumulation, freeing, second order, deep graphs, checkpointing, custom operations.

use demotic::autograd::{
    self, GradOptions, Gradients, checkpoint, custom, custom_many, grad, gradcheck, gradgradcheck,
};
use demotic::{DType, ErrorKind, Result, Rng, Tensor, tensor};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

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
        y = grad(&[&y], &[&x], GradOptions::new().create_graph(true))?.remove(0).sum();
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
    let options = GradOptions::new().retain_graph(true);
    let e = grad(&[&y], &[&x, &unused], options).unwrap_err();
    assert_eq!(e.message(), "grad: the outputs do not depend on input 1");
    let g = grad(&[&y], &[&x, &unused], GradOptions::new().allow_unused(true))?;
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

const FREED: &str = "was freed by an earlier backward pass";

/// What a part of the graph that was freed leads to is not known any more: whoever asks for it gets the error that a second
/// `backward` gives, not the gradient of what is left.
#[test]
fn a_partly_freed_graph_gives_no_partial_gradients() -> Result<()> {
    let options = |allow_unused, create_graph| GradOptions::new().allow_unused(allow_unused).create_graph(create_graph);
    for (allow_unused, create_graph) in [(false, false), (true, false), (false, true), (true, true)] {
        let x = tensor![3.0, 4.0].tracked()?;
        let h = x.exp();
        let (a, b) = (h.sum(), h.mul(&x)?.sum());
        a.backward()?;
        let e = grad(&[&b], &[&x], options(allow_unused, create_graph)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Gradient);
        assert_eq!(e.message(), format!("backward: the graph behind `exp` {FREED}"));
        assert_eq!(e.help(), Some("call backward_retain() the first time, or compute the loss again"));
        // Nothing was freed by looking.
        let e = b.backward().unwrap_err();
        assert_eq!(e.message(), format!("backward: the graph behind `exp` {FREED}"));

        // What does not lie behind the freed part is known.
        let x = tensor![3.0, 4.0].tracked()?;
        let h = x.exp();
        let (a, b) = (h.sum(), h.square().sum());
        a.backward()?;
        let g = grad(&[&b], &[&h], options(allow_unused, create_graph))?;
        assert_eq!(g[0].to_vec::<f32>()?, (&h * 2.0).to_vec::<f32>()?);
        // A leaf that was made later than the freed part cannot lie behind it.
        let later = tensor![1.0, 2.0].tracked()?;
        let b = h.mul(&later)?.sum();
        let g = grad(&[&b], &[&later], options(allow_unused, create_graph))?;
        assert_eq!(g[0].to_vec::<f32>()?, h.to_vec::<f32>()?);
    }
    Ok(())
}

#[test]
fn gradients_up_to_an_intermediate_result_leave_the_rest_of_the_graph() -> Result<()> {
    let x = tensor![3.0].tracked()?;
    let y = x.square();
    let z = y.powf(3.0).sum();
    assert_eq!(grad(&[&z], &[&y], GradOptions::default())?[0].item()?, 243.0);
    assert_eq!(grad(&[&y], &[&x], GradOptions::default())?[0].item()?, 6.0);
    Ok(())
}

#[test]
fn second_order_gradients_of_a_freed_graph_are_an_error() -> Result<()> {
    let x = tensor![3.0, 4.0].tracked()?;
    let h = x.exp();
    let b = h.mul(&x)?.sum();
    let first = grad(&[&b], &[&x], GradOptions::new().create_graph(true))?;
    // Without the graph behind `h`, the first-order gradient is still known as a value, but not as a function of x.
    h.sum().backward()?;
    for allow_unused in [false, true] {
        let e = grad(&[&first[0].sum()], &[&x], GradOptions::new().allow_unused(allow_unused)).unwrap_err();
        assert_eq!(e.message(), format!("backward: the graph behind `exp` {FREED}"));
    }
    Ok(())
}

/// Two results, of which a graph may use one or both.
fn turned(a: &Tensor, b: &Tensor) -> Result<Vec<Tensor>> {
    custom_many(
        "turned",
        &[a, b],
        |x| Ok(vec![x[0].mul(&x[1].cos())?, x[0].mul(&x[1].sin())?]),
        |g, x, y| {
            let (cos, sin) = (x[1].cos(), x[1].sin());
            let (first, second) = (g.or_zeros(0)?, g.or_zeros(1)?);
            let along = first.mul(&cos)?.add(&second.mul(&sin)?)?;
            Ok(vec![Some(along), Some(second.mul(&y[0])?.sub(&first.mul(&y[1])?)?)])
        },
    )
}

/// A random graph of `ops` operations on two leaves: all its tensors, in the order in which they were made.
fn random_graph(seed: u64, ops: usize) -> Result<Vec<Tensor>> {
    let mut rng = Rng::seed(seed);
    let mut all = vec![tensor![0.3, -0.7].tracked()?, tensor![1.1, 0.4].tracked()?];
    for _ in 0..ops {
        let mut pick = || all[rng.next_u64() as usize % all.len()].clone();
        let (a, b) = (pick(), pick());
        all.push(match rng.next_u64() % 9 {
            0 => a.add(&b)?,
            1 => a.mul(&b)?,
            2 => a.sin(),
            3 => a.tanh(),
            4 => (a * 0.5).narrow(0, 0, 1)?.broadcast_to([2])?,
            5 => cube(&a.tanh())?,
            6 => turned(&a.tanh(), &b)?.remove(1),
            7 => {
                let both = turned(&a, &b.tanh())?;
                both[0].mul(&both[1].sigmoid())?
            }
            _ => checkpoint(move |x| x.mul(&b)?.cos().mul(&b), &a)?,
        });
    }
    Ok(all)
}

/// Whatever was freed before, a gradient is right or an error. What was retained is right.
#[test]
fn gradients_of_random_partly_freed_graphs_are_right_or_an_error() -> Result<()> {
    let (mut right, mut refused) = (0, 0);
    for seed in 0..400 {
        let ops = 3 + seed as usize % 9;
        let (graph, fresh) = (random_graph(seed, ops)?, random_graph(seed, ops)?);
        let mut rng = Rng::seed(!seed);
        let mut pick = |n: usize| rng.next_u64() as usize % n;
        // An earlier pass: of a part of the graph or all of it, freeing or not, to the leaves or to some other part.
        let (from, to, how) = (2 + pick(ops), pick(ops), pick(4));
        let earlier = graph[from].sum();
        match how {
            0 => drop(earlier.backward_retain()?),
            1 | 2 => drop(earlier.backward()?),
            _ => drop(grad(&[&earlier], &[&graph[to]], GradOptions::new().allow_unused(true))?),
        }
        let (output, create_graph) = (2 + pick(ops), pick(2) == 0);
        let inputs = [pick(ops + 2), pick(ops + 2)];
        let gradients = |all: &[Tensor]| {
            let options = GradOptions::new().create_graph(create_graph).allow_unused(true);
            grad(&[&all[output].square().sum()], &inputs.map(|i| &all[i]), options)
        };
        let expected = gradients(&fresh)?;
        match gradients(&graph) {
            Ok(found) => {
                right += 1;
                for (a, b) in found.iter().zip(&expected) {
                    assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?, "graph {seed}");
                }
            }
            Err(e) => {
                refused += 1;
                assert!(how != 0 && e.message().ends_with(FREED), "graph {seed}: {e}");
            }
        }
    }
    assert!(right > 100 && refused > 50, "{right} right, {refused} refused");
    Ok(())
}

/// A rule of the user's may differentiate through the very node that it belongs to.
#[test]
fn a_backward_may_differentiate_through_its_own_node() -> Result<()> {
    static OUTPUT: Mutex<Option<[Tensor; 2]>> = Mutex::new(None);
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        for (retain, retain_inside) in [(true, true), (true, false), (false, true)] {
            let run = || {
                let x = tensor![3.0].tracked()?;
                let y = custom(
                    "self_seeing",
                    &[&x],
                    |x| Ok(x[0].square()),
                    move |g, x, _| {
                        // Once, so that it ends.
                        let seen = OUTPUT.lock().unwrap().take();
                        if let Some([x, y]) = seen {
                            let options = GradOptions::new().retain_graph(retain_inside);
                            return Ok(vec![Some(grad(&[&y], &[&x], options)?.remove(0).mul(g)?)]);
                        }
                        Ok(vec![Some(g.mul(&(&x[0] * 2.0))?)])
                    },
                )?;
                *OUTPUT.lock().unwrap() = Some([x.clone(), y.clone()]);
                let grads = if retain { y.sum().backward_retain() } else { y.sum().backward() }?;
                grads.wrt(&x)?.item()
            };
            done.send((retain, retain_inside, run().map_err(|e| e.message()))).unwrap();
        }
    });
    let next = || wait.recv_timeout(Duration::from_secs(60)).expect("it waits for a lock that it holds itself");
    assert_eq!(next(), (true, true, Ok(6.0)));
    assert_eq!(next(), (true, false, Ok(6.0)));
    // A pass that frees the graph has freed this node by then.
    assert_eq!(next(), (false, true, Err(format!("backward: the graph behind `self_seeing` {FREED}"))));
    Ok(())
}

/// A closure with a state, such as a generator of noise, has to meet the gradients in the same order each time.
#[test]
fn gradients_are_visited_in_the_order_of_their_tensors() -> Result<()> {
    for count in [2, 3, 17, 200] {
        let leaves = (0..count).map(|i| Tensor::scalar(i as f64).tracked()).collect::<Result<Vec<_>>>()?;
        let mut order: Vec<usize> = (0..count).collect();
        Rng::seed(count as u64).shuffle(&mut order);
        let mut loss = Tensor::scalar(0.0);
        for i in order {
            loss = loss.add(&leaves[i].square())?;
        }
        let mut grads = loss.backward()?;
        let mut seen = Vec::new();
        grads.update(|g| {
            seen.push(g.item()? / 2.0);
            *g = &*g * 3.0;
            Ok(())
        })?;
        assert_eq!(seen, (0..count).map(|i| i as f64).collect::<Vec<_>>());
        assert_eq!(grads.iter().map(|g| g.item().unwrap() / 6.0).collect::<Vec<_>>(), seen);
        // Those that come from another pass take their place among them.
        let (mut late, early) = (leaves[count - 1].sum().backward()?, leaves[0].sum().backward()?);
        late.accumulate(early)?;
        late.set(&leaves[0], Tensor::scalar(5.0))?;
        assert_eq!(late.iter().map(|g| g.item().unwrap()).collect::<Vec<_>>(), [5.0, 1.0]);
        assert_eq!((late.wrt(&leaves[0])?.item()?, late.wrt(&leaves[count - 1])?.item()?), (5.0, 1.0));
    }
    Ok(())
}

#[test]
fn a_gradient_keeps_its_shape_and_type() -> Result<()> {
    let replace = |grads: &mut Gradients, f: fn(&Tensor) -> Result<Tensor>| {
        grads.update(|g| {
            *g = f(g)?;
            Ok(())
        })
    };
    let (a, b) = (tensor![1.0, 2.0].tracked()?, tensor![3.0].tracked()?);
    let mut grads = (a.sum() + b.sum())?.backward()?;
    let e = replace(&mut grads, |g| Ok(g.to_dtype(DType::F64))).unwrap_err();
    assert_eq!(e.message(), "update: a f64 gradient of shape [2] for [2] of f32");
    assert_eq!((grads.get(&a).is_none(), grads.get(&b).is_some()), (true, true));
    let e = replace(&mut grads, |g| g.unsqueeze(0)).unwrap_err();
    assert_eq!(e.message(), "update: a f32 gradient of shape [1, 1] for [1] of f32");
    assert!(grads.is_empty());
    // Nor does it keep a graph.
    let mut grads = b.sum().backward()?;
    replace(&mut grads, Tensor::tracked)?;
    assert!(!grads.wrt(&b)?.is_tracked());
    Ok(())
}

/// A cast rounds values and leaves gradients alone: they pass through any chain of floating types, and are `F32` where the
/// tensor has 16 bits.
#[test]
fn casts_between_floating_types_pass_gradients_on() -> Result<()> {
    let types = [DType::F32, DType::F64, DType::BF16, DType::F16];
    for [first, second, third] in
        types.into_iter().flat_map(|a| types.into_iter().flat_map(move |b| types.map(|c| [a, b, c])))
    {
        for leaf_type in [DType::F32, DType::F64] {
            let w = tensor![1.5, -2.25].to_dtype(leaf_type).tracked()?;
            let y = w.to_dtype(first).to_dtype(second).to_dtype(third);
            assert_eq!((y.dtype(), y.is_tracked()), (third, true));
            let loss = y.powf(3.0).sum();
            let g = grad(&[&loss], &[&y, &w], GradOptions::new().retain_graph(true))?;
            // 3 · x²
            assert_eq!((g[0].dtype(), g[0].to_f64_vec()), (third.gradient().unwrap(), vec![6.75, 15.1875]));
            assert_eq!((g[1].dtype(), g[1].to_f64_vec()), (leaf_type, vec![6.75, 15.1875]));
            assert_eq!(loss.backward()?.wrt(&w)?.to_f64_vec(), [6.75, 15.1875]);
        }
    }
    // Integers and truth values carry none.
    let w = tensor![1.5, -2.25].tracked()?;
    for dtype in [DType::I64, DType::U8, DType::Bool] {
        assert!(!w.to_dtype(dtype).is_tracked() && !w.to_dtype(DType::BF16).to_dtype(dtype).is_tracked());
    }
    Ok(())
}

/// 1,000 gradients of 1 for the same tensor: in bfloat16 their sum would stay at 256.
#[test]
fn gradients_of_sixteen_bit_tensors_are_summed_in_single_precision() -> Result<()> {
    let w = tensor![1.0].tracked()?;
    let half = w.to_dtype(DType::BF16);
    let parts: Vec<Tensor> = (0..1000).map(|_| half.to_dtype(DType::F32)).collect();
    let sum = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)?.sum();
    assert_eq!(sum.backward()?.wrt(&w)?.item()?, 1000.0);
    // A gradient smaller than any number of the type, as it comes of a mean.
    let small = w.to_dtype(DType::F16).to_dtype(DType::F32).mul_scalar(1e-12).sum();
    assert_eq!(small.backward()?.wrt(&w)?.item()?, f64::from(1e-12f32));
    Ok(())
}

#[test]
fn sixteen_bit_tensors_in_functions_of_users() -> Result<()> {
    for dtype in [DType::BF16, DType::F16] {
        let w = tensor![0.5, -1.5].tracked()?;
        // Each backward pass frees the cast, too.
        let x = || w.to_dtype(dtype);
        let y = cube(&x())?;
        assert_eq!((y.dtype(), y.is_tracked()), (dtype, true));
        assert_eq!(y.sum().backward()?.wrt(&w)?.to_vec::<f32>()?, [0.75, 6.75]);

        let inner = x();
        let y = checkpoint(move |x| x.mul(&inner), &x().detach())?;
        assert_eq!(y.sum().backward()?.wrt(&w)?.to_vec::<f32>()?, [0.5, -1.5]);
        let y = checkpoint(|x| Ok(x.square()), &x())?;
        assert_eq!(y.sum().backward()?.wrt(&w)?.to_vec::<f32>()?, [1.0, -3.0]);

        // A gradient may come in the type of the tensor.
        let own = |x: &[&Tensor]| Ok(x[0].square());
        let y = custom("own", &[&x()], own, move |g, x, _| Ok(vec![Some(g.mul(&(&x[0] * 2.0))?.to_dtype(dtype))]))?;
        assert_eq!(y.sum().backward()?.wrt(&w)?.to_vec::<f32>()?, [1.0, -3.0]);
        let y = custom("own", &[&x()], own, |g, x, _| Ok(vec![Some(g.mul(&x[0])?.to_dtype(DType::F64))]))?;
        let e = y.sum().backward().unwrap_err();
        assert_eq!(e.message(), format!("own: its backward gave a f64 gradient for a {dtype} input"));

        for weights in [dtype, DType::F32] {
            let options = GradOptions::new().grad_outputs(vec![tensor![2.0, 4.0].to_dtype(weights)]);
            assert_eq!(grad(&[&x().square()], &[&w], options)?[0].to_vec::<f32>()?, [2.0, -12.0]);
        }
        let options = GradOptions::new().allow_unused(true);
        let unused = grad(&[&w.sum()], &[&x()], options)?.remove(0);
        assert_eq!((unused.dtype(), unused.to_f64_vec()), (DType::F32, vec![0.0, 0.0]));

        let products: [fn(&Tensor) -> Result<Tensor>; 4] = [
            |x| x.unsqueeze(0)?.matmul(&x.unsqueeze(1)?),
            |x| x.dot(x),
            |x| x.linear(&x.unsqueeze(0)?, None),
            |x| Tensor::einsum("i,i->", &[x, x]),
        ];
        for product in products {
            let y = product(&x())?;
            assert_eq!(y.dtype(), dtype);
            assert_eq!(y.sum().backward()?.wrt(&w)?.to_vec::<f32>()?, [1.0, -3.0]);
        }
    }
    Ok(())
}

#[test]
fn gradients_in_one_vector() -> Result<()> {
    let (a, b) = (tensor![[1.0, 2.0], [3.0, 4.0]].tracked()?, tensor![3.0].tracked()?);
    // The order is that of the tensors, not that of their use.
    let mut grads = b.square().sum().add(&a.t().mul(&tensor![[1.0, 2.0], [3.0, 4.0]])?.sum())?.backward()?;
    let flat = grads.flatten()?;
    assert_eq!(flat.to_vec::<f32>()?, [1.0, 3.0, 2.0, 4.0, 6.0]);
    grads.unflatten(&(flat * 2.0))?;
    assert_eq!(grads.wrt(&a)?.to_vec::<f32>()?, [2.0, 6.0, 4.0, 8.0]);
    assert_eq!((grads.wrt(&a)?.shape(), grads.wrt(&b)?.item()?), (&[2, 2][..], 12.0));
    // What does not fit changes nothing.
    let before = format!("{grads:?}");
    let e = grads.unflatten(&tensor![1.0, 2.0]).unwrap_err();
    assert_eq!(e.message(), "unflatten: a tensor of shape [2] for gradients of 5 elements");
    let e = grads.unflatten(&Tensor::zeros([5])?.to_dtype(DType::F64)).unwrap_err();
    assert_eq!(e.message(), "unflatten: a f64 gradient of shape [2, 2] for [2, 2] of f32");
    assert_eq!(format!("{grads:?}"), before);
    assert_eq!(before, "Gradients [[2, 2] f32, norm 10.9545, [1] f32, norm 12.0000]");
    let wide = tensor![1.0].to_dtype(DType::F64).tracked()?;
    grads.accumulate(wide.sum().backward()?)?;
    let e = grads.flatten().unwrap_err();
    assert_eq!(e.message(), "flatten: gradients of types f32 and f64");
    assert_eq!(e.help(), Some("one vector has one type: take them one by one with iter()"));
    assert_eq!(Gradients::default().flatten()?.shape(), [0]);
    Gradients::default().unflatten(&Tensor::zeros([0])?)?;
    Ok(())
}
