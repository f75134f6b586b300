//! Sums that nobody sees the terms of.

use crate::error::{Error, Here, Result};
use crate::rng::Rng;

/// Numbers are counted in units of 2⁻²⁴.
const UNIT: f64 = 16_777_216.0;
/// No number, and no sum, is as large as this.
const LIMIT: f64 = 549_755_813_888.0;
/// More clients than this are not simulated.
const MOST: usize = 65_536;
/// By how much rounding makes the Euclidean norm of a vector of `len` numbers larger, at most.
pub(super) fn rounding(len: usize) -> f64 {
    0.5 / UNIT * (len as f64).sqrt()
}

/// Sums of vectors of several clients by pairwise masks, in simulation: what a client sends looks like chance, and only the sum of all
/// makes sense (Bonawitz et al., *Practical secure aggregation for privacy-preserving machine learning*, 2017).
///
/// Each two clients share a generator. The one adds its numbers, the other takes them away, modulo 2⁶⁴; in the sum they are gone to the
/// last bit. If a client stays away, the others reveal what they share with it. Numbers are rounded to multiples of 2⁻²⁴.
///
/// ```
/// use demotic::Rng;
/// use demotic::privacy::SecureSum;
///
/// let sum = SecureSum::new(3, 2, &mut Rng::seed(0))?;
/// let sent = [sum.mask(0, &[1.0, 0.5])?, sum.mask(1, &[2.0, 0.25])?, sum.mask(2, &[4.0, -1.0])?];
/// assert_eq!(sum.sum(&[(0, &sent[0]), (1, &sent[1]), (2, &sent[2])])?, [7.0, -0.25]);
/// // The last one stays away.
/// assert_eq!(sum.sum(&[(0, &sent[0]), (1, &sent[1])])?, [3.0, 0.75]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SecureSum {
    clients: usize,
    len: usize,
    rng: Rng,
}

impl SecureSum {
    /// Of so many clients, with vectors of length `len`. The generator stands for the keys that they agree on.
    ///
    /// # Errors
    /// If there are fewer than two clients, as the sum would be the vector of one; or more than 65,536.
    #[track_caller]
    pub fn new(clients: usize, len: usize, rng: &mut Rng) -> Result<Self> {
        if clients < 2 {
            return Err(Error::argument("SecureSum", format!("{clients} clients, expected at least 2"))
                .with_help("the sum of one vector is that vector"));
        }
        if clients > MOST {
            return Err(Error::argument("SecureSum", format!("{clients} clients, expected at most {MOST}"))
                .with_help("each two of them share a mask: add up groups of clients by themselves"));
        }
        Ok(Self { clients, len, rng: rng.split() })
    }

    /// Adds what two clients share to the one's vector, or takes it away from the other's.
    fn add_shared(&self, client: usize, other: usize, values: &mut [u64]) {
        let (low, high) = (client.min(other) as u64, client.max(other) as u64);
        let mut shared = self.rng.fork(low.wrapping_mul(self.clients as u64).wrapping_add(high));
        for value in values {
            let mask = shared.next_u64();
            *value = if client < other { value.wrapping_add(mask) } else { value.wrapping_sub(mask) };
        }
    }

    /// What a client sends.
    ///
    /// # Errors
    /// If there is no such client, the vector has another length, or a number is not finite or too large.
    #[track_caller]
    pub fn mask(&self, client: usize, values: &[f64]) -> Result<Vec<u64>> {
        self.check(client, values.len())?;
        if let Some(x) = values.iter().find(|x| x.is_nan() || x.abs() >= LIMIT / self.clients as f64) {
            let message = format!("a number of {x}, expected less than 2^39 / {}", self.clients);
            return Err(Error::numeric("SecureSum", message).with_help("updates are clipped first"));
        }
        let mut sent: Vec<u64> = values.iter().map(|x| (x * UNIT).round() as i64 as u64).collect();
        (0..self.clients).filter(|other| *other != client).for_each(|other| self.add_shared(client, other, &mut sent));
        Ok(sent)
    }

    /// The sum of what was sent, by some or all of the clients.
    ///
    /// # Errors
    /// If a client is named twice or there is none of that number, or a vector has another length; if there are fewer than two, as the sum
    /// would be the vector of one.
    #[track_caller]
    pub fn sum(&self, sent: &[(usize, &[u64])]) -> Result<Vec<f64>> {
        sent.iter().try_for_each(|(client, values)| self.check(*client, values.len())).here()?;
        if sent.len() < 2 {
            return Err(Error::argument("SecureSum", format!("{} clients have sent, expected at least 2", sent.len()))
                .with_help("the sum of one vector is that vector"));
        }
        let mut is_there = vec![false; self.clients];
        let mut sum = vec![0u64; self.len];
        for (client, values) in sent {
            if std::mem::replace(&mut is_there[*client], true) {
                return Err(Error::argument("SecureSum", format!("client {client} has sent twice")));
            }
            sum.iter_mut().zip(*values).for_each(|(sum, x)| *sum = sum.wrapping_add(*x));
        }
        // What those who are there share with the others, the other way round.
        for (client, _) in sent {
            for away in (0..self.clients).filter(|other| !is_there[*other]) {
                self.add_shared(away, *client, &mut sum);
            }
        }
        Ok(sum.into_iter().map(|x| x as i64 as f64 / UNIT).collect())
    }

    #[track_caller]
    fn check(&self, client: usize, len: usize) -> Result<()> {
        if client >= self.clients {
            return Err(Error::argument("SecureSum", format!("there is no client {client} of {}", self.clients)));
        }
        if len != self.len {
            return Err(Error::shape("SecureSum", format!("{len} numbers of client {client}, expected {}", self.len)));
        }
        Ok(())
    }
}
