//! Progress as a callback: a bar on a terminal, lines anywhere else.

use std::time::Instant;

use super::{Callback, Context, Plan};
use crate::error::Result;
use crate::train::history::{Ended, Epoch, Number, StepReport};

#[cfg(feature = "progress")]
mod bar {
    use std::time::{Duration, Instant};

    use indicatif::{ProgressBar, ProgressStyle};

    /// How often the text beside the bar changes at the most.
    const INTERVAL: Duration = Duration::from_millis(100);

    /// A bar over the steps of a run.
    pub(in super::super) struct Bar {
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
            self.done = self.done.saturating_add(done);
            let now = Instant::now();
            if now - self.shown >= INTERVAL {
                self.shown = now;
                let rate = self.done as f64 / (now - self.start).as_secs_f64();
                let (epoch, loss, evaluation) = (report.epoch, super::Number(report.mean_loss), &self.evaluation);
                self.bar.set_message(format!("epoch {epoch}, loss {loss}{evaluation}, {rate:.0} {unit}/s"));
            }
        }

        pub(super) fn evaluated(&mut self, record: &super::Epoch) {
            self.evaluation = super::Measures(record).to_string();
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

/// Without the feature there is no bar, and all output is lines.
#[cfg(not(feature = "progress"))]
mod bar {
    pub(in super::super) enum Bar {}

    impl Bar {
        pub(super) fn step(&mut self, _: &super::StepReport, _: u64, _: &str) {}
        pub(super) fn evaluated(&mut self, _: &super::Epoch) {}
        pub(super) fn suspend<T>(&self, f: impl FnOnce() -> T) -> T {
            f()
        }
    }
}

/// Lines on standard error.
pub(super) struct Lines {
    plan: Plan,
    start: Instant,
    /// Losses of the steps since the last line, and how many there were.
    losses: f64,
    steps: u64,
    /// Examples or tokens so far.
    done: u64,
}

/// Lines of a run, if nothing else says how many.
const LINES: u64 = 20;
/// Lines of epochs at the most.
const EPOCHS: usize = 100;

impl Lines {
    fn step(&mut self, report: &StepReport, done: u64, unit: &str) {
        self.losses += report.loss;
        self.steps += 1;
        self.done = self.done.saturating_add(done);
        // A round number of steps for each line.
        let every = match self.plan.steps {
            u64::MAX => 100,
            steps => steps.div_ceil(LINES),
        };
        let is_last = report.step == self.plan.steps;
        if self.plan.by_steps && !self.plan.evaluates_steps && (report.step.is_multiple_of(every) || is_last) {
            let loss = self.mean();
            self.line(report.step, &loss, Some(unit));
        }
    }

    /// `loss 0.1234 (mean of 50 steps)`, which begins the next mean.
    fn mean(&mut self) -> String {
        let (losses, steps) = (std::mem::take(&mut self.losses), std::mem::take(&mut self.steps));
        format!("loss {} (mean of {steps} steps)", Number(losses / steps.max(1) as f64))
    }

    fn line(&self, step: u64, what: &str, unit: Option<&str>) {
        let seconds = self.start.elapsed().as_secs_f64();
        let rate = unit.map_or_else(String::new, |unit| format!(", {:.0} {unit}/s", self.done as f64 / seconds));
        let count = match self.plan.steps {
            u64::MAX => format!("step {step}"),
            steps => format!("step {step:>width$}/{steps}", width = steps.to_string().len()),
        };
        eprintln!("{count}: {what} [{seconds:.1} s{rate}]");
    }

    fn evaluated(&mut self, record: &Epoch) {
        let loss = self.mean();
        self.line(record.step, &format!("{loss}{}", Measures(record)), None);
    }

    fn epoch(&mut self, record: &Epoch) {
        let epochs = self.plan.epochs;
        if self.plan.by_steps {
            // Steps speak for themselves, unless only the ends of epochs are measured.
            if !self.plan.evaluates_steps && (record.validation_loss.is_some() || !record.metrics.is_empty()) {
                self.line(record.step, &format!("end of epoch {}{}", record.epoch, Measures(record)), None);
            }
            return;
        }
        // Without an end, all of them: nobody knows how many there will be.
        let interval = if epochs == usize::MAX { 1 } else { epochs.div_ceil(EPOCHS) };
        if record.epoch == 1 || record.epoch == epochs || record.epoch.is_multiple_of(interval) {
            let (epoch, width) = (record.epoch, epochs.to_string().len());
            let count = match epochs {
                usize::MAX => format!("epoch {epoch}"),
                _ => format!("epoch {epoch:>width$}/{epochs}"),
            };
            eprintln!("{count}: {record} [{:.1} s]", record.seconds);
        }
    }
}

/// What was measured, besides the training loss, each with a comma before it.
struct Measures<'a>(&'a Epoch);

impl std::fmt::Display for Measures<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(loss) = self.0.validation_loss {
            write!(f, ", validation {}", Number(loss))?;
        }
        self.0.metrics.iter().try_for_each(|(name, value)| write!(f, ", {name} {}", Number(*value)))
    }
}

/// Whoever says how far the run is. The run itself has it, so that it is silent when the run ends, however it does.
pub(super) enum Speaker {
    // Without the feature it is never made.
    #[cfg_attr(not(feature = "progress"), expect(dead_code))]
    Bar(bar::Bar),
    Lines(Lines),
    #[cfg(feature = "tui")]
    Dashboard(Box<super::dashboard::Dashboard>),
}

impl Speaker {
    /// A bar over the steps of a plan of which the first `first` are done, or lines.
    fn new(plan: Plan, first: u64) -> Self {
        #[cfg(feature = "progress")]
        if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            return Self::Bar(bar::Bar::new(plan.steps, first));
        }
        let _ = first;
        Self::Lines(Lines { plan, start: Instant::now(), losses: 0.0, steps: 0, done: 0 })
    }

    /// Whether someone asks for the end.
    fn step(&mut self, report: &StepReport) -> bool {
        let (done, unit) = match report.tokens {
            Some(tokens) => (tokens, "tokens"),
            None => (report.examples, "examples"),
        };
        match self {
            Self::Bar(bar) => bar.step(report, done, unit),
            Self::Lines(lines) => lines.step(report, done, unit),
            #[cfg(feature = "tui")]
            Self::Dashboard(dashboard) => return dashboard.step(report, done, unit),
        }
        false
    }

    /// The model was measured, at the end of an epoch or after some steps.
    fn measured(&mut self, record: &Epoch, is_epoch_end: bool) {
        match self {
            Self::Bar(bar) => bar.evaluated(record),
            Self::Lines(lines) if is_epoch_end => lines.epoch(record),
            Self::Lines(lines) => lines.evaluated(record),
            #[cfg(feature = "tui")]
            Self::Dashboard(dashboard) => dashboard.measured(record),
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        match self {
            #[cfg(feature = "tui")]
            Self::Dashboard(dashboard) => dashboard.say(text),
            other => other.suspended(|| eprintln!("{text}")),
        }
    }

    /// Runs a function that may print, without the bar in its way.
    pub(super) fn suspended<T>(&self, f: impl FnOnce() -> T) -> T {
        match self {
            Self::Bar(bar) => bar.suspend(f),
            Self::Lines(_) => f(),
            #[cfg(feature = "tui")]
            Self::Dashboard(dashboard) => dashboard.suspended(f),
        }
    }
}

/// Says on standard error how far a run is: with a bar, if that is a terminal and the feature `progress` is on, and otherwise
/// with a line for each epoch. A run that is counted in steps has a line for each
/// [measurement](crate::train::Trainer::evaluate_every), or, without these, twenty lines in all. Of more than a hundred epochs not
/// every one has a line.
#[cfg_attr(feature = "tui", doc = "\n\nA [`dashboard`](Self::dashboard) takes the whole terminal.")]
#[derive(Debug, Clone, Default)]
pub struct Progress {
    #[cfg(feature = "tui")]
    dashboard: bool,
}

impl Progress {
    /// Progress of whatever run it is added to.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A dashboard in the terminal, with curves of losses and metrics, rate, memory and the last messages. `q` or Ctrl-C ends the run after the
    /// present step, a second Ctrl-C the program at once. Where there is no terminal, there are lines.
    #[cfg(feature = "tui")]
    #[must_use]
    pub fn dashboard(mut self) -> Self {
        self.dashboard = true;
        self
    }

    fn speaker(&self, plan: Plan, first: u64) -> Speaker {
        #[cfg(feature = "tui")]
        if self.dashboard
            && let Some(dashboard) = super::dashboard::Dashboard::open(plan, first)
        {
            return Speaker::Dashboard(Box::new(dashboard));
        }
        Speaker::new(plan, first)
    }
}

impl Callback for Progress {
    fn fit_begin(&mut self, run: &mut Context<'_>) -> Result<()> {
        run.run.speaker = Some(self.speaker(run.run.plan, run.run.step));
        Ok(())
    }

    fn step(&mut self, run: &mut Context<'_>, report: &StepReport) -> Result<()> {
        if run.run.speaker.as_mut().is_some_and(|speaker| speaker.step(report)) {
            run.run.asked = true;
        }
        Ok(())
    }

    fn validation(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        // The end of the epoch says it.
        if let (Some(speaker), false) = (&mut run.run.speaker, run.run.is_epoch_end) {
            speaker.measured(record, false);
        }
        Ok(())
    }

    fn epoch_end(&mut self, run: &mut Context<'_>, record: &Epoch) -> Result<()> {
        if let Some(speaker) = &mut run.run.speaker {
            speaker.measured(record, true);
        }
        Ok(())
    }

    fn fit_end(&mut self, run: &mut Context<'_>) -> Result<()> {
        if run.history().ended == Ended::Interrupted {
            let resume = match &run.run.saved {
                Some(path) => format!("; resume(\"{}\") goes on from there", path.display()),
                None => String::new(),
            };
            run.suspended(|| eprintln!("interrupted after step {}{resume}", run.steps()));
        }
        #[cfg(feature = "tui")]
        if let Some(Speaker::Dashboard(_)) = run.run.speaker {
            // What is left of it on the screen.
            run.run.speaker = None;
            eprintln!("{}", run.history().summary());
            return Ok(());
        }
        run.run.speaker = None;
        Ok(())
    }
}
