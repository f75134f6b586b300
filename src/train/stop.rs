//! Ending a run from outside: by a handle, or by Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the runs of the [`Trainer`](super::Trainer)s that have a clone of it: from another thread, from a window's button, or from a
/// signal handler of the program's own.
///
/// A run ends after the step that it is at, with a [checkpoint](super::Trainer::checkpoints) if it has a folder for them, and
/// [`Ended::Interrupted`](super::Ended::Interrupted). A handle that has stopped once stays so.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::{Ended, StopHandle};
///
/// let mut rng = Rng::seed(0);
/// let data = TensorDataset::new(Tensor::ones([8, 1])?, Tensor::ones([8, 1])?)?;
/// let stop = StopHandle::new();
/// let button = stop.clone();
/// let history = Trainer::new(losses::mse, Adam::new(0.01))
///     .max_steps(1_000_000)
///     .stop_handle(stop)
///     .every(10, move |_, _: &Linear| {
///         // Someone has seen enough.
///         button.stop();
///         Ok(std::ops::ControlFlow::Continue(()))
///     })
///     .fit(&mut Linear::new(1, 1, &mut rng)?, &data, &mut rng)?;
/// assert_eq!((history.ended, history.steps), (Ended::Interrupted, 10));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct StopHandle(Arc<AtomicBool>);

impl StopHandle {
    /// A handle that has not stopped anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the runs to end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// While one of these exists, the first Ctrl-C asks the runs to end, and the second one ends the process as usual.
pub(super) struct CtrlC(());

#[cfg(all(unix, feature = "interrupt"))]
mod signal {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, OnceLock, PoisonError};

    use signal_hook::consts::SIGINT;
    use signal_hook::flag;

    /// Whether Ctrl-C does what it does without us. A handler cannot be taken away again, so this has to be right at all times.
    static USUAL: AtomicBool = AtomicBool::new(true);
    static ASKED: AtomicBool = AtomicBool::new(false);
    /// The number of runs that heed it.
    static RUNS: Mutex<usize> = Mutex::new(0);

    /// Installs the handler, once for the process; `false` if the program has one of its own, or ignores the signal, as in the
    /// background of a shell or under `nohup`.
    fn install() -> bool {
        static INSTALLED: OnceLock<bool> = OnceLock::new();
        *INSTALLED.get_or_init(|| {
            // In this order: the first signal finds `USUAL` false and sets it for the second one.
            is_default()
                && flag::register_conditional_default(SIGINT, &USUAL).is_ok()
                && flag::register(SIGINT, &ASKED).is_ok()
                && flag::register(SIGINT, &USUAL).is_ok()
        })
    }

    /// Whether nobody handles or ignores the signal, as far as the system tells.
    fn is_default() -> bool {
        let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
        let taken = |line: &str| {
            let mask = line.strip_prefix("SigIgn:").or_else(|| line.strip_prefix("SigCgt:"))?;
            u64::from_str_radix(mask.trim(), 16).ok().map(|mask| mask >> (SIGINT - 1) & 1 == 1)
        };
        !status.lines().filter_map(taken).any(|taken| taken)
    }

    pub(super) fn begin() {
        let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
        *runs += 1;
        if install() && *runs == 1 {
            ASKED.store(false, Ordering::SeqCst);
            USUAL.store(false, Ordering::SeqCst);
        }
    }

    pub(super) fn end() {
        let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
        *runs -= 1;
        if *runs == 0 {
            USUAL.store(true, Ordering::SeqCst);
        }
    }

    pub(super) fn is_asked() -> bool {
        ASKED.load(Ordering::SeqCst)
    }
}

/// Where there are no such signals, or none are wanted.
#[cfg(not(all(unix, feature = "interrupt")))]
mod signal {
    pub(super) fn begin() {}
    pub(super) fn end() {}
    pub(super) fn is_asked() -> bool {
        false
    }
}

impl CtrlC {
    pub(super) fn heed() -> Self {
        signal::begin();
        Self(())
    }

    /// Whether it was pressed since.
    pub(super) fn is_pressed(&self) -> bool {
        signal::is_asked()
    }
}

impl Drop for CtrlC {
    fn drop(&mut self) {
        signal::end();
    }
}
