//! Run folders: made once, never overwritten, used by one process at a time.
//!
//! [`RunFolder::create`] writes `config.toml` and the manifest into a hidden folder and gives it a free name: a run folder appears
//! complete or not at all, also when the process is killed. [`RunFolder::open`] takes the same lock and reads both files back,
//! refusing what is no run folder, what another program version wrote, and what was changed since.
//!
//! ```
//! use std::collections::BTreeMap;
//! use medley_core::record::{Environment, Manifest, SCHEMA_VERSION};
//! use medley_storage::RealFs;
//! use medley_train::run_folder::{RunFolder, RunFolderError, config_sha256, utc_now};
//!
//! let runs = tempfile::tempdir()?;
//! let describe = |run: &str| {
//!     let config = "name = \"small\"\n".to_owned();
//!     let manifest = Manifest {
//!         schema_version: SCHEMA_VERSION,
//!         run: run.to_owned(),
//!         created: utc_now(),
//!         config_sha256: config_sha256(&config),
//!         # seeds: vec![0],
//!         # environment: Environment {
//!         #     medley: "0.1.0".into(), libtorch: "2.11.0".into(), device: "cpu".into(), cpu_capability: "avx2".into(),
//!         #     threads: 1, precision: Default::default(), memory_layout: Default::default(),
//!         #     convolutions: Default::default(), replicas: 1, platform: "linux-x86_64".into(),
//!         #     kernel_instructions: None, mkl_cbwr: None,
//!         # },
//!         # calibration: Vec::new(),
//!         # data: Vec::new(),
//!         # normalisation: BTreeMap::new(),
//!         # pretrained: None,
//!         # git_revision: None,
//!         # parent: None,
//!         # teachers: Vec::new(),
//!         # folds: None,
//!         # no_test: false,
//!         # test_openings: Vec::new(),
//!         # data_folder: None,
//!         // …
//!     };
//!     (manifest, config)
//! };
//! let first = RunFolder::create(runs.path(), "small", None, &RealFs, describe)?;
//! assert_eq!(first.layout().name(), "small-1");
//! // While it is held, no other process can go on with it.
//! assert!(matches!(RunFolder::open(first.layout().root()), Err(RunFolderError::InUse { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock;
mod error;
mod git;
mod lock;
mod system;

use std::io;
use std::path::{Path, PathBuf};

use medley_core::RunLayout;
use medley_core::record::{DataRecord, Manifest, TestOpening};
use medley_predictions::RecordError;
use medley_predictions::record::read_manifest;
use medley_storage::{
    ConfinedFolder, FolderLock, ReadError, Storage, StorageError, commit_directory, sweep_unfinished, write_whole,
};
use sha2::{Digest as _, Sha256};

pub use clock::utc_now;
pub use error::RunFolderError;
pub use git::{git_revision, git_revision_of};
pub use lock::RunLock;
pub use medley_core::names::{NAME_RULE, is_name};

/// Numbers that are tried when other processes make folders of the same name at the same time.
const ATTEMPTS: u64 = 1_000;
/// What a run folder holds before it gets its name.
const FIRST: [&str; 2] = [RunLayout::CONFIG, RunLayout::MANIFEST];
/// Largest config that is read back, in bytes.
const LARGEST_CONFIG: u64 = crate::config::load::MAX_BYTES;

/// A run folder that this process holds.
#[derive(Debug)]
pub struct RunFolder {
    layout: RunLayout,
    manifest: Manifest,
    config_text: String,
    _lock: RunLock,
}

impl RunFolder {
    /// Makes a folder under `runs`, which is made too if it is missing: `run_name` if one is given, else `<name>-<k>` with `k`
    /// one above the largest that is there. `describe` gets the name and says what goes into `manifest.json` and `config.toml`;
    /// it is asked again when another process was faster to take the name.
    ///
    /// # Errors
    /// When the name is taken or cannot be one, or something cannot be written. No folder is left behind then.
    pub fn create(
        runs: &Path,
        name: &str,
        run_name: Option<&str>,
        storage: &dyn Storage,
        describe: impl Fn(&str) -> (Manifest, String),
    ) -> Result<Self, RunFolderError> {
        check_name(run_name.unwrap_or(name))?;
        let mut made = MadeFolders::make(runs, storage)?;
        sweep_unfinished(runs, &FIRST);
        let making = FolderLock::shared(runs);
        let (layout, manifest, config_text) = match run_name {
            Some(run_name) => fill(runs.join(run_name), storage, &describe)?,
            None => fill_numbered(runs, name, storage, &describe)?,
        };
        // Another process may have taken it to go on with: then it is that one's.
        let lock = RunLock::acquire(&layout).inspect_err(|error| {
            if !matches!(error, RunFolderError::InUse { .. }) {
                let _ = fs_err::remove_dir_all(layout.root());
            }
        })?;
        drop(making);
        made.keep();
        Ok(Self { layout, manifest, config_text, _lock: lock })
    }

    /// Opens a run folder to go on with it, and sweeps what interrupted writes have left in it and beside it.
    ///
    /// # Errors
    /// When it is no run folder, is in use, has another schema version, or its files were changed; when a file or folder that the
    /// run writes to is a link.
    pub fn open(root: &Path) -> Result<Self, RunFolderError> {
        Self::check(root)?; // Before the lock, whose file would be left in a folder that is none of ours.
        let layout = RunLayout::new(root);
        let folder = ConfinedFolder::new(root);
        let lock = RunLock::acquire(&layout)?;
        let manifest = read_manifest(&layout)?;
        if check_name(&manifest.run).is_err() {
            let message = format!("{:?} cannot name a run", manifest.run);
            let error = RecordError::Inconsistent { path: layout.manifest(), key: "run".to_owned(), message };
            return Err(error.into());
        }
        let config_text = folder.read_text(&layout.config(), LARGEST_CONFIG)?;
        if config_sha256(&config_text) != manifest.config_sha256 {
            return Err(RunFolderError::ConfigChanged { path: layout.config() });
        }
        refuse_links(&layout, &folder, &manifest.seeds)?;
        for swept in
            [layout.root().to_owned(), layout.predictions(), layout.pending_predictions(), layout.results_folder()]
        {
            folder.sweep(&swept)?;
        }
        if let Some(runs) = root.parent() {
            sweep_unfinished(runs, &FIRST);
        }
        Ok(Self { layout, manifest, config_text, _lock: lock })
    }

    /// Whether a folder is one of a run, from the files that it has; nothing is read or written.
    ///
    /// # Errors
    /// When there is no such folder, or it has no manifest or no config.
    pub fn check(root: &Path) -> Result<(), RunFolderError> {
        let layout = RunLayout::new(root);
        let not_one = |problem| RunFolderError::NotARunFolder { path: root.to_owned(), problem };
        match root.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RunFolderError::Missing { path: root.to_owned() });
            }
            Err(source) => return Err(ReadError::Io { path: root.to_owned(), source }.into()),
            Ok(metadata) if !metadata.is_dir() => return Err(not_one("it is a file")),
            Ok(_) => {}
        }
        if layout.manifest().symlink_metadata().is_err() {
            return Err(not_one("it has no manifest.json"));
        }
        if layout.config().symlink_metadata().is_err() {
            return Err(not_one("it has no config.toml"));
        }
        Ok(())
    }

    /// Where everything lies.
    pub fn layout(&self) -> &RunLayout {
        &self.layout
    }

    /// What was written when the run was made, and the openings of test labels since.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The resolved config, as text.
    pub fn config_text(&self) -> &str {
        &self.config_text
    }

    /// Adds to the manifest that test labels are about to be opened. The same predictions of the same predictor, opened again after
    /// an interruption, are not a new opening.
    ///
    /// # Errors
    /// When the manifest cannot be written; it is then as it was.
    pub fn record_opening(&mut self, opening: TestOpening, storage: &dyn Storage) -> Result<(), RunFolderError> {
        let mut openings = self.manifest.test_openings.iter();
        if openings.any(|known| known.predictor == opening.predictor && known.sha256 == opening.sha256) {
            return Ok(());
        }
        let mut manifest = self.manifest.clone();
        manifest.test_openings.push(opening);
        write_whole(storage, &self.layout.manifest(), &encode(&self.layout, &manifest)?)?;
        self.manifest = manifest;
        Ok(())
    }

    /// Checks that the data is what the run began with.
    ///
    /// # Errors
    /// [`RunFolderError::DataChanged`] with the first task that differs.
    pub fn check_data(&self, now: &[DataRecord]) -> Result<(), RunFolderError> {
        check_data(self.layout.root(), &self.manifest, now)
    }
}

/// Checks that the data is what the run in `root` began with.
///
/// # Errors
/// [`RunFolderError::DataChanged`] with the first task that differs.
pub(crate) fn check_data(root: &Path, manifest: &Manifest, now: &[DataRecord]) -> Result<(), RunFolderError> {
    let then = &manifest.data;
    let changed = |task: &str, file: &str, problem: String| RunFolderError::DataChanged {
        run: root.to_owned(),
        task: task.to_owned(),
        file: file.to_owned(),
        problem,
        began_in: manifest.data_folder.clone(),
    };
    for (then, now) in then.iter().zip(now) {
        let (task, file) = (&now.task.name, &now.file);
        if then.task.name != *task {
            let problem = format!("the run started with `{}` in its place", then.task.name);
            return Err(changed(task, file, problem));
        }
        if let Some(problem) = then.difference(&now.sha256) {
            return Err(changed(task, file, problem));
        }
        if then.rows != now.rows || then.task != now.task {
            return Err(changed(task, file, "it is read as another task than before".to_owned()));
        }
    }
    match (then.get(now.len()), now.get(then.len())) {
        (Some(gone), _) => Err(changed(&gone.task.name, &gone.file, "it is missing".to_owned())),
        (_, Some(new)) => Err(changed(&new.task.name, &new.file, "the run started without it".to_owned())),
        (None, None) => Ok(()),
    }
}

/// Checks that the file system of `path` has so many bytes left. A file system that does not say passes.
///
/// # Errors
/// [`RunFolderError::NoSpace`].
pub fn check_space(path: &Path, needed: u64) -> Result<(), RunFolderError> {
    match system::free_bytes(path) {
        Ok(free) if free < needed => Err(RunFolderError::NoSpace { path: path.to_owned(), needed, free }),
        _ => Ok(()),
    }
}

/// The SHA-256 of a config as the manifest records it, in hex.
pub fn config_sha256(text: &str) -> String {
    medley_core::text::hex(&Sha256::digest(text.as_bytes()))
}

fn check_name(name: &str) -> Result<(), RunFolderError> {
    if is_name(name) { Ok(()) } else { Err(RunFolderError::BadName { name: name.to_owned() }) }
}

fn encode(layout: &RunLayout, manifest: &Manifest) -> Result<Vec<u8>, RunFolderError> {
    let mut json = serde_json::to_vec_pretty(manifest)
        .map_err(|error| StorageError::Io { path: layout.manifest(), source: error.into() })?;
    json.push(b'\n');
    Ok(json)
}

/// Checks, before any work is done, that a run can have its name: what [`RunFolder::create`] would find out at last.
///
/// # Errors
/// [`RunFolderError::BadName`], [`RunFolderError::Exists`].
pub fn check_free(runs: &Path, name: &str, run_name: Option<&str>) -> Result<(), RunFolderError> {
    check_name(run_name.unwrap_or(name))?;
    match run_name.map(|name| runs.join(name)) {
        Some(path) if path.symlink_metadata().is_ok() => Err(RunFolderError::Exists { path }),
        _ => Ok(()),
    }
}

type Filled = (RunLayout, Manifest, String);

/// Writes a run folder under a name that nobody else can have taken then.
fn fill(
    path: PathBuf,
    storage: &dyn Storage,
    describe: &impl Fn(&str) -> (Manifest, String),
) -> Result<Filled, RunFolderError> {
    let layout = RunLayout::new(&path);
    let (manifest, config_text) = describe(&layout.name());
    let json = encode(&layout, &manifest)?;
    check_space(path.parent().unwrap_or(&path), (json.len() + config_text.len()) as u64)?;
    let files = [(RunLayout::CONFIG, config_text.as_bytes()), (RunLayout::MANIFEST, json.as_slice())];
    match commit_directory(storage, &path, &files) {
        Ok(()) => Ok((layout, manifest, config_text)),
        Err(StorageError::Exists { path }) => Err(RunFolderError::Exists { path }),
        // Another process took the name since it was looked at; a folder with something in it is not replaced.
        Err(StorageError::Io { source, .. })
            if matches!(source.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty) =>
        {
            Err(RunFolderError::Exists { path })
        }
        Err(error) if error.is_disk_full() => Err(error.into()),
        Err(StorageError::Io { path, source }) => Err(RunFolderError::Unwritable { path, source }),
        Err(error) => Err(error.into()),
    }
}

fn fill_numbered(
    runs: &Path,
    name: &str,
    storage: &dyn Storage,
    describe: &impl Fn(&str) -> (Manifest, String),
) -> Result<Filled, RunFolderError> {
    let first = largest_number(runs, name)?.saturating_add(1);
    for number in first..first.saturating_add(ATTEMPTS) {
        match fill(runs.join(format!("{name}-{number}")), storage, describe) {
            Err(RunFolderError::Exists { .. }) => {}
            filled_or_failed => return filled_or_failed,
        }
    }
    Err(RunFolderError::Exists { path: runs.join(format!("{name}-{first}")) })
}

/// The largest `k` of the entries `<name>-<k>`, 0 if there are none.
fn largest_number(runs: &Path, name: &str) -> Result<u64, RunFolderError> {
    let unreadable = |source| ReadError::Io { path: runs.to_owned(), source };
    let mut largest = 0;
    for entry in fs_err::read_dir(runs).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.file_name();
        let number = entry.to_str().and_then(|entry| entry.strip_prefix(name)?.strip_prefix('-')?.parse().ok());
        largest = largest.max(number.unwrap_or(0));
    }
    Ok(largest)
}

/// Folders that were made, and go again unless they are kept.
struct MadeFolders {
    /// Outermost first.
    parents: Vec<PathBuf>,
}

impl MadeFolders {
    /// Makes what is missing of a path.
    fn make(path: &Path, storage: &dyn Storage) -> Result<Self, RunFolderError> {
        let missing: Vec<&Path> = path
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err())
            .collect();
        let mut made = Self { parents: Vec::new() };
        for folder in missing.into_iter().rev() {
            match storage.create_dir(folder) {
                Ok(()) => made.parents.push(folder.to_owned()),
                // Another process was faster; it is not ours to remove.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(RunFolderError::Unwritable { path: folder.to_owned(), source }),
            }
        }
        Ok(made)
    }

    fn keep(&mut self) {
        self.parents.clear();
    }
}

impl Drop for MadeFolders {
    /// Best effort: another error is on its way to the user.
    fn drop(&mut self) {
        for parent in self.parents.iter().rev() {
            // Fails when another process has put something into it, which is right.
            let _ = fs_err::remove_dir(parent);
        }
    }
}

/// Refuses a run that has a link where it will write: now, not after hours of training.
fn refuse_links(layout: &RunLayout, folder: &ConfinedFolder, seeds: &[u64]) -> Result<(), ReadError> {
    let mut written = vec![
        layout.events(),
        layout.metrics(),
        layout.results(),
        layout.report(),
        layout.submission(false),
        layout.submission(true),
        layout.pending_predictions(),
    ];
    for &seed in seeds {
        written.extend([layout.seed_results(seed), layout.checkpoints(seed), layout.tensorboard(seed)]);
    }
    written.iter().try_for_each(|path| folder.check(path))
}

#[cfg(test)]
mod tests;
