use std::error::Error;
use std::io;
use std::path::PathBuf;

use medley_core::names::NAME_RULE;
use medley_predictions::RecordError;
use medley_storage::{ReadError, Shown, StorageError};

/// Why something could not be said of runs, or done to them.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// There is nothing of that name.
    #[error("there is no folder `{}`", Shown(path))]
    Missing {
        /// As given.
        path: PathBuf,
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
    /// A file of a run cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file of a run cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file cannot be written; the old one is untouched.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The config of a run is not TOML.
    #[error("`{}` is not TOML: {problem}", Shown(path))]
    Config {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        problem: String,
    },
    /// A name that no tag can have.
    #[error("{tag:?} cannot be a tag: {NAME_RULE}")]
    BadTag {
        /// As given.
        tag: String,
    },
    /// A note that is no note.
    #[error("the note {problem}")]
    BadNote {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More than a list shows.
    #[error("`{}` would have {tags} tags, and at most {limit} are kept; remove some with --remove", Shown(path))]
    TooManyTags {
        /// The run folder.
        path: PathBuf,
        /// As many.
        tags: usize,
        /// The limit.
        limit: usize,
    },
    /// A link in place of a run folder.
    #[error(
        "`{}` is a link, and only folders themselves are removed; remove the link with `rm`, or name the folder that it points to",
        Shown(path)
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// A path that ends in no name, such as `..`.
    #[error(
        "`{}` does not name a run folder; name it from the folder above it, such as runs/small-three-1",
        Shown(path)
    )]
    NoName {
        /// As given.
        path: PathBuf,
    },
    /// The folder in which the program runs.
    #[error("`{}` holds the current folder; go elsewhere to remove it", Shown(path))]
    Current {
        /// As given.
        path: PathBuf,
    },
    /// A folder that is not known to be one of a run.
    #[error(
        "`{}` cannot be told to be a run, so it is not removed; look into it, and remove it with `rm -r`",
        Shown(path)
    )]
    Unknown {
        /// The folder.
        path: PathBuf,
        /// What is wrong with its manifest.
        #[source]
        source: RecordError,
    },
    /// Another process writes to the run.
    #[error("run `{}` is in use by {holder}; wait for it or stop it", Shown(path))]
    InUse {
        /// The run folder.
        path: PathBuf,
        /// Process and host, as far as they are known.
        holder: String,
    },
    /// The run would need its checkpoints to be resumed.
    #[error(
        "`{}` is not finished and needs its checkpoints: finish it with `medley resume {}`",
        Shown(path),
        Shown(path)
    )]
    Unfinished {
        /// The run folder.
        path: PathBuf,
    },
    /// The run would need its checkpoints for the test split.
    #[error(
        "the test split of `{}` is not scored, and that needs its checkpoints: score it with `medley test {}`",
        Shown(path),
        Shown(path)
    )]
    Untested {
        /// The run folder.
        path: PathBuf,
    },
    /// A folder could not be hidden; everything is as it was.
    #[error("cannot remove `{}`; it is as it was", Shown(path))]
    NotRemoved {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A folder is gone under its name, and something of it is left.
    #[error("`{}` is removed, but for what is left of it in `{}`; remove that with `rm -r`", Shown(path), Shown(rest))]
    Rest {
        /// The folder.
        path: PathBuf,
        /// Where the rest lies.
        rest: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// An error with its causes on one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
