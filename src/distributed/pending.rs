//! Operations that were begun and go on beside others.

use std::fmt;
use std::sync::Arc;

use super::group::{Group, Tag};
use super::message::Message;
use crate::error::{Error, Here, Result, bug};
use crate::tensor::{DType, Tensor};

/// An operation of a group that was begun: messages are on their way while the program does something else.
///
/// Who asks for the result has to [wait](Self::wait). Larger operations have more than one round of messages; [`poll`](Self::poll) begins the next
/// one if that is possible, and waits for nothing.
///
/// ```
/// use demotic::distributed::ThreadGroup;
/// use demotic::tensor;
///
/// let sums = ThreadGroup::run(2, |group| {
///     let sum = group.start_all_reduce(&tensor![1.0, 2.0])?;
///     // Something else that takes time.
///     sum.wait()
/// })?;
/// assert_eq!(sums[0].to_vec::<f32>()?, [2.0, 4.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct Pending<T> {
    state: State<T>,
}

/// What follows a round of messages.
pub(super) type After<T> = Box<dyn FnOnce(Vec<Tensor>) -> Result<State<T>> + Send>;

pub(super) enum State<T> {
    Waiting(Round, After<T>),
    Done(T),
    /// An error was returned.
    Over,
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting(round, _) => &round.about,
            State::Done(_) => "done",
            State::Over => "over",
        };
        write!(f, "Pending({state})")
    }
}

impl<T> Pending<T> {
    pub(super) fn new(state: State<T>) -> Self {
        Self { state }
    }

    /// Whether it is done. Takes what has arrived, and waits for nothing.
    ///
    /// # Errors
    /// If a rank has failed, or does something else.
    #[track_caller]
    pub fn poll(&mut self) -> Result<bool> {
        loop {
            match &mut self.state {
                State::Done(_) => return Ok(true),
                State::Over => return Err(Error::state("poll", "the operation has failed before")),
                State::Waiting(round, _) => {
                    let arrived = round.poll().here();
                    match arrived {
                        Ok(false) => return Ok(false),
                        Ok(true) => self.advance().here()?,
                        Err(e) => {
                            self.state = State::Over;
                            return Err(e);
                        }
                    }
                }
            }
        }
    }

    /// The result, for which it waits.
    ///
    /// # Errors
    /// If a rank has failed, does something else, or does not answer in time.
    #[track_caller]
    pub fn wait(mut self) -> Result<T> {
        while let State::Waiting(round, _) = &mut self.state {
            round.wait().here()?;
            self.advance().here()?;
        }
        match self.state {
            State::Done(result) => Ok(result),
            _ => Err(Error::state("wait", "the operation has failed before")),
        }
    }

    #[track_caller]
    fn advance(&mut self) -> Result<()> {
        if let State::Waiting(round, after) = std::mem::replace(&mut self.state, State::Over) {
            self.state = after(round.tensors()?)?;
        }
        Ok(())
    }
}

/// One message from each of some ranks.
pub(super) struct Round {
    group: Arc<dyn Group>,
    op: &'static str,
    tag: Tag,
    /// What they have to be about, if that is known.
    about: String,
    is_checked: bool,
    from: Vec<usize>,
    /// Type and shape of what comes from each, if they are known.
    kinds: Vec<(DType, Vec<usize>)>,
    arrived: Vec<Option<Tensor>>,
}

impl Round {
    pub(super) fn new(group: &dyn Group, op: &'static str, tag: Tag, about: String, from: Vec<usize>) -> Self {
        let arrived = vec![None; from.len()];
        Self { group: group.handle(), op, tag, about, is_checked: true, from, kinds: Vec::new(), arrived }
    }

    /// Messages of any type and shape.
    pub(super) fn of_any(mut self) -> Self {
        self.is_checked = false;
        self
    }

    /// Messages of this type, and of the shape that is said of each rank.
    pub(super) fn of_kind(mut self, dtype: DType, shape: &dyn Fn(usize) -> Vec<usize>) -> Self {
        self.kinds = self.from.iter().map(|from| (dtype, shape(*from))).collect();
        self
    }

    /// Sends to all others of the round what `message` makes for them.
    #[track_caller]
    pub(super) fn post(&self, message: &mut dyn FnMut(usize) -> Result<Tensor>) -> Result<()> {
        self.post_to(&mut self.from.iter().copied(), message)
    }

    /// Sends to some others, who are not those that messages come from.
    #[track_caller]
    pub(super) fn post_to(
        &self,
        ranks: &mut dyn Iterator<Item = usize>,
        message: &mut dyn FnMut(usize) -> Result<Tensor>,
    ) -> Result<()> {
        for to in ranks.filter(|to| *to != self.group.rank()) {
            let tensor = message(to)?.detach();
            self.group.post(to, self.tag, Message { about: self.about.clone(), tensor }).within(self.op)?;
        }
        Ok(())
    }

    /// Puts in what this rank sends itself.
    pub(super) fn with_own(mut self, tensor: &Tensor) -> Self {
        if let Some(at) = self.from.iter().position(|from| *from == self.group.rank()) {
            self.arrived[at] = Some(tensor.detach());
        }
        self
    }

    #[track_caller]
    fn poll(&mut self) -> Result<bool> {
        for i in 0..self.from.len() {
            if self.arrived[i].is_none() {
                match self.group.poll(self.from[i], self.tag).within(self.op)? {
                    Some(message) => self.arrived[i] = Some(self.checked(i, message)?),
                    None => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    #[track_caller]
    fn wait(&mut self) -> Result<()> {
        for i in 0..self.from.len() {
            if self.arrived[i].is_none() {
                let message = self.group.wait(self.from[i], self.tag).within(self.op)?;
                self.arrived[i] = Some(self.checked(i, message)?);
            }
        }
        Ok(())
    }

    #[track_caller]
    fn checked(&self, i: usize, Message { about, tensor }: Message) -> Result<Tensor> {
        let other = self.group.origin(self.from[i]);
        if self.is_checked && about != self.about {
            let own = self.group.origin(self.group.rank());
            let message = format!("rank {other} is at {about}, rank {own} at {}", self.about);
            return Err(self.group.disagreement(self.op, message));
        }
        match self.kinds.get(i) {
            Some((dtype, shape)) if tensor.dtype() != *dtype || tensor.shape() != shape => {
                let (sent, of) = (tensor.shape(), tensor.dtype());
                let message = format!("rank {other} has sent {of} {sent:?} in {about}, expected {dtype} {shape:?}");
                Err(self.group.disagreement(self.op, message))
            }
            _ => Ok(tensor),
        }
    }

    #[track_caller]
    fn tensors(self) -> Result<Vec<Tensor>> {
        let missing = || bug!("receive", "a round that is not complete");
        self.arrived.into_iter().map(|tensor| tensor.ok_or_else(missing)).collect()
    }
}

/// The bit of numbers of messages between two ranks.
pub(super) const POINT: u64 = 1 << 63;
