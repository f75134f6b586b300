//! The progress bar of the [`Trainer`](super::Trainer). Shown on terminals only.

use super::history::{Epoch, StepReport};

#[cfg(feature = "progress")]
mod bar {
    use std::time::{Duration, Instant};

    use indicatif::{ProgressBar, ProgressStyle};

    /// How often the text beside the bar changes at the most.
    const INTERVAL: Duration = Duration::from_millis(100);

    /// A bar over the steps of a run.
    pub(super) struct Bar {
        bar: ProgressBar,
        start: Instant,
        shown: Instant,
        /// Examples or tokens so far.
        done: u64,
        /// What the last evaluation said.
        evaluation: String,
    }

    impl Bar {
        pub(super) fn new(steps: u64, first: u64) -> Self {
            // Without an end, there is nothing to fill.
            let (len, template) = match steps {
                u64::MAX => (None, "{spinner} step {pos}  {msg}  {elapsed}"),
                steps => (Some(steps), "{bar:30} step {pos}/{len}  {msg}  {elapsed} (+{eta})"),
            };
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = len.map_or_else(ProgressBar::no_length, ProgressBar::new).with_style(style).with_position(first);
            let now = Instant::now();
            Self { bar, start: now, shown: now, done: 0, evaluation: String::new() }
        }

        pub(super) fn step(&mut self, report: &super::StepReport, done: u64, unit: &str) {
            self.bar.inc(1);
            self.done += done;
            let now = Instant::now();
            if now - self.shown >= INTERVAL {
                self.shown = now;
                let rate = self.done as f64 / (now - self.start).as_secs_f64();
                let (epoch, loss, evaluation) = (report.epoch, report.mean_loss, &self.evaluation);
                self.bar.set_message(format!("epoch {epoch}, loss {loss:.4}{evaluation}, {rate:.0} {unit}/s"));
            }
        }

        pub(super) fn evaluated(&mut self, record: &super::Epoch) {
            self.evaluation = record.validation_loss.map_or_else(String::new, |loss| format!(", validation {loss:.4}"));
            self.bar.set_message(format!("epoch {}, {record}", record.epoch));
        }

        pub(super) fn suspend<T>(&self, f: impl FnOnce() -> T) -> T {
            self.bar.suspend(f)
        }
    }

    impl Drop for Bar {
        fn drop(&mut self) {
            self.bar.abandon();
        }
    }
}

/// Without the feature there is nothing to show.
#[cfg(not(feature = "progress"))]
mod bar {
    pub(super) struct Bar;

    impl Bar {
        pub(super) fn new(_: u64, _: u64) -> Self {
            Self
        }
        pub(super) fn step(&mut self, _: &super::StepReport, _: u64, _: &str) {}
        pub(super) fn evaluated(&mut self, _: &super::Epoch) {}
        pub(super) fn suspend<T>(&self, f: impl FnOnce() -> T) -> T {
            f()
        }
    }
}

pub(super) struct Progress(Option<bar::Bar>);

impl Progress {
    /// A bar over `steps` steps of which some are done, or none.
    pub(super) fn new(show: bool, steps: u64, first: u64) -> Self {
        Self(show.then(|| bar::Bar::new(steps, first)))
    }

    /// After a step, with the number of examples or tokens that it was made on.
    pub(super) fn step(&mut self, report: &StepReport, done: u64, are_tokens: bool) {
        if let Some(bar) = &mut self.0 {
            bar.step(report, done, if are_tokens { "tokens" } else { "examples" });
        }
    }

    /// After an evaluation.
    pub(super) fn evaluated(&mut self, record: &Epoch) {
        if let Some(bar) = &mut self.0 {
            bar.evaluated(record);
        }
    }

    /// Runs a function that may print, without the bar in its way.
    pub(super) fn suspend<T>(&self, f: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(f),
            None => f(),
        }
    }
}
