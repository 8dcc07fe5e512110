//! Entries of a user's own sets: `NAME.toml` beside `NAME.npz`, written by `medley data import`.
//!
//! A TOML file counts as an entry when a data file of its name lies beside it, `NAME.npz` or `NAME_SIZE.npz`; others (configs,
//! notes) are passed over. What counts is read strictly: an unknown key or a name that a published set has is an error.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use medley_core::{Modality, Origin, TaskKind};
use medley_storage::read_text;
use serde::{Deserialize, Serialize};

use super::{Entry, PublishedFile, Registry, Release};
use crate::DataError;

/// Version of the form of entries.
pub const FORMAT: u32 = 1;
/// The name of the one release that a user's set has.
pub const RELEASE: &str = "imported";
/// Sizes that images may have.
pub const SIZES: std::ops::RangeInclusive<usize> = 8..=1_024;
/// Entries are a few lines.
const MAX_BYTES: u64 = 1 << 20;

/// The text of `NAME.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UserEntry {
    /// [`FORMAT`].
    pub medley_set: u32,
    /// Stem of the files: lower-case letters, digits and `-`.
    pub name: String,
    /// As written in reports.
    pub title: String,
    /// What the images show.
    pub modality: Modality,
    /// Where they come from.
    pub source: String,
    /// How labels are read.
    pub kind: TaskKind,
    /// 2 or 3.
    pub dimensions: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Names of classes or labels.
    pub classes: Vec<String>,
    /// Short name of the licence.
    pub licence: String,
    /// Papers to be cited.
    #[serde(default)]
    pub citations: Vec<String>,
    /// Images of train, val and test.
    pub rows: [usize; 3],
    /// One file per size.
    #[serde(rename = "file")]
    pub files: Vec<UserFile>,
    /// How the files were made from images, for people: keys and values in words.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub import: toml::Table,
}

/// One file of a user's set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UserFile {
    /// Edge length in pixels.
    pub size: usize,
    /// MD5 of the file, 32 hexadecimal digits.
    pub md5: String,
}

impl UserEntry {
    /// Reads and checks an entry.
    ///
    /// # Errors
    /// [`DataError::Entry`] with what is wrong, and where.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let refuse = |problem: String| DataError::Entry { path: path.to_owned(), problem };
        let text = read_text(path, MAX_BYTES)?;
        let entry: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string().trim_end().to_owned()))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if entry.name != stem {
            return Err(refuse(format!("`name` is {:?}, but the file is called {stem:?}", entry.name)));
        }
        entry.check().map_err(refuse)?;
        Ok(entry)
    }

    /// Checks what the types leave open.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn check(&self) -> Result<(), String> {
        if self.medley_set != FORMAT {
            return Err(format!("`medley_set` is {}, but this program reads {FORMAT}", self.medley_set));
        }
        check_name(&self.name)?;
        let distinct: BTreeSet<_> = self.classes.iter().collect();
        if self.classes.len() < 2 || self.classes.len() > 256 || distinct.len() != self.classes.len() {
            return Err("`classes` must be 2 to 256 different names".to_owned());
        }
        if (self.kind == TaskKind::Binary) != (self.classes.len() == 2) && self.kind != TaskKind::MultiLabel {
            return Err(format!("`kind` is {}, but there are {} classes", self.kind, self.classes.len()));
        }
        if !matches!((self.dimensions, self.channels), (2, 1 | 3) | (3, 1)) {
            return Err("`dimensions` and `channels` must be 2 and 1, 2 and 3, or 3 and 1".to_owned());
        }
        if self.rows.contains(&0) {
            return Err(format!("`rows` is {:?}: every split needs images", self.rows));
        }
        let sizes: BTreeSet<_> = self.files.iter().map(|file| file.size).collect();
        if self.files.is_empty() || sizes.len() != self.files.len() || !sizes.iter().all(|size| SIZES.contains(size)) {
            return Err(format!("`[[file]]` must name different sizes in {} to {}", SIZES.start(), SIZES.end()));
        }
        let digits =
            |md5: &str| md5.len() == 32 && md5.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match self.files.iter().find(|file| !digits(&file.md5)) {
            Some(file) => Err(format!("`md5` is {:?}, not 32 lower-case hexadecimal digits", file.md5)),
            None => Ok(()),
        }
    }

    /// The entry as those of published sets are.
    pub fn into_entry(self) -> Entry {
        let files = self.files.into_iter();
        let files = files.map(|file| PublishedFile { size: file.size, md5: file.md5, url: String::new() }).collect();
        Entry {
            origin: Origin::User,
            name: self.name,
            title: self.title,
            modality: self.modality,
            source: self.source,
            kind: self.kind,
            dimensions: self.dimensions,
            channels: self.channels,
            classes: self.classes,
            licence: self.licence,
            citations: self.citations,
            releases: vec![Release { name: RELEASE.to_owned(), rows: self.rows, files }],
        }
    }
}

/// Whether a user's set may have this name.
///
/// # Errors
/// A sentence that says which names may be had.
pub fn check_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    // `all` and `competition` stand for lists of sets.
    let reserved = matches!(name, "competition" | "all");
    if name.is_empty()
        || name.len() > 64
        || !name.bytes().all(legal)
        || !name.as_bytes()[0].is_ascii_lowercase()
        || reserved
    {
        return Err(format!(
            "{name:?} cannot be the name of a set: use 1 to 64 lower-case letters, digits and `-`, a letter first; `all` and \
             `competition` are reserved"
        ));
    }
    if Registry::builtin().get(name).is_some() {
        return Err(format!("{name:?} is a published set; choose another name"));
    }
    Ok(())
}

/// Paths of the entries in a folder, sorted; a folder that does not exist has none.
pub(super) fn entry_paths(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = match fs_err::read_dir(here) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(source) => return Err(DataError::io(folder, source)),
    };
    let mut stems = BTreeSet::new();
    let mut texts = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| DataError::io(folder, source))?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npz") => {
                let sized = stem.rsplit_once('_').filter(|(_, size)| size.parse::<usize>().is_ok());
                stems.extend(sized.map(|(name, _)| name.to_owned()));
                stems.insert(stem);
            }
            Some("toml") if Registry::builtin().get(&stem).is_none() => texts.push((stem, path)),
            _ => {}
        }
    }
    texts.retain(|(stem, _)| stems.contains(stem));
    texts.sort();
    Ok(texts.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let entry = UserEntry {
            medley_set: FORMAT,
            name: "moles".to_owned(),
            title: "Moles".to_owned(),
            modality: Modality::Other,
            source: "a clinic".to_owned(),
            kind: TaskKind::Binary,
            dimensions: 2,
            channels: 3,
            classes: vec!["benign".to_owned(), "malignant".to_owned()],
            licence: "own".to_owned(),
            citations: Vec::new(),
            rows: [7, 1, 2],
            files: vec![UserFile { size: 32, md5: "0".repeat(32) }],
            import: toml::Table::new(),
        };
        toml::to_string(&entry).unwrap()
    }

    fn folder_with(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("moles.toml"), text).unwrap();
        fs_err::write(folder.path().join("moles_32.npz"), "").unwrap();
        folder
    }

    #[test]
    fn entries_join_the_published_sets() {
        let folder = folder_with(&text());
        fs_err::write(folder.path().join("notes.toml"), "no entry: no data file beside it").unwrap();
        fs_err::write(folder.path().join("breastmnist.toml"), "a config, perhaps").unwrap();
        fs_err::write(folder.path().join("breastmnist.npz"), "").unwrap();
        let registry = Registry::of_folder(folder.path()).unwrap();
        assert_eq!(registry.entries().len(), 19);
        let entry = registry.get("moles").unwrap();
        assert_eq!((entry.origin, entry.sizes()), (Origin::User, vec![32]));
        assert_eq!(entry.file_name(32), "moles_32.npz");
        assert_eq!(entry.spec(32, entry.origin).shape.to_string(), "32x32x3");
        assert_eq!(registry.suggest("mole"), Some("moles"));
        assert_eq!(Registry::of_folder(Path::new("/nonexistent")).unwrap().entries().len(), 18);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (from, to, part) in [
            ("licence", "license", "license"),
            ("medley_set = 1", "medley_set = 2", "`medley_set` is 2"),
            ("name = \"moles\"", "name = \"mules\"", "called \"moles\""),
            ("\"benign\", \"malignant\"", "\"benign\", \"benign\"", "different names"),
            ("kind = \"binary\"", "kind = \"multi-class\"", "there are 2 classes"),
            ("channels = 3", "channels = 2", "`channels`"),
            ("rows = [7, 1, 2]", "rows = [7, 0, 2]", "every split"),
            ("size = 32", "size = 4", "8 to 1024"),
            ("md5 = \"0000", "md5 = \"xyz!", "hexadecimal"),
        ] {
            let changed = text().replace(from, to);
            assert_ne!(changed, text(), "{from}");
            let folder = folder_with(&changed);
            let message = Registry::of_folder(folder.path()).unwrap_err().to_string();
            assert!(message.contains("moles.toml") && message.contains(part), "{message}");
        }
    }

    #[test]
    fn names_are_fit_for_files_and_configs() {
        assert!(check_name("my-moles-2").is_ok());
        for bad in ["", "Moles", "a_b", "../x", "breastmnist", "competition", "2moles", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
