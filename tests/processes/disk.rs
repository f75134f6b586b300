//! Disks without room, and folders that nothing may be written into: an error, what was there before is whole, and nothing is left behind.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use demotic::io::{Checkpoint, CheckpointFolder};
use demotic::prelude::*;
use demotic::train::tensorboard::{EventWriter, read_events};
use demotic::train::{Histogram, HistoryFile, TensorBoard};

use crate::roles::{self, role};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn data() -> Result<TensorDataset> {
    let x = Tensor::normal([40, 8], 0.0, 1.0, &mut Rng::seed(1))?;
    TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)
}

fn model(width: usize) -> Result<Sequential> {
    let mut rng = Rng::seed(2);
    Ok(sequential![Linear::new(8, width, &mut rng)?, Tanh, Linear::new(width, 1, &mut rng)?])
}

fn trainer<'d>() -> Trainer<'d> {
    Trainer::new(losses::mse, Adam::new(0.01)).batch_size(10).epochs(2)
}

/// What a child in a role says on its standard output.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The role of a child that may not write as much as it wants.
fn without_room(role: &str, folder: &Path) -> Result<()> {
    let (data, mut rng) = (data()?, Rng::seed(3));
    let e = match role {
        "checkpoint" => {
            let trainer = trainer().checkpoints(CheckpointFolder::new(folder.join("run")));
            { trainer }.fit(&mut model(20_000)?, &data, &mut rng).map(drop)
        }
        "history" => {
            let trainer = trainer().epochs(100_000).batch_size(40).callback(HistoryFile::csv(folder.join("a.csv")));
            { trainer }.fit(&mut model(2)?, &data, &mut rng).map(drop)
        }
        "events" => {
            let board = TensorBoard::new(folder.join("events"))?;
            let mut trainer = trainer().epochs(100_000).batch_size(40).callback(board);
            trainer.fit(&mut model(2)?, &data, &mut rng).map(drop)
        }
        _ => {
            let log = EventWriter::create(folder.join("events"))?;
            let histogram = Histogram::of(&tensor![1.0, 2.0, 3.0]);
            (0..100_000).try_for_each(|step| log.histogram("h", step, &histogram))
        }
    };
    println!("said: {}", e.unwrap_err().message());
    Ok(())
}

#[test]
fn a_disk_without_room_is_an_error_and_what_was_there_stays() -> Result<()> {
    if let Some((role, folder)) = role() {
        return without_room(&role, &folder);
    }
    let run = |role: &str, folder: &Path| {
        // No file may become longer than 128 or 256 KiB, whichever shell it is; the signal that comes with it is ignored, as it does not come
        // from a disk that is full.
        let mut shell = Command::new("env");
        shell.args(["--ignore-signal=XFSZ", "sh", "-c", "ulimit -f 256; exec \"$@\"", "sh"]);
        shell.arg(std::env::current_exe().unwrap());
        let test = "disk::a_disk_without_room_is_an_error_and_what_was_there_stays";
        let text = said(&roles::command(shell, test, role, folder).output().unwrap());
        text.lines().find_map(|line| line.split_once("said: ").map(|(_, said)| said.to_string())).unwrap()
    };
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();

    // A checkpoint that is there, and one of the next step that is too long.
    let checkpoints = CheckpointFolder::new(folder.join("run"));
    let old = checkpoints.save(1, &Checkpoint::new().counter("n", 7))?;
    let whole = fs::read(&old).unwrap();
    let message = run("checkpoint", folder);
    let path = folder.join("run/step-000000004.ckpt");
    assert_eq!(message, format!("save: {}: File too large (os error 27)", path.display()));
    assert_eq!(fs::read(&old).unwrap(), whole);
    assert_eq!(names(&folder.join("run")), ["step-000000001.ckpt"]);

    // A history that grows ends with a whole line.
    let message = run("history", folder);
    assert_eq!(message, format!("HistoryFile: {}: File too large (os error 27)", folder.join("a.csv").display()));
    let text = fs::read_to_string(folder.join("a.csv")).unwrap();
    assert!(text.ends_with('\n') && text.len() > 100_000, "{} bytes", text.len());
    let table = Table::read_csv(folder.join("a.csv"))?;
    assert_eq!(table.shape().0, text.lines().count() - 1);

    // Events end with a whole one.
    for role in ["events", "writer"] {
        let message = run(role, folder);
        assert!(
            message.starts_with("EventWriter: ") && message.ends_with(": File too large (os error 27)"),
            "{message}"
        );
        let [name] = &names(&folder.join("events"))[..] else { panic!() };
        let path = folder.join("events").join(name);
        let events = read_events(&path)?;
        let last = events.last().unwrap().step;
        assert!(events.len() > 100 && last > 100, "{role}: {} events", events.len());
        // All of the file is read: nothing follows the last whole one.
        let len = fs::metadata(&path).unwrap().len();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
        assert!(read_events(&path)?.len() < events.len(), "{role}");
        fs::remove_dir_all(folder.join("events")).unwrap();
    }
    assert_eq!(names(folder), ["a.csv", "run"]);
    Ok(())
}

fn read_only(folder: &Path) -> Result<()> {
    let (data, mut rng) = (data()?, Rng::seed(3));
    let mut fails = |trainer: Trainer| { trainer }.fit(&mut model(2)?, &data, &mut rng).map(drop);
    let said = [
        fails(trainer().checkpoints(CheckpointFolder::new(folder))),
        fails(trainer().checkpoints(CheckpointFolder::new(folder.join("new")))),
        fails(trainer().callback(HistoryFile::csv(folder.join("a.csv")))),
        EventWriter::create(folder).map(drop),
        EventWriter::create(folder.join("new")).map(drop),
    ];
    for said in said {
        println!("said: {}", said.unwrap_err().message());
    }
    Ok(())
}

#[test]
fn a_folder_that_is_read_only_is_an_error_and_nothing_is_left_behind() -> Result<()> {
    if let Some((_, folder)) = role() {
        return read_only(&folder);
    }
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("read-only");
    let program = temporary.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let old = CheckpointFolder::new(&folder).save(1, &Checkpoint::new().counter("n", 7))?;
    let whole = fs::read(&old).unwrap();
    for (path, mode) in [(temporary.path(), 0o755), (&folder, 0o555), (&program, 0o755)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let test = "disk::a_folder_that_is_read_only_is_an_error_and_nothing_is_left_behind";
    let mut command = roles::command(Command::new(&program), test, "run", &folder);
    // Permissions are nothing to the administrator: somebody else has to try.
    if fs::metadata(&folder).unwrap().uid() == 0 {
        command.uid(65534).gid(65534).current_dir("/");
    }
    let text = said(&command.output().unwrap());
    let said: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once("said: ")?.1)).collect();
    let denied = |op: &str, path: PathBuf| format!("{op}: {}: Permission denied (os error 13)", path.display());
    assert_eq!(said.len(), 5, "{text}");
    assert_eq!(said[0], denied("save", folder.join("step-000000004.ckpt")));
    assert_eq!(said[1], denied("save", folder.join("new")));
    assert_eq!(said[2], denied("write_atomically", folder.join("a.csv")));
    for (said, folder) in [(said[3], folder.clone()), (said[4], folder.join("new"))] {
        let begins = format!("EventWriter: {}/events.out.tfevents.", folder.display());
        assert!(said.starts_with(&begins) && said.ends_with(": Permission denied (os error 13)"), "{said}");
    }
    assert_eq!(names(&folder), ["step-000000001.ckpt"]);
    assert_eq!(fs::read(&old).unwrap(), whole);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    Ok(())
}
