//! Weighted sums of places along one dimension: images made larger and smaller.

use crate::parallel;

use super::walk::count;
use super::{GRAIN, Real};

/// For each place of a result the places that it is a sum of, and how much each counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taps {
    /// Where the taps of each place end.
    ends: Vec<usize>,
    taps: Vec<(usize, f64)>,
}

impl Taps {
    /// One more place, the sum of these.
    pub(crate) fn push(&mut self, taps: impl IntoIterator<Item = (usize, f64)>) {
        self.taps.extend(taps);
        self.ends.push(self.taps.len());
    }

    /// How many places a result has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn of(&self, place: usize) -> &[(usize, f64)] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.taps[start..self.ends[place]]
    }

    /// The other way round: for each of `size` places of what is summed, the results that it counts for.
    pub(crate) fn transposed(&self, size: usize) -> Self {
        let mut ends = vec![0; size];
        self.taps.iter().for_each(|(from, _)| ends[*from] += 1);
        let mut sum = 0;
        // Where the next tap of each place goes; in the end, where its last one was.
        for end in &mut ends {
            (*end, sum) = (sum, sum + *end);
        }
        let mut taps = vec![(0, 0.0); self.taps.len()];
        for place in 0..self.len() {
            for (from, weight) in self.of(place) {
                taps[ends[*from]] = (place, *weight);
                ends[*from] += 1;
            }
        }
        Self { ends, taps }
    }
}

/// Makes `[outer, taps.len(), inner]` of `[outer, size, inner]`.
pub(crate) fn resample<T: Real>(taps: &Taps, size: usize, inner: usize, x: &[T], out: &mut [T]) {
    let (each, of) = (count(&[taps.len(), inner]), count(&[size, inner]));
    let outer = x.len().checked_div(of).unwrap_or(0);
    let fits = outer * of == x.len() && outer * each == out.len() && taps.taps.iter().all(|(from, _)| *from < size);
    assert!(fits, "resample: {} elements of {}", out.len(), x.len());
    parallel::for_blocks(out, inner * (GRAIN / 4).div_ceil(inner.max(1)), |start, out| {
        for (i, out) in out.chunks_mut(inner).enumerate() {
            let row = start / inner + i;
            let (x, taps) = (&x[row / taps.len() * of..][..of], taps.of(row % taps.len()));
            if let [out] = out {
                *out = taps.iter().fold(T::zero(), |sum, (from, w)| sum + T::from_f64(*w) * x[*from]);
                continue;
            }
            out.fill(T::zero());
            for (from, weight) in taps {
                let weight = T::from_f64(*weight);
                out.iter_mut().zip(&x[from * inner..][..inner]).for_each(|(out, x)| *out += weight * *x);
            }
        }
    });
}
