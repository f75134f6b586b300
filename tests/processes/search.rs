//! Searches that are killed.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use demotic::prelude::*;
use demotic::tune::{SearchSpace, Study, Trial, Tuner};

use crate::roles::{command, role, wait_for};

fn objective(trial: &Trial<'_>) -> Result<f64> {
    let x = trial.float("x")?;
    for step in 1..4 {
        std::thread::sleep(Duration::from_millis(1));
        trial.report(step, x / step as f64)?;
    }
    Ok((x - 0.3).powi(2) + f64::from(u8::from(trial.bool("worse")?)))
}

fn search(file: Option<&Path>) -> Result<Study> {
    let space = SearchSpace::new().float("x", 0.0, 1.0).bool("worse");
    let tuner = Tuner::new(space).trials(60).round(3).workers(2);
    match file {
        Some(file) => tuner.file(file).run(objective),
        None => tuner.run(objective),
    }
}

/// Killed at moments that have nothing to do with what is being done, some of them while its file is written, a search goes on behind the
/// trials that had ended, and comes to those of one that nobody killed.
#[test]
fn a_search_that_is_killed_goes_on() {
    if let Some((_, folder)) = role() {
        println!("begun");
        search(Some(&folder.join("search.json"))).unwrap();
        println!("ended");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "search::a_search_that_is_killed_goes_on";
    let (mut rng, mut kills) = (Rng::seed(9), 0);
    for _ in 0..200 {
        let program = Command::new(std::env::current_exe().unwrap());
        let mut child = command(program, test, "search", folder.path()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        wait_for(&mut out, "begun");
        std::thread::sleep(Duration::from_micros(rng.below(25_000) as u64));
        child.kill().unwrap();
        let ended = out.lines().any(|line| line.unwrap().contains("ended"));
        child.wait().unwrap();
        kills += i32::from(!ended);
        if ended {
            break;
        }
    }
    assert!(kills >= 5, "it was killed {kills} times");
    let (whole, resumed) = (search(None).unwrap(), search(Some(&folder.path().join("search.json"))).unwrap());
    assert_eq!(whole.trials().len(), 60);
    for (a, b) in whole.trials().iter().zip(resumed.trials()) {
        assert_eq!((&a.values, &a.outcome, &a.reports), (&b.values, &b.outcome, &b.reports));
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["search.json"]);
}
