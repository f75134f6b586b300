//! A group of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::group::{Group, Tag};
use super::mailbox::Mailbox;
use super::message::Message;
use crate::error::Result;

/// The group of a single process: the sum of all ranks is its own tensor. A program for many is one for one with it.
///
/// ```
/// use demotic::distributed::{Group, OneProcess};
/// use demotic::tensor;
///
/// let group = OneProcess::new().handle();
/// assert_eq!((group.rank(), group.size()), (0, 1));
/// assert_eq!(group.all_reduce(&tensor![1.0, 2.0])?.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct OneProcess(Arc<Own>);

#[derive(Debug, Default)]
struct Own {
    tickets: AtomicU64,
    mailbox: Mailbox,
}

impl OneProcess {
    /// The group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Group for OneProcess {
    fn rank(&self) -> usize {
        0
    }
    fn size(&self) -> usize {
        1
    }
    fn timeout(&self) -> Duration {
        Duration::ZERO
    }
    #[track_caller]
    fn post(&self, to: usize, tag: Tag, message: Message) -> Result<()> {
        self.0.mailbox.deliver(to, tag, message);
        Ok(())
    }
    #[track_caller]
    fn poll(&self, from: usize, tag: Tag) -> Result<Option<Message>> {
        self.0.mailbox.poll(from, tag)
    }
    #[track_caller]
    fn wait(&self, from: usize, tag: Tag) -> Result<Message> {
        self.0.mailbox.wait(from, tag, self.timeout())
    }
    fn fail(&self, _: &str) {}
    fn ticket(&self) -> u64 {
        self.0.tickets.fetch_add(1, Ordering::Relaxed)
    }
    fn handle(&self) -> Arc<dyn Group> {
        Arc::new(self.clone())
    }
}
