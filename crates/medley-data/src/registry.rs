//! The eighteen published sets: what each is, and what its files must be.
//!
//! The facts lie in `data/registry.toml`, which a committed script writes from the medmnist package, and are embedded at compile
//! time. Two generations of files are in circulation: in January 2024 (release 2.2.4) a few blank images were removed from five
//! sets. The competition uses the older ones, current downloads are the newer ones, and both are known here.

pub mod user;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use medley_core::{ImageShape, Modality, Origin, TaskKind, TaskSpec};
use serde::{Deserialize, Serialize};
use strsim::levenshtein;

use crate::DataError;

const TEXT: &str = include_str!("../../../data/registry.toml");

/// All known sets: the published ones in the order of the medmnist package, then a user's own by name.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// The paper that whoever uses MedMNIST cites.
    pub citation: String,
    #[serde(rename = "set")]
    entries: Vec<Entry>,
}

/// One set.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Published, or a user's own.
    #[serde(default = "official")]
    pub origin: Origin,
    /// Stem of its files, such as `pathmnist`.
    pub name: String,
    /// As written in papers, such as `PathMNIST`.
    pub title: String,
    /// What the images show.
    pub modality: Modality,
    /// What MedMNIST made it from.
    pub source: String,
    /// How labels are read.
    pub kind: TaskKind,
    /// 2 or 3.
    pub dimensions: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Names of classes or labels.
    pub classes: Vec<String>,
    /// Short name of the licence of the data.
    pub licence: String,
    /// Papers of the source, to be cited beside MedMNIST's own; none for sets that were made for MedMNIST.
    #[serde(default)]
    pub citations: Vec<String>,
    /// Published generations, current one first.
    #[serde(rename = "release")]
    pub releases: Vec<Release>,
}

/// One generation of the files of a set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// `any` where all releases of MedMNIST v2 and v3 share the files, else the range of package versions.
    pub name: String,
    /// Images of train, val and test.
    pub rows: [usize; 3],
    /// One file per size.
    pub files: Vec<PublishedFile>,
}

/// One published file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedFile {
    /// Edge length in pixels.
    pub size: usize,
    /// MD5 of the file, 32 hexadecimal digits.
    pub md5: String,
    /// Where it is published.
    pub url: String,
}

fn official() -> Origin {
    Origin::Official
}

impl Registry {
    /// The embedded registry.
    ///
    /// # Panics
    /// Never: a test reads the embedded text.
    pub fn builtin() -> &'static Self {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| toml::from_str(TEXT).expect("the embedded registry is tested"))
    }

    /// The published sets, and those whose entries lie in a data folder (see [`user`]).
    ///
    /// # Errors
    /// [`DataError::Entry`] for the first entry that is wrong.
    pub fn of_folder(folder: &Path) -> Result<Self, DataError> {
        let mut registry = Self::builtin().clone();
        for path in user::entry_paths(folder)? {
            registry.entries.push(user::UserEntry::read(&path)?.into_entry());
        }
        Ok(registry)
    }

    /// A set by name.
    ///
    /// # Errors
    /// [`DataError::UnknownSet`], which suggests the nearest name.
    pub fn find(&self, name: &str) -> Result<&Entry, DataError> {
        self.get(name).ok_or_else(|| self.unknown(name))
    }

    /// A set by name: a published one, or one whose entry lies in the folder. Entries of a user are read only if they are needed.
    ///
    /// # Errors
    /// [`DataError::UnknownSet`]; [`DataError::Entry`] for the first entry that is wrong.
    pub fn find_in(folder: &Path, name: &str) -> Result<Entry, DataError> {
        match Self::builtin().get(name) {
            Some(entry) => Ok(entry.clone()),
            None => Self::of_folder(folder)?.find(name).cloned(),
        }
    }

    /// The error for a name that is not known.
    pub fn unknown(&self, name: &str) -> DataError {
        let stem = name.trim_end_matches(".npz");
        let set = stem.rsplit_once('_').filter(|(_, size)| size.parse::<usize>().is_ok()).map_or(stem, |(set, _)| set);
        let suggestion = self.suggest(set).map(str::to_owned);
        DataError::UnknownSet { name: name.to_owned(), suggestion }
    }

    /// The set that a file holds and the size of its images: by MD5, else by the shapes of the images of train, val and test.
    pub fn by_content(&self, md5: &str, images: [Option<&[usize]>; 3]) -> Option<(&Entry, usize)> {
        for entry in &self.entries {
            let mut files = entry.releases.iter().flat_map(|release| &release.files);
            if let Some(file) = files.find(|file| file.md5 == md5) {
                return Some((entry, file.size));
            }
        }
        let [Some([train, image @ ..]), Some([val, ..]), Some([test, ..])] = images else { return None };
        let fits = |entry: &&Entry| {
            let colour = entry.channels != 3 || (image.last() == Some(&3) && image.len() == 3);
            let dimensions = if entry.channels == 3 { 2 } else { image.len() };
            colour
                && dimensions == entry.dimensions
                && entry.releases.iter().any(|release| release.rows == [*train, *val, *test])
        };
        let size = *image.first()?;
        self.entries.iter().find(fits).filter(|entry| entry.sizes().contains(&size)).map(|entry| (entry, size))
    }

    /// A set by name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// All sets.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The known name nearest to a mistyped one, if any is near.
    pub fn suggest(&self, name: &str) -> Option<&str> {
        let name: String = name.to_lowercase().chars().take(64).collect();
        let distance = |entry: &&Entry| levenshtein(&name, &entry.name).min(levenshtein(&name, stem(&entry.name)));
        let nearest = self.entries.iter().min_by_key(|entry| distance(entry))?;
        (distance(&nearest) <= 3.min(name.len() / 3)).then_some(nearest.name.as_str())
    }

    /// The set and size that a file name such as `pathmnist_64.npz` stands for.
    pub fn by_file_name(&self, file: &str) -> Option<(&Entry, usize)> {
        let stem = file.strip_suffix(".npz")?;
        // A user's set may have an underscore in its name.
        if let Some(entry) = self.get(stem) {
            return Some((entry, 28));
        }
        let (name, size) = stem.rsplit_once('_')?;
        Some((self.get(name)?, size.parse().ok()?))
    }
}

impl Entry {
    /// The task that images of this size pose.
    pub fn spec(&self, size: usize, origin: Origin) -> TaskSpec {
        let shape = if self.dimensions == 3 {
            ImageShape::volume(size, size, size, self.channels)
        } else {
            ImageShape::flat(size, size, self.channels)
        };
        TaskSpec {
            name: self.name.clone(),
            title: self.title.clone(),
            kind: self.kind,
            modality: self.modality,
            classes: self.classes.clone(),
            shape,
            origin,
        }
    }

    /// Name of the file of a size: `pathmnist.npz`, `pathmnist_64.npz`.
    pub fn file_name(&self, size: usize) -> String {
        if size == 28 { format!("{}.npz", self.name) } else { format!("{}_{size}.npz", self.name) }
    }

    /// The published file of a size in the current release.
    pub fn file(&self, size: usize) -> Option<&PublishedFile> {
        self.releases.first()?.files.iter().find(|file| file.size == size)
    }

    /// Where the file of a size lies in a folder.
    ///
    /// # Errors
    /// [`DataError::UnknownSize`].
    pub fn path_in(&self, folder: &Path, size: usize) -> Result<PathBuf, DataError> {
        if self.file(size).is_none() {
            return Err(self.unknown_size(size));
        }
        Ok(folder.join(self.file_name(size)))
    }

    /// The error for a size that is not published.
    pub fn unknown_size(&self, size: usize) -> DataError {
        DataError::UnknownSize { name: self.name.clone(), size, sizes: self.sizes() }
    }

    /// Sizes that are published.
    pub fn sizes(&self) -> Vec<usize> {
        self.releases.first().map(|release| release.files.iter().map(|file| file.size).collect()).unwrap_or_default()
    }

    /// A release by name, such as `2.0-2.2.3`. Sets whose files never changed have one, `any`, which every name finds.
    pub fn release(&self, name: &str) -> Option<&Release> {
        match self.releases.as_slice() {
            [only] if only.name == "any" => Some(only),
            releases => releases.iter().find(|release| release.name == name),
        }
    }

    /// Rows of train, val and test in a release.
    pub fn rows(&self, release: &str) -> Option<[usize; 3]> {
        self.release(release).map(|release| release.rows)
    }

    /// Row counts of the generation that the competition uses: the oldest.
    pub fn competition_rows(&self) -> [usize; 3] {
        self.releases.last().map_or([0; 3], |release| release.rows)
    }

    /// Whether the licence forbids commercial use.
    pub fn is_noncommercial(&self) -> bool {
        self.licence.contains("-NC")
    }

    /// The release a file belongs to: by MD5 where it is known, else by its row counts.
    pub fn identify(&self, md5: &str, rows: [usize; 3]) -> Identity<'_> {
        for release in &self.releases {
            if release.files.iter().any(|file| file.md5 == md5) {
                return Identity::Published(release);
            }
        }
        match self.releases.iter().find(|release| release.rows == rows) {
            Some(release) => Identity::SameRows(release),
            None => Identity::Unknown,
        }
    }
}

/// What a file is, among the published ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity<'a> {
    /// Byte for byte a published file.
    Published(&'a Release),
    /// As many rows as a published file, but other bytes: repacked, or changed.
    SameRows(&'a Release),
    /// Neither.
    Unknown,
}

/// `organmnist3d` is also found by `organ3d`.
fn stem(name: &str) -> &str {
    name.split("mnist").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use medley_core::COMPETITION_TASKS;

    use super::*;

    #[test]
    fn the_embedded_text_is_sound() {
        let registry = Registry::builtin();
        assert_eq!(registry.entries().len(), 18);
        for entry in registry.entries() {
            assert_eq!(entry.kind == TaskKind::Binary, entry.classes.len() == 2, "{}", entry.name);
            assert!(entry.citations.iter().all(|text| text.contains("20")), "{}", entry.name);
            assert_eq!(entry.sizes().len(), if entry.dimensions == 3 { 2 } else { 4 }, "{}", entry.name);
            for file in entry.releases.iter().flat_map(|release| &release.files) {
                assert_eq!(file.md5.len(), 32);
                assert!(file.md5.bytes().all(|byte| byte.is_ascii_hexdigit()));
                assert!(file.url.starts_with("https://") && file.url.ends_with(&entry.file_name(file.size)));
            }
        }
    }

    #[test]
    fn the_competition_has_its_published_row_counts() {
        let rows = |split: usize| -> usize {
            COMPETITION_TASKS.iter().map(|name| Registry::builtin().get(name).unwrap().competition_rows()[split]).sum()
        };
        assert_eq!([rows(0), rows(1), rows(2)], [439_760, 59_248, 96_941]);
    }

    #[test]
    fn both_generations_are_told_apart() {
        let organ = Registry::builtin().get("organamnist").unwrap();
        let old = organ.identify("866b832ed4eeba67bfb9edee1d5544e6", [34_581, 6_491, 17_778]);
        assert!(matches!(old, Identity::Published(release) if release.name == "2.0-2.2.3"));
        let repacked = organ.identify("0", [34_561, 6_491, 17_778]);
        assert!(matches!(repacked, Identity::SameRows(release) if release.name == ">=2.2.4"));
        assert_eq!(organ.identify("0", [1, 1, 1]), Identity::Unknown);
    }

    #[test]
    fn releases_are_found_by_name() {
        let registry = Registry::builtin();
        let organ = registry.get("organsmnist").unwrap();
        assert_eq!(organ.rows("2.0-2.2.3"), Some([13_940, 2_452, 8_829]));
        assert_eq!(organ.rows(">=2.2.4"), Some([13_932, 2_452, 8_827]));
        assert_eq!(organ.rows("1.0"), None);
        assert_eq!(registry.get("breastmnist").unwrap().rows("2.0-2.2.3"), Some([546, 78, 156]));
        assert!(registry.get("dermamnist").unwrap().is_noncommercial());
        assert_eq!(registry.entries().iter().filter(|entry| entry.is_noncommercial()).count(), 1);
    }

    #[test]
    fn mistyped_names_are_guessed() {
        let registry = Registry::builtin();
        assert_eq!(registry.suggest("brestmnist"), Some("breastmnist"));
        assert_eq!(registry.suggest("BloodMNIST"), Some("bloodmnist"));
        assert_eq!(registry.suggest("retina"), Some("retinamnist"));
        assert_eq!(registry.suggest("imagenet-21k-full"), None);
        assert_eq!(
            registry.by_file_name("pathmnist_64.npz").map(|(e, s)| (e.name.as_str(), s)),
            Some(("pathmnist", 64))
        );
        assert!(registry.by_file_name("x.npz").is_none());
    }
}
