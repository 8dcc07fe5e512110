//! What `medley` says where the `medley-torch` beside it cannot be what it becomes.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use medley_tests::program::{Said, medley};

/// A folder with a `medley` of its own.
struct Installed {
    folder: tempfile::TempDir,
}

impl Installed {
    fn alone() -> Self {
        let installed = Self { folder: tempfile::tempdir().unwrap() };
        // No copy, which would be tens of megabytes; a link would lead back to the folder that it points to.
        if fs::hard_link(medley(), installed.path("medley")).is_err() {
            fs::copy(medley(), installed.path("medley")).unwrap();
        }
        installed
    }

    fn with(bytes: &[u8]) -> Self {
        let installed = Self::alone();
        let torch = installed.path("medley-torch");
        fs::write(&torch, bytes).unwrap();
        fs::set_permissions(&torch, fs::Permissions::from_mode(0o755)).unwrap();
        installed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("medley"));
        command.args(arguments).current_dir(self.folder.path()).env_remove("LD_LIBRARY_PATH");
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        // Where it was copied, a program that another test starts at that moment may hold it open for writing, until it has begun.
        loop {
            match self.command(arguments).output() {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => sleep(Duration::from_millis(10)),
                said => return said.unwrap().into(),
            }
        }
    }
}

fn torch() -> Vec<u8> {
    fs::read(medley().with_file_name("medley-torch")).unwrap()
}

#[test]
fn what_is_not_its_other_program_is_not_run() {
    let installed = Installed::with(&torch());
    // As if it had been built earlier.
    let version = env!("CARGO_PKG_VERSION");
    let other = "9".repeat(version.len());
    let line = format!("s/medley-torch {version}/medley-torch {other}/");
    let sed = Command::new("sed").args(["-i", &line]).arg(installed.path("medley-torch")).env("LC_ALL", "C").status();
    assert!(sed.unwrap().success());
    let said = installed.run(&["models", "list"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains(&format!("it is medley-torch {other}")), "{}", said.stderr);
    let cases: [(Vec<u8>, &str); 4] = [
        (Vec::new(), "it is an empty file"),
        (b"#!/bin/sh\nexit 0\n".to_vec(), "it is not a program"),
        (torch()[..100_000].to_vec(), "it is not a program, or damaged"),
        (fs::read("/bin/true").unwrap(), "it is another program"),
    ];
    for (bytes, problem) in cases {
        let said = Installed::with(&bytes).run(&["models", "list"]);
        assert_eq!(said.code, Some(1), "{problem}: {said:?}");
        for part in [problem, "medley-torch", "cargo build --release --bins"] {
            assert!(said.stderr.contains(part), "{problem}: {}", said.stderr);
        }
    }
    let said = Installed::alone().run(&["models", "list"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("No such file"), "{}", said.stderr);
}

#[test]
fn a_missing_libtorch_is_named_with_what_to_do() {
    // Elsewhere, the folders that were written into it when it was linked do not exist.
    let installed = Installed::with(&torch());
    let said = installed.run(&["models", "list"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    for part in ["libtorch_cpu.so is missing", "looked in", "scripts/libtorch", "LD_LIBRARY_PATH"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    let said = installed.run(&["doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.contains("PROBLEM  medley-torch"), "{}", said.stdout);
    assert!(said.stdout.contains("libtorch_cpu.so is missing"), "{}", said.stdout);
    let document = installed.run(&["doctor", "--json"]).stdout;
    let findings: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(findings.as_array().unwrap().last().unwrap()["state"], "problem", "{findings}");
}

#[test]
fn libtorch_is_found_where_the_variable_says() {
    let libraries = libtorch();
    let installed = Installed::with(&torch());
    let said: Said = installed.command(&["models", "list"]).env("LD_LIBRARY_PATH", &libraries).output().unwrap().into();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("resnet18"), "{}", said.stdout);
}

/// Where the loader finds libtorch for the program as it was built.
fn libtorch() -> PathBuf {
    let said: Said = Command::new(medley()).args(["doctor"]).output().unwrap().into();
    let line = said.stdout.lines().find(|line| line.contains("libtorch_cpu.so")).unwrap();
    Path::new(line.split_whitespace().last().unwrap()).parent().unwrap().to_owned()
}
