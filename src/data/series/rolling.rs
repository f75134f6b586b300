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
mod tests {
    use super::*;

    #[test]
    fn windows_are_what_they_are_when_computed_alone() {
        let mut rng = crate::rng::Rng::seed(3);
        for window in [1, 2, 3, 7, 19, 40, 41] {
            let mut values: Vec<f64> = (0..40).map(|_| 1e6 + rng.normal()).collect();
            values[11] = f64::NAN;
            let what = [Statistic::Mean, Statistic::Deviation, Statistic::Min, Statistic::Max];
            let found = rolling(&values, window, &what);
            for i in 0..40 {
                let Some(part) = (i + 1 >= window).then(|| &values[i + 1 - window..=i]) else {
                    assert!(found.iter().all(|list| list[i].is_nan()), "{window} {i}");
                    continue;
                };
                let mean = part.iter().sum::<f64>() / window as f64;
                let spread: f64 = part.iter().map(|x| (x - mean) * (x - mean)).sum();
                let deviation = (spread / (window as f64 - 1.0)).sqrt();
                let (min, max) = (
                    part.iter().copied().fold(f64::INFINITY, f64::min),
                    part.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                );
                if mean.is_nan() {
                    assert!(found.iter().all(|list| list[i].is_nan()), "{window} {i}");
                    continue;
                }
                assert!((found[0][i] - mean).abs() < 1e-8, "{window} {i}");
                assert!(window == 1 || (found[1][i] - deviation).abs() < 1e-8, "{window} {i}");
                assert_eq!((found[2][i], found[3][i]), (min, max), "{window} {i}");
            }
        }
        assert!(rolling(&[], 3, &[Statistic::Mean])[0].is_empty());
    }
}
