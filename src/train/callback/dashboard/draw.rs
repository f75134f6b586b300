//! How the dashboard is drawn.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph};

use super::View;
use super::curve::Curve;
use crate::train::history::Number;

/// Distinguishable with the common forms of colour blindness, on dark and light ground.
const COLORS: [Color; 4] = [Color::Blue, Color::Yellow, Color::Magenta, Color::Cyan];

/// What has no room beside curves.
const SMALL: [u16; 2] = [24, 9];
/// From which width on there are two boxes side by side.
const WIDE: u16 = 60;

/// All of it where there is room. In a small terminal messages go first, then the metrics' curves, and in the smallest what is left are lines.
pub(super) fn draw(view: &View, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < SMALL[0] || area.height < SMALL[1] {
        let mut lines = vec![Line::raw(reached(view))];
        lines.extend(numbers(view));
        return frame.render_widget(Paragraph::new(lines), area);
    }
    let below = match area.height {
        ..14 => 0,
        14.. => (area.height - 9).min(9),
    };
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(3), Constraint::Min(6), Constraint::Length(below)]).areas(area);
    progress(view, frame, top);
    let losses = [("training", &view.training), ("validation", &view.validation)];
    if view.metrics.is_empty() || area.width < WIDE {
        chart("loss", &losses, frame, middle);
    } else {
        let [left, right] = Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(middle);
        chart("loss", &losses, frame, left);
        let metrics: Vec<(&str, &Curve)> = view.metrics.iter().map(|(name, curve)| (name.as_str(), curve)).collect();
        chart("metrics", &metrics, frame, right);
    }
    let width = if area.width < WIDE { area.width } else { 34 };
    let [left, right] = Layout::horizontal([Constraint::Length(width), Constraint::Min(0)]).areas(bottom);
    frame.render_widget(Paragraph::new(numbers(view)).block(Block::bordered().title(" run ")), left);
    if right.width > 2 {
        messages(view, frame, right);
    }
}

/// The last messages, with lines that are too long on several.
fn messages(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let (width, room) = (usize::from(area.width - 2), usize::from(area.height.saturating_sub(2)));
    let mut lines = VecDeque::new();
    for text in view.messages.iter().rev() {
        let mut rows = vec![String::new()];
        for word in text.split_inclusive(' ') {
            match rows.last_mut() {
                Some(row) if row.is_empty() || Line::raw(format!("{row}{}", word.trim_end())).width() <= width => {
                    *row += word
                }
                _ => rows.push(format!("  {word}")),
            }
        }
        rows.into_iter().rev().for_each(|row| lines.push_front(Line::raw(row)));
        if lines.len() >= room {
            break;
        }
    }
    lines.drain(..lines.len().saturating_sub(room));
    frame.render_widget(Paragraph::new(Vec::from(lines)).block(Block::bordered().title(" messages ")), area);
}

/// How far the run is.
fn reached(view: &View) -> String {
    let left = match (view.plan.steps, view.step.saturating_sub(view.first)) {
        (u64::MAX, _) => return format!("epoch {}, step {}, {}", view.epoch, view.step, time(view.elapsed)),
        (_, 0) => String::new(),
        (steps, made) => {
            let seconds = view.elapsed / made as f64 * steps.saturating_sub(view.step) as f64;
            format!(", {} left", time(seconds))
        }
    };
    format!("epoch {}, step {}/{}, {}{left}", view.epoch, view.step, view.plan.steps, time(view.elapsed))
}

fn progress(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let share = match view.plan.steps {
        u64::MAX => 0.0,
        steps => view.step as f64 / steps.max(1) as f64,
    };
    let title = if view.is_ending { " training — ends after this step " } else { " training — q ends it " };
    let gauge = Gauge::default()
        .block(Block::bordered().title(title))
        .gauge_style(Style::default().fg(COLORS[0]))
        .ratio(if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 })
        .label(reached(view));
    frame.render_widget(gauge, area);
}

/// `1:02:03` or `2:03`.
fn time(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

fn numbers(view: &View) -> Vec<Line<'static>> {
    let rate = if view.elapsed > 0.0 { view.done as f64 / view.elapsed } else { 0.0 };
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let mut lines = vec![
        format!("learning rate {:.3e}", view.learning_rate),
        format!("{rate:.0} {}/s", view.unit),
        format!("memory {:.1} MiB, most {:.1}", mib(view.memory.0), mib(view.memory.1)),
    ];
    let named = [("training", &view.training), ("validation", &view.validation)];
    let metrics = view.metrics.iter().map(|(name, curve)| (name.as_str(), curve));
    lines.extend(
        named.into_iter().chain(metrics).filter_map(|(name, curve)| Some(format!("{name} {}", Number(curve.last()?)))),
    );
    lines.into_iter().map(Line::raw).collect()
}

/// The least and the greatest of some numbers with room around them; of one number, or none, something around it.
fn bounds(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    match (low <= high, high - low) {
        (false, _) => [0.0, 1.0],
        (true, 0.0) => [low - 0.5 * low.abs().max(1e-3), high + 0.5 * high.abs().max(1e-3)],
        (true, width) if width.is_finite() => [low, high],
        // Numbers that no axis has room for.
        _ => [-1e300, 1e300],
    }
}

fn chart(title: &str, curves: &[(&str, &Curve)], frame: &mut Frame<'_>, area: Rect) {
    let points = || curves.iter().flat_map(|(_, curve)| curve.points());
    let (x, y) = (bounds(points().map(|p| p.0)), bounds(points().map(|p| p.1)));
    let datasets = curves.iter().zip(COLORS.iter().cycle()).filter(|((_, curve), _)| !curve.points().is_empty()).map(
        |((name, curve), color)| {
            // A line needs two points.
            let kind = if curve.points().len() > 1 { GraphType::Line } else { GraphType::Scatter };
            Dataset::default()
                .name((*name).to_string())
                .marker(Marker::Braille)
                .graph_type(kind)
                .style(Style::default().fg(*color))
                .data(curve.points())
        },
    );
    let ends = |[low, high]: [f64; 2], whole: bool| {
        let shown = |v: f64| if whole { format!("{v:.0}") } else { Number(v).to_string() };
        [shown(low), shown(high)]
    };
    let widget = Chart::new(datasets.collect())
        .block(Block::bordered().title(format!(" {title} ")))
        .x_axis(Axis::default().bounds(x).labels(ends(x, true)))
        .y_axis(Axis::default().bounds(y).labels(ends(y, false)));
    frame.render_widget(widget, area);
}
