//! Tests that start this very program again, for one of its tests alone, with a role in the environment.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

const ROLE: &str = "DEMOTIC_TEST_ROLE";
const FOLDER: &str = "DEMOTIC_TEST_FOLDER";

/// The role of this process and its folder, if it is one of those that a test started.
pub(crate) fn role() -> Option<(String, PathBuf)> {
    Some((std::env::var(ROLE).ok()?, PathBuf::from(std::env::var_os(FOLDER)?)))
}

/// Starts the test with the whole name `test` of this program in a role.
pub(crate) fn command(mut program: Command, test: &str, role: &str, folder: &Path) -> Command {
    program
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    program
}

/// Reads what a process prints until it prints `word`.
pub(crate) fn wait_for(out: &mut BufReader<ChildStdout>, word: &str) {
    let mut line = String::new();
    while out.read_line(&mut line).unwrap() > 0 {
        if line.contains(word) {
            return;
        }
        line.clear();
    }
    panic!("the process has ended without `{word}`");
}
