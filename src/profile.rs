//! Where the time goes, by operation and by layer.
//!
//! ```
//! use demotic::{profile, Tensor};
//!
//! let x = Tensor::ones([64, 64])?;
//! let report = profile::record(|| x.exp());
//! assert!(report.to_string().contains("exp"));
//! # Ok::<(), demotic::Error>(())
//! ```
//!
//! Times are exclusive of nothing: an operation that is made of others is counted once, under the name of the
//! outermost. Operations run by the backward pass carry the name of the operation they belong to, with
//! `.backward` behind it.
//!
//! Layers that are called by their names are counted too, with everything in them: [`Report::layers`].

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::order::ByName;

/// How many [`record`] calls are under way in the whole process: the one thing an unprofiled operation looks at.
static ACTIVE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Recorder {
    open: bool,
    report: Report,
}

/// What [`record`] measured: for each operation, how often it ran and how long that took in all.
#[derive(Debug, Clone, Default)]
pub struct Report {
    rows: ByName<(usize, Duration)>,
    layers: ByName<(usize, Duration)>,
    total: Duration,
}

impl Report {
    /// Name, number of calls and total time of each operation, slowest first.
    #[must_use]
    pub fn rows(&self) -> Vec<(&str, usize, Duration)> {
        slowest_first(&self.rows)
    }

    /// Path, number of calls and total time of each layer, slowest first. A layer's time is that of its forward passes,
    /// with the layers in it.
    #[must_use]
    pub fn layers(&self) -> Vec<(&str, usize, Duration)> {
        slowest_first(&self.layers)
    }

    /// The whole time between start and end, whatever it was spent on.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }
}

fn slowest_first(rows: &ByName<(usize, Duration)>) -> Vec<(&str, usize, Duration)> {
    let mut rows: Vec<_> = rows.iter().map(|(name, (n, time))| (name.as_str(), *n, *time)).collect();
    crate::order::sort_by(&mut rows, |a, b| b.2.cmp(&a.2));
    rows
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total.as_secs_f64().max(1e-12);
        writeln!(f, "{:<32} {:>9} {:>12} {:>7}", "operation", "calls", "µs", "%")?;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, calls: usize, time: f64| {
            writeln!(f, "{name:<32} {calls:>9} {:>12.1} {:>7.1}", time * 1e6, 100.0 * time / total)
        };
        let mut counted = 0.0;
        for (name, calls, time) in self.rows() {
            counted += time.as_secs_f64();
            line(f, name, calls, time.as_secs_f64())?;
        }
        line(f, "(everything else)", 1, (total - counted).max(0.0))?;
        for (i, (path, calls, time)) in self.layers().into_iter().enumerate() {
            if i == 0 {
                writeln!(f, "\n{:<32} {:>9} {:>12} {:>7}", "layer, forward", "calls", "µs", "%")?;
            }
            line(f, path, calls, time.as_secs_f64())?;
        }
        Ok(())
    }
}

/// Runs `f` and measures the operations that it starts on this thread.
pub fn record<R>(f: impl FnOnce() -> R) -> Report {
    struct Stop(Option<Recorder>);
    impl Drop for Stop {
        fn drop(&mut self) {
            ACTIVE.fetch_sub(1, Ordering::Relaxed);
            let outer = self.0.take();
            RECORDER.with(|r| *r.borrow_mut() = outer);
        }
    }
    ACTIVE.fetch_add(1, Ordering::Relaxed);
    let _stop = Stop(RECORDER.with(|r| r.borrow_mut().replace(Recorder::default())));
    let start = Instant::now();
    f();
    let total = start.elapsed();
    let mut report =
        RECORDER.with(|r| r.borrow_mut().as_mut().map(|r| std::mem::take(&mut r.report))).unwrap_or_default();
    report.total = total;
    report
}

/// Counts the time until the returned guard is dropped for `name`, if a recording is under way and no
/// enclosing operation counts it already.
#[inline]
pub(crate) fn op(name: &'static str) -> Option<Timer> {
    if ACTIVE.load(Ordering::Relaxed) == 0 { None } else { Timer::start(name, "") }
}

/// The same for the gradient of an operation.
#[inline]
pub(crate) fn backward(name: &'static str) -> Option<Timer> {
    if ACTIVE.load(Ordering::Relaxed) == 0 { None } else { Timer::start(name, ".backward") }
}

/// Whether operations and layers of this thread are being recorded.
#[inline]
pub(crate) fn is_recording() -> bool {
    ACTIVE.load(Ordering::Relaxed) != 0 && RECORDER.with(|r| r.borrow().is_some())
}

/// Counts the time until the returned guard is dropped for the layer at `path`, if a recording is under way.
pub(crate) fn layer(path: &str) -> Option<LayerTimer> {
    is_recording().then(|| LayerTimer { path: path.to_string(), start: Instant::now() })
}

pub(crate) struct LayerTimer {
    path: String,
    start: Instant,
}

impl Drop for LayerTimer {
    fn drop(&mut self) {
        let time = self.start.elapsed();
        RECORDER.with(|r| {
            if let Some(recorder) = r.borrow_mut().as_mut() {
                let row = recorder.report.layers.get_or(std::mem::take(&mut self.path), Default::default());
                row.0 += 1;
                row.1 += time;
            }
        });
    }
}

pub(crate) struct Timer {
    name: &'static str,
    suffix: &'static str,
    start: Instant,
}

impl Timer {
    fn start(name: &'static str, suffix: &'static str) -> Option<Self> {
        RECORDER.with(|r| {
            let mut r = r.borrow_mut();
            let recorder = r.as_mut().filter(|r| !r.open)?;
            recorder.open = true;
            Some(Self { name, suffix, start: Instant::now() })
        })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let time = self.start.elapsed();
        RECORDER.with(|r| {
            if let Some(recorder) = r.borrow_mut().as_mut() {
                recorder.open = false;
                let row = recorder.report.rows.get_or(format!("{}{}", self.name, self.suffix), Default::default());
                row.0 += 1;
                row.1 += time;
            }
        });
    }
}
