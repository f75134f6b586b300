//! A curve of as many points as one likes, of which a bounded number is kept.

/// How many points a curve has at the most.
const POINTS: usize = 1024;

/// Points over steps. When there are too many, neighbours become their mean, and from then on as many values are one point as there were in
/// these.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    points: Vec<(f64, f64)>,
    /// How many values make a point, and those of the next one.
    each: usize,
    next: (f64, f64, usize),
}

impl Default for Curve {
    fn default() -> Self {
        Self { points: Vec::new(), each: 1, next: (0.0, 0.0, 0) }
    }
}

impl Curve {
    /// Values that are no finite numbers are left out.
    pub(super) fn add(&mut self, x: f64, y: f64) {
        if !y.is_finite() {
            return;
        }
        let (xs, ys, count) = self.next;
        self.next = (xs + x, ys + y, count + 1);
        if self.next.2 < self.each {
            return;
        }
        let (xs, ys, count) = std::mem::take(&mut self.next);
        self.points.push((xs / count as f64, ys / count as f64));
        if self.points.len() >= POINTS {
            let pairs = self.points.as_chunks::<2>().0;
            self.points = pairs.iter().map(|[a, b]| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0)).collect();
            self.each *= 2;
        }
    }

    pub(super) fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    pub(super) fn last(&self) -> Option<f64> {
        self.points.last().map(|point| point.1)
    }
}
