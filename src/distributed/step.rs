//! One step on several ranks: gradients travel while the backward pass goes on, and are added up in the order of micro-batches.

use std::collections::VecDeque;
use std::fmt;

use super::buffers::Buffers;
use super::compression::Compression;
use super::data_parallel::{DataParallel, Sharding};
use super::group::Group;
use super::layout::Layout;
use super::pending::Pending;
use crate::autograd::{self, Gradients, NodeId};
use crate::error::{Error, Here, Result, bug};
use crate::layers::Module;
use crate::tensor::Tensor;
use crate::tensor::exec::binary;

/// How many buckets of gradients that are divided a rank has sent without those of the others when it goes on. So on a rank that is slower, which has as
/// many of its own behind it, no more than six of each other rank wait to be added up.
const ON_THEIR_WAY: usize = 2;

/// A step that was begun by [`DataParallel::step`].
pub struct ParallelStep<'p> {
    pub(super) parallel: &'p mut DataParallel,
    pub(super) layout: Layout,
    micro_batches: usize,
    /// How many of its own this rank has worked on.
    done: usize,
    /// The micro-batches of all ranks at a time, as far as they are on their way.
    rounds: VecDeque<Round>,
    begun: usize,
    heads: Vec<MicroBatch>,
    /// This rank's part of the sum of each bucket, in units of the first weight.
    sums: Vec<Sum>,
    /// Which parameters have a gradient.
    is_present: Vec<u8>,
    /// The number of the operation by which the ranks tell each other.
    presence: u64,
    /// That of the heads of the first round. It is the first of the step, so that ranks that are at something else notice.
    first: Option<u64>,
    buffers: Buffers,
}

/// What is known of a micro-batch that some rank has worked on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MicroBatch {
    pub(crate) loss: f64,
    /// How much it counts.
    pub(crate) weight: f64,
    /// Two numbers of the program's own.
    pub(crate) notes: [f64; 2],
}

/// What a step came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Averaged {
    /// The mean loss.
    pub loss: f64,
    /// The mean of the gradients; where [gradients are divided](Sharding::Gradients), those of this rank's parameters.
    pub gradients: Gradients,
}

/// The part of this rank of a bucket.
struct Sum {
    part: Option<Tensor>,
    /// The number of the operation that gathers all parts, and that if it was begun.
    number: u64,
    gathered: Option<Pending<Vec<Tensor>>>,
}

/// The micro-batches that ranks work on at the same time.
struct Round {
    ranks: usize,
    heads: Option<Pending<Vec<Tensor>>>,
    /// The number of each bucket's exchange, and the exchange if it was begun.
    buckets: Vec<(u64, Option<Pending<Vec<Tensor>>>)>,
    /// The next bucket to be added up.
    next: usize,
    /// Where its micro-batches are in the list of all.
    first: usize,
}

/// The gradients of a backward pass, on their way into buckets.
struct Filling {
    buckets: Vec<(Vec<Option<Tensor>>, usize)>,
}

impl fmt::Debug for ParallelStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParallelStep({} of {} micro-batches)", self.heads.len(), self.micro_batches)
    }
}

impl Round {
    /// How many buckets from the first on were sent.
    fn sent(&self) -> usize {
        self.next + self.buckets[self.next..].iter().take_while(|(_, exchange)| exchange.is_some()).count()
    }
}

impl Filling {
    fn new(layout: &Layout) -> Self {
        let empty = |members: &Vec<usize>| (vec![None; members.len()], members.len());
        Self { buckets: layout.buckets.iter().map(|bucket| empty(&bucket.members)).collect() }
    }

    /// Puts a gradient in its place. Gives the bucket if it is full.
    #[track_caller]
    fn add(&mut self, layout: &Layout, place: usize, grad: Tensor) -> Result<Option<(usize, Tensor)>> {
        let number = layout.places[place].bucket;
        let (parts, missing) = &mut self.buckets[number];
        if let Some(at) = layout.buckets[number].members.iter().position(|member| *member == place) {
            *missing -= usize::from(parts[at].is_none());
            parts[at] = Some(grad.reshape([grad.numel()])?);
        }
        if *missing > 0 { Ok(None) } else { Ok(Some((number, self.take(layout, number)?))) }
    }

    /// The buckets that did not become full, with zeros in the gaps.
    #[track_caller]
    fn rest(&mut self, layout: &Layout) -> Result<Vec<(usize, Tensor)>> {
        let mut rest = Vec::new();
        for number in 0..self.buckets.len() {
            if self.buckets[number].1 > 0 {
                rest.push((number, self.take(layout, number)?));
            }
        }
        Ok(rest)
    }

    #[track_caller]
    fn take(&mut self, layout: &Layout, number: usize) -> Result<Tensor> {
        let bucket = &layout.buckets[number];
        let (parts, missing) = std::mem::take(&mut self.buckets[number]);
        debug_assert!(missing <= parts.len());
        let mut flat = Vec::with_capacity(parts.len());
        for (part, member) in parts.into_iter().zip(&bucket.members) {
            flat.push(match part {
                Some(part) => part,
                None => Tensor::full_dtype([layout.places[*member].numel], 0.0, bucket.dtype)?,
            });
        }
        match &flat[..] {
            [only] => Ok(only.packed()),
            parts => Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0),
        }
    }
}

impl<'p> ParallelStep<'p> {
    #[track_caller]
    pub(super) fn new(
        parallel: &'p mut DataParallel,
        model: &dyn Module,
        layout: Layout,
        micro_batches: usize,
    ) -> Result<Self> {
        let group = &parallel.group;
        let (first, presence) = (Some(group.ticket()), group.ticket());
        let sums = layout.buckets.iter().map(|_| Sum { part: None, number: group.ticket(), gathered: None }).collect();
        Ok(Self {
            micro_batches,
            done: 0,
            rounds: VecDeque::new(),
            begun: 0,
            heads: Vec::new(),
            sums,
            is_present: vec![0; layout.places.len()],
            presence,
            first,
            buffers: Buffers::of(model),
            layout,
            parallel,
        })
    }

    /// The numbers of the micro-batches that are this rank's.
    pub fn own(&self) -> impl Iterator<Item = usize> + use<> {
        let group = &self.parallel.group;
        (group.rank()..self.micro_batches).step_by(group.size())
    }

    /// The backward pass of this rank's next micro-batch, whose mean loss counts with this weight: for most, the number of its examples. Gradients
    /// are on their way as soon as they are known.
    ///
    /// # Errors
    /// If the loss is no finite number or cannot be differentiated, this rank has no more micro-batches, or another rank has failed.
    #[track_caller]
    pub fn backward(&mut self, loss: &Tensor, weight: f64) -> Result<()> {
        self.backward_with(loss, weight, [0.0; 2])
    }

    /// The same with two numbers that all ranks get to know.
    #[track_caller]
    pub(crate) fn backward_with(&mut self, loss: &Tensor, weight: f64, notes: [f64; 2]) -> Result<()> {
        let value = loss.item()?;
        if !(value.is_finite() && weight.is_finite() && weight > 0.0) {
            return Err(Error::numeric("backward", format!("a loss of {value} with a weight of {weight}")));
        }
        self.begin_own(MicroBatch { loss: value, weight, notes })?;
        let mut filling = Filling::new(&self.layout);
        loss.backward_each(&mut |id, grad| self.on_gradient(&mut filling, id, grad)).here()?;
        let _unrecorded = autograd::pause_recording();
        // What the loss does not depend on.
        for (bucket, flat) in filling.rest(&self.layout)? {
            self.send(bucket, flat)?;
        }
        self.end_own()
    }

    /// Passes over this rank's next micro-batch, in which nothing counts.
    ///
    /// # Errors
    /// If this rank has no more micro-batches, or another rank has failed.
    #[track_caller]
    pub fn skip(&mut self) -> Result<()> {
        self.begin_own(MicroBatch { loss: f64::NAN, weight: 0.0, notes: [0.0; 2] })?;
        let nothing = Tensor::zeros([0])?;
        for bucket in 0..self.layout.buckets.len() {
            self.exchange(bucket, &mut |_, _| Ok(nothing.clone()))?;
        }
        self.end_own()
    }

    #[track_caller]
    fn begin_own(&mut self, head: MicroBatch) -> Result<()> {
        let (rank, size) = (self.parallel.group.rank(), self.parallel.group.size());
        if self.done * size + rank >= self.micro_batches {
            let message = format!("rank {rank} of {size} has no more of the {} micro-batches", self.micro_batches);
            return Err(Error::state("backward", message).with_help("own() gives the numbers of those that it has"));
        }
        self.done += 1;
        // No rank gets far ahead of the others: what has arrived takes memory.
        self.advance(self.done.saturating_sub(2) * self.layout.buckets.len()).here()?;
        self.begin_round(Some(head)).here()
    }

    #[track_caller]
    fn end_own(&mut self) -> Result<()> {
        self.buffers.remember()?;
        self.advance(0)
    }

    #[track_caller]
    fn on_gradient(&mut self, filling: &mut Filling, id: NodeId, grad: Tensor) -> Result<()> {
        // There may be leaves that are no parameters of the model.
        let Some(place) = self.layout.by_id.get(&id).copied() else { return Ok(()) };
        self.is_present[place] = 1;
        let Some((bucket, flat)) = filling.add(&self.layout, place, grad)? else { return Ok(()) };
        self.send(bucket, flat)?;
        // Buckets become full in the same order on all ranks but where losses depend on other parameters; then, those behind a gap are not counted,
        // so that nobody waits for who waits for it.
        let sent = self.rounds.back().map_or(0, Round::sent) + (self.begun - 1) * self.layout.buckets.len();
        let is_divided = self.parallel.sharding >= Sharding::Gradients;
        self.advance(if is_divided { sent.saturating_sub(ON_THEIR_WAY) } else { 0 })
    }

    /// Sends a bucket of this rank's micro-batch, to each rank its part.
    #[track_caller]
    fn send(&mut self, bucket: usize, flat: Tensor) -> Result<()> {
        let packed = match &self.parallel.compression {
            Some(compression) => {
                let cuts = &self.layout.buckets[bucket].cuts;
                Some(compression.pack(&mut self.parallel.residuals, bucket, &flat, cuts)?)
            }
            None => None,
        };
        let own = self.parallel.group.rank();
        self.exchange(bucket, &mut |layout, to| match &packed {
            Some(packed) => Ok(packed[to].clone()),
            None => {
                let cut = &layout.buckets[bucket].cuts[to];
                let part = flat.narrow(0, cut.start, cut.len())?;
                // What stays here would keep all of the bucket.
                Ok(if to == own && cut.len() < flat.numel() { part.packed_copy() } else { part })
            }
        })
    }

    /// Begins the exchange of a bucket in the latest round.
    #[track_caller]
    fn exchange(&mut self, bucket: usize, part: &mut dyn FnMut(&Layout, usize) -> Result<Tensor>) -> Result<()> {
        let (layout, Some(round)) = (&self.layout, self.rounds.back_mut()) else {
            return Err(bug!("step", "a bucket without a round"));
        };
        let about = format!("bucket {bucket} of micro-batch {}", round.first);
        let (number, exchange) = &mut round.buckets[bucket];
        let from = (0..round.ranks).collect();
        let mut part = |to: usize| part(layout, to);
        *exchange = Some(self.parallel.group.start_exchange("step", *number, about, from, &mut part)?);
        Ok(())
    }

    /// The next round, in which this rank has a micro-batch or has not.
    #[track_caller]
    fn begin_round(&mut self, head: Option<MicroBatch>) -> Result<()> {
        let group = self.parallel.group.clone();
        let first = self.begun * group.size();
        let ranks = (self.micro_batches - first).min(group.size());
        let number = self.first.take().unwrap_or_else(|| group.ticket());
        let told = head.map_or(vec![], |head| vec![head.loss, head.weight, head.notes[0], head.notes[1]]);
        let told = Tensor::from_slice(&told, [told.len()])?;
        let numel: usize = self.layout.buckets.iter().map(|bucket| bucket.len).sum();
        let (of, buckets) = (self.micro_batches, self.layout.buckets.len());
        let about =
            format!("step: micro-batches from {first} on of {of}, {numel} trained numbers in {buckets} buckets");
        let heads = group.start_exchange("step", number, about, (0..ranks).collect(), &mut |_| Ok(told.clone()))?;
        let buckets = self.layout.buckets.iter().map(|_| (group.ticket(), None)).collect();
        self.rounds.push_back(Round { ranks, heads: Some(heads), buckets, next: 0, first });
        self.begun += 1;
        if head.is_none() {
            for bucket in 0..self.layout.buckets.len() {
                self.exchange(bucket, &mut |_, _| Err(bug!("step", "a rank without a micro-batch sends")))?;
            }
        }
        Ok(())
    }

    /// Adds up what has arrived, in order. Waits for so many buckets, counted from the first of the step.
    #[track_caller]
    fn advance(&mut self, wait_for: usize) -> Result<()> {
        let _unrecorded = autograd::pause_recording();
        while let Some(round) = self.rounds.front_mut() {
            let before = round.first / self.parallel.group.size() * self.layout.buckets.len();
            if let Some(mut heads) = round.heads.take() {
                if before + round.next >= wait_for && !heads.poll()? {
                    round.heads = Some(heads);
                    return Ok(());
                }
                for head in heads.wait()? {
                    let [loss, weight, a, b] = head.to_vec::<f64>()?[..] else {
                        return Err(bug!("step", "{:?} numbers of a micro-batch", head.shape()));
                    };
                    self.heads.push(MicroBatch { loss, weight, notes: [a, b] });
                }
            }
            while let Some((_, exchange)) = round.buckets.get_mut(round.next) {
                let Some(mut begun) = exchange.take() else { return Ok(()) };
                if before + round.next >= wait_for && !begun.poll()? {
                    *exchange = Some(begun);
                    return Ok(());
                }
                let heads = &self.heads[round.first..round.first + round.ranks];
                let bucket = &self.layout.buckets[round.next];
                let sum = &mut self.sums[round.next];
                let unit = unit(&self.heads);
                for (part, head) in begun.wait()?.into_iter().zip(heads).filter(|(_, head)| head.weight != 0.0) {
                    let len = bucket.cuts[self.parallel.group.rank()].len();
                    let part = match &self.parallel.compression {
                        Some(_) => Compression::unpack(&part, bucket.dtype, len)?,
                        None => part,
                    };
                    if part.shape() != [len] || part.dtype() != bucket.dtype {
                        let (sent, of) = (part.shape(), part.dtype());
                        let message = format!(
                            "a rank has sent {of} {sent:?} of bucket {}, expected {} [{len}]",
                            round.next, bucket.dtype
                        );
                        return Err(self.parallel.group.disagreement("step", message));
                    }
                    match &mut sum.part {
                        Some(sum) => binary::accumulate(sum, &part, head.weight / unit)?,
                        empty => *empty = Some(part),
                    }
                }
                round.next += 1;
                if round.first + round.ranks == self.micro_batches {
                    sum.complete(&self.heads, &*self.parallel.group, self.parallel.sharding)?;
                }
            }
            self.rounds.pop_front();
        }
        Ok(())
    }

    /// The mean of all micro-batches, on every rank, if one of them counts.
    ///
    /// # Errors
    /// If this rank has not worked on all of its micro-batches, or another rank has failed.
    #[track_caller]
    pub fn finish(mut self) -> Result<Option<Averaged>> {
        self.averaged().here()
    }

    /// The same, and what is known of each micro-batch.
    #[track_caller]
    pub(crate) fn finish_with(&mut self) -> Result<(Option<Averaged>, Vec<MicroBatch>)> {
        let averaged = self.averaged().here()?;
        Ok((averaged, std::mem::take(&mut self.heads)))
    }

    #[track_caller]
    fn averaged(&mut self) -> Result<Option<Averaged>> {
        let _unrecorded = autograd::pause_recording();
        let group = self.parallel.group.clone();
        let own = self.own().count();
        if self.done < own {
            let message = format!("{} of {own} micro-batches of this rank were worked on", self.done);
            return Err(Error::state("finish", message));
        }
        // Which parameters have a gradient, and whether buffers have changed.
        let mut told = std::mem::take(&mut self.is_present);
        told.push(u8::from(self.buffers.have_changed()));
        let told = Tensor::from_slice(&told, [told.len()])?;
        let everybody = (0..group.size()).collect();
        let about = "step: which gradients there are".to_string();
        let told = group.start_exchange("step", self.presence, about, everybody, &mut |_| Ok(told.clone()))?;
        while self.begun < self.micro_batches.div_ceil(group.size()) {
            self.begin_round(None)?;
        }
        self.advance(usize::MAX)?;
        let mut present = vec![0; self.layout.places.len() + 1];
        for told in told.wait()? {
            present.iter_mut().zip(told.as_slice::<u8>()?).for_each(|(all, one)| *all |= one);
        }
        if present.pop() == Some(1) {
            self.buffers.average(&*group, self.micro_batches)?;
        }
        if self.heads.iter().all(|head| head.weight == 0.0) {
            return Ok(None);
        }
        let is_divided = self.parallel.sharding >= Sharding::Gradients;
        let mut flats = Vec::with_capacity(self.sums.len());
        for sum in &mut self.sums {
            flats.push(match (sum.gathered.take(), sum.part.take()) {
                (Some(gathered), _) => Tensor::cat(&gathered.wait()?.iter().collect::<Vec<_>>(), 0)?,
                (None, Some(own)) => own,
                _ => return Err(bug!("step", "a bucket without a sum")),
            });
        }
        let mut entries = Vec::with_capacity(self.layout.places.len());
        for (place, _) in self.layout.places.iter().zip(present).filter(|(_, present)| *present == 1) {
            if is_divided && place.owner != group.rank() {
                continue;
            }
            let start = if is_divided { self.layout.buckets[place.bucket].cuts[group.rank()].start } else { 0 };
            let flat = flats[place.bucket].narrow(0, place.at - start, place.numel)?;
            entries.push((place.id, flat.reshape(&place.shape[..])?));
        }
        NodeId::sort(&mut entries, |(id, _)| *id);
        let mut mean = (0.0, 0.0);
        for head in self.heads.iter().filter(|head| head.weight != 0.0) {
            mean = (mean.0 + head.loss * head.weight, mean.1 + head.weight);
        }
        Ok(Some(Averaged { loss: mean.0 / mean.1, gradients: Gradients::new(entries) }))
    }
}

/// The first weight, in units of which gradients are added up.
fn unit(heads: &[MicroBatch]) -> f64 {
    heads.iter().map(|head| head.weight).find(|weight| *weight != 0.0).unwrap_or(1.0)
}

impl Sum {
    /// When all micro-batches are in it: the mean, which the ranks tell each other, if each needs all of it.
    #[track_caller]
    fn complete(&mut self, heads: &[MicroBatch], group: &dyn Group, sharding: Sharding) -> Result<()> {
        let counted: Vec<f64> = heads.iter().map(|head| head.weight).filter(|weight| *weight != 0.0).collect();
        let (Some(part), Some(first)) = (&mut self.part, counted.first()) else { return Ok(()) };
        if counted.len() > 1 {
            // From the left, as a mean of losses adds them up.
            let total = counted.iter().fold(0.0, |total, weight| total + weight);
            *part = part.mul_scalar(first / total);
        }
        if sharding < Sharding::Gradients {
            let (part, everybody) = (part.clone(), (0..group.size()).collect());
            let about = "step: the sums of a bucket".to_string();
            self.gathered =
                Some(group.start_exchange("step", self.number, about, everybody, &mut |_| Ok(part.clone()))?);
        }
        Ok(())
    }
}
