//! Training on data that stay with those who have them.

use std::sync::{Mutex, PoisonError};

use super::secure::rounding;
use super::{Accountant, SecureSum, check_noise, check_rate};
use crate::autograd::pause_recording;
use crate::distributed::{Group, part};
use crate::error::{Error, Here, Result, bug};
use crate::layers::{Module, ModuleExt, Param, Slot, SlotMut, Visitor, VisitorMut};
use crate::optimizers::options::{not_negative, positive};
use crate::parallel;
use crate::rng::Rng;
use crate::tensor::{Element, Tensor};

const NAME: &str = "Federated";

/// Federated averaging (McMahan et al., *Communication-efficient learning of deep networks from decentralized data*, 2017): in each
/// round, some clients train a copy of the model on their own data, and the model becomes the mean of what they made of it, weighted by
/// how much data each has. [`round`](Self::round) has all clients in one process; with [`round_among`](Self::round_among), those of each
/// process of a [group](Group) stay in it.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::privacy::Federated;
///
/// let mut rng = Rng::seed(0);
/// let x = Tensor::normal([60, 2], 0.0, 1.0, &mut rng)?;
/// let y = x.sum_dims(&[1], true)?;
/// let mut model = Linear::new(2, 1, &mut rng)?;
/// // Three clients with twenty examples each.
/// let mut federated = Federated::new(vec![20; 3], rng.split())?;
/// for _ in 0..20 {
///     federated.round(&mut model, &|client, model: &mut Linear, _rng| {
///         let (x, y) = (x.narrow(0, 20 * client, 20)?, y.narrow(0, 20 * client, 20)?);
///         let mut opt = Sgd::new(0.1);
///         for _ in 0..5 {
///             let loss = losses::mse(&model.forward(&x, &mut Mode::eval())?, &y)?;
///             opt.step(model, &loss.backward()?)?;
///         }
///         Ok(())
///     })?;
/// }
/// assert!(metrics::rmse(&model.predict(&x)?, &y)? < 1e-3);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Clients whose data differ pull the model apart; a [`Proximal`] term in their losses holds it together (FedProx). With
/// [`private`](Self::private), no client changes the model by much, and noise hides which of them took part; with
/// [`secure`](Self::secure), the server sees the sum of their updates alone. Only trainable parameters are averaged: buffers, such as
/// running statistics, stay the server's.
#[derive(Debug, Clone)]
pub struct Federated {
    sizes: Vec<usize>,
    rate: f64,
    private: Option<(f64, f64)>,
    secure: bool,
    rng: Rng,
    rounds: u64,
    accountant: Accountant,
}

/// What happened in a round.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FederatedRound {
    /// The clients that took part, ascending.
    pub clients: Vec<usize>,
    /// The norm of each one's update, before it was limited.
    pub norms: Vec<f64>,
    /// The norm of the change of the model.
    pub change: f64,
}

impl Federated {
    /// Clients with so many examples each, all of which take part in every round.
    ///
    /// # Errors
    /// If there are no clients, or one has no examples.
    #[track_caller]
    pub fn new(sizes: Vec<usize>, rng: Rng) -> Result<Self> {
        if sizes.is_empty() || sizes.contains(&0) {
            let message = match sizes.iter().position(|size| *size == 0) {
                Some(i) => format!("client {i} has no examples"),
                None => "there are no clients".into(),
            };
            return Err(Error::argument(NAME, message));
        }
        Ok(Self { sizes, rate: 1.0, private: None, secure: false, rng, rounds: 0, accountant: Accountant::default() })
    }

    /// Each client takes part in a round with this probability.
    ///
    /// # Errors
    /// If it is not above 0 and at most 1.
    #[track_caller]
    pub fn rate(mut self, rate: f64) -> Result<Self> {
        check_rate(NAME, rate)?;
        positive(NAME, "the sampling rate", rate)?;
        self.rate = rate;
        Ok(self)
    }

    /// Differential privacy of clients, with all of their data (McMahan et al., *Learning differentially private recurrent language models*,
    /// 2018): updates count alike, have a norm of at most `max_norm`, and normal noise with a deviation of `noise · max_norm` is added to
    /// their sum, which is divided by the number of clients that is expected.
    ///
    /// # Errors
    /// If the noise is negative or no number, or `max_norm` not a finite number above 0.
    #[track_caller]
    pub fn private(mut self, noise: f64, max_norm: f64) -> Result<Self> {
        check_noise(NAME, noise)?;
        positive(NAME, "max_norm", max_norm)?;
        self.private = Some((noise, max_norm));
        Ok(self)
    }

    /// Updates are added up by a [`SecureSum`]. A round with fewer than two clients adds nothing then; if it is
    /// [`private`](Self::private), one that is alone adds the noise by itself. Limits of norms leave room for rounding.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// What the rounds have spent, about clients.
    pub fn accountant(&self) -> &Accountant {
        &self.accountant
    }

    /// One round. `train` gets the number of a client, a copy of the model, and a generator of its own. Clients are trained at the same
    /// time where there are threads, and the result is the same however many there are.
    ///
    /// # Errors
    /// Those of `train`, of the first client that has one; if an update is not finite. The model is as it was then.
    #[track_caller]
    pub fn round<M: Module + Clone + Send + Sync>(
        &mut self,
        model: &mut M,
        train: &(dyn Fn(usize, &mut M, &mut Rng) -> Result<()> + Sync),
    ) -> Result<FederatedRound> {
        self.round_of(None, model, train)
    }

    /// One round of all ranks of a group, which have made this value alike and begin with the same model. Each rank trains the clients of
    /// its [part] of all of them, so that their data are nowhere else; updates travel, with their norms, [masked](SecureSum) if they are
    /// [`secure`](Self::secure). Model and result are, to the last bit, those of a [`round`](Self::round) in one process.
    ///
    /// ```
    /// use demotic::distributed::ThreadGroup;
    /// use demotic::prelude::*;
    /// use demotic::privacy::Federated;
    ///
    /// let train = |client: usize, model: &mut Linear, rng: &mut Rng| {
    ///     let x = Tensor::normal([10, 2], client as f64, 1.0, rng)?;
    ///     let loss = losses::mse(&model.forward(&x, &mut Mode::eval())?, &x.sum_dims(&[1], true)?)?;
    ///     Sgd::new(0.01).step(model, &loss.backward()?)
    /// };
    /// let start = Linear::new(2, 1, &mut Rng::seed(0))?;
    /// let federated = Federated::new(vec![10; 5], Rng::seed(1))?.secure();
    /// let (mut here, mut own) = (start.clone(), federated.clone());
    /// own.round(&mut here, &train)?;
    /// // Two ranks: one has the clients 0 to 2, the other one 3 and 4.
    /// let there = ThreadGroup::run(2, |group| {
    ///     let (mut model, mut federated) = (start.clone(), federated.clone());
    ///     federated.round_among(group, &mut model, &train)?;
    ///     model.weight.value()?.to_vec::<f32>()
    /// })?;
    /// assert_eq!(there[1], here.weight.value()?.to_vec::<f32>()?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`round`](Self::round), about the clients of this rank; if another rank has failed, has drawn other clients or has another
    /// model, or trains for longer than the [time-out](Group::timeout) of the group. Where one rank has an error, all get one, and the group
    /// has ended.
    #[track_caller]
    pub fn round_among<M: Module + Clone + Send + Sync>(
        &mut self,
        group: &dyn Group,
        model: &mut M,
        train: &(dyn Fn(usize, &mut M, &mut Rng) -> Result<()> + Sync),
    ) -> Result<FederatedRound> {
        self.round_of(Some(group), model, train).inspect_err(|e| group.fail(&e.message()))
    }

    #[track_caller]
    fn round_of<M: Module + Clone + Send + Sync>(
        &mut self,
        group: Option<&dyn Group>,
        model: &mut M,
        train: &(dyn Fn(usize, &mut M, &mut Rng) -> Result<()> + Sync),
    ) -> Result<FederatedRound> {
        let global: &M = model;
        let train_one = |client: usize, rng: &mut Rng| {
            let mut own = global.clone();
            train(client, &mut own, rng)?;
            values(&own)
        };
        let (round, update) = self.update(group, &values(global)?, &train_one)?;
        add(model, &update)?;
        self.rounds += 1;
        if let Some((noise, _)) = self.private {
            self.accountant.add(noise, self.rate, 1)?;
        }
        Ok(round)
    }

    #[track_caller]
    fn update(
        &self,
        group: Option<&dyn Group>,
        global: &[f64],
        train: &(dyn Fn(usize, &mut Rng) -> Result<Vec<f64>> + Sync),
    ) -> Result<(FederatedRound, Vec<f64>)> {
        let rng = self.rng.fork(self.rounds);
        let mut draw = rng.fork(u64::MAX);
        let all: Vec<usize> = (0..self.sizes.len()).filter(|_| draw.bernoulli(self.rate)).collect();
        // Those of this rank follow each other.
        let range = group.map_or(0..self.sizes.len(), |group| part(self.sizes.len(), group.size(), group.rank()));
        let first = all.partition_point(|client| *client < range.start);
        let clients = &all[first..all.partition_point(|client| *client < range.end)];
        let done = Mutex::new(Vec::new());
        parallel::apart(parallel::threads().min(clients.len()), clients.len(), &|i| {
            let found = train(clients[i], &mut rng.fork(clients[i] as u64));
            done.lock().unwrap_or_else(PoisonError::into_inner).push((i, found));
        })?;
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        crate::order::sort_by_key(&mut done, |(i, _)| *i as u64);
        let (mut updates, mut norms) = (Vec::new(), Vec::new());
        for (i, found) in done {
            let mut update = found.outside()?;
            if update.len() != global.len() {
                return Err(Error::state(
                    NAME,
                    format!("client {} has changed which parameters are trained", clients[i]),
                ));
            }
            update.iter_mut().zip(global).for_each(|(x, was)| *x -= was);
            let norm = length(&update);
            if !norm.is_finite() {
                return Err(Error::numeric(NAME, format!("the update of client {} has a norm of {norm}", clients[i])));
            }
            let weight = match self.private {
                Some((_, max_norm)) => {
                    let room = if self.secure { rounding(global.len()) } else { 0.0 };
                    if room >= max_norm {
                        let message =
                            format!("a max_norm of {max_norm:e}, which rounding alone may change by {room:e}");
                        return Err(
                            Error::argument(NAME, message).with_help("take a larger max_norm, or no secure sums")
                        );
                    }
                    ((max_norm - room) / (norm + 1e-12)).min(1.0)
                }
                None => self.sizes[clients[i]] as f64,
            };
            update.iter_mut().for_each(|x| *x *= weight);
            updates.push(update);
            norms.push(norm);
        }
        let among = |wide: usize| Among { group, clients: &all, of: self.sizes.len(), wide };
        let norms = among(1).gathered(norms)?;
        let mut sum = vec![0.0; global.len()];
        let alone = self.secure && all.len() < 2;
        if self.secure && !alone {
            let secure = SecureSum::new(all.len(), sum.len(), &mut draw)?;
            let mut sent = Vec::new();
            for (i, update) in updates.iter().enumerate() {
                sent.extend(secure.mask(first + i, update)?.into_iter().map(|x| x as i64));
            }
            let sent: Vec<u64> = among(sum.len()).gathered(sent)?.into_iter().map(|x| x as u64).collect();
            let of = |i: usize| (i, &sent[i * global.len()..][..global.len()]);
            sum = secure.sum(&(0..all.len()).map(of).collect::<Vec<_>>())?;
        } else if !alone || self.private.is_some() {
            // Whether others are there must not change what becomes of an update, or two would be told from one.
            let updates = among(sum.len()).gathered(updates.concat())?;
            for update in updates.chunks(global.len().max(1)) {
                sum.iter_mut().zip(update).for_each(|(sum, x)| *sum += x);
            }
        }
        let total = match self.private {
            Some((noise, max_norm)) => {
                sum.iter_mut().for_each(|x| *x += noise * max_norm * draw.normal());
                self.rate * self.sizes.len() as f64
            }
            None => all.iter().map(|client| self.sizes[*client] as f64).sum::<f64>().max(1.0),
        };
        sum.iter_mut().for_each(|x| *x /= total);
        Ok((FederatedRound { clients: all, norms, change: length(&sum) }, sum))
    }
}

/// Who has what of the clients that were drawn: `wide` numbers of each, of `of` clients in all.
struct Among<'a> {
    group: Option<&'a dyn Group>,
    clients: &'a [usize],
    of: usize,
    wide: usize,
}

impl Among<'_> {
    /// What all ranks have, in the order of the clients.
    #[track_caller]
    fn gathered<T: Element>(&self, own: Vec<T>) -> Result<Vec<T>> {
        let Some(group) = self.group else { return Ok(own) };
        let count = own.len();
        let mut all = Vec::new();
        for (rank, has) in group.all_gather(&Tensor::from_vec(own, [count])?)?.into_iter().enumerate() {
            let range = part(self.of, group.size(), rank);
            let wanted = self.clients.iter().filter(|client| range.contains(client)).count() * self.wide;
            if (has.numel(), has.dtype()) != (wanted, T::DTYPE) {
                let message = format!("{} numbers of rank {rank}, expected {wanted}", has.numel());
                return Err(Error::state(NAME, message)
                    .with_help("all ranks make Federated alike, from the same seed, and begin with the same model"));
            }
            all.extend(has.to_vec::<T>()?);
        }
        Ok(all)
    }
}

fn length(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// All trainable parameters in the order of the model.
#[track_caller]
fn values(model: &dyn Module) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    let mut on_slot = |_: &str, slot: Slot<'_>| {
        if let Slot::Param(param) = slot
            && param.is_trainable()
        {
            all.extend(param.detach().to_f64_vec());
        }
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    Ok(all)
}

/// Adds to them.
#[track_caller]
fn add(model: &mut dyn Module, update: &[f64]) -> Result<()> {
    let (mut at, mut result) = (0, Ok(()));
    let mut on_slot = |_: &str, slot: SlotMut<'_>| {
        if let (SlotMut::Param(param), true) = (slot, result.is_ok())
            && param.is_trainable()
        {
            let n = param.numel();
            result = match update.get(at..at + n) {
                Some(part) => added(param, part),
                None => Err(bug!(NAME, "an update of {} numbers", update.len())),
            };
            at += n;
        }
    };
    VisitorMut::new(&mut on_slot).module(model.as_module_mut());
    result
}

#[track_caller]
fn added(param: &mut Param, part: &[f64]) -> Result<()> {
    let old = param.detach();
    let part = Tensor::from_vec(part.to_vec(), old.shape())?.to_dtype(old.dtype());
    param.set(&old.add(&part)?)
}

/// What holds a client's model near the one that it began with: `mu / 2 · ‖w − w₀‖²`, to be added to its loss (Li et al., *Federated
/// optimization in heterogeneous networks*, 2020: FedProx).
///
/// ```
/// use demotic::prelude::*;
/// use demotic::privacy::Proximal;
///
/// let mut model = Linear::new(1, 1, &mut Rng::seed(0))?;
/// let near = Proximal::new(&model, 0.5)?;
/// assert_eq!(near.penalty(&model)?.item()?, 0.0);
/// let moved = model.bias.as_ref().unwrap().detach().add_scalar(2.0);
/// model.bias.as_mut().unwrap().set(&moved)?;
/// assert!((near.penalty(&model)?.item()? - 1.0).abs() < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Proximal {
    mu: f64,
    start: Vec<(String, Tensor)>,
}

impl Proximal {
    /// Near this model. 0 is federated averaging; 0.001 to 1 are usual.
    ///
    /// # Errors
    /// If `mu` is negative or not finite.
    #[track_caller]
    pub fn new(model: &dyn Module, mu: f64) -> Result<Self> {
        not_negative("Proximal", "mu", mu)?;
        let start = model.named_parameters().into_iter().filter(|(_, value)| value.is_tracked());
        let _unrecorded = pause_recording();
        Ok(Self { mu, start: start.map(|(path, value)| (path, value.detach())).collect() })
    }

    /// The term of the loss.
    ///
    /// # Errors
    /// If the model has other parameters than the one that it began as.
    #[track_caller]
    pub fn penalty(&self, model: &dyn Module) -> Result<Tensor> {
        let now = model.named_parameters();
        let mut sum: Option<Tensor> = None;
        for (path, start) in &self.start {
            let Some((_, value)) = now.iter().find(|(own, value)| own == path && value.shape() == start.shape()) else {
                let message = format!("the model has no parameter `{path}` of shape {:?}", start.shape());
                return Err(Error::parameter("Proximal", message));
            };
            let term = value.sub(start)?.square().sum();
            sum = Some(sum.map_or(Ok(term.clone()), |sum| sum.add(&term))?);
        }
        Ok(sum.unwrap_or_else(|| Tensor::scalar(0.0)).mul_scalar(self.mu / 2.0))
    }
}
