//! From a file to its datasheet.

use std::path::{Path, PathBuf};

use medley_core::{Origin, ScoringToken, TaskSpec};

use super::document::{Datasheet, Section};
use super::known::{Known, KnownSet};
use super::measured::Measured;
use super::sections;
use medley_data::archive::Archive;
use medley_data::registry::user::UserEntry;
use medley_data::registry::{Entry, Identity, Release};
use medley_data::{DataError, OpenOptions, OpenedFile, SYNTHETIC_MEMBER, open_file, set_named, set_of};

/// The longest remark of a drawn set that is read.
const MAX_REMARK: usize = 4_096;

/// A file that a datasheet is about.
#[derive(Debug)]
pub struct Subject {
    path: PathBuf,
    opened: OpenedFile,
    entry: Option<Entry>,
    /// What a drawn set says of its drawing.
    remark: Option<String>,
    /// How a user's own set was made, as its entry says.
    import: Vec<String>,
}

/// Everything that answers draw on.
pub(super) struct Facts<'a> {
    pub(super) opened: &'a OpenedFile,
    pub(super) measured: Measured,
    pub(super) remark: Option<&'a str>,
    /// How a user's own set was made, a line each.
    pub(super) import: &'a [String],
    /// The set as it is registered, if it is.
    pub(super) entry: Option<&'a Entry>,
    /// What is published beyond the registry; `None` for drawn sets and a user's own.
    pub(super) known: Option<&'a KnownSet>,
    /// Size of the images, as in file names.
    pub(super) size: usize,
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

    /// Opens what a person names: a set in a folder, such as `pathmnist` or `pathmnist_64`, or the path of a file that ends
    /// in `.npz`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_named(named: &Path, folder: &Path, options: &OpenOptions) -> Result<Self, DataError> {
        if named.extension().is_some_and(|extension| extension == "npz") {
            return Self::open(named, options);
        }
        let (entry, size) = set_named(&named.to_string_lossy(), folder)?;
        let path = folder.join(entry.file_name(size));
        Self::new(&path, open_file(&path, &entry, size, options)?, Some(entry))
    }

    /// A file that was opened already, with what is registered of it: a user's own set may have an entry or none.
    ///
    /// # Errors
    /// When a file that was drawn does not say how.
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

impl<'a> Facts<'a> {
    pub(super) fn spec(&self) -> &'a TaskSpec {
        &self.opened.task.spec
    }

    pub(super) fn is_synthetic(&self) -> bool {
        self.spec().origin == Origin::Synthetic
    }

    pub(super) fn is_official(&self) -> bool {
        self.spec().origin == Origin::Official
    }

    /// Where the statements of the entry stand.
    pub(super) fn registry(&self) -> &'static str {
        if self.entry.is_some_and(|entry| entry.origin == Origin::User) { "entry beside the file" } else { "registry" }
    }

    /// Whether the images show people. Drawn ones do not; of a user's own nobody here knows.
    pub(super) fn shows_people(&self) -> Option<bool> {
        use medley_core::Modality::{ElectronMicroscope, Other};
        match (self.spec().origin, self.spec().modality) {
            (Origin::Synthetic, _) => Some(false),
            (Origin::User, _) | (_, Other) => None,
            // Synapses of a rat.
            (Origin::Official, modality) => Some(modality != ElectronMicroscope),
        }
    }

    /// How the file compares with the registered ones.
    pub(super) fn identity(&self) -> Identity<'a> {
        self.entry.map_or(Identity::Unknown, |entry| entry.identify(&self.opened.record.md5, self.measured.rows))
    }

    /// The release that claims are made for: the one that the file is of, else the current one.
    pub(super) fn release(&self) -> Option<&'a Release> {
        match self.identity() {
            Identity::Published(release) | Identity::SameRows(release) => Some(release),
            Identity::Unknown => self.entry.and_then(|entry| entry.releases.first()),
        }
    }

    fn verdict(&self) -> String {
        if self.is_synthetic() {
            return "SYNTHETIC: drawn by Medley, no medical data.".to_owned();
        }
        match (self.identity(), self.is_official()) {
            (Identity::Published(_), false) => "A user's own set, byte for byte the file that was imported.".to_owned(),
            (_, false) if self.entry.is_some() => "A user's own set, but not the file that was imported.".to_owned(),
            (_, false) => "A user's own set, known to no registry.".to_owned(),
            (Identity::Published(release), _) if release.name == "any" => {
                "Byte for byte the published file.".to_owned()
            }
            (Identity::Published(release), _) => {
                format!("Byte for byte the published file of MedMNIST {}.", release.name)
            }
            (Identity::SameRows(_), _) => {
                "As many images as a published file, but other bytes: repacked or changed.".to_owned()
            }
            (Identity::Unknown, _) => "Neither the rows nor the MD5 of any published file.".to_owned(),
        }
    }
}

/// The text in which a drawn set says how it was drawn.
fn remark(path: &Path) -> Result<String, DataError> {
    let archive = Archive::open(path, SYNTHETIC_MEMBER)?;
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
