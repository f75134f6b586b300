//! Groups of processes for [demotic](https://docs.rs/demotic) over MPI: the same program on one machine and on many.
//!
//! MPI moves the bytes, and demotic decides which: the [`MpiGroup`] is a [`Group`], and whatever takes a group
//! ([`DataParallel`](demotic::distributed::DataParallel), [`Trainer::distributed`](demotic::train::Trainer::distributed)) takes it.
//!
//! ```no_run
//! use demotic::distributed::DataParallel;
//! use demotic::prelude::*;
//!
//! fn main() -> std::process::ExitCode {
//!     demotic_mpi::main(|group| {
//!         let mut rng = Rng::seed(0);
//!         let x = Tensor::normal([256, 8], 0.0, 1.0, &mut rng)?;
//!         let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
//!         let mut model = Linear::new(8, 1, &mut rng)?;
//!         let mut trainer = Trainer::new(losses::mse, Adam::new(0.01))
//!             .accumulate(4)
//!             .distributed(DataParallel::new(group));
//!         if group.rank() == 0 {
//!             trainer = trainer.progress();
//!         }
//!         trainer.fit(&mut model, &data, &mut rng)?;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! It is started by `mpirun -n 4 target/release/program`, or by `srun` in a Slurm job. `docs/distributed.md` of the repository says what has to be
//! installed, and what a job looks like.
//!
//! # How it works
//!
//! One thread of each process makes all calls of MPI, so that any MPI library does whose calls one thread may make. It takes messages that the program
//! posts, keeps many of them on their way at once, in pieces of less than 64 KiB (unless a message has more than 64 MiB), and puts those that arrive into a [`Mailbox`]; between two looks it sleeps,
//! for half a millisecond at most, and for less while the program waits for a message. So messages travel while the program computes, without the program calling anything.
//!
//! A rank that fails tells the others, and whatever they wait for becomes an error that names it. A rank whose process is gone is noticed by
//! `mpirun`, which says which one it was and ends the others; `srun` does so with `--kill-on-bad-exit`. One that is there and says nothing is named
//! when the [time-out](run_with) has passed.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod carrier;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use demotic::distributed::{Group, Mailbox, Message, Tag};
use demotic::{Error, ErrorKind, Result};

use carrier::{Carrier, Outgoing};

/// How long a rank waits for another if nothing else was said.
pub const TIMEOUT: Duration = Duration::from_secs(300);

/// All processes that `mpirun` has started, as one of them sees them.
#[derive(Debug, Clone)]
pub struct MpiGroup {
    rank: usize,
    size: usize,
    timeout: Duration,
    tickets: Arc<AtomicU64>,
    mailbox: Arc<Mailbox>,
    outgoing: Arc<Outgoing>,
}

/// Runs a program as one of the ranks that `mpirun` has started; without it, as the only one. One rank waits for another for
/// [five minutes](TIMEOUT) at most.
///
/// MPI begins and ends with it, so a process calls it once.
///
/// # Errors
/// The error of the program, which all other ranks are told; and if MPI cannot be used.
///
/// # Panics
/// If the program does, after the other ranks were told.
#[track_caller]
pub fn run<R>(program: impl FnOnce(&dyn Group) -> Result<R>) -> Result<R> {
    run_with(TIMEOUT, program)
}

/// The same with another time-out.
///
/// # Errors
/// As for [`run`]; and if the time-out is zero.
///
/// # Panics
/// If the program does.
#[track_caller]
pub fn run_with<R>(timeout: Duration, program: impl FnOnce(&dyn Group) -> Result<R>) -> Result<R> {
    ended(Ok(timeout), program, |_, _| ())
}

/// The whole of a program: [runs](run) it, and says on standard error which rank failed and why. The environment variable `DEMOTIC_TIMEOUT` is the
/// time-out in seconds, at least 1.
pub fn main(program: impl FnOnce(&dyn Group) -> Result<()>) -> ExitCode {
    let seconds = std::env::var("DEMOTIC_TIMEOUT").ok();
    let timeout = match seconds.as_deref().map(str::parse) {
        None => Ok(TIMEOUT),
        Some(Ok(seconds)) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        // What is wrong is said when MPI has begun: all ranks have to be told.
        Some(_) => Err(format!("`{}` in DEMOTIC_TIMEOUT", seconds.unwrap_or_default())),
    };
    // Before MPI ends: `mpirun` ends the others as soon as one of them has failed.
    match ended(timeout, program, report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says it in one piece, so that `mpirun`, which joins what all ranks print, puts nothing of another rank into the middle.
fn report(rank: usize, e: &Error) {
    // Nobody is left to be told that this does not work.
    let _ = std::io::stderr().write_all(format!("rank {rank}: {e}\n").as_bytes());
}

#[track_caller]
fn ended<R>(
    timeout: Result<Duration, String>,
    program: impl FnOnce(&dyn Group) -> Result<R>,
    on_error: impl Fn(usize, &Error),
) -> Result<R> {
    let carrier = Carrier::start()?;
    let wrong = match &timeout {
        Ok(timeout) if timeout.is_zero() => Some("0 s".to_string()),
        Ok(_) => None,
        Err(said) => Some(said.clone()),
    };
    let timeout = timeout.unwrap_or(TIMEOUT);
    let group = MpiGroup {
        rank: carrier.rank,
        size: carrier.size,
        timeout,
        tickets: Arc::default(),
        mailbox: carrier.mailbox.clone(),
        outgoing: carrier.outgoing.clone(),
    };
    let done = match wrong {
        Some(said) => {
            Ok(Err(Error::argument("run", format!("a time-out of {said}, expected a whole number of seconds above 0"))))
        }
        None => catch_unwind(AssertUnwindSafe(|| program(&group))),
    };
    match &done {
        Ok(Ok(_)) => group.outgoing.end(),
        Ok(Err(e)) => {
            on_error(group.rank, e);
            group.fail(&e.message());
        }
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().copied();
            let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            group.fail(&format!("it has panicked: {}", said.unwrap_or("it did not say why")));
        }
    }
    let ended = carrier.join(timeout);
    match done {
        Ok(Ok(result)) => match ended {
            Ok(()) => Ok(result),
            Err(e) => {
                on_error(group.rank, &e);
                Err(e)
            }
        },
        Ok(Err(e)) => Err(e),
        Err(panic) => resume_unwind(panic),
    }
}

impl Group for MpiGroup {
    fn rank(&self) -> usize {
        self.rank
    }
    fn size(&self) -> usize {
        self.size
    }
    fn timeout(&self) -> Duration {
        self.timeout
    }
    fn post(&self, to: usize, tag: Tag, message: Message) -> Result<()> {
        self.mailbox.check()?;
        if to == self.rank {
            self.mailbox.deliver(to, tag, message);
            return Ok(());
        }
        if to >= self.size {
            return Err(Error::new(ErrorKind::Index, "send", format!("rank {to} of a group of {}", self.size)));
        }
        self.outgoing.post(to, tag, &message);
        Ok(())
    }
    fn poll(&self, from: usize, tag: Tag) -> Result<Option<Message>> {
        self.mailbox.poll(from, tag)
    }
    fn wait(&self, from: usize, tag: Tag) -> Result<Message> {
        match self.mailbox.poll(from, tag)? {
            Some(message) => Ok(message),
            None => self.outgoing.waiting(|| self.mailbox.wait(from, tag, self.timeout)),
        }
    }
    fn fail(&self, reason: &str) {
        match self.mailbox.failure() {
            Some((rank, first)) => self.outgoing.fail(rank, &first),
            None => self.outgoing.fail(self.rank, reason),
        }
    }
    fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }
    fn handle(&self) -> Arc<dyn Group> {
        Arc::new(self.clone())
    }
}
