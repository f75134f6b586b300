//! The search.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::file::Saved;
use super::plan::{Plan, Proposal};
use super::pruner::Pruner;
use super::sampler::{Past, Sampler};
use super::space::{SearchSpace, Value};
use super::study::Study;
use super::tpe::Tpe;
use super::trial::{Outcome, Seen, Trial, TrialRecord};
use crate::data::Fold;
use crate::error::{Error, Here, Result};
use crate::parallel;
use crate::rng::Rng;

/// Searches the values of parameters for which an objective is smallest, or largest.
///
/// The objective is a closure over a [`Trial`]: it takes the values, trains, and returns a number. One that fails is recorded with its
/// error, and the search goes on; so is one that panics, or returns NaN or an infinity.
///
/// ```
/// use demotic::tune::{SearchSpace, Tuner};
///
/// let space = SearchSpace::new().float("x", -2.0, 2.0).categorical("shift", ["none", "one"]);
/// let study = Tuner::new(space).trials(60).seed(0).run(|trial| {
///     let shift = if trial.text("shift")? == "one" { 1.0 } else { 0.0 };
///     Ok((trial.float("x")? - 0.5).powi(2) + shift)
/// })?;
/// let best = study.best();
/// assert!(best.value().unwrap() < 0.05);
/// println!("{study}");
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # The same trials
///
/// The values of a trial follow from the seed, its number and the trials that ended before its [round](Self::round) began, and so does
/// what a pruner compares with. So the number of threads changes nothing, as long as the objective depends on its trial alone. A round
/// is one trial where trials learn from each other ([`Sampler::Tpe`], the default, and any [`Pruner`]), which leaves all cores to each;
/// with [`Sampler::Random`] and others that do not learn, it is all trials. Successive halving runs all trials of a rung together.
/// Larger rounds use more cores and learn later: another round is another search.
#[derive(Debug, Clone)]
pub struct Tuner {
    space: SearchSpace,
    sampler: Sampler,
    pruner: Pruner,
    plan: Plan,
    minimize: bool,
    seed: u64,
    round: Option<usize>,
    workers: Option<usize>,
    file: Option<PathBuf>,
}

/// What a trial does, whatever its closure is.
type Objective<'a> = &'a (dyn Fn(&Trial<'_>) -> Result<f64> + Sync);

impl Tuner {
    /// Fifty trials by a tree-structured Parzen estimator, of a value that shall be small.
    #[must_use]
    pub fn new(space: SearchSpace) -> Self {
        Self {
            space,
            sampler: Sampler::Tpe(Tpe::new()),
            pruner: Pruner::None,
            plan: Plan::Usual,
            minimize: true,
            seed: 0,
            round: None,
            workers: None,
            file: None,
        }
    }

    /// How values are chosen. By default [`Sampler::Tpe`].
    #[must_use]
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = sampler;
        self
    }

    /// How many trials there are. By default 50, or all of a grid.
    #[must_use]
    pub fn trials(mut self, n: usize) -> Self {
        self.plan = Plan::Trials(n);
        self
    }

    /// Successive halving (Jamieson and Talwalkar, 2016): so many configurations with the smallest budget, the best of 1 / `factor` of
    /// them with a budget `factor` times as large, and so on up to `max_budget`. The objective asks for its [`Trial::budget`] and begins
    /// anew with each. The smallest budget is `max_budget` divided by a power of the factor, and not below `min_budget`.
    #[must_use]
    pub fn successive_halving(mut self, configurations: usize, min_budget: f64, max_budget: f64, factor: f64) -> Self {
        self.plan = Plan::Halving { configurations, min: min_budget, max: max_budget, factor };
        self
    }

    /// Hyperband (Li et al., 2018): brackets of successive halving, the first with many configurations and small budgets, the last with
    /// few and the largest alone, for objectives of which it is not known how much a small budget tells. 3 is a usual factor.
    #[must_use]
    pub fn hyperband(mut self, min_budget: f64, max_budget: f64, factor: f64) -> Self {
        self.plan = Plan::Hyperband { min: min_budget, max: max_budget, factor };
        self
    }

    /// Which trials are given up early. By default none.
    #[must_use]
    pub fn pruner(mut self, pruner: Pruner) -> Self {
        self.pruner = pruner;
        self
    }

    /// Looks for large values, such as accuracies.
    #[must_use]
    pub fn maximize(mut self) -> Self {
        self.minimize = false;
        self
    }

    /// The seed of the search. By default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many trials begin together, before anything is known of the others.
    #[must_use]
    pub fn round(mut self, n: usize) -> Self {
        self.round = Some(n);
        self
    }

    /// How many trials of a round run at a time; the cores are divided among them. By default as many as there are threads.
    #[must_use]
    pub fn workers(mut self, n: usize) -> Self {
        self.workers = Some(n);
        self
    }

    /// A file that holds the trials, written anew as a whole after each. If it exists, the search goes on behind them, as if it had not
    /// been interrupted; trials that were running begin again.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.file = Some(path.as_ref().to_path_buf());
        self
    }

    /// The same search for a part of a larger one, with a seed and a file of its own.
    pub(super) fn part(&self, number: usize) -> Self {
        let mut part = self.clone();
        part.seed = Rng::seed(self.seed).fork(number as u64).next_u64();
        if let Some(file) = &mut part.file {
            let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let ending = file.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
            file.set_file_name(format!("{stem}.{number}{ending}"));
        }
        part
    }

    /// A trial outside of the search, with values that are known.
    pub(super) fn repeated(&self, record: &TrialRecord) -> Trial<'_> {
        Trial {
            number: record.number,
            space: &self.space,
            values: self.space.names().map(|name| record.get(name).cloned()).collect(),
            budget: record.budget,
            rng: Rng::seed(self.seed).fork(2 * record.configuration as u64),
            judge: &|_| false,
            seen: Mutex::default(),
        }
    }

    /// What decides which trials there are, in words: a file of other settings is refused.
    fn settings(&self) -> Vec<String> {
        let mut lines = vec![
            format!("sampler {:?}", self.sampler),
            format!("pruner {:?}", self.pruner),
            format!("minimize {}", self.minimize),
            format!("seed {}", self.seed),
            match self.round_size() {
                usize::MAX => "round of all".to_string(),
                n => format!("round {n}"),
            },
        ];
        match &self.plan {
            // More trials may be added, if that does not move those before.
            Plan::Trials(_) | Plan::Usual if !matches!(self.sampler, Sampler::LatinHypercube) => {}
            plan => lines.push(format!("plan {plan:?}")),
        }
        lines
    }

    fn round_size(&self) -> usize {
        let alone = self.sampler.learns() || self.pruner != Pruner::None;
        self.round.unwrap_or(if alone { 1 } else { usize::MAX })
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        self.space.check()?;
        self.sampler.check()?;
        self.pruner.check()?;
        self.plan.check()?;
        if self.sampler == Sampler::LatinHypercube && matches!(self.plan, Plan::Hyperband { .. }) {
            return Err(Error::argument(
                "Tuner",
                "a Latin hypercube for Hyperband, whose brackets are several searches",
            )
            .with_help("choose Sampler::Random or Tpe, or one bracket: successive_halving"));
        }
        if self.round == Some(0) || self.workers == Some(0) {
            let what = if self.round == Some(0) { "round" } else { "number of workers" };
            return Err(Error::argument("Tuner", format!("the {what} is 0, expected at least 1")));
        }
        Ok(())
    }

    /// Tries values until the plan ends.
    ///
    /// # Errors
    /// If space or options make no sense, the file is of another search, damaged, or cannot be written, or every trial failed.
    #[track_caller]
    pub fn run(&self, objective: impl Fn(&Trial<'_>) -> Result<f64> + Sync) -> Result<Study> {
        self.search(&objective).here()
    }

    /// The mean of an objective over folds. It is reported after each of them, so that a [pruner](Self::pruner) may give up values that are
    /// bad in the first folds.
    ///
    /// # Errors
    /// As for [`run`](Self::run), and if there are no folds.
    ///
    /// ```
    /// use demotic::data::KFold;
    /// use demotic::tune::{Pruner, SearchSpace, Tuner};
    ///
    /// let folds: Vec<_> = KFold::new(3).split(30)?.collect();
    /// let space = SearchSpace::new().float("x", 0.0, 1.0);
    /// let pruner = Pruner::Median { startup_trials: 5, warmup_steps: 0 };
    /// let study = Tuner::new(space).trials(20).pruner(pruner).run_folds(&folds, |trial, fold| {
    ///     // Here a model would be trained on fold.train and measured on fold.test.
    ///     Ok((trial.float("x")? - 0.3).abs() + 0.001 * fold.test[0] as f64)
    /// })?;
    /// assert!(study.best().value().unwrap() < 0.2);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn run_folds(
        &self,
        folds: &[Fold],
        objective: impl Fn(&Trial<'_>, &Fold) -> Result<f64> + Sync,
    ) -> Result<Study> {
        if folds.is_empty() {
            return Err(Error::argument("Tuner", "there are no folds"));
        }
        self.search(&|trial| over_folds(trial, folds, &objective)).here()
    }

    #[track_caller]
    fn search(&self, objective: Objective<'_>) -> Result<Study> {
        self.check()?;
        let settings = self.settings();
        let mut saved = Saved::open(self.file.as_deref(), &self.space, &settings)?;
        let mut records: Vec<TrialRecord> = Vec::new();
        let (seed, space) = (Rng::seed(self.seed), &self.space);
        let total = self.plan.total(&self.sampler).min(self.sampler.most(space)?);
        loop {
            let past = Past { space, records: &records, total, minimize: self.minimize, seed: &seed };
            let proposals = self.plan.next(space, &self.sampler, &past, self.round_size())?;
            if proposals.is_empty() {
                break;
            }
            let ended = self.round_of(&proposals, &records, &mut saved, objective)?;
            records.extend(ended);
        }
        Study::new(records, self.space.clone(), self.minimize)
    }

    /// Runs the trials of a round that the file does not have.
    #[track_caller]
    fn round_of(
        &self,
        proposals: &[Proposal],
        earlier: &[TrialRecord],
        saved: &mut Saved<'_>,
        objective: Objective<'_>,
    ) -> Result<Vec<TrialRecord>> {
        let first = earlier.len();
        let judge = |reports: &[(u64, f64)]| self.pruner.gives_up(reports, earlier, self.minimize);
        let mut open = Vec::new();
        for (i, proposal) in proposals.iter().enumerate() {
            if !saved.has(first + i, &named(&self.space, proposal), proposal.budget)? {
                open.push(i);
            }
        }
        let workers = self.workers.unwrap_or_else(parallel::threads).min(open.len());
        let shared = Mutex::new((saved, None::<Error>));
        parallel::apart(workers, open.len(), &|i| {
            let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
            if lock().1.is_some() {
                return;
            }
            let (number, proposal) = (first + open[i], &proposals[open[i]]);
            let trial = Trial {
                number,
                space: &self.space,
                values: proposal.values.clone(),
                budget: proposal.budget,
                rng: Rng::seed(self.seed).fork(2 * proposal.configuration as u64),
                judge: &judge,
                seen: Mutex::default(),
            };
            let begun = Instant::now();
            let outcome = tried(&trial, objective);
            let Seen { reports, .. } = trial.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
            let values = named(&self.space, proposal);
            let seconds = begun.elapsed().as_secs_f64();
            let mut shared = lock();
            let (configuration, budget) = (proposal.configuration, proposal.budget);
            let record = TrialRecord { number, values, outcome, reports, configuration, budget, seconds };
            if let Err(e) = shared.0.add(record) {
                shared.1 = Some(e);
            }
        })?;
        let (saved, failed) = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        match failed {
            Some(e) => Err(e),
            None => saved.taken(first..first + proposals.len()),
        }
    }
}

/// The values by name, those that exist.
fn named(space: &SearchSpace, proposal: &Proposal) -> Vec<(String, Value)> {
    let mut named = Vec::new();
    for (name, value) in space.names().zip(&proposal.values) {
        if let Some(value) = value {
            named.push((name.to_string(), value.clone()));
        }
    }
    named
}

/// How a trial ends.
fn tried(trial: &Trial<'_>, objective: Objective<'_>) -> Outcome {
    // An objective that panics has left nothing behind that others look at.
    let ended = catch_unwind(AssertUnwindSafe(|| objective(trial)));
    let pruned = trial.seen.lock().unwrap_or_else(PoisonError::into_inner).pruned;
    match ended {
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
            Outcome::Failed(format!("the objective panicked: {text}"))
        }
        Ok(_) if pruned => Outcome::Pruned,
        Ok(Ok(value)) if value.is_finite() => Outcome::Complete(value),
        Ok(Ok(value)) => Outcome::Failed(format!("the objective is {value}")),
        Ok(Err(e)) => Outcome::Failed(e.message()),
    }
}

/// The mean over folds, reported after each.
#[track_caller]
pub(super) fn over_folds(
    trial: &Trial<'_>,
    folds: &[Fold],
    objective: &dyn Fn(&Trial<'_>, &Fold) -> Result<f64>,
) -> Result<f64> {
    let (mut sum, mut mean) = (0.0, f64::NAN);
    for (i, fold) in folds.iter().enumerate() {
        sum += objective(trial, fold)?;
        mean = sum / (i + 1) as f64;
        if i + 1 < folds.len() {
            trial.report(i as u64 + 1, mean)?;
        }
    }
    Ok(mean)
}
