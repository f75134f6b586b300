//! Some ranks of a group as a group of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::group::{Group, Tag};
use super::message::Message;
use crate::error::{Error, Here, Result};

#[derive(Debug, Clone)]
struct Subgroup {
    parent: Arc<dyn Group>,
    id: u64,
    /// Their ranks in the parent.
    members: Arc<Vec<usize>>,
    rank: usize,
    tickets: Arc<AtomicU64>,
}

/// The group of these ranks of `parent`, of which this process is one. `number` and `color` tell it from all others.
pub(super) fn make(parent: &(dyn Group + '_), members: Vec<usize>, number: u64, color: u64) -> Arc<dyn Group> {
    // The finish of SplitMix64, by which close numbers become far ones.
    let mix = |seed: u64, n: u64| {
        let mut z = (seed ^ n).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let id = mix(mix(mix(parent.id(), 0x5eed), number), color).max(1);
    let rank = members.iter().position(|member| *member == parent.rank()).unwrap_or_default();
    Arc::new(Subgroup { parent: parent.handle(), id, members: Arc::new(members), rank, tickets: Arc::default() })
}

impl Subgroup {
    #[track_caller]
    fn member(&self, rank: usize) -> Result<usize> {
        let count = self.members.len();
        self.members
            .get(rank)
            .copied()
            .ok_or_else(|| Error::index("send", format!("rank {rank} of a group of {count}")))
            .here()
    }
}

impl Group for Subgroup {
    fn rank(&self) -> usize {
        self.rank
    }
    fn size(&self) -> usize {
        self.members.len()
    }
    fn timeout(&self) -> Duration {
        self.parent.timeout()
    }
    #[track_caller]
    fn post(&self, to: usize, tag: Tag, message: Message) -> Result<()> {
        self.parent.post(self.member(to)?, tag, message)
    }
    #[track_caller]
    fn poll(&self, from: usize, tag: Tag) -> Result<Option<Message>> {
        self.parent.poll(self.member(from)?, tag)
    }
    #[track_caller]
    fn wait(&self, from: usize, tag: Tag) -> Result<Message> {
        self.parent.wait(self.member(from)?, tag)
    }
    fn fail(&self, reason: &str) {
        self.parent.fail(reason);
    }
    fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }
    fn handle(&self) -> Arc<dyn Group> {
        Arc::new(self.clone())
    }
    fn id(&self) -> u64 {
        self.id
    }
    fn origin(&self, rank: usize) -> usize {
        self.members.get(rank).map_or(rank, |member| self.parent.origin(*member))
    }
}
