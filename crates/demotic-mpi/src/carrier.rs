//! The thread that makes all calls of MPI.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use demotic::distributed::{Mailbox, Message, Tag};
use demotic::{Error, ErrorKind, Result};
use mpi::Threading;
use mpi::datatype::Equivalence;
use mpi::point_to_point::{Destination, Source};
use mpi::request::{Request, Scope, scope};
use mpi::topology::{Communicator, SimpleCommunicator};

/// What a message is, as its tag in MPI.
const DATA: i32 = 1;
const FAILED: i32 = 2;
const ENDED: i32 = 3;
/// What is no message: the program begins to wait for one.
const WAITING: i32 = 4;

/// Longer messages are sent in pieces, each so small that MPI sends it without asking: Open MPI does so up to 64 KiB with a head of its own. Whoever
/// is asked for a longer one would have to answer behind all that it sends itself, and a link would carry one way at a time.
const PIECE: usize = 60 << 10;

/// What is sent without being asked for lies in MPI meanwhile. Of messages beyond so many bytes it does not: they travel in the longest pieces that MPI can count.
const LARGE: usize = 64 << 20;
const LONGEST_PIECE: usize = 1 << 30;

/// Before each message: group, number, and how many bytes follow.
const HEAD: usize = 24;

/// How many messages are begun before all of them have to be sent, and up to how many bytes another one is begun.
const SLOTS: usize = 64;
const AT_ONCE: usize = 16 << 20;

/// How many pieces are taken before the thread looks at what is to be sent.
const TAKEN: usize = 64;

/// What is said of a rank whose messages cannot be read.
const NO_MESSAGE: &str = "it has sent something that is no message: is it another release?";

/// How long the thread sleeps when there is nothing to do: at first, and at the most while the program waits for a message or computes. In the latter
/// case each look takes time from the computing, and what MPI and the system keep suffices for that long.
const SHORTEST: Duration = Duration::from_micros(2);
const LONGEST_WAITING: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_micros(500);

/// How long a rank that has failed waits for the others to hear of it.
const GRACE: Duration = Duration::from_secs(3);

/// What is to be sent: a message behind its head, or a last word.
#[derive(Debug, Default)]
struct Parcel {
    to: usize,
    kind: i32,
    bytes: Vec<u8>,
}

impl Parcel {
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let is_small = self.kind == DATA && self.bytes.len() <= LARGE;
        let size = if is_small { PIECE } else { LONGEST_PIECE };
        (0..self.bytes.len().div_ceil(size).max(1))
            .map(move |i| &self.bytes[i * size..self.bytes.len().min((i + 1) * size)])
    }
}

/// Where the program puts what is to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    parcels: Mutex<Sender<Parcel>>,
    /// How many threads of the program wait for a message.
    waiting: Arc<AtomicUsize>,
    rank: usize,
    size: usize,
    /// Whether this rank has said its last word.
    is_over: Mutex<bool>,
}

impl Outgoing {
    fn put(&self, parcel: Parcel) {
        // If the thread is gone, so is everybody who could read it.
        let _ = self.parcels.lock().unwrap_or_else(PoisonError::into_inner).send(parcel);
    }

    pub(crate) fn post(&self, to: usize, tag: Tag, message: &Message) {
        self.put(Parcel { to, kind: DATA, bytes: packed(tag, message) });
    }

    /// Lets the thread look for messages more often while the program waits for one.
    pub(crate) fn waiting<R>(&self, wait: impl FnOnce() -> R) -> R {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.put(Parcel { kind: WAITING, ..Parcel::default() });
        let result = wait();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        result
    }

    fn last(&self, kind: i32, word: &[u8]) {
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_over {
            *is_over = true;
            for to in (0..self.size).filter(|to| *to != self.rank) {
                self.put(Parcel { to, kind, bytes: word.to_vec() });
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

/// A message behind its head.
fn packed(tag: Tag, message: &Message) -> Vec<u8> {
    let mut bytes = vec![0; HEAD];
    message.append_to(&mut bytes);
    let length = (bytes.len() - HEAD) as u64;
    for (place, number) in bytes.chunks_exact_mut(8).zip([tag.group, tag.number, length]) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

/// The message that has arrived so far, if these are all of its bytes; or why they are none.
fn whole(bytes: &[u8]) -> Option<Result<(Tag, Message), String>> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Some(Err(NO_MESSAGE.into())) };
    let number = |at: usize| head[at..].first_chunk().map_or(0, |number| u64::from_le_bytes(*number));
    let tag = Tag { group: number(0), number: number(8) };
    match (rest.len() as u64).cmp(&number(16)) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Equal => {
            Some(Message::from_bytes(rest).map(|message| (tag, message)).map_err(|e| e.message()))
        }
        std::cmp::Ordering::Greater => Some(Err(NO_MESSAGE.into())),
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
        let (own, waiting) = (mailbox.clone(), Arc::<AtomicUsize>::default());
        let noticed = waiting.clone();
        let thread = std::thread::spawn(move || {
            let Some((universe, _)) = mpi::initialize_with_threading(Threading::Funneled) else { return };
            let world = universe.world();
            let place = (world.rank() as usize, world.size() as usize);
            if begun.send(place).is_err() {
                return;
            }
            let missing = Work::new(&world, own, noticed, to_send).run(&may_leave);
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
        let outgoing =
            Arc::new(Outgoing { parcels: Mutex::new(parcels), waiting, rank, size, is_over: Mutex::new(false) });
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
    waiting: Arc<AtomicUsize>,
    to_send: Receiver<Parcel>,
    /// The next to be sent, if it came while the thread slept.
    next: Option<Parcel>,
    /// What has arrived of each rank's next message: pieces keep their order.
    begun: Vec<Vec<u8>>,
    /// Which ranks have said their last word.
    over: Vec<bool>,
    pause: Duration,
    /// The program has come to its end: until when to wait for the others.
    until: Option<Instant>,
}

impl<'w> Work<'w> {
    fn new(
        world: &'w SimpleCommunicator,
        mailbox: Arc<Mailbox>,
        waiting: Arc<AtomicUsize>,
        to_send: Receiver<Parcel>,
    ) -> Self {
        let size = world.size() as usize;
        let mut over = vec![false; size];
        over[world.rank() as usize] = true;
        let begun = vec![Vec::new(); size];
        Self { world, mailbox, waiting, to_send, next: None, begun, over, pause: SHORTEST, until: None }
    }

    /// Carries messages until all is said. Returns who has not said its last word in time.
    fn run(&mut self, may_leave: &Receiver<Duration>) -> Vec<usize> {
        let mut slots: Vec<Parcel> = Vec::new();
        loop {
            // Before it looks at what is to be sent: the program's last word is there when its end is noticed.
            self.notice(may_leave);
            slots.clear();
            slots.resize_with(SLOTS, Parcel::default);
            let has_sent = scope(|scope| self.send(scope, &mut slots, may_leave));
            let has_received = self.receive();
            if let Some(until) = self.until {
                let missing: Vec<usize> = (0..self.over.len()).filter(|rank| !self.over[*rank]).collect();
                if !has_sent && self.next.is_none() && (missing.is_empty() || Instant::now() > until) {
                    return missing;
                }
            }
            self.rest(has_sent || has_received);
        }
    }

    fn notice(&mut self, may_leave: &Receiver<Duration>) {
        if let (None, Ok(timeout)) = (self.until, may_leave.try_recv()) {
            // What is beyond all time is not waited for to its end either.
            let now = Instant::now();
            self.until = now.checked_add(timeout).or_else(|| now.checked_add(Duration::from_secs(1 << 32)));
        }
    }

    /// Sends what there is, and what is put meanwhile as far as there are slots; receives meanwhile. Returns whether there was something.
    fn send<'a>(
        &mut self,
        scope: impl Scope<'a> + Copy,
        slots: &'a mut [Parcel],
        may_leave: &Receiver<Duration>,
    ) -> bool {
        let (mut free, mut bytes) = (slots.iter_mut(), 0);
        let mut open: VecDeque<Request<'a, [u8], _>> = VecDeque::new();
        let mut some = false;
        loop {
            let mut is_busy = false;
            while bytes < AT_ONCE && free.len() > 0 {
                let Some(parcel) = self.next.take().or_else(|| self.to_send.try_recv().ok()) else { break };
                is_busy = true;
                if parcel.kind == WAITING {
                    continue;
                }
                let Some(slot) = free.next() else { break };
                *slot = parcel;
                let (parcel, process): (&'a Parcel, _) = (slot, self.world.process_at_rank(slot.to as i32));
                let send = |piece| process.immediate_send_with_tag(scope, piece, parcel.kind);
                open.extend(parcel.pieces().map(send));
                bytes += parcel.bytes.len();
            }
            some |= is_busy;
            // In the order in which they were begun: what is sent before its turn waits for it.
            while let Some(first) = open.pop_front() {
                match first.test() {
                    Ok(_) => is_busy = true,
                    Err(first) => {
                        open.push_front(first);
                        break;
                    }
                }
            }
            if open.is_empty() {
                return some;
            }
            let has_received = self.receive();
            self.notice(may_leave);
            self.rest(is_busy || has_received);
        }
    }

    fn rest(&mut self, is_busy: bool) {
        if is_busy {
            self.pause = SHORTEST;
            std::thread::yield_now();
            return;
        }
        let longest = if self.waiting.load(Ordering::Relaxed) > 0 { LONGEST_WAITING } else { LONGEST };
        self.pause = (self.pause * 2).min(longest);
        if self.next.is_none() {
            match self.to_send.recv_timeout(self.pause) {
                Ok(parcel) => self.next = Some(parcel),
                Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(self.pause),
            }
        } else {
            std::thread::sleep(self.pause);
        }
    }

    /// Takes what has arrived.
    fn receive(&mut self) -> bool {
        for taken in 0..TAKEN {
            let Some((arrived, status)) = self.world.any_process().immediate_matched_probe() else { return taken > 0 };
            let (from, kind) = (status.source_rank() as usize, status.tag());
            let mut bytes = if kind == DATA { std::mem::take(&mut self.begun[from]) } else { Vec::new() };
            let at = bytes.len();
            bytes.resize(at + status.count(u8::equivalent_datatype()) as usize, 0);
            arrived.matched_receive_into(&mut bytes[at..]);
            match kind {
                FAILED => {
                    let (rank, reason) = failure(from, &bytes);
                    self.mailbox.fail(rank, &reason);
                    self.over[from] = true;
                }
                ENDED => {
                    self.mailbox.end(from);
                    self.over[from] = true;
                }
                _ => match whole(&bytes) {
                    Some(Ok((tag, message))) => self.mailbox.deliver(from, tag, message),
                    Some(Err(why)) => self.mailbox.fail(from, &why),
                    None => self.begun[from] = bytes,
                },
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use demotic::{Rng, Tensor};

    #[test]
    fn messages_of_several_pieces_come_together_again() -> Result<()> {
        let tag = Tag { group: 7, number: 1 << 60 };
        // Bytes of the elements, so that what travels ends before, at and behind the end of a piece.
        let room = PIECE - packed(tag, &Message { about: "some".into(), tensor: Tensor::zeros([0])? }).len();
        for n in [0, 1, room / 4 - 1, room / 4, room / 4 + 1, (room + PIECE) / 4, (room + PIECE) / 4 + 1, 100_000] {
            let message =
                Message { about: "some".into(), tensor: Tensor::normal([n], 0.0, 1.0, &mut Rng::seed(n as u64))? };
            let parcel = Parcel { to: 0, kind: DATA, bytes: packed(tag, &message) };
            let (mut arrived, mut done) = (Vec::new(), None);
            for piece in parcel.pieces() {
                assert!(done.is_none() && !piece.is_empty() && piece.len() <= PIECE);
                arrived.extend_from_slice(piece);
                done = whole(&arrived);
            }
            let Some(Ok((of, come))) = done else { panic!("{n} numbers are no message") };
            assert_eq!((of, come.to_bytes()), (tag, message.to_bytes()));
            arrived.push(0);
            assert!(matches!(whole(&arrived), Some(Err(e)) if e == NO_MESSAGE));
        }
        assert!(matches!(whole(&[1; 23]), Some(Err(e)) if e == NO_MESSAGE));
        assert!(matches!(whole(&[0; 24]), Some(Err(e)) if e == "receive: 0 bytes that are no message"));
        assert!(whole(&[255; 24]).is_none());
        // A last word is one piece, also one of no bytes.
        for word in [0, 3, 2 * PIECE] {
            let parcel = Parcel { to: 0, kind: ENDED, bytes: vec![1; word] };
            assert_eq!(parcel.pieces().map(<[u8]>::len).collect::<Vec<_>>(), [word]);
        }
        Ok(())
    }
}
