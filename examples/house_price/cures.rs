//! Part 2: what the article names as improvements, each tried on the same three houses.

use demotic::layers::Param;
use demotic::optimizers::schedule::{AdaptiveRate, Schedule};
use demotic::optimizers::{Adam, Optimizer, Sgd};
use demotic::prelude::*;
use demotic::regularizers::AugmentedLagrangian;
use demotic::train::plot::Chart;
use serde_json::{Value, json};

use crate::options::Options;
use crate::worked::{FIRST_WEIGHTS, curvatures, table};

const STEPS: usize = 2000;
/// The steps that the chart shows. Nothing is to be seen later, and nothing below an error of a hundredth.
const SHOWN: usize = 200;

/// The course of one attempt.
struct Course {
    name: &'static str,
    remark: String,
    losses: Vec<f64>,
    weights: Vec<f64>,
}

pub fn run(options: &Options) -> Result<Value> {
    println!("\n━━ 2. The cures ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━");
    println!("Each on the same three houses, {STEPS} full-batch steps from the same weights.\n");
    let (x, y) = table()?;
    let limit = 2.0 / curvatures(&x)?[0];
    let courses = [
        standardized(&x, &y)?,
        descent("a rate below the limit", format!("rate {:.1e}", 0.9 * limit), &x, &y, Sgd::new(0.9 * limit), None)?,
        descent(
            "momentum",
            format!("rate {:.1e}, momentum 0.9", 0.9 * limit),
            &x,
            &y,
            Sgd::new(0.9 * limit).momentum(0.9),
            None,
        )?,
        descent(
            "adaptive rate",
            "from rate 1.0e-6, raised while the loss falls fast, halved when it rises, at most 1.0e-4".into(),
            &x,
            &y,
            Sgd::new(1e-6),
            Some(AdaptiveRate::new(1e-7, 1e-4).thresholds(1e-6, 1e-4)),
        )?,
        descent("Adam", "rate 0.05, a scale for each weight".into(), &x, &y, Adam::new(0.05), None)?,
        constrained(&x, &y)?,
    ];
    println!("{:<24} {:>12} {:>12} {:>10}   weights", "cure", "first loss", "last loss", "ratio");
    let mut chart =
        Chart::new("Six ways not to diverge").labels("step", "mean squared error").log_y().y_limits(1e-2, 1e7);
    let mut rows = Vec::new();
    for course in courses {
        let (first, last) = (course.losses[0], course.losses[course.losses.len() - 1]);
        let weights: Vec<String> = course.weights.iter().map(|w| format!("{w:.3}")).collect();
        println!("{:<24} {first:>12.2} {last:>12.4} {:>10.2e}   {}", course.name, last / first, weights.join(", "));
        println!("{:<24} {}", "", course.remark);
        chart = chart.line(course.name, course.losses.iter().copied().take(SHOWN));
        rows.push(json!({
            "name": course.name,
            "first_loss": first,
            "last_loss": last,
            "ratio": last / first,
            "weights": course.weights,
        }));
    }
    for format in ["svg", "png"] {
        chart.save(options.out.join("cures").with_extension(format))?;
    }
    println!("\nThe curves: {}", options.out.join("cures.png").display());
    Ok(Value::Array(rows))
}

/// Gradient descent on the raw numbers.
fn descent(
    name: &'static str,
    remark: String,
    x: &Tensor,
    y: &Tensor,
    mut opt: impl Optimizer,
    mut schedule: Option<AdaptiveRate>,
) -> Result<Course> {
    let mut w = Param::new(Tensor::from_vec(FIRST_WEIGHTS.to_vec(), [1, 2])?)?;
    let mut losses = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let loss = losses::mse(&x.linear(&w, None)?, y)?;
        losses.push(loss.item()?);
        opt.step(&mut w, &loss.backward()?)?;
        if let Some(schedule) = &mut schedule {
            schedule.step(&mut opt, loss.item()?)?;
        }
    }
    Ok(Course { name, remark, losses, weights: w.to_f64_vec() })
}

/// Features with mean 0 and standard deviation 1, and a bias for the mean price.
fn standardized(x: &Tensor, y: &Tensor) -> Result<Course> {
    let centred = x.sub(&x.mean_dims(&[0], true)?)?;
    let z = centred.div(&centred.square().mean_dims(&[0], true)?.sqrt())?;
    let condition = curvatures(&z).map(|[largest, smallest]| largest / smallest)?;
    let mut model = Linear {
        weight: Param::new(Tensor::from_vec(FIRST_WEIGHTS.to_vec(), [1, 2])?)?,
        bias: Some(Param::new(Tensor::from_vec(vec![0.0], [1])?)?),
    };
    let mut opt = Sgd::new(0.1);
    let mut losses = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let loss = losses::mse(&model.forward(&z, &mut Mode::Eval)?, y)?;
        losses.push(loss.item()?);
        opt.step(&mut model, &loss.backward()?)?;
    }
    let mut weights = model.weight.to_f64_vec();
    weights.extend(model.bias.iter().flat_map(|b| b.to_f64_vec()));
    let remark = format!("rate 0.1, the article's own: the condition number is now {condition:.1}");
    Ok(Course { name: "standardising", remark, losses, weights })
}

/// The best weights under two conditions: the prices add up to what was paid in all, and no weight is negative.
///
/// The loss that is plotted is the squared error alone.
fn constrained(x: &Tensor, y: &Tensor) -> Result<Course> {
    const ROUNDS: usize = 20;
    // In units of 100 m², 10 years and 100 (10,000 yuan), all numbers are of the size of one.
    let units = Tensor::from_vec(vec![100.0, 10.0], [1, 2])?;
    let (z, t) = (x.div(&units)?, y * 0.01);
    let first_weights = Tensor::from_vec(FIRST_WEIGHTS.to_vec(), [1, 2])?.mul(&units)? * 0.01;
    let mut w = Param::new(first_weights)?;
    let mut problem = AugmentedLagrangian::new().penalty(1.0).max_penalty(10.0);
    let mut opt = Sgd::new(0.01).momentum(0.9);
    let mut losses = Vec::with_capacity(STEPS);
    let conditions = |w: &Param| -> Result<[Tensor; 2]> { Ok([z.linear(w, None)?.sum().sub(&t.sum())?, w.neg()]) };
    for _round in 0..ROUNDS {
        for _step in 0..STEPS / ROUNDS {
            let error = losses::mse(&z.linear(&w, None)?, &t)?;
            losses.push(error.item()? * 1e4);
            let [equal, at_most] = conditions(&w)?;
            let loss = problem.loss(&error, &[&equal], &[&at_most])?;
            opt.step(&mut w, &loss.backward()?)?;
        }
        let [equal, at_most] = conditions(&w)?;
        problem.update(&[&equal], &[&at_most])?;
    }
    let weights = (&w.detach() * 100.0).div(&units)?.to_f64_vec();
    let total = x.linear(&Tensor::from_vec(weights.clone(), [1, 2])?, None)?.sum().item()?;
    let remark = format!("the prices must add up to 800 (they do: {total:.4}), no weight may be negative");
    Ok(Course { name: "Lagrange multipliers", remark, losses, weights })
}
