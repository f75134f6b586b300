//! Settings, a model with them, and which settings are the best.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};

use demotic::data::{Fold, Outliers};
use demotic::models::Mlp;
use demotic::optimizers::schedule::ReduceOnPlateau;
use demotic::prelude::*;
use demotic::train::{History, predict};
use demotic::tune::{SearchSpace, Study, Tuner, Value};

/// What can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The widths of the hidden layers, of which there are one or two.
    pub width: usize,
    pub layers: usize,
    pub learning_rate: f64,
    pub decay: f64,
    pub dropout: f64,
}

impl Settings {
    pub const USUAL: Self = Self { width: 64, layers: 2, learning_rate: 3e-3, decay: 1e-3, dropout: 0.0 };

    /// All that are sensible.
    fn space() -> SearchSpace {
        SearchSpace::new()
            .int("hidden layers", 1, 2)
            .categorical("width", [16, 32, 64, 128])
            // Evenly by their logarithms: 0.001 is as far from 0.002 as 0.01 from 0.02.
            .log_float("learning rate", 1e-3, 2e-2)
            .log_float("weight decay", 1e-5, 1e-1)
            .categorical("dropout", [0.0, 0.1, 0.2])
    }

    /// Those of a trial, by the names of its parameters.
    fn of(value: &dyn Fn(&str) -> Option<Value>) -> Result<Self> {
        let number = |name: &str| match value(name) {
            Some(Value::Int(x)) => Ok(x as f64),
            Some(Value::Float(x)) => Ok(x),
            other => Err(Error::state("tabular", format!("{name} is {other:?}, which is no number"))),
        };
        Ok(Self {
            width: number("width")? as usize,
            layers: number("hidden layers")? as usize,
            learning_rate: number("learning rate")?,
            decay: number("weight decay")?,
            dropout: number("dropout")?,
        })
    }

    /// With their names, as a report shows them.
    pub fn named(&self) -> [(&'static str, String); 5] {
        [
            ("hidden layers", self.layers.to_string()),
            ("width", self.width.to_string()),
            ("learning rate", format!("{:.2e}", self.learning_rate)),
            ("weight decay", format!("{:.2e}", self.decay)),
            ("dropout", self.dropout.to_string()),
        ]
    }
}

/// What is predicted from what.
pub struct Question {
    pub target: String,
    pub classes: bool,
    pub ignore: Vec<String>,
    pub epochs: usize,
}

/// A model with the preprocessing that it was trained behind.
pub struct Fitted {
    pub model: Mlp,
    pub prep: Preprocessor,
    pub history: History,
}

impl Question {
    /// What is learnt from the training part about the columns.
    pub fn preprocessing(&self, train: &Table) -> Result<Preprocessor> {
        let rules = match self.classes {
            true => Preprocessor::classification(&self.target),
            false => Preprocessor::regression(&self.target),
        };
        // Values far beyond all others are slips of the pen more often than news.
        rules
            .ignore(&self.ignore)
            .clip_outliers(Outliers::Iqr(3.0))
            .limit_categories(30)
            .missing_indicators(true)
            .fit(train)
    }

    /// Trains a model, of which a part of the rows is kept back to know when to stop.
    pub fn fit(&self, table: &Table, settings: &Settings, rng: &mut Rng, progress: bool) -> Result<Fitted> {
        let (train, validation) = match self.classes {
            true => table.split_stratified(0.85, &self.target, rng).or_else(|_| table.split(0.85, rng))?,
            false => table.split(0.85, rng)?,
        };
        let prep = self.preprocessing(&train)?;
        let (train, validation) = (prep.transform(&train)?, prep.transform(&validation)?);
        let mut sizes = vec![prep.num_features()];
        sizes.extend(std::iter::repeat_n(settings.width, settings.layers));
        sizes.push(prep.classes().map_or(1, <[String]>::len));
        let mut model = Mlp::new(&sizes, rng)?.activation(Gelu).dropout(settings.dropout)?;
        // Of numbers, a single row with a slip of the pen must not decide when to stop.
        let loss = if self.classes { losses::cross_entropy } else { losses::smooth_l1 };
        let optimizer = AdamW::new(settings.learning_rate).weight_decay(settings.decay);
        let trainer = Trainer::new(loss, optimizer)
            .epochs(self.epochs)
            .batch_size(32)
            .validation(&validation)
            .schedule(ReduceOnPlateau::new().factor(0.5).patience(8))
            .early_stopping(EarlyStopping::new(25));
        let trainer = if self.classes { trainer.metric("accuracy", metrics::accuracy) } else { trainer };
        let mut trainer = if progress { trainer.progress() } else { trainer };
        let history = trainer.fit(&mut model, &train, rng)?;
        Ok(Fitted { model, prep, history })
    }

    /// The loss of settings on three parts of the table, each of which is left out once, for settings that a search chooses; and the best.
    pub fn tune(&self, table: &Table, trials: usize, seed: u64, rng: &mut Rng) -> Result<(Study, Settings)> {
        let folds = KFold::new(3).shuffle(rng);
        let folds: Vec<Fold> = match self.classes {
            true => folds.split_stratified(&table.factorize(&self.target)?.0)?.collect(),
            false => folds.split(table.num_rows())?.collect(),
        };
        let (done, all) = (AtomicUsize::new(0), trials * folds.len());
        // Four trials begin at a time, so that all cores have something to do: a network for a table is too small to be shared by them.
        let tuner = Tuner::new(Settings::space()).trials(trials).round(4).seed(seed);
        let study = tuner.run_folds(&folds, |trial, fold| {
            let settings = Settings::of(&|name| trial.get(name).cloned())?;
            let fitted = self.fit(&table.rows(&fold.train)?, &settings, &mut trial.rng(), false)?;
            let (prediction, y) = predict(&fitted.model, &fitted.prep.transform(&table.rows(&fold.test)?)?)?;
            if std::io::stderr().is_terminal() {
                eprint!("\r{} of {all} ", done.fetch_add(1, Ordering::Relaxed) + 1);
            }
            match self.classes {
                true => losses::cross_entropy(&prediction, &y)?.item(),
                false => metrics::mae(&fitted.prep.inverse_target(&prediction)?, &fitted.prep.inverse_target(&y)?),
            }
        })?;
        let best = Settings::of(&|name| study.best().get(name).cloned())?;
        Ok((study, best))
    }
}
