//! The program, and what it says.

use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn medley(folder: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medley"));
    let command = command.current_dir(folder).args(arguments).env_remove("MEDLEY_DATA").stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub(crate) fn must(folder: &Path, arguments: &[&str]) -> String {
    let said = medley(folder, arguments);
    assert_eq!(said.code, Some(0), "{arguments:?}: {}{}", said.stdout, said.stderr);
    said.stdout
}
