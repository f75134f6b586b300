use super::*;
use crate::autograd::{GradOptions, grad};
use crate::error::ErrorKind;
use crate::layers::{ModuleExt, Param};
use crate::optimizers::{Optimizer, Sgd};
use crate::tensor;
use crate::tensor::{DType, Tensor};

#[derive(Clone)]
struct Dense {
    weight: Param,
    bias: Param,
}

crate::module!(Dense { weight, bias });

fn f64s(values: &[f64]) -> Tensor {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

fn param(values: &[f64]) -> Param {
    Param::new(f64s(values)).unwrap()
}

fn dense() -> Dense {
    let weight = Tensor::from_slice(&[1.0, -2.0, 0.0, 3.0], [2, 2]).unwrap();
    Dense { weight: Param::new(weight).unwrap(), bias: param(&[-0.5, 4.0]) }
}

fn penalty(of: &dyn Penalty, model: &Dense) -> (f64, Vec<f64>, Vec<f64>) {
    let term = of.penalty(model).unwrap();
    let grads = term.backward().unwrap();
    let of = |p: &Param| grads.get(p).map(Tensor::to_f64_vec).unwrap_or_default();
    (term.item().unwrap(), of(&model.weight), of(&model.bias))
}

#[test]
fn penalties_and_their_gradients() {
    let model = dense();
    assert_eq!(penalty(&L1::new(0.5), &model), (5.25, vec![0.5, -0.5, 0.0, 0.5], vec![-0.5, 0.5]));
    assert_eq!(penalty(&L2::new(0.5).on("weight"), &model), (7.0, vec![1.0, -2.0, 0.0, 3.0], vec![]));
    assert_eq!(penalty(&L2::new(0.5).on("w*").on("bias"), &model).0, 7.0 + 0.5 * 16.25);
    assert_eq!(penalty(&ElasticNet::new(1.0, 0.25).on("bias"), &model), (4.5 + 0.25 * 16.25, vec![], vec![-1.25, 3.0]));
    assert_eq!(penalty(&L1::new(0.0), &model).1, [0.0; 4]);
}

#[test]
fn penalties_are_differentiable_twice_and_scale_with_what_follows() {
    let model = dense();
    let gradient = |x: &Tensor| {
        let options = GradOptions::new().create_graph(true);
        let value = (ElasticNet::new(0.5, 2.0).on("weight").penalty(&model).unwrap() * 3.0).square();
        grad(&[&value], &[x], options).unwrap().remove(0)
    };
    // With P = Σ |w| / 2 + 2 Σ w² = 31 and f = 9 P²: ∂f/∂w = 18 P ∂P/∂w, ∂P/∂w = sign(w) / 2 + 4 w.
    let slope = [4.5, -8.5, 0.0, 12.5];
    let first = gradient(&model.weight);
    assert_eq!(first.to_f64_vec(), slope.map(|s| 18.0 * 31.0 * s));
    // ∂²f/∂wᵢ∂w, summed over i: 18 ∂P/∂w Σ ∂P/∂wᵢ + 18 P · 4.
    let second = grad(&[&first.sum()], &[&model.weight], GradOptions::default()).unwrap().remove(0);
    assert_eq!(second.to_f64_vec(), slope.map(|s| 18.0 * s * 8.5 + 18.0 * 31.0 * 4.0));
}

#[test]
fn penalties_leave_frozen_parameters_alone_and_keep_the_type() {
    let mut model = dense();
    model.freeze("bias").unwrap();
    let (value, weight, bias) = penalty(&L2::new(1.0), &model);
    assert_eq!((value, weight.len(), bias.len()), (14.0 + 16.25, 4, 0));
    let single = Param::new(tensor![3.0, -4.0]).unwrap();
    let term = L2::new(1.0).penalty(&single).unwrap();
    assert_eq!((term.dtype(), term.item().unwrap(), term.rank()), (DType::F32, 25.0, 0));
    let empty = Param::new(Tensor::zeros([0]).unwrap()).unwrap();
    assert_eq!(L1::new(1.0).penalty(&empty).unwrap().item().unwrap(), 0.0);
}

#[test]
fn an_l1_penalty_makes_the_lasso_solution() {
    // min (w − a)² / 2 + λ |w| is a shrunk towards zero by λ.
    let target = f64s(&[3.0, -0.5, 0.2, -2.0]);
    let mut w = param(&[1.0, 1.0, 1.0, 1.0]);
    let mut opt = Sgd::new(0.01);
    for _ in 0..2000 {
        let fit = w.sub(&target).unwrap().square().sum() * 0.5;
        let loss = (fit + L1::new(1.0).penalty(&w).unwrap()).unwrap();
        opt.step(&mut w, &loss.backward().unwrap()).unwrap();
    }
    for (got, want) in w.to_f64_vec().iter().zip([2.0, 0.0, 0.0, -1.0]) {
        assert!((got - want).abs() < 0.02, "{w:?}");
    }
}

#[test]
fn penalties_report_what_is_wrong() {
    let model = dense();
    let e = L2::new(1.0).on("*.wieght").on("b").penalty(&model).unwrap_err();
    let line = line!() - 1;
    assert_eq!(
        e.to_string(),
        format!("L2: no parameter matches `*.wieght` or `b`\n  at {}:{line}\n  help: did you mean `weight`?", file!())
    );
    assert_eq!(e.kind(), ErrorKind::Parameter);
    let none: Vec<Param> = Vec::new();
    assert_eq!(L1::new(1.0).penalty(&none).unwrap_err().message(), "L1: the model has no parameters");
    let e = L1::new(-1.0).penalty(&model).unwrap_err();
    assert_eq!(e.message(), "L1: the strength is -1, expected a finite number that is not negative");
    assert!(ElasticNet::new(0.0, f64::NAN).penalty(&model).is_err());
    let mixed = vec![param(&[1.0]), Param::new(tensor![1.0]).unwrap()];
    let e = ElasticNet::new(1.0, 1.0).penalty(&mixed).unwrap_err();
    assert_eq!(e.message(), "ElasticNet: parameters of types f64 and f32 in one penalty");
}

#[test]
fn max_norm_scales_long_rows_only() {
    let rows = |dim: isize, shape: [usize; 3]| {
        let values: Vec<f64> = (0..shape.iter().product::<usize>()).map(|i| i as f64 - 9.0).collect();
        let x = Tensor::from_slice(&values, shape).unwrap();
        let mut p = Param::new(x.clone()).unwrap();
        MaxNorm::new(12.0).dim(dim).apply(&mut p).unwrap();
        (x.transpose(0, dim).unwrap().contiguous(), p.transpose(0, dim).unwrap().contiguous())
    };
    for dim in [0, 1, 2, -1, -2] {
        let (before, after) = rows(dim, [2, 3, 4]);
        let len = before.numel() / before.shape()[0];
        let mut scaled = 0;
        for (a, b) in before.to_f64_vec().chunks(len).zip(after.to_f64_vec().chunks(len)) {
            let norm = a.iter().map(|x| x * x).sum::<f64>().sqrt();
            let factor = if norm > 12.0 { 12.0 / norm } else { 1.0 };
            scaled += usize::from(norm > 12.0);
            a.iter().zip(b).for_each(|(a, b)| assert!((a * factor - b).abs() < 1e-13, "dim {dim}: {a} {b}"));
        }
        assert!(scaled > 0);
    }
}

#[test]
fn constraints_choose_by_path_and_leave_frozen_parameters_alone() {
    let mut model = dense();
    NonNegative::new().on("weight").apply(&mut model).unwrap();
    assert_eq!(model.weight.to_f64_vec(), [1.0, 0.0, 0.0, 3.0]);
    assert_eq!(model.bias.to_f64_vec(), [-0.5, 4.0]);
    model.freeze("bias").unwrap();
    NonNegative::new().apply(&mut model).unwrap();
    MaxNorm::new(1.0).apply(&mut model).unwrap();
    assert_eq!(model.weight.to_f64_vec(), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(model.bias.to_f64_vec(), [-0.5, 4.0]);
    MaxNorm::new(0.0).on("weight").apply(&mut model).unwrap();
    assert_eq!(model.weight.to_f64_vec(), [0.0; 4]);
}

#[test]
fn constraints_report_what_is_wrong() {
    let mut model = dense();
    let e = MaxNorm::new(1.0).on("head.*").apply(&mut model).unwrap_err();
    assert_eq!(e.message(), "MaxNorm: no parameter matches `head.*`");
    assert_eq!(e.help(), Some("the parameters are weight, bias"));
    let e = MaxNorm::new(-1.0).apply(&mut model).unwrap_err();
    assert_eq!(e.message(), "MaxNorm: the largest norm is -1, expected a finite number that is not negative");
    let e = MaxNorm::new(1.0).dim(1).apply(&mut model).unwrap_err();
    assert_eq!((e.kind(), e.layer()), (ErrorKind::Index, Some("bias")));
    assert_eq!(e.message(), "MaxNorm: dimension 1 is out of range for 1 dimension (-1 ..= 0)");
    let mut scalar = Param::new(Tensor::scalar(1.0)).unwrap();
    let e = MaxNorm::new(1.0).apply(&mut scalar).unwrap_err();
    assert_eq!(e.message(), "MaxNorm: dimension 0 of a scalar, which has none");
    let mut nan = dense();
    nan.weight.as_mut_slice::<f64>().unwrap()[3] = f64::NAN;
    let e = MaxNorm::new(1.0).apply(&mut nan).unwrap_err();
    assert_eq!((e.message().as_str(), e.layer()), ("MaxNorm: the norm of row 1 is NaN", Some("weight")));
    let mut empty = Param::new(Tensor::zeros([3, 0]).unwrap()).unwrap();
    MaxNorm::new(1.0).apply(&mut empty).unwrap();
    NonNegative::new().apply(&mut empty).unwrap();
}

/// Objective, equalities and inequalities at a point.
type Problem = fn(&Tensor) -> (Tensor, Vec<Tensor>, Vec<Tensor>);

/// Minimises from a starting point until the multipliers have converged.
fn solve(
    start: &[f64],
    rate: f64,
    mut lagrangian: AugmentedLagrangian,
    problem: Problem,
) -> (Vec<f64>, AugmentedLagrangian) {
    let mut x = param(start);
    let mut opt = Sgd::new(rate).momentum(0.9);
    for _round in 0..200 {
        for _step in 0..400 {
            let (f, g, h) = problem(&x);
            let (g, h): (Vec<_>, Vec<_>) = (g.iter().collect(), h.iter().collect());
            let loss = lagrangian.loss(&f, &g, &h).unwrap();
            opt.step(&mut x, &loss.backward().unwrap()).unwrap();
        }
        let (_, g, h) = problem(&x);
        let (g, h): (Vec<_>, Vec<_>) = (g.iter().collect(), h.iter().collect());
        if lagrangian.update(&g, &h).unwrap() {
            return (x.to_f64_vec(), lagrangian);
        }
    }
    panic!("no convergence: {:?} at {x:?}", lagrangian.violation());
}

fn exact() -> AugmentedLagrangian {
    AugmentedLagrangian::new().tolerance(1e-10)
}

#[track_caller]
fn assert_close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    got.iter().zip(want).for_each(|(g, w)| assert!((g - w).abs() < 1e-7, "{got:?} instead of {want:?}"));
}

fn multipliers(tensors: &[Tensor]) -> Vec<f64> {
    tensors.iter().flat_map(Tensor::to_f64_vec).collect()
}

#[test]
fn nearest_point_of_a_line() {
    let (x, l) = solve(&[3.0, -1.0], 0.05, exact(), |x| (x.square().sum(), vec![x.sum() - 1.0], vec![]));
    assert_close(&x, &[0.5, 0.5]);
    assert_close(&multipliers(l.equality_multipliers()), &[-1.0]);
    assert!(l.is_converged() && l.inequality_multipliers().is_empty());
}

#[test]
fn quadratic_program_with_two_equations() {
    // min |x|² / 2 with A x = b: x = Aᵀ y, λ = −y, A Aᵀ y = b.
    let (x, l) = solve(&[0.0; 3], 0.02, exact(), |x| {
        let a = Tensor::from_slice(&[1.0, 1.0, 1.0, 0.0, 1.0, 2.0], [2, 3]).unwrap();
        let g = a.mul(x).unwrap().sum_dims(&[1], false).unwrap().sub(&f64s(&[1.0, 2.0])).unwrap();
        (x.square().sum() * 0.5, vec![g], vec![])
    });
    // A = [[1, 1, 1], [0, 1, 2]]: A Aᵀ = [[3, 3], [3, 5]], y = (−1/6, 1/2).
    assert_close(&x, &[-1.0 / 6.0, 1.0 / 3.0, 5.0 / 6.0]);
    assert_close(&multipliers(l.equality_multipliers()), &[1.0 / 6.0, -0.5]);
}

#[test]
fn projection_onto_a_ball_from_outside_and_from_inside() {
    let (x, l) = solve(&[0.0, 0.0], 0.01, exact(), |x| {
        (x.sub(&f64s(&[3.0, 4.0])).unwrap().square().sum(), vec![], vec![x.square().sum() - 4.0])
    });
    // a · r / |a|, with the multiplier |a| / r − 1.
    assert_close(&x, &[1.2, 1.6]);
    assert_close(&multipliers(l.inequality_multipliers()), &[1.5]);

    let (x, l) = solve(&[5.0, 5.0], 0.005, exact(), |x| {
        (x.sub(&f64s(&[0.5, -1.0])).unwrap().square().sum(), vec![], vec![x.square().sum() - 4.0])
    });
    assert_close(&x, &[0.5, -1.0]);
    assert_close(&multipliers(l.inequality_multipliers()), &[0.0]);
}

#[test]
fn a_uniform_distribution_has_the_largest_entropy() {
    let (p, l) =
        solve(&[0.7, 0.1, 0.1, 0.1], 0.01, exact(), |p| (p.mul(&p.log()).unwrap().sum(), vec![p.sum() - 1.0], vec![]));
    assert_close(&p, &[0.25; 4]);
    // log p + 1 + λ = 0.
    assert_close(&multipliers(l.equality_multipliers()), &[4f64.ln() - 1.0]);
}

#[test]
fn equalities_and_elementwise_inequalities_together() {
    // The nearest point to (1, −2, 0.5) on the simplex x ≥ 0, Σ x = 1 is (3/4, 0, 1/4).
    let (x, l) = solve(&[0.3, 0.3, 0.3], 0.02, exact(), |x| {
        let f = x.sub(&f64s(&[1.0, -2.0, 0.5])).unwrap().square().sum();
        (f, vec![x.sum() - 1.0], vec![x.neg()])
    });
    assert_close(&x, &[0.75, 0.0, 0.25]);
    // 2 (x − a) + λ − ν = 0: λ = 1/2, ν = (0, 4 + 1/2, 0).
    assert_close(&multipliers(l.equality_multipliers()), &[0.5]);
    assert_close(&multipliers(l.inequality_multipliers()), &[0.0, 4.5, 0.0]);
}

#[test]
fn the_penalty_grows_only_when_progress_is_slow() {
    let mut l = AugmentedLagrangian::new().penalty(2.0).growth(3.0).max_penalty(15.0);
    let mut update = |g: f64| {
        l.update(&[&f64s(&[g])], &[]).unwrap();
        l.present_penalty()
    };
    // The violations are g itself.
    assert_eq!([update(1.0), update(0.2), update(0.1), update(0.1), update(0.1)], [2.0, 2.0, 6.0, 15.0, 15.0]);
    let lambda = 2.0 * 1.0 + 2.0 * 0.2 + 2.0 * 0.1 + 6.0 * 0.1 + 15.0 * 0.1;
    assert_close(&multipliers(l.equality_multipliers()), &[lambda]);
}

#[test]
fn the_loss_is_the_objective_at_a_solution_and_has_the_gradient_of_the_formula() {
    let mut l = AugmentedLagrangian::new().penalty(3.0);
    l.update(&[&f64s(&[0.5])], &[&f64s(&[0.25, -1.0])]).unwrap();
    // λ = 1.5, ν = (0.75, 0), μ = 3.
    let x = f64s(&[0.1, 0.2, -0.6]).tracked().unwrap();
    let part = |i: isize| x.mul(&f64s(&[0, 1, 2].map(|j| f64::from(u8::from(j == i))))).unwrap().sum();
    let h = crate::Tensor::stack(&[&part(1), &part(2)], 0).unwrap();
    let loss = l.loss(&f64s(&[7.0]).sum(), &[&part(0).reshape([1]).unwrap()], &[&h]).unwrap();
    let want = 7.0 + 1.5 * 0.1 + 1.5 * 0.01 + ((0.75f64 + 0.6).powi(2) - 0.75f64.powi(2)) / 6.0 + 0.0;
    assert_close(&[loss.item().unwrap()], &[want]);
    assert_close(&loss.backward().unwrap().wrt(&x).unwrap().to_f64_vec(), &[1.5 + 0.3, 0.75 + 0.6, 0.0]);
}

#[test]
fn a_saved_lagrangian_goes_on() {
    let mut l = AugmentedLagrangian::new();
    l.update(&[&f64s(&[0.5])], &[&f64s(&[0.25])]).unwrap();
    let mut copy: AugmentedLagrangian = serde_json::from_str(&serde_json::to_string(&l).unwrap()).unwrap();
    for l in [&mut l, &mut copy] {
        l.update(&[&f64s(&[0.4])], &[&f64s(&[0.2])]).unwrap();
    }
    assert_eq!(multipliers(l.equality_multipliers()), multipliers(copy.equality_multipliers()));
    assert_eq!(multipliers(l.inequality_multipliers()), multipliers(copy.inequality_multipliers()));
    assert_eq!((l.present_penalty(), l.violation()), (copy.present_penalty(), copy.violation()));
}

#[test]
fn lagrangians_report_what_is_wrong() {
    let (one, two) = (f64s(&[1.0]), f64s(&[1.0, 2.0]));
    let new = AugmentedLagrangian::new;
    let message = |l: AugmentedLagrangian| l.loss(&one, &[&one], &[]).unwrap_err().message();
    let above = "expected a finite number above 0";
    assert_eq!(message(new().penalty(-1.0)), format!("AugmentedLagrangian: the penalty is -1, {above}"));
    assert_eq!(message(new().max_penalty(0.0)), format!("AugmentedLagrangian: max_penalty is 0, {above}"));
    let growth = message(new().growth(0.5));
    assert_eq!(growth, "AugmentedLagrangian: growth is 0.5, expected a finite number of at least 1");
    let tolerance = message(new().tolerance(f64::NAN));
    assert_eq!(tolerance, "AugmentedLagrangian: tolerance is NaN, expected a finite number that is not negative");
    let e = new().loss(&two, &[], &[]).unwrap_err();
    assert_eq!(e.message(), "AugmentedLagrangian: the objective has shape [2], expected a single number");

    let mut l = new();
    let e = l.update(&[&f64s(&[f64::NAN])], &[]).unwrap_err();
    assert_eq!(
        (e.message().as_str(), e.kind()),
        ("AugmentedLagrangian: a constraint has NaN or infinite values", ErrorKind::Numeric)
    );
    assert!(l.equality_multipliers().is_empty() && l.violation().is_none());
    l.update(&[&one], &[&two]).unwrap();
    let e = l.update(&[&one, &one], &[&two]).unwrap_err();
    assert_eq!(e.message(), "AugmentedLagrangian: 2 equality constraints, 1 at the last update");
    let e = l.loss(&one, &[&one], &[&one]).unwrap_err();
    assert_eq!(e.message(), "AugmentedLagrangian: inequality constraint 0 is [1] of f64, and was [2] of f64");
    let e = l.loss(&one, &[&tensor![1.0]], &[&two]).unwrap_err();
    assert_eq!(e.message(), "AugmentedLagrangian: equality constraint 0 is [1] of f32, and was [1] of f64");
}
