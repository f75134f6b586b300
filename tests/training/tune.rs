//! Searches: the same trials each time, interrupted or not; better than at random; and what they say about spaces that make no sense.

use std::sync::atomic::{AtomicUsize, Ordering};

use demotic::data::{Fold, KFold};
use demotic::prelude::*;
use demotic::tune::{
    Outcome, Pruner, Sampler, SearchSpace, Study, Tpe, Trial, Tuner, Value, check_classes, cross_validate,
    learning_curve, nested_cross_validate, validation_curve,
};

/// Of Branin and Hoo: three minima of 0.397887.
fn branin(x: f64, y: f64) -> f64 {
    use std::f64::consts::PI;
    let b = 5.1 / (4.0 * PI * PI);
    (y - b * x * x + 5.0 / PI * x - 6.0).powi(2) + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0
}

fn branin_space() -> SearchSpace {
    SearchSpace::new().float("x", -5.0, 10.0).float("y", 0.0, 15.0)
}

fn branin_of(trial: &Trial<'_>) -> Result<f64> {
    Ok(branin(trial.float("x")?, trial.float("y")?))
}

/// Of Hartmann, in six dimensions: a minimum of −3.32237.
fn hartmann(x: &[f64]) -> f64 {
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ];
    let one = |(a, p): (&[f64; 6], &[f64; 6])| {
        (-a.iter().zip(p).zip(x).map(|((a, p), x)| a * (x - p).powi(2)).sum::<f64>()).exp()
    };
    -[1.0, 1.2, 3.0, 3.2].iter().zip(A.iter().zip(&P).map(one)).map(|(alpha, e)| alpha * e).sum::<f64>()
}

fn hartmann_of(trial: &Trial<'_>) -> Result<f64> {
    let x = (0..6).map(|i| trial.float(&format!("x{i}"))).collect::<Result<Vec<f64>>>()?;
    Ok(hartmann(&x))
}

fn hartmann_space() -> SearchSpace {
    (0..6).fold(SearchSpace::new(), |space, i| space.float(format!("x{i}"), 0.0, 1.0))
}

#[test]
fn known_functions_have_their_minima() {
    for (x, y) in [(-std::f64::consts::PI, 12.275), (std::f64::consts::PI, 2.275), (9.42478, 2.475)] {
        assert!((branin(x, y) - 0.397_887).abs() < 1e-5);
    }
    let x = [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573];
    assert!((hartmann(&x) + 3.32237).abs() < 1e-5);
}

/// How much better the estimator is than chance: over 20 seeds, with 100 trials each, what is left to the minimum is less than half,
/// and less in at least 14 of the 20.
#[test]
fn the_estimator_beats_random_search() -> Result<()> {
    type Of = fn(&Trial<'_>) -> Result<f64>;
    for (space, of, least) in
        [(branin_space(), branin_of as Of, 0.397_887), (hartmann_space(), hartmann_of as Of, -3.322_37)]
    {
        let (mut regrets, mut wins) = ([0.0; 2], 0);
        for seed in 0..20 {
            let search = |sampler| {
                let study = Tuner::new(space.clone()).sampler(sampler).trials(100).seed(seed).run(of)?;
                Ok::<f64, Error>(study.best().value().unwrap() - least)
            };
            let (tpe, random) = (search(Sampler::Tpe(Tpe::new()))?, search(Sampler::Random)?);
            regrets[0] += tpe / 20.0;
            regrets[1] += random / 20.0;
            wins += usize::from(tpe < random);
        }
        println!("mean regret {:.3} by TPE, {:.3} at random; {wins} of 20", regrets[0], regrets[1]);
        assert!(regrets[0] < 0.5 * regrets[1] && wins >= 14, "{regrets:?}, {wins} of 20");
    }
    Ok(())
}

/// A training whose result is uncertain while it is short: the larger the budget, the less noise and the nearer to its limit.
fn noisy(trial: &Trial<'_>, budget: f64) -> Result<f64> {
    Ok(hartmann_of(trial)? + 1.0 / budget + 0.5 / budget.sqrt() * trial.rng().normal())
}

/// For the same sum of budgets, Hyperband's choice is better than that of random search with full budgets: over 20 seeds what is left to
/// the minimum, without the noise, is less than three quarters, and less in at least 14 of the 20. So is that of successive halving.
#[test]
fn hyperband_beats_random_search() -> Result<()> {
    let (largest, space) = (81.0, hartmann_space());
    let truth = |study: &Study| {
        let x: Vec<f64> =
            study.best().values.iter().map(|(_, x)| if let Value::Float(x) = x { *x } else { 0.0 }).collect();
        hartmann(&x) + 3.322_37
    };
    let spent = |study: &Study| study.trials().iter().filter_map(|trial| trial.budget).sum::<f64>();
    let (mut regrets, mut wins) = ([0.0; 3], [0; 2]);
    for seed in 0..20 {
        let tuner = Tuner::new(space.clone()).sampler(Sampler::Random).seed(seed);
        let budgeted = |trial: &Trial<'_>| noisy(trial, trial.budget().unwrap());
        let hyperband = tuner.clone().hyperband(1.0, largest, 3.0).run(budgeted)?;
        assert_eq!(hyperband.best().budget, Some(largest));
        // Brackets of 81, 34, 15, 8 and 5 configurations (Li et al., 2018).
        let firsts = hyperband.trials().iter().filter(|trial| trial.configuration == trial.number).count();
        assert_eq!(firsts, 81 + 34 + 15 + 8 + 5);
        let halving = tuner.clone().successive_halving(300, 1.0, largest, 3.0).run(budgeted)?;
        assert!(spent(&halving) <= spent(&hyperband));
        let trials = (spent(&hyperband) / largest).round() as usize;
        let random = tuner.trials(trials).run(|trial| noisy(trial, largest))?;
        let all = [truth(&hyperband), truth(&halving), truth(&random)];
        for (sum, regret) in regrets.iter_mut().zip(all) {
            *sum += regret / 20.0;
        }
        wins[0] += i32::from(all[0] < all[2]);
        wins[1] += i32::from(all[1] < all[2]);
    }
    println!("mean regret {regrets:.3?} by Hyperband, halving and at random; {wins:?} of 20");
    assert!(regrets[0] < 0.75 * regrets[2] && regrets[1] < 0.75 * regrets[2], "{regrets:?}");
    assert!(wins.iter().all(|wins| *wins >= 14), "{wins:?}");
    Ok(())
}

fn conditional_space() -> SearchSpace {
    SearchSpace::new()
        .categorical("kind", ["a", "b"])
        .float("x", -1.0, 1.0)
        .when("kind", ["a"])
        .log_int("n", 1, 1000)
        .when("kind", ["b"])
        .bool("extra")
        .log_float("rate", 1e-5, 1e-1)
        .when("extra", [true])
}

fn conditional_of(trial: &Trial<'_>) -> Result<f64> {
    let kind = match trial.text("kind")? {
        "a" => trial.float("x")?.powi(2) + 0.5,
        _ => ((trial.size("n")? as f64).ln() - 3.0).abs(),
    };
    Ok(kind + if trial.bool("extra")? { (trial.float("rate")?.ln() + 5.0).abs() / 10.0 } else { 0.3 })
}

/// Without how long they took.
fn timeless(study: &Study) -> Vec<demotic::tune::TrialRecord> {
    let mut trials = study.trials().to_vec();
    trials.iter_mut().for_each(|trial| trial.seconds = 0.0);
    trials
}

/// Some searches of each kind.
fn searches() -> Vec<Tuner> {
    let tuner = Tuner::new(conditional_space()).seed(7);
    let median = Pruner::Median { startup_trials: 3, warmup_steps: 1 };
    vec![
        tuner.clone().sampler(Sampler::Random).trials(20),
        tuner.clone().sampler(Sampler::LatinHypercube).trials(20),
        tuner.clone().sampler(Sampler::Grid(3)),
        tuner.clone().trials(25),
        tuner.clone().trials(26).round(4),
        tuner.clone().trials(26).round(3).pruner(median),
        tuner.clone().trials(24).round(4).pruner(Pruner::Asha { min_steps: 1, factor: 2 }),
        tuner.clone().successive_halving(13, 1.0, 9.0, 3.0),
        tuner.clone().sampler(Sampler::Random).hyperband(1.0, 9.0, 3.0),
    ]
}

fn reporting(trial: &Trial<'_>) -> Result<f64> {
    let value = conditional_of(trial)?;
    for step in 1..=8 {
        trial.report(step, value + 1.0 / step as f64 + 0.1 * trial.rng().uniform())?;
    }
    Ok(value + 0.01 * trial.rng().normal() / trial.budget().unwrap_or(1.0))
}

#[test]
fn the_number_of_threads_changes_nothing() -> Result<()> {
    for (i, tuner) in searches().into_iter().enumerate() {
        let one = demotic::parallel::with_threads(1, || tuner.run(reporting))??;
        let two = demotic::parallel::with_threads(2, || tuner.run(reporting))??;
        assert_eq!(timeless(&one), timeless(&two), "search {i}");
        let three = tuner.clone().workers(3).run(reporting)?;
        assert_eq!(timeless(&one), timeless(&three), "search {i}");
        assert_ne!(timeless(&one), timeless(&tuner.clone().seed(8).run(reporting)?), "search {i}");
    }
    let pruned = |i: usize| {
        let study = searches()[i].run(reporting).unwrap();
        study.trials().iter().filter(|trial| trial.outcome == Outcome::Pruned).count()
    };
    assert!(pruned(5) > 2 && pruned(6) > 2, "{} and {}", pruned(5), pruned(6));
    Ok(())
}

/// A search that ends at each of its trials, and goes on from its file, comes to the same trials.
#[test]
fn an_interrupted_search_goes_on() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    for (i, tuner) in searches().into_iter().enumerate() {
        let whole = tuner.run(reporting)?;
        let path = folder.path().join(format!("{i}.json"));
        let tuner = tuner.file(&path).workers(2);
        let mut interrupted = 0;
        let left = AtomicUsize::new(0);
        for allowed in [1, 4, 3, 7] {
            left.store(allowed, Ordering::Relaxed);
            // The file cannot be written any more once so many trials have begun: what has ended until then is in it.
            let kept = folder.path().join("kept");
            let stopped = tuner.run(|trial| {
                if left.load(Ordering::Relaxed) == 0 {
                    if path.exists() && !kept.exists() && path.is_file() {
                        std::fs::rename(&path, &kept).unwrap();
                        std::fs::create_dir(&path).unwrap();
                    }
                } else {
                    left.fetch_sub(1, Ordering::Relaxed);
                }
                reporting(trial)
            });
            if kept.exists() {
                assert_eq!(stopped.unwrap_err().kind(), demotic::ErrorKind::Io, "search {i}");
                interrupted += 1;
                std::fs::remove_dir(&path).unwrap();
                std::fs::rename(&kept, &path).unwrap();
            }
        }
        assert!(interrupted >= 2, "search {i} was interrupted {interrupted} times");
        let resumed = tuner.run(reporting)?;
        assert_eq!(timeless(&whole), timeless(&resumed), "search {i}");
        // All of it is in the file: nothing is tried any more.
        let again = tuner.run(|_| Err(Error::state("test", "was tried again")))?;
        assert_eq!(again, resumed, "search {i}");
    }
    Ok(())
}

#[test]
fn more_trials_go_on_behind_the_others() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search.json");
    let tuner = Tuner::new(branin_space()).seed(1);
    tuner.clone().file(&path).trials(15).run(branin_of)?;
    let tried = AtomicUsize::new(0);
    let more = tuner.clone().file(&path).trials(30).run(|trial| {
        tried.fetch_add(1, Ordering::Relaxed);
        branin_of(trial)
    })?;
    assert_eq!(tried.into_inner(), 15);
    assert_eq!(timeless(&more), timeless(&tuner.trials(30).run(branin_of)?));
    Ok(())
}

#[test]
fn files_of_other_searches_are_refused() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("search.json");
    let tuner = Tuner::new(branin_space()).sampler(Sampler::Random).trials(3).file(&path);
    tuner.run(branin_of)?;
    let shown = path.display();
    let fails = |tuner: &Tuner, message: &str| {
        let e = tuner.clone().file(&path).run(|_| Ok(0.0)).unwrap_err();
        assert_eq!(e.message(), format!("tune: {shown}: {message}"));
    };
    let space = SearchSpace::new().float("x", -5.0, 10.0).float("y", 0.0, 16.0);
    fails(
        &Tuner::new(space).sampler(Sampler::Random).trials(3),
        "the file is of another search space: `y`: a number from 0 to 15, here `y`: a number from 0 to 16",
    );
    fails(&tuner.clone().seed(5), "the file is of another search: seed 0, here seed 5");
    fails(&tuner.clone().maximize(), "the file is of another search: minimize true, here minimize false");
    let text = std::fs::read_to_string(&path).unwrap();
    for (damaged, message) in [
        ("{}".to_string(), "not the file of a search"),
        (text.replace("\"demotic.tune\":1", "\"demotic.tune\":2"), "version 2 of the file of a search, this is 1"),
        (text.replace("\"state\":\"complete\"", "\"state\":\"asleep\""), "trial 0 of the list is damaged"),
        (text.replace("\"number\":1", "\"number\":0"), "trial 0 is there twice"),
    ] {
        std::fs::write(&path, damaged).unwrap();
        fails(&tuner, message);
    }
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    let e = tuner.run(branin_of).unwrap_err();
    assert!(e.message().starts_with(&format!("tune: {shown}: not the file of a search: EOF")), "{e}");
    let moved = text.replacen("\"x\":", "\"x\":1", 1);
    std::fs::write(&path, moved.replacen("\"x\":1-", "\"x\":-1", 1)).unwrap();
    let e = tuner.run(branin_of).unwrap_err();
    assert_eq!(e.message(), format!("tune: {shown}: trial 0 has other values than this search comes to"));
    // A file is never half written: nothing is left beside it.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    Ok(())
}

#[test]
fn failed_trials_are_recorded() -> Result<()> {
    let study = Tuner::new(branin_space()).sampler(Sampler::Random).trials(8).run(|trial| match trial.number() {
        1 => Err(Error::argument("objective", "does not like it")),
        2 => Ok(f64::NAN),
        3 => Ok(f64::INFINITY),
        4 => panic!("over {}", 4),
        _ => branin_of(trial),
    })?;
    let outcomes: Vec<&Outcome> = study.trials().iter().map(|trial| &trial.outcome).collect();
    let failed = |text: &str| Outcome::Failed(text.to_string());
    assert_eq!(*outcomes[1], failed("objective: does not like it"));
    assert_eq!(*outcomes[2], failed("the objective is NaN"));
    assert_eq!(*outcomes[3], failed("the objective is inf"));
    assert_eq!(*outcomes[4], failed("the objective panicked: over 4"));
    assert!(matches!(outcomes[5], Outcome::Complete(_)));
    let csv = study.to_csv();
    assert_eq!(csv.lines().count(), 9);
    assert!(csv.starts_with("trial,value,x,y,seconds,state\n0,"), "{csv}");
    let table = study.to_string();
    assert!(table.lines().last().unwrap().ends_with("failed: the objective panicked: over 4"), "{table}");

    let e = Tuner::new(branin_space()).trials(3).run(|_| Ok(f64::NAN)).unwrap_err();
    assert_eq!(e.message(), "Tuner: none of 3 trials was completed");
    assert_eq!(e.help(), Some("trial 0 failed: the objective is NaN"));
    Ok(())
}

#[test]
fn spaces_that_make_no_sense() {
    let fails = |space: SearchSpace, message: &str| {
        let e = Tuner::new(space).run(|_| Ok(0.0)).unwrap_err();
        assert_eq!(e.message(), format!("SearchSpace: {message}"));
    };
    let space = SearchSpace::new;
    fails(space(), "the search space has no parameters");
    fails(space().float("x", 1.0, 0.5), "parameter `x`: the lower bound 1 is above the upper bound 0.5");
    fails(space().int("n", 3, -3), "parameter `n`: the lower bound 3 is above the upper bound -3");
    fails(
        space().log_float("rate", 0.0, 0.1),
        "parameter `rate`: the range 0 to 0.1 has no logarithm, expected numbers above 0",
    );
    fails(space().log_int("n", 0, 9), "parameter `n`: the range 0 to 9 has no logarithm, expected numbers above 0");
    fails(space().float("x", f64::NAN, 1.0), "parameter `x`: the range NaN to 1 is not finite");
    let wide = format!("parameter `x`: the range {} to {} is not finite", f64::MIN, f64::MAX);
    fails(space().float("x", f64::MIN, f64::MAX), &wide);
    fails(space().categorical("kind", Vec::<&str>::new()), "parameter `kind`: there is nothing to choose from");
    fails(space().categorical("kind", ["a", "a"]), "parameter `kind`: the choice a is given twice");
    fails(space().bool("x").int("x", 0, 1), "parameter `x`: there are two of this name");
    fails(
        space().float("x", 0.0, 1.0).when("kind", ["a"]).categorical("kind", ["a"]),
        "parameter `x`: its condition is about `kind`, which does not stand before it",
    );
    fails(
        space().categorical("kind", ["a", "b"]).float("x", 0.0, 1.0).when("kind", ["c"]),
        "parameter `x`: its condition is that `kind` is c, which it cannot be",
    );
    fails(
        space().bool("on").float("x", 0.0, 1.0).when("on", Vec::<bool>::new()),
        "parameter `x`: its condition allows no value of `on`",
    );

    let tuner = || Tuner::new(branin_space());
    let fails = |tuner: Tuner, message: &str| {
        assert_eq!(tuner.run(|_| Ok(0.0)).unwrap_err().message(), message);
    };
    fails(tuner().trials(0), "Tuner: 0 trials, expected at least 1");
    fails(tuner().trials(usize::MAX), &format!("Tuner: {} trials, expected at most 1048576", usize::MAX));
    fails(tuner().round(0), "Tuner: the round is 0, expected at least 1");
    fails(tuner().workers(0), "Tuner: the number of workers is 0, expected at least 1");
    fails(tuner().sampler(Sampler::Grid(0)), "Sampler: a grid of 0 points, expected at least 1");
    fails(tuner().sampler(Sampler::Grid(300)), "Sampler: a grid of more than 65536 combinations");
    fails(tuner().hyperband(0.0, 9.0, 3.0), "Tuner: budgets from 0 to 9, expected 0 < smallest <= largest");
    fails(tuner().hyperband(1.0, f64::NAN, 3.0), "Tuner: budgets from 1 to NaN, expected 0 < smallest <= largest");
    fails(tuner().hyperband(1.0, 9.0, 1.0), "Tuner: the factor is 1, expected a number above 1");
    fails(tuner().hyperband(1e-300, 1e300, 3.0), "Tuner: more than 1048576 configurations in a bracket");
    fails(
        tuner().sampler(Sampler::LatinHypercube).hyperband(1.0, 9.0, 3.0),
        "Tuner: a Latin hypercube for Hyperband, whose brackets are several searches",
    );
    fails(tuner().pruner(Pruner::Asha { min_steps: 0, factor: 2 }), "Pruner: min_steps is 0, expected at least 1");
    fails(
        tuner().pruner(Pruner::Asha { min_steps: 1, factor: 1 }),
        "Pruner: the factor is less than 2, so that no trial would be given up",
    );
    fails(tuner().sampler(Sampler::Tpe(Tpe::new().candidates(0))), "Tpe: 0 candidates, expected 1 to 65536");
    fails(
        tuner().sampler(Sampler::Tpe(Tpe::new().prior_weight(0.0))),
        "Tpe: the weight of the prior is 0, expected a number above 0",
    );
}

#[test]
fn trials_say_what_they_do_not_have() -> Result<()> {
    let space = SearchSpace::new().log_float("rate", 0.1, 1.0).bool("on").int("n", -3, -3).when("on", [true]);
    let messages = std::sync::Mutex::new(Vec::new());
    let mut tuner = Tuner::new(space).sampler(Sampler::Grid(2)).workers(1);
    tuner = tuner.round(1);
    tuner.run(|trial| {
        let mut said = messages.lock().unwrap();
        said.push(trial.float("rat").unwrap_err().to_string());
        said.push(trial.int("rate").map(|_| ()).map_or_else(|e| e.message(), |()| "none".to_string()));
        said.push(trial.size("n").map(|_| ()).map_or_else(|e| e.message(), |()| "none".to_string()));
        said.push(trial.report(1, f64::NAN).unwrap_err().message());
        trial.report(2, 1.0)?;
        said.push(trial.report(2, 1.0).unwrap_err().message());
        Ok(0.0)
    })?;
    let said = messages.into_inner().unwrap();
    assert!(
        said[0].contains("Trial: there is no parameter `rat`") && said[0].contains("did you mean `rate`?"),
        "{}",
        said[0]
    );
    assert_eq!(said[1], "Trial: parameter `rate` is 0.1, which is not a whole number");
    assert_eq!(said[2], "Trial: parameter `n` does not exist in this trial");
    assert_eq!(said[3], "Trial: the value reported at step 1 is NaN");
    assert_eq!(said[4], "Trial: a report of step 2 after one of step 2");
    assert_eq!(said[7], "Trial: parameter `n` is -3, which is not a size");
    Ok(())
}

#[test]
fn samplers_cover_their_space() -> Result<()> {
    // A grid: three kinds of x for a, and of n for b, with and without the rate.
    let grid = Tuner::new(conditional_space()).sampler(Sampler::Grid(3)).run(conditional_of)?;
    assert_eq!(grid.trials().len(), 2 * 3 * (1 + 3));
    let numbers: Vec<&Value> = grid.trials().iter().filter_map(|trial| trial.get("n")).collect();
    assert!(numbers.iter().all(|n| [1, 32, 1000].map(Value::Int).contains(n)), "{numbers:?}");
    // A Latin hypercube: one value in each part.
    let n = 16;
    let space = SearchSpace::new().log_float("rate", 1e-4, 1.0).int("k", 1, 4).categorical("c", ["x", "y"]);
    let study = Tuner::new(space).sampler(Sampler::LatinHypercube).trials(n).run(|trial| trial.float("rate"))?;
    let mut parts: Vec<usize> = Vec::new();
    let mut counts = [[0; 4]; 2];
    for trial in study.trials() {
        let Some(Value::Float(rate)) = trial.get("rate") else { panic!("no rate") };
        parts.push(((rate.log10() + 4.0) / 4.0 * n as f64) as usize);
        let Some(Value::Int(k)) = trial.get("k") else { panic!("no k") };
        counts[0][*k as usize - 1] += 1;
        counts[1][usize::from(trial.get("c") == Some(&"y".into()))] += 1;
    }
    parts.sort_unstable();
    assert_eq!(parts, (0..n).collect::<Vec<_>>());
    assert_eq!(counts, [[4; 4], [8, 8, 0, 0]]);
    // At random: logarithmic values are as likely in each order of magnitude, and parameters without their condition are not there.
    let study = Tuner::new(conditional_space()).sampler(Sampler::Random).trials(600).run(conditional_of)?;
    let small = study.trials().iter().filter_map(|trial| trial.get("rate"));
    let small: Vec<bool> = small.map(|rate| matches!(rate, Value::Float(rate) if *rate < 1e-3)).collect();
    assert!((small.len() as f64 - 300.0).abs() < 60.0);
    assert!((small.iter().filter(|small| **small).count() as f64 / small.len() as f64 - 0.5).abs() < 0.1);
    for trial in study.trials() {
        assert_eq!(trial.get("x").is_some(), trial.get("kind") == Some(&"a".into()));
        assert_eq!(trial.get("rate").is_some(), trial.get("extra") == Some(&true.into()));
    }
    // The estimator finds its way through conditions, choices and whole numbers.
    let best = Tuner::new(conditional_space()).trials(80).run(conditional_of)?;
    assert!(best.best().value().unwrap() < 0.15, "{}", best.best().value().unwrap());
    assert_eq!(best.best().get("kind"), Some(&"b".into()));
    let progress = best.progress();
    assert!(progress.windows(2).all(|pair| pair[1].1 <= pair[0].1) && progress.len() == 80);
    Ok(())
}

fn fold_list(k: usize, n: usize) -> Vec<Fold> {
    KFold::new(k).split(n).unwrap().collect()
}

#[test]
fn folds_are_validated_side_by_side() -> Result<()> {
    let score = |fold: &Fold, rng: &mut Rng| Ok([("mean", fold.test[0] as f64), ("drawn", rng.uniform())]);
    let run = || cross_validate(fold_list(4, 8), &mut Rng::seed(3), score);
    let one = demotic::parallel::with_threads(1, run)??;
    assert_eq!(one, demotic::parallel::with_threads(3, run)??);
    let mean = one.get("mean").unwrap();
    assert_eq!((mean.folds.as_slice(), mean.mean()), (&[0.0, 2.0, 4.0, 6.0][..], 3.0));
    assert!((mean.deviation() - (20.0f64 / 3.0).sqrt()).abs() < 1e-12);
    let table = one.to_string();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows[0], "         mean  deviation  fold 1  fold 2  fold 3  fold 4");
    assert_eq!(rows[1], " mean       3     2.5820       0       2       4       6");

    let e = cross_validate(Vec::new(), &mut Rng::seed(0), |_, _| Ok(0.0)).unwrap_err();
    assert_eq!(e.message(), "cross_validate: there are no folds");
    let e = cross_validate(fold_list(2, 4), &mut Rng::seed(0), |fold, _| Ok(0.0 / fold.test[0] as f64)).unwrap_err();
    assert_eq!(e.message(), "cross_validate: `score` is NaN in fold 1");
    let failing = |_: &Fold, _: &mut Rng| Err::<f64, _>(Error::state("objective", "cannot"));
    let e = cross_validate(fold_list(2, 4), &mut Rng::seed(0), failing).unwrap_err();
    assert!(e.to_string().contains("fold 1 of cross_validate"), "{e}");
    let e = cross_validate(fold_list(2, 4), &mut Rng::seed(0), |fold, _| {
        Ok(if fold.test[0] == 0 { vec![("a".to_string(), 1.0)] } else { Vec::new() })
    });
    assert_eq!(e.unwrap_err().message(), "cross_validate: the scores of fold 2 are others than those of fold 1");

    let e = check_classes(&fold_list(3, 6), &[0, 0, 1, 0, 1, 1]).unwrap_err();
    assert_eq!(e.message(), "check_classes: class 1 is in no test row of fold 1");
    let e = check_classes(&fold_list(2, 2), &[0, 1]).unwrap_err();
    assert_eq!(e.message(), "check_classes: class 0 is in no training row of fold 1");
    let e = check_classes(&fold_list(2, 4), &[0, 1]).unwrap_err();
    assert_eq!(e.message(), "check_classes: fold 1 has row 2, there are labels of 2");
    Ok(())
}

#[test]
fn inner_folds_never_see_the_outer_test_rows() -> Result<()> {
    let outer = fold_list(3, 12);
    let tuner = Tuner::new(SearchSpace::new().float("x", 0.0, 1.0)).sampler(Sampler::Random).trials(6);
    let seen = std::sync::Mutex::new(Vec::new());
    let nested = nested_cross_validate(
        &outer,
        |rows| KFold::new(2).split(rows.len()),
        &tuner,
        |trial, fold| {
            seen.lock().unwrap().push(fold.clone());
            Ok((trial.float("x")? - 0.5).abs())
        },
    )?;
    assert_eq!((nested.scores.folds.len(), nested.chosen.len()), (3, 3));
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 3 * (6 * 2 + 1));
    for (i, folds) in seen.chunks(13).enumerate() {
        let (inner, last) = folds.split_at(12);
        assert_eq!(last[0], outer[i]);
        for fold in inner {
            let mut rows = [&fold.train[..], &fold.test[..]].concat();
            rows.sort_unstable();
            assert_eq!(rows, outer[i].train);
        }
    }
    // The value of the chosen trial is the smallest, and that of the outer fold is its own.
    assert_eq!(nested.chosen[0].value().unwrap(), nested.scores.folds[0]);
    assert_ne!(nested.chosen[0].values, nested.chosen[1].values);
    let e = nested_cross_validate(&outer, |_| Ok(fold_list(2, 12)), &tuner, |_, _| Ok(0.0)).unwrap_err();
    assert_eq!(e.message(), "nested_cross_validate: an inner fold has place 8, there are 8 rows");
    Ok(())
}

#[test]
fn curves_over_rows_and_values() -> Result<()> {
    let sizes = std::sync::Mutex::new(Vec::new());
    let curve = learning_curve(fold_list(2, 20), &[0.2, 1.0], &mut Rng::seed(1), |fold, _| {
        sizes.lock().unwrap().push((fold.test[0], fold.train.clone()));
        Ok((fold.train.len() as f64, fold.test.len() as f64))
    })?;
    assert_eq!((curve.at.as_slice(), curve.train[0].mean(), curve.test[1].mean()), (&[2.0, 10.0][..], 2.0, 10.0));
    let sizes = sizes.into_inner().unwrap();
    let of = |test: usize, len: usize| &sizes.iter().find(|(t, rows)| *t == test && rows.len() == len).unwrap().1;
    assert!(of(0, 2).iter().all(|row| of(0, 10).contains(row)) && of(0, 10).iter().all(|row| *row >= 10));
    assert_eq!(curve.to_csv().lines().nth(1), Some("2,1,2,10"));
    let fails = |shares: &[f64], message: &str| {
        let e = learning_curve(fold_list(2, 4), shares, &mut Rng::seed(0), |_, _| Ok((0.0, 0.0))).unwrap_err();
        assert_eq!(e.message(), format!("learning_curve: {message}"));
    };
    fails(&[], "there are no shares");
    fails(&[1.5], "a share of 1.5, expected a number above 0 and at most 1");
    fails(&[0.1], "a share of 0.1 of the 2 rows of fold 1 is none");
    let e = validation_curve("width", &[1.0], fold_list(2, 4), &mut Rng::seed(0), |_, _, _| Ok((0.0, f64::NAN)));
    assert_eq!(e.unwrap_err().message(), "validation_curve: a score at 1 is NaN in fold 1");
    let drawn = validation_curve("width", &[1.0, 2.0], fold_list(2, 4), &mut Rng::seed(0), |_, _, rng| {
        Ok((0.0, rng.uniform()))
    })?;
    assert_eq!(drawn.test[0], drawn.test[1]);
    Ok(())
}

#[test]
fn searches_and_curves_have_pictures() -> Result<()> {
    let study = Tuner::new(conditional_space()).sampler(Sampler::Random).trials(30).run(conditional_of)?;
    let svg = study.parallel_coordinates().to_svg()?;
    for text in ["kind", ">rate<", ">(log)<", "extra", "value", "true", ">b<"] {
        assert!(svg.contains(text), "{text} is missing");
    }
    assert!(study.chart().to_svg()?.contains("best so far"));
    let curve = validation_curve("width", &[1.0, 2.0], fold_list(2, 4), &mut Rng::seed(0), |x, _, _| Ok((x, x / 2.0)))?;
    assert!(curve.chart().to_svg()?.contains("test, each fold"));
    // Odd lines: too short, NaN, beyond the axis, one axis, none.
    use demotic::train::plot::ParallelCoordinates;
    let odd = ParallelCoordinates::new("").axis("a", true).categories("b", Vec::<String>::new());
    odd.line([], f64::NAN)
        .line([Some(f64::NAN), Some(1e300)], 7.0)
        .line([Some(-1.0), None, Some(2.0)], -1.0)
        .to_png()?;
    ParallelCoordinates::new("nothing").to_svg()?;
    Ok(())
}
