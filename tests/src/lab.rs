//! A folder to try things in: data, configs, runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::program::{Said, must, run};

/// A network and a schedule that take seconds. `name` and `tasks` come before it.
pub const SMALL: &str = "
[net]
backbone = { name = 'resnet9', width = 4 }
dropout = 0.2
[train]
epochs = 2
batch_size = 16
threads = 1
precision = 'fp32'
memory_layout = 'channels_last'
convolutions = 'libtorch'
";

/// A temporary folder with `data/`, `runs/` (once there is a run) and configs.
#[derive(Debug)]
pub struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// An empty one.
    ///
    /// # Panics
    /// If the system has no room for it.
    #[allow(clippy::new_without_default, reason = "making a folder is no default")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs_err::create_dir(folder.path().join("data")).expect("a folder can be made");
        Self { folder }
    }

    /// One with small synthetic sets of these tasks.
    pub fn with_tasks(tasks: &[&str], rows: usize) -> Self {
        let lab = Self::new();
        let rows = rows.to_string();
        let mut arguments = vec!["data", "synth"];
        arguments.extend(tasks);
        arguments.extend(["--out", "data", "--rows", &rows]);
        must(lab.path(), &arguments);
        lab
    }

    /// Its root, in which programs run.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a text file.
    ///
    /// # Panics
    /// If it cannot be written.
    #[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a fixture can be written");
    }

    /// Writes `NAME.toml`: these tasks, [`SMALL`], and `more` after it.
    pub fn config(&self, name: &str, tasks: &[&str], more: &str) {
        self.write(&format!("{name}.toml"), &format!("name = '{name}'\ntasks = {tasks:?}\n{SMALL}{more}"));
    }

    /// Runs `medley` here.
    pub fn run(&self, arguments: &[&str]) -> Said {
        run(self.path(), arguments)
    }

    /// Runs `medley train CONFIG.toml --data data` here, to success; `more` are further arguments.
    pub fn train(&self, config: &str, more: &[&str]) -> Said {
        let file = format!("{config}.toml");
        let mut arguments = vec!["train", file.as_str(), "--data", "data", "--quiet"];
        arguments.extend(more);
        must(self.path(), &arguments)
    }

    /// Names of run folders under `runs/`, and of whatever else lies there.
    pub fn runs(&self) -> Vec<String> {
        let Ok(entries) = fs_err::read_dir(self.path().join("runs")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// All files under a folder, by their path relative to it.
///
/// # Panics
/// If it cannot be read.
pub fn files_under(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut queue = vec![folder.to_owned()];
    while let Some(next) = queue.pop() {
        for entry in fs_err::read_dir(next).expect("the folder can be read") {
            let path: PathBuf = entry.expect("the folder can be read").path();
            if path.is_dir() {
                queue.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it lies below").to_string_lossy().into_owned();
                found.insert(name, fs_err::read(&path).expect("the file can be read"));
            }
        }
    }
    found
}

/// The files of a run whose bits are promised: the rest holds times of day, or says where it was made.
pub fn promised(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = files_under(run);
    files.retain(|name, _| {
        ["checkpoints/", "predictions/", "metrics.csv", "results.json", "results/", "config.toml", "submission"]
            .iter()
            .any(|start| name.starts_with(start))
    });
    files
}

/// Asserts that a run has the promised files of another, as [`promised`] returned them.
///
/// # Panics
/// With the first difference.
pub fn assert_same_bits(one: &BTreeMap<String, Vec<u8>>, run: &Path) {
    let other = promised(run);
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "the runs have different files");
    for needed in ["checkpoints/seed-0/best-", "predictions/", "metrics.csv", "results.json", "submission"] {
        assert!(one.keys().any(|name| name.starts_with(needed)), "no {needed}… in {:?}", one.keys());
    }
    for (name, bytes) in one {
        assert!(*bytes == other[name], "{name} differs in {}", run.display());
    }
}
