//! What needs a process of its own: kills, Ctrl-C, output.
//!
//! Each test starts this very program again, for one of its tests alone, with a role in the environment.
#![cfg(unix)]

use std::fs;
use std::io::{BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output};
use std::time::Duration;

use crate::roles::{self, role, wait_for};

use demotic::io::{Checkpoint, CheckpointFolder, write_atomically};
use demotic::prelude::*;
use demotic::train::{Ended, StopHandle};

/// Starts the test `test` of this file in a role.
fn command(program: Command, test: &str, role: &str, folder: &Path) -> Command {
    roles::command(program, &format!("processes::{test}"), role, folder)
}

fn start(test: &str, role: &str, folder: &Path) -> Child {
    command(Command::new(std::env::current_exe().unwrap()), test, role, folder).spawn().unwrap()
}

/// A run of 40 steps, ten in an epoch, with dropout and momentum: everything that a checkpoint has to know.
fn trainer<'a>() -> Trainer<'a> {
    Trainer::new(losses::mse, Sgd::new(0.01).momentum(0.9)).batch_size(4).epochs(4)
}

fn parts() -> Result<(impl Layer + 'static, TensorDataset, Rng)> {
    let mut rng = Rng::seed(7);
    let x = Tensor::normal([40, 3], 0.0, 1.0, &mut rng)?;
    let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    let model = sequential![Linear::new(3, 8, &mut rng)?, Dropout::new(0.2)?, Linear::new(8, 1, &mut rng)?];
    Ok((model, data, rng))
}

fn weights(model: &impl Module) -> Vec<Vec<f32>> {
    model.named_parameters().iter().map(|(_, value)| value.to_vec().unwrap()).collect()
}

fn leftovers(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".tmp")).collect()
}

/// Whatever was being written when a process was killed is gone after the next save, or when the folder is opened; what
/// another process is writing is not.
#[test]
fn what_killed_saves_leave_behind_is_removed() {
    if let Some((role, folder)) = role() {
        write_atomically(folder.join(role), |out| {
            out.write_all(&vec![1; 100_000])?;
            println!("writing");
            let mut word = [0; 2];
            std::io::stdin().read_exact(&mut word)?;
            out.write_all(b"end")
        })
        .unwrap();
        return;
    }
    let test = "what_killed_saves_leave_behind_is_removed";
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let begin = |name: &str| {
        let mut child = start(test, name, folder);
        let mut out = BufReader::new(child.stdout.take().unwrap());
        wait_for(&mut out, "writing");
        (child, out)
    };
    // Names that are not ours, or not files, are nobody's business here.
    let others = [".demotic-1-2.tmp.txt", ".demotic-a-1.tmp", "demotic-1-2.tmp", ".demotic-1-.tmp", ".demotic-12.tmp"];
    others.iter().for_each(|name| fs::write(folder.join(name), "mine").unwrap());
    fs::create_dir(folder.join(".demotic-1-2.tmp")).unwrap();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.join(".demotic-3-4.tmp")).unwrap();
    let foreign = leftovers(folder).len();

    let checkpoints = CheckpointFolder::new(folder);
    let table = Table::from_csv_reader("a,b\n1,2\n".as_bytes(), &Default::default()).unwrap();
    let actions: [&dyn Fn(); 6] = [
        &|| write_atomically(folder.join("other"), |out| out.write_all(b"x")).unwrap(),
        &|| Checkpoint::new().counter("n", 1).save(folder.join("x.ckpt")).unwrap(),
        &|| drop(checkpoints.latest().unwrap()),
        &|| drop(checkpoints.list().unwrap()),
        &|| drop(checkpoints.save(3, &Checkpoint::new()).unwrap()),
        &|| table.write_csv(folder.join("t.csv")).unwrap(),
    ];
    for (i, action) in actions.iter().enumerate() {
        let (mut live, mut out) = begin(&format!("live-{i}"));
        // Both at the same time: each would remove what the other has left.
        for (mut child, _out) in [begin("killed"), begin("killed")] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(leftovers(folder).len(), foreign + 3, "nothing is left behind to remove");
        action();
        assert_eq!(leftovers(folder).len(), foreign + 1, "action {i}");
        // The one that lives was not disturbed.
        live.stdin.take().unwrap().write_all(b"go").unwrap();
        wait_for(&mut out, "1 passed");
        assert!(live.wait().unwrap().success());
        let written = fs::read(folder.join(format!("live-{i}"))).unwrap();
        assert_eq!((written.len(), &written[100_000..]), (100_003, &b"end"[..]));
        assert_eq!(leftovers(folder).len(), foreign);
    }
    assert!(!folder.join("killed").exists());
    assert!(elsewhere.path().exists() && others.iter().all(|name| fs::read(folder.join(name)).unwrap() == b"mine"));
}

/// Many that write into one folder at the same time, and sweep it, take nothing from each other.
#[test]
fn many_writers_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let folder = folder.path();
            scope.spawn(move || {
                for i in 0..100 {
                    let path = folder.join(format!("{thread}"));
                    let text = format!("{thread} {i}");
                    write_atomically(&path, |out| out.write_all(text.as_bytes())).unwrap();
                    assert_eq!(fs::read_to_string(&path).unwrap(), text);
                }
            });
        }
    });
    assert_eq!(leftovers(folder.path()), Vec::<String>::new());
}

/// A handle ends a run in the middle of an epoch, and the run that goes on from there is the one that was never ended.
#[test]
fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() -> Result<()> {
    let (mut whole, data, mut rng) = parts()?;
    let history = trainer().fit(&mut whole, &data, &mut rng)?;
    for at in [1, 7, 10, 13, 39, 40] {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = CheckpointFolder::new(folder.path());
        let stop = StopHandle::new();
        let button = stop.clone();
        let stopper = move |model: &mut _, data: &TensorDataset, rng: &mut Rng, button: StopHandle| {
            trainer()
                .checkpoints(CheckpointFolder::new(folder.path()))
                .stop_handle(stop.clone())
                .after_epoch(|_, _| Ok(ControlFlow::Continue(())))
                .every(at, move |_, _: &Sequential| {
                    button.stop();
                    Ok(ControlFlow::Continue(()))
                })
                .fit(model, data, rng)
                .map(|history| (history, folder, stop.clone()))
        };
        let (mut model, _, mut rng) = parts()?;
        let (stopped, _folder, stop) = stopper(&mut model, &data, &mut rng, button)?;
        let ended = if at == 40 { Ended::Finished } else { Ended::Interrupted };
        assert_eq!((stopped.ended, stopped.steps, stopped.kept_step), (ended, at, at));
        assert_eq!(stopped.epochs.len() as u64, at / 10);
        let latest = checkpoints.latest()?.unwrap();
        assert_eq!(Checkpoint::load(&latest)?.get_counter("trainer.step")?, at);

        // What has stopped once does not begin again.
        let (mut model, _, mut rng) = parts()?;
        let again = trainer().stop_handle(stop).resume(&latest).fit(&mut model, &data, &mut rng)?;
        assert_eq!((again.ended, again.steps), (ended, at));
        let (mut model, _, mut rng) = parts()?;
        let mut resumed = trainer().resume(&latest).fit(&mut model, &data, &mut rng)?;
        assert_eq!(weights(&model), weights(&whole), "stopped at {at}");
        resumed.epochs.iter_mut().zip(&history.epochs).for_each(|(epoch, other)| epoch.seconds = other.seconds);
        assert_eq!(resumed, history);
    }
    Ok(())
}

/// Lines of a run on what is no terminal.
#[test]
fn a_trainer_speaks_in_lines() -> Result<()> {
    if let Some((role, _)) = role() {
        let (mut model, data, mut rng) = parts()?;
        let trainer = match role.as_str() {
            "epochs" => trainer().validation(&data).metric("rmse", metrics::rmse),
            "many" => trainer().epochs(250),
            "steps" => trainer().max_steps(40),
            "measured" => trainer().max_steps(30).validation(&data).evaluate_every(15),
            _ => trainer(),
        };
        let mut trainer = if role == "silent" { trainer } else { trainer.progress() };
        return trainer.fit(&mut model, &data, &mut rng).map(drop);
    }
    let lines = |role: &str| {
        let child = start("a_trainer_speaks_in_lines", role, Path::new("."));
        let Output { stderr, status, .. } = child.wait_with_output().unwrap();
        assert!(status.success());
        String::from_utf8(stderr).unwrap().lines().map(String::from).collect::<Vec<_>>()
    };
    // Without the numbers.
    let words = |line: &str| {
        let word = |word: &str| if word.parse::<f64>().is_ok() { "#".to_string() } else { word.to_string() };
        line.split_inclusive([' ', ',', '/', '[', ':'])
            .map(|part| {
                let (text, end) = part.split_at(part.len() - part.ends_with([' ', ',', '/', '[', ':']) as usize);
                word(text) + end
            })
            .collect::<String>()
    };
    assert_eq!(lines("silent"), Vec::<String>::new());
    let epochs = lines("epochs");
    assert_eq!(epochs.len(), 4);
    for (line, i) in epochs.iter().zip(1..) {
        assert!(line.starts_with(&format!("epoch {i}/4: loss ")), "{line}");
        assert_eq!(words(line), "epoch #/#: loss #, validation #, rmse # [# s]");
    }
    let many = lines("many");
    assert_eq!(many.len(), 85, "of 250 epochs the first, every third, and the last");
    assert!(many[0].starts_with("epoch   1/250: ") && many[84].starts_with("epoch 250/250: "), "{many:?}");
    let steps = lines("steps");
    assert_eq!(steps.len(), 20);
    assert!(steps[0].starts_with("step  2/40: loss ") && steps[19].starts_with("step 40/40: loss "), "{steps:?}");
    assert_eq!(words(&steps[19]), "step #/#: loss # (mean of # steps) [# s, # examples/s]");
    let measured = lines("measured");
    assert_eq!(measured.len(), 2);
    assert_eq!(words(&measured[1]), "step #/#: loss # (mean of # steps), validation # [# s]");
    assert!(measured[1].contains("step 30/30") && measured[1].contains("mean of 15 steps"), "{measured:?}");
    Ok(())
}

#[cfg(all(target_os = "linux", feature = "interrupt"))]
mod ctrl_c {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    const SIGINT: i32 = 2;

    /// The roles: a run with a step that takes its time, with or without checkpoints, one whose steps do not end, and one that
    /// waits when it is over.
    fn child(role: &str, folder: &Path) -> Result<()> {
        let (mut model, data, mut rng) = parts()?;
        let pause = Duration::from_millis(if role == "stuck" { 60_000 } else { 20 });
        let trainer = trainer().progress().every(1, move |report, _: &Sequential| {
            println!("step {}", report.step);
            std::thread::sleep(pause);
            Ok(ControlFlow::Continue(()))
        });
        let mut trainer = match role {
            "plain" => trainer,
            "over" => trainer.epochs(1).checkpoints(CheckpointFolder::new(folder)),
            _ => trainer.checkpoints(CheckpointFolder::new(folder)).checkpoint_every(1000),
        };
        let history = trainer.fit(&mut model, &data, &mut rng)?;
        println!("ended {:?} {} {}", history.ended, history.steps, history.summary());
        if role == "over" {
            std::thread::sleep(Duration::from_secs(60));
        }
        Ok(())
    }

    fn interrupt(child: &Child) {
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Starts a role with the signal as the system has it, or ignored, whatever the shell did that runs the tests.
    fn begin(test: &str, role: &str, folder: &Path, option: &str) -> (Child, BufReader<ChildStdout>) {
        let mut env = Command::new("env");
        env.arg(option).arg(std::env::current_exe().unwrap());
        let mut child = command(env, test, role, folder).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        (child, out)
    }

    const DEFAULT: &str = "--default-signal=INT";

    #[test]
    fn saves_and_returns() -> Result<()> {
        if let Some((role, folder)) = role() {
            return child(&role, &folder);
        }
        let folder = tempfile::tempdir().unwrap();
        let (mut run, mut out) = begin("ctrl_c::saves_and_returns", "run", folder.path(), DEFAULT);
        wait_for(&mut out, "step 13");
        interrupt(&run);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let mut said = String::new();
        run.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(run.wait().unwrap().success(), "{rest}{said}");
        let latest = CheckpointFolder::new(folder.path()).latest()?.unwrap();
        let step = Checkpoint::load(&latest)?.get_counter("trainer.step")?;
        assert!((13..40).contains(&step), "{step}");
        assert!(
            rest.contains(&format!("ended Interrupted {step} {step} steps (interrupted)"))
                || rest.contains(&format!("ended Interrupted {step} 1 epoch (interrupted)")),
            "{rest}"
        );
        let message = format!("interrupted after step {step}; resume(\"{}\") goes on from there", latest.display());
        assert!(said.contains(&message), "{said}");

        // Nothing was lost.
        let (mut whole, data, mut rng) = parts()?;
        trainer().fit(&mut whole, &data, &mut rng)?;
        let (mut model, _, mut rng) = parts()?;
        let history = trainer().resume(folder.path()).checkpoint_every(1000).fit(&mut model, &data, &mut rng)?;
        assert_eq!((history.ended, history.steps), (Ended::Finished, 40));
        assert_eq!(weights(&model), weights(&whole));
        Ok(())
    }

    #[test]
    fn has_its_usual_effect_the_second_time_and_outside_of_a_run() -> Result<()> {
        if let Some((role, folder)) = role() {
            return child(&role, &folder);
        }
        let test = "ctrl_c::has_its_usual_effect_the_second_time_and_outside_of_a_run";
        for (role, word, times) in [("stuck", "step 1", 2), ("over", "ended Finished", 1), ("plain", "step 2", 1)] {
            let folder = tempfile::tempdir().unwrap();
            let (mut run, mut out) = begin(test, role, folder.path(), DEFAULT);
            wait_for(&mut out, word);
            if times == 2 {
                interrupt(&run);
                std::thread::sleep(Duration::from_millis(300));
                assert!(run.try_wait().unwrap().is_none(), "{role}: the first one has ended the process");
            }
            interrupt(&run);
            assert_eq!(run.wait().unwrap().signal(), Some(SIGINT), "{role}");
        }
        Ok(())
    }

    /// As under `nohup`, or in the background of a script.
    #[test]
    fn is_ignored_where_the_program_ignores_it() -> Result<()> {
        if let Some((role, folder)) = role() {
            return child(&role, &folder);
        }
        let folder = tempfile::tempdir().unwrap();
        let test = "ctrl_c::is_ignored_where_the_program_ignores_it";
        let (mut run, mut out) = begin(test, "run", folder.path(), "--ignore-signal=INT");
        wait_for(&mut out, "step 3");
        interrupt(&run);
        interrupt(&run);
        wait_for(&mut out, "ended Finished 40");
        assert!(run.wait().unwrap().success());
        Ok(())
    }
}
