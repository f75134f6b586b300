//! Statistics of a window that moves over a series, in a time that does not depend on the length of the window.

/// What is known of some neighbouring numbers, which can be put together with what is known of those behind them.
#[derive(Clone, Copy, Default)]
struct Part {
    count: usize,
    mean: f64,
    /// The sum of the squared distances from the mean.
    spread: f64,
    min: f64,
    max: f64,
    /// How many are missing.
    missing: usize,
}

impl Part {
    fn of(x: f64) -> Self {
        match x.is_nan() {
            true => Self { missing: 1, ..Self::default() },
            false => Self { count: 1, mean: x, spread: 0.0, min: x, max: x, missing: 0 },
        }
    }

    /// T. F. Chan, G. H. Golub and R. J. LeVeque, *Updating formulae and a pairwise algorithm for computing sample variances*,
    /// 1979.
    fn and(self, next: Self) -> Self {
        let missing = self.missing + next.missing;
        if self.count == 0 || next.count == 0 {
            return Self { missing, ..if self.count == 0 { next } else { self } };
        }
        let (a, b) = (self.count as f64, next.count as f64);
        let apart = next.mean - self.mean;
        Self {
            count: self.count + next.count,
            mean: self.mean + apart * (b / (a + b)),
            spread: self.spread + next.spread + apart * apart * (a * b / (a + b)),
            min: self.min.min(next.min),
            max: self.max.max(next.max),
            missing,
        }
    }
}

/// A statistic of a window.
#[derive(Clone, Copy)]
pub(super) enum Statistic {
    Mean,
    Deviation,
    Min,
    Max,
}

impl Statistic {
    fn of(self, part: Part) -> f64 {
        match self {
            Self::Mean => part.mean,
            // One number alone has none.
            Self::Deviation if part.count < 2 => f64::NAN,
            Self::Deviation => (part.spread / (part.count - 1) as f64).sqrt(),
            Self::Min => part.min,
            Self::Max => part.max,
        }
    }
}

/// Statistics of each number with the `window - 1` before it, one list for each; NaN where the window is not full, or a number
/// in it is missing.
///
/// The window is a queue of two stacks: behind, numbers are added to a total; in front, each has the total of itself and all
/// behind it in that stack, so that the first one can be taken away. Nothing is subtracted, so nothing is lost to rounding.
pub(super) fn rolling(values: &[f64], window: usize, what: &[Statistic]) -> Vec<Vec<f64>> {
    let mut out = vec![vec![f64::NAN; values.len()]; what.len()];
    let mut front: Vec<Part> = Vec::new();
    let (mut back, mut from) = (Part::default(), 0);
    for (i, x) in values.iter().enumerate() {
        back = back.and(Part::of(*x));
        if i + 1 < window {
            continue;
        }
        if i >= window && front.pop().is_none() {
            // All of the window is behind; its first number is to go.
            for x in values[from..=i].iter().rev() {
                let part = Part::of(*x).and(front.last().copied().unwrap_or_default());
                front.push(part);
            }
            front.pop();
            (back, from) = (Part::default(), i + 1);
        }
        let all = front.last().copied().unwrap_or_default().and(back);
        if all.missing == 0 {
            out.iter_mut().zip(what).for_each(|(out, what)| out[i] = what.of(all));
        }
    }
    out
}

#[cfg(test)]
mod tests;
