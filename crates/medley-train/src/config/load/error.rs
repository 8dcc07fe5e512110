//! What can be wrong with a config.

use std::fmt;
use std::io;
use std::path::PathBuf;

use medley_storage::{ReadError, Shown, printable};

use super::place::{Place, brief, sentence};

/// Why a config could not be read. The text shows what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no such file.
    #[error("there is no config file `{}`{}", Shown(path), Tail(wanted_by.as_deref(), self.hint()))]
    Missing {
        /// The file.
        path: PathBuf,
        /// The `extends` that names it.
        wanted_by: Option<Box<Place>>,
    },
    /// The file cannot be read, or is not read: a folder, a link where none may be, no permission.
    #[error("cannot read config `{}`{}", Shown(path), Tail(None, self.hint()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// The file is too large to be a config.
    #[error("config `{}` is larger than {limit} bytes{}", Shown(path), Tail(None, self.hint()))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes.
        limit: u64,
    },
    /// The file is not text.
    #[error("config `{}` is not UTF-8: line {line}, byte {offset} of the file{}", Shown(path), Tail(None, self.hint()))]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Line of the first bad byte, 1-based.
        line: usize,
        /// Offset of the first bad byte in the file.
        offset: usize,
    },
    /// The text is not TOML.
    #[error("not TOML: {}{}", brief(&problem.replace('\n', ", ")), Tail(Some(place), self.hint()))]
    Syntax {
        /// What the parser says.
        problem: String,
        /// Where.
        place: Box<Place>,
    },
    /// Tables or arrays within each other, too many.
    #[error("more than {limit} levels of nested tables and arrays{}", Tail(Some(place), self.hint()))]
    TooDeep {
        /// Where.
        place: Box<Place>,
        /// [`MAX_DEPTH`](super::MAX_DEPTH).
        limit: usize,
    },
    /// `extends` is not the name of a config.
    #[error("`extends` must be the name of one `.toml` file{}", Tail(Some(place), self.hint()))]
    BadExtends {
        /// Where.
        place: Box<Place>,
    },
    /// The config of a run folder extends another.
    #[error("the config of a run folder is whole, so it cannot extend another{}", Tail(Some(place), self.hint()))]
    RecordedExtends {
        /// Where.
        place: Box<Place>,
    },
    /// Files that extend each other in a circle.
    #[error("config files extend each other in a circle: {}{}", chain(files), Tail(None, self.hint()))]
    Cycle {
        /// From the first file to where it comes round.
        files: Vec<PathBuf>,
    },
    /// A chain of `extends` that is too long.
    #[error("more than {limit} config files extend each other; the next would be `{}`{}", Shown(path), Tail(None, self.hint()))]
    TooManyFiles {
        /// The file that is one too many.
        path: PathBuf,
        /// [`MAX_FILES`](super::MAX_FILES).
        limit: usize,
    },
    /// An override that cannot be understood.
    #[error("cannot use `--set {}`: {}{}", brief(text), printable(problem), Tail(None, self.hint()))]
    BadOverride {
        /// As given.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// A key that does not exist.
    #[error("unknown key `{}`{}", brief(key), Tail(place.as_deref(), self.hint()))]
    UnknownKey {
        /// Dotted key.
        key: String,
        /// Where.
        place: Option<Box<Place>>,
        /// The nearest known key.
        suggestion: Option<String>,
        /// All keys known there.
        known: Vec<String>,
        /// What it may have been meant for, where that is known better than by its spelling.
        meant: Option<String>,
    },
    /// A word that is none of the values of its key.
    #[error("`{}` cannot be {:?}{}", brief(key), brief(value), Tail(place.as_deref(), self.hint()))]
    UnknownChoice {
        /// Dotted key.
        key: String,
        /// As written.
        value: String,
        /// Where.
        place: Option<Box<Place>>,
        /// The nearest value.
        suggestion: Option<String>,
        /// All values.
        known: Vec<String>,
    },
    /// A value of another type than its key has.
    #[error("wrong type for `{}`: it is {}, it must be {}{}",
        brief(key), brief(found), brief(expected), Tail(place.as_deref(), self.hint()))]
    WrongType {
        /// Dotted key.
        key: String,
        /// What it is.
        found: String,
        /// What it must be.
        expected: String,
        /// Where.
        place: Option<Box<Place>>,
    },
    /// A key that must be there and is not.
    #[error("missing key `{}` in config `{}`{}", brief(key), Shown(path), Tail(place.as_deref(), self.hint()))]
    MissingKey {
        /// Dotted key.
        key: String,
        /// The file that was asked for.
        path: PathBuf,
        /// The table that it is missing from, if that is written anywhere.
        place: Option<Box<Place>>,
    },
    /// A value of the right type that cannot be.
    #[error("bad value for `{}`: {}{}", brief(key), sentence(problem), Tail(place.as_deref(), self.hint()))]
    BadValue {
        /// Dotted key.
        key: String,
        /// What is wrong.
        problem: String,
        /// Where.
        place: Option<Box<Place>>,
    },
    /// The system has no thread left for the parser.
    #[error("cannot start the thread that reads configs{}", Tail(None, self.hint()))]
    NoThread {
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ConfigError {
    /// The key that it is about, if it is about one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { key, .. }
            | Self::UnknownChoice { key, .. }
            | Self::WrongType { key, .. }
            | Self::MissingKey { key, .. }
            | Self::BadValue { key, .. } => Some(key),
            _ => None,
        }
    }

    /// What to do about it. Part of the error's text, as its last line.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { wanted_by: Some(_), .. } => {
                "`extends` is relative to the folder of the file it is written in".to_owned()
            }
            Self::Missing { .. } => {
                "check the path; experiments are TOML files such as configs/quickstart.toml".to_owned()
            }
            Self::Unreadable { .. } => "it must be a regular file that you may read".to_owned(),
            Self::TooLarge { .. } => "is it a config? An experiment is a short TOML file".to_owned(),
            Self::NotUtf8 { .. } => "save it as UTF-8 text".to_owned(),
            Self::TooDeep { .. } => "no key is nested that deep".to_owned(),
            Self::BadExtends { .. } => "write extends = \"base.toml\"".to_owned(),
            Self::Cycle { .. } => "take the last `extends` out".to_owned(),
            Self::TooManyFiles { .. } => "put several of them into one".to_owned(),
            Self::BadOverride { .. } => "examples: --set train.epochs=5, --set 'seeds=[0, 1]'".to_owned(),
            // Names of the schema and no text of the file, so it needs no cutting.
            Self::UnknownKey { meant: Some(meant), .. } => meant.clone(),
            Self::UnknownKey { key, suggestion: Some(known), .. } => {
                let parent = key.rfind('.').map_or("", |dot| &key[..=dot]);
                format!("did you mean `{}{}`?", brief(parent), brief(known))
            }
            Self::UnknownChoice { suggestion: Some(known), .. } => format!("did you mean {known:?}?"),
            Self::UnknownKey { known, .. } if known.is_empty() => "nothing can be set there".to_owned(),
            Self::UnknownKey { known, .. } => format!("known here: {}", list(known)),
            Self::UnknownChoice { known, .. } => format!("it can be: {}", list(known)),
            Self::WrongType { expected, place: Some(place), .. }
                if place.origin == super::Origin::Override && expected == "a string" =>
            {
                "quote it twice, for the shell and for TOML: --set 'KEY=\"…\"'".to_owned()
            }
            Self::RecordedExtends { .. } | Self::Syntax { .. } | Self::BadValue { .. } | Self::WrongType { .. } => {
                return None;
            }
            Self::MissingKey { key, place: Some(_), .. } => {
                format!("add `{} = …` there", brief(key.rsplit('.').next().unwrap_or(key)))
            }
            Self::MissingKey { key, .. } => format!("add `{} = …` above the first [table]", brief(key)),
            Self::NoThread { .. } => "the limits on threads or memory of this process may be too low".to_owned(),
        };
        Some(hint)
    }
}

/// What follows the first line: the place, the hint.
struct Tail<'a>(Option<&'a Place>, Option<String>);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.0 {
            write!(f, "\n{place}")?;
        }
        match &self.1 {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

fn chain(files: &[PathBuf]) -> String {
    files.iter().map(|path| format!("`{}`", Shown(path))).collect::<Vec<_>>().join(" -> ")
}

/// A few dozen names at most: the schema's own, so they need no cutting.
fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
