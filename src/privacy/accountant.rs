//! What a training has spent of its privacy.

use std::fmt;

use super::{check_delta, check_epsilon, check_noise, check_rate, prv, rdp};
use crate::count::IntoCount;
use crate::error::{Error, Result};

/// The largest noise that is looked for.
const MAX_NOISE: f64 = 1e6;
/// How near an ε has to come to the one that was asked for.
const TOLERANCE: f64 = 1e-3;

/// How ε is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Accounting {
    /// By Rényi divergences of many orders: quick, and an upper bound (Mironov, 2017; Mironov, Talwar and Zhang, 2019).
    #[default]
    Rdp,
    /// By the distribution of the privacy loss, composed numerically: takes longer, and is tight (Gopi, Lee and Wutschitz, *Numerical
    /// composition of differential privacy*, 2021). What it gives is an upper bound, 0.01 above the estimate, from which the true ε for a δ that is
    /// off by a thousandth differs by at most 0.01; [`Accountant::bounds`] has all three, for other errors too. The values are those of Opacus's
    /// `PRVAccountant`.
    Prv,
}

/// Steps that were alike.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Spending {
    /// The deviation of the noise, in units of the largest norm of an example's gradient.
    pub noise: f64,
    /// How likely each example took part.
    pub rate: f64,
    /// How many there were.
    pub steps: u64,
}

/// Counts what steps of normal noise on Poisson samples spend, and says which (ε, δ) they come to.
///
/// A training with (ε, δ) differential privacy ends, for any two sets of data that differ by one example, in any set of models with
/// probabilities that differ by a factor of at most `e^ε`, but for δ.
///
/// ```
/// use demotic::privacy::Accountant;
///
/// // 10 epochs of 60 000 examples in batches of 600, on average.
/// let mut spent = Accountant::rdp();
/// spent.add(1.1, 0.01, 1000)?;
/// assert!((spent.epsilon(1e-5)? - 1.72).abs() < 0.01);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Accountant {
    pub(super) accounting: Accounting,
    pub(super) history: Vec<Spending>,
}

impl Accountant {
    /// Nothing is spent yet.
    #[must_use]
    pub fn new(accounting: Accounting) -> Self {
        Self { accounting, history: Vec::new() }
    }

    /// By [Rényi divergences](Accounting::Rdp).
    #[must_use]
    pub fn rdp() -> Self {
        Self::new(Accounting::Rdp)
    }

    /// By the distribution of the [privacy loss](Accounting::Prv).
    #[must_use]
    pub fn prv() -> Self {
        Self::new(Accounting::Prv)
    }

    /// The same steps, counted in another way.
    #[must_use]
    pub fn counted_by(&self, accounting: Accounting) -> Self {
        Self { accounting, history: self.history.clone() }
    }

    /// Steps with noise of a deviation of `noise`, in units of the largest norm, on samples that each example is in with probability
    /// `rate`.
    ///
    /// # Errors
    /// If the noise is negative or no number, or the rate does not lie from 0 to 1.
    #[track_caller]
    pub fn add(&mut self, noise: f64, rate: f64, steps: impl IntoCount) -> Result<()> {
        let steps = steps.into_count();
        check_noise("Accountant", noise)?;
        check_rate("Accountant", rate)?;
        match self.history.last_mut().filter(|last| (last.noise, last.rate) == (noise, rate)) {
            Some(last) => last.steps = last.steps.saturating_add(steps),
            None if steps > 0 => self.history.push(Spending { noise, rate, steps }),
            None => (),
        }
        Ok(())
    }

    /// What was counted, in its order.
    #[must_use]
    pub fn history(&self) -> &[Spending] {
        &self.history
    }

    /// How many steps were counted.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.history.iter().fold(0, |all, of| all.saturating_add(of.steps))
    }

    /// The ε for a given δ: an upper bound. Infinite without noise.
    ///
    /// # Errors
    /// If δ does not lie between 0 and 1; by the distribution of the loss, if δ is too small for numbers of double precision, or the
    /// distribution too wide for what memory there is.
    #[track_caller]
    pub fn epsilon(&self, delta: f64) -> Result<f64> {
        check_delta("epsilon", delta)?;
        match self.accounting {
            Accounting::Rdp if self.steps() == 0 => Ok(0.0),
            Accounting::Rdp => Ok(rdp::epsilon(&self.history, delta).0),
            Accounting::Prv => Ok(self.bounds(delta, 0.01)?[2]),
        }
    }

    /// By the distribution of the loss, however this one counts: a lower bound, an estimate and an upper bound of ε, for a mesh that
    /// is fine enough for an error of `error`.
    ///
    /// # Errors
    /// As for [`epsilon`](Self::epsilon); if `error` is not a positive number.
    #[track_caller]
    pub fn bounds(&self, delta: f64, error: f64) -> Result<[f64; 3]> {
        check_delta("epsilon", delta)?;
        crate::optimizers::options::positive("epsilon", "the error", error)?;
        let counted: Vec<Spending> = self.history.iter().copied().filter(|of| of.rate > 0.0).collect();
        if counted.is_empty() {
            return Ok([0.0; 3]);
        }
        if counted.iter().any(|of| of.noise == 0.0) {
            return Ok([f64::INFINITY; 3]);
        }
        prv::bounds(&counted, delta, error)
    }

    /// What was spent for a given δ, and what there is to say about it when there are `examples` in the data.
    ///
    /// # Errors
    /// As for [`epsilon`](Self::epsilon).
    #[track_caller]
    pub fn spent(&self, delta: f64, examples: usize) -> Result<Spent> {
        let epsilon = self.epsilon(delta)?;
        let mut warnings = Vec::new();
        if examples > 0 && delta >= 1.0 / examples as f64 {
            warnings.push(format!(
                "delta is {delta:e}, not below 1/{examples}: publishing one example of {examples} at random, as it is, would keep to that; \
                 take less than {:.1e}",
                1.0 / examples as f64
            ));
        }
        if epsilon.is_infinite() {
            warnings.push("there is no noise, so nothing is promised".into());
        } else if epsilon > 10.0 {
            warnings.push(format!(
                "an epsilon of {epsilon:.1} promises little: probabilities may differ by a factor of e^{epsilon:.1}"
            ));
        }
        if self.accounting == Accounting::Rdp && self.steps() > 0 {
            let (first, last) = (1.1, 63.0);
            let order = rdp::epsilon(&self.history, delta).1;
            if order == first || order == last {
                warnings.push(format!("the best order is {order}, at the end of those that are tried: Accounting::Prv gives a smaller epsilon"));
            }
        }
        Ok(Spent { epsilon, delta, steps: self.steps(), warnings })
    }
}

/// What a training has spent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Spent {
    /// ε: by which factor, as its logarithm, one example changes what may come out.
    pub epsilon: f64,
    /// δ: how likely it may change more than that.
    pub delta: f64,
    /// How many steps were taken.
    pub steps: u64,
    /// What makes the numbers say less than they seem to.
    pub warnings: Vec<String>,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epsilon {:.3} at delta {:e}, after {} steps", self.epsilon, self.delta, self.steps)?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}

/// The smallest noise, in units of the largest norm, with which so many `steps` on samples at `rate` stay within (ε, δ).
///
/// ```
/// use demotic::privacy::{Accountant, Accounting, noise_for};
///
/// let noise = noise_for(Accounting::Rdp, 2.0, 1e-5, 0.01, 1000)?;
/// let mut spent = Accountant::rdp();
/// spent.add(noise, 0.01, 1000)?;
/// assert!(spent.epsilon(1e-5)? <= 2.0);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If ε is not a positive number, δ does not lie between 0 and 1, the rate not from 0 to 1, or no noise is enough.
#[track_caller]
pub fn noise_for(accounting: Accounting, epsilon: f64, delta: f64, rate: f64, steps: impl IntoCount) -> Result<f64> {
    least_noise(accounting, epsilon, delta, rate, steps.into_count())
}

#[track_caller]
fn least_noise(accounting: Accounting, epsilon: f64, delta: f64, rate: f64, steps: u64) -> Result<f64> {
    check_epsilon("noise_for", epsilon)?;
    check_delta("noise_for", delta)?;
    check_rate("noise_for", rate)?;
    let spent = |noise: f64| {
        let mut all = Accountant::new(accounting);
        all.add(noise, rate, steps).and_then(|()| all.epsilon(delta)).unwrap_or(f64::INFINITY)
    };
    if steps == 0 || rate == 0.0 {
        return Ok(0.0);
    }
    // Both bounds have an end at which more noise gives nothing more.
    let mut most = Accountant::new(accounting);
    most.add(MAX_NOISE, rate, steps)?;
    if most.epsilon(delta)? > epsilon {
        let message = format!(
            "no noise up to {MAX_NOISE:e} keeps {steps} steps at a rate of {rate} within an epsilon of {epsilon}"
        );
        return Err(Error::argument("noise_for", message)
            .with_help("take fewer steps, a smaller rate, a larger delta, or Accounting::Prv"));
    }
    // What is enough by Rényi divergences is enough, and found at once.
    let rough = match accounting {
        Accounting::Rdp => None,
        Accounting::Prv => least_noise(Accounting::Rdp, epsilon, delta, rate, steps).ok(),
    };
    let (mut low, mut high) = (0.0, rough.unwrap_or(1.0));
    while high < MAX_NOISE && spent(high) > epsilon {
        (low, high) = (high, (2.0 * high).min(MAX_NOISE));
    }
    let mut reached = spent(high);
    for _ in 0..60 {
        if epsilon - reached <= TOLERANCE * epsilon.min(1.0) || high - low <= 1e-9 * high {
            break;
        }
        let middle = (low + high) / 2.0;
        let at = spent(middle);
        if at <= epsilon {
            (high, reached) = (middle, at);
        } else {
            low = middle;
        }
    }
    Ok(high)
}
