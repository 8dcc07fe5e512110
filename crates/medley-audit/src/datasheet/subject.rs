//! From a file to its datasheet.

use std::path::{Path, PathBuf};

use medley_core::{Origin, ScoringToken};

use super::document::{Datasheet, Section};
use super::facts::Facts;
use super::known::Known;
use super::measured::Measured;
use super::sections;
use medley_data::archive::Archive;
use medley_data::registry::Entry;
use medley_data::registry::user::UserEntry;
use medley_data::{DataError, OpenOptions, OpenedFile, SYNTHETIC_MEMBER, file_named, open_file, set_of};

/// The longest remark of a generated set that is read.
const MAX_REMARK: usize = 4_096;

/// A file that a datasheet is about.
#[derive(Debug)]
pub struct Subject {
    path: PathBuf,
    opened: OpenedFile,
    entry: Option<Entry>,
    /// What a generated set says of how it was generated.
    remark: Option<String>,
    /// How a user's own set was made, as its entry says.
    import: Vec<String>,
}

impl Subject {
    /// Opens a file of a known set: by its name, an entry beside it, or its content.
    ///
    /// # Errors
    /// As [`open_file`](medley_data::open_file), and [`DataError::UnknownSet`] for others.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, DataError> {
        let (entry, size) = set_of(path)?;
        Self::new(path, open_file(path, &entry, size, options)?, Some(entry))
    }

    /// Opens what a person names: a file, or a set in a folder (see [`file_named`]).
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_named(named: &Path, folder: &Path, options: &OpenOptions) -> Result<Self, DataError> {
        Self::open(&file_named(named, folder)?, options)
    }

    /// A file that was opened already, with what is registered of it: a user's own set may have an entry or none.
    ///
    /// # Errors
    /// When a file that was generated does not say how.
    pub fn new(path: &Path, opened: OpenedFile, entry: Option<Entry>) -> Result<Self, DataError> {
        let remark = (opened.task.spec.origin == Origin::Synthetic).then(|| remark(path)).transpose()?;
        let import = entry.as_ref().filter(|entry| entry.origin == Origin::User).map(|entry| import(path, &entry.name));
        Ok(Self { path: path.to_owned(), opened, entry, remark, import: import.unwrap_or_default() })
    }

    /// What the file was opened as; a [`ScoringToken`] names its task and the number of its test rows.
    pub fn opened(&self) -> &OpenedFile {
        &self.opened
    }

    /// Looks at every image and answers the questions. The same file gives the same datasheet.
    ///
    /// # Errors
    /// [`DataError::Content`] when the token is for other test labels.
    pub fn datasheet(&self, token: Option<&ScoringToken>) -> Result<Datasheet, DataError> {
        let spec = &self.opened.task.spec;
        let facts = Facts {
            opened: &self.opened,
            measured: Measured::of(&self.opened, &self.path, token)?,
            remark: self.remark.as_deref(),
            import: &self.import,
            entry: self.entry.as_ref(),
            known: Known::builtin().get(&spec.name).filter(|_| spec.origin == Origin::Official),
            size: spec.shape.width,
        };
        let section = |(id, title, questions): sections::Titled| Section { id, title, questions: questions(&facts) };
        Ok(Datasheet {
            title: spec.title.clone(),
            file: self.opened.record.file.clone(),
            synthetic: facts.is_synthetic(),
            verdict: facts.verdict(),
            sections: sections::ALL.map(section).into(),
        })
    }
}

/// The text in which a generated set says how it was generated.
fn remark(path: &Path) -> Result<String, DataError> {
    let archive = Archive::open(path)?;
    let member = archive.member(SYNTHETIC_MEMBER)?;
    if member.header.data_len > MAX_REMARK {
        return Err(archive.array_error(SYNTHETIC_MEMBER, format!("its text is longer than {MAX_REMARK} bytes")));
    }
    Ok(String::from_utf8_lossy(&archive.read(&member)?).into_owned())
}

/// What the entry of a user's own set says of the import; nothing where it cannot be read, as the set is open already.
fn import(path: &Path, name: &str) -> Vec<String> {
    let entry = UserEntry::read(&path.with_file_name(format!("{name}.toml")));
    let said = entry.map(|entry| entry.import).unwrap_or_default();
    said.iter()
        .map(|(key, value)| format!("{key}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}
