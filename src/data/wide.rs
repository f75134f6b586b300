//! Numbers with twice the digits of an `f64`: sums that must not lose any, and integers beyond 2⁵³.

/// `high + low`, where `low` is what `high` is too coarse to hold: at most half a unit in its last place.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub(super) struct Wide {
    pub(super) high: f64,
    pub(super) low: f64,
}

impl Wide {
    /// The exact sum of two numbers (Knuth's two-sum).
    fn sum(a: f64, b: f64) -> Self {
        let high = a + b;
        if !high.is_finite() {
            return Self { high, low: 0.0 };
        }
        let part = high - a;
        Self { high, low: (a - (high - part)) + (b - part) }
    }

    pub(super) fn to_f64(self) -> f64 {
        self.high + self.low
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let sum = Self::sum(self.high, other.high);
        Self::sum(sum.high, sum.low + (self.low + other.low))
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(Self { high: -other.high, low: -other.low })
    }

    /// Exact for a factor that is a power of two.
    pub(super) fn times(self, factor: f64) -> Self {
        Self { high: self.high * factor, low: self.low * factor }
    }

    pub(super) fn over(self, divisor: f64) -> Self {
        let high = self.high / divisor;
        // What is left of the division is a number without rounding.
        let rest = high.mul_add(-divisor, self.high) + self.low;
        Self::sum(high, rest / divisor)
    }
}

impl From<f64> for Wide {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

/// Exact up to 106 binary digits; those of `i64` and `u64` have 64.
impl From<i128> for Wide {
    fn from(x: i128) -> Self {
        let high = x as f64;
        Self { high, low: x.wrapping_sub(high as i128) as f64 }
    }
}

/// The mean of some numbers and how far they lie from it, without an error that grows with their size or their number.
///
/// Everything is computed in a unit near the largest number, so that squares neither overflow nor vanish.
pub(super) struct Moments {
    count: f64,
    unit: f64,
    /// In that unit.
    mean: Wide,
    sum_of_squares: f64,
}

impl Moments {
    pub(super) fn of(numbers: &[Wide]) -> Self {
        let largest = numbers.iter().fold(0.0, |largest: f64, x| largest.max(x.high.abs()));
        let count = numbers.len() as f64;
        if !largest.is_finite() {
            let mean = numbers.iter().map(|x| x.high).sum::<f64>() / count;
            return Self { count, unit: 1.0, mean: mean.into(), sum_of_squares: f64::NAN };
        }
        // So that the inverse is a number too.
        let exponent = libm::ilogb(largest.max(f64::MIN_POSITIVE)).clamp(-1000, 1000);
        let (unit, inverse) = (libm::ldexp(1.0, exponent), libm::ldexp(1.0, -exponent));
        let total = numbers.iter().fold(Wide::default(), |sum, x| sum.plus(x.times(inverse)));
        let mean = total.over(count);
        let squares = numbers.iter().fold(Wide::default(), |sum, x| {
            let distance = x.times(inverse).minus(mean).to_f64();
            sum.plus((distance * distance).into())
        });
        Self { count, unit, mean, sum_of_squares: squares.to_f64() }
    }

    /// NaN if there are no numbers.
    pub(super) fn mean(&self) -> Wide {
        self.mean.times(self.unit)
    }

    /// The standard deviation, dividing by n − `less`.
    pub(super) fn deviation(&self, less: f64) -> f64 {
        (self.sum_of_squares / (self.count - less)).sqrt() * self.unit
    }

    /// Whether the numbers differ by no more than rounding errors may: the bound of scikit-learn's `StandardScaler`.
    pub(super) fn is_noise(&self) -> bool {
        let (variance, noise) = (self.sum_of_squares / self.count, self.count * self.mean.to_f64() * f64::EPSILON);
        variance <= self.count * f64::EPSILON * variance + noise * noise
    }
}

/// The value below which a share `q` of the sorted numbers lies, linearly interpolated; NaN if there are none.
pub(super) fn quantile(sorted: &[Wide], q: f64) -> Wide {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN.into() };
    let at = q * last as f64;
    let (low, high) = (sorted[at as usize], sorted[(at as usize + 1).min(last)]);
    match at.fract() {
        // Infinite neighbours have no difference.
        0.0 => low,
        share => {
            let distance = high.minus(low);
            let part = Wide::from(distance.high * share);
            match distance.high.is_finite() || !(low.high.is_finite() && high.high.is_finite()) {
                true => low.plus(part),
                false => low.times(1.0 - share).plus(high.times(share)),
            }
        }
    }
}

/// The numbers by size.
pub(super) fn sorted(mut numbers: Vec<Wide>) -> Vec<Wide> {
    crate::order::sort_by(&mut numbers, |a, b| a.high.total_cmp(&b.high).then(a.low.total_cmp(&b.low)));
    numbers
}

#[cfg(test)]
mod tests;
