//! Groups of cases in processes with a limit.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Tells the process which group it is there for.
const GROUP: &str = "DEMOTIC_LIMITS_GROUP";

/// The limit, in KiB.
#[cfg(unix)]
const ADDRESS_SPACE: usize = 4 << 20;

/// How long one case may take, on a slow and busy machine in a debug build.
const SECONDS_OF_A_CASE: u64 = 60;
const SECONDS_OF_A_GROUP: u64 = 300;

/// Runs the cases of a group one after the other.
#[derive(Default)]
pub(super) struct Cases {
    count: usize,
    failed: Vec<String>,
}

impl Cases {
    /// Runs one case, which must end soon, without a panic. What it returns does not matter.
    pub(crate) fn run<R>(&mut self, name: impl Display, case: impl FnOnce() -> R) {
        self.count += 1;
        // Where the process ends, this is the last line.
        eprintln!("case: {name}");
        let start = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| drop(case()))).is_err() {
            self.failed.push(format!("{name}: panicked"));
        }
        if start.elapsed() > Duration::from_secs(SECONDS_OF_A_CASE) {
            self.failed.push(format!("{name}: took {:?}", start.elapsed()));
        }
    }
}

/// Runs `cases` in a process of its own, by calling the test `path` (`module::function` of this folder) there.
pub(super) fn limited(path: &str, cases: fn(&mut Cases)) {
    if std::env::var(GROUP).is_ok_and(|group| group == path) {
        let mut group = Cases::default();
        cases(&mut group);
        assert!(group.count > 0, "no cases");
        assert!(group.failed.is_empty(), "{}", group.failed.join("\n"));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (out, log) = (folder.path().join("out"), folder.path().join("log"));
    let file = |path| Stdio::from(std::fs::File::create(path).unwrap());
    let mut child = program()
        .args([&format!("limits::{path}"), "--exact", "--nocapture", "--test-threads=1"])
        .env(GROUP, path)
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&log))
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if start.elapsed() > Duration::from_secs(SECONDS_OF_A_GROUP) {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let log = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    let out = std::fs::read_to_string(out).unwrap();
    let end: Vec<&str> = log.lines().rev().take(60).collect();
    let end = end.into_iter().rev().collect::<Vec<_>>().join("\n");
    match status {
        Some(status) if status.success() => assert!(out.contains("1 passed"), "{path} is no test: {out}"),
        Some(status) => panic!("{path} ended with {status} after\n{end}"),
        None => panic!("{path} did not end:\n{end}"),
    }
}

/// This program, with a limit where there is a shell that can set one.
fn program() -> Command {
    let this = std::env::current_exe().unwrap();
    #[cfg(unix)]
    {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\"")).arg(this);
        command
    }
    #[cfg(not(unix))]
    Command::new(this)
}
