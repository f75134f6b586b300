use super::super::optim::*;
use super::*;

const STEPS: u64 = 5;

fn sgd<T: Real>(rule: Sgd, p: &mut [T], g: &[T], velocity: Option<&mut [T]>) {
    update(&Rule::Sgd(rule), Slices { p, g, state: [velocity.unwrap_or_default(), &mut [], &mut []] });
}

fn adam<T: Real>(rule: Adam, p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], v_max: Option<&mut [T]>) {
    update(&Rule::Adam(rule), Slices { p, g, state: [m, v, v_max.unwrap_or_default()] });
}

fn rmsprop<T: Real>(
    rule: RmsProp,
    p: &mut [T],
    g: &[T],
    square: &mut [T],
    mean: Option<&mut [T]>,
    velocity: Option<&mut [T]>,
) {
    let state = [square, mean.unwrap_or_default(), velocity.unwrap_or_default()];
    update(&Rule::RmsProp(rule), Slices { p, g, state });
}

fn adagrad<T: Real>(rule: AdaGrad, p: &mut [T], g: &[T], sum: &mut [T]) {
    update(&Rule::AdaGrad(rule), Slices { p, g, state: [sum, &mut [], &mut []] });
}

/// Runs an optimizer for some steps with gradients that change, on slices of every length, and compares with a
/// reference that updates one parameter in `f64` by the formulas as they are printed.
fn check<T: Real>(
    tolerance: f64,
    mut step: impl FnMut(u64, &mut [T], &[T], &mut [Vec<T>]),
    mut reference: impl FnMut(u64, &mut f64, f64, &mut [f64; 4]),
) {
    for n in lengths() {
        on_each_level(|level| {
            let mut p: Vec<T> = numbers(n, 1);
            let mut expected: Vec<f64> = p.iter().map(|&p| p.to_f64()).collect();
            let mut state = vec![vec![T::zero(); n]; 4];
            let mut expected_state = vec![[0.0; 4]; n];
            for t in 1..=STEPS {
                let g: Vec<T> = numbers(n, 10 + t as u32);
                step(t, &mut p, &g, &mut state);
                for ((p, &g), s) in expected.iter_mut().zip(&g).zip(&mut expected_state) {
                    reference(t, p, g.to_f64(), s);
                }
            }
            assert_close(&p, &expected, tolerance, (level, n));
        });
    }
}

#[test]
fn sgd_in_all_its_forms() {
    for (momentum, dampening, nesterov, weight_decay) in [
        (0.0, 0.0, false, 0.0),
        (0.0, 0.0, false, 0.1),
        (0.9, 0.0, false, 0.1),
        (0.9, 0.2, false, 0.0),
        (0.9, 0.0, true, 0.1),
    ] {
        let rule = |t| Sgd { lr: 0.05, momentum, dampening, weight_decay, nesterov, first: t == 1 };
        let reference = |t: u64, p: &mut f64, g: f64, s: &mut [f64; 4]| {
            let mut g = g + weight_decay * *p;
            if momentum != 0.0 {
                s[0] = if t == 1 { g } else { momentum * s[0] + (1.0 - dampening) * g };
                g = if nesterov { g + momentum * s[0] } else { s[0] };
            }
            *p -= 0.05 * g;
        };
        let with = momentum != 0.0;
        check::<f32>(1e-6, |t, p, g, s| sgd(rule(t), p, g, with.then_some(&mut s[0])), reference);
        check::<f64>(1e-14, |t, p, g, s| sgd(rule(t), p, g, with.then_some(&mut s[0])), reference);
    }
}

#[test]
fn the_first_step_does_not_read_the_velocity() {
    let rule = Sgd { lr: 1.0, momentum: 0.9, dampening: 0.5, weight_decay: 0.0, nesterov: false, first: true };
    let (mut p, mut v) = ([1.0_f32], [f32::NAN]);
    sgd(rule, &mut p, &[0.25], Some(&mut v));
    assert_eq!((p, v), ([0.75], [0.25]));
}

#[test]
fn adam_in_all_its_forms() {
    for (weight_decay, decoupled, amsgrad) in
        [(0.0, false, false), (0.1, false, false), (0.1, true, false), (0.0, false, true), (0.1, true, true)]
    {
        let rule = |step| Adam { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay, decoupled, step };
        let reference = |t: u64, p: &mut f64, g: f64, s: &mut [f64; 4]| {
            let mut g = g;
            if decoupled {
                *p -= 0.01 * weight_decay * *p;
            } else {
                g += weight_decay * *p;
            }
            s[0] = 0.9 * s[0] + 0.1 * g;
            s[1] = 0.99 * s[1] + 0.01 * g * g;
            s[2] = s[2].max(s[1]);
            let v = if amsgrad { s[2] } else { s[1] };
            let m_hat = s[0] / (1.0 - 0.9_f64.powi(t as i32));
            let v_hat = v / (1.0 - 0.99_f64.powi(t as i32));
            *p -= 0.01 * m_hat / (v_hat.sqrt() + 1e-8);
        };
        fn step<T: Real>(rule: Adam, p: &mut [T], g: &[T], s: &mut [Vec<T>], amsgrad: bool) {
            let [m, v, v_max, _] = s else { panic!("four states") };
            adam(rule, p, g, m, v, amsgrad.then_some(v_max));
        }
        check::<f32>(1e-6, |t, p, g, s| step(rule(t), p, g, s, amsgrad), reference);
        check::<f64>(1e-14, |t, p, g, s| step(rule(t), p, g, s, amsgrad), reference);
    }
}

#[test]
fn rmsprop_in_all_its_forms() {
    for (momentum, centred, weight_decay) in [(0.0, false, 0.0), (0.9, false, 0.1), (0.0, true, 0.0), (0.9, true, 0.0)]
    {
        let rule = RmsProp { lr: 0.01, alpha: 0.9, eps: 1e-3, momentum, weight_decay };
        let reference = |_, p: &mut f64, g: f64, s: &mut [f64; 4]| {
            let g = g + weight_decay * *p;
            s[0] = 0.9 * s[0] + 0.1 * g * g;
            s[1] = 0.9 * s[1] + 0.1 * g;
            let square = if centred { s[0] - s[1] * s[1] } else { s[0] };
            s[2] = momentum * s[2] + g / (square.sqrt() + 1e-3);
            *p -= 0.01 * s[2];
        };
        fn step<T: Real>(rule: RmsProp, p: &mut [T], g: &[T], s: &mut [Vec<T>], centred: bool) {
            let [square, mean, velocity, _] = s else { panic!("four states") };
            rmsprop(rule, p, g, square, centred.then_some(mean), (rule.momentum != 0.0).then_some(velocity));
        }
        check::<f32>(1e-5, |_, p, g, s| step(rule, p, g, s, centred), reference);
        check::<f64>(1e-13, |_, p, g, s| step(rule, p, g, s, centred), reference);
    }
}

#[test]
fn averages_that_fade_away_end_at_zero() {
    let tiny = f32::MIN_POSITIVE;
    let (mut p, mut v) = ([1.0], [tiny]);
    let rule = Sgd { lr: 0.1, momentum: 0.9, dampening: 0.0, weight_decay: 0.0, nesterov: false, first: false };
    sgd(rule, &mut p, &[0.0], Some(&mut v));
    assert_eq!(v, [0.0]);
    let rule = Adam { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.0, decoupled: false, step: 9 };
    let (mut m, mut v) = ([-tiny], [tiny]);
    adam(rule, &mut p, &[0.0], &mut m, &mut v, None);
    assert_eq!((m, v), ([0.0], [0.0]));
}

#[test]
fn centred_rmsprop_of_a_constant_gradient_is_finite() {
    let rule = RmsProp { lr: 0.01, alpha: 0.9, eps: 1e-8, momentum: 0.0, weight_decay: 0.0 };
    let (mut p, mut square, mut mean) = ([1.0_f32; 7], [0.0; 7], [0.0; 7]);
    let g = [0.1, 0.3, 0.7, 1.1, 1e3, 1e-3, 3.3];
    for _ in 0..500 {
        rmsprop(rule, &mut p, &g, &mut square, Some(&mut mean), None);
    }
    assert!(p.iter().all(|p| p.is_finite()), "{p:?}");
}

#[test]
fn adagrad_with_decays() {
    for (lr_decay, weight_decay) in [(0.0, 0.0), (0.1, 0.1)] {
        let rule = |step| AdaGrad { lr: 0.1, lr_decay, eps: 1e-10, weight_decay, step };
        let reference = |t: u64, p: &mut f64, g: f64, s: &mut [f64; 4]| {
            let g = g + weight_decay * *p;
            s[0] += g * g;
            *p -= 0.1 / (1.0 + (t - 1) as f64 * lr_decay) * g / (s[0].sqrt() + 1e-10);
        };
        check::<f32>(1e-6, |t, p, g, s| adagrad(rule(t), p, g, &mut s[0]), reference);
        check::<f64>(1e-14, |t, p, g, s| adagrad(rule(t), p, g, &mut s[0]), reference);
    }
}

#[test]
fn large_updates_do_not_depend_on_the_number_of_threads() {
    let n = if cfg!(miri) { 20 } else { 100_003 };
    let g = numbers::<f32>(n, 2);
    let rule = Adam { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1, decoupled: true, step: 3 };
    assert_same_on_two_threads(|| {
        let (mut p, mut m, mut v) = (numbers::<f32>(n, 1), numbers::<f32>(n, 3), vec![1.0; n]);
        adam(rule, &mut p, &g, &mut m, &mut v, None);
        (p, m, v)
    });
}

/// With master weights, 16-bit parameters are what a run in single precision gives, rounded; without, each step is that of
/// parameters that were widened, rounded.
#[test]
fn parameters_of_16_bits_are_rounded_after_the_step() {
    fn check<H: num_traits::Float + super::super::Elem + std::fmt::Debug>(round: fn(f32) -> H)
    where
        [H]: half::slice::HalfFloatSliceExt,
    {
        for n in lengths().chain([40_000]) {
            let rule = |step| {
                let (beta1, beta2, eps) = (0.9, 0.99, 1e-8);
                Rule::Adam(Adam { lr: 0.01, beta1, beta2, eps, weight_decay: 0.1, decoupled: true, step })
            };
            let start: Vec<f32> = numbers(n, 1);
            let rounded = |p: &[f32]| p.iter().map(|&p| round(p)).collect::<Vec<H>>();
            let widened = |p: &[H]| p.iter().map(|p| p.to_f32().unwrap()).collect::<Vec<f32>>();
            // The parameters, the averages, and the largest of them.
            let mut single = [start.clone(), vec![0.0; n], vec![0.0; n], vec![0.0; n]];
            let (mut with_master, mut master) = (rounded(&start), single.clone());
            let (mut without, mut state) = (rounded(&start), single.clone());
            let mut expected = [widened(&without), vec![0.0; n], vec![0.0; n], vec![0.0; n]];
            for t in 1..=STEPS {
                let g: Vec<f32> = numbers(n, 10 + t as u32);
                fn all<'a>([p, m, v, v_max]: &'a mut [Vec<f32>; 4], g: &'a [f32]) -> Slices<'a, f32> {
                    Slices { p, g, state: [m, v, v_max] }
                }
                update(&rule(t), all(&mut single, &g));
                update_rounded(&rule(t), &mut with_master, all(&mut master, &g));
                update_rounded(&rule(t), &mut without, Slices { p: &mut [], ..all(&mut state, &g) });
                update(&rule(t), all(&mut expected, &g));
                expected[0] = widened(&rounded(&expected[0]));
            }
            assert_same(&master[0], &single[0], n);
            assert_same(&with_master, &rounded(&single[0]), n);
            assert_same(&widened(&without), &expected[0], n);
            (1..4).for_each(|i| assert_same(&state[i], &expected[i], (n, i)));
        }
    }
    check(half::f16::from_f32);
    check(half::bf16::from_f32);
}

fn of_two<T: Real>(rule: Rule, p: &mut [T], g: &[T], s: &mut [Vec<T>]) {
    let [first, second, ..] = s else { panic!("four states") };
    update(&rule, Slices { p, g, state: [first, second, &mut []] });
}

fn of_one<T: Real>(rule: Rule, p: &mut [T], g: &[T], s: &mut [Vec<T>]) {
    update(&rule, Slices { p, g, state: [&mut s[0], &mut [], &mut []] });
}

fn signum(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

#[test]
fn the_relatives_of_adam() {
    for (of_gradient, root_scale, shrink) in [(0.0, None, 1.0), (0.0, Some(1.0), 0.9), (0.02, Some(1.5), 1.0)] {
        let rule = Moments {
            beta1: 0.9,
            beta2: 0.99,
            of_average: 0.01,
            of_gradient,
            root_scale,
            eps: 1e-3,
            weight_decay: 0.1,
            shrink,
        };
        let reference = |_, p: &mut f64, g: f64, s: &mut [f64; 4]| {
            let g = g + 0.1 * *p;
            s[0] = 0.9 * s[0] + 0.1 * g;
            s[1] = 0.99 * s[1] + 0.01 * g * g;
            let denominator = root_scale.map_or(1.0, |scale| s[1].sqrt() * scale + 1e-3);
            *p = shrink * *p - (0.01 * s[0] + of_gradient * g) / denominator;
        };
        check::<f32>(1e-5, |_, p, g, s| of_two(Rule::Moments(rule), p, g, s), reference);
        check::<f64>(1e-13, |_, p, g, s| of_two(Rule::Moments(rule), p, g, s), reference);
    }
    let rule = Adamax { lr: 0.01, beta1: 0.9, beta2: 0.8, eps: 1e-3, weight_decay: 0.1 };
    let reference = |_, p: &mut f64, g: f64, s: &mut [f64; 4]| {
        let g = g + 0.1 * *p;
        s[0] = 0.9 * s[0] + 0.1 * g;
        s[1] = (0.8 * s[1]).max(g.abs() + 1e-3);
        *p -= 0.01 * s[0] / s[1];
    };
    check::<f32>(1e-5, |_, p, g, s| of_two(Rule::Adamax(rule), p, g, s), reference);
    check::<f64>(1e-13, |_, p, g, s| of_two(Rule::Adamax(rule), p, g, s), reference);
    let rule = Adadelta { lr: 0.5, rho: 0.9, eps: 1e-3, weight_decay: 0.1 };
    let reference = |_, p: &mut f64, g: f64, s: &mut [f64; 4]| {
        let g = g + 0.1 * *p;
        s[0] = 0.9 * s[0] + 0.1 * g * g;
        let delta = ((s[1] + 1e-3) / (s[0] + 1e-3)).sqrt() * g;
        s[1] = 0.9 * s[1] + 0.1 * delta * delta;
        *p -= 0.5 * delta;
    };
    check::<f32>(1e-5, |_, p, g, s| of_two(Rule::Adadelta(rule), p, g, s), reference);
    check::<f64>(1e-13, |_, p, g, s| of_two(Rule::Adadelta(rule), p, g, s), reference);
}

/// In `f64`, where no sign depends on how a number was rounded.
#[test]
fn rules_of_signs_and_of_averages() {
    let rule = Lion { lr: 0.01, beta1: 0.9, beta2: 0.8, weight_decay: 0.1 };
    let reference = |_, p: &mut f64, g: f64, s: &mut [f64; 4]| {
        *p -= 0.01 * (signum(0.9 * s[0] + 0.1 * g) + 0.1 * *p);
        s[0] = 0.8 * s[0] + 0.2 * g;
    };
    check::<f64>(1e-13, |_, p, g, s| of_one(Rule::Lion(rule), p, g, s), reference);
    let rule = Rprop { eta_minus: 0.5, eta_plus: 1.2, min_step: 0.01, max_step: 0.1, weight_decay: 0.1 };
    let reference = |t, p: &mut f64, g: f64, s: &mut [f64; 4]| {
        let mut g = g + 0.1 * *p;
        let size = if t == 1 { 0.0 } else { s[1] };
        let factor = match g * s[0] {
            x if x > 0.0 => 1.2,
            x if x < 0.0 => 0.5,
            _ => 1.0,
        };
        s[1] = (size * factor).clamp(0.01, 0.1);
        if g * s[0] < 0.0 {
            g = 0.0;
        }
        *p -= signum(g) * s[1];
        s[0] = g;
    };
    check::<f64>(1e-13, |_, p, g, s| of_two(Rule::Rprop(rule), p, g, s), reference);
    for mu in [1.0, 0.25] {
        let rule = Asgd { eta: 0.05, shrink: 0.9, mu, weight_decay: 0.1 };
        let reference = |_, p: &mut f64, g: f64, s: &mut [f64; 4]| {
            *p = 0.9 * *p - 0.05 * (g + 0.1 * *p);
            s[0] += mu * (*p - s[0]);
        };
        check::<f64>(1e-13, |_, p, g, s| of_one(Rule::Asgd(rule), p, g, s), reference);
    }
}
