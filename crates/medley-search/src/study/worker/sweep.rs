//! Removes what killed workers left half written. Nothing depends on it: temporary files are never read.

use std::io;
use std::path::Path;
use std::time::Duration;

use medley_storage::{StorageError, is_temporary, sweep_abandoned};

use super::super::lease::LeaseName;
use super::super::trials::Trials;
use super::super::{Study, TrialFiles, clock};
use crate::TrialState;

/// Folders of trials that never got their names are removed when they are so old.
const ABANDONED: Duration = Duration::from_hours(1);

/// Removes what is left of workers that were killed while they made the folder of a trial. How old it is says the file system, by whose
/// clock `fresh` was just made.
pub(super) fn unnamed_trials(trials: &Path, fresh: &Path) {
    let modified = |path: &Path| fs_err::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let Some(now) = modified(fresh) else { return };
    for entry in fs_err::read_dir(trials).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(is_temporary);
        let age = modified(&entry.path()).and_then(|then| now.duration_since(then).ok());
        if is_ours && age.is_some_and(|age| age > ABANDONED) {
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
}

/// Removes what is left of workers that were killed while they wrote a record: a clock, or one of a trial that nobody is at work on. A
/// worker may be killed when its record has its name and before the temporary file is gone; then nobody writes that record again.
///
/// Processes of another machine look gone from here. One that loses what it is writing writes it again, see [`survive`].
pub(super) fn records(study: &Study, trials: &Trials) {
    for entry in fs_err::read_dir(study.folder().join("workers")).into_iter().flatten().flatten() {
        sweep_abandoned(&entry.path(), |name| name == clock::FILE);
    }
    for trial in trials.iter() {
        if matches!(trial.state, TrialState::Running | TrialState::Waiting) {
            continue;
        }
        let files = TrialFiles::new(study.trial_folder(trial.number));
        sweep_abandoned(&files.folder, |name| files.outcome().ends_with(name) || LeaseName::parse(name).is_some());
        sweep_abandoned(&files.rungs(), |_| true);
    }
}

/// Writes, and does so again if what was written was taken away meanwhile.
pub(super) fn survive(write: impl Fn() -> Result<(), StorageError>) -> Result<(), StorageError> {
    match write() {
        Err(StorageError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => write(),
        written => written,
    }
}
