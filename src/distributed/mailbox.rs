//! Where the messages for a rank lie until it asks for them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::group::{Tag, peer};
use super::message::Message;
use super::pending::POINT;
use crate::error::{Result, short};

/// The messages for a rank that have arrived and were not asked for yet: for implementations of [`Group`](super::Group).
#[derive(Debug, Default)]
pub struct Mailbox {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    /// By sender and tag.
    arrived: HashMap<(usize, Tag), VecDeque<Message>>,
    /// The rank that has failed first, and why.
    failed: Option<(usize, String)>,
    /// Which ranks have ended, and have nothing to say any more.
    ended: Vec<usize>,
}

impl Mailbox {
    /// One without messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message has arrived.
    pub fn deliver(&self, from: usize, tag: Tag, message: Message) {
        self.lock().arrived.entry((from, tag)).or_default().push_back(message);
        self.changed.notify_all();
    }

    /// A rank has failed: from now on, whoever asks for a message gets that as an error. The first failure counts.
    pub fn fail(&self, rank: usize, reason: &str) {
        self.lock().failed.get_or_insert_with(|| (rank, reason.to_string()));
        self.changed.notify_all();
    }

    /// A rank has come to its end: what it has sent can still be asked for, and nothing else.
    pub fn end(&self, rank: usize) {
        self.lock().ended.push(rank);
        self.changed.notify_all();
    }

    /// The rank that has failed first, and why.
    #[must_use]
    pub fn failure(&self) -> Option<(usize, String)> {
        self.lock().failed.clone()
    }

    /// Nothing, if no rank has failed.
    ///
    /// # Errors
    /// The failure.
    #[track_caller]
    pub fn check(&self) -> Result<()> {
        self.lock().check()
    }

    /// A message, if it has arrived.
    ///
    /// # Errors
    /// If a rank has failed.
    #[track_caller]
    pub fn poll(&self, from: usize, tag: Tag) -> Result<Option<Message>> {
        self.lock().take(from, tag)
    }

    /// A message, for which it waits.
    ///
    /// # Errors
    /// If a rank has failed, or the message has not come in time.
    #[track_caller]
    pub fn wait(&self, from: usize, tag: Tag, timeout: Duration) -> Result<Message> {
        let begun = Instant::now();
        let mut inside = self.lock();
        loop {
            if let Some(message) = inside.take(from, tag)? {
                return Ok(message);
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                let help = "it may be busy, dead, or at another operation; a group has a time-out that can be longer";
                let instead = inside.instead(from, tag).map_or(String::new(), |about| format!(", but {about}"));
                let message = format!("no message from rank {from} within {timeout:?}{instead}");
                return Err(peer("receive", message).with_help(help));
            }
            inside = self.changed.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Inside {
    #[track_caller]
    fn check(&self) -> Result<()> {
        match &self.failed {
            Some((rank, reason)) => Err(peer("receive", format!("rank {rank} has given up: {reason}"))),
            None => Ok(()),
        }
    }

    /// What a rank has sent in the place of what is waited for: the first that nobody has asked for.
    fn instead(&self, from: usize, tag: Tag) -> Option<String> {
        let is_other = |(sender, other): &&(usize, Tag)| *sender == from && other.group == tag.group;
        let (_, first) = self.arrived.keys().filter(is_other).min()?;
        let about = &self.arrived.get(&(from, *first))?.front()?.about;
        Some(match first.number.checked_sub(POINT) {
            Some(number) => format!("one with the tag {number}"),
            None => format!("one of {}", short(about)),
        })
    }

    #[track_caller]
    fn take(&mut self, from: usize, tag: Tag) -> Result<Option<Message>> {
        self.check()?;
        let std::collections::hash_map::Entry::Occupied(mut messages) = self.arrived.entry((from, tag)) else {
            if self.ended.contains(&from) {
                return Err(peer("receive", format!("rank {from} has ended, and has sent no such message before")));
            }
            return Ok(None);
        };
        let message = messages.get_mut().pop_front();
        if messages.get().is_empty() {
            messages.remove();
        }
        Ok(message)
    }
}
