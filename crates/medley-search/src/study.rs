//! A study: a folder that any number of workers share, on any number of machines, through a file system and nothing else.
//!
//! ```text
//! studies/breast/
//!   study.toml                the study as written; never changed
//!   study.json                schema, version, and the SHA-256 of study.toml and of whatever else it began with
//!   base.toml                 such as the base experiment; never changed either
//!   extensions/0.json         more trials, if it was extended
//!   stop                      there, while the study is stopped
//!   workers/3/                a worker: its number is its own
//!     clock.json              how long it has worked, in all and on each trial
//!   trials/17/
//!     proposal.json           the point, the seed, and what the sampler saw
//!     lease-4-w3-9f3a12bc-71  who has the trial (worker 3, process 71 on a machine), for the 4th time
//!     rungs/9.json            the value at rung 9
//!     outcome.json            how it ended: finished, pruned or failed
//! ```
//!
//! # What holds
//!
//! - **A trial has one folder, made in one step** (the rename of a folder that holds proposal and lease), so no two workers have the
//!   same number, and a folder is never half there.
//! - **A trial has one owner.** The lease is a file whose *name* says who has the trial. Taking it is renaming it, which succeeds for
//!   one process only. The owner touches it; when it has not changed for the length of a lease, by the clock of whoever watches it
//!   since it began to watch, others may take it. Clocks of different machines are never compared, and a clock that jumps
//!   changes nothing. Of a process of the same machine that is not running any more, the lease is free at once.
//! - **What is recorded first stands.** Rungs and outcomes are written under names that can be taken once ([`write_once`]). An owner
//!   that was taken for dead and comes back finds its lease gone and writes nothing more; should it be between looking and writing,
//!   its record and that of the new owner are for the same name, and one of them is kept. So nothing is counted twice.
//! - **A proposal can be derived again** ([`Study::derive`]): it is a function of the study, the number and what is recorded that the
//!   sampler saw.
//! - **With one worker at a time**, a study has the same trials and values however often workers are killed, if the objective gives
//!   a trial the same values whenever it begins or resumes it. **With several**, so has a study whose sampler does not look at other
//!   trials (grid, random, Sobol) and whose pruner is `none` or `patience`; otherwise trials depend on the order in which
//!   others ended, and each can be derived from its record.
//!
//! Not promised: a file system whose renames and links are not atomic; leases shorter than the time for which a network file system
//! keeps attributes (60 seconds by default over NFS); that a trial of a worker that was taken for dead is not computed twice.

mod clock;
mod definition;
mod lease;
mod records;
mod status;
mod trials;
mod worker;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use medley_core::names::{NAME_RULE, is_name};
use medley_core::seed::{Purpose, number as seed_of};
use medley_storage::{
    RealFs, Storage, StorageError, commit_directory, create_folder, read_text, remove_if_present, write_once,
    write_whole,
};

pub use clock::Clock;
pub use definition::StudyDefinition;
pub use status::{Best, Status};
pub use trials::TrialRecord;
pub use worker::{Evaluation, Objective, Reason, Trial, Work, WorkOptions, work};

use crate::digest::digest;
use crate::{Ask, Point, Sampler as _, SearchError};
use records::{Extension, Manifest, Proposal};

/// The schema of the files of a study.
pub const SCHEMA: u32 = 1;
/// Most bytes of `study.toml`.
const MAX_DEFINITION: u64 = 1 << 20;

/// An open study.
#[derive(Debug, Clone)]
pub struct Study {
    folder: PathBuf,
    definition: StudyDefinition,
    manifest: Manifest,
}

impl Study {
    /// Begins a study: `text` is the content of its TOML file, `path` the name of that file in messages. The folder `studies/name`
    /// appears whole.
    ///
    /// # Errors
    /// [`SearchError`]: a definition that cannot be used, with its place; [`SearchError::Exists`].
    pub fn create(studies: &Path, name: &str, path: &Path, text: &str) -> Result<Self, SearchError> {
        Self::create_with(&RealFs, studies, name, path, text, &[])
    }

    /// [`Study::create`] on another storage, and with other texts that its objective needs, by their names, such as `base.toml`. They lie
    /// in its folder and are never changed; see [`Study::text`].
    ///
    /// # Errors
    /// As [`Study::create`].
    pub fn create_with(
        storage: &dyn Storage,
        studies: &Path,
        name: &str,
        path: &Path,
        text: &str,
        others: &[(&str, &str)],
    ) -> Result<Self, SearchError> {
        let definition = StudyDefinition::parse(path, text)?;
        let folder = studies.join(name);
        if !is_name(name) {
            return Err(SearchError::BadName { name: name.to_owned(), rule: NAME_RULE });
        }
        create_folder(studies)?;
        let manifest = Manifest {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sha256: digest(text),
            texts: others.iter().map(|(name, text)| ((*name).to_owned(), digest(text))).collect(),
        };
        let record = records::to_bytes(&manifest);
        let mut files = vec![("study.toml", text.as_bytes()), ("study.json", record.as_slice())];
        files.extend(others.iter().map(|(name, text)| (*name, text.as_bytes())));
        match commit_directory(storage, &folder, &files) {
            Err(_) if folder.join("study.json").exists() => return Err(SearchError::Exists { path: folder }),
            result => result?,
        }
        Ok(Self { folder, definition, manifest })
    }

    /// Opens a study.
    ///
    /// # Errors
    /// [`SearchError::NotAStudy`], [`SearchError::OtherVersion`], [`SearchError::Edited`].
    pub fn open(folder: &Path) -> Result<Self, SearchError> {
        let record = folder.join("study.json");
        let Some(manifest) = records::read::<Manifest>(&record)? else {
            return Err(SearchError::NotAStudy { path: folder.to_owned() });
        };
        if manifest.schema != SCHEMA {
            return Err(SearchError::OtherVersion { path: record, found: manifest.schema, known: SCHEMA });
        }
        let path = folder.join("study.toml");
        let text = read_text(&path, MAX_DEFINITION)?;
        if digest(&text) != manifest.sha256 {
            return Err(SearchError::Edited { path });
        }
        let study = Self { definition: StudyDefinition::parse(&path, &text)?, folder: folder.to_owned(), manifest };
        study.manifest.texts.keys().try_for_each(|name| study.text(name).map(drop))?;
        Ok(study)
    }

    /// Whether a text is that of its `study.toml`.
    pub fn is_of(&self, text: &str) -> bool {
        digest(text) == self.manifest.sha256
    }

    /// A text that it began with, as it was then; `None` where there is none of this name.
    ///
    /// # Errors
    /// [`SearchError::Edited`] where it was changed.
    pub fn text(&self, name: &str) -> Result<Option<String>, SearchError> {
        let Some(sha256) = self.manifest.texts.get(name) else { return Ok(None) };
        let path = self.folder.join(name);
        let text = read_text(&path, MAX_DEFINITION)?;
        if digest(&text) == *sha256 { Ok(Some(text)) } else { Err(SearchError::Edited { path }) }
    }

    /// The version of the program that began it.
    pub fn version(&self) -> &str {
        &self.manifest.version
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is studied, and how.
    pub fn definition(&self) -> &StudyDefinition {
        &self.definition
    }

    /// Trials that there may be: those of the definition, and of all extensions; as many as numbers go where only time is limited.
    ///
    /// # Errors
    /// [`SearchError`] where an extension cannot be read.
    pub fn budget(&self) -> Result<u64, SearchError> {
        let more = |extensions: Vec<Extension>| extensions.iter().map(|one| one.trials).fold(0, u64::saturating_add);
        match self.definition.trials {
            None => Ok(u64::MAX),
            Some(trials) => Ok(trials.saturating_add(more(self.extensions()?))),
        }
    }

    /// The time that workers may spend, all together: that of the definition, and of all extensions; `None` where it is not limited.
    ///
    /// # Errors
    /// As [`Study::budget`].
    pub fn time(&self) -> Result<Option<Duration>, SearchError> {
        let Some(time) = self.definition.time else { return Ok(None) };
        let more: f64 = self.extensions()?.iter().map(|one| one.seconds.clamp(0.0, 1e9)).sum();
        Ok(Some(time + Duration::from_secs_f64(more)))
    }

    fn extensions(&self) -> Result<Vec<Extension>, SearchError> {
        let mut extensions = Vec::new();
        while let Some(extension) =
            records::read::<Extension>(&self.folder.join(format!("extensions/{}.json", extensions.len())))?
        {
            extensions.push(extension);
        }
        Ok(extensions)
    }

    /// How long workers have worked.
    ///
    /// # Errors
    /// [`SearchError`] where a clock cannot be read.
    pub fn clock(&self) -> Result<Clock, SearchError> {
        clock::of_all(&self.folder.join("workers"))
    }

    /// Allows more trials, and more time. Whatever others do at the same time, each extension counts once.
    ///
    /// # Errors
    /// [`SearchError::Storage`].
    pub fn extend(&self, trials: u64, time: Duration) -> Result<(), SearchError> {
        let folder = self.folder.join("extensions");
        create_folder(&folder)?;
        let bytes = records::to_bytes(&Extension { trials, seconds: time.as_secs_f64() });
        let mut number = 0_u64;
        loop {
            match write_once(&RealFs, &folder.join(format!("{number}.json")), &bytes) {
                Err(StorageError::Exists { .. }) => number += 1,
                result => return Ok(result?),
            }
        }
    }

    /// Stops the study: workers end when their trials next report, and put them back.
    ///
    /// # Errors
    /// [`SearchError::Storage`].
    pub fn stop(&self) -> Result<(), SearchError> {
        Ok(write_whole(&RealFs, &self.folder.join("stop"), b"")?)
    }

    /// Lets a stopped study go on, with the next workers.
    ///
    /// # Errors
    /// [`SearchError::Storage`].
    pub fn resume(&self) -> Result<(), SearchError> {
        let path = self.folder.join("stop");
        Ok(remove_if_present(&path).map_err(|source| StorageError::io(&path, source))?)
    }

    /// Whether the study is stopped.
    pub fn is_stopped(&self) -> bool {
        self.folder.join("stop").exists()
    }

    /// The point of a trial as its sampler proposes it from what its record says that it saw: the same as is recorded.
    ///
    /// # Errors
    /// [`SearchError`] where the trial, or one that it saw, cannot be read.
    pub fn derive(&self, number: u64) -> Result<Option<Point>, SearchError> {
        let path = self.trial_folder(number).join("proposal.json");
        let Some(proposal) = records::read::<Proposal>(&path)? else {
            return Err(SearchError::Damaged { path, problem: "there is no such file".to_owned() });
        };
        let mut records = Vec::new();
        for seen in proposal.seen.numbers() {
            records.push(trials::read_trial(self, seen, None)?);
        }
        let seen = proposal.seen.observations(&self.definition.space, &records);
        Ok(self.definition.sampler.propose(&self.ask(number, &seen)))
    }

    fn ask<'a>(&'a self, number: u64, seen: &'a [crate::Observation]) -> Ask<'a> {
        let StudyDefinition { space, direction, seed, .. } = &self.definition;
        Ask { space, direction: *direction, seed: *seed, number, seen }
    }

    /// The seed of a trial: for all its randomness; less than 2^63.
    pub fn trial_seed(&self, number: u64) -> u64 {
        // The manifest of a run keeps seeds as integers of TOML, which have 63 bits.
        seed_of(self.definition.seed, Purpose::Search, &[number, u64::MAX]) >> 1
    }

    /// The folder of a trial, whether it is there or not.
    pub fn trial_folder(&self, number: u64) -> PathBuf {
        self.folder.join("trials").join(number.to_string())
    }

    /// Numbers of the folders of trials, in order.
    fn numbers(&self) -> Result<Vec<u64>, SearchError> {
        let path = self.folder.join("trials");
        let entries = match fs_err::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(SearchError::Unlistable { path, source }),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| SearchError::Unlistable { path: path.clone(), source })?;
            // `17`, and not `017`: what is not a number of ours is none of ours.
            let name = entry.file_name();
            let number =
                name.to_str().and_then(|name| name.parse::<u64>().ok().filter(|number| number.to_string() == name));
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// Paths in the folder of a trial.
#[derive(Debug, Clone)]
struct TrialFiles {
    folder: PathBuf,
}

impl TrialFiles {
    fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn proposal(&self) -> PathBuf {
        self.folder.join("proposal.json")
    }

    fn outcome(&self) -> PathBuf {
        self.folder.join("outcome.json")
    }

    fn rungs(&self) -> PathBuf {
        self.folder.join("rungs")
    }

    fn rung(&self, rung: u64) -> PathBuf {
        self.folder.join(format!("rungs/{rung}.json"))
    }
}
