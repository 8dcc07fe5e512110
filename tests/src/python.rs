//! Whether the scripts that are written in Python can run here.
#![allow(clippy::print_stderr, reason = "a skipped test must say so")]

use std::process::Command;

/// Whether there is a Python to run `script` with. Without one the test that asks is skipped, and says so.
///
/// # Panics
/// Without one, if `CI` is set.
pub fn has_python(script: &str) -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("CI").is_none(), "CI is set, but there is no python3");
    if !found {
        eprintln!("SKIPPED: {script} needs python3");
    }
    found
}
