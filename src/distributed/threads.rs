//! Ranks that are threads of one process.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::group::{Group, Tag};
use super::mailbox::Mailbox;
use super::message::Message;
use crate::error::{Error, ErrorKind, Here, Result};
use crate::parallel;

/// How long a thread waits for another if nothing else was said.
const TIMEOUT: Duration = Duration::from_secs(60);

/// More ranks than this are a mistake.
const MOST: usize = 256;

/// A group whose ranks are threads of this process: for programs and tests that are to run on one machine as they will on many.
///
/// Each has its share of the threads that operations would have otherwise.
#[derive(Debug, Clone)]
pub struct ThreadGroup {
    rank: usize,
    tickets: Arc<AtomicU64>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    boxes: Vec<Mailbox>,
    timeout: Duration,
}

impl ThreadGroup {
    /// Calls `f` on `size` threads, each of them a rank, and returns what they returned, in the order of ranks. One waits for another for a
    /// minute at most.
    ///
    /// # Errors
    /// If `size` is 0 or more than 256; and the error of the rank that failed first, which the others are told.
    ///
    /// # Panics
    /// If `f` does, when all others have ended.
    ///
    /// ```
    /// use demotic::distributed::ThreadGroup;
    /// use demotic::{Error, tensor};
    ///
    /// let e = ThreadGroup::run(2, |group| match group.rank() {
    ///     0 => group.all_reduce(&tensor![1.0]),
    ///     _ => Err(Error::state("read", "the file is empty")),
    /// });
    /// assert_eq!(e.unwrap_err().message(), "read: the file is empty");
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn run<R: Send>(size: usize, f: impl Fn(&dyn Group) -> Result<R> + Sync) -> Result<Vec<R>> {
        Self::run_with(size, TIMEOUT, f)
    }

    /// The same with another time-out, after which a rank that waits has an error. A rank that never comes back from something else
    /// than the group's operations is waited for: a thread cannot be ended from outside.
    ///
    /// # Errors
    /// As for [`run`](Self::run); and if the time-out is zero.
    ///
    /// # Panics
    /// If `f` does.
    #[track_caller]
    pub fn run_with<R: Send>(
        size: usize,
        timeout: Duration,
        f: impl Fn(&dyn Group) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let shared = Self::shared(size, timeout)?;
        let mut results: Vec<Option<Result<R>>> = (0..size).map(|_| None).collect();
        let each = (parallel::threads() / size).max(1);
        let mut panic = None;
        std::thread::scope(|scope| {
            let mut threads = Vec::with_capacity(size);
            for (rank, result) in results.iter_mut().enumerate() {
                let group = Self { rank, tickets: Arc::default(), shared: shared.clone() };
                let f = &f;
                threads.push(scope.spawn(move || {
                    let done = catch_unwind(AssertUnwindSafe(|| parallel::with_threads(each, || f(&group))));
                    match done {
                        Ok(done) => {
                            let done = done.and_then(|done| done);
                            group.leave(done.as_ref().err());
                            *result = Some(done);
                        }
                        Err(panic) => {
                            group.fail(&format!("it has panicked: {}", parallel::said(&*panic)));
                            resume_unwind(panic);
                        }
                    }
                }));
            }
            for thread in threads {
                if let Err(e) = thread.join() {
                    panic.get_or_insert(e);
                }
            }
        });
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        // The cause, and not what others were told of it.
        let is_own = |result: &Option<Result<R>>| matches!(result, Some(Err(e)) if e.kind() != ErrorKind::Peer);
        let told = || shared.boxes.iter().find_map(Mailbox::failure).map(|(rank, _)| rank);
        let first = results.iter().position(is_own).or_else(told);
        let cause = first.and_then(|rank| results.get_mut(rank)).filter(|result| matches!(result, Some(Err(_))));
        if let Some(Err(e)) = cause.and_then(Option::take) {
            return Err(e);
        }
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|| Err(crate::error::bug!("run", "no result"))))
            .collect()
    }

    #[track_caller]
    fn shared(size: usize, timeout: Duration) -> Result<Arc<Shared>> {
        if !(1..=MOST).contains(&size) {
            let message = format!("a group of {size} threads, expected 1 to {MOST}");
            return Err(Error::argument("ThreadGroup", message)).here();
        }
        if timeout.is_zero() {
            return Err(Error::argument("ThreadGroup", "a time-out of 0 s, in which no rank can answer")).here();
        }
        Ok(Arc::new(Shared { boxes: (0..size).map(|_| Mailbox::new()).collect(), timeout }))
    }

    /// The end of this rank, which the others are told.
    fn leave(&self, error: Option<&Error>) {
        match error {
            Some(e) => self.fail(&e.message()),
            None => self.others().for_each(|other| other.end(self.rank)),
        }
    }

    fn others(&self) -> impl Iterator<Item = &Mailbox> {
        self.shared.boxes.iter().enumerate().filter(|(rank, _)| *rank != self.rank).map(|(_, mailbox)| mailbox)
    }

    fn own(&self) -> &Mailbox {
        &self.shared.boxes[self.rank]
    }
}

impl Group for ThreadGroup {
    fn rank(&self) -> usize {
        self.rank
    }
    fn size(&self) -> usize {
        self.shared.boxes.len()
    }
    fn timeout(&self) -> Duration {
        self.shared.timeout
    }
    #[track_caller]
    fn post(&self, to: usize, tag: Tag, message: Message) -> Result<()> {
        self.own().check()?;
        match self.shared.boxes.get(to) {
            Some(other) => other.deliver(self.rank, tag, message),
            None => return Err(Error::index("send", format!("rank {to} of a group of {}", self.size()))),
        }
        Ok(())
    }
    #[track_caller]
    fn poll(&self, from: usize, tag: Tag) -> Result<Option<Message>> {
        self.own().poll(from, tag)
    }
    #[track_caller]
    fn wait(&self, from: usize, tag: Tag) -> Result<Message> {
        self.own().wait(from, tag, self.shared.timeout)
    }
    fn fail(&self, reason: &str) {
        let (rank, reason) = self.own().failure().unwrap_or_else(|| (self.rank, reason.to_string()));
        self.others().for_each(|other| other.fail(rank, &reason));
    }
    fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }
    fn handle(&self) -> Arc<dyn Group> {
        Arc::new(self.clone())
    }
}
