//! What a group of processes is: a trait of few methods, which carry messages from rank to rank.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use crate::error::{Error, ErrorKind, Result};

/// Which conversation a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The [number of the group](Group::id).
    pub group: u64,
    /// The number of the operation in the group, or that of a message from one rank to another.
    pub number: u64,
}

/// A group of processes as one of them sees it, its **rank**: a number from 0 on.
///
/// An implementation carries messages, in the order in which they were sent, and notices when a rank is gone. What ranks do together (sums,
/// gathering, broadcasts …) stands on [`dyn Group`](trait@Group#implementations) and is the same for all implementations, down to the order of
/// additions: so results do not depend on what carries the messages.
///
/// Here are [`OneProcess`](super::OneProcess) and [`ThreadGroup`](super::ThreadGroup); the crate `demotic-mpi` has the one for several machines.
///
/// **Operations of all ranks** must be called by all of them, in the same order. Who calls another one than the others, or with a tensor of
/// another type or shape, gets an error that names the rank and the difference, and so does every other rank.
///
/// ```
/// use demotic::distributed::ThreadGroup;
/// use demotic::tensor;
///
/// let sums = ThreadGroup::run(3, |group| group.all_reduce(&tensor![1.0, group.rank() as f64]))?;
/// assert_eq!(sums[2].to_vec::<f32>()?, [3.0, 0.0 + 1.0 + 2.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
pub trait Group: fmt::Debug + Send + Sync {
    /// The number of this process, below [`size`](Self::size).
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// How long one waits for another before that is an error.
    fn timeout(&self) -> Duration;

    /// A message for another rank. It is on its way when this returns, which does not wait for anybody.
    ///
    /// # Errors
    /// If a rank of the group has failed.
    fn post(&self, to: usize, tag: Tag, message: Message) -> Result<()>;

    /// The next message of a rank with this tag, if one has arrived.
    ///
    /// # Errors
    /// If a rank of the group has failed.
    fn poll(&self, from: usize, tag: Tag) -> Result<Option<Message>>;

    /// The next message of a rank with this tag, for which it waits.
    ///
    /// # Errors
    /// If a rank of the group has failed, or no message has come within the [time-out](Self::timeout).
    fn wait(&self, from: usize, tag: Tag) -> Result<Message>;

    /// Tells all others that this rank gives up: whatever they wait for is an error from then on, with this reason. If another rank has
    /// given up before, they are told of that one and its reason.
    fn fail(&self, reason: &str);

    /// Counts the operations of this group: a number that no call before has given.
    fn ticket(&self) -> u64;

    /// The same group, for who has to keep it.
    fn handle(&self) -> Arc<dyn Group>;

    /// The number by which messages of this group are told from those of others: 0 for that of all processes.
    fn id(&self) -> u64 {
        0
    }

    /// The number that a rank of this group has among all processes, by which errors name it.
    fn origin(&self, rank: usize) -> usize {
        rank
    }
}

/// Which of `n` things in a row belong to one of `size` ranks: as many for each, and one more for the first `n % size`.
///
/// ```
/// use demotic::distributed::part;
///
/// assert_eq!([part(8, 3, 0), part(8, 3, 1), part(8, 3, 2)], [0..3, 3..6, 6..8]);
/// ```
#[must_use]
pub fn part(n: usize, size: usize, rank: usize) -> Range<usize> {
    let size = size.max(1);
    let start = |rank: usize| rank * (n / size) + rank.min(n % size);
    let rank = rank.min(size);
    start(rank)..start((rank + 1).min(size))
}

/// The error about another rank, with what usually helps.
#[track_caller]
pub(super) fn peer(op: impl Into<String>, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Peer, op, message)
}

impl dyn Group + '_ {
    /// An error about what ranks do differently, which all of them get.
    #[track_caller]
    pub(super) fn disagreement(&self, op: &str, message: String) -> Error {
        self.fail(&message);
        peer(op, message).with_help("all ranks run the same program, with the same model, options and data")
    }

    #[track_caller]
    pub(super) fn expect_rank(&self, op: &str, rank: usize) -> Result<()> {
        if rank < self.size() {
            return Ok(());
        }
        Err(Error::index(op, format!("rank {rank} of a group of {}, counted from 0", self.size())))
    }
}
