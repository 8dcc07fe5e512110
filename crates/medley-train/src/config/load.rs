//! Configs from layered TOML files.
//!
//! A file may begin with `extends = "base.toml"` (relative to itself). The base is read first and the file is laid over it:
//! tables merge key by key, everything else replaces. A table in braces is a value, so `{ name = "resnet18" }` replaces
//! `{ name = "resnet9", width = 32 }` whole: keys of another choice must not survive. Then come overrides such as
//! `train.epochs=5`, and only then does serde see the result.
//!
//! serde names a wrong key, but does not know where it was written. So the merged tree remembers the file and the span of
//! every key, and an error is shown at its place:
//!
//! ```
//! # #[derive(Debug, serde::Deserialize)]
//! # #[serde(deny_unknown_fields)]
//! # struct Small { learning_rate: f64 }
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("small.toml");
//! # std::fs::write(&path, "learnin_rate = 0.1\n")?;
//! use medley_train::config::load;
//!
//! let error = load::load::<Small>(&path, &[]).unwrap_err();
//! let shown = error.to_string().replace(&*path.to_string_lossy(), "small.toml");
//! assert_eq!(shown, "\
//! unknown key `learnin_rate`
//!  --> small.toml:1:1
//!   |
//! 1 | learnin_rate = 0.1
//!   | ^^^^^^^^^^^^
//! hint: did you mean `learning_rate`?");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod diagnosis;
mod error;
mod overrides;
mod place;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use medley_storage::{ConfinedFolder, ReadError, open_unlinked, read_all, read_file};
use serde::de::DeserializeOwned;

pub use error::ConfigError;
pub use place::{Origin, Place};
pub(super) use tree::Edit;

use tree::{Document, Node, Tree};

/// Largest config file that is read, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;
/// Most files in a chain of `extends`.
pub const MAX_FILES: usize = 8;
/// Most tables and arrays within each other.
pub const MAX_DEPTH: usize = 32;

/// The TOML parser recurses as deep as dotted keys and braces make it, which by its own limits is some thousand levels: more
/// than the 2 MiB of an ordinary thread hold. It runs on a stack that holds them, and [`MAX_DEPTH`] is checked there.
const PARSER_STACK: usize = 64 << 20;

/// A config, and what it was made of.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// As serde reads it.
    pub value: T,
    /// What was written, merged: without `extends`, and without the defaults of keys that were not written.
    pub table: toml::Table,
    /// The files, in the order they were laid over each other; the last is the one asked for.
    pub sources: Vec<PathBuf>,
    /// Where each key was written, for those who find later that a value cannot be used.
    pub places: Places,
}

/// Where the keys of a config were written.
#[derive(Debug, Clone)]
pub struct Places {
    tree: Arc<Tree>,
}

impl Places {
    /// The place of a value by its dotted key, such as `train.epochs` or `tasks[1]`; `None` if it was not written, so that
    /// it has its default.
    pub fn of(&self, key: &str) -> Option<Place> {
        self.tree.get(&tree::parse_steps(key)?).and_then(|node| self.tree.place_of_value(node)).map(|place| *place)
    }

    /// [`ConfigError::BadValue`] for a value that was read but cannot be used, shown at its place.
    pub fn refuse(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::BadValue { key: key.to_owned(), problem: problem.into(), place: self.of(key).map(Box::new) }
    }
}

/// Reads a config file with everything it extends, and applies overrides (`train.epochs=5`; what is no TOML value is taken
/// for a string) in their order.
///
/// # Errors
/// [`ConfigError`], with the place of what is wrong.
pub fn load<T: DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<Loaded<T>, ConfigError> {
    let mut tree = Tree::new();
    let sources = lay_files(&mut tree, path, Source::Named)?;
    for text in overrides {
        overrides::apply(&mut tree, text)?;
    }
    read(tree, path, sources)
}

/// Reads the config of a run folder, changed in memory first. It extends nothing, and is reached through no link: the folder may
/// be somebody else's.
///
/// # Errors
/// As [`load`].
pub(super) fn load_recorded<T: DeserializeOwned>(
    path: &Path,
    change: impl FnOnce(&mut Edit<'_>),
) -> Result<Loaded<T>, ConfigError> {
    let mut tree = Tree::new();
    let sources = lay_files(&mut tree, path, Source::Recorded)?;
    change(&mut Edit::new(&mut tree));
    read(tree, path, sources)
}

fn read<T: DeserializeOwned>(tree: Tree, path: &Path, sources: Vec<PathBuf>) -> Result<Loaded<T>, ConfigError> {
    let table = tree.to_table();
    match serde_path_to_error::deserialize(toml::Value::Table(table.clone())) {
        Ok(value) => Ok(Loaded { value, table, sources, places: Places { tree: Arc::new(tree) } }),
        Err(error) => Err(diagnosis::diagnose(&tree, path, &error)),
    }
}

/// A config as TOML text: keys sorted, values before tables. Equal tables give equal text, and reading it gives the table.
///
/// # Panics
/// Never: every [`toml::Table`] can be written as TOML.
pub fn render(table: &toml::Table) -> String {
    toml::to_string(table).expect("a TOML table is written as TOML")
}

/// Reads the chain of files and lays them over each other, base first.
fn lay_files(tree: &mut Tree, path: &Path, mut source: Source) -> Result<Vec<PathBuf>, ConfigError> {
    let mut chain: Vec<Layer> = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        if chain.len() == MAX_FILES {
            return Err(ConfigError::TooManyFiles { path, limit: MAX_FILES });
        }
        let layer = Layer::read(&path, &source)?;
        if chain.iter().any(|seen| seen.identity == layer.identity) {
            let files = chain.iter().map(|layer| layer.path.clone()).chain([path]).collect();
            return Err(ConfigError::Cycle { files });
        }
        next = None;
        if let Some((base, place)) = &layer.extends {
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            next = Some(folder.join(base));
            source = Source::Extended { folder, place: place.clone() };
        }
        chain.push(layer);
    }
    let mut sources = Vec::with_capacity(chain.len());
    for layer in chain.into_iter().rev() {
        sources.push(layer.path);
        tree.lay(layer.document, layer.root);
    }
    Ok(sources)
}

/// Who names a file, which decides how it is opened.
enum Source {
    /// A user; it may be a link.
    Named,
    /// A file in `folder`, at `place`. Whoever wrote that file need not be who uses it, so the name must be that of a config, and
    /// no link, lest an error show what lies elsewhere.
    Extended { folder: PathBuf, place: Box<Place> },
    /// A run folder.
    Recorded,
}

/// One file of a chain.
struct Layer {
    path: PathBuf,
    /// Canonical, so that a cycle is seen through links and `..`.
    identity: PathBuf,
    document: Document,
    root: Node,
    /// The base and where it is named.
    extends: Option<(String, Box<Place>)>,
}

impl Layer {
    fn read(path: &Path, source: &Source) -> Result<Self, ConfigError> {
        let text = read_text(path, source)?;
        let document = Document { origin: Origin::File(path.to_owned()), text: text.into() };
        let mut root = parse_document(&document)?;
        let extends = match root.remove("extends") {
            None => None,
            Some(node) => {
                let place = Box::new(document.place(&node.span));
                match node.as_str() {
                    _ if matches!(source, Source::Recorded) => return Err(ConfigError::RecordedExtends { place }),
                    Some(base) if is_config(base) => Some((base.to_owned(), place)),
                    _ => return Err(ConfigError::BadExtends { place }),
                }
            }
        };
        let identity = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Ok(Self { path: path.to_owned(), identity, document, root, extends })
    }
}

fn is_config(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "toml")
}

fn read_text(path: &Path, source: &Source) -> Result<String, ConfigError> {
    let read = match source {
        Source::Named => read_file(path, MAX_BYTES),
        Source::Recorded => ConfinedFolder::new(path.parent().unwrap_or(Path::new(""))).read_file(path, MAX_BYTES),
        Source::Extended { folder, .. } => match ConfinedFolder::new(folder).read_file(path, MAX_BYTES) {
            // Beside the folder, such as `../base.toml`.
            Err(ReadError::Outside { .. }) => open_unlinked(path).and_then(|file| read_all(file, MAX_BYTES)),
            read => read,
        },
    };
    match read {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..offset].split(|&byte| byte == b'\n').count();
            ConfigError::NotUtf8 { path: path.to_owned(), line, offset }
        }),
        Err(ReadError::Missing { path }) => {
            let wanted_by = match source {
                Source::Extended { place, .. } => Some(place.clone()),
                Source::Named | Source::Recorded => None,
            };
            Err(ConfigError::Missing { path, wanted_by })
        }
        Err(ReadError::TooLarge { path, limit, .. }) => Err(ConfigError::TooLarge { path, limit }),
        Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    }
}

fn parse_document(document: &Document) -> Result<Node, ConfigError> {
    with_room(|| match toml::de::DeTable::parse(&document.text) {
        Ok(table) => tree::from_table(table, document),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            Err(ConfigError::Syntax { problem: error.message().to_owned(), place: document.place(&span).into() })
        }
    })
}

/// Runs `parse` on a stack that is deep enough for whatever the TOML parser accepts.
fn with_room<T: Send>(parse: impl FnOnce() -> Result<T, ConfigError> + Send) -> Result<T, ConfigError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("config".to_owned()).stack_size(PARSER_STACK);
        match thread.spawn_scoped(scope, parse) {
            Ok(handle) => handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(source) => Err(ConfigError::NoThread { source }),
        }
    })
}

#[cfg(test)]
mod tests;
