use std::fmt;
use std::io;
use std::path::PathBuf;

use medley_core::message::{quoted, shortened};
use medley_storage::{ReadError, Shown, StorageError};

use crate::Place;

/// Why a study could not be read, begun or continued.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The text of a study is not TOML.
    #[error("not TOML: {}{}", shortened(problem), Tail(Some(place), None))]
    Syntax {
        /// What the parser says.
        problem: String,
        /// Where.
        place: Box<Place>,
    },
    /// A key that a study does not have.
    #[error("unknown key `{}`{}", shortened(key), Tail(Some(place), Some(hint)))]
    UnknownKey {
        /// Dotted key.
        key: String,
        /// Where.
        place: Box<Place>,
        /// The nearest known key, or all of them.
        hint: String,
    },
    /// A value that a key cannot have.
    #[error("bad value for `{}`: {}{}", shortened(key), shortened(problem), Tail(Some(place), hint.as_deref()))]
    BadValue {
        /// Dotted key.
        key: String,
        /// What is wrong.
        problem: String,
        /// Where.
        place: Box<Place>,
        /// What to do.
        hint: Option<String>,
    },
    /// A key that must be there and is not.
    #[error("missing key `{key}`{}", Tail(Some(place), Some(hint)))]
    MissingKey {
        /// Dotted key.
        key: String,
        /// The table that it is missing from.
        place: Box<Place>,
        /// What to write.
        hint: String,
    },
    /// A point that is not of the space.
    #[error("not a point of the space: `{}` {}", shortened(key), shortened(problem))]
    NotInSpace {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A folder that is no study.
    #[error("`{}` is not a study: it has no `study.json`; begin one with its TOML file", Shown(path))]
    NotAStudy {
        /// The folder.
        path: PathBuf,
    },
    /// A study of that name exists.
    #[error("`{}` exists already; continue that study, or choose another name", Shown(path))]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A name that no study can have.
    #[error("{} cannot be the name of a study: {rule}", quoted(name))]
    BadName {
        /// As given.
        name: String,
        /// What names must be.
        rule: &'static str,
    },
    /// The study was edited after it was begun.
    #[error(
        "`{}` was changed after the study was begun, and its trials belong to what it said before; undo the change, or begin another study",
        Shown(path)
    )]
    Edited {
        /// The file.
        path: PathBuf,
    },
    /// The folder is of another version.
    #[error(
        "`{}` has schema {found}, and this program reads schema {known}; continue the study with the version that began it",
        Shown(path)
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A record of a study cannot be understood.
    #[error(
        "`{}` is damaged: {}; move the folder of that trial out of the study, and a worker repeats it",
        Shown(path),
        shortened(problem)
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Another worker has taken the trial over, because this one gave no sign of life for longer than the lease.
    #[error("trial {trial} was taken over by another worker; nothing of it is written here any more")]
    LeaseLost {
        /// Its number.
        trial: u64,
    },
    /// A folder cannot be listed.
    #[error("cannot list `{}`", Shown(path))]
    Unlistable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The system has no thread left.
    #[error("cannot start a thread; the limits on threads or memory of this process may be too low")]
    NoThread {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What follows the first line: the place, the hint.
struct Tail<'a>(Option<&'a Place>, Option<&'a str>);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.0 {
            write!(f, "\n{place}")?;
        }
        self.1.map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}
