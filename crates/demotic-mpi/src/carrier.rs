//! The thread that makes all calls of MPI.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use demotic::distributed::{Mailbox, Message, Tag};
use demotic::{Error, ErrorKind, Result};
use mpi::Threading;
use mpi::point_to_point::{Destination, MatchedReceiveVec, Source};
use mpi::request::{Request, Scope, scope};
use mpi::topology::{Communicator, SimpleCommunicator};

/// What a message is, as its tag in MPI.
const DATA: i32 = 1;
const FAILED: i32 = 2;
const ENDED: i32 = 3;

/// Longer messages are sent in pieces: MPI counts in 31 bits.
const PIECE: usize = 1 << 30;

/// Before each piece: group, number, and how many pieces follow it.
const HEAD: usize = 24;

/// What is said of a rank whose messages cannot be read.
const NO_MESSAGE: &str = "it has sent something that is no message: is it another release?";

/// How long the thread sleeps when there is nothing to do, at first and at the most.
const SHORTEST: Duration = Duration::from_micros(2);
const LONGEST: Duration = Duration::from_micros(100);

/// How long a rank that has failed waits for the others to hear of it.
const GRACE: Duration = Duration::from_secs(3);

/// What is to be sent.
struct Parcel {
    to: usize,
    kind: i32,
    bytes: Vec<u8>,
}

/// Where the program puts what is to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    parcels: Mutex<Sender<Parcel>>,
    rank: usize,
    size: usize,
    /// Whether this rank has said its last word.
    is_over: Mutex<bool>,
}

impl Outgoing {
    /// All of these, with nothing in between that another thread puts.
    fn put(&self, to: usize, kind: i32, parcels: impl Iterator<Item = Vec<u8>>) {
        let sender = self.parcels.lock().unwrap_or_else(PoisonError::into_inner);
        for bytes in parcels {
            // If the thread is gone, so is everybody who could read it.
            let _ = sender.send(Parcel { to, kind, bytes });
        }
    }

    pub(crate) fn post(&self, to: usize, tag: Tag, message: &Message) {
        self.put(to, DATA, pieces(tag, &message.to_bytes(), PIECE));
    }

    fn last(&self, kind: i32, word: &[u8]) {
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_over {
            *is_over = true;
            for to in (0..self.size).filter(|to| *to != self.rank) {
                self.put(to, kind, std::iter::once(word.to_vec()));
            }
        }
    }

    /// The rank that has failed first, as far as this one knows, and why.
    pub(crate) fn fail(&self, rank: usize, reason: &str) {
        self.last(FAILED, &[&(rank as u64).to_le_bytes(), reason.as_bytes()].concat());
    }

    pub(crate) fn end(&self) {
        self.last(ENDED, &[]);
    }
}

/// Which rank has failed, and why, as the rank has said it that the message is from.
fn failure(from: usize, word: &[u8]) -> (usize, String) {
    match word.split_first_chunk() {
        Some((rank, reason)) => (u64::from_le_bytes(*rank) as usize, String::from_utf8_lossy(reason).into_owned()),
        None => (from, NO_MESSAGE.to_string()),
    }
}

/// A message as what travels: pieces of so many bytes at the most, each behind its head.
fn pieces(tag: Tag, bytes: &[u8], size: usize) -> impl Iterator<Item = Vec<u8>> {
    let count = bytes.len().div_ceil(size).max(1);
    (0..count).map(move |piece| {
        let part = &bytes[piece * size..bytes.len().min((piece + 1) * size)];
        let mut parcel = Vec::with_capacity(HEAD + part.len());
        for number in [tag.group, tag.number, (count - 1 - piece) as u64] {
            parcel.extend_from_slice(&number.to_le_bytes());
        }
        parcel.extend_from_slice(part);
        parcel
    })
}

/// Messages of which pieces are missing.
#[derive(Default)]
struct Pieces(HashMap<(usize, Tag), Vec<u8>>);

impl Pieces {
    /// Takes a piece, which must be one. Gives the message, if this was its last piece.
    fn take(&mut self, from: usize, mut bytes: Vec<u8>) -> Option<Result<(Tag, Message), String>> {
        let number = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let (Some(group), Some(number), Some(left)) = (number(0), number(8), number(16)) else {
            return Some(Err(NO_MESSAGE.into()));
        };
        let tag = Tag { group, number };
        bytes.drain(..HEAD);
        if let Some(begun) = self.0.get_mut(&(from, tag)) {
            begun.append(&mut bytes);
            if left > 0 {
                return None;
            }
            bytes = self.0.remove(&(from, tag)).unwrap_or_default();
        } else if left > 0 {
            self.0.insert((from, tag), bytes);
            return None;
        }
        Some(Message::from_bytes(&bytes).map(|message| (tag, message)).map_err(|e| e.message()))
    }
}

/// The thread, and what it shares with the program.
pub(crate) struct Carrier {
    pub(crate) rank: usize,
    pub(crate) size: usize,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) outgoing: Arc<Outgoing>,
    thread: JoinHandle<()>,
    /// Tells the thread how long to wait for the others' last words.
    leave: Sender<Duration>,
    left: Receiver<Vec<usize>>,
}

impl Carrier {
    #[track_caller]
    pub(crate) fn start() -> Result<Self> {
        let mailbox = Arc::new(Mailbox::new());
        let ((parcels, to_send), (begun, has_begun)) = (channel(), channel());
        let ((leave, may_leave), (say_left, left)) = (channel(), channel());
        let own = mailbox.clone();
        let thread = std::thread::spawn(move || {
            let Some((universe, _)) = mpi::initialize_with_threading(Threading::Funneled) else { return };
            let world = universe.world();
            let place = (world.rank() as usize, world.size() as usize);
            if begun.send(place).is_err() {
                return;
            }
            let missing = Work::new(&world, own, to_send).run(&may_leave);
            let is_complete = missing.is_empty();
            let _ = say_left.send(missing);
            drop(world);
            match is_complete {
                // All ranks come here, as the end of MPI asks.
                true => drop(universe),
                // Some do not: the process ends without it.
                false => std::mem::forget(universe),
            }
        });
        let Ok((rank, size)) = has_begun.recv() else {
            return Err(Error::state("run", "MPI was used in this process before, or cannot be")
                .with_help("demotic_mpi::run begins and ends it: call it once, around the whole program"));
        };
        let outgoing = Arc::new(Outgoing { parcels: Mutex::new(parcels), rank, size, is_over: Mutex::new(false) });
        Ok(Self { rank, size, mailbox, outgoing, thread, leave, left })
    }

    /// The end of MPI, when all others have come to theirs.
    pub(crate) fn join(self, timeout: Duration) -> Result<()> {
        let failed = self.mailbox.failure().is_some();
        let timeout = if failed { GRACE } else { timeout };
        let _ = self.leave.send(timeout);
        // Longer than the thread waits: it may hang in a message that nobody takes.
        let missing = self.left.recv_timeout(timeout.saturating_add(Duration::from_secs(1)));
        let missing = missing.unwrap_or_else(|_| (0..self.size).filter(|rank| *rank != self.rank).collect());
        if missing.is_empty() {
            // It has nothing left to do but to end MPI.
            let _ = self.thread.join();
        }
        match (missing.first(), self.mailbox.failure()) {
            (_, Some((rank, reason))) => {
                Err(Error::new(ErrorKind::Peer, "run", format!("rank {rank} has given up: {reason}")))
            }
            (Some(rank), None) => {
                let message = format!("rank {rank} has not come to its end within {timeout:?}");
                Err(Error::new(ErrorKind::Peer, "run", message))
            }
            (None, None) => Ok(()),
        }
    }
}

/// What the thread knows.
struct Work<'w> {
    world: &'w SimpleCommunicator,
    mailbox: Arc<Mailbox>,
    to_send: Receiver<Parcel>,
    begun: Pieces,
    /// Which ranks have said their last word.
    over: Vec<bool>,
    pause: Duration,
    /// The program has come to its end: until when to wait for the others.
    until: Option<Instant>,
}

impl<'w> Work<'w> {
    fn new(world: &'w SimpleCommunicator, mailbox: Arc<Mailbox>, to_send: Receiver<Parcel>) -> Self {
        let mut over = vec![false; world.size() as usize];
        over[world.rank() as usize] = true;
        Self { world, mailbox, to_send, begun: Pieces::default(), over, pause: SHORTEST, until: None }
    }

    /// Carries messages until all is said. Returns who has not said its last word in time.
    fn run(&mut self, may_leave: &Receiver<Duration>) -> Vec<usize> {
        loop {
            // Before it looks at what is to be sent: the program's last word is there when its end is noticed.
            self.notice(may_leave);
            let batch: Vec<Parcel> = self.to_send.try_iter().collect();
            let is_busy = !batch.is_empty();
            scope(|scope| self.send(scope, &batch, may_leave));
            let has_received = self.receive();
            let Some(until) = self.until else {
                self.rest(is_busy || has_received);
                continue;
            };
            let missing: Vec<usize> = (0..self.over.len()).filter(|rank| !self.over[*rank]).collect();
            if !is_busy && (missing.is_empty() || Instant::now() > until) {
                return missing;
            }
            self.rest(is_busy || has_received);
        }
    }

    fn notice(&mut self, may_leave: &Receiver<Duration>) {
        if let (None, Ok(timeout)) = (self.until, may_leave.try_recv()) {
            // What is beyond all time is not waited for to its end either.
            let now = Instant::now();
            self.until = now.checked_add(timeout).or_else(|| now.checked_add(Duration::from_secs(1 << 32)));
        }
    }

    /// Sends all of these, and receives meanwhile.
    fn send<'a>(&mut self, scope: impl Scope<'a> + Copy, batch: &'a [Parcel], may_leave: &Receiver<Duration>) {
        let begin = |parcel: &'a Parcel| {
            let process = self.world.process_at_rank(parcel.to as i32);
            process.immediate_send_with_tag(scope, &parcel.bytes[..], parcel.kind)
        };
        let mut open: Vec<Request<'a, [u8], _>> = batch.iter().map(begin).collect();
        while !open.is_empty() {
            let before = open.len();
            let mut left = Vec::with_capacity(before);
            left.extend(open.into_iter().filter_map(|request| request.test().err()));
            open = left;
            let has_received = self.receive();
            self.notice(may_leave);
            self.rest(has_received || open.len() < before);
        }
    }

    fn rest(&mut self, is_busy: bool) {
        self.pause = if is_busy { SHORTEST } else { (self.pause * 2).min(LONGEST) };
        match is_busy {
            true => std::thread::yield_now(),
            false => std::thread::sleep(self.pause),
        }
    }

    /// Takes what has arrived.
    fn receive(&mut self) -> bool {
        let mut some = false;
        while let Some(arrived) = self.world.any_process().immediate_matched_probe() {
            some = true;
            let (bytes, status) = arrived.matched_receive_vec::<u8>();
            let from = status.source_rank() as usize;
            match status.tag() {
                FAILED => {
                    let (rank, reason) = failure(from, &bytes);
                    self.mailbox.fail(rank, &reason);
                    self.over[from] = true;
                }
                ENDED => {
                    self.mailbox.end(from);
                    self.over[from] = true;
                }
                _ => self.take(from, bytes),
            }
        }
        some
    }

    /// A piece of a message.
    fn take(&mut self, from: usize, bytes: Vec<u8>) {
        match self.begun.take(from, bytes) {
            Some(Ok((tag, message))) => self.mailbox.deliver(from, tag, message),
            Some(Err(why)) => self.mailbox.fail(from, &why),
            None => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use demotic::{Rng, Tensor};

    #[test]
    fn messages_of_several_pieces_come_together_again() -> Result<()> {
        let message = |n: usize| {
            let tensor = Tensor::normal([n], 0.0, 1.0, &mut Rng::seed(n as u64))?;
            Ok::<_, Error>(Message { about: format!("{n} numbers"), tensor })
        };
        let tag = |number: u64| Tag { group: 7, number };
        for size in [1, 10, 24, 1000] {
            let (mut pieces_of, mut seen) = (Vec::new(), Vec::new());
            // Those of one sender keep their order; those of another, and of another tag, come in between.
            for (from, number, n) in [(0, 1, 0), (1, 1, 5), (0, 2, 33)] {
                pieces_of.push((from, pieces(tag(number), &message(n)?.to_bytes(), size).collect::<Vec<_>>()));
            }
            let mut open = Pieces::default();
            for at in 0..pieces_of.iter().map(|(_, pieces)| pieces.len()).max().unwrap_or(0) {
                for (from, pieces) in &pieces_of {
                    assert!(pieces.iter().all(|piece| piece.len() <= HEAD + size));
                    if let Some(done) = pieces.get(at).and_then(|piece| open.take(*from, piece.clone())) {
                        let (tag, message) = done.map_err(|e| Error::state("take", e))?;
                        seen.push((*from, tag.number, message.to_bytes()));
                    }
                }
            }
            seen.sort();
            let expected =
                [(0, 1, message(0)?.to_bytes()), (0, 2, message(33)?.to_bytes()), (1, 1, message(5)?.to_bytes())];
            assert_eq!(seen, expected);
            assert!(open.0.is_empty());
        }
        let mut open = Pieces::default();
        let told = |bytes: Vec<u8>| open.take(3, bytes).map(|done| done.map(drop));
        let mut told = told;
        assert!(matches!(told(vec![1; 23]), Some(Err(e)) if e.contains("no message")));
        assert!(matches!(told(vec![0; 24]), Some(Err(e)) if e == "receive: 0 bytes that are no message"));
        Ok(())
    }
}
