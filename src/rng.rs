//! Random numbers from an explicit generator.
//!
//! Nothing in this crate draws from a hidden global generator: whatever needs randomness (initialisers,
//! shuffles, dropout, sampling) takes a `&mut Rng`. A seed therefore fixes a whole run, and the state can be
//! saved and restored with `serde`.

use rand::Rng as _;
use rand::SeedableRng;
use rand_distr::Distribution;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A seedable, splittable, serialisable generator (xoshiro256++; Blackman and Vigna, 2019).
///
/// ```
/// use demotic::Rng;
///
/// let mut a = Rng::seed(7);
/// let mut b = Rng::seed(7);
/// assert_eq!(a.uniform(), b.uniform());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Xoshiro256PlusPlus", into = "Xoshiro256PlusPlus")]
pub struct Rng {
    state: Xoshiro256PlusPlus,
    /// Whether initialisers give zeros instead of drawing.
    blank: bool,
}

/// A state of zeros, which no seed leads to and which only ever gives zeros, is refused.
impl TryFrom<Xoshiro256PlusPlus> for Rng {
    type Error = &'static str;

    fn try_from(state: Xoshiro256PlusPlus) -> Result<Self, Self::Error> {
        let mut probe = state.clone();
        // Any other state gives at most four in a row.
        if (0..5).all(|_| probe.next_u64() == 0) {
            return Err("the state of the random generator is all zeros");
        }
        Ok(Self { state, blank: false })
    }
}

impl From<Rng> for Xoshiro256PlusPlus {
    fn from(rng: Rng) -> Self {
        rng.state
    }
}

impl Rng {
    /// The generator that belongs to `seed`. Equal seeds give equal sequences, on every machine.
    #[must_use]
    pub fn seed(seed: u64) -> Self {
        Self { state: Xoshiro256PlusPlus::seed_from_u64(seed), blank: false }
    }

    /// A generator for models whose parameters are about to be replaced: [`Init`](crate::layers::Init) gives zeros and takes
    /// no time. Other draws are random as ever.
    pub(crate) fn blank() -> Self {
        Self { blank: true, ..Self::seed(0) }
    }

    /// Whether initial values do not matter.
    pub(crate) fn is_blank(&self) -> bool {
        self.blank
    }

    /// A new generator whose sequence is independent of what this one returns from now on.
    ///
    /// Give one to each part of a program that may draw a varying number of values, so that they do not
    /// disturb each other.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self { blank: self.blank, ..Self::seed(self.next_u64()) }
    }

    /// The generator number `n` of those that belong to the present state, which does not change: for work that may be done in
    /// any order, of which each piece takes its own.
    ///
    /// ```
    /// use demotic::Rng;
    ///
    /// let rng = Rng::seed(7);
    /// assert_eq!(rng.fork(3), rng.fork(3));
    /// assert_ne!(rng.fork(3), rng.fork(4));
    /// ```
    #[must_use]
    pub fn fork(&self, n: u64) -> Self {
        // Another seed than that of `split` on the same state; an odd factor keeps different numbers different.
        let bits =
            self.state.clone().next_u64().rotate_left(32) ^ n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { blank: self.blank, ..Self::seed(bits) }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state.next_u64()
    }

    /// A uniform number in `[0, 1)`, with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A uniform number in `[0, 1)` with 24 random bits, as exact as `f32` can hold.
    pub(crate) fn uniform_f32(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// A number from the standard normal distribution (mean 0, variance 1).
    pub fn normal(&mut self) -> f64 {
        rand_distr::StandardNormal.sample(&mut self.state)
    }

    /// A number from the distribution Beta(`a`, `b`), from 0 to 1. Both parameters are positive.
    pub(crate) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let drawn = rand_distr::Beta::new(a, b).map_or(f64::NAN, |beta| beta.sample(&mut self.state));
        // Of parameters so small or so large that the arithmetic fails, the limit: one end, or the middle.
        match (drawn.is_nan(), a.max(b) < 1.0) {
            (false, _) => drawn,
            (true, true) => f64::from(u8::from(self.bernoulli(a / (a + b)))),
            (true, false) => a / (a + b),
        }
    }

    /// `true` with probability `p` (values outside of 0 ..= 1 act like the nearest bound).
    pub fn bernoulli(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// A uniform integer below `n`, without bias; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // Lemire's method: the high half of a 128-bit product, rejecting the few low halves that would
        // favour some values.
        let n = n as u64;
        if n == 0 {
            return 0;
        }
        let reject = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= reject {
                return (product >> 64) as usize;
            }
        }
    }

    /// Puts the items into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// The numbers `0 .. n` in a random order, 8 bytes each.
    ///
    /// # Errors
    /// If there is no memory for them.
    #[track_caller]
    pub fn permutation(&mut self, n: usize) -> Result<Vec<usize>> {
        let mut order = Vec::new();
        if order.try_reserve_exact(n).is_err() {
            return Err(Error::argument("permutation", format!("there is no memory for the order of {n} numbers")));
        }
        order.extend(0..n);
        self.shuffle(&mut order);
        Ok(order)
    }
}

#[cfg(test)]
mod tests;
