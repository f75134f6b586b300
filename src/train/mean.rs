//! Means of parts that count differently.

/// A mean of parts that count differently.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    pub(super) total: f64,
    pub(super) weight: f64,
}

impl Mean {
    /// A part of weight 0 does not count, whatever its value is: that of a batch without targets is NaN.
    pub(super) fn add(&mut self, value: f64, weight: f64) {
        if weight != 0.0 {
            self.total += value * weight;
            self.weight += weight;
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.total += other.total;
        self.weight += other.weight;
    }

    pub(super) fn value(self) -> f64 {
        self.total / self.weight
    }
}
