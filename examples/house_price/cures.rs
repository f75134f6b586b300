//! Part 2: six things that help, each tried on the same three houses with the same model.

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

/// The course of one attempt.
struct Course {
    name: &'static str,
    remark: String,
    losses: Vec<f64>,
    weights: Vec<f64>,
}

pub fn run(options: &Options) -> Result<Value> {
    println!("\n━━ 2. Six ways not to diverge ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━\n");
    let (x, y) = table()?;
    let limit = 2.0 / curvatures(&x)?[0];
    let floor = lowest(&x, &y)?;
    println!(
        "The same houses, the same model of two weights, from the same start, {STEPS} steps on all three houses at once."
    );
    println!(
        "Two weights cannot fit three prices exactly: the best possible mean squared error is {floor:.2}, which is to be"
    );
    println!("{:.1} × 10,000 yuan off.\n", floor.sqrt());
    let diverging = diverge(&x, &y)?;
    let courses = [
        scaled(&x, &y)?,
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
            "from rate 1.0e-6, raised while the error falls fast, halved when it rises, at most 1.0e-4".into(),
            &x,
            &y,
            Sgd::new(1e-6),
            Some(AdaptiveRate::new(1e-7, 1e-4).thresholds(1e-6, 1e-4)),
        )?,
        descent("Adam", "rate 0.05, a scale for each weight".into(), &x, &y, Adam::new(0.05), None)?,
        constrained(&x, &y)?,
    ];
    println!("{:<24} {:>12} {:>14} {:>18}   w₁, w₂", "", "first error", "last error", "steps to 1 % above");
    println!("{:<24} {:>12} {:>14} {:>18}   (10,000 yuan per m², per year)", "", "(MSE)", "(MSE)", "the best possible");
    println!("{:<24} {:>12.2} {:>14} {:>18}", "without, at the rate 0.1", diverging[0], "∞", "never");
    let mut chart = Chart::new("Three houses, two weights: one way to diverge, six not to")
        .labels("step", "mean squared error")
        .log_x()
        .log_y()
        .y_limits(1e2, 1e7)
        .horizontal(floor, format!("the best that two weights can do: {floor:.0}"));
    let mut rows = Vec::new();
    for course in courses {
        let (first, last) = (course.losses[0], course.losses[course.losses.len() - 1]);
        let weights: Vec<String> = course.weights.iter().map(|w| format!("{w:.3}")).collect();
        // From where on it stays there.
        let arrived = course.losses.iter().rposition(|loss| *loss > 1.01 * floor).map_or(1, |step| step + 2);
        let arrival = if arrived > STEPS { "not yet".to_string() } else { arrived.to_string() };
        println!("{:<24} {first:>12.2} {last:>14.4} {arrival:>18}   {}", course.name, weights.join(", "));
        println!("{:<24} {}", "", course.remark);
        chart = chart.line(course.name, course.losses.iter().copied());
        rows.push(json!({
            "name": course.name,
            "first_loss": first,
            "last_loss": last,
            "ratio": last / first,
            "weights": course.weights,
        }));
    }
    chart = chart.line("the rate 0.1: diverges", diverging);
    for format in ["svg", "png"] {
        chart.save(options.out.join("cures").with_extension(format))?;
    }
    println!("\nScaling is the cure of choice: it makes the problem an easy one. The others make do with a hard one.");
    println!("The curves: {}", options.out.join("cures.png").display());
    Ok(json!({ "floor": floor, "attempts": rows }))
}

/// The least mean squared error: where the gradient is zero, by Cramer's rule for two unknowns.
fn lowest(x: &Tensor, y: &Tensor) -> Result<f64> {
    let (a, b) = (x.t().matmul(x)?.to_f64_vec(), x.t().matmul(y)?.to_f64_vec());
    let det = a[0] * a[3] - a[1] * a[2];
    let weights = vec![(b[0] * a[3] - a[1] * b[1]) / det, (a[0] * b[1] - b[0] * a[2]) / det];
    losses::mse(&x.linear(&Tensor::from_vec(weights, [1, 2])?, None)?, y)?.item()
}

/// What happens without a cure, until the numbers have no meaning any more.
fn diverge(x: &Tensor, y: &Tensor) -> Result<Vec<f64>> {
    let mut w = Param::new(Tensor::from_vec(FIRST_WEIGHTS.to_vec(), [1, 2])?)?;
    let mut opt = Sgd::new(0.1);
    let mut losses = Vec::new();
    loop {
        let loss = losses::mse(&x.linear(&w, None)?, y)?;
        if losses.len() == STEPS || loss.item()? > 1e30 {
            return Ok(losses);
        }
        losses.push(loss.item()?);
        opt.step(&mut w, &loss.backward()?)?;
    }
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

/// Columns divided by their root mean square, so that areas and ages are numbers of the same size. With a bias in the model,
/// one would subtract their means as well.
fn scaled(x: &Tensor, y: &Tensor) -> Result<Course> {
    let sizes = x.square().mean_dims(&[0], true)?.sqrt();
    let z = x.div(&sizes)?;
    let condition = curvatures(&z).map(|[largest, smallest]| largest / smallest)?;
    // The same weights, in the new units.
    let mut w = Param::new(Tensor::from_vec(FIRST_WEIGHTS.to_vec(), [1, 2])?.mul(&sizes)?)?;
    let mut opt = Sgd::new(0.1);
    let mut losses = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let loss = losses::mse(&z.linear(&w, None)?, y)?;
        losses.push(loss.item()?);
        opt.step(&mut w, &loss.backward()?)?;
    }
    let remark = format!("rate 0.1, the very one that diverges: the curvatures differ only {condition:.0} times now");
    Ok(Course { name: "scaled columns", remark, losses, weights: w.detach().div(&sizes)?.to_f64_vec() })
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
