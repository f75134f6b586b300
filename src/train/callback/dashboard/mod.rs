//! A dashboard in the terminal (feature `tui`): what a run says of itself, and how it is drawn.

mod curve;
mod draw;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Stderr, stderr};
use std::time::{Duration, Instant};

use curve::Curve;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

use super::Plan;
use crate::memory;
use crate::train::history::{Epoch, StepReport};

/// How often it is drawn, and keys are looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// How many messages are kept.
const MESSAGES: usize = 100;

/// How many metrics have curves of their own.
const METRICS: usize = 4;

/// What is shown.
struct View {
    plan: Plan,
    epoch: usize,
    step: u64,
    /// Where this run has begun, if it was resumed.
    first: u64,
    learning_rate: f64,
    training: Curve,
    validation: Curve,
    metrics: Vec<(String, Curve)>,
    /// Examples or tokens so far.
    done: u64,
    unit: &'static str,
    elapsed: f64,
    memory: (usize, usize),
    messages: VecDeque<String>,
    /// Whether someone has asked for the end.
    is_ending: bool,
}

impl View {
    fn new(plan: Plan, first: u64) -> Self {
        Self {
            plan,
            epoch: 1,
            step: first,
            first,
            learning_rate: f64::NAN,
            training: Curve::default(),
            validation: Curve::default(),
            metrics: Vec::new(),
            done: 0,
            unit: "examples",
            elapsed: 0.0,
            memory: (0, 0),
            messages: VecDeque::new(),
            is_ending: false,
        }
    }

    fn step(&mut self, report: &StepReport, done: u64, unit: &'static str) {
        (self.epoch, self.step, self.learning_rate) = (report.epoch, report.step, report.learning_rate);
        self.training.add(report.step as f64, report.loss);
        self.done = self.done.saturating_add(done);
        self.unit = unit;
    }

    fn measured(&mut self, record: &Epoch) {
        let at = record.step as f64;
        if let Some(loss) = record.validation_loss {
            self.validation.add(at, loss);
        }
        for (name, value) in &record.metrics {
            let count = self.metrics.len();
            match self.metrics.iter_mut().find(|(own, _)| own == name) {
                Some((_, curve)) => curve.add(at, *value),
                None if count < METRICS => {
                    let mut curve = Curve::default();
                    curve.add(at, *value);
                    self.metrics.push((name.clone(), curve));
                }
                None => (),
            }
        }
        self.say(&format!("epoch {}, step {}: {record}", record.epoch, record.step));
    }

    fn say(&mut self, text: &str) {
        for line in text.lines() {
            self.messages.push_back(line.to_string());
        }
        while self.messages.len() > MESSAGES {
            self.messages.pop_front();
        }
    }
}

/// The terminal while it is the dashboard's: given back when this is dropped, however the run ends.
struct Screen(Terminal<CrosstermBackend<Stderr>>);

impl Screen {
    fn open() -> io::Result<Self> {
        enter()?;
        match Terminal::new(CrosstermBackend::new(stderr())) {
            Ok(terminal) => Ok(Self(terminal)),
            Err(e) => {
                leave();
                Err(e)
            }
        }
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stderr(), EnterAlternateScreen).inspect_err(|_| leave())
}

fn leave() {
    // Nothing more can be done about a terminal that does not answer.
    let _ = execute!(stderr(), LeaveAlternateScreen);
    let _ = disable_raw_mode();
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Nothing,
    End,
    EndAtOnce,
}

impl Wish {
    /// In raw mode, Ctrl-C is a key like others: the first one asks for the end, the second one does not wait for it.
    fn of(key: &KeyEvent, is_ending: bool) -> Self {
        let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            _ if key.kind == KeyEventKind::Release => Self::Nothing,
            _ if is_interrupt && is_ending => Self::EndAtOnce,
            KeyCode::Char('q' | 'Q') => Self::End,
            _ if is_interrupt => Self::End,
            _ => Self::Nothing,
        }
    }
}

/// A dashboard on the terminal of standard error.
pub(super) struct Dashboard {
    view: View,
    screen: Option<Screen>,
    /// Whether others have written to the terminal, so that what was drawn is not there any more.
    is_stale: Cell<bool>,
    start: Instant,
    drawn: Instant,
}

impl Dashboard {
    /// `None` where there is no terminal to draw on.
    pub(super) fn open(plan: Plan, first: u64) -> Option<Self> {
        if !io::IsTerminal::is_terminal(&stderr()) {
            return None;
        }
        let screen = Screen::open().ok()?;
        let now = Instant::now();
        let view = View::new(plan, first);
        let mut dashboard = Self { view, screen: Some(screen), is_stale: Cell::new(false), start: now, drawn: now };
        dashboard.draw();
        Some(dashboard)
    }

    /// Whether someone asks for the end.
    pub(super) fn step(&mut self, report: &StepReport, done: u64, unit: &'static str) -> bool {
        self.view.step(report, done, unit);
        if self.drawn.elapsed() < INTERVAL {
            return false;
        }
        let asked = self.keys();
        self.draw();
        asked
    }

    pub(super) fn measured(&mut self, record: &Epoch) {
        self.view.measured(record);
        self.draw();
    }

    pub(super) fn say(&mut self, text: &str) {
        self.view.say(text);
        self.draw();
    }

    /// Runs a function that prints, on the terminal as it was before; the dashboard comes back behind it.
    pub(super) fn suspended<T>(&self, f: impl FnOnce() -> T) -> T {
        if self.screen.is_some() {
            leave();
        }
        let result = f();
        if self.screen.is_some() {
            // Where it cannot come back, its drawing does no harm.
            let _ = enter();
            self.is_stale.set(true);
        }
        result
    }

    fn keys(&mut self) -> bool {
        let mut asked = false;
        // As many as there are, and no more: without a terminal to ask there are none.
        while event::poll(Duration::ZERO).unwrap_or(false) {
            let Ok(event) = event::read() else { break };
            let Event::Key(key) = event else { continue };
            match Wish::of(&key, self.view.is_ending) {
                Wish::Nothing => (),
                Wish::End => {
                    asked = true;
                    self.view.is_ending = true;
                    self.view.say("the run ends after this step; Ctrl-C ends the program at once");
                }
                Wish::EndAtOnce => {
                    self.screen = None;
                    // As a shell says it of a program that Ctrl-C has ended.
                    std::process::exit(130);
                }
            }
        }
        asked
    }

    fn draw(&mut self) {
        self.drawn = Instant::now();
        self.view.elapsed = self.start.elapsed().as_secs_f64();
        let stats = memory::stats();
        self.view.memory = (stats.current_bytes, stats.peak_bytes);
        let view = &self.view;
        let is_stale = self.is_stale.take();
        if let Some(screen) = &mut self.screen
            && ((is_stale && screen.0.clear().is_err()) || screen.0.draw(|frame| draw::draw(view, frame)).is_err())
        {
            // A terminal that is gone.
            self.screen = None;
        }
    }
}

#[cfg(test)]
mod tests;
