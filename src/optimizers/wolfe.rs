//! A search along a line for a length that satisfies the strong Wolfe conditions (Nocedal and Wright, *Numerical
//! optimization*, 2006, algorithms 3.5 and 3.6), in the order of steps of minFunc (Schmidt, 2005), which PyTorch follows as
//! well.

use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::exec::reduce::is_finite;

/// The loss has to fall by this part of what the slope at the start promises …
const FALL: f64 = 1e-4;
/// … and the slope to this part of what it was.
const FLATTEN: f64 = 0.9;

/// What is known of a place on the line.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// How far it is from the start, in multiples of the direction.
    pub(super) at: f64,
    pub(super) loss: f64,
    /// The slope of the loss along the direction.
    pub(super) slope: f64,
    pub(super) grad: Tensor,
}

impl Point {
    pub(super) fn is_finite(&self) -> bool {
        self.loss.is_finite() && is_finite(&self.grad)
    }
}

pub(super) struct Line<'a> {
    pub(super) start: Point,
    pub(super) direction: &'a Tensor,
}

/// The best place that was found with at most `budget` evaluations, and how many they were. `first` is the length to try first.
///
/// Where the loss or its gradient is not finite, the loss counts as infinite: the way there is too long.
#[track_caller]
pub(super) fn search(
    line: &Line<'_>,
    first: f64,
    tolerance: f64,
    budget: usize,
    evaluate: &mut dyn FnMut(f64) -> Result<Point>,
) -> Result<(Point, usize)> {
    let start = &line.start;
    let mut at = |t: f64| -> Result<Point> {
        let mut point = evaluate(t)?;
        if !point.is_finite() || !point.slope.is_finite() {
            (point.loss, point.slope) = (f64::INFINITY, f64::NAN);
        }
        Ok(point)
    };
    let reach = line.direction.abs().max()?.item()?;
    let falls = |point: &Point| point.loss <= start.loss + FALL * point.at * start.slope;
    let is_flat = |point: &Point| point.slope.abs() <= -FLATTEN * start.slope;

    let mut evaluations = 1;
    let (mut before, mut point) = (start.clone(), at(first)?);
    // Further and further, until the interval between the last two places holds what is looked for.
    let mut tries = 0;
    let bracket = loop {
        if tries >= budget {
            break Err([start.clone(), point]);
        }
        if !falls(&point) || (tries > 1 && point.loss >= before.loss) {
            break Ok([before, point]);
        }
        if is_flat(&point) {
            return Ok((point, evaluations));
        }
        if point.slope >= 0.0 {
            break Ok([before, point]);
        }
        let bounds = (point.at + 0.01 * (point.at - before.at), point.at * 10.0);
        let next = interpolate(&before, &point, bounds);
        before = std::mem::replace(&mut point, at(next)?);
        evaluations += 1;
        tries += 1;
    };
    let [mut low, mut high] = match bracket {
        Ok(ends) => lower_first(ends),
        Err(ends) => {
            let [low, _] = lower_first(ends);
            return Ok((low, evaluations));
        }
    };
    // Smaller and smaller.
    let mut is_slow = false;
    while tries < budget && (high.at - low.at).abs() * reach >= tolerance {
        let (left, right) = (low.at.min(high.at), low.at.max(high.at));
        let mut next = interpolate(&low, &high, (left, right));
        // Close to an end for the second time, or at it: go a tenth of the interval inside.
        let margin = 0.1 * (right - left);
        if (right - next).min(next - left) < margin {
            if is_slow || next >= right || next <= left {
                next = if (next - right).abs() < (next - left).abs() { right - margin } else { left + margin };
                is_slow = false;
            } else {
                is_slow = true;
            }
        } else {
            is_slow = false;
        }
        let point = at(next)?;
        evaluations += 1;
        tries += 1;
        if !falls(&point) || point.loss >= low.loss {
            high = point;
            [low, high] = lower_first([low, high]);
            continue;
        }
        let is_done = is_flat(&point);
        if !is_done && point.slope * (high.at - low.at) >= 0.0 {
            high = low;
        }
        low = point;
        if is_done {
            break;
        }
    }
    Ok((low, evaluations))
}

/// The one with the lower loss first; the first of equal ones.
fn lower_first([a, b]: [Point; 2]) -> [Point; 2] {
    if a.loss <= b.loss { [a, b] } else { [b, a] }
}

/// Where the cubic polynomial that has the losses and slopes of two points is lowest, within bounds; their middle, if that is
/// nowhere.
fn interpolate(a: &Point, b: &Point, (low, high): (f64, f64)) -> f64 {
    let (a, b) = if a.at <= b.at { (a, b) } else { (b, a) };
    let d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.at - b.at);
    let d2 = (d1 * d1 - a.slope * b.slope).sqrt();
    let lowest = b.at - (b.at - a.at) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2));
    if lowest.is_nan() { (low + high) / 2.0 } else { lowest.max(low).min(high) }
}
