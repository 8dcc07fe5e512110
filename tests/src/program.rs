//! The program, built once and run as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::repository::root;

/// The path of `medley`, built in the profile of the tests. The variable `MEDLEY_BIN` names a ready one instead.
///
/// # Panics
/// If it does not build.
pub fn medley() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| std::env::var_os("MEDLEY_BIN").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--locked", "--workspace", "--bins", "--message-format", "json"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "medley does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    // One line of JSON per artefact; two have an executable, which lie beside each other.
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let key = "\"executable\":\"";
    let at = lines.rfind(key).expect("cargo names the executable") + key.len();
    Path::new(&lines[at..at + lines[at..].find('"').expect("the name ends")]).with_file_name("medley")
}

/// A command that runs `medley` in an empty folder of its own environment: neither the caller's data folder nor a
/// terminal can change what it does.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(medley());
    command
        .current_dir(folder)
        .env_remove("MEDLEY_DATA")
        .env_remove("MEDLEY_CACHE")
        .env("XDG_CACHE_HOME", folder.join(".cache"))
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1");
    command
}

/// What a finished program said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs `medley ARGUMENTS` in `folder` to its end.
///
/// # Panics
/// If it cannot be started.
pub fn run(folder: &Path, arguments: &[&str]) -> Said {
    command(folder).args(arguments).output().expect("medley starts").into()
}

/// Runs `medley ARGUMENTS` and asks for success.
///
/// # Panics
/// If it fails, with what it said.
pub fn must(folder: &Path, arguments: &[&str]) -> Said {
    let said = run(folder, arguments);
    assert_eq!(said.code, Some(0), "medley {}\n{}\n{}", arguments.join(" "), said.stdout, said.stderr);
    said
}

/// A command that runs a line of bash in `folder`, in the environment of [`command()`]; `medley` is in its `PATH`.
///
/// # Panics
/// If the program lies nowhere.
pub fn shell(folder: &Path, line: &str) -> Command {
    let mut shell = Command::new("bash");
    for (key, value) in command(folder).get_envs() {
        match value {
            Some(value) => shell.env(key, value),
            None => shell.env_remove(key),
        };
    }
    let program = medley().parent().expect("the program lies in a folder").display();
    let path = format!("{program}:{}", std::env::var("PATH").unwrap_or_default());
    shell.args(["-c", line]).current_dir(folder).env("PATH", path).env("HOME", folder);
    shell
}

/// Runs `medley ARGUMENTS` with so many kibibytes of address space.
///
/// # Panics
/// If bash cannot be started.
pub fn with_address_space(folder: &Path, kibibytes: u64, arguments: &[&str]) -> Said {
    let script = format!("ulimit -v {kibibytes}; exec \"$0\" \"$@\"");
    shell(folder, &script).arg(medley()).args(arguments).output().expect("bash starts").into()
}

/// Runs `medley ARGUMENTS` where no file may hold a byte: the system refuses to write, as it does on a full disk.
///
/// # Panics
/// If bash cannot be started.
pub fn on_a_full_disk(folder: &Path, arguments: &[&str]) -> Said {
    // Ignored, the signal of the limit stays away, and writing fails instead.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    shell(folder, script).arg(medley()).args(arguments).output().expect("bash starts").into()
}
