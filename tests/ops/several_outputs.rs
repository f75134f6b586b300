//! Operations with several results.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use demotic::autograd::{
    GradOptions, MultiFunction, OutputGradients, Saved, SecondOrder, Sink, apply_many, checkpoint, custom_many, grad,
    gradcheck, gradgradcheck,
};
use demotic::{DType, ErrorKind, Result, Tensor, tensor};

/// Length and angle, with a gradient made of tensor operations that uses the results.
fn polar(x: &Tensor, y: &Tensor) -> Result<Vec<Tensor>> {
    custom_many(
        "polar",
        &[x, y],
        |xy| Ok(vec![xy[0].square().add(&xy[1].square())?.sqrt(), xy[1].atan2(xy[0])?]),
        |grads, xy, polar| {
            let (along, around) = (grads.or_zeros(0)?.div(&polar[0])?, grads.or_zeros(1)?.div(&polar[0].square())?);
            let dx = along.mul(&xy[0])?.sub(&around.mul(&xy[1])?)?;
            let dy = along.mul(&xy[1])?.add(&around.mul(&xy[0])?)?;
            Ok(vec![Some(dx), Some(dy)])
        },
    )
}

/// The same through a composite form, with the second result of a type without gradients and the third one the angle.
struct Polar {
    calls: Arc<AtomicUsize>,
    second_order: SecondOrder,
}

impl MultiFunction for Polar {
    fn name(&self) -> &'static str {
        "fused_polar"
    }
    fn forward(&mut self, x: &[&Tensor]) -> Result<Vec<Tensor>> {
        let length = x[0].square().add(&x[1].square())?.sqrt();
        Ok(vec![length, x[0].lt(x[1])?, x[1].atan2(x[0])?])
    }
    fn backward(&self, saved: &Saved<'_>, grads: &OutputGradients<'_>, sink: &mut Sink<'_, '_>) -> Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(grads.get(1).is_none() && grads.len() == 3);
        let [x, y] = [&saved.inputs()[0], &saved.inputs()[1]];
        let square = x.square().add(&y.square())?;
        if let Some(g) = grads.get(0) {
            sink.give(0, g.mul(x)?.div(&square.sqrt())?)?;
            sink.give(1, g.mul(y)?.div(&square.sqrt())?)?;
        }
        if let Some(g) = grads.get(2) {
            sink.give(0, g.mul(y)?.div(&square)?.neg())?;
            sink.give(1, g.mul(x)?.div(&square)?)?;
        }
        Ok(())
    }
    fn second_order(&self) -> SecondOrder {
        self.second_order
    }
    fn composite(&self, x: &[Tensor]) -> Result<Vec<Tensor>> {
        let length = x[0].square().add(&x[1].square())?.sqrt();
        Ok(vec![length, x[0].lt(&x[1])?, x[1].atan2(&x[0])?])
    }
}

fn fused(x: &Tensor, y: &Tensor, second_order: SecondOrder) -> Result<(Vec<Tensor>, Arc<AtomicUsize>)> {
    let calls = Arc::new(AtomicUsize::new(0));
    Ok((apply_many(Polar { calls: calls.clone(), second_order }, &[x, y])?, calls))
}

fn points() -> [Tensor; 2] {
    [tensor![0.5, -1.25, 2.0], tensor![1.5, 0.75, -0.5]]
}

/// Uses of both results, of one, of one twice, of views, and of the results of results; first and second order.
#[test]
fn gradients_agree_with_finite_differences() -> Result<()> {
    type Form = fn(&Tensor, &Tensor) -> Result<Vec<Tensor>>;
    let forms: [Form; 4] = [
        polar,
        |x, y| {
            let mut all = fused(x, y, SecondOrder::Backward)?.0;
            all.remove(1);
            Ok(all)
        },
        |x, y| {
            let mut all = fused(x, y, SecondOrder::Composite)?.0;
            all.remove(1);
            Ok(all)
        },
        |x, y| Ok(vec![x.square().add(&y.square())?.sqrt(), y.atan2(x)?]),
    ];
    type Use = fn(Form, &Tensor, &Tensor) -> Result<Tensor>;
    let uses: [Use; 6] = [
        |f, x, y| f(x, y)?[0].mul(&f(x, y)?[1]),
        |f, x, y| Ok(f(x, y)?[0].square()),
        |f, x, y| Ok(f(x, y)?[1].sin()),
        |f, x, y| {
            let p = f(x, y)?;
            p[0].mul(&p[1])?.add(&p[0].narrow(0, 0, 1)?)?.mul(&p[1].square())
        },
        |f, x, y| {
            let p = f(x, y)?;
            let q = f(&p[1], &p[0])?;
            q[0].mul(&q[1])?.add(&p[1])
        },
        |f, x, _| f(x, &(x * 2.0))?[0].add(x),
    ];
    for (i, of) in uses.iter().enumerate() {
        let mut values = Vec::new();
        for form in forms {
            gradcheck(|x| of(form, &x[0], &x[1]), &points()).unwrap_or_else(|e| panic!("use {i}: {e}"));
            gradgradcheck(|x| of(form, &x[0], &x[1]), &points()).unwrap_or_else(|e| panic!("use {i}: {e}"));
            values.push(of(form, &points()[0], &points()[1])?.to_vec::<f32>()?);
        }
        assert!(values.iter().all(|v| *v == values[0]));
    }
    Ok(())
}

#[test]
fn backward_runs_once_and_knows_which_results_count() -> Result<()> {
    let [x, y] = points().map(|x| x.tracked().unwrap());
    let (p, calls) = fused(&x, &y, SecondOrder::Backward)?;
    // Truth values have no gradient, whatever they were computed from.
    assert_eq!([0, 1, 2].map(|i| p[i].is_tracked()), [true, false, true]);
    let both = p[0].sum().add(&p[2].sum())?;
    both.add(&p[0].sum())?.backward_retain()?;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    // Of the length alone.
    let g = grad(&[&p[0].sum()], &[&x], GradOptions::new().retain_graph(true))?;
    let length = x.square().add(&y.square())?.sqrt();
    assert_eq!(g[0].to_vec::<f32>()?, x.div(&length)?.to_vec::<f32>()?);
    // Up to a result, the operation itself has nothing to do.
    let g = grad(&[&p[0].mul(&p[2])?.sum()], &[&p[2]], GradOptions::new().retain_graph(true))?;
    assert_eq!((g[0].to_vec::<f32>()?, calls.load(Ordering::Relaxed)), (p[0].to_vec::<f32>()?, 2));
    // Nothing is recorded without tracked inputs, or without recording.
    assert!(fused(&x.detach(), &y.detach(), SecondOrder::Backward)?.0.iter().all(|p| !p.is_tracked()));
    assert!(demotic::autograd::no_grad(|| polar(&x, &y))?.iter().all(|p| !p.is_tracked()));
    // One tracked input is enough, and gets what it should.
    let p = polar(&x, &y.detach())?;
    let grads = p[0].sum().backward()?;
    assert_eq!((grads.len(), grads.wrt(&x)?.to_vec::<f32>()?), (1, x.div(&length)?.to_vec::<f32>()?));
    Ok(())
}

/// The gradient of a gradient with respect to a result that the first one used.
#[test]
fn results_are_known_again_in_gradients_of_gradients() -> Result<()> {
    let [x, y] = points().map(|x| x.to_dtype(DType::F64).tracked().unwrap());
    let p = polar(&x, &y)?;
    let first = grad(&[&p[1].sum()], &[&x], GradOptions::new().create_graph(true))?;
    // dφ/dx = -y / r², as a function of r: 2 y / r³.
    let g = grad(&[&first[0].sum()], &[&p[0]], GradOptions::new().retain_graph(true))?;
    let want = y.detach().mul_scalar(2.0).div(&p[0].detach().powf(3.0))?;
    for (got, want) in g[0].to_vec::<f64>()?.into_iter().zip(want.to_vec::<f64>()?) {
        assert!((got - want).abs() < 1e-12, "{got}, {want}");
    }
    // Also where nobody has that result any more: the gradient goes through it to the inputs.
    let second = |keep: bool| -> Result<Vec<f64>> {
        let mut p = polar(&x, &y)?;
        let angle = p.remove(1);
        let first = grad(&[&angle.sum()], &[&x], GradOptions::new().create_graph(true))?;
        if !keep {
            drop(p);
        }
        grad(&[&first[0].square().sum()], &[&x], GradOptions::default())?[0].to_vec()
    };
    assert_eq!(second(true)?, second(false)?);
    Ok(())
}

#[test]
fn a_freed_operation_is_freed_for_all_its_results() -> Result<()> {
    const FREED: &str = "backward: the graph behind `polar` was freed by an earlier backward pass";
    let [x, y] = points().map(|x| x.tracked().unwrap());
    let p = polar(&x, &y)?;
    let (a, b) = (p[0].sum(), p[1].sum());
    let retained = a.backward_retain()?;
    assert_eq!(retained.wrt(&x)?.to_vec::<f32>()?, a.backward()?.wrt(&x)?.to_vec::<f32>()?);
    for allow_unused in [false, true] {
        let e = grad(&[&b], &[&x], GradOptions::new().allow_unused(allow_unused)).unwrap_err();
        assert_eq!((e.kind(), e.message()), (ErrorKind::Gradient, FREED.to_string()));
    }
    // What is in front of it is known all the same.
    let g = grad(&[&p[1].square().sum()], &[&p[1]], GradOptions::default())?;
    assert_eq!(g[0].to_vec::<f32>()?, (&p[1] * 2.0).to_vec::<f32>()?);
    assert_eq!(b.backward().unwrap_err().message(), FREED);
    Ok(())
}

#[test]
fn inside_and_outside_of_checkpoints() -> Result<()> {
    let [x, y] = points().map(|x| x.to_dtype(DType::F64).tracked().unwrap());
    let f = |x: &Tensor, angle: &Tensor| -> Result<Tensor> {
        let p = polar(x, &angle.sin())?;
        p[0].mul(&p[1])?.mul(angle)
    };
    for create_graph in [false, true] {
        let run = |with: bool| -> Result<Vec<Vec<f64>>> {
            let angle = polar(&x, &y)?.remove(1);
            let captured = angle.clone();
            let z = if with { checkpoint(move |x| f(x, &captured), &x)? } else { f(&x, &angle)? };
            let first = grad(&[&z.sum()], &[&x, &y], GradOptions::new().create_graph(create_graph))?;
            let mut all = vec![first[0].to_vec()?, first[1].to_vec()?];
            if create_graph {
                let loss = first[0].square().sum().add(&first[1].sum())?;
                all.extend(grad(&[&loss], &[&x, &y], GradOptions::default())?.iter().map(|g| g.to_vec().unwrap()));
            }
            Ok(all)
        };
        let (with, without) = (run(true)?, run(false)?);
        for (a, b) in with.iter().flatten().zip(without.iter().flatten()) {
            assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a}, {b}");
        }
    }
    Ok(())
}

/// Neither walking nor dropping a deep graph may use the stack for it.
#[test]
fn deep_graphs() -> Result<()> {
    let swap = |a: &Tensor, b: &Tensor| {
        custom_many(
            "swap",
            &[a, b],
            |x| Ok(vec![x[1].clone(), x[0].clone()]),
            |grads, _, _| Ok(vec![Some(grads.or_zeros(1)?), Some(grads.or_zeros(0)?)]),
        )
    };
    for (walk, ops) in [(true, 100_001), (false, 300_000)] {
        let (x, y) = (tensor![2.0].tracked()?, tensor![3.0].tracked()?);
        let mut p = vec![x.clone(), y.clone()];
        for _ in 0..ops {
            p = swap(&p[0], &p[1])?;
        }
        if walk {
            let grads = (&p[0] * 5.0).sum().backward()?;
            assert_eq!((grads.wrt(&x)?.item()?, grads.wrt(&y)?.item()?), (0.0, 5.0));
        }
    }
    Ok(())
}

#[test]
fn sixteen_bits() -> Result<()> {
    for dtype in [DType::BF16, DType::F16] {
        let [x, y] = [tensor![3.0, 0.5], tensor![4.0, -2.0]].map(|x| x.tracked().unwrap());
        let p = custom_many(
            "sum_and_product",
            &[&x.to_dtype(dtype), &y.to_dtype(dtype)],
            |x| Ok(vec![x[0].add(x[1])?, x[0].mul(x[1])?]),
            |grads, x, p| {
                assert!(x.iter().chain(p).all(|x| x.dtype() == DType::F32));
                let (sum, product) = (grads.or_zeros(0)?, grads.or_zeros(1)?);
                assert_eq!((sum.dtype(), product.dtype()), (DType::F32, DType::F32));
                Ok(vec![Some(sum.add(&product.mul(&x[1])?)?), Some(sum.add(&product.mul(&x[0])?)?)])
            },
        )?;
        assert_eq!((p[0].dtype(), p[1].dtype()), (dtype, dtype));
        let grads = p[1].to_dtype(DType::F32).sum().backward()?;
        assert_eq!(grads.wrt(&x)?.to_vec::<f32>()?, [4.0, -2.0]);
        assert_eq!(grads.wrt(&y)?.to_vec::<f32>()?, [3.0, 0.5]);
    }
    Ok(())
}

#[test]
fn mistakes_of_a_backward_are_named() -> Result<()> {
    let x = tensor![1.0, 2.0].tracked()?;
    let both = |x: &[&Tensor]| Ok(vec![x[0].clone(), x[0].gt_scalar(1.0)]);
    let run = |backward: fn(&OutputGradients<'_>) -> Result<Vec<Option<Tensor>>>| {
        let p = custom_many("both", &[&x], both, move |grads, _, _| backward(grads)).unwrap();
        p[0].sum().backward().unwrap_err().message()
    };
    assert_eq!(
        run(|g| Ok(vec![Some(g.or_zeros(1)?)])),
        "both: backward asks for the gradient of result 1, which has none"
    );
    assert_eq!(
        run(|g| Ok(vec![Some(g.or_zeros(2)?)])),
        "both: backward asks for the gradient of result 2, which has none"
    );
    assert_eq!(run(|_| Ok(vec![])), "both: backward returned 0 gradients for 1 inputs");
    assert_eq!(
        run(|g| Ok(vec![Some(g.or_zeros(0)?.unsqueeze(1)?)])),
        "both: its backward gave a gradient of shape [2, 1] for [2]"
    );
    struct Forgetful;
    impl MultiFunction for Forgetful {
        fn name(&self) -> &'static str {
            "forgetful"
        }
        fn forward(&mut self, x: &[&Tensor]) -> Result<Vec<Tensor>> {
            Ok(vec![x[0].clone()])
        }
        fn backward(&self, saved: &Saved<'_>, _: &OutputGradients<'_>, sink: &mut Sink<'_, '_>) -> Result<()> {
            sink.give(0, saved.output_at(0)?.clone())
        }
        fn second_order(&self) -> SecondOrder {
            SecondOrder::None
        }
    }
    let e = apply_many(Forgetful, &[&x])?[0].sum().backward().unwrap_err();
    assert_eq!(e.message(), "forgetful: backward uses the output, but keeps_output() is false");
    let y = apply_many(Forgetful, &[&x])?.remove(0);
    let e = grad(&[&y.sum()], &[&x], GradOptions::new().create_graph(true)).unwrap_err();
    assert_eq!(e.message(), "forgetful: the gradient of this operation cannot be differentiated again");
    Ok(())
}
