//! Pictures of searches (feature `plot`).

use super::cross_validation::FoldScores;
use super::curves::ScoreCurve;
use super::space::Kind;
use super::study::Study;
use crate::train::plot::{Chart, ParallelCoordinates};

impl ScoreCurve {
    /// The means of training and test over the sizes or values, with a point for each fold.
    #[must_use]
    pub fn chart(&self) -> Chart {
        let means = |scores: &[FoldScores]| {
            self.at.iter().zip(scores).map(|(at, scores)| (*at, scores.mean())).collect::<Vec<(f64, f64)>>()
        };
        let mut points = Vec::new();
        for (at, scores) in self.at.iter().zip(&self.test) {
            points.extend(scores.folds.iter().map(|score| (*at, *score)));
        }
        Chart::new(format!("Scores by {}", self.name))
            .labels(self.name.clone(), "score")
            .xy_line("training, mean of the folds", means(&self.train))
            .xy_line("test, mean of the folds", means(&self.test))
            .points("test, each fold", points)
    }
}

impl Study {
    /// The value of each completed trial by its number, and the best one so far.
    #[must_use]
    pub fn chart(&self) -> Chart {
        let full = self.trials().iter().filter(|trial| trial.budget == self.best().budget);
        let values = full.filter_map(|trial| Some((trial.number as f64, trial.value()?)));
        let best = self.progress().into_iter().map(|(number, value)| (number as f64, value));
        Chart::new("Search").labels("trial", "value").points("each trial", values).xy_line("best so far", best)
    }

    /// An axis for each parameter and one for the value, and a line for each completed trial, the better the darker: of equal
    /// budgets, the largest.
    #[must_use]
    pub fn parallel_coordinates(&self) -> ParallelCoordinates {
        let mut picture = ParallelCoordinates::new("Trials: parameters and value")
            .note("a line for each trial; the darker, the better; the best one has marks");
        let parameters = self.space().parameters();
        for parameter in parameters {
            picture = match &parameter.kind {
                Kind::Float { log, .. } | Kind::Int { log, .. } => picture.axis(&parameter.name, *log),
                Kind::Choice(choices) => picture.categories(&parameter.name, choices.iter().map(ToString::to_string)),
            };
        }
        picture = picture.axis("value", false);
        let mut trials: Vec<_> = self.trials().iter().filter(|trial| trial.budget == self.best().budget).collect();
        trials.retain(|trial| trial.value().is_some());
        let sign = if self.minimizes() { 1.0 } else { -1.0 };
        crate::order::sort_by_key(&mut trials, |trial| crate::order::key(sign * trial.value().unwrap_or(0.0)));
        let n = trials.len().max(2) - 1;
        for (rank, trial) in trials.into_iter().enumerate() {
            let number = |value: &super::Value, kind: &Kind| match (value, kind) {
                (super::Value::Float(x), Kind::Float { .. }) => *x,
                (super::Value::Int(x), Kind::Int { .. }) => *x as f64,
                (value, kind) => kind.scaled(value),
            };
            let values = parameters.iter().map(|parameter| Some(number(trial.get(&parameter.name)?, &parameter.kind)));
            picture = picture.line(values.chain([trial.value()]), 1.0 - rank as f64 / n as f64);
        }
        picture
    }
}
