//! What the ranks of a group do together, made of messages.

use std::sync::Arc;

use super::group::{Group, Tag, part, peer};
use super::message::Message;
use super::pending::{POINT, Pending, Round, State};
use super::subgroup;
use crate::autograd;
use crate::autograd::add_to;
use crate::error::{Error, Here, Result, short};
use crate::tensor::{DType, Tensor};

/// Up to so many bytes, everybody sends all of a tensor to everybody: one round of messages in place of two.
const SMALL: usize = 4096;

/// The type that sums are computed in.
fn wide(dtype: DType) -> DType {
    match dtype {
        DType::F16 | DType::BF16 => DType::F32,
        DType::I32 | DType::I8 | DType::U8 | DType::Bool => DType::I64,
        other => other,
    }
}

/// The sum, from the first to the last.
#[track_caller]
pub(super) fn sum(parts: Vec<Tensor>) -> Result<Tensor> {
    let _unrecorded = autograd::pause_recording();
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return Err(crate::error::bug!("all_reduce", "no ranks")) };
    let dtype = first.dtype();
    let mut sum = first.to_dtype(wide(dtype));
    if sum.shares_storage(&first) {
        sum = sum.packed();
    }
    for part in parts {
        let part = part.to_dtype(wide(dtype));
        match dtype.is_float() {
            true => add_to(&mut sum, &part)?,
            false => sum = sum.add(&part)?,
        }
    }
    Ok(if sum.dtype() == dtype { sum } else { sum.to_dtype(dtype) })
}

/// # Operations of all ranks
impl dyn Group + '_ {
    fn next(&self) -> Tag {
        Tag { group: self.id(), number: self.ticket() << 1 }
    }

    fn everybody(&self) -> Vec<usize> {
        (0..self.size()).collect()
    }

    /// The sum of the tensors of all ranks, of one type and shape.
    ///
    /// It is `((x₀ + x₁) + x₂) + …` in the order of ranks, whatever the number of threads and however messages travel. Sums of 16-bit types are
    /// computed in `F32` and rounded once; those of integers narrower than 64 bits in `I64`; of truth values, whether one is true.
    ///
    /// # Errors
    /// If a rank has failed, does something else, or does not answer in time.
    #[track_caller]
    pub fn all_reduce(&self, tensor: &Tensor) -> Result<Tensor> {
        self.start_all_reduce(tensor)?.wait()
    }

    /// Begins an [`all_reduce`](#method.all_reduce).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn start_all_reduce(&self, tensor: &Tensor) -> Result<Pending<Tensor>> {
        let _unrecorded = autograd::pause_recording();
        let (op, tag, size) = ("all_reduce", self.next(), self.size());
        let (tensor, dtype) = (tensor.detach(), tensor.dtype());
        let round = Round::new(self, op, tag, about(op, &tensor), self.everybody());
        if tensor.numel() * tensor.dtype().size() <= SMALL || size == 1 {
            round.post(&mut |_| Ok(tensor.clone())).here()?;
            let round = round.of_kind(dtype, &|_| tensor.shape().to_vec()).with_own(&tensor);
            return Ok(Pending::new(State::Waiting(round, Box::new(|parts| Ok(State::Done(sum(parts)?))))));
        }
        // Each adds up its part, and tells the others.
        let (shape, flat) = (tensor.shape().to_vec(), tensor.reshape([tensor.numel()])?);
        let of = |rank| {
            let part = part(flat.numel(), size, rank);
            flat.narrow(0, part.start, part.len())
        };
        round.post(&mut |to| of(to)).here()?;
        let own = of(self.rank())?;
        let (numel, len) = (flat.numel(), own.numel());
        let round = round.of_kind(dtype, &|_| vec![len]).with_own(&own);
        let group = self.handle();
        Ok(Pending::new(State::Waiting(
            round,
            Box::new(move |parts| {
                let own = sum(parts)?;
                let tag = Tag { number: tag.number | 1, ..tag };
                let round = Round::new(&*group, op, tag, "the sums of all_reduce".into(), group.everybody())
                    .of_kind(dtype, &|rank| vec![part(numel, size, rank).len()]);
                round.post(&mut |_| Ok(own.clone()))?;
                let after = move |parts: Vec<Tensor>| {
                    let _unrecorded = autograd::pause_recording();
                    Ok(State::Done(Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)?.reshape(&shape[..])?))
                };
                Ok(State::Waiting(round.with_own(&own), Box::new(after)))
            }),
        )))
    }

    /// The same sum, of which each rank gets a [part](super::part) of the rows, the first dimension.
    ///
    /// # Errors
    /// As for [`all_reduce`](#method.all_reduce); and if the tensor is a single number.
    #[track_caller]
    pub fn reduce_scatter(&self, tensor: &Tensor) -> Result<Tensor> {
        self.start_reduce_scatter(tensor)?.wait()
    }

    /// Begins a [`reduce_scatter`](#method.reduce_scatter).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn start_reduce_scatter(&self, tensor: &Tensor) -> Result<Pending<Tensor>> {
        let (op, size, tensor) = ("reduce_scatter", self.size(), tensor.detach());
        let Some(rows) = tensor.shape().first().copied() else {
            return Err(Error::shape(op, "a single number has no rows that could be divided"));
        };
        let of = |rank| {
            let part = part(rows, size, rank);
            tensor.narrow(0, part.start, part.len())
        };
        let round = Round::new(self, op, self.next(), about(op, &tensor), self.everybody());
        round.post(&mut |to| of(to)).here()?;
        let own = of(self.rank())?;
        let round = round.of_kind(own.dtype(), &|_| own.shape().to_vec()).with_own(&own);
        Ok(Pending::new(State::Waiting(round, Box::new(|parts| Ok(State::Done(sum(parts)?))))))
    }

    /// The tensors of all ranks, in their order. They may have other types and shapes.
    ///
    /// # Errors
    /// If a rank has failed, does something else, or does not answer in time.
    #[track_caller]
    pub fn all_gather(&self, tensor: &Tensor) -> Result<Vec<Tensor>> {
        self.start_all_gather(tensor)?.wait()
    }

    /// Begins an [`all_gather`](#method.all_gather).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn start_all_gather(&self, tensor: &Tensor) -> Result<Pending<Vec<Tensor>>> {
        self.start_gather("all_gather", self.next(), "all_gather", tensor)
    }

    /// The same for something that is `about` more than that.
    #[track_caller]
    fn start_gather(&self, op: &'static str, tag: Tag, about: &str, tensor: &Tensor) -> Result<Pending<Vec<Tensor>>> {
        let round = Round::new(self, op, tag, about.into(), self.everybody());
        round.post(&mut |_| Ok(tensor.clone())).here()?;
        Ok(Pending::new(State::Waiting(round.with_own(tensor), Box::new(|parts| Ok(State::Done(parts))))))
    }

    /// The tensor of the rank `root`. The others give one of the same type and shape, whose values do not matter. It is on its way at once, but
    /// nobody goes on before all have begun.
    ///
    /// # Errors
    /// As for [`all_gather`](#method.all_gather); and if there is no such rank.
    #[track_caller]
    pub fn broadcast(&self, tensor: &Tensor, root: usize) -> Result<Tensor> {
        self.start_broadcast(tensor, root)?.wait()
    }

    /// Begins a [`broadcast`](#method.broadcast).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn start_broadcast(&self, tensor: &Tensor, root: usize) -> Result<Pending<Tensor>> {
        let op = "broadcast";
        self.expect_rank(op, root)?;
        let about = format!("{} from rank {root}", about(op, tensor));
        let (tag, size) = (self.next(), self.size());
        // Counted from the root, each hears from the rank without its lowest bit, and tells those with a lower one more.
        let place = (self.rank() + size - root) % size;
        let lowest = if place == 0 { size.next_power_of_two() } else { 1 << place.trailing_zeros() };
        let mut others = Vec::new();
        let mut bit = lowest >> 1;
        while bit > 0 {
            if place + bit < size {
                others.push((place + bit + root) % size);
            }
            bit >>= 1;
        }
        let (tensor, dtype, is_root) = (tensor.detach(), tensor.dtype(), place == 0);
        let nothing = Tensor::full_dtype([0], 0.0, dtype)?;
        // All say that they are there, for a root alone would not notice that others do something else.
        let before = (place - lowest.min(place) + root) % size;
        let (shape, hears_root) = (tensor.shape().to_vec(), !is_root && before == root);
        let of = |from: usize| if hears_root && from == root { shape.clone() } else { vec![0] };
        let there = Round::new(self, op, tag, about, self.everybody()).of_kind(dtype, &of);
        there
            .post(&mut |to| Ok(if is_root && others.contains(&to) { tensor.clone() } else { nothing.clone() }))
            .here()?;
        let there = there.with_own(if is_root { &tensor } else { &nothing });
        let group = self.handle();
        let after = move |parts: Vec<Tensor>| {
            let tag = Tag { number: tag.number | 1, ..tag };
            let passed = |from| Round::new(&*group, op, tag, "the tensor of broadcast".into(), from);
            let onward = passed(others);
            let after = move |mut parts: Vec<Tensor>| {
                let Some(tensor) = parts.pop() else { return Err(crate::error::bug!("broadcast", "no message")) };
                if !is_root {
                    onward.post(&mut |_| Ok(tensor.clone()))?;
                }
                Ok(State::Done(tensor))
            };
            match is_root || hears_root {
                true => after(vec![parts[root].clone()]),
                false => {
                    let round = passed(vec![before]).of_kind(dtype, &|_| shape.clone());
                    Ok(State::Waiting(round, Box::new(after)))
                }
            }
        };
        Ok(Pending::new(State::Waiting(there, Box::new(after))))
    }

    /// Begins to exchange tensors: each of the ranks `from` sends to everybody what `parts` makes for them, and everybody gets what they have
    /// sent it, in their order. The number of the operation was drawn before.
    #[track_caller]
    pub(super) fn start_exchange(
        &self,
        op: &'static str,
        number: u64,
        about: String,
        from: Vec<usize>,
        parts: &mut dyn FnMut(usize) -> Result<Tensor>,
    ) -> Result<Pending<Vec<Tensor>>> {
        let tag = Tag { group: self.id(), number: number << 1 };
        let is_sender = from.contains(&self.rank());
        let mut round = Round::new(self, op, tag, about, from);
        if is_sender {
            round.post_to(&mut (0..self.size()), parts).here()?;
            round = round.with_own(&parts(self.rank())?);
        }
        Ok(Pending::new(State::Waiting(round, Box::new(|parts| Ok(State::Done(parts))))))
    }

    /// Makes sure that all ranks say the same. Each gives lines of a name and a value; where one differs from rank 0, everybody gets the same
    /// error about the first line that does.
    #[track_caller]
    pub(crate) fn agree(&self, op: &str, lines: &[(String, String)]) -> Result<()> {
        let mut text = format!("the release\u{1f}{}\u{1e}", env!("CARGO_PKG_VERSION")).into_bytes();
        text.extend(lines.iter().flat_map(|(name, value)| format!("{name}\u{1f}{value}\u{1e}").into_bytes()));
        let length = text.len();
        let text = Tensor::from_vec(text, [length])?;
        let said = self.start_gather("all_gather", self.next(), &format!("the comparison of {op}"), &text)?.wait()?;
        let mut texts = Vec::with_capacity(said.len());
        for said in &said {
            texts.push(String::from_utf8_lossy(said.as_slice::<u8>()?).into_owned());
        }
        let Some(first) = texts.first() else { return Ok(()) };
        let Some(other) = texts.iter().position(|text| text != first) else { return Ok(()) };
        let (mut ours, mut theirs) = (first.split_terminator('\u{1e}'), texts[other].split_terminator('\u{1e}'));
        let show = |line: Option<&str>| {
            line.map_or("nothing more".to_string(), |line| short(&line.replace('\u{1f}', " ")).into_owned())
        };
        let (a, b) = loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return Err(crate::error::bug!(op, "texts that differ in no line")),
                (a, b) if a != b => break (show(a), show(b)),
                _ => (),
            }
        };
        // Nobody gives up before all have seen it for themselves.
        let _ = self.barrier();
        let (zero, other) = (self.origin(0), self.origin(other));
        Err(peer(op, format!("rank {other} has {b}, rank {zero} has {a}"))
            .with_help("all ranks run the same program, with the same model, options and data"))
    }

    /// Waits until all ranks have come here.
    ///
    /// # Errors
    /// As for [`all_gather`](#method.all_gather).
    #[track_caller]
    pub fn barrier(&self) -> Result<()> {
        self.start_barrier()?.wait()
    }

    /// Begins a [`barrier`](#method.barrier).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn start_barrier(&self) -> Result<Pending<()>> {
        let op = "barrier";
        let nothing = Tensor::zeros([0])?;
        let round =
            Round::new(self, op, self.next(), op.into(), self.everybody()).of_kind(nothing.dtype(), &|_| vec![0]);
        round.post(&mut |_| Ok(nothing.clone())).here()?;
        Ok(Pending::new(State::Waiting(round.with_own(&nothing), Box::new(|_| Ok(State::Done(()))))))
    }

    /// Parts the group: the ranks that give the same `color` make up a group, in the order of `key`, or of their ranks where keys are equal.
    /// Everybody gets the group that it is in.
    ///
    /// A grid of two rows and two columns, in which sums are over rows and over columns:
    ///
    /// ```
    /// use demotic::distributed::ThreadGroup;
    /// use demotic::tensor;
    ///
    /// let sums = ThreadGroup::run(4, |group| {
    ///     let own = tensor![group.rank() as f64];
    ///     let (row, column) = (group.split(group.rank() / 2, 0)?, group.split(group.rank() % 2, 0)?);
    ///     Ok((row.all_reduce(&own)?.item()?, column.all_reduce(&own)?.item()?))
    /// })?;
    /// assert_eq!(sums, [(1.0, 2.0), (1.0, 4.0), (5.0, 2.0), (5.0, 4.0)]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`all_gather`](#method.all_gather).
    #[track_caller]
    pub fn split(&self, color: usize, key: usize) -> Result<Arc<dyn Group>> {
        let own = Tensor::from_vec(vec![color as i64, key as i64], [2])?;
        let tag = self.next();
        let mut members = Vec::new();
        for (rank, said) in self.start_gather("split", tag, "split", &own)?.wait()?.into_iter().enumerate() {
            match said.to_vec::<i64>()?[..] {
                [other, key] if other == color as i64 => members.push((key, rank)),
                [_, _] => (),
                _ => return Err(peer("split", format!("rank {rank} gave no color and key"))),
            }
        }
        members.sort_unstable();
        Ok(subgroup::make(self, members.into_iter().map(|(_, rank)| rank).collect(), tag.number, color as u64))
    }
}

/// # Messages from one rank to another
impl dyn Group + '_ {
    /// Sends a tensor of any type and shape to another rank, which [receives](#method.receive) it with the same tag, in the order of sending. Does
    /// not wait for it.
    ///
    /// # Errors
    /// If there is no such rank, or a rank has failed.
    #[track_caller]
    pub fn send(&self, tensor: &Tensor, to: usize, tag: u32) -> Result<()> {
        self.expect_rank("send", to)?;
        let tag = Tag { group: self.id(), number: POINT | u64::from(tag) };
        self.post(to, tag, Message { about: "send".into(), tensor: tensor.detach() }).here()
    }

    /// The next tensor that a rank has sent with this tag.
    ///
    /// # Errors
    /// If there is no such rank, a rank has failed, or it has not come in time.
    #[track_caller]
    pub fn receive(&self, from: usize, tag: u32) -> Result<Tensor> {
        self.start_receive(from, tag)?.wait()
    }

    /// Begins to [send](#method.send).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn start_send(&self, tensor: &Tensor, to: usize, tag: u32) -> Result<Pending<()>> {
        self.send(tensor, to, tag)?;
        Ok(Pending::new(State::Done(())))
    }

    /// Begins to [receive](#method.receive).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn start_receive(&self, from: usize, tag: u32) -> Result<Pending<Tensor>> {
        self.expect_rank("receive", from)?;
        let tag = Tag { group: self.id(), number: POINT | u64::from(tag) };
        let round = Round::new(self, "receive", tag, "send".into(), vec![from]).of_any();
        let after = |mut parts: Vec<Tensor>| match parts.pop() {
            Some(tensor) => Ok(State::Done(tensor)),
            None => Err(crate::error::bug!("receive", "no message")),
        };
        Ok(Pending::new(State::Waiting(round, Box::new(after))))
    }
}

/// What an operation is called with: `all_reduce of f32 [3, 4]`.
fn about(op: &str, tensor: &Tensor) -> String {
    format!("{op} of {} {:?}", tensor.dtype(), tensor.shape())
}
