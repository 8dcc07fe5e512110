//! The scripts, as far as they go without a network. `scripts/libtorch` runs in a copy of its own: it writes beside itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use medley_tests::program::Said;
use medley_tests::repository::{root, text};

/// A folder with `scripts/libtorch` in it, and nothing else.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scripts")).unwrap();
        fs::copy(root().join("scripts/libtorch"), folder.path().join("scripts/libtorch")).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs it with this `LIBTORCH` and no way to find or fetch anything else.
    fn run(&self, exported: Option<&Path>, arguments: &[&str]) -> Said {
        let mut command = Command::new("bash");
        command.arg(self.path().join("scripts/libtorch")).args(arguments).env_remove("LIBTORCH");
        // Without python3 it can neither look for PyTorch nor download.
        let tools = self.path().join("tools");
        fs::create_dir_all(&tools).unwrap();
        for tool in ["bash", "dirname", "uname", "head", "sed", "awk", "ln", "mv", "rm", "sha256sum"] {
            let from =
                ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(tool)).find(|path| path.exists());
            if let Some(from) = from {
                let _ = std::os::unix::fs::symlink(from, tools.join(tool));
            }
        }
        command.env("PATH", tools).env("XDG_CACHE_HOME", self.path().join("cache"));
        if let Some(exported) = exported {
            command.env("LIBTORCH", exported);
        }
        command.output().unwrap().into()
    }

    /// A folder that looks like libtorch of a version.
    fn libtorch(&self, name: &str, version: &str) -> PathBuf {
        let folder = self.path().join(name);
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::create_dir_all(folder.join("include/torch/csrc/api/include/torch")).unwrap();
        fs::write(folder.join("build-version"), version).unwrap();
        for file in
            ["lib/libtorch.so", "lib/libtorch_cpu.so", "lib/libc10.so", "include/torch/csrc/api/include/torch/all.h"]
        {
            fs::write(folder.join(file), "x").unwrap();
        }
        folder
    }
}

#[test]
fn an_exported_libtorch_is_linked_and_kept() {
    let copy = Copy::new();
    let good = copy.libtorch("good", "2.11.0+cpu\n");
    let said = copy.run(Some(&good), &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let link = copy.path().join("libtorch");
    assert_eq!(fs::canonicalize(&link).unwrap(), fs::canonicalize(&good).unwrap());
    // Once linked, the variable is not needed, and running it again changes nothing.
    let said = copy.run(None, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("ready: 2.11.0 for the CPU"), "{said:?}");
    // Asked for CUDA, a layout without it does not serve, and is not thrown away.
    let said = copy.run(Some(&good), &["--cuda"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("libtorch_cuda.so is missing"), "{said:?}");
    assert!(link.exists());
}

#[test]
fn a_wrong_libtorch_is_named_and_not_linked() {
    let copy = Copy::new();
    let old = copy.libtorch("old", "2.10.0\n");
    let incomplete = copy.libtorch("incomplete", "2.11.0\n");
    fs::remove_file(incomplete.join("lib/libc10.so")).unwrap();
    for (exported, words) in [
        (old.as_path(), "it is version 2.10.0, not 2.11.0"),
        (incomplete.as_path(), "lib/libc10.so is missing"),
        (Path::new("/nowhere/at/all"), "it is not a folder"),
        (Path::new("relative/path"), "not an absolute path"),
        (Path::new(""), "not an absolute path"),
    ] {
        let said = copy.run(Some(exported), &[]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains(words) && said.stderr.contains("unset LIBTORCH"), "{said:?}");
        assert!(!copy.path().join("libtorch").exists());
    }
}

#[test]
fn a_folder_of_the_user_is_left_alone() {
    let copy = Copy::new();
    let good = copy.libtorch("good", "2.11.0\n");
    copy.libtorch("libtorch", "1.0.0\n");
    let said = copy.run(Some(&good), &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("is version 1.0.0") && said.stderr.contains("Move it away"), "{said:?}");
    assert_eq!(fs::read_to_string(copy.path().join("libtorch/build-version")).unwrap(), "1.0.0\n");
}

#[test]
fn check_changes_nothing_and_sees_damage() {
    let copy = Copy::new();
    let said = copy.run(None, &["--check"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("does not exist") && said.stderr.contains("scripts/libtorch"), "{said:?}");
    let good = copy.libtorch("good", "2.11.0\n");
    // SHA-256 of "x".
    let sum = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    fs::write(good.join("SHA256SUMS"), format!("{sum}  lib/libc10.so\n")).unwrap();
    assert_eq!(copy.run(Some(&good), &[]).code, Some(0));
    assert_eq!(copy.run(None, &["--check"]).code, Some(0));
    fs::write(good.join("lib/libc10.so"), "y").unwrap();
    let said = copy.run(None, &["--check"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("is damaged"), "{said:?}");
}

#[test]
fn without_python_it_says_what_to_do() {
    let copy = Copy::new();
    let said = copy.run(None, &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let words = if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        "python3 is not in PATH"
    } else {
        "no tested download"
    };
    assert!(said.stderr.contains(words) && said.stderr.contains("LIBTORCH="), "{said:?}");
    assert!(!copy.path().join("libtorch").exists() && !copy.path().join("cache/medley/libtorch-2.11.0-cpu").exists());
}

#[test]
fn every_script_has_help_and_refuses_unknown_options() {
    for script in ["libtorch", "test", "quickstart"] {
        let path = root().join("scripts").join(script);
        let help: Said = Command::new(&path).arg("--help").output().unwrap().into();
        assert_eq!(help.code, Some(0), "{help:?}");
        assert!(help.stdout.contains(&format!("Usage: scripts/{script}")), "{help:?}");
        let wrong: Said = Command::new(&path).arg("--frobnicate").output().unwrap().into();
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        assert!(wrong.stderr.contains("--frobnicate"), "{wrong:?}");
    }
}

#[test]
fn quickstart_knows_the_eleven_tasks() {
    let script = text(Path::new("scripts/quickstart"));
    let listed = script.split("readonly TASKS=(").nth(1).unwrap().split(')').next().unwrap();
    let core = text(Path::new("crates/medley-core/src/task.rs"));
    let known = core.split("COMPETITION_TASKS: [&str; 11] = [").nth(1).unwrap().split(']').next().unwrap();
    let known: Vec<_> = known.split('"').skip(1).step_by(2).collect();
    assert_eq!(listed.split_whitespace().collect::<Vec<_>>(), known);
}
