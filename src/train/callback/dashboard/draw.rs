//! How the dashboard is drawn.

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

pub(super) fn draw(view: &View, frame: &mut Frame<'_>) {
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(3), Constraint::Min(6), Constraint::Length(9)]).areas(frame.area());
    progress(view, frame, top);
    let losses = [("training", &view.training), ("validation", &view.validation)];
    if view.metrics.is_empty() {
        chart("loss", &losses, frame, middle);
    } else {
        let [left, right] = Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(middle);
        chart("loss", &losses, frame, left);
        let metrics: Vec<(&str, &Curve)> = view.metrics.iter().map(|(name, curve)| (name.as_str(), curve)).collect();
        chart("metrics", &metrics, frame, right);
    }
    let [left, right] = Layout::horizontal([Constraint::Length(34), Constraint::Min(10)]).areas(bottom);
    frame.render_widget(Paragraph::new(numbers(view)).block(Block::bordered().title(" run ")), left);
    let room = usize::from(right.height.saturating_sub(2));
    let skipped = view.messages.len().saturating_sub(room);
    let last: Vec<Line<'_>> = view.messages.iter().skip(skipped).map(|text| Line::raw(text.as_str())).collect();
    let title = " messages — q ends the run ";
    frame.render_widget(Paragraph::new(last).block(Block::bordered().title(title)), right);
}

fn progress(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let (share, label) = match view.plan.steps {
        u64::MAX => (0.0, format!("step {}", view.step)),
        steps => (view.step as f64 / steps.max(1) as f64, format!("step {}/{steps}", view.step)),
    };
    let left = match (view.plan.steps, view.step.saturating_sub(view.first)) {
        (u64::MAX, _) | (_, 0) => String::new(),
        (steps, made) => {
            let seconds = view.elapsed / made as f64 * steps.saturating_sub(view.step) as f64;
            format!(", {} left", time(seconds))
        }
    };
    let gauge = Gauge::default()
        .block(Block::bordered().title(" training "))
        .gauge_style(Style::default().fg(COLORS[0]))
        .ratio(if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 })
        .label(format!("epoch {}, {label}, {}{left}", view.epoch, time(view.elapsed)));
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
