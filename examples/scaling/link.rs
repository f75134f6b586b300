//! Processes that are joined by sockets: a group for measuring what a network does to a step.
//!
//! It is as little as a group can be. Programs that are to finish take `demotic-mpi`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use demotic::distributed::{Group, Mailbox, Message, Tag};
use demotic::{Error, Result};

/// How long one waits for another.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Inside {
    rank: usize,
    mailbox: Mailbox,
    /// To each rank but this one, what its writer is to send.
    others: Vec<Option<Mutex<mpsc::Sender<Vec<u8>>>>>,
    tickets: AtomicU64,
}

/// A process of the group.
#[derive(Debug, Clone)]
pub(crate) struct Link(Arc<Inside>);

fn failed(e: std::io::Error) -> Error {
    Error::state("link", format!("a socket: {e}"))
}

impl Link {
    /// Joins the processes at these addresses, of which this is number `rank`. What arrives counts after `delay`.
    pub(crate) fn join(rank: usize, addresses: &[SocketAddr], delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind(addresses[rank]).map_err(failed)?;
        let mut streams: Vec<Option<TcpStream>> = addresses.iter().map(|_| None).collect();
        for (other, address) in addresses.iter().enumerate().take(rank) {
            let begun = Instant::now();
            let mut stream = loop {
                match TcpStream::connect(address) {
                    Ok(stream) => break stream,
                    Err(e) if begun.elapsed() > TIMEOUT => return Err(failed(e)),
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            };
            stream.write_all(&[rank as u8]).map_err(failed)?;
            streams[other] = Some(stream);
        }
        for _ in rank + 1..addresses.len() {
            let (mut stream, _) = listener.accept().map_err(failed)?;
            let mut who = [0];
            stream.read_exact(&mut who).map_err(failed)?;
            streams[usize::from(who[0])] = Some(stream);
        }
        let mut others = Vec::new();
        let mut readers = Vec::new();
        for stream in streams {
            let Some(stream) = stream else {
                others.push(None);
                readers.push(None);
                continue;
            };
            stream.set_nodelay(true).map_err(failed)?;
            readers.push(Some(stream.try_clone().map_err(failed)?));
            let (sender, queue) = mpsc::channel::<Vec<u8>>();
            let mut stream = stream;
            std::thread::spawn(move || queue.iter().try_for_each(|bytes| stream.write_all(&bytes)));
            others.push(Some(Mutex::new(sender)));
        }
        let inside = Arc::new(Inside { rank, mailbox: Mailbox::new(), others, tickets: AtomicU64::new(0) });
        for (from, stream) in readers.into_iter().enumerate() {
            let Some(mut stream) = stream else { continue };
            let (sender, queue) = mpsc::channel::<(Instant, Tag, Vec<u8>)>();
            std::thread::spawn(move || {
                let mut header = [0; 24];
                while stream.read_exact(&mut header).is_ok() {
                    let word = |i: usize| u64::from_le_bytes(std::array::from_fn(|byte| header[i * 8 + byte]));
                    let mut bytes = vec![0; word(2) as usize];
                    let tag = Tag { group: word(0), number: word(1) };
                    if stream.read_exact(&mut bytes).is_err() || sender.send((Instant::now(), tag, bytes)).is_err() {
                        break;
                    }
                }
            });
            let inside = inside.clone();
            std::thread::spawn(move || {
                for (arrived, tag, bytes) in queue {
                    std::thread::sleep(delay.saturating_sub(arrived.elapsed()));
                    match Message::from_bytes(&bytes) {
                        Ok(message) => inside.mailbox.deliver(from, tag, message),
                        Err(e) => inside.mailbox.fail(from, &e.message()),
                    }
                }
                inside.mailbox.end(from);
            });
        }
        Ok(Self(inside))
    }
}

impl Group for Link {
    fn rank(&self) -> usize {
        self.0.rank
    }
    fn size(&self) -> usize {
        self.0.others.len()
    }
    fn timeout(&self) -> Duration {
        TIMEOUT
    }
    fn post(&self, to: usize, tag: Tag, message: Message) -> Result<()> {
        let message = message.to_bytes();
        let mut bytes = Vec::with_capacity(24 + message.len());
        for word in [tag.group, tag.number, message.len() as u64] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&message);
        let Some(Some(other)) = self.0.others.get(to) else {
            return Err(Error::index("link", format!("no other rank {to}")));
        };
        let other = other.lock().unwrap_or_else(PoisonError::into_inner);
        other.send(bytes).map_err(|_| Error::state("link", format!("rank {to} has ended")))
    }
    fn poll(&self, from: usize, tag: Tag) -> Result<Option<Message>> {
        self.0.mailbox.poll(from, tag)
    }
    fn wait(&self, from: usize, tag: Tag) -> Result<Message> {
        self.0.mailbox.wait(from, tag, TIMEOUT)
    }
    /// The others notice when the program ends.
    fn fail(&self, _: &str) {}
    fn ticket(&self) -> u64 {
        self.0.tickets.fetch_add(1, Ordering::Relaxed)
    }
    fn handle(&self) -> Arc<dyn Group> {
        Arc::new(self.clone())
    }
}
