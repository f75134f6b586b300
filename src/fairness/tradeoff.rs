//! What fairness costs, as a picture.

use super::{Fairness, Rate};
use crate::train::plot::{Bars, Chart};

/// One way to decide, with how good and how unequal it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Compromise {
    /// What was done: `as trained`, `reweighed` …
    pub name: String,
    /// How good it is, such as the accuracy: more is better.
    pub quality: f64,
    /// How unequal it is, such as a difference of rates: less is better.
    pub inequality: f64,
}

impl Compromise {
    /// One of these.
    #[must_use]
    pub fn new(name: impl Into<String>, quality: f64, inequality: f64) -> Self {
        Self { name: name.into(), quality, inequality }
    }
}

/// Ways to decide as points: to the left are the more equal ones, above the better ones. A line joins those that no other one
/// beats in both (the Pareto front).
#[must_use]
pub fn tradeoff(points: &[Compromise], inequality: &str, quality: &str) -> Chart {
    let beaten = |one: &Compromise| {
        let better = |a: &Compromise| a.quality >= one.quality && a.inequality <= one.inequality;
        points.iter().any(|a| better(a) && (a.quality > one.quality || a.inequality < one.inequality))
    };
    let mut front: Vec<&Compromise> = points.iter().filter(|one| !beaten(one)).collect();
    crate::order::sort_by(&mut front, |a, b| a.inequality.total_cmp(&b.inequality));
    let chart = Chart::new("What equal treatment costs").labels(inequality, quality);
    let chart = chart.xy_line("no other is better in both", front.iter().map(|one| (one.inequality, one.quality)));
    points.iter().fold(chart, |chart, one| chart.points(&one.name, [(one.inequality, one.quality)]))
}

/// A rate of each group as a bar with its interval.
#[must_use]
pub fn by_group(of: &Fairness, rate: Rate) -> Bars {
    let name = rate.name();
    let bars = Bars::new(format!("{}{} by group", name[..1].to_uppercase(), &name[1..]))
        .label(format!("{name}, with 95 % intervals"));
    of.groups().iter().fold(bars, |bars, group| match group.rate(rate) {
        Some(rate) => bars.bar_with(&group.name, rate.value, [rate.low, rate.high]),
        None => bars.bar(&group.name, f64::NAN),
    })
}
